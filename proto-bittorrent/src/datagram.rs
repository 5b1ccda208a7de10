//! What a datagram machine and its driver say to each other.

use bytes::Bytes;
use core::net::SocketAddr;

/// The name that a local socket has between a machine and its driver. [`LocalId::MAIN`] is the one
/// that the embedder bound; the others are chosen by the machine with [`Local::Fresh`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LocalId(pub u64);

impl LocalId {
    /// The first, or only, socket of the embedder.
    pub const MAIN: Self = Self(0);
}

/// By which socket a datagram leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Local {
    /// By any socket of the embedder.
    Any,
    /// By this one: answers leave by the socket that was asked.
    Id(LocalId),
    /// Bind a new socket on a random port, and keep it under this id until it is released.
    Fresh(LocalId),
}

/// One step of output of a datagram machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transmit {
    /// Send this. A datagram that cannot be sent is lost, as any other may be.
    Datagram {
        /// By which socket.
        local: Local,
        /// To whom.
        to: SocketAddr,
        /// One datagram.
        payload: Bytes,
    },
    /// The socket is not needed any more: drop it.
    Release(LocalId),
}
