//! Mailboxes and paths as they are typed.

use bytes::{Bytes, BytesMut};
use core::fmt;
use core::net::{Ipv4Addr, Ipv6Addr};
use memchr::{memchr, memchr2};

/// Longest mailbox: local part, `@`, domain (RFC 5321 section 4.5.3.1).
const MAX_LEN: usize = 64 + 1 + 255;
/// Longest domain (RFC 5321 section 4.5.3.1.2).
const MAX_DOMAIN: usize = 255;

/// An address, `local-part@domain`, kept as it was typed: one owned buffer and two offsets.
///
/// ```text
/// Mailbox        = Local-part "@" ( Domain / address-literal )
/// Local-part     = Dot-string / Quoted-string            RFC 5321 section 4.1.2
/// ```
/// The domain may be missing for `postmaster` alone (RFC 5321 section 4.1.1.3), and, where the
/// caller says so, for any local part: LMTP servers name their users so.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mailbox {
    text: Bytes,
    /// Where the local part ends.
    local: usize,
}

/// What stands after the `@`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DomainKind {
    /// None: `postmaster`, or a user of an LMTP server.
    None,
    /// A domain name.
    Name,
    /// `[192.0.2.1]`.
    Ipv4(Ipv4Addr),
    /// `[IPv6:2001:db8::1]`.
    Ipv6(Ipv6Addr),
    /// `[tag:..]`, of a kind that has no standard.
    General,
}

impl Mailbox {
    /// Reads an address without angle brackets.
    ///
    /// # Errors
    ///
    /// [`AddressError`] when it does not follow RFC 5321 and RFC 6531.
    pub fn new(text: impl AsRef<[u8]>) -> Result<Self, AddressError> {
        let text = text.as_ref();
        let local = mailbox(text)?;
        Ok(Self {
            text: Bytes::copy_from_slice(text),
            local,
        })
    }

    /// Reads `<address>`, with a source route, which is dropped, as RFC 5321 appendix C has it.
    /// Says how many octets the path has.
    pub(super) fn path(text: &[u8]) -> Result<(Self, usize), AddressError> {
        let (inner, len) = brackets(text)?;
        let (inner, before) = skip_route(inner)?;
        let local = mailbox(inner).map_err(|error| error.behind(before.saturating_add(1)))?;
        Ok((
            Self {
                text: Bytes::copy_from_slice(inner),
                local,
            },
            len,
        ))
    }

    /// Reads an address that stands without angle brackets, up to a blank.
    pub(super) fn bare(text: &[u8]) -> Result<(Self, usize), AddressError> {
        let len = memchr(b' ', text).unwrap_or(text.len());
        Ok((Self::new(text.get(..len).unwrap_or_default())?, len))
    }

    /// The address as it was typed.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.text
    }

    /// What stands before the `@`, quotes included.
    #[must_use]
    pub fn local_part(&self) -> &[u8] {
        self.text.get(..self.local).unwrap_or_default()
    }

    /// What stands behind the `@`; empty when there is none.
    #[must_use]
    pub fn domain(&self) -> &[u8] {
        self.text
            .get(self.local.saturating_add(1)..)
            .unwrap_or_default()
    }

    /// The local part with its quoting undone: `"a b"` and `"\a b"` name the same mailbox.
    #[must_use]
    pub fn unquoted_local_part(&self) -> alloc::vec::Vec<u8> {
        let local = self.local_part();
        let [b'"', inner @ .., b'"'] = local else {
            return local.into();
        };
        let mut octets = alloc::vec::Vec::with_capacity(inner.len());
        let mut is_escaped = false;
        for &octet in inner {
            if octet == b'\\' && !is_escaped {
                is_escaped = true;
            } else {
                is_escaped = false;
                octets.push(octet);
            }
        }
        octets
    }

    /// What kind of domain there is.
    #[must_use]
    pub fn domain_kind(&self) -> DomainKind {
        match self.domain() {
            [] => DomainKind::None,
            [b'[', inner @ .., b']'] => literal(inner).unwrap_or(DomainKind::General),
            _ => DomainKind::Name,
        }
    }

    /// Whether there is an octet above 127: such an address needs SMTPUTF8 (RFC 6531).
    #[must_use]
    pub fn is_internationalized(&self) -> bool {
        !self.text.is_ascii()
    }

    pub(super) fn encode(&self, dst: &mut BytesMut) {
        dst.extend_from_slice(b"<");
        dst.extend_from_slice(&self.text);
        dst.extend_from_slice(b">");
    }
}

impl fmt::Debug for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{self}>")
    }
}

impl fmt::Display for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(core::str::from_utf8(&self.text).unwrap_or_default())
    }
}

impl core::str::FromStr for Mailbox {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        Self::new(text)
    }
}

/// Where a message comes from: an address, or `<>`, from which no bounce may come.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ReversePath {
    /// `<>`: the message is itself a notification (RFC 5321 section 4.5.5).
    Null,
    /// An address.
    Mailbox(Mailbox),
}

impl ReversePath {
    pub(super) fn path(text: &[u8]) -> Result<(Self, usize), AddressError> {
        if text.starts_with(b"<>") {
            return Ok((Self::Null, 2));
        }
        Mailbox::path(text).map(|(mailbox, len)| (Self::Mailbox(mailbox), len))
    }

    /// The address, if there is one.
    #[must_use]
    pub fn mailbox(&self) -> Option<&Mailbox> {
        match self {
            Self::Null => None,
            Self::Mailbox(mailbox) => Some(mailbox),
        }
    }

    /// See [`Mailbox::is_internationalized`].
    #[must_use]
    pub fn is_internationalized(&self) -> bool {
        self.mailbox().is_some_and(Mailbox::is_internationalized)
    }

    pub(super) fn encode(&self, dst: &mut BytesMut) {
        match self {
            Self::Null => dst.extend_from_slice(b"<>"),
            Self::Mailbox(mailbox) => mailbox.encode(dst),
        }
    }
}

impl From<Mailbox> for ReversePath {
    fn from(mailbox: Mailbox) -> Self {
        Self::Mailbox(mailbox)
    }
}

/// Octets that are no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an address, from octet {offset} on")]
pub struct AddressError {
    /// Where it stops being one.
    pub offset: usize,
}

impl AddressError {
    fn at(offset: usize) -> Self {
        Self { offset }
    }

    fn behind(self, before: usize) -> Self {
        Self {
            offset: self.offset.saturating_add(before),
        }
    }
}

/// What stands between the angle brackets, quoted ones aside, and the length of it all.
fn brackets(text: &[u8]) -> Result<(&[u8], usize), AddressError> {
    let inner = text.strip_prefix(b"<").ok_or(AddressError::at(0))?;
    // Hardly any address is quoted.
    let at = memchr2(b'>', b'"', inner).ok_or(AddressError::at(text.len()))?;
    if inner.get(at) == Some(&b'>') {
        return Ok((inner.get(..at).unwrap_or_default(), at.saturating_add(2)));
    }
    let (mut is_quoted, mut is_escaped) = (false, false);
    for (at, &octet) in inner.iter().enumerate() {
        match octet {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_quoted => is_escaped = true,
            b'"' => is_quoted = !is_quoted,
            b'>' if !is_quoted => {
                let simple = inner.get(..at).unwrap_or_default();
                return Ok((simple, at.saturating_add(2)));
            }
            _ => {}
        }
    }
    Err(AddressError::at(text.len()))
}

/// `@a,@b:` before the mailbox: accepted, ignored (RFC 5321 section 3.6.1).
fn skip_route(text: &[u8]) -> Result<(&[u8], usize), AddressError> {
    if text.first() != Some(&b'@') {
        return Ok((text, 0));
    }
    let colon = memchr(b':', text).ok_or(AddressError::at(0))?;
    let (route, rest) = text.split_at_checked(colon).unwrap_or_default();
    for hop in route.split(|&octet| octet == b',') {
        let domain = hop.strip_prefix(b"@").ok_or(AddressError::at(1))?;
        check_domain(domain, 1)?;
    }
    Ok((rest.get(1..).unwrap_or_default(), colon.saturating_add(1)))
}

/// Checks it all, and says where the local part ends.
fn mailbox(text: &[u8]) -> Result<usize, AddressError> {
    if text.len() > MAX_LEN {
        return Err(AddressError::at(MAX_LEN));
    }
    if !text.is_ascii()
        && let Err(error) = core::str::from_utf8(text)
    {
        return Err(AddressError::at(error.valid_up_to()));
    }
    let local = match text.first() {
        Some(b'"') => quoted(text)?,
        _ => dot_string(text)?,
    };
    match text.get(local..) {
        Some([]) => Ok(local),
        Some([b'@', domain @ ..]) => {
            check_domain(domain, local.saturating_add(1))?;
            Ok(local)
        }
        _ => Err(AddressError::at(local)),
    }
}

/// `Dot-string = Atom *("." Atom)`
fn dot_string(text: &[u8]) -> Result<usize, AddressError> {
    let mut at = 0_usize;
    loop {
        let rest = text.get(at..).unwrap_or_default();
        let atom = run(&LOCAL, rest);
        if atom == 0 {
            return Err(AddressError::at(at));
        }
        at = at.saturating_add(atom);
        if rest.get(atom) != Some(&b'.') {
            return Ok(at);
        }
        at = at.saturating_add(1);
    }
}

/// `Quoted-string = DQUOTE *QcontentSMTP DQUOTE`
fn quoted(text: &[u8]) -> Result<usize, AddressError> {
    let mut is_escaped = false;
    for (at, &octet) in text.iter().enumerate().skip(1) {
        match octet {
            _ if octet < b' ' || octet == 127 => return Err(AddressError::at(at)),
            // RFC 5321 section 4.1.2: quoted-pairSMTP is a printable ASCII octet.
            128.. if is_escaped => return Err(AddressError::at(at)),
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => return Ok(at.saturating_add(1)),
            _ => {}
        }
    }
    Err(AddressError::at(text.len()))
}

/// RFC 5322 section 3.2.3, and what RFC 6531 section 3.3 adds to it.
const LOCAL: [bool; 256] = class(b"!#$%&'*+-/=?^_`{|}~");
/// Letters, digits and the hyphen; the underscore, which host names should not have but have; and
/// U-labels.
const LABEL: [bool; 256] = class(b"-_");

/// How many octets at the front are of the class.
fn run(class: &[bool; 256], text: &[u8]) -> usize {
    let is_in = |octet: &u8| class.get(usize::from(*octet)).copied().unwrap_or(false);
    let end = text.iter().position(|octet| !is_in(octet));
    end.unwrap_or(text.len())
}

const fn class(others: &[u8]) -> [bool; 256] {
    let mut table = [false; 256];
    let mut octet = 0_u8;
    loop {
        let mut is_in = octet.is_ascii_alphanumeric() || octet >= 128;
        let mut rest = others;
        while let [first, tail @ ..] = rest {
            is_in = is_in || *first == octet;
            rest = tail;
        }
        #[expect(clippy::indexing_slicing, reason = "in a constant, of 256 entries")]
        {
            table[octet as usize] = is_in;
        }
        if octet == 255 {
            return table;
        }
        octet = octet.saturating_add(1);
    }
}

/// `Domain = sub-domain *("." sub-domain)`, or an address literal.
pub(super) fn check_domain(text: &[u8], before: usize) -> Result<(), AddressError> {
    let invalid = |at: usize| AddressError::at(before.saturating_add(at));
    if text.len() > MAX_DOMAIN {
        return Err(invalid(MAX_DOMAIN));
    }
    if let [b'[', inner @ .., b']'] = text {
        return literal(inner).map(|_| ()).ok_or(invalid(0));
    }
    let mut at = 0_usize;
    loop {
        let rest = text.get(at..).unwrap_or_default();
        let len = run(&LABEL, rest);
        let label = rest.get(..len).unwrap_or_default();
        if matches!(label, [] | [b'-', ..]) {
            return Err(invalid(at));
        }
        at = at.saturating_add(len);
        match rest.get(len) {
            _ if label.ends_with(b"-") => return Err(invalid(at)),
            None => return Ok(()),
            Some(b'.') => at = at.saturating_add(1),
            Some(_) => return Err(invalid(at)),
        }
    }
}

/// RFC 5321 section 4.1.3.
fn literal(inner: &[u8]) -> Option<DomainKind> {
    let text = core::str::from_utf8(inner).ok()?;
    if let Ok(address) = text.parse() {
        return Some(DomainKind::Ipv4(address));
    }
    let (tag, rest) = text.split_once(':')?;
    if tag.eq_ignore_ascii_case("IPv6") {
        return rest.parse().ok().map(DomainKind::Ipv6);
    }
    let is_tag = !tag.is_empty()
        && !tag.ends_with('-')
        && tag
            .bytes()
            .all(|octet| octet.is_ascii_alphanumeric() || octet == b'-');
    // Angle brackets and quotes, which the grammar allows, would move the end of the path.
    let is_content = !rest.is_empty()
        && rest
            .bytes()
            .all(|octet| matches!(octet, b'!' | b'#'..=b';' | b'=' | b'?'..=b'Z' | b'^'..=b'~'));
    (is_tag && is_content).then_some(DomainKind::General)
}
