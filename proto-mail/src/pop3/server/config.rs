//! How a server session behaves, and what it never exceeds.

use super::super::wire::Expire;
use crate::line::LineEnd;
use crate::sasl::Mechanism;
use alloc::borrow::Cow;
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

/// Behaviour of a session. The default offers STLS and takes no password without it.
///
/// A `Session` keeps it in an `Arc`: one configuration serves all connections.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// The connection is TLS from its start (port 995): the greeting waits for
    /// [`handle_tls_established`](super::Session::handle_tls_established). Default false.
    pub implicit_tls: bool,
    /// STLS is offered (RFC 2595); the driver must be able to carry out
    /// [`Transmit::StartTls`](crate::Transmit::StartTls). Default true.
    pub stls: bool,
    /// USER and PASS, and SASL mechanisms that
    /// [reveal the password](Mechanism::reveals_secret), are taken without TLS. Default false.
    pub allow_plaintext_auth: bool,
    /// USER and PASS are offered. Default true.
    pub user_pass: bool,
    /// APOP is offered, and the greeting has a timestamp. Default false: MD5 is broken
    /// (CVE-2007-1558), and the store must know passwords in plain text.
    pub apop: bool,
    /// The SASL mechanisms that AUTH offers. Default PLAIN.
    pub mechanisms: Vec<Mechanism>,
    /// UTF8 is offered (RFC 6856): the maildrop can hold internationalized messages, and names and
    /// passwords can be in UTF-8. Default false.
    pub utf8: bool,
    /// LANG is offered (RFC 6856). The texts of this machine are in English, which is all that is
    /// listed. Default true.
    pub lang: bool,
    /// LOGIN-DELAY in CAPA, in seconds. The embedder enforces it. Default none.
    pub login_delay: Option<u32>,
    /// EXPIRE in CAPA. Default none: nothing is said.
    pub expire: Option<Expire>,
    /// IMPLEMENTATION in CAPA. Default none: an attacker needs it more than a client.
    pub implementation: Option<Cow<'static, str>>,
    /// What follows `+OK` in the greeting. Default `POP3 server ready`.
    pub greeting: Cow<'static, str>,
    /// What follows `+OK` when a login was accepted. Default `user successfully logged on`.
    pub logged_on: Cow<'static, str>,
    /// What follows `+OK` in the answer to QUIT. Default `POP3 server signing off`.
    pub signing_off: Cow<'static, str>,
    /// The domain in the timestamp of APOP. Default `localhost`, which also stands in for a name
    /// that is no domain.
    pub host: Cow<'static, str>,
    /// What ends a command line. Default CRLF alone, as RFC 1939 section 3 says: then a line with a
    /// bare LF in it is one bad command, and no proxy that sees lines otherwise can be deceived.
    pub line_end: LineEnd,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            implicit_tls: false,
            stls: true,
            allow_plaintext_auth: false,
            user_pass: true,
            apop: false,
            mechanisms: vec![Mechanism::PLAIN],
            utf8: false,
            lang: true,
            login_delay: None,
            expire: None,
            implementation: None,
            greeting: "POP3 server ready".into(),
            logged_on: "user successfully logged on".into(),
            signing_off: "POP3 server signing off".into(),
            host: "localhost".into(),
            line_end: LineEnd::CrLf,
        }
    }
}

/// Upper bounds of one session. Each has a finite default.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// Longest command line in octets, its end included. Default 255 (RFC 2449 section 4).
    ///
    /// A longer one is skipped to its end and answered with `-ERR`; it counts as a bad command.
    /// After UTF8 four times as many are allowed, since RFC 6856 counts characters. Memory: an
    /// incomplete line stays in the embedder's buffer, so this also bounds what is kept there.
    pub max_command_line: usize,
    /// Longest line of an AUTH exchange in octets, the AUTH command included. Default 12288, as in
    /// RFC 4954 section 4: tickets and tokens are long.
    ///
    /// A longer one is skipped to its end; the exchange fails.
    pub max_auth_line: usize,
    /// Octets of output that may wait for the transport. Default 64 KiB.
    ///
    /// Above it no further command is taken, [`wants_read`](super::Session::wants_read) turns
    /// false, and [`send_data`](super::Session::send_data) takes nothing. What dot-stuffing and
    /// line ends add is not counted beforehand: at most as much again, for a body made of dots.
    pub max_queued_output: usize,
    /// Bad commands before the session ends with
    /// [`Error::TooManyBadCommands`](super::Error::TooManyBadCommands). Default 20.
    pub max_bad_commands: u32,
    /// Rejected logins before the session ends with
    /// [`Error::TooManyAuthFailures`](super::Error::TooManyAuthFailures). Default 3.
    pub max_auth_failures: u32,
    /// Silence of the peer after which the session ends with
    /// [`Error::IdleTimeout`](super::Error::IdleTimeout), without UPDATE. Default ten minutes, the
    /// least that RFC 1939 section 3 allows.
    ///
    /// Silent is who sends no complete command and takes no octet of what is to be sent. Time in
    /// which the embedder has to answer does not count.
    pub idle: Duration,
    /// How long the embedder may take for an answer. Default none: for ever.
    ///
    /// Then the machine answers `-ERR [SYS/TEMP]` itself, and the question is stale.
    pub answer_deadline: Option<Duration>,
    /// How long a session that has ended goes on reading, so that a reset does not overtake its
    /// farewell. Default two seconds.
    pub linger: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_command_line: 255,
            max_auth_line: 12 * 1024,
            max_queued_output: 64 * 1024,
            max_bad_commands: 20,
            max_auth_failures: 3,
            idle: Duration::from_secs(600),
            answer_deadline: None,
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
    /// Octets handed out for the peer.
    pub octets_out: u64,
    /// Lines that were commands.
    pub commands: u64,
    /// Lines that were none, or stood in the wrong place.
    pub bad_commands: u32,
    /// Lines above the limit.
    pub lines_too_long: u32,
    /// Logins that were rejected.
    pub auth_failures: u32,
    /// Bodies sent to their end.
    pub bodies: u64,
    /// How often one of the [`Limits`] was hit, those for output excepted.
    pub limits_tripped: u32,
}
