//! Which field sections are messages (RFC 9113 sections 8.1 to 8.5). One layer, which
//! [`Validation`](crate::Validation) switches.

use crate::Fields;

/// Why a message is malformed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Malformed {
    /// A name that is empty, has upper case or an octet that no name may have.
    #[error("a field name has a forbidden octet")]
    Name,
    /// A value with CR, LF or NUL, or with white space around it.
    #[error("a field value has a forbidden octet")]
    Value,
    /// A pseudo-field that is unknown, repeated, misplaced, missing or not for this message.
    #[error("the pseudo-fields are not those of such a message")]
    Pseudo,
    /// A field about the connection.
    #[error("a field of HTTP/1.1 connections")]
    ConnectionField,
    /// A method, scheme, path or authority that cannot be one.
    #[error("the request target is none")]
    Target,
    /// Host and `:authority` differ.
    #[error("host and authority differ")]
    Host,
    /// A status that is none.
    #[error("the status is none")]
    Status,
    /// A content-length that is no number or differs from another one or from the body.
    #[error("the content-length is wrong")]
    ContentLength,
    /// The stream does not end with the trailers, or ends with an informational response.
    #[error("the stream ends where it may not, or not where it has to")]
    EndStream,
    /// More fields, or larger ones, than the limit.
    #[error("too many fields")]
    TooLarge,
}

/// What the machine has to know of a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) content_length: Option<u64>,
    pub(crate) is_head: bool,
    pub(crate) is_connect: bool,
    pub(crate) status: u16,
}

/// Octets of tokens (RFC 9110 section 5.6.2), without upper case.
const NAME: [bool; 256] = name_octets();

#[allow(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "runs in the compiler"
)]
const fn name_octets() -> [bool; 256] {
    let mut table = [false; 256];
    let allowed = b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz";
    let mut index = 0;
    while index < allowed.len() {
        table[allowed[index] as usize] = true;
        index += 1;
    }
    table
}

fn is_name(name: &[u8]) -> bool {
    !name.is_empty()
        && name
            .iter()
            .all(|&octet| NAME.get(usize::from(octet)).copied().unwrap_or(false))
}

fn is_token(text: &[u8]) -> bool {
    !text.is_empty()
        && text.iter().all(|&octet| {
            octet.is_ascii_uppercase() || NAME.get(usize::from(octet)).copied().unwrap_or(false)
        })
}

/// RFC 9113 section 8.2.1: no NUL, LF, CR; no SP or HTAB at either end.
fn is_value(value: &[u8]) -> bool {
    let edge = |octet: Option<&u8>| matches!(octet, Some(b' ' | b'\t'));
    !edge(value.first())
        && !edge(value.last())
        && !value.iter().any(|octet| matches!(octet, 0 | b'\r' | b'\n'))
}

/// No control octets, no space.
fn is_visible(text: &[u8]) -> bool {
    text.iter().all(|&octet| octet > 0x20 && octet != 0x7f)
}

fn number(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > 19 {
        return None;
    }
    text.iter().try_fold(0u64, |sum, octet| {
        let digit = octet.is_ascii_digit().then(|| octet.wrapping_sub(b'0'))?;
        sum.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

/// What is checked of every field that is no pseudo-field.
fn regular(name: &[u8], value: &[u8], facts: &mut Facts) -> Result<(), Malformed> {
    if !is_name(name) {
        return Err(Malformed::Name);
    }
    match name {
        // RFC 9113 section 8.2.2.
        b"connection" | b"keep-alive" | b"proxy-connection" | b"transfer-encoding" | b"upgrade" => {
            Err(Malformed::ConnectionField)
        }
        b"te" if !value.eq_ignore_ascii_case(b"trailers") => Err(Malformed::ConnectionField),
        b"content-length" => {
            let length = number(value).ok_or(Malformed::ContentLength)?;
            if facts.content_length.is_some_and(|other| other != length) {
                return Err(Malformed::ContentLength);
            }
            facts.content_length = Some(length);
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Puts a value where there must be none yet.
fn once<'a>(place: &mut Option<&'a [u8]>, value: &'a [u8]) -> Result<(), Malformed> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(Malformed::Pseudo),
    }
}

/// A request. `extended` where CONNECT may name a protocol (RFC 8441).
pub(crate) fn request(fields: &Fields, extended: bool) -> Result<Facts, Malformed> {
    let mut facts = Facts::default();
    let (mut method, mut scheme, mut authority, mut path) = (None, None, None, None);
    let (mut protocol, mut host) = (None, None);
    let mut in_pseudo = true;
    for field in fields.iter() {
        if !is_value(field.value) {
            return Err(Malformed::Value);
        }
        if field.name.first() == Some(&b':') {
            // RFC 9113 section 8.3: before all others.
            if !in_pseudo {
                return Err(Malformed::Pseudo);
            }
            match field.name {
                b":method" => once(&mut method, field.value)?,
                b":scheme" => once(&mut scheme, field.value)?,
                b":authority" => once(&mut authority, field.value)?,
                b":path" => once(&mut path, field.value)?,
                b":protocol" if extended => once(&mut protocol, field.value)?,
                _ => return Err(Malformed::Pseudo),
            }
            continue;
        }
        in_pseudo = false;
        regular(field.name, field.value, &mut facts)?;
        if field.name == b"host" {
            once(&mut host, field.value).map_err(|_| Malformed::Host)?;
        }
    }
    let method = method.ok_or(Malformed::Pseudo)?;
    if !is_token(method) {
        return Err(Malformed::Target);
    }
    facts.is_head = method == b"HEAD";
    facts.is_connect = method == b"CONNECT" && protocol.is_none();
    if let Some(authority) = authority {
        // RFC 9113 section 8.3.1: no userinfo.
        if authority.is_empty() || !is_visible(authority) || authority.contains(&b'@') {
            return Err(Malformed::Target);
        }
        if host.is_some_and(|host| !host.eq_ignore_ascii_case(authority)) {
            return Err(Malformed::Host);
        }
    }
    if facts.is_connect {
        // RFC 9113 section 8.5.
        if scheme.is_some() || path.is_some() || authority.is_none() {
            return Err(Malformed::Pseudo);
        }
        return Ok(facts);
    }
    if protocol.is_some() && (method != b"CONNECT" || authority.is_none()) {
        return Err(Malformed::Pseudo);
    }
    let scheme = scheme.ok_or(Malformed::Pseudo)?;
    let path = path.ok_or(Malformed::Pseudo)?;
    if !scheme.first().is_some_and(u8::is_ascii_alphabetic)
        || !scheme
            .iter()
            .all(|o| o.is_ascii_alphanumeric() || matches!(o, b'+' | b'-' | b'.'))
    {
        return Err(Malformed::Target);
    }
    // RFC 9113 section 8.3.1: not empty for http and https; "*" for OPTIONS alone.
    let is_http = matches!(scheme, b"http" | b"https");
    let is_path = path.first() == Some(&b'/') || (path == b"*" && method == b"OPTIONS");
    if !is_visible(path) || path.contains(&b'#') || (is_http && !is_path) {
        return Err(Malformed::Target);
    }
    Ok(facts)
}

/// A response, final or informational.
pub(crate) fn response(fields: &Fields) -> Result<Facts, Malformed> {
    let mut facts = Facts::default();
    let mut status = None;
    let mut in_pseudo = true;
    for field in fields.iter() {
        if !is_value(field.value) {
            return Err(Malformed::Value);
        }
        if field.name.first() == Some(&b':') {
            if !in_pseudo || field.name != b":status" {
                return Err(Malformed::Pseudo);
            }
            once(&mut status, field.value)?;
            continue;
        }
        in_pseudo = false;
        regular(field.name, field.value, &mut facts)?;
    }
    status.ok_or(Malformed::Pseudo)?;
    facts.status = fields.status().ok_or(Malformed::Status)?;
    // RFC 9113 section 8.6: there is no 101.
    if facts.status == 101 {
        return Err(Malformed::Status);
    }
    Ok(facts)
}

/// Trailers.
pub(crate) fn trailers(fields: &Fields) -> Result<(), Malformed> {
    let mut facts = Facts::default();
    for field in fields.iter() {
        if field.name.first() == Some(&b':') {
            return Err(Malformed::Pseudo);
        }
        if !is_value(field.value) {
            return Err(Malformed::Value);
        }
        regular(field.name, field.value, &mut facts)?;
    }
    Ok(())
}

/// The facts of a message that is not checked.
pub(crate) fn facts(fields: &Fields) -> Facts {
    let method = fields.method().unwrap_or_default();
    Facts {
        content_length: None,
        is_head: method == b"HEAD",
        is_connect: method == b"CONNECT",
        status: fields.status().unwrap_or(200),
    }
}
