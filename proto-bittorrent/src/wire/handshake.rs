//! The first 68 octets of each side (BEP 3).
//!
//! ```text
//! 19 "BitTorrent protocol" | 8 reserved | 20 info-hash | 20 peer id
//! ```

use crate::hash::{PeerId, Sha1Hash};
use bytes::{Buf, BufMut, BytesMut};
use core::fmt;

const PROTOCOL: &[u8; 20] = b"\x13BitTorrent protocol";

/// What a peer says it can do, in eight octets that were once reserved.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Reserved(pub [u8; 8]);

impl Reserved {
    /// Whether it knows the extension protocol (BEP 10).
    #[must_use]
    pub fn has_extended(self) -> bool {
        self.has(5, 0x10)
    }

    /// Whether it knows the fast extension (BEP 6).
    #[must_use]
    pub fn has_fast(self) -> bool {
        self.has(7, 0x04)
    }

    /// Whether it runs a node of the DHT (BEP 5).
    #[must_use]
    pub fn has_dht(self) -> bool {
        self.has(7, 0x01)
    }

    /// Whether a v1 swarm may be left for the v2 one of the same torrent (BEP 52).
    #[must_use]
    pub fn has_v2(self) -> bool {
        self.has(7, 0x10)
    }

    /// Says that the extension protocol is known.
    #[must_use]
    pub fn with_extended(self) -> Self {
        self.with(5, 0x10)
    }

    /// Says that the fast extension is known.
    #[must_use]
    pub fn with_fast(self) -> Self {
        self.with(7, 0x04)
    }

    /// Says that a node of the DHT runs here.
    #[must_use]
    pub fn with_dht(self) -> Self {
        self.with(7, 0x01)
    }

    /// Says that the torrent is known as v2 too.
    #[must_use]
    pub fn with_v2(self) -> Self {
        self.with(7, 0x10)
    }

    fn has(self, octet: usize, bit: u8) -> bool {
        self.0.get(octet).is_some_and(|octet| octet & bit != 0)
    }

    fn with(mut self, octet: usize, bit: u8) -> Self {
        if let Some(octet) = self.0.get_mut(octet) {
            *octet |= bit;
        }
        self
    }
}

impl fmt::Debug for Reserved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", u64::from_be_bytes(self.0))
    }
}

/// Octets that begin no handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("octet {offset}: no BitTorrent handshake")]
pub struct HandshakeError {
    /// The first octet that is wrong.
    pub offset: usize,
}

/// How each side begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handshake {
    /// What it can do.
    pub reserved: Reserved,
    /// Which torrent it is about.
    pub info_hash: Sha1Hash,
    /// Who it is.
    pub peer_id: PeerId,
}

impl Handshake {
    /// Octets of a handshake.
    pub const LEN: usize = 68;

    /// Takes a handshake from the front of `src`, once it is whole.
    ///
    /// # Errors
    ///
    /// [`HandshakeError`] as soon as an octet is wrong. Nothing is consumed then.
    pub fn decode(src: &mut BytesMut) -> Result<Option<Self>, HandshakeError> {
        let wrong = src
            .iter()
            .zip(PROTOCOL)
            .position(|(is, wanted)| is != wanted);
        if let Some(offset) = wrong {
            return Err(HandshakeError { offset });
        }
        let Some(octets) = src.first_chunk::<{ Self::LEN }>() else {
            return Ok(None);
        };
        let mut rest = octets.get(PROTOCOL.len()..).unwrap_or_default();
        let mut handshake = Self {
            reserved: Reserved::default(),
            info_hash: Sha1Hash::default(),
            peer_id: PeerId::default(),
        };
        rest.copy_to_slice(&mut handshake.reserved.0);
        rest.copy_to_slice(&mut handshake.info_hash.0);
        rest.copy_to_slice(&mut handshake.peer_id.0);
        src.advance(Self::LEN);
        Ok(Some(handshake))
    }

    /// Appends it to `dst`.
    pub fn encode(&self, dst: &mut BytesMut) {
        dst.reserve(Self::LEN);
        dst.put_slice(PROTOCOL);
        dst.put_slice(&self.reserved.0);
        dst.put_slice(&self.info_hash.0);
        dst.put_slice(&self.peer_id.0);
    }
}
