//! `ut_pex`: peers tell each other of peers (BEP 11).

use super::compact;
use crate::bencode::{self, Doc, Limits, Mode, WriteError, Writer};
use alloc::vec::Vec;
use core::net::SocketAddr;

/// Most peers of each of the four lists that are read; BEP 11 allows 50 added and 50 dropped.
const MAX_PEERS: usize = 200;

/// A message of `ut_pex` that is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("bencode: {0}")]
pub struct PexError(#[from] bencode::DecodeError);

/// What is said of a peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PexFlags(pub u8);

impl PexFlags {
    /// It prefers encryption.
    pub const ENCRYPTION: Self = Self(0x01);
    /// It wants nothing.
    pub const SEED: Self = Self(0x02);
    /// It knows uTP.
    pub const UTP: Self = Self(0x04);
    /// It knows `ut_holepunch`.
    pub const HOLEPUNCH: Self = Self(0x08);
    /// It was connected to, not the other way round.
    pub const REACHABLE: Self = Self(0x10);

    /// Whether all of `flags` are set.
    #[must_use]
    pub fn contains(self, flags: Self) -> bool {
        self.0 & flags.0 == flags.0
    }
}

/// A peer that others are told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PexPeer {
    /// Where it is.
    pub address: SocketAddr,
    /// What is said of it.
    pub flags: PexFlags,
}

/// Peers that came and went since the last message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pex {
    /// Those that came.
    pub added: Vec<PexPeer>,
    /// Those that went.
    pub dropped: Vec<SocketAddr>,
}

impl Pex {
    /// A message that says nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads one. Addresses that nobody can be reached at are left out, and of each list of the
    /// message no more than 200 peers are read.
    ///
    /// # Errors
    ///
    /// [`PexError`].
    pub fn parse(payload: &[u8]) -> Result<Self, PexError> {
        let doc = Doc::parse(payload, Mode::Lenient, &Limits::small(200))?;
        let root = doc.root();
        let octets = |key: &[u8]| root.get_bytes(key).unwrap_or_default();
        let mut pex = Self::default();
        let v4 = compact::v4(octets(b"added")).map(SocketAddr::V4);
        pex.add(v4, octets(b"added.f"));
        let v6 = compact::v6(octets(b"added6")).map(SocketAddr::V6);
        pex.add(v6, octets(b"added6.f"));
        let v4 = compact::v4(octets(b"dropped"))
            .map(SocketAddr::V4)
            .take(MAX_PEERS);
        let v6 = compact::v6(octets(b"dropped6"))
            .map(SocketAddr::V6)
            .take(MAX_PEERS);
        pex.dropped.extend(v4.chain(v6));
        Ok(pex)
    }

    fn add(&mut self, peers: impl Iterator<Item = SocketAddr>, flags: &[u8]) {
        let flags = flags.iter().copied().chain(core::iter::repeat(0));
        let peers = peers
            .zip(flags)
            .take(MAX_PEERS)
            .filter(|(address, _)| compact::is_reachable(*address))
            .map(|(address, flags)| PexPeer {
                address,
                flags: PexFlags(flags),
            });
        self.added.extend(peers);
    }

    /// The payload of the extended message.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        // Keys are written in their order: the writer has nothing to refuse.
        let written = self.write(&mut out);
        debug_assert_eq!(written, Ok(()));
        out
    }

    fn write(&self, out: &mut Vec<u8>) -> Result<(), WriteError> {
        let mut lists: [Vec<u8>; 6] = Default::default();
        let [added, added_flags, added6, added6_flags, dropped, dropped6] = &mut lists;
        for peer in &self.added {
            let (list, flags) = match peer.address {
                SocketAddr::V4(_) => (&mut *added, &mut *added_flags),
                SocketAddr::V6(_) => (&mut *added6, &mut *added6_flags),
            };
            compact::push(list, peer.address);
            flags.push(peer.flags.0);
        }
        for peer in &self.dropped {
            let list = if peer.is_ipv4() {
                &mut *dropped
            } else {
                &mut *dropped6
            };
            compact::push(list, *peer);
        }
        let keys = [
            &b"added"[..],
            b"added.f",
            b"added6",
            b"added6.f",
            b"dropped",
            b"dropped6",
        ];
        let mut writer = Writer::new(out);
        writer.begin_dict()?;
        for (key, list) in keys.into_iter().zip(&lists) {
            writer.key(key)?;
            writer.bytes(list)?;
        }
        writer.end()
    }
}
