//! The data connection: a stream machine that turns a file into what travels, and back.
//!
//! ```text
//!  Sender:    send_data, send_marker --> encode (TYPE, STRU, MODE) --> poll_transmit --> Shutdown
//!  Receiver:  poll_event(input) --> decode (MODE, STRU, TYPE) --> Chunk, Marker, EndOfRecord, End
//! ```
//!
//! With TYPE I, STRU F and MODE S nothing is turned into anything: [`Format::is_plain`] says so. An
//! embedder that said so by `set_pump` lets the system copy (sendfile), and the session only counts.

mod block;
mod deflate;
mod ebcdic;
mod format;
mod page;
mod receiver;
mod sender;
mod text;

pub use format::{Form, Format, Mode, Structure, Type};
pub use page::{PageHeader, PageKind};
pub use receiver::{DataError, DataEvent, Receiver};
pub use sender::Sender;

use core::time::Duration;

/// Bounds on what a peer can make a data connection do.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DataLimits {
    /// Octets of a restart marker. Default 255.
    pub max_marker: usize,
    /// Octets that come out of MODE Z or C, at most. Default 1 TiB.
    pub max_output: u64,
    /// Octets out for each one in, once a mebibyte came out. Default 1100: deflate itself cannot do
    /// more than 1032, so that this stops only what lies (MODE C cannot do more than 63).
    pub max_ratio: u64,
    /// Octets that wait for the transport before `send_data` takes no more. Default 256 KiB.
    pub max_queued: usize,
    /// Silence before the transfer is given up. Default 300 s.
    pub stall: Duration,
}

impl Default for DataLimits {
    fn default() -> Self {
        Self {
            max_marker: 255,
            max_output: 1 << 40,
            max_ratio: 1100,
            max_queued: 256 * 1024,
            stall: Duration::from_secs(300),
        }
    }
}
