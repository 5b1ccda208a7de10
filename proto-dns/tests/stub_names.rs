//! The stub's search list (as resolv.conf has it) and its cookies (RFC 7873).

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use core::net::SocketAddr;
use core::time::Duration;
use proto_dns::client::stub::{Action, Event};
use proto_dns::client::{QueryOptions, Stub};
use proto_dns::datagram::{Local, LocalId, Transmit};
use proto_dns::wire::{
    Builder, Class, Edns, Flags, Message, Name, OptionCode, Options, Question, RData, Rcode,
    Section, Type,
};
use proto_dns::{Config, Limits};

const NOW: Duration = Duration::ZERO;

fn server() -> SocketAddr {
    "192.0.2.53:53".parse().unwrap()
}

fn stub(change: impl FnOnce(&mut Config)) -> Stub {
    let mut config = Config::new([server()]);
    change(&mut config);
    Stub::new(NOW, config, Limits::default(), [7; 32])
}

/// The next datagram: its port, its octets.
fn sent(stub: &mut Stub) -> Option<(LocalId, Vec<u8>)> {
    loop {
        match stub.poll_transmit(NOW)? {
            Transmit::Datagram {
                local: Local::Fresh(port),
                payload,
                ..
            } => {
                return Some((port, payload.to_vec()));
            }
            _ => continue,
        }
    }
}

fn reply(query: &[u8], rcode: Rcode, address: bool, cookie: Option<&[u8]>) -> Vec<u8> {
    let query = Message::parse(query).unwrap();
    let question = query.question().unwrap();
    let mut buffer = [0; 1232];
    let mut reply = Builder::new(&mut buffer, query.header().id, Flags::QR).unwrap();
    let mut options = Vec::new();
    if let Some(cookie) = cookie {
        Options::encode(OptionCode::COOKIE, cookie, &mut options).unwrap();
    }
    let edns = Edns {
        options: Options::from_wire(&options).unwrap(),
        ..Edns::new(1232)
    };
    reply.set_edns(&edns).unwrap();
    reply
        .push_question(question.name, question.qtype, Class::IN)
        .unwrap();
    if address {
        let data = RData::A([192, 0, 2, 1].into());
        reply
            .push(Section::Answer, question.name, Class::IN, 60, &data)
            .unwrap();
    }
    reply.set_rcode(rcode);
    reply.finish().to_vec()
}

/// The names that are asked for when none exists.
fn asked(text: &str, ndots: usize) -> Vec<String> {
    let mut stub = stub(|config| {
        config.search = vec!["a.example".parse().unwrap(), "b.example".parse().unwrap()];
        config.ndots = ndots;
        config.mix_case = false;
    });
    let id = stub.search(text, Type::A, QueryOptions::default()).unwrap();
    let mut names = Vec::new();
    while let Some((port, query)) = sent(&mut stub) {
        names.push(
            Message::parse(&query)
                .unwrap()
                .question()
                .unwrap()
                .name
                .to_string(),
        );
        let reply = reply(&query, Rcode::NXDOMAIN, false, None);
        stub.handle_datagram(NOW, port, server(), &reply);
    }
    let Some(Event::Answer {
        id: answered,
        message,
        ..
    }) = stub.poll_event()
    else {
        panic!()
    };
    assert_eq!((answered, message.view().rcode()), (id, Rcode::NXDOMAIN));
    assert!(stub.poll_event().is_none());
    names
}

#[test]
fn names_are_tried_in_the_order_that_ndots_says() {
    assert_eq!(
        asked("www", 1),
        ["www.a.example.", "www.b.example.", "www."]
    );
    assert_eq!(
        asked("www.sub", 1),
        ["www.sub.", "www.sub.a.example.", "www.sub.b.example."]
    );
    assert_eq!(
        asked("www.sub", 2),
        ["www.sub.a.example.", "www.sub.b.example.", "www.sub."]
    );
    assert_eq!(asked("www.", 5), ["www."]);
    let long = vec!["x".repeat(62); 4].join(".");
    assert_eq!(asked(&long, 1), [format!("{long}.")]);
}

#[test]
fn the_first_name_with_records_is_the_answer() {
    let mut stub = stub(|config| config.search = vec!["a.example".parse().unwrap()]);
    let id = stub
        .search("www", Type::A, QueryOptions::default())
        .unwrap();
    let (port, query) = sent(&mut stub).unwrap();
    stub.handle_datagram(
        NOW,
        port,
        server(),
        &reply(&query, Rcode::NOERROR, true, None),
    );
    let Some(Event::Answer {
        id: answered,
        message,
        ..
    }) = stub.poll_event()
    else {
        panic!()
    };
    assert_eq!(answered, id);
    let expected: Name = "www.a.example".parse().unwrap();
    assert!(message.view().question().unwrap().name == expected);
    assert!(sent(&mut stub).is_none());
    assert!(
        stub.search("a..b", Type::A, QueryOptions::default())
            .is_err()
    );
}

fn cookie_of(query: &[u8]) -> Vec<u8> {
    let message = Message::parse(query).unwrap();
    message
        .edns()
        .unwrap()
        .options
        .find(OptionCode::COOKIE)
        .unwrap()
        .to_vec()
}

fn ask(stub: &mut Stub) -> (LocalId, Vec<u8>) {
    let question = Question::new("www.example".parse().unwrap(), Type::A);
    stub.query(question, QueryOptions::default()).unwrap();
    sent(stub).unwrap()
}

#[test]
fn rfc_7873_5_3_a_server_cookie_is_sent_back_and_then_missed() {
    let mut stub = stub(|config| config.cookies = true);
    let (port, query) = ask(&mut stub);
    let client = cookie_of(&query);
    assert_eq!(client.len(), 8);
    // Somebody who guesses everything but the cookie.
    stub.handle_datagram(
        NOW,
        port,
        server(),
        &reply(&query, Rcode::NOERROR, true, Some(&[1; 16])),
    );
    assert!(stub.poll_event().is_none());
    let whole = [client.as_slice(), &[5; 8]].concat();
    stub.handle_datagram(
        NOW,
        port,
        server(),
        &reply(&query, Rcode::NOERROR, true, Some(&whole)),
    );
    assert!(matches!(stub.poll_event(), Some(Event::Answer { .. })));
    let (port, query) = ask(&mut stub);
    assert_eq!(cookie_of(&query), whole);
    // Attack 9: a reply without a cookie changes nothing but a counter.
    let before = stub.stats().mismatches;
    stub.handle_datagram(
        NOW,
        port,
        server(),
        &reply(&query, Rcode::NOERROR, true, None),
    );
    assert!(stub.poll_event().is_none());
    assert_eq!(stub.stats().mismatches, before + 1);
    stub.handle_datagram(
        NOW,
        port,
        server(),
        &reply(&query, Rcode::NOERROR, true, Some(&whole)),
    );
    assert!(matches!(stub.poll_event(), Some(Event::Answer { .. })));
}

#[test]
fn rfc_7873_badcookie_is_answered_with_the_new_cookie_and_then_by_tcp() {
    let mut stub = stub(|config| config.cookies = true);
    let (port, query) = ask(&mut stub);
    let whole = [cookie_of(&query).as_slice(), &[5; 8]].concat();
    stub.handle_datagram(
        NOW,
        port,
        server(),
        &reply(&query, Rcode::BADCOOKIE, false, Some(&whole)),
    );
    let (port, query) = sent(&mut stub).unwrap();
    assert_eq!(cookie_of(&query), whole);
    stub.handle_datagram(
        NOW,
        port,
        server(),
        &reply(&query, Rcode::BADCOOKIE, false, Some(&whole)),
    );
    assert!(sent(&mut stub).is_none());
    assert!(matches!(
        stub.poll_action(NOW),
        Some(Action::Connect { .. })
    ));
}
