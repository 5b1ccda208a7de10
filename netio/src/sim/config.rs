//! How a network behaves. Times are [`Duration`]s, rates octets per second, chances millionths.

use core::time::Duration;

/// How often a thing happens, in millionths: 10 000 is one case in a hundred.
pub type Millionths = u32;

/// The capacity of a host, shared by all its flows.
///
/// A link with a rate sends one packet at a time and serves the flows that wait in turn, so that a
/// flow with much to send does not keep the others waiting.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HostConfig {
    /// Octets per second that leave the host. Default `None`: any number, at once.
    pub up: Option<u64>,
    /// Octets per second that reach the host. Default `None`: any number, at once.
    pub down: Option<u64>,
    /// Octets of datagrams that may wait at each of the two links; more are dropped. Default
    /// 256 KiB. Streams wait in their own buffers and are not counted.
    pub queue: usize,
}

impl Default for HostConfig {
    fn default() -> Self {
        Self {
            up: None,
            down: None,
            queue: 256 * 1024,
        }
    }
}

impl HostConfig {
    /// A host with so many octets per second up and down.
    #[must_use]
    pub fn rates(up: u64, down: u64) -> Self {
        Self {
            up: Some(up),
            down: Some(down),
            ..Self::default()
        }
    }
}

/// The way from one host to another, for one direction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PathConfig {
    /// What streams meet.
    pub stream: StreamConfig,
    /// What datagrams meet.
    pub datagram: DatagramConfig,
}

impl PathConfig {
    /// A path on which streams and datagrams take so long.
    #[must_use]
    pub fn latency(latency: Duration) -> Self {
        let mut path = Self::default();
        path.stream.latency = latency;
        path.datagram.latency = latency;
        path
    }
}

/// One direction of a byte stream.
///
/// Sizes of headers are not modelled: a segment occupies a link for its octets alone, and what only
/// acknowledges occupies nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StreamConfig {
    /// The time that a segment takes. Default 10 ms.
    pub latency: Duration,
    /// Octets per second that one stream can have, beside what its hosts allow. Default `None`.
    pub bandwidth: Option<u64>,
    /// Octets that a writer may hand over before the network takes no more. Default 64 KiB.
    pub send_buffer: usize,
    /// Octets on the way or not yet read by the receiver: the window. Default 64 KiB.
    pub receive_buffer: usize,
    /// Octets in one segment. Default 1460.
    pub segment: usize,
    /// Into what pieces a read is cut. Default [`Split::Whole`].
    pub split: Split,
    /// How often a write takes only a part although there is room. Default 0.
    pub short_writes: Millionths,
    /// How often a segment is lost. All behind it waits until it was sent again. Default 0.
    pub loss: Millionths,
    /// After what time a lost segment is sent again; doubled each time that it is lost again.
    /// Default 200 ms.
    pub retransmit: Duration,
    /// After what time without an answer a connection is given up: to a host that failed, by a
    /// segment that is lost again and again, or for want of an answer to a connect. Default 30 s.
    pub give_up: Duration,
}

impl Default for StreamConfig {
    fn default() -> Self {
        Self {
            latency: Duration::from_millis(10),
            bandwidth: None,
            send_buffer: 64 * 1024,
            receive_buffer: 64 * 1024,
            segment: 1460,
            split: Split::Whole,
            short_writes: 0,
            loss: 0,
            retransmit: Duration::from_millis(200),
            give_up: Duration::from_secs(30),
        }
    }
}

impl StreamConfig {
    /// The hardest case for a machine: reads of one octet or few, short writes, buffers of some
    /// hundred octets.
    #[must_use]
    pub fn torn() -> Self {
        Self {
            send_buffer: 300,
            receive_buffer: 500,
            segment: 90,
            split: Split::Random(7),
            short_writes: 500_000,
            ..Self::default()
        }
    }
}

/// How a read is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Split {
    /// All that has arrived.
    Whole,
    /// One octet.
    Octet,
    /// As the segments arrived.
    Segment,
    /// One octet up to so many, by the seed.
    Random(usize),
}

/// One direction for datagrams.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DatagramConfig {
    /// The least time that a datagram takes. Default 10 ms.
    pub latency: Duration,
    /// Up to how much longer it may take, evenly spread. Above zero it can reorder. Default 0.
    pub jitter: Duration,
    /// How often a datagram is lost. Default 0.
    pub loss: Millionths,
    /// How often it arrives twice. Default 0.
    pub duplicate: Millionths,
    /// How often it is held back by [`held_back`](Self::held_back), so that others overtake it.
    /// Default 0.
    pub reorder: Millionths,
    /// For how long. Default 50 ms.
    pub held_back: Duration,
    /// The largest datagram in octets; a larger one is lost. Default 65 507.
    pub largest: usize,
}

impl Default for DatagramConfig {
    fn default() -> Self {
        Self {
            latency: Duration::from_millis(10),
            jitter: Duration::ZERO,
            loss: 0,
            duplicate: 0,
            reorder: 0,
            held_back: Duration::from_millis(50),
            largest: 65_507,
        }
    }
}

/// Bounds of a run, against what never ends.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RunLimits {
    /// How often one node may be called without that the clock advances. Default 100 000.
    pub chatter: u64,
    /// How many wake-ups a whole run may have. Default 100 million.
    pub wakeups: u64,
}

impl Default for RunLimits {
    fn default() -> Self {
        Self {
            chatter: 100_000,
            wakeups: 100_000_000,
        }
    }
}
