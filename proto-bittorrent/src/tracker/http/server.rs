//! The tracker's side of one connection (RFC 9112, persistent and pipelined).
//!
//! ```text
//!            announce, scrape          answer(ask)
//!   Reading ------------------> Asking ------------> Reading
//!      |  anything else is answered at once
//!      |  EOF at a boundary                       close(), a request that closes
//!      +--------------------> PeerClosed             |
//!      |  a fault, idle                              v
//!      +--------------------> Failed -- output gone, Shutdown, EOF or linger --> Closed
//! ```

use super::body::{Found, HeadFinder, MAX_HEADERS};
use super::query::{AnnounceQuery, QueryError, ScrapeQuery};
use super::wire::{Reply, ScrapeReply};
use crate::Limits;
use crate::stream::{Outbox, Transmit};
use crate::tracker::{Announced, Store};
use alloc::string::ToString;
use alloc::sync::Arc;
use bytes::BytesMut;
use core::fmt::Write;
use core::net::IpAddr;
use core::time::Duration;

/// A question waits for its answer. Hand it back to one of the `answer` methods once.
#[must_use = "the connection takes no further request until this one is answered"]
#[derive(Debug, PartialEq, Eq)]
pub struct Ask {
    connection: u64,
    number: u64,
}

impl Ask {
    /// The number of the connection that waits, as it was given to [`Server::new`].
    #[must_use]
    pub const fn connection(&self) -> u64 {
        self.connection
    }
}

/// What a connection has to say.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A peer announces itself.
    Announce {
        /// The question that [`Server::answer_announce`] settles.
        ask: Ask,
        /// What it says.
        query: AnnounceQuery,
    },
    /// Somebody asks for counts.
    Scrape {
        /// The question that [`Server::answer_scrape`] settles.
        ask: Ask,
        /// Of which torrents.
        query: ScrapeQuery,
    },
    /// A request that was answered by the connection itself, with this status. Emitted once for each.
    Refused {
        /// The status.
        status: u16,
    },
    /// The peer will send nothing more. Emitted once.
    PeerClosed,
}

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No request for [`Limits::idle`](crate::Limits::idle).
    #[error("the peer was silent for too long")]
    IdleTimeout,
    /// The connection ended inside a request.
    #[error("the connection ended {pending} octets into a request")]
    UnexpectedEof {
        /// Octets of the unfinished request.
        pending: usize,
    },
    /// A head that is none of HTTP/1, or has a body.
    #[error("a malformed request")]
    Head,
    /// A head of more than [`Limits::max_head_len`](crate::Limits::max_head_len).
    #[error("a head of more than {0} octets")]
    HeadTooLong(usize),
}

/// A call that the caller should not have made. The connection is as it was before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UsageError {
    /// The question is not open any more.
    #[error("the question is no longer open")]
    StaleAsk,
}

/// Counters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerStats {
    /// Requests that were read.
    pub requests: u64,
    /// Requests that the connection answered itself.
    pub refused: u64,
    /// Questions that were given up after [`Limits::answer_deadline`].
    pub expired: u64,
    /// Octets that came.
    pub octets_in: u64,
    /// Octets that left.
    pub octets_out: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Reading,
    Asking { ask: u64, is_compact: bool },
    Failed,
    PeerClosed,
    Disconnected,
}

/// One connection of a tracker over HTTP.
///
/// ```
/// use bytes::BytesMut;
/// use core::time::Duration;
/// use proto_bittorrent::Limits;
/// use proto_bittorrent::tracker::{Store, StoreLimits, http};
///
/// let now = Duration::ZERO;
/// let mut store = Store::new(StoreLimits::default(), [1; 32]);
/// let mut server = http::Server::new(now, Limits::default(), 1);
/// let mut input = BytesMut::from(
///     &b"GET /announce?info_hash=aaaaaaaaaaaaaaaaaaaa&peer_id=bbbbbbbbbbbbbbbbbbbb&port=6881&left=0 HTTP/1.1\r\n\r\n"[..],
/// );
/// while let Some(event) = server.poll_event(now, &mut input)? {
///     server.serve(&mut store, now, "192.0.2.1".parse()?, event)?;
/// }
/// assert_eq!(store.peers(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Server {
    limits: Arc<Limits>,
    state: State,
    head: HeadFinder,
    output: Outbox,
    connection: u64,
    next_ask: u64,
    /// Whether the request under way is the last one.
    is_last: bool,
    now: Duration,
    deadline: Option<Duration>,
    eof: bool,
    timed_out: bool,
    closing: bool,
    shutdown_sent: bool,
    stats: ServerStats,
}

impl Server {
    /// A connection that was accepted at `now`. Limits may be shared: pass an `Arc`. Its questions
    /// bear `connection`: give a number that no other connection has, so that an answer cannot go to
    /// the wrong one.
    #[must_use]
    pub fn new(now: Duration, limits: impl Into<Arc<Limits>>, connection: u64) -> Self {
        let limits = limits.into();
        Self {
            state: State::Reading,
            head: HeadFinder::default(),
            output: Outbox::default(),
            connection,
            next_ask: 0,
            is_last: false,
            now,
            deadline: Some(now.saturating_add(limits.idle)),
            eof: false,
            timed_out: false,
            closing: false,
            shutdown_sent: false,
            stats: ServerStats::default(),
            limits,
        }
    }

    /// Takes what it can from the front of `input` and returns the next event, if there is one.
    ///
    /// # Errors
    ///
    /// [`Error`] once, after every event that came before it. Then the machine only discards input.
    pub fn poll_event(
        &mut self,
        now: Duration,
        input: &mut BytesMut,
    ) -> Result<Option<Event>, Error> {
        self.advance_to(now);
        if self.state != State::Reading || self.closing {
            if !matches!(self.state, State::Asking { .. }) || self.closing {
                input.clear();
            }
            return Ok(None);
        }
        if self.timed_out {
            return Err(self.fail(Error::IdleTimeout, 408));
        }
        if self.is_stalled() {
            return Ok(None);
        }
        match self.head.find(input, self.limits.max_head_len) {
            Found::Head(len) => {
                let head = input.split_to(len);
                let octets = u64::try_from(len).unwrap_or(u64::MAX);
                self.stats.octets_in = self.stats.octets_in.saturating_add(octets);
                self.stats.requests = self.stats.requests.saturating_add(1);
                self.restart_idle_timer();
                match self.request(&head) {
                    Some(event) => Ok(Some(event)),
                    None => Err(self.fail(Error::Head, 400)),
                }
            }
            Found::Partial if !self.eof => Ok(None),
            Found::Partial if input.is_empty() => {
                self.state = State::PeerClosed;
                Ok(Some(Event::PeerClosed))
            }
            Found::Partial => {
                let pending = input.len();
                Err(self.fail(Error::UnexpectedEof { pending }, 400))
            }
            Found::TooLong => Err(self.fail(Error::HeadTooLong(self.limits.max_head_len), 431)),
        }
    }

    /// `None` for a head that is none.
    fn request(&mut self, head: &[u8]) -> Option<Event> {
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut request = httparse::Request::new(&mut headers);
        match request.parse(head) {
            // What the parser would leave of it is another request for whoever reads lines otherwise.
            Ok(httparse::Status::Complete(len)) if len == head.len() => {}
            _ => return None,
        }
        let (method, target, version) = (request.method?, request.path?, request.version?);
        let find = |name: &str| {
            let mut all = request.headers.iter();
            all.find(|header| header.name.eq_ignore_ascii_case(name))
                .map(|header| header.value.trim_ascii())
        };
        // A request for a tracker has no body; what would be one is not taken for a request.
        let has_body = find("transfer-encoding").is_some()
            || find("content-length").is_some_and(|len| len != b"0");
        if has_body {
            return None;
        }
        let connection = find("connection").unwrap_or_default();
        self.is_last = if version == 0 {
            !connection.eq_ignore_ascii_case(b"keep-alive")
        } else {
            connection.eq_ignore_ascii_case(b"close")
        };
        if method != "GET" {
            return Some(self.refuse(405));
        }
        // RFC 9112 section 3.2.2: the target may be a whole address.
        let path = match target.split_once("://") {
            Some((_, rest)) if !target.starts_with('/') => {
                rest.find('/').and_then(|at| rest.get(at..))
            }
            _ => Some(target),
        };
        let (path, query) = path
            .unwrap_or("/")
            .split_once('?')
            .unwrap_or((path.unwrap_or("/"), ""));
        let name = path.rsplit('/').next().unwrap_or_default();
        let asked = if name.starts_with("announce") {
            AnnounceQuery::parse(query.as_bytes()).map(|query| {
                let ask = self.ask(query.is_compact);
                Event::Announce { ask, query }
            })
        } else if name.starts_with("scrape") {
            ScrapeQuery::parse(query.as_bytes(), self.limits.max_scrape).map(|query| {
                let ask = self.ask(true);
                Event::Scrape { ask, query }
            })
        } else {
            return Some(self.refuse(404));
        };
        Some(asked.unwrap_or_else(|error: QueryError| {
            let reply = Reply::Failure {
                reason: error.to_string(),
                retry: None,
            };
            self.stats.refused = self.stats.refused.saturating_add(1);
            self.respond(200, &reply.encode(true));
            Event::Refused { status: 200 }
        }))
    }

    fn ask(&mut self, is_compact: bool) -> Ask {
        let ask = self.next_ask;
        self.next_ask = ask.wrapping_add(1);
        self.state = State::Asking { ask, is_compact };
        self.deadline = self
            .limits
            .answer_deadline
            .map(|wait| self.now.saturating_add(wait));
        Ask {
            connection: self.connection,
            number: ask,
        }
    }

    fn refuse(&mut self, status: u16) -> Event {
        self.stats.refused = self.stats.refused.saturating_add(1);
        self.respond(status, b"");
        Event::Refused { status }
    }

    /// Answers an announce.
    ///
    /// # Errors
    ///
    /// [`UsageError::StaleAsk`].
    pub fn answer_announce(&mut self, ask: Ask, reply: &Reply) -> Result<(), UsageError> {
        let is_compact = self.settle(&ask)?;
        self.respond(200, &reply.encode(is_compact));
        Ok(())
    }

    /// Answers a scrape.
    ///
    /// # Errors
    ///
    /// [`UsageError::StaleAsk`].
    pub fn answer_scrape(&mut self, ask: Ask, reply: &ScrapeReply) -> Result<(), UsageError> {
        self.settle(&ask)?;
        self.respond(200, &reply.encode());
        Ok(())
    }

    /// Answers as `store` would have it at the time `now` of the store's own epoch, to a peer at `ip`.
    ///
    /// # Errors
    ///
    /// [`UsageError::StaleAsk`].
    pub fn serve(
        &mut self,
        store: &mut Store,
        now: Duration,
        ip: IpAddr,
        event: Event,
    ) -> Result<(), UsageError> {
        match event {
            Event::Announce { ask, query } => {
                let answer = store.announce(now, ip, &query.announce);
                let reply = match answer {
                    Ok(answer) => Reply::Announced(Announced {
                        external_ip: Some(ip.to_canonical()),
                        ..answer
                    }),
                    Err(error) => Reply::Failure {
                        reason: error.to_string(),
                        retry: None,
                    },
                };
                self.answer_announce(ask, &reply)
            }
            Event::Scrape { ask, query } => {
                let counts = query.hashes.iter().map(|hash| (*hash, store.scrape(hash)));
                let reply = if query.hashes.is_empty() {
                    ScrapeReply::Failure {
                        reason: "full scrapes are not answered".into(),
                    }
                } else {
                    ScrapeReply::Counts(counts.collect())
                };
                self.answer_scrape(ask, &reply)
            }
            Event::Refused { .. } | Event::PeerClosed => Ok(()),
        }
    }

    /// Ends our side in order once all answers have left. A question that is open is dropped.
    pub fn close(&mut self) {
        self.closing = true;
        if matches!(self.state, State::Asking { .. }) {
            self.state = State::Reading;
        }
        if self.deadline.is_none() && self.state == State::Reading {
            self.restart_idle_timer();
        }
    }

    /// The next step for the transport; `Data` holds at most `budget` octets.
    #[must_use]
    pub fn poll_transmit(&mut self, now: Duration, budget: usize) -> Option<Transmit> {
        self.advance_to(now);
        if !self.output.is_empty() {
            let data = self.output.take(budget)?;
            let octets = u64::try_from(data.len()).unwrap_or(u64::MAX);
            self.stats.octets_out = self.stats.octets_out.saturating_add(octets);
            return Some(Transmit::Data(data));
        }
        if self.closing && !self.shutdown_sent {
            self.shutdown_sent = true;
            if self.eof || self.state == State::PeerClosed {
                self.end();
            } else {
                self.deadline = Some(self.now.saturating_add(self.limits.linger));
            }
            return Some(Transmit::Shutdown);
        }
        None
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
        if self.closing {
            return self.abandon();
        }
        match self.state {
            State::Reading => self.timed_out = true,
            State::Asking { .. } => {
                self.stats.expired = self.stats.expired.saturating_add(1);
                self.is_last = true;
                self.state = State::Reading;
                self.respond(503, b"");
            }
            State::PeerClosed => self.close(),
            State::Failed | State::Disconnected => {}
        }
    }

    /// The peer has closed its side; `input` may still hold requests.
    pub fn handle_eof(&mut self, now: Duration) {
        self.advance_to(now);
        self.eof = true;
        if self.closing && self.shutdown_sent {
            self.end();
        }
    }

    /// The transport is dead in both directions. An open question becomes stale.
    pub fn handle_disconnect(&mut self, now: Duration) {
        self.advance_to(now);
        self.abandon();
    }

    /// False while nothing that may arrive could be handled: a question is open, too many answers
    /// wait, or the peer has ended.
    #[must_use]
    pub fn wants_read(&self) -> bool {
        match self.state {
            _ if self.eof => false,
            State::Reading => self.closing || !self.is_stalled(),
            State::Failed => true,
            State::Asking { .. } | State::PeerClosed | State::Disconnected => false,
        }
    }

    /// True when the connection can be dropped.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.shutdown_sent && self.state == State::Disconnected
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

    fn restart_idle_timer(&mut self) {
        self.deadline = Some(self.now.saturating_add(self.limits.idle));
    }

    fn is_stalled(&self) -> bool {
        self.output.len() >= self.limits.max_queued_output
    }

    fn settle(&mut self, ask: &Ask) -> Result<bool, UsageError> {
        match self.state {
            State::Asking {
                ask: open,
                is_compact,
            } if open == ask.number && ask.connection == self.connection && !self.closing => {
                self.state = State::Reading;
                self.restart_idle_timer();
                Ok(is_compact)
            }
            _ => Err(UsageError::StaleAsk),
        }
    }

    fn respond(&mut self, status: u16, body: &[u8]) {
        let reason = match status {
            200 => "OK",
            400 => "Bad Request",
            404 => "Not Found",
            405 => "Method Not Allowed",
            408 => "Request Timeout",
            431 => "Request Header Fields Too Large",
            _ => "Service Unavailable",
        };
        let connection = if self.is_last {
            "Connection: close\r\n"
        } else {
            ""
        };
        // A buffer takes all that is written.
        let _ = write!(
            self.output.tail(),
            "HTTP/1.1 {status} {reason}\r\nContent-Type: text/plain\r\n{connection}Content-Length: {}\r\n\r\n",
            body.len()
        );
        self.output.tail().extend_from_slice(body);
        if self.is_last {
            self.close();
        }
    }

    fn fail(&mut self, error: Error, status: u16) -> Error {
        self.is_last = true;
        self.respond(status, b"");
        self.state = State::Failed;
        self.closing = true;
        self.deadline = Some(self.now.saturating_add(self.limits.linger));
        error
    }

    fn end(&mut self) {
        self.state = State::Disconnected;
        self.deadline = None;
    }

    fn abandon(&mut self) {
        self.end();
        self.output.clear();
        self.closing = true;
        self.shutdown_sent = true;
    }
}
