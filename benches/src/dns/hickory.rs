//! `hickory-proto`.

use super::{Digest, Library};
use core::hint::black_box;
use hickory_proto::op::Message;
use hickory_proto::rr::{Name, RData};
use hickory_proto::serialize::binary::{BinEncodable, BinEncoder};

/// hickory-proto, which parses into values that own everything.
#[derive(Debug)]
pub struct Hickory;

fn add_name(digest: &mut Digest, name: &Name, whole: bool) {
    if whole {
        for label in name.iter() {
            digest.add_label(label);
        }
    } else {
        black_box(name);
    }
}

fn read(octets: &[u8], whole: bool) -> Option<u64> {
    let message = Message::from_vec(octets).ok()?;
    let mut digest = Digest::default();
    for question in &message.queries {
        digest.add(u16::from(question.query_type));
        add_name(&mut digest, &question.name, whole);
    }
    for record in message.all_sections() {
        digest.add(u16::from(record.record_type()));
        digest.add(record.ttl);
        add_name(&mut digest, &record.name, whole);
        match &record.data {
            RData::A(address) => digest.add(u32::from(address.0)),
            RData::AAAA(address) => digest.add_v6(address.0.octets()),
            RData::NS(name) => add_name(&mut digest, &name.0, whole),
            RData::CNAME(name) => add_name(&mut digest, &name.0, whole),
            RData::PTR(name) => add_name(&mut digest, &name.0, whole),
            RData::MX(mx) => {
                digest.add(mx.preference);
                add_name(&mut digest, &mx.exchange, whole);
            }
            RData::SOA(soa) => {
                digest.add(soa.serial);
                digest.add(soa.minimum);
                add_name(&mut digest, &soa.mname, whole);
                add_name(&mut digest, &soa.rname, whole);
            }
            RData::TXT(txt) => {
                for string in &txt.txt_data {
                    digest.add_len(string.len());
                }
            }
            data => {
                black_box(data);
            }
        }
    }
    if let Some(edns) = &message.edns {
        digest.add(edns.max_payload());
    }
    Some(digest.0)
}

impl Library for Hickory {
    const NAME: &'static str = "hickory-proto 0.26.3";
    type Draft = Message;

    fn typed(octets: &[u8]) -> Option<u64> {
        read(octets, false)
    }

    fn names(octets: &[u8]) -> Option<u64> {
        read(octets, true)
    }

    fn draft(octets: &[u8]) -> Message {
        Message::from_vec(octets).unwrap()
    }

    fn build(draft: &Message, buffer: &mut Vec<u8>) -> usize {
        buffer.clear();
        draft.emit(&mut BinEncoder::new(buffer)).unwrap();
        buffer.len()
    }
}
