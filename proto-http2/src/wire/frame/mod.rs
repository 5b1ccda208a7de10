//! Frames taken apart, over borrowed octets.

mod encode;
mod parse;
mod raw;

pub use raw::RawFrame;

use super::{DecodeError, ErrorCode, FrameFault, FrameHeader, FrameType, HEADER_LEN};
use super::{Setting, SettingId, flags};

/// A dependency in the scheme of RFC 7540 section 5.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StreamDependency {
    /// The stream that is depended on, 0 for none.
    pub on: u32,
    /// Whether alone.
    pub exclusive: bool,
    /// The weight, 1 to 256.
    pub weight: u16,
}

impl Default for StreamDependency {
    fn default() -> Self {
        Self {
            on: 0,
            exclusive: false,
            weight: 16,
        }
    }
}

impl StreamDependency {
    fn parse(octets: [u8; 5]) -> Self {
        let [a, b, c, d, weight] = octets;
        let word = u32::from_be_bytes([a, b, c, d]);
        Self {
            on: word & 0x7fff_ffff,
            exclusive: word >> 31 == 1,
            weight: u16::from(weight).saturating_add(1),
        }
    }

    fn to_octets(self) -> [u8; 5] {
        let [a, b, c, d] = (self.on | u32::from(self.exclusive) << 31).to_be_bytes();
        let weight = u8::try_from(self.weight.saturating_sub(1)).unwrap_or(u8::MAX);
        [a, b, c, d, weight]
    }
}

/// A frame taken apart, over borrowed octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[allow(
    missing_docs,
    reason = "the fields bear the names of RFC 9113 section 6"
)]
pub enum Frame<'a> {
    /// A piece of a body. `padding` is `None` without the flag PADDED.
    Data {
        stream: u32,
        data: &'a [u8],
        end_stream: bool,
        padding: Option<u8>,
    },
    /// The beginning of a field section.
    Headers {
        stream: u32,
        fragment: &'a [u8],
        end_stream: bool,
        end_headers: bool,
        priority: Option<StreamDependency>,
        padding: Option<u8>,
    },
    /// A dependency.
    Priority {
        stream: u32,
        priority: StreamDependency,
    },
    /// The end of a stream.
    RstStream { stream: u32, code: ErrorCode },
    /// Parameters: six octets each, see [`Frame::settings`].
    Settings { ack: bool, payload: &'a [u8] },
    /// A promise to push.
    PushPromise {
        stream: u32,
        promised: u32,
        fragment: &'a [u8],
        end_headers: bool,
        padding: Option<u8>,
    },
    /// A question for a sign of life, or the sign.
    Ping { ack: bool, opaque: [u8; 8] },
    /// The end of the connection.
    GoAway {
        last_stream: u32,
        code: ErrorCode,
        debug: &'a [u8],
    },
    /// Credit.
    WindowUpdate { stream: u32, increment: u32 },
    /// More of a field section.
    Continuation {
        stream: u32,
        fragment: &'a [u8],
        end_headers: bool,
    },
    /// An alternative service (RFC 7838 section 4).
    AltSvc {
        stream: u32,
        origin: &'a [u8],
        value: &'a [u8],
    },
    /// Origins that the connection serves (RFC 8336): each behind a length of two octets.
    Origin { stream: u32, payload: &'a [u8] },
    /// A priority (RFC 9218 section 7.1).
    PriorityUpdate { prioritized: u32, value: &'a [u8] },
    /// A type that is not known here.
    Unknown {
        header: FrameHeader,
        payload: &'a [u8],
    },
}

impl Frame<'_> {
    /// The parameters in a payload of SETTINGS.
    pub fn settings(payload: &[u8]) -> impl Iterator<Item = Setting> + '_ {
        let (chunks, _) = payload.as_chunks::<6>();
        chunks.iter().map(|&[a, b, c, d, e, f]| Setting {
            id: SettingId(u16::from_be_bytes([a, b])),
            value: u32::from_be_bytes([c, d, e, f]),
        })
    }
}
