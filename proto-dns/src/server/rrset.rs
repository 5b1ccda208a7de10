//! Records of one owner and type, in canonical order of their data (RFC 4034 section 6.3): whether
//! one is there is found by halves, so that a set of some thousand records costs no more than its
//! length to build, to compare or to take apart.

use super::zone::Node;
use crate::wire::{RData, Type, has_folded_names};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::cmp::Ordering;
use core::fmt;

/// Records of one owner and type; more fit no message, and would make work for everybody
/// (CVE-2024-1737).
pub(crate) const MAX_RRSET: usize = 4096;

/// Records of one owner and type.
#[derive(Clone)]
pub(crate) struct RrSet {
    pub(crate) rtype: Type,
    pub(crate) ttl: u32,
    /// Checked, uncompressed, in canonical order, no two alike.
    data: Vec<Box<[u8]>>,
}

impl RrSet {
    pub(crate) const fn new(rtype: Type, ttl: u32) -> Self {
        Self {
            rtype,
            ttl,
            data: Vec::new(),
        }
    }

    /// Whether a record is there; names are compared without regard to case.
    pub(crate) fn holds(&self, wire: &[u8]) -> bool {
        self.find(wire).is_ok()
    }

    /// Adds a record, unless it is there.
    pub(crate) fn insert(&mut self, wire: &[u8]) {
        if let Err(place) = self.find(wire) {
            self.data.insert(place, wire.into());
        }
    }

    /// Takes a record away; false when it was not there.
    pub(crate) fn remove(&mut self, wire: &[u8]) -> bool {
        let found = self.find(wire);
        if let Ok(place) = found {
            self.data.remove(place);
        }
        found.is_ok()
    }

    /// The data of all records in wire form.
    pub(crate) fn wires(&self) -> &[Box<[u8]>] {
        &self.data
    }

    /// The records, beginning with the one at `first` modulo their number.
    pub(super) fn records(&self, first: usize) -> impl Iterator<Item = RData<'_>> + Clone {
        let first = first.checked_rem(self.data.len()).unwrap_or_default();
        let (tail, head) = self.data.split_at_checked(first).unwrap_or_default();
        head.iter()
            .chain(tail)
            .filter_map(|wire| RData::in_message(self.rtype, wire, 0, wire.len()).ok())
    }

    /// Where a record is, or where it would stand.
    fn find(&self, wire: &[u8]) -> Result<usize, usize> {
        if !has_folded_names(self.rtype) {
            // Files and transfers often come in order.
            if self.data.last().is_none_or(|last| **last < *wire) {
                return Err(self.data.len());
            }
            return self.data.binary_search_by(|known| (**known).cmp(wire));
        }
        let wanted = canonical(self.rtype, wire, Vec::new());
        let mut scratch = Vec::new();
        let mut compare = |known: &[u8]| -> Ordering {
            scratch = canonical(self.rtype, known, core::mem::take(&mut scratch));
            scratch.cmp(&wanted)
        };
        match self.data.last() {
            None => Err(0),
            Some(last) if compare(last) == Ordering::Less => Err(self.data.len()),
            Some(_) => self.data.binary_search_by(|known| compare(known)),
        }
    }
}

/// The canonical form of data (RFC 4034 section 6.2), in a buffer that is used again. Two data are
/// equal exactly if their canonical forms are.
pub(crate) fn canonical(rtype: Type, wire: &[u8], mut buffer: Vec<u8>) -> Vec<u8> {
    buffer.clear();
    match RData::in_message(rtype, wire, 0, wire.len()) {
        Ok(data) => data.encode_canonical(&mut buffer),
        Err(_) => buffer.extend_from_slice(wire),
    }
    buffer
}

/// What may stand beside a CNAME: what signs it and denies its other types (RFC 4034 sections 3 and
/// 4; RFC 2181 section 10.1 for their predecessors).
const fn beside_cname(rtype: Type) -> bool {
    matches!(
        rtype,
        Type::RRSIG | Type::NSEC | Type::SIG | Type::KEY | Type::NXT
    )
}

impl Node {
    /// Whether records of a type may stand beside what is there: a CNAME stands alone
    /// (RFC 1034 section 3.6.2).
    pub(crate) fn suffers(&self, rtype: Type) -> bool {
        match rtype {
            Type::CNAME => self
                .rrsets
                .iter()
                .all(|rrset| rrset.rtype == Type::CNAME || beside_cname(rrset.rtype)),
            rtype => beside_cname(rtype) || self.get(Type::CNAME).is_none(),
        }
    }

    /// The RRset of a type. They are in order of their types.
    pub(crate) fn get(&self, rtype: Type) -> Option<&RrSet> {
        // Most names have a few types only.
        if self.rrsets.len() <= 8 {
            return self.rrsets.iter().find(|rrset| rrset.rtype == rtype);
        }
        self.rrsets.get(self.place(rtype).ok()?)
    }

    pub(crate) fn place(&self, rtype: Type) -> Result<usize, usize> {
        self.rrsets
            .binary_search_by_key(&rtype, |rrset| rrset.rtype)
    }
}

impl fmt::Debug for RrSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ", self.ttl, self.rtype)?;
        f.debug_list().entries(self.records(0)).finish()
    }
}
