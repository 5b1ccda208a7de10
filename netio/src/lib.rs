//! Drives Sans-I/O machines: on tokio, in a simulator, or in your own loop.
//!
//! The protocols are in the `proto-*` crates, as plain values without sockets and clocks. This crate
//! names their shapes as traits and brings what generic code can bring:
//!
//! | module | cargo feature | what |
//! |---|---|---|
//! | [`shape`] | | [`StreamMachine`](shape::StreamMachine) and [`DatagramMachine`](shape::DatagramMachine); no runtime |
//! | `driver` | `tokio` (default) | one machine over one transport or over UDP sockets; the DNS stub; an accept loop |
//! | `codec` | `tokio` | the wire layers as `tokio_util` codecs |
//! | `tls` | `tls` | rustls under the drivers, from the start or in mid-stream |
//! | `sim` | `sim` | a deterministic virtual network, and the rules of the convention as test calls |
//! | `http2`, `mail`, `dns`, `ftp`, `bittorrent` | the same | the machines of a protocol family behind the traits |
//!
//! With the feature `fs` the system moves files that travel as they are, on a thread pool (`sendfile`
//! for FTP, on Linux); without it their octets pass the machines.
//!
//! # A mailbox over a pipe
//!
//! ```
//! # #[cfg(all(feature = "tokio", feature = "mail"))]
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! use netio::driver::Stream;
//! use proto_mail::pop3::memory::{Connection, MemoryStore};
//! use proto_mail::pop3::{client, server};
//! use std::time::Duration;
//!
//! let (near, far) = tokio::io::duplex(1024); // or two ends of a TCP connection
//!
//! let serve = async {
//!     let mut store = MemoryStore::new();
//!     store.add_user("bob", "hungry");
//!     let mut config = server::Config::default();
//!     config.allow_plaintext_auth = true; // nobody else can read a pipe
//!     let session = server::Session::new(Duration::ZERO, config, server::Limits::default(), [7; 32]);
//!     let mut driver = Stream::new(session, far);
//!     let mut connection = Connection::new();
//!     while let Some(event) = driver.next().await? {
//!         store.handle(&mut connection, driver.machine_mut(), event)?;
//!     }
//!     Ok::<_, Box<dyn std::error::Error>>(())
//! };
//!
//! let ask = async {
//!     let mut config = client::Config::default();
//!     config.require_tls = false;
//!     let session = client::Session::new(Duration::ZERO, config, client::Limits::default());
//!     let mut driver = Stream::new(session, near);
//!     driver.machine_mut().login("bob", "hungry")?;
//!     let stat = driver.machine_mut().stat()?;
//!     driver.machine_mut().quit()?;
//!     let mut found = None;
//!     while let Some(event) = driver.next().await? {
//!         match event {
//!             client::Event::Stat { id, messages, .. } if id == stat => found = Some(messages),
//!             _ => {}
//!         }
//!     }
//!     Ok::<_, Box<dyn std::error::Error>>(found)
//! };
//!
//! let (served, found) = tokio::join!(serve, ask);
//! served?;
//! assert_eq!(found?, Some(0));
//! # Ok(()) })}
//! # #[cfg(not(all(feature = "tokio", feature = "mail")))]
//! # fn main() {}
//! ```

#![forbid(unsafe_code)]

#[cfg(feature = "bittorrent")]
pub mod bittorrent;
#[cfg(feature = "tokio")]
pub mod codec;
#[cfg(feature = "dns")]
pub mod dns;
#[cfg(feature = "tokio")]
pub mod driver;
#[cfg(feature = "ftp")]
pub mod ftp;
#[cfg(feature = "http2")]
pub mod http2;
#[cfg(feature = "mail")]
pub mod mail;
pub mod shape;
#[cfg(feature = "sim")]
pub mod sim;
#[cfg(feature = "tls")]
pub mod tls;
