//! Makes a torrent of a file or folder.

use clap::Parser;
use examples::bittorrent::Content;
use examples::cli;
use indicatif::{ProgressBar, ProgressStyle};
use proto_bittorrent::metainfo::{Limits, Metainfo, Versions};
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

/// Makes a torrent of a file or folder: v1 (BEP 3), v2 (BEP 52), or both in one, which is what
/// happens when nothing is said.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// A tracker; each further one is a tier of its own.
    #[arg(long, value_name = "URL")]
    announce: Vec<String>,
    /// For clients that know v1 only, or v1 and v2 alike.
    #[arg(long, group = "version_of_torrent")]
    v1: bool,
    /// For clients that know v2.
    #[arg(long, group = "version_of_torrent")]
    v2: bool,
    /// Both in one.
    #[arg(long, group = "version_of_torrent")]
    hybrid: bool,
    /// Octets of a piece: a power of two from 16384; chosen by the size of the content if not given.
    #[arg(long, value_name = "N")]
    piece_length: Option<u32>,
    /// A web seed (BEP 19); may be given several times.
    #[arg(long, value_name = "URL")]
    web_seed: Vec<String>,
    /// What to say about it.
    #[arg(long)]
    comment: Option<String>,
    /// Let peers come from the trackers only (BEP 27).
    #[arg(long)]
    private: bool,
    /// Leave out when it was made, so that the same content makes the same file.
    #[arg(long)]
    no_date: bool,
    /// The torrent file to write.
    #[arg(short, value_name = "FILE")]
    output: PathBuf,
    /// The file or folder.
    path: PathBuf,
}

fn main() -> ExitCode {
    cli::exit("bt-create", run(&Arguments::parse()))
}

fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let versions = match (arguments.v1, arguments.v2) {
        (true, _) => Versions::V1,
        (_, true) => Versions::V2,
        _ => Versions::Hybrid,
    };
    let content = Content::find(&arguments.path)?;
    let style = ProgressStyle::with_template("[{bar:40}] {bytes}/{total_bytes} {eta}")?;
    let bar = ProgressBar::new(content.len()).with_style(style);
    let mut draft = content.draft(arguments.piece_length, versions, |count| bar.inc(count))?;
    bar.finish_and_clear();
    for tracker in &arguments.announce {
        draft.tracker_tier([tracker]);
    }
    for url in &arguments.web_seed {
        draft.url_seed(url);
    }
    if let Some(comment) = &arguments.comment {
        draft.comment(comment);
    }
    draft.created_by(concat!("bt-create ", env!("CARGO_PKG_VERSION")));
    if !arguments.no_date {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        draft.creation_date(i64::try_from(now)?);
    }
    draft.private(arguments.private);
    let octets = draft.finish()?;
    let torrent = Metainfo::parse(octets.clone(), &Limits::default())?;
    std::fs::write(&arguments.output, &octets)?;
    if let Some(hash) = torrent.info_hash_v1() {
        println!("v1 {hash}");
    }
    if let Some(hash) = torrent.info_hash_v2() {
        println!("v2 {hash}");
    }
    Ok(())
}
