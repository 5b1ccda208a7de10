//! `simple-dns`.

use super::{Digest, Library};
use core::hint::black_box;
use simple_dns::rdata::RData;
use simple_dns::{Name, Packet, QTYPE};
use std::io::Cursor;

/// simple-dns, which parses into values that borrow labels and own the lists of them.
#[derive(Debug)]
pub struct Simple;

fn add_name(digest: &mut Digest, name: &Name<'_>, whole: bool) {
    if whole {
        for label in name.as_bytes() {
            digest.add_label(label);
        }
    } else {
        black_box(name);
    }
}

fn read(octets: &[u8], whole: bool) -> Option<u64> {
    let packet = Packet::parse(octets).ok()?;
    let mut digest = Digest::default();
    for question in &packet.questions {
        let qtype: u16 = match question.qtype {
            QTYPE::TYPE(qtype) => qtype.into(),
            QTYPE::ANY => 255,
            _ => 0,
        };
        digest.add(qtype);
        add_name(&mut digest, &question.qname, whole);
    }
    let sections = [
        &packet.answers,
        &packet.name_servers,
        &packet.additional_records,
    ];
    for record in sections.into_iter().flatten() {
        digest.add(u16::from(record.rdata.type_code()));
        digest.add(record.ttl);
        add_name(&mut digest, &record.name, whole);
        match &record.rdata {
            RData::A(address) => digest.add(address.address),
            RData::AAAA(address) => digest.add_v6(address.address.to_be_bytes()),
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
                // Split at `=` if there is one; the strings as such cannot be had.
                for (key, value) in txt.iter_raw() {
                    digest.add_len(key.len());
                    if let Some(value) = value {
                        digest.add_len(value.len().saturating_add(1));
                    }
                }
            }
            data => {
                black_box(data);
            }
        }
    }
    if let Some(opt) = packet.opt() {
        digest.add(opt.udp_packet_size);
    }
    Some(digest.0)
}

impl Library for Simple {
    const NAME: &'static str = "simple-dns 0.13.0";
    type Draft = Packet<'static>;

    fn typed(octets: &[u8]) -> Option<u64> {
        read(octets, false)
    }

    fn names(octets: &[u8]) -> Option<u64> {
        read(octets, true)
    }

    fn draft(octets: &[u8]) -> Packet<'static> {
        Packet::parse(octets.to_vec().leak()).unwrap()
    }

    fn build(draft: &Packet<'static>, buffer: &mut Vec<u8>) -> usize {
        buffer.clear();
        draft
            .write_compressed_to(&mut Cursor::new(&mut *buffer))
            .unwrap();
        buffer.len()
    }
}
