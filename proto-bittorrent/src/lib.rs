//! BitTorrent as Sans-I/O machines and formats: bencode, torrents, magnets, the peer wire.
//!
//! Nothing here opens a socket or a file, reads a clock or draws entropy.

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
