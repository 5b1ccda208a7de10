//! Known answers: octets that standards give, or that were put together by hand, read and written.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod common;

use common::{lines, name, raw, record};
use proto_dns::wire::{
    Builder, Class, Edns, Flags, Header, Message, Mx, Opcode, OptionCode, Options, RData, Rcode,
    Section, Soa, Txt, Type,
};

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(core::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

/// The example has its names at the offsets 20, 40, 64 and 92. Octet 20 lies in the frame of the
/// record that holds them here, so all stand 20 octets later.
#[test]
fn the_names_of_rfc_1035_section_4_1_4() {
    let mut message = raw([0, 5, 0, 0], &[]);
    let begin = message.len() + 11;
    let mut data = vec![0; 40 - begin];
    data.extend(b"\x01F\x03ISI\x04ARPA\0");
    data.resize(60 - begin, 0);
    data.extend(b"\x03FOO\xc0\x28");
    data.resize(84 - begin, 0);
    data.extend(b"\xc0\x2e");
    message.extend(record(b"\0", Type(999), &data));
    for owner in [&b"\xc0\x28"[..], b"\xc0\x3c", b"\xc0\x54", b"\0"] {
        message.extend(record(owner, Type::A, &[192, 0, 2, 1]));
    }
    let message = Message::parse(&message).unwrap();
    let owners: Vec<String> = message
        .answers()
        .skip(1)
        .map(|record| record.owner.to_string())
        .collect();
    assert_eq!(owners, ["F.ISI.ARPA.", "FOO.F.ISI.ARPA.", "ARPA.", "."]);
}

#[test]
fn a_query_with_edns() {
    let octets = hex("
        1234 0100 0001 0000 0000 0001
        03 777777 03 69626d 03 636f6d 00 0001 0001
        00 0029 04d0 00 00 8000 0008 0003 0000 000a 0000");
    let query = Message::parse(&octets).unwrap();
    assert_eq!(query.header().id, 0x1234);
    assert_eq!(query.header().flags, Flags::RD);
    assert_eq!(query.header().flags.opcode(), Opcode::QUERY);
    assert_eq!(query.question().unwrap().to_string(), "www.ibm.com.\tIN\tA");
    let edns = query.edns().unwrap();
    assert_eq!((edns.udp_payload, edns.version), (1232, 0));
    assert!(edns.dnssec_ok);
    assert_eq!(edns.options.find(OptionCode::COOKIE), Some(&[][..]));
    assert_eq!(edns.options.find(OptionCode::PADDING), None);
    let codes: Vec<OptionCode> = edns.options.map(|option| option.code).collect();
    assert_eq!(codes, [OptionCode::NSID, OptionCode::COOKIE]);

    let mut options = Vec::new();
    Options::encode(OptionCode::NSID, b"", &mut options).unwrap();
    Options::encode(OptionCode::COOKIE, b"", &mut options).unwrap();
    let mut buffer = [0; 512];
    let mut builder = Builder::new(&mut buffer, 0x1234, Flags::RD).unwrap();
    builder
        .set_edns(&Edns {
            dnssec_ok: true,
            options: Options::from_wire(&options).unwrap(),
            ..Edns::new(1232)
        })
        .unwrap();
    builder
        .push_question(name("www.ibm.com").view(), Type::A, Class::IN)
        .unwrap();
    assert_eq!(builder.len(), octets.len());
    assert_eq!(builder.finish(), octets);
}

/// The lecture's alias, as every server compresses it.
#[test]
fn an_alias_and_its_address() {
    let octets = hex("
        1234 8580 0001 0002 0000 0000
        03 777777 03 69626d 03 636f6d 00 0001 0001
        c00c 0005 0001 00000e10 0015 0a 73657276657265617374 07 6261636b757032 c010
        c029 0001 0001 0000003c 0004 812a2601");
    let reply = Message::parse(&octets).unwrap();
    assert_eq!(
        lines(&reply, Section::Answer),
        [
            "www.ibm.com. 3600 IN CNAME servereast.backup2.ibm.com.",
            "servereast.backup2.ibm.com. 60 IN A 129.42.38.1"
        ]
    );
    let flags = reply.header().flags;
    for flag in [Flags::QR, Flags::AA, Flags::RD, Flags::RA] {
        assert!(flags.contains(flag));
    }
    assert!(!flags.contains(Flags::TC));

    let (alias, canonical) = (name("www.ibm.com"), name("servereast.backup2.ibm.com"));
    let mut buffer = [0; 512];
    let mut builder = Builder::new(&mut buffer, 0x1234, flags).unwrap();
    builder
        .push_question(alias.view(), Type::A, Class::IN)
        .unwrap();
    let (cname, a) = (
        RData::Cname(canonical.view()),
        RData::A([129, 42, 38, 1].into()),
    );
    builder
        .push(Section::Answer, alias.view(), Class::IN, 3600, &cname)
        .unwrap();
    builder
        .push(Section::Answer, canonical.view(), Class::IN, 60, &a)
        .unwrap();
    assert_eq!(builder.finish(), octets);
}

#[test]
fn a_negative_answer_with_its_soa() {
    let octets = hex("
        0001 8403 0001 0000 0001 0000
        02 6e6f 07 6578616d706c65 03 636f6d 00 001c 0001
        c00f 0006 0001 0000012c 001d 02 6e73 c00f 01 68 c00f
          00000007 00001c20 00000384 00127500 0000012c");
    let reply = Message::parse(&octets).unwrap();
    assert_eq!(reply.rcode(), Rcode::NXDOMAIN);
    assert_eq!(
        lines(&reply, Section::Authority),
        ["example.com. 300 IN SOA ns.example.com. h.example.com. 7 7200 900 1209600 300"]
    );
    let (ns, h) = (name("ns.example.com"), name("h.example.com"));
    let soa = RData::Soa(Soa {
        mname: ns.view(),
        rname: h.view(),
        serial: 7,
        refresh: 7200,
        retry: 900,
        expire: 1_209_600,
        minimum: 300,
    });
    let mut buffer = [0; 512];
    let mut builder = Builder::new(&mut buffer, 1, Flags(0x8400)).unwrap();
    builder.set_rcode(Rcode::NXDOMAIN);
    builder
        .push_question(name("no.example.com").view(), Type::AAAA, Class::IN)
        .unwrap();
    let owner = name("example.com");
    builder
        .push(Section::Authority, owner.view(), Class::IN, 300, &soa)
        .unwrap();
    assert_eq!(builder.finish(), octets);
}

#[test]
fn the_data_of_each_type_is_read_and_written() {
    let (host, mut txt) = (name("mail.example"), Vec::new());
    Txt::encode(["v=spf1", "say \"hi\"\u{7f}"], &mut txt).unwrap();
    let cases: [(RData<'_>, &str, &str); 9] = [
        (RData::A([1, 2, 3, 4].into()), "01020304", "1.2.3.4"),
        (
            RData::Aaaa("2001:db8::1".parse().unwrap()),
            "20010db8000000000000000000000001",
            "2001:db8::1",
        ),
        (
            RData::Ns(host.view()),
            "046d61696c076578616d706c6500",
            "mail.example.",
        ),
        (
            RData::Cname(host.view()),
            "046d61696c076578616d706c6500",
            "mail.example.",
        ),
        (
            RData::Ptr(host.view()),
            "046d61696c076578616d706c6500",
            "mail.example.",
        ),
        (
            RData::Mx(Mx {
                preference: 10,
                exchange: host.view(),
            }),
            "000a046d61696c076578616d706c6500",
            "10 mail.example.",
        ),
        (
            RData::Txt(Txt::from_wire(&txt).unwrap()),
            "06763d73706631 09 7361792022686922 7f",
            r#""v=spf1" "say \"hi\"\127""#,
        ),
        (
            RData::Unknown {
                rtype: Type(65280),
                data: &[0xab, 0xcd],
            },
            "abcd",
            "\\# 2 ABCD",
        ),
        (
            RData::Unknown {
                rtype: Type(65280),
                data: &[],
            },
            "",
            "\\# 0",
        ),
    ];
    for (data, wire, text) in cases {
        let wire = hex(wire);
        let mut encoded = Vec::new();
        data.encode(&mut encoded);
        assert_eq!(encoded, wire, "{text}");
        assert_eq!(RData::from_wire(data.rtype(), &wire), Ok(data), "{text}");
        assert_eq!(data.to_string(), text);
    }
}

#[test]
fn an_extended_response_code_needs_opt() {
    let build = |edns: bool| {
        let mut buffer = [0; 100];
        let mut builder = Builder::new(&mut buffer, 0, Flags::QR).unwrap();
        if edns {
            builder.set_edns(&Edns::new(1232)).unwrap();
        }
        builder.set_rcode(Rcode::BADVERS);
        Message::parse(builder.finish()).unwrap().rcode()
    };
    assert_eq!(build(true), Rcode::BADVERS);
    assert_eq!(build(false), Rcode::SERVFAIL);
}

#[test]
fn a_ttl_with_the_highest_bit_is_zero() {
    // RFC 2181 section 8.
    let mut octets = raw([0, 1, 0, 0], &record(b"\0", Type::A, &[1, 2, 3, 4]));
    octets[17..21].copy_from_slice(&[0x80, 0, 0, 1]);
    let message = Message::parse(&octets).unwrap();
    assert_eq!(message.answers().next().unwrap().ttl, 0);
}

#[test]
fn names_in_the_data_of_unknown_types_are_not_compressed() {
    // RFC 3597 section 4.
    let owner = name("example.com");
    let target = owner.as_wire();
    let mut buffer = [0; 512];
    let mut builder = Builder::new(&mut buffer, 0, Flags::QR).unwrap();
    for (rtype, data) in [(Type::SRV, target), (Type::DNAME, target)] {
        let data = RData::Unknown { rtype, data };
        builder
            .push(Section::Answer, owner.view(), Class::IN, 0, &data)
            .unwrap();
    }
    let message = builder.finish();
    let found = message.windows(13).filter(|window| *window == target);
    assert_eq!(found.count(), 3, "once as owner, twice as data");
}

#[test]
fn case_is_kept_so_names_that_differ_in_case_do_not_share() {
    let mut buffer = [0; 512];
    let mut builder = Builder::new(&mut buffer, 0, Flags::QR).unwrap();
    let data = RData::A([1, 2, 3, 4].into());
    for owner in ["www.Example.com", "WWW.example.COM", "www.Example.com"] {
        builder
            .push(Section::Answer, name(owner).view(), Class::IN, 0, &data)
            .unwrap();
    }
    let message = Message::parse(builder.finish()).unwrap();
    let owners: Vec<String> = message
        .answers()
        .map(|record| record.owner.to_string())
        .collect();
    assert_eq!(
        owners,
        ["www.Example.com.", "WWW.example.COM.", "www.Example.com."]
    );
    assert_eq!(Header::peek(message.octets()).unwrap().counts, [0, 3, 0, 0]);
}
