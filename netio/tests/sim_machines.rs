//! Machines on the virtual network: pairs, servers, TLS, recordings that play again.

#![cfg(feature = "sim")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::panic_in_result_fn,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod sim_toy;

use bytes::{Bytes, BytesMut};
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use netio::shape::{
    DatagramMachine, DatagramTransmit, Local, LocalId, StreamMachine, StreamTransmit,
};
use netio::sim::{
    Call, Context, DatagramNode, Fact, HostConfig, Net, Node, Pair, PathConfig, RunLimits,
    SimError, StreamApp, StreamConfig, StreamDriver, StreamNode, StreamServer, Transcript, replay,
    replay_datagrams,
};
use sim_toy::{Error, Event, Fault, IDLE, LINGER, Toy};
use std::collections::VecDeque;

/// Answers every question with what a client hears.
#[derive(Clone, Debug, Default)]
struct Shout {
    said: Vec<String>,
    errors: Vec<Error>,
}

impl StreamApp<Toy> for Shout {
    fn on_event(&mut self, _now: Duration, machine: &mut Toy, event: Event) {
        match event {
            Event::Line { ask, line } => {
                self.said.push(format!("{line:?}"));
                machine.answer(ask, &[b">", &line[..]].concat()).unwrap();
            }
            Event::PeerClosed => {
                self.said.push("PeerClosed".into());
                machine.close();
            }
            event => self.said.push(format!("{event:?}")),
        }
    }

    fn on_error(&mut self, _now: Duration, _machine: &mut Toy, error: Error) {
        self.errors.push(error);
    }
}

/// Asks some lines, hears their answers, and closes.
#[derive(Clone, Debug, Default)]
struct Asker {
    lines: Vec<String>,
    tls: bool,
    heard: Vec<String>,
    errors: Vec<Error>,
    at: Option<Duration>,
}

impl Asker {
    fn new<const N: usize>(lines: [&str; N]) -> Self {
        Self {
            lines: lines.map(String::from).to_vec(),
            ..Self::default()
        }
    }

    fn ask(&self, machine: &mut Toy) {
        for line in &self.lines {
            machine.ask(line.as_bytes());
        }
    }
}

impl StreamApp<Toy> for Asker {
    fn start(&mut self, _now: Duration, machine: &mut Toy) {
        if self.tls {
            machine.ask(b"TLS");
        } else {
            self.ask(machine);
        }
    }

    fn on_event(&mut self, now: Duration, machine: &mut Toy, event: Event) {
        match event {
            // The plus of the server that is ready for TLS.
            Event::Line { ask, line } if line == "+" => {
                machine.settle_plus(ask);
                machine.start_tls();
                self.ask(machine);
            }
            Event::Heard(line) => {
                self.heard.push(String::from_utf8(line.to_vec()).unwrap());
                if self.heard.len() == self.lines.len() {
                    self.at = Some(now);
                    machine.close();
                }
            }
            // A farewell asks for nothing either.
            Event::Line { ask, line } => {
                self.heard.push(String::from_utf8(line.to_vec()).unwrap());
                machine.settle_plus(ask);
            }
            Event::PeerClosed => machine.close(),
            event => panic!("{event:?}"),
        }
    }

    fn on_error(&mut self, _now: Duration, _machine: &mut Toy, error: Error) {
        self.errors.push(error);
    }
}

fn toy(fault: Fault) -> Toy {
    Toy::new(Duration::ZERO, fault)
}

fn pair(seed: u64, asker: Asker) -> Pair<Toy, Asker, Toy, Shout> {
    Pair::new(
        seed,
        (toy(Fault::None), asker),
        (toy(Fault::None), Shout::default()),
    )
}

#[test]
fn a_pair_talks_over_any_wire() {
    for seed in 0..20 {
        let mut stream = StreamConfig::torn();
        stream.loss = 50_000;
        let lines = ["one", "two", "three", "", "a longer line, of 28 octets.."];
        let mut pair = pair(seed, Asker::new(lines)).stream(stream);
        pair.run().unwrap();
        assert!(pair.is_done());
        let heard = &pair.client().unwrap().app().heard;
        assert_eq!(*heard, lines.map(str::to_uppercase));
        assert_eq!(
            pair.server().unwrap().app().said.last().unwrap(),
            "PeerClosed"
        );
        assert!(!pair.server().unwrap().has_failed());
    }
}

#[test]
fn r8_an_upgrade_in_mid_stream() {
    for config in [StreamConfig::default(), StreamConfig::torn()] {
        let mut asker = Asker::new(["secret", "more"]);
        asker.tls = true;
        let mut pair = pair(1, asker).stream(config);
        pair.run().unwrap();
        assert_eq!(pair.client().unwrap().app().heard, ["SECRET", "MORE"]);
        assert_eq!(
            pair.server().unwrap().app().said,
            ["Upgrading", "b\"secret\"", "b\"more\"", "PeerClosed"]
        );
    }
}

#[test]
fn r5_the_farewell_arrives_although_more_was_on_its_way() {
    let lines = [
        "one",
        "a line that is far too long for the server to take",
        "three",
    ];
    let mut pair = pair(1, Asker::new(lines)).stream(StreamConfig::torn());
    pair.run().unwrap();
    let server = pair.server().unwrap();
    assert_eq!(server.app().errors, [Error::TooLong]);
    assert!(pair.is_done());
    assert_eq!(pair.client().unwrap().app().heard, ["ONE", "!long"]);
}

#[test]
fn r4_floods_pass_buffers_that_are_filled_to_the_last_octet() {
    for (buffer, both) in [(1, true), (1, false), (16, true), (16, false), (100, false)] {
        let mut stream = StreamConfig::default();
        (stream.send_buffer, stream.receive_buffer) = (buffer, buffer);
        let mut pair = Pair::new(
            1,
            (toy(Fault::None), Shout::default()),
            (toy(Fault::None), Shout::default()),
        )
        .stream(stream);
        let flood = |machine: &mut Toy| {
            for number in 0..100 {
                machine.say(format!("line {number:10}").as_bytes());
            }
        };
        pair.client_acts(|machine, _, _| flood(machine)).unwrap();
        if both {
            pair.server_acts(|machine, _, _| flood(machine)).unwrap();
        }
        pair.run_until(Duration::from_secs(60)).unwrap();
        let heard = if both { 100 } else { 0 };
        assert_eq!(pair.client().unwrap().app().said.len(), heard, "{buffer}");
        assert_eq!(pair.server().unwrap().app().said.len(), 100, "{buffer}");
    }
}

#[test]
fn embedders_act_at_their_time_and_idle_machines_time_out() {
    let mut pair = pair(1, Asker::new(["one", "never"]));
    pair.run_until(Duration::from_secs(1)).unwrap();
    assert_eq!(pair.client().unwrap().app().heard, ["ONE", "NEVER"]);

    let mut pair = Pair::new(
        1,
        (toy(Fault::None), Shout::default()),
        (toy(Fault::None), Shout::default()),
    );
    pair.run_until(Duration::from_secs(1)).unwrap();
    pair.client_acts(|machine, _, now| {
        assert_eq!(now, Duration::from_secs(1));
        machine.say(b"psst");
    })
    .unwrap()
    .unwrap();
    pair.run().unwrap();
    // The client hears nothing for its idle time, says so and fails; the server hears it and closes.
    assert_eq!(
        pair.server().unwrap().app().said,
        ["Heard(b\"psst\")", "b\"!idle\"", "PeerClosed"]
    );
    assert_eq!(pair.client().unwrap().app().errors, [Error::Idle]);
    assert!(pair.is_done());
    assert!(pair.net.now() >= IDLE);
    assert!(pair.net.now() < IDLE + LINGER + Duration::from_secs(1));
}

#[test]
fn a_server_has_one_machine_for_each_connection() {
    let mut net = Net::new(5);
    net.set_default_path(PathConfig::latency(Duration::from_millis(3)));
    let here = net.add_host(
        "server",
        &HostConfig::default(),
        [IpAddr::from([10, 0, 0, 1])],
    );
    let server = StreamServer::new(7, |now, _from: SocketAddr, _seed: [u8; 32]| {
        (Toy::new(now, Fault::None), Shout::default())
    });
    let server = net.add_node(here, "server", server);
    let mut clients = Vec::new();
    for number in 0..50_u8 {
        let there = net.add_host(
            &format!("client{number}"),
            &HostConfig::default(),
            [IpAddr::from([10, 0, 1, number])],
        );
        let asker = Asker::new([format!("line {number}").as_str(), "x"]);
        let to = SocketAddr::from(([10, 0, 0, 1], 7));
        clients.push(net.add_node(
            there,
            &format!("client{number}"),
            StreamNode::connect(to, toy(Fault::None), asker),
        ));
    }
    // One that never says anything is thrown out after the idle time.
    let host = net.host_of(clients[0]).unwrap();
    let silent = StreamNode::connect(
        SocketAddr::from(([10, 0, 0, 1], 7)),
        toy(Fault::None),
        Shout::default(),
    );
    let silent = net.add_node(host, "silent", silent);
    net.run_until(Duration::from_secs(10)).unwrap();
    for (number, client) in clients.iter().enumerate() {
        let node = net.node::<StreamNode<Toy, Asker>>(*client).unwrap();
        assert_eq!(node.app().heard, [format!("LINE {number}"), "X".into()]);
        assert!(node.is_done());
    }
    type Server = StreamServer<Toy, Shout, fn(Duration, SocketAddr, [u8; 32]) -> (Toy, Shout)>;
    assert!(net.node::<Server>(server).is_none(), "another type");
    let told = |net: &Net| net.stats();
    assert!(told(&net).segments > 100);
    net.run_until_idle().unwrap();
    assert!(net.now() >= IDLE);
    assert!(
        net.node::<StreamNode<Toy, Shout>>(silent)
            .unwrap()
            .is_done()
    );
}

#[test]
fn a_server_that_restarts_has_forgotten_its_connections() {
    let mut net = Net::new(5);
    let hosts = [1, 2].map(|n| {
        net.add_host(
            "host",
            &HostConfig::default(),
            [IpAddr::from([10, 0, 0, n])],
        )
    });
    type Factory = fn(Duration, SocketAddr, [u8; 32]) -> (Toy, Shout);
    let factory: Factory = |now, _, _| (Toy::new(now, Fault::None), Shout::default());
    let server = StreamServer::new(7, factory).keep_ended(1);
    let server = net.add_node(hosts[0], "server", server);
    let to = SocketAddr::from(([10, 0, 0, 1], 7));
    let client = StreamNode::connect(to, toy(Fault::None), Shout::default());
    let client = net.add_node(hosts[1], "client", client);
    net.run_until(Duration::from_secs(1)).unwrap();
    type Server = StreamServer<Toy, Shout, Factory>;
    assert_eq!(net.node::<Server>(server).unwrap().open(), 1);
    net.fail_at(Duration::from_secs(2), hosts[0]);
    net.recover_at(Duration::from_secs(3), hosts[0]);
    net.run_until(Duration::from_secs(4)).unwrap();
    let node = net.node::<Server>(server).unwrap();
    assert_eq!((node.open(), node.accepted()), (0, 1));
    assert!(
        net.node::<StreamNode<Toy, Shout>>(client)
            .unwrap()
            .is_done()
    );
    let again = StreamNode::connect(to, toy(Fault::None), Asker::new(["again"]));
    let again = net.add_node(hosts[1], "again", again);
    net.run_until(Duration::from_secs(5)).unwrap();
    let node = net.node::<StreamNode<Toy, Asker>>(again).unwrap();
    assert_eq!(node.app().heard, ["AGAIN"]);
    let ended: Vec<_> = net.node::<Server>(server).unwrap().ended().collect();
    assert_eq!(ended.len(), 1, "what a crash took is not kept");
    assert_eq!(ended[0].1.said, ["b\"again\"", "PeerClosed"]);
}

#[test]
fn a_machine_that_chatters_is_named() {
    let mut limits = RunLimits::default();
    limits.chatter = 1000;
    let mut pair = Pair::new(
        1,
        (toy(Fault::None), Asker::new(["\u{e9}"])),
        (toy(Fault::ChattersOnHighOctet), Shout::default()),
    )
    .limits(limits.clone());
    let error = pair.run().unwrap_err();
    assert!(matches!(&error, SimError::Node { node, .. } if node == "server"));
    assert!(error.to_string().contains("does not run out of events"));

    // A hot timer is met after the idle time.
    let mut pair = Pair::new(
        1,
        (toy(Fault::HotTimer), Shout::default()),
        (toy(Fault::None), Shout::default()),
    )
    .limits(limits);
    pair.run_until(Duration::from_secs(299)).unwrap();
    let error = pair.run().unwrap_err();
    assert!(matches!(&error, SimError::Chatter { node, .. } if node == "client"));
}

/// The recording of a run with an upgrade and losses, and the number of its stream.
fn recording(seed: u64) -> (Transcript, u64) {
    let mut asker = Asker::new(["one", "two", "three"]);
    asker.tls = true;
    let mut stream = StreamConfig::torn();
    stream.loss = 100_000;
    let mut pair = pair(seed, asker).stream(stream).keep_transcript();
    pair.run().unwrap();
    assert!(pair.is_done());
    let transcript = pair.net.transcript().unwrap().clone();
    let stream = transcript
        .entries()
        .iter()
        .find_map(|entry| entry.stream)
        .unwrap();
    (transcript, stream)
}

#[test]
fn the_same_seed_gives_the_same_recording_which_survives_as_text() {
    let (one, _) = recording(1);
    let (two, _) = recording(1);
    let (other, _) = recording(2);
    assert_eq!(one, two);
    assert_ne!(one, other);
    let text = one.to_string();
    assert_eq!(text.parse::<Transcript>().unwrap(), one);
    assert!(text.contains("input"));
}

#[test]
fn a_recording_plays_again_bit_for_bit_and_finds_a_machine_that_changed() {
    let (transcript, stream) = recording(1);
    let text = transcript.of("server", Some(stream)).to_string();
    let recorded: Transcript = text.parse().unwrap();
    assert!(recorded.entries().len() > 20);
    replay(&recorded, &mut toy(Fault::None), &mut Shout::default()).unwrap();
    let recorded = transcript.of("client", Some(stream));
    let mut asker = Asker::new(["one", "two", "three"]);
    asker.tls = true;
    replay(&recorded, &mut toy(Fault::None), &mut asker).unwrap();
    assert_eq!(asker.heard, ["ONE", "TWO", "THREE"]);

    // An application that answers otherwise; a machine that leaves an event out.
    let recorded = transcript.of("server", Some(stream));
    let mut whisper = |_, machine: &mut Toy, event| {
        if let Event::Line { ask, line } = event {
            machine.answer(ask, &line).unwrap();
        }
    };
    let other = replay(&recorded, &mut toy(Fault::None), &mut whisper);
    let diverged = other.unwrap_err();
    assert!(diverged.to_string().contains("transmit"), "{diverged}");
    let other = replay(
        &recorded,
        &mut toy(Fault::NoPeerClosed),
        &mut Shout::default(),
    );
    assert!(other.is_err());
    assert!(
        recorded
            .entries()
            .iter()
            .any(|entry| matches!(entry.call, Call::Secured))
    );
}

/// A datagram machine that sends from fresh sockets, and one that answers.
#[derive(Debug, Default)]
struct Post {
    output: VecDeque<DatagramTransmit>,
    got: VecDeque<(LocalId, SocketAddr, Bytes)>,
    answers: bool,
    deadline: Option<Duration>,
}

impl DatagramMachine for Post {
    type Event = (LocalId, SocketAddr, Bytes);

    fn handle_datagram(&mut self, _: Duration, local: LocalId, from: SocketAddr, data: &[u8]) {
        let payload = Bytes::copy_from_slice(data);
        if self.answers {
            self.output.push_back(DatagramTransmit::Datagram {
                local: Local::Id(local),
                to: from,
                payload: payload.clone(),
            });
        } else {
            self.output.push_back(DatagramTransmit::Release(local));
        }
        self.got.push_back((local, from, payload));
    }

    fn poll_event(&mut self) -> Option<Self::Event> {
        self.got.pop_front()
    }

    fn poll_transmit(&mut self, _: Duration) -> Option<DatagramTransmit> {
        self.output.pop_front()
    }

    fn poll_timeout(&self) -> Option<Duration> {
        self.deadline
    }

    fn handle_timeout(&mut self, now: Duration) {
        if self.deadline.is_some_and(|deadline| deadline <= now) {
            self.deadline = None;
            self.output.push_back(DatagramTransmit::Datagram {
                local: Local::Any,
                to: "10.0.0.2:53".parse().unwrap(),
                payload: "late".into(),
            });
        }
    }
}

#[test]
fn a_datagram_machine_binds_sends_and_releases() {
    type Got = Vec<(u64, u16, Bytes)>;
    struct Keep(Got);
    impl netio::sim::DatagramApp<Post> for Keep {
        fn on_event(
            &mut self,
            _: Duration,
            _: &mut Post,
            (local, from, data): (LocalId, SocketAddr, Bytes),
        ) {
            self.0.push((local.0, from.port(), data));
        }
    }
    let mut net = Net::new(9);
    net.keep_transcript();
    let hosts = [1, 2].map(|n| {
        net.add_host(
            "host",
            &HostConfig::default(),
            [IpAddr::from([10, 0, 0, n])],
        )
    });
    let server = Post {
        answers: true,
        ..Post::default()
    };
    let server = net.add_node(
        hosts[1],
        "server",
        DatagramNode::new(Some(53), server, Keep(vec![])),
    );
    let client = Post {
        deadline: Some(Duration::from_secs(5)),
        ..Post::default()
    };
    let client = net.add_node(
        hosts[0],
        "client",
        DatagramNode::new(None, client, Keep(vec![])),
    );
    net.run_until(Duration::from_secs(1)).unwrap();
    type Posts = DatagramNode<Post, Keep>;
    net.with(client, |node: &mut Posts, net| {
        node.act(net, |machine, _, _| {
            for id in 1..=3 {
                machine.output.push_back(DatagramTransmit::Datagram {
                    local: Local::Fresh(LocalId(id)),
                    to: "10.0.0.2:53".parse().unwrap(),
                    payload: format!("query {id}").into(),
                });
            }
        });
        assert_eq!(node.sockets(), 4);
    })
    .unwrap()
    .unwrap();
    net.run_until_idle().unwrap();
    let node = net.node::<Posts>(client).unwrap();
    assert_eq!(
        node.sockets(),
        0,
        "the reply to \"late\" released the main one"
    );
    let replies: Vec<(u64, u16)> = node
        .app()
        .0
        .iter()
        .map(|(local, port, _)| (*local, *port))
        .collect();
    assert_eq!(replies, [(1, 53), (2, 53), (3, 53), (0, 53)]);
    let asked = &net.node::<Posts>(server).unwrap().app().0;
    let mut ports: Vec<u16> = asked.iter().map(|(_, port, _)| *port).collect();
    ports.sort_unstable();
    ports.dedup();
    assert_eq!(ports.len(), 4, "each from a port of its own");

    let text = net.transcript().unwrap().of("server", None).to_string();
    let recorded: Transcript = text.parse().unwrap();
    let mut again = Post {
        answers: true,
        ..Post::default()
    };
    replay_datagrams(&recorded, &mut again, &mut Keep(vec![])).unwrap();
    let silent = replay_datagrams(&recorded, &mut Post::default(), &mut Keep(vec![]));
    assert!(silent.unwrap_err().given.contains("release"));
}

/// A coordinator in small: it opens a second stream for each line that it hears on the first.
#[derive(Debug, Default)]
struct Coordinator {
    control: Option<StreamDriver<Toy>>,
    app: Shout,
    others: u64,
}

impl Node for Coordinator {
    fn handle(&mut self, net: &mut Context<'_>, fact: Fact) {
        match &fact {
            Fact::Started => assert!(net.listen(7)),
            Fact::Accepted { stream, .. } => {
                let machine = Toy::new(net.now(), Fault::None);
                self.control = Some(StreamDriver::new(machine, Some(*stream)));
            }
            Fact::Refused { .. } => self.others += 1,
            _ => {}
        }
        if let Some(control) = &mut self.control
            && !matches!(fact, Fact::Refused { .. })
        {
            let before = self.app.said.len();
            control.handle(net, &fact, &mut self.app);
            for _ in before..self.app.said.len() {
                net.connect("10.0.0.2:99".parse().unwrap());
            }
        }
    }

    fn poll_timeout(&self) -> Option<Duration> {
        self.control.as_ref()?.poll_timeout()
    }
}

#[test]
fn a_coordinator_is_a_node_with_drivers_inside() {
    let mut net = Net::new(3);
    let hosts = [1, 2].map(|n| {
        net.add_host(
            "host",
            &HostConfig::default(),
            [IpAddr::from([10, 0, 0, n])],
        )
    });
    let coordinator = net.add_node(hosts[0], "coordinator", Coordinator::default());
    let to = SocketAddr::from(([10, 0, 0, 1], 7));
    let asker = StreamNode::connect(to, toy(Fault::None), Asker::new(["a", "b"]));
    net.add_node(hosts[1], "asker", asker);
    net.run_until_idle().unwrap();
    let node = net.node::<Coordinator>(coordinator).unwrap();
    assert_eq!(node.app.said, ["b\"a\"", "b\"b\"", "PeerClosed"]);
    assert_eq!(node.others, 3);
    assert!(node.control.as_ref().unwrap().is_done());
}

/// A machine that carries out a list of steps and notes what happens to it.
#[derive(Debug, Default)]
struct Scripted {
    steps: VecDeque<StreamTransmit>,
    heard: BytesMut,
    eof: bool,
    dead: bool,
}

impl StreamMachine for Scripted {
    type Event = Bytes;
    type Error = Error;

    fn poll_event(&mut self, _: Duration, input: &mut BytesMut) -> Result<Option<Bytes>, Error> {
        self.heard.unsplit(input.split());
        Ok(None)
    }

    fn poll_transmit(&mut self, _: Duration, budget: usize) -> Option<StreamTransmit> {
        if budget == 0 {
            return None;
        }
        self.steps.pop_front()
    }

    fn poll_timeout(&self) -> Option<Duration> {
        None
    }

    fn handle_timeout(&mut self, _: Duration) {}

    fn handle_eof(&mut self, _: Duration) {
        self.eof = true;
    }

    fn handle_disconnect(&mut self, _: Duration) {
        self.dead = true;
        self.steps.clear();
    }

    fn close(&mut self) {}

    fn wants_read(&self) -> bool {
        !self.dead
    }

    fn is_closed(&self) -> bool {
        self.dead
    }
}

#[test]
fn every_step_of_output_is_carried_out_in_order() {
    let steps = [
        StreamTransmit::Data("one ".into()),
        StreamTransmit::Urgent("two ".into()),
        StreamTransmit::StopTls,
        StreamTransmit::Data("three".into()),
    ];
    for last in [StreamTransmit::Shutdown, StreamTransmit::Abort] {
        let client = Scripted {
            steps: steps.iter().cloned().chain([last.clone()]).collect(),
            ..Scripted::default()
        };
        let ignore = |_: Duration, _: &mut Scripted, _: Bytes| {};
        let mut pair = Pair::new(1, (client, ignore), (Scripted::default(), ignore));
        pair.run().unwrap();
        let server = pair.server().unwrap().machine();
        let client = pair.client().unwrap().machine();
        match last {
            StreamTransmit::Shutdown => {
                assert_eq!(server.heard, "one two three");
                assert!(server.eof && !server.dead && !client.dead);
            }
            _ => {
                assert!(!server.eof && server.dead && client.dead);
                assert!(pair.is_done());
            }
        }
    }
}

#[test]
fn r8_implicit_tls_is_told_before_anything_else() {
    let mut pair = Pair::with_implicit_tls(
        1,
        (toy(Fault::None), Asker::new(["one"])),
        (toy(Fault::None), Shout::default()),
    )
    .keep_transcript();
    pair.run().unwrap();
    assert_eq!(pair.client().unwrap().app().heard, ["ONE"]);
    for node in ["client", "server"] {
        let transcript = pair.net.transcript().unwrap().of(node, Some(1));
        assert_eq!(transcript.entries()[0].call, Call::Secured);
    }
}
