//! Messages that others have collected: none may do harm, and what is read is written again.

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

use common::{contents, raw, rebuild, utopia, vectors};
use proto_dns::wire::{Message, Name, RData, Type};
use proto_dns::{DecodeError, Transport};
use std::fs;
use std::path::Path;

/// How many messages of a collection were read, and how many refused.
#[derive(Debug, Default, PartialEq)]
struct Tally {
    read: usize,
    refused: usize,
}

impl Tally {
    fn take(&mut self, octets: &[u8]) -> Option<DecodeError> {
        let mut reply = [0; 1232];
        let _ = utopia().answer(octets, Transport::Udp, &mut reply);
        let message = match Message::parse(octets) {
            Ok(message) => message,
            Err(error) => {
                self.refused += 1;
                return Some(error);
            }
        };
        self.read += 1;
        let again = rebuild(&message);
        let again = Message::parse(&again).unwrap();
        assert_eq!(contents(&again), contents(&message));
        // Once more from what is compressed by ourselves: nothing is left to gain.
        assert_eq!(rebuild(&again).len(), again.octets().len());
        None
    }
}

fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .collect();
    files.sort();
    files
}

#[test]
fn raw_messages_of_bind_and_c_ares_do_no_harm() {
    for (folder, least) in [
        ("bind-fuzz/dns_message_parse", 100),
        ("c-ares-fuzzinput", 3),
    ] {
        let Some(path) = vectors(folder) else {
            continue;
        };
        let mut tally = Tally::default();
        for file in files(&path) {
            let _ = tally.take(&fs::read(&file).unwrap());
        }
        eprintln!("{folder}: {tally:?}");
        assert!(tally.read > least, "{folder}: {tally:?}");
    }
}

/// Hex digits up to a comment or the end of the line.
fn unhex(line: &str) -> Option<Vec<u8>> {
    let line = line.split(';').next().unwrap_or_default().trim();
    let digits: String = line.split_whitespace().collect();
    if digits.len() < 24 || !digits.len().is_multiple_of(2) {
        return None;
    }
    (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok())
        .collect()
}

#[test]
fn live_traffic_of_unbound_is_read_and_written_again() {
    let Some(path) = vectors("unbound-packets") else {
        return;
    };
    let text = fs::read_to_string(path.join("test_packets.2")).unwrap();
    let mut tally = Tally::default();
    for line in text.lines() {
        if let Some(octets) = unhex(line)
            && let Some(error) = tally.take(&octets)
        {
            // What is refused are pieces of TCP headers that got among them.
            assert!(octets.len() <= 20, "{error}: {line}");
        }
    }
    eprintln!("test_packets.2: {tally:?}");
    assert!(tally.read > 10, "{tally:?}");
}

#[test]
fn odd_packets_of_unbound_do_no_harm() {
    let Some(path) = vectors("unbound-packets") else {
        return;
    };
    for file in [
        "test_packets.4",
        "test_packets.6",
        "test_packets.8",
        "test_packets.9",
    ] {
        let Ok(text) = fs::read_to_string(path.join(file)) else {
            continue;
        };
        let mut tally = Tally::default();
        for packet in text.split(";-- next packet --") {
            let digits: String = packet
                .lines()
                .map(|line| line.split(';').next().unwrap_or_default())
                .flat_map(str::split_whitespace)
                .collect();
            if let Some(octets) = unhex(&digits) {
                let _ = tally.take(&octets);
            }
        }
        eprintln!("{file}: {tally:?}");
        assert!(tally.read + tally.refused > 0, "{file}");
    }
}

#[test]
fn single_records_of_simple_dns_are_read() {
    let Some(path) = vectors("simple-dns-rr-samples") else {
        return;
    };
    let mut tally = Tally::default();
    for file in files(&path) {
        let message = raw([0, 1, 0, 0], &fs::read(&file).unwrap());
        assert_eq!(tally.take(&message), None, "{}", file.display());
        let message = Message::parse(&message).unwrap();
        let record = message.answers().next().unwrap();
        let data = record.data().unwrap();
        let file = file.file_name().unwrap().to_str().unwrap().to_string();
        let rtype = file.split('.').next().unwrap();
        if let Ok(known) = rtype.parse::<Type>() {
            assert_eq!(record.rtype, known, "{file}");
            let opaque = matches!(data, RData::Unknown { .. });
            assert!(!opaque, "{file}");
        }
    }
    assert!(tally.read > 10, "{tally:?}");
}

#[test]
fn hex_dumps_of_bind_are_read() {
    let Some(path) = vectors("bind-wire") else {
        return;
    };
    let mut tally = Tally::default();
    for file in files(&path) {
        let digits: String = fs::read_to_string(&file)
            .unwrap()
            .lines()
            .map(|line| line.split('#').next().unwrap_or_default())
            .flat_map(str::split_whitespace)
            .collect();
        let octets = unhex(&digits).unwrap();
        let fault = tally.take(&octets);
        eprintln!("{}: {fault:?}", file.display());
    }
    assert!(tally.read > 0, "{tally:?}");
}

#[test]
fn names_from_fuzzing_are_read_or_refused() {
    if let Some(path) = vectors("c-ares-fuzznames") {
        for file in files(&path) {
            let text = fs::read(&file).unwrap();
            if let Ok(name) = String::from_utf8_lossy(&text).trim().parse::<Name>() {
                assert_eq!(name.to_string().parse::<Name>(), Ok(name));
            }
        }
    }
    if let Some(path) = vectors("bind-fuzz/dns_name_fromwire") {
        let mut tally = Tally::default();
        for file in files(&path) {
            // As a whole message, and as what follows a header.
            let octets = fs::read(&file).unwrap();
            let _ = tally.take(&octets);
            let _ = tally.take(&raw([1, 0, 0, 0], &octets));
            let _ = Name::from_wire(&octets);
        }
        eprintln!("dns_name_fromwire: {tally:?}");
        assert!(tally.read + tally.refused > 10);
    }
}
