//! What a machine gives to its transport.

use bytes::Bytes;

/// One step of output. Steps are to be carried out in the order in which they come.
///
/// Exhaustive on purpose: a loop that forgets a step should not compile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transmit {
    /// Octets for the peer.
    Data(Bytes),
    /// Nothing follows: close the writing side.
    Shutdown,
}
