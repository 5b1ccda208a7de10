//! The client's side of a session: a queue of commands, a queue of expected replies, and wishes for
//! data connections.
//!
//! ```text
//!   ops --> current: its lines --> sent --> expected: one entry for each reply to come
//!                                              |
//!   transfer:  EPSV/PASV 229/227 --> Connect --> (Secure) --> Start --> data over --+
//!              RETR      150 -------------------------------------------> 226 ------+--> Done
//!                                        either of the two may come first
//! ```
//!
//! With [`Config::pipelining`] lines leave before the replies to those before them, until the first
//! refusal that others in flight depend on: from then on it is one at a time.

mod command;
mod config;
mod data;
mod event;
mod reply;

pub use config::{Config, Stats};
pub use event::{Action, CommandId, DataId, Direction, Error, Event, Fault, UsageError};

use crate::data::{Format, Mode, Structure, Type};
use crate::wire::{Arg, ReplyDecoder, Verb};
use crate::{ClientLimits, TlsInfo, Transmit};
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use bytes::{Bytes, BytesMut};
use command::TransferPlan;
use core::net::SocketAddr;
use core::time::Duration;

/// A session, seen from the client.
#[derive(Debug)]
pub struct Session {
    config: Arc<Config>,
    limits: Arc<ClientLimits>,
    local: SocketAddr,
    peer: SocketAddr,
    now: Duration,
    state: State,
    replies: ReplyDecoder,
    out: VecDeque<Out>,
    events: VecDeque<Event>,
    actions: VecDeque<Action>,
    failure: Option<Error>,
    ops: VecDeque<Op>,
    current: Option<Current>,
    expected: VecDeque<Expected>,
    transfer: Option<Transfer>,
    /// The last 2xx of a transfer that ABOR came too late for, while ABOR has no reply of its own;
    /// `true` once PWD was sent to find out whether there will be one.
    lone: Option<(Box<crate::wire::Reply>, bool)>,
    /// What TYPE, STRU and MODE are, once all that is in flight was accepted.
    assumed: Format,
    is_type_known: bool,
    use_epsv: bool,
    /// Pipelining was given up.
    is_lock_step: bool,
    is_quitting: bool,
    is_private: bool,
    /// TLS was left by CCC, after a login under it.
    is_cleared: bool,
    greeted: bool,
    eof: bool,
    shutdown_sent: bool,
    tls: Option<Box<TlsInfo>>,
    next_id: u64,
    since: Duration,
    /// Octets of one [`Action::Pump`]; zero where the embedder moves none.
    pump: u64,
    stats: Stats,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nothing is read before TLS is there.
    Handshake,
    /// CCC was answered: TLS is to end.
    StoppingTls,
    Open,
    Closing,
    Closed,
}

/// Output in its order.
enum Out {
    Data(BytesMut),
    Urgent,
    StartTls,
    StopTls,
}

/// Shows no octet: passwords pass through here.
impl core::fmt::Debug for Out {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Data(_) => "Data(..)",
            Self::Urgent => "Urgent",
            Self::StartTls => "StartTls",
            Self::StopTls => "StopTls",
        })
    }
}

#[derive(Debug)]
struct Op {
    id: CommandId,
    plan: Plan,
    needs_tls: bool,
}

#[derive(Debug)]
enum Plan {
    Lines(VecDeque<Line>),
    Transfer(TransferPlan),
}

impl Plan {
    fn one(line: Line) -> Self {
        Self::Lines(VecDeque::from([line]))
    }
}

/// The command whose lines are being sent.
#[derive(Debug)]
struct Current {
    id: CommandId,
    lines: VecDeque<Line>,
    plan: Option<TransferPlan>,
}

#[derive(Clone, Debug)]
struct Line {
    verb: Verb,
    arg: Option<Arg>,
    what: What,
}

impl Line {
    fn new(verb: Verb, arg: Option<Arg>, what: What) -> Self {
        Self { verb, arg, what }
    }
}

/// What the reply to a line means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Greeting,
    User,
    Pass,
    Acct,
    Auth,
    Prot(bool),
    Ccc,
    Type(Type),
    Mode(Mode),
    Structure(Structure),
    Passive(bool),
    Active,
    Rest,
    Transfer,
    Quit,
    Rein,
    Abor,
    /// PWD, which answers 257 as ABOR never is.
    Probe,
    Plain,
}

#[derive(Clone, Debug)]
struct Expected {
    id: CommandId,
    what: What,
    /// No further line of its command follows.
    is_last: bool,
    /// Its command is over already; the reply is read and forgotten.
    is_orphan: bool,
}

/// The transfer that is prepared or runs.
#[derive(Debug)]
struct Transfer {
    command: CommandId,
    plan: TransferPlan,
    id: DataId,
    format: Format,
    stage: Stage,
    /// The server said 1xx.
    is_started: bool,
    listening: Option<SocketAddr>,
    octets: u64,
    /// Octets that may still be moved before another wish.
    credit: u64,
    /// How the data connection ended.
    data: Option<bool>,
    reply: Option<crate::wire::Reply>,
    is_aborted: bool,
    since: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Where to is not known yet.
    Preparing,
    Connecting,
    Connected,
    Securing,
    Running,
    Over,
}

impl Session {
    /// A session that begins at `now` between two addresses.
    pub fn new(
        now: Duration,
        config: impl Into<Arc<Config>>,
        limits: impl Into<Arc<ClientLimits>>,
        local: SocketAddr,
        peer: SocketAddr,
    ) -> Self {
        let (config, limits) = (config.into(), limits.into());
        let state = if config.implicit_tls {
            State::Handshake
        } else {
            State::Open
        };
        Self {
            local,
            peer,
            now,
            state,
            replies: ReplyDecoder::new(limits.max_line, limits.max_reply, limits.max_reply_lines),
            out: VecDeque::new(),
            events: VecDeque::new(),
            actions: VecDeque::new(),
            failure: None,
            ops: VecDeque::new(),
            current: None,
            expected: VecDeque::from([Expected {
                id: CommandId(0),
                what: What::Greeting,
                is_last: true,
                is_orphan: false,
            }]),
            transfer: None,
            lone: None,
            assumed: Format::default(),
            is_type_known: true,
            use_epsv: config.epsv,
            is_lock_step: !config.pipelining,
            is_quitting: false,
            is_private: false,
            is_cleared: false,
            greeted: false,
            eof: false,
            shutdown_sent: false,
            tls: None,
            next_id: 0,
            since: now,
            pump: 0,
            stats: Stats::default(),
            config,
            limits,
        }
    }

    /// Takes what it can from the front of `input` and returns the next event, if there is one.
    ///
    /// # Errors
    ///
    /// [`Error`] once, after every event before it, among them the end of every command.
    pub fn poll_event(
        &mut self,
        now: Duration,
        input: &mut BytesMut,
    ) -> Result<Option<Event>, Error> {
        self.advance_to(now);
        loop {
            if let Some(event) = self.events.pop_front() {
                if self.events.is_empty() {
                    self.events = VecDeque::new();
                }
                return Ok(Some(event));
            }
            if let Some(error) = self.failure.take() {
                return Err(error);
            }
            match self.state {
                State::Handshake if !input.is_empty() && !self.config.implicit_tls => {
                    // CVE-2021-22947: what came in plaintext after 234 must not be taken for
                    // something said under TLS.
                    let octets = input.len();
                    self.fail(Error::PlaintextAfterAuth { octets });
                    continue;
                }
                State::Handshake if self.eof => {
                    self.fail(Error::UnexpectedEof);
                    continue;
                }
                State::Handshake | State::StoppingTls => return Ok(None),
                State::Closing | State::Closed => {
                    input.clear();
                    return Ok(None);
                }
                State::Open => {}
            }
            match self.replies.decode(input) {
                Ok(Some(reply)) => {
                    self.stats.replies = self.stats.replies.saturating_add(1);
                    self.since = self.now;
                    self.reply(reply);
                }
                Ok(None) if self.eof => {
                    let is_clean = input.is_empty() && !self.replies.is_inside();
                    if is_clean && self.expected.is_empty() && self.transfer.is_none() {
                        self.events.push_back(Event::PeerClosed);
                        self.end_all();
                        self.state = State::Closing;
                    } else {
                        self.fail(Error::UnexpectedEof);
                    }
                }
                Ok(None) => return Ok(None),
                Err(error) => self.fail(error.into()),
            }
        }
    }

    /// The next step for the transport; `Data` holds at most `budget` octets.
    #[must_use]
    pub fn poll_transmit(&mut self, now: Duration, budget: usize) -> Option<Transmit> {
        self.advance_to(now);
        self.send_lines();
        match self.out.front_mut() {
            Some(Out::Data(data)) => {
                if budget == 0 {
                    return None;
                }
                let piece = data.split_to(data.len().min(budget)).freeze();
                if data.is_empty() {
                    self.out.pop_front();
                    self.shrink();
                }
                let octets = u64::try_from(piece.len()).unwrap_or(u64::MAX);
                self.stats.octets_out = self.stats.octets_out.saturating_add(octets);
                return Some(Transmit::Data(piece));
            }
            Some(Out::Urgent) => {
                self.out.pop_front();
                // Interrupt Process and Data Mark; the mark is the urgent octet (RFC 854).
                return Some(Transmit::Urgent(Bytes::from_static(b"\xff\xf4\xff\xf2")));
            }
            Some(Out::StartTls) => {
                self.out.pop_front();
                return Some(Transmit::StartTls);
            }
            Some(Out::StopTls) => {
                self.out.pop_front();
                self.state = State::Open;
                return Some(Transmit::StopTls);
            }
            None => {}
        }
        if matches!(self.state, State::Closing | State::Closed) && !self.shutdown_sent {
            self.shutdown_sent = true;
            self.since = self.now;
            return Some(Transmit::Shutdown);
        }
        None
    }

    fn shrink(&mut self) {
        if self.out.is_empty() {
            self.out = VecDeque::new();
        }
    }

    /// The next wish, until `None`.
    #[must_use]
    pub fn poll_action(&mut self, now: Duration) -> Option<Action> {
        self.advance_to(now);
        self.send_lines();
        let action = self.actions.pop_front();
        if self.actions.is_empty() {
            self.actions = VecDeque::new();
        }
        action
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called; may change after any call.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        match self.state {
            State::Closed => None,
            State::Closing => Some(self.since.saturating_add(self.limits.linger)),
            _ => {
                if let Some(transfer) = &self.transfer {
                    return match transfer.stage {
                        // The server has not said yet that it begins.
                        Stage::Connected if !transfer.is_started => {
                            Some(transfer.since.saturating_add(self.limits.reply))
                        }
                        Stage::Connecting | Stage::Connected | Stage::Securing => {
                            Some(transfer.since.saturating_add(self.limits.data_wait))
                        }
                        // The data connection has its own measure of silence.
                        Stage::Running => None,
                        Stage::Preparing | Stage::Over => {
                            Some(self.since.saturating_add(self.limits.reply))
                        }
                    };
                }
                let patience = match self.lone {
                    Some((_, false)) => self.limits.abort.min(self.limits.reply),
                    _ => self.limits.reply,
                };
                (!self.expected.is_empty()).then(|| self.since.saturating_add(patience))
            }
        }
    }

    /// Tells that time has passed. Calls before the deadline do nothing.
    pub fn handle_timeout(&mut self, now: Duration) {
        self.advance_to(now);
        if self
            .poll_timeout()
            .is_none_or(|deadline| self.now < deadline)
        {
            return;
        }
        self.since = self.now;
        match self.state {
            State::Closed => {}
            State::Closing => {
                self.out.clear();
                self.shutdown_sent = true;
                self.state = State::Closed;
            }
            _ => match &mut self.transfer {
                Some(transfer)
                    if matches!(
                        transfer.stage,
                        Stage::Connecting | Stage::Connected | Stage::Securing
                    ) =>
                {
                    let id = transfer.id;
                    transfer.since = self.now;
                    self.handle_failed(now, id);
                }
                None if matches!(self.lone, Some((_, false))) => self.probe(),
                _ => self.fail(Error::Timeout),
            },
        }
    }

    /// The server has closed its side.
    pub fn handle_eof(&mut self, now: Duration) {
        self.advance_to(now);
        self.eof = true;
    }

    /// The control connection is dead.
    pub fn handle_disconnect(&mut self, now: Duration) {
        self.advance_to(now);
        let was_over = self.is_over();
        if !was_over {
            self.fail(Error::Disconnected);
        }
        self.out.clear();
        self.shutdown_sent = true;
        self.state = State::Closed;
    }

    /// The handshake on the control connection is done.
    pub fn handle_tls_established(&mut self, now: Duration, tls: TlsInfo) {
        self.advance_to(now);
        if self.state != State::Handshake {
            return;
        }
        self.tls = Some(Box::new(tls));
        self.state = State::Open;
        self.since = self.now;
        self.events.push_back(Event::TlsEstablished);
    }

    /// Ends our side once all that is queued was answered: QUIT, unless that was said already.
    pub fn close(&mut self) {
        if self.quit().is_err() {
            // It is on its way, or all is over.
        }
    }

    /// Whether reading makes sense now.
    #[must_use]
    pub fn wants_read(&self) -> bool {
        !matches!(
            self.state,
            State::Handshake | State::StoppingTls | State::Closed
        )
    }

    /// Whether the connection can be dropped.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        match self.state {
            State::Closed => true,
            State::Closing => self.shutdown_sent && self.eof,
            _ => false,
        }
    }

    /// Counters.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.stats
    }

    /// What TLS established on the control connection, while it is there.
    #[must_use]
    pub fn tls(&self) -> Option<&TlsInfo> {
        self.tls.as_deref()
    }

    /// Whether commands leave before the replies to those before them.
    #[must_use]
    pub fn is_pipelining(&self) -> bool {
        !self.is_lock_step
    }

    fn is_over(&self) -> bool {
        matches!(self.state, State::Closing | State::Closed)
    }

    fn advance_to(&mut self, now: Duration) {
        self.now = self.now.max(now);
    }

    fn new_id(&mut self) -> u64 {
        self.next_id = self.next_id.saturating_add(1);
        self.next_id
    }

    fn fail(&mut self, error: Error) {
        self.end_all();
        if self.failure.is_none() {
            self.failure = Some(error);
        }
        self.out.clear();
        self.state = State::Closing;
        self.since = self.now;
    }

    /// Every command that is not over fails, in the order in which they were given.
    fn end_all(&mut self) {
        let mut ids = alloc::vec::Vec::new();
        for expected in &self.expected {
            if expected.what != What::Greeting && !expected.is_orphan {
                ids.push(expected.id);
            }
        }
        if let Some(transfer) = self.transfer.take() {
            self.actions.push_back(Action::Close { id: transfer.id });
            ids.push(transfer.command);
        }
        ids.extend(self.current.take().map(|current| current.id));
        ids.extend(self.ops.drain(..).map(|op| op.id));
        ids.sort_unstable();
        ids.dedup();
        self.expected.clear();
        for id in ids {
            self.events.push_back(Event::Failed {
                id,
                fault: Fault::SessionEnded,
            });
        }
    }

    /// Asks something that has another reply than ABOR.
    fn probe(&mut self) {
        if let Some((_, is_probed)) = &mut self.lone {
            *is_probed = true;
        }
        let id = CommandId(self.new_id());
        self.expected.push_back(Expected {
            id,
            what: What::Probe,
            is_last: true,
            is_orphan: true,
        });
        self.write(Verb::Pwd, None);
    }

    /// Sends what may be sent now.
    fn send_lines(&mut self) {
        while self.state == State::Open && self.may_send() {
            if self.current.is_none() && !self.next_op() {
                return;
            }
            let Some(current) = &mut self.current else {
                return;
            };
            let Some(line) = current.lines.front() else {
                self.current = None;
                continue;
            };
            if line.what == What::Active {
                match self.active_line() {
                    Some(line) => self.put(line),
                    None => return,
                }
                continue;
            }
            if let Some(line) = current.lines.pop_front() {
                self.put(line);
            }
        }
    }

    fn may_send(&self) -> bool {
        let is_barred = |expected: &Expected| {
            matches!(
                expected.what,
                What::Auth | What::Ccc | What::Quit | What::Rein | What::Abor | What::Probe
            )
        };
        if self.expected.iter().any(is_barred) {
            return false;
        }
        // What follows a transfer waits for it: its data connection is the only one.
        if self.transfer.is_some()
            && self
                .current
                .as_ref()
                .is_none_or(|current| current.plan.is_none())
        {
            return false;
        }
        if self.expected.is_empty() {
            return true;
        }
        if self.is_lock_step || self.expected.len() >= self.limits.max_in_flight {
            return false;
        }
        self.greeted || self.config.eager
    }

    /// Makes the next command the current one. False when there is none that may begin.
    fn next_op(&mut self) -> bool {
        loop {
            let Some(op) = self.ops.pop_front() else {
                self.ops = VecDeque::new();
                return false;
            };
            // After CCC the data is still private, and no password is sent any more.
            let is_covered =
                self.is_cleared && self.is_private && matches!(op.plan, Plan::Transfer(_));
            let is_bare = self.tls.is_none() && !is_covered;
            if op.needs_tls && self.config.require_tls && is_bare {
                self.events.push_back(Event::Failed {
                    id: op.id,
                    fault: Fault::TlsRequired,
                });
                continue;
            }
            let (lines, plan) = match op.plan {
                Plan::Lines(lines) => (lines, None),
                Plan::Transfer(plan) => {
                    let lines = self.transfer_lines(&plan);
                    self.prepare(op.id, &plan);
                    (lines, Some(plan))
                }
            };
            self.current = Some(Current {
                id: op.id,
                lines,
                plan,
            });
            return true;
        }
    }

    fn put(&mut self, line: Line) {
        let Some(current) = &self.current else { return };
        let expected = Expected {
            id: current.id,
            what: line.what,
            is_last: current.lines.is_empty(),
            is_orphan: false,
        };
        if expected.is_last {
            self.current = None;
        }
        match line.what {
            What::Type(kind) => {
                self.assumed.kind = kind;
                self.is_type_known = true;
            }
            What::Mode(mode) => self.assumed.mode = mode,
            What::Structure(structure) => self.assumed.structure = structure,
            _ => {}
        }
        if self.expected.is_empty() {
            self.since = self.now;
        }
        self.expected.push_back(expected);
        self.write(line.verb, line.arg.as_ref());
    }

    fn write(&mut self, verb: Verb, arg: Option<&Arg>) {
        self.stats.commands = self.stats.commands.saturating_add(1);
        if let Some(Out::Data(data)) = self.out.back_mut() {
            verb.encode(arg, data);
            return;
        }
        let mut data = BytesMut::new();
        verb.encode(arg, &mut data);
        self.out.push_back(Out::Data(data));
    }
}
