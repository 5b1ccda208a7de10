//! In the making.

mod adapter;
mod config;
pub mod kit;
mod link;
mod net;
mod node;
mod pair;
mod queue;
mod rng;
mod stream;
mod transcript;
mod world;

pub use adapter::{DatagramApp, DatagramNode, StreamApp, StreamDriver, StreamNode, StreamServer};
pub use config::{
    DatagramConfig, HostConfig, Millionths, PathConfig, RunLimits, Split, StreamConfig,
};
pub use net::Net;
pub use node::{Context, Fact, Node};
pub use pair::Pair;
pub use rng::{Rng, Seed};
pub use transcript::{Call, Diverged, Entry, NotATranscript, Polled, Transcript, replay};

use core::time::Duration;

/// A host of a [`Net`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostId(usize);

/// A node of a [`Net`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(usize);

/// One end of a stream. Never used twice: what is said of an old one is harmless.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId {
    stream: u64,
    side: Side,
}

impl StreamId {
    /// A number that both ends share; it names the stream in a [`Transcript`].
    #[must_use]
    pub fn number(self) -> u64 {
        self.stream
    }
}

/// A datagram socket. Never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SocketId(u64);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Side {
    Client,
    Server,
}

impl Side {
    fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

/// Why a run ended before its time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SimError {
    /// A node was called again and again while the clock stood still.
    #[error("node {node} chatters without end at {at:?}; last it was told {last}")]
    Chatter {
        /// Its name.
        node: String,
        /// When.
        at: Duration,
        /// The last fact that it was told.
        last: String,
    },
    /// The run had more wake-ups than [`RunLimits::wakeups`].
    #[error("no end after {wakeups} wake-ups, at {at:?}")]
    Endless {
        /// When.
        at: Duration,
        /// How many there were.
        wakeups: u64,
    },
    /// A node wrote between [`Context::start_tls`] and [`Fact::Secured`].
    #[error("node {node} wrote plaintext into a TLS handshake at {at:?}")]
    Plaintext {
        /// Its name.
        node: String,
        /// When.
        at: Duration,
    },
    /// A node gave up: [`Context::fail`].
    #[error("node {node} at {at:?}: {reason}")]
    Node {
        /// Its name.
        node: String,
        /// When.
        at: Duration,
        /// Why.
        reason: String,
    },
}

/// Counters of a network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Things that happened.
    pub wakeups: u64,
    /// Segments of streams that left, those sent again included.
    pub segments: u64,
    /// Datagrams that arrived.
    pub datagrams: u64,
    /// Octets that arrived, in streams and datagrams.
    pub octets: u64,
    /// Segments and datagrams that were lost by chance, or were too large.
    pub lost: u64,
    /// Datagrams that were doubled.
    pub duplicated: u64,
    /// Packets for which a queue had no room, and those to hosts and ports where nobody is.
    pub dropped: u64,
}
