//! Words that events of several machines share.

use crate::wire::Rcode;
use core::fmt;

/// What a message travels over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// Datagrams.
    Udp,
    /// A stream: TCP, or TLS on it.
    Tcp,
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
        })
    }
}

/// The name of a query between an embedder and a client machine. Exactly one final event bears it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueryId(pub u64);

/// Why a query has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// Nobody answered in time.
    #[error("no answer in time")]
    Timeout,
    /// No server would answer; this is what the last one said.
    #[error("no server would answer: {0}")]
    Server(Rcode),
    /// The connection could not be made, or was lost.
    #[error("the connection failed")]
    Disconnected,
    /// The answer on a connection was no message.
    #[error("the answer was malformed")]
    Malformed,
    /// The embedder did not want it any more.
    #[error("cancelled")]
    Cancelled,
}
