//! Dates and times of day, in the ways that servers write them.

use super::tokens::small;
use super::{Precision, Stamp};
use crate::wire::DateTime;

/// The number of a month, by the beginning of its name in many languages.
pub(super) fn month(word: &[u8]) -> Option<u8> {
    let word = word.strip_suffix(b",").unwrap_or(word);
    let word = word.strip_suffix(b".").unwrap_or(word);
    // English first: it is nearly always that.
    if let Some(month) = word.try_into().ok().and_then(english_month) {
        return Some(month);
    }
    if word.len() < 2 || word.len() > 14 || word.iter().any(u8::is_ascii_digit) {
        return None;
    }
    (1_u8..).zip(NAMES).find_map(|(month, names)| {
        names
            .iter()
            .any(|name| name.eq_ignore_ascii_case(word))
            .then_some(month)
    })
}

/// The number of a month, by the first three letters of its English name.
#[inline]
pub(super) fn english_month(word: &[u8; 3]) -> Option<u8> {
    const NAMES: [&[u8; 3]; 12] = [
        b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov",
        b"dec",
    ];
    let packed = |[a, b, c]: [u8; 3]| u32::from_le_bytes([a, b, c, 0]);
    let word = packed(word.map(|letter| letter.to_ascii_lowercase()));
    // All are compared, for that needs no jumps.
    let found = (1_u8..).zip(NAMES).fold(
        0,
        |found, (month, name)| {
            if packed(*name) == word { month } else { found }
        },
    );
    (found > 0).then_some(found)
}

/// Names and abbreviations, UTF-8 and Latin-1, without the three letters of English.
const NAMES: &[&[&[u8]]] = &[
    &[
        b"january",
        b"janv",
        b"janvier",
        b"jan",
        b"gen",
        b"gennaio",
        b"ene",
        b"enero",
        b"ian",
        b"sty",
        b"led",
        b"sij",
        b"tam",
        b"jaan",
        b"sau",
        b"oca",
        "янв".as_bytes(),
        "ιαν".as_bytes(),
    ],
    &[
        b"february",
        b"f\xe9v",
        b"f\xe9vr",
        "fév".as_bytes(),
        "févr".as_bytes(),
        b"fevr",
        b"febr",
        b"lut",
        b"\xfano",
        "úno".as_bytes(),
        b"vel",
        b"helmi",
        b"veeb",
        b"vas",
        "şub".as_bytes(),
        "фев".as_bytes(),
        "φεβ".as_bytes(),
    ],
    &[
        b"march",
        b"mars",
        b"m\xe4r",
        b"m\xe4rz",
        "mär".as_bytes(),
        "märz".as_bytes(),
        b"mrz",
        b"mrt",
        b"maart",
        b"marzo",
        b"m\xe1rc",
        "márc".as_bytes(),
        b"b\xf8e",
        "bře".as_bytes(),
        b"maalis",
        "mär.".as_bytes(),
        b"kov",
        "мар".as_bytes(),
        "μαρ".as_bytes(),
        b"o\xbeu",
    ],
    &[
        b"april",
        b"avr",
        b"avril",
        b"abr",
        b"abril",
        b"aprile",
        "ápr".as_bytes(),
        b"\xe1pr",
        b"kwi",
        b"dub",
        b"tra",
        b"huhti",
        b"bal",
        b"nis",
        "апр".as_bytes(),
        "απρ".as_bytes(),
    ],
    &[
        b"mai",
        b"mei",
        b"maj",
        b"mag",
        b"maggio",
        b"mayo",
        b"m\xe1j",
        "máj".as_bytes(),
        b"kv\xec",
        "kvě".as_bytes(),
        b"svi",
        b"touko",
        b"geg",
        "май".as_bytes(),
        "μαϊ".as_bytes(),
        b"maio",
    ],
    &[
        b"june",
        b"juin",
        b"juni",
        b"giu",
        b"giugno",
        b"junio",
        b"j\xfan",
        "jún".as_bytes(),
        b"cze",
        b"\xe8en",
        "čen".as_bytes(),
        b"czerw",
        b"lip.",
        b"kes\xe4",
        "kesä".as_bytes(),
        b"bir",
        b"haz",
        "июн".as_bytes(),
        "ιουν".as_bytes(),
        "juuni".as_bytes(),
    ],
    &[
        b"july",
        b"juil",
        b"juillet",
        b"juli",
        b"lug",
        b"luglio",
        b"julio",
        b"j\xfal",
        "júl".as_bytes(),
        b"lip",
        b"\xe8ec",
        "čec".as_bytes(),
        b"srp.",
        b"hein\xe4",
        "heinä".as_bytes(),
        b"lie",
        b"tem",
        "июл".as_bytes(),
        "ιουλ".as_bytes(),
    ],
    &[
        b"august",
        b"ao\xfb",
        b"ao\xfbt",
        "aoû".as_bytes(),
        "août".as_bytes(),
        b"aout",
        b"ago",
        b"agosto",
        b"sie",
        b"srp",
        b"elo",
        b"rgp",
        "ağu".as_bytes(),
        "авг".as_bytes(),
        "αυγ".as_bytes(),
    ],
    &[
        b"september",
        b"sept",
        b"set",
        b"settembre",
        b"septembre",
        b"sett",
        b"szept",
        b"wrz",
        b"z\xe1\xf8",
        "zář".as_bytes(),
        b"ruj",
        b"syys",
        b"rgs",
        b"eyl",
        "сен".as_bytes(),
        "σεπ".as_bytes(),
    ],
    &[
        b"october",
        b"oktober",
        b"okt",
        b"ott",
        b"ottobre",
        b"octobre",
        b"pa\xbc",
        "paź".as_bytes(),
        b"pa\x9f",
        b"pa\xb3",
        b"\xf8\xedj",
        "říj".as_bytes(),
        b"lis.",
        b"loka",
        b"spa",
        b"eki",
        "окт".as_bytes(),
        "οκτ".as_bytes(),
        b"out",
    ],
    &[
        b"november",
        b"novembre",
        b"lis",
        b"list",
        b"stu",
        b"marras",
        b"lap",
        b"kas",
        "ноя".as_bytes(),
        "νοε".as_bytes(),
    ],
    &[
        b"december",
        b"dezember",
        b"dez",
        b"d\xe9c",
        "déc".as_bytes(),
        b"d\xe9cembre",
        b"dic",
        b"dicembre",
        b"diciembre",
        b"gru",
        b"pro",
        b"joulu",
        b"grd",
        b"ara",
        "дек".as_bytes(),
        "δεκ".as_bytes(),
        b"des",
    ],
];

/// A time of day.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    pub(super) hour: u8,
    pub(super) minute: u8,
    pub(super) second: Option<u8>,
}

/// Parses `H:MM`, `HH:MM:SS`, a fraction, and AM or PM behind it. `24:00` is hour 24.
pub(super) fn clock(word: &[u8]) -> Option<Clock> {
    if let [
        h1 @ b'0'..=b'9',
        h2 @ b'0'..=b'9',
        b':',
        m1 @ b'0'..=b'9',
        m2 @ b'0'..=b'9',
    ] = word
    {
        let two = |a: u8, b: u8| (a & 15).saturating_mul(10).saturating_add(b & 15);
        return checked(two(*h1, *h2), two(*m1, *m2), None);
    }
    let (word, half) = match word.split_last_chunk::<2>() {
        Some((rest, last)) if last.eq_ignore_ascii_case(b"AM") => (rest, Some(0)),
        Some((rest, last)) if last.eq_ignore_ascii_case(b"PM") => (rest, Some(12)),
        _ => match word.split_last() {
            Some((b'a' | b'A', rest)) => (rest, Some(0)),
            Some((b'p' | b'P', rest)) => (rest, Some(12)),
            _ => (word, None),
        },
    };
    let at = memchr::memchr(b':', word)?;
    let byte = |digits: &[u8]| small(digits, 2).and_then(|value| u8::try_from(value).ok());
    let mut hour = byte(word.get(..at)?)?;
    let rest = word.get(at.saturating_add(1)..)?;
    let rest_end = rest
        .iter()
        .position(|octet| *octet == b'.')
        .unwrap_or(rest.len());
    let fraction = rest.get(rest_end..)?;
    if !fraction.iter().skip(1).all(u8::is_ascii_digit) {
        return None;
    }
    let rest = rest.get(..rest_end)?;
    let (minute, second) = match memchr::memchr(b':', rest) {
        Some(at) => (
            rest.get(..at)?,
            Some(byte(rest.get(at.saturating_add(1)..)?)?),
        ),
        None => (rest, None),
    };
    if minute.len() != 2 {
        return None;
    }
    if let Some(half) = half {
        if hour > 12 {
            return None;
        }
        hour = (hour % 12).saturating_add(half);
    }
    checked(hour, byte(minute)?, second)
}

fn checked(hour: u8, minute: u8, second: Option<u8>) -> Option<Clock> {
    let is_midnight = hour == 24 && minute == 0 && second.unwrap_or(0) == 0;
    let is_valid = hour < 24 && minute < 60 && second.unwrap_or(0) <= 60;
    (is_valid || is_midnight).then_some(Clock {
        hour,
        minute,
        second,
    })
}

/// Puts a date and perhaps a time of day together.
pub(super) fn stamp(date: DateTime, clock: Option<Clock>) -> Option<Stamp> {
    let (at, precision) = match clock {
        None => (date, Precision::Day),
        Some(Clock { hour: 24, .. }) => {
            let next = DateTime::from_unix(date.to_unix().saturating_add(86_400));
            (next, Precision::Minute)
        }
        Some(Clock {
            hour,
            minute,
            second,
        }) => (
            date.at(hour, minute, second.unwrap_or(0))?,
            if second.is_some() {
                Precision::Second
            } else {
                Precision::Minute
            },
        ),
    };
    Some(Stamp {
        at,
        precision,
        is_year_guessed: false,
        offset: None,
    })
}

/// The last year in which the day is not in the future, with one day's grace for zones.
pub(super) fn guess_year(
    month: u8,
    day: u8,
    clock: Option<Clock>,
    today: DateTime,
) -> Option<Stamp> {
    let day_of_year = |month: u8, day: u8| {
        u16::from(month)
            .saturating_mul(32)
            .saturating_add(day.into())
    };
    let is_future = day_of_year(month, day) > day_of_year(today.month, today.day).saturating_add(1);
    let mut year = today.year.saturating_sub(u16::from(is_future));
    // 29 February belongs to the last leap year.
    while month == 2 && day == 29 && DateTime::date(year, month, day).is_none() && year > 0 {
        year = year.saturating_sub(1);
    }
    let mut stamp = stamp(DateTime::date(year, month, day)?, clock)?;
    stamp.is_year_guessed = true;
    Some(stamp)
}

/// A year of two, three or four digits. `103` is what a clock of 2003 says that counts from 1900.
pub(super) fn year(digits: &[u8]) -> Option<u16> {
    let value = small(digits, 4)?;
    match digits.len() {
        4 => Some(value),
        3 => value.checked_add(1900),
        1 | 2 if value < 70 => value.checked_add(2000),
        1 | 2 => value.checked_add(1900),
        _ => None,
    }
}

/// Three fields between separators (`-`, `/` or `.`), in the order in which they stand.
pub(super) fn fields(word: &[u8]) -> Option<[&[u8]; 3]> {
    let is_separator = |octet: &u8| matches!(octet, b'-' | b'/' | b'.');
    let separator = word.iter().find(|octet| is_separator(octet))?;
    let mut parts = word.split(|octet| octet == separator);
    let fields = [parts.next()?, parts.next()?, parts.next()?];
    parts.next().is_none().then_some(fields)
}

/// A whole date in one word: `2005-06-07`, `04-23-99`, `01-jun-99`, `28/11/15`, `18.09.06`.
/// `day_first` settles what numbers alone cannot, and is corrected by those that can.
pub(super) fn whole(word: &[u8], day_first: bool) -> Option<DateTime> {
    let [first, second, third] = fields(word)?;
    let byte = |digits: &[u8]| small(digits, 2).and_then(|value| u8::try_from(value).ok());
    if first.len() == 4 {
        let month = byte(second).or_else(|| month(second))?;
        return DateTime::date(year(first)?, month, byte(third)?);
    }
    if let Some(month) = month(second) {
        return DateTime::date(year(third)?, month, byte(first)?);
    }
    if let Some(month) = month(first) {
        return DateTime::date(year(third)?, month, byte(second)?);
    }
    let (first, second, year) = (byte(first)?, byte(second)?, year(third)?);
    let (month, day) = if first > 12 || (day_first && second <= 12) {
        (second, first)
    } else {
        (first, second)
    };
    DateTime::date(year, month, day)
}
