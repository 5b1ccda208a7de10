//! Dot-stuffing over all short texts and all cuts: exactly one message, and the right one.

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
use common::{Client, Server, T0};
use proto_mail::Transmit;
use proto_mail::dot::{Received, Stuffer, Unstuffer, transmitted_len};
use proto_mail::pop3::{client, server};

const ALPHABET: [u8; 5] = [b'\r', b'\n', b'.', 0, b'a'];

/// All strings of exactly `len` octets over the alphabet.
fn strings(len: u32) -> impl Iterator<Item = Vec<u8>> {
    (0..5_usize.pow(len)).map(move |mut number| {
        (0..len)
            .map(|_| {
                let octet = ALPHABET[number % 5];
                number /= 5;
                octet
            })
            .collect()
    })
}

/// What a receiver has to get, written down a second time and differently: line by line.
fn normal(text: &[u8]) -> Vec<u8> {
    let mut normal = Vec::new();
    for (index, octet) in text.iter().enumerate() {
        if *octet == b'\n' && (index == 0 || text[index - 1] != b'\r') {
            normal.push(b'\r');
        }
        normal.push(*octet);
    }
    if !normal.is_empty() && !normal.ends_with(b"\r\n") {
        normal.extend_from_slice(b"\r\n");
    }
    normal
}

fn stuff(pieces: &[&[u8]]) -> Vec<u8> {
    let (mut stuffer, mut wire) = (Stuffer::new(), Vec::new());
    for mut text in pieces.iter().copied() {
        while !text.is_empty() {
            let piece = stuffer.step(text);
            assert!(piece.take > 0, "progress");
            wire.extend_from_slice(piece.insert);
            wire.extend_from_slice(&text[..piece.take]);
            text = &text[piece.take..];
        }
    }
    wire.extend_from_slice(stuffer.finish());
    wire
}

/// The text, and how many octets of `wire` were read for it.
fn unstuff(pieces: &[&[u8]]) -> Option<(Vec<u8>, usize)> {
    let (mut unstuffer, mut text, mut read) = (Unstuffer::new(), Vec::new(), 0);
    let mut buffer = Vec::new();
    for piece in pieces {
        buffer.extend_from_slice(piece);
        loop {
            match unstuffer.step(&buffer) {
                Received::Partial => {
                    assert!(buffer.len() <= 2, "at most two octets stay behind");
                    break;
                }
                Received::Text { skip, take } => {
                    text.extend_from_slice(&buffer[skip..skip + take]);
                    buffer.drain(..skip + take);
                    read += skip + take;
                }
                Received::End(len) => return Some((text, read + len)),
            }
        }
    }
    None
}

#[test]
fn every_text_of_up_to_6_octets_survives_every_cut() {
    for text in (0..=6).flat_map(strings) {
        let wire = stuff(&[&text]);
        let expected = normal(&text);
        assert_eq!(
            transmitted_len(&text),
            u64::try_from(expected.len()).unwrap()
        );
        for cut in 1..text.len() {
            let (head, tail) = text.split_at(cut);
            assert_eq!(stuff(&[head, tail]), wire, "{text:?} cut at {cut}");
        }
        let whole = Some((expected, wire.len()));
        for cut in 0..wire.len() {
            let (head, tail) = wire.split_at(cut);
            assert_eq!(
                unstuff(&[head, tail]),
                whole,
                "{text:?} cut at {cut} of the wire"
            );
        }
        let octets: Vec<&[u8]> = wire.chunks(1).collect();
        assert_eq!(unstuff(&octets), whole, "{text:?} octet by octet");
    }
}

/// Attack row 1 and 2: nothing that a text holds ends it early, whatever a receiver may take for a
/// line end beside CRLF.
#[test]
fn no_stuffed_text_holds_the_end_of_a_text() {
    for text in (0..=6).flat_map(strings) {
        let wire = stuff(&[&text]);
        let body = &wire[..wire.len() - 3];
        for end in [&b"\r\n.\r\n"[..], b"\n.\n", b"\n.\r\n", b"\r\n.\n"] {
            let is_inside = body.windows(end.len()).any(|window| window == end);
            assert!(!is_inside, "{text:?} gives {wire:?}");
        }
        assert!(
            !body.starts_with(b".\r\n") && !body.starts_with(b".\n"),
            "{text:?}"
        );
    }
}

/// Any octets at all: the decoder finds the end only where CRLF, dot, CRLF is.
#[test]
fn every_wire_of_up_to_7_octets_ends_only_at_a_dot_on_a_line_of_its_own() {
    for wire in (0..=7).flat_map(strings) {
        let framed = [b"\r\n", &wire[..]].concat();
        let end = framed.windows(5).position(|window| window == b"\r\n.\r\n");
        let found = unstuff(&[&wire]).map(|(_, read)| read);
        assert_eq!(found, end.map(|at| at + 3), "{wire:?}");
    }
}

/// Through both machines: exactly one message comes out, and the next reply is read right.
#[test]
fn every_text_of_up_to_4_octets_passes_through_both_machines() {
    for text in (0..=4).flat_map(strings) {
        let mut server = Server::logged_in(server::Limits::default());
        server.store.add_user("carol", "x");
        server.store.deliver("carol", text.clone());
        let mut server = Server {
            store: server.store,
            ..Server::plaintext()
        };
        server.say("USER carol\r\nPASS x\r\n");
        let wire = server.say("RETR 1\r\nNOOP\r\n");
        let expected = normal(&text);
        for cut in [
            wire.len() / 2,
            wire.len() - 8,
            wire.len() - 7,
            wire.len() - 6,
        ] {
            let mut client = Client::greeted(client::Limits::default());
            let retr = client.session.retr(1).unwrap();
            let noop = client.session.noop().unwrap();
            let (head, tail) = wire.split_at(cut);
            let (mut body, mut done) = (Vec::new(), Vec::new());
            for event in client.hear(head).into_iter().chain(client.hear(tail)) {
                match event {
                    client::Event::BodyChunk { data, .. } => body.extend_from_slice(&data),
                    client::Event::Done { id, .. } => done.push(id),
                    other => panic!("{other:?}"),
                }
            }
            assert_eq!(
                (body, done),
                (expected.clone(), vec![retr, noop]),
                "{text:?}"
            );
            assert_eq!(client.error, None);
        }
    }
}

#[test]
fn big_pieces_are_sent_and_received_uncopied() {
    let line = [b'x'; 99];
    let mut text = BytesMut::new();
    while text.len() < 64 * 1024 {
        text.extend_from_slice(&line);
        text.extend_from_slice(b"\r\n");
    }
    let text = text.freeze();
    let mut limits = server::Limits::default();
    limits.max_queued_output = 1 << 20;
    let mut server = Server::logged_in(limits);
    server.input.extend_from_slice(b"RETR 1\r\n");
    let Ok(Some(server::Event::Retrieve { ask, .. })) =
        server.session.poll_event(T0, &mut server.input)
    else {
        panic!("no question")
    };
    let body = server.session.accept_stream(ask).unwrap();
    let mut data = text.clone();
    server.session.send_data(body, &mut data, true).unwrap();
    let is_inside = |data: &Bytes, whole: &[u8]| whole.as_ptr_range().contains(&data.as_ptr());
    let mut uncopied = 0;
    while let Some(Transmit::Data(data)) = server.session.poll_transmit(T0, 16 * 1024) {
        uncopied += if is_inside(&data, &text) {
            data.len()
        } else {
            0
        };
    }
    assert_eq!(uncopied, text.len());

    let mut client = Client::greeted(client::Limits::default());
    client.session.retr(1).unwrap();
    client.hear("+OK\r\n");
    client.input = BytesMut::from(&text[..]);
    let buffer = client.input.as_ptr_range();
    let events = client.events();
    let [client::Event::BodyChunk { data, .. }] = &events[..] else {
        panic!("{events:?}")
    };
    assert!(buffer.contains(&data.as_ptr()) && data.len() == text.len());
}
