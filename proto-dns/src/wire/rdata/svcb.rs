//! Parameters of SVCB and HTTPS (RFC 9460).

use super::present::{self, Escaped};
use crate::wire::text::{Fault, unescape};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::fmt::{self, Display as _, Write};
use core::net::{Ipv4Addr, Ipv6Addr};

/// The parameters of a service, in wire form whose frame was checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SvcParams<'a>(&'a [u8]);

/// Names of keys (IANA "Service Parameter Keys (SvcParamKeys)").
const KEYS: [(u16, &str); 11] = [
    (0, "mandatory"),
    (1, "alpn"),
    (2, "no-default-alpn"),
    (3, "port"),
    (4, "ipv4hint"),
    (5, "ech"),
    (6, "ipv6hint"),
    (7, "dohpath"),
    (8, "ohttp"),
    (9, "tls-supported-groups"),
    (10, "docpath"),
];

impl<'a> SvcParams<'a> {
    /// Takes parameters in wire form; nothing when keys do not rise or values are cut off.
    #[must_use]
    pub fn from_wire(wire: &'a [u8]) -> Option<Self> {
        fits(wire).then_some(Self(wire))
    }

    /// The value of a key.
    #[must_use]
    pub fn get(mut self, key: u16) -> Option<&'a [u8]> {
        self.find_map(|(known, value)| (known == key).then_some(value))
    }
}

impl<'a> Iterator for SvcParams<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (&[k, e, l, n], rest) = self.0.split_first_chunk()?;
        let (value, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes([l, n])))?;
        self.0 = rest;
        Some((u16::from_be_bytes([k, e]), value))
    }
}

/// RFC 9460 section 2.2: keys rise strictly. Values are opaque here, so that a broken one spoils
/// nothing but itself.
pub(super) fn fits(wire: &[u8]) -> bool {
    let mut params = SvcParams(wire);
    let mut last = None;
    for (key, _) in params.by_ref() {
        if last.is_some_and(|last| last >= key) {
            return false;
        }
        last = Some(key);
    }
    params.0.is_empty()
}

/// A value that is not what its key wants is written as that of an unknown key, which takes anything.
pub(super) fn write(wire: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for (key, value) in SvcParams(wire) {
        let name = KEYS.iter().find(|(known, _)| *known == key);
        match name.filter(|_| has_text(key, value)) {
            Some((_, name)) => write!(f, " {name}")?,
            None => write!(f, " key{key}")?,
        }
        if value.is_empty() {
            continue;
        }
        f.write_str("=\"")?;
        if !has_text(key, value) || write_value(key, value, f)?.is_none() {
            Escaped(value).fmt(f)?;
        }
        f.write_char('"')?;
    }
    Ok(())
}

/// Whether a value is what its key wants, as far as its text can say it.
fn has_text(key: u16, value: &[u8]) -> bool {
    let whole = |len: usize| !value.is_empty() && value.len().is_multiple_of(len);
    match key {
        // Keys rise, and the key itself is not among them.
        0 => {
            whole(2)
                && value.as_chunks::<2>().0.is_sorted_by(|a, b| a < b)
                && value.first_chunk() != Some(&[0, 0])
        }
        1 => alpn_fits(value),
        2 | 8 => value.is_empty(),
        3 => value.len() == 2,
        4 => whole(4),
        5 => !value.is_empty(),
        6 => whole(16),
        7 => core::str::from_utf8(value)
            .is_ok_and(|path| path.starts_with('/') && path.contains("{?dns}")),
        9 => whole(2),
        _ => true,
    }
}

/// `None` when the value is not what its key wants.
fn write_value(
    key: u16,
    value: &[u8],
    f: &mut fmt::Formatter<'_>,
) -> Result<Option<()>, fmt::Error> {
    let mut list = List(f, true);
    match (key, value) {
        (0, _) if value.len().is_multiple_of(2) => {
            for chunk in value.as_chunks::<2>().0 {
                let key = u16::from_be_bytes(*chunk);
                match KEYS.iter().find(|(known, _)| *known == key) {
                    Some((_, name)) => list.item(format_args!("{name}"))?,
                    None => list.item(format_args!("key{key}"))?,
                }
            }
        }
        (1, _) if alpn_fits(value) => {
            let mut rest = value;
            while let Some((&len, text)) = rest.split_first() {
                let (id, after) = text.split_at_checked(len.into()).ok_or(fmt::Error)?;
                list.item(format_args!("{}", Alpn(id)))?;
                rest = after;
            }
        }
        (3, &[h, l]) => write!(list.0, "{}", u16::from_be_bytes([h, l]))?,
        (4, _) if value.len().is_multiple_of(4) => {
            for chunk in value.as_chunks::<4>().0 {
                list.item(format_args!("{}", Ipv4Addr::from(*chunk)))?;
            }
        }
        (5, _) => present::base64(value, list.0)?,
        (6, _) if value.len().is_multiple_of(16) => {
            for chunk in value.as_chunks::<16>().0 {
                list.item(format_args!("{}", Ipv6Addr::from(*chunk)))?;
            }
        }
        (9, _) if value.len().is_multiple_of(2) => {
            for chunk in value.as_chunks::<2>().0 {
                list.item(format_args!("{}", u16::from_be_bytes(*chunk)))?;
            }
        }
        _ => return Ok(None),
    }
    Ok(Some(()))
}

struct List<'f, 'g>(&'f mut fmt::Formatter<'g>, bool);

impl List<'_, '_> {
    fn item(&mut self, text: fmt::Arguments<'_>) -> fmt::Result {
        if !core::mem::replace(&mut self.1, false) {
            self.0.write_char(',')?;
        }
        self.0.write_fmt(text)
    }
}

/// An ALPN id in a list in a string: commas and backslashes are escaped, and then the escapes
/// (RFC 9460 appendix A.1).
struct Alpn<'a>(&'a [u8]);

impl fmt::Display for Alpn<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for &octet in self.0 {
            match octet {
                b',' => f.write_str("\\\\,")?,
                b'\\' => f.write_str("\\\\\\\\")?,
                _ => Escaped(&[octet]).fmt(f)?,
            }
        }
        Ok(())
    }
}

fn alpn_fits(value: &[u8]) -> bool {
    let mut rest = value;
    while let Some((&len, text)) = rest.split_first() {
        match text.get(usize::from(len)..) {
            Some(after) if len > 0 => rest = after,
            _ => return false,
        }
    }
    !value.is_empty()
}

/// Reads one `key=value` after another, and writes them in order of their keys.
#[derive(Debug, Default)]
pub(super) struct Reader(BTreeMap<u16, Vec<u8>>);

impl Reader {
    /// `text` with its escapes.
    pub(super) fn param(&mut self, text: &[u8]) -> Result<(), Fault> {
        let split = text.iter().position(|&octet| octet == b'=');
        let (name, raw) = match split {
            Some(at) => (
                text.get(..at).unwrap_or_default(),
                text.get(at.saturating_add(1)..),
            ),
            None => (text, None),
        };
        let (key, opaque) = key(name).ok_or(Fault::SvcParam)?;
        let raw = raw.map(|raw| {
            raw.strip_prefix(b"\"")
                .and_then(|raw| raw.strip_suffix(b"\""))
                .unwrap_or(raw)
        });
        let mut value = Vec::new();
        if let Some(raw) = raw {
            unescape(raw, &mut value)?;
        }
        // RFC 9460 section 2.1: an unknown key takes any octets, and so does a number for a name.
        let wire = if opaque { value } else { encode(key, &value)? };
        match self.0.insert(key, wire) {
            // RFC 9460 section 2.1: a key stands once.
            Some(_) => Err(Fault::SvcParam),
            None => Ok(()),
        }
    }

    pub(super) fn finish(self, out: &mut Vec<u8>) -> Result<(), Fault> {
        // RFC 9460 section 8: what is mandatory is there.
        if let Some(mandatory) = self.0.get(&0).filter(|value| has_text(0, value)) {
            for chunk in mandatory.as_chunks::<2>().0 {
                if !self.0.contains_key(&u16::from_be_bytes(*chunk)) {
                    return Err(Fault::SvcParam);
                }
            }
        }
        // RFC 9460 section 7.1.1.
        if self.0.contains_key(&2) && !self.0.contains_key(&1) {
            return Err(Fault::SvcParam);
        }
        for (key, value) in &self.0 {
            let len = u16::try_from(value.len()).map_err(|_| Fault::TooLong)?;
            out.extend_from_slice(&key.to_be_bytes());
            out.extend_from_slice(&len.to_be_bytes());
            out.extend_from_slice(value);
        }
        Ok(())
    }
}

/// The key, and whether it was written as a number.
fn key(name: &[u8]) -> Option<(u16, bool)> {
    let name = core::str::from_utf8(name).ok()?;
    if let Some((key, _)) = KEYS.iter().find(|(_, known)| *known == name) {
        return Some((*key, false));
    }
    let digits = name.strip_prefix("key")?;
    // RFC 9460 section 2.1: no leading zeros.
    let plain = digits.bytes().all(|digit| digit.is_ascii_digit())
        && (digits == "0" || !digits.starts_with('0'));
    let key = digits.parse().ok().filter(|_| plain)?;
    Some((key, true))
}

fn encode(key: u16, value: &[u8]) -> Result<Vec<u8>, Fault> {
    let mut out = Vec::new();
    let text = || core::str::from_utf8(value).map_err(|_| Fault::SvcParam);
    let bad = Fault::SvcParam;
    match key {
        0 => {
            let mut keys = Vec::new();
            for name in value.split(|&octet| octet == b',') {
                let (key, _) = self::key(name).filter(|(key, _)| *key != 0).ok_or(bad)?;
                if keys.contains(&key) {
                    return Err(bad);
                }
                keys.push(key);
            }
            keys.sort_unstable();
            for key in keys {
                out.extend_from_slice(&key.to_be_bytes());
            }
        }
        1 => {
            for id in list(value) {
                let len = u8::try_from(id.len()).map_err(|_| bad)?;
                if len == 0 {
                    return Err(bad);
                }
                out.push(len);
                out.extend_from_slice(&id);
            }
        }
        2 | 8 if !value.is_empty() => return Err(bad),
        2 | 8 => {}
        3 => out.extend_from_slice(&text()?.parse::<u16>().map_err(|_| bad)?.to_be_bytes()),
        4 => {
            for address in text()?.split(',') {
                out.extend_from_slice(&address.parse::<Ipv4Addr>().map_err(|_| bad)?.octets());
            }
        }
        5 => {
            out = data_encoding::BASE64.decode(value).map_err(|_| bad)?;
            if out.is_empty() {
                return Err(bad);
            }
        }
        6 => {
            for address in text()?.split(',') {
                out.extend_from_slice(&address.parse::<Ipv6Addr>().map_err(|_| bad)?.octets());
            }
        }
        // RFC 9461 section 5: a relative URI template with the variable "dns".
        7 => {
            let path = text()?;
            if !path.starts_with('/') || !path.contains("{?dns}") {
                return Err(bad);
            }
            out.extend_from_slice(value);
        }
        9 => {
            for group in text()?.split(',') {
                out.extend_from_slice(&group.parse::<u16>().map_err(|_| bad)?.to_be_bytes());
            }
        }
        _ => out.extend_from_slice(value),
    }
    Ok(out)
}

/// RFC 9460 appendix A.1: a list with commas, in which commas and backslashes are escaped.
fn list(value: &[u8]) -> Vec<Vec<u8>> {
    let mut items = alloc::vec![Vec::new()];
    let mut octets = value.iter().copied();
    while let Some(octet) = octets.next() {
        match octet {
            b',' => items.push(Vec::new()),
            b'\\' => {
                if let (Some(item), Some(next)) = (items.last_mut(), octets.next()) {
                    item.push(next);
                }
            }
            octet => {
                if let Some(item) = items.last_mut() {
                    item.push(octet);
                }
            }
        }
    }
    items
}
