//! POP3 servers: sessions over a store in memory, which all programs can serve.

use crate::app::StreamApp;
use crate::cli;
use core::time::Duration;
use proto_mail::pop3::memory::{Connection, MemoryStore};
use proto_mail::pop3::server::{Config, Event, Limits, Session};
use std::sync::{Arc, Mutex, PoisonError};

/// The messages that wait for Bob in the lecture.
pub const BOBS_MESSAGES: [&str; 2] = [
    "From: alice@crepes.fr\r\nTo: bob@hamburger.edu\r\nSubject: Searching for the meaning of life.\r\n\r\nDo you like ketchup?\r\nHow about pickles?\r\n",
    "From: alice@crepes.fr\r\nTo: bob@hamburger.edu\r\nSubject: dinner\r\n\r\nA dot alone:\r\n.\r\nand a line of dots: \r\n...\r\n",
];

/// A store that several sessions share.
pub type SharedStore = Arc<Mutex<MemoryStore>>;

/// A store in which Bob, whose password is `hungry`, has the two messages of the lecture.
pub fn bobs_store() -> SharedStore {
    let mut store = MemoryStore::new();
    store.add_user("bob", "hungry");
    for message in BOBS_MESSAGES {
        store.deliver("bob", message);
    }
    Arc::new(Mutex::new(store))
}

/// Gives Alice, whose password is `ketchup`, a message of 4 MiB: more than any machine or socket
/// keeps at once.
pub fn add_alice(store: &SharedStore) {
    let mut store = store.lock().unwrap_or_else(PoisonError::into_inner);
    store.add_user("alice", "ketchup");
    store.deliver("alice", large_message(4 * 1024 * 1024));
}

/// A message of about `octets` octets, with dots where they hurt.
pub fn large_message(octets: usize) -> Vec<u8> {
    let line = b"..and so on, line after line, with a dot in front of it\r\n";
    line.repeat(octets / line.len())
}

/// A session that takes passwords in plaintext and knows no TLS, as in the lecture: for loopback.
pub fn plain_config() -> Arc<Config> {
    let mut config = Config::default();
    config.stls = false;
    config.allow_plaintext_auth = true;
    Arc::new(config)
}

/// Makes a session of a new connection.
pub fn session(now: Duration, config: &Arc<Config>) -> Session {
    Session::new(
        now,
        Arc::clone(config),
        Arc::new(Limits::default()),
        cli::seed(),
    )
}

/// One session's part of a store in memory. Dropping it gives the lock on the maildrop back.
#[derive(Debug)]
pub struct Pop3 {
    store: SharedStore,
    connection: Connection,
}

impl Pop3 {
    /// A session on which nobody is logged in.
    pub fn new(store: &SharedStore) -> Self {
        Self {
            store: Arc::clone(store),
            connection: Connection::new(),
        }
    }
}

impl StreamApp for Pop3 {
    type Machine = Session;

    fn on_event(&mut self, _: Duration, session: &mut Session, event: Event) {
        let mut store = self.store.lock().unwrap_or_else(PoisonError::into_inner);
        // A question that is stale was asked by a session that has ended meanwhile.
        let _ = store.handle(&mut self.connection, session, event);
    }
}
