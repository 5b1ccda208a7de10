//! What all stream machines of this crate have in common.

use alloc::collections::VecDeque;
use bytes::{Buf, Bytes, BytesMut};

/// One step of output. Steps are to be carried out in the order in which they come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transmit {
    /// Octets for the peer.
    Data(Bytes),
    /// Nothing follows: close the writing side.
    Shutdown,
}

/// Octets from this length on leave by reference; smaller ones are copied and coalesced.
pub(crate) const BY_REFERENCE: usize = 4096;

/// Octets that wait for the transport, in order.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    /// What goes before all that was added since, by reference.
    ready: VecDeque<Bytes>,
    ready_len: usize,
    /// What was added last, coalesced.
    tail: BytesMut,
}

impl Outbox {
    pub(crate) fn len(&self) -> usize {
        self.ready_len.saturating_add(self.tail.len())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.ready.is_empty() && self.tail.is_empty()
    }

    /// Where small things are appended.
    pub(crate) fn tail(&mut self) -> &mut BytesMut {
        &mut self.tail
    }

    pub(crate) fn push(&mut self, data: Bytes) {
        if data.len() < BY_REFERENCE {
            return self.tail.extend_from_slice(&data);
        }
        if !self.tail.is_empty() {
            let tail = self.tail.split().freeze();
            self.ready_len = self.ready_len.saturating_add(tail.len());
            self.ready.push_back(tail);
        }
        self.ready_len = self.ready_len.saturating_add(data.len());
        self.ready.push_back(data);
    }

    /// At most `budget` octets from the front.
    pub(crate) fn take(&mut self, budget: usize) -> Option<Bytes> {
        if budget == 0 {
            return None;
        }
        if let Some(front) = self.ready.front_mut() {
            if front.len() > budget {
                self.ready_len = self.ready_len.saturating_sub(budget);
                return Some(front.split_to(budget));
            }
            let front = self.ready.pop_front()?;
            self.ready_len = self.ready_len.saturating_sub(front.len());
            if self.ready.is_empty() {
                self.ready = VecDeque::new();
            }
            return Some(front);
        }
        if self.tail.is_empty() {
            return None;
        }
        let data = self.tail.split_to(self.tail.len().min(budget)).freeze();
        if !self.tail.has_remaining() {
            // An idle machine holds no buffer.
            self.tail = BytesMut::new();
        }
        Some(data)
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}
