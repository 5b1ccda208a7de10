//! What ends a connection, and what a caller may not do.

use crate::hpack::HpackFault;
use crate::limits::Limit;
use crate::wire::{ErrorCode, FrameFault};

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason} ({code})")]
pub struct Error {
    /// The code that our GOAWAY bears.
    pub code: ErrorCode,
    /// What happened.
    pub reason: Reason,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// No HTTP/2 was spoken. RFC 9113 section 3.4.
    #[error("the peer does not speak HTTP/2{}", match .looks_like { Some(other) => other.hint(), None => "" })]
    Preface {
        /// What it speaks instead, as far as that can be seen.
        looks_like: Option<OtherProtocol>,
    },
    /// The first frame was no SETTINGS. RFC 9113 section 3.4.
    #[error("the first frame is no SETTINGS")]
    NoSettings,
    /// A frame that cannot be taken apart.
    #[error("{0}")]
    Frame(FrameFault),
    /// A header block that cannot be decoded. RFC 9113 section 4.3.
    #[error("header block: {0}")]
    Hpack(HpackFault),
    /// A frame between the frames of a header block, or a CONTINUATION outside of one. RFC 9113
    /// section 6.10.
    #[error("a header block is interrupted")]
    Continuation,
    /// A frame for a stream that is idle, or of the wrong parity. RFC 9113 section 5.1.
    #[error("stream {0} is idle")]
    IdleStream(u32),
    /// A frame for a stream that is closed. RFC 9113 section 5.1.
    #[error("stream {0} is closed")]
    ClosedStream(u32),
    /// A new stream with a number that is not above all before. RFC 9113 section 5.1.1.
    #[error("stream {0} was passed over")]
    StreamOrder(u32),
    /// More octets than the window allows, or a window above 2^31-1. RFC 9113 section 6.9.
    #[error("flow control is broken")]
    FlowControl,
    /// A promise from a client, of a stream in use, or where none may be made. RFC 9113 section 6.6.
    #[error("a promise that may not be made")]
    Push,
    /// A setting that changed where it may not, or an acknowledgement of nothing.
    #[error("settings that may not be")]
    Settings,
    /// A GOAWAY with a higher stream than one before. RFC 9113 section 6.8.
    #[error("the last stream of a GOAWAY grew")]
    GoAway,
    /// A frame that this role may not send.
    #[error("a frame that the peer's role does not send")]
    Role,
    /// A limit was passed.
    #[error("the limit {0} was passed")]
    Limit(Limit),
    /// Nothing came in time.
    #[error("the peer took too long")]
    Timeout,
    /// The stream of octets ended inside a message.
    #[error("the connection ended inside a message")]
    UnexpectedEof,
}

/// What a peer speaks instead of HTTP/2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OtherProtocol {
    /// HTTP/1.
    Http1,
    /// TLS.
    Tls,
}

impl OtherProtocol {
    const fn hint(self) -> &'static str {
        match self {
            Self::Http1 => ", it looks like HTTP/1",
            Self::Tls => ", it looks like TLS",
        }
    }
}

/// A call that is not possible now; nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UsageError {
    /// There is no such stream any more.
    #[error("no such stream")]
    NoStream,
    /// Not for this role.
    #[error("not in this role")]
    Role,
    /// Not in the state of the stream: a second response, data before the response, after the end.
    #[error("not in this state of the stream")]
    State,
    /// The peer takes no more streams at once: wait for one to be closed.
    #[error("the peer takes no more streams at once")]
    TooManyStreams,
    /// No streams can be opened any more: make a new connection.
    #[error("no stream can be opened on this connection any more")]
    NoMoreStreams,
    /// The peer has not said that it takes this.
    #[error("the peer does not take this")]
    NotOffered,
    /// The fields make no such message, or are more than the limit.
    #[error("the fields make no such message")]
    Malformed,
    /// The connection is over.
    #[error("the connection is over")]
    Closed,
}
