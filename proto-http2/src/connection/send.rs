//! Commands, and what leaves.

use super::streams::{Half, Past};
use super::{Connection, PROBE, Phase};
use crate::event::{Event, StreamEnd, StreamId};
use crate::fields::Fields;
use crate::num::{to_u32, to_u64, to_usize};
use crate::priority::Priority;
use crate::validate;
use crate::wire::{
    DEFAULT_MAX_FRAME_SIZE, ErrorCode, Frame, FrameHeader, FrameType, HEADER_LEN,
    MAX_MAX_FRAME_SIZE, MAX_STREAM_ID, MAX_WINDOW, Settings, flags,
};
use crate::{Transmit, UsageError};
use alloc::boxed::Box;
use alloc::vec::Vec;
use bytes::{BufMut, Bytes};
use core::time::Duration;

/// Payloads from this size on leave by reference.
const COPY_BELOW: usize = 4096;
/// Octets that are put together before they leave.
const COALESCE: usize = 32 * 1024;
/// Less room than this is left unused rather than filled with a tiny frame.
const LEAST_ROOM: usize = 64;
/// Frames below this size are small.
pub(super) const SMALL: usize = 256;
/// What a frame may carry however small the budget is: it leaves in pieces then. Otherwise a budget
/// of one octet would make ten of each.
const LEAST_FRAME: usize = 1024;

impl Connection {
    /// Sends a request (client). `end`: without a body. Its last event is [`Event::Closed`].
    ///
    /// # Errors
    ///
    /// [`UsageError::TooManyStreams`] while the peer takes no more; [`UsageError::NoMoreStreams`]
    /// when a new connection is needed; [`UsageError::NotOffered`] for `:protocol` before the server
    /// has said that it takes it.
    pub fn request(&mut self, fields: &Fields, end: bool) -> Result<StreamId, UsageError> {
        if self.is_server {
            return Err(UsageError::Role);
        }
        self.usable()?;
        if self.flags.closing || self.peer_last.is_some() || self.flags.eof {
            return Err(UsageError::NoMoreStreams);
        }
        let id = match self.streams.ours {
            0 => 1,
            last => last.saturating_add(2),
        };
        if id > MAX_STREAM_ID {
            return Err(UsageError::NoMoreStreams);
        }
        if self.is_full() {
            return Err(UsageError::TooManyStreams);
        }
        // RFC 8441 section 3.
        if fields.value(":protocol").is_some() && !self.remote.enable_connect_protocol {
            return Err(UsageError::NotOffered);
        }
        self.within_list(fields)?;
        self.streams.ours = id;
        self.stats.streams = self.stats.streams.saturating_add(1);
        let mut stream = self.make_stream(id);
        stream.note(validate::facts(fields));
        stream.local = if end { Half::Ended } else { Half::Body };
        self.streams.insert(stream);
        self.scheduler.open(id, None);
        self.put_fields(id, fields, end, None);
        self.watch();
        Ok(StreamId(id))
    }

    /// Sends the response to a request, or on a stream that was pushed (server). `end`: without a
    /// body.
    ///
    /// # Errors
    ///
    /// [`UsageError::State`] for a second one; [`UsageError::NoStream`] when the stream is gone.
    pub fn respond(&mut self, id: StreamId, fields: &Fields, end: bool) -> Result<(), UsageError> {
        if !self.is_server {
            return Err(UsageError::Role);
        }
        self.usable()?;
        self.within_list(fields)?;
        let stream = self.streams.get_mut(id.0).ok_or(UsageError::NoStream)?;
        match stream.local {
            Half::Begun => {}
            Half::Reserved => self.streams.reserved = self.streams.reserved.saturating_sub(1),
            Half::Body | Half::Ended => return Err(UsageError::State),
        }
        if let Some(stream) = self.streams.get_mut(id.0) {
            stream.local = if end { Half::Ended } else { Half::Body };
        }
        self.put_fields(id.0, fields, end, None);
        if end {
            self.settle_later(id.0);
        }
        Ok(())
    }

    /// Sends an informational response (server).
    ///
    /// # Errors
    ///
    /// [`UsageError::State`] after the response; [`UsageError::Malformed`] for another status.
    pub fn inform(&mut self, id: StreamId, fields: &Fields) -> Result<(), UsageError> {
        if !self.is_server {
            return Err(UsageError::Role);
        }
        self.usable()?;
        if !fields
            .status()
            .is_some_and(|status| status < 200 && status != 101)
        {
            return Err(UsageError::Malformed);
        }
        self.within_list(fields)?;
        let stream = self.streams.get_mut(id.0).ok_or(UsageError::NoStream)?;
        if stream.local != Half::Begun {
            return Err(UsageError::State);
        }
        self.put_fields(id.0, fields, false, None);
        Ok(())
    }

    /// Takes the front of a body that fits, and leaves the rest; `end` counts when all was taken.
    /// [`Event::Writable`] follows when something stayed. Nothing is copied before it leaves.
    ///
    /// # Errors
    ///
    /// [`UsageError::State`] before the head and after the end.
    pub fn send_data(
        &mut self,
        id: StreamId,
        data: &mut Bytes,
        end: bool,
    ) -> Result<usize, UsageError> {
        self.usable()?;
        let room = self.limits.max_send_buffer.saturating_sub(self.queued);
        let most = self.limits.max_stream_send_buffer;
        let stream = self.streams.get_mut(id.0).ok_or(UsageError::NoStream)?;
        if stream.local != Half::Body || stream.ends {
            return Err(UsageError::State);
        }
        let len = room.min(most.saturating_sub(stream.queued)).min(data.len());
        if len > 0 {
            let piece = if len == data.len() {
                core::mem::take(data)
            } else {
                data.split_to(len)
            };
            stream.queue.push_back(piece);
            stream.queued = stream.queued.saturating_add(len);
            self.queued = self.queued.saturating_add(len);
        }
        stream.is_blocked = !data.is_empty();
        // Nothing of its own that leaves would make room for it.
        self.flags.crowded |= stream.is_blocked && stream.queued <= most / 2;
        stream.ends = end && data.is_empty();
        if stream.ends && stream.queued == 0 {
            self.finish(id.0);
        } else if len > 0 {
            self.schedule(id.0);
            self.watch();
        }
        Ok(len)
    }

    /// Ends a body with fields.
    ///
    /// # Errors
    ///
    /// [`UsageError::State`] before the head and after the end; [`UsageError::Malformed`] for
    /// pseudo-fields.
    pub fn send_trailers(&mut self, id: StreamId, fields: Fields) -> Result<(), UsageError> {
        self.usable()?;
        if fields.iter().any(|field| field.name.first() == Some(&b':')) {
            return Err(UsageError::Malformed);
        }
        self.within_list(&fields)?;
        let stream = self.streams.get_mut(id.0).ok_or(UsageError::NoStream)?;
        if stream.local != Half::Body || stream.ends {
            return Err(UsageError::State);
        }
        stream.ends = true;
        stream.trailers = Some(Box::new(fields));
        if stream.queued == 0 {
            self.finish(id.0);
        }
        Ok(())
    }

    /// Promises a response to `request`, a GET or HEAD that the client has not sent (server). Then
    /// [`respond`](Self::respond) on the stream that is returned.
    ///
    /// # Errors
    ///
    /// [`UsageError::NotOffered`] when the client takes none; [`UsageError::TooManyStreams`] when it
    /// takes no more now; [`UsageError::State`] when `parent` has ended.
    pub fn push(&mut self, parent: StreamId, request: &Fields) -> Result<StreamId, UsageError> {
        if !self.is_server {
            return Err(UsageError::Role);
        }
        self.usable()?;
        if !self.remote.enable_push {
            return Err(UsageError::NotOffered);
        }
        if self.flags.closing || self.peer_last.is_some() {
            return Err(UsageError::NoMoreStreams);
        }
        // RFC 9113 section 8.4: safe, cacheable, without a body.
        if !matches!(request.method(), Some(b"GET" | b"HEAD")) {
            return Err(UsageError::Malformed);
        }
        self.within_list(request)?;
        let above = self.streams.get(parent.0).ok_or(UsageError::NoStream)?;
        if above.local == Half::Ended || above.ends || above.is_pushed {
            return Err(UsageError::State);
        }
        let id = self.streams.ours.saturating_add(2);
        if id > MAX_STREAM_ID {
            return Err(UsageError::NoMoreStreams);
        }
        if self.is_full() || self.streams.reserved >= self.limits.max_reserved {
            return Err(UsageError::TooManyStreams);
        }
        self.streams.ours = id;
        self.stats.streams = self.stats.streams.saturating_add(1);
        let mut stream = self.make_stream(id);
        stream.local = Half::Reserved;
        stream.remote = Half::Ended;
        stream.is_pushed = true;
        self.streams.insert(stream);
        self.streams.reserved = self.streams.reserved.saturating_add(1);
        // RFC 7540 section 5.3.5: a pushed stream depends on the one that it belongs to.
        let on = crate::wire::StreamDependency {
            on: parent.0,
            ..crate::wire::StreamDependency::default()
        };
        self.scheduler
            .open(id, Some(crate::priority::Signal::Dependency(on)));
        self.put_fields(parent.0, request, false, Some(id));
        Ok(StreamId(id))
    }

    /// Ends a stream at once. What is queued for it is dropped.
    ///
    /// # Errors
    ///
    /// [`UsageError::NoStream`] when it is gone.
    pub fn reset(&mut self, id: StreamId, code: ErrorCode) -> Result<(), UsageError> {
        self.usable()?;
        self.streams.get(id.0).ok_or(UsageError::NoStream)?;
        // It makes room for another stream: a peer that does not read has to wait.
        self.put_reply(Frame::RstStream { stream: id.0, code });
        self.end_stream(id.0, Past::Reset, StreamEnd::Reset(code));
        Ok(())
    }

    /// Gives credit back for octets that were handed out, where the configuration asks for that.
    /// More than is held changes nothing; with automatic credit, neither.
    ///
    /// # Errors
    ///
    /// [`UsageError::NoStream`] when it is gone; then the credit was given back already.
    pub fn release(&mut self, id: StreamId, octets: u32) -> Result<(), UsageError> {
        self.usable()?;
        let target = self.stream_target;
        let stream = self.streams.get_mut(id.0).ok_or(UsageError::NoStream)?;
        let octets = octets.min(stream.receive.held());
        stream.receive.release(octets);
        let is_open = stream.remote != Half::Ended;
        let increment = stream.receive.update(target).filter(|_| is_open);
        if let Some(increment) = increment {
            self.put(Frame::WindowUpdate {
                stream: id.0,
                increment,
            });
        }
        self.release_connection(octets);
        Ok(())
    }

    /// Asks for a sign of life; [`Event::Pong`] bears what is returned.
    ///
    /// # Errors
    ///
    /// [`UsageError::State`] while eight are unanswered.
    pub fn ping(&mut self) -> Result<u64, UsageError> {
        self.usable()?;
        if self.pings.len() >= 8 {
            return Err(UsageError::State);
        }
        let id = self.next_ping & !PROBE;
        self.next_ping = self.next_ping.wrapping_add(1);
        self.put_ping(id);
        Ok(id)
    }

    /// Announces other settings. They hold once the peer has acknowledged them. Sizes that no setting
    /// may have are brought to the next that it may have.
    ///
    /// # Errors
    ///
    /// [`UsageError::State`] while four are unacknowledged, and for a window that would grow above
    /// 2^31-1; [`UsageError::Role`] for a parameter that the other role sends.
    pub fn update_settings(&mut self, mut settings: Settings) -> Result<(), UsageError> {
        self.usable()?;
        settings.initial_window_size = settings.initial_window_size.min(MAX_WINDOW);
        settings.max_frame_size = settings
            .max_frame_size
            .clamp(DEFAULT_MAX_FRAME_SIZE, MAX_MAX_FRAME_SIZE);
        if self.in_flight.len() >= 4 {
            return Err(UsageError::State);
        }
        let before = self
            .in_flight
            .back()
            .map_or(self.local, |&(settings, _)| settings);
        let push = settings.enable_push != before.enable_push;
        let back = before.enable_connect_protocol && !settings.enable_connect_protocol;
        if (self.is_server && push) || back {
            return Err(UsageError::Role);
        }
        // No window may come above 2^31-1 when the peer adds the difference (RFC 9113 section 6.9.2).
        let more = settings
            .initial_window_size
            .saturating_sub(self.local.initial_window_size);
        if self.stream_target.saturating_add(more) > MAX_WINDOW {
            return Err(UsageError::State);
        }
        self.put_settings(settings);
        Ok(())
    }

    /// Gives one of our requests another priority (client; RFC 9218 section 7.1).
    ///
    /// # Errors
    ///
    /// [`UsageError::Role`] at a server.
    pub fn prioritise(&mut self, id: StreamId, priority: Priority) -> Result<(), UsageError> {
        if self.is_server {
            return Err(UsageError::Role);
        }
        self.usable()?;
        let mut value = Vec::from(*b"u=");
        value.push(b'0'.saturating_add(priority.urgency.min(7)));
        if priority.incremental {
            value.extend_from_slice(b", i");
        }
        self.put(Frame::PriorityUpdate {
            prioritized: id.0,
            value: &value,
        });
        Ok(())
    }

    /// Gives one of our requests a weight, 1 to 256, in the scheme of RFC 7540 section 5.3 (client).
    ///
    /// # Errors
    ///
    /// [`UsageError::Role`] at a server.
    pub fn depend(&mut self, id: StreamId, weight: u16) -> Result<(), UsageError> {
        if self.is_server {
            return Err(UsageError::Role);
        }
        self.usable()?;
        let priority = crate::wire::StreamDependency {
            weight: weight.clamp(1, 256),
            ..crate::wire::StreamDependency::default()
        };
        self.put(Frame::Priority {
            stream: id.0,
            priority,
        });
        Ok(())
    }

    /// Names an alternative service for an origin (server; RFC 7838 section 4).
    ///
    /// # Errors
    ///
    /// [`UsageError::Role`] at a client.
    pub fn alternative_service(&mut self, origin: &str, value: &str) -> Result<(), UsageError> {
        if !self.is_server {
            return Err(UsageError::Role);
        }
        self.usable()?;
        self.put(Frame::AltSvc {
            stream: 0,
            origin: origin.as_bytes(),
            value: value.as_bytes(),
        });
        Ok(())
    }

    /// Whether the peer takes no more streams of ours now.
    #[must_use]
    pub fn is_full(&self) -> bool {
        let allowed = self
            .remote
            .max_concurrent_streams
            .unwrap_or(100)
            .min(1 << 20);
        self.count_ours() >= to_usize(allowed)
    }

    fn count_ours(&self) -> usize {
        self.streams.count(!self.is_server)
    }

    fn usable(&self) -> Result<(), UsageError> {
        match self.phase {
            Phase::Fused | Phase::Closed => Err(UsageError::Closed),
            _ => Ok(()),
        }
    }

    /// RFC 9113 section 6.5.2: the peer's SETTINGS_MAX_HEADER_LIST_SIZE is kept.
    fn within_list(&self, fields: &Fields) -> Result<(), UsageError> {
        let allowed = self
            .remote
            .max_header_list_size
            .map_or(usize::MAX, to_usize);
        let is_named = fields.iter().all(|field| !field.name.is_empty());
        if fields.list_size() > allowed || !is_named {
            return Err(UsageError::Malformed);
        }
        Ok(())
    }

    /// The next step for the transport; `Data` holds at most `budget` octets.
    #[must_use]
    pub fn poll_transmit(&mut self, now: Duration, budget: usize) -> Option<Transmit> {
        self.advance_to(now);
        if self.phase == Phase::Closed {
            return None;
        }
        if budget > 0 {
            if self.ready.is_empty() {
                self.ready = core::mem::take(&mut self.tail);
            }
            if self.ready.is_empty() {
                self.fill(budget.min(COALESCE));
            }
            let len = self.ready.len();
            if len > 0 {
                let data = if len <= budget {
                    core::mem::take(&mut self.ready)
                } else {
                    self.ready.split_to(budget)
                };
                self.stats.octets_out = self.stats.octets_out.saturating_add(to_u64(data.len()));
                return Some(Transmit::Data(data));
            }
        }
        let is_empty = self.control.is_empty() && self.ready.is_empty() && self.tail.is_empty();
        if is_empty && self.is_done() && !self.flags.shutdown_sent {
            self.flags.shutdown_sent = true;
            if self.flags.eof {
                self.shut();
            } else {
                self.phase = Phase::Fused;
                self.deadlines = super::Deadlines {
                    linger: Some(self.now.saturating_add(self.limits.linger)),
                    ..super::Deadlines::default()
                };
            }
            return Some(Transmit::Shutdown);
        }
        None
    }

    /// Puts frames together, up to `budget` octets.
    fn fill(&mut self, budget: usize) {
        while self.control.len() < budget && self.tail.is_empty() && self.send.available() > 0 {
            let room = budget
                .saturating_sub(self.control.len())
                .saturating_sub(HEADER_LEN);
            if room < LEAST_ROOM && !self.control.is_empty() {
                break;
            }
            let Some(id) = self.scheduler.next() else {
                break;
            };
            if !self.put_data(id, room.max(LEAST_FRAME)) {
                break;
            }
        }
        if self.ready.is_empty() {
            self.put_ready(0);
        }
        if self.control.is_empty() {
            self.settle_sent();
            self.watch();
        }
    }

    /// Makes what was put together the next piece; so much payload follows it.
    fn put_ready(&mut self, payload: usize) {
        // What the peer's own frames made us say is nothing that it was to take.
        let octets = self.control.len().saturating_sub(self.replies);
        let octets = to_u64(octets.saturating_add(payload));
        self.sent_since_stall = self.sent_since_stall.saturating_add(octets);
        self.ready = self.control.split().freeze();
        self.replies = 0;
    }

    /// Puts one DATA frame; its payload may become the tail.
    fn put_data(&mut self, id: u32, room: usize) -> bool {
        let padding = self.config.padding;
        let overhead = match padding {
            0 => 0,
            count => usize::from(count).saturating_add(1),
        };
        let frame = to_usize(self.remote.max_frame_size);
        let Some(stream) = self.streams.get_mut(id) else {
            self.scheduler.rest(id);
            return false;
        };
        let window = stream.send.available().min(self.send.available());
        // Padding counts too; without room for it there is none.
        let overhead = if overhead < window { overhead } else { 0 };
        let most = room
            .min(window.saturating_sub(overhead))
            .min(frame.saturating_sub(overhead))
            .min(stream.queued);
        let front = stream.queue.front().map_or(0, Bytes::len);
        let mut payload = Bytes::new();
        let mut len = most.min(front);
        let by_reference = overhead == 0 && len >= COPY_BELOW;
        if by_reference {
            payload = if len == front {
                stream.queue.pop_front().unwrap_or_default()
            } else {
                stream
                    .queue
                    .front_mut()
                    .map(|front| front.split_to(len))
                    .unwrap_or_default()
            };
        } else {
            len = gathered(stream.queue.iter().map(Bytes::len), most);
        }
        stream.queued = stream.queued.saturating_sub(len);
        let is_last = stream.queued == 0 && stream.ends;
        let end_stream = is_last && stream.trailers.is_none();
        let mut bits = if end_stream { flags::END_STREAM } else { 0 };
        if overhead > 0 {
            bits |= flags::PADDED;
        }
        let total = len.saturating_add(overhead);
        let header = FrameHeader {
            length: to_u32(total),
            kind: FrameType::DATA,
            flags: bits,
            stream: id,
        };
        header.encode(&mut self.control);
        if by_reference {
            self.tail = payload;
        } else {
            if overhead > 0 {
                self.control.put_u8(padding);
            }
            let mut rest = len;
            while rest > 0 {
                let Some(front) = stream.queue.front_mut() else {
                    break;
                };
                let piece = front.split_to(rest.min(front.len()));
                self.control.put_slice(&piece);
                rest = rest.saturating_sub(piece.len());
                if front.is_empty() {
                    stream.queue.pop_front();
                }
            }
            if overhead > 0 {
                self.control.put_bytes(0, usize::from(padding));
            }
        }
        stream.send.consume(total);
        self.send.consume(total);
        self.queued = self.queued.saturating_sub(len);
        // What lets more than a dribble through was of use.
        if total >= SMALL || end_stream {
            self.budgets.window_updates.earn(2);
        }
        let is_writable =
            stream.is_blocked && stream.queued <= self.limits.max_stream_send_buffer / 2;
        if is_writable && !self.flags.crowded {
            stream.is_blocked = false;
            self.events.push_back(Event::Writable { id: StreamId(id) });
        }
        if end_stream {
            stream.local = Half::Ended;
        }
        if by_reference {
            self.put_ready(len);
        }
        self.scheduler.sent(id, total);
        self.tell_crowded();
        self.schedule(id);
        if end_stream {
            self.settle(id);
        } else if is_last {
            self.finish(id);
        }
        true
    }

    /// Once an eighth of the buffer of all streams is free: tells those that wait for it, in their order.
    pub(super) fn tell_crowded(&mut self) {
        let room = self.limits.max_send_buffer.saturating_sub(self.queued);
        if !self.flags.crowded || room < self.limits.max_send_buffer / 8 {
            return;
        }
        self.flags.crowded = false;
        let most = self.limits.max_stream_send_buffer;
        for stream in self.streams.iter_mut() {
            if stream.is_blocked && stream.queued <= most / 2 {
                stream.is_blocked = false;
                let id = StreamId(stream.id);
                self.events.push_back(Event::Writable { id });
            }
        }
    }

    /// Says the end of a stream of which nothing is queued any more.
    fn finish(&mut self, id: u32) {
        let Some(stream) = self.streams.get_mut(id) else {
            return;
        };
        stream.local = Half::Ended;
        match stream.trailers.take() {
            Some(fields) => self.put_fields(id, &fields, true, None),
            None => self.put(Frame::Data {
                stream: id,
                data: b"",
                end_stream: true,
                padding: None,
            }),
        }
        self.settle_later(id);
    }

    /// It counts as open until its last frame has left: else a peer that does not read could open
    /// one after the other, and all that is said to it would pile up here.
    fn settle_later(&mut self, id: u32) {
        if let Some(stream) = self.streams.get_mut(id) {
            stream.is_unsent = true;
            self.settling.push(id);
        }
    }

    fn settle_sent(&mut self) {
        let mut settling = core::mem::take(&mut self.settling);
        for id in settling.drain(..) {
            if let Some(stream) = self.streams.get_mut(id) {
                stream.is_unsent = false;
            }
            self.settle(id);
        }
        self.settling = settling;
    }

    /// Tells the scheduler whether a stream can send.
    pub(super) fn schedule(&mut self, id: u32) {
        let Some(stream) = self.streams.get_mut(id) else {
            return;
        };
        let can_send = stream.queued > 0 && stream.send.available() > 0;
        stream.was_shut &= !can_send;
        if can_send != stream.is_ready {
            stream.is_ready = can_send;
            if can_send {
                self.scheduler.ready(id);
            } else {
                self.scheduler.rest(id);
            }
        }
    }

    /// Puts a field section: HEADERS or PUSH_PROMISE, and CONTINUATION where one is not enough.
    fn put_fields(&mut self, id: u32, fields: &Fields, end: bool, promised: Option<u32>) {
        let mut block = core::mem::take(&mut self.scratch);
        block.clear();
        self.encoder.begin(&mut block);
        for field in fields.iter() {
            self.encoder
                .field(&mut block, field.name, field.value, field.is_sensitive);
        }
        let most = to_usize(self.remote.max_frame_size);
        let padding = (self.config.padding > 0).then_some(self.config.padding);
        let overhead = padding.map_or(0, |count| usize::from(count).saturating_add(1));
        let fixed = if promised.is_some() { 4 } else { 0 };
        let first = most.saturating_sub(overhead).saturating_sub(fixed);
        let (mut fragment, mut rest) = block.split_at_checked(first).unwrap_or((&block, &[]));
        let end_headers = rest.is_empty();
        let frame = match promised {
            Some(promised) => Frame::PushPromise {
                stream: id,
                promised,
                fragment,
                end_headers,
                padding,
            },
            None => Frame::Headers {
                stream: id,
                fragment,
                end_stream: end,
                end_headers,
                priority: None,
                padding,
            },
        };
        frame.encode(&mut self.control);
        while !rest.is_empty() {
            (fragment, rest) = rest.split_at_checked(most).unwrap_or((rest, &[]));
            let frame = Frame::Continuation {
                stream: id,
                fragment,
                end_headers: rest.is_empty(),
            };
            frame.encode(&mut self.control);
        }
        if block.capacity() <= 1024 {
            self.scratch = block;
        }
        self.watch();
    }
}

/// How much of pieces of these lengths is copied into one frame of at most `most` octets: all small
/// ones in front of a large one.
fn gathered(pieces: impl Iterator<Item = usize>, most: usize) -> usize {
    let mut len = 0usize;
    for piece in pieces {
        if len > 0 && piece >= COPY_BELOW {
            break;
        }
        len = len.saturating_add(piece);
        if len >= most {
            return most;
        }
    }
    len.min(most)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use crate::{Config, Limits};
    use bytes::BytesMut;

    /// RFC 9113 section 5.1.1: who has no number left makes a new connection; what is open goes on.
    #[test]
    fn both_sides_come_to_the_end_of_their_numbers() {
        let now = Duration::ZERO;
        let config = Config {
            enable_push: true,
            ..Config::default()
        };
        let mut client = Connection::client(now, config, Limits::default());
        let mut server = Connection::server(now, Config::default(), Limits::default());
        client.streams.ours = MAX_STREAM_ID.saturating_sub(2);
        server.streams.ours = MAX_STREAM_ID.saturating_sub(3);
        let get = Fields::request("GET", "https", "utopia.example", "/");
        let last = client.request(&get, true).unwrap();
        assert_eq!(last, StreamId(MAX_STREAM_ID));
        assert_eq!(client.request(&get, true), Err(UsageError::NoMoreStreams));
        let pass = |from: &mut Connection, to: &mut Connection| {
            let mut wire = BytesMut::new();
            while let Some(Transmit::Data(data)) = from.poll_transmit(now, 65_536) {
                wire.extend_from_slice(&data);
            }
            let next = || to.poll_event(now, &mut wire).unwrap();
            core::iter::from_fn(next).collect::<Vec<_>>()
        };
        pass(&mut client, &mut server);
        let promised = server.push(last, &get).unwrap();
        assert_eq!(promised, StreamId(MAX_STREAM_ID.saturating_sub(1)));
        assert_eq!(server.push(last, &get), Err(UsageError::NoMoreStreams));
        for id in [last, promised] {
            server.respond(id, &Fields::response(204), true).unwrap();
        }
        let events = pass(&mut server, &mut client);
        for id in [last, promised] {
            let end = StreamEnd::Complete;
            assert!(events.contains(&Event::Closed { id, end }), "{events:?}");
        }
        assert_eq!(client.request(&get, true), Err(UsageError::NoMoreStreams));
    }
}
