//! The messages: written here as a zone file would have them.

use proto_dns::wire::{
    Builder, Class, Edns, Flags, Mx, Name, RData, Rcode, Section, Soa, Txt, Type,
};

/// The names of all messages.
pub const LABELS: [&str; 6] = ["query", "answer", "referral", "cnames", "nxdomain", "mixed"];

/// A message: its question, and records of which each line is section, owner, type and data.
struct Text {
    question: (&'static str, Type),
    records: &'static [[&'static str; 4]],
    edns: bool,
}

const fn text(label: &str) -> Text {
    match label.as_bytes() {
        b"query" => Text {
            question: ("www.example.com", Type::A),
            records: &[],
            edns: true,
        },
        b"answer" => Text {
            question: ("www.example.com", Type::A),
            records: &[["an", "www.example.com", "A", "192.0.2.80"]],
            edns: true,
        },
        b"cnames" => Text {
            question: ("www.shop.example.com", Type::A),
            records: &[
                [
                    "an",
                    "www.shop.example.com",
                    "CNAME",
                    "shop.cdn.example.net",
                ],
                [
                    "an",
                    "shop.cdn.example.net",
                    "CNAME",
                    "edge7.fra.provider.example",
                ],
                ["an", "edge7.fra.provider.example", "A", "192.0.2.1"],
                ["an", "edge7.fra.provider.example", "A", "192.0.2.2"],
                ["an", "edge7.fra.provider.example", "A", "192.0.2.3"],
                ["an", "edge7.fra.provider.example", "A", "192.0.2.4"],
            ],
            edns: true,
        },
        b"nxdomain" => Text {
            question: ("nope.example.com", Type::A),
            records: &[[
                "ns",
                "example.com",
                "SOA",
                "ns1.example.com hostmaster.example.com",
            ]],
            edns: true,
        },
        b"mixed" => Text {
            question: ("example.com", Type(255)),
            records: &[
                [
                    "an",
                    "example.com",
                    "SOA",
                    "ns1.example.com hostmaster.example.com",
                ],
                ["an", "example.com", "NS", "ns1.example.com"],
                ["an", "example.com", "NS", "ns2.example.com"],
                ["an", "example.com", "MX", "mail1.example.com"],
                ["an", "example.com", "MX", "mail2.example.com"],
                [
                    "an",
                    "example.com",
                    "TXT",
                    "v=spf1 ip4:192.0.2.0/24 include:_spf.example.net -all",
                ],
                [
                    "an",
                    "example.com",
                    "TXT",
                    "site-verification=Gb2Yl8fM3nqXw1c7Jt5Ah9Zd4Re6Ku0",
                ],
                ["ar", "ns1.example.com", "A", "192.0.2.53"],
                ["ar", "ns2.example.com", "A", "198.51.100.53"],
                ["ar", "mail1.example.com", "A", "192.0.2.25"],
                ["ar", "mail1.example.com", "AAAA", "2001:db8::25"],
            ],
            edns: true,
        },
        _ => Text {
            question: ("www.example.com", Type::A),
            records: &[],
            edns: true,
        },
    }
}

/// The octets of a message.
#[must_use]
pub fn message(label: &str) -> Vec<u8> {
    let text = text(label);
    let mut buffer = [0; 4096];
    let flags = match label {
        "query" => Flags::RD,
        _ => Flags::QR.with(Flags::RD, true),
    };
    let mut builder = Builder::new(&mut buffer, 0x1234, flags).unwrap();
    if label == "nxdomain" {
        builder.set_rcode(Rcode::NXDOMAIN);
    }
    if text.edns {
        builder.set_edns(&Edns::new(1232)).unwrap();
    }
    let (name, qtype) = text.question;
    let name: Name = name.parse().unwrap();
    builder
        .push_question(name.view(), qtype, Class::IN)
        .unwrap();
    for [section, owner, rtype, data] in text.records {
        push(&mut builder, section, owner, rtype, data);
    }
    if label == "referral" {
        // What a root server says of com: 13 names with an address of each kind.
        let hosts = || ('a'..='m').map(|letter| format!("{letter}.gtld-servers.net"));
        for host in hosts() {
            push(&mut builder, "ns", "com", "NS", &host);
        }
        for (host, last) in hosts().zip(1_u8..) {
            push(&mut builder, "ar", &host, "A", &format!("192.0.2.{last}"));
            push(
                &mut builder,
                "ar",
                &host,
                "AAAA",
                &format!("2001:db8::{last}"),
            );
        }
    }
    builder.finish().to_vec()
}

fn push(builder: &mut Builder<'_>, section: &str, owner: &str, rtype: &str, data: &str) {
    let section = match section {
        "an" => Section::Answer,
        "ns" => Section::Authority,
        _ => Section::Additional,
    };
    let owner: Name = owner.parse().unwrap();
    let names: Vec<Name> = match rtype {
        "NS" | "CNAME" | "MX" | "SOA" => {
            data.split(' ').map(|name| name.parse().unwrap()).collect()
        }
        _ => Vec::new(),
    };
    let mut strings = Vec::new();
    Txt::encode([data], &mut strings).unwrap();
    let data = match (rtype, &names[..]) {
        ("A", _) => RData::A(data.parse().unwrap()),
        ("AAAA", _) => RData::Aaaa(data.parse().unwrap()),
        ("TXT", _) => RData::Txt(Txt::from_wire(&strings).unwrap()),
        ("NS", [name]) => RData::Ns(name.view()),
        ("CNAME", [name]) => RData::Cname(name.view()),
        ("MX", [name]) => RData::Mx(Mx {
            preference: 10,
            exchange: name.view(),
        }),
        ("SOA", [mname, rname]) => RData::Soa(Soa {
            mname: mname.view(),
            rname: rname.view(),
            serial: 2_026_112_301,
            refresh: 7200,
            retry: 900,
            expire: 1_209_600,
            minimum: 3600,
        }),
        other => panic!("unknown record {other:?}"),
    };
    builder
        .push(section, owner.view(), Class::IN, 3600, &data)
        .unwrap();
}

/// A message of 64 KiB in which each owner is one label more in front of the owner before it, as
/// deep as a name may be, and then a bare pointer to the deepest again and again.
#[must_use]
pub fn chain() -> Vec<u8> {
    let mut octets = vec![0, 1, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let (mut records, mut target, mut deep) = (0_u16, None::<usize>, 0);
    while octets.len() < 65_535 - 18 {
        let here = octets.len();
        let pointer = target.map(|target| 0xc000 | u16::try_from(target).unwrap());
        match pointer {
            None => octets.extend_from_slice(b"\x01a\0"),
            Some(pointer) if deep < 120 => {
                octets.extend_from_slice(b"\x01a");
                octets.extend_from_slice(&pointer.to_be_bytes());
            }
            Some(pointer) => octets.extend_from_slice(&pointer.to_be_bytes()),
        }
        if deep < 120 {
            target = Some(here);
            deep += 1;
        }
        octets.extend_from_slice(&[0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, 1]);
        records += 1;
    }
    octets[6..8].copy_from_slice(&records.to_be_bytes());
    octets
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_those_of_real_traffic() {
        let sizes = LABELS.map(|label| message(label).len());
        assert_eq!(sizes, [44, 60, 840, 187, 96, 371]);
    }
}
