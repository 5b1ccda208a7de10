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

    pub(super) fn kind(self) -> Kind {
        match self.link >> 30 {
            0 => Kind::Int,
            1 => Kind::Bytes,
            2 => Kind::List,
            _ => Kind::Dict,
        }
    }

    /// How many tokens on the next sibling is.
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
        // A guess from what is really there, not from what it claims to hold.
        tokens.reserve((octets.len() / 16).saturating_add(8));
        let max_len = limits.max_len.min(u32::MAX as usize);
        if octets.len() > max_len {
            return Err(DecodeError {
                offset: max_len,
                fault: Fault::TooLong(max_len),
            });
        }
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
    fn document(&mut self, max_depth: u32) -> Result<(), DecodeError> {
        let mut open = NONE;
        let mut depth = 0_u32;
        loop {
            let in_dict = self.is_dict(open);
            let at = self.at;
            match self.octets.get(at) {
                Some(b'e') if open != NONE => {
                    self.at = at.saturating_add(1);
                    open = self.close(open);
                    depth = depth.saturating_sub(1);
                }
                Some(b'0'..=b'9') => {
                    let key = self.tokens.len();
                    self.string()?;
                    if in_dict {
                        self.check_key(open, key)?;
                        // The value of the key follows, whatever it is, before the next key.
                        match self.octets.get(self.at) {
                            Some(b'0'..=b'9') => self.string()?,
                            Some(b'i') => self.integer()?,
                            Some(&octet @ (b'l' | b'd')) => {
                                depth = depth.saturating_add(1);
                                if depth > max_depth {
                                    return Err(self.fault(self.at, Fault::TooDeep(max_depth)));
                                }
                                open = self.open(octet, open)?;
                                continue;
                            }
                            Some(_) => return Err(self.fault(self.at, Fault::ExpectedValue)),
                            None => return Err(self.fault(self.at, Fault::UnexpectedEnd)),
                        }
                    }
                }
                Some(_) if in_dict => return Err(self.fault(at, Fault::ExpectedDigit)),
                Some(b'i') => self.integer()?,
                Some(&octet @ (b'l' | b'd')) => {
                    depth = depth.saturating_add(1);
                    if depth > max_depth {
                        return Err(self.fault(at, Fault::TooDeep(max_depth)));
                    }
                    open = self.open(octet, open)?;
                    continue;
                }
                Some(_) => return Err(self.fault(at, Fault::ExpectedValue)),
                None => return Err(self.fault(at, Fault::UnexpectedEnd)),
            }
            if open == NONE {
                break;
            }
        }
        if self.at < self.octets.len() {
            self.deviate(self.at, Fault::TrailingData)?;
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

    fn push(&mut self, token: Token) -> Result<(), DecodeError> {
        if narrow(self.tokens.len()) >= self.max_tokens {
            return Err(self.fault(self.at, Fault::TooManyTokens(self.max_tokens)));
        }
        self.tokens.push(token);
        Ok(())
    }

    fn is_dict(&self, open: u32) -> bool {
        self.tokens
            .get(open as usize)
            .is_some_and(|token| token.kind() == Kind::Dict)
    }

    fn open(&mut self, octet: u8, around: u32) -> Result<u32, DecodeError> {
        let kind = if octet == b'd' {
            Kind::Dict
        } else {
            Kind::List
        };
        let index = narrow(self.tokens.len());
        self.push(Token::new(kind, narrow(self.at), around, NONE))?;
        self.at = self.at.saturating_add(1);
        Ok(index)
    }

    /// Ends a container; returns the one around it.
    fn close(&mut self, open: u32) -> u32 {
        let (end, count) = (narrow(self.at), narrow(self.tokens.len()));
        let Some(token) = self.tokens.get_mut(open as usize) else {
            return NONE;
        };
        let around = token.end;
        *token = Token::new(token.kind(), token.start, end, count.saturating_sub(open));
        around
    }

    /// Digits and what they make, up to the first octet that is none. The octet at `self.at` is a
    /// digit. More than 20 digits are read on, saturated.
    fn digits(&mut self) -> u64 {
        let mut value = 0_u64;
        while let Some(digit @ b'0'..=b'9') = self.octets.get(self.at) {
            value = value
                .saturating_mul(10)
                .saturating_add(u64::from(digit & 15));
            self.at = self.at.saturating_add(1);
        }
        value
    }

    fn string(&mut self) -> Result<(), DecodeError> {
        let begin = self.at;
        let len = self.digits();
        match self.octets.get(self.at) {
            Some(b':') => {}
            Some(_) => return Err(self.fault(self.at, Fault::ExpectedColon)),
            None => return Err(self.fault(self.at, Fault::UnexpectedEnd)),
        }
        if self.octets.get(begin) == Some(&b'0') && self.at.saturating_sub(begin) > 1 {
            self.deviate(begin, Fault::LeadingZero)?;
        }
        let start = self.at.saturating_add(1);
        let end = usize::try_from(len)
            .unwrap_or(usize::MAX)
            .saturating_add(start);
        if end > self.octets.len() {
            return Err(self.fault(self.octets.len(), Fault::UnexpectedEnd));
        }
        self.push(Token::new(Kind::Bytes, narrow(start), narrow(end), 1))?;
        self.at = end;
        Ok(())
    }

    fn integer(&mut self) -> Result<(), DecodeError> {
        let start = self.at.saturating_add(1);
        let is_negative = self.octets.get(start) == Some(&b'-');
        let first = start.saturating_add(usize::from(is_negative));
        self.at = first;
        match self.octets.get(first) {
            Some(b'0'..=b'9') => {}
            Some(_) => return Err(self.fault(first, Fault::ExpectedDigit)),
            None => return Err(self.fault(first, Fault::UnexpectedEnd)),
        }
        let value = self.digits();
        let end = self.at;
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
        self.push(Token::new(Kind::Int, narrow(start), narrow(end), 1))?;
        self.at = end.saturating_add(1);
        Ok(())
    }

    /// Holds a key against the one before it.
    fn check_key(&mut self, dict: u32, key: usize) -> Result<(), DecodeError> {
        let octets = self.octets;
        let text = |token: Option<&Token>| {
            token.and_then(|token| octets.get(token.start as usize..token.end as usize))
        };
        let current = self.tokens.get(key);
        let Some(container) = self.tokens.get(dict as usize) else {
            return Ok(());
        };
        let last = self.tokens.get(container.skip() as usize);
        if container.skip() != NONE {
            let order = text(last).cmp(&text(current));
            if order != core::cmp::Ordering::Less {
                let offset = current.map_or(0, |token| token.start as usize);
                let fault = if order.is_eq() {
                    Fault::DuplicateKey
                } else {
                    Fault::UnsortedKey
                };
                self.deviate(offset, fault)?;
            }
        }
        if let Some(container) = self.tokens.get_mut(dict as usize) {
            *container = Token::new(Kind::Dict, container.start, container.end, narrow(key));
        }
        Ok(())
    }
}
