//! A stub resolver: asks the configured servers until one answers.
//!
//! ```text
//!            poll_transmit: fresh port, id, case
//!  query --> Queued -----------------------------> Udp --- reply -----------> Answer
//!              ^  |                                 |  \-- no server left --> Failed
//!              |  | poll_action, once TCP is due    |
//!              |  v                                 | timeout: next server, more patience
//!              | Tcp -- reply --> Answer            | SERVFAIL, REFUSED, NOTIMP: next server
//!              |  |                                 | FORMERR to EDNS: same server, without
//!              +--+---------------------------------+ TC, too many mismatches: same server, TCP
//!           closed, timeout: next server
//! ```
//!
//! What arrives at the port of an attempt and is not its reply changes nothing but a counter: a
//! query is neither ended nor hurried by a packet that anybody could have sent (TuDoor, 2024).

use super::attempt::{Attempt, Connection, Query, State, Verdict, is_refusal, judge, server_bit};
use super::cookie::{self, Cookies};
use super::query::{self, QueryOptions};
use crate::datagram::{Local, LocalId, Transmit};
use crate::event::{Failure, QueryId, Transport};
use crate::random::Random;
use crate::wire::{Header, MessageBuf, Name, Question, Rcode, Type};
use crate::{Config, Limits, SearchError, UsageError};
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;
use bytes::Bytes;
use core::net::SocketAddr;
use core::time::Duration;

/// What a stub has to say: one event for each query, and nothing else.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A server answered; NXDOMAIN and NODATA are answers.
    Answer {
        /// The query.
        id: QueryId,
        /// The reply. Its question has the case of the one that was asked.
        message: MessageBuf,
        /// Who answered.
        server: SocketAddr,
        /// How.
        over: Transport,
    },
    /// There is no answer.
    Failed {
        /// The query.
        id: QueryId,
        /// Why.
        reason: Failure,
        /// With [`Failure::Server`], what the last server said, if it said more than a header.
        reply: Option<MessageBuf>,
    },
}

/// The name of a connection that the stub wishes for. Each wish has a new one: what is told of an
/// old connection is harmless.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// What a stub wishes for beyond datagrams.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Connect; then tell [`Stub::handle_connected`] or [`Stub::handle_connect_failed`].
    Connect {
        /// The name of the connection from now on.
        id: ConnectionId,
        /// The server.
        to: SocketAddr,
    },
    /// Send a message, its length in front: [`client::Stream::send`](super::Stream::send) does.
    Send {
        /// A connection that was said to be connected. If it has ended since, do nothing: the stub
        /// learns of it, or has learnt of it, by [`Stub::handle_closed`].
        id: ConnectionId,
        /// The message.
        message: Bytes,
    },
    /// The connection is not needed any more, or given up: drop it. Nothing need be told.
    Close {
        /// The connection.
        id: ConnectionId,
    },
}

/// Counters of a stub.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Queries that were taken.
    pub queries: u64,
    /// Queries that were answered.
    pub answers: u64,
    /// Queries that failed, cancelled ones included.
    pub failures: u64,
    /// Queries sent over UDP.
    pub datagrams_out: u64,
    /// Queries sent over TCP.
    pub messages_out: u64,
    /// Attempts that ended without a reply.
    pub timeouts: u64,
    /// Datagrams that came to the port of an attempt and were not its reply: wrong address, id or
    /// question, malformed, too long. Attempts at spoofing count here.
    pub mismatches: u64,
    /// Replies that were right but for the case of the question.
    pub case_mismatches: u64,
    /// Datagrams to a port that no attempt waits at: late, or stray.
    pub unexpected: u64,
    /// Messages on a connection that answer no open query.
    pub unmatched: u64,
    /// Replies that said that they are truncated.
    pub truncated: u64,
    /// Attempts repeated without EDNS.
    pub edns_fallbacks: u64,
    /// Queries that went on over TCP because of too many mismatches.
    pub forced_tcp: u64,
}

/// A stub resolver: a datagram machine that also wishes for connections.
///
/// Each attempt leaves from a fresh port with a random id and, if wanted, letters of random case;
/// it is answered only from the address and to the port of that attempt, with that id and that
/// question, octet by octet (RFC 5452 section 9).
///
/// Drive it as a datagram machine; carry out [`poll_action`](Self::poll_action) and tell the facts.
/// Without connections, answer every `Connect` by [`handle_connect_failed`](Self::handle_connect_failed).
///
/// ```
/// use core::time::Duration;
/// use proto_dns::client::{QueryOptions, Stub, stub::Event};
/// use proto_dns::datagram::{Local, Transmit};
/// use proto_dns::wire::{Question, Type};
/// use proto_dns::{Config, Limits};
///
/// let server = "192.0.2.53:53".parse()?;
/// let mut stub = Stub::new(Duration::ZERO, Config::new([server]), Limits::default(), [7; 32]);
/// let id = stub.query(Question::new("www.ibm.com".parse()?, Type::A), QueryOptions::default())?;
///
/// let Some(Transmit::Datagram { local: Local::Fresh(port), to, payload }) = stub.poll_transmit(Duration::ZERO)
/// else { panic!("a query leaves from a fresh port") };
/// assert_eq!(to, server);
/// let mut reply = payload.to_vec();
/// reply[2] |= 0x80; // a server would do more than set QR
///
/// stub.handle_datagram(Duration::from_millis(20), port, server, &reply);
/// assert!(matches!(stub.poll_event(), Some(Event::Answer { id: answered, .. }) if answered == id));
/// assert_eq!(stub.poll_transmit(Duration::from_millis(20)), Some(Transmit::Release(port)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Stub {
    config: Arc<Config>,
    limits: Arc<Limits>,
    now: Duration,
    random: Random,
    queries: BTreeMap<QueryId, Query>,
    /// Queries whose next attempt waits for `poll_transmit`, or for `poll_action`.
    ready_udp: VecDeque<QueryId>,
    ready_tcp: VecDeque<QueryId>,
    /// Which query waits at which port.
    locals: BTreeMap<LocalId, QueryId>,
    releases: VecDeque<LocalId>,
    connections: BTreeMap<ConnectionId, Connection>,
    cookies: Option<Cookies>,
    actions: VecDeque<Action>,
    timers: BTreeSet<(Duration, Timer)>,
    events: VecDeque<Event>,
    next_query: u64,
    next_local: u64,
    next_connection: u64,
    stats: Stats,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    Query(QueryId),
    Connection(ConnectionId),
}

/// More servers than bits are never used.
const MAX_SERVERS: usize = 64;
/// Timers never expire at the moment they are set.
const LEAST_WAIT: Duration = Duration::from_millis(1);

impl Stub {
    /// A stub that begins at `now`. The seed must be unpredictable: ids and the case of letters come
    /// from it. Configuration and limits may be shared: pass an `Arc`.
    #[must_use]
    pub fn new(
        now: Duration,
        config: impl Into<Arc<Config>>,
        limits: impl Into<Arc<Limits>>,
        seed: [u8; 32],
    ) -> Self {
        let (config, mut random) = (config.into(), Random::new(seed));
        let cookies = config.cookies.then(|| Cookies::new(&mut random));
        Self {
            config,
            limits: limits.into(),
            now,
            random,
            cookies,
            queries: BTreeMap::new(),
            ready_udp: VecDeque::new(),
            ready_tcp: VecDeque::new(),
            locals: BTreeMap::new(),
            releases: VecDeque::new(),
            connections: BTreeMap::new(),
            actions: VecDeque::new(),
            timers: BTreeSet::new(),
            events: VecDeque::new(),
            next_query: 0,
            next_local: 1,
            next_connection: 0,
            stats: Stats::default(),
        }
    }

    /// Asks. Exactly one event will bear the id.
    ///
    /// Timers start when the first datagram leaves.
    ///
    /// # Errors
    ///
    /// [`UsageError::NoServers`], [`UsageError::TooManyQueries`].
    pub fn query(
        &mut self,
        question: Question,
        options: QueryOptions,
    ) -> Result<QueryId, UsageError> {
        let servers = servers(&self.config).len();
        if servers == 0 {
            return Err(UsageError::NoServers);
        }
        if self.queries.len().saturating_add(self.events.len()) >= self.limits.max_queries {
            return Err(UsageError::TooManyQueries);
        }
        let id = QueryId(self.next_query);
        self.next_query = self.next_query.wrapping_add(1);
        let first = if self.config.rotate {
            self.random.below(servers)
        } else {
            0
        };
        let query = Query {
            question,
            options,
            first,
            attempt: 0,
            refused: 0,
            plain: 0,
            tcp: options.tcp,
            more: Vec::new(),
            bad_cookies: 0,
            mismatches: 0,
            case_mismatches: 0,
            deadline: None,
            state: State::Queued,
            failure: Failure::Timeout,
            reply: None,
        };
        self.queries.insert(id, query);
        count(&mut self.stats.queries);
        self.requeue(id);
        Ok(id)
    }

    /// Asks for a name as people write it: one with a dot at its end is complete, and any other is
    /// looked for in [`Config::search`] too, before or after the name itself as
    /// [`Config::ndots`] says. The first name that has records of the type is the answer; when none
    /// has, the reply for the last one is.
    ///
    /// # Errors
    ///
    /// [`SearchError`].
    pub fn search(
        &mut self,
        text: &str,
        qtype: Type,
        options: QueryOptions,
    ) -> Result<QueryId, SearchError> {
        let name: Name = text.parse()?;
        let complete = text.ends_with('.') && !text.ends_with("\\.");
        let mut names = Vec::new();
        if !complete {
            let joined = |suffix: &Name| Name::from_labels(name.labels().chain(suffix.labels()));
            // A name that gets too long does not exist.
            names.extend(
                self.config
                    .search
                    .iter()
                    .filter_map(|suffix| joined(suffix).ok()),
            );
        }
        let dots = name.labels().count().saturating_sub(1);
        if complete || dots < self.config.ndots {
            names.push(name);
        } else {
            names.insert(0, name);
        }
        names.reverse();
        let first = names.pop().unwrap_or_default();
        let id = self.query(Question::new(first, qtype), options)?;
        if let Some(query) = self.queries.get_mut(&id) {
            query.more = names;
        }
        Ok(id)
    }

    /// Ends a query with [`Failure::Cancelled`]; nothing happens if it has ended already.
    pub fn cancel(&mut self, id: QueryId) {
        if self.queries.contains_key(&id) {
            self.ready_udp.retain(|ready| *ready != id);
            self.ready_tcp.retain(|ready| *ready != id);
            self.fail(id, Failure::Cancelled);
        }
    }

    /// Takes a datagram that came `from` somebody to the socket `local`.
    pub fn handle_datagram(
        &mut self,
        now: Duration,
        local: LocalId,
        from: SocketAddr,
        data: &[u8],
    ) {
        self.advance_to(now);
        let found = self
            .locals
            .get(&local)
            .and_then(|id| Some((*id, self.queries.get_mut(id)?)));
        let Some((id, query)) = found else {
            return count(&mut self.stats.unexpected);
        };
        let State::Udp { attempt, .. } = &query.state else {
            return count(&mut self.stats.unexpected);
        };
        let Some(&server) = servers(&self.config).get(attempt.server) else {
            return;
        };
        let most = match attempt.edns {
            true => usize::from(self.config.udp_payload).max(512),
            false => self.limits.max_reply_len,
        };
        let verdict = if from == server && data.len() <= most {
            judge(attempt, data)
        } else {
            Verdict::Mismatch
        };
        match verdict {
            Verdict::Mismatch => {
                count(&mut self.stats.mismatches);
                query.mismatches = query.mismatches.saturating_add(1);
                if query.mismatches > self.limits.max_mismatches {
                    self.force_tcp(id);
                }
            }
            Verdict::CaseMismatch => {
                count(&mut self.stats.case_mismatches);
                query.case_mismatches = query.case_mismatches.saturating_add(1);
                if query.case_mismatches > self.limits.max_case_mismatches {
                    self.force_tcp(id);
                }
            }
            Verdict::Truncated => {
                count(&mut self.stats.truncated);
                query.tcp = true;
                self.retry(id);
            }
            Verdict::Terse(rcode) => self.refused(id, rcode, None),
            Verdict::Reply(message) => {
                if let Some(cookies) = &mut self.cookies
                    && attempt.edns
                {
                    if cookies.judge(attempt.server, server, &message) == cookie::Verdict::Wrong {
                        count(&mut self.stats.mismatches);
                        query.mismatches = query.mismatches.saturating_add(1);
                        if query.mismatches > self.limits.max_mismatches {
                            self.force_tcp(id);
                        }
                        return;
                    }
                    if message.rcode() == Rcode::BADCOOKIE {
                        // RFC 7873 section 5.3: once more with the cookie that came, then by TCP.
                        query.bad_cookies = query.bad_cookies.saturating_add(1);
                        query.tcp = query.bad_cookies > 1;
                        return self.retry(id);
                    }
                }
                let own = query.question.name.as_wire();
                let mut octets = data.to_vec();
                // The question was found equal to ours but for the case that we chose at random.
                if let Some(name) = octets
                    .get_mut(Header::LEN..)
                    .and_then(|rest| rest.get_mut(..own.len()))
                {
                    name.copy_from_slice(own);
                }
                let message = message.with_octets(octets.into());
                self.conclude(id, message, server, Transport::Udp);
            }
        }
    }

    /// The next event, if there is one.
    #[must_use]
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// The next step of output: this is where attempts over UDP begin.
    #[must_use]
    pub fn poll_transmit(&mut self, now: Duration) -> Option<Transmit> {
        self.advance_to(now);
        if let Some(local) = self.releases.pop_front() {
            return Some(Transmit::Release(local));
        }
        while let Some(id) = self.ready_udp.pop_front() {
            if let Some(datagram) = self.start_udp(id) {
                return Some(datagram);
            }
        }
        None
    }

    /// The next wish: this is where attempts over TCP begin.
    #[must_use]
    pub fn poll_action(&mut self, now: Duration) -> Option<Action> {
        self.advance_to(now);
        while self.actions.is_empty() {
            let id = self.ready_tcp.pop_front()?;
            self.start_tcp(id);
        }
        self.actions.pop_front()
    }

    /// The connection stands.
    pub fn handle_connected(&mut self, now: Duration, id: ConnectionId) {
        self.advance_to(now);
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        if core::mem::replace(&mut connection.open, true) {
            return;
        }
        for (_, query) in &connection.queries {
            if let Some(Query {
                state: State::Tcp { attempt, .. },
                ..
            }) = self.queries.get(query)
            {
                count(&mut self.stats.messages_out);
                let message = attempt.sent.clone();
                self.actions.push_back(Action::Send { id, message });
            }
        }
    }

    /// The connection could not be made.
    pub fn handle_connect_failed(&mut self, now: Duration, id: ConnectionId) {
        self.handle_closed(now, id);
    }

    /// A message came on a connection, its length taken off.
    pub fn handle_message(&mut self, now: Duration, id: ConnectionId, message: &[u8]) {
        self.advance_to(now);
        let Some(connection) = self.connections.get_mut(&id).filter(|known| known.open) else {
            return count(&mut self.stats.unmatched);
        };
        connection.heard = Some(self.now);
        let server = connection.to;
        let query = Header::peek(message).ok().and_then(|header| {
            let mut known = connection.queries.iter();
            known.find(|(dns_id, _)| *dns_id == header.id)
        });
        let Some(&(_, query)) = query else {
            return count(&mut self.stats.unmatched);
        };
        let Some(question) = self.queries.get(&query).map(|query| &query.question) else {
            return;
        };
        match MessageBuf::parse(Bytes::copy_from_slice(message)) {
            Ok(reply) if query::answers(&reply.view(), question.view()) => {
                self.conclude(query, reply, server, Transport::Tcp);
            }
            Ok(reply) => {
                let header = *reply.view().header();
                let rcode = header.flags.low_rcode();
                let refusal = header.flags.is_response() && is_refusal(rcode);
                if refusal && header.counts == [0; 4] {
                    self.refused(query, rcode, None);
                } else {
                    count(&mut self.stats.unmatched);
                }
            }
            Err(_) => self.next(query, Failure::Malformed),
        }
    }

    /// The connection has ended, by whatever cause.
    pub fn handle_closed(&mut self, now: Duration, id: ConnectionId) {
        self.advance_to(now);
        self.lose(id, Failure::Disconnected);
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called; may change after any call.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// Tells that time has passed. Calls before the deadline do nothing.
    pub fn handle_timeout(&mut self, now: Duration) {
        self.advance_to(now);
        while let Some(&(at, timer)) = self.timers.first()
            && at <= self.now
        {
            self.timers.pop_first();
            match timer {
                Timer::Query(id) => self.expire(id),
                Timer::Connection(id) => {
                    self.connections.remove(&id);
                    self.actions.push_back(Action::Close { id });
                }
            }
        }
    }

    /// How it behaves.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
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

    /// Puts a query whose attempt was left into the queue for the next one, or ends it when there is
    /// no server left to ask.
    fn requeue(&mut self, id: QueryId) {
        let Some(query) = self.queries.get_mut(&id) else {
            return;
        };
        let rounds = self.config.attempts.max(1);
        let servers = servers(&self.config).len();
        if query.pick(servers, rounds).is_none() {
            let failure = query.failure;
            return self.fail(id, failure);
        }
        if query.tcp {
            self.ready_tcp.push_back(id);
        } else {
            self.ready_udp.push_back(id);
        }
    }

    /// The same server again, otherwise.
    fn retry(&mut self, id: QueryId) {
        self.leave(id);
        self.requeue(id);
    }

    /// The next server.
    fn next(&mut self, id: QueryId, failure: Failure) {
        self.leave(id);
        if let Some(query) = self.queries.get_mut(&id) {
            query.attempt = query.attempt.saturating_add(1);
            // What a server said tells more than that another one was silent.
            if !matches!(query.failure, Failure::Server(_)) {
                query.failure = failure;
            }
        }
        self.requeue(id);
    }

    fn force_tcp(&mut self, id: QueryId) {
        count(&mut self.stats.forced_tcp);
        if let Some(query) = self.queries.get_mut(&id) {
            query.tcp = true;
        }
        self.retry(id);
    }

    fn expire(&mut self, id: QueryId) {
        count(&mut self.stats.timeouts);
        let is_over = self
            .queries
            .get(&id)
            .and_then(|query| query.deadline)
            .is_some_and(|deadline| deadline <= self.now);
        if let Some(connection) = self.silent_connection(id) {
            // Nothing came since the query was sent: whoever is at the other end is gone.
            self.actions.push_back(Action::Close { id: connection });
            self.lose_others(connection, id);
        }
        if is_over {
            let failure = self.queries.get(&id).map(|query| query.failure);
            self.fail(id, failure.unwrap_or(Failure::Timeout));
        } else {
            self.next(id, Failure::Timeout);
        }
    }

    fn silent_connection(&self, id: QueryId) -> Option<ConnectionId> {
        let State::Tcp {
            attempt,
            connection,
        } = &self.queries.get(&id)?.state
        else {
            return None;
        };
        let heard = self.connections.get(connection)?.heard;
        heard
            .is_none_or(|heard| heard < attempt.since)
            .then_some(*connection)
    }

    /// Forgets a connection; its queries go on elsewhere.
    fn lose(&mut self, id: ConnectionId, failure: Failure) {
        let Some(connection) = self.connections.remove(&id) else {
            return;
        };
        if let Some(until) = connection.idle_until {
            self.timers.remove(&(until, Timer::Connection(id)));
        }
        for (_, query) in connection.queries {
            self.next(query, failure);
        }
    }

    fn lose_others(&mut self, id: ConnectionId, query: QueryId) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.queries.retain(|(_, known)| *known != query);
        }
        self.lose(id, Failure::Disconnected);
    }

    /// A reply that was found to answer the query.
    fn conclude(&mut self, id: QueryId, message: MessageBuf, server: SocketAddr, over: Transport) {
        let rcode = message.view().rcode();
        if is_refusal(rcode) {
            return self.refused(id, rcode, Some(message));
        }
        self.leave(id);
        let empty = rcode == Rcode::NXDOMAIN || message.view().answers().next().is_none();
        if let Some(query) = self.queries.get_mut(&id)
            && empty
            && let Some(name) = query.more.pop()
        {
            query.question.name = name;
            (query.attempt, query.deadline, query.tcp) = (0, None, query.options.tcp);
            return self.requeue(id);
        }
        self.queries.remove(&id);
        count(&mut self.stats.answers);
        self.events.push_back(Event::Answer {
            id,
            message,
            server,
            over,
        });
    }

    /// A server that does not answer the query: perhaps it does without EDNS, perhaps another will.
    fn refused(&mut self, id: QueryId, rcode: Rcode, reply: Option<MessageBuf>) {
        let Some(query) = self.queries.get_mut(&id) else {
            return;
        };
        let (State::Udp { attempt, .. } | State::Tcp { attempt, .. }) = &query.state else {
            return;
        };
        let bit = server_bit(attempt.server);
        let has_opt = reply
            .as_ref()
            .is_some_and(|reply| reply.view().edns().is_some());
        // RFC 6891 section 7: a server that knows no EDNS answers FORMERR or NOTIMP, without OPT.
        if attempt.edns && !has_opt && matches!(rcode, Rcode::FORMERR | Rcode::NOTIMP) {
            query.plain |= bit;
            count(&mut self.stats.edns_fallbacks);
            return self.retry(id);
        }
        query.refused |= bit;
        query.failure = Failure::Server(rcode);
        query.reply = reply;
        self.next(id, Failure::Server(rcode));
    }

    fn fail(&mut self, id: QueryId, reason: Failure) {
        self.leave(id);
        if let Some(query) = self.queries.remove(&id) {
            count(&mut self.stats.failures);
            let reply = query.reply.filter(|_| matches!(reason, Failure::Server(_)));
            self.events.push_back(Event::Failed { id, reason, reply });
        }
    }

    /// Ends the running attempt of a query, if there is one.
    fn leave(&mut self, id: QueryId) {
        let Some(query) = self.queries.get_mut(&id) else {
            return;
        };
        match core::mem::replace(&mut query.state, State::Queued) {
            State::Queued => {}
            State::Udp { attempt, local } => {
                self.timers.remove(&(attempt.expires, Timer::Query(id)));
                self.locals.remove(&local);
                self.releases.push_back(local);
            }
            State::Tcp {
                attempt,
                connection,
            } => {
                self.timers.remove(&(attempt.expires, Timer::Query(id)));
                self.leave_connection(connection, id);
            }
        }
    }

    fn leave_connection(&mut self, id: ConnectionId, query: QueryId) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        connection.queries.retain(|(_, known)| *known != query);
        if !connection.queries.is_empty() {
            return;
        }
        if connection.open {
            let wait = self.config.tcp_idle.max(LEAST_WAIT);
            let until = self.now.saturating_add(wait);
            connection.idle_until = Some(until);
            self.timers.insert((until, Timer::Connection(id)));
        } else {
            self.connections.remove(&id);
            self.actions.push_back(Action::Close { id });
        }
    }

    /// What both kinds of attempt begin with: a server, and until when to wait for it.
    fn begin(&mut self, id: QueryId, patience: Duration) -> Option<(usize, Duration)> {
        let query = self.queries.get_mut(&id)?;
        let servers = servers(&self.config).len();
        let picked = query.pick(servers, self.config.attempts.max(1));
        let deadline = *query.deadline.get_or_insert(
            self.now
                .saturating_add(self.config.deadline.max(LEAST_WAIT)),
        );
        let failure = query.failure;
        let Some((server, round)) = picked.filter(|_| self.now < deadline) else {
            self.fail(id, failure);
            return None;
        };
        let patience = patience.saturating_mul(1u32.checked_shl(round).unwrap_or(u32::MAX));
        let expires = self.now.saturating_add(patience.max(LEAST_WAIT));
        Some((server, expires.min(deadline)))
    }

    fn start_udp(&mut self, id: QueryId) -> Option<Transmit> {
        let (server, expires) = self.begin(id, self.config.timeout)?;
        let query = self.queries.get_mut(&id)?;
        let to = *servers(&self.config).get(server)?;
        let edns = query.options.edns && query.plain & server_bit(server) == 0;
        let dns_id = self.random.id();
        let mix = self.config.mix_case.then_some(&mut self.random);
        let wire = edns_options(&self.config, self.cookies.as_ref(), server, to);
        let edns_with = edns.then_some((self.config.udp_payload, wire.as_slice()));
        let sent = query::encode(&query.question, query.options, dns_id, edns_with, mix);
        let local = LocalId(self.next_local);
        self.next_local = self.next_local.wrapping_add(1);
        query.state = State::Udp {
            attempt: Attempt {
                server,
                sent: sent.clone(),
                asked: query::question_end(&query.question),
                edns,
                since: self.now,
                expires,
            },
            local,
        };
        self.locals.insert(local, id);
        self.timers.insert((expires, Timer::Query(id)));
        count(&mut self.stats.datagrams_out);
        Some(Transmit::Datagram {
            local: Local::Fresh(local),
            to,
            payload: sent,
        })
    }

    fn start_tcp(&mut self, id: QueryId) {
        let patience = self.config.tcp_timeout;
        let Some((server, expires)) = self.begin(id, patience) else {
            return;
        };
        let Some(&to) = servers(&self.config).get(server) else {
            return;
        };
        let connection = self.connection_to(to);
        let (Some(query), Some(known)) = (
            self.queries.get_mut(&id),
            self.connections.get_mut(&connection),
        ) else {
            return;
        };
        let edns = query.options.edns && query.plain & server_bit(server) == 0;
        // Fewer queries are open than there are ids, or the server gets one twice and answers both.
        let mut dns_id = self.random.id();
        let mut tries = 0u32;
        while known.queries.iter().any(|(used, _)| *used == dns_id) && tries < 0x1_0000 {
            dns_id = dns_id.wrapping_add(1);
            tries = tries.wrapping_add(1);
        }
        let wire = edns_options(&self.config, self.cookies.as_ref(), server, to);
        let edns_with = edns.then_some((self.config.udp_payload, wire.as_slice()));
        let sent = query::encode(&query.question, query.options, dns_id, edns_with, None);
        known.queries.push((dns_id, id));
        if let Some(until) = known.idle_until.take() {
            self.timers.remove(&(until, Timer::Connection(connection)));
        }
        if known.open {
            count(&mut self.stats.messages_out);
            self.actions.push_back(Action::Send {
                id: connection,
                message: sent.clone(),
            });
        }
        query.state = State::Tcp {
            attempt: Attempt {
                server,
                sent,
                asked: query::question_end(&query.question),
                edns,
                since: self.now,
                expires,
            },
            connection,
        };
        self.timers.insert((expires, Timer::Query(id)));
    }

    /// The connection to a server.
    fn connection_to(&mut self, to: SocketAddr) -> ConnectionId {
        let known = self.connections.iter().find(|(_, known)| known.to == to);
        if let Some((id, _)) = known {
            return *id;
        }
        let id = ConnectionId(self.next_connection);
        self.next_connection = self.next_connection.wrapping_add(1);
        self.connections.insert(
            id,
            Connection {
                to,
                open: false,
                queries: Vec::new(),
                heard: None,
                idle_until: None,
            },
        );
        self.actions.push_back(Action::Connect { id, to });
        id
    }
}

/// The options of a query to a server.
fn edns_options(
    config: &Config,
    cookies: Option<&Cookies>,
    server: usize,
    to: SocketAddr,
) -> Vec<u8> {
    let mut wire = config.edns_options.clone();
    if let Some(cookies) = cookies {
        cookies.option(server, to, &mut wire);
    }
    wire
}

const fn count(counter: &mut u64) {
    *counter = counter.saturating_add(1);
}

/// The servers that are used.
fn servers(config: &Config) -> &[SocketAddr] {
    let servers = config.servers.as_slice();
    servers.get(..MAX_SERVERS).unwrap_or(servers)
}
