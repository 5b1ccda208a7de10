//! The server's side of one connection.
//!
//! ```text
//!                STARTTLS, or TLS from the start
//!      Handshake <---------------------------- Ready <---------------------------------+
//!          | handle_tls_established              | line                              |
//!          +------------------------------------>|                                   |
//!                                                v                                   |
//!      AUTH, MAIL, RCPT, VRFY, EXPN                   DATA, BDAT                       |
//!        Asking <------------------------------ command -----------> Body (Dots, Chunk)|
//!          | | |                                 |                     |  |            |
//!          | | +-- accept, reject ---------------|---------------------|--|-- chunk ---+
//!          | +---- challenge ----> Response -----+-- "*", a bad one ---|--|------------+
//!          |                                                           v end           |
//!          +------------------ accept, reject, answer_each <--------- Asking ----------+
//!
//!      EOF between lines, close(), QUIT --> Closing --+-- EOF or linger --> Closed
//!      errors, bare line ends ----------------------^  |
//! ```
//!
//! Beside it runs the transaction of RFC 5321 section 4.1.4: nothing, a sender, recipients, parts
//! of a message.

mod answer;
mod body;
mod command;
mod config;
mod event;

pub use config::{BareNewlines, Config, Limits, Stats};
pub use event::{
    AbortReason, Ask, AuthAsk, Error, Event, Fault, HelloKind, MailAsk, MessageAsk, RcptAsk,
    VerifyAsk,
};

use super::Protocol;
use super::wire::{BodyType, Reply};
use crate::dot::Unstuffer;
use crate::line::{Frame, LineDecoder, LineEnd};
use crate::newlines::NewlineCheck;
use crate::output::Output;
use crate::{TlsInfo, Transmit};
use alloc::boxed::Box;
use alloc::sync::Arc;
use bytes::{Buf, BytesMut};
use core::time::Duration;
use memchr::memchr;

/// One connection, seen from the server.
///
/// It keeps the order of the protocol, and asks the embedder who may log in, which senders and
/// recipients are taken, and what becomes of a message: see [`Event`].
#[derive(Debug)]
pub struct Session {
    config: Arc<Config>,
    limits: Arc<Limits>,
    state: State,
    transaction: Transaction,
    lines: LineDecoder,
    output: Output,
    tls: Option<Box<TlsInfo>>,
    /// Comes out before anything else that is to be said.
    notice: Option<Notice>,
    failure: Option<Error>,
    next_id: u64,
    now: Duration,
    deadline: Option<Duration>,
    flags: Flags,
    stats: Stats,
    /// Commands since the last message that moved no mail.
    idle_commands: u32,
}

#[derive(Clone, Copy, Debug)]
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
    /// A message in DATA.
    Dots(Unstuffer),
    /// A part of a message in BDAT; octets that are left of it.
    Chunk {
        left: u64,
        last: bool,
    },
    /// Input is discarded, output goes on.
    Closing,
    /// Dead both ways.
    Closed,
}

#[derive(Clone, Copy, Debug)]
struct Question {
    id: u64,
    kind: QuestionKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum QuestionKind {
    Auth,
    Mail,
    Rcpt,
    Verify,
    Message,
}

/// What is known of the message that is being handed over.
#[derive(Clone, Copy, Debug, Default)]
struct Transaction {
    has_sender: bool,
    /// Recipients that were accepted.
    recipients: u32,
    body: Option<BodyType>,
    smtputf8: bool,
    /// Octets of the message so far.
    octets: u64,
    /// Octets read since it was refused.
    discarded: u64,
    /// BDAT has begun.
    chunked: bool,
    newlines: NewlineCheck,
    /// Why the message will not be taken.
    refused: Option<AbortReason>,
}

#[derive(Debug)]
enum Notice {
    AuthCancelled,
    AnswerOverdue,
    Aborted(AbortReason),
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
    greeted: bool,
    /// HELO, EHLO or LHLO came.
    hello: bool,
    /// EHLO or LHLO came: enhanced codes are sent.
    extended: bool,
    authenticated: bool,
}

impl Session {
    /// A session that begins at `now`.
    ///
    /// The greeting is queued at once, or once TLS is there with [`Config::implicit_tls`].
    /// Configuration and limits may be shared by all sessions: pass an `Arc`.
    pub fn new(
        now: Duration,
        config: impl Into<Arc<Config>>,
        limits: impl Into<Arc<Limits>>,
    ) -> Self {
        let (config, limits) = (config.into(), limits.into());
        let mut session = Self {
            state: State::Handshake { start: false },
            transaction: Transaction::default(),
            // RFC 5321 section 2.3.8: CRLF alone ends a line.
            lines: LineDecoder::new(LineEnd::CrLf),
            output: Output::default(),
            tls: None,
            notice: None,
            failure: None,
            next_id: 0,
            now,
            deadline: Some(now.saturating_add(limits.idle)),
            flags: Flags::default(),
            stats: Stats::default(),
            idle_commands: 0,
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
    /// question is open, what follows stays there.
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
            match self.state {
                State::Handshake { .. } if !input.is_empty() => {
                    // RFC 3207 section 4.2 and CVE-2011-0411: what came in plaintext after STARTTLS
                    // must not be taken for something said under TLS.
                    let octets = input.len();
                    self.fail(Error::PlaintextAfterStartTls { octets }, input);
                }
                State::Handshake { .. } if self.flags.eof => {
                    self.fail(Error::UnexpectedEof { pending: 0 }, input);
                }
                State::Handshake { .. } | State::Asking(_) => {
                    if !self.flags.timed_out {
                        return Ok(None);
                    }
                    self.fail(Error::IdleTimeout, input);
                }
                State::Closing | State::Closed => {
                    self.discard(input);
                    return Ok(self.tell_eof());
                }
                State::Dots(_) | State::Chunk { .. } => {
                    let before = input.len();
                    let event = self.poll_body(input);
                    self.count_in(before, input);
                    let in_body = matches!(self.state, State::Dots(_) | State::Chunk { .. });
                    match event {
                        Some(event) => return Ok(Some(event)),
                        None if in_body && self.notice.is_none() => return Ok(None),
                        None => {}
                    }
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
            State::Closing => {
                self.output.clear();
                self.state = State::Closed;
            }
            State::Closed => {}
            State::Handshake { .. }
            | State::Ready
            | State::Response
            | State::Dots(_)
            | State::Chunk { .. } => self.flags.timed_out = true,
        }
    }

    /// The peer has closed its side; `input` may still hold commands.
    pub fn handle_eof(&mut self, now: Duration) {
        self.advance_to(now);
        self.flags.eof = true;
    }

    /// The transport is dead in both directions. Open questions become stale; a message that was
    /// not complete is [aborted](Event::Aborted).
    pub fn handle_disconnect(&mut self, now: Duration) {
        self.advance_to(now);
        self.abort(AbortReason::ConnectionLost);
        self.output.clear();
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
                self.set_ready();
                if !self.flags.greeted {
                    self.greet();
                }
            }
            State::Ready if is_untouched && self.tls.is_none() => {
                self.tls = Some(Box::new(tls));
            }
            _ => {}
        }
    }

    /// Ends our side: `421`, once all that is queued has left. An open question becomes stale, and
    /// a message that was not complete is [aborted](Event::Aborted).
    pub fn close(&mut self) {
        self.flags.closing = true;
        match &self.state {
            State::Closing | State::Closed => {}
            State::Handshake { .. } => self.begin_closing(),
            State::Ready
            | State::Response
            | State::Asking(_)
            | State::Dots(_)
            | State::Chunk { .. } => {
                // RFC 5321 section 3.8: a server that must shut down says 421.
                self.say("421 4.3.2 closing connection");
                self.abort(AbortReason::ConnectionLost);
                self.begin_closing();
            }
        }
    }

    /// False while nothing that may arrive could be handled: a question or a TLS handshake is open,
    /// or too many replies wait for the peer.
    #[must_use]
    pub fn wants_read(&self) -> bool {
        match self.state {
            State::Ready | State::Response => !self.flags.eof && !self.is_output_full(),
            State::Closing | State::Dots(_) | State::Chunk { .. } => !self.flags.eof,
            State::Handshake { .. } | State::Asking(_) | State::Closed => false,
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

    /// Whether a login was accepted.
    #[must_use]
    pub fn is_authenticated(&self) -> bool {
        self.flags.authenticated
    }

    /// Recipients of the message at hand that were accepted so far.
    #[must_use]
    pub fn recipients(&self) -> u32 {
        self.transaction.recipients
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
            let event = match self.lines.scan(input, limit) {
                Some(Frame::Line { text, len }) => {
                    self.restart_timer();
                    let event = self.handle_line(input.get(..text).unwrap_or_default());
                    input.advance(len.min(input.len()));
                    event
                }
                Some(Frame::TooLong) => {
                    self.restart_timer();
                    self.handle_long_line(limit)
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
        matches!(self.state, State::Ready | State::Response)
            && self.notice.is_none()
            && self.failure.is_none()
    }

    fn handle_no_line(&mut self, input: &mut BytesMut) {
        let pending = self.lines.pending(input);
        if self.flags.timed_out {
            self.fail(Error::IdleTimeout, input);
        } else if !self.flags.eof {
            // More may come.
        } else if pending == 0 && matches!(self.state, State::Ready) {
            // RFC 5321 section 4.1.1.10: without QUIT, an open transaction is as if RSET had come.
            self.abort(AbortReason::ConnectionLost);
            self.begin_closing();
        } else {
            self.fail(Error::UnexpectedEof { pending }, input);
        }
    }

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
            _ => limit,
        }
    }

    fn greet(&mut self) {
        self.state = State::Ready;
        self.flags.greeted = true;
        let mut text = BytesMut::from(self.config.host.as_bytes());
        if !self.config.greeting.is_empty() {
            text.extend_from_slice(b" ");
            text.extend_from_slice(self.config.greeting.as_bytes());
        }
        Reply::new(220, None, text).encode(false, self.output.tail());
    }

    fn reply(&mut self, reply: &Reply) {
        let enhanced = self.flags.extended && self.config.enhanced_status_codes;
        reply.encode(enhanced, self.output.tail());
    }

    /// A reply that is known in advance: its code, its enhanced code, its text.
    fn say(&mut self, line: &'static str) {
        let with_enhanced = self.flags.extended && self.config.enhanced_status_codes;
        let tail = self.output.tail();
        match line.as_bytes().split_at_checked(4) {
            Some((code, rest)) if !with_enhanced => {
                let text = memchr(b' ', rest).map_or(rest.len(), |blank| blank.saturating_add(1));
                tail.extend_from_slice(code);
                tail.extend_from_slice(rest.get(text..).unwrap_or_default());
            }
            _ => tail.extend_from_slice(line.as_bytes()),
        }
        tail.extend_from_slice(b"\r\n");
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

    /// The message at hand will not come to its end. Told if the embedder knows of one.
    fn abort(&mut self, reason: AbortReason) {
        let transaction = core::mem::take(&mut self.transaction);
        if transaction.has_sender && transaction.refused.is_none() {
            self.notice = Some(Notice::Aborted(reason));
        }
    }

    /// Ends the session by an error, with a farewell where one can be understood.
    fn fail(&mut self, error: Error, input: &mut BytesMut) {
        match error {
            Error::IdleTimeout => match self.state {
                State::Handshake { .. } => {}
                _ => self.say("421 4.3.2 idle for too long"),
            },
            Error::PlaintextAfterStartTls { .. } => {
                // Once the handshake has begun, plaintext would only confuse it.
                let may_speak = matches!(self.state, State::Handshake { start: true });
                self.output.clear();
                if may_speak {
                    self.say("503 5.5.1 nothing may follow STARTTLS");
                }
            }
            Error::TooManyBadCommands { .. } => self.say("421 4.3.2 too many bad commands"),
            Error::TooManyIdleCommands { .. } => {
                self.say("421 4.3.2 too many commands without mail")
            }
            Error::TooManyMessages { .. } => self.say("421 4.3.2 too many messages in one session"),
            Error::TooManyAuthFailures { .. } => self.say("421 4.3.2 too many failed logins"),
            Error::TooMuchDiscarded { .. } => {
                self.say("552 5.3.4 message far too large");
            }
            Error::OtherProtocol => self.say("421 4.3.2 this is a mail server"),
            Error::UnexpectedEof { .. } | Error::BadChunk | Error::BareNewline => {}
        }
        match error {
            Error::UnexpectedEof { .. }
            | Error::PlaintextAfterStartTls { .. }
            | Error::BadChunk
            | Error::BareNewline
            | Error::OtherProtocol => {}
            _ => self.count_limit(),
        }
        self.abort(AbortReason::ConnectionLost);
        self.state = State::Closing;
        self.flags.failed = true;
        self.flags.timed_out = false;
        self.flags.eof_told = true;
        self.failure = Some(error);
        self.restart_timer();
        self.discard(input);
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

    fn is_lmtp(&self) -> bool {
        self.config.protocol == Protocol::Lmtp
    }
}

impl From<Notice> for Event {
    fn from(notice: Notice) -> Self {
        match notice {
            Notice::AuthCancelled => Self::AuthCancelled,
            Notice::AnswerOverdue => Self::Fault(Fault::AnswerOverdue),
            Notice::Aborted(reason) => Self::Aborted { reason },
        }
    }
}
