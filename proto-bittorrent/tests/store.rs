//! The store of a tracker, held against a model that is slow and plain.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use core::time::Duration;
use proptest::prelude::*;
use proto_bittorrent::hash::{PeerId, Sha1Hash};
use proto_bittorrent::tracker::{
    Announce, AnnounceEvent, ScrapeCounts, Store, StoreError, StoreLimits,
};
use std::collections::{BTreeMap, BTreeSet};

const LIFE: u64 = 100;
const MAX_PEERS: usize = 60;
const MAX_TORRENTS: usize = 3;

#[derive(Clone, Debug)]
enum Step {
    Announce {
        torrent: u8,
        peer: u8,
        is_v6: bool,
        event: AnnounceEvent,
        is_seed: bool,
        want: Option<u8>,
    },
    Wait(u8),
    Unregister(u8),
}

fn step() -> impl Strategy<Value = Step> {
    let event = prop_oneof![
        6 => Just(AnnounceEvent::None),
        4 => Just(AnnounceEvent::Started),
        2 => Just(AnnounceEvent::Completed),
        3 => Just(AnnounceEvent::Stopped),
    ];
    let announce = (
        0..4_u8,
        0..48_u8,
        any::<bool>(),
        event,
        any::<bool>(),
        proptest::option::of(0..80_u8),
    )
        .prop_map(
            |(torrent, peer, is_v6, event, is_seed, want)| Step::Announce {
                // Most go to the first, so that it grows beyond the size that has an index.
                torrent: torrent.saturating_sub(1) * torrent.saturating_sub(2) / 2 + torrent / 3,
                peer,
                is_v6,
                event,
                is_seed,
                want,
            },
        );
    prop_oneof![
        60 => announce,
        3 => (1..60_u8).prop_map(Step::Wait),
        1 => (0..4_u8).prop_map(Step::Unregister),
    ]
}

#[derive(Debug, Default)]
struct Swarm {
    /// Whether it is a seed, and when it is gone.
    peers: BTreeMap<SocketAddr, (bool, u64)>,
    completed: u32,
}

impl Swarm {
    fn counts(&self) -> ScrapeCounts {
        let seeders = self.peers.values().filter(|(is_seed, _)| *is_seed).count() as u32;
        ScrapeCounts {
            seeders,
            completed: self.completed,
            leechers: self.peers.len() as u32 - seeders,
        }
    }
}

fn torrent(number: u8) -> Sha1Hash {
    Sha1Hash::of(&[number])
}

fn address(peer: u8, is_v6: bool) -> SocketAddr {
    let ip = if is_v6 {
        IpAddr::V6(Ipv6Addr::from(0x2001_0db8 << 96 | u128::from(peer / 2)))
    } else {
        IpAddr::V4(Ipv4Addr::from(0x0a00_0000 | u32::from(peer / 2)))
    };
    SocketAddr::new(ip, 6881 + u16::from(peer % 2))
}

fn check(steps: Vec<Step>, seed: u8) -> Result<(), TestCaseError> {
    let mut limits = StoreLimits::default();
    limits.peer_life = Duration::from_secs(LIFE);
    limits.max_peers = MAX_PEERS;
    limits.max_torrents = MAX_TORRENTS;
    limits.default_want = 7;
    limits.max_want = 30;
    let mut store = Store::new(limits, [seed; 32]);
    let mut model: BTreeMap<Sha1Hash, Swarm> = BTreeMap::new();
    let mut now = 0;
    for step in steps {
        let all: usize = model.values().map(|swarm| swarm.peers.len()).sum();
        match step {
            Step::Wait(seconds) => {
                now += u64::from(seconds);
                for swarm in model.values_mut() {
                    swarm.peers.retain(|_, (_, until)| *until > now);
                }
                model.retain(|_, swarm| !swarm.peers.is_empty());
                store.sweep(Duration::from_secs(now), usize::MAX);
            }
            Step::Unregister(number) => {
                model.remove(&torrent(number));
                store.unregister(&torrent(number));
            }
            Step::Announce {
                torrent: number,
                peer,
                is_v6,
                event,
                is_seed,
                want,
            } => {
                let hash = torrent(number);
                let from = address(peer, is_v6);
                let mut announce = Announce::new(hash, PeerId([peer; 20]), from.port());
                announce.event = event;
                announce.left = u64::from(!is_seed);
                announce.want = want.map(u32::from);
                let answer = store.announce(Duration::from_secs(now), from.ip(), &announce);
                let is_known = model
                    .get(&hash)
                    .is_some_and(|swarm| swarm.peers.contains_key(&from));
                let is_stopped = event == AnnounceEvent::Stopped;
                let is_new = !model.contains_key(&hash);
                if !is_stopped
                    && !is_known
                    && (all >= MAX_PEERS || is_new && model.len() >= MAX_TORRENTS)
                {
                    prop_assert_eq!(answer.unwrap_err(), StoreError::Full);
                    continue;
                }
                let answer = answer.unwrap();
                if is_stopped {
                    if let Some(swarm) = model.get_mut(&hash) {
                        swarm.peers.remove(&from);
                    }
                } else {
                    let swarm = model.entry(hash).or_default();
                    let before = swarm.peers.insert(from, (is_seed, now + LIFE));
                    let became_seed = before.is_some_and(|(was_seed, _)| !was_seed) && is_seed;
                    if became_seed && event == AnnounceEvent::Completed {
                        swarm.completed += 1;
                    }
                }
                let counts = model.get(&hash).map(Swarm::counts).unwrap_or_default();
                prop_assert_eq!(answer.seeders, Some(counts.seeders));
                prop_assert_eq!(answer.leechers, Some(counts.leechers));
                let others: BTreeSet<SocketAddr> = model
                    .get(&hash)
                    .into_iter()
                    .flat_map(|swarm| swarm.peers.keys())
                    .filter(|peer| **peer != from && peer.is_ipv6() == is_v6)
                    .copied()
                    .collect();
                let want = match want {
                    _ if is_stopped => 0,
                    None => 7,
                    Some(want) => usize::from(want).min(30),
                };
                let told: BTreeSet<SocketAddr> = answer.peers.iter().copied().collect();
                prop_assert_eq!(told.len(), answer.peers.len(), "a peer is told twice");
                prop_assert_eq!(told.len(), want.min(others.len()));
                prop_assert!(told.is_subset(&others), "{:?} of {:?}", told, others);
                model.retain(|_, swarm| !swarm.peers.is_empty());
            }
        }
        let all: usize = model.values().map(|swarm| swarm.peers.len()).sum();
        prop_assert_eq!(store.peers(), all);
        prop_assert_eq!(store.torrents(), model.len());
        for number in 0..4 {
            let hash = torrent(number);
            let counts = model.get(&hash).map(Swarm::counts).unwrap_or_default();
            prop_assert_eq!(store.scrape(&hash), counts);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_store_tells_what_a_naive_one_tells(
        steps in proptest::collection::vec(step(), 1..400),
        seed in any::<u8>(),
    ) {
        check(steps, seed)?;
    }
}

#[test]
fn everybody_in_a_swarm_is_told_to_somebody() {
    let mut limits = StoreLimits::default();
    limits.default_want = 10;
    let mut store = Store::new(limits, [3; 32]);
    let hash = torrent(0);
    let mut told = BTreeSet::new();
    for round in 0..40 {
        for peer in 0..100 {
            let from = address(peer, false);
            let announce = Announce::new(hash, PeerId([peer; 20]), from.port());
            let now = Duration::from_secs(round);
            let answer = store.announce(now, from.ip(), &announce).unwrap();
            told.extend(answer.peers);
        }
    }
    assert_eq!(told.len(), 100);
}

#[test]
fn peers_that_are_gone_leave_by_announces_alone() {
    let mut limits = StoreLimits::default();
    limits.peer_life = Duration::from_secs(LIFE);
    let mut store = Store::new(limits, [3; 32]);
    for peer in 0..200 {
        let from = address(peer, false);
        let announce = Announce::new(torrent(0), PeerId([peer; 20]), from.port());
        store
            .announce(Duration::ZERO, from.ip(), &announce)
            .unwrap();
    }
    let from = address(250, false);
    let announce = Announce::new(torrent(0), PeerId([250; 20]), from.port());
    for round in 0..500 {
        let now = Duration::from_secs(LIFE + round / 10);
        store.announce(now, from.ip(), &announce).unwrap();
    }
    assert_eq!(store.peers(), 1);
}

#[test]
fn a_peer_takes_no_more_memory_than_the_documentation_says() {
    for (is_v6, most) in [(false, 30), (true, 45)] {
        let mut store = None;
        let peers = 100_000_u32;
        let measured = allocation_counter::measure(|| {
            let mut limits = StoreLimits::default();
            limits.default_want = 0;
            let made = store.insert(Store::new(limits, [3; 32]));
            for number in 0..peers {
                let ip = if is_v6 {
                    IpAddr::V6(Ipv6Addr::from(0x2001_0db8 << 96 | u128::from(number)))
                } else {
                    IpAddr::V4(Ipv4Addr::from(0x0a00_0000 | number))
                };
                let hash = Sha1Hash::of(&(number % 500).to_be_bytes());
                let announce = Announce::new(hash, PeerId([1; 20]), 6881);
                made.announce(Duration::ZERO, ip, &announce).unwrap();
            }
        });
        let each = measured.bytes_current / i64::from(peers);
        assert!((most / 3..=most).contains(&each), "{each} octets");
    }
}
