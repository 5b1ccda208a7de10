//! Behaviour of a connection.

use core::time::Duration;

/// How a connection behaves. What keeps it safe is in [`Limits`](crate::Limits).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// How messages are checked. Default: strictly.
    pub validation: Validation,
    /// Who sends next. Default: as the peer wishes.
    pub scheduling: Scheduling,
    /// Whether credit returns by itself once a piece of a body was handed out. Default true; else
    /// [`release`](crate::Connection::release) returns it.
    pub auto_credit: bool,
    /// What the peer may send on each stream before it gets credit, in octets. Default 256 KiB.
    pub stream_window: u32,
    /// What the peer may send on all streams before it gets credit, in octets. Default 1 MiB; less
    /// than 65,535 counts as that (RFC 9113 section 6.9.2).
    pub connection_window: u32,
    /// Up to which size windows follow bandwidth times round-trip time, in octets. Default `None`:
    /// they stay as they are.
    pub max_auto_window: Option<u32>,
    /// The largest frame taken, in octets. Default 16,384.
    pub max_frame_size: u32,
    /// Octets of the table for decoding. Default 4096.
    pub header_table_size: u32,
    /// Octets of the table for encoding, whatever the peer offers. Default 4096.
    pub encoder_table_size: u32,
    /// A client takes pushed responses. Default false.
    pub enable_push: bool,
    /// A server takes CONNECT with a protocol (RFC 8441). Default false.
    pub enable_connect_protocol: bool,
    /// Octets of padding in each HEADERS and DATA frame. Default 0.
    pub padding: u8,
    /// Ask for a sign of life when the peer was silent for so long. Default `None`.
    pub keep_alive: Option<Duration>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            validation: Validation::Strict,
            scheduling: Scheduling::Auto,
            auto_credit: true,
            stream_window: 256 * 1024,
            connection_window: 1024 * 1024,
            max_auto_window: None,
            max_frame_size: 16_384,
            header_table_size: 4096,
            encoder_table_size: 4096,
            enable_push: false,
            enable_connect_protocol: false,
            padding: 0,
            keep_alive: None,
        }
    }
}

/// How messages are checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Validation {
    /// All of RFC 9113 section 8.
    #[default]
    Strict,
    /// Nothing: for recorders and tests. Malformed messages are events as any other.
    Off,
}

/// Who sends next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Scheduling {
    /// [`Fair`](crate::priority::Fair) until the peer shows which scheme it speaks.
    #[default]
    Auto,
    /// Round robin, whatever the peer says.
    Fair,
    /// The dependency tree of RFC 7540.
    Tree,
    /// Urgency and incremental of RFC 9218.
    Urgency,
}
