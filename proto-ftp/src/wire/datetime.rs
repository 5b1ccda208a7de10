//! Points in time as RFC 3659 writes them: `YYYYMMDDHHMMSS[.sss]`, always UTC.

use super::octets::{eight, pairs};
use bytes::BytesMut;
use core::fmt::Write as _;

/// A valid date and time of day of the Gregorian calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DateTime {
    /// 0 to 9999.
    pub year: u16,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// 0 to 60: leap seconds exist.
    pub second: u8,
    /// Below a second.
    pub nanos: u32,
}

impl DateTime {
    /// A date at midnight, if it exists.
    #[must_use]
    pub fn date(year: u16, month: u8, day: u8) -> Option<Self> {
        (year <= 9999 && day >= 1 && day <= days_in(year, month)?).then_some(Self {
            year,
            month,
            day,
            hour: 0,
            minute: 0,
            second: 0,
            nanos: 0,
        })
    }

    /// The same day at another time, if that exists.
    #[must_use]
    pub fn at(self, hour: u8, minute: u8, second: u8) -> Option<Self> {
        (hour < 24 && minute < 60 && second <= 60).then_some(Self {
            hour,
            minute,
            second,
            ..self
        })
    }

    /// Parses fourteen digits and perhaps a fraction.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        let (digits, fraction) = text.split_at_checked(14)?;
        let [century, year, month, day] = pairs(eight(digits, 0)?)?;
        let [_, hour, minute, second] = pairs(eight(digits, 6)?)?;
        let year = u16::from(century)
            .saturating_mul(100)
            .saturating_add(year.into());
        let mut time = Self::date(year, month, day)?.at(hour, minute, second)?;
        if !fraction.is_empty() {
            time.nanos = nanos(fraction)?;
        }
        Some(time)
    }

    /// Writes fourteen digits, and the fraction if there is one.
    pub fn encode(&self, out: &mut BytesMut) {
        let Self {
            year,
            month,
            day,
            hour,
            minute,
            second,
            nanos,
        } = *self;
        // Writing into a growing buffer does not fail.
        let _ = write!(
            out,
            "{year:04}{month:02}{day:02}{hour:02}{minute:02}{second:02}"
        );
        if nanos > 0 {
            let _ = write!(out, ".{:03}", nanos / 1_000_000);
        }
    }

    /// Seconds since 1970, UTC.
    #[must_use]
    pub fn to_unix(self) -> i64 {
        unix_seconds(self)
    }

    /// The time that is `seconds` after 1970 began, UTC; times out of range become the nearest.
    #[must_use]
    pub fn from_unix(seconds: i64) -> Self {
        // The years 0 to 9999.
        let seconds = seconds.clamp(-62_167_219_200, 253_402_300_799);
        let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
        // Days since 1 March of year 0, in eras of 400 years.
        let shifted = days.saturating_add(719_468);
        let era = shifted.div_euclid(146_097);
        let of_era = shifted.rem_euclid(146_097);
        let leap = (of_era / 1460)
            .saturating_sub(of_era / 36_524)
            .saturating_add(of_era / 146_096);
        let year_of_era = of_era.saturating_sub(leap) / 365;
        let before = year_of_era
            .saturating_mul(365)
            .saturating_add(year_of_era / 4)
            .saturating_sub(year_of_era / 100);
        let day_of_year = of_era.saturating_sub(before);
        let shifted_month = day_of_year.saturating_mul(5).saturating_add(2) / 153;
        let month_start = shifted_month.saturating_mul(153).saturating_add(2) / 5;
        let day = day_of_year.saturating_sub(month_start).saturating_add(1);
        let month = if shifted_month < 10 {
            shifted_month.saturating_add(3)
        } else {
            shifted_month.saturating_sub(9)
        };
        let year = era
            .saturating_mul(400)
            .saturating_add(year_of_era)
            .saturating_add(i64::from(month <= 2));
        let small = |value: i64| u8::try_from(value).unwrap_or(0);
        Self {
            year: u16::try_from(year).unwrap_or(0),
            month: small(month),
            day: small(day),
            hour: small(rest / 3600),
            minute: small(rest / 60 % 60),
            second: small(rest % 60),
            nanos: 0,
        }
    }
}

/// A fraction of a second, with its point. Digits beyond the ninth count for nothing.
fn nanos(fraction: &[u8]) -> Option<u32> {
    let digits = fraction.strip_prefix(b".")?;
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let zeros = core::iter::repeat(&b'0');
    Some(digits.iter().chain(zeros).take(9).fold(0, |value, digit| {
        u32::saturating_mul(value, 10).saturating_add(u32::from(digit & 15))
    }))
}

fn days_in(year: u16, month: u8) -> Option<u8> {
    Some(match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => {
            29
        }
        2 => 28,
        _ => return None,
    })
}

/// Seconds since 1970, UTC.
#[must_use]
pub fn unix_seconds(time: DateTime) -> i64 {
    let (year, month) = (i64::from(time.year), i64::from(time.month));
    let year = year.saturating_sub(i64::from(month <= 2));
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let shifted = if month > 2 {
        month.saturating_sub(3)
    } else {
        month.saturating_add(9)
    };
    let day_of_year = (shifted.saturating_mul(153).saturating_add(2) / 5)
        .saturating_add(time.day.into())
        .saturating_sub(1);
    let day_of_era = year_of_era
        .saturating_mul(365)
        .saturating_add(year_of_era / 4)
        .saturating_sub(year_of_era / 100)
        .saturating_add(day_of_year);
    let days = era
        .saturating_mul(146_097)
        .saturating_add(day_of_era)
        .saturating_sub(719_468);
    days.saturating_mul(86_400)
        .saturating_add(i64::from(time.hour).saturating_mul(3600))
        .saturating_add(i64::from(time.minute).saturating_mul(60))
        .saturating_add(time.second.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_calendar_goes_both_ways() {
        for seconds in [
            -62_167_219_200,
            -1,
            0,
            951_782_400,
            1_700_000_000,
            253_402_300_799,
        ] {
            assert_eq!(DateTime::from_unix(seconds).to_unix(), seconds);
        }
        let leap = DateTime::parse(b"20000229235959.5").unwrap();
        assert_eq!((leap.to_unix(), leap.nanos), (951_868_799, 500_000_000));
        for bad in [
            &b"20010229000000"[..],
            b"20001301000000",
            b"20000101240000",
            b"2000",
            b"20000101000000.",
            b"2000010100000x",
        ] {
            assert_eq!(DateTime::parse(bad), None);
        }
    }
}
