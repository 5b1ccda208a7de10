//! What a client session says.

use super::super::wire::{Extension, Reply, ReplyError};
use crate::Secret;

/// The name of a command or a message. Its last event is [`Event::Done`] or [`Event::Failed`],
/// always exactly one; names are handed out in ascending order and commands end in that order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommandId(pub(super) u64);

/// What a session has to say.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The server has greeted. Once.
    Greeting {
        /// What it said.
        reply: Reply,
    },
    /// Hello was said, TLS is as configured, commands go out: see
    /// [`extensions`](super::Session::extensions). Once.
    Ready,
    /// A challenge of an AUTH exchange. Once for each; answered by
    /// [`auth_respond`](super::Session::auth_respond) or
    /// [`auth_cancel`](super::Session::auth_cancel).
    Challenge {
        /// The command.
        id: CommandId,
        /// The challenge, decoded; it may be empty.
        data: Secret,
    },
    /// What the server said to a recipient. Once for each recipient that was named to it, in order.
    Recipient {
        /// The message.
        id: CommandId,
        /// Which recipient, from 0 on.
        index: u32,
        /// Accepted with 2xx.
        reply: Reply,
    },
    /// The message can be given by [`send_data`](super::Session::send_data). Once when the server
    /// wants it, and once again each time that something stayed and there is room.
    Writable {
        /// The message.
        id: CommandId,
    },
    /// LMTP: what became of the message for one recipient that was accepted. Once for each.
    Delivery {
        /// The message.
        id: CommandId,
        /// Which recipient, from 0 on.
        index: u32,
        /// Delivered with 2xx.
        reply: Reply,
    },
    /// A command or message has ended. The reply to a message is that to its end; when it did not
    /// get so far, the one that stopped it. With LMTP it is the first 2xx of its deliveries, or
    /// else the last.
    Done {
        /// The command or message.
        id: CommandId,
        /// How.
        reply: Reply,
    },
    /// A command or message has ended without a reply.
    Failed {
        /// The command or message.
        id: CommandId,
        /// Why.
        reason: FailReason,
    },
    /// The server will send nothing more, and nothing was under way. Our side ends by itself.
    PeerClosed,
}

/// Why there is no reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FailReason {
    /// The session has ended. The command may or may not have reached the server.
    Closed,
    /// The message needs what the server does not offer. Nothing was sent.
    Unsupported(Extension),
    /// The message is larger than the server takes. Nothing was sent.
    TooLarge,
}

/// Why a session ended: all of it the server's doing, or that of somebody in between. All commands
/// that were open have [failed](Event::Failed) before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The server did not greet with 220.
    #[error("the server refused the session")]
    Refused,
    /// The server refused hello.
    #[error("the server refused hello")]
    HelloRefused,
    /// The server refused STARTTLS or does not offer it, and the configuration requires TLS.
    #[error("the server refused TLS")]
    TlsRefused,
    /// Octets in plaintext after the reply to STARTTLS: somebody tries to smuggle replies into the
    /// TLS session.
    #[error("{octets} octets in plaintext where TLS had to start")]
    PlaintextAfterStartTls {
        /// How many there were.
        octets: usize,
    },
    /// A reply that nothing was asked for.
    #[error("{octets} octets that nothing was asked for")]
    Unsolicited {
        /// How many octets there were.
        octets: usize,
    },
    /// A reply that cannot stand where it stands.
    #[error("code {code} cannot stand here")]
    UnexpectedCode {
        /// The code.
        code: u16,
    },
    /// A challenge that is no Base64.
    #[error("a challenge that is no Base64")]
    Challenge,
    /// No reply.
    #[error("malformed reply: {0}")]
    Malformed(#[from] ReplyError),
    /// The transport ended before all replies were there.
    #[error("the connection ended before a reply did, {pending} octets into it")]
    UnexpectedEof {
        /// Octets that were there already.
        pending: usize,
    },
    /// The server was silent for [`Limits::reply`](super::Limits::reply).
    #[error("the server was silent for too long")]
    ReplyTimeout,
}
