//! The connection: its state, its output and its timers. What we say is in `commands`, what arrives
//! is handled in `receive`.

use super::config::{Config, Pieces, Torrent};
use super::output::Output;
use super::{Ask, Bitfield, Error, Event, Failure, UsageError};
use crate::Limits;
use crate::hash::PeerId;
use crate::stream::Transmit;
use crate::wire::{Block, Decoder, ExtendedHandshake, Handshake, HashRange, Message, Reserved};
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

/// The numbers that we give to the extensions that we know.
pub(super) mod id {
    pub(in crate::peer) const HANDSHAKE: u8 = 0;
    pub(in crate::peer) const PEX: u8 = 1;
    pub(in crate::peer) const METADATA: u8 = 2;
    pub(in crate::peer) const DONT_HAVE: u8 = 3;
}

/// Most pieces that are remembered as allowed fast, in each direction.
pub(super) const MAX_ALLOWED_FAST: usize = 64;

/// Counters of one connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Messages that came, keep-alives included.
    pub messages: u64,
    /// Octets that came.
    pub octets_in: u64,
    /// Octets handed to the transport.
    pub octets_out: u64,
    /// Octets of blocks that were asked for and came.
    pub payload_in: u64,
    /// Octets of blocks that were queued for the peer.
    pub payload_out: u64,
    /// Messages that changed nothing: see [`Ignored`](super::Ignored).
    pub ignored: u64,
    /// How often reading stopped because of
    /// [`Limits::max_queued_output`](crate::Limits::max_queued_output).
    pub stalls: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// We were connected to and wait for the handshake.
    Listening,
    /// The embedder is asked whether to answer it.
    Asking,
    /// Our handshake is out, the peer's is not in.
    Greeting,
    Open,
    PeerClosed,
    Failed,
    Disconnected,
}

/// The numbers that the peer gave to what we may send; 0 for what it does not know.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct PeerExtensions {
    pub(super) pex: u8,
    pub(super) metadata: u8,
    pub(super) dont_have: u8,
}

/// One connection with a peer.
///
/// ```
/// use bytes::BytesMut;
/// use core::time::Duration;
/// use proto_bittorrent::Limits;
/// use proto_bittorrent::hash::{PeerId, Sha1Hash};
/// use proto_bittorrent::peer::{Config, Connection, Event, Torrent};
/// use proto_bittorrent::stream::Transmit;
///
/// let now = Duration::ZERO; // time since an epoch of your choice
/// let torrent = Torrent::new(Sha1Hash::of(b"some info dictionary"));
/// let (alice, bob) = (Config::new(PeerId([1; 20])), Config::new(PeerId([2; 20])));
/// let mut from = Connection::outgoing(now, alice, Limits::default(), torrent.clone());
/// let mut to = Connection::incoming(now, bob, Limits::default(), 1);
///
/// let mut wire = BytesMut::new(); // a TCP connection, in earnest
/// while let Some(Transmit::Data(data)) = from.poll_transmit(now, 1500) {
///     wire.extend_from_slice(&data);
/// }
/// let Some(Event::Incoming { ask, handshake }) = to.poll_event(now, &mut wire)? else {
///     panic!("nobody came")
/// };
/// assert_eq!(handshake.info_hash, torrent.info_hash);
/// to.accept(ask, torrent)?;
/// to.interested()?;
/// while let Some(Transmit::Data(data)) = to.poll_transmit(now, 1500) {
///     wire.extend_from_slice(&data);
/// }
/// let mut said = Vec::new();
/// while let Some(event) = from.poll_event(now, &mut wire)? {
///     said.push(event);
/// }
/// assert!(matches!(said[..], [Event::Connected { .. }, Event::Extended(_), Event::Interested]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Connection {
    pub(super) config: Arc<Config>,
    pub(super) limits: Arc<Limits>,
    pub(super) torrent: Option<Torrent>,
    /// What its question bears.
    pub(super) number: u64,
    pub(super) state: State,
    pub(super) now: Duration,
    pub(super) decoder: Decoder,
    pub(super) output: Output,
    pub(super) events: VecDeque<Event>,
    pub(super) error: Option<Error>,
    /// The end of the handshake, of idling, or of lingering.
    pub(super) deadline: Option<Duration>,
    keep_alive_at: Option<Duration>,
    pub(super) eof: bool,
    pub(super) timed_out: bool,
    pub(super) stalled: bool,
    pub(super) closing: bool,
    shutdown_sent: bool,

    pub(super) peer_id: PeerId,
    pub(super) has_fast: bool,
    pub(super) has_extended: bool,
    pub(super) am_choking: bool,
    pub(super) am_interested: bool,
    pub(super) peer_chokes: bool,
    pub(super) peer_interested: bool,
    /// Whether the peer has said, or can no more say, what it has.
    pub(super) pieces_told: bool,
    /// Whether the same holds for us.
    pub(super) told_pieces: bool,
    pub(super) peer_pieces: Bitfield,
    /// Octets of a bitfield that came before the torrent was known.
    pub(super) unchecked_bitfield: Option<usize>,
    pub(super) peer_has_all: bool,
    pub(super) extensions: PeerExtensions,
    /// Numbers that the peer gave to extensions of the embedder, in the order of the configuration.
    pub(super) own_extensions: Vec<u8>,

    /// Requests of the peer that the embedder has not answered.
    pub(super) requests_in: VecDeque<Block>,
    /// Our requests without a final event.
    pub(super) requests_out: VecDeque<Block>,
    /// Pieces that the peer may ask for although it is choked.
    pub(super) allowed_in: Vec<u32>,
    /// Pieces that we may ask for although we are choked.
    pub(super) allowed_out: Vec<u32>,
    pub(super) metadata_in: Vec<u32>,
    pub(super) metadata_out: Vec<u32>,
    pub(super) hashes_in: Vec<HashRange>,
    pub(super) hashes_out: Vec<HashRange>,
    /// Blocks that may still come although nobody waits for them any more.
    pub(super) forgiven: u32,
    pub(super) unsolicited: u32,
    pub(super) pex_in: Option<Duration>,
    pub(super) pex_out: Option<Duration>,
    pub(super) stats: Stats,
}

impl Connection {
    /// A connection that we opened to talk about `torrent`. Our handshake is queued.
    #[must_use]
    pub fn outgoing(
        now: Duration,
        config: impl Into<Arc<Config>>,
        limits: impl Into<Arc<Limits>>,
        torrent: Torrent,
    ) -> Self {
        let mut connection = Self::new(now, config.into(), limits.into(), State::Greeting);
        connection.greet(torrent);
        connection
    }

    /// A connection that a peer opened. The first event is its handshake, if it has one.
    ///
    /// The [`Ask`] of that event bears `number`: give one that no other connection has, so that an
    /// answer cannot go to the wrong one.
    #[must_use]
    pub fn incoming(
        now: Duration,
        config: impl Into<Arc<Config>>,
        limits: impl Into<Arc<Limits>>,
        number: u64,
    ) -> Self {
        let mut connection = Self::new(now, config.into(), limits.into(), State::Listening);
        connection.number = number;
        connection
    }

    fn new(now: Duration, config: Arc<Config>, limits: Arc<Limits>, state: State) -> Self {
        Self {
            torrent: None,
            number: 0,
            state,
            now,
            decoder: Decoder::new(
                limits.max_block_len,
                limits.max_pieces.div_ceil(8),
                limits.max_extended_len,
            ),
            output: Output::default(),
            events: VecDeque::new(),
            error: None,
            deadline: Some(now.saturating_add(limits.handshake)),
            keep_alive_at: None,
            eof: false,
            timed_out: false,
            stalled: false,
            closing: false,
            shutdown_sent: false,
            peer_id: PeerId::default(),
            has_fast: false,
            has_extended: false,
            am_choking: true,
            am_interested: false,
            peer_chokes: true,
            peer_interested: false,
            pieces_told: false,
            told_pieces: false,
            peer_pieces: Bitfield::default(),
            unchecked_bitfield: None,
            peer_has_all: false,
            extensions: PeerExtensions::default(),
            own_extensions: Vec::new(),
            requests_in: VecDeque::new(),
            requests_out: VecDeque::new(),
            allowed_in: Vec::new(),
            allowed_out: Vec::new(),
            metadata_in: Vec::new(),
            metadata_out: Vec::new(),
            hashes_in: Vec::new(),
            hashes_out: Vec::new(),
            forgiven: 0,
            unsolicited: 0,
            pex_in: None,
            pex_out: None,
            stats: Stats::default(),
            config,
            limits,
        }
    }

    /// Talks to the peer about `torrent`: our handshake is queued.
    ///
    /// # Errors
    ///
    /// [`UsageError::Stale`] when the peer is gone, when the question is one of another connection,
    /// or when `torrent` is not what it asked for.
    pub fn accept(&mut self, ask: Ask, torrent: Torrent) -> Result<(), UsageError> {
        let asked = self.torrent.as_ref().map(|torrent| torrent.info_hash);
        if !self.waits_for(&ask) || asked != Some(torrent.info_hash) {
            return Err(UsageError::Stale);
        }
        self.greet(torrent);
        self.state = State::Open;
        self.greet_extended();
        self.restart_idle_timer();
        Ok(())
    }

    /// Ends the connection without an answer: the torrent is not known here.
    ///
    /// # Errors
    ///
    /// [`UsageError::Stale`] when the peer is gone, or when the question is one of another connection.
    pub fn reject(&mut self, ask: Ask) -> Result<(), UsageError> {
        if !self.waits_for(&ask) {
            return Err(UsageError::Stale);
        }
        self.close();
        Ok(())
    }

    fn waits_for(&self, ask: &Ask) -> bool {
        self.state == State::Asking && !self.closing && ask.connection() == self.number
    }

    /// Tells the connection how the torrent is cut, once its metadata is there. What the peer said
    /// before is checked now: a fault becomes the error of the next `poll_event`.
    pub fn learn(&mut self, pieces: Pieces, metadata_len: u32) {
        let Some(torrent) = &mut self.torrent else {
            return;
        };
        if torrent.pieces.is_some() {
            return;
        }
        torrent.pieces = Some(pieces);
        torrent.metadata_len = Some(metadata_len);
        self.fit_pieces(pieces.count);
    }

    /// Ends our side in order once all that is queued has left. Open requests fail; what still
    /// arrives is discarded.
    pub fn close(&mut self) {
        if !core::mem::replace(&mut self.closing, true) {
            self.fail_requests();
            self.drop_questions();
            self.keep_alive_at = None;
            self.deadline = Some(self.now.saturating_add(self.limits.idle));
        }
    }

    /// The next step for the transport; `Data` holds at most `budget` octets.
    #[must_use]
    pub fn poll_transmit(&mut self, now: Duration, budget: usize) -> Option<Transmit> {
        self.advance_to(now);
        if !self.output.is_empty() {
            let data = self.output.take(budget)?;
            let octets = u64::try_from(data.len()).unwrap_or(u64::MAX);
            self.stats.octets_out = self.stats.octets_out.saturating_add(octets);
            self.restart_keep_alive();
            return Some(Transmit::Data(data));
        }
        if self.closing && !self.shutdown_sent {
            self.shutdown_sent = true;
            if self.eof || matches!(self.state, State::PeerClosed | State::Disconnected) {
                self.end();
            } else {
                self.deadline = Some(self.now.saturating_add(self.limits.linger));
            }
            return Some(Transmit::Shutdown);
        }
        None
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called; may change after any call.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        match (self.deadline, self.keep_alive_at) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    /// Tells that time has passed. Calls before the deadline do nothing.
    pub fn handle_timeout(&mut self, now: Duration) {
        self.advance_to(now);
        if self.keep_alive_at.is_some_and(|at| at <= self.now) {
            if self.output.is_empty() {
                self.output.message(&Message::KeepAlive);
            }
            self.restart_keep_alive();
        }
        if self.deadline.is_none_or(|deadline| self.now < deadline) {
            return;
        }
        self.deadline = None;
        if self.closing {
            return self.abandon();
        }
        match self.state {
            State::Listening | State::Greeting | State::Open => self.timed_out = true,
            // The embedder is at work, not the peer.
            State::Asking => self.deadline = Some(self.now.saturating_add(self.limits.handshake)),
            State::PeerClosed => self.close(),
            State::Failed | State::Disconnected => {}
        }
    }

    /// The peer has closed its side; `input` may still hold messages.
    pub fn handle_eof(&mut self, now: Duration) {
        self.advance_to(now);
        self.eof = true;
        if self.closing && self.shutdown_sent {
            self.end();
        }
    }

    /// The transport is dead in both directions. Open requests fail; what we had to send is gone.
    pub fn handle_disconnect(&mut self, now: Duration) {
        self.advance_to(now);
        self.abandon();
    }

    /// False while nothing that may arrive could be handled: the embedder is asked whether to answer
    /// the peer, too many replies wait, or the peer has ended.
    #[must_use]
    pub fn wants_read(&self) -> bool {
        if self.eof {
            return false;
        }
        match self.state {
            State::Asking => self.closing,
            State::Listening | State::Greeting | State::Failed => true,
            State::Open => self.closing || !self.is_stalled(),
            State::PeerClosed | State::Disconnected => false,
        }
    }

    /// True when the connection can be dropped.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        let is_over = self.shutdown_sent && self.state == State::Disconnected;
        is_over && self.events.is_empty() && self.error.is_none()
    }

    /// What the peer has, as far as it said.
    #[must_use]
    pub fn peer_pieces(&self) -> &Bitfield {
        &self.peer_pieces
    }

    /// Whether the peer has a piece.
    #[must_use]
    pub fn peer_has(&self, piece: u32) -> bool {
        let count = self.torrent.as_ref().and_then(|torrent| torrent.pieces);
        let is_in_range = count.is_none_or(|pieces| piece < pieces.count);
        is_in_range && (self.peer_has_all || self.peer_pieces.get(piece))
    }

    /// Whether the peer answers no requests.
    #[must_use]
    pub fn is_choked(&self) -> bool {
        self.peer_chokes
    }

    /// Whether the peer wants something that we have.
    #[must_use]
    pub fn is_peer_interested(&self) -> bool {
        self.peer_interested
    }

    /// Who the peer is, once its handshake is there.
    #[must_use]
    pub fn peer_id(&self) -> PeerId {
        self.peer_id
    }

    /// Whether both sides know the fast extension (BEP 6).
    #[must_use]
    pub fn has_fast(&self) -> bool {
        self.has_fast
    }

    /// Whether the peer answers requests for metadata (BEP 9).
    #[must_use]
    pub fn knows_metadata(&self) -> bool {
        self.extensions.metadata != 0
    }

    /// Our requests without a final event, oldest first.
    pub fn open_requests(&self) -> impl ExactSizeIterator<Item = Block> {
        self.requests_out.iter().copied()
    }

    /// The bounds that were set.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// What has happened so far.
    #[must_use]
    pub const fn stats(&self) -> Stats {
        self.stats
    }

    // --- what `receive` needs too

    /// Time never runs backwards, whatever the caller says.
    pub(super) fn advance_to(&mut self, now: Duration) {
        self.now = self.now.max(now);
    }

    pub(super) fn restart_idle_timer(&mut self) {
        self.deadline = Some(self.now.saturating_add(self.limits.idle));
    }

    /// Gives back what a busy time has left: a connection that is idle takes little, whatever it was
    /// before.
    pub(super) fn release(&mut self) {
        release(&mut self.events);
        release(&mut self.requests_in);
        release(&mut self.requests_out);
    }

    fn restart_keep_alive(&mut self) {
        let is_alive = matches!(self.state, State::Open | State::PeerClosed) && !self.closing;
        self.keep_alive_at = is_alive.then(|| {
            self.now
                .saturating_add(self.config.keep_alive.max(Duration::from_secs(1)))
        });
    }

    pub(super) fn is_stalled(&self) -> bool {
        self.output.messages_len() >= self.limits.max_queued_output
    }

    /// Queues our handshake.
    fn greet(&mut self, torrent: Torrent) {
        let mut reserved = Reserved::default();
        if self.config.fast {
            reserved = reserved.with_fast();
        }
        if self.config.extended {
            reserved = reserved.with_extended();
        }
        if self.config.dht && !torrent.is_private {
            reserved = reserved.with_dht();
        }
        let handshake = Handshake {
            reserved,
            info_hash: torrent.info_hash,
            peer_id: self.config.peer_id,
        };
        handshake.encode(self.output.tail());
        if let Some(pieces) = torrent.pieces {
            self.decoder.set_max_bitfield(pieces.count.div_ceil(8));
            self.peer_pieces = Bitfield::new(pieces.count);
        }
        self.torrent = Some(torrent);
    }

    /// Queues our extended handshake, where both sides know what it is.
    pub(super) fn greet_extended(&mut self) {
        self.restart_keep_alive();
        let Some(torrent) = self.torrent.as_ref().filter(|_| self.has_extended) else {
            return;
        };
        let mut handshake = ExtendedHandshake::default();
        handshake
            .extensions
            .push(("ut_metadata".into(), id::METADATA));
        handshake
            .extensions
            .push(("lt_donthave".into(), id::DONT_HAVE));
        if !torrent.is_private {
            handshake.extensions.push(("ut_pex".into(), id::PEX));
        }
        handshake
            .extensions
            .extend(self.config.extensions.iter().cloned());
        handshake.client.clone_from(&self.config.client);
        handshake.port = self.config.port;
        handshake.your_ip = torrent.peer_ip;
        handshake.max_requests = u32::try_from(self.limits.max_requests_in).ok();
        handshake.metadata_len = torrent.metadata_len;
        handshake.is_upload_only = self.config.upload_only;
        self.output.message(&Message::Extended {
            id: id::HANDSHAKE,
            payload: handshake.encode().into(),
        });
    }

    /// Checks what the peer said of its pieces before they were known.
    fn fit_pieces(&mut self, count: u32) {
        self.decoder.set_max_bitfield(count.div_ceil(8));
        let expected = count.div_ceil(8) as usize;
        let found = self.unchecked_bitfield.take().unwrap_or(expected);
        if found != expected {
            let error = super::BitfieldError::Length { expected, found };
            return self.fail(error.into());
        }
        if self.peer_has_all {
            self.peer_pieces = Bitfield::new(count);
            (0..count).for_each(|piece| self.peer_pieces.set(piece, true));
        } else if !self.peer_pieces.resize(count) {
            let piece = self.peer_pieces.iter().last().unwrap_or(count);
            self.fail(Error::NoSuchPiece { piece });
        }
    }

    /// The end of all that is open; `error` comes after those events.
    pub(super) fn fail(&mut self, error: Error) {
        if matches!(self.state, State::Failed | State::Disconnected) {
            return;
        }
        self.fail_requests();
        self.drop_questions();
        self.error = Some(error);
        self.state = State::Failed;
        self.closing = true;
        self.keep_alive_at = None;
        self.deadline = Some(self.now.saturating_add(self.limits.linger));
    }

    /// The final events of all that we asked for.
    pub(super) fn fail_requests(&mut self) {
        let reason = Failure::Closed;
        for block in core::mem::take(&mut self.requests_out) {
            self.events
                .push_back(Event::RequestFailed { block, reason });
        }
        for piece in core::mem::take(&mut self.metadata_out) {
            self.events
                .push_back(Event::MetadataFailed { piece, reason });
        }
        for range in core::mem::take(&mut self.hashes_out) {
            self.events.push_back(Event::HashesFailed { range, reason });
        }
    }

    // --- private

    /// The questions of the peer are over: nobody waits for an answer.
    fn drop_questions(&mut self) {
        self.requests_in.clear();
        self.metadata_in.clear();
        self.hashes_in.clear();
    }

    /// Both sides have ended.
    fn end(&mut self) {
        self.state = State::Disconnected;
        self.deadline = None;
        self.keep_alive_at = None;
    }

    fn abandon(&mut self) {
        self.fail_requests();
        self.drop_questions();
        self.end();
        self.error = None;
        self.output.clear();
        self.closing = true;
        self.shutdown_sent = true;
    }
}

/// Gives back the memory of a queue that is empty, unless it is hardly any.
pub(super) fn release<T>(queue: &mut VecDeque<T>) {
    const KEPT: usize = 4;
    if queue.is_empty() && queue.capacity() > KEPT {
        *queue = VecDeque::new();
    }
}
