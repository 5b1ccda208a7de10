//! The changes of a zone, kept for incremental transfers (RFC 1995).

use super::zone::{Node, Zone};
use crate::wire::{Name, Type};
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

/// A record of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rr {
    pub(crate) owner: Name,
    pub(crate) rtype: Type,
    pub(crate) ttl: u32,
    pub(crate) data: Box<[u8]>,
}

impl Rr {
    fn cost(&self) -> usize {
        let wire = self.owner.as_wire().len().saturating_add(self.data.len());
        wire.saturating_add(size_of::<Self>())
    }
}

/// What makes one version of a zone out of another.
#[derive(Clone, Debug)]
pub(crate) struct Delta {
    pub(crate) from: u32,
    pub(crate) to: u32,
    /// The SOA record of the version before comes first.
    pub(crate) removed: Vec<Rr>,
    /// The SOA record of the version after comes first.
    pub(crate) added: Vec<Rr>,
}

impl Delta {
    /// A change that holds the two SOA records only.
    pub(crate) fn new(before: &Zone, after: &Zone) -> Self {
        Self {
            from: before.serial(),
            to: after.serial(),
            removed: soa(before).into_iter().collect(),
            added: soa(after).into_iter().collect(),
        }
    }

    /// A change from a version whose SOA record was kept.
    pub(crate) fn since(from: u32, before: Option<Rr>, after: &Zone) -> Self {
        Self {
            from,
            to: after.serial(),
            removed: before.into_iter().collect(),
            added: soa(after).into_iter().collect(),
        }
    }

    /// Notes what a name has that its other version has not.
    pub(crate) fn compare(&mut self, node: &Node, other: Option<&Node>, added: bool) {
        for rrset in &node.rrsets {
            if rrset.rtype == Type::SOA {
                continue;
            }
            let theirs = other.and_then(|other| other.get(rrset.rtype));
            for data in rrset.wires() {
                let kept =
                    theirs.is_some_and(|theirs| theirs.ttl == rrset.ttl && theirs.holds(data));
                if !kept {
                    let list = if added {
                        &mut self.added
                    } else {
                        &mut self.removed
                    };
                    list.push(Rr {
                        owner: node.name.clone(),
                        rtype: rrset.rtype,
                        ttl: rrset.ttl,
                        data: data.clone(),
                    });
                }
            }
        }
    }

    fn cost(&self) -> usize {
        let records = self.removed.iter().chain(&self.added);
        records.fold(size_of::<Self>(), |sum, rr| sum.saturating_add(rr.cost()))
    }
}

pub(crate) fn soa(zone: &Zone) -> Option<Rr> {
    let apex = zone.apex()?;
    let rrset = apex.get(Type::SOA)?;
    Some(Rr {
        owner: apex.name.clone(),
        rtype: Type::SOA,
        ttl: rrset.ttl,
        data: rrset.wires().first()?.clone(),
    })
}

/// The latest changes of a zone, oldest first, within a bound of octets.
#[derive(Clone, Debug)]
pub struct Journal {
    deltas: VecDeque<Delta>,
    cost: usize,
    limit: usize,
}

impl Journal {
    /// Octets that are kept unless [`Zone::set_journal_limit`] says otherwise: 1 MiB.
    pub const DEFAULT_LIMIT: usize = 1 << 20;

    /// Versions that one can come from.
    #[must_use]
    pub fn len(&self) -> usize {
        self.deltas.len()
    }

    /// Whether no change is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.deltas.is_empty()
    }

    /// Octets that the changes take, about.
    #[must_use]
    pub const fn octets(&self) -> usize {
        self.cost
    }

    pub(crate) fn set_limit(&mut self, octets: usize) {
        self.limit = octets;
        self.trim();
    }

    pub(crate) fn push(&mut self, delta: Delta) {
        // A gap makes all that is older useless.
        if self.deltas.back().is_some_and(|last| last.to != delta.from) {
            self.deltas.clear();
            self.cost = 0;
        }
        if delta.from == delta.to {
            return;
        }
        self.cost = self.cost.saturating_add(delta.cost());
        self.deltas.push_back(delta);
        self.trim();
    }

    /// The changes from a version on; none when it is not known.
    pub(crate) fn since(&self, serial: u32) -> Option<Vec<Delta>> {
        let index = self.deltas.iter().position(|delta| delta.from == serial)?;
        Some(self.deltas.iter().skip(index).cloned().collect())
    }

    fn trim(&mut self) {
        while self.cost > self.limit
            && let Some(oldest) = self.deltas.pop_front()
        {
            self.cost = self.cost.saturating_sub(oldest.cost());
        }
    }
}

impl Default for Journal {
    fn default() -> Self {
        Self {
            deltas: VecDeque::new(),
            cost: 0,
            limit: Self::DEFAULT_LIMIT,
        }
    }
}
