//! Zone files read, and questions answered from a zone.

use crate::{Case, Job};
use core::fmt::Write;
use proto_dns::Transport;
use proto_dns::server::{Authority, Zone};
use proto_dns::wire::{Builder, Class, Flags, Name, Type};
use proto_dns::zonefile::{Entry, Parser};

/// Records of the zone.
const RECORDS: u32 = 20_000;

/// A zone like many: hosts with addresses, some aliases, mail exchanges and texts.
fn text() -> String {
    let mut text = String::from(
        "$ORIGIN example.com.\n$TTL 300\n@ IN SOA ns h 1 60 60 600 60\n@ IN NS ns\nns IN A 127.0.0.1\n",
    );
    for number in 0..RECORDS {
        let last = number % 250;
        match number % 8 {
            0 => writeln!(text, "h{number} 3600 IN AAAA 2001:db8::{last:x}"),
            1 => writeln!(text, "h{number} 3600 IN CNAME h{}.example.com.", number + 1),
            2 => writeln!(text, "h{number} 3600 IN MX 10 mail.example.org."),
            3 => writeln!(text, "h{number} 3600 IN TXT \"v=spf1 a mx -all\""),
            _ => writeln!(text, "h{number} 3600 IN A 192.0.2.{last}"),
        }
        .unwrap();
    }
    text
}

fn read(text: &[u8]) -> u64 {
    let origin: Name = "example.com".parse().unwrap();
    let mut parser = Parser::new(text, origin);
    let mut records = 0;
    while let Some(entry) = parser.next().unwrap() {
        if let Entry::Record(record) = entry {
            core::hint::black_box(record.rdata);
            records += 1;
        }
    }
    records
}

#[cfg(feature = "dns-peers")]
fn read_by_domain(text: &[u8]) -> u64 {
    let mut file = domain::zonefile::inplace::Zonefile::with_capacity(text.len());
    file.extend_from_slice(text);
    file.set_origin(domain::base::Name::bytes_from_str("example.com").unwrap());
    let mut records = 0;
    while let Some(entry) = file.next_entry().unwrap() {
        if let domain::zonefile::inplace::Entry::Record(record) = entry {
            core::hint::black_box(&record);
            records += 1;
        }
    }
    records
}

#[cfg_attr(
    not(feature = "dns-peers"),
    allow(unused_mut, reason = "nobody is added")
)]
pub(super) fn file_case() -> Case {
    let text = text();
    let octets = u64::try_from(text.len()).ok();
    let ours = text.clone();
    let mut jobs: Vec<(&'static str, Job)> =
        vec![("proto-dns", Box::new(move || read(ours.as_bytes())))];
    #[cfg(feature = "dns-peers")]
    jobs.push((
        "domain 0.12.3",
        Box::new(move || read_by_domain(text.as_bytes())),
    ));
    Case {
        group: "dns zone file",
        name: format!("{RECORDS} records"),
        octets,
        jobs,
        is_comparable: true,
    }
}

pub(super) fn answer_case() -> Case {
    let mut zone = Zone::builder("example.com".parse().unwrap());
    zone.add_text(&text()).unwrap();
    let mut authority = Authority::new();
    authority.insert(zone.build().unwrap()).unwrap();
    let name: Name = "h12345.example.com".parse().unwrap();
    let mut buffer = [0; 512];
    let mut query = Builder::new(&mut buffer, 7, Flags::RD).unwrap();
    query
        .push_question(name.view(), Type::A, Class::IN)
        .unwrap();
    let query = query.finish().to_vec();
    let mut out = [0; 1232];
    let answer = move || {
        let reply = authority.answer(&query, Transport::Udp, &mut out);
        u64::try_from(reply.map_or(0, <[u8]>::len)).unwrap_or(0)
    };
    Case {
        group: "dns answer",
        name: format!("a host of {RECORDS}"),
        octets: None,
        jobs: vec![("proto-dns", Box::new(answer))],
        is_comparable: true,
    }
}
