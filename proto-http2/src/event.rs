//! What a connection has to say.

use crate::fields::Fields;
use crate::limits::Limit;
use crate::priority::Priority;
use crate::validate::Malformed;
use crate::wire::{ErrorCode, Settings};
use bytes::Bytes;
use core::fmt;
use core::time::Duration;

/// A stream of a connection.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamId(pub(crate) u32);

impl StreamId {
    /// The number on the wire.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0
    }
}

impl fmt::Debug for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A request at a server, a final response at a client.
    Headers {
        /// On which stream; answers go there.
        id: StreamId,
        /// The fields.
        fields: Fields,
        /// No body and no trailers follow.
        end: bool,
    },
    /// An informational response (1xx).
    Informational {
        /// On which stream.
        id: StreamId,
        /// The fields.
        fields: Fields,
    },
    /// A piece of a body. Its padding is gone.
    Data {
        /// On which stream.
        id: StreamId,
        /// The octets; may be none at the end.
        data: Bytes,
        /// Nothing follows.
        end: bool,
    },
    /// The end of a body, with fields.
    Trailers {
        /// On which stream.
        id: StreamId,
        /// The fields.
        fields: Fields,
    },
    /// A server promises a response that was not asked for. It comes on `id`; refuse it with
    /// [`reset`](crate::Connection::reset).
    Push {
        /// The request that it belongs to.
        parent: StreamId,
        /// The promised stream.
        id: StreamId,
        /// The request that the response will be to.
        fields: Fields,
    },
    /// There is room again on a stream whose data was not all taken.
    Writable {
        /// Which.
        id: StreamId,
    },
    /// The last event of a stream.
    Closed {
        /// Which.
        id: StreamId,
        /// How.
        end: StreamEnd,
    },
    /// The peer gave a stream another priority.
    Reprioritised {
        /// The number of the stream, open or not.
        stream: u32,
        /// The priority.
        priority: Priority,
    },
    /// The peer sent its settings, or changed them.
    Settings(Settings),
    /// The peer acknowledged our oldest settings.
    SettingsAcknowledged,
    /// An answer to [`ping`](crate::Connection::ping).
    Pong {
        /// What `ping` returned.
        id: u64,
        /// How long it took.
        round_trip: Duration,
    },
    /// The peer will take no streams after `last`; those after it are closed as
    /// [`StreamEnd::Unprocessed`].
    GoAway {
        /// The last that it may have worked on.
        last: u32,
        /// Why.
        code: ErrorCode,
        /// What else it said.
        debug: Bytes,
    },
    /// An alternative service (RFC 7838).
    AltSvc {
        /// The stream whose origin is meant, 0 for the one named.
        stream: u32,
        /// The origin.
        origin: Bytes,
        /// The value, as in the field Alt-Svc.
        value: Bytes,
    },
    /// Another origin that the server speaks for (RFC 8336).
    Origin(Bytes),
    /// A limit was passed. The connection ends, or, for a stall of one stream, the stream.
    LimitTripped {
        /// Which.
        limit: Limit,
        /// What was met.
        value: u64,
        /// What is allowed.
        allowed: u64,
    },
    /// The peer has ended its side in order.
    PeerClosed,
}

/// How a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StreamEnd {
    /// Both sides said all; what we had to say has left the machine.
    Complete,
    /// The peer reset it.
    ResetByPeer(ErrorCode),
    /// We reset it on command.
    Reset(ErrorCode),
    /// The peer broke a rule on it.
    Malformed(Malformed),
    /// The peer broke a rule of the protocol on it.
    Fault(ErrorCode),
    /// The peer has not looked at it: it can be tried again on another connection.
    Unprocessed,
    /// The connection broke or was ended.
    ConnectionLost,
}
