//! Payloads taken apart.

use super::{DecodeError, ErrorCode, Frame, FrameFault, FrameHeader, FrameType};
use super::{StreamDependency, flags};
use crate::num::to_u32;

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
}
