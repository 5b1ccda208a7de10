//! What can go wrong with a peer, and whose fault it was.

use super::BitfieldError;
use crate::wire::{Block, DecodeError, ExtendedError};

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No handshake within [`Limits::handshake`](crate::Limits::handshake).
    #[error("no handshake came in time")]
    HandshakeTimeout,
    /// Nothing came for [`Limits::idle`](crate::Limits::idle).
    #[error("the peer was silent for too long")]
    IdleTimeout,
    /// The transport ended inside a message, or before the handshake.
    #[error("the connection ended {pending} octets into a message")]
    UnexpectedEof {
        /// Octets of the unfinished message.
        pending: usize,
    },
    /// The peer speaks another protocol.
    #[error("octet {offset}: no BitTorrent handshake")]
    NotBitTorrent {
        /// The first octet that is wrong.
        offset: usize,
    },
    /// The peer answered for another torrent.
    #[error("the handshake is about another torrent")]
    WrongInfoHash,
    /// The peer is ourselves.
    #[error("the peer bears our own id")]
    SelfConnection,
    /// A message that is none.
    #[error(transparent)]
    Message(#[from] DecodeError),
    /// A bitfield that does not fit the torrent.
    #[error(transparent)]
    Bitfield(#[from] BitfieldError),
    /// A bitfield, have-all or have-none that is not the first message (BEP 3, BEP 6).
    #[error("a bitfield has to be the first message")]
    LateBitfield,
    /// A piece that the torrent does not have.
    #[error("there is no piece {piece}")]
    NoSuchPiece {
        /// The piece.
        piece: u32,
    },
    /// A block that is empty or leaves its piece.
    #[error("{block:?} is no part of a piece")]
    NoSuchBlock {
        /// The block.
        block: Block,
    },
    /// A message of the fast extension, which was not agreed on (BEP 6).
    #[error("a message of the fast extension without the extension")]
    NoFastExtension,
    /// A message of the extension protocol, which was not agreed on (BEP 10).
    #[error("a message of the extension protocol without the protocol")]
    NoExtensionProtocol,
    /// An extended handshake that is none.
    #[error(transparent)]
    Extended(#[from] ExtendedError),
    /// More blocks came unasked than [`Limits::max_unsolicited`](crate::Limits::max_unsolicited).
    #[error("too many blocks that nobody asked for")]
    Unsolicited,
}

impl Error {
    /// Whether the peer broke the protocol, as opposed to having gone silent or away.
    #[must_use]
    pub fn is_violation(&self) -> bool {
        !matches!(
            self,
            Self::HandshakeTimeout
                | Self::IdleTimeout
                | Self::UnexpectedEof { .. }
                | Self::SelfConnection
        )
    }
}

/// A call that the caller should not have made. The connection is as it was before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UsageError {
    /// The question is not open any more: answered, taken back, or of another connection.
    #[error("the question is no longer open")]
    Stale,
    /// The handshakes are not through yet, or the connection is over.
    #[error("the connection is not open")]
    NotOpen,
    /// The peer does not know the extension that this needs.
    #[error("the peer does not know the extension that this needs")]
    NotSupported,
    /// A bitfield, have-all or have-none has to be the first message.
    #[error("a bitfield has to be the first message")]
    NotFirst,
    /// The peer chokes us, and does not allow this piece all the same.
    #[error("the peer answers no requests")]
    Choked,
    /// The peer does not have that piece.
    #[error("the peer does not have piece {0}")]
    NotThere(u32),
    /// The block was asked for already, or is none of this torrent.
    #[error("this cannot be asked for, or was already")]
    Request,
    /// [`Limits::max_requests_out`](crate::Limits::max_requests_out), or
    /// [`Limits::max_side_requests`](crate::Limits::max_side_requests).
    #[error("too many requests are open")]
    TooManyRequests,
    /// Data that is not as long as what was asked for, or longer than a message may be.
    #[error("the data does not have the length that was asked for")]
    Length,
    /// The last message of `ut_pex` is less than a minute ago (BEP 11), or the torrent is private
    /// (BEP 27).
    #[error("no peers may be exchanged now")]
    Pex,
}
