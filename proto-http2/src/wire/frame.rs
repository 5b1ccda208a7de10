//! Payloads taken apart and put together.

use super::{DecodeError, ErrorCode, FrameFault, FrameHeader, FrameType, HEADER_LEN};
use super::{Setting, SettingId, flags};
use crate::num::{to_u32, to_usize};
use bytes::{Buf, BufMut, Bytes, BytesMut};

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

const fn truncated() -> DecodeError {
    DecodeError::connection(ErrorCode::FRAME_SIZE_ERROR, FrameFault::Truncated)
}

/// Splits `N` octets off the front.
fn take<'a, const N: usize>(payload: &mut &'a [u8]) -> Result<&'a [u8; N], DecodeError> {
    let (head, rest) = payload.split_first_chunk().ok_or(truncated())?;
    *payload = rest;
    Ok(head)
}

fn take_u32(payload: &mut &[u8]) -> Result<u32, DecodeError> {
    Ok(u32::from_be_bytes(*take(payload)?))
}

impl<'a> Frame<'a> {
    /// Takes a payload apart. Of `header` the length is not looked at: `payload` has it.
    ///
    /// # Errors
    ///
    /// As the sections of RFC 9113 on each frame demand. [`FrameHeader::check`] is not repeated.
    pub fn parse(header: FrameHeader, payload: &'a [u8]) -> Result<Self, DecodeError> {
        let stream = header.stream;
        let mut rest = payload;
        let mut padding = None;
        if header.has(flags::PADDED)
            && matches!(
                header.kind,
                FrameType::DATA | FrameType::HEADERS | FrameType::PUSH_PROMISE
            )
        {
            let &[count] = take(&mut rest)?;
            padding = Some(count);
        }
        // RFC 9113 section 6.1: padding that leaves no room for the rest is a PROTOCOL_ERROR.
        let unpad = |rest: &'a [u8]| {
            let count = usize::from(padding.unwrap_or(0));
            let fault = FrameFault::Padding {
                padding: padding.unwrap_or(0),
                length: to_u32(payload.len()),
            };
            rest.len()
                .checked_sub(count)
                .and_then(|len| rest.get(..len))
                .ok_or(DecodeError::connection(ErrorCode::PROTOCOL_ERROR, fault))
        };
        Ok(match header.kind {
            FrameType::DATA => Self::Data {
                stream,
                data: unpad(rest)?,
                end_stream: header.has(flags::END_STREAM),
                padding,
            },
            FrameType::HEADERS => {
                let priority = if header.has(flags::PRIORITY) {
                    Some(StreamDependency::parse(*take(&mut rest)?))
                } else {
                    None
                };
                Self::Headers {
                    stream,
                    fragment: unpad(rest)?,
                    end_stream: header.has(flags::END_STREAM),
                    end_headers: header.has(flags::END_HEADERS),
                    priority,
                    padding,
                }
            }
            FrameType::PRIORITY => {
                let priority = StreamDependency::parse(*take(&mut rest)?);
                if priority.on == stream {
                    // RFC 7540 section 5.3.1: a stream error.
                    let fault = FrameFault::SelfDependency;
                    return Err(DecodeError::stream(ErrorCode::PROTOCOL_ERROR, fault));
                }
                Self::Priority { stream, priority }
            }
            FrameType::RST_STREAM => Self::RstStream {
                stream,
                code: ErrorCode(take_u32(&mut rest)?),
            },
            FrameType::SETTINGS => {
                if !payload.len().is_multiple_of(6) {
                    return Err(truncated());
                }
                Self::Settings {
                    ack: header.has(flags::ACK),
                    payload,
                }
            }
            FrameType::PUSH_PROMISE => {
                let promised = take_u32(&mut rest)? & 0x7fff_ffff;
                if promised == 0 || !promised.is_multiple_of(2) {
                    let fault = FrameFault::PromisedStream { promised };
                    return Err(DecodeError::connection(ErrorCode::PROTOCOL_ERROR, fault));
                }
                Self::PushPromise {
                    stream,
                    promised,
                    fragment: unpad(rest)?,
                    end_headers: header.has(flags::END_HEADERS),
                    padding,
                }
            }
            FrameType::PING => Self::Ping {
                ack: header.has(flags::ACK),
                opaque: *take(&mut rest)?,
            },
            FrameType::GOAWAY => Self::GoAway {
                last_stream: take_u32(&mut rest)? & 0x7fff_ffff,
                code: ErrorCode(take_u32(&mut rest)?),
                debug: rest,
            },
            FrameType::WINDOW_UPDATE => {
                let increment = take_u32(&mut rest)? & 0x7fff_ffff;
                if increment == 0 {
                    // RFC 9113 section 6.9: of the stream or of the connection.
                    let (code, fault) = (ErrorCode::PROTOCOL_ERROR, FrameFault::ZeroIncrement);
                    return Err(if stream == 0 {
                        DecodeError::connection(code, fault)
                    } else {
                        DecodeError::stream(code, fault)
                    });
                }
                Self::WindowUpdate { stream, increment }
            }
            FrameType::CONTINUATION => Self::Continuation {
                stream,
                fragment: rest,
                end_headers: header.has(flags::END_HEADERS),
            },
            FrameType::ALTSVC => {
                let len = usize::from(u16::from_be_bytes(*take(&mut rest)?));
                let (origin, value) = rest.split_at_checked(len).ok_or(truncated())?;
                Self::AltSvc {
                    stream,
                    origin,
                    value,
                }
            }
            FrameType::ORIGIN => Self::Origin { stream, payload },
            FrameType::PRIORITY_UPDATE => Self::PriorityUpdate {
                prioritized: take_u32(&mut rest)? & 0x7fff_ffff,
                value: rest,
            },
            _ => Self::Unknown { header, payload },
        })
    }

    /// The parameters in a payload of SETTINGS.
    pub fn settings(payload: &[u8]) -> impl Iterator<Item = Setting> + '_ {
        let (chunks, _) = payload.as_chunks::<6>();
        chunks.iter().map(|&[a, b, c, d, e, f]| Setting {
            id: SettingId(u16::from_be_bytes([a, b])),
            value: u32::from_be_bytes([c, d, e, f]),
        })
    }

    /// Appends the frame to `into`. Padding is of zeros.
    pub fn encode(&self, into: &mut BytesMut) {
        let start = into.len();
        into.put_slice(&[0; HEADER_LEN]);
        let (kind, flags, stream) = self.encode_payload(into);
        let length = into.len().saturating_sub(start).saturating_sub(HEADER_LEN);
        let header = FrameHeader {
            length: to_u32(length),
            kind,
            flags,
            stream,
        };
        if let Some(place) = into.get_mut(start..).and_then(|s| s.first_chunk_mut()) {
            *place = header.to_octets();
        }
    }

    fn encode_payload(&self, into: &mut BytesMut) -> (FrameType, u8, u32) {
        let flag = |set: bool, flag: u8| if set { flag } else { 0 };
        let begin = |into: &mut BytesMut, padding: Option<u8>| match padding {
            Some(count) => {
                into.put_u8(count);
                flags::PADDED
            }
            None => 0,
        };
        let end = |into: &mut BytesMut, padding: Option<u8>| {
            into.put_bytes(0, usize::from(padding.unwrap_or(0)));
        };
        match *self {
            Self::Data {
                stream,
                data,
                end_stream,
                padding,
            } => {
                let bits = begin(into, padding) | flag(end_stream, flags::END_STREAM);
                into.put_slice(data);
                end(into, padding);
                (FrameType::DATA, bits, stream)
            }
            Self::Headers {
                stream,
                fragment,
                end_stream,
                end_headers,
                priority,
                padding,
            } => {
                let mut bits = begin(into, padding)
                    | flag(end_stream, flags::END_STREAM)
                    | flag(end_headers, flags::END_HEADERS);
                if let Some(priority) = priority {
                    into.put_slice(&priority.to_octets());
                    bits |= flags::PRIORITY;
                }
                into.put_slice(fragment);
                end(into, padding);
                (FrameType::HEADERS, bits, stream)
            }
            Self::Priority { stream, priority } => {
                into.put_slice(&priority.to_octets());
                (FrameType::PRIORITY, 0, stream)
            }
            Self::RstStream { stream, code } => {
                into.put_u32(code.0);
                (FrameType::RST_STREAM, 0, stream)
            }
            Self::Settings { ack, payload } => {
                into.put_slice(payload);
                (FrameType::SETTINGS, flag(ack, flags::ACK), 0)
            }
            Self::PushPromise {
                stream,
                promised,
                fragment,
                end_headers,
                padding,
            } => {
                let bits = begin(into, padding) | flag(end_headers, flags::END_HEADERS);
                into.put_u32(promised);
                into.put_slice(fragment);
                end(into, padding);
                (FrameType::PUSH_PROMISE, bits, stream)
            }
            Self::Ping { ack, opaque } => {
                into.put_slice(&opaque);
                (FrameType::PING, flag(ack, flags::ACK), 0)
            }
            Self::GoAway {
                last_stream,
                code,
                debug,
            } => {
                into.put_u32(last_stream);
                into.put_u32(code.0);
                into.put_slice(debug);
                (FrameType::GOAWAY, 0, 0)
            }
            Self::WindowUpdate { stream, increment } => {
                into.put_u32(increment);
                (FrameType::WINDOW_UPDATE, 0, stream)
            }
            Self::Continuation {
                stream,
                fragment,
                end_headers,
            } => {
                into.put_slice(fragment);
                let bits = flag(end_headers, flags::END_HEADERS);
                (FrameType::CONTINUATION, bits, stream)
            }
            Self::AltSvc {
                stream,
                origin,
                value,
            } => {
                let origin = origin.get(..usize::from(u16::MAX)).unwrap_or(origin);
                into.put_u16(u16::try_from(origin.len()).unwrap_or(u16::MAX));
                into.put_slice(origin);
                into.put_slice(value);
                (FrameType::ALTSVC, 0, stream)
            }
            Self::Origin { stream, payload } => {
                into.put_slice(payload);
                (FrameType::ORIGIN, 0, stream)
            }
            Self::PriorityUpdate { prioritized, value } => {
                into.put_u32(prioritized);
                into.put_slice(value);
                (FrameType::PRIORITY_UPDATE, 0, 0)
            }
            Self::Unknown { header, payload } => {
                into.put_slice(payload);
                (header.kind, header.flags, header.stream)
            }
        }
    }
}

/// A frame that owns its payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawFrame {
    /// What it is.
    pub header: FrameHeader,
    /// Its payload, of the length that the header says.
    pub payload: Bytes,
}

impl RawFrame {
    /// Takes the next frame from the front of `input`; `None` while it is not all there.
    ///
    /// # Errors
    ///
    /// As [`FrameHeader::check`], as soon as the nine octets are there.
    pub fn decode(input: &mut BytesMut, max_frame_size: u32) -> Result<Option<Self>, DecodeError> {
        let Some(octets) = input.first_chunk::<HEADER_LEN>() else {
            return Ok(None);
        };
        let header = FrameHeader::parse(octets);
        header.check(max_frame_size)?;
        let len = to_usize(header.length);
        if input.len().saturating_sub(HEADER_LEN) < len {
            return Ok(None);
        }
        input.advance(HEADER_LEN);
        let payload = input.split_to(len).freeze();
        Ok(Some(Self { header, payload }))
    }

    /// Takes the payload apart.
    ///
    /// # Errors
    ///
    /// As [`Frame::parse`].
    pub fn frame(&self) -> Result<Frame<'_>, DecodeError> {
        Frame::parse(self.header, &self.payload)
    }

    /// Appends the frame to `into`.
    pub fn encode(&self, into: &mut BytesMut) {
        let mut header = self.header;
        header.length = to_u32(self.payload.len());
        header.encode(into);
        into.put_slice(&self.payload);
    }
}
