//! The upper-case echo as a stream machine and as a datagram machine, for tests of the drivers.

use bytes::{Buf, Bytes, BytesMut};
use core::net::SocketAddr;
use core::time::Duration;
use netio::shape::{
    DatagramMachine, DatagramTransmit, Local, LocalId, StreamMachine, StreamTransmit, TlsInfo,
};
use std::collections::VecDeque;

/// What a line may ask of [`Lines`]. Both ends of a connection are the same machine.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Line(String),
    Tls(TlsInfo),
    PeerClosed,
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the peer sent a bad line")]
pub(crate) struct BadLine;

/// Sends and receives lines. `!tls` as a line asks for TLS, `!go` starts it; `!bad` is an error.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    output: VecDeque<StreamTransmit>,
    events: VecDeque<Event>,
    /// Idle time after which the machine says `idle` and closes.
    idle: Option<Duration>,
    upgrading: bool,
    eof: bool,
    eof_told: bool,
    failed: bool,
    closed: bool,
    dead: bool,
    shutdown_sent: bool,
}

impl Lines {
    pub(crate) fn with_idle(idle: Duration) -> Self {
        Self {
            idle: Some(idle),
            ..Self::default()
        }
    }

    pub(crate) fn send(&mut self, line: &str) {
        self.send_bytes(Bytes::from(format!("{line}\n")));
    }

    pub(crate) fn send_bytes(&mut self, data: Bytes) {
        self.output.push_back(StreamTransmit::Data(data));
    }

    pub(crate) fn start_tls(&mut self) {
        self.send("!tls");
    }
}

impl StreamMachine for Lines {
    type Event = Event;
    type Error = BadLine;

    fn poll_event(
        &mut self,
        _now: Duration,
        input: &mut BytesMut,
    ) -> Result<Option<Event>, BadLine> {
        if self.failed {
            input.clear();
            return Ok(None);
        }
        if let Some(event) = self.events.pop_front() {
            return Ok(Some(event));
        }
        if self.upgrading {
            return Ok(None);
        }
        if let Some(len) = input.iter().position(|&octet| octet == b'\n') {
            let line = String::from_utf8(input.split_to(len).to_vec()).unwrap();
            input.advance(1);
            match line.as_str() {
                "!tls" | "!go" => {
                    if line == "!tls" {
                        self.send("!go");
                    }
                    self.upgrading = true;
                    self.output.push_back(StreamTransmit::StartTls);
                    return Ok(None);
                }
                "!bad" => {
                    self.failed = true;
                    self.send("farewell");
                    self.closed = true;
                    return Err(BadLine);
                }
                _ => return Ok(Some(Event::Line(line))),
            }
        }
        if self.eof && !self.eof_told {
            self.eof_told = true;
            return Ok(Some(Event::PeerClosed));
        }
        Ok(None)
    }

    fn poll_transmit(&mut self, _now: Duration, budget: usize) -> Option<StreamTransmit> {
        if let Some(StreamTransmit::Data(data)) = self.output.front_mut() {
            let data = data.split_to(data.len().min(budget));
            if matches!(self.output.front(), Some(StreamTransmit::Data(rest)) if rest.is_empty()) {
                self.output.pop_front();
            }
            return Some(StreamTransmit::Data(data));
        }
        if let Some(step) = self.output.pop_front() {
            return Some(step);
        }
        if self.closed && !self.shutdown_sent {
            self.shutdown_sent = true;
            return Some(StreamTransmit::Shutdown);
        }
        None
    }

    fn poll_timeout(&self) -> Option<Duration> {
        self.idle
    }

    fn handle_timeout(&mut self, now: Duration) {
        if self.idle.is_some_and(|idle| now >= idle) {
            self.idle = None;
            self.send("idle");
            self.close();
        }
    }

    fn handle_eof(&mut self, _now: Duration) {
        self.eof = true;
    }

    fn handle_disconnect(&mut self, _now: Duration) {
        self.dead = true;
        self.output.clear();
    }

    fn handle_tls_established(&mut self, _now: Duration, tls: TlsInfo) {
        self.upgrading = false;
        self.events.push_back(Event::Tls(tls));
    }

    fn close(&mut self) {
        self.closed = true;
    }

    fn wants_read(&self) -> bool {
        !self.upgrading && !self.eof
    }

    fn is_closed(&self) -> bool {
        self.dead || (self.shutdown_sent && self.eof)
    }
}

/// Answers each datagram in upper case; asks for a fresh socket when told to.
#[derive(Debug, Default)]
pub(crate) struct Datagrams {
    output: VecDeque<DatagramTransmit>,
    events: VecDeque<(LocalId, SocketAddr, String)>,
    echoes: bool,
}

impl Datagrams {
    pub(crate) fn echoing() -> Self {
        Self {
            echoes: true,
            ..Self::default()
        }
    }

    pub(crate) fn send(&mut self, local: Local, to: SocketAddr, text: &str) {
        self.output.push_back(DatagramTransmit::Datagram {
            local,
            to,
            payload: Bytes::copy_from_slice(text.as_bytes()),
        });
    }

    pub(crate) fn release(&mut self, local: LocalId) {
        self.output.push_back(DatagramTransmit::Release(local));
    }
}

impl DatagramMachine for Datagrams {
    type Event = (LocalId, SocketAddr, String);

    fn handle_datagram(&mut self, _now: Duration, local: LocalId, from: SocketAddr, data: &[u8]) {
        let text = String::from_utf8_lossy(data).into_owned();
        if self.echoes {
            self.send(Local::Id(local), from, &text.to_uppercase());
        }
        self.events.push_back((local, from, text));
    }

    fn poll_event(&mut self) -> Option<Self::Event> {
        self.events.pop_front()
    }

    fn poll_transmit(&mut self, _now: Duration) -> Option<DatagramTransmit> {
        self.output.pop_front()
    }

    fn poll_timeout(&self) -> Option<Duration> {
        None
    }

    fn handle_timeout(&mut self, _now: Duration) {}
}
