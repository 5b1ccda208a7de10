//! Encoding of header blocks, with a policy of what enters the table.

use super::huffman;
use super::table::{OVERHEAD, Table};
use super::table_static::{ENTRIES, find_name};
use crate::num::to_usize;
use alloc::vec::Vec;

/// How one field is to be encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Indexing {
    /// Into the table.
    Index,
    /// Not into the table.
    Skip,
    /// Never into any table: a secret.
    Never,
}

/// Places in the hash table over the dynamic table.
const SLOTS: usize = 1024;

/// Encodes header blocks of one direction of one connection.
#[derive(Clone, Debug)]
pub struct Encoder {
    table: Table,
    /// The largest table that we use, whatever the peer offers.
    cap: usize,
    /// The smallest size since the last block, and whether a size is to be told at all.
    update: Option<usize>,
    /// By hash: the numbers of the latest entry with this name and value, and with this name.
    slots: Vec<(u32, u32)>,
}

impl Encoder {
    /// An encoder that never uses a table of more than `cap` octets.
    #[must_use]
    pub fn new(cap: u32) -> Self {
        let cap = to_usize(cap);
        // The peer starts with 4096 octets (RFC 9113 section 6.5.2).
        let size = cap.min(4096);
        Self {
            table: Table::new(size),
            cap,
            update: (size != 4096).then_some(size),
            slots: Vec::new(),
        }
    }

    /// Takes over the peer's SETTINGS_HEADER_TABLE_SIZE. The next block tells the change, in two
    /// steps where the size went down and up again (RFC 7541 section 4.2).
    pub fn set_max_size(&mut self, max_size: u32) {
        let size = to_usize(max_size).min(self.cap);
        if size == self.table.max_size() {
            return;
        }
        self.update = Some(self.update.map_or(size, |least| least.min(size)));
        self.table.set_max_size(size);
    }

    /// What is done with a field when the caller does not say: secrets are never indexed, what
    /// hardly repeats is not.
    #[must_use]
    pub fn policy(name: &[u8], value: &[u8]) -> Indexing {
        match name {
            b"authorization" | b"proxy-authorization" => Indexing::Never,
            // A short cookie can be guessed by whoever sees lengths (RFC 7541 section 7.1.3).
            b"cookie" if value.len() < 20 => Indexing::Never,
            b":path" | b"age" | b"content-length" | b"etag" | b"if-modified-since"
            | b"if-none-match" | b"location" | b"set-cookie" => Indexing::Skip,
            _ => Indexing::Index,
        }
    }

    /// Begins a block: writes the size updates that are due.
    pub fn begin(&mut self, into: &mut Vec<u8>) {
        if let Some(least) = self.update.take() {
            let size = self.table.max_size();
            if least < size {
                integer(into, 0x20, 5, least);
            }
            integer(into, 0x20, 5, size);
        }
    }

    /// Appends a field, by the [policy](Self::policy) or as a secret.
    pub fn field(&mut self, into: &mut Vec<u8>, name: &[u8], value: &[u8], is_sensitive: bool) {
        let indexing = if is_sensitive {
            Indexing::Never
        } else {
            Self::policy(name, value)
        };
        self.field_as(into, name, value, indexing);
    }

    /// Appends a field.
    pub fn field_as(&mut self, into: &mut Vec<u8>, name: &[u8], value: &[u8], how: Indexing) {
        let known = usize::from(find_name(name));
        if how == Indexing::Never {
            literal(into, 0x10, 4, known, name, value);
            return;
        }
        if known != 0 {
            // Entries with the same name are neighbours.
            for index in known..known.saturating_add(7) {
                match ENTRIES.get(index.saturating_sub(1)) {
                    Some((n, v)) if *n == name => {
                        if *v == value {
                            integer(into, 0x80, 7, index);
                            return;
                        }
                    }
                    _ => break,
                }
            }
        }
        let (name_hash, hash) = hashes(name, value);
        let mut index = known;
        if let Some(&(number, _)) = self.slots.get(hash)
            && let Some((found, n, v)) = self.table.numbered(number)
            && n == name
            && v == value
        {
            integer(into, 0x80, 7, found);
            return;
        }
        if index == 0
            && let Some(&(_, number)) = self.slots.get(name_hash)
            && let Some((found, n, _)) = self.table.numbered(number)
            && n == name
        {
            index = found;
        }
        let size = name
            .len()
            .saturating_add(value.len())
            .saturating_add(OVERHEAD);
        // What takes most of the table would push out all that is useful.
        if how == Indexing::Skip || size > (self.table.max_size() / 4).saturating_mul(3) {
            literal(into, 0, 4, index, name, value);
            return;
        }
        literal(into, 0x40, 6, index, name, value);
        if let Some(number) = self.table.insert(name, value) {
            if self.slots.is_empty() {
                self.slots.resize(SLOTS, (0, 0));
            }
            if let Some(slot) = self.slots.get_mut(hash) {
                slot.0 = number;
            }
            if let Some(slot) = self.slots.get_mut(name_hash) {
                slot.1 = number;
            }
        }
    }
}

/// The places of a name, and of a name with its value.
fn hashes(name: &[u8], value: &[u8]) -> (usize, usize) {
    let name = mix(0x9e37_79b9_7f4a_7c15, name);
    let both = mix(name, value);
    let place = |hash: u64| usize::try_from(hash >> 54).unwrap_or(0);
    (place(name), place(both))
}

/// Octets beyond the first and the last words do not matter: a false hit is found by comparing.
fn mix(seed: u64, text: &[u8]) -> u64 {
    let len = u64::try_from(text.len()).unwrap_or(0);
    let (first, last) = match (text.first_chunk::<8>(), text.last_chunk::<8>()) {
        (Some(first), Some(last)) => (u64::from_le_bytes(*first), u64::from_le_bytes(*last)),
        _ => {
            let mut word = 0u64;
            for &octet in text {
                word = word << 8 | u64::from(octet);
            }
            (word, 0)
        }
    };
    let middle = text
        .get(text.len() / 2..)
        .and_then(<[u8]>::first_chunk::<4>)
        .map_or(0, |chunk| u64::from(u32::from_le_bytes(*chunk)));
    let hash = (seed ^ first).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let hash = (hash ^ hash >> 32 ^ last).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    (hash ^ hash >> 29 ^ len ^ middle.rotate_left(17)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

fn integer(into: &mut Vec<u8>, pattern: u8, prefix: u32, value: usize) {
    let mask = 0xffu8.wrapping_shr(8u32.saturating_sub(prefix));
    if let Some(small) = u8::try_from(value).ok().filter(|small| *small < mask) {
        into.push(pattern | small);
        return;
    }
    into.push(pattern | mask);
    let mut rest = value.saturating_sub(usize::from(mask));
    while rest >= 0x80 {
        into.push(u8::try_from(rest & 0x7f).unwrap_or(0) | 0x80);
        rest >>= 7;
    }
    into.push(u8::try_from(rest).unwrap_or(0));
}

fn literal(into: &mut Vec<u8>, pattern: u8, prefix: u32, index: usize, name: &[u8], value: &[u8]) {
    integer(into, pattern, prefix, index);
    if index == 0 {
        string(into, name);
    }
    string(into, value);
}

/// A string, in the Huffman code where that is no longer.
fn string(into: &mut Vec<u8>, text: &[u8]) {
    let len = huffman::encoded_len(text);
    if len <= text.len() && !text.is_empty() {
        integer(into, 0x80, 7, len);
        huffman::encode(text, into);
    } else {
        integer(into, 0, 7, text.len());
        into.extend_from_slice(text);
    }
}
