//! Every limit: what still fits, and what happens beyond it.

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
use common::{Server, T0, codes, full_server, new_client, plaintext_client};
use core::time::Duration;
use proto_ftp::client::Error;
use proto_ftp::data::{DataError, DataEvent, DataLimits, Format, Mode, Receiver, Sender};
use proto_ftp::server::Action;
use proto_ftp::wire::ReplyError;
use proto_ftp::{ClientLimits, DataTransmit, ServerLimits, server};

fn server(limit: impl FnOnce(&mut ServerLimits)) -> Server {
    let mut limits = ServerLimits::default();
    limit(&mut limits);
    let mut server = Server::new(&full_server(), &limits);
    server.say("USER bob\r\nPASS hungry\r\n");
    assert!(server.session.is_logged_in());
    server
}

#[test]
fn max_line() {
    let mut server = server(|limits| limits.max_line = 20);
    assert_eq!(server.codes("CWD 45678901234567\r\n"), [550]);
    assert_eq!(server.codes("CWD 456789012345678\r\nNOOP\r\n"), [500, 200]);
}

#[test]
fn max_path() {
    let mut server = server(|limits| limits.max_path = 8);
    assert_eq!(
        server.codes("MKD 2345678\r\nMKD 23456789\r\nRNFR file\r\nRNTO 23456789\r\n"),
        [257, 501, 350, 553]
    );
    // Not even on the way to something shorter.
    assert_eq!(
        server.codes("CWD 23456789/../sub\r\nCWD sub\r\nMKD 6789\r\n"),
        [501, 250, 501]
    );
}

#[test]
fn max_name() {
    let mut server = server(|limits| limits.max_name = 11);
    assert_eq!(server.codes("USER 12345678901\r\nUSER 123456789012\r\nREIN\r\nHOST example.com\r\nHOST example.comm\r\n"), [331, 501, 220, 220, 501]);
}

#[test]
fn max_login_failures() {
    let mut limits = ServerLimits::default();
    limits.max_login_failures = 2;
    let mut server = Server::new(&full_server(), &limits);
    let said = server.say(
        "USER a\r\nPASS x\r\nUSER bob\r\nPASS hungry\r\nUSER a\r\nPASS x\r\nUSER a\r\nPASS x\r\n",
    );
    assert_eq!(
        codes(&said),
        [220, 331, 530, 331, 230, 331, 530, 331, 530, 421]
    );
}

#[test]
fn max_faults() {
    let mut limits = ServerLimits::default();
    limits.max_faults = 3;
    let mut server = Server::new(&full_server(), &limits);
    assert_eq!(
        codes(&server.say("A\r\nB\r\nNOOP\r\nC\r\nNOOP\r\n")),
        [220, 500, 500, 200, 500, 421]
    );
    // Who is logged in may mistype.
    let mut server = server_with_faults();
    assert_eq!(server.codes(&"A\r\n".repeat(20)), [500; 20]);
}

fn server_with_faults() -> Server {
    server(|limits| limits.max_faults = 3)
}

#[test]
fn idle_data_wait_stall_and_answer_deadline() {
    let late = |server: &mut Server, seconds: u64| {
        server.now += Duration::from_secs(seconds);
        server.session.handle_timeout(server.now);
        codes(&server.turn())
    };
    let mut idle = server(|limits| limits.idle = Duration::from_secs(7));
    assert_eq!(late(&mut idle, 6), []);
    assert_eq!(late(&mut idle, 1), [421]);
    let mut waiting = server(|limits| limits.data_wait = Duration::from_secs(7));
    waiting.auto = false;
    waiting.say("PORT 192,0,2,9,160,0\r\nRETR file\r\n");
    assert_eq!(late(&mut waiting, 6), []);
    assert_eq!(late(&mut waiting, 1), [425]);
    let mut stalled = server(|limits| limits.stall = Duration::from_secs(7));
    stalled.auto = false;
    stalled.say("PORT 192,0,2,9,160,0\r\nRETR file\r\n");
    let Some(Action::Connect { id, to }) = stalled.actions.last().cloned() else {
        panic!();
    };
    stalled.session.handle_connected(T0, id, to);
    stalled.turn();
    assert_eq!(late(&mut stalled, 6), []);
    stalled.session.handle_progress(stalled.now, id, 1);
    assert_eq!(late(&mut stalled, 6), []);
    assert_eq!(late(&mut stalled, 1), [426]);
    let mut asked = server(|limits| limits.answer_deadline = Some(Duration::from_secs(7)));
    asked.answers = false;
    asked.say("CWD sub\r\nNOOP\r\n");
    assert_eq!(late(&mut asked, 6), []);
    assert_eq!(late(&mut asked, 1), [550, 200]);
    // The answer comes too late.
    let event = asked.open.remove(0);
    let answered = asked.store.handle(&mut asked.session, event);
    assert_eq!(answered, Err(server::UsageError::Stale));
}

#[test]
fn linger() {
    let mut server = server(|limits| limits.linger = Duration::from_secs(7));
    assert_eq!(server.codes("QUIT\r\n"), [221]);
    for (seconds, is_closed) in [(6, false), (1, true)] {
        server.now += Duration::from_secs(seconds);
        server.session.handle_timeout(server.now);
        assert_eq!(server.session.is_closed(), is_closed);
    }
}

#[test]
fn max_queued_replies_and_look_ahead() {
    let mut server = server(|limits| limits.max_queued_replies = 30);
    server.input.extend_from_slice(&b"NOOP\r\n".repeat(100));
    while let Ok(Some(_)) = server.session.poll_event(T0, &mut server.input) {}
    // Eight octets each: four are more than thirty.
    assert_eq!(server.input.len(), 96 * 6);
    assert!(!server.session.wants_read());
    assert_eq!(codes(&server.turn()), [200; 100]);
    assert!(server.session.wants_read());

    let mut server = self::server(|limits| limits.look_ahead = 24);
    server.auto = false;
    server.say("PORT 192,0,2,9,160,0\r\nRETR file\r\n");
    assert_eq!(server.say("NOOP\r\nNOOP\r\nNOOP\r\n"), "");
    assert!(server.session.wants_read());
    assert_eq!(server.say("NOOP\r\nABOR\r\n"), "");
    // Beyond the look-ahead nobody looks.
    assert!(!server.session.wants_read());
    let mut server = self::server(|limits| limits.look_ahead = 24);
    server.auto = false;
    server.say("PORT 192,0,2,9,160,0\r\nRETR file\r\n");
    assert_eq!(codes(&server.say("NOOP\r\nABOR\r\n")), [426, 200, 226]);
}

#[test]
fn limits_of_a_client() {
    let fails = |limit: fn(&mut ClientLimits), octets: &[u8]| {
        let mut limits = ClientLimits::default();
        limit(&mut limits);
        let mut session = new_client(T0, &plaintext_client(), &limits);
        let mut input = BytesMut::from(octets);
        loop {
            match session.poll_event(T0, &mut input) {
                Ok(Some(_)) => {}
                Ok(None) => return None,
                Err(error) => return Some(error),
            }
        }
    };
    let too_long = |limit| Some(Error::Reply(ReplyError::TooLong { limit }));
    assert_eq!(fails(|limits| limits.max_line = 10, b"220 5678\r\n"), None);
    assert_eq!(
        fails(|limits| limits.max_line = 10, b"220 56789\r\n"),
        too_long(10)
    );
    assert_eq!(
        fails(|limits| limits.max_reply = 10, b"220-1234\r\n220 67\r\n"),
        None
    );
    assert_eq!(
        fails(
            |limits| limits.max_reply = 10,
            b"220-12345\r\n220 67890\r\n"
        ),
        too_long(10)
    );
    let many = Some(Error::Reply(ReplyError::TooManyLines { limit: 2 }));
    assert_eq!(
        fails(|limits| limits.max_reply_lines = 2, b"220-1\r\n220 2\r\n"),
        None
    );
    assert_eq!(
        fails(
            |limits| limits.max_reply_lines = 2,
            b"220-1\r\n2\r\n220 3\r\n"
        ),
        many
    );
    // In flight, and in time.
    let mut config = plaintext_client();
    config.pipelining = true;
    let mut limits = ClientLimits::default();
    limits.max_in_flight = 3;
    limits.reply = Duration::from_secs(7);
    let mut session = new_client(T0, &config, &limits);
    let mut input = BytesMut::from("220\r\n");
    while let Ok(Some(_)) = session.poll_event(T0, &mut input) {}
    for _ in 0..5 {
        session.noop().unwrap();
    }
    let mut sent = 0;
    while let Some(proto_ftp::Transmit::Data(data)) = session.poll_transmit(T0, 999) {
        sent += data.len();
    }
    assert_eq!(sent, 3 * 6);
    session.handle_timeout(T0 + Duration::from_secs(6));
    assert!(matches!(session.poll_event(T0, &mut input), Ok(None)));
    session.handle_timeout(T0 + Duration::from_secs(7));
    let mut failed = 0;
    let error = loop {
        match session.poll_event(T0, &mut input) {
            Ok(Some(_)) => failed += 1,
            Ok(None) => panic!("no error"),
            Err(error) => break error,
        }
    };
    assert_eq!((failed, error), (5, Error::Timeout));
}

#[test]
fn limits_of_a_data_connection() {
    // A block of a marker of three octets.
    let mut limits = DataLimits::default();
    limits.max_marker = 3;
    let format = Format {
        mode: Mode::Block,
        ..Format::IMAGE
    };
    for (len, fits) in [(3_u8, true), (4, false)] {
        let mut receiver = Receiver::new(format, limits.clone());
        let mut input = BytesMut::from(&[&[16, 0, len][..], &vec![b'm'; len.into()]].concat()[..]);
        let event = receiver.poll_event(T0, &mut input);
        match fits {
            true => assert_eq!(
                event,
                Ok(Some(DataEvent::Marker(Bytes::from_static(b"mmm"))))
            ),
            false => assert_eq!(event, Err(DataError::Malformed { mode: Mode::Block })),
        }
    }
    let mut limits = DataLimits::default();
    limits.max_queued = 10;
    let mut sender = Sender::new(Format::IMAGE, limits);
    let mut data = Bytes::from_static(b"0123456789ab");
    assert!(!sender.send_data(&mut data, true));
    assert_eq!(data, "ab");
    assert!(!sender.wants_data());
    assert_eq!(
        sender.poll_transmit(T0, 99),
        Some(DataTransmit::Data(Bytes::from_static(b"0123456789")))
    );
    assert!(sender.wants_data() && sender.send_data(&mut data, true));
    assert_eq!(
        sender.poll_transmit(T0, 99),
        Some(DataTransmit::Data(Bytes::from_static(b"ab")))
    );
    assert_eq!(sender.poll_transmit(T0, 99), Some(DataTransmit::Shutdown));
}
