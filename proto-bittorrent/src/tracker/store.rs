//! Who has what: the memory of a tracker.
//!
//! A swarm is a dense array of peers for each address family, with an index from address to place
//! once it is larger than a cache line or two are worth searching. A peer that goes is replaced by
//! the last one, so that an answer is a slice of the array from a random place: its cost depends on
//! the peers returned and on nothing else.

use crate::hash::Sha1Hash;
use crate::random::Random;
use crate::tracker::{Announce, AnnounceEvent, Announced, ScrapeCounts};
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::hash::{BuildHasher, Hasher};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use core::time::Duration;
use hashbrown::{HashMap, HashTable};
use siphasher::sip::SipHasher13;

/// From so many peers on a swarm has an index.
const INDEX_FROM: usize = 16;
/// How many peers an announce may look at to find those that are gone.
const SWEEP: usize = 4;

/// How a tracker answers, and what it may remember.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoreLimits {
    /// When peers are told to come again. Default 30 minutes.
    pub interval: Duration,
    /// When they may come again at the earliest. Default 5 minutes. They are not held to it.
    pub min_interval: Duration,
    /// Silence after which a peer counts as gone. Default an hour.
    pub peer_life: Duration,
    /// Peers that are returned when none are asked for. Default 50.
    pub default_want: usize,
    /// Peers that are returned at most. Default 200.
    pub max_want: usize,
    /// Torrents. Default 1 000 000; a new one beyond it is refused.
    pub max_torrents: usize,
    /// Peers of all torrents. Default 10 000 000; a new one beyond it is refused. Memory: about 25
    /// octets a peer with IPv4 and 40 with IPv6, up to twice that right after its swarm has grown.
    pub max_peers: usize,
    /// Ports of one address that may be in one swarm. Default 16; a new one beyond it is refused.
    /// Stops a single host from filling a swarm.
    pub max_peers_per_ip: usize,
}

impl Default for StoreLimits {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(30 * 60),
            min_interval: Duration::from_secs(5 * 60),
            peer_life: Duration::from_secs(60 * 60),
            default_want: 50,
            max_want: 200,
            max_torrents: 1_000_000,
            max_peers: 10_000_000,
            max_peers_per_ip: 16,
        }
    }
}

/// Why a peer is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// A peer without a port.
    #[error("a peer needs a port")]
    Port,
    /// [`StoreLimits::max_torrents`] or [`StoreLimits::max_peers`].
    #[error("the tracker is full")]
    Full,
    /// [`StoreLimits::max_peers_per_ip`].
    #[error("too many peers at one address")]
    TooManyPorts,
    /// The torrent is not on the list.
    #[error("unregistered torrent")]
    Unregistered,
}

/// Torrents and their peers. Everything that is random comes from the seed.
///
/// ```
/// use core::time::Duration;
/// use proto_bittorrent::hash::{PeerId, Sha1Hash};
/// use proto_bittorrent::tracker::{Announce, Store, StoreLimits};
///
/// let mut store = Store::new(StoreLimits::default(), [1; 32]);
/// let torrent = Sha1Hash::of(b"info");
/// let mut seed = Announce::new(torrent, PeerId([1; 20]), 6881);
/// seed.left = 0;
/// store.announce(Duration::ZERO, "192.0.2.1".parse()?, &seed)?;
/// let leech = Announce::new(torrent, PeerId([2; 20]), 6881);
/// let answer = store.announce(Duration::ZERO, "192.0.2.2".parse()?, &leech)?;
/// assert_eq!(answer.peers, ["192.0.2.1:6881".parse()?]);
/// assert_eq!((answer.seeders, answer.leechers), (Some(1), Some(1)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Store {
    limits: StoreLimits,
    random: Random,
    keys: Keys,
    torrents: HashMap<Sha1Hash, Torrent, Keys>,
    /// Only these are served, if there is a list.
    registered: Option<hashbrown::HashSet<Sha1Hash, Keys>>,
    peers: usize,
    /// Torrents in the order in which they are looked through for peers that are gone.
    rounds: VecDeque<Sha1Hash>,
}

#[derive(Debug, Default)]
struct Torrent {
    v4: Swarm<Ipv4Addr>,
    v6: Swarm<Ipv6Addr>,
    completed: u32,
}

impl Torrent {
    fn counts(&self) -> ScrapeCounts {
        let seeders = self.v4.seeders.saturating_add(self.v6.seeders);
        let peers = self.len();
        ScrapeCounts {
            seeders,
            completed: self.completed,
            leechers: u32::try_from(peers)
                .unwrap_or(u32::MAX)
                .saturating_sub(seeders),
        }
    }

    fn len(&self) -> usize {
        self.v4.peers.len().saturating_add(self.v6.peers.len())
    }
}

/// An address of one family.
trait Address: Copy + Eq + core::fmt::Debug {
    fn socket(self, port: u16) -> SocketAddr;
    fn hash(self, port: u16, keys: Keys) -> u64;
}

impl Address for Ipv4Addr {
    fn socket(self, port: u16) -> SocketAddr {
        SocketAddr::new(IpAddr::V4(self), port)
    }

    fn hash(self, port: u16, keys: Keys) -> u64 {
        let mut hasher = keys.build_hasher();
        hasher.write_u64(u64::from(u32::from(self)) << 16 | u64::from(port));
        hasher.finish()
    }
}

impl Address for Ipv6Addr {
    fn socket(self, port: u16) -> SocketAddr {
        SocketAddr::new(IpAddr::V6(self), port)
    }

    fn hash(self, port: u16, keys: Keys) -> u64 {
        let mut hasher = keys.build_hasher();
        hasher.write(&self.octets());
        hasher.write_u64(u64::from(port));
        hasher.finish()
    }
}

#[derive(Clone, Copy, Debug)]
struct Peer<A> {
    ip: A,
    port: u16,
    is_seed: bool,
    /// In whole seconds.
    expires: u32,
}

impl<A: Address> Peer<A> {
    fn is_at(&self, ip: A, port: u16) -> bool {
        self.ip == ip && self.port == port
    }
}

#[derive(Debug)]
struct Swarm<A> {
    peers: Vec<Peer<A>>,
    /// Places of the peers, by the hash of their addresses.
    index: Option<HashTable<u32>>,
    seeders: u32,
    /// Where the search for peers that are gone goes on.
    sweep: usize,
}

impl<A> Default for Swarm<A> {
    fn default() -> Self {
        Self {
            peers: Vec::new(),
            index: None,
            seeders: 0,
            sweep: 0,
        }
    }
}

/// What happened to the number of peers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Change {
    New,
    Known { became_seed: bool },
    Gone,
    Stranger,
}

impl<A: Address> Swarm<A> {
    fn find(&self, ip: A, port: u16, keys: Keys) -> Option<usize> {
        let peers = &self.peers;
        let Some(index) = &self.index else {
            return peers.iter().position(|peer| peer.is_at(ip, port));
        };
        let is = |at: &u32| {
            let peer = peers.get(*at as usize);
            peer.is_some_and(|peer| peer.is_at(ip, port))
        };
        let found = index.find(ip.hash(port, keys), is)?;
        Some(*found as usize)
    }

    /// Takes the news of a peer that is known.
    fn update(&mut self, at: usize, peer: Peer<A>) -> Change {
        let Some(known) = self.peers.get_mut(at) else {
            return Change::Stranger;
        };
        let was_seed = core::mem::replace(known, peer).is_seed;
        self.seeders = self
            .seeders
            .saturating_sub(u32::from(was_seed))
            .saturating_add(u32::from(peer.is_seed));
        Change::Known {
            became_seed: peer.is_seed && !was_seed,
        }
    }

    /// Adds a peer that is not there yet.
    fn push(&mut self, peer: Peer<A>, keys: Keys) {
        let at = u32::try_from(self.peers.len()).unwrap_or(u32::MAX);
        self.peers.push(peer);
        self.seeders = self.seeders.saturating_add(u32::from(peer.is_seed));
        let peers = &self.peers;
        match &mut self.index {
            Some(index) => {
                let hash = peer.ip.hash(peer.port, keys);
                index.insert_unique(hash, at, |at| hash_at(peers, *at, keys));
            }
            None if peers.len() >= INDEX_FROM => {
                let mut index = HashTable::with_capacity(peers.len());
                for (peer, at) in peers.iter().zip(0..) {
                    let hash = peer.ip.hash(peer.port, keys);
                    index.insert_unique(hash, at, |at| hash_at(peers, *at, keys));
                }
                self.index = Some(index);
            }
            None => {}
        }
    }

    fn remove_at(&mut self, at: usize, keys: Keys) {
        let Some(&gone) = self.peers.get(at) else {
            return;
        };
        let last = self.peers.len().saturating_sub(1);
        if let Some(index) = &mut self.index {
            let hash = gone.ip.hash(gone.port, keys);
            if let Ok(entry) = index.find_entry(hash, |place| *place as usize == at) {
                entry.remove();
            }
            // The last one takes its place.
            if last != at
                && let Some(moved) = self.peers.get(last)
            {
                let hash = moved.ip.hash(moved.port, keys);
                if let Some(place) = index.find_mut(hash, |place| *place as usize == last) {
                    *place = u32::try_from(at).unwrap_or(u32::MAX);
                }
            }
        }
        self.peers.swap_remove(at);
        self.seeders = self.seeders.saturating_sub(u32::from(gone.is_seed));
        if self.peers.len() < INDEX_FROM / 2 {
            self.index = None;
        }
    }

    /// Looks at up to `most` peers below the place where the last search ended; returns how many are
    /// gone. A round begins at the end: whoever takes the place of one that is gone was looked at
    /// before, so that none is left out.
    fn sweep(&mut self, now: u32, most: usize, keys: Keys) -> usize {
        let len = self.peers.len();
        if most >= len {
            self.sweep = len;
        }
        let (gone, next) = self.sweep_below(self.sweep, now, most, keys);
        self.sweep = next;
        gone
    }

    /// Looks at up to `most` peers below a place; returns how many are gone, and the next place.
    fn sweep_below(&mut self, mut at: usize, now: u32, most: usize, keys: Keys) -> (usize, usize) {
        let mut gone = 0_usize;
        for _ in 0..most.min(self.peers.len()) {
            if at == 0 || at > self.peers.len() {
                at = self.peers.len();
            }
            at = at.saturating_sub(1);
            if self.peers.get(at).is_some_and(|peer| peer.expires <= now) {
                self.remove_at(at, keys);
                gone = gone.saturating_add(1);
            }
        }
        (gone, at)
    }

    /// Up to `want` peers but the one that asks, from a place on.
    fn pick(&self, start: usize, want: usize, asker: Option<usize>) -> Vec<SocketAddr> {
        let others = self
            .peers
            .len()
            .saturating_sub(usize::from(asker.is_some()));
        let want = want.min(others);
        if want == 0 {
            return Vec::new();
        }
        let mut picked = Vec::with_capacity(want);
        let (before, after) = match self.peers.split_at_checked(start) {
            Some(halves) => halves,
            None => (Default::default(), &self.peers[..]),
        };
        let start = before.len();
        let asker = asker.unwrap_or(usize::MAX);
        // In front of the asker and behind it, so that nothing is to be compared on the way.
        for (part, first) in [(after, start), (before, 0)] {
            let (front, back) = match part.split_at_checked(asker.wrapping_sub(first)) {
                Some((front, back)) => (front, back.get(1..).unwrap_or_default()),
                None => (part, Default::default()),
            };
            for peers in [front, back] {
                let left = want.saturating_sub(picked.len());
                let peers = peers.get(..left).unwrap_or(peers);
                picked.extend(peers.iter().map(|peer| peer.ip.socket(peer.port)));
            }
        }
        picked
    }
}

fn hash_at<A: Address>(peers: &[Peer<A>], at: u32, keys: Keys) -> u64 {
    let peer = peers.get(at as usize);
    peer.map_or(0, |peer| peer.ip.hash(peer.port, keys))
}

impl Store {
    /// An empty store that takes every torrent. The seed keys its tables and its choice of peers.
    #[must_use]
    pub fn new(limits: StoreLimits, seed: [u8; 32]) -> Self {
        let mut random = Random::new(seed);
        let keys = Keys(random.wide(), random.wide());
        Self {
            limits,
            random,
            keys,
            torrents: HashMap::with_hasher(keys),
            registered: None,
            peers: 0,
            rounds: VecDeque::new(),
        }
    }

    /// Puts a torrent on the list; from the first one on, only those on the list are served.
    pub fn register(&mut self, torrent: Sha1Hash) {
        let keys = self.keys;
        self.registered
            .get_or_insert_with(|| hashbrown::HashSet::with_hasher(keys))
            .insert(torrent);
    }

    /// Takes a torrent off the list, and forgets its peers.
    pub fn unregister(&mut self, torrent: &Sha1Hash) {
        if let Some(registered) = &mut self.registered {
            registered.remove(torrent);
        }
        if let Some(torrent) = self.torrents.remove(torrent) {
            self.peers = self.peers.saturating_sub(torrent.len());
        }
    }

    /// Notes a peer at `ip`, and tells it of others. What it says of its own address counts for
    /// nothing: else anybody could send a swarm to anybody.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; nothing has changed then.
    pub fn announce(
        &mut self,
        now: Duration,
        ip: IpAddr,
        announce: &Announce,
    ) -> Result<Announced, StoreError> {
        let torrent = announce.info_hash;
        if self
            .registered
            .as_ref()
            .is_some_and(|list| !list.contains(&torrent))
        {
            return Err(StoreError::Unregistered);
        }
        if announce.port == 0 {
            return Err(StoreError::Port);
        }
        let now = seconds(now);
        let entry = match self.torrents.get_mut(&torrent) {
            Some(entry) => entry,
            None if announce.event == AnnounceEvent::Stopped => {
                return Ok(self.answer(ScrapeCounts::default(), Vec::new()));
            }
            None => {
                let is_full = self.torrents.len() >= self.limits.max_torrents;
                if is_full || self.peers >= self.limits.max_peers {
                    return Err(StoreError::Full);
                }
                self.rounds.push_back(torrent);
                self.torrents.entry(torrent).or_default()
            }
        };
        let expires = now.saturating_add(seconds(self.limits.peer_life));
        let mut visit = Visit {
            limits: &self.limits,
            keys: self.keys,
            now,
            expires,
            announce,
            peers: self.peers,
        };
        let want = match (announce.event, announce.want) {
            (AnnounceEvent::Stopped, _) => 0,
            (_, Some(want)) => (want as usize).min(self.limits.max_want),
            (_, None) => self.limits.default_want.min(self.limits.max_want),
        };
        let random = &mut self.random;
        let outcome = match ip.to_canonical() {
            IpAddr::V4(ip) => visit.announce(&mut entry.v4, ip, want, random),
            IpAddr::V6(ip) => visit.announce(&mut entry.v6, ip, want, random),
        };
        self.peers = visit.peers;
        // A completion counts once: a peer that was known, and is a seed only now.
        let is_completed = announce.event == AnnounceEvent::Completed && announce.left == 0;
        if let Ok((Change::Known { became_seed: true }, _)) = outcome
            && is_completed
        {
            entry.completed = entry.completed.saturating_add(1);
        }
        let counts = entry.counts();
        if entry.len() == 0 {
            self.forget(&torrent);
        }
        let (_, peers) = outcome?;
        Ok(self.answer(counts, peers))
    }

    /// How many peers a torrent has.
    #[must_use]
    pub fn scrape(&self, torrent: &Sha1Hash) -> ScrapeCounts {
        self.torrents
            .get(torrent)
            .map_or_else(ScrapeCounts::default, Torrent::counts)
    }

    /// Looks through up to `most` peers for those that are gone; call it now and then, say every
    /// second with a hundredth of all peers. Announces do the same for their own swarm.
    pub fn sweep(&mut self, now: Duration, most: usize) {
        let now = seconds(now);
        let mut left = most;
        for _ in 0..self.rounds.len() {
            if left == 0 {
                break;
            }
            let Some(hash) = self.rounds.pop_front() else {
                break;
            };
            let Some(torrent) = self.torrents.get_mut(&hash) else {
                continue;
            };
            let looked = torrent.len().min(left);
            let gone = torrent.v4.sweep(now, left, self.keys);
            let gone = gone.saturating_add(torrent.v6.sweep(now, left, self.keys));
            self.peers = self.peers.saturating_sub(gone);
            left = left.saturating_sub(looked.max(1));
            if torrent.len() == 0 {
                self.torrents.remove(&hash);
            } else {
                self.rounds.push_back(hash);
            }
        }
    }

    /// Torrents that have peers.
    #[must_use]
    pub fn torrents(&self) -> usize {
        self.torrents.len()
    }

    /// Peers of all torrents.
    #[must_use]
    pub fn peers(&self) -> usize {
        self.peers
    }

    /// The bounds that were set.
    #[must_use]
    pub fn limits(&self) -> &StoreLimits {
        &self.limits
    }

    fn answer(&self, counts: ScrapeCounts, peers: Vec<SocketAddr>) -> Announced {
        Announced {
            interval: self.limits.interval,
            min_interval: Some(self.limits.min_interval),
            seeders: Some(counts.seeders),
            leechers: Some(counts.leechers),
            completed: Some(counts.completed),
            peers,
            ..Announced::default()
        }
    }

    /// Forgets a torrent that has no peers.
    fn forget(&mut self, torrent: &Sha1Hash) {
        // Its place in `rounds` goes when its turn comes.
        self.torrents.remove(torrent);
        // Short lives must not fill the list of rounds.
        if self.rounds.len() > self.torrents.len().saturating_mul(2).saturating_add(64) {
            let torrents = &self.torrents;
            let mut seen = alloc::collections::BTreeSet::new();
            self.rounds
                .retain(|hash| torrents.contains_key(hash) && seen.insert(*hash));
        }
    }
}

/// One announce at one swarm.
struct Visit<'a> {
    limits: &'a StoreLimits,
    keys: Keys,
    now: u32,
    expires: u32,
    announce: &'a Announce,
    peers: usize,
}

impl Visit<'_> {
    /// Notes the peer, and picks others for it.
    fn announce<A: Address>(
        &mut self,
        swarm: &mut Swarm<A>,
        ip: A,
        want: usize,
        random: &mut Random,
    ) -> Result<(Change, Vec<SocketAddr>), StoreError> {
        // Those that are gone are looked for where peers are picked: that part of the memory is
        // needed anyway, and whoever is gone there is not told.
        let start = random.below(swarm.peers.len());
        let end = start.saturating_add(SWEEP).min(swarm.peers.len());
        let (gone, _) = swarm.sweep_below(end, self.now, SWEEP, self.keys);
        self.peers = self.peers.saturating_sub(gone);
        let (change, asker) = self.note(swarm, ip)?;
        Ok((change, swarm.pick(start, want, asker)))
    }

    /// What became of the peer, and its place.
    fn note<A: Address>(
        &mut self,
        swarm: &mut Swarm<A>,
        ip: A,
    ) -> Result<(Change, Option<usize>), StoreError> {
        let port = self.announce.port;
        let known = swarm.find(ip, port, self.keys);
        if self.announce.event == AnnounceEvent::Stopped {
            let Some(at) = known else {
                return Ok((Change::Stranger, None));
            };
            swarm.remove_at(at, self.keys);
            self.peers = self.peers.saturating_sub(1);
            return Ok((Change::Gone, None));
        }
        let peer = Peer {
            ip,
            port,
            is_seed: self.announce.left == 0,
            expires: self.expires,
        };
        if let Some(at) = known {
            return Ok((swarm.update(at, peer), Some(at)));
        }
        if self.peers >= self.limits.max_peers {
            return Err(StoreError::Full);
        }
        if self.has_too_many_ports(swarm, ip) {
            return Err(StoreError::TooManyPorts);
        }
        let at = swarm.peers.len();
        swarm.push(peer, self.keys);
        self.peers = self.peers.saturating_add(1);
        Ok((Change::New, Some(at)))
    }

    /// Counts the ports of an address among the peers that came last: a flood from one host is
    /// found there, and the work stays bounded however large the swarm is.
    fn has_too_many_ports<A: Address>(&self, swarm: &Swarm<A>, ip: A) -> bool {
        let most = self.limits.max_peers_per_ip;
        let looked_at = most.saturating_mul(4);
        let same = swarm.peers.iter().rev().take(looked_at);
        same.filter(|peer| peer.ip == ip).count() >= most
    }
}

/// The keys of the tables: whoever does not know them cannot make their entries collide.
#[derive(Clone, Copy)]
struct Keys(u64, u64);

impl core::fmt::Debug for Keys {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Keys")
    }
}

impl BuildHasher for Keys {
    type Hasher = SipHasher13;

    fn build_hasher(&self) -> SipHasher13 {
        SipHasher13::new_with_keys(self.0, self.1)
    }
}

fn seconds(time: Duration) -> u32 {
    u32::try_from(time.as_secs()).unwrap_or(u32::MAX)
}
