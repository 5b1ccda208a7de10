//! The peer's side: many trackers over one socket.
//!
//! ```text
//!            announce(), scrape()
//!                    |
//!      id known      v     no id known
//!     +--------------+--------------+
//!     v                             v      connection id
//!  Asking <------------------- Connecting ----> Asking
//!     |  answer, error, too many retransmissions, cancel()
//!     v
//!   final event
//! ```
//!
//! A datagram that is not answered is sent again after 15, 30, 60 ... seconds (BEP 15). A connection
//! id lives a minute: a question that waits longer asks for a new one.

use super::UsageError;
use super::wire::{Connect, Request, Response};
use crate::Limits;
use crate::datagram::{Local, LocalId, Transmit};
use crate::hash::Sha1Hash;
use crate::random::Random;
use crate::tracker::{Announce, Announced, QueryId, ScrapeCounts};
use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

/// BEP 15: how long a client may use a connection id.
const CONNECTION_LIFE: Duration = Duration::from_secs(60);
/// BEP 15: how long to wait for the first answer.
const FIRST_WAIT: Duration = Duration::from_secs(15);
/// Most connection ids that are remembered.
const MAX_CONNECTIONS: usize = 256;

/// What the client has to say. Exactly one event for each query.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The tracker answered an announce.
    Announced {
        /// Which.
        id: QueryId,
        /// What it says.
        response: Announced,
    },
    /// The tracker answered a scrape: as many counts as hashes.
    Scraped {
        /// Which.
        id: QueryId,
        /// The counts.
        counts: Vec<ScrapeCounts>,
    },
    /// There will be no answer.
    Failed {
        /// Which.
        id: QueryId,
        /// Why.
        reason: Failure,
    },
}

/// Why there will be no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Failure {
    /// Nothing came, however often it was asked.
    Timeout,
    /// The tracker says why; characters that control a terminal are replaced.
    Refused(String),
    /// The tracker answered something else than it was asked.
    Malformed,
    /// It was cancelled.
    Cancelled,
}

/// Counters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientStats {
    /// Datagrams that left.
    pub sent: u64,
    /// Datagrams that were sent again.
    pub retransmissions: u64,
    /// Datagrams that answered something.
    pub answers: u64,
    /// Datagrams that were dropped: from a stranger, for no open question, or no response.
    pub dropped: u64,
}

#[derive(Debug)]
enum Question {
    Announce {
        announce: Announce,
        url_data: Vec<u8>,
    },
    Scrape(Vec<Sha1Hash>),
}

#[derive(Debug)]
struct Query {
    tracker: SocketAddr,
    question: Question,
    is_connecting: bool,
    transaction: u32,
    /// Whether a datagram with this transaction has left.
    has_left: bool,
    /// How often it was sent, or waited for the connection id that another query asked for.
    sent: u32,
    /// None while something waits to leave.
    deadline: Option<Duration>,
}

/// Asks trackers over UDP. It has no fatal error.
///
/// ```
/// use core::time::Duration;
/// use proto_bittorrent::Limits;
/// use proto_bittorrent::datagram::{LocalId, Transmit};
/// use proto_bittorrent::hash::{PeerId, Sha1Hash};
/// use proto_bittorrent::tracker::{Announce, Store, StoreLimits, udp};
///
/// let now = Duration::ZERO;
/// let (peer, tracker) = ("192.0.2.1:6881".parse()?, "192.0.2.9:6969".parse()?);
/// let mut client = udp::Client::new(now, Limits::default(), [1; 32]);
/// let mut server = udp::Server::new(now, Limits::default(), [2; 32]);
/// let mut store = Store::new(StoreLimits::default(), [3; 32]);
/// let announce = Announce::new(Sha1Hash::of(b"info"), PeerId([7; 20]), 6881);
/// let id = client.announce(tracker, announce, "/announce")?;
///
/// for _ in 0..2 { // once for the connection id, once for the announce
///     let Some(Transmit::Datagram { payload, .. }) = client.poll_transmit(now) else { panic!() };
///     server.handle_datagram(now, LocalId::MAIN, peer, &payload);
///     while let Some(event) = server.poll_event() {
///         server.serve(&mut store, now, event)?;
///     }
///     let Some(Transmit::Datagram { payload, .. }) = server.poll_transmit(now) else { panic!() };
///     client.handle_datagram(now, LocalId::MAIN, tracker, &payload);
/// }
/// assert!(matches!(client.poll_event(), Some(udp::ClientEvent::Announced { id: of, .. }) if of == id));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Client {
    limits: Arc<Limits>,
    random: Random,
    now: Duration,
    queries: BTreeMap<QueryId, Query>,
    next_id: u64,
    /// Connection ids, and when they end.
    connections: BTreeMap<SocketAddr, (u64, Duration)>,
    /// What has to be sent, by query.
    due: VecDeque<QueryId>,
    events: VecDeque<Event>,
    stats: ClientStats,
}

impl Client {
    /// A client. The seed makes the transaction ids: it has to be unpredictable.
    #[must_use]
    pub fn new(now: Duration, limits: impl Into<Arc<Limits>>, seed: [u8; 32]) -> Self {
        Self {
            limits: limits.into(),
            random: Random::new(seed),
            now,
            queries: BTreeMap::new(),
            next_id: 0,
            connections: BTreeMap::new(),
            due: VecDeque::new(),
            events: VecDeque::new(),
            stats: ClientStats::default(),
        }
    }

    /// Announces a peer. `path` is path and query of the tracker's address (BEP 41); empty where
    /// there is none.
    ///
    /// # Errors
    ///
    /// [`UsageError::TooManyQueries`].
    pub fn announce(
        &mut self,
        tracker: SocketAddr,
        announce: Announce,
        path: &str,
    ) -> Result<QueryId, UsageError> {
        // BEP 41 leaves the length open; a datagram should not be cut on its way.
        let url_data = path
            .as_bytes()
            .get(..1024)
            .unwrap_or(path.as_bytes())
            .to_vec();
        self.ask(tracker, Question::Announce { announce, url_data })
    }

    /// Asks for the counts of up to 74 torrents (BEP 15).
    ///
    /// # Errors
    ///
    /// [`UsageError::TooManyQueries`], [`UsageError::Hashes`].
    pub fn scrape(
        &mut self,
        tracker: SocketAddr,
        hashes: &[Sha1Hash],
    ) -> Result<QueryId, UsageError> {
        if hashes.is_empty() || hashes.len() > 74 {
            return Err(UsageError::Hashes);
        }
        self.ask(tracker, Question::Scrape(hashes.to_vec()))
    }

    /// Gives a query up; its final event says so. One that has ended already is not touched.
    pub fn cancel(&mut self, id: QueryId) {
        if self.queries.contains_key(&id) {
            self.fail(id, Failure::Cancelled);
        }
    }

    fn ask(&mut self, tracker: SocketAddr, question: Question) -> Result<QueryId, UsageError> {
        let open = self.queries.len().saturating_add(self.events.len());
        if open >= self.limits.max_queries {
            return Err(UsageError::TooManyQueries);
        }
        let id = QueryId(self.next_id);
        self.next_id = self.next_id.wrapping_add(1);
        let query = Query {
            tracker,
            question,
            is_connecting: self.connection(tracker).is_none(),
            transaction: self.random.number(),
            has_left: false,
            sent: 0,
            deadline: None,
        };
        self.queries.insert(id, query);
        self.due.push_back(id);
        Ok(id)
    }

    /// Takes a datagram. What answers no open question of that tracker is counted and dropped.
    pub fn handle_datagram(
        &mut self,
        now: Duration,
        local: LocalId,
        from: SocketAddr,
        data: &[u8],
    ) {
        let _ = local; // there is one socket
        self.advance_to(now);
        let transaction = data.get(4..8).and_then(|octets| octets.try_into().ok());
        let transaction = transaction.map(u32::from_be_bytes);
        let found = self.queries.iter().find(|(_, query)| {
            query.tracker == from && query.has_left && Some(query.transaction) == transaction
        });
        let Some((&id, query)) = found else {
            self.stats.dropped = self.stats.dropped.saturating_add(1);
            return;
        };
        let max_peers = self.limits.max_peers;
        let response = Response::parse(data, from.is_ipv6(), max_peers);
        let Ok(response) = response else {
            // Somebody who knows the transaction: the tracker itself, so it will not get better.
            self.stats.answers = self.stats.answers.saturating_add(1);
            return self.fail(id, Failure::Malformed);
        };
        let is_expected = match (&response, &query.question) {
            (Response::Error { .. }, _) => true,
            (Response::Connect { .. }, _) => query.is_connecting,
            (Response::Announce { .. }, Question::Announce { .. }) => !query.is_connecting,
            (Response::Scrape { counts, .. }, Question::Scrape(hashes)) => {
                !query.is_connecting && counts.len() >= hashes.len()
            }
            _ => false,
        };
        if !is_expected {
            self.stats.dropped = self.stats.dropped.saturating_add(1);
            return;
        }
        self.stats.answers = self.stats.answers.saturating_add(1);
        match response {
            Response::Connect { connection, .. } => self.connected(from, connection),
            Response::Announce {
                interval,
                leechers,
                seeders,
                peers,
                ..
            } => {
                self.queries.remove(&id);
                let response = Announced {
                    interval: Duration::from_secs(u64::from(interval)),
                    seeders: Some(seeders),
                    leechers: Some(leechers),
                    peers,
                    ..Announced::default()
                };
                self.events.push_back(Event::Announced { id, response });
            }
            Response::Scrape { mut counts, .. } => {
                if let Some(query) = self.queries.remove(&id)
                    && let Question::Scrape(hashes) = query.question
                {
                    counts.truncate(hashes.len());
                }
                self.events.push_back(Event::Scraped { id, counts });
            }
            Response::Error { message, .. } => {
                self.fail(id, Failure::Refused(shown(&message)));
            }
        }
    }

    /// The next event, if there is one.
    #[must_use]
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// The next step of output.
    #[must_use]
    pub fn poll_transmit(&mut self, now: Duration) -> Option<Transmit> {
        self.advance_to(now);
        loop {
            let id = self.due.pop_front()?;
            let Some(query) = self.queries.get(&id) else {
                continue;
            };
            let connection = self.connection(query.tracker);
            // One query asks for the connection id, the others of that tracker wait for it.
            let tracker = query.tracker;
            let is_asked_for = connection.is_none()
                && self.queries.iter().any(|(other, query)| {
                    *other != id
                        && query.tracker == tracker
                        && query.is_connecting
                        && query.has_left
                });
            let query = self.queries.get_mut(&id)?;
            query.is_connecting = connection.is_none();
            let exponent = query.sent.min(16);
            let wait = FIRST_WAIT.saturating_mul(1_u32.checked_shl(exponent).unwrap_or(u32::MAX));
            query.sent = query.sent.saturating_add(1);
            query.deadline = Some(self.now.saturating_add(wait));
            if is_asked_for {
                continue;
            }
            query.has_left = true;
            let request = match (connection, &query.question) {
                (None, _) => Request::Connect(Connect {
                    transaction: query.transaction,
                }),
                (Some(connection), Question::Announce { announce, url_data }) => {
                    Request::Announce {
                        connection,
                        transaction: query.transaction,
                        announce: announce.clone(),
                        url_data: url_data.clone(),
                    }
                }
                (Some(connection), Question::Scrape(hashes)) => Request::Scrape {
                    connection,
                    transaction: query.transaction,
                    hashes: hashes.clone(),
                },
            };
            let to = query.tracker;
            let mut payload = Vec::with_capacity(128);
            request.encode(&mut payload);
            self.stats.sent = self.stats.sent.saturating_add(1);
            return Some(Transmit::Datagram {
                local: Local::Any,
                to,
                payload: payload.into(),
            });
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called; may change after any call.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        self.queries
            .values()
            .filter_map(|query| query.deadline)
            .min()
    }

    /// Tells that time has passed. Calls before the deadline do nothing.
    pub fn handle_timeout(&mut self, now: Duration) {
        self.advance_to(now);
        let late: Vec<QueryId> = self
            .queries
            .iter()
            .filter(|(_, query)| query.deadline.is_some_and(|deadline| deadline <= self.now))
            .map(|(id, _)| *id)
            .collect();
        for id in late {
            let Some(query) = self.queries.get_mut(&id) else {
                continue;
            };
            if query.sent > self.limits.max_retransmissions {
                self.fail(id, Failure::Timeout);
                continue;
            }
            query.deadline = None;
            if core::mem::take(&mut query.has_left) {
                // An answer to the earlier one would be late: it is not waited for any more.
                query.transaction = self.random.number();
                self.stats.retransmissions = self.stats.retransmissions.saturating_add(1);
            }
            if !self.due.contains(&id) {
                self.due.push_back(id);
            }
        }
    }

    /// The bounds that were set.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// What has happened so far.
    #[must_use]
    pub const fn stats(&self) -> ClientStats {
        self.stats
    }

    /// Time never runs backwards, whatever the caller says.
    fn advance_to(&mut self, now: Duration) {
        self.now = self.now.max(now);
    }

    fn connection(&self, tracker: SocketAddr) -> Option<u64> {
        let (connection, end) = self.connections.get(&tracker)?;
        (self.now <= *end).then_some(*connection)
    }

    /// All that wait for a connection id of this tracker go on with it.
    fn connected(&mut self, tracker: SocketAddr, connection: u64) {
        if self.connections.len() >= MAX_CONNECTIONS {
            let oldest = self.connections.iter().min_by_key(|(_, (_, end))| *end);
            if let Some((&oldest, _)) = oldest {
                self.connections.remove(&oldest);
            }
        }
        let end = self.now.saturating_add(CONNECTION_LIFE);
        self.connections.insert(tracker, (connection, end));
        for (id, query) in &mut self.queries {
            if query.tracker == tracker && query.is_connecting && query.sent > 0 {
                query.is_connecting = false;
                query.has_left = false;
                query.sent = 0;
                query.transaction = self.random.number();
                query.deadline = None;
                self.due.push_back(*id);
            }
        }
    }

    fn fail(&mut self, id: QueryId, reason: Failure) {
        self.queries.remove(&id);
        self.events.push_back(Event::Failed { id, reason });
    }
}

/// The words of a tracker, fit for a terminal, and no longer than a line or two.
pub(in crate::tracker) fn shown(message: &[u8]) -> String {
    let message = message.get(..500).unwrap_or(message);
    let text = String::from_utf8_lossy(message);
    let text = text.trim_end_matches('\0');
    text.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}
