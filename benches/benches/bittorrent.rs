//! Wall clock of the cases in `benches::bittorrent`, by divan.

use benches::bittorrent::{
    Bencode, Ours, Population, Torrents, announces, document, labels, torrents, udp_announces,
};
#[cfg(feature = "bittorrent-peers")]
use benches::bittorrent::{BendyTokens, BendyValue, BtBencode, Rqbit, SerdeBencode};
use divan::Bencher;
use divan::counter::BytesCount;

fn main() {
    divan::main();
}

#[cfg_attr(feature = "bittorrent-peers", divan::bench(types = [Ours, Rqbit, BendyValue, BtBencode, SerdeBencode], args = labels()))]
#[cfg_attr(not(feature = "bittorrent-peers"), divan::bench(types = [Ours], args = labels()))]
fn parse<B: Bencode>(bencher: Bencher<'_, '_>, label: &str) {
    let octets = document(label);
    let count = BytesCount::of_slice(&octets);
    bencher.counter(count).bench_local(|| B::parse(&octets));
}

#[cfg_attr(feature = "bittorrent-peers", divan::bench(types = [Ours, Rqbit, BendyTokens, BendyValue, BtBencode, SerdeBencode], args = labels()))]
#[cfg_attr(not(feature = "bittorrent-peers"), divan::bench(types = [Ours], args = labels()))]
fn read<B: Bencode>(bencher: Bencher<'_, '_>, label: &str) {
    let octets = document(label);
    let count = BytesCount::of_slice(&octets);
    bencher.counter(count).bench_local(|| B::read(&octets));
}

#[cfg_attr(feature = "bittorrent-peers", divan::bench(types = [Ours, Rqbit, BtBencode, SerdeBencode], args = torrents()))]
#[cfg_attr(not(feature = "bittorrent-peers"), divan::bench(types = [Ours], args = torrents()))]
fn torrent<T: Torrents>(bencher: Bencher<'_, '_>, label: &str) {
    let octets = bytes::Bytes::from(document(label));
    let count = BytesCount::of_slice(&octets);
    bencher.counter(count).bench_local(|| T::load(&octets));
}

const POPULATIONS: [Population; 2] = [
    Population {
        peers: 1000,
        torrents: 1,
    },
    Population {
        peers: 1_000_000,
        torrents: 10_000,
    },
];

#[divan::bench(args = [0, 1])]
fn announce(bencher: Bencher<'_, '_>, which: usize) {
    bencher.bench_local(announces(POPULATIONS[which]));
}

#[divan::bench(args = [0, 1])]
fn announce_by_datagram(bencher: Bencher<'_, '_>, which: usize) {
    bencher.bench_local(udp_announces(POPULATIONS[which]));
}
