//! Connections: the session on each of them, and the message that it carries.

use super::event::{Action, ConnectionId, MessageId, ReadId};
use super::{Purpose, Queue, Reason, Verdict};
use crate::smtp::client::{CommandId, Envelope, Error, Event, FailReason, Session};
use crate::smtp::wire::{Extension, Reply};
use crate::{TlsInfo, Transmit};
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use bytes::{Bytes, BytesMut};
use core::time::Duration;

/// A connection to one host.
#[derive(Debug)]
pub(super) struct Connection {
    domain: String,
    host: String,
    stage: ConnectionStage,
    sending: Option<Sending>,
    /// Messages that it has carried.
    carried: u32,
}

#[derive(Debug)]
enum ConnectionStage {
    Connecting {
        until: Duration,
    },
    Open {
        session: Box<Session>,
        idle_until: Option<Duration>,
        is_ready: bool,
        is_detached: bool,
    },
}

/// A message on its way.
#[derive(Debug)]
struct Sending {
    message: MessageId,
    command: CommandId,
    /// Places of its recipients, and what was said to each so far.
    recipients: Vec<(usize, Option<Reply>)>,
    offset: u64,
    read: Option<ReadId>,
    chunk: Bytes,
    at_end: bool,
    is_wanted: bool,
}

impl Connection {
    /// When it is given up, unless it has come about.
    pub(super) fn connect_by(&self) -> Option<Duration> {
        match &self.stage {
            ConnectionStage::Connecting { until } => Some(*until),
            ConnectionStage::Open { .. } => None,
        }
    }
}

impl Queue {
    pub(super) fn new_connection(&self, domain: String, host: String) -> Connection {
        let until = self.now.saturating_add(self.limits.connect);
        Connection {
            domain,
            host,
            stage: ConnectionStage::Connecting { until },
            sending: None,
            carried: 0,
        }
    }

    /// The connection has come about.
    pub fn handle_connected(&mut self, now: Duration, id: ConnectionId) {
        self.advance_to(now);
        let (config, limits) = (&self.config.client, &self.config.client_limits);
        if let Some(connection) = self.connections.get_mut(&id)
            && matches!(connection.stage, ConnectionStage::Connecting { .. })
        {
            let session = Session::new(self.now, config.clone(), limits.clone());
            connection.stage = ConnectionStage::Open {
                session: Box::new(session),
                idle_until: None,
                is_ready: false,
                is_detached: false,
            };
        }
    }

    /// Takes what it can from the front of the connection's read buffer.
    pub fn recv(&mut self, now: Duration, id: ConnectionId, input: &mut BytesMut) {
        self.advance_to(now);
        loop {
            let Some(session) = self.session(id) else {
                return input.clear();
            };
            match session.poll_event(now, input) {
                Ok(Some(event)) => self.heard(id, event),
                Ok(None) => break,
                Err(error) => self.session_failed(id, error),
            }
        }
        self.look_for_end(id);
    }

    /// The next step for a connection; `Data` holds at most `budget` octets.
    #[must_use]
    pub fn poll_transmit(
        &mut self,
        now: Duration,
        id: ConnectionId,
        budget: usize,
    ) -> Option<Transmit> {
        self.advance_to(now);
        let step = self.session(id)?.poll_transmit(now, budget);
        // Room again for a message, or one that is not sent at all, is told without input.
        while let Some(event) = self.session(id).and_then(Session::take_event) {
            self.heard(id, event);
        }
        self.look_for_end(id);
        step
    }

    /// When [`handle_connection_timeout`](Self::handle_connection_timeout) wants to be called.
    #[must_use]
    pub fn connection_timeout(&self, id: ConnectionId) -> Option<Duration> {
        match &self.connections.get(&id)?.stage {
            ConnectionStage::Connecting { .. } => None,
            ConnectionStage::Open {
                session,
                idle_until,
                ..
            } => session.poll_timeout().into_iter().chain(*idle_until).min(),
        }
    }

    /// Tells a connection that time has passed. Calls before its deadline do nothing.
    pub fn handle_connection_timeout(&mut self, now: Duration, id: ConnectionId) {
        self.advance_to(now);
        let now = self.now;
        if let Some(Connection {
            stage:
                ConnectionStage::Open {
                    session,
                    idle_until,
                    ..
                },
            ..
        }) = self.connections.get_mut(&id)
        {
            session.handle_timeout(now);
            if idle_until.is_some_and(|at| at <= now) {
                *idle_until = None;
                // A session that takes no command any more is on its way out.
                let _ = session.quit();
            }
        }
        self.look_for_end(id);
    }

    /// Ends a connection: what is under way on it is sent to its end.
    pub fn close(&mut self, id: ConnectionId) {
        if let Some(session) = self.session(id) {
            session.close();
        }
    }

    /// The server has closed its side; the read buffer may still hold octets.
    pub fn handle_eof(&mut self, now: Duration, id: ConnectionId) {
        self.advance_to(now);
        if let Some(session) = self.session(id) {
            session.handle_eof(now);
        }
    }

    /// The connection is dead, or did not come about.
    pub fn handle_disconnect(&mut self, now: Duration, id: ConnectionId) {
        self.advance_to(now);
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        match &mut connection.stage {
            ConnectionStage::Connecting { .. } => {
                let reason = Reason::own(4, 4, 1, "the server could not be reached");
                self.lose(id, reason);
            }
            ConnectionStage::Open { session, .. } => {
                session.handle_disconnect(now);
                self.recv(now, id, &mut BytesMut::new());
                let reason = Reason::own(4, 4, 2, "the connection was lost");
                self.lose(id, reason);
            }
        }
    }

    /// TLS is established on a connection.
    pub fn handle_tls_established(&mut self, now: Duration, id: ConnectionId, tls: TlsInfo) {
        self.advance_to(now);
        if let Some(session) = self.session(id) {
            session.handle_tls_established(now, tls);
        }
    }

    /// Whether reading from a connection helps.
    #[must_use]
    pub fn wants_read(&self, id: ConnectionId) -> bool {
        match self.connections.get(&id).map(|it| &it.stage) {
            Some(ConnectionStage::Open { session, .. }) => session.wants_read(),
            _ => false,
        }
    }

    /// True when a connection can be dropped.
    #[must_use]
    pub fn is_closed(&self, id: ConnectionId) -> bool {
        match self.connections.get(&id).map(|it| &it.stage) {
            Some(ConnectionStage::Open { session, .. }) => session.is_closed(),
            Some(ConnectionStage::Connecting { .. }) => false,
            None => true,
        }
    }

    fn session(&mut self, id: ConnectionId) -> Option<&mut Session> {
        match &mut self.connections.get_mut(&id)?.stage {
            ConnectionStage::Open { session, .. } => Some(session),
            ConnectionStage::Connecting { .. } => None,
        }
    }

    /// Connections that did not come about in time.
    pub(super) fn give_up_connecting(&mut self) {
        let now = self.now;
        let late = |it: &Connection| it.connect_by().is_some_and(|at| at <= now);
        let late = self.connections.iter().filter(|(_, it)| late(it));
        let late: Vec<_> = late.map(|(id, _)| *id).collect();
        for id in late {
            self.actions.push_back(Action::Close { id });
            self.lose(id, Reason::own(4, 4, 1, "the server did not answer"));
        }
    }

    /// The session says something.
    fn heard(&mut self, id: ConnectionId, event: Event) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        match event {
            Event::Ready => {
                if let ConnectionStage::Open { is_ready, .. } = &mut connection.stage {
                    *is_ready = true;
                }
                self.next_message(id);
            }
            Event::Recipient { index, reply, .. } | Event::Delivery { index, reply, .. } => {
                let index = usize::try_from(index).unwrap_or(usize::MAX);
                let sending = connection.sending.as_mut();
                if let Some((_, said)) = sending.and_then(|it| it.recipients.get_mut(index)) {
                    *said = Some(reply);
                }
            }
            Event::Writable { .. } => {
                if let Some(sending) = &mut connection.sending {
                    sending.is_wanted = true;
                }
                self.send_body(id);
            }
            Event::Done { id: command, reply } => self.message_done(id, command, &reply),
            Event::Failed {
                id: command,
                reason,
            } => self.message_failed(id, command, reason),
            Event::Greeting { .. } | Event::Challenge { .. } | Event::PeerClosed => {}
        }
    }

    /// The next message that is due there, or the end of the connection.
    pub(super) fn next_message(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        let ConnectionStage::Open {
            session,
            idle_until,
            is_ready: true,
            is_detached: false,
        } = &mut connection.stage
        else {
            return;
        };
        if connection.sending.is_some() {
            return;
        }
        let limit = session.extensions().limit("MAILMAX").unwrap_or(u64::MAX);
        let limit = limit
            .min(u64::from(self.limits.max_messages_at_once))
            .max(1);
        let is_spent = u64::from(connection.carried) >= limit;
        let now = self.now;
        let destination = self.destinations.get(&connection.domain);
        let due = destination.and_then(|it| it.jobs.due(now).next());
        let Some(message_id) = due.filter(|_| !is_spent) else {
            if is_spent {
                *idle_until = None;
                let _ = session.quit();
            } else if idle_until.is_none() {
                *idle_until = Some(now.saturating_add(self.config.keep));
            }
            return;
        };
        let most = session.extensions().limit("RCPTMAX");
        let most = most
            .and_then(|it| usize::try_from(it).ok())
            .unwrap_or(usize::MAX);
        let most = most.min(self.limits.max_recipients_at_once).max(1);
        *idle_until = None;
        let domain = connection.domain.clone();
        let recipients = self.due_recipients(message_id, &domain, most);
        let Some(message) = self
            .messages
            .get(&message_id)
            .filter(|_| !recipients.is_empty())
        else {
            self.update_job(&domain, message_id);
            return self.next_message(id);
        };
        let mut envelope = Envelope::new(message.from.clone());
        envelope.params = message.params.clone();
        for recipient in recipients
            .iter()
            .filter_map(|it| message.recipients.get(*it))
        {
            let (to, params) = (recipient.to.clone(), recipient.params.clone());
            envelope.recipients.push((to, params));
        }
        let Some(Connection {
            stage: ConnectionStage::Open { session, .. },
            sending,
            carried,
            ..
        }) = self.connections.get_mut(&id)
        else {
            return;
        };
        match session.send(envelope) {
            Ok(command) => {
                if *carried > 0 {
                    self.stats.reused = self.stats.reused.saturating_add(1);
                }
                *carried = carried.saturating_add(1);
                *sending = Some(Sending {
                    message: message_id,
                    command,
                    recipients: recipients.into_iter().map(|it| (it, None)).collect(),
                    offset: 0,
                    read: None,
                    chunk: Bytes::new(),
                    at_end: false,
                    is_wanted: false,
                });
            }
            // The session is on its way out: the next connection takes the message.
            Err(crate::smtp::UsageError::Closed) => {}
            Err(_) => {
                let reason = Reason::own(5, 5, 4, "the envelope is too long for a command");
                let verdicts = recipients.into_iter();
                let verdicts = verdicts.map(|it| (it, Verdict::Never(reason.clone())));
                self.settle(message_id, "", verdicts.collect());
                self.update_job(&domain, message_id);
                self.next_message(id);
            }
        }
    }

    /// Gives the session what there is of the message, and asks for more when it takes all.
    fn send_body(&mut self, id: ConnectionId) {
        let Some(Connection {
            stage: ConnectionStage::Open { session, .. },
            sending: Some(sending),
            ..
        }) = self.connections.get_mut(&id)
        else {
            return;
        };
        if !sending.is_wanted || sending.read.is_some() {
            return;
        }
        if !sending.chunk.is_empty() || sending.at_end {
            let at_end = sending.at_end;
            if session
                .send_data(sending.command, &mut sending.chunk, at_end)
                .is_err()
            {
                // NUL, which no server takes; or the message has ended meanwhile.
                let reason = Reason::own(5, 6, 0, "the message holds octets that no server takes");
                return self.give_up_message(id, &Verdict::Never(reason));
            }
            sending.is_wanted = sending.chunk.is_empty() && !at_end;
        }
        if sending.is_wanted {
            let (message, offset) = (sending.message, sending.offset);
            let read = ReadId(self.next_id);
            sending.read = Some(read);
            self.next_id = self.next_id.saturating_add(1);
            self.reads.insert(read, Purpose::Body(id));
            self.actions.push_back(Action::Read {
                id: read,
                message,
                offset,
                max: self.limits.read_size,
            });
        }
    }

    pub(super) fn body_read(&mut self, id: ConnectionId, read: ReadId, data: Bytes, is_end: bool) {
        let connection = self.connections.get_mut(&id);
        if let Some(sending) = connection.and_then(|it| it.sending.as_mut())
            && sending.read == Some(read)
        {
            sending.read = None;
            let octets = u64::try_from(data.len()).unwrap_or(u64::MAX);
            sending.offset = sending.offset.saturating_add(octets);
            // Nothing, and no end: the message is shorter than it was.
            sending.at_end = is_end || data.is_empty();
            sending.chunk = data;
            self.send_body(id);
        }
    }

    pub(super) fn body_failed(&mut self, id: ConnectionId, read: ReadId) {
        let sending = self.connections.get(&id).and_then(|it| it.sending.as_ref());
        if sending.is_some_and(|it| it.read == Some(read)) {
            let reason = Reason::own(4, 3, 0, "the message could not be read");
            self.give_up_message(id, &Verdict::NotNow(reason));
        }
    }

    /// The message cannot be sent to its end: so ends the connection, without the dot, so that no
    /// server takes a part for the whole.
    fn give_up_message(&mut self, id: ConnectionId, verdict: &Verdict) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        let Some(sending) = connection.sending.take() else {
            return;
        };
        if let ConnectionStage::Open { session, .. } = &mut connection.stage {
            let _ = session.abort(sending.command);
        }
        let domain = connection.domain.clone();
        let verdicts = sending.recipients.into_iter();
        let verdicts = verdicts.map(|(index, _)| (index, verdict.clone()));
        self.settle(sending.message, "", verdicts.collect());
        self.update_job(&domain, sending.message);
        self.look_for_end(id);
    }

    /// The server has said its last word on a message.
    fn message_done(&mut self, id: ConnectionId, command: CommandId, reply: &Reply) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        if connection
            .sending
            .as_ref()
            .is_none_or(|it| it.command != command)
        {
            return;
        }
        let Some(sending) = connection.sending.take() else {
            return;
        };
        let (host, domain) = (connection.host.clone(), connection.domain.clone());
        let tells = match &connection.stage {
            ConnectionStage::Open { session, .. } => session.extensions().contains(Extension::Dsn),
            ConnectionStage::Connecting { .. } => false,
        };
        let of = |reply: &Reply| match (reply.is_ok(), reply.is_permanent()) {
            (true, _) if tells => Verdict::Delivered(reply.clone()),
            (true, _) => Verdict::Relayed(reply.clone()),
            (_, true) => Verdict::Never(Reason::said(reply, &host)),
            _ => Verdict::NotNow(Reason::said(reply, &host)),
        };
        let verdicts = sending.recipients.into_iter().map(|(index, said)| {
            let verdict = match &said {
                // RFC 5321 section 3.3: the recipient was refused.
                Some(said) if !said.is_ok() => of(said),
                // LMTP: the last word on this recipient.
                Some(said) if self.is_lmtp() => of(said),
                _ => of(reply),
            };
            (index, verdict)
        });
        let verdicts = verdicts.collect();
        self.settle(sending.message, &host, verdicts);
        self.update_job(&domain, sending.message);
        self.next_message(id);
    }

    /// A message has ended without a word of the server's.
    fn message_failed(&mut self, id: ConnectionId, command: CommandId, reason: FailReason) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        if connection
            .sending
            .as_ref()
            .is_none_or(|it| it.command != command)
        {
            return;
        }
        let reason = match reason {
            // The next address gets it; if there is none, it is put off with all the others.
            FailReason::Closed => return,
            FailReason::TooLarge => Reason::own(5, 3, 4, "the server takes no message so large"),
            FailReason::Unsupported(extension) => {
                let (subject, detail, text) = match extension {
                    // RFC 6531 section 3.5, RFC 8689 section 5.
                    Extension::SmtpUtf8 => (6, 7, "the server takes no such addresses"),
                    Extension::RequireTls => (7, 30, "the server cannot promise TLS"),
                    _ => (6, 3, "the server cannot take a message of this kind"),
                };
                Reason::own(5, subject, detail, text)
            }
        };
        let Some(sending) = connection.sending.take() else {
            return;
        };
        let (host, domain) = (connection.host.clone(), connection.domain.clone());
        let reason = reason.at(&host);
        let verdicts = sending.recipients.into_iter();
        let verdicts = verdicts.map(|(index, _)| (index, Verdict::Never(reason.clone())));
        self.settle(sending.message, &host, verdicts.collect());
        self.update_job(&domain, sending.message);
        self.next_message(id);
    }

    /// The session has ended by an error: what is due goes elsewhere, while its farewell leaves.
    fn session_failed(&mut self, id: ConnectionId, error: Error) {
        let text = match error {
            Error::Refused | Error::HelloRefused => "the server refused the session",
            Error::TlsRefused => "the server refused TLS",
            Error::ReplyTimeout => "the server fell silent",
            Error::UnexpectedEof { .. } => "the server hung up",
            _ => "the server does not keep to the protocol",
        };
        let detail = if matches!(error, Error::TlsRefused) {
            7
        } else {
            4
        };
        let reason = match detail {
            7 => Reason::own(4, 7, 4, text),
            _ => Reason::own(4, 4, 2, text),
        };
        self.detach(id, Some(reason));
    }

    /// Looks whether a session is over without an error.
    fn look_for_end(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get(&id) else {
            return;
        };
        let ConnectionStage::Open { session, .. } = &connection.stage else {
            return;
        };
        let is_closed = session.is_closed();
        if session.is_ending() {
            self.detach(id, None);
        }
        if is_closed {
            self.connections.remove(&id);
            self.actions.push_back(Action::Close { id });
        }
    }

    /// The destination goes on without this connection, which only ends.
    fn detach(&mut self, id: ConnectionId, reason: Option<Reason>) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        let ConnectionStage::Open {
            idle_until,
            is_detached,
            ..
        } = &mut connection.stage
        else {
            return;
        };
        if core::mem::replace(is_detached, true) {
            return;
        }
        *idle_until = None;
        let (domain, host) = (connection.domain.clone(), connection.host.clone());
        let carried = connection.carried;
        let left = connection.sending.take();
        match reason {
            Some(reason) => self.connection_failed(domain, id, reason.at(&host)),
            // It ended well, yet something is left: a server that says 421 and hangs up.
            None if left.is_some() || carried == 0 => {
                let reason = Reason::own(4, 4, 2, "the server hung up").at(&host);
                self.connection_failed(domain, id, reason);
            }
            None => self.connection_done(domain, id),
        }
    }

    fn lose(&mut self, id: ConnectionId, reason: Reason) {
        let Some(connection) = self.connections.remove(&id) else {
            return;
        };
        let (domain, host) = (connection.domain, connection.host);
        let is_idle = matches!(
            connection.stage,
            ConnectionStage::Open { is_ready: true, .. }
        ) && connection.sending.is_none()
            && connection.carried > 0;
        match is_idle {
            true => self.connection_done(domain, id),
            false => self.connection_failed(domain, id, reason.at(&host)),
        }
    }

    fn is_lmtp(&self) -> bool {
        self.config.client.protocol == crate::smtp::Protocol::Lmtp
    }
}
