//! A DNS server as a whole: zone files, UDP and TCP, updates, transfers, notifications, and copies
//! of zones of others.

use crate::app::StreamApp;
use crate::dns_state::State;
use crate::serve;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use netio::driver::{self, Clock, Responder, Stream};
use netio::tls;
use proto_dns::client::secondary;
use proto_dns::datagram::Transmit;
use proto_dns::server::nameserver::{Event, Response};
use proto_dns::server::{self, Nameserver, Transfer, Zone, ZoneBuilder};
use proto_dns::tsig::Key;
use proto_dns::wire::{Header, Name, Opcode};
use proto_dns::zonefile::{Entry, Parser};
use proto_dns::{Limits, Transport, UnixTime, UsageError, client};
use std::error::Error;
use std::fs;
use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{SystemTime, UNIX_EPOCH};
use tls::tokio_rustls::rustls::pki_types::ServerName;
use tls::tokio_rustls::rustls::{ClientConfig, ServerConfig};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;

/// Connections served at once.
const MAX_CONNECTIONS: usize = 1024;
/// Zone files within zone files.
const MAX_DEPTH: usize = 16;

/// Reads a zone file, and those that it includes; their names are relative to its folder.
///
/// # Errors
///
/// What is wrong, with file and line.
pub fn read_zone(origin: &Name, file: &Path) -> Result<Zone, Box<dyn Error>> {
    let mut builder = Zone::builder(origin.clone());
    let text = fs::read(file).map_err(|error| format!("{}: {error}", file.display()))?;
    add_file(
        &mut builder,
        &mut Parser::new(&text, origin.clone()),
        file,
        0,
    )?;
    let zone = builder.build();
    Ok(zone.map_err(|error| format!("{}: {error}", file.display()))?)
}

fn add_file(
    builder: &mut ZoneBuilder,
    parser: &mut Parser<'_>,
    file: &Path,
    depth: usize,
) -> Result<(), Box<dyn Error>> {
    let at = |error: &dyn Error| format!("{}: {error}", file.display());
    loop {
        match parser.next().map_err(|error| at(&error))? {
            None => return Ok(()),
            Some(Entry::Record(record)) => {
                let added = builder.add_wire(record.owner, record.ttl, record.rtype, record.rdata);
                added.map_err(|fault| at(&parser.zone_error(fault)))?;
            }
            Some(Entry::Include { file: name, origin }) => {
                if depth >= MAX_DEPTH {
                    return Err(format!("{}: too many files within files", file.display()).into());
                }
                let name = String::from_utf8(name)?;
                let path = file.parent().unwrap_or(Path::new(".")).join(name);
                let text = fs::read(&path).map_err(|e| format!("{}: {e}", path.display()))?;
                let mut inner = parser.included(&text, origin);
                add_file(builder, &mut inner, &path, depth.saturating_add(1))?;
            }
            Some(_) => return Err(format!("{}: an unknown entry", file.display()).into()),
        }
    }
}

/// What a notification says: from whom, and which serial number.
type Told = (IpAddr, Option<u32>);

/// A zone that is a copy.
#[derive(Clone, Debug)]
pub struct Copy {
    /// Its origin.
    pub origin: Name,
    /// Where it comes from.
    pub primary: SocketAddr,
    /// What transfers are signed with.
    pub key: Option<Key>,
    /// Whom to trust, where transfers go over TLS (RFC 9103).
    pub tls: Option<Arc<ClientConfig>>,
}

/// The name server, and what its parts share.
#[derive(Debug)]
pub struct Shared {
    nameserver: RwLock<Nameserver>,
    clock: Clock,
    /// Where new versions of zones are kept, if they are.
    state: Option<State>,
    /// Events that were taken out of the name server on the way.
    passed: Mutex<Vec<Event>>,
    /// Something is to be sent, or a timer has changed.
    stirred: Notify,
}

impl Shared {
    /// Shares a name server that was made at time zero, and keeps its zones as they change.
    #[must_use]
    pub fn new(mut nameserver: Nameserver, state: Option<State>) -> Arc<Self> {
        let clock = Clock::new();
        nameserver.handle_clock(clock.now(), unix());
        Arc::new(Self {
            nameserver: RwLock::new(nameserver),
            clock,
            state,
            passed: Mutex::new(Vec::new()),
            stirred: Notify::new(),
        })
    }

    /// The name server, to look at and to ask.
    pub fn read(&self) -> RwLockReadGuard<'_, Nameserver> {
        self.nameserver
            .read()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Nameserver> {
        self.nameserver
            .write()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn respond(&self, query: &[u8], from: SocketAddr, over: Transport) -> Response {
        let is_update =
            Header::peek(query).is_ok_and(|header| header.flags.opcode() == Opcode::UPDATE);
        let response = match &self.state {
            Some(state) if is_update => self.update(state, query, from, over),
            _ => self.write().respond(self.clock.now(), query, from, over),
        };
        self.stirred.notify_one();
        response
    }

    /// RFC 2136 section 3.5: an update is in stable storage before it is answered. One that cannot
    /// be kept is undone and not answered, so that the client asks again.
    fn update(&self, state: &State, query: &[u8], from: SocketAddr, over: Transport) -> Response {
        let now = self.clock.now();
        let mut nameserver = self.write();
        let before: Vec<_> = nameserver.authority().zones().map(Arc::clone).collect();
        let response = nameserver.respond(now, query, from, over);
        let mut events = Vec::new();
        while let Some(event) = nameserver.poll_event() {
            if let Event::Updated { zone, .. } = &event
                && let Err(error) = state.save(zone)
            {
                eprintln!("{}: {error}: an update is undone", zone.origin());
                let old = before.iter().find(|old| old.origin() == zone.origin());
                if let Some(old) = old {
                    nameserver.replace_zone(now, Arc::clone(old));
                }
                return Response::None;
            }
            events.push(event);
        }
        drop(nameserver);
        self.passed().append(&mut events);
        response
    }

    fn passed(&self) -> MutexGuard<'_, Vec<Event>> {
        self.passed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a version of a copy. Without it, the zone is transferred again after a restart.
    fn keep(&self, zone: &Zone) {
        if let Some(state) = &self.state
            && let Err(error) = state.save(zone)
        {
            eprintln!("{}: {error}", zone.origin());
        }
    }
}

fn unix() -> UnixTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default().into()
}

/// Sockets of the same port.
#[derive(Debug)]
pub struct Sockets {
    /// Datagrams.
    pub udp: Arc<UdpSocket>,
    /// Connections.
    pub tcp: TcpListener,
}

impl Sockets {
    /// Binds UDP and TCP; port 0 takes one that is free for both.
    ///
    /// # Errors
    ///
    /// The system's.
    pub async fn bind(address: SocketAddr) -> io::Result<Self> {
        let mut tries = 0;
        loop {
            let tcp = TcpListener::bind(address).await?;
            match UdpSocket::bind(tcp.local_addr()?).await {
                Ok(udp) => {
                    let udp = Arc::new(udp);
                    return Ok(Self { udp, tcp });
                }
                Err(error) if address.port() != 0 || tries > 20 => return Err(error),
                Err(_) => tries += 1,
            }
        }
    }

    /// Where they are bound.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }
}

/// Serves until `shutdown` is ready. `tls` is a listener for DNS over TLS (RFC 7858) and what it
/// shows.
pub async fn run(
    shared: Arc<Shared>,
    sockets: Sockets,
    tls: Option<(TcpListener, Arc<ServerConfig>)>,
    copies: Vec<Copy>,
    verbose: bool,
    shutdown: impl Future<Output = ()>,
) {
    let mut tasks = JoinSet::new();
    tasks.spawn(datagrams(Arc::clone(&shared), Arc::clone(&sockets.udp)));
    tasks.spawn(streams(Arc::clone(&shared), sockets.tcp, None, verbose));
    if let Some((listener, config)) = tls {
        tasks.spawn(streams(
            Arc::clone(&shared),
            listener,
            Some(config),
            verbose,
        ));
    }
    let mut told = Vec::new();
    for copy in copies {
        let (tell, hears) = mpsc::channel(16);
        told.push((copy.origin.clone(), tell));
        tasks.spawn(secondary(Arc::clone(&shared), copy, hears, verbose));
    }
    tasks.spawn(own_work(shared, sockets.udp, told, verbose));
    shutdown.await;
}

async fn datagrams(shared: Arc<Shared>, socket: Arc<UdpSocket>) {
    let mut responder = Responder::new(socket);
    let answer = |from: SocketAddr, query: &[u8], out: &mut [u8]| {
        if let Some(reply) = shared.read().answer(query, Transport::Udp, out) {
            return reply.len();
        }
        match shared.respond(query, from, Transport::Udp) {
            Response::Message(message) => match out.get_mut(..message.len()) {
                Some(place) => {
                    place.copy_from_slice(&message);
                    message.len()
                }
                None => 0,
            },
            _ => 0,
        }
    };
    responder.run(answer).await;
}

async fn streams(
    shared: Arc<Shared>,
    listener: TcpListener,
    tls: Option<Arc<ServerConfig>>,
    verbose: bool,
) {
    let limits = Arc::new(Limits::default());
    let app = move |peer| Connection {
        shared: Arc::clone(&shared),
        peer,
        verbose,
        transfers: Vec::new(),
    };
    let machine = move || server::Stream::new(Duration::ZERO, Arc::clone(&limits));
    let peer = |socket: &TcpStream| {
        let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
        socket.peer_addr().unwrap_or(nowhere)
    };
    let forever = std::future::pending();
    match tls {
        None => {
            let make = move |socket: TcpStream| {
                let _ = socket.set_nodelay(true);
                let peer = peer(&socket);
                (Stream::new(machine(), socket), app(peer))
            };
            serve::streams(listener, MAX_CONNECTIONS, make, forever).await;
        }
        Some(config) => {
            let make = move |socket: TcpStream| {
                let peer = peer(&socket);
                let io = tls::Stream::server(socket, Arc::clone(&config));
                (Stream::implicit_tls(machine(), io), app(peer))
            };
            serve::streams(listener, MAX_CONNECTIONS, make, forever).await;
        }
    }
}

/// One connection, and the transfers under way on it.
#[derive(Debug)]
struct Connection {
    shared: Arc<Shared>,
    peer: SocketAddr,
    verbose: bool,
    transfers: Vec<(server::stream::Ask, Transfer)>,
}

impl StreamApp for Connection {
    type Machine = server::Stream;

    fn on_event(
        &mut self,
        _: Duration,
        machine: &mut server::Stream,
        event: server::stream::Event,
    ) {
        match event {
            server::stream::Event::Query { ask, message } => {
                match self.shared.respond(&message, self.peer, Transport::Tcp) {
                    Response::Message(reply) => {
                        let _ = machine.answer(ask, reply);
                    }
                    Response::Transfer(transfer) => {
                        if self.verbose {
                            say_transfer(&transfer, self.peer);
                        }
                        self.transfers.push((ask, transfer));
                        self.pump(machine);
                    }
                    _ => {
                        let _ = machine.discard(ask);
                    }
                }
            }
            server::stream::Event::Writable => self.pump(machine),
            server::stream::Event::PeerClosed => machine.close(),
            _ => {}
        }
    }
}

impl Connection {
    /// Gives the machine as many messages as it takes.
    fn pump(&mut self, machine: &mut server::Stream) {
        while let Some((ask, transfer)) = self.transfers.first_mut() {
            let room = machine.can_send();
            transfer.handle_clock(unix());
            let refused = room.then(|| transfer.next_message());
            let over = match refused {
                // Asking says that we wait for room.
                None => match machine.answer_part(ask, bytes::Bytes::new()) {
                    Err(UsageError::OutputFull) => return,
                    _ => true,
                },
                Some(None) => true,
                Some(Some(message)) => machine.answer_part(ask, message).is_err(),
            };
            if over {
                let (ask, _) = self.transfers.remove(0);
                let _ = machine.discard(ask);
            }
        }
    }
}

/// Notifications, and what the name server has to say.
async fn own_work(
    shared: Arc<Shared>,
    socket: Arc<UdpSocket>,
    told: Vec<(Name, mpsc::Sender<Told>)>,
    verbose: bool,
) {
    loop {
        let now = shared.clock.now();
        let (mut datagrams, mut events, deadline) = {
            let mut nameserver = shared.write();
            nameserver.handle_clock(now, unix());
            nameserver.handle_timeout(now);
            let (mut datagrams, mut events) = (Vec::new(), std::mem::take(&mut *shared.passed()));
            while let Some(step) = nameserver.poll_transmit(now) {
                datagrams.push(step);
            }
            while let Some(event) = nameserver.poll_event() {
                events.push(event);
            }
            (datagrams, events, nameserver.poll_timeout())
        };
        for step in datagrams.drain(..) {
            if let Transmit::Datagram { to, payload, .. } = step {
                let _ = socket.send_to(&payload, to).await;
            }
        }
        for event in events.drain(..) {
            if verbose {
                say(&event);
            }
            if let Event::Notified {
                origin,
                from,
                serial,
            } = event
            {
                for (_, tell) in told.iter().filter(|(known, _)| *known == origin) {
                    // One that waits already stands for this one too.
                    let _ = tell.try_send((from.ip(), serial));
                }
            }
        }
        let wait = deadline.map_or(Duration::from_secs(60), |at| at.saturating_sub(now));
        let _ = tokio::time::timeout(wait, shared.stirred.notified()).await;
    }
}

fn say_transfer(transfer: &Transfer, to: SocketAddr) {
    let how = if transfer.is_incremental() {
        "changes"
    } else {
        "whole"
    };
    let zone = transfer.zone();
    eprintln!("{}: serial {} to {to}, {how}", zone.origin(), zone.serial());
}

fn say(event: &Event) {
    match event {
        Event::Updated { zone, from } => {
            eprintln!("{}: serial {} by {from}", zone.origin(), zone.serial());
        }
        Event::Notified {
            origin,
            from,
            serial,
        } => eprintln!("{origin}: notified by {from}, serial {serial:?}"),
        Event::NotifyEnded {
            origin,
            to,
            answered,
        } => eprintln!("{origin}: {to} was notified, answer: {answered}"),
        _ => {}
    }
}

/// Keeps one copy of a zone.
async fn secondary(
    shared: Arc<Shared>,
    copy: Copy,
    mut hears: mpsc::Receiver<Told>,
    verbose: bool,
) {
    let (limits, clock) = (Limits::default(), shared.clock);
    let mut machine = client::Secondary::new(
        clock.now(),
        copy.origin.clone(),
        [copy.primary],
        copy.key,
        limits.clone(),
        crate::cli::seed(),
    );
    let kept = shared.read().authority().zone(&copy.origin).cloned();
    if let Some(zone) = kept {
        machine = machine.with_zone(zone);
    }
    let mut driver = driver::Secondary::new(machine, clock, limits);
    if let Some(config) = copy.tls {
        driver = driver.over_tls(config, ServerName::from(copy.primary.ip()));
    }
    loop {
        let now = driver.now();
        driver.machine_mut().handle_clock(now, unix());
        tokio::select! {
            event = driver.next() => match event {
                secondary::Event::Updated { zone, from, incremental, .. } => {
                    if verbose {
                        let how = if incremental { "changes" } else { "whole" };
                        let serial = zone.serial();
                        eprintln!("{}: serial {serial} from {from}, {how}", copy.origin);
                    }
                    shared.keep(&zone);
                    shared.write().replace_zone(clock.now(), zone);
                    shared.stirred.notify_one();
                }
                secondary::Event::Expired => {
                    eprintln!("{}: expired", copy.origin);
                    if let Some(state) = &shared.state {
                        state.forget(&copy.origin);
                    }
                    shared.write().remove_zone(&copy.origin);
                }
                secondary::Event::Failed { primary, error } => {
                    eprintln!("{}: {primary}: {error}", copy.origin);
                }
                _ => {}
            },
            Some((from, serial)) = hears.recv() => {
                driver.notify(from, serial);
            }
        }
    }
}

/// A path of a zone file that was given as `ORIGIN=FILE`.
///
/// # Errors
///
/// What is wrong with it.
pub fn split_zone(text: &str) -> Result<(Name, PathBuf), String> {
    let (origin, file) = text.split_once('=').ok_or("ORIGIN=FILE is wanted")?;
    let origin = origin
        .parse()
        .map_err(|error| format!("{origin}: {error}"))?;
    Ok((origin, file.into()))
}
