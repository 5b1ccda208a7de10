//! Known answers: the Huffman code, and the shared vectors.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test fails by panicking"
)]

mod common;

use bytes::BytesMut;
use common::{Driven, hex, skip, vectors};
use proto_http2::hpack::{BlockLimits, Decoder, Encoder, HpackFault, huffman};
use proto_http2::wire::{Frame, FrameHeader, HEADER_LEN, RawFrame, StreamDependency};
use proto_http2::{Event, Limits};
use serde_json::Value;
use std::fs;

type List = Vec<(Vec<u8>, Vec<u8>)>;

fn limits() -> BlockLimits {
    let mut limits = BlockLimits::default();
    limits.max_list_size = 1 << 20;
    limits.max_fields = 10_000;
    limits
}

fn decode(decoder: &mut Decoder, block: &[u8]) -> Result<List, HpackFault> {
    let mut list = Vec::new();
    decoder.decode(block, &limits(), |field| {
        list.push((field.name.to_vec(), field.value.to_vec()));
    })?;
    Ok(list)
}

#[test]
fn huffman_rejects_what_is_no_code() {
    let mut out = Vec::new();
    for octet in 0..=255u8 {
        let mut code = Vec::new();
        huffman::encode(&[octet, b'a', octet], &mut code);
        assert_eq!(code.len(), huffman::encoded_len(&[octet, b'a', octet]));
        out.clear();
        huffman::decode(&code, &mut out, 3).unwrap();
        assert_eq!(out, [octet, b'a', octet]);
        code.push(0xff);
        assert!(
            huffman::decode(&code, &mut out, 99).is_err(),
            "eight bits of padding"
        );
    }
    for wrong in ["3fffffff", "1c64ff", "ff", "00000000fffffffc00", "18"] {
        assert!(
            huffman::decode(&hex(wrong), &mut out, 99).is_err(),
            "{wrong}"
        );
    }
}

fn stories(folder: &str) -> Option<Vec<Value>> {
    let folder = vectors().join("http2/hpack-test-case").join(folder);
    let mut files: Vec<_> = fs::read_dir(folder)
        .ok()?
        .map(|f| f.unwrap().path())
        .collect();
    files.sort();
    Some(
        files
            .iter()
            .map(|file| serde_json::from_slice(&fs::read(file).unwrap()).unwrap())
            .collect(),
    )
}

fn fields(case: &Value) -> List {
    let headers = case["headers"].as_array().unwrap().iter();
    headers
        .map(|header| {
            let (name, value) = header.as_object().unwrap().iter().next().unwrap();
            (
                name.clone().into_bytes(),
                value.as_str().unwrap().as_bytes().to_vec(),
            )
        })
        .collect()
}

#[test]
fn every_story_decodes() {
    for folder in [
        "nghttp2",
        "nghttp2-change-table-size",
        "nghttp2-16384-4096",
        "haskell-http2-linear",
    ] {
        let Some(stories) = stories(folder) else {
            return skip("the HPACK stories");
        };
        for story in stories {
            let first = story["cases"][0]["header_table_size"]
                .as_u64()
                .unwrap_or(4096);
            let mut decoder = Decoder::new(u32::try_from(first).unwrap());
            for case in story["cases"].as_array().unwrap() {
                if let Some(size) = case["header_table_size"].as_u64() {
                    decoder.set_max_size(u32::try_from(size).unwrap());
                }
                let wire = hex(case["wire"].as_str().unwrap());
                assert_eq!(
                    decode(&mut decoder, &wire).unwrap(),
                    fields(case),
                    "{folder} {case}"
                );
            }
        }
    }
}

/// What the encoder makes is read by the decoder, and is no larger than what nghttp2 makes.
#[test]
fn every_story_encodes_and_is_small() {
    let (Some(raw), Some(theirs)) = (stories("raw-data"), stories("nghttp2")) else {
        return skip("the HPACK stories");
    };
    let (mut ours, mut text) = (0, 0);
    for story in &raw {
        let (mut encoder, mut decoder) = (Encoder::new(4096), Decoder::new(4096));
        for case in story["cases"].as_array().unwrap() {
            let mut block = Vec::new();
            encoder.begin(&mut block);
            let list = fields(case);
            for (name, value) in &list {
                encoder.field(&mut block, name, value, false);
                text += name.len() + value.len();
            }
            ours += block.len();
            assert_eq!(decode(&mut decoder, &block).unwrap(), list);
        }
    }
    let cases = theirs
        .iter()
        .flat_map(|story| story["cases"].as_array().unwrap());
    let theirs: usize = cases
        .map(|case| case["wire"].as_str().unwrap().len() / 2)
        .sum();
    println!("ours {ours}, nghttp2 {theirs}, text {text}");
    assert!(ours <= theirs, "{ours} octets, nghttp2 {theirs}");
}

fn text(value: &Value) -> Vec<u8> {
    value.as_str().unwrap_or_default().as_bytes().to_vec()
}

#[test]
fn every_frame_vector_decodes_or_fails_with_its_code() {
    let folder = vectors().join("http2/http2-frame-test-case");
    let Ok(folders) = fs::read_dir(folder) else {
        return skip("the frame vectors");
    };
    let mut count = 0;
    for kind in folders.map(|f| f.unwrap().path()).filter(|f| f.is_dir()) {
        for file in fs::read_dir(kind).unwrap().map(|f| f.unwrap().path()) {
            let case: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
            let wire = hex(case["wire"].as_str().unwrap());
            let told = file.display();
            count += 1;
            let result = RawFrame::decode(&mut BytesMut::from(&wire[..]), 16_384);
            if let Some(codes) = case["error"].as_array() {
                let error = match result {
                    Err(error) => error,
                    Ok(frame) => frame.expect("a whole frame").frame().expect_err("an error"),
                };
                let code = u64::from(error.code.0);
                assert!(
                    codes.iter().any(|c| c.as_u64() == Some(code)),
                    "{told}: {error:?}"
                );
                continue;
            }
            let frame = result.unwrap().unwrap();
            assert_eq!(frame.payload.len() + HEADER_LEN, wire.len(), "{told}");
            let parsed = frame.frame().unwrap();
            let expected = &case["frame"];
            assert_eq!(
                u64::from(frame.header.kind.0),
                expected["type"].as_u64().unwrap(),
                "{told}"
            );
            assert_eq!(
                u64::from(frame.header.flags),
                expected["flags"].as_u64().unwrap(),
                "{told}"
            );
            let payload = &expected["frame_payload"];
            match parsed {
                Frame::Data { data, .. } => assert_eq!(data, text(&payload["data"]), "{told}"),
                Frame::Priority { priority, .. } => {
                    assert_eq!(Some(u64::from(priority.weight)), payload["weight"].as_u64());
                    assert_eq!(
                        Some(u64::from(priority.on)),
                        payload["stream_dependency"].as_u64()
                    );
                }
                Frame::GoAway { debug, .. } => {
                    assert_eq!(debug, text(&payload["additional_debug_data"]), "{told}");
                }
                _ => {}
            }
            // Padding of these vectors is no zeros, so frames with it are only re-parsed.
            let mut again = BytesMut::new();
            frame.encode(&mut again);
            assert_eq!(again, wire, "{told}");
            let mut built = BytesMut::new();
            parsed.encode(&mut built);
            let header = FrameHeader::parse(built.first_chunk().unwrap());
            assert_eq!(
                Frame::parse(header, &built[HEADER_LEN..]).unwrap(),
                parsed,
                "{told}"
            );
        }
    }
    assert!(count > 0);
}

/// In one piece, and octet by octet: the same events and the same frames.
#[test]
fn recorded_clients_give_the_same_in_all_pieces() {
    let folder = vectors().join("http2/nghttp2-fuzz-corpus");
    if !folder.is_dir() {
        return skip("nghttp2's corpus");
    }
    let show = |driven: &Driven| {
        let mut shown = Vec::new();
        let mut body = Vec::new();
        for event in &driven.events {
            match event {
                Event::Data { id, data, end } => body.push((*id, data.clone(), *end)),
                other => shown.push(format!("{other:?}")),
            }
        }
        (shown, body, driven.error)
    };
    for kind in ["h2spec", "nghttp"] {
        for file in fs::read_dir(folder.join(kind)).unwrap() {
            let octets = fs::read(file.unwrap().path()).unwrap();
            let mut whole = Driven::server(Limits::default());
            whole.feed(&octets);
            whole.drain();
            let mut split = Driven::server(Limits::default());
            for octet in &octets {
                split.feed([*octet]);
            }
            split.drain();
            assert_eq!(show(&whole), show(&split));
            assert_eq!(whole.sent, split.sent);
        }
    }
}

#[test]
fn a_dependency_has_weights_from_1_to_256() {
    for weight in [1, 16, 256] {
        let priority = StreamDependency {
            on: 3,
            exclusive: true,
            weight,
        };
        let mut wire = BytesMut::new();
        Frame::Priority {
            stream: 5,
            priority,
        }
        .encode(&mut wire);
        let frame = RawFrame::decode(&mut wire, 16_384).unwrap().unwrap();
        assert_eq!(
            frame.frame(),
            Ok(Frame::Priority {
                stream: 5,
                priority
            })
        );
    }
}
