//! The rules of the convention, each for every machine that it concerns.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod common;

use bytes::{Bytes, BytesMut};
use common::{contents, name, query, utopia, zone};
use core::net::SocketAddr;
use core::time::Duration;
use netio::sim::Rng;
use netio::sim::kit::{
    DatagramKit, DatagramScenario, DatagramStep, Incoming, Log, Reply, Step, StreamKit,
    StreamScenario, r4_flood,
};
use proto_dns::client::{self, Action, ConnectionId, QueryOptions, Stub};
use proto_dns::datagram::LocalId;
use proto_dns::server::{self, Authority};
use proto_dns::stream::Transmit;
use proto_dns::wire::{Message, Question, Type, tcp};
use proto_dns::{Config, Limits, QueryId, Transport};
use std::collections::{BTreeMap, VecDeque};
use std::sync::LazyLock;

const SEED: [u8; 32] = [42; 32];

/// The records of the lecture, a text that fits no datagram, and zones that some servers lack.
static AUTHORITY: LazyLock<Authority> = LazyLock::new(|| {
    let mut authority = utopia();
    let long = format!("\"{}\"", "x".repeat(200));
    // Long enough to leave by reference instead of being copied.
    let long = [long.as_str(); 25].join(" ");
    let records = format!(
        "@ 300 SOA ns.big.test. h.big.test. 1 60
         @ 300 NS ns.big.test.
         big 300 TXT {long}"
    );
    authority.insert(zone("big.test.", &records)).unwrap();
    authority
});

fn heap(run: &mut dyn FnMut()) -> usize {
    allocation_counter::measure(run).bytes_max as usize
}

fn framed(messages: &[Vec<u8>]) -> BytesMut {
    let mut wire = BytesMut::new();
    for message in messages {
        tcp::encode(message, &mut wire).unwrap();
    }
    wire
}

// --- server::Stream

/// Pipelined queries, one that is no query among them.
#[derive(Default)]
struct Served {
    bad_end: bool,
    flood: bool,
    open: VecDeque<(server::stream::Ask, Bytes)>,
}

impl Served {
    fn wire() -> BytesMut {
        let mut response = query(2, "www.networkutopia.com", Type::A, None);
        response[2] |= 0x80;
        framed(&[
            query(1, "www.networkutopia.com", Type::A, None),
            response,
            query(3, "networkutopia.com", Type::MX, Some(4096)),
            query(4, "big.big.test", Type::TXT, None),
            query(5, "no.such.name.networkutopia.com", Type::AAAA, Some(1232)),
        ])
    }
}

impl StreamScenario for Served {
    type Machine = server::Stream;

    fn machine(&self, now: Duration) -> server::Stream {
        server::Stream::new(now, Limits::default())
    }

    fn script(&self) -> Vec<Step> {
        let mut script = vec![Step::feed(Self::wire())];
        if self.bad_end {
            script.push(Step::feed(b"\0\x05hello and what follows"));
        } else {
            script.push(Step::Eof);
        }
        script
    }

    fn on_event(
        &mut self,
        _: &mut server::Stream,
        _: Duration,
        event: server::stream::Event,
        log: &mut Log,
    ) {
        match event {
            server::stream::Event::Query { ask, message } => {
                log.event(&message);
                self.open.push_back((ask, message));
            }
            event => log.event(&event),
        }
    }

    fn answer(&mut self, machine: &mut server::Stream, _: Duration) -> bool {
        let Some((ask, message)) = self.open.pop_front() else {
            return false;
        };
        let _ = machine.serve(&AUTHORITY, ask, &message);
        true
    }

    fn is_peer_closed(&self, event: &server::stream::Event) -> bool {
        matches!(event, server::stream::Event::PeerClosed)
    }

    fn completed(&self) -> Result<(), String> {
        if self.flood || self.open.is_empty() {
            return Ok(());
        }
        Err(format!("{} questions are open", self.open.len()))
    }
}

netio::kit_rules! {
    [StreamKit::new(Served::default)];
    r1_server_stream_any_order_of_calls_gives_the_same => r1_any_order,
    r2_server_stream_time_never_runs_backwards => r2_time,
    r3_server_stream_deadlines_progress => r3_timers,
    r4_server_stream_reads_when_reading_helps => r4_reading,
    r6_server_stream_end_of_input_is_an_event_or_an_error => r6_eof,
    r6_server_stream_disconnect_at_every_position => r6_disconnect,
    r7_server_stream_output_keeps_to_its_budget => r7_budget,
    r10_server_stream_stale_answers_change_nothing => r10_stale_answers,
    r12_server_stream_nonsense_is_bounded => nonsense,
    r13_server_stream_any_split_gives_the_same => r13_any_split,
}

#[test]
fn r5_server_stream_ends_once_after_a_length_that_no_message_has() {
    let factory = || Served {
        bad_end: true,
        ..Served::default()
    };
    StreamKit::new(factory).r5_errors(Served::wire().len(), b"");
}

#[test]
fn r12_server_stream_survives_every_mutation() {
    StreamKit::new(Served::default).mutations(heap, 300_000);
}

#[test]
fn server_stream_skips_what_is_no_query() {
    let mut machine = server::Stream::new(Duration::ZERO, Limits::default());
    let mut input = Served::wire();
    let mut count = 0;
    while machine
        .poll_event(Duration::ZERO, &mut input)
        .unwrap()
        .is_some()
    {
        count += 1;
    }
    assert_eq!((count, machine.stats().not_queries), (4, 1));
}

#[test]
fn r5_questions_that_are_open_when_a_server_stream_fails_are_stale() {
    let mut machine = server::Stream::new(Duration::ZERO, Limits::default());
    let mut input = framed(&[query(1, "a", Type::A, None)]);
    let event = machine.poll_event(Duration::ZERO, &mut input).unwrap();
    let Some(server::stream::Event::Query { ask, message }) = event else {
        panic!("no query")
    };
    input.extend_from_slice(b"\0\x01");
    assert!(machine.poll_event(Duration::ZERO, &mut input).is_err());
    assert_eq!(
        machine.poll_transmit(Duration::ZERO, 9),
        Some(Transmit::Shutdown)
    );
    let answered = machine.answer(ask, message);
    assert_eq!(answered, Err(proto_dns::UsageError::StaleAsk));
}

#[test]
fn r7_long_messages_leave_without_a_copy() {
    let mut machine = client::Stream::new(Duration::ZERO, Limits::default(), SEED);
    let message = Bytes::from(vec![7; 4096]);
    machine.send(message.clone()).unwrap();
    machine.send(message.slice(..4095)).unwrap();
    let mut data = Vec::new();
    while let Some(Transmit::Data(piece)) = machine.poll_transmit(Duration::ZERO, 9999) {
        data.push(piece);
    }
    let lens: Vec<usize> = data.iter().map(Bytes::len).collect();
    assert_eq!(lens, [2, 4096, 4097]);
    assert_eq!(data[1].as_ptr(), message.as_ptr());
}

// --- client::Stream

/// Queries whose answers come in another order, with one among them that nobody asked for.
#[derive(Default)]
struct Asking {
    bad_end: bool,
    raw: bool,
    ids: Vec<QueryId>,
    finals: BTreeMap<QueryId, usize>,
    messages: usize,
}

fn ask(machine: &mut client::Stream) -> Vec<QueryId> {
    [
        ("www.networkutopia.com", Type::A),
        ("networkutopia.com", Type::MX),
        ("big.big.test", Type::TXT),
    ]
    .map(|(qname, qtype)| {
        let question = Question::new(name(qname), qtype);
        machine.query(question, QueryOptions::default()).unwrap()
    })
    .to_vec()
}

impl Asking {
    /// What the machine sends, and what a server says to it.
    fn exchange() -> (u64, BytesMut) {
        let mut machine = client::Stream::new(Duration::ZERO, Limits::default(), SEED);
        ask(&mut machine);
        let mut sent = BytesMut::new();
        while let Some(Transmit::Data(data)) = machine.poll_transmit(Duration::ZERO, 9999) {
            sent.extend_from_slice(&data);
        }
        let octets = sent.len() as u64;
        let mut replies = Vec::new();
        while let Some(message) = tcp::decode(&mut sent).unwrap() {
            replies.push(AUTHORITY.reply(&message, Transport::Tcp).unwrap().to_vec());
        }
        let mut stray = replies[0].clone();
        stray[0] ^= 0x55;
        replies.insert(1, stray);
        replies.rotate_left(2);
        (octets, framed(&replies))
    }
}

impl StreamScenario for Asking {
    type Machine = client::Stream;

    fn machine(&self, now: Duration) -> client::Stream {
        client::Stream::new(now, Limits::default(), SEED)
    }

    fn start(&mut self, machine: &mut client::Stream, _: Duration) {
        self.ids = ask(machine);
        if self.raw {
            machine.send(query(9, "a", Type::A, None).into()).unwrap();
        }
    }

    fn script(&self) -> Vec<Step> {
        let (octets, replies) = Self::exchange();
        let mut script = vec![Step::AwaitOctets(octets), Step::Feed(replies.freeze())];
        if self.bad_end {
            script.push(Step::feed(b"\0\x0bhello worldly"));
        } else {
            script.push(Step::Eof);
        }
        script
    }

    fn on_event(
        &mut self,
        _: &mut client::Stream,
        _: Duration,
        event: client::stream::Event,
        log: &mut Log,
    ) {
        use client::stream::Event;
        log.event(&event);
        match event {
            Event::Answer { id, .. } | Event::Failed { id, .. } => {
                *self.finals.entry(id).or_default() += 1;
            }
            Event::Message(_) => self.messages += 1,
            _ => {}
        }
    }

    fn is_peer_closed(&self, event: &client::stream::Event) -> bool {
        matches!(event, client::stream::Event::PeerClosed)
    }

    fn completed(&self) -> Result<(), String> {
        if self.messages != usize::from(self.raw) {
            return Err(format!("{} stray messages", self.messages));
        }
        self.invariant()
    }

    /// Exactly one final event for each query.
    fn invariant(&self) -> Result<(), String> {
        let once = |id: &QueryId| self.finals.get(id) == Some(&1);
        if self.ids.iter().all(once) && self.finals.len() == self.ids.len() {
            return Ok(());
        }
        Err(format!("final events: {:?}", self.finals))
    }
}

netio::kit_rules! {
    [StreamKit::new(Asking::default)];
    r1_client_stream_any_order_of_calls_gives_the_same => r1_any_order,
    r2_client_stream_time_never_runs_backwards => r2_time,
    r3_client_stream_deadlines_progress => r3_timers,
    r4_client_stream_reads_when_reading_helps => r4_reading,
    r6_client_stream_end_of_input_is_an_event_or_an_error => r6_eof,
    r6_client_stream_disconnect_at_every_position => r6_disconnect,
    r7_client_stream_output_keeps_to_its_budget => r7_budget,
    r10_client_stream_stale_answers_change_nothing => r10_stale_answers,
    r12_client_stream_nonsense_is_bounded => nonsense,
    r13_client_stream_any_split_gives_the_same => r13_any_split,
}

#[test]
fn client_stream_keeps_the_rules_with_raw_messages() {
    let factory = || Asking {
        raw: true,
        ..Asking::default()
    };
    StreamKit::new(factory).rounds(50).all();
}

#[test]
fn r5_client_stream_ends_once_after_a_length_that_no_message_has() {
    let factory = || Asking {
        bad_end: true,
        ..Asking::default()
    };
    StreamKit::new(factory).r5_errors(Asking::exchange().1.len(), b"");
}

#[test]
fn r12_client_stream_survives_every_mutation() {
    StreamKit::new(Asking::default).mutations(heap, 300_000);
}

#[test]
fn client_stream_is_not_closed_before_its_final_events_were_fetched() {
    let mut machine = client::Stream::new(Duration::ZERO, Limits::default(), SEED);
    let ids = ask(&mut machine);
    machine.handle_disconnect(Duration::ZERO);
    let mut input = BytesMut::new();
    for id in ids {
        assert!(!machine.is_closed());
        let event = machine.poll_event(Duration::ZERO, &mut input);
        let reason = proto_dns::Failure::Disconnected;
        assert_eq!(
            event,
            Ok(Some(client::stream::Event::Failed { id, reason }))
        );
    }
    assert!(machine.is_closed());
}

/// Attack row 44: a reply under an id that is open, to a question that is not.
#[test]
fn client_stream_does_not_take_the_answer_to_another_question() {
    let mut machine = client::Stream::new(Duration::ZERO, Limits::default(), SEED);
    let id = ask(&mut machine)[0];
    let Some(Transmit::Data(mut sent)) = machine.poll_transmit(Duration::ZERO, 9999) else {
        panic!("nothing was sent")
    };
    let length = usize::from(u16::from_be_bytes([sent[0], sent[1]]));
    let first = sent.split_to(length + 2);
    let mut wrong = AUTHORITY
        .reply(&first[2..], Transport::Tcp)
        .unwrap()
        .to_vec();
    wrong[14] ^= 1;
    let mut input = framed(&[wrong]);
    assert_eq!(machine.poll_event(Duration::ZERO, &mut input), Ok(None));
    assert_eq!(machine.stats().unmatched, 1);
    let right = AUTHORITY
        .reply(&first[2..], Transport::Tcp)
        .unwrap()
        .to_vec();
    let mut input = framed(&[right]);
    assert!(matches!(
        machine.poll_event(Duration::ZERO, &mut input),
        Ok(Some(client::stream::Event::Answer { id: answered, .. })) if answered == id
    ));
}

// --- both

/// A client that asks all it has to ask at once.
struct Flooding {
    count: usize,
    answers: usize,
}

impl StreamScenario for Flooding {
    type Machine = client::Stream;

    fn machine(&self, now: Duration) -> client::Stream {
        let mut limits = Limits::default();
        limits.max_queries = self.count;
        client::Stream::new(now, limits, SEED)
    }

    fn start(&mut self, machine: &mut client::Stream, _: Duration) {
        for _ in 0..self.count {
            let question = Question::new(name("big.big.test"), Type::TXT);
            machine.query(question, QueryOptions::default()).unwrap();
        }
    }

    fn script(&self) -> Vec<Step> {
        Vec::new()
    }

    fn on_event(
        &mut self,
        _: &mut client::Stream,
        _: Duration,
        event: client::stream::Event,
        _: &mut Log,
    ) {
        assert!(matches!(event, client::stream::Event::Answer { .. }));
        self.answers += 1;
    }

    fn completed(&self) -> Result<(), String> {
        if self.answers == self.count {
            return Ok(());
        }
        Err(format!("{} of {} answers", self.answers, self.count))
    }
}

#[test]
fn r4_a_flood_of_queries_and_answers_does_not_deadlock() {
    r4_flood(
        || Flooding {
            count: 1000,
            answers: 0,
        },
        || Served {
            flood: true,
            ..Served::default()
        },
        &[1, 100, 4096],
    );
}

// --- server::Datagram

#[derive(Default)]
struct ServedDatagrams {
    open: VecDeque<(server::datagram::Ask, Bytes)>,
}

fn client_address(last: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, last], 40_000))
}

impl DatagramScenario for ServedDatagrams {
    type Machine = server::Datagram;

    fn machine(&self, now: Duration) -> server::Datagram {
        server::Datagram::new(now, Limits::default())
    }

    fn script(&self) -> Vec<DatagramStep> {
        let mut response = query(2, "www.networkutopia.com", Type::A, None);
        response[2] |= 0x80;
        vec![
            DatagramStep::datagram(
                client_address(1),
                query(1, "www.networkutopia.com", Type::A, None),
            ),
            DatagramStep::datagram(client_address(1), response),
            DatagramStep::datagram(client_address(2), query(3, "big.big.test", Type::TXT, None)),
            DatagramStep::Advance(Duration::from_secs(1)),
            DatagramStep::datagram(
                client_address(1),
                query(4, "networkutopia.com", Type::MX, Some(1232)),
            ),
            DatagramStep::datagram(client_address(1), b"garbage"),
        ]
    }

    fn on_event(
        &mut self,
        machine: &mut server::Datagram,
        _: Duration,
        event: server::datagram::Event,
        log: &mut Log,
    ) {
        if let server::datagram::Event::Query {
            ask,
            message,
            from,
            local,
        } = event
        {
            // The kit also delivers to sockets that nobody bound, and rightly wants nothing from there.
            if local != LocalId::MAIN {
                return machine.discard(ask).unwrap();
            }
            log.say(format!("{from} {message:?}"));
            self.open.push_back((ask, message));
        }
    }

    fn answer(&mut self, machine: &mut server::Datagram, _: Duration) -> bool {
        let Some((ask, message)) = self.open.pop_front() else {
            return false;
        };
        let _ = machine.serve(&AUTHORITY, ask, &message);
        true
    }

    /// A server listens to all the world.
    fn forge(&self, _: &Incoming, _: &mut Rng) -> Vec<Incoming> {
        Vec::new()
    }
}

netio::kit_rules! {
    [DatagramKit::new(ServedDatagrams::default)];
    r1_server_datagram_any_order_of_calls_gives_the_same => r1_any_order,
    r2_server_datagram_time_never_runs_backwards => r2_time,
    r3_server_datagram_deadlines_progress => r3_timers,
    r12_server_datagram_nonsense_is_bounded => nonsense,
    server_datagram_ignores_forgeries => forgeries,
}

#[test]
fn r12_server_datagram_survives_every_mutation() {
    DatagramKit::new(ServedDatagrams::default).mutations(heap, 100_000);
}

// --- client::Stub

/// Queries to three servers: one refuses, one knows no EDNS, one knows all.
#[derive(Default)]
struct Resolving {
    ids: Vec<QueryId>,
    finals: BTreeMap<QueryId, usize>,
    answers: usize,
    /// Connections that were wished for and not made yet; messages that were not delivered yet.
    connecting: VecDeque<ConnectionId>,
    coming: VecDeque<(ConnectionId, Bytes)>,
}

const REFUSES: &str = "192.0.2.1:53";
const KNOWS_NO_EDNS: &str = "192.0.2.2:53";
const KNOWS_ALL: &str = "192.0.2.3:53";

fn served(to: SocketAddr, payload: &[u8], over: Transport) -> Option<Bytes> {
    let asked = Message::parse(payload).unwrap();
    let refuse = |rcode: u8| {
        let mut reply = payload.to_vec();
        reply[2] |= 0x80;
        reply[3] = rcode;
        if asked.edns().is_some() {
            let end = reply.len() - 11;
            reply.truncate(end);
            reply[11] = 0;
        }
        Some(reply.into())
    };
    if to == REFUSES.parse().unwrap() {
        return refuse(5);
    }
    if to == KNOWS_NO_EDNS.parse().unwrap() && asked.edns().is_some() {
        return refuse(1);
    }
    AUTHORITY.reply(payload, over)
}

impl DatagramScenario for Resolving {
    type Machine = Stub;

    fn machine(&self, now: Duration) -> Stub {
        let servers = [REFUSES, KNOWS_NO_EDNS, KNOWS_ALL].map(|text| text.parse().unwrap());
        let mut config = Config::new(servers);
        config.attempts = 12;
        config.timeout = Duration::from_millis(500);
        config.deadline = Duration::from_secs(100_000);
        let mut limits = Limits::default();
        limits.max_mismatches = 1000;
        limits.max_case_mismatches = 1000;
        Stub::new(now, config, limits, SEED)
    }

    fn start(&mut self, machine: &mut Stub, _: Duration) {
        for (qname, qtype) in [
            ("www.networkutopia.com", Type::A),
            ("WEB.networkutopia.com", Type::A),
            ("big.big.test", Type::TXT),
            ("nothing.networkutopia.com", Type::AAAA),
        ] {
            let question = Question::new(name(qname), qtype);
            self.ids
                .push(machine.query(question, QueryOptions::default()).unwrap());
        }
    }

    fn script(&self) -> Vec<DatagramStep> {
        vec![DatagramStep::Advance(Duration::from_secs(60))]
    }

    fn reply(&mut self, _: Duration, to: SocketAddr, payload: &[u8]) -> Vec<Reply> {
        served(to, payload, Transport::Udp)
            .map(|data| Reply { from: to, data })
            .into_iter()
            .collect()
    }

    fn on_event(&mut self, _: &mut Stub, _: Duration, event: client::stub::Event, log: &mut Log) {
        match event {
            client::stub::Event::Answer {
                id,
                message,
                server,
                over,
            } => {
                let mut said = contents(&message.view());
                // The id of the message is random.
                said.remove(1);
                log.say(format!("{id:?} {server} {over} {said:?}"));
                *self.finals.entry(id).or_default() += 1;
                self.answers += 1;
            }
            client::stub::Event::Failed { id, reason, .. } => {
                log.say(format!("{id:?} {reason}"));
                *self.finals.entry(id).or_default() += 1;
            }
            _ => {}
        }
    }

    /// The world that makes connections.
    fn answer(&mut self, machine: &mut Stub, now: Duration) -> bool {
        match machine.poll_action(now) {
            Some(Action::Connect { id, .. }) => self.connecting.push_back(id),
            Some(Action::Send { id, message }) => {
                let to = KNOWS_ALL.parse().unwrap();
                let reply = served(to, &message, Transport::Tcp).unwrap();
                self.coming.push_back((id, reply));
            }
            Some(Action::Close { .. }) => {}
            None => {
                if let Some(id) = self.connecting.pop_front() {
                    machine.handle_connected(now, id);
                } else if let Some((id, message)) = self.coming.pop_front() {
                    machine.handle_message(now, id, &message);
                } else {
                    return false;
                }
            }
        }
        true
    }

    /// Ids and the case of letters are random, and drawn in the order of attempts.
    fn peer_view(&self, to: SocketAddr, payload: &[u8], log: &mut Log) {
        let message = Message::parse(payload).unwrap();
        let question = message.question().unwrap().to_string().to_lowercase();
        log.say(format!("{to} {question} {:?}", message.edns()));
    }

    fn observe(&self, machine: &Stub) -> String {
        let stats = machine.stats();
        format!("{} {} {}", stats.answers, stats.failures, stats.forced_tcp)
    }

    fn forge(&self, genuine: &Incoming, rng: &mut Rng) -> Vec<Incoming> {
        let changed = |at: usize, with: u8| {
            let mut data = genuine.data.to_vec();
            data[at] ^= with;
            Incoming {
                data: data.into(),
                ..genuine.clone()
            }
        };
        let bit = 1 << rng.below(8);
        let mut forgeries = vec![
            Incoming {
                from: SocketAddr::new(genuine.from.ip(), genuine.from.port() ^ 1),
                ..genuine.clone()
            },
            Incoming {
                from: SocketAddr::from(([203, 0, 113, 66], genuine.from.port())),
                ..genuine.clone()
            },
            Incoming {
                local: netio::shape::LocalId(genuine.local.0 ^ (1 << 40)),
                ..genuine.clone()
            },
            // Id, QR, opcode, QDCOUNT, the first label, the question's type.
            changed(0, bit),
            changed(1, bit),
            changed(2, 0x80),
            changed(2, 0x08),
            changed(5, 1),
            changed(12, bit),
        ];
        // The case of one letter.
        forgeries.push(changed(13, 0x20));
        forgeries
    }

    fn completed(&self) -> Result<(), String> {
        if self.answers == self.ids.len() {
            return Ok(());
        }
        Err(format!("{} answers to {:?}", self.answers, self.ids))
    }

    /// At most one final event for each query.
    fn invariant(&self) -> Result<(), String> {
        if self.finals.values().all(|&count| count == 1) {
            return Ok(());
        }
        Err(format!("final events: {:?}", self.finals))
    }
}

netio::kit_rules! {
    [DatagramKit::new(Resolving::default)];
    r1_stub_any_order_of_calls_gives_the_same => r1_any_order,
    r2_stub_time_never_runs_backwards => r2_time,
    r3_stub_deadlines_progress => r3_timers,
    r12_stub_nonsense_is_bounded => nonsense,
    stub_ignores_forgeries => forgeries,
}

#[test]
fn stub_answers_all_queries_over_a_bad_network() {
    DatagramKit::new(Resolving::default)
        .rounds(100)
        .unreliable(200_000, 100_000);
}

#[test]
fn r12_stub_survives_every_mutation() {
    DatagramKit::new(Resolving::default).mutations(heap, 200_000);
}
