//! APOP: a shared secret that does not cross the wire (RFC 1939 section 7).

use super::InvalidArgument;
use alloc::boxed::Box;
use bytes::BytesMut;
use core::fmt;
use md5::{Digest as _, Md5};
use memchr::{memchr, memrchr};
use subtle::ConstantTimeEq;

/// The timestamp of a greeting: a msg-id of RFC 822, angle brackets included.
#[derive(Clone, PartialEq, Eq)]
pub struct Timestamp(Box<str>);

impl Timestamp {
    /// Accepts `<local@domain>` with a dot-atom on either side, or a domain literal.
    ///
    /// That is stricter than RFC 1939, and on purpose: collisions of MD5 that give away a password
    /// need a challenge with other octets in it (CVE-2007-1558).
    ///
    /// # Errors
    ///
    /// [`InvalidArgument`] when it is anything else.
    pub fn new(text: impl AsRef<[u8]>) -> Result<Self, InvalidArgument> {
        let text = text.as_ref();
        let parts = || {
            let inner = text.strip_prefix(b"<")?.strip_suffix(b">")?;
            let (local, domain) = inner.split_at_checked(memchr(b'@', inner)?)?;
            let domain = domain.get(1..)?;
            let literal = domain
                .strip_prefix(b"[")
                .and_then(|rest| rest.strip_suffix(b"]"));
            let is_domain = match literal {
                Some(literal) => literal
                    .iter()
                    .all(|octet| octet.is_ascii_graphic() && !b"[]\\<>@".contains(octet)),
                None => is_dot_atom(domain),
            };
            (is_dot_atom(local) && is_domain).then_some(())?;
            core::str::from_utf8(text).ok()
        };
        match parts() {
            Some(text) => Ok(Self(text.into())),
            None => Err(InvalidArgument { offset: 0 }),
        }
    }

    /// Looks for one in the text of a greeting.
    #[must_use]
    pub fn find(greeting: &[u8]) -> Option<Self> {
        let end = memrchr(b'>', greeting)?;
        let text = greeting.get(..=end)?;
        let start = memrchr(b'<', text)?;
        Self::new(text.get(start..)?).ok()
    }

    /// The text, angle brackets included.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Timestamp({})", self.0)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The MD5 digest of a timestamp and a shared secret.
///
/// `Debug` does not show it: together with the timestamp it allows to guess the secret offline.
/// Comparison takes the same time for all values.
#[derive(Clone, Copy)]
pub struct Digest([u8; 16]);

impl Digest {
    /// Computes the digest.
    #[must_use]
    pub fn compute(timestamp: &Timestamp, secret: &[u8]) -> Self {
        let mut md5 = Md5::new();
        md5.update(timestamp.as_str().as_bytes());
        md5.update(secret);
        Self(md5.finalize().into())
    }

    /// Reads 32 hexadecimal digits.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        if text.len() != 32 {
            return None;
        }
        let mut octets = [0; 16];
        for (octet, pair) in octets.iter_mut().zip(text.chunks_exact(2)) {
            let &[high, low] = pair.first_chunk::<2>()?;
            *octet = nibble(high)? << 4 | nibble(low)?;
        }
        Some(Self(octets))
    }

    /// Writes 32 hexadecimal digits in lower case, as RFC 1939 wants them.
    pub fn encode(self, dst: &mut BytesMut) {
        put_hex(&self.0, dst);
    }

    /// Whether the digest proves knowledge of `secret`.
    #[must_use]
    pub fn verify(self, timestamp: &Timestamp, secret: &[u8]) -> bool {
        self == Self::compute(timestamp, secret)
    }
}

impl PartialEq for Digest {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Digest {}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digest(..)")
    }
}

/// Appends octets as hexadecimal digits in lower case.
pub(crate) fn put_hex(octets: &[u8], dst: &mut BytesMut) {
    const DIGITS: [u8; 16] = *b"0123456789abcdef";
    let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).copied().unwrap_or(b'0');
    for &octet in octets {
        dst.extend_from_slice(&[digit(octet >> 4), digit(octet & 15)]);
    }
}

fn nibble(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|value| u8::try_from(value).ok())
}

/// RFC 5322 section 3.2.3.
fn is_dot_atom(text: &[u8]) -> bool {
    text.split(|&octet| octet == b'.').all(|atom| {
        !atom.is_empty()
            && atom.iter().all(|octet| {
                octet.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(octet)
            })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cve_2007_1558_only_a_msg_id_is_a_timestamp() {
        for good in [
            "<1896.697170952@dbc.mtview.ca.us>",
            "<a@[127.0.0.1]>",
            "<1234.5.abc==@host>",
        ] {
            assert!(Timestamp::new(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "<>",
            "<a>",
            "a@b",
            "<@b>",
            "<a@>",
            "<a@b@c>",
            "<a b@c>",
            "<a..b@c>",
            "<a@b>x",
            "<a@\u{e9}>",
            "<a\u{1}@b>",
            "<a@[b]]>",
        ] {
            assert!(Timestamp::new(bad).is_err(), "{bad}");
        }
        assert!(Timestamp::new(b"<a\xff@b>").is_err());
    }

    #[test]
    fn the_last_pair_of_brackets_counts() {
        let found = Timestamp::find(b"+OK <hello> ready <1.2@host> now");
        assert_eq!(found.unwrap().as_str(), "<1.2@host>");
        assert_eq!(Timestamp::find(b"+OK ready"), None);
        assert_eq!(Timestamp::find(b"+OK > <"), None);
    }
}
