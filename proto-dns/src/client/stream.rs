//! The client's side of one connection (RFC 7766).
//!
//! ```text
//!          query / answers in any order
//!             +--------+
//!             |        v        EOF at a boundary
//!             +------ Open ------------------------> PeerClosed
//!                     |  |                              |
//!    EOF inside a     |  | close(), idle without        | output gone, Shutdown
//!    message, bad     |  v open queries                 v
//!    length           | Closing -- queries ended, output gone, Shutdown, EOF or linger --> Closed
//!                     v                                                                      ^
//!                   Failed -- output gone, Shutdown, EOF or linger --------------------------+
//! ```

use super::query::{self, QueryOptions};
use crate::event::{Failure, QueryId};
use crate::outbox::Outbox;
use crate::random::Random;
use crate::stream::Transmit;
use crate::wire::{Header, MessageBuf, Question, tcp};
use crate::{Error, Limits, UsageError};
use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::Arc;
use bytes::{Bytes, BytesMut};
use core::time::Duration;

/// What a connection has to say.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The answer to a query of [`Stream::query`]. Emitted once for each, unless it failed.
    Answer {
        /// The query.
        id: QueryId,
        /// The reply.
        message: MessageBuf,
    },
    /// A query of [`Stream::query`] has no answer. Emitted once for each, unless it was answered.
    Failed {
        /// The query.
        id: QueryId,
        /// Why.
        reason: Failure,
    },
    /// A message that answers no query of [`Stream::query`]; only after [`Stream::send`] was used.
    Message(Bytes),
    /// The peer will send nothing more. Emitted once, after the final events of all queries.
    PeerClosed,
}

/// Counters of one connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Queries that were taken.
    pub queries: u64,
    /// Queries that were answered.
    pub answers: u64,
    /// Queries that failed.
    pub failures: u64,
    /// Messages that answered no query and were dropped.
    pub unmatched: u64,
    /// Octets of messages that came, lengths included.
    pub octets_in: u64,
    /// Octets handed to the transport.
    pub octets_out: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    Failed,
    PeerClosed,
    Disconnected,
}

#[derive(Debug)]
struct Query {
    dns_id: u16,
    question: Question,
    /// Known once the query had a chance to leave.
    expires: Option<Duration>,
}

/// One connection to a server.
///
/// Use [`query`](Self::query), and answers come matched to their queries in whatever order they
/// arrive; or [`send`](Self::send), and messages come as they are, which is what a
/// [`Stub`](super::Stub) wants.
#[derive(Debug)]
pub struct Stream {
    limits: Arc<Limits>,
    random: Random,
    state: State,
    queries: BTreeMap<QueryId, Query>,
    /// Ids in messages, of open queries.
    ids: BTreeMap<u16, QueryId>,
    next_query: u64,
    /// Queries from here on had no chance to leave yet.
    next_unsent: u64,
    events: VecDeque<Event>,
    /// Comes after `events`.
    error: Option<Error>,
    output: Outbox,
    now: Duration,
    /// When the connection has idled, or lingered, for long enough.
    deadline: Option<Duration>,
    raw: bool,
    eof: bool,
    closing: bool,
    shutdown_sent: bool,
    stats: Stats,
}

impl Stream {
    /// A connection that was made at `now`. The seed is for the ids of queries.
    /// Limits may be shared: pass an `Arc`.
    #[must_use]
    pub fn new(now: Duration, limits: impl Into<Arc<Limits>>, seed: [u8; 32]) -> Self {
        let limits = limits.into();
        Self {
            random: Random::new(seed),
            state: State::Open,
            queries: BTreeMap::new(),
            ids: BTreeMap::new(),
            next_query: 0,
            next_unsent: 0,
            events: VecDeque::new(),
            error: None,
            output: Outbox::default(),
            now,
            deadline: Some(now.saturating_add(limits.idle)),
            raw: false,
            eof: false,
            closing: false,
            shutdown_sent: false,
            stats: Stats::default(),
            limits,
        }
    }

    /// Asks. Exactly one event will bear the id.
    ///
    /// # Errors
    ///
    /// [`UsageError::Closed`], [`UsageError::TooManyQueries`], [`UsageError::OutputFull`].
    pub fn query(
        &mut self,
        question: Question,
        options: QueryOptions,
    ) -> Result<QueryId, UsageError> {
        self.check_room()?;
        let open = self.queries.len();
        // Ids are sixteen bits.
        let most = self.limits.max_queries.min(0x1_0000);
        if open.saturating_add(self.events.len()) >= most {
            return Err(UsageError::TooManyQueries);
        }
        let mut dns_id = self.random.id();
        while self.ids.contains_key(&dns_id) {
            dns_id = dns_id.wrapping_add(1);
        }
        let edns = options.edns.then_some((1232, &[][..]));
        let message = query::encode(&question, options, dns_id, edns, None);
        self.queue(message)?;
        let id = QueryId(self.next_query);
        self.next_query = self.next_query.wrapping_add(1);
        self.ids.insert(dns_id, id);
        self.queries.insert(
            id,
            Query {
                dns_id,
                question,
                expires: None,
            },
        );
        self.stats.queries = self.stats.queries.saturating_add(1);
        Ok(id)
    }

    /// Ends a query with [`Failure::Cancelled`]; nothing happens if it has ended already. An answer
    /// that still comes is dropped.
    pub fn cancel(&mut self, id: QueryId) {
        self.fail_query(id, Failure::Cancelled);
    }

    /// Queues a message as it is, its length to be put in front. From now on messages that answer no
    /// query come as [`Event::Message`].
    ///
    /// # Errors
    ///
    /// [`UsageError::Closed`], [`UsageError::OutputFull`], [`UsageError::MessageLength`].
    pub fn send(&mut self, message: Bytes) -> Result<(), UsageError> {
        self.check_room()?;
        self.queue(message)?;
        self.raw = true;
        Ok(())
    }

    /// Takes what it can from the front of `input` and returns the next event, if there is one.
    ///
    /// `input` is the embedder's read buffer; between calls it may only grow at its end.
    ///
    /// # Errors
    ///
    /// [`Error`] once, after every event that came before it, the final ones of all queries
    /// included. Then the machine is fused: it only discards input.
    pub fn poll_event(
        &mut self,
        now: Duration,
        input: &mut BytesMut,
    ) -> Result<Option<Event>, Error> {
        self.advance_to(now);
        loop {
            if let Some(event) = self.events.pop_front() {
                return Ok(Some(event));
            }
            if let Some(error) = self.error.take() {
                return Err(error);
            }
            if self.state != State::Open {
                input.clear();
                return Ok(None);
            }
            match tcp::decode(input) {
                Ok(Some(message)) => self.take_message(message),
                Ok(None) if !self.eof => return Ok(None),
                Ok(None) if input.is_empty() => {
                    self.end_reading(State::PeerClosed);
                    self.events.push_back(Event::PeerClosed);
                }
                Ok(None) => self.fail(Error::UnexpectedEof {
                    pending: input.len(),
                }),
                Err(tcp::FrameError { len }) => self.fail(Error::ShortMessage {
                    len: u16::try_from(len).unwrap_or(u16::MAX),
                }),
            }
        }
    }

    /// Takes no further query, and ends our side once all open ones have ended and all output has
    /// left.
    pub fn close(&mut self) {
        self.closing = true;
    }

    /// The next step for the transport; `Data` holds at most `budget` octets.
    #[must_use]
    pub fn poll_transmit(&mut self, now: Duration, budget: usize) -> Option<Transmit> {
        self.advance_to(now);
        let expires = self.now.saturating_add(self.limits.reply_deadline);
        for (_, query) in self.queries.range_mut(QueryId(self.next_unsent)..) {
            query.expires = Some(expires);
        }
        self.next_unsent = self.next_query;
        if !self.output.is_empty() {
            let data = self.output.take(budget)?;
            let octets = u64::try_from(data.len()).unwrap_or(u64::MAX);
            self.stats.octets_out = self.stats.octets_out.saturating_add(octets);
            if self.state == State::Open {
                self.restart_idle_timer();
            }
            return Some(Transmit::Data(data));
        }
        if self.closing && self.queries.is_empty() && !self.shutdown_sent {
            self.shutdown_sent = true;
            self.deadline = match self.state {
                State::Open | State::Failed => Some(self.now.saturating_add(self.limits.linger)),
                State::PeerClosed | State::Disconnected => None,
            };
            if self.state == State::Failed && self.eof {
                self.disconnect();
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
        while self.next_expiry().is_some_and(|expiry| expiry <= self.now)
            && let Some((&id, _)) = self.queries.first_key_value()
        {
            self.fail_query(id, Failure::Timeout);
        }
        if self.deadline.is_none_or(|deadline| self.now < deadline) {
            return;
        }
        if self.state == State::Open && !self.queries.is_empty() {
            return self.restart_idle_timer();
        }
        self.deadline = None;
        if self.state == State::Open && !self.closing {
            self.closing = true;
            self.deadline = Some(self.now.saturating_add(self.limits.linger));
        } else {
            self.disconnect();
        }
    }

    /// The peer has closed its side; `input` may still hold messages.
    pub fn handle_eof(&mut self, now: Duration) {
        self.advance_to(now);
        self.eof = true;
        if self.state == State::Failed && self.shutdown_sent {
            self.disconnect();
        }
    }

    /// The transport is dead in both directions. Open queries fail.
    pub fn handle_disconnect(&mut self, now: Duration) {
        self.advance_to(now);
        self.disconnect();
    }

    /// False when nothing will be read any more.
    #[must_use]
    pub const fn wants_read(&self) -> bool {
        matches!(self.state, State::Open | State::Failed) && !self.eof
    }

    /// True when the connection can be dropped: it is over, and every event was handed out.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.shutdown_sent
            && matches!(self.state, State::PeerClosed | State::Disconnected)
            && self.events.is_empty()
            && self.error.is_none()
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
        if !self.shutdown_sent {
            self.deadline = Some(self.now.saturating_add(self.limits.idle));
        }
    }

    /// All queries wait equally long, so the oldest expires first.
    fn next_expiry(&self) -> Option<Duration> {
        let (_, oldest) = self.queries.first_key_value()?;
        oldest.expires
    }

    fn check_room(&self) -> Result<(), UsageError> {
        if self.closing || self.eof || self.state != State::Open {
            return Err(UsageError::Closed);
        }
        if self.output.len() >= self.limits.max_queued_output {
            return Err(UsageError::OutputFull);
        }
        Ok(())
    }

    fn queue(&mut self, message: Bytes) -> Result<(), UsageError> {
        self.output
            .push(message)
            .map_err(|error| UsageError::MessageLength { len: error.len })
    }

    fn take_message(&mut self, octets: Bytes) {
        self.restart_idle_timer();
        let len = u64::try_from(octets.len()).unwrap_or(u64::MAX);
        self.stats.octets_in = self.stats.octets_in.saturating_add(len).saturating_add(2);
        let found = Header::peek(&octets)
            .ok()
            .and_then(|header| self.ids.get(&header.id).copied())
            .and_then(|id| Some((id, self.queries.get(&id)?)));
        if let Some((id, query)) = found {
            match MessageBuf::parse(octets.clone()) {
                Ok(message) if query::answers(&message.view(), query.question.view()) => {
                    self.ids.remove(&query.dns_id);
                    self.queries.remove(&id);
                    self.stats.answers = self.stats.answers.saturating_add(1);
                    return self.events.push_back(Event::Answer { id, message });
                }
                Ok(_) => {}
                Err(_) => return self.fail_query(id, Failure::Malformed),
            }
        }
        if self.raw {
            self.events.push_back(Event::Message(octets));
        } else {
            self.stats.unmatched = self.stats.unmatched.saturating_add(1);
        }
    }

    fn fail_query(&mut self, id: QueryId, reason: Failure) {
        if let Some(query) = self.queries.remove(&id) {
            self.ids.remove(&query.dns_id);
            self.stats.failures = self.stats.failures.saturating_add(1);
            self.events.push_back(Event::Failed { id, reason });
        }
    }

    fn end_reading(&mut self, state: State) {
        while let Some((&id, _)) = self.queries.first_key_value() {
            self.fail_query(id, Failure::Disconnected);
        }
        self.state = state;
    }

    fn fail(&mut self, error: Error) {
        self.end_reading(State::Failed);
        self.error = Some(error);
        self.closing = true;
        self.deadline = Some(self.now.saturating_add(self.limits.linger));
    }

    fn disconnect(&mut self) {
        self.end_reading(State::Disconnected);
        self.deadline = None;
        self.output.clear();
        self.closing = true;
        self.shutdown_sent = true;
    }
}
