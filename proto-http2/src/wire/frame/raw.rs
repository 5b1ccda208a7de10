//! Frames that own their payload, for codecs.

use super::{DecodeError, Frame, FrameHeader, HEADER_LEN};
use crate::num::{to_u32, to_usize};
use bytes::{Buf, BufMut, Bytes, BytesMut};

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
