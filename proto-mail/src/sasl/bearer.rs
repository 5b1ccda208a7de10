//! OAUTHBEARER (RFC 7628) and XOAUTH2, its forerunner: a token that somebody else gave out.

use crate::Secret;
use alloc::vec::Vec;
use core::fmt;
use memchr::memmem;

/// What the message of the client says.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Bearer<'a> {
    /// As whom to act; with XOAUTH2 the user.
    pub user: &'a [u8],
    /// The token.
    pub token: &'a [u8],
}

impl<'a> Bearer<'a> {
    /// The message of OAUTHBEARER.
    ///
    /// # Errors
    ///
    /// [`InvalidBearer`] when a part holds a control, or the user a comma or an equals sign.
    pub fn oauthbearer(self) -> Result<Secret, InvalidBearer> {
        self.check()?;
        let head: [&[u8]; 4] = [b"n,a=", self.user, b",\x01auth=Bearer ", self.token];
        let mut message = head.concat();
        message.extend_from_slice(b"\x01\x01");
        Ok(Secret::new(message))
    }

    /// The message of XOAUTH2.
    ///
    /// # Errors
    ///
    /// As [`oauthbearer`](Self::oauthbearer).
    pub fn xoauth2(self) -> Result<Secret, InvalidBearer> {
        self.check()?;
        let head: [&[u8]; 4] = [b"user=", self.user, b"\x01auth=Bearer ", self.token];
        let mut message: Vec<u8> = head.concat();
        message.extend_from_slice(b"\x01\x01");
        Ok(Secret::new(message))
    }

    /// Reads a message of either mechanism.
    ///
    /// # Errors
    ///
    /// [`InvalidBearer`] when it has neither form.
    pub fn decode(message: &'a [u8]) -> Result<Self, InvalidBearer> {
        let end = message.strip_suffix(b"\x01\x01").ok_or(InvalidBearer)?;
        let (user, rest) = if let Some(rest) = end.strip_prefix(b"user=") {
            let len = memchr::memchr(1, rest).ok_or(InvalidBearer)?;
            rest.split_at_checked(len).ok_or(InvalidBearer)?
        } else {
            // RFC 5801: no channel binding, an authorization identity or none.
            let rest = end.strip_prefix(b"n,").ok_or(InvalidBearer)?;
            let len = memchr::memchr(1, rest).ok_or(InvalidBearer)?;
            let (header, rest) = rest.split_at_checked(len).ok_or(InvalidBearer)?;
            let header = header.strip_suffix(b",").ok_or(InvalidBearer)?;
            (header.strip_prefix(b"a=").unwrap_or(header), rest)
        };
        let begin = memmem::find(rest, b"\x01auth=Bearer ").ok_or(InvalidBearer)?;
        let token = rest.get(begin.saturating_add(13)..).ok_or(InvalidBearer)?;
        let len = memchr::memchr(1, token).unwrap_or(token.len());
        let token = token.get(..len).ok_or(InvalidBearer)?;
        let bearer = Self { user, token };
        bearer.check()?;
        Ok(bearer)
    }

    fn check(&self) -> Result<(), InvalidBearer> {
        let is_bad = |octet: &u8| octet.is_ascii_control();
        let is_name = |octet: &u8| !matches!(octet, b',' | b'=');
        let is_good = !self.token.is_empty()
            && !self.token.iter().any(is_bad)
            && !self.user.iter().any(is_bad)
            && self.user.iter().all(is_name);
        is_good.then_some(()).ok_or(InvalidBearer)
    }
}

impl fmt::Debug for Bearer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bearer").finish_non_exhaustive()
    }
}

/// A message of neither mechanism.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a message of OAUTHBEARER or XOAUTH2")]
pub struct InvalidBearer;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_mechanisms_both_ways() {
        let bearer = Bearer {
            user: b"user@example.com",
            token: b"vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==",
        };
        for message in [bearer.oauthbearer().unwrap(), bearer.xoauth2().unwrap()] {
            assert_eq!(Bearer::decode(message.as_bytes()), Ok(bearer));
        }
        // RFC 7628 section 4.1.
        let example = b"n,a=user@example.com,\x01host=server.example.com\x01port=143\x01auth=Bearer vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==\x01\x01";
        assert_eq!(Bearer::decode(example), Ok(bearer));
        for bad in [
            &b""[..],
            b"\x01\x01",
            b"user=a\x01\x01",
            b"n,a=u,\x01auth=Basic x\x01\x01",
        ] {
            assert_eq!(Bearer::decode(bad), Err(InvalidBearer));
        }
        let bad = Bearer {
            user: b"u\x01auth=Bearer x",
            token: b"t",
        };
        assert_eq!(bad.xoauth2(), Err(InvalidBearer));
    }
}
