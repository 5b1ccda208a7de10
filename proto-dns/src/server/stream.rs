//! The server's side of one connection (RFC 7766).
//!
//! ```text
//!              query / answer(ask), in any order
//!                 +--------+
//!                 |        v           EOF at a boundary
//!                 +------ Open ------------------------> PeerClosed
//!                         |  |                              |
//!       idle, EOF inside  |  | close()                      | close(), idle
//!       a message, bad    |  v                              v
//!       length            | Closing -- answered, output gone, Shutdown --> Closed
//!                         v                                                  ^
//!                       Failed -- output gone, Shutdown, EOF or linger ------+
//! ```

use super::Authority;
use crate::event::Transport;
use crate::outbox::Outbox;
use crate::stream::Transmit;
use crate::wire::{Header, tcp};
use crate::{Error, Limits, UsageError};
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use bytes::{Bytes, BytesMut};
use core::time::Duration;

/// A query waits for its answer. Hand it back to [`Stream::answer`] or [`Stream::discard`] once.
#[must_use = "an open question holds a place until it is answered or dropped"]
#[derive(Debug, PartialEq, Eq)]
pub struct Ask(u64);

/// What a connection has to say.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A message that is no response. Emitted once for each; nothing but the header was looked at.
    Query {
        /// The question that [`Stream::answer`] or [`Stream::discard`] settles.
        ask: Ask,
        /// The message, without its length.
        message: Bytes,
    },
    /// There is room for [`Stream::answer_part`] again, after it was refused.
    Writable,
    /// The peer will send nothing more; answers still reach it until [`Stream::close`]. Emitted
    /// once.
    PeerClosed,
}

/// Counters of one connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Queries that were handed out.
    pub queries: u64,
    /// Answers that were queued.
    pub answers: u64,
    /// Queries that the embedder dropped.
    pub dropped: u64,
    /// Queries that were given up after [`Limits::answer_deadline`].
    pub expired: u64,
    /// Messages that were skipped because they are responses.
    pub not_queries: u64,
    /// Octets of messages that came, lengths included.
    pub octets_in: u64,
    /// Octets handed to the transport.
    pub octets_out: u64,
    /// How often reading stopped because of [`Limits::max_stream_questions`] or
    /// [`Limits::max_queued_output`].
    pub stalls: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    Failed,
    PeerClosed,
    Disconnected,
}

/// One connection, seen from the server.
///
/// ```
/// use bytes::BytesMut;
/// use core::time::Duration;
/// use proto_dns::{Limits, server::{Stream, stream::Event}, stream::Transmit};
///
/// let now = Duration::ZERO;
/// let mut server = Stream::new(now, Limits::default());
/// let mut input = BytesMut::from(&b"\0\x0c\0\x01\0\0\0\0\0\0\0\0\0\0"[..]); // an empty query
/// let Some(Event::Query { ask, message }) = server.poll_event(now, &mut input)? else {
///     panic!("no query")
/// };
/// server.answer(ask, message)?; // whatever answers it; here an echo
/// assert!(matches!(server.poll_transmit(now, 1500), Some(Transmit::Data(data)) if data.len() == 14));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Stream {
    limits: Arc<Limits>,
    state: State,
    /// Open questions, and since when. Ids and times both rise.
    open: BTreeMap<u64, Duration>,
    next_ask: u64,
    output: Outbox,
    now: Duration,
    /// When the connection has idled, or lingered, for long enough.
    deadline: Option<Duration>,
    eof: bool,
    timed_out: bool,
    stalled: bool,
    /// A part of an answer was refused.
    wants_room: bool,
    closing: bool,
    shutdown_sent: bool,
    stats: Stats,
}

impl Stream {
    /// A connection that was accepted at `now`. Limits may be shared: pass an `Arc`.
    #[must_use]
    pub fn new(now: Duration, limits: impl Into<Arc<Limits>>) -> Self {
        let limits = limits.into();
        Self {
            state: State::Open,
            open: BTreeMap::new(),
            next_ask: 0,
            output: Outbox::default(),
            now,
            deadline: Some(now.saturating_add(limits.idle)),
            eof: false,
            timed_out: false,
            stalled: false,
            wants_room: false,
            closing: false,
            shutdown_sent: false,
            stats: Stats::default(),
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
    /// discards input, and open questions are stale.
    pub fn poll_event(
        &mut self,
        now: Duration,
        input: &mut BytesMut,
    ) -> Result<Option<Event>, Error> {
        self.advance_to(now);
        let half = self.limits.max_queued_output.wrapping_div(2);
        if self.wants_room
            && self.output.len() <= half
            && matches!(self.state, State::Open | State::PeerClosed)
        {
            self.wants_room = false;
            return Ok(Some(Event::Writable));
        }
        if self.state != State::Open || self.closing {
            input.clear();
            return Ok(None);
        }
        if self.timed_out {
            return Err(self.fail(Error::IdleTimeout));
        }
        loop {
            if self.is_stalled() {
                if !core::mem::replace(&mut self.stalled, true) {
                    self.stats.stalls = self.stats.stalls.saturating_add(1);
                }
                return Ok(None);
            }
            self.stalled = false;
            let message = match tcp::decode(input) {
                Ok(Some(message)) => message,
                Ok(None) if !self.eof => return Ok(None),
                Ok(None) if input.is_empty() => {
                    self.state = State::PeerClosed;
                    return Ok(Some(Event::PeerClosed));
                }
                Ok(None) => {
                    let pending = input.len();
                    return Err(self.fail(Error::UnexpectedEof { pending }));
                }
                Err(tcp::FrameError { len }) => {
                    let len = u16::try_from(len).unwrap_or(u16::MAX);
                    return Err(self.fail(Error::ShortMessage { len }));
                }
            };
            self.restart_idle_timer();
            let octets = u64::try_from(message.len()).unwrap_or(u64::MAX);
            self.stats.octets_in = self
                .stats
                .octets_in
                .saturating_add(octets)
                .saturating_add(2);
            // Two servers that answered each other's answers would never stop.
            if Header::peek(&message).is_ok_and(|header| header.flags.is_response()) {
                self.stats.not_queries = self.stats.not_queries.saturating_add(1);
                continue;
            }
            let ask = self.next_ask;
            self.next_ask = ask.wrapping_add(1);
            self.open.insert(ask, self.now);
            self.stats.queries = self.stats.queries.saturating_add(1);
            return Ok(Some(Event::Query {
                ask: Ask(ask),
                message,
            }));
        }
    }

    /// Whether [`answer_part`](Self::answer_part) has room for a message now.
    #[must_use]
    pub fn can_send(&self) -> bool {
        self.output.len() < self.limits.max_queued_output
    }

    /// Sends one of several messages that answer a query: the question stays open for the next one,
    /// and its time begins anew. The last one goes by [`answer`](Self::answer), or
    /// [`discard`](Self::discard) ends it.
    ///
    /// # Errors
    ///
    /// [`UsageError::OutputFull`] when as much waits to leave as
    /// [`Limits::max_queued_output`] allows: [`Event::Writable`] follows when some has left.
    /// [`UsageError::StaleAsk`], [`UsageError::MessageLength`] and [`UsageError::Closed`] as with
    /// [`answer`](Self::answer), but the question stays open.
    pub fn answer_part(&mut self, ask: &Ask, message: Bytes) -> Result<(), UsageError> {
        let since = self.open.get_mut(&ask.0).ok_or(UsageError::StaleAsk)?;
        if self.output.len() >= self.limits.max_queued_output {
            self.wants_room = true;
            return Err(UsageError::OutputFull);
        }
        *since = self.now;
        let len = message.len();
        self.output
            .push(message)
            .map_err(|_| UsageError::MessageLength { len })
    }

    /// Answers a query. Answers leave in the order of these calls, not of the queries
    /// (RFC 7766 section 7).
    ///
    /// # Errors
    ///
    /// [`UsageError::StaleAsk`] when the question is not open any more;
    /// [`UsageError::MessageLength`] when `message` is none: the question is then dropped.
    pub fn answer(&mut self, ask: Ask, message: Bytes) -> Result<(), UsageError> {
        self.settle(ask)?;
        self.output
            .push(message)
            .map_err(|error| UsageError::MessageLength { len: error.len })?;
        self.stats.answers = self.stats.answers.saturating_add(1);
        Ok(())
    }

    /// Leaves a query without an answer.
    ///
    /// # Errors
    ///
    /// [`UsageError::StaleAsk`] when the question is not open any more.
    pub fn discard(&mut self, ask: Ask) -> Result<(), UsageError> {
        self.settle(ask)?;
        self.stats.dropped = self.stats.dropped.saturating_add(1);
        Ok(())
    }

    /// Answers a query as `authority` would have it.
    ///
    /// # Errors
    ///
    /// [`UsageError::StaleAsk`] when the question is not open any more.
    pub fn serve(
        &mut self,
        authority: &Authority,
        ask: Ask,
        message: &[u8],
    ) -> Result<(), UsageError> {
        match authority.reply(message, Transport::Tcp) {
            Some(reply) => self.answer(ask, reply),
            None => self.discard(ask),
        }
    }

    /// Takes no further query, and ends our side once all open questions are settled and their
    /// answers have left.
    pub fn close(&mut self) {
        self.closing = true;
    }

    /// The next step for the transport; `Data` holds at most `budget` octets.
    #[must_use]
    pub fn poll_transmit(&mut self, now: Duration, budget: usize) -> Option<Transmit> {
        self.advance_to(now);
        if !self.output.is_empty() {
            let data = self.output.take(budget)?;
            let octets = u64::try_from(data.len()).unwrap_or(u64::MAX);
            self.stats.octets_out = self.stats.octets_out.saturating_add(octets);
            if self.state != State::Failed {
                self.restart_idle_timer();
            }
            return Some(Transmit::Data(data));
        }
        if self.closing && self.open.is_empty() && !self.shutdown_sent {
            self.shutdown_sent = true;
            match self.state {
                State::Open | State::Failed if self.eof => self.end(),
                State::Open | State::Failed => {
                    self.deadline = Some(self.now.saturating_add(self.limits.linger));
                }
                State::PeerClosed | State::Disconnected => self.deadline = None,
            }
            return Some(Transmit::Shutdown);
        }
        None
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called; may change after any call.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        match (self.deadline, self.next_expiry()) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    /// Tells that time has passed. Calls before the deadline do nothing.
    pub fn handle_timeout(&mut self, now: Duration) {
        self.advance_to(now);
        while self.next_expiry().is_some_and(|expiry| expiry <= self.now) {
            self.open.pop_first();
            self.stats.expired = self.stats.expired.saturating_add(1);
        }
        if self.deadline.is_none_or(|deadline| self.now < deadline) {
            return;
        }
        // While questions are open and nothing waits for the peer, the embedder is at work.
        if !self.open.is_empty() && self.output.is_empty() && self.state != State::Failed {
            return self.restart_idle_timer();
        }
        self.deadline = None;
        match self.state {
            State::Open if !self.closing => self.timed_out = true,
            State::PeerClosed if !self.closing && self.output.is_empty() => self.closing = true,
            State::Open | State::Failed | State::PeerClosed => self.abandon(),
            State::Disconnected => {}
        }
    }

    /// The peer has closed its side; `input` may still hold messages.
    pub fn handle_eof(&mut self, now: Duration) {
        self.advance_to(now);
        self.eof = true;
        let over = self.state == State::Failed || self.state == State::Open && self.closing;
        if over && self.shutdown_sent {
            self.end();
        }
    }

    /// The transport is dead in both directions. Open questions become stale.
    pub fn handle_disconnect(&mut self, now: Duration) {
        self.advance_to(now);
        self.abandon();
    }

    /// False while nothing that may arrive could be handled: too many questions are open, too many
    /// answers wait, or the peer has ended.
    #[must_use]
    pub fn wants_read(&self) -> bool {
        match self.state {
            State::Open => !self.eof && (self.closing || !self.is_stalled()),
            State::Failed => !self.eof,
            State::PeerClosed | State::Disconnected => false,
        }
    }

    /// True when the connection can be dropped.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.shutdown_sent && matches!(self.state, State::PeerClosed | State::Disconnected)
    }

    /// The bounds that were set.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// What has happened so far.
    #[must_use]
    pub const fn stats(&self) -> Stats {
        self.stats
    }

    /// Time never runs backwards, whatever the caller says.
    fn advance_to(&mut self, now: Duration) {
        self.now = self.now.max(now);
    }

    fn restart_idle_timer(&mut self) {
        self.deadline = Some(self.now.saturating_add(self.limits.idle));
    }

    fn next_expiry(&self) -> Option<Duration> {
        let (_, since) = self.open.first_key_value()?;
        Some(since.saturating_add(self.limits.answer_deadline?))
    }

    fn is_stalled(&self) -> bool {
        self.open.len() >= self.limits.max_stream_questions
            || self.output.len() >= self.limits.max_queued_output
    }

    fn settle(&mut self, ask: Ask) -> Result<(), UsageError> {
        self.open.remove(&ask.0).ok_or(UsageError::StaleAsk)?;
        if matches!(self.state, State::Open | State::PeerClosed) && !self.shutdown_sent {
            self.restart_idle_timer();
        }
        Ok(())
    }

    fn fail(&mut self, error: Error) -> Error {
        self.state = State::Failed;
        self.closing = true;
        self.open.clear();
        self.deadline = Some(self.now.saturating_add(self.limits.linger));
        error
    }

    /// Both sides have ended.
    fn end(&mut self) {
        self.state = State::Disconnected;
        self.deadline = None;
    }

    fn abandon(&mut self) {
        self.end();
        self.open.clear();
        self.output.clear();
        self.closing = true;
        self.shutdown_sent = true;
    }
}
