//! Messages on a stream: two octets of length in front of each (RFC 1035 section 4.2.2).

use super::header::Header;
use super::message::MAX_MESSAGE;
use bytes::{Buf, BufMut, Bytes, BytesMut};

/// Payloads from here on are taken by reference count, smaller ones are copied: a small message
/// must not pin a whole read buffer.
const COPY_BELOW: usize = 4096;

/// A length prefix that leaves no room for a header, or a message that does not fit one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a message of {len} octets has no place on a stream")]
pub struct FrameError {
    /// The length.
    pub len: usize,
}

/// Takes one message, without its length, from the front of `src`; nothing while it is incomplete.
///
/// # Errors
///
/// [`FrameError`] for a length below twelve, as soon as the length is there. `src` is left alone.
pub fn decode(src: &mut BytesMut) -> Result<Option<Bytes>, FrameError> {
    let Some(prefix) = src.first_chunk() else {
        return Ok(None);
    };
    let len = usize::from(u16::from_be_bytes(*prefix));
    if len < Header::LEN {
        return Err(FrameError { len });
    }
    let end = len.saturating_add(2);
    let Some(message) = src.get(2..end) else {
        return Ok(None);
    };
    if len < COPY_BELOW {
        let message = Bytes::copy_from_slice(message);
        src.advance(end);
        return Ok(Some(message));
    }
    src.advance(2);
    Ok(Some(src.split_to(len).freeze()))
}

/// The length that stands in front of a message.
///
/// # Errors
///
/// [`FrameError`] for fewer than 12 or more than 65 535 octets.
pub fn prefix(message: &[u8]) -> Result<[u8; 2], FrameError> {
    match u16::try_from(message.len()) {
        Ok(len) if usize::from(len) >= Header::LEN => Ok(len.to_be_bytes()),
        _ => Err(FrameError { len: message.len() }),
    }
}

/// Appends a message with its length to `dst`.
///
/// # Errors
///
/// [`FrameError`] for fewer than 12 or more than 65 535 octets; `dst` is left alone.
pub fn encode(message: &[u8], dst: &mut BytesMut) -> Result<(), FrameError> {
    let prefix = prefix(message)?;
    dst.reserve(message.len().min(MAX_MESSAGE).saturating_add(2));
    dst.put_slice(&prefix);
    dst.put_slice(message);
    Ok(())
}
