//! Bodies both ways between two machines of ours, whatever their windows, buffers, frame sizes and
//! schedulers are, and in whatever pieces and order their loops do their work: all arrives whole,
//! who had to wait is told when there is room, all credit returns, and nothing stands still.

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
use common::{T0, get};
use netio::sim::Rng;
use proptest::prelude::*;
use proto_http2::priority::Priority;
use proto_http2::wire::ErrorCode;
use proto_http2::{
    Config, Connection, Event, Fields, Limits, Rate, Scheduling, StreamEnd, StreamId, Transmit,
    UsageError,
};
use std::collections::{BTreeMap, VecDeque};

/// How one side is set up.
#[derive(Clone, Debug)]
struct Side {
    send_buffer: usize,
    stream_send_buffer: usize,
    stream_window: u32,
    connection_window: u32,
    max_auto_window: Option<u32>,
    frame_size: u32,
    streams: u32,
    queued_replies: usize,
    padding: u8,
    auto_credit: bool,
    scheduling: Scheduling,
}

/// One request and its response.
#[derive(Clone, Debug)]
struct Job {
    up: usize,
    down: usize,
    trailers: bool,
    /// Whether it may be reset on the way, by which side.
    reset: Option<bool>,
}

/// A size of which the small ones are as likely as the large ones.
fn size(most_bits: u32) -> impl Strategy<Value = usize> {
    (0..=most_bits, any::<u32>()).prop_map(|(bits, octets)| octets as usize & ((1 << bits) - 1))
}

fn side() -> impl Strategy<Value = Side> {
    let scheduling = prop_oneof![
        Just(Scheduling::Auto),
        Just(Scheduling::Fair),
        Just(Scheduling::Tree),
        Just(Scheduling::Urgency),
    ];
    let buffers = (size(17), size(17), size(14));
    let windows = (size(18), size(18), proptest::option::of(size(18)));
    let padding = prop_oneof![3 => Just(0), 1 => any::<u8>()];
    let rest = (size(16), 1..12u32, padding, any::<bool>(), scheduling);
    (buffers, windows, rest).prop_map(|(buffers, windows, rest)| Side {
        send_buffer: buffers.0 + 1,
        stream_send_buffer: buffers.1 + 1,
        queued_replies: buffers.2,
        stream_window: windows.0 as u32 + 1,
        connection_window: windows.1 as u32,
        max_auto_window: windows.2.map(|window| window as u32),
        frame_size: 16_384 + rest.0 as u32,
        streams: rest.1,
        padding: rest.2,
        auto_credit: rest.3,
        scheduling: rest.4,
    })
}

fn job() -> impl Strategy<Value = Job> {
    let reset = prop_oneof![3 => Just(None), 1 => any::<bool>().prop_map(Some)];
    (size(18), size(18), any::<bool>(), reset).prop_map(|(up, down, trailers, reset)| Job {
        up,
        down,
        trailers,
        reset,
    })
}

impl Side {
    fn config(&self) -> Config {
        let mut config = Config::default();
        config.stream_window = self.stream_window;
        config.connection_window = self.connection_window;
        config.max_auto_window = self.max_auto_window;
        config.max_frame_size = self.frame_size;
        config.padding = self.padding;
        config.auto_credit = self.auto_credit;
        config.scheduling = self.scheduling;
        config
    }

    fn limits(&self) -> Limits {
        let mut limits = Limits::default();
        limits.max_send_buffer = self.send_buffer;
        limits.max_stream_send_buffer = self.stream_send_buffer;
        limits.max_concurrent_streams = self.streams;
        limits.max_queued_replies = self.queued_replies;
        // Tiny windows make tiny frames: who counts them is tested elsewhere.
        let any = Rate::new(u32::MAX, u32::MAX);
        limits.small_frames = any;
        limits.window_updates = any;
        limits.empty_frames = any;
        limits.settings = any;
        limits.pings = any;
        limits.resets = any;
        limits.errors = any;
        limits.priorities = any;
        limits
    }
}

/// The octet of a body at a place.
fn octet(stream: StreamId, at: usize) -> u8 {
    (stream.number() as usize * 31 + at * 7 + at / 251) as u8
}

fn body(stream: StreamId, len: usize) -> Bytes {
    (0..len).map(|at| octet(stream, at)).collect()
}

/// What one side still has to say on a stream.
#[derive(Debug)]
struct Rest {
    body: Bytes,
    trailers: bool,
    /// Not all was taken: nothing is offered before there is word of room.
    waits: bool,
}

/// What one side has of a stream.
#[derive(Debug, Default)]
struct Got {
    octets: usize,
    ended: bool,
    held: u32,
}

/// The stream is no more; its last event may be yet to come.
fn is_gone<T>(result: Result<T, UsageError>) -> bool {
    matches!(result, Err(UsageError::NoStream))
}

/// A machine and the program around it.
struct End {
    name: &'static str,
    machine: Connection,
    auto_credit: bool,
    /// Octets on their way to it, and those that it may take.
    wire: BytesMut,
    input: BytesMut,
    sending: BTreeMap<StreamId, Rest>,
    got: BTreeMap<StreamId, Got>,
    closed: BTreeMap<StreamId, StreamEnd>,
    peer_closed: bool,
    shut: bool,
}

impl End {
    fn new(name: &'static str, machine: Connection, auto_credit: bool) -> Self {
        Self {
            name,
            machine,
            auto_credit,
            wire: BytesMut::new(),
            input: BytesMut::new(),
            sending: BTreeMap::new(),
            got: BTreeMap::new(),
            closed: BTreeMap::new(),
            peer_closed: false,
            shut: false,
        }
    }

    fn begin(&mut self, id: StreamId, len: usize, trailers: bool) {
        let rest = Rest {
            body: body(id, len),
            trailers,
            waits: false,
        };
        self.sending.insert(id, rest);
        self.send(id, len);
    }

    /// Offers so much of what is left at once, and then the rest.
    fn send(&mut self, id: StreamId, first: usize) {
        let Some(rest) = self.sending.get_mut(&id) else {
            return;
        };
        let mut piece = rest.body.split_to(first.min(rest.body.len()));
        let offered = piece.len();
        let is_last = rest.body.is_empty() && !rest.trailers;
        let sent = self.machine.send_data(id, &mut piece, is_last);
        if is_gone(sent) {
            self.sending.remove(&id);
            return;
        }
        let taken = sent.unwrap();
        assert_eq!(taken + piece.len(), offered);
        if !piece.is_empty() {
            rest.waits = true;
            let mut whole = BytesMut::from(&piece[..]);
            whole.extend_from_slice(&rest.body);
            rest.body = whole.freeze();
        } else if !rest.body.is_empty() {
            let more = rest.body.len();
            self.send(id, more);
        } else {
            let trailers = self.sending.remove(&id).unwrap().trailers;
            if trailers {
                let fields = Fields::new().with("x-done", "1");
                self.machine.send_trailers(id, fields).unwrap();
            }
        }
    }

    fn take(&mut self, id: StreamId, data: &[u8], end: bool) {
        let got = self.got.entry(id).or_default();
        assert!(!got.ended);
        for (at, &found) in (got.octets..).zip(data) {
            assert_eq!(found, octet(id, at), "{}: octet {at} of {id}", self.name);
        }
        got.octets += data.len();
        got.ended = end;
        if !self.auto_credit {
            got.held += data.len() as u32;
        }
    }

    /// Gives back some of the credit of a stream, or all.
    fn release(&mut self, most: u32) -> bool {
        let mut any = false;
        for (&id, got) in &mut self.got {
            let octets = got.held.min(most);
            if octets > 0 {
                got.held -= octets;
                any = true;
                // With the stream its credit was given back.
                let released = self.machine.release(id, octets);
                assert!(released.is_ok() || is_gone(released));
            }
        }
        any
    }

    fn close(&mut self, id: StreamId, end: StreamEnd) {
        self.sending.remove(&id);
        let before = self.closed.insert(id, end);
        assert_eq!(before, None, "{}: {id} is closed once", self.name);
    }
}

/// Both ends, and what is to be done.
struct World {
    client: End,
    server: End,
    todo: VecDeque<Job>,
    running: BTreeMap<StreamId, Job>,
    /// Octets of bodies that the client has sent whole.
    uploads: BTreeMap<StreamId, usize>,
    done: usize,
    rng: Rng,
}

impl World {
    fn new(client: &Side, server: &Side, jobs: &[Job], seed: u64) -> Self {
        let machine = Connection::client(T0, client.config(), client.limits());
        let client = End::new("client", machine, client.auto_credit);
        let machine = Connection::server(T0, server.config(), server.limits());
        let server = End::new("server", machine, server.auto_credit);
        Self {
            client,
            server,
            todo: jobs.iter().cloned().collect(),
            running: BTreeMap::new(),
            uploads: BTreeMap::new(),
            done: 0,
            rng: Rng::new(seed),
        }
    }

    fn end(&mut self, is_client: bool) -> &mut End {
        if is_client {
            &mut self.client
        } else {
            &mut self.server
        }
    }

    /// Takes one piece of output to the other side.
    fn transmit(&mut self, is_client: bool, budget: usize) -> bool {
        let (from, to) = if is_client {
            (&mut self.client, &mut self.server)
        } else {
            (&mut self.server, &mut self.client)
        };
        match from.machine.poll_transmit(T0, budget) {
            None => false,
            Some(Transmit::Data(data)) => {
                assert!(!data.is_empty() && data.len() <= budget);
                to.wire.extend_from_slice(&data);
                true
            }
            Some(Transmit::Shutdown) => {
                assert!(!from.shut);
                from.shut = true;
                true
            }
        }
    }

    fn deliver(&mut self, is_client: bool, most: usize) -> bool {
        let end = self.end(is_client);
        if !end.machine.wants_read() || end.wire.is_empty() {
            return false;
        }
        let piece = end.wire.split_to(most.min(end.wire.len()));
        end.input.extend_from_slice(&piece);
        true
    }

    fn event(&mut self, is_client: bool) -> bool {
        let end = self.end(is_client);
        let event = end.machine.poll_event(T0, &mut end.input);
        let Some(event) = event.unwrap_or_else(|error| panic!("{}: {error}", end.name)) else {
            return false;
        };
        match event {
            Event::Headers {
                id, fields, end, ..
            } => {
                self.end(is_client).take(id, b"", end);
                if !is_client {
                    let path = String::from_utf8(fields.path().unwrap().to_vec()).unwrap();
                    let down = path.trim_start_matches('/').parse().unwrap();
                    let server = &mut self.server;
                    server
                        .machine
                        .respond(id, &Fields::response(200), false)
                        .unwrap();
                    server.begin(id, down, down % 2 == 1);
                }
            }
            Event::Data { id, data, end } => self.end(is_client).take(id, &data, end),
            Event::Trailers { id, .. } => self.end(is_client).take(id, b"", true),
            Event::Writable { id } => {
                let first = self.size(18) as usize;
                let end = self.end(is_client);
                match end.sending.get_mut(&id) {
                    Some(rest) => {
                        assert!(rest.waits, "{}: {id} waits for room", end.name);
                        rest.waits = false;
                        end.send(id, first);
                    }
                    None => assert!(is_gone(end.machine.send_data(id, &mut Bytes::new(), false))),
                }
            }
            Event::Closed { id, end } => {
                self.end(is_client).close(id, end);
                if is_client {
                    self.client_closed(id, end);
                }
            }
            Event::PeerClosed => self.end(is_client).peer_closed = true,
            Event::LimitTripped { limit, .. } => panic!("{limit} was tripped"),
            _ => {}
        }
        true
    }

    /// A job is done, or was refused and comes again.
    fn client_closed(&mut self, id: StreamId, end: StreamEnd) {
        let job = self.running.remove(&id).unwrap();
        let got = &self.client.got;
        match end {
            StreamEnd::Complete => {
                assert_eq!(got[&id].octets, job.down, "{id} arrived whole");
                assert!(got[&id].ended);
                // The server may have reset it after that.
                if job.reset != Some(false) {
                    self.uploads.insert(id, job.up);
                }
                self.done += 1;
            }
            StreamEnd::Unprocessed | StreamEnd::ResetByPeer(ErrorCode::REFUSED_STREAM) => {
                self.todo.push_back(job);
            }
            StreamEnd::Reset(ErrorCode::CANCEL) | StreamEnd::ResetByPeer(ErrorCode::CANCEL) => {
                assert!(job.reset.is_some());
                self.done += 1;
            }
            other => panic!("{id} ended as {other:?}"),
        }
    }

    fn begin_one(&mut self) -> bool {
        let Some(job) = self.todo.front() else {
            return false;
        };
        // A response of odd length has trailers.
        let path = format!("/{}", job.down);
        let fields = if job.up > 0 {
            Fields::request("POST", "https", "utopia.example", &path)
        } else {
            get(&path)
        };
        let ends = job.up == 0 && !job.trailers;
        let id = match self.client.machine.request(&fields, ends) {
            Ok(id) => id,
            Err(UsageError::TooManyStreams) => return false,
            Err(error) => panic!("{error}"),
        };
        let job = self.todo.pop_front().unwrap();
        if !ends {
            self.client.begin(id, job.up, job.trailers);
        }
        self.running.insert(id, job);
        true
    }

    /// Resets one of the streams that may be.
    fn reset_one(&mut self) {
        let may_be = |id: &StreamId| {
            let job = self.running.get(id)?;
            Some((*id, job.reset?))
        };
        let open: Vec<_> = self.running.keys().filter_map(may_be).collect();
        let Some(&(id, is_client)) = self.rng.pick(&open) else {
            return;
        };
        let end = self.end(is_client);
        if end.got.contains_key(&id) {
            let reset = end.machine.reset(id, ErrorCode::CANCEL);
            assert!(reset.is_ok() || is_gone(reset));
        }
    }

    /// One thing that a loop may do, at random.
    fn step(&mut self) {
        let is_client = self.rng.chance(500_000);
        match self.rng.below(32) {
            0..8 => {
                let budget = self.size(17);
                self.transmit(is_client, budget as usize);
            }
            8..16 => {
                let most = self.size(17) as usize;
                self.deliver(is_client, most);
            }
            16..26 => {
                self.event(is_client);
            }
            26 | 27 => {
                self.begin_one();
            }
            28 => {
                let most = self.size(17);
                self.end(is_client).release(most as u32);
            }
            29 => self.reset_one(),
            30 => {
                let mut settings = *self.end(is_client).machine.local_settings();
                let window = u64::from(settings.initial_window_size);
                settings.initial_window_size = 1 + self.rng.below(2 * window) as u32;
                settings.max_frame_size = 16_384 + self.rng.below(1 << 16) as u32;
                // Too many at once are refused.
                let _ = self.end(is_client).machine.update_settings(settings);
            }
            _ => {
                let open: Vec<_> = self.running.keys().copied().collect();
                if let Some(&id) = self.rng.pick(&open) {
                    let priority = Priority {
                        urgency: self.rng.below(8) as u8,
                        incremental: self.rng.chance(500_000),
                    };
                    let weight = self.rng.below(256) as u16;
                    let machine = &mut self.client.machine;
                    if is_client {
                        machine.prioritise(id, priority).unwrap();
                    } else {
                        machine.depend(id, weight).unwrap();
                    }
                }
            }
        }
    }

    /// A number of which small ones are as likely as large ones.
    fn size(&mut self, most_bits: u64) -> u64 {
        let bits = 1 + self.rng.below(most_bits);
        self.rng.below(1 << bits)
    }

    /// Does all that can be done until there is nothing more, as a loop does that is left alone.
    fn drain(&mut self) {
        for _ in 0..4_000_000 {
            let mut any = false;
            while self.begin_one() {
                any = true;
            }
            for is_client in [true, false] {
                any |= self.deliver(is_client, usize::MAX);
                any |= self.end(is_client).release(u32::MAX);
                any |= self.event(is_client);
                // Last: what came may have made output without an event.
                any |= self.transmit(is_client, 64 * 1024);
            }
            if !any {
                return;
            }
        }
        panic!("a loop without an end");
    }
}

fn run(client: &Side, server: &Side, mut jobs: Vec<Job>, seed: u64, steps: usize) {
    // What goes through a needle's eye is no camel: the test has an end.
    let most = |from: &Side, to: &Side| {
        let buffer = from.send_buffer.min(from.stream_send_buffer);
        buffer.min(to.stream_window as usize).saturating_mul(300)
    };
    let (most_up, most_down) = (most(client, server), most(server, client));
    for job in &mut jobs {
        job.up = job.up.min(most_up);
        job.down = job.down.min(most_down);
    }
    let mut world = World::new(client, server, &jobs, seed);
    for _ in 0..steps {
        world.step();
    }
    world.drain();
    let waits = |end: &End| end.sending.keys().copied().collect::<Vec<_>>();
    let still = [waits(&world.client), waits(&world.server)];
    assert_eq!(world.done, jobs.len(), "all stands still: {still:?}");
    // Both windows of the connection are open as wide as ever: more than they hold gets through.
    let last = Job {
        up: most_up.min(300_000),
        down: most_down.min(300_000),
        trailers: false,
        reset: None,
    };
    world.todo.push_back(last);
    world.drain();
    assert_eq!(world.done, jobs.len() + 1, "credit was lost");
    for (id, &up) in &world.uploads {
        let got = &world.server.got[id];
        assert!(got.ended && got.octets == up, "{id} arrived whole");
    }
    for end in [&world.client, &world.server] {
        let stats = end.machine.stats();
        assert_eq!(stats.flow_received, stats.flow_released, "{}", end.name);
        assert!(end.sending.is_empty());
        assert!(end.got.keys().all(|id| end.closed.contains_key(id)));
    }
    world.client.machine.close();
    world.drain();
    world.server.machine.handle_eof(T0);
    world.drain();
    world.client.machine.handle_eof(T0);
    world.drain();
    assert!(world.client.machine.is_closed() && world.server.machine.is_closed());
    assert!(world.client.shut && world.server.shut);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn all_bodies_arrive_whole_and_all_credit_returns(
        client in side(),
        server in side(),
        jobs in proptest::collection::vec(job(), 0..24),
        seed in any::<u64>(),
        steps in 0..6000usize,
    ) {
        // Where a round moves an octet or two, a large body would take millions of them.
        let rooms = [&client, &server].map(|side| {
            let windows = side.stream_window.min(side.connection_window);
            side.send_buffer.min(side.stream_send_buffer).min(windows as usize)
        });
        let most = rooms[0].min(rooms[1]).saturating_mul(2000).max(1);
        let mut jobs = jobs;
        for job in &mut jobs {
            (job.up, job.down) = (job.up.min(most), job.down.min(most));
        }
        run(&client, &server, jobs, seed, steps);
    }
}
