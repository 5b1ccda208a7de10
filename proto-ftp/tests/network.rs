//! Whole sessions over a virtual network, data connections and all: how long they take, and how they
//! end over torn and lossy streams.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod common;

use bytes::{Bytes, BytesMut};
use common::{Store, full_server, pipelining_client, plaintext_client};
use core::time::Duration;
use netio::sim::{
    Context, Fact, HostConfig, Net, Node, NodeId, PathConfig, StreamApp, StreamConfig,
    StreamDriver, StreamId,
};
use proto_ftp::client::{CommandId, Event};
use proto_ftp::data::{DataEvent, DataLimits, Format, Receiver, Sender, Type};
use proto_ftp::{ClientLimits, DataTransmit, ServerLimits, client, server};
use std::collections::{BTreeMap, VecDeque};

const SERVER: &str = "192.0.2.1";
const CLIENT: &str = "192.0.2.9";

/// One data connection at work: a sender or a receiver on a stream.
#[derive(Debug)]
enum Work {
    /// The machine, what of the file it did not take, what of its output the stream did not take.
    Send(Box<Sender>, Bytes, Bytes),
    Receive(Box<Receiver>, BytesMut, Vec<u8>),
}

impl Work {
    /// Moves what can be moved. `Some` with the octets of the file when it is over.
    fn drive(&mut self, net: &mut Context<'_>, stream: StreamId) -> Option<Vec<u8>> {
        let now = net.now();
        match self {
            Self::Send(sender, rest, pending) => loop {
                let taken = net.write(stream, pending);
                let _ = pending.split_to(taken);
                if !pending.is_empty() {
                    return None;
                }
                sender.send_data(rest, true);
                match sender.poll_transmit(now, 4096) {
                    Some(DataTransmit::Data(data)) => *pending = data,
                    Some(DataTransmit::Shutdown) => {
                        net.shutdown(stream);
                        let count = usize::try_from(sender.octets_taken()).unwrap();
                        return Some(vec![0; count]);
                    }
                    Some(DataTransmit::Abort) => panic!("nobody aborts"),
                    None => return None,
                }
            },
            Self::Receive(receiver, input, content) => {
                // A torn stream gives a piece at a time.
                while net.read(stream, input) > 0 {}
                if net.at_eof(stream) {
                    receiver.handle_eof(now);
                }
                while let Some(event) = receiver.poll_event(now, input).unwrap() {
                    match event {
                        DataEvent::Chunk(data) => content.extend_from_slice(&data),
                        DataEvent::End => return Some(core::mem::take(content)),
                        _ => {}
                    }
                }
                None
            }
        }
    }
}

fn sender(format: Format, content: Vec<u8>) -> Work {
    let sender = Sender::new(format, DataLimits::default());
    Work::Send(Box::new(sender), content.into(), Bytes::new())
}

fn receiver(format: Format) -> Work {
    let receiver = Receiver::new(format, DataLimits::default());
    Work::Receive(Box::new(receiver), BytesMut::new(), Vec::new())
}

/// Whether a fact is about the control connection, or about time.
fn concerns(fact: &Fact, control: Option<StreamId>) -> bool {
    let stream = match fact {
        Fact::Connected { stream }
        | Fact::Refused { stream }
        | Fact::Readable { stream }
        | Fact::Writable { stream }
        | Fact::Eof { stream }
        | Fact::Reset { stream } => *stream,
        _ => return true,
    };
    Some(stream) == control
}

/// Answers questions out of the store.
struct Answers(Store);

impl StreamApp<server::Session> for Answers {
    fn on_event(&mut self, _: Duration, session: &mut server::Session, event: server::Event) {
        // A question may be over already.
        let _ = self.0.handle(session, event);
    }
}

struct ServerNode {
    driver: StreamDriver<server::Session>,
    app: Answers,
    listening: Option<(server::DataId, u16)>,
    streams: BTreeMap<server::DataId, StreamId>,
    work: BTreeMap<server::DataId, Work>,
    next_port: u16,
}

impl core::fmt::Debug for ServerNode {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("ServerNode")
    }
}

impl ServerNode {
    fn new() -> Self {
        let session = server::Session::new(
            Duration::ZERO,
            full_server(),
            ServerLimits::default(),
            format!("{SERVER}:21").parse().unwrap(),
            format!("{CLIENT}:1").parse().unwrap(),
        );
        Self {
            driver: StreamDriver::new(session, None),
            app: Answers(Store::new()),
            listening: None,
            streams: BTreeMap::new(),
            work: BTreeMap::new(),
            next_port: 50_000,
        }
    }

    fn carry_out(&mut self, net: &mut Context<'_>) {
        loop {
            let now = net.now();
            let mut moved = false;
            while let Some(action) = self.driver.machine_mut().poll_action(now) {
                moved = true;
                self.act(net, action);
            }
            for (id, work) in core::mem::take(&mut self.work) {
                let mut work = work;
                match work.drive(net, self.streams[&id]) {
                    Some(content) => {
                        moved = true;
                        let octets = u64::try_from(content.len()).unwrap();
                        self.app.0.received.insert(id, content);
                        let session = self.driver.machine_mut();
                        session.handle_transferred(now, id, Ok(octets));
                    }
                    None => {
                        self.work.insert(id, work);
                    }
                }
            }
            self.driver.drive(net, &mut self.app);
            if !moved {
                return;
            }
        }
    }

    fn act(&mut self, net: &mut Context<'_>, action: server::Action) {
        let now = net.now();
        match action {
            server::Action::Listen { id, .. } => {
                self.next_port += 1;
                assert!(net.listen(self.next_port));
                self.listening = Some((id, self.next_port));
                let at = format!("{SERVER}:{}", self.next_port).parse().unwrap();
                self.driver.machine_mut().handle_listening(now, id, at);
            }
            server::Action::Connect { id, to } => {
                let stream = net.connect(to);
                self.streams.insert(id, stream);
            }
            server::Action::Pump { .. } => panic!("nothing is pumped here"),
            server::Action::Start {
                id,
                direction,
                format,
            } => {
                let work = match direction {
                    server::Direction::Send => sender(format, self.app.0.outgoing[&id].clone()),
                    server::Direction::Receive => receiver(format),
                };
                self.work.insert(id, work);
            }
            server::Action::Close { id, .. } => {
                self.work.remove(&id);
                if let Some(stream) = self.streams.remove(&id) {
                    net.abort(stream);
                }
            }
            server::Action::Refuse { .. } | server::Action::Secure { .. } => {}
        }
    }
}

impl Node for ServerNode {
    fn handle(&mut self, net: &mut Context<'_>, fact: Fact) {
        let now = net.now();
        match fact {
            Fact::Started => {
                assert!(net.listen(21));
            }
            Fact::Accepted { port: 21, .. } => self.driver.handle(net, &fact, &mut self.app),
            Fact::Accepted { stream, from, port } => {
                let (id, wanted) = self.listening.take().unwrap();
                assert_eq!(port, wanted);
                net.unlisten(port);
                self.streams.insert(id, stream);
                self.driver.machine_mut().handle_connected(now, id, from);
            }
            Fact::Connected { stream } => {
                let id = self.streams.iter().find(|(_, found)| **found == stream);
                if let Some((id, _)) = id {
                    let (_, peer) = net.stream_addresses(stream).unwrap();
                    self.driver.machine_mut().handle_connected(now, *id, peer);
                }
            }
            fact if concerns(&fact, self.driver.stream()) => {
                self.driver.handle(net, &fact, &mut self.app);
            }
            _ => {}
        }
        self.carry_out(net);
    }

    fn poll_timeout(&self) -> Option<Duration> {
        self.driver.poll_timeout()
    }
}

#[derive(Default)]
struct Seen {
    ended: Vec<(CommandId, u16)>,
    failed: Vec<CommandId>,
    errors: Vec<String>,
}

impl StreamApp<client::Session> for Seen {
    fn on_event(&mut self, _: Duration, _: &mut client::Session, event: Event) {
        match event {
            Event::Done { id, reply, .. } => self.ended.push((id, reply.code())),
            Event::Failed { id, .. } => self.failed.push(id),
            _ => {}
        }
    }

    fn on_error(&mut self, _: Duration, _: &mut client::Session, error: client::Error) {
        self.errors.push(format!("{error:?}"));
    }
}

struct ClientNode {
    driver: StreamDriver<client::Session>,
    config: client::Config,
    start: fn(&mut client::Session) -> Vec<CommandId>,
    commands: Vec<CommandId>,
    app: Seen,
    streams: BTreeMap<client::DataId, StreamId>,
    work: BTreeMap<client::DataId, Work>,
    listening: VecDeque<(client::DataId, u16)>,
    downloads: Vec<Vec<u8>>,
    connected: Option<Duration>,
    first_octet: Option<Duration>,
    over: Option<Duration>,
}

impl core::fmt::Debug for ClientNode {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("ClientNode")
    }
}

impl ClientNode {
    fn new(config: client::Config, start: fn(&mut client::Session) -> Vec<CommandId>) -> Self {
        Self {
            driver: StreamDriver::new(Self::session(Duration::ZERO, &config), None),
            config,
            start,
            commands: Vec::new(),
            app: Seen::default(),
            streams: BTreeMap::new(),
            work: BTreeMap::new(),
            listening: VecDeque::new(),
            downloads: Vec::new(),
            connected: None,
            first_octet: None,
            over: None,
        }
    }

    fn session(now: Duration, config: &client::Config) -> client::Session {
        client::Session::new(
            now,
            config.clone(),
            ClientLimits::default(),
            format!("{CLIENT}:1").parse().unwrap(),
            format!("{SERVER}:21").parse().unwrap(),
        )
    }

    fn carry_out(&mut self, net: &mut Context<'_>) {
        loop {
            let now = net.now();
            let mut moved = false;
            while let Some(action) = self.driver.machine_mut().poll_action(now) {
                moved = true;
                self.act(net, action);
            }
            for (id, work) in core::mem::take(&mut self.work) {
                let mut work = work;
                let over = work.drive(net, self.streams[&id]);
                if let Work::Receive(receiver, ..) = &work
                    && receiver.octets_received() > 0
                {
                    self.first_octet.get_or_insert(now);
                }
                match over {
                    Some(content) => {
                        moved = true;
                        let octets = u64::try_from(content.len()).unwrap();
                        if matches!(work, Work::Receive(..)) {
                            self.downloads.push(content);
                        }
                        let session = self.driver.machine_mut();
                        session.handle_transferred(now, id, octets, true);
                    }
                    None => {
                        self.work.insert(id, work);
                    }
                }
            }
            self.driver.drive(net, &mut self.app);
            if self.app.ended.len() + self.app.failed.len() == self.commands.len() {
                self.over.get_or_insert(now);
            }
            if !moved {
                return;
            }
        }
    }

    fn act(&mut self, net: &mut Context<'_>, action: client::Action) {
        match action {
            client::Action::Connect { id, to } => {
                let stream = net.connect(to);
                self.streams.insert(id, stream);
            }
            client::Action::Listen { id, on } => {
                let port = 41_000 + u16::try_from(self.listening.len()).unwrap();
                assert!(net.listen(port));
                self.listening.push_back((id, port));
                let now = net.now();
                let at = (on, port).into();
                self.driver.machine_mut().handle_listening(now, id, at);
            }
            client::Action::Pump { .. } => panic!("nothing is pumped here"),
            client::Action::Start {
                id,
                direction,
                format,
                ..
            } => {
                let work = match direction {
                    client::Direction::Send => sender(format, content()),
                    client::Direction::Receive => receiver(format),
                };
                self.work.insert(id, work);
            }
            client::Action::Close { id } => {
                self.work.remove(&id);
                if let Some(at) = self.listening.iter().position(|(found, _)| *found == id)
                    && let Some((_, port)) = self.listening.remove(at)
                {
                    net.unlisten(port);
                }
                if let Some(stream) = self.streams.remove(&id) {
                    net.close(stream);
                }
            }
            client::Action::Refuse { .. } | client::Action::Secure { .. } => {}
        }
    }
}

impl Node for ClientNode {
    fn handle(&mut self, net: &mut Context<'_>, fact: Fact) {
        let now = net.now();
        match fact {
            Fact::Started => {
                let stream = net.connect(format!("{SERVER}:21").parse().unwrap());
                let mut session = Self::session(now, &self.config);
                self.commands = (self.start)(&mut session);
                self.driver = StreamDriver::new(session, Some(stream));
            }
            Fact::Connected { stream } if Some(stream) != self.driver.stream() => {
                let found = self.streams.iter().find(|(_, found)| **found == stream);
                if let Some((id, _)) = found {
                    let (_, peer) = net.stream_addresses(stream).unwrap();
                    self.driver.machine_mut().handle_connected(now, *id, peer);
                }
            }
            Fact::Accepted { stream, from, .. } => {
                let (id, port) = self.listening.pop_front().unwrap();
                net.unlisten(port);
                self.streams.insert(id, stream);
                self.driver.machine_mut().handle_connected(now, id, from);
            }
            fact if concerns(&fact, self.driver.stream()) => {
                if matches!(fact, Fact::Connected { .. }) {
                    self.connected = Some(now);
                }
                self.driver.handle(net, &fact, &mut self.app);
            }
            _ => {}
        }
        self.carry_out(net);
    }

    fn poll_timeout(&self) -> Option<Duration> {
        self.driver.poll_timeout()
    }
}

/// What is uploaded.
fn content() -> Vec<u8> {
    (0..50_000_u32).map(|at| (at % 251) as u8).collect()
}

fn world(
    seed: u64,
    stream: StreamConfig,
    config: client::Config,
    start: fn(&mut client::Session) -> Vec<CommandId>,
) -> (Net, NodeId, NodeId) {
    let mut net = Net::new(seed);
    let mut path = PathConfig::default();
    path.stream = stream;
    net.set_default_path(path);
    let host = HostConfig::default();
    let there = net.add_host("server", &host, [SERVER.parse().unwrap()]);
    let here = net.add_host("client", &host, [CLIENT.parse().unwrap()]);
    let server = net.add_node(there, "server", ServerNode::new());
    let client = net.add_node(here, "client", ClientNode::new(config, start));
    (net, client, server)
}

fn delayed() -> StreamConfig {
    let mut stream = StreamConfig::default();
    stream.latency = Duration::from_millis(50);
    stream
}

fn login_and_retrieve(session: &mut client::Session) -> Vec<CommandId> {
    vec![
        session.login("bob", "hungry").unwrap(),
        session.retr("file", Type::Image, 0).unwrap(),
    ]
}

/// With 50 ms from end to end, a round trip takes 100 ms.
#[test]
fn the_first_octet_of_login_and_retrieve_comes_after_two_round_trips() {
    let round_trip = Duration::from_millis(100);
    let first_octet = |config| {
        let (mut net, client, _) = world(1, delayed(), config, login_and_retrieve);
        net.run_until(Duration::from_secs(20)).unwrap();
        let node: &ClientNode = net.node(client).unwrap();
        assert_eq!(node.downloads, [common::CONTENT], "{:?}", node.app.errors);
        let took = node.first_octet.unwrap() - node.connected.unwrap();
        (took.as_secs_f64() / round_trip.as_secs_f64() * 100.0).round() / 100.0
    };
    let mut eager = pipelining_client();
    eager.eager = true;
    let (eager, pipelined, lock_step) = (
        first_octet(eager),
        first_octet(pipelining_client()),
        first_octet(plaintext_client()),
    );
    println!(
        "round trips from the connection to the first octet: eager {eager}, pipelined {pipelined}, \
         one at a time {lock_step}"
    );
    assert!(eager <= 2.05, "{eager}");
    assert!(pipelined <= 2.55, "{pipelined}");
    assert!(lock_step >= 5.0, "{lock_step}");
}

fn much(session: &mut client::Session) -> Vec<CommandId> {
    vec![
        session.login("bob", "hungry").unwrap(),
        session.retr("file", Type::Image, 4).unwrap(),
        session.stor("new", Type::Image, 0).unwrap(),
        session.retr("new", Type::Image, 0).unwrap(),
        session.nlst(None).unwrap(),
        session.retr("none", Type::Image, 0).unwrap(),
        session.retr("sub/text", Type::Ascii, 0).unwrap(),
        session.rename("new", "old").unwrap(),
        session.quit().unwrap(),
    ]
}

#[test]
fn sessions_come_to_their_end_over_torn_and_lossy_streams() {
    let mut eager = pipelining_client();
    eager.eager = true;
    let mut active = plaintext_client();
    active.active = true;
    for (name, config) in [
        ("one at a time", plaintext_client()),
        ("pipelined", pipelining_client()),
        ("eager", eager),
        ("active", active),
    ] {
        for seed in 0..10 {
            let mut stream = StreamConfig::torn();
            stream.loss = 20_000;
            stream.latency = Duration::from_millis(20);
            let (mut net, client, server) = world(seed, stream, config.clone(), much);
            net.run_until(Duration::from_secs(250)).unwrap();
            let node: &ClientNode = net.node(client).unwrap();
            let codes: Vec<u16> = node.app.ended.iter().map(|(_, code)| *code).collect();
            assert_eq!(
                codes,
                [230, 226, 226, 226, 226, 550, 226, 250, 221],
                "{name} {seed}: {:?}",
                node.app.errors
            );
            let ids: Vec<CommandId> = node.app.ended.iter().map(|(id, _)| *id).collect();
            assert_eq!(ids, node.commands);
            assert_eq!(node.downloads[0], common::CONTENT[4..]);
            let stored: &ServerNode = net.node(server).unwrap();
            assert!(stored.app.0.files.contains_key(&b"/old"[..]));
            // What came back is what was sent.
            assert!(node.downloads[1] == content(), "{name} {seed}");
            assert_eq!(node.downloads[3], common::TEXT);
        }
    }
}
