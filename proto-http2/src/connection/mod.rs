//! One connection, client or server.
//!
//! ```text
//!   Preface ---- SETTINGS ----> Open ---- close(), GOAWAY ----> draining ---- no streams ----+
//!      |                         |                                                            v
//!      +------ a fault ----------+--------------------------> Fused -- output empty --> Shutdown
//!                                                                                           |
//!                                                              EOF or linger --> Closed <---+
//!
//!   the states of a stream (RFC 9113 section 5.1) as two halves:
//!
//!             local                                    remote
//!   Begun ---- head ----> Body ---- END ---> Ended    Begun ---- head ----> Body ---- END ---> Ended
//!     ^                                                 ^
//!     | respond                                         | response
//!   Reserved (we pushed)                              Reserved (the peer pushed)
//!
//!   open: neither Ended    half-closed: one Ended    closed: both, or RST_STREAM either way
//! ```

mod budget;
mod receive;
mod send;
mod streams;
mod timers;
mod upgrade;

use crate::TlsInfo;
use crate::config::{Config, Scheduling};
use crate::error::{Error, Reason};
use crate::event::{Event, StreamEnd, StreamId};
use crate::flow::{ReceiveWindow, SendWindow};
use crate::hpack::{Decoder, Encoder};
use crate::limits::{Limit, Limits};
use crate::num::{to_u64, to_usize};
use crate::priority::{Fair, Scheduler, Tree, Urgency};
use crate::wire::{DEFAULT_WINDOW, ErrorCode, Frame, PREFACE, Settings};
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use budget::Budget;
use bytes::{Buf, Bytes, BytesMut};
use core::time::Duration;
use streams::{Half, Past, Stream, Streams};
use timers::Deadlines;

/// Counters of one connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Octets taken.
    pub octets_in: u64,
    /// Octets given out.
    pub octets_out: u64,
    /// Frames taken.
    pub frames_in: u64,
    /// Streams opened, by either side.
    pub streams: u64,
    /// Streams reset because the peer broke a rule.
    pub faults: u64,
    /// Octets of DATA taken, padding included: what flow control counts.
    pub flow_received: u64,
    /// Of those, the octets that were released.
    pub flow_released: u64,
    /// Limits tripped.
    pub limits_tripped: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// So many octets of the client's preface were seen.
    Preface(usize),
    /// The first frame has to be SETTINGS.
    FirstFrame,
    Open,
    /// After an error.
    Fused,
    /// Dead both ways, or done.
    Closed,
}

/// A header block of which more is to come.
#[derive(Debug)]
struct Block {
    head: receive::BlockHead,
    octets: Vec<u8>,
    continuations: u32,
}

#[derive(Debug)]
struct Budgets {
    resets: Budget,
    errors: Budget,
    pings: Budget,
    settings: Budget,
    priorities: Budget,
    window_updates: Budget,
    empty_frames: Budget,
    small_frames: Budget,
    unknown_frames: Budget,
}

#[derive(Clone, Copy, Debug, Default)]
struct Flags {
    eof: bool,
    eof_told: bool,
    /// `close()` was called, or the idle time is over.
    closing: bool,
    goaway_sent: bool,
    shutdown_sent: bool,
    settings_seen: bool,
    /// The last GOAWAY, the one that names the last stream, is queued.
    final_goaway_sent: bool,
    /// A stream has data that stayed with the caller because other streams had filled the buffer.
    crowded: bool,
}

/// One HTTP/2 connection, seen from one side.
#[derive(Debug)]
pub struct Connection {
    is_server: bool,
    config: Arc<Config>,
    limits: Arc<Limits>,
    phase: Phase,
    decoder: Decoder,
    encoder: Encoder,
    /// In force.
    local: Settings,
    /// Sent, and when they have to be acknowledged.
    in_flight: VecDeque<(Settings, Duration)>,
    remote: Settings,
    streams: Streams,
    scheduler: Box<dyn Scheduler>,
    scheduling: Scheduling,
    /// Priorities of streams that are not open yet (RFC 9218 section 7).
    early: Vec<(u32, crate::priority::Priority)>,
    send: SendWindow,
    receive: ReceiveWindow,
    window_target: u32,
    stream_target: u32,
    /// The octets received when a round trip was begun.
    bandwidth_probe: Option<(u64, u64)>,
    /// When the next round trip may be begun.
    next_probe: Duration,
    /// Frames that are not DATA, in order.
    control: BytesMut,
    /// Octets of answers that we owe, in `control`.
    replies: usize,
    /// Given out next: what is left of a piece, and the payload that follows it.
    ready: Bytes,
    tail: Bytes,
    scratch: Vec<u8>,
    queued: usize,
    sent_since_stall: u64,
    events: VecDeque<Event>,
    failure: Option<Error>,
    block: Option<Box<Block>>,
    /// Octets of a payload that are passed over.
    skip: usize,
    pings: VecDeque<(u64, Duration)>,
    next_ping: u64,
    /// The last stream that the peer will work on, after its GOAWAY.
    peer_last: Option<u32>,
    /// The last stream of our GOAWAY.
    last_told: u32,
    /// Streams of which all was said, when what is in `control` has left.
    settling: Vec<u32>,
    budgets: Budgets,
    deadlines: Deadlines,
    flags: Flags,
    now: Duration,
    stats: Stats,
}

/// Answers to an automatic PING, apart from those of the embedder.
const PROBE: u64 = 1 << 63;

impl Connection {
    /// The client's side of a connection that begins at `now`; preface and SETTINGS are queued.
    ///
    /// Configuration and limits may be shared by all connections: pass an `Arc`.
    #[must_use]
    pub fn client(
        now: Duration,
        config: impl Into<Arc<Config>>,
        limits: impl Into<Arc<Limits>>,
    ) -> Self {
        Self::new(now, false, config.into(), limits.into())
    }

    /// The server's side of a connection that begins at `now`; SETTINGS are queued.
    #[must_use]
    pub fn server(
        now: Duration,
        config: impl Into<Arc<Config>>,
        limits: impl Into<Arc<Limits>>,
    ) -> Self {
        Self::new(now, true, config.into(), limits.into())
    }

    fn new(now: Duration, is_server: bool, config: Arc<Config>, limits: Arc<Limits>) -> Self {
        let target = config
            .connection_window
            .clamp(DEFAULT_WINDOW, crate::wire::MAX_WINDOW);
        let budget = Budget::new(now);
        let scheduling = match config.scheduling {
            Scheduling::Auto => Scheduling::Fair,
            other => other,
        };
        let mut connection = Self {
            is_server,
            phase: if is_server {
                Phase::Preface(0)
            } else {
                Phase::FirstFrame
            },
            decoder: Decoder::new(4096),
            encoder: Encoder::new(config.encoder_table_size),
            local: Settings::default(),
            in_flight: VecDeque::new(),
            remote: Settings::default(),
            streams: Streams::default(),
            scheduler: make_scheduler(scheduling, &limits),
            scheduling,
            early: Vec::new(),
            send: SendWindow::new(DEFAULT_WINDOW),
            receive: ReceiveWindow::new(DEFAULT_WINDOW),
            window_target: target,
            stream_target: DEFAULT_WINDOW,
            bandwidth_probe: None,
            next_probe: now,
            control: BytesMut::new(),
            replies: 0,
            ready: Bytes::new(),
            tail: Bytes::new(),
            scratch: Vec::new(),
            queued: 0,
            sent_since_stall: 0,
            events: VecDeque::new(),
            failure: None,
            block: None,
            skip: 0,
            pings: VecDeque::new(),
            next_ping: 0,
            peer_last: None,
            last_told: crate::wire::MAX_STREAM_ID,
            settling: Vec::new(),
            budgets: Budgets {
                resets: budget,
                errors: budget,
                pings: budget,
                settings: budget,
                priorities: budget,
                window_updates: budget,
                empty_frames: budget,
                small_frames: budget,
                unknown_frames: budget,
            },
            deadlines: Deadlines {
                handshake: Some(now.saturating_add(limits.handshake)),
                ..Deadlines::default()
            },
            flags: Flags::default(),
            now,
            stats: Stats::default(),
            config,
            limits,
        };
        if !is_server {
            connection.control.extend_from_slice(PREFACE);
        }
        let ours = settings(&connection.config, &connection.limits, is_server);
        connection.put_settings(ours);
        // The first settings bind the peer from the start, before it has acknowledged them, only
        // where they are larger than what it assumes.
        connection.local.max_frame_size = ours.max_frame_size;
        if let Some(increment) = target.checked_sub(DEFAULT_WINDOW).filter(|more| *more > 0) {
            let _ = connection.receive.update(target);
            connection.receive = ReceiveWindow::new(target);
            connection.put(Frame::WindowUpdate {
                stream: 0,
                increment,
            });
        }
        connection
    }

    /// Takes what it can from the front of `input` and returns the next event, if there is one.
    ///
    /// `input` is the embedder's read buffer; between calls it may only grow at its end.
    ///
    /// # Errors
    ///
    /// [`Error`] once, after every event that came before it. Then the machine is fused: it only
    /// discards input, and its GOAWAY leaves.
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
            if let Some(error) = self.failure.take() {
                self.discard(input);
                return Err(error);
            }
            match self.phase {
                Phase::Fused | Phase::Closed => {
                    self.discard(input);
                    return Ok(None);
                }
                _ if self.replies > self.limits.max_queued_replies => return Ok(None),
                Phase::Preface(_) | Phase::FirstFrame | Phase::Open => {
                    let before = input.len();
                    let has_more = self.receive_some(input);
                    let taken = to_u64(before.saturating_sub(input.len()));
                    self.stats.octets_in = self.stats.octets_in.saturating_add(taken);
                    if !has_more && self.events.is_empty() && self.failure.is_none() {
                        if !self.flags.eof || self.flags.eof_told {
                            return Ok(None);
                        }
                        self.at_eof(input);
                    }
                }
            }
        }
    }

    /// The peer has closed its side; `input` may still hold frames.
    pub fn handle_eof(&mut self, now: Duration) {
        self.advance_to(now);
        self.flags.eof = true;
        if self.phase == Phase::Fused && self.flags.shutdown_sent {
            self.shut();
        }
    }

    /// The transport is dead in both directions. Each open stream has its last event.
    pub fn handle_disconnect(&mut self, now: Duration) {
        self.advance_to(now);
        if self.phase == Phase::Closed {
            return;
        }
        self.flags.eof = true;
        self.flags.eof_told = true;
        self.lose_streams();
        self.shut();
    }

    /// Tells what TLS established. HTTP/2 asks nothing of it here: whoever chose this machine has
    /// looked at ALPN.
    pub fn handle_tls_established(&mut self, now: Duration, tls: TlsInfo) {
        self.advance_to(now);
        let _ = tls;
    }

    /// Ends the connection in order: no new streams, GOAWAY, and Shutdown once all streams are done.
    pub fn close(&mut self) {
        if self.flags.closing || matches!(self.phase, Phase::Fused | Phase::Closed) {
            return;
        }
        self.flags.closing = true;
        self.flags.goaway_sent = true;
        // RFC 9113 section 6.8: first a notice, so that what is under way is not lost.
        if self.is_server && !self.flags.eof {
            self.put_goaway(crate::wire::MAX_STREAM_ID, ErrorCode::NO_ERROR);
            self.put_ping(PROBE | 1);
            self.deadlines.notice = Some(self.now.saturating_add(self.limits.ping_answer));
        } else {
            self.put_last_goaway();
        }
        self.watch();
    }

    /// False while so many answers wait to be sent that no more questions are taken, and when the
    /// connection is over.
    #[must_use]
    pub fn wants_read(&self) -> bool {
        self.phase != Phase::Closed
            && !self.flags.eof
            && self.replies <= self.limits.max_queued_replies
    }

    /// True when the connection can be dropped.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.phase == Phase::Closed && self.events.is_empty() && self.failure.is_none()
    }

    /// Counters.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.stats
    }

    /// What the peer may cost.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The peer's settings in force.
    #[must_use]
    pub fn remote_settings(&self) -> &Settings {
        &self.remote
    }

    /// Our settings in force: those that the peer has acknowledged.
    #[must_use]
    pub fn local_settings(&self) -> &Settings {
        &self.local
    }

    fn advance_to(&mut self, now: Duration) {
        self.now = self.now.max(now);
    }

    fn make_stream(&self, id: u32) -> Stream {
        let receive = ReceiveWindow::new(self.local.initial_window_size);
        Stream::new(
            id,
            SendWindow::new(self.remote.initial_window_size),
            receive,
        )
    }

    fn put(&mut self, frame: Frame<'_>) {
        frame.encode(&mut self.control);
    }

    /// Queues a frame that the peer's own frames cause.
    fn put_reply(&mut self, frame: Frame<'_>) {
        let before = self.control.len();
        frame.encode(&mut self.control);
        let octets = self.control.len().saturating_sub(before);
        self.replies = self.replies.saturating_add(octets);
    }

    /// RFC 9113 section 6.8: the last stream never grows.
    fn put_goaway(&mut self, last: u32, code: ErrorCode) {
        self.last_told = self.last_told.min(last);
        self.put(Frame::GoAway {
            last_stream: self.last_told,
            code,
            debug: b"",
        });
    }

    /// The GOAWAY after which nothing new is taken: the notice has arrived, or there was time.
    fn put_last_goaway(&mut self) {
        self.deadlines.notice = None;
        if !self.flags.final_goaway_sent {
            self.flags.final_goaway_sent = true;
            self.put_goaway(self.streams.theirs, ErrorCode::NO_ERROR);
        }
    }

    fn put_settings(&mut self, new: Settings) {
        let old = self
            .in_flight
            .back()
            .map_or(self.local, |&(settings, _)| settings);
        let mut payload = Vec::new();
        for setting in new.changes(&old) {
            payload.extend_from_slice(&setting.id.0.to_be_bytes());
            payload.extend_from_slice(&setting.value.to_be_bytes());
        }
        self.put(Frame::Settings {
            ack: false,
            payload: &payload,
        });
        let deadline = self.now.saturating_add(self.limits.settings_ack);
        self.in_flight.push_back((new, deadline));
    }

    fn put_ping(&mut self, id: u64) {
        let opaque = id.to_be_bytes();
        self.put(Frame::Ping { ack: false, opaque });
        self.pings.push_back((id, self.now));
    }

    /// Ends the connection with an error.
    fn fail(&mut self, code: ErrorCode, reason: Reason) {
        if matches!(self.phase, Phase::Fused | Phase::Closed) {
            return;
        }
        self.put_goaway(self.streams.theirs, code);
        self.lose_streams();
        self.block = None;
        self.in_flight.clear();
        self.pings.clear();
        self.replies = 0;
        self.failure = Some(Error { code, reason });
        self.phase = Phase::Fused;
        self.deadlines = Deadlines {
            linger: Some(self.now.saturating_add(self.limits.linger)),
            ..Deadlines::default()
        };
    }

    fn trip(&mut self, limit: Limit, value: u64, allowed: u64) {
        self.stats.limits_tripped = self.stats.limits_tripped.saturating_add(1);
        self.events.push_back(Event::LimitTripped {
            limit,
            value,
            allowed,
        });
        self.fail(ErrorCode::ENHANCE_YOUR_CALM, Reason::Limit(limit));
    }

    /// Gives each open stream its last event.
    fn lose_streams(&mut self) {
        for id in self.streams.ids() {
            self.end_stream(id, Past::Ended, StreamEnd::ConnectionLost);
        }
    }

    /// Takes a stream out, with its last event.
    fn end_stream(&mut self, id: u32, past: Past, end: StreamEnd) {
        let Some(stream) = self.streams.remove(id, past) else {
            return;
        };
        self.queued = self.queued.saturating_sub(stream.queued);
        self.tell_crowded();
        if stream.is_ready {
            self.scheduler.rest(id);
        }
        if stream.is_reserved() {
            self.streams.reserved = self.streams.reserved.saturating_sub(1);
        }
        self.scheduler.close(id);
        // What was received and not released is not needed any more.
        let held = stream.receive.held();
        if held > 0 {
            self.release_connection(held);
        }
        self.events.push_back(Event::Closed {
            id: StreamId(id),
            end,
        });
        self.watch();
    }

    /// Resets a stream because the peer broke a rule on it.
    fn stream_fault(&mut self, id: u32, code: ErrorCode, end: StreamEnd) {
        self.stats.faults = self.stats.faults.saturating_add(1);
        self.put_reply(Frame::RstStream { stream: id, code });
        if self.streams.get(id).is_some() {
            self.end_stream(id, Past::Reset, end);
        } else {
            self.streams.remember(id, Past::Reset);
        }
        // RFC 9113 section 10.5; MadeYouReset: resets that the peer provokes are counted.
        if !self.budgets.errors.take(self.limits.errors, self.now) {
            let allowed = u64::from(self.limits.errors.burst);
            self.trip(Limit::Errors, allowed.saturating_add(1), allowed);
        }
    }

    fn release_connection(&mut self, octets: u32) {
        self.receive.release(octets);
        self.stats.flow_released = self.stats.flow_released.saturating_add(u64::from(octets));
        if let Some(increment) = self.receive.update(self.window_target) {
            self.put_reply(Frame::WindowUpdate {
                stream: 0,
                increment,
            });
        }
    }

    /// Whether all is said that there was to say.
    fn is_done(&self) -> bool {
        let has_said = self.flags.closing && self.flags.final_goaway_sent;
        let ends = has_said || (self.flags.eof && self.flags.eof_told);
        self.phase == Phase::Fused || (ends && self.streams.is_empty())
    }

    fn discard(&mut self, input: &mut BytesMut) {
        let len = to_u64(input.len());
        self.stats.octets_in = self.stats.octets_in.saturating_add(len);
        input.clear();
    }

    fn at_eof(&mut self, input: &mut BytesMut) {
        self.flags.eof_told = true;
        let is_inside = !input.is_empty()
            || self.block.is_some()
            || self.skip > 0
            || matches!(self.phase, Phase::Preface(1..))
            || self.streams.iter_mut().any(|stream| {
                // A client that has ended may still read; what it has not ended is cut off, and a
                // promise that was not kept.
                stream.remote != Half::Ended
            });
        self.discard(input);
        if is_inside {
            self.fail(ErrorCode::NO_ERROR, Reason::UnexpectedEof);
        } else {
            self.deadlines = Deadlines {
                stall: self.deadlines.stall,
                ..Deadlines::default()
            };
            self.pings.clear();
            self.events.push_back(Event::PeerClosed);
        }
    }

    /// Nothing goes in or out any more.
    fn shut(&mut self) {
        self.lose_streams();
        self.phase = Phase::Closed;
        self.control = BytesMut::new();
        self.ready = Bytes::new();
        self.tail = Bytes::new();
        self.in_flight.clear();
        self.deadlines = Deadlines::default();
        self.replies = 0;
    }

    /// Puts another scheduler in place once the peer shows which scheme it speaks.
    fn adopt(&mut self, scheduling: Scheduling) {
        if self.config.scheduling != Scheduling::Auto || self.scheduling == scheduling {
            return;
        }
        // The first scheme that shows stays, but for a peer that says that it does not use trees.
        if self.scheduling != Scheduling::Fair && scheduling != Scheduling::Urgency {
            return;
        }
        self.scheduling = scheduling;
        self.scheduler = make_scheduler(scheduling, &self.limits);
        for id in self.streams.ids() {
            self.scheduler.open(id, None);
            if self.streams.get(id).is_some_and(|stream| stream.is_ready) {
                self.scheduler.ready(id);
            }
        }
    }
}

fn make_scheduler(scheduling: Scheduling, limits: &Limits) -> Box<dyn Scheduler> {
    match scheduling {
        Scheduling::Auto | Scheduling::Fair => Box::new(Fair::new()),
        Scheduling::Tree => Box::new(Tree::new(to_usize(limits.max_idle_priorities))),
        Scheduling::Urgency => Box::new(Urgency::new()),
    }
}

/// What we announce.
fn settings(config: &Config, limits: &Limits, is_server: bool) -> Settings {
    let mut settings = Settings {
        header_table_size: config.header_table_size,
        max_concurrent_streams: Some(limits.max_concurrent_streams),
        initial_window_size: config.stream_window.min(crate::wire::MAX_WINDOW),
        max_frame_size: config.max_frame_size.clamp(
            crate::wire::DEFAULT_MAX_FRAME_SIZE,
            crate::wire::MAX_MAX_FRAME_SIZE,
        ),
        max_header_list_size: Some(limits.max_header_list),
        ..Settings::default()
    };
    if is_server {
        settings.enable_connect_protocol = config.enable_connect_protocol;
    } else {
        settings.enable_push = config.enable_push;
        settings.max_concurrent_streams = Some(limits.max_concurrent_streams);
    }
    settings
}

/// Passes over what is at the front of `input`, up to `count` octets.
fn pass_over(input: &mut BytesMut, count: &mut usize) {
    let len = input.len().min(*count);
    input.advance(len);
    *count = count.saturating_sub(len);
}
