//! HTTP/2: frames, header compression, and scripts against connections.

use crate::cuts::{Cuts, Take};
use bytes::{Bytes, BytesMut};
use core::time::Duration;
use proto_http2::hpack::{BlockLimits, Decoder, Encoder};
use proto_http2::wire::{ErrorCode, Frame, FrameHeader, HEADER_LEN, PREFACE, RawFrame};
use proto_http2::{Config, Connection, Event, Fields, Limits, StreamId, Transmit};
use std::collections::BTreeMap;

/// A decoder body and an inverse body: what was parsed is written, parsed again, and is the same.
pub fn http2_frame(data: &[u8]) {
    let mut input = BytesMut::from(data);
    while let Ok(Some(raw)) = RawFrame::decode(&mut input, 16_384) {
        let mut again = BytesMut::new();
        raw.encode(&mut again);
        assert_eq!(again.len(), raw.payload.len() + HEADER_LEN);
        let Ok(frame) = raw.frame() else {
            continue;
        };
        let mut written = BytesMut::new();
        frame.encode(&mut written);
        let header = FrameHeader::parse(written.first_chunk().unwrap());
        assert!(
            header.length <= raw.header.length.max(5),
            "it does not grow"
        );
        assert_eq!(Frame::parse(header, &written[HEADER_LEN..]), Ok(frame));
    }
}

/// A decoder body: blocks behind lengths; whole or not, the limits hold.
pub fn http2_hpack_decode(data: &[u8]) {
    let mut input = Take::new(data);
    let mut limits = BlockLimits::default();
    limits.max_list_size = usize::from(input.u16());
    limits.max_fields = usize::from(input.u8());
    let size = u32::from(input.u16());
    let mut decoder = Decoder::new(size);
    while !input.is_empty() {
        if input.bool() {
            decoder.set_max_size(u32::from(input.u16()).min(size));
        }
        let block = input.short();
        let (mut fields, mut octets) = (0, 0);
        let result = decoder.decode(block, &limits, |field| {
            fields += 1;
            octets += field.name.len() + field.value.len() + 32;
        });
        assert!(fields <= limits.max_fields && octets <= limits.max_list_size);
        let Ok(summary) = result else { return };
        assert_eq!(summary.is_over, summary.fields > fields);
    }
}

/// An inverse body: what is encoded is decoded, over changes of both tables' sizes.
pub fn http2_hpack_inverse(data: &[u8]) {
    let mut input = Take::new(data);
    let (mut encoder, mut decoder) = (Encoder::new(4096), Decoder::new(4096));
    let mut limits = BlockLimits::default();
    limits.max_list_size = usize::MAX;
    limits.max_fields = usize::MAX;
    while !input.is_empty() {
        if input.bool() {
            let size = u32::from(input.u16()).min(8192);
            encoder.set_max_size(size);
            decoder.set_max_size(size);
        }
        let mut block = Vec::new();
        encoder.begin(&mut block);
        let count = input.u8() % 8;
        let fields: Vec<(&[u8], &[u8], bool)> = (0..count)
            .map(|_| (input.short(), input.short(), input.bool()))
            .collect();
        for (name, value, is_sensitive) in &fields {
            encoder.field(&mut block, name, value, *is_sensitive);
        }
        let mut seen = Vec::new();
        decoder
            .decode(&block, &limits, |field| {
                seen.push((field.name.to_vec(), field.value.to_vec()));
            })
            .expect("what the encoder made");
        let expected: Vec<_> = fields
            .iter()
            .map(|(n, v, _)| (n.to_vec(), v.to_vec()))
            .collect();
        assert_eq!(seen, expected);
    }
}

/// A connection with all that is checked of it after each step.
struct Checked {
    machine: Connection,
    input: BytesMut,
    output: BytesMut,
    open: BTreeMap<StreamId, bool>,
    now: Duration,
    has_failed: bool,
    has_shut: bool,
}

impl Checked {
    fn new(machine: Connection) -> Self {
        Self {
            machine,
            input: BytesMut::new(),
            output: BytesMut::new(),
            open: BTreeMap::new(),
            now: Duration::ZERO,
            has_failed: false,
            has_shut: false,
        }
    }

    fn poll(&mut self, answer: u8) {
        for _ in 0..100_000 {
            match self.machine.poll_event(self.now, &mut self.input) {
                Ok(None) => return,
                Ok(Some(event)) => self.take(event, answer),
                Err(_) => {
                    assert!(!self.has_failed, "a second error");
                    self.has_failed = true;
                }
            }
        }
        panic!("endless events");
    }

    fn take(&mut self, event: Event, answer: u8) {
        assert!(
            !self.has_failed || matches!(event, Event::Closed { .. }),
            "{event:?} after an error"
        );
        match event {
            Event::Headers { id, .. } => {
                self.open.insert(id, true);
                match answer % 4 {
                    0 => drop(self.machine.respond(id, &Fields::response(204), true)),
                    1 => {
                        let _ = self.machine.respond(id, &Fields::response(200), false);
                        let mut body = Bytes::from(vec![b'x'; 10_000]);
                        let _ = self.machine.send_data(id, &mut body, true);
                    }
                    2 => drop(self.machine.reset(id, ErrorCode::CANCEL)),
                    _ => {
                        let request = Fields::request("GET", "http", "a", "/p");
                        let _ = self.machine.push(id, &request);
                        let _ = self.machine.inform(id, &Fields::response(103));
                    }
                }
            }
            Event::Closed { id, .. } => {
                assert_ne!(
                    self.open.insert(id, false),
                    Some(false),
                    "a second last event"
                );
            }
            Event::Data { id, data, .. } => {
                let octets = u32::try_from(data.len()).unwrap();
                // The stream may be gone; then the credit was given back.
                let _ = self.machine.release(id, octets);
            }
            _ => {}
        }
    }

    fn drain(&mut self, budget: usize) {
        for _ in 0..100_000 {
            match self.machine.poll_transmit(self.now, budget) {
                None => return,
                Some(Transmit::Data(data)) => {
                    assert!(!self.has_shut && !data.is_empty() && data.len() <= budget);
                    self.output.extend_from_slice(&data);
                }
                Some(Transmit::Shutdown) => {
                    assert!(!self.has_shut, "a second shutdown");
                    self.has_shut = true;
                }
            }
        }
        panic!("endless output");
    }

    fn pass(&mut self, seconds: u8) {
        self.now += Duration::from_secs(u64::from(seconds));
        self.machine.handle_timeout(self.now);
        self.poll(0);
        let next = self.machine.poll_timeout();
        assert!(
            next.is_none_or(|next| next > self.now),
            "{next:?} at {:?}",
            self.now
        );
    }

    /// All that it sends are frames.
    fn end(mut self) {
        self.machine.handle_disconnect(self.now);
        self.poll(0);
        assert!(self.machine.is_closed());
        let stats = self.machine.stats();
        assert!(stats.flow_released <= stats.flow_received);
        if self.output.starts_with(PREFACE) {
            let _ = self.output.split_to(PREFACE.len());
        }
        while let Some(frame) = RawFrame::decode(&mut self.output, 1 << 24).expect("frames") {
            frame.frame().expect("a frame that can be read");
        }
    }
}

fn script(mut driven: Checked, mut input: Take<'_>) {
    while !input.is_empty() {
        let step = input.u8();
        match step % 8 {
            0..=3 => {
                driven.input.extend_from_slice(input.short());
                driven.poll(step / 8);
            }
            4 => driven.drain(usize::from(input.u8())),
            5 => driven.pass(input.u8()),
            6 => driven.drain(100_000),
            _ if step / 8 == 0 => driven.machine.close(),
            _ if step / 8 == 1 => driven.machine.handle_eof(driven.now),
            _ => drop(driven.machine.ping()),
        }
    }
    driven.end();
}

/// A script body: whatever a client sends to a server.
pub fn http2_server_script(data: &[u8]) {
    let mut input = Take::new(data);
    let mut config = Config::default();
    config.auto_credit = input.bool();
    let mut driven = Checked::new(Connection::server(
        Duration::ZERO,
        config,
        Limits::embedded(),
    ));
    if input.bool() {
        driven.input.extend_from_slice(PREFACE);
    }
    script(driven, input);
}

/// A script body: whatever a server sends to a client.
pub fn http2_client_script(data: &[u8]) {
    let mut input = Take::new(data);
    let mut config = Config::default();
    config.enable_push = input.bool();
    let mut machine = Connection::client(Duration::ZERO, config, Limits::embedded());
    for _ in 0..input.u8() % 4 {
        let _ = machine.request(&Fields::request("GET", "http", "a", "/"), true);
    }
    script(Checked::new(machine), input);
}

/// A script body: client against server, in any pieces; neither finds a fault with the other.
pub fn http2_pair(data: &[u8]) {
    let mut input = Take::new(data);
    let mut config = Config::default();
    config.padding = input.u8() & input.u8();
    config.enable_push = input.bool();
    config.stream_window = u32::from(input.u16()) + 1;
    let mut cuts = Cuts::take(&mut input);
    let mut client = Checked::new(Connection::client(
        Duration::ZERO,
        config.clone(),
        Limits::trusted(),
    ));
    config.enable_push = true;
    let mut server = Checked::new(Connection::server(
        Duration::ZERO,
        config,
        Limits::trusted(),
    ));
    let mut ids = Vec::new();
    for _ in 0..200 {
        match input.u8() % 6 {
            0 | 1 => {
                let path = format!("/{}", input.u8());
                let fields = Fields::request("POST", "http", "a", &path);
                if let Ok(id) = client.machine.request(&fields, false) {
                    let mut body = Bytes::from(vec![b'b'; usize::from(input.u16())]);
                    let _ = client.machine.send_data(id, &mut body, true);
                    ids.push(id);
                }
            }
            2 => drop(
                ids.pop()
                    .map(|id| client.machine.reset(id, ErrorCode::CANCEL)),
            ),
            3 => drop(client.machine.ping()),
            _ => {}
        }
        let answer = input.u8();
        client.drain(usize::from(input.u8()) + 1);
        let sent = client.output.split();
        let mut rest = &sent[..];
        while !rest.is_empty() {
            server.input.extend_from_slice(cuts.piece(&mut rest));
            server.poll(answer);
        }
        server.drain(usize::from(input.u8()) + 1);
        client.input.extend_from_slice(&server.output.split());
        client.poll(0);
        assert!(
            !client.has_failed && !server.has_failed,
            "a fault between our own"
        );
        if input.is_empty() {
            break;
        }
    }
}
