//! What a server's session says and asks.

use crate::Secret;
use crate::data::Format;
use crate::wire::{DateTime, VirtualPath};
use bytes::Bytes;
use core::net::{IpAddr, SocketAddr};

/// A question that waits for one answer. It can travel between threads; an answer to one that is
/// over is a [`UsageError`].
#[derive(Debug, PartialEq, Eq)]
#[must_use = "the client waits for the answer"]
pub struct Ask(pub(super) u64);

/// The name of a data connection. Each transfer has a new one: facts about an old one do nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DataId(pub(super) u64);

/// How a file is opened for writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreMode {
    /// STOR: a new file, or another content for an old one.
    Create,
    /// STOR after REST: write from this octet on.
    At(u64),
    /// APPE: after what is there.
    Append,
    /// STOU: a name that was not there. Answer with [`Answer::Name`].
    Unique,
}

/// What is to be listed, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ListFormat {
    /// LIST: as `ls -l`.
    Long,
    /// NLST: names alone.
    Names,
    /// MLSD: facts (RFC 3659).
    Facts,
}

/// What happened, or is asked.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// A user was named ([`Config::ask_user`](super::Config::ask_user)): accept without a password,
    /// or answer [`Answer::NeedPassword`].
    User {
        /// To answer with.
        ask: Ask,
        /// The name.
        user: Bytes,
    },
    /// A user wants in. Refusals all look the same.
    Login {
        /// To answer with; [`Answer::NeedAccount`] asks for ACCT.
        ask: Ask,
        /// The name.
        user: Bytes,
        /// The password.
        password: Secret,
        /// What ACCT said.
        account: Option<Secret>,
        /// The virtual host that was asked for.
        host: Option<Bytes>,
    },
    /// HOST: is there such a one?
    Host {
        /// To answer with.
        ask: Ask,
        /// The name.
        host: Bytes,
    },
    /// CWD, CDUP: is it a directory that may be entered?
    ChangeDirectory {
        /// To answer with.
        ask: Ask,
        /// Which.
        path: VirtualPath,
    },
    /// MKD.
    MakeDirectory {
        /// To answer with.
        ask: Ask,
        /// Which.
        path: VirtualPath,
    },
    /// RMD.
    RemoveDirectory {
        /// To answer with.
        ask: Ask,
        /// Which.
        path: VirtualPath,
    },
    /// DELE.
    Delete {
        /// To answer with.
        ask: Ask,
        /// Which.
        path: VirtualPath,
    },
    /// RNFR: does it exist?
    RenameFrom {
        /// To answer with.
        ask: Ask,
        /// Which.
        path: VirtualPath,
    },
    /// RNTO.
    Rename {
        /// To answer with.
        ask: Ask,
        /// The old name.
        from: VirtualPath,
        /// The new one.
        to: VirtualPath,
    },
    /// SIZE, in TYPE I only. Answer with [`Answer::Size`].
    Size {
        /// To answer with.
        ask: Ask,
        /// Which.
        path: VirtualPath,
    },
    /// MDTM. Answer with [`Answer::Time`].
    ModifyTime {
        /// To answer with.
        ask: Ask,
        /// Which.
        path: VirtualPath,
    },
    /// MFMT. Answer with [`Answer::Time`] or accept.
    SetModifyTime {
        /// To answer with.
        ask: Ask,
        /// Which.
        path: VirtualPath,
        /// When, UTC.
        time: DateTime,
    },
    /// MLST. Answer with [`Answer::Text`]: the facts, a blank, and the path.
    Facts {
        /// To answer with.
        ask: Ask,
        /// Which.
        path: VirtualPath,
    },
    /// STAT of a path. Answer with [`Answer::Text`], as LIST would send it.
    Status {
        /// To answer with.
        ask: Ask,
        /// Which.
        path: VirtualPath,
    },
    /// HASH. Answer with [`Answer::Text`], the hash in hexadecimal.
    Hash {
        /// To answer with.
        ask: Ask,
        /// Which.
        path: VirtualPath,
    },
    /// ALLO: is there room?
    Allocate {
        /// To answer with.
        ask: Ask,
        /// Octets.
        size: u64,
    },
    /// SITE. Answer with [`Answer::Text`] or accept.
    Site {
        /// To answer with.
        ask: Ask,
        /// What followed SITE.
        line: Bytes,
        /// The directory that relative names in it are seen from.
        directory: VirtualPath,
    },
    /// RETR: open the file. After accepting, [`Action::Start`] says when to send.
    Retrieve {
        /// To answer with.
        ask: Ask,
        /// Which data connection.
        id: DataId,
        /// Which file.
        path: VirtualPath,
        /// From which octet on.
        offset: u64,
    },
    /// STOR, APPE, STOU: open a file for writing. What was written counts only after
    /// [`Commit`](Self::Commit).
    Store {
        /// To answer with.
        ask: Ask,
        /// Which data connection.
        id: DataId,
        /// Which file; for STOU the name that the client would like, or the current directory.
        path: VirtualPath,
        /// How.
        mode: StoreMode,
    },
    /// LIST, NLST, MLSD: get the listing ready.
    List {
        /// To answer with.
        ask: Ask,
        /// Which data connection.
        id: DataId,
        /// Which directory.
        path: VirtualPath,
        /// How.
        format: ListFormat,
        /// Options that clients give as if to `ls`, of which `a` alone is known: names that begin
        /// with a dot too.
        all: bool,
    },
    /// An upload arrived in full: make it last, then accept; or refuse.
    Commit {
        /// To answer with.
        ask: Ask,
        /// Which transfer.
        id: DataId,
        /// Octets that were received.
        octets: u64,
    },
    /// A transfer is over. `complete` is false when it was aborted or broke: what was stored is to
    /// be undone, or kept for REST, as the embedder likes.
    TransferEnded {
        /// Which.
        id: DataId,
        /// Whether it arrived in full.
        complete: bool,
    },
    /// REIN: the user is nobody again.
    Reinitialized,
    /// QUIT. The farewell is queued.
    Quit,
    /// The client ended its side. What is queued still leaves.
    PeerClosed,
}

/// More than yes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Answer {
    /// Octets.
    Size(u64),
    /// A point in time.
    Time(DateTime),
    /// Lines.
    Text(Bytes),
    /// The name of a file that was made.
    Name(Bytes),
    /// A password is needed (USER).
    NeedPassword,
    /// An account is needed (PASS).
    NeedAccount,
}

/// Why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// No such file, directory or host.
    NotFound,
    /// It is not allowed.
    Denied,
    /// It is in use; try again.
    Busy,
    /// It is there already.
    Exists,
    /// The name cannot be that of a file.
    BadName,
    /// The disk is full.
    NoSpace,
    /// The user may store no more.
    QuotaExceeded,
    /// Something failed here.
    Failed,
    /// Not known here.
    Unsupported,
}

/// Which way a file goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// To the client.
    Send,
    /// From the client.
    Receive,
}

/// What is wished of the embedder's transports.
///
/// Exhaustive on purpose: a driver that forgets one should not compile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Listen on a free port of this address, and say where: `handle_listening`, then
    /// `handle_connected` for each connection that comes.
    Listen {
        /// For this data connection.
        id: DataId,
        /// The address of the control connection.
        on: IpAddr,
    },
    /// Connect, from port 20 where that is possible: `handle_connected` or `handle_failed`.
    Connect {
        /// For this data connection.
        id: DataId,
        /// To where.
        to: SocketAddr,
    },
    /// The connection that came last is a stranger's: drop it, and go on listening.
    Refuse {
        /// Of this data connection.
        id: DataId,
    },
    /// Do the TLS handshake as server: `handle_data_tls` or `handle_failed`.
    Secure {
        /// On this data connection.
        id: DataId,
    },
    /// Transfer: `handle_progress` now and then, `handle_transferred` at the end.
    Start {
        /// On this data connection.
        id: DataId,
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
        /// Which way.
        direction: Direction,
        /// Octets.
        max: u64,
    },
    /// Close the connection or the listener, whatever there is.
    Close {
        /// Of this data connection.
        id: DataId,
        /// By a reset, so that nobody takes a part for the whole.
        reset: bool,
    },
}

/// Why a transfer broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TransferFault {
    /// The connection broke, or ended without `close_notify`.
    Disconnected,
    /// What came is not in the format.
    Malformed,
    /// Reading or writing the file failed.
    Storage,
    /// There is no room for more.
    NoSpace,
    /// The user may store no more.
    QuotaExceeded,
}

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Octets in plaintext after AUTH: somebody puts words into the client's mouth (CVE-2011-1575).
    #[error("{octets} octets in plaintext after AUTH")]
    PlaintextAfterAuth {
        /// How many.
        octets: usize,
    },
    /// The client ended its side within a command.
    #[error("end of input within a command")]
    UnexpectedEof,
    /// The connection broke.
    #[error("the control connection broke")]
    Disconnected,
    /// Silence for too long.
    #[error("idle for too long")]
    IdleTimeout,
    /// Too many failed logins.
    #[error("too many failed logins")]
    TooManyFailures,
    /// Too many lines that were no commands.
    #[error("too many lines that are no commands")]
    TooManyFaults,
    /// Another protocol speaks (CVE-2021-3618).
    #[error("another protocol speaks")]
    ForeignProtocol,
}

/// A call that does not fit. Nothing changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UsageError {
    /// The question is not open any more.
    #[error("the question is not open any more")]
    Stale,
    /// That answer belongs to another question. This one is still open:
    /// [`Session::open_ask`](super::Session::open_ask) has its token.
    #[error("an answer to another question")]
    WrongAnswer,
}
