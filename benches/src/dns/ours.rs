//! `proto-dns`.

use super::{Digest, Library, Walk};
use core::hint::black_box;
use core::net::{Ipv4Addr, Ipv6Addr};
use proto_dns::wire::{
    Builder, Class, Edns, Header, Message, Mx, Name, NameRef, Question, RData, Rcode, Section, Soa,
    Txt, Type,
};

/// This workspace's library.
#[derive(Debug)]
pub struct Ours;

const SECTIONS: [Section; 3] = [Section::Answer, Section::Authority, Section::Additional];

#[inline]
fn add_name(digest: &mut Digest, name: NameRef<'_>, whole: bool) {
    if whole {
        for label in name.labels() {
            digest.add_label(label);
        }
    } else {
        black_box(name);
    }
}

#[inline]
fn read(octets: &[u8], whole: bool) -> Option<u64> {
    let message = Message::parse(octets).ok()?;
    let mut digest = Digest::default();
    for question in message.questions() {
        digest.add(question.qtype.0);
        add_name(&mut digest, question.name, whole);
    }
    for section in SECTIONS {
        for record in message.records(section) {
            if record.rtype == Type::OPT {
                digest.add(record.class.0);
                continue;
            }
            digest.add(record.rtype.0);
            digest.add(record.ttl);
            add_name(&mut digest, record.owner, whole);
            match record.data().ok()? {
                RData::A(address) => digest.add(u32::from(address)),
                RData::Aaaa(address) => digest.add_v6(address.octets()),
                RData::Ns(name) | RData::Cname(name) | RData::Ptr(name) => {
                    add_name(&mut digest, name, whole);
                }
                RData::Mx(mx) => {
                    digest.add(mx.preference);
                    add_name(&mut digest, mx.exchange, whole);
                }
                RData::Soa(soa) => {
                    digest.add(soa.serial);
                    digest.add(soa.minimum);
                    add_name(&mut digest, soa.mname, whole);
                    add_name(&mut digest, soa.rname, whole);
                }
                RData::Txt(txt) => {
                    for string in txt.strings() {
                        digest.add_len(string.len());
                    }
                }
                data => {
                    black_box(data);
                }
            }
        }
    }
    Some(digest.0)
}

/// A message that owns its names.
#[derive(Debug)]
pub struct Draft {
    header: Header,
    rcode: Rcode,
    udp_payload: Option<u16>,
    questions: Vec<Question>,
    records: Vec<(Section, Name, Class, u32, Data)>,
}

#[derive(Debug)]
enum Data {
    A(Ipv4Addr),
    Aaaa(Ipv6Addr),
    Ns(Name),
    Cname(Name),
    Mx(u16, Name),
    Soa(Name, Name, [u32; 5]),
    Txt(Vec<u8>),
}

impl Data {
    fn view(&self) -> RData<'_> {
        match self {
            Self::A(address) => RData::A(*address),
            Self::Aaaa(address) => RData::Aaaa(*address),
            Self::Ns(name) => RData::Ns(name.view()),
            Self::Cname(name) => RData::Cname(name.view()),
            Self::Mx(preference, exchange) => RData::Mx(Mx {
                preference: *preference,
                exchange: exchange.view(),
            }),
            Self::Soa(mname, rname, [serial, refresh, retry, expire, minimum]) => RData::Soa(Soa {
                mname: mname.view(),
                rname: rname.view(),
                serial: *serial,
                refresh: *refresh,
                retry: *retry,
                expire: *expire,
                minimum: *minimum,
            }),
            Self::Txt(strings) => RData::Txt(Txt::from_wire(strings).unwrap()),
        }
    }
}

impl Library for Ours {
    const NAME: &'static str = "proto-dns";
    type Draft = Draft;

    fn typed(octets: &[u8]) -> Option<u64> {
        read(octets, false)
    }

    fn names(octets: &[u8]) -> Option<u64> {
        read(octets, true)
    }

    fn draft(octets: &[u8]) -> Draft {
        let message = Message::parse(octets).unwrap();
        let mut records = Vec::new();
        for section in SECTIONS {
            for record in message.records(section) {
                let data = match record.data().unwrap() {
                    RData::A(address) => Data::A(address),
                    RData::Aaaa(address) => Data::Aaaa(address),
                    RData::Ns(name) => Data::Ns(name.to_name()),
                    RData::Cname(name) => Data::Cname(name.to_name()),
                    RData::Mx(mx) => Data::Mx(mx.preference, mx.exchange.to_name()),
                    RData::Soa(soa) => Data::Soa(
                        soa.mname.to_name(),
                        soa.rname.to_name(),
                        [soa.serial, soa.refresh, soa.retry, soa.expire, soa.minimum],
                    ),
                    RData::Txt(txt) => Data::Txt(txt.as_wire().to_vec()),
                    RData::Opt(_) => continue,
                    data => panic!("{data:?}"),
                };
                let owner = record.owner.to_name();
                records.push((section, owner, record.class, record.ttl, data));
            }
        }
        Draft {
            header: *message.header(),
            rcode: message.rcode(),
            udp_payload: message.edns().map(|edns| edns.udp_payload),
            questions: message
                .questions()
                .map(|question| question.to_question())
                .collect(),
            records,
        }
    }

    fn build(draft: &Draft, buffer: &mut Vec<u8>) -> usize {
        buffer.resize(4096, 0);
        let mut builder = Builder::new(buffer, draft.header.id, draft.header.flags).unwrap();
        builder.set_rcode(draft.rcode);
        if let Some(udp_payload) = draft.udp_payload {
            builder.set_edns(&Edns::new(udp_payload)).unwrap();
        }
        for question in &draft.questions {
            let name = question.name.view();
            builder
                .push_question(name, question.qtype, question.qclass)
                .unwrap();
        }
        for (section, owner, class, ttl, data) in &draft.records {
            builder
                .push(*section, owner.view(), *class, *ttl, &data.view())
                .unwrap();
        }
        builder.finish().len()
    }
}

impl Walk for Ours {
    const NAME: &'static str = "proto-dns";

    fn walk(octets: &[u8]) -> Option<u64> {
        let message = Message::parse(octets).ok()?;
        let mut digest = Digest::default();
        for question in message.questions() {
            digest.add(question.qtype.0);
        }
        for section in SECTIONS {
            for record in message.records(section) {
                digest.add(record.rtype.0);
                digest.add(record.ttl);
                digest.add_len(record.rdata().len());
            }
        }
        Some(digest.0)
    }
}
