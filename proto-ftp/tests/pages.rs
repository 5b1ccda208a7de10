//! STRU P: pages with headers (RFC 959 section 3.1.2.3).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod common;

use bytes::{Bytes, BytesMut};
use common::pair::Pair;
use common::{Server, T0, full_server, plaintext_client};
use proto_ftp::DataTransmit;
use proto_ftp::data::{
    DataError, DataEvent, DataLimits, Format, PageHeader, PageKind, Receiver, Sender, Structure,
    Type,
};

fn pages() -> Format {
    let mut format = Format::IMAGE;
    format.structure = Structure::Page;
    format
}

fn sender() -> Sender {
    Sender::new(pages(), DataLimits::default())
}

fn sent(sender: &mut Sender) -> Vec<u8> {
    let mut wire = Vec::new();
    while let Some(DataTransmit::Data(data)) = sender.poll_transmit(T0, 7) {
        wire.extend_from_slice(&data);
    }
    wire
}

/// What a receiver says, with chunks joined, of octets that come in pieces of one length.
fn received(wire: &[u8], piece: usize) -> Result<Vec<DataEvent>, DataError> {
    let mut receiver = Receiver::new(pages(), DataLimits::default());
    let (mut input, mut events) = (BytesMut::new(), Vec::new());
    let mut pieces = wire.chunks(piece);
    loop {
        match receiver.poll_event(T0, &mut input)? {
            Some(DataEvent::Chunk(data)) => match events.last_mut() {
                Some(DataEvent::Chunk(last)) => *last = [last.clone(), data].concat().into(),
                _ => events.push(DataEvent::Chunk(data)),
            },
            Some(event) => {
                let is_end = event == DataEvent::End;
                events.push(event);
                if is_end {
                    return Ok(events);
                }
            }
            None => match pieces.next() {
                Some(octets) => input.extend_from_slice(octets),
                None => receiver.handle_eof(T0),
            },
        }
    }
}

fn page(index: u8, kind: PageKind, len: u8, more: &'static [u8]) -> DataEvent {
    let more = Bytes::from_static(more);
    DataEvent::Page(PageHeader {
        index,
        kind,
        len,
        more,
    })
}

#[test]
fn pages_of_each_kind_are_written_and_read_in_any_cuts() {
    let mut sender = sender();
    assert!(sender.send_page(0, PageKind::Descriptor, b"ab", b"about it"));
    assert!(sender.send_page(9, PageKind::Simple, b"", b"nine"));
    assert!(sender.send_page(2, PageKind::AccessControlled, b"\x07", b""));
    assert!(sender.send_data(&mut Bytes::from_static(b"three"), true));
    let wire = sent(&mut sender);
    let known = b"\x06\0\x08\x02ababout it\x04\x09\x04\x01nine\x05\x02\0\x03\x07\
        \x04\x03\x05\x01three\x04\x04\0\0";
    assert_eq!(wire, known);
    let want = [
        page(0, PageKind::Descriptor, 8, b"ab"),
        DataEvent::Chunk(Bytes::from_static(b"about it")),
        page(9, PageKind::Simple, 4, b""),
        DataEvent::Chunk(Bytes::from_static(b"nine")),
        page(2, PageKind::AccessControlled, 0, b"\x07"),
        page(3, PageKind::Simple, 5, b""),
        DataEvent::Chunk(Bytes::from_static(b"three")),
        DataEvent::End,
    ];
    for piece in 1..=wire.len() {
        assert_eq!(received(&wire, piece).unwrap(), want, "{piece}");
    }
    // Without the last page the file is not whole.
    let end = received(&wire[..wire.len() - 4], 5);
    assert_eq!(end, Err(DataError::UnexpectedEof));
}

#[test]
fn headers_that_no_page_has_are_malformed() {
    for header in [
        &b"\x03\0\0\x01"[..],
        b"\0\0\0\x01",
        b"\x05\0\0\x01x",
        b"\x04\0\x01\0x",
        b"\x05\0\0\0x",
        b"\x04\0\0\x03",
        b"\x06\0\0\x03xy",
        b"\x04\0\0\x04",
    ] {
        let end = received(header, 1);
        assert!(
            matches!(end, Err(DataError::Malformed { .. })),
            "{header:?}: {end:?}"
        );
    }
}

#[test]
fn what_is_no_page_is_not_sent() {
    let mut sender = sender();
    assert!(!sender.send_page(0, PageKind::Simple, b"", &[0; 256]));
    assert!(!sender.send_page(0, PageKind::Simple, b"x", b""));
    assert!(!sender.send_page(0, PageKind::AccessControlled, b"", b""));
    assert!(!sender.send_page(0, PageKind::Descriptor, &[0; 252], b""));
    assert!(sender.send_data(&mut Bytes::from_static(b"a"), false));
    assert!(
        !sender.send_page(0, PageKind::Simple, b"", b"b"),
        "inside of a page"
    );
    assert_eq!(sent(&mut sender), b"");
    let mut plain = Sender::new(Format::IMAGE, DataLimits::default());
    assert!(!plain.send_page(0, PageKind::Simple, b"", b"b"));
}

#[test]
fn pages_have_numbers_of_one_octet() {
    let most = vec![7; 256 * 255];
    let mut sender = sender();
    assert!(sender.send_data(&mut most.clone().into(), true));
    let wire = sent(&mut sender);
    assert!(sender.is_complete());
    let got = received(&wire, 1000).unwrap();
    let octets = got.iter().map(|event| match event {
        DataEvent::Chunk(data) => data.len(),
        _ => 0,
    });
    assert_eq!(octets.sum::<usize>(), most.len());
    let mut sender = self::sender();
    sender.send_data(&mut [most, vec![7]].concat().into(), true);
    assert_eq!(sender.poll_transmit(T0, 99), Some(DataTransmit::Abort));
}

#[test]
fn pages_are_for_those_who_know_them() {
    let mut server = Server::logged_in(&full_server());
    assert_eq!(server.codes("TYPE I\r\nSTRU P\r\n"), [200, 504]);
    let mut config = full_server();
    config.pages = true;
    let mut server = Server::logged_in(&config);
    // RFC 959: TYPE A, STRU F and MODE S at first.
    assert_eq!(
        server.codes("STRU P\r\nTYPE L 8\r\nMODE B\r\nSTRU P\r\n"),
        [504, 200, 200, 504]
    );
    let lines = "MODE S\r\nSTRU P\r\nTYPE A\r\nMODE C\r\nTYPE I\r\nSTRU F\r\nTYPE A\r\n";
    assert_eq!(server.codes(lines), [200, 200, 504, 504, 200, 200, 200]);
}

#[test]
fn a_file_travels_both_ways_in_pages() {
    let mut config = full_server();
    config.pages = true;
    let mut pair = Pair::new(&plaintext_client(), &config);
    pair.server.set_pump(4);
    pair.client.set_pump(4);
    pair.client.login("bob", "hungry").unwrap();
    let size = pair.client.size("file").unwrap();
    pair.end_of(size).unwrap();
    let set = pair.client.structure(Structure::Page).unwrap();
    assert_eq!(pair.code_of(set), 200);
    let content: Vec<u8> = (0..1000_u32).map(|at| at.to_le_bytes()[0]).collect();
    let put = pair.client.stor("new", Type::Image, 0).unwrap();
    pair.uploads.insert(put, content.clone());
    assert_eq!(pair.code_of(put), 226);
    assert!(pair.store.files[&b"/new"[..]] == content);
    let get = pair.client.retr("new", Type::Image, 0).unwrap();
    assert_eq!(pair.code_of(get), 226);
    assert!(pair.downloads[&get] == content);
    assert_eq!(pair.pumped, 0, "pages are made");
}
