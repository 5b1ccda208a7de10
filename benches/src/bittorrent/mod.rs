//! BitTorrent: reading documents and torrents, the peer wire, trackers.

mod documents;
mod idle;
mod ours;
mod tracker;
mod wire;

#[cfg(feature = "bittorrent-peers")]
mod aquatic;
#[cfg(feature = "bittorrent-peers")]
mod bendy;
#[cfg(feature = "bittorrent-peers")]
mod rqbit;
#[cfg(feature = "bittorrent-peers")]
mod serde_peers;

pub use documents::{MADE, document, labels, torrents};
pub use idle::{idle_incoming, idle_peer};
pub use ours::Ours;
pub use tracker::{Population, announces, udp_announces};
pub use wire::{Traffic, traffic};

#[cfg(feature = "bittorrent-peers")]
pub use aquatic::Aquatic;
#[cfg(feature = "bittorrent-peers")]
pub use bendy::{BendyTokens, BendyValue};
#[cfg(feature = "bittorrent-peers")]
pub use rqbit::Rqbit;
#[cfg(feature = "bittorrent-peers")]
pub use serde_peers::{BtBencode, SerdeBencode};

use crate::{Case, Job};
use bytes::Bytes;

/// A library that reads bencode.
pub trait Bencode: 'static {
    /// Its name and version.
    const NAME: &'static str;

    /// Parses a document into something that can be walked, and counts what its root holds.
    /// A library that only has a stream of tokens has nothing like that.
    fn parse(octets: &[u8]) -> Option<u64>;

    /// The same, and looks at each value: integers, lengths of strings.
    fn read(octets: &[u8]) -> Option<u64>;
}

/// A library that reads torrents of v1.
pub trait Torrents: 'static {
    /// Its name and version.
    const NAME: &'static str;

    /// Parses a torrent; sums up the lengths of its files and of its piece hashes.
    fn load(octets: &Bytes) -> Option<u64>;
}

/// What is told of a document: the sum of its numbers, so that all libraries can be compared.
#[derive(Clone, Copy, Debug, Default)]
struct Digest(u64);

impl Digest {
    fn int(&mut self, value: i64) {
        self.0 = self.0.wrapping_add_signed(value);
    }

    fn len(&mut self, len: usize) {
        self.0 = self.0.wrapping_add(u64::try_from(len).unwrap_or(u64::MAX));
    }

    fn container(&mut self) {
        self.0 = self.0.wrapping_add(1);
    }
}

/// All cases of this module.
#[must_use]
pub fn cases() -> Vec<Case> {
    let mut cases = format_cases();
    cases.extend(wire::cases(64));
    cases.extend(tracker::cases(1_000_000));
    cases
}

/// The same, smaller: for tests.
#[must_use]
pub fn small_cases() -> Vec<Case> {
    let mut cases = format_cases();
    cases.extend(wire::cases(2));
    cases.extend(tracker::cases(1000));
    cases
}

fn format_cases() -> Vec<Case> {
    let mut cases: Vec<_> = labels().into_iter().map(parse_case).collect();
    cases.extend(labels().into_iter().map(read_case));
    cases.extend(torrents().into_iter().map(torrent_case));
    cases
}

fn octets(document: &[u8]) -> Option<u64> {
    u64::try_from(document.len()).ok()
}

fn bencode_job<B: Bencode>(label: &str, work: fn(&[u8]) -> Option<u64>) -> (&'static str, Job) {
    let octets = document(label);
    (B::NAME, Box::new(move || work(&octets).unwrap_or(0)))
}

#[cfg_attr(
    not(feature = "bittorrent-peers"),
    allow(unused_mut, reason = "nobody is added")
)]
fn parse_case(label: &'static str) -> Case {
    let mut jobs = vec![bencode_job::<Ours>(label, Ours::parse)];
    #[cfg(feature = "bittorrent-peers")]
    jobs.extend([
        bencode_job::<Rqbit>(label, Rqbit::parse),
        bencode_job::<BendyValue>(label, BendyValue::parse),
        bencode_job::<BtBencode>(label, BtBencode::parse),
        bencode_job::<SerdeBencode>(label, SerdeBencode::parse),
    ]);
    Case {
        group: "bencode parse",
        name: label.into(),
        octets: octets(&document(label)),
        jobs,
        is_comparable: true,
    }
}

#[cfg_attr(
    not(feature = "bittorrent-peers"),
    allow(unused_mut, reason = "nobody is added")
)]
fn read_case(label: &'static str) -> Case {
    let mut jobs = vec![bencode_job::<Ours>(label, Ours::read)];
    #[cfg(feature = "bittorrent-peers")]
    jobs.extend([
        bencode_job::<Rqbit>(label, Rqbit::read),
        bencode_job::<BendyTokens>(label, BendyTokens::read),
        bencode_job::<BendyValue>(label, BendyValue::read),
        bencode_job::<BtBencode>(label, BtBencode::read),
        bencode_job::<SerdeBencode>(label, SerdeBencode::read),
    ]);
    Case {
        group: "bencode parse, all read",
        name: label.into(),
        octets: octets(&document(label)),
        jobs,
        is_comparable: true,
    }
}

#[cfg_attr(
    not(feature = "bittorrent-peers"),
    allow(unused_mut, reason = "nobody is added")
)]
fn torrent_case(label: &'static str) -> Case {
    fn job<T: Torrents>(label: &str) -> (&'static str, Job) {
        let octets = Bytes::from(document(label));
        (T::NAME, Box::new(move || T::load(&octets).unwrap_or(0)))
    }
    let mut jobs = vec![job::<Ours>(label)];
    #[cfg(feature = "bittorrent-peers")]
    jobs.extend([
        job::<Rqbit>(label),
        job::<BtBencode>(label),
        job::<SerdeBencode>(label),
    ]);
    Case {
        group: "torrent",
        name: label.into(),
        octets: octets(&document(label)),
        jobs,
        is_comparable: true,
    }
}
