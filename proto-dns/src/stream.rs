//! What a stream machine and its driver say to each other.

use bytes::Bytes;

/// One step of output of a stream machine. Steps are to be carried out in the order they come in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transmit {
    /// Octets for the peer.
    Data(Bytes),
    /// Nothing follows: close the writing side.
    Shutdown,
}
