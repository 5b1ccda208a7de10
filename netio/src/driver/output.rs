//! What a machine has said and the transport has not taken yet.

use bytes::{Buf, Bytes};
use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use tokio::io::AsyncWrite;

/// How many pieces one vectored write is given.
const MAX_SLICES: usize = 16;

/// A queue of pieces that go out in order, several in one write.
#[derive(Default)]
pub(super) struct Output {
    pieces: VecDeque<Bytes>,
    len: usize,
}

impl fmt::Debug for Output {
    /// Without the octets: there are passwords among them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Output({} octets)", self.len)
    }
}

impl Output {
    pub(super) fn push(&mut self, piece: Bytes) {
        if !piece.is_empty() {
            self.len = self.len.saturating_add(piece.len());
            self.pieces.push_back(piece);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Writes what the transport takes in one go. The queue must not be empty.
    pub(super) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        mut io: Pin<&mut impl AsyncWrite>,
    ) -> Poll<io::Result<()>> {
        let taken = if io.is_write_vectored() && self.pieces.len() > 1 {
            let mut slices = [IoSlice::new(&[]); MAX_SLICES];
            let mut used = 0_usize;
            for (slice, piece) in slices.iter_mut().zip(&self.pieces) {
                *slice = IoSlice::new(piece);
                used = used.saturating_add(1);
            }
            let slices = slices.get(..used).unwrap_or_default();
            ready!(io.as_mut().poll_write_vectored(cx, slices))?
        } else {
            let piece = self.pieces.front().map_or(&[][..], |piece| piece);
            ready!(io.as_mut().poll_write(cx, piece))?
        };
        if taken == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        self.advance(taken);
        Poll::Ready(Ok(()))
    }

    fn advance(&mut self, mut taken: usize) {
        self.len = self.len.saturating_sub(taken);
        while let Some(piece) = self.pieces.front_mut() {
            if taken < piece.len() {
                piece.advance(taken);
                return;
            }
            taken = taken.saturating_sub(piece.len());
            self.pieces.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn pieces_leave_in_order_however_little_is_taken() {
        use tokio::io::AsyncReadExt;
        let (mut near, mut far) = tokio::io::duplex(3);
        let mut output = Output::default();
        for piece in ["", "ab", "cdefg", "", "h"] {
            output.push(Bytes::from_static(piece.as_bytes()));
        }
        assert_eq!(output.len(), 8);
        let write = async {
            while !output.is_empty() {
                core::future::poll_fn(|cx| output.poll_write(cx, Pin::new(&mut near)))
                    .await
                    .unwrap();
            }
            drop(near);
        };
        let mut seen = String::new();
        let (_, read) = tokio::join!(write, far.read_to_string(&mut seen));
        read.unwrap();
        assert_eq!(seen, "abcdefgh");
    }
}
