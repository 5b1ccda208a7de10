//! A client machine against a server machine over the virtual network: wires that tear, stall and
//! lose, small windows, priorities, push, and what is sent while it happens.

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

use bytes::Bytes;
use common::get;
use core::time::Duration;
use netio::sim::kit::{Log, Step, StreamScenario, r4_flood};
use netio::sim::{Pair, Split, StreamApp, StreamConfig};
use proto_http2::{
    Config, Connection, Error, Event, Fields, Limits, Scheduling, Stats, StreamEnd, StreamId,
};
use std::collections::BTreeMap;

/// What one side saw of a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Seen {
    heads: Vec<Fields>,
    body: Vec<u8>,
    trailers: Option<Fields>,
    ends: Vec<StreamEnd>,
}

/// Bodies that wait for room.
#[derive(Debug, Default)]
struct Sending {
    rest: BTreeMap<StreamId, (Bytes, Option<Fields>)>,
}

impl Sending {
    fn send(&mut self, machine: &mut Connection, id: StreamId) {
        let Some((rest, trailers)) = self.rest.get_mut(&id) else {
            return;
        };
        let end = trailers.is_none();
        if machine.send_data(id, rest, end).is_err() || !rest.is_empty() {
            return;
        }
        if let Some((_, Some(trailers))) = self.rest.remove(&id) {
            machine.send_trailers(id, trailers).unwrap();
        }
    }
}

/// Asks for objects of the sizes that their paths name; uploads some.
#[derive(Debug, Default)]
struct Ask {
    paths: Vec<(&'static str, usize)>,
    sending: Sending,
    seen: BTreeMap<u32, Seen>,
    /// In which order the streams were done.
    order: Vec<u32>,
    pushed: Vec<u32>,
    error: Option<Error>,
}

impl StreamApp<Connection> for Ask {
    fn start(&mut self, _: Duration, machine: &mut Connection) {
        for (path, upload) in self.paths.clone() {
            let id = if upload == 0 {
                machine.request(&get(path), true).unwrap()
            } else {
                let fields = Fields::request("POST", "http", "utopia.example", path);
                machine.request(&fields, false).unwrap()
            };
            if upload > 0 {
                let body = Bytes::from(pattern(upload));
                let trailers = Some(Fields::new().with("x-length", upload.to_string()));
                self.sending.rest.insert(id, (body, trailers));
                self.sending.send(machine, id);
            }
        }
    }

    fn on_event(&mut self, _: Duration, machine: &mut Connection, event: Event) {
        match event {
            Event::Headers { id, fields, .. } | Event::Informational { id, fields } => {
                self.seen.entry(id.number()).or_default().heads.push(fields);
            }
            Event::Data { id, data, .. } => {
                let seen = self.seen.entry(id.number()).or_default();
                seen.body.extend_from_slice(&data);
            }
            Event::Trailers { id, fields } => {
                self.seen.entry(id.number()).or_default().trailers = Some(fields);
            }
            Event::Push { id, .. } => self.pushed.push(id.number()),
            Event::Writable { id } => self.sending.send(machine, id),
            Event::Closed { id, end } => {
                self.seen.entry(id.number()).or_default().ends.push(end);
                self.order.push(id.number());
                let wanted = self.paths.len() + self.pushed.len();
                if self.order.len() == wanted {
                    machine.close();
                }
            }
            _ => {}
        }
    }

    fn on_error(&mut self, _: Duration, _: &mut Connection, error: Error) {
        self.error = Some(error);
    }
}

/// Gives as many octets as the path says, and the octets of an upload back.
#[derive(Debug, Default)]
struct Serve {
    sending: Sending,
    uploads: BTreeMap<u32, Vec<u8>>,
    push: bool,
    error: Option<Error>,
    stats: Stats,
}

impl Serve {
    fn answer(&mut self, machine: &mut Connection, id: StreamId, body: Bytes) {
        machine.inform(id, &Fields::response(103)).unwrap();
        let length = body.len().to_string();
        let response = Fields::response(200).with("content-length", length);
        machine.respond(id, &response, false).unwrap();
        let trailers = Some(Fields::new().with("x-done", "1"));
        self.sending.rest.insert(id, (body, trailers));
        self.sending.send(machine, id);
    }
}

impl StreamApp<Connection> for Serve {
    fn on_event(&mut self, _: Duration, machine: &mut Connection, event: Event) {
        match event {
            Event::Headers { id, fields, end } => {
                if !end {
                    self.uploads.insert(id.number(), Vec::new());
                    return;
                }
                if self.push {
                    let pushed = machine.push(id, &get("/pushed")).unwrap();
                    let response = Fields::response(200);
                    machine.respond(pushed, &response, false).unwrap();
                    let body = (Bytes::from(pattern(3000)), None);
                    self.sending.rest.insert(pushed, body);
                    self.sending.send(machine, pushed);
                }
                let path = fields.path().unwrap();
                let size = core::str::from_utf8(&path[1..]).unwrap().parse().unwrap();
                self.answer(machine, id, Bytes::from(pattern(size)));
            }
            Event::Data { id, data, .. } => {
                let upload = self.uploads.get_mut(&id.number()).unwrap();
                upload.extend_from_slice(&data);
            }
            Event::Trailers { id, .. } => {
                let body = self.uploads.remove(&id.number()).unwrap();
                self.answer(machine, id, body.into());
            }
            Event::Writable { id } => self.sending.send(machine, id),
            _ => {}
        }
        self.stats = machine.stats();
    }

    fn on_error(&mut self, _: Duration, _: &mut Connection, error: Error) {
        self.error = Some(error);
    }
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|index| (index % 251) as u8).collect()
}

type World = Pair<Connection, Ask, Connection, Serve>;

fn world(seed: u64, paths: &[(&'static str, usize)], configs: [Config; 2], push: bool) -> World {
    let [here, there] = configs;
    let now = Duration::ZERO;
    let ask = Ask {
        paths: paths.to_vec(),
        ..Ask::default()
    };
    let serve = Serve {
        push,
        ..Serve::default()
    };
    Pair::new(
        seed,
        (Connection::client(now, here, Limits::default()), ask),
        (Connection::server(now, there, Limits::default()), serve),
    )
}

const PATHS: [(&str, usize); 6] = [
    ("/0", 0),
    ("/1", 0),
    ("/60000", 0),
    ("/echo", 20_000),
    ("/10000", 0),
    ("/echo", 5),
];

fn check(pair: &World) -> Vec<u32> {
    assert!(pair.is_done());
    let ask = pair.client().unwrap().app();
    let serve = pair.server().unwrap().app();
    assert_eq!((ask.error, serve.error), (None, None));
    for (index, (path, upload)) in PATHS.iter().enumerate() {
        let seen = &ask.seen[&(index as u32 * 2 + 1)];
        let size = path.trim_start_matches('/').parse().unwrap_or(*upload);
        assert_eq!(seen.body, pattern(size), "{path}");
        let statuses: Vec<_> = seen
            .heads
            .iter()
            .map(|head| head.status().unwrap())
            .collect();
        assert_eq!(statuses, [103, 200]);
        assert_eq!(seen.trailers, Some(Fields::new().with("x-done", "1")));
        assert_eq!(seen.ends, [StreamEnd::Complete], "{path}");
    }
    let stats = serve.stats;
    assert_eq!(stats.flow_received, stats.flow_released);
    // Padding counts too.
    assert!(stats.flow_received >= 20_005);
    ask.order.clone()
}

/// However the wire tears what is sent, the same is seen.
#[test]
fn torn_wires_give_the_same() {
    for seed in 0..4 {
        let mut pair = world(seed, &PATHS, [Config::default(), Config::default()], false)
            .stream(StreamConfig::torn());
        pair.run().unwrap();
        check(&pair);
    }
}

/// Segments are lost and come again, buffers are small, reads are of up to three octets.
#[test]
fn wires_that_lose_and_stall_give_the_same() {
    for (seed, split) in [(1, Split::Segment), (2, Split::Random(3))] {
        let mut stream = StreamConfig::default();
        stream.loss = 20_000;
        stream.send_buffer = 700;
        stream.receive_buffer = 3000;
        stream.split = split;
        let mut pair =
            world(seed, &PATHS, [Config::default(), Config::default()], false).stream(stream);
        pair.run().unwrap();
        check(&pair);
    }
}

/// Windows of a few octets, padding, tables of no size: slower, and the same.
#[test]
fn small_windows_padding_and_no_tables_give_the_same() {
    let tight = || {
        let mut config = Config::default();
        config.stream_window = 3000;
        config.connection_window = 0;
        config.header_table_size = 0;
        config.encoder_table_size = 0;
        config.padding = 7;
        config
    };
    let default = Config::default;
    for configs in [
        [tight(), default()],
        [default(), tight()],
        [tight(), tight()],
    ] {
        let mut pair = world(7, &PATHS, configs, false);
        pair.run().unwrap();
        check(&pair);
    }
}

#[test]
fn every_scheduler_gives_the_same() {
    for scheduling in [Scheduling::Fair, Scheduling::Tree, Scheduling::Urgency] {
        let mut config = Config::default();
        config.scheduling = scheduling;
        let mut stream = StreamConfig::default();
        stream.bandwidth = Some(500_000);
        stream.send_buffer = 4000;
        let mut pair = world(3, &PATHS, [Config::default(), config], false).stream(stream);
        pair.run().unwrap();
        let order = check(&pair);
        let place = |id| order.iter().position(|other| *other == id).unwrap();
        // RFC 9218 section 10: equals that are not incremental go in the order of the requests.
        match scheduling {
            Scheduling::Urgency => assert!(place(5) < place(9), "{order:?}"),
            _ => assert!(place(9) < place(5), "{order:?}"),
        }
    }
}

#[test]
fn pushed_responses_come_beside_the_others() {
    let mut config = Config::default();
    config.enable_push = true;
    let paths = [("/1", 0), ("/20000", 0)];
    for seed in 0..4 {
        let mut pair = world(seed, &paths, [config.clone(), Config::default()], true)
            .stream(StreamConfig::torn());
        pair.run().unwrap();
        assert!(pair.is_done());
        let ask = pair.client().unwrap().app();
        assert_eq!(ask.pushed, [2, 4]);
        for id in [2, 4] {
            assert_eq!(ask.seen[&id].body, pattern(3000));
            assert_eq!(ask.seen[&id].ends, [StreamEnd::Complete]);
        }
    }
}

/// One side floods the other: a client uploads, a server answers with as much.
#[derive(Debug)]
struct Flooding {
    is_server: bool,
    streams: usize,
    done: usize,
    sending: Sending,
}

impl StreamScenario for Flooding {
    type Machine = Connection;

    fn machine(&self, now: Duration) -> Connection {
        let mut config = Config::default();
        config.stream_window = 1500;
        match self.is_server {
            true => Connection::server(now, config, Limits::default()),
            false => Connection::client(now, config, Limits::default()),
        }
    }

    fn script(&self) -> Vec<Step> {
        Vec::new()
    }

    fn start(&mut self, machine: &mut Connection, _: Duration) {
        for _ in 0..if self.is_server { 0 } else { self.streams } {
            let fields = Fields::request("POST", "http", "utopia.example", "/flood");
            let id = machine.request(&fields, false).unwrap();
            let body = (Bytes::from(pattern(5000)), None);
            self.sending.rest.insert(id, body);
            self.sending.send(machine, id);
        }
    }

    fn on_event(&mut self, machine: &mut Connection, _: Duration, event: Event, _: &mut Log) {
        match event {
            Event::Headers { id, .. } if self.is_server => {
                machine.respond(id, &Fields::response(200), false).unwrap();
                let body = (Bytes::from(pattern(5000)), None);
                self.sending.rest.insert(id, body);
                self.sending.send(machine, id);
            }
            Event::Writable { id } => self.sending.send(machine, id),
            Event::Closed { end, .. } => {
                self.done += usize::from(end == StreamEnd::Complete);
            }
            _ => {}
        }
    }

    fn completed(&self) -> Result<(), String> {
        match self.done == self.streams {
            true => Ok(()),
            false => Err(format!("{} of {}", self.done, self.streams)),
        }
    }
}

#[test]
fn r4_two_floods_do_not_deadlock() {
    let side = |is_server| Flooding {
        is_server,
        streams: 5,
        done: 0,
        sending: Sending::default(),
    };
    r4_flood(|| side(false), || side(true), &[1, 100, 4096]);
}
