//! SASL mechanisms, for the embedder on either side.
//!
//! The protocol machines carry challenges and responses without looking into them; what is in them
//! is coded here, for both sides.
//!
//! | mechanism | | |
//! |---|---|---|
//! | PLAIN | [`plain`] | RFC 4616 |
//! | SCRAM-SHA-1, SCRAM-SHA-256, and -PLUS of both | [`scram`] | RFC 5802, 7677, 9266 |
//! | CRAM-MD5 | [`cram_md5`] | RFC 2195 |
//! | OAUTHBEARER, XOAUTH2 | [`bearer`] | RFC 7628 |
//!
//! EXTERNAL (RFC 4422 appendix A), ANONYMOUS (RFC 4505) and LOGIN have messages that are one string
//! each: nothing is to be coded. LOGIN asks with two challenges, for the name and the password.

pub mod bearer;
pub mod cram_md5;
pub mod plain;
pub mod scram;

use core::fmt;

/// The name of a SASL mechanism (RFC 4422 section 3.1): one to twenty upper-case letters, digits,
/// hyphens and underscores.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mechanism {
    octets: [u8; Mechanism::MAX_LEN],
    len: u8,
}

impl Mechanism {
    /// The longest name there can be.
    pub const MAX_LEN: usize = 20;

    /// `PLAIN` (RFC 4616).
    pub const PLAIN: Self = Self {
        octets: *b"PLAIN\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
        len: 5,
    };

    /// Accepts a name in any case; it is kept in upper case.
    ///
    /// # Errors
    ///
    /// [`InvalidMechanism`] when it is empty, too long, or holds anything else.
    pub fn new(name: impl AsRef<[u8]>) -> Result<Self, InvalidMechanism> {
        let name = name.as_ref();
        let mut octets = [0; Self::MAX_LEN];
        let slots = octets.get_mut(..name.len()).ok_or(InvalidMechanism)?;
        for (slot, octet) in slots.iter_mut().zip(name) {
            *slot = match octet.to_ascii_uppercase() {
                octet @ (b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_') => octet,
                _ => return Err(InvalidMechanism),
            };
        }
        match u8::try_from(name.len()) {
            Ok(len @ 1..) => Ok(Self { octets, len }),
            _ => Err(InvalidMechanism),
        }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let octets = self.octets.get(..usize::from(self.len));
        core::str::from_utf8(octets.unwrap_or_default()).unwrap_or_default()
    }

    /// Whether whoever overhears an exchange can repeat it: these mechanisms belong under TLS.
    #[must_use]
    pub fn reveals_secret(&self) -> bool {
        matches!(
            self.as_str(),
            "PLAIN" | "LOGIN" | "XOAUTH2" | "OAUTHBEARER" | "X-OAUTH2"
        )
    }
}

impl fmt::Debug for Mechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mechanism({self})")
    }
}

impl fmt::Display for Mechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl core::str::FromStr for Mechanism {
    type Err = InvalidMechanism;

    fn from_str(name: &str) -> Result<Self, InvalidMechanism> {
        Self::new(name)
    }
}

/// Octets that are no name of a mechanism.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the name of a SASL mechanism")]
pub struct InvalidMechanism;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked_and_folded() {
        assert_eq!(Mechanism::new("plain"), Ok(Mechanism::PLAIN));
        assert_eq!(
            Mechanism::new("Scram-Sha-256-Plus").map(|name| name.len),
            Ok(18)
        );
        for bad in ["", "A B", "A\r\n", "ABCDEFGHIJKLMNOPQRSTU"] {
            assert_eq!(Mechanism::new(bad), Err(InvalidMechanism), "{bad:?}");
        }
    }
}
