//! Bencode, torrents and magnets against what others say of the same octets.

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

use common::{content, hex, objects, vectors};
use proto_bittorrent::bencode::{self, Doc, Fault, Kind, Mode, Value, Writer};
use proto_bittorrent::hash::{Sha1Hash, Sha256Hash};
use proto_bittorrent::magnet::{Magnet, MagnetError};
use proto_bittorrent::merkle::{self, FileHasher};
use proto_bittorrent::metainfo::{Limits, Metainfo, MetainfoError};
use std::collections::BTreeSet;

/// What the vectors call a fault.
fn fault_name(fault: Fault) -> &'static str {
    match fault {
        Fault::UnexpectedEnd => "eof",
        Fault::ExpectedValue => "expected_value",
        Fault::ExpectedDigit => "expected_digit",
        Fault::ExpectedColon => "expected_colon",
        Fault::LeadingZero => "leading_zero",
        Fault::NegativeZero => "negative_zero",
        Fault::UnsortedKey => "unsorted_key",
        Fault::DuplicateKey => "duplicate_key",
        Fault::TrailingData => "trailing_data",
        Fault::TooDeep(_) => "depth",
        _ => "other",
    }
}

/// Writes anew what was read.
fn rewrite(value: Value<'_>, writer: &mut Writer<'_>) -> Result<(), bencode::WriteError> {
    match value.kind() {
        Kind::Int => writer.int(value.as_int().unwrap()),
        Kind::Bytes => writer.bytes(value.as_bytes().unwrap()),
        Kind::List => {
            writer.begin_list()?;
            value.items().try_for_each(|item| rewrite(item, writer))?;
            writer.end()
        }
        Kind::Dict => {
            writer.begin_dict()?;
            for (key, value) in value.entries() {
                writer.key(key)?;
                rewrite(value, writer)?;
            }
            writer.end()
        }
    }
}

#[test]
fn bencode_cases_have_their_verdicts() {
    let Some(folder) = vectors("bencode") else {
        return;
    };
    let limits = bencode::Limits::default();
    let mut wrong = Vec::new();
    for case in objects(&folder.join("cases.jsonl")) {
        let octets = hex(&case["hex"]);
        let strict = Doc::parse(&octets, Mode::Strict, &limits);
        let lenient = Doc::parse(&octets, Mode::Lenient, &limits);
        let expected = case["strict"].as_str().unwrap();
        let is_right = match &strict {
            Ok(doc) => {
                let mut out = Vec::new();
                rewrite(doc.root(), &mut Writer::new(&mut out)).unwrap();
                expected == "accept" && out == octets && doc.deviation().is_none()
            }
            Err(error) if expected == "accept_bigint_or_range_error" => {
                error.fault == Fault::IntegerRange
            }
            Err(error) => {
                let why = case["strict_why"].as_str().unwrap_or("");
                expected == "reject" && fault_name(error.fault) == why
            }
        };
        // libtorrent refuses the hundredth level, which is canonical: we take it.
        let accepts = case["libtorrent_bdecode"] == "accept" || strict.is_ok();
        if !is_right || lenient.is_ok() != accepts {
            wrong.push(format!("{case}: {strict:?} {:?}", lenient.map(|_| ())));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// libtorrent's name for why we refuse a torrent.
fn error_name(error: MetainfoError) -> &'static str {
    match error {
        MetainfoError::Bencode(_) => "invalid_bencoding",
        MetainfoError::NotADictionary => "torrent_is_no_dict",
        MetainfoError::MissingInfo => "torrent_missing_info",
        MetainfoError::PieceLength => "torrent_missing_piece_length",
        MetainfoError::MissingName => "torrent_missing_name",
        MetainfoError::Length => "torrent_invalid_length",
        MetainfoError::NoFiles => "no_files_in_torrent",
        MetainfoError::MissingPieces => "torrent_missing_pieces",
        MetainfoError::PieceHashes { .. } => "torrent_invalid_hashes",
        MetainfoError::TooManyPieces(_) => "too_many_pieces_in_torrent",
        MetainfoError::FileTree => "torrent_missing_file_tree",
        MetainfoError::PadFile => "torrent_invalid_pad_file",
        MetainfoError::MissingPiecesRoot => "torrent_missing_pieces_root",
        MetainfoError::PieceLayer => "torrent_invalid_piece_layer",
        MetainfoError::InconsistentFiles => "torrent_inconsistent_files",
        _ => "other",
    }
}

#[test]
fn torrents_have_their_outcomes() {
    let Some(folder) = vectors("metainfo") else {
        return;
    };
    let mut wrong = Vec::new();
    for case in objects(&folder.join("expected.jsonl")) {
        let path = folder.join(case["id"].as_str().unwrap());
        let octets = std::fs::read(&path).unwrap();
        let parsed = Metainfo::parse(octets.clone(), &Limits::default());
        let mut check = |what: &str, is_right: bool| {
            if !is_right {
                wrong.push(format!("{}: {what}: {parsed:?} {case}", path.display()));
            }
        };
        if case["expect"] == "reject" {
            match (&parsed, case["libtorrent_error"].as_str()) {
                (Err(error), Some(name)) => check("error", error_name(*error) == name),
                (Err(error), None) => {
                    let text = case["error_text"].as_str().unwrap();
                    check(
                        "error",
                        text.starts_with("missing name")
                            && error_name(*error) == "torrent_missing_name",
                    );
                }
                (Ok(_), _) => check("accepted", false),
            }
            continue;
        }
        let Ok(torrent) = &parsed else {
            check("refused", false);
            continue;
        };
        check(
            "canonical",
            torrent.is_canonical() == case["canonical_bencode"],
        );
        check("v1", torrent.info_hash_v1().is_some() == case["has_v1"]);
        check("v2", torrent.info_hash_v2().is_some() == case["has_v2"]);
        check(
            "info_sha1",
            Sha1Hash::of(&torrent.info()).to_string() == case["info_sha1"],
        );
        check(
            "info_sha256",
            Sha256Hash::of(&torrent.info()).to_string() == case["info_sha256"],
        );
        check("piece_length", torrent.piece_len() == case["piece_length"]);
        check("num_pieces", torrent.piece_count() == case["num_pieces"]);
        check("private", torrent.is_private() == case["private"]);
        check(
            "name",
            torrent.raw_name().is_empty() == case["name"].as_str().unwrap().is_empty(),
        );
        let has_v1 = torrent.info_hash_v1().is_some();
        let expected_files: Vec<_> = case["files"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|file| has_v1 || file["flags"].as_u64().unwrap() & 1 == 0)
            .collect();
        for (file, expected) in torrent.files().zip(&expected_files) {
            check(
                "file size",
                file.len() == expected["size"].as_u64().unwrap(),
            );
            let flags = expected["flags"].as_u64().unwrap();
            let attributes = file.attributes();
            check("pad", attributes.is_pad == (flags & 1 != 0));
            check("hidden", attributes.is_hidden == (flags & 2 != 0));
            check("executable", attributes.is_executable == (flags & 4 != 0));
            check("symlink", attributes.is_symlink == (flags & 8 != 0));
        }
        let total = case["total_size"].as_u64().unwrap();
        if has_v1 {
            check(
                "num_files",
                torrent.files().len() as u64 == case["num_files"].as_u64().unwrap(),
            );
            check("total_size", torrent.layout_len() == total);
        } else {
            // libtorrent pads the last file of a v2 torrent too.
            let piece_len = u64::from(torrent.piece_len());
            let padded = torrent.layout_len().next_multiple_of(piece_len);
            check("total_size", padded == total.next_multiple_of(piece_len));
        }
        let strings = |key: &str| -> Vec<String> {
            let list = case[key].as_array().unwrap();
            list.iter()
                .map(|item| item.as_str().unwrap().to_owned())
                .collect()
        };
        let trackers: Vec<String> = torrent.trackers().map(str::to_owned).collect();
        check("trackers", trackers == strings("trackers"));
        // libtorrent gives them in no order.
        let urls: BTreeSet<String> = torrent.url_seeds().map(str::to_owned).collect();
        check(
            "url_seeds",
            urls == strings("url_seeds").into_iter().collect(),
        );
        check(
            "dht_nodes",
            torrent.nodes().count() == case["dht_nodes"].as_array().unwrap().len(),
        );

        let mut names = BTreeSet::new();
        for file in torrent.files().filter(|file| !file.attributes().is_pad) {
            let path = file.path();
            check("collision", names.insert(path.as_str().to_lowercase()));
            for part in path.components() {
                let is_safe = !part.is_empty()
                    && part != "."
                    && part != ".."
                    && !part.contains(['/', '\\', '\0']);
                check("unsafe path", is_safe);
            }
        }
        let pieces: u64 = (0..torrent.piece_count())
            .map(|index| u64::from(torrent.len_of_piece(index)))
            .sum();
        let expected = if has_v1 {
            torrent.layout_len()
        } else {
            torrent.total_len()
        };
        check("sum of the pieces", pieces == expected);
        let alone = Metainfo::parse_info(torrent.info(), &Limits::default()).unwrap();
        check("info alone", alone.swarm_hash() == torrent.swarm_hash());
    }
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn magnets_have_their_outcomes() {
    let Some(folder) = vectors("magnet") else {
        return;
    };
    let mut wrong = Vec::new();
    for case in objects(&folder.join("cases.jsonl")) {
        let link: Vec<u8> = case["uri_latin1"]
            .as_str()
            .unwrap()
            .chars()
            .map(|c| c as u8)
            .collect();
        let parsed = Magnet::parse(&link);
        let magnet = match (&parsed, case["libtorrent"].as_str().unwrap()) {
            (Err(_), "reject") => continue,
            (Ok(magnet), "accept") => magnet,
            _ => {
                wrong.push(format!("{case}: {parsed:?}"));
                continue;
            }
        };
        let text = |value: Option<String>| value.map_or(serde_json::Value::Null, Into::into);
        let priorities = case["file_priorities"].as_array().unwrap();
        let is_right = text(magnet.v1.map(|hash| hash.to_string())) == case["v1"]
            && text(magnet.v2.map(|hash| hash.to_string())) == case["v2"]
            && magnet.name.as_deref().unwrap_or("") == case["name"]
            && serde_json::json!(magnet.trackers) == case["trackers"]
            && serde_json::json!(magnet.url_seeds) == case["url_seeds"]
            && serde_json::json!(magnet.nodes) == case["dht_nodes"]
            && magnet
                .peers
                .iter()
                .map(|peer| serde_json::json!([peer.ip().to_string(), peer.port()]))
                .collect::<Vec<_>>()
                == *case["peers"].as_array().unwrap()
            && priorities.iter().enumerate().all(|(index, priority)| {
                magnet.selects(index as u32) == (priority.as_u64().unwrap() > 0)
            });
        if !is_right {
            wrong.push(format!("{case}: {magnet:?}"));
        }
        let again: Magnet = magnet.to_string().parse().unwrap();
        assert_eq!(&again, magnet, "{magnet}");
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn merkle_roots_are_known() {
    let Some(folder) = vectors("kat") else { return };
    let text = std::fs::read_to_string(folder.join("bep52_merkle.json")).unwrap();
    let known: serde_json::Value = serde_json::from_str(&text).unwrap();
    for case in known["cases"].as_array().unwrap() {
        let octets = content(case["len"].as_u64().unwrap() as usize);
        for piece_len in [16 * 1024, 64 * 1024, 1 << 20] {
            let mut hasher = FileHasher::new(piece_len);
            octets.chunks(10_000).for_each(|piece| hasher.update(piece));
            let hashes = hasher.finish();
            assert_eq!(hashes.root.to_string(), case["pieces_root"], "{case}");
            if !hashes.layer.is_empty() {
                let height = merkle::piece_height(piece_len);
                assert_eq!(merkle::root(&hashes.layer, height), hashes.root);
            }
        }
    }
}

#[test]
fn a_node_is_proved_by_its_siblings_and_by_no_others() {
    let leaves: Vec<Sha256Hash> = (0..5_u8).map(|n| Sha256Hash::of(&[n])).collect();
    let root = merkle::root(&leaves, 0);
    let padded: Vec<_> = leaves.iter().copied().chain([merkle::pad(0); 3]).collect();
    let up = |level: &[Sha256Hash]| -> Vec<_> {
        level
            .chunks(2)
            .map(|pair| Sha256Hash::of_pair(&pair[0], &pair[1]))
            .collect()
    };
    let (one, two) = (up(&padded), up(&up(&padded)));
    for index in 0..8 {
        let siblings = [
            padded[index ^ 1],
            one[(index / 2) ^ 1],
            two[(index / 4) ^ 1],
        ];
        assert!(merkle::proves(
            &root,
            index as u64,
            &padded[index],
            &siblings
        ));
        assert!(!merkle::proves(
            &root,
            index as u64 + 8,
            &padded[index],
            &siblings
        ));
        assert!(!merkle::proves(
            &root,
            index as u64,
            &Sha256Hash::of(b"x"),
            &siblings
        ));
        assert!(!merkle::proves(
            &root,
            index as u64,
            &padded[index],
            &siblings[..2]
        ));
    }
}

#[test]
fn a_million_nested_lists_are_an_error() {
    let limits = bencode::Limits::default();
    for octet in [b'l', b'd'] {
        let deep = vec![octet; 1_000_000];
        let error = Doc::parse(&deep, Mode::Lenient, &limits).unwrap_err();
        assert!(
            matches!(error.fault, Fault::TooDeep(100) | Fault::ExpectedDigit),
            "{error}"
        );
    }
}

#[test]
fn depth_that_was_allowed_overflows_no_stack() {
    let mut limits = bencode::Limits::default();
    limits.max_depth = u32::MAX;
    let deep = [vec![b'l'; 1_000_000], vec![b'e'; 1_000_000]].concat();
    let doc = Doc::parse(&deep, Mode::Strict, &limits).unwrap();
    let shown = format!("{doc:?}");
    assert_eq!(shown.len(), 2_000_000);
    assert_eq!(doc.root().raw().len(), deep.len());
    drop(doc);
}

#[test]
fn limits_of_a_document_hold() {
    let mut limits = bencode::Limits::default();
    limits.max_len = 10;
    let error = Doc::parse(b"l3:abc3:defe", Mode::Strict, &limits).unwrap_err();
    assert_eq!(error.fault, Fault::TooLong(10));
    let mut limits = bencode::Limits::default();
    limits.max_tokens = 3;
    assert!(Doc::parse(b"li1ei2ee", Mode::Strict, &limits).is_ok());
    let error = Doc::parse(b"li1ei2ei3ee", Mode::Strict, &limits).unwrap_err();
    assert_eq!(error.fault, Fault::TooManyTokens(3));
}

#[test]
fn debug_shows_a_document_as_it_is() {
    let doc = Doc::parse(
        b"d1:ali1e2:\xff\0e1:bdee",
        Mode::Strict,
        &bencode::Limits::default(),
    )
    .unwrap();
    assert_eq!(format!("{doc:?}"), r#"{"a", [1, "\xff\x00"], "b", {}}"#);
}

#[test]
fn a_magnet_needs_an_info_hash() {
    assert_eq!(
        "magnet:?dn=x".parse::<Magnet>(),
        Err(MagnetError::MissingInfoHash)
    );
    assert_eq!("http://x".parse::<Magnet>(), Err(MagnetError::NotAMagnet));
    assert_eq!(
        "magnet:?xt=%z".parse::<Magnet>(),
        Err(MagnetError::Escape(11))
    );
}
