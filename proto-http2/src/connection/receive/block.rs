//! Header blocks: put together, held to their limits, decoded.

use super::super::{Block, Connection};
use crate::error::Reason;
use crate::fields::Fields;
use crate::hpack::BlockLimits;
use crate::limits::Limit;
use crate::num::{to_u64, to_usize};
use crate::wire::{ErrorCode, StreamDependency};
use alloc::boxed::Box;

/// The frame that began a header block.
#[derive(Clone, Copy, Debug)]
pub(in crate::connection) struct BlockHead {
    pub(super) stream: u32,
    pub(super) end_stream: bool,
    pub(super) priority: Option<StreamDependency>,
    pub(super) promised: Option<u32>,
}

impl Connection {
    pub(super) fn begin_block(&mut self, head: BlockHead, fragment: &[u8], end_headers: bool) {
        if fragment.len() > to_usize(self.limits.max_block) {
            self.trip_block(fragment.len());
        } else if end_headers {
            self.receive_block(head, fragment);
        } else {
            self.block = Some(Box::new(Block {
                head,
                octets: fragment.to_vec(),
                continuations: 0,
            }));
        }
    }

    fn trip_block(&mut self, len: usize) {
        self.trip(Limit::Block, to_u64(len), u64::from(self.limits.max_block));
    }

    pub(super) fn continue_block(&mut self, fragment: &[u8], end_headers: bool) {
        let Some(mut block) = self.block.take() else {
            self.fail(ErrorCode::PROTOCOL_ERROR, Reason::Continuation);
            return;
        };
        block.continuations = block.continuations.saturating_add(1);
        let allowed = self.limits.max_continuations;
        if block.continuations > allowed {
            let value = u64::from(block.continuations);
            self.trip(Limit::Continuations, value, u64::from(allowed));
            return;
        }
        let len = block.octets.len().saturating_add(fragment.len());
        if len > to_usize(self.limits.max_block) {
            self.trip_block(len);
            return;
        }
        if fragment.is_empty() && !end_headers && !self.take_empty() {
            return;
        }
        block.octets.extend_from_slice(fragment);
        if end_headers {
            self.receive_block(block.head, &block.octets);
        } else {
            self.block = Some(block);
        }
    }

    /// A whole header block.
    fn receive_block(&mut self, head: BlockHead, block: &[u8]) {
        let mut limits = BlockLimits::default();
        limits.max_list_size = to_usize(self.limits.max_header_list);
        limits.max_fields = to_usize(self.limits.max_fields);
        limits.max_string = limits.max_list_size;
        let mut fields = Fields::new();
        let decoded = self.decoder.decode(block, &limits, |field| {
            fields.append(field.name, field.value, field.is_sensitive);
        });
        let summary = match decoded {
            Ok(summary) => summary,
            Err(fault) => {
                self.fail(ErrorCode::COMPRESSION_ERROR, Reason::Hpack(fault));
                return;
            }
        };
        if summary.is_over {
            let (limit, value, allowed) = if summary.fields > limits.max_fields {
                (Limit::Fields, summary.fields, limits.max_fields)
            } else {
                (Limit::HeaderList, summary.list_size, limits.max_list_size)
            };
            self.trip(limit, to_u64(value), to_u64(allowed));
            return;
        }
        if let Some(promised) = head.promised {
            self.receive_promise(head.stream, promised, fields);
        } else {
            self.receive_fields(head, fields);
        }
    }
}
