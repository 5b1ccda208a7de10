//! A small stream machine, right or wrong as asked: the fixture on which kit and network are tested.
//!
//! Lines end with LF. `TLS` upgrades, a line that begins with `>` is heard, every other line is a
//! question; a NUL or a line above 32 octets is fatal.

#![allow(dead_code, reason = "each test uses a part")]

use bytes::{Buf, Bytes, BytesMut};
use core::time::Duration;
use netio::shape::{StreamMachine, StreamTransmit, TlsInfo};
use std::collections::VecDeque;

pub(crate) const IDLE: Duration = Duration::from_secs(300);
pub(crate) const LINGER: Duration = Duration::from_secs(2);
const MAX_LINE: usize = 32;
const MAX_REPLIES: usize = 64 * 1024;

/// What is wrong with a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    LosesAcrossCut,
    DropsLateAnswers,
    PanicsOnHugeTime,
    GoesBackInTime,
    HotTimer,
    EarlyTimeoutFires,
    NeverRests,
    ReadingIsRefused,
    StopsReadingForOwnOutput,
    ErrorTwice,
    EventAfterError,
    ErrorOvertakesEvent,
    NoFarewell,
    NoShutdown,
    NoLinger,
    KeepsInputAfterError,
    PeerClosedTwice,
    NoPeerClosed,
    EofInLineIsBoth,
    TimerOutlivesDisconnect,
    SpeaksToTheDead,
    IgnoresBudget,
    AnswersBudgetZero,
    ReadsDuringUpgrade,
    AcceptsInjection,
    StaleAnswerLeaves,
    PanicsOnHighOctet,
    AllocatesWhatItIsTold,
    ChattersOnHighOctet,
    HoardsInput,
    UsesGlobalState,
    HidesWorkBehindTimer,
    SpeaksAfterShutdown,
    NeverCloses,
    GivesEmptyData,
    SpeaksInHandshake,
    GrowsInput,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ask(u64);

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Line { ask: Ask, line: Bytes },
    Heard(Bytes),
    Upgrading,
    PeerClosed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Error {
    Nul,
    TooLong,
    Idle,
    Injected,
    UnexpectedEof { pending: usize },
}

impl core::fmt::Display for Error {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{self:?}")
    }
}

impl core::error::Error for Error {}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Reading,
    Asking(u64),
    Upgrading,
    Failed,
    PeerClosed,
    Dead,
}

#[derive(Debug)]
pub(crate) struct Toy {
    fault: Fault,
    state: State,
    now: Duration,
    deadline: Option<Duration>,
    output: VecDeque<StreamTransmit>,
    replies: usize,
    next_ask: u64,
    eof: bool,
    timed_out: bool,
    closing: bool,
    ended: bool,
    partial: usize,
    lines: u64,
    polled_while_asking: bool,
    again: u32,
    hoard: Vec<u8>,
    held: Option<Error>,
    hidden: Vec<u8>,
}

impl Toy {
    pub(crate) fn new(now: Duration, fault: Fault) -> Self {
        Self {
            fault,
            state: State::Reading,
            now,
            deadline: now.checked_add(IDLE).or(Some(Duration::MAX)),
            output: VecDeque::new(),
            replies: 0,
            next_ask: 0,
            eof: false,
            timed_out: false,
            closing: false,
            ended: false,
            partial: 0,
            lines: 0,
            polled_while_asking: false,
            again: 0,
            hoard: Vec::new(),
            held: None,
            hidden: Vec::new(),
        }
    }

    /// Sends a line that asks for no answer.
    pub(crate) fn say(&mut self, line: &[u8]) {
        self.queue(&[b">", line, b"\n"].concat());
    }

    /// Sends a line that asks for an answer.
    pub(crate) fn ask(&mut self, line: &[u8]) {
        self.queue(&[line, b"\n"].concat());
    }

    /// As a client: the other side was asked for TLS.
    pub(crate) fn start_tls(&mut self) {
        self.output.push_back(StreamTransmit::StartTls);
        self.state = State::Upgrading;
    }

    /// Takes note of a line that needs no answer.
    pub(crate) fn settle_plus(&mut self, ask: Ask) {
        if self.state == State::Asking(ask.0) {
            self.state = State::Reading;
        }
    }

    pub(crate) fn answer(&mut self, ask: Ask, line: &[u8]) -> Result<(), Ask> {
        let stale = self.state != State::Asking(ask.0);
        if stale && self.fault != Fault::StaleAnswerLeaves {
            return Err(ask);
        }
        if stale {
            (self.ended, self.closing) = (false, false);
        }
        self.state = State::Reading;
        if self.fault == Fault::DropsLateAnswers && self.polled_while_asking {
            return Ok(());
        }
        self.replies += line.len() + 1;
        if self.fault == Fault::HidesWorkBehindTimer && line == b"two" {
            self.hidden = b"TWO\n".to_vec();
            return Ok(());
        }
        self.queue(&[&line.to_ascii_uppercase()[..], b"\n"].concat());
        Ok(())
    }

    fn queue(&mut self, octets: &[u8]) {
        if let Some(StreamTransmit::Data(last)) = self.output.back_mut() {
            let mut both = BytesMut::from(&last[..]);
            both.extend_from_slice(octets);
            *last = both.freeze();
        } else {
            self.output
                .push_back(StreamTransmit::Data(Bytes::copy_from_slice(octets)));
        }
    }

    fn advance(&mut self, now: Duration) {
        self.now = match self.fault {
            Fault::GoesBackInTime => now,
            _ => self.now.max(now),
        };
    }

    fn after(&self, by: Duration) -> Option<Duration> {
        Some(match self.fault {
            Fault::PanicsOnHugeTime => self.now + by,
            _ => self.now.saturating_add(by),
        })
    }

    fn fail(&mut self, error: Error, farewell: &[u8]) -> Error {
        if !farewell.is_empty() && self.fault != Fault::NoFarewell {
            self.queue(farewell);
        }
        self.closing = self.fault != Fault::NoShutdown;
        if self.fault == Fault::ErrorTwice && error == Error::Nul {
            self.again = 1;
        }
        (self.state, self.deadline) = match self.eof {
            true => (State::Dead, None),
            false if self.fault == Fault::NoLinger => (State::Failed, None),
            false => (State::Failed, self.after(LINGER)),
        };
        error
    }

    fn take_line(&mut self, input: &mut BytesMut) -> Option<Bytes> {
        let end = input.iter().position(|&octet| octet == b'\n');
        let partial = self.partial;
        self.partial = if end.is_some() { 0 } else { input.len() };
        let line = input.split_to(end?).freeze();
        input.advance(1);
        if self.fault == Fault::LosesAcrossCut && partial == 2 {
            return self.take_line(input);
        }
        Some(line)
    }

    fn take(&mut self, line: Bytes, input: &BytesMut) -> Result<Event, Error> {
        self.deadline = self.after(IDLE);
        self.lines += 1;
        if line.len() > MAX_LINE {
            return Err(self.fail(Error::TooLong, b"!long\n"));
        }
        if line.contains(&0) {
            return Err(self.fail(Error::Nul, b"!nul\n"));
        }
        match &line[..] {
            b"TLS" => {
                // Checked before anything is queued: the farewell is plaintext.
                if !input.is_empty() && self.fault != Fault::AcceptsInjection {
                    return Err(self.fail(Error::Injected, b"!injected\n"));
                }
                self.queue(b"+\n");
                self.output.push_back(StreamTransmit::StartTls);
                if self.fault == Fault::SpeaksInHandshake {
                    self.queue(b"too early\n");
                }
                self.state = State::Upgrading;
                return Ok(Event::Upgrading);
            }
            [b'>', ..] => return Ok(Event::Heard(line.slice(1..))),
            [b'#', size, ..] if self.fault == Fault::AllocatesWhatItIsTold => {
                self.hoard = vec![0; usize::from(*size) << 16];
            }
            [first, ..] if *first >= 0x80 => match self.fault {
                Fault::PanicsOnHighOctet => panic!("a high octet"),
                Fault::ChattersOnHighOctet => self.again = u32::MAX,
                _ => {}
            },
            _ => {}
        }
        let ask = self.next_ask;
        self.next_ask += 1;
        self.state = State::Asking(ask);
        self.polled_while_asking = false;
        let ask = Ask(ask);
        Ok(Event::Line { ask, line })
    }
}

impl StreamMachine for Toy {
    type Event = Event;
    type Error = Error;

    fn poll_event(&mut self, now: Duration, input: &mut BytesMut) -> Result<Option<Event>, Error> {
        self.advance(now);
        if let Some(error) = self.held.take() {
            return Err(error);
        }
        match self.state {
            State::Asking(_) | State::Upgrading => return Ok(None),
            State::Failed | State::Dead | State::PeerClosed => {
                if self.fault != Fault::KeepsInputAfterError {
                    input.clear();
                }
                if self.again > 0 {
                    self.again -= 1;
                    return match self.fault {
                        Fault::PeerClosedTwice => Ok(Some(Event::PeerClosed)),
                        _ => Err(Error::Nul),
                    };
                }
                if self.fault == Fault::EventAfterError && self.state == State::Failed {
                    self.fault = Fault::None;
                    return Ok(Some(Event::Heard("late".into())));
                }
                return Ok(None);
            }
            State::Reading => {}
        }
        if self.again > 0 {
            return Ok(Some(Event::Heard("again".into())));
        }
        if self.timed_out {
            return Err(self.fail(Error::Idle, b"!idle\n"));
        }
        if self.replies >= MAX_REPLIES {
            return Ok(None);
        }
        if self.fault == Fault::ErrorOvertakesEvent && input.contains(&0) {
            return Err(self.fail(Error::Nul, b"!nul\n"));
        }
        if let Some(line) = self.take_line(input) {
            return self.take(line, input).map(Some);
        }
        if input.len() > MAX_LINE && self.fault != Fault::HoardsInput {
            return Err(self.fail(Error::TooLong, b"!long\n"));
        }
        match (self.eof, input.len()) {
            (false, _) => {
                if self.fault == Fault::GrowsInput && input.is_empty() {
                    input.extend_from_slice(b"x");
                }
                Ok(None)
            }
            (true, 0) => {
                (self.state, self.deadline) = (State::PeerClosed, None);
                self.again = u32::from(self.fault == Fault::PeerClosedTwice);
                Ok((self.fault != Fault::NoPeerClosed).then_some(Event::PeerClosed))
            }
            (true, pending) => {
                let error = self.fail(Error::UnexpectedEof { pending }, b"");
                if self.fault != Fault::EofInLineIsBoth {
                    return Err(error);
                }
                self.held = Some(error);
                Ok(Some(Event::PeerClosed))
            }
        }
    }

    fn poll_transmit(&mut self, now: Duration, budget: usize) -> Option<StreamTransmit> {
        self.advance(now);
        self.polled_while_asking |= matches!(self.state, State::Asking(_));
        let Some(step) = self.output.front_mut() else {
            if self.closing && !self.ended {
                self.ended = true;
                if self.fault == Fault::SpeaksAfterShutdown {
                    self.queue(b"one thing more\n");
                }
                return Some(StreamTransmit::Shutdown);
            }
            if self.fault == Fault::GivesEmptyData && self.lines == 1 {
                self.lines = 2;
                return Some(StreamTransmit::Data(Bytes::new()));
            }
            return None;
        };
        let StreamTransmit::Data(data) = step else {
            return self.output.pop_front();
        };
        let len = match self.fault {
            Fault::IgnoresBudget if budget > 0 => data.len(),
            Fault::AnswersBudgetZero => budget.max(1),
            _ => budget,
        };
        let data = data.split_to(len.min(data.len()));
        if matches!(step, StreamTransmit::Data(rest) if rest.is_empty()) {
            self.output.pop_front();
        }
        self.replies = self.replies.saturating_sub(data.len());
        (!data.is_empty()).then_some(StreamTransmit::Data(data))
    }

    fn poll_timeout(&self) -> Option<Duration> {
        self.deadline
    }

    fn handle_timeout(&mut self, now: Duration) {
        self.advance(now);
        let hidden = core::mem::take(&mut self.hidden);
        if !hidden.is_empty() {
            self.queue(&hidden);
        }
        let Some(deadline) = self.deadline else {
            return;
        };
        if self.fault == Fault::EarlyTimeoutFires && self.state == State::Reading {
            self.deadline = self.after(IDLE);
        }
        if self.now < deadline {
            return;
        }
        self.deadline = None;
        match self.state {
            State::Reading if self.fault == Fault::HotTimer => self.deadline = Some(self.now),
            State::Reading if self.fault == Fault::NeverRests => {
                self.deadline = self.after(Duration::from_millis(1));
            }
            State::Reading => self.timed_out = true,
            State::Asking(_) | State::Upgrading => self.deadline = self.after(IDLE),
            State::Failed => self.state = State::Dead,
            State::PeerClosed | State::Dead => {}
        }
    }

    fn handle_eof(&mut self, now: Duration) {
        self.advance(now);
        self.eof = true;
        if self.state == State::Failed {
            (self.state, self.deadline) = (State::Dead, None);
        }
    }

    fn handle_disconnect(&mut self, now: Duration) {
        self.advance(now);
        self.state = State::Dead;
        if self.fault != Fault::TimerOutlivesDisconnect {
            self.deadline = None;
        }
        self.output.clear();
        (self.closing, self.ended) = (true, true);
        if self.fault == Fault::SpeaksToTheDead {
            self.queue(b"bye\n");
        }
    }

    fn handle_tls_established(&mut self, now: Duration, _tls: TlsInfo) {
        self.advance(now);
        if self.state == State::Upgrading {
            self.state = State::Reading;
        }
    }

    fn close(&mut self) {
        self.closing = true;
    }

    fn wants_read(&self) -> bool {
        match self.state {
            State::Reading => match self.fault {
                Fault::ReadingIsRefused if self.lines == 2 => false,
                Fault::StopsReadingForOwnOutput if !self.output.is_empty() => false,
                _ => !self.eof && self.replies < MAX_REPLIES,
            },
            State::Failed => true,
            State::Upgrading => self.fault == Fault::ReadsDuringUpgrade,
            State::Asking(_) | State::PeerClosed | State::Dead => false,
        }
    }

    fn is_closed(&self) -> bool {
        self.ended
            && matches!(self.state, State::PeerClosed | State::Dead)
            && self.fault != Fault::NeverCloses
    }
}
