//! Every vector, cut short everywhere and damaged everywhere: exhaustively up to 4 KiB; of longer
//! ones each boundary of a token or message, and 256 places that a seed picks.

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
use common::{hex, objects, vectors};
use core::time::Duration;
use proto_bittorrent::Limits;
use proto_bittorrent::bencode::{self, Doc, Fault, Kind, Mode, Value};
use proto_bittorrent::hash::{PeerId, Sha1Hash};
use proto_bittorrent::magnet::Magnet;
use proto_bittorrent::metainfo::{self, Metainfo};
use proto_bittorrent::peer::{Config, Connection, Error, Event, Torrent};
use proto_bittorrent::tracker::{Announce, http, udp};
use proto_bittorrent::wire::{
    Block, Decoder, ExtendedHandshake, Handshake, Message, MetadataMessage, Pex,
};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

const NOW: Duration = Duration::ZERO;
/// Up to this length every place is tried.
const EXHAUSTIVE: usize = 4096;

/// Numbers from a seed: SplitMix64.
struct Seeded(u64);

impl Seeded {
    fn below(&mut self, count: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % count as u64) as usize
    }
}

/// The places to try.
fn places(len: usize, boundaries: impl IntoIterator<Item = usize>) -> Vec<usize> {
    if len <= EXHAUSTIVE {
        return (0..len).collect();
    }
    let mut seeded = Seeded(len as u64);
    let picked = (0..256).map(|_| seeded.below(len));
    let near = boundaries
        .into_iter()
        .flat_map(|at| [at.saturating_sub(1), at])
        .filter(|at| *at < len);
    let all: BTreeSet<usize> = picked.collect::<Vec<_>>().into_iter().chain(near).collect();
    all.into_iter().collect()
}

/// What may happen to one octet.
const DAMAGES: usize = 7;

fn damaged(octets: &[u8], at: usize, damage: usize) -> Vec<u8> {
    let mut out = octets.to_vec();
    match damage {
        0 => out[at] ^= 1,
        1 => out[at] ^= 0x80,
        2 => out[at] = b'0',
        3 => out[at] = b'e',
        4 => out[at] = 0xff,
        5 => out.insert(at, octets[at]),
        _ => {
            out.remove(at);
        }
    }
    out
}

/// Hands on every damaged form of a short vector, and of a long one a form for each place.
fn damage_all(
    octets: &[u8],
    boundaries: impl IntoIterator<Item = usize>,
    mut see: impl FnMut(&[u8]),
) {
    for at in places(octets.len(), boundaries) {
        if octets.len() <= EXHAUSTIVE {
            (0..DAMAGES).for_each(|damage| see(&damaged(octets, at, damage)));
        } else {
            see(&damaged(octets, at, at % DAMAGES));
        }
    }
}

/// All values of a document, the document included.
fn spans(value: Value<'_>, found: &mut Vec<usize>) {
    found.extend([value.span().start, value.span().end]);
    for item in value.items() {
        spans(item, found);
    }
    for (_, item) in value.entries() {
        spans(item, found);
    }
}

fn boundaries(octets: &[u8]) -> Vec<usize> {
    let mut found = Vec::new();
    if let Ok(doc) = Doc::parse(octets, Mode::Lenient, &bencode::Limits::default()) {
        spans(doc.root(), &mut found);
    }
    found
}

/// What holds of any octets that are read as a document.
fn check_document(octets: &[u8]) {
    let limits = bencode::Limits::default();
    let strict = Doc::parse(octets, Mode::Strict, &limits);
    let lenient = Doc::parse(octets, Mode::Lenient, &limits);
    match (&strict, &lenient) {
        (Ok(strict), Ok(lenient)) => {
            assert_eq!(strict.deviation(), None);
            assert_eq!(lenient.deviation(), None);
            assert_eq!(strict.root().raw(), octets);
        }
        (Err(error), Ok(lenient)) => {
            // The first thing that was let pass is what the strict refuse.
            assert_eq!(lenient.deviation(), Some(*error));
            let is_string = lenient.root().kind() == Kind::Bytes;
            assert!(is_string || lenient.root().span() == (0..lenient.len()));
        }
        (Err(_), Err(error)) => assert!(error.offset <= octets.len()),
        (Ok(_), Err(error)) => panic!("the lenient refuse what the strict take: {error}"),
    }
}

/// What holds of any octets that are read as a torrent.
fn check_torrent(octets: &[u8]) {
    let Ok(torrent) = Metainfo::parse(octets.to_vec(), &metainfo::Limits::default()) else {
        return;
    };
    let mut names = BTreeSet::new();
    let mut end = 0;
    for file in torrent.files() {
        for part in file.path().components() {
            let is_bad = part.is_empty() || part == "." || part == "..";
            assert!(!is_bad && !part.contains(['/', '\\', '\0']), "{part:?}");
        }
        if !file.attributes().is_pad {
            let name = file.path().as_str().to_lowercase();
            assert!(names.insert(name), "{:?}", file.path());
        }
        assert!(file.offset() >= end);
        end = file.offset() + file.len();
    }
    assert!(end <= torrent.layout_len());
    let pieces = (0..torrent.piece_count()).map(|index| torrent.len_of_piece(index));
    let sum: u64 = pieces.map(u64::from).sum();
    assert!(sum <= torrent.layout_len());
    let alone = Metainfo::parse_info(torrent.info(), &metainfo::Limits::default());
    assert_eq!(
        alone.map(|alone| alone.swarm_hash()),
        Ok(torrent.swarm_hash())
    );
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|end| end == "torrent") {
            found.push(path);
        }
    }
}

fn torrents() -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    for folder in ["metainfo", "sessions"] {
        if let Some(folder) = vectors(folder) {
            files(&folder, &mut found);
        }
    }
    found.sort();
    found
        .iter()
        .map(|path| std::fs::read(path).unwrap())
        .collect()
}

/// Documents of the cases, and of the recorded datagrams of a DHT.
fn documents() -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    for (folder, file) in [("bencode", "cases.jsonl"), ("krpc", "krpc_npm.jsonl")] {
        if let Some(folder) = vectors(folder) {
            let objects = objects(&folder.join(file));
            found.extend(objects.iter().map(|object| hex(&object["hex"])));
        }
    }
    found
}

#[test]
fn a_torrent_that_is_cut_short_is_none() {
    for octets in torrents() {
        let limits = bencode::Limits::default();
        let len = Doc::parse(&octets, Mode::Lenient, &limits).map_or(0, |doc| doc.len());
        for cut in places(octets.len(), boundaries(&octets)) {
            check_document(&octets[..cut]);
            let parsed = Doc::parse(&octets[..cut], Mode::Lenient, &limits);
            if cut < len {
                let error = parsed.unwrap_err();
                assert_eq!((error.fault, error.offset), (Fault::UnexpectedEnd, cut));
                let torrent = Metainfo::parse(octets[..cut].to_vec(), &metainfo::Limits::default());
                assert!(torrent.is_err());
            }
        }
    }
}

#[test]
fn a_damaged_torrent_is_refused_or_safe() {
    for octets in torrents() {
        damage_all(&octets, boundaries(&octets), |octets| {
            check_document(octets);
            check_torrent(octets);
        });
    }
}

#[test]
fn documents_hold_what_they_promise_however_they_are_cut_and_damaged() {
    for octets in documents() {
        for cut in places(octets.len(), boundaries(&octets)) {
            check_document(&octets[..cut]);
        }
        damage_all(&octets, boundaries(&octets), check_document);
    }
}

#[test]
fn magnets_that_are_cut_and_damaged_are_refused_or_read_back() {
    let Some(folder) = vectors("magnet") else {
        return;
    };
    let check = |octets: &[u8]| {
        if let Ok(magnet) = Magnet::parse(octets) {
            let again: Result<Magnet, _> = magnet.to_string().parse();
            assert_eq!(again.as_ref(), Ok(&magnet), "{}", octets.escape_ascii());
        }
    };
    for case in objects(&folder.join("cases.jsonl")) {
        let link = case["uri_latin1"].as_str().unwrap();
        let link: Vec<u8> = link.chars().map(|letter| letter as u8).collect();
        for cut in places(link.len(), []) {
            check(&link[..cut]);
        }
        damage_all(&link, [], check);
    }
}

/// The octets of each direction of each connection, in order.
fn streams() -> Vec<(String, String, Vec<u8>)> {
    let Some(folder) = vectors("sessions") else {
        return Vec::new();
    };
    let mut all = Vec::new();
    for name in ["v1_plain", "v1_magnet", "v2_plain"] {
        let mut streams: BTreeMap<(u64, String), Vec<u8>> = BTreeMap::new();
        for chunk in objects(&folder.join(format!("{name}.jsonl"))) {
            let direction = chunk["dir"].as_str().unwrap().to_owned();
            let stream = streams
                .entry((chunk["conn"].as_u64().unwrap(), direction))
                .or_default();
            stream.extend(hex(&chunk["hex"]));
        }
        let named = streams
            .into_iter()
            .map(|((_, direction), octets)| (name.to_owned(), direction, octets));
        all.extend(named);
    }
    all
}

/// Where messages begin, and the end of what says what they are.
fn message_boundaries(octets: &[u8]) -> Vec<usize> {
    let mut found = (0..Handshake::LEN).collect::<Vec<_>>();
    let mut at = Handshake::LEN;
    while let Some(head) = octets.get(at..at + 4) {
        found.extend(at..at + 14);
        at += 4 + u32::from_be_bytes(head.try_into().unwrap()) as usize;
    }
    found
}

fn messages(octets: &[u8]) -> Vec<Message> {
    let (mut input, mut decoder) = (BytesMut::from(octets), Decoder::default());
    let mut messages = Vec::new();
    if let Ok(Some(_)) = Handshake::decode(&mut input) {
        while let Ok(Some(message)) = decoder.decode(&mut input) {
            messages.push(message);
        }
    }
    messages
}

fn torrent_of(name: &str) -> Torrent {
    let file = if name == "v2_plain" {
        "s_v2.torrent"
    } else {
        "s_v1.torrent"
    };
    let octets = std::fs::read(vectors("sessions").unwrap().join(file)).unwrap();
    Torrent::of(&Metainfo::parse(octets, &metainfo::Limits::default()).unwrap())
}

/// What a connection of ours says of a stream, cut into pieces, at whose end the peer leaves. An
/// incoming one is answered, an outgoing one asks for a few blocks.
fn outcome(
    torrent: &Torrent,
    is_incoming: bool,
    octets: &[u8],
    cut: usize,
) -> (Vec<Event>, Option<Error>) {
    let config = Config::new(PeerId([7; 20]));
    let mut machine = if is_incoming {
        Connection::incoming(NOW, config, Limits::default(), 1)
    } else {
        Connection::outgoing(NOW, config, Limits::default(), torrent.clone())
    };
    let (mut input, mut events, mut error) = (BytesMut::new(), Vec::new(), None);
    let mut open: BTreeSet<Block> = BTreeSet::new();
    let mut drain = |machine: &mut Connection, input: &mut BytesMut| {
        loop {
            match machine.poll_event(NOW, input) {
                Ok(Some(Event::Incoming { ask, handshake })) => {
                    let mut torrent = torrent.clone();
                    torrent.info_hash = handshake.info_hash;
                    machine.accept(ask, torrent).unwrap();
                    machine.unchoke().unwrap();
                }
                Ok(Some(event)) => {
                    match &event {
                        Event::Unchoked => {
                            for piece in 0..4 {
                                let block = Block::new(piece, 0, 16 * 1024);
                                if machine.request(block).is_ok() {
                                    open.insert(block);
                                }
                            }
                        }
                        Event::Block { block, .. } | Event::RequestFailed { block, .. } => {
                            assert!(open.remove(block), "one final event for each request");
                        }
                        _ => {}
                    }
                    events.push(event);
                }
                Ok(None) => break,
                Err(found) => {
                    assert_eq!(error, None, "one error");
                    assert!(open.is_empty(), "no final event for {open:?}");
                    error = Some(found);
                }
            }
        }
    };
    for piece in octets.chunks(cut) {
        input.extend_from_slice(piece);
        drain(&mut machine, &mut input);
    }
    machine.handle_eof(NOW);
    drain(&mut machine, &mut input);
    assert!(open.is_empty(), "no final event for {open:?}");
    (events, error)
}

#[test]
fn a_stream_that_is_cut_short_gives_the_messages_before_the_cut() {
    for (name, direction, octets) in streams() {
        let whole = messages(&octets);
        let torrent = torrent_of(&name);
        for cut in places(octets.len(), message_boundaries(&octets)) {
            let front = &octets[..cut];
            let seen = messages(front);
            assert_eq!(seen[..], whole[..seen.len()]);
            let (events, error) = outcome(&torrent, direction == ">", front, cut.max(1));
            let is_orderly = events.last() == Some(&Event::PeerClosed);
            let is_broken = matches!(error, Some(Error::UnexpectedEof { .. }));
            assert!(
                is_orderly != is_broken,
                "{name} {direction} {cut}: {error:?}"
            );
        }
    }
}

#[test]
fn a_damaged_stream_ends_in_one_error_and_the_same_however_it_comes() {
    for (name, direction, octets) in streams() {
        let torrent = torrent_of(&name);
        damage_all(&octets, message_boundaries(&octets), |octets| {
            let whole = outcome(&torrent, direction == ">", octets, octets.len());
            let pieces = outcome(&torrent, direction == ">", octets, 1460);
            assert!(whole == pieces, "{name} {direction}: {:?}", whole.1);
        });
    }
}

#[test]
fn payloads_of_extensions_are_refused_or_read_back() {
    let check = |octets: &[u8]| {
        if let Ok(mut handshake) = ExtendedHandshake::parse(octets) {
            // What is written is in order, whatever was read.
            handshake.extensions.sort();
            let again = ExtendedHandshake::parse(&handshake.encode());
            assert_eq!(again, Ok(handshake), "{}", octets.escape_ascii());
        }
        let octets = bytes::Bytes::copy_from_slice(octets);
        if let Ok(message) = MetadataMessage::parse(&octets) {
            let mut again = message.encode();
            if let MetadataMessage::Data { data, .. } = &message {
                again.truncate(again.len() - data.len());
                again.extend_from_slice(data);
            }
            let again = MetadataMessage::parse(&again.into());
            assert_eq!(again, Ok(message), "{}", octets.escape_ascii());
        }
        let _ = Pex::parse(&octets);
    };
    for (_, _, octets) in streams() {
        for message in messages(&octets) {
            if let Message::Extended { payload, .. } = message {
                (0..payload.len()).for_each(|cut| check(&payload[..cut]));
                damage_all(&payload, [], check);
            }
        }
    }
}

/// What was recorded of a tracker: whether it came from it, and the octets.
fn recorded(protocol: &str) -> Vec<(bool, Vec<u8>)> {
    let Some(folder) = vectors("tracker") else {
        return Vec::new();
    };
    objects(&folder.join("opentracker.jsonl"))
        .iter()
        .filter(|record| record["proto"] == protocol)
        .map(|record| (record["dir"] == "<", hex(&record["hex"])))
        .collect()
}

#[test]
fn datagrams_of_trackers_are_refused_or_read_back() {
    let mut server = udp::Server::new(NOW, Limits::default(), [1; 32]);
    let from = "192.0.2.1:6881".parse().unwrap();
    let mut check = |octets: &[u8]| {
        let mut out = Vec::new();
        if let Ok(request) = udp::Request::parse(octets, 74) {
            request.encode(&mut out);
            assert_eq!(udp::Request::parse(&out, 74), Ok(request));
        }
        for is_v6 in [false, true] {
            out.clear();
            if let Ok(response) = udp::Response::parse(octets, is_v6, 1000) {
                response.encode(&mut out);
                assert_eq!(udp::Response::parse(&out, is_v6, 1000), Ok(response));
            }
        }
        server.handle_datagram(NOW, proto_bittorrent::datagram::LocalId(0), from, octets);
        assert_eq!(server.poll_event(), None, "nobody has proved an address");
        // Whoever may be somebody else gets no more than was sent.
        if let Some(proto_bittorrent::datagram::Transmit::Datagram { payload, .. }) =
            server.poll_transmit(NOW)
        {
            assert!(payload.len() <= octets.len());
        }
    };
    for (_, octets) in recorded("udp-tracker") {
        (0..octets.len()).for_each(|cut| check(&octets[..cut]));
        damage_all(&octets, [], &mut check);
    }
}

/// What our half says of octets that come in pieces and then end.
fn http_outcome(is_answer: bool, octets: &[u8], cut: usize) -> String {
    let mut input = BytesMut::new();
    let mut told = Vec::new();
    if is_answer {
        let url = "http://127.0.0.1:1/announce".parse().unwrap();
        let announce = Announce::new(Sha1Hash([0; 20]), PeerId([0; 20]), 1);
        let mut client = http::Client::announce(NOW, Limits::default(), &url, &announce, None);
        let mut drain = |client: &mut http::Client, input: &mut BytesMut| {
            loop {
                match client.poll_event(NOW, input) {
                    Ok(None) => break,
                    other => told.push(format!("{other:?}")),
                }
            }
        };
        for piece in octets.chunks(cut) {
            input.extend_from_slice(piece);
            drain(&mut client, &mut input);
        }
        client.handle_eof(NOW);
        drain(&mut client, &mut input);
        let finals = told.iter().filter(|told| told.starts_with("Ok")).count();
        assert_eq!(finals, 1, "{told:?}");
        return told.concat();
    }
    let mut server = http::Server::new(NOW, Limits::default(), 1);
    let mut drain = |server: &mut http::Server, input: &mut BytesMut| {
        loop {
            match server.poll_event(NOW, input) {
                Ok(None) => break,
                Ok(Some(event)) => {
                    told.push(format!("{event:?}"));
                    if let http::ServerEvent::Announce { ask, .. }
                    | http::ServerEvent::Scrape { ask, .. } = event
                    {
                        let reply = http::ScrapeReply::Counts(Vec::new());
                        server.answer_scrape(ask, &reply).unwrap();
                    }
                }
                Err(error) => told.push(format!("{error:?}")),
            }
        }
    };
    for piece in octets.chunks(cut) {
        input.extend_from_slice(piece);
        drain(&mut server, &mut input);
    }
    server.handle_eof(NOW);
    drain(&mut server, &mut input);
    told.concat()
}

#[test]
fn exchanges_over_http_have_one_outcome_however_they_are_cut_and_damaged() {
    for (is_answer, octets) in recorded("http-tracker") {
        let check = |octets: &[u8]| {
            let whole = http_outcome(is_answer, octets, octets.len().max(1));
            for cut in [1, 7] {
                assert_eq!(http_outcome(is_answer, octets, cut), whole);
            }
        };
        (0..octets.len()).for_each(|cut| check(&octets[..cut]));
        damage_all(&octets, [], check);
    }
}
