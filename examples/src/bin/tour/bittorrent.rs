//! Chapter: BitTorrent. A torrent is made; a seed and a leech find each other through a tracker, over
//! HTTP and UDP; the leech knows a magnet link alone, gets the metadata, then the pieces.

use crate::report::Report;
use bytes::Bytes;
use core::net::SocketAddr;
use core::time::Duration;
use examples::app::StreamApp;
use examples::bittorrent::{Tracker, bind};
use examples::{cli, serve};
use netio::driver::{Datagram, Stream};
use proto_bittorrent::Limits;
use proto_bittorrent::hash::{PeerId, Sha1Hash};
use proto_bittorrent::magnet::Magnet;
use proto_bittorrent::metainfo::{self, Draft, Metainfo, Versions};
use proto_bittorrent::peer::{Bitfield, Config, Connection, Event, Pieces, Torrent};
use proto_bittorrent::tracker::{Announce, Announced, StoreLimits, http, udp};
use proto_bittorrent::wire::{Block, METADATA_PIECE_LEN};
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::JoinSet;

const PIECE_LEN: u32 = 256 * 1024;
const BLOCK_LEN: u32 = 16 * 1024;
const FILE_LEN: usize = 64 * 1024 * 1024 + 1000;
/// Requests that are under way at the same time.
const AT_ONCE: usize = 64;

/// What libtorrent 2.1.1 says of the same torrent.
const INFO_HASH_V1: &str = "bfe5b4e639751d84768fb14bd1dc4349a2e5fde6";
const INFO_HASH_V2: &str = "a6ae07e7762ffeebda1a80d6b4b09a6703cb6ebef31b1ce3a37908706df6c87c";

pub(crate) async fn run(report: &mut Report) -> Result<(), Box<dyn Error>> {
    report.chapter("bittorrent", "BitTorrent: a torrent, a tracker, two peers");
    let file: Bytes = (0..FILE_LEN).map(|index| (index * 7 % 251) as u8).collect();
    let torrent = create(report, &file)?;
    let mut tasks = JoinSet::new();
    let seed = start_seed(&mut tasks, &torrent, file.clone()).await?;
    let tracker = start_tracker(&mut tasks).await?;
    let found = find(report, tracker, seed, &torrent).await?;
    report.check("the leech has found the seed", &found.peers[..], [seed]);
    let magnet = magnet(report, &torrent)?;
    download(report, seed, &magnet, &file).await
}

fn create(report: &mut Report, file: &Bytes) -> Result<Metainfo, Box<dyn Error>> {
    let begin = Instant::now();
    let mut draft = Draft::new("tour.bin", PIECE_LEN, Versions::Hybrid)?;
    let mut whole = draft.file(&[], file.len() as u64)?;
    whole.update(file);
    whole.finish()?;
    let torrent = Metainfo::parse(draft.finish()?, &metainfo::Limits::default())?;
    let mebibytes = file.len() as f64 / f64::from(1 << 20);
    report.speed("hashed for v1 and v2", mebibytes, "MiB", begin.elapsed());
    let v1 = torrent.info_hash_v1().map(|hash| hash.to_string());
    report.check(
        "the v1 info-hash is right",
        v1.as_deref(),
        Some(INFO_HASH_V1),
    );
    let v2 = torrent.info_hash_v2().map(|hash| hash.to_string());
    report.check(
        "the v2 info-hash is right",
        v2.as_deref(),
        Some(INFO_HASH_V2),
    );
    report.check("there are 257 pieces", torrent.piece_count(), 257);
    Ok(torrent)
}

async fn start_tracker(tasks: &mut JoinSet<()>) -> Result<SocketAddr, Box<dyn Error>> {
    let (listener, socket) = bind("127.0.0.1:0".parse()?).await?;
    let address = listener.local_addr()?;
    let tracker = Tracker::new(StoreLimits::default(), cli::seed());
    tasks.spawn(tracker.serve(listener, socket, cli::seed(), std::future::pending()));
    Ok(address)
}

/// The seed announces itself over HTTP, the leech over UDP.
async fn find(
    report: &mut Report,
    tracker: SocketAddr,
    seed: SocketAddr,
    torrent: &Metainfo,
) -> Result<Announced, Box<dyn Error>> {
    let mut announce = Announce::new(torrent.swarm_hash(), PeerId([b's'; 20]), seed.port());
    announce.left = 0;
    let url = format!("http://{tracker}/announce").parse()?;
    let machine = http::Client::announce(Duration::ZERO, Limits::default(), &url, &announce, None);
    let mut driver = Stream::new(machine, TcpStream::connect(tracker).await?);
    let told = match driver.next().await? {
        Some(http::ClientEvent::Announced(answer)) => answer,
        other => return Err(format!("the tracker said {other:?}").into()),
    };
    report.exchanged(format_args!(
        "GET {url:?}: come again in {:?}",
        told.interval
    ));
    report.check(
        "the seed is alone",
        (told.seeders, told.peers.len()),
        (Some(1), 0),
    );

    let leech = Announce::new(torrent.swarm_hash(), PeerId([b'l'; 20]), 6881);
    let machine = udp::Client::new(Duration::ZERO, Limits::default(), cli::seed());
    let mut driver = Datagram::new(machine, UdpSocket::bind("127.0.0.1:0").await?);
    driver.machine_mut().announce(tracker, leech, "/announce")?;
    let found = match driver.next().await {
        udp::ClientEvent::Announced { response, .. } => response,
        other => return Err(format!("the tracker said {other:?}").into()),
    };
    report.exchanged(format_args!("udp://{tracker}: {} peers", found.peers.len()));
    driver
        .machine_mut()
        .scrape(tracker, &[torrent.swarm_hash()])?;
    let counts = match driver.next().await {
        udp::ClientEvent::Scraped { counts, .. } => counts,
        other => return Err(format!("the tracker said {other:?}").into()),
    };
    let counts = counts
        .first()
        .map(|counts| (counts.seeders, counts.leechers));
    report.check(
        "the tracker counts one seed and one leech",
        counts,
        Some((1, 1)),
    );
    Ok(found)
}

fn magnet(report: &mut Report, torrent: &Metainfo) -> Result<Magnet, Box<dyn Error>> {
    let mut magnet = Magnet::default();
    magnet.v1 = torrent.info_hash_v1();
    magnet.name = Some("tour.bin".into());
    let link = magnet.to_string();
    report.check(
        "the magnet link names it",
        &link,
        &format!("magnet:?xt=urn:btih:{INFO_HASH_V1}&dn=tour.bin"),
    );
    Ok(link.parse()?)
}

/// Answers all that is asked of one file.
#[derive(Clone)]
struct Seed {
    torrent: Torrent,
    info: Bytes,
    file: Bytes,
    metainfo: Arc<Metainfo>,
}

impl StreamApp for Seed {
    type Machine = Connection;

    fn on_event(&mut self, _: Duration, machine: &mut Connection, event: Event) {
        // Whatever is answered too late is of no use to anybody.
        let _ = match event {
            Event::Incoming { ask, handshake } => {
                if handshake.info_hash != self.torrent.info_hash {
                    machine.reject(ask)
                } else {
                    let count = self.metainfo.piece_count();
                    let mut all = Bitfield::new(count);
                    (0..count).for_each(|piece| all.set(piece, true));
                    machine
                        .accept(ask, self.torrent.clone())
                        .and_then(|()| machine.tell_pieces(&all))
                }
            }
            Event::Interested => machine.unchoke(),
            Event::MetadataRequest { piece } => machine.send_metadata(piece, &self.info),
            Event::Request { block } => {
                if self.metainfo.contains_block(block) {
                    let at = block.piece as usize * PIECE_LEN as usize + block.begin as usize;
                    let data = self.file.slice(at..at + block.len as usize);
                    machine.send_block(block, data)
                } else {
                    machine.reject_request(block)
                }
            }
            Event::PeerClosed => {
                machine.close();
                Ok(())
            }
            _ => Ok(()),
        };
    }
}

async fn start_seed(
    tasks: &mut JoinSet<()>,
    torrent: &Metainfo,
    file: Bytes,
) -> Result<SocketAddr, Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let seed = Seed {
        torrent: Torrent::of(torrent),
        info: torrent.info(),
        file,
        metainfo: Arc::new(torrent.clone()),
    };
    let config = Arc::new(Config::new(PeerId([b's'; 20])));
    let limits = Arc::new(Limits::default());
    let numbers = AtomicU64::new(0);
    let make = move |socket| {
        let number = numbers.fetch_add(1, Ordering::Relaxed);
        let (config, limits) = (Arc::clone(&config), Arc::clone(&limits));
        let machine = Connection::incoming(Duration::ZERO, config, limits, number);
        (Stream::new(machine, socket), seed.clone())
    };
    tasks.spawn(serve::streams(listener, 8, make, std::future::pending()));
    Ok(address)
}

async fn download(
    report: &mut Report,
    seed: SocketAddr,
    magnet: &Magnet,
    file: &Bytes,
) -> Result<(), Box<dyn Error>> {
    let hash = magnet.swarm_hash().ok_or("the link has no hash")?;
    let config = Config::new(PeerId([b'l'; 20]));
    let machine = Connection::outgoing(
        Duration::ZERO,
        config,
        Limits::default(),
        Torrent::new(hash),
    );
    let mut driver = Stream::new(machine, TcpStream::connect(seed).await?);
    let info = metadata(&mut driver).await?;
    report.exchanged(format_args!(
        "ut_metadata: {} octets of metadata",
        info.len()
    ));
    report.check(
        "the metadata has the info-hash of the link",
        Sha1Hash::of(&info),
        hash,
    );
    let torrent = Metainfo::parse_info(info.clone(), &metainfo::Limits::default())?;
    report.check("it names the file", torrent.name().as_str(), "tour.bin");
    let pieces = Pieces {
        count: torrent.piece_count(),
        len: torrent.piece_len(),
    };
    let machine = driver.machine_mut();
    machine.learn(pieces, u32::try_from(info.len())?);
    machine.interested()?;

    let begin = Instant::now();
    let mut wanted: Vec<Block> = (0..torrent.piece_count())
        .flat_map(|piece| {
            let len = torrent.len_of_piece(piece);
            (0..len)
                .step_by(BLOCK_LEN as usize)
                .map(move |at| Block::new(piece, at, BLOCK_LEN.min(len - at)))
        })
        .collect();
    wanted.reverse();
    let mut missing = wanted.len();
    let mut got = vec![0; file.len()];
    let bar = report.progress("pieces", missing as u64);
    while missing > 0 {
        match driver.next().await? {
            Some(Event::Block { block, data }) => {
                let at = block.piece as usize * PIECE_LEN as usize + block.begin as usize;
                got[at..at + data.len()].copy_from_slice(&data);
                missing -= 1;
                bar.inc(1);
            }
            Some(Event::RequestFailed { block, .. }) => wanted.push(block),
            Some(_) => {}
            None => return Err("the seed is gone".into()),
        }
        let machine = driver.machine_mut();
        while !machine.is_choked() && machine.open_requests().len() < AT_ONCE {
            let Some(block) = wanted.pop() else { break };
            machine.request(block)?;
        }
    }
    bar.finish_and_clear();
    let mebibytes = file.len() as f64 / f64::from(1 << 20);
    report.speed("blocks over a socket", mebibytes, "MiB", begin.elapsed());
    let wrong = (0..torrent.piece_count()).filter(|piece| {
        let at = *piece as usize * PIECE_LEN as usize;
        let end = at + torrent.len_of_piece(*piece) as usize;
        torrent.piece_hash(*piece) != Some(Sha1Hash::of(&got[at..end]))
    });
    report.check("all pieces have their hashes", wrong.count(), 0);
    report.check("the file is the file", got == file[..], true);
    driver.close(Duration::from_secs(2)).await?;
    Ok(())
}

/// Asks for the pieces of the metadata until all are there (BEP 9).
async fn metadata(driver: &mut Stream<Connection, TcpStream>) -> Result<Bytes, Box<dyn Error>> {
    let mut pieces: Vec<Option<Bytes>> = Vec::new();
    loop {
        match driver.next().await? {
            Some(Event::Extended(told)) => {
                let len = told.metadata_len.ok_or("the seed has no metadata")?;
                let count = len.div_ceil(METADATA_PIECE_LEN);
                for piece in 0..count {
                    driver.machine_mut().request_metadata(piece)?;
                    pieces.push(None);
                }
            }
            Some(Event::Metadata { piece, data, .. }) => {
                let place = pieces
                    .get_mut(piece as usize)
                    .ok_or("a piece that was not asked for")?;
                *place = Some(data);
                if pieces.iter().all(Option::is_some) {
                    let whole: Vec<u8> = pieces.iter().flatten().flatten().copied().collect();
                    return Ok(whole.into());
                }
            }
            Some(Event::MetadataFailed { .. }) | None => return Err("no metadata came".into()),
            Some(_) => {}
        }
    }
}
