//! STLS: nothing crosses from plaintext into TLS, in either direction, wherever the input is cut.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod common;

use common::{Client, Server, T0, plaintext_server};
use proto_mail::pop3::client::{self, Event};
use proto_mail::pop3::{UsageError, server};
use proto_mail::{TlsInfo, Transmit};

/// What an attacker may put behind the line that starts TLS.
const INJECTED: [&str; 6] = [
    "USER mallory\r\n",
    "USER mallory\r\nPASS x\r\nSTAT\r\n",
    "+OK injected\r\n",
    "\r\n",
    "\n",
    "\0",
];

fn server() -> Server {
    Server::new(server::Config::default(), server::Limits::default())
}

/// Feeds `octets` in two parts.
fn say_in_two(server: &mut Server, octets: &str, cut: usize) -> String {
    let (head, tail) = octets.split_at(cut);
    server.say(head) + &server.say(tail)
}

#[test]
fn r8_server_command_injection_at_every_split_is_an_error() {
    for injected in INJECTED {
        let wire = format!("CAPA\r\nSTLS\r\n{injected}");
        for cut in 0..wire.len() {
            let mut server = server();
            let sent = say_in_two(&mut server, &wire, cut);
            assert!(
                matches!(server.error, Some(server::Error::PlaintextAfterStls { .. })),
                "{injected:?} cut at {cut}: {:?}",
                server.error
            );
            assert!(server.events.is_empty(), "{:?}", server.events);
            assert!(sent.ends_with("[Shutdown]"));
            // Whatever the driver does now, nothing that was injected is answered.
            server
                .session
                .handle_tls_established(T0, TlsInfo::default());
            assert_eq!(server.say("STAT\r\n"), "");
            assert!(server.session.tls().is_none());
        }
    }
}

#[test]
fn r8_client_response_injection_at_every_split_is_an_error() {
    for injected in INJECTED {
        let wire = format!("+OK begin TLS\r\n{injected}");
        for cut in 0..wire.len() {
            let mut client = Client::new(client::Config::default(), client::Limits::default());
            client.hear("+OK ready\r\n");
            let stls = client.session.stls().unwrap();
            let stat = client.session.stat().unwrap();
            assert_eq!(client.sent(), "STLS\r\n");
            let (head, tail) = wire.split_at(cut);
            let mut events = client.hear(head);
            let _ = client.sent();
            events.extend(client.hear(tail));
            assert_eq!(
                events,
                [Event::Failed { id: stls }, Event::Failed { id: stat }]
            );
            assert!(
                matches!(client.error, Some(client::Error::PlaintextAfterStls { .. })),
                "{injected:?} cut at {cut}: {:?}",
                client.error
            );
            client
                .session
                .handle_tls_established(T0, TlsInfo::default());
            assert_eq!(client.session.stat(), Err(UsageError::Closed));
            assert!(!client.sent().contains("STAT"));
        }
    }
}

#[test]
fn r8_nothing_is_read_between_stls_and_the_handshake() {
    let mut server = server();
    server.say("");
    assert_eq!(
        server.say("STLS\r\n"),
        "+OK begin TLS negotiation\r\n[StartTls]"
    );
    assert!(!server.session.wants_read());
    assert_eq!(server.session.poll_transmit(T0, 99), None);
    server
        .session
        .handle_tls_established(T0, TlsInfo::default());
    assert!(server.session.wants_read());
    assert_eq!(server.say("NOOP\r\n"), "-ERR not now\r\n");

    let mut client = Client::new(client::Config::default(), client::Limits::default());
    client.hear("+OK\r\n");
    client.session.stls().unwrap();
    client.sent();
    client.hear("+OK\r\n");
    assert!(!client.session.wants_read());
    assert_eq!(
        client.session.poll_transmit(T0, 99),
        Some(Transmit::StartTls)
    );
    client
        .session
        .handle_tls_established(T0, TlsInfo::default());
    assert!(client.session.wants_read());
}

#[test]
fn r8_the_server_forgets_what_it_learnt_in_plaintext() {
    let mut server = Server::new(plaintext_server(), server::Limits::default());
    server.say("USER bob\r\nSTLS\r\n");
    let mut info = TlsInfo::default();
    info.resumed = true;
    server.session.handle_tls_established(T0, info);
    assert!(server.session.tls().unwrap().resumed);
    assert_eq!(server.say("PASS hungry\r\n"), "-ERR not now\r\n");
    let login = "+OK\r\n+OK user successfully logged on\r\n";
    assert_eq!(server.say("USER bob\r\nPASS hungry\r\n"), login);
}

#[test]
fn r8_the_client_forgets_what_it_learnt_in_plaintext() {
    let mut config = client::Config::default();
    config.allow_apop = true;
    let mut client = Client::new(config, client::Limits::default());
    client.hear("+OK <1.2@host>\r\n");
    client.session.capa().unwrap();
    client.sent();
    client.hear("+OK\r\nPIPELINING\r\nSTLS\r\n.\r\n");
    assert!(!client.session.capabilities().is_empty());
    let id = client.session.stls().unwrap();
    client.sent();
    assert_eq!(client.hear("+OK\r\n"), []);
    client.sent();
    client
        .session
        .handle_tls_established(T0, TlsInfo::default());
    assert!(matches!(&client.events()[..], [Event::Done { id: done, .. }] if *done == id));
    assert!(client.session.capabilities().is_empty());
    assert_eq!(
        client.session.apop("bob", "x"),
        Err(UsageError::ApopUnavailable)
    );
    // One at a time again: PIPELINING has to be listed anew.
    client.session.noop().unwrap();
    client.session.noop().unwrap();
    assert_eq!(client.sent(), "NOOP\r\n");
}

#[test]
fn stls_is_refused_under_tls_after_login_and_after_utf8() {
    let mut config = plaintext_server();
    config.utf8 = true;
    let mut server = Server::new(config.clone(), server::Limits::default());
    server.say("UTF8\r\n");
    assert_eq!(server.say("STLS\r\n"), "-ERR not now\r\n");
    server.say("USER bob\r\nPASS hungry\r\n");
    assert_eq!(server.say("STLS\r\n"), "-ERR not now\r\n");

    let mut server = Server::new(config.clone(), server::Limits::default());
    server.say("STLS\r\n");
    server
        .session
        .handle_tls_established(T0, TlsInfo::default());
    assert_eq!(server.say("STLS\r\n"), "-ERR not now\r\n");

    config.stls = false;
    let mut server = Server::new(config, server::Limits::default());
    server.say("");
    assert_eq!(server.say("STLS\r\n"), "-ERR not offered\r\n");
}

/// Attack rows 8, 10 and 27: TLS that is required cannot be talked away.
#[test]
fn stripping_the_client_sends_no_credentials_without_tls() {
    let mut config = client::Config::default();
    config.allow_apop = true;
    let mut client = Client::new(config, client::Limits::default());
    client.hear("+OK <1.2@host>\r\n");
    let refused = Err(UsageError::TlsRequired);
    assert_eq!(client.session.login("bob", "hungry"), refused);
    assert_eq!(client.session.apop("bob", "hungry"), refused);
    assert_eq!(client.session.auth_plain("bob", "hungry"), refused);
    let stls = client.session.stls().unwrap();
    assert_eq!(client.session.stls(), Err(UsageError::TlsTwice));
    let stat = client.session.stat().unwrap();
    assert_eq!(client.sent(), "STLS\r\n");
    let events = client.hear("-ERR no\r\n");
    assert!(matches!(events[0], Event::Done { id, .. } if id == stls));
    assert_eq!(events[1..], [Event::Failed { id: stat }]);
    assert_eq!(client.error, Some(client::Error::TlsRefused));
    assert_eq!(client.sent(), "[Shutdown]");
}

#[test]
fn without_tls_the_server_takes_no_password_and_says_so_the_same_for_all() {
    let mut server = server();
    server.say("");
    let refused = "-ERR not offered without TLS, or not at all\r\n";
    for line in [
        "USER bob\r\n",
        "PASS hungry\r\n",
        "AUTH PLAIN\r\n",
        "AUTH PLAIN AGEAYg==\r\n",
    ] {
        assert_eq!(server.say(line), refused);
    }
    assert!(!server.say("CAPA\r\n").contains("USER"));
}

#[test]
fn implicit_tls_greets_after_the_handshake_and_takes_no_plaintext() {
    let mut config = server::Config::default();
    config.implicit_tls = true;
    let mut server = Server::new(config.clone(), server::Limits::default());
    assert_eq!(server.say(""), "");
    assert!(!server.session.wants_read());
    server
        .session
        .handle_tls_established(T0, TlsInfo::default());
    assert_eq!(server.say(""), "+OK POP3 server ready\r\n");
    assert!(!server.say("CAPA\r\n").contains("STLS"));

    let mut server = Server::new(config, server::Limits::default());
    assert_eq!(server.say("USER bob\r\n"), "[Shutdown]");
    assert_eq!(
        server.error,
        Some(server::Error::PlaintextAfterStls { octets: 10 })
    );

    let mut config = client::Config::default();
    config.implicit_tls = true;
    let mut client = Client::new(config, client::Limits::default());
    assert!(!client.session.wants_read());
    assert_eq!(client.session.stls(), Err(UsageError::TlsTwice));
    client
        .session
        .handle_tls_established(T0, TlsInfo::default());
    assert!(matches!(
        &client.hear("+OK\r\n")[..],
        [Event::Greeting { .. }]
    ));
    client.session.login("bob", "hungry").unwrap();
    assert_eq!(client.sent(), "USER bob\r\n");
}
