//! Recorded sessions of real programs, replayed at every split: what clients said into our server,
//! what servers said into our client.

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
use common::{Client, Server, codes, full_server, plaintext_client, skip, vectors};
use proto_ftp::client;
use proto_ftp::data::Type;
use proto_ftp::wire::{Command, Frame, LineDecoder, Reply, ReplyDecoder, Verb};
use serde_json::Value;
use std::collections::{BTreeMap, VecDeque};

/// Traces in which somebody breaks the protocol, or which begin in the middle of a session.
const BROKEN: &[&str] = &["missing", "violation", "with-numbers"];

/// What both sides of a recorded control connection said.
struct Session {
    name: String,
    client: Vec<u8>,
    server: Vec<u8>,
}

fn recorded() -> Option<Vec<Session>> {
    use base64::Engine as _;
    let folder = vectors().join("ftp/sessions/recorded");
    let Ok(files) = std::fs::read_dir(folder) else {
        skip("ftp/sessions/recorded");
        return None;
    };
    let mut sessions = Vec::new();
    for file in files {
        let path = file.unwrap().path();
        let mut session = Session {
            name: path.file_stem().unwrap().to_str().unwrap().to_owned(),
            client: Vec::new(),
            server: Vec::new(),
        };
        for line in std::fs::read_to_string(&path).unwrap().lines() {
            let value: Value = serde_json::from_str(line).unwrap();
            let octets = match (value["t"].as_str(), value["b64"].as_str()) {
                (Some(text), _) => text.as_bytes().to_vec(),
                (_, Some(text)) => base64::engine::general_purpose::STANDARD
                    .decode(text)
                    .unwrap(),
                _ => continue,
            };
            match value["d"].as_str() {
                Some("C") => session.client.extend_from_slice(&octets),
                _ => session.server.extend_from_slice(&octets),
            }
        }
        sessions.push(session);
    }
    sessions.extend(traced());
    sessions.sort_by(|one, two| one.name.cmp(&two.name));
    Some(sessions)
}

/// The traces of Zeek: two files each, one a direction.
fn traced() -> Vec<Session> {
    let folder = vectors().join("ftp/sessions/zeek");
    let mut flows: BTreeMap<String, Session> = BTreeMap::new();
    for file in std::fs::read_dir(folder).into_iter().flatten() {
        let path = file.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let parts: Vec<&str> = name.split('.').collect();
        let number: u32 = parts[1].parse().unwrap();
        let key = format!("{}-{}", parts[0], number.div_ceil(2));
        let session = flows.entry(key.clone()).or_insert_with(|| Session {
            name: key,
            client: Vec::new(),
            server: Vec::new(),
        });
        let octets = std::fs::read(&path).unwrap();
        match parts[2] {
            "c2s" => session.client = octets,
            _ => session.server = octets,
        }
    }
    flows.into_values().collect()
}

/// The lines of a client, their ends included, up to where TLS begins.
fn lines(octets: &[u8]) -> Vec<Vec<u8>> {
    let mut lines = Vec::new();
    for line in octets.split_inclusive(|octet| *octet == b'\n') {
        if line.ends_with(b"\n") {
            lines.push(line.to_vec());
        }
        if line.to_ascii_uppercase().starts_with(b"AUTH") {
            break;
        }
    }
    lines
}

/// What our server says to each line, when each is cut at `at`, counted round.
fn serve(lines: &[Vec<u8>], at: usize) -> (Vec<String>, Vec<String>) {
    let mut server = Server::greeted(&full_server());
    server.store.welcomes_all = true;
    let mut replies = Vec::new();
    for line in lines {
        let cut = at % line.len();
        let early = server.say(&line[..cut]);
        assert_eq!(early, "", "an answer to half a line");
        replies.push(server.say(&line[cut..]));
        if server.error.is_some() || server.session.is_closed() {
            break;
        }
    }
    (replies, server.events)
}

#[test]
fn r13_recorded_clients_are_served_the_same_at_every_split() {
    let Some(sessions) = recorded() else { return };
    let (mut count, mut runs, mut answered) = (0, 0, 0);
    for session in &sessions {
        let lines = lines(&session.client);
        let whole = serve(&lines, 0);
        let longest = lines.iter().map(Vec::len).max().unwrap_or(0);
        for at in 1..longest {
            runs += 1;
            assert!(serve(&lines, at) == whole, "{} cut at {at}", session.name);
        }
        for (line, reply) in lines.iter().zip(&whole.0) {
            let text = String::from_utf8_lossy(line);
            let codes = codes(&reply.replace("[StartTls]", "").replace("[Shutdown]", ""));
            let finals = codes.iter().filter(|code| **code >= 200).count();
            assert!(
                finals == 1 || codes.contains(&421),
                "{}: {text:?}: {reply:?}",
                session.name
            );
            let name = line.split(|octet| octet.is_ascii_whitespace()).next();
            let is_known = Verb::from_name(name.unwrap_or_default()) != Verb::Unknown;
            assert!(
                !is_known || codes.last() != Some(&500),
                "{}: {text:?}: {reply:?}",
                session.name
            );
            answered += 1;
        }
        count += 1;
    }
    println!("{count} clients, {answered} lines, {runs} runs with cuts");
    assert!(count >= 90 && answered > 500, "{count} {answered}");
}

#[test]
fn r13_recorded_servers_are_read_the_same_at_every_split() {
    let Some(sessions) = recorded() else { return };
    let decode = |decoder: &mut ReplyDecoder, input: &mut BytesMut, into: &mut Vec<Reply>| {
        loop {
            match decoder.decode(input) {
                Ok(Some(reply)) => into.push(reply),
                Ok(None) => return None,
                Err(error) => return Some(error),
            }
        }
    };
    let mut all = 0;
    for session in &sessions {
        // What follows the reply to AUTH is TLS.
        let tls = session.server.windows(4).position(|word| word == b"234 ");
        let octets = &session.server[..tls.unwrap_or(session.server.len())];
        let read = |cut: usize| {
            let mut decoder = ReplyDecoder::new(8192, 65_536, 1024);
            let (mut input, mut replies) = (BytesMut::from(&octets[..cut]), Vec::new());
            let mut error = decode(&mut decoder, &mut input, &mut replies);
            if error.is_none() {
                input.extend_from_slice(&octets[cut..]);
                error = decode(&mut decoder, &mut input, &mut replies);
            }
            (replies, error)
        };
        let whole = read(octets.len());
        all += whole.0.len();
        let is_broken = BROKEN.iter().any(|name| session.name.contains(name));
        assert!(
            whole.1.is_none() || is_broken,
            "{}: {:?}",
            session.name,
            whole.1
        );
        let step = (octets.len() / 600).max(1);
        for cut in (0..octets.len()).step_by(step) {
            assert!(read(cut) == whole, "{} cut at {cut}", session.name);
        }
        // What is read can be said again.
        for reply in &whole.0 {
            let (mut wire, mut again) = (BytesMut::new(), Vec::new());
            reply.encode(&mut wire);
            let mut decoder = ReplyDecoder::new(9000, 70_000, 1100);
            assert_eq!(decode(&mut decoder, &mut wire, &mut again), None);
            assert_eq!(
                (again.len(), again[0].code()),
                (1, reply.code()),
                "{reply:?}"
            );
        }
    }
    println!("{all} replies");
    assert!(all > 800, "{all}");
}

/// The replies of a recorded server, as octets, by the verb that each answers.
fn replies_by_verb(session: &Session) -> BTreeMap<Verb, VecDeque<Vec<u8>>> {
    let mut decoder = ReplyDecoder::new(8192, 65_536, 1024);
    let mut input = BytesMut::from(&session.server[..]);
    let mut whole = &session.server[..];
    let mut next = || {
        let mut raw = Vec::new();
        loop {
            let reply = decoder.decode(&mut input).ok()??;
            let taken = whole.len() - input.len();
            raw.extend_from_slice(&whole[..taken]);
            whole = &whole[taken..];
            if !reply.is_preliminary() {
                return Some(raw);
            }
        }
    };
    let mut replies: BTreeMap<Verb, VecDeque<Vec<u8>>> = BTreeMap::new();
    // The greeting stands for itself.
    if let Some(greeting) = next() {
        replies
            .entry(Verb::Unknown)
            .or_default()
            .push_back(greeting);
    }
    for line in lines(&session.client) {
        let mut decoder = LineDecoder::new(9000);
        let Some(Frame::Line(line)) = decoder.decode(&mut BytesMut::from(&line[..])) else {
            break;
        };
        let (Ok(command), Some(raw)) = (Command::parse(&line), next()) else {
            break;
        };
        replies.entry(command.verb).or_default().push_back(raw);
        if matches!(command.verb, Verb::Auth | Verb::Abor | Verb::Quit) {
            break;
        }
    }
    replies
}

/// Our client says what the recorded one said, and hears what that heard, cut at `at`. Returns the
/// events.
fn replay(session: &Session, at: usize) -> Vec<String> {
    let mut replies = replies_by_verb(session);
    let mut client = Client::new(&plaintext_client());
    let mut events = Vec::new();
    let hear = |client: &mut Client, raw: &[u8], events: &mut Vec<String>| {
        let cut = at % raw.len().max(1);
        for part in [&raw[..cut], &raw[cut..]] {
            events.extend(client.hear(part).iter().map(|event| format!("{event:?}")));
        }
    };
    if let Some(greeting) = replies
        .get_mut(&Verb::Unknown)
        .and_then(VecDeque::pop_front)
    {
        hear(&mut client, &greeting, &mut events);
    }
    ask(session, &mut client);
    loop {
        for wish in client.wishes() {
            match wish {
                client::Action::Connect { id, to } => {
                    client.session.handle_connected(common::T0, id, to);
                }
                client::Action::Start { id, .. } => {
                    client.session.handle_transferred(common::T0, id, 1, true);
                }
                _ => {}
            }
        }
        events.extend(client.events().iter().map(|event| format!("{event:?}")));
        let sent = client.sent();
        if sent.is_empty() || sent.starts_with('[') {
            break;
        }
        for line in sent.lines().filter(|line| !line.starts_with('[')) {
            let verb = Command::parse(line.as_bytes()).unwrap().verb;
            let found = replies.get_mut(&verb).and_then(VecDeque::pop_front);
            let raw = found.unwrap_or_else(|| match verb {
                Verb::Epsv => b"229 ok (|||5000|)\r\n".to_vec(),
                _ => b"200 ok\r\n".to_vec(),
            });
            hear(&mut client, &raw, &mut events);
        }
        if client.error.is_some() {
            break;
        }
    }
    if let Some(error) = &client.error {
        events.push(format!("{error:?}"));
    }
    events
}

/// Gives our client the commands that the recorded one gave.
fn ask(session: &Session, client: &mut Client) {
    let (mut user, mut kind) = (Vec::new(), Type::Ascii);
    for line in lines(&session.client) {
        let mut decoder = LineDecoder::new(9000);
        let Some(Frame::Line(line)) = decoder.decode(&mut BytesMut::from(&line[..])) else {
            continue;
        };
        let Ok(command) = Command::parse(&line) else {
            continue;
        };
        let arg = command.arg.unwrap_or_default();
        let session = &mut client.session;
        let result = match command.verb {
            Verb::User => {
                user = arg.to_vec();
                continue;
            }
            Verb::Pass => session.login(&user, arg),
            Verb::Type => {
                kind = if arg.eq_ignore_ascii_case(b"I") {
                    Type::Image
                } else {
                    Type::Ascii
                };
                continue;
            }
            Verb::Pasv | Verb::Epsv | Verb::Port | Verb::Eprt | Verb::Rest => continue,
            Verb::Retr => session.retr(arg, kind, 0),
            Verb::Stor => session.stor(arg, kind, 0),
            Verb::Appe => session.appe(arg, kind),
            Verb::Stou => session.stou(kind),
            Verb::List => session.list(command.arg),
            Verb::Nlst => session.nlst(command.arg),
            Verb::Mlsd => session.mlsd(command.arg),
            Verb::Quit => session.quit(),
            Verb::Auth | Verb::Abor | Verb::Unknown => return,
            verb => session.command(verb, command.arg),
        };
        if result.is_err() {
            return;
        }
    }
}

#[test]
fn r13_recorded_servers_are_understood_by_our_client_at_every_split() {
    let Some(sessions) = recorded() else { return };
    let (mut done, mut runs) = (0, 0);
    for session in &sessions {
        let whole = replay(session, 0);
        let longest = session.server.len().min(400);
        for at in 1..longest {
            runs += 1;
            assert!(replay(session, at) == whole, "{} cut at {at}", session.name);
        }
        let ends = whole
            .iter()
            .filter(|event| event.starts_with("Done"))
            .count();
        done += ends;
        let last = whole.last().map_or("", String::as_str);
        let is_broken = BROKEN.iter().any(|name| session.name.contains(name));
        assert!(
            is_broken || !last.contains("Desync") && !last.contains("Reply("),
            "{}: {last}",
            session.name
        );
    }
    println!("{done} commands done, {runs} runs with cuts");
    assert!(done > 300, "{done}");
}
