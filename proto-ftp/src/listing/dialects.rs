//! Systems whose listings have one fixed form each.

use super::date::{clock, stamp, whole};
use super::tokens::{Tokens, grouped_number, number};
use super::{Dialect, Entry, Kind};

/// `04-27-00  09:09PM       <DIR>          name`, `2002-09-02  19:06   9,730 name`
#[inline]
pub(super) fn dos(line: &[u8]) -> Option<Entry<'_>> {
    if !line.first()?.is_ascii_digit() {
        return None;
    }
    let tokens = Tokens::up_to(line, 5);
    let date = whole(tokens.get(0)?, false)?;
    let mut at = 2_usize;
    let mut time = clock(tokens.get(1)?)?;
    // `01:30 PM`
    let half = tokens.get(2)?;
    if half.eq_ignore_ascii_case(b"AM") || half.eq_ignore_ascii_case(b"PM") {
        let is_pm = half.eq_ignore_ascii_case(b"PM");
        time.hour = (time.hour % 12).saturating_add(if is_pm { 12 } else { 0 });
        at = 3;
    }
    let what = tokens.get(at)?;
    let (kind, size) = match what {
        b"<DIR>" => (Kind::Directory, None),
        b"<JUNCTION>" | b"<SYMLINK>" | b"<SYMLINKD>" => (Kind::Link, None),
        digits => (Kind::File, Some(grouped_number(digits)?)),
    };
    let next = at.saturating_add(1);
    // Windows pads before names of directories: the name begins at its first octet.
    let mut name = tokens.from(next)?;
    let mut target = None;
    if kind == Kind::Link
        && let Some(open) = memchr::memmem::rfind(name, b" [")
        && let Some(inner) = name.get(open.saturating_add(2)..)?.strip_suffix(b"]")
    {
        target = Some(inner);
        name = name.get(..open)?;
    }
    let mut entry = Entry::new(Dialect::Dos, kind, name);
    entry.size = size;
    entry.target = target;
    entry.modified = Some(stamp(date, Some(time))?);
    Some(entry)
}

/// `NAME.EXT;1`, and nothing else on the line.
pub(super) fn is_vms_name_alone(line: &[u8]) -> bool {
    let line = line.trim_ascii_end();
    let Some(at) = memchr::memrchr(b';', line) else {
        return false;
    };
    let version = line.get(at.saturating_add(1)..).unwrap_or_default();
    at > 0
        && number(version).is_some()
        && memchr::memchr2(b' ', b'\t', line).is_none()
        && memchr::memchr(b'=', line).is_none()
}

/// `NAME.EXT;1  155/156   2-JUL-2003 10:30:13.64  [GROUP,OWNER]  (RWED,RWED,,RE)`, fields in any order.
pub(super) fn vms(line: &[u8]) -> Option<Entry<'_>> {
    if line.first()?.is_ascii_whitespace() {
        return None;
    }
    let tokens = Tokens::up_to(line, 10);
    let name = tokens.get(0)?;
    let at = memchr::memrchr(b';', name)?;
    let (bare, version) = name.split_at_checked(at)?;
    number(version.get(1..)?)?;
    if bare.is_empty() || tokens.len() < 2 {
        return None;
    }
    let (kind, bare) = match bare.split_last_chunk::<4>() {
        Some((folder, suffix)) if suffix.eq_ignore_ascii_case(b".DIR") && !folder.is_empty() => {
            (Kind::Directory, folder)
        }
        _ => (Kind::File, bare),
    };
    let mut entry = Entry::new(Dialect::Vms, kind, bare);
    let mut date = None;
    for at in 1..tokens.len() {
        let word = tokens.get(at)?;
        if word.starts_with(b"[") {
            let mut last = at;
            while last < tokens.len() && !tokens.get(last)?.ends_with(b"]") {
                last = last.saturating_add(1);
            }
            // A long owner may be cut off, its bracket with it.
            let owner = tokens
                .between(at, last)
                .unwrap_or(word)
                .strip_prefix(b"[")?;
            entry.owner = Some(owner.strip_suffix(b"]").unwrap_or(owner));
        } else if word.starts_with(b"(") {
            entry.permissions = Some(word);
        } else if date.is_none() && word.contains(&b'-') && whole(word, true).is_some() {
            date = whole(word, true);
            let time = tokens.get(at.saturating_add(1)).and_then(clock);
            entry.modified = date.and_then(|date| stamp(date, time));
        } else if entry.size.is_none() {
            entry.size = vms_size(word);
        }
    }
    // A message of an error (`%RMS-E-PRV`) has neither.
    (entry.modified.is_some() || entry.size.is_some()).then_some(entry)
}

/// Blocks of 512 octets, `used/allocated`, or with a unit.
fn vms_size(word: &[u8]) -> Option<u64> {
    let used = word.split(|octet| *octet == b'/').next()?;
    if let Some(blocks) = number(used) {
        return Some(blocks.saturating_mul(512));
    }
    let (digits, unit) = used.split_last_chunk::<2>()?;
    let factor = match unit.to_ascii_uppercase().as_slice() {
        b"KB" => 1 << 10,
        b"MB" => 1 << 20,
        b"GB" => 1 << 30,
        _ => return None,
    };
    number(digits).map(|count: u64| count.saturating_mul(factor))
}

/// `33280      A          02-08-97   13:49  NAME`, `0   DIR   12-30-97   12:32  name`
pub(super) fn os2(line: &[u8]) -> Option<Entry<'_>> {
    let tokens = Tokens::up_to(line, 7);
    let size = number(tokens.get(0)?)?;
    let mut kind = Kind::File;
    let mut at = 1_usize;
    loop {
        let word = tokens.get(at)?;
        if word == b"DIR" {
            kind = Kind::Directory;
        } else if !(word.len() <= 4 && word.iter().all(u8::is_ascii_uppercase)) {
            break;
        }
        at = at.saturating_add(1);
    }
    let word = tokens.get(at)?;
    if word.get(2) != Some(&b'-') {
        return None;
    }
    let date = whole(word, false)?;
    let time = clock(tokens.get(at.saturating_add(1))?)?;
    let mut entry = Entry::new(Dialect::Os2, kind, tokens.from(at.saturating_add(2))?);
    entry.size = Some(size);
    entry.modified = Some(stamp(date, Some(time))?);
    Some(entry)
}

/// `QSYS            77824 02/23/00 15:09:55 *DIR name/`, `CFT   *MEM NAME.FILE/NAME.MBR`
pub(super) fn as400<'a>(line: &'a [u8], day_first: &mut bool) -> Option<Entry<'a>> {
    let tokens = Tokens::up_to(line, 6);
    let owner = tokens.get(0)?;
    let second = tokens.get(1)?;
    if second.starts_with(b"*") && tokens.len() >= 3 {
        let mut entry = Entry::new(Dialect::As400, Kind::File, tokens.from(2)?);
        entry.owner = Some(owner);
        return Some(entry);
    }
    let size = number(second)?;
    let word = tokens.get(2)?;
    // One date with a day above 12 settles the order for the rest of the listing.
    if let Some([first, _, _]) = super::date::fields(word)
        && number(first).is_some_and(|first| (13..=31).contains(&first))
    {
        *day_first = true;
    }
    let is_european = word.contains(&b'.');
    let date = whole(word, *day_first || is_european)?;
    let time = clock(tokens.get(3)?)?;
    let what = tokens.get(4)?;
    if !what.starts_with(b"*") {
        return None;
    }
    let mut name = tokens.from(5)?;
    let mut kind = match what {
        b"*DIR" | b"*DDIR" | b"*FLR" | b"*LIB" => Kind::Directory,
        b"*SYMLNK" => Kind::Link,
        _ => Kind::File,
    };
    if let Some(bare) = name.strip_suffix(b"/") {
        kind = Kind::Directory;
        name = bare;
    }
    let mut entry = Entry::new(Dialect::As400, kind, name);
    entry.size = Some(size);
    entry.owner = Some(owner);
    entry.modified = Some(stamp(date, Some(time))?);
    Some(entry)
}

/// `AUTORPLY EXEC     V         71         28          1 10/05/95 20:05:24 -`
pub(super) fn vm_cms(line: &[u8]) -> Option<Entry<'_>> {
    let tokens = Tokens::up_to(line, 11);
    let second = tokens.get(1)?;
    let is_directory = second == b"DIR" && tokens.get(2)? == b"-";
    let date_at = if is_directory { 5 } else { 6 };
    let date = whole(tokens.get(date_at)?, false)?;
    let time = clock(tokens.get(date_at.saturating_add(1))?)?;
    if is_directory {
        let mut entry = Entry::new(Dialect::VmCms, Kind::Directory, tokens.get(0)?);
        entry.modified = Some(stamp(date, Some(time))?);
        return Some(entry);
    }
    if !matches!(tokens.get(2)?, b"F" | b"V") {
        return None;
    }
    let length = number(tokens.get(3)?)?;
    let records = number(tokens.get(4)?)?;
    number(tokens.get(5)?)?;
    // Name and type are two words; they are one name to FTP with a dot in between, which the
    // caller has to put there.
    let mut entry = Entry::new(Dialect::VmCms, Kind::File, tokens.between(0, 1)?);
    entry.size = Some(length.saturating_mul(records));
    entry.modified = Some(stamp(date, Some(time))?);
    entry.owner = tokens.get(8).filter(|owner| *owner != b"-");
    Some(entry)
}

/// `FILE3        101            16354 14-Mar-14 15:09:12 244, 10 "extra3"`
pub(super) fn nonstop(line: &[u8]) -> Option<Entry<'_>> {
    let tokens = Tokens::up_to(line, 9);
    let name = tokens.get(0)?;
    let code = tokens.get(1)?;
    let digits = code
        .iter()
        .take_while(|octet| octet.is_ascii_digit())
        .count();
    if digits == 0 || code.len() > digits.saturating_add(1) {
        return None;
    }
    // An open file has an `O` before its size.
    let size_at = if tokens.get(2)? == b"O" { 3 } else { 2 };
    let size = number(tokens.get(size_at)?)?;
    let date_at = size_at.saturating_add(1);
    let date = whole(tokens.get(date_at)?, true)?;
    let time = clock(tokens.get(date_at.saturating_add(1))?)?;
    let owner_at = date_at.saturating_add(2);
    let owner = tokens.get(owner_at)?;
    let last = if owner.ends_with(b",") {
        owner_at.saturating_add(1)
    } else {
        owner_at
    };
    memchr::memchr(b',', owner)?;
    let mut entry = Entry::new(Dialect::NonStop, Kind::File, name);
    entry.size = Some(size);
    entry.modified = Some(stamp(date, Some(time))?);
    entry.owner = tokens.between(owner_at, last);
    entry.permissions = tokens.get(last.saturating_add(1)).map(|word| {
        let word = word.strip_prefix(b"\"").unwrap_or(word);
        word.strip_suffix(b"\"").unwrap_or(word)
    });
    Some(entry)
}

/// `w    158 stm       90-05-19 11:53:44  acctng.cobol`
pub(super) fn stratus(line: &[u8]) -> Option<Entry<'_>> {
    let tokens = Tokens::up_to(line, 6);
    let access = tokens.get(0)?;
    if access.len() != 1 || !access.first()?.is_ascii_lowercase() {
        return None;
    }
    let blocks = number(tokens.get(1)?)?;
    let third = tokens.get(2)?;
    // Directories have no organisation.
    let (kind, date_at) = match whole_year_first(third) {
        Some(_) => (Kind::Directory, 2_usize),
        None => (Kind::File, 3),
    };
    let date = whole_year_first(tokens.get(date_at)?)?;
    let time = clock(tokens.get(date_at.saturating_add(1))?)?;
    let mut entry = Entry::new(
        Dialect::Stratus,
        kind,
        tokens.from(date_at.saturating_add(2))?,
    );
    entry.size = (kind == Kind::File).then(|| blocks.saturating_mul(4096));
    entry.permissions = Some(access);
    entry.modified = Some(stamp(date, Some(time))?);
    Some(entry)
}

/// `90-05-19`
fn whole_year_first(word: &[u8]) -> Option<crate::wire::DateTime> {
    let [first, second, third] = super::date::fields(word)?;
    let byte = |digits: &[u8]| number(digits).and_then(|value| u8::try_from(value).ok());
    if first.len() != 2 || second.len() != 2 || third.len() != 2 {
        return None;
    }
    crate::wire::DateTime::date(super::date::year(first)?, byte(second)?, byte(third)?)
}

/// `     80B      FA    13735  13735    16       4304        17    *    *CATALOG`
pub(super) fn hp3000(line: &[u8]) -> Option<Entry<'_>> {
    if !line.first()?.is_ascii_whitespace() {
        return None;
    }
    let tokens = Tokens::up_to(line, 10);
    // A code of letters may stand before the size.
    let mut at = 0_usize;
    let unit = |word: &[u8]| {
        let (last, digits) = word.split_last()?;
        let factor = match last {
            b'B' => 1_u64,
            b'W' => 2,
            _ => return None,
        };
        Some(number(digits)?.saturating_mul(factor))
    };
    let record = match unit(tokens.get(0)?) {
        Some(record) => record,
        None => {
            at = 1;
            unit(tokens.get(1)?)?
        }
    };
    let organisation = tokens.get(at.saturating_add(1))?;
    if organisation.len() > 3 || !organisation.iter().all(u8::is_ascii_uppercase) {
        return None;
    }
    let records = number(tokens.get(at.saturating_add(2))?)?;
    number(tokens.get(at.saturating_add(3))?)?;
    let last = tokens.len().checked_sub(1)?;
    if last < at.saturating_add(5) {
        return None;
    }
    let name = tokens.get(last)?;
    let name = name.strip_prefix(b"*").unwrap_or(name);
    if name.is_empty() {
        return None;
    }
    let mut entry = Entry::new(Dialect::Hp3000, Kind::File, name);
    entry.size = Some(record.saturating_mul(records));
    Some(entry)
}

/// `startup.cfg          2116  03/06/03  Thur.    07:38:50`
pub(super) fn wf_ftp(line: &[u8]) -> Option<Entry<'_>> {
    let tokens = Tokens::up_to(line, 6);
    let size = number(tokens.get(1)?)?;
    let date = whole(tokens.get(2)?, false)?;
    if !tokens.get(3)?.ends_with(b".") || tokens.len() != 5 {
        return None;
    }
    let time = clock(tokens.get(4)?)?;
    let mut entry = Entry::new(Dialect::WfFtp, Kind::File, tokens.get(0)?);
    entry.size = Some(size);
    entry.modified = Some(stamp(date, Some(time))?);
    Some(entry)
}
