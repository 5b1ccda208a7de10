//! Formats and messages of BitTorrent.

use crate::cuts::Take;
use bytes::{Bytes, BytesMut};
use core::time::Duration;
use proto_bittorrent::Limits;
use proto_bittorrent::bencode::{self, Doc, Fault, Kind, Mode, Value, Writer};
use proto_bittorrent::hash::{PeerId, Sha1Hash};
use proto_bittorrent::magnet::Magnet;
use proto_bittorrent::metainfo::{self, Metainfo};
use proto_bittorrent::tracker::{Announce, http, udp};
use proto_bittorrent::wire::{
    Decoder, ExtendedHandshake, Handshake, Message, MetadataMessage, Pex,
};

/// Holds the parser against a second one that is slow, recursive and written from BEP 3.
pub fn bt_bencode(data: &[u8]) {
    const DEPTH: u32 = 30;
    let mut limits = bencode::Limits::default();
    limits.max_depth = DEPTH;
    let ours = Doc::parse(data, Mode::Strict, &limits);
    let naive = naive_value(data, DEPTH);
    let is_document = naive.is_some_and(|rest| rest.is_empty());
    match &ours {
        Ok(doc) => {
            assert!(is_document, "{doc:?}");
            let mut out = Vec::new();
            rewrite(doc.root(), &mut Writer::new(&mut out));
            assert_eq!(out, data);
            assert_eq!(doc.deviation(), None);
        }
        // The second parser knows integers of any size.
        Err(error) => assert!(
            !is_document || error.fault == Fault::IntegerRange,
            "{error}"
        ),
    }
    match Doc::parse(data, Mode::Lenient, &limits) {
        Ok(doc) => {
            assert_eq!(doc.deviation().is_none(), ours.is_ok());
            // Zeros that lead the length of a string are no part of its span.
            let start = match doc.root().kind() {
                Kind::Bytes => data.iter().take_while(|octet| **octet == b'0').count(),
                _ => 0,
            };
            let start = start.min(doc.root().span().start);
            assert_eq!(doc.root().span(), start..doc.len());
            let _ = format!("{doc:?}");
            visit(doc.root(), data);
        }
        Err(error) => assert!(ours.is_err() && error.offset <= data.len()),
    }
}

fn visit(value: Value<'_>, data: &[u8]) {
    let span = value.span();
    assert_eq!(&data[span.clone()], value.raw());
    for item in value.items().chain(value.entries().map(|(_, value)| value)) {
        assert!(item.span().start > span.start && item.span().end < span.end);
        visit(item, data);
    }
}

fn rewrite(value: Value<'_>, writer: &mut Writer<'_>) {
    match value.kind() {
        Kind::Int => writer.int(value.as_int().unwrap()).unwrap(),
        Kind::Bytes => writer.bytes(value.as_bytes().unwrap()).unwrap(),
        Kind::List => {
            writer.begin_list().unwrap();
            value.items().for_each(|item| rewrite(item, writer));
            writer.end().unwrap();
        }
        Kind::Dict => {
            writer.begin_dict().unwrap();
            for (key, value) in value.entries() {
                writer.key(key).unwrap();
                rewrite(value, writer);
            }
            writer.end().unwrap();
        }
    }
}

/// What follows a strictly formed value.
fn naive_value(data: &[u8], depth: u32) -> Option<&[u8]> {
    match *data.first()? {
        b'i' => {
            let end = data.iter().position(|octet| *octet == b'e')?;
            let text = &data[1..end];
            let digits = text.strip_prefix(b"-").unwrap_or(text);
            let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
            let is_led = digits[..] != b"0"[..] && digits.first() == Some(&b'0') || text == b"-0";
            (is_number && !is_led).then(|| &data[end + 1..])
        }
        b'l' => {
            let depth = depth.checked_sub(1)?;
            let mut rest = &data[1..];
            while *rest.first()? != b'e' {
                rest = naive_value(rest, depth)?;
            }
            Some(&rest[1..])
        }
        b'd' => {
            let depth = depth.checked_sub(1)?;
            let mut rest = &data[1..];
            let mut last: Option<&[u8]> = None;
            while *rest.first()? != b'e' {
                let (key, after) = naive_string(rest)?;
                if last.is_some_and(|last| last >= key) {
                    return None;
                }
                last = Some(key);
                rest = naive_value(after, depth)?;
            }
            Some(&rest[1..])
        }
        _ => naive_string(data).map(|(_, rest)| rest),
    }
}

fn naive_string(data: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = data.iter().position(|octet| *octet == b':')?;
    let digits = &data[..colon];
    let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    if !is_number || digits.len() > 1 && digits[0] == b'0' {
        return None;
    }
    let len: usize = std::str::from_utf8(digits).ok()?.parse().ok()?;
    let rest = &data[colon + 1..];
    (len <= rest.len()).then(|| rest.split_at(len))
}

/// Whatever a torrent says, its paths are safe and its pieces add up.
pub fn bt_metainfo(data: &[u8]) {
    let limits = metainfo::Limits::default();
    let Ok(torrent) = Metainfo::parse(data.to_vec(), &limits) else {
        return;
    };
    let mut names = std::collections::BTreeSet::new();
    for file in torrent.files() {
        for part in file.path().components() {
            let is_bad = part.is_empty() || part == "." || part == ".." || part.len() > 255;
            assert!(!is_bad && !part.contains(['/', '\\', '\0', ':']), "{part}");
        }
        if !file.attributes().is_pad {
            assert!(
                names.insert(file.path().as_str().to_lowercase()),
                "{:?}",
                file.path()
            );
        }
        assert!(file.offset() + file.len() <= torrent.layout_len());
    }
    if torrent.piece_count() < 10_000 {
        let pieces = (0..torrent.piece_count()).map(|piece| u64::from(torrent.len_of_piece(piece)));
        let sum: u64 = pieces.sum();
        let is_v1 = torrent.info_hash_v1().is_some();
        let expected = if is_v1 {
            torrent.layout_len()
        } else {
            torrent.total_len()
        };
        assert_eq!(sum, expected);
    }
    let alone = Metainfo::parse_info(torrent.info(), &limits).expect("the same info");
    assert_eq!(alone.swarm_hash(), torrent.swarm_hash());
    let _ = format!("{torrent:?} {:?}", torrent.files());
}

/// What is written of a link reads as the same link.
pub fn bt_magnet(data: &[u8]) {
    if let Ok(magnet) = Magnet::parse(data) {
        let again = Magnet::parse(magnet.to_string().as_bytes());
        assert_eq!(again.as_ref(), Ok(&magnet));
    }
}

/// Any cut gives the same messages, and what is written reads as the same message.
pub fn bt_wire(data: &[u8]) {
    let mut script = Take::new(data);
    let cut = usize::from(script.u8()) + 1;
    let data = &data[1.min(data.len())..];
    let read = |cut: usize| {
        let (mut input, mut decoder) = (BytesMut::new(), Decoder::default());
        let mut messages = Vec::new();
        for piece in data.chunks(cut) {
            input.extend_from_slice(piece);
            loop {
                match decoder.decode(&mut input) {
                    Ok(Some(message)) => messages.push(message),
                    Ok(None) => break,
                    Err(error) => return (messages, Some(error)),
                }
            }
        }
        (messages, None)
    };
    let whole = read(data.len().max(1));
    assert_eq!(read(cut), whole);
    for message in whole.0 {
        let mut wire = BytesMut::new();
        message.encode(&mut wire);
        if !matches!(message, Message::Unknown { .. }) {
            assert_eq!(Decoder::default().decode(&mut wire), Ok(Some(message)));
            assert!(wire.is_empty());
        }
    }
    let mut input = BytesMut::from(data);
    if let Ok(Some(handshake)) = Handshake::decode(&mut input) {
        let mut wire = BytesMut::new();
        handshake.encode(&mut wire);
        assert_eq!(&wire[..], &data[..Handshake::LEN]);
    }
}

/// What is written of an extended handshake reads as the same.
pub fn bt_extended(data: &[u8]) {
    if let Ok(told) = ExtendedHandshake::parse(data) {
        let mut again = ExtendedHandshake::parse(&told.encode()).expect("what was written");
        let mut told = told;
        // The first of several extensions of a name counts; they are written in order.
        let mut seen = std::collections::BTreeSet::new();
        told.extensions.sort();
        told.extensions
            .retain(|(name, _)| seen.insert(name.clone()));
        again.extensions.sort();
        assert_eq!(again, told);
    }
}

/// What is written of `ut_metadata` reads as the same.
pub fn bt_metadata(data: &[u8]) {
    if let Ok(message) = MetadataMessage::parse(&Bytes::copy_from_slice(data)) {
        let again = MetadataMessage::parse(&message.encode().into());
        assert_eq!(again, Ok(message));
    }
}

/// What is written of `ut_pex` reads as the same.
pub fn bt_pex(data: &[u8]) {
    if let Ok(pex) = Pex::parse(data) {
        assert!(pex.added.len() <= 400 && pex.dropped.len() <= 400);
        assert_eq!(Pex::parse(&pex.encode()), Ok(pex));
    }
}

/// Requests and responses of BEP 15: what is written reads as the same.
pub fn bt_udp(data: &[u8]) {
    let mut out = Vec::new();
    if let Ok(request) = udp::Request::parse(data, 74) {
        request.encode(&mut out);
        let again = udp::Request::parse(&out, 74).expect("what was written");
        // A number of peers that is negative means none in particular.
        assert_eq!(again, request);
    }
    for is_v6 in [false, true] {
        if let Ok(response) = udp::Response::parse(data, is_v6, 100) {
            out.clear();
            response.encode(&mut out);
            assert_eq!(udp::Response::parse(&out, is_v6, 100), Ok(response));
        }
    }
}

/// A response over HTTP gives exactly one event, however it is cut.
pub fn bt_http(data: &[u8]) {
    let mut script = Take::new(data);
    let steer = script.u8();
    let data = &data[1.min(data.len())..];
    let exchange = |cut: usize| {
        let url = "http://tracker.example/announce"
            .parse()
            .expect("an address");
        let announce = Announce::new(Sha1Hash([1; 20]), PeerId([2; 20]), 6881);
        let now = Duration::ZERO;
        let mut client = if steer & 1 == 0 {
            http::Client::announce(now, Limits::default(), &url, &announce, None)
        } else {
            let hashes = [announce.info_hash];
            http::Client::scrape(now, Limits::default(), &url, &hashes).expect("a path")
        };
        let (mut input, mut events, mut errors) = (BytesMut::new(), Vec::new(), Vec::new());
        let mut poll = |client: &mut http::Client, input: &mut BytesMut| {
            loop {
                match client.poll_event(now, input) {
                    Ok(Some(event)) => events.push(event),
                    Ok(None) => break,
                    Err(error) => errors.push(error),
                }
            }
        };
        for piece in data.chunks(cut) {
            input.extend_from_slice(piece);
            poll(&mut client, &mut input);
        }
        client.handle_eof(now);
        poll(&mut client, &mut input);
        assert_eq!(events.len(), 1, "{events:?}");
        assert!(errors.len() <= 1);
        (events, errors)
    };
    let whole = exchange(data.len().max(1));
    assert_eq!(exchange(usize::from(steer) + 1), whole);
    if let Ok(reply @ http::Reply::Announced(_)) = http::Reply::parse(data, 100) {
        let again = http::Reply::parse(&reply.encode(true), 100);
        assert_eq!(again, Ok(reply));
    }
}
