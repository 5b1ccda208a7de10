//! How a connection behaves.

use crate::hash::{PeerId, Sha1Hash};
use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

/// How connections behave; the same value serves all connections of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// Who we are. A peer that bears the same id is ourselves.
    pub peer_id: PeerId,
    /// Whether the fast extension is offered (BEP 6). Default true.
    pub fast: bool,
    /// Whether the extension protocol is offered (BEP 10), and with it `ut_metadata`, `ut_pex` and
    /// `lt_donthave`. Default true.
    pub extended: bool,
    /// Whether a node of the DHT is announced (BEP 5). Default false.
    pub dht: bool,
    /// The name of the client that peers are told (`v`). Default none.
    pub client: Option<String>,
    /// The port on which we take connections. Default none.
    pub port: Option<u16>,
    /// Whether we want nothing (BEP 21). Default false.
    pub upload_only: bool,
    /// Extensions of yours (BEP 10): a name, and a number of at least 16 that you know it by.
    /// Default none.
    ///
    /// What the peer sends for one comes as
    /// [`Event::Extension`](super::Event::Extension).
    pub extensions: Vec<(String, u8)>,
    /// Silence of ours after which a keep-alive leaves. Default 110 seconds (BEP 3: two minutes).
    pub keep_alive: Duration,
}

impl Config {
    /// All that this crate knows, under this id.
    #[must_use]
    pub fn new(peer_id: PeerId) -> Self {
        Self {
            peer_id,
            fast: true,
            extended: true,
            dht: false,
            client: None,
            port: None,
            upload_only: false,
            extensions: Vec::new(),
            keep_alive: Duration::from_secs(110),
        }
    }
}

/// What is known of the torrent that a connection is about.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Torrent {
    /// The hash that both handshakes carry.
    pub info_hash: Sha1Hash,
    /// Its pieces, as far as they are known: not at first, when only a magnet is.
    pub pieces: Option<Pieces>,
    /// Octets of the info dictionary, once it is there; peers may then ask for it (BEP 9).
    pub metadata_len: Option<u32>,
    /// Whether peers may come from the trackers only (BEP 27): `ut_pex` is then off.
    pub is_private: bool,
    /// The peer's address, which it is told (`yourip`).
    pub peer_ip: Option<IpAddr>,
}

impl Torrent {
    /// A torrent of which only the hash is known.
    #[must_use]
    pub fn new(info_hash: Sha1Hash) -> Self {
        Self {
            info_hash,
            pieces: None,
            metadata_len: None,
            is_private: false,
            peer_ip: None,
        }
    }

    /// A torrent that is known.
    #[must_use]
    pub fn of(metainfo: &crate::metainfo::Metainfo) -> Self {
        Self {
            info_hash: metainfo.swarm_hash(),
            pieces: Some(Pieces {
                count: metainfo.piece_count(),
                len: metainfo.piece_len(),
            }),
            metadata_len: u32::try_from(metainfo.info().len()).ok(),
            is_private: metainfo.is_private(),
            peer_ip: None,
        }
    }
}

/// How a torrent is cut into pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pieces {
    /// How many there are.
    pub count: u32,
    /// Octets of each; the last one may have fewer.
    pub len: u32,
}
