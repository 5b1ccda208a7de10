//! What several tests need.

#![allow(dead_code, reason = "no test needs all of it")]

use proto_dns::server::{Authority, Zone};
use proto_dns::wire::{
    Builder, Class, Edns, Flags, Message, Mx, Name, RData, Section, Soa, Txt, Type,
};
use std::io::Write as _;

pub(crate) fn name(text: &str) -> Name {
    text.parse().unwrap()
}

/// A query as a client would send it; with EDNS when a payload size is given.
pub(crate) fn query(id: u16, qname: &str, qtype: Type, udp_payload: Option<u16>) -> Vec<u8> {
    let mut buffer = [0; 600];
    let mut builder = Builder::new(&mut buffer, id, Flags::RD).unwrap();
    if let Some(udp_payload) = udp_payload {
        builder.set_edns(&Edns::new(udp_payload)).unwrap();
    }
    builder
        .push_question(name(qname).view(), qtype, Class::IN)
        .unwrap();
    builder.finish().to_vec()
}

/// A message of nothing but these octets behind a header with these counts.
pub(crate) fn raw(counts: [u16; 4], body: &[u8]) -> Vec<u8> {
    let mut message = vec![0xab, 0xcd, 0x84, 0x00];
    message.extend(counts.iter().flat_map(|count| count.to_be_bytes()));
    message.extend_from_slice(body);
    message
}

/// One record of the answer section: its owner in wire form, then the rest.
pub(crate) fn record(owner: &[u8], rtype: Type, rdata: &[u8]) -> Vec<u8> {
    let mut wire = owner.to_vec();
    wire.extend(rtype.0.to_be_bytes());
    wire.extend([0, 1, 0, 0, 1, 0x2c]);
    wire.extend((rdata.len() as u16).to_be_bytes());
    wire.extend_from_slice(rdata);
    wire
}

/// Records as lines of a zone file: owner, TTL, type, data.
pub(crate) fn zone(origin: &str, records: &str) -> Zone {
    let mut builder = Zone::builder(name(origin));
    for line in records
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
    {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [owner, ttl, rtype, data @ ..] = &fields[..] else {
            panic!("{line}")
        };
        let owner = match *owner {
            "@" => name(origin),
            owner if owner.ends_with('.') => name(owner),
            owner => name(&format!("{owner}.{origin}")),
        };
        let targets: Vec<Name> = data.iter().filter_map(|text| text.parse().ok()).collect();
        let mut txt = Vec::new();
        let data = match *rtype {
            "A" => RData::A(data[0].parse().unwrap()),
            "AAAA" => RData::Aaaa(data[0].parse().unwrap()),
            "NS" => RData::Ns(targets[0].view()),
            "CNAME" => RData::Cname(targets[0].view()),
            "PTR" => RData::Ptr(targets[0].view()),
            "MX" => RData::Mx(Mx {
                preference: data[0].parse().unwrap(),
                exchange: targets[1].view(),
            }),
            "SOA" => RData::Soa(Soa {
                mname: targets[0].view(),
                rname: targets[1].view(),
                serial: data[2].parse().unwrap(),
                refresh: 7200,
                retry: 900,
                expire: 1_209_600,
                minimum: data[3].parse().unwrap(),
            }),
            "TXT" => {
                Txt::encode(data, &mut txt).unwrap();
                RData::Txt(Txt::from_wire(&txt).unwrap())
            }
            other => panic!("{other}"),
        };
        builder.add(&owner, ttl.parse().unwrap(), &data).unwrap();
    }
    builder.build().unwrap()
}

/// An authority for the records of the lecture and some more.
pub(crate) fn utopia() -> Authority {
    let mut authority = Authority::new();
    authority
        .insert(zone(
            "networkutopia.com.",
            "@     3600 SOA dns1.networkutopia.com. hostmaster.networkutopia.com. 1 300
             @     3600 NS dns1.networkutopia.com.
             @     3600 MX 10 mail.networkutopia.com.
             dns1  3600 A 212.212.212.22
             www   300  A 212.212.71.4
             web   300  CNAME www.networkutopia.com.
             mail  300  A 212.212.71.5
             mail  300  AAAA 2001:db8::5",
        ))
        .unwrap();
    authority
}

/// The records of a section as lines, tabs as blanks.
pub(crate) fn lines(message: &Message<'_>, section: Section) -> Vec<String> {
    message
        .records(section)
        .map(|record| record.to_string().replace('\t', " "))
        .collect()
}

/// A folder of test data made by others; `None`, with a note, where it is not present.
pub(crate) fn vectors(folder: &str) -> Option<std::path::PathBuf> {
    let root = std::env::var_os("PROTO_VECTORS").map_or_else(
        || concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/vectors").into(),
        std::path::PathBuf::from,
    );
    let path = root.join("dns").join(folder);
    if path.is_dir() {
        return Some(path);
    }
    // Written past the test harness, which keeps what a passing test prints to itself.
    let _ = writeln!(std::io::stderr(), "skipped: vectors/dns/{folder}");
    let all = std::env::var_os("PROTO_REQUIRE_ALL");
    assert!(all.is_none_or(|all| all != "1"), "{folder} is missing");
    None
}

/// The message built anew from what was read, uncompressed names and all.
pub(crate) fn rebuild(message: &Message<'_>) -> Vec<u8> {
    let mut buffer = vec![0; 65_535];
    let header = message.header();
    let mut builder = Builder::new(&mut buffer, header.id, header.flags).unwrap();
    if let Some(edns) = message.edns() {
        builder.set_edns(&edns).unwrap();
    }
    builder.set_rcode(message.rcode());
    for question in message.questions() {
        builder
            .push_question(question.name, question.qtype, question.qclass)
            .unwrap();
    }
    for section in [Section::Answer, Section::Authority, Section::Additional] {
        for record in message.records(section) {
            if record.rtype == Type::OPT {
                continue;
            }
            let opaque = RData::Unknown {
                rtype: record.rtype,
                data: record.rdata(),
            };
            let data = record.data().unwrap_or(opaque);
            builder
                .push(section, record.owner, record.class, record.ttl, &data)
                .unwrap();
        }
    }
    builder.finish().to_vec()
}

/// All that a message says, OPT apart.
pub(crate) fn contents(message: &Message<'_>) -> Vec<String> {
    let mut contents = vec![format!("{:?} {:?}", message.rcode(), message.edns())];
    contents.push(format!(
        "{} {:?}",
        message.header().id,
        message.header().flags
    ));
    contents.extend(message.questions().map(|question| question.to_string()));
    for section in [Section::Answer, Section::Authority, Section::Additional] {
        contents.push(format!("{section:?}"));
        contents.extend(
            message
                .records(section)
                .filter(|record| record.rtype != Type::OPT)
                .map(|record| record.to_string()),
        );
    }
    contents
}

/// Types whose data has a text for some values only.
pub(crate) fn has_no_text(rtype: Type) -> bool {
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
