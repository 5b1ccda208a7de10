//! What a zone holds, by whatever way it comes: large RRsets, CNAMEs that stand alone, and what may
//! stand beside them.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use core::net::{Ipv4Addr, SocketAddr};
use core::time::Duration;
use proto_dns::client::{Incoming, Progress};
use proto_dns::server::nameserver::{Policy, Response};
use proto_dns::server::{Authority, Nameserver, Zone};
use proto_dns::wire::{Builder, Class, Flags, Message, Name, Opcode, RData, Rcode, Section, Type};
use proto_dns::{Limits, TransferError, Transport, UnixTime, ZoneError};
use std::sync::Arc;

const NOW: Duration = Duration::from_secs(1);
/// As many records as one owner and type may have.
const MOST: u32 = 4096;

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

fn head(serial: u32) -> String {
    format!("@ 300 SOA ns h {serial} 60 30 600 60\n@ 300 NS ns\n")
}

fn refused(text: &str) -> ZoneError {
    let mut builder = Zone::builder(origin());
    match builder.add_text(&format!("{}{text}", head(1))) {
        Err(proto_dns::LoadError::Zone { fault, .. }) => fault,
        other => panic!("{text}: {other:?}"),
    }
}

/// The addresses from 10.0.0.0 on, in an order that is not theirs.
fn shuffled(count: u32) -> impl Iterator<Item = Ipv4Addr> {
    // 1021 and 4096 have no common factor.
    (0..count).map(move |number| Ipv4Addr::from((10 << 24) + number * 1021 % count))
}

fn server(zone: Zone) -> Nameserver {
    let mut policy = Policy::default();
    policy.update.any = true;
    policy.transfer.any = true;
    let mut authority = Authority::new();
    authority.insert(zone).unwrap();
    Nameserver::new(Duration::ZERO, authority, policy, [7; 32])
}

fn from() -> SocketAddr {
    "192.0.2.9:4000".parse().unwrap()
}

/// An update with addresses of `set.example.com` as prerequisites or as changes.
fn update(prerequisites: &[Ipv4Addr], class: Class, changes: &[Ipv4Addr]) -> Vec<u8> {
    let mut buffer = vec![0; 65_535];
    let flags = Flags::default().with_opcode(Opcode::UPDATE);
    let mut message = Builder::new(&mut buffer, 7, flags).unwrap();
    let owner = name("SET.example.com");
    message
        .push_question(origin().view(), Type::SOA, Class::IN)
        .unwrap();
    for address in prerequisites {
        let data = RData::A(*address);
        message
            .push(Section::Answer, owner.view(), Class::IN, 0, &data)
            .unwrap();
    }
    for address in changes {
        let (data, ttl) = (RData::A(*address), if class == Class::IN { 300 } else { 0 });
        message
            .push(Section::Authority, owner.view(), class, ttl, &data)
            .unwrap();
    }
    message.finish().to_vec()
}

fn send(server: &mut Nameserver, message: &[u8]) -> Rcode {
    let Response::Message(reply) = server.respond(NOW, message, from(), Transport::Tcp) else {
        panic!("no reply")
    };
    Message::parse(&reply).unwrap().rcode()
}

fn addresses(zone: &Zone) -> Vec<Ipv4Addr> {
    zone.records()
        .filter_map(|(_, _, data)| match data {
            RData::A(address) => Some(address),
            _ => None,
        })
        .collect()
}

#[test]
fn a_large_rrset_is_loaded_updated_compared_and_transferred() {
    let mut text = head(1);
    for address in shuffled(MOST) {
        // Each twice: one that is there is not added again.
        text.push_str(&format!("set 300 A {address}\nset 300 A {address}\n"));
    }
    let full = zone(&text);
    let all: Vec<_> = (0..MOST).map(|n| Ipv4Addr::from((10 << 24) + n)).collect();
    assert_eq!(addresses(&full), all, "in canonical order");
    text.push_str("set 300 A 192.0.2.1\n");
    let mut builder = Zone::builder(origin());
    assert!(builder.add_text(&text).is_err(), "one more is too many");

    // All but one as prerequisites, to the right and to the wrong set.
    let mut server = server(full);
    let most: Vec<_> = shuffled(MOST).take(4000).collect();
    assert_eq!(
        send(&mut server, &update(&most, Class::IN, &[])),
        Rcode::NXRRSET
    );
    assert_eq!(
        send(&mut server, &update(&[], Class::NONE, &most)),
        Rcode::NOERROR
    );
    let left: Vec<_> = shuffled(MOST).skip(4000).collect();
    let zone = server.authority().zone(&origin()).unwrap();
    assert_eq!(addresses(zone).len(), left.len());
    assert_eq!(
        send(&mut server, &update(&left, Class::IN, &most[..3000])),
        Rcode::NOERROR
    );
    let rest = update(&[], Class::IN, &most[3000..]);
    assert_eq!(send(&mut server, &rest), Rcode::NOERROR);
    let zone = Arc::clone(server.authority().zone(&origin()).unwrap());
    assert_eq!(addresses(&zone), all);
    assert_eq!((zone.serial(), zone.journal().len()), (4, 3));

    let (mut incoming, request) = Incoming::request(origin(), None, 9, None, &Limits::default());
    let Response::Transfer(mut transfer) = server.respond(NOW, &request, from(), Transport::Tcp)
    else {
        panic!()
    };
    let copy = loop {
        let message = transfer.next_message().unwrap();
        if let Progress::Done(copy) = incoming.handle_message(&message, UnixTime::EPOCH).unwrap() {
            break copy;
        }
    };
    assert_eq!(addresses(&copy), all);
}

#[test]
fn names_in_data_are_one_record_whatever_their_case() {
    let text = format!(
        "{}@ 300 NS NS\n@ 300 MX 10 Mail\n@ 300 MX 10 mail\n@ 300 MX 20 mail\n\
         t 300 TXT a\nt 300 TXT A\nt 300 TXT a\ns 300 SRV 1 2 3 X\ns 300 SRV 1 2 3 x\n\
         m 300 MINFO A b\nm 300 MINFO a B\n",
        head(1)
    );
    let mut types: Vec<_> = zone(&text)
        .records()
        .map(|(_, _, data)| data.rtype())
        .collect();
    types.sort();
    let expected = [
        Type::NS,
        Type::SOA,
        Type::MINFO,
        Type::MX,
        Type::MX,
        Type::TXT,
        Type::TXT,
        Type::SRV,
    ];
    assert_eq!(types, expected);
}

#[test]
fn a_name_may_have_many_types() {
    let mut text = head(1);
    for number in (300..800).rev() {
        text.push_str(&format!("many 300 TYPE{number} \\# 1 07\n"));
    }
    let zone = zone(&text);
    let of_many = zone
        .records()
        .filter(|(owner, ..)| **owner == name("many.example.com"));
    let types: Vec<_> = of_many.map(|(_, _, data)| data.rtype().0).collect();
    assert_eq!(types, (300..800).collect::<Vec<_>>());
    let mut authority = Authority::new();
    authority.insert(zone).unwrap();
    let mut query = [0; 512];
    let mut query = Builder::new(&mut query, 7, Flags::default()).unwrap();
    query
        .push_question(name("many.example.com").view(), Type(555), Class::IN)
        .unwrap();
    let reply = authority.reply(query.finish(), Transport::Udp).unwrap();
    let reply = Message::parse(&reply).unwrap();
    assert_eq!(reply.answers().next().unwrap().rtype, Type(555));
}

#[test]
fn rfc_1034_3_6_2_a_cname_stands_alone_but_for_what_signs_it() {
    for bad in [
        "a 300 CNAME b\na 300 A 192.0.2.1\n",
        "a 300 A 192.0.2.1\na 300 CNAME b\n",
        "a 300 CNAME b\na 300 CNAME c\n",
        "a 300 CNAME b\na 300 DNAME c\n",
        "@ 300 CNAME b\n",
    ] {
        assert_eq!(refused(bad), ZoneError::CnameAndOther, "{bad}");
    }
    // RFC 4034 sections 3 and 4.
    let signed = "a 300 NSEC b CNAME RRSIG NSEC\na 300 CNAME b\n\
        a 300 RRSIG CNAME 8 3 300 20300101000000 20200101000000 1 example.com. AAAA\n";
    let zone = zone(&format!("{}{signed}", head(1)));
    assert_eq!(zone.records().count(), 5);
    let mut authority = Authority::new();
    authority.insert(zone).unwrap();
    for (qtype, expected) in [(Type::A, Type::CNAME), (Type::NSEC, Type::NSEC)] {
        let mut query = [0; 512];
        let mut query = Builder::new(&mut query, 7, Flags::default()).unwrap();
        query
            .push_question(name("a.example.com").view(), qtype, Class::IN)
            .unwrap();
        let reply = authority.reply(query.finish(), Transport::Udp).unwrap();
        let reply = Message::parse(&reply).unwrap();
        assert_eq!(reply.answers().next().unwrap().rtype, expected);
    }
}

/// One change of a zone that holds `held`, in an incremental transfer.
fn change(held: &str, removed: &[&str], added: &[&str]) -> Result<Progress, TransferError> {
    let current = Arc::new(zone(&format!("{}{held}", head(1))));
    let (mut incoming, _) =
        Incoming::request(origin(), Some(current), 99, None, &Limits::default());
    let mut buffer = vec![0; 65_535];
    let mut message = Builder::new(&mut buffer, 99, Flags::QR).unwrap();
    message
        .push_question(origin().view(), Type::IXFR, Class::IN)
        .unwrap();
    let soa = |serial| format!("@ SOA ns h {serial} 60 30 600 60");
    let (old, new) = (soa(1), soa(2));
    let lines = [&[&*new, &*old], removed, &[&*new], added, &[&*new]].concat();
    for line in lines {
        let words: Vec<_> = line.splitn(3, ' ').collect();
        let rtype: Type = words[1].parse().unwrap();
        let owner = match words[0] {
            "@" => origin(),
            owner => name(&format!("{owner}.example.com")),
        };
        let mut wire = Vec::new();
        RData::parse_text(rtype, words[2], &origin(), &mut wire).unwrap();
        let data = RData::from_wire(rtype, &wire).unwrap();
        message
            .push(Section::Answer, owner.view(), Class::IN, 300, &data)
            .unwrap();
    }
    incoming.handle_message(message.finish(), UnixTime::EPOCH)
}

#[test]
fn attack_43_changes_that_would_put_other_data_beside_a_cname_are_refused() {
    for (held, added, fault) in [
        ("a 300 CNAME b\n", "a A 192.0.2.1", ZoneError::CnameAndOther),
        ("a 300 CNAME b\n", "a CNAME c", ZoneError::CnameAndOther),
        ("a 300 A 192.0.2.1\n", "a CNAME b", ZoneError::CnameAndOther),
        ("a 300 DNAME b\n", "a DNAME c", ZoneError::Dname),
        ("", "a SOA ns h 9 60 30 600 60", ZoneError::Soa),
    ] {
        let error = change(held, &[], &[added]).unwrap_err();
        assert_eq!(error, TransferError::Zone(fault), "{held} + {added}");
    }
    // What goes first makes room.
    let replaced = change("a 300 CNAME b\n", &["a CNAME b"], &["a CNAME c"]);
    let Ok(Progress::Done(zone)) = replaced else {
        panic!("{replaced:?}")
    };
    assert_eq!(zone.records().count(), 3);
    let replaced = change("a 300 CNAME b\n", &["a CNAME B"], &["a A 192.0.2.1"]);
    assert!(matches!(replaced, Ok(Progress::Done(_))), "{replaced:?}");
}
