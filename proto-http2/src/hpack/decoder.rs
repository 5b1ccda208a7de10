//! Decoding of header blocks (RFC 7541 sections 3 and 6).

use super::table::Table;
use super::{HpackFault, huffman};
use crate::num::{to_u32, to_usize};
use alloc::vec::Vec;

/// What may be in one block. Checked while it is decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BlockLimits {
    /// Octets of all names and values, with 32 for each field. What is beyond is decoded, because
    /// the table has to be kept, and not shown.
    pub max_list_size: usize,
    /// Fields. What is beyond is decoded and not shown.
    pub max_fields: usize,
    /// Octets of one name or value; a longer one is an error.
    pub max_string: usize,
}

impl Default for BlockLimits {
    /// 64 KiB, 128 fields, 32 KiB.
    fn default() -> Self {
        Self {
            max_list_size: 64 * 1024,
            max_fields: 128,
            max_string: 32 * 1024,
        }
    }
}

/// What a block came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BlockSummary {
    /// Fields decoded.
    pub fields: usize,
    /// Octets of names and values, with 32 for each field.
    pub list_size: usize,
    /// Whether fields were left out because a limit was passed.
    pub is_over: bool,
}

/// A field as a decoder shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FieldRef<'a> {
    /// The name.
    pub name: &'a [u8],
    /// The value.
    pub value: &'a [u8],
    /// Never to be indexed by anyone (RFC 7541 section 7.1.3): a secret.
    pub is_sensitive: bool,
}

/// Decodes header blocks of one direction of one connection.
#[derive(Clone, Debug)]
pub struct Decoder {
    table: Table,
    /// What we announced, and the peer acknowledged.
    max_size: usize,
    /// The smallest size since the last block: the peer has to follow it (RFC 7541 section 4.2).
    due: Option<usize>,
    name: Vec<u8>,
    value: Vec<u8>,
}

impl Decoder {
    /// A decoder whose table has `max_size` octets.
    #[must_use]
    pub fn new(max_size: u32) -> Self {
        Self {
            table: Table::new(to_usize(max_size)),
            max_size: to_usize(max_size),
            due: None,
            name: Vec::new(),
            value: Vec::new(),
        }
    }

    /// Tells that the peer acknowledged another SETTINGS_HEADER_TABLE_SIZE.
    pub fn set_max_size(&mut self, max_size: u32) {
        let max_size = to_usize(max_size);
        self.max_size = max_size;
        if max_size < self.table.max_size() || self.due.is_some() {
            let due = self.due.unwrap_or(usize::MAX).min(max_size);
            self.due = Some(due);
        }
    }

    /// Octets that the table may have now.
    #[must_use]
    pub fn table_size(&self) -> u32 {
        to_u32(self.table.max_size())
    }

    /// Decodes a complete block and shows each field to `visit`.
    ///
    /// # Errors
    ///
    /// [`HpackFault`]: a COMPRESSION_ERROR, after which the decoder cannot go on.
    pub fn decode(
        &mut self,
        mut block: &[u8],
        limits: &BlockLimits,
        mut visit: impl FnMut(FieldRef<'_>),
    ) -> Result<BlockSummary, HpackFault> {
        let mut summary = BlockSummary::default();
        let mut updates = 0u8;
        while let Some((&first, rest)) = block.split_first() {
            if first & 0xe0 == 0x20 {
                // RFC 7541 section 4.2: at the beginning only, at most two.
                if summary.fields != 0 || updates == 2 {
                    return Err(HpackFault::SizeUpdate);
                }
                updates = updates.saturating_add(1);
                let size = integer(&mut block, 5)?;
                if size > self.max_size {
                    return Err(HpackFault::SizeUpdate);
                }
                if self.due.is_some_and(|due| size <= due) {
                    self.due = None;
                }
                self.table.set_max_size(size);
                continue;
            }
            if self.due.is_some() {
                return Err(HpackFault::SizeUpdate);
            }
            // What is to be done with the table once the field was shown.
            let mut insert = None;
            let field = if first & 0x80 != 0 {
                let index = match first & 0x7f {
                    0x7f => integer(&mut block, 7)?,
                    small => {
                        block = rest;
                        usize::from(small)
                    }
                };
                let (name, value) = self.table.lookup(index).ok_or(HpackFault::Index)?;
                FieldRef {
                    name,
                    value,
                    is_sensitive: false,
                }
            } else {
                let is_indexed = first & 0x40 != 0;
                let index = integer(&mut block, if is_indexed { 6 } else { 4 })?;
                let literal: &[u8] = match index {
                    0 => string(&mut block, &mut self.name, limits.max_string)?,
                    _ => &[],
                };
                let name = match index {
                    0 => literal,
                    _ => self.table.lookup(index).ok_or(HpackFault::Index)?.0,
                };
                let value = string(&mut block, &mut self.value, limits.max_string)?;
                insert = is_indexed.then_some((index, literal, value));
                FieldRef {
                    name,
                    value,
                    is_sensitive: first & 0xf0 == 0x10,
                }
            };
            let size = field.name.len().saturating_add(field.value.len());
            summary.fields = summary.fields.saturating_add(1);
            summary.list_size = summary.list_size.saturating_add(size).saturating_add(32);
            if summary.list_size > limits.max_list_size || summary.fields > limits.max_fields {
                summary.is_over = true;
            } else {
                visit(field);
            }
            match insert {
                None => {}
                Some((0, name, value)) => {
                    self.table.insert(name, value);
                }
                // Inserting may evict what the name comes from: it was shown before.
                Some((index, _, value)) => self.table.insert_indexed(index, value),
            }
        }
        Ok(summary)
    }
}

/// An integer with a prefix of so many bits (RFC 7541 section 5.1), of at most five octets more.
fn integer(block: &mut &[u8], prefix: u32) -> Result<usize, HpackFault> {
    let (&first, mut rest) = block.split_first().ok_or(HpackFault::Truncated)?;
    let mask = 0xffu8.wrapping_shr(8u32.saturating_sub(prefix));
    let mut value = u64::from(first & mask);
    if value == u64::from(mask) {
        let mut shift = 0u32;
        loop {
            let (&octet, more) = rest.split_first().ok_or(HpackFault::Truncated)?;
            rest = more;
            if shift > 28 {
                return Err(HpackFault::Integer);
            }
            value = value.saturating_add(u64::from(octet & 0x7f) << shift);
            shift = shift.saturating_add(7);
            if octet & 0x80 == 0 {
                break;
            }
        }
    }
    *block = rest;
    let value = u32::try_from(value).map_err(|_| HpackFault::Integer)?;
    Ok(to_usize(value))
}

/// A string (RFC 7541 section 5.2); decoded into `scratch` when it is in the Huffman code.
fn string<'o, 'b: 'o, 's: 'o>(
    block: &mut &'b [u8],
    scratch: &'s mut Vec<u8>,
    limit: usize,
) -> Result<&'o [u8], HpackFault> {
    let is_huffman = block.first().is_some_and(|first| first & 0x80 != 0);
    let len = integer(block, 7)?;
    let (text, rest) = block.split_at_checked(len).ok_or(HpackFault::Truncated)?;
    *block = rest;
    if !is_huffman {
        return if len > limit {
            Err(HpackFault::TooLong)
        } else {
            Ok(text)
        };
    }
    if len > limit {
        return Err(HpackFault::TooLong);
    }
    scratch.clear();
    huffman::decode(text, scratch, limit)?;
    Ok(scratch)
}
