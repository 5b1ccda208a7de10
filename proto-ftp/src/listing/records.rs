//! Listings made of records: MLSD, EPLF, and those of z/OS.

use super::date::{stamp, whole};
use super::tokens::{Tokens, number};
use super::{Dialect, Entry, Kind, Precision, Stamp};
use crate::wire::DateTime;
use crate::wire::octets::{self, eight, fact_end};

/// RFC 3659 section 7: `fact=value;fact=value; name`, in one pass.
#[inline]
pub(super) fn facts(line: &[u8]) -> Option<Entry<'_>> {
    let mut entry = Entry::new(Dialect::Facts, Kind::File, &[]);
    let (mut at, mut group) = (0_usize, None);
    while line.get(at)? != &b' ' {
        let (fact, value_at) = fact(line, at)?;
        let end = fact_end(line, value_at)?;
        if line.get(end)? != &b';' {
            return None;
        }
        let value = line.get(value_at..end)?;
        match fact {
            Fact::Type => (entry.kind, entry.target) = kind(value)?,
            Fact::Size => entry.size = octets::number(line, value_at, end),
            Fact::Modify => entry.modified = DateTime::parse(value).map(utc),
            Fact::UnixMode => entry.permissions = Some(value),
            Fact::Perm => entry.permissions = entry.permissions.or(Some(value)),
            Fact::OwnerName => entry.owner = Some(value),
            Fact::Owner => entry.owner = entry.owner.or(Some(value)),
            Fact::GroupName => group = Some(value),
            Fact::Other => {}
        }
        at = end.saturating_add(1);
    }
    entry.owner = entry.owner.or(group);
    entry.name = line.get(at.saturating_add(1)..)?;
    // A line without any fact is more likely something else.
    (at > 0 && !entry.name.is_empty()).then_some(entry)
}

/// A time of UTC.
fn utc(at: DateTime) -> Stamp {
    Stamp {
        at,
        precision: Precision::Second,
        is_year_guessed: false,
        offset: Some(0),
    }
}

/// The facts that make an entry.
#[derive(Clone, Copy)]
enum Fact {
    Type,
    Size,
    Modify,
    UnixMode,
    Perm,
    OwnerName,
    Owner,
    GroupName,
    Other,
}

/// The beginning of a fact, letters in any case: compared at once, as far as the mask says.
struct Beginning {
    octets: u64,
    mask: u64,
}

impl Beginning {
    /// The first octets of `text`, which is in small letters.
    const fn new(mut text: &[u8]) -> Self {
        let (mut octets, mut mask, mut shift) = (0_u64, 0_u64, 0_u32);
        while let ([octet, rest @ ..], 0..64) = (text, shift) {
            let bits: u8 = if octet.is_ascii_lowercase() { !32 } else { !0 };
            octets |= (*octet as u64) << shift;
            mask |= (bits as u64) << shift;
            shift = shift.wrapping_add(8);
            text = rest;
        }
        Self { octets, mask }
    }

    #[inline]
    const fn is_of(&self, octets: u64) -> bool {
        (octets ^ self.octets) & self.mask == 0
    }
}

const TYPE: Beginning = Beginning::new(b"type=");
const SIZE: Beginning = Beginning::new(b"size=");
const MODIFY: Beginning = Beginning::new(b"modify=");
const PERM: Beginning = Beginning::new(b"perm=");
const UNIQUE: Beginning = Beginning::new(b"unique=");
const UNIX_MODE: Beginning = Beginning::new(b"unix.mod");

/// The facts of nearly all lines, by their first eight octets, and the length up to the value.
#[inline]
fn usual_fact(octets: u64, next: Option<&[u8]>) -> Option<(Fact, usize)> {
    let [first, ..] = octets.to_le_bytes();
    match first | 32 {
        b't' if TYPE.is_of(octets) => Some((Fact::Type, 5)),
        b's' if SIZE.is_of(octets) => Some((Fact::Size, 5)),
        b'm' if MODIFY.is_of(octets) => Some((Fact::Modify, 7)),
        b'p' if PERM.is_of(octets) => Some((Fact::Perm, 5)),
        b'u' if UNIX_MODE.is_of(octets) && matches!(next, Some(b"e=" | b"E=")) => {
            Some((Fact::UnixMode, 10))
        }
        b'u' if UNIQUE.is_of(octets) => Some((Fact::Other, 7)),
        _ => None,
    }
}

/// The fact that begins at `at`, and where its value does.
#[inline]
fn fact(line: &[u8], at: usize) -> Option<(Fact, usize)> {
    let next = line.get(at.wrapping_add(8)..at.wrapping_add(10));
    let usual = eight(line, at).and_then(|octets| usual_fact(octets, next));
    match usual {
        Some((fact, len)) => Some((fact, at.wrapping_add(len))),
        None => any_fact(line, at),
    }
}

fn any_fact(line: &[u8], at: usize) -> Option<(Fact, usize)> {
    let rest = line.get(at..)?;
    let len = rest
        .iter()
        .position(|octet| matches!(octet, b'=' | b';' | b' '))?;
    let name = rest.get(..len)?;
    if name.is_empty() || rest.get(len) != Some(&b'=') {
        return None;
    }
    let is = |known: &[u8]| name.eq_ignore_ascii_case(known);
    let fact = match len {
        4 if is(b"type") => Fact::Type,
        4 if is(b"size") || is(b"sizd") => Fact::Size,
        4 if is(b"perm") => Fact::Perm,
        6 if is(b"modify") => Fact::Modify,
        8 if is(b"unix.uid") => Fact::Owner,
        9 if is(b"unix.mode") => Fact::UnixMode,
        10 if is(b"unix.owner") => Fact::Owner,
        14 if is(b"unix.ownername") => Fact::OwnerName,
        14 if is(b"unix.groupname") => Fact::GroupName,
        _ => Fact::Other,
    };
    Some((fact, at.saturating_add(len).saturating_add(1)))
}

#[inline]
fn kind(value: &[u8]) -> Option<(Kind, Option<&[u8]>)> {
    match value {
        b"file" => Some((Kind::File, None)),
        b"dir" => Some((Kind::Directory, None)),
        _ => other_kind(value),
    }
}

fn other_kind(value: &[u8]) -> Option<(Kind, Option<&[u8]>)> {
    let is = |name: &[u8]| value.eq_ignore_ascii_case(name);
    if is(b"file") {
        return Some((Kind::File, None));
    }
    if is(b"dir") {
        return Some((Kind::Directory, None));
    }
    if is(b"cdir") {
        return Some((Kind::Current, None));
    }
    if is(b"pdir") {
        return Some((Kind::Parent, None));
    }
    if value.is_empty() {
        return Some((Kind::File, None));
    }
    // Of no RFC, but sent.
    if is(b"link") || is(b"symlink") {
        return Some((Kind::Link, None));
    }
    if let Some((system, rest)) = value.split_first_chunk::<8>()
        && system.eq_ignore_ascii_case(b"OS.unix=")
    {
        let word_end = memchr::memchr(b':', rest).unwrap_or(rest.len());
        let (word, target) = rest.split_at_checked(word_end)?;
        if word.eq_ignore_ascii_case(b"slink") || word.eq_ignore_ascii_case(b"symlink") {
            let target = target.get(1..).filter(|target| !target.is_empty());
            return Some((Kind::Link, target));
        }
    }
    // RFC 3659 section 7.5.1.5: types of operating systems, devices among them.
    Some((Kind::Special, None))
}

/// `+i160768.5632080,m850544956,r,s3600,\tname`
pub(super) fn eplf(line: &[u8]) -> Option<Entry<'_>> {
    let rest = line.strip_prefix(b"+")?;
    let at = memchr::memchr2(b'\t', b' ', rest)?;
    let (facts, name) = rest.split_at_checked(at)?;
    let name = name.get(1..).filter(|name| !name.is_empty())?;
    let mut entry = Entry::new(Dialect::Eplf, Kind::File, name);
    for fact in facts.split(|octet| *octet == b',') {
        match fact.split_first() {
            Some((b'/', [])) => entry.kind = Kind::Directory,
            Some((b's', digits)) => entry.size = number(digits),
            Some((b'm', digits)) => {
                let seconds = number(digits).and_then(|value| i64::try_from(value).ok());
                entry.modified = seconds.map(|seconds| utc(DateTime::from_unix(seconds)));
            }
            Some((b'u', [b'p', mode @ ..])) => entry.permissions = Some(mode),
            _ => {}
        }
    }
    Some(entry)
}

/// `SAVE00 3390   2004/06/23  1    1  FB     128  6144  PS    NAME`, and shorter forms.
pub(super) fn mvs(line: &[u8]) -> Option<Entry<'_>> {
    let tokens = Tokens::new(line);
    let first = tokens.get(0)?;
    let count = tokens.len();
    let last = |from: usize| {
        (count == from.saturating_add(1))
            .then(|| tokens.get(from))
            .flatten()
    };
    if !line.first()?.is_ascii_alphanumeric() {
        return None;
    }
    if first.eq_ignore_ascii_case(b"Migrated") || first == b"MIGRAT" {
        return Some(Entry::new(Dialect::Mvs, Kind::File, last(1)?));
    }
    let second = tokens.get(1)?;
    if second.eq_ignore_ascii_case(b"Tape") && first.len() <= 6 {
        return Some(Entry::new(Dialect::Mvs, Kind::File, last(2)?));
    }
    if first == b"Pseudo" && second == b"Directory" {
        return Some(Entry::new(Dialect::Mvs, Kind::Directory, last(2)?));
    }
    if line
        .get(..first.len().saturating_add(25))
        .is_some_and(|_| second == b"Not")
        && tokens.get(2)? == b"Direct"
        && tokens.get(3)? == b"Access"
    {
        return Some(Entry::new(Dialect::Mvs, Kind::File, last(5)?));
    }
    // A unit is a type of disk or tape.
    if first.len() > 6 || number(second).is_none() || second.len() != 4 {
        return None;
    }
    let third = tokens.get(2)?;
    if third.eq_ignore_ascii_case(b"VSAM") || third.eq_ignore_ascii_case(b"PATH") {
        return Some(Entry::new(Dialect::Mvs, Kind::File, last(3)?));
    }
    let modified = if third == b"**NONE**" {
        None
    } else {
        Some(stamp(whole(third, false)?, None)?)
    };
    // Extents and tracks used run together where they are wide.
    let organisation_at = count.checked_sub(2)?;
    if !(7..=9).contains(&organisation_at) {
        return None;
    }
    let organisation = tokens.get(organisation_at)?;
    for at in 3..organisation_at {
        let word = tokens.get(at)?;
        let is_record_format = word.iter().all(u8::is_ascii_alphabetic) && word.len() <= 4;
        if !is_record_format
            && !word
                .iter()
                .all(|octet| octet.is_ascii_digit() || matches!(octet, b'?' | b'+' | b'*'))
        {
            return None;
        }
    }
    let kind = match organisation {
        b"PO" | b"PO-E" | b"POU" => Kind::Directory,
        b"PS" | b"PSU" | b"PS-E" | b"PS-L" | b"DA" | b"DAU" | b"VS" | b"VSAM" | b"IS" | b"??" => {
            Kind::File
        }
        _ => return None,
    };
    let name = tokens.get(count.checked_sub(1)?)?;
    let name = name.strip_prefix(b"'").unwrap_or(name);
    let mut entry = Entry::new(Dialect::Mvs, kind, name.strip_suffix(b"'").unwrap_or(name));
    entry.modified = modified;
    if kind == Kind::File && organisation_at == 8 {
        // Tracks of a 3390; a 3380 has fewer octets.
        let track = if second == b"3380" { 47_476 } else { 56_664 };
        entry.size = number(tokens.get(4)?).and_then(|tracks| tracks.checked_mul(track));
    }
    Some(entry)
}

/// A member of a partitioned data set: with statistics of ISPF, of a load library, or its name alone.
pub(super) fn mvs_member(line: &[u8]) -> Option<Entry<'_>> {
    let tokens = Tokens::new(line);
    let name = tokens.get(0)?;
    let is_name = name.len() <= 17 && !name.first()?.is_ascii_digit();
    if !is_name || name == b"Name" && tokens.len() > 2 {
        return None;
    }
    let mut entry = Entry::new(Dialect::MvsMember, Kind::File, name);
    if tokens.len() == 1 {
        return Some(entry);
    }
    let second = tokens.get(1)?;
    if let (Some(changed), Some(time)) = (tokens.get(3), tokens.get(4))
        && let (Some(date), Some(clock)) = (whole(changed, false), super::date::clock(time))
    {
        memchr::memchr(b'.', second)?;
        entry.modified = stamp(date, Some(clock));
        entry.owner = tokens.get(8);
        return Some(entry);
    }
    // A load module: its size is hexadecimal.
    if second.len() == 6 && tokens.get(2)?.len() == 6 {
        let text = core::str::from_utf8(second).ok()?;
        entry.size = Some(u64::from_str_radix(text, 16).ok()?);
        return Some(entry);
    }
    None
}

/// A job: name, number, owner, state, class.
pub(super) fn jes(line: &[u8]) -> Option<Entry<'_>> {
    let tokens = Tokens::new(line);
    let (owner, name) = (tokens.get(0)?, tokens.get(1)?);
    let prefix = name.get(..3)?;
    let is_job = matches!(prefix, b"JOB" | b"TSU" | b"STC") || name.starts_with(b"J0");
    if !is_job || !name.last()?.is_ascii_digit() {
        return None;
    }
    let mut entry = Entry::new(Dialect::Jes, Kind::File, name);
    entry.owner = Some(owner);
    Some(entry)
}
