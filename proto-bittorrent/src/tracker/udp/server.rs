//! The tracker's side: all sockets of a tracker over UDP.
//!
//! No state is kept for a client until it has proved its address. A connection id is a keyed hash of
//! the address and of the minute: good for one to two minutes (BEP 15), and worth nothing to whoever
//! cannot receive at that address.

use super::UsageError;
use super::wire::{Connect, Request, Response, encode_announce};
use crate::Limits;
use crate::datagram::{Local, LocalId, Transmit};
use crate::hash::Sha1Hash;
use crate::random::Random;
use crate::tracker::{Announce, Announced, ScrapeCounts, Store};
use crate::wire::compact;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::hash::Hasher;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use siphasher::sip::SipHasher24;

/// How long the key of a connection id is used. Ids of the last such time are good too.
const EPOCH: Duration = Duration::from_secs(60);
/// Longest datagram that is looked at.
const MAX_LEN: usize = 2048;
/// Most peers in a response, so that it is not cut on its way over links with 1500 octets.
const MAX_PEERS_V4: usize = 200;
const MAX_PEERS_V6: usize = 70;

/// A question waits for its answer. Hand it back to one of the `answer` methods, or to
/// [`Server::discard`], once.
#[must_use = "an open question holds a place until it is answered or dropped"]
#[derive(Debug, PartialEq, Eq)]
pub struct Ask(u64);

/// What the tracker is asked. Whoever asks has proved its address.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A peer announces itself.
    Announce {
        /// The question that [`Server::answer_announce`] settles.
        ask: Ask,
        /// Whence it came.
        from: SocketAddr,
        /// What it says.
        announce: Announce,
        /// Path and query of the address that it was given (BEP 41).
        path: Vec<u8>,
    },
    /// Somebody asks for counts.
    Scrape {
        /// The question that [`Server::answer_scrape`] settles.
        ask: Ask,
        /// Whence it came.
        from: SocketAddr,
        /// Of which torrents; at least one.
        hashes: Vec<Sha1Hash>,
    },
}

/// Counters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerStats {
    /// Connection ids that were given.
    pub connects: u64,
    /// Announces that were handed out.
    pub announces: u64,
    /// Scrapes that were handed out.
    pub scrapes: u64,
    /// Datagrams that are none of BEP 15.
    pub malformed: u64,
    /// Datagrams with a connection id that is not, or no more, good.
    pub strangers: u64,
    /// Datagrams that were dropped because of [`Limits::max_questions`].
    pub overflows: u64,
    /// Questions that were given up after [`Limits::answer_deadline`].
    pub expired: u64,
    /// Octets that came.
    pub octets_in: u64,
    /// Octets that left.
    pub octets_out: u64,
}

#[derive(Debug)]
struct Open {
    local: LocalId,
    from: SocketAddr,
    transaction: u32,
    since: Duration,
}

/// All sockets of a tracker over UDP. It has no fatal error.
///
/// See [`Client`](super::Client) for an example.
#[derive(Debug)]
pub struct Server {
    limits: Arc<Limits>,
    key: Key,
    now: Duration,
    open: BTreeMap<u64, Open>,
    next_ask: u64,
    events: VecDeque<Event>,
    answers: VecDeque<Transmit>,
    stats: ServerStats,
}

/// Says nothing in `Debug`.
struct Key(u64, u64);

impl core::fmt::Debug for Key {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Key")
    }
}

impl Server {
    /// A tracker. The seed is the key of the connection ids: it has to be unpredictable.
    #[must_use]
    pub fn new(now: Duration, limits: impl Into<Arc<Limits>>, seed: [u8; 32]) -> Self {
        let mut random = Random::new(seed);
        Self {
            limits: limits.into(),
            key: Key(random.wide(), random.wide()),
            now,
            open: BTreeMap::new(),
            next_ask: 0,
            events: VecDeque::new(),
            answers: VecDeque::new(),
            stats: ServerStats::default(),
        }
    }

    /// Takes a datagram that came `from` somebody to the socket `local`. Connect requests are
    /// answered at once, with as many octets as they have; what is no request is counted and
    /// dropped.
    pub fn handle_datagram(
        &mut self,
        now: Duration,
        local: LocalId,
        from: SocketAddr,
        data: &[u8],
    ) {
        self.advance_to(now);
        let octets = u64::try_from(data.len()).unwrap_or(u64::MAX);
        self.stats.octets_in = self.stats.octets_in.saturating_add(octets);
        if from.port() == 0 || data.len() > MAX_LEN {
            return count(&mut self.stats.malformed);
        }
        let Ok(request) = Request::parse(data, self.limits.max_scrape) else {
            return count(&mut self.stats.malformed);
        };
        let waiting = self.open.len().saturating_add(self.answers.len());
        if waiting >= self.limits.max_questions {
            return count(&mut self.stats.overflows);
        }
        let (connection, transaction) = match &request {
            Request::Connect(Connect { transaction }) => {
                let response = Response::Connect {
                    transaction: *transaction,
                    connection: self.connection(from, self.epoch()),
                };
                count(&mut self.stats.connects);
                return self.send(local, from, &response);
            }
            Request::Announce {
                connection,
                transaction,
                ..
            }
            | Request::Scrape {
                connection,
                transaction,
                ..
            } => (*connection, *transaction),
        };
        if !self.knows(from, connection) {
            return count(&mut self.stats.strangers);
        }
        let number = self.next_ask;
        self.next_ask = number.wrapping_add(1);
        let ask = Ask(number);
        let event = match request {
            Request::Announce {
                announce, url_data, ..
            } => {
                count(&mut self.stats.announces);
                let path = url_data;
                Event::Announce {
                    ask,
                    from,
                    announce,
                    path,
                }
            }
            Request::Scrape { hashes, .. } => {
                count(&mut self.stats.scrapes);
                Event::Scrape { ask, from, hashes }
            }
            Request::Connect(_) => return,
        };
        let open = Open {
            local,
            from,
            transaction,
            since: self.now,
        };
        self.open.insert(number, open);
        self.events.push_back(event);
    }

    /// The next event, if there is one.
    #[must_use]
    pub fn poll_event(&mut self) -> Option<Event> {
        loop {
            let event = self.events.pop_front()?;
            let (Event::Announce { ask, .. } | Event::Scrape { ask, .. }) = &event;
            // It may have expired meanwhile.
            if self.open.contains_key(&ask.0) {
                return Some(event);
            }
        }
    }

    /// Answers an announce. Peers of the other address family than the asker's are left out, and
    /// those that no datagram of 1232 octets holds.
    ///
    /// # Errors
    ///
    /// [`UsageError::StaleAsk`].
    pub fn answer_announce(&mut self, ask: Ask, answer: &Announced) -> Result<(), UsageError> {
        let open = self.settle(ask)?;
        let is_v6 = open.from.is_ipv6();
        let most = if is_v6 { MAX_PEERS_V6 } else { MAX_PEERS_V4 };
        let peers = answer.peers.iter().filter(|peer| peer.is_ipv6() == is_v6);
        let numbers = [
            1,
            open.transaction,
            u32::try_from(answer.interval.as_secs()).unwrap_or(u32::MAX),
            answer.leechers.unwrap_or(0),
            answer.seeders.unwrap_or(0),
        ];
        let octets = if is_v6 {
            compact::V6_LEN
        } else {
            compact::V4_LEN
        };
        let count = answer.peers.len().min(most);
        let room = count.saturating_mul(octets).saturating_add(20);
        let mut payload = Vec::with_capacity(room);
        encode_announce(&mut payload, numbers, peers.take(most).copied());
        self.send_payload(open.local, open.from, payload);
        Ok(())
    }

    /// Answers a scrape: counts in the order of the hashes.
    ///
    /// # Errors
    ///
    /// [`UsageError::StaleAsk`].
    pub fn answer_scrape(&mut self, ask: Ask, counts: &[ScrapeCounts]) -> Result<(), UsageError> {
        let open = self.settle(ask)?;
        let response = Response::Scrape {
            transaction: open.transaction,
            counts: counts.to_vec(),
        };
        self.send(open.local, open.from, &response);
        Ok(())
    }

    /// Answers that it does not work, and why.
    ///
    /// # Errors
    ///
    /// [`UsageError::StaleAsk`].
    pub fn refuse(&mut self, ask: Ask, message: &str) -> Result<(), UsageError> {
        let open = self.settle(ask)?;
        let message = message.as_bytes();
        let response = Response::Error {
            transaction: open.transaction,
            message: message.get(..256).unwrap_or(message).to_vec(),
        };
        self.send(open.local, open.from, &response);
        Ok(())
    }

    /// Leaves a question without an answer.
    ///
    /// # Errors
    ///
    /// [`UsageError::StaleAsk`].
    pub fn discard(&mut self, ask: Ask) -> Result<(), UsageError> {
        self.settle(ask).map(drop)
    }

    /// Answers as `store` would have it at the time `now` of the store's own epoch.
    ///
    /// # Errors
    ///
    /// [`UsageError::StaleAsk`].
    pub fn serve(
        &mut self,
        store: &mut Store,
        now: Duration,
        event: Event,
    ) -> Result<(), UsageError> {
        match event {
            Event::Announce {
                ask,
                from,
                announce,
                ..
            } => {
                // Whose address was proved may announce that address, and no other.
                match store.announce(now, from.ip(), &announce) {
                    Ok(answer) => self.answer_announce(ask, &answer),
                    Err(error) => self.refuse(ask, &alloc::format!("{error}")),
                }
            }
            Event::Scrape { ask, hashes, .. } => {
                let counts: Vec<ScrapeCounts> =
                    hashes.iter().map(|hash| store.scrape(hash)).collect();
                self.answer_scrape(ask, &counts)
            }
        }
    }

    /// The next step of output.
    #[must_use]
    pub fn poll_transmit(&mut self, now: Duration) -> Option<Transmit> {
        self.advance_to(now);
        let step = self.answers.pop_front()?;
        if let Transmit::Datagram { payload, .. } = &step {
            let octets = u64::try_from(payload.len()).unwrap_or(u64::MAX);
            self.stats.octets_out = self.stats.octets_out.saturating_add(octets);
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
            self.open.pop_first();
            count(&mut self.stats.expired);
        }
        let open = &self.open;
        self.events.retain(|event| {
            let (Event::Announce { ask, .. } | Event::Scrape { ask, .. }) = event;
            open.contains_key(&ask.0)
        });
    }

    /// The bounds that were set.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// What has happened so far.
    #[must_use]
    pub const fn stats(&self) -> ServerStats {
        self.stats
    }

    /// Time never runs backwards, whatever the caller says.
    fn advance_to(&mut self, now: Duration) {
        self.now = self.now.max(now);
    }

    fn settle(&mut self, ask: Ask) -> Result<Open, UsageError> {
        self.open.remove(&ask.0).ok_or(UsageError::StaleAsk)
    }

    fn send(&mut self, local: LocalId, to: SocketAddr, response: &Response) {
        let mut payload = Vec::with_capacity(64);
        response.encode(&mut payload);
        self.send_payload(local, to, payload);
    }

    fn send_payload(&mut self, local: LocalId, to: SocketAddr, payload: Vec<u8>) {
        self.answers.push_back(Transmit::Datagram {
            local: Local::Id(local),
            to,
            payload: payload.into(),
        });
    }

    fn epoch(&self) -> u64 {
        self.now.as_secs().checked_div(EPOCH.as_secs()).unwrap_or(0)
    }

    fn connection(&self, from: SocketAddr, epoch: u64) -> u64 {
        let mut hasher = SipHasher24::new_with_keys(self.key.0, self.key.1);
        match from.ip() {
            IpAddr::V4(ip) => hasher.write(&ip.octets()),
            IpAddr::V6(ip) => hasher.write(&ip.octets()),
        }
        hasher.write_u16(from.port());
        hasher.write_u64(epoch);
        hasher.finish()
    }

    /// BEP 15: an id is good for two minutes at most.
    fn knows(&self, from: SocketAddr, connection: u64) -> bool {
        let epoch = self.epoch();
        self.connection(from, epoch) == connection
            || epoch
                .checked_sub(1)
                .is_some_and(|before| self.connection(from, before) == connection)
    }
}

const fn count(counter: &mut u64) {
    *counter = counter.saturating_add(1);
}
