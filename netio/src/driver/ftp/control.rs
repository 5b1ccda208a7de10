//! The socket of a control connection.

use crate::driver::Transport;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use std::io;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// A TCP connection that reads the Telnet Synch before ABOR in its place.
///
/// Urgent octets stay in the stream (`SO_OOBINLINE`), as RFC 1123 section 3.2.4 wants it. A read stops
/// short before one of them though there is more; a [`TcpStream`] takes a short read for the last one
/// and waits for what is there already. This reads on until the system has nothing more.
#[derive(Debug)]
pub struct Control(TcpStream);

impl Control {
    /// Makes a socket ready to be a control connection.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn new(socket: TcpStream) -> io::Result<Self> {
        #[cfg(unix)]
        rustix::net::sockopt::set_socket_oobinline(&socket, true)?;
        socket.set_nodelay(true)?;
        Ok(Self(socket))
    }

    /// The socket.
    #[must_use]
    pub fn socket(&self) -> &TcpStream {
        &self.0
    }
}

impl AsyncRead for Control {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let socket = &self.get_mut().0;
        loop {
            ready!(socket.poll_read_ready(cx))?;
            match socket.try_read(buf.initialize_unfilled()) {
                Ok(len) => {
                    buf.advance(len);
                    return Poll::Ready(Ok(()));
                }
                // Now it is not ready any more.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl AsyncWrite for Control {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().0).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().0).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_shutdown(cx)
    }
}

impl Transport for Control {
    fn poll_write_urgent(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.0.poll_write_urgent(cx, data)
    }

    fn abort(&mut self) {
        self.0.abort();
    }
}
