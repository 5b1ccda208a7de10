//! Safety of a connection.

use crate::num::to_usize;
use core::fmt;
use core::time::Duration;

/// An allowance that fills up with time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many at once.
    pub burst: u32,
    /// How many more in each second.
    pub per_second: u32,
}

impl Rate {
    /// So many at once, so many more in each second.
    #[must_use]
    pub const fn new(burst: u32, per_second: u32) -> Self {
        Self { burst, per_second }
    }
}

/// What a peer may cost. Each trip of a limit is an event that names it, then the end of the
/// connection with ENHANCE_YOUR_CALM, where nothing else is said.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// Streams that the peer may have open (announced). Default 100, as RFC 9113 section 6.5.2
    /// recommends. More are refused with REFUSED_STREAM.
    pub max_concurrent_streams: u32,
    /// Promised streams that may wait for their response. Default 16; nghttp2 has 200. More are
    /// refused with REFUSED_STREAM.
    pub max_reserved: u32,
    /// Octets of a field section, with 32 for each field (announced). Default 32 KiB.
    pub max_header_list: u32,
    /// Fields of a section, crumbs of cookies included. Default 128.
    pub max_fields: u32,
    /// Octets of a header block as encoded. Default 32 KiB: what a connection may have to hold.
    pub max_block: u32,
    /// CONTINUATION frames of a block. Default 8, as nghttp2 has.
    pub max_continuations: u32,
    /// Informational responses to one request. Default 16.
    pub max_informational: u32,
    /// RST_STREAM by the peer. Default 200 and 33 in each second.
    pub resets: Rate,
    /// RST_STREAM that the peer's faults make us send. Default 100 and 10 in each second.
    pub errors: Rate,
    /// PING. Default 100 and 100 in each second: peers that measure bandwidth send some.
    pub pings: Rate,
    /// SETTINGS. Default 50 and 5 in each second.
    pub settings: Rate,
    /// Parameters in one SETTINGS. Default 32.
    pub max_settings_entries: u32,
    /// PRIORITY and PRIORITY_UPDATE. Default 1000 and 100 in each second.
    pub priorities: Rate,
    /// WINDOW_UPDATE beyond two for each DATA that we sent, if that had 256 octets or was a last one. Default 1000 and 100 in each second.
    pub window_updates: Rate,
    /// DATA, HEADERS and CONTINUATION frames that carry nothing. Default 100 and 10 in each second.
    pub empty_frames: Rate,
    /// DATA frames of less than 256 octets that end nothing; a larger one gives one back. Default
    /// 10,000 and 5000 in each second: each costs about as much as one of some kilobytes.
    pub small_frames: Rate,
    /// Frames of unknown types. Default 100 and 10 in each second.
    pub unknown_frames: Rate,
    /// Streams that are not open and yet known to a scheduler. Default 32.
    pub max_idle_priorities: u32,
    /// Octets of bodies that a stream takes ahead of the peer's window. Default 64 KiB.
    pub max_stream_send_buffer: usize,
    /// The same for all streams together; and what may wait of heads and resets before requests are
    /// refused. Default 256 KiB.
    pub max_send_buffer: usize,
    /// Octets of answers that we owe (acknowledgements, resets, credit) before reading stops.
    /// Default 16 KiB.
    pub max_queued_replies: usize,
    /// How long the peer may take to begin: preface and SETTINGS. Default 10 s.
    pub handshake: Duration,
    /// How long it may take to acknowledge settings: SETTINGS_TIMEOUT. Default 10 s.
    pub settings_ack: Duration,
    /// How long a connection without streams may stay; then it is closed in order. Default 5 min.
    pub idle: Duration,
    /// The time in which a peer has to take [`stall_octets`](Self::stall_octets) of what is queued
    /// for it, or all. Else the connection ends. A single stream is reset when its window was shut
    /// for that time, while others went on, at the latest after twice as long. Default 60 s.
    pub stall: Duration,
    /// See [`stall`](Self::stall). Default 16 KiB.
    pub stall_octets: u32,
    /// How long a keep-alive may stay without an answer. Default 20 s.
    pub ping_answer: Duration,
    /// How long input is still discarded after the end. Default 2 s.
    pub linger: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self::internet()
    }
}

impl Limits {
    /// For peers that nobody knows.
    #[must_use]
    pub const fn internet() -> Self {
        Self {
            max_concurrent_streams: 100,
            max_reserved: 16,
            max_header_list: 32 * 1024,
            max_fields: 128,
            max_block: 32 * 1024,
            max_continuations: 8,
            max_informational: 16,
            resets: Rate::new(200, 33),
            errors: Rate::new(100, 10),
            pings: Rate::new(100, 100),
            settings: Rate::new(50, 5),
            max_settings_entries: 32,
            priorities: Rate::new(1000, 100),
            window_updates: Rate::new(1000, 100),
            empty_frames: Rate::new(100, 10),
            small_frames: Rate::new(10_000, 5_000),
            unknown_frames: Rate::new(100, 10),
            max_idle_priorities: 32,
            max_stream_send_buffer: 64 * 1024,
            max_send_buffer: 256 * 1024,
            max_queued_replies: 16 * 1024,
            handshake: Duration::from_secs(10),
            settings_ack: Duration::from_secs(10),
            idle: Duration::from_secs(300),
            stall: Duration::from_secs(60),
            stall_octets: 16 * 1024,
            ping_answer: Duration::from_secs(20),
            linger: Duration::from_secs(2),
        }
    }

    /// For peers of one's own: more of everything, still bounded.
    #[must_use]
    pub const fn trusted() -> Self {
        let much = Rate::new(100_000, 10_000);
        Self {
            max_concurrent_streams: 1000,
            max_reserved: 200,
            max_header_list: 256 * 1024,
            max_fields: 1024,
            max_block: 256 * 1024,
            max_continuations: 64,
            resets: much,
            errors: much,
            pings: much,
            settings: much,
            priorities: much,
            window_updates: much,
            empty_frames: much,
            small_frames: much,
            unknown_frames: much,
            max_idle_priorities: 1000,
            max_stream_send_buffer: 1024 * 1024,
            max_send_buffer: 16 * 1024 * 1024,
            ..Self::internet()
        }
    }

    /// For small devices.
    #[must_use]
    pub const fn embedded() -> Self {
        Self {
            max_concurrent_streams: 8,
            max_reserved: 2,
            max_header_list: 4 * 1024,
            max_fields: 48,
            max_block: 4 * 1024,
            max_continuations: 4,
            max_idle_priorities: 4,
            max_stream_send_buffer: 4 * 1024,
            max_send_buffer: 16 * 1024,
            max_queued_replies: 2 * 1024,
            ..Self::internet()
        }
    }

    /// The largest heap that a connection under these limits holds by itself, in octets, with tables
    /// for headers of 4096 octets and frames of 16,384.
    ///
    /// It counts what the machine keeps: tables, the block under way, streams, schedulers, queued
    /// answers, bodies that were taken, and heads that wait for a peer that does not read: when those
    /// have come to [`max_send_buffer`](Self::max_send_buffer) octets, requests are refused, so that one
    /// for each open stream may be added, of up to 1 KiB here. Not what an event handed over, nor the
    /// embedder's own read buffer. A body's chunk is kept by reference and counts with its own octets.
    #[must_use]
    pub fn max_connection_memory(&self) -> usize {
        let streams = to_usize(self.max_concurrent_streams)
            .saturating_add(to_usize(self.max_reserved))
            .saturating_add(1);
        let nodes = streams.saturating_add(to_usize(self.max_idle_priorities));
        let block = to_usize(self.max_block).saturating_mul(2);
        let list = to_usize(self.max_header_list).saturating_mul(3);
        [
            64 * 1024, // both tables twice, the hash table, scratch, queues of events, vectors' growth
            block,
            list,
            self.max_queued_replies.saturating_mul(2),
            self.max_send_buffer.saturating_mul(2),
            streams.saturating_mul(2 * 1024),
            nodes.saturating_mul(512),
        ]
        .iter()
        .fold(0, |sum: usize, part| sum.saturating_add(*part))
    }
}

/// Which limit was passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Limit {
    /// [`Limits::max_header_list`].
    HeaderList,
    /// [`Limits::max_fields`].
    Fields,
    /// [`Limits::max_block`].
    Block,
    /// [`Limits::max_continuations`].
    Continuations,
    /// [`Limits::max_informational`].
    Informational,
    /// [`Limits::resets`].
    Resets,
    /// [`Limits::errors`].
    Errors,
    /// [`Limits::pings`].
    Pings,
    /// [`Limits::settings`].
    Settings,
    /// [`Limits::max_settings_entries`].
    SettingsEntries,
    /// [`Limits::priorities`].
    Priorities,
    /// [`Limits::window_updates`].
    WindowUpdates,
    /// [`Limits::empty_frames`].
    EmptyFrames,
    /// [`Limits::small_frames`].
    SmallFrames,
    /// [`Limits::unknown_frames`].
    UnknownFrames,
    /// [`Limits::stall`].
    Stall,
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}
