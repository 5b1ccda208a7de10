//! The peer wire protocol, without state: handshakes, messages, extensions.
//!
//! | what | where | BEP |
//! |---|---|---|
//! | [`Handshake`] | the first 68 octets of each side | 3 |
//! | [`Message`], [`Decoder`] | everything after them | 3, 6, 10, 52 |
//! | [`ExtendedHandshake`] | extended message 0 | 10 |
//! | [`MetadataMessage`] | `ut_metadata` | 9 |
//! | [`Pex`] | `ut_pex` | 11 |
//! | [`compact`] | peers in 6 or 18 octets each | 7, 23 |
//! | [`allowed_fast`] | the set that a choked peer may ask for | 6 |

pub mod compact;
mod extended;
mod fast;
mod handshake;
mod message;
mod metadata;
mod pex;

pub use extended::{ExtendedError, ExtendedHandshake};
pub use fast::allowed_fast;
pub use handshake::{Handshake, HandshakeError, Reserved};
pub use message::{Block, DecodeError, Decoder, Fault, HashRange, Message};
pub use metadata::{METADATA_PIECE_LEN, MetadataError, MetadataMessage};
pub use pex::{Pex, PexError, PexFlags, PexPeer};
