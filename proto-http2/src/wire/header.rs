//! The nine octets before a payload, and what can be said from them.

use super::{ErrorCode, HEADER_LEN, Setting};
use bytes::{BufMut, BytesMut};

/// The type of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FrameType(pub u8);

impl FrameType {
    /// RFC 9113 section 6.1.
    pub const DATA: Self = Self(0);
    /// RFC 9113 section 6.2.
    pub const HEADERS: Self = Self(1);
    /// RFC 9113 section 6.3.
    pub const PRIORITY: Self = Self(2);
    /// RFC 9113 section 6.4.
    pub const RST_STREAM: Self = Self(3);
    /// RFC 9113 section 6.5.
    pub const SETTINGS: Self = Self(4);
    /// RFC 9113 section 6.6.
    pub const PUSH_PROMISE: Self = Self(5);
    /// RFC 9113 section 6.7.
    pub const PING: Self = Self(6);
    /// RFC 9113 section 6.8.
    pub const GOAWAY: Self = Self(7);
    /// RFC 9113 section 6.9.
    pub const WINDOW_UPDATE: Self = Self(8);
    /// RFC 9113 section 6.10.
    pub const CONTINUATION: Self = Self(9);
    /// RFC 7838 section 4.
    pub const ALTSVC: Self = Self(10);
    /// RFC 8336 section 2.
    pub const ORIGIN: Self = Self(12);
    /// RFC 9218 section 7.1.
    pub const PRIORITY_UPDATE: Self = Self(16);
}

/// Flags of frames. What a type does not know is ignored.
pub mod flags {
    /// DATA, HEADERS: nothing follows on this stream.
    pub const END_STREAM: u8 = 0x1;
    /// SETTINGS, PING: an acknowledgement.
    pub const ACK: u8 = 0x1;
    /// HEADERS, PUSH_PROMISE, CONTINUATION: no CONTINUATION follows.
    pub const END_HEADERS: u8 = 0x4;
    /// DATA, HEADERS, PUSH_PROMISE: padding follows.
    pub const PADDED: u8 = 0x8;
    /// HEADERS: a dependency precedes the fields.
    pub const PRIORITY: u8 = 0x20;
}

/// The nine octets before each payload (RFC 9113 section 4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FrameHeader {
    /// Octets of the payload, 24 bits.
    pub length: u32,
    /// What the payload is.
    pub kind: FrameType,
    /// See [`flags`].
    pub flags: u8,
    /// The stream, 0 for the connection; the reserved bit is gone.
    pub stream: u32,
}

impl FrameHeader {
    /// Takes the nine octets apart. Any octets are a header.
    #[must_use]
    pub fn parse(octets: &[u8; HEADER_LEN]) -> Self {
        let &[a, b, c, kind, flags, d, e, f, g] = octets;
        Self {
            length: u32::from_be_bytes([0, a, b, c]),
            kind: FrameType(kind),
            flags,
            // RFC 9113 section 4.1: the reserved bit is ignored.
            stream: u32::from_be_bytes([d, e, f, g]) & 0x7fff_ffff,
        }
    }

    /// The nine octets.
    #[must_use]
    pub fn to_octets(self) -> [u8; HEADER_LEN] {
        let [_, a, b, c] = self.length.to_be_bytes();
        let [d, e, f, g] = self.stream.to_be_bytes();
        [a, b, c, self.kind.0, self.flags, d, e, f, g]
    }

    /// Appends the nine octets.
    pub fn encode(self, into: &mut BytesMut) {
        into.put_slice(&self.to_octets());
    }

    /// Whether a flag is set.
    #[must_use]
    pub fn has(self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// The verdict on length and stream from the header alone, before the payload is there.
    ///
    /// # Errors
    ///
    /// FRAME_SIZE_ERROR for a length that the type cannot have or above `max_frame_size`,
    /// PROTOCOL_ERROR for a frame on a stream, or on none, where the type wants the other.
    pub fn check(self, max_frame_size: u32) -> Result<(), DecodeError> {
        let length = self.length;
        let size = |stream: bool| {
            let fault = FrameFault::Length {
                kind: self.kind,
                length,
            };
            if stream && self.stream != 0 {
                DecodeError::stream(ErrorCode::FRAME_SIZE_ERROR, fault)
            } else {
                DecodeError::connection(ErrorCode::FRAME_SIZE_ERROR, fault)
            }
        };
        let on_stream = |wanted: bool| {
            if (self.stream != 0) == wanted {
                return Ok(());
            }
            let fault = FrameFault::Stream {
                kind: self.kind,
                stream: self.stream,
            };
            Err(DecodeError::connection(ErrorCode::PROTOCOL_ERROR, fault))
        };
        if length > max_frame_size {
            // RFC 9113 section 4.2: fatal for frames that alter state of the whole connection.
            let stream_only = matches!(self.kind, FrameType::DATA);
            return Err(size(stream_only));
        }
        let padded = u32::from(self.has(flags::PADDED));
        match self.kind {
            FrameType::DATA => {
                on_stream(true)?;
                if length < padded {
                    return Err(size(false));
                }
            }
            FrameType::HEADERS => {
                on_stream(true)?;
                let fixed = if self.has(flags::PRIORITY) { 5 } else { 0 };
                if length < padded.saturating_add(fixed) {
                    return Err(size(false));
                }
            }
            FrameType::PRIORITY => {
                on_stream(true)?;
                // RFC 9113 section 6.3: a stream error.
                if length != 5 {
                    return Err(size(true));
                }
            }
            FrameType::RST_STREAM => {
                on_stream(true)?;
                if length != 4 {
                    return Err(size(false));
                }
            }
            FrameType::SETTINGS => {
                on_stream(false)?;
                let ack = self.has(flags::ACK);
                if (ack && length != 0) || !length.is_multiple_of(6) {
                    return Err(size(false));
                }
            }
            FrameType::PUSH_PROMISE => {
                on_stream(true)?;
                if length < padded.saturating_add(4) {
                    return Err(size(false));
                }
            }
            FrameType::PING => {
                on_stream(false)?;
                if length != 8 {
                    return Err(size(false));
                }
            }
            FrameType::GOAWAY => {
                on_stream(false)?;
                if length < 8 {
                    return Err(size(false));
                }
            }
            FrameType::WINDOW_UPDATE if length != 4 => return Err(size(false)),
            FrameType::CONTINUATION => on_stream(true)?,
            FrameType::PRIORITY_UPDATE => {
                on_stream(false)?;
                if length < 4 {
                    return Err(size(false));
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// How far a fault reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// One stream: RST_STREAM.
    Stream,
    /// All of them: GOAWAY.
    Connection,
}

/// What is wrong with a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum FrameFault {
    /// A length that the type cannot have, or that is above the limit.
    #[error("a frame of type {} has {length} octets", kind.0)]
    Length {
        /// The type.
        kind: FrameType,
        /// The length.
        length: u32,
    },
    /// On a stream, where the type is for the connection, or the other way round.
    #[error("a frame of type {} is on stream {stream}", kind.0)]
    Stream {
        /// The type.
        kind: FrameType,
        /// The stream.
        stream: u32,
    },
    /// More padding than payload.
    #[error("{padding} octets of padding in a payload of {length}")]
    Padding {
        /// Octets of padding.
        padding: u8,
        /// Octets of the payload.
        length: u32,
    },
    /// An increment of zero.
    #[error("a window update of zero")]
    ZeroIncrement,
    /// A value that the parameter cannot have.
    #[error("setting {} has the value {}", setting.id.0, setting.value)]
    SettingValue {
        /// The parameter.
        setting: Setting,
    },
    /// A stream that depends on itself.
    #[error("a stream depends on itself")]
    SelfDependency,
    /// A promise of stream 0 or an odd one.
    #[error("stream {promised} cannot be promised")]
    PromisedStream {
        /// The stream.
        promised: u32,
    },
    /// A payload whose inner lengths do not fit.
    #[error("the payload is cut short")]
    Truncated,
}

/// Why a frame cannot be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("{fault}")]
pub struct DecodeError {
    /// The code for the wire.
    pub code: ErrorCode,
    /// How far it reaches.
    pub scope: Scope,
    /// What is wrong.
    pub fault: FrameFault,
}

impl DecodeError {
    /// A fault that ends the connection.
    #[must_use]
    pub const fn connection(code: ErrorCode, fault: FrameFault) -> Self {
        Self {
            code,
            scope: Scope::Connection,
            fault,
        }
    }

    /// A fault that ends a stream.
    #[must_use]
    pub const fn stream(code: ErrorCode, fault: FrameFault) -> Self {
        Self {
            code,
            scope: Scope::Stream,
            fault,
        }
    }
}
