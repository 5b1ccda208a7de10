//! How a client session behaves, and what it never exceeds.

use core::time::Duration;

/// Behaviour of a session. The default sends no credentials without TLS.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// The connection is TLS from its start (port 995): the greeting is awaited after
    /// [`handle_tls_established`](super::Session::handle_tls_established). Default false.
    pub implicit_tls: bool,
    /// Credentials of any kind are refused with
    /// [`UsageError::TlsRequired`](crate::pop3::UsageError::TlsRequired) while there is no TLS, and
    /// a server that refuses STLS ends the session. Default true.
    pub require_tls: bool,
    /// APOP may be used. Default false: it rests on MD5 (CVE-2007-1558).
    pub allow_apop: bool,
    /// Commands are sent ahead of the replies to earlier ones once the server has listed
    /// PIPELINING. Default true.
    pub pipelining: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            implicit_tls: false,
            require_tls: true,
            allow_apop: false,
            pipelining: true,
        }
    }
}

/// Upper bounds of one session. Each has a finite default.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// Longest line of a reply or a listing in octets, its end included. Default 1024: twice what
    /// RFC 1939 section 3 allows, for the sake of servers with many SASL mechanisms. A longer one
    /// is [`Error::Malformed`](super::Error::Malformed). Lines of messages are not bounded: they
    /// are streamed.
    pub max_reply_line: usize,
    /// Longest line with a challenge. Default 12288, as in RFC 4954 section 4.
    pub max_auth_line: usize,
    /// Longest command in octets, its end included. Default 255 (RFC 2449 section 4). A longer one
    /// is [`UsageError::CommandTooLong`](crate::pop3::UsageError::CommandTooLong); an initial
    /// response that does not fit is sent as the first response.
    pub max_command_line: usize,
    /// Items of one listing (LIST, UIDL, LANG). Default one million. More are
    /// [`Error::TooMuch`](super::Error::TooMuch). Nothing is stored: this bounds the embedder's
    /// memory.
    pub max_listing_items: u32,
    /// Octets of a capability list. Default 16 KiB, which is kept until the next one.
    pub max_capability_octets: usize,
    /// Octets of one message, or none for no bound. Default 1 GiB. More are
    /// [`Error::TooMuch`](super::Error::TooMuch), after so many were handed out. Nothing is stored.
    pub max_body_octets: Option<u64>,
    /// Commands that may wait or be under way. Default 1024. One more is
    /// [`UsageError::QueueFull`](crate::pop3::UsageError::QueueFull). Memory: the octets of each
    /// command and about 80 more.
    pub max_queued_commands: usize,
    /// Commands that may be under way at once with PIPELINING. Default 64.
    pub max_pipelined: usize,
    /// How long the server may be silent while a reply, or a part of one, is awaited. Default five
    /// minutes. Then the session ends with [`Error::ReplyTimeout`](super::Error::ReplyTimeout).
    pub reply: Duration,
    /// How long a session that has ended goes on reading. Default two seconds.
    pub linger: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_reply_line: 1024,
            max_auth_line: 12 * 1024,
            max_command_line: 255,
            max_listing_items: 1_000_000,
            max_capability_octets: 16 * 1024,
            max_body_octets: Some(1 << 30),
            max_queued_commands: 1024,
            max_pipelined: 64,
            reply: Duration::from_secs(300),
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
    /// Commands that were queued.
    pub commands: u64,
    /// Commands that were answered with `-ERR`.
    pub refused: u64,
    /// Octets of messages, without stuffed dots.
    pub body_octets: u64,
    /// Messages received to their end.
    pub bodies: u64,
    /// How often one of the [`Limits`] was hit by the server: at most once.
    pub limits_tripped: u32,
}
