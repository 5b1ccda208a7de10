//! Fields of MIME: a value and parameters (RFC 2045 section 5, RFC 2183, RFC 2231).

use super::lexer::{Lexer, Token, unescape};
use super::{charset, encoded_word};
use alloc::borrow::ToOwned as _;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use percent_encoding::percent_decode;

/// Parameters, and pieces of parameters, that are read of one field.
const MAX_PIECES: usize = 256;
/// Octets of the longest name of a file that [`Params::safe_file_name`] gives.
const MAX_FILE_NAME: usize = 255;

/// How the body of an entity is encoded (RFC 2045 section 6.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Encoding {
    /// `7bit`: lines of ASCII. When nothing is said, that.
    SevenBit,
    /// `8bit`: lines of octets.
    EightBit,
    /// `binary`: octets.
    Binary,
    /// `quoted-printable`.
    QuotedPrintable,
    /// `base64`.
    Base64,
    /// One that nobody here knows.
    Unknown,
}

impl Encoding {
    /// Reads the value of a `Content-Transfer-Encoding` field.
    #[must_use]
    pub fn parse(value: &[u8]) -> Self {
        let mut lexer = Lexer::mime(value);
        let name = match lexer.next_word() {
            Some(Token::Atom(name) | Token::Quoted(name)) => name,
            // An empty field says nothing.
            None => return Self::SevenBit,
            Some(_) => return Self::Unknown,
        };
        let known = [
            Self::SevenBit,
            Self::EightBit,
            Self::Binary,
            Self::QuotedPrintable,
            Self::Base64,
        ];
        known
            .into_iter()
            .find(|encoding| name.eq_ignore_ascii_case(encoding.as_str().as_bytes()))
            .unwrap_or(Self::Unknown)
    }

    /// Its name; empty for an unknown one.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SevenBit => "7bit",
            Self::EightBit => "8bit",
            Self::Binary => "binary",
            Self::QuotedPrintable => "quoted-printable",
            Self::Base64 => "base64",
            Self::Unknown => "",
        }
    }
}

/// A parameter, continuations put together (RFC 2231 section 3).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Param {
    name: String,
    octets: Vec<u8>,
    charset: Option<Vec<u8>>,
    language: Option<String>,
}

impl Param {
    /// Its name, in lower case.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its value as octets, quotes and percent signs undone.
    #[must_use]
    pub fn octets(&self) -> &[u8] {
        &self.octets
    }

    /// Its value as text: in the charset that it names (RFC 2231 section 4), or else with encoded
    /// words decoded, which must not stand there and do.
    #[must_use]
    pub fn text(&self) -> String {
        match &self.charset {
            Some(charset) => charset::decode(charset, &self.octets).0.into_owned(),
            None => encoded_word::decode(&self.octets),
        }
    }

    /// The language that it names.
    #[must_use]
    pub fn language(&self) -> Option<&str> {
        self.language.as_deref()
    }
}

impl fmt::Debug for Param {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={:?}", self.name, self.text())
    }
}

/// The parameters of a field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Params {
    /// In the order in which they first appear.
    list: Vec<Param>,
    is_ambiguous: bool,
}

impl Params {
    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Param> {
        self.list.iter()
    }

    /// The one with this name, which is in lower case.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Param> {
        self.list.iter().find(|param| param.name == name)
    }

    /// Whether one stands twice, a continuation is missing, there are more than 256 pieces, or
    /// something is no parameter: another reader may see other values.
    #[must_use]
    pub fn is_ambiguous(&self) -> bool {
        self.is_ambiguous
    }

    /// The name of the file that `filename` or `name` proposes, as it was written. Never open a file
    /// with it.
    #[must_use]
    pub fn file_name(&self) -> Option<String> {
        let param = self.find("filename").or_else(|| self.find("name"))?;
        Some(param.text())
    }

    /// The same as a single component of a path that is harmless on Unix and Windows: without
    /// directories, controls, characters that change the direction of writing, and leading dots; no
    /// name of a device; at most 255 octets. Nothing when nothing is left.
    #[must_use]
    pub fn safe_file_name(&self) -> Option<String> {
        safe_file_name(&self.file_name()?)
    }
}

fn safe_file_name(name: &str) -> Option<String> {
    let last = name.rsplit(['/', '\\']).next()?;
    let mut safe: String = last
        .chars()
        .filter(|character| !character.is_control() && !is_direction(*character))
        .map(|character| {
            if r#"<>:"|?*"#.contains(character) {
                '_'
            } else {
                character
            }
        })
        .collect();
    // Windows drops dots and blanks at the end.
    let harmless = |name: &str| {
        name.trim()
            .trim_start_matches('.')
            .trim()
            .trim_end_matches(['.', ' '])
            .to_owned()
    };
    while safe.len() > MAX_FILE_NAME {
        safe.pop();
    }
    safe = harmless(&safe);
    while harmless(&safe) != safe {
        safe = harmless(&safe);
    }
    let stem = safe.split('.').next().unwrap_or_default().trim_end();
    let is_device = ["CON", "PRN", "AUX", "NUL"]
        .iter()
        .any(|device| stem.eq_ignore_ascii_case(device))
        || stem.get(..3).is_some_and(|front| {
            front.eq_ignore_ascii_case("COM") || front.eq_ignore_ascii_case("LPT")
        }) && stem.chars().count() == 4
            && stem
                .chars()
                .next_back()
                .is_some_and(|last| last.is_numeric());
    if is_device {
        safe.insert(0, '_');
    }
    (!safe.is_empty()).then_some(safe)
}

/// Marks, embeddings, overrides and isolates of direction, and what shows as nothing.
fn is_direction(character: char) -> bool {
    matches!(
        character,
        '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{61c}' | '\u{feff}'
    )
}

/// A media type with its parameters (RFC 2045 section 5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContentType {
    kind: String,
    subtype: String,
    params: Params,
}

impl ContentType {
    /// A type without parameters.
    #[must_use]
    pub(super) fn new(kind: &str, subtype: &str) -> Self {
        Self {
            kind: kind.to_owned(),
            subtype: subtype.to_owned(),
            params: Params::default(),
        }
    }

    /// Reads the value of a `Content-Type` field; nothing when it has no type and subtype.
    ///
    /// ```
    /// use proto_mail::message::ContentType;
    ///
    /// let parsed = ContentType::parse(b"Text/HTML; charset=\"utf-8\"; name*0*=utf-8''caf%C3; name*1*=%A9").unwrap();
    /// assert_eq!((parsed.kind(), parsed.subtype()), ("text", "html"));
    /// assert_eq!(parsed.params().find("name").unwrap().text(), "caf\u{e9}");
    /// ```
    #[must_use]
    pub fn parse(value: &[u8]) -> Option<Self> {
        let (kind, subtype) = Self::essence(value)?;
        let lower = |text: &[u8]| String::from_utf8_lossy(text).to_ascii_lowercase();
        Some(Self {
            kind: lower(kind),
            subtype: lower(subtype),
            params: params(value).1,
        })
    }

    /// Type and subtype as they stand there.
    pub(super) fn essence(value: &[u8]) -> Option<(&[u8], &[u8])> {
        // Nearly all are `type/subtype` and a semicolon or the end.
        let end = memchr::memchr(b';', value).unwrap_or(value.len());
        let plain = value.get(..end).unwrap_or_default().trim_ascii();
        if let Some(slash) = memchr::memchr(b'/', plain) {
            let (kind, rest) = plain.split_at_checked(slash)?;
            let subtype = rest.get(1..).unwrap_or_default();
            if is_token(kind) && is_token(subtype) {
                return Some((kind, subtype));
            }
        }
        let mut lexer = Lexer::mime(value);
        let Token::Atom(first) = lexer.next_word()? else {
            return None;
        };
        let (kind, subtype) = match memchr::memchr(b'/', first) {
            Some(slash) => {
                let (kind, rest) = first.split_at_checked(slash)?;
                (kind, rest.get(1..)?)
            }
            // Blanks around the slash.
            None => match lexer.next_word()? {
                Token::Atom(rest) => (first, rest.strip_prefix(b"/")?),
                _ => return None,
            },
        };
        let subtype = if subtype.is_empty() {
            match lexer.next_word()? {
                Token::Atom(subtype) => subtype,
                _ => return None,
            }
        } else {
            subtype
        };
        (is_token(kind) && is_token(subtype)).then_some((kind, subtype))
    }

    /// [`boundary`](Self::boundary) of a value, without reading the rest where all of it is plain.
    pub(super) fn boundary_of(value: &[u8]) -> Option<Vec<u8>> {
        match plain_boundary(value) {
            Some(boundary) => Some(boundary.to_owned()),
            None => Self::parse(value)?.boundary().map(<[u8]>::to_owned),
        }
    }

    /// The type, in lower case.
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// The subtype, in lower case.
    #[must_use]
    pub fn subtype(&self) -> &str {
        &self.subtype
    }

    /// The parameters.
    #[must_use]
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// The charset of a text; `us-ascii` when nothing is said (RFC 2046 section 4.1.2).
    #[must_use]
    pub fn charset(&self) -> &[u8] {
        self.params
            .find("charset")
            .map_or(b"us-ascii", Param::octets)
    }

    /// The boundary of a multipart, without blanks at its end (RFC 2046 section 5.1.1: it must have
    /// none). Nothing when there is none or it is empty.
    #[must_use]
    pub fn boundary(&self) -> Option<&[u8]> {
        let boundary = self.params.find("boundary")?.octets().trim_ascii_end();
        (!boundary.is_empty()).then_some(boundary)
    }
}

/// A disposition with its parameters (RFC 2183).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disposition {
    kind: String,
    params: Params,
}

impl Disposition {
    /// Reads the value of a `Content-Disposition` field; nothing when it has no token at its front.
    #[must_use]
    pub fn parse(value: &[u8]) -> Option<Self> {
        let (kind, params) = params(value);
        is_token(&kind).then(|| Self {
            kind: String::from_utf8_lossy(&kind).to_ascii_lowercase(),
            params,
        })
    }

    /// `inline`, `attachment` or another one, in lower case. An unknown one is to be treated as
    /// `attachment` (RFC 2183 section 2.8).
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// The parameters.
    #[must_use]
    pub fn params(&self) -> &Params {
        &self.params
    }
}

/// `token` (RFC 2045 section 5.1), with a slash, which subtypes are seen with, and octets of UTF-8.
fn is_token(text: &[u8]) -> bool {
    !text.is_empty()
        && text.iter().all(|octet| {
            (octet.is_ascii_graphic() && !b"()<>@,;:\\\"[]?=".contains(octet)) || *octet >= 128
        })
}

/// The boundary of a value in which nothing is odd: no comments, escapes, pieces, encoded words, and quotes
/// only around whole values.
fn plain_boundary(value: &[u8]) -> Option<&[u8]> {
    if memchr::memchr3(b'(', b'\\', b'*', value).is_some() {
        return None;
    }
    let mut found = None;
    for param in value.split(|octet| *octet == b';').skip(1) {
        let at = memchr::memchr(b'=', param)?;
        let (name, rest) = param.split_at_checked(at)?;
        let text = rest.get(1..)?.trim_ascii();
        let text = match text {
            [b'"', inner @ .., b'"'] if memchr::memchr(b'"', inner).is_none() => inner,
            text if is_token(text) => text,
            _ => return None,
        };
        if found.is_none() && name.trim_ascii().eq_ignore_ascii_case(b"boundary") {
            found = Some(text.trim_ascii_end());
        }
    }
    found.filter(|boundary| !boundary.is_empty())
}

/// A piece of a parameter as it stands there.
struct Piece<'a> {
    name: &'a [u8],
    /// Its place among the pieces of one parameter; nothing when it is all.
    index: Option<u32>,
    is_extended: bool,
    value: Vec<u8>,
    /// Its place in the field.
    order: usize,
}

/// The value before the parameters, and they. A semicolon between parameters may be missing.
fn params(value: &[u8]) -> (Vec<u8>, Params) {
    let mut lexer = Lexer::mime(value);
    let mut head = Vec::new();
    let mut pieces: Vec<Piece<'_>> = Vec::new();
    let mut is_ambiguous = false;
    // Words since the last semicolon or parameter.
    let mut last: Option<&[u8]> = None;
    let mut is_head = true;
    let mut is_open = false;
    while let Some(token) = lexer.next_word() {
        match token {
            Token::Special(b'=') => {
                let Some(name) = last.take() else {
                    is_ambiguous = true;
                    if is_head {
                        head.push(b'=');
                    }
                    continue;
                };
                is_head = false;
                let value = param_value(&mut lexer);
                is_open = matches!(value, Value::Atom(_));
                let value = match value {
                    Value::Atom(atom) => atom.to_owned(),
                    Value::Quoted(inner) => {
                        let mut text = Vec::new();
                        unescape(inner, &mut text);
                        text
                    }
                    Value::None => Vec::new(),
                };
                if pieces.len() < MAX_PIECES {
                    pieces.push(piece(name, value, pieces.len()));
                } else {
                    is_ambiguous = true;
                }
            }
            Token::Special(_) => {
                if last.is_some() && !is_head {
                    is_ambiguous = true;
                }
                is_head = false;
                is_open = false;
                last = None;
            }
            Token::Atom(atom) => {
                let is_name = lexer.clone().next_word() == Some(Token::Special(b'='));
                if is_name && !(is_head && head.is_empty()) {
                    is_head = false;
                    last = Some(atom);
                } else if is_head {
                    head.extend_from_slice(atom);
                } else if let Some(piece) = pieces.last_mut().filter(|_| is_open) {
                    // A value with blanks and no quotes.
                    is_ambiguous = true;
                    piece.value.push(b' ');
                    piece.value.extend_from_slice(atom);
                } else {
                    last = Some(atom);
                }
            }
            _ => is_ambiguous |= !is_head,
        }
    }
    is_ambiguous |= lexer.is_broken;
    let mut params = assemble(pieces);
    params.is_ambiguous |= is_ambiguous;
    (head, params)
}

enum Value<'a> {
    Atom(&'a [u8]),
    Quoted(&'a [u8]),
    None,
}

fn param_value<'a>(lexer: &mut Lexer<'a>) -> Value<'a> {
    // An encoded word without quotes has an equals sign at its front.
    let rest = lexer.rest().trim_ascii_start();
    if let Some(len) = encoded_word::len_at_front(rest) {
        let (word, after) = rest.split_at_checked(len).unwrap_or_default();
        *lexer = Lexer::mime(after);
        return Value::Atom(word);
    }
    let mut ahead = lexer.clone();
    match ahead.next_word() {
        Some(Token::Atom(atom)) => {
            *lexer = ahead;
            Value::Atom(atom)
        }
        Some(Token::Quoted(inner)) => {
            *lexer = ahead;
            Value::Quoted(inner)
        }
        _ => Value::None,
    }
}

fn piece(name: &[u8], value: Vec<u8>, order: usize) -> Piece<'_> {
    let (base, is_extended) = match name.strip_suffix(b"*") {
        Some(base) => (base, true),
        None => (name, false),
    };
    let star = memchr::memrchr(b'*', base);
    let index = star.and_then(|star| {
        let digits = base.get(star.saturating_add(1)..)?;
        if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        core::str::from_utf8(digits).ok()?.parse().ok()
    });
    let name = match (star, index) {
        (Some(star), Some(_)) => base.get(..star).unwrap_or_default(),
        _ => base,
    };
    Piece {
        name,
        index,
        is_extended,
        value,
        order,
    }
}

/// Puts pieces together, each once: what is written whole, extended first (RFC 5987 section 4.2 has
/// that rule for HTTP), or else the continuations from 0 on.
fn assemble(mut pieces: Vec<Piece<'_>>) -> Params {
    let lower = |name: &[u8]| String::from_utf8_lossy(name).to_ascii_lowercase();
    // By name, then the whole ones with the extended in front, then the continuations in order.
    pieces.sort_by_cached_key(|piece| {
        let rank = piece
            .index
            .map_or(0, |index| u64::from(index).saturating_add(1));
        (lower(piece.name), rank, !piece.is_extended, piece.order)
    });
    let mut found: Vec<(usize, Param)> = Vec::new();
    let mut is_ambiguous = false;
    let mut rest = pieces.as_slice();
    while let Some(first) = rest.first() {
        let same = rest
            .iter()
            .position(|piece| !piece.name.eq_ignore_ascii_case(first.name))
            .unwrap_or(rest.len());
        let (group, after) = rest.split_at_checked(same).unwrap_or((rest, &[]));
        rest = after;
        let order = group.iter().map(|piece| piece.order).min().unwrap_or(0);
        let used = if first.index.is_none() {
            core::slice::from_ref(first)
        } else {
            let run = group
                .iter()
                .zip(0_u32..)
                .take_while(|(piece, wanted)| piece.index == Some(*wanted))
                .count();
            group.get(..run).unwrap_or_default()
        };
        is_ambiguous |= used.len() != group.len();
        if used.is_empty() {
            continue;
        }
        found.push((order, param(lower(first.name), used)));
    }
    found.sort_by_key(|(order, _)| *order);
    Params {
        list: found.into_iter().map(|(_, param)| param).collect(),
        is_ambiguous,
    }
}

fn param(name: String, pieces: &[Piece<'_>]) -> Param {
    let mut param = Param {
        name,
        octets: Vec::new(),
        charset: None,
        language: None,
    };
    for (index, piece) in pieces.iter().enumerate() {
        let mut value = piece.value.as_slice();
        if index == 0 && piece.is_extended {
            // charset'language'value
            let mut parts = value.splitn(3, |octet| *octet == b'\'');
            if let (Some(charset), Some(language), Some(rest)) =
                (parts.next(), parts.next(), parts.next())
            {
                param.charset = Some(
                    if charset.is_empty() {
                        b"us-ascii"
                    } else {
                        charset
                    }
                    .to_owned(),
                );
                if !language.is_empty() {
                    param.language = Some(String::from_utf8_lossy(language).into_owned());
                }
                value = rest;
            }
        }
        if piece.is_extended {
            param.octets.extend(percent_decode(value));
        } else {
            param.octets.extend_from_slice(value);
        }
    }
    param
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_short_way_to_a_boundary_is_the_long_one() {
        for value in [
            "multipart/mixed; boundary=a",
            "multipart/mixed;boundary=\"a b\"; charset=x",
            "multipart/mixed; BOUNDARY = \"a;b\"",
            "multipart/mixed; boundary=\"a\\\"b\"",
            "multipart/mixed; boundary*0=a; boundary*1=b",
            "multipart/mixed; boundary=a; boundary=b",
            "multipart/mixed; x=y boundary=b",
            "multipart/mixed; boundary=a/b:c",
            "multipart/mixed; boundary=\"\"",
            "multipart/mixed; boundary=",
            "multipart/mixed; boundary=\"a \"",
            "multipart/mixed; boundary=\"a",
            "multipart/mixed; boundary==?utf-8?q?a?=",
            "multipart/mixed; boundary=\"=?utf-8?q?a?=\"",
            "multipart/mixed boundary=a",
            "multipart/mixed; name=\"x; boundary=y\"; boundary=z",
        ] {
            let long = ContentType::parse(value.as_bytes()).unwrap();
            assert_eq!(
                ContentType::boundary_of(value.as_bytes()).as_deref(),
                long.boundary(),
                "{value}"
            );
        }
    }
}
