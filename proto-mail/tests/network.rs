//! Whole sessions over a virtual network: torn reads, lost segments, TLS in mid-stream, hosts that
//! fail at any time.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod common;

use common::{plaintext_client, plaintext_server};
use core::time::Duration;
use netio::sim::{HostConfig, Net, Pair, PathConfig, StreamApp, StreamConfig, StreamNode};
use proto_mail::pop3::client::{CommandId, Event};
use proto_mail::pop3::memory::{Connection, MemoryStore};
use proto_mail::pop3::{client, server};
use std::sync::{Arc, Mutex};

/// What is seen from outside, after a run.
#[derive(Default)]
struct Seen {
    store: MemoryStore,
    bodies: Vec<(CommandId, Vec<u8>)>,
    ended: usize,
    signed_off: bool,
    server_committed: bool,
    errors: Vec<String>,
}

type Shared = Arc<Mutex<Seen>>;

struct ServerApp {
    seen: Shared,
    connection: Connection,
}

impl StreamApp<server::Session> for ServerApp {
    fn on_event(&mut self, _: Duration, session: &mut server::Session, event: server::Event) {
        let mut seen = self.seen.lock().unwrap();
        seen.server_committed |= matches!(event, server::Event::Commit { .. });
        seen.store
            .handle(&mut self.connection, session, event)
            .unwrap();
    }

    fn on_error(&mut self, _: Duration, _: &mut server::Session, error: server::Error) {
        self.seen
            .lock()
            .unwrap()
            .errors
            .push(format!("server: {error:?}"));
    }
}

/// Secures the connection where it can, logs in, fetches and deletes all, and quits.
struct ClientApp {
    seen: Shared,
    stls: Option<CommandId>,
    quit: Option<CommandId>,
}

impl ClientApp {
    fn fetch(&mut self, session: &mut client::Session) {
        session.login("bob", "hungry").unwrap();
        session.capa().unwrap();
        for message in [1, 2] {
            session.retr(message).unwrap();
            session.dele(message).unwrap();
        }
        self.quit = Some(session.quit().unwrap());
    }
}

impl StreamApp<client::Session> for ClientApp {
    fn start(&mut self, _: Duration, session: &mut client::Session) {
        if session.config().require_tls && session.tls().is_none() {
            self.stls = Some(session.stls().unwrap());
        } else {
            self.fetch(session);
        }
    }

    fn on_event(&mut self, _: Duration, session: &mut client::Session, event: Event) {
        let mut is_secured = false;
        let mut seen = self.seen.lock().unwrap();
        match event {
            Event::BodyChunk { id, data } => match seen.bodies.last_mut() {
                Some((last, body)) if *last == id => body.extend_from_slice(&data),
                _ => seen.bodies.push((id, data.to_vec())),
            },
            Event::Done { id, reply } => {
                assert!(reply.is_ok(), "{reply}");
                seen.ended += 1;
                seen.signed_off |= self.quit == Some(id);
                is_secured = self.stls == Some(id);
            }
            Event::Failed { .. } => seen.ended += 1,
            _ => {}
        }
        drop(seen);
        if is_secured {
            self.fetch(session);
        }
    }

    fn on_error(&mut self, _: Duration, _: &mut client::Session, error: client::Error) {
        self.seen
            .lock()
            .unwrap()
            .errors
            .push(format!("client: {error:?}"));
    }
}

/// A message of some size, with all that is special in it.
fn message(lines: usize) -> String {
    let mut text = "Subject: much\r\n\r\n".to_owned();
    for line in 0..lines {
        text += [
            ".\r\n",
            "..\r\n",
            "\r\n",
            "a line of some length, as they are\r\n",
        ][line % 4];
    }
    text
}

fn seen() -> Shared {
    let mut seen = Seen::default();
    seen.store.add_user("bob", "hungry");
    seen.store.deliver("bob", message(10));
    seen.store.deliver("bob", message(400));
    Arc::new(Mutex::new(seen))
}

type Ends = ((client::Session, ClientApp), (server::Session, ServerApp));

fn ends(seen: &Shared, (client_config, server_config): (client::Config, server::Config)) -> Ends {
    let client = client::Session::new(Duration::ZERO, client_config, client::Limits::default());
    let limits = server::Limits::default();
    let server = server::Session::new(Duration::ZERO, server_config, limits, [7; 32]);
    let client_app = ClientApp {
        seen: seen.clone(),
        stls: None,
        quit: None,
    };
    let server_app = ServerApp {
        seen: seen.clone(),
        connection: Connection::new(),
    };
    ((client, client_app), (server, server_app))
}

fn implicit() -> (client::Config, server::Config) {
    let mut client = client::Config::default();
    client.implicit_tls = true;
    let mut server = server::Config::default();
    server.implicit_tls = true;
    (client, server)
}

#[test]
fn sessions_come_to_their_end_over_torn_and_lossy_streams() {
    for (name, configs, commands) in [
        ("plaintext", (plaintext_client(), plaintext_server()), 7),
        ("STLS", Default::default(), 8),
        ("implicit TLS", implicit(), 7),
    ] {
        for seed in 0..10 {
            let mut stream = StreamConfig::torn();
            stream.loss = 20_000;
            stream.latency = Duration::from_millis(20);
            let shared = seen();
            let (client, server) = ends(&shared, configs.clone());
            let mut pair = match name {
                "implicit TLS" => Pair::with_implicit_tls(seed, client, server),
                _ => Pair::new(seed, client, server),
            }
            .stream(stream);
            pair.run().unwrap();
            let seen = shared.lock().unwrap();
            assert!(
                pair.is_done() && seen.errors.is_empty(),
                "{name} {seed}: {:?}",
                seen.errors
            );
            assert_eq!(seen.ended, commands, "{name} {seed}");
            let bodies: Vec<_> = seen.bodies.iter().map(|(_, body)| &body[..]).collect();
            assert_eq!(bodies, [message(10).as_bytes(), message(400).as_bytes()]);
            assert!(seen.signed_off && seen.server_committed);
            assert_eq!(seen.store.messages("bob").count(), 0);
        }
    }
}

/// RFC 1939 section 6: whenever a host fails, either nothing is deleted, or the client had asked for
/// it by QUIT after it had received every message.
#[test]
fn a_host_that_fails_at_any_time_loses_no_message() {
    let mut met = [0, 0];
    for (configs, is_client) in [
        ((plaintext_client(), plaintext_server()), true),
        ((plaintext_client(), plaintext_server()), false),
        (Default::default(), true),
        (Default::default(), false),
    ] {
        for step in 0..120 {
            let mut stream = StreamConfig::torn();
            stream.latency = Duration::from_millis(20);
            let shared = seen();
            let (client, server) = ends(&shared, configs.clone());
            let mut net = Net::new(step);
            let mut path = PathConfig::default();
            path.stream = stream;
            net.set_default_path(path);
            let address = "192.0.2.2:110".parse().unwrap();
            let config = HostConfig::default();
            let here = net.add_host("here", &config, ["192.0.2.1".parse().unwrap()]);
            let there = net.add_host("there", &config, ["192.0.2.2".parse().unwrap()]);
            net.add_node(there, "server", StreamNode::accept(110, server.0, server.1));
            net.add_node(
                here,
                "client",
                StreamNode::connect(address, client.0, client.1),
            );
            let failing = if is_client { here } else { there };
            net.fail_at(Duration::from_millis(step * 13), failing);
            net.run_until_idle().unwrap();
            let seen = shared.lock().unwrap();
            let left = seen.store.messages("bob").count();
            let bodies: Vec<_> = seen.bodies.iter().map(|(_, body)| &body[..]).collect();
            if left < 2 {
                assert!(left == 0 && seen.server_committed);
                assert_eq!(bodies, [message(10).as_bytes(), message(400).as_bytes()]);
            }
            met[usize::from(left == 0)] += 1;
        }
    }
    println!(
        "{} sessions ended without deletion, {} with it",
        met[0], met[1]
    );
    assert!(met[0] > 50 && met[1] > 50, "{met:?}: both ends are met");
}
