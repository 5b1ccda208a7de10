//! DNS: zone files, record data of all types, updates and transfers.

use core::net::SocketAddr;
use core::time::Duration;
use proto_dns::client::{Incoming, Progress};
use proto_dns::server::nameserver::{Policy, Response};
use proto_dns::server::{Authority, Nameserver, Zone};
use proto_dns::tsig::{Algorithm, Key, verify_request};
use proto_dns::wire::{Flags, Header, Message, Name, Opcode, RData, Type};
use proto_dns::zonefile::{Entry, Parser};
use proto_dns::{Limits, Transport, UnixTime};
use std::sync::Arc;

const NOW: Duration = Duration::from_secs(1);
const ZONE: &str = "@ 300 SOA ns h 1 60 30 600 60\n@ 300 NS ns\nns 300 A 192.0.2.53\nwww 300 A 192.0.2.1\n\
    www 300 A 192.0.2.2\nalias 300 CNAME www\n*.wild 300 TXT \"w\"\na.b.c 300 MX 10 www\nd 300 DNAME www\n";

fn origin() -> Name {
    "example.com".parse().unwrap()
}

fn zone() -> Zone {
    let mut builder = Zone::builder(origin());
    builder.add_text(ZONE).unwrap();
    builder.build().unwrap()
}

/// Any octets as a zone file: what is read can be written as a line that reads the same, and errors
/// stand within the text.
pub fn dns_zone_file(data: &[u8]) {
    let lines = data.iter().filter(|&&octet| octet == b'\n').count() + 1;
    let mut parser = Parser::new(data, origin()).with_generate_limit(64);
    for _ in 0..10_000 {
        match parser.next() {
            Ok(None) => return,
            Ok(Some(Entry::Record(record))) => {
                let Some(data) = record.data() else { continue };
                let line = format!(
                    "{} {} {} {} {data}",
                    record.owner, record.ttl, record.class, record.rtype
                );
                let mut again = Parser::without_origin(line.as_bytes()).with_class(record.class);
                // Data of some types has a text for some values only, and NULL has but the general one.
                if let Ok(Some(Entry::Record(again))) = again.next() {
                    assert!(
                        again.owner == record.owner && again.ttl == record.ttl,
                        "{line}"
                    );
                    assert_eq!(
                        (again.rtype, again.rdata),
                        (record.rtype, record.rdata),
                        "{line}"
                    );
                } else {
                    assert!(may_lack_text(record.rtype), "{line}");
                }
            }
            Ok(Some(_)) => {}
            Err(error) => assert!(error.line >= 1 && error.line <= lines, "{error}"),
        }
    }
}

fn may_lack_text(rtype: Type) -> bool {
    matches!(
        rtype,
        Type::ATMA
            | Type::AMTRELAY
            | Type::APL
            | Type::IPSECKEY
            | Type::SVCB
            | Type::HTTPS
            | Type::LOC
    )
}

/// Two octets of type and then data: wire, text and wire again.
pub fn dns_rdata(data: &[u8]) {
    let Some((&[high, low], rdata)) = data.split_first_chunk() else {
        return;
    };
    rdata_inverse(Type(u16::from_be_bytes([high, low])), rdata);
}

/// Data of SVCB.
pub fn dns_svcb(data: &[u8]) {
    rdata_inverse(Type::SVCB, data);
    rdata_inverse(Type::HTTPS, data);
    let Ok(text) = core::str::from_utf8(data) else {
        return;
    };
    let mut wire = Vec::new();
    // `\# 0` is no data at all, which any type may have in a text (RFC 3597 section 5).
    let parsed = RData::parse_text(Type::SVCB, text, &origin(), &mut wire);
    if parsed.is_ok() && !wire.is_empty() {
        let data = RData::from_wire(Type::SVCB, &wire).expect("what was parsed fits");
        let mut again = Vec::new();
        RData::parse_text(Type::SVCB, &data.to_string(), &origin(), &mut again)
            .expect("our own text");
        assert_eq!(again, wire, "{data}");
    }
}

fn rdata_inverse(rtype: Type, rdata: &[u8]) {
    if rdata.len() > usize::from(u16::MAX) {
        return;
    }
    let Ok(data) = RData::from_wire(rtype, rdata) else {
        return;
    };
    let (mut plain, mut canonical) = (Vec::new(), Vec::new());
    data.encode(&mut plain);
    data.encode_canonical(&mut canonical);
    assert!(canonical.eq_ignore_ascii_case(&plain));
    let same = RData::from_wire(rtype, &plain).expect("what was encoded fits");
    assert_eq!(same, data);
    let (text, mut again) = (data.to_string(), Vec::new());
    if RData::parse_text(rtype, &text, &Name::root(), &mut again).is_ok() {
        let second = RData::from_wire(rtype, &again).expect("what was parsed fits");
        assert_eq!(second.to_string(), text);
    }
}

/// Any octets as an update and as a signed message, to a server that takes updates from anybody: the
/// zone stays one that can be served and transferred.
pub fn dns_update_server(data: &[u8]) {
    let mut policy = Policy::default();
    policy.update.any = true;
    policy.transfer.any = true;
    policy.notify.any = true;
    let key = Key::new(
        "k".parse().unwrap(),
        Algorithm::Sha256,
        *b"0123456789abcdef",
    );
    policy.keys = vec![key.clone()];
    let mut authority = Authority::new();
    authority.insert(zone()).unwrap();
    let before = Arc::clone(authority.zone(&origin()).unwrap());
    let mut server = Nameserver::new(Duration::ZERO, authority, policy, [7; 32]);
    let from: SocketAddr = "192.0.2.9:4000".parse().unwrap();
    let mut message = data.to_vec();
    for over in [Transport::Udp, Transport::Tcp] {
        check_reply(&message, server.respond(NOW, &message, from, over));
        // Once more as an update of our zone, whatever it was.
        if let Some(flags) = message.get_mut(2..4) {
            let set = Flags::default().with_opcode(Opcode::UPDATE);
            flags.copy_from_slice(&set.0.to_be_bytes());
        }
    }
    let _ = verify_request(&[key], data, UnixTime::EPOCH);
    while server.poll_event().is_some() {}
    let now = server.authority().zone(&origin()).expect("the zone stays");
    assert!(now.soa().is_some());
    let now = Arc::clone(now);
    for current in [None, Some(before)] {
        let copy = copy(&mut server, current, from).unwrap_or_else(|| Arc::clone(&now));
        assert_eq!(lines(&copy), lines(&now));
    }
}

fn lines(zone: &Zone) -> Vec<String> {
    let mut lines: Vec<_> = zone
        .records()
        .map(|(owner, ttl, data)| format!("{owner} {ttl} {data:?}").to_ascii_lowercase())
        .collect();
    lines.sort();
    lines
}

/// Nothing when there is nothing new.
fn copy(
    server: &mut Nameserver,
    current: Option<Arc<Zone>>,
    from: SocketAddr,
) -> Option<Arc<Zone>> {
    let (mut incoming, request) = Incoming::request(origin(), current, 9, None, &Limits::default());
    let Response::Transfer(mut transfer) = server.respond(NOW, &request, from, Transport::Tcp)
    else {
        panic!("no transfer")
    };
    loop {
        let message = transfer.next_message().expect("a message");
        match incoming
            .handle_message(&message, UnixTime::EPOCH)
            .expect("our own transfer")
        {
            Progress::Done(zone) => return Some(zone),
            Progress::UpToDate => return None,
            _ => {}
        }
    }
}

fn check_reply(query: &[u8], response: Response) {
    let Response::Message(reply) = response else {
        return;
    };
    let (query, reply) = (
        Header::peek(query).unwrap(),
        Message::parse(&reply).unwrap(),
    );
    assert_eq!(reply.header().id, query.id);
    assert!(reply.header().flags.is_response() && !query.flags.is_response());
}

/// Messages with two octets of length in front, as the answers to a request for a transfer.
pub fn dns_transfer_client(data: &[u8]) {
    let Some((&first, mut rest)) = data.split_first() else {
        return;
    };
    let held = (first & 1 == 1).then(|| Arc::new(zone()));
    let mut limits = Limits::default();
    limits.max_transfer_records = 200;
    let (mut incoming, _) = Incoming::request(origin(), held, 9, None, &limits);
    let mut over = false;
    while let Some((&[high, low], after)) = rest.split_first_chunk() {
        let len = usize::from(u16::from_be_bytes([high, low])).min(after.len());
        let (message, after) = after.split_at(len);
        rest = after;
        let mut message = message.to_vec();
        if let Some(id) = message.get_mut(..2) {
            id.copy_from_slice(&[0, 9]);
        }
        match incoming.handle_message(&message, UnixTime::EPOCH) {
            Ok(progress) => {
                assert!(!over, "a transfer that was over went on");
                if let Progress::Done(zone) = &progress {
                    assert!(zone.soa().is_some());
                    assert!(zone.records().count() <= 220);
                }
                over = !matches!(progress, Progress::More);
            }
            Err(_) => over = true,
        }
    }
}
