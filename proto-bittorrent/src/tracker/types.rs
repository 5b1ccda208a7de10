//! What peers and trackers tell each other, whichever way it travels.

use crate::hash::{PeerId, Sha1Hash};
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

/// The name of a command in its final event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueryId(pub(crate) u64);

/// Why a peer announces itself (BEP 3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AnnounceEvent {
    /// Because it is time to.
    #[default]
    None,
    /// It has just got the last piece.
    Completed,
    /// It begins.
    Started,
    /// It ends.
    Stopped,
}

impl AnnounceEvent {
    /// The number of BEP 15.
    #[must_use]
    pub const fn number(self) -> u32 {
        match self {
            Self::None => 0,
            Self::Completed => 1,
            Self::Started => 2,
            Self::Stopped => 3,
        }
    }

    /// From the number of BEP 15; numbers of later extensions count as none.
    #[must_use]
    pub const fn from_number(number: u32) -> Self {
        match number {
            1 => Self::Completed,
            2 => Self::Started,
            3 => Self::Stopped,
            _ => Self::None,
        }
    }

    /// The word of BEP 3.
    #[must_use]
    pub const fn word(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Completed => Some("completed"),
            Self::Started => Some("started"),
            Self::Stopped => Some("stopped"),
        }
    }

    /// From the word of BEP 3; other words count as none.
    #[must_use]
    pub fn from_word(word: &[u8]) -> Self {
        match word {
            b"completed" => Self::Completed,
            b"started" => Self::Started,
            b"stopped" => Self::Stopped,
            _ => Self::None,
        }
    }
}

/// What a peer tells a tracker.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Announce {
    /// Which torrent: the v1 info-hash, or the v2 one cut to 20 octets (BEP 52).
    pub info_hash: Sha1Hash,
    /// Who the peer is.
    pub peer_id: PeerId,
    /// Where it takes connections.
    pub port: u16,
    /// Octets that it sent since it began.
    pub uploaded: u64,
    /// Octets that it got since it began.
    pub downloaded: u64,
    /// Octets that it still wants; 0 makes it a seed.
    pub left: u64,
    /// Why it announces itself.
    pub event: AnnounceEvent,
    /// How many peers it wants; the tracker decides when it does not say.
    pub want: Option<u32>,
    /// A number that stays the same when its address changes.
    pub key: u32,
    /// Its address, when the tracker sees another one. Most trackers take no notice.
    pub ip: Option<IpAddr>,
}

impl Announce {
    /// A peer that begins, and wants everything.
    #[must_use]
    pub fn new(info_hash: Sha1Hash, peer_id: PeerId, port: u16) -> Self {
        Self {
            info_hash,
            peer_id,
            port,
            uploaded: 0,
            downloaded: 0,
            left: u64::MAX >> 1,
            event: AnnounceEvent::Started,
            want: None,
            key: 0,
            ip: None,
        }
    }
}

/// What a tracker tells a peer.
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Announced {
    /// When to come again.
    pub interval: Duration,
    /// When to come again at the earliest.
    pub min_interval: Option<Duration>,
    /// Peers that have everything.
    pub seeders: Option<u32>,
    /// Peers that do not.
    pub leechers: Option<u32>,
    /// How often the torrent was completed.
    pub completed: Option<u32>,
    /// Peers: those that can be reached at all, as many as
    /// [`Limits::max_peers`](crate::Limits::max_peers).
    pub peers: Vec<SocketAddr>,
    /// Our address as the tracker sees it (BEP 24).
    pub external_ip: Option<IpAddr>,
    /// Something that the user should know.
    pub warning: Option<String>,
    /// To be sent with the next announce.
    pub tracker_id: Option<Vec<u8>>,
}

impl fmt::Debug for Announced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A tracker id may tell who one is.
        f.debug_struct("Announced")
            .field("interval", &self.interval)
            .field("min_interval", &self.min_interval)
            .field("seeders", &self.seeders)
            .field("leechers", &self.leechers)
            .field("completed", &self.completed)
            .field("peers", &self.peers)
            .field("external_ip", &self.external_ip)
            .field("warning", &self.warning)
            .finish_non_exhaustive()
    }
}

/// How many peers a torrent has (BEP 48).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScrapeCounts {
    /// Peers that have everything.
    pub seeders: u32,
    /// How often it was completed.
    pub completed: u32,
    /// Peers that do not have everything.
    pub leechers: u32,
}
