//! The server's side of a session: the control connection, and wishes for data connections.
//!
//! ```text
//!   control:   Handshake --> Ready <--> Asking        (a question to the embedder is open)
//!                 ^            |
//!                 +-- AUTH ----+-- QUIT, EOF, 421 --> Closing --> Closed
//!
//!   login:     NeedUser --> NeedPassword --> (NeedAccount) --> In
//!
//!   setup:     None --> Opening --> Listening --> Connected        PASV, EPSV
//!                 +--> Active                                      PORT, EPRT
//!
//!   transfer:  150 said --> Waiting --> Securing --> Running --> Committing --> 226
//!                              |           |            |             |
//!                              +-- 425     +-- 522      +-- 426, 451  +-- 452, 552
//! ```
//!
//! While a transfer runs, the next line is executed only if it is STAT; an ABOR anywhere within
//! [`ServerLimits::look_ahead`](crate::ServerLimits::look_ahead) ends the transfer with 426, and is
//! answered in its turn with 226. All else waits, so that replies keep the order of commands.

mod answer;
mod command;
mod config;
mod data;
mod event;
mod files;
mod parameters;

pub use config::{Config, Stats};
pub use event::{
    Action, Answer, Ask, DataId, Direction, Error, Event, ListFormat, Refusal, StoreMode,
    TransferFault, UsageError,
};

use crate::data::Format;
use crate::output::Output;
use crate::wire::{Found, LineDecoder, Verb, VirtualPath, put_path_reply, put_reply};
use crate::{Secret, ServerLimits, TlsInfo, Transmit};
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use bytes::{Buf, Bytes, BytesMut};
use core::net::SocketAddr;
use core::time::Duration;

/// One session, seen from the server.
#[derive(Debug)]
pub struct Session {
    config: Arc<Config>,
    limits: Arc<ServerLimits>,
    peer: SocketAddr,
    local: SocketAddr,
    now: Duration,
    state: State,
    lines: LineDecoder,
    output: Output,
    events: VecDeque<Event>,
    actions: VecDeque<Action>,
    failure: Option<Error>,
    login: Login,
    directory: VirtualPath,
    rename_from: Option<VirtualPath>,
    restart: u64,
    format: Format,
    setup: Setup,
    transfer: Option<Transfer>,
    tls: Option<Box<TlsInfo>>,
    flags: Flags,
    host: Option<Bytes>,
    next_id: u64,
    /// Since when the current wait lasts.
    since: Duration,
    login_failures: u8,
    faults: u8,
    refused: u8,
    /// Octets left in the read buffer at the last look.
    pending: usize,
    /// Octets of one [`Action::Pump`]; zero where the embedder moves none.
    pump: u64,
    stats: Stats,
}

#[derive(Debug)]
enum State {
    /// Nothing is read before TLS is there. `true` until the step was handed out.
    Handshake(bool),
    /// CCC or REIN was answered; TLS is to end.
    StoppingTls,
    Ready,
    Asking(Question),
    Closing,
    Closed,
}

#[derive(Clone, Debug)]
struct Question {
    id: u64,
    verb: Verb,
    /// What the question is about, where the answer needs it.
    path: Option<VirtualPath>,
    transfer: Option<(DataId, Direction)>,
}

#[derive(Debug)]
enum Login {
    NeedUser,
    NeedPassword {
        user: Bytes,
    },
    /// The embedder was asked; should it want an account too, it gets all of it again.
    Checking {
        user: Bytes,
        password: Secret,
    },
    NeedAccount {
        user: Bytes,
        password: Secret,
    },
    In,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Setup {
    None,
    /// A listener was wished for; the reply waits for it. `true` for EPSV.
    Opening {
        id: DataId,
        extended: bool,
    },
    Listening {
        id: DataId,
    },
    Connected {
        id: DataId,
    },
    Active {
        to: SocketAddr,
    },
}

#[derive(Clone, Copy, Debug)]
struct Transfer {
    id: DataId,
    direction: Direction,
    verb: Verb,
    phase: Phase,
    octets: u64,
    /// Octets that may still be moved before another wish.
    credit: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Waiting,
    Securing,
    Running,
    /// The question with this id is open.
    Committing(u64),
}

#[derive(Clone, Copy, Debug, Default)]
#[allow(clippy::struct_excessive_bools)] // independent facts
struct Flags {
    eof: bool,
    eof_told: bool,
    shutdown_sent: bool,
    epsv_all: bool,
    pbsz: bool,
    private: bool,
    /// Security was left by CCC.
    cleared: bool,
}

impl Session {
    /// A session that begins at `now` between two addresses. The greeting is queued at once, or once
    /// TLS is there with [`Config::implicit_tls`].
    pub fn new(
        now: Duration,
        config: impl Into<Arc<Config>>,
        limits: impl Into<Arc<ServerLimits>>,
        local: SocketAddr,
        peer: SocketAddr,
    ) -> Self {
        let (config, limits) = (config.into(), limits.into());
        let mut session = Self {
            peer,
            local,
            now,
            state: State::Handshake(false),
            lines: LineDecoder::new(limits.max_line),
            output: Output::default(),
            events: VecDeque::new(),
            actions: VecDeque::new(),
            failure: None,
            login: Login::NeedUser,
            directory: VirtualPath::root(),
            rename_from: None,
            restart: 0,
            format: Format::default(),
            setup: Setup::None,
            transfer: None,
            tls: None,
            flags: Flags::default(),
            host: None,
            next_id: 0,
            since: now,
            login_failures: 0,
            faults: 0,
            refused: 0,
            pending: 0,
            pump: 0,
            stats: Stats::default(),
            config,
            limits,
        };
        if !session.config.implicit_tls {
            session.state = State::Ready;
            session.greet();
        }
        session
    }

    /// Takes what it can from the front of `input` and returns the next event, if there is one.
    ///
    /// # Errors
    ///
    /// [`Error`] once, after every event before it. Then input is only discarded; the farewell still
    /// comes out of [`poll_transmit`](Self::poll_transmit).
    pub fn poll_event(
        &mut self,
        now: Duration,
        input: &mut BytesMut,
    ) -> Result<Option<Event>, Error> {
        self.advance_to(now);
        loop {
            if let Some(event) = self.events.pop_front() {
                if self.events.is_empty() {
                    self.events = VecDeque::new();
                }
                return Ok(Some(event));
            }
            if let Some(error) = self.failure.take() {
                return Err(error);
            }
            self.pending = input.len();
            match self.state {
                State::Handshake(_) if !input.is_empty() && !self.config.implicit_tls => {
                    // RFC 4217 and CVE-2011-1575: what came in plaintext after AUTH must not be
                    // taken for something said under TLS.
                    let octets = input.len();
                    self.fail(Error::PlaintextAfterAuth { octets });
                }
                State::Handshake(_) if self.flags.eof => self.fail(Error::UnexpectedEof),
                State::Handshake(_) | State::StoppingTls | State::Asking(_) => return Ok(None),
                State::Closing | State::Closed => {
                    input.clear();
                    self.pending = 0;
                    return Ok(None);
                }
                State::Ready => {
                    if matches!(self.setup, Setup::Opening { .. })
                        || self.output.len() > self.limits.max_queued_replies
                    {
                        return Ok(None);
                    }
                    if self.transfer.is_some() {
                        if !self.look_ahead(input) {
                            return Ok(None);
                        }
                        continue;
                    }
                    match self.lines.find(input) {
                        Some(Found::Line(len)) => {
                            self.pending = input.len().saturating_sub(len);
                            self.since = self.now;
                            let raw = input.get(..len).unwrap_or_default();
                            self.execute(&crate::wire::strip_line(raw));
                            input.advance(len);
                        }
                        Some(Found::TooLong(len)) => {
                            self.pending = input.len().saturating_sub(len);
                            self.since = self.now;
                            input.advance(len);
                            self.say(500, "Line too long");
                            self.fault(4);
                        }
                        None if self.flags.eof => self.end_of_input(input),
                        None => {
                            self.pending = 0;
                            return Ok(None);
                        }
                    }
                }
            }
        }
    }

    fn end_of_input(&mut self, input: &mut BytesMut) {
        if !input.is_empty() {
            input.clear();
            self.fail(Error::UnexpectedEof);
        } else if !self.flags.eof_told {
            self.flags.eof_told = true;
            self.events.push_back(Event::PeerClosed);
            self.begin_closing();
        }
    }

    /// While a transfer runs: executes STAT, looks for ABOR. True when something was done.
    fn look_ahead(&mut self, input: &mut BytesMut) -> bool {
        let Some(transfer) = self.transfer else {
            return false;
        };
        let window = input
            .get(..input.len().min(self.limits.look_ahead))
            .unwrap_or_default();
        let mut rest = window;
        let mut is_first = true;
        while let Some(at) = memchr::memchr(b'\n', rest) {
            let (raw, after) = rest
                .split_at_checked(at.saturating_add(1))
                .unwrap_or((rest, &[]));
            let line = crate::wire::strip_line(raw);
            let word = line
                .split(|octet| *octet == b' ')
                .next()
                .unwrap_or_default();
            match Verb::from_name(word) {
                Verb::Abor if !matches!(transfer.phase, Phase::Committing(_)) => {
                    self.abort_transfer(426, "Transfer aborted");
                    return true;
                }
                Verb::Stat if is_first && line.len() == 4 => {
                    let _ = self.lines.decode(input);
                    self.pending = input.len();
                    self.stats.commands = self.stats.commands.saturating_add(1);
                    self.say_status();
                    return true;
                }
                _ => {}
            }
            is_first = false;
            rest = after;
        }
        false
    }

    /// The next step for the transport; `Data` holds at most `budget` octets.
    #[must_use]
    pub fn poll_transmit(&mut self, now: Duration, budget: usize) -> Option<Transmit> {
        self.advance_to(now);
        if let Some(data) = self.output.take(budget) {
            let octets = u64::try_from(data.len()).unwrap_or(u64::MAX);
            self.stats.octets_out = self.stats.octets_out.saturating_add(octets);
            return Some(Transmit::Data(data));
        }
        if !self.output.is_empty() {
            return None;
        }
        match &mut self.state {
            State::Handshake(start) if *start => {
                *start = false;
                Some(Transmit::StartTls)
            }
            State::StoppingTls => {
                self.state = State::Ready;
                Some(Transmit::StopTls)
            }
            State::Closing | State::Closed if !self.flags.shutdown_sent => {
                self.flags.shutdown_sent = true;
                self.since = self.now;
                Some(Transmit::Shutdown)
            }
            _ => None,
        }
    }

    /// The next wish, until `None`.
    #[must_use]
    pub fn poll_action(&mut self, now: Duration) -> Option<Action> {
        self.advance_to(now);
        let action = self.actions.pop_front();
        if self.actions.is_empty() {
            self.actions = VecDeque::new();
        }
        action
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called; may change after any call.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        let wait = match (&self.state, &self.transfer) {
            (State::Closed, _) => return None,
            (State::Closing, _) => self.limits.linger,
            (State::Asking(_), _) => self.limits.answer_deadline?,
            (_, Some(transfer)) => match transfer.phase {
                Phase::Waiting | Phase::Securing => self.limits.data_wait,
                Phase::Running => self.limits.stall,
                Phase::Committing(_) => self.limits.answer_deadline?,
            },
            _ if matches!(self.setup, Setup::Opening { .. }) => self.limits.data_wait,
            _ => self.limits.idle,
        };
        Some(self.since.saturating_add(wait))
    }

    /// Tells that time has passed. Calls before the deadline do nothing.
    pub fn handle_timeout(&mut self, now: Duration) {
        self.advance_to(now);
        if self
            .poll_timeout()
            .is_none_or(|deadline| self.now < deadline)
        {
            return;
        }
        self.since = self.now;
        match (&self.state, self.transfer) {
            (State::Closed, _) => {}
            (State::Closing, _) => {
                self.output.clear();
                self.state = State::Closed;
            }
            (State::Asking(question), _) => {
                let question = question.clone();
                self.state = State::Ready;
                self.refuse(&question, Refusal::Failed);
            }
            (_, Some(transfer)) => match transfer.phase {
                Phase::Waiting | Phase::Securing => {
                    self.abort_transfer(425, "No data connection");
                }
                Phase::Running => self.abort_transfer(426, "Data connection stalled"),
                Phase::Committing(_) => self.end_transfer(451, "No answer from the storage", false),
            },
            _ if matches!(self.setup, Setup::Opening { .. }) => self.setup_failed(),
            // Whoever waits for a handshake could not read it.
            (State::Handshake(_), _) => self.fail(Error::IdleTimeout),
            _ => {
                self.say(421, "Idle for too long");
                self.fail(Error::IdleTimeout);
            }
        }
    }

    /// The client has closed its side; `input` may still hold commands.
    pub fn handle_eof(&mut self, now: Duration) {
        self.advance_to(now);
        self.flags.eof = true;
        if matches!(self.state, State::Closing) && self.flags.shutdown_sent {
            self.state = State::Closed;
        }
    }

    /// The control connection is dead. A transfer that runs is aborted; open questions are stale.
    pub fn handle_disconnect(&mut self, now: Duration) {
        self.advance_to(now);
        self.flags.shutdown_sent = true;
        if matches!(self.state, State::Closed) {
            return;
        }
        let was_closing = matches!(self.state, State::Closing);
        self.drop_data(true);
        self.output.clear();
        self.state = State::Closed;
        if !was_closing && self.failure.is_none() {
            self.failure = Some(Error::Disconnected);
        }
    }

    /// The handshake on the control connection is done.
    pub fn handle_tls_established(&mut self, now: Duration, tls: TlsInfo) {
        self.advance_to(now);
        if !matches!(self.state, State::Handshake(_)) {
            return;
        }
        let is_first = self.tls.is_none() && self.config.implicit_tls;
        self.tls = Some(Box::new(tls));
        self.state = State::Ready;
        self.since = self.now;
        self.lines.reset();
        if is_first {
            // Implicit TLS means a private data channel from the start.
            self.flags.pbsz = true;
            self.flags.private = true;
            self.greet();
        }
    }

    /// Says 421, ends a running transfer, and closes.
    pub fn close(&mut self) {
        if matches!(self.state, State::Closing | State::Closed) {
            return;
        }
        // Whoever waits for a handshake could not read it.
        if !matches!(self.state, State::Handshake(false)) {
            self.say(421, "Service closing");
        }
        self.begin_closing();
    }

    /// Whether reading makes sense now.
    #[must_use]
    pub fn wants_read(&self) -> bool {
        match self.state {
            State::Handshake(_) | State::StoppingTls | State::Closed => false,
            State::Closing => true,
            State::Ready | State::Asking(_) => {
                self.output.len() <= self.limits.max_queued_replies
                    && self.pending < self.limits.look_ahead
            }
        }
    }

    /// Whether the connection can be dropped.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        match self.state {
            State::Closed => true,
            State::Closing => self.flags.shutdown_sent && self.flags.eof,
            _ => false,
        }
    }

    /// Counters.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.stats
    }

    /// What TLS established on the control connection, while it is there.
    #[must_use]
    pub fn tls(&self) -> Option<&TlsInfo> {
        self.tls.as_deref()
    }

    /// Whether the client may be told things: it logged in.
    #[must_use]
    pub fn is_logged_in(&self) -> bool {
        matches!(self.login, Login::In)
    }

    fn advance_to(&mut self, now: Duration) {
        self.now = self.now.max(now);
    }

    fn greet(&mut self) {
        let text = self.config.greeting.clone();
        self.say(220, text);
    }

    fn say(&mut self, code: u16, text: impl AsRef<[u8]>) {
        if matches!(self.state, State::Closing | State::Closed) {
            return;
        }
        let text = text.as_ref();
        // Codes of one line take six octets; those of many are no longer than the text.
        let room = text.len().saturating_add(16);
        put_reply(code, text, self.output.tail(room));
        self.stats.replies = self.stats.replies.saturating_add(1);
        self.since = self.now;
    }

    /// 257, a path in quotes, and some words.
    fn say_path(&mut self, path: &VirtualPath, words: &str) {
        let path = path.as_bytes();
        let doubled = path.iter().filter(|octet| matches!(octet, b'"' | 0xff));
        let room = path.len().saturating_add(doubled.count());
        let out = self
            .output
            .tail(room.saturating_add(words.len()).saturating_add(16));
        put_path_reply(257, path, words, out);
        self.stats.replies = self.stats.replies.saturating_add(1);
        self.since = self.now;
    }

    /// Ends the session because of a fault: the farewell was said before.
    fn fail(&mut self, error: Error) {
        if self.failure.is_none() {
            self.failure = Some(error);
        }
        self.begin_closing();
    }

    fn begin_closing(&mut self) {
        self.drop_data(false);
        self.state = State::Closing;
        self.since = self.now;
    }

    /// Closes whatever there is of data connections, and tells of a transfer that is lost.
    fn drop_data(&mut self, reset: bool) {
        if let Some(transfer) = self.transfer.take() {
            self.actions.push_back(Action::Close {
                id: transfer.id,
                reset: true,
            });
            self.events.push_back(Event::TransferEnded {
                id: transfer.id,
                complete: false,
            });
        }
        self.drop_setup(reset);
    }

    fn drop_setup(&mut self, reset: bool) {
        match core::mem::replace(&mut self.setup, Setup::None) {
            Setup::Opening { id, .. } | Setup::Listening { id } | Setup::Connected { id } => {
                self.actions.push_back(Action::Close { id, reset });
            }
            Setup::None | Setup::Active { .. } => {}
        }
    }

    fn new_id(&mut self) -> u64 {
        self.next_id = self.next_id.saturating_add(1);
        self.next_id
    }

    fn fault(&mut self, weight: u8) {
        self.stats.faults = self.stats.faults.saturating_add(1);
        if self.is_logged_in() && weight < 4 {
            return;
        }
        self.faults = self.faults.saturating_add(weight);
        if self.faults >= self.limits.max_faults {
            self.say(421, "Too many errors");
            self.fail(Error::TooManyFaults);
        }
    }
}
