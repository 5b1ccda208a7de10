//! Vectors of servers and of loaders: the scripts of domain for an authority, zone files of BIND with
//! the verdicts that BIND gives, keys and digests of RFC 4034, the digest of RFC 8976 as an oracle
//! for the canonical form.
//!
//! Not run here, and why: the scripts of domain for a cache and those of unbound and deckard want a
//! cache and a resolver; `bind-master/master14.data.in` is a dump of BIND's own binary format.

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

use common::{name, vectors};
use core::net::SocketAddr;
use core::time::Duration;
use proto_dns::client::{Incoming, Progress};
use proto_dns::server::nameserver::{Policy, Response};
use proto_dns::server::{Authority, Nameserver, Zone};
use proto_dns::wire::{
    Builder, Class, Flags, Message, Name, Opcode, Question, RData, Rcode, Section, Type,
};
use proto_dns::zonefile::{Entry, Parser};
use proto_dns::{Limits, Transport, UnixTime};
use sha2::{Digest, Sha384};

const NOW: Duration = Duration::from_secs(1);

fn from() -> SocketAddr {
    "127.0.0.1:4000".parse().unwrap()
}

/// One entry of a script: what is asked, or what must be answered.
#[derive(Debug, Default)]
struct Step {
    kind: String,
    opcode: String,
    flags: Vec<String>,
    question: Option<Question>,
    /// Section by section; more than one answer where any of some will do.
    answers: Vec<Vec<String>>,
    authority: Vec<String>,
    additional: Vec<String>,
}

/// A record without its TTL, in lower case.
fn plain(owner: &Name, rtype: Type, data: &RData<'_>) -> String {
    format!("{owner} {rtype} {data}").to_lowercase()
}

fn read_record(line: &str, origin: &Name) -> String {
    // Scripts leave out what does not matter.
    let text = format!("$TTL 86400\n{line}\n");
    let mut parser = Parser::new(text.as_bytes(), origin.clone());
    match parser.next() {
        Ok(Some(Entry::Record(record))) => {
            let data = RData::from_wire(record.rtype, record.rdata).unwrap();
            plain(&record.owner.to_name(), record.rtype, &data)
        }
        other => panic!("{line}: {other:?}"),
    }
}

fn steps(script: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let (mut section, mut origin) = (String::new(), Name::root());
    let script = script.split_once("SCENARIO_BEGIN").unwrap().1;
    for line in script.lines().skip(1) {
        let line = line.split(';').next().unwrap_or_default().trim();
        let words: Vec<_> = line.split_whitespace().collect();
        let Some(&first) = words.first() else {
            continue;
        };
        if first == "STEP" {
            steps.push(Step {
                kind: words[2].to_owned(),
                answers: vec![Vec::new()],
                ..Step::default()
            });
            continue;
        }
        let Some(step) = steps.last_mut() else {
            continue;
        };
        match first {
            "ENTRY_BEGIN" | "ENTRY_END" => section.clear(),
            "SCENARIO_END" => break,
            "MATCH" => {}
            "OPCODE" => step.opcode = words[1].to_owned(),
            "REPLY" => step.flags = words[1..].iter().map(|&word| word.to_owned()).collect(),
            "SECTION" => section = words[1].to_owned(),
            "EXTRA_PACKET" => step.answers.push(Vec::new()),
            "$ORIGIN" => origin = name(words[1]),
            _ => match section.as_str() {
                "QUESTION" => {
                    let qtype = words[words.len() - 1].parse().unwrap();
                    step.question = Some(Question::new(name(words[0]), qtype));
                }
                "ANSWER" => {
                    let record = read_record(line, &origin);
                    step.answers.last_mut().unwrap().push(record);
                }
                "AUTHORITY" => step.authority.push(read_record(line, &origin)),
                "ADDITIONAL" => step.additional.push(read_record(line, &origin)),
                _ => panic!("{line}"),
            },
        }
    }
    steps
}

fn section(message: &Message<'_>, section: Section) -> Vec<String> {
    let records = message
        .records(section)
        .filter(|record| record.rtype != Type::OPT);
    let mut records: Vec<_> = records
        .map(|record| {
            plain(
                &record.owner.to_name(),
                record.rtype,
                &record.data().unwrap(),
            )
        })
        .collect();
    records.sort();
    records
}

fn sorted(mut records: Vec<String>) -> Vec<String> {
    records.sort();
    records
}

/// Plays a script against a server; returns how many answers were checked.
fn play(server: &mut Nameserver, script: &str) -> usize {
    let mut replies: Vec<Vec<u8>> = Vec::new();
    let mut checked = 0;
    for step in steps(script) {
        let question = step.question.as_ref().expect("a question");
        let opcode = match step.opcode.as_str() {
            "NOTIFY" => Opcode::NOTIFY,
            _ => Opcode::QUERY,
        };
        if step.kind == "QUERY" {
            let mut buffer = [0; 512];
            let flags = Flags::default().with_opcode(opcode);
            let mut query = Builder::new(&mut buffer, 7, flags).unwrap();
            query
                .push_question(question.name.view(), question.qtype, Class::IN)
                .unwrap();
            let over = match question.qtype {
                Type::AXFR => Transport::Tcp,
                _ => Transport::Udp,
            };
            replies = match server.respond(NOW, query.finish(), from(), over) {
                Response::Message(reply) => vec![reply.to_vec()],
                Response::Transfer(mut transfer) => core::iter::from_fn(|| transfer.next_message())
                    .map(|message| message.to_vec())
                    .collect(),
                _ => Vec::new(),
            };
            continue;
        }
        checked += 1;
        let mut answers = Vec::new();
        for reply in &replies {
            let reply = Message::parse(reply).unwrap();
            answers.extend(section(&reply, Section::Answer));
        }
        let reply = Message::parse(replies.first().expect("a reply")).unwrap();
        let header = reply.header();
        assert_eq!(header.flags.opcode(), opcode);
        for word in &step.flags {
            let has = match word.as_str() {
                "QR" => header.flags.is_response(),
                "AA" => header.flags.contains(Flags::AA),
                code => reply.rcode() == code.parse::<Rcode>().unwrap(),
            };
            assert!(has, "{word} in {reply:?}");
        }
        let aa = step.flags.iter().any(|word| word == "AA");
        assert_eq!(header.flags.contains(Flags::AA), aa, "{reply:?}");
        let asked = reply.question().unwrap();
        assert_eq!(asked.name.to_name().as_wire(), question.name.as_wire());
        answers.sort();
        let any = step
            .answers
            .into_iter()
            .map(sorted)
            .any(|wanted| wanted == answers);
        assert!(any, "{answers:?}");
        // Their server gives no additional records where they are a courtesy.
        if !step.authority.is_empty() {
            assert_eq!(section(&reply, Section::Authority), sorted(step.authority));
        }
        if !step.additional.is_empty() {
            assert_eq!(
                section(&reply, Section::Additional),
                sorted(step.additional)
            );
        }
    }
    checked
}

fn server(zones: impl IntoIterator<Item = Zone>) -> Nameserver {
    let mut authority = Authority::new();
    for zone in zones {
        authority.insert(zone).unwrap();
    }
    let mut policy = Policy::default();
    policy.transfer.any = true;
    policy.notify.any = true;
    Nameserver::new(Duration::ZERO, authority, policy, [7; 32])
}

fn load(origin: &str, text: &str) -> Zone {
    let mut builder = Zone::builder(name(origin));
    builder.add_text(text).unwrap();
    builder.build().unwrap()
}

/// RFC 1034 section 6.1, as far as the script asks.
const ROOT: &str = "$TTL 86400
. SOA SRI-NIC.ARPA. HOSTMASTER.SRI-NIC.ARPA. 870611 1800 300 604800 86400
. NS A.ISI.EDU.
. NS C.ISI.EDU.
. NS SRI-NIC.ARPA.
MIL. NS SRI-NIC.ARPA.
MIL. NS A.ISI.EDU.
EDU. NS SRI-NIC.ARPA.
EDU. NS C.ISI.EDU.
SRI-NIC.ARPA. A 26.0.0.73
SRI-NIC.ARPA. A 10.0.0.51
SRI-NIC.ARPA. MX 0 SRI-NIC.ARPA.
SRI-NIC.ARPA. HINFO DEC-2060 TOPS20
USC-ISIC.ARPA. CNAME C.ISI.EDU.
A.ISI.EDU. A 26.3.0.103
C.ISI.EDU. A 10.0.0.52
";

#[test]
fn the_authority_answers_the_script_of_rfc_1034_as_domain_has_it() {
    let Some(folder) = vectors("domain-rpl/server") else {
        return;
    };
    let script = std::fs::read_to_string(folder.join("auth_zones.rpl")).unwrap();
    assert_eq!(play(&mut server([load(".", ROOT)]), &script), 5);
}

#[test]
fn a_large_transfer_gives_what_the_script_of_domain_wants() {
    let Some(folder) = vectors("domain-rpl/server") else {
        return;
    };
    let script = std::fs::read_to_string(folder.join("axfr_large_out.rpl")).unwrap();
    let mut text = String::new();
    for line in script.lines() {
        let line = line.trim();
        if let Some(data) = line.strip_prefix("local-data: \"") {
            text.push_str(data.trim_end_matches('"'));
            text.push('\n');
        }
    }
    let zone = load("example.com", &text);
    let records = zone.records().count();
    assert!(records > 100);
    // The script's second half wants one record a message, for clients from before 2010.
    let (first, _) = script.split_once("STEP 20").unwrap_or((&script, ""));
    let mut server = server([zone]);
    assert_eq!(play(&mut server, first), 1);
    let (mut incoming, request) =
        Incoming::request(name("example.com"), None, 9, None, &Limits::default());
    let Response::Transfer(mut transfer) = server.respond(NOW, &request, from(), Transport::Tcp)
    else {
        panic!()
    };
    let copy = core::iter::from_fn(|| transfer.next_message()).find_map(|message| {
        match incoming.handle_message(&message, UnixTime::EPOCH).unwrap() {
            Progress::Done(zone) => Some(zone),
            _ => None,
        }
    });
    assert_eq!(copy.unwrap().records().count(), records);
}

#[test]
fn a_notification_is_answered_as_the_script_of_domain_wants() {
    let Some(folder) = vectors("domain-rpl/server") else {
        return;
    };
    let script = std::fs::read_to_string(folder.join("notify.rpl")).unwrap();
    let zone = load("example.com", "@ 60 SOA ns h 1 2 3 4 5\n@ 60 NS ns\n");
    assert_eq!(play(&mut server([zone]), &script), 2);
}

/// How many records and how many files to be included, or an error.
type Verdict = Result<(usize, usize), ()>;

/// What BIND says of its own test files: how many records are read before the end, or an error; and
/// how many files are to be included.
const VERDICTS: &[(&str, Verdict)] = &[
    // NS without a name.
    ("master2.data", Err(())),
    // BIND reads flags of keys as words, as RFC 2535 had them; RFC 4034 section 2.2 has numbers only.
    ("master6.data", Err(())),
    ("master8.data", Ok((0, 1))),
    // A line of blanks.
    ("master10.data", Ok((1, 0))),
    // TXT of nearly 65 535 octets.
    ("master16.data", Ok((6, 0))),
    // An owner that is inherited over $ORIGIN.
    ("master17.data", Ok((6, 0))),
    ("master18.data.in", Ok((1, 2))),
];

#[test]
fn zone_files_of_bind_get_the_verdicts_of_bind() {
    let Some(folder) = vectors("bind-master") else {
        return;
    };
    for (file, verdict) in VERDICTS {
        let text = std::fs::read(folder.join(file)).unwrap();
        let mut parser = Parser::new(&text, name("test."));
        let (mut records, mut includes) = (0, 0);
        let found = loop {
            match parser.next() {
                Ok(None) => break Ok((records, includes)),
                Ok(Some(Entry::Record(_))) => records += 1,
                Ok(Some(Entry::Include { .. })) => includes += 1,
                Ok(Some(other)) => panic!("{other:?}"),
                Err(error) => break Err(error),
            }
        };
        assert_eq!(
            found.map_err(|error| eprintln!("{file}: {error}")),
            *verdict,
            "{file}"
        );
    }
}

#[test]
fn the_keys_of_rfc_4034_go_from_text_to_wire_and_back() {
    let Some(folder) = vectors("hickory") else {
        return;
    };
    let root = Name::root();
    for example in ["rfc4034-2.3", "rfc4034-5.4"] {
        let text = std::fs::read_to_string(folder.join(format!("{example}.rdata"))).unwrap();
        let key = std::fs::read(folder.join(format!("{example}.key"))).unwrap();
        let mut wire = Vec::new();
        RData::parse_text(Type::DNSKEY, &text, &root, &mut wire).unwrap();
        assert_eq!(wire[..4], [1, 0, 3, 5]);
        assert_eq!(wire[4..], key);
        let data = RData::from_wire(Type::DNSKEY, &wire).unwrap();
        let joined: String = text.split_whitespace().collect();
        let ours: String = data.to_string().split_whitespace().collect();
        assert_eq!(ours, joined);
    }
    // Section 5.4: the digest covers the owner in canonical form and the key.
    let text = std::fs::read_to_string(folder.join("rfc4034-5.4.rdata")).unwrap();
    let mut covered = name("dskey.EXAMPLE.com").as_wire().to_ascii_lowercase();
    RData::parse_text(Type::DNSKEY, &text, &root, &mut covered).unwrap();
    let digest = sha1::Sha1::digest(&covered);
    let mut ds = Vec::new();
    let text = "60485 5 1 2BB183AF5F22588179A53B0A98631FAD1A292118";
    RData::parse_text(Type::DS, text, &root, &mut ds).unwrap();
    assert_eq!(ds[4..], digest[..]);
}

/// RFC 8976 section 3.3 and 3.4: all records in canonical order and form, but for the digest itself.
fn digest(zone: &Zone) -> Vec<u8> {
    let mut hash = Sha384::new();
    for (owner, ttl, data) in zone.records() {
        if data.rtype() == Type::ZONEMD && owner == zone.origin() {
            continue;
        }
        let mut rdata = Vec::new();
        data.encode_canonical(&mut rdata);
        hash.update(owner.as_wire().to_ascii_lowercase());
        hash.update(data.rtype().0.to_be_bytes());
        hash.update([0, 1]);
        hash.update(ttl.to_be_bytes());
        hash.update(u16::try_from(rdata.len()).unwrap().to_be_bytes());
        hash.update(rdata);
    }
    hash.finalize().to_vec()
}

#[test]
fn rfc_8976_appendix_a_1_the_canonical_form_of_a_zone_has_the_digest_that_it_says() {
    // Case and order are as they should not be: the canonical form does not depend on them.
    let text = "\
NS2 3600 AAAA 2001:db8::63
@ 86400 NS NS2
@ 86400 SOA Ns1 admin 2018031900 1800 900 604800 86400
@ 86400 NS ns1
@ 86400 ZONEMD 2018031900 1 1 ( c68090d90a7aed71 6bc459f9340e3d7c 1370d4d24b7e2fc3 \
 a1ddc0b9a87153b9 a9713b3c9ae5cc27 777f98b8e730044c )
ns1 3600 A 203.0.113.63
";
    let zone = load("EXAMPLE.", text);
    let digest = digest(&zone);
    let told = zone.records().find_map(|(_, _, data)| {
        let mut wire = Vec::new();
        data.encode(&mut wire);
        (data.rtype() == Type::ZONEMD).then_some(wire)
    });
    assert_eq!(told.unwrap()[6..], digest);
}
