//! Dates (RFC 5322 sections 3.3 and 4.3).

use super::lexer::{Lexer, Token};
use core::fmt;

const MONTHS: [&[u8]; 12] = [
    b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec",
];
const MONTH_NAMES: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];
const DAY_NAMES: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
/// Zones of RFC 5322 section 4.3, in hours.
const ZONES: [(&[u8], i16); 11] = [
    (b"ut", 0),
    (b"utc", 0),
    (b"gmt", 0),
    (b"est", -5),
    (b"edt", -4),
    (b"cst", -6),
    (b"cdt", -5),
    (b"mst", -7),
    (b"mdt", -6),
    (b"pst", -8),
    (b"pdt", -7),
];
const SECONDS_PER_DAY: i64 = 86_400;

/// A date and time of day, with the offset of its zone.
///
/// ```
/// use proto_mail::message::date;
///
/// let date = date::parse(b"Fri, 21 Nov 1997 09:55:06 -0600").unwrap();
/// assert_eq!(date.to_unix(), 880_127_706);
/// assert_eq!(date.to_string(), "Fri, 21 Nov 1997 09:55:06 -0600");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DateTime {
    year: u16,
    month: u8,
    day: u8,
    hour: u8,
    minute: u8,
    second: u8,
    offset: i16,
    is_zone_known: bool,
}

/// Why there is no date.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DateError {
    /// A part is missing.
    #[error("the date has no {0}")]
    Missing(&'static str),
    /// A part is no number or name that it can be.
    #[error("the {0} of the date cannot be")]
    Invalid(&'static str),
}

impl DateTime {
    /// The date of a Unix time, `offset` minutes ahead of UTC. Nothing for years before 1900 or
    /// beyond 9999, and for offsets of a day and more.
    #[must_use]
    pub fn from_unix(seconds: i64, offset: i16) -> Option<Self> {
        if offset.unsigned_abs() >= 24 * 60 {
            return None;
        }
        let local = seconds.checked_add(i64::from(offset).checked_mul(60)?)?;
        let days = local.div_euclid(SECONDS_PER_DAY);
        let of_day = u32::try_from(local.rem_euclid(SECONDS_PER_DAY)).ok()?;
        let (year, month, day) = civil(days)?;
        Some(Self {
            year,
            month,
            day,
            hour: u8::try_from(of_day.checked_div(3600)?).ok()?,
            minute: u8::try_from(of_day.checked_div(60)?.checked_rem(60)?).ok()?,
            second: u8::try_from(of_day.checked_rem(60)?).ok()?,
            offset,
            is_zone_known: true,
        })
    }

    /// Seconds since 1970 in UTC. A leap second counts as the second before it.
    #[must_use]
    pub fn to_unix(&self) -> i64 {
        let of_day = i64::from(self.hour)
            .saturating_mul(3600)
            .saturating_add(i64::from(self.minute).saturating_mul(60))
            .saturating_add(i64::from(self.second.min(59)));
        days(self.year, self.month, self.day)
            .saturating_mul(SECONDS_PER_DAY)
            .saturating_add(of_day)
            .saturating_sub(i64::from(self.offset).saturating_mul(60))
    }

    /// 1900 to 9999.
    #[must_use]
    pub fn year(&self) -> u16 {
        self.year
    }

    /// 1 to 12.
    #[must_use]
    pub fn month(&self) -> u8 {
        self.month
    }

    /// 1 to 31.
    #[must_use]
    pub fn day(&self) -> u8 {
        self.day
    }

    /// 0 to 23.
    #[must_use]
    pub fn hour(&self) -> u8 {
        self.hour
    }

    /// 0 to 59.
    #[must_use]
    pub fn minute(&self) -> u8 {
        self.minute
    }

    /// 0 to 60.
    #[must_use]
    pub fn second(&self) -> u8 {
        self.second
    }

    /// Minutes ahead of UTC.
    #[must_use]
    pub fn offset(&self) -> i16 {
        self.offset
    }

    /// Whether the offset says where the author is: not for `-0000` and unknown names of zones
    /// (RFC 5322 sections 3.3 and 4.3).
    #[must_use]
    pub fn is_zone_known(&self) -> bool {
        self.is_zone_known
    }
}

/// As RFC 5322 section 3.3 wants it.
impl fmt::Display for DateTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let weekday = usize::try_from(days(self.year, self.month, self.day).rem_euclid(7));
        let weekday = weekday
            .ok()
            .and_then(|index| DAY_NAMES.get(index))
            .unwrap_or(&"");
        let month = usize::from(self.month).checked_sub(1);
        let month = month
            .and_then(|index| MONTH_NAMES.get(index))
            .unwrap_or(&"");
        let sign = if self.offset < 0 || !self.is_zone_known {
            '-'
        } else {
            '+'
        };
        let offset = self.offset.unsigned_abs();
        write!(
            f,
            "{weekday}, {} {month} {:04} {:02}:{:02}:{:02} {sign}{:02}{:02}",
            self.day,
            self.year,
            self.hour,
            self.minute,
            self.second,
            offset.checked_div(60).unwrap_or(0),
            offset.checked_rem(60).unwrap_or(0),
        )
    }
}

/// Reads a date, in the forms of RFC 5322 and the obsolete ones, and in that of `asctime`. What stands
/// before the last semicolon is skipped: the date of a `Received` field is behind it.
///
/// # Errors
///
/// [`DateError`] names the first part that is not there or cannot be.
pub fn parse(value: &[u8]) -> Result<DateTime, DateError> {
    let mut words = Words::new(value);
    let mut first = words.next().ok_or(DateError::Missing("day"))?;
    let is_name = |word: &[u8]| word.first().is_some_and(u8::is_ascii_alphabetic);
    if is_name(first) && month_of(first).is_none() {
        // The name of the day says nothing that the date does not say.
        first = words.next().ok_or(DateError::Missing("day"))?;
    }
    let second = words.next().ok_or(DateError::Missing("month"))?;
    let is_asctime = is_name(first);
    let (day, month) = if is_asctime {
        (second, first)
    } else {
        (first, second)
    };
    let day = number(day).ok_or(DateError::Invalid("day"))?;
    let month = month_of(month).ok_or(DateError::Invalid("month"))?;
    let mut year = if is_asctime {
        None
    } else {
        Some(words.next().ok_or(DateError::Missing("year"))?)
    };
    let hour = words.next().ok_or(DateError::Missing("hour"))?;
    let hour = number(hour)
        .filter(|hour| *hour < 24)
        .ok_or(DateError::Invalid("hour"))?;
    let minute = words.next().ok_or(DateError::Missing("minute"))?;
    let minute = number(minute)
        .filter(|minute| *minute < 60)
        .ok_or(DateError::Invalid("minute"))?;
    let mut next = words.next();
    let mut second = 0;
    if let Some(word) = next
        && words.had_colon
        && word.first().is_some_and(u8::is_ascii_digit)
    {
        second = number(word)
            .filter(|second| *second <= 60)
            .ok_or(DateError::Invalid("second"))?;
        next = words.next();
    }
    let mut zone = next;
    if is_asctime {
        // `asctime` has the year last; some put a zone before it.
        if zone.is_some_and(is_name) {
            year = words.next();
        } else {
            year = zone;
            zone = words.next();
        }
    }
    let year = year.ok_or(DateError::Missing("year"))?;
    let year = full_year(year).ok_or(DateError::Invalid("year"))?;
    let (offset, is_zone_known) = match zone {
        Some(zone) => zone_of(zone)?,
        None => (0, false),
    };
    let byte = |value: u32| u8::try_from(value).unwrap_or(u8::MAX);
    let day = byte(day);
    if day == 0 || day > days_of_month(year, month) {
        return Err(DateError::Invalid("day"));
    }
    Ok(DateTime {
        year,
        month,
        day,
        hour: byte(hour),
        minute: byte(minute),
        second: byte(second),
        offset,
        is_zone_known,
    })
}

/// The words of a date, without commas, colons and comments.
struct Words<'a> {
    lexer: Lexer<'a>,
    /// What is left of a word like `21-Nov-1997`.
    rest: &'a [u8],
    /// Whether a colon stood before the last word.
    had_colon: bool,
}

impl<'a> Words<'a> {
    fn new(value: &'a [u8]) -> Self {
        let from = memchr::memrchr(b';', value).map_or(0, |at| at.saturating_add(1));
        Self {
            lexer: Lexer::address(value.get(from..).unwrap_or_default()),
            rest: &[],
            had_colon: false,
        }
    }

    fn next(&mut self) -> Option<&'a [u8]> {
        self.had_colon = false;
        if self.rest.is_empty() {
            self.rest = loop {
                match self.lexer.next_word()? {
                    Token::Atom(word) => break word,
                    Token::Special(b':') => self.had_colon = true,
                    Token::Special(b',') => {}
                    _ => return None,
                }
            };
        }
        // A hyphen that is no sign separates.
        let hyphen = self.rest.iter().skip(1).position(|octet| *octet == b'-');
        let len = hyphen.map_or(self.rest.len(), |at| at.saturating_add(1));
        let (word, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest.strip_prefix(b"-").unwrap_or(rest);
        Some(word)
    }
}

fn number(word: &[u8]) -> Option<u32> {
    if word.is_empty() || word.len() > 5 || !word.iter().all(u8::is_ascii_digit) {
        return None;
    }
    core::str::from_utf8(word).ok()?.parse().ok()
}

fn month_of(word: &[u8]) -> Option<u8> {
    if let Some(number) = number(word) {
        return u8::try_from(number)
            .ok()
            .filter(|month| (1..=12).contains(month));
    }
    let front = word.get(..3)?;
    let index = MONTHS
        .iter()
        .position(|month| front.eq_ignore_ascii_case(month))?;
    u8::try_from(index.saturating_add(1)).ok()
}

/// RFC 5322 section 4.3: two digits are of 1950 to 2049, three are behind 1900.
fn full_year(word: &[u8]) -> Option<u16> {
    let year = number(word)?;
    let year = match (word.len(), year) {
        (1 | 2, 0..=49) => year.checked_add(2000)?,
        (1..=3, _) => year.checked_add(1900)?,
        _ => year,
    };
    u16::try_from(year)
        .ok()
        .filter(|year| (1900..=9999).contains(year))
}

fn zone_of(word: &[u8]) -> Result<(i16, bool), DateError> {
    let invalid = DateError::Invalid("zone");
    match word {
        [sign @ (b'+' | b'-'), digits @ ..] if digits.len() == 4 => {
            let zone = number(digits).ok_or(invalid)?;
            let (hours, minutes) = (
                zone.checked_div(100).unwrap_or(0),
                zone.checked_rem(100).unwrap_or(0),
            );
            if minutes > 59 || hours > 23 {
                return Err(invalid);
            }
            let offset = hours.saturating_mul(60).saturating_add(minutes);
            let offset = i16::try_from(offset).map_err(|_| invalid)?;
            if *sign == b'-' {
                Ok((offset.saturating_neg(), offset != 0))
            } else {
                Ok((offset, true))
            }
        }
        [b'+' | b'-', ..] => Err(invalid),
        _ => {
            // `EST5EDT` counts as EST.
            let end = word
                .iter()
                .position(|octet| !octet.is_ascii_alphabetic())
                .unwrap_or(word.len());
            let name = word.get(..end).unwrap_or_default();
            let found = ZONES
                .iter()
                .find(|(zone, _)| name.eq_ignore_ascii_case(zone));
            // Letters of the military say nothing, since RFC 822 had their signs wrong.
            Ok(found.map_or((0, false), |(_, hours)| (hours.saturating_mul(60), true)))
        }
    }
}

fn days_of_month(year: u16, month: u8) -> u8 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => {
            29
        }
        2 => 28,
        _ => 31,
    }
}

/// Days since 1970 in the Gregorian calendar.
fn days(year: u16, month: u8, day: u8) -> i64 {
    // Years begin in March, so that the day of a leap year is the last.
    let (year, month) = (i64::from(year), i64::from(month));
    let is_early = month <= 2;
    let year = if is_early {
        year.saturating_sub(1)
    } else {
        year
    };
    let month = if is_early {
        month.saturating_add(9)
    } else {
        month.saturating_sub(3)
    };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = month
        .saturating_mul(153)
        .saturating_add(2)
        .div_euclid(5)
        .saturating_add(i64::from(day))
        .saturating_sub(1);
    let of_era = of_era
        .saturating_mul(365)
        .saturating_add(of_era.div_euclid(4))
        .saturating_sub(of_era.div_euclid(100))
        .saturating_add(of_year);
    era.saturating_mul(146_097)
        .saturating_add(of_era)
        .saturating_sub(719_468)
}

/// The date of a day since 1970.
fn civil(days: i64) -> Option<(u16, u8, u8)> {
    // The inverse of `days`, from a year that is not too late: no year has fewer than 365 days or more
    // than 366.
    let estimate = days
        .div_euclid(366)
        .min(days.div_euclid(365))
        .saturating_add(1970);
    let mut year = u16::try_from(estimate.max(1900)).ok()?;
    if self::days(year, 1, 1) > days {
        return None;
    }
    while self::days(year.checked_add(1)?, 1, 1) <= days {
        year = year.checked_add(1)?;
    }
    if year > 9999 {
        return None;
    }
    let month = (1..=12_u8)
        .rev()
        .find(|month| self::days(year, *month, 1) <= days)?;
    let day = days
        .checked_sub(self::days(year, month, 1))?
        .checked_add(1)?;
    Some((year, month, u8::try_from(day).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString as _;

    #[test]
    fn every_day_of_four_centuries_is_its_own_inverse() {
        let (first, last) = (days(1900, 1, 2), days(2300, 1, 1));
        for day in first..last {
            let seconds = day * SECONDS_PER_DAY + 3723;
            let date = DateTime::from_unix(seconds, -210).unwrap();
            assert_eq!(date.to_unix(), seconds);
            assert_eq!(parse(date.to_string().as_bytes()), Ok(date));
        }
    }

    #[test]
    fn parts_that_cannot_be_are_named() {
        let cases: [(&str, DateError); 9] = [
            ("", DateError::Missing("day")),
            (
                "Tue, 7 Bog 2026 19:14:51 +0000",
                DateError::Invalid("month"),
            ),
            ("7 13 2026 19:14:51 +0000", DateError::Invalid("month")),
            ("30 Feb 2026 19:14:51 +0000", DateError::Invalid("day")),
            ("7 Feb 99999 19:14:51 +0000", DateError::Invalid("year")),
            ("7 Feb 2026 24:14:51 +0000", DateError::Invalid("hour")),
            ("7 Feb 2026 23:60:51 +0000", DateError::Invalid("minute")),
            ("7 Feb 2026 23:59:61 +0000", DateError::Invalid("second")),
            ("7 Feb 2026 23:59:60 +9999", DateError::Invalid("zone")),
        ];
        for (text, error) in cases {
            assert_eq!(parse(text.as_bytes()), Err(error), "{text}");
        }
    }
}
