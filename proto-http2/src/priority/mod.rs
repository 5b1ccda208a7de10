//! Who sends next: one interface, three schedulers.
//!
//! | scheduler | scheme |
//! |---|---|
//! | [`Tree`] | the dependency tree of RFC 7540 section 5.3 |
//! | [`Urgency`] | urgency and incremental of RFC 9218 |
//! | [`Fair`] | one frame each, round and round |
//!
//! A scheduler knows streams by their identifiers and is told which have something to send. The frame
//! that leaves next is chosen when the socket can take it.

mod fair;
mod tree;
mod urgency;

pub use fair::Fair;
pub use tree::Tree;
pub use urgency::Urgency;

use crate::wire::StreamDependency;
use core::fmt::Debug;

/// What a peer said of a stream's priority.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// By the scheme of RFC 7540.
    Dependency(StreamDependency),
    /// By the scheme of RFC 9218.
    Urgency(Priority),
}

/// A priority of RFC 9218 section 4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Priority {
    /// 0, the most urgent, to 7.
    pub urgency: u8,
    /// Whether a part of the response is of use by itself.
    pub incremental: bool,
}

impl Default for Priority {
    fn default() -> Self {
        Self {
            urgency: 3,
            incremental: false,
        }
    }
}

impl Priority {
    /// Reads the field `priority`: a dictionary of RFC 8941 of which `u` and `i` matter. What cannot
    /// be read is as if it were not there.
    #[must_use]
    pub fn parse(value: &[u8]) -> Self {
        let mut priority = Self::default();
        for item in value.split(|&octet| octet == b',') {
            let item = item.trim_ascii();
            let item = item
                .split(|&octet| octet == b';')
                .next()
                .unwrap_or_default();
            match item.trim_ascii() {
                [b'u', b'=', digit @ b'0'..=b'7'] => priority.urgency = digit.wrapping_sub(b'0'),
                b"i" | b"i=?1" => priority.incremental = true,
                b"i=?0" => priority.incremental = false,
                _ => {}
            }
        }
        priority
    }
}

/// Decides which stream sends next.
///
/// [`Fair`] takes constant time, but for a stream in the middle of the round that rests: then it looks
/// through the round. [`Urgency`] is the same in each level for what is incremental, and takes
/// logarithmic time for the rest and to find a priority. [`Tree`] takes logarithmic time in the number
/// of streams that it knows, once for each step from the stream up to the root, and in addition time in
/// proportion to the children that an exclusive dependency or a removal moves.
pub trait Scheduler: Debug + Send + Sync {
    /// A stream was opened, with what the peer said of it, if anything.
    fn open(&mut self, stream: u32, signal: Option<Signal>);
    /// The peer said something of a stream, open or not.
    fn reprioritise(&mut self, stream: u32, signal: Signal);
    /// The stream has something to send, and did not have before.
    fn ready(&mut self, stream: u32);
    /// The stream has nothing to send any more, and had before.
    fn rest(&mut self, stream: u32);
    /// Which stream is to send. The same until something changes.
    fn next(&mut self) -> Option<u32>;
    /// The stream that [`next`](Self::next) gave has sent so many octets.
    fn sent(&mut self, stream: u32, octets: usize);
    /// The stream is closed; it is not ready.
    fn close(&mut self, stream: u32);
}
