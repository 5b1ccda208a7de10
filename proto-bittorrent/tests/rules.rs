//! The rules of the convention, each for every machine that it concerns.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod common;

use bytes::{Bytes, BytesMut};
use common::content;
use core::net::SocketAddr;
use core::time::Duration;
use netio::shape::LocalId;
use netio::sim::Rng;
use netio::sim::kit::{
    DatagramKit, DatagramScenario, DatagramStep, Incoming, Log, Reply, Sent, Step, StreamKit,
    StreamScenario, r4_flood,
};
use proto_bittorrent::Limits;
use proto_bittorrent::hash::{PeerId, Sha1Hash};
use proto_bittorrent::peer::{self, Bitfield, Config, Connection, Event, Pieces, Torrent};
use proto_bittorrent::stream::Transmit;
use proto_bittorrent::tracker::{Announce, QueryId, Store, StoreLimits, http, udp};
use proto_bittorrent::wire::{
    Block, Decoder, ExtendedHandshake, Handshake, HashRange, Message, MetadataMessage, Pex,
    Reserved,
};
use std::collections::{BTreeMap, VecDeque};
use std::sync::LazyLock;

const PIECE: u32 = 32 * 1024;
const PIECES: u32 = 4;

static FILE: LazyLock<Bytes> = LazyLock::new(|| content((PIECE * PIECES) as usize).into());
static INFO: LazyLock<Bytes> = LazyLock::new(|| content(20_000).into());

fn heap(run: &mut dyn FnMut()) -> usize {
    allocation_counter::measure(run).bytes_max as usize
}

fn torrent() -> Torrent {
    let mut torrent = Torrent::new(Sha1Hash::of(&INFO));
    torrent.pieces = Some(Pieces {
        count: PIECES,
        len: PIECE,
    });
    torrent.metadata_len = Some(INFO.len() as u32);
    torrent
}

fn config(id: u8) -> Config {
    let mut config = Config::new(PeerId([id; 20]));
    config.client = Some("test".into());
    config
}

fn data(block: Block) -> Bytes {
    let at = (block.piece * PIECE + block.begin) as usize;
    FILE.slice(at..at + block.len as usize)
}

fn greeting(id: u8) -> BytesMut {
    let mut wire = BytesMut::new();
    Handshake {
        reserved: Reserved::default().with_fast().with_extended(),
        info_hash: torrent().info_hash,
        peer_id: PeerId([id; 20]),
    }
    .encode(&mut wire);
    let mut extended = ExtendedHandshake::default();
    extended.extensions = vec![("ut_metadata".into(), 9), ("ut_pex".into(), 8)];
    extended.metadata_len = Some(INFO.len() as u32);
    say(
        &mut wire,
        &Message::Extended {
            id: 0,
            payload: extended.encode().into(),
        },
    );
    wire
}

fn say(wire: &mut BytesMut, message: &Message) {
    message.encode(wire);
}

fn metadata(message: &MetadataMessage) -> Message {
    // 2 is our number for it.
    Message::Extended {
        id: 2,
        payload: message.encode().into(),
    }
}

fn range() -> HashRange {
    HashRange {
        root: proto_bittorrent::hash::Sha256Hash([7; 32]),
        base_layer: 0,
        index: 0,
        length: 2,
        proof_layers: 1,
    }
}

/// What leaves, message by message. Blocks wait for messages, so their order is of no account.
fn messages_sent(sent: &[Sent], log: &mut Log) {
    let mut wire = BytesMut::new();
    let mut shutdown = false;
    for step in sent {
        match step {
            Sent::Data(data) => wire.extend_from_slice(data),
            Sent::Shutdown => shutdown = true,
            other => log.event(other),
        }
    }
    if let Ok(Some(handshake)) = Handshake::decode(&mut wire) {
        log.event(&handshake);
        let mut decoder = Decoder::default();
        let mut lines = Vec::new();
        while let Ok(Some(message)) = decoder.decode(&mut wire) {
            lines.push(format!("{message:?}"));
        }
        lines.sort();
        lines.into_iter().for_each(|line| log.say(line));
    }
    log.event(&wire);
    log.event(&shutdown);
}

// --- peer::Connection, incoming: we are the seed

enum Question {
    Hello(peer::Ask),
    Block(Block),
    Metadata(u32),
    Hashes(HashRange),
}

#[derive(Default)]
struct Seed {
    bad_end: bool,
    open: VecDeque<Question>,
    /// Blocks that were sent, if the other side is a machine.
    sent: usize,
}

impl Seed {
    fn wire() -> BytesMut {
        let mut wire = greeting(1);
        say(&mut wire, &Message::HaveNone);
        say(&mut wire, &Message::Interested);
        say(&mut wire, &Message::KeepAlive);
        for block in [
            Block::new(0, 0, 16_384),
            Block::new(3, 16_384, 100),
            Block::new(1, 5, 9),
        ] {
            say(&mut wire, &Message::Request(block));
        }
        say(&mut wire, &metadata(&MetadataMessage::Request { piece: 1 }));
        say(&mut wire, &metadata(&MetadataMessage::Request { piece: 2 }));
        say(&mut wire, &Message::HashRequest(range()));
        say(&mut wire, &Message::Unknown { id: 0, len: 0 });
        wire.extend_from_slice(b"\0\0\0\x05\x63skip");
        let mut pex = Pex::new();
        pex.dropped.push("192.0.2.7:6881".parse().unwrap());
        say(
            &mut wire,
            &Message::Extended {
                id: 1,
                payload: pex.encode().into(),
            },
        );
        say(&mut wire, &Message::Have { piece: 0 });
        say(&mut wire, &Message::Request(Block::new(2, 0, 16_384)));
        say(&mut wire, &Message::NotInterested);
        wire
    }
}

impl StreamScenario for Seed {
    type Machine = Connection;

    fn machine(&self, now: Duration) -> Connection {
        Connection::incoming(now, config(4), Limits::default(), 1)
    }

    fn script(&self) -> Vec<Step> {
        let mut script = vec![Step::feed(Self::wire())];
        if self.bad_end {
            script.push(Step::feed(b"\0\0\0\x02\x04\0 and what follows"));
        } else {
            script.push(Step::Eof);
        }
        script
    }

    fn on_event(&mut self, _: &mut Connection, _: Duration, event: Event, log: &mut Log) {
        match event {
            Event::Incoming { ask, handshake } => {
                log.event(&handshake);
                self.open.push_back(Question::Hello(ask));
            }
            event => {
                log.event(&event);
                match event {
                    Event::Request { block } => self.open.push_back(Question::Block(block)),
                    Event::MetadataRequest { piece } => {
                        self.open.push_back(Question::Metadata(piece));
                    }
                    Event::HashRequest { range } => self.open.push_back(Question::Hashes(range)),
                    _ => {}
                }
            }
        }
    }

    fn answer(&mut self, machine: &mut Connection, _: Duration) -> bool {
        let Some(question) = self.open.pop_front() else {
            return false;
        };
        let _ = match question {
            Question::Hello(ask) => machine.accept(ask, torrent()).and_then(|()| {
                let mut all = Bitfield::new(PIECES);
                (0..PIECES).for_each(|piece| all.set(piece, true));
                machine.tell_pieces(&all)?;
                machine.unchoke()
            }),
            Question::Block(block) => {
                self.sent += 1;
                machine.send_block(block, data(block))
            }
            Question::Metadata(piece) => machine.send_metadata(piece, &INFO),
            Question::Hashes(range) => machine.reject_hashes(range),
        };
        true
    }

    fn is_peer_closed(&self, event: &Event) -> bool {
        matches!(event, Event::PeerClosed)
    }

    fn peer_view(&self, sent: &[Sent], log: &mut Log) {
        messages_sent(sent, log);
    }

    fn completed(&self) -> Result<(), String> {
        if self.open.is_empty() {
            return Ok(());
        }
        Err(format!("{} questions are open", self.open.len()))
    }
}

netio::kit_rules! {
    [StreamKit::new(Seed::default)];
    r1_seed_any_order_of_calls_gives_the_same => r1_any_order,
    r2_seed_time_never_runs_backwards => r2_time,
    r3_seed_deadlines_progress => r3_timers,
    r4_seed_reads_when_reading_helps => r4_reading,
    r6_seed_end_of_input_is_an_event_or_an_error => r6_eof,
    r6_seed_disconnect_at_every_position => r6_disconnect,
    r7_seed_output_keeps_to_its_budget => r7_budget,
    r10_seed_stale_answers_change_nothing => r10_stale_answers,
    r12_seed_nonsense_is_bounded => nonsense,
    r13_seed_any_split_gives_the_same => r13_any_split,
}

#[test]
fn r5_seed_ends_once_after_a_length_that_no_message_has() {
    let factory = || Seed {
        bad_end: true,
        ..Seed::default()
    };
    StreamKit::new(factory).r5_errors(Seed::wire().len(), b"");
}

#[test]
fn r12_seed_survives_every_mutation() {
    StreamKit::new(Seed::default).mutations(heap, 400_000);
}

// --- peer::Connection, outgoing: we are the leech

const WANTED: [Block; 3] = [
    Block::new(0, 0, 16_384),
    Block::new(1, 16_384, 16_384),
    Block::new(2, 0, 50),
];

#[derive(Default)]
struct Leech {
    bad_end: bool,
    /// Ask for everything, in the flood.
    flood: bool,
    asked: Vec<Block>,
    finals: BTreeMap<Block, usize>,
    metadata_asked: usize,
    metadata_finals: usize,
    got: usize,
}

impl Leech {
    fn blocks(&self) -> Vec<Block> {
        if self.flood {
            let count = PIECE / 4096;
            return (0..PIECES * count)
                .map(|n| Block::new(n / count, n % count * 4096, 4096))
                .collect();
        }
        WANTED.to_vec()
    }

    fn hello() -> BytesMut {
        let mut wire = greeting(3);
        say(&mut wire, &Message::HaveAll);
        say(&mut wire, &Message::AllowedFast { piece: 1 });
        say(&mut wire, &Message::Unchoke);
        wire
    }

    fn answers() -> BytesMut {
        let mut wire = BytesMut::new();
        let piece = |block: Block| Message::Piece {
            piece: block.piece,
            begin: block.begin,
            data: data(block),
        };
        say(&mut wire, &piece(WANTED[1]));
        say(&mut wire, &Message::Choke);
        say(&mut wire, &Message::Reject(WANTED[2]));
        say(&mut wire, &piece(WANTED[0]));
        say(&mut wire, &piece(WANTED[0]));
        let total_len = INFO.len() as u32;
        say(
            &mut wire,
            &metadata(&MetadataMessage::Data {
                piece: 1,
                total_len,
                data: INFO.slice(16_384..),
            }),
        );
        say(&mut wire, &metadata(&MetadataMessage::Reject { piece: 0 }));
        say(&mut wire, &Message::Port(6881));
        wire
    }

    /// Octets that the machine sends until it has asked for all.
    fn octets() -> u64 {
        let mut leech = Self::default();
        let mut machine = leech.machine(Duration::ZERO);
        let (mut input, mut octets) = (Self::hello(), 0);
        while let Some(event) = machine.poll_event(Duration::ZERO, &mut input).unwrap() {
            leech.on_event(&mut machine, Duration::ZERO, event, &mut Log::default());
        }
        while let Some(Transmit::Data(data)) = machine.poll_transmit(Duration::ZERO, 9999) {
            octets += data.len() as u64;
        }
        octets
    }
}

impl StreamScenario for Leech {
    type Machine = Connection;

    fn machine(&self, now: Duration) -> Connection {
        Connection::outgoing(now, config(2), Limits::default(), torrent())
    }

    fn script(&self) -> Vec<Step> {
        let mut script = vec![
            Step::AwaitOctets(68),
            Step::feed(Self::hello()),
            Step::AwaitOctets(Self::octets()),
            Step::feed(Self::answers()),
        ];
        if self.bad_end {
            script.push(Step::feed(b"\0\0\0\x05\x04\0\0\0\x04 and what follows"));
        } else {
            script.push(Step::Eof);
        }
        script
    }

    fn on_event(&mut self, machine: &mut Connection, _: Duration, event: Event, log: &mut Log) {
        log.event(&event);
        match event {
            Event::Connected { .. } => {
                let _ = machine.interested();
            }
            Event::Extended(_) => {
                for piece in 0..2 {
                    self.metadata_asked += usize::from(machine.request_metadata(piece).is_ok());
                }
            }
            Event::Unchoked => {
                for block in self.blocks() {
                    if machine.request(block).is_ok() {
                        self.asked.push(block);
                    }
                }
            }
            Event::Block { block, data: got } => {
                // On a mutated wire the octets may be any.
                self.got += usize::from(got == data(block));
                *self.finals.entry(block).or_default() += 1;
            }
            Event::RequestFailed { block, .. } => *self.finals.entry(block).or_default() += 1,
            Event::Metadata { .. } | Event::MetadataFailed { .. } => self.metadata_finals += 1,
            _ => {}
        }
    }

    fn is_peer_closed(&self, event: &Event) -> bool {
        matches!(event, Event::PeerClosed)
    }

    fn is_failure(&self, event: &Event) -> bool {
        matches!(
            event,
            Event::RequestFailed { .. } | Event::MetadataFailed { .. }
        )
    }

    fn peer_view(&self, sent: &[Sent], log: &mut Log) {
        messages_sent(sent, log);
    }

    fn completed(&self) -> Result<(), String> {
        let wanted = if self.flood { self.blocks().len() } else { 2 };
        if self.got != wanted {
            return Err(format!("{} of {wanted} blocks came", self.got));
        }
        self.invariant()
    }

    /// Exactly one final event for each request.
    fn invariant(&self) -> Result<(), String> {
        let once = self
            .asked
            .iter()
            .all(|block| self.finals.get(block) == Some(&1));
        if once
            && self.finals.len() == self.asked.len()
            && self.metadata_asked == self.metadata_finals
        {
            return Ok(());
        }
        Err(format!(
            "asked {:?}, final events {:?}",
            self.asked, self.finals
        ))
    }
}

netio::kit_rules! {
    [StreamKit::new(Leech::default)];
    r1_leech_any_order_of_calls_gives_the_same => r1_any_order,
    r2_leech_time_never_runs_backwards => r2_time,
    r3_leech_deadlines_progress => r3_timers,
    r4_leech_reads_when_reading_helps => r4_reading,
    r6_leech_end_of_input_is_an_event_or_an_error => r6_eof,
    r6_leech_disconnect_at_every_position => r6_disconnect,
    r7_leech_output_keeps_to_its_budget => r7_budget,
    r10_leech_stale_answers_change_nothing => r10_stale_answers,
    r12_leech_nonsense_is_bounded => nonsense,
    r13_leech_any_split_gives_the_same => r13_any_split,
}

#[test]
fn r5_leech_ends_once_after_a_piece_that_there_is_not() {
    let factory = || Leech {
        bad_end: true,
        ..Leech::default()
    };
    let good = Leech::hello().len() + Leech::answers().len();
    StreamKit::new(factory).r5_errors(good, b"");
}

#[test]
fn r12_leech_survives_every_mutation() {
    StreamKit::new(Leech::default).mutations(heap, 400_000);
}

#[test]
fn r4_peers_flood_each_other_through_small_buffers() {
    let leech = || Leech {
        flood: true,
        ..Leech::default()
    };
    r4_flood(leech, Seed::default, &[1, 100, 4096]);
}

#[test]
fn r7_blocks_leave_and_arrive_without_a_copy() {
    let mut seed = Connection::incoming(Duration::ZERO, config(2), Limits::default(), 1);
    let mut input = greeting(1);
    say(&mut input, &Message::Request(Block::new(0, 0, 16_384)));
    let Ok(Some(Event::Incoming { ask, .. })) = seed.poll_event(Duration::ZERO, &mut input) else {
        panic!("nobody came")
    };
    seed.accept(ask, torrent()).unwrap();
    seed.unchoke().unwrap();
    let block = Block::new(0, 0, 16_384);
    while let Some(event) = seed.poll_event(Duration::ZERO, &mut input).unwrap() {
        if event == (Event::Request { block }) {
            seed.send_block(block, data(block)).unwrap();
        }
    }
    let mut last = Bytes::new();
    while let Some(Transmit::Data(data)) = seed.poll_transmit(Duration::ZERO, 1 << 20) {
        last = data;
    }
    assert_eq!(last.as_ptr(), FILE.as_ptr());

    let mut wire = BytesMut::with_capacity(40_000);
    say(
        &mut wire,
        &Message::Piece {
            piece: 0,
            begin: 0,
            data: last,
        },
    );
    let place = wire.as_ptr();
    let Ok(Some(Message::Piece { data, .. })) = Decoder::default().decode(&mut wire) else {
        panic!("no piece")
    };
    assert_eq!(data.as_ptr() as usize, place as usize + 13);
}

// --- tracker::http::Client

#[derive(Default)]
struct Announcing {
    response: &'static [u8],
    finals: usize,
}

const CHUNKED: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
    10;x=y\r\nd8:intervali1800\r\n1c\r\ne5:peers6:\x7f\0\0\x01\x1a\xe112:tracker i\r\n7\r\nd1:xe...\r\n0\r\nTrailer: x\r\n\r\n";

impl Announcing {
    fn new(response: &'static [u8]) -> impl Fn() -> Self {
        move || Self {
            response,
            finals: 0,
        }
    }
}

impl StreamScenario for Announcing {
    type Machine = http::Client;

    fn machine(&self, now: Duration) -> http::Client {
        let url = "http://tracker.example:6969/announce?key=1"
            .parse()
            .unwrap();
        let announce = Announce::new(Sha1Hash([0xab; 20]), PeerId([b'x'; 20]), 6881);
        http::Client::announce(now, Limits::default(), &url, &announce, Some(b"id"))
    }

    fn script(&self) -> Vec<Step> {
        vec![
            Step::wait_for("\r\n\r\n"),
            Step::feed(self.response),
            Step::Eof,
        ]
    }

    fn on_event(
        &mut self,
        _: &mut http::Client,
        _: Duration,
        event: http::ClientEvent,
        log: &mut Log,
    ) {
        log.event(&event);
        self.finals += 1;
    }

    fn is_peer_closed(&self, event: &http::ClientEvent) -> bool {
        // The end of the exchange is the end of the stream.
        let _ = event;
        false
    }

    fn is_failure(&self, event: &http::ClientEvent) -> bool {
        matches!(event, http::ClientEvent::Failed(_))
    }

    fn invariant(&self) -> Result<(), String> {
        if self.finals == 1 {
            return Ok(());
        }
        Err(format!("{} final events", self.finals))
    }
}

const PLAIN: &[u8] = b"HTTP/1.0 200 OK\r\n\r\nd8:intervali1800e5:peers6:\x7f\0\0\x01\x1a\xe1e";
const SIZED: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 35\r\n\r\nd14:failure reason12:not here, noe..";
const MOVED: &[u8] = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\n\r\n";

netio::kit_rules! {
    [
        StreamKit::new(Announcing::new(CHUNKED)),
        StreamKit::new(Announcing::new(PLAIN)),
        StreamKit::new(Announcing::new(SIZED)),
        StreamKit::new(Announcing::new(MOVED)),
    ];
    r1_http_client_any_order_of_calls_gives_the_same => r1_any_order,
    r2_http_client_time_never_runs_backwards => r2_time,
    r3_http_client_deadlines_progress => r3_timers,
    r4_http_client_reads_when_reading_helps => r4_reading,
    r6_http_client_disconnect_at_every_position => r6_disconnect,
    r7_http_client_output_keeps_to_its_budget => r7_budget,
    r12_http_client_nonsense_is_bounded => nonsense,
    r13_http_client_any_split_gives_the_same => r13_any_split,
}

#[test]
fn r12_http_client_survives_every_mutation() {
    StreamKit::new(Announcing::new(CHUNKED)).mutations(heap, 100_000);
}

// --- tracker::http::Server

#[derive(Default)]
struct Tracking {
    bad_end: bool,
    open: VecDeque<http::ServerEvent>,
}

impl Tracking {
    fn wire() -> Vec<u8> {
        let torrent = "info_hash=%AB%CDabcdefghijklmnopqr";
        let peer = "peer_id=-XX0001-abcdefghijkl";
        [
            format!("GET /announce?{torrent}&{peer}&port=6881&left=0&event=started HTTP/1.1\r\nHost: x\r\n\r\n"),
            format!("GET /x/scrape?{torrent}&{torrent} HTTP/1.1\r\n\r\n"),
            "GET /favicon.ico HTTP/1.1\r\n\r\n".to_owned(),
            format!("GET /announce?{torrent}&port=6881 HTTP/1.1\r\n\r\n"),
            format!("GET http://t.example/announce?{torrent}&{peer}&port=1&left=9&compact=0 HTTP/1.1\r\n\r\n"),
            "PUT /announce HTTP/1.1\r\nContent-Length: 0\r\n\r\n".to_owned(),
        ]
        .concat()
        .into_bytes()
    }
}

impl StreamScenario for Tracking {
    type Machine = http::Server;

    fn machine(&self, now: Duration) -> http::Server {
        http::Server::new(now, Limits::default(), 1)
    }

    fn script(&self) -> Vec<Step> {
        let mut script = vec![Step::feed(Self::wire())];
        if self.bad_end {
            script.push(Step::feed(
                b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc and what follows",
            ));
        } else {
            script.push(Step::Eof);
        }
        script
    }

    fn on_event(
        &mut self,
        _: &mut http::Server,
        _: Duration,
        event: http::ServerEvent,
        log: &mut Log,
    ) {
        match event {
            http::ServerEvent::Announce { ref query, .. } => log.event(query),
            http::ServerEvent::Scrape { ref query, .. } => log.event(query),
            event => return log.event(&event),
        }
        self.open.push_back(event);
    }

    fn answer(&mut self, machine: &mut http::Server, _: Duration) -> bool {
        let Some(event) = self.open.pop_front() else {
            return false;
        };
        let mut store = Store::new(StoreLimits::default(), [1; 32]);
        let _ = machine.serve(
            &mut store,
            Duration::ZERO,
            "192.0.2.1".parse().unwrap(),
            event,
        );
        true
    }

    fn is_peer_closed(&self, event: &http::ServerEvent) -> bool {
        matches!(event, http::ServerEvent::PeerClosed)
    }

    fn completed(&self) -> Result<(), String> {
        if self.open.is_empty() {
            return Ok(());
        }
        Err(format!("{} questions are open", self.open.len()))
    }
}

netio::kit_rules! {
    [StreamKit::new(Tracking::default)];
    r1_http_server_any_order_of_calls_gives_the_same => r1_any_order,
    r2_http_server_time_never_runs_backwards => r2_time,
    r3_http_server_deadlines_progress => r3_timers,
    r4_http_server_reads_when_reading_helps => r4_reading,
    r6_http_server_end_of_input_is_an_event_or_an_error => r6_eof,
    r6_http_server_disconnect_at_every_position => r6_disconnect,
    r7_http_server_output_keeps_to_its_budget => r7_budget,
    r10_http_server_stale_answers_change_nothing => r10_stale_answers,
    r12_http_server_nonsense_is_bounded => nonsense,
    r13_http_server_any_split_gives_the_same => r13_any_split,
}

#[test]
fn r5_http_server_ends_once_after_a_request_with_a_body() {
    let factory = || Tracking {
        bad_end: true,
        ..Tracking::default()
    };
    let farewell = b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    let head = "POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\n".len();
    StreamKit::new(factory).r5_errors(Tracking::wire().len() + head - 1, farewell);
}

#[test]
fn r12_http_server_survives_every_mutation() {
    StreamKit::new(Tracking::default).mutations(heap, 100_000);
}

// --- tracker::udp::Client

fn tracker() -> SocketAddr {
    "192.0.2.9:6969".parse().unwrap()
}

#[derive(Default)]
struct Asking {
    ids: Vec<QueryId>,
    finals: BTreeMap<QueryId, usize>,
}

impl DatagramScenario for Asking {
    type Machine = udp::Client;

    fn machine(&self, now: Duration) -> udp::Client {
        udp::Client::new(now, Limits::default(), [5; 32])
    }

    fn start(&mut self, machine: &mut udp::Client, _: Duration) {
        let announce = Announce::new(Sha1Hash([1; 20]), PeerId([2; 20]), 6881);
        self.ids.push(
            machine
                .announce(tracker(), announce.clone(), "/announce")
                .unwrap(),
        );
        self.ids
            .push(machine.scrape(tracker(), &[Sha1Hash([1; 20])]).unwrap());
        self.ids.push(
            machine
                .announce("198.51.100.1:1".parse().unwrap(), announce, "")
                .unwrap(),
        );
    }

    fn script(&self) -> Vec<DatagramStep> {
        vec![DatagramStep::Advance(Duration::from_secs(20_000))]
    }

    fn reply(&mut self, _: Duration, to: SocketAddr, payload: &[u8]) -> Vec<Reply> {
        if to != tracker() {
            return Vec::new();
        }
        let response = match udp::Request::parse(payload, 74).unwrap() {
            udp::Request::Connect(connect) => udp::Response::Connect {
                transaction: connect.transaction,
                connection: 77,
            },
            udp::Request::Announce {
                transaction,
                connection: 77,
                ..
            } => udp::Response::Announce {
                transaction,
                interval: 1800,
                leechers: 1,
                seeders: 2,
                peers: vec!["192.0.2.1:6881".parse().unwrap()],
            },
            udp::Request::Scrape {
                transaction,
                connection: 77,
                ..
            } => udp::Response::Error {
                transaction,
                message: b"no\x1b[31m".to_vec(),
            },
            // Under another connection id than was given.
            _ => return Vec::new(),
        };
        let mut data = Vec::new();
        response.encode(&mut data);
        vec![Reply {
            from: to,
            data: data.into(),
        }]
    }

    fn on_event(
        &mut self,
        _: &mut udp::Client,
        _: Duration,
        event: udp::ClientEvent,
        log: &mut Log,
    ) {
        log.event(&event);
        let (udp::ClientEvent::Announced { id, .. }
        | udp::ClientEvent::Scraped { id, .. }
        | udp::ClientEvent::Failed { id, .. }) = event
        else {
            return;
        };
        *self.finals.entry(id).or_default() += 1;
    }

    fn peer_view(&self, to: SocketAddr, payload: &[u8], log: &mut Log) {
        // Transaction ids are drawn in the order of calls.
        log.say(format!("{to} {:?} {}", payload.get(8..12), payload.len()));
    }

    fn observe(&self, machine: &udp::Client) -> String {
        format!("{}", machine.stats().answers)
    }

    fn forge(&self, genuine: &Incoming, rng: &mut Rng) -> Vec<Incoming> {
        let mut other = genuine.clone();
        other.from = "192.0.2.66:6969".parse().unwrap();
        let mut port = genuine.clone();
        port.from.set_port(genuine.from.port() ^ 1);
        let mut wrong = genuine.clone();
        let mut data = wrong.data.to_vec();
        data[4..8].copy_from_slice(&(rng.below(1 << 30) as u32 ^ 0x8000_0000).to_be_bytes());
        wrong.data = data.into();
        vec![other, port, wrong]
    }

    fn completed(&self) -> Result<(), String> {
        self.invariant_at_the_end()
    }
}

impl Asking {
    fn invariant_at_the_end(&self) -> Result<(), String> {
        if self.ids.iter().all(|id| self.finals.get(id) == Some(&1)) {
            return Ok(());
        }
        Err(format!("final events: {:?}", self.finals))
    }
}

netio::kit_rules! {
    [DatagramKit::new(Asking::default)];
    r1_udp_client_any_order_of_calls_gives_the_same => r1_any_order,
    r2_udp_client_time_never_runs_backwards => r2_time,
    r3_udp_client_deadlines_progress => r3_timers,
    r12_udp_client_nonsense_is_bounded => nonsense,
    udp_client_ignores_forgeries => forgeries,
}

#[test]
fn r12_udp_client_survives_every_mutation() {
    DatagramKit::new(Asking::default).mutations(heap, 100_000);
}

// --- tracker::udp::Server

#[derive(Default)]
struct Answering {
    open: VecDeque<udp::ServerEvent>,
}

fn connection_id() -> u64 {
    let mut server = udp::Server::new(Duration::from_secs(1000), Limits::default(), [6; 32]);
    let mut data = Vec::new();
    udp::Request::Connect(udp::Connect { transaction: 1 }).encode(&mut data);
    let from = "192.0.2.1:5000".parse().unwrap();
    let now = Duration::from_secs(1000);
    server.handle_datagram(now, proto_bittorrent::datagram::LocalId::MAIN, from, &data);
    let Some(proto_bittorrent::datagram::Transmit::Datagram { payload, .. }) =
        server.poll_transmit(now)
    else {
        panic!("no id")
    };
    match udp::Response::parse(&payload, false, 9) {
        Ok(udp::Response::Connect { connection, .. }) => connection,
        other => panic!("{other:?}"),
    }
}

impl DatagramScenario for Answering {
    type Machine = udp::Server;

    fn machine(&self, now: Duration) -> udp::Server {
        udp::Server::new(now, Limits::default(), [6; 32])
    }

    fn script(&self) -> Vec<DatagramStep> {
        let from = "192.0.2.1:5000".parse().unwrap();
        let connection = connection_id();
        let requests = [
            udp::Request::Connect(udp::Connect { transaction: 1 }),
            udp::Request::Announce {
                connection,
                transaction: 2,
                announce: Announce::new(Sha1Hash([1; 20]), PeerId([2; 20]), 6881),
                url_data: b"/announce?x".to_vec(),
            },
            udp::Request::Scrape {
                connection,
                transaction: 3,
                hashes: vec![Sha1Hash([1; 20]); 3],
            },
            udp::Request::Scrape {
                connection: connection ^ 1,
                transaction: 4,
                hashes: vec![Sha1Hash([1; 20])],
            },
        ];
        requests
            .iter()
            .map(|request| {
                let mut data = Vec::new();
                request.encode(&mut data);
                DatagramStep::datagram(from, data)
            })
            .chain([DatagramStep::Advance(Duration::from_secs(5))])
            .collect()
    }

    fn on_event(
        &mut self,
        _: &mut udp::Server,
        _: Duration,
        event: udp::ServerEvent,
        log: &mut Log,
    ) {
        match &event {
            udp::ServerEvent::Announce { announce, path, .. } => log.event(&(announce, path)),
            udp::ServerEvent::Scrape { hashes, .. } => log.event(hashes),
            other => log.event(other),
        }
        self.open.push_back(event);
    }

    fn answer(&mut self, machine: &mut udp::Server, _: Duration) -> bool {
        let Some(event) = self.open.pop_front() else {
            return false;
        };
        let mut store = Store::new(StoreLimits::default(), [1; 32]);
        let _ = machine.serve(&mut store, Duration::ZERO, event);
        true
    }

    fn forge(&self, _: &Incoming, _: &mut Rng) -> Vec<Incoming> {
        Vec::new()
    }
}

netio::kit_rules! {
    [DatagramKit::new(Answering::default)];
    r1_udp_server_any_order_of_calls_gives_the_same => r1_any_order,
    r2_udp_server_time_never_runs_backwards => r2_time,
    r3_udp_server_deadlines_progress => r3_timers,
    r12_udp_server_nonsense_is_bounded => nonsense,
}

#[test]
fn r12_udp_server_survives_every_mutation() {
    DatagramKit::new(Answering::default).mutations(heap, 100_000);
}

#[test]
fn the_kit_names_the_main_socket_as_we_do() {
    assert_eq!(LocalId::MAIN.0, proto_bittorrent::datagram::LocalId::MAIN.0);
}
