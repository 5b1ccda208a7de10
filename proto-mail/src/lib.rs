//! Mail as Sans-I/O state machines, client and server: SMTP, LMTP, POP3, SASL, and messages.
//!
//! A machine here is a plain value. It opens no socket, reads no clock and starts no thread: you
//! give it the octets that arrived and the time that it is, and it gives you events, octets to
//! send, and the time at which it wants to be called again. So the same machine runs on tokio, on
//! mio, on blocking sockets, in a simulator, in a fuzzer and without an operating system.
//!
//! # Two machines and a loop
//!
//! A client fetches a message from a server. Between them lie two buffers; in a program of yours a
//! socket takes the place of either half.
//!
//! ```
//! use bytes::BytesMut;
//! use core::time::Duration;
//! use proto_mail::Transmit;
//! use proto_mail::pop3::memory::{Connection, MemoryStore};
//! use proto_mail::pop3::{client, server};
//!
//! let mut store = MemoryStore::new();
//! store.add_user("bob", "hungry");
//! store.deliver("bob", "Subject: dinner\r\n\r\nDo you like ketchup?\r\n.\r\n");
//!
//! // On loopback only: by default neither side speaks of passwords without TLS.
//! let mut config = server::Config::default();
//! config.allow_plaintext_auth = true;
//! let now = Duration::ZERO; // time since an epoch of your choice
//! let mut server = server::Session::new(now, config, server::Limits::default(), [7; 32]);
//! let mut config = client::Config::default();
//! config.require_tls = false;
//! let mut client = client::Session::new(now, config, client::Limits::default());
//!
//! // Commands only queue; each has one final event.
//! client.login("bob", "hungry")?;
//! client.retr(1)?;
//! let quit = client.quit()?;
//!
//! let mut connection = Connection::new(); // what the store keeps for this session
//! let (mut to_server, mut to_client) = (BytesMut::new(), BytesMut::new()); // your read buffers
//! let mut message = Vec::new();
//! let mut is_done = false;
//! while !is_done {
//!     while let Some(Transmit::Data(data)) = client.poll_transmit(now, 1500) {
//!         to_server.extend_from_slice(&data);
//!     }
//!     while let Some(event) = server.poll_event(now, &mut to_server)? {
//!         store.handle(&mut connection, &mut server, event)?; // answers what the server asks
//!     }
//!     while let Some(Transmit::Data(data)) = server.poll_transmit(now, 1500) {
//!         to_client.extend_from_slice(&data);
//!     }
//!     while let Some(event) = client.poll_event(now, &mut to_client)? {
//!         match event {
//!             client::Event::BodyChunk { data, .. } => message.extend_from_slice(&data),
//!             client::Event::Done { id, reply } => {
//!                 assert!(reply.is_ok());
//!                 is_done = id == quit;
//!             }
//!             _ => {}
//!         }
//!     }
//! }
//! assert_eq!(message, b"Subject: dinner\r\n\r\nDo you like ketchup?\r\n.\r\n");
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
//! | `handle_tls_established(now, tls)` | after `Transmit::StartTls` was carried out; first of all on implicit TLS |
//! | `close()` | end our side once all that is queued has left |
//! | `wants_read()` | read from the socket only while it is true |
//! | `is_closed()` | drop the connection |
//!
//! - Any call may be made at any time. One left out delays; it never corrupts.
//! - `input` is your read buffer, the same one in every call. The machine takes a prefix; you
//!   append. What it cannot handle yet stays there: that is the back-pressure.
//! - Steps of output are carried out in order. On `StartTls` do the handshake and read nothing for
//!   the machine before it is done.
//! - After an `Err`, which comes once and after every event before it, go on: write what
//!   `poll_transmit` still gives, read on, and drop the connection when `is_closed()`.
//! - Time is a [`Duration`](core::time::Duration) since an epoch of yours. It should not run
//!   backwards; if it does, it stands still.
//!
//! # What is there
//!
//! | | | |
//! |---|---|---|
//! | [`smtp`] | client and server | RFC 5321, 2033, 1870, 6152, 6531, 2920, 3030, 3207, 4954, 2034, 3461 |
//! | [`pop3`] | client and server | RFC 1939, 2449, 2595, 3206, 5034, 6856 |
//! | [`smtp::queue`] | what a server does with mail for others | RFC 5321, 7505, 3461, 3464 |
//! | [`sasl`] | both sides of PLAIN, LOGIN, CRAM-MD5, SCRAM, EXTERNAL, ANONYMOUS, OAUTHBEARER, XOAUTH2 | RFC 4616, 2195, 5802, 7677, 4422, 4505, 7628, 4013 |
//! | [`message`] | read in one pass and bounded memory, written safely | RFC 5322, 6532, 2045 to 2047, 2183, 2231; 3501 and 9051 for what IMAP asks |
//! | [`dot`], [`mod@line`] | dot-stuffing and bounded lines, which both protocols need | |
//!
//! Of POP3 all commands are there: USER, PASS, APOP, AUTH, STLS, CAPA, UTF8, LANG, STAT, LIST,
//! RETR, TOP, UIDL, DELE, NOOP, RSET, QUIT; response codes and pipelining on both sides; messages of
//! any size, streamed both ways. LANG knows English only. UTF8 changes which lines are allowed and
//! is told to the embedder; the machine converts no message.
//!
//! SMTP and LMTP hand messages over in both directions as streams: by DATA and by BDAT, pipelined
//! where the peer allows it, with an answer for each recipient in LMTP. What a message may not hold
//! (a bare CR or LF, NUL) the server refuses and the client repairs or refuses. Parameters of
//! DELIVERBY, FUTURERELEASE, MT-PRIORITY, RRVS and REQUIRETLS are read and written; what they ask
//! for is the embedder's to do.
//!
//! AUTH carries the messages of any mechanism. There is no IMAP yet.
//!
//! # Features
//!
//! | feature | default | |
//! |---|---|---|
//! | `charset` | yes | all charsets of the WHATWG encoding standard (encoding_rs); without it [`message`] reads UTF-8, US-ASCII and ISO-8859-1 |
//! | `std` | yes | the `std` features of the dependencies; this crate needs `core` and `alloc` only |

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

pub mod dot;
pub mod line;
pub mod message;
mod newlines;
mod output;
pub mod pop3;
pub mod sasl;
mod secret;
pub mod smtp;
mod tls;
mod transmit;
mod value;

pub use secret::Secret;
pub use tls::TlsInfo;
pub use transmit::Transmit;
