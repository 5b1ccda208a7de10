//! Data connections, seen from the client.

use super::command::TransferPlan;
use super::event::{CommandId, DataId, UsageError};
use super::{Action, Event, Expected, Fault, Line, Out, Session, Stage, Transfer, What};
use crate::wire::{Arg, Verb, put_eprt, put_port};
use bytes::BytesMut;
use core::net::SocketAddr;
use core::time::Duration;

impl Session {
    pub(super) fn prepare(&mut self, command: CommandId, plan: &TransferPlan) {
        let id = DataId(self.new_id());
        if self.config.active {
            let on = self.local.ip();
            self.actions.push_back(Action::Listen { id, on });
        }
        self.transfer = Some(Transfer {
            command,
            format: self.transfer_format(plan),
            plan: plan.clone(),
            id,
            stage: Stage::Preparing,
            is_started: false,
            listening: None,
            octets: 0,
            credit: 0,
            data: None,
            reply: None,
            is_aborted: false,
            since: self.now,
        });
    }

    /// PORT or EPRT, once the listener is there.
    pub(super) fn active_line(&mut self) -> Option<Line> {
        let at = self.transfer.as_ref()?.listening?;
        if let Some(current) = &mut self.current {
            current.lines.pop_front();
        }
        let mut arg = BytesMut::new();
        if at.ip().to_canonical().is_ipv4() {
            put_port(at, &mut arg);
            return Some(Line::new(Verb::Port, Arg::new(arg).ok(), What::Plain));
        }
        put_eprt(at, &mut arg);
        Some(Line::new(Verb::Eprt, Arg::new(arg).ok(), What::Plain))
    }

    /// A listener is there (active mode).
    pub fn handle_listening(&mut self, now: Duration, id: DataId, at: SocketAddr) {
        self.advance_to(now);
        if let Some(transfer) = &mut self.transfer
            && transfer.id == id
            && transfer.stage == Stage::Preparing
        {
            let at = SocketAddr::new(self.local.ip(), at.port());
            transfer.listening = Some(at);
        }
    }

    /// The data connection is there.
    pub fn handle_connected(&mut self, now: Duration, id: DataId, peer: SocketAddr) {
        self.advance_to(now);
        let Some(transfer) = &mut self.transfer else {
            return;
        };
        let is_wanted = match transfer.stage {
            Stage::Connecting => true,
            Stage::Preparing => transfer.listening.is_some(),
            _ => false,
        };
        if transfer.id != id || !is_wanted {
            return;
        }
        if transfer.listening.is_some() && peer.ip().to_canonical() != self.peer.ip().to_canonical()
        {
            self.actions.push_back(Action::Refuse { id });
            return;
        }
        transfer.stage = Stage::Connected;
        transfer.since = self.now;
        self.proceed();
    }

    /// What was wished for did not come about.
    pub fn handle_failed(&mut self, now: Duration, id: DataId) {
        self.advance_to(now);
        let Some(transfer) = &mut self.transfer else {
            return;
        };
        if transfer.id != id || transfer.stage == Stage::Over {
            return;
        }
        self.actions.push_back(Action::Close { id });
        let is_running = transfer.stage == Stage::Running;
        transfer.stage = Stage::Over;
        transfer.data = Some(false);
        self.since = self.now;
        if is_running || transfer.is_started || transfer.reply.is_some() {
            return self.finish_transfer();
        }
        // Nothing was begun; if the command is on its way, its refusal ends it.
        let command = transfer.command;
        let is_sent = self
            .expected
            .iter()
            .any(|expected| expected.id == command && expected.what == What::Transfer);
        if !is_sent {
            if self
                .current
                .as_ref()
                .is_some_and(|current| current.id == command)
            {
                self.current = None;
            }
            for expected in &mut self.expected {
                expected.is_orphan |= expected.id == command;
            }
            self.transfer = None;
            let fault = Fault::NoDataConnection;
            self.events.push_back(Event::Failed { id: command, fault });
        }
    }

    /// TLS is there on the data connection.
    pub fn handle_data_tls(&mut self, now: Duration, id: DataId) {
        self.advance_to(now);
        if let Some(transfer) = &mut self.transfer
            && transfer.id == id
            && transfer.stage == Stage::Securing
        {
            self.start();
        }
    }

    /// A transfer moves on: `octets` in all.
    pub fn handle_progress(&mut self, now: Duration, id: DataId, octets: u64) {
        self.advance_to(now);
        if let Some(transfer) = &mut self.transfer
            && transfer.id == id
            && octets > transfer.octets
        {
            transfer.octets = octets;
            let id = transfer.command;
            // One is enough: the embedder reads the latest.
            if let Some(Event::Progress { octets: last, .. }) = self.events.back_mut() {
                *last = octets;
            } else {
                self.events.push_back(Event::Progress { id, octets });
            }
        }
    }

    /// The embedder can let the system move octets between files and connections: from now on a
    /// transfer in which nothing is changed ([`Format::is_plain`](crate::data::Format::is_plain),
    /// no TLS) is wished for by [`Action::Pump`] in steps of `max` octets. Zero, as at the start:
    /// every transfer is wished for by [`Action::Start`].
    pub fn set_pump(&mut self, max: u64) {
        self.pump = max;
    }

    /// `octets` more were moved of what an [`Action::Pump`] asked for.
    pub fn handle_pumped(&mut self, now: Duration, id: DataId, octets: u64) {
        self.advance_to(now);
        let Some(transfer) = &mut self.transfer else {
            return;
        };
        let moved = octets.min(transfer.credit);
        if transfer.id != id || transfer.stage != Stage::Running || moved == 0 {
            return;
        }
        let total = transfer.octets.saturating_add(moved);
        transfer.credit = transfer.credit.saturating_sub(moved);
        if transfer.credit == 0 {
            self.wish_for_octets();
        }
        self.handle_progress(now, id, total);
    }

    /// The data is over: all of it, with an orderly end, or not.
    pub fn handle_transferred(&mut self, now: Duration, id: DataId, octets: u64, complete: bool) {
        self.advance_to(now);
        if let Some(transfer) = &mut self.transfer
            && transfer.id == id
            && transfer.stage == Stage::Running
        {
            transfer.stage = Stage::Over;
            transfer.octets = octets;
            transfer.data = Some(complete);
            self.since = self.now;
            self.finish_transfer();
        }
    }

    /// Ends the transfer that runs: Telnet Synch and ABOR, in plaintext (RFC 959 section 4.1.3). The
    /// transfer's own command fails with [`Fault::Aborted`]; the returned one is done with the reply
    /// to ABOR.
    ///
    /// # Errors
    ///
    /// [`UsageError::NoTransfer`], when none was begun.
    pub fn abort(&mut self) -> Result<CommandId, UsageError> {
        let is_sent = self
            .expected
            .iter()
            .any(|expected| expected.what == What::Transfer);
        let is_aborting = self
            .expected
            .iter()
            .any(|expected| expected.what == What::Abor);
        let Some(transfer) = self.transfer.as_mut().filter(|_| is_sent && !is_aborting) else {
            return Err(UsageError::NoTransfer);
        };
        transfer.is_aborted = true;
        transfer.data.get_or_insert(false);
        transfer.stage = Stage::Over;
        let data = transfer.id;
        self.actions.push_back(Action::Close { id: data });
        let id = CommandId(self.new_id());
        // Under TLS nothing can be urgent.
        if self.tls.is_none() {
            self.out.push_back(Out::Urgent);
        }
        self.since = self.now;
        self.expected.push_back(Expected {
            id,
            what: What::Abor,
            is_last: true,
            is_orphan: false,
        });
        self.write(Verb::Abor, None);
        Ok(id)
    }

    /// Goes on with the connection that is there.
    pub(super) fn proceed(&mut self) {
        let Some(transfer) = &mut self.transfer else {
            return;
        };
        if transfer.stage != Stage::Connected {
            return;
        }
        // Nothing is read or sent before the server said 150: a command that it does not know may be
        // followed by another one (MLSD by LIST), and servers begin TLS after they said it.
        if !transfer.is_started {
            return;
        }
        if self.is_private {
            transfer.stage = Stage::Securing;
            transfer.since = self.now;
            let id = transfer.id;
            self.actions.push_back(Action::Secure { id });
        } else {
            self.start();
        }
    }

    fn start(&mut self) {
        let Some(transfer) = &mut self.transfer else {
            return;
        };
        transfer.stage = Stage::Running;
        if self.pump > 0 && transfer.format.is_plain() && !self.is_private {
            self.wish_for_octets();
        } else {
            self.actions.push_back(Action::Start {
                id: transfer.id,
                command: transfer.command,
                direction: transfer.plan.direction,
                format: transfer.format,
            });
        }
    }

    fn wish_for_octets(&mut self) {
        if let Some(transfer) = &mut self.transfer {
            transfer.credit = self.pump;
            self.actions.push_back(Action::Pump {
                id: transfer.id,
                command: transfer.command,
                direction: transfer.plan.direction,
                max: self.pump,
            });
        }
    }

    pub(super) fn drop_transfer(&mut self) {
        if let Some(transfer) = self.transfer.take()
            && transfer.stage != Stage::Over
        {
            self.actions.push_back(Action::Close { id: transfer.id });
        }
    }
}
