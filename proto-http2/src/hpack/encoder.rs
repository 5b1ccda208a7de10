//! Encoding of header blocks, with a policy of what enters the table.

use super::huffman;
use super::table::{OVERHEAD, Table};
use super::table_static::{ENTRIES, find_name};
use crate::num::to_usize;
use alloc::collections::VecDeque;
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

/// Places in the hash table over the dynamic table: at first, and at most. It grows with the table.
const FIRST_SLOTS: usize = 16;
const MOST_SLOTS: usize = 256;
/// Entries of the static table.
const STATIC: usize = ENTRIES.len();
/// What hardly repeats is remembered by its hash in so many places.
const SEEN: usize = 64;

/// Encodes header blocks of one direction of one connection.
#[derive(Clone, Debug)]
pub struct Encoder {
    table: Table,
    /// The largest table that we use, whatever the peer offers.
    cap: usize,
    /// The smallest size since the last block, and whether a size is to be told at all.
    update: Option<usize>,
    /// By hash: the numbers of the latest entry with this name and value, and with this name.
    slots: Vec<Slot>,
    /// For each entry, oldest first: the numbers of those before it in the same places.
    links: VecDeque<Slot>,
    /// By hash: what was sent and left out of the table, because it hardly repeats. What comes again
    /// does repeat.
    seen: [u16; SEEN],
}

/// Numbers of entries, of which the low bits are enough: no table has so many entries at once.
#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    field: u16,
    name: u16,
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
            links: VecDeque::new(),
            seen: [0; SEEN],
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

    /// Appends a field, by the [policy](Self::policy) or as a secret. What the policy leaves out of
    /// the table goes into it when it is sent again soon.
    pub fn field(&mut self, into: &mut Vec<u8>, name: &[u8], value: &[u8], is_sensitive: bool) {
        if is_sensitive {
            never(into, name, value);
            return;
        }
        if let Some(index) = find_static(name, value) {
            into.push(0x80 | index);
            return;
        }
        let hashes = Hashes::of(name, value);
        // Secrets are in no table, so what is found may be referred to.
        if let Some(index) = self.find(hashes, name, value) {
            integer(into, 0x80, 7, index);
            return;
        }
        match Self::policy(name, value) {
            Indexing::Never => never(into, name, value),
            Indexing::Skip => {
                let how = if self.was_seen(hashes) {
                    Indexing::Index
                } else {
                    Indexing::Skip
                };
                self.literal(into, hashes, name, value, how);
            }
            Indexing::Index => self.literal(into, hashes, name, value, Indexing::Index),
        }
    }

    /// Appends a field.
    pub fn field_as(&mut self, into: &mut Vec<u8>, name: &[u8], value: &[u8], how: Indexing) {
        if how == Indexing::Never {
            never(into, name, value);
            return;
        }
        if let Some(index) = find_static(name, value) {
            into.push(0x80 | index);
            return;
        }
        let hashes = Hashes::of(name, value);
        match self.find(hashes, name, value) {
            Some(index) => integer(into, 0x80, 7, index),
            None => self.literal(into, hashes, name, value, how),
        }
    }

    /// The index of the dynamic entry that is this field.
    #[inline]
    fn find(&self, hashes: Hashes, name: &[u8], value: &[u8]) -> Option<usize> {
        let slot = self.slots.get(hashes.field(self.slots.len()))?;
        self.walk(
            slot.field,
            |link| link.field,
            |n, v| v == value && n == name,
        )
    }

    /// The index of a dynamic entry with this name.
    fn find_name(&self, hashes: Hashes, name: &[u8]) -> Option<usize> {
        let slot = self.slots.get(hashes.name(self.slots.len()))?;
        self.walk(slot.name, |link| link.name, |n, _| n == name)
    }

    /// Follows the entries of one place, from the newest, until one fits.
    #[inline]
    fn walk(
        &self,
        mut number: u16,
        next: impl Fn(&Slot) -> u16,
        fits: impl Fn(&[u8], &[u8]) -> bool,
    ) -> Option<usize> {
        let mut last = None;
        loop {
            let (age, name, value) = self.table.numbered(number)?;
            // Numbers of long ago may come up again: then the walk turned back.
            if last.is_some_and(|last| age <= last) {
                return None;
            }
            if fits(name, value) {
                return age.checked_add(STATIC.saturating_add(1));
            }
            last = Some(age);
            let place = self.links.len().checked_sub(age)?.checked_sub(1)?;
            number = next(self.links.get(place)?);
        }
    }

    /// Whether this was left out of the table lately; from now on it was.
    fn was_seen(&mut self, hashes: Hashes) -> bool {
        let mark = u16::try_from(hashes.field >> 16 & 0xffff).unwrap_or(0);
        match self.seen.get_mut(hashes.field(SEEN)) {
            Some(seen) => core::mem::replace(seen, mark) == mark,
            None => false,
        }
    }

    fn literal(
        &mut self,
        into: &mut Vec<u8>,
        hashes: Hashes,
        name: &[u8],
        value: &[u8],
        how: Indexing,
    ) {
        let mut index = usize::from(find_name(name));
        if index == 0 {
            index = self.find_name(hashes, name).unwrap_or(0);
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
            self.note(hashes, number);
        }
    }

    /// Enters a new entry into the hash table, which grows where it is too full.
    fn note(&mut self, hashes: Hashes, number: u16) {
        let entries = self.table.len();
        let wanted = entries.saturating_mul(2).next_power_of_two();
        let wanted = wanted.clamp(FIRST_SLOTS, MOST_SLOTS);
        if self.slots.len() >= wanted {
            // What was evicted for it is the oldest.
            while self.links.len() >= entries {
                self.links.pop_front();
            }
            let link = replace(&mut self.slots, hashes, number);
            self.links.push_back(link);
            return;
        }
        self.slots.clear();
        self.slots.resize(wanted, Slot::default());
        self.links.clear();
        for (number, name, value) in self.table.iter() {
            let link = replace(&mut self.slots, Hashes::of(name, value), number);
            self.links.push_back(link);
        }
    }
}

/// Puts an entry first in its places, and gives those that were first.
fn replace(slots: &mut [Slot], hashes: Hashes, number: u16) -> Slot {
    let (len, mut link) = (slots.len(), Slot::default());
    if let Some(slot) = slots.get_mut(hashes.field(len)) {
        link.field = core::mem::replace(&mut slot.field, number);
    }
    if let Some(slot) = slots.get_mut(hashes.name(len)) {
        link.name = core::mem::replace(&mut slot.name, number);
    }
    link
}

/// Hashes of a name, and of a name with its value.
#[derive(Clone, Copy)]
struct Hashes {
    name: u64,
    field: u64,
}

impl Hashes {
    #[inline]
    fn of(name: &[u8], value: &[u8]) -> Self {
        let name = mix(0x9e37_79b9_7f4a_7c15, name);
        let field = mix(name, value);
        Self { name, field }
    }

    /// The place of the field among so many, a power of two.
    fn field(self, places: usize) -> usize {
        place(self.field, places)
    }

    fn name(self, places: usize) -> usize {
        place(self.name, places)
    }
}

fn place(hash: u64, places: usize) -> usize {
    usize::try_from(hash >> 48).unwrap_or(0) & places.wrapping_sub(1)
}

/// A static entry with this name and value.
fn find_static(name: &[u8], value: &[u8]) -> Option<u8> {
    // Nothing else has a value there.
    let may_be = name.first() == Some(&b':') || value.is_empty() || name.len() == 15;
    if !may_be {
        return None;
    }
    let index = match (name, value) {
        (b":method", b"GET") => 2,
        (b":method", b"POST") => 3,
        (b":path", b"/") => 4,
        (b":path", b"/index.html") => 5,
        (b":scheme", b"http") => 6,
        (b":scheme", b"https") => 7,
        (b":status", b"200") => 8,
        (b":status", b"204") => 9,
        (b":status", b"206") => 10,
        (b":status", b"304") => 11,
        (b":status", b"400") => 12,
        (b":status", b"404") => 13,
        (b":status", b"500") => 14,
        (b"accept-encoding", b"gzip, deflate") => 16,
        // All others have no value; pseudo-fields always have one.
        (name, b"") if name.first() != Some(&b':') => find_name(name),
        _ => 0,
    };
    (index != 0).then_some(index)
}

fn never(into: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    literal(into, 0x10, 4, usize::from(find_name(name)), name, value);
}

/// Looks at eight octets at the beginning, in the middle and at the end, so that long values cost no
/// more than short ones. A hit is found to be one by comparing: nothing but speed hangs on this.
#[inline]
fn mix(seed: u64, text: &[u8]) -> u64 {
    const PRIMES: [u64; 3] = [
        0xff51_afd7_ed55_8ccd,
        0xc4ce_b9fe_1a85_ec53,
        0x9e37_79b9_7f4a_7c15,
    ];
    let word = |octets: &[u8; 8]| u64::from_le_bytes(*octets);
    let half = |octets: &[u8; 4]| u64::from(u32::from_le_bytes(*octets));
    let middle = text.get(text.len() / 2..).and_then(<[u8]>::first_chunk);
    let words = match (text.first_chunk(), text.last_chunk()) {
        // Below sixteen octets these two are all.
        (Some(first), Some(last)) => [word(first), word(last), middle.map_or(0, word)],
        _ => match (text.first_chunk(), text.last_chunk()) {
            (Some(first), Some(last)) => [half(first), half(last), 0],
            _ => {
                let few = text
                    .iter()
                    .fold(0, |word, octet| word << 8 | u64::from(*octet));
                [few, 0, 0]
            }
        },
    };
    let len = u64::try_from(text.len()).unwrap_or(0);
    let hash = words
        .iter()
        .zip(PRIMES)
        .fold(seed ^ len, |hash, (word, prime)| {
            hash ^ (word ^ word >> 32).wrapping_mul(prime)
        });
    (hash ^ hash >> 32).wrapping_mul(PRIMES[0])
}

/// Mostly one octet.
#[inline]
fn integer(into: &mut Vec<u8>, pattern: u8, prefix: u32, value: usize) {
    let mask = 0xffu8.wrapping_shr(8u32.saturating_sub(prefix));
    match u8::try_from(value) {
        Ok(small) if small < mask => into.push(pattern | small),
        _ => long_integer(into, pattern, mask, value),
    }
}

fn long_integer(into: &mut Vec<u8>, pattern: u8, mask: u8, value: usize) {
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
