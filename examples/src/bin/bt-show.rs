//! Says in words what a torrent or a magnet link is about.

use clap::Parser;
use core::fmt::Display;
use examples::cli;
use proto_bittorrent::magnet::Magnet;
use proto_bittorrent::metainfo::{Limits, Metainfo};
use std::error::Error;
use std::process::ExitCode;

/// Says in words what a torrent file or a magnet link is about.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// A torrent file, or a magnet link.
    #[arg(value_name = "FILE|MAGNET")]
    what: String,
    /// Print only the magnet link of a torrent.
    #[arg(long)]
    magnet: bool,
}

fn main() -> ExitCode {
    cli::exit("bt-show", run(&Arguments::parse()))
}

fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let what = &arguments.what;
    let is_link = what
        .get(..7)
        .is_some_and(|front| front.eq_ignore_ascii_case("magnet:"));
    if is_link {
        show_magnet(&what.parse()?);
        return Ok(());
    }
    let octets = std::fs::read(what).map_err(|error| format!("{what}: {error}"))?;
    let torrent = Metainfo::parse(octets, &Limits::default())?;
    if arguments.magnet {
        println!("{}", magnet_of(&torrent));
    } else {
        show_torrent(&torrent);
    }
    Ok(())
}

fn line(what: &str, value: impl Display) {
    println!("{:<14}{value}", format!("{what}:"));
}

/// Octets of strangers, fit for a terminal.
fn text(octets: &[u8]) -> String {
    let text = String::from_utf8_lossy(octets);
    text.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

fn magnet_of(torrent: &Metainfo) -> Magnet {
    let mut magnet = Magnet::default();
    magnet.v1 = torrent.info_hash_v1();
    magnet.v2 = torrent.info_hash_v2();
    magnet.name = Some(String::from_utf8_lossy(torrent.raw_name()).into_owned());
    magnet.trackers = torrent.trackers().map(str::to_owned).collect();
    magnet.url_seeds = torrent.url_seeds().map(str::to_owned).collect();
    magnet
}

fn show_torrent(torrent: &Metainfo) {
    line("name", text(torrent.raw_name()));
    if let Some(hash) = torrent.info_hash_v1() {
        line("info-hash v1", hash);
    }
    if let Some(hash) = torrent.info_hash_v2() {
        line("info-hash v2", hash);
    }
    let pieces = torrent.piece_count();
    line(
        "pieces",
        format_args!("{pieces} of {} octets", torrent.piece_len()),
    );
    line("content", format_args!("{} octets", torrent.total_len()));
    if torrent.is_private() {
        line("private", "peers come from the trackers only");
    }
    if !torrent.is_canonical() {
        line("note", "not strictly bencoded: other clients may refuse it");
    }
    for (number, tier) in torrent.tiers().enumerate() {
        for tracker in tier {
            line(&format!("tracker {}", number + 1), text(tracker.as_bytes()));
        }
    }
    for url in torrent.url_seeds() {
        line("web seed", text(url.as_bytes()));
    }
    for (host, port) in torrent.nodes() {
        line("node", format_args!("{}:{port}", text(host.as_bytes())));
    }
    for (what, value) in [
        ("comment", torrent.comment()),
        ("created by", torrent.created_by()),
        ("source", torrent.source()),
    ] {
        if let Some(value) = value {
            line(what, text(value));
        }
    }
    if let Some(date) = torrent.creation_date() {
        line("created", format_args!("{date} seconds after 1970"));
    }
    for file in torrent.files().filter(|file| !file.attributes().is_pad) {
        let link = file.symlink_target().map(|target| format!(" -> {target}"));
        line(
            "file",
            format_args!(
                "{:>14} {}{}",
                file.len(),
                file.path(),
                link.unwrap_or_default()
            ),
        );
    }
}

fn show_magnet(magnet: &Magnet) {
    if let Some(name) = &magnet.name {
        line("name", text(name.as_bytes()));
    }
    if let Some(hash) = magnet.v1 {
        line("info-hash v1", hash);
    }
    if let Some(hash) = magnet.v2 {
        line("info-hash v2", hash);
    }
    for tracker in &magnet.trackers {
        line("tracker", text(tracker.as_bytes()));
    }
    for url in &magnet.url_seeds {
        line("web seed", text(url.as_bytes()));
    }
    for peer in &magnet.peers {
        line("peer", peer);
    }
    for (host, port) in &magnet.nodes {
        line("node", format_args!("{}:{port}", text(host.as_bytes())));
    }
    for range in &magnet.selected {
        line(
            "file",
            format_args!("number {} to {}", range.start(), range.end()),
        );
    }
}
