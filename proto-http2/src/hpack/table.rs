//! The dynamic table (RFC 7541 section 2.3.2).
//!
//! Names and values lie one after the other in a buffer of up to twice the table's size; entries are
//! offsets in a ring. Eviction moves the front; when the buffer's end is reached, what lives is moved
//! to its beginning, which costs a constant per octet inserted. Nothing is allocated before the first
//! entry.

use super::table_static::ENTRIES;
use crate::num::{to_u32, to_usize};
use alloc::collections::VecDeque;
use alloc::vec::Vec;

/// What an entry counts beside its octets (RFC 7541 section 4.1).
pub(super) const OVERHEAD: usize = 32;

#[derive(Clone, Copy, Debug)]
struct Entry {
    start: u32,
    /// Octets of the name.
    name: u32,
    /// Where the value ends.
    end: u32,
}

/// A dynamic table.
#[derive(Clone, Debug)]
pub(super) struct Table {
    octets: Vec<u8>,
    entries: VecDeque<Entry>,
    size: usize,
    max_size: usize,
    /// Entries ever inserted, in its low bits: the newest has this number.
    inserted: u16,
}

impl Table {
    pub(super) fn new(max_size: usize) -> Self {
        Self {
            octets: Vec::new(),
            entries: VecDeque::new(),
            size: 0,
            max_size,
            inserted: 0,
        }
    }

    pub(super) fn max_size(&self) -> usize {
        self.max_size
    }

    pub(super) fn set_max_size(&mut self, max_size: usize) {
        self.max_size = max_size;
        self.evict(0);
        if self.entries.is_empty() {
            self.octets = Vec::new();
            self.entries = VecDeque::new();
        }
    }

    /// The entry with an index of the wire: static ones from 1, dynamic ones from 62.
    #[inline]
    pub(super) fn lookup(&self, index: usize) -> Option<(&[u8], &[u8])> {
        let index = index.checked_sub(1)?;
        match index.checked_sub(ENTRIES.len()) {
            None => ENTRIES.get(index).copied(),
            Some(index) => self.dynamic(index),
        }
    }

    /// The dynamic entry with this age, 0 for the newest.
    #[inline]
    fn dynamic(&self, age: usize) -> Option<(&[u8], &[u8])> {
        let place = self.entries.len().checked_sub(age)?.checked_sub(1)?;
        let entry = self.entries.get(place)?;
        let range = to_usize(entry.start)..to_usize(entry.end);
        self.octets
            .get(range)?
            .split_at_checked(to_usize(entry.name))
    }

    /// The entry with these low bits of its number of insertion, with its age.
    #[inline]
    pub(super) fn numbered(&self, number: u16) -> Option<(usize, &[u8], &[u8])> {
        let age = usize::from(self.inserted.wrapping_sub(number));
        let (name, value) = self.dynamic(age)?;
        Some((age, name, value))
    }

    /// How many entries there are.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// All entries with their numbers, oldest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u16, &[u8], &[u8])> {
        (0..self.entries.len()).rev().filter_map(|age| {
            let (name, value) = self.dynamic(age)?;
            let number = self.inserted.wrapping_sub(u16::try_from(age).ok()?);
            Some((number, name, value))
        })
    }

    /// Inserts an entry, and gives its number unless it is larger than the table.
    pub(super) fn insert(&mut self, name: &[u8], value: &[u8]) -> Option<u16> {
        let len = name.len().saturating_add(value.len());
        let size = len.saturating_add(OVERHEAD);
        // RFC 7541 section 4.4: what does not fit empties the table.
        self.evict(size);
        if size > self.max_size {
            return None;
        }
        if self.octets.len().saturating_add(len) > self.max_size.saturating_mul(2) {
            self.compact();
        }
        let entry = Entry {
            start: to_u32(self.octets.len()),
            name: to_u32(name.len()),
            end: to_u32(self.octets.len().saturating_add(len)),
        };
        self.octets.extend_from_slice(name);
        self.octets.extend_from_slice(value);
        self.entries.push_back(entry);
        self.size = self.size.saturating_add(size);
        self.inserted = self.inserted.wrapping_add(1);
        Some(self.inserted)
    }

    /// Inserts an entry with the name of another one, which may be evicted for it.
    pub(super) fn insert_indexed(&mut self, index: usize, value: &[u8]) {
        match self.lookup(index) {
            None => {}
            Some((name, _)) if index <= ENTRIES.len() => {
                // Static names are short.
                let mut copy = [0; 32];
                let len = name.len();
                if let Some(place) = copy.get_mut(..len) {
                    place.copy_from_slice(name);
                }
                self.insert(copy.get(..len).unwrap_or_default(), value);
            }
            Some((name, _)) => {
                let name = Vec::from(name);
                self.insert(&name, value);
            }
        }
    }

    /// Makes room for `size` octets.
    fn evict(&mut self, size: usize) {
        while self.size.saturating_add(size) > self.max_size {
            let Some(entry) = self.entries.pop_front() else {
                return;
            };
            let len = to_usize(entry.end.saturating_sub(entry.start));
            self.size = self.size.saturating_sub(len.saturating_add(OVERHEAD));
        }
    }

    fn compact(&mut self) {
        let start = self
            .entries
            .front()
            .map_or(to_u32(self.octets.len()), |entry| entry.start);
        self.octets.drain(..to_usize(start));
        for entry in &mut self.entries {
            entry.start = entry.start.saturating_sub(start);
            entry.end = entry.end.saturating_sub(start);
        }
    }
}
