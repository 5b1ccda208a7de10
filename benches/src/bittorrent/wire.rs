//! The peer wire: streams of blocks, of requests, of haves, as they come from a socket.

use super::Ours;
#[cfg(feature = "bittorrent-peers")]
use super::Rqbit;
use crate::{Case, Job};
use bytes::{Bytes, BytesMut};
use proto_bittorrent::wire::{Block, Decoder, Message};

/// What a driver reads at a time.
const CHUNK: usize = 64 * 1024;
const BLOCK: usize = 16 * 1024;

/// What a stream holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Blocks of 16 KiB.
    Blocks,
    /// Requests for such blocks.
    Requests,
    /// Pieces that were completed.
    Haves,
}

/// A stream of messages of one kind.
#[derive(Clone, Debug)]
pub struct Traffic {
    kind: Kind,
    /// Piece, first octet, length.
    messages: Vec<(u32, u32, usize)>,
    data: Bytes,
    octets: Vec<u8>,
}

impl Traffic {
    /// What it holds.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Piece, first octet and length of each message.
    #[must_use]
    pub fn messages(&self) -> &[(u32, u32, usize)] {
        &self.messages
    }

    /// What each block holds.
    #[must_use]
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// The stream.
    #[must_use]
    pub fn octets(&self) -> &[u8] {
        &self.octets
    }

    fn message(&self, (piece, begin, len): (u32, u32, usize)) -> Message {
        match self.kind {
            Kind::Blocks => Message::Piece {
                piece,
                begin,
                data: self.data.slice(..len),
            },
            Kind::Requests => {
                let len = u32::try_from(len).unwrap_or(u32::MAX);
                Message::Request(Block::new(piece, begin, len))
            }
            Kind::Haves => Message::Have { piece },
        }
    }
}

/// A stream of so many messages.
#[must_use]
pub fn traffic(kind: Kind, count: u32) -> Traffic {
    let begin = |index: u32| index % 16 * 16 * 1024;
    let messages = (0..count).map(|index| (index / 16, begin(index), BLOCK));
    let mut traffic = Traffic {
        kind,
        messages: messages.collect(),
        data: (0..=250).cycle().take(BLOCK).collect(),
        octets: Vec::new(),
    };
    let mut octets = BytesMut::new();
    for &message in &traffic.messages {
        traffic.message(message).encode(&mut octets);
    }
    traffic.octets = octets.into();
    traffic
}

/// What is told of a stream.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sum(u64);

impl Sum {
    /// Counts a block or a request.
    pub fn block(&mut self, piece: u32, begin: u32, len: usize) {
        let len = u64::try_from(len).unwrap_or(u64::MAX);
        self.0 = self
            .0
            .wrapping_add(u64::from(piece) + u64::from(begin) + len);
    }

    /// Counts a piece.
    pub fn have(&mut self, piece: u32) {
        self.0 = self.0.wrapping_add(u64::from(piece) + 1);
    }
}

/// A library that reads and writes the messages of peers.
pub trait Peer: 'static {
    /// Its name and version.
    const NAME: &'static str;
    /// What it reads with, its buffer included.
    type Reader: 'static;
    /// What it writes into.
    type Buffer: Default + 'static;

    /// A reader with an empty buffer.
    fn reader() -> Self::Reader;

    /// Takes what came from a socket, and tells all messages that are whole.
    fn read(reader: &mut Self::Reader, data: &[u8], sum: &mut Sum);

    /// Writes all messages, blocks included, into a buffer that is used again; gives the length.
    fn write(traffic: &Traffic, buffer: &mut Self::Buffer) -> usize;
}

impl Peer for Ours {
    const NAME: &'static str = "proto-bittorrent";
    type Reader = (Decoder, BytesMut);
    type Buffer = BytesMut;

    fn reader() -> Self::Reader {
        Self::Reader::default()
    }

    fn read((decoder, input): &mut Self::Reader, data: &[u8], sum: &mut Sum) {
        input.extend_from_slice(data);
        while let Some(message) = decoder.decode(input).expect("whole messages") {
            match message {
                Message::Piece { piece, begin, data } => sum.block(piece, begin, data.len()),
                Message::Request(block) => {
                    sum.block(block.piece, block.begin, block.len as usize);
                }
                Message::Have { piece } => sum.have(piece),
                _ => {}
            }
        }
    }

    fn write(traffic: &Traffic, buffer: &mut BytesMut) -> usize {
        buffer.clear();
        for &message in traffic.messages() {
            traffic.message(message).encode(buffer);
        }
        buffer.len()
    }
}

fn read_job<P: Peer>(traffic: &Traffic) -> (&'static str, Job) {
    let octets = traffic.octets().to_vec();
    let mut reader = P::reader();
    let read = move || {
        let mut sum = Sum::default();
        for chunk in octets.chunks(CHUNK) {
            P::read(&mut reader, chunk, &mut sum);
        }
        sum.0
    };
    (P::NAME, Box::new(read))
}

fn write_job<P: Peer>(traffic: &Traffic) -> (&'static str, Job) {
    let traffic = traffic.clone();
    let mut buffer = P::Buffer::default();
    let write = move || u64::try_from(P::write(&traffic, &mut buffer)).unwrap_or(0);
    (P::NAME, Box::new(write))
}

#[cfg_attr(
    not(feature = "bittorrent-peers"),
    allow(unused_mut, reason = "nobody is added")
)]
pub(super) fn cases(scale: u32) -> Vec<Case> {
    let mut cases = Vec::new();
    for (kind, count, name) in [
        (Kind::Blocks, scale, "blocks of 16 KiB"),
        (Kind::Requests, scale * 16, "requests"),
        (Kind::Haves, scale * 16, "haves"),
    ] {
        let traffic = traffic(kind, count);
        let mut readers = vec![read_job::<Ours>(&traffic)];
        let mut writers = vec![write_job::<Ours>(&traffic)];
        #[cfg(feature = "bittorrent-peers")]
        {
            readers.push(read_job::<Rqbit>(&traffic));
            writers.push(write_job::<Rqbit>(&traffic));
        }
        for (group, jobs) in [("peer wire read", readers), ("peer wire write", writers)] {
            cases.push(Case {
                group,
                name: format!("{count} {name}"),
                octets: u64::try_from(traffic.octets().len()).ok(),
                jobs,
                is_comparable: true,
            });
        }
    }
    cases.sort_by_key(|case| case.group);
    cases
}
