//! Updates, transfers, notifications and signatures, in memory: the rules of RFC 1995, 1996, 2136,
//! 5936 and 8945, and what attackers try.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::panic_in_result_fn,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use core::net::SocketAddr;
use core::time::Duration;
use proto_dns::client::stub::Action;
use proto_dns::client::{Incoming, Progress, Secondary, secondary};
use proto_dns::datagram::Transmit;
use proto_dns::server::nameserver::{Event, Policy, Response};
use proto_dns::server::{Authority, Nameserver, Zone};
use proto_dns::tsig::{self, Algorithm, Key, Transaction, TsigError};
use proto_dns::wire::{
    Builder, Class, Flags, Header, Message, Name, Opcode, RData, Rcode, Section, Type,
};
use proto_dns::{Limits, TransferError, Transport, UnixTime, ZoneError};
use std::sync::Arc;

const NOW: Duration = Duration::from_secs(1);
const UNIX: UnixTime = UnixTime::from_secs(1_700_000_000);
const ZONE: &str = "@ 300 SOA ns h 1 60 30 600 60\n@ 300 NS ns\n@ 300 NS ns.other.\nns 300 A 192.0.2.53\n\
    www 300 A 192.0.2.1\nwww 300 A 192.0.2.2\nalias 300 CNAME www\n*.wild 300 TXT \"w\"\n";

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn origin() -> Name {
    name("example.com")
}

fn zone(text: &str) -> Zone {
    let mut builder = Zone::builder(origin());
    builder.add_text(text).unwrap();
    builder.build().unwrap()
}

fn key() -> Key {
    Key::new(name("k"), Algorithm::Sha256, *b"0123456789abcdef")
}

fn from() -> SocketAddr {
    "192.0.2.9:4000".parse().unwrap()
}

fn server() -> Nameserver {
    let mut policy = Policy::default();
    policy.keys = vec![key()];
    policy.update.any = true;
    policy.transfer.any = true;
    policy.notify.any = true;
    server_with(policy)
}

fn server_with(policy: Policy) -> Nameserver {
    let mut authority = Authority::new();
    authority.insert(zone(ZONE)).unwrap();
    let mut server = Nameserver::new(Duration::ZERO, authority, policy, [7; 32]);
    server.handle_clock(Duration::ZERO, UNIX);
    server
}

/// A record of an update: owner, class, TTL, type and text; no text is no data.
type Line<'a> = (&'a str, Class, u32, Type, &'a str);

fn update(prerequisites: &[Line<'_>], updates: &[Line<'_>]) -> Vec<u8> {
    let mut buffer = [0; 4096];
    let flags = Flags::default().with_opcode(Opcode::UPDATE);
    let mut message = Builder::new(&mut buffer, 7, flags).unwrap();
    message
        .push_question(origin().view(), Type::SOA, Class::IN)
        .unwrap();
    for (section, lines) in [
        (Section::Answer, prerequisites),
        (Section::Authority, updates),
    ] {
        for &(owner, class, ttl, rtype, text) in lines {
            let mut wire = Vec::new();
            if !text.is_empty() {
                RData::parse_text(rtype, text, &origin(), &mut wire).unwrap();
            }
            let mut owner_wire = name(owner);
            if !owner.ends_with('.') {
                owner_wire = if owner == "@" {
                    origin()
                } else {
                    name(&format!("{owner}.example.com"))
                };
            }
            // No data for a type is what RFC 2136 sends and no typed data is.
            let data = if text.is_empty() {
                RData::from_wire(Type(rtype.0), &[]).ok()
            } else {
                Some(RData::from_wire(rtype, &wire).unwrap())
            };
            match data {
                Some(data) => message
                    .push(section, owner_wire.view(), class, ttl, &data)
                    .unwrap(),
                None => message
                    .push_empty(section, owner_wire.view(), class, ttl, rtype)
                    .unwrap(),
            }
        }
    }
    message.finish().to_vec()
}

fn send(server: &mut Nameserver, message: &[u8]) -> Rcode {
    let Response::Message(reply) = server.respond(NOW, message, from(), Transport::Udp) else {
        panic!("no reply")
    };
    let reply = Message::parse(&reply).unwrap();
    assert!(reply.header().flags.is_response());
    reply.rcode()
}

fn lines(server: &Nameserver) -> Vec<String> {
    lines_of(server.authority().zone(&origin()).unwrap())
}

fn lines_of(zone: &Zone) -> Vec<String> {
    let mut lines: Vec<_> = zone
        .records()
        .map(|(owner, ttl, data)| format!("{owner} {ttl} {} {data}", data.rtype()))
        .collect();
    lines.sort();
    lines
}

fn serial(server: &Nameserver) -> u32 {
    server.authority().zone(&origin()).unwrap().serial()
}

// RFC 2136.

#[test]
fn rfc_2136_2_4_each_prerequisite_holds_or_names_its_code() {
    let add = [("new", Class::IN, 60, Type::A, "192.0.2.7")];
    let any = Class::ANY;
    let none = Class::NONE;
    for (prerequisite, expected) in [
        (("www", any, 0, Type::A, ""), Rcode::NOERROR),
        (("www", any, 0, Type::MX, ""), Rcode::NXRRSET),
        (("none", any, 0, Type::A, ""), Rcode::NXRRSET),
        (("www", none, 0, Type::A, ""), Rcode::YXRRSET),
        (("www", none, 0, Type::MX, ""), Rcode::NOERROR),
        (("www", any, 0, Type::ANY, ""), Rcode::NOERROR),
        (("none", any, 0, Type::ANY, ""), Rcode::NXDOMAIN),
        (("www", none, 0, Type::ANY, ""), Rcode::YXDOMAIN),
        (("none", none, 0, Type::ANY, ""), Rcode::NOERROR),
        // Not the whole set.
        (("www", Class::IN, 0, Type::A, "192.0.2.1"), Rcode::NXRRSET),
        (("alias", Class::IN, 0, Type::CNAME, "WWW"), Rcode::NOERROR),
        (("www", any, 1, Type::A, ""), Rcode::FORMERR),
        (("www", any, 0, Type::A, "192.0.2.1"), Rcode::FORMERR),
        (("www", Class::CH, 0, Type::A, "192.0.2.1"), Rcode::FORMERR),
        (("www.other.", any, 0, Type::A, ""), Rcode::NOTZONE),
    ] {
        let mut server = server();
        let before = lines(&server);
        assert_eq!(
            send(&mut server, &update(&[prerequisite], &add)),
            expected,
            "{prerequisite:?}"
        );
        assert_eq!(
            lines(&server) == before,
            expected != Rcode::NOERROR,
            "{prerequisite:?}"
        );
    }
}

#[test]
fn rfc_2136_3_4_1_an_update_is_looked_through_before_anything_is_done() {
    for (bad, expected) in [
        (
            ("www.other.", Class::IN, 60, Type::A, "192.0.2.7"),
            Rcode::NOTZONE,
        ),
        (("www", Class::CH, 60, Type::A, "192.0.2.7"), Rcode::FORMERR),
        (("www", Class::ANY, 60, Type::A, ""), Rcode::FORMERR),
        (("www", Class::ANY, 0, Type::A, "192.0.2.7"), Rcode::FORMERR),
        (("www", Class::ANY, 0, Type::AXFR, ""), Rcode::FORMERR),
        (
            ("www", Class::NONE, 60, Type::A, "192.0.2.7"),
            Rcode::FORMERR,
        ),
        (("www", Class::IN, 60, Type::ANY, ""), Rcode::FORMERR),
        (("www", Class::IN, 60, Type::A, ""), Rcode::FORMERR),
    ] {
        let mut server = server();
        let before = lines(&server);
        let good = ("new", Class::IN, 60, Type::A, "192.0.2.7");
        assert_eq!(
            send(&mut server, &update(&[], &[good, bad])),
            expected,
            "{bad:?}"
        );
        assert_eq!(lines(&server), before, "{bad:?}");
        assert_eq!(
            server.authority().zone(&origin()).unwrap().journal().len(),
            0
        );
    }
}

#[test]
fn rfc_2136_3_4_2_records_come_and_go_and_the_serial_number_rises() {
    let mut server = server();
    let all = [
        ("new.deep", Class::IN, 60, Type::A, "192.0.2.7"),
        ("www", Class::NONE, 0, Type::A, "192.0.2.1"),
        ("alias", Class::IN, 60, Type::CNAME, "ns"),
    ];
    assert_eq!(send(&mut server, &update(&[], &all)), Rcode::NOERROR);
    assert_eq!(serial(&server), 2);
    let now = lines(&server);
    assert!(
        now.contains(&"new.deep.example.com. 60 A 192.0.2.7".to_owned()),
        "{now:?}"
    );
    assert!(
        now.contains(&"alias.example.com. 60 CNAME ns.example.com.".to_owned()),
        "{now:?}"
    );
    assert!(
        !now.iter()
            .any(|line| line.contains("192.0.2.1 ") || line.ends_with("192.0.2.1"))
    );
    // The same again changes nothing, and the serial number stays.
    assert_eq!(send(&mut server, &update(&[], &all)), Rcode::NOERROR);
    assert_eq!(serial(&server), 2);
    // A name whose last record goes is gone, and so is the empty name above it.
    assert_eq!(
        send(
            &mut server,
            &update(&[], &[("new.deep", Class::ANY, 0, Type::ANY, "")])
        ),
        Rcode::NOERROR
    );
    assert_eq!(serial(&server), 3);
    let mut out = [0; 512];
    let query = plain_query("deep.example.com", Type::A);
    let reply = server
        .authority()
        .answer(&query, Transport::Udp, &mut out)
        .unwrap();
    assert_eq!(Message::parse(reply).unwrap().rcode(), Rcode::NXDOMAIN);
}

fn plain_query(qname: &str, qtype: Type) -> Vec<u8> {
    let mut buffer = [0; 512];
    let mut query = Builder::new(&mut buffer, 9, Flags::RD).unwrap();
    query
        .push_question(name(qname).view(), qtype, Class::IN)
        .unwrap();
    query.finish().to_vec()
}

#[test]
fn rfc_2136_the_soa_and_the_last_ns_record_stay_and_cnames_stand_alone() {
    let mut server = server();
    let deletes = [
        ("@", Class::ANY, 0, Type::ANY, ""),
        ("@", Class::ANY, 0, Type::SOA, ""),
        ("@", Class::ANY, 0, Type::NS, ""),
        ("@", Class::NONE, 0, Type::SOA, "ns h 1 60 30 600 60"),
        ("@", Class::NONE, 0, Type::NS, "ns"),
        ("@", Class::NONE, 0, Type::NS, "ns.other."),
        ("www", Class::IN, 60, Type::CNAME, "ns"),
        ("alias", Class::IN, 60, Type::A, "192.0.2.8"),
        ("www", Class::IN, 60, Type::SOA, "ns h 9 60 30 600 60"),
        // An old serial number is ignored.
        ("@", Class::IN, 60, Type::SOA, "ns h 0 60 30 600 60"),
    ];
    assert_eq!(send(&mut server, &update(&[], &deletes)), Rcode::NOERROR);
    let now = lines(&server);
    let count = |rtype: &str| now.iter().filter(|line| line.contains(rtype)).count();
    assert_eq!(
        (count(" SOA "), count(" NS "), count(" CNAME ")),
        (1, 1, 1),
        "{now:?}"
    );
    assert!(!now.iter().any(|line| line.contains("192.0.2.8")));
    // A newer serial number is taken as it is.
    let soa = [("@", Class::IN, 60, Type::SOA, "ns h 90 60 30 600 60")];
    assert_eq!(send(&mut server, &update(&[], &soa)), Rcode::NOERROR);
    assert_eq!(serial(&server), 90);
}

#[test]
fn attack_41_updates_and_transfers_of_other_classes_are_refused() {
    let mut server = server();
    let mut message = update(&[], &[("new", Class::IN, 60, Type::A, "192.0.2.7")]);
    let class = Header::LEN + origin().as_wire().len() + 3;
    message[class] = 3;
    assert_eq!(send(&mut server, &message), Rcode::NOTAUTH);
    let mut query = plain_query("example.com", Type::AXFR);
    *query.last_mut().unwrap() = 3;
    assert!(matches!(
        server.respond(NOW, &query, from(), Transport::Tcp),
        Response::Message(_)
    ));
}

#[test]
fn attack_42_nobody_may_change_copy_or_notify_until_it_is_allowed() {
    let mut server = server_with(Policy::default());
    let before = lines(&server);
    assert_eq!(
        send(
            &mut server,
            &update(&[], &[("new", Class::IN, 60, Type::A, "192.0.2.7")])
        ),
        Rcode::REFUSED
    );
    let refused = |response| {
        let Response::Message(reply) = response else {
            panic!("given away")
        };
        assert_eq!(Message::parse(&reply).unwrap().rcode(), Rcode::REFUSED);
    };
    for qtype in [Type::AXFR, Type::IXFR] {
        refused(server.respond(
            NOW,
            &plain_query("example.com", qtype),
            from(),
            Transport::Tcp,
        ));
    }
    refused(server.respond(NOW, &notify(5), from(), Transport::Udp));
    assert!(server.poll_event().is_none());
    assert_eq!(lines(&server), before);
}

fn notify(serial: u32) -> Vec<u8> {
    let mut buffer = [0; 512];
    let flags = Flags::default()
        .with_opcode(Opcode::NOTIFY)
        .with(Flags::AA, true);
    let mut message = Builder::new(&mut buffer, 7, flags).unwrap();
    message
        .push_question(origin().view(), Type::SOA, Class::IN)
        .unwrap();
    let mut wire = Vec::new();
    RData::parse_text(
        Type::SOA,
        &format!("ns h {serial} 60 30 600 60"),
        &origin(),
        &mut wire,
    )
    .unwrap();
    let data = RData::from_wire(Type::SOA, &wire).unwrap();
    message
        .push(Section::Answer, origin().view(), Class::IN, 60, &data)
        .unwrap();
    message.finish().to_vec()
}

#[test]
fn rfc_1996_a_notification_is_repeated_until_it_is_answered() {
    let secondary: SocketAddr = "192.0.2.20:53".parse().unwrap();
    let mut policy = Policy::default();
    policy.update.any = true;
    policy.also_notify = vec![secondary];
    let mut server = server_with(policy);
    send(
        &mut server,
        &update(&[], &[("new", Class::IN, 60, Type::A, "192.0.2.7")]),
    );
    assert!(matches!(server.poll_event(), Some(Event::Updated { .. })));
    let Some(Transmit::Datagram { to, payload, .. }) = server.poll_transmit(NOW) else {
        panic!("silent")
    };
    assert_eq!(to, secondary);
    let message = Message::parse(&payload).unwrap();
    assert_eq!(message.header().flags.opcode(), Opcode::NOTIFY);
    assert!(
        message
            .answers()
            .next()
            .unwrap()
            .to_string()
            .contains(" 2 60 30 600 60")
    );
    let later = server.poll_timeout().unwrap();
    assert!(later > NOW);
    server.handle_timeout(later);
    assert!(server.poll_transmit(later).is_some());
    // From somebody else the answer does not count.
    let mut answer = payload.to_vec();
    answer[2] |= 0x80;
    server.respond(later, &answer, from(), Transport::Udp);
    assert!(server.poll_timeout().is_some());
    server.respond(later, &answer, secondary, Transport::Udp);
    assert_eq!(server.poll_timeout(), None);
    assert!(matches!(
        server.poll_event(),
        Some(Event::NotifyEnded { answered: true, .. })
    ));
    // Nobody answers the next one: it is given up.
    send(
        &mut server,
        &update(&[], &[("new", Class::ANY, 0, Type::A, "")]),
    );
    let mut sent = 0;
    while let Some(at) = server.poll_timeout() {
        server.handle_timeout(at);
        while server.poll_transmit(at).is_some() {
            sent += 1;
        }
    }
    assert_eq!(sent, 5);
}

// Transfers.

fn transfer(
    server: &mut Nameserver,
    current: Option<Arc<Zone>>,
    signed: bool,
) -> Result<(Progress, usize), TransferError> {
    let key = key();
    let key = signed.then_some((&key, UNIX));
    let (mut incoming, request) = Incoming::request(origin(), current, 99, key, &Limits::default());
    let mut transfer = match server.respond(NOW, &request, from(), Transport::Tcp) {
        Response::Transfer(transfer) => transfer,
        Response::Message(reply) => {
            return incoming
                .handle_message(&reply, UNIX)
                .map(|progress| (progress, 1));
        }
        _ => panic!("no answer"),
    };
    let mut messages = 0;
    loop {
        let message = transfer.next_message().expect("more");
        messages += 1;
        match incoming.handle_message(&message, UNIX)? {
            Progress::More => {}
            progress => {
                assert!(transfer.next_message().is_none());
                return Ok((progress, messages));
            }
        }
    }
}

#[test]
fn rfc_5936_a_zone_of_many_messages_arrives_whole_signed_or_not() {
    let mut server = server();
    let mut text = ZONE.to_owned();
    for number in 0..5000 {
        text.push_str(&format!("h{number} 300 A 192.0.2.{}\n", number % 250));
    }
    server.replace_zone(NOW, Arc::new(zone(&text)));
    for signed in [false, true] {
        let (progress, messages) = transfer(&mut server, None, signed).unwrap();
        let Progress::Done(copy) = progress else {
            panic!("{progress:?}")
        };
        assert!(messages > 5);
        assert_eq!(lines_of(&copy), lines(&server));
    }
}

#[test]
fn rfc_1995_changes_arrive_as_changes_and_make_the_same_zone() {
    let mut server = server();
    let (Progress::Done(first), _) = transfer(&mut server, None, true).unwrap() else {
        panic!()
    };
    let (progress, _) = transfer(&mut server, Some(Arc::clone(&first)), true).unwrap();
    assert!(matches!(progress, Progress::UpToDate));
    for step in 0..5 {
        let address = format!("192.0.2.{}", 100 + step);
        let lines = [
            ("new", Class::IN, 60, Type::A, address.as_str()),
            ("www", Class::ANY, 0, Type::A, ""),
            ("www", Class::IN, 60, Type::A, address.as_str()),
        ];
        assert_eq!(send(&mut server, &update(&[], &lines)), Rcode::NOERROR);
    }
    let (Progress::Done(copy), messages) = transfer(&mut server, Some(first), true).unwrap() else {
        panic!()
    };
    assert_eq!(messages, 1);
    assert_eq!(lines_of(&copy), lines(&server));
    assert_eq!(copy.journal().len(), 5);
    // From a version that nobody knows the whole zone comes.
    let old = Arc::new(zone(&ZONE.replace("h 1 60", "h 4294967290 60")));
    let (Progress::Done(copy), _) = transfer(&mut server, Some(old), false).unwrap() else {
        panic!()
    };
    assert_eq!(lines_of(&copy), lines(&server));
}

#[test]
fn a_journal_never_grows_beyond_its_limit() {
    let mut server = server();
    for step in 0..200 {
        let text = format!("\"{}\"", "x".repeat(200));
        let owner = format!("n{step}");
        send(
            &mut server,
            &update(&[], &[(&owner, Class::IN, 60, Type::TXT, &text)]),
        );
    }
    let mut zone = Zone::clone(server.authority().zone(&origin()).unwrap());
    assert_eq!(zone.journal().len(), 200);
    zone.set_journal_limit(10_000);
    assert!(zone.journal().octets() <= 10_000 && !zone.journal().is_empty());
    zone.set_journal_limit(0);
    assert!(zone.journal().is_empty());
}

/// Messages of a transfer made by hand: each a list of records.
fn feed(current: Option<&str>, messages: &[&[&str]]) -> Result<Progress, TransferError> {
    let current = current.map(|text| Arc::new(zone(text)));
    let qtype = if current.is_some() {
        Type::IXFR
    } else {
        Type::AXFR
    };
    let (mut incoming, _) = Incoming::request(origin(), current, 99, None, &Limits::default());
    let mut progress = Progress::More;
    for lines in messages {
        let mut buffer = vec![0; 65_535];
        let mut message = Builder::new(&mut buffer, 99, Flags::QR).unwrap();
        message
            .push_question(origin().view(), qtype, Class::IN)
            .unwrap();
        for line in *lines {
            let words: Vec<_> = line.splitn(3, ' ').collect();
            let rtype: Type = words[1].parse().unwrap();
            let owner = match words[0] {
                "@" => origin(),
                owner if owner.ends_with('.') => name(owner),
                owner => name(&format!("{owner}.example.com")),
            };
            let mut wire = Vec::new();
            RData::parse_text(rtype, words[2], &origin(), &mut wire).unwrap();
            let data = RData::from_wire(rtype, &wire).unwrap();
            message
                .push(Section::Answer, owner.view(), Class::IN, 300, &data)
                .unwrap();
        }
        progress = incoming.handle_message(message.finish(), UNIX)?;
    }
    Ok(progress)
}

const SOA_1: &str = "@ SOA ns h 1 60 30 600 60";
const SOA_2: &str = "@ SOA ns h 2 60 30 600 60";
const SOA_3: &str = "@ SOA ns h 3 60 30 600 60";
const NS: &str = "@ NS ns";

#[test]
fn attack_43_broken_transfers_are_refused_and_change_nothing() {
    assert!(matches!(
        feed(None, &[&[SOA_1, NS, SOA_1]]),
        Ok(Progress::Done(_))
    ));
    assert!(matches!(
        feed(None, &[&[SOA_1], &[NS], &[SOA_1]]),
        Ok(Progress::Done(_))
    ));
    let cases: &[(&[&[&str]], TransferError)] = &[
        (&[&[NS, SOA_1]], TransferError::NoSoa),
        (&[&[]], TransferError::NoSoa),
        (&[&[SOA_1, NS, SOA_2]], TransferError::Inconsistent),
        (&[&[SOA_1, NS, SOA_1, NS]], TransferError::Trailing),
        (&[&[SOA_1, NS, SOA_1], &[NS]], TransferError::Trailing),
        (
            &[&[SOA_1, NS, "www.other. A 192.0.2.1", SOA_1]],
            TransferError::Zone(ZoneError::OutOfZone),
        ),
        (
            &[&[SOA_1, NS, "a CNAME ns", "a A 192.0.2.1", SOA_1]],
            TransferError::Zone(ZoneError::CnameAndOther),
        ),
        (
            &[&[SOA_1, "a A 192.0.2.1", SOA_1]],
            TransferError::Zone(ZoneError::NoNs),
        ),
    ];
    for (messages, error) in cases {
        assert_eq!(feed(None, messages).unwrap_err(), *error, "{messages:?}");
    }
    // An endless stream never ends the transfer, and has its limit.
    let mut limits = Limits::default();
    limits.max_transfer_records = 10;
    let (mut incoming, request) = Incoming::request(origin(), None, 99, None, &limits);
    let mut server = server();
    let mut text = ZONE.to_owned();
    for number in 0..50 {
        text.push_str(&format!("h{number} 300 A 192.0.2.1\n"));
    }
    server.replace_zone(NOW, Arc::new(zone(&text)));
    let Response::Transfer(mut transfer) = server.respond(NOW, &request, from(), Transport::Tcp)
    else {
        panic!()
    };
    let message = transfer.next_message().unwrap();
    assert_eq!(
        incoming.handle_message(&message, UNIX).unwrap_err(),
        TransferError::TooLarge
    );
}

#[test]
fn attack_43_changes_that_do_not_fit_are_refused() {
    let held = "@ 300 SOA ns h 1 60 30 600 60\n@ 300 NS ns\nwww 300 A 192.0.2.1\n";
    let good: &[&str] = &[
        SOA_3,
        SOA_1,
        "www A 192.0.2.1",
        SOA_2,
        "a A 192.0.2.2",
        SOA_2,
        "a A 192.0.2.2",
        SOA_3,
        "b A 192.0.2.3",
        SOA_3,
    ];
    let Ok(Progress::Done(zone)) = feed(Some(held), &[good]) else {
        panic!()
    };
    assert_eq!(zone.serial(), 3);
    assert_eq!(lines_of(&zone).len(), 3);
    let inconsistent: &[&[&str]] = &[
        // What is to go is not there.
        &[SOA_2, SOA_1, "nothing A 192.0.2.1", SOA_2, SOA_2],
        // Backwards.
        &[SOA_3, SOA_1, SOA_1, SOA_3],
        // A gap.
        &[SOA_3, SOA_1, SOA_2, SOA_3, SOA_3],
    ];
    for lines in inconsistent {
        assert_eq!(
            feed(Some(held), &[lines]).unwrap_err(),
            TransferError::Inconsistent,
            "{lines:?}"
        );
    }
    let foreign: &[&str] = &[SOA_2, SOA_1, SOA_2, "www.other. A 192.0.2.1", SOA_2];
    assert!(matches!(
        feed(Some(held), &[foreign]),
        Err(TransferError::Zone(ZoneError::OutOfZone))
    ));
}

#[test]
fn a_reply_to_another_question_is_no_transfer() {
    let (mut incoming, _) = Incoming::request(origin(), None, 99, None, &Limits::default());
    let mut other = plain_query("example.com", Type::AXFR);
    other[2] |= 0x80;
    assert_eq!(
        incoming.handle_message(&other, UNIX).unwrap_err(),
        TransferError::Mismatch
    );
    assert_eq!(
        incoming.handle_message(&other, UNIX).unwrap_err(),
        TransferError::Trailing
    );
    let (mut incoming, _) = Incoming::request(origin(), None, 9, None, &Limits::default());
    other[3] |= 5;
    assert_eq!(
        incoming.handle_message(&other, UNIX).unwrap_err(),
        TransferError::Refused(Rcode::REFUSED)
    );
    assert!(matches!(
        Incoming::request(origin(), None, 9, None, &Limits::default())
            .0
            .handle_message(&[1, 2, 3], UNIX),
        Err(TransferError::Malformed(_))
    ));
}

// Signatures.

#[test]
fn attack_39_each_octet_of_a_signed_message_counts() {
    let mut message = plain_query("www.example.com", Type::A);
    Transaction::request(&key(), &mut message, UNIX).unwrap();
    assert!(
        tsig::verify_request(&[key()], &message, UNIX)
            .unwrap()
            .is_some()
    );
    for at in 0..message.len() {
        for bit in [0x01, 0x80, 0x20] {
            let mut broken = message.clone();
            broken[at] ^= bit;
            // The id is not covered: the original one is. A name and an algorithm have no case.
            let verdict = tsig::verify_request(&[key()], &broken, UNIX);
            if let Ok(Some((bare, _))) = verdict {
                let original = plain_query("www.example.com", Type::A);
                assert!(bare == original, "octet {at}, bit {bit:#x}");
            }
        }
    }
    for len in 0..message.len() {
        assert!(!matches!(
            tsig::verify_request(&[key()], &message[..len], UNIX),
            Ok(Some(_))
        ));
    }
}

#[test]
fn attack_39_time_keys_algorithms_and_truncation_are_looked_at() {
    let signed = |key: &Key| {
        let mut message = plain_query("www.example.com", Type::A);
        Transaction::request(key, &mut message, UNIX).unwrap();
        message
    };
    let error = |message: &[u8], unix| {
        tsig::verify_request(&[key()], message, unix)
            .unwrap_err()
            .error
    };
    assert_eq!(
        error(&signed(&key()), UNIX.after(Duration::from_secs(301))),
        TsigError::BadTime
    );
    assert_eq!(
        error(&signed(&key()), UnixTime::from_secs(UNIX.as_secs() - 301)),
        TsigError::BadTime
    );
    assert_eq!(error(&signed(&key()), UnixTime::EPOCH), TsigError::BadTime);
    assert_eq!(
        error(&signed(&key()), UnixTime::from_secs(u64::MAX)),
        TsigError::BadTime
    );
    let other = Key::new(name("k"), Algorithm::Sha256, *b"another secret");
    assert_eq!(error(&signed(&other), UNIX), TsigError::BadSig);
    let other = Key::new(name("other"), Algorithm::Sha256, *b"0123456789abcdef");
    assert_eq!(error(&signed(&other), UNIX), TsigError::BadKey);
    for algorithm in [
        Algorithm::Md5,
        Algorithm::Sha1,
        Algorithm::Sha224,
        Algorithm::Sha384,
        Algorithm::Sha512,
    ] {
        let other = Key::new(name("k"), algorithm, *b"0123456789abcdef");
        assert_eq!(
            error(&signed(&other), UNIX),
            TsigError::BadKey,
            "{algorithm:?}"
        );
        let message = signed(&other);
        let other = [other];
        assert!(
            tsig::verify_request(&other, &message, UNIX)
                .unwrap()
                .is_some()
        );
    }
    // A server answers each with a code, and the answer can be read.
    let mut server = server();
    let other = Key::new(name("k"), Algorithm::Sha256, *b"another secret");
    assert_eq!(send(&mut server, &signed(&other)), Rcode::NOTAUTH);
    assert_eq!(server.stats().bad_signatures, 1);
}

#[test]
fn attack_39_a_second_signature_or_one_that_is_not_last_is_malformed() {
    let mut message = plain_query("www.example.com", Type::A);
    Transaction::request(&key(), &mut message, UNIX).unwrap();
    let mut twice = message.clone();
    Transaction::request(&key(), &mut twice, UNIX).unwrap();
    assert_eq!(
        tsig::verify_request(&[key()], &twice, UNIX)
            .unwrap_err()
            .error,
        TsigError::Malformed
    );
    let mut trailing = message.clone();
    trailing.push(0);
    assert_eq!(
        tsig::verify_request(&[key()], &trailing, UNIX)
            .unwrap_err()
            .error,
        TsigError::Malformed
    );
}

#[test]
fn rfc_8945_5_3_1_some_messages_of_a_transfer_may_go_unsigned_but_not_the_last() {
    let (mut client, mut server) = {
        let mut message = plain_query("www.example.com", Type::A);
        let client = Transaction::request(&key(), &mut message, UNIX).unwrap();
        let (_, server) = tsig::verify_request(&[key()], &message, UNIX)
            .unwrap()
            .unwrap();
        (client, server)
    };
    let plain = plain_query("www.example.com", Type::A);
    assert_eq!(
        client.clone().verify(&plain, UNIX).unwrap_err(),
        TsigError::Missing
    );
    let mut first = plain.clone();
    server.sign(&mut first, UNIX).unwrap();
    assert_eq!(client.verify(&first, UNIX).unwrap(), plain);
    assert!(client.is_settled());
    for _ in 0..99 {
        client.verify(&plain, UNIX).unwrap();
    }
    assert!(!client.is_settled());
    assert_eq!(client.verify(&plain, UNIX).unwrap_err(), TsigError::Missing);
    // A message twice, or out of its order, does not verify.
    let mut second = plain.clone();
    server.sign(&mut second, UNIX).unwrap();
    assert_eq!(client.verify(&first, UNIX).unwrap_err(), TsigError::BadSig);
}

#[test]
fn a_key_keeps_its_secret() {
    let text = format!(
        "{:?}",
        Key::new(name("k"), Algorithm::Sha256, *b"SECRETSECRET")
    );
    assert!(text.contains("Sha256") && !text.contains("SECRET") && !text.contains("83, 69"));
}

// The secondary.

/// Runs the wishes of a secondary against a name server until it waits.
fn settle(
    secondary: &mut Secondary,
    server: &mut Nameserver,
    now: Duration,
) -> Vec<secondary::Event> {
    let mut events = Vec::new();
    loop {
        while let Some(event) = secondary.poll_event() {
            events.push(event);
        }
        let Some(action) = secondary.poll_action(now) else {
            return events;
        };
        match action {
            Action::Connect { id, .. } => secondary.handle_connected(now, id),
            Action::Send { id, message } => {
                match server.respond(now, &message, from(), Transport::Tcp) {
                    Response::Transfer(mut transfer) => {
                        while let Some(message) = transfer.next_message() {
                            secondary.handle_message(now, id, &message);
                        }
                    }
                    Response::Message(reply) => secondary.handle_message(now, id, &reply),
                    _ => secondary.handle_closed(now, id),
                }
            }
            Action::Close { .. } => {}
        }
    }
}

fn a_secondary() -> Secondary {
    let primary: SocketAddr = "192.0.2.53:53".parse().unwrap();
    let mut secondary = Secondary::new(
        Duration::ZERO,
        origin(),
        [primary],
        Some(key()),
        Limits::default(),
        [3; 32],
    );
    secondary.handle_clock(Duration::ZERO, UNIX);
    secondary
}

#[test]
fn a_secondary_refreshes_retries_and_expires_as_the_soa_record_says() {
    let (mut server, mut secondary) = (server(), a_secondary());
    let events = settle(&mut secondary, &mut server, NOW);
    assert!(
        matches!(&events[..], [secondary::Event::Updated { .. }]),
        "{events:?}"
    );
    // Refresh after 60 seconds.
    assert_eq!(
        secondary.poll_timeout(),
        Some(NOW + Duration::from_secs(60))
    );
    let due = NOW + Duration::from_secs(60);
    let events = settle(&mut secondary, &mut server, due);
    assert!(
        matches!(&events[..], [secondary::Event::UpToDate { serial: 1 }]),
        "{events:?}"
    );
    // The primary is gone: retry every 30 seconds, expire after 600.
    let mut failures = 0;
    let now = loop {
        let now = secondary.poll_timeout().unwrap();
        secondary.handle_timeout(now);
        let mut expired = false;
        while let Some(event) = secondary.poll_event() {
            match event {
                secondary::Event::Failed {
                    error: TransferError::Disconnected,
                    ..
                } => failures += 1,
                secondary::Event::Expired => expired = true,
                event => panic!("{event:?}"),
            }
        }
        while let Some(action) = secondary.poll_action(now) {
            if let Action::Connect { id, .. } = action {
                secondary.handle_closed(now, id);
            }
        }
        if expired {
            break now;
        }
    };
    assert_eq!(now, due + Duration::from_secs(600));
    assert!((17..=20).contains(&failures), "{failures}");
    assert!(secondary.zone().is_none());
}

#[test]
fn rfc_1996_a_secondary_follows_a_notification_of_its_primary_only() {
    let (mut server, mut secondary) = (server(), a_secondary());
    settle(&mut secondary, &mut server, NOW);
    send(
        &mut server,
        &update(&[], &[("new", Class::IN, 60, Type::A, "192.0.2.7")]),
    );
    assert!(!secondary.handle_notify(NOW, "192.0.2.66".parse().unwrap(), Some(2)));
    assert!(settle(&mut secondary, &mut server, NOW).is_empty());
    assert!(secondary.handle_notify(NOW, "192.0.2.53".parse().unwrap(), Some(1)));
    assert!(settle(&mut secondary, &mut server, NOW).is_empty());
    assert!(secondary.handle_notify(NOW, "192.0.2.53".parse().unwrap(), Some(2)));
    let events = settle(&mut secondary, &mut server, NOW);
    assert!(
        matches!(&events[..], [secondary::Event::Updated { zone, .. }] if zone.serial() == 2),
        "{events:?}"
    );
    assert_eq!(lines_of(secondary.zone().unwrap()), lines(&server));
}

#[test]
fn a_silent_primary_is_left_after_the_limit() {
    let mut secondary = a_secondary();
    let Some(Action::Connect { id, .. }) = secondary.poll_action(NOW) else {
        panic!()
    };
    secondary.handle_connected(NOW, id);
    let due = secondary.poll_timeout().unwrap();
    secondary.handle_timeout(due);
    assert!(matches!(
        secondary.poll_event(),
        Some(secondary::Event::Failed {
            error: TransferError::Timeout,
            ..
        })
    ));
    // Facts of the old connection are harmless.
    secondary.handle_message(due, id, &[0; 12]);
    secondary.handle_closed(due, id);
    assert!(secondary.poll_event().is_none());
    assert!(secondary.poll_timeout().unwrap() > due);
}

// DNAME (RFC 6672).

#[test]
fn rfc_6672_a_dname_redirects_what_is_below_it() {
    let mut authority = Authority::new();
    let text =
        format!("{ZONE}old 300 DNAME new\nhost.new 300 A 192.0.2.70\nfar 300 DNAME example.org.\n");
    authority.insert(zone(&text)).unwrap();
    let ask = |qname: &str, qtype| {
        let mut out = [0; 1232];
        let reply = authority
            .answer(&plain_query(qname, qtype), Transport::Udp, &mut out)
            .unwrap();
        let reply = Message::parse(reply).unwrap();
        let answers: Vec<_> = reply
            .answers()
            .map(|record| record.to_string().replace('\t', " "))
            .collect();
        (reply.rcode(), answers)
    };
    assert_eq!(
        ask("host.old.example.com", Type::A),
        (
            Rcode::NOERROR,
            vec![
                "old.example.com. 300 IN DNAME new.example.com.".to_owned(),
                "host.old.example.com. 300 IN CNAME host.new.example.com.".to_owned(),
                "host.new.example.com. 300 IN A 192.0.2.70".to_owned(),
            ]
        )
    );
    let (rcode, answers) = ask("a.far.example.com", Type::A);
    assert_eq!((rcode, answers.len()), (Rcode::NOERROR, 2));
    assert_eq!(ask("old.example.com", Type::A).1, Vec::<String>::new());
    let long = format!(
        "{0}.{0}.{0}.{1}.far.example.com",
        "x".repeat(60),
        "y".repeat(46)
    );
    assert_eq!(ask(&long, Type::A).0, Rcode::NOERROR);
    let mut authority = Authority::new();
    let target = format!("{0}.{0}", "z".repeat(60));
    authority
        .insert(zone(&format!("{ZONE}far 300 DNAME {target}.\n")))
        .unwrap();
    let mut out = [0; 1232];
    let reply = authority
        .answer(&plain_query(&long, Type::A), Transport::Udp, &mut out)
        .unwrap();
    assert_eq!(Message::parse(reply).unwrap().rcode(), Rcode::YXDOMAIN);
}

#[test]
fn the_fast_way_answers_as_the_slow_one_and_leaves_the_rest_to_it() {
    let mut server = server();
    let mut out = [0; 1232];
    for (qname, qtype) in [
        ("www.example.com", Type::A),
        ("none.example.com", Type::A),
        ("other", Type::A),
    ] {
        let query = plain_query(qname, qtype);
        let fast = server
            .answer(&query, Transport::Udp, &mut out)
            .unwrap()
            .to_vec();
        let Response::Message(slow) = server.respond(NOW, &query, from(), Transport::Udp) else {
            panic!()
        };
        assert_eq!(fast, slow);
    }
    let mut signed = plain_query("www.example.com", Type::A);
    Transaction::request(&key(), &mut signed, UNIX).unwrap();
    for message in [
        signed,
        plain_query("example.com", Type::AXFR),
        notify(2),
        update(&[], &[]),
    ] {
        assert!(server.answer(&message, Transport::Udp, &mut out).is_none());
    }
}
