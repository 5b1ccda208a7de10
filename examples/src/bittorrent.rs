//! What the BitTorrent programs share: making torrents of files, and a tracker over HTTP and UDP.

use crate::app::{DatagramApp, StreamApp};
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use netio::driver::Stream;
use proto_bittorrent::Limits;
use proto_bittorrent::metainfo::{Draft, DraftError, Versions};
use proto_bittorrent::tracker::{Store, StoreLimits, http, udp};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::future::Future;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use tokio::net::{TcpListener, UdpSocket};

/// Connections of peers at a time.
const MAX_CONNECTIONS: usize = 1024;

/// Why no torrent was made of a path.
#[derive(Debug)]
pub enum CreateError {
    /// A file could not be read.
    Io(PathBuf, io::Error),
    /// The torrent cannot be made so.
    Draft(DraftError),
    /// A name that is not UTF-8.
    Name(PathBuf),
}

impl core::fmt::Display for CreateError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Io(path, error) => write!(f, "{}: {error}", path.display()),
            Self::Draft(error) => error.fmt(f),
            Self::Name(path) => write!(f, "{}: the name is not UTF-8", path.display()),
        }
    }
}

impl core::error::Error for CreateError {}

impl From<DraftError> for CreateError {
    fn from(error: DraftError) -> Self {
        Self::Draft(error)
    }
}

/// The files of a torrent, found but not read.
#[derive(Debug)]
pub struct Content {
    name: String,
    /// By their path in the torrent, which is the order of a torrent. One empty path for one file.
    files: BTreeMap<Vec<String>, (PathBuf, u64)>,
}

impl Content {
    /// Finds a file, or all files below a folder. Links and devices are passed over.
    ///
    /// # Errors
    ///
    /// [`CreateError`].
    pub fn find(path: &Path) -> Result<Self, CreateError> {
        let failed = |error| CreateError::Io(path.to_owned(), error);
        // "." and ".." have no name of their own.
        let whole = path.canonicalize().map_err(failed)?;
        let name = whole.file_name().and_then(|name| name.to_str());
        let name = name
            .ok_or_else(|| CreateError::Name(path.to_owned()))?
            .to_owned();
        let mut files = BTreeMap::new();
        let kind = fs::metadata(&whole).map_err(failed)?;
        if kind.is_file() {
            files.insert(Vec::new(), (whole, kind.len()));
            return Ok(Self { name, files });
        }
        let mut folders = vec![(whole, Vec::new())];
        while let Some((folder, components)) = folders.pop() {
            let failed = |error| CreateError::Io(folder.clone(), error);
            for entry in fs::read_dir(&folder).map_err(failed)? {
                let entry = entry.map_err(failed)?;
                let kind = entry.file_type().map_err(failed)?;
                let mut components = components.clone();
                let name = entry.file_name().into_string();
                components.push(name.map_err(|_| CreateError::Name(entry.path()))?);
                if kind.is_dir() {
                    folders.push((entry.path(), components));
                } else if kind.is_file() {
                    let len = entry.metadata().map_err(failed)?.len();
                    files.insert(components, (entry.path(), len));
                }
            }
        }
        Ok(Self { name, files })
    }

    /// Octets of all files.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.files.values().map(|(_, len)| len).sum()
    }

    /// Whether there is nothing to share.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reads and hashes the files; `progress` is told of each piece of octets.
    ///
    /// # Errors
    ///
    /// [`CreateError`].
    pub fn draft(
        &self,
        piece_len: Option<u32>,
        versions: Versions,
        mut progress: impl FnMut(u64),
    ) -> Result<Draft, CreateError> {
        let piece_len = piece_len.unwrap_or_else(|| Draft::suggested_piece_len(self.len()));
        let mut draft = Draft::new(&self.name, piece_len, versions)?;
        let mut buffer = vec![0; 256 * 1024];
        for (components, (path, len)) in &self.files {
            let failed = |error| CreateError::Io(path.clone(), error);
            let components: Vec<&str> = components.iter().map(String::as_str).collect();
            let mut file = draft.file(&components, *len)?;
            let mut source = File::open(path).map_err(failed)?;
            loop {
                let count = source.read(&mut buffer).map_err(failed)?;
                if count == 0 {
                    break;
                }
                file.update(&buffer[..count]);
                progress(count as u64);
            }
            file.finish()?;
        }
        Ok(draft)
    }
}

/// A store of peers that several sockets share, and its time.
#[derive(Clone, Debug)]
pub struct Tracker {
    store: Arc<Mutex<Store>>,
    epoch: Instant,
}

impl Tracker {
    /// A tracker of any torrent.
    #[must_use]
    pub fn new(limits: StoreLimits, seed: [u8; 32]) -> Self {
        Self {
            store: Arc::new(Mutex::new(Store::new(limits, seed))),
            epoch: Instant::now(),
        }
    }

    /// Does something with the store at the store's own time.
    pub fn with<T>(&self, act: impl FnOnce(&mut Store, Duration) -> T) -> T {
        // Whoever panicked with the lock has left the store whole: it is changed last.
        let mut store = self.store.lock().unwrap_or_else(PoisonError::into_inner);
        act(&mut store, self.epoch.elapsed())
    }

    /// Serves HTTP and UDP until `shutdown` is ready.
    pub async fn serve(
        self,
        listener: TcpListener,
        socket: UdpSocket,
        seed: [u8; 32],
        shutdown: impl Future<Output = ()>,
    ) {
        let limits = Arc::new(Limits::default());
        let machine = udp::Server::new(Duration::ZERO, Arc::clone(&limits), seed);
        let datagrams = crate::serve::datagrams(socket, machine, UdpTracker(self.clone()));
        let tracker = self.clone();
        let numbers = AtomicU64::new(0);
        let streams = crate::serve::streams(
            listener,
            MAX_CONNECTIONS,
            move |socket| {
                let ip = socket
                    .peer_addr()
                    .map_or(IpAddr::from([0, 0, 0, 0]), |peer| peer.ip());
                let number = numbers.fetch_add(1, Ordering::Relaxed);
                let machine = http::Server::new(Duration::ZERO, Arc::clone(&limits), number);
                let tracker = tracker.clone();
                (Stream::new(machine, socket), HttpTracker { tracker, ip })
            },
            shutdown,
        );
        tokio::select! {
            () = datagrams => {}
            () = streams => {}
            () = self.sweep() => {}
        }
    }

    /// Forgets peers that are gone.
    async fn sweep(&self) {
        let mut second = tokio::time::interval(Duration::from_secs(1));
        loop {
            second.tick().await;
            self.with(|store, now| {
                let share = store.peers() / 100 + 100;
                store.sweep(now, share);
            });
        }
    }
}

/// A tracker over UDP.
#[derive(Clone, Debug)]
struct UdpTracker(Tracker);

impl DatagramApp for UdpTracker {
    type Machine = udp::Server;

    fn on_event(&mut self, _: Duration, machine: &mut udp::Server, event: udp::ServerEvent) {
        // A question that is not open any more has expired: the client asks again.
        let _ = self.0.with(|store, now| machine.serve(store, now, event));
    }
}

/// One connection of a tracker over HTTP.
#[derive(Clone, Debug)]
struct HttpTracker {
    tracker: Tracker,
    ip: IpAddr,
}

impl StreamApp for HttpTracker {
    type Machine = http::Server;

    fn on_event(&mut self, _: Duration, machine: &mut http::Server, event: http::ServerEvent) {
        if event == http::ServerEvent::PeerClosed {
            return machine.close();
        }
        let ip = self.ip;
        let _ = self
            .tracker
            .with(|store, now| machine.serve(store, now, ip, event));
    }
}

/// Binds the same port for TCP and UDP; port 0 takes one that is free for both.
///
/// # Errors
///
/// When there is none.
pub async fn bind(address: SocketAddr) -> io::Result<(TcpListener, UdpSocket)> {
    let mut tries = 0;
    loop {
        let listener = TcpListener::bind(address).await?;
        match UdpSocket::bind(listener.local_addr()?).await {
            Ok(socket) => return Ok((listener, socket)),
            // A port that is free for TCP may be taken for UDP.
            Err(_) if address.port() == 0 && tries < 100 => tries += 1,
            Err(error) => return Err(error),
        }
    }
}
