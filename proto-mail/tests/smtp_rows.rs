//! Attacks on SMTP, one test for each: what was done to other servers and clients, and what happens
//! here.
//!
//! The rows of all attacks on mail, and where their tests (`row_N_..`) stand:
//!
//! | rows | what | tests |
//! |---|---|---|
//! | 1 | look-alikes of the end of DATA | `smtp_transcripts.rs`; every string, at every cut: `smtp.rs` |
//! | 2 | bare line ends and NUL going out | `smtp_client.rs`, `dot.rs` |
//! | 3, 4, 5 | dots at edges, commands in bodies, in values, in xtext | here |
//! | 6, 7 | STARTTLS injection, both ways, at every split | `smtp_transcripts.rs`, `stls.rs` (POP3) |
//! | 8, 9 | STARTTLS stripped, capabilities remembered | `smtp.rs`, `hostile.rs`; here |
//! | 10 | logins in plaintext, twice, guessed | here, `hostile.rs` (POP3) |
//! | 11, 12, 13 | chunks and sizes that lie, early talkers | here, `smtp.rs` |
//! | 14, 15 | lines, replies, commands without end | here, `hostile.rs`, `smtp.rs` |
//! | 16, 17, 18 | who exists; octets above 127; quoted `@` | here |
//! | 19 | browsers | here, `hostile.rs` |
//! | 20 | loops | `queue/main.rs`, `smtp::trace` |
//! | 21 | XCLIENT and PROXY | here |
//! | 22 | answers of LMTP that are miscounted | `smtp_client.rs` |
//! | 23, 24, 25, 26 | APOP, PASS, numbers, listings, endless messages (POP3) | `hostile.rs`, `sasl.rs` |
//! | 27 | TLS that is required and not had | here |
//! | 28 to 45 | IMAP | none: there is no IMAP here |
//! | 46 | AUTH and SCRAM | `sasl.rs`, `hostile.rs` |
//! | 47 | what peers say, in logs | here |
//! | 48 to 53, 55 to 61 | messages | `message/hostile.rs` |
//! | 54 | notifications that are written into | `queue/main.rs` |

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test fails by panicking"
)]

use bytes::{Bytes, BytesMut};
use core::time::Duration;
use proto_mail::smtp::client::{self, Envelope, StartTls};
use proto_mail::smtp::server::{Config, Error, Event, Limits, Session};
use proto_mail::smtp::wire::{
    Command, Mailbox, OriginalRecipient, Parameter, Reply, ReplyDecoder, xtext_decode,
};
use proto_mail::{TlsInfo, Transmit};

const T0: Duration = Duration::from_secs(1000);
const BEGIN: &str = "EHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n";

/// A server that accepts whatever it is asked, but no login.
struct Server {
    session: Session,
    input: BytesMut,
    said: String,
    messages: Vec<Vec<u8>>,
    current: Vec<u8>,
    aborted: usize,
    error: Option<Error>,
}

impl Server {
    fn new(change: impl FnOnce(&mut Config, &mut Limits)) -> Self {
        let (mut config, mut limits) = (Config::default(), Limits::default());
        change(&mut config, &mut limits);
        Self {
            session: Session::new(T0, config, limits),
            input: BytesMut::new(),
            said: String::new(),
            messages: Vec::new(),
            current: Vec::new(),
            aborted: 0,
            error: None,
        }
    }

    fn plain() -> Self {
        Self::new(|_, _| {})
    }

    /// Codes of the answers.
    fn say(&mut self, octets: impl AsRef<[u8]>) -> Vec<u16> {
        self.input.extend_from_slice(octets.as_ref());
        loop {
            let session = &mut self.session;
            match session.poll_event(T0, &mut self.input) {
                Ok(Some(Event::Mail { ask, .. })) => session.accept(ask).unwrap(),
                Ok(Some(Event::Rcpt { ask, .. })) => session.accept(ask).unwrap(),
                Ok(Some(Event::Auth { ask, .. })) => {
                    let reply = Reply::authentication_failed();
                    session.reject(ask, &reply).unwrap();
                }
                Ok(Some(Event::BodyChunk(data))) => self.current.extend_from_slice(&data),
                Ok(Some(Event::MessageEnd { ask, .. })) => {
                    session.accept(ask).unwrap();
                    self.messages.push(core::mem::take(&mut self.current));
                }
                Ok(Some(Event::Aborted { .. })) => self.aborted += 1,
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(error) => assert!(self.error.replace(error).is_none()),
            }
        }
        let mut said = Vec::new();
        while let Some(step) = self.session.poll_transmit(T0, 1000) {
            if let Transmit::Data(data) = step {
                said.extend_from_slice(&data);
            }
        }
        self.said = String::from_utf8(said).unwrap();
        let lines = self.said.lines();
        let last = lines.filter(|line| line.as_bytes().get(3) == Some(&b' '));
        last.map(|line| line[..3].parse().unwrap()).collect()
    }
}

#[test]
fn row_3_dots_at_the_edges_of_chunks() {
    let text = "..\r\n...\r\n.a\r\n\r\n..\r\nb.\r\n.\r\n";
    let octets = format!("{BEGIN}DATA\r\n{text}");
    for first in 0..octets.len() {
        for second in [
            first,
            (first + 1).min(octets.len()),
            (first + 2).min(octets.len()),
        ] {
            let mut server = Server::plain();
            server.say(&octets[..first]);
            server.say(&octets[first..second]);
            server.say(&octets[second..]);
            assert_eq!(server.messages, [b".\r\n..\r\na\r\n\r\n.\r\nb.\r\n"]);
        }
    }
}

#[test]
fn row_4_no_value_carries_a_second_command() {
    for bad in ["\r", "\n", "\r\n", "\0", "\r\nRCPT TO:<eve@x>\r\n"] {
        for address in [
            format!("a{bad}@b"),
            format!("a@b{bad}"),
            format!("\"a{bad}\"@b"),
            format!("a@[x:y{bad}]"),
        ] {
            assert!(address.parse::<Mailbox>().is_err(), "{address:?}");
        }
        assert!(Parameter::new(b"X", Some(format!("a{bad}").as_bytes())).is_err());
        assert!(Parameter::new(format!("X{bad}").as_bytes(), None).is_err());
        assert!(OriginalRecipient::new(b"rfc822", format!("a{bad}").as_bytes()).is_err());
        let mut config = client::Config::default();
        config.name = format!("x{bad}").into();
        config.starttls = StartTls::Off;
        let mut session = client::Session::new(T0, config, client::Limits::default());
        assert!(session.vrfy(&format!("bob{bad}")).is_err());
        assert!(session.auth_plain("bob", &format!("x{bad}\0")).is_err());
        let mut input = BytesMut::from("220 x\r\n");
        while session.poll_event(T0, &mut input).unwrap().is_some() {}
        let Some(Transmit::Data(hello)) = session.poll_transmit(T0, 1000) else {
            panic!("no hello");
        };
        assert_eq!(hello, "EHLO localhost\r\n");
    }
}

#[test]
fn row_5_xtext_that_hides_the_end_of_a_line() {
    for bad in ["+0D+0A", "+0A", "+00", "a+0D"] {
        for line in [
            format!("RCPT TO:<a@b> ORCPT=rfc822;{bad}"),
            format!("MAIL FROM:<a@b> ENVID={bad}"),
            format!("MAIL FROM:<a@b> AUTH={bad}"),
        ] {
            assert!(Command::parse(line.as_bytes(), true).is_err(), "{line}");
        }
    }
    assert!(xtext_decode(b"a+2Bb").is_ok_and(|text| text == b"a+b"));
}

#[test]
fn row_9_what_was_offered_in_plaintext_is_forgotten() {
    let mut session =
        client::Session::new(T0, client::Config::default(), client::Limits::default());
    let mut input =
        BytesMut::from("220 x\r\n250-x\r\n250-AUTH PLAIN\r\n250 STARTTLS\r\n220 go\r\n");
    while session.poll_event(T0, &mut input).unwrap().is_some() {}
    while session.poll_transmit(T0, 1000).is_some() {}
    session.handle_tls_established(T0, TlsInfo::default());
    assert_eq!(session.extensions().mechanisms().count(), 0);
    input.extend_from_slice(b"250-x\r\n250 SIZE 5\r\n");
    while session.poll_event(T0, &mut input).unwrap().is_some() {}
    assert_eq!(session.extensions().mechanisms().count(), 0);
    assert_eq!(session.extensions().max_size(), Some(5));
}

#[test]
fn row_10_logins_in_the_wrong_place_and_guesses() {
    let mut server = Server::plain();
    assert_eq!(
        server.say("EHLO x\r\nAUTH PLAIN AGEAYg==\r\n"),
        [220, 250, 538]
    );
    let mut server = Server::new(|config, limits| {
        config.allow_plaintext_auth = true;
        limits.max_auth_failures = 2;
    });
    assert_eq!(server.say("AUTH PLAIN AGEAYg==\r\n"), [220, 503]);
    server.say(BEGIN);
    assert_eq!(server.say("AUTH PLAIN AGEAYg==\r\nRSET\r\n"), [503, 250]);
    assert_eq!(server.say("AUTH PLAIN AGEAYg==\r\n"), [535]);
    assert_eq!(server.say("AUTH PLAIN AGEAYg==\r\nNOOP\r\n"), [535, 421]);
    assert_eq!(server.error, Some(Error::TooManyAuthFailures { limit: 2 }));
}

#[test]
fn row_11_chunks_that_lie() {
    // A size that does not fit, or is none: nobody knows where the octets end.
    for size in [
        "18446744073709551616",
        "99999999999999999999999",
        "-1",
        "1x",
        "",
    ] {
        let mut server = Server::plain();
        server.say(BEGIN);
        server.say(format!("BDAT {size}\r\nMAIL FROM:<evil@x>\r\n"));
        assert_eq!(server.error, Some(Error::BadChunk), "{size}");
        assert!(server.messages.is_empty());
    }
    // The largest one is only a large one.
    let mut server = Server::plain();
    server.say(BEGIN);
    server.say("BDAT 18446744073709551615 LAST\r\nMAIL FROM:<evil@x>\r\nQUIT\r\n");
    assert_eq!((server.error, server.messages.len()), (None, 0));
    // DATA behind BDAT has no place, and RCPT neither.
    let mut server = Server::plain();
    server.say(BEGIN);
    assert_eq!(
        server.say("BDAT 1\r\nxDATA\r\nRCPT TO:<e@f>\r\n"),
        [250, 503, 503]
    );
    // The end of the transport in the middle of a chunk is the end of the session: what comes after
    // it, whoever sent it, is nothing.
    let mut server = Server::plain();
    server.say(format!("{BEGIN}BDAT 100\r\nabc"));
    server.session.handle_eof(T0);
    server.say("");
    assert!(matches!(server.error, Some(Error::UnexpectedEof { .. })));
    assert_eq!(server.say("x".repeat(200) + "\r\nNOOP\r\n"), [0_u16; 0]);
    assert_eq!((server.aborted, server.messages.len()), (1, 0));
}

#[test]
fn row_12_sizes_that_lie() {
    let mut server = Server::new(|_, limits| limits.max_message_octets = 10);
    server.say("EHLO x\r\n");
    assert_eq!(server.say("MAIL FROM:<a@b> SIZE=11\r\n"), [552]);
    for size in ["99999999999999999999999999", "1a", "-1", ""] {
        assert_eq!(
            server.say(format!("MAIL FROM:<a@b> SIZE={size}\r\n")),
            [501],
            "{size}"
        );
    }
    // Announced small, and larger: counted as it comes.
    server.say("MAIL FROM:<a@b> SIZE=1\r\nRCPT TO:<c@d>\r\nDATA\r\n");
    assert_eq!(server.say("0123456789abc\r\n.\r\n"), [552]);
    assert!(server.messages.is_empty());
    assert_eq!(server.say("NOOP\r\n"), [250], "and the session goes on");
}

#[test]
fn row_13_who_talks_before_the_greeting_is_answered_in_order() {
    let mut server = Server::plain();
    let codes = server.say(format!("{BEGIN}DATA\r\nx\r\n.\r\nQUIT\r\n"));
    assert_eq!(codes, [220, 250, 250, 250, 354, 250, 221]);
    assert_eq!(server.messages.len(), 1);
}

#[test]
fn row_14_lines_without_end_cost_nothing() {
    let mut server = Server::plain();
    for _ in 0..1000 {
        server.say([b'x'; 1000]);
        assert!(server.input.len() <= server.session.limits().max_command_line);
    }
    assert_eq!(server.say("\r\nNOOP\r\n"), [500, 250]);
}

#[test]
fn row_16_who_exists_is_told_nobody() {
    let mut server = Server::plain();
    server.say("EHLO x\r\n");
    for user in ["bob", "nobody", "<bob@x>"] {
        assert_eq!(
            server.say(format!("VRFY {user}\r\nEXPN {user}\r\n")),
            [252, 502]
        );
    }
}

#[test]
fn row_17_utf_8_without_leave_and_what_is_none() {
    let mut server = Server::plain();
    server.say("EHLO x\r\n");
    assert_eq!(server.say("MAIL FROM:<j\u{f6}rg@b>\r\n"), [553]);
    assert_eq!(
        server.say("MAIL FROM:<j\u{f6}rg@b> SMTPUTF8\r\nRSET\r\n"),
        [250, 250]
    );
    for bad in [
        &b"\xc0\xaf"[..],
        b"\xff",
        b"\xe2\x82",
        b"\xed\xa0\x80",
        b"\0",
        b"\x7f",
    ] {
        let line = [b"MAIL FROM:<a", bad, b"@b> SMTPUTF8\r\n"].concat();
        let code = server.say(line)[0];
        assert!(code == 501 || code == 500, "{bad:?} {code}");
    }
    server.say("MAIL FROM:<a@b>\r\n");
    assert_eq!(server.say("RCPT TO:<c@\u{fc}.example>\r\n"), [553]);
}

#[test]
fn row_18_a_quoted_at_sign_is_no_separator() {
    for (text, local, domain) in [
        ("\"a@b\"@c", "\"a@b\"", "c"),
        (
            "\"xclow@evil.com,yclow@mail.com\"@good.com",
            "\"xclow@evil.com,yclow@mail.com\"",
            "good.com",
        ),
        ("\"\\\"@evil\"@good", "\"\\\"@evil\"", "good"),
    ] {
        let address: Mailbox = text.parse().unwrap();
        assert_eq!(address.local_part(), local.as_bytes());
        assert_eq!(address.domain(), domain.as_bytes());
    }
    for bad in [
        "a@b@c",
        "a(c)@b",
        "a b@c",
        "<a@b>",
        "a@b>",
        "=?utf-8?q?a?= <b@c>",
        "a@b,c@d",
    ] {
        assert!(bad.parse::<Mailbox>().is_err(), "{bad}");
    }
    // A source route is dropped, not followed.
    let Ok(Command::Rcpt { to, .. }) = Command::parse(b"RCPT TO:<@evil.example:bob@d>", false)
    else {
        panic!("a recipient");
    };
    assert_eq!(to.as_bytes(), b"bob@d");
}

#[test]
fn row_19_a_browser_that_is_made_to_post_mail() {
    let mut server = Server::plain();
    server.say("POST / HTTP/1.1\r\nHost: x\r\n\r\nEHLO x\r\nMAIL FROM:<a@b>\r\n");
    assert_eq!(server.error, Some(Error::OtherProtocol));
    assert!(server.messages.is_empty());
}

#[test]
fn row_21_nobody_may_say_whom_it_speaks_for() {
    for line in [
        "XCLIENT ADDR=127.0.0.1 LOGIN=root\r\n",
        "XFORWARD ADDR=127.0.0.1\r\n",
        "PROXY TCP4 127.0.0.1 127.0.0.1 1 25\r\n",
    ] {
        let mut server = Server::plain();
        assert_eq!(server.say(line), [220, 500], "{line}");
        server.say("EHLO x\r\n");
        assert!(!server.said.contains("XCLIENT"), "{}", server.said);
        assert_eq!(server.say(line), [500], "{line}");
    }
}

/// What a careless client would pass on (lettre, RUSTSEC-2021-0069): commands in a body.
#[test]
fn row_3_commands_in_a_body_stay_in_the_body() {
    let text = "hi\r\n.\r\nMAIL FROM:<evil@x>\r\nRCPT TO:<eve@x>\r\nDATA\r\nevil\r\n.\n.\r.\r\n";
    let mut config = client::Config::default();
    config.starttls = StartTls::Off;
    let mut session = client::Session::new(T0, config, client::Limits::default());
    let from: Mailbox = "a@b".parse().unwrap();
    let id = session
        .send(Envelope::new(from).to("c@d".parse().unwrap()))
        .unwrap();
    let mut server = Server::plain();
    let mut input = BytesMut::new();
    let mut is_given = false;
    for _ in 0..20 {
        let mut sent = Vec::new();
        while let Some(Transmit::Data(data)) = session.poll_transmit(T0, 7) {
            sent.extend_from_slice(&data);
        }
        server.say(sent);
        input.extend_from_slice(server.said.as_bytes());
        while let Some(event) = session.poll_event(T0, &mut input).unwrap() {
            if matches!(event, client::Event::Writable { .. }) && !is_given {
                is_given = true;
                let mut data = Bytes::from_static(text.as_bytes());
                session.send_data(id, &mut data, true).unwrap();
            }
        }
    }
    let arrived =
        "hi\r\n.\r\nMAIL FROM:<evil@x>\r\nRCPT TO:<eve@x>\r\nDATA\r\nevil\r\n.\r\n.\r\n.\r\n";
    assert_eq!(server.messages, [arrived.as_bytes()]);
}

/// A server that skips TLS (fetchmail's CVE-2021-39272): whatever it says, neither the envelope nor
/// the message is sent.
#[test]
fn row_27_nothing_is_said_without_the_tls_that_is_required() {
    for said in [
        "220 x\r\n250 x\r\n",
        "220 x\r\n250-x\r\n250 PIPELINING\r\n",
        "220 x\r\n502 what?\r\n250 x\r\n",
        "220 x\r\n250-x\r\n250 STARTTLS\r\n454 not now\r\n",
        "220 x\r\n250-x\r\n250 STARTTLS\r\n250 as if it were there\r\n",
        "250 you are in already\r\n",
    ] {
        let mut config = client::Config::default();
        config.starttls = StartTls::Required;
        let mut session = client::Session::new(T0, config, client::Limits::default());
        let from: Mailbox = "alice@b".parse().unwrap();
        let envelope = Envelope::new(from).to("bob@d".parse().unwrap());
        session.send(envelope).unwrap();
        let (mut sent, mut error) = (Vec::new(), None);
        // Line by line, so that a reply is never ahead of what it answers.
        for line in said.split_inclusive('\n') {
            let mut input = BytesMut::from(line);
            loop {
                match session.poll_event(T0, &mut input) {
                    Ok(Some(event)) => assert_ne!(event, client::Event::Ready, "{said:?}"),
                    Ok(None) => break,
                    Err(found) => error = Some(found),
                }
            }
            while let Some(step) = session.poll_transmit(T0, 1000) {
                if let Transmit::Data(data) = step {
                    sent.extend_from_slice(&data);
                }
            }
        }
        assert!(error.is_some(), "{said:?}");
        let sent = String::from_utf8(sent).unwrap();
        assert!(!sent.contains("alice") && !sent.contains("bob"), "{sent}");
    }
}

/// Escape sequences for the terminal of whoever reads the log, and lines that nobody wrote
/// (fetchmail's CVE-2021-36386).
#[test]
fn row_47_what_peers_say_is_harmless_in_logs() {
    let evil = "\x1b[2J\x07hi\u{9b}31m\u{202e}\u{7f}";
    let is_harmless = |shown: String| {
        assert!(shown.contains("hi"), "{shown:?}");
        assert!(
            shown.bytes().all(|it| matches!(it, b' '..=b'~')),
            "{shown:?}"
        );
    };
    let mut decoder = ReplyDecoder::new();
    let mut input = BytesMut::from(format!("250 {evil}\r\n").as_bytes());
    let reply = decoder.decode(&mut input, 1000, 1000).unwrap().unwrap();
    is_harmless(reply.to_string());
    is_harmless(format!("{reply:?}"));
    let line = format!("HELP {evil}");
    let Ok(Command::Help(Some(text))) = Command::parse(line.as_bytes(), false) else {
        panic!("HELP takes any text");
    };
    is_harmless(text.to_string());
    is_harmless(format!("{text:?}"));
}
