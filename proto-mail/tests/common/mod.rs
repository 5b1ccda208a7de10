//! What several test files need.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file uses its own part"
)]
#![allow(missing_debug_implementations, reason = "test fixtures")]

use bytes::BytesMut;
use core::time::Duration;
use proto_mail::Transmit;
use proto_mail::pop3::memory::{Connection, MemoryStore};
use proto_mail::pop3::{client, server};
use std::io::Write as _;
use std::path::PathBuf;

pub const T0: Duration = Duration::from_secs(1000);

/// The two messages of the maildrop that most tests use.
pub const FIRST: &str = "Subject: one\r\n\r\n.leading dot\r\nline two\r\n.\r\nend\r\n";
pub const SECOND: &str = "Subject: two\n\nbare line ends\n.\nno last one";

/// Bob is hungry, and has two messages.
pub fn store() -> MemoryStore {
    let mut store = MemoryStore::new();
    store.add_user("bob", "hungry");
    store.deliver("bob", FIRST);
    store.deliver("bob", SECOND);
    store
}

pub fn plaintext_server() -> server::Config {
    let mut config = server::Config::default();
    config.allow_plaintext_auth = true;
    config
}

pub fn plaintext_client() -> client::Config {
    let mut config = client::Config::default();
    config.require_tls = false;
    config
}

/// A server session with its store, driven by hand.
pub struct Server {
    pub session: server::Session,
    pub store: MemoryStore,
    pub connection: Connection,
    pub input: BytesMut,
    pub events: Vec<String>,
    pub error: Option<server::Error>,
}

impl Server {
    pub fn new(config: server::Config, limits: server::Limits) -> Self {
        Self {
            session: server::Session::new(T0, config, limits, [7; 32]),
            store: store(),
            connection: Connection::new(),
            input: BytesMut::new(),
            events: Vec::new(),
            error: None,
        }
    }

    pub fn plaintext() -> Self {
        Self::new(plaintext_server(), server::Limits::default())
    }

    /// With bob logged in, and nothing left to send.
    pub fn logged_in(limits: server::Limits) -> Self {
        let mut server = Self::new(plaintext_server(), limits);
        server.say("USER bob\r\nPASS hungry\r\n");
        server
    }

    /// Feeds octets, answers all that is asked, and returns what was sent.
    pub fn say(&mut self, octets: impl AsRef<[u8]>) -> String {
        self.input.extend_from_slice(octets.as_ref());
        self.turn()
    }

    pub fn turn(&mut self) -> String {
        let mut sent = Vec::new();
        loop {
            let mut moved = false;
            loop {
                match self.session.poll_event(T0, &mut self.input) {
                    Ok(None) => break,
                    Ok(Some(event)) => {
                        moved = true;
                        self.events.push(format!("{event:?}"));
                        self.store
                            .handle(&mut self.connection, &mut self.session, event)
                            .unwrap();
                    }
                    Err(error) => {
                        assert!(self.error.is_none(), "a second error: {error:?}");
                        self.error = Some(error);
                    }
                }
            }
            while let Some(step) = self.session.poll_transmit(T0, 1500) {
                moved = true;
                match step {
                    Transmit::Data(data) => sent.extend_from_slice(&data),
                    step => sent.extend_from_slice(format!("[{step:?}]").as_bytes()),
                }
            }
            if !moved {
                return String::from_utf8(sent).unwrap();
            }
        }
    }
}

/// A client session, driven by hand.
pub struct Client {
    pub session: client::Session,
    pub input: BytesMut,
    pub error: Option<client::Error>,
}

impl Client {
    pub fn new(config: client::Config, limits: client::Limits) -> Self {
        Self {
            session: client::Session::new(T0, config, limits),
            input: BytesMut::new(),
            error: None,
        }
    }

    /// After the greeting, without TLS.
    pub fn greeted(limits: client::Limits) -> Self {
        let mut client = Self::new(plaintext_client(), limits);
        client.hear("+OK ready\r\n");
        client
    }

    /// Feeds octets and returns what the session says of them.
    pub fn hear(&mut self, octets: impl AsRef<[u8]>) -> Vec<client::Event> {
        self.input.extend_from_slice(octets.as_ref());
        self.events()
    }

    pub fn events(&mut self) -> Vec<client::Event> {
        let mut events = Vec::new();
        loop {
            match self.session.poll_event(T0, &mut self.input) {
                Ok(Some(event)) => events.push(event),
                Ok(None) => return events,
                Err(error) => {
                    assert!(self.error.is_none(), "a second error: {error:?}");
                    self.error = Some(error);
                }
            }
        }
    }

    /// All that is to be sent.
    pub fn sent(&mut self) -> String {
        let mut sent = Vec::new();
        while let Some(step) = self.session.poll_transmit(T0, 1500) {
            match step {
                Transmit::Data(data) => sent.extend_from_slice(&data),
                step => sent.extend_from_slice(format!("[{step:?}]").as_bytes()),
            }
        }
        String::from_utf8(sent).unwrap()
    }
}

/// Where test data lies that is no part of the tree.
pub fn vectors() -> PathBuf {
    std::env::var_os("PROTO_VECTORS").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/vectors")),
        PathBuf::from,
    )
}

/// Says that something could not be tested, or fails where everything has to be.
pub fn skip(what: &str) {
    assert!(
        std::env::var_os("PROTO_REQUIRE_ALL").is_none_or(|value| value != "1"),
        "{what} is missing"
    );
    // Written past the test harness, which keeps what a passing test prints to itself.
    let _ = writeln!(std::io::stderr(), "skipped: {what}");
}
