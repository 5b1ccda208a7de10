//! The upper-case echo of every course on socket programming, as two machines: one for TCP, one for
//! UDP. They show what a protocol of your own needs to be driven like those of this workspace.

use bytes::{Buf, Bytes, BytesMut};
use core::net::SocketAddr;
use core::time::Duration;
use netio::shape::{
    DatagramMachine, DatagramTransmit, Local, LocalId, StreamMachine, StreamTransmit,
};
use std::collections::VecDeque;

/// Longest line, its end included.
const MAX_LINE: usize = 1024;
/// Output above which no further line is taken.
const MAX_QUEUED: usize = 16 * 1024;
/// Silence after which a connection ends.
const IDLE: Duration = Duration::from_secs(60);
/// How long a failed connection goes on reading, so that nothing overtakes its farewell.
const LINGER: Duration = Duration::from_secs(2);

/// What [`Lines`] has to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A line, without its end.
    Line(Bytes),
    /// The peer sends nothing more.
    PeerClosed,
}

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// A line was longer than 1024 octets.
    LineTooLong,
    /// The connection ended inside a line.
    UnexpectedEof,
    /// Nothing came for a minute.
    Idle,
}

impl core::fmt::Display for Error {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::LineTooLong => "a line is too long",
            Self::UnexpectedEof => "the connection ended inside a line",
            Self::Idle => "the peer was silent for too long",
        })
    }
}

impl core::error::Error for Error {}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    /// The peer has ended its side: not yet told, or told.
    Ended {
        told: bool,
    },
    /// An error was told; reading goes on so that the farewell is not lost.
    Failed,
    Dead,
}

/// Lines both ways over one byte stream; client and server are alike.
#[derive(Debug)]
pub struct Lines {
    state: State,
    output: BytesMut,
    /// Octets at the front of the input that hold no line end.
    searched: usize,
    now: Duration,
    deadline: Option<Duration>,
    timed_out: bool,
    closing: bool,
    shutdown_sent: bool,
}

impl Lines {
    /// A connection that begins at `now`.
    pub fn new(now: Duration) -> Self {
        Self {
            state: State::Open,
            output: BytesMut::new(),
            searched: 0,
            now,
            deadline: Some(now.saturating_add(IDLE)),
            timed_out: false,
            closing: false,
            shutdown_sent: false,
        }
    }

    /// Queues a line. Line ends inside it become blanks: one call, one line.
    pub fn send(&mut self, line: &[u8]) {
        let clean = |octet: &u8| match octet {
            b'\r' | b'\n' => b' ',
            octet => *octet,
        };
        self.output.extend(line.iter().map(clean));
        self.output.extend_from_slice(b"\r\n");
    }

    fn fail(&mut self, error: Error) -> Error {
        self.send(error.to_string().as_bytes());
        self.closing = true;
        self.state = State::Failed;
        self.deadline = Some(self.now.saturating_add(LINGER));
        error
    }

    fn advance_to(&mut self, now: Duration) {
        self.now = self.now.max(now);
    }
}

impl StreamMachine for Lines {
    type Event = Event;
    type Error = Error;

    fn poll_event(&mut self, now: Duration, input: &mut BytesMut) -> Result<Option<Event>, Error> {
        self.advance_to(now);
        if matches!(self.state, State::Failed | State::Dead) {
            input.clear();
            return Ok(None);
        }
        if self.timed_out {
            return Err(self.fail(Error::Idle));
        }
        if self.output.len() > MAX_QUEUED {
            return Ok(None);
        }
        let unsearched = input.get(self.searched..).unwrap_or_default();
        if let Some(end) = unsearched.iter().position(|&octet| octet == b'\n') {
            let line = input.split_to(self.searched + end);
            input.advance(1);
            self.searched = 0;
            self.deadline = Some(self.now.saturating_add(IDLE));
            if line.len() >= MAX_LINE {
                return Err(self.fail(Error::LineTooLong));
            }
            let line = line.strip_suffix(b"\r").unwrap_or(&line);
            return Ok(Some(Event::Line(Bytes::copy_from_slice(line))));
        }
        self.searched = input.len();
        if self.searched >= MAX_LINE {
            return Err(self.fail(Error::LineTooLong));
        }
        if self.state == (State::Ended { told: false }) {
            if !input.is_empty() {
                return Err(self.fail(Error::UnexpectedEof));
            }
            self.state = State::Ended { told: true };
            self.deadline = None;
            return Ok(Some(Event::PeerClosed));
        }
        Ok(None)
    }

    fn poll_transmit(&mut self, now: Duration, budget: usize) -> Option<StreamTransmit> {
        self.advance_to(now);
        if !self.output.is_empty() {
            let len = self.output.len().min(budget);
            return (len > 0).then(|| StreamTransmit::Data(self.output.split_to(len).freeze()));
        }
        if self.closing && !self.shutdown_sent {
            self.shutdown_sent = true;
            return Some(StreamTransmit::Shutdown);
        }
        None
    }

    fn poll_timeout(&self) -> Option<Duration> {
        self.deadline
    }

    fn handle_timeout(&mut self, now: Duration) {
        self.advance_to(now);
        if self.deadline.is_none_or(|deadline| self.now < deadline) {
            return;
        }
        self.deadline = None;
        match self.state {
            State::Open => self.timed_out = true,
            State::Failed => self.state = State::Dead,
            State::Ended { .. } | State::Dead => {}
        }
    }

    fn handle_eof(&mut self, now: Duration) {
        self.advance_to(now);
        match self.state {
            State::Open => self.state = State::Ended { told: false },
            State::Failed => {
                self.state = State::Dead;
                self.deadline = None;
            }
            State::Ended { .. } | State::Dead => {}
        }
    }

    fn handle_disconnect(&mut self, now: Duration) {
        self.advance_to(now);
        self.state = State::Dead;
        self.deadline = None;
        self.output.clear();
        self.shutdown_sent = true;
    }

    fn close(&mut self) {
        self.closing = true;
    }

    fn wants_read(&self) -> bool {
        match self.state {
            State::Open => self.output.len() <= MAX_QUEUED,
            State::Failed => true,
            State::Ended { .. } | State::Dead => false,
        }
    }

    fn is_closed(&self) -> bool {
        self.shutdown_sent && matches!(self.state, State::Ended { told: true } | State::Dead)
    }
}

/// Text in datagrams. A server answers each where it came from; a client sends and waits.
#[derive(Debug, Default)]
pub struct Datagrams {
    events: VecDeque<(LocalId, SocketAddr, Bytes)>,
    output: VecDeque<DatagramTransmit>,
    /// Datagrams dropped because too many waited.
    pub dropped: u64,
}

/// Datagrams that may wait to be looked at, and as many to leave.
const MAX_WAITING: usize = 256;

impl Datagrams {
    /// Queues a datagram. A datagram too many is dropped, as any network may do.
    pub fn send(&mut self, local: Local, to: SocketAddr, text: &[u8]) {
        if self.output.len() >= MAX_WAITING {
            self.dropped += 1;
            return;
        }
        self.output.push_back(DatagramTransmit::Datagram {
            local,
            to,
            payload: Bytes::copy_from_slice(text),
        });
    }
}

impl DatagramMachine for Datagrams {
    /// Which socket was asked, by whom, and what.
    type Event = (LocalId, SocketAddr, Bytes);

    fn handle_datagram(&mut self, _: Duration, local: LocalId, from: SocketAddr, data: &[u8]) {
        if self.events.len() >= MAX_WAITING {
            self.dropped += 1;
            return;
        }
        self.events
            .push_back((local, from, Bytes::copy_from_slice(data)));
    }

    fn poll_event(&mut self) -> Option<Self::Event> {
        self.events.pop_front()
    }

    fn poll_transmit(&mut self, _: Duration) -> Option<DatagramTransmit> {
        self.output.pop_front()
    }

    fn poll_timeout(&self) -> Option<Duration> {
        None
    }

    fn handle_timeout(&mut self, _: Duration) {}
}
