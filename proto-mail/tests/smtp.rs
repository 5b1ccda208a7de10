//! SMTP and LMTP: the dialogue of the lecture, look-alikes of the end of a message, attacks, and
//! both machines against each other.

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
use proto_mail::smtp::wire::{BodyType, Command, DomainKind, Mailbox, Notify, Reply, ReversePath};
use proto_mail::smtp::{Protocol, client, server};
use proto_mail::{TlsInfo, Transmit};

const T0: Duration = Duration::from_secs(1000);

/// A server that takes everything but what `refuse` says, and keeps what it was given.
struct Server {
    session: server::Session,
    input: BytesMut,
    /// Complete messages: recipients and octets.
    messages: Vec<(Vec<String>, Vec<u8>)>,
    current: (Vec<String>, Vec<u8>),
    aborted: Vec<server::AbortReason>,
    error: Option<server::Error>,
    output: Vec<u8>,
    steps: Vec<&'static str>,
}

impl Server {
    fn new(config: server::Config, limits: server::Limits) -> Self {
        Self {
            session: server::Session::new(T0, config, limits),
            input: BytesMut::new(),
            messages: Vec::new(),
            current: Default::default(),
            aborted: Vec::new(),
            error: None,
            output: Vec::new(),
            steps: Vec::new(),
        }
    }

    fn default() -> Self {
        Self::new(server::Config::default(), server::Limits::default())
    }

    fn feed(&mut self, octets: impl AsRef<[u8]>) -> &mut Self {
        self.input.extend_from_slice(octets.as_ref());
        self.run();
        self
    }

    fn run(&mut self) {
        loop {
            match self.session.poll_event(T0, &mut self.input) {
                Ok(Some(event)) => self.answer(event),
                Ok(None) => break,
                Err(error) => {
                    assert!(self.error.replace(error).is_none(), "one error");
                }
            }
        }
        while let Some(step) = self.session.poll_transmit(T0, 1000) {
            match step {
                Transmit::Data(data) => self.output.extend_from_slice(&data),
                Transmit::StartTls => self.steps.push("tls"),
                Transmit::Shutdown => self.steps.push("shutdown"),
            }
        }
    }

    fn answer(&mut self, event: server::Event) {
        let session = &mut self.session;
        match event {
            server::Event::Mail { ask, .. } => {
                self.current = Default::default();
                session.accept(ask).unwrap();
            }
            server::Event::Rcpt { ask, to, .. } => {
                if to.local_part().starts_with(b"nobody") {
                    session.reject(ask, &Reply::no_such_mailbox()).unwrap();
                } else {
                    self.current.0.push(to.to_string());
                    session.accept(ask).unwrap();
                }
            }
            server::Event::BodyChunk(data) => self.current.1.extend_from_slice(&data),
            server::Event::MessageEnd { ask, recipients } => {
                assert_eq!(recipients as usize, self.current.0.len());
                let replies: Vec<_> = (0..recipients)
                    .map(|number| Reply::ok(format!("delivered {number}")))
                    .collect();
                session.answer_each(ask, &replies).unwrap();
                self.messages.push(core::mem::take(&mut self.current));
            }
            server::Event::Aborted { reason } => {
                self.aborted.push(reason);
                self.current = Default::default();
            }
            server::Event::Auth { ask, initial, .. } => match initial {
                None => session.challenge(ask, b"").unwrap(),
                Some(secret) if secret.as_bytes() == b"\0bob\0hungry" => {
                    session.accept(ask).unwrap();
                }
                Some(_) => {
                    let reply = Reply::authentication_failed();
                    session.reject(ask, &reply).unwrap();
                }
            },
            server::Event::AuthResponse { ask, response } => {
                assert_eq!(response.as_bytes(), b"\0bob\0hungry");
                session.accept(ask).unwrap();
            }
            _ => {}
        }
    }

    /// What was said since the last call.
    fn said(&mut self) -> String {
        String::from_utf8(core::mem::take(&mut self.output)).unwrap()
    }

    fn codes(&mut self) -> Vec<String> {
        let said = self.said();
        said.lines()
            .filter(|line| line.as_bytes().get(3) == Some(&b' '))
            .map(|line| line[..3].to_owned())
            .collect()
    }
}

fn lmtp() -> server::Config {
    let mut config = server::Config::default();
    config.protocol = Protocol::Lmtp;
    config
}

#[test]
fn the_dialogue_of_the_lecture() {
    let mut config = server::Config::default();
    config.host = "hamburger.edu".into();
    config.greeting = "".into();
    config.hello_names_host = false;
    config.enhanced_status_codes = false;
    let mut server = server::Session::new(T0, config, server::Limits::default());
    let (mut input, mut said, mut message) = (BytesMut::new(), String::new(), Vec::new());
    for line in [
        "",
        "HELO crepes.fr",
        "MAIL FROM: <alice@crepes.fr>",
        "RCPT TO: <bob@hamburger.edu>",
        "DATA",
        "Do you like ketchup?",
        "How about pickles?",
        ".",
        "QUIT",
    ] {
        if !line.is_empty() {
            said += &format!("C: {line}\n");
            input.extend_from_slice(format!("{line}\r\n").as_bytes());
        }
        while let Some(event) = server.poll_event(T0, &mut input).unwrap() {
            match event {
                server::Event::Mail { ask, from, .. } => {
                    let from = from.mailbox().unwrap().to_string();
                    let reply = Reply::new(250, None, format!("{from}... Sender ok"));
                    server.accept_with(ask, &reply).unwrap();
                }
                server::Event::Rcpt { ask, to, .. } => {
                    let reply = Reply::new(250, None, format!("{to}... Recipient ok"));
                    server.accept_with(ask, &reply).unwrap();
                }
                server::Event::BodyChunk(data) => message.extend_from_slice(&data),
                server::Event::MessageEnd { ask, .. } => server.accept(ask).unwrap(),
                _ => {}
            }
        }
        while let Some(Transmit::Data(data)) = server.poll_transmit(T0, 1000) {
            said += &format!(
                "S: {}",
                String::from_utf8_lossy(&data).replace("\r\n", "\n")
            );
        }
    }
    assert_eq!(
        said,
        "S: 220 hamburger.edu\n\
         C: HELO crepes.fr\n\
         S: 250 Hello crepes.fr, pleased to meet you\n\
         C: MAIL FROM: <alice@crepes.fr>\n\
         S: 250 alice@crepes.fr... Sender ok\n\
         C: RCPT TO: <bob@hamburger.edu>\n\
         S: 250 bob@hamburger.edu... Recipient ok\n\
         C: DATA\n\
         S: 354 Enter mail, end with \".\" on a line by itself\n\
         C: Do you like ketchup?\n\
         C: How about pickles?\n\
         C: .\n\
         S: 250 Message accepted for delivery\n\
         C: QUIT\n\
         S: 221 hamburger.edu closing connection\n"
    );
    assert_eq!(message, b"Do you like ketchup?\r\nHow about pickles?\r\n");
}

const ENVELOPE: &str = "EHLO a\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n";

/// All strings of exactly `len` octets over CR, LF, dot, NUL and a letter.
fn strings(len: u32) -> impl Iterator<Item = Vec<u8>> {
    (0..5_usize.pow(len)).map(move |mut number| {
        (0..len)
            .map(|_| {
                let octet = b"\r\n.\0a"[number % 5];
                number /= 5;
                octet
            })
            .collect()
    })
}

/// Where the first CRLF, dot, CRLF ends, the text standing behind a CRLF.
fn end_of(text: &[u8]) -> Option<usize> {
    if text.starts_with(b".\r\n") {
        return Some(3);
    }
    text.windows(5)
        .position(|it| it == b"\r\n.\r\n")
        .map(|at| at + 5)
}

/// Attack 1, the server's side: none of the look-alikes ends a message.
#[test]
fn no_look_alike_ends_a_message() {
    let real_end = b"\r\n.\r\n";
    for len in 0..=8 {
        for text in strings(len) {
            // What a smuggler would put behind the look-alike.
            let mut wire = text.clone();
            wire.extend_from_slice(b"MAIL FROM:<evil@x>\r\nRCPT TO:<v@d>\r\nDATA\r\nevil");
            wire.extend_from_slice(real_end);
            let ends =
                end_of(&text).is_some() || end_of(&wire).is_some_and(|at| at < text.len() + 5);
            let cuts: &[usize] = if len <= 5 {
                &[0, 1, 2, 3, 4, 5]
            } else {
                &[usize::MAX]
            };
            for cut in cuts {
                let cut = (*cut).min(text.len());
                let mut server = Server::default();
                server.feed(ENVELOPE);
                server.feed(&wire[..cut]).feed(&wire[cut..]);
                let clean = server.error.is_none();
                if !ends {
                    // One message at most, and it holds all that was meant to look like commands.
                    assert!(server.messages.len() <= 1, "{text:?} at {cut}");
                    assert_eq!(server.messages.len() == 1, clean, "{text:?} at {cut}");
                    if let Some((_, message)) = server.messages.first() {
                        assert!(message.ends_with(b"evil\r\n"), "{text:?}");
                    } else {
                        assert_eq!(server.error, Some(server::Error::BareNewline), "{text:?}");
                        assert_eq!(server.codes().last().unwrap(), "521", "{text:?}");
                    }
                }
            }
        }
    }
}

/// Attack 2, the client's side: whatever it is given, one message comes out, and no look-alike.
#[test]
fn the_client_sends_no_look_alike() {
    for len in 0..=6 {
        for text in strings(len) {
            let splits = if len <= 5 { text.len() } else { 0 };
            for split in 0..=splits {
                let mut pair = Pair::new(server::Config::default(), client::Config::default());
                let id = pair.client.send(envelope(&["c@d"])).unwrap();
                pair.run();
                assert!(pair.writable);
                let (head, tail) = text.split_at(split);
                let mut refused = false;
                for (part, end) in [(head, false), (tail, true)] {
                    let mut part = Bytes::copy_from_slice(part);
                    refused |= pair.client.send_data(id, &mut part, end).is_err();
                }
                assert_eq!(refused, text.contains(&0), "NUL is refused: {text:?}");
                if refused {
                    continue;
                }
                pair.run();
                assert_eq!(pair.server.error, None, "{text:?}");
                assert_eq!(pair.server.messages.len(), 1, "{text:?}");
                assert_eq!(
                    pair.server.messages[0].1,
                    normal(&text),
                    "{text:?} at {split}"
                );
            }
        }
    }
}

/// The text with CRLF in the place of every line end, written down once more: octet by octet.
fn normal(text: &[u8]) -> Vec<u8> {
    let mut normal = Vec::new();
    let mut octets = text.iter().peekable();
    while let Some(octet) = octets.next() {
        match octet {
            b'\r' => {
                octets.next_if(|next| **next == b'\n');
                normal.extend_from_slice(b"\r\n");
            }
            b'\n' => normal.extend_from_slice(b"\r\n"),
            octet => normal.push(*octet),
        }
    }
    if !normal.is_empty() && !normal.ends_with(b"\r\n") {
        normal.extend_from_slice(b"\r\n");
    }
    normal
}

struct Pair {
    server: Server,
    client: client::Session,
    input: BytesMut,
    events: Vec<client::Event>,
    error: Option<client::Error>,
    writable: bool,
    /// What the client said.
    said: Vec<u8>,
}

fn envelope(to: &[&str]) -> client::Envelope {
    let from: Mailbox = "alice@crepes.fr".parse().unwrap();
    to.iter().fold(client::Envelope::new(from), |it, to| {
        it.to(to.parse().unwrap())
    })
}

impl Pair {
    fn new(mut server: server::Config, mut client: client::Config) -> Self {
        client.protocol = server.protocol;
        server.starttls = client.starttls == client::StartTls::Required;
        server.allow_plaintext_auth = true;
        client.allow_plaintext_auth = true;
        Self {
            server: Server::new(server, server::Limits::default()),
            client: client::Session::new(T0, client, client::Limits::default()),
            input: BytesMut::new(),
            events: Vec::new(),
            error: None,
            writable: false,
            said: Vec::new(),
        }
    }

    fn run(&mut self) {
        for _ in 0..100 {
            self.server.run();
            self.input
                .extend_from_slice(&core::mem::take(&mut self.server.output));
            loop {
                match self.client.poll_event(T0, &mut self.input) {
                    Ok(Some(event)) => {
                        self.writable |= matches!(event, client::Event::Writable { .. });
                        self.events.push(event);
                    }
                    Ok(None) => break,
                    Err(error) => self.error = Some(error),
                }
            }
            let mut sent = Vec::new();
            while let Some(step) = self.client.poll_transmit(T0, 700) {
                match step {
                    Transmit::Data(data) => sent.extend_from_slice(&data),
                    Transmit::StartTls => {
                        self.server.run();
                        assert_eq!(self.server.steps, ["tls"]);
                        self.client.handle_tls_established(T0, TlsInfo::default());
                        let session = &mut self.server.session;
                        session.handle_tls_established(T0, TlsInfo::default());
                    }
                    Transmit::Shutdown => self.server.session.handle_eof(T0),
                }
            }
            self.said.extend_from_slice(&sent);
            if sent.is_empty() && self.server.output.is_empty() {
                self.server.run();
                if self.server.output.is_empty() {
                    return;
                }
            }
            self.server.feed(&sent);
        }
        panic!("no end");
    }

    fn deliver(&mut self, envelope: client::Envelope, text: &[u8]) -> client::CommandId {
        let id = self.client.send(envelope).unwrap();
        self.writable = false;
        self.run();
        if self.writable {
            let mut rest = Bytes::copy_from_slice(text);
            while {
                self.client.send_data(id, &mut rest, true).unwrap();
                !rest.is_empty()
            } {
                self.run();
            }
            self.run();
        }
        id
    }

    fn reply_to(&self, wanted: client::CommandId) -> Option<u16> {
        self.events.iter().find_map(|event| match event {
            client::Event::Done { id, reply } if *id == wanted => Some(reply.code()),
            _ => None,
        })
    }
}

#[test]
fn messages_go_through_pipelined_or_not_by_data_and_by_bdat() {
    let text = b"Subject: x\r\n\r\n.dot\r\n..\r\n.\r\nend\r\n".repeat(2000);
    for pipelining in [true, false] {
        for prefer_chunking in [true, false] {
            for starttls in [client::StartTls::Required, client::StartTls::Off] {
                let mut config = client::Config::default();
                config.pipelining = pipelining;
                config.prefer_chunking = prefer_chunking;
                config.starttls = starttls;
                let mut pair = Pair::new(server::Config::default(), config);
                for _ in 0..2 {
                    let id = pair.deliver(envelope(&["bob@x", "nobody@x", "eve@x"]), &text);
                    assert_eq!(pair.reply_to(id), Some(250));
                }
                let accepted: Vec<_> = pair
                    .events
                    .iter()
                    .filter_map(|event| match event {
                        client::Event::Recipient { index, reply, .. } => {
                            Some((*index, reply.code()))
                        }
                        _ => None,
                    })
                    .collect();
                let once = [(0, 250), (1, 550), (2, 250)];
                assert_eq!(accepted, [once, once].concat());
                assert_eq!(pair.server.messages.len(), 2);
                for (recipients, message) in &pair.server.messages {
                    assert_eq!(recipients, &["bob@x", "eve@x"]);
                    assert!(*message == text);
                }
                pair.client.quit().unwrap();
                pair.run();
                assert!(pair.error.is_none() && pair.server.error.is_none());
            }
        }
    }
}

/// Attack 22: LMTP has one answer for each recipient that was accepted, duplicates included.
#[test]
fn lmtp_answers_for_each_recipient() {
    let mut pair = Pair::new(lmtp(), client::Config::default());
    let id = pair.deliver(envelope(&["bob@x", "nobody@x", "bob@x"]), b"hi\r\n");
    let delivered: Vec<_> = pair
        .events
        .iter()
        .filter_map(|event| match event {
            client::Event::Delivery { index, reply, .. } => Some((*index, reply.text().to_vec())),
            _ => None,
        })
        .collect();
    assert_eq!(
        delivered,
        [(0, b"delivered 0".to_vec()), (2, b"delivered 1".to_vec())]
    );
    assert_eq!(pair.reply_to(id), Some(250));
}

#[test]
fn a_message_without_a_valid_recipient_leaves_the_session_usable() {
    for pipelining in [true, false] {
        let mut config = client::Config::default();
        config.pipelining = pipelining;
        let mut pair = Pair::new(server::Config::default(), config);
        let id = pair.deliver(envelope(&["nobody@x"]), b"hi\r\n");
        assert_eq!(pair.reply_to(id), Some(550));
        let id = pair.deliver(envelope(&["bob@x"]), b"hi\r\n");
        assert_eq!(pair.reply_to(id), Some(250));
        assert_eq!(pair.server.messages.len(), 1);
    }
}

#[test]
fn login_with_and_without_initial_response() {
    let mut pair = Pair::new(server::Config::default(), client::Config::default());
    let id = pair.client.auth_plain("bob", "hungry").unwrap();
    pair.run();
    assert_eq!(pair.reply_to(id), Some(235));
    let mut server = Server::default();
    server.session = {
        let mut config = server::Config::default();
        config.allow_plaintext_auth = true;
        server::Session::new(T0, config, server::Limits::default())
    };
    server.feed("EHLO a\r\nAUTH PLAIN\r\nAGJvYgBodW5ncnk=\r\nAUTH PLAIN\r\n");
    assert_eq!(server.codes(), ["220", "250", "334", "235", "503"]);
}

/// Attack 6: a command that comes in plaintext behind STARTTLS is never carried out, at any cut.
#[test]
fn nothing_crosses_starttls_on_the_server() {
    let wire = b"EHLO a\r\nMAIL FROM:<a@b>\r\nSTARTTLS\r\nRCPT TO:<c@d>\r\nRSET\r\n";
    for cut in 0..=wire.len() {
        let mut server = Server::default();
        server.feed(&wire[..cut]);
        server.feed(&wire[cut..]);
        assert!(
            matches!(
                server.error,
                Some(server::Error::PlaintextAfterStartTls { .. })
            ),
            "cut at {cut}: {:?}",
            server.error
        );
        assert!(server.current.0.is_empty());
        assert!(!server.said().contains("Recipient ok"));
    }
    // And what was said before is forgotten.
    let mut server = Server::default();
    server.feed("EHLO a\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nSTARTTLS\r\n");
    assert!(!server.session.wants_read());
    server
        .session
        .handle_tls_established(T0, TlsInfo::default());
    server.said();
    server.feed("DATA\r\nMAIL FROM:<a@b>\r\nEHLO a\r\n");
    assert_eq!(server.aborted, [server::AbortReason::Reset]);
    let said = server.said();
    assert!(said.starts_with("503 "), "{said}");
    assert!(!said.contains("STARTTLS"), "not offered under TLS: {said}");
}

/// Attack 7: a reply that comes in plaintext behind the one to STARTTLS ends the session.
#[test]
fn nothing_crosses_starttls_on_the_client() {
    let wire = b"220 x\r\n250-x\r\n250 STARTTLS\r\n220 go\r\n250 injected\r\n";
    for cut in 0..=wire.len() {
        let mut config = client::Config::default();
        config.starttls = client::StartTls::Required;
        let mut client = client::Session::new(T0, config, client::Limits::default());
        let mut input = BytesMut::new();
        let mut error = None;
        for part in [&wire[..cut], &wire[cut..]] {
            input.extend_from_slice(part);
            loop {
                match client.poll_event(T0, &mut input) {
                    Ok(Some(event)) => assert_ne!(event, client::Event::Ready),
                    Ok(None) => break,
                    Err(found) => error = Some(found),
                }
            }
            while client.poll_transmit(T0, 1000).is_some() {}
        }
        assert!(
            matches!(error, Some(client::Error::PlaintextAfterStartTls { .. })),
            "cut at {cut}: {error:?}"
        );
    }
}

/// Attack 8: a server that hides STARTTLS gets nothing from a client that requires it.
#[test]
fn stripping_starttls_does_not_help() {
    let mut config = client::Config::default();
    config.starttls = client::StartTls::Required;
    let mut client = client::Session::new(T0, config, client::Limits::default());
    let mut input = BytesMut::from("220 x\r\n250-x\r\n250 SIZE\r\n");
    client.send(envelope(&["bob@x"])).unwrap();
    let error = loop {
        match client.poll_event(T0, &mut input) {
            Ok(Some(_)) => {}
            Ok(None) => panic!("no error"),
            Err(error) => break error,
        }
    };
    assert_eq!(error, client::Error::TlsRefused);
}

/// Attacks 11 and 12: chunks with lying, overflowing and misplaced sizes.
#[test]
fn chunks_are_counted_octet_by_octet() {
    let mut server = Server::default();
    server.feed(
        "EHLO a\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nBDAT 6\r\nQUIT\r\nBDAT 0\r\nBDAT 3 LAST\r\na\r\n",
    );
    assert_eq!(
        server.codes(),
        ["220", "250", "250", "250", "250", "250", "250"]
    );
    assert_eq!(server.messages[0].1, b"QUIT\r\na\r\n");
    // Without a transaction the octets are read and dropped.
    server.feed("BDAT 6 LAST\r\nQUIT\r\nNOOP\r\n");
    assert_eq!(server.codes(), ["503", "250"]);
    // BDAT and DATA do not mix.
    server.feed("MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nBDAT 0\r\nDATA\r\nRSET\r\n");
    assert_eq!(server.codes(), ["250", "250", "250", "503", "250"]);
    // A size that is no number: what follows cannot be told from commands.
    server.feed("BDAT 99999999999999999999999\r\nQUIT\r\n");
    assert_eq!(server.error, Some(server::Error::BadChunk));
    assert_eq!(server.codes(), ["501"]);
}

#[test]
fn a_message_that_is_too_large_is_read_to_its_end_and_refused() {
    let mut limits = server::Limits::default();
    limits.max_message_octets = 10;
    let mut server = Server::new(server::Config::default(), limits);
    server
        .feed(ENVELOPE)
        .feed("0123456789abcdef\r\n.\r\nNOOP\r\n");
    assert_eq!(
        server.codes(),
        ["220", "250", "250", "250", "354", "552", "250"]
    );
    assert_eq!(server.aborted, [server::AbortReason::TooLarge]);
    server.feed("MAIL FROM:<a@b> SIZE=11\r\n");
    assert_eq!(server.codes(), ["552"]);
}

/// Attacks 4, 5, 17, 18: addresses and parameters.
#[test]
fn addresses_and_parameters_follow_the_grammar() {
    for good in [
        "a@b",
        "a.b@c.d",
        "\"a b\"@c",
        "\"a@b\"@c",
        "a@[127.0.0.1]",
        "a@[IPv6:::1]",
        "postmaster",
        "a+b=c@d-e.f",
        "\"\\\"\"@x",
        "ü@ü.de",
    ] {
        let mailbox = Mailbox::new(good).unwrap();
        assert_eq!(mailbox.to_string(), good);
    }
    for bad in [
        "",
        "@b",
        "a@",
        "a..b@c",
        ".a@b",
        "a.@b",
        "a b@c",
        "a@b c",
        "a@-b",
        "a@b-",
        "a@b..c",
        "a@[1.2.3]",
        "a@[IPv6:x]",
        "\"a@b",
        "a\r\n@b",
        "a@b\r\nRCPT TO:<x@y>",
        "a@b>",
        "<a@b",
        "a\0@b",
    ] {
        assert!(Mailbox::new(bad).is_err(), "{bad:?}");
    }
    let quoted = Mailbox::new("\"a@b\"@c").unwrap();
    assert_eq!(
        (quoted.domain(), quoted.local_part()),
        (&b"c"[..], &b"\"a@b\""[..])
    );
    assert_eq!(quoted.unquoted_local_part(), b"a@b");
    assert_eq!(
        Mailbox::new("a@[127.0.0.1]").unwrap().domain_kind(),
        DomainKind::Ipv4("127.0.0.1".parse().unwrap())
    );
    let parse = |line: &'static str| Command::parse(line.as_bytes(), false);
    let Ok(Command::Mail { from, params }) = parse(
        "MAIL FROM:<@x,@y:a@b> SIZE=1 BODY=8BITMIME RET=HDRS ENVID=a+2Bb BY=60;RT MT-PRIORITY=-3 HOLDFOR=9 AUTH=<> X=1",
    ) else {
        panic!("no command")
    };
    assert_eq!(from, ReversePath::Mailbox(Mailbox::new("a@b").unwrap()));
    assert_eq!(
        (params.size, params.body),
        (Some(1), Some(BodyType::EightBitMime))
    );
    assert_eq!(params.envid.as_deref(), Some(&b"a+b"[..]));
    assert_eq!((params.priority, params.other.len()), (Some(-3), 1));
    let Ok(Command::Rcpt { params, .. }) =
        parse("rcpt to:<a@b> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;x+40y")
    else {
        panic!("no command")
    };
    assert_eq!(
        params.notify,
        Some(Notify::When {
            success: true,
            failure: false,
            delay: true
        })
    );
    assert_eq!(params.orcpt.as_ref().unwrap().address(), b"x@y");
    for bad in [
        "MAIL FROM:<a@b> SIZE=99999999999999999999",
        "MAIL FROM:<a@b> SIZE=1 SIZE=1",
        "MAIL FROM:<a@b> ENVID=a+0D+0A",
        "MAIL FROM:<a@b>SIZE=1",
        "MAIL FROM: <a@b>",
        "MAIL FROM:a@b",
        "RCPT TO:<>",
        "RCPT TO:<a@b> NOTIFY=NEVER,SUCCESS",
        "RCPT TO:<a@b> ORCPT=rfc822;x+00",
        "EHLO",
        "EHLO a b",
        "DATA x",
        "MAIL",
    ] {
        assert!(parse(bad).is_err(), "{bad}");
    }
    // What can be parsed is written as it was meant, and parsed again.
    for line in [
        "MAIL FROM:<> SIZE=5 SMTPUTF8 RET=FULL BY=-1;N",
        "RCPT TO:<a@b> NOTIFY=NEVER ORCPT=rfc822;a+2Bb@c",
        "BDAT 5 LAST",
        "AUTH PLAIN =",
        "STARTTLS",
        "VRFY bob",
    ] {
        let mut dst = BytesMut::new();
        parse(line).unwrap().encode(&mut dst);
        assert_eq!(dst, format!("{line}\r\n"));
    }
}

/// Attacks 10, 14, 15, 16, 19: floods, endless lines, other protocols.
#[test]
fn floods_are_counted_and_end_the_session() {
    let mut server = Server::default();
    server.feed("FOO\r\n".repeat(30));
    assert_eq!(
        server.error,
        Some(server::Error::TooManyBadCommands { limit: 20 })
    );
    assert!(server.said().ends_with("421 too many bad commands\r\n"));
    let mut server = Server::default();
    server.feed("EHLO a\r\n").feed("NOOP\r\n".repeat(1100));
    assert!(matches!(
        server.error,
        Some(server::Error::TooManyIdleCommands { .. })
    ));
    let mut server = Server::default();
    server.feed(vec![b'x'; 100_000]).feed("\r\nNOOP\r\n");
    assert_eq!(server.codes(), ["220", "500", "250"]);
    let mut server = Server::default();
    server.feed("POST / HTTP/1.1\r\nHost: x\r\n\r\nMAIL FROM:<a@b>\r\n");
    assert_eq!(server.error, Some(server::Error::OtherProtocol));
    let mut server = Server::default();
    server.feed("EHLO a\r\nVRFY bob\r\nEXPN list\r\nAUTH PLAIN AGEAYg==\r\n");
    assert_eq!(server.codes(), ["220", "250", "252", "502", "538"]);
    let mut config = server::Config::default();
    config.allow_plaintext_auth = true;
    let mut server = Server::new(config, server::Limits::default());
    server
        .feed("EHLO a\r\n")
        .feed("AUTH PLAIN AGEAYg==\r\n".repeat(4));
    assert!(matches!(
        server.error,
        Some(server::Error::TooManyAuthFailures { .. })
    ));
}

/// Attack 14, the client's side.
#[test]
fn endless_and_mixed_replies_end_the_session() {
    for wire in [
        "220 x\r\n250-a\r\n251 b\r\n".to_owned(),
        format!("220 x\r\n{}", "250-a\r\n".repeat(100_000)),
        format!("220 {}", "x".repeat(100_000)),
        "hello\r\n".to_owned(),
        "220 a\nb\r\n".to_owned(),
        "220 x\r\n250 y\r\n250 z\r\n".to_owned(),
    ] {
        let mut client =
            client::Session::new(T0, client::Config::default(), client::Limits::default());
        let mut input = BytesMut::from(wire.as_bytes());
        let mut errors = 0;
        for _ in 0..100 {
            match client.poll_event(T0, &mut input) {
                Ok(_) => {}
                Err(_) => errors += 1,
            }
            while client.poll_transmit(T0, 100).is_some() {}
        }
        assert_eq!(errors, 1, "{}", &wire[..20]);
    }
}

#[test]
fn an_end_in_the_middle_is_an_error_and_aborts() {
    let mut server = Server::default();
    server.feed(ENVELOPE).feed("half a li");
    server.session.handle_eof(T0);
    server.run();
    assert_eq!(server.aborted, [server::AbortReason::ConnectionLost]);
    assert!(matches!(
        server.error,
        Some(server::Error::UnexpectedEof { .. })
    ));
    assert!(server.messages.is_empty());
}

/// An idle session is small.
#[test]
fn an_idle_session_has_512_octets() {
    assert!(
        size_of::<server::Session>() <= 512,
        "{}",
        size_of::<server::Session>()
    );
    assert!(
        size_of::<client::Session>() <= 768,
        "{}",
        size_of::<client::Session>()
    );
}

/// R13 and attack 61: one octet at a time gives the same.
#[test]
fn chunking_never_matters() {
    let wire = [
        ENVELOPE.as_bytes(),
        b"..\r\n.a\r\nline\r\n.\r\nRSET\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nBDAT 4 LAST\r\nx\r\n\nQUIT\r\n",
    ]
    .concat();
    let mut whole = Server::default();
    whole.feed(&wire);
    for cut in 0..wire.len() {
        let mut server = Server::default();
        server.feed(&wire[..cut]).feed(&wire[cut..]);
        assert_eq!(server.messages, whole.messages, "{cut}");
        assert_eq!(server.output, whole.output, "{cut}");
        assert_eq!(server.error, whole.error, "{cut}");
    }
}

#[test]
fn row_15_chunks_without_a_message_are_counted_and_end_the_session() {
    let mut limits = server::Limits::default();
    limits.max_bad_commands = 5;
    let mut server = Server::new(server::Config::default(), limits);
    server.feed("EHLO x\r\n");
    server.said();
    for _ in 0..10 {
        server.feed("BDAT 3\r\nabc");
    }
    assert_eq!(server.codes(), ["503", "503", "503", "503", "421"]);
    let error = server::Error::TooManyBadCommands { limit: 5 };
    assert_eq!(server.error, Some(error));
}

#[test]
fn a_literal_of_no_known_kind_cannot_hold_what_ends_a_path() {
    for bad in ["a@[x:200>:y]", "a@[x:<y]", "a@[x:\"y]"] {
        assert!(bad.parse::<Mailbox>().is_err(), "{bad}");
    }
    assert!("a@[x:y]".parse::<Mailbox>().is_ok());
}

#[test]
fn a_parameter_that_cannot_be_written_is_not_read() {
    assert!(Command::parse(b"RCPT TO:<a@b> RRVS=1\x0f", false).is_err());
    assert!(Command::parse(b"MAIL FROM:<a@b> ENVID=\x89", false).is_err());
    let long = ["RCPT TO:<a@b> ORCPT=utf-8;", &"\u{e9}".repeat(200)].concat();
    assert!(Command::parse(long.as_bytes(), false).is_err());
    assert!(Command::parse(b"RCPT TO:<a@b> RRVS=2014-04-03T23:01:00Z", false).is_ok());
}
