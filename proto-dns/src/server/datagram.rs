//! The server's side of UDP.

use super::Authority;
use crate::Limits;
use crate::UsageError;
use crate::datagram::{Local, LocalId, Transmit};
use crate::event::Transport;
use crate::wire::{Header, MAX_MESSAGE};
use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::Arc;
use bytes::Bytes;
use core::net::SocketAddr;
use core::time::Duration;

/// A query waits for its answer. Hand it back to [`Datagram::answer`] or [`Datagram::discard`] once.
#[must_use = "an open question holds a place until it is answered or dropped"]
#[derive(Debug, PartialEq, Eq)]
pub struct Ask(u64);

/// What the machine has to say.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A message that is no response. Emitted once for each; nothing but the header was looked at.
    Query {
        /// The question that [`Datagram::answer`] or [`Datagram::discard`] settles.
        ask: Ask,
        /// The message.
        message: Bytes,
        /// Who asks, as far as a datagram can be believed.
        from: SocketAddr,
        /// The socket that was asked; the answer leaves by it.
        local: LocalId,
    },
}

/// Counters of one machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Queries that became questions.
    pub queries: u64,
    /// Answers that were queued.
    pub answers: u64,
    /// Queries that the embedder dropped.
    pub dropped: u64,
    /// Queries that were given up after [`Limits::answer_deadline`].
    pub expired: u64,
    /// Datagrams without a whole header, from port 0, or longer than [`Limits::max_query_len`].
    pub malformed: u64,
    /// Datagrams that are responses.
    pub not_queries: u64,
    /// Datagrams dropped because of [`Limits::max_datagram_questions`].
    pub overflows: u64,
    /// Octets that came.
    pub octets_in: u64,
    /// Octets handed to the transport.
    pub octets_out: u64,
}

#[derive(Debug)]
struct Open {
    local: LocalId,
    from: SocketAddr,
    since: Duration,
}

/// All sockets of a server over UDP. It has no fatal error, and no state of a client outlives its
/// question.
#[derive(Debug)]
pub struct Datagram {
    limits: Arc<Limits>,
    now: Duration,
    /// Ids and times both rise.
    open: BTreeMap<u64, Open>,
    /// Questions that were not handed out yet.
    events: VecDeque<(u64, Bytes)>,
    answers: VecDeque<Transmit>,
    next_ask: u64,
    stats: Stats,
}

impl Datagram {
    /// A server that begins at `now`. Limits may be shared: pass an `Arc`.
    #[must_use]
    pub fn new(now: Duration, limits: impl Into<Arc<Limits>>) -> Self {
        Self {
            limits: limits.into(),
            now,
            open: BTreeMap::new(),
            events: VecDeque::new(),
            answers: VecDeque::new(),
            next_ask: 0,
            stats: Stats::default(),
        }
    }

    /// Takes a datagram that came `from` a peer to the socket `local`. What cannot be a query is
    /// counted and dropped.
    pub fn handle_datagram(
        &mut self,
        now: Duration,
        local: LocalId,
        from: SocketAddr,
        data: &[u8],
    ) {
        self.advance_to(now);
        count_octets(&mut self.stats.octets_in, data.len());
        let Ok(header) = Header::peek(data) else {
            return count(&mut self.stats.malformed);
        };
        if from.port() == 0 || data.len() > self.limits.max_query_len {
            return count(&mut self.stats.malformed);
        }
        // Two servers that answered each other's answers would never stop.
        if header.flags.is_response() {
            return count(&mut self.stats.not_queries);
        }
        if self.open.len().saturating_add(self.answers.len()) >= self.limits.max_datagram_questions
        {
            return count(&mut self.stats.overflows);
        }
        let ask = self.next_ask;
        self.next_ask = ask.wrapping_add(1);
        let since = self.now;
        self.open.insert(ask, Open { local, from, since });
        self.events.push_back((ask, Bytes::copy_from_slice(data)));
        count(&mut self.stats.queries);
    }

    /// The next event, if there is one.
    #[must_use]
    pub fn poll_event(&mut self) -> Option<Event> {
        loop {
            let (ask, message) = self.events.pop_front()?;
            // It may have expired meanwhile.
            if let Some(open) = self.open.get(&ask) {
                return Some(Event::Query {
                    ask: Ask(ask),
                    message,
                    from: open.from,
                    local: open.local,
                });
            }
        }
    }

    /// Answers a query, by the socket that was asked.
    ///
    /// # Errors
    ///
    /// [`UsageError::StaleAsk`] when the question is not open any more;
    /// [`UsageError::MessageLength`] when `message` is none: the question is then dropped.
    pub fn answer(&mut self, ask: Ask, message: Bytes) -> Result<(), UsageError> {
        let open = self.open.remove(&ask.0).ok_or(UsageError::StaleAsk)?;
        if !(Header::LEN..=MAX_MESSAGE).contains(&message.len()) {
            return Err(UsageError::MessageLength { len: message.len() });
        }
        self.answers.push_back(Transmit::Datagram {
            local: Local::Id(open.local),
            to: open.from,
            payload: message,
        });
        count(&mut self.stats.answers);
        Ok(())
    }

    /// Leaves a query without an answer.
    ///
    /// # Errors
    ///
    /// [`UsageError::StaleAsk`] when the question is not open any more.
    pub fn discard(&mut self, ask: Ask) -> Result<(), UsageError> {
        self.open.remove(&ask.0).ok_or(UsageError::StaleAsk)?;
        count(&mut self.stats.dropped);
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
        match authority.reply(message, Transport::Udp) {
            Some(reply) => self.answer(ask, reply),
            None => self.discard(ask),
        }
    }

    /// The next step of output.
    #[must_use]
    pub fn poll_transmit(&mut self, now: Duration) -> Option<Transmit> {
        self.advance_to(now);
        let step = self.answers.pop_front()?;
        if let Transmit::Datagram { payload, .. } = &step {
            count_octets(&mut self.stats.octets_out, payload.len());
        }
        Some(step)
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called; may change after any call.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        let (_, oldest) = self.open.first_key_value()?;
        Some(oldest.since.saturating_add(self.limits.answer_deadline?))
    }

    /// Tells that time has passed. Calls before the deadline do nothing.
    pub fn handle_timeout(&mut self, now: Duration) {
        self.advance_to(now);
        while self.poll_timeout().is_some_and(|expiry| expiry <= self.now) {
            if let Some((expired, _)) = self.open.pop_first() {
                // If it was not even handed out, its message goes too.
                while self.events.front().is_some_and(|(ask, _)| *ask <= expired) {
                    self.events.pop_front();
                }
            }
            count(&mut self.stats.expired);
        }
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
}

const fn count(counter: &mut u64) {
    *counter = counter.saturating_add(1);
}

fn count_octets(counter: &mut u64, octets: usize) {
    *counter = counter.saturating_add(u64::try_from(octets).unwrap_or(u64::MAX));
}
