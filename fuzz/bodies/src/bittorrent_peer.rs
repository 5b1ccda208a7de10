//! A connection of peers by scripts.

use crate::cuts::Take;
use crate::script::{self, StreamApp};
use bytes::{Bytes, BytesMut};
use core::time::Duration;
use proto_bittorrent::Limits;
use proto_bittorrent::hash::{PeerId, Sha1Hash};
use proto_bittorrent::peer::{self, Bitfield, Config, Connection, Event, Pieces, Torrent};
use proto_bittorrent::wire::{
    Block, ExtendedHandshake, Handshake, HashRange, Message, MetadataMessage, Pex, Reserved,
};
use std::collections::BTreeMap;

const PIECES: u32 = 6;
const PIECE_LEN: u32 = 300;

fn torrent(steer: u8) -> Torrent {
    let mut torrent = Torrent::new(Sha1Hash([1; 20]));
    if steer & 1 == 0 {
        torrent.pieces = Some(Pieces {
            count: PIECES,
            len: PIECE_LEN,
        });
        torrent.metadata_len = Some(20_000);
    }
    torrent.is_private = steer & 2 != 0;
    torrent
}

/// Both sides of a connection of peers.
pub fn bt_peer_script(data: &[u8]) {
    let mut script = Take::new(data);
    let steer = script.u8();
    let mut limits = Limits::default();
    limits.max_requests_in = 1 + usize::from(steer % 8);
    limits.max_requests_out = 1 + usize::from(steer / 8 % 8);
    limits.max_side_requests = 2;
    limits.max_unsolicited = 3;
    limits.max_queued_output = 200;
    let mut config = Config::new(PeerId([2; 20]));
    config.fast = steer & 0x40 == 0;
    config.extensions.push(("x".into(), 16));
    let now = Duration::from_secs(1);
    let machine = if steer & 0x80 == 0 {
        Connection::outgoing(now, config, limits, torrent(steer))
    } else {
        Connection::incoming(now, config, limits, 1)
    };
    let app = Peer {
        steer,
        ..Peer::default()
    };
    script::run_stream(app, machine, &mut script);
}

#[derive(Default)]
struct Peer {
    steer: u8,
    ask: Option<peer::Ask>,
    /// How many requests of each block have no final event.
    open: BTreeMap<Block, u32>,
    metadata: BTreeMap<u32, u32>,
    hashes: BTreeMap<HashRange, u32>,
    questions: Vec<Block>,
    sides: Vec<u32>,
    ranges: Vec<HashRange>,
    peer_closed: bool,
}

fn end<K: Ord + core::fmt::Debug>(open: &mut BTreeMap<K, u32>, key: K) {
    let count = open.get_mut(&key).expect("something that was asked for");
    *count = count.checked_sub(1).expect("one final event for each");
}

fn block(input: &mut Take<'_>) -> Block {
    let choice = input.u8();
    Block::new(
        u32::from(choice % 8),
        u32::from(choice / 8 % 4) * 100,
        1 + u32::from(choice / 32) * 50,
    )
}

fn range(input: &mut Take<'_>) -> HashRange {
    HashRange {
        root: Default::default(),
        base_layer: 0,
        index: u32::from(input.u8() % 4),
        length: 2,
        proof_layers: 0,
    }
}

impl StreamApp for Peer {
    type Machine = Connection;

    fn event(&mut self, machine: &mut Connection, _: Duration, event: Event, input: &mut Take<'_>) {
        assert!(!self.peer_closed, "{event:?} after the end");
        match event {
            Event::Incoming { ask, .. } => {
                assert!(self.ask.is_none());
                self.ask = Some(ask);
            }
            Event::Block { block, data } => {
                assert_eq!(data.len(), block.len as usize);
                end(&mut self.open, block);
            }
            Event::RequestFailed { block, .. } => end(&mut self.open, block),
            Event::Metadata { piece, .. } | Event::MetadataFailed { piece, .. } => {
                end(&mut self.metadata, piece);
            }
            Event::Hashes { range, .. } | Event::HashesFailed { range, .. } => {
                end(&mut self.hashes, range);
            }
            Event::Request { block } => {
                if input.bool() {
                    let data = Bytes::from(vec![7; block.len as usize]);
                    let _ = machine.send_block(block, data);
                } else {
                    self.questions.push(block);
                }
            }
            Event::MetadataRequest { piece } => self.sides.push(piece),
            Event::HashRequest { range } => self.ranges.push(range),
            Event::PeerClosed => self.peer_closed = true,
            _ => {}
        }
    }

    fn command(&mut self, machine: &mut Connection, _: Duration, input: &mut Take<'_>) {
        let _ = match input.u8() % 20 {
            0 => machine.choke(),
            1 => machine.unchoke(),
            2 => machine.interested(),
            3 => machine.not_interested(),
            4 => {
                let mut pieces = Bitfield::new(PIECES);
                pieces.set(u32::from(input.u8() % 8), true);
                machine.tell_pieces(&pieces)
            }
            5 => machine.have(u32::from(input.u8() % 8)),
            6 | 7 => {
                let block = block(input);
                machine.request(block).map(|()| {
                    *self.open.entry(block).or_default() += 1;
                })
            }
            8 => machine.cancel(block(input)),
            9 => match self.questions.pop() {
                Some(block) => machine.send_block(block, vec![7; block.len as usize].into()),
                None => machine.reject_request(block(input)),
            },
            10 => match self.questions.pop() {
                Some(block) => machine.reject_request(block),
                None => machine.suggest(1),
            },
            11 => machine.allow_fast(u32::from(input.u8() % 8)),
            12 => {
                let piece = u32::from(input.u8() % 3);
                machine.request_metadata(piece).map(|()| {
                    *self.metadata.entry(piece).or_default() += 1;
                })
            }
            13 => match self.sides.pop() {
                Some(piece) => machine.send_metadata(piece, &vec![1; 20_000].into()),
                None => machine.reject_metadata(0),
            },
            14 => {
                let range = range(input);
                machine.request_hashes(range).map(|()| {
                    *self.hashes.entry(range).or_default() += 1;
                })
            }
            15 => match self.ranges.pop() {
                Some(range) if input.bool() => machine.send_hashes(range, vec![0; 64].into()),
                Some(range) => machine.reject_hashes(range),
                None => Ok(()),
            },
            16 => machine.send_pex(&Pex::new()),
            17 => machine.send_extension(16, b"hello"[..].into()),
            18 => {
                let pieces = Pieces {
                    count: PIECES,
                    len: PIECE_LEN,
                };
                machine.learn(pieces, 20_000);
                Ok(())
            }
            _ => match self.ask.take() {
                Some(ask) if input.bool() => machine.accept(ask, torrent(self.steer)),
                Some(ask) => machine.reject(ask),
                None => machine.dont_have(1),
            },
        };
    }

    fn phrase(&mut self, input: &mut Take<'_>) -> Vec<u8> {
        let mut wire = BytesMut::new();
        let message = match input.u8() % 24 {
            0 | 1 => {
                Handshake {
                    reserved: if input.bool() {
                        Reserved::default().with_fast().with_extended()
                    } else {
                        Reserved::default()
                    },
                    info_hash: Sha1Hash([1; 20]),
                    peer_id: PeerId([9; 20]),
                }
                .encode(&mut wire);
                return wire.to_vec();
            }
            2 => Message::Choke,
            3 | 4 => Message::Unchoke,
            5 => Message::Interested,
            6 => Message::Have {
                piece: u32::from(input.u8() % 8),
            },
            7 => Message::Bitfield(Bytes::copy_from_slice(&[input.u8()])),
            8 => Message::HaveAll,
            9 | 10 => Message::Request(block(input)),
            11 | 12 => {
                let block = block(input);
                Message::Piece {
                    piece: block.piece,
                    begin: block.begin,
                    data: vec![7; block.len as usize].into(),
                }
            }
            13 => Message::Cancel(block(input)),
            14 => Message::Reject(block(input)),
            15 => Message::AllowedFast {
                piece: u32::from(input.u8() % 8),
            },
            16 => {
                let mut told = ExtendedHandshake::default();
                for (name, id) in [
                    ("ut_metadata", 5),
                    ("ut_pex", 6),
                    ("lt_donthave", 7),
                    ("x", 8),
                ] {
                    told.extensions
                        .push((name.into(), if input.bool() { id } else { 0 }));
                }
                let payload = told.encode().into();
                Message::Extended { id: 0, payload }
            }
            17 => {
                let piece = u32::from(input.u8() % 3);
                let message = match input.u8() % 3 {
                    0 => MetadataMessage::Request { piece },
                    1 => MetadataMessage::Reject { piece },
                    _ => MetadataMessage::Data {
                        piece,
                        total_len: 20_000,
                        data: b"data"[..].into(),
                    },
                };
                let payload = message.encode().into();
                Message::Extended { id: 2, payload }
            }
            18 => Message::HashRequest(range(input)),
            19 => Message::Hashes {
                range: range(input),
                hashes: vec![0; 64].into(),
            },
            20 => Message::HashReject(range(input)),
            21 => Message::Extended {
                id: input.u8() % 20,
                payload: Bytes::copy_from_slice(input.short()),
            },
            22 => Message::KeepAlive,
            _ => Message::NotInterested,
        };
        message.encode(&mut wire);
        wire.to_vec()
    }

    fn settle(&mut self, machine: &mut Connection, _: Duration) {
        if let Some(ask) = self.ask.take() {
            let _ = machine.reject(ask);
        }
    }

    fn check(&self, machine: &Connection) {
        let open: u32 = self.open.values().sum();
        // Final events that were not handed out yet are still to come.
        assert!(machine.open_requests().len() <= open as usize);
        assert!(machine.peer_pieces().count() <= machine.peer_pieces().len());
    }

    fn finish(self, _: &Connection) {
        assert!(
            self.open.values().all(|count| *count == 0),
            "{:?}",
            self.open
        );
        assert!(self.metadata.values().all(|count| *count == 0));
        assert!(self.hashes.values().all(|count| *count == 0));
    }

    fn most_pending(&self, machine: &Connection) -> usize {
        machine.limits().max_extended_len as usize + 10
    }
}
