//! How a session behaves, and what it never exceeds.

use crate::sasl::Mechanism;
use crate::smtp::Protocol;
use alloc::borrow::Cow;
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

/// Behaviour of a session.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// SMTP or LMTP. Default SMTP.
    pub protocol: Protocol,
    /// The name of this server, which begins the greeting. Default `localhost`.
    pub host: Cow<'static, str>,
    /// What follows the name in the greeting. Default `ESMTP ready`.
    pub greeting: Cow<'static, str>,
    /// Whether the answer to HELO, EHLO and LHLO begins with the server's name, as RFC 5321 section
    /// 4.2 wants it. Default true. Without it the answer is `Hello NAME, pleased to meet you`.
    pub hello_names_host: bool,
    /// The connection is TLS from its start (port 465): the greeting waits for
    /// [`handle_tls_established`](super::Session::handle_tls_established). Default false.
    pub implicit_tls: bool,
    /// STARTTLS is offered. Default true.
    pub starttls: bool,
    /// Nothing but the handshake and STARTTLS goes without TLS. Default false.
    pub require_tls: bool,
    /// MAIL needs a login before it (a submission server). Default false.
    pub require_auth: bool,
    /// Mechanisms whose exchange reveals the secret are offered without TLS. Default false.
    pub allow_plaintext_auth: bool,
    /// What AUTH offers; empty for no AUTH. Default PLAIN.
    pub mechanisms: Vec<Mechanism>,
    /// PIPELINING is offered. Default true. It is understood in any case.
    pub pipelining: bool,
    /// ENHANCEDSTATUSCODES is offered, and replies have them. Default true.
    pub enhanced_status_codes: bool,
    /// 8BITMIME is offered. Default true.
    pub eight_bit_mime: bool,
    /// SMTPUTF8 is offered. Default true.
    pub smtputf8: bool,
    /// CHUNKING is offered. Default true.
    pub chunking: bool,
    /// BINARYMIME is offered; needs CHUNKING. Default false: whoever takes such a message must keep
    /// its octets.
    pub binary_mime: bool,
    /// DSN is offered: the embedder heeds what is asked of it. Default false.
    pub dsn: bool,
    /// DELIVERBY is offered, likewise. Default false.
    pub deliver_by: bool,
    /// FUTURERELEASE is offered: the longest interval in seconds. Default none.
    pub future_release: Option<u32>,
    /// MT-PRIORITY is offered, likewise. Default false.
    pub mt_priority: bool,
    /// REQUIRETLS is offered under TLS, likewise. Default false.
    pub offer_require_tls: bool,
    /// RRVS is offered, likewise. Default false.
    pub rrvs: bool,
    /// LIMITS is offered: what [`Limits`] has (RFC 9422). Default true.
    pub offer_limits: bool,
    /// VRFY and EXPN are asked of the embedder. Default false: they are answered 252 and 502, which
    /// tells a stranger nothing.
    pub verify: bool,
    /// What `MAIL FROM: <a@b>` with a blank, and the like, is: accepted or an error. Default
    /// accepted. RFC 5321 section 3.3 forbids the blank; the lecture, and many a client, has it.
    pub lenient: bool,
    /// Whether a client must say HELO, EHLO or LHLO before MAIL. Default true.
    pub require_hello: bool,
    /// Unknown parameters of MAIL and RCPT are handed over instead of being refused with 555.
    /// Default false.
    pub unknown_parameters: bool,
    /// What is done with a bare CR or LF, or NUL, in a message. Default
    /// [`Reject`](BareNewlines::Reject).
    pub bare_newlines: BareNewlines,
    /// What follows 354. Default as in the lecture.
    pub enter_mail: Cow<'static, str>,
}

/// What is done with CR without LF, LF without CR, and NUL, in a message.
///
/// None of them ever ends a line, let alone a message: what a server takes for an end and the one
/// before it did not is a message smuggled in (CVE-2023-51764 and many more).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BareNewlines {
    /// The message is read to its real end, refused with 521 and the connection closed.
    #[default]
    Reject,
    /// They are handed over as they are. For embedders that look themselves, and pass such a
    /// message on to nobody.
    Keep,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            protocol: Protocol::Smtp,
            host: "localhost".into(),
            greeting: "ESMTP ready".into(),
            hello_names_host: true,
            implicit_tls: false,
            starttls: true,
            require_tls: false,
            require_auth: false,
            allow_plaintext_auth: false,
            mechanisms: vec![Mechanism::PLAIN],
            pipelining: true,
            enhanced_status_codes: true,
            eight_bit_mime: true,
            smtputf8: true,
            chunking: true,
            binary_mime: false,
            dsn: false,
            deliver_by: false,
            future_release: None,
            mt_priority: false,
            offer_require_tls: false,
            rrvs: false,
            offer_limits: true,
            verify: false,
            lenient: true,
            require_hello: true,
            unknown_parameters: false,
            bare_newlines: BareNewlines::Reject,
            enter_mail: "Enter mail, end with \".\" on a line by itself".into(),
        }
    }
}

/// Upper bounds of one session. Each has a finite default.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// Longest command line in octets, its end included. Default 2048: RFC 5321 section 4.5.3.1.4
    /// has 512, and the extensions add to it.
    ///
    /// A longer one is skipped to its end and answered with 500; it counts as a bad command.
    /// Memory: an incomplete line stays in the embedder's buffer.
    pub max_command_line: usize,
    /// Longest line of an AUTH exchange in octets. Default 12288 (RFC 4954 section 4).
    pub max_auth_line: usize,
    /// Octets of one message; also what SIZE offers. Default 64 MiB. A larger one is read to its
    /// end and answered with 552.
    pub max_message_octets: u64,
    /// Octets of a message that are read after it was refused. Default 1 GiB. Then the session ends
    /// with [`Error::TooMuchDiscarded`](super::Error::TooMuchDiscarded).
    pub max_discarded: u64,
    /// Recipients of one message. Default 1000; RFC 5321 section 4.5.3.1.8 wants 100 at least. One
    /// more is answered with 452.
    pub max_recipients: u32,
    /// Messages of one session. Default 10000. Then it ends with
    /// [`Error::TooManyMessages`](super::Error::TooManyMessages).
    pub max_messages: u32,
    /// Octets of replies that may wait for the transport. Default 64 KiB. Above it no further
    /// command is taken and [`wants_read`](super::Session::wants_read) turns false.
    pub max_queued_output: usize,
    /// Bad commands before the session ends with
    /// [`Error::TooManyBadCommands`](super::Error::TooManyBadCommands). Default 20.
    pub max_bad_commands: u32,
    /// Commands that move no mail (NOOP, RSET, VRFY, HELO ...) since the last message, before the
    /// session ends with [`Error::TooManyIdleCommands`](super::Error::TooManyIdleCommands). Default
    /// 1000.
    pub max_idle_commands: u32,
    /// Rejected logins before the session ends with
    /// [`Error::TooManyAuthFailures`](super::Error::TooManyAuthFailures). Default 3.
    pub max_auth_failures: u32,
    /// Silence of the peer after which the session ends with
    /// [`Error::IdleTimeout`](super::Error::IdleTimeout). Default five minutes, as RFC 5321 section
    /// 4.5.3.2.7 wants. Time in which the embedder has to answer does not count.
    pub idle: Duration,
    /// How long the embedder may take for an answer. Default none: for ever. Then the machine
    /// answers 451 itself, and the question is stale.
    pub answer_deadline: Option<Duration>,
    /// How long a session that has ended goes on reading, so that a reset does not overtake its
    /// farewell. Default two seconds.
    pub linger: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_command_line: 2048,
            max_auth_line: 12 * 1024,
            max_message_octets: 64 * 1024 * 1024,
            max_discarded: 1 << 30,
            max_recipients: 1000,
            max_messages: 10_000,
            max_queued_output: 64 * 1024,
            max_bad_commands: 20,
            max_idle_commands: 1000,
            max_auth_failures: 3,
            idle: Duration::from_secs(300),
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
    /// Recipients that were rejected.
    pub recipients_rejected: u32,
    /// Messages received to their end, accepted or not.
    pub messages: u32,
    /// Messages that were accepted.
    pub messages_accepted: u32,
    /// Octets of messages, without stuffed dots.
    pub body_octets: u64,
    /// Messages with bare line ends or NUL.
    pub bare_newlines: u32,
    /// How often one of the [`Limits`] was hit, those for output excepted.
    pub limits_tripped: u32,
}
