//! The twelve octets at the front of each message (RFC 1035 section 4.1.1).

use super::code::{Opcode, Rcode};
use crate::error::{DecodeError, Fault};

/// The header of a message. Reading it costs nothing and allocates nothing, so it is the cheapest
/// look at a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// What the asker chose to know the answer by.
    pub id: u16,
    /// The second pair of octets.
    pub flags: Flags,
    /// QDCOUNT, ANCOUNT, NSCOUNT, ARCOUNT: what the sender says, not what is there.
    pub counts: [u16; 4],
}

impl Header {
    /// Octets of a header.
    pub const LEN: usize = 12;

    /// Reads the first twelve octets and looks at nothing else.
    ///
    /// # Errors
    ///
    /// [`Fault::Truncated`] when there are fewer.
    #[inline]
    pub fn peek(octets: &[u8]) -> Result<Self, DecodeError> {
        let &[i, d, f, g, q, r, a, b, n, o, x, y] = octets
            .first_chunk()
            .ok_or(DecodeError::new(octets.len(), Fault::Truncated))?;
        Ok(Self {
            id: u16::from_be_bytes([i, d]),
            flags: Flags(u16::from_be_bytes([f, g])),
            counts: [
                u16::from_be_bytes([q, r]),
                u16::from_be_bytes([a, b]),
                u16::from_be_bytes([n, o]),
                u16::from_be_bytes([x, y]),
            ],
        })
    }

    /// The twelve octets.
    #[must_use]
    pub fn encode(&self) -> [u8; Self::LEN] {
        let [i, d] = self.id.to_be_bytes();
        let [f, g] = self.flags.0.to_be_bytes();
        let [[q, r], [a, b], [n, o], [x, y]] = self.counts.map(u16::to_be_bytes);
        [i, d, f, g, q, r, a, b, n, o, x, y]
    }
}

/// The flags, the opcode and the lower four bits of the response code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(pub u16);

impl Flags {
    /// The message is a response.
    pub const QR: Self = Self(0x8000);
    /// The answer is authoritative.
    pub const AA: Self = Self(0x0400);
    /// The message was truncated.
    pub const TC: Self = Self(0x0200);
    /// Recursion is desired.
    pub const RD: Self = Self(0x0100);
    /// Recursion is available.
    pub const RA: Self = Self(0x0080);
    /// The data is authentic (RFC 4035 section 3.2.3).
    pub const AD: Self = Self(0x0020);
    /// Checking is disabled (RFC 4035 section 3.2.2).
    pub const CD: Self = Self(0x0010);

    /// Whether all bits of `other` are set.
    #[inline]
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// With the bits of `other` set, or cleared.
    #[must_use]
    pub const fn with(self, other: Self, on: bool) -> Self {
        if on {
            Self(self.0 | other.0)
        } else {
            Self(self.0 & !other.0)
        }
    }

    /// Whether the message is a response.
    #[inline]
    #[must_use]
    pub const fn is_response(self) -> bool {
        self.contains(Self::QR)
    }

    /// The opcode.
    #[inline]
    #[must_use]
    pub const fn opcode(self) -> Opcode {
        Opcode((self.0 >> 11) & 0xf)
    }

    /// With this opcode, of which four bits count.
    #[must_use]
    pub const fn with_opcode(self, opcode: Opcode) -> Self {
        Self(self.0 & !0x7800 | (opcode.0 & 0xf) << 11)
    }

    /// The four bits of the response code that stand in the header.
    #[inline]
    #[must_use]
    pub const fn low_rcode(self) -> Rcode {
        Rcode(self.0 & 0xf)
    }

    /// With the lower four bits of this response code.
    #[must_use]
    pub const fn with_low_rcode(self, rcode: Rcode) -> Self {
        Self(self.0 & !0xf | rcode.0 & 0xf)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_is_read_again() {
        let header = Header {
            id: 0xabcd,
            flags: Flags::QR
                .with(Flags::RD, true)
                .with_opcode(Opcode::UPDATE)
                .with_low_rcode(Rcode::REFUSED),
            counts: [1, 2, 3, 0xffff],
        };
        assert_eq!(Header::peek(&header.encode()), Ok(header));
        assert_eq!(header.flags.opcode(), Opcode::UPDATE);
        assert_eq!(header.flags.low_rcode(), Rcode::REFUSED);
        assert_eq!(
            Header::peek(&[0; 11]),
            Err(DecodeError::new(11, Fault::Truncated))
        );
    }
}
