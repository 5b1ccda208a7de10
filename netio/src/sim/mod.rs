//! A deterministic virtual network, and a kit that proves the rules of the convention.
//!
//! Machines have no clock, no sockets and no entropy, so a whole network of them can live in one
//! test: a thousand hosts, an hour of their time, bad links, hosts that fail; milliseconds of yours.
//! One [`Seed`] decides everything that is random. The same seed gives the same run to the last bit,
//! on every platform; a run that failed is found again by its seed.
//!
//! | you want | take |
//! |---|---|
//! | two stream machines and a wire | [`Pair`] |
//! | hosts, capacities, latencies, failures | [`Net`], [`HostConfig`], [`PathConfig`] |
//! | any stream machine as a node | [`StreamNode`], or one per connection: [`StreamServer`] |
//! | any datagram machine as a node | [`DatagramNode`] |
//! | something with streams, sockets and timers of its own | implement [`Node`]; [`StreamDriver`] drives the machines inside it |
//! | a proof that your machine keeps the rules | [`kit`] |
//! | a run on record, played again to a changed machine | [`Net::keep_transcript`], [`replay`], [`replay_datagrams`] |
//!
//! There is no runtime here: no thread, no `async`, nothing sleeps. The clock is a
//! [`Duration`] since the start and jumps from one thing that happens to the
//! next. Things that happen at the same time happen in the order in which they were caused.
//!
//! # Example
//!
//! A client asks over a bad path until it is answered.
//!
//! ```
//! use core::time::Duration;
//! use netio::sim::{Context, Fact, HostConfig, Net, Node, PathConfig, SocketId};
//!
//! #[derive(Debug)]
//! struct Server;
//!
//! impl Node for Server {
//!     fn handle(&mut self, net: &mut Context<'_>, fact: Fact) {
//!         match fact {
//!             Fact::Started => assert!(net.bind(Some(7)).is_some()),
//!             Fact::Datagram { socket, from, data } => {
//!                 net.send(socket, from, data.to_ascii_uppercase().into());
//!             }
//!             _ => {}
//!         }
//!     }
//! }
//!
//! #[derive(Debug, Default)]
//! struct Client { socket: Option<SocketId>, again: Option<Duration>, asked: u32, answer: Vec<u8> }
//!
//! impl Node for Client {
//!     fn handle(&mut self, net: &mut Context<'_>, fact: Fact) {
//!         match fact {
//!             Fact::Started => self.socket = net.bind(None), // a random port
//!             Fact::Datagram { data, .. } => self.answer = data.to_vec(),
//!             _ => {}
//!         }
//!         self.again = None;
//!         if let (true, Some(socket)) = (self.answer.is_empty(), self.socket) {
//!             self.asked += 1;
//!             net.send(socket, "192.0.2.1:7".parse().unwrap(), "hello".into());
//!             self.again = Some(net.now() + Duration::from_secs(1));
//!         }
//!     }
//!
//!     fn poll_timeout(&self) -> Option<Duration> {
//!         self.again
//!     }
//! }
//!
//! let mut net = Net::new(3); // the seed
//! let mut path = PathConfig::latency(Duration::from_millis(40));
//! path.datagram.loss = 600_000; // six of ten are lost
//! net.set_default_path(path);
//! let here = net.add_host("here", &HostConfig::default(), ["192.0.2.1".parse()?]);
//! let there = net.add_host("there", &HostConfig::default(), ["192.0.2.2".parse()?]);
//! net.add_node(here, "server", Server);
//! let client = net.add_node(there, "client", Client::default());
//! net.run_until_idle()?;
//!
//! let client: &Client = net.node(client).ok_or("no such node")?;
//! assert_eq!(client.answer, b"HELLO");
//! let tries = Duration::from_secs(u64::from(client.asked - 1));
//! assert_eq!(net.now(), tries + Duration::from_millis(80));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is modelled
//!
//! **Hosts** have a link up and a link down, each shared by all flows of the host: a link sends one
//! segment or datagram at a time, and the flows that wait take turns. A host that
//! [fails](Net::fail) loses its sockets, streams and whatever waits in it; its peers learn of it
//! after a time, or by a reset when it [comes back](Net::recover).
//!
//! **Streams** are ordered and have latency, bandwidth, bounded buffers at both ends with
//! back-pressure, half-close, reset, and loss: a lost segment holds back all behind it until it was
//! sent again. Reads can be cut and writes cut short at random, which a correct embedder must bear.
//! As with TCP, closing a stream with unread octets resets it, and the reset can overtake a farewell.
//! Congestion control is not modelled: a sender fills the window from the start.
//!
//! **TLS** is a meeting of both sides in mid-stream, not cryptography: octets that were not meant to
//! stand there break it, as they would break a real handshake.
//!
//! **Datagrams** have latency, jitter, loss, duplication, reordering, a largest size, and drop-tail
//! queues at links that are full. Any source address can be forged.
//!
//! **Endless runs** end: a node that is called again and again while the clock stands still, or a
//! run with too many wake-ups, is a [`SimError`] that names the culprit ([`RunLimits`]).
//!
//! # Units
//!
//! Times are [`Duration`]s, rates are octets per second with `None` for no bound,
//! sizes are octets, chances are [`Millionths`]. There are no floating-point numbers.

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
pub use transcript::{
    Call, Diverged, Entry, NotATranscript, Polled, Transcript, replay, replay_datagrams,
};

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
    #[error("no end after {wakeups} wake-ups, at {at:?}; the busiest node is {node}")]
    Endless {
        /// The name of the node that was called most.
        node: String,
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
