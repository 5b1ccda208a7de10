//! EDNS options: what each means, both ways, as text, and what is none.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use proto_dns::wire::{
    ClientSubnet, EdnsOption, ExtendedErrorCode, KeyTags, Name, Opt, OptionCode, Options,
    ZoneVersion,
};
use proto_dns::{BuildError, Fault};

fn read(code: u16, data: &[u8]) -> Option<Opt<'_>> {
    let option = EdnsOption {
        code: OptionCode(code),
        data,
    };
    match option.read() {
        Ok(option) => Some(option),
        Err(error) => {
            assert_eq!(error.fault, Fault::OptionData(OptionCode(code)));
            None
        }
    }
}

fn octets(hex: &str) -> Vec<u8> {
    let digits: Vec<_> = hex.chars().filter(|digit| *digit != ' ').collect();
    let pairs = digits.chunks(2);
    pairs
        .map(|pair| u8::from_str_radix(&String::from_iter(pair), 16).unwrap())
        .collect()
}

/// Code, data, and the text that stands for them.
const KNOWN: &[(u16, &str, &str)] = &[
    (3, "", "NSID:"),
    (3, "6e73 31", "NSID: 6e7331 (\"ns1\")"),
    (5, "080d 0f", "DAU: 8 13 15"),
    (6, "0204", "DHU: 2 4"),
    (7, "01", "N3U: 1"),
    (8, "0001 1800 c00002", "ECS: 192.0.2.0/24/0"),
    (8, "0001 1918 c0000280", "ECS: 192.0.2.128/25/24"),
    (8, "0001 0000", "ECS: 0.0.0.0/0/0"),
    (
        8,
        "0002 3830 20010db8fd1342",
        "ECS: 2001:db8:fd13:4200::/56/48",
    ),
    (8, "0000 0000", "ECS: 0/0/0"),
    (9, "", "EXPIRE:"),
    (9, "00127500", "EXPIRE: 1209600"),
    (10, "2464c4abcf10c957", "COOKIE: 2464c4abcf10c957"),
    // RFC 9018 appendix A.1.
    (
        10,
        "2464c4abcf10c957 010000005cf79f111f8130c3eee29480",
        "COOKIE: 2464c4abcf10c957010000005cf79f111f8130c3eee29480",
    ),
    (11, "", "TCP-KEEPALIVE:"),
    (11, "0123", "TCP-KEEPALIVE: 29.1 secs"),
    (12, "", "PADDING: (0 bytes)"),
    (12, "0000 0000", "PADDING: (4 bytes)"),
    (13, "03636f6d00", "CHAIN: com."),
    (13, "00", "CHAIN: ."),
    (14, "4a5c 9728", "KEY-TAG: 19036 38696"),
    (15, "0012", "EDE: 18 (Prohibited)"),
    (15, "0006 6f6f7073", "EDE: 6 (DNSSEC Bogus): (oops)"),
    (15, "03e7 c3a9 1b ff", "EDE: 999: (é\\u{1b}\\xff)"),
    (16, "0007", "CLIENT-TAG: 7"),
    (17, "ffff", "SERVER-TAG: 65535"),
    (
        18,
        "0161 0765 7861 6d70 6c65 00",
        "REPORT-CHANNEL: a.example.",
    ),
    (19, "", "ZONEVERSION:"),
    (
        19,
        "0200 77359400",
        "ZONEVERSION: SOA-SERIAL 2000000000 (2 labels)",
    ),
    (19, "01f6 abcd", "ZONEVERSION: 246 abcd (1 labels)"),
    (65001, "", "OPT65001:"),
    (65001, "00ff", "OPT65001: 00ff"),
];

#[test]
fn every_option_is_read_written_and_told_as_text() {
    for &(code, data, text) in KNOWN {
        let data = octets(data);
        let option = read(code, &data).unwrap_or_else(|| panic!("{text}"));
        assert_eq!(option.to_string(), text);
        assert_eq!(option.code(), OptionCode(code));
        let mut wire = Vec::new();
        option.encode(&mut wire).unwrap();
        let mut raw = Vec::new();
        Options::encode(OptionCode(code), &data, &mut raw).unwrap();
        assert_eq!(wire, raw, "{text}");
        let mut list = Options::from_wire(&wire).unwrap();
        assert_eq!(list.next().unwrap().read(), Ok(option));
        assert_eq!(list.next(), None);
    }
}

#[test]
fn data_of_a_wrong_length_or_form_is_no_option_and_says_so() {
    let cookie = [7; 41];
    for len in 0..=41 {
        let fits = matches!(len, 8 | 16..=40);
        assert_eq!(read(10, &cookie[..len]).is_some(), fits, "COOKIE {len}");
    }
    for len in 0..6 {
        let data = [0; 6];
        let data = &data[..len];
        assert_eq!(read(9, data).is_some(), matches!(len, 0 | 4), "EXPIRE");
        assert_eq!(read(11, data).is_some(), matches!(len, 0 | 2), "KEEPALIVE");
        assert_eq!(read(14, data).is_some(), matches!(len, 2 | 4), "KEY-TAG");
        assert_eq!(read(15, data).is_some(), len >= 2, "EDE");
        assert_eq!(read(16, data).is_some(), len == 2, "CLIENT-TAG");
        assert_eq!(read(17, data).is_some(), len == 2, "SERVER-TAG");
        assert_eq!(read(18, data).is_some(), len == 1, "REPORT-CHANNEL");
        // The kind zero has a serial number of four octets.
        assert_eq!(
            read(19, data).is_some(),
            matches!(len, 0 | 6),
            "ZONEVERSION"
        );
    }
    for bad in [
        "",
        "00",
        "0001 18",
        "0001 1800 c0000200",
        "0001 1800 c000",
        "0001 2100 c000020000",
        "0001 1821 c00002",
        "0002 8100 00000000000000000000000000000000 00",
        "0003 0000",
        "0000 0100",
        "0000 0001",
        // Bits beyond the prefix.
        "0001 1700 c00003",
        "0001 1900 c0000240",
        "0002 0100 40",
    ] {
        assert_eq!(read(8, &octets(bad)), None, "ECS {bad}");
    }
    for bad in ["", "036578", "03657861", "c000", "0161c000", "0000", "4000"] {
        assert_eq!(read(13, &octets(bad)), None, "CHAIN {bad}");
        assert_eq!(read(18, &octets(bad)), None, "REPORT-CHANNEL {bad}");
    }
}

#[test]
fn an_option_that_would_not_be_read_again_is_not_written() {
    let long = vec![0; 65_536];
    let mut wire = b"before".to_vec();
    for option in [
        Opt::Cookie {
            client: [1; 8],
            server: &[1; 7],
        },
        Opt::Cookie {
            client: [1; 8],
            server: &[1; 33],
        },
        Opt::ZoneVersion(Some(ZoneVersion {
            labels: 1,
            kind: 0,
            version: b"12345",
        })),
        Opt::Nsid(&long),
        Opt::Unknown(EdnsOption {
            code: OptionCode::EXPIRE,
            data: b"123",
        }),
    ] {
        assert_eq!(
            option.encode(&mut wire),
            Err(BuildError::Rdata),
            "{:?}",
            option.code()
        );
        assert_eq!(wire, b"before");
    }
    assert!(KeyTags::from_wire(b"").is_none() && KeyTags::from_wire(b"abc").is_none());
}

#[test]
fn a_subnet_keeps_to_the_bits_that_are_told() {
    let subnet = ClientSubnet::new("192.0.2.77".parse().unwrap(), 25).unwrap();
    assert_eq!(subnet.address(), Some("192.0.2.0".parse().unwrap()));
    assert_eq!((subnet.source(), subnet.scope()), (25, 0));
    let answer = subnet.with_scope(32).unwrap();
    assert_eq!(answer.to_string(), "192.0.2.0/25/32");
    assert!(subnet.with_scope(33).is_err());
    assert!(ClientSubnet::new("192.0.2.77".parse().unwrap(), 33).is_err());
    assert!(ClientSubnet::new("::1".parse().unwrap(), 129).is_err());
    let all = ClientSubnet::new("2001:db8::1".parse().unwrap(), 128).unwrap();
    let mut wire = Vec::new();
    Opt::ClientSubnet(all).encode(&mut wire).unwrap();
    assert_eq!(wire.len(), 4 + 4 + 16);
    assert!(ClientSubnet::new("::".parse().unwrap(), 0).is_ok());
}

#[test]
fn names_in_options_are_whole_and_keep_their_case() {
    let agent: Name = "Agent.Example".parse().unwrap();
    let mut wire = Vec::new();
    Opt::ReportChannel(agent.view()).encode(&mut wire).unwrap();
    let options = Options::from_wire(&wire).unwrap();
    let data = options.find(OptionCode::REPORT_CHANNEL).unwrap();
    assert_eq!(data, agent.as_wire());
}

#[test]
fn an_extended_error_is_named_as_the_registry_names_it() {
    assert_eq!(ExtendedErrorCode::STALE_ANSWER.to_string(), "Stale Answer");
    assert_eq!(ExtendedErrorCode(4711).to_string(), "EDE4711");
    assert_eq!(ExtendedErrorCode(24).mnemonic(), Some("Invalid Data"));
}

/// CVE-2026-41292: resolvers that rescanned the list for each of its options.
#[test]
fn a_message_of_sixteen_thousand_options_is_read_whole() {
    let mut wire = Vec::new();
    for number in 0..16_000u16 {
        Options::encode(OptionCode(number), b"", &mut wire).unwrap();
    }
    let list = Options::from_wire(&wire).unwrap();
    let good = list.filter(|option| option.read().is_ok()).count();
    // Empty data is no subnet, cookie, name, tag or error: eight of the codes that are known.
    assert_eq!(good, 16_000 - 8);
    assert_eq!(list.find(OptionCode(15_999)), Some(&b""[..]));
    assert_eq!(list.find(OptionCode(16_000)), None);
}
