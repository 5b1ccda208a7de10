//! POP3: sessions in memory. No sockets: octets go from one machine's output into the other's input,
//! copied once, as a read from a socket would.

use crate::{Case, Job};
use bytes::{Bytes, BytesMut};
use core::hint::black_box;
use core::time::Duration;
use proto_mail::Transmit;
use proto_mail::pop3::memory::{Connection, MemoryStore};
use proto_mail::pop3::wire::Command;
use proto_mail::pop3::{Maildrop, client, server};

const NOW: Duration = Duration::from_secs(1);
/// What a driver reads and writes at a time.
const CHUNK: usize = 64 * 1024;

/// All cases of this module.
#[must_use]
pub fn cases() -> Vec<Case> {
    sized_cases(100, 64 << 20)
}

/// The same, smaller: for tests.
#[must_use]
pub fn small_cases() -> Vec<Case> {
    sized_cases(2, 100_000)
}

fn sized_cases(messages: u32, octets: usize) -> Vec<Case> {
    vec![
        whole_session(messages),
        ping_pong(),
        server_body(octets),
        client_body(octets),
        commands(),
    ]
}

/// A text as mail is: lines of 76 octets, none of which begins with a dot.
fn text(octets: usize) -> Bytes {
    let line = [&[b'x'; 76][..], b"\r\n"].concat();
    let body = line.iter().copied().cycle().take(octets / 78 * 78);
    let mut text = b"Subject: benchmark\r\n\r\n".to_vec();
    text.extend(body);
    text.into()
}

fn server(now: Duration) -> server::Session {
    let mut config = server::Config::default();
    config.allow_plaintext_auth = true;
    server::Session::new(now, config, server::Limits::default(), [7; 32])
}

fn client(now: Duration) -> client::Session {
    let mut config = client::Config::default();
    config.require_tls = false;
    client::Session::new(now, config, client::Limits::default())
}

/// A client, a server, and the store behind it.
struct Pair {
    client: client::Session,
    server: server::Session,
    connection: Connection,
    to_client: BytesMut,
    to_server: BytesMut,
}

impl Pair {
    fn new() -> Self {
        Self {
            client: client(NOW),
            server: server(NOW),
            connection: Connection::new(),
            to_client: BytesMut::new(),
            to_server: BytesMut::new(),
        }
    }

    /// Drives both until neither has anything to say, and counts what the client was told: octets
    /// of bodies, and one for each other event.
    fn run(&mut self, store: &mut MemoryStore) -> u64 {
        let mut told = 0_u64;
        loop {
            let mut is_quiet = true;
            while let Some(step) = self.client.poll_transmit(NOW, CHUNK) {
                is_quiet = false;
                match step {
                    Transmit::Data(data) => self.to_server.extend_from_slice(&data),
                    Transmit::Shutdown => self.server.handle_eof(NOW),
                    Transmit::StartTls => panic!("TLS was not asked for"),
                }
            }
            while let Some(event) = self.server.poll_event(NOW, &mut self.to_server).unwrap() {
                is_quiet = false;
                store
                    .handle(&mut self.connection, &mut self.server, event)
                    .unwrap();
            }
            while let Some(step) = self.server.poll_transmit(NOW, CHUNK) {
                is_quiet = false;
                match step {
                    Transmit::Data(data) => self.to_client.extend_from_slice(&data),
                    Transmit::Shutdown => self.client.handle_eof(NOW),
                    Transmit::StartTls => panic!("TLS was not asked for"),
                }
                told = told.wrapping_add(self.client_events());
            }
            if is_quiet {
                return told;
            }
        }
    }

    fn client_events(&mut self) -> u64 {
        let mut told = 0_u64;
        while let Some(event) = self.client.poll_event(NOW, &mut self.to_client).unwrap() {
            told = told.wrapping_add(match event {
                client::Event::BodyChunk { data, .. } => data.len() as u64,
                client::Event::Done { reply, .. } => u64::from(reply.is_ok()),
                _ => 1,
            });
        }
        told
    }
}

/// Login, LIST of 1000 messages, RETR of some of 10 KiB, QUIT.
fn whole_session(messages: u32) -> Case {
    let mut store = MemoryStore::new();
    store.add_user("bob", "hungry");
    let text = text(10 * 1024);
    for _ in 0..1000 {
        store.deliver("bob", text.clone()).unwrap();
    }
    let job = move || {
        let mut pair = Pair::new();
        pair.client.capa().unwrap();
        pair.client.login("bob", "hungry").unwrap();
        pair.client.list(None).unwrap();
        for message in 1..=messages {
            pair.client.retr(message).unwrap();
        }
        pair.client.quit().unwrap();
        let told = pair.run(&mut store);
        assert!(pair.client.is_closed() && pair.server.is_closed());
        told
    };
    Case {
        group: "pop3 session",
        name: format!("login, LIST 1000, RETR {messages} x 10 KiB, QUIT"),
        octets: Some(u64::from(messages) * 10 * 1024),
        jobs: vec![("proto-mail", Box::new(job))],
        is_comparable: false,
    }
}

/// One STAT and its answer, through both machines.
fn ping_pong() -> Case {
    let mut store = MemoryStore::new();
    store.add_user("bob", "hungry");
    let mut pair = Pair::new();
    pair.client.login("bob", "hungry").unwrap();
    pair.run(&mut store);
    let job = move || {
        pair.client.stat().unwrap();
        pair.run(&mut store)
    };
    Case {
        group: "pop3 session",
        name: "STAT, there and back".into(),
        octets: None,
        jobs: vec![("proto-mail", Box::new(job))],
        is_comparable: false,
    }
}

/// A server session that is asked for its only message.
fn asked_server(octets: u64) -> (server::Session, server::RetrieveAsk) {
    let mut session = server(NOW);
    let mut input = BytesMut::from("USER bob\r\nPASS hungry\r\nRETR 1\r\n");
    loop {
        match session.poll_event(NOW, &mut input).unwrap() {
            Some(server::Event::Login { ask, .. }) => {
                let mut maildrop = Maildrop::new();
                maildrop.push(octets, "only").unwrap();
                session.accept(ask, maildrop).unwrap();
            }
            Some(server::Event::Retrieve { ask, .. }) => return (session, ask),
            event => panic!("{event:?}"),
        }
    }
}

/// The server sends one big message; what it gives is counted and dropped.
fn server_body(octets: usize) -> Case {
    let text = text(octets);
    let len = text.len() as u64;
    let work = {
        let text = text.clone();
        move || {
            let (mut session, ask) = asked_server(len);
            let body = session.accept_stream(ask).unwrap();
            let (mut rest, mut sent) = (text.clone(), 0_u64);
            let mut input = BytesMut::new();
            while !rest.is_empty() {
                session.send_data(body, &mut rest, true).unwrap();
                while let Some(Transmit::Data(data)) = session.poll_transmit(NOW, CHUNK) {
                    sent = sent.wrapping_add(data.len() as u64);
                }
                while let Some(event) = session.poll_event(NOW, &mut input).unwrap() {
                    black_box(event);
                }
            }
            sent
        }
    };
    Case {
        group: "pop3 body",
        name: format!("server sends {} KiB", len / 1024),
        octets: Some(len),
        jobs: vec![("proto-mail", Box::new(work)), baseline(text)],
        is_comparable: false,
    }
}

/// The client receives one big message, in reads of 64 KiB.
fn client_body(octets: usize) -> Case {
    let text = text(octets);
    let len = text.len() as u64;
    let work = {
        let text = text.clone();
        move || {
            let mut session = client(NOW);
            let mut input = BytesMut::from("+OK ready\r\n");
            let id = session.retr(1).unwrap();
            let mut received = 0_u64;
            let ends: [&[u8]; 1] = [b".\r\n"];
            let reads = [&b"+OK\r\n"[..]]
                .into_iter()
                .chain(text.chunks(CHUNK))
                .chain(ends);
            for read in reads {
                while let Some(event) = session.poll_event(NOW, &mut input).unwrap() {
                    match event {
                        client::Event::BodyChunk { data, .. } => {
                            received = received.wrapping_add(data.len() as u64);
                        }
                        event => drop(black_box(event)),
                    }
                }
                while let Some(step) = session.poll_transmit(NOW, CHUNK) {
                    black_box(step);
                }
                input.extend_from_slice(read);
            }
            while let Some(event) = session.poll_event(NOW, &mut input).unwrap() {
                match event {
                    client::Event::BodyChunk { data, .. } => {
                        received = received.wrapping_add(data.len() as u64);
                    }
                    client::Event::Done { id: done, .. } => assert_eq!(done, id),
                    event => panic!("{event:?}"),
                }
            }
            assert_eq!(received, len);
            received
        }
    };
    Case {
        group: "pop3 body",
        name: format!("client receives {} KiB", len / 1024),
        octets: Some(len),
        jobs: vec![("proto-mail", Box::new(work)), baseline(text)],
        is_comparable: false,
    }
}

/// No peer: the least that any code does which takes octets from a socket and hands them on.
fn baseline(text: Bytes) -> (&'static str, Job) {
    let work = move || {
        let (mut input, mut handed) = (BytesMut::new(), 0_u64);
        for read in text.chunks(CHUNK) {
            input.extend_from_slice(read);
            handed = handed.wrapping_add(black_box(input.split().freeze()).len() as u64);
        }
        handed
    };
    ("baseline: one memcpy", Box::new(work))
}

/// The command lines of a session, parsed.
#[cfg_attr(
    not(feature = "mail-peers"),
    allow(unused_mut, reason = "nobody is added")
)]
fn commands() -> Case {
    const LINES: [&[u8]; 12] = [
        b"CAPA\r\n",
        b"USER bob\r\n",
        b"PASS hungry\r\n",
        b"STAT\r\n",
        b"LIST\r\n",
        b"UIDL 17\r\n",
        b"RETR 17\r\n",
        b"TOP 17 20\r\n",
        b"DELE 17\r\n",
        b"NOOP\r\n",
        b"RSET\r\n",
        b"QUIT\r\n",
    ];
    let ours = || {
        let mut parsed = 0;
        for line in LINES {
            let line = line.strip_suffix(b"\r\n").unwrap_or(line);
            parsed += u64::from(black_box(Command::parse(black_box(line))).is_ok());
        }
        parsed
    };
    let mut jobs: Vec<(&'static str, Job)> = vec![("proto-mail", Box::new(ours))];
    #[cfg(feature = "mail-peers")]
    {
        let peer = || {
            let mut parsed = 0;
            for line in LINES {
                parsed += u64::from(black_box(pop3_codec::parse::command(black_box(line))).is_ok());
            }
            parsed
        };
        jobs.push(("pop3-codec 0.3.0", Box::new(peer)));
    }
    Case {
        group: "pop3 commands",
        name: "12 lines parsed".into(),
        octets: None,
        jobs,
        is_comparable: true,
    }
}
