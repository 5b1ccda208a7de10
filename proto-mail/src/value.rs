//! Values of text protocols that are safe by their types, and numbers.

use crate::Secret;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::BytesMut;
use core::fmt;
use memchr::memchr3;

/// Octets that fit into one line: any but CR, LF and NUL. The check is made once, when the value is
/// built; whoever holds it cannot smuggle a second line into the output.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text<'a>(pub(crate) &'a [u8]);

impl<'a> Text<'a> {
    /// Accepts any octets but CR, LF and NUL.
    ///
    /// # Errors
    ///
    /// [`InvalidArgument`] with the place of the first such octet.
    pub fn new(octets: &'a (impl AsRef<[u8]> + ?Sized)) -> Result<Self, InvalidArgument> {
        let octets = octets.as_ref();
        match memchr3(b'\r', b'\n', 0, octets) {
            None => Ok(Self(octets)),
            Some(offset) => Err(InvalidArgument { offset }),
        }
    }

    /// The octets.
    #[must_use]
    pub fn as_bytes(self) -> &'a [u8] {
        self.0
    }
}

impl fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.escape_ascii())
    }
}

/// The Base64 form of a SASL message. It does not show in `Debug`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Base64<'a>(&'a [u8]);

impl<'a> Base64<'a> {
    /// Accepts octets of the Base64 alphabet and `=`. Whether they decode is seen by
    /// [`decode`](Self::decode).
    ///
    /// # Errors
    ///
    /// [`InvalidArgument`] with the place of the first other octet.
    pub fn new(text: &'a (impl AsRef<[u8]> + ?Sized)) -> Result<Self, InvalidArgument> {
        let text = text.as_ref();
        let is_bad = |octet: &u8| !octet.is_ascii_alphanumeric() && !b"+/=".contains(octet);
        match text.iter().position(is_bad) {
            None => Ok(Self(text)),
            Some(offset) => Err(InvalidArgument { offset }),
        }
    }

    /// The text.
    #[must_use]
    pub fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// What it stands for, or `None` when it is not well-formed.
    #[must_use]
    pub fn decode(self) -> Option<Secret> {
        STANDARD.decode(self.0).ok().map(Secret::from)
    }

    /// Appends the Base64 form of `octets` to `dst`.
    pub fn encode_into(octets: &[u8], dst: &mut BytesMut) {
        dst.extend_from_slice(STANDARD.encode(octets).as_bytes());
    }
}

impl fmt::Debug for Base64<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Base64(..)")
    }
}

/// Octets that an argument of a command cannot hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("octet {offset} cannot stand there")]
pub struct InvalidArgument {
    /// Where the first of them stands, or would have to stand.
    pub offset: usize,
}

/// One or more digits that fit into `u64`, and nothing else.
pub(crate) fn parse_number(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0_u64, |value, octet| {
        let digit = octet.checked_sub(b'0').filter(|&digit| digit <= 9)?;
        value.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

/// Writes a number without going through the formatting machinery.
pub(crate) fn digits(mut value: u64, dst: &mut BytesMut) {
    let mut buffer = [b'0'; 20];
    let mut used = 0_usize;
    for slot in buffer.iter_mut().rev() {
        *slot = b'0'.saturating_add(u8::try_from(value % 10).unwrap_or(0));
        used = used.saturating_add(1);
        value /= 10;
        if value == 0 {
            break;
        }
    }
    let from = buffer.len().saturating_sub(used);
    dst.extend_from_slice(buffer.get(from..).unwrap_or_default());
}
