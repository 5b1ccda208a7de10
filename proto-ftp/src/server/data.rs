//! Data connections: from the wish to the last reply.

use super::{
    Action, Ask, DataId, Direction, Event, Phase, Session, Setup, State, Transfer, TransferFault,
};
use crate::TlsInfo;
use crate::wire::{Verb, put_port};
use bytes::BytesMut;
use core::fmt::Write as _;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

/// Strangers that are refused on one listener before it is given up.
const MAX_REFUSED: u8 = 8;

impl Session {
    /// A listener is there.
    pub fn handle_listening(&mut self, now: Duration, id: DataId, at: SocketAddr) {
        self.advance_to(now);
        let Setup::Opening {
            id: wanted,
            extended,
        } = self.setup
        else {
            return;
        };
        if wanted != id {
            return;
        }
        self.setup = Setup::Listening { id };
        self.refused = 0;
        let mut text = BytesMut::new();
        if extended {
            // Writing into a growing buffer does not fail.
            let _ = write!(text, "Entering Extended Passive Mode (|||{}|)", at.port());
            self.say(229, text);
            return;
        }
        let ip = self
            .config
            .passive_address
            .map_or(self.local.ip(), IpAddr::V4);
        text.extend_from_slice(b"Entering Passive Mode (");
        if put_port(SocketAddr::new(ip, at.port()), &mut text) {
            text.extend_from_slice(b").");
            self.say(227, text);
        } else {
            self.drop_setup(false);
            self.say(421, "No such address");
        }
    }

    /// A connection came to a listener, or one that was wished for is there.
    pub fn handle_connected(&mut self, now: Duration, id: DataId, peer: SocketAddr) {
        self.advance_to(now);
        let is_stranger = peer.ip().to_canonical() != self.peer.ip().to_canonical();
        match (self.setup, &self.transfer) {
            (Setup::Listening { id: wanted }, _) if wanted == id => {
                if is_stranger && !self.config.allow_foreign_data {
                    // CVE-1999-0351: who connects first is not always whom it is meant for.
                    self.stats.refused_peers = self.stats.refused_peers.saturating_add(1);
                    self.refused = self.refused.saturating_add(1);
                    self.actions.push_back(Action::Refuse { id });
                    if self.refused >= MAX_REFUSED {
                        if self.transfer.is_some() {
                            self.abort_transfer(425, "No data connection");
                        } else {
                            self.drop_setup(true);
                        }
                    }
                    return;
                }
                self.setup = Setup::Connected { id };
                self.proceed();
            }
            (_, Some(transfer)) if transfer.id == id && transfer.phase == Phase::Waiting => {
                self.setup = Setup::Connected { id };
                self.proceed();
            }
            _ => {}
        }
    }

    /// What was wished for did not come about.
    pub fn handle_failed(&mut self, now: Duration, id: DataId) {
        self.advance_to(now);
        match (self.setup, self.transfer) {
            (Setup::Opening { id: wanted, .. }, _) if wanted == id => self.setup_failed(),
            (_, Some(transfer)) if transfer.id == id => match transfer.phase {
                Phase::Waiting => self.abort_transfer(425, "Can't open data connection"),
                Phase::Securing => self.abort_transfer(522, "TLS failed on the data connection"),
                Phase::Running => self.abort_transfer(426, "Data connection broke"),
                Phase::Committing(_) => {}
            },
            (Setup::Listening { id: wanted } | Setup::Connected { id: wanted }, None)
                if wanted == id =>
            {
                self.drop_setup(false);
            }
            _ => {}
        }
    }

    /// TLS is there on a data connection.
    pub fn handle_data_tls(&mut self, now: Duration, id: DataId, tls: &TlsInfo) {
        self.advance_to(now);
        let Some(transfer) = self.transfer else {
            return;
        };
        if transfer.id != id || transfer.phase != Phase::Securing {
            return;
        }
        if self.config.require_resumption && !tls.resumed {
            // Who resumes a session is who made it; anybody else may be anybody.
            self.abort_transfer(522, "TLS session reuse required");
            return;
        }
        self.start();
    }

    /// A transfer moves on: `octets` in all.
    pub fn handle_progress(&mut self, now: Duration, id: DataId, octets: u64) {
        self.advance_to(now);
        if let Some(transfer) = &mut self.transfer
            && transfer.id == id
            && transfer.phase == Phase::Running
        {
            transfer.octets = transfer.octets.max(octets);
            self.since = self.now;
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
        if transfer.id != id || transfer.phase != Phase::Running || moved == 0 {
            return;
        }
        transfer.octets = transfer.octets.saturating_add(moved);
        transfer.credit = transfer.credit.saturating_sub(moved);
        self.since = self.now;
        if transfer.credit == 0 {
            self.wish_for_octets();
        }
    }

    /// A restart marker came in an upload, and all before it is safe: says 110 (RFC 959 section 3.5).
    /// `marker` is the client's; `position` is what it may give to REST to go on from there, which
    /// for [`StoreMode::At`](super::StoreMode::At) has to be a count of octets.
    pub fn handle_marker(&mut self, now: Duration, id: DataId, marker: &[u8], position: &[u8]) {
        self.advance_to(now);
        let is_running = self.transfer.is_some_and(|transfer| {
            transfer.id == id
                && transfer.phase == Phase::Running
                && transfer.direction == Direction::Receive
        });
        // Replies that nobody reads are not piled up: a marker more or less changes nothing.
        if !is_running || self.output.len() > self.limits.max_queued_replies {
            return;
        }
        let mut text = BytesMut::from(&b"MARK "[..]);
        for (at, word) in [marker, b" = ", position].into_iter().enumerate() {
            let is_shown = |octet: &u8| octet.is_ascii_graphic() || at == 1;
            text.extend(
                word.iter()
                    .map(|octet| if is_shown(octet) { *octet } else { b'?' }),
            );
        }
        self.say(110, text);
    }

    /// A transfer is over: all of it arrived or left, and the connection ended in order; or not.
    pub fn handle_transferred(
        &mut self,
        now: Duration,
        id: DataId,
        result: Result<u64, TransferFault>,
    ) {
        self.advance_to(now);
        let Some(transfer) = self.transfer else {
            return;
        };
        if transfer.id != id || transfer.phase != Phase::Running {
            return;
        }
        match result {
            Ok(octets) => {
                if transfer.direction == Direction::Send {
                    self.end_transfer(226, "Transfer complete", true);
                    return;
                }
                let ask = self.new_id();
                if let Some(transfer) = &mut self.transfer {
                    transfer.octets = octets;
                    transfer.phase = Phase::Committing(ask);
                }
                self.since = self.now;
                self.events.push_back(Event::Commit {
                    ask: Ask(ask),
                    id,
                    octets,
                });
            }
            Err(fault) => {
                let is_store = transfer.direction == Direction::Receive;
                let (code, text) = match fault {
                    TransferFault::NoSpace if is_store => (452, "Insufficient storage space"),
                    TransferFault::QuotaExceeded if is_store => (552, "Quota exceeded"),
                    TransferFault::Disconnected => (426, "Data connection broke"),
                    TransferFault::Malformed => (451, "Malformed data"),
                    _ => (451, "Local error"),
                };
                self.actions.push_back(Action::Close { id, reset: true });
                self.end_transfer(code, text, false);
            }
        }
    }

    pub(super) fn setup_failed(&mut self) {
        self.drop_setup(false);
        self.say(421, "No port to listen on");
        self.begin_closing();
    }

    /// A listener is wished for; an older one is closed.
    pub(super) fn open_passive(&mut self, extended: bool) {
        self.drop_setup(false);
        let id = DataId(self.new_id());
        self.setup = Setup::Opening { id, extended };
        let on = self.local.ip();
        self.actions.push_back(Action::Listen { id, on });
    }

    /// The id that the next transfer will have.
    pub(super) fn transfer_id(&mut self) -> DataId {
        match self.setup {
            Setup::Opening { id, .. } | Setup::Listening { id } | Setup::Connected { id } => id,
            Setup::None | Setup::Active { .. } => DataId(self.new_id()),
        }
    }

    /// 150 was said: now the connection is needed.
    pub(super) fn begin_transfer(&mut self, id: DataId, direction: Direction, verb: Verb) {
        self.stats.transfers = self.stats.transfers.saturating_add(1);
        self.transfer = Some(Transfer {
            id,
            direction,
            verb,
            phase: Phase::Waiting,
            octets: 0,
            credit: 0,
        });
        self.since = self.now;
        // CVE-1999-0017: nothing connects before a transfer was asked for.
        if let Setup::Active { to } = self.setup {
            self.actions.push_back(Action::Connect { id, to });
        }
        self.proceed();
    }

    fn proceed(&mut self) {
        let Setup::Connected { id } = self.setup else {
            return;
        };
        let Some(transfer) = &mut self.transfer else {
            return;
        };
        if transfer.id != id || transfer.phase != Phase::Waiting {
            return;
        }
        self.since = self.now;
        if self.flags.private {
            transfer.phase = Phase::Securing;
            self.actions.push_back(Action::Secure { id });
        } else {
            self.start();
        }
    }

    fn start(&mut self) {
        let format = self.transfer_format();
        let is_pumped = self.pump > 0 && format.is_plain() && !self.flags.private;
        self.since = self.now;
        let Some(transfer) = &mut self.transfer else {
            return;
        };
        transfer.phase = Phase::Running;
        let (id, direction) = (transfer.id, transfer.direction);
        if is_pumped {
            self.wish_for_octets();
        } else {
            self.actions.push_back(Action::Start {
                id,
                direction,
                format,
            });
        }
    }

    fn wish_for_octets(&mut self) {
        if let Some(transfer) = &mut self.transfer {
            transfer.credit = self.pump;
            self.actions.push_back(Action::Pump {
                id: transfer.id,
                direction: transfer.direction,
                max: self.pump,
            });
        }
    }

    /// Listings are text, whatever TYPE says; their lines end with CRLF already.
    fn transfer_format(&self) -> crate::data::Format {
        let mut format = self.format;
        let is_listing = self
            .transfer
            .is_some_and(|transfer| matches!(transfer.verb, Verb::List | Verb::Nlst | Verb::Mlsd));
        if is_listing && format.kind == crate::data::Type::Image {
            format.kind = crate::data::Type::Ascii;
        }
        if is_listing && format.structure == crate::data::Structure::Page {
            format.structure = crate::data::Structure::File;
        }
        format
    }

    pub(super) fn abort_transfer(&mut self, code: u16, text: &str) {
        if let Some(transfer) = self.transfer {
            self.actions.push_back(Action::Close {
                id: transfer.id,
                reset: true,
            });
            if matches!(self.setup, Setup::Listening { id } | Setup::Connected { id } if id == transfer.id)
            {
                self.setup = Setup::None;
            }
            self.end_transfer(code, text, false);
        }
    }

    /// The last reply of a transfer.
    pub(super) fn end_transfer(&mut self, code: u16, text: &str, complete: bool) {
        if let Some(transfer) = self.transfer.take() {
            self.events.push_back(Event::TransferEnded {
                id: transfer.id,
                complete,
            });
        }
        if matches!(self.setup, Setup::Connected { .. } | Setup::Active { .. }) {
            self.setup = Setup::None;
        }
        if !matches!(self.state, State::Closing | State::Closed) {
            self.say(code, text);
        }
    }
}
