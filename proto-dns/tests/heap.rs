//! Where nothing may be allocated, nothing is; and no message makes its reader allocate much.

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

use bytes::BytesMut;
use common::{name, query, raw, record, utopia};
use core::time::Duration;
use proto_dns::client::{QueryOptions, Stub};
use proto_dns::server;
use proto_dns::wire::{
    Builder, Class, Edns, Flags, Header, Message, MessageBuf, Question, RData, Section, Type, tcp,
};
use proto_dns::{Config, Limits, Transport};
use std::sync::Arc;

fn allocations(run: impl FnOnce()) -> (u64, u64) {
    let info = allocation_counter::measure(run);
    (info.count_total, info.bytes_max)
}

/// A referral from com, as a root server would send it: 13 servers and 26 addresses.
fn referral() -> Vec<u8> {
    let (com, mut buffer) = (name("com"), vec![0; 4096]);
    let mut builder = Builder::new(&mut buffer, 7, Flags::QR).unwrap();
    builder.set_edns(&Edns::new(4096)).unwrap();
    builder
        .push_question(name("www.example.com").view(), Type::A, Class::IN)
        .unwrap();
    let hosts: Vec<_> = (b'a'..=b'm')
        .map(|letter| name("gtld-servers.net").child(&[letter]).unwrap())
        .collect();
    for host in &hosts {
        let ns = RData::Ns(host.view());
        builder
            .push(Section::Authority, com.view(), Class::IN, 172_800, &ns)
            .unwrap();
    }
    for host in &hosts {
        for data in [
            RData::A([192, 5, 6, 30].into()),
            RData::Aaaa([0x20; 16].into()),
        ] {
            builder
                .push(Section::Additional, host.view(), Class::IN, 172_800, &data)
                .unwrap();
        }
    }
    builder.finish().to_vec()
}

#[test]
fn reading_at_every_depth_allocates_nothing() {
    let message = referral();
    let mut records = 0;
    let (count, _) = allocations(|| {
        Header::peek(&message).unwrap();
        let message = Message::parse(&message).unwrap();
        message.edns().unwrap();
        for section in [Section::Answer, Section::Authority, Section::Additional] {
            for record in message.records(section) {
                records += usize::from(record.data().is_ok());
                assert!(record.owner.labels().count() < 5);
            }
        }
    });
    assert_eq!((count, records), (0, 40));
}

#[test]
fn writing_allocates_nothing() {
    let names = [name("www.example.com"), name("ns.example.com")];
    let mut buffer = [0; 1232];
    let (count, _) = allocations(|| {
        let mut builder = Builder::new(&mut buffer, 7, Flags::QR).unwrap();
        builder.set_edns(&Edns::new(1232)).unwrap();
        builder
            .push_question(names[0].view(), Type::A, Class::IN)
            .unwrap();
        for _ in 0..10 {
            let data = RData::Ns(names[1].view());
            builder
                .push(Section::Answer, names[0].view(), Class::IN, 1, &data)
                .unwrap();
        }
        assert!(!builder.finish().is_empty());
    });
    assert_eq!(count, 0);
}

#[test]
fn answering_allocates_nothing() {
    let authority = utopia();
    let queries = [
        query(1, "www.networkutopia.com", Type::A, None),
        query(1, "WEB.networkutopia.com", Type::A, Some(1232)),
        query(1, "networkutopia.com", Type::MX, Some(1232)),
        query(1, "no.such.networkutopia.com", Type::MX, Some(1232)),
        query(1, "example.org", Type::A, Some(1232)),
        b"\0\x01\0\0\xff\xff\xff\xff\xff\xff\xff\xff".to_vec(),
    ];
    let mut out = [0; 1232];
    let (count, _) = allocations(|| {
        for query in &queries {
            assert!(authority.answer(query, Transport::Udp, &mut out).is_some());
        }
    });
    assert_eq!(count, 0);
}

/// Attack row 34.
#[test]
fn counts_that_lie_cost_no_heap() {
    let lies = raw([0xffff; 4], &[]);
    let (count, bytes) = allocations(|| assert!(Message::parse(&lies).is_err()));
    assert_eq!((count, bytes), (0, 0));
}

/// Messages of 64 KiB that are made to hurt.
fn nasty() -> Vec<(&'static str, Vec<u8>)> {
    let mut nasty = Vec::new();
    for (what, rtype) in [
        ("tiny A", Type::A),
        ("tiny NS", Type::NS),
        ("tiny TXT", Type::TXT),
    ] {
        let one = record(b"\0", rtype, b"\0");
        let count = (65_535 - 12) / one.len();
        nasty.push((what, raw([0, count as u16, 0, 0], &one.repeat(count))));
    }
    let mut chain = b"\x01a\0".to_vec();
    let mut last = 23;
    for _ in 0..125 {
        let next = 23 + chain.len();
        chain.extend(b"\x01a");
        chain.extend((0xc000 | last as u16).to_be_bytes());
        last = next;
    }
    let mut body = record(b"\0", Type(999), &chain);
    let count = (65_535 - 12 - body.len()) / 14;
    for turn in 0..count {
        let pointer = (0xc000 | (last - 4 * (turn % 32)) as u16).to_be_bytes();
        body.extend(record(&pointer, Type::NS, &pointer));
    }
    nasty.push(("pointer chains", raw([0, count as u16 + 1, 0, 0], &body)));
    let options = b"\0\x0c\0\0".repeat(16_000);
    let mut opt = b"\0\0\x29\x04\xd0\0\0\0\0".to_vec();
    opt.extend((options.len() as u16).to_be_bytes());
    opt.extend(options);
    nasty.push(("options", raw([0, 0, 0, 1], &opt)));
    nasty
}

#[test]
fn any_message_of_64_kib_costs_no_more_heap_than_half_of_itself() {
    for (what, message) in nasty() {
        let (count, bytes) = allocations(|| {
            let message = Message::parse(&message).unwrap();
            let good = message.answers().filter(|record| record.data().is_ok());
            assert!(good.count() <= 65_535);
        });
        // What verifies chains of pointers in linear time is as large as pointers reach, twice.
        let most = if what == "pointer chains" {
            (2, 32_768)
        } else {
            (0, 0)
        };
        assert_eq!((count, bytes), most, "{what}");
        let (_, bytes) = allocations(|| {
            let owned = MessageBuf::parse(message.clone().into()).unwrap();
            assert_eq!(owned.view().octets().len(), message.len());
        });
        let most = message.len() as u64 + most.1 + 200;
        assert!(bytes <= most, "{what}: {bytes}");
    }
}

#[test]
fn an_idle_connection_costs_no_heap() {
    let limits = Arc::new(Limits::default());
    let (count, bytes) = allocations(|| {
        let mut machine = server::Stream::new(Duration::ZERO, Arc::clone(&limits));
        let mut input = BytesMut::new();
        assert_eq!(machine.poll_event(Duration::ZERO, &mut input), Ok(None));
        assert!(machine.poll_transmit(Duration::ZERO, 999).is_none());
    });
    assert_eq!((count, bytes), (0, 0));
}

/// R12: the formula of `Limits::max_stream_questions` and `Limits::max_queued_output`.
#[test]
fn a_connection_that_is_flooded_stays_within_its_limits() {
    let mut limits = Limits::default();
    limits.max_stream_questions = 8;
    limits.max_queued_output = 10_000;
    let message = query(1, "www.networkutopia.com", Type::A, Some(1232));
    let mut wire = BytesMut::new();
    for _ in 0..2000 {
        tcp::encode(&message, &mut wire).unwrap();
    }
    let authority = utopia();
    let (_, bytes) = allocations(|| {
        let mut machine = server::Stream::new(Duration::ZERO, limits);
        // Nothing is ever taken out.
        while let Ok(Some(server::stream::Event::Query { ask, message })) =
            machine.poll_event(Duration::ZERO, &mut wire)
        {
            machine.serve(&authority, ask, &message).unwrap();
        }
        assert!(!machine.wants_read());
    });
    assert!(bytes < 40_000, "{bytes}");
}

/// The figure in the documentation of `Limits::max_queries`.
#[test]
fn an_open_query_of_a_stub_costs_less_than_a_kibibyte() {
    let (_, bytes) = allocations(|| {
        let config = Config::new(["192.0.2.53:53".parse().unwrap()]);
        let mut stub = Stub::new(Duration::ZERO, config, Limits::default(), [1; 32]);
        for _ in 0..1000 {
            let question = Question::new(name("www.networkutopia.com"), Type::A);
            stub.query(question, QueryOptions::default()).unwrap();
            assert!(stub.poll_transmit(Duration::ZERO).is_some());
        }
    });
    assert!(bytes < 1000 * 1024, "{bytes}");
}
