//! A zone that is held as a copy of another server's (RFC 1034 section 4.3.5, RFC 1996).
//!
//! ```text
//!            refresh due, NOTIFY           handle_connected          last message
//!   Waiting ----------------> Connecting ------------------> Transferring ----> Waiting
//!      ^                          | handle_failed                 | error, silence
//!      +---- retry later, or the next primary <-------------------+
//! ```
//!
//! The question whether there is anything new is the transfer itself: an IXFR request is answered
//! with one SOA record when there is not (RFC 1995 section 4).

use super::stub::{Action, ConnectionId};
use super::transfer::{Incoming, Progress};
use crate::clock::WallClock;
use crate::random::Random;
use crate::server::Zone;
use crate::server::update::is_newer;
use crate::tsig::Key;
use crate::wire::{Name, Rcode};
use crate::{Limits, TransferError, UnixTime};
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

/// What a secondary has to say.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// A new version has come.
    Updated {
        /// The zone.
        zone: Arc<Zone>,
        /// The primary that gave it.
        from: SocketAddr,
        /// Whether it came as changes, not as a whole.
        incremental: bool,
    },
    /// The primary has nothing newer.
    UpToDate {
        /// The version that we have.
        serial: u32,
    },
    /// A transfer has failed; it is tried again.
    Failed {
        /// The primary.
        primary: SocketAddr,
        /// Why.
        error: TransferError,
    },
    /// No primary was reached for the time that the SOA record allows: the zone must not be served
    /// any more (RFC 1034 section 4.3.5).
    Expired,
}

/// Counters of a secondary.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Transfers that began.
    pub attempts: u64,
    /// New versions that came.
    pub updates: u64,
    /// Answers that there is nothing newer.
    pub up_to_date: u64,
    /// Transfers that failed.
    pub failures: u64,
    /// Notifications that did not come from a primary.
    pub strange_notifies: u64,
}

#[derive(Debug)]
enum State {
    Waiting,
    Connecting(ConnectionId),
    Transferring(ConnectionId, alloc::boxed::Box<Incoming>),
}

/// How long a zone that was never transferred waits before it is tried again.
const FIRST_RETRY: Duration = Duration::from_secs(10);
/// Events that wait at most; of more, the oldest go.
const MAX_EVENTS: usize = 64;
/// Bounds for the timers of SOA records: a primary must not make us ask all the time.
const MIN_TIMER: u32 = 1;
const MAX_TIMER: u32 = 2_419_200;

/// One zone as a secondary server holds it: it asks for new versions when the timers of the SOA
/// record say so, or when it is notified.
#[derive(Debug)]
pub struct Secondary {
    origin: Name,
    primaries: Vec<SocketAddr>,
    key: Option<Key>,
    limits: Limits,
    random: Random,
    now: Duration,
    clock: WallClock,
    zone: Option<Arc<Zone>>,
    state: State,
    /// The primary that is asked.
    turn: usize,
    /// Primaries that failed since the last success.
    failures: usize,
    /// Incremental transfers do not work: ask for the whole zone.
    whole: bool,
    /// A notification came during a transfer.
    again: bool,
    refresh_at: Option<Duration>,
    /// When the transfer under way has been silent for too long.
    silent_at: Option<Duration>,
    expire_at: Option<Duration>,
    next_connection: u64,
    stats: Stats,
    actions: VecDeque<Action>,
    events: VecDeque<Event>,
}

impl Secondary {
    /// A secondary that asks these primaries from `now` on, in turn. The seed is for the ids of
    /// requests.
    #[must_use]
    pub fn new(
        now: Duration,
        origin: Name,
        primaries: impl IntoIterator<Item = SocketAddr>,
        key: Option<Key>,
        limits: Limits,
        seed: [u8; 32],
    ) -> Self {
        Self {
            origin,
            primaries: primaries.into_iter().collect(),
            key,
            limits,
            random: Random::new(seed),
            now,
            clock: WallClock::default(),
            zone: None,
            state: State::Waiting,
            turn: 0,
            failures: 0,
            whole: false,
            again: false,
            refresh_at: Some(now),
            silent_at: None,
            expire_at: None,
            next_connection: 0,
            stats: Stats::default(),
            actions: VecDeque::new(),
            events: VecDeque::new(),
        }
    }

    /// Begins with a version that was kept.
    #[must_use]
    pub fn with_zone(mut self, zone: Arc<Zone>) -> Self {
        self.expire_at = zone.soa().and_then(|soa| self.after(timer(soa.expire)));
        self.zone = Some(zone);
        self
    }

    /// The origin of the zone.
    #[must_use]
    pub const fn origin(&self) -> &Name {
        &self.origin
    }

    /// The version that is held.
    #[must_use]
    pub const fn zone(&self) -> Option<&Arc<Zone>> {
        self.zone.as_ref()
    }

    /// Says what time it is, for signatures.
    pub fn handle_clock(&mut self, now: Duration, unix: UnixTime) {
        self.advance_to(now);
        self.clock.set(self.now, unix);
    }

    /// A server says that the zone has changed. Unless it is one of the primaries, that is ignored
    /// (RFC 1996 section 3.10); false then.
    pub fn handle_notify(&mut self, now: Duration, from: IpAddr, serial: Option<u32>) -> bool {
        self.advance_to(now);
        if !self.primaries.iter().any(|primary| primary.ip() == from) {
            count(&mut self.stats.strange_notifies);
            return false;
        }
        if let (Some(serial), Some(zone)) = (serial, &self.zone)
            && !is_newer(serial, zone.serial())
        {
            return true;
        }
        match self.state {
            State::Waiting => self.begin(),
            _ => self.again = true,
        }
        true
    }

    /// The next wish: a connection, a message on it, its end.
    pub fn poll_action(&mut self, now: Duration) -> Option<Action> {
        self.advance_to(now);
        self.run_timers();
        self.actions.pop_front()
    }

    /// The next event, if there is one. Of those that nobody fetches the last 64 are kept;
    /// [`zone`](Self::zone) is always the latest version.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        let timers = [self.refresh_at, self.silent_at, self.expire_at];
        timers.into_iter().flatten().min()
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Duration) {
        self.advance_to(now);
        self.run_timers();
    }

    /// A connection that was wished for is there.
    pub fn handle_connected(&mut self, now: Duration, id: ConnectionId) {
        self.advance_to(now);
        if !matches!(self.state, State::Connecting(open) if open == id) {
            return;
        }
        let current = self.zone.clone().filter(|_| !self.whole);
        let unix = self.unix();
        let key = self.key.as_ref().map(|key| (key, unix));
        let dns_id = self.random.id();
        let (incoming, message) =
            Incoming::request(self.origin.clone(), current, dns_id, key, &self.limits);
        self.actions.push_back(Action::Send { id, message });
        self.state = State::Transferring(id, incoming.into());
        self.silent_at = self.after(self.patience());
    }

    /// A message has come on a connection.
    pub fn handle_message(&mut self, now: Duration, id: ConnectionId, message: &[u8]) {
        self.advance_to(now);
        let unix = self.unix();
        let State::Transferring(open, incoming) = &mut self.state else {
            return;
        };
        if *open != id {
            return;
        }
        match incoming.handle_message(message, unix) {
            Ok(Progress::More) => {
                self.silent_at = self.after(self.patience());
            }
            Ok(Progress::UpToDate) => {
                let serial = self.zone.as_ref().map_or(0, |zone| zone.serial());
                self.succeed(id, Event::UpToDate { serial });
            }
            Ok(Progress::Done(zone)) => {
                let incremental = incoming.is_incremental();
                let from = self.primary();
                self.zone = Some(Arc::clone(&zone));
                self.succeed(
                    id,
                    Event::Updated {
                        zone,
                        from,
                        incremental,
                    },
                );
            }
            Err(error) => self.fail(id, error),
        }
    }

    /// A connection has ended, or could not be made.
    pub fn handle_closed(&mut self, now: Duration, id: ConnectionId) {
        self.advance_to(now);
        match self.state {
            State::Connecting(open) | State::Transferring(open, _) if open == id => {
                self.fail(id, TransferError::Disconnected);
            }
            _ => {}
        }
    }

    /// The bounds that were set.
    #[must_use]
    pub const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// What has happened so far.
    #[must_use]
    pub const fn stats(&self) -> Stats {
        self.stats
    }

    fn begin(&mut self) {
        if self.primaries.is_empty() {
            return;
        }
        count(&mut self.stats.attempts);
        let id = ConnectionId(self.next_connection);
        self.next_connection = self.next_connection.wrapping_add(1);
        let to = self.primary();
        self.actions.push_back(Action::Connect { id, to });
        self.state = State::Connecting(id);
        self.again = false;
        self.refresh_at = None;
        self.silent_at = self.after(self.patience());
    }

    fn succeed(&mut self, id: ConnectionId, event: Event) {
        self.close(id);
        count(match event {
            Event::Updated { .. } => &mut self.stats.updates,
            _ => &mut self.stats.up_to_date,
        });
        self.push_event(event);
        (self.failures, self.whole) = (0, false);
        if let Some(soa) = self.zone.as_ref().and_then(|zone| zone.soa()) {
            self.refresh_at = self.after(timer(soa.refresh));
            self.expire_at = self.after(timer(soa.expire));
        }
        if core::mem::take(&mut self.again) {
            self.begin();
        }
    }

    fn fail(&mut self, id: ConnectionId, error: TransferError) {
        let incremental = self.zone.is_some() && !self.whole;
        self.close(id);
        count(&mut self.stats.failures);
        let primary = self.primary();
        self.push_event(Event::Failed { primary, error });
        // RFC 1995 section 4: what does not work incrementally may work as a whole.
        let try_whole = match error {
            TransferError::Refused(rcode) => {
                matches!(rcode, Rcode::NOTIMP | Rcode::FORMERR | Rcode::SERVFAIL)
            }
            TransferError::Inconsistent
            | TransferError::Mismatch
            | TransferError::NoSoa
            | TransferError::Zone(_)
            | TransferError::Malformed(_) => true,
            _ => false,
        };
        if incremental && try_whole {
            self.whole = true;
            return self.begin();
        }
        self.whole = false;
        self.turn = self.turn.wrapping_add(1);
        self.failures = self.failures.saturating_add(1);
        if self.failures < self.primaries.len() {
            return self.begin();
        }
        self.failures = 0;
        let retry = self.zone.as_ref().and_then(|zone| zone.soa());
        let wait = retry.map_or(FIRST_RETRY, |soa| timer(soa.retry));
        self.refresh_at = self.after(wait);
    }

    fn close(&mut self, id: ConnectionId) {
        // What nobody has looked at is taken back, so that wishes do not pile up.
        let mut waiting = self.actions.iter();
        let unseen =
            waiting.any(|action| matches!(action, Action::Connect { id: wish, .. } if *wish == id));
        self.actions.retain(|action| action.id() != id);
        if !unseen {
            self.actions.push_back(Action::Close { id });
        }
        self.state = State::Waiting;
        self.silent_at = None;
    }

    fn run_timers(&mut self) {
        let due = |timer: Option<Duration>| timer.is_some_and(|at| at <= self.now);
        let (expired, silent, refresh) = (
            due(self.expire_at),
            due(self.silent_at),
            due(self.refresh_at),
        );
        if expired {
            self.expire_at = None;
            self.zone = None;
            self.push_event(Event::Expired);
        }
        if silent {
            match self.state {
                State::Connecting(id) | State::Transferring(id, _) => {
                    self.fail(id, TransferError::Timeout);
                }
                State::Waiting => self.silent_at = None,
            }
        }
        if refresh {
            self.refresh_at = None;
            if matches!(self.state, State::Waiting) {
                self.begin();
            }
        }
    }

    /// Events that nobody fetches do not pile up: the oldest ones go.
    fn push_event(&mut self, event: Event) {
        if self.events.len() >= MAX_EVENTS {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }

    fn primary(&self) -> SocketAddr {
        let turn = self.turn.checked_rem(self.primaries.len()).unwrap_or(0);
        let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
        self.primaries.get(turn).copied().unwrap_or(nowhere)
    }

    fn unix(&self) -> UnixTime {
        self.clock.at(self.now)
    }

    /// A timer; none when it would end after the end of time.
    fn after(&self, wait: Duration) -> Option<Duration> {
        self.now.checked_add(wait)
    }

    /// A timer never expires at the moment it is set.
    fn patience(&self) -> Duration {
        self.limits.transfer_idle.max(Duration::from_millis(1))
    }

    fn advance_to(&mut self, now: Duration) {
        self.now = self.now.max(now);
    }
}

const fn count(counter: &mut u64) {
    *counter = counter.saturating_add(1);
}

fn timer(seconds: u32) -> Duration {
    Duration::from_secs(seconds.clamp(MIN_TIMER, MAX_TIMER).into())
}
