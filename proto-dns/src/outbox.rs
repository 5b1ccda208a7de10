//! Messages that wait for a stream to take them.

use crate::wire::tcp;
use alloc::collections::VecDeque;
use bytes::{BufMut, Bytes, BytesMut};

/// Messages from here on leave by reference count; smaller ones are coalesced.
const COPY_BELOW: usize = 4096;

#[derive(Debug, Default)]
pub(crate) struct Outbox {
    chunks: VecDeque<Bytes>,
    /// What was copied since the last chunk.
    tail: BytesMut,
    len: usize,
}

impl Outbox {
    pub(crate) fn push(&mut self, message: Bytes) -> Result<(), tcp::FrameError> {
        let prefix = tcp::prefix(&message)?;
        self.len = self
            .len
            .saturating_add(prefix.len())
            .saturating_add(message.len());
        self.tail.put_slice(&prefix);
        if message.len() < COPY_BELOW {
            self.tail.put_slice(&message);
        } else {
            self.chunks.push_back(self.tail.split().freeze());
            self.chunks.push_back(message);
        }
        Ok(())
    }

    /// At most `budget` octets of what has waited longest.
    pub(crate) fn take(&mut self, budget: usize) -> Option<Bytes> {
        if budget == 0 {
            return None;
        }
        let data = if let Some(chunk) = self.chunks.front_mut() {
            if chunk.len() > budget {
                chunk.split_to(budget)
            } else {
                self.chunks.pop_front()?
            }
        } else if self.tail.is_empty() {
            return None;
        } else {
            self.tail.split_to(self.tail.len().min(budget)).freeze()
        };
        self.len = self.len.saturating_sub(data.len());
        Some(data)
    }

    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}
