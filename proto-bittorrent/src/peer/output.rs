//! What waits to leave: messages in order, then blocks, which may be taken back until they begin.

use crate::stream::{BY_REFERENCE, Outbox};
use crate::wire::{Block, Message};
use alloc::collections::VecDeque;
use bytes::{BufMut, Bytes, BytesMut};

#[derive(Debug, Default)]
pub(super) struct Output {
    messages: Outbox,
    blocks: VecDeque<(Block, Bytes)>,
    /// The rest of a block whose head has left.
    begun: Bytes,
}

impl Output {
    /// Octets of messages, blocks not counted.
    pub(super) fn messages_len(&self) -> usize {
        self.messages.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.messages.is_empty() && self.blocks.is_empty() && self.begun.is_empty()
    }

    /// Where messages are appended.
    pub(super) fn tail(&mut self) -> &mut BytesMut {
        self.messages.tail()
    }

    pub(super) fn message(&mut self, message: &Message) {
        message.encode(self.messages.tail());
    }

    /// A message whose payload may be large.
    pub(super) fn extended(&mut self, id: u8, head: &[u8], data: Bytes) {
        let len = head.len().saturating_add(data.len()).saturating_add(2);
        let tail = self.messages.tail();
        tail.put_u32(u32::try_from(len).unwrap_or(u32::MAX));
        tail.put_u8(20);
        tail.put_u8(id);
        tail.put_slice(head);
        self.messages.push(data);
    }

    pub(super) fn block(&mut self, block: Block, data: Bytes) {
        self.blocks.push_back((block, data));
    }

    pub(super) fn blocks(&self) -> usize {
        self.blocks.len()
    }

    /// Takes a block back that has not begun to leave.
    pub(super) fn take_back(&mut self, block: Block) -> bool {
        let found = self.blocks.iter().position(|(queued, _)| *queued == block);
        found.and_then(|at| self.blocks.remove(at)).is_some()
    }

    /// Takes back the blocks that have not begun to leave, but for those of some pieces.
    pub(super) fn take_back_all(&mut self, keep: &[u32]) -> VecDeque<Block> {
        let mut taken = VecDeque::new();
        self.blocks.retain(|(block, _)| {
            let is_kept = keep.contains(&block.piece);
            if !is_kept {
                taken.push_back(*block);
            }
            is_kept
        });
        taken
    }

    pub(super) fn take(&mut self, budget: usize) -> Option<Bytes> {
        if budget == 0 {
            return None;
        }
        if !self.begun.is_empty() {
            let now = self.begun.len().min(budget);
            return Some(self.begun.split_to(now));
        }
        if !self.messages.is_empty() {
            return self.messages.take(budget);
        }
        let (block, data) = self.blocks.pop_front()?;
        super::connection::release(&mut self.blocks);
        let head = Message::piece_head(block.piece, block.begin, data.len());
        if data.len() >= BY_REFERENCE && budget >= head.len() {
            self.begun = data;
            return Some(Bytes::copy_from_slice(&head));
        }
        let mut whole = BytesMut::with_capacity(head.len().saturating_add(data.len()));
        whole.put_slice(&head);
        whole.put_slice(&data);
        self.begun = whole.freeze();
        self.take(budget)
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}
