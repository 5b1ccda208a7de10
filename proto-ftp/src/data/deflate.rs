//! MODE Z: deflate in zlib's wrapping (draft-preston-ftpext-deflate).

use alloc::boxed::Box;
use alloc::vec::Vec;
use miniz_oxide::deflate::core::{CompressorOxide, create_comp_flags_from_zip_params};
use miniz_oxide::deflate::stream::deflate;
use miniz_oxide::inflate::stream::{InflateState, inflate};
use miniz_oxide::{DataFormat, MZFlush, MZStatus};

const CHUNK: usize = 32 * 1024;

/// Compresses a stream.
pub(super) struct Deflater(Box<CompressorOxide>);

impl Deflater {
    pub(super) fn new() -> Self {
        // Level 6, a window of 32 KiB, with the header of zlib.
        let flags = create_comp_flags_from_zip_params(6, 15, 0);
        Self(Box::new(CompressorOxide::new(flags)))
    }

    pub(super) fn put(&mut self, data: &[u8], is_end: bool, out: &mut Vec<u8>) {
        let mut rest = data;
        let flush = if is_end {
            MZFlush::Finish
        } else {
            MZFlush::None
        };
        loop {
            let start = out.len();
            out.resize(start.saturating_add(CHUNK), 0);
            let result = deflate(
                &mut self.0,
                rest,
                out.get_mut(start..).unwrap_or_default(),
                flush,
            );
            out.truncate(start.saturating_add(result.bytes_written));
            rest = rest.get(result.bytes_consumed..).unwrap_or_default();
            let is_stuck = result.bytes_consumed == 0 && result.bytes_written == 0;
            let is_over = !matches!(result.status, Ok(MZStatus::Ok));
            if is_over || is_stuck || (rest.is_empty() && !is_end && result.bytes_written < CHUNK) {
                return;
            }
        }
    }
}

/// Decompresses a stream, a bounded piece at a time.
pub(super) struct Inflater {
    state: Box<InflateState>,
    pub(super) is_ended: bool,
}

impl Inflater {
    pub(super) fn new() -> Self {
        Self {
            state: InflateState::new_boxed(DataFormat::Zlib),
            is_ended: false,
        }
    }

    /// Takes octets off the front: how many, and what they became. Whether more is to come out can
    /// only be known by calling again.
    pub(super) fn take(&mut self, input: &[u8]) -> Result<(usize, Vec<u8>), ()> {
        let mut out = alloc::vec![0; CHUNK];
        let result = inflate(&mut self.state, input, &mut out, MZFlush::None);
        out.truncate(result.bytes_written);
        match result.status {
            Ok(MZStatus::StreamEnd) => self.is_ended = true,
            Ok(_) | Err(miniz_oxide::MZError::Buf) => {}
            Err(_) => return Err(()),
        }
        Ok((result.bytes_consumed, out))
    }
}
