//! What several test files need.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file uses its own part"
)]
#![allow(missing_debug_implementations, reason = "test fixtures")]

use bytes::{Bytes, BytesMut};
use core::time::Duration;
use proto_http2::hpack::Encoder;
use proto_http2::wire::{ErrorCode, Frame, PREFACE, RawFrame};
use proto_http2::{Config, Connection, Error, Event, Fields, Limits, Transmit};
use std::path::PathBuf;

pub const T0: Duration = Duration::from_secs(1000);

/// What a peer puts on the wire.
pub struct Wire {
    pub octets: BytesMut,
    pub encoder: Encoder,
}

impl Wire {
    /// Without a preface.
    pub fn new() -> Self {
        Self {
            octets: BytesMut::new(),
            encoder: Encoder::new(4096),
        }
    }

    /// A client that has begun.
    pub fn client() -> Self {
        let mut wire = Self::new();
        wire.octets.extend_from_slice(PREFACE);
        wire.settings(&[])
    }

    pub fn frame(mut self, frame: Frame<'_>) -> Self {
        frame.encode(&mut self.octets);
        self
    }

    pub fn settings(self, payload: &[u8]) -> Self {
        self.frame(Frame::Settings {
            ack: false,
            payload,
        })
    }

    pub fn block(&mut self, fields: &Fields) -> Vec<u8> {
        let mut block = Vec::new();
        self.encoder.begin(&mut block);
        for field in fields.iter() {
            self.encoder
                .field(&mut block, field.name, field.value, false);
        }
        block
    }

    pub fn headers(mut self, stream: u32, fields: &Fields, end_stream: bool) -> Self {
        let fragment = self.block(fields);
        self.frame(Frame::Headers {
            stream,
            fragment: &fragment,
            end_stream,
            end_headers: true,
            priority: None,
            padding: None,
        })
    }

    pub fn get(self, stream: u32) -> Self {
        self.headers(stream, &get("/"), true)
    }

    pub fn data(self, stream: u32, data: &[u8], end_stream: bool) -> Self {
        self.frame(Frame::Data {
            stream,
            data,
            end_stream,
            padding: None,
        })
    }

    pub fn reset(self, stream: u32) -> Self {
        let code = ErrorCode::CANCEL;
        self.frame(Frame::RstStream { stream, code })
    }

    pub fn bytes(self) -> Bytes {
        self.octets.freeze()
    }
}

pub fn get(path: &str) -> Fields {
    Fields::request("GET", "http", "utopia.example", path)
}

/// A connection driven by hand.
pub struct Driven {
    pub machine: Connection,
    pub input: BytesMut,
    pub events: Vec<Event>,
    pub error: Option<Error>,
    pub sent: Vec<RawFrame>,
    pub output: BytesMut,
    pub shutdown: bool,
}

impl Driven {
    pub fn server(limits: Limits) -> Self {
        Self::over(Connection::server(T0, Config::default(), limits))
    }

    pub fn over(machine: Connection) -> Self {
        Self {
            machine,
            input: BytesMut::new(),
            events: Vec::new(),
            error: None,
            sent: Vec::new(),
            output: BytesMut::new(),
            shutdown: false,
        }
    }

    /// Feeds octets, takes all events.
    pub fn feed(&mut self, octets: impl AsRef<[u8]>) {
        self.input.extend_from_slice(octets.as_ref());
        self.poll();
    }

    pub fn poll(&mut self) {
        loop {
            match self.machine.poll_event(T0, &mut self.input) {
                Ok(Some(event)) => self.events.push(event),
                Ok(None) => return,
                Err(error) => {
                    assert!(self.error.is_none(), "a second error: {error:?}");
                    self.error = Some(error);
                }
            }
        }
    }

    /// Takes all output, as frames.
    pub fn drain(&mut self) {
        while let Some(step) = self.machine.poll_transmit(T0, 16_384) {
            match step {
                Transmit::Data(data) => self.output.extend_from_slice(&data),
                Transmit::Shutdown => self.shutdown = true,
            }
        }
        if self.output.starts_with(PREFACE) {
            let _ = self.output.split_to(PREFACE.len());
        }
        while let Some(frame) = RawFrame::decode(&mut self.output, 1 << 24).unwrap() {
            self.sent.push(frame);
        }
    }

    pub fn goaway(&self) -> Option<ErrorCode> {
        self.sent.iter().find_map(|frame| match frame.frame() {
            Ok(Frame::GoAway { code, .. }) => Some(code),
            _ => None,
        })
    }

    pub fn resets(&self) -> Vec<(u32, ErrorCode)> {
        let resets = self.sent.iter().filter_map(|frame| match frame.frame() {
            Ok(Frame::RstStream { stream, code }) => Some((stream, code)),
            _ => None,
        });
        resets.collect()
    }
}

/// Where test data lies that is no part of the tree.
pub fn vectors() -> PathBuf {
    std::env::var_os("PROTO_VECTORS").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/vectors")),
        PathBuf::from,
    )
}

/// Says that something could not be tested, or fails where everything has to be.
pub fn skip(what: &str) {
    assert!(
        std::env::var_os("PROTO_REQUIRE_ALL").is_none_or(|value| value != "1"),
        "{what} is missing"
    );
    let _ = std::io::Write::write_fmt(&mut std::io::stderr(), format_args!("skipped: {what}\n"));
}

pub fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|o| !o.is_ascii_whitespace()).collect();
    let pairs = digits.chunks(2);
    pairs
        .map(|pair| u8::from_str_radix(core::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}
