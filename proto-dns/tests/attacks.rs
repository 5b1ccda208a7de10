//! Attacks on parsers, servers, signatures and clients that have a name elsewhere, by their numbers
//! in the list of attacks; those on names, transfers, updates and zone files stand with these.

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

use common::{name, query, raw, record, utopia, zone};
use core::net::SocketAddr;
use core::time::Duration;
use netio::sim::Rng;
use proto_dns::client::stub::Event;
use proto_dns::client::{Incoming, QueryOptions, Stub};
use proto_dns::datagram::{Local, Transmit};
use proto_dns::server::nameserver::{Policy, Response};
use proto_dns::server::{Authority, Nameserver};
use proto_dns::tsig::{Algorithm, Key, Transaction, TsigError, verify_request};
use proto_dns::wire::{
    Builder, Class, Edns, Flags, Header, Message, Opcode, OptionCode, Options, Question, RData,
    Rcode, Section, Type,
};
use proto_dns::{Config, Limits, TransferError, Transport, UnixTime};

const NOW: Duration = Duration::from_secs(1);
const UNIX: UnixTime = UnixTime::from_secs(1_700_000_000);

fn from() -> SocketAddr {
    "192.0.2.9:4000".parse().unwrap()
}

fn key() -> Key {
    Key::new(name("k"), Algorithm::Sha256, *b"0123456789abcdef")
}

fn server(policy: Policy) -> Nameserver {
    let mut authority = Authority::new();
    let records = "@ 300 SOA ns h 1 60\n@ 300 NS ns\nns 300 A 192.0.2.53\n";
    authority.insert(zone("example.com.", records)).unwrap();
    let mut server = Nameserver::new(Duration::ZERO, authority, policy, [7; 32]);
    server.handle_clock(Duration::ZERO, UNIX);
    server
}

fn ask(server: &mut Nameserver, message: &[u8], over: Transport) -> Option<Vec<u8>> {
    match server.respond(NOW, message, from(), over) {
        Response::Message(reply) => Some(reply.to_vec()),
        Response::None => None,
        other => panic!("{other:?}"),
    }
}

/// CVE-2025-13878 (BRID, HHIT), and every other type that has a length.
#[test]
fn attack_36_data_of_any_type_and_length_is_read_exactly_or_not_at_all() {
    let mut rng = Rng::new(36);
    let types = (0..=300).chain([32_768, 32_769, 65_280, 65_535]).map(Type);
    for rtype in types {
        for len in 0..80 {
            for fill in 0..6 {
                let mut wire = vec![0; len];
                match fill {
                    0 => {}
                    1 => wire.fill(1),
                    2 => wire.fill(0x40),
                    3 => wire.fill(0xff),
                    _ => rng.fill(&mut wire),
                }
                let Ok(data) = RData::from_wire(rtype, &wire) else {
                    continue;
                };
                let mut again = Vec::new();
                data.encode(&mut again);
                assert_eq!(again, wire, "{rtype} {data}");
                let mut canonical = Vec::new();
                data.encode_canonical(&mut canonical);
                assert!(canonical.eq_ignore_ascii_case(&wire), "{rtype} {data}");
            }
        }
    }
    for (rtype, len) in [
        (Type::A, 4),
        (Type::AAAA, 16),
        (Type::EUI48, 6),
        (Type::EUI64, 8),
    ] {
        for wrong in (0..20).filter(|wrong| *wrong != len) {
            assert!(
                RData::from_wire(rtype, &vec![0; wrong]).is_err(),
                "{rtype} {wrong}"
            );
        }
    }
}

/// Options of the worst kinds: as many as fit, as long as fits (CVE-2026-41292, CVE-2026-42944).
fn option_lists() -> Vec<Vec<u8>> {
    let many = |code: u16, len: usize| {
        let mut wire = Vec::new();
        while wire.len() + 4 + len < 60_000 {
            Options::encode(OptionCode(code), &vec![7; len], &mut wire).unwrap();
        }
        wire
    };
    vec![
        many(3, 0),
        many(10, 8),
        many(10, 40),
        many(12, 0),
        many(12, 468),
        many(8, 0),
        many(15, 2),
        many(65_001, 0),
        many(3, 59_000),
    ]
}

#[test]
fn attack_37_long_lists_of_options_are_answered_like_none_and_shortly() {
    let authority = utopia();
    let short = query(7, "www.networkutopia.com", Type::A, Some(1232));
    let expected = authority.reply(&short, Transport::Tcp).unwrap();
    for options in option_lists() {
        let mut buffer = vec![0; 65_535];
        let mut message = Builder::new(&mut buffer, 7, Flags::RD).unwrap();
        let mut edns = Edns::new(1232);
        edns.options = Options::from_wire(&options).unwrap();
        message.set_edns(&edns).unwrap();
        message
            .push_question(name("www.networkutopia.com").view(), Type::A, Class::IN)
            .unwrap();
        let message = message.finish();
        assert_eq!(authority.reply(message, Transport::Tcp).unwrap(), expected);
        let typed = Message::parse(message).unwrap().edns().unwrap().options;
        let readable = typed.filter(|option| option.read().is_ok()).count();
        assert_eq!(
            readable > 0,
            typed.into_iter().all(|option| option.read().is_ok())
        );
    }
    // A second OPT, or one in the answer: FORMERR, and the server goes on.
    let opt = record(&[0], Type::OPT, &[]);
    let question = b"\x03www\x0dnetworkutopia\x03com\0\0\x01\0\x01".to_vec();
    for (counts, records) in [([1, 0, 0, 2], 2), ([1, 1, 0, 0], 1)] {
        let mut body = question.clone();
        for _ in 0..records {
            body.extend_from_slice(&opt);
        }
        let mut message = raw(counts, &body);
        message[2] = 0;
        let reply = authority.reply(&message, Transport::Udp).unwrap();
        assert_eq!(Message::parse(&reply).unwrap().rcode(), Rcode::FORMERR);
    }
}

/// CVE-2024-1931 and amplification: whatever size a client says, it gets no more, and never more
/// than arrives unfragmented.
#[test]
fn attack_37_no_datagram_is_longer_than_the_client_said_or_1232_octets() {
    let long = format!("\"{}\"", "x".repeat(100));
    let mut records = "@ 300 SOA ns h 1 60\n@ 300 NS ns\n".to_owned();
    for number in 0..60 {
        records.push_str(&format!(
            "n{number} 300 TXT {}\n",
            [long.as_str()].repeat(number).join(" ")
        ));
    }
    let records = records.replace("n0 300 TXT \n", "");
    let mut authority = Authority::new();
    authority.insert(zone("example.com.", &records)).unwrap();
    for payload in [0, 1, 511, 512, 513, 700, 1231, 1232, 1233, 4096, 65_535] {
        for number in 1..60 {
            let qname = format!("n{number}.example.com");
            let message = query(7, &qname, Type::TXT, Some(payload));
            let reply = authority.reply(&message, Transport::Udp).unwrap();
            let most = usize::from(payload.clamp(512, 1232));
            assert!(reply.len() <= most, "{payload} {number} {}", reply.len());
            let reply = Message::parse(&reply).unwrap();
            let whole = reply.answers().count() == 1;
            assert_eq!(whole, !reply.header().flags.contains(Flags::TC));
            assert!(reply.edns().is_some(), "OPT outlives the cut");
        }
    }
}

/// CVE-2025-40775 (unknown algorithm), CVE-2020-8617 (time), CVE-2026-3119 (TKEY).
#[test]
fn attack_39_strange_signatures_and_keys_are_answered_and_harm_nothing() {
    let mut policy = Policy::default();
    policy.keys = vec![key()];
    let mut server = server(policy);
    let plain = query(7, "ns.example.com", Type::A, None);
    let mut signed = plain.clone();
    Transaction::request(&key(), &mut signed, UNIX).unwrap();
    let algorithm = b"\x0bhmac-sha256\0";
    let at = signed
        .windows(algorithm.len())
        .position(|window| window == algorithm)
        .unwrap();
    let mut unknown = signed.clone();
    unknown[at + 1] = b'x';
    let mut extreme = signed.clone();
    extreme[at + algorithm.len()..][..6].fill(0xff);
    for (message, code) in [(&unknown, Rcode::NOTAUTH), (&extreme, Rcode::NOTAUTH)] {
        let reply = ask(&mut server, message, Transport::Udp).unwrap();
        assert_eq!(Message::parse(&reply).unwrap().rcode(), code);
    }
    assert_eq!(
        verify_request(&[key()], &unknown, UNIX).unwrap_err().error,
        TsigError::BadKey
    );
    // TKEY as a question, and as a record beside one.
    let reply = ask(
        &mut server,
        &query(7, "k", Type::TKEY, None),
        Transport::Tcp,
    )
    .unwrap();
    assert_ne!(Message::parse(&reply).unwrap().rcode(), Rcode::NOERROR);
    let body = record(&[0], Type::TKEY, &[0; 26]);
    let mut message = plain.clone();
    message[11] = 1;
    message.extend_from_slice(&body);
    for len in 0..=message.len() {
        let _ = ask(&mut server, &message[..len], Transport::Tcp);
    }
    // It is still there.
    assert!(ask(&mut server, &plain, Transport::Udp).is_some());
}

/// CVE-2024-1975, CVE-2026-5947, CVE-2026-3591: signatures by public key are not checked here; so
/// they cost nothing, allow nothing, and break nothing.
#[test]
fn attack_40_sig_0_costs_nothing_allows_nothing_and_breaks_nothing() {
    let mut policy = Policy::default();
    policy.keys = vec![key()];
    policy.update.keys = vec![name("k")];
    let mut server = server(policy);
    // Type covered zero, a signer, and as much signature as a record holds.
    let sig = |signature: usize| {
        let mut data = vec![0, 0, 8, 0, 0, 0, 0, 0];
        data.extend_from_slice(&[0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0x12, 0x34]);
        data.extend_from_slice(b"\x01k\0");
        data.resize(data.len() + signature, 0xaa);
        record(&[0], Type::SIG, &data)
    };
    let with = |message: &[u8], signature: usize| {
        let mut message = message.to_vec();
        message[11] += 1;
        message.extend_from_slice(&sig(signature));
        message
    };
    let plain = query(7, "ns.example.com", Type::A, None);
    let unsigned = ask(&mut server, &plain, Transport::Tcp).unwrap();
    for signature in [0, 1, 64, 256, 60_000] {
        let reply = ask(&mut server, &with(&plain, signature), Transport::Tcp).unwrap();
        assert_eq!(reply, unsigned);
    }
    let mut buffer = [0; 512];
    let flags = Flags::default().with_opcode(Opcode::UPDATE);
    let mut update = Builder::new(&mut buffer, 7, flags).unwrap();
    update
        .push_question(name("example.com").view(), Type::SOA, Class::IN)
        .unwrap();
    let data = RData::A([192, 0, 2, 66].into());
    update
        .push(
            Section::Authority,
            name("x.example.com").view(),
            Class::IN,
            60,
            &data,
        )
        .unwrap();
    let update = with(update.finish(), 256);
    let reply = ask(&mut server, &update, Transport::Udp).unwrap();
    assert_eq!(Message::parse(&reply).unwrap().rcode(), Rcode::REFUSED);
    // Cut and bent anywhere.
    let message = with(&plain, 64);
    for at in Header::LEN..message.len() {
        let _ = ask(&mut server, &message[..at], Transport::Udp);
        for bit in 0..8 {
            let mut bent = message.clone();
            bent[at] ^= 1 << bit;
            let _ = server.respond(NOW, &bent, from(), Transport::Udp);
        }
    }
    assert_eq!(ask(&mut server, &plain, Transport::Tcp).unwrap(), unsigned);
}

/// Octets without end: the limit holds whatever the records are.
#[test]
fn attack_43_a_transfer_has_a_limit_of_octets() {
    let mut limits = Limits::default();
    limits.max_transfer_octets = 10_000;
    let (mut incoming, _) = Incoming::request(name("example.com"), None, 99, None, &limits);
    let mut buffer = vec![0; 4096];
    let mut message = Builder::new(&mut buffer, 99, Flags::QR).unwrap();
    message
        .push_question(name("example.com").view(), Type::AXFR, Class::IN)
        .unwrap();
    let mut soa = Vec::new();
    let origin = name("example.com");
    RData::parse_text(Type::SOA, "ns h 1 60 60 600 60", &origin, &mut soa).unwrap();
    let soa = RData::from_wire(Type::SOA, &soa).unwrap();
    message
        .push(Section::Answer, origin.view(), Class::IN, 60, &soa)
        .unwrap();
    let first = message.finish().to_vec();
    incoming.handle_message(&first, UNIX).unwrap();
    let mut octets = first.len();
    let mut number = 0u32;
    let error = loop {
        let mut buffer = vec![0; 4096];
        let mut message = Builder::new(&mut buffer, 99, Flags::QR).unwrap();
        for _ in 0..50 {
            number += 1;
            let data = RData::A(number.into());
            message
                .push(Section::Answer, origin.view(), Class::IN, 60, &data)
                .unwrap();
        }
        let message = message.finish();
        octets += message.len();
        if let Err(error) = incoming.handle_message(message, UNIX) {
            break error;
        }
        assert!(octets <= 10_000);
    };
    assert_eq!(error, TransferError::TooLarge);
}

/// CVE-2025-31498 (c-ares): a reply that makes the query be asked again, come twice, and a new query
/// in the middle.
#[test]
fn attack_43_a_reply_that_requeues_its_query_may_come_twice_and_be_answered_by_a_new_one() {
    let servers = ["192.0.2.1:53", "192.0.2.2:53"].map(|text| text.parse().unwrap());
    let mut config = Config::new(servers);
    config.mix_case = false;
    let mut stub = Stub::new(Duration::ZERO, config, Limits::default(), [3; 32]);
    let question = || Question::new(name("www.example.com"), Type::A);
    let first = stub.query(question(), QueryOptions::default()).unwrap();
    let mut asked = 0;
    let mut events = Vec::new();
    let mut second = None;
    while let Some(step) = stub.poll_transmit(NOW) {
        let Transmit::Datagram {
            local: Local::Fresh(port),
            to,
            payload,
        } = step
        else {
            continue;
        };
        asked += 1;
        assert!(asked < 100, "it ends");
        let mut reply = payload.to_vec();
        reply[2] |= 0x80;
        reply[3] |= 2;
        for _ in 0..2 {
            stub.handle_datagram(NOW, port, to, &reply);
            if second.is_none() {
                second = Some(stub.query(question(), QueryOptions::default()).unwrap());
            }
        }
        while let Some(event) = stub.poll_event() {
            events.push(event);
        }
    }
    let ended = |id| {
        let of_id =
            |event: &&Event| matches!(event, Event::Failed { id: known, .. } if *known == id);
        events.iter().filter(of_id).count()
    };
    assert_eq!((ended(first), ended(second.unwrap())), (1, 1));
    assert_eq!(events.len(), 2);
}
