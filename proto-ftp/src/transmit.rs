//! What a machine gives to its transport.

use bytes::Bytes;

/// One step of output of a control connection. Steps are to be carried out in the order in which
/// they come.
///
/// Exhaustive on purpose: a loop that forgets a step should not compile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transmit {
    /// Octets for the peer.
    Data(Bytes),
    /// Octets of which the last is sent as TCP urgent data: the Telnet Synch before ABOR
    /// (RFC 959 section 4.1.3, RFC 854).
    Urgent(Bytes),
    /// Start the TLS handshake, as client or server, whichever this machine is; read nothing for
    /// the machine before `handle_tls_established`.
    StartTls,
    /// Send `close_notify` and go on in plaintext on the same socket (CCC, RFC 4217 section 12.3).
    StopTls,
    /// Nothing follows: close the writing side.
    Shutdown,
}

/// One step of output of a data connection.
///
/// Exhaustive on purpose, as [`Transmit`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DataTransmit {
    /// Octets for the peer.
    Data(Bytes),
    /// Nothing follows: close the writing side.
    Shutdown,
    /// Reset the connection: what was sent is not to be taken for the whole.
    Abort,
}
