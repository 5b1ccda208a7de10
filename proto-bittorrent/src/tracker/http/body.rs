//! Heads and bodies of HTTP/1 messages (RFC 9112), bounded and without rescans.

use bytes::{Buf, BytesMut};

/// Headers of a message that are looked at.
pub(super) const MAX_HEADERS: usize = 64;
/// Longest line that tells the size of a chunk, or of a trailer.
const MAX_LINE: usize = 1024;

/// Finds the end of a head, however it is cut.
#[derive(Debug, Default)]
pub(super) struct HeadFinder {
    /// Empty lines in front of the head: they are taken, as RFC 9112 section 2.2 has it.
    blank: usize,
    /// Octets at the front of the input that hold no end.
    searched: usize,
}

/// What a search came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// The head, its empty line included, has so many octets.
    Head(usize),
    /// The head is not complete.
    Partial,
    /// It is longer than allowed.
    TooLong,
}

impl HeadFinder {
    pub(super) fn find(&mut self, input: &[u8], max: usize) -> Found {
        let is_blank = |octet: &&u8| matches!(octet, b'\r' | b'\n');
        if self.searched == self.blank {
            let rest = input.get(self.blank..).unwrap_or_default();
            let more = rest.iter().take(max).take_while(is_blank).count();
            self.blank = self.blank.saturating_add(more);
        }
        // The end may have begun in what was searched already.
        let from = self.searched.saturating_sub(3).max(self.blank);
        let window = input.get(from..).unwrap_or_default();
        let end = window.windows(4).position(|four| four == b"\r\n\r\n");
        let end = end.map(|at| from.saturating_add(at).saturating_add(4));
        match end {
            Some(end) if end <= max => {
                *self = Self::default();
                Found::Head(end)
            }
            None if input.len() < max => {
                self.searched = input.len();
                Found::Partial
            }
            _ => Found::TooLong,
        }
    }
}

/// Why a body cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BodyError {
    /// More than [`Limits::max_body_len`](crate::Limits::max_body_len).
    #[error("a body of more than {0} octets")]
    TooLong(usize),
    /// A chunk whose size is none, or that does not end where it has to.
    #[error("a malformed chunk")]
    Chunk,
}

/// How the end of a body is found (RFC 9112 section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// So many octets are missing.
    Length(u64),
    Chunked(Chunk),
    UntilEof,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chunk {
    Size,
    Data(u64),
    DataEnd,
    Trailers,
}

impl Framing {
    /// Moves what belongs to the body from `input` to `body`; true once it is whole.
    pub(super) fn read(
        &mut self,
        input: &mut BytesMut,
        body: &mut BytesMut,
        max: usize,
    ) -> Result<bool, BodyError> {
        loop {
            match self {
                Self::Length(left) => {
                    *left = left.saturating_sub(take(input, body, *left, max)?);
                    return Ok(*left == 0);
                }
                Self::UntilEof => {
                    take(input, body, u64::MAX, max)?;
                    return Ok(false);
                }
                Self::Chunked(chunk) => match chunk {
                    Chunk::Size => match httparse::parse_chunk_size(input) {
                        Ok(httparse::Status::Complete((used, size))) if used <= MAX_LINE => {
                            input.advance(used.min(input.len()));
                            *chunk = if size == 0 {
                                Chunk::Trailers
                            } else {
                                Chunk::Data(size)
                            };
                        }
                        Ok(httparse::Status::Partial) if input.len() < MAX_LINE => {
                            return Ok(false);
                        }
                        _ => return Err(BodyError::Chunk),
                    },
                    Chunk::Data(left) => {
                        *left = left.saturating_sub(take(input, body, *left, max)?);
                        if *left > 0 {
                            return Ok(false);
                        }
                        *chunk = Chunk::DataEnd;
                    }
                    Chunk::DataEnd => {
                        let Some(end) = input.first_chunk::<2>() else {
                            return Ok(false);
                        };
                        if end != b"\r\n" {
                            return Err(BodyError::Chunk);
                        }
                        input.advance(2);
                        *chunk = Chunk::Size;
                    }
                    Chunk::Trailers => {
                        let line = input
                            .iter()
                            .take(MAX_LINE)
                            .position(|octet| *octet == b'\n');
                        let Some(line) = line else {
                            if input.len() >= MAX_LINE {
                                return Err(BodyError::Chunk);
                            }
                            return Ok(false);
                        };
                        input.advance(line.saturating_add(1));
                        if line <= 1 {
                            return Ok(true);
                        }
                    }
                },
            }
        }
    }
}

fn take(
    input: &mut BytesMut,
    body: &mut BytesMut,
    wanted: u64,
    max: usize,
) -> Result<u64, BodyError> {
    let now = usize::try_from(wanted)
        .unwrap_or(usize::MAX)
        .min(input.len());
    if body.len().saturating_add(now) > max {
        return Err(BodyError::TooLong(max));
    }
    body.extend_from_slice(input.get(..now).unwrap_or_default());
    input.advance(now);
    Ok(u64::try_from(now).unwrap_or(u64::MAX))
}
