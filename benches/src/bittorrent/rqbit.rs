//! `librqbit-bencode`, `librqbit-core` and `librqbit-peer-protocol`.

use super::wire::{Peer, Sum};
use super::{Bencode, Digest, Torrents};
use bytes::Bytes;
use librqbit_bencode::{BencodeValueBorrowed, dyn_from_bytes, from_bytes};
use librqbit_buffers::ByteBuf;
use librqbit_core::torrent_metainfo::TorrentMetaV1Borrowed;
use librqbit_peer_protocol::extended::PeerExtendedMessageIds;
use librqbit_peer_protocol::{Message, MessageDeserializeError, Piece, Request};

/// librqbit, whose values borrow from the document.
#[derive(Debug)]
pub struct Rqbit;

fn add(digest: &mut Digest, value: &BencodeValueBorrowed<'_>) {
    match value {
        BencodeValueBorrowed::Integer(value) => digest.int(*value),
        BencodeValueBorrowed::Bytes(value) => digest.len(value.as_ref().len()),
        BencodeValueBorrowed::List(items) => {
            digest.container();
            items.iter().for_each(|item| add(digest, item));
        }
        BencodeValueBorrowed::Dict(entries) => {
            digest.container();
            for (key, item) in entries {
                digest.len(key.as_ref().len());
                add(digest, item);
            }
        }
    }
}

impl Bencode for Rqbit {
    const NAME: &'static str = "librqbit-bencode 9.1.0";

    fn parse(octets: &[u8]) -> Option<u64> {
        match dyn_from_bytes::<ByteBuf<'_>>(octets).ok()? {
            BencodeValueBorrowed::Dict(entries) => u64::try_from(entries.len()).ok(),
            _ => None,
        }
    }

    fn read(octets: &[u8]) -> Option<u64> {
        let value = dyn_from_bytes::<ByteBuf<'_>>(octets).ok()?;
        let mut digest = Digest::default();
        add(&mut digest, &value);
        Some(digest.0)
    }
}

impl Torrents for Rqbit {
    const NAME: &'static str = "librqbit-core 9.1.0";

    fn load(octets: &Bytes) -> Option<u64> {
        let torrent: TorrentMetaV1Borrowed<'_> = from_bytes(octets).ok()?;
        let info = &torrent.info.data;
        let is_pad = |attr: &Option<ByteBuf<'_>>| {
            attr.as_ref()
                .is_some_and(|attr| attr.as_ref().contains(&b'p'))
        };
        let files = info.files.iter().flatten();
        let files: u64 = files
            .filter(|file| !is_pad(&file.attr))
            .map(|file| file.length)
            .sum();
        let pieces = u64::try_from(info.pieces.as_ref().len()).ok()?;
        Some(
            info.length
                .unwrap_or(0)
                .wrapping_add(files)
                .wrapping_add(pieces),
        )
    }
}

/// A ring, as librqbit reads into: what wraps around is handed on in two parts.
#[derive(Debug)]
pub struct Ring {
    octets: Vec<u8>,
    at: usize,
    len: usize,
}

impl Ring {
    fn push(&mut self, data: &[u8]) {
        let size = self.octets.len();
        let end = (self.at + self.len) % size;
        let (first, second) = data.split_at(data.len().min(size - end));
        self.octets[end..end + first.len()].copy_from_slice(first);
        self.octets[..second.len()].copy_from_slice(second);
        self.len += data.len();
    }

    fn parts(&self) -> (&[u8], &[u8]) {
        let size = self.octets.len();
        let first = self.len.min(size - self.at);
        (
            &self.octets[self.at..self.at + first],
            &self.octets[..self.len - first],
        )
    }

    fn skip(&mut self, len: usize) {
        self.at = (self.at + len) % self.octets.len();
        self.len -= len;
    }
}

impl Peer for Rqbit {
    const NAME: &'static str = "librqbit-peer-protocol 9.1.0";
    type Reader = Ring;
    type Buffer = Vec<u8>;

    fn reader() -> Ring {
        Ring {
            octets: vec![0; 256 * 1024],
            at: 0,
            len: 0,
        }
    }

    fn read(ring: &mut Ring, data: &[u8], sum: &mut Sum) {
        ring.push(data);
        loop {
            let (first, second) = ring.parts();
            let used = match Message::deserialize(first, second) {
                Ok((message, used)) => {
                    match message {
                        Message::Piece(piece) => {
                            let (first, second) = piece.data();
                            sum.block(piece.index, piece.begin, first.len() + second.len());
                        }
                        Message::Request(request) => {
                            sum.block(request.index, request.begin, request.length as usize);
                        }
                        Message::Have(piece) => sum.have(piece),
                        _ => {}
                    }
                    used
                }
                Err(MessageDeserializeError::NotEnoughData(..)) => return,
                Err(error) => panic!("{error}"),
            };
            ring.skip(used);
        }
    }

    fn write(traffic: &super::Traffic, buffer: &mut Vec<u8>) -> usize {
        buffer.resize(traffic.octets().len(), 0);
        let ids: &dyn Fn() -> PeerExtendedMessageIds = &PeerExtendedMessageIds::default;
        let mut at = 0;
        for &(piece, begin, len) in traffic.messages() {
            let message = match traffic.kind() {
                super::wire::Kind::Blocks => {
                    Message::Piece(Piece::from_data(piece, begin, &traffic.data()[..len]))
                }
                super::wire::Kind::Requests => {
                    let len = u32::try_from(len).expect("a short block");
                    Message::Request(Request::new(piece, begin, len))
                }
                super::wire::Kind::Haves => Message::Have(piece),
            };
            at += message.serialize(&mut buffer[at..], ids).expect("room");
        }
        at
    }
}
