//! Drivers on tokio: one per shape of machine.
//!
//! | shape | driver | over |
//! |---|---|---|
//! | stream | [`Stream`] | any [`Transport`]: a TCP socket, a TLS stream, a duplex pipe |
//! | datagram | [`Datagram`] | UDP sockets |
//! | coordinator | `Stub` (feature `dns`) | UDP sockets and TCP connections |
//! | coordinator | `MailQueue` (feature `mail`) | TCP connections, storage and names as the program has them |
//! | coordinator | `Secondary` (feature `dns`) | a TCP connection for each transfer |
//! | none: question in, answer out | [`Responder`] | a UDP socket |
//! | coordinator | `ftp::Server`, `ftp::Client` (feature `ftp`) | a control connection, data connections, files |
//!
//! A driver owns its machine and its transport. Its one method that waits is `next`: it reads,
//! writes and keeps the timer until there is an event. All state lives in the driver, so `next` may
//! be dropped at any time (in a `select!`, under a timeout) and called again: nothing is lost.
//! Commands go to the machine itself, between two calls of `next`:
//!
//! ```no_run
//! # async fn doc<M>(machine: M, socket: tokio::net::TcpStream) -> Result<(), netio::driver::Error<M::Error>>
//! # where M: netio::shape::StreamMachine<Event = String> {
//! let mut driver = netio::driver::Stream::new(machine, socket);
//! while let Some(event) = driver.next().await? {
//!     println!("{event:?}");
//!     driver.machine_mut().close(); // or whatever the protocol has to say
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Time is tokio's, so that everything here works under `tokio::time::pause`.

mod accept;
mod clock;
mod datagram;
#[cfg(feature = "ftp")]
pub mod ftp;
#[cfg(feature = "dns")]
mod link;
#[cfg(feature = "mail")]
mod mail_queue;
mod output;
#[cfg(feature = "tls")]
mod records;
mod responder;
#[cfg(feature = "dns")]
mod secondary;
mod sockets;
mod stream;
#[cfg(feature = "dns")]
mod stub;
mod transport;

pub use accept::{Closing, Server};
pub use clock::Clock;
pub use datagram::Datagram;
#[cfg(feature = "mail")]
pub use mail_queue::{MailQueue, MailQueueHandle, Wish};
#[cfg(feature = "tls")]
pub(crate) use records::Records;
pub use responder::{Responder, ResponderStats};
#[cfg(feature = "dns")]
pub use secondary::Secondary;
pub use sockets::SocketStats;
pub use stream::{Error, NextEvent, Options, Stream};
#[cfg(feature = "dns")]
pub use stub::{Lookup, LookupError, Stub};
pub use transport::Transport;
