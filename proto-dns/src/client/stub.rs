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

mod connections;
mod course;
mod datagrams;

use super::attempt::{Connection, Query, State};
use super::cookie::Cookies;
use super::query::QueryOptions;
use crate::datagram::{LocalId, Transmit};
use crate::event::{Failure, QueryId, Transport};
use crate::random::Random;
use crate::wire::{MessageBuf, Name, Question, Type};
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

impl Action {
    /// The connection that it concerns.
    #[must_use]
    pub const fn id(&self) -> ConnectionId {
        match self {
            Self::Connect { id, .. } | Self::Send { id, .. } | Self::Close { id } => *id,
        }
    }
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
