//! DNS on the virtual network: a stub with its connections as a node, servers over both transports,
//! bad paths, failures and a forger.

#![cfg(all(feature = "dns", feature = "sim"))]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use bytes::Bytes;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use netio::sim::{
    Context, DatagramApp, DatagramNode, Fact, HostConfig, HostId, Net, Node, NodeId, PathConfig,
    Rng, SocketId, StreamApp, StreamConfig, StreamDriver, StreamServer,
};
use proto_dns::client::{self, Action, ConnectionId, QueryOptions, Stub, stub};
use proto_dns::server::{self, Authority, Zone};
use proto_dns::wire::{Name, Question, RData, Section, Soa, Txt, Type};
use proto_dns::{Config, Limits, Transport};
use std::collections::BTreeMap;

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

/// `www` with an address, and `big` with more text than a datagram holds.
fn authority() -> Authority {
    let origin = name("networkutopia.com.");
    let mut zone = Zone::builder(origin.clone());
    let server = name("dns1.networkutopia.com.");
    let soa = Soa {
        mname: server.view(),
        rname: server.view(),
        serial: 1,
        refresh: 7200,
        retry: 900,
        expire: 1_209_600,
        minimum: 300,
    };
    zone.add(&origin, 3600, &RData::Soa(soa)).unwrap();
    zone.add(&origin, 3600, &RData::Ns(server.view())).unwrap();
    let www = RData::A("212.212.71.4".parse().unwrap());
    zone.add(&name("www.networkutopia.com."), 300, &www)
        .unwrap();
    for number in 0..20 {
        let mut text = Vec::new();
        Txt::encode(&[format!("{number:0200}")], &mut text).unwrap();
        let text = RData::Txt(Txt::from_wire(&text).unwrap());
        zone.add(&name("big.networkutopia.com."), 300, &text)
            .unwrap();
    }
    let mut authority = Authority::new();
    authority.insert(zone.build().unwrap()).unwrap();
    authority
}

struct Serve(Authority);

impl DatagramApp<server::Datagram> for Serve {
    fn on_event(
        &mut self,
        _: Duration,
        machine: &mut server::Datagram,
        event: server::datagram::Event,
    ) {
        if let server::datagram::Event::Query { ask, message, .. } = event {
            machine.serve(&self.0, ask, &message).unwrap();
        }
    }
}

impl StreamApp<server::Stream> for Serve {
    fn on_event(
        &mut self,
        _: Duration,
        machine: &mut server::Stream,
        event: server::stream::Event,
    ) {
        match event {
            server::stream::Event::Query { ask, message } => {
                machine.serve(&self.0, ask, &message).unwrap();
            }
            _ => machine.close(),
        }
    }
}

fn add_server(net: &mut Net, host: HostId) {
    let machine = server::Datagram::new(net.now(), Limits::default());
    net.add_node(
        host,
        "udp",
        DatagramNode::new(Some(53), machine, Serve(authority())),
    );
    net.add_node(
        host,
        "tcp",
        StreamServer::new(53, |now, _: SocketAddr, _: [u8; 32]| {
            let machine = server::Stream::new(now, Limits::default());
            (machine, Serve(authority()))
        }),
    );
}

/// What a stub says.
#[derive(Default)]
struct Answers(Vec<(Duration, stub::Event)>);

impl DatagramApp<Stub> for Answers {
    fn on_event(&mut self, now: Duration, _: &mut Stub, event: stub::Event) {
        self.0.push((now, event));
    }
}

/// What came on a connection.
#[derive(Debug, Default)]
struct Messages(Vec<Bytes>);

impl StreamApp<client::Stream> for Messages {
    fn on_event(&mut self, _: Duration, _: &mut client::Stream, event: client::stream::Event) {
        if let client::stream::Event::Message(message) = event {
            self.0.push(message);
        }
    }
}

/// A stub with its sockets and its connections: the coordinator's embedder.
#[derive(Debug)]
struct Resolver {
    udp: DatagramNode<Stub, Answers>,
    connections: BTreeMap<ConnectionId, (StreamDriver<client::Stream>, Messages)>,
    connects: usize,
}

impl Resolver {
    fn new(now: Duration, servers: &[SocketAddr], seed: [u8; 32]) -> Self {
        let config = Config::new(servers.iter().copied());
        let stub = Stub::new(now, config, Limits::default(), seed);
        Self {
            udp: DatagramNode::new(None, stub, Answers::default()),
            connections: BTreeMap::new(),
            connects: 0,
        }
    }

    fn ask(&mut self, net: &mut Context<'_>, text: &str, rtype: Type) {
        let question = Question::new(name(text), rtype);
        self.udp.act(net, |stub, _, _| {
            stub.query(question, QueryOptions::default()).unwrap()
        });
        self.carry_out(net);
    }

    fn carry_out(&mut self, net: &mut Context<'_>) {
        while let Some(action) = self.udp.act(net, |stub, _, now| stub.poll_action(now)) {
            match action {
                Action::Connect { id, to } => {
                    self.connects += 1;
                    let seed = net.seed();
                    let machine = client::Stream::new(net.now(), Limits::default(), seed);
                    let driver = StreamDriver::new(machine, Some(net.connect(to)));
                    self.connections.insert(id, (driver, Messages::default()));
                }
                Action::Send { id, message } => {
                    let (driver, app) = self.connections.get_mut(&id).unwrap();
                    driver.machine_mut().send(message).unwrap();
                    driver.drive(net, app);
                }
                Action::Close { id } => {
                    if let Some((driver, _)) = self.connections.remove(&id) {
                        net.close(driver.stream().unwrap());
                    }
                }
            }
        }
    }

    /// A fact about a connection, for its driver; what it means, for the stub.
    fn tell(&mut self, net: &mut Context<'_>, fact: &Fact) {
        let ids: Vec<ConnectionId> = self.connections.keys().copied().collect();
        for id in ids {
            let Some((driver, app)) = self.connections.get_mut(&id) else {
                continue;
            };
            if stream_of(fact).is_some_and(|stream| driver.stream() != Some(stream)) {
                continue;
            }
            driver.handle(net, fact, app);
            let done = driver.is_done();
            let messages = core::mem::take(&mut app.0);
            self.udp.act(net, |stub, _, now| {
                match fact {
                    Fact::Connected { .. } => stub.handle_connected(now, id),
                    Fact::Refused { .. } => stub.handle_connect_failed(now, id),
                    _ => {}
                }
                for message in messages {
                    stub.handle_message(now, id, &message);
                }
                if done {
                    stub.handle_closed(now, id);
                }
            });
            if done {
                self.connections.remove(&id);
            }
        }
    }
}

fn stream_of(fact: &Fact) -> Option<netio::sim::StreamId> {
    match fact {
        Fact::Connected { stream }
        | Fact::Refused { stream }
        | Fact::Readable { stream }
        | Fact::Writable { stream }
        | Fact::Eof { stream }
        | Fact::Reset { stream } => Some(*stream),
        _ => None,
    }
}

impl Node for Resolver {
    fn handle(&mut self, net: &mut Context<'_>, fact: Fact) {
        if stream_of(&fact).is_some() || fact == Fact::Timer {
            self.tell(net, &fact);
        }
        if stream_of(&fact).is_none() {
            self.udp.handle(net, fact);
        }
        self.carry_out(net);
    }

    fn poll_timeout(&self) -> Option<Duration> {
        let connections = self.connections.values();
        connections
            .filter_map(|(driver, _)| driver.poll_timeout())
            .chain(self.udp.poll_timeout())
            .min()
    }
}

fn ip(last: u8) -> IpAddr {
    IpAddr::from([192, 0, 2, last])
}

fn server_at(last: u8) -> SocketAddr {
    SocketAddr::new(ip(last), 53)
}

/// A resolver on one host, and servers on as many as asked for.
fn network(seed: u64, path: &PathConfig, servers: u8) -> (Net, NodeId, Vec<HostId>) {
    let mut net = Net::new(seed);
    net.set_default_path(path.clone());
    let here = net.add_host("here", &HostConfig::default(), [ip(100)]);
    let hosts: Vec<HostId> = (1..=servers)
        .map(|n| {
            let host = net.add_host(&format!("server{n}"), &HostConfig::default(), [ip(n)]);
            add_server(&mut net, host);
            host
        })
        .collect();
    let addresses: Vec<SocketAddr> = (1..=servers).map(server_at).collect();
    let mut seeds = Rng::new(seed);
    let resolver = Resolver::new(net.now(), &addresses, seeds.seed());
    let resolver = net.add_node(here, "resolver", resolver);
    net.run_until(Duration::from_millis(1)).unwrap();
    (net, resolver, hosts)
}

fn ask(net: &mut Net, id: NodeId, text: &str, rtype: Type) {
    net.with(id, |resolver: &mut Resolver, net| {
        resolver.ask(net, text, rtype);
    })
    .unwrap()
    .unwrap();
}

/// For each event: how many records of which transport; nothing for a failure.
fn heard(net: &Net, id: NodeId) -> Vec<Option<(usize, Transport)>> {
    let resolver = net.node::<Resolver>(id).unwrap();
    let events = resolver.udp.app().0.iter();
    events
        .map(|(_, event)| match event {
            stub::Event::Answer { message, over, .. } => {
                let records = message.view().records(Section::Answer).count();
                Some((records, *over))
            }
            _ => None,
        })
        .collect()
}

#[test]
fn every_query_is_answered_once_over_a_path_that_loses_doubles_and_reorders() {
    let mut path = PathConfig::latency(Duration::from_millis(20));
    path.datagram.loss = 150_000;
    path.datagram.duplicate = 150_000;
    path.datagram.reorder = 150_000;
    path.datagram.jitter = Duration::from_millis(10);
    let (mut net, id, _) = network(1, &path, 2);
    for _ in 0..100 {
        ask(&mut net, id, "www.networkutopia.com.", Type::A);
        net.run_until(net.now() + Duration::from_millis(5)).unwrap();
    }
    net.run_until_idle().unwrap();
    let heard = heard(&net, id);
    assert_eq!(heard.len(), 100, "one event for each query");
    let answered = heard.iter().flatten().count();
    // Six attempts, each of which is lost in 28 of 100 cases: all but some in 2000.
    assert!(answered >= 99, "{answered}");
    assert!(heard.iter().flatten().all(|(records, _)| *records == 1));
    let resolver = net.node::<Resolver>(id).unwrap();
    assert_eq!(resolver.udp.sockets(), 1, "every port was released");
    assert!(net.stats().lost > 10 && net.stats().duplicated > 10);
}

#[test]
fn a_truncated_answer_is_fetched_over_a_stream_that_is_torn_to_pieces() {
    let mut path = PathConfig::latency(Duration::from_millis(20));
    path.stream = StreamConfig::torn();
    path.stream.loss = 50_000;
    for seed in 0..10 {
        let (mut net, id, _) = network(seed, &path, 1);
        ask(&mut net, id, "big.networkutopia.com.", Type::TXT);
        ask(&mut net, id, "www.networkutopia.com.", Type::A);
        ask(&mut net, id, "big.networkutopia.com.", Type::TXT);
        net.run_until_idle().unwrap();
        let mut heard = heard(&net, id);
        heard.sort_by_key(|event| event.map(|(records, _)| records));
        assert_eq!(
            heard,
            [
                Some((1, Transport::Udp)),
                Some((20, Transport::Tcp)),
                Some((20, Transport::Tcp))
            ]
        );
        let resolver = net.node::<Resolver>(id).unwrap();
        assert_eq!(resolver.connects, 1, "both on one connection");
        assert!(resolver.connections.is_empty(), "which was then closed");
    }
}

#[test]
fn when_one_server_fails_the_other_answers() {
    let path = PathConfig::latency(Duration::from_millis(20));
    let (mut net, id, hosts) = network(1, &path, 2);
    net.fail(hosts[0]);
    ask(&mut net, id, "www.networkutopia.com.", Type::A);
    ask(&mut net, id, "big.networkutopia.com.", Type::TXT);
    net.run_until_idle().unwrap();
    assert_eq!(heard(&net, id).iter().flatten().count(), 2);
    assert!(
        net.now() > Duration::from_secs(2),
        "after the first timeout"
    );
    net.recover(hosts[0]);
    net.fail(hosts[1]);
    ask(&mut net, id, "www.networkutopia.com.", Type::A);
    net.run_until_idle().unwrap();
    assert_eq!(heard(&net, id).iter().flatten().count(), 3);
}

/// Sends answers in the server's name to ports and with ids that it guesses.
#[derive(Debug)]
struct Forger {
    socket: Option<SocketId>,
    rng: Rng,
    wake: Option<Duration>,
    sent: u32,
}

impl Node for Forger {
    fn handle(&mut self, net: &mut Context<'_>, fact: Fact) {
        match fact {
            Fact::Started => self.socket = net.bind(Some(53)),
            Fact::Timer => {}
            _ => return,
        }
        for _ in 0..100 {
            let port = 49_152 + u16::try_from(self.rng.below(16_384)).unwrap();
            let mut forged = vec![0; 12];
            self.rng.fill(&mut forged[..2]);
            forged[2..12].copy_from_slice(&[0x84, 0, 0, 1, 0, 1, 0, 0, 0, 0]);
            forged.extend_from_slice(b"\x03www\x0dnetworkutopia\x03com\0\0\x01\0\x01");
            forged.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1, 0, 0, 1, 0, 0, 4, 6, 6, 6, 6]);
            let to = SocketAddr::new(ip(100), port);
            net.send_as(self.socket.unwrap(), ip(1), to, forged.into());
            self.sent += 1;
        }
        self.wake = (self.sent < 50_000).then(|| net.now() + Duration::from_micros(100));
    }

    fn poll_timeout(&self) -> Option<Duration> {
        self.wake
    }
}

#[test]
fn a_forger_who_guesses_ports_and_ids_is_not_believed() {
    let path = PathConfig::latency(Duration::from_millis(25));
    let (mut net, id, _) = network(1, &path, 1);
    let host = net.add_host("forger", &HostConfig::default(), [ip(66)]);
    let forger = Forger {
        socket: None,
        rng: Rng::new(66),
        wake: None,
        sent: 0,
    };
    let forger = net.add_node(host, "forger", forger);
    net.run_until(Duration::from_millis(25)).unwrap();
    for _ in 0..100 {
        ask(&mut net, id, "www.networkutopia.com.", Type::A);
    }
    net.run_until_idle().unwrap();
    let resolver = net.node::<Resolver>(id).unwrap();
    assert_eq!(net.node::<Forger>(forger).unwrap().sent, 50_000);
    assert!(
        resolver.udp.machine().stats().mismatches > 20,
        "some ports were right"
    );
    for (_, event) in &resolver.udp.app().0 {
        let stub::Event::Answer { message, .. } = event else {
            panic!("{event:?}")
        };
        let view = message.view();
        let record = view.records(Section::Answer).next().unwrap();
        assert!(record.to_string().ends_with("212.212.71.4"), "{record}");
    }
    assert_eq!(resolver.udp.app().0.len(), 100);
}
