//! Walking a checked document.

use super::parse::Token;
use core::fmt::{self, Write};
use core::ops::Range;

/// What kind a value is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Kind {
    /// An integer.
    Int = 0,
    /// A string of octets.
    Bytes = 1,
    /// A list.
    List = 2,
    /// A dictionary.
    Dict = 3,
}

/// One value of a document. A reference: copying it costs nothing.
#[derive(Clone, Copy)]
pub struct Value<'a> {
    octets: &'a [u8],
    /// This value's token first, then those of what it holds.
    tokens: &'a [Token],
}

impl<'a> Value<'a> {
    /// The value at the front of `tokens`, of which there is at least one.
    #[inline]
    pub(super) fn new(octets: &'a [u8], tokens: &'a [Token]) -> Self {
        Self { octets, tokens }
    }

    #[inline]
    fn token(&self) -> Token {
        // A value is made only where there is a token.
        self.tokens.first().copied().unwrap_or(Token::EMPTY)
    }

    /// What kind it is of.
    #[must_use]
    #[inline]
    pub fn kind(&self) -> Kind {
        self.token().kind()
    }

    /// Where the value stands in the document, all of its octets; of a string without the zeros that
    /// may lead its length in a lenient document.
    #[must_use]
    pub fn span(&self) -> Range<usize> {
        let token = self.token();
        let (start, end) = (token.start as usize, token.end as usize);
        match token.kind() {
            Kind::List | Kind::Dict => start..end,
            Kind::Int => start.saturating_sub(1)..end.saturating_add(1),
            Kind::Bytes => {
                // The length and its colon stand before the octets.
                let mut len = end.saturating_sub(start);
                let mut count = 1_usize;
                while len > 9 {
                    len /= 10;
                    count = count.saturating_add(1);
                }
                start.saturating_sub(1).saturating_sub(count)..end
            }
        }
    }

    /// All octets of the value, as they stand in the document.
    #[must_use]
    pub fn raw(&self) -> &'a [u8] {
        self.octets.get(self.span()).unwrap_or_default()
    }

    /// The octets of a string.
    #[must_use]
    #[inline]
    pub fn as_bytes(&self) -> Option<&'a [u8]> {
        let token = self.token();
        (token.kind() == Kind::Bytes)
            .then(|| self.octets.get(token.start as usize..token.end as usize))
            .flatten()
    }

    /// The text of a string that is UTF-8.
    #[must_use]
    pub fn as_str(&self) -> Option<&'a str> {
        core::str::from_utf8(self.as_bytes()?).ok()
    }

    /// An integer that fits 64 bits with sign.
    #[must_use]
    pub fn as_int(&self) -> Option<i64> {
        let token = self.token();
        if token.kind() != Kind::Int {
            return None;
        }
        let digits = self.octets.get(token.start as usize..token.end as usize)?;
        // What fits whatever the digits are needs no checks.
        if let [b'0'..=b'9', ..] = digits
            && digits.len() <= 18
        {
            return Some(digits.iter().fold(0_i64, |value, digit| {
                value.wrapping_mul(10).wrapping_add(i64::from(digit & 15))
            }));
        }
        let (is_negative, digits) = match digits.split_first()? {
            (b'-', rest) => (true, rest),
            _ => (false, digits),
        };
        let mut value = 0_i64;
        for digit in digits {
            let digit = i64::from(digit & 15);
            value = value.checked_mul(10)?;
            value = if is_negative {
                value.checked_sub(digit)?
            } else {
                value.checked_add(digit)?
            };
        }
        Some(value)
    }

    /// The values of a list; none of anything else.
    #[must_use]
    #[inline]
    pub fn items(&self) -> Items<'a> {
        Items(self.inside(Kind::List))
    }

    /// Keys and values of a dictionary in the order in which they stand; none of anything else.
    #[must_use]
    #[inline]
    pub fn entries(&self) -> Entries<'a> {
        Entries(self.inside(Kind::Dict))
    }

    /// The value of the first such key of a dictionary.
    #[must_use]
    pub fn get(&self, key: &[u8]) -> Option<Self> {
        self.entries()
            .find(|(name, _)| *name == key)
            .map(|(_, value)| value)
    }

    /// As [`get`](Self::get), for values of one kind.
    #[must_use]
    pub fn get_kind(&self, key: &[u8], kind: Kind) -> Option<Self> {
        self.get(key).filter(|value| value.kind() == kind)
    }

    /// The string at `key`.
    #[must_use]
    pub fn get_bytes(&self, key: &[u8]) -> Option<&'a [u8]> {
        self.get(key)?.as_bytes()
    }

    /// The integer at `key`.
    #[must_use]
    pub fn get_int(&self, key: &[u8]) -> Option<i64> {
        self.get(key)?.as_int()
    }

    #[inline]
    fn inside(&self, kind: Kind) -> Siblings<'a> {
        let token = self.token();
        let tokens = if token.kind() == kind {
            self.tokens.get(1..token.skip() as usize)
        } else {
            None
        };
        Siblings {
            octets: self.octets,
            tokens: tokens.unwrap_or_default(),
        }
    }
}

/// Iterative: as deep as a document may be, the stack is not.
impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.token().skip() as usize;
        let tokens = self.tokens.get(..count).unwrap_or_default();
        // Ends of open containers are found by position: a container ends where its octets do.
        let mut open: alloc::vec::Vec<(u32, char)> = alloc::vec::Vec::new();
        let mut is_first = true;
        for token in tokens {
            while let Some(&(end, bracket)) = open.last()
                && token.start >= end
            {
                open.pop();
                f.write_char(bracket)?;
                is_first = false;
            }
            if !is_first {
                f.write_str(", ")?;
            }
            is_first = false;
            let octets = self.octets.get(token.start as usize..token.end as usize);
            match token.kind() {
                Kind::Int => write!(f, "{}", octets.unwrap_or_default().escape_ascii())?,
                Kind::Bytes => {
                    const MOST: usize = 64;
                    let octets = octets.unwrap_or_default();
                    let shown = octets.get(..MOST).unwrap_or(octets);
                    write!(f, "\"{}\"", shown.escape_ascii())?;
                    if shown.len() < octets.len() {
                        write!(f, " and {} more", octets.len().saturating_sub(MOST))?;
                    }
                }
                Kind::List => {
                    f.write_char('[')?;
                    open.push((token.end, ']'));
                    is_first = true;
                }
                Kind::Dict => {
                    f.write_char('{')?;
                    open.push((token.end, '}'));
                    is_first = true;
                }
            }
        }
        while let Some((_, bracket)) = open.pop() {
            f.write_char(bracket)?;
        }
        Ok(())
    }
}

#[derive(Clone)]
struct Siblings<'a> {
    octets: &'a [u8],
    tokens: &'a [Token],
}

impl<'a> Siblings<'a> {
    #[inline]
    fn next(&mut self) -> Option<Value<'a>> {
        let first = self.tokens.first()?;
        let (value, rest) = self.tokens.split_at_checked(first.skip() as usize)?;
        self.tokens = rest;
        Some(Value::new(self.octets, value))
    }
}

/// The values of a list.
#[derive(Clone)]
pub struct Items<'a>(Siblings<'a>);

impl<'a> Iterator for Items<'a> {
    type Item = Value<'a>;

    #[inline]
    fn next(&mut self) -> Option<Value<'a>> {
        self.0.next()
    }
}

impl fmt::Debug for Items<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.clone()).finish()
    }
}

/// Keys and values of a dictionary.
#[derive(Clone)]
pub struct Entries<'a>(Siblings<'a>);

impl<'a> Iterator for Entries<'a> {
    type Item = (&'a [u8], Value<'a>);

    #[inline]
    fn next(&mut self) -> Option<(&'a [u8], Value<'a>)> {
        let key = self.0.next()?.as_bytes()?;
        Some((key, self.0.next()?))
    }
}

impl fmt::Debug for Entries<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.clone()).finish()
    }
}
