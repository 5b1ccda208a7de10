//! Data connections by their ids: listening, connecting, securing, transferring.

use super::copy::{Broken, Io, Job, Marks, Payload};
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;
#[cfg(feature = "tls")]
use proto_ftp::TlsInfo;
use proto_ftp::data::Format;
use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Where passive ports are looked for when none are given (RFC 6335 section 6). The system would
/// look through all that it has, which takes milliseconds once thousands are in TIME-WAIT.
const DYNAMIC_PORTS: core::ops::RangeInclusive<u16> = 49_152..=65_535;
/// How many of them are tried before the system may look.
const TRIES: u16 = 64;

type Pending<T> = Pin<Box<dyn Future<Output = io::Result<T>> + Send>>;

/// What a slot reports.
#[derive(Debug)]
pub(super) enum Fact {
    Listening(SocketAddr),
    Connected(SocketAddr),
    #[cfg(feature = "tls")]
    Secured(TlsInfo),
    Failed,
    Progress(u64),
    /// So many more octets were moved.
    Pumped(u64),
    /// A restart marker, and the octets of the file before it.
    Marker(bytes::Bytes, u64),
    Transferred(Result<u64, Broken>),
}

enum Slot {
    /// To be said in the next poll.
    Say(Option<Fact>, Option<TcpListener>),
    Listening(TcpListener),
    Connecting(Pending<TcpStream>),
    /// One connection; the listener stays until the connection is known to be wanted.
    Connected(TcpStream, Option<TcpListener>),
    #[cfg(feature = "tls")]
    Securing(Pending<(crate::tls::tokio_rustls::TlsStream<TcpStream>, TlsInfo)>),
    #[cfg(feature = "tls")]
    Secured(Box<crate::tls::tokio_rustls::TlsStream<TcpStream>>),
    Running {
        task: JoinHandle<Result<u64, Broken>>,
        counter: Arc<AtomicU64>,
        marks: Marks,
        told: u64,
        is_pumped: bool,
        socket: Option<Arc<socket::Handle>>,
    },
}

/// A second handle of a socket that a blocking task reads or writes: to interrupt it.
mod socket {
    #[derive(Debug)]
    pub(super) struct Handle(std::net::TcpStream);

    impl Handle {
        #[cfg(unix)]
        pub(super) fn of(socket: &tokio::net::TcpStream) -> Option<Self> {
            let fd = rustix::io::fcntl_dupfd_cloexec(socket, 0).ok()?;
            Some(Self(fd.into()))
        }

        #[cfg(not(unix))]
        pub(super) fn of(_: &tokio::net::TcpStream) -> Option<Self> {
            None
        }

        pub(super) fn abort(&self) {
            let _ = self.0.shutdown(std::net::Shutdown::Both);
        }
    }
}

/// All data connections of a session.
pub(super) struct Slots<Id> {
    slots: BTreeMap<Id, Slot>,
    #[cfg(feature = "tls")]
    role: Option<crate::tls::Role>,
    ports: Option<core::ops::RangeInclusive<u16>>,
    /// Keyed by the system, for ports that nobody can foresee.
    ports_from: RandomState,
    listeners: u64,
    tick: Option<Pin<Box<tokio::time::Sleep>>>,
    stall: Duration,
}

impl<Id: core::fmt::Debug> core::fmt::Debug for Slots<Id> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_list().entries(self.slots.keys()).finish()
    }
}

impl<Id: Ord + Copy> Slots<Id> {
    pub(super) fn new(ports: Option<core::ops::RangeInclusive<u16>>, stall: Duration) -> Self {
        Self {
            slots: BTreeMap::new(),
            #[cfg(feature = "tls")]
            role: None,
            ports,
            ports_from: RandomState::new(),
            listeners: 0,
            tick: None,
            stall,
        }
    }

    #[cfg(feature = "tls")]
    pub(super) fn set_role(&mut self, role: crate::tls::Role) {
        self.role = Some(role);
    }

    pub(super) fn listen(&mut self, id: Id, on: IpAddr) {
        let slot = match self.bind(on) {
            Ok((listener, at)) => Slot::Say(Some(Fact::Listening(at)), Some(listener)),
            Err(_) => Slot::Say(Some(Fact::Failed), None),
        };
        self.slots.insert(id, slot);
    }

    fn bind(&mut self, on: IpAddr) -> io::Result<(TcpListener, SocketAddr)> {
        let (ports, tries) = match self.ports.clone() {
            Some(ports) => (ports, u16::MAX),
            None => (DYNAMIC_PORTS, TRIES),
        };
        let mut result = Err(io::ErrorKind::AddrInUse.into());
        // From a random one on: the next one is not to be guessed (RFC 2577 section 8).
        let last = ports.end().saturating_sub(*ports.start());
        let begin = self.ports_from.hash_one(self.listeners);
        self.listeners = self.listeners.wrapping_add(1);
        for step in 0..=last.min(tries) {
            let offset = begin
                .wrapping_add(step.into())
                .checked_rem(u64::from(last).saturating_add(1))
                .and_then(|offset| u16::try_from(offset).ok())
                .unwrap_or(0);
            result = std::net::TcpListener::bind((on, ports.start().saturating_add(offset)));
            if result.is_ok() {
                break;
            }
        }
        if result.is_err() && self.ports.is_none() {
            result = std::net::TcpListener::bind((on, 0));
        }
        let listener = result?;
        listener.set_nonblocking(true)?;
        let at = listener.local_addr()?;
        Ok((TcpListener::from_std(listener)?, at))
    }

    pub(super) fn connect(&mut self, id: Id, to: SocketAddr, from: Option<SocketAddr>) {
        let connect = async move {
            if let Some(from) = from {
                let attempt = async {
                    let socket = if to.is_ipv4() {
                        tokio::net::TcpSocket::new_v4()?
                    } else {
                        tokio::net::TcpSocket::new_v6()?
                    };
                    socket.set_reuseaddr(true)?;
                    socket.bind(from)?;
                    socket.connect(to).await
                };
                if let Ok(socket) = attempt.await {
                    return Ok(socket);
                }
            }
            TcpStream::connect(to).await
        };
        self.slots.insert(id, Slot::Connecting(Box::pin(connect)));
    }

    pub(super) fn refuse(&mut self, id: Id) {
        if let Some(slot) = self.slots.remove(&id) {
            let slot = match slot {
                Slot::Connected(socket, Some(listener)) => {
                    let _ = socket.set_zero_linger();
                    Slot::Listening(listener)
                }
                slot => slot,
            };
            self.slots.insert(id, slot);
        }
    }

    pub(super) fn close(&mut self, id: Id, reset: bool) {
        match self.slots.remove(&id) {
            Some(Slot::Connected(socket, _)) if reset => {
                let _ = socket.set_zero_linger();
            }
            Some(Slot::Running { task, socket, .. }) => {
                if let Some(socket) = socket {
                    socket.abort();
                }
                task.abort();
            }
            _ => {}
        }
    }

    pub(super) fn secure(&mut self, id: Id) {
        #[cfg(feature = "tls")]
        if let Some(Slot::Connected(socket, _)) = self.slots.remove(&id)
            && let Some(role) = self.role.clone()
        {
            use crate::tls::tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};
            let handshake = async move {
                let tls = match role {
                    crate::tls::Role::Client { config, name } => {
                        TlsStream::Client(TlsConnector::from(config).connect(name, socket).await?)
                    }
                    crate::tls::Role::Server { config } => {
                        TlsStream::Server(TlsAcceptor::from(config).accept(socket).await?)
                    }
                };
                let info = crate::ftp::tls_info(crate::tls::info(&tls));
                Ok((tls, info))
            };
            self.slots.insert(id, Slot::Securing(Box::pin(handshake)));
            return;
        }
        self.slots.insert(id, Slot::Say(Some(Fact::Failed), None));
    }

    pub(super) fn start(&mut self, id: Id, sends: bool, format: Format, payload: Option<Payload>) {
        self.run(id, sends, format, payload, false);
    }

    /// As [`start`](Self::start), for a file of which nothing is changed.
    pub(super) fn pump(&mut self, id: Id, sends: bool, payload: Option<Payload>) {
        self.run(id, sends, Format::IMAGE, payload, true);
    }

    fn run(
        &mut self,
        id: Id,
        sends: bool,
        format: Format,
        payload: Option<Payload>,
        is_pumped: bool,
    ) {
        let mut handle = None;
        let io = match self.slots.remove(&id) {
            Some(Slot::Connected(socket, _)) => {
                handle = socket::Handle::of(&socket).map(Arc::new);
                Some(Io::Plain(socket))
            }
            #[cfg(feature = "tls")]
            Some(Slot::Secured(tls)) => Some(Io::Tls(tls)),
            _ => None,
        };
        let (Some(io), Some(payload)) = (io, payload) else {
            self.slots.insert(id, Slot::Say(Some(Fact::Failed), None));
            return;
        };
        let counter = Arc::new(AtomicU64::new(0));
        let marks = Marks::default();
        let job = Job {
            io,
            format,
            sends,
            payload,
            is_pumped,
            counter: Arc::clone(&counter),
            marks: Arc::clone(&marks),
            stall: self.stall,
        };
        let task = job.spawn();
        let slot = Slot::Running {
            task,
            counter,
            marks,
            told: 0,
            is_pumped,
            socket: handle,
        };
        self.slots.insert(id, slot);
    }

    /// The next fact, from whichever slot.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Option<(Id, Fact)> {
        let is_tick = self.poll_tick(cx);
        let mut found = None;
        for (id, slot) in &mut self.slots {
            if let Some((fact, next)) = poll_slot(slot, cx, is_tick) {
                found = Some((*id, fact, next));
                break;
            }
        }
        let (id, fact, next) = found?;
        match next {
            Some(next) => {
                self.slots.insert(id, next);
            }
            None if matches!(fact, Fact::Progress(_) | Fact::Pumped(_) | Fact::Marker(..)) => {}
            None => {
                self.slots.remove(&id);
            }
        }
        Some((id, fact))
    }

    /// A few times a second, while something is transferred.
    fn poll_tick(&mut self, cx: &mut Context<'_>) -> bool {
        let is_running = self
            .slots
            .values()
            .any(|slot| matches!(slot, Slot::Running { .. }));
        if !is_running {
            self.tick = None;
            return false;
        }
        let period = Duration::from_millis(200);
        let tick = self
            .tick
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(period)));
        if tick.as_mut().poll(cx).is_pending() {
            return false;
        }
        tick.as_mut().reset(
            tokio::time::Instant::now()
                .checked_add(period)
                .unwrap_or_else(tokio::time::Instant::now),
        );
        // Registers anew.
        let _ = tick.as_mut().poll(cx);
        true
    }
}

/// A fact, and what the slot becomes; without a next state it is over (or goes on as it is, when it
/// was progress).
fn poll_slot(slot: &mut Slot, cx: &mut Context<'_>, is_tick: bool) -> Option<(Fact, Option<Slot>)> {
    match slot {
        Slot::Say(fact, listener) => {
            let fact = fact.take()?;
            Some((fact, listener.take().map(Slot::Listening)))
        }
        Slot::Listening(listener) => {
            let Poll::Ready(Ok((socket, peer))) = listener.poll_accept(cx) else {
                return None;
            };
            let _ = socket.set_nodelay(true);
            // The listener moves along: if the connection is a stranger's, it goes on.
            let listener = rebind(listener);
            Some((
                Fact::Connected(peer),
                Some(Slot::Connected(socket, listener)),
            ))
        }
        Slot::Connecting(connect) => match connect.as_mut().poll(cx) {
            Poll::Pending => None,
            Poll::Ready(Ok(socket)) => {
                let _ = socket.set_nodelay(true);
                let Ok(peer) = socket.peer_addr() else {
                    return Some((Fact::Failed, None));
                };
                Some((Fact::Connected(peer), Some(Slot::Connected(socket, None))))
            }
            Poll::Ready(Err(_)) => Some((Fact::Failed, None)),
        },
        Slot::Connected(..) => None,
        #[cfg(feature = "tls")]
        Slot::Securing(handshake) => match handshake.as_mut().poll(cx) {
            Poll::Pending => None,
            Poll::Ready(Ok((tls, info))) => {
                Some((Fact::Secured(info), Some(Slot::Secured(Box::new(tls)))))
            }
            Poll::Ready(Err(_)) => Some((Fact::Failed, None)),
        },
        #[cfg(feature = "tls")]
        Slot::Secured(_) => None,
        Slot::Running {
            task,
            counter,
            marks,
            told,
            is_pumped,
            ..
        } => {
            // Before the end, which is told last: an end with markers untold waits.
            let is_over = task.is_finished();
            if is_tick || is_over {
                let mut marks = marks.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some((marker, octets)) = marks.pop_front() {
                    return Some((Fact::Marker(marker, octets), None));
                }
            }
            if let Poll::Ready(result) = Pin::new(task).poll(cx) {
                let result =
                    result.unwrap_or_else(|error| Err(Broken::Storage(io::Error::other(error))));
                return Some((Fact::Transferred(result), None));
            }
            let octets = counter.load(Ordering::Relaxed);
            if !is_tick || octets == *told {
                return None;
            }
            let more = octets.saturating_sub(core::mem::replace(told, octets));
            let fact = if *is_pumped {
                Fact::Pumped(more)
            } else {
                Fact::Progress(octets)
            };
            Some((fact, None))
        }
    }
}

/// Another handle of the same listener: the state that holds it is being replaced.
fn rebind(listener: &TcpListener) -> Option<TcpListener> {
    #[cfg(unix)]
    {
        let fd = rustix::io::fcntl_dupfd_cloexec(listener, 0).ok()?;
        TcpListener::from_std(std::net::TcpListener::from(fd)).ok()
    }
    #[cfg(not(unix))]
    {
        let _ = listener;
        None
    }
}
