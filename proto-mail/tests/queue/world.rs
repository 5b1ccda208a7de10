//! The small world: a table for the DNS, servers that are machines of this crate or do not answer at
//! all, a store, and a clock that jumps to the next deadline.

use bytes::{Bytes, BytesMut};
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use proto_mail::Transmit;
use proto_mail::smtp::client::{Envelope, StartTls};
use proto_mail::smtp::queue::{
    Action, Config, ConnectionId, Event, Exchanger, Limits, LookupFailure, MessageId, Queue, Record,
};
use proto_mail::smtp::wire::{Mailbox, Reply};
use proto_mail::smtp::{client, server};
use std::collections::BTreeMap;

pub(crate) const UNIX: Duration = Duration::from_secs(1_700_000_000);
pub(crate) const MINUTE: Duration = Duration::from_secs(60);

/// How a host behaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Host {
    /// It takes everything.
    #[default]
    Good,
    /// Nobody answers the attempt to connect.
    Silent,
    /// It refuses connections.
    Refuses,
    /// It takes connections and says nothing.
    Mute,
    /// It greets with 554.
    Unfriendly,
    /// What it says to each RCPT.
    Rcpt(u16),
    /// What it says to each message.
    Data(u16),
    /// It hangs up once the message has begun.
    HangsUp,
}

pub(crate) struct Link {
    /// Whom the queue meant to reach.
    pub(crate) to: SocketAddr,
    /// What has left `down`: the queue's read buffer.
    pub(crate) read: BytesMut,
    pub(crate) host: Host,
    pub(crate) session: server::Session,
    pub(crate) up: BytesMut,
    pub(crate) down: BytesMut,
    pub(crate) recipients: Vec<String>,
    pub(crate) from: String,
    pub(crate) text: Vec<u8>,
    pub(crate) is_cut: bool,
}

impl Link {
    /// Some octets more arrive at the queue; false when there are none.
    fn hand_over(&mut self, piece: usize) -> bool {
        let part = self.down.split_to(piece.min(self.down.len()));
        self.read.extend_from_slice(&part);
        !part.is_empty()
    }
}

/// Preferences and hosts.
pub(crate) type Exchangers = Vec<(u16, &'static str)>;

/// A message that arrived.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Arrived {
    pub(crate) at: SocketAddr,
    pub(crate) from: String,
    pub(crate) to: Vec<String>,
    pub(crate) text: Vec<u8>,
}

pub(crate) struct World {
    pub(crate) now: Duration,
    pub(crate) queue: Queue,
    pub(crate) mx: BTreeMap<String, Result<Exchangers, LookupFailure>>,
    pub(crate) a: BTreeMap<String, Vec<IpAddr>>,
    pub(crate) hosts: BTreeMap<SocketAddr, Host>,
    pub(crate) server: server::Config,
    pub(crate) links: BTreeMap<ConnectionId, Link>,
    pub(crate) store: BTreeMap<MessageId, (Record, Bytes)>,
    pub(crate) unreadable: Vec<MessageId>,
    pub(crate) cannot_store: bool,
    pub(crate) events: Vec<Event>,
    pub(crate) arrived: Vec<Arrived>,
    pub(crate) connected: Vec<SocketAddr>,
    pub(crate) asked: Vec<String>,
    /// Polls come in an order of chance, from this number on.
    pub(crate) chance: Option<u64>,
    /// Octets that the queue may send, and is handed, at once.
    pub(crate) piece: usize,
    /// All that the queue said, wished and sent, in order.
    pub(crate) log: Vec<String>,
}

pub(crate) fn world() -> World {
    World::new(|_| {}, Limits::default())
}

impl World {
    pub(crate) fn new(change: impl FnOnce(&mut Config), limits: Limits) -> Self {
        let mut client = client::Config::default();
        client.starttls = StartTls::Off;
        client.name = "crepes.fr".into();
        let mut config = Config::default();
        config.host = "crepes.fr".into();
        config.client = client.into();
        change(&mut config);
        let now = Duration::from_secs(50);
        let mut queue = Queue::new(now, config, limits, [1; 32]);
        queue.handle_clock(now, UNIX);
        let mut server = server::Config::default();
        server.starttls = false;
        Self {
            now,
            queue,
            mx: BTreeMap::new(),
            a: BTreeMap::new(),
            hosts: BTreeMap::new(),
            server,
            links: BTreeMap::new(),
            store: BTreeMap::new(),
            unreadable: Vec::new(),
            cannot_store: false,
            events: Vec::new(),
            arrived: Vec::new(),
            connected: Vec::new(),
            asked: Vec::new(),
            chance: None,
            piece: 1500,
            log: Vec::new(),
        }
    }

    /// A domain whose exchangers have an address each, 10.0.0.N.
    pub(crate) fn domain(&mut self, domain: &str, exchangers: &[(u16, &'static str, u8, Host)]) {
        let mx = exchangers
            .iter()
            .map(|(preference, host, ..)| (*preference, *host));
        self.mx.insert(domain.into(), Ok(mx.collect()));
        for (_, host, number, behaviour) in exchangers {
            let address = IpAddr::from([10, 0, 0, *number]);
            self.a.insert((*host).into(), vec![address]);
            self.hosts.insert(SocketAddr::new(address, 25), *behaviour);
        }
    }

    pub(crate) fn submit(&mut self, envelope: Envelope, text: &str) -> MessageId {
        let body = Bytes::copy_from_slice(text.as_bytes());
        let octets = body.len() as u64;
        let id = self.queue.submit(envelope, octets).unwrap();
        let record = self.queue.record(id).unwrap();
        self.store.insert(id, (record, body));
        id
    }

    /// Goes on until nothing happens at this time any more.
    pub(crate) fn settle(&mut self) {
        for _ in 0..10_000 {
            let mut progress = false;
            while let Some(action) = self.queue.poll_action(self.now) {
                progress = true;
                self.act(action);
            }
            let ids: Vec<_> = self.links.keys().copied().collect();
            for id in ids {
                progress |= self.turn(id);
            }
            while self.tell() {
                progress = true;
            }
            if !progress {
                return;
            }
        }
        panic!("no rest at {:?}", self.now);
    }

    /// Takes one event.
    pub(crate) fn tell(&mut self) -> bool {
        let event = self.queue.poll_event();
        self.log.extend(event.iter().map(|it| format!("{it:?}")));
        let is_there = event.is_some();
        self.events.extend(event);
        is_there
    }

    /// As [`settle`](Self::settle), by polls in an order of chance, with too many among them.
    fn settle_anyhow(&mut self) {
        for _ in 0..10_000 {
            let mut idle = 0;
            while idle < 20 {
                let ids: Vec<_> = self.links.keys().copied().collect();
                let id = (!ids.is_empty()).then(|| ids[self.dice(ids.len())]);
                let progress = match (self.dice(5), id) {
                    (0, _) => match self.queue.poll_action(self.now) {
                        Some(action) => {
                            self.act(action);
                            true
                        }
                        None => false,
                    },
                    (1, _) => self.tell(),
                    (2, Some(id)) => {
                        self.piece = 1 + self.dice(2000);
                        self.turn(id)
                    }
                    (3, Some(id)) => {
                        // Too early, or a step that is not there any more: nothing happens.
                        if self.queue.connection_timeout(id) > Some(self.now) {
                            self.queue.handle_connection_timeout(self.now, id);
                        }
                        false
                    }
                    _ => {
                        if self.queue.poll_timeout() > Some(self.now) {
                            self.queue.handle_timeout(self.now);
                        }
                        false
                    }
                };
                idle = if progress { 0 } else { idle + 1 };
            }
            // Chance may have missed what is still to be done.
            let before = self.log.len();
            self.settle();
            if self.log.len() == before {
                return;
            }
        }
        panic!("no rest at {:?}", self.now);
    }

    fn dice(&mut self, sides: usize) -> usize {
        let chance = self.chance.as_mut().unwrap();
        *chance ^= *chance << 13;
        *chance ^= *chance >> 7;
        *chance ^= *chance << 17;
        usize::try_from(*chance % sides as u64).unwrap()
    }

    fn rest(&mut self) {
        match self.chance {
            Some(_) => self.settle_anyhow(),
            None => self.settle(),
        }
    }

    /// R3: just before the deadline its handlers do nothing.
    fn ring_early(&mut self, deadline: Duration) {
        let early = deadline
            .saturating_sub(Duration::from_nanos(1))
            .max(self.now);
        if early == deadline {
            return;
        }
        self.now = early;
        let before = self.log.len();
        self.queue.handle_timeout(early);
        let ids: Vec<_> = self.links.keys().copied().collect();
        for id in ids {
            self.queue.handle_connection_timeout(early, id);
        }
        self.settle();
        assert_eq!(self.log[before..], [""; 0], "before the deadline");
        assert_eq!(self.deadline(), Some(deadline), "the deadline stays");
    }

    pub(crate) fn deadline(&self) -> Option<Duration> {
        let of = |id: &ConnectionId| self.queue.connection_timeout(*id);
        let links = self.links.keys().filter_map(of);
        links.chain(self.queue.poll_timeout()).min()
    }

    /// Lets time pass.
    pub(crate) fn wait(&mut self, until: Duration) {
        self.rest();
        for _ in 0..10_000 {
            let Some(deadline) = self.deadline().filter(|at| *at <= until) else {
                self.now = until;
                return;
            };
            self.ring_early(deadline);
            self.now = self.now.max(deadline);
            self.queue.handle_timeout(self.now);
            let ids: Vec<_> = self.links.keys().copied().collect();
            for id in ids {
                self.queue.handle_connection_timeout(self.now, id);
            }
            self.rest();
            assert!(
                self.deadline().is_none_or(|next| next > self.now),
                "the next deadline is later"
            );
        }
        panic!("timers without end");
    }

    /// Waits for so long.
    pub(crate) fn pass(&mut self, time: Duration) {
        self.wait(self.now + time);
    }

    pub(crate) fn act(&mut self, action: Action) {
        let now = self.now;
        self.log.push(format!("{now:?} {action:?}"));
        match action {
            Action::Store { message, .. } | Action::Create { message, .. } if self.cannot_store => {
                self.queue.handle_store_failed(now, message);
            }
            Action::Store { message, record } => {
                // What was written can be read again.
                assert_eq!(Record::decode(&record.encode()), Ok(record.clone()));
                self.store.get_mut(&message).unwrap().0 = record;
                self.queue.handle_stored(now, message);
            }
            Action::Create {
                message,
                record,
                body,
            } => {
                self.store.insert(message, (record, body));
                self.queue.handle_stored(now, message);
            }
            Action::Remove { message } => {
                self.store.remove(&message).unwrap();
            }
            Action::Exchangers { id, domain } => {
                self.asked.push(format!("MX {domain}"));
                let found = match self.mx.get(&domain) {
                    None => Err(LookupFailure::NoSuchName),
                    Some(Err(failure)) => Err(*failure),
                    Some(Ok(found)) => Ok(found
                        .iter()
                        .map(|(preference, host)| Exchanger {
                            preference: *preference,
                            host: format!("{host}."),
                        })
                        .collect()),
                };
                self.queue.handle_exchangers(now, id, found);
            }
            Action::Addresses { id, host } => {
                self.asked.push(format!("A {host}"));
                let found = self.a.get(&host).cloned();
                self.queue
                    .handle_addresses(now, id, found.ok_or(LookupFailure::NoSuchName));
            }
            Action::Connect { id, to, .. } => {
                self.connected.push(to);
                let host = self.hosts.get(&to).copied().unwrap_or(Host::Refuses);
                match host {
                    Host::Silent => return,
                    Host::Refuses => return self.queue.handle_disconnect(now, id),
                    _ => {}
                }
                self.queue.handle_connected(now, id);
                let limits = server::Limits::default();
                let session = server::Session::new(now, self.server.clone(), limits);
                let link = Link {
                    to,
                    read: BytesMut::new(),
                    host,
                    session,
                    up: BytesMut::new(),
                    down: BytesMut::new(),
                    recipients: Vec::new(),
                    from: String::new(),
                    text: Vec::new(),
                    is_cut: false,
                };
                self.links.insert(id, link);
            }
            Action::Close { id } => {
                self.links.remove(&id);
            }
            Action::Read {
                id,
                message,
                offset,
                max,
            } => match self.store.get(&message) {
                Some((_, body)) if !self.unreadable.contains(&message) => {
                    let begin = usize::try_from(offset).unwrap().min(body.len());
                    let end = body.len().min(begin + max);
                    let is_end = end == body.len();
                    let part = body.slice(begin..end);
                    self.queue.handle_read(now, id, part, is_end);
                }
                _ => self.queue.handle_read_failed(now, id),
            },
            action => panic!("{action:?}"),
        }
    }

    /// One round on a connection.
    pub(crate) fn turn(&mut self, id: ConnectionId) -> bool {
        let now = self.now;
        let link = self.links.get_mut(&id).unwrap();
        let mut progress = link.hand_over(self.piece);
        self.queue.recv(now, id, &mut link.read);
        while let Some(step) = self.queue.poll_transmit(now, id, self.piece) {
            progress = true;
            self.log.push(format!("{now:?} {id:?} {step:?}"));
            if let Transmit::Data(data) = step {
                link.up.extend_from_slice(&data);
            } else {
                link.session.handle_eof(now);
            }
        }
        if link.is_cut || link.host == Host::Mute {
            return progress;
        }
        if link.host == Host::Unfriendly && !link.session.is_authenticated() {
            link.down.extend_from_slice(b"554 go away\r\n");
            link.host = Host::Mute;
            return true;
        }
        while let Ok(Some(event)) = link.session.poll_event(now, &mut link.up) {
            progress = true;
            let session = &mut link.session;
            match event {
                server::Event::Mail { ask, from, .. } => {
                    link.recipients.clear();
                    link.text.clear();
                    let from = from.mailbox().map(ToString::to_string);
                    link.from = from.unwrap_or_default();
                    session.accept(ask).unwrap();
                }
                server::Event::Rcpt { ask, to, .. } => {
                    let code = match (link.host, to.local_part()) {
                        (_, b"nobody") => 550,
                        (_, b"busy") => 450,
                        (Host::Rcpt(code), _) => code,
                        _ => 250,
                    };
                    let reply = Reply::new(code, None, "said the server");
                    if code == 250 {
                        link.recipients.push(to.to_string());
                        session.accept(ask).unwrap();
                    } else {
                        session.reject(ask, &reply).unwrap();
                    }
                }
                server::Event::BodyChunk(data) => {
                    link.text.extend_from_slice(&data);
                    if link.host == Host::HangsUp {
                        link.is_cut = true;
                        self.queue.handle_disconnect(now, id);
                        self.links.remove(&id);
                        return true;
                    }
                }
                server::Event::MessageEnd { ask, recipients } => {
                    let code = match link.host {
                        Host::Data(code) => code,
                        _ => 250,
                    };
                    let reply = Reply::new(code, None, "said the server");
                    if code != 250 {
                        session.reject(ask, &reply).unwrap();
                        continue;
                    }
                    // LMTP: whoever is called full is.
                    let mut replies = Vec::new();
                    let mut to = Vec::new();
                    for recipient in &link.recipients {
                        let is_full = recipient.starts_with("full");
                        replies.push(match is_full {
                            true => Reply::new(452, None, "mailbox full"),
                            false => reply.clone(),
                        });
                        if !is_full {
                            to.push(recipient.clone());
                        }
                    }
                    assert_eq!(replies.len(), recipients as usize);
                    session.answer_each(ask, &replies).unwrap();
                    self.arrived.push(Arrived {
                        at: link.to,
                        from: link.from.clone(),
                        to,
                        text: core::mem::take(&mut link.text),
                    });
                }
                _ => {}
            }
        }
        while let Some(step) = link.session.poll_transmit(now, 1500) {
            progress = true;
            match step {
                Transmit::Data(data) => link.down.extend_from_slice(&data),
                _ => {
                    while link.hand_over(self.piece) {
                        self.queue.recv(now, id, &mut link.read);
                    }
                    self.queue.handle_eof(now, id);
                    link.is_cut = true;
                }
            }
        }
        progress
    }

    pub(crate) fn count(&self, is: impl Fn(&Event) -> bool) -> usize {
        self.events.iter().filter(|event| is(event)).count()
    }

    pub(crate) fn delivered(&self) -> usize {
        self.count(|it| matches!(it, Event::Delivered { .. }))
    }

    pub(crate) fn failures(&self) -> Vec<String> {
        let failures = self.events.iter().filter_map(|event| match event {
            Event::Failed {
                recipient, reason, ..
            } => Some(format!("{recipient} {}", reason.status)),
            _ => None,
        });
        failures.collect()
    }

    /// Nothing is left anywhere.
    pub(crate) fn assert_done(&self) {
        assert!(self.queue.is_empty(), "{:?}", self.queue);
        assert!(self.store.is_empty());
        assert_eq!(self.deadline(), None);
    }
}

pub(crate) fn mail(to: &[&str]) -> Envelope {
    let from: Mailbox = "alice@crepes.fr".parse().unwrap();
    to.iter().fold(Envelope::new(from), |envelope, to| {
        envelope.to(to.parse().unwrap())
    })
}

pub(crate) const TEXT: &str =
    "Subject: dinner\r\n\r\nDo you like ketchup?\r\n.\r\nHow about pickles?\r\n";
