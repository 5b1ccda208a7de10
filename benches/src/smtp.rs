//! SMTP: commands and messages, by the parsers of others and by our whole machine. No sockets: octets
//! are copied once into the read buffer, as a read from a socket would.

use crate::{Case, Job};
use bytes::{Bytes, BytesMut};
use core::hint::black_box;
use core::time::Duration;
use proto_mail::Transmit;
use proto_mail::smtp::server::{Config, Event, Limits, Session};
use proto_mail::smtp::wire::{Command, Mailbox};
use proto_mail::smtp::{client, server};

const NOW: Duration = Duration::from_secs(1);
/// What the reference measures with: reads of 16 KiB.
const CHUNK: usize = 16 * 1024;

/// All cases of this module.
#[must_use]
pub fn cases() -> Vec<Case> {
    sized_cases(10_000_000)
}

/// The same, smaller: for tests.
#[must_use]
pub fn small_cases() -> Vec<Case> {
    sized_cases(100_000)
}

fn sized_cases(octets: usize) -> Vec<Case> {
    vec![
        commands(),
        machine_per_command(),
        data(octets),
        chunks(octets),
        client_data(octets),
    ]
}

/// Commands of many sessions, as they come in: what most servers see all day.
const COMMANDS: [&str; 14] = [
    "EHLO mail.crepes.fr\r\n",
    "MAIL FROM:<alice@crepes.fr> SIZE=12345 BODY=8BITMIME\r\n",
    "RCPT TO:<bob@hamburger.edu>\r\n",
    "RCPT TO:<eve.adams@research.example.org>\r\n",
    "RCPT TO:<postmaster@hamburger.edu>\r\n",
    "RSET\r\n",
    "NOOP\r\n",
    "MAIL FROM:<bounces+bob=hamburger.edu@lists.example.com>\r\n",
    "RCPT TO:<bob@hamburger.edu> NOTIFY=FAILURE,DELAY\r\n",
    "RSET\r\n",
    "MAIL FROM:<>\r\n",
    "RCPT TO:<bob@hamburger.edu>\r\n",
    "VRFY bob\r\n",
    "RSET\r\n",
];

fn one(work: impl FnMut() -> u64 + 'static) -> Job {
    Box::new(work)
}

/// One job more where the peers are built.
#[allow(unused_mut, reason = "without peers nothing is added")]
fn with_peers(
    mut jobs: Vec<(&'static str, Job)>,
    peers: Vec<(&'static str, Job)>,
) -> Vec<(&'static str, Job)> {
    jobs.extend(peers);
    jobs
}

/// Lines to commands, nothing else.
fn commands() -> Case {
    let ours = one(|| {
        let mut count = 0;
        for line in black_box(COMMANDS) {
            let line = line.trim_end_matches("\r\n").as_bytes();
            let command = Command::parse(black_box(line), false).unwrap();
            black_box(&command);
            count += 1;
        }
        count
    });
    Case {
        group: "smtp commands",
        name: "of 14 kinds, parsed".into(),
        octets: Some(COMMANDS.iter().map(|line| line.len() as u64).sum()),
        jobs: with_peers(vec![("proto-mail", ours)], parsers()),
        is_comparable: true,
    }
}

/// The same lines through the whole server: found in the input, parsed, judged, answered by an
/// embedder, the replies taken. Beside it the bare parsers.
fn machine_per_command() -> Case {
    let input = COMMANDS.concat();
    let mut config = Config::default();
    config.dsn = true;
    let mut limits = Limits::default();
    limits.max_idle_commands = u32::MAX;
    let mut session = Session::new(NOW, config, limits);
    let mut buffer = BytesMut::new();
    let ours = one(move || {
        buffer.extend_from_slice(black_box(input.as_bytes()));
        let mut said = 0;
        while let Some(event) = session.poll_event(NOW, &mut buffer).unwrap() {
            match event {
                Event::Mail { ask, .. } => session.accept(ask).unwrap(),
                Event::Rcpt { ask, .. } => session.accept(ask).unwrap(),
                Event::Fault(fault) => panic!("{fault:?}"),
                event => drop(black_box(event)),
            }
        }
        while let Some(Transmit::Data(data)) = session.poll_transmit(NOW, CHUNK) {
            said += black_box(&data).len();
        }
        assert!(said > 14 * "250 \r\n".len(), "an answer to each");
        COMMANDS.len() as u64
    });
    Case {
        group: "smtp machine",
        name: "14 commands; peers: bare parsers".into(),
        octets: Some(COMMANDS.iter().map(|line| line.len() as u64).sum()),
        jobs: with_peers(vec![("proto-mail server", ours)], parsers()),
        is_comparable: true,
    }
}

#[cfg(not(feature = "mail-peers"))]
fn parsers() -> Vec<(&'static str, Job)> {
    Vec::new()
}

#[cfg(feature = "mail-peers")]
fn parsers() -> Vec<(&'static str, Job)> {
    let input = COMMANDS.concat();
    let smtp_proto = one(move || {
        let mut receiver = smtp_proto::request::receiver::RequestReceiver::default();
        let mut bytes = black_box(input.as_bytes()).iter();
        let mut count = 0;
        while let Ok(request) = receiver.ingest(&mut bytes) {
            black_box(&request);
            count += 1;
        }
        count
    });
    let smtp_codec = one(|| {
        let mut count = 0;
        for line in black_box(COMMANDS) {
            let (_, command) = smtp_codec::parse::command::command(line.as_bytes()).unwrap();
            black_box(&command);
            count += 1;
        }
        count
    });
    vec![("smtp-proto", smtp_proto), ("smtp-codec", smtp_codec)]
}

/// A message as it comes by DATA: lines of 76 octets, one in twenty stuffed, cut as reads are.
fn stuffed(octets: usize) -> Vec<u8> {
    let mut text = Vec::with_capacity(octets + 100);
    let mut number = 0;
    while text.len() < octets {
        text.extend_from_slice(if number % 20 == 0 { b".." } else { b"xx" });
        text.extend_from_slice(&[b'y'; 74]);
        text.extend_from_slice(b"\r\n");
        number += 1;
    }
    text.extend_from_slice(b".\r\n");
    text
}

/// Opens a transaction up to 354.
fn begin(session: &mut Session, buffer: &mut BytesMut, end: &str) {
    buffer.extend_from_slice(b"EHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n");
    buffer.extend_from_slice(end.as_bytes());
    while let Some(event) = session.poll_event(NOW, buffer).unwrap() {
        match event {
            Event::Mail { ask, .. } => session.accept(ask).unwrap(),
            Event::Rcpt { ask, .. } => session.accept(ask).unwrap(),
            _ => {}
        }
    }
    while session.poll_transmit(NOW, CHUNK).is_some() {}
}

/// The body of one message through the server; how many octets were handed over.
fn body(session: &mut Session, buffer: &mut BytesMut, text: &[u8]) -> u64 {
    let mut octets = 0;
    for part in text.chunks(CHUNK) {
        buffer.extend_from_slice(part);
        while let Some(event) = session.poll_event(NOW, buffer).unwrap() {
            match event {
                Event::BodyChunk(data) => octets += black_box(&data).len() as u64,
                Event::MessageEnd { ask, .. } => session.accept(ask).unwrap(),
                _ => {}
            }
        }
    }
    while session.poll_transmit(NOW, CHUNK).is_some() {}
    octets
}

fn server() -> Session {
    let mut limits = server::Limits::default();
    limits.max_messages = u32::MAX;
    Session::new(NOW, Config::default(), limits)
}

/// DATA: stuffed dots removed, and bare CR, LF and NUL looked for, which nobody else does.
fn data(octets: usize) -> Case {
    let text = stuffed(octets);
    let len = text.len() as u64;
    let (mut session, mut buffer) = (server(), BytesMut::with_capacity(2 * CHUNK));
    let input = text.clone();
    let ours = one(move || {
        begin(&mut session, &mut buffer, "DATA\r\n");
        body(&mut session, &mut buffer, &input)
    });
    Case {
        group: "smtp data",
        name: format!("{octets} octets in reads of 16 KiB"),
        octets: Some(len),
        jobs: with_peers(vec![("proto-mail server", ours)], receivers(text)),
        // smtp-proto hands over one octet less: it takes the last line end apart.
        is_comparable: false,
    }
}

#[cfg(not(feature = "mail-peers"))]
fn receivers(_: Vec<u8>) -> Vec<(&'static str, Job)> {
    Vec::new()
}

#[cfg(feature = "mail-peers")]
fn receivers(text: Vec<u8>) -> Vec<(&'static str, Job)> {
    // Read into a buffer and unstuffed into another one that is used again, as its server has it.
    let (mut buffer, mut message) = (Vec::new(), Vec::new());
    let smtp_proto = one(move || {
        let mut receiver = smtp_proto::request::receiver::DataReceiver::new();
        message.clear();
        for part in text.chunks(CHUNK) {
            buffer.clear();
            buffer.extend_from_slice(part);
            if receiver.ingest(&mut black_box(&buffer[..]).iter(), &mut message) {
                break;
            }
        }
        message.len() as u64
    });
    vec![("smtp-proto", smtp_proto)]
}

/// BDAT: nothing is stuffed.
fn chunks(octets: usize) -> Case {
    let text = vec![b'x'; octets];
    let command = format!("BDAT {octets} LAST\r\n");
    let (mut session, mut buffer) = (server(), BytesMut::with_capacity(2 * CHUNK));
    let ours = one(move || {
        begin(&mut session, &mut buffer, &command);
        body(&mut session, &mut buffer, &text)
    });
    Case {
        group: "smtp chunk",
        name: format!("{octets} octets in reads of 16 KiB"),
        octets: Some(octets as u64),
        jobs: vec![("proto-mail server", ours)],
        is_comparable: false,
    }
}

/// What the client does to a message: line ends looked at, dots stuffed.
fn client_data(octets: usize) -> Case {
    let line = [&[b'x'; 76][..], b"\r\n"].concat();
    let text: Bytes = line.repeat(octets / 78 + 1).into();
    let len = text.len() as u64;
    let ours = one(move || {
        let mut config = client::Config::default();
        config.starttls = client::StartTls::Off;
        let mut session = client::Session::new(NOW, config, client::Limits::default());
        let from: Mailbox = "a@b".parse().unwrap();
        let envelope = client::Envelope::new(from).to("c@d".parse().unwrap());
        let id = session.send(envelope).unwrap();
        let said = "220 x\r\n250-x\r\n250 PIPELINING\r\n250 ok\r\n250 ok\r\n354 go\r\n";
        let mut input = BytesMut::from(said);
        let mut sent = 0;
        while let Some(event) = session.poll_event(NOW, &mut input).unwrap() {
            black_box(event);
        }
        let mut rest = text.clone();
        while !rest.is_empty() {
            session.send_data(id, &mut rest, true).unwrap();
            while let Some(Transmit::Data(data)) = session.poll_transmit(NOW, CHUNK) {
                sent += black_box(&data).len() as u64;
            }
        }
        sent
    });
    Case {
        group: "smtp client",
        name: format!("{octets} octets by DATA"),
        octets: Some(len),
        jobs: vec![("proto-mail client", ours)],
        is_comparable: false,
    }
}
