//! A BitTorrent tracker over HTTP and UDP on the same port: the machines of proto-bittorrent on
//! netio.

use clap::Parser;
use core::net::SocketAddr;
use core::time::Duration;
use examples::bittorrent::{Tracker, bind};
use examples::cli;
use proto_bittorrent::hash::Sha1Hash;
use proto_bittorrent::tracker::StoreLimits;
use std::error::Error;
use std::process::ExitCode;

/// Tells BitTorrent peers of each other, over HTTP (/announce, /scrape) and UDP.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Where to listen, for TCP and UDP; port 0 takes a free one.
    #[arg(long, value_name = "ADDR:PORT")]
    listen: SocketAddr,
    /// When peers are told to come again, in seconds.
    #[arg(long, default_value_t = 1800, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    interval: u64,
    /// Serve only this torrent, by its info-hash in hexadecimal; may be given several times.
    #[arg(long, value_name = "HASH")]
    torrent: Vec<Sha1Hash>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    cli::exit("bt-tracker", run(Arguments::parse()).await)
}

async fn run(arguments: Arguments) -> Result<(), Box<dyn Error>> {
    let mut limits = StoreLimits::default();
    limits.interval = Duration::from_secs(arguments.interval);
    limits.min_interval = limits.min_interval.min(limits.interval);
    limits.peer_life = limits.interval.saturating_mul(2);
    let tracker = Tracker::new(limits, cli::seed());
    tracker.with(|store, _| {
        arguments
            .torrent
            .iter()
            .for_each(|hash| store.register(*hash))
    });
    let (listener, socket) = bind(arguments.listen).await?;
    cli::listening("http", listener.local_addr()?);
    cli::listening("udp", socket.local_addr()?);
    let interrupted = async {
        let _ = tokio::signal::ctrl_c().await;
    };
    tracker
        .serve(listener, socket, cli::seed(), interrupted)
        .await;
    Ok(())
}
