//! Dynamic updates (RFC 2136 section 3).

use super::journal::{self, Delta};
use super::rrset::MAX_RRSET;
use super::zone::Zone;
use crate::wire::{Class, Message, NameRef, RData, Rcode, Record, Type};
use alloc::vec::Vec;

/// Carries out an update of a zone. Returns whether something has changed, or why nothing was done:
/// an update is carried out as a whole or not at all.
///
/// Who may update is for the caller to ask; and that the message is an update of this zone.
///
/// # Errors
///
/// The code that the answer bears.
pub fn apply(zone: &mut Zone, message: &Message<'_>) -> Result<bool, Rcode> {
    prerequisites(zone, message)?;
    prescan(zone, message)?;
    // Nothing fails from here on. What may change is kept, so that the difference can be told.
    let (serial, soa) = (zone.serial(), journal::soa(zone));
    let mut names: Vec<_> = message.authorities().map(|record| record.owner).collect();
    names.sort_unstable();
    names.dedup();
    let before: Vec<_> = names
        .iter()
        .map(|&name| zone.node_of(name).cloned())
        .collect();
    let mut has_own_serial = false;
    for record in message.authorities() {
        update(zone, &record, &mut has_own_serial);
    }
    let mut delta = Delta::since(serial, soa.clone(), zone);
    for (&name, old) in names.iter().zip(&before) {
        let new = zone.node_of(name);
        if let Some(old) = old {
            delta.compare(old, new, false);
        }
        if let Some(new) = new {
            delta.compare(new, old.as_ref(), true);
        }
    }
    let changed = delta.removed.len() > 1 || delta.added.len() > 1;
    if !changed && !has_own_serial {
        return Ok(false);
    }
    if zone.serial() == serial {
        // RFC 2136 section 3.6: a zone that has changed gets a new serial number.
        bump(zone);
    }
    let mut complete = Delta::since(serial, soa, zone);
    complete.removed.extend(delta.removed.into_iter().skip(1));
    complete.added.extend(delta.added.into_iter().skip(1));
    zone.journal_mut().push(complete);
    Ok(true)
}

/// Raises the serial number by one (RFC 1982); never to zero.
fn bump(zone: &mut Zone) {
    let Some(rrset) = zone.soa_rrset() else {
        return;
    };
    let (ttl, Some(old)) = (rrset.ttl, rrset.wires().first().cloned()) else {
        return;
    };
    let origin = zone.origin().clone();
    let mut new = old.to_vec();
    let at = new.len().saturating_sub(20);
    if let Some(place) = new
        .get_mut(at..)
        .and_then(|rest| rest.first_chunk_mut::<4>())
    {
        let serial = u32::from_be_bytes(*place).wrapping_add(1).max(1);
        *place = serial.to_be_bytes();
    }
    zone.remove(origin.view(), Type::SOA, &old);
    zone.put(origin.view(), ttl, Type::SOA, &new);
}

/// RFC 2136 section 3.2.
fn prerequisites(zone: &Zone, message: &Message<'_>) -> Result<(), Rcode> {
    // Records of RRsets that must be there exactly so.
    let mut exact: Vec<(NameRef<'_>, Type, Vec<u8>)> = Vec::new();
    for record in message.answers() {
        if record.ttl != 0 {
            return Err(Rcode::FORMERR);
        }
        if !zone.has_name(record.owner) {
            return Err(Rcode::NOTZONE);
        }
        let rrsets = zone.rrsets_of(record.owner);
        let node = zone.node_of(record.owner);
        let has = |rtype| node.is_some_and(|node| node.get(rtype).is_some());
        let empty = record.rdata().is_empty();
        match record.class {
            Class::ANY | Class::NONE if !empty => return Err(Rcode::FORMERR),
            Class::ANY if record.rtype == Type::ANY && rrsets.is_empty() => {
                return Err(Rcode::NXDOMAIN);
            }
            Class::ANY if record.rtype != Type::ANY && !has(record.rtype) => {
                return Err(Rcode::NXRRSET);
            }
            Class::NONE if record.rtype == Type::ANY && !rrsets.is_empty() => {
                return Err(Rcode::YXDOMAIN);
            }
            Class::NONE if record.rtype != Type::ANY && has(record.rtype) => {
                return Err(Rcode::YXRRSET);
            }
            Class::ANY | Class::NONE => {}
            Class::IN => {
                let mut data = Vec::new();
                let read = record.data().map_err(|_| Rcode::FORMERR)?;
                read.encode_canonical(&mut data);
                exact.push((record.owner, record.rtype, data));
            }
            _ => return Err(Rcode::FORMERR),
        }
    }
    exact.sort_unstable();
    exact.dedup();
    for wanted in exact.chunk_by(|a, b| a.0 == b.0 && a.1 == b.1) {
        let Some(&(name, rtype, _)) = wanted.first() else {
            continue;
        };
        let there = zone.node_of(name).and_then(|node| node.get(rtype));
        // Neither has two that are alike.
        let all = there.is_some_and(|there| {
            there.wires().len() == wanted.len()
                && wanted.iter().all(|(_, _, data)| there.holds(data))
        });
        if !all {
            return Err(Rcode::NXRRSET);
        }
    }
    Ok(())
}

/// Record data in full; none when it does not fit its type.
fn wire_of(record: &Record<'_>) -> Option<Vec<u8>> {
    let mut wire = Vec::new();
    record.data().ok()?.encode(&mut wire);
    Some(wire)
}

/// RFC 2136 section 3.4.1.
fn prescan(zone: &Zone, message: &Message<'_>) -> Result<(), Rcode> {
    for record in message.authorities() {
        if !zone.has_name(record.owner) {
            return Err(Rcode::NOTZONE);
        }
        let meta = record.rtype.is_meta();
        let fits = match record.class {
            Class::IN => !meta && record.data().is_ok(),
            Class::ANY => {
                record.ttl == 0 && record.rdata().is_empty() && (!meta || record.rtype == Type::ANY)
            }
            Class::NONE => record.ttl == 0 && !meta && record.data().is_ok(),
            _ => false,
        };
        if !fits {
            return Err(Rcode::FORMERR);
        }
    }
    Ok(())
}

/// RFC 2136 section 3.4.2: one record of the update section.
fn update(zone: &mut Zone, record: &Record<'_>, has_own_serial: &mut bool) {
    let owner = record.owner;
    let at_origin = *zone.origin() == owner;
    // The SOA record, and the last NS record of the zone, are not deleted.
    let kept = |rtype| at_origin && matches!(rtype, Type::SOA | Type::NS);
    match record.class {
        Class::IN => add(zone, record, at_origin, has_own_serial),
        Class::ANY => {
            zone.remove_rrsets(owner, |rtype| {
                (record.rtype == Type::ANY || rtype == record.rtype) && !kept(rtype)
            });
        }
        _ => {
            let Some(data) = wire_of(record) else { return };
            let rrset = zone.node_of(owner).and_then(|node| node.get(record.rtype));
            let count = rrset.map_or(0, |rrset| rrset.wires().len());
            let last_ns = record.rtype == Type::NS && at_origin && count <= 1;
            if record.rtype != Type::SOA && !last_ns {
                zone.remove(owner, record.rtype, &data);
            }
        }
    }
}

fn add(zone: &mut Zone, record: &Record<'_>, at_origin: bool, has_own_serial: &mut bool) {
    let (owner, rtype) = (record.owner, record.rtype);
    let Some(data) = wire_of(record) else { return };
    let node = zone.node_of(owner);
    match rtype {
        // A CNAME stands alone: what would break that is ignored.
        _ if node.is_some_and(|node| !node.suffers(rtype)) => return,
        Type::SOA => {
            let (Ok(RData::Soa(new)), true) = (record.data(), at_origin) else {
                return;
            };
            // Only a greater serial number (RFC 1982) is taken.
            if !is_newer(new.serial, zone.serial()) {
                return;
            }
            *has_own_serial = true;
        }
        _ => {}
    }
    let there = node.and_then(|node| node.get(rtype));
    let full = there.is_some_and(|set| set.wires().len() >= MAX_RRSET);
    let replaced: Vec<_> = match (rtype, there) {
        // Types of which there is one are replaced.
        (Type::SOA | Type::CNAME | Type::DNAME, Some(set)) => set.wires().to_vec(),
        // WKS is replaced when address and protocol are the same.
        (Type::WKS, Some(set)) => {
            let alike = |known: &&alloc::boxed::Box<[u8]>| known.get(..5) == data.get(..5);
            set.wires().iter().filter(alike).cloned().collect()
        }
        _ if full => return,
        _ => Vec::new(),
    };
    for old in replaced {
        zone.remove(owner, rtype, &old);
    }
    zone.put(owner, record.ttl, rtype, &data);
    // All records of a set have the TTL that was said last.
    zone.set_ttl(owner, rtype, record.ttl);
}

/// RFC 1982 section 3.2: whether `new` comes after `old`.
#[must_use]
pub const fn is_newer(new: u32, old: u32) -> bool {
    let ahead = new.wrapping_sub(old);
    ahead != 0 && ahead < 0x8000_0000
}
