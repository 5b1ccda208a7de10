//! The tour: starts the real servers on free loopback ports in this process, drives the real clients
//! against them over sockets, and says per protocol what was exchanged, what was checked and how
//! fast it went.

mod bittorrent;
mod dns;
mod echo;
mod ftp;
mod http2;
mod mail;
mod report;

use clap::{Parser, ValueEnum};
use report::Report;
use std::process::ExitCode;

/// Shows every protocol of this workspace at work, over real sockets on loopback.
///
/// The exit status is 1 when a check fails.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// What to show; all of it by default.
    chapters: Vec<Chapter>,
    /// Print one JSON document instead of lines for people.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Chapter {
    /// The upper-case echo over UDP and TCP.
    Echo,
    /// Names and addresses: Network Utopia and the alias of IBM.
    Dns,
    /// Many objects over one connection of HTTP/2.
    Http2,
    /// Bob reads his mail over POP3.
    Mail,
    /// Files over FTP: a connection for commands, and one for each file.
    Ftp,
    /// A torrent, a tracker, two peers.
    Bittorrent,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let mut report = Report::new(arguments.json);
    for chapter in Chapter::value_variants() {
        if !arguments.chapters.is_empty() && !arguments.chapters.contains(chapter) {
            continue;
        }
        let result = match chapter {
            Chapter::Echo => echo::run(&mut report).await,
            Chapter::Dns => dns::run(&mut report).await,
            Chapter::Http2 => http2::run(&mut report).await,
            Chapter::Mail => mail::run(&mut report).await,
            Chapter::Ftp => ftp::run(&mut report).await,
            Chapter::Bittorrent => bittorrent::run(&mut report).await,
        };
        if let Err(error) = result {
            report.failed("the chapter ends without an error", &*error);
        }
    }
    if report.finish() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
