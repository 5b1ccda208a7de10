//! The sending side of a data connection.

use super::deflate::Deflater;
use super::format::{Format, Mode, Structure, Type};
use super::page::{MAX_PAGE, PageKind, put_last_page, put_page};
use super::{DataLimits, block, ebcdic, text};
use crate::DataTransmit;
use crate::output::Output;
use alloc::vec::Vec;
use bytes::Bytes;
use core::fmt;
use core::time::Duration;

/// A file on its way out.
pub struct Sender {
    format: Format,
    limits: DataLimits,
    output: Output,
    deflater: Option<Deflater>,
    /// The last octet that went into the text conversion.
    last: u8,
    /// Octets of the next page (STRU P).
    page: Vec<u8>,
    /// Its number.
    index: u16,
    sent: u64,
    taken: u64,
    state: State,
    is_blocked: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    /// All of the file was given; `true` once the end was handed out.
    Ended(bool),
    Aborted(bool),
    Closed,
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender")
            .field("format", &self.format)
            .field("output", &self.output)
            .field("sent", &self.sent)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

impl Sender {
    /// A file in the given format.
    #[must_use]
    pub fn new(format: Format, limits: DataLimits) -> Self {
        Self {
            format,
            limits,
            output: Output::default(),
            deflater: (format.mode == Mode::Deflate).then(Deflater::new),
            last: 0,
            page: Vec::new(),
            index: 0,
            sent: 0,
            taken: 0,
            state: State::Open,
            is_blocked: false,
        }
    }

    /// Takes what fits off the front of `data`, and with `is_end` the end of the file once all of it
    /// was taken. Returns whether all was taken. With STRU P the octets become simple pages, one after
    /// the other; a file of more than 256 pages is given up.
    pub fn send_data(&mut self, data: &mut Bytes, is_end: bool) -> bool {
        if self.state != State::Open {
            return data.is_empty();
        }
        let room = self.limits.max_queued.saturating_sub(self.output.len());
        let piece = data.split_to(data.len().min(room));
        self.taken = self
            .taken
            .saturating_add(u64::try_from(piece.len()).unwrap_or(u64::MAX));
        let is_all = data.is_empty();
        self.is_blocked = !is_all;
        let ends = is_end && is_all;
        if self.format.is_plain() {
            self.output.share(piece);
        } else {
            let mut out = Vec::new();
            self.encode(&piece, ends, &mut out);
            if self.state == State::Open {
                self.output.share(out.into());
            }
        }
        if ends && self.state == State::Open {
            self.state = State::Ended(false);
        }
        is_all
    }

    /// Sends one page with a header of its own (STRU P). False, and nothing is sent, where a page
    /// cannot be: in another structure, behind octets that make no whole page yet, beyond 255 octets,
    /// with fields that its kind does not have, or while the queue is full.
    pub fn send_page(&mut self, index: u8, kind: PageKind, more: &[u8], data: &[u8]) -> bool {
        let is_possible = self.format.structure == Structure::Page
            && self.format.mode == Mode::Stream
            && self.state == State::Open
            && self.page.is_empty()
            && self.output.len() < self.limits.max_queued;
        let mut out = Vec::new();
        if !is_possible || put_page(index, kind, more, data, &mut out).is_none() {
            return false;
        }
        let taken = u64::try_from(data.len()).unwrap_or(u64::MAX);
        self.taken = self.taken.saturating_add(taken);
        self.index = u16::from(index).saturating_add(1);
        self.output.share(out.into());
        true
    }

    /// Puts a restart marker into the stream (MODE B and C; nothing in the others).
    pub fn send_marker(&mut self, marker: &[u8]) {
        let marker = marker.get(..marker.len().min(255)).unwrap_or_default();
        let mut out = Vec::new();
        match self.format.mode {
            Mode::Block => block::put_block(block::MARKER, marker, &mut out),
            Mode::Compressed => {
                out.extend_from_slice(&[
                    0,
                    block::MARKER,
                    u8::try_from(marker.len()).unwrap_or(255),
                ]);
                out.extend_from_slice(marker);
            }
            Mode::Stream | Mode::Deflate => return,
        }
        self.output.copy(&out);
    }

    fn encode(&mut self, piece: &[u8], ends: bool, out: &mut Vec<u8>) {
        if self.format.structure == Structure::Record {
            self.encode_records(piece, ends, out);
            return;
        }
        if self.format.structure == Structure::Page && self.format.mode == Mode::Stream {
            self.encode_pages(piece, ends, out);
            return;
        }
        let mut converted = Vec::new();
        let body = match self.format.kind {
            Type::Image => piece,
            Type::Ascii => {
                text::to_wire(piece, &mut self.last, &mut converted);
                &converted
            }
            Type::Ebcdic => {
                converted.extend(piece.iter().copied().map(ebcdic::to_wire));
                &converted
            }
        };
        self.frame(body, false, ends, out);
    }

    /// Full pages, and at the end what is left.
    fn encode_pages(&mut self, piece: &[u8], ends: bool, out: &mut Vec<u8>) {
        let mut rest = piece;
        loop {
            let room = MAX_PAGE.saturating_sub(self.page.len());
            let (data, behind) = rest.split_at(room.min(rest.len()));
            self.page.extend_from_slice(data);
            rest = behind;
            let is_last = ends && rest.is_empty();
            let is_due = self.page.len() == MAX_PAGE || (is_last && !self.page.is_empty());
            if !is_due {
                break;
            }
            let Ok(index) = u8::try_from(self.index) else {
                return self.abort();
            };
            // A simple page of so many octets always fits.
            let _ = put_page(index, PageKind::Simple, &[], &self.page, out);
            self.page.clear();
            self.index = self.index.saturating_add(1);
        }
        if ends {
            put_last_page(u8::try_from(self.index).unwrap_or(0), out);
        }
    }

    /// Each line of a text, or the file as a whole where it is none, is a record.
    fn encode_records(&mut self, piece: &[u8], ends: bool, out: &mut Vec<u8>) {
        let mut rest = piece;
        if self.format.kind != Type::Image {
            while let Some(at) = memchr::memchr(b'\n', rest) {
                let line = rest.get(..at).unwrap_or_default();
                let line = line.strip_suffix(b"\r").unwrap_or(line);
                let line: Vec<u8> = line
                    .iter()
                    .copied()
                    .map(|octet| self.character(octet))
                    .collect();
                self.frame(&line, true, false, out);
                rest = rest.get(at.saturating_add(1)..).unwrap_or_default();
                self.last = b'\n';
            }
        }
        if let Some(last) = rest.last() {
            self.last = *last;
        }
        let tail: Vec<u8> = rest
            .iter()
            .copied()
            .map(|octet| self.character(octet))
            .collect();
        // A last record without a line end is one all the same.
        let is_open =
            ends && self.taken > 0 && self.last != b'\n' || ends && self.format.kind == Type::Image;
        self.frame(&tail, is_open, ends, out);
    }

    fn character(&self, octet: u8) -> u8 {
        match self.format.kind {
            Type::Ebcdic => ebcdic::to_wire(octet),
            Type::Ascii | Type::Image => octet,
        }
    }

    fn filler(&self) -> u8 {
        filler(self.format.kind)
    }

    fn frame(&mut self, body: &[u8], is_record: bool, ends: bool, out: &mut Vec<u8>) {
        let flags = if is_record { block::EOR } else { 0 } | if ends { block::EOF } else { 0 };
        match self.format.mode {
            Mode::Stream if self.format.structure == Structure::File => out.extend_from_slice(body),
            Mode::Stream => {
                for octet in body {
                    out.push(*octet);
                    if *octet == 0xff {
                        out.push(0xff);
                    }
                }
                let code = u8::from(is_record) | (u8::from(ends) << 1);
                if code > 0 {
                    out.extend_from_slice(&[0xff, code]);
                }
            }
            Mode::Block => {
                let mut pieces = body.chunks(usize::from(u16::MAX)).peekable();
                while let Some(piece) = pieces.next() {
                    let is_last = pieces.peek().is_none();
                    block::put_block(if is_last { flags } else { 0 }, piece, out);
                }
                if body.is_empty() && flags > 0 {
                    block::put_block(flags, &[], out);
                }
            }
            Mode::Compressed => {
                block::put_compressed(body, self.filler(), out);
                if flags > 0 {
                    out.extend_from_slice(&[0, flags]);
                }
            }
            Mode::Deflate => {
                // Records in MODE Z: the escapes of MODE S, compressed.
                let mut plain = Vec::new();
                let body = if self.format.structure == Structure::Record {
                    for octet in body {
                        plain.push(*octet);
                        if *octet == 0xff {
                            plain.push(0xff);
                        }
                    }
                    let code = u8::from(is_record) | (u8::from(ends) << 1);
                    if code > 0 {
                        plain.extend_from_slice(&[0xff, code]);
                    }
                    &plain
                } else {
                    body
                };
                if let Some(deflater) = &mut self.deflater {
                    deflater.put(body, ends, out);
                }
            }
        }
    }

    /// Gives the transfer up: the connection is reset, so that nobody takes a part for the whole.
    pub fn abort(&mut self) {
        if self.state != State::Closed {
            self.output.clear();
            self.state = State::Aborted(false);
        }
    }

    /// The next step for the transport; `Data` holds at most `budget` octets.
    #[must_use]
    pub fn poll_transmit(&mut self, _now: Duration, budget: usize) -> Option<DataTransmit> {
        if let Some(data) = self.output.take(budget) {
            self.sent = self
                .sent
                .saturating_add(u64::try_from(data.len()).unwrap_or(u64::MAX));
            return Some(DataTransmit::Data(data));
        }
        if !self.output.is_empty() {
            return None;
        }
        match self.state {
            State::Ended(false) => {
                self.state = State::Ended(true);
                Some(DataTransmit::Shutdown)
            }
            State::Aborted(false) => {
                self.state = State::Aborted(true);
                Some(DataTransmit::Abort)
            }
            _ => None,
        }
    }

    /// Whether [`send_data`](Self::send_data) would take something.
    #[must_use]
    pub fn wants_data(&self) -> bool {
        self.state == State::Open && self.output.len() < self.limits.max_queued / 2
    }

    /// The transport is dead, or the peer ended it.
    pub fn handle_disconnect(&mut self, _now: Duration) {
        self.output.clear();
        if self.state == State::Open || self.state == State::Ended(false) {
            self.state = State::Closed;
        }
    }

    /// Octets of the file that were taken.
    #[must_use]
    pub fn octets_taken(&self) -> u64 {
        self.taken
    }

    /// Octets that were handed to the transport.
    #[must_use]
    pub fn octets_sent(&self) -> u64 {
        self.sent
    }

    /// Whether all of the file, its end included, was handed to the transport.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.state == State::Ended(true)
    }

    /// Whether nothing more comes out.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.output.is_empty()
            && matches!(
                self.state,
                State::Ended(true) | State::Aborted(true) | State::Closed
            )
    }
}

/// What a run of fillers in MODE C means: a blank in text, zero otherwise.
pub(super) fn filler(kind: Type) -> u8 {
    match kind {
        Type::Ascii => b' ',
        Type::Ebcdic => 0x40,
        Type::Image => 0,
    }
}
