//! `ls -l`, and all that look like it: BSD, System V, Windows in Unix manner, NetPresenz, NetWare,
//! Connect:Enterprise, numeric modes, and dates in any order.

use super::date::{clock, fields, guess_year, month, stamp, whole, year};
use super::tokens::{Tokens, number, small};
use super::{Dialect, Entry, Kind, Stamp};
use crate::wire::DateTime;

#[inline]
pub(super) fn parse(line: &[u8], today: DateTime) -> Option<Entry<'_>> {
    let kind = match line.first()? {
        b'-' | b'f' | b'C' | b'p' | b's' | b'b' | b'c' | b'd' | b'l' | b'D' | b'n' | b'x'
        | b'm' => kind(*line.first()?),
        b'0'..=b'9' => return numeric(line),
        _ => return None,
    };
    let tokens = Tokens::up_to(line, 14);
    let permissions = tokens.get(0)?;
    // `d [RWCEAFMS] owner` of NetWare has its rights in a word of their own.
    let is_netware = permissions.len() == 1;
    let first = if is_netware {
        tokens.get(1)?.strip_prefix(b"[")?.strip_suffix(b"]")?;
        2
    } else {
        if permissions.len() < 10 || !looks_like_mode(permissions) {
            return None;
        }
        1
    };
    let (date_at, name_after, modified) = find_date(&tokens, first, today)?;
    let size_at = date_at.checked_sub(1)?;
    if size_at < first {
        return None;
    }
    let size = size_of(tokens.get(size_at)?);
    let name = tokens.name_after(name_after)?;
    let is_device = matches!(permissions.first(), Some(b'b' | b'c'));
    if size.is_none() && !is_device {
        return None;
    }
    let (name, target) = name_and_target(kind, name)?;
    let mut kind = kind;
    if kind == Kind::Special && permissions.starts_with(b"C") {
        kind = Kind::File;
    }
    let mut entry = Entry::new(Dialect::Unix, kind, name);
    entry.size = size;
    entry.modified = Some(modified);
    entry.permissions = if is_netware {
        tokens.get(1)
    } else {
        Some(permissions)
    };
    entry.target = target;
    entry.owner = owner(&tokens, first, size_at, is_netware, is_device);
    Some(entry)
}

/// A link says where it leads, and `ls -F` marks directories by a slash, which is part of no name.
#[inline]
pub(super) fn name_and_target(kind: Kind, name: &[u8]) -> Option<(&[u8], Option<&[u8]>)> {
    match kind {
        Kind::Link => match memchr::memmem::find(name, b" -> ") {
            Some(at) => Some((name.get(..at)?, name.get(at.saturating_add(4)..))),
            None => Some((name, None)),
        },
        Kind::Directory => {
            let bare = name.strip_suffix(b"/").filter(|bare| !bare.is_empty());
            Some((bare.unwrap_or(name), None))
        }
        _ => Some((name, None)),
    }
}

fn kind(letter: u8) -> Kind {
    match letter {
        b'd' | b'D' => Kind::Directory,
        b'l' => Kind::Link,
        b'-' | b'f' | b'n' | b'x' | b'm' => Kind::File,
        _ => Kind::Special,
    }
}

/// Ten letters or signs; what follows may be `+`, `.` or `@`, and `FTP` of Connect:Enterprise.
fn looks_like_mode(word: &[u8]) -> bool {
    let of_enterprise = |octet: &u8| octet.is_ascii_uppercase() || *octet == b'-';
    let rest = word.get(1..).unwrap_or_default();
    let nine = rest.get(..9).unwrap_or_default();
    nine.iter().all(is_sign) || (rest.len() >= 9 && rest.iter().all(of_enterprise))
}

pub(super) fn is_sign(octet: &u8) -> bool {
    matches!(
        octet,
        b'-' | b'r' | b'w' | b'x' | b's' | b'S' | b't' | b'T' | b'l' | b'L' | b'*' | b'?'
    )
}

/// The size, perhaps with a unit, and without `1,` of a device.
fn size_of(word: &[u8]) -> Option<u64> {
    if let Some(value) = number(word) {
        return Some(value);
    }
    let (last, digits) = word.split_last()?;
    let factor: u64 = match last.to_ascii_uppercase() {
        b'K' => 1 << 10,
        b'M' => 1 << 20,
        b'G' => 1 << 30,
        b'T' => 1 << 40,
        b'B' => 1,
        _ => return None,
    };
    let (whole, tenth) = match memchr::memchr2(b'.', b',', digits) {
        Some(at) => (
            digits.get(..at)?,
            number(digits.get(at.saturating_add(1)..)?.get(..1)?)?,
        ),
        None => (digits, 0),
    };
    let whole = number(whole)?.saturating_mul(factor);
    Some(whole.saturating_add(factor.saturating_mul(tenth) / 10))
}

/// Owner and group: all between the count of links and the size.
fn owner<'a>(
    tokens: &Tokens<'a>,
    first: usize,
    size_at: usize,
    is_netware: bool,
    is_device: bool,
) -> Option<&'a [u8]> {
    let mut start = first;
    let words = size_at.saturating_sub(first);
    let mut last = size_at.checked_sub(1)?;
    if is_device && tokens.get(last).is_some_and(|word| word.ends_with(b",")) {
        last = last.checked_sub(1)?;
    }
    let is_link_count = |word: &[u8]| number(word).is_some();
    // `326  1391972  1392298` of NetPresenz: two forks and their sum, with no names.
    if !is_netware && words >= 1 && tokens.get(start).is_some_and(is_link_count) {
        start = start.saturating_add(1);
    }
    if start > last {
        return None;
    }
    tokens.between(start, last)
}

/// Where the date begins, the word after which the name follows, and the date.
fn find_date(tokens: &Tokens<'_>, first: usize, today: DateTime) -> Option<(usize, usize, Stamp)> {
    // Owner, group and size are at least one word; groups may have blanks in them.
    for at in first.saturating_add(1)..tokens.len().min(first.saturating_add(9)) {
        if tokens.get(at.saturating_sub(1)).and_then(size_of).is_none() {
            continue;
        }
        if let Some((last, stamp)) = date_at(tokens, at, today) {
            return Some((at, last, stamp));
        }
    }
    None
}

fn byte(word: &[u8]) -> Option<u8> {
    small(word, 2).and_then(|value| u8::try_from(value).ok())
}

/// A day of the month, as `9`, `2.`, `08,`.
fn day(word: &[u8]) -> Option<u8> {
    let word = word.strip_suffix(b",").unwrap_or(word);
    byte(word.strip_suffix(b".").unwrap_or(word)).filter(|day| (1..=31).contains(day))
}

/// A day or a month or a year with the sign of its language behind it: the number and the rest.
fn with_suffix(word: &[u8]) -> Option<(u16, &[u8])> {
    let len = word
        .iter()
        .take_while(|octet| octet.is_ascii_digit())
        .count();
    let (digits, suffix) = word.split_at_checked(len)?;
    if suffix.is_empty() || suffix.is_ascii() {
        return None;
    }
    Some((small(digits, 4)?, suffix))
}

fn date_at(tokens: &Tokens<'_>, at: usize, today: DateTime) -> Option<(usize, Stamp)> {
    let (one, two) = (tokens.get(at)?, tokens.get(at.saturating_add(1)));
    let third_at = at.saturating_add(2);
    let three = tokens.get(third_at);
    if let Some(month) = month(one) {
        let day = day(two?)?;
        return after_month_and_day(tokens, third_at, month, day, today);
    }
    if let (Some(day), Some(month)) = (day(one), two.and_then(month)) {
        return after_month_and_day(tokens, third_at, month, day, today);
    }
    if let Some(date) = whole(one, false) {
        let clock = two.and_then(clock);
        let mut last = if clock.is_some() {
            at.saturating_add(1)
        } else {
            at
        };
        let mut stamp = stamp(date, clock)?;
        if clock.is_some()
            && let Some(offset) = three.and_then(zone)
        {
            stamp.offset = Some(offset);
            last = third_at;
        }
        return Some((last, stamp));
    }
    // `09-26 13:45`
    if let (Some(clock), Some((month, day))) = (two.and_then(clock), month_day(one)) {
        return Some((
            at.saturating_add(1),
            guess_year(month, day, Some(clock), today)?,
        ));
    }
    asian(tokens, at, today)
}

fn month_day(word: &[u8]) -> Option<(u8, u8)> {
    if fields(word).is_some() {
        return None;
    }
    let at = memchr::memchr2(b'-', b'/', word)?;
    let month = byte(word.get(..at)?)?;
    let day = byte(word.get(at.saturating_add(1)..)?)?;
    Some((month, day))
}

/// The year or the time of day, or both in either order.
fn after_month_and_day(
    tokens: &Tokens<'_>,
    at: usize,
    month: u8,
    day: u8,
    today: DateTime,
) -> Option<(usize, Stamp)> {
    let word = tokens.get(at)?;
    let next = at.saturating_add(1);
    if let Some(time) = clock(word) {
        // `Jul 29 02:27:11 2014`, of `ls -T`: a year only where a name still follows.
        if let Some(year) = tokens.get(next).and_then(four_digits)
            && time.second.is_some()
            && tokens.get(next.saturating_add(1)).is_some()
            && (1970..=today.year.saturating_add(1)).contains(&year)
        {
            return Some((next, stamp(DateTime::date(year, month, day)?, Some(time))?));
        }
        return Some((at, guess_year(month, day, Some(time), today)?));
    }
    let word = word.strip_suffix(b",").unwrap_or(word);
    let date = DateTime::date(four_digits(word)?, month, day)?;
    if let Some(time) = tokens.get(next).and_then(clock)
        && tokens.get(next.saturating_add(1)).is_some()
    {
        return Some((next, stamp(date, Some(time))?));
    }
    Some((at, stamp(date, None)?))
}

fn four_digits(word: &[u8]) -> Option<u16> {
    (word.len() == 4).then(|| year(word)).flatten()
}

/// `+0200`
fn zone(word: &[u8]) -> Option<i16> {
    let (sign, digits) = word.split_first()?;
    let value = i16::try_from(small(digits, 4)?).ok()?;
    if digits.len() != 4 {
        return None;
    }
    let minutes = (value / 100).saturating_mul(60).saturating_add(value % 100);
    match sign {
        b'+' => Some(minutes),
        b'-' => Some(minutes.saturating_neg()),
        _ => None,
    }
}

/// `8月 17日 08:52`, `2005년 1월 6일`, `4月 18日 2003年`, in whatever encoding the signs are.
fn asian(tokens: &Tokens<'_>, at: usize, today: DateTime) -> Option<(usize, Stamp)> {
    let (first, _) = with_suffix(tokens.get(at)?)?;
    let second_word = tokens.get(at.saturating_add(1))?;
    let second = with_suffix(second_word)
        .map(|(value, _)| value)
        .or_else(|| small(second_word, 2))?;
    let third_at = at.saturating_add(2);
    let third = tokens.get(third_at)?;
    let narrow = |value: u16| u8::try_from(value).ok();
    if first > 99 {
        let day = with_suffix(third)?.0;
        let date = DateTime::date(first, narrow(second)?, narrow(day)?)?;
        return Some((third_at, stamp(date, None)?));
    }
    let (month, day) = (narrow(first)?, narrow(second)?);
    if let Some(time) = clock(third) {
        return Some((third_at, guess_year(month, day, Some(time), today)?));
    }
    let year = four_digits(third).or_else(|| with_suffix(third).map(|(year, _)| year))?;
    Some((third_at, stamp(DateTime::date(year, month, day)?, None)?))
}

/// `0100644   500  101   12345    123456789       name`: mode, ids, size, Unix time.
fn numeric(line: &[u8]) -> Option<Entry<'_>> {
    let tokens = Tokens::up_to(line, 7);
    let mode = tokens.get(0)?;
    let is_octal = mode.iter().all(|octet| (b'0'..=b'7').contains(octet));
    if !(6..=7).contains(&mode.len()) || !is_octal {
        return None;
    }
    let mut bits = 0_u32;
    for digit in mode {
        bits = bits.saturating_mul(8).saturating_add(u32::from(digit & 7));
    }
    for at in 1..=4 {
        number(tokens.get(at)?)?;
    }
    let name = tokens.from(5)?;
    let kind = match bits >> 12 {
        0o4 => Kind::Directory,
        0o12 => Kind::Link,
        0o10 => Kind::File,
        _ => Kind::Special,
    };
    let mut entry = Entry::new(Dialect::Unix, kind, name);
    entry.permissions = Some(mode);
    entry.owner = tokens.between(1, 2);
    entry.size = number(tokens.get(3)?);
    let seconds = i64::try_from(number(tokens.get(4)?)?).ok()?;
    let mut modified = stamp(DateTime::from_unix(seconds), None)?;
    modified.precision = super::Precision::Second;
    modified.offset = Some(0);
    entry.modified = Some(modified);
    Some(entry)
}
