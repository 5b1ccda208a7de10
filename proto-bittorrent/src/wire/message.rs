//! Messages: four octets of length, one of kind, then what the kind has (BEP 3, 6, 10, 52).

use bytes::{Buf, BufMut, Bytes, BytesMut};
use core::fmt;

/// Payloads from this size on are taken out of the read buffer without a copy.
const ZERO_COPY: usize = 4096;

/// A part of a piece: what a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Block {
    /// The piece.
    pub piece: u32,
    /// Its first octet in the piece.
    pub begin: u32,
    /// Octets of it; 16 KiB, but for the last one of a piece.
    pub len: u32,
}

impl Block {
    /// A block.
    #[must_use]
    pub const fn new(piece: u32, begin: u32, len: u32) -> Self {
        Self { piece, begin, len }
    }
}

/// Which nodes of a merkle tree a message is about (BEP 52).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HashRange {
    /// The file, by its `pieces root`.
    pub root: crate::hash::Sha256Hash,
    /// The layer, counted from the blocks up.
    pub base_layer: u32,
    /// The first node in the layer; a multiple of `length`.
    pub index: u32,
    /// How many nodes; a power of two.
    pub length: u32,
    /// How many layers of the proof to send along.
    pub proof_layers: u32,
}

impl HashRange {
    /// Most nodes that may be asked for at once. BEP 52 leaves it open; libtorrent has this bound.
    pub const MAX_LENGTH: u32 = 8192;

    /// Whether BEP 52 allows to ask for it.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        self.length.is_power_of_two()
            && (2..=Self::MAX_LENGTH).contains(&self.length)
            && self.index.is_multiple_of(self.length)
            && self.base_layer < 64
            && self.proof_layers < 64
    }
}

/// One message of a peer.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Message {
    /// Nothing but a sign of life.
    KeepAlive,
    /// Requests will not be answered.
    Choke,
    /// Requests will be answered.
    Unchoke,
    /// The other side has something that this one wants.
    Interested,
    /// The other side has nothing that this one wants.
    NotInterested,
    /// A piece was completed.
    Have {
        /// The piece.
        piece: u32,
    },
    /// All that the sender has: one bit a piece, the first in the highest bit of the first octet.
    Bitfield(Bytes),
    /// Asks for a block.
    Request(Block),
    /// A block.
    Piece {
        /// The piece.
        piece: u32,
        /// The first octet in the piece.
        begin: u32,
        /// The octets.
        data: Bytes,
    },
    /// Takes a request back.
    Cancel(Block),
    /// The port of the sender's node of the DHT (BEP 5).
    Port(u16),
    /// A piece that would be good to ask for (BEP 6).
    Suggest {
        /// The piece.
        piece: u32,
    },
    /// The sender has everything (BEP 6).
    HaveAll,
    /// The sender has nothing (BEP 6).
    HaveNone,
    /// A request that will not be answered (BEP 6).
    Reject(Block),
    /// A piece that may be asked for while choked (BEP 6).
    AllowedFast {
        /// The piece.
        piece: u32,
    },
    /// A message of the extension protocol (BEP 10).
    Extended {
        /// The number that the receiver gave to the extension; 0 is the handshake.
        id: u8,
        /// What the extension makes of it.
        payload: Bytes,
    },
    /// Asks for nodes of a merkle tree (BEP 52).
    HashRequest(HashRange),
    /// Nodes of a merkle tree, then those of the proof; 32 octets each (BEP 52).
    Hashes {
        /// What was asked for.
        range: HashRange,
        /// The nodes.
        hashes: Bytes,
    },
    /// A request for nodes that will not be answered (BEP 52).
    HashReject(HashRange),
    /// A message of a kind that is not known here. It was skipped as it came.
    Unknown {
        /// Its kind.
        id: u8,
        /// Octets behind the kind.
        len: u32,
    },
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KeepAlive => f.write_str("KeepAlive"),
            Self::Choke => f.write_str("Choke"),
            Self::Unchoke => f.write_str("Unchoke"),
            Self::Interested => f.write_str("Interested"),
            Self::NotInterested => f.write_str("NotInterested"),
            Self::Have { piece } => write!(f, "Have({piece})"),
            Self::Bitfield(bits) => write!(f, "Bitfield({} octets)", bits.len()),
            Self::Request(block) => write!(f, "Request({block:?})"),
            Self::Piece { piece, begin, data } => {
                write!(f, "Piece({piece}, {begin}, {} octets)", data.len())
            }
            Self::Cancel(block) => write!(f, "Cancel({block:?})"),
            Self::Port(port) => write!(f, "Port({port})"),
            Self::Suggest { piece } => write!(f, "Suggest({piece})"),
            Self::HaveAll => f.write_str("HaveAll"),
            Self::HaveNone => f.write_str("HaveNone"),
            Self::Reject(block) => write!(f, "Reject({block:?})"),
            Self::AllowedFast { piece } => write!(f, "AllowedFast({piece})"),
            Self::Extended { id, payload } => {
                write!(f, "Extended({id}, \"{}\")", payload.escape_ascii())
            }
            Self::HashRequest(range) => write!(f, "HashRequest({range:?})"),
            Self::Hashes { range, hashes } => {
                write!(f, "Hashes({range:?}, {} octets)", hashes.len())
            }
            Self::HashReject(range) => write!(f, "HashReject({range:?})"),
            Self::Unknown { id, len } => write!(f, "Unknown({id}, {len} octets)"),
        }
    }
}

/// A message that is none. There is no way on: the next one cannot be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a message of kind {id} and {len} octets: {fault}")]
pub struct DecodeError {
    /// The kind of message.
    pub id: u8,
    /// Octets that it claims to have, its kind included.
    pub len: u32,
    /// What is wrong with it.
    pub fault: Fault,
}

/// What is wrong with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// A length that no message of this kind has.
    #[error("no message of this kind has this length")]
    Length,
    /// Longer than the receiver takes.
    #[error("at most {max} octets are taken")]
    TooLong {
        /// The bound.
        max: u32,
    },
}

/// Splits a stream into messages. The verdict on a length falls when the five octets of length and
/// kind are there; a message of an unknown kind is skipped without being kept.
#[derive(Clone, Debug)]
pub struct Decoder {
    max_block: u32,
    max_bitfield: u32,
    max_extended: u32,
    /// Octets of an unknown message that are still to be skipped.
    skip: u32,
}

impl Default for Decoder {
    /// Blocks of 128 KiB, bitfields for 2 097 152 pieces, extended messages of 1 MiB.
    fn default() -> Self {
        Self::new(128 * 1024, 0x20_0000 / 8, 1024 * 1024)
    }
}

impl Decoder {
    /// A decoder with these bounds in octets: of the data of a block, of a bitfield, and of the
    /// payload of extended and of unknown messages.
    #[must_use]
    pub fn new(max_block: u32, max_bitfield: u32, max_extended: u32) -> Self {
        Self {
            max_block,
            max_bitfield,
            max_extended,
            skip: 0,
        }
    }

    /// Bounds the bitfield anew, once the number of pieces is known.
    pub fn set_max_bitfield(&mut self, octets: u32) {
        self.max_bitfield = octets;
    }

    /// Whether the next octet begins a message.
    #[must_use]
    pub fn is_at_boundary(&self) -> bool {
        self.skip == 0
    }

    /// Takes one message from the front of `src`, once it is whole.
    ///
    /// # Errors
    ///
    /// [`DecodeError`]; what follows cannot be read any more.
    pub fn decode(&mut self, src: &mut BytesMut) -> Result<Option<Message>, DecodeError> {
        if self.skip > 0 {
            let now = (self.skip as usize).min(src.len());
            src.advance(now);
            self.skip = self
                .skip
                .saturating_sub(u32::try_from(now).unwrap_or(u32::MAX));
            if self.skip > 0 {
                return Ok(None);
            }
        }
        if let Some((message, len)) = short(src) {
            src.advance(len);
            return Ok(Some(message));
        }
        let Some(len) = src.first_chunk().map(|len| u32::from_be_bytes(*len)) else {
            return Ok(None);
        };
        if len == 0 {
            src.advance(4);
            return Ok(Some(Message::KeepAlive));
        }
        let Some(&id) = src.get(4) else {
            return Ok(None);
        };
        let payload_len = len.saturating_sub(1);
        self.check(id, payload_len)
            .map_err(|fault| DecodeError { id, len, fault })?;
        if !is_known(id) {
            src.advance(5);
            let now = (payload_len as usize).min(src.len());
            src.advance(now);
            self.skip = payload_len.saturating_sub(u32::try_from(now).unwrap_or(u32::MAX));
            return Ok(Some(Message::Unknown {
                id,
                len: payload_len,
            }));
        }
        let whole = (len as usize).saturating_add(4);
        if src.len() < whole {
            // No room is made on the word of a peer: the buffer grows with what comes.
            return Ok(None);
        }
        let message = if whole < ZERO_COPY {
            let payload = src.get(5..whole).unwrap_or_default();
            let message = parse(id, payload, None);
            src.advance(whole);
            message
        } else {
            let frame = src.split_to(whole).freeze();
            parse(id, frame.get(5..).unwrap_or_default(), Some(&frame))
        };
        Ok(message)
    }

    fn check(&self, id: u8, len: u32) -> Result<(), Fault> {
        let at_most = |max: u32| {
            if len <= max {
                Ok(())
            } else {
                Err(Fault::TooLong { max })
            }
        };
        let exactly = |wanted: u32| {
            if len == wanted {
                Ok(())
            } else {
                Err(Fault::Length)
            }
        };
        match id {
            0..=3 | 14 | 15 => exactly(0),
            4 | 13 | 17 => exactly(4),
            5 => at_most(self.max_bitfield),
            6 | 8 | 16 => exactly(12),
            7 if len < 8 => Err(Fault::Length),
            7 => at_most(self.max_block.saturating_add(8)),
            9 => exactly(2),
            20 if len == 0 => Err(Fault::Length),
            21 | 23 => exactly(48),
            22 if len < 48 || !len.saturating_sub(48).is_multiple_of(32) => Err(Fault::Length),
            22 => at_most(
                HashRange::MAX_LENGTH
                    .saturating_add(64)
                    .saturating_mul(32)
                    .saturating_add(48),
            ),
            _ => at_most(self.max_extended),
        }
    }
}

/// What most messages are, without looking at them more than once: a few numbers. The message and
/// its octets, if it is one of those and whole.
#[inline]
fn short(src: &[u8]) -> Option<(Message, usize)> {
    let (&[a, b, c, d, id], rest) = src.split_first_chunk()?;
    let message = match (u32::from_be_bytes([a, b, c, d]), id) {
        (5, 4) => {
            let piece = u32::from_be_bytes(*rest.first_chunk()?);
            return Some((Message::Have { piece }, 9));
        }
        (13, 6 | 8) => {
            let block = block(rest)?;
            let message = if id == 6 {
                Message::Request(block)
            } else {
                Message::Cancel(block)
            };
            return Some((message, 17));
        }
        (1, 0) => Message::Choke,
        (1, 1) => Message::Unchoke,
        (1, 2) => Message::Interested,
        (1, 3) => Message::NotInterested,
        _ => return None,
    };
    Some((message, 5))
}

fn is_known(id: u8) -> bool {
    matches!(id, 0..=9 | 13..=17 | 20..=23)
}

/// The message of a payload whose length was checked; `frame` is what holds it, five octets ahead,
/// where it is worth sharing.
fn parse(id: u8, mut payload: &[u8], frame: Option<&Bytes>) -> Option<Message> {
    let whole = payload.len();
    let rest = |left: &[u8]| {
        let skipped = whole.saturating_sub(left.len());
        frame.map_or_else(
            || Bytes::copy_from_slice(left),
            |frame| frame.slice(skipped.saturating_add(5)..),
        )
    };
    Some(match id {
        0 => Message::Choke,
        1 => Message::Unchoke,
        2 => Message::Interested,
        3 => Message::NotInterested,
        4 => Message::Have {
            piece: payload.try_get_u32().ok()?,
        },
        5 => Message::Bitfield(rest(payload)),
        6 => Message::Request(block(payload)?),
        7 => {
            let piece = payload.try_get_u32().ok()?;
            let begin = payload.try_get_u32().ok()?;
            Message::Piece {
                piece,
                begin,
                data: rest(payload),
            }
        }
        8 => Message::Cancel(block(payload)?),
        9 => Message::Port(payload.try_get_u16().ok()?),
        13 => Message::Suggest {
            piece: payload.try_get_u32().ok()?,
        },
        14 => Message::HaveAll,
        15 => Message::HaveNone,
        16 => Message::Reject(block(payload)?),
        17 => Message::AllowedFast {
            piece: payload.try_get_u32().ok()?,
        },
        20 => {
            let id = payload.try_get_u8().ok()?;
            Message::Extended {
                id,
                payload: rest(payload),
            }
        }
        21 => Message::HashRequest(hash_range(&mut payload)?),
        22 => {
            let range = hash_range(&mut payload)?;
            Message::Hashes {
                range,
                hashes: rest(payload),
            }
        }
        23 => Message::HashReject(hash_range(&mut payload)?),
        _ => return None,
    })
}

fn block(mut payload: &[u8]) -> Option<Block> {
    Some(Block {
        piece: payload.try_get_u32().ok()?,
        begin: payload.try_get_u32().ok()?,
        len: payload.try_get_u32().ok()?,
    })
}

fn hash_range(payload: &mut &[u8]) -> Option<HashRange> {
    let (root, mut rest) = payload.split_at_checked(32)?;
    let range = HashRange {
        root: crate::hash::Sha256Hash::from_slice(root)?,
        base_layer: rest.try_get_u32().ok()?,
        index: rest.try_get_u32().ok()?,
        length: rest.try_get_u32().ok()?,
        proof_layers: rest.try_get_u32().ok()?,
    };
    *payload = rest;
    Some(range)
}

impl Message {
    /// Appends the message to `dst`. [`Unknown`](Self::Unknown) appends nothing: what it held is
    /// gone.
    pub fn encode(&self, dst: &mut BytesMut) {
        match self {
            Self::KeepAlive => dst.put_u32(0),
            Self::Choke => head(dst, 0, 0),
            Self::Unchoke => head(dst, 1, 0),
            Self::Interested => head(dst, 2, 0),
            Self::NotInterested => head(dst, 3, 0),
            Self::Have { piece } => number(dst, 4, *piece),
            Self::Bitfield(bits) => {
                head(dst, 5, bits.len());
                dst.put_slice(bits);
            }
            Self::Request(block) => put_block(dst, 6, *block),
            Self::Piece { piece, begin, data } => {
                dst.reserve(data.len().saturating_add(13));
                dst.put_slice(&Self::piece_head(*piece, *begin, data.len()));
                dst.put_slice(data);
            }
            Self::Cancel(block) => put_block(dst, 8, *block),
            Self::Port(port) => {
                head(dst, 9, 2);
                dst.put_u16(*port);
            }
            Self::Suggest { piece } => number(dst, 13, *piece),
            Self::HaveAll => head(dst, 14, 0),
            Self::HaveNone => head(dst, 15, 0),
            Self::Reject(block) => put_block(dst, 16, *block),
            Self::AllowedFast { piece } => number(dst, 17, *piece),
            Self::Extended { id, payload } => {
                head(dst, 20, payload.len().saturating_add(1));
                dst.put_u8(*id);
                dst.put_slice(payload);
            }
            Self::HashRequest(range) => put_range(dst, 21, range, &[]),
            Self::Hashes { range, hashes } => put_range(dst, 22, range, hashes),
            Self::HashReject(range) => put_range(dst, 23, range, &[]),
            Self::Unknown { .. } => {}
        }
    }

    /// What stands before the data of a block, so that the data itself need not be copied.
    #[must_use]
    pub fn piece_head(piece: u32, begin: u32, len: usize) -> [u8; 13] {
        let mut octets = [0; 13];
        let mut dst = &mut octets[..];
        dst.put_u32(u32::try_from(len).unwrap_or(u32::MAX).saturating_add(9));
        dst.put_u8(7);
        dst.put_u32(piece);
        dst.put_u32(begin);
        octets
    }
}

/// Length and kind of a message with so many octets behind them.
fn head_octets(id: u8, payload: usize) -> [u8; 5] {
    let len = u32::try_from(payload).unwrap_or(u32::MAX).saturating_add(1);
    let [a, b, c, d] = len.to_be_bytes();
    [a, b, c, d, id]
}

fn head(dst: &mut BytesMut, id: u8, payload: usize) {
    dst.reserve(payload.saturating_add(5));
    dst.put_slice(&head_octets(id, payload));
}

/// A short message in one piece: its numbers behind its head.
fn numbers<const COUNT: usize, const LEN: usize>(dst: &mut BytesMut, id: u8, all: [u32; COUNT]) {
    let mut octets = [0; LEN];
    let (front, rest) = octets.split_at_mut(5.min(LEN));
    front.copy_from_slice(&head_octets(id, LEN.saturating_sub(5)));
    for (place, number) in rest.chunks_exact_mut(4).zip(all) {
        place.copy_from_slice(&number.to_be_bytes());
    }
    dst.put_slice(&octets);
}

fn number(dst: &mut BytesMut, id: u8, number: u32) {
    numbers::<1, 9>(dst, id, [number]);
}

fn put_block(dst: &mut BytesMut, id: u8, block: Block) {
    numbers::<3, 17>(dst, id, [block.piece, block.begin, block.len]);
}

fn put_range(dst: &mut BytesMut, id: u8, range: &HashRange, hashes: &[u8]) {
    head(dst, id, hashes.len().saturating_add(48));
    dst.put_slice(&range.root.0);
    dst.put_u32(range.base_layer);
    dst.put_u32(range.index);
    dst.put_u32(range.length);
    dst.put_u32(range.proof_layers);
    dst.put_slice(hashes);
}
