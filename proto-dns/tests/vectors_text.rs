//! Record texts and zone files that others wrote, in both directions.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use proto_dns::wire::{Class, Name, NameRef, RData, Type};
use proto_dns::zonefile::{Entry, Parser, ZoneFileError};
use std::path::PathBuf;

mod common;

fn folder(name: &str) -> Option<PathBuf> {
    common::vectors(name)
}

/// A record of a zone file: owner, TTL, class, type and data in wire form.
type Owned = (Name, u32, Class, Type, Vec<u8>);

fn read_zone(text: &[u8], origin: Option<Name>) -> (Vec<Owned>, Vec<ZoneFileError>) {
    let mut parser = match origin {
        Some(origin) => Parser::new(text, origin),
        None => Parser::without_origin(text),
    };
    let (mut records, mut errors) = (Vec::new(), Vec::new());
    loop {
        match parser.next() {
            Ok(Some(Entry::Record(record))) => records.push((
                record.owner.to_name(),
                record.ttl,
                record.class,
                record.rtype,
                record.rdata.to_vec(),
            )),
            Ok(Some(_)) => {}
            Ok(None) => return (records, errors),
            Err(error) => errors.push(error),
        }
    }
}

fn to_wire((owner, ttl, class, rtype, rdata): &Owned) -> Vec<u8> {
    let mut wire = owner.as_wire().to_vec();
    wire.extend_from_slice(&rtype.0.to_be_bytes());
    wire.extend_from_slice(&class.0.to_be_bytes());
    wire.extend_from_slice(&ttl.to_be_bytes());
    wire.extend_from_slice(&u16::try_from(rdata.len()).unwrap().to_be_bytes());
    wire.extend_from_slice(rdata);
    wire
}

fn to_text((owner, ttl, class, rtype, rdata): &Owned) -> String {
    let data = match RData::from_wire(*rtype, rdata) {
        Ok(data) => data.to_string(),
        Err(_) => {
            let data = RData::from_wire(Type(65280), rdata).unwrap();
            data.to_string()
        }
    };
    format!("{owner} {ttl} {class} {rtype} {data}")
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

#[test]
fn each_record_of_unbounds_oracle_has_the_wire_form_that_it_says() {
    let Some(folder) = folder("unbound-packets") else {
        return;
    };
    let (mut count, mut different) = (0, Vec::new());
    for (text, oracle) in [
        ("test_ldnsrr.3", "test_ldnsrr.c3"),
        ("test_ldnsrr.4", "test_ldnsrr.c4"),
    ] {
        let text = std::fs::read_to_string(folder.join(text)).unwrap();
        let oracle = std::fs::read_to_string(folder.join(oracle)).unwrap();
        let mut oracle = oracle.lines();
        for line in text
            .lines()
            .filter(|line| !line.trim().is_empty() && !line.starts_with(';'))
        {
            let (wire, canonical) = (oracle.next().unwrap(), oracle.next().unwrap());
            let zone = format!("$TTL 3600\n{line}");
            let (records, errors) = read_zone(zone.as_bytes(), Some(Name::root()));
            count += 1;
            let Some(record) = records.first() else {
                different.push(format!("{line}: {errors:?}"));
                continue;
            };
            // Their text means the same to us, and so does ours.
            let ours = to_text(record);
            let theirs = read_zone(canonical.as_bytes(), None).0;
            let again = read_zone(ours.as_bytes(), None).0;
            if to_wire(record) != unhex(wire) || theirs != records || again != records {
                different.push(format!("{line}\n  {canonical}\n  {ours}"));
            }
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
    assert!(count > 400, "{count}");
}

#[test]
fn the_root_zone_goes_from_text_to_wire_and_back() {
    let Some(folder) = folder("unbound-packets") else {
        return;
    };
    let text = std::fs::read(folder.join("test_ldnsrr.1")).unwrap();
    let (records, errors) = read_zone(&text, None);
    assert_eq!(errors, []);
    assert!(records.len() > 4000, "{}", records.len());
    for record in &records {
        let text = to_text(record);
        let (again, errors) = read_zone(text.as_bytes(), None);
        assert_eq!(again, std::slice::from_ref(record), "{text} {errors:?}");
    }
}

/// Reading `example`, `example2.good` and `example3.good` gives the same records.
#[test]
fn the_zone_with_nearly_all_types_reads_as_its_canonical_outputs() {
    let Some(folder) = folder("dnspython") else {
        return;
    };
    let read = |name: &str| {
        let text = std::fs::read(folder.join(name)).unwrap();
        let (mut records, errors) = read_zone(&text, Some("example".parse().unwrap()));
        assert_eq!(errors, [], "{name}");
        records.sort();
        records.dedup();
        records
    };
    let (zone, good) = (read("example"), read("example2.good"));
    for (ours, theirs) in zone.iter().zip(&good) {
        assert_eq!(ours, theirs, "{} / {}", to_text(ours), to_text(theirs));
    }
    assert_eq!(zone.len(), good.len());
    assert_eq!(read("example3.good").len(), good.len());
    for record in &zone {
        let (again, errors) = read_zone(to_text(record).as_bytes(), None);
        assert_eq!(
            again,
            std::slice::from_ref(record),
            "{} {errors:?}",
            to_text(record)
        );
    }
}

#[test]
fn our_text_is_that_of_dnspython_but_for_blanks() {
    let Some(folder) = folder("dnspython") else {
        return;
    };
    let text = std::fs::read_to_string(folder.join("example2.good")).unwrap();
    let mut different = Vec::new();
    for line in text.lines() {
        let (records, _) = read_zone(line.as_bytes(), None);
        let ours = to_text(&records[0]);
        let folded = |text: &str| text.replace(['"', ' '], "").to_ascii_lowercase();
        if folded(&ours) != folded(line) {
            different.push(format!("{line}\n{ours}"));
        }
    }
    // They write zeros that addresses need not have, and 64-bit locators as they came.
    assert!(different.len() <= 6, "{}", different.join("\n"));
}

#[test]
fn the_vectors_of_rfc_9460_agree_in_text_and_generic_form() {
    let Some(folder) = folder("dnspython") else {
        return;
    };
    let read = |name: &str| {
        let text = std::fs::read_to_string(folder.join(name)).unwrap();
        let mut records = Vec::new();
        let (mut entry, mut depth) = (String::new(), 0);
        for line in text.lines() {
            let bare = line.split(';').next().unwrap_or_default();
            depth += bare.matches('(').count();
            depth -= bare.matches(')').count();
            entry.push_str(bare);
            entry.push(' ');
            if depth == 0 {
                if !entry.trim().is_empty() {
                    let line = format!("x. 1 IN SVCB {entry}");
                    let (found, errors) = read_zone(line.as_bytes(), None);
                    assert_eq!(found.len(), 1, "{line} {errors:?}");
                    records.extend(found);
                }
                entry.clear();
            }
        }
        records
    };
    let (text, generic) = (
        read("svcb_test_vectors.text"),
        read("svcb_test_vectors.generic"),
    );
    assert!(text.len() > 8);
    assert_eq!(text.len(), generic.len());
    for (text, generic) in text.iter().zip(&generic) {
        assert_eq!(text, generic, "{} / {}", to_text(text), to_text(generic));
    }
}

#[test]
fn zone_files_of_others_are_read_without_error() {
    let Some(folder) = folder("domain-zonefiles") else {
        return;
    };
    let mut files = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let extension = path.extension().unwrap_or_default();
        if extension == "yaml" {
            continue;
        }
        let text = std::fs::read(&path).unwrap();
        let (records, errors) = read_zone(&text, Some("example.com".parse().unwrap()));
        assert_eq!(errors, [], "{path:?}");
        assert!(records.len() > 3, "{path:?}");
        files += 1;
    }
    assert!(files >= 5);
}

/// The texts and what they must give: owner, class, TTL and type in order.
#[test]
fn ttls_are_inherited_as_the_cases_of_domain_say() {
    let Some(folder) = folder("domain-zonefiles") else {
        return;
    };
    let mut files = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().unwrap_or_default() != "yaml" {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let (head, result) = text.split_once("result:").unwrap();
        let (_, zone) = head.split_once("zonefile: |\n").unwrap();
        let zone: String = zone
            .lines()
            .map(|line| format!("{}\n", line.get(2..).unwrap_or_default()))
            .collect();
        let (records, errors) = read_zone(zone.as_bytes(), Some("example.com".parse().unwrap()));
        assert_eq!(errors, [], "{path:?}");
        let value = |line: &str, key: &str| {
            line.trim_start_matches([' ', '-'])
                .strip_prefix(key)
                .map(|text| text.trim().to_owned())
        };
        let owners: Vec<_> = result
            .lines()
            .filter_map(|line| value(line, "owner:"))
            .collect();
        let ttls: Vec<_> = result
            .lines()
            .filter_map(|line| value(line, "ttl:"))
            .collect();
        let ours: Vec<_> = records.iter().map(|record| record.0.to_string()).collect();
        assert_eq!(ours, owners, "{path:?}");
        let ours: Vec<_> = records.iter().map(|record| record.1.to_string()).collect();
        assert_eq!(ours, ttls, "{path:?}");
        files += 1;
    }
    assert!(files >= 5);
}

#[test]
fn samples_in_wire_form_go_to_text_and_back() {
    let Some(folder) = folder("simple-dns-rr-samples") else {
        return;
    };
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let wire = std::fs::read(&path).unwrap();
        let owner = (0..wire.len())
            .find_map(|end| NameRef::from_wire(&wire[..end]).ok())
            .unwrap();
        let at = owner.wire_len();
        let number = |at: usize| u16::from_be_bytes([wire[at], wire[at + 1]]);
        let rdata = &wire[at + 10..at + 10 + usize::from(number(at + 8))];
        let rtype = Type(number(at));
        let data =
            RData::from_wire(rtype, rdata).unwrap_or_else(|error| panic!("{path:?}: {error}"));
        let (mut again, mut encoded) = (Vec::new(), Vec::new());
        RData::parse_text(rtype, &data.to_string(), &Name::root(), &mut again)
            .unwrap_or_else(|error| panic!("{path:?} {data}: {error}"));
        assert_eq!(again, rdata, "{path:?} {data}");
        data.encode(&mut encoded);
        assert_eq!(encoded, rdata, "{path:?}");
        count += 1;
    }
    assert!(count >= 19);
}

/// Every text that can be read gives data that reads as itself; nothing panics.
#[test]
fn seeds_of_text_and_wire_fuzzers_never_panic_and_invert() {
    let Some(folder) = folder("bind-fuzz") else {
        return;
    };
    let mut inverted = 0;
    for entry in std::fs::read_dir(folder.join("dns_rdata_fromtext")).unwrap() {
        let text = std::fs::read(entry.unwrap().path()).unwrap();
        let line = [b"x. 1 ".as_slice(), &text].concat();
        for record in read_zone(&line, None).0 {
            let (again, errors) = read_zone(to_text(&record).as_bytes(), None);
            assert_eq!(
                again,
                std::slice::from_ref(&record),
                "{} {errors:?}",
                to_text(&record)
            );
            inverted += 1;
        }
    }
    for entry in std::fs::read_dir(folder.join("dns_rdata_fromwire_text")).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        let [_, _, rdata @ ..] = &bytes[..] else {
            continue;
        };
        for code in (1..=110).chain(249..=264).chain([32768, 32769]) {
            let rtype = Type(code);
            let Ok(data) = RData::from_wire(rtype, rdata) else {
                continue;
            };
            if rtype.is_meta() {
                let _ = data.to_string();
                continue;
            }
            let mut wire = Vec::new();
            data.encode(&mut wire);
            let text = data.to_string();
            let mut again = Vec::new();
            match RData::parse_text(rtype, &text, &Name::root(), &mut again) {
                Ok(()) => {
                    let second = RData::from_wire(rtype, &again).unwrap();
                    assert_eq!(second.to_string(), text, "{rtype}");
                    inverted += 1;
                }
                Err(error) => {
                    // What no text can say: octets that a type does not want but BIND would keep.
                    assert!(common::has_no_text(rtype), "{rtype} {text}: {error}");
                }
            }
        }
    }
    for name in ["dns_master_load", "dns_name_fromwire"] {
        for entry in std::fs::read_dir(folder.join(name)).unwrap() {
            let text = std::fs::read(entry.unwrap().path()).unwrap();
            let _ = read_zone(&text, Some(Name::root()));
            let _ = NameRef::from_wire(&text);
        }
    }
    assert!(inverted > 100, "{inverted}");
}
