//! Real sessions, recorded between real programs: read, cut anywhere, and written again.

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
use common::{Client, T0, plaintext_client, skip, vectors};
use proto_mail::Secret;
use proto_mail::pop3::UsageError;
use proto_mail::pop3::client::{self, CommandId, Event};
use proto_mail::pop3::wire::{Command, CommandDecoder, CommandFault};
use std::collections::BTreeMap;

#[derive(Default)]
struct Recorded {
    client: Vec<u8>,
    server: Vec<u8>,
}

fn recorded() -> Option<Vec<Recorded>> {
    let path = vectors().join("mail/transcripts/pop3-clients-dovecot.jsonl");
    let Ok(text) = std::fs::read_to_string(&path) else {
        skip("mail/transcripts/pop3-clients-dovecot.jsonl");
        return None;
    };
    let mut sessions: BTreeMap<u64, Recorded> = BTreeMap::new();
    for line in text.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let session = sessions.entry(line["conn"].as_u64().unwrap()).or_default();
        let octets = line["data"].as_str().unwrap_or_default();
        let octets = octets
            .chars()
            .map(|octet| u8::try_from(u32::from(octet)).unwrap());
        match line["dir"].as_str().unwrap() {
            "C" => session.client.extend(octets),
            _ => session.server.extend(octets),
        }
    }
    Some(sessions.into_values().collect())
}

/// Plays the recorded client's commands on our client machine, all at once: it has to send them in
/// the recorded order as the recorded replies come in.
fn replay(session: &Recorded, cuts: &[usize]) -> (Vec<Said>, String) {
    let mut config = plaintext_client();
    config.pipelining = false;
    let mut client = Client::new(config, client::Limits::default());
    queue(&mut client.session, &session.client).unwrap();
    let (mut said, mut sent, mut start) = (Vec::new(), String::new(), 0);
    for end in cuts.iter().copied().chain([session.server.len()]) {
        client.input.extend_from_slice(&session.server[start..end]);
        while let Some(event) = client.session.poll_event(T0, &mut client.input).unwrap() {
            match (said.last_mut(), event) {
                (Some(Said::Body(last, all)), Event::BodyChunk { id, data }) if *last == id => {
                    all.extend_from_slice(&data);
                }
                (_, Event::BodyChunk { id, data }) => said.push(Said::Body(id, data.to_vec())),
                (_, event) => {
                    if let Event::Challenge { id, .. } = event {
                        client.session.auth_respond(id, b"recorded").unwrap();
                    }
                    said.push(Said::Event(event));
                }
            }
        }
        sent.push_str(&client.sent());
        start = end;
    }
    assert_eq!(client.session.open_commands(), 0, "{said:?}");
    (said, sent)
}

#[derive(Debug, PartialEq, Eq)]
enum Said {
    Event(Event),
    /// Chunks of one body, joined.
    Body(CommandId, Vec<u8>),
}

fn queue(session: &mut client::Session, recorded: &[u8]) -> Result<(), UsageError> {
    let mut user = String::new();
    for line in recorded.split(|&octet| octet == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let number = |message: core::num::NonZeroU32| message.get();
        match Command::parse(line) {
            Ok(Command::Capa) => session.capa()?,
            Ok(Command::Auth { mechanism, .. }) => session.auth(mechanism, None)?,
            Ok(Command::User(name)) => {
                user = name.to_string();
                continue;
            }
            Ok(Command::Pass(password)) => {
                session.login(&user, Secret::from(password.as_bytes()))?
            }
            Ok(Command::Stat) => session.stat()?,
            Ok(Command::List(message)) => session.list(message.map(number))?,
            Ok(Command::Uidl(message)) => session.uidl(message.map(number))?,
            Ok(Command::Retr(message)) => session.retr(message.get())?,
            Ok(Command::Top { message, lines }) => session.top(message.get(), lines)?,
            Ok(Command::Dele(message)) => session.dele(message.get())?,
            Ok(Command::Rset) => session.rset()?,
            Ok(Command::Noop) => session.noop()?,
            Ok(Command::Quit) => session.quit()?,
            // A response inside AUTH, or the end.
            _ => continue,
        };
    }
    Ok(())
}

#[test]
fn our_client_understands_what_dovecot_said_cut_at_every_octet() {
    let Some(sessions) = recorded() else { return };
    assert_eq!(sessions.len(), 3);
    for session in &sessions {
        let (said, sent) = replay(session, &[]);
        let has_body = |entry: &Said| {
            let end = b"\r\n\r\n.leading dot line\r\nline two\r\n.\r\nend\r\n";
            matches!(entry, Said::Body(_, text) if text.ends_with(end))
        };
        assert!(
            said.iter().any(has_body),
            "a message without its stuffed dots"
        );
        // What was recorded, but for the responses inside AUTH.
        let commands = |octets: &str| -> Vec<String> {
            let is_command = |line: &&str| {
                !matches!(
                    Command::parse(line.as_bytes()).map_err(|error| error.fault),
                    Err(CommandFault::UnknownKeyword | CommandFault::Empty)
                )
            };
            octets
                .lines()
                .filter(is_command)
                .map(str::to_owned)
                .collect()
        };
        let recorded = String::from_utf8(session.client.clone()).unwrap();
        assert_eq!(commands(&sent), commands(&recorded));
        for cut in 1..session.server.len() {
            let replayed = replay(session, &[cut]);
            assert_eq!((&replayed.0, &replayed.1), (&said, &sent), "cut at {cut}");
        }
        let every: Vec<usize> = (1..session.server.len()).collect();
        assert_eq!(replay(session, &every), (said, sent));
    }
}

#[test]
fn what_real_clients_sent_is_parsed_and_written_again_as_it_was() {
    let Some(sessions) = recorded() else { return };
    for session in &sessions {
        for cut in 0..session.client.len() {
            let mut decoder = CommandDecoder::new(255);
            let (mut src, mut written) = (BytesMut::new(), BytesMut::new());
            let (head, tail) = session.client.split_at(cut);
            for part in [head, tail] {
                src.extend_from_slice(part);
                while let Some(line) = decoder.decode(&mut src).unwrap() {
                    match line.command() {
                        Ok(command) => command.encode(&mut written),
                        Err(_) => {
                            let response = line.auth_response().unwrap().unwrap();
                            assert!(response.as_bytes().contains(&b' '), "CRAM-MD5");
                            written.extend_from_slice(line.as_bytes());
                            written.extend_from_slice(b"\r\n");
                        }
                    }
                }
            }
            assert_eq!(written, session.client, "cut at {cut}");
        }
    }
}

/// The same commands, given to our server: it answers each with what clients need.
#[test]
fn our_server_serves_what_real_clients_asked_for() {
    let Some(sessions) = recorded() else { return };
    let session = &sessions[2];
    let mut whole = None;
    for cut in 0..session.client.len() {
        let mut server = common::Server::plaintext();
        server.store.add_user("u3", "pass");
        for _ in 0..5 {
            server.store.deliver("u3", "Subject: a\r\n\r\n1\r\n");
        }
        let (head, tail) = session.client.split_at(cut);
        let said = server.say("") + &server.say(head) + &server.say(tail);
        assert!(said.contains("-ERR no such message"), "RETR 99");
        assert_eq!(said.matches("-ERR").count(), 1, "{said}");
        assert!(said.ends_with("+OK POP3 server signing off\r\n[Shutdown]"));
        assert_eq!(server.store.messages("u3").count(), 5, "RSET");
        assert_eq!(
            &said,
            whole.get_or_insert_with(|| said.clone()),
            "cut at {cut}"
        );
    }
}
