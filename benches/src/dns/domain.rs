//! `domain`.

use super::{Digest, Library, Walk};
use core::hint::black_box;
use domain::base::iana::Rtype;
use domain::base::message_builder::MessageBuilder;
use domain::base::name::{FlattenInto, Name, ParsedName};
use domain::base::{Header, Message, Record, StaticCompressor};
use domain::rdata::AllRecordData;

/// domain, which borrows everything. Written by its static compressor, the one without allocation.
#[derive(Debug)]
pub struct Domain;

type Data<'a> = AllRecordData<&'a [u8], ParsedName<&'a [u8]>>;
type OwnedName = Name<Vec<u8>>;
type OwnedRecord = Record<OwnedName, AllRecordData<Vec<u8>, OwnedName>>;

fn add_name(digest: &mut Digest, name: &ParsedName<&[u8]>, whole: bool) {
    if whole {
        for label in name.iter().filter(|label| !label.is_root()) {
            digest.add_label(label.as_slice());
        }
    } else {
        black_box(name);
    }
}

fn read(octets: &[u8], whole: bool) -> Option<u64> {
    let message = Message::from_slice(octets).ok()?;
    let mut digest = Digest::default();
    for question in message.question() {
        let question = question.ok()?;
        digest.add(question.qtype().to_int());
        add_name(&mut digest, question.qname(), whole);
    }
    for item in message {
        let (record, _) = item.ok()?;
        if record.rtype() == Rtype::OPT {
            digest.add(record.class().to_int());
            continue;
        }
        digest.add(record.rtype().to_int());
        digest.add(record.ttl().as_secs());
        add_name(&mut digest, &record.owner(), whole);
        match record.to_any_record::<Data<'_>>().ok()?.data() {
            Data::A(address) => digest.add(u32::from(address.addr())),
            Data::Aaaa(address) => digest.add_v6(address.addr().octets()),
            Data::Ns(name) => add_name(&mut digest, name.nsdname(), whole),
            Data::Cname(name) => add_name(&mut digest, name.cname(), whole),
            Data::Ptr(name) => add_name(&mut digest, name.ptrdname(), whole),
            Data::Mx(mx) => {
                digest.add(mx.preference());
                add_name(&mut digest, mx.exchange(), whole);
            }
            Data::Soa(soa) => {
                digest.add(soa.serial().into_int());
                digest.add(soa.minimum().as_secs());
                add_name(&mut digest, soa.mname(), whole);
                add_name(&mut digest, soa.rname(), whole);
            }
            Data::Txt(txt) => {
                for string in txt.iter() {
                    digest.add_len(string.len());
                }
            }
            data => {
                black_box(data);
            }
        }
    }
    Some(digest.0)
}

/// A message that owns its names.
#[derive(Debug)]
pub struct Draft {
    header: Header,
    question: (OwnedName, Rtype),
    sections: [Vec<OwnedRecord>; 3],
    udp_payload: Option<u16>,
}

impl Library for Domain {
    const NAME: &'static str = "domain 0.12.3";
    type Draft = Draft;

    fn typed(octets: &[u8]) -> Option<u64> {
        read(octets, false)
    }

    fn names(octets: &[u8]) -> Option<u64> {
        read(octets, true)
    }

    fn draft(octets: &[u8]) -> Draft {
        let message = Message::from_slice(octets).unwrap();
        let question = message.sole_question().unwrap();
        let name: OwnedName = question.qname().flatten_into();
        let section = |section: domain::base::message::RecordSection<'_, [u8]>| {
            section
                .map(Result::unwrap)
                .filter(|record| record.rtype() != Rtype::OPT)
                .map(|record| record.to_any_record::<Data<'_>>().unwrap().flatten_into())
                .collect::<Vec<OwnedRecord>>()
        };
        Draft {
            header: message.header(),
            question: (name, question.qtype()),
            sections: [
                section(message.answer().unwrap()),
                section(message.authority().unwrap()),
                section(message.additional().unwrap()),
            ],
            udp_payload: message.opt().map(|opt| opt.udp_payload_size()),
        }
    }

    fn build(draft: &Draft, buffer: &mut Vec<u8>) -> usize {
        let mut target = core::mem::take(buffer);
        target.clear();
        let mut builder = MessageBuilder::from_target(StaticCompressor::new(target)).unwrap();
        *builder.header_mut() = draft.header;
        let mut builder = builder.question();
        let (name, qtype) = &draft.question;
        builder.push((name, *qtype)).unwrap();
        let [answers, authorities, additionals] = &draft.sections;
        let mut builder = builder.answer();
        for record in answers {
            builder.push(record).unwrap();
        }
        let mut builder = builder.authority();
        for record in authorities {
            builder.push(record).unwrap();
        }
        let mut builder = builder.additional();
        for record in additionals {
            builder.push(record).unwrap();
        }
        if let Some(udp_payload) = draft.udp_payload {
            builder
                .opt(|opt| {
                    opt.set_udp_payload_size(udp_payload);
                    Ok(())
                })
                .unwrap();
        }
        *buffer = builder.finish().into_target();
        buffer.len()
    }
}

impl Walk for Domain {
    const NAME: &'static str = "domain 0.12.3";

    fn walk(octets: &[u8]) -> Option<u64> {
        let message = Message::from_slice(octets).ok()?;
        let mut digest = Digest::default();
        for question in message.question() {
            digest.add(question.ok()?.qtype().to_int());
        }
        for item in message {
            let (record, _) = item.ok()?;
            digest.add(record.rtype().to_int());
            digest.add(record.ttl().as_secs());
            digest.add(record.rdlen());
        }
        Some(digest.0)
    }
}
