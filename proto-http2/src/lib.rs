//! HTTP/2 as a Sans-I/O state machine, client and server (RFC 9113, RFC 7541, RFC 9218).
//!
//! A machine here is a plain value. It opens no socket, reads no clock and starts no thread: you
//! give it the octets that arrived and the time that it is, and it gives you events, octets to
//! send, and the time at which it wants to be called again.
//!
//! # Two machines and a loop
//!
//! ```
//! use bytes::{Bytes, BytesMut};
//! use core::time::Duration;
//! use proto_http2::{Config, Connection, Event, Fields, Limits, Transmit};
//!
//! let now = Duration::ZERO; // time since an epoch of your choice
//! let mut client = Connection::client(now, Config::default(), Limits::default());
//! let mut server = Connection::server(now, Config::default(), Limits::default());
//!
//! // Commands only queue; each stream has one last event.
//! client.request(&Fields::request("GET", "http", "utopia.example", "/"), true)?;
//!
//! let (mut to_server, mut to_client) = (BytesMut::new(), BytesMut::new()); // your read buffers
//! let mut page = Vec::new();
//! let mut is_done = false;
//! while !is_done {
//!     while let Some(Transmit::Data(data)) = client.poll_transmit(now, 1500) {
//!         to_server.extend_from_slice(&data);
//!     }
//!     while let Some(event) = server.poll_event(now, &mut to_server)? {
//!         if let Event::Headers { id, .. } = event {
//!             server.respond(id, &Fields::response(200), false)?;
//!             server.send_data(id, &mut Bytes::from_static(b"Hello, Utopia!"), true)?;
//!         }
//!     }
//!     while let Some(Transmit::Data(data)) = server.poll_transmit(now, 1500) {
//!         to_client.extend_from_slice(&data);
//!     }
//!     while let Some(event) = client.poll_event(now, &mut to_client)? {
//!         match event {
//!             Event::Data { data, .. } => page.extend_from_slice(&data),
//!             Event::Closed { .. } => is_done = true,
//!             _ => {}
//!         }
//!     }
//! }
//! assert_eq!(page, b"Hello, Utopia!");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The contract of a machine
//!
//! | call | when |
//! |---|---|
//! | `poll_event(now, &mut input)` | after octets were appended to `input`, and after any other call, until it gives `None` |
//! | `poll_transmit(now, budget)` | when the socket can take `budget` octets, until it gives `None` |
//! | `poll_timeout()`, `handle_timeout(now)` | wait until then, then say that it is then |
//! | `handle_eof(now)` | the peer ended its side: FIN, or `close_notify` under TLS |
//! | `handle_disconnect(now)` | the transport is dead both ways: a reset, or under TLS a FIN alone |
//! | `handle_tls_established(now, tls)` | first of all, on TLS |
//! | `close()` | end in order once all streams are done |
//! | `wants_read()` | read from the socket only while it is true |
//! | `is_closed()` | drop the connection |
//!
//! - Any call may be made at any time. One left out delays; it never corrupts.
//! - `input` is your read buffer, the same one in every call. The machine takes a prefix; you
//!   append.
//! - After an `Err`, which comes once and after every event before it, go on: write what
//!   `poll_transmit` still gives, read on, and drop the connection when `is_closed()`.
//! - Which frame leaves next is decided when `poll_transmit` is called: give it the budget that the
//!   socket can take, and no more, so that urgent streams overtake.
//!
//! # What is there
//!
//! | | |
//! |---|---|
//! | [`Connection`] | RFC 9113 sections 3 to 8; Upgrade of RFC 7540 section 3.2; push; extended CONNECT of RFC 8441 |
//! | [`wire`] | the frames of RFC 9113, ALTSVC (RFC 7838), ORIGIN (RFC 8336), PRIORITY_UPDATE (RFC 9218) |
//! | [`hpack`] | RFC 7541 |
//! | [`priority`] | the tree of RFC 7540, urgency of RFC 9218, round robin |
//! | [`flow`] | windows |
//!
//! # Features
//!
//! | feature | default | |
//! |---|---|---|
//! | `std` | yes | the `std` features of the dependencies; this crate needs `core` and `alloc` only |
//! | `http` | no | [`Fields`] from and to `Request`, `Response` and `HeaderMap` of the crate `http`; needs `std` |

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod config;
mod connection;
mod error;
mod event;
mod fields;
pub mod flow;
pub mod hpack;
#[cfg(feature = "http")]
mod http;
mod limits;
mod num;
pub mod priority;
mod tls;
mod transmit;
mod validate;
pub mod wire;

pub use config::{Config, Scheduling, Validation};
pub use connection::{Connection, Stats};
pub use error::{Error, OtherProtocol, Reason, UsageError};
pub use event::{Event, StreamEnd, StreamId};
pub use fields::{Field, Fields};
pub use limits::{Limit, Limits, Rate};
pub use tls::TlsInfo;
pub use transmit::Transmit;
pub use validate::Malformed;
