//! What a client session says.

use super::super::wire::{Capabilities, Reply, ReplyError, Timestamp, UniqueId};
use crate::Secret;
use bytes::Bytes;

/// The name of a command. Its last event is [`Event::Done`] or [`Event::Failed`], always exactly
/// one; names are handed out in ascending order and commands end in that order.
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
        /// The timestamp, if the greeting has a valid one: APOP can be used.
        timestamp: Option<Timestamp>,
    },
    /// What the server can do. Once for each CAPA that succeeds.
    Capabilities {
        /// The command.
        id: CommandId,
        /// The list; also kept for [`capabilities`](super::Session::capabilities).
        capabilities: Capabilities,
    },
    /// The drop listing. Once for each STAT that succeeds.
    Stat {
        /// The command.
        id: CommandId,
        /// How many messages there are.
        messages: u32,
        /// How many octets they have.
        octets: u64,
    },
    /// The size of a message. Once for each message that LIST names.
    ListItem {
        /// The command.
        id: CommandId,
        /// The number of the message.
        message: u32,
        /// Its size as the server announces it.
        octets: u64,
    },
    /// The unique-id of a message. Once for each message that UIDL names.
    UniqueIdItem {
        /// The command.
        id: CommandId,
        /// The number of the message.
        message: u32,
        /// Its unique-id.
        unique_id: UniqueId,
    },
    /// A language, as `tag description`. Once for each that LANG names.
    Language {
        /// The command.
        id: CommandId,
        /// The line.
        line: Bytes,
    },
    /// A part of a message, stuffed dots removed. As often as octets arrive; parts of 4 KiB and
    /// more are slices of the read buffer, smaller ones are copies.
    BodyChunk {
        /// The command.
        id: CommandId,
        /// The next octets.
        data: Bytes,
    },
    /// A challenge of an AUTH exchange. Once for each; answered by
    /// [`auth_respond`](super::Session::auth_respond) or
    /// [`auth_cancel`](super::Session::auth_cancel).
    Challenge {
        /// The command.
        id: CommandId,
        /// The challenge, decoded; it may be empty.
        data: Secret,
    },
    /// A command has ended, by `+OK` or by `-ERR`. Last event of the command. For STLS it comes
    /// once TLS is there.
    Done {
        /// The command.
        id: CommandId,
        /// How.
        reply: Reply,
    },
    /// A command will have no reply, because the session has ended. Last event of the command. It
    /// may or may not have reached the server.
    Failed {
        /// The command.
        id: CommandId,
    },
    /// The server will send nothing more, and nothing was under way. Our side ends by itself.
    PeerClosed,
}

/// Why a session ended: all of it the server's doing, or that of somebody in between. All commands
/// that were open have [failed](Event::Failed) before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The server greeted with `-ERR`.
    #[error("the server refused the session")]
    Refused,
    /// The server refused STLS, and the configuration requires TLS.
    #[error("the server refused TLS")]
    TlsRefused,
    /// Octets in plaintext after the reply to STLS: somebody tries to smuggle replies into the TLS
    /// session.
    #[error("{octets} octets in plaintext where TLS had to start")]
    PlaintextAfterStls {
        /// How many there were.
        octets: usize,
    },
    /// Octets that belong to no command.
    #[error("{octets} octets that nothing was asked for")]
    Unsolicited {
        /// How many there were.
        octets: usize,
    },
    /// A line that cannot stand where it stands.
    #[error("malformed reply: {0}")]
    Malformed(#[from] ReplyError),
    /// The server sent more than a limit allows.
    #[error("the server sent more than {limit} {what}")]
    TooMuch {
        /// Of what.
        what: Excess,
        /// The limit.
        limit: u64,
    },
    /// The transport ended before all replies were there.
    #[error("the connection ended before a reply did, {pending} octets into a line")]
    UnexpectedEof {
        /// Octets that were there already.
        pending: usize,
    },
    /// The server was silent for [`Limits::reply`](super::Limits::reply).
    #[error("the server was silent for too long")]
    ReplyTimeout,
}

/// Of what there was too much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Excess {
    /// Items of a listing.
    ListingItems,
    /// Octets of a capability list.
    CapabilityOctets,
    /// Octets of a message.
    BodyOctets,
}

impl core::fmt::Display for Excess {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::ListingItems => "items of a listing",
            Self::CapabilityOctets => "octets of capabilities",
            Self::BodyOctets => "octets of a message",
        })
    }
}
