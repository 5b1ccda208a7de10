//! What several test files need.

#![allow(
    dead_code,
    unused_imports,
    unreachable_pub,
    reason = "each test file uses its own part"
)]
#![allow(
    missing_debug_implementations,
    clippy::panic_in_result_fn,
    reason = "test fixtures"
)]

pub mod pair;
mod store;

pub use pair::Pair;
pub use store::{CONTENT, Store, TEXT};

use bytes::BytesMut;
use core::net::SocketAddr;
use core::time::Duration;
use proto_ftp::server::{Action, Direction, Event};
use proto_ftp::{ClientLimits, ServerLimits, TlsInfo, Transmit, client, server};
use std::io::Write as _;
use std::path::PathBuf;

pub const T0: Duration = Duration::from_secs(1000);

pub fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// Where the server stands.
pub fn here() -> SocketAddr {
    address("192.0.2.1:21")
}

/// Where the client stands.
pub fn there() -> SocketAddr {
    address("192.0.2.9:40000")
}

pub fn new_server(
    now: Duration,
    config: &server::Config,
    limits: &ServerLimits,
) -> server::Session {
    server::Session::new(now, config.clone(), limits.clone(), here(), there())
}

pub fn new_client(
    now: Duration,
    config: &client::Config,
    limits: &ClientLimits,
) -> client::Session {
    client::Session::new(now, config.clone(), limits.clone(), there(), here())
}

pub fn plaintext_client() -> client::Config {
    let mut config = client::Config::default();
    config.require_tls = false;
    config
}

pub fn pipelining_client() -> client::Config {
    let mut config = plaintext_client();
    config.pipelining = true;
    config
}

/// A server with all that it can offer.
pub fn full_server() -> server::Config {
    let mut config = server::Config::default();
    config.tls = true;
    config.allow_ccc = true;
    config.site = true;
    config.hash = Some("SHA-256".into());
    config.virtual_hosts = true;
    config
}

/// A server session with its store, driven by hand.
pub struct Server {
    pub session: server::Session,
    pub store: Store,
    pub input: BytesMut,
    pub events: Vec<String>,
    pub actions: Vec<Action>,
    pub error: Option<server::Error>,
    /// What the client sends over data connections.
    pub upload: Vec<u8>,
    /// Whether wishes come true at once. Otherwise they only pile up in `actions`.
    pub auto: bool,
    /// Whether questions are answered at once. Otherwise they wait in `open`.
    pub answers: bool,
    pub open: Vec<Event>,
    pub now: Duration,
}

impl Server {
    pub fn new(config: &server::Config, limits: &ServerLimits) -> Self {
        Self {
            session: new_server(T0, config, limits),
            store: Store::new(),
            input: BytesMut::new(),
            events: Vec::new(),
            actions: Vec::new(),
            error: None,
            upload: b"uploaded".to_vec(),
            auto: true,
            answers: true,
            open: Vec::new(),
            now: T0,
        }
    }

    pub fn greeted(config: &server::Config) -> Self {
        let mut server = Self::new(config, &ServerLimits::default());
        assert_eq!(server.turn(), "220 Ready\r\n");
        server
    }

    /// With bob logged in, and nothing left to send.
    pub fn logged_in(config: &server::Config) -> Self {
        let mut server = Self::greeted(config);
        let replies = server.say("USER bob\r\nPASS hungry\r\n");
        assert!(replies.ends_with("230 Logged in\r\n"), "{replies}");
        server
    }

    /// Feeds octets, answers all that is asked, and returns what was sent.
    pub fn say(&mut self, octets: impl AsRef<[u8]>) -> String {
        self.input.extend_from_slice(octets.as_ref());
        self.turn()
    }

    /// The codes of the replies to some lines: one is given a line.
    pub fn codes(&mut self, lines: &str) -> Vec<u16> {
        codes(&self.say(lines))
    }

    pub fn turn(&mut self) -> String {
        let mut sent = Vec::new();
        loop {
            let mut moved = false;
            loop {
                match self.session.poll_event(self.now, &mut self.input) {
                    Ok(None) => break,
                    Ok(Some(event)) => {
                        moved = true;
                        self.events.push(format!("{event:?}"));
                        if self.answers {
                            self.store.handle(&mut self.session, event).unwrap();
                        } else {
                            self.open.push(event);
                        }
                    }
                    Err(error) => {
                        assert!(self.error.is_none(), "a second error: {error:?}");
                        self.error = Some(error);
                    }
                }
            }
            while let Some(action) = self.session.poll_action(self.now) {
                moved = true;
                if self.auto {
                    self.carry_out(&action);
                }
                self.actions.push(action);
            }
            while let Some(step) = self.session.poll_transmit(self.now, 1500) {
                moved = true;
                match step {
                    Transmit::Data(data) => sent.extend_from_slice(&data),
                    step => sent.extend_from_slice(format!("[{step:?}]").as_bytes()),
                }
            }
            if !moved {
                return String::from_utf8_lossy(&sent).into_owned();
            }
        }
    }

    /// Answers the question that waits longest.
    pub fn answer(&mut self) -> String {
        let event = self.open.remove(0);
        self.store.handle(&mut self.session, event).unwrap();
        self.turn()
    }

    fn carry_out(&mut self, action: &Action) {
        let (session, now) = (&mut self.session, self.now);
        match *action {
            Action::Listen { id, .. } => {
                session.handle_listening(now, id, address("192.0.2.1:50000"));
                session.handle_connected(now, id, address("192.0.2.9:40001"));
            }
            Action::Connect { id, to } => session.handle_connected(now, id, to),
            Action::Secure { id } => {
                let mut tls = TlsInfo::default();
                tls.resumed = true;
                session.handle_data_tls(now, id, &tls);
            }
            Action::Start { id, direction, .. } | Action::Pump { id, direction, .. } => {
                let octets = match direction {
                    Direction::Send => self.store.outgoing.get(&id).map_or(0, Vec::len),
                    Direction::Receive => {
                        let upload = self.upload.clone();
                        self.store.received.insert(id, upload);
                        self.upload.len()
                    }
                };
                let octets = u64::try_from(octets).unwrap();
                session.handle_transferred(now, id, Ok(octets));
            }
            Action::Refuse { .. } | Action::Close { .. } => {}
        }
    }
}

/// The codes of replies, one for each, however many lines it has.
pub fn codes(replies: &str) -> Vec<u16> {
    let mut decoder = proto_ftp::wire::ReplyDecoder::new(9000, 1 << 20, 100_000);
    let mut input = BytesMut::from(replies.replace("[Shutdown]", "").as_bytes());
    let mut codes = Vec::new();
    while let Some(reply) = decoder.decode(&mut input).unwrap() {
        codes.push(reply.code());
    }
    codes
}

/// A client session, driven by hand.
pub struct Client {
    pub session: client::Session,
    pub input: BytesMut,
    pub error: Option<client::Error>,
    pub actions: Vec<client::Action>,
}

impl Client {
    pub fn new(config: &client::Config) -> Self {
        Self {
            session: new_client(T0, config, &ClientLimits::default()),
            input: BytesMut::new(),
            error: None,
            actions: Vec::new(),
        }
    }

    /// After the greeting, without TLS.
    pub fn greeted(config: &client::Config) -> Self {
        let mut client = Self::new(config);
        client.hear("220 ready\r\n");
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

    /// What is wished for now.
    pub fn wishes(&mut self) -> Vec<client::Action> {
        let mut actions = Vec::new();
        while let Some(action) = self.session.poll_action(T0) {
            actions.push(action);
        }
        actions
    }
}

/// The largest heap use of a run.
pub fn heap(run: &mut dyn FnMut()) -> usize {
    let info = allocation_counter::measure(run);
    usize::try_from(info.bytes_max).unwrap()
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
