//! Peers on the virtual network: a torrent goes from a seed to leeches that know no more than its
//! hash, over wires that lose, tear and break.

#![cfg(all(feature = "bittorrent", feature = "sim"))]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use bytes::Bytes;
use core::cell::Cell;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use netio::sim::{
    HostConfig, HostId, Net, NodeId, PathConfig, StreamApp, StreamConfig, StreamNode, StreamServer,
};
use proto_bittorrent::Limits;
use proto_bittorrent::hash::{PeerId, Sha1Hash};
use proto_bittorrent::metainfo::{self, Draft, Metainfo, Versions};
use proto_bittorrent::peer::{Bitfield, Config, Connection, Error, Event, Pieces, Torrent};
use proto_bittorrent::wire::{Block, METADATA_PIECE_LEN};
use std::collections::BTreeSet;
use std::rc::Rc;

const PIECE_LEN: u32 = 32 * 1024;
const BLOCK_LEN: u32 = 16 * 1024;
/// Requests under way at a time.
const AT_ONCE: usize = 8;

fn content(len: usize) -> Bytes {
    (0..len).map(|at| (at * 7 % 251) as u8).collect()
}

fn torrent(content: &[u8]) -> Metainfo {
    let mut draft = Draft::new("shared.bin", PIECE_LEN, Versions::Hybrid).unwrap();
    let mut file = draft.file(&[], content.len() as u64).unwrap();
    file.update(content);
    file.finish().unwrap();
    Metainfo::parse(draft.finish().unwrap(), &metainfo::Limits::default()).unwrap()
}

/// Gives what it is asked for.
struct Seed {
    torrent: Torrent,
    info: Bytes,
    content: Bytes,
}

impl StreamApp<Connection> for Seed {
    fn on_event(&mut self, _: Duration, machine: &mut Connection, event: Event) {
        match event {
            Event::Incoming { ask, .. } => {
                machine.accept(ask, self.torrent.clone()).unwrap();
                let count = self.torrent.pieces.unwrap().count;
                let mut all = Bitfield::new(count);
                (0..count).for_each(|piece| all.set(piece, true));
                machine.tell_pieces(&all).unwrap();
            }
            Event::Interested => machine.unchoke().unwrap(),
            Event::MetadataRequest { piece } => machine.send_metadata(piece, &self.info).unwrap(),
            Event::Request { block } => {
                let at = block.piece as usize * PIECE_LEN as usize + block.begin as usize;
                let data = self.content.slice(at..at + block.len as usize);
                machine.send_block(block, data).unwrap();
            }
            _ => {}
        }
    }
}

/// Knows a hash; wants all that it stands for.
#[derive(Default)]
struct Leech {
    metadata: Vec<Option<Bytes>>,
    torrent: Option<Metainfo>,
    wanted: Vec<Block>,
    open: BTreeSet<Block>,
    content: Vec<u8>,
    missing: usize,
    failed: usize,
    done_at: Option<Duration>,
    error: Option<Error>,
}

impl Leech {
    fn learn(&mut self, machine: &mut Connection) {
        let info: Vec<u8> = self.metadata.iter().flatten().flatten().copied().collect();
        let len = info.len() as u32;
        let torrent = Metainfo::parse_info(info, &metainfo::Limits::default()).unwrap();
        let (count, len_of_piece) = (torrent.piece_count(), torrent.piece_len());
        let pieces = Pieces {
            count,
            len: len_of_piece,
        };
        machine.learn(pieces, len);
        machine.interested().unwrap();
        for piece in (0..count).rev() {
            let end = torrent.len_of_piece(piece);
            let blocks = (0..end).step_by(BLOCK_LEN as usize);
            self.wanted
                .extend(blocks.map(|at| Block::new(piece, at, BLOCK_LEN.min(end - at))));
        }
        self.missing = self.wanted.len();
        self.content = vec![0; torrent.total_len() as usize];
        self.torrent = Some(torrent);
    }
}

impl StreamApp<Connection> for Leech {
    fn on_event(&mut self, now: Duration, machine: &mut Connection, event: Event) {
        match event {
            Event::Extended(told) => {
                let count = told.metadata_len.unwrap().div_ceil(METADATA_PIECE_LEN);
                self.metadata = vec![None; count as usize];
                (0..count).for_each(|piece| machine.request_metadata(piece).unwrap());
            }
            Event::Metadata { piece, data, .. } => {
                self.metadata[piece as usize] = Some(data);
                if self.metadata.iter().all(Option::is_some) {
                    self.learn(machine);
                }
            }
            Event::Block { block, data } => {
                assert!(self.open.remove(&block));
                let at = block.piece as usize * PIECE_LEN as usize + block.begin as usize;
                self.content[at..at + data.len()].copy_from_slice(&data);
                self.missing -= 1;
                if self.missing == 0 {
                    self.done_at = Some(now);
                    machine.close();
                }
            }
            Event::RequestFailed { block, .. } => {
                assert!(self.open.remove(&block));
                self.failed += 1;
            }
            _ => {}
        }
        while !machine.is_choked() && self.open.len() < AT_ONCE {
            let Some(block) = self.wanted.pop() else {
                return;
            };
            // The connection may be over.
            if machine.request(block).is_err() {
                return self.wanted.push(block);
            }
            self.open.insert(block);
        }
    }

    fn on_error(&mut self, _: Duration, _: &mut Connection, error: Error) {
        self.error = Some(error);
    }
}

struct Swarm {
    net: Net,
    content: Bytes,
    seed: HostId,
    leeches: Vec<NodeId>,
}

/// A seed, and so many leeches that connect to it.
fn swarm(seed: u64, stream: &StreamConfig, leeches: u8, len: usize) -> Swarm {
    let content = content(len);
    let torrent = torrent(&content);
    let mut net = Net::new(seed);
    let mut path = PathConfig::default();
    path.stream = stream.clone();
    net.set_default_path(path);
    let capacity = HostConfig::rates(1_000_000, 1_000_000);
    let here = net.add_host("seed", &capacity, [IpAddr::from([10, 0, 0, 1])]);
    let (shared, numbers) = (content.clone(), Rc::new(Cell::new(0)));
    let (known, info) = (Torrent::of(&torrent), torrent.info());
    let accept = move |now, _: SocketAddr, _: [u8; 32]| {
        numbers.set(numbers.get() + 1);
        let config = Config::new(PeerId([1; 20]));
        let machine = Connection::incoming(now, config, Limits::default(), numbers.get());
        let app = Seed {
            torrent: known.clone(),
            info: info.clone(),
            content: shared.clone(),
        };
        (machine, app)
    };
    net.add_node(here, "seed", StreamServer::new(6881, accept));
    let connect = |number: u8| {
        let address = IpAddr::from([10, 0, 1, number]);
        let there = net.add_host(&format!("leech{number}"), &capacity, [address]);
        let machine = Connection::outgoing(
            net.now(),
            Config::new(PeerId([2 + number; 20])),
            Limits::default(),
            Torrent::new(torrent.swarm_hash()),
        );
        let to = SocketAddr::from(([10, 0, 0, 1], 6881));
        let node = StreamNode::connect(to, machine, Leech::default());
        net.add_node(there, &format!("leech{number}"), node)
    };
    let leeches = (0..leeches).map(connect).collect();
    Swarm {
        net,
        content,
        seed: here,
        leeches,
    }
}

fn leech(swarm: &Swarm, number: usize) -> &StreamNode<Connection, Leech> {
    swarm.net.node(swarm.leeches[number]).unwrap()
}

fn check(swarm: &Swarm, number: usize) {
    let app = leech(swarm, number).app();
    assert_eq!(app.error, None);
    assert!(app.done_at.is_some(), "{} are missing", app.missing);
    assert!(app.content == swarm.content, "another file");
    let torrent = app.torrent.as_ref().unwrap();
    for piece in 0..torrent.piece_count() {
        let at = piece as usize * PIECE_LEN as usize;
        let octets = &app.content[at..at + torrent.len_of_piece(piece) as usize];
        assert_eq!(torrent.piece_hash(piece), Some(Sha1Hash::of(octets)));
    }
    assert_eq!(app.failed, 0);
    assert!(leech(swarm, number).is_done());
}

#[test]
fn a_torrent_is_fetched_whole_over_every_wire() {
    for seed in 0..3 {
        let mut lossy = StreamConfig::default();
        lossy.loss = 30_000;
        let mut torn = StreamConfig::torn();
        torn.loss = 20_000;
        torn.latency = Duration::from_millis(1);
        for (stream, len) in [
            (StreamConfig::default(), 300_000),
            (lossy, 300_000),
            (torn, 70_000),
        ] {
            let mut swarm = swarm(seed, &stream, 3, len);
            swarm.net.run_until(Duration::from_secs(3600)).unwrap();
            (0..3).for_each(|number| check(&swarm, number));
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_swarm_bit_for_bit() {
    let run = |seed| {
        let mut stream = StreamConfig::torn();
        stream.loss = 20_000;
        let mut swarm = swarm(seed, &stream, 2, 40_000);
        swarm.net.keep_transcript();
        swarm.net.run_until(Duration::from_secs(3600)).unwrap();
        check(&swarm, 0);
        swarm.net.transcript().unwrap().to_string()
    };
    assert!(run(1) == run(1), "the same seed");
    assert!(run(1) != run(2), "another seed");
}

#[test]
fn requests_keep_a_long_wire_full() {
    // 1 MB/s and 100 ms there and back: one block at a time would make 160 kB/s of it.
    let mut stream = StreamConfig::default();
    stream.latency = Duration::from_millis(50);
    stream.send_buffer = 256 * 1024;
    stream.receive_buffer = 256 * 1024;
    let mut swarm = swarm(1, &stream, 1, 4_000_000);
    swarm.net.run_until(Duration::from_secs(3600)).unwrap();
    check(&swarm, 0);
    let took = leech(&swarm, 0).app().done_at.unwrap();
    assert!(took < Duration::from_millis(5500), "{took:?}");
}

#[test]
fn a_seed_that_dies_ends_every_request_once() {
    let mut swarm = swarm(1, &StreamConfig::default(), 2, 4_000_000);
    swarm.net.fail_at(Duration::from_secs(2), swarm.seed);
    swarm.net.run_until(Duration::from_secs(3600)).unwrap();
    for number in 0..2 {
        let node = leech(&swarm, number);
        let app = node.app();
        assert!(app.done_at.is_none() && app.missing > 0);
        assert!(app.failed > 0, "requests were under way");
        assert!(app.open.is_empty(), "no final event: {:?}", app.open);
        assert!(node.is_done());
    }
}
