//! The peer's side of one exchange.
//!
//! ```text
//!   announce(), scrape()       head        body
//!          |              +---------+  +----------+
//!          v              |         v  |          v
//!      request leaves   Head ------> Body ------> Done --- Shutdown, EOF or linger --> Closed
//!                         |            |            ^
//!                         +------------+------------+
//!                           a fault, the deadline, EOF: the final event, then the error
//! ```

use super::body::{BodyError, Chunk, Found, Framing, HeadFinder, MAX_HEADERS};
use super::query::{write_announce, write_scrape};
use super::wire::{Reply, ReplyError, ScrapeReply};
use crate::Limits;
use crate::hash::Sha1Hash;
use crate::stream::{Outbox, Transmit};
use crate::tracker::{Announce, Announced, ScrapeCounts, TrackerUrl};
use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use bytes::{Buf, BytesMut};
use core::time::Duration;

/// What the exchange came to. Exactly one event.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The tracker answered an announce.
    Announced(Announced),
    /// The tracker answered a scrape, for the torrents that it knows.
    Scraped(Vec<(Sha1Hash, ScrapeCounts)>),
    /// The tracker says why it does not work.
    Refused {
        /// Why; characters that control a terminal are replaced.
        reason: String,
        /// When to try again (BEP 31); `Some(Duration::MAX)` for never.
        retry: Option<Duration>,
    },
    /// The tracker is somewhere else. Look at [`TrackerUrl::risk`] before you follow.
    Redirected {
        /// Where, as it came.
        location: String,
    },
    /// There will be no answer.
    Failed(Failure),
}

/// Why there will be no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Failure {
    /// The server answered with this status.
    Status(u16),
    /// The body is none that a tracker sends.
    Reply(ReplyError),
    /// The connection failed as this says.
    Connection(Error),
    /// We closed, or the transport died.
    Closed,
}

/// Why the connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No answer within [`Limits::exchange`](crate::Limits::exchange).
    #[error("no answer came in time")]
    Timeout,
    /// The connection ended before the answer did.
    #[error("the connection ended before the answer")]
    UnexpectedEof,
    /// The head is none of HTTP/1, or has contradictory framing.
    #[error("a malformed head")]
    Head,
    /// The head is longer than [`Limits::max_head_len`](crate::Limits::max_head_len).
    #[error("a head of more than {0} octets")]
    HeadTooLong(usize),
    /// The body cannot be read.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// A coding of the body that was not asked for.
    #[error("a body in a coding that was not asked for")]
    Encoding,
}

/// Counters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientStats {
    /// Octets that came.
    pub octets_in: u64,
    /// Octets that left.
    pub octets_out: u64,
}

#[derive(Debug)]
enum State {
    Head,
    Body(Framing),
    Done,
    Disconnected,
}

/// One exchange with a tracker over HTTP: the request is queued when it is made, and one event tells
/// what came of it. For `https` put TLS under it.
///
/// ```
/// use bytes::BytesMut;
/// use core::time::Duration;
/// use proto_bittorrent::Limits;
/// use proto_bittorrent::hash::{PeerId, Sha1Hash};
/// use proto_bittorrent::tracker::{Announce, TrackerUrl, http};
///
/// let now = Duration::ZERO;
/// let url: TrackerUrl = "http://tracker.example/announce".parse()?;
/// let announce = Announce::new(Sha1Hash::of(b"info"), PeerId([7; 20]), 6881);
/// let mut client = http::Client::announce(now, Limits::default(), &url, &announce, None);
/// let mut input = BytesMut::from(&b"HTTP/1.0 200 OK\r\n\r\nd8:intervali1800e5:peers6:\x7f\0\0\x01\x1a\xe1e"[..]);
/// client.handle_eof(now);
/// let Some(http::ClientEvent::Announced(answer)) = client.poll_event(now, &mut input)? else {
///     panic!("no answer")
/// };
/// assert_eq!(answer.peers, ["127.0.0.1:6881".parse()?]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Client {
    limits: Arc<Limits>,
    state: State,
    is_scrape: bool,
    head: HeadFinder,
    body: BytesMut,
    output: Outbox,
    events: VecDeque<Event>,
    error: Option<Error>,
    now: Duration,
    deadline: Option<Duration>,
    eof: bool,
    timed_out: bool,
    closing: bool,
    shutdown_sent: bool,
    stats: ClientStats,
}

impl Client {
    /// Announces a peer. `tracker_id` is what the tracker gave last time.
    #[must_use]
    pub fn announce(
        now: Duration,
        limits: impl Into<Arc<Limits>>,
        url: &TrackerUrl,
        announce: &Announce,
        tracker_id: Option<&[u8]>,
    ) -> Self {
        let mut path = String::from(url.path());
        write_announce(&mut path, announce, tracker_id);
        Self::new(now, limits.into(), url, &path, false)
    }

    /// Asks for counts; `None` when the tracker has no address to scrape at (BEP 48).
    #[must_use]
    pub fn scrape(
        now: Duration,
        limits: impl Into<Arc<Limits>>,
        url: &TrackerUrl,
        hashes: &[Sha1Hash],
    ) -> Option<Self> {
        let mut path = url.scrape_path()?;
        write_scrape(&mut path, hashes);
        Some(Self::new(now, limits.into(), url, &path, true))
    }

    fn new(
        now: Duration,
        limits: Arc<Limits>,
        url: &TrackerUrl,
        path: &str,
        is_scrape: bool,
    ) -> Self {
        let mut output = Outbox::default();
        // What stands in an address was checked: no part of it ends the line.
        for part in [
            "GET ",
            path,
            " HTTP/1.1\r\nHost: ",
            url.authority(),
            "\r\nUser-Agent: proto-bittorrent\r\nAccept-Encoding: identity\r\nConnection: close\r\n\r\n",
        ] {
            output.tail().extend_from_slice(part.as_bytes());
        }
        Self {
            state: State::Head,
            is_scrape,
            head: HeadFinder::default(),
            body: BytesMut::new(),
            output,
            events: VecDeque::new(),
            error: None,
            now,
            deadline: Some(now.saturating_add(limits.exchange)),
            eof: false,
            timed_out: false,
            closing: false,
            shutdown_sent: false,
            stats: ClientStats::default(),
            limits,
        }
    }

    /// Takes what it can from the front of `input` and returns the next event, if there is one.
    ///
    /// # Errors
    ///
    /// [`Error`] once, after the final event. Then the machine only discards input.
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
            if matches!(self.state, State::Done | State::Disconnected) {
                input.clear();
                return Ok(None);
            }
            if self.timed_out {
                self.fail(Error::Timeout);
                continue;
            }
            let before = input.len();
            let step = self.read(input);
            let octets = before.saturating_sub(input.len());
            let octets = u64::try_from(octets).unwrap_or(u64::MAX);
            self.stats.octets_in = self.stats.octets_in.saturating_add(octets);
            match step {
                Ok(true) => {}
                Ok(false) => return Ok(None),
                Err(error) => self.fail(error),
            }
        }
    }

    /// False when more has to arrive.
    fn read(&mut self, input: &mut BytesMut) -> Result<bool, Error> {
        match &mut self.state {
            State::Head => match self.head.find(input, self.limits.max_head_len) {
                Found::Head(len) => {
                    let head = input.split_to(len);
                    self.read_head(&head)?;
                    Ok(true)
                }
                Found::Partial if self.eof => Err(Error::UnexpectedEof),
                Found::Partial => Ok(false),
                Found::TooLong => Err(Error::HeadTooLong(self.limits.max_head_len)),
            },
            State::Body(framing) => {
                let is_whole = framing.read(input, &mut self.body, self.limits.max_body_len)?;
                if is_whole || self.eof && *framing == Framing::UntilEof {
                    self.finish();
                    return Ok(true);
                }
                // What is left in the input then is a part of something.
                if self.eof {
                    Err(Error::UnexpectedEof)
                } else {
                    Ok(false)
                }
            }
            State::Done | State::Disconnected => Ok(false),
        }
    }

    fn read_head(&mut self, head: &[u8]) -> Result<(), Error> {
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut response = httparse::Response::new(&mut headers);
        match response.parse(head) {
            // What the parser would leave of it is a body for whoever reads lines otherwise.
            Ok(httparse::Status::Complete(len)) if len == head.len() => {}
            _ => return Err(Error::Head),
        }
        let status = response.code.ok_or(Error::Head)?;
        if (100..200).contains(&status) {
            // The real one follows (RFC 9110 section 15.2).
            return Ok(());
        }
        let find = |name: &str| {
            let mut all = response.headers.iter();
            all.find(|header| header.name.eq_ignore_ascii_case(name))
                .map(|header| header.value.trim_ascii())
        };
        if matches!(status, 301 | 302 | 303 | 307 | 308)
            && let Some(location) = find("location")
        {
            let location = String::from_utf8_lossy(location).into_owned();
            self.end_with(Event::Redirected { location });
            return Ok(());
        }
        // Some trackers send their failure reason with such a status, but not all with a body.
        if status != 200 {
            self.end_with(Event::Failed(Failure::Status(status)));
            return Ok(());
        }
        let coding = find("content-encoding").unwrap_or(b"identity");
        if !coding.eq_ignore_ascii_case(b"identity") {
            return Err(Error::Encoding);
        }
        let framing = match (find("transfer-encoding"), find("content-length")) {
            (Some(coding), None) if coding.eq_ignore_ascii_case(b"chunked") => {
                Framing::Chunked(Chunk::Size)
            }
            // RFC 9112 section 6.3: both at once is an attack or an error.
            (Some(_), _) => return Err(Error::Head),
            (None, Some(len)) => {
                let text = core::str::from_utf8(len).map_err(|_| Error::Head)?;
                let is_number = text.bytes().all(|octet| octet.is_ascii_digit());
                let len: u64 = text.parse().map_err(|_| Error::Head)?;
                if !is_number {
                    return Err(Error::Head);
                }
                // The verdict falls before the body comes.
                let max = self.limits.max_body_len;
                if usize::try_from(len).map_or(true, |len| len > max) {
                    return Err(BodyError::TooLong(max).into());
                }
                Framing::Length(len)
            }
            (None, None) => Framing::UntilEof,
        };
        self.state = State::Body(framing);
        Ok(())
    }

    /// The body is whole.
    fn finish(&mut self) {
        let body = core::mem::take(&mut self.body);
        let event = if self.is_scrape {
            match ScrapeReply::parse(body.chunk(), self.limits.max_peers) {
                Ok(ScrapeReply::Counts(counts)) => Event::Scraped(counts),
                Ok(ScrapeReply::Failure { reason }) => Event::Refused {
                    reason,
                    retry: None,
                },
                Err(error) => Event::Failed(Failure::Reply(error)),
            }
        } else {
            match Reply::parse(body.chunk(), self.limits.max_peers) {
                Ok(Reply::Announced(answer)) => Event::Announced(answer),
                Ok(Reply::Failure { reason, retry }) => Event::Refused { reason, retry },
                Err(error) => Event::Failed(Failure::Reply(error)),
            }
        };
        self.end_with(event);
    }

    fn end_with(&mut self, event: Event) {
        self.events.push_back(event);
        self.state = State::Done;
        self.closing = true;
        self.body = BytesMut::new();
        self.deadline = Some(self.now.saturating_add(self.limits.linger));
    }

    fn fail(&mut self, error: Error) {
        self.end_with(Event::Failed(Failure::Connection(error)));
        self.error = Some(error);
        self.output.clear();
    }

    /// Gives the exchange up: the final event says so, unless there was one.
    pub fn close(&mut self) {
        if matches!(self.state, State::Head | State::Body(_)) {
            self.end_with(Event::Failed(Failure::Closed));
        }
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
            return Some(Transmit::Data(data));
        }
        if self.closing && !self.shutdown_sent {
            self.shutdown_sent = true;
            if self.eof {
                self.end();
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
        match self.state {
            State::Head | State::Body(_) => self.timed_out = true,
            State::Done | State::Disconnected => self.abandon(),
        }
    }

    /// The peer has closed its side; `input` may still hold octets.
    pub fn handle_eof(&mut self, now: Duration) {
        self.advance_to(now);
        self.eof = true;
        if matches!(self.state, State::Done) && self.shutdown_sent {
            self.end();
        }
    }

    /// The transport is dead in both directions.
    pub fn handle_disconnect(&mut self, now: Duration) {
        self.advance_to(now);
        self.close();
        self.error = None;
        self.abandon();
    }

    /// False when nothing that may arrive is of use.
    #[must_use]
    pub fn wants_read(&self) -> bool {
        !self.eof && !matches!(self.state, State::Disconnected)
    }

    /// True when the connection can be dropped.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        let is_over = self.shutdown_sent && matches!(self.state, State::Disconnected);
        is_over && self.events.is_empty() && self.error.is_none()
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
