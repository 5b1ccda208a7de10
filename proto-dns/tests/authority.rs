//! Answers from zones: the scenes of RFC 1034, RFC 2308 and RFC 4592, and those of the lecture.

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

use common::{lines, name, query, utopia, zone};
use proto_dns::server::{Authority, Zone};
use proto_dns::wire::{
    Builder, Class, Edns, Flags, Header, Message, MessageBuf, Opcode, OptionCode, Options, RData,
    Rcode, Section, Type,
};
use proto_dns::{Transport, ZoneError};

fn ask(authority: &Authority, qname: &str, qtype: Type) -> MessageBuf {
    let reply = authority.reply(&query(1, qname, qtype, Some(1232)), Transport::Udp);
    MessageBuf::parse(reply.unwrap()).unwrap()
}

/// Code, AA, and the sections as lines; OPT aside.
fn said(reply: &MessageBuf) -> (Rcode, bool, Vec<String>, Vec<String>, Vec<String>) {
    let reply = reply.view();
    let mut additional = lines(&reply, Section::Additional);
    additional.retain(|line| !line.contains(" OPT "));
    (
        reply.rcode(),
        reply.header().flags.contains(Flags::AA),
        lines(&reply, Section::Answer),
        lines(&reply, Section::Authority),
        additional,
    )
}

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(ToString::to_string).collect()
}

const ROOT_SOA: &str =
    ". 86400 IN SOA SRI-NIC.ARPA. HOSTMASTER.SRI-NIC.ARPA. 870611 7200 900 1209600 86400";

/// The part of RFC 1034 section 6.1 that section 6.2 asks for.
fn rfc_1034() -> Authority {
    let mut authority = Authority::new();
    authority
        .insert(zone(
            ".",
            ".             86400 SOA SRI-NIC.ARPA. HOSTMASTER.SRI-NIC.ARPA. 870611 86400
             .             86400 NS A.ISI.EDU.
             .             86400 NS C.ISI.EDU.
             .             86400 NS SRI-NIC.ARPA.
             MIL.          86400 NS SRI-NIC.ARPA.
             MIL.          86400 NS A.ISI.EDU.
             EDU.          86400 NS SRI-NIC.ARPA.
             EDU.          86400 NS C.ISI.EDU.
             SRI-NIC.ARPA. 86400 A 26.0.0.73
             SRI-NIC.ARPA. 86400 A 10.0.0.51
             SRI-NIC.ARPA. 86400 MX 0 SRI-NIC.ARPA.
             ACC.ARPA.     86400 A 26.6.0.65
             USC-ISIC.ARPA. 86400 CNAME C.ISI.EDU.
             73.0.0.26.IN-ADDR.ARPA. 86400 PTR SRI-NIC.ARPA.
             A.ISI.EDU.    86400 A 26.3.0.103
             C.ISI.EDU.    86400 A 10.0.0.52",
        ))
        .unwrap();
    authority
}

#[test]
fn rfc_1034_6_2_1_an_address() {
    let (rcode, aa, answer, authority, additional) =
        said(&ask(&rfc_1034(), "SRI-NIC.ARPA", Type::A));
    assert_eq!((rcode, aa), (Rcode::NOERROR, true));
    let mut answer = answer;
    answer.sort();
    assert_eq!(
        answer,
        strings(&[
            "SRI-NIC.ARPA. 86400 IN A 10.0.0.51",
            "SRI-NIC.ARPA. 86400 IN A 26.0.0.73"
        ])
    );
    assert!(authority.is_empty() && additional.is_empty());
}

#[test]
fn rfc_1034_6_2_2_any_is_answered_with_one_rrset() {
    // RFC 8482 section 4.1.
    let (rcode, aa, answer, ..) = said(&ask(&rfc_1034(), "SRI-NIC.ARPA", Type::ANY));
    assert_eq!((rcode, aa), (Rcode::NOERROR, true));
    assert_eq!(answer.len(), 2, "the two addresses, not the MX");
    let (rcode, _, answer, authority, _) = said(&ask(&rfc_1034(), "ISI.ARPA", Type::ANY));
    assert_eq!((rcode, answer.len()), (Rcode::NXDOMAIN, 0));
    assert_eq!(authority, [ROOT_SOA]);
}

#[test]
fn rfc_1034_6_2_3_a_mail_exchange_and_its_addresses() {
    let (_, aa, answer, _, additional) = said(&ask(&rfc_1034(), "SRI-NIC.ARPA", Type::MX));
    assert!(aa);
    assert_eq!(answer, ["SRI-NIC.ARPA. 86400 IN MX 0 SRI-NIC.ARPA."]);
    assert_eq!(additional.len(), 2);
}

#[test]
fn rfc_1034_6_2_4_no_data_of_the_type() {
    let (rcode, aa, answer, authority, _) = said(&ask(&rfc_1034(), "SRI-NIC.ARPA", Type::NS));
    assert_eq!((rcode, aa, answer.len()), (Rcode::NOERROR, true, 0));
    // RFC 2308 section 2.2: the SOA tells that this is no referral.
    assert_eq!(authority, [ROOT_SOA]);
}

#[test]
fn rfc_1034_6_2_5_no_such_name() {
    let (rcode, aa, answer, authority, _) = said(&ask(&rfc_1034(), "SIR-NIC.ARPA", Type::A));
    assert_eq!((rcode, aa, answer.len()), (Rcode::NXDOMAIN, true, 0));
    assert_eq!(authority, [ROOT_SOA]);
}

#[test]
fn rfc_1034_6_2_6_a_referral_with_glue() {
    let (rcode, aa, answer, mut authority, mut additional) =
        said(&ask(&rfc_1034(), "BRL.MIL", Type::A));
    assert_eq!((rcode, aa, answer.len()), (Rcode::NOERROR, false, 0));
    authority.sort();
    assert_eq!(
        authority,
        strings(&[
            "MIL. 86400 IN NS A.ISI.EDU.",
            "MIL. 86400 IN NS SRI-NIC.ARPA."
        ])
    );
    additional.sort();
    assert_eq!(
        additional,
        strings(&[
            "A.ISI.EDU. 86400 IN A 26.3.0.103",
            "SRI-NIC.ARPA. 86400 IN A 10.0.0.51",
            "SRI-NIC.ARPA. 86400 IN A 26.0.0.73"
        ])
    );
}

#[test]
fn rfc_1034_6_2_7_an_alias_that_leads_below_a_cut() {
    let (rcode, aa, answer, authority, _) = said(&ask(&rfc_1034(), "USC-ISIC.ARPA", Type::A));
    assert_eq!((rcode, aa), (Rcode::NOERROR, true));
    assert_eq!(answer, ["USC-ISIC.ARPA. 86400 IN CNAME C.ISI.EDU."]);
    assert!(authority.iter().all(|line| line.starts_with("EDU. ")));
    assert_eq!(authority.len(), 2);
}

#[test]
fn rfc_1034_6_2_8_the_alias_itself() {
    let (_, _, answer, authority, additional) =
        said(&ask(&rfc_1034(), "USC-ISIC.ARPA", Type::CNAME));
    assert_eq!(answer, ["USC-ISIC.ARPA. 86400 IN CNAME C.ISI.EDU."]);
    assert!(authority.is_empty() && additional.is_empty());
}

#[test]
fn an_empty_non_terminal_exists() {
    // RFC 4592 section 2.2.2: IN-ADDR.ARPA has no records, but something below it has.
    for qname in ["IN-ADDR.ARPA", "0.26.in-addr.arpa", "ARPA"] {
        let (rcode, _, answer, authority, _) = said(&ask(&rfc_1034(), qname, Type::A));
        assert_eq!((rcode, answer.len()), (Rcode::NOERROR, 0), "{qname}");
        assert_eq!(authority, [ROOT_SOA]);
    }
    let (_, _, answer, ..) = said(&ask(&rfc_1034(), "73.0.0.26.IN-ADDR.ARPA", Type::PTR));
    assert_eq!(
        answer,
        ["73.0.0.26.IN-ADDR.ARPA. 86400 IN PTR SRI-NIC.ARPA."]
    );
}

#[test]
fn the_parent_answers_for_the_ds_of_its_cut() {
    // RFC 4035 section 3.1.4.1.
    let (rcode, aa, _, authority, _) = said(&ask(&rfc_1034(), "MIL", Type::DS));
    assert_eq!((rcode, aa), (Rcode::NOERROR, true));
    assert_eq!(authority, [ROOT_SOA]);
    let mut both = rfc_1034();
    both.insert(zone(
        "MIL.",
        "@ 60 SOA ns.MIL. h.MIL. 1 60
         @ 60 NS ns.MIL.",
    ))
    .unwrap();
    let (_, _, _, authority, _) = said(&ask(&both, "MIL", Type::DS));
    assert_eq!(
        authority,
        [ROOT_SOA],
        "the parent, though the child is here"
    );
    let (_, aa, answer, ..) = said(&ask(&both, "MIL", Type::NS));
    assert_eq!((aa, answer), (true, strings(&["MIL. 60 IN NS ns.MIL."])));
}

/// RFC 4592 section 2.2.1.
fn rfc_4592() -> Authority {
    let mut authority = Authority::new();
    authority
        .insert(zone(
            "example.",
            "@        3600 SOA ns.example.com. h.example.com. 1 300
             @        3600 NS ns.example.com.
             @        3600 NS ns.example.net.
             *        3600 TXT wildcard
             *        3600 MX 10 host1.example.
             sub.*    3600 TXT not-a-wildcard
             host1    3600 A 192.0.2.1
             _ssh._tcp.host1 3600 TXT service
             subdel   3600 NS ns.example.com.
             subdel   3600 NS ns.example.net.",
        ))
        .unwrap();
    authority
}

#[test]
fn wildcards_of_rfc_4592_section_2_2_1() {
    let zone = rfc_4592();
    let (_, aa, answer, _, additional) = said(&ask(&zone, "host3.example", Type::MX));
    assert!(aa);
    assert_eq!(answer, ["host3.example. 3600 IN MX 10 host1.example."]);
    assert_eq!(additional, ["host1.example. 3600 IN A 192.0.2.1"]);
    let (rcode, _, answer, ..) = said(&ask(&zone, "host3.example", Type::A));
    assert_eq!((rcode, answer.len()), (Rcode::NOERROR, 0));
    let (_, _, answer, ..) = said(&ask(&zone, "foo.bar.example", Type::TXT));
    assert_eq!(answer, ["foo.bar.example. 3600 IN TXT \"wildcard\""]);
    // A name that exists, a wildcard label in the middle, an encloser without a wildcard.
    for (qname, qtype, expected) in [
        ("host1.example", Type::MX, Rcode::NOERROR),
        ("sub.*.example", Type::MX, Rcode::NOERROR),
        ("_telnet._tcp.host1.example", Type::TXT, Rcode::NXDOMAIN),
        ("ghost.*.example", Type::MX, Rcode::NXDOMAIN),
    ] {
        let (rcode, _, answer, ..) = said(&ask(&zone, qname, qtype));
        assert_eq!((rcode, answer.len()), (expected, 0), "{qname}");
    }
    let (rcode, aa, answer, authority, _) = said(&ask(&zone, "host.subdel.example", Type::A));
    assert_eq!((rcode, aa, answer.len()), (Rcode::NOERROR, false, 0));
    assert_eq!(authority.len(), 2);
}

#[test]
fn negative_answers_live_as_long_as_soa_and_minimum_allow() {
    // RFC 2308 section 3: MINIMUM is less than the TTL of the SOA here.
    let (_, _, _, authority, _) = said(&ask(&rfc_4592(), "host1.example", Type::AAAA));
    assert!(
        authority[0].starts_with("example. 300 IN SOA"),
        "{authority:?}"
    );
}

#[test]
fn network_utopia_of_the_lecture() {
    let authority = utopia();
    let (_, aa, answer, ..) = said(&ask(&authority, "www.networkutopia.com", Type::A));
    assert_eq!(
        (aa, answer),
        (
            true,
            strings(&["www.networkutopia.com. 300 IN A 212.212.71.4"])
        )
    );
    let (_, _, answer, _, additional) = said(&ask(&authority, "networkutopia.com", Type::MX));
    assert_eq!(
        answer,
        ["networkutopia.com. 3600 IN MX 10 mail.networkutopia.com."]
    );
    assert_eq!(
        additional,
        [
            "mail.networkutopia.com. 300 IN A 212.212.71.5",
            "mail.networkutopia.com. 300 IN AAAA 2001:db8::5"
        ]
    );

    // What the registrar put into com: the name server and its address.
    let mut com = Authority::new();
    com.insert(zone(
        "com.",
        "@                  86400 SOA a.gtld-servers.net. nstld.verisign-grs.com. 1 900
         @                  86400 NS a.gtld-servers.net.
         networkutopia      86400 NS dns1.networkutopia.com.
         dns1.networkutopia 86400 A 212.212.212.22",
    ))
    .unwrap();
    let (_, aa, answer, authority, additional) = said(&ask(&com, "www.networkutopia.com", Type::A));
    assert_eq!((aa, answer.len()), (false, 0));
    assert_eq!(
        authority,
        ["networkutopia.com. 86400 IN NS dns1.networkutopia.com."]
    );
    assert_eq!(
        additional,
        ["dns1.networkutopia.com. 86400 IN A 212.212.212.22"]
    );
}

#[test]
fn host_aliasing_of_the_lecture() {
    let mut ibm = Authority::new();
    ibm.insert(zone(
        "ibm.com.",
        "@                  3600 SOA ns.ibm.com. h.ibm.com. 1 300
         @                  3600 NS ns.ibm.com.
         www                3600 CNAME servereast.backup2.ibm.com.
         servereast.backup2 60   A 129.42.38.1",
    ))
    .unwrap();
    let (_, aa, answer, ..) = said(&ask(&ibm, "www.ibm.com", Type::A));
    assert!(aa);
    assert_eq!(
        answer,
        [
            "www.ibm.com. 3600 IN CNAME servereast.backup2.ibm.com.",
            "servereast.backup2.ibm.com. 60 IN A 129.42.38.1"
        ]
    );
    // RFC 2308 section 2.1: the alias is there, what it leads to is not.
    let (rcode, _, answer, authority, _) = said(&ask(&ibm, "www.ibm.com", Type::AAAA));
    assert_eq!(
        (rcode, answer.len(), authority.len()),
        (Rcode::NOERROR, 1, 1)
    );
}

#[test]
fn load_distribution_of_the_lecture() {
    let mut authority = Authority::new();
    let addresses: String = (1..=4)
        .map(|last| format!("www 60 A 192.0.2.{last}\n"))
        .collect();
    authority
        .insert(zone(
            "example.com.",
            &format!(
                "@ 60 SOA a.example.com. b.example.com. 1 60\n@ 60 NS a.example.com.\n{addresses}"
            ),
        ))
        .unwrap();
    let mut first = [0; 5];
    for id in 0..1000 {
        let reply = authority
            .reply(&query(id, "www.example.com", Type::A, None), Transport::Udp)
            .unwrap();
        let reply = Message::parse(&reply).unwrap();
        assert_eq!(reply.answers().count(), 4, "all of them, each time");
        let Ok(RData::A(address)) = reply.answers().next().unwrap().data() else {
            panic!("no address")
        };
        first[usize::from(address.octets()[3])] += 1;
    }
    assert_eq!(first, [0, 250, 250, 250, 250]);
}

#[test]
fn aliases_in_a_circle_and_out_of_the_zone_end() {
    let mut authority = Authority::new();
    let chain: String = (0..30)
        .map(|link| format!("c{link} 60 CNAME c{}.example.com.\n", link + 1))
        .collect();
    authority
        .insert(zone(
            "example.com.",
            &format!(
                "@ 60 SOA a.example.com. b.example.com. 1 60
                 @ 60 NS a.example.com.
                 self 60 CNAME self.example.com.
                 one 60 CNAME two.example.com.
                 two 60 CNAME one.example.com.
                 out 60 CNAME www.example.net.
                 gone 60 CNAME nothing.example.com.
                 *.wild 60 CNAME x.wild.example.com.
                 {chain}"
            ),
        ))
        .unwrap();
    let count = |qname| ask(&authority, qname, Type::A).view().answers().count();
    assert_eq!(count("self.example.com"), 1);
    assert!((2..=16).contains(&count("one.example.com")));
    assert_eq!(count("out.example.com"), 1);
    assert!(count("y.wild.example.com") <= 16);
    assert_eq!(count("c0.example.com"), 16);
    let (rcode, aa, answer, authority, _) = said(&ask(&authority, "gone.example.com", Type::A));
    assert_eq!((rcode, aa, answer.len()), (Rcode::NXDOMAIN, true, 1));
    assert_eq!(authority.len(), 1);
}

#[test]
fn the_longest_origin_wins_and_others_are_refused() {
    let mut authority = utopia();
    authority
        .insert(zone(
            "lab.networkutopia.com.",
            "@ 60 SOA ns.lab.networkutopia.com. h.lab.networkutopia.com. 1 60
             @ 60 NS ns.lab.networkutopia.com.
             ns 60 A 192.0.2.1",
        ))
        .unwrap();
    let (_, aa, answer, ..) = said(&ask(&authority, "ns.lab.networkutopia.com", Type::A));
    assert_eq!((aa, answer.len()), (true, 1));
    for outside in ["com", "xnetworkutopia.com", "networkutopia.org", "."] {
        let (rcode, aa, answer, authority, _) = said(&ask(&authority, outside, Type::A));
        assert_eq!((rcode, aa), (Rcode::REFUSED, false), "{outside}");
        assert!(answer.is_empty() && authority.is_empty());
    }
    assert!(authority.remove(&name("LAB.networkutopia.com")).is_some());
    let (rcode, ..) = said(&ask(&authority, "ns.lab.networkutopia.com", Type::A));
    assert_eq!(rcode, Rcode::NXDOMAIN);
}

fn rcode_of(query: &[u8]) -> Rcode {
    let reply = utopia().reply(query, Transport::Udp).unwrap();
    Message::parse(&reply).unwrap().rcode()
}

#[test]
fn what_is_no_standard_query_is_not_implemented() {
    for opcode in (1..16).map(Opcode) {
        let mut message = query(7, "www.networkutopia.com", Type::A, Some(1232));
        message[2] = (opcode.0 as u8) << 3;
        let reply = utopia().reply(&message, Transport::Udp).unwrap();
        let reply = Message::parse(&reply).unwrap();
        assert_eq!(reply.rcode(), Rcode::NOTIMP, "{opcode}");
        assert_eq!(reply.header().flags.opcode(), opcode);
        assert_eq!(reply.header().id, 7);
    }
}

#[test]
fn meta_types_are_not_looked_for() {
    for (qtype, expected) in [
        (Type::AXFR, Rcode::REFUSED),
        (Type::IXFR, Rcode::REFUSED),
        (Type::MAILA, Rcode::NOTIMP),
        (Type::MAILB, Rcode::NOTIMP),
        (Type::OPT, Rcode::FORMERR),
        (Type::TSIG, Rcode::FORMERR),
        (Type(0), Rcode::NOERROR),
        (Type(65_535), Rcode::NOERROR),
    ] {
        let message = query(1, "www.networkutopia.com", qtype, None);
        assert_eq!(rcode_of(&message), expected, "{qtype}");
    }
}

#[test]
fn a_query_has_exactly_one_question() {
    // RFC 9619.
    let mut none = query(1, "www.networkutopia.com", Type::A, None);
    none.truncate(12);
    none[5] = 0;
    assert_eq!(rcode_of(&none), Rcode::FORMERR);
    let mut two = query(1, "www.networkutopia.com", Type::A, None);
    let question = two[12..].to_vec();
    two.extend(question);
    two[5] = 2;
    assert_eq!(rcode_of(&two), Rcode::FORMERR);
    let mut cut = query(1, "www.networkutopia.com", Type::A, None);
    cut.pop();
    let reply = utopia().reply(&cut, Transport::Udp).unwrap();
    let header = Header::peek(&reply).unwrap();
    assert_eq!((header.id, header.counts), (1, [0; 4]));
    assert_eq!(header.flags.low_rcode(), Rcode::FORMERR);
}

#[test]
fn class_any_is_answered_without_authority() {
    // RFC 1035 section 6.2.
    let mut message = query(1, "www.networkutopia.com", Type::A, None);
    let end = message.len();
    message[end - 2..].copy_from_slice(&Class::ANY.0.to_be_bytes());
    let reply = utopia().reply(&message, Transport::Udp).unwrap();
    let reply = Message::parse(&reply).unwrap();
    assert_eq!(reply.answers().count(), 1);
    assert!(!reply.header().flags.contains(Flags::AA));
}

#[test]
fn question_id_and_flags_are_echoed_octet_by_octet() {
    let mut message = query(0xbeef, "wWw.NetWorkUtopia.COM", Type::A, None);
    message[3] |= 0x10;
    let reply = utopia().reply(&message, Transport::Udp).unwrap();
    assert_eq!(reply[..2], message[..2]);
    assert_eq!(reply[12..message.len()], message[12..]);
    let reply = Message::parse(&reply).unwrap();
    let flags = reply.header().flags;
    assert!(flags.contains(Flags::RD) && flags.contains(Flags::CD));
    assert!(!flags.contains(Flags::RA) && !flags.contains(Flags::AD));
    let owner = reply.answers().next().unwrap().owner;
    assert_eq!(owner.to_string(), "wWw.NetWorkUtopia.COM.");
}

#[test]
fn edns_is_echoed_and_its_version_is_checked() {
    let reply = ask(&utopia(), "www.networkutopia.com", Type::A);
    let edns = reply.view().edns().unwrap();
    assert_eq!((edns.udp_payload, edns.version), (1232, 0));
    assert!(!edns.dnssec_ok && edns.options.count() == 0);
    let plain = utopia()
        .reply(
            &query(1, "www.networkutopia.com", Type::A, None),
            Transport::Udp,
        )
        .unwrap();
    assert_eq!(Message::parse(&plain).unwrap().edns(), None);

    let mut options = Vec::new();
    Options::encode(OptionCode::NSID, b"", &mut options).unwrap();
    let build = |version, dnssec_ok| {
        let mut buffer = [0; 512];
        let mut builder = Builder::new(&mut buffer, 1, Flags::RD).unwrap();
        builder
            .set_edns(&Edns {
                version,
                dnssec_ok,
                options: Options::from_wire(&options).unwrap(),
                ..Edns::new(4096)
            })
            .unwrap();
        let qname = name("www.networkutopia.com");
        builder
            .push_question(qname.view(), Type::A, Class::IN)
            .unwrap();
        builder.finish().to_vec()
    };
    let reply = utopia().reply(&build(0, true), Transport::Udp).unwrap();
    assert!(Message::parse(&reply).unwrap().edns().unwrap().dnssec_ok);
    // RFC 6891 section 6.1.3.
    let reply = utopia().reply(&build(1, false), Transport::Udp).unwrap();
    let reply = Message::parse(&reply).unwrap();
    assert_eq!(reply.rcode(), Rcode::BADVERS);
    assert_eq!(reply.edns().unwrap().version, 0);
    assert_eq!(reply.answers().count(), 0);
}

/// `count` addresses at one name: 16 octets each.
fn crowd(count: usize) -> Authority {
    let addresses: String = (0..count)
        .map(|host| format!("www 60 A 10.0.{}.{}\n", host / 256, host % 256))
        .collect();
    let mut authority = Authority::new();
    authority
        .insert(zone(
            "example.com.",
            &format!(
                "@ 60 SOA a.example.com. b.example.com. 1 60\n@ 60 NS a.example.com.\n{addresses}"
            ),
        ))
        .unwrap();
    authority
}

#[test]
fn udp_answers_fit_what_client_and_server_take() {
    // The header, the question, and so many addresses fit.
    for (advertised, limit) in [
        (None, 512),
        (Some(0), 512),
        (Some(300), 512),
        (Some(512), 512),
        (Some(700), 700),
        (Some(1232), 1232),
        (Some(4096), 1232),
        (Some(65_535), 1232),
    ] {
        let fixed = 12 + 21 + if advertised.is_some() { 11 } else { 0 };
        let most = (limit - fixed) / 16;
        for (count, fits) in [(most, true), (most + 1, false)] {
            let asked = query(1, "www.example.com", Type::A, advertised);
            let mut out = [0; 4096];
            let reply = crowd(count).answer(&asked, Transport::Udp, &mut out);
            let reply = reply.unwrap();
            assert!(reply.len() <= limit);
            let reply = Message::parse(reply).unwrap();
            let truncated = reply.header().flags.contains(Flags::TC);
            assert_eq!(truncated, !fits, "{advertised:?} {count}");
            // RFC 2181 section 9: the whole RRset or none of it; OPT stays.
            assert_eq!(reply.answers().count(), if fits { count } else { 0 });
            assert_eq!(reply.edns().is_some(), advertised.is_some());
            assert_eq!(reply.questions().count(), 1);
        }
    }
}

#[test]
fn tcp_answers_are_whole_up_to_64_kib() {
    let asked = query(1, "www.example.com", Type::A, Some(512));
    for (count, fits) in [(1000, true), (4093, true), (4094, false)] {
        let reply = crowd(count).reply(&asked, Transport::Tcp).unwrap();
        let reply = Message::parse(&reply).unwrap();
        assert_eq!(reply.answers().count() == count, fits, "{count}");
        assert_eq!(reply.header().flags.contains(Flags::TC), !fits);
    }
}

#[test]
fn additional_records_that_do_not_fit_are_left_out_without_tc() {
    // RFC 2181 section 9.
    let exchanges: String = (0..10)
        .map(|host| {
            format!(
                "@ 60 MX {host} mx{host}.example.com.
                 mx{host} 60 A 192.0.2.{host}
                 mx{host} 60 AAAA 2001:db8::{host}\n"
            )
        })
        .collect();
    let mut authority = Authority::new();
    authority
        .insert(zone(
            "example.com.",
            &format!(
                "@ 60 SOA a.example.com. b.example.com. 1 60\n@ 60 NS a.example.com.\n{exchanges}"
            ),
        ))
        .unwrap();
    let asked = query(1, "example.com", Type::MX, None);
    let reply = authority.reply(&asked, Transport::Udp).unwrap();
    let reply = Message::parse(&reply).unwrap();
    assert_eq!(reply.answers().count(), 10);
    assert!((1..20).contains(&reply.additionals().count()));
    assert!(!reply.header().flags.contains(Flags::TC));
    let reply = authority.reply(&asked, Transport::Tcp).unwrap();
    assert_eq!(Message::parse(&reply).unwrap().additionals().count(), 20);
}

#[test]
fn a_referral_whose_glue_does_not_fit_is_truncated() {
    // RFC 9471 section 3.1.
    // Without their addresses the seven servers fit 512 octets.
    let servers: String = (0..7)
        .map(|host| {
            format!(
                "sub 60 NS a-rather-long-name-of-a-server-{host}.sub.example.com.
                 a-rather-long-name-of-a-server-{host}.sub 60 AAAA 2001:db8::{host}\n"
            )
        })
        .collect();
    let mut authority = Authority::new();
    authority
        .insert(zone(
            "example.com.",
            &format!(
                "@ 60 SOA a.example.com. b.example.com. 1 60\n@ 60 NS a.example.com.\n{servers}"
            ),
        ))
        .unwrap();
    let truncated = |payload| {
        let asked = query(1, "x.sub.example.com", Type::A, payload);
        let reply = authority.reply(&asked, Transport::Udp).unwrap();
        let reply = Message::parse(&reply).unwrap();
        assert!(!reply.header().flags.contains(Flags::AA));
        assert_eq!(reply.authorities().count(), 7);
        reply.header().flags.contains(Flags::TC)
    };
    assert!(truncated(None));
    assert!(!truncated(Some(1232)));
}

#[test]
fn any_buffer_is_large_enough_not_to_panic() {
    let asked = query(1, "networkutopia.com", Type::MX, Some(1232));
    let mut answered = 0;
    for size in 0..600 {
        let mut out = vec![0; size];
        if let Some(reply) = utopia().answer(&asked, Transport::Udp, &mut out) {
            assert!(reply.len() <= size);
            assert!(Message::parse(reply).is_ok());
            answered += 1;
        }
    }
    assert!(answered > 500);
}

#[test]
fn a_zone_is_checked_while_it_is_made() {
    let origin = name("example.com");
    let (www, other) = (name("www.example.com"), name("example.net"));
    let mut builder = Zone::builder(origin.clone());
    let a = RData::A([192, 0, 2, 1].into());
    let cname = RData::Cname(other.view());
    assert_eq!(builder.add(&other, 0, &a), Err(ZoneError::OutOfZone));
    assert_eq!(builder.clone().build().err(), Some(ZoneError::NoSoa));
    builder.add(&www, 0, &a).unwrap();
    assert_eq!(builder.add(&www, 0, &cname), Err(ZoneError::CnameAndOther));
    let alias = name("alias.example.com");
    builder.add(&alias, 0, &cname).unwrap();
    builder.add(&alias, 0, &cname).unwrap();
    assert_eq!(builder.add(&alias, 0, &a), Err(ZoneError::CnameAndOther));
    let second = RData::Cname(www.view());
    assert_eq!(
        builder.add(&alias, 0, &second),
        Err(ZoneError::CnameAndOther)
    );
    let short = RData::Unknown {
        rtype: Type::A,
        data: &[1, 2, 3],
    };
    assert_eq!(builder.add(&www, 0, &short), Err(ZoneError::Rdata));
    for rtype in [Type::OPT, Type::TSIG, Type::AXFR, Type::ANY] {
        let meta = RData::Unknown { rtype, data: &[] };
        assert_eq!(builder.add(&www, 0, &meta), Err(ZoneError::MetaType));
    }
    let soa = RData::Soa(proto_dns::wire::Soa {
        mname: www.view(),
        rname: www.view(),
        serial: 1,
        refresh: 1,
        retry: 1,
        expire: 1,
        minimum: 1,
    });
    assert_eq!(builder.add(&www, 0, &soa), Err(ZoneError::Soa));
    builder.add(&origin, 60, &soa).unwrap();
    assert_eq!(builder.clone().build().err(), Some(ZoneError::NoNs));
    builder.add(&origin, 60, &RData::Ns(www.view())).unwrap();
    let zone = builder.build().unwrap();
    assert_eq!(zone.records().count(), 4);
    let mut authority = Authority::new();
    authority.insert(zone.clone()).unwrap();
    assert_eq!(authority.insert(zone), Err(ZoneError::Duplicate));
}

#[test]
fn records_of_one_set_share_the_least_ttl_and_are_not_doubled() {
    // RFC 2181 section 5.
    let mut authority = Authority::new();
    authority
        .insert(zone(
            "example.com.",
            "@ 60 SOA a.example.com. b.example.com. 1 60
             @ 60 NS a.example.com.
             w 500 A 192.0.2.1
             W 300 A 192.0.2.2
             w 400 A 192.0.2.1",
        ))
        .unwrap();
    let (_, _, answer, ..) = said(&ask(&authority, "w.example.com", Type::A));
    assert_eq!(answer.len(), 2);
    assert!(answer.iter().all(|line| line.contains(" 300 ")));
}
