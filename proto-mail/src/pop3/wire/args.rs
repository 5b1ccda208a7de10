//! Arguments that are safe by their types.

use crate::value::{InvalidArgument, Text, parse_number};
use core::fmt;
use core::num::NonZeroU32;

/// A [`Text`] that does not show in `Debug`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Password<'a>(pub(super) Text<'a>);

impl<'a> Password<'a> {
    /// Accepts any octets but CR, LF and NUL.
    ///
    /// # Errors
    ///
    /// [`InvalidArgument`] with the place of the first such octet.
    pub fn new(octets: &'a (impl AsRef<[u8]> + ?Sized)) -> Result<Self, InvalidArgument> {
        Text::new(octets).map(Self)
    }

    /// The octets.
    #[must_use]
    pub fn as_bytes(self) -> &'a [u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Password<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

/// A language range (RFC 4647) or `*`: letters, digits and hyphens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LanguageRange<'a>(&'a str);

impl<'a> LanguageRange<'a> {
    /// Accepts `*`, or one to 64 letters, digits and hyphens.
    ///
    /// # Errors
    ///
    /// [`InvalidArgument`] with the place of the first other octet.
    pub fn new(text: &'a (impl AsRef<[u8]> + ?Sized)) -> Result<Self, InvalidArgument> {
        let text = text.as_ref();
        let is_bad = |octet: &u8| !octet.is_ascii_alphanumeric() && *octet != b'-';
        let bad = match text {
            b"*" => None,
            [] => Some(0),
            _ => text.iter().position(is_bad),
        };
        match (bad, core::str::from_utf8(text)) {
            (None, Ok(range)) if range.len() <= 64 => Ok(Self(range)),
            (bad, _) => Err(InvalidArgument {
                offset: bad.unwrap_or(64),
            }),
        }
    }

    /// The text.
    #[must_use]
    pub fn as_str(self) -> &'a str {
        self.0
    }

    /// Whether `tag` is what looking up this range finds (RFC 4647 section 3.4): the range, or the
    /// range with subtags cut off its end, equals the tag.
    #[must_use]
    pub fn finds(self, tag: &str) -> bool {
        let (range, tag) = (self.0.as_bytes(), tag.as_bytes());
        self.0 == "*"
            || range
                .split_at_checked(tag.len())
                .is_some_and(|(head, rest)| {
                    head.eq_ignore_ascii_case(tag) && matches!(rest, [] | [b'-', ..])
                })
    }
}

/// A unique-id: 1 to 70 octets from 0x21 to 0x7E (RFC 1939 section 7).
#[derive(Clone, Copy)]
pub struct UniqueId {
    octets: [u8; UniqueId::MAX_LEN],
    len: u8,
}

impl UniqueId {
    /// The longest unique-id there can be.
    pub const MAX_LEN: usize = 70;

    /// Accepts 1 to 70 octets from 0x21 to 0x7E.
    ///
    /// # Errors
    ///
    /// [`InvalidArgument`] with the place of the first octet that is not one of them.
    pub fn new(id: impl AsRef<[u8]>) -> Result<Self, InvalidArgument> {
        let id = id.as_ref();
        if let Some(offset) = id.iter().position(|octet| !octet.is_ascii_graphic()) {
            return Err(InvalidArgument { offset });
        }
        let mut octets = [0; Self::MAX_LEN];
        match (octets.get_mut(..id.len()), u8::try_from(id.len())) {
            (Some(slots), Ok(len @ 1..)) => {
                slots.copy_from_slice(id);
                Ok(Self { octets, len })
            }
            (Some(_), _) => Err(InvalidArgument { offset: 0 }),
            (None, _) => Err(InvalidArgument {
                offset: Self::MAX_LEN,
            }),
        }
    }

    /// The octets.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.octets.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// The same as text: it is ASCII.
    #[must_use]
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }
}

impl fmt::Debug for UniqueId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UniqueId({self})")
    }
}

impl fmt::Display for UniqueId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl PartialEq for UniqueId {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for UniqueId {}

impl PartialOrd for UniqueId {
    fn partial_cmp(&self, other: &Self) -> Option<core::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for UniqueId {
    fn cmp(&self, other: &Self) -> core::cmp::Ordering {
        self.as_bytes().cmp(other.as_bytes())
    }
}

impl core::hash::Hash for UniqueId {
    fn hash<H: core::hash::Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

/// A message number: digits, not zero.
pub(super) fn parse_message(text: &[u8]) -> Option<NonZeroU32> {
    let number = u32::try_from(parse_number(text)?).ok()?;
    NonZeroU32::new(number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::{Base64, digits};
    use alloc::format;
    use bytes::BytesMut;

    #[test]
    fn line_ends_and_nul_cannot_be_carried() {
        assert_eq!(Text::new("a\r\nQUIT"), Err(InvalidArgument { offset: 1 }));
        assert_eq!(Text::new("a\0"), Err(InvalidArgument { offset: 1 }));
        assert_eq!(
            Password::new(b"\n").map(|_| ()),
            Err(InvalidArgument { offset: 0 })
        );
        assert!(LanguageRange::new("en\r\n").is_err());
        assert!(Base64::new("AA=\n").is_err());
    }

    #[test]
    fn unique_ids_have_1_to_70_graphic_octets() {
        let longest = [b'~'; 70];
        assert_eq!(UniqueId::new(longest).unwrap().as_bytes(), longest);
        for bad in [&b""[..], &[b'x'; 71], b"a b", b"a\x7f", b"\xff"] {
            assert!(UniqueId::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn numbers_are_checked() {
        assert_eq!(parse_number(b"18446744073709551615"), Some(u64::MAX));
        assert_eq!(parse_number(b"18446744073709551616"), None);
        assert_eq!(parse_number(b"+1"), None);
        assert_eq!(parse_number(b""), None);
        assert_eq!(parse_message(b"0"), None);
        assert_eq!(parse_message(b"4294967296"), None);
        for value in [0, 7, 10, 1410, u64::MAX] {
            let mut dst = BytesMut::new();
            digits(value, &mut dst);
            assert_eq!(dst, format!("{value}"));
        }
    }

    #[test]
    fn a_range_finds_itself_and_what_it_begins_with() {
        let range = LanguageRange::new("en-GB").unwrap();
        assert!(range.finds("en") && range.finds("en-gb"));
        assert!(!range.finds("e") && !range.finds("en-GB-oed") && !range.finds("de"));
        assert!(LanguageRange::new("*").unwrap().finds("en"));
    }
}
