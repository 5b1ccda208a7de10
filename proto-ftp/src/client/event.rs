//! What a client's session says, wishes and refuses.

use crate::data::Format;
use crate::wire::{ArgError, Reply, ReplyError};
use core::net::{IpAddr, SocketAddr};

/// The name of a command. Exactly one [`Event::Done`] or [`Event::Failed`] bears it at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommandId(pub(super) u64);

/// The name of a data connection. Each attempt has a new one: facts about an old one do nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DataId(pub(super) u64);

/// Which way a file goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// To the server.
    Send,
    /// From the server.
    Receive,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The server's greeting. Comes once.
    Greeting(Reply),
    /// TLS is there; what was learnt before it is forgotten.
    TlsEstablished,
    /// A transfer was begun: the server said 125 or 150.
    Started {
        /// Which command.
        id: CommandId,
        /// What it said.
        reply: Reply,
    },
    /// A restart marker of ours is safe at the server (110).
    Marker {
        /// Which command.
        id: CommandId,
        /// What it said.
        reply: Reply,
    },
    /// A transfer moves on.
    Progress {
        /// Which command.
        id: CommandId,
        /// Octets so far.
        octets: u64,
    },
    /// A command was executed, or refused: see the reply's code.
    Done {
        /// Which.
        id: CommandId,
        /// The last reply.
        reply: Reply,
        /// Octets that were transferred.
        octets: u64,
    },
    /// A command has no reply that means anything.
    Failed {
        /// Which.
        id: CommandId,
        /// Why.
        fault: Fault,
    },
    /// The server ended its side.
    PeerClosed,
}

/// Why a command has no reply.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The session ended first.
    #[error("the session ended")]
    SessionEnded,
    /// A command that it depends on was refused.
    #[error("refused with {}", .0.code())]
    Refused(Reply),
    /// No data connection came about.
    #[error("no data connection")]
    NoDataConnection,
    /// The data connection broke, though the server may have said 226: what arrived is a part.
    #[error("the data connection broke")]
    DataBroken,
    /// The server's words on where to connect to make no sense.
    #[error("no usable address for the data connection")]
    BadAddress,
    /// TLS is required and not there (CVE-2021-22946).
    #[error("TLS is required")]
    TlsRequired,
    /// It was aborted.
    #[error("aborted")]
    Aborted,
}

/// What is wished of the embedder's transports.
///
/// Exhaustive on purpose: a driver that forgets one should not compile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Connect: `handle_connected` or `handle_failed`.
    Connect {
        /// For this data connection.
        id: DataId,
        /// To where.
        to: SocketAddr,
    },
    /// Listen on a free port of this address: `handle_listening`, then `handle_connected`.
    Listen {
        /// For this data connection.
        id: DataId,
        /// The address of the control connection.
        on: IpAddr,
    },
    /// The connection that came is a stranger's: drop it, and go on listening.
    Refuse {
        /// Of this data connection.
        id: DataId,
    },
    /// Do the TLS handshake as client, with the session of the control connection to resume:
    /// `handle_data_tls` or `handle_failed`.
    Secure {
        /// On this data connection.
        id: DataId,
    },
    /// Transfer: `handle_progress` now and then, `handle_transferred` at the end.
    Start {
        /// On this data connection.
        id: DataId,
        /// For this command.
        command: CommandId,
        /// Which way.
        direction: Direction,
        /// How the file travels.
        format: Format,
    },
    /// Move up to `max` octets between the file and the connection, as they are: no octet has to pass
    /// the machine. `handle_pumped` says how many were moved, and once that were `max` another wish
    /// of the same id follows; `handle_transferred` says that the file ended. Comes in place of
    /// `Start`, and only after [`Session::set_pump`](super::Session::set_pump).
    Pump {
        /// On this data connection.
        id: DataId,
        /// For this command.
        command: CommandId,
        /// Which way.
        direction: Direction,
        /// Octets.
        max: u64,
    },
    /// Close the connection or the listener, whatever there is.
    Close {
        /// Of this data connection.
        id: DataId,
    },
}

/// Why a session ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// What came is no reply.
    #[error(transparent)]
    Reply(#[from] ReplyError),
    /// A reply that no command waits for: who answers what is not known any more.
    #[error("reply {code} to no command")]
    Desync {
        /// Its code.
        code: u16,
    },
    /// The server closes the session (421).
    #[error("the server closes the session: {}", alloc::string::String::from_utf8_lossy(.0.text()))]
    Closing(Reply),
    /// Octets in plaintext after 234: somebody puts words into the server's mouth (CVE-2021-22947).
    #[error("{octets} octets in plaintext after the reply to AUTH")]
    PlaintextAfterAuth {
        /// How many.
        octets: usize,
    },
    /// The server ended its side in the middle of something.
    #[error("the server ended the connection early")]
    UnexpectedEof,
    /// The connection broke.
    #[error("the control connection broke")]
    Disconnected,
    /// No reply in time.
    #[error("no reply in time")]
    Timeout,
}

/// A call that does not fit. Nothing changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UsageError {
    /// An argument cannot be sent.
    #[error(transparent)]
    Argument(#[from] ArgError),
    /// The session is over.
    #[error("the session is over")]
    Closed,
    /// There is no transfer to abort.
    #[error("no transfer to abort")]
    NoTransfer,
}
