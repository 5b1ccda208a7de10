//! Writes the seeds of all targets into `fuzz/corpus/`: known answers and short sessions, so that a
//! fuzz run begins with input that gets somewhere.
//!
//! `cargo run -p fuzz-bodies --example seeds` writes them anew; files that fuzz runs added stay.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a generator may fail by panicking"
)]

mod bittorrent;
mod dns;
mod dns_zones;
mod ftp;
mod http2;
mod message;
mod pop3;
mod smtp;

use std::fs;
use std::path::Path;

/// A seed: its target, its name and what is in it.
type Seed = (&'static str, String, Vec<u8>);

fn main() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .join("corpus");
    let seeds: Vec<Seed> = dns::seeds()
        .into_iter()
        .chain(pop3::seeds())
        .chain(bittorrent::seeds())
        .chain(ftp::seeds())
        .chain(smtp::seeds())
        .chain(dns_zones::seeds())
        .chain(http2::seeds())
        .chain(message::seeds())
        .collect();
    for (target, name, data) in &seeds {
        let dir = corpus.join(target);
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join(format!("seed-{name}")), data).unwrap();
    }
    for (target, _) in fuzz_bodies::TARGETS {
        let count = seeds.iter().filter(|seed| seed.0 == *target).count();
        assert!(count > 0, "{target} has no seed");
        println!("{count:3} {target}");
    }
    let octets: usize = seeds.iter().map(|seed| seed.2.len()).sum();
    println!("{} seeds of {octets} octets", seeds.len());
}
