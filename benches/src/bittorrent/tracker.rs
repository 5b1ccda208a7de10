//! Trackers: datagrams, and the memory of who has what.

#[cfg(feature = "bittorrent-peers")]
use super::Aquatic;
use super::Ours;
use crate::{Case, Job};
use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use core::time::Duration;
use proto_bittorrent::Limits;
use proto_bittorrent::datagram::{LocalId, Transmit};
use proto_bittorrent::hash::{PeerId, Sha1Hash};

use proto_bittorrent::tracker::udp::{Connect, Request, Response, Server};
use proto_bittorrent::tracker::{Announce, AnnounceEvent, Store, StoreLimits};

const NOW: Duration = Duration::from_secs(1);
/// Peers in each reply.
const WANT: u32 = 50;

/// How peers are spread over torrents: the torrent of rank `r` has a share of about `1/r`, as the
/// swarms of public trackers have.
#[derive(Clone, Copy, Debug)]
pub struct Population {
    /// All peers of all torrents.
    pub peers: usize,
    /// The torrents.
    pub torrents: usize,
}

/// A peer of a population, and where it is.
fn member(population: Population, number: usize) -> (IpAddr, Announce) {
    let place = f64::from(u32::try_from(scramble(number)).unwrap_or(0)) / f64::from(u32::MAX);
    let torrents = u32::try_from(population.torrents).unwrap_or(u32::MAX);
    let rank = f64::from(torrents).powf(place).floor();
    let mut announce = Announce::new(
        Sha1Hash::of(&rank.to_bits().to_be_bytes()),
        PeerId([7; 20]),
        u16::try_from(number % 60_000).unwrap_or(0) + 1024,
    );
    announce.event = AnnounceEvent::None;
    announce.left = u64::from(!number.is_multiple_of(4)) * 1_000_000;
    announce.want = Some(WANT);
    let ip = 0x0b00_0000 + u32::try_from(number / 3 % 0x1000_0000).unwrap_or(0);
    (IpAddr::V4(Ipv4Addr::from(ip)), announce)
}

/// Spreads numbers, always the same way.
fn scramble(number: usize) -> usize {
    let mixed = (number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    usize::try_from(mixed >> 32).unwrap_or(0)
}

fn filled(population: Population) -> Store {
    let mut limits = StoreLimits::default();
    limits.max_peers_per_ip = 64;
    let mut store = Store::new(limits, [5; 32]);
    for number in 0..population.peers {
        let (ip, announce) = member(population, number);
        store.announce(NOW, ip, &announce).expect("room");
    }
    store
}

/// Announces of peers that are known, at a store that holds a population; one a call.
#[must_use]
pub fn announces(population: Population) -> Job {
    // Made when it is needed first: it takes its time.
    let mut made = None;
    let mut next = 0;
    Box::new(move || {
        let (store, askers) = made.get_or_insert_with(|| {
            // As many askers as a cache does not hold, in an order that no prefetcher knows.
            let number = |index| scramble(index * 31 + 7) % population.peers;
            let askers: Vec<_> = (0..population.peers.min(65_536))
                .map(|index| member(population, number(index)))
                .collect();
            (filled(population), askers)
        });
        let (ip, announce) = &askers[next];
        next = (next + 1) % askers.len();
        let answer = store.announce(NOW, *ip, announce).expect("a known peer");
        u64::try_from(answer.peers.len()).unwrap_or(0) + 1
    })
}

/// The same as datagrams: each call hands one to the server, has the store answer, and takes the
/// reply.
#[must_use]
pub fn udp_announces(population: Population) -> Job {
    let local = LocalId(0);
    let mut made = None;
    let mut next = 0;
    Box::new(move || {
        let (store, server, askers) = made.get_or_insert_with(|| {
            let mut server = Server::new(NOW, Limits::default(), [6; 32]);
            let number = |index| scramble(index * 31 + 7) % population.peers;
            let askers: Vec<_> = (0..population.peers.min(65_536))
                .map(|index| datagram(population, number(index), &mut server, local))
                .collect();
            (filled(population), server, askers)
        });
        let (from, datagram) = &askers[next];
        next = (next + 1) % askers.len();
        server.handle_datagram(NOW, local, *from, datagram);
        let event = server.poll_event().expect("an announce");
        server.serve(store, NOW, event).expect("an open question");
        match server.poll_transmit(NOW) {
            Some(Transmit::Datagram { payload, .. }) => u64::try_from(payload.len()).unwrap_or(0),
            _ => 0,
        }
    })
}

/// An announce of that peer, with a connection id that the server knows.
fn datagram(
    population: Population,
    number: usize,
    server: &mut Server,
    local: LocalId,
) -> (SocketAddr, Vec<u8>) {
    let (ip, announce) = member(population, number);
    let from = SocketAddr::new(ip, announce.port);
    let request = Request::Announce {
        connection: connect(server, local, from),
        transaction: 9,
        announce,
        url_data: Vec::new(),
    };
    let mut datagram = Vec::new();
    request.encode(&mut datagram);
    (from, datagram)
}

fn connect(server: &mut Server, local: LocalId, from: SocketAddr) -> u64 {
    let mut datagram = Vec::new();
    let transaction = 1;
    Request::Connect(Connect { transaction }).encode(&mut datagram);
    server.handle_datagram(NOW, local, from, &datagram);
    let reply = server.poll_transmit(NOW);
    let Some(Transmit::Datagram { payload, .. }) = reply else {
        panic!("no reply to a connect request");
    };
    match Response::parse(&payload, false, 0) {
        Ok(Response::Connect { connection, .. }) => connection,
        other => panic!("{other:?}"),
    }
}

/// An announce request, as it travels.
pub(super) fn request() -> Vec<u8> {
    let population = Population {
        peers: 1,
        torrents: 1,
    };
    let request = Request::Announce {
        connection: 0x0102_0304_0506_0708,
        transaction: 9,
        announce: member(population, 1).1,
        url_data: Vec::new(),
    };
    let mut octets = Vec::new();
    request.encode(&mut octets);
    octets
}

/// The peers of a reply.
pub(super) fn peers() -> impl Iterator<Item = (Ipv4Addr, u16)> {
    (0..WANT).map(|index| {
        let port = u16::try_from(index).unwrap_or(0) + 6881;
        (Ipv4Addr::from(0x0b00_0000 + index * 7919), port)
    })
}

/// A library that reads and writes the datagrams of trackers.
pub trait Datagrams: 'static {
    /// Its name and version.
    const NAME: &'static str;
    /// A reply ready to be written.
    type Reply: 'static;

    /// Parses an announce request, and sums up some of its fields.
    fn request(octets: &[u8]) -> Option<u64>;

    /// Prepares a reply with [`WANT`] peers.
    fn reply() -> Self::Reply;

    /// Writes it into a buffer that is used again; gives the length.
    fn write(reply: &Self::Reply, buffer: &mut Vec<u8>) -> usize;

    /// Parses a reply, and sums up the ports of its peers.
    fn read(octets: &[u8]) -> Option<u64>;
}

impl Datagrams for Ours {
    const NAME: &'static str = "proto-bittorrent";
    type Reply = Response;

    fn request(octets: &[u8]) -> Option<u64> {
        match Request::parse(octets, 74).ok()? {
            Request::Announce {
                connection,
                announce,
                ..
            } => Some(connection ^ announce.left ^ u64::from(announce.port)),
            _ => None,
        }
    }

    fn reply() -> Response {
        Response::Announce {
            transaction: 9,
            interval: 1800,
            leechers: 30,
            seeders: 20,
            peers: peers().map(SocketAddr::from).collect(),
        }
    }

    fn write(reply: &Response, buffer: &mut Vec<u8>) -> usize {
        buffer.clear();
        reply.encode(buffer);
        buffer.len()
    }

    fn read(octets: &[u8]) -> Option<u64> {
        match Response::parse(octets, false, 3000).ok()? {
            Response::Announce { peers, .. } => {
                Some(peers.iter().map(|peer| u64::from(peer.port())).sum())
            }
            _ => None,
        }
    }
}

fn request_job<D: Datagrams>() -> (&'static str, Job) {
    let octets = request();
    (D::NAME, Box::new(move || D::request(&octets).unwrap_or(0)))
}

fn write_job<D: Datagrams>() -> (&'static str, Job) {
    let (reply, mut buffer) = (D::reply(), Vec::new());
    let write = move || u64::try_from(D::write(&reply, &mut buffer)).unwrap_or(0);
    (D::NAME, Box::new(write))
}

fn read_job<D: Datagrams>() -> (&'static str, Job) {
    let mut octets = Vec::new();
    Ours::write(&Ours::reply(), &mut octets);
    (D::NAME, Box::new(move || D::read(&octets).unwrap_or(0)))
}

#[cfg_attr(
    not(feature = "bittorrent-peers"),
    allow(unused_mut, reason = "nobody is added")
)]
pub(super) fn cases(peers: usize) -> Vec<Case> {
    let mut requests = vec![request_job::<Ours>()];
    let mut writers = vec![write_job::<Ours>()];
    let mut readers = vec![read_job::<Ours>()];
    #[cfg(feature = "bittorrent-peers")]
    {
        requests.push(request_job::<Aquatic>());
        writers.push(write_job::<Aquatic>());
        readers.push(read_job::<Aquatic>());
    }
    let case = |group, name: String, jobs| Case {
        group,
        name,
        octets: None,
        jobs,
        is_comparable: true,
    };
    let of_one = Population {
        peers: peers.min(1000),
        torrents: 1,
    };
    let of_some = Population {
        peers: peers / 10,
        torrents: peers.div_ceil(1000),
    };
    let of_many = Population {
        peers,
        torrents: peers.div_ceil(100),
    };
    let told = |population: Population| {
        format!(
            "announce, {} peers, torrents: {}",
            population.peers, population.torrents
        )
    };
    vec![
        case("UDP tracker", "announce request read".into(), requests),
        case("UDP tracker", "reply with 50 peers written".into(), writers),
        case("UDP tracker", "reply with 50 peers read".into(), readers),
        case(
            "tracker store",
            told(of_one),
            vec![("ours", announces(of_one))],
        ),
        case(
            "tracker store",
            told(of_some),
            vec![("ours", announces(of_some))],
        ),
        case(
            "tracker store",
            told(of_many),
            vec![("ours", announces(of_many))],
        ),
        case(
            "tracker, datagram to datagram",
            told(of_many),
            vec![("ours", udp_announces(of_many))],
        ),
    ]
}
