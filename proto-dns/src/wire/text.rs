//! The tokens of the presentation format (RFC 1035 section 5.1).

use super::name::{MAX_LABEL, MAX_NAME};
use crate::error::NameFault;
use alloc::vec::Vec;

/// What is wrong with a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// A closing parenthesis without an opening one, or an opening one without an end.
    #[error("unbalanced parentheses")]
    Parentheses,
    /// A string whose quote is not closed on the same line.
    #[error("an unterminated string")]
    Unterminated,
    /// A backslash that is followed neither by three digits up to 255 nor by another character.
    #[error("a broken escape")]
    Escape,
    /// Something is missing.
    #[error("the line ends too early")]
    Missing,
    /// Something is left over.
    #[error("more than the record holds")]
    Extra,
    /// A name that is none.
    #[error("a bad name: {0}")]
    Name(NameFault),
    /// A relative name, and no origin.
    #[error("a relative name without an origin")]
    NoOrigin,
    /// A number that is none, or is out of range.
    #[error("a bad number")]
    Number,
    /// An address that is none.
    #[error("a bad address")]
    Address,
    /// Digits of base16, base32 or base64 that are none.
    #[error("bad digits")]
    Digits,
    /// A type that is not known, and not written as RFC 3597 says.
    #[error("an unknown type")]
    UnknownType,
    /// A string of more than 255 octets, or data of more than 65 535.
    #[error("too long")]
    TooLong,
    /// A length that does not fit the data.
    #[error("the length does not fit the data")]
    Length,
    /// Parameters of a service that are none (RFC 9460).
    #[error("bad service parameters")]
    SvcParam,
    /// A class other than that of the zone.
    #[error("another class")]
    Class,
    /// No TTL, and none to inherit.
    #[error("no TTL")]
    NoTtl,
    /// No owner, and none to inherit.
    #[error("no owner")]
    NoOwner,
    /// A directive that is not known.
    #[error("an unknown directive")]
    Directive,
    /// A range or template of $GENERATE that is none, or makes too many records.
    #[error("a bad $GENERATE")]
    Generate,
    /// A type that stands in no zone file.
    #[error("a type that stands in no zone")]
    MetaType,
}

/// A word, or a quoted string without its quotes. Escapes are still there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Token<'a> {
    pub(crate) raw: &'a [u8],
    pub(crate) quoted: bool,
}

/// Where tokens come from.
pub(crate) trait Tokens {
    /// The next token of the record, if there is one.
    fn next(&mut self) -> Result<Option<Token<'_>>, Fault>;

    fn required(&mut self) -> Result<Token<'_>, Fault> {
        self.next()?.ok_or(Fault::Missing)
    }
}

const BLANK: u8 = 1;
const SPECIAL: u8 = 2;
const ESCAPE: u8 = 4;

/// What each octet means outside of quotes.
static CLASSES: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut table = [0; 256];
    // A walk over mutable places, since a constant function may not call much.
    let mut rest: &mut [u8] = &mut table;
    let mut octet = 0u8;
    while let Some((place, after)) = rest.split_first_mut() {
        *place = match octet {
            b' ' | b'\t' | b'\r' => BLANK,
            b'\n' | b'(' | b')' | b';' | b'"' => SPECIAL,
            b'\\' => ESCAPE,
            _ => 0,
        };
        octet = octet.wrapping_add(1);
        rest = after;
    }
    table
}

#[inline]
fn class(octet: u8) -> u8 {
    CLASSES.get(usize::from(octet)).copied().unwrap_or(0)
}

/// Cuts a text into tokens, record by record.
#[derive(Clone, Debug)]
pub(crate) struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
    /// Where the token that was read last begins.
    token: usize,
    depth: u32,
}

impl<'a> Scanner<'a> {
    pub(crate) const fn new(text: &'a [u8]) -> Self {
        Self {
            text,
            at: 0,
            token: 0,
            depth: 0,
        }
    }

    /// Line and column, from 1, of the token that was read last.
    pub(crate) fn position(&self) -> (usize, usize) {
        let before = self.text.get(..self.token).unwrap_or(self.text);
        let lines = before.iter().filter(|&&octet| octet == b'\n').count();
        let start = before
            .iter()
            .rposition(|&octet| octet == b'\n')
            .map_or(0, |at| at.saturating_add(1));
        (
            lines.saturating_add(1),
            before.len().saturating_sub(start).saturating_add(1),
        )
    }

    pub(crate) const fn is_at_end(&self) -> bool {
        self.at >= self.text.len()
    }

    /// Whether the line begins with a blank: the owner is that of the record before.
    #[inline]
    pub(crate) fn starts_blank(&self) -> bool {
        self.text
            .get(self.at)
            .is_some_and(|&octet| class(octet) == BLANK)
    }

    /// Reads the next token of this record; `None` at its end.
    #[inline]
    pub(crate) fn token(&mut self) -> Result<Option<Token<'a>>, Fault> {
        loop {
            let Some(&octet) = self.text.get(self.at) else {
                self.token = self.at;
                if self.depth > 0 {
                    self.depth = 0;
                    return Err(Fault::Parentheses);
                }
                return Ok(None);
            };
            match class(octet) {
                BLANK => self.at = self.at.wrapping_add(1),
                SPECIAL => {
                    self.token = self.at;
                    match octet {
                        b'\n' if self.depth == 0 => return Ok(None),
                        b'\n' => self.at = self.at.wrapping_add(1),
                        b';' => self.skip_comment(),
                        b'"' => return self.string().map(Some),
                        b'(' => {
                            self.depth = self.depth.saturating_add(1);
                            self.at = self.at.wrapping_add(1);
                        }
                        _ => {
                            self.depth = self.depth.checked_sub(1).ok_or(Fault::Parentheses)?;
                            self.at = self.at.wrapping_add(1);
                        }
                    }
                }
                _ => return self.word().map(Some),
            }
        }
    }

    /// Goes behind the end of this line, whatever it holds.
    #[inline]
    pub(crate) fn end_line(&mut self) {
        self.depth = 0;
        match self.text.get(self.at) {
            Some(b'\n') => self.at = self.at.wrapping_add(1),
            Some(_) => {
                self.skip_comment();
                self.at = self.at.saturating_add(1).min(self.text.len());
            }
            None => {}
        }
    }

    /// What is left of this line, comments included.
    pub(crate) fn rest_of_line(&mut self) -> &'a [u8] {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let len = rest
            .iter()
            .position(|&octet| octet == b'\n')
            .unwrap_or(rest.len());
        self.token = self.at;
        self.at = self.at.saturating_add(len);
        rest.get(..len).unwrap_or_default()
    }

    fn skip_comment(&mut self) {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let len = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        self.at = self.at.saturating_add(len);
    }

    #[inline]
    fn word(&mut self) -> Result<Token<'a>, Fault> {
        let start = self.at;
        self.token = start;
        let mut at = start;
        while let Some(&octet) = self.text.get(at) {
            match class(octet) {
                0 => at = at.wrapping_add(1),
                ESCAPE => {
                    at = at.wrapping_add(2);
                    if at > self.text.len() || self.text.get(at.wrapping_sub(1)) == Some(&b'\n') {
                        self.at = at.wrapping_sub(1);
                        return Err(Fault::Escape);
                    }
                }
                // Inside a word, as in key="value", quotes hide blanks.
                SPECIAL if octet == b'"' => {
                    self.at = at;
                    self.string()?;
                    at = self.at;
                }
                _ => break,
            }
        }
        self.at = at;
        self.token = start;
        Ok(Token {
            raw: self.text.get(start..at).unwrap_or_default(),
            quoted: false,
        })
    }

    fn string(&mut self) -> Result<Token<'a>, Fault> {
        self.token = self.at;
        let start = self.at.wrapping_add(1);
        let mut at = start;
        loop {
            match self.text.get(at) {
                Some(b'"') => break,
                Some(b'\\') => at = at.wrapping_add(2),
                None | Some(b'\n') => {
                    self.at = at.min(self.text.len());
                    return Err(Fault::Unterminated);
                }
                Some(_) => at = at.wrapping_add(1),
            }
        }
        self.at = at.wrapping_add(1);
        Ok(Token {
            raw: self.text.get(start..at).unwrap_or_default(),
            quoted: true,
        })
    }
}

impl Tokens for Scanner<'_> {
    #[inline]
    fn next(&mut self) -> Result<Option<Token<'_>>, Fault> {
        self.token()
    }
}

/// One octet, which may be escaped, and the rest.
#[inline]
pub(crate) fn unescape_one(text: &[u8]) -> Result<Option<(u8, &[u8])>, Fault> {
    let Some((&first, rest)) = text.split_first() else {
        return Ok(None);
    };
    if first != b'\\' {
        return Ok(Some((first, rest)));
    }
    let (&next, rest) = rest.split_first().ok_or(Fault::Escape)?;
    if !next.is_ascii_digit() {
        return Ok(Some((next, rest)));
    }
    let (&[b, c], rest) = rest.split_first_chunk().ok_or(Fault::Escape)?;
    if !(b.is_ascii_digit() && c.is_ascii_digit()) {
        return Err(Fault::Escape);
    }
    let digit = |octet: u8| u16::from(octet.wrapping_sub(b'0'));
    let value = digit(next)
        .wrapping_mul(100)
        .wrapping_add(digit(b).wrapping_mul(10))
        .wrapping_add(digit(c));
    let value = u8::try_from(value).map_err(|_| Fault::Escape)?;
    Ok(Some((value, rest)))
}

/// Appends a text with its escapes resolved.
pub(crate) fn unescape(mut text: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
    if memchr::memchr(b'\\', text).is_none() {
        out.extend_from_slice(text);
        return Ok(());
    }
    while let Some((octet, rest)) = unescape_one(text)? {
        out.push(octet);
        text = rest;
    }
    Ok(())
}

/// Appends the wire form of a name. Relative names end in `origin`.
pub(crate) fn name(text: &[u8], origin: Option<&[u8]>, out: &mut Vec<u8>) -> Result<(), Fault> {
    let begin = out.len();
    let result = name_from(text, origin, out);
    if result.is_err() {
        out.truncate(begin);
    }
    result
}

fn name_from(text: &[u8], origin: Option<&[u8]>, out: &mut Vec<u8>) -> Result<(), Fault> {
    let begin = out.len();
    let relative = match text {
        b"." => false,
        b"@" => true,
        [] => return Err(Fault::Name(NameFault::Empty)),
        _ => labels(text, out)?,
    };
    if relative {
        out.extend_from_slice(origin.ok_or(Fault::NoOrigin)?);
    } else {
        out.push(0);
    }
    if out.len().saturating_sub(begin) > MAX_NAME {
        return Err(Fault::Name(NameFault::NameTooLong));
    }
    Ok(())
}

/// Appends labels; true when no dot stands at the end.
#[inline]
fn labels(text: &[u8], out: &mut Vec<u8>) -> Result<bool, Fault> {
    let mut rest = text;
    loop {
        let place = out.len();
        out.push(0);
        let mut dotted = false;
        // Plain octets by the run.
        loop {
            let run = rest
                .iter()
                .position(|&octet| octet == b'.' || octet == b'\\')
                .unwrap_or(rest.len());
            let (plain, after) = rest.split_at_checked(run).unwrap_or((rest, &[]));
            out.extend_from_slice(plain);
            match after.split_first() {
                None => {
                    rest = after;
                    break;
                }
                Some((b'.', after)) => {
                    dotted = true;
                    rest = after;
                    break;
                }
                Some(_) => {
                    let Some((octet, after)) = unescape_one(after)? else {
                        break;
                    };
                    out.push(octet);
                    rest = after;
                }
            }
        }
        let len = out.len().saturating_sub(place).saturating_sub(1);
        if len == 0 {
            return Err(Fault::Name(NameFault::EmptyLabel));
        }
        if len > MAX_LABEL {
            return Err(Fault::Name(NameFault::LabelTooLong));
        }
        if out.len() > MAX_NAME.saturating_add(usize::from(u16::MAX)) {
            return Err(Fault::Name(NameFault::NameTooLong));
        }
        if let (Some(octet), Ok(len)) = (out.get_mut(place), u8::try_from(len)) {
            *octet = len;
        }
        if !dotted {
            return Ok(true);
        }
        if rest.is_empty() {
            return Ok(false);
        }
    }
}

/// A decimal number of at most ten digits.
#[inline]
pub(crate) fn number(text: &[u8]) -> Result<u32, Fault> {
    if text.is_empty() || text.len() > 10 {
        return Err(Fault::Number);
    }
    let mut value = 0u64;
    for octet in text {
        let digit = octet.wrapping_sub(b'0');
        if digit > 9 {
            return Err(Fault::Number);
        }
        value = value.wrapping_mul(10).wrapping_add(u64::from(digit));
    }
    u32::try_from(value).map_err(|_| Fault::Number)
}

/// A TTL: seconds, or numbers with the units w, d, h, m and s (as BIND has them).
#[inline]
pub(crate) fn ttl(text: &[u8]) -> Option<u32> {
    if !text.first()?.is_ascii_digit() {
        return None;
    }
    if let Ok(seconds) = number(text) {
        return Some(seconds);
    }
    let (mut total, mut value, mut digits) = (0u64, 0u64, 0u32);
    for octet in text {
        if octet.is_ascii_digit() {
            digits = digits.saturating_add(1);
            value = value
                .saturating_mul(10)
                .saturating_add(u64::from(octet.wrapping_sub(b'0')));
            continue;
        }
        let unit = match octet.to_ascii_lowercase() {
            b'w' => 604_800,
            b'd' => 86_400,
            b'h' => 3600,
            b'm' => 60,
            b's' => 1,
            _ => return None,
        };
        if digits == 0 {
            return None;
        }
        total = total.saturating_add(value.saturating_mul(unit));
        (value, digits) = (0, 0);
    }
    u32::try_from(total.saturating_add(value)).ok()
}
