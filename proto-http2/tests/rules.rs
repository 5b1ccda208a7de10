//! The rules of the convention, by the property kit.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test fails by panicking"
)]

mod common;

use bytes::{Bytes, BytesMut};
use common::{Wire, get};
use core::time::Duration;
use netio::sim::kit::{Log, Sent, Step, StreamKit, StreamScenario};
use proto_http2::wire::{ErrorCode, Frame, FrameType, HEADER_LEN, PREFACE, RawFrame};
use proto_http2::{
    Config, Connection, Error, Event, Fields, Limits, Stats, StreamId, TlsInfo, Transmit,
};
use std::collections::{BTreeMap, VecDeque};

/// What a peer sees, stream by stream: frames of different streams may come in any order.
fn view(sent: &[Sent], log: &mut Log) {
    let mut wire = BytesMut::new();
    let mut shutdowns = 0;
    for step in sent {
        match step {
            Sent::Data(data) => wire.extend_from_slice(data),
            Sent::Shutdown => shutdowns += 1,
            other => log.say(format!("{other:?}")),
        }
    }
    if wire.starts_with(PREFACE) {
        let _ = wire.split_to(PREFACE.len());
    }
    let mut streams: BTreeMap<u32, (Vec<u8>, usize, Vec<u8>)> = BTreeMap::new();
    while let Ok(Some(frame)) = RawFrame::decode(&mut wire, 1 << 24) {
        let entry = streams.entry(frame.header.stream).or_default();
        match frame.frame() {
            Ok(Frame::Data {
                data, end_stream, ..
            }) => {
                entry.0.extend_from_slice(data);
                entry.1 += usize::from(end_stream);
            }
            // Credit may come in other pieces.
            Ok(Frame::WindowUpdate { .. }) => {}
            Ok(_) => entry.2.push(frame.header.kind.0),
            Err(error) => panic!("{error}"),
        }
    }
    log.say(format!(
        "{streams:?} {} octets left, {shutdowns} shutdowns",
        wire.len()
    ));
    let _ = HEADER_LEN;
}

fn note(log: &mut Log, event: &Event) {
    match event {
        Event::Data { id, data, end } => {
            log.chunk(format!("data {id}"), data);
            if *end {
                log.say(format!("end {id}"));
            }
        }
        // They follow what has left, not what came.
        Event::Writable { .. } | Event::Closed { .. } => {}
        other => log.say(format!("{other:?}")),
    }
}

/// A server with three requests: one with a body, one with trailers, one that is reset.
struct Server {
    wire: Bytes,
    questions: VecDeque<StreamId>,
    open: BTreeMap<u32, usize>,
}

impl Server {
    fn new() -> Self {
        let post = Fields::request("POST", "http", "utopia.example", "/form");
        let wire = Wire::client()
            .frame(Frame::Settings {
                ack: true,
                payload: b"",
            })
            .get(1)
            .headers(3, &post.clone().with("content-length", "10"), false)
            .data(3, b"01234", false)
            .frame(Frame::Ping {
                ack: false,
                opaque: [1; 8],
            })
            .data(3, b"56789", true)
            .headers(5, &post, false)
            .frame(Frame::Data {
                stream: 5,
                data: b"padded",
                end_stream: false,
                padding: Some(9),
            })
            .headers(5, &Fields::new().with("x-sum", "6"), true)
            .headers(7, &get("/never").with("Upper", "case"), true)
            .frame(Frame::WindowUpdate {
                stream: 0,
                increment: 9,
            });
        Self {
            wire: wire.bytes(),
            questions: VecDeque::new(),
            open: BTreeMap::new(),
        }
    }
}

impl StreamScenario for Server {
    type Machine = Connection;

    fn machine(&self, now: Duration) -> Connection {
        Connection::server(now, Config::default(), Limits::default())
    }

    fn script(&self) -> Vec<Step> {
        vec![Step::Feed(self.wire.clone())]
    }

    fn on_event(&mut self, _: &mut Connection, _: Duration, event: Event, log: &mut Log) {
        note(log, &event);
        match event {
            Event::Headers { id, .. } => {
                *self.open.entry(id.number()).or_default() += 1;
                self.questions.push_back(id);
            }
            Event::Closed { id, .. } => *self.open.entry(id.number()).or_default() -= 1,
            _ => {}
        }
    }

    fn answer(&mut self, machine: &mut Connection, _: Duration) -> bool {
        let Some(id) = self.questions.pop_front() else {
            return false;
        };
        if machine.respond(id, &Fields::response(200), false).is_ok() {
            let _ = machine.send_data(id, &mut Bytes::from_static(b"Hello, Utopia!"), true);
        }
        true
    }

    fn is_peer_closed(&self, event: &Event) -> bool {
        matches!(event, Event::PeerClosed)
    }

    fn peer_view(&self, sent: &[Sent], log: &mut Log) {
        view(sent, log);
    }

    /// No stream has two last events.
    fn invariant(&self) -> Result<(), String> {
        match self.open.values().find(|count| **count > 1) {
            Some(count) => Err(format!("{count} open")),
            None => Ok(()),
        }
    }
}

/// A client with two requests, the second of which is answered with trailers.
struct Client {
    wire: Bytes,
    closed: BTreeMap<u32, usize>,
    asked: Vec<u32>,
}

impl Client {
    fn new() -> Self {
        let wire = Wire::new()
            .settings(&[0, 3, 0, 0, 0, 9])
            .frame(Frame::Settings {
                ack: true,
                payload: b"",
            })
            .headers(1, &Fields::response(103), false)
            .headers(1, &Fields::response(200).with("content-length", "4"), false)
            .headers(3, &Fields::response(200), false)
            .data(3, b"trail", false)
            .data(1, b"body", true)
            .headers(3, &Fields::new().with("x-sum", "5"), true);
        Self {
            wire: wire.bytes(),
            closed: BTreeMap::new(),
            asked: Vec::new(),
        }
    }
}

impl StreamScenario for Client {
    type Machine = Connection;

    fn machine(&self, now: Duration) -> Connection {
        Connection::client(now, Config::default(), Limits::default())
    }

    fn script(&self) -> Vec<Step> {
        vec![Step::Feed(self.wire.clone())]
    }

    fn start(&mut self, machine: &mut Connection, _: Duration) {
        for path in ["/a", "/b"] {
            self.asked
                .push(machine.request(&get(path), true).unwrap().number());
        }
    }

    fn on_event(&mut self, _: &mut Connection, _: Duration, event: Event, log: &mut Log) {
        note(log, &event);
        if let Event::Closed { id, .. } = event {
            *self.closed.entry(id.number()).or_default() += 1;
        }
    }

    fn is_peer_closed(&self, event: &Event) -> bool {
        matches!(event, Event::PeerClosed)
    }

    fn peer_view(&self, sent: &[Sent], log: &mut Log) {
        view(sent, log);
    }

    fn completed(&self) -> Result<(), String> {
        match self.asked.iter().all(|id| self.closed.get(id) == Some(&1)) {
            true => Ok(()),
            false => Err(format!("{:?}", self.closed)),
        }
    }

    fn invariant(&self) -> Result<(), String> {
        match self.closed.values().all(|count| *count == 1) {
            true => Ok(()),
            false => Err(format!("{:?}", self.closed)),
        }
    }
}

macro_rules! rules {
    ($($name:ident: $scenario:ident . $call:ident;)+) => {
        $(#[test]
        fn $name() {
            StreamKit::new($scenario::new).rounds(60).$call();
        })+
    };
}

rules! {
    r1_any_order_server: Server.r1_any_order;
    r2_time_server: Server.r2_time;
    r3_timers_server: Server.r3_timers;
    r4_reading_server: Server.r4_reading;
    r6_eof_server: Server.r6_eof;
    r6_disconnect_server: Server.r6_disconnect;
    r7_budget_server: Server.r7_budget;
    r10_stale_answers_server: Server.r10_stale_answers;
    r13_any_split_server: Server.r13_any_split;
    nonsense_server: Server.nonsense;
    r1_any_order_client: Client.r1_any_order;
    r2_time_client: Client.r2_time;
    r3_timers_client: Client.r3_timers;
    r4_reading_client: Client.r4_reading;
    r6_eof_client: Client.r6_eof;
    r6_disconnect_client: Client.r6_disconnect;
    r7_budget_client: Client.r7_budget;
    r13_any_split_client: Client.r13_any_split;
    nonsense_client: Client.nonsense;
}

/// An error on the connection ends it, after every event that came before, with its GOAWAY.
#[test]
fn r5_errors() {
    let farewell = |last_stream| {
        let mut wire = BytesMut::new();
        Frame::GoAway {
            last_stream,
            code: ErrorCode::PROTOCOL_ERROR,
            debug: b"",
        }
        .encode(&mut wire);
        wire
    };
    let zero = Wire::new().frame(Frame::WindowUpdate {
        stream: 0,
        increment: 0,
    });
    let zero = zero.bytes();
    let good = Server::new().wire.len();
    let server = || {
        let mut server = Server::new();
        server.wire = [&server.wire[..], &zero].concat().into();
        server
    };
    StreamKit::new(server)
        .rounds(60)
        .r5_errors(good + zero.len() - 1, &farewell(7));
    let good = Client::new().wire.len();
    let client = || {
        let mut client = Client::new();
        client.wire = [&client.wire[..], &zero].concat().into();
        client
    };
    StreamKit::new(client)
        .rounds(60)
        .r5_errors(good + zero.len() - 1, &farewell(0));
}

/// Whatever a peer sends in bodies, with padding, on streams that are reset or over, with credit
/// given back by itself or by hand: what was received is released, and the peer's windows are never
/// larger than announced.
#[test]
fn all_credit_returns() {
    use proptest::prelude::*;
    #[derive(Clone, Debug)]
    enum Act {
        Open(bool),
        Data(u32, usize, Option<u8>, bool),
        Reset(u32),
        ResetByUs(u32),
        Respond(u32),
        Release(u32, u32),
    }
    let stream = 0..6u32;
    let act = prop_oneof![
        3 => any::<bool>().prop_map(Act::Open),
        8 => (stream.clone(), 0..3000usize, prop::option::of(any::<u8>()), prop::bool::weighted(0.1))
            .prop_map(|(stream, len, padding, end)| Act::Data(stream, len, padding, end)),
        1 => stream.clone().prop_map(Act::Reset),
        1 => stream.clone().prop_map(Act::ResetByUs),
        1 => stream.clone().prop_map(Act::Respond),
        2 => (stream, 0..5000u32).prop_map(|(stream, octets)| Act::Release(stream, octets)),
    ];
    let acts = prop::collection::vec(act, 1..120);
    let run = |auto: bool, acts: Vec<Act>| {
        let mut config = Config::default();
        config.auto_credit = auto;
        config.stream_window = 20_000;
        config.connection_window = 70_000;
        let machine = Connection::server(common::T0, config, Limits::trusted());
        let mut driven = common::Driven::over(machine);
        let ack = Frame::Settings {
            ack: true,
            payload: b"",
        };
        driven.feed(Wire::client().frame(ack).bytes());
        let (mut wire, mut opened, mut held) = (Wire::new(), Vec::new(), BTreeMap::new());
        let (mut sent, mut credited, mut window) = (0i64, 0i64, 0i64);
        for act in acts {
            let id = |index: u32| index * 2 + 1;
            match act {
                Act::Open(with_length) => {
                    let index = opened.len() as u32;
                    let mut fields = Fields::request("POST", "http", "a", "/");
                    if with_length {
                        fields.push("content-length", "2500");
                    }
                    wire = wire.headers(id(index), &fields, false);
                    opened.push(index);
                }
                Act::Data(index, len, padding, end_stream) => {
                    let total = i64::try_from(len).unwrap()
                        + padding.map_or(0, |padding| i64::from(padding) + 1);
                    if index as usize >= opened.len() || total > window.max(65_535) {
                        continue;
                    }
                    sent += total;
                    let frame = Frame::Data {
                        stream: id(index),
                        data: &vec![0; len],
                        end_stream,
                        padding,
                    };
                    wire = wire.frame(frame);
                }
                Act::Reset(index) if (index as usize) < opened.len() => {
                    wire = wire.reset(id(index))
                }
                Act::ResetByUs(index) => {
                    if let Some(id) = held.get(&index) {
                        let _ = driven.machine.reset(*id, ErrorCode::CANCEL);
                    }
                }
                Act::Respond(index) => {
                    if let Some(id) = held.get(&index) {
                        let _ = driven.machine.respond(*id, &Fields::response(200), true);
                    }
                }
                Act::Release(index, octets) => {
                    if let Some(id) = held.get(&index) {
                        let _ = driven.machine.release(*id, octets);
                    }
                }
                Act::Reset(_) => {}
            }
            driven.feed(wire.octets.split());
            for event in driven.events.drain(..) {
                if let Event::Headers { id, .. } = event {
                    held.insert(id.number() / 2, id);
                }
            }
            driven.drain();
            for frame in driven.sent.drain(..) {
                if let Ok(Frame::WindowUpdate {
                    stream: 0,
                    increment,
                }) = frame.frame()
                {
                    credited += i64::from(increment);
                }
            }
            window = 65_535 + credited - sent;
            if driven.error.is_some() {
                return Ok(());
            }
            let stats = driven.machine.stats();
            prop_assert_eq!(i64::try_from(stats.flow_received).unwrap(), sent);
            prop_assert!(stats.flow_released <= stats.flow_received);
            prop_assert!(window <= 70_000, "a window of {}", window);
            if auto {
                prop_assert_eq!(stats.flow_released, stats.flow_received);
            }
        }
        // Whatever is still held comes back with the streams.
        for id in held.values() {
            let _ = driven.machine.reset(*id, ErrorCode::CANCEL);
        }
        let stats = driven.machine.stats();
        prop_assert_eq!(stats.flow_released, stats.flow_received);
        Ok(())
    };
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(200));
    runner
        .run(&(any::<bool>(), acts), |(auto, acts)| run(auto, acts))
        .unwrap();
}

#[test]
fn mutations_hold_the_bound() {
    let bound = 2 * Limits::default().max_connection_memory();
    let heap = |work: &mut dyn FnMut()| {
        usize::try_from(allocation_counter::measure(work).bytes_max).unwrap()
    };
    StreamKit::new(Server::new).mutations(heap, bound);
    StreamKit::new(Client::new).mutations(heap, bound);
}

/// Every machine has the methods of the convention, with exactly these types.
#[test]
fn the_connection_has_the_stream_shape() {
    let _: fn(&mut Connection, Duration, &mut BytesMut) -> Result<Option<Event>, Error> =
        Connection::poll_event;
    let _: fn(&mut Connection, Duration, usize) -> Option<Transmit> = Connection::poll_transmit;
    let _: fn(&Connection) -> Option<Duration> = Connection::poll_timeout;
    let _: fn(&mut Connection, Duration) = Connection::handle_timeout;
    let _: fn(&mut Connection, Duration) = Connection::handle_eof;
    let _: fn(&mut Connection, Duration) = Connection::handle_disconnect;
    let _: fn(&mut Connection, Duration, TlsInfo) = Connection::handle_tls_established;
    let _: fn(&mut Connection) = Connection::close;
    let _: fn(&Connection) -> bool = Connection::wants_read;
    let _: fn(&Connection) -> bool = Connection::is_closed;
    let _: fn(&Connection) -> Stats = Connection::stats;
    let _: fn(&Connection) -> &Limits = Connection::limits;
    fn is_plain<T: Send + Sync + core::fmt::Debug + 'static>() {}
    is_plain::<Connection>();
    is_plain::<Event>();
    is_plain::<Error>();
    let _ = FrameType::DATA;
}

/// At most 2 KiB of heap for an idle connection, 400 octets for an open stream.
#[test]
fn idle_connections_and_open_streams_are_small() {
    let mut server = None;
    let idle = allocation_counter::measure(|| {
        let mut driven = common::Driven::server(Limits::default());
        driven.feed(
            Wire::client()
                .frame(Frame::Settings {
                    ack: true,
                    payload: b"",
                })
                .bytes(),
        );
        driven.drain();
        let common::Driven { machine, .. } = driven;
        server = Some(machine);
    });
    let mut machine = server.unwrap();
    let held = idle.bytes_current;
    assert!(held <= 2048, "{held} octets idle");
    let mut wire = Wire::new();
    for index in 0..100 {
        wire = wire.get(index * 2 + 1);
    }
    let mut input = BytesMut::from(&wire.bytes()[..]);
    let open = allocation_counter::measure(|| {
        while let Ok(Some(event)) = machine.poll_event(common::T0, &mut input) {
            drop(event);
        }
    });
    let each = open.bytes_current / 100;
    println!("{held} octets idle, {each} for each open stream");
    assert!(each <= 400, "{each} octets for each open stream");
}
