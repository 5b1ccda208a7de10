//! Names of torrents and peers: hashes and identities.

use core::fmt;
use core::str::FromStr;
use sha1::Sha1;
use sha2::{Digest, Sha256};

/// Text that is no hexadecimal hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected} hexadecimal digits")]
pub struct HexError {
    /// Digits that the hash has.
    pub expected: usize,
}

macro_rules! octets_type {
    ($(#[$doc:meta])* $name:ident, $len:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
        pub struct $name(pub [u8; $len]);

        impl core::hash::Hash for $name {
            /// The octets alone: their number is always the same.
            fn hash<H: core::hash::Hasher>(&self, state: &mut H) {
                state.write(&self.0);
            }
        }

        impl $name {
            /// Octets of one.
            pub const LEN: usize = $len;

            /// The octets, if there are as many as there have to be.
            #[must_use]
            pub fn from_slice(octets: &[u8]) -> Option<Self> {
                octets.try_into().ok().map(Self)
            }

            /// The octets.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }
        }

        impl AsRef<[u8]> for $name {
            fn as_ref(&self) -> &[u8] {
                &self.0
            }
        }

        impl From<[u8; $len]> for $name {
            fn from(octets: [u8; $len]) -> Self {
                Self(octets)
            }
        }
    };
}

macro_rules! hex_text {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                for octet in self.0 {
                    write!(f, "{octet:02x}")?;
                }
                Ok(())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = HexError;

            fn from_str(text: &str) -> Result<Self, HexError> {
                let mut octets = [0; Self::LEN];
                data_encoding::HEXLOWER_PERMISSIVE
                    .decode_len(text.len())
                    .ok()
                    .filter(|len| *len == Self::LEN)
                    .and_then(|_| {
                        data_encoding::HEXLOWER_PERMISSIVE
                            .decode_mut(text.as_bytes(), &mut octets)
                            .ok()
                    })
                    .map(|_| Self(octets))
                    .ok_or(HexError {
                        expected: Self::LEN * 2,
                    })
            }
        }
    };
}

octets_type! {
    /// A SHA-1 hash: a v1 info-hash or the hash of a piece (BEP 3), or a v2 info-hash cut to 20
    /// octets, as handshakes and trackers carry it (BEP 52).
    Sha1Hash, 20
}
octets_type! {
    /// A SHA-256 hash: a v2 info-hash or a node of a merkle tree (BEP 52).
    Sha256Hash, 32
}
octets_type! {
    /// How a peer calls itself (BEP 3, BEP 20).
    PeerId, 20
}
hex_text!(Sha1Hash);
hex_text!(Sha256Hash);

impl Sha1Hash {
    /// The hash of these octets.
    #[must_use]
    pub fn of(octets: &[u8]) -> Self {
        Self(Sha1::digest(octets).into())
    }
}

impl Sha256Hash {
    /// The hash of these octets.
    #[must_use]
    pub fn of(octets: &[u8]) -> Self {
        Self(Sha256::digest(octets).into())
    }

    /// The hash of two nodes of a merkle tree.
    #[must_use]
    pub fn of_pair(left: &Self, right: &Self) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(left.0);
        hasher.update(right.0);
        Self(hasher.finalize().into())
    }

    /// The first 20 octets, as handshakes and trackers carry a v2 info-hash (BEP 52).
    #[must_use]
    pub fn truncated(&self) -> Sha1Hash {
        let mut octets = [0; 20];
        octets
            .iter_mut()
            .zip(self.0)
            .for_each(|(to, from)| *to = from);
        Sha1Hash(octets)
    }
}

impl fmt::Debug for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}

impl PeerId {
    /// A peer id in the style of BEP 20: `-XY1234-`, filled up with random octets of `seed`.
    #[must_use]
    pub fn azureus(client: [u8; 2], version: [u8; 4], seed: [u8; 12]) -> Self {
        let mut id = [b'-'; 20];
        let front = client.into_iter().chain(version);
        let octets = front.chain([b'-']).chain(seed);
        id.iter_mut()
            .skip(1)
            .zip(octets)
            .for_each(|(to, from)| *to = from);
        Self(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn hashes_are_read_as_they_are_written() {
        let hash = Sha1Hash::of(b"abc");
        let text = hash.to_string();
        assert_eq!(text, "a9993e364706816aba3e25717850c26c9cd0d89d");
        assert_eq!(text.parse(), Ok(hash));
        assert_eq!(text.to_uppercase().parse(), Ok(hash));
        assert_eq!("a9".parse::<Sha1Hash>(), Err(HexError { expected: 40 }));
        assert!("zz".repeat(20).parse::<Sha1Hash>().is_err());
    }

    #[test]
    fn a_peer_id_tells_its_client() {
        let id = PeerId::azureus(*b"XY", *b"0100", *b"abcdefghijkl");
        assert_eq!(&id.0, b"-XY0100-abcdefghijkl");
    }
}
