//! How a client session behaves, and what it never exceeds.

use crate::smtp::Protocol;
use alloc::borrow::Cow;
use core::time::Duration;

/// Behaviour of a session.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// SMTP or LMTP. Default SMTP.
    pub protocol: Protocol,
    /// The name of this host, for EHLO: a domain or an address literal. Default `localhost`.
    pub name: Cow<'static, str>,
    /// The connection is TLS from its start (port 465): the greeting is awaited after
    /// [`handle_tls_established`](super::Session::handle_tls_established). Default false.
    pub implicit_tls: bool,
    /// Whether TLS is started. Default [`IfOffered`](StartTls::IfOffered).
    pub starttls: StartTls,
    /// Credentials are sent without TLS as well. Default false: then AUTH with a mechanism that
    /// reveals the secret is
    /// [`UsageError::TlsRequired`](crate::smtp::UsageError::TlsRequired).
    pub allow_plaintext_auth: bool,
    /// Commands are sent ahead of the replies to earlier ones where the server offers PIPELINING.
    /// Default true.
    pub pipelining: bool,
    /// BDAT is used for all messages where the server offers CHUNKING. Default false: then for
    /// binary ones only, which need it.
    pub prefer_chunking: bool,
}

/// Whether TLS is started by the client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StartTls {
    /// Never.
    Off,
    /// If the server offers it, and goes on without it if not: safe from who listens, not from who
    /// meddles.
    #[default]
    IfOffered,
    /// A server without it gets no mail.
    Required,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            protocol: Protocol::Smtp,
            name: "localhost".into(),
            implicit_tls: false,
            starttls: StartTls::IfOffered,
            allow_plaintext_auth: false,
            pipelining: true,
            prefer_chunking: false,
        }
    }
}

/// Upper bounds of one session. Each has a finite default.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// Longest line of a reply in octets, its end included. Default 2048: four times what RFC 5321
    /// section 4.5.3.1.5 allows. A longer one is [`Error::Malformed`](super::Error::Malformed).
    pub max_reply_line: usize,
    /// Longest line with a challenge. Default 12288 (RFC 4954 section 4).
    pub max_auth_line: usize,
    /// Octets of one reply, all its lines together. Default 32 KiB.
    pub max_reply: usize,
    /// Longest command in octets, its end included. Default 2048. A longer one is
    /// [`UsageError::CommandTooLong`](crate::smtp::UsageError::CommandTooLong); an initial response
    /// that does not fit is sent as the first response.
    pub max_command_line: usize,
    /// Octets that may wait for the transport. Default 16 KiB: with as much in the server's read
    /// buffer, a message of any size goes through both machines in 64 KiB of heap. Above it
    /// [`send_data`](super::Session::send_data) takes nothing.
    pub max_queued_output: usize,
    /// Commands and messages that may wait. Default 1024. One more is
    /// [`UsageError::QueueFull`](crate::smtp::UsageError::QueueFull). Memory: what each command
    /// holds.
    pub max_queued_commands: usize,
    /// How long the server may be silent while a reply is awaited, or take nothing of a message.
    /// Default ten minutes, the longest of RFC 5321 section 4.5.3.2.
    pub reply: Duration,
    /// How long a session that has ended goes on reading. Default two seconds.
    pub linger: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_reply_line: 2048,
            max_auth_line: 12 * 1024,
            max_reply: 32 * 1024,
            max_command_line: 2048,
            max_queued_output: 16 * 1024,
            max_queued_commands: 1024,
            reply: Duration::from_secs(600),
            linger: Duration::from_secs(2),
        }
    }
}

/// What a session has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Octets taken from the input; after the end of a session, octets discarded as well.
    pub octets_in: u64,
    /// Octets handed out for the server.
    pub octets_out: u64,
    /// Commands and messages that were queued.
    pub commands: u64,
    /// Of those, the ones that were answered with 4xx or 5xx.
    pub refused: u64,
    /// Messages that the server accepted.
    pub messages: u64,
    /// Octets of messages, as they were given.
    pub body_octets: u64,
    /// Bare line ends that were repaired.
    pub repaired: u64,
    /// How often one of the [`Limits`] was hit by the server: at most once.
    pub limits_tripped: u32,
}
