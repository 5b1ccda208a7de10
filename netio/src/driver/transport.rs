//! What a stream driver needs of its transport beyond reading and writing.

use crate::shape::TlsInfo;
use core::task::{Context, Poll};
use std::io;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream};
use tokio::net::TcpStream;

/// A byte stream that a [`Stream`](crate::driver::Stream) driver can run a machine over.
///
/// All methods have defaults, so that a transport of your own joins in by `impl Transport for Mine
/// {}`. Those that can start TLS in mid-stream, as [`tls::Stream`](crate::tls::Stream) can, override
/// them.
pub trait Transport: AsyncRead + AsyncWrite + Unpin {
    /// Carries on with the TLS handshake, as client or server, whichever this end is. Called until
    /// it is ready; nothing is read or written meanwhile.
    ///
    /// # Errors
    ///
    /// The handshake's, or [`io::ErrorKind::Unsupported`] where there is no TLS.
    fn poll_start_tls(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<TlsInfo>> {
        let _ = cx;
        Poll::Ready(Err(io::ErrorKind::Unsupported.into()))
    }

    /// Ends TLS in order and keeps the connection.
    ///
    /// # Errors
    ///
    /// The transport's, or [`io::ErrorKind::Unsupported`].
    fn poll_stop_tls(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let _ = cx;
        Poll::Ready(Err(io::ErrorKind::Unsupported.into()))
    }

    /// Sends octets of which the last is urgent; returns how many were taken, as a write does.
    ///
    /// # Errors
    ///
    /// The transport's, or [`io::ErrorKind::Unsupported`].
    fn poll_write_urgent(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let _ = (cx, data);
        Poll::Ready(Err(io::ErrorKind::Unsupported.into()))
    }

    /// Makes the end of the connection a reset rather than an orderly one. By default nothing: the
    /// connection then ends when it is dropped.
    fn abort(&mut self) {}
}

impl Transport for TcpStream {
    #[cfg(all(unix, feature = "ftp"))]
    fn poll_write_urgent(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            match self.poll_write_ready(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Pending,
            }
            let sent = self.try_io(tokio::io::Interest::WRITABLE, || {
                rustix::net::send(&*self, data, rustix::net::SendFlags::OOB).map_err(Into::into)
            });
            match sent {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                sent => return Poll::Ready(sent),
            }
        }
    }

    fn abort(&mut self) {
        // Dropping the socket then sends a reset. Where that cannot be set, the drop ends it.
        let _ = self.set_zero_linger();
    }
}

impl Transport for DuplexStream {}

#[cfg(unix)]
impl Transport for tokio::net::UnixStream {}
