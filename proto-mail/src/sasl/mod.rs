//! SASL mechanisms, for the embedder on either side.
//!
//! The protocol machines carry challenges and responses without looking into them; what is in them
//! is coded here, for both sides.
//!
//! | mechanism | | |
//! |---|---|---|
//! | PLAIN | [`plain`] | RFC 4616 |
//! | LOGIN | [`login`] | none |
//! | SCRAM-SHA-1, SCRAM-SHA-256, and -PLUS of both | [`scram`] | RFC 5802, 7677, 9266 |
//! | CRAM-MD5 | [`cram_md5`] | RFC 2195 |
//! | OAUTHBEARER, XOAUTH2 | [`bearer`] | RFC 7628 |
//! | EXTERNAL | [`external`] | RFC 4422 appendix A |
//! | ANONYMOUS | [`anonymous`] | RFC 4505 |
//!
//! [`client::Client`] and [`server::Server`] are whole exchanges, whatever the mechanism: they take
//! what the other side said and give what is to be said. [`memory`] answers what the server's side asks. [`prep`] brings names and passwords into
//! one form.
//!
//! ```
//! use proto_mail::Secret;
//! use proto_mail::sasl::client::Client;
//! use proto_mail::sasl::scram::{Credentials, Hash};
//! use proto_mail::sasl::server::{Known, Server, Step};
//! use proto_mail::sasl::Mechanism;
//!
//! let stored = Credentials::derive(Hash::Sha256, &"hungry".into(), b"a random salt", 4096);
//! let mechanism = Mechanism::SCRAM_SHA_256;
//! let mut client = Client::new(mechanism, "bob", &Secret::from("hungry"), [1; 32], None)?;
//! let mut server = Server::new(mechanism, "hamburger.edu", [2; 32], None, false)?;
//!
//! let initial = client.initial();
//! let mut step = server.start(initial.as_ref().map(Secret::as_bytes))?;
//! let user = loop {
//!     step = match step {
//!         Step::Lookup { .. } => server.known(Some(Known::Scram(stored.clone())))?,
//!         Step::Challenge(challenge) => server.respond(client.respond(&challenge)?.as_bytes())?,
//!         Step::Done { user, .. } => break user,
//!         Step::Check(_) => unreachable!("SCRAM checks by itself"),
//!     }
//! };
//! assert_eq!(user, b"bob");
//! assert!(client.is_done());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod anonymous;
pub mod bearer;
pub mod client;
pub mod cram_md5;
pub mod external;
pub mod login;
pub mod memory;
pub mod plain;
pub mod prep;
pub mod scram;
pub mod server;
mod unassigned;

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
    pub const PLAIN: Self = Self::known(b"PLAIN");
    /// `LOGIN`.
    pub const LOGIN: Self = Self::known(b"LOGIN");
    /// `CRAM-MD5` (RFC 2195).
    pub const CRAM_MD5: Self = Self::known(b"CRAM-MD5");
    /// `SCRAM-SHA-1` (RFC 5802).
    pub const SCRAM_SHA_1: Self = Self::known(b"SCRAM-SHA-1");
    /// `SCRAM-SHA-1-PLUS` (RFC 5802).
    pub const SCRAM_SHA_1_PLUS: Self = Self::known(b"SCRAM-SHA-1-PLUS");
    /// `SCRAM-SHA-256` (RFC 7677).
    pub const SCRAM_SHA_256: Self = Self::known(b"SCRAM-SHA-256");
    /// `SCRAM-SHA-256-PLUS` (RFC 7677).
    pub const SCRAM_SHA_256_PLUS: Self = Self::known(b"SCRAM-SHA-256-PLUS");
    /// `EXTERNAL` (RFC 4422).
    pub const EXTERNAL: Self = Self::known(b"EXTERNAL");
    /// `ANONYMOUS` (RFC 4505).
    pub const ANONYMOUS: Self = Self::known(b"ANONYMOUS");
    /// `OAUTHBEARER` (RFC 7628).
    pub const OAUTHBEARER: Self = Self::known(b"OAUTHBEARER");
    /// `XOAUTH2`.
    pub const XOAUTH2: Self = Self::known(b"XOAUTH2");

    /// A name that is right.
    const fn known(name: &[u8]) -> Self {
        let (mut octets, mut len) = ([0; Self::MAX_LEN], 0_u8);
        let mut rest = name;
        while let [first, tail @ ..] = rest {
            #[expect(
                clippy::indexing_slicing,
                reason = "in constants, of 20 octets at most"
            )]
            {
                octets[len as usize] = *first;
            }
            len = len.saturating_add(1);
            rest = tail;
        }
        Self { octets, len }
    }

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

    /// Whether the exchange is bound to the TLS session: the -PLUS variants (RFC 5802).
    #[must_use]
    pub fn binds_channel(&self) -> bool {
        self.as_str().ends_with("-PLUS")
    }

    /// Whether whoever overhears an exchange can repeat it, or, with CRAM-MD5, try a thousand million
    /// passwords a second on it: these mechanisms belong under TLS.
    #[must_use]
    pub fn reveals_secret(&self) -> bool {
        matches!(
            self.as_str(),
            "PLAIN" | "LOGIN" | "CRAM-MD5" | "XOAUTH2" | "OAUTHBEARER" | "X-OAUTH2"
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

/// A message that the mechanism does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a message of the mechanism")]
pub struct InvalidMessage;

/// RFC 4422 section 3.1 and RFC 4505: no NUL.
fn is_name(name: &str) -> bool {
    !name.contains('\0')
}

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
