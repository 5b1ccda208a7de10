//! The driver of a server's session.

use super::copy::{Broken, Payload};
use super::slots::{Fact, Slots};
use crate::driver::{NextEvent, Stream, Transport};
use core::task::{Context, Poll};
use core::time::Duration;
use proto_ftp::server::{Action, DataId, Direction, Session, TransferFault};
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;

/// How a server's driver makes data connections.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// Ports for passive mode. Default: those from 49152 on, or whichever the system gives.
    pub passive_ports: Option<core::ops::RangeInclusive<u16>>,
    /// Connect from port 20 in active mode, where this process may. Default on.
    pub from_port_20: bool,
    /// Silence on a data connection before it is given up. Default 120 s.
    pub stall: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            passive_ports: None,
            from_port_20: true,
            stall: crate::ftp::DATA_STALL,
        }
    }
}

/// Runs one session over one control connection and as many data connections as it wishes for.
#[derive(Debug)]
pub struct Server<T> {
    control: Stream<Session, T>,
    slots: Slots<DataId>,
    payloads: BTreeMap<DataId, Payload>,
    active_from: Option<SocketAddr>,
}

impl<T: Transport> Server<T> {
    /// Runs `session` over `io`. `local` is the address of our end.
    pub fn new(session: Session, io: T, local: SocketAddr, options: Options) -> Self {
        Self::over(Stream::new(session, io), local, options)
    }

    /// As [`new`](Self::new), on a connection that is TLS from its start.
    pub fn implicit_tls(session: Session, io: T, local: SocketAddr, options: Options) -> Self {
        Self::over(Stream::implicit_tls(session, io), local, options)
    }

    fn over(mut control: Stream<Session, T>, local: SocketAddr, options: Options) -> Self {
        control.machine_mut().set_pump(super::PUMP);
        let from = options
            .from_port_20
            .then(|| SocketAddr::new(local.ip(), 20));
        Self {
            control,
            slots: Slots::new(options.passive_ports, options.stall),
            payloads: BTreeMap::new(),
            active_from: from,
        }
    }

    /// The TLS of data connections.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn with_tls(
        mut self,
        config: std::sync::Arc<crate::tls::tokio_rustls::rustls::ServerConfig>,
    ) -> Self {
        self.slots.set_role(crate::tls::Role::Server { config });
        self
    }

    /// What a transfer sends, or where it puts what comes. To be given before the question is
    /// accepted.
    pub fn provide(&mut self, id: DataId, payload: Payload) {
        self.payloads.insert(id, payload);
    }

    /// The session, for answers.
    pub fn session_mut(&mut self) -> &mut Session {
        self.control.machine_mut()
    }

    /// The session, to look at.
    pub fn session(&self) -> &Session {
        self.control.machine()
    }

    /// Waits for the next event. `None` means that the session is over and can be dropped.
    ///
    /// Cancel-safe: dropping the future loses nothing.
    ///
    /// # Errors
    ///
    /// As those of [`Stream::next`].
    pub async fn next(&mut self) -> NextEvent<Session> {
        core::future::poll_fn(|cx| self.poll_next(cx)).await
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<NextEvent<Session>> {
        loop {
            let poll = self.control.poll_next(cx);
            let mut has_changed = self.carry_out();
            if poll.is_ready() {
                return poll;
            }
            while let Some((id, fact)) = self.slots.poll(cx) {
                self.tell(id, fact);
                self.carry_out();
                has_changed = true;
            }
            if !has_changed {
                return Poll::Pending;
            }
        }
    }

    fn carry_out(&mut self) -> bool {
        let mut any = false;
        let now = self.control.now();
        while let Some(action) = self.control.machine_mut().poll_action(now) {
            any = true;
            match action {
                Action::Listen { id, on } => self.slots.listen(id, on),
                Action::Connect { id, to } => self.slots.connect(id, to, self.active_from),
                Action::Refuse { id } => self.slots.refuse(id),
                Action::Secure { id } => self.slots.secure(id),
                Action::Start {
                    id,
                    direction,
                    format,
                } => {
                    let payload = self.payloads.remove(&id);
                    self.slots
                        .start(id, direction == Direction::Send, format, payload);
                }
                Action::Pump { id, direction, .. } => {
                    let payload = self.payloads.remove(&id);
                    self.slots.pump(id, direction == Direction::Send, payload);
                }
                Action::Close { id, reset } => {
                    self.payloads.remove(&id);
                    self.slots.close(id, reset);
                }
            }
        }
        any
    }

    fn tell(&mut self, id: DataId, fact: Fact) {
        let now = self.control.now();
        let session = self.control.machine_mut();
        match fact {
            Fact::Listening(at) => session.handle_listening(now, id, at),
            Fact::Connected(peer) => session.handle_connected(now, id, peer),
            #[cfg(feature = "tls")]
            Fact::Secured(tls) => session.handle_data_tls(now, id, &tls),
            Fact::Failed => session.handle_failed(now, id),
            Fact::Progress(octets) => session.handle_progress(now, id, octets),
            Fact::Pumped(octets) => session.handle_pumped(now, id, octets),
            Fact::Marker(marker, octets) => {
                session.handle_marker(now, id, &marker, octets.to_string().as_bytes());
            }
            Fact::Transferred(result) => {
                let result = result.map_err(|broken| match broken {
                    Broken::Transport(_) => TransferFault::Disconnected,
                    Broken::Malformed => TransferFault::Malformed,
                    Broken::Storage(error) => match error.kind() {
                        io::ErrorKind::StorageFull => TransferFault::NoSpace,
                        io::ErrorKind::QuotaExceeded => TransferFault::QuotaExceeded,
                        _ => TransferFault::Storage,
                    },
                });
                session.handle_transferred(now, id, result);
            }
        }
    }

    /// Says 421 and ends the session, within `patience`.
    ///
    /// # Errors
    ///
    /// As [`next`](Self::next).
    pub async fn close(
        &mut self,
        patience: Duration,
    ) -> Result<(), crate::driver::Error<proto_ftp::server::Error>> {
        self.control.close(patience).await
    }
}
