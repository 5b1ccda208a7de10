//! Sessions that libtorrent and opentracker were recorded in, at every fragmentation.

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

use bytes::BytesMut;
use common::{content, hex, objects, vectors};
use core::time::Duration;
use proto_bittorrent::Limits;
use proto_bittorrent::hash::{PeerId, Sha1Hash};
use proto_bittorrent::metainfo::{self, Metainfo};
use proto_bittorrent::peer::{Config, Connection, Event, Torrent};
use proto_bittorrent::tracker::udp::{Request, Response};
use proto_bittorrent::tracker::{http, udp};
use proto_bittorrent::wire::{Decoder, Handshake, Message, MetadataMessage, allowed_fast};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const NOW: Duration = Duration::ZERO;

/// The octets of each direction of each connection, in order.
fn streams(name: &str) -> Option<BTreeMap<(u64, String), Vec<u8>>> {
    let folder = vectors("sessions")?;
    let mut streams = BTreeMap::new();
    for chunk in objects(&folder.join(format!("{name}.jsonl"))) {
        let key = (
            chunk["conn"].as_u64().unwrap(),
            chunk["dir"].as_str().unwrap().to_owned(),
        );
        streams
            .entry(key)
            .or_insert_with(Vec::new)
            .extend(hex(&chunk["hex"]));
    }
    Some(streams)
}

fn torrent(name: &str) -> Metainfo {
    let folder = vectors("sessions").unwrap();
    let octets = std::fs::read(folder.join(name)).unwrap();
    Metainfo::parse(octets, &metainfo::Limits::default()).unwrap()
}

/// Reads a stream in pieces of `cut` octets.
fn read(octets: &[u8], cut: usize) -> (Option<Handshake>, Vec<Message>) {
    let (mut input, mut decoder) = (BytesMut::new(), Decoder::default());
    let (mut handshake, mut messages) = (None, Vec::new());
    for piece in octets.chunks(cut) {
        input.extend_from_slice(piece);
        if handshake.is_none() {
            handshake = Handshake::decode(&mut input).unwrap();
            if handshake.is_none() {
                continue;
            }
        }
        while let Some(message) = decoder.decode(&mut input).unwrap() {
            messages.push(message);
        }
    }
    assert!(input.is_empty(), "{} octets are left", input.len());
    (handshake, messages)
}

/// A message as the expected results show it.
fn shown(message: &Message, expected: &Value) -> Value {
    let mut wire = BytesMut::new();
    message.encode(&mut wire);
    let mut shown = json!({ "len": wire.len() - 4 });
    let mut set = |key: &str, value: Value| shown[key] = value;
    let (id, name) = match message {
        Message::KeepAlive => return json!({ "keepalive": true }),
        Message::Choke => (0, "choke"),
        Message::Unchoke => (1, "unchoke"),
        Message::Interested => (2, "interested"),
        Message::NotInterested => (3, "not_interested"),
        Message::Have { piece } => {
            set("index", json!(piece));
            (4, "have")
        }
        Message::Bitfield(_) => (5, "bitfield"),
        Message::Request(block) => {
            set("index", json!(block.piece));
            set("begin", json!(block.begin));
            set("length", json!(block.len));
            (6, "request")
        }
        Message::Piece { piece, begin, data } => {
            set("index", json!(piece));
            set("begin", json!(begin));
            set("data_len", json!(data.len()));
            set("data_sha1", json!(Sha1Hash::of(data).to_string()));
            (7, "piece")
        }
        Message::Cancel(_) => (8, "cancel"),
        Message::HaveAll => (14, "have_all"),
        Message::HaveNone => (15, "have_none"),
        Message::AllowedFast { piece } => {
            set("index", json!(piece));
            (17, "allowed_fast")
        }
        Message::Extended { id, payload } => {
            set("ext_id", json!(id));
            let text: String = payload.iter().map(|octet| char::from(*octet)).collect();
            let most = expected["payload_ascii"]
                .as_str()
                .map_or(0, |text| text.chars().count());
            set(
                "payload_ascii",
                json!(text.chars().take(most).collect::<String>()),
            );
            (20, "extended")
        }
        Message::HashRequest(_) => (21, "hash_request"),
        Message::Hashes { .. } => (22, "hashes"),
        other => panic!("{other:?}"),
    };
    set("id", json!(id));
    set("name", json!(name));
    shown
}

#[test]
fn recorded_messages_are_the_expected_ones_at_every_fragmentation() {
    for name in ["v1_plain", "v1_magnet", "v2_plain"] {
        let Some(streams) = streams(name) else { return };
        let folder = vectors("sessions").unwrap();
        let text = std::fs::read_to_string(folder.join(format!("{name}.expected.json"))).unwrap();
        let expected: Value = serde_json::from_str(&text).unwrap();
        for direction in expected.as_array().unwrap() {
            let key = (
                direction["conn"].as_u64().unwrap(),
                direction["dir"].as_str().unwrap().to_owned(),
            );
            let octets = &streams[&key];
            assert_eq!(octets.len() as u64, direction["bytes"].as_u64().unwrap());
            let (handshake, messages) = read(octets, octets.len());
            let wanted = direction["messages"].as_array().unwrap();
            let handshake = handshake.unwrap();
            let first = &wanted[0]["handshake"];
            assert_eq!(
                format!("{:?}", handshake.reserved),
                first["reserved"].as_str().unwrap()
            );
            assert_eq!(
                handshake.info_hash.to_string(),
                first["info_hash"].as_str().unwrap()
            );
            assert_eq!(messages.len(), wanted.len() - 1);
            for (message, wanted) in messages.iter().zip(&wanted[1..]) {
                let shown = shown(message, wanted);
                for (field, value) in shown.as_object().unwrap() {
                    assert_eq!(
                        Some(value),
                        wanted.get(field),
                        "{name}: {message:?} {wanted}"
                    );
                }
            }
            for cut in [1, 2, 3, 7, 13, 1460, 16_384, 16_397] {
                assert_eq!(
                    read(octets, cut),
                    (Some(handshake), messages.clone()),
                    "{cut}"
                );
            }
        }
    }
}

#[test]
fn messages_are_written_as_they_were_read() {
    for name in ["v1_plain", "v1_magnet", "v2_plain"] {
        let Some(streams) = streams(name) else { return };
        for octets in streams.values() {
            let (handshake, messages) = read(octets, octets.len());
            let mut wire = BytesMut::new();
            handshake.unwrap().encode(&mut wire);
            messages
                .iter()
                .for_each(|message| message.encode(&mut wire));
            assert!(&wire[..] == octets, "{name}");
        }
    }
}

/// A leech of ours against what a seed of libtorrent said: the requests are made in the order in
/// which the answers came.
#[test]
fn a_recorded_seed_serves_our_leech() {
    let Some(streams) = streams("v1_plain") else {
        return;
    };
    let torrent = torrent("s_v1.torrent");
    let wanted = content(150_000);
    let seed = streams.iter().find(|((_, dir), _)| dir == "<").unwrap().1;
    for cut in [1, 5, 1000, seed.len()] {
        let config = Config::new(PeerId([7; 20]));
        let mut leech = Connection::outgoing(NOW, config, Limits::default(), Torrent::of(&torrent));
        let (_, messages) = read(seed, seed.len());
        let mut requested: Vec<_> =
            messages
                .iter()
                .filter_map(|message| match message {
                    Message::Piece { piece, begin, data } => Some(
                        proto_bittorrent::wire::Block::new(*piece, *begin, data.len() as u32),
                    ),
                    _ => None,
                })
                .collect();
        let (mut input, mut got) = (BytesMut::new(), vec![0; wanted.len()]);
        for piece in seed.chunks(cut) {
            input.extend_from_slice(piece);
            while let Some(event) = leech.poll_event(NOW, &mut input).unwrap() {
                match event {
                    Event::Unchoked => {
                        for block in requested.drain(..) {
                            leech.request(block).unwrap();
                        }
                    }
                    Event::Block { block, data } => {
                        let at = block.piece as usize * 32_768 + block.begin as usize;
                        got[at..at + data.len()].copy_from_slice(&data);
                    }
                    Event::RequestFailed { .. } => panic!("{event:?}"),
                    _ => {}
                }
            }
        }
        assert!(got == wanted, "{cut}");
        assert_eq!(leech.open_requests().len(), 0);
        assert_eq!(leech.stats().payload_in, 150_000);
        for index in 0..torrent.piece_count() {
            let start = index as usize * 32_768;
            let end = (start + 32_768).min(got.len());
            assert_eq!(
                torrent.piece_hash(index),
                Some(Sha1Hash::of(&got[start..end]))
            );
        }
    }
}

/// A seed of ours against what a leech of libtorrent said.
#[test]
fn a_recorded_leech_is_served_by_our_seed() {
    let Some(streams) = streams("v1_plain") else {
        return;
    };
    let torrent = torrent("s_v1.torrent");
    let file = bytes::Bytes::from(content(150_000));
    let leech = streams.iter().find(|((_, dir), _)| dir == ">").unwrap().1;
    let mut seed = Connection::incoming(NOW, Config::new(PeerId([7; 20])), Limits::default(), 1);
    let (mut input, mut wire, mut requests) = (BytesMut::from(&leech[..]), BytesMut::new(), 0);
    loop {
        let event = seed.poll_event(NOW, &mut input).unwrap();
        while let Some(proto_bittorrent::stream::Transmit::Data(data)) =
            seed.poll_transmit(NOW, 1460)
        {
            wire.extend_from_slice(&data);
        }
        match event {
            Some(Event::Incoming { ask, .. }) => {
                seed.accept(ask, Torrent::of(&torrent)).unwrap();
                let mut all = proto_bittorrent::peer::Bitfield::new(torrent.piece_count());
                (0..torrent.piece_count()).for_each(|piece| all.set(piece, true));
                seed.tell_pieces(&all).unwrap();
                seed.unchoke().unwrap();
            }
            Some(Event::Request { block }) => {
                requests += 1;
                let at = block.piece as usize * 32_768 + block.begin as usize;
                seed.send_block(block, file.slice(at..at + block.len as usize))
                    .unwrap();
            }
            Some(_) => {}
            None => break,
        }
    }
    let (_, messages) = read(&wire, wire.len());
    let blocks = messages
        .iter()
        .filter(|message| matches!(message, Message::Piece { .. }));
    assert_eq!((blocks.count(), requests), (10, 10));
}

#[test]
fn recorded_metadata_makes_the_info_hash() {
    let Some(streams) = streams("v1_magnet") else {
        return;
    };
    let mut found = 0;
    for octets in streams.values() {
        let (handshake, messages) = read(octets, octets.len());
        for message in messages {
            let Message::Extended { id, payload } = message else {
                continue;
            };
            if id == 0 {
                continue;
            }
            if let Ok(MetadataMessage::Data {
                total_len, data, ..
            }) = MetadataMessage::parse(&payload)
            {
                assert_eq!(data.len(), total_len as usize);
                assert_eq!(Sha1Hash::of(&data), handshake.unwrap().info_hash);
                found += 1;
            }
        }
    }
    assert_eq!(found, 1);
}

#[test]
fn allowed_fast_sets_are_those_of_bep_6() {
    let Some(folder) = vectors("kat") else { return };
    let text = std::fs::read_to_string(folder.join("bep06_allowed_fast.json")).unwrap();
    let known: Value = serde_json::from_str(&text).unwrap();
    for case in known.as_array().unwrap() {
        let set = allowed_fast(
            &case["info_hash"].as_str().unwrap().parse().unwrap(),
            case["ip"].as_str().unwrap().parse().unwrap(),
            case["pieces"].as_u64().unwrap() as u32,
            case["k"].as_u64().unwrap() as usize,
        );
        assert_eq!(json!(set), case["set"], "{case}");
    }
}

#[test]
fn recorded_datagrams_of_trackers_are_read_and_written() {
    let Some(folder) = vectors("tracker") else {
        return;
    };
    let mut kinds = BTreeMap::new();
    for record in objects(&folder.join("opentracker.jsonl")) {
        if record["proto"] != "udp-tracker" {
            continue;
        }
        let octets = hex(&record["hex"]);
        let mut out = Vec::new();
        let kind = if record["dir"] == ">" {
            let request = Request::parse(&octets, 74).unwrap();
            request.encode(&mut out);
            "request"
        } else {
            match Response::parse(&octets, false, 1000) {
                Ok(response) => {
                    response.encode(&mut out);
                    "response"
                }
                // opentracker's answer for a torrent that it does not know.
                Err(udp::DecodeError::TooShort { found: 8, .. }) => {
                    out.clone_from(&octets);
                    "stub"
                }
                Err(error) => panic!("{error}"),
            }
        };
        assert_eq!(out, octets, "{record}");
        *kinds.entry(kind).or_insert(0) += 1;
    }
    assert!(kinds["request"] > 3 && kinds["response"] > 3, "{kinds:?}");
}

#[test]
fn recorded_exchanges_over_http_are_understood() {
    let Some(folder) = vectors("tracker") else {
        return;
    };
    let (mut announces, mut answers, mut failures) = (0, 0, 0);
    for record in objects(&folder.join("opentracker.jsonl")) {
        if record["proto"] != "http-tracker" {
            continue;
        }
        let octets = hex(&record["hex"]);
        for cut in [1, 3, 100, octets.len()] {
            let mut input = BytesMut::new();
            if record["dir"] == ">" {
                let mut server = http::Server::new(NOW, Limits::default(), 1);
                let mut events = Vec::new();
                for piece in octets.chunks(cut) {
                    input.extend_from_slice(piece);
                    while let Some(event) = server.poll_event(NOW, &mut input).unwrap() {
                        events.push(event);
                    }
                }
                assert_eq!(events.len(), 1);
                announces += u32::from(matches!(events[0], http::ServerEvent::Announce { .. }));
            } else {
                let url = "http://127.0.0.1:1/announce".parse().unwrap();
                let announce =
                    proto_bittorrent::tracker::Announce::new(Sha1Hash([0; 20]), PeerId([0; 20]), 1);
                let mut client =
                    http::Client::announce(NOW, Limits::default(), &url, &announce, None);
                let mut events = Vec::new();
                for piece in octets.chunks(cut) {
                    input.extend_from_slice(piece);
                    while let Some(event) = client.poll_event(NOW, &mut input).unwrap() {
                        events.push(event);
                    }
                }
                match &events[..] {
                    [http::ClientEvent::Announced(answer)] => {
                        answers += 1;
                        assert!(answer.peers.len() < 10);
                    }
                    [http::ClientEvent::Failed(http::Failure::Status(400))] => failures += 1,
                    other => panic!("{other:?}"),
                }
            }
        }
    }
    assert!(
        announces > 0 && answers > 0 && failures == 4,
        "{announces} {answers} {failures}"
    );
}
