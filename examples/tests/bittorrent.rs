//! BitTorrent with real programs: libtorrent and aria2c share files through our tracker and load our
//! torrents, the tracker of npm asks ours, and our clients ask opentracker.

mod support;

use core::time::Duration;
use netio::driver::{Datagram, Stream};
use proto_bittorrent::Limits;
use proto_bittorrent::hash::{PeerId, Sha1Hash};
use proto_bittorrent::metainfo::{self, Metainfo};
use proto_bittorrent::tracker::{Announce, AnnounceEvent, http, udp};
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;
use support::{OurServer, Process, find, find_peer, free_port, run, run_ok, skip, wait_for};

const FILE_LEN: usize = 3_000_000;

fn content() -> Vec<u8> {
    (0..FILE_LEN).map(|index| (index * 7 % 251) as u8).collect()
}

fn tracker() -> (OurServer, SocketAddr) {
    let program = env!("CARGO_BIN_EXE_bt-tracker");
    let arguments = ["--listen", "127.0.0.1:0", "--interval", "60"];
    let server = OurServer::start(Command::new(program).args(arguments), 2);
    let address = server.address("http");
    assert_eq!(address, server.address("udp"));
    (server, address)
}

fn create(folder: &Path, name: &str, arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bt-create"));
    let output = folder.join("made.torrent");
    run_ok(
        command
            .args(arguments)
            .arg("-o")
            .arg(output)
            .arg(folder.join(name)),
    )
}

/// A peer on libtorrent: `seed` shares until it is ended, `get` ends when it has everything.
const PEER: &str = r#"
import sys, time, warnings
warnings.simplefilter('ignore')
import libtorrent as lt
torrent, folder, port, mode = sys.argv[1:5]
s = lt.session({'listen_interfaces': '127.0.0.1:' + port, 'outgoing_interfaces': '127.0.0.1',
    'enable_dht': False, 'enable_lsd': False, 'enable_upnp': False, 'enable_natpmp': False,
    'enable_incoming_utp': False, 'enable_outgoing_utp': False,
    'allow_multiple_connections_per_ip': True})
p = lt.add_torrent_params()
p.ti = lt.torrent_info(torrent)
p.save_path = folder
p.flags &= ~(lt.torrent_flags.auto_managed | lt.torrent_flags.paused)
if mode == 'seed':
    p.flags |= lt.torrent_flags.seed_mode
h = s.add_torrent(p)
end = time.time() + 60
while time.time() < end:
    time.sleep(0.05)
    if mode == 'get' and h.status().is_seeding:
        print('done')
        break
"#;

/// What libtorrent reads in a torrent.
const SHOW: &str = r#"
import sys, warnings
warnings.simplefilter('ignore')
import libtorrent as lt
ti = lt.torrent_info(sys.argv[1])
h = ti.info_hashes()
print('v1', h.v1 if h.has_v1() else '-')
print('v2', h.v2 if h.has_v2() else '-')
print(ti.num_pieces(), ti.piece_length(), ti.name())
"#;

#[test]
fn libtorrent_loads_what_we_make_with_the_same_info_hash() {
    let Some(python) = find_peer("python/bin/python3") else {
        skip!("libtorrent for Python");
    };
    let folder = tempfile::tempdir().expect("a folder");
    let inside = folder.path().join("things");
    fs::create_dir_all(inside.join("b/c")).expect("a folder");
    fs::write(inside.join("a.bin"), &content()[..100_000]).expect("a file");
    fs::write(inside.join("b/empty"), b"").expect("a file");
    fs::write(inside.join("b/c/x"), &content()[..70_000]).expect("a file");
    fs::write(inside.join("z"), b"short").expect("a file");
    for kind in ["--v1", "--v2", "--hybrid"] {
        let ours = create(folder.path(), "things", &[kind, "--piece-length", "32768"]);
        let torrent = folder.path().join("made.torrent");
        let theirs = run_ok(Command::new(&python).args(["-c", SHOW]).arg(&torrent));
        for line in ours.lines() {
            assert!(
                theirs.lines().any(|other| other == line),
                "{kind}: {ours} {theirs}"
            );
        }
        let parsed = Metainfo::parse(
            fs::read(&torrent).expect("a file"),
            &metainfo::Limits::default(),
        )
        .expect("a torrent");
        assert!(
            theirs.ends_with(&format!("{} 32768 things\n", parsed.piece_count())),
            "{theirs}"
        );
        let words = run_ok(Command::new(env!("CARGO_BIN_EXE_bt-show")).arg(&torrent));
        assert!(words.contains("things/b/c/x"), "{words}");
        let magnet = run_ok(
            Command::new(env!("CARGO_BIN_EXE_bt-show"))
                .arg("--magnet")
                .arg(&torrent),
        );
        let words = run_ok(Command::new(env!("CARGO_BIN_EXE_bt-show")).arg(magnet.trim()));
        for hash in ours.lines().filter_map(|line| line.split(' ').nth(1)) {
            assert!(words.contains(hash), "{words}");
        }
    }
}

#[test]
fn libtorrent_and_aria2c_find_each_other_through_our_tracker() {
    let Some(python) = find_peer("python/bin/python3") else {
        skip!("libtorrent for Python");
    };
    let Some(aria2c) = find("aria2c") else {
        skip!("aria2c");
    };
    let (_tracker, address) = tracker();
    for scheme in ["http", "udp"] {
        for aria2_seeds in [false, true] {
            let folder = tempfile::tempdir().expect("a folder");
            let (full, empty) = (folder.path().join("full"), folder.path().join("empty"));
            fs::create_dir(&full).expect("a folder");
            fs::create_dir(&empty).expect("a folder");
            // Another name, so another swarm, each time.
            let name = format!("{scheme}-{aria2_seeds}.bin");
            fs::write(full.join(&name), content()).expect("a file");
            let announce = format!("{scheme}://{address}/announce");
            create(&full, &name, &["--v1", "--announce", &announce]);
            let torrent = full.join("made.torrent");
            let libtorrent = |folder: &Path, mode: &str| {
                let mut command = Command::new(&python);
                let port = free_port().to_string();
                command
                    .args(["-c", PEER])
                    .arg(&torrent)
                    .arg(folder)
                    .args([&port, mode]);
                command.stdout(Stdio::null());
                command
            };
            let aria2 = |folder: &Path, more: &[&str]| {
                let mut command = Command::new(&aria2c);
                // It asks trackers by the socket of its DHT, which knows no node to begin with.
                command
                    .arg(format!("--enable-dht={}", scheme == "udp"))
                    .arg(format!("--dht-listen-port={}", free_port()))
                    .arg("--dht-file-path")
                    .arg(folder.join("../dht.dat"))
                    .args(["--no-conf=true", "--enable-dht6=false"])
                    .args(["--bt-enable-lpd=false", "--enable-peer-exchange=false"])
                    .args([
                        "--interface=127.0.0.1",
                        "--disable-ipv6=true",
                        "--file-allocation=none",
                    ])
                    .args([
                        "--console-log-level=warn",
                        "--summary-interval=0",
                        "--bt-tracker-interval=1",
                    ])
                    .arg(format!("--listen-port={}", free_port()))
                    .arg("-d")
                    .arg(folder)
                    .args(more)
                    .arg(&torrent);
                command.stdout(Stdio::null());
                command
            };
            let _seed = if aria2_seeds {
                let seeding = ["--seed-ratio=0", "--check-integrity=true"];
                Process::start(&mut aria2(&full, &seeding))
            } else {
                Process::start(&mut libtorrent(&full, "seed"))
            };
            wait_for_seeder(address, &torrent);
            let output = if aria2_seeds {
                run(&mut libtorrent(&empty, "get"))
            } else {
                run(&mut aria2(&empty, &["--seed-time=0"]))
            };
            assert!(
                output.status.success(),
                "{scheme} {aria2_seeds}: {output:?}"
            );
            let got = fs::read(empty.join(&name)).expect("a file");
            assert!(got == content(), "{scheme} {aria2_seeds}");
        }
    }
}

/// Scrapes the tracker until it knows a seed.
fn wait_for_seeder(tracker: SocketAddr, torrent: &Path) {
    let torrent = fs::read(torrent).expect("a file");
    let torrent = Metainfo::parse(torrent, &metainfo::Limits::default()).expect("a torrent");
    block_on(async {
        let socket = tokio::net::UdpSocket::bind("127.0.0.1:0")
            .await
            .expect("a socket");
        let machine = udp::Client::new(Duration::ZERO, Limits::default(), [9; 32]);
        let mut driver = Datagram::new(machine, socket);
        for _ in 0..400 {
            driver
                .machine_mut()
                .scrape(tracker, &[torrent.swarm_hash()])
                .expect("a query");
            if let udp::ClientEvent::Scraped { counts, .. } = driver.next().await
                && counts[0].seeders > 0
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("no seed came to the tracker");
    });
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(future)
}

/// The part for browsers wants a native module, which nothing here has a use for.
const NPM: &str = r"
import { register } from 'node:module';
register('data:text/javascript,' + encodeURIComponent(`
  const none = 'export const RTCPeerConnection = null, RTCIceCandidate = null, RTCSessionDescription = null;';
  export const resolve = (name, context, next) => name === 'webrtc-polyfill'
    ? { url: 'data:text/javascript,' + none, shortCircuit: true } : next(name, context);
`));
const { default: Client } = await import(process.argv[2]);
const infoHash = 'a'.repeat(40);
const make = (letter, port, left) => new Client({
  infoHash, peerId: Buffer.from(letter.repeat(20)), announce: [process.argv[3]], port,
  getAnnounceOpts: () => ({ left, uploaded: 0, downloaded: 0 }),
});
const fail = error => { console.error(error); process.exit(1); };
const seed = make('s', 7001, 0);
seed.on('error', fail); seed.on('warning', fail);
seed.start();
seed.once('update', () => {
  const leech = make('l', 7002, 5);
  leech.on('error', fail); leech.on('warning', fail);
  leech.start();
  leech.once('peer', peer => {
    leech.once('scrape', data => {
      console.log(peer, data.complete, data.incomplete);
      process.exit(0);
    });
    leech.scrape();
  });
});
setTimeout(() => fail('nothing came'), 20000);
";

#[test]
fn the_tracker_client_of_npm_is_served() {
    let module = "node/node_modules/bittorrent-tracker/client.js";
    let (Some(node), Some(module)) = (find("node"), find_peer(module)) else {
        skip!("bittorrent-tracker of npm");
    };
    let folder = tempfile::tempdir().expect("a folder");
    let script = folder.path().join("ask.mjs");
    fs::write(&script, NPM).expect("a file");
    for scheme in ["http", "udp"] {
        let (_tracker, address) = tracker();
        let mut command = Command::new(&node);
        command
            .arg(&script)
            .arg(&module)
            .arg(format!("{scheme}://{address}/announce"));
        assert_eq!(run_ok(&mut command), "127.0.0.1:7001 1 1\n", "{scheme}");
    }
}

/// Starts opentracker for these torrents.
fn opentracker(program: &Path, folder: &Path, hashes: &[Sha1Hash]) -> (Process, SocketAddr) {
    // Debian's serves listed torrents alone, and reads the list in the folder that it locks itself
    // into.
    let list: String = hashes.iter().map(|hash| format!("{hash}\n")).collect();
    fs::write(folder.join("wl.txt"), list).expect("a file");
    let port = free_port();
    let address: SocketAddr = ([127, 0, 0, 1], port).into();
    let port = port.to_string();
    let mut command = Command::new(program);
    command.args(["-i", "127.0.0.1", "-p", &port, "-P", &port]);
    command.args(["-u", "nobody", "-w", "/wl.txt", "-d"]);
    let mut server = Process::start(command.arg(folder).stdout(Stdio::null()));
    wait_for(&mut server, address);
    // It listens before it has read its list.
    let mut early = Announce::new(hashes[0], PeerId([b'e'; 20]), 7000);
    early.event = AnnounceEvent::Started;
    let begin = Instant::now();
    while let http::ClientEvent::Refused { reason, .. } = block_on(ask_over_http(address, &early)) {
        assert!(begin.elapsed() < Duration::from_secs(20), "{reason}");
        std::thread::sleep(Duration::from_millis(20));
    }
    early.event = AnnounceEvent::Stopped;
    block_on(ask_over_http(address, &early));
    (server, address)
}

#[test]
fn our_clients_ask_opentracker() {
    let Some(program) = find("opentracker") else {
        skip!("opentracker");
    };
    let folder = tempfile::tempdir().expect("a folder");
    let hash = Sha1Hash([0xab; 20]);
    let (_server, address) = opentracker(&program, folder.path(), &[hash]);

    let mut announce = Announce::new(hash, PeerId([b's'; 20]), 7001);
    announce.left = 0;
    block_on(async {
        let answer = ask_over_http(address, &announce).await;
        let http::ClientEvent::Announced(answer) = answer else {
            panic!("{answer:?}")
        };
        assert_eq!(answer.seeders, Some(1));
        assert!(answer.interval > Duration::from_secs(60));
        let mut unknown = announce.clone();
        unknown.info_hash = Sha1Hash([1; 20]);
        let refused = ask_over_http(address, &unknown).await;
        assert!(
            matches!(refused, http::ClientEvent::Refused { .. }),
            "{refused:?}"
        );
        let url = format!("http://{address}/announce")
            .parse()
            .expect("an address");
        let scrape = http::Client::scrape(Duration::ZERO, Limits::default(), &url, &[hash]);
        let counts = exchange(address, scrape.expect("an address to scrape at")).await;
        let http::ClientEvent::Scraped(counts) = counts else {
            panic!("{counts:?}")
        };
        assert_eq!((counts[0].0, counts[0].1.seeders), (hash, 1));

        let socket = tokio::net::UdpSocket::bind("127.0.0.1:0")
            .await
            .expect("a socket");
        let machine = udp::Client::new(Duration::ZERO, Limits::default(), [9; 32]);
        let mut driver = Datagram::new(machine, socket);
        let mut leech = Announce::new(hash, PeerId([b'l'; 20]), 7002);
        leech.event = AnnounceEvent::Started;
        driver
            .machine_mut()
            .announce(address, leech, "/announce")
            .expect("a query");
        let answer = driver.next().await;
        let udp::ClientEvent::Announced { response, .. } = answer else {
            panic!("{answer:?}")
        };
        assert!(
            response.peers.contains(&([127, 0, 0, 1], 7001).into()),
            "{response:?}"
        );
        driver
            .machine_mut()
            .scrape(address, &[hash])
            .expect("a query");
        let answer = driver.next().await;
        let udp::ClientEvent::Scraped { counts, .. } = answer else {
            panic!("{answer:?}")
        };
        assert_eq!((counts[0].seeders, counts[0].leechers), (1, 1));
        // Its answer for a torrent that it does not know has no body: an error, not a panic.
        driver
            .machine_mut()
            .announce(address, unknown, "")
            .expect("a query");
        let answer = driver.next().await;
        let reason = udp::Failure::Malformed;
        assert!(matches!(answer, udp::ClientEvent::Failed { reason: of, .. } if of == reason));
    });
}

async fn ask_over_http(address: SocketAddr, announce: &Announce) -> http::ClientEvent {
    let url = format!("http://{address}/announce")
        .parse()
        .expect("an address");
    let machine = http::Client::announce(Duration::ZERO, Limits::default(), &url, announce, None);
    exchange(address, machine).await
}

async fn exchange(address: SocketAddr, machine: http::Client) -> http::ClientEvent {
    let socket = tokio::net::TcpStream::connect(address)
        .await
        .expect("a connection");
    let mut driver = Stream::new(machine, socket);
    driver.next().await.expect("no error").expect("an event")
}

/// Torrents and ports of the announces of [`load`].
const LOAD_TORRENTS: u32 = 200;
const LOAD_PORTS: u32 = 16;

fn load_torrent(number: u32) -> Sha1Hash {
    Sha1Hash::of(&(number % LOAD_TORRENTS).to_be_bytes())
}

/// So many announces from one socket, 64 of them under way at a time; gives how many a second were
/// answered.
fn load(tracker: SocketAddr, count: u32) -> f64 {
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("a socket");
    socket.connect(tracker).expect("an address");
    let patience = Some(Duration::from_secs(10));
    socket.set_read_timeout(patience).expect("a timeout");
    let (mut request, mut reply) = (Vec::new(), [0; 2048]);
    udp::Request::Connect(udp::Connect { transaction: 1 }).encode(&mut request);
    socket.send(&request).expect("a datagram");
    let len = socket.recv(&mut reply).expect("an answer");
    let Ok(udp::Response::Connect { connection, .. }) =
        udp::Response::parse(&reply[..len], false, 0)
    else {
        panic!("no connection id")
    };
    let begin = Instant::now();
    let (mut sent, mut answered) = (0, 0);
    while answered < count {
        while sent < count && sent - answered < 64 {
            let port = 7000 + sent / LOAD_TORRENTS % LOAD_PORTS;
            let port = u16::try_from(port).expect("a port");
            let mut announce = Announce::new(load_torrent(sent), PeerId([b'p'; 20]), port);
            announce.event = AnnounceEvent::None;
            request.clear();
            udp::Request::Announce {
                connection,
                transaction: sent,
                announce,
                url_data: Vec::new(),
            }
            .encode(&mut request);
            socket.send(&request).expect("a datagram");
            sent += 1;
        }
        let len = socket.recv(&mut reply).expect("an answer");
        match udp::Response::parse(&reply[..len], false, 1000) {
            Ok(udp::Response::Announce { leechers, .. }) if leechers > 0 => answered += 1,
            other => panic!("{other:?}"),
        }
    }
    f64::from(count) / begin.elapsed().as_secs_f64()
}

/// Under `--release -- --nocapture` this is a measurement.
#[test]
fn every_announce_under_load_is_answered() {
    let count = if cfg!(debug_assertions) {
        5000
    } else {
        100_000
    };
    let (_ours, ours) = tracker();
    let hashes: Vec<_> = (0..LOAD_TORRENTS).map(load_torrent).collect();
    let folder = tempfile::tempdir().expect("a folder");
    let program = find("opentracker");
    let theirs = program.map(|program| opentracker(&program, folder.path(), &hashes));
    for round in 0..3 {
        let speed = load(ours, count);
        println!("round {round}: bt-tracker {speed:.0} announces a second");
        if let Some((_, theirs)) = &theirs {
            let speed = load(*theirs, count);
            println!("round {round}: opentracker {speed:.0} announces a second");
        }
    }
}

#[test]
fn unknown_flags_and_bad_values_end_with_status_2() {
    let programs = [
        (
            env!("CARGO_BIN_EXE_bt-tracker"),
            vec!["--listen", "nowhere"],
        ),
        (
            env!("CARGO_BIN_EXE_bt-create"),
            vec!["--v1", "--v2", "-o", "x", "y"],
        ),
        (env!("CARGO_BIN_EXE_bt-show"), vec![]),
    ];
    for (program, arguments) in programs {
        let output = run(Command::new(program).args(arguments));
        assert_eq!(output.status.code(), Some(2), "{program}");
        assert!(!output.stderr.is_empty(), "{program}");
        assert!(run_ok(Command::new(program).arg("--help")).contains("Usage"));
    }
}
