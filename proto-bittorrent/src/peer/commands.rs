//! What we say to the peer: the commands of a connection. They only queue.

use super::connection::{Connection, MAX_ALLOWED_FAST, State};
use super::{Bitfield, Error, Event, Failure, UsageError};
use crate::wire::{Block, HashRange, METADATA_PIECE_LEN, Message, MetadataMessage, Pex};
use bytes::Bytes;
use core::time::Duration;

/// BEP 11: no more than one message a minute.
const PEX_INTERVAL: Duration = Duration::from_secs(60);

impl Connection {
    /// Stops answering requests. Those that are open are rejected, or dropped where the fast
    /// extension is not known; they need no answer any more. Pieces allowed fast stay.
    ///
    /// # Errors
    ///
    /// [`UsageError::NotOpen`].
    pub fn choke(&mut self) -> Result<(), UsageError> {
        self.check_open()?;
        if core::mem::replace(&mut self.am_choking, true) {
            return Ok(());
        }
        self.output.message(&Message::Choke);
        let mut dropped = self.output.take_back_all(&self.allowed_in);
        let allowed = &self.allowed_in;
        self.requests_in.retain(|block| {
            let is_kept = allowed.contains(&block.piece);
            if !is_kept {
                dropped.push_back(*block);
            }
            is_kept
        });
        if self.has_fast {
            for block in dropped {
                self.output.message(&Message::Reject(block));
            }
        }
        Ok(())
    }

    /// Begins to answer requests.
    ///
    /// # Errors
    ///
    /// [`UsageError::NotOpen`].
    pub fn unchoke(&mut self) -> Result<(), UsageError> {
        self.check_open()?;
        if core::mem::replace(&mut self.am_choking, false) {
            self.output.message(&Message::Unchoke);
        }
        Ok(())
    }

    /// Says that the peer has something that we want.
    ///
    /// # Errors
    ///
    /// [`UsageError::NotOpen`].
    pub fn interested(&mut self) -> Result<(), UsageError> {
        self.check_open()?;
        if !core::mem::replace(&mut self.am_interested, true) {
            self.output.message(&Message::Interested);
        }
        Ok(())
    }

    /// Says that the peer has nothing that we want.
    ///
    /// # Errors
    ///
    /// [`UsageError::NotOpen`].
    pub fn not_interested(&mut self) -> Result<(), UsageError> {
        self.check_open()?;
        if core::mem::replace(&mut self.am_interested, false) {
            self.output.message(&Message::NotInterested);
        }
        Ok(())
    }

    /// Says all that we have, in the shortest way that both sides know. Before anything else is said
    /// of pieces; a peer that is told nothing thinks that we have nothing.
    ///
    /// # Errors
    ///
    /// [`UsageError::NotOpen`], [`UsageError::NotFirst`], [`UsageError::Length`] when `pieces` does
    /// not fit the torrent.
    pub fn tell_pieces(&mut self, pieces: &Bitfield) -> Result<(), UsageError> {
        self.check_open()?;
        if self.told_pieces {
            return Err(UsageError::NotFirst);
        }
        let count = self.torrent.as_ref().and_then(|torrent| torrent.pieces);
        if count.is_some_and(|known| known.count != pieces.len()) {
            return Err(UsageError::Length);
        }
        self.told_pieces = true;
        if self.has_fast && pieces.is_full() && !pieces.is_empty() {
            self.output.message(&Message::HaveAll);
        } else if !pieces.is_empty() {
            let octets = Bytes::copy_from_slice(pieces.as_octets());
            self.output.message(&Message::Bitfield(octets));
        } else if self.has_fast {
            self.output.message(&Message::HaveNone);
        }
        Ok(())
    }

    /// Says that we have one more piece.
    ///
    /// # Errors
    ///
    /// [`UsageError::NotOpen`].
    pub fn have(&mut self, piece: u32) -> Result<(), UsageError> {
        self.check_open()?;
        self.told_pieces = true;
        self.output.message(&Message::Have { piece });
        Ok(())
    }

    /// Says that we have one piece less (BEP 54).
    ///
    /// # Errors
    ///
    /// [`UsageError::NotOpen`], [`UsageError::NotSupported`].
    pub fn dont_have(&mut self, piece: u32) -> Result<(), UsageError> {
        self.check_open()?;
        self.told_pieces = true;
        let payload = Bytes::copy_from_slice(&piece.to_be_bytes());
        self.send_extended(self.extensions.dont_have, payload)
    }

    /// Asks for a block. Exactly one final event follows: [`Event::Block`] or
    /// [`Event::RequestFailed`].
    ///
    /// # Errors
    ///
    /// [`UsageError`]; then no event follows.
    pub fn request(&mut self, block: Block) -> Result<(), UsageError> {
        self.check_open()?;
        if self.state == State::PeerClosed {
            return Err(UsageError::NotOpen);
        }
        if self.peer_chokes && !(self.has_fast && self.allowed_out.contains(&block.piece)) {
            return Err(UsageError::Choked);
        }
        if !self.peer_has(block.piece) {
            return Err(UsageError::NotThere(block.piece));
        }
        let is_wrong = block.len == 0
            || block.len > self.limits.max_block_len
            || self.check_block(block).is_err()
            || self.requests_out.contains(&block);
        if is_wrong {
            return Err(UsageError::Request);
        }
        if self.requests_out.len() >= self.limits.max_requests_out {
            return Err(UsageError::TooManyRequests);
        }
        self.requests_out.push_back(block);
        self.output.message(&Message::Request(block));
        Ok(())
    }

    /// Takes a request back. Its final event still follows: the block, if it was under way, or a
    /// failure.
    ///
    /// # Errors
    ///
    /// [`UsageError::NotOpen`], [`UsageError::Stale`].
    pub fn cancel(&mut self, block: Block) -> Result<(), UsageError> {
        self.check_open()?;
        let at = self.requests_out.iter().position(|open| *open == block);
        let at = at.ok_or(UsageError::Stale)?;
        self.output.message(&Message::Cancel(block));
        if !self.has_fast {
            // Nothing tells whether the block comes all the same.
            self.requests_out.remove(at);
            self.forgiven = self.forgiven.saturating_add(1);
            self.events.push_back(Event::RequestFailed {
                block,
                reason: Failure::Cancelled,
            });
        }
        Ok(())
    }

    /// Answers a request of the peer. The data is not copied, and stays in the queue until the
    /// transport can take it: a request that is taken back until then costs nothing.
    ///
    /// # Errors
    ///
    /// [`UsageError::Length`] when the data is not as long as the block; [`UsageError::Stale`] when
    /// the request is not open any more.
    pub fn send_block(&mut self, block: Block, data: Bytes) -> Result<(), UsageError> {
        self.check_open()?;
        if usize::try_from(block.len).ok() != Some(data.len()) {
            return Err(UsageError::Length);
        }
        self.settle_request(block)?;
        self.stats.payload_out = self.stats.payload_out.saturating_add(u64::from(block.len));
        self.output.block(block, data);
        Ok(())
    }

    /// Leaves a request of the peer unanswered; with the fast extension the peer is told.
    ///
    /// # Errors
    ///
    /// [`UsageError::NotOpen`], [`UsageError::Stale`].
    pub fn reject_request(&mut self, block: Block) -> Result<(), UsageError> {
        self.check_open()?;
        self.settle_request(block)?;
        if self.has_fast {
            self.output.message(&Message::Reject(block));
        }
        Ok(())
    }

    /// Suggests a piece (BEP 6).
    ///
    /// # Errors
    ///
    /// [`UsageError::NotOpen`], [`UsageError::NotSupported`].
    pub fn suggest(&mut self, piece: u32) -> Result<(), UsageError> {
        self.check_fast()?;
        self.output.message(&Message::Suggest { piece });
        Ok(())
    }

    /// Lets the peer ask for a piece although it is choked (BEP 6). At most 64 pieces.
    ///
    /// # Errors
    ///
    /// [`UsageError::NotOpen`], [`UsageError::NotSupported`], [`UsageError::TooManyRequests`].
    pub fn allow_fast(&mut self, piece: u32) -> Result<(), UsageError> {
        self.check_fast()?;
        if self.allowed_in.contains(&piece) {
            return Ok(());
        }
        if self.allowed_in.len() >= MAX_ALLOWED_FAST {
            return Err(UsageError::TooManyRequests);
        }
        self.allowed_in.push(piece);
        self.output.message(&Message::AllowedFast { piece });
        Ok(())
    }

    /// Tells the port of our node of the DHT (BEP 5).
    ///
    /// # Errors
    ///
    /// [`UsageError::NotOpen`].
    pub fn dht_port(&mut self, port: u16) -> Result<(), UsageError> {
        self.check_open()?;
        self.output.message(&Message::Port(port));
        Ok(())
    }

    /// Asks for a piece of the metadata (BEP 9). Exactly one final event follows:
    /// [`Event::Metadata`] or [`Event::MetadataFailed`].
    ///
    /// # Errors
    ///
    /// [`UsageError`]; then no event follows.
    pub fn request_metadata(&mut self, piece: u32) -> Result<(), UsageError> {
        self.check_open()?;
        if self.metadata_out.contains(&piece) || self.state == State::PeerClosed {
            return Err(UsageError::Request);
        }
        if self.metadata_out.len() >= self.limits.max_side_requests {
            return Err(UsageError::TooManyRequests);
        }
        let payload = MetadataMessage::Request { piece }.encode();
        self.send_extended(self.extensions.metadata, payload.into())?;
        self.metadata_out.push(piece);
        Ok(())
    }

    /// Answers a request for metadata with the right piece of `info`, the whole info dictionary.
    ///
    /// # Errors
    ///
    /// [`UsageError::Length`] when `info` is not as long as the torrent says;
    /// [`UsageError::Stale`] when the request is not open any more.
    pub fn send_metadata(&mut self, piece: u32, info: &Bytes) -> Result<(), UsageError> {
        self.check_open()?;
        let total_len = self
            .torrent
            .as_ref()
            .and_then(|torrent| torrent.metadata_len);
        let total_len = total_len
            .filter(|len| usize::try_from(*len).ok() == Some(info.len()))
            .ok_or(UsageError::Length)?;
        self.settle_metadata(piece)?;
        let start = piece.saturating_mul(METADATA_PIECE_LEN).min(total_len);
        let end = start.saturating_add(METADATA_PIECE_LEN).min(total_len);
        let head = MetadataMessage::Data {
            piece,
            total_len,
            data: Bytes::new(),
        };
        let data = info.slice(start as usize..end as usize);
        self.output
            .extended(self.extensions.metadata, &head.encode(), data);
        Ok(())
    }

    /// Leaves a request for metadata unanswered, and says so.
    ///
    /// # Errors
    ///
    /// [`UsageError::NotOpen`], [`UsageError::Stale`].
    pub fn reject_metadata(&mut self, piece: u32) -> Result<(), UsageError> {
        self.check_open()?;
        self.settle_metadata(piece)?;
        let payload = MetadataMessage::Reject { piece }.encode();
        self.send_extended(self.extensions.metadata, payload.into())
    }

    /// Tells the peer of others (BEP 11): once a minute at most, and never in a private torrent.
    ///
    /// # Errors
    ///
    /// [`UsageError::NotOpen`], [`UsageError::NotSupported`], [`UsageError::Pex`].
    pub fn send_pex(&mut self, pex: &Pex) -> Result<(), UsageError> {
        self.check_open()?;
        let is_private = self
            .torrent
            .as_ref()
            .is_some_and(|torrent| torrent.is_private);
        let next = self.pex_out.map(|last| last.saturating_add(PEX_INTERVAL));
        if is_private || next.is_some_and(|next| self.now < next) {
            return Err(UsageError::Pex);
        }
        self.send_extended(self.extensions.pex, pex.encode().into())?;
        self.pex_out = Some(self.now);
        Ok(())
    }

    /// Sends a message of an extension of yours: one of
    /// [`Config::extensions`](super::Config::extensions), which the peer has to know too.
    ///
    /// # Errors
    ///
    /// [`UsageError::NotOpen`], [`UsageError::NotSupported`].
    pub fn send_extension(&mut self, number: u8, payload: Bytes) -> Result<(), UsageError> {
        self.check_open()?;
        let mut own = self.config.extensions.iter().zip(&self.own_extensions);
        let known = own.find(|((_, own), _)| *own == number);
        let id = known.map(|(_, id)| *id).ok_or(UsageError::NotSupported)?;
        self.send_extended(id, payload)
    }

    /// Asks for nodes of a merkle tree (BEP 52). Exactly one final event follows: [`Event::Hashes`]
    /// or [`Event::HashesFailed`].
    ///
    /// # Errors
    ///
    /// [`UsageError`]; then no event follows.
    pub fn request_hashes(&mut self, range: HashRange) -> Result<(), UsageError> {
        self.check_open()?;
        let is_closed = self.state == State::PeerClosed;
        if !range.is_valid() || self.hashes_out.contains(&range) || is_closed {
            return Err(UsageError::Request);
        }
        if self.hashes_out.len() >= self.limits.max_side_requests {
            return Err(UsageError::TooManyRequests);
        }
        self.hashes_out.push(range);
        self.output.message(&Message::HashRequest(range));
        Ok(())
    }

    /// Answers a request for nodes: those of the range, then those of the proof, 32 octets each.
    ///
    /// # Errors
    ///
    /// [`UsageError::Length`] when there are fewer than asked for, or no whole ones;
    /// [`UsageError::Stale`] when the request is not open any more.
    pub fn send_hashes(&mut self, range: HashRange, hashes: Bytes) -> Result<(), UsageError> {
        self.check_open()?;
        let least = (range.length as usize).saturating_mul(32);
        if hashes.len() < least || !hashes.len().is_multiple_of(32) {
            return Err(UsageError::Length);
        }
        self.settle_hashes(range)?;
        self.output.message(&Message::Hashes { range, hashes });
        Ok(())
    }

    /// Leaves a request for nodes unanswered, and says so.
    ///
    /// # Errors
    ///
    /// [`UsageError::NotOpen`], [`UsageError::Stale`].
    pub fn reject_hashes(&mut self, range: HashRange) -> Result<(), UsageError> {
        self.check_open()?;
        self.settle_hashes(range)?;
        self.output.message(&Message::HashReject(range));
        Ok(())
    }

    // --- what `receive` needs too

    /// Whether a block lies in the torrent, as far as that is known.
    pub(super) fn check_block(&self, block: Block) -> Result<(), Error> {
        let Some(pieces) = self.torrent.as_ref().and_then(|torrent| torrent.pieces) else {
            return Ok(());
        };
        if block.piece >= pieces.count {
            return Err(Error::NoSuchPiece { piece: block.piece });
        }
        let end = block.begin.checked_add(block.len);
        if end.is_none_or(|end| end > pieces.len) {
            return Err(Error::NoSuchBlock { block });
        }
        Ok(())
    }

    // --- private

    fn check_open(&self) -> Result<(), UsageError> {
        let is_open = matches!(self.state, State::Open | State::PeerClosed);
        if is_open && !self.closing {
            Ok(())
        } else {
            Err(UsageError::NotOpen)
        }
    }

    fn check_fast(&self) -> Result<(), UsageError> {
        self.check_open()?;
        if self.has_fast {
            Ok(())
        } else {
            Err(UsageError::NotSupported)
        }
    }

    fn send_extended(&mut self, id: u8, payload: Bytes) -> Result<(), UsageError> {
        if id == 0 {
            return Err(UsageError::NotSupported);
        }
        self.output.extended(id, &[], payload);
        Ok(())
    }

    fn settle_request(&mut self, block: Block) -> Result<(), UsageError> {
        let at = self.requests_in.iter().position(|open| *open == block);
        at.and_then(|at| self.requests_in.remove(at))
            .map(drop)
            .ok_or(UsageError::Stale)
    }

    fn settle_metadata(&mut self, piece: u32) -> Result<(), UsageError> {
        let at = self.metadata_in.iter().position(|open| *open == piece);
        at.map(|at| self.metadata_in.swap_remove(at))
            .map(drop)
            .ok_or(UsageError::Stale)
    }

    fn settle_hashes(&mut self, range: HashRange) -> Result<(), UsageError> {
        let at = self.hashes_in.iter().position(|open| *open == range);
        at.map(|at| self.hashes_in.swap_remove(at))
            .map(drop)
            .ok_or(UsageError::Stale)
    }
}
