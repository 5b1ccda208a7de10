//! FTP as Sans-I/O state machines: the sessions of server and client, data connections, listings.
//!
//! A machine here is a plain value. It opens no socket, reads no clock and starts no thread: you
//! give it the octets that arrived and the time that it is, and it gives you events, octets to
//! send, wishes for data connections, and the time at which it wants to be called again.
//!
//! # Two machines and a loop
//!
//! A client logs in, fetches a file from a server, and quits. Between them lie two buffers and one
//! data connection; in a program of yours sockets take their place.
//!
//! ```
//! use bytes::BytesMut;
//! use core::time::Duration;
//! use proto_ftp::data::Type;
//! use proto_ftp::{ClientLimits, ServerLimits, Transmit, client, server};
//!
//! let now = Duration::ZERO; // time since an epoch of your choice
//! let (here, there) = ("192.0.2.1:21".parse()?, "192.0.2.9:4000".parse()?);
//! let config = server::Config::default();
//! let mut server = server::Session::new(now, config, ServerLimits::default(), here, there);
//! let mut config = client::Config::default();
//! config.require_tls = false; // by default no password leaves in plaintext
//! let mut client = client::Session::new(now, config, ClientLimits::default(), there, here);
//!
//! // Commands only queue; each has one final event.
//! client.login("bob", "hungry")?;
//! client.retr("dinner.txt", Type::Image, 0)?;
//! let quit = client.quit()?;
//!
//! let (mut to_server, mut to_client) = (BytesMut::new(), BytesMut::new()); // your read buffers
//! let (mut data, mut transferred) = (Vec::new(), Vec::new());
//! let mut is_done = false;
//! while !is_done {
//!     while let Some(Transmit::Data(octets)) = client.poll_transmit(now, 1500) {
//!         to_server.extend_from_slice(&octets);
//!     }
//!     while let Some(event) = server.poll_event(now, &mut to_server)? {
//!         match event {
//!             server::Event::Login { ask, .. } => server.accept(ask)?, // or reject
//!             server::Event::Retrieve { ask, .. } => server.accept(ask)?, // the file is open
//!             _ => {}
//!         }
//!     }
//!     while let Some(action) = server.poll_action(now) {
//!         match action {
//!             server::Action::Listen { id, .. } => {
//!                 server.handle_listening(now, id, "192.0.2.1:50000".parse()?);
//!                 server.handle_connected(now, id, "192.0.2.9:4001".parse()?);
//!             }
//!             server::Action::Start { id, .. } => {
//!                 data.extend_from_slice(b"ketchup"); // data::Sender, or sendfile
//!                 server.handle_transferred(now, id, Ok(7));
//!             }
//!             _ => {}
//!         }
//!     }
//!     while let Some(Transmit::Data(octets)) = server.poll_transmit(now, 1500) {
//!         to_client.extend_from_slice(&octets);
//!     }
//!     while let Some(event) = client.poll_event(now, &mut to_client)? {
//!         if let client::Event::Done { id, reply, .. } = event {
//!             assert!(reply.is_ok());
//!             is_done = id == quit;
//!         }
//!     }
//!     while let Some(action) = client.poll_action(now) {
//!         match action {
//!             client::Action::Connect { id, to } => client.handle_connected(now, id, to),
//!             client::Action::Start { id, .. } => {
//!                 transferred.append(&mut data); // data::Receiver, in general
//!                 client.handle_transferred(now, id, 7, true);
//!             }
//!             _ => {}
//!         }
//!     }
//! }
//! assert_eq!(transferred, b"ketchup");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The contract of a session
//!
//! | call | when |
//! |---|---|
//! | `poll_event(now, &mut input)` | after octets were appended to `input`, and after any other call, until it gives `None` |
//! | `poll_transmit(now, budget)` | when the socket can take `budget` octets, until it gives `None` |
//! | `poll_action(now)` | after any other call, until it gives `None`: what is wished of data connections |
//! | `handle_listening`, `handle_connected`, `handle_data_tls`, `handle_progress`, `handle_pumped`, `handle_marker`, `handle_transferred`, `handle_failed` | what became of a wish; a fact about an old id does nothing |
//! | `poll_timeout()`, `handle_timeout(now)` | wait until then, then say that it is then |
//! | `handle_eof(now)`, `handle_disconnect(now)` | the control connection ended in order, or is dead both ways |
//! | `handle_tls_established(now, tls)` | after `Transmit::StartTls` was carried out; first of all on implicit TLS |
//! | `close()`, `wants_read()`, `is_closed()` | end our side; read only while it is true; drop the connection |
//!
//! - Any call may be made at any time. One left out delays; it never corrupts.
//! - Steps of output are carried out in order. After `StopTls` the socket goes on in plaintext: what the
//!   peer says after its `close_notify` must not be lost in a TLS library (netio's `tls::Stream` knows how).
//!   `Urgent` is sent with its last octet as TCP urgent data, and control sockets read urgent data in
//!   line (`SO_OOBINLINE`).
//! - After an `Err`, which comes once and after every event before it, go on: write what
//!   `poll_transmit` still gives, read on, and drop the connection when `is_closed()`.
//!
//! # What is there
//!
//! | | | |
//! |---|---|---|
//! | [`server`], [`client`] | sessions, as coordinators | RFC 959, 1123 (4.1), 2228, 2389, 2428, 2577, 2640, 3659, 4217, 7151; MFMT, HASH |
//! | [`data`] | what goes over a data connection: TYPE A, E, I and L 8, STRU F, R and P, MODE S, B, C and Z, restart markers | RFC 959 (3), draft-preston-ftpext-deflate |
//! | [`listing`] | LIST and MLSD of fifteen dialects, without allocation | RFC 3659 (7) |
//! | [`wire`] | commands, replies, Telnet, paths, host-port forms, facts, times | RFC 854, 959, 2428, 3659 |
//!
//! Of RFC 959 all 33 commands are there. STRU P is refused with 504 unless the embedder knows
//! pages, which were for the disks of TOPS-20 (RFC 1123 section 4.1.2.3). ADAT, MIC, CONF and ENC are refused: security is TLS.
//!
//! # Features
//!
//! | feature | default | |
//! |---|---|---|
//! | `std` | yes | `std` in the dependencies; changes no behaviour. Without it: `no_std` with `alloc` |

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod client;
pub mod data;
mod limits;
pub mod listing;
mod output;
mod secret;
pub mod server;
mod tls;
mod transmit;
pub mod wire;

pub use limits::{ClientLimits, ServerLimits};
pub use secret::Secret;
pub use tls::TlsInfo;
pub use transmit::{DataTransmit, Transmit};
