//! SMTP data of others: sessions recorded between real programs, cut at every octet; look-alikes of
//! the end of a message; scripts of Apache James.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test fails by panicking"
)]

mod common;

use bytes::{Bytes, BytesMut};
use common::{T0, skip, vectors};
use proto_mail::sasl::memory::{Login, Users, Verdict};
use proto_mail::smtp::client::{self, Envelope, StartTls};
use proto_mail::smtp::wire::{Command, Reply, ReplyDecoder};
use proto_mail::smtp::{Protocol, server};
use proto_mail::{TlsInfo, Transmit};
use std::collections::BTreeMap;

/// What a server said and did: its replies, the messages that it was given, and its error.
#[derive(Debug, Default, PartialEq, Eq)]
struct Life {
    said: String,
    messages: Vec<(usize, Vec<u8>)>,
    error: Option<server::Error>,
    faults: usize,
}

struct Server {
    session: server::Session,
    users: Users,
    login: Login,
    input: BytesMut,
    current: (usize, Vec<u8>),
    life: Life,
    tls: bool,
}

impl Server {
    fn new(protocol: Protocol) -> Self {
        let mut users = Users::new();
        users.add("testuser", "pass");
        users.add("bob@mydomain.tld", "secret");
        let mut config = server::Config::default();
        config.protocol = protocol;
        config.allow_plaintext_auth = true;
        config.mechanisms = users.mechanisms(false);
        Self {
            session: server::Session::new(T0, config, server::Limits::default()),
            users,
            login: Login::new(),
            input: BytesMut::new(),
            current: Default::default(),
            life: Life::default(),
            tls: false,
        }
    }

    fn feed(&mut self, octets: &[u8]) {
        self.input.extend_from_slice(octets);
        loop {
            match self.session.poll_event(T0, &mut self.input) {
                Ok(Some(event)) => self.answer(event),
                Ok(None) => break,
                Err(error) => assert!(self.life.error.replace(error).is_none()),
            }
        }
        while let Some(step) = self.session.poll_transmit(T0, 1000) {
            match step {
                Transmit::Data(data) => self.life.said += core::str::from_utf8(&data).unwrap(),
                Transmit::StartTls => self.tls = true,
                Transmit::Shutdown => {}
            }
        }
    }

    fn answer(&mut self, event: server::Event) {
        let session = &mut self.session;
        let (ask, verdict) = match event {
            server::Event::Mail { ask, .. } => {
                self.current = Default::default();
                return session.accept(ask).unwrap();
            }
            server::Event::Rcpt { ask, to, .. } if to.local_part() == b"nouser" => {
                return session.reject(ask, &Reply::no_such_mailbox()).unwrap();
            }
            server::Event::Rcpt { ask, .. } => {
                self.current.0 += 1;
                return session.accept(ask).unwrap();
            }
            server::Event::BodyChunk(data) => return self.current.1.extend_from_slice(&data),
            server::Event::MessageEnd { ask, .. } => {
                self.life.messages.push(core::mem::take(&mut self.current));
                return session.accept(ask).unwrap();
            }
            server::Event::Fault(_) => {
                self.life.faults += 1;
                return;
            }
            server::Event::Auth {
                ask,
                mechanism,
                initial,
            } => {
                let (login, users) = (&mut self.login, &mut self.users);
                (
                    ask,
                    login.begin(users, mechanism, initial.as_ref(), None, false),
                )
            }
            server::Event::AuthResponse { ask, response } => {
                (ask, self.login.respond(&self.users, &response))
            }
            _ => return,
        };
        match verdict {
            Verdict::Challenge(challenge) => session.challenge(ask, &challenge),
            Verdict::Accept(_) => session.accept(ask),
            Verdict::Reject => session.reject(ask, &Reply::authentication_failed()),
        }
        .unwrap();
    }

    /// Codes of the replies since the last call.
    fn codes(&mut self) -> Vec<String> {
        final_codes(&core::mem::take(&mut self.life.said))
    }
}

fn final_codes(said: &str) -> Vec<String> {
    let lines = said
        .lines()
        .filter(|line| line.as_bytes().get(3) == Some(&b' '));
    lines.map(|line| line[..3].to_owned()).collect()
}

fn read(name: &str) -> Option<String> {
    let text = std::fs::read_to_string(vectors().join("mail").join(name)).ok();
    if text.is_none() {
        skip(&format!("mail/{name}"));
    }
    text
}

fn latin1(text: &str) -> Vec<u8> {
    text.chars()
        .map(|it| u8::try_from(u32::from(it)).unwrap())
        .collect()
}

/// What each side of each recorded session said.
fn recorded(name: &str) -> Vec<(Vec<u8>, Vec<u8>)> {
    let Some(text) = read(&format!("transcripts/{name}.jsonl")) else {
        return Vec::new();
    };
    let mut sessions: BTreeMap<u64, (Vec<u8>, Vec<u8>)> = BTreeMap::new();
    for line in text.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let session = sessions.entry(line["conn"].as_u64().unwrap()).or_default();
        let octets = latin1(line["data"].as_str().unwrap_or_default());
        match line["dir"].as_str().unwrap() {
            "C" => session.0.extend(octets),
            _ => session.1.extend(octets),
        }
    }
    sessions.into_values().collect()
}

fn all_recorded() -> Vec<(Protocol, Vec<u8>, Vec<u8>)> {
    let smtp = recorded("smtp-clients-aiosmtpd").into_iter();
    let smtp = smtp.map(|(client, server)| (Protocol::Smtp, client, server));
    let lmtp = recorded("lmtp-swaks-dovecot").into_iter();
    smtp.chain(lmtp.map(|(client, server)| (Protocol::Lmtp, client, server)))
        .collect()
}

/// The message of a recorded session, found by looking for it.
fn message_of(client: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(client);
    let lower = text.to_ascii_lowercase();
    let begin = lower.find("\r\ndata\r\n").unwrap() + 8;
    let end = begin + text[begin..].find("\r\n.\r\n").unwrap() + 2;
    let lines = text[begin..end].split_inclusive("\r\n");
    let lines = lines.map(|line| line.strip_prefix('.').unwrap_or(line));
    lines.collect::<String>().into_bytes()
}

#[test]
fn recorded_clients_deliver_to_our_server_cut_at_every_octet() {
    for (protocol, client, _) in all_recorded() {
        let serve = |cut: usize| {
            let mut server = Server::new(protocol);
            server.feed(&client[..cut]);
            server.feed(&client[cut..]);
            server.life
        };
        let whole = serve(0);
        assert_eq!(whole.error, None);
        // swaks asks VRFY and the like nowhere; smtplib does, and is told nothing.
        assert_eq!(whole.faults, 0, "{}", whole.said);
        assert_eq!(whole.messages.len(), 1);
        assert_eq!(whole.messages[0].1, message_of(&client));
        for cut in 1..client.len() {
            assert_eq!(serve(cut), whole, "cut at {cut}");
        }
    }
}

#[test]
fn recorded_replies_are_read_at_every_cut_and_written_again() {
    for (_, _, said) in all_recorded() {
        let decode = |cut: usize| {
            let (mut decoder, mut src) = (ReplyDecoder::new(), BytesMut::new());
            let mut replies = Vec::new();
            for part in [&said[..cut], &said[cut..]] {
                src.extend_from_slice(part);
                while let Some(reply) = decoder.decode(&mut src, 2048, 32 * 1024).unwrap() {
                    replies.push(reply);
                }
            }
            assert!(src.is_empty());
            replies
        };
        let whole = decode(0);
        let mut again = BytesMut::new();
        for reply in &whole {
            reply.encode(true, &mut again);
        }
        // Codes of one reply stand in each of its lines, or, with some servers, in the first alone.
        assert_eq!(
            final_codes(&String::from_utf8_lossy(&again)),
            final_codes(&String::from_utf8_lossy(&said))
        );
        let mut decoder = ReplyDecoder::new();
        for reply in &whole {
            let found = decoder.decode(&mut again, 2048, 32 * 1024).unwrap();
            assert_eq!(found.as_ref(), Some(reply));
        }
        for cut in 1..said.len() {
            assert_eq!(decode(cut), whole, "cut at {cut}");
        }
    }
}

/// Our client in the place of the recorded one: it has to come to the same end, whatever the cuts.
#[test]
fn our_client_sends_the_recorded_messages_to_the_recorded_servers() {
    for (protocol, client, server) in all_recorded() {
        let text = String::from_utf8_lossy(&client).into_owned();
        // What is said before the message: commands that our client gives in the same order.
        let mut commands = Vec::new();
        for line in text.split("\r\n") {
            let Ok(command) = Command::parse(line.as_bytes(), true) else {
                break;
            };
            let is_data = matches!(command, Command::Data);
            commands.push(line.to_owned());
            if is_data {
                break;
            }
        }
        if commands
            .iter()
            .any(|line| line.starts_with("HELO") || line.starts_with("AUTH"))
        {
            // Our client says EHLO first, and the recorded server was not asked.
            continue;
        }
        let play = |cut: usize| {
            let mut config = client::Config::default();
            config.protocol = protocol;
            config.starttls = StartTls::Off;
            config.pipelining = false;
            let mut session = client::Session::new(T0, config, client::Limits::default());
            let mut envelope = None;
            for line in &commands {
                match Command::parse(line.as_bytes(), true).unwrap() {
                    Command::Mail { from, .. } => envelope = Some(Envelope::new(from)),
                    Command::Rcpt { to, .. } => envelope = envelope.map(|it| it.to(to)),
                    _ => {}
                }
            }
            let sent = session.send(envelope.unwrap()).unwrap();
            session.quit().unwrap();
            let (mut input, mut output, mut outcome) = (BytesMut::new(), Vec::new(), None);
            let mut recipients = Vec::new();
            for part in [&server[..cut], &server[cut..]] {
                input.extend_from_slice(part);
                while let Some(event) = session.poll_event(T0, &mut input).unwrap() {
                    match event {
                        client::Event::Writable { id } => {
                            let mut data = Bytes::from(message_of(&client));
                            session.send_data(id, &mut data, true).unwrap();
                        }
                        client::Event::Recipient { index, reply, .. }
                        | client::Event::Delivery { index, reply, .. } => {
                            recipients.push((index, reply.code()));
                        }
                        client::Event::Done { id, reply } if id == sent => {
                            outcome = Some(reply.code());
                        }
                        client::Event::Failed { reason, .. } => panic!("{reason:?}"),
                        _ => {}
                    }
                    while let Some(Transmit::Data(data)) = session.poll_transmit(T0, 1000) {
                        output.extend_from_slice(&data);
                    }
                }
                while let Some(Transmit::Data(data)) = session.poll_transmit(T0, 1000) {
                    output.extend_from_slice(&data);
                }
            }
            (outcome, recipients, output)
        };
        let whole = play(0);
        assert_eq!(whole.0, Some(250), "{text}");
        assert_eq!(message_of(&whole.2), message_of(&client));
        for cut in (1..server.len()).step_by(3) {
            assert_eq!(play(cut), whole, "cut at {cut}");
        }
    }
}

#[test]
fn row_1_no_look_alike_of_the_list_ends_a_message_at_any_cut() {
    let Some(text) = read("smtp/smuggling.json") else {
        return;
    };
    let lists: serde_json::Value = serde_json::from_str(&text).unwrap();
    let list = |name: &str| -> Vec<Vec<u8>> {
        let items = lists[name].as_array().unwrap().iter();
        items.map(|item| latin1(item.as_str().unwrap())).collect()
    };
    let smuggled = b"MAIL FROM:<evil@x>\r\nRCPT TO:<c@d>\r\nDATA\r\nevil\r\n.\r\n";
    let begin = b"EHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nline1";
    for (bad, is_end) in [
        (list("not_end_of_data"), false),
        (list("end_of_data"), true),
    ] {
        assert!(!bad.is_empty());
        for bad in bad {
            let octets = [&begin[..], &bad, smuggled].concat();
            for cut in begin.len()..octets.len() {
                let mut server = Server::new(Protocol::Smtp);
                server.feed(&octets[..cut]);
                server.feed(&octets[cut..]);
                let messages = server.life.messages.len();
                if is_end {
                    assert_eq!(messages, 2, "the real one");
                    continue;
                }
                // "CRLF . blank" is a line like any other; all others are refused.
                let is_harmless = bad == b"\r\n. \r\n";
                assert_eq!(
                    messages,
                    usize::from(is_harmless),
                    "{:?}",
                    bad.escape_ascii()
                );
                if is_harmless {
                    let text = String::from_utf8_lossy(&server.life.messages[0].1).into_owned();
                    assert!(text.contains("MAIL FROM:<evil@x>"), "text, not a command");
                } else {
                    assert_eq!(server.life.error, Some(server::Error::BareNewline));
                    assert!(server.life.said.contains("521 "), "{}", server.life.said);
                }
            }
        }
    }
}

/// The literals of another parser's tests: whatever they are, they are one thing or none, and what is
/// a command is written and read again.
#[test]
fn literals_of_another_parser_do_no_harm() {
    let Some(text) = read("lines/smtp-proto-bytes.json") else {
        return;
    };
    let rows: serde_json::Value = serde_json::from_str(&text).unwrap();
    for row in rows.as_array().unwrap() {
        let octets = latin1(row["text"].as_str().unwrap());
        for cut in 0..=octets.len() {
            let mut server = Server::new(Protocol::Smtp);
            server.feed(&octets[..cut]);
            server.feed(&octets[cut..]);
            server.feed(b"\r\nEHLO x\r\n");
            assert!(server.life.messages.is_empty());
            assert_eq!(server.life.error, None);
            assert!(
                server.life.said.ends_with("250 HELP\r\n"),
                "{}",
                server.life.said
            );
        }
        if let Ok(command) = Command::parse(&octets, true) {
            let mut line = BytesMut::new();
            command.encode(&mut line);
            let line = line.strip_suffix(b"\r\n").unwrap();
            assert_eq!(Command::parse(line, false), Ok(command));
        }
    }
}

/// James's scripts: the codes of all replies. Where ours differ, the reason stands beside it.
#[test]
fn the_scripts_of_james() {
    for (name, difference) in [
        // RFC 4954 section 4 offers AUTH in the answer to EHLO, which did not come: 503.
        ("authplain", Some(("AUTH LOGIN", "503"))),
        ("data_with_starttls", None),
        ("rcpt_with_starttls", None),
        // RFC 3207 section 4.2 has everything forgotten; James refuses STARTTLS instead. The next
        // test shows that it is forgotten.
        ("starttls_session_fixation", Some(("starttls", "220"))),
    ] {
        let Some(script) = read(&format!("james-mpt/smtp/scripts/{name}.test")) else {
            return;
        };
        let mut server = Server::new(Protocol::Smtp);
        server.feed(b"");
        let mut expected: Vec<String> = Vec::new();
        let mut last = String::new();
        for line in script.lines().chain(["C: end"]) {
            if let Some(said) = line.strip_prefix("S: ") {
                if said.as_bytes().get(3) == Some(&b' ') {
                    expected.push(said[..3].into());
                }
            } else if let Some(say) = line.strip_prefix("C:") {
                // Several lines may be sent before their answers are looked at.
                if !expected.is_empty() {
                    let codes = server.codes();
                    if let Some((at, code)) = difference
                        && last == at
                    {
                        assert_eq!(codes, [code], "{name}");
                        break;
                    }
                    assert_eq!(codes, expected, "{name}: {last}");
                    expected.clear();
                }
                last = say.strip_prefix(' ').unwrap_or(say).to_owned();
                server.feed(format!("{last}\r\n").as_bytes());
            }
        }
    }
}

#[test]
fn row_6_login_and_envelope_of_the_plaintext_are_forgotten_under_tls() {
    let mut server = Server::new(Protocol::Smtp);
    server.feed(b"EHLO x\r\nAUTH PLAIN AHRlc3R1c2VyAHBhc3M=\r\n");
    assert!(server.session.is_authenticated());
    server.feed(b"MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nSTARTTLS\r\n");
    assert!(server.tls);
    server
        .session
        .handle_tls_established(T0, TlsInfo::default());
    assert!(!server.session.is_authenticated());
    server.codes();
    server.feed(b"DATA\r\n");
    assert_eq!(server.codes(), ["503"]);
    server.feed(b"MAIL FROM:<a@b>\r\n");
    assert_eq!(server.codes(), ["503"], "not even hello was said");
    assert!(server.life.messages.is_empty());
}

/// Injection at every split, and in one piece: on either side nothing that came in plaintext is
/// taken for something said under TLS.
#[test]
fn row_6_and_7_injection_at_every_split_in_both_directions() {
    let octets =
        b"EHLO x\r\nSTARTTLS\r\nMAIL FROM:<evil@x>\r\nRCPT TO:<c@d>\r\nDATA\r\nevil\r\n.\r\n";
    for cut in 0..=octets.len() {
        let mut server = Server::new(Protocol::Smtp);
        server.feed(&octets[..cut]);
        // A driver that reads in spite of wants_read().
        server.feed(&octets[cut..]);
        server
            .session
            .handle_tls_established(T0, TlsInfo::default());
        server.feed(b"");
        assert!(server.life.messages.is_empty(), "cut at {cut}");
        let is_injection = matches!(
            server.life.error,
            Some(server::Error::PlaintextAfterStartTls { .. })
        );
        assert!(is_injection, "cut at {cut}: {:?}", server.life.error);
    }
    let octets =
        b"220 x\r\n250-x\r\n250 STARTTLS\r\n220 go\r\n250-x\r\n250 AUTH PLAIN\r\n235 in\r\n";
    for cut in 0..=octets.len() {
        let mut session =
            client::Session::new(T0, client::Config::default(), client::Limits::default());
        let id = session.auth_plain("bob", "hungry");
        assert!(id.is_err(), "not before TLS");
        let (mut input, mut error) = (BytesMut::new(), None);
        for part in [&octets[..cut], &octets[cut..]] {
            input.extend_from_slice(part);
            loop {
                match session.poll_event(T0, &mut input) {
                    Ok(Some(event)) => assert!(event != client::Event::Ready, "cut at {cut}"),
                    Ok(None) => break,
                    Err(found) => error = Some(found),
                }
            }
            while session.poll_transmit(T0, 1000).is_some() {}
        }
        session.handle_tls_established(T0, TlsInfo::default());
        let is_injection = matches!(error, Some(client::Error::PlaintextAfterStartTls { .. }));
        assert!(is_injection, "cut at {cut}: {error:?}");
    }
}
