//! Memory: what an idle session keeps, and what any input can make it keep.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod common;

use bytes::BytesMut;
use common::{Store, T0, address, full_server, heap, new_client, new_server, plaintext_client};
use core::mem::size_of;
use proto_ftp::data::{DataLimits, Format, Mode, Receiver};
use proto_ftp::{ClientLimits, ServerLimits, TlsInfo, Transmit, client, server};
use std::sync::Arc;

fn kept(run: impl FnOnce()) -> i64 {
    allocation_counter::measure(run).bytes_current
}

fn drain(session: &mut server::Session) {
    while let Some(step) = session.poll_transmit(T0, 1500) {
        drop(step);
    }
}

#[test]
fn an_idle_server_session_fits_into_2_kib() {
    let (config, limits) = (Arc::new(full_server()), Arc::new(ServerLimits::default()));
    let mut session = None;
    let heap = kept(|| {
        let (here, there) = (common::here(), common::there());
        let mut idle = server::Session::new(T0, config.clone(), limits.clone(), here, there);
        let mut store = Store::new();
        let mut input = BytesMut::from(
            &b"USER bob\r\nPASS hungry\r\nCWD sub\r\nTYPE I\r\nPWD\r\nEPSV\r\nLIST\r\n"[..],
        );
        loop {
            while let Some(event) = idle.poll_event(T0, &mut input).unwrap() {
                store.handle(&mut idle, event).unwrap();
            }
            let Some(action) = idle.poll_action(T0) else {
                break;
            };
            match action {
                server::Action::Listen { id, .. } => {
                    idle.handle_listening(T0, id, address("192.0.2.1:50000"));
                    idle.handle_connected(T0, id, address("192.0.2.9:40001"));
                }
                server::Action::Start { id, .. } => idle.handle_transferred(T0, id, Ok(3)),
                _ => {}
            }
            drain(&mut idle);
        }
        drain(&mut idle);
        assert!(idle.is_logged_in() && idle.stats().transfers == 1);
        drop(store);
        session = Some(idle);
    });
    let total = size_of::<server::Session>() + usize::try_from(heap).unwrap();
    println!(
        "idle server: {} octets and {heap} of heap",
        size_of::<server::Session>()
    );
    assert!(total <= 2048, "{total} octets, {heap} of them heap");
    assert!(heap <= 128, "{heap}");
    drop(session);
}

#[test]
fn an_idle_client_session_fits_into_2_kib() {
    let (config, limits) = (
        Arc::new(plaintext_client()),
        Arc::new(ClientLimits::default()),
    );
    let mut session = None;
    let heap = kept(|| {
        let (here, there) = (common::here(), common::there());
        let mut idle = client::Session::new(T0, config.clone(), limits.clone(), there, here);
        idle.login("bob", "hungry").unwrap();
        idle.noop().unwrap();
        let mut input = BytesMut::from("220-a\r\n220 b\r\n");
        for reply in ["331 p\r\n", "230 in\r\n", "200 ok\r\n"] {
            while let Some(event) = idle.poll_event(T0, &mut input).unwrap() {
                drop(event);
            }
            while idle.poll_transmit(T0, 1500).is_some() {}
            input.extend_from_slice(reply.as_bytes());
        }
        while let Some(event) = idle.poll_event(T0, &mut input).unwrap() {
            drop(event);
        }
        drop(input);
        session = Some(idle);
    });
    let total = size_of::<client::Session>() + usize::try_from(heap).unwrap();
    println!(
        "idle client: {} octets and {heap} of heap",
        size_of::<client::Session>()
    );
    assert!(total <= 2048, "{total} octets, {heap} of them heap");
}

/// What a hostile client says, in pieces; the most heap that the session and its read buffer had.
fn worst(lines: impl Iterator<Item = Vec<u8>>) -> usize {
    let (config, limits) = (full_server(), ServerLimits::default());
    let mut store = Store::new();
    let mut lines = lines.peekable();
    let mut session = None;
    let mut run = || {
        let mut hostile = new_server(T0, &config, &limits);
        // A driver's read buffer has room for a line and a read.
        let mut input = BytesMut::with_capacity(5 * 1024);
        let mut stuck = 0;
        while lines.peek().is_some() && !hostile.is_closed() && stuck < 10 {
            // As a driver does: nothing is read that is not wanted. The peer reads nothing until our
            // side stops reading.
            if hostile.wants_read() {
                stuck = 0;
                if let Some(line) = lines.next() {
                    input.extend_from_slice(&line);
                }
            } else {
                stuck += 1;
                drain(&mut hostile);
            }
            loop {
                match hostile.poll_event(T0, &mut input) {
                    Ok(Some(event)) => {
                        match event {
                            server::Event::ChangeDirectory { ask, .. } => {
                                let _ = hostile.accept(ask);
                            }
                            event => {
                                let _ = store.handle(&mut hostile, event);
                            }
                        }
                        store.logins = Vec::new();
                        store.ended = Vec::new();
                    }
                    Ok(None) => break,
                    Err(_) => drain(&mut hostile),
                }
            }
            while let Some(action) = hostile.poll_action(T0) {
                match action {
                    server::Action::Listen { id, .. } => {
                        hostile.handle_listening(T0, id, address("192.0.2.1:50000"));
                    }
                    server::Action::Secure { id } => {
                        hostile.handle_data_tls(T0, id, &TlsInfo::default());
                    }
                    _ => {}
                }
            }
            if matches!(hostile.poll_transmit(T0, 0), Some(Transmit::StartTls)) {
                hostile.handle_tls_established(T0, TlsInfo::default());
            }
        }
        session = Some(hostile);
    };
    heap(&mut run)
}

#[test]
fn r12_no_client_makes_a_session_need_more_than_24_kib() {
    let long = || vec![b'A'; 900];
    let login = || [b"USER bob\r\nPASS hungry\r\n".to_vec()].into_iter();
    let repeat = |line: &[u8]| {
        let line = line.to_vec();
        login().chain(core::iter::repeat_n(line, 20_000))
    };
    let path = {
        let mut path = b"CWD ".to_vec();
        path.extend_from_slice(&b"abcdefgh/".repeat(220));
        path.extend_from_slice(b"\r\nRNFR a\r\n");
        path
    };
    // Each quote is doubled in the reply.
    let quotes = [&b"CWD "[..], &b"\"".repeat(2000), b"\r\nPWD\r\n"].concat();
    let rows: [(&str, usize); 12] = [
        ("an endless line", worst((0..100_000).map(|_| long()))),
        ("FEAT, unread", worst(repeat(b"FEAT\r\n"))),
        ("STAT, unread", worst(repeat(b"STAT\r\n"))),
        ("long paths", worst(repeat(&path))),
        ("quotes", worst(repeat(&quotes))),
        ("a listener a line", worst(repeat(b"EPSV\r\n"))),
        ("PORT", worst(repeat(b"PORT 192,0,2,9,160,0\r\n"))),
        (
            "a flood within a transfer",
            worst(repeat(b"EPSV\r\nRETR file\r\nNOOP\r\n")),
        ),
        (
            "aborted transfers",
            worst(repeat(b"EPSV\r\nRETR file\r\nABOR\r\nSTAT\r\n")),
        ),
        ("Telnet", worst(repeat(&b"\xff\xfd\x01".repeat(400)))),
        (
            "users",
            worst((0..20_000).map(|_| b"USER aaaaaaaaaaaaaaaaaaaa\r\n".to_vec())),
        ),
        (
            "REIN",
            worst(repeat(b"USER bob\r\nPASS hungry\r\nREIN\r\n")),
        ),
    ];
    for (name, octets) in rows {
        println!("{name}: {octets} octets");
    }
    for (name, octets) in rows {
        assert!(octets <= 24 * 1024, "{name}: {octets} octets");
    }
}

#[test]
fn r12_no_server_makes_a_client_need_more_than_its_limit_of_a_reply() {
    let mut limits = ClientLimits::default();
    limits.max_reply = 8 * 1024;
    let rows: [(&str, &[u8]); 4] = [
        (
            "an endless line",
            b"220 aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        ),
        ("an endless reply", b"220-\r\n"),
        (
            "an endless reply of text",
            b"220-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n",
        ),
        ("nothing", b"\r\n"),
    ];
    for (name, piece) in rows {
        let mut run = || {
            let mut session = new_client(T0, &plaintext_client(), &limits);
            let mut input = BytesMut::new();
            let mut failed = 0;
            for _ in 0..100_000 {
                input.extend_from_slice(piece);
                if session.poll_event(T0, &mut input).is_err() {
                    failed += 1;
                }
            }
            assert!(failed == 1 || name == "nothing", "{name}: {failed}");
        };
        let octets = heap(&mut run);
        println!("{name}: {octets} octets");
        assert!(octets <= 32 * 1024, "{name}: {octets} octets");
    }
}

/// 64 MiB of image, and of blocks, by reads of 64 KiB.
#[test]
fn r12_a_file_passes_the_receiver_within_a_few_read_buffers() {
    const READ: usize = 64 * 1024;
    for mode in [Mode::Stream, Mode::Block, Mode::Compressed] {
        let format = Format {
            mode,
            ..Format::IMAGE
        };
        let mut received = 0;
        let mut run = || {
            let mut receiver = Receiver::new(format, DataLimits::default());
            let mut input = BytesMut::new();
            for _ in 0..256 {
                match mode {
                    Mode::Block => {
                        for _ in 0..4 {
                            input.extend_from_slice(&[0, 0x40, 0]);
                            input.extend_from_slice(&[7; 0x4000]);
                        }
                    }
                    // Runs of 63: the most that MODE C can make of an octet.
                    Mode::Compressed => input.extend_from_slice(&[0xbf, 7].repeat(READ / 126)),
                    _ => input.extend_from_slice(&[7; READ]),
                }
                while let Some(event) = receiver.poll_event(T0, &mut input).unwrap() {
                    if let proto_ftp::data::DataEvent::Chunk(data) = event {
                        received += data.len();
                    }
                }
            }
        };
        let octets = heap(&mut run);
        println!("{mode:?}: {octets} octets");
        assert!(octets <= 6 * READ, "{mode:?}: {octets}");
        assert!(
            received >= 16 << 20 || mode == Mode::Compressed,
            "{received}"
        );
    }
}
