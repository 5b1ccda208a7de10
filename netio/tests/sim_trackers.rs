//! Trackers on the virtual network, which loses, doubles and reorders datagrams, and tears streams.

#![cfg(all(feature = "bittorrent", feature = "sim"))]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use core::cell::{Cell, RefCell};
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use netio::sim::{
    DatagramApp, DatagramNode, HostConfig, HostId, Net, NodeId, PathConfig, StreamApp,
    StreamConfig, StreamNode, StreamServer,
};
use proto_bittorrent::Limits;
use proto_bittorrent::hash::{PeerId, Sha1Hash};
use proto_bittorrent::tracker::udp::{Client, ClientEvent, Failure, Server, ServerEvent};
use proto_bittorrent::tracker::{
    Action, Announce, AnnounceEvent, Announcer, AnnouncerConfig, AnnouncerEvent, AttemptId,
    QueryId, Store, StoreLimits, http,
};
use std::collections::BTreeMap;
use std::rc::Rc;

type Shared = Rc<RefCell<Store>>;

fn torrent() -> Sha1Hash {
    Sha1Hash::of(b"a torrent")
}

fn rough() -> PathConfig {
    let mut path = PathConfig::latency(Duration::from_millis(40));
    path.datagram.jitter = Duration::from_millis(30);
    path.datagram.loss = 250_000;
    path.datagram.duplicate = 100_000;
    path.datagram.reorder = 100_000;
    path
}

/// Adds a tracker at that address, and says where it is and what it knows.
fn add_tracker(net: &mut Net, ip: [u8; 4]) -> (HostId, SocketAddr, Shared) {
    let store = Rc::new(RefCell::new(Store::new(StoreLimits::default(), [1; 32])));
    let host = net.add_host("tracker", &HostConfig::default(), [IpAddr::from(ip)]);
    let shared = Rc::clone(&store);
    let serve = move |now, machine: &mut Server, event: ServerEvent| {
        machine.serve(&mut shared.borrow_mut(), now, event).unwrap();
    };
    let machine = Server::new(net.now(), Limits::default(), [2; 32]);
    net.add_node(
        host,
        "tracker",
        DatagramNode::new(Some(6969), machine, serve),
    );
    (host, SocketAddr::from((ip, 6969)), store)
}

/// Asks once, and keeps what came of it.
struct Once {
    tracker: SocketAddr,
    announce: Announce,
    events: Vec<ClientEvent>,
}

impl DatagramApp<Client> for Once {
    fn start(&mut self, _: Duration, machine: &mut Client) {
        let path = "/announce?key=x";
        machine
            .announce(self.tracker, self.announce.clone(), path)
            .unwrap();
        machine.scrape(self.tracker, &[torrent()]).unwrap();
    }

    fn on_event(&mut self, _: Duration, _: &mut Client, event: ClientEvent) {
        self.events.push(event);
    }
}

fn add_clients(net: &mut Net, tracker: SocketAddr, count: u8, limits: &Limits) -> Vec<NodeId> {
    let add = |number: u8| {
        let address = IpAddr::from([10, 0, 1, number]);
        let host = net.add_host(&format!("peer{number}"), &HostConfig::default(), [address]);
        let mut announce = Announce::new(torrent(), PeerId([number; 20]), 6881);
        announce.left = u64::from(number % 3);
        let machine = Client::new(net.now(), limits.clone(), [number; 32]);
        let app = Once {
            tracker,
            announce,
            events: Vec::new(),
        };
        let name = format!("peer{number}");
        net.add_node(host, &name, DatagramNode::new(None, machine, app))
    };
    (0..count).map(add).collect()
}

fn events(net: &Net, node: NodeId) -> &[ClientEvent] {
    let node: &DatagramNode<Client, Once> = net.node(node).unwrap();
    &node.app().events
}

#[test]
fn every_peer_is_counted_once_over_a_rough_network() {
    for seed in 0..5 {
        let mut net = Net::new(seed);
        net.set_default_path(rough());
        let (_, tracker, store) = add_tracker(&mut net, [10, 0, 0, 1]);
        let clients = add_clients(&mut net, tracker, 30, &Limits::default());
        net.run_until(Duration::from_secs(3600)).unwrap();
        assert_eq!(store.borrow().peers(), 30);
        let counts = store.borrow().scrape(&torrent());
        assert_eq!((counts.seeders, counts.leechers), (10, 20));
        for client in clients {
            match events(&net, client) {
                [one, two] => {
                    let kinds = [one, two].map(|event| match event {
                        ClientEvent::Announced { response, .. } => {
                            assert!(response.peers.len() < 30);
                            1
                        }
                        ClientEvent::Scraped { counts, .. } => {
                            assert_eq!(counts.len(), 1);
                            2
                        }
                        other => panic!("{other:?}"),
                    });
                    assert_eq!(kinds[0] + kinds[1], 3, "each of both once");
                }
                other => panic!("{other:?}"),
            }
        }
    }
}

#[test]
fn a_dead_tracker_ends_every_question_once_and_in_time() {
    let mut net = Net::new(1);
    let (host, tracker, _) = add_tracker(&mut net, [10, 0, 0, 1]);
    net.fail(host);
    let mut limits = Limits::default();
    limits.max_retransmissions = 2;
    let clients = add_clients(&mut net, tracker, 3, &limits);
    // BEP 15: 15, 30 and 60 seconds.
    net.run_until(Duration::from_secs(104)).unwrap();
    assert!(
        clients
            .iter()
            .all(|client| events(&net, *client).is_empty())
    );
    net.run_until(Duration::from_secs(3600)).unwrap();
    for client in clients {
        let events = events(&net, client);
        assert_eq!(events.len(), 2);
        assert!(events.iter().all(|event| matches!(
            event,
            ClientEvent::Failed {
                reason: Failure::Timeout,
                ..
            }
        )));
    }
}

/// A peer for as long as it runs: an announcer that goes to its trackers by UDP.
struct Peer {
    announcer: Announcer,
    asked: BTreeMap<QueryId, AttemptId>,
    /// When it announced, and what.
    said: Vec<(u64, AnnounceEvent)>,
    is_stopped: bool,
}

impl DatagramApp<Client> for Peer {
    fn start(&mut self, _: Duration, _: &mut Client) {
        self.announcer.start();
    }

    fn on_event(&mut self, now: Duration, _: &mut Client, event: ClientEvent) {
        match event {
            ClientEvent::Announced { id, response } => {
                let attempt = self.asked.remove(&id).unwrap();
                self.announcer.handle_announced(now, attempt, response);
            }
            ClientEvent::Failed { id, .. } => {
                let attempt = self.asked.remove(&id).unwrap();
                self.announcer.handle_failed(now, attempt);
            }
            other => panic!("{other:?}"),
        }
    }

    fn advance(&mut self, now: Duration, machine: &mut Client) -> bool {
        self.announcer.handle_timeout(now);
        while let Some(event) = self.announcer.poll_event() {
            self.is_stopped |= event == AnnouncerEvent::Stopped;
        }
        let Some(Action::Announce {
            id,
            tracker,
            announce,
            ..
        }) = self.announcer.poll_action(now)
        else {
            return false;
        };
        let to = SocketAddr::new(tracker.host().parse().unwrap(), tracker.port());
        self.said.push((now.as_secs(), announce.event));
        let query = machine.announce(to, announce, tracker.path()).unwrap();
        self.asked.insert(query, id);
        true
    }

    fn poll_timeout(&self) -> Option<Duration> {
        self.announcer.poll_timeout()
    }
}

#[test]
fn an_announcer_finds_the_tracker_that_lives_and_keeps_its_interval() {
    let mut net = Net::new(7);
    net.set_default_path(rough());
    let (dead, ..) = add_tracker(&mut net, [10, 0, 0, 1]);
    let (_, _, store) = add_tracker(&mut net, [10, 0, 0, 2]);
    net.fail(dead);
    let host = net.add_host(
        "peer",
        &HostConfig::default(),
        [IpAddr::from([10, 0, 1, 1])],
    );
    let announce = Announce::new(torrent(), PeerId([1; 20]), 6881);
    let tiers = [["udp://10.0.0.1:6969"], ["udp://10.0.0.2:6969/announce"]];
    let config = AnnouncerConfig::default();
    let mut limits = Limits::default();
    limits.max_retransmissions = 5;
    let app = Peer {
        announcer: Announcer::new(net.now(), config, announce, tiers, [3; 32]),
        asked: BTreeMap::new(),
        said: Vec::new(),
        is_stopped: false,
    };
    let machine = Client::new(net.now(), limits, [4; 32]);
    let node = net.add_node(host, "peer", DatagramNode::new(None, machine, app));
    net.run_until(Duration::from_secs(4 * 3600)).unwrap();
    assert_eq!(store.borrow().peers(), 1);

    net.with(node, |node: &mut DatagramNode<Client, Peer>, net| {
        node.act(net, |_, app, _| app.announcer.complete());
    })
    .unwrap();
    net.run_until(Duration::from_secs(5 * 3600)).unwrap();
    let counts = store.borrow().scrape(&torrent());
    assert_eq!((counts.seeders, counts.completed), (1, 1));

    net.with(node, |node: &mut DatagramNode<Client, Peer>, net| {
        node.act(net, |_, app, _| app.announcer.stop());
    })
    .unwrap();
    net.run_until(Duration::from_secs(7 * 3600)).unwrap();
    assert_eq!(store.borrow().peers(), 0, "it said good-bye");
    let node: &DatagramNode<Client, Peer> = net.node(node).unwrap();
    assert!(node.app().is_stopped);
    let said: Vec<_> = node.app().said.iter().map(|(_, event)| *event).collect();
    let count = |wanted| said.iter().filter(|event| **event == wanted).count();
    assert_eq!(count(AnnounceEvent::Completed), 1, "{said:?}");
    assert_eq!(count(AnnounceEvent::Stopped), 1);
    // Half an hour or a little more, and the quarter of an hour that the dead one, which BEP 12 has
    // asked first each time, is waited for.
    let rounds = count(AnnounceEvent::None);
    assert!((4..=5).contains(&rounds), "{:?}", node.app().said);
}

/// A connection of the tracker over HTTP, and who is at its other end.
struct Serve {
    store: Shared,
    ip: IpAddr,
}

impl StreamApp<http::Server> for Serve {
    fn on_event(&mut self, now: Duration, machine: &mut http::Server, event: http::ServerEvent) {
        machine
            .serve(&mut self.store.borrow_mut(), now, self.ip, event)
            .unwrap();
    }
}

/// What came of an exchange.
#[derive(Default)]
struct Exchange(Vec<http::ClientEvent>);

impl StreamApp<http::Client> for Exchange {
    fn on_event(&mut self, _: Duration, _: &mut http::Client, event: http::ClientEvent) {
        self.0.push(event);
    }
}

#[test]
fn every_exchange_over_http_comes_to_its_end_over_every_wire() {
    let mut torn = StreamConfig::torn();
    torn.loss = 30_000;
    for (seed, stream) in [(1, StreamConfig::default()), (2, torn.clone()), (3, torn)] {
        let mut net = Net::new(seed);
        let mut path = PathConfig::default();
        path.stream = stream;
        net.set_default_path(path);
        let store = Rc::new(RefCell::new(Store::new(StoreLimits::default(), [1; 32])));
        let ip = IpAddr::from([10, 0, 0, 1]);
        let here = net.add_host("tracker", &HostConfig::default(), [ip]);
        let (shared, numbers) = (Rc::clone(&store), Cell::new(0));
        let accept = move |now, from: SocketAddr, _: [u8; 32]| {
            numbers.set(numbers.get() + 1);
            let machine = http::Server::new(now, Limits::default(), numbers.get());
            let app = Serve {
                store: Rc::clone(&shared),
                ip: from.ip(),
            };
            (machine, app)
        };
        net.add_node(here, "tracker", StreamServer::new(80, accept));
        let url = "http://10.0.0.1/announce?key=x".parse().unwrap();
        let add = |number: u8| {
            let address = IpAddr::from([10, 0, 1, number]);
            let host = net.add_host(&format!("peer{number}"), &HostConfig::default(), [address]);
            let announce = Announce::new(torrent(), PeerId([number; 20]), 6881);
            let machine =
                http::Client::announce(net.now(), Limits::default(), &url, &announce, None);
            let to = SocketAddr::new(ip, 80);
            let node = StreamNode::connect(to, machine, Exchange::default());
            net.add_node(host, &format!("peer{number}"), node)
        };
        let peers: Vec<NodeId> = (0..20).map(add).collect();
        net.run_until(Duration::from_secs(600)).unwrap();
        assert_eq!(store.borrow().peers(), 20);
        let mut told = 0;
        for peer in peers {
            let node: &StreamNode<http::Client, Exchange> = net.node(peer).unwrap();
            match &node.app().0[..] {
                [http::ClientEvent::Announced(answer)] => told += answer.peers.len(),
                other => panic!("{other:?}"),
            }
            assert!(node.is_done() && !node.has_failed());
        }
        // Each is told of those that came before it.
        assert_eq!(told, 190);
    }
}
