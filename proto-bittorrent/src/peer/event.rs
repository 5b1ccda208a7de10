//! What a connection has to say.

use crate::wire::{Block, ExtendedHandshake, Handshake, HashRange, Pex};
use alloc::boxed::Box;
use bytes::Bytes;

/// A peer asks to be talked to. Hand it back to [`Connection::accept`](super::Connection::accept) or
/// [`Connection::reject`](super::Connection::reject) once: to the connection that it came from.
#[must_use = "the peer waits for its handshake"]
#[derive(Debug, PartialEq, Eq)]
pub struct Ask(pub(super) u64);

impl Ask {
    /// The number of the connection that waits, as it was given to
    /// [`Connection::incoming`](super::Connection::incoming).
    #[must_use]
    pub const fn connection(&self) -> u64 {
        self.0
    }
}

/// What a connection has to say.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A peer that connected to us names its torrent. Emitted once, on incoming connections.
    Incoming {
        /// The question whether to talk to it.
        ask: Ask,
        /// What it says.
        handshake: Handshake,
    },
    /// The peer answered our handshake. Emitted once, on outgoing connections.
    Connected {
        /// What it says.
        handshake: Handshake,
    },
    /// What the peer tells of itself (BEP 10). It may tell it again, of which the new parts count.
    Extended(Box<ExtendedHandshake>),
    /// The peer answers no requests any more. Where the fast extension is not known, those that are
    /// open fail right after this.
    Choked,
    /// The peer answers requests.
    Unchoked,
    /// The peer wants something that we have.
    Interested,
    /// The peer wants nothing that we have.
    NotInterested,
    /// The peer said what it has: [`Connection::peer_pieces`](super::Connection::peer_pieces) tells.
    /// Emitted at most once.
    Pieces,
    /// The peer has one more piece.
    Have {
        /// The piece.
        piece: u32,
    },
    /// The peer has one piece less (BEP 54).
    DontHave {
        /// The piece.
        piece: u32,
    },
    /// The peer asks for a block. Answer with [`Connection::send_block`](super::Connection::send_block)
    /// or [`Connection::reject_request`](super::Connection::reject_request), unless it is taken back.
    /// It lies in a piece of the usual length; whether it lies in a last, shorter one is for
    /// [`Metainfo::contains_block`](crate::metainfo::Metainfo::contains_block) to say.
    Request {
        /// The block.
        block: Block,
    },
    /// The peer takes a request back that was not answered yet. It need not be answered any more.
    Cancelled {
        /// The block.
        block: Block,
    },
    /// A block that was asked for: final for its request.
    Block {
        /// The block.
        block: Block,
        /// Its octets; whether they are right is for hashes to tell.
        data: Bytes,
    },
    /// A block that will not come: final for its request.
    RequestFailed {
        /// The block.
        block: Block,
        /// Why.
        reason: Failure,
    },
    /// A piece that would be good to ask for (BEP 6). Advice.
    Suggested {
        /// The piece.
        piece: u32,
    },
    /// A piece that may be asked for while choked (BEP 6). Advice.
    AllowedFast {
        /// The piece.
        piece: u32,
    },
    /// The port of the peer's node of the DHT (BEP 5).
    DhtPort {
        /// The port.
        port: u16,
    },
    /// The peer asks for a piece of the metadata (BEP 9). Answer with
    /// [`Connection::send_metadata`](super::Connection::send_metadata) or
    /// [`Connection::reject_metadata`](super::Connection::reject_metadata).
    MetadataRequest {
        /// The piece.
        piece: u32,
    },
    /// A piece of the metadata that was asked for: final for its request.
    Metadata {
        /// The piece.
        piece: u32,
        /// Octets of the whole, as the peer says.
        total_len: u32,
        /// The octets; whether they are right is for the info-hash to tell.
        data: Bytes,
    },
    /// A piece of the metadata that will not come: final for its request.
    MetadataFailed {
        /// The piece.
        piece: u32,
        /// Why.
        reason: Failure,
    },
    /// The peer tells of other peers (BEP 11).
    Pex(Pex),
    /// A message for an extension of yours: one of
    /// [`Config::extensions`](super::Config::extensions).
    Extension {
        /// The number that you know the extension by.
        number: u8,
        /// The message.
        payload: Bytes,
    },
    /// The peer asks for nodes of a merkle tree (BEP 52). Answer with
    /// [`Connection::send_hashes`](super::Connection::send_hashes) or
    /// [`Connection::reject_hashes`](super::Connection::reject_hashes).
    HashRequest {
        /// Which.
        range: HashRange,
    },
    /// Nodes that were asked for: final for their request.
    Hashes {
        /// Which.
        range: HashRange,
        /// 32 octets each; whether they are right is for [`merkle`](crate::merkle) to tell.
        hashes: Bytes,
    },
    /// Nodes that will not come: final for their request.
    HashesFailed {
        /// Which.
        range: HashRange,
        /// Why.
        reason: Failure,
    },
    /// A message of the peer that changed nothing, and why.
    Ignored(Ignored),
    /// The peer will send nothing more. Emitted once.
    PeerClosed,
}

/// Why something that was asked for will not come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Failure {
    /// The peer said so.
    Rejected,
    /// The peer chokes us.
    Choked,
    /// It was taken back.
    Cancelled,
    /// The connection is over.
    Closed,
}

/// A message that changed nothing: the protocol goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ignored {
    /// A message of a kind that is not known.
    UnknownMessage {
        /// Its kind.
        id: u8,
    },
    /// An extended message with a number that we gave to nothing.
    UnknownExtension {
        /// The number.
        id: u8,
    },
    /// An extended message that its extension cannot read.
    Malformed {
        /// The number of the extension.
        id: u8,
    },
    /// A request while the peer is choked, for more than a piece may be, or beyond
    /// [`Limits::max_requests_in`](crate::Limits::max_requests_in). Rejected where the fast
    /// extension is known.
    Request {
        /// The block.
        block: Block,
    },
    /// A block that nobody asked for, or not any more.
    Unsolicited {
        /// The block.
        block: Block,
    },
    /// Metadata, hashes or a rejection that nobody asked for.
    UnsolicitedAnswer,
    /// Peers that came sooner than [`Limits::min_pex_interval`](crate::Limits::min_pex_interval), or
    /// in a private torrent.
    Pex,
    /// A request for metadata or hashes that cannot be answered, or beyond
    /// [`Limits::max_side_requests`](crate::Limits::max_side_requests). Rejected.
    SideRequest,
}
