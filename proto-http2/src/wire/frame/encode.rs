//! Frames put together.

use super::{Frame, FrameHeader, FrameType, HEADER_LEN, flags};
use crate::num::to_u32;
use bytes::{BufMut, BytesMut};

impl Frame<'_> {
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
