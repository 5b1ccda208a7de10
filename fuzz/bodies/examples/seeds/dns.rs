//! Messages as they are sent every day, and some that never should be.

use super::Seed;
use proto_dns::wire::{
    Builder, Class, Edns, Flags, Name, NameRef, OptionCode, Options, RData, Section, Soa, Txt,
    Type, tcp,
};

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn build(write: impl FnOnce(&mut Builder<'_>)) -> Vec<u8> {
    let mut buffer = [0; 4096];
    let flags = Flags::QR.with(Flags::RD, true).with(Flags::RA, true);
    let mut builder = Builder::new(&mut buffer, 0x1234, flags).unwrap();
    write(&mut builder);
    builder.finish().to_vec()
}

fn ask(builder: &mut Builder<'_>, owner: &str, qtype: Type) {
    let owner = name(owner);
    builder
        .push_question(owner.view(), qtype, Class::IN)
        .unwrap();
}

fn put(builder: &mut Builder<'_>, section: Section, owner: &str, data: &RData<'_>) {
    let owner = name(owner);
    builder
        .push(section, owner.view(), Class::IN, 300, data)
        .unwrap();
}

pub(crate) fn query(owner: &str, qtype: Type, edns: bool) -> Vec<u8> {
    let mut buffer = [0; 512];
    let mut builder = Builder::new(&mut buffer, 0x1234, Flags::RD).unwrap();
    if edns {
        builder.set_edns(&Edns::new(1232)).unwrap();
    }
    ask(&mut builder, owner, qtype);
    builder.finish().to_vec()
}

fn soa(mname: NameRef<'_>) -> RData<'_> {
    RData::Soa(Soa {
        mname,
        rname: mname,
        serial: 2026,
        refresh: 7200,
        retry: 900,
        expire: 604_800,
        minimum: 300,
    })
}

fn messages() -> Vec<(&'static str, Vec<u8>)> {
    let v4 = RData::A([192, 0, 2, 1].into());
    let v6 = RData::Aaaa([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1].into());
    let alias = name("servereast.backup2.ibm.com");
    let host = name("ns1.example.com");
    let mut strings = Vec::new();
    Txt::encode(["v=spf1 -all", "", "second string"], &mut strings).unwrap();
    let mut options = Vec::new();
    Options::encode(OptionCode(10), b"cookie12", &mut options).unwrap();
    Options::encode(OptionCode(3), b"", &mut options).unwrap();
    vec![
        ("query", query("www.example.com", Type::A, false)),
        ("query-edns", query("example.com", Type::MX, true)),
        (
            "answer",
            build(|message| {
                ask(message, "www.ibm.com", Type::A);
                put(
                    message,
                    Section::Answer,
                    "www.ibm.com",
                    &RData::Cname(alias.view()),
                );
                put(message, Section::Answer, "servereast.backup2.ibm.com", &v4);
            }),
        ),
        (
            "referral",
            build(|message| {
                ask(message, "a.example.com", Type::AAAA);
                put(
                    message,
                    Section::Authority,
                    "example.com",
                    &RData::Ns(host.view()),
                );
                put(message, Section::Additional, "ns1.example.com", &v4);
                put(message, Section::Additional, "ns1.example.com", &v6);
            }),
        ),
        (
            "nxdomain",
            build(|message| {
                ask(message, "nope.example.com", Type::A);
                put(
                    message,
                    Section::Authority,
                    "example.com",
                    &soa(host.view()),
                );
                message.set_rcode(proto_dns::wire::Rcode::NXDOMAIN);
            }),
        ),
        (
            "all-types",
            build(|message| {
                let mut edns = Edns::new(4096);
                edns.dnssec_ok = true;
                edns.options = Options::from_wire(&options).unwrap();
                message.set_edns(&edns).unwrap();
                ask(message, "example.com", Type(255));
                let mx = proto_dns::wire::Mx {
                    preference: 10,
                    exchange: host.view(),
                };
                let txt = Txt::from_wire(&strings).unwrap();
                let unknown = RData::Unknown {
                    rtype: Type(257),
                    data: b"\x00\x05issueca.example.net",
                };
                for data in [
                    soa(host.view()),
                    RData::Ns(host.view()),
                    RData::Mx(mx),
                    RData::Txt(txt),
                    RData::Ptr(host.view()),
                    v4,
                    v6,
                    unknown,
                ] {
                    put(message, Section::Answer, "Example.COM", &data);
                }
            }),
        ),
    ]
}

/// A message whose owners are pointers to pointers.
fn chain() -> Vec<u8> {
    let mut message = b"\0\x01\x80\0\0\0\0\x28\0\0\0\0".to_vec();
    let mut target = message.len();
    for index in 0..40_u8 {
        let at = message.len();
        match index {
            0 => message.extend_from_slice(b"\x01a\0"),
            _ => {
                message.extend_from_slice(b"\x01b");
                message.extend_from_slice(&(0xc000 | u16::try_from(target).unwrap()).to_be_bytes());
            }
        }
        target = at;
        message.extend_from_slice(b"\0\x01\0\x01\0\0\0\x3c\0\x04\x7f\0\0\x01");
    }
    message
}

pub(crate) fn seeds() -> Vec<Seed> {
    let mut seeds: Vec<Seed> = Vec::new();
    let mut messages = messages();
    messages.push(("chain", chain()));
    let mut stream = b"\x03\x01\x40\xff".to_vec();
    for (label, message) in &messages {
        seeds.push(("dns_message", (*label).into(), message.clone()));
        seeds.push(("dns_inverse", (*label).into(), message.clone()));
        let mut framed = bytes::BytesMut::new();
        tcp::encode(message, &mut framed).unwrap();
        stream.extend_from_slice(&framed);
    }
    seeds.push((
        "dns_message",
        "loop".into(),
        b"\0\0\0\0\0\x01\0\0\0\0\0\0\xc0\x0c\0\x01\0\x01".into(),
    ));
    seeds.push((
        "dns_message",
        "counts-lie".into(),
        b"\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff".into(),
    ));
    seeds.push(("dns_tcp_frames", "messages".into(), stream));
    seeds.push((
        "dns_tcp_frames",
        "too-short".into(),
        b"\x01\x01\x01\x01\0\x0b".into(),
    ));
    for (label, first, second) in [
        (
            "wire",
            &b"\x03WWW\x07example\x03com\0"[..],
            &b"\x07Example\x03COM\0"[..],
        ),
        ("text", b"www.example.com.", b"a\\.b\\000\\255.\\\\c"),
        ("root", b"\0", b"."),
    ] {
        let mut data = vec![u8::try_from(first.len()).unwrap()];
        data.extend_from_slice(first);
        data.extend_from_slice(second);
        seeds.push(("dns_name", label.into(), data));
    }
    let label = |len: u8| [vec![len], vec![b'x'; usize::from(len)]].concat();
    let wire = [vec![0], label(63), label(63), label(63), label(61), vec![0]].concat();
    seeds.push(("dns_name", "longest".into(), wire));
    let mut options = Vec::new();
    Options::encode(OptionCode(10), b"cookie12", &mut options).unwrap();
    Options::encode(OptionCode(3), b"", &mut options).unwrap();
    Options::encode(OptionCode(10), b"again", &mut options).unwrap();
    seeds.push(("dns_edns", "three".into(), options));
    seeds.push(("dns_edns", "overrun".into(), b"\0\x03\0\x01".into()));
    // One of each kind, and one of each that does not fit.
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for (code, data, wrong) in [
        (3, &b"ns1"[..], &b""[..]),
        (5, b"\x08\x0d", b""),
        (
            8,
            b"\0\x01\x19\x18\xc0\0\x02\x80",
            b"\0\x01\x19\x18\xc0\0\x02\x81",
        ),
        (9, b"\0\x12\x75\0", b"123"),
        (10, b"clientclserverse", b"clientcl1234567"),
        (11, b"\x01\x23", b"1"),
        (12, b"\0\0\0\0", b""),
        (13, b"\x03com\0", b"\x03com"),
        (14, b"\x4a\x5c", b"\x4a"),
        (15, b"\0\x12why", b"\0"),
        (16, b"\0\x07", b""),
        (17, b"\0\x07", b"123"),
        (18, b"\x01a\0", b"\xc0\0"),
        (19, b"\x02\0\0\0\0\x01", b"\x02\0\0"),
    ] {
        Options::encode(OptionCode(code), data, &mut good).unwrap();
        Options::encode(OptionCode(code), wrong, &mut bad).unwrap();
    }
    seeds.push(("dns_edns", "kinds".into(), good));
    seeds.push(("dns_edns", "misfits".into(), bad));
    seeds.extend(scripts());
    seeds
}

/// Short sessions. The octets are those of `fuzz_bodies::script`: a step, then how.
fn scripts() -> Vec<Seed> {
    let plain = query("www.example.com", Type::A, true);
    let asked = |steer: &[u8], message: &[u8]| [steer, message].concat();
    vec![
        ("dns_authority", "udp".into(), asked(&[0], &plain)),
        (
            "dns_authority",
            "tcp".into(),
            asked(&[1], &query("example.com", Type(255), true)),
        ),
        (
            "dns_authority",
            "no-edns".into(),
            asked(&[0], &query("example.com", Type::TXT, false)),
        ),
        ("dns_authority", "chosen".into(), vec![2, 0, 7, 0x0a]),
        ("dns_authority", "wildcard".into(), vec![2, 0, 7, 0x2b]),
        ("dns_authority", "referral".into(), vec![2, 0, 7, 0x04]),
        // A query, answered at once; another, answered later; then the deadline.
        (
            "dns_server_datagram_script",
            "two".into(),
            vec![
                0x87, 0, 1, 0, 7, 1, 4, 1, 1, 5, 0, 0x12, 0, 8, 2, 4, 0, 10, 2, 6, 9,
            ],
        ),
        (
            "dns_server_datagram_script",
            "late".into(),
            vec![3, 0, 0x11, 0, 7, 1, 0, 0x21, 0, 8, 9, 6, 9, 9],
        ),
        // Pipelined queries, cut, answered out of order, EOF.
        (
            "dns_server_stream_script",
            "pipelined".into(),
            vec![
                0xff, 1, 0, 1, 1, 1, 0, 2, 9, 4, 0, 3, 17, 5, 0, 6, 0, 11, 9, 11, 1, 13, 0x2f, 6,
                13,
            ],
        ),
        (
            "dns_server_stream_script",
            "small".into(),
            vec![
                0x00, 1, 0, 1, 1, 1, 0, 2, 9, 6, 0, 7, 3, 11, 1, 8, 2, 10, 10,
            ],
        ),
        // Queries, their answers, a lost one, EOF.
        (
            "dns_stream_client_script",
            "two".into(),
            vec![
                0x3f, 11, 3, 1, 11, 3, 9, 13, 1, 1, 0, 0, 6, 4, 0, 0, 0, 5, 6, 10, 0x2f, 6,
            ],
        ),
        (
            "dns_stream_client_script",
            "raw".into(),
            vec![0x3f, 11, 1, 0, 0, 7, 1, 13, 1, 0, 3, 1, 6, 0x0f, 13],
        ),
        // A query over UDP and its answer; one that is truncated and goes on over TCP.
        (
            "dns_stub_script",
            "udp".into(),
            vec![0, 10, 5, 1, 6, 0, 0, 9, 0, 0, 6],
        ),
        (
            "dns_stub_script",
            "tcp".into(),
            vec![
                0, 10, 5, 1, 6, 0, 0, 9, 3, 0, 6, 10, 1, 0, 6, 10, 4, 0, 0, 0, 6, 9,
            ],
        ),
        (
            "dns_stub_script",
            "forged".into(),
            vec![
                1, 10, 5, 1, 6, 0, 0, 8, 0, 0, 0, 0, 9, 4, 7, 0, 0, 9, 6, 0, 6, 9, 9,
            ],
        ),
        (
            "dns_stub_script",
            "refused".into(),
            vec![2, 10, 5, 1, 6, 0, 0, 9, 2, 5, 6, 0, 1, 9, 3, 0x51, 6, 9],
        ),
    ]
}
