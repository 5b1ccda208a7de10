//! Which pieces somebody has.

use alloc::vec::Vec;
use core::fmt;

/// One bit a piece, the first in the highest bit of the first octet (BEP 3).
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Bitfield {
    octets: Vec<u8>,
    len: u32,
    count: u32,
}

/// Octets that are no bitfield of so many pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BitfieldError {
    /// Too many or too few octets.
    #[error("a bitfield of {found} octets where {expected} are needed")]
    Length {
        /// Octets that are needed.
        expected: usize,
        /// Octets that are there.
        found: usize,
    },
    /// A bit is set behind the last piece.
    #[error("a bit is set that stands for no piece")]
    SpareBits,
}

impl Bitfield {
    /// Nothing of `len` pieces.
    #[must_use]
    pub fn new(len: u32) -> Self {
        Self {
            octets: alloc::vec![0; octets_for(len)],
            len,
            count: 0,
        }
    }

    /// Checks what a peer sent.
    ///
    /// # Errors
    ///
    /// [`BitfieldError`].
    pub fn from_octets(octets: &[u8], len: u32) -> Result<Self, BitfieldError> {
        let expected = octets_for(len);
        if octets.len() != expected {
            return Err(BitfieldError::Length {
                expected,
                found: octets.len(),
            });
        }
        let spare = 0xff_u8.checked_shr(len % 8).unwrap_or(0);
        if !len.is_multiple_of(8) && octets.last().is_some_and(|last| last & spare != 0) {
            return Err(BitfieldError::SpareBits);
        }
        Ok(Self {
            octets: octets.to_vec(),
            len,
            count: octets.iter().map(|octet| octet.count_ones()).sum(),
        })
    }

    /// Pieces that it tells of.
    #[must_use]
    pub fn len(&self) -> u32 {
        self.len
    }

    /// Whether no piece is there.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Whether all pieces are there.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.count == self.len
    }

    /// Pieces that are there.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Whether a piece is there.
    #[must_use]
    pub fn get(&self, piece: u32) -> bool {
        let octet = self.octets.get((piece / 8) as usize);
        octet.is_some_and(|octet| octet & mask(piece) != 0)
    }

    /// Notes that a piece is there, or not. Pieces beyond the last are passed over.
    pub fn set(&mut self, piece: u32, is_there: bool) {
        if piece >= self.len || self.get(piece) == is_there {
            return;
        }
        if let Some(octet) = self.octets.get_mut((piece / 8) as usize) {
            *octet ^= mask(piece);
            self.count = if is_there {
                self.count.saturating_add(1)
            } else {
                self.count.saturating_sub(1)
            };
        }
    }

    /// The pieces that are there, in their order.
    pub fn iter(&self) -> impl Iterator<Item = u32> {
        let octets = self.octets.iter().zip((0_u32..).step_by(8));
        octets
            .filter(|(octet, _)| **octet != 0)
            .flat_map(|(octet, first)| {
                (0..8)
                    .map(move |bit| first.saturating_add(bit))
                    .filter(move |piece| octet & mask(*piece) != 0)
            })
    }

    /// The octets, as a message carries them.
    #[must_use]
    pub fn as_octets(&self) -> &[u8] {
        &self.octets
    }

    /// The same pieces among more, as long as it is not known how many there are. Costs what is
    /// added, however often it happens.
    pub(super) fn grow(&mut self, len: u32) {
        if len > self.len {
            self.octets.resize(octets_for(len), 0);
            self.len = len;
        }
    }

    /// The same pieces among fewer or more; false when one would be lost.
    pub(super) fn resize(&mut self, len: u32) -> bool {
        let last = self.iter().last();
        if last.is_some_and(|last| last >= len) {
            return false;
        }
        self.octets.resize(octets_for(len), 0);
        self.octets.shrink_to_fit();
        self.len = len;
        true
    }
}

fn octets_for(len: u32) -> usize {
    len.div_ceil(8) as usize
}

fn mask(piece: u32) -> u8 {
    0x80 >> (piece % 8)
}

impl fmt::Debug for Bitfield {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bitfield({} of {})", self.count, self.len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_stand_where_bep_3_puts_them() {
        let mut bits = Bitfield::new(10);
        bits.set(0, true);
        bits.set(9, true);
        bits.set(10, true);
        assert_eq!(bits.as_octets(), [0x80, 0x40]);
        assert_eq!((bits.count(), bits.is_full()), (2, false));
        assert!(bits.iter().eq([0, 9]));
        bits.set(0, false);
        assert_eq!((bits.count(), bits.get(0), bits.get(9)), (1, false, true));
    }

    #[test]
    fn lengths_and_spare_bits_are_checked() {
        assert!(Bitfield::from_octets(&[0xff, 0xc0], 10).is_ok_and(|bits| bits.is_full()));
        assert_eq!(
            Bitfield::from_octets(&[0xff, 0xe0], 10),
            Err(BitfieldError::SpareBits)
        );
        assert!(Bitfield::from_octets(&[0xff], 10).is_err());
        assert!(Bitfield::from_octets(&[0xff; 3], 10).is_err());
        assert!(Bitfield::from_octets(&[0xff], 8).is_ok());
        assert!(Bitfield::from_octets(&[], 0).is_ok());
    }
}
