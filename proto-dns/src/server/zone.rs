//! A zone in memory.
//!
//! Names are keys of a sorted map, written so that plain octet order is the canonical order
//! (RFC 4034 section 6.1): labels from the root on, in lower case, each closed by a zero octet.
//! A name is below another exactly if its key begins with the other's.

use super::journal::{Delta, Journal};
use super::rrset::{MAX_RRSET, RrSet};
use crate::LoadError;
use crate::ZoneError;
use crate::wire::{Class, MAX_NAME, Name, NameRef, RData, Soa, Type, label_starts};
use crate::zonefile::{self, Parser};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::collections::btree_map::Entry;
use alloc::vec::Vec;
use core::fmt;

/// A zone that can be served: it has its SOA and NS records, and every CNAME stands alone.
///
/// ```
/// use proto_dns::server::Zone;
/// use proto_dns::wire::{Mx, Name, RData, Soa};
///
/// let origin: Name = "networkutopia.com".parse()?;
/// let (www, ns) = (origin.child(b"www")?, origin.child(b"dns1")?);
/// let hostmaster = origin.child(b"hostmaster")?;
/// let mut zone = Zone::builder(origin.clone());
/// zone.add(&origin, 3600, &RData::Soa(Soa {
///     mname: ns.view(), rname: hostmaster.view(),
///     serial: 1, refresh: 7200, retry: 900, expire: 1_209_600, minimum: 300,
/// }))?;
/// zone.add(&origin, 3600, &RData::Ns(ns.view()))?;
/// zone.add(&ns, 3600, &RData::A([212, 212, 212, 22].into()))?;
/// zone.add(&www, 300, &RData::A([212, 212, 71, 4].into()))?;
/// zone.add(&origin, 300, &RData::Mx(Mx { preference: 10, exchange: www.view() }))?;
/// let zone = zone.build()?;
/// assert_eq!(zone.origin(), &origin);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Zone {
    origin: Name,
    key: Box<[u8]>,
    nodes: BTreeMap<Box<[u8]>, Node>,
    journal: Journal,
}

/// A zone in the making.
#[derive(Clone, Debug)]
#[must_use = "`build` gives the zone"]
pub struct ZoneBuilder {
    zone: Zone,
}

/// A name of the zone; one without records is an empty non-terminal (RFC 4592 section 2.2.2).
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) name: Name,
    pub(crate) rrsets: Vec<RrSet>,
}

/// Where the search for a name ends (RFC 1034 section 4.3.2 step 3).
#[derive(Clone, Copy, Debug)]
pub(super) enum Found<'z> {
    /// The name exists, or a wildcard speaks for it.
    Node(&'z Node),
    /// The name is at or below a cut, which this is.
    Cut(&'z Node),
    /// The name is below a DNAME, whose owner this is.
    Redirected(&'z Node),
    /// The name does not exist.
    Nothing,
}

impl Zone {
    /// Begins a zone of the class IN.
    pub fn builder(origin: Name) -> ZoneBuilder {
        let key: Box<[u8]> = Key::of(origin.view()).as_slice().into();
        let mut nodes = BTreeMap::new();
        let apex = Node {
            name: origin.clone(),
            rrsets: Vec::new(),
        };
        nodes.insert(key.clone(), apex);
        ZoneBuilder {
            zone: Self {
                origin,
                key,
                nodes,
                journal: Journal::default(),
            },
        }
    }

    /// The name at the top.
    #[must_use]
    pub const fn origin(&self) -> &Name {
        &self.origin
    }

    /// All records, in canonical order of their owners: owner, TTL, data.
    pub fn records(&self) -> impl Iterator<Item = (&Name, u32, RData<'_>)> {
        self.nodes.values().flat_map(|node| {
            node.rrsets.iter().flat_map(move |rrset| {
                rrset
                    .records(0)
                    .map(move |data| (&node.name, rrset.ttl, data))
            })
        })
    }

    /// The SOA record, read.
    #[must_use]
    pub fn soa(&self) -> Option<Soa<'_>> {
        match self.apex()?.get(Type::SOA)?.records(0).next() {
            Some(RData::Soa(soa)) => Some(soa),
            _ => None,
        }
    }

    /// The version, from the SOA record.
    #[must_use]
    pub fn serial(&self) -> u32 {
        self.soa().map_or(0, |soa| soa.serial)
    }

    /// Sets how many octets of changes are kept for incremental transfers; 0 for none. Default
    /// [`Journal::DEFAULT_LIMIT`].
    pub fn set_journal_limit(&mut self, octets: usize) {
        self.journal.set_limit(octets);
    }

    /// The changes that are kept.
    #[must_use]
    pub const fn journal(&self) -> &Journal {
        &self.journal
    }

    pub(crate) const fn journal_mut(&mut self) -> &mut Journal {
        &mut self.journal
    }

    /// Takes over the journal of the version before, and adds what has changed since.
    pub(crate) fn continue_journal(&mut self, before: &Self) {
        self.journal = before.journal.clone();
        let mut delta = Delta::new(before, self);
        // Both maps are in order: one walk finds what is in one and not in the other.
        for (key, node) in &before.nodes {
            let other = self.nodes.get(key);
            delta.compare(node, other, false);
        }
        for (key, node) in &self.nodes {
            delta.compare(node, before.nodes.get(key), true);
        }
        self.journal.push(delta);
    }

    /// Every name and its RRsets, from `key` on.
    pub(crate) fn nodes_from(&self, key: &[u8]) -> impl Iterator<Item = (&[u8], &Node)> {
        use core::ops::Bound;
        self.nodes
            .range::<[u8], _>((Bound::Included(key), Bound::Unbounded))
            .map(|(key, node)| (&**key, node))
    }

    /// Takes a record away; false when it was not there.
    pub(crate) fn remove(&mut self, owner: NameRef<'_>, rtype: Type, wire: &[u8]) -> bool {
        let key = Key::of(owner);
        let Some(node) = self.nodes.get_mut(key.as_slice()) else {
            return false;
        };
        let Ok(index) = node.place(rtype) else {
            return false;
        };
        let Some(rrset) = node.rrsets.get_mut(index) else {
            return false;
        };
        let was_there = rrset.remove(wire);
        if rrset.wires().is_empty() {
            node.rrsets.remove(index);
            self.prune(&key);
        }
        was_there
    }

    /// Takes the RRsets of a name away that are chosen.
    pub(crate) fn remove_rrsets(&mut self, owner: NameRef<'_>, chosen: impl Fn(Type) -> bool) {
        let key = Key::of(owner);
        if let Some(node) = self.nodes.get_mut(key.as_slice()) {
            node.rrsets.retain(|rrset| !chosen(rrset.rtype));
            self.prune(&key);
        }
    }

    /// Changes the TTL of an RRset.
    pub(crate) fn set_ttl(&mut self, owner: NameRef<'_>, rtype: Type, ttl: u32) {
        let key = Key::of(owner);
        if let Some(node) = self.nodes.get_mut(key.as_slice())
            && let Ok(index) = node.place(rtype)
            && let Some(rrset) = node.rrsets.get_mut(index)
        {
            rrset.ttl = ttl.min(0x7fff_ffff);
        }
    }

    /// Adds a record that was looked at before.
    pub(crate) fn put(&mut self, owner: NameRef<'_>, ttl: u32, rtype: Type, wire: &[u8]) {
        let key = Key::of(owner);
        if self.contains(&key) {
            self.insert(owner, &key, rtype, ttl, wire);
        }
    }

    /// Whether a record may be added: it is of the zone, readable, and alone where it must be.
    pub(crate) fn admits(
        &self,
        owner: NameRef<'_>,
        rtype: Type,
        wire: &[u8],
    ) -> Result<(), ZoneError> {
        let key = Key::of(owner);
        if !self.contains(&key) {
            return Err(ZoneError::OutOfZone);
        }
        if rtype.is_meta() {
            return Err(ZoneError::MetaType);
        }
        // An unknown type that is known after all, or TXT without a string, would not be readable.
        if wire.len() > usize::from(u16::MAX) || RData::from_wire(rtype, wire).is_err() {
            return Err(ZoneError::Rdata);
        }
        if rtype == Type::SOA && key.as_slice() != self.key() {
            return Err(ZoneError::Soa);
        }
        let Some(node) = self.nodes.get(key.as_slice()) else {
            return Ok(());
        };
        if !node.suffers(rtype) {
            return Err(ZoneError::CnameAndOther);
        }
        match node.get(rtype) {
            Some(same) if !same.holds(wire) => match rtype {
                Type::CNAME => Err(ZoneError::CnameAndOther),
                Type::SOA => Err(ZoneError::Soa),
                // RFC 6672 section 2.4.
                Type::DNAME => Err(ZoneError::Dname),
                _ if same.wires().len() >= MAX_RRSET => Err(ZoneError::TooManyRecords),
                _ => Ok(()),
            },
            _ => Ok(()),
        }
    }

    pub(crate) fn rrsets_of(&self, owner: NameRef<'_>) -> &[RrSet] {
        let node = self.nodes.get(Key::of(owner).as_slice());
        node.map(|node| node.rrsets.as_slice()).unwrap_or_default()
    }

    /// Whether SOA and NS records are there.
    pub(crate) fn check(&self) -> Result<(), ZoneError> {
        let apex = self.apex().ok_or(ZoneError::NoSoa)?;
        apex.get(Type::SOA).ok_or(ZoneError::NoSoa)?;
        apex.get(Type::NS).ok_or(ZoneError::NoNs)?;
        Ok(())
    }

    pub(crate) fn node_of(&self, owner: NameRef<'_>) -> Option<&Node> {
        self.nodes.get(Key::of(owner).as_slice())
    }

    pub(crate) fn soa_rrset(&self) -> Option<&RrSet> {
        self.apex()?.get(Type::SOA)
    }

    pub(crate) fn has_name(&self, owner: NameRef<'_>) -> bool {
        self.contains(&Key::of(owner))
    }

    /// Takes away names without records that no name is below.
    fn prune(&mut self, key: &Key) {
        use core::ops::Bound;
        let mut key = key.as_slice();
        while key.len() > self.key.len() {
            let empty = self
                .nodes
                .get(key)
                .is_some_and(|node| node.rrsets.is_empty());
            let after = (Bound::Excluded(key), Bound::Unbounded);
            let next = self.nodes.range::<[u8], _>(after).next();
            if !empty || next.is_some_and(|(next, _)| next.starts_with(key)) {
                return;
            }
            self.nodes.remove(key);
            key = key.get(..previous_boundary(key)).unwrap_or_default();
        }
    }

    fn insert(&mut self, owner: NameRef<'_>, key: &Key, rtype: Type, ttl: u32, wire: &[u8]) {
        if !self.nodes.contains_key(key.as_slice()) {
            self.insert_names(owner, key);
        }
        let Some(node) = self.nodes.get_mut(key.as_slice()) else {
            return;
        };
        // RFC 2181 section 8: a TTL has 31 bits.
        let ttl = ttl.min(0x7fff_ffff);
        let (Ok(place) | Err(place)) = match node.place(rtype) {
            Err(place) => {
                node.rrsets.insert(place, RrSet::new(rtype, ttl));
                Ok(place)
            }
            found => found,
        };
        if let Some(rrset) = node.rrsets.get_mut(place) {
            rrset.ttl = rrset.ttl.min(ttl);
            rrset.insert(wire);
        }
    }

    /// Every name between the origin and the owner exists (RFC 4592 section 2.2.2).
    fn insert_names(&mut self, owner: NameRef<'_>, key: &Key) {
        let mut name = Some(owner.to_name());
        let mut end = key.as_slice().len();
        while end > self.key.len()
            && let Some(current) = name
        {
            let prefix = key.as_slice().get(..end).unwrap_or_default();
            match self.nodes.entry(prefix.into()) {
                Entry::Vacant(vacant) => {
                    vacant.insert(Node {
                        name: current.clone(),
                        rrsets: Vec::new(),
                    });
                }
                // What is above it exists too.
                Entry::Occupied(_) => return,
            }
            name = current.parent();
            end = previous_boundary(prefix);
        }
    }

    pub(super) fn key(&self) -> &[u8] {
        &self.key
    }

    pub(super) fn contains(&self, key: &Key) -> bool {
        key.as_slice().starts_with(&self.key)
    }

    pub(super) fn apex(&self) -> Option<&Node> {
        self.nodes.get(&self.key)
    }

    /// The node of exactly this name, be it below a cut: where glue is found.
    pub(super) fn node(&self, key: &Key) -> Option<&Node> {
        self.nodes.get(key.as_slice())
    }

    /// Goes down from the origin, label by label.
    pub(super) fn find(&self, key: &Key, qtype: Type) -> Found<'_> {
        let key = key.as_slice();
        let mut end = self.key.len();
        let mut encloser = self.apex();
        if let Some(apex) = encloser
            && end < key.len()
            && apex.get(Type::DNAME).is_some()
        {
            return Found::Redirected(apex);
        }
        loop {
            if end == key.len() {
                return encloser.map_or(Found::Nothing, Found::Node);
            }
            let Some(next) = next_boundary(key, end) else {
                return Found::Nothing;
            };
            let Some(node) = self.nodes.get(key.get(..next).unwrap_or_default()) else {
                // RFC 4592 section 3.3.1: the wildcard of the closest encloser, and no other.
                let star = Key::wildcard(key.get(..end).unwrap_or_default());
                return self.node(&star).map_or(Found::Nothing, Found::Node);
            };
            // RFC 4035 section 3.1.4.1: the parent answers for the DS of its cut.
            let above = next == key.len() && qtype == Type::DS;
            if node.get(Type::NS).is_some() && !above {
                return Found::Cut(node);
            }
            // RFC 6672 section 2.3: a DNAME redirects what is below it, not its owner.
            if next < key.len() && node.get(Type::DNAME).is_some() {
                return Found::Redirected(node);
            }
            (end, encloser) = (next, Some(node));
        }
    }
}

impl ZoneBuilder {
    /// Adds a record. One that is there already is not added again; records of one owner and type
    /// get the least of their TTLs (RFC 2181 section 5.2).
    ///
    /// # Errors
    ///
    /// [`ZoneError`]; the zone is as it was before.
    pub fn add(&mut self, owner: &Name, ttl: u32, data: &RData<'_>) -> Result<(), ZoneError> {
        let rtype = data.rtype();
        let mut wire = Vec::new();
        data.encode(&mut wire);
        self.add_wire(owner.view(), ttl, rtype, &wire)
    }

    /// Adds a record whose data is in wire form, names in full; see [`add`](Self::add).
    ///
    /// # Errors
    ///
    /// [`ZoneError`]; the zone is as it was before.
    pub fn add_wire(
        &mut self,
        owner: NameRef<'_>,
        ttl: u32,
        rtype: Type,
        wire: &[u8],
    ) -> Result<(), ZoneError> {
        self.zone.admits(owner, rtype, wire)?;
        let key = Key::of(owner);
        self.zone.insert(owner, &key, rtype, ttl, wire);
        Ok(())
    }

    /// Adds the records of a zone file (RFC 1035 section 5).
    ///
    /// # Errors
    ///
    /// [`LoadError`] at the first record that cannot be added.
    pub fn add_text(&mut self, text: &str) -> Result<(), LoadError> {
        let mut parser = Parser::new(text.as_bytes(), self.zone.origin.clone());
        loop {
            match parser.next()? {
                None => return Ok(()),
                Some(zonefile::Entry::Record(record)) => self
                    .add_wire(record.owner, record.ttl, record.rtype, record.rdata)
                    .map_err(|fault| parser.zone_error(fault))?,
                Some(zonefile::Entry::Include { .. }) => return Err(LoadError::Include),
            }
        }
    }

    /// Ends the making.
    ///
    /// # Errors
    ///
    /// [`ZoneError::NoSoa`], [`ZoneError::NoNs`].
    pub fn build(self) -> Result<Zone, ZoneError> {
        self.zone.check()?;
        Ok(self.zone)
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Zone")
            .field("origin", &self.origin)
            .field("names", &self.nodes.len())
            .field("class", &Class::IN)
            .finish()
    }
}

/// Octets of the longest key: each octet of a name takes at most two.
const MAX_KEY: usize = 2 * MAX_NAME;

/// A name as a key of the map.
pub(super) struct Key {
    octets: [u8; MAX_KEY],
    len: usize,
}

impl Key {
    pub(super) fn of(name: NameRef<'_>) -> Self {
        let mut key = Self {
            octets: [0; MAX_KEY],
            len: 0,
        };
        let mut scratch = [0; MAX_NAME];
        let wire = match name.as_uncompressed() {
            Some(wire) => wire,
            None => name.copy_to(&mut scratch),
        };
        let (starts, count) = label_starts(wire);
        for &start in starts.iter().take(count).rev() {
            let label = wire.get(usize::from(start)..).unwrap_or_default();
            let (&len, label) = label.split_first().unwrap_or((&0, &[]));
            for octet in label.iter().take(usize::from(len)) {
                match octet.to_ascii_lowercase() {
                    // Zero ends a label; it and its escape are escaped, which keeps the order.
                    low @ 0..=1 => {
                        key.push(1);
                        key.push(low.wrapping_add(1));
                    }
                    octet => key.push(octet),
                }
            }
            key.push(0);
        }
        key
    }

    fn wildcard(encloser: &[u8]) -> Self {
        let mut key = Self {
            octets: [0; MAX_KEY],
            len: 0,
        };
        for &octet in encloser.iter().chain(b"*\0") {
            key.push(octet);
        }
        key
    }

    pub(super) fn as_slice(&self) -> &[u8] {
        self.octets.get(..self.len).unwrap_or_default()
    }

    #[inline]
    fn push(&mut self, octet: u8) {
        if let Some(place) = self.octets.get_mut(self.len) {
            *place = octet;
            self.len = self.len.wrapping_add(1);
        }
    }
}

/// The end of the label that begins at `start`.
fn next_boundary(key: &[u8], start: usize) -> Option<usize> {
    let len = key.get(start..)?.iter().position(|&octet| octet == 0)?;
    start.checked_add(len)?.checked_add(1)
}

/// The key of the parent is this long.
pub(super) fn previous_boundary(key: &[u8]) -> usize {
    let open = key.len().saturating_sub(1);
    let before = key.get(..open).unwrap_or_default();
    before
        .iter()
        .rposition(|&octet| octet == 0)
        .map_or(0, |end| end.saturating_add(1))
}
