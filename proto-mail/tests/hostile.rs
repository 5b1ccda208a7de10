//! Attacks and bad input, each by its name. Injection around STLS is in stls.rs.

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
use proto_mail::pop3::client::{self, Event, Excess};
use proto_mail::pop3::memory::{Connection, MemoryStore};
use proto_mail::pop3::wire::{Reply, ReplyFault};
use proto_mail::pop3::{Maildrop, UsageError, server};
use proto_mail::{Secret, Transmit};

fn logged_in() -> Server {
    Server::logged_in(server::Limits::default())
}

/// The session goes on: it still answers.
fn goes_on(server: &mut Server) {
    assert_eq!(server.say("NOOP\r\n"), "+OK\r\n");
    assert_eq!(server.error, None);
}

#[test]
fn over_long_lines_are_skipped_and_answered() {
    let mut server = logged_in();
    for len in [254, 1000, 100_000] {
        let line = "X".repeat(len) + "\r\n";
        assert_eq!(server.say(line), "-ERR line too long\r\n");
        goes_on(&mut server);
    }
    assert_eq!(server.session.stats().lines_too_long, 3);
}

#[test]
fn bare_lf_bare_cr_and_nul_are_bad_commands() {
    let mut server = logged_in();
    for line in [
        "NO\nOP\r\n",
        "NOOP\n\r\n",
        "NOOP\rDELE 1\r\n",
        "NOOP\r\r\n",
        "NOOP\0\r\n",
    ] {
        assert_eq!(
            server.say(line),
            "-ERR control octet inside a line\r\n",
            "{line:?}"
        );
        goes_on(&mut server);
    }
    // No second command was seen in any of them.
    assert_eq!(server.say("STAT\r\n"), "+OK 2 96\r\n");
}

#[test]
fn a_bare_lf_ends_a_line_where_the_configuration_says_so() {
    let mut config = plaintext_server();
    config.line_end = proto_mail::line::LineEnd::CrLfOrLf;
    let mut server = Server::new(config, server::Limits::default());
    server.say("");
    let answers = "+OK\r\n+OK user successfully logged on\r\n";
    assert_eq!(server.say("USER bob\nPASS hungry\r\n"), answers);
    assert_eq!(
        server.say("NO\rOP\n"),
        "-ERR control octet inside a line\r\n"
    );
}

#[test]
fn unknown_commands_and_empty_lines_are_answered() {
    let mut server = logged_in();
    for line in [
        "XYZZY\r\n",
        "\r\n",
        " STAT\r\n",
        "STATUS\r\n",
        "\u{e9}\r\n",
        "AUTHX PLAIN\r\n",
    ] {
        assert_eq!(server.say(line), "-ERR unknown command\r\n", "{line:?}");
        goes_on(&mut server);
    }
}

#[test]
fn commands_in_the_wrong_state_are_answered() {
    let mut server = Server::plaintext();
    server.say("");
    for line in [
        "STAT", "LIST", "UIDL", "RETR 1", "TOP 1 1", "DELE 1", "NOOP", "RSET", "PASS x",
    ] {
        assert_eq!(
            server.say(format!("{line}\r\n")),
            "-ERR not now\r\n",
            "{line}"
        );
    }
    server.say("USER bob\r\nPASS hungry\r\n");
    for line in ["USER bob", "PASS hungry", "STLS", "AUTH PLAIN", "AUTH"] {
        assert_eq!(
            server.say(format!("{line}\r\n")),
            "-ERR not now\r\n",
            "{line}"
        );
    }
    goes_on(&mut server);
}

#[test]
fn row_14_an_endless_line_costs_nothing() {
    let mut server = logged_in();
    for _ in 0..10_000 {
        assert_eq!(server.say([b'x'; 100]), "");
        assert!(server.input.len() < 255);
    }
    assert_eq!(server.say("\r\n"), "-ERR line too long\r\n");
    goes_on(&mut server);
}

#[test]
fn row_14_an_endless_reply_ends_the_client() {
    let mut client = Client::greeted(client::Limits::default());
    let id = client.session.noop().unwrap();
    let events = client.hear([b'x'; 2000]);
    assert_eq!(events, [Event::Failed { id }]);
    let fault = ReplyFault::TooLong { limit: 1024 };
    assert_eq!(client.error, Some(client::Error::Malformed(fault.at(1024))));
}

#[test]
fn row_15_a_flood_of_bad_commands_ends_the_session() {
    let mut server = logged_in();
    let flood = "HELP\r\n".repeat(1000);
    let sent = server.say(&flood);
    assert_eq!(sent.matches("-ERR unknown command\r\n").count(), 19);
    assert!(sent.ends_with("-ERR too many bad commands\r\n[Shutdown]"));
    assert_eq!(
        server.error,
        Some(server::Error::TooManyBadCommands { limit: 20 })
    );
    assert!(server.input.is_empty() && server.session.wants_read());
}

#[test]
fn row_19_a_browser_that_is_made_to_post_commands_is_cut_off() {
    let mut server = Server::plaintext();
    server.say("");
    let sent = server
        .say("POST / HTTP/1.1\r\nHost: mail\r\n\r\nUSER bob\r\nPASS hungry\r\nDELE 1\r\nQUIT\r\n");
    assert_eq!(sent, "-ERR unknown command\r\n[Shutdown]");
    assert_eq!(server.error, Some(server::Error::OtherProtocol));
    assert_eq!(server.store.messages("bob").count(), 2);
}

/// CVE-2007-1558.
#[test]
fn row_23_apop_is_off_by_default_on_both_sides_and_wants_a_msg_id() {
    let mut server = Server::plaintext();
    assert_eq!(server.say(""), "+OK POP3 server ready\r\n", "no timestamp");
    let digest = "c4c9334bac560ecc979e58001b3e22fb";
    assert!(
        server
            .say(format!("APOP bob {digest}\r\n"))
            .starts_with("-ERR not offered")
    );

    let mut client = Client::new(plaintext_client(), client::Limits::default());
    client.hear("+OK <1.2@host>\r\n");
    assert_eq!(
        client.session.apop("bob", "x"),
        Err(UsageError::ApopUnavailable)
    );

    let mut config = plaintext_client();
    config.allow_apop = true;
    for greeting in [
        "+OK hi\r\n",
        "+OK <no-msg-id>\r\n",
        "+OK <a\x01b@c>\r\n",
        "+OK <a@b@c>\r\n",
    ] {
        let mut client = Client::new(config.clone(), client::Limits::default());
        let events = client.hear(greeting);
        assert!(
            matches!(
                events[0],
                Event::Greeting {
                    timestamp: None,
                    ..
                }
            ),
            "{greeting:?}"
        );
        assert_eq!(
            client.session.apop("bob", "x"),
            Err(UsageError::ApopUnavailable)
        );
    }
}

#[test]
fn row_24_a_password_keeps_its_blanks() {
    let mut server = Server::plaintext();
    server.store.add_user("eve", " two  words ");
    let answer = server.say("USER eve\r\nPASS  two  words \r\n");
    assert!(
        answer.ends_with("+OK user successfully logged on\r\n"),
        "{answer}"
    );
}

#[test]
fn row_24_unknown_users_and_wrong_passwords_get_the_same_answers() {
    let ask = |lines: &str| {
        let mut server = Server::plaintext();
        server.say(lines)
    };
    assert_eq!(
        ask("USER bob\r\nPASS wrong\r\n"),
        ask("USER nobody\r\nPASS wrong\r\n")
    );
    // \0bob\0wrong, \0nobody\0wrong
    let (bob, nobody) = (
        "AUTH PLAIN AGJvYgB3cm9uZw==\r\n",
        "AUTH PLAIN AG5vYm9keQB3cm9uZw==\r\n",
    );
    assert_eq!(ask(bob), ask(nobody));
    assert!(ask(bob).ends_with("-ERR [AUTH] authentication failed\r\n"));
}

#[test]
fn row_24_a_pipelined_pass_after_a_failed_one_needs_its_own_user() {
    let mut server = Server::plaintext();
    let sent = server.say("USER bob\r\nPASS no\r\nPASS hungry\r\nSTAT\r\n");
    let failed = "-ERR [AUTH] authentication failed\r\n-ERR not now\r\n-ERR not now\r\n";
    assert!(sent.ends_with(failed), "{sent}");
}

#[test]
fn row_10_guessing_passwords_ends_the_session() {
    for wrong in [
        "USER bob\r\nPASS x\r\n",
        "AUTH PLAIN AGJvYgB4\r\n",
        "AUTH PLAIN\r\nbm90IHBsYWlu\r\n",
    ] {
        let mut server = Server::plaintext();
        let sent = server.say(wrong.repeat(5));
        assert_eq!(sent.matches("[AUTH]").count(), 3, "{sent}");
        assert_eq!(
            server.error,
            Some(server::Error::TooManyAuthFailures { limit: 3 })
        );
        assert!(sent.ends_with("[Shutdown]"));
    }
}

#[test]
fn row_10_no_second_login_and_none_after_login() {
    let mut server = logged_in();
    assert_eq!(
        server.say("AUTH PLAIN AGJvYgBodW5ncnk=\r\n"),
        "-ERR not now\r\n"
    );
    assert_eq!(
        server.say("USER mallory\r\nSTAT\r\n"),
        "-ERR not now\r\n+OK 2 96\r\n"
    );
}

#[test]
fn row_46_sasl_responses_that_are_no_base64_fail_the_exchange() {
    for bad in [
        "=\r\n",
        "AGJvYg\r\n",
        "AG Jv\r\n",
        "A\0\r\n",
        "====\r\n",
        "*x\r\n",
    ] {
        let mut server = Server::plaintext();
        server.say("AUTH PLAIN\r\n");
        assert!(
            server.say(bad).starts_with("-ERR invalid base64"),
            "{bad:?}"
        );
        assert!(
            server.events.iter().any(|event| event == "AuthCancelled"),
            "{bad:?}"
        );
        assert_eq!(server.say("NOOP\r\n"), "-ERR not now\r\n");
    }
    let mut server = Server::plaintext();
    server.say("AUTH PLAIN\r\n");
    assert_eq!(
        server.say("A".repeat(13_000) + "\r\n"),
        "-ERR line too long\r\n"
    );
    assert_eq!(server.say("NOOP\r\n"), "-ERR not now\r\n");
}

#[test]
fn row_25_message_numbers_that_lie() {
    let mut server = logged_in();
    for number in [
        "0",
        "3",
        "4294967295",
        "4294967296",
        "18446744073709551616",
        "-1",
        "1x",
        "x",
    ] {
        for command in ["LIST", "UIDL", "RETR", "DELE"] {
            let answer = server.say(format!("{command} {number}\r\n"));
            assert_eq!(answer, "-ERR no such message\r\n", "{command} {number}");
            if server.session.stats().bad_commands > 10 {
                server = logged_in();
            }
        }
    }
    server.say("DELE 1\r\n");
    for command in ["LIST 1", "UIDL 1", "RETR 1", "TOP 1 0", "DELE 1"] {
        let answer = server.say(format!("{command}\r\n"));
        assert_eq!(answer, "-ERR no such message\r\n", "{command} is deleted");
    }
    assert_eq!(
        server.say("LIST\r\n"),
        "+OK 1 messages (48 octets)\r\n2 48\r\n.\r\n"
    );
    goes_on(&mut server);
}

#[test]
fn row_25_listings_that_lie_end_the_client() {
    for (reply, is_list) in [
        ("+OK\r\n1 18446744073709551616\r\n", true),
        ("+OK\r\n0 5\r\n", true),
        ("+OK\r\n4294967296 5\r\n", true),
        ("+OK\r\n1\r\n", true),
        ("+OK\r\nnonsense\r\n", true),
        ("+OK\r\n1 \r\n", false),
        ("+OK\r\n1 a\x7fb\r\n", false),
        ("+OK\r\n1 caf\u{e9}\r\n", false),
    ] {
        let mut client = Client::greeted(client::Limits::default());
        let id = match is_list {
            true => client.session.list(None).unwrap(),
            false => client.session.uidl(None).unwrap(),
        };
        assert_eq!(client.hear(reply), [Event::Failed { id }], "{reply:?}");
        assert!(
            matches!(client.error, Some(client::Error::Malformed(_))),
            "{reply:?}"
        );
    }
    // fetchmail CVE-2005-2335.
    let mut client = Client::greeted(client::Limits::default());
    let id = client.session.uidl(None).unwrap();
    let line = format!("+OK\r\n1 {}\r\n", "u".repeat(71));
    assert_eq!(client.hear(line), [Event::Failed { id }]);
}

#[test]
fn row_25_equal_unique_ids_are_passed_on() {
    let mut client = Client::greeted(client::Limits::default());
    client.session.uidl(None).unwrap();
    assert_eq!(client.hear("+OK\r\n1 same\r\n2 same\r\n.\r\n").len(), 3);
    assert!(Maildrop::new().push(1, "u".repeat(71)).is_err());
}

#[test]
fn row_26_an_endless_message_stops_at_its_limit_wherever_it_is_cut() {
    let mut limits = client::Limits::default();
    limits.max_body_octets = Some(10);
    let wire = "+OK\r\nabc\r\n..\r\nxyzabcabc";
    for cut in 0..wire.len() {
        let mut client = Client::greeted(limits.clone());
        let id = client.session.retr(1).unwrap();
        let (head, tail) = wire.split_at(cut);
        let mut body = Vec::new();
        let mut failed = 0;
        for event in client.hear(head).into_iter().chain(client.hear(tail)) {
            match event {
                Event::BodyChunk { data, .. } => body.extend_from_slice(&data),
                Event::Failed { id: name } if name == id => failed += 1,
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(
            (&body[..], failed),
            (&b"abc\r\n.\r\nxy"[..], 1),
            "cut at {cut}"
        );
        let what = Excess::BodyOctets;
        assert_eq!(
            client.error,
            Some(client::Error::TooMuch { what, limit: 10 })
        );
    }
}

#[test]
fn row_8_replies_that_nothing_was_asked_for_end_the_client() {
    let mut client = Client::greeted(client::Limits::default());
    assert_eq!(client.hear("+OK\r\n"), []);
    assert_eq!(client.error, Some(client::Error::Unsolicited { octets: 5 }));

    let mut client = Client::greeted(client::Limits::default());
    let id = client.session.noop().unwrap();
    let reply = Reply::ok("one");
    assert_eq!(
        client.hear("+OK one\r\n+OK two\r\n"),
        [Event::Done { id, reply }]
    );
    assert_eq!(client.error, Some(client::Error::Unsolicited { octets: 9 }));

    // A challenge outside AUTH, and a reply while the answer to a challenge is awaited.
    let mut client = Client::greeted(client::Limits::default());
    client.session.noop().unwrap();
    client.hear("+ Zm9v\r\n");
    assert!(matches!(client.error, Some(client::Error::Malformed(_))));
    let mut client = Client::greeted(client::Limits::default());
    client.session.auth("X".parse().unwrap(), None).unwrap();
    client.hear("+ Zm9v\r\n+OK\r\n");
    assert_eq!(client.error, Some(client::Error::Unsolicited { octets: 5 }));
}

#[test]
fn a_server_that_greets_with_err_ends_the_client() {
    let mut client = Client::new(plaintext_client(), client::Limits::default());
    let id = client.session.capa().unwrap();
    let events = client.hear("-ERR [SYS/TEMP] come back later\r\n");
    assert!(matches!(&events[0], Event::Greeting { reply, .. } if !reply.is_ok()));
    assert_eq!(events[1..], [Event::Failed { id }]);
    assert_eq!(client.error, Some(client::Error::Refused));
    assert_eq!(client.sent(), "[Shutdown]", "nothing is said to it");
}

#[test]
fn arguments_cannot_carry_a_second_command() {
    let mut client = Client::greeted(client::Limits::default());
    let bad = |offset| Err(UsageError::InvalidArgument { offset });
    assert_eq!(client.session.login("bob\r\nDELE 1", "x"), bad(3));
    assert_eq!(client.session.login("bob", "x\nQUIT"), bad(1));
    assert_eq!(client.session.login("bob", "x\0"), bad(1));
    assert_eq!(client.session.lang(Some("en\r\nQUIT")), bad(2));
    assert_eq!(client.session.auth_plain("bob\0", "x"), bad(0));
    assert_eq!(client.session.retr(0), bad(0));
    assert_eq!(
        client.session.poll_transmit(T0, 999),
        None,
        "nothing was queued"
    );
}

#[test]
fn passwords_never_show() {
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
    let mut shown = format!("{event:?} {:?} {:?}", server.session, server.store);
    let mut client = Client::greeted(client::Limits::default());
    client.session.login("bob", "hungry").unwrap();
    client.session.auth_plain("bob", "hungry").unwrap();
    shown += &format!("{:?}", client.session);
    client.hear("+OK\r\n");
    shown += &format!("{:?} {:?}", client.session, Secret::from("hungry"));
    assert!(
        !shown.contains("hungry") && !shown.contains("aHVuZ3J5"),
        "{shown}"
    );
    // 104, 117: the same as numbers.
    assert!(!shown.contains("104, 117"), "{shown}");
}

/// RFC 1939 section 6: nothing but QUIT deletes.
#[test]
fn no_end_but_quit_deletes() {
    let begin = || {
        let mut server = logged_in();
        server.say("DELE 1\r\nDELE 2\r\n");
        server
    };
    let mut server = begin();
    server.session.handle_eof(T0);
    assert_eq!(server.turn(), "[Shutdown]");
    assert_eq!(server.events.last().unwrap(), "PeerClosed");
    assert_eq!(server.store.messages("bob").count(), 2, "EOF");

    let mut server = begin();
    server.say("QUI");
    server.session.handle_eof(T0);
    server.turn();
    assert_eq!(
        server.error,
        Some(server::Error::UnexpectedEof { pending: 3 })
    );
    assert_eq!(server.store.messages("bob").count(), 2, "EOF inside QUIT");

    let mut server = begin();
    server.session.handle_disconnect(T0);
    server.say("QUIT\r\n");
    assert_eq!(server.store.messages("bob").count(), 2, "a dead transport");

    let mut server = begin();
    server.session.close();
    server.say("QUIT\r\n");
    assert_eq!(server.store.messages("bob").count(), 2, "closed by us");

    let mut server = begin();
    server.say("RETR 1\r\nRSET\r\nQUIT\r\n");
    assert_eq!(server.store.messages("bob").count(), 2, "RSET");

    let mut server = begin();
    assert_eq!(
        server.say("QUIT\r\n"),
        "+OK POP3 server signing off\r\n[Shutdown]"
    );
    assert_eq!(server.store.messages("bob").count(), 0, "QUIT");
}

#[test]
fn a_body_that_cannot_be_read_to_its_end_ends_the_connection_without_its_dot() {
    let mut server = logged_in();
    server
        .input
        .extend_from_slice(b"RETR 1\r\nDELE 1\r\nQUIT\r\n");
    let Ok(Some(server::Event::Retrieve { ask, .. })) =
        server.session.poll_event(T0, &mut server.input)
    else {
        panic!("no question")
    };
    let body = server.session.accept_stream(ask).unwrap();
    server
        .session
        .send_data(body, &mut "half".into(), false)
        .unwrap();
    server.session.abort_stream(body).unwrap();
    assert_eq!(server.turn(), "+OK 48 octets\r\nhalf[Shutdown]");
    assert_eq!(
        server.events.last().unwrap(),
        "BodyDone { body: BodyId(1), complete: false }"
    );
    assert_eq!(
        server.session.send_data(body, &mut "x".into(), true),
        Err(UsageError::StaleBody)
    );
    assert_eq!(server.store.messages("bob").count(), 2);
}

#[test]
fn two_sessions_do_not_share_a_maildrop() {
    let mut one = logged_in();
    let mut two = Server::plaintext();
    two.store = std::mem::take(&mut one.store);
    let refused = "-ERR [IN-USE] maildrop already locked\r\n";
    assert!(two.say("USER bob\r\nPASS hungry\r\n").ends_with(refused));
    assert_eq!(
        two.session.stats().auth_failures,
        0,
        "the password was right"
    );
    // However a connection ends, its lock falls.
    one.connection = Connection::new();
    assert!(two.say("USER bob\r\nPASS hungry\r\n").contains("logged on"));
}

#[test]
fn r10_each_question_is_answered_once_and_stale_ones_change_nothing() {
    let mut server = Server::plaintext();
    server.say("");
    server
        .input
        .extend_from_slice(b"USER bob\r\nPASS x\r\nSTAT\r\n");
    let Ok(Some(server::Event::Login { ask, .. })) =
        server.session.poll_event(T0, &mut server.input)
    else {
        panic!("no question")
    };
    assert_eq!(server.session.poll_event(T0, &mut server.input), Ok(None));
    assert!(!server.session.wants_read());
    assert_eq!(&server.input[..], b"STAT\r\n", "what was pipelined waits");

    // The same number, but of another session.
    let mut other = Server::plaintext();
    other.say("");
    let refused = other.session.reject(ask, Reply::err("no"));
    assert_eq!(refused, Err(UsageError::StaleAsk));
    assert_eq!(other.session.poll_transmit(T0, 99), None);
    server.session.close();
    assert_eq!(server.turn(), "+OK\r\n[Shutdown]");
}

#[test]
fn a_message_that_vanished_is_refused_and_the_session_goes_on() {
    let mut server = logged_in();
    server.store = MemoryStore::new();
    server.store.add_user("bob", "hungry");
    assert_eq!(server.say("RETR 1\r\n"), "-ERR no such message\r\n");
    goes_on(&mut server);
}

#[test]
fn a_reply_with_ok_is_no_rejection() {
    let mut server = Server::plaintext();
    server.say("");
    server.input.extend_from_slice(b"USER bob\r\nPASS x\r\n");
    let Ok(Some(server::Event::Login { ask, .. })) =
        server.session.poll_event(T0, &mut server.input)
    else {
        panic!("no question")
    };
    server.session.reject(ask, Reply::ok("come in")).unwrap();
    assert_eq!(server.turn(), "+OK\r\n-ERR come in\r\n");
    assert!(server.session.maildrop().is_none());
}

#[test]
fn after_the_end_of_an_answer_to_top_the_rest_is_dropped_and_then_the_body_is_stale() {
    let mut server = logged_in();
    server.input.extend_from_slice(b"TOP 1 0\r\nNOOP\r\n");
    let Ok(Some(server::Event::Retrieve {
        ask,
        lines: Some(0),
        ..
    })) = server.session.poll_event(T0, &mut server.input)
    else {
        panic!("no question")
    };
    let body = server.session.accept_stream(ask).unwrap();
    let mut data = "A: 1\r\n\r\nbody".into();
    server.session.send_data(body, &mut data, false).unwrap();
    assert!(data.is_empty());
    server
        .session
        .send_data(body, &mut "more".into(), false)
        .unwrap();
    server
        .session
        .send_data(body, &mut "end".into(), true)
        .unwrap();
    assert_eq!(
        server.session.send_data(body, &mut "x".into(), true),
        Err(UsageError::StaleBody)
    );
    assert_eq!(server.turn(), "+OK\r\nA: 1\r\n\r\n.\r\n+OK\r\n");
    assert_eq!(server.session.poll_transmit(T0, 9), None::<Transmit>);
}
