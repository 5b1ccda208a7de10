//! DNS as Sans-I/O machines: a wire layer that reads without allocating, zone files, a stub client,
//! authoritative answers, transfers, updates, notifications and signatures.
//!
//! Nothing here opens a socket, reads a clock or draws entropy. A machine takes what arrived and the
//! time, and says what to send and what happened; the same inputs and the same seed give the same
//! outputs, octet by octet. The crate is `no_std` with `alloc`; the feature `std` is on by default
//! and adds nothing but `std` in dependencies.
//!
//! # A stub asks a server
//!
//! Both ends in one program, with the network left out:
//!
//! ```
//! use core::time::Duration;
//! use proto_dns::client::{QueryOptions, Stub, stub};
//! use proto_dns::datagram::{Local, LocalId, Transmit};
//! use proto_dns::server::{self, Authority, Zone};
//! use proto_dns::wire::{Name, Question, RData, Soa, Type};
//! use proto_dns::{Config, Limits};
//!
//! // What the server knows.
//! let origin: Name = "networkutopia.com".parse()?;
//! let (www, dns1) = (origin.child(b"www")?, origin.child(b"dns1")?);
//! let mut zone = Zone::builder(origin.clone());
//! zone.add(&origin, 3600, &RData::Soa(Soa {
//!     mname: dns1.view(), rname: dns1.view(),
//!     serial: 1, refresh: 7200, retry: 900, expire: 1_209_600, minimum: 300,
//! }))?;
//! zone.add(&origin, 3600, &RData::Ns(dns1.view()))?;
//! zone.add(&www, 300, &RData::A([212, 212, 71, 4].into()))?;
//! let mut authority = Authority::new();
//! authority.insert(zone.build()?)?;
//!
//! let now = Duration::ZERO; // time since an epoch of your choice
//! let seed = [7; 32]; // unpredictable, in earnest
//! let (client, address) = ("192.0.2.1:40000".parse()?, "192.0.2.53:53".parse()?);
//! let mut server = server::Datagram::new(now, Limits::default());
//! let mut stub = Stub::new(now, Config::new([address]), Limits::default(), seed);
//! let id = stub.query(Question::new(www, Type::A), QueryOptions::default())?;
//!
//! // A socket on a fresh port carries the query; you would bind it.
//! let Some(Transmit::Datagram { local: Local::Fresh(port), payload, .. }) = stub.poll_transmit(now)
//! else { panic!("no query") };
//! server.handle_datagram(now, LocalId::MAIN, client, &payload);
//! while let Some(server::datagram::Event::Query { ask, message, .. }) = server.poll_event() {
//!     server.serve(&authority, ask, &message)?;
//! }
//! let Some(Transmit::Datagram { payload, .. }) = server.poll_transmit(now) else { panic!("no reply") };
//! stub.handle_datagram(now, port, address, &payload);
//!
//! let Some(stub::Event::Answer { id: answered, message, .. }) = stub.poll_event() else { panic!("no answer") };
//! assert_eq!(answered, id);
//! let answer = message.view().answers().next().expect("a record");
//! assert_eq!(answer.to_string(), "www.networkutopia.com.\t300\tIN\tA\t212.212.71.4");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The contract
//!
//! Two shapes of machine. **Datagram** ([`client::Stub`], [`server::Datagram`]):
//!
//! ```text
//! loop {
//!     while let Some(event) = m.poll_event()           { yours }
//!     while let Some(step)  = m.poll_transmit(now)     { Datagram: send by the socket it names; Release: drop the socket }
//!     while let Some(wish)  = m.poll_action(now)       { the stub only: connect, send, close }
//!     wait for a datagram, a fact about a connection, or m.poll_timeout()
//!     m.handle_datagram(now, socket, from, octets)  |  m.handle_connected(now, id) ..  |  m.handle_timeout(now)
//! }
//! ```
//!
//! **Stream** ([`client::Stream`], [`server::Stream`]), one for each TCP connection:
//!
//! ```text
//! loop {
//!     while let Some(event) = m.poll_event(now, &mut input)?    { yours; an Err comes once, after every event before it }
//!     while let Some(step)  = m.poll_transmit(now, budget)      { Data: write; Shutdown: close the writing side }
//!     if m.is_closed() { drop the connection }
//!     wait to read (if m.wants_read()), to write (if something is left), or for m.poll_timeout()
//!     append to input  |  m.handle_eof(now)  |  m.handle_disconnect(now)  |  m.handle_timeout(now)
//! }
//! ```
//!
//! * `now` is the time since an epoch of your choice; a smaller value than before is taken as equal.
//! * Any call may be made at any time; a call left out delays and never corrupts. After any call
//!   with `&mut self` all polls may have something new.
//! * Commands (`query`, `answer`, `send`) only queue. Every query has exactly one final event.
//! * A question that a server machine hands out carries an `Ask`; give it back once, whenever.
//! * Every queue is bounded by [`Limits`]; every machine counts in `stats()` what it drops.
//!
//! # What is here
//!
//! | part | state |
//! |---|---|
//! | messages: header peek, checked walk, typed data; a builder with compression | 87 record types by a table of their fields, in wire form, text and canonical form; any other type as RFC 3597 says |
//! | EDNS(0) | payload size, version, DO, extended codes; sixteen kinds of options ([`wire::Opt`]) read, written and as text, any other as octets |
//! | [`zonefile`] | master files: directives, `$INCLUDE` as an event, bounded `$GENERATE`, errors with line and column |
//! | [`client::Stub`] | UDP with fresh ports, random ids, mixed case, cookies; retransmission, several servers, EDNS fallback, TCP after TC or too many mismatches, search list; no cache |
//! | [`client::Stream`] | pipelined queries, answers in any order |
//! | [`client::Incoming`], [`client::Secondary`] | transfers, whole and incremental; a zone held as a copy, by the timers of its SOA record and by notifications |
//! | [`server::Authority`] | zones in memory: aliases, DNAME, wildcards, empty non-terminals, referrals with glue, negative answers, truncation |
//! | [`server::Nameserver`] | who may what; UPDATE, AXFR, IXFR from a bounded journal, NOTIFY both ways, TSIG |
//! | [`server::Datagram`], [`server::Stream`] | transports for any source of answers |
//! | [`tsig`] | signatures on messages: six algorithms |
//! | cache, iterative resolver, DNS over HTTPS, DNSSEC validation, SIG(0) | not yet |
//!
//! | RFC | what of it |
//! |---|---|
//! | 1034, 1035 | names, messages, master files, authoritative answers (1034 section 4.3.2) |
//! | 1982 | serial numbers |
//! | 1995, 5936 | IXFR and AXFR, both sides |
//! | 1996 | NOTIFY, both sides |
//! | 2136 | UPDATE, the server's side: prerequisites, prescan, changes |
//! | 2181, 2308 | RRsets and TTLs, truncation, negative answers |
//! | 3596, 3597 | AAAA; unknown types and classes, in text and on the wire |
//! | 4343, 4034 section 6 | case; the canonical order of names and the canonical form of data |
//! | 4592, 6672 | wildcards, DNAME |
//! | 5001, 6975, 7314, 7828, 7830, 7871, 7901, 8145, 8914, 9567, 9660 | the options of EDNS by kind; no behaviour |
//! | 5452, 7873 | what makes a forged reply unlikely; cookies of a client |
//! | 6891 | EDNS(0) |
//! | 7766 | DNS over TCP: pipelining, reuse, out-of-order answers, idle timeouts |
//! | 8482 | minimal answers to ANY |
//! | 8945 | TSIG |
//! | 9460 | SVCB and HTTPS: wire and text; no additional records |
//! | 9471 | glue in referrals |
//! | 9619 | one question in a query |

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod client;
mod clock;
mod config;
pub mod datagram;
mod error;
mod event;
mod limits;
mod outbox;
mod random;
pub mod server;
pub mod stream;
pub mod tsig;
pub mod wire;
pub mod zonefile;

pub use clock::UnixTime;
pub use config::Config;
pub use error::{
    BuildError, DecodeError, Error, Fault, LoadError, NameError, NameFault, SearchError,
    TransferError, UnknownMnemonic, UsageError, ZoneError,
};
pub use event::{Failure, QueryId, Transport};
pub use limits::Limits;
