//! BitTorrent as Sans-I/O machines and formats: bencode, torrents, magnets, the peer wire, trackers;
//! v1, v2 and hybrid.
//!
//! Nothing here opens a socket or a file, reads a clock or draws entropy. A machine takes what
//! arrived and the time, and says what to send and what happened; the same inputs and the same seed
//! give the same outputs, octet by octet. The crate is `no_std` with `alloc`; the feature `std` is on
//! by default and adds nothing but `std` in dependencies.
//!
//! # A leech gets a piece from a seed
//!
//! Both ends in one program, with the network left out:
//!
//! ```
//! use bytes::{Bytes, BytesMut};
//! use core::time::Duration;
//! use proto_bittorrent::Limits;
//! use proto_bittorrent::hash::{PeerId, Sha1Hash};
//! use proto_bittorrent::metainfo::{self, Draft, Metainfo, Versions};
//! use proto_bittorrent::peer::{Bitfield, Config, Connection, Event, Torrent};
//! use proto_bittorrent::stream::Transmit;
//! use proto_bittorrent::wire::Block;
//!
//! // What is shared.
//! let content = Bytes::from_static(b"the whole of a small file");
//! let mut draft = Draft::new("small.txt", 16 * 1024, Versions::Hybrid)?;
//! let mut file = draft.file(&[], 25)?;
//! file.update(&content);
//! file.finish()?;
//! let torrent = Metainfo::parse(draft.finish()?, &metainfo::Limits::default())?;
//!
//! let now = Duration::ZERO; // time since an epoch of your choice
//! let mut seed = Connection::incoming(now, Config::new(PeerId([1; 20])), Limits::default(), 1);
//! let mut leech = Connection::outgoing(
//!     now, Config::new(PeerId([2; 20])), Limits::default(), Torrent::of(&torrent),
//! );
//! let (mut to_seed, mut to_leech) = (BytesMut::new(), BytesMut::new()); // your read buffers
//! let mut got = None;
//! while got.is_none() {
//!     while let Some(Transmit::Data(data)) = leech.poll_transmit(now, 1500) {
//!         to_seed.extend_from_slice(&data);
//!     }
//!     while let Some(event) = seed.poll_event(now, &mut to_seed)? {
//!         match event {
//!             Event::Incoming { ask, .. } => {
//!                 seed.accept(ask, Torrent::of(&torrent))?;
//!                 let mut all = Bitfield::new(torrent.piece_count());
//!                 all.set(0, true);
//!                 seed.tell_pieces(&all)?;
//!             }
//!             Event::Interested => seed.unchoke()?,
//!             Event::Request { block } => seed.send_block(block, content.clone())?,
//!             _ => {}
//!         }
//!     }
//!     while let Some(Transmit::Data(data)) = seed.poll_transmit(now, 1500) {
//!         to_leech.extend_from_slice(&data);
//!     }
//!     while let Some(event) = leech.poll_event(now, &mut to_leech)? {
//!         match event {
//!             Event::Pieces => leech.interested()?,
//!             Event::Unchoked => leech.request(Block::new(0, 0, 25))?,
//!             Event::Block { data, .. } => got = Some(data),
//!             _ => {}
//!         }
//!     }
//! }
//! assert_eq!(torrent.piece_hash(0), got.map(|piece| Sha1Hash::of(&piece)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The contract
//!
//! Three shapes of machine. **Stream** ([`peer::Connection`], [`tracker::http::Client`],
//! [`tracker::http::Server`]), one for each TCP connection:
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
//! **Datagram** ([`tracker::udp::Client`], [`tracker::udp::Server`]): `handle_datagram`, `poll_event`,
//! `poll_transmit`, `poll_timeout`, `handle_timeout`. **Coordinator** ([`tracker::Announcer`]):
//! `poll_action` and `handle_announced` or `handle_failed`.
//!
//! * `now` is the time since an epoch of your choice; a smaller value than before is taken as equal.
//! * Any call may be made at any time; a call left out delays and never corrupts. After any call
//!   with `&mut self` all polls may have something new.
//! * Commands only queue. Each request has exactly one final event, also after an error or a
//!   disconnect.
//! * A question of the other side is answered once: with its `Ask`, or by its own name (a block, a
//!   piece of metadata, a range of hashes).
//! * Every queue is bounded by [`Limits`].
//!
//! # What is here
//!
//! | part | state |
//! |---|---|
//! | [`bencode`] | strict and lenient, iterative, one array of tokens; a writer that only writes canonical documents |
//! | [`metainfo`] | v1, v2, hybrid; safe paths; piece layers checked; making torrents |
//! | [`magnet`], [`merkle`] | links both ways; trees and proofs of BEP 52 |
//! | [`wire`] | handshakes, all messages, extended handshake, `ut_metadata`, `ut_pex`, allowed fast sets |
//! | [`peer::Connection`] | one connection: requests, choking, fast extension, extensions, hashes of v2 |
//! | [`tracker`] | clients and servers over HTTP and UDP, tiers, a store of peers |
//! | pickers, chokers, swarms, DHT, uTP, encryption, local discovery, web seeds | not yet |
//!
//! | BEP | what of it |
//! |---|---|
//! | 3 | all but the choice of pieces and of whom to unchoke |
//! | 5 | nodes in torrents and magnets, the port message; no DHT |
//! | 6, 10, 54 | fast extension, extension protocol, `lt_donthave` |
//! | 7, 23, 24, 31, 48 | HTTP trackers: IPv6, compact peers, external address, retry, scrape |
//! | 9, 53 | metadata from peers, magnet links, selected files |
//! | 11 | peer exchange |
//! | 12 | tiers of trackers |
//! | 15, 41 | UDP trackers and their options |
//! | 17, 19, 38 | web seeds, similar torrents: read from torrents |
//! | 20, 21, 27 | peer ids, upload only, private torrents |
//! | 47 | padding, attributes, symbolic links |
//! | 52 | v2: info-hashes, file trees, piece layers, hash requests, hybrids |

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod bencode;
pub mod datagram;
pub mod hash;
mod limits;
pub mod magnet;
pub mod merkle;
pub mod metainfo;
pub mod peer;
mod random;
pub mod stream;
pub mod tracker;
pub mod wire;

pub use limits::Limits;

/// The examples of the README run too.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
