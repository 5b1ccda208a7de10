//! A transport that gives TLS its records one at a time.

use super::Transport;
use bytes::{Buf, BytesMut};
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use std::io;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Octets of the head of a record: its type, a version, a length.
const HEAD: usize = 5;
const READ: usize = 16 * 1024;

/// A transport below TLS that may be left again (CCC): what is read is cut at the ends of TLS records,
/// so that plaintext which follows the peer's `close_notify` in the same segment stays here, and is not
/// swallowed by the TLS library.
///
/// Unless [`exact`](Self::set_exact) it hands everything through.
#[derive(Debug)]
pub(crate) struct Records<T> {
    io: T,
    is_exact: bool,
    held: BytesMut,
    /// Octets of the record under way that were not handed on.
    left: usize,
}

impl<T> Records<T> {
    pub(crate) fn new(io: T) -> Self {
        Self {
            io,
            is_exact: false,
            held: BytesMut::new(),
            left: 0,
        }
    }

    /// Whether reads end with a record, from now on.
    pub(crate) fn set_exact(&mut self, is_exact: bool) {
        self.is_exact = is_exact;
        self.left = 0;
    }
}

impl<T: AsyncRead + Unpin> Records<T> {
    /// Reads more into what is held. False at the end.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        self.held.reserve(READ);
        let len = ready!(tokio_util::io::poll_read_buf(
            Pin::new(&mut self.io),
            cx,
            &mut self.held
        ))?;
        Poll::Ready(Ok(len > 0))
    }

    fn hand_on(&mut self, len: usize, buf: &mut ReadBuf<'_>) {
        let len = len.min(buf.remaining()).min(self.held.len());
        buf.put_slice(self.held.get(..len).unwrap_or_default());
        self.held.advance(len);
        self.left = self.left.saturating_sub(len);
        if self.held.is_empty() && !self.is_exact {
            self.held = BytesMut::new();
        }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Records<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.is_exact {
            if this.held.is_empty() {
                return Pin::new(&mut this.io).poll_read(cx, buf);
            }
            this.hand_on(usize::MAX, buf);
            return Poll::Ready(Ok(()));
        }
        if this.left == 0 {
            while this.held.len() < HEAD {
                if !ready!(this.poll_fill(cx))? {
                    // The end, perhaps within a head: TLS is to judge of that.
                    this.hand_on(usize::MAX, buf);
                    return Poll::Ready(Ok(()));
                }
            }
            if let Some([_, _, _, high, low]) = this.held.first_chunk() {
                let len = usize::from(u16::from_be_bytes([*high, *low]));
                this.left = HEAD.saturating_add(len);
            }
        }
        if this.held.is_empty() && !ready!(this.poll_fill(cx))? {
            return Poll::Ready(Ok(()));
        }
        this.hand_on(this.left, buf);
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Records<T> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }
}

impl<T: Transport> Transport for Records<T> {
    fn poll_write_urgent(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.io.poll_write_urgent(cx, data)
    }

    fn abort(&mut self) {
        self.io.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt;

    #[tokio::test]
    async fn what_follows_the_last_record_stays() {
        let wire: &[u8] = b"\x17\x03\x03\0\x02ab\x15\x03\x03\0\x01cNOOP\r\n";
        let mut records = Records::new(wire);
        records.set_exact(true);
        let mut room = [0; 100];
        assert_eq!(records.read(&mut room).await.unwrap(), 7);
        assert_eq!(records.read(&mut room[..3]).await.unwrap(), 3);
        assert_eq!(records.read(&mut room).await.unwrap(), 3);
        records.set_exact(false);
        let mut rest = String::new();
        records.read_to_string(&mut rest).await.unwrap();
        assert_eq!(rest, "NOOP\r\n");
    }
}
