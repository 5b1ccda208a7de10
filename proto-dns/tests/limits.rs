//! Every limit: at it all is well, beyond it what its documentation says.

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
use common::{name, query, utopia};
use core::net::SocketAddr;
use core::time::Duration;
use proto_dns::client::{self, QueryOptions, Stub};
use proto_dns::datagram::{Local, LocalId, Transmit as Datagram};
use proto_dns::server;
use proto_dns::stream::Transmit;
use proto_dns::wire::{Question, Type, tcp};
use proto_dns::{Config, Error, Failure, Limits, Transport, UsageError};

const T0: Duration = Duration::from_secs(50);

fn limits(change: impl FnOnce(&mut Limits)) -> Limits {
    let mut limits = Limits::default();
    change(&mut limits);
    limits
}

fn question() -> Question {
    Question::new(name("www.networkutopia.com"), Type::A)
}

fn framed(count: usize) -> BytesMut {
    let mut wire = BytesMut::new();
    for _ in 0..count {
        let message = query(1, "www.networkutopia.com", Type::A, None);
        tcp::encode(&message, &mut wire).unwrap();
    }
    wire
}

fn next(
    machine: &mut server::Stream,
    input: &mut BytesMut,
) -> Option<(server::stream::Ask, Bytes)> {
    match machine.poll_event(T0, input).unwrap() {
        Some(server::stream::Event::Query { ask, message }) => Some((ask, message)),
        _ => None,
    }
}

#[test]
fn max_queries_of_the_stub_counts_until_the_event_is_fetched() {
    let server: SocketAddr = "192.0.2.1:53".parse().unwrap();
    let limits = limits(|limits| limits.max_queries = 3);
    let mut stub = Stub::new(T0, Config::new([server]), limits, [0; 32]);
    let ask = |stub: &mut Stub| stub.query(question(), QueryOptions::default());
    let first = ask(&mut stub).unwrap();
    ask(&mut stub).unwrap();
    ask(&mut stub).unwrap();
    assert_eq!(ask(&mut stub), Err(UsageError::TooManyQueries));
    stub.cancel(first);
    assert_eq!(ask(&mut stub), Err(UsageError::TooManyQueries));
    assert!(stub.poll_event().is_some());
    assert!(ask(&mut stub).is_ok());
}

#[test]
fn max_queries_of_the_stream_counts_until_the_event_is_fetched() {
    let limits = limits(|limits| limits.max_queries = 2);
    let mut machine = client::Stream::new(T0, limits, [0; 32]);
    let ask = |machine: &mut client::Stream| machine.query(question(), QueryOptions::default());
    let first = ask(&mut machine).unwrap();
    ask(&mut machine).unwrap();
    assert_eq!(ask(&mut machine), Err(UsageError::TooManyQueries));
    machine.cancel(first);
    assert_eq!(ask(&mut machine), Err(UsageError::TooManyQueries));
    let event = machine.poll_event(T0, &mut BytesMut::new()).unwrap();
    let reason = Failure::Cancelled;
    assert_eq!(
        event,
        Some(client::stream::Event::Failed { id: first, reason })
    );
    assert!(ask(&mut machine).is_ok());
}

#[test]
fn reply_deadline_fails_the_query_and_not_the_connection() {
    let limits = limits(|limits| limits.idle = Duration::from_secs(3600));
    let mut machine = client::Stream::new(T0, limits, [0; 32]);
    let id = machine.query(question(), QueryOptions::default()).unwrap();
    let later = T0 + Duration::from_secs(100);
    while machine.poll_transmit(later, 9999).is_some() {}
    let deadline = machine.poll_timeout().unwrap();
    assert_eq!(
        deadline,
        later + Duration::from_secs(10),
        "since it could leave"
    );
    machine.handle_timeout(deadline);
    let event = machine.poll_event(deadline, &mut BytesMut::new()).unwrap();
    let reason = Failure::Timeout;
    assert_eq!(event, Some(client::stream::Event::Failed { id, reason }));
    assert!(machine.query(question(), QueryOptions::default()).is_ok());
}

/// Attack row 44: 65 535 queries in one go.
#[test]
fn max_stream_questions_stops_reading() {
    let limits = limits(|limits| limits.max_stream_questions = 5);
    let mut machine = server::Stream::new(T0, limits);
    let mut input = framed(8);
    let mut open: Vec<_> = core::iter::from_fn(|| next(&mut machine, &mut input)).collect();
    assert_eq!(open.len(), 5);
    assert!(!machine.wants_read());
    assert_eq!(input.len(), framed(3).len(), "the rest stays where it is");
    assert_eq!(machine.stats().stalls, 1);
    let (ask, message) = open.pop().unwrap();
    machine.serve(&utopia(), ask, &message).unwrap();
    assert!(machine.wants_read());
    assert!(next(&mut machine, &mut input).is_some());
    assert!(next(&mut machine, &mut input).is_none());
}

#[test]
fn max_queued_output_stops_reading_until_it_leaves() {
    let limits = limits(|limits| limits.max_queued_output = 100);
    let mut machine = server::Stream::new(T0, limits);
    let mut input = framed(3);
    let (ask, _) = next(&mut machine, &mut input).unwrap();
    machine.answer(ask, vec![0; 98].into()).unwrap();
    assert!(!machine.wants_read());
    assert!(next(&mut machine, &mut input).is_none());
    assert!(matches!(machine.poll_transmit(T0, 1), Some(Transmit::Data(data)) if data.len() == 1));
    assert!(machine.wants_read());
    assert!(next(&mut machine, &mut input).is_some());
}

#[test]
fn max_queued_output_refuses_further_messages_of_a_client() {
    let limits = limits(|limits| limits.max_queued_output = 100);
    let mut machine = client::Stream::new(T0, limits, [0; 32]);
    machine.send(vec![0; 97].into()).unwrap();
    machine.send(vec![0; 12].into()).unwrap();
    assert_eq!(
        machine.send(vec![0; 12].into()),
        Err(UsageError::OutputFull)
    );
    assert_eq!(
        machine.query(question(), QueryOptions::default()),
        Err(UsageError::OutputFull)
    );
    assert!(machine.poll_transmit(T0, 99).is_some());
    machine.send(vec![0; 12].into()).unwrap();
}

/// Attack row 44: half a message, for ever.
#[test]
fn idle_is_not_put_off_by_half_a_message() {
    let mut machine = server::Stream::new(T0, Limits::default());
    let mut input = BytesMut::new();
    let whole = framed(1);
    let mut now = T0;
    for octet in &whole[..whole.len() - 1] {
        now += Duration::from_secs(1);
        input.extend_from_slice(&[*octet]);
        machine.handle_timeout(now);
        match machine.poll_event(now, &mut input) {
            Ok(None) => assert!(now < T0 + Duration::from_secs(10)),
            Err(Error::IdleTimeout) => {
                assert_eq!(now, T0 + Duration::from_secs(10));
                return;
            }
            other => panic!("{other:?}"),
        }
    }
    panic!("it is still open");
}

#[test]
fn idle_does_not_run_while_the_embedder_thinks() {
    let limits = limits(|limits| limits.answer_deadline = None);
    let mut machine = server::Stream::new(T0, limits);
    let mut input = framed(1);
    let (ask, message) = next(&mut machine, &mut input).unwrap();
    for _ in 0..100 {
        let deadline = machine.poll_timeout().unwrap();
        machine.handle_timeout(deadline);
        assert_eq!(machine.poll_event(deadline, &mut input), Ok(None));
    }
    machine.serve(&utopia(), ask, &message).unwrap();
    assert!(machine.poll_transmit(T0, 999).is_some());
}

#[test]
fn idle_runs_while_the_peer_takes_no_output() {
    let mut machine = server::Stream::new(T0, Limits::default());
    let mut input = framed(2);
    let (ask, message) = next(&mut machine, &mut input).unwrap();
    machine.serve(&utopia(), ask, &message).unwrap();
    let _open = next(&mut machine, &mut input).unwrap();
    let deadline = machine.poll_timeout().unwrap();
    machine.handle_timeout(deadline);
    assert_eq!(
        machine.poll_event(deadline, &mut input),
        Err(Error::IdleTimeout)
    );
}

#[test]
fn an_idle_client_closes_in_order() {
    let mut machine = client::Stream::new(T0, Limits::default(), [0; 32]);
    let idle = machine.poll_timeout().unwrap();
    assert_eq!(idle, T0 + Duration::from_secs(10));
    machine.handle_timeout(idle);
    assert_eq!(machine.poll_transmit(idle, 9), Some(Transmit::Shutdown));
    assert!(!machine.is_closed());
    let linger = machine.poll_timeout().unwrap();
    assert_eq!(linger, idle + Duration::from_secs(2));
    machine.handle_timeout(linger);
    assert!(machine.is_closed());
}

#[test]
fn linger_ends_a_server_whose_peer_does_not() {
    let mut machine = server::Stream::new(T0, Limits::default());
    let mut input = BytesMut::from(&b"\0\x01"[..]);
    assert!(machine.poll_event(T0, &mut input).is_err());
    assert_eq!(machine.poll_transmit(T0, 9), Some(Transmit::Shutdown));
    assert!(machine.wants_read() && !machine.is_closed());
    let linger = machine.poll_timeout().unwrap();
    assert_eq!(linger, T0 + Duration::from_secs(2));
    machine.handle_timeout(linger);
    assert!(machine.is_closed());
}

#[test]
fn answer_deadline_makes_questions_stale() {
    let mut machine = server::Stream::new(T0, Limits::default());
    let mut input = framed(1);
    let (ask, message) = next(&mut machine, &mut input).unwrap();
    let late = T0 + Duration::from_secs(30);
    machine.handle_timeout(late);
    assert_eq!(
        machine.serve(&utopia(), ask, &message),
        Err(UsageError::StaleAsk)
    );
    assert_eq!(machine.stats().expired, 1);
    assert_eq!(machine.poll_transmit(late, 99), None);

    let mut machine = server::Datagram::new(T0, Limits::default());
    let from = "192.0.2.7:4000".parse().unwrap();
    let asked = query(1, "a", Type::A, None);
    machine.handle_datagram(T0, LocalId::MAIN, from, &asked);
    let Some(server::datagram::Event::Query { ask, .. }) = machine.poll_event() else {
        panic!("no query")
    };
    machine.handle_datagram(T0, LocalId::MAIN, from, &asked);
    assert_eq!(machine.poll_timeout(), Some(late));
    machine.handle_timeout(late);
    assert_eq!(machine.discard(ask), Err(UsageError::StaleAsk));
    // The one that was not even fetched is gone too.
    assert_eq!(machine.poll_event(), None);
    assert_eq!(machine.stats().expired, 2);
    assert_eq!(machine.poll_timeout(), None);
}

#[test]
fn max_datagram_questions_counts_open_questions_and_waiting_answers() {
    let limits = limits(|limits| limits.max_datagram_questions = 2);
    let mut machine = server::Datagram::new(T0, limits);
    let from = "192.0.2.7:4000".parse().unwrap();
    let asked = query(1, "www.networkutopia.com", Type::A, None);
    for _ in 0..3 {
        machine.handle_datagram(T0, LocalId(4), from, &asked);
    }
    assert_eq!(machine.stats().overflows, 1);
    let Some(server::datagram::Event::Query { ask, message, .. }) = machine.poll_event() else {
        panic!("no query")
    };
    machine.serve(&utopia(), ask, &message).unwrap();
    machine.handle_datagram(T0, LocalId(4), from, &asked);
    assert_eq!(machine.stats().overflows, 2, "its answer has not left");
    assert_eq!(
        machine.poll_transmit(T0),
        Some(Datagram::Datagram {
            local: Local::Id(LocalId(4)),
            to: from,
            payload: utopia().reply(&asked, Transport::Udp).unwrap(),
        })
    );
    machine.handle_datagram(T0, LocalId(4), from, &asked);
    assert_eq!(machine.stats().overflows, 2);
    assert_eq!(machine.stats().queries, 3);
}

#[test]
fn max_query_len_and_impossible_ports_are_dropped() {
    let mut machine = server::Datagram::new(T0, Limits::default());
    let from: SocketAddr = "192.0.2.7:4000".parse().unwrap();
    let mut long = query(1, "a", Type::A, None);
    long.resize(4096, 0);
    machine.handle_datagram(T0, LocalId::MAIN, from, &long);
    assert!(machine.poll_event().is_some());
    long.push(0);
    machine.handle_datagram(T0, LocalId::MAIN, from, &long);
    let nowhere = SocketAddr::new(from.ip(), 0);
    machine.handle_datagram(T0, LocalId::MAIN, nowhere, &query(1, "a", Type::A, None));
    assert_eq!(machine.poll_event(), None);
    assert_eq!(machine.stats().malformed, 2);
}
