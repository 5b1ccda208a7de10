//! The stub: whom it asks, what it believes, when it gives up.

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

use bytes::Bytes;
use common::{lines, name, query, utopia};
use core::net::SocketAddr;
use core::time::Duration;
use proto_dns::client::stub::{Event, Stats};
use proto_dns::client::{Action, ConnectionId, QueryOptions, Stub};
use proto_dns::datagram::{Local, LocalId, Transmit};
use proto_dns::wire::{Flags, Header, Message, Question, Rcode, Section, Type};
use proto_dns::{Config, Failure, Limits, QueryId, Transport, UsageError};
use std::collections::BTreeSet;

const T0: Duration = Duration::from_secs(1000);
const A: &str = "192.0.2.1:53";
const B: &str = "192.0.2.2:53";

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn config(servers: &[&str]) -> Config {
    Config::new(servers.iter().map(|text| address(text)))
}

fn stub(servers: &[&str]) -> Stub {
    Stub::new(T0, config(servers), Limits::default(), [1; 32])
}

fn www() -> Question {
    Question::new(name("www.networkutopia.com"), Type::A)
}

fn ask(stub: &mut Stub) -> QueryId {
    stub.query(www(), QueryOptions::default()).unwrap()
}

/// One attempt as the network sees it.
#[derive(Clone, Debug)]
struct Sent {
    port: LocalId,
    to: SocketAddr,
    payload: Bytes,
}

fn sent(stub: &mut Stub, now: Duration) -> Sent {
    loop {
        match stub.poll_transmit(now).expect("an attempt") {
            Transmit::Release(_) => {}
            Transmit::Datagram {
                local: Local::Fresh(port),
                to,
                payload,
            } => return Sent { port, to, payload },
            other => panic!("{other:?}"),
        }
    }
}

fn reply(sent: &Sent) -> Vec<u8> {
    let reply = utopia().reply(&sent.payload, Transport::Udp).unwrap();
    reply.to_vec()
}

/// A reply of nothing but header and question.
fn refusal(sent: &Sent, rcode: Rcode) -> Vec<u8> {
    let end = sent.payload.len();
    let message = Message::parse(&sent.payload).unwrap();
    let end = if message.edns().is_some() {
        end - 11
    } else {
        end
    };
    let mut reply = sent.payload[..end].to_vec();
    reply[2] |= 0x80;
    reply[3] = rcode.0 as u8;
    reply[11] = 0;
    reply
}

fn deliver(stub: &mut Stub, now: Duration, sent: &Sent, data: &[u8]) {
    stub.handle_datagram(now, sent.port, sent.to, data);
}

fn connect(stub: &mut Stub) -> (ConnectionId, SocketAddr) {
    match stub.poll_action(T0) {
        Some(Action::Connect { id, to }) => (id, to),
        other => panic!("{other:?}"),
    }
}

fn message_of(stub: &mut Stub, now: Duration) -> (ConnectionId, Bytes) {
    match stub.poll_action(now) {
        Some(Action::Send { id, message }) => (id, message),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_query_is_answered_once_and_its_port_released() {
    let mut stub = stub(&[A]);
    let id = ask(&mut stub);
    let attempt = sent(&mut stub, T0);
    assert_eq!(attempt.to, address(A));
    assert_eq!(stub.poll_transmit(T0), None);
    let good = reply(&attempt);
    deliver(&mut stub, T0, &attempt, &good);
    deliver(&mut stub, T0, &attempt, &good);
    let Some(Event::Answer {
        id: answered,
        message,
        server,
        over,
    }) = stub.poll_event()
    else {
        panic!("no answer")
    };
    assert_eq!((answered, server, over), (id, address(A), Transport::Udp));
    assert_eq!(
        lines(&message.view(), Section::Answer),
        ["www.networkutopia.com. 300 IN A 212.212.71.4"],
        "in the case that was asked for"
    );
    assert_eq!(stub.poll_event(), None);
    assert_eq!(
        stub.poll_transmit(T0),
        Some(Transmit::Release(attempt.port))
    );
    assert_eq!(stub.poll_transmit(T0), None);
    assert_eq!(stub.poll_timeout(), None);
    let stats = stub.stats();
    assert_eq!((stats.queries, stats.answers, stats.unexpected), (1, 1, 1));
}

#[test]
fn every_attempt_has_a_port_an_id_and_a_case_of_its_own() {
    // RFC 5452 section 9.2.
    let mut stub = stub(&[A]);
    let (mut ports, mut ids, mut names) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for _ in 0..1000 {
        ask(&mut stub);
        let attempt = sent(&mut stub, T0);
        ports.insert(attempt.port);
        ids.insert(Header::peek(&attempt.payload).unwrap().id);
        names.insert(attempt.payload[12..35].to_vec());
        let question = Message::parse(&attempt.payload).unwrap();
        assert_eq!(question.question().unwrap().to_question(), www());
    }
    assert_eq!(ports.len(), 1000);
    // Of 65 536 ids, and of 2^19 ways to write the name.
    assert!(ids.len() > 980, "{}", ids.len());
    assert!(names.len() > 990, "{}", names.len());
}

#[test]
fn r9_the_same_seed_gives_the_same_octets_and_another_does_not() {
    let run = |seed| {
        let mut stub = Stub::new(T0, config(&[A]), Limits::default(), seed);
        ask(&mut stub);
        sent(&mut stub, T0).payload
    };
    assert_eq!(run([1; 32]), run([1; 32]));
    assert_ne!(run([1; 32]), run([2; 32]));
}

#[test]
fn mixed_case_can_be_switched_off() {
    let mut config = config(&[A]);
    config.mix_case = false;
    let mut stub = Stub::new(T0, config, Limits::default(), [1; 32]);
    ask(&mut stub);
    let attempt = sent(&mut stub, T0);
    assert_eq!(
        attempt.payload[12..35],
        *name("www.networkutopia.com").as_wire()
    );
}

/// Attack rows 1 and 6: what a forger off the path can vary.
#[test]
fn a_reply_with_anything_wrong_changes_nothing_but_a_counter() {
    let mut limits = Limits::default();
    limits.max_mismatches = u32::MAX;
    let mut stub = Stub::new(T0, config(&[A]), limits, [1; 32]);
    let id = ask(&mut stub);
    let attempt = sent(&mut stub, T0);
    let good = reply(&attempt);
    let deadline = stub.poll_timeout();
    let change = |at: usize, with: u8| {
        let mut bad = good.clone();
        bad[at] ^= with;
        bad
    };
    let mut bad = vec![
        change(0, 1),
        change(1, 0x80),
        change(2, 0x80), // QR
        change(2, 0x08), // opcode
        change(5, 1),    // no question
        change(5, 3),    // two
        change(12, 1),   // the length of the first label
        change(13, 1),   // its first letter
        change(36, 2),   // QTYPE
        change(38, 2),   // QCLASS
        change(7, 2),    // more answers than there are
        attempt.payload.to_vec(),
        good[..good.len() - 1].to_vec(),
        good[..20].to_vec(),
        good[..12].to_vec(),
        good[..11].to_vec(),
        Vec::new(),
    ];
    // Longer than was advertised: perhaps put together from fragments.
    let mut long = good.clone();
    long.resize(1233, 0);
    bad.push(long);
    let count = bad.len() as u64;
    for data in &bad {
        deliver(&mut stub, T0, &attempt, data);
    }
    stub.handle_datagram(T0, attempt.port, address("192.0.2.1:54"), &good);
    stub.handle_datagram(T0, attempt.port, address("192.0.2.9:53"), &good);
    let stats = stub.stats();
    assert_eq!(stats.mismatches, count + 2);
    stub.handle_datagram(T0, LocalId(attempt.port.0 + 1), attempt.to, &good);
    stub.handle_datagram(T0, LocalId::MAIN, attempt.to, &good);
    assert_eq!(stub.stats().unexpected, 2);
    assert_eq!(stub.poll_event(), None);
    assert_eq!(stub.poll_timeout(), deadline);
    assert_eq!(stub.poll_transmit(T0), None);
    assert_eq!(stub.poll_action(T0), None);

    deliver(&mut stub, T0, &attempt, &good);
    assert!(
        matches!(stub.poll_event(), Some(Event::Answer { id: answered, .. }) if answered == id)
    );
}

/// Attack row 7, TuDoor: no bad packet ends a query, or makes it hurry.
#[test]
fn tudoor_a_malformed_reply_with_all_secrets_right_is_only_counted() {
    let mut stub = stub(&[A]);
    let id = ask(&mut stub);
    let attempt = sent(&mut stub, T0);
    let good = reply(&attempt);
    let mut loops = good.clone();
    let owner = 12 + 23 + 4;
    loops[owner..owner + 2].copy_from_slice(&[0xc0, owner as u8]);
    deliver(&mut stub, T0, &attempt, &loops);
    assert_eq!(stub.stats().mismatches, 1);
    deliver(&mut stub, T0, &attempt, &good);
    assert!(
        matches!(stub.poll_event(), Some(Event::Answer { id: answered, .. }) if answered == id)
    );
}

/// A forger who sends as much as he likes, before the reply, and never guesses more than one of id,
/// case and port.
#[test]
fn spoofing_a_million_forgeries_are_never_accepted() {
    let mut limits = Limits::default();
    limits.max_mismatches = u32::MAX;
    limits.max_case_mismatches = u32::MAX;
    let mut stub = Stub::new(T0, config(&[A]), limits, [3; 32]);
    ask(&mut stub);
    let attempt = sent(&mut stub, T0);
    let mut forged = reply(&attempt);
    let last = forged.len() - 11 - 4;
    forged[last] ^= 1;
    let id = Header::peek(&forged).unwrap().id;
    // All ids, in the wrong case; then all cases of eight letters, under the wrong id.
    let case = forged[13];
    for round in 0..8 {
        for guess in 0..=u16::MAX {
            forged[0..2].copy_from_slice(&guess.to_be_bytes());
            forged[13] = case ^ 0x20;
            forged[14] ^= 0x20 * (round & 1);
            deliver(&mut stub, T0, &attempt, &forged);
        }
    }
    forged[13] = case;
    for guess in (0..=u16::MAX).filter(|guess| *guess != id) {
        forged[0..2].copy_from_slice(&guess.to_be_bytes());
        deliver(&mut stub, T0, &attempt, &forged);
    }
    for port in (0..400_000).filter(|port| LocalId(*port) != attempt.port) {
        forged[0..2].copy_from_slice(&id.to_be_bytes());
        stub.handle_datagram(T0, LocalId(port), attempt.to, &forged);
    }
    assert_eq!(stub.poll_event(), None);
    let stats = stub.stats();
    assert_eq!((stats.answers, stats.failures), (0, 0));
    assert_eq!(
        stats.mismatches + stats.case_mismatches + stats.unexpected,
        8 * 65_536 + 65_535 + 399_999
    );
}

#[test]
fn too_many_mismatches_lead_to_tcp() {
    // Attack row 3.
    let mut stub = stub(&[A]);
    let id = ask(&mut stub);
    let attempt = sent(&mut stub, T0);
    let mut bad = reply(&attempt);
    bad[0] ^= 1;
    for _ in 0..8 {
        deliver(&mut stub, T0, &attempt, &bad);
    }
    assert_eq!(stub.poll_action(T0), None);
    deliver(&mut stub, T0, &attempt, &bad);
    assert_eq!(stub.stats().forced_tcp, 1);
    assert_eq!(
        stub.poll_transmit(T0),
        Some(Transmit::Release(attempt.port))
    );
    // Too late, even if it were right.
    deliver(&mut stub, T0, &attempt, &reply(&attempt));
    assert_eq!(stub.poll_event(), None);
    let (connection, to) = connect(&mut stub);
    assert_eq!(to, address(A));
    stub.handle_connected(T0, connection);
    let (_, message) = message_of(&mut stub, T0);
    let good = utopia().reply(&message, Transport::Tcp).unwrap();
    stub.handle_message(T0, connection, &good);
    assert!(matches!(
        stub.poll_event(),
        Some(Event::Answer { id: answered, over: Transport::Tcp, .. }) if answered == id
    ));
}

#[test]
fn a_server_that_folds_case_is_asked_over_tcp() {
    // Attack row 8: once is an accident, or a lucky guess.
    let mut stub = stub(&[A]);
    ask(&mut stub);
    let attempt = sent(&mut stub, T0);
    let mut folded = reply(&attempt);
    folded[12..35].make_ascii_lowercase();
    assert_ne!(folded[12..35], attempt.payload[12..35]);
    deliver(&mut stub, T0, &attempt, &folded);
    assert_eq!((stub.poll_event(), stub.poll_action(T0)), (None, None));
    assert_eq!(stub.stats().case_mismatches, 1);
    deliver(&mut stub, T0, &attempt, &folded);
    assert_eq!(stub.poll_event(), None);
    connect(&mut stub);
}

#[test]
fn silence_is_met_with_the_next_server_and_more_patience() {
    let mut stub = stub(&[A, B]);
    let id = ask(&mut stub);
    let mut now = T0;
    let mut waits = Vec::new();
    let mut ports = BTreeSet::new();
    loop {
        if let Some(event) = stub.poll_event() {
            let failed = Event::Failed {
                id,
                reason: Failure::Timeout,
                reply: None,
            };
            assert_eq!(event, failed);
            break;
        }
        let attempt = sent(&mut stub, now);
        assert!(ports.insert(attempt.port), "a fresh port");
        let deadline = stub.poll_timeout().unwrap();
        stub.handle_timeout(deadline - Duration::from_nanos(1));
        assert_eq!(
            stub.poll_timeout(),
            Some(deadline),
            "early calls do nothing"
        );
        waits.push((attempt.to, (deadline - now).as_millis()));
        now = deadline;
        stub.handle_timeout(now);
    }
    // 15 seconds in all.
    assert_eq!(
        waits,
        [
            (address(A), 2000),
            (address(B), 2000),
            (address(A), 4000),
            (address(B), 4000),
            (address(A), 3000),
        ]
    );
    assert_eq!(stub.poll_timeout(), None);
    assert_eq!(stub.stats().timeouts, 5);
}

#[test]
fn timers_start_when_the_datagram_leaves() {
    let mut stub = stub(&[A]);
    ask(&mut stub);
    assert_eq!(stub.poll_timeout(), None);
    let late = T0 + Duration::from_secs(3600);
    sent(&mut stub, late);
    assert_eq!(stub.poll_timeout(), Some(late + Duration::from_secs(2)));
}

#[test]
fn a_late_reply_to_an_earlier_attempt_is_not_believed() {
    let mut stub = stub(&[A]);
    ask(&mut stub);
    let first = sent(&mut stub, T0);
    let now = stub.poll_timeout().unwrap();
    stub.handle_timeout(now);
    let second = sent(&mut stub, now);
    deliver(&mut stub, now, &first, &reply(&first));
    // The port of the one with the octets of the other.
    stub.handle_datagram(now, second.port, second.to, &reply(&first));
    assert_eq!(stub.poll_event(), None);
    deliver(&mut stub, now, &second, &reply(&second));
    assert!(stub.poll_event().is_some());
}

#[test]
fn a_server_that_refuses_is_passed_over() {
    for rcode in [Rcode::SERVFAIL, Rcode::REFUSED] {
        let mut stub = stub(&[A, B]);
        let id = ask(&mut stub);
        let first = sent(&mut stub, T0);
        deliver(&mut stub, T0, &first, &refusal(&first, rcode));
        assert_eq!(stub.poll_event(), None);
        let second = sent(&mut stub, T0);
        assert_eq!(second.to, address(B));
        // Silent twice, then it refuses as well: nobody is left.
        let mut last = second;
        for _ in 0..2 {
            let now = stub.poll_timeout().unwrap();
            stub.handle_timeout(now);
            last = sent(&mut stub, now);
            assert_eq!(last.to, address(B), "never again the one that refused");
        }
        let now = T0 + Duration::from_secs(7);
        deliver(&mut stub, now, &last, &refusal(&last, rcode));
        let Some(Event::Failed {
            id: failed,
            reason,
            reply: Some(said),
        }) = stub.poll_event()
        else {
            panic!("{rcode}")
        };
        assert_eq!((failed, reason), (id, Failure::Server(rcode)));
        assert_eq!(said.view().rcode(), rcode);
    }
}

#[test]
fn a_terse_refusal_without_the_question_passes_the_server_over() {
    let mut stub = stub(&[A, B]);
    ask(&mut stub);
    let first = sent(&mut stub, T0);
    let mut terse = refusal(&first, Rcode::SERVFAIL);
    terse.truncate(12);
    terse[5] = 0;
    deliver(&mut stub, T0, &first, &terse);
    assert_eq!(sent(&mut stub, T0).to, address(B));
    // But a terse answer is none.
    let mut stub = Stub::new(T0, config(&[A]), Limits::default(), [1; 32]);
    ask(&mut stub);
    let attempt = sent(&mut stub, T0);
    for rcode in [0, 3] {
        terse[0..2].copy_from_slice(&attempt.payload[0..2]);
        terse[3] = rcode;
        deliver(&mut stub, T0, &attempt, &terse);
    }
    assert_eq!(stub.stats().mismatches, 2);
}

#[test]
fn formerr_to_edns_is_tried_again_without() {
    // RFC 6891 section 7.
    for rcode in [Rcode::FORMERR, Rcode::NOTIMP] {
        let mut stub = stub(&[A]);
        ask(&mut stub);
        let first = sent(&mut stub, T0);
        let edns = Message::parse(&first.payload).unwrap().edns().unwrap();
        assert_eq!(edns.udp_payload, 1232);
        deliver(&mut stub, T0, &first, &refusal(&first, rcode));
        let second = sent(&mut stub, T0);
        assert_eq!(second.to, address(A));
        assert_ne!(second.port, first.port);
        assert_eq!(Message::parse(&second.payload).unwrap().edns(), None);
        assert_eq!(stub.stats().edns_fallbacks, 1);
        // What comes now fits 512 octets, or is not the reply.
        let mut long = reply(&second);
        long.resize(513, 0);
        deliver(&mut stub, T0, &second, &long);
        assert_eq!(stub.poll_event(), None);
        // The same code again is meant.
        deliver(&mut stub, T0, &second, &refusal(&second, rcode));
        assert!(matches!(
            stub.poll_event(),
            Some(Event::Failed { reason: Failure::Server(said), .. }) if said == rcode
        ));
    }
}

#[test]
fn options_of_a_query_reach_the_wire() {
    let mut stub = stub(&[A]);
    let mut options = QueryOptions::default();
    options.recursion_desired = false;
    options.checking_disabled = true;
    options.dnssec_ok = true;
    stub.query(www(), options).unwrap();
    let message = sent(&mut stub, T0).payload;
    let message = Message::parse(&message).unwrap();
    assert_eq!(message.header().flags, Flags::CD);
    assert!(message.edns().unwrap().dnssec_ok);
    options.edns = false;
    stub.query(www(), options).unwrap();
    let message = sent(&mut stub, T0).payload;
    assert_eq!(Message::parse(&message).unwrap().edns(), None);
}

#[test]
fn a_truncated_reply_leads_to_tcp_at_the_same_server() {
    let mut stub = stub(&[A, B]);
    let id = ask(&mut stub);
    let attempt = sent(&mut stub, T0);
    let mut truncated = reply(&attempt);
    truncated[2] |= 0x02;
    // Cut in the middle of a record, as some servers do.
    truncated.truncate(45);
    deliver(&mut stub, T0, &attempt, &truncated);
    assert_eq!(stub.stats().truncated, 1);
    assert_eq!(
        stub.poll_transmit(T0),
        Some(Transmit::Release(attempt.port))
    );
    assert_eq!(stub.poll_transmit(T0), None);
    let (connection, to) = connect(&mut stub);
    assert_eq!(to, address(A));
    assert_eq!(
        stub.poll_action(T0),
        None,
        "nothing is sent before it stands"
    );
    // A message on a connection that does not stand is nobody's.
    stub.handle_message(T0, connection, &reply(&attempt));
    stub.handle_connected(T0, connection);
    stub.handle_connected(T0, connection);
    let (on, message) = message_of(&mut stub, T0);
    assert_eq!(on, connection);
    assert_eq!(stub.poll_action(T0), None, "and once only");

    // What is not its answer is counted.
    let good = utopia().reply(&message, Transport::Tcp).unwrap();
    let mut bad = good.to_vec();
    bad[1] ^= 1;
    stub.handle_message(T0, connection, &bad);
    let mut bad = good.to_vec();
    bad[36] ^= 1;
    stub.handle_message(T0, connection, &bad);
    stub.handle_message(T0, connection, b"short");
    stub.handle_message(T0, ConnectionId(99), &good);
    assert_eq!(stub.stats().unmatched, 5);
    assert_eq!(stub.poll_event(), None);
    stub.handle_message(T0, connection, &good);
    assert!(matches!(
        stub.poll_event(),
        Some(Event::Answer { id: answered, over: Transport::Tcp, .. }) if answered == id
    ));
}

fn tcp() -> QueryOptions {
    let mut options = QueryOptions::default();
    options.tcp = true;
    options
}

#[test]
fn queries_to_one_server_share_a_connection_which_closes_when_idle() {
    // RFC 7766 section 6.2.
    let mut stub = stub(&[A]);
    let ids: Vec<QueryId> = (0..3).map(|_| stub.query(www(), tcp()).unwrap()).collect();
    let (connection, _) = connect(&mut stub);
    assert_eq!(stub.poll_action(T0), None);
    stub.handle_connected(T0, connection);
    let messages: Vec<Bytes> = (0..3).map(|_| message_of(&mut stub, T0).1).collect();
    let used: BTreeSet<u16> = messages
        .iter()
        .map(|message| Header::peek(message).unwrap().id)
        .collect();
    assert_eq!(used.len(), 3, "ids on a connection differ");
    // Out of order, as RFC 7766 section 7 allows.
    for index in [2, 0, 1] {
        let good = utopia().reply(&messages[index], Transport::Tcp).unwrap();
        stub.handle_message(T0, connection, &good);
        assert!(matches!(
            stub.poll_event(),
            Some(Event::Answer { id, .. }) if id == ids[index]
        ));
    }
    // Still there for the next query.
    stub.query(www(), tcp()).unwrap();
    let (on, message) = message_of(&mut stub, T0);
    assert_eq!(on, connection);
    let good = utopia().reply(&message, Transport::Tcp).unwrap();
    stub.handle_message(T0, connection, &good);
    assert!(stub.poll_event().is_some());
    let idle = stub.poll_timeout().unwrap();
    assert_eq!(idle, T0 + Duration::from_secs(3));
    stub.handle_timeout(idle);
    assert_eq!(
        stub.poll_action(idle),
        Some(Action::Close { id: connection })
    );
    assert_eq!(stub.poll_timeout(), None);
}

#[test]
fn a_connection_that_fails_sends_its_queries_to_the_next_server() {
    let mut stub = stub(&[A, B]);
    let id = stub.query(www(), tcp()).unwrap();
    let (first, to) = connect(&mut stub);
    assert_eq!(to, address(A));
    stub.handle_connect_failed(T0, first);
    let (second, to) = connect(&mut stub);
    assert_eq!(to, address(B));
    assert_ne!(first, second);
    stub.handle_connected(T0, second);
    message_of(&mut stub, T0);
    // Facts about the old one are harmless.
    stub.handle_connected(T0, first);
    stub.handle_closed(T0, first);
    assert_eq!(stub.poll_action(T0), None);
    stub.handle_closed(T0, second);
    let (third, to) = connect(&mut stub);
    assert_eq!(to, address(A), "the second round");
    let mut last = third;
    for _ in 0..3 {
        stub.handle_connect_failed(T0, last);
        last = connect(&mut stub).0;
    }
    stub.handle_connect_failed(T0, last);
    assert_eq!(stub.poll_action(T0), None);
    assert_eq!(
        stub.poll_event(),
        Some(Event::Failed {
            id,
            reason: Failure::Disconnected,
            reply: None
        })
    );
}

#[test]
fn a_silent_connection_is_given_up() {
    let mut stub = stub(&[A, B]);
    stub.query(www(), tcp()).unwrap();
    stub.query(www(), tcp()).unwrap();
    let (first, _) = connect(&mut stub);
    stub.handle_connected(T0, first);
    message_of(&mut stub, T0);
    message_of(&mut stub, T0);
    let now = stub.poll_timeout().unwrap();
    assert_eq!(now, T0 + Duration::from_secs(5));
    stub.handle_timeout(now);
    assert_eq!(stub.poll_action(now), Some(Action::Close { id: first }));
    let Some(Action::Connect { to, .. }) = stub.poll_action(now) else {
        panic!("no other connection")
    };
    assert_eq!(to, address(B));
    assert_eq!(stub.poll_action(now), None, "both queries wait for it");
}

#[test]
fn a_connection_is_given_up_only_if_it_was_silent_since_the_query() {
    let second = Duration::from_secs(1);
    for (answered_later, expected) in [(true, false), (false, true)] {
        let mut stub = stub(&[A, B]);
        stub.query(www(), tcp()).unwrap();
        let (first, _) = connect(&mut stub);
        stub.handle_connected(T0, first);
        let (_, message) = message_of(&mut stub, T0);
        let good = utopia().reply(&message, Transport::Tcp).unwrap();
        // The other query leaves before the answer to this one, or after it.
        let (sent, answered) = if answered_later {
            (T0, T0 + second)
        } else {
            (T0 + second, T0)
        };
        if !answered_later {
            stub.handle_message(answered, first, &good);
        }
        stub.query(www(), tcp()).unwrap();
        message_of(&mut stub, sent);
        if answered_later {
            stub.handle_message(answered, first, &good);
        }
        assert!(stub.poll_event().is_some());
        let now = sent + Duration::from_secs(5);
        stub.handle_timeout(now);
        let mut closed = false;
        while let Some(action) = stub.poll_action(now) {
            closed |= action == Action::Close { id: first };
        }
        assert_eq!(closed, expected, "answered later: {answered_later}");
    }
}

#[test]
fn a_connection_that_stands_too_late_is_closed() {
    let mut stub = stub(&[A]);
    let id = stub.query(www(), tcp()).unwrap();
    let (connection, _) = connect(&mut stub);
    stub.cancel(id);
    assert_eq!(stub.poll_action(T0), Some(Action::Close { id: connection }));
    stub.handle_connected(T0, connection);
    assert_eq!(stub.poll_action(T0), None);
}

#[test]
fn a_cancelled_query_has_its_final_event() {
    let mut stub = stub(&[A]);
    let (first, second) = (ask(&mut stub), ask(&mut stub));
    let attempt = sent(&mut stub, T0);
    stub.cancel(first);
    stub.cancel(second);
    stub.cancel(second);
    for id in [first, second] {
        assert_eq!(
            stub.poll_event(),
            Some(Event::Failed {
                id,
                reason: Failure::Cancelled,
                reply: None
            })
        );
    }
    assert_eq!(stub.poll_event(), None);
    deliver(&mut stub, T0, &attempt, &reply(&attempt));
    assert_eq!(stub.poll_event(), None);
    assert_eq!(
        stub.poll_transmit(T0),
        Some(Transmit::Release(attempt.port))
    );
    assert_eq!(stub.poll_transmit(T0), None);
    assert_eq!(stub.poll_timeout(), None);
}

#[test]
fn rotation_spreads_first_attempts_over_the_servers() {
    let mut config = config(&[A, B, "192.0.2.3:53", "192.0.2.4:53"]);
    config.rotate = true;
    let mut stub = Stub::new(T0, config, Limits::default(), [5; 32]);
    let mut counts = [0; 5];
    for _ in 0..1000 {
        let id = ask(&mut stub);
        let SocketAddr::V4(to) = sent(&mut stub, T0).to else {
            panic!("not one of ours")
        };
        counts[usize::from(to.ip().octets()[3])] += 1;
        stub.cancel(id);
        while stub.poll_event().is_some() {}
    }
    assert!(
        counts[1..].iter().all(|count| (150..350).contains(count)),
        "{counts:?}"
    );
}

#[test]
fn misuse_is_refused_without_a_change() {
    let mut nobody = stub(&[]);
    assert_eq!(
        nobody.query(www(), QueryOptions::default()),
        Err(UsageError::NoServers)
    );
    assert_eq!(nobody.stats(), Stats::default());
    let mut stub = stub(&[A]);
    stub.cancel(QueryId(77));
    stub.handle_message(T0, ConnectionId(0), &query(1, "a", Type::A, None));
    assert_eq!((stub.poll_event(), stub.poll_transmit(T0)), (None, None));
}

#[test]
fn a_stub_over_the_main_socket_of_nobody_never_panics() {
    // Everything at once, in the wrong order.
    let mut stub = stub(&[A, B]);
    for round in 0u64..50 {
        let now = Duration::from_secs(round * 7 % 13);
        let _ = stub.query(
            www(),
            if round % 2 == 0 {
                tcp()
            } else {
                QueryOptions::default()
            },
        );
        stub.handle_connected(now, ConnectionId(round));
        stub.handle_timeout(Duration::from_secs(round * 900));
        let _ = stub.poll_action(now);
        stub.handle_closed(now, ConnectionId(round / 2));
        stub.cancel(QueryId(round / 3));
        let _ = stub.poll_transmit(now);
        stub.handle_connect_failed(now, ConnectionId(round / 5));
    }
    stub.handle_timeout(Duration::MAX);
    let mut finals = BTreeSet::new();
    while let Some(Event::Answer { id, .. } | Event::Failed { id, .. }) = stub.poll_event() {
        assert!(finals.insert(id), "one final event each");
    }
}
