//! Every limit, at its edge.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod common;

use common::{Client, Server, T0, plaintext_client, plaintext_server};
use core::time::Duration;
use proto_mail::pop3::client::{self, Event, Excess};
use proto_mail::pop3::wire::Reply;
use proto_mail::pop3::{UsageError, server};
use proto_mail::sasl::Mechanism;
use proto_mail::{Secret, Transmit};

/// A line of `len` octets with its end.
fn line(keyword: &str, len: usize) -> String {
    format!("{keyword}{}\r\n", "x".repeat(len - keyword.len() - 2))
}

#[test]
fn max_command_line_is_255_octets_with_the_line_end() {
    let mut server = Server::plaintext();
    server.say("");
    assert_eq!(server.say(line("USER ", 255)), "+OK\r\n");
    assert_eq!(server.say(line("USER ", 256)), "-ERR line too long\r\n");
    // AUTH may be longer, and so may be what follows UTF8.
    assert!(
        server
            .say(line("AUTH PLAIN ", 257))
            .starts_with("-ERR [AUTH]")
    );
    let mut config = plaintext_server();
    config.utf8 = true;
    let mut server = Server::new(config, server::Limits::default());
    server.say("UTF8\r\n");
    assert!(server.session.is_utf8());
    assert_eq!(server.say(line("USER ", 1020)), "+OK\r\n");
    assert_eq!(server.say(line("USER ", 1021)), "-ERR line too long\r\n");
}

#[test]
fn max_auth_line_bounds_auth_and_its_responses() {
    let mut limits = server::Limits::default();
    limits.max_auth_line = 300;
    let mut server = Server::new(plaintext_server(), limits);
    server.say("");
    assert_eq!(
        server.say(line("AUTH PLAIN ", 301)),
        "-ERR line too long\r\n"
    );
    assert_eq!(server.say("AUTH PLAIN\r\n"), "+ \r\n");
    assert_eq!(server.say(line("", 301)), "-ERR line too long\r\n");
    assert_eq!(
        server.say("NOOP\r\n"),
        "-ERR not now\r\n",
        "the exchange is over"
    );
}

#[test]
fn max_queued_output_stops_reading_and_lets_go_again() {
    let mut limits = server::Limits::default();
    limits.max_queued_output = 50;
    let mut server = Server::logged_in(limits);
    server
        .input
        .extend_from_slice("NOOP\r\n".repeat(100).as_bytes());
    assert_eq!(server.session.poll_event(T0, &mut server.input), Ok(None));
    assert!(!server.session.wants_read());
    assert_eq!(server.input.len(), 90 * 6, "ten replies fill it");
    let Some(Transmit::Data(data)) = server.session.poll_transmit(T0, 5) else {
        panic!("no data")
    };
    assert_eq!((data.len(), server.session.wants_read()), (5, true));
    assert_eq!(server.turn(), "+OK\r\n".repeat(99));
}

#[test]
fn max_queued_output_bounds_what_a_body_may_queue() {
    let mut limits = server::Limits::default();
    limits.max_queued_output = 1000;
    let mut server = Server::logged_in(limits);
    server.input.extend_from_slice(b"RETR 1\r\n");
    let Ok(Some(server::Event::Retrieve { ask, .. })) =
        server.session.poll_event(T0, &mut server.input)
    else {
        panic!("no question")
    };
    let body = server.session.accept_stream(ask).unwrap();
    let mut data = "a".repeat(1400).into();
    server.session.send_data(body, &mut data, true).unwrap();
    assert_eq!(data.len(), 400 + "+OK 48 octets\r\n".len());
    assert_eq!(server.session.poll_event(T0, &mut server.input), Ok(None));
    let _ = server.session.poll_transmit(T0, 499);
    assert_eq!(
        server.session.poll_event(T0, &mut server.input),
        Ok(None),
        "more than half"
    );
    let _ = server.session.poll_transmit(T0, 1);
    let writable = Some(server::Event::Writable { body });
    assert_eq!(
        server.session.poll_event(T0, &mut server.input),
        Ok(writable)
    );
    assert_eq!(
        server.session.poll_event(T0, &mut server.input),
        Ok(None),
        "once"
    );
    server.session.send_data(body, &mut data, true).unwrap();
    assert!(data.is_empty());
    let done = Some(server::Event::BodyDone {
        body,
        complete: true,
    });
    assert_eq!(server.session.poll_event(T0, &mut server.input), Ok(done));
}

#[test]
fn idle_ends_the_session_without_update() {
    let mut server = Server::logged_in(server::Limits::default());
    server.say("DELE 1\r\n");
    let deadline = server.session.poll_timeout().unwrap();
    assert_eq!(
        deadline,
        T0 + Duration::from_secs(600),
        "RFC 1939 section 3"
    );
    server.session.handle_timeout(deadline);
    assert_eq!(
        server.turn(),
        "-ERR idle for too long, nothing was deleted\r\n[Shutdown]"
    );
    assert_eq!(server.error, Some(server::Error::IdleTimeout));
    assert_eq!(server.session.stats().limits_tripped, 1);
    assert_eq!(server.store.messages("bob").count(), 2);
    // And then it does not wait for ever for the peer's end.
    let linger = server.session.poll_timeout().unwrap();
    assert_eq!(linger, deadline + Duration::from_secs(2));
    assert!(server.session.wants_read() && !server.session.is_closed());
    server.session.handle_timeout(linger);
    assert!(server.session.is_closed());
    assert_eq!(server.session.poll_timeout(), None);
}

#[test]
fn idle_is_a_client_that_takes_nothing_of_a_body() {
    let mut server = Server::logged_in(server::Limits::default());
    server.input.extend_from_slice(b"LIST\r\n");
    assert_eq!(server.session.poll_event(T0, &mut server.input), Ok(None));
    let later = T0 + Duration::from_secs(500);
    assert!(
        server.session.poll_transmit(later, 10).is_some(),
        "progress"
    );
    let deadline = server.session.poll_timeout().unwrap();
    assert_eq!(deadline, later + Duration::from_secs(600));
    server.session.handle_timeout(deadline);
    // No farewell: it would be taken for a part of the listing.
    assert_eq!(server.turn(), "[Shutdown]");
    assert_eq!(server.error, Some(server::Error::IdleTimeout));
}

#[test]
fn idle_does_not_run_while_the_embedder_has_to_answer() {
    let mut server = Server::plaintext();
    server.say("");
    server
        .input
        .extend_from_slice(b"USER bob\r\nPASS hungry\r\n");
    let event = server
        .session
        .poll_event(T0, &mut server.input)
        .unwrap()
        .unwrap();
    for _ in 0..10 {
        let deadline = server.session.poll_timeout().unwrap();
        server.session.handle_timeout(deadline);
        assert_eq!(
            server.session.poll_event(deadline, &mut server.input),
            Ok(None)
        );
    }
    server
        .store
        .handle(&mut server.connection, &mut server.session, event)
        .unwrap();
    assert!(server.turn().ends_with("logged on\r\n"));
}

#[test]
fn commands_that_were_not_looked_at_yet_are_no_silence() {
    let mut server = Server::logged_in(server::Limits::default());
    server.input.extend_from_slice(b"NOOP\r\n");
    let deadline = server.session.poll_timeout().unwrap();
    server.session.handle_timeout(deadline);
    assert_eq!(server.turn(), "+OK\r\n");
    assert_eq!(server.error, None);
}

#[test]
fn answer_deadline_answers_for_the_embedder() {
    let mut limits = server::Limits::default();
    limits.answer_deadline = Some(Duration::from_secs(30));
    let ask = |lines: &str, server: &mut Server| {
        server.input.extend_from_slice(lines.as_bytes());
        let event = server
            .session
            .poll_event(T0, &mut server.input)
            .unwrap()
            .unwrap();
        let deadline = server.session.poll_timeout().unwrap();
        server.session.handle_timeout(deadline);
        (event, deadline)
    };
    let mut server = Server::new(plaintext_server(), limits.clone());
    server.say("");
    let (event, deadline) = ask("USER bob\r\nPASS hungry\r\n", &mut server);
    assert_eq!(deadline, T0 + Duration::from_secs(30));
    assert_eq!(server.turn(), "+OK\r\n-ERR [SYS/TEMP] try again later\r\n");
    assert_eq!(server.events, ["Fault(AnswerOverdue)"]);
    let late = server
        .store
        .handle(&mut server.connection, &mut server.session, event);
    assert_eq!(late, Err(UsageError::StaleAsk));
    assert!(server.session.maildrop().is_none());

    let mut server = Server::logged_in(limits);
    let (event, _) = ask("DELE 1\r\nQUIT\r\n", &mut server);
    assert!(matches!(event, server::Event::Commit { ref deleted, .. } if deleted.len() == 1));
    let answer = "+OK message 1 deleted\r\n-ERR some deleted messages not removed\r\n[Shutdown]";
    assert_eq!(server.turn(), answer);
}

#[test]
fn max_reply_line_counts_the_line_end() {
    let mut limits = client::Limits::default();
    limits.max_reply_line = 100;
    let mut client = Client::greeted(limits);
    client.session.noop().unwrap();
    assert!(matches!(
        &client.hear(line("+OK ", 100))[..],
        [Event::Done { .. }]
    ));
    client.session.noop().unwrap();
    assert!(matches!(
        &client.hear(line("+OK ", 101))[..],
        [Event::Failed { .. }]
    ));
}

#[test]
fn max_auth_line_bounds_challenges() {
    let mut limits = client::Limits::default();
    limits.max_auth_line = 2000;
    for (len, is_allowed) in [(1994, true), (1998, false)] {
        let mut client = Client::greeted(limits.clone());
        client.session.auth("X".parse().unwrap(), None).unwrap();
        let events = client.hear(format!("+ {}\r\n", "AAAA".repeat(len / 4 + 1)));
        assert_eq!(
            matches!(&events[..], [Event::Challenge { .. }]),
            is_allowed,
            "{len}"
        );
    }
}

#[test]
fn max_command_line_of_the_client() {
    let mut client = Client::greeted(client::Limits::default());
    let limit = 255;
    let too_long = Err(UsageError::CommandTooLong { limit });
    assert_eq!(client.session.login(&"u".repeat(249), "x"), too_long);
    assert_eq!(
        client.session.login("u", "p".repeat(249).as_str()),
        too_long
    );
    assert!(client.session.login("u", "p".repeat(248).as_str()).is_ok());
}

/// RFC 5034 section 4.
#[test]
fn an_initial_response_that_does_not_fit_waits_for_the_first_challenge() {
    let mut client = Client::greeted(client::Limits::default());
    let token = Secret::new(vec![b'x'; 300]);
    let id = client.session.auth(Mechanism::PLAIN, Some(token)).unwrap();
    assert_eq!(client.sent(), "AUTH PLAIN\r\n");
    assert_eq!(client.hear("+ \r\n"), []);
    assert_eq!(client.sent(), "eHh4".repeat(100) + "\r\n");
    let reply = Reply::ok("");
    assert_eq!(client.hear("+OK\r\n"), [Event::Done { id, reply }]);
}

#[test]
fn max_listing_items_and_max_capability_octets() {
    let mut limits = client::Limits::default();
    limits.max_listing_items = 2;
    limits.max_capability_octets = 10;
    let mut client = Client::greeted(limits.clone());
    client.session.list(None).unwrap();
    assert_eq!(client.hear("+OK\r\n1 1\r\n2 1\r\n.\r\n").len(), 3);
    client.session.list(None).unwrap();
    let events = client.hear("+OK\r\n1 1\r\n2 1\r\n3 1\r\n.\r\n");
    assert!(matches!(events[2], Event::Failed { .. }));
    let what = Excess::ListingItems;
    assert_eq!(
        client.error,
        Some(client::Error::TooMuch { what, limit: 2 })
    );

    let mut client = Client::greeted(limits);
    client.session.capa().unwrap();
    assert_eq!(client.hear("+OK\r\nTOP\r\nUIDL\r\n.\r\n").len(), 2);
    client.session.capa().unwrap();
    assert_eq!(client.hear("+OK\r\nTOP\r\nUIDLXY\r\n.\r\n").len(), 1);
    let what = Excess::CapabilityOctets;
    assert_eq!(
        client.error,
        Some(client::Error::TooMuch { what, limit: 10 })
    );
}

#[test]
fn max_queued_commands_and_max_pipelined() {
    let mut limits = client::Limits::default();
    (limits.max_queued_commands, limits.max_pipelined) = (6, 3);
    let mut client = Client::greeted(limits);
    client.session.capa().unwrap();
    client.sent();
    client.hear("+OK\r\nPIPELINING\r\n.\r\n");
    for _ in 0..6 {
        client.session.noop().unwrap();
    }
    assert_eq!(
        client.session.noop(),
        Err(UsageError::QueueFull { limit: 6 })
    );
    assert_eq!(client.sent(), "NOOP\r\n".repeat(3));
    client.hear("+OK\r\n");
    assert_eq!(client.sent(), "NOOP\r\n");
    client.session.quit().unwrap();
    assert_eq!(client.session.noop(), Err(UsageError::Closed));
    client.hear("+OK\r\n".repeat(3));
    assert_eq!(
        client.sent(),
        "NOOP\r\n".repeat(2),
        "QUIT waits for all before it"
    );
    client.hear("+OK\r\n".repeat(2));
    assert_eq!(client.sent(), "QUIT\r\n");
}

#[test]
fn reply_timeout_fails_what_is_open() {
    let mut client = Client::new(plaintext_client(), client::Limits::default());
    let id = client.session.capa().unwrap();
    let deadline = client.session.poll_timeout().unwrap();
    assert_eq!(deadline, T0 + Duration::from_secs(300), "for the greeting");
    client.session.handle_timeout(deadline);
    assert_eq!(client.events(), [Event::Failed { id }]);
    assert_eq!(client.error, Some(client::Error::ReplyTimeout));
    assert_eq!(client.session.stats().limits_tripped, 1);
    assert_eq!(client.sent(), "[Shutdown]");
    let linger = client.session.poll_timeout().unwrap();
    client.session.handle_timeout(linger);
    assert!(client.session.is_closed());
}

#[test]
fn no_timer_runs_while_nothing_is_awaited() {
    let mut client = Client::greeted(client::Limits::default());
    assert_eq!(client.session.poll_timeout(), None);
    client.session.noop().unwrap();
    assert!(client.session.poll_timeout().is_some());
    client.hear("+OK\r\n");
    assert_eq!(client.session.poll_timeout(), None);
    client.session.auth("X".parse().unwrap(), None).unwrap();
    client.hear("+ \r\n");
    assert_eq!(
        client.session.poll_timeout(),
        None,
        "a human may have to be asked"
    );
}

#[test]
fn counters_count() {
    let mut server = Server::logged_in(server::Limits::default());
    server.say("RETR 1\r\nFOO\r\n");
    let stats = server.session.stats();
    assert_eq!(
        (stats.commands, stats.bad_commands, stats.bodies),
        (3, 1, 1)
    );
    assert_eq!(stats.octets_in, 10 + 13 + 8 + 5);
    let mut client = Client::greeted(client::Limits::default());
    client.session.retr(1).unwrap();
    client.session.retr(2).unwrap();
    client.hear("+OK\r\n..a\r\n.\r\n-ERR\r\n");
    let stats = client.session.stats();
    assert_eq!(
        (
            stats.commands,
            stats.refused,
            stats.bodies,
            stats.body_octets
        ),
        (2, 1, 1, 4)
    );
}
