//! What a server session says, and the tokens by which it is answered.

use super::super::maildrop::Deleted;
use super::super::wire::{CommandError, Digest, Timestamp};
use crate::Secret;
use crate::sasl::Mechanism;
use bytes::Bytes;

/// What a session has to say. A question stops the session until it is answered; what the client
/// pipelined stays in the input meanwhile.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The client sent USER and PASS. Once for each PASS.
    Login {
        /// Settled by [`accept`](super::Session::accept) or [`reject`](super::Session::reject).
        ask: LoginAsk,
        /// The name of the mailbox, any octets but CR, LF and NUL.
        user: Bytes,
        /// The whole rest of the line, blanks included.
        password: Secret,
    },
    /// The client sent APOP. Once for each.
    Apop {
        /// Settled by [`accept`](super::Session::accept) or [`reject`](super::Session::reject).
        ask: LoginAsk,
        /// The name of the mailbox.
        user: Bytes,
        /// The proof that the client knows the secret.
        proof: ApopProof,
    },
    /// The client sent AUTH. Once for each.
    Auth {
        /// Settled by [`challenge`](super::Session::challenge),
        /// [`accept`](super::Session::accept) or [`reject`](super::Session::reject).
        ask: AuthAsk,
        /// One of [`Config::mechanisms`](super::Config::mechanisms).
        mechanism: Mechanism,
        /// The initial response, decoded; it may be empty.
        initial: Option<Secret>,
    },
    /// The response to a challenge. Once for each.
    AuthResponse {
        /// Settled as that of [`Event::Auth`].
        ask: AuthAsk,
        /// The response, decoded; it may be empty.
        response: Secret,
    },
    /// The client gave the exchange up, or broke it; it has its `-ERR` already. Once for each.
    AuthCancelled,
    /// The client wants a message (RETR, TOP). Once for each.
    Retrieve {
        /// Settled by [`accept_stream`](super::Session::accept_stream) or
        /// [`reject`](super::Session::reject).
        ask: RetrieveAsk,
        /// The number of the message; it exists and is not marked as deleted.
        message: u32,
        /// Lines of the body that the client wants (TOP); the machine cuts them off itself.
        lines: Option<u64>,
    },
    /// There is room again for a body of which something stayed at
    /// [`send_data`](super::Session::send_data).
    Writable {
        /// The body.
        body: BodyId,
    },
    /// A body has ended. Once for each, the last event that bears its id.
    BodyDone {
        /// The body.
        body: BodyId,
        /// Whether the machine took it to its end. If not, the connection is ending.
        complete: bool,
    },
    /// The client sent QUIT and the session is in its UPDATE state: delete, and release the
    /// maildrop. Asked even when nothing is to be deleted; never asked when the connection ends in
    /// any other way (RFC 1939 section 6: then nothing may be deleted).
    Commit {
        /// Settled by [`accept_commit`](super::Session::accept_commit) or
        /// [`reject`](super::Session::reject); the connection ends after either.
        ask: CommitAsk,
        /// What to delete.
        deleted: Deleted,
    },
    /// Something went wrong that the session survives; the client has its `-ERR` already. Once for
    /// each.
    Fault(Fault),
    /// The client will send nothing more. Our side ends by itself once all that is queued has left.
    /// Nothing is to be deleted.
    PeerClosed,
}

/// A fault that a session survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// A line that is no command.
    #[error(transparent)]
    BadCommand(#[from] CommandError),
    /// A command that the state of the session does not allow.
    #[error("a command that this state does not allow")]
    OutOfState,
    /// A command that is switched off, or needs TLS first.
    #[error("a command that is not offered")]
    NotOffered,
    /// The embedder did not answer within
    /// [`Limits::answer_deadline`](super::Limits::answer_deadline).
    #[error("an answer is overdue")]
    AnswerOverdue,
}

/// Why a session ended: all of it the client's doing. Its farewell, if there can be one, is queued
/// already; nothing is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The client was silent for [`Limits::idle`](super::Limits::idle).
    #[error("the client was silent for too long")]
    IdleTimeout,
    /// The transport ended inside a line, an AUTH exchange or the change to TLS.
    #[error("the connection ended {pending} octets into a line")]
    UnexpectedEof {
        /// Octets of the unfinished line.
        pending: usize,
    },
    /// Octets in plaintext after STLS: somebody tries to smuggle commands into the TLS session.
    #[error("{octets} octets in plaintext where TLS had to start")]
    PlaintextAfterStls {
        /// How many there were.
        octets: usize,
    },
    /// A request line of HTTP: somebody makes a browser speak to this port, and what follows may
    /// look like commands (ALPACA, CVE-2021-3618).
    #[error("the client speaks HTTP")]
    OtherProtocol,
    /// [`Limits::max_bad_commands`](super::Limits::max_bad_commands) was reached.
    #[error("{limit} bad commands")]
    TooManyBadCommands {
        /// The limit.
        limit: u32,
    },
    /// [`Limits::max_auth_failures`](super::Limits::max_auth_failures) was reached.
    #[error("{limit} rejected logins")]
    TooManyAuthFailures {
        /// The limit.
        limit: u32,
    },
}

/// What an APOP command proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApopProof {
    pub(super) timestamp: Timestamp,
    pub(super) digest: Digest,
}

impl ApopProof {
    /// Whether the client knows `secret`. Takes the same time for right and wrong ones.
    #[must_use]
    pub fn verify(&self, secret: &[u8]) -> bool {
        self.digest.verify(&self.timestamp, secret)
    }
}

/// The name of a body that is being sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BodyId(pub(super) u64);

/// May the user in?
#[must_use = "the session waits for the answer"]
#[derive(Debug, PartialEq, Eq)]
pub struct LoginAsk(pub(super) u64);

/// May the user in, or what is the next challenge?
#[must_use = "the session waits for the answer"]
#[derive(Debug, PartialEq, Eq)]
pub struct AuthAsk(pub(super) u64);

/// May the message be sent?
#[must_use = "the session waits for the answer"]
#[derive(Debug, PartialEq, Eq)]
pub struct RetrieveAsk(pub(super) u64);

/// Are the messages deleted?
#[must_use = "the session waits for the answer"]
#[derive(Debug, PartialEq, Eq)]
pub struct CommitAsk(pub(super) u64);

/// Any question: all can be [rejected](super::Session::reject).
#[must_use = "the session waits for the answer"]
#[derive(Debug, PartialEq, Eq)]
pub struct Ask(pub(super) u64);

impl From<AuthAsk> for LoginAsk {
    fn from(ask: AuthAsk) -> Self {
        Self(ask.0)
    }
}

impl From<LoginAsk> for Ask {
    fn from(ask: LoginAsk) -> Self {
        Self(ask.0)
    }
}

impl From<AuthAsk> for Ask {
    fn from(ask: AuthAsk) -> Self {
        Self(ask.0)
    }
}

impl From<RetrieveAsk> for Ask {
    fn from(ask: RetrieveAsk) -> Self {
        Self(ask.0)
    }
}

impl From<CommitAsk> for Ask {
    fn from(ask: CommitAsk) -> Self {
        Self(ask.0)
    }
}
