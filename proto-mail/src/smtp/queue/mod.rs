//! The outgoing queue: what a mail server does with messages for other servers.
//!
//! ```text
//!      submit, restore --Store--> Waiting --due--> of all destinations whose time has come, each:
//!
//!      Idle --Exchangers--> Routing --Addresses--> Routing --Connect--> Connecting --+
//!       ^                     ^  next host            ^ next address     | failed    | connected
//!       |                     +-----------------------+------------------+           v
//!       +--- nothing is due, or all addresses failed ---------------------------- Open: one message
//!                                                                          after the other, QUIT
//!
//!      each recipient: Waiting --250--> Delivered
//!                      Waiting --4xx, silence, no server--> Waiting (later) --expiry--> Failed
//!                      Waiting --5xx, null MX--> Failed --notification stored--> gone
//! ```
//!
//! The queue is a coordinator: it asks its embedder to store, to look names up, to connect and to
//! read ([`Action`]), and drives the [sessions](super::client::Session) over those connections
//! itself. A message is removed once everybody has it, or a notification of the others is stored:
//! whenever the embedder stops, nothing is lost; at worst something is sent twice.
//!
//! Each connection is a stream machine by the methods that bear its name: [`recv`](Queue::recv) is
//! its `poll_event`, which has nothing to say; [`poll_transmit`](Queue::poll_transmit),
//! [`connection_timeout`](Queue::connection_timeout), [`handle_eof`](Queue::handle_eof) and so on
//! are as anywhere. Whatever the queue is told may give any of them something to do.

mod config;
mod delivery;
mod event;
mod record;
mod report;
mod route;

pub use config::{Config, Limits, Stats};
pub use event::{
    Action, Addresses, ConnectionId, Event, Exchanger, LookupFailure, LookupId, MessageId, ReadId,
    Reason,
};
pub use record::{Record, RecordError};

use super::UsageError;
use super::client::Envelope;
use super::wire::{MailParams, Mailbox, Notify, RcptParams, ReversePath};
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use bytes::Bytes;
use core::time::Duration;
use delivery::Connection;
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use report::{Outcome, Report};
use route::Destination;

/// Messages on their way to other servers.
#[derive(Debug)]
pub struct Queue {
    config: Arc<Config>,
    limits: Arc<Limits>,
    random: ChaCha20Rng,
    now: Duration,
    /// What time it was when the world's clock showed what.
    clock: Option<(Duration, Duration)>,
    messages: BTreeMap<MessageId, Message>,
    destinations: BTreeMap<String, Destination>,
    /// Destinations at rest, by the time at which something is due.
    schedule: BTreeSet<(Duration, String)>,
    connections: BTreeMap<ConnectionId, Connection>,
    lookups: BTreeMap<LookupId, String>,
    reads: BTreeMap<ReadId, Purpose>,
    actions: VecDeque<Action>,
    events: VecDeque<Event>,
    next_id: u64,
    stats: Stats,
}

#[derive(Debug)]
struct Message {
    from: ReversePath,
    params: MailParams,
    recipients: Vec<Recipient>,
    octets: u64,
    /// When it is given up, and when the sender is told that it takes longer.
    expires: Duration,
    warns_at: Option<Duration>,
    /// When it came, in seconds since 1970.
    arrived_unix: u64,
    /// The embedder has written it down.
    is_stored: bool,
    is_warned: bool,
    /// Notifications that are being made: until they are stored, the message stays.
    open_reports: u32,
    /// The message that this one is a notification of, until it is stored.
    about: Option<MessageId>,
}

#[derive(Debug)]
struct Recipient {
    to: Mailbox,
    params: RcptParams,
    domain: String,
    state: RecipientState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RecipientState {
    Waiting {
        due: Duration,
        attempts: u32,
    },
    /// It has the message, or the sender was told that it will not.
    Done,
    /// The sender is to be told.
    Failed,
}

/// What a part of a message is read for.
#[derive(Debug)]
enum Purpose {
    Body(ConnectionId),
    Report {
        about: MessageId,
        outcome: Outcome,
        /// Places of the recipients, and why.
        recipients: Vec<(usize, Reason)>,
    },
}

/// What became of one recipient in an attempt.
#[derive(Clone, Debug)]
enum Verdict {
    Delivered(super::wire::Reply),
    /// The same, by a server that sends no notifications.
    Relayed(super::wire::Reply),
    NotNow(Reason),
    Never(Reason),
}

impl Queue {
    /// An empty queue. Configuration and limits may be shared: pass an `Arc`. From `seed` come the
    /// order of equal exchangers and the boundaries of notifications.
    pub fn new(
        now: Duration,
        config: impl Into<Arc<Config>>,
        limits: impl Into<Arc<Limits>>,
        seed: [u8; 32],
    ) -> Self {
        Self {
            config: config.into(),
            limits: limits.into(),
            random: ChaCha20Rng::from_seed(seed),
            now,
            clock: None,
            messages: BTreeMap::new(),
            destinations: BTreeMap::new(),
            schedule: BTreeSet::new(),
            connections: BTreeMap::new(),
            lookups: BTreeMap::new(),
            reads: BTreeMap::new(),
            actions: VecDeque::new(),
            events: VecDeque::new(),
            next_id: 0,
            stats: Stats::default(),
        }
    }

    /// Takes a message of so many octets. It is on its way once its record
    /// [is stored](Self::handle_stored); the message itself the embedder has stored before.
    ///
    /// # Errors
    ///
    /// [`UsageError::InvalidValue`] without a recipient, with more than
    /// [`Limits::max_recipients`], or with one that has no domain;
    /// [`UsageError::QueueFull`] at [`Limits::max_messages`].
    pub fn submit(&mut self, envelope: Envelope, octets: u64) -> Result<MessageId, UsageError> {
        let arrived_unix = self.unix();
        let id = self.take(envelope, octets, Duration::ZERO, arrived_unix)?;
        self.stats.submitted = self.stats.submitted.saturating_add(1);
        self.store(id);
        Ok(id)
    }

    /// Takes a message back that was stored before a restart, under its old name.
    ///
    /// Call it before anything is submitted. [`handle_clock`](Self::handle_clock) has to come before
    /// it, or the message counts as new.
    ///
    /// # Errors
    ///
    /// As [`submit`](Self::submit), and [`UsageError::InvalidValue`] when the name is in use.
    pub fn restore(&mut self, id: MessageId, record: Record) -> Result<(), UsageError> {
        if self.messages.contains_key(&id) {
            return Err(UsageError::InvalidValue);
        }
        let age = Duration::from_secs(self.unix().saturating_sub(record.arrived));
        let mut envelope = Envelope::new(record.from);
        envelope.params = record.params;
        envelope.recipients = record.recipients;
        let next_id = self.next_id.max(id.0.saturating_add(1));
        self.next_id = id.0;
        let taken = self.take(envelope, record.octets, age, record.arrived);
        self.next_id = next_id;
        let id = taken?;
        if let Some(message) = self.messages.get_mut(&id) {
            message.is_stored = true;
            // What was to be told has been told.
            message.is_warned = message.warns_at.is_some_and(|at| self.now >= at);
        }
        self.stats.submitted = self.stats.submitted.saturating_add(1);
        self.schedule_message(id);
        Ok(())
    }

    /// Tries everything that waits at once: the network is back, or somebody asks for it.
    pub fn flush(&mut self) {
        let now = self.now;
        for message in self.messages.values_mut() {
            for recipient in &mut message.recipients {
                if let RecipientState::Waiting { due, .. } = &mut recipient.state {
                    *due = (*due).min(now);
                }
            }
        }
        let ids: Vec<_> = self.messages.keys().copied().collect();
        for id in ids {
            self.schedule_message(id);
        }
    }

    /// Says what the world's clock shows, as time since 1970: for the dates in notifications. After
    /// construction, and whenever that clock steps.
    pub fn handle_clock(&mut self, now: Duration, unix: Duration) {
        self.advance_to(now);
        self.clock = Some((self.now, unix));
    }

    /// What the queue wishes next.
    #[must_use]
    pub fn poll_action(&mut self, now: Duration) -> Option<Action> {
        self.advance_to(now);
        if self.actions.is_empty() {
            self.begin_what_is_due();
        }
        let action = self.actions.pop_front();
        if self.actions.is_empty() {
            self.actions = VecDeque::new();
        }
        action
    }

    /// What there is to say.
    #[must_use]
    pub fn poll_event(&mut self) -> Option<Event> {
        let event = self.events.pop_front();
        if self.events.is_empty() {
            self.events = VecDeque::new();
        }
        event
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called; may change after any call.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        let connecting = self.connections.values().filter_map(Connection::connect_by);
        let due = self.schedule.first().filter(|_| self.has_room());
        connecting.chain(due.map(|(due, _)| *due)).min()
    }

    /// Tells that time has passed. Calls before the deadline do nothing.
    pub fn handle_timeout(&mut self, now: Duration) {
        self.advance_to(now);
        self.begin_what_is_due();
        self.give_up_connecting();
    }

    /// The record of a message is written down.
    pub fn handle_stored(&mut self, now: Duration, id: MessageId) {
        self.advance_to(now);
        let Some(message) = self.messages.get_mut(&id) else {
            return;
        };
        if core::mem::replace(&mut message.is_stored, true) {
            return;
        }
        let about = message.about.take();
        self.schedule_message(id);
        if let Some(about) = about {
            self.close_report(about);
        }
    }

    /// A notification was delivered by the embedder itself, in the place of
    /// [storing](Self::handle_stored) it: its recipient is a user of this server.
    pub fn handle_delivered(&mut self, now: Duration, id: MessageId) {
        self.advance_to(now);
        if self.messages.get(&id).is_some_and(|it| !it.is_stored)
            && let Some(message) = self.messages.remove(&id)
        {
            self.events.push_back(Event::Finished { message: id });
            if let Some(about) = message.about {
                self.close_report(about);
            }
        }
    }

    /// The record of a message, or a notification, cannot be written down. A message that was never
    /// stored is forgotten; of one that was, the old record holds.
    pub fn handle_store_failed(&mut self, now: Duration, id: MessageId) {
        self.advance_to(now);
        if self.messages.get(&id).is_some_and(|it| !it.is_stored)
            && let Some(message) = self.messages.remove(&id)
            && let Some(about) = message.about
        {
            self.close_report(about);
        }
    }

    /// A part of a message, from where it was asked for. `is_end` says that nothing follows.
    pub fn handle_read(&mut self, now: Duration, id: ReadId, data: Bytes, is_end: bool) {
        self.advance_to(now);
        match self.reads.remove(&id) {
            Some(Purpose::Body(connection)) => self.body_read(connection, id, data, is_end),
            Some(Purpose::Report {
                about,
                outcome,
                recipients,
            }) => self.report(about, outcome, recipients, &data, is_end),
            None => {}
        }
    }

    /// The message cannot be read. An attempt under way is given up; a notification is made without
    /// it.
    pub fn handle_read_failed(&mut self, now: Duration, id: ReadId) {
        self.advance_to(now);
        match self.reads.remove(&id) {
            Some(Purpose::Body(connection)) => self.body_failed(connection, id),
            Some(Purpose::Report {
                about,
                outcome,
                recipients,
            }) => self.report(about, outcome, recipients, b"", false),
            None => {}
        }
    }

    /// Messages that are waiting or on their way.
    #[must_use]
    pub fn len(&self) -> usize {
        self.messages.len()
    }

    /// Whether there is no message.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// What would be written down of a message now.
    #[must_use]
    pub fn record(&self, id: MessageId) -> Option<Record> {
        let message = self.messages.get(&id)?;
        let open = message.recipients.iter();
        let open = open.filter(|it| it.state != RecipientState::Done);
        Some(Record {
            arrived: message.arrived_unix,
            octets: message.octets,
            from: message.from.clone(),
            params: message.params.clone(),
            recipients: open.map(|it| (it.to.clone(), it.params.clone())).collect(),
        })
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

    fn take(
        &mut self,
        envelope: Envelope,
        octets: u64,
        age: Duration,
        arrived_unix: u64,
    ) -> Result<MessageId, UsageError> {
        let limit = self.limits.max_messages;
        if self.messages.len() >= limit {
            self.stats.limits_tripped = self.stats.limits_tripped.saturating_add(1);
            return Err(UsageError::QueueFull { limit });
        }
        let count = envelope.recipients.len();
        if count == 0 || count > self.limits.max_recipients {
            return Err(UsageError::InvalidValue);
        }
        let mut recipients = Vec::with_capacity(count);
        for (to, params) in envelope.recipients {
            let domain = core::str::from_utf8(to.domain()).unwrap_or_default();
            if domain.is_empty() {
                return Err(UsageError::InvalidValue);
            }
            let domain = match &self.config.smart_host {
                Some(host) => host.clone(),
                None => domain.to_ascii_lowercase(),
            };
            recipients.push(Recipient {
                to,
                params,
                domain,
                state: RecipientState::Waiting {
                    due: self.now,
                    attempts: 0,
                },
            });
        }
        let id = MessageId(self.next_id());
        let mut params = envelope.params;
        params.size = Some(octets);
        let after = |time: Duration| self.now.saturating_add(time.saturating_sub(age));
        let message = Message {
            from: envelope.from,
            params,
            recipients,
            octets,
            expires: after(self.config.expiry),
            warns_at: self.config.warn_after.map(after),
            arrived_unix,
            is_stored: false,
            is_warned: false,
            open_reports: 0,
            about: None,
        };
        self.messages.insert(id, message);
        Ok(id)
    }

    fn store(&mut self, id: MessageId) {
        if let Some(record) = self.record(id) {
            self.actions.push_back(Action::Store {
                message: id,
                record,
            });
        }
    }

    /// Enters a message where its recipients are.
    fn schedule_message(&mut self, id: MessageId) {
        let Some(message) = self.messages.get(&id).filter(|it| it.is_stored) else {
            return;
        };
        let mut due_at: BTreeMap<String, Duration> = BTreeMap::new();
        for recipient in &message.recipients {
            if let RecipientState::Waiting { due, .. } = recipient.state {
                let known = due_at.entry(recipient.domain.clone()).or_insert(due);
                *known = (*known).min(due);
            }
        }
        for (domain, due) in due_at {
            self.enter(domain, id, due);
        }
    }

    /// What an attempt came to, for some recipients of a message.
    fn settle(&mut self, id: MessageId, host: &str, verdicts: Vec<(usize, Verdict)>) {
        let Some(message) = self.messages.get_mut(&id) else {
            return;
        };
        let expires = message.expires;
        let can_be_told = message.from != ReversePath::Null && self.config.notifications;
        let is_late = !message.is_warned && message.warns_at.is_some_and(|at| self.now >= at);
        let (mut failed, mut delayed, mut relayed) = (Vec::new(), Vec::new(), Vec::new());
        let mut is_changed = false;
        for (index, verdict) in verdicts {
            let Some(recipient) = message.recipients.get_mut(index) else {
                continue;
            };
            let RecipientState::Waiting { attempts, .. } = recipient.state else {
                continue;
            };
            let notify = recipient.params.notify;
            let to = recipient.to.clone();
            let verdict = match verdict {
                Verdict::NotNow(reason) if self.now >= expires => Verdict::Never(Reason {
                    // RFC 3463 section 3.5: delivery time expired.
                    status: super::wire::EnhancedCode::new(5, 4, 7),
                    text: match reason.reply {
                        None => reason.text,
                        Some(_) => "not delivered in time",
                    },
                    ..reason
                }),
                verdict => verdict,
            };
            match verdict {
                Verdict::Delivered(ref reply) | Verdict::Relayed(ref reply) => {
                    recipient.state = RecipientState::Done;
                    is_changed = true;
                    self.stats.delivered = self.stats.delivered.saturating_add(1);
                    let is_wanted = matches!(notify, Some(Notify::When { success: true, .. }));
                    if matches!(verdict, Verdict::Relayed(_)) && is_wanted && can_be_told {
                        relayed.push((index, Reason::said(reply, host)));
                    }
                    self.events.push_back(Event::Delivered {
                        message: id,
                        recipient: to,
                        host: host.into(),
                        reply: reply.clone(),
                    });
                }
                Verdict::NotNow(reason) => {
                    let doubled = 1_u32.checked_shl(attempts).unwrap_or(u32::MAX);
                    let wait = self.config.first_retry.saturating_mul(doubled);
                    let wait = wait.min(self.config.longest_retry);
                    let wait = wait.max(Duration::from_secs(1));
                    // The last attempt is made when the message expires, not before.
                    let until = self
                        .now
                        .saturating_add(wait)
                        .min(expires.max(self.now.saturating_add(Duration::from_secs(1))));
                    recipient.state = RecipientState::Waiting {
                        due: until,
                        attempts: attempts.saturating_add(1),
                    };
                    self.stats.delayed = self.stats.delayed.saturating_add(1);
                    let is_wanted = match notify {
                        None => true,
                        Some(Notify::Never) => false,
                        Some(Notify::When { delay, .. }) => delay,
                    };
                    if is_late && is_wanted && can_be_told {
                        delayed.push((index, reason.clone()));
                    }
                    self.events.push_back(Event::Delayed {
                        message: id,
                        recipient: to,
                        until,
                        reason,
                    });
                }
                Verdict::Never(reason) => {
                    self.stats.failed = self.stats.failed.saturating_add(1);
                    let is_wanted = match notify {
                        None => true,
                        Some(Notify::Never) => false,
                        Some(Notify::When { failure, .. }) => failure,
                    };
                    // RFC 5321 section 4.5.5: what comes from nobody bounces to nobody.
                    if is_wanted && can_be_told {
                        recipient.state = RecipientState::Failed;
                        failed.push((index, reason.clone()));
                    } else {
                        recipient.state = RecipientState::Done;
                        is_changed = true;
                    }
                    self.events.push_back(Event::Failed {
                        message: id,
                        recipient: to,
                        reason,
                    });
                }
            }
        }
        message.is_warned |= !delayed.is_empty();
        for (outcome, recipients) in [
            (Outcome::Failed, failed),
            (Outcome::Delayed, delayed),
            (Outcome::Relayed, relayed),
        ] {
            if !recipients.is_empty() {
                self.begin_report(id, outcome, recipients);
            }
        }
        self.after_change(id, is_changed);
    }

    /// Removes a message that nobody waits for any more, or writes down what has changed.
    fn after_change(&mut self, id: MessageId, is_changed: bool) {
        let Some(message) = self.messages.get(&id) else {
            return;
        };
        let is_waiting = |it: &Recipient| matches!(it.state, RecipientState::Waiting { .. });
        if !message.recipients.iter().any(is_waiting) && message.open_reports == 0 {
            self.messages.remove(&id);
            self.actions.push_back(Action::Remove { message: id });
            self.events.push_back(Event::Finished { message: id });
        } else if is_changed {
            self.store(id);
        }
    }

    fn begin_report(
        &mut self,
        about: MessageId,
        outcome: Outcome,
        recipients: Vec<(usize, Reason)>,
    ) {
        let id = ReadId(self.next_id());
        if let Some(message) = self.messages.get_mut(&about) {
            message.open_reports = message.open_reports.saturating_add(1);
        }
        self.reads.insert(
            id,
            Purpose::Report {
                about,
                outcome,
                recipients,
            },
        );
        self.actions.push_back(Action::Read {
            id,
            message: about,
            offset: 0,
            max: self.limits.max_returned,
        });
    }

    /// Writes a notification, and puts it into the queue.
    fn report(
        &mut self,
        about: MessageId,
        outcome: Outcome,
        recipients: Vec<(usize, Reason)>,
        original: &[u8],
        is_whole: bool,
    ) {
        let random = u128::from(self.random.next_u64()) << 64 | u128::from(self.random.next_u64());
        let now = self.unix();
        let Some(message) = self.messages.get_mut(&about) else {
            return;
        };
        let ReversePath::Mailbox(to) = message.from.clone() else {
            return;
        };
        let mut told = Vec::with_capacity(recipients.len());
        for (index, reason) in recipients {
            if let Some(recipient) = message.recipients.get_mut(index) {
                told.push((recipient.to.clone(), recipient.params.clone(), reason));
                if recipient.state == RecipientState::Failed {
                    recipient.state = RecipientState::Done;
                }
            }
        }
        let original = original.get(..self.limits.max_returned).unwrap_or(original);
        let body = Report {
            host: &self.config.host,
            postmaster: &self.config.postmaster,
            to: &to,
            outcome,
            now,
            arrived: message.arrived_unix,
            envid: message.params.envid.as_deref(),
            recipients: &told,
            original,
            is_whole,
            ret: message.params.ret,
            random,
        }
        .encode();
        let octets = u64::try_from(body.len()).unwrap_or(u64::MAX);
        let envelope = Envelope::new(ReversePath::Null).to(to);
        match self.take(envelope, octets, Duration::ZERO, now) {
            Ok(id) => {
                if let Some(message) = self.messages.get_mut(&id) {
                    message.about = Some(about);
                }
                self.stats.notifications = self.stats.notifications.saturating_add(1);
                if let Some(record) = self.record(id) {
                    self.actions.push_back(Action::Create {
                        message: id,
                        record,
                        body: body.into(),
                    });
                }
                self.events
                    .push_back(Event::Notified { about, message: id });
            }
            // A full queue, or a sender without a domain: nobody can be told.
            Err(_) => self.close_report(about),
        }
    }

    fn close_report(&mut self, about: MessageId) {
        if let Some(message) = self.messages.get_mut(&about) {
            message.open_reports = message.open_reports.saturating_sub(1);
        }
        self.after_change(about, true);
    }

    /// What the world's clock shows, in seconds.
    fn unix(&self) -> u64 {
        let (at, unix) = self.clock.unwrap_or_default();
        let since = self.now.saturating_sub(at);
        unix.saturating_add(since).as_secs()
    }

    fn next_id(&mut self) -> u64 {
        let id = self.next_id;
        self.next_id = id.saturating_add(1);
        id
    }

    /// Time never runs backwards, whatever the caller says.
    fn advance_to(&mut self, now: Duration) {
        self.now = self.now.max(now);
    }
}
