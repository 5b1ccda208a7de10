//! What the data of each type consists of: one line a type. Reading, writing, both text directions
//! and the canonical form all follow these lines.

use crate::wire::code::Type;
use crate::wire::name_ref::{self, Follow, Stop};

/// What a field of record data is. The order of fields is that of the wire and of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// Eight bits.
    U8,
    /// Sixteen bits.
    U16,
    /// Thirty-two bits.
    U32,
    /// Forty-eight bits (TSIG's time).
    U48,
    /// Sixty-four bits, as a decimal number.
    U64,
    /// Sixty-four bits, as four groups of hexadecimal digits (RFC 6742).
    Groups,
    /// A moment in serial arithmetic, as YYYYMMDDHHmmSS (RFC 4034 section 3.2).
    Time,
    /// A record type.
    Type,
    /// The type of a certificate (RFC 4398 section 2.1).
    CertType,
    /// The scheme of DSYNC.
    Scheme,
    /// An IPv4 address.
    V4,
    /// An IPv6 address.
    V6,
    /// A name of a type of RFC 1035: may be compressed both ways, lower case in the canonical form.
    Name,
    /// A name that may arrive compressed and is written in full; lower case in the canonical form
    /// (RFC 3597 section 4, RFC 4034 section 6.2).
    OldName,
    /// A name that is never compressed; lower case in the canonical form.
    FoldedName,
    /// A name that is never compressed and keeps its case in the canonical form.
    PlainName,
    /// A string with its length in one octet.
    Text,
    /// Such a string, or the end of the data.
    OptionalText,
    /// One or more strings, to the end.
    Texts,
    /// A string without quotes, letters and digits only (RFC 8659 section 4.1).
    Tag,
    /// A quoted string to the end of the data.
    LongText,
    /// Octets to the end, in hexadecimal digits; at least one.
    Hex,
    /// Octets to the end, in hexadecimal digits.
    HexOrNone,
    /// Octets with their length in one octet; hexadecimal digits, a hyphen for none.
    Salt,
    /// Octets with their length in one octet; base32hex.
    Hash,
    /// Octets to the end, in base64; at least one.
    Base64,
    /// Octets to the end, in base64.
    Base64OrNone,
    /// Octets with their length in two octets, in base64.
    Sized,
    /// Record types as bitmaps (RFC 4034 section 4.1.2).
    Bitmap,
    /// Record types as one bitmap (RFC 2535 section 5.2).
    OldBitmap,
    /// Six octets with hyphens.
    Eui48,
    /// Eight octets with hyphens.
    Eui64,
    /// A location (RFC 1876).
    Loc,
    /// Address prefixes (RFC 3123).
    Prefixes,
    /// Parameters of a service (RFC 9460).
    SvcParams,
    /// Protocol and bitmap of ports (RFC 1035 section 3.4.2).
    Ports,
    /// An OSI address: 0x and hexadecimal digits.
    Nsap,
    /// An ATM address.
    Atma,
    /// Type of gateway, algorithm, gateway and key (RFC 4025 section 2.1).
    IpsecGateway,
    /// Discovery bit, type and relay (RFC 8777 section 4.2).
    Relay,
    /// All of HIP (RFC 8005 section 5).
    Hip,
    /// Suffix and prefix name of A6 (RFC 2874 section 3.1).
    A6,
    /// Octets to the end that have no text but that of RFC 3597.
    Opaque,
}

/// A field: what it is called in its RFC, and what it is.
pub type Field = (&'static str, Kind);

macro_rules! schemas {
    ($($($ty:ident)|+ { $($name:literal $kind:ident),* })+) => {
        /// The fields of a type; none for a type that is not known.
        pub(crate) const fn fields_of(rtype: Type) -> Option<&'static [Field]> {
            Some(match rtype {
                $($(Type::$ty)|+ => const { &[$(($name, Kind::$kind)),*] },)+
                _ => return None,
            })
        }
    };
}

schemas! {
    A { "address" V4 }
    AAAA { "address" V6 }
    NS | MD | MF | CNAME | MB | MG | MR | PTR { "name" Name }
    SOA { "mname" Name, "rname" Name, "serial" U32, "refresh" U32, "retry" U32, "expire" U32, "minimum" U32 }
    NULL | SINK { "data" Opaque }
    WKS { "address" V4, "ports" Ports }
    HINFO { "cpu" Text, "os" Text }
    MINFO { "rmailbx" Name, "emailbx" Name }
    MX { "preference" U16, "exchange" Name }
    TXT | SPF | AVC | NINFO | RESINFO | WALLET | CLA { "strings" Texts }
    RP { "mbox" OldName, "txt" OldName }
    AFSDB { "subtype" U16, "hostname" OldName }
    X25 { "address" Text }
    ISDN { "address" Text, "subaddress" OptionalText }
    RT { "preference" U16, "host" OldName }
    NSAP { "address" Nsap }
    NSAP_PTR { "name" OldName }
    SIG { "covered" Type, "algorithm" U8, "labels" U8, "ttl" U32, "expiration" Time, "inception" Time, "tag" U16, "signer" OldName, "signature" Base64 }
    RRSIG { "covered" Type, "algorithm" U8, "labels" U8, "ttl" U32, "expiration" Time, "inception" Time, "tag" U16, "signer" FoldedName, "signature" Base64 }
    KEY | DNSKEY | CDNSKEY | RKEY { "flags" U16, "protocol" U8, "algorithm" U8, "key" Base64OrNone }
    PX { "preference" U16, "map822" OldName, "mapx400" OldName }
    GPOS { "longitude" Text, "latitude" Text, "altitude" Text }
    LOC { "location" Loc }
    NXT { "next" OldName, "types" OldBitmap }
    EID | NIMLOC { "data" Hex }
    SRV { "priority" U16, "weight" U16, "port" U16, "target" OldName }
    ATMA { "address" Atma }
    NAPTR { "order" U16, "preference" U16, "flags" Text, "services" Text, "regexp" Text, "replacement" OldName }
    KX { "preference" U16, "exchanger" OldName }
    CERT { "type" CertType, "tag" U16, "algorithm" U8, "certificate" Base64 }
    A6 { "address" A6 }
    DNAME { "target" OldName }
    APL { "prefixes" Prefixes }
    DS | CDS | DLV | TA { "tag" U16, "algorithm" U8, "digest type" U8, "digest" Hex }
    SSHFP { "algorithm" U8, "type" U8, "fingerprint" Hex }
    IPSECKEY { "precedence" U8, "gateway" IpsecGateway }
    NSEC { "next" PlainName, "types" Bitmap }
    DHCID | OPENPGPKEY | HHIT | BRID { "data" Base64 }
    NSEC3 { "hash" U8, "flags" U8, "iterations" U16, "salt" Salt, "next" Hash, "types" Bitmap }
    NSEC3PARAM { "hash" U8, "flags" U8, "iterations" U16, "salt" Salt }
    TLSA | SMIMEA { "usage" U8, "selector" U8, "matching" U8, "data" Hex }
    HIP { "identity" Hip }
    TALINK { "previous" PlainName, "next" PlainName }
    CSYNC { "serial" U32, "flags" U16, "types" Bitmap }
    ZONEMD { "serial" U32, "scheme" U8, "algorithm" U8, "digest" Hex }
    SVCB | HTTPS { "priority" U16, "target" PlainName, "params" SvcParams }
    DSYNC { "type" Type, "scheme" Scheme, "port" U16, "target" PlainName }
    NID | L64 { "preference" U16, "value" Groups }
    L32 { "preference" U16, "locator" V4 }
    LP { "preference" U16, "name" PlainName }
    EUI48 { "address" Eui48 }
    EUI64 { "address" Eui64 }
    TKEY { "algorithm" PlainName, "inception" Time, "expiration" Time, "mode" U16, "error" U16, "key" Sized, "other" Sized }
    TSIG { "algorithm" PlainName, "time" U48, "fudge" U16, "mac" Sized, "original id" U16, "error" U16, "other" Sized }
    URI { "priority" U16, "weight" U16, "target" LongText }
    CAA { "flags" U8, "tag" Tag, "value" LongText }
    DOA { "enterprise" U32, "type" U32, "location" U8, "media type" Text, "data" Base64OrNone }
    AMTRELAY { "precedence" U8, "relay" Relay }
    IPN { "node" U64 }
}

/// Where a field that begins at `at` ends; nothing when it does not fit what it is.
#[inline]
pub(crate) fn field_end(kind: Kind, octets: &[u8], at: usize, end: usize) -> Option<usize> {
    let fixed = |len: usize| {
        let stop = at.wrapping_add(len);
        (stop <= end).then_some(stop)
    };
    let rest = octets.get(at..end)?;
    match kind {
        Kind::U8 => fixed(1),
        Kind::U16 | Kind::Type | Kind::CertType => fixed(2),
        Kind::Scheme => fixed(1),
        Kind::U32 | Kind::Time | Kind::V4 => fixed(4),
        Kind::U48 | Kind::Eui48 => fixed(6),
        Kind::U64 | Kind::Groups | Kind::Eui64 => fixed(8),
        Kind::V6 => fixed(16),
        Kind::Name | Kind::OldName => name_ref::skip(octets, at).filter(|&stop| stop <= end),
        Kind::FoldedName | Kind::PlainName => plain_name(rest).and_then(fixed),
        Kind::Text => fixed(usize::from(*rest.first()?).wrapping_add(1)),
        Kind::OptionalText => match rest.first() {
            None => Some(at),
            Some(&len) => fixed(usize::from(len).wrapping_add(1)),
        },
        Kind::Tag => {
            let (&len, text) = rest.split_first()?;
            let tag = text.get(..usize::from(len))?;
            (!tag.is_empty() && tag.iter().all(u8::is_ascii_alphanumeric)).then_some(())?;
            fixed(usize::from(len).wrapping_add(1))
        }
        Kind::Salt => fixed(usize::from(*rest.first()?).wrapping_add(1)),
        Kind::Hash => {
            let len = usize::from(*rest.first()?);
            (len > 0).then_some(())?;
            fixed(len.wrapping_add(1))
        }
        Kind::Texts => {
            let mut left = rest;
            loop {
                let (&len, text) = left.split_first()?;
                left = text.get(usize::from(len)..)?;
                if left.is_empty() {
                    return Some(end);
                }
            }
        }
        Kind::Hex | Kind::Base64 | Kind::Nsap => (!rest.is_empty()).then_some(end),
        Kind::LongText | Kind::HexOrNone | Kind::Base64OrNone | Kind::Opaque => Some(end),
        Kind::Sized => {
            let (&[l, n], _) = rest.split_first_chunk()?;
            fixed(usize::from(u16::from_be_bytes([l, n])).wrapping_add(2))
        }
        Kind::Bitmap => bitmap_fits(rest).then_some(end),
        Kind::OldBitmap => (rest.len() <= 16).then_some(end),
        Kind::Loc => (rest.len() == 16 && loc_fits(rest)).then_some(end),
        Kind::Prefixes => prefixes_fit(rest).then_some(end),
        Kind::SvcParams => super::svcb::fits(rest).then_some(end),
        Kind::Ports => (1..=8193).contains(&rest.len()).then_some(end),
        Kind::Atma => (rest.len() > 1).then_some(end),
        Kind::IpsecGateway => {
            let (&[gateway, _], left) = rest.split_first_chunk()?;
            let len = match gateway {
                0 => 0,
                1 => 4,
                2 => 16,
                3 => plain_name(left)?,
                _ => return None,
            };
            (len <= left.len()).then_some(end)
        }
        Kind::Relay => {
            let (&first, left) = rest.split_first()?;
            let len = match first & 0x7f {
                0 => 0,
                1 => 4,
                2 => 16,
                3 => plain_name(left)?,
                _ => return Some(end),
            };
            (len == left.len()).then_some(end)
        }
        Kind::Hip => {
            let (&[hit, _, k, l], left) = rest.split_first_chunk()?;
            let key = usize::from(u16::from_be_bytes([k, l]));
            (hit > 0 && key > 0).then_some(())?;
            let mut left = left.get(usize::from(hit).wrapping_add(key)..)?;
            while !left.is_empty() {
                left = left.get(plain_name(left)?..)?;
            }
            Some(end)
        }
        Kind::A6 => {
            let (&prefix, left) = rest.split_first()?;
            let suffix = 128u8.checked_sub(prefix)?.div_ceil(8);
            let name = left.get(usize::from(suffix)..)?;
            let len = if prefix == 0 { 0 } else { plain_name(name)? };
            (len == name.len()).then_some(end)
        }
    }
}

/// The length of the uncompressed name at the front.
pub(crate) fn plain_name(octets: &[u8]) -> Option<usize> {
    let mut at = 0usize;
    loop {
        match *octets.get(at)? {
            0 => {
                let len = at.wrapping_add(1);
                return (len <= crate::wire::MAX_NAME).then_some(len);
            }
            len @ 1..=63 => at = at.wrapping_add(usize::from(len)).wrapping_add(1),
            _ => return None,
        }
    }
}

/// RFC 4034 section 4.1.2: windows rise, and none is empty.
fn bitmap_fits(mut rest: &[u8]) -> bool {
    let mut last = None;
    while let Some((&[window, len], after)) = rest.split_first_chunk() {
        let fits = (1..=32).contains(&len) && last.is_none_or(|last| last < window);
        let Some((_, after)) = after.split_at_checked(usize::from(len)).filter(|_| fits) else {
            return false;
        };
        last = Some(window);
        rest = after;
    }
    rest.is_empty()
}

/// RFC 1876 section 2: version zero; sizes have one digit and a power of ten.
fn loc_fits(rest: &[u8]) -> bool {
    let digit = |octet: u8| octet >> 4 <= 9 && octet & 15 <= 9;
    matches!(rest, &[0, size, h, v, ..] if digit(size) && digit(h) && digit(v))
}

/// RFC 3123 section 4.
fn prefixes_fit(mut rest: &[u8]) -> bool {
    while let Some((&[f, a, prefix, len], after)) = rest.split_first_chunk() {
        let len = len & 0x7f;
        let (most, bits) = match u16::from_be_bytes([f, a]) {
            1 => (4, 32),
            2 => (16, 128),
            _ => (127, 255),
        };
        let Some((address, after)) = after.split_at_checked(usize::from(len)) else {
            return false;
        };
        if len > most || prefix > bits || address.last() == Some(&0) {
            return false;
        }
        rest = after;
    }
    rest.is_empty()
}

/// Whether data of a type holds names that are compared without regard to case.
pub(crate) fn has_folded_names(rtype: Type) -> bool {
    let fields = fields_of(rtype).unwrap_or_default();
    fields
        .iter()
        .any(|(_, kind)| matches!(kind, Kind::Name | Kind::OldName | Kind::FoldedName))
}

/// Whether data fits its type. Names that may be compressed were verified with the message.
pub(crate) fn fits(rtype: Type, octets: &[u8], start: usize, end: usize) -> bool {
    let Some(fields) = fields_of(rtype) else {
        return true;
    };
    let mut at = start;
    for &(_, kind) in fields {
        match field_end(kind, octets, at, end) {
            Some(stop) => at = stop,
            None => return false,
        }
    }
    at == end && lengths_fit(rtype, octets.get(start..end).unwrap_or_default())
}

/// Lengths that depend on another field.
fn lengths_fit(rtype: Type, data: &[u8]) -> bool {
    match (rtype, data) {
        // RFC 3658 section 2.4, RFC 4509, RFC 6605; RFC 8078 section 4: zeros delete.
        (Type::DS | Type::CDS | Type::DLV | Type::TA, &[_, _, _, digest, ..]) => {
            match (digest, data.len()) {
                (1, len) => len == 24,
                (2 | 3, len) => len == 36,
                (4, len) => len == 52,
                _ => true,
            }
        }
        // RFC 8976 section 2.2.4 and 5.3.
        (Type::ZONEMD, &[_, _, _, _, scheme, algorithm, ..]) => match (scheme, algorithm) {
            (1, 1) => data.len() == 54,
            (1, 2) => data.len() == 70,
            _ => data.len() >= 18,
        },
        // RFC 4255 section 3.1.2, RFC 6594.
        (Type::SSHFP, &[_, kind, ..]) => match kind {
            1 => data.len() == 22,
            2 => data.len() == 34,
            _ => true,
        },
        (Type::URI, _) => data.len() > 4,
        (Type::GPOS, _) => gpos_fits(data),
        _ => true,
    }
}

/// RFC 1712: three decimal numbers in their ranges.
fn gpos_fits(data: &[u8]) -> bool {
    let mut rest = data;
    // Some write the latitude first.
    for most in [180u32, 180, u32::MAX] {
        let Some((&len, after)) = rest.split_first() else {
            return false;
        };
        let Some((text, after)) = after.split_at_checked(usize::from(len)) else {
            return false;
        };
        rest = after;
        let digits = text
            .strip_prefix(b"-")
            .or(text.strip_prefix(b"+"))
            .unwrap_or(text);
        let mut parts = digits.splitn(2, |&octet| octet == b'.');
        let (whole, part) = (parts.next().unwrap_or_default(), parts.next());
        let is_number = |text: &[u8]| !text.is_empty() && text.iter().all(u8::is_ascii_digit);
        let value = core::str::from_utf8(whole)
            .ok()
            .and_then(|text| text.parse::<u32>().ok());
        if !is_number(whole)
            || part.is_some_and(|part| !is_number(part))
            || value.is_none_or(|value| value > most)
        {
            return false;
        }
    }
    rest.is_empty()
}

/// Verifies the names in record data that may be compressed. A name that runs past RDLENGTH is left
/// for [`Record::data`](crate::wire::Record::data) to report, since it concerns that record alone;
/// one that is broken speaks against the whole message.
#[inline]
pub(crate) fn verify<F: Follow>(
    rtype: Type,
    octets: &[u8],
    start: usize,
    end: usize,
    follow: &mut F,
) -> Result<(), Stop> {
    let result = match rtype {
        Type::NS | Type::CNAME | Type::PTR => name_ref::check(octets, start, end, follow),
        Type::MX => name_ref::check(octets, start.saturating_add(2), end, follow),
        Type::SOA => name_ref::check(octets, start, end, follow)
            .and_then(|rname| name_ref::check(octets, rname, end, follow)),
        Type::TXT | Type::RRSIG | Type::NSEC | Type::NSEC3 | Type::DS | Type::DNSKEY => {
            return Ok(());
        }
        rtype => return verify_fields(rtype, octets, start, end, follow),
    };
    match result {
        Ok(_) | Err(Stop::Short) => Ok(()),
        Err(stop) => Err(stop),
    }
}

#[inline(never)]
fn verify_fields<F: Follow>(
    rtype: Type,
    octets: &[u8],
    start: usize,
    end: usize,
    follow: &mut F,
) -> Result<(), Stop> {
    let mut at = start;
    for &(_, kind) in fields_of(rtype).unwrap_or_default() {
        at = match kind {
            Kind::Name | Kind::OldName => match name_ref::check(octets, at, end, follow) {
                Ok(stop) => stop,
                Err(Stop::Short) => return Ok(()),
                Err(stop) => return Err(stop),
            },
            _ => match field_end(kind, octets, at, end) {
                Some(stop) => stop,
                None => return Ok(()),
            },
        };
    }
    Ok(())
}
