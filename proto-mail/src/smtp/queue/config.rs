//! How a queue behaves, and what it never exceeds.

use crate::smtp::client;
use alloc::borrow::Cow;
use alloc::string::String;
use alloc::sync::Arc;
use core::time::Duration;

/// Behaviour of a queue.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// The name of this host: in notifications, and to find itself among mail exchangers. Default
    /// `localhost`.
    pub host: Cow<'static, str>,
    /// Whom notifications come from. Default `MAILER-DAEMON`, at [`host`](Self::host).
    pub postmaster: Cow<'static, str>,
    /// All mail goes to this host, without looking for mail exchangers. Default none.
    pub smart_host: Option<String>,
    /// The port of the servers. Default 25.
    pub port: u16,
    /// How sessions behave.
    pub client: Arc<client::Config>,
    /// What sessions never exceed.
    pub client_limits: Arc<client::Limits>,
    /// How long after the first failure the second attempt comes; the time doubles with each
    /// further one. Default five minutes.
    pub first_retry: Duration,
    /// The longest time between two attempts. Default two hours; RFC 5321 section 4.5.4.1 wants
    /// half an hour at least once a message is old.
    pub longest_retry: Duration,
    /// When a message is given up. Default five days (RFC 5321 section 4.5.4.1).
    pub expiry: Duration,
    /// When the sender is told that it takes longer. Default after four hours; none for never.
    pub warn_after: Option<Duration>,
    /// Whether senders are told by notifications. Default true; false for programs that say
    /// themselves what happened.
    pub notifications: bool,
    /// How long a connection without further messages is kept for one that may come. Default two
    /// seconds.
    pub keep: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            host: "localhost".into(),
            postmaster: "MAILER-DAEMON".into(),
            smart_host: None,
            port: 25,
            client: Arc::new(client::Config::default()),
            client_limits: Arc::new(client::Limits::default()),
            first_retry: Duration::from_secs(300),
            longest_retry: Duration::from_secs(7200),
            expiry: Duration::from_secs(5 * 86_400),
            warn_after: Some(Duration::from_secs(4 * 3600)),
            notifications: true,
            keep: Duration::from_secs(2),
        }
    }
}

/// Upper bounds of a queue. Each has a finite default.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// Messages in the queue. Default 10000. One more is
    /// [`UsageError::QueueFull`](crate::smtp::UsageError::QueueFull); a notification that does not
    /// fit is given up. Memory: envelopes, not messages.
    pub max_messages: usize,
    /// Recipients of one message. Default 1000. More are
    /// [`UsageError::InvalidValue`](crate::smtp::UsageError::InvalidValue).
    pub max_recipients: usize,
    /// Connections at once, all destinations together; there is one for each destination. Default
    /// 20.
    pub max_connections: usize,
    /// Recipients in one transaction. Default 100: what every server takes (RFC 5321 section
    /// 4.5.3.1.8). The others follow in another one.
    pub max_recipients_at_once: usize,
    /// Messages over one connection before another one is made. Default 100.
    pub max_messages_at_once: u32,
    /// Exchangers of one domain that are looked at. Default 20.
    pub max_exchangers: usize,
    /// Addresses that are tried in one attempt. Default 10.
    pub max_addresses: usize,
    /// Octets of a message that are read at once, and held for each connection. Default 16 KiB.
    pub read_size: usize,
    /// Octets of a message that a notification gives back: its header, or with RET=FULL all of it
    /// where it is no longer than that. Default 16 KiB.
    pub max_returned: usize,
    /// How long a connection may take to come about. Default half a minute.
    pub connect: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_messages: 10_000,
            max_recipients: 1000,
            max_connections: 20,
            max_recipients_at_once: 100,
            max_messages_at_once: 100,
            max_exchangers: 20,
            max_addresses: 10,
            read_size: 16 * 1024,
            max_returned: 16 * 1024,
            connect: Duration::from_secs(30),
        }
    }
}

/// What a queue has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Messages that were submitted or restored.
    pub submitted: u64,
    /// Recipients that have their message.
    pub delivered: u64,
    /// Recipients that were given up.
    pub failed: u64,
    /// How often a recipient was put off.
    pub delayed: u64,
    /// Notifications that were written.
    pub notifications: u64,
    /// Connections that were asked for.
    pub connections: u64,
    /// Messages sent over a connection that had carried one already.
    pub reused: u64,
    /// How often one of the [`Limits`] was hit.
    pub limits_tripped: u64,
}
