//! Record data from its text.

use super::present::CERT_TYPES;
use super::schema::{self, Kind};
use super::{loc, svcb};
use crate::wire::code::Type;
use crate::wire::text::{self, Fault, Token, Tokens};
use alloc::vec::Vec;
use core::net::{Ipv4Addr, Ipv6Addr};
use data_encoding::{BASE32HEX_NOPAD, BASE64, HEXLOWER_PERMISSIVE};

/// Appends the wire form of data whose tokens come next, all of them.
pub(crate) fn parse(
    rtype: Type,
    tokens: &mut impl Tokens,
    origin: Option<&[u8]>,
    out: &mut Vec<u8>,
) -> Result<(), Fault> {
    let begin = out.len();
    let fields = schema::fields_of(rtype);
    // Most records need no look at their first token.
    match rtype {
        Type::A => {
            let token = tokens.required()?;
            if token.raw != b"\\#" {
                out.extend_from_slice(&v4(token.raw)?.octets());
                return finish(tokens);
            }
            return generic(rtype, tokens, out);
        }
        Type::NS | Type::CNAME | Type::PTR => {
            let token = tokens.required()?;
            if token.raw != b"\\#" {
                text::name(token.raw, origin, out)?;
                return finish(tokens);
            }
            return generic(rtype, tokens, out);
        }
        _ => {}
    }
    let mut held = Held {
        tokens,
        first: Vec::new(),
        state: 0,
    };
    if held.peek_generic()? {
        return generic(rtype, held.tokens, out);
    }
    let Some(fields) = fields else {
        return Err(Fault::UnknownType);
    };
    for &(_, kind) in fields {
        field(kind, &mut held, origin, out)?;
    }
    if held.next()?.is_some() {
        return Err(Fault::Extra);
    }
    let data = out.get(begin..).unwrap_or_default();
    if data.len() > usize::from(u16::MAX) {
        return Err(Fault::TooLong);
    }
    if !schema::fits(rtype, data, 0, data.len()) {
        return Err(Fault::Length);
    }
    Ok(())
}

fn finish(tokens: &mut impl Tokens) -> Result<(), Fault> {
    match tokens.next()? {
        Some(_) => Err(Fault::Extra),
        None => Ok(()),
    }
}

/// Gives the first token back once.
struct Held<'t, T> {
    tokens: &'t mut T,
    first: Vec<u8>,
    /// 0 nothing held, 1 a word, 2 a string.
    state: u8,
}

impl<T: Tokens> Held<'_, T> {
    fn peek_generic(&mut self) -> Result<bool, Fault> {
        if let Some(token) = self.tokens.next()? {
            if token.raw == b"\\#" && !token.quoted {
                return Ok(true);
            }
            self.state = if token.quoted { 2 } else { 1 };
            self.first.extend_from_slice(token.raw);
        }
        Ok(false)
    }
}

impl<T: Tokens> Tokens for Held<'_, T> {
    fn next(&mut self) -> Result<Option<Token<'_>>, Fault> {
        match core::mem::take(&mut self.state) {
            0 => self.tokens.next(),
            state => Ok(Some(Token {
                raw: &self.first,
                quoted: state == 2,
            })),
        }
    }
}

/// RFC 3597 section 5: a length and hexadecimal digits. Of a known type they must fit it.
fn generic(rtype: Type, tokens: &mut impl Tokens, out: &mut Vec<u8>) -> Result<(), Fault> {
    let len = text::number(tokens.required()?.raw)?;
    let begin = out.len();
    let mut digits = Vec::new();
    while let Some(token) = tokens.next()? {
        digits.extend_from_slice(token.raw);
    }
    hex(&digits, out)?;
    let data = out.get(begin..).unwrap_or_default();
    if usize::try_from(len) != Ok(data.len()) || data.len() > usize::from(u16::MAX) {
        return Err(Fault::Length);
    }
    // Data without a single octet says that it does not matter (RFC 2136 section 2.5).
    if !data.is_empty() && !schema::fits(rtype, data, 0, data.len()) {
        return Err(Fault::Length);
    }
    Ok(())
}

fn field(
    kind: Kind,
    tokens: &mut impl Tokens,
    origin: Option<&[u8]>,
    out: &mut Vec<u8>,
) -> Result<(), Fault> {
    match kind {
        Kind::U8 => {
            let number = algorithm(tokens.required()?.raw)?;
            out.push(u8::try_from(number).map_err(|_| Fault::Number)?);
        }
        Kind::U16 => {
            let number = text::number(tokens.required()?.raw)?;
            let number = u16::try_from(number).map_err(|_| Fault::Number)?;
            out.extend_from_slice(&number.to_be_bytes());
        }
        Kind::U32 => {
            // Times of SOA may have units.
            let number = text::ttl(tokens.required()?.raw).ok_or(Fault::Number)?;
            out.extend_from_slice(&number.to_be_bytes());
        }
        Kind::U48 | Kind::U64 => {
            let number = utf8(tokens.required()?.raw)?
                .parse::<u64>()
                .map_err(|_| Fault::Number)?;
            let octets = number.to_be_bytes();
            let skip = if kind == Kind::U48 { 2 } else { 0 };
            out.extend_from_slice(octets.get(skip..).unwrap_or_default());
        }
        Kind::Groups => groups(tokens.required()?.raw, out)?,
        Kind::Time => out.extend_from_slice(&timestamp(tokens.required()?.raw)?.to_be_bytes()),
        Kind::Type => {
            let rtype = rtype(tokens.required()?.raw)?;
            out.extend_from_slice(&rtype.0.to_be_bytes());
        }
        Kind::CertType => {
            let token = utf8(tokens.required()?.raw)?;
            let known = CERT_TYPES
                .iter()
                .find(|(_, name)| name.eq_ignore_ascii_case(token));
            let code = match known {
                Some((code, _)) => *code,
                None => token.parse().map_err(|_| Fault::Number)?,
            };
            out.extend_from_slice(&code.to_be_bytes());
        }
        Kind::Scheme => {
            let token = utf8(tokens.required()?.raw)?;
            out.push(if token.eq_ignore_ascii_case("NOTIFY") {
                1
            } else {
                token.parse().map_err(|_| Fault::Number)?
            });
        }
        Kind::V4 => out.extend_from_slice(&v4(tokens.required()?.raw)?.octets()),
        Kind::V6 => {
            let address: Ipv6Addr = utf8(tokens.required()?.raw)?
                .parse()
                .map_err(|_| Fault::Address)?;
            out.extend_from_slice(&address.octets());
        }
        Kind::Name | Kind::OldName | Kind::FoldedName | Kind::PlainName => {
            text::name(tokens.required()?.raw, origin, out)?;
        }
        Kind::Text | Kind::Tag => string(tokens.required()?, out)?,
        Kind::OptionalText => {
            if let Some(token) = tokens.next()? {
                string(token, out)?;
            }
        }
        Kind::Texts => {
            string(tokens.required()?, out)?;
            while let Some(token) = tokens.next()? {
                string(token, out)?;
            }
        }
        Kind::LongText => text::unescape(tokens.required()?.raw, out)?,
        Kind::Hex => hex(&joined(tokens, true)?, out)?,
        Kind::HexOrNone => hex(&joined(tokens, false)?, out)?,
        Kind::Salt => {
            let token = tokens.required()?;
            let place = out.len();
            out.push(0);
            if token.raw != b"-" {
                hex(token.raw, out)?;
            }
            set_len(place, out)?;
        }
        Kind::Hash => {
            let digits = tokens.required()?.raw.to_ascii_uppercase();
            let hash = BASE32HEX_NOPAD.decode(&digits).map_err(|_| Fault::Digits)?;
            out.push(u8::try_from(hash.len()).map_err(|_| Fault::TooLong)?);
            out.extend_from_slice(&hash);
        }
        Kind::Base64 => base64(&joined(tokens, true)?, out)?,
        Kind::Base64OrNone => match &*joined(tokens, false)? {
            b"-" => {}
            digits => base64(digits, out)?,
        },
        Kind::Sized => {
            let len = text::number(tokens.required()?.raw)?;
            let len = u16::try_from(len).map_err(|_| Fault::Number)?;
            out.extend_from_slice(&len.to_be_bytes());
            let begin = out.len();
            if len > 0 {
                base64(tokens.required()?.raw, out)?;
            }
            if out.len().saturating_sub(begin) != usize::from(len) {
                return Err(Fault::Length);
            }
        }
        Kind::Bitmap => bitmap(tokens, out)?,
        Kind::OldBitmap => {
            let mut map = Vec::new();
            while let Some(token) = tokens.next()? {
                let bit = rtype(token.raw)?.0;
                if bit > 127 {
                    return Err(Fault::Number);
                }
                set_bit(usize::from(bit), &mut map);
            }
            out.extend_from_slice(&map);
        }
        Kind::Eui48 | Kind::Eui64 => {
            let count = if kind == Kind::Eui48 { 6 } else { 8 };
            let token = tokens.required()?;
            let mut groups = 0usize;
            for group in token.raw.split(|&octet| octet == b'-') {
                if group.len() != 2 {
                    return Err(Fault::Digits);
                }
                hex(group, out)?;
                groups = groups.saturating_add(1);
            }
            if groups != count {
                return Err(Fault::Length);
            }
        }
        Kind::Loc => loc::parse(tokens, out)?,
        Kind::Prefixes => prefixes(tokens, out)?,
        Kind::SvcParams => {
            let mut reader = svcb::Reader::default();
            while let Some(token) = tokens.next()? {
                reader.param(token.raw)?;
            }
            reader.finish(out)?;
        }
        Kind::Ports => ports(tokens, out)?,
        Kind::Nsap => {
            let token = tokens.required()?;
            let digits = token
                .raw
                .strip_prefix(b"0x")
                .or(token.raw.strip_prefix(b"0X"))
                .ok_or(Fault::Digits)?;
            let digits: Vec<u8> = digits.iter().copied().filter(|&o| o != b'.').collect();
            hex(&digits, out)?;
        }
        Kind::Atma => {
            let token = tokens.required()?;
            let dotless = |text: &[u8]| -> Vec<u8> {
                text.iter()
                    .copied()
                    .filter(|&octet| octet != b'.')
                    .collect()
            };
            match token.raw.strip_prefix(b"+") {
                Some(digits) => {
                    let digits = dotless(digits);
                    if !digits.iter().all(u8::is_ascii_digit) {
                        return Err(Fault::Digits);
                    }
                    out.push(1);
                    out.extend_from_slice(&digits);
                }
                None => {
                    let digits = dotless(token.raw);
                    out.push(0);
                    hex(&digits, out)?;
                }
            }
        }
        Kind::IpsecGateway => {
            let gateway = small(tokens)?;
            let algorithm = small(tokens)?;
            out.extend_from_slice(&[gateway, algorithm]);
            address_or_name(gateway, tokens, origin, out)?;
            let digits = joined(tokens, false)?;
            base64(&digits, out)?;
        }
        Kind::Relay => {
            let discovery = small(tokens)?;
            let kind = small(tokens)?;
            if discovery > 1 || kind > 127 {
                return Err(Fault::Number);
            }
            out.push(discovery << 7 | kind);
            address_or_name(kind, tokens, origin, out)?;
        }
        Kind::Hip => {
            let algorithm = small(tokens)?;
            let mut hit = Vec::new();
            hex(tokens.required()?.raw, &mut hit)?;
            let mut key = Vec::new();
            base64(tokens.required()?.raw, &mut key)?;
            out.push(u8::try_from(hit.len()).map_err(|_| Fault::TooLong)?);
            out.push(algorithm);
            let len = u16::try_from(key.len()).map_err(|_| Fault::TooLong)?;
            out.extend_from_slice(&len.to_be_bytes());
            out.extend_from_slice(&hit);
            out.extend_from_slice(&key);
            while let Some(token) = tokens.next()? {
                text::name(token.raw, origin, out)?;
            }
        }
        Kind::A6 => {
            let prefix = small(tokens)?;
            let suffix = 128u8.checked_sub(prefix).ok_or(Fault::Number)?.div_ceil(8);
            out.push(prefix);
            if suffix > 0 {
                let address: Ipv6Addr = utf8(tokens.required()?.raw)?
                    .parse()
                    .map_err(|_| Fault::Address)?;
                let octets = address.octets();
                let skip = 16usize.saturating_sub(suffix.into());
                let mut kept = octets.get(skip..).unwrap_or_default().to_vec();
                // RFC 2874 section 3.1: the bits that belong to the prefix are zero.
                if let Some(first) = kept.first_mut() {
                    *first &= 0xffu8.checked_shr(u32::from(prefix % 8)).unwrap_or(0);
                }
                out.extend_from_slice(&kept);
            }
            if prefix > 0 {
                text::name(tokens.required()?.raw, origin, out)?;
            }
        }
        Kind::Opaque => return Err(Fault::Digits),
    }
    Ok(())
}

fn small(tokens: &mut impl Tokens) -> Result<u8, Fault> {
    u8::try_from(text::number(tokens.required()?.raw)?).map_err(|_| Fault::Number)
}

/// A small number, or the mnemonic of a DNSSEC algorithm (RFC 4034 appendix A.1).
fn algorithm(token: &[u8]) -> Result<u32, Fault> {
    const NAMES: [(&[u8], u32); 16] = [
        (b"RSAMD5", 1),
        (b"DH", 2),
        (b"DSA", 3),
        (b"ECC", 4),
        (b"RSASHA1", 5),
        (b"DSA-NSEC3-SHA1", 6),
        (b"RSASHA1-NSEC3-SHA1", 7),
        (b"RSASHA256", 8),
        (b"RSASHA512", 10),
        (b"ECDSAP256SHA256", 13),
        (b"ECDSAP384SHA384", 14),
        (b"ED25519", 15),
        (b"ED448", 16),
        (b"INDIRECT", 252),
        (b"PRIVATEDNS", 253),
        (b"PRIVATEOID", 254),
    ];
    text::number(token).or_else(|fault| {
        let known = NAMES
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(token));
        known.map(|(_, number)| *number).ok_or(fault)
    })
}

fn address_or_name(
    kind: u8,
    tokens: &mut impl Tokens,
    origin: Option<&[u8]>,
    out: &mut Vec<u8>,
) -> Result<(), Fault> {
    let token = tokens.required()?;
    match kind {
        0 if token.raw == b"." => {}
        1 => out.extend_from_slice(&v4(token.raw)?.octets()),
        2 => {
            let address: Ipv6Addr = utf8(token.raw)?.parse().map_err(|_| Fault::Address)?;
            out.extend_from_slice(&address.octets());
        }
        3 => text::name(token.raw, origin, out)?,
        _ => return Err(Fault::Address),
    }
    Ok(())
}

fn utf8(token: &[u8]) -> Result<&str, Fault> {
    core::str::from_utf8(token).map_err(|_| Fault::Number)
}

/// Four decimal numbers; quicker than the general parser.
#[inline]
fn v4(token: &[u8]) -> Result<Ipv4Addr, Fault> {
    let mut octets = [0u8; 4];
    let (mut index, mut value, mut digits) = (0usize, 0u16, 0u8);
    for &octet in token {
        let digit = octet.wrapping_sub(b'0');
        if digit <= 9 {
            if digits > 0 && value == 0 {
                return Err(Fault::Address);
            }
            value = value.wrapping_mul(10).wrapping_add(u16::from(digit));
            digits = digits.wrapping_add(1);
            if value > 255 {
                return Err(Fault::Address);
            }
        } else if octet == b'.' && digits > 0 && index < 3 {
            if let (Some(place), Ok(value)) = (octets.get_mut(index), u8::try_from(value)) {
                *place = value;
            }
            index = index.wrapping_add(1);
            (value, digits) = (0, 0);
        } else {
            return Err(Fault::Address);
        }
    }
    if index != 3 || digits == 0 {
        return Err(Fault::Address);
    }
    if let (Some(place), Ok(value)) = (octets.get_mut(3), u8::try_from(value)) {
        *place = value;
    }
    Ok(octets.into())
}

fn string(token: Token<'_>, out: &mut Vec<u8>) -> Result<(), Fault> {
    let place = out.len();
    out.push(0);
    text::unescape(token.raw, out)?;
    set_len(place, out)
}

/// Fills in the length of what follows `place`.
fn set_len(place: usize, out: &mut [u8]) -> Result<(), Fault> {
    let len = out.len().saturating_sub(place).saturating_sub(1);
    let len = u8::try_from(len).map_err(|_| Fault::TooLong)?;
    if let Some(octet) = out.get_mut(place) {
        *octet = len;
    }
    Ok(())
}

/// All tokens that are left, in one.
fn joined(tokens: &mut impl Tokens, required: bool) -> Result<Vec<u8>, Fault> {
    let mut all = Vec::new();
    while let Some(token) = tokens.next()? {
        all.extend_from_slice(token.raw);
    }
    if required && all.is_empty() {
        return Err(Fault::Missing);
    }
    Ok(all)
}

fn hex(digits: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
    out.extend_from_slice(
        &HEXLOWER_PERMISSIVE
            .decode(digits)
            .map_err(|_| Fault::Digits)?,
    );
    Ok(())
}

fn base64(digits: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
    out.extend_from_slice(&BASE64.decode(digits).map_err(|_| Fault::Digits)?);
    Ok(())
}

fn groups(token: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
    let mut count = 0u8;
    for group in token.split(|&octet| octet == b':') {
        let text = utf8(group)?;
        if !(1..=4).contains(&group.len()) || !group.iter().all(u8::is_ascii_hexdigit) {
            return Err(Fault::Digits);
        }
        let group = u16::from_str_radix(text, 16).map_err(|_| Fault::Digits)?;
        out.extend_from_slice(&group.to_be_bytes());
        count = count.saturating_add(1);
    }
    if count == 4 {
        Ok(())
    } else {
        Err(Fault::Length)
    }
}

/// A type by its mnemonic, or as RFC 3597 says.
#[inline]
pub(crate) fn rtype(token: &[u8]) -> Result<Type, Fault> {
    match token {
        b"A" => return Ok(Type::A),
        b"NS" => return Ok(Type::NS),
        b"AAAA" => return Ok(Type::AAAA),
        b"CNAME" => return Ok(Type::CNAME),
        b"MX" => return Ok(Type::MX),
        b"TXT" => return Ok(Type::TXT),
        b"PTR" => return Ok(Type::PTR),
        b"DS" => return Ok(Type::DS),
        b"RRSIG" => return Ok(Type::RRSIG),
        b"NSEC3" => return Ok(Type::NSEC3),
        _ => {}
    }
    utf8(token)
        .ok()
        .and_then(|text| text.parse().ok())
        .ok_or(Fault::UnknownType)
}

/// Seconds since 1970, or YYYYMMDDHHmmSS (RFC 4034 section 3.2).
fn timestamp(token: &[u8]) -> Result<u32, Fault> {
    if token.len() != 14 {
        return text::number(token);
    }
    let part = |from: usize, to: usize| {
        text::number(token.get(from..to).unwrap_or_default()).map(u64::from)
    };
    let (year, month, day) = (part(0, 4)?, part(4, 6)?, part(6, 8)?);
    let (hour, minute, second) = (part(8, 10)?, part(10, 12)?, part(12, 14)?);
    let dates = (1..=12).contains(&month) && (1..=31).contains(&day) && year >= 1970;
    if !dates || hour > 23 || minute > 59 || second > 60 {
        return Err(Fault::Number);
    }
    // Years that begin in March have their leap day last.
    let (year, month) = if month > 2 {
        (year, month.wrapping_sub(3))
    } else {
        (year.wrapping_sub(1), month.wrapping_add(9))
    };
    let days = year
        .wrapping_mul(365)
        .wrapping_add(year.wrapping_div(4))
        .wrapping_sub(year.wrapping_div(100))
        .wrapping_add(year.wrapping_div(400))
        .wrapping_add(month.wrapping_mul(153).wrapping_add(2).wrapping_div(5))
        .wrapping_add(day)
        .wrapping_sub(719_469);
    let seconds = days
        .wrapping_mul(86_400)
        .wrapping_add(hour.wrapping_mul(3600))
        .wrapping_add(minute.wrapping_mul(60))
        .wrapping_add(second);
    // Serial arithmetic: the lower 32 bits (RFC 4034 section 3.1.5).
    u32::try_from(seconds & 0xffff_ffff).map_err(|_| Fault::Number)
}

fn set_bit(bit: usize, map: &mut Vec<u8>) {
    let index = bit.wrapping_div(8);
    if map.len() <= index {
        map.resize(index.saturating_add(1), 0);
    }
    if let Some(octet) = map.get_mut(index) {
        *octet |= 0x80u8 >> (bit % 8);
    }
}

fn bitmap(tokens: &mut impl Tokens, out: &mut Vec<u8>) -> Result<(), Fault> {
    let mut types = Vec::new();
    while let Some(token) = tokens.next()? {
        types.push(rtype(token.raw)?.0);
    }
    types.sort_unstable();
    types.dedup();
    for window in types.chunk_by(|a, b| a >> 8 == b >> 8) {
        let mut map = Vec::new();
        for &code in window {
            set_bit(usize::from(code & 0xff), &mut map);
        }
        if let (Some(&code), Ok(len)) = (window.first(), u8::try_from(map.len())) {
            let [high, _] = code.to_be_bytes();
            out.extend_from_slice(&[high, len]);
            out.extend_from_slice(&map);
        }
    }
    Ok(())
}

/// RFC 3123 section 5.
fn prefixes(tokens: &mut impl Tokens, out: &mut Vec<u8>) -> Result<(), Fault> {
    while let Some(token) = tokens.next()? {
        let text = utf8(token.raw)?;
        let (negated, text) = match text.strip_prefix('!') {
            Some(text) => (0x80, text),
            None => (0, text),
        };
        let (family, rest) = text.split_once(':').ok_or(Fault::Address)?;
        let (address, prefix) = rest.split_once('/').ok_or(Fault::Address)?;
        let prefix = u8::try_from(text::number(prefix.as_bytes())?).map_err(|_| Fault::Number)?;
        let mut octets = match family {
            "1" if prefix <= 32 => v4(address.as_bytes())?.octets().to_vec(),
            "2" if prefix <= 128 => {
                let address: Ipv6Addr = address.parse().map_err(|_| Fault::Address)?;
                address.octets().to_vec()
            }
            _ => return Err(Fault::Address),
        };
        while octets.last() == Some(&0) {
            octets.pop();
        }
        let family = u16::try_from(text::number(family.as_bytes())?).map_err(|_| Fault::Number)?;
        let len = u8::try_from(octets.len()).map_err(|_| Fault::TooLong)?;
        out.extend_from_slice(&family.to_be_bytes());
        out.extend_from_slice(&[prefix, negated | len]);
        out.extend_from_slice(&octets);
    }
    Ok(())
}

/// A protocol and its ports, by number or by the names that were common once.
fn ports(tokens: &mut impl Tokens, out: &mut Vec<u8>) -> Result<(), Fault> {
    const NAMES: [(&str, u16); 12] = [
        ("echo", 7),
        ("ftp-data", 20),
        ("ftp", 21),
        ("ssh", 22),
        ("telnet", 23),
        ("smtp", 25),
        ("time", 37),
        ("domain", 53),
        ("http", 80),
        ("pop3", 110),
        ("imap", 143),
        ("https", 443),
    ];
    let protocol = utf8(tokens.required()?.raw)?;
    out.push(match protocol {
        _ if protocol.eq_ignore_ascii_case("icmp") => 1,
        _ if protocol.eq_ignore_ascii_case("tcp") => 6,
        _ if protocol.eq_ignore_ascii_case("udp") => 17,
        _ => protocol.parse().map_err(|_| Fault::Number)?,
    });
    let mut map = Vec::new();
    while let Some(token) = tokens.next()? {
        let name = utf8(token.raw)?;
        let known = NAMES
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name));
        let port = match known {
            Some((_, port)) => *port,
            None => name.parse().map_err(|_| Fault::Number)?,
        };
        set_bit(usize::from(port), &mut map);
    }
    out.extend_from_slice(&map);
    Ok(())
}
