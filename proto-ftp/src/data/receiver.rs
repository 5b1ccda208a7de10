//! The receiving side of a data connection.

use super::block::{Blocks, Escapes, Piece, Strings};
use super::deflate::Inflater;
use super::format::{Format, Mode, Structure, Type};
use super::page::{PageHeader, Pages};
use super::sender::filler;
use super::{DataLimits, ebcdic, text};
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use bytes::{Buf, Bytes, BytesMut};
use core::fmt;
use core::time::Duration;

/// From here on a piece of an image is taken out of the read buffer uncopied.
const BY_REFERENCE: usize = 4096;

/// What a [`Receiver`] has to say.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DataEvent {
    /// Octets of the file, as they are stored: text has LF, characters are ASCII.
    Chunk(Bytes),
    /// A record ended (STRU R). In text the LF that ends it is part of the chunks already.
    EndOfRecord,
    /// A restart marker: when all before it is safe, it is answered with 110 on the control
    /// connection (RFC 959 section 3.5).
    Marker(Bytes),
    /// The sender suspects errors in what it sent (RFC 959 section 3.4.2).
    SuspectedErrors,
    /// A page begins (STRU P): the next octets are its data. Who pays no heed to pages gets them in
    /// the order in which they came.
    Page(PageHeader),
    /// The file is complete. Comes once.
    End,
}

/// Why a transfer is not to be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// What came is not in the format.
    #[error("malformed data in {mode:?}")]
    Malformed {
        /// The mode of the transfer.
        mode: Mode,
    },
    /// The connection ended before the file did.
    #[error("the data connection ended early")]
    UnexpectedEof,
    /// The connection was reset, or under TLS ended without `close_notify`.
    #[error("the data connection broke")]
    Disconnected,
    /// More came out of few octets than the limits allow.
    #[error("decompressed data beyond the limit of {limit}")]
    TooLarge {
        /// The limit: octets, or octets out for each one in.
        limit: u64,
    },
}

/// A file on its way in.
pub struct Receiver {
    format: Format,
    limits: DataLimits,
    decoder: Decoder,
    inflater: Option<Inflater>,
    pieces: VecDeque<Piece>,
    /// A CR that waits for what follows.
    held: bool,
    received: u64,
    made: u64,
    state: State,
    eof: bool,
    lost: bool,
    failed: Option<DataError>,
}

#[derive(Debug)]
enum Decoder {
    Stream,
    Escapes(Escapes),
    Blocks(Blocks),
    Strings(Strings),
    Pages(Pages),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    /// The end was found in the format.
    Ended,
    Told,
    Failed,
}

impl fmt::Debug for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver")
            .field("format", &self.format)
            .field("received", &self.received)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

impl Receiver {
    /// A file in the given format.
    #[must_use]
    pub fn new(format: Format, limits: DataLimits) -> Self {
        let decoder = match (format.mode, format.structure) {
            (Mode::Block, _) => Decoder::Blocks(Blocks::default()),
            (Mode::Compressed, _) => Decoder::Strings(Strings::default()),
            (_, Structure::Record) => Decoder::Escapes(Escapes::default()),
            (Mode::Stream, Structure::Page) => Decoder::Pages(Pages::default()),
            (_, Structure::File | Structure::Page) => Decoder::Stream,
        };
        Self {
            format,
            limits,
            decoder,
            inflater: (format.mode == Mode::Deflate).then(Inflater::new),
            pieces: VecDeque::new(),
            held: false,
            received: 0,
            made: 0,
            state: State::Open,
            eof: false,
            lost: false,
            failed: None,
        }
    }

    /// Takes what it can from the front of `input` and returns the next event.
    ///
    /// # Errors
    ///
    /// [`DataError`] once; what came before it is a part of the file at best.
    pub fn poll_event(
        &mut self,
        _now: Duration,
        input: &mut BytesMut,
    ) -> Result<Option<DataEvent>, DataError> {
        loop {
            if let Some(piece) = self.pieces.pop_front() {
                if let Some(event) = self.convert(piece) {
                    return Ok(Some(event));
                }
                continue;
            }
            if let Some(error) = self.failed.take() {
                self.state = State::Failed;
                return Err(error);
            }
            match self.state {
                State::Told | State::Failed => {
                    input.clear();
                    return Ok(None);
                }
                State::Ended => {
                    self.state = State::Told;
                    if core::mem::take(&mut self.held) {
                        self.state = State::Ended;
                        return Ok(Some(DataEvent::Chunk(Bytes::from_static(b"\r"))));
                    }
                    return Ok(Some(DataEvent::End));
                }
                State::Open => {}
            }
            if !input.is_empty() {
                if self.format.is_plain() {
                    return Ok(Some(DataEvent::Chunk(self.take_plain(input))));
                }
                self.decode(input);
                continue;
            }
            if self.lost {
                self.failed = Some(DataError::Disconnected);
            } else if self.eof {
                self.finish();
            } else {
                return Ok(None);
            }
        }
    }

    fn take_plain(&mut self, input: &mut BytesMut) -> Bytes {
        let len = input.len();
        self.count(len, len);
        if len >= BY_REFERENCE {
            return input.split_to(len).freeze();
        }
        let copy = Bytes::copy_from_slice(input);
        input.clear();
        copy
    }

    fn count(&mut self, received: usize, made: usize) {
        let wide = |len: usize| u64::try_from(len).unwrap_or(u64::MAX);
        self.received = self.received.saturating_add(wide(received));
        self.made = self.made.saturating_add(wide(made));
    }

    /// The end of the connection: where the format does not mark the end itself, the end of the file.
    fn finish(&mut self) {
        let is_whole = match (&self.decoder, &self.inflater) {
            (_, Some(inflater)) => inflater.is_ended,
            (Decoder::Stream, None) => true,
            // Some senders close without saying so; between blocks nothing is missing that we know of,
            // but RFC 959 section 3.4 wants the end marked.
            (
                Decoder::Escapes(_) | Decoder::Blocks(_) | Decoder::Strings(_) | Decoder::Pages(_),
                None,
            ) => false,
        };
        if is_whole {
            self.state = State::Ended;
        } else {
            self.failed = Some(DataError::UnexpectedEof);
        }
    }

    fn decode(&mut self, input: &mut BytesMut) {
        let malformed = DataError::Malformed {
            mode: self.format.mode,
        };
        if let Some(inflater) = &mut self.inflater {
            if inflater.is_ended {
                input.clear();
                self.state = State::Ended;
                return;
            }
            let Ok((used, plain)) = inflater.take(input) else {
                self.failed = Some(malformed);
                return;
            };
            if used == 0 && plain.is_empty() && !inflater.is_ended {
                self.failed = Some(malformed);
                return;
            }
            input.advance(used);
            let is_ended = inflater.is_ended;
            self.count(used, plain.len());
            if !self.is_within_bounds() {
                return;
            }
            self.unframe(&plain, malformed);
            if is_ended && self.state == State::Open && self.failed.is_none() {
                self.state = State::Ended;
            }
            return;
        }
        let before = input.len();
        let octets = input.split_to(before.min(64 * 1024));
        let used = self.unframe(&octets, malformed);
        if used < octets.len() {
            // What was not taken goes back to the front.
            let mut rest = BytesMut::from(octets.get(used..).unwrap_or_default());
            rest.extend_from_slice(input);
            *input = rest;
        }
        self.count(used, 0);
        let made = self.pieces.iter().map(|piece| match piece {
            Piece::Data(data) => data.len(),
            _ => 0,
        });
        let made = made.fold(0_usize, usize::saturating_add);
        self.count(0, made);
        self.is_within_bounds();
    }

    fn is_within_bounds(&mut self) -> bool {
        let limit = if self.made > self.limits.max_output {
            self.limits.max_output
        } else if self.made > 1 << 20
            && self.made > self.received.saturating_mul(self.limits.max_ratio)
        {
            self.limits.max_ratio
        } else {
            return true;
        };
        self.pieces.clear();
        self.failed = Some(DataError::TooLarge { limit });
        false
    }

    fn unframe(&mut self, octets: &[u8], malformed: DataError) -> usize {
        let mut out = Vec::new();
        let max_marker = self.limits.max_marker;
        let result = match &mut self.decoder {
            Decoder::Stream => {
                out.push(Piece::Data(octets.to_vec()));
                Ok(octets.len())
            }
            Decoder::Escapes(escapes) => escapes.take(octets, &mut out),
            Decoder::Pages(pages) => pages.take(octets, &mut out),
            Decoder::Blocks(blocks) => blocks.take(octets, &mut out, max_marker),
            Decoder::Strings(strings) => {
                strings.take(octets, filler(self.format.kind), &mut out, max_marker)
            }
        };
        self.pieces.extend(out);
        result.unwrap_or_else(|()| {
            self.failed = Some(malformed);
            octets.len()
        })
    }

    fn convert(&mut self, piece: Piece) -> Option<DataEvent> {
        let data = match piece {
            Piece::Data(data) => data,
            Piece::Record => {
                // A record of text is a line.
                if self.format.structure == Structure::Record && self.format.kind != Type::Image {
                    return Some(DataEvent::Chunk(Bytes::from_static(b"\n")));
                }
                return Some(DataEvent::EndOfRecord);
            }
            Piece::Marker(marker) => return Some(DataEvent::Marker(marker.into())),
            Piece::Page(header) => return Some(DataEvent::Page(header)),
            Piece::Errors => return Some(DataEvent::SuspectedErrors),
            Piece::End => {
                self.state = State::Ended;
                return None;
            }
        };
        let data = match self.format.kind {
            Type::Image => data,
            Type::Ebcdic => data.into_iter().map(ebcdic::from_wire).collect(),
            Type::Ascii if self.format.structure == Structure::Record => data,
            Type::Ascii => {
                let mut out = Vec::new();
                text::from_wire(&data, &mut self.held, &mut out);
                out
            }
        };
        (!data.is_empty()).then(|| DataEvent::Chunk(data.into()))
    }

    /// The peer ended the connection in order.
    pub fn handle_eof(&mut self, _now: Duration) {
        self.eof = true;
    }

    /// The connection broke.
    pub fn handle_disconnect(&mut self, _now: Duration) {
        if !self.eof {
            self.lost = true;
        }
    }

    /// Octets that came over the connection.
    #[must_use]
    pub fn octets_received(&self) -> u64 {
        self.received
    }

    /// Whether the connection can still bring something.
    #[must_use]
    pub fn wants_read(&self) -> bool {
        self.state == State::Open && self.pieces.is_empty()
    }

    /// Whether [`DataEvent::End`] or an error was handed out.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        matches!(self.state, State::Told | State::Failed)
    }
}
