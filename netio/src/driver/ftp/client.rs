//! The driver of a client's session.

use super::copy::{Broken, Payload};
use super::slots::{Fact, Slots};
use crate::driver::{NextEvent, Stream, Transport};
use bytes::Bytes;
use core::task::{Context, Poll};
use proto_ftp::client::{Action, CommandId, DataId, Direction, Event, Fault, Session};
use proto_ftp::wire::Reply;
use std::collections::BTreeMap;
use std::io;

/// Runs one session over one control connection and as many data connections as it wishes for.
#[derive(Debug)]
pub struct Client<T> {
    control: Stream<Session, T>,
    slots: Slots<DataId>,
    payloads: BTreeMap<CommandId, Payload>,
    /// What went wrong with the file of a transfer.
    storage: Option<io::Error>,
}

/// Why a command came to nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The server refused it.
    #[error("the server says {}: {}", .0.code(), String::from_utf8_lossy(.0.text()))]
    Refused(Reply),
    /// It has no reply that means anything.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The session ended.
    #[error(transparent)]
    Session(#[from] crate::driver::Error<proto_ftp::client::Error>),
    /// The session was over.
    #[error("the session is over")]
    Ended,
    /// The command cannot be given.
    #[error(transparent)]
    Usage(#[from] proto_ftp::client::UsageError),
    /// The local file failed.
    #[error("the local file failed")]
    Storage(#[source] io::Error),
}

impl<T: Transport> Client<T> {
    /// Runs `session` over `io`.
    pub fn new(session: Session, io: T) -> Self {
        Self::over(Stream::new(session, io))
    }

    /// As [`new`](Self::new), on a connection that is TLS from its start.
    pub fn implicit_tls(session: Session, io: T) -> Self {
        Self::over(Stream::implicit_tls(session, io))
    }

    fn over(mut control: Stream<Session, T>) -> Self {
        control.machine_mut().set_pump(super::PUMP);
        Self {
            control,
            slots: Slots::new(None, crate::ftp::DATA_STALL),
            payloads: BTreeMap::new(),
            storage: None,
        }
    }

    /// The TLS of data connections: the same configuration as that of the control connection, so
    /// that its sessions can be resumed, which many servers demand.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn with_tls(
        mut self,
        config: std::sync::Arc<crate::tls::tokio_rustls::rustls::ClientConfig>,
        name: crate::tls::tokio_rustls::rustls::pki_types::ServerName<'static>,
    ) -> Self {
        self.slots
            .set_role(crate::tls::Role::Client { config, name });
        self
    }

    /// What a transfer sends, or where it puts what comes. To be given with the command.
    pub fn provide(&mut self, id: CommandId, payload: Payload) {
        self.payloads.insert(id, payload);
    }

    /// The session, for commands.
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

    /// Waits for the end of one command; hands what happens on the way to `watch`. Returns the reply
    /// and how many octets were transferred.
    ///
    /// # Errors
    ///
    /// [`ClientError`].
    pub async fn finish(
        &mut self,
        id: CommandId,
        mut watch: impl FnMut(&Event),
    ) -> Result<(Reply, u64), ClientError> {
        loop {
            let event = self.next().await?.ok_or(ClientError::Ended)?;
            watch(&event);
            match event {
                Event::Done {
                    id: done,
                    reply,
                    octets,
                } if done == id => {
                    if let Some(error) = self.storage.take() {
                        return Err(ClientError::Storage(error));
                    }
                    return if reply.is_ok() || reply.is_intermediate() {
                        Ok((reply, octets))
                    } else {
                        Err(ClientError::Refused(reply))
                    };
                }
                Event::Failed { id: failed, fault } if failed == id => {
                    return Err(match self.storage.take() {
                        Some(error) => ClientError::Storage(error),
                        None => fault.into(),
                    });
                }
                _ => {}
            }
        }
    }

    /// Waits for the end of a command whose data is to be collected, up to `limit` octets.
    ///
    /// # Errors
    ///
    /// [`ClientError`].
    pub async fn collect(
        &mut self,
        id: CommandId,
        limit: usize,
    ) -> Result<(Reply, Vec<u8>), ClientError> {
        let (sender, mut receiver) = tokio::sync::mpsc::channel::<Bytes>(16);
        self.provide(id, Payload::Channel(sender));
        let mut data = Vec::new();
        let finish = self.finish(id, |_| {});
        let mut finish = core::pin::pin!(finish);
        let (reply, _) = loop {
            tokio::select! {
                biased;
                Some(piece) = receiver.recv() => {
                    if data.len().saturating_add(piece.len()) > limit {
                        return Err(ClientError::Storage(io::ErrorKind::FileTooLarge.into()));
                    }
                    data.extend_from_slice(&piece);
                }
                result = &mut finish => break result?,
            }
        };
        while let Ok(piece) = receiver.try_recv() {
            data.extend_from_slice(&piece);
        }
        Ok((reply, data))
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<NextEvent<Session>> {
        loop {
            let poll = self.control.poll_next(cx);
            let mut has_changed = self.carry_out();
            if let Poll::Ready(Ok(Some(Event::Done { id, .. } | Event::Failed { id, .. }))) = &poll
            {
                // What was provided for a command that never came to it.
                self.payloads.remove(id);
            }
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
                Action::Connect { id, to } => self.slots.connect(id, to, None),
                Action::Refuse { id } => self.slots.refuse(id),
                Action::Secure { id } => self.slots.secure(id),
                Action::Start {
                    id,
                    command,
                    direction,
                    format,
                } => {
                    let payload = self.payloads.remove(&command);
                    self.slots
                        .start(id, direction == Direction::Send, format, payload);
                }
                Action::Pump {
                    id,
                    command,
                    direction,
                    ..
                } => {
                    let payload = self.payloads.remove(&command);
                    self.slots.pump(id, direction == Direction::Send, payload);
                }
                Action::Close { id } => self.slots.close(id, true),
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
            Fact::Secured(_) => session.handle_data_tls(now, id),
            Fact::Failed => session.handle_failed(now, id),
            Fact::Progress(octets) => session.handle_progress(now, id, octets),
            Fact::Pumped(octets) => session.handle_pumped(now, id, octets),
            // A download's markers are for whoever wants to go on by them; files here count octets.
            Fact::Marker(..) => {}
            Fact::Transferred(Ok(octets)) => session.handle_transferred(now, id, octets, true),
            Fact::Transferred(Err(broken)) => {
                if let Broken::Storage(error) = broken {
                    self.storage = Some(error);
                }
                session.handle_transferred(now, id, 0, false);
            }
        }
    }
}
