//! What waits for the transport.

use alloc::collections::VecDeque;
use bytes::{Bytes, BytesMut};

/// From here on a piece goes out by reference count; a smaller one is copied. Measured: copying
/// wins below about 4 KiB.
pub(crate) const BY_REFERENCE: usize = 4096;

/// Room for the answers to some commands, so that a buffer is not grown step by step for each batch.
const FIRST: usize = 512;

/// A queue of octets: small pieces coalesced, big ones uncopied. Empty, it owns no memory.
#[derive(Default)]
pub(crate) struct Output {
    /// What is complete, in order.
    chunks: VecDeque<Bytes>,
    /// Small pieces after the last chunk.
    tail: BytesMut,
    /// Octets in `chunks`.
    chunked: usize,
}

impl Output {
    /// Queues a copy of `octets`.
    pub(crate) fn copy(&mut self, octets: &[u8]) {
        self.tail().extend_from_slice(octets);
    }

    /// Queues `octets` by reference.
    pub(crate) fn share(&mut self, octets: Bytes) {
        if octets.len() < BY_REFERENCE {
            return self.copy(&octets);
        }
        if !self.tail.is_empty() {
            let tail = core::mem::take(&mut self.tail).freeze();
            self.chunked = self.chunked.saturating_add(tail.len());
            self.chunks.push_back(tail);
        }
        self.chunked = self.chunked.saturating_add(octets.len());
        self.chunks.push_back(octets);
    }

    /// The place where small pieces are written.
    pub(crate) fn tail(&mut self) -> &mut BytesMut {
        if self.tail.capacity() == 0 {
            self.tail.reserve(FIRST);
        }
        &mut self.tail
    }

    /// Gives the buffer back that was taken out of [`tail`](Self::tail).
    pub(crate) fn put_tail(&mut self, tail: BytesMut) {
        self.tail = tail;
    }

    /// Takes at most `budget` octets from the front; nothing when there are none to take.
    pub(crate) fn take(&mut self, budget: usize) -> Option<Bytes> {
        if budget == 0 {
            return None;
        }
        if let Some(front) = self.chunks.front_mut() {
            let len = front.len().min(budget);
            let data = front.split_to(len);
            self.chunked = self.chunked.saturating_sub(len);
            if front.is_empty() {
                self.chunks.pop_front();
                if self.chunks.is_empty() {
                    self.chunks = VecDeque::new();
                }
            }
            return Some(data);
        }
        if self.tail.is_empty() {
            return None;
        }
        if self.tail.len() <= budget {
            // The memory goes with the octets: an idle machine keeps none.
            return Some(core::mem::take(&mut self.tail).freeze());
        }
        Some(self.tail.split_to(budget).freeze())
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(crate) fn len(&self) -> usize {
        self.chunked.saturating_add(self.tail.len())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Shows no octet: passwords pass through here.
impl core::fmt::Debug for Output {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Output")
            .field("octets", &self.len())
            .finish_non_exhaustive()
    }
}
