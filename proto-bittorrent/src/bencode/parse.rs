//! One pass over the octets, one token for each value.

use super::value::{Kind, Value};
use super::{DecodeError, Fault, Limits, Mode};
use alloc::vec::Vec;
use core::fmt;

/// One value of a document, in the order in which they stand.
///
/// Opaque; reuse the array of a document that is not needed any more with [`Doc::into_tokens`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    /// First octet of what the value holds: digits, the octets of a string; of a container, its
    /// first octet.
    pub(super) start: u32,
    /// The octet behind it. While a container is open: the container around it.
    pub(super) end: u32,
    /// Kind in the upper two bits; below, how many tokens on the next sibling is. While a
    /// dictionary is open: the token of its last key.
    link: u32,
}

const LINK: u32 = 0x3fff_ffff;
/// No container, or no key yet.
const NONE: u32 = LINK;

impl Token {
    /// Stands in where there is no token.
    pub(super) const EMPTY: Self = Self {
        start: 0,
        end: 0,
        link: 1,
    };

    fn new(kind: Kind, start: u32, end: u32, link: u32) -> Self {
        Self {
            start,
            end,
            link: (kind as u32) << 30 | link & LINK,
        }
    }

    #[inline]
    pub(super) fn kind(self) -> Kind {
        match self.link >> 30 {
            0 => Kind::Int,
            1 => Kind::Bytes,
            2 => Kind::List,
            _ => Kind::Dict,
        }
    }

    /// How many tokens on the next sibling is.
    #[inline]
    pub(super) fn skip(self) -> u32 {
        self.link & LINK
    }
}

/// A checked document: the octets, and one token for each value in them.
#[derive(Clone)]
pub struct Doc<'a> {
    octets: &'a [u8],
    tokens: Vec<Token>,
    deviation: Option<DecodeError>,
    len: usize,
}

impl<'a> Doc<'a> {
    /// Checks a document. The work is linear, the memory is one token for each value.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] for the first fault that `mode` does not let pass.
    pub fn parse(octets: &'a [u8], mode: Mode, limits: &Limits) -> Result<Self, DecodeError> {
        Self::parse_with(octets, mode, limits, Vec::new())
    }

    /// As [`parse`](Self::parse), with an array that is used again.
    ///
    /// # Errors
    ///
    /// As [`parse`](Self::parse).
    pub fn parse_with(
        octets: &'a [u8],
        mode: Mode,
        limits: &Limits,
        mut tokens: Vec<Token>,
    ) -> Result<Self, DecodeError> {
        tokens.clear();
        let max_len = limits.max_len.min(u32::MAX as usize);
        if octets.len() > max_len {
            return Err(DecodeError {
                offset: max_len,
                fault: Fault::TooLong(max_len),
            });
        }
        // A guess from what is really there, not from what it claims to hold: what is not used of it
        // is never touched.
        let guess = (octets.len() / 8).saturating_add(16);
        tokens.reserve(guess.min(limits.max_tokens as usize));
        let mut parser = Parser {
            octets,
            at: 0,
            tokens,
            mode,
            deviation: None,
            max_tokens: limits.max_tokens.min(LINK - 1),
        };
        parser.document(limits.max_depth)?;
        Ok(Self {
            octets,
            len: parser.at,
            tokens: parser.tokens,
            deviation: parser.deviation,
        })
    }

    /// The outermost value.
    #[must_use]
    #[inline]
    pub fn root(&self) -> Value<'_> {
        Value::new(self.octets, &self.tokens)
    }

    /// The first thing that [`Mode::Strict`] would not have let pass; `None` for a canonical
    /// document.
    #[must_use]
    pub fn deviation(&self) -> Option<DecodeError> {
        self.deviation
    }

    /// Octets of the document itself, without what follows it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Never: an empty document is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The array, for [`parse_with`](Self::parse_with).
    #[must_use]
    pub fn into_tokens(self) -> Vec<Token> {
        self.tokens
    }
}

impl fmt::Debug for Doc<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.root().fmt(f)
    }
}

struct Parser<'a> {
    octets: &'a [u8],
    at: usize,
    tokens: Vec<Token>,
    mode: Mode,
    deviation: Option<DecodeError>,
    max_tokens: u32,
}

/// The lengths were checked to fit.
fn narrow(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

impl Parser<'_> {
    /// What is usual goes through the short functions at the end of this file; what is not, through
    /// the methods below, which find out what it is. State is in locals: this loop is the whole cost.
    fn document(&mut self, max_depth: u32) -> Result<(), DecodeError> {
        let octets = self.octets;
        let mut at = 0_usize;
        let mut depth = 0_u32;
        let mut open = NONE;
        // Whether a key is due; and the last key of the dictionary that is open.
        let (mut in_dict, mut last_key) = (false, NONE);
        loop {
            let Some(&(mut octet)) = octets.get(at) else {
                return Err(self.fault(at, Fault::UnexpectedEnd));
            };
            if octet == b'e' && depth > 0 {
                at = at.wrapping_add(1);
                open = self.close(open, at);
                depth = depth.wrapping_sub(1);
                if depth == 0 {
                    break;
                }
                (in_dict, last_key) = self.reopen(open);
                continue;
            }
            if in_dict {
                if !octet.is_ascii_digit() {
                    return Err(self.fault(at, Fault::ExpectedDigit));
                }
                let key = narrow(self.tokens.len());
                at = self.string(at)?;
                if last_key != NONE {
                    self.check_order(last_key, key)?;
                }
                last_key = key;
                // The value of the key follows, whatever it is, before the next key.
                let Some(&next) = octets.get(at) else {
                    return Err(self.fault(at, Fault::UnexpectedEnd));
                };
                octet = next;
            }
            match octet {
                b'0'..=b'9' => at = self.string(at)?,
                b'i' => at = self.integer(at)?,
                b'l' | b'd' => {
                    if depth >= max_depth {
                        return Err(self.fault(at, Fault::TooDeep(max_depth)));
                    }
                    depth = depth.wrapping_add(1);
                    if in_dict {
                        self.remember_key(open, last_key);
                    }
                    open = self.open(octet, at, open)?;
                    (in_dict, last_key) = (octet == b'd', NONE);
                    at = at.wrapping_add(1);
                    continue;
                }
                _ => return Err(self.fault(at, Fault::ExpectedValue)),
            }
            if depth == 0 {
                break;
            }
        }
        self.at = at;
        if at < octets.len() {
            self.deviate(at, Fault::TrailingData)?;
        }
        Ok(())
    }

    fn fault(&self, offset: usize, fault: Fault) -> DecodeError {
        DecodeError { offset, fault }
    }

    /// Something that only the lenient let pass.
    #[cold]
    fn deviate(&mut self, offset: usize, fault: Fault) -> Result<(), DecodeError> {
        let error = self.fault(offset, fault);
        if self.mode == Mode::Strict {
            return Err(error);
        }
        self.deviation.get_or_insert(error);
        Ok(())
    }

    #[inline]
    fn push(&mut self, at: usize, token: Token) -> Result<(), DecodeError> {
        if narrow(self.tokens.len()) >= self.max_tokens {
            return Err(self.fault(at, Fault::TooManyTokens(self.max_tokens)));
        }
        self.tokens.push(token);
        Ok(())
    }

    fn open(&mut self, octet: u8, at: usize, around: u32) -> Result<u32, DecodeError> {
        let kind = if octet == b'd' {
            Kind::Dict
        } else {
            Kind::List
        };
        let index = narrow(self.tokens.len());
        self.push(at, Token::new(kind, narrow(at), around, NONE))?;
        Ok(index)
    }

    /// Notes in the token of an open dictionary which key was its last one.
    fn remember_key(&mut self, dict: u32, key: u32) {
        if let Some(token) = self.tokens.get_mut(dict as usize) {
            token.link = (Kind::Dict as u32) << 30 | key & LINK;
        }
    }

    /// Ends a container before `end`; returns the one around it.
    fn close(&mut self, open: u32, end: usize) -> u32 {
        let count = narrow(self.tokens.len());
        let Some(token) = self.tokens.get_mut(open as usize) else {
            return NONE;
        };
        let around = token.end;
        *token = Token::new(
            token.kind(),
            token.start,
            narrow(end),
            count.saturating_sub(open),
        );
        around
    }

    /// Whether a container that goes on is a dictionary, and its last key.
    fn reopen(&self, open: u32) -> (bool, u32) {
        match self.tokens.get(open as usize) {
            Some(token) if token.kind() == Kind::Dict => (true, token.skip()),
            _ => (false, NONE),
        }
    }

    /// A string from `at` on, where a digit stands; returns where it ends.
    #[inline]
    fn string(&mut self, at: usize) -> Result<usize, DecodeError> {
        let (start, end) = match short_string(self.octets, at) {
            Some(span) => span,
            None => self.any_string(at)?,
        };
        self.push(at, Token::new(Kind::Bytes, narrow(start), narrow(end), 1))?;
        Ok(end)
    }

    /// An integer from `at` on, where its `i` stands; returns where it ends.
    #[inline]
    fn integer(&mut self, at: usize) -> Result<usize, DecodeError> {
        let end = match short_integer(self.octets, at) {
            Some(end) => end,
            None => self.any_integer(at)?,
        };
        let start = narrow(at.wrapping_add(1));
        self.push(at, Token::new(Kind::Int, start, narrow(end), 1))?;
        Ok(end.wrapping_add(1))
    }

    /// Digits from `at` on, and what they make: the first octet that is none, and the number. More
    /// than 20 digits are read on, saturated.
    fn digits(&self, mut at: usize) -> (usize, u64) {
        let mut value = 0_u64;
        while let Some(digit @ b'0'..=b'9') = self.octets.get(at) {
            value = value
                .saturating_mul(10)
                .saturating_add(u64::from(digit & 15));
            at = at.saturating_add(1);
        }
        (at, value)
    }

    #[cold]
    fn any_string(&mut self, begin: usize) -> Result<(usize, usize), DecodeError> {
        let (colon, len) = self.digits(begin);
        match self.octets.get(colon) {
            Some(b':') => {}
            Some(_) => return Err(self.fault(colon, Fault::ExpectedColon)),
            None => return Err(self.fault(colon, Fault::UnexpectedEnd)),
        }
        if self.octets.get(begin) == Some(&b'0') && colon.saturating_sub(begin) > 1 {
            self.deviate(begin, Fault::LeadingZero)?;
        }
        let start = colon.saturating_add(1);
        let end = usize::try_from(len)
            .unwrap_or(usize::MAX)
            .saturating_add(start);
        if end > self.octets.len() {
            return Err(self.fault(self.octets.len(), Fault::UnexpectedEnd));
        }
        Ok((start, end))
    }

    #[cold]
    fn any_integer(&mut self, at: usize) -> Result<usize, DecodeError> {
        let start = at.saturating_add(1);
        let is_negative = self.octets.get(start) == Some(&b'-');
        let first = start.saturating_add(usize::from(is_negative));
        match self.octets.get(first) {
            Some(b'0'..=b'9') => {}
            Some(_) => return Err(self.fault(first, Fault::ExpectedDigit)),
            None => return Err(self.fault(first, Fault::UnexpectedEnd)),
        }
        let (end, value) = self.digits(first);
        match self.octets.get(end) {
            Some(b'e') => {}
            Some(_) => return Err(self.fault(end, Fault::ExpectedDigit)),
            None => return Err(self.fault(end, Fault::UnexpectedEnd)),
        }
        if self.octets.get(first) == Some(&b'0') {
            if end.saturating_sub(first) > 1 {
                self.deviate(first, Fault::LeadingZero)?;
            } else if is_negative {
                self.deviate(start, Fault::NegativeZero)?;
            }
        }
        let most = i64::MAX
            .unsigned_abs()
            .saturating_add(u64::from(is_negative));
        if value > most {
            if end.saturating_sub(start) > 20 {
                return Err(self.fault(start, Fault::IntegerRange));
            }
            self.deviate(start, Fault::IntegerRange)?;
        }
        Ok(end)
    }

    /// Holds a key against the one before it.
    #[inline]
    fn check_order(&mut self, last: u32, key: u32) -> Result<(), DecodeError> {
        let (last, current) = (self.text(last), self.text(key));
        // Most keys differ in their first octet, and a call to compare them costs more than that.
        if let (Some(last), Some(current)) = (last.first(), current.first())
            && last < current
        {
            return Ok(());
        }
        let order = last.cmp(current);
        if order.is_lt() {
            return Ok(());
        }
        let token = self.tokens.get(key as usize);
        let offset = token.map_or(0, |token| token.start as usize);
        let fault = if order.is_eq() {
            Fault::DuplicateKey
        } else {
            Fault::UnsortedKey
        };
        self.deviate(offset, fault)
    }

    #[inline]
    fn text(&self, token: u32) -> &[u8] {
        self.tokens
            .get(token as usize)
            .and_then(|token| self.octets.get(token.start as usize..token.end as usize))
            .unwrap_or_default()
    }
}

/// First octet and end of a string as it usually is: its length has no leading zero and at most nine
/// digits, and it is all there.
#[inline]
fn short_string(octets: &[u8], at: usize) -> Option<(usize, usize)> {
    let (lead, rest) = octets.get(at..)?.split_first()?;
    let mut len = u32::from(lead & 15);
    for (&octet, digits) in rest.iter().take(9).zip(1_usize..) {
        if octet == b':' {
            if *lead == b'0' && digits > 1 {
                return None;
            }
            let start = at.wrapping_add(digits).wrapping_add(1);
            let end = start.wrapping_add(len as usize);
            return (end <= octets.len()).then_some((start, end));
        }
        if !octet.is_ascii_digit() {
            return None;
        }
        len = len.wrapping_mul(10).wrapping_add(u32::from(octet & 15));
    }
    None
}

/// The end of an integer as it usually is: no sign, no leading zero, at most eighteen digits.
#[inline]
fn short_integer(octets: &[u8], at: usize) -> Option<usize> {
    let digits = octets.get(at.wrapping_add(1)..)?;
    let len = digits
        .iter()
        .take(19)
        .position(|octet| !octet.is_ascii_digit())?;
    let is_usual = match digits.first()? {
        b'0' => len == 1,
        _ => len > 0,
    };
    (is_usual && digits.get(len) == Some(&b'e')).then(|| at.wrapping_add(1).wrapping_add(len))
}
