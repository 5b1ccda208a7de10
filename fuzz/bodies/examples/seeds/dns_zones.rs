//! Zone files, record data, updates and transfers.

use super::Seed;
use proto_dns::client::Incoming;
use proto_dns::server::nameserver::{Policy, Response};
use proto_dns::server::{Authority, Nameserver, Zone};
use proto_dns::tsig::{Algorithm, Key, Transaction};
use proto_dns::wire::{Builder, Class, Flags, Name, Opcode, RData, Section, Type};
use proto_dns::{Limits, Transport, UnixTime};

fn origin() -> Name {
    "example.com".parse().unwrap()
}

const TEXTS: &[(Type, &str)] = &[
    (Type::SRV, "1 2 3 host"),
    (Type::NAPTR, "1 2 \"u\" \"E2U+sip\" \"!^.*$!sip:a@b!\" ."),
    (Type::LOC, "42 21 54.5 N 71 6 18 W -24m 30m 10m 1m"),
    (Type::APL, "1:192.0.2.0/24 !2:2001:db8::/32"),
    (Type::CAA, "0 issue \"ca.example\""),
    (Type::NSEC, "next A MX RRSIG NSEC TYPE1234"),
    (
        Type::NSEC3,
        "1 1 12 aabbccdd 2t7b4g4vsa5smi47k61mv5bv1a22bojr A",
    ),
    (
        Type::RRSIG,
        "A 8 2 300 20300101000000 20200101000000 1 signer AAAA",
    ),
    (Type::HIP, "2 200100107b1a74df365639cc39f1d578 AwEA rvs"),
    (Type::IPSECKEY, "10 3 2 gate AQNR"),
    (Type::AMTRELAY, "10 0 3 relay"),
    (Type::WKS, "192.0.2.1 6 25 80"),
    (Type::CERT, "PKIX 1 2 AAAA"),
    (Type::EUI48, "00-00-5e-00-53-2a"),
    (Type::NID, "10 0014:4fff:ff20:ee64"),
    (Type::A6, "64 ::1 prefix"),
    (Type::TKEY, "alg 20200101000000 20200101000000 1 0 0 0"),
];

const SVCB: &[&str] = &[
    "1 . alpn=h2,h3 port=8443 ipv4hint=192.0.2.1 ipv6hint=2001:db8::1",
    "0 svc.example.",
    "16 foo mandatory=alpn,port alpn=\"f\\\\\\\\oo\\\\,bar,h2\" port=53 key667=hello",
    "1 . dohpath=/dns-query{?dns} ech=AAAA ohttp",
];

const ZONE: &str = "$TTL 1h\n@ IN SOA ns h ( 1 ; serial\n 2h 15m 2w 300 )\n NS ns\nns A 192.0.2.1\n\
    $ORIGIN sub\n@ 60 TXT \"a b\" c\\010d\n$GENERATE 1-3/2 h${0,3,d} A 192.0.2.$\n\
    $INCLUDE \"other file\" sub2\nx TYPE65280 \\# 2 ABCD\n";

fn update(key: Option<&Key>) -> Vec<u8> {
    let mut buffer = [0; 1024];
    let flags = Flags::default().with_opcode(Opcode::UPDATE);
    let mut message = Builder::new(&mut buffer, 7, flags).unwrap();
    message
        .push_question(origin().view(), Type::SOA, Class::IN)
        .unwrap();
    let (www, new) = (
        origin().child(b"www").unwrap(),
        origin().child(b"new").unwrap(),
    );
    message
        .push_empty(Section::Answer, www.view(), Class::ANY, 0, Type::A)
        .unwrap();
    message
        .push_empty(Section::Answer, new.view(), Class::NONE, 0, Type::ANY)
        .unwrap();
    let a = RData::A([192, 0, 2, 1].into());
    message
        .push(Section::Authority, new.view(), Class::IN, 60, &a)
        .unwrap();
    message
        .push(Section::Authority, www.view(), Class::NONE, 0, &a)
        .unwrap();
    message
        .push_empty(Section::Authority, www.view(), Class::ANY, 0, Type::ANY)
        .unwrap();
    let mut message = message.finish().to_vec();
    if let Some(key) = key {
        Transaction::request(key, &mut message, UnixTime::EPOCH).unwrap();
    }
    message
}

/// A whole zone as an answer, each message with its length.
fn transfer(update_first: bool) -> Vec<u8> {
    let text = "@ 300 SOA ns h 1 60 30 600 60\n@ 300 NS ns\nns 300 A 192.0.2.53\nwww 300 A 192.0.2.1\n\
        www 300 A 192.0.2.2\nalias 300 CNAME www\n*.wild 300 TXT \"w\"\na.b.c 300 MX 10 www\nd 300 DNAME www\n";
    let mut zone = Zone::builder(origin());
    zone.add_text(text).unwrap();
    let mut authority = Authority::new();
    authority.insert(zone.build().unwrap()).unwrap();
    let mut policy = Policy::default();
    policy.update.any = true;
    policy.transfer.any = true;
    let now = core::time::Duration::ZERO;
    let held = authority.zone(&origin()).cloned().filter(|_| update_first);
    let mut server = Nameserver::new(now, authority, policy, [7; 32]);
    let from = "192.0.2.9:4000".parse().unwrap();
    if update_first {
        let _ = server.respond(now, &update(None), from, Transport::Tcp);
    }
    let (_, request) = Incoming::request(origin(), held, 9, None, &Limits::default());
    let Response::Transfer(mut transfer) = server.respond(now, &request, from, Transport::Tcp)
    else {
        panic!("no transfer")
    };
    let mut out = vec![u8::from(update_first)];
    while let Some(message) = transfer.next_message() {
        out.extend(u16::try_from(message.len()).unwrap().to_be_bytes());
        out.extend_from_slice(&message);
    }
    out
}

pub(crate) fn seeds() -> Vec<Seed> {
    let mut seeds: Vec<Seed> = Vec::new();
    for &(rtype, text) in TEXTS {
        let mut wire = rtype.0.to_be_bytes().to_vec();
        RData::parse_text(rtype, text, &origin(), &mut wire).unwrap();
        seeds.push(("dns_rdata", rtype.to_string(), wire));
        let line = format!("x 60 {rtype} {text}\n");
        if !rtype.is_meta() {
            seeds.push(("dns_zone_file", rtype.to_string(), line.into_bytes()));
        }
    }
    for (index, text) in SVCB.iter().enumerate() {
        let mut wire = Vec::new();
        RData::parse_text(Type::SVCB, text, &origin(), &mut wire).unwrap();
        seeds.push(("dns_svcb", format!("wire-{index}"), wire));
        seeds.push((
            "dns_svcb",
            format!("text-{index}"),
            text.as_bytes().to_vec(),
        ));
    }
    seeds.push(("dns_zone_file", "whole".into(), ZONE.as_bytes().to_vec()));
    let key = Key::new(
        "k".parse().unwrap(),
        Algorithm::Sha256,
        *b"0123456789abcdef",
    );
    seeds.push(("dns_update_server", "update".into(), update(None)));
    seeds.push(("dns_update_server", "signed".into(), update(Some(&key))));
    seeds.push(("dns_transfer_client", "whole".into(), transfer(false)));
    seeds.push(("dns_transfer_client", "changes".into(), transfer(true)));
    seeds
}
