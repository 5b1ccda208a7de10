//! Memory: what an idle session keeps, and what a body of any size needs on its way.

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
use common::{T0, plaintext_client, plaintext_server};
use core::mem::size_of;
use proto_mail::Transmit;
use proto_mail::pop3::{Maildrop, client, server};
use std::sync::Arc;

fn kept(run: impl FnOnce()) -> i64 {
    allocation_counter::measure(run).bytes_current
}

fn peak(run: impl FnOnce()) -> u64 {
    allocation_counter::measure(run).bytes_max
}

fn drain(session: &mut server::Session) -> usize {
    let mut octets = 0;
    while let Some(Transmit::Data(data)) = session.poll_transmit(T0, 1500) {
        octets += data.len();
    }
    octets
}

fn next(session: &mut server::Session, input: &mut BytesMut) -> server::Event {
    session.poll_event(T0, input).unwrap().unwrap()
}

#[test]
fn an_idle_server_session_fits_into_512_octets() {
    let config = Arc::new(plaintext_server());
    let limits = Arc::new(server::Limits::default());
    let mut session = None;
    let heap = kept(|| {
        let mut idle = server::Session::new(T0, config.clone(), limits.clone(), [7; 32]);
        drain(&mut idle);
        session = Some(idle);
    });
    let total = size_of::<server::Session>() + usize::try_from(heap).unwrap();
    println!(
        "idle server: {} octets and {heap} of heap",
        size_of::<server::Session>()
    );
    assert!(total <= 512, "{total} octets, {heap} of them heap");
    assert_eq!(heap, 0, "nothing is kept while nothing is to be sent");

    // Logged in, with an empty maildrop.
    let mut session = session.unwrap();
    let mut input = BytesMut::from("USER bob\r\nPASS x\r\n");
    let server::Event::Login {
        ask,
        user,
        password,
    } = next(&mut session, &mut input)
    else {
        panic!("no login")
    };
    drop((user, password));
    let heap = kept(|| {
        session.accept(ask, Maildrop::new()).unwrap();
        drain(&mut session);
    });
    println!("logged in: {heap} more");
    assert!(heap <= 160, "{heap} octets");
}

#[test]
fn an_idle_client_session_fits_into_768_octets() {
    let (config, limits) = (
        Arc::new(plaintext_client()),
        Arc::new(client::Limits::default()),
    );
    let mut session = None;
    let heap = kept(|| {
        let mut idle = client::Session::new(T0, config.clone(), limits.clone());
        let mut input = BytesMut::from("+OK\r\n+OK\r\n");
        idle.noop().unwrap();
        while let Ok(Some(event)) = idle.poll_event(T0, &mut input) {
            drop(event);
        }
        while idle.poll_transmit(T0, 1500).is_some() {}
        session = Some(idle);
    });
    println!(
        "idle client: {} octets and {heap} of heap",
        size_of::<client::Session>()
    );
    assert!(
        size_of::<client::Session>() <= 768,
        "{}",
        size_of::<client::Session>()
    );
    assert_eq!(heap, 0);
}

/// A listing is made as it leaves: its size on the wire does not matter.
#[test]
fn r12_the_listing_of_100_000_messages_needs_no_more_than_32_kib() {
    let mut maildrop = Maildrop::new();
    for number in 0..100_000_u32 {
        maildrop
            .push(1234, format!("unique-id-of-message-{number}"))
            .unwrap();
    }
    let limits = server::Limits::default();
    let mut session = server::Session::new(T0, plaintext_server(), limits, [7; 32]);
    let mut input = BytesMut::from("USER bob\r\nPASS x\r\nUIDL\r\nLIST\r\n");
    let server::Event::Login { ask, .. } = next(&mut session, &mut input) else {
        panic!("no login")
    };
    session.accept(ask, maildrop).unwrap();
    let mut octets = 0;
    let used = peak(|| {
        while session.poll_event(T0, &mut input).unwrap().is_none() {
            match drain(&mut session) {
                0 => break,
                sent => octets += sent,
            }
        }
    });
    println!("listings of {octets} octets in {used} octets of heap");
    assert!(octets > 3_000_000 && input.is_empty());
    assert!(used <= 32 * 1024, "{used} octets");
}

/// 64 MiB through both machines, by buffers of 16 KiB.
#[test]
fn r12_a_body_of_64_mib_passes_both_machines_within_64_kib_of_heap() {
    const SIZE: usize = 64 << 20;
    const PART: usize = 16 << 10;
    let mut part = b"Subject: much\r\n\r\n".to_vec();
    while part.len() < PART {
        part.extend_from_slice(b".a line that begins with a dot, as every fourth one does\r\n");
        for _ in 0..3 {
            part.extend_from_slice(&[b'x'; 76]);
            part.extend_from_slice(b"\r\n");
        }
    }
    let part = Bytes::from(part);
    let parts = SIZE / part.len() + 1;

    let mut limits = server::Limits::default();
    limits.max_queued_output = PART;
    let mut server = server::Session::new(T0, plaintext_server(), limits, [7; 32]);
    let limits = client::Limits::default();
    let mut client = client::Session::new(T0, plaintext_client(), limits);
    let (mut to_server, mut to_client) = (BytesMut::new(), BytesMut::new());
    client.login("bob", "x").unwrap();
    client.retr(1).unwrap();
    let mut received = 0;
    let mut done = 0;
    let used = peak(|| {
        let mut body = None;
        let (mut left, mut rest) = (parts, Bytes::new());
        while done < 2 {
            while let Some(Transmit::Data(data)) = client.poll_transmit(T0, PART) {
                to_server.extend_from_slice(&data);
            }
            while let Some(event) = server.poll_event(T0, &mut to_server).unwrap() {
                match event {
                    server::Event::Login { ask, .. } => {
                        let mut maildrop = Maildrop::new();
                        let size = u64::try_from(part.len() * parts).unwrap();
                        maildrop.push(size, "1").unwrap();
                        server.accept(ask, maildrop).unwrap();
                    }
                    server::Event::Retrieve { ask, .. } => {
                        body = Some(server.accept_stream(ask).unwrap());
                    }
                    _ => {}
                }
            }
            if let Some(id) = body {
                if rest.is_empty() && left > 0 {
                    rest = part.clone();
                    left -= 1;
                }
                if server.send_data(id, &mut rest, left == 0).is_err() {
                    body = None;
                }
            }
            while let Some(Transmit::Data(data)) = server.poll_transmit(T0, PART) {
                to_client.extend_from_slice(&data);
                while let Some(event) = client.poll_event(T0, &mut to_client).unwrap() {
                    match event {
                        client::Event::BodyChunk { data, .. } => received += data.len(),
                        client::Event::Done { reply, .. } => {
                            assert!(reply.is_ok());
                            done += 1;
                        }
                        _ => {}
                    }
                }
            }
        }
    });
    println!("{received} octets of body in {used} octets of heap");
    assert_eq!(received, part.len() * parts);
    assert!(used <= 64 * 1024, "{used} octets");
}

/// Octet by octet, to the same end: no work is done twice.
#[test]
fn r12_nothing_is_retained_of_an_endless_line() {
    let limits = server::Limits::default();
    let mut session = server::Session::new(T0, plaintext_server(), limits, [7; 32]);
    drain(&mut session);
    let mut input = BytesMut::new();
    let used = peak(|| {
        for _ in 0..10_000 {
            input.extend_from_slice(&[b'A'; 100]);
            assert_eq!(session.poll_event(T0, &mut input), Ok(None));
            assert!(input.len() < 256);
        }
    });
    assert!(used <= 4096, "{used} octets");
    assert_eq!(
        session.stats().octets_in,
        1_000_000 - u64::try_from(input.len()).unwrap()
    );
}
