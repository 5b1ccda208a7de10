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
    seeds
}
