//! Octets that never show.

use alloc::vec::Vec;
use core::fmt;
use core::hint::black_box;
use subtle::ConstantTimeEq;

/// A password, or an octet string of a SASL exchange.
///
/// `Debug` prints no octet of it, there is no `Display`, comparison takes the same time wherever
/// two values of equal length differ, and the memory is overwritten when the value is dropped.
/// (What passed through read and write buffers is not: those belong to the embedder.)
#[derive(Clone, Default)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// Takes the octets.
    pub fn new(octets: impl Into<Vec<u8>>) -> Self {
        Self(octets.into())
    }

    /// The octets. Whoever calls this takes over the duty not to show them.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// How many octets there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True when there is no octet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        *self == *other.as_bytes()
    }
}

impl Eq for Secret {}

impl PartialEq<[u8]> for Secret {
    fn eq(&self, other: &[u8]) -> bool {
        self.0.ct_eq(other).into()
    }
}

impl From<&[u8]> for Secret {
    fn from(octets: &[u8]) -> Self {
        Self(octets.into())
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.as_bytes().into())
    }
}

impl From<Vec<u8>> for Secret {
    fn from(octets: Vec<u8>) -> Self {
        Self(octets)
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.fill(0);
        // Keeps the compiler from leaving out a write that nobody reads.
        black_box(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn debug_shows_neither_octets_nor_length() {
        assert_eq!(format!("{:?}", Secret::from("hungry")), "Secret(..)");
    }

    #[test]
    fn equality_looks_at_every_octet_and_the_length() {
        assert_eq!(Secret::from("hungry"), Secret::from("hungry"));
        assert_ne!(Secret::from("hungry"), Secret::from("hungrz"));
        assert_ne!(Secret::from("hungry"), Secret::from("hungry "));
    }
}
