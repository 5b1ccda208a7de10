//! The server's side of one connection.
//!
//! ```text
//!                  STLS, or TLS from the start
//!        Handshake <---------------------------- Ready <-------------------------+
//!            | handle_tls_established              | line                        |
//!            +------------------------------------>|                             |
//!                                                  |                             |
//!      USER/PASS, APOP, AUTH, RETR, TOP, QUIT      v       LIST, UIDL            |
//!        Asking <------------------------------ command ------------> Listing ---+ last line
//!          | | | |                                 |                             |
//!          | | | +-- accept, reject ---------------|-- all others ---------------+
//!          | | +---- challenge ----> Response -----+-- "*" or a bad one ---------+
//!          | +------ accept_stream -> Streaming -- end ---------------------------+
//!          +-------- accept_commit -> Closing
//!
//!      EOF between lines, close(), QUIT --> Closing --+-- EOF or linger --> Closed
//!      errors, abort_stream ----------------^         |
//! ```
//!
//! Beside it runs the state of RFC 1939: AUTHORIZATION until a login was accepted, then
//! TRANSACTION, and UPDATE after QUIT. Only UPDATE deletes, and only by [`Event::Commit`].

mod answer;
mod command;
mod config;
mod event;
mod top;

pub use config::{Config, Limits, Stats};
pub use event::{
    ApopProof, Ask, AuthAsk, BodyId, CommitAsk, Error, Event, Fault, LoginAsk, RetrieveAsk,
};

use super::maildrop::Maildrop;
use super::wire::{Reply, Timestamp, put_hex};
use crate::line::{Frame, LineDecoder};
use crate::output::Output;
use crate::{TlsInfo, Transmit, dot};
use alloc::boxed::Box;
use alloc::sync::Arc;
use bytes::{Buf, Bytes, BytesMut};
use core::time::Duration;
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use top::TopCutter;

/// Octets of a listing that are made at once, if the budget allows.
const LISTING_CHUNK: usize = 16 * 1024;

/// One connection, seen from the server.
///
/// It answers by itself whatever can be answered from the [`Maildrop`] that a login handed over
/// (STAT, LIST, UIDL, DELE, RSET, NOOP) and from its [`Config`] (CAPA, STLS, LANG, UTF8). For the
/// rest it asks: see [`Event`].
#[derive(Debug)]
pub struct Session {
    config: Arc<Config>,
    limits: Arc<Limits>,
    state: State,
    phase: Phase,
    lines: LineDecoder,
    output: Output,
    tls: Option<Box<TlsInfo>>,
    timestamp: Option<Timestamp>,
    /// Comes out before anything else that is to be said.
    notice: Option<Notice>,
    failure: Option<Error>,
    /// A body that TOP cut off, and whose rest may still be offered.
    cut_off: Option<u64>,
    next_id: u64,
    now: Duration,
    deadline: Option<Duration>,
    flags: Flags,
    stats: Stats,
}

#[derive(Debug)]
enum State {
    /// Nothing is read before TLS is there. `start` until the step was handed out.
    Handshake {
        start: bool,
    },
    /// A command is next.
    Ready,
    /// A SASL response is next.
    Response,
    Asking(Question),
    Listing(Listing),
    Streaming(Body),
    /// Input is discarded, output goes on.
    Closing,
    /// Dead both ways.
    Closed,
}

/// The states of RFC 1939.
#[derive(Debug)]
enum Phase {
    Authorization { user: Option<Bytes> },
    Transaction(Box<Maildrop>),
    Update,
}

#[derive(Clone, Copy, Debug)]
struct Question {
    id: u64,
    kind: QuestionKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum QuestionKind {
    Login,
    Auth,
    Retrieve { message: u32, lines: Option<u64> },
    Commit,
}

/// A multi-line answer that is made as it leaves.
#[derive(Clone, Copy, Debug)]
struct Listing {
    kind: ListingKind,
    next: u32,
}

#[derive(Clone, Copy, Debug)]
enum ListingKind {
    Scan,
    UniqueIds,
}

#[derive(Debug)]
struct Body {
    id: u64,
    stuffer: dot::Stuffer,
    top: Option<TopCutter>,
    /// Something stayed at the last call: say when there is room again.
    is_blocked: bool,
}

#[derive(Debug)]
enum Notice {
    BodyDone { body: u64, complete: bool },
    AuthCancelled,
    AnswerOverdue,
}

#[derive(Clone, Copy, Debug, Default)]
struct Flags {
    eof: bool,
    eof_told: bool,
    timed_out: bool,
    /// `close()` was called.
    closing: bool,
    /// It ended by an error: no farewell can be trusted to be read to its end.
    failed: bool,
    shutdown_sent: bool,
    utf8: bool,
}

impl Session {
    /// A session that begins at `now`.
    ///
    /// The greeting is queued at once, or once TLS is there with [`Config::implicit_tls`]. `seed`
    /// makes the timestamp of APOP unique: never use one twice. It is not used otherwise.
    /// Configuration and limits may be shared by all sessions: pass an `Arc`.
    pub fn new(
        now: Duration,
        config: impl Into<Arc<Config>>,
        limits: impl Into<Arc<Limits>>,
        seed: [u8; 32],
    ) -> Self {
        let (config, limits) = (config.into(), limits.into());
        let mut session = Self {
            state: State::Handshake { start: false },
            phase: Phase::Authorization { user: None },
            lines: LineDecoder::new(config.line_end),
            output: Output::default(),
            tls: None,
            timestamp: config.apop.then(|| timestamp(&config.host, seed)).flatten(),
            notice: None,
            failure: None,
            cut_off: None,
            next_id: 0,
            now,
            deadline: Some(now.saturating_add(limits.idle)),
            flags: Flags::default(),
            stats: Stats::default(),
            config,
            limits,
        };
        if !session.config.implicit_tls {
            session.greet();
        }
        session
    }

    /// Takes what it can from the front of `input` and returns the next event, if there is one.
    ///
    /// `input` is the embedder's read buffer; between calls it may only grow at its end. While a
    /// question or a multi-line answer is open, what follows stays there.
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
            if let Some(notice) = self.notice.take() {
                return Ok(Some(notice.into()));
            }
            if let Some(error) = self.failure.take() {
                return Err(error);
            }
            match &mut self.state {
                State::Handshake { .. } if !input.is_empty() => {
                    // RFC 2595 section 4 and CVE-2011-0411: what came in plaintext after STLS must
                    // not be taken for something said under TLS.
                    let octets = input.len();
                    self.fail(Error::PlaintextAfterStls { octets }, input);
                }
                State::Handshake { .. } if self.flags.eof => {
                    self.fail(Error::UnexpectedEof { pending: 0 }, input);
                }
                State::Streaming(body)
                    if body.is_blocked
                        && self.output.len() <= self.limits.max_queued_output / 2 =>
                {
                    body.is_blocked = false;
                    return Ok(Some(Event::Writable {
                        body: BodyId(body.id),
                    }));
                }
                State::Handshake { .. }
                | State::Asking(_)
                | State::Listing(_)
                | State::Streaming(_) => {
                    if !self.flags.timed_out {
                        return Ok(None);
                    }
                    self.fail(Error::IdleTimeout, input);
                }
                State::Closing | State::Closed => {
                    self.discard(input);
                    return Ok(self.tell_eof());
                }
                State::Ready | State::Response => match self.poll_line(input) {
                    Some(event) => return Ok(Some(event)),
                    None if self.is_waiting_for_line() => return Ok(None),
                    None => {}
                },
            }
        }
    }

    /// The next step for the transport; `Data` holds at most `budget` octets.
    #[must_use]
    pub fn poll_transmit(&mut self, now: Duration, budget: usize) -> Option<Transmit> {
        self.advance_to(now);
        if self.output.is_empty() && budget > 0 {
            self.make_listing(budget);
        }
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
        match &self.state {
            State::Asking(question) if self.limits.answer_deadline.is_some() => {
                self.answer_overdue(question.kind);
            }
            // The embedder is at work, not the peer: silence is no fault of the peer's.
            State::Asking(_) => self.restart_timer(),
            State::Streaming(_) if self.output.is_empty() => self.restart_timer(),
            State::Closing => {
                self.output.clear();
                self.state = State::Closed;
            }
            State::Closed => {}
            State::Handshake { .. }
            | State::Ready
            | State::Response
            | State::Listing(_)
            | State::Streaming(_) => self.flags.timed_out = true,
        }
    }

    /// The peer has closed its side; `input` may still hold commands.
    pub fn handle_eof(&mut self, now: Duration) {
        self.advance_to(now);
        self.flags.eof = true;
    }

    /// The transport is dead in both directions. Open questions become stale, nothing is deleted.
    pub fn handle_disconnect(&mut self, now: Duration) {
        self.advance_to(now);
        self.end_body();
        self.output.clear();
        self.phase = Phase::Update;
        self.state = State::Closed;
        self.deadline = None;
        self.failure = None;
        self.flags.eof = true;
        self.flags.eof_told = true;
        self.flags.shutdown_sent = true;
    }

    /// TLS is established: after [`Transmit::StartTls`], or as the first call of all with
    /// [`Config::implicit_tls`]. Anywhere else it does nothing.
    pub fn handle_tls_established(&mut self, now: Duration, tls: TlsInfo) {
        self.advance_to(now);
        let is_untouched = self.stats.octets_in == 0 && self.stats.octets_out == 0;
        match &self.state {
            State::Handshake { start: false } if self.output.is_empty() => {
                self.tls = Some(Box::new(tls));
                let is_first = is_untouched && self.config.implicit_tls;
                self.set_ready();
                if is_first {
                    self.greet();
                }
            }
            State::Ready if is_untouched && self.tls.is_none() => {
                self.tls = Some(Box::new(tls));
            }
            _ => {}
        }
    }

    /// Ends our side once all that is queued has left. A body that is being sent still goes to its
    /// end; no further command is taken, and an open question becomes stale.
    pub fn close(&mut self) {
        self.flags.closing = true;
        match &self.state {
            State::Listing(_) | State::Streaming(_) | State::Closing | State::Closed => {}
            State::Handshake { .. } | State::Ready | State::Response | State::Asking(_) => {
                self.begin_closing();
            }
        }
    }

    /// False while nothing that may arrive could be handled: a question, a multi-line answer or a
    /// TLS handshake is open, or too much output waits for the peer.
    #[must_use]
    pub fn wants_read(&self) -> bool {
        match self.state {
            State::Ready | State::Response => !self.flags.eof && !self.is_output_full(),
            State::Closing => !self.flags.eof,
            State::Handshake { .. }
            | State::Asking(_)
            | State::Listing(_)
            | State::Streaming(_)
            | State::Closed => false,
        }
    }

    /// True when the connection can be dropped.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        let is_over = match self.state {
            State::Closed => true,
            State::Closing => self.flags.eof,
            _ => false,
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

    /// Whether the client has sent UTF8: from then on messages may go out internationalized
    /// (RFC 6856 section 2).
    #[must_use]
    pub fn is_utf8(&self) -> bool {
        self.flags.utf8
    }

    /// The maildrop of the login, marks included, between login and QUIT.
    #[must_use]
    pub fn maildrop(&self) -> Option<&Maildrop> {
        match &self.phase {
            Phase::Transaction(maildrop) => Some(maildrop),
            Phase::Authorization { .. } | Phase::Update => None,
        }
    }

    /// One line from the input, with all that the machine answers by itself before it. Nothing when
    /// there is no line, or something else is to be said first.
    fn poll_line(&mut self, input: &mut BytesMut) -> Option<Event> {
        loop {
            if !self.is_waiting_for_line() {
                return None;
            }
            if self.is_output_full() {
                if self.flags.timed_out {
                    self.fail(Error::IdleTimeout, input);
                }
                return None;
            }
            let limit = self.line_limit(input);
            let before = input.len();
            let frame = self.lines.scan(input, limit);
            let event = match frame {
                Some(Frame::Line { text, len }) => {
                    self.restart_timer();
                    let event = self.handle_line(input.get(..text).unwrap_or_default());
                    input.advance(len.min(input.len()));
                    event
                }
                Some(Frame::TooLong) => {
                    self.restart_timer();
                    Some(self.handle_long_line(limit))
                }
                None => {
                    self.count_in(before, input);
                    self.handle_no_line(input);
                    return None;
                }
            };
            self.count_in(before, input);
            if event.is_some() {
                return event;
            }
        }
    }

    fn is_waiting_for_line(&self) -> bool {
        matches!(self.state, State::Ready | State::Response) && self.notice.is_none()
    }

    fn handle_no_line(&mut self, input: &mut BytesMut) {
        let pending = self.lines.pending(input);
        if self.flags.timed_out {
            self.fail(Error::IdleTimeout, input);
        } else if !self.flags.eof {
            // More may come.
        } else if pending == 0 && matches!(self.state, State::Ready) {
            // RFC 1939 section 6: a session that ends without QUIT does not enter the UPDATE state
            // and must not delete anything.
            self.begin_closing();
            self.phase = Phase::Update;
        } else {
            self.fail(Error::UnexpectedEof { pending }, input);
        }
    }

    /// RFC 2449 section 4 bounds commands; SASL tokens need more, and RFC 6856 counts characters.
    fn line_limit(&self, input: &BytesMut) -> usize {
        let limit = self.limits.max_command_line;
        let is_auth = || {
            input
                .first_chunk::<5>()
                .is_some_and(|word| word.eq_ignore_ascii_case(b"AUTH "))
        };
        match self.state {
            State::Response => self.limits.max_auth_line,
            _ if is_auth() => self.limits.max_auth_line.max(limit),
            _ if self.flags.utf8 => limit.saturating_mul(4),
            _ => limit,
        }
    }

    /// Makes lines of an open listing until the budget is filled.
    fn make_listing(&mut self, budget: usize) {
        let (State::Listing(listing), Phase::Transaction(maildrop)) =
            (&mut self.state, &self.phase)
        else {
            return;
        };
        let tail = self.output.tail();
        while tail.len() < budget.min(LISTING_CHUNK) {
            let message = listing.next;
            if message > maildrop.len() {
                tail.extend_from_slice(b".\r\n");
                self.set_ready();
                return;
            }
            listing.next = message.saturating_add(1);
            let is_listed = match listing.kind {
                ListingKind::Scan => maildrop.scan(message).map(|item| item.encode(tail)),
                ListingKind::UniqueIds => maildrop.unique_id(message).map(|item| item.encode(tail)),
            };
            if is_listed.is_some() {
                tail.extend_from_slice(b"\r\n");
            }
        }
    }

    fn greet(&mut self) {
        self.state = State::Ready;
        let text = match &self.timestamp {
            Some(timestamp) => {
                let mut text = BytesMut::from(self.config.greeting.as_bytes());
                text.extend_from_slice(b" ");
                text.extend_from_slice(timestamp.as_str().as_bytes());
                text.freeze()
            }
            None => Bytes::copy_from_slice(self.config.greeting.as_bytes()),
        };
        self.reply(&Reply::ok(text));
    }

    fn reply(&mut self, reply: &Reply) {
        reply.encode(self.output.tail());
    }

    /// The command is over; the next one may come, unless [`close`](Self::close) was called.
    fn set_ready(&mut self) {
        self.state = State::Ready;
        self.restart_timer();
        if self.flags.closing {
            self.begin_closing();
        }
    }

    fn ask(&mut self, kind: QuestionKind) -> u64 {
        let id = self.next_id;
        self.next_id = id.wrapping_add(1);
        self.state = State::Asking(Question { id, kind });
        self.restart_timer();
        id
    }

    fn begin_closing(&mut self) {
        self.state = State::Closing;
        self.restart_timer();
    }

    /// Ends the session by an error, with a farewell where one can be understood.
    fn fail(&mut self, error: Error, input: &mut BytesMut) {
        let may_speak = matches!(
            self.state,
            State::Ready | State::Response | State::Asking(_)
        );
        match error {
            Error::IdleTimeout if may_speak => {
                self.output
                    .copy(b"-ERR idle for too long, nothing was deleted\r\n");
            }
            // Once the handshake has begun, plaintext would only confuse it.
            Error::PlaintextAfterStls { .. }
                if matches!(self.state, State::Handshake { start: true }) =>
            {
                self.output.clear();
                self.output.copy(b"-ERR nothing may follow STLS\r\n");
            }
            Error::TooManyBadCommands { .. } => {
                self.output.copy(b"-ERR too many bad commands\r\n");
            }
            _ if may_speak => {}
            // In the midst of a multi-line answer every line would be taken for a part of it.
            _ => self.output.clear(),
        }
        match error {
            Error::IdleTimeout
            | Error::TooManyBadCommands { .. }
            | Error::TooManyAuthFailures { .. } => self.count_limit(),
            Error::UnexpectedEof { .. }
            | Error::PlaintextAfterStls { .. }
            | Error::OtherProtocol => {}
        }
        self.end_body();
        self.phase = Phase::Update;
        self.state = State::Closing;
        self.flags.failed = true;
        self.flags.timed_out = false;
        self.flags.eof_told = true;
        self.failure = Some(error);
        self.restart_timer();
        self.discard(input);
    }

    fn end_body(&mut self) {
        if let State::Streaming(body) = &self.state {
            self.notice = Some(Notice::BodyDone {
                body: body.id,
                complete: false,
            });
        }
        self.cut_off = None;
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

    fn count_limit(&mut self) {
        self.stats.limits_tripped = self.stats.limits_tripped.saturating_add(1);
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
            State::Closed => return self.deadline = None,
            State::Closing if self.flags.failed || self.flags.shutdown_sent => self.limits.linger,
            State::Asking(_) => self.limits.answer_deadline.unwrap_or(self.limits.idle),
            _ => self.limits.idle,
        };
        self.flags.timed_out = false;
        self.deadline = Some(self.now.saturating_add(delay));
    }

    fn is_output_full(&self) -> bool {
        self.output.len() >= self.limits.max_queued_output
    }
}

impl From<Notice> for Event {
    fn from(notice: Notice) -> Self {
        match notice {
            Notice::BodyDone { body, complete } => Self::BodyDone {
                body: BodyId(body),
                complete,
            },
            Notice::AuthCancelled => Self::AuthCancelled,
            Notice::AnswerOverdue => Self::Fault(Fault::AnswerOverdue),
        }
    }
}

/// A msg-id that nobody can foresee: RFC 1939 section 7 wants it different in each greeting.
fn timestamp(host: &str, seed: [u8; 32]) -> Option<Timestamp> {
    let mut rng = ChaCha20Rng::from_seed(seed);
    let mut unique = [0; 16];
    rng.fill_bytes(&mut unique);
    let with_domain = |domain: &str| {
        let mut text = BytesMut::from(&b"<"[..]);
        put_hex(&unique, &mut text);
        text.extend_from_slice(b"@");
        text.extend_from_slice(domain.as_bytes());
        text.extend_from_slice(b">");
        Timestamp::new(text).ok()
    };
    with_domain(host).or_else(|| with_domain("localhost"))
}
