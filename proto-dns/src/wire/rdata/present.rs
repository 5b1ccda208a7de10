//! Record data as text (RFC 1035 section 5.1 and the RFC of each type).

use super::fields::{self, Fields, Value};
use super::schema::{self, Kind};
use super::{svcb, unknown};
use crate::wire::code::Type;
use crate::wire::name_ref::NameRef;
use core::fmt::{self, Display as _, Write};
use core::net::{Ipv4Addr, Ipv6Addr};
use data_encoding::{BASE32HEX_NOPAD, BASE64, HEXLOWER};

/// Names of CERT types (RFC 4398 section 2.1).
pub(super) const CERT_TYPES: [(u16, &str); 10] = [
    (1, "PKIX"),
    (2, "SPKI"),
    (3, "PGP"),
    (4, "IPKIX"),
    (5, "ISPKI"),
    (6, "IPGP"),
    (7, "ACPKIX"),
    (8, "IACPKIX"),
    (253, "URI"),
    (254, "OID"),
];

pub(super) fn fields(data: &Fields<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut first = true;
    for ((_, kind), from, to) in data.extents() {
        if matches!(kind, Kind::Opaque) {
            return unknown::write(data.as_wire(), f);
        }
        let empty = from == to
            && matches!(
                kind,
                Kind::OptionalText
                    | Kind::Bitmap
                    | Kind::OldBitmap
                    | Kind::SvcParams
                    | Kind::Prefixes
            )
            || from == to && kind == Kind::Base64OrNone && data.rtype() != Type::DOA;
        let own_blank = matches!(kind, Kind::Bitmap | Kind::OldBitmap | Kind::SvcParams);
        if !core::mem::replace(&mut first, false) && !empty && !own_blank {
            f.write_char(' ')?;
        }
        if !empty {
            field(data, kind, from, to, f)?;
        }
    }
    Ok(())
}

fn field(
    data: &Fields<'_>,
    kind: Kind,
    from: usize,
    to: usize,
    f: &mut fmt::Formatter<'_>,
) -> fmt::Result {
    let octets = data.message().get(from..to).unwrap_or_default();
    let value = fields::value(kind, data.message(), from, to).ok_or(fmt::Error)?;
    match (kind, value) {
        (Kind::Groups, _) => groups(octets, f),
        (Kind::Time, Value::Number(time)) => timestamp(time, f),
        (Kind::CertType, Value::Number(code)) => {
            match CERT_TYPES
                .iter()
                .find(|(known, _)| u64::from(*known) == code)
            {
                Some((_, name)) => f.write_str(name),
                None => write!(f, "{code}"),
            }
        }
        (Kind::Scheme, Value::Number(1)) => f.write_str("NOTIFY"),
        (_, Value::Number(number)) => write!(f, "{number}"),
        (_, Value::Type(rtype)) => write!(f, "{rtype}"),
        (_, Value::V4(address)) => address.fmt(f),
        (_, Value::V6(address)) => address.fmt(f),
        (_, Value::Name(name)) => fmt::Display::fmt(&name, f),
        (_, Value::Texts(texts)) => texts.fmt(f),
        (Kind::Text | Kind::OptionalText | Kind::LongText, Value::Octets(text)) => quoted(text, f),
        (Kind::Tag, Value::Octets(text)) => Escaped(text).fmt(f),
        (Kind::Hex | Kind::HexOrNone, Value::Octets(octets)) => hex(octets, f),
        (Kind::Salt, Value::Octets([])) => f.write_char('-'),
        (Kind::Salt, Value::Octets(octets)) => hex(octets, f),
        (Kind::Hash, Value::Octets(octets)) => base32(octets, f),
        (Kind::Base64OrNone, Value::Octets([])) => f.write_str("-"),
        (Kind::Sized, Value::Octets(octets)) => {
            write!(f, "{}", octets.len())?;
            if !octets.is_empty() {
                f.write_char(' ')?;
                base64(octets, f)?;
            }
            Ok(())
        }
        (Kind::Base64 | Kind::Base64OrNone, Value::Octets(octets)) => base64(octets, f),
        (Kind::Bitmap, _) => bitmap(octets, f),
        (Kind::OldBitmap, _) => bits(octets, 0, f),
        (Kind::Eui48 | Kind::Eui64, _) => {
            for (index, octet) in octets.iter().enumerate() {
                write!(f, "{}{octet:02x}", if index == 0 { "" } else { "-" })?;
            }
            Ok(())
        }
        (Kind::Loc, _) => super::loc::write(octets, f),
        (Kind::Prefixes, _) => prefixes(octets, f),
        (Kind::SvcParams, _) => svcb::write(octets, f),
        (Kind::Ports, _) => {
            let (protocol, map) = octets.split_first().ok_or(fmt::Error)?;
            write!(f, "{protocol}")?;
            for (index, octet) in map.iter().enumerate() {
                for bit in 0..8u8 {
                    if octet & (0x80 >> bit) != 0 {
                        let port = index.saturating_mul(8).saturating_add(bit.into());
                        write!(f, " {port}")?;
                    }
                }
            }
            Ok(())
        }
        (Kind::Nsap, _) => {
            f.write_str("0x")?;
            hex(octets, f)
        }
        (Kind::Atma, _) => match octets.split_first() {
            Some((1, digits)) if digits.iter().all(u8::is_ascii_digit) => {
                f.write_char('+')?;
                Escaped(digits).fmt(f)
            }
            Some((0, address)) => hex(address, f),
            _ => unknown::write(octets, f),
        },
        (Kind::IpsecGateway, _) => {
            let (&[gateway, algorithm], rest) = octets.split_first_chunk().ok_or(fmt::Error)?;
            write!(f, "{gateway} {algorithm} ")?;
            let key = address_or_name(gateway, rest, f)?;
            if !key.is_empty() {
                f.write_char(' ')?;
                base64(key, f)?;
            }
            Ok(())
        }
        (Kind::Relay, _) => {
            let (&first, rest) = octets.split_first().ok_or(fmt::Error)?;
            write!(f, "{} {} ", first >> 7, first & 0x7f)?;
            let rest = address_or_name(first & 0x7f, rest, f)?;
            if first & 0x7f > 3 {
                unknown::write(rest, f)?;
            }
            Ok(())
        }
        (Kind::Hip, _) => hip(octets, f),
        (Kind::A6, _) => a6(octets, f),
        (_, Value::Octets(octets)) => unknown::write(octets, f),
    }
}

/// Writes a gateway, and returns what follows it.
fn address_or_name<'a>(
    kind: u8,
    rest: &'a [u8],
    f: &mut fmt::Formatter<'_>,
) -> Result<&'a [u8], fmt::Error> {
    Ok(match kind {
        0 => {
            f.write_char('.')?;
            rest
        }
        1 => {
            let (address, rest) = rest.split_first_chunk::<4>().ok_or(fmt::Error)?;
            Ipv4Addr::from(*address).fmt(f)?;
            rest
        }
        2 => {
            let (address, rest) = rest.split_first_chunk::<16>().ok_or(fmt::Error)?;
            Ipv6Addr::from(*address).fmt(f)?;
            rest
        }
        3 => {
            let len = schema::plain_name(rest).ok_or(fmt::Error)?;
            fmt::Display::fmt(&NameRef::new(rest, 0), f)?;
            rest.get(len..).unwrap_or_default()
        }
        _ => rest,
    })
}

fn hip(octets: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let (&[len, algorithm, k, l], rest) = octets.split_first_chunk().ok_or(fmt::Error)?;
    let (hit, rest) = rest.split_at_checked(len.into()).ok_or(fmt::Error)?;
    let key = usize::from(u16::from_be_bytes([k, l]));
    let (key, mut servers) = rest.split_at_checked(key).ok_or(fmt::Error)?;
    write!(f, "{algorithm} ")?;
    hex(hit, f)?;
    f.write_char(' ')?;
    base64(key, f)?;
    while let Some(len) = schema::plain_name(servers) {
        write!(f, " {}", NameRef::new(servers, 0))?;
        servers = servers.get(len..).unwrap_or_default();
    }
    Ok(())
}

fn a6(octets: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let (&prefix, rest) = octets.split_first().ok_or(fmt::Error)?;
    let len = usize::from(128u8.saturating_sub(prefix).div_ceil(8));
    let (suffix, name) = rest.split_at_checked(len).ok_or(fmt::Error)?;
    write!(f, "{prefix}")?;
    if len > 0 {
        let mut address = [0u8; 16];
        if let Some(place) = address.get_mut(16usize.saturating_sub(len)..) {
            place.copy_from_slice(suffix);
        }
        write!(f, " {}", Ipv6Addr::from(address))?;
    }
    if prefix > 0 {
        write!(f, " {}", NameRef::new(name, 0))?;
    }
    Ok(())
}

fn groups(octets: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for (index, group) in octets.as_chunks::<2>().0.iter().enumerate() {
        let colon = if index == 0 { "" } else { ":" };
        write!(f, "{colon}{:04x}", u16::from_be_bytes(*group))?;
    }
    Ok(())
}

fn bitmap(octets: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut rest = octets;
    while let Some((&[window, len], after)) = rest.split_first_chunk() {
        let (map, after) = after.split_at_checked(len.into()).ok_or(fmt::Error)?;
        bits(map, window, f)?;
        rest = after;
    }
    Ok(())
}

fn bits(map: &[u8], window: u8, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for (index, octet) in map.iter().enumerate() {
        for bit in 0..8u8 {
            if octet & (0x80 >> bit) != 0 {
                let low = index.saturating_mul(8).saturating_add(bit.into());
                let low = u8::try_from(low).map_err(|_| fmt::Error)?;
                write!(f, " {}", Type(u16::from_be_bytes([window, low])))?;
            }
        }
    }
    Ok(())
}

fn prefixes(octets: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut rest = octets;
    let mut first = true;
    while let Some((&[fam, ily, prefix, len], after)) = rest.split_first_chunk() {
        let negated = if len & 0x80 != 0 { "!" } else { "" };
        let blank = if core::mem::replace(&mut first, false) {
            ""
        } else {
            " "
        };
        let (part, after) = after
            .split_at_checked((len & 0x7f).into())
            .ok_or(fmt::Error)?;
        let mut address = [0u8; 16];
        if let Some(place) = address.get_mut(..part.len()) {
            place.copy_from_slice(part);
        }
        let family = u16::from_be_bytes([fam, ily]);
        write!(f, "{blank}{negated}{family}:")?;
        match family {
            1 => {
                let [a, b, c, d, ..] = address;
                write!(f, "{}/{prefix}", Ipv4Addr::from([a, b, c, d]))?;
            }
            2 => write!(f, "{}/{prefix}", Ipv6Addr::from(address))?,
            _ => {
                hex(part, f)?;
                write!(f, "/{prefix}")?;
            }
        }
        rest = after;
    }
    Ok(())
}

/// YYYYMMDDHHmmSS of seconds since 1970 (RFC 4034 section 3.2).
fn timestamp(time: u64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let (days, second) = (time.wrapping_div(86_400), time % 86_400);
    // The calendar repeats after 146 097 days; years begin in March, so that a leap day is last.
    let shifted = days.wrapping_add(719_468);
    let (era, day) = (shifted.wrapping_div(146_097), shifted % 146_097);
    let leap = day
        .wrapping_div(1460)
        .wrapping_add(day.wrapping_div(146_096))
        .wrapping_sub(day.wrapping_div(36_524));
    let year = day.wrapping_sub(leap).wrapping_div(365);
    let in_year = day.wrapping_sub(
        year.wrapping_mul(365)
            .wrapping_add(year.wrapping_div(4))
            .wrapping_sub(year.wrapping_div(100)),
    );
    let shifted_month = in_year.wrapping_mul(5).wrapping_add(2).wrapping_div(153);
    let day = in_year
        .wrapping_sub(
            shifted_month
                .wrapping_mul(153)
                .wrapping_add(2)
                .wrapping_div(5),
        )
        .wrapping_add(1);
    let month = if shifted_month < 10 {
        shifted_month.wrapping_add(3)
    } else {
        shifted_month.wrapping_sub(9)
    };
    let year = era
        .wrapping_mul(400)
        .wrapping_add(year)
        .wrapping_add(u64::from(month <= 2));
    let (hour, minute) = (second.wrapping_div(3600), second.wrapping_div(60) % 60);
    write!(
        f,
        "{year:04}{month:02}{day:02}{hour:02}{minute:02}{:02}",
        second % 60
    )
}

fn quoted(text: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "\"{}\"", Escaped(text))
}

/// Text inside quotes.
pub(super) struct Escaped<'a>(pub(super) &'a [u8]);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for &octet in self.0 {
            match octet {
                b'"' | b'\\' => write!(f, "\\{}", char::from(octet))?,
                b' '..=b'~' => f.write_char(char::from(octet))?,
                _ => write!(f, "\\{octet:03}")?,
            }
        }
        Ok(())
    }
}

pub(super) fn hex(octets: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    HEXLOWER.encode_display(octets).fmt(f)
}

pub(super) fn base64(octets: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    BASE64.encode_display(octets).fmt(f)
}

fn base32(octets: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for chunk in octets.chunks(5) {
        let mut buffer = [0u8; 8];
        let len = BASE32HEX_NOPAD.encode_len(chunk.len());
        let place = buffer.get_mut(..len).ok_or(fmt::Error)?;
        BASE32HEX_NOPAD.encode_mut(chunk, place);
        for octet in place {
            f.write_char(char::from(octet.to_ascii_lowercase()))?;
        }
    }
    Ok(())
}
