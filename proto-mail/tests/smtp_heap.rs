//! A message of any size goes through both machines of SMTP in 64 KiB of heap: both machines and
//! their read buffers together, all limits as they are by default.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    reason = "a test fails by panicking"
)]

use bytes::{Bytes, BytesMut};
use core::time::Duration;
use proto_mail::Transmit;
use proto_mail::smtp::wire::Mailbox;
use proto_mail::smtp::{client, server};

const NOW: Duration = Duration::ZERO;

/// Sends `octets` octets of dotted lines, and says how many arrived.
fn transfer(octets: u64, prefer_chunking: bool) -> u64 {
    let line: &'static [u8] = &[b'.'; 1022];
    let mut config = client::Config::default();
    config.prefer_chunking = prefer_chunking;
    let mut client = client::Session::new(NOW, config, client::Limits::default());
    let mut limits = server::Limits::default();
    limits.max_message_octets = u64::MAX;
    let mut config = server::Config::default();
    config.starttls = false;
    let mut server = server::Session::new(NOW, config, limits);
    let from: Mailbox = "a@b".parse().unwrap();
    let envelope = client::Envelope::new(from).to("c@d".parse().unwrap());
    let message = client.send(envelope).unwrap();
    let (mut to_server, mut to_client) = (BytesMut::new(), BytesMut::new());
    let (mut left, mut arrived, mut may_send, mut done) = (octets, 0, false, false);
    let mut rest = Bytes::new();
    while !done {
        while let Some(event) = client.poll_event(NOW, &mut to_client).unwrap() {
            match event {
                client::Event::Writable { .. } => may_send = true,
                client::Event::Done { reply, .. } => {
                    assert!(reply.is_ok());
                    done = true;
                }
                _ => {}
            }
        }
        while may_send && left > 0 {
            if rest.is_empty() {
                rest = Bytes::from_static(if left % 1024 == 2 { b"\r\n" } else { line });
            }
            let before = rest.len() as u64;
            let is_last = left == before;
            client.send_data(message, &mut rest, is_last).unwrap();
            left -= before - rest.len() as u64;
            may_send = rest.is_empty();
        }
        if let Some(Transmit::Data(data)) = client.poll_transmit(NOW, 8192) {
            to_server.extend_from_slice(&data);
        }
        while let Some(event) = server.poll_event(NOW, &mut to_server).unwrap() {
            match event {
                server::Event::Mail { ask, .. } => server.accept(ask).unwrap(),
                server::Event::Rcpt { ask, .. } => server.accept(ask).unwrap(),
                server::Event::BodyChunk(data) => arrived += data.len() as u64,
                server::Event::MessageEnd { ask, .. } => server.accept(ask).unwrap(),
                _ => {}
            }
        }
        while let Some(Transmit::Data(data)) = server.poll_transmit(NOW, 8192) {
            to_client.extend_from_slice(&data);
        }
    }
    arrived
}

fn assert_bounded(octets: u64) {
    for prefer_chunking in [false, true] {
        let mut arrived = 0;
        let heap = allocation_counter::measure(|| arrived = transfer(octets, prefer_chunking));
        assert_eq!(arrived, octets);
        let limit = 64 * 1024;
        assert!(heap.bytes_max <= limit, "{} octets of heap", heap.bytes_max);
    }
}

#[test]
fn a_message_of_64_mib_takes_bounded_heap() {
    assert_bounded(64 << 20);
}

#[test]
#[ignore = "10 GiB: in release only"]
fn a_message_of_10_gib_takes_bounded_heap() {
    assert_bounded(10 << 30);
}
