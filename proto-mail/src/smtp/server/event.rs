//! What a server session says, and the tokens by which it is answered.

use super::super::wire::{CommandError, MailParams, Mailbox, RcptParams, ReversePath};
use crate::Secret;
use crate::sasl::Mechanism;
use bytes::Bytes;

/// What a session has to say. A question stops the session until it is answered; what the client
/// pipelined stays in the input meanwhile.
///
/// The message of one transaction is: [`Mail`](Event::Mail), one [`Rcpt`](Event::Rcpt) for each
/// recipient, any number of [`BodyChunk`](Event::BodyChunk)s, [`MessageEnd`](Event::MessageEnd). In
/// the place of what is still to come [`Aborted`](Event::Aborted) may stand.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The client said who it is; it has its answer already. Once for each HELO, EHLO and LHLO.
    Hello {
        /// Which of them.
        kind: HelloKind,
        /// The name that it claims.
        name: Bytes,
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
    /// The client gave the exchange up, or broke it; it has its reply already. Once for each.
    AuthCancelled,
    /// The client has a message. Once for each.
    Mail {
        /// Settled by [`accept`](super::Session::accept) or [`reject`](super::Session::reject).
        ask: MailAsk,
        /// Whom to tell when it cannot be delivered.
        from: ReversePath,
        /// What else was said.
        params: MailParams,
    },
    /// The message has this recipient. Once for each.
    Rcpt {
        /// Settled by [`accept`](super::Session::accept) or [`reject`](super::Session::reject).
        ask: RcptAsk,
        /// The recipient.
        to: Mailbox,
        /// What else was said.
        params: RcptParams,
    },
    /// A part of the message, stuffed dots removed. As often as octets arrive; parts of 4 KiB and
    /// more are slices of the read buffer, smaller ones are copies.
    BodyChunk(Bytes),
    /// The message is complete. Once for each.
    MessageEnd {
        /// Settled by [`accept`](super::Session::accept), [`reject`](super::Session::reject) or
        /// [`answer_each`](super::Session::answer_each). Whoever accepts has the duty to deliver.
        ask: MessageAsk,
        /// How many recipients were accepted; with LMTP so many answers are given.
        recipients: u32,
    },
    /// The message will not come: forget what there is of it. At most once after a
    /// [`Mail`](Event::Mail) that was accepted, and then nothing else of that message.
    Aborted {
        /// Why.
        reason: AbortReason,
    },
    /// The client wants to know a mailbox or a list. Once for each VRFY and EXPN, with
    /// [`Config::verify`](super::Config::verify) only.
    Verify {
        /// Settled by [`answer`](super::Session::answer) or
        /// [`reject`](super::Session::reject).
        ask: VerifyAsk,
        /// What was typed.
        text: Bytes,
        /// A list is meant (EXPN).
        expand: bool,
    },
    /// The client said goodbye, and has its answer.
    Quit,
    /// Something was wrong, was answered, and is over.
    Fault(Fault),
    /// The client will send nothing more, and nothing was under way. Our side ends by itself.
    PeerClosed,
}

/// Which handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HelloKind {
    /// Without extensions.
    Helo,
    /// With extensions.
    Ehlo,
    /// LMTP.
    Lhlo,
}

/// Why a message will not come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AbortReason {
    /// RSET, or a new handshake.
    Reset,
    /// The connection is at its end.
    ConnectionLost,
    /// It has more octets than allowed.
    TooLarge,
    /// A bare CR or LF, or NUL.
    BareNewline,
    /// The embedder did not answer in time.
    AnswerOverdue,
}

/// What the session survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// A line that is no command.
    BadCommand(CommandError),
    /// A command in the wrong place.
    OutOfState,
    /// A command or parameter that is not offered (here, or before TLS, or before a login).
    NotOffered,
    /// One recipient more than allowed.
    TooManyRecipients,
    /// The client announced a message that is too large.
    TooLarge,
    /// The embedder did not answer in time.
    AnswerOverdue,
}

/// Why a session ended: the client's doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Octets in plaintext after STARTTLS: somebody tries to smuggle commands into the TLS session.
    #[error("{octets} octets in plaintext where TLS had to start")]
    PlaintextAfterStartTls {
        /// How many there were.
        octets: usize,
    },
    /// The transport ended in the middle of something.
    #[error("the connection ended {pending} octets into a line or a message")]
    UnexpectedEof {
        /// Octets that were there already.
        pending: usize,
    },
    /// The client was silent for [`Limits::idle`](super::Limits::idle).
    #[error("the client was silent for too long")]
    IdleTimeout,
    /// [`Limits::max_bad_commands`](super::Limits::max_bad_commands).
    #[error("{limit} bad commands")]
    TooManyBadCommands {
        /// The limit.
        limit: u32,
    },
    /// [`Limits::max_idle_commands`](super::Limits::max_idle_commands).
    #[error("{limit} commands that moved no mail")]
    TooManyIdleCommands {
        /// The limit.
        limit: u32,
    },
    /// [`Limits::max_messages`](super::Limits::max_messages).
    #[error("more than {limit} messages")]
    TooManyMessages {
        /// The limit.
        limit: u32,
    },
    /// [`Limits::max_auth_failures`](super::Limits::max_auth_failures).
    #[error("{limit} failed logins")]
    TooManyAuthFailures {
        /// The limit.
        limit: u32,
    },
    /// [`Limits::max_discarded`](super::Limits::max_discarded).
    #[error("more than {limit} octets of a message that was refused")]
    TooMuchDiscarded {
        /// The limit.
        limit: u64,
    },
    /// A BDAT whose size cannot be read: where its octets end is unknown.
    #[error("a chunk of unknown size")]
    BadChunk,
    /// A message with a bare CR or LF, or NUL, was refused.
    #[error("a message with bare line ends")]
    BareNewline,
    /// Not SMTP at all.
    #[error("the client speaks another protocol")]
    OtherProtocol,
}

/// Names the question of AUTH.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "the session waits for the answer"]
pub struct AuthAsk(pub(super) u64);

/// Names the question whether a sender is taken.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "the session waits for the answer"]
pub struct MailAsk(pub(super) u64);

/// Names the question whether a recipient is taken.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "the session waits for the answer"]
pub struct RcptAsk(pub(super) u64);

/// Names the question what became of a message.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "the session waits for the answer"]
pub struct MessageAsk(pub(super) u64);

/// Names the question about a mailbox or a list.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "the session waits for the answer"]
pub struct VerifyAsk(pub(super) u64);

/// Any question that can be accepted or rejected.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "the session waits for the answer"]
pub struct Ask(pub(super) u64);

macro_rules! into_ask {
    ($($ask:ident),+) => {
        $(impl From<$ask> for Ask {
            fn from(ask: $ask) -> Self {
                Self(ask.0)
            }
        })+
    };
}

into_ask!(AuthAsk, MailAsk, RcptAsk, MessageAsk, VerifyAsk);
