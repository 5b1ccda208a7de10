//! A name server as a whole: who may do what, updates, transfers, notifications and signatures on
//! top of an [`Authority`].

use super::transfer::Transfer;
use super::{Authority, Zone, update};
use crate::UnixTime;
use crate::clock::WallClock;
use crate::datagram::{Local, LocalId, Transmit};
use crate::event::Transport;
use crate::random::Random;
use crate::tsig::{self, Key, Rejection, Transaction, TsigError};
use crate::wire::{
    Builder, Class, Flags, Header, MAX_MESSAGE, Message, Name, Opcode, QuestionRef, RData, Rcode,
    Section, Type,
};
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use bytes::Bytes;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

/// What becomes of a query.
#[derive(Debug)]
#[non_exhaustive]
pub enum Response {
    /// It is not answered.
    None,
    /// One message.
    Message(Bytes),
    /// A transfer: one message or more, for a stream.
    Transfer(Transfer),
}

/// What a name server has to say.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// An update has changed a zone.
    Updated {
        /// The zone as it is now.
        zone: Arc<Zone>,
        /// Who asked for it.
        from: SocketAddr,
    },
    /// A primary says that a zone has changed (RFC 1996): for the
    /// [`Secondary`](crate::client::Secondary) of that zone.
    Notified {
        /// The origin of the zone.
        origin: Name,
        /// Who says so.
        from: SocketAddr,
        /// The serial number that it named, if it did.
        serial: Option<u32>,
    },
    /// A secondary has taken note of a change, or was told often enough.
    NotifyEnded {
        /// The origin of the zone.
        origin: Name,
        /// The secondary.
        to: SocketAddr,
        /// Whether it answered.
        answered: bool,
    },
}

/// Who may do something. Addresses can be forged over UDP; keys cannot.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Access {
    /// Anybody.
    pub any: bool,
    /// Whoever asks from one of these addresses.
    pub addresses: Vec<IpAddr>,
    /// Whoever signs with a key of one of these names.
    pub keys: Vec<Name>,
}

impl Access {
    /// Nobody, until something is set.
    #[must_use]
    pub fn nobody() -> Self {
        Self::default()
    }

    fn allows(&self, from: IpAddr, signer: Option<&Transaction>) -> bool {
        self.any
            || self.addresses.contains(&from)
            || signer.is_some_and(|signer| self.keys.contains(signer.key().name()))
    }
}

/// Behaviour of a [`Nameserver`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Policy {
    /// The keys that signatures are checked against.
    pub keys: Vec<Key>,
    /// Who may change zones (RFC 2136). Default nobody.
    pub update: Access,
    /// Who may transfer zones. Default nobody.
    pub transfer: Access,
    /// Who may notify. Default nobody.
    pub notify: Access,
    /// Zones that are copied from others, whether they are held yet or not: notifications of these
    /// are taken, as those of zones that are held.
    pub copies: Vec<Name>,
    /// Who is told of changes: secondaries.
    pub also_notify: Vec<SocketAddr>,
    /// How long a notification waits for its answer the first time; each further time twice as long
    /// (RFC 1996 section 3.6). Default 2 seconds.
    pub notify_timeout: Duration,
    /// How often it is sent. Default 5.
    pub notify_attempts: u32,
    /// Notifications under way at most, more are dropped; and events that wait at most, of which the
    /// oldest go. Default 1024.
    pub max_notifications: usize,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            keys: Vec::new(),
            update: Access::nobody(),
            transfer: Access::nobody(),
            notify: Access::nobody(),
            copies: Vec::new(),
            also_notify: Vec::new(),
            notify_timeout: Duration::from_secs(2),
            notify_attempts: 5,
            max_notifications: 1024,
        }
    }
}

/// Counters of a name server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Messages that were answered.
    pub answered: u64,
    /// Updates that changed a zone.
    pub updates: u64,
    /// Transfers that began.
    pub transfers: u64,
    /// Requests whose signature was refused.
    pub bad_signatures: u64,
    /// Requests by somebody who may not.
    pub refused: u64,
    /// Notifications that came and concern a zone of ours.
    pub notified: u64,
}

#[derive(Debug)]
struct Notification {
    origin: Name,
    to: SocketAddr,
    id: u16,
    sent: u32,
    due: Duration,
}

/// A name server, but for its sockets: it answers what [`Datagram`](super::Datagram) and
/// [`Stream`](super::Stream) hand out, and sends notifications of its own.
#[derive(Debug)]
pub struct Nameserver {
    authority: Authority,
    policy: Policy,
    random: Random,
    now: Duration,
    /// What the wall clock shows.
    clock: WallClock,
    notifications: Vec<Notification>,
    events: VecDeque<Event>,
    outbox: VecDeque<Transmit>,
    stats: Stats,
}

impl Nameserver {
    /// A name server for the zones of `authority`. The seed is for the ids of notifications.
    #[must_use]
    pub fn new(now: Duration, authority: Authority, policy: Policy, seed: [u8; 32]) -> Self {
        Self {
            authority,
            policy,
            random: Random::new(seed),
            now,
            clock: WallClock::default(),
            notifications: Vec::new(),
            events: VecDeque::new(),
            outbox: VecDeque::new(),
            stats: Stats::default(),
        }
    }

    /// Says what time it is: signatures are checked against it. Before the
    /// first call every signature is out of its time.
    pub fn handle_clock(&mut self, now: Duration, unix: UnixTime) {
        self.advance_to(now);
        self.clock.set(self.now, unix);
    }

    /// The zones, and plain answers from them.
    #[must_use]
    pub const fn authority(&self) -> &Authority {
        &self.authority
    }

    /// What is allowed.
    #[must_use]
    pub const fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Serves this version of a zone from now on, and tells the secondaries.
    pub fn replace_zone(&mut self, now: Duration, zone: Arc<Zone>) {
        self.advance_to(now);
        self.notify(&zone);
        self.authority.replace(zone);
    }

    /// Stops to serve a zone: it has expired.
    pub fn remove_zone(&mut self, origin: &Name) {
        self.authority.remove(origin);
    }

    /// Answers a message that came `from` a client.
    pub fn respond(
        &mut self,
        now: Duration,
        query: &[u8],
        from: SocketAddr,
        over: Transport,
    ) -> Response {
        self.advance_to(now);
        let Ok(header) = Header::peek(query) else {
            return Response::None;
        };
        if header.flags.is_response() {
            self.take_notify_answer(&header, from, over);
            return Response::None;
        }
        let unix = self.unix();
        let checked = match tsig::verify_request(&self.policy.keys, query, unix) {
            Ok(checked) => checked,
            // What cannot be read is answered as any broken message.
            Err(rejection)
                if rejection.error == TsigError::Malformed && Message::parse(query).is_err() =>
            {
                None
            }
            Err(rejection) => return self.refuse_signature(query, *rejection, unix),
        };
        let (bare, mut signer) = match &checked {
            Some((bare, signer)) => (bare.as_slice(), Some(signer.clone())),
            None => (query, None),
        };
        let response = self.dispatch(&header, bare, from, over, &mut signer);
        count(&mut self.stats.answered);
        match (response, signer) {
            (Response::Message(message), Some(mut signer)) => {
                let mut signed = message.to_vec();
                match signer.sign(&mut signed, unix) {
                    Ok(()) => Response::Message(signed.into()),
                    Err(_) => Response::None,
                }
            }
            (response, _) => response,
        }
    }

    /// Answers a plain question without looking at who asks, in a buffer of the caller's and without
    /// an allocation: the quick way for most of the questions there are. `None` says nothing yet:
    /// give the message to [`respond`](Self::respond).
    #[must_use]
    pub fn answer<'o>(&self, query: &[u8], over: Transport, out: &'o mut [u8]) -> Option<&'o [u8]> {
        let header = Header::peek(query).ok()?;
        if header.flags.is_response() || header.flags.opcode() != Opcode::QUERY {
            return None;
        }
        let [1, 0, 0, additional @ 0..=1] = header.counts else {
            return None;
        };
        let end = crate::wire::skip_name(query, Header::LEN)?;
        let (&[t, y, _, _], rest) = query.get(end..)?.split_first_chunk()?;
        if matches!(Type(u16::from_be_bytes([t, y])), Type::AXFR | Type::IXFR) {
            return None;
        }
        // One more record is OPT, or it may be a signature.
        if additional == 1 && !matches!(rest, [0, 0, 41, ..]) {
            return None;
        }
        self.authority.answer(query, over, out)
    }

    fn dispatch(
        &mut self,
        header: &Header,
        bare: &[u8],
        from: SocketAddr,
        over: Transport,
        signer: &mut Option<Transaction>,
    ) -> Response {
        let message = Message::parse(bare).ok();
        let question = message.and_then(|message| message.question());
        let (Some(message), Some(question)) = (message, question) else {
            return self.plain(bare, over, signer.as_ref());
        };
        match header.flags.opcode() {
            Opcode::UPDATE => {
                let rcode = self.update(&message, question, from, signer.as_ref());
                simple_reply(header, question, rcode)
            }
            Opcode::NOTIFY => {
                let rcode = self.take_notify(&message, question, from, signer.as_ref());
                simple_reply(header, question, rcode)
            }
            Opcode::QUERY if matches!(question.qtype, Type::AXFR | Type::IXFR) => {
                self.transfer(header, &message, question, from, over, signer)
            }
            _ => self.plain(bare, over, signer.as_ref()),
        }
    }

    fn plain(&self, bare: &[u8], over: Transport, signer: Option<&Transaction>) -> Response {
        let Some(reply) = self.authority.reply(bare, over) else {
            return Response::None;
        };
        // A signature must fit the datagram too.
        let most = match over {
            Transport::Udp => usize::from(super::authority::DEFAULT_UDP_PAYLOAD),
            Transport::Tcp => MAX_MESSAGE,
        };
        match signer {
            Some(signer)
                if reply.len().saturating_add(tsig::overhead(signer.key())) > most
                    && over == Transport::Udp =>
            {
                let cut = Message::parse(bare).ok().and_then(|query| {
                    let question = query.question()?;
                    let flags = Flags::QR.with(Flags::AA, true).with(Flags::TC, true);
                    reply_of(query.header(), question, flags, Rcode::NOERROR)
                });
                cut.map_or(Response::None, Response::Message)
            }
            _ => Response::Message(reply),
        }
    }

    /// RFC 2136 section 3.1 and 3.3: what is asked for, and may it?
    fn update(
        &mut self,
        message: &Message<'_>,
        question: QuestionRef<'_>,
        from: SocketAddr,
        signer: Option<&Transaction>,
    ) -> Rcode {
        if question.qtype != Type::SOA || !message.trailing().is_empty() {
            return Rcode::FORMERR;
        }
        // Updates are for the Internet only (CVE-2026-5946).
        if question.qclass != Class::IN {
            return Rcode::NOTAUTH;
        }
        let allowed = self.policy.update.allows(from.ip(), signer);
        let Some(zone) = self.authority.exact_mut(question.name) else {
            return Rcode::NOTAUTH;
        };
        if !allowed {
            count(&mut self.stats.refused);
            return Rcode::REFUSED;
        }
        match update::apply(Arc::make_mut(zone), message) {
            Ok(false) => Rcode::NOERROR,
            Ok(true) => {
                let zone = Arc::clone(zone);
                count(&mut self.stats.updates);
                self.notify(&zone);
                self.push_event(Event::Updated { zone, from });
                Rcode::NOERROR
            }
            Err(rcode) => rcode,
        }
    }

    fn transfer(
        &mut self,
        header: &Header,
        message: &Message<'_>,
        question: QuestionRef<'_>,
        from: SocketAddr,
        over: Transport,
        signer: &mut Option<Transaction>,
    ) -> Response {
        let refuse = |rcode| simple_reply(header, question, rcode);
        // RFC 5936 section 4.2: AXFR needs a stream.
        if question.qtype == Type::AXFR && over == Transport::Udp {
            return refuse(Rcode::REFUSED);
        }
        if question.qclass != Class::IN {
            return refuse(Rcode::NOTAUTH);
        }
        let Some(zone) = self.authority.exact(question.name).cloned() else {
            return refuse(Rcode::NOTAUTH);
        };
        if !self.policy.transfer.allows(from.ip(), signer.as_ref()) {
            count(&mut self.stats.refused);
            return refuse(Rcode::REFUSED);
        }
        let mut serial = None;
        if question.qtype == Type::IXFR {
            // RFC 1995 section 3: the client's version stands in the authority section.
            let soa = message
                .authorities()
                .find_map(|record| match record.data() {
                    Ok(RData::Soa(soa)) if record.owner == question.name => Some(soa.serial),
                    _ => None,
                });
            let Some(soa) = soa else {
                return refuse(Rcode::FORMERR);
            };
            serial = Some(soa);
        }
        count(&mut self.stats.transfers);
        let edns = message.edns();
        let payload = edns.map(|_| super::authority::DEFAULT_UDP_PAYLOAD);
        let unix = self.unix();
        let signer = signer.take().map(|signer| (signer, unix));
        let transfer = Transfer::new(zone, header.id, question, serial, payload, signer);
        match over {
            Transport::Tcp => Response::Transfer(transfer),
            Transport::Udp => {
                let most = super::authority::DEFAULT_UDP_PAYLOAD;
                let limit = edns.map_or(512, |edns| edns.udp_payload.clamp(512, most));
                transfer
                    .datagram(limit.into())
                    .map_or(Response::None, Response::Message)
            }
        }
    }

    fn refuse_signature(&mut self, query: &[u8], rejection: Rejection, unix: UnixTime) -> Response {
        count(&mut self.stats.bad_signatures);
        let Ok(message) = Message::parse(query) else {
            return Response::None;
        };
        let rcode = match rejection.error {
            TsigError::Malformed => Rcode::FORMERR,
            _ => Rcode::NOTAUTH,
        };
        let Some(question) = message.question() else {
            return Response::None;
        };
        let flags = Flags::QR;
        let Some(reply) = reply_of(message.header(), question, flags, rcode) else {
            return Response::None;
        };
        let mut reply = reply.to_vec();
        rejection.stamp(&mut reply, unix);
        Response::Message(reply.into())
    }

    /// RFC 1996 section 3.7 and following.
    fn take_notify(
        &mut self,
        message: &Message<'_>,
        question: QuestionRef<'_>,
        from: SocketAddr,
        signer: Option<&Transaction>,
    ) -> Rcode {
        if question.qtype != Type::SOA {
            return Rcode::FORMERR;
        }
        if question.qclass != Class::IN {
            return Rcode::NOTAUTH;
        }
        let mut copies = self.policy.copies.iter();
        if self.authority.exact(question.name).is_none()
            && !copies.any(|copy| question.name == *copy)
        {
            return Rcode::NOTAUTH;
        }
        if !self.policy.notify.allows(from.ip(), signer) {
            count(&mut self.stats.refused);
            return Rcode::REFUSED;
        }
        count(&mut self.stats.notified);
        let serial = message.answers().find_map(|record| match record.data() {
            Ok(RData::Soa(soa)) if record.owner == question.name => Some(soa.serial),
            _ => None,
        });
        self.push_event(Event::Notified {
            origin: question.name.to_name(),
            from,
            serial,
        });
        Rcode::NOERROR
    }

    fn take_notify_answer(&mut self, header: &Header, from: SocketAddr, over: Transport) {
        let known = self.notifications.iter().position(|notification| {
            notification.id == header.id && notification.to == from && over == Transport::Udp
        });
        if header.flags.opcode() == Opcode::NOTIFY
            && let Some(index) = known
        {
            let Notification { origin, to, .. } = self.notifications.swap_remove(index);
            self.push_event(Event::NotifyEnded {
                origin,
                to,
                answered: true,
            });
        }
    }

    /// Tells every secondary of a new version.
    fn notify(&mut self, zone: &Zone) {
        for &to in &self.policy.also_notify {
            let origin = zone.origin().clone();
            // A later version takes the place of an earlier one.
            self.notifications
                .retain(|known| known.to != to || known.origin != origin);
            if self.notifications.len() >= self.policy.max_notifications {
                return;
            }
            self.notifications.push(Notification {
                origin,
                to,
                id: self.random.id(),
                sent: 0,
                due: self.now,
            });
        }
        self.send_due();
    }

    /// The next event, if there is one.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// The next notification that is to be sent, by the socket that queries come to.
    pub fn poll_transmit(&mut self, now: Duration) -> Option<Transmit> {
        self.advance_to(now);
        self.outbox.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        self.notifications.iter().map(|known| known.due).min()
    }

    /// Repeats notifications that were not answered.
    pub fn handle_timeout(&mut self, now: Duration) {
        self.advance_to(now);
        self.send_due();
    }

    /// What has happened so far.
    #[must_use]
    pub const fn stats(&self) -> Stats {
        self.stats
    }

    fn send_due(&mut self) {
        let mut index = 0;
        while let Some(known) = self.notifications.get_mut(index) {
            if known.due > self.now {
                index = index.saturating_add(1);
                continue;
            }
            if known.sent >= self.policy.notify_attempts {
                let Notification { origin, to, .. } = self.notifications.swap_remove(index);
                self.push_event(Event::NotifyEnded {
                    origin,
                    to,
                    answered: false,
                });
                continue;
            }
            let wait = self
                .policy
                .notify_timeout
                .max(Duration::from_millis(1))
                .saturating_mul(1u32.checked_shl(known.sent).unwrap_or(u32::MAX));
            known.sent = known.sent.saturating_add(1);
            known.due = self.now.saturating_add(wait);
            let zone = self.authority.zone(&known.origin);
            if let Some(payload) = notify_message(known.id, &known.origin, zone) {
                self.outbox.push_back(Transmit::Datagram {
                    local: Local::Id(LocalId::MAIN),
                    to: known.to,
                    payload,
                });
            }
            index = index.saturating_add(1);
        }
    }

    /// Events that nobody fetches do not pile up: the oldest ones go.
    fn push_event(&mut self, event: Event) {
        if self.events.len() >= self.policy.max_notifications.max(1) {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }

    fn unix(&self) -> UnixTime {
        self.clock.at(self.now)
    }

    fn advance_to(&mut self, now: Duration) {
        self.now = self.now.max(now);
    }
}

fn count(counter: &mut u64) {
    *counter = counter.saturating_add(1);
}

fn reply_of(
    header: &Header,
    question: QuestionRef<'_>,
    flags: Flags,
    rcode: Rcode,
) -> Option<Bytes> {
    let mut buffer = [0; 512];
    let flags = flags
        .with_opcode(header.flags.opcode())
        .with(Flags::RD, header.flags.contains(Flags::RD));
    let mut reply = Builder::new(&mut buffer, header.id, flags).ok()?;
    reply
        .push_question(question.name, question.qtype, question.qclass)
        .ok()?;
    reply.set_rcode(rcode);
    Some(Bytes::copy_from_slice(reply.finish()))
}

fn simple_reply(header: &Header, question: QuestionRef<'_>, rcode: Rcode) -> Response {
    let opcode = header.flags.opcode();
    let aa = opcode == Opcode::NOTIFY && rcode == Rcode::NOERROR;
    reply_of(header, question, Flags::QR.with(Flags::AA, aa), rcode)
        .map_or(Response::None, Response::Message)
}

/// RFC 1996 section 3.6 and 3.7: the new SOA record comes as a hint.
fn notify_message(id: u16, origin: &Name, zone: Option<&Arc<Zone>>) -> Option<Bytes> {
    let mut buffer = [0; 512];
    let flags = Flags::default()
        .with_opcode(Opcode::NOTIFY)
        .with(Flags::AA, true);
    let mut message = Builder::new(&mut buffer, id, flags).ok()?;
    message
        .push_question(origin.view(), Type::SOA, Class::IN)
        .ok()?;
    if let Some(zone) = zone
        && let Some(soa) = zone.soa()
    {
        let ttl = zone.soa_rrset().map_or(0, |rrset| rrset.ttl);
        // One that does not fit is left out.
        let _ = message.push(
            Section::Answer,
            origin.view(),
            Class::IN,
            ttl,
            &RData::Soa(soa),
        );
    }
    Some(Bytes::copy_from_slice(message.finish()))
}
