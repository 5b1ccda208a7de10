//! All of a network but its nodes: hosts, links, streams, sockets, and what happens next.

mod acts;

use super::config::{HostConfig, PathConfig, RunLimits};
use super::link::{Link, Packet, to_u64};
use super::node::Fact;
use super::queue::Queue;
use super::stream::{Handshake, Item, Segment, Stage, Stream};
use super::transcript::{Call, Entry, Transcript};
use super::{HostId, NodeId, Rng, Side, SimError, SocketId, Stats, StreamId};
use bytes::Bytes;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// The first port of those that are given out at random.
const EPHEMERAL: u16 = 49_152;

/// Which of a host's two links.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Up,
    Down,
}

/// What happens at its time.
#[derive(Debug)]
pub(super) enum Wake {
    Start(NodeId),
    Timer(NodeId, Duration),
    /// A host's link has sent its packet. The number tells a host's lives apart.
    Sent(HostId, Direction, u64),
    /// A packet reaches the host of its receiver.
    Reach(Packet),
    /// A lost segment is sent again.
    Resend(u64, Side, Segment),
    /// The sender on this side learns that octets were read.
    Credit(u64, Side, usize),
    Connect(u64),
    Connected(u64),
    Refused(u64),
    /// Nothing came back; what the number says is when the wait began.
    ConnectTimeout(u64),
    /// A reset reaches this side.
    Reset(u64, Side),
    Fail(HostId),
    Recover(HostId),
}

#[derive(Debug)]
pub(super) struct Host {
    pub(super) name: String,
    pub(super) addresses: Vec<IpAddr>,
    pub(super) is_up: bool,
    life: u64,
    pub(super) up: Link,
    pub(super) down: Link,
    pub(super) nodes: Vec<NodeId>,
}

#[derive(Debug)]
struct Socket {
    node: NodeId,
    host: HostId,
    address: SocketAddr,
}

#[derive(Debug)]
pub(super) struct World {
    pub(super) now: Duration,
    pub(super) queue: Queue<Wake>,
    pub(super) rng: Rng,
    pub(super) hosts: Vec<Host>,
    addresses: BTreeMap<IpAddr, HostId>,
    pub(super) path: PathConfig,
    paths: BTreeMap<(HostId, HostId), PathConfig>,
    /// Between these nothing passes, in this direction.
    cuts: BTreeSet<(HostId, HostId)>,
    streams: BTreeMap<u64, Stream>,
    next_stream: u64,
    listeners: BTreeMap<(HostId, u16), NodeId>,
    sockets: BTreeMap<SocketId, Socket>,
    bound: BTreeMap<(HostId, u16), SocketId>,
    next_socket: u64,
    /// What nodes are to be told, now.
    pub(super) facts: VecDeque<(NodeId, Fact)>,
    pub(super) failure: Option<SimError>,
    pub(super) transcript: Option<Transcript>,
    pub(super) stats: Stats,
    pub(super) limits: RunLimits,
}

impl World {
    pub(super) fn new(rng: Rng) -> Self {
        Self {
            now: Duration::ZERO,
            queue: Queue::new(),
            rng,
            hosts: Vec::new(),
            addresses: BTreeMap::new(),
            path: PathConfig::default(),
            paths: BTreeMap::new(),
            cuts: BTreeSet::new(),
            streams: BTreeMap::new(),
            next_stream: 1,
            listeners: BTreeMap::new(),
            sockets: BTreeMap::new(),
            bound: BTreeMap::new(),
            next_socket: 1,
            facts: VecDeque::new(),
            failure: None,
            transcript: None,
            stats: Stats::default(),
            limits: RunLimits::default(),
        }
    }

    pub(super) fn add_host(
        &mut self,
        name: &str,
        config: &HostConfig,
        addresses: &[IpAddr],
    ) -> HostId {
        let id = HostId(self.hosts.len());
        for address in addresses {
            self.addresses.insert(*address, id);
        }
        self.hosts.push(Host {
            name: name.to_string(),
            addresses: addresses.to_vec(),
            is_up: true,
            life: 0,
            up: Link::new(config.up, config.queue),
            down: Link::new(config.down, config.queue),
            nodes: Vec::new(),
        });
        id
    }

    pub(super) fn set_path(&mut self, from: HostId, to: HostId, path: PathConfig) {
        self.paths.insert((from, to), path);
    }

    pub(super) fn set_cut(&mut self, from: HostId, to: HostId, cut: bool) {
        match cut {
            true => self.cuts.insert((from, to)),
            false => self.cuts.remove(&(from, to)),
        };
    }

    fn is_cut(&self, from: HostId, to: HostId) -> bool {
        !self.cuts.is_empty() && self.cuts.contains(&(from, to))
    }

    pub(super) fn host(&self, id: HostId) -> Option<&Host> {
        self.hosts.get(id.0)
    }

    fn is_up(&self, id: HostId) -> bool {
        self.host(id).is_some_and(|host| host.is_up)
    }

    fn path(&self, from: HostId, to: HostId) -> &PathConfig {
        self.paths.get(&(from, to)).unwrap_or(&self.path)
    }

    fn after(&mut self, by: Duration, wake: Wake) {
        self.queue.push(self.now.saturating_add(by), wake);
    }

    pub(super) fn record(&mut self, node: &str, stream: Option<StreamId>, call: Call) {
        if let Some(transcript) = &mut self.transcript {
            transcript.push(Entry {
                at: self.now,
                node: node.to_string(),
                stream: stream.map(|id| id.number()),
                call,
            });
        }
    }

    /// The address from which a host speaks to another.
    fn source(&self, host: HostId, to: IpAddr) -> Option<IpAddr> {
        let addresses = &self.host(host)?.addresses;
        addresses
            .iter()
            .find(|address| address.is_ipv4() == to.is_ipv4())
            .or_else(|| addresses.first())
            .copied()
    }

    fn free_port(&mut self, host: HostId) -> Option<u16> {
        let range = u64::from(u16::MAX.saturating_sub(EPHEMERAL)).saturating_add(1);
        let offset = u16::try_from(self.rng.below(range)).ok()?;
        let start = EPHEMERAL.saturating_add(offset);
        // From a random port on, around the range.
        (start..=u16::MAX)
            .chain(EPHEMERAL..start)
            .find(|port| !self.bound.contains_key(&(host, *port)))
    }
}

/// What happens.
impl World {
    /// Whether this would change nothing any more, so that the clock need not move for it.
    pub(super) fn is_stale(&self, wake: &Wake) -> bool {
        let stream = |id: &u64| self.streams.get(id);
        match wake {
            Wake::ConnectTimeout(id) => {
                stream(id).is_none_or(|entry| entry.stage != Stage::Connecting)
            }
            Wake::Reset(id, side) => stream(id).is_none_or(|entry| !entry.end(*side).open),
            Wake::Credit(id, ..) | Wake::Resend(id, ..) => stream(id).is_none(),
            Wake::Sent(id, _, life) => self.host(*id).is_none_or(|host| host.life != *life),
            _ => false,
        }
    }

    pub(super) fn handle(&mut self, wake: Wake) {
        match wake {
            Wake::Start(node) => self.facts.push_back((node, Fact::Started)),
            // Whether the timer still stands is known where the nodes are.
            Wake::Timer(node, _) => self.facts.push_back((node, Fact::Timer)),
            Wake::Sent(host, way, life) => self.link_done(host, way, life),
            Wake::Reach(packet) => self.reach(packet),
            Wake::Resend(stream, from, segment) => self.send_segment(stream, from, segment),
            Wake::Credit(stream, side, octets) => {
                if let Some(entry) = self.streams.get_mut(&stream) {
                    entry.way_mut(side).credit(octets);
                    self.pump(stream, side);
                }
            }
            Wake::Connect(stream) => self.connect_reaches(stream),
            Wake::Connected(stream) => self.connect_succeeds(stream),
            Wake::Refused(stream) => self.connect_fails(stream, false),
            Wake::ConnectTimeout(stream) => {
                let waits = |entry: &Stream| entry.stage == Stage::Connecting;
                if self.streams.get(&stream).is_some_and(waits) {
                    self.connect_fails(stream, true);
                }
            }
            Wake::Reset(stream, side) => self.reset_reaches(stream, side),
            Wake::Fail(host) => self.fail(host),
            Wake::Recover(host) => self.recover(host),
        }
    }

    fn link_done(&mut self, id: HostId, way: Direction, life: u64) {
        let Some(host) = self.hosts.get_mut(id.0) else {
            return;
        };
        if host.life != life {
            return;
        }
        let packet = match way {
            Direction::Up => host.up.finish(),
            Direction::Down => host.down.finish(),
        };
        if let Some(packet) = packet {
            match way {
                Direction::Up => self.travel(packet),
                Direction::Down => self.deliver(packet),
            }
        }
        self.kick(id, way);
    }

    /// Starts a link that is free.
    fn kick(&mut self, id: HostId, way: Direction) {
        let Some(host) = self.hosts.get_mut(id.0) else {
            return;
        };
        let link = match way {
            Direction::Up => &mut host.up,
            Direction::Down => &mut host.down,
        };
        let life = host.life;
        if let Some(time) = link.start() {
            self.after(time, Wake::Sent(id, way, life));
        }
    }

    /// Hands a packet to one of a host's links.
    fn enqueue(&mut self, id: HostId, way: Direction, packet: Packet) {
        let Some(host) = self.hosts.get_mut(id.0) else {
            return;
        };
        let link = match way {
            Direction::Up => &mut host.up,
            Direction::Down => &mut host.down,
        };
        if link.is_open() {
            link.pass(&packet);
            match way {
                Direction::Up => self.travel(packet),
                Direction::Down => self.deliver(packet),
            }
        } else if link.push(packet) {
            self.kick(id, way);
        } else {
            self.stats.dropped = self.stats.dropped.saturating_add(1);
        }
    }

    /// A packet has left its host and is on the path.
    fn travel(&mut self, packet: Packet) {
        match packet {
            Packet::Segment {
                stream,
                from,
                segment,
            } => self.segment_travels(stream, from, segment),
            Packet::Datagram {
                socket,
                from,
                to,
                data,
            } => self.datagram_travels(socket, from, to, data),
        }
    }

    fn segment_travels(&mut self, stream: u64, from: Side, mut segment: Segment) {
        let Some(entry) = self.streams.get_mut(&stream) else {
            return;
        };
        self.stats.segments = self.stats.segments.saturating_add(1);
        let way = entry.way_mut(from);
        let leaves = way.pace(self.now, segment.len());
        let (latency, give_up) = (way.config.latency, way.config.give_up);
        let loss = way.config.loss;
        let (sender, receiver) = (entry.end(from).host, entry.end(from.other()).host);
        if self.rng.chance(loss) || self.is_cut(sender, receiver) {
            self.stats.lost = self.stats.lost.saturating_add(1);
            if self.now.saturating_sub(segment.since) >= give_up {
                self.after(Duration::ZERO, Wake::Reset(stream, from));
                self.after(Duration::ZERO, Wake::Reset(stream, from.other()));
                return;
            }
            let again = leaves.saturating_add(segment.patience);
            segment.patience = segment.patience.saturating_mul(2);
            self.queue.push(again, Wake::Resend(stream, from, segment));
            return;
        }
        let packet = Packet::Segment {
            stream,
            from,
            segment,
        };
        self.queue
            .push(leaves.saturating_add(latency), Wake::Reach(packet));
    }

    fn datagram_travels(
        &mut self,
        socket: SocketId,
        from: SocketAddr,
        to: SocketAddr,
        data: Bytes,
    ) {
        let hosts = self
            .addresses
            .get(&from.ip())
            .zip(self.addresses.get(&to.ip()));
        // To an address that nobody has: gone.
        let Some((sender, receiver)) = hosts else {
            self.stats.dropped = self.stats.dropped.saturating_add(1);
            return;
        };
        let config = self.path(*sender, *receiver).datagram.clone();
        let cut = self.is_cut(*sender, *receiver);
        if self.rng.chance(config.loss) || cut || data.len() > config.largest {
            self.stats.lost = self.stats.lost.saturating_add(1);
            return;
        }
        let mut copies = 1;
        if self.rng.chance(config.duplicate) {
            self.stats.duplicated = self.stats.duplicated.saturating_add(1);
            copies = 2;
        }
        for _ in 0..copies {
            let mut time = config.latency;
            if !config.jitter.is_zero() {
                time = time.saturating_add(self.rng.time(config.jitter));
            }
            if self.rng.chance(config.reorder) {
                time = time.saturating_add(config.held_back);
            }
            let packet = Packet::Datagram {
                socket,
                from,
                to,
                data: data.clone(),
            };
            self.after(time, Wake::Reach(packet));
        }
    }

    /// A packet reaches its host, and its host's link.
    fn reach(&mut self, packet: Packet) {
        let host = match &packet {
            Packet::Segment { stream, from, .. } => self
                .streams
                .get(stream)
                .map(|entry| entry.end(from.other()).host),
            Packet::Datagram { to, .. } => self.addresses.get(&to.ip()).copied(),
        };
        let Some(host) = host else {
            return;
        };
        if !self.is_up(host) {
            self.stats.dropped = self.stats.dropped.saturating_add(1);
            return;
        }
        // What stays within a host needs no link.
        let local = match &packet {
            Packet::Segment { stream, from, .. } => self
                .streams
                .get(stream)
                .is_some_and(|entry| entry.end(*from).host == host),
            Packet::Datagram { from, .. } => self.addresses.get(&from.ip()) == Some(&host),
        };
        if local {
            self.deliver(packet);
        } else {
            self.enqueue(host, Direction::Down, packet);
        }
    }

    fn deliver(&mut self, packet: Packet) {
        match packet {
            Packet::Segment {
                stream,
                from,
                segment,
            } => self.deliver_segment(stream, from, segment),
            Packet::Datagram { from, to, data, .. } => self.deliver_datagram(from, to, data),
        }
    }

    fn deliver_datagram(&mut self, from: SocketAddr, to: SocketAddr, data: Bytes) {
        let socket = self
            .addresses
            .get(&to.ip())
            .and_then(|host| self.bound.get(&(*host, to.port())));
        let node = socket.and_then(|id| self.sockets.get(id).map(|socket| (*id, socket.node)));
        let Some((socket, node)) = node else {
            self.stats.dropped = self.stats.dropped.saturating_add(1);
            return;
        };
        self.stats.datagrams = self.stats.datagrams.saturating_add(1);
        self.stats.octets = self.stats.octets.saturating_add(to_u64(data.len()));
        let fact = Fact::Datagram { socket, from, data };
        self.facts.push_back((node, fact));
    }

    fn deliver_segment(&mut self, stream: u64, from: Side, segment: Segment) {
        let Some(entry) = self.streams.get_mut(&stream) else {
            return;
        };
        let len = segment.len();
        let to = from.other();
        if !entry.end(to).open {
            // The receiver has closed, and there is more: a reset, as TCP does it.
            if len > 0 {
                self.reset_peer_of(stream, to);
            }
            return;
        }
        if !entry.way_mut(from).arrive(segment) {
            return;
        }
        self.stats.octets = self.stats.octets.saturating_add(to_u64(len));
        let Some(node) = entry.end(to).node else {
            return;
        };
        let way = entry.way(from);
        let (readable, ended) = (way.has_data(), way.ready.back() == Some(&Item::Fin));
        let id = StreamId { stream, side: to };
        if readable {
            self.facts.push_back((node, Fact::Readable { stream: id }));
        }
        if ended {
            self.facts.push_back((node, Fact::Eof { stream: id }));
        }
        self.try_handshake(stream, to);
    }

    fn try_handshake(&mut self, stream: u64, side: Side) {
        let Some(entry) = self.streams.get_mut(&stream) else {
            return;
        };
        match entry.shake_hands(side) {
            Handshake::Waiting => {}
            Handshake::Answered => {
                entry.way_mut(side).mark(Item::Secure);
                self.pump(stream, side);
                self.try_handshake(stream, side);
            }
            Handshake::Done => {
                let id = StreamId { stream, side };
                if let Some(node) = entry.end(side).node {
                    self.facts.push_back((node, Fact::Secured { stream: id }));
                }
                self.pump(stream, side);
            }
            Handshake::Failed => {
                self.after(Duration::ZERO, Wake::Reset(stream, side));
                self.reset_peer_of(stream, side);
            }
        }
    }

    /// Sends what the window of this side's way lets go, and tells a starved writer of room.
    fn pump(&mut self, stream: u64, side: Side) {
        let now = self.now;
        loop {
            let Some(entry) = self.streams.get_mut(&stream) else {
                return;
            };
            if entry.stage == Stage::Connecting {
                return;
            }
            let Some(segment) = entry.way_mut(side).next_segment(now) else {
                break;
            };
            self.send_segment(stream, side, segment);
        }
        let Some(entry) = self.streams.get_mut(&stream) else {
            return;
        };
        let (node, open) = (entry.end(side).node, entry.end(side).open);
        let way = entry.way_mut(side);
        if way.starved && way.room() > 0 {
            way.starved = false;
            if let Some(node) = node.filter(|_| open) {
                let id = StreamId { stream, side };
                self.facts.push_back((node, Fact::Writable { stream: id }));
            }
        }
    }

    fn send_segment(&mut self, stream: u64, from: Side, segment: Segment) {
        let Some(entry) = self.streams.get(&stream) else {
            return;
        };
        let (host, other) = (entry.end(from).host, entry.end(from.other()).host);
        if !self.is_up(host) {
            return;
        }
        let packet = Packet::Segment {
            stream,
            from,
            segment,
        };
        if host == other {
            self.travel(packet);
        } else {
            self.enqueue(host, Direction::Up, packet);
        }
    }

    fn connect_reaches(&mut self, stream: u64) {
        let Some(entry) = self.streams.get(&stream) else {
            return;
        };
        let server = entry.end(Side::Server);
        let (host, address) = (server.host, server.address);
        let back = entry.way(Side::Server).config.latency;
        let client = entry.end(Side::Client).host;
        if !self.is_up(host) || self.is_cut(client, host) || self.is_cut(host, client) {
            return;
        }
        let Some(node) = self.listeners.get(&(host, address.port())).copied() else {
            self.after(back, Wake::Refused(stream));
            return;
        };
        let from = entry.end(Side::Client).address;
        if let Some(entry) = self.streams.get_mut(&stream) {
            let end = entry.end_mut(Side::Server);
            (end.node, end.open) = (Some(node), true);
            entry.stage = Stage::Open;
        }
        let id = StreamId {
            stream,
            side: Side::Server,
        };
        let port = address.port();
        self.after(back, Wake::Connected(stream));
        let fact = Fact::Accepted {
            stream: id,
            from,
            port,
        };
        self.facts.push_back((node, fact));
    }

    fn connect_succeeds(&mut self, stream: u64) {
        self.tell(stream, Side::Client, |stream| Fact::Connected { stream });
        self.pump(stream, Side::Client);
    }

    fn connect_fails(&mut self, stream: u64, silent: bool) {
        self.tell(stream, Side::Client, |stream| match silent {
            true => Fact::Reset { stream },
            false => Fact::Refused { stream },
        });
        self.streams.remove(&stream);
    }

    fn tell(&mut self, stream: u64, side: Side, fact: impl FnOnce(StreamId) -> Fact) {
        let end = self.streams.get(&stream).map(|entry| entry.end(side));
        if let Some(node) = end.filter(|end| end.open).and_then(|end| end.node) {
            let id = StreamId { stream, side };
            self.facts.push_back((node, fact(id)));
        }
    }

    /// A reset goes out to the other side.
    fn reset_peer_of(&mut self, stream: u64, side: Side) {
        let Some(entry) = self.streams.get(&stream) else {
            return;
        };
        let latency = entry.way(side).config.latency;
        self.after(latency, Wake::Reset(stream, side.other()));
    }

    fn reset_reaches(&mut self, stream: u64, side: Side) {
        self.tell(stream, side, |stream| Fact::Reset { stream });
        let Some(entry) = self.streams.get_mut(&stream) else {
            return;
        };
        entry.end_mut(side).open = false;
        // As with TCP, what had arrived and was not read is gone.
        entry.way_mut(side.other()).clear();
        entry.way_mut(side).clear();
        self.forget(stream);
    }

    /// Drops a stream that nobody holds any more.
    fn forget(&mut self, stream: u64) {
        let gone = |entry: &Stream| entry.ends.iter().all(|end| !end.open);
        if self.streams.get(&stream).is_some_and(gone) {
            self.streams.remove(&stream);
        }
    }

    pub(super) fn fail(&mut self, id: HostId) {
        let Some(host) = self.hosts.get_mut(id.0) else {
            return;
        };
        if !host.is_up {
            return;
        }
        host.is_up = false;
        host.life = host.life.wrapping_add(1);
        host.up.clear();
        host.down.clear();
        self.listeners.retain(|(host, _), _| *host != id);
        self.bound.retain(|(host, _), _| *host != id);
        self.sockets.retain(|_, socket| socket.host != id);
        let mut orphans = Vec::new();
        for (stream, entry) in &mut self.streams {
            for side in [Side::Client, Side::Server] {
                if entry.end(side).host == id {
                    entry.end_mut(side).open = false;
                    let give_up = entry.way(side.other()).config.give_up;
                    orphans.push((*stream, side.other(), give_up));
                }
            }
        }
        for (stream, side, give_up) in orphans {
            self.after(give_up, Wake::Reset(stream, side));
            self.forget(stream);
        }
        self.record_host(id, "fails");
    }

    pub(super) fn recover(&mut self, id: HostId) {
        let Some(host) = self.hosts.get_mut(id.0) else {
            return;
        };
        if host.is_up {
            return;
        }
        host.is_up = true;
        let nodes = host.nodes.clone();
        // Whoever still speaks to the old life of this host is told that it is gone.
        let mut orphans = Vec::new();
        for (stream, entry) in &self.streams {
            for side in [Side::Client, Side::Server] {
                if entry.end(side).host == id && !entry.end(side).open {
                    orphans.push((*stream, side));
                }
            }
        }
        for (stream, side) in orphans {
            self.reset_peer_of(stream, side);
        }
        self.record_host(id, "recovers");
        for node in nodes {
            self.facts.push_back((node, Fact::Restarted));
        }
    }

    fn record_host(&mut self, id: HostId, what: &str) {
        if let Some(name) = self.host(id).map(|host| host.name.clone()) {
            self.record(&name, None, Call::Note(what.to_string()));
        }
    }
}
