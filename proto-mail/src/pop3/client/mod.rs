//! The client's side of one connection.
//!
//! ```text
//!                      greeting              STLS: +OK
//!   [Handshake] --> Greeting ------> Open <-------------> Handshake
//!   (TLS from the                     |      established
//!    start)                           |
//!                QUIT answered, EOF between replies, close()
//!                                     v
//!                                  Closing -- EOF or linger --> Closed
//!   errors, from anywhere --------------^
//!
//!   Open, at the front of the queue:
//!     Status --+--> done
//!              +--> Lines, Capabilities, Body --- "." --> done
//!              +--> challenge --> answer --> Status         (AUTH)
//!              +--> PASS --> Status                         (login)
//! ```

mod command;
mod config;
mod event;
mod reply;

pub use config::{Config, Limits, Stats};
pub use event::{CommandId, Error, Event, Excess};

use super::wire::{Capabilities, Capability, Reply, ReplyFault, Timestamp};
use crate::dot::Unstuffer;
use crate::line::{LineDecoder, LineEnd};
use crate::output::Output;
use crate::{Secret, TlsInfo, Transmit};
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use bytes::{Bytes, BytesMut};
use core::time::Duration;

/// One connection, seen from the client.
///
/// Each command queues and returns a [`CommandId`]; exactly one [`Event::Done`] or
/// [`Event::Failed`] bears it in the end. A `-ERR` is a `Done`: only what makes the connection
/// useless is an `Err`.
///
/// Commands go out one at a time. Once CAPA has listed PIPELINING (ask again after a login: it is
/// forgotten then) several are under way at once, except that STLS, logins and QUIT wait for all before them and let nothing overtake: a QUIT, and
/// with it the deletions, never leaves before every message asked for has arrived.
#[derive(Debug)]
pub struct Session {
    config: Arc<Config>,
    limits: Arc<Limits>,
    state: State,
    reading: Reading,
    lines: LineDecoder,
    /// Commands without a final event, oldest first.
    queue: VecDeque<Entry>,
    /// How many of them, from the front, are under way.
    sent: usize,
    output: Output,
    capabilities: Capabilities,
    timestamp: Option<Box<Timestamp>>,
    tls: Option<Box<TlsInfo>>,
    /// Comes out before anything else that is to be said.
    next: Option<Box<Event>>,
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
    /// Commands and replies.
    Open,
    /// Input is discarded, output goes on.
    Closing,
    /// Dead both ways.
    Closed,
}

/// What is read for the command at the front.
#[derive(Debug)]
enum Reading {
    Status,
    /// Lines of a listing; how many there were.
    Lines {
        reply: Reply,
        items: u32,
    },
    Capabilities {
        reply: Reply,
        lines: BytesMut,
    },
    Body {
        reply: Reply,
        unstuffer: Unstuffer,
        octets: u64,
    },
    /// The embedder has to answer a challenge.
    Challenge,
    /// Nothing, until TLS is there: then STLS is done, with this reply.
    Tls {
        reply: Reply,
    },
}

struct Entry {
    id: CommandId,
    kind: Kind,
    /// The command as it will be sent; empty once it is under way.
    line: Bytes,
}

enum Kind {
    /// Only the status matters.
    Simple,
    Capa,
    Stls,
    /// USER, to be followed by PASS.
    User {
        password: Secret,
    },
    /// PASS or APOP.
    Login,
    /// AUTH; what did not fit into the command goes out at the first challenge.
    Auth {
        initial: Option<Secret>,
    },
    Stat,
    ListOne,
    ListAll,
    UniqueIdOne,
    UniqueIdAll,
    Languages,
    Body,
    Quit,
}

impl Kind {
    /// Commands that wait for all before them, and for which all behind them wait.
    fn is_barrier(&self) -> bool {
        matches!(
            self,
            Self::Stls | Self::User { .. } | Self::Login | Self::Auth { .. } | Self::Quit
        )
    }
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
    pipelining: bool,
    shutdown_sent: bool,
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
            reading: Reading::Status,
            lines: LineDecoder::new(LineEnd::CrLf),
            queue: VecDeque::new(),
            sent: 0,
            output: Output::default(),
            capabilities: Capabilities::default(),
            timestamp: None,
            tls: None,
            next: None,
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
            if let Some(event) = self.next.take() {
                return Ok(Some(*event));
            }
            match self.state {
                State::Closing | State::Closed => {
                    if let Some(entry) = self.queue.pop_front() {
                        return Ok(Some(Event::Failed { id: entry.id }));
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
                        // RFC 2595 section 4, CVE-2020-14928: what came in plaintext after the
                        // reply to STLS must not be taken for something said under TLS.
                        self.fail(Error::PlaintextAfterStls { octets }, input);
                    } else if self.flags.eof {
                        self.fail(Error::UnexpectedEof { pending: 0 }, input);
                    } else if self.flags.timed_out {
                        self.fail(Error::ReplyTimeout, input);
                    } else {
                        return Ok(None);
                    }
                }
                State::Greeting | State::Open => {
                    let before = input.len();
                    let event = self.read(input);
                    self.count_in(before, input);
                    if let Some(event) = event {
                        return Ok(Some(event));
                    }
                    let is_open = matches!(self.state, State::Greeting | State::Open);
                    if is_open && self.next.is_none() {
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
        if let Some(data) = self.output.take(budget) {
            let octets = u64::try_from(data.len()).unwrap_or(u64::MAX);
            self.stats.octets_out = self.stats.octets_out.saturating_add(octets);
            self.restart_timer();
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
            State::Handshake { .. } | State::Greeting | State::Open => self.flags.timed_out = true,
        }
    }

    /// The server has closed its side; `input` may still hold replies.
    pub fn handle_eof(&mut self, now: Duration) {
        self.advance_to(now);
        self.flags.eof = true;
    }

    /// The transport is dead in both directions. Commands that are open fail.
    pub fn handle_disconnect(&mut self, now: Duration) {
        self.advance_to(now);
        self.output.clear();
        self.state = State::Closed;
        self.reading = Reading::Status;
        self.deadline = None;
        self.flags.eof = true;
        self.flags.eof_told = true;
        self.flags.shutdown_sent = true;
    }

    /// TLS is established: after [`Transmit::StartTls`], or as the first call of all with
    /// [`Config::implicit_tls`]. Anywhere else it does nothing.
    pub fn handle_tls_established(&mut self, now: Duration, tls: TlsInfo) {
        self.advance_to(now);
        match self.state {
            State::Handshake { start: false } if self.output.is_empty() => {
                self.tls = Some(Box::new(tls));
                let Reading::Tls { reply } = core::mem::replace(&mut self.reading, Reading::Status)
                else {
                    self.state = State::Greeting;
                    return self.restart_timer();
                };
                // RFC 2595 section 4: what was learnt before TLS is forgotten.
                self.forget();
                self.timestamp = None;
                self.state = State::Open;
                let done = self.finish(reply);
                self.next = done.map(Box::new);
            }
            State::Greeting if self.stats.octets_in == 0 && self.tls.is_none() => {
                self.tls = Some(Box::new(tls));
            }
            _ => {}
        }
    }

    /// Ends our side once all commands that were queued have ended. No further one is taken.
    pub fn close(&mut self) {
        self.flags.closing = true;
        if self.queue.is_empty() {
            self.begin_closing();
        }
    }

    /// False while nothing that may arrive could be handled: between STLS and TLS.
    #[must_use]
    pub fn wants_read(&self) -> bool {
        match self.state {
            State::Greeting | State::Open | State::Closing => !self.flags.eof,
            State::Handshake { .. } | State::Closed => false,
        }
    }

    /// True when the connection can be dropped.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        let is_over = match self.state {
            State::Closed => true,
            State::Closing => self.flags.eof,
            State::Handshake { .. } | State::Greeting | State::Open => false,
        };
        is_over && self.flags.shutdown_sent
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

    /// What the last CAPA listed. Empty before the first one, and again after STLS and after a
    /// login: the server may list other things then.
    #[must_use]
    pub fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// Commands without a final event.
    #[must_use]
    pub fn open_commands(&self) -> usize {
        self.queue.len()
    }

    fn forget(&mut self) {
        self.capabilities = Capabilities::default();
        self.flags.pipelining = false;
    }

    fn learn(&mut self, capabilities: &Capabilities) {
        self.flags.pipelining =
            self.config.pipelining && capabilities.contains(Capability::Pipelining);
        self.capabilities = capabilities.clone();
    }

    /// Sends what may be sent now.
    fn pump(&mut self) {
        if self.state != State::Open {
            return;
        }
        loop {
            let is_free = match (self.sent, self.queue.front()) {
                (0, _) => true,
                (sent, Some(front)) => {
                    self.flags.pipelining
                        && sent < self.limits.max_pipelined
                        && !front.kind.is_barrier()
                }
                (_, None) => false,
            };
            let is_alone = self.sent == 0;
            let Some(entry) = self.queue.get_mut(self.sent) else {
                return;
            };
            if !is_free || (entry.kind.is_barrier() && !is_alone) {
                return;
            }
            self.output.copy(&core::mem::take(&mut entry.line));
            self.sent = self.sent.saturating_add(1);
            if is_alone {
                self.restart_timer();
            }
        }
    }

    /// The command at the front has ended; the next one is under way or goes out.
    fn finish(&mut self, reply: Reply) -> Option<Event> {
        let entry = self.queue.pop_front()?;
        self.sent = self.sent.saturating_sub(1);
        self.reading = Reading::Status;
        if !reply.is_ok() {
            self.stats.refused = self.stats.refused.saturating_add(1);
        }
        self.pump();
        self.restart_timer();
        if self.queue.is_empty() {
            self.queue = VecDeque::new();
            if self.flags.closing {
                self.begin_closing();
            }
        }
        Some(Event::Done {
            id: entry.id,
            reply,
        })
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
        self.reading = Reading::Status;
        let is_limit = match error {
            Error::TooMuch { .. } | Error::ReplyTimeout => true,
            Error::Malformed(error) => matches!(error.fault, ReplyFault::TooLong { .. }),
            _ => false,
        };
        self.stats.limits_tripped = self
            .stats
            .limits_tripped
            .saturating_add(u32::from(is_limit));
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

    /// Sets the deadline that the state asks for.
    fn restart_timer(&mut self) {
        let delay = match self.state {
            State::Closed => None,
            State::Closing => Some(self.limits.linger),
            State::Open if self.sent == 0 => None,
            State::Open if matches!(self.reading, Reading::Challenge) => None,
            State::Open | State::Greeting | State::Handshake { .. } => Some(self.limits.reply),
        };
        self.flags.timed_out = false;
        self.deadline = delay.map(|delay| self.now.saturating_add(delay));
    }
}
