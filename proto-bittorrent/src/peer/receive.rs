//! What arrives: from octets to events, one message at a time.

use super::connection::{Connection, MAX_ALLOWED_FAST, State, id};
use super::{Ask, Bitfield, Error, Event, Failure, Ignored};
use crate::wire::{
    Block, ExtendedHandshake, Handshake, HashRange, METADATA_PIECE_LEN, Message, MetadataMessage,
    Pex,
};
use alloc::boxed::Box;
use bytes::{Bytes, BytesMut};
use core::time::Duration;

impl Connection {
    /// Takes what it can from the front of `input` and returns the next event, if there is one.
    ///
    /// `input` is the embedder's read buffer; between calls it may only grow at its end.
    ///
    /// # Errors
    ///
    /// [`Error`] once, after every event that came before it, the final events of open requests
    /// included. Then the connection is fused: it only discards input.
    pub fn poll_event(
        &mut self,
        now: Duration,
        input: &mut BytesMut,
    ) -> Result<Option<Event>, Error> {
        self.advance_to(now);
        loop {
            if let Some(event) = self.events.pop_front() {
                return Ok(Some(event));
            }
            if let Some(error) = self.error.take() {
                return Err(error);
            }
            if self.closing || matches!(self.state, State::PeerClosed | State::Disconnected) {
                input.clear();
                return Ok(None);
            }
            if self.timed_out {
                let error = if self.state == State::Open {
                    Error::IdleTimeout
                } else {
                    Error::HandshakeTimeout
                };
                self.fail(error);
                continue;
            }
            if self.state == State::Asking {
                return Ok(None);
            }
            let before = input.len();
            let step = match self.state {
                State::Open => self.next_message(input),
                _ => self.next_handshake(input),
            };
            let octets = before.saturating_sub(input.len());
            let octets = u64::try_from(octets).unwrap_or(u64::MAX);
            self.stats.octets_in = self.stats.octets_in.saturating_add(octets);
            match step {
                // Events that were queued meanwhile follow what caused them.
                Ok(Step::Event(event)) => return Ok(Some(event)),
                Ok(Step::Nothing) => {}
                Ok(Step::Wait) => {
                    self.release();
                    return Ok(None);
                }
                Err(error) => self.fail(error),
            }
        }
    }

    fn next_handshake(&mut self, input: &mut BytesMut) -> Result<Step, Error> {
        let handshake = match Handshake::decode(input) {
            Ok(Some(handshake)) => handshake,
            Ok(None) if self.eof => {
                return Err(Error::UnexpectedEof {
                    pending: input.len(),
                });
            }
            Ok(None) => return Ok(Step::Wait),
            Err(error) => {
                return Err(Error::NotBitTorrent {
                    offset: error.offset,
                });
            }
        };
        self.peer_id = handshake.peer_id;
        if handshake.peer_id == self.config.peer_id {
            return Err(Error::SelfConnection);
        }
        self.has_fast = self.config.fast && handshake.reserved.has_fast();
        self.has_extended = self.config.extended && handshake.reserved.has_extended();
        self.restart_idle_timer();
        if self.state == State::Listening {
            self.state = State::Asking;
            self.torrent = Some(super::Torrent::new(handshake.info_hash));
            let ask = Ask(self.number);
            return Ok(Step::Event(Event::Incoming { ask, handshake }));
        }
        let ours = self.torrent.as_ref().map(|torrent| torrent.info_hash);
        if ours != Some(handshake.info_hash) {
            return Err(Error::WrongInfoHash);
        }
        self.state = State::Open;
        self.greet_extended();
        Ok(Step::Event(Event::Connected { handshake }))
    }

    fn next_message(&mut self, input: &mut BytesMut) -> Result<Step, Error> {
        if self.is_stalled() {
            if !core::mem::replace(&mut self.stalled, true) {
                self.stats.stalls = self.stats.stalls.saturating_add(1);
            }
            return Ok(Step::Wait);
        }
        self.stalled = false;
        match self.decoder.decode(input)? {
            Some(message) => {
                self.stats.messages = self.stats.messages.saturating_add(1);
                self.restart_idle_timer();
                self.receive(message)
            }
            None if !self.eof => Ok(Step::Wait),
            None if input.is_empty() && self.decoder.is_at_boundary() => {
                self.fail_requests();
                self.state = State::PeerClosed;
                self.events.push_back(Event::PeerClosed);
                Ok(Step::Nothing)
            }
            None => Err(Error::UnexpectedEof {
                pending: input.len(),
            }),
        }
    }

    fn receive(&mut self, message: Message) -> Result<Step, Error> {
        match message {
            Message::KeepAlive => Ok(Step::Nothing),
            Message::Choke => Ok(self.choked()),
            Message::Unchoke => {
                let was_choked = core::mem::replace(&mut self.peer_chokes, false);
                Ok(Step::when(was_choked, Event::Unchoked))
            }
            Message::Interested => {
                let was_interested = core::mem::replace(&mut self.peer_interested, true);
                Ok(Step::when(!was_interested, Event::Interested))
            }
            Message::NotInterested => {
                let was_interested = core::mem::replace(&mut self.peer_interested, false);
                Ok(Step::when(was_interested, Event::NotInterested))
            }
            Message::Have { piece } => self.peer_has_one_more(piece),
            Message::Bitfield(octets) => self.bitfield(&octets),
            Message::HaveAll => {
                self.need_fast()?;
                self.first_word_of_pieces()?;
                self.peer_has_all = true;
                let count = self.peer_pieces.len();
                (0..count).for_each(|piece| self.peer_pieces.set(piece, true));
                Ok(Step::Event(Event::Pieces))
            }
            Message::HaveNone => {
                self.need_fast()?;
                self.first_word_of_pieces()?;
                Ok(Step::Event(Event::Pieces))
            }
            Message::Request(block) => self.requested(block),
            Message::Piece { piece, begin, data } => self.block(piece, begin, data),
            Message::Cancel(block) => Ok(self.cancelled(block)),
            Message::Reject(block) => {
                self.need_fast()?;
                Ok(self.rejected(block))
            }
            Message::Port(port) => Ok(Step::when(port != 0, Event::DhtPort { port })),
            Message::Suggest { piece } => {
                self.need_fast()?;
                self.check_piece(piece)?;
                Ok(Step::Event(Event::Suggested { piece }))
            }
            Message::AllowedFast { piece } => {
                self.need_fast()?;
                self.check_piece(piece)?;
                let is_new = !self.allowed_out.contains(&piece);
                if is_new && self.allowed_out.len() < MAX_ALLOWED_FAST {
                    self.allowed_out.push(piece);
                }
                Ok(Step::Event(Event::AllowedFast { piece }))
            }
            Message::Extended { id, payload } => {
                if !self.has_extended {
                    return Err(Error::NoExtensionProtocol);
                }
                self.extended(id, payload)
            }
            Message::HashRequest(range) => Ok(self.hashes_requested(range)),
            Message::Hashes { range, hashes } => {
                let has_all = hashes.len() >= (range.length as usize).saturating_mul(32);
                let Some(at) = self.hashes_out.iter().position(|open| *open == range) else {
                    return Ok(self.ignored(Ignored::UnsolicitedAnswer));
                };
                self.hashes_out.swap_remove(at);
                Ok(Step::Event(if has_all {
                    Event::Hashes { range, hashes }
                } else {
                    let reason = Failure::Rejected;
                    Event::HashesFailed { range, reason }
                }))
            }
            Message::HashReject(range) => {
                let Some(at) = self.hashes_out.iter().position(|open| *open == range) else {
                    return Ok(self.ignored(Ignored::UnsolicitedAnswer));
                };
                self.hashes_out.swap_remove(at);
                let reason = Failure::Rejected;
                Ok(Step::Event(Event::HashesFailed { range, reason }))
            }
            Message::Unknown { id, .. } => Ok(self.ignored(Ignored::UnknownMessage { id })),
        }
    }

    fn choked(&mut self) -> Step {
        if core::mem::replace(&mut self.peer_chokes, true) {
            return Step::Nothing;
        }
        if !self.has_fast {
            // BEP 3: what was asked for is forgotten; some of it may be under way.
            let lost = core::mem::take(&mut self.requests_out);
            let count = u32::try_from(lost.len()).unwrap_or(u32::MAX);
            self.forgiven = self.forgiven.saturating_add(count);
            for block in lost {
                let reason = Failure::Choked;
                self.events
                    .push_back(Event::RequestFailed { block, reason });
            }
        }
        Step::Event(Event::Choked)
    }

    /// BEP 3: a bitfield comes before anything else that is said of pieces.
    fn first_word_of_pieces(&mut self) -> Result<(), Error> {
        if core::mem::replace(&mut self.pieces_told, true) {
            return Err(Error::LateBitfield);
        }
        Ok(())
    }

    fn bitfield(&mut self, octets: &[u8]) -> Result<Step, Error> {
        self.first_word_of_pieces()?;
        let pieces = self.torrent.as_ref().and_then(|torrent| torrent.pieces);
        let len = match pieces {
            Some(pieces) => pieces.count,
            None => {
                self.unchecked_bitfield = Some(octets.len());
                u32::try_from(octets.len())
                    .unwrap_or(u32::MAX)
                    .saturating_mul(8)
            }
        };
        self.peer_pieces = Bitfield::from_octets(octets, len)?;
        Ok(Step::Event(Event::Pieces))
    }

    fn peer_has_one_more(&mut self, piece: u32) -> Result<Step, Error> {
        self.pieces_told = true;
        self.check_piece(piece)?;
        if piece >= self.peer_pieces.len() {
            // The torrent is not known yet.
            if piece >= self.limits.max_pieces {
                return Err(Error::NoSuchPiece { piece });
            }
            self.peer_pieces.grow(piece.saturating_add(1));
        }
        if self.peer_pieces.get(piece) {
            return Ok(Step::Nothing);
        }
        self.peer_pieces.set(piece, true);
        Ok(Step::Event(Event::Have { piece }))
    }

    fn requested(&mut self, block: Block) -> Result<Step, Error> {
        self.pieces_told = true;
        if block.len == 0 {
            return Err(Error::NoSuchBlock { block });
        }
        self.check_block(block)?;
        if self.requests_in.contains(&block) {
            return Ok(Step::Nothing);
        }
        let is_choked = self.am_choking && !self.allowed_in.contains(&block.piece);
        let open = self.requests_in.len().saturating_add(self.output.blocks());
        let is_too_much =
            open >= self.limits.max_requests_in || block.len > self.limits.max_block_len;
        if is_choked || is_too_much {
            if self.has_fast {
                self.output.message(&Message::Reject(block));
            }
            return Ok(self.ignored(Ignored::Request { block }));
        }
        self.requests_in.push_back(block);
        Ok(Step::Event(Event::Request { block }))
    }

    fn block(&mut self, piece: u32, begin: u32, data: Bytes) -> Result<Step, Error> {
        self.pieces_told = true;
        let len = u32::try_from(data.len()).unwrap_or(u32::MAX);
        let block = Block { piece, begin, len };
        let Some(at) = self.requests_out.iter().position(|open| *open == block) else {
            if self.forgiven > 0 {
                self.forgiven = self.forgiven.saturating_sub(1);
            } else {
                self.unsolicited = self.unsolicited.saturating_add(1);
                if self.unsolicited > self.limits.max_unsolicited {
                    return Err(Error::Unsolicited);
                }
            }
            return Ok(self.ignored(Ignored::Unsolicited { block }));
        };
        self.requests_out.remove(at);
        self.stats.payload_in = self.stats.payload_in.saturating_add(u64::from(len));
        Ok(Step::Event(Event::Block { block, data }))
    }

    fn cancelled(&mut self, block: Block) -> Step {
        self.pieces_told = true;
        let at = self.requests_in.iter().position(|open| *open == block);
        let was_open = at.and_then(|at| self.requests_in.remove(at)).is_some();
        let was_queued = self.output.take_back(block);
        // BEP 6: a request that is taken back is answered all the same.
        if self.has_fast && (was_open || was_queued) {
            self.output.message(&Message::Reject(block));
        }
        Step::when(was_open, Event::Cancelled { block })
    }

    fn rejected(&mut self, block: Block) -> Step {
        self.pieces_told = true;
        let Some(at) = self.requests_out.iter().position(|open| *open == block) else {
            return self.ignored(Ignored::UnsolicitedAnswer);
        };
        self.requests_out.remove(at);
        let reason = Failure::Rejected;
        Step::Event(Event::RequestFailed { block, reason })
    }

    fn extended(&mut self, extension: u8, payload: Bytes) -> Result<Step, Error> {
        match extension {
            id::HANDSHAKE => self.extended_handshake(&payload),
            id::METADATA => Ok(match MetadataMessage::parse(&payload) {
                Ok(message) => self.metadata(message),
                Err(_) => self.ignored(Ignored::Malformed { id: extension }),
            }),
            id::PEX => Ok(self.pex(&payload)),
            id::DONT_HAVE => {
                let Ok(piece) = <[u8; 4]>::try_from(&payload[..]).map(u32::from_be_bytes) else {
                    return Ok(self.ignored(Ignored::Malformed { id: extension }));
                };
                self.check_piece(piece)?;
                let had = self.peer_has(piece);
                if self.peer_has_all && piece >= self.peer_pieces.len() {
                    // All but one of an unknown number is nothing that could be kept; a request for
                    // it will be rejected.
                    return Ok(Step::Nothing);
                }
                self.peer_has_all = false;
                self.peer_pieces.set(piece, false);
                Ok(Step::when(had, Event::DontHave { piece }))
            }
            number if self.config.extensions.iter().any(|(_, own)| *own == number) => {
                Ok(Step::Event(Event::Extension { number, payload }))
            }
            id => Ok(self.ignored(Ignored::UnknownExtension { id })),
        }
    }

    fn extended_handshake(&mut self, payload: &[u8]) -> Result<Step, Error> {
        let mut handshake = ExtendedHandshake::parse(payload)?;
        let most = self.limits.max_metadata_len;
        handshake.metadata_len = handshake.metadata_len.filter(|len| *len <= most);
        // BEP 10: a later handshake may add extensions and switch others off.
        let told = |name: &str| {
            let mut all = handshake.extensions.iter();
            all.find(|(known, _)| known == name).map(|(_, id)| *id)
        };
        let known = &mut self.extensions;
        known.pex = told("ut_pex").unwrap_or(known.pex);
        known.metadata = told("ut_metadata").unwrap_or(known.metadata);
        known.dont_have = told("lt_donthave").unwrap_or(known.dont_have);
        let own = &self.config.extensions;
        self.own_extensions.resize(own.len(), 0);
        for ((name, _), id) in own.iter().zip(&mut self.own_extensions) {
            *id = told(name).unwrap_or(*id);
        }
        Ok(Step::Event(Event::Extended(Box::new(handshake))))
    }

    fn metadata(&mut self, message: MetadataMessage) -> Step {
        match message {
            MetadataMessage::Request { piece } => {
                let len = self
                    .torrent
                    .as_ref()
                    .and_then(|torrent| torrent.metadata_len);
                let is_there = len.is_some_and(|len| piece < len.div_ceil(METADATA_PIECE_LEN));
                let is_room = self.metadata_in.len() < self.limits.max_side_requests;
                if is_there && is_room && !self.metadata_in.contains(&piece) {
                    self.metadata_in.push(piece);
                    return Step::Event(Event::MetadataRequest { piece });
                }
                let id = self.extensions.metadata;
                if id != 0 {
                    let payload = MetadataMessage::Reject { piece }.encode().into();
                    self.output.message(&Message::Extended { id, payload });
                }
                self.ignored(Ignored::SideRequest)
            }
            MetadataMessage::Data {
                piece,
                total_len,
                data,
            } => match self.metadata_out.iter().position(|open| *open == piece) {
                Some(at) => {
                    self.metadata_out.swap_remove(at);
                    Step::Event(Event::Metadata {
                        piece,
                        total_len,
                        data,
                    })
                }
                None => self.ignored(Ignored::UnsolicitedAnswer),
            },
            MetadataMessage::Reject { piece } => {
                match self.metadata_out.iter().position(|open| *open == piece) {
                    Some(at) => {
                        self.metadata_out.swap_remove(at);
                        let reason = Failure::Rejected;
                        Step::Event(Event::MetadataFailed { piece, reason })
                    }
                    None => self.ignored(Ignored::UnsolicitedAnswer),
                }
            }
            MetadataMessage::Unknown { .. } => {
                self.ignored(Ignored::Malformed { id: id::METADATA })
            }
        }
    }

    fn pex(&mut self, payload: &[u8]) -> Step {
        let is_private = self
            .torrent
            .as_ref()
            .is_some_and(|torrent| torrent.is_private);
        let interval = self.limits.min_pex_interval;
        let next = self.pex_in.map(|last| last.saturating_add(interval));
        if is_private || next.is_some_and(|next| self.now < next) {
            return self.ignored(Ignored::Pex);
        }
        self.pex_in = Some(self.now);
        match Pex::parse(payload) {
            Ok(pex) => Step::Event(Event::Pex(pex)),
            Err(_) => self.ignored(Ignored::Malformed { id: id::PEX }),
        }
    }

    fn hashes_requested(&mut self, range: HashRange) -> Step {
        let is_room = self.hashes_in.len() < self.limits.max_side_requests;
        if range.is_valid() && is_room && !self.hashes_in.contains(&range) {
            self.hashes_in.push(range);
            return Step::Event(Event::HashRequest { range });
        }
        self.output.message(&Message::HashReject(range));
        self.ignored(Ignored::SideRequest)
    }

    fn need_fast(&self) -> Result<(), Error> {
        if self.has_fast {
            Ok(())
        } else {
            Err(Error::NoFastExtension)
        }
    }

    fn check_piece(&self, piece: u32) -> Result<(), Error> {
        let pieces = self.torrent.as_ref().and_then(|torrent| torrent.pieces);
        if pieces.is_some_and(|pieces| piece >= pieces.count) {
            return Err(Error::NoSuchPiece { piece });
        }
        Ok(())
    }

    fn ignored(&mut self, what: Ignored) -> Step {
        self.stats.ignored = self.stats.ignored.saturating_add(1);
        Step::Event(Event::Ignored(what))
    }
}

/// What came of a piece of input.
enum Step {
    Event(Event),
    /// Something was consumed that says nothing.
    Nothing,
    /// More has to arrive.
    Wait,
}

impl Step {
    fn when(condition: bool, event: Event) -> Self {
        if condition {
            Self::Event(event)
        } else {
            Self::Nothing
        }
    }
}
