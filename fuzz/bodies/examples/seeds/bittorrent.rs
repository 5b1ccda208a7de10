//! Seeds of BitTorrent: short documents, messages and sessions.

use super::Seed;
use bytes::BytesMut;
use proto_bittorrent::metainfo::{Draft, Versions};
use proto_bittorrent::wire::{Block, Message};

fn torrent(versions: Versions) -> Vec<u8> {
    let mut draft = Draft::new("things", 16 * 1024, versions).unwrap();
    draft.tracker_tier(["http://t.example/announce", "udp://t.example:80"]);
    for (path, len) in [("a", 17_000), ("b", 0), ("c", 10)] {
        let mut file = draft.file(&[path], len).unwrap();
        file.update(&vec![7; usize::try_from(len).unwrap()]);
        file.finish().unwrap();
    }
    draft.finish().unwrap()
}

pub(super) fn seeds() -> Vec<Seed> {
    let mut seeds: Vec<Seed> = Vec::new();
    let mut add = |target: &'static str, name: &str, data: &[u8]| {
        seeds.push((target, name.to_owned(), data.to_vec()));
    };
    for (name, data) in [
        ("dict", &b"d3:cow3:moo4:spamli1ei-2eleee"[..]),
        ("unsorted", b"d1:bi1e1:ai02e1:bi-0eee"),
        ("cut", b"d4:infod6:lengthi5e4:name1:n"),
    ] {
        add("bt_bencode", name, data);
    }
    for (name, versions) in [
        ("v1", Versions::V1),
        ("v2", Versions::V2),
        ("hybrid", Versions::Hybrid),
    ] {
        add("bt_metainfo", name, &torrent(versions));
    }
    let link = "magnet:?xt=urn:btih:a38d02c287893842a32825aa866e00828a318f07&dn=a+b&tr.1=http%3A%2F%2Fa&x.pe=1.2.3.4:5&so=0,2-4&dht=[::1]:7";
    add("bt_magnet", "v1", link.as_bytes());
    let link = "magnet:?xt=urn:btmh:1220cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd&ws=http://a";
    add("bt_magnet", "v2", link.as_bytes());
    let mut wire = BytesMut::from(&b"\x05"[..]);
    for message in [
        Message::KeepAlive,
        Message::Unchoke,
        Message::Have { piece: 3 },
        Message::Bitfield(b"\xff\x80"[..].into()),
        Message::Request(Block::new(1, 2, 3)),
        Message::Piece {
            piece: 1,
            begin: 2,
            data: b"data"[..].into(),
        },
        Message::Extended {
            id: 0,
            payload: b"d1:md6:ut_pexi1eee"[..].into(),
        },
    ] {
        message.encode(&mut wire);
    }
    wire.extend_from_slice(b"\0\0\0\x03\x63ab");
    add("bt_wire", "messages", &wire);
    add(
        "bt_wire",
        "handshake",
        b"\x05\x13BitTorrent protocol\0\0\0\0\0\x10\0\x05aaaaaaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbbbbb",
    );
    add("bt_extended", "handshake", b"d1:md11:ut_metadatai3e6:ut_pexi1ee13:metadata_sizei31235e1:pi6881e4:reqqi500e1:v4:test6:yourip4:\x7f\0\0\x01e");
    add(
        "bt_metadata",
        "data",
        b"d8:msg_typei1e5:piecei0e10:total_sizei34256eexxxxxxxx",
    );
    add("bt_metadata", "request", b"d8:msg_typei0e5:piecei0ee");
    add("bt_pex",
        "both",
        b"d5:added6:\xc0\x00\x02\x01\x1a\xe17:added.f1:\x026:added618:\x20\x01\x0d\xb8aaaaaaaaaaaa\x1a\xe18:added6.f1:\x017:dropped6:\xc0\x00\x02\x02\x1a\xe1e",
    );
    add(
        "bt_udp",
        "connect",
        b"\0\0\x04\x17\x27\x10\x19\x80\0\0\0\0abcd",
    );
    let mut announce = b"connecti\0\0\0\x01abcd".to_vec();
    announce.resize(98, 1);
    announce.extend_from_slice(b"\x02\x05/path\x01\0");
    add("bt_udp", "announce", &announce);
    add(
        "bt_udp",
        "answer",
        b"\0\0\0\x01abcd\0\0\x07\x08\0\0\0\x01\0\0\0\x02\xc0\0\x02\x01\x1a\xe1",
    );
    add("bt_http", "sized", b"\0HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\nd8:intervali1800e5:peers6:\x7f\0\0\x01\x1a\xe1e........");
    add("bt_http", "chunked", b"\x01HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nd5:fi\r\n6\r\nlesdee\r\n0\r\n\r\n");
    add(
        "bt_http",
        "moved",
        b"\x03HTTP/1.1 302 Found\r\nLocation: http://a/\r\n\r\n",
    );
    // Outgoing: handshake, events, have all, unchoke, requests, a piece, the end.
    add(
        "bt_peer_script",
        "leech",
        &[
            0, 1, 0, 1, 6, 1, 8, 6, 1, 3, 6, 11, 6, 0, 13, 1, 11, 0, 6, 13, 15,
        ],
    );
    // Incoming: handshake, accept, requests, answers.
    add(
        "bt_peer_script",
        "seed",
        &[
            0x80, 1, 0, 1, 6, 11, 19, 1, 11, 1, 1, 9, 0, 6, 1, 13, 11, 9, 13, 0x4f,
        ],
    );
    seeds
}
