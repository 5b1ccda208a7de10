//! The two forms that nearly all servers send, read in one pass: `ls -l` with nine columns, and
//! what IIS writes. Each says what the general reader of its dialect says, or nothing; that reader
//! has the line then.

use super::date::{Clock, clock, english_month, guess_year, stamp};
use super::{Dialect, Entry, Kind, Stamp, unix};
use crate::wire::DateTime;
use crate::wire::octets::{all, eight, nonzeros, number, skip_spaces, word_end};

/// `-rw-r--r--   1 owner group   1234 Nov 12  2018 name`
#[inline]
pub(super) fn unix(line: &[u8], today: DateTime) -> Option<Entry<'_>> {
    let kind = match line.first()? {
        b'-' => Kind::File,
        b'd' => Kind::Directory,
        b'l' => Kind::Link,
        _ => return None,
    };
    let mode_end = mode_end(line)?;
    let links_at = skip_spaces(line, mode_end)?;
    let links_end = word_end(line, links_at)?;
    number(line, links_at, links_end)?;
    let owner_at = skip_spaces(line, links_end)?;
    let owner_end = word_end(line, owner_at)?;
    let group_at = skip_spaces(line, owner_end)?;
    let group_end = word_end(line, group_at)?;
    are_names(
        line.get(owner_at..owner_end)?,
        line.get(group_at..group_end)?,
    )
    .then_some(())?;
    let size_at = skip_spaces(line, group_end)?;
    let size_end = word_end(line, size_at)?;
    let size = number(line, size_at, size_end)?;
    let date_at = skip_spaces(line, size_end)?;
    let (modified, name) = date(line.get(date_at..)?, today)?;
    let (name, target) = unix::name_and_target(kind, name)?;
    Some(Entry {
        dialect: Dialect::Unix,
        kind,
        name,
        size: Some(size),
        modified: Some(modified),
        owner: line.get(owner_at..group_end),
        permissions: line.get(..mode_end),
        target,
    })
}

/// Where the mode ends, perhaps with a sign for an access list behind it.
#[inline]
fn mode_end(line: &[u8]) -> Option<usize> {
    let letters = eight(line, 1)?;
    let full = u64::from_le_bytes(*b"rwxrwxrw");
    let is_usual = nonzeros(letters ^ full) & nonzeros(letters ^ all(b'-')) == 0;
    let (nine, next) = (line.get(1..10)?, line.get(10)?);
    let are_signs = is_usual && unix::is_sign(nine.last()?);
    (are_signs || nine.iter().all(unix::is_sign)).then_some(())?;
    Some(if matches!(next, b'+' | b'.' | b'@') {
        11
    } else {
        10
    })
}

/// Whether both are names, or both are numbers, and neither may be a part of a date.
#[inline]
fn are_names(owner: &[u8], group: &[u8]) -> bool {
    let is_name = |word: &[u8]| {
        let ends_with_digit = word.last().is_some_and(u8::is_ascii_digit);
        let is_separator = |octet: &u8| matches!(octet, b'-' | b'/' | b'.');
        !(ends_with_digit && word.iter().any(is_separator))
    };
    let is_number = |word: &[u8]| word.first().is_some_and(u8::is_ascii_digit);
    if is_number(owner) {
        let is_digits = |word: &[u8]| word.iter().all(u8::is_ascii_digit);
        return is_digits(owner) && is_digits(group);
    }
    !is_number(group) && is_name(owner) && is_name(group)
}

/// `Nov 12 12:34 name`, `Nov  2  2018 name`: the date, and what stands behind it and one space.
#[inline]
fn date(text: &[u8], today: DateTime) -> Option<(Stamp, &[u8])> {
    let [name @ .., _, _, _, _] = text.first_chunk::<7>()?;
    let [_, _, _, b' ', tens, ones @ b'0'..=b'9', b' ', rest @ ..] = text else {
        return None;
    };
    let tens = match tens {
        b' ' => 0,
        b'0'..=b'3' => tens & 3,
        _ => return None,
    };
    let day = tens.saturating_mul(10).saturating_add(ones & 15);
    let month = english_month(name)?;
    let rest = rest.strip_prefix(b" ").unwrap_or(rest);
    if let [time @ .., b' '] = rest.first_chunk::<6>()?
        && time.get(2) == Some(&b':')
    {
        let stamp = guess_year(month, day, Some(clock(time)?), today)?;
        return Some((stamp, name_of(rest.get(6..)?)?));
    }
    let [a, b, c, d, b' ', name @ ..] = rest else {
        return None;
    };
    let century = u16::from(two(a, b)?).saturating_mul(100);
    let year = century.saturating_add(two(c, d)?.into());
    let name = name_of(name)?;
    // A time of day may follow.
    if let [b'0'..=b'9', b':', ..] | [b'0'..=b'9', b'0'..=b'9', b':', ..] = name {
        return None;
    }
    Some((stamp(DateTime::date(year, month, day)?, None)?, name))
}

/// A name that begins at once.
#[inline]
fn name_of(text: &[u8]) -> Option<&[u8]> {
    (*text.first()? > b' ').then_some(text)
}

/// `04-27-00  09:09PM       <DIR>          name`, `04-27-2000  09:09AM     9730 name`
#[inline]
pub(super) fn dos(line: &[u8]) -> Option<Entry<'_>> {
    let [m1, m2, b'-', d1, d2, b'-', rest @ ..] = line else {
        return None;
    };
    let (year, rest) = match rest {
        [a, b, b' ', b' ', rest @ ..] => {
            let year = u16::from(two(a, b)?);
            (
                year.saturating_add(if year < 70 { 2000 } else { 1900 }),
                rest,
            )
        }
        [a, b, c, d, b' ', b' ', rest @ ..] => {
            let century = u16::from(two(a, b)?).saturating_mul(100);
            (century.saturating_add(two(c, d)?.into()), rest)
        }
        _ => return None,
    };
    let [
        h1,
        h2,
        b':',
        min1,
        min2,
        half @ (b'A' | b'P'),
        b'M',
        rest @ ..,
    ] = rest
    else {
        return None;
    };
    let (month, day, hour) = (two(m1, m2)?, two(d1, d2)?, two(h1, h2)?);
    if month > 12 || hour > 12 {
        return None;
    }
    let time = Clock {
        hour: (hour % 12).saturating_add(if *half == b'P' { 12 } else { 0 }),
        minute: two(min1, min2)?,
        second: None,
    };
    let what_at = skip_spaces(rest, 0)?;
    let (kind, size, what_end) = if rest.get(what_at..)?.starts_with(b"<DIR>") {
        (Kind::Directory, None, what_at.saturating_add(5))
    } else {
        let end = word_end(rest, what_at)?;
        (Kind::File, Some(number(rest, what_at, end)?), end)
    };
    let behind = rest.get(what_end..)?.strip_prefix(b" ")?;
    let blanks = behind.iter().take_while(|octet| **octet == b' ').count();
    let date = DateTime::date(year, month, day)?;
    Some(Entry {
        dialect: Dialect::Dos,
        kind,
        name: name_of(behind.get(blanks..)?)?,
        size,
        modified: Some(stamp(date, Some(time))?),
        owner: None,
        permissions: None,
        target: None,
    })
}

/// A number of two digits.
#[inline]
fn two(tens: &u8, ones: &u8) -> Option<u8> {
    let are_digits = tens.is_ascii_digit() && ones.is_ascii_digit();
    are_digits.then(|| (tens & 15).saturating_mul(10).saturating_add(ones & 15))
}
