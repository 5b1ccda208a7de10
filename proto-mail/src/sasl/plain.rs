//! PLAIN: a name and a password in one message (RFC 4616).

use crate::Secret;
use alloc::vec::Vec;
use core::fmt;
use memchr::memchr;

/// What the message of the client says.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Plain<'a> {
    /// As whom to act; empty for the user itself.
    pub authorize_as: &'a [u8],
    /// Who logs in.
    pub user: &'a [u8],
    /// The password.
    pub password: &'a [u8],
}

impl<'a> Plain<'a> {
    /// A user who acts for itself.
    #[must_use]
    pub fn new(user: &'a [u8], password: &'a [u8]) -> Self {
        Self {
            authorize_as: b"",
            user,
            password,
        }
    }

    /// Reads a message: `[authzid] NUL authcid NUL passwd`.
    ///
    /// # Errors
    ///
    /// [`InvalidPlain`] when it has not exactly two NULs, or the user or the password is empty.
    pub fn decode(message: &'a [u8]) -> Result<Self, InvalidPlain> {
        let (authorize_as, rest) = split_at_nul(message).ok_or(InvalidPlain)?;
        let (user, password) = split_at_nul(rest).ok_or(InvalidPlain)?;
        Self {
            authorize_as,
            user,
            password,
        }
        .checked()
    }

    /// Writes the message.
    ///
    /// # Errors
    ///
    /// [`InvalidPlain`] when a part holds NUL, or the user or the password is empty.
    pub fn encode(self) -> Result<Secret, InvalidPlain> {
        let Self {
            authorize_as,
            user,
            password,
        } = self.checked()?;
        let len = authorize_as
            .len()
            .saturating_add(user.len())
            .saturating_add(password.len())
            .saturating_add(2);
        // In one go, so that no half-written copy is left behind in memory.
        let mut message = Vec::with_capacity(len);
        message.extend_from_slice(authorize_as);
        message.push(0);
        message.extend_from_slice(user);
        message.push(0);
        message.extend_from_slice(password);
        Ok(Secret::new(message))
    }

    fn checked(self) -> Result<Self, InvalidPlain> {
        // RFC 4616 section 2: authcid and passwd are 1*SAFE, and SAFE excludes NUL.
        let has_nul = [self.authorize_as, self.user, self.password]
            .iter()
            .any(|part| memchr(0, part).is_some());
        if has_nul || self.user.is_empty() || self.password.is_empty() {
            return Err(InvalidPlain);
        }
        Ok(self)
    }
}

impl fmt::Debug for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plain").finish_non_exhaustive()
    }
}

/// A message that does not follow RFC 4616.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a message of the PLAIN mechanism")]
pub struct InvalidPlain;

fn split_at_nul(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let (head, rest) = text.split_at_checked(memchr(0, text)?)?;
    Some((head, rest.get(1..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_rfc_4616_both_ways() {
        for (message, authorize_as, user, password) in [
            (
                &b"\0tim\0tanstaaftanstaaf"[..],
                &b""[..],
                &b"tim"[..],
                &b"tanstaaftanstaaf"[..],
            ),
            (b"Ursel\0Kurt\0xipj3plmq", b"Ursel", b"Kurt", b"xipj3plmq"),
        ] {
            let plain = Plain {
                authorize_as,
                user,
                password,
            };
            assert_eq!(Plain::decode(message), Ok(plain));
            assert_eq!(plain.encode().unwrap().as_bytes(), message);
        }
    }

    #[test]
    fn parts_can_neither_be_missing_nor_carry_a_separator() {
        for bad in [
            &b""[..],
            b"\0",
            b"\0\0",
            b"a\0b",
            b"\0user\0",
            b"\0\0pw",
            b"\0u\0p\0q",
        ] {
            assert_eq!(Plain::decode(bad), Err(InvalidPlain), "{bad:?}");
        }
        assert_eq!(Plain::new(b"u\0x", b"p").encode(), Err(InvalidPlain));
    }
}
