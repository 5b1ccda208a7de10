//! POP3 on the virtual network: upgrade, streaming, locks and commits over wires that tear, stall
//! and break.

#![cfg(all(feature = "mail", feature = "sim"))]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use core::cell::RefCell;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use netio::sim::{
    HostConfig, Net, NodeId, PathConfig, StreamApp, StreamConfig, StreamNode, StreamServer,
};
use proto_mail::pop3::memory::{Connection, MemoryStore};
use proto_mail::pop3::{client, server};
use std::rc::Rc;

type Store = Rc<RefCell<MemoryStore>>;

/// A session of the server with its part of the store.
struct Serve {
    store: Store,
    connection: Connection,
    error: Option<server::Error>,
}

impl StreamApp<server::Session> for Serve {
    fn on_event(&mut self, _: Duration, session: &mut server::Session, event: server::Event) {
        self.store
            .borrow_mut()
            .handle(&mut self.connection, session, event)
            .unwrap();
    }

    fn on_error(&mut self, _: Duration, session: &mut server::Session, error: server::Error) {
        let _ = session;
        self.error = Some(error);
    }
}

/// A reader: logs in under TLS, fetches a message, deletes it, and quits.
#[derive(Default)]
struct Read {
    user: String,
    delete: bool,
    message: Vec<u8>,
    /// How each command ended.
    ends: Vec<String>,
    error: Option<client::Error>,
}

impl StreamApp<client::Session> for Read {
    fn start(&mut self, _: Duration, session: &mut client::Session) {
        session.stls().unwrap();
    }

    fn on_event(&mut self, _: Duration, session: &mut client::Session, event: client::Event) {
        match event {
            client::Event::BodyChunk { data, .. } => self.message.extend_from_slice(&data),
            client::Event::Done { reply, .. } => {
                self.ends
                    .push(if reply.is_ok() { "ok" } else { "err" }.into());
                // A password is not even queued before TLS.
                if self.ends.len() == 1 {
                    session.login(self.user.as_str(), "hungry").unwrap();
                    session.retr(1).unwrap();
                    if self.delete {
                        session.dele(1).unwrap();
                    }
                    session.quit().unwrap();
                }
            }
            client::Event::Failed { .. } => self.ends.push("failed".into()),
            _ => {}
        }
    }

    fn on_error(&mut self, _: Duration, session: &mut client::Session, error: client::Error) {
        let _ = session;
        self.error = Some(error);
    }
}

fn message(lines: usize) -> String {
    let mut text = String::from("Subject: much\r\n\r\n");
    for line in 0..lines {
        text.push_str(&format!(".{line}\r\n.\r\n"));
    }
    text
}

struct World {
    net: Net,
    store: Store,
    readers: Vec<NodeId>,
}

/// A server and a reader for each of these users, who has one message of so many lines.
fn world(seed: u64, stream: &StreamConfig, users: &[&str], lines: usize) -> World {
    let store: Store = Rc::default();
    let mut net = Net::new(seed);
    let mut path = PathConfig::default();
    path.stream = stream.clone();
    net.set_default_path(path);
    let here = net.add_host(
        "server",
        &HostConfig::default(),
        [IpAddr::from([10, 0, 0, 1])],
    );
    let shared = Rc::clone(&store);
    net.add_node(
        here,
        "server",
        StreamServer::new(110, move |now, _: SocketAddr, seed: [u8; 32]| {
            let (config, limits) = (server::Config::default(), server::Limits::default());
            let mut config = config;
            config.stls = true;
            let app = Serve {
                store: Rc::clone(&shared),
                connection: Connection::new(),
                error: None,
            };
            (server::Session::new(now, config, limits, seed), app)
        }),
    );
    let mut readers = Vec::new();
    for (number, user) in users.iter().enumerate() {
        let known = store.borrow().messages(user).count() > 0;
        if !known {
            store.borrow_mut().add_user(user, "hungry");
            store.borrow_mut().deliver(user, message(lines));
        }
        let address = IpAddr::from([10, 0, 1, u8::try_from(number).unwrap()]);
        let there = net.add_host(&format!("host{number}"), &HostConfig::default(), [address]);
        let session = client::Session::new(
            net.now(),
            client::Config::default(),
            client::Limits::default(),
        );
        let app = Read {
            user: (*user).to_string(),
            delete: true,
            ..Read::default()
        };
        let to = SocketAddr::from(([10, 0, 0, 1], 110));
        let node = StreamNode::connect(to, session, app);
        readers.push(net.add_node(there, &format!("reader{number}"), node));
    }
    World {
        net,
        store,
        readers,
    }
}

fn reader(world: &World, number: usize) -> &StreamNode<client::Session, Read> {
    world.net.node(world.readers[number]).unwrap()
}

#[test]
fn sessions_run_to_their_end_over_every_wire() {
    let users = ["ann", "bob", "cyd"];
    for seed in 0..5 {
        let mut torn = StreamConfig::torn();
        torn.loss = 50_000;
        for stream in [StreamConfig::default(), torn] {
            let mut world = world(seed, &stream, &users, 500);
            world.net.run_until(Duration::from_secs(3600)).unwrap();
            for (number, user) in users.iter().enumerate() {
                let reader = reader(&world, number);
                assert_eq!(reader.app().ends, ["ok"; 5], "{:?}", reader.app().error);
                assert_eq!(reader.app().message, message(500).as_bytes());
                assert!(reader.is_done() && !reader.has_failed());
                assert_eq!(world.store.borrow().messages(user).count(), 0, "deleted");
            }
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_session_bit_for_bit() {
    let run = |seed| {
        let mut world = world(seed, &StreamConfig::torn(), &["ann", "bob"], 20);
        world.net.keep_transcript();
        world.net.run_until_idle().unwrap();
        world.net.transcript().unwrap().to_string()
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}

#[test]
fn a_maildrop_is_locked_while_it_is_open() {
    let mut world = world(1, &StreamConfig::default(), &["bob", "bob"], 5000);
    world.net.run_until(Duration::from_secs(3600)).unwrap();
    let mut ends = [0, 1].map(|number| reader(&world, number).app().ends.clone());
    ends.sort();
    // One has it all; the other was refused at its login, and with it all that needs one.
    assert_eq!(ends[1], ["ok"; 5]);
    assert_eq!(ends[0][..2], ["ok", "err"], "{ends:?}");
    assert_eq!(world.store.borrow().messages("bob").count(), 0);
}

#[test]
fn a_connection_that_breaks_deletes_nothing_and_ends_every_command() {
    let mut stream = StreamConfig::default();
    stream.bandwidth = Some(20_000);
    let mut world = world(1, &stream, &["bob"], 5000);
    // In the middle of the message, the reader's host fails; the server learns of it in time.
    let host = world.net.host_of(world.readers[0]).unwrap();
    world.net.fail_at(Duration::from_secs(1), host);
    world.net.recover_at(Duration::from_secs(700), host);
    world.net.run_until(Duration::from_secs(1000)).unwrap();
    let reader = reader(&world, 0);
    assert_eq!(
        reader.app().ends,
        ["ok", "ok", "failed", "failed", "failed"]
    );
    assert!(reader.app().message.len() < message(5000).len());
    assert!(reader.is_done());
    assert_eq!(
        world.store.borrow().messages("bob").count(),
        1,
        "still there"
    );

    // And the maildrop is no longer locked.
    let session = client::Session::new(
        world.net.now(),
        client::Config::default(),
        client::Limits::default(),
    );
    let app = Read {
        user: "bob".into(),
        ..Read::default()
    };
    let to = SocketAddr::from(([10, 0, 0, 1], 110));
    let again = StreamNode::connect(to, session, app);
    let again = world.net.add_node(host, "again", again);
    world.net.run_until(Duration::from_secs(2000)).unwrap();
    let again: &StreamNode<client::Session, Read> = world.net.node(again).unwrap();
    assert_eq!(again.app().ends, ["ok"; 4]);
    assert_eq!(again.app().message, message(5000).as_bytes());
}
