//! One connection with a peer, whichever side began it (BEP 3, 6, 9, 10, 11, 52).
//!
//! ```text
//!   outgoing()                         incoming()
//!       | our handshake leaves             |
//!       v                                  v  handshake
//!   Greeting                            Listening --------> Asking --- reject(ask) ---> Closing
//!       | handshake of the torrent                            | accept(ask, torrent)
//!       v                                                     v   our handshake leaves
//!      Open <-------------------------------------------------+
//!       |  |                  EOF at a boundary
//!       |  +-----------------------------------------> PeerClosed -- close() --> Closed
//!       |  close()
//!       +-----------> Closing -- output gone, Shutdown, EOF or linger --> Closed
//!       |  a fault, a timeout, EOF inside a message
//!       +-----------> Failed --- output gone, Shutdown, EOF or linger --> Closed
//! ```
//!
//! | deadline | set by | what happens |
//! |---|---|---|
//! | handshake | [`Limits::handshake`](crate::Limits::handshake) | [`Error::HandshakeTimeout`] |
//! | idle | [`Limits::idle`](crate::Limits::idle), anew with each message of the peer | [`Error::IdleTimeout`] |
//! | keep-alive | [`Config::keep_alive`], anew with all that leaves | a keep-alive leaves |
//! | linger | [`Limits::linger`](crate::Limits::linger) | the connection counts as closed |

mod bitfield;
mod commands;
mod config;
mod connection;
mod error;
mod event;
mod output;
mod receive;

pub use bitfield::{Bitfield, BitfieldError};
pub use config::{Config, Pieces, Torrent};
pub use connection::{Connection, Stats};
pub use error::{Error, UsageError};
pub use event::{Ask, Event, Failure, Ignored};
