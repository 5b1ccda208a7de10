//! The client's side of one connection.
//!
//! ```text
//!      Greeting --220--> Hello --250--> (STARTTLS offered and wanted?) --no--> Open
//!                         ^  | 5xx: HELO        | yes                          |  ^
//!                         |  +-->               v                  command     v  | last reply
//!          tls established|                 StartTls --220--> Handshake        front of the queue
//!                         +------------------------------------------+
//!
//!      one message:  MAIL RCPT RCPT .. DATA | replies | body | . | reply (LMTP: one each)
//!      with PIPELINING all up to DATA leaves at once; BDAT takes the place of DATA for binary
//!
//!      EOF, close(), QUIT answered, errors --> Closing --> Closed
//! ```

mod command;
mod config;
mod event;
mod message;
mod reply;

pub use config::{Config, Limits, StartTls, Stats};
pub use event::{CommandId, Error, Event, FailReason};
pub use message::Envelope;

use super::Protocol;
use super::wire::{Command, Extension, Extensions, Reply, ReplyDecoder, Text};
use crate::output::Output;
use crate::{Secret, TlsInfo, Transmit};
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use bytes::{Bytes, BytesMut};
use core::time::Duration;
use message::Message;

/// One connection, seen from the client.
///
/// It says hello by itself, starts TLS as configured, and pipelines what the server allows.
#[derive(Debug)]
pub struct Session {
    config: Arc<Config>,
    limits: Arc<Limits>,
    state: State,
    replies: ReplyDecoder,
    /// Commands in order; the first one is under way once `is_started`.
    queue: VecDeque<Entry>,
    is_started: bool,
    output: Output,
    extensions: Extensions,
    tls: Option<Box<TlsInfo>>,
    /// Comes out before anything else that is to be said.
    next: VecDeque<Event>,
    failure: Option<Error>,
    next_id: u64,
    now: Duration,
    deadline: Option<Duration>,
    flags: Flags,
    stats: Stats,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nothing is read before TLS is there. `start` until the step was handed out.
    Handshake { start: bool },
    /// The greeting is awaited.
    Greeting,
    /// The answer to EHLO, LHLO or HELO.
    Hello { helo: bool },
    /// The answer to STARTTLS.
    StartTls,
    /// Commands and replies.
    Open,
    /// Input is discarded, output goes on.
    Closing,
    /// Dead both ways.
    Closed,
}

struct Entry {
    id: CommandId,
    kind: Kind,
}

enum Kind {
    /// One line, one reply.
    Simple(Bytes),
    /// AUTH; what did not fit into the command goes out at the first challenge.
    Auth {
        line: Bytes,
        initial: Option<Secret>,
        /// The embedder has to answer a challenge.
        asked: bool,
    },
    Message(Box<Message>),
    Quit,
}

/// Shows neither the line nor a secret.
impl core::fmt::Debug for Entry {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Entry")
            .field("id", &self.id.0)
            .finish_non_exhaustive()
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Flags {
    eof: bool,
    eof_told: bool,
    timed_out: bool,
    /// `close()` was called, or QUIT queued: no further command is taken.
    closing: bool,
    shutdown_sent: bool,
    greeted: bool,
    authenticated: bool,
    /// An envelope was given up: the server must forget it before the next command.
    needs_reset: bool,
    /// RSET of our own is under way.
    resetting: bool,
    /// Parts of a message that failed whose replies are still to come, before any other one.
    owed: u32,
}

impl Session {
    /// A session that begins at `now`. Configuration and limits may be shared by all sessions: pass
    /// an `Arc`.
    pub fn new(
        now: Duration,
        config: impl Into<Arc<Config>>,
        limits: impl Into<Arc<Limits>>,
    ) -> Self {
        let (config, limits) = (config.into(), limits.into());
        let state = match config.implicit_tls {
            true => State::Handshake { start: false },
            false => State::Greeting,
        };
        Self {
            state,
            replies: ReplyDecoder::new(),
            queue: VecDeque::new(),
            is_started: false,
            output: Output::default(),
            extensions: Extensions::default(),
            tls: None,
            next: VecDeque::new(),
            failure: None,
            next_id: 0,
            now,
            deadline: Some(now.saturating_add(limits.reply)),
            flags: Flags::default(),
            stats: Stats::default(),
            config,
            limits,
        }
    }

    /// Takes what it can from the front of `input` and returns the next event, if there is one.
    ///
    /// `input` is the embedder's read buffer; between calls it may only grow at its end.
    ///
    /// # Errors
    ///
    /// [`Error`] once, after every event that came before it. Then the machine is fused: it only
    /// discards input.
    pub fn poll_event(
        &mut self,
        now: Duration,
        input: &mut BytesMut,
    ) -> Result<Option<Event>, Error> {
        self.advance_to(now);
        loop {
            if let Some(event) = self.next.pop_front() {
                return Ok(Some(event));
            }
            if self.next.capacity() > 0 {
                self.next = VecDeque::new();
            }
            match self.state {
                State::Closing | State::Closed => {
                    if let Some(entry) = self.queue.pop_front() {
                        return Ok(Some(Event::Failed {
                            id: entry.id,
                            reason: FailReason::Closed,
                        }));
                    }
                    self.queue = VecDeque::new();
                    if let Some(error) = self.failure.take() {
                        return Err(error);
                    }
                    self.discard(input);
                    return Ok(self.tell_eof());
                }
                State::Handshake { .. } => {
                    let octets = input.len();
                    if octets > 0 {
                        // RFC 3207 section 6, CVE-2020-14928: what came in plaintext after the
                        // reply to STARTTLS must not be taken for something said under TLS.
                        self.fail(Error::PlaintextAfterStartTls { octets }, input);
                    } else if self.flags.eof {
                        self.fail(Error::UnexpectedEof { pending: 0 }, input);
                    } else if self.flags.timed_out {
                        self.fail(Error::ReplyTimeout, input);
                    } else {
                        return Ok(None);
                    }
                }
                State::Greeting | State::Hello { .. } | State::StartTls | State::Open => {
                    let before = input.len();
                    let is_idle = !self.read(input);
                    self.count_in(before, input);
                    if is_idle && self.next.is_empty() {
                        return Ok(None);
                    }
                }
            }
        }
    }

    /// The next step for the transport; `Data` holds at most `budget` octets.
    #[must_use]
    pub fn poll_transmit(&mut self, now: Duration, budget: usize) -> Option<Transmit> {
        self.advance_to(now);
        if self.output.is_empty() {
            self.pump();
        }
        if let Some(data) = self.output.take(budget) {
            let octets = u64::try_from(data.len()).unwrap_or(u64::MAX);
            self.stats.octets_out = self.stats.octets_out.saturating_add(octets);
            self.restart_timer();
            self.tell_writable();
            return Some(Transmit::Data(data));
        }
        if !self.output.is_empty() {
            return None;
        }
        match &mut self.state {
            State::Handshake { start } if *start => {
                *start = false;
                Some(Transmit::StartTls)
            }
            State::Closing | State::Closed if !self.flags.shutdown_sent => {
                self.flags.shutdown_sent = true;
                self.restart_timer();
                Some(Transmit::Shutdown)
            }
            _ => None,
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called; may change after any call.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        self.deadline
    }

    /// Tells that time has passed. Calls before the deadline do nothing.
    pub fn handle_timeout(&mut self, now: Duration) {
        self.advance_to(now);
        if self.deadline.is_none_or(|deadline| self.now < deadline) {
            return;
        }
        self.deadline = None;
        match self.state {
            State::Closing => {
                self.output.clear();
                self.state = State::Closed;
            }
            State::Closed => {}
            _ => self.flags.timed_out = true,
        }
    }

    /// The peer has closed its side; `input` may still hold replies.
    pub fn handle_eof(&mut self, now: Duration) {
        self.advance_to(now);
        self.flags.eof = true;
    }

    /// The transport is dead in both directions. Open commands fail.
    pub fn handle_disconnect(&mut self, now: Duration) {
        self.advance_to(now);
        self.output.clear();
        self.state = State::Closed;
        self.deadline = None;
        self.failure = None;
        self.flags.closing = true;
        self.flags.eof = true;
        self.flags.eof_told = true;
        self.flags.shutdown_sent = true;
    }

    /// TLS is established: after [`Transmit::StartTls`], or as the first call of all with
    /// [`Config::implicit_tls`]. Anywhere else it does nothing.
    pub fn handle_tls_established(&mut self, now: Duration, tls: TlsInfo) {
        self.advance_to(now);
        if self.state != (State::Handshake { start: false }) || !self.output.is_empty() {
            return;
        }
        self.tls = Some(Box::new(tls));
        // RFC 3207 section 4.2: whatever was learnt before is forgotten.
        self.extensions = Extensions::default();
        if self.flags.greeted {
            self.say_hello(false);
        } else {
            self.state = State::Greeting;
        }
        self.restart_timer();
    }

    /// Ends our side once all commands are done. No further command is taken.
    pub fn close(&mut self) {
        self.flags.closing = true;
        if self.queue.is_empty() || !self.flags.greeted {
            self.begin_closing();
        }
    }

    /// False while TLS is being established: nothing that may arrive could be handled.
    #[must_use]
    pub fn wants_read(&self) -> bool {
        match self.state {
            State::Handshake { .. } | State::Closed => false,
            _ => !self.flags.eof,
        }
    }

    /// True when the connection can be dropped.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        let is_over = match self.state {
            State::Closed => true,
            State::Closing => self.flags.eof,
            _ => false,
        };
        is_over && self.flags.shutdown_sent
    }

    /// True once no command will go out any more: the session is on its way to the end, or there.
    #[must_use]
    pub fn is_ending(&self) -> bool {
        matches!(self.state, State::Closing | State::Closed)
    }

    /// An event that needs no input.
    pub(crate) fn take_event(&mut self) -> Option<Event> {
        self.next.pop_front()
    }

    /// What was counted so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.stats
    }

    /// The bounds that hold.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The behaviour that was configured.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// What TLS established, once it did.
    #[must_use]
    pub fn tls(&self) -> Option<&TlsInfo> {
        self.tls.as_deref()
    }

    /// What the server offered in its last answer to EHLO or LHLO. Empty before the first one, and
    /// again after STARTTLS.
    #[must_use]
    pub fn extensions(&self) -> &Extensions {
        &self.extensions
    }

    /// Commands and messages without a final event.
    #[must_use]
    pub fn open_commands(&self) -> usize {
        self.queue.len()
    }

    fn say_hello(&mut self, helo: bool) {
        self.state = State::Hello { helo };
        let name = Text::new(self.config.name.as_bytes()).unwrap_or(Text(b"localhost"));
        let command = match (self.config.protocol, helo) {
            (Protocol::Lmtp, _) => Command::Lhlo(name),
            (Protocol::Smtp, false) => Command::Ehlo(name),
            (Protocol::Smtp, true) => Command::Helo(name),
        };
        command.encode(self.output.tail());
        self.restart_timer();
    }

    /// Sends what may be sent now.
    fn pump(&mut self) {
        if self.state != State::Open {
            return;
        }
        if !self.is_started {
            if self.queue.is_empty() || self.flags.resetting {
                return;
            }
            if core::mem::take(&mut self.flags.needs_reset) {
                Command::Rset.encode(self.output.tail());
                self.flags.resetting = true;
                self.restart_timer();
                return;
            }
            self.is_started = true;
            self.start();
            self.restart_timer();
        }
        self.pump_message();
    }

    /// The command at the front begins.
    fn start(&mut self) {
        let Some(entry) = self.queue.front_mut() else {
            return;
        };
        let id = entry.id;
        match &mut entry.kind {
            Kind::Simple(line) | Kind::Auth { line, .. } => {
                self.output.copy(&core::mem::take(line));
            }
            Kind::Quit => Command::Quit.encode(self.output.tail()),
            Kind::Message(message) => {
                if let Some(reason) = message.prepare(&self.extensions) {
                    self.queue.pop_front();
                    self.is_started = false;
                    self.next.push_back(Event::Failed { id, reason });
                    self.after_command();
                }
            }
        }
    }

    /// The command at the front has ended; the next one goes out.
    fn finish(&mut self, reply: Reply) {
        let Some(entry) = self.queue.pop_front() else {
            return;
        };
        self.is_started = false;
        if !reply.is_ok() {
            self.stats.refused = self.stats.refused.saturating_add(1);
        }
        self.next.push_back(Event::Done {
            id: entry.id,
            reply,
        });
        self.after_command();
    }

    fn after_command(&mut self) {
        if self.queue.is_empty() {
            self.queue = VecDeque::new();
            if self.flags.closing {
                self.begin_closing();
            }
        }
        self.restart_timer();
    }

    fn begin_closing(&mut self) {
        if !matches!(self.state, State::Closed) {
            self.state = State::Closing;
        }
        self.restart_timer();
    }

    fn fail(&mut self, error: Error, input: &mut BytesMut) {
        // What was not sent yet would only be a command to a server that cannot be trusted.
        self.output.clear();
        if matches!(error, Error::ReplyTimeout) {
            self.stats.limits_tripped = self.stats.limits_tripped.saturating_add(1);
        }
        self.failure = Some(error);
        self.flags.closing = true;
        self.flags.eof_told = true;
        self.begin_closing();
        self.discard(input);
    }

    fn discard(&mut self, input: &mut BytesMut) {
        let before = input.len();
        input.clear();
        self.count_in(before, input);
    }

    fn count_in(&mut self, before: usize, input: &BytesMut) {
        let octets = before.saturating_sub(input.len());
        let octets = u64::try_from(octets).unwrap_or(u64::MAX);
        self.stats.octets_in = self.stats.octets_in.saturating_add(octets);
    }

    fn tell_eof(&mut self) -> Option<Event> {
        let is_news =
            self.flags.eof && !core::mem::replace(&mut self.flags.eof_told, self.flags.eof);
        is_news.then_some(Event::PeerClosed)
    }

    /// Time never runs backwards, whatever the caller says.
    fn advance_to(&mut self, now: Duration) {
        self.now = self.now.max(now);
    }

    /// Whether the peer, not the embedder, is expected to do something.
    fn is_waiting(&self) -> bool {
        if !self.is_started {
            return self.flags.resetting || self.flags.owed > 0;
        }
        match self.queue.front().map(|entry| &entry.kind) {
            Some(Kind::Auth { asked, .. }) => !asked,
            Some(Kind::Message(message)) => !message.wants_data() || !self.output.is_empty(),
            Some(_) => true,
            None => false,
        }
    }

    /// Sets the deadline that the state asks for.
    fn restart_timer(&mut self) {
        let delay = match self.state {
            State::Closed => None,
            State::Closing => Some(self.limits.linger),
            State::Open if !self.is_waiting() => None,
            _ => Some(self.limits.reply),
        };
        self.flags.timed_out = false;
        self.deadline = delay.map(|delay| self.now.saturating_add(delay));
    }

    fn offers(&self, extension: Extension) -> bool {
        self.extensions.contains(extension)
    }
}
