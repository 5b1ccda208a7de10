//! ABOR, as servers answer it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod common;

use common::{Client, T0, plaintext_client};
use core::time::Duration;
use proto_ftp::client::{self, CommandId, Event, Fault};
use proto_ftp::data::Type;
use proto_ftp::{ClientLimits, Transmit};

/// A client that has sent ABOR: its transfer, and the command.
fn aborting() -> (Client, CommandId, CommandId) {
    let mut client = Client::greeted(&plaintext_client());
    let retr = client.session.retr("file", Type::Image, 0).unwrap();
    for (line, reply) in [
        ("TYPE I\r\n", "200\r\n"),
        ("EPSV\r\n", "229 (|||5000|)\r\n"),
        ("RETR file\r\n", "150\r\n"),
    ] {
        assert_eq!(client.sent(), line);
        client.hear(reply);
    }
    let abort = client.session.abort().unwrap();
    assert_eq!(client.session.abort(), Err(client::UsageError::NoTransfer));
    assert_eq!(
        client.session.poll_transmit(T0, 99),
        Some(Transmit::Urgent(b"\xff\xf4\xff\xf2"[..].into()))
    );
    assert_eq!(client.sent(), "ABOR\r\n");
    (client, retr, abort)
}

#[test]
fn a_client_aborts_with_a_synch_and_takes_every_way_servers_answer() {
    for (replies, code) in [
        ("426 broken\r\n226 aborted\r\n", 226),
        ("226 done\r\n225 nothing\r\n", 225),
        ("226 done\r\n226 nothing\r\n", 226),
        ("225 aborted\r\n", 225),
    ] {
        let (mut client, retr, abort) = aborting();
        let noop = client.session.noop().unwrap();
        let events = client.hear(replies);
        assert!(
            matches!(&events[0], Event::Failed { id, fault: Fault::Aborted } if *id == retr),
            "{events:?}"
        );
        assert!(
            matches!(&events[1], Event::Done { id, reply, .. } if *id == abort && reply.code() == code)
        );
        assert_eq!(client.sent(), "NOOP\r\n");
        let events = client.hear("200\r\n");
        assert!(matches!(&events[..], [Event::Done { id, .. }] if *id == noop));
    }
}

/// One 226 for both is told from one that has another behind it by the reply to PWD.
#[test]
fn a_lone_226_is_enough() {
    for (replies, code) in [
        ("257 \"/\" is it\r\n", 226),
        ("225 nothing\r\n257 \"/\" is it\r\n", 225),
        ("502 what\r\n257 \"/\" is it\r\n", 502),
    ] {
        let (mut client, retr, abort) = aborting();
        let noop = client.session.noop().unwrap();
        let events = client.hear("226 done\r\n");
        assert!(
            matches!(&events[..], [Event::Failed { id, fault: Fault::Aborted }] if *id == retr),
            "{events:?}"
        );
        let patience = ClientLimits::default().abort;
        let deadline = client.session.poll_timeout().unwrap();
        assert_eq!(deadline, T0 + patience);
        client
            .session
            .handle_timeout(deadline - Duration::from_nanos(1));
        assert_eq!(client.sent(), "");
        client.session.handle_timeout(deadline);
        assert_eq!(client.sent(), "PWD\r\n");
        let events = client.hear(replies);
        assert!(
            matches!(&events[..], [Event::Done { id, reply, .. }] if *id == abort && reply.code() == code),
            "{events:?}"
        );
        assert_eq!(client.sent(), "NOOP\r\n");
        let events = client.hear("200\r\n");
        assert!(matches!(&events[..], [Event::Done { id, .. }] if *id == noop));
    }
}
