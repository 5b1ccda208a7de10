//! A small part of the DNS for machines to live in: a zone, queries, and replies of all sorts.

use crate::cuts::Take;
use proto_dns::Transport;
use proto_dns::client::QueryOptions;
use proto_dns::server::{Authority, Zone};
use proto_dns::wire::{
    Builder, Class, Flags, Header, Message, Mx, Name, Question, RData, Rcode, Soa, Txt, Type,
};
use std::sync::LazyLock;

pub(crate) const NAMES: [&str; 8] = [
    "example.com",
    "www.example.com",
    "alias.example.com",
    "any.wild.example.com",
    "host.sub.example.com",
    "nope.example.com",
    "example.org",
    ".",
];
const TYPES: [u16; 8] = [1, 28, 2, 5, 6, 15, 16, 255];

/// A zone with something of everything.
pub(crate) static AUTHORITY: LazyLock<Authority> = LazyLock::new(|| {
    let name = |text: &str| -> Name { text.parse().unwrap() };
    let host = name("ns1.example.com");
    let alias = name("www.example.com");
    let far = name("www.example.org");
    let below = name("ns.sub.example.com");
    let mut strings = Vec::new();
    Txt::encode([[b'x'; 255]; 5], &mut strings).unwrap();
    let soa = Soa {
        mname: host.view(),
        rname: host.view(),
        serial: 1,
        refresh: 7200,
        retry: 900,
        expire: 604_800,
        minimum: 60,
    };
    let mx = Mx {
        preference: 10,
        exchange: host.view(),
    };
    let mut zone = Zone::builder(name("example.com"));
    let txt = RData::Txt(Txt::from_wire(&strings).unwrap());
    for (owner, data) in [
        ("example.com", RData::Soa(soa)),
        ("example.com", RData::Ns(host.view())),
        ("example.com", RData::Mx(mx)),
        ("example.com", txt),
        ("ns1.example.com", RData::A([192, 0, 2, 53].into())),
        ("www.example.com", RData::A([192, 0, 2, 80].into())),
        ("www.example.com", RData::A([192, 0, 2, 81].into())),
        (
            "www.example.com",
            RData::Aaaa([0x2001, 0xdb8, 0, 0, 0, 0, 0, 80].into()),
        ),
        ("alias.example.com", RData::Cname(alias.view())),
        ("far.example.com", RData::Cname(far.view())),
        ("*.wild.example.com", RData::Mx(mx)),
        ("a.empty.example.com", RData::Ptr(host.view())),
        ("sub.example.com", RData::Ns(below.view())),
        ("ns.sub.example.com", RData::A([192, 0, 2, 54].into())),
    ] {
        zone.add(&name(owner), 300, &data).unwrap();
    }
    let mut authority = Authority::new();
    authority.insert(zone.build().unwrap()).unwrap();
    authority
});

/// A query that steers itself by a few octets.
pub(crate) fn query(input: &mut Take<'_>) -> Vec<u8> {
    let (id, choice) = (input.u16(), input.u8());
    let name: Name = NAMES[usize::from(choice % 8)].parse().unwrap();
    let qtype = Type(TYPES[usize::from(choice / 8 % 8)]);
    let mut buffer = [0; 512];
    let mut builder = Builder::new(&mut buffer, id, Flags::RD).unwrap();
    builder
        .push_question(name.view(), qtype, Class::IN)
        .unwrap();
    builder.finish().to_vec()
}

pub(crate) fn frame(message: &[u8]) -> Vec<u8> {
    let len = u16::try_from(message.len()).expect("short");
    [&len.to_be_bytes(), message].concat()
}

/// The reply to a query that was sent, as a server may make it, or as an attacker would.
pub(crate) fn reply_to(sent: &[u8], input: &mut Take<'_>) -> Vec<u8> {
    let (kind, detail) = (input.u8(), input.u8());
    let honest = || match AUTHORITY.reply(sent, Transport::Tcp) {
        Some(reply) => reply.to_vec(),
        None => sent.to_vec(),
    };
    let Ok(message) = Message::parse(sent) else {
        return sent.to_vec();
    };
    let flags = message.header().flags;
    match kind % 8 {
        0 | 1 => honest(),
        2 => {
            // An answer that says no more than a code.
            let header = Header {
                flags: flags
                    .with(Flags::QR, true)
                    .with_low_rcode(Rcode(u16::from(detail))),
                counts: [0; 4],
                ..*message.header()
            };
            header.encode().to_vec()
        }
        3 => {
            let mut reply = sent.to_vec();
            reply[2] |= 0x80 | if detail & 1 == 0 { 0x02 } else { 0 };
            reply[3] = reply[3] & 0xf0 | detail >> 4;
            reply
        }
        4 => {
            let mut reply = honest();
            let bit = usize::from(detail) % (reply.len() * 8);
            reply[bit / 8] ^= 1 << (bit % 8);
            reply
        }
        5 => {
            let mut reply = honest();
            reply.truncate(usize::from(detail));
            reply
        }
        6 => {
            let mut reply = honest();
            for octet in &mut reply[12..] {
                *octet = octet.to_ascii_lowercase();
            }
            reply
        }
        _ => input.short().to_vec(),
    }
}

pub(crate) fn question(choice: u8) -> Question {
    let name = NAMES[usize::from(choice % 8)].parse().unwrap();
    Question::new(name, Type(TYPES[usize::from(choice / 8 % 8)]))
}

pub(crate) fn options(choice: u8) -> QueryOptions {
    let mut options = QueryOptions::default();
    options.recursion_desired = choice & 1 == 0;
    options.dnssec_ok = choice & 2 != 0;
    options.edns = choice & 4 == 0;
    options.tcp = choice & 24 == 24;
    options
}

/// The whole messages in a stream.
pub(crate) fn frames(mut stream: &[u8]) -> Vec<&[u8]> {
    let mut messages = Vec::new();
    while let Some((prefix, rest)) = stream.split_first_chunk() {
        let len = usize::from(u16::from_be_bytes(*prefix));
        let Some((message, rest)) = rest.split_at_checked(len) else {
            break;
        };
        messages.push(message);
        stream = rest;
    }
    messages
}
