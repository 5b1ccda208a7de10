//! The rules of the convention for the machines that hold zones: the secondary, whose connection is
//! played by a socket of its own, and the name server.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod common;

use bytes::Bytes;
use common::{name, query, zone};
use core::net::SocketAddr;
use core::time::Duration;
use netio::shape::{DatagramMachine, DatagramTransmit, Local, LocalId};
use netio::sim::Rng;
use netio::sim::kit::{DatagramKit, DatagramScenario, DatagramStep, Incoming, Log, Reply};
use proto_dns::client::{Action, ConnectionId, Secondary, secondary};
use proto_dns::datagram::{self, Transmit};
use proto_dns::server::nameserver::{self, Policy, Response};
use proto_dns::server::{Authority, Nameserver};
use proto_dns::tsig::{Algorithm, Key, Transaction};
use proto_dns::wire::{Builder, Class, Flags, Message, Opcode, RData, Section, Type};
use proto_dns::{Limits, Transport, UnixTime};
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

const SEED: [u8; 32] = [42; 32];
const UNIX: UnixTime = UnixTime::from_secs(1_700_000_000);
const RECORDS: &str = "@ 300 SOA ns h 1 60 30 600 60\n@ 300 NS ns\nns 300 A 192.0.2.53\n\
    www 300 A 192.0.2.1\nalias 300 CNAME www\n*.wild 300 TXT \"w\"\n";

fn heap(run: &mut dyn FnMut()) -> usize {
    allocation_counter::measure(run).bytes_max as usize
}

fn key() -> Key {
    Key::new(name("k"), Algorithm::Sha256, *b"0123456789abcdef")
}

fn address(last: u8, port: u16) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, last], port))
}

fn server(also_notify: Vec<SocketAddr>) -> Nameserver {
    let mut policy = Policy::default();
    policy.keys = vec![key()];
    policy.update.any = true;
    policy.notify.any = true;
    policy.transfer.any = true;
    policy.also_notify = also_notify;
    let mut authority = Authority::new();
    authority.insert(zone("example.com.", RECORDS)).unwrap();
    let mut server = Nameserver::new(Duration::ZERO, authority, policy, SEED);
    server.handle_clock(Duration::ZERO, UNIX);
    server
}

/// An update that adds one address.
fn update(id: u16, owner: &str) -> Vec<u8> {
    let mut buffer = [0; 512];
    let flags = Flags::default().with_opcode(Opcode::UPDATE);
    let mut message = Builder::new(&mut buffer, id, flags).unwrap();
    message
        .push_question(name("example.com").view(), Type::SOA, Class::IN)
        .unwrap();
    let (owner, data) = (name(owner), RData::A([192, 0, 2, 99].into()));
    message
        .push(Section::Authority, owner.view(), Class::IN, 60, &data)
        .unwrap();
    message.finish().to_vec()
}

// --- client::Secondary

/// A secondary whose connections are sockets: each is made at once, and bears one transfer.
#[derive(Debug)]
struct Copying {
    machine: Secondary,
    /// Connections whose request has left.
    bound: BTreeSet<ConnectionId>,
}

impl DatagramMachine for Copying {
    type Event = secondary::Event;

    fn handle_datagram(&mut self, now: Duration, local: LocalId, _: SocketAddr, data: &[u8]) {
        let id = ConnectionId(local.0.wrapping_sub(1));
        self.machine.handle_message(now, id, data);
    }

    fn poll_event(&mut self) -> Option<secondary::Event> {
        self.machine.poll_event()
    }

    fn poll_transmit(&mut self, now: Duration) -> Option<DatagramTransmit> {
        loop {
            match self.machine.poll_action(now)? {
                Action::Connect { id, .. } => self.machine.handle_connected(now, id),
                Action::Send { id, message } => {
                    self.bound.insert(id);
                    return Some(DatagramTransmit::Datagram {
                        local: Local::Fresh(LocalId(id.0 + 1)),
                        to: address(53, 53),
                        payload: message,
                    });
                }
                Action::Close { id } => {
                    if self.bound.remove(&id) {
                        return Some(DatagramTransmit::Release(LocalId(id.0 + 1)));
                    }
                }
            }
        }
    }

    fn poll_timeout(&self) -> Option<Duration> {
        self.machine.poll_timeout()
    }

    fn handle_timeout(&mut self, now: Duration) {
        self.machine.handle_timeout(now);
    }
}

/// A zone is copied, refreshed, changed and followed; then nobody answers, and it expires.
struct Followed {
    primary: Nameserver,
    /// Without the end, as what is repeated often must be; and without signatures, behind which
    /// nothing that was changed gets far.
    is_short: bool,
    serials: Vec<u32>,
}

impl Default for Followed {
    fn default() -> Self {
        Self {
            primary: server(Vec::new()),
            is_short: false,
            serials: Vec::new(),
        }
    }
}

impl DatagramScenario for Followed {
    type Machine = Copying;

    fn machine(&self, now: Duration) -> Copying {
        let primaries = [address(53, 53)];
        let key = Some(key()).filter(|_| !self.is_short);
        let origin = name("example.com");
        let mut machine = Secondary::new(now, origin, primaries, key, Limits::default(), SEED);
        machine.handle_clock(now, UNIX);
        Copying {
            machine,
            bound: BTreeSet::new(),
        }
    }

    /// Signatures are in their time.
    fn start(&mut self, _: &mut Copying, now: Duration) {
        self.primary.handle_clock(now, UNIX);
    }

    fn script(&self) -> Vec<DatagramStep> {
        if self.is_short {
            return vec![
                DatagramStep::Advance(Duration::from_secs(1)),
                DatagramStep::Command(1),
                DatagramStep::Advance(Duration::from_secs(35)),
            ];
        }
        vec![
            DatagramStep::Advance(Duration::from_secs(10)),
            DatagramStep::Command(1),
            DatagramStep::Advance(Duration::from_secs(100)),
            DatagramStep::Command(2),
            DatagramStep::Advance(Duration::from_secs(1000)),
        ]
    }

    fn command(&mut self, number: u32, machine: &mut Copying, now: Duration) {
        if number == 1 {
            let message = update(7, "new.example.com");
            let from = address(9, 4000);
            let response = self.primary.respond(now, &message, from, Transport::Udp);
            assert!(matches!(response, Response::Message(_)));
        }
        // A stranger's word counts nothing; the primary's does.
        assert!(
            !machine
                .machine
                .handle_notify(now, address(66, 0).ip(), Some(9))
        );
        assert!(
            machine
                .machine
                .handle_notify(now, address(53, 0).ip(), Some(2))
        );
    }

    fn reply(&mut self, now: Duration, to: SocketAddr, payload: &[u8]) -> Vec<Reply> {
        let reply = |data| Reply { from: to, data };
        match self.primary.respond(now, payload, to, Transport::Tcp) {
            Response::Message(message) => vec![reply(message)],
            Response::Transfer(mut transfer) => core::iter::from_fn(|| transfer.next_message())
                .map(reply)
                .collect(),
            _ => Vec::new(),
        }
    }

    fn on_event(
        &mut self,
        machine: &mut Copying,
        _: Duration,
        event: secondary::Event,
        log: &mut Log,
    ) {
        match event {
            secondary::Event::Updated {
                zone, incremental, ..
            } => {
                assert!(zone.records().count() >= 6, "never half a zone");
                self.serials.push(zone.serial());
                log.say(format!("{} {incremental}", zone.serial()));
            }
            secondary::Event::UpToDate { serial } => log.say(format!("still {serial}")),
            secondary::Event::Failed { error, .. } => log.say(format!("{error}")),
            event => log.say(format!("{event:?}")),
        }
        assert!(
            machine
                .machine
                .zone()
                .is_none_or(|zone| zone.soa().is_some())
        );
    }

    /// The times of signatures depend on when a request is made, not on what is asked.
    fn peer_view(&self, to: SocketAddr, payload: &[u8], log: &mut Log) {
        let message = Message::parse(payload).unwrap();
        log.say(format!("{to} {}", message.question().unwrap()));
    }

    fn observe(&self, machine: &Copying) -> String {
        let serial = machine.machine.zone().map(|zone| zone.serial());
        format!("{serial:?} {:?}", machine.machine.stats())
    }

    /// A connection cannot be forged; what is said of another one is harmless.
    fn forge(&self, genuine: &Incoming, rng: &mut Rng) -> Vec<Incoming> {
        [1 << 40, 1 + rng.below(1 << 30), u64::MAX]
            .map(|other| Incoming {
                local: LocalId(genuine.local.0 ^ other),
                ..genuine.clone()
            })
            .to_vec()
    }

    fn completed(&self) -> Result<(), String> {
        if self.serials.contains(&2) {
            return Ok(());
        }
        Err(format!("versions {:?}", self.serials))
    }

    /// Versions never go backwards.
    fn invariant(&self) -> Result<(), String> {
        if self.serials.is_sorted() {
            return Ok(());
        }
        Err(format!("versions {:?}", self.serials))
    }
}

netio::kit_rules! {
    // It never rests: it asks again whenever the SOA record says so.
    [DatagramKit::new(Followed::default).tick(Duration::from_secs(5)).rounds(40)];
    r1_secondary_any_order_of_calls_gives_the_same => r1_any_order,
    r2_secondary_time_never_runs_backwards => r2_time,
    r3_secondary_deadlines_progress => r3_timers,
    r12_secondary_nonsense_is_bounded => nonsense,
    secondary_ignores_what_is_said_of_other_connections => forgeries,
}

#[test]
fn secondary_follows_its_primary_over_connections_that_lose_messages() {
    DatagramKit::new(Followed::default)
        .rounds(100)
        .unreliable(100_000, 50_000);
}

#[test]
fn r12_secondary_survives_every_mutation() {
    let short = || Followed {
        is_short: true,
        ..Followed::default()
    };
    DatagramKit::new(short)
        .tick(Duration::from_secs(5))
        .wakeups(20)
        .mutations(heap, 200_000);
}

#[test]
fn r12_wishes_and_events_that_nobody_fetches_do_not_pile_up() {
    let mut machine = Followed::default().machine(Duration::ZERO).machine;
    let mut now = Duration::ZERO;
    let most = heap(&mut || {
        for _ in 0..10_000 {
            now = machine.poll_timeout().unwrap().max(now);
            machine.handle_timeout(now);
        }
    });
    assert!(most < 64 * 1024, "{most} octets");
    let actions = core::iter::from_fn(|| machine.poll_action(now)).count();
    let events = core::iter::from_fn(|| machine.poll_event()).count();
    assert!(actions <= 2 && events <= 64, "{actions} {events}");
    assert!(machine.stats().failures > 4000);
}

// --- server::Nameserver

/// A name server with its replies.
#[derive(Debug)]
struct Naming {
    machine: Nameserver,
    replies: VecDeque<(SocketAddr, Bytes)>,
}

impl DatagramMachine for Naming {
    type Event = nameserver::Event;

    fn handle_datagram(&mut self, now: Duration, local: LocalId, from: SocketAddr, data: &[u8]) {
        // The kit also delivers to sockets that nobody bound.
        if local != LocalId::MAIN {
            return;
        }
        if let Response::Message(reply) = self.machine.respond(now, data, from, Transport::Udp) {
            self.replies.push_back((from, reply));
        }
    }

    fn poll_event(&mut self) -> Option<nameserver::Event> {
        self.machine.poll_event()
    }

    fn poll_transmit(&mut self, now: Duration) -> Option<DatagramTransmit> {
        let (to, payload) = match self.replies.pop_front() {
            Some(reply) => reply,
            None => match self.machine.poll_transmit(now)? {
                Transmit::Datagram {
                    local: datagram::Local::Id(datagram::LocalId::MAIN),
                    to,
                    payload,
                } => (to, payload),
                other => panic!("{other:?}"),
            },
        };
        Some(DatagramTransmit::Datagram {
            local: Local::Id(LocalId::MAIN),
            to,
            payload,
        })
    }

    fn poll_timeout(&self) -> Option<Duration> {
        self.machine.poll_timeout()
    }

    fn handle_timeout(&mut self, now: Duration) {
        self.machine.handle_timeout(now);
    }
}

/// Questions, updates, signed and unsigned, a transfer, notifications both ways; one secondary
/// answers notifications and one does not.
#[derive(Default)]
struct Named {
    ended: Vec<(SocketAddr, bool)>,
    updates: usize,
}

const ANSWERS: u8 = 101;
const IS_SILENT: u8 = 102;

impl DatagramScenario for Named {
    type Machine = Naming;

    fn machine(&self, now: Duration) -> Naming {
        let mut machine = server(vec![address(ANSWERS, 53), address(IS_SILENT, 53)]);
        machine.handle_clock(now, UNIX);
        Naming {
            machine,
            replies: VecDeque::new(),
        }
    }

    fn script(&self) -> Vec<DatagramStep> {
        let from = |data: Vec<u8>| DatagramStep::datagram(address(9, 4000), data);
        let mut signed = query(3, "www.example.com", Type::A, Some(1232));
        Transaction::request(&key(), &mut signed, UNIX).unwrap();
        let mut forged = signed.clone();
        let end = forged.len();
        forged[end - 10] ^= 1;
        let mut transfer = query(5, "example.com", Type::IXFR, None);
        transfer[9] = 1;
        transfer.extend_from_slice(&[0xc0, 12, 0, 6, 0, 1, 0, 0, 0, 0, 0, 22, 0, 0]);
        transfer.extend_from_slice(&[0; 20]);
        Transaction::request(&key(), &mut transfer, UNIX).unwrap();
        let mut notify = query(6, "example.com", Type::SOA, None);
        notify[2] = 0x24;
        vec![
            from(query(1, "www.example.com", Type::A, None)),
            from(update(2, "new.example.com")),
            from(signed),
            from(forged),
            DatagramStep::Advance(Duration::from_secs(1)),
            from(transfer),
            from(notify),
            from(update(7, "new.example.com")),
            from(update(8, "other.example.com")),
            from(update(9, "www.example.org")),
            from(b"garbage".to_vec()),
            DatagramStep::Advance(Duration::from_secs(120)),
        ]
    }

    /// The secondary that answers.
    fn reply(&mut self, _: Duration, to: SocketAddr, payload: &[u8]) -> Vec<Reply> {
        if to != address(ANSWERS, 53) {
            return Vec::new();
        }
        let mut data = payload.to_vec();
        data[2] |= 0x80;
        vec![Reply {
            from: to,
            data: data.into(),
        }]
    }

    fn on_event(&mut self, _: &mut Naming, _: Duration, event: nameserver::Event, log: &mut Log) {
        match event {
            nameserver::Event::Updated { zone, from } => {
                self.updates += 1;
                log.say(format!("serial {} by {from}", zone.serial()));
            }
            nameserver::Event::NotifyEnded { to, answered, .. } => {
                self.ended.push((to, answered));
                log.say(format!("{to} {answered}"));
            }
            event => log.event(&event),
        }
    }

    fn observe(&self, machine: &Naming) -> String {
        let zone = machine.machine.authority().zone(&name("example.com"));
        format!("{:?}", zone.map(|zone| zone.serial()))
    }

    /// Answers to notifications in another's name.
    fn forge(&self, genuine: &Incoming, rng: &mut Rng) -> Vec<Incoming> {
        if genuine.data.get(2).is_none_or(|flags| flags & 0x80 == 0) {
            return Vec::new();
        }
        let mut data = genuine.data.to_vec();
        data[rng.below(2) as usize] ^= 1 << rng.below(8);
        vec![
            Incoming {
                data: data.into(),
                ..genuine.clone()
            },
            Incoming {
                from: address(66, 53),
                ..genuine.clone()
            },
            Incoming {
                from: SocketAddr::new(genuine.from.ip(), 54),
                ..genuine.clone()
            },
        ]
    }

    fn completed(&self) -> Result<(), String> {
        let has = |last, answered| self.ended.contains(&(address(last, 53), answered));
        if self.updates == 2 && has(ANSWERS, true) && has(IS_SILENT, false) {
            return Ok(());
        }
        Err(format!("{} updates, {:?}", self.updates, self.ended))
    }

    /// Nobody who is silent has answered.
    fn invariant(&self) -> Result<(), String> {
        if self.ended.contains(&(address(IS_SILENT, 53), true)) {
            return Err(format!("{:?}", self.ended));
        }
        Ok(())
    }
}

netio::kit_rules! {
    [DatagramKit::new(Named::default)];
    r1_nameserver_any_order_of_calls_gives_the_same => r1_any_order,
    r2_nameserver_time_never_runs_backwards => r2_time,
    r3_nameserver_deadlines_progress => r3_timers,
    r12_nameserver_nonsense_is_bounded => nonsense,
    nameserver_ignores_forged_answers_to_notifications => forgeries,
}

#[test]
fn r12_nameserver_survives_every_mutation() {
    DatagramKit::new(Named::default).mutations(heap, 300_000);
}

#[test]
fn r12_a_nameserver_whose_events_nobody_fetches_keeps_the_last_ones() {
    let mut policy = Policy::default();
    policy.update.any = true;
    policy.also_notify = vec![address(ANSWERS, 53)];
    policy.max_notifications = 4;
    let mut authority = Authority::new();
    authority
        .insert(Arc::new(zone("example.com.", RECORDS)))
        .unwrap();
    let mut server = Nameserver::new(Duration::ZERO, authority, policy, SEED);
    for number in 0..100 {
        let message = update(1, &format!("h{number}.example.com"));
        server.respond(Duration::ZERO, &message, address(9, 4000), Transport::Udp);
    }
    let events: Vec<_> = core::iter::from_fn(|| server.poll_event()).collect();
    assert_eq!(events.len(), 4);
    assert!(
        matches!(&events[3], nameserver::Event::Updated { zone, .. } if zone.serial() == 101),
        "{events:?}"
    );
}
