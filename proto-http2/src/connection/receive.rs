//! What the peer's frames do.

use super::streams::{Half, Past};
use super::{Block, Connection, PROBE, Phase, pass_over};
use crate::config::{Scheduling, Validation};
use crate::error::{OtherProtocol, Reason};
use crate::event::{Event, StreamEnd, StreamId};
use crate::fields::Fields;
use crate::hpack::BlockLimits;
use crate::limits::Limit;
use crate::num::{to_u32, to_u64, to_usize};
use crate::priority::{Priority, Signal};
use crate::validate::{self, Malformed};
use crate::wire::{DecodeError, ErrorCode, Frame, FrameHeader, FrameType, HEADER_LEN, PREFACE};
use crate::wire::{Scope, StreamDependency, flags};
use alloc::boxed::Box;
use bytes::{Buf, Bytes, BytesMut};

/// Pieces of a body from this size on are taken without a copy.
const COPY_BELOW: usize = 4096;

/// The frame that began a header block.
#[derive(Clone, Copy, Debug)]
pub(super) struct BlockHead {
    stream: u32,
    end_stream: bool,
    priority: Option<StreamDependency>,
    promised: Option<u32>,
}

impl Connection {
    /// Handles the next thing in `input`. False when there is nothing whole.
    pub(super) fn receive_some(&mut self, input: &mut BytesMut) -> bool {
        if self.skip > 0 {
            pass_over(input, &mut self.skip);
            return self.skip == 0;
        }
        if let Phase::Preface(seen) = self.phase {
            return self.receive_preface(input, seen);
        }
        let Some(octets) = input.first_chunk::<HEADER_LEN>() else {
            return false;
        };
        let header = FrameHeader::parse(octets);
        if self.phase == Phase::FirstFrame
            && (header.kind != FrameType::SETTINGS || header.has(flags::ACK))
        {
            self.fail(ErrorCode::PROTOCOL_ERROR, Reason::NoSettings);
            return true;
        }
        // RFC 9113 section 6.10: nothing comes between the frames of a header block.
        if let Some(block) = &self.block
            && (header.kind != FrameType::CONTINUATION || header.stream != block.head.stream)
        {
            self.fail(ErrorCode::PROTOCOL_ERROR, Reason::Continuation);
            return true;
        }
        if let Err(error) = header.check(self.local.max_frame_size) {
            self.refuse(header, error, input);
            return true;
        }
        let len = to_usize(header.length);
        let is_known = matches!(header.kind.0, 0..=10 | 12 | 16);
        if !is_known {
            self.stats.frames_in = self.stats.frames_in.saturating_add(1);
            input.advance(HEADER_LEN);
            self.skip = len;
            if !self
                .budgets
                .unknown_frames
                .take(self.limits.unknown_frames, self.now)
            {
                self.trip_rate(Limit::UnknownFrames, self.limits.unknown_frames.burst);
            }
            return true;
        }
        let end = len.saturating_add(HEADER_LEN);
        if input.len() < end {
            return false;
        }
        self.stats.frames_in = self.stats.frames_in.saturating_add(1);
        self.touch();
        if header.kind == FrameType::DATA {
            self.receive_data(header, input);
            return true;
        }
        let payload = input.get(HEADER_LEN..end).unwrap_or_default();
        match Frame::parse(header, payload) {
            Ok(frame) => self.receive_frame(frame),
            Err(error) => self.frame_fault(header, error),
        }
        if !input.is_empty() {
            input.advance(end.min(input.len()));
        }
        true
    }

    fn receive_preface(&mut self, input: &mut BytesMut, seen: usize) -> bool {
        let rest = PREFACE.get(seen..).unwrap_or_default();
        let same = rest
            .iter()
            .zip(input.iter())
            .take_while(|(a, b)| a == b)
            .count();
        if same < rest.len().min(input.len()) {
            let looks_like = match (seen, input.first()) {
                (0, Some(0x16)) => Some(OtherProtocol::Tls),
                (0, Some(first)) if first.is_ascii_uppercase() => Some(OtherProtocol::Http1),
                // PRI, PUT, POST and PATCH begin alike.
                (1.., Some(octet)) if octet.is_ascii_uppercase() => Some(OtherProtocol::Http1),
                _ => None,
            };
            self.fail(ErrorCode::PROTOCOL_ERROR, Reason::Preface { looks_like });
            return true;
        }
        input.advance(same);
        self.phase = if same == rest.len() {
            Phase::FirstFrame
        } else {
            Phase::Preface(seen.saturating_add(same))
        };
        same == rest.len()
    }

    /// The peer lives.
    fn touch(&mut self) {
        if let Some(time) = self.config.keep_alive
            && self.deadlines.pong.is_none()
        {
            self.deadlines.keep_alive = Some(self.now.saturating_add(time));
        }
    }

    fn trip_rate(&mut self, limit: Limit, burst: u32) {
        let allowed = u64::from(burst);
        self.trip(limit, allowed.saturating_add(1), allowed);
    }

    /// A frame whose header alone is wrong.
    fn refuse(&mut self, header: FrameHeader, error: DecodeError, input: &mut BytesMut) {
        if error.scope == Scope::Connection || self.is_idle(header.stream) {
            self.fail(error.code, Reason::Frame(error.fault));
            return;
        }
        if header.kind == FrameType::DATA {
            let octets = header.length;
            self.stats.flow_received = self.stats.flow_received.saturating_add(u64::from(octets));
            if self.receive.receive(octets).is_err() {
                self.fail(ErrorCode::FLOW_CONTROL_ERROR, Reason::FlowControl);
                return;
            }
            self.release_connection(octets);
        }
        input.advance(HEADER_LEN);
        self.skip = to_usize(header.length);
        self.frame_fault(header, error);
    }

    /// A frame that cannot be taken apart, or means nothing.
    fn frame_fault(&mut self, header: FrameHeader, error: DecodeError) {
        if error.scope == Scope::Connection || self.is_idle(header.stream) {
            self.fail(error.code, Reason::Frame(error.fault));
        } else {
            self.stream_fault(header.stream, error.code, StreamEnd::Fault(error.code));
        }
    }

    fn is_theirs(&self, id: u32) -> bool {
        id.is_multiple_of(2) != self.is_server
    }

    fn is_idle(&self, id: u32) -> bool {
        if self.is_theirs(id) {
            id > self.streams.theirs
        } else {
            id > self.streams.ours
        }
    }

    fn receive_frame(&mut self, frame: Frame<'_>) {
        match frame {
            Frame::Data { .. } => {}
            Frame::Headers {
                stream,
                fragment,
                end_stream,
                end_headers,
                priority,
                ..
            } => {
                let head = BlockHead {
                    stream,
                    end_stream,
                    priority,
                    promised: None,
                };
                if fragment.is_empty() && !end_headers && !self.take_empty() {
                    return;
                }
                self.begin_block(head, fragment, end_headers);
            }
            Frame::PushPromise {
                stream,
                promised,
                fragment,
                end_headers,
                ..
            } => {
                // A client that takes none said so before all else.
                if self.is_server || !self.local.enable_push || !self.config.enable_push {
                    self.fail(ErrorCode::PROTOCOL_ERROR, Reason::Push);
                    return;
                }
                let head = BlockHead {
                    stream,
                    end_stream: false,
                    priority: None,
                    promised: Some(promised),
                };
                self.begin_block(head, fragment, end_headers);
            }
            Frame::Continuation {
                fragment,
                end_headers,
                ..
            } => self.continue_block(fragment, end_headers),
            Frame::Priority { stream, priority } => {
                if !self
                    .budgets
                    .priorities
                    .take(self.limits.priorities, self.now)
                {
                    self.trip_rate(Limit::Priorities, self.limits.priorities.burst);
                    return;
                }
                if self.is_server {
                    self.adopt(Scheduling::Tree);
                    self.scheduler
                        .reprioritise(stream, Signal::Dependency(priority));
                }
            }
            Frame::RstStream { stream, code } => self.receive_reset(stream, code),
            Frame::Settings { ack: true, .. } => self.settings_acknowledged(),
            Frame::Settings { payload, .. } => self.receive_settings(payload),
            Frame::Ping { ack: true, opaque } => self.receive_pong(u64::from_be_bytes(opaque)),
            Frame::Ping { opaque, .. } => {
                if !self.budgets.pings.take(self.limits.pings, self.now) {
                    self.trip_rate(Limit::Pings, self.limits.pings.burst);
                    return;
                }
                self.put_reply(Frame::Ping { ack: true, opaque });
            }
            Frame::GoAway {
                last_stream,
                code,
                debug,
            } => self.receive_goaway(last_stream, code, debug),
            Frame::WindowUpdate { stream, increment } => {
                self.receive_window_update(stream, increment);
            }
            Frame::AltSvc {
                stream,
                origin,
                value,
            } => {
                // RFC 7838 section 4: on a stream without, on the connection with an origin; a server
                // ignores it.
                if !self.is_server && (stream == 0) != origin.is_empty() {
                    self.events.push_back(Event::AltSvc {
                        stream,
                        origin: Bytes::copy_from_slice(origin),
                        value: Bytes::copy_from_slice(value),
                    });
                }
            }
            Frame::Origin { stream, payload } => self.receive_origins(stream, payload),
            Frame::PriorityUpdate { prioritized, value } => {
                self.receive_priority_update(prioritized, value);
            }
            Frame::Unknown { .. } => {}
        }
    }

    fn take_empty(&mut self) -> bool {
        let ok = self
            .budgets
            .empty_frames
            .take(self.limits.empty_frames, self.now);
        if !ok {
            self.trip_rate(Limit::EmptyFrames, self.limits.empty_frames.burst);
        }
        ok
    }

    fn begin_block(&mut self, head: BlockHead, fragment: &[u8], end_headers: bool) {
        if fragment.len() > to_usize(self.limits.max_block) {
            self.trip_block(fragment.len());
        } else if end_headers {
            self.receive_block(head, fragment);
        } else {
            self.block = Some(Box::new(Block {
                head,
                octets: fragment.to_vec(),
                continuations: 0,
            }));
        }
    }

    fn trip_block(&mut self, len: usize) {
        self.trip(Limit::Block, to_u64(len), u64::from(self.limits.max_block));
    }

    fn continue_block(&mut self, fragment: &[u8], end_headers: bool) {
        let Some(mut block) = self.block.take() else {
            self.fail(ErrorCode::PROTOCOL_ERROR, Reason::Continuation);
            return;
        };
        block.continuations = block.continuations.saturating_add(1);
        let allowed = self.limits.max_continuations;
        if block.continuations > allowed {
            let value = u64::from(block.continuations);
            self.trip(Limit::Continuations, value, u64::from(allowed));
            return;
        }
        let len = block.octets.len().saturating_add(fragment.len());
        if len > to_usize(self.limits.max_block) {
            self.trip_block(len);
            return;
        }
        if fragment.is_empty() && !end_headers && !self.take_empty() {
            return;
        }
        block.octets.extend_from_slice(fragment);
        if end_headers {
            self.receive_block(block.head, &block.octets);
        } else {
            self.block = Some(block);
        }
    }

    /// A whole header block.
    fn receive_block(&mut self, head: BlockHead, block: &[u8]) {
        let mut limits = BlockLimits::default();
        limits.max_list_size = to_usize(self.limits.max_header_list);
        limits.max_fields = to_usize(self.limits.max_fields);
        limits.max_string = limits.max_list_size;
        let mut fields = Fields::new();
        let decoded = self.decoder.decode(block, &limits, |field| {
            fields.append(field.name, field.value, field.is_sensitive);
        });
        let summary = match decoded {
            Ok(summary) => summary,
            Err(fault) => {
                self.fail(ErrorCode::COMPRESSION_ERROR, Reason::Hpack(fault));
                return;
            }
        };
        if summary.is_over {
            let (limit, value, allowed) = if summary.fields > limits.max_fields {
                (Limit::Fields, summary.fields, limits.max_fields)
            } else {
                (Limit::HeaderList, summary.list_size, limits.max_list_size)
            };
            self.trip(limit, to_u64(value), to_u64(allowed));
            return;
        }
        if let Some(promised) = head.promised {
            self.receive_promise(head.stream, promised, fields);
        } else {
            self.receive_fields(head, fields);
        }
    }

    fn receive_fields(&mut self, head: BlockHead, fields: Fields) {
        let id = head.stream;
        if self.streams.get(id).is_some() {
            if self.depends_on_itself(head) {
                self.malformed_dependency(id);
                return;
            }
            if let Some(priority) = head.priority.filter(|_| self.is_server) {
                self.adopt(Scheduling::Tree);
                self.scheduler
                    .reprioritise(id, Signal::Dependency(priority));
            }
            self.receive_more_fields(head, fields);
        } else if self.is_theirs(id) && id > self.streams.theirs {
            if self.is_server {
                self.receive_request(head, fields);
            } else {
                // RFC 9113 section 8.4: a server opens streams by promises alone.
                self.fail(ErrorCode::PROTOCOL_ERROR, Reason::IdleStream(id));
            }
        } else if self.is_idle(id) {
            self.fail(ErrorCode::PROTOCOL_ERROR, Reason::IdleStream(id));
        } else {
            match self.streams.past(id) {
                Some(Past::Reset) => {}
                Some(Past::Ended) => {
                    self.fail(ErrorCode::STREAM_CLOSED, Reason::ClosedStream(id));
                }
                Some(Past::ResetByPeer) => {
                    let code = ErrorCode::STREAM_CLOSED;
                    self.stream_fault(id, code, StreamEnd::Fault(code));
                }
                // RFC 9113 section 5.1.1: a number that was passed over.
                None => self.fail(ErrorCode::PROTOCOL_ERROR, Reason::StreamOrder(id)),
            }
        }
    }

    fn depends_on_itself(&self, head: BlockHead) -> bool {
        head.priority
            .is_some_and(|priority| priority.on == head.stream)
    }

    fn malformed_dependency(&mut self, id: u32) {
        let code = ErrorCode::PROTOCOL_ERROR;
        self.stream_fault(id, code, StreamEnd::Fault(code));
    }

    fn malformed(&mut self, id: u32, fault: Malformed) {
        self.stream_fault(id, ErrorCode::PROTOCOL_ERROR, StreamEnd::Malformed(fault));
    }

    fn receive_request(&mut self, head: BlockHead, fields: Fields) {
        let id = head.stream;
        self.streams.theirs = id;
        self.stats.streams = self.stats.streams.saturating_add(1);
        self.deadlines.idle = None;
        if self.depends_on_itself(head) {
            self.malformed_dependency(id);
            return;
        }
        if self.open_by_peer() >= to_usize(self.limits.max_concurrent_streams) {
            // RFC 9113 section 5.1.2.
            self.stream_fault(id, ErrorCode::REFUSED_STREAM, StreamEnd::Unprocessed);
            return;
        }
        if self.flags.closing && self.flags.final_goaway_sent {
            // Above the last stream of our GOAWAY: ignored.
            self.streams.remember(id, Past::Reset);
            return;
        }
        let facts = match self.config.validation {
            Validation::Off => Ok(validate::facts(&fields)),
            Validation::Strict => validate::request(&fields, self.local.enable_connect_protocol),
        };
        let facts = match facts {
            Ok(facts) => facts,
            Err(fault) => {
                self.malformed(id, fault);
                return;
            }
        };
        // RFC 9113 section 8.1.1: the body has to be of the length that was said.
        if head.end_stream && facts.content_length.is_some_and(|length| length > 0) {
            self.malformed(id, Malformed::ContentLength);
            return;
        }
        let mut stream = self.make_stream(id);
        stream.note(facts);
        stream.expected = facts.content_length;
        stream.remote = if head.end_stream {
            Half::Ended
        } else {
            Half::Body
        };
        self.streams.insert(stream);
        let mut signal = None;
        if let Some(dependency) = head.priority {
            self.adopt(Scheduling::Tree);
            signal = Some(Signal::Dependency(dependency));
        }
        // RFC 9218 section 7: what was said by PRIORITY_UPDATE wins over the field.
        let early = self.early.iter().position(|&(early, _)| early == id);
        if let Some(place) = early {
            let (_, priority) = self.early.swap_remove(place);
            signal = Some(Signal::Urgency(priority));
        } else if let Some(value) = fields.value("priority") {
            let priority = Priority::parse(value);
            self.adopt(Scheduling::Urgency);
            if self.scheduling == Scheduling::Urgency {
                signal = Some(Signal::Urgency(priority));
            }
        }
        self.scheduler.open(id, signal);
        self.events.push_back(Event::Headers {
            id: StreamId(id),
            fields,
            end: head.end_stream,
        });
    }

    fn open_by_peer(&self) -> usize {
        self.streams.count_parity(u32::from(self.is_server))
    }

    /// A response, trailers, or what may not come.
    fn receive_more_fields(&mut self, head: BlockHead, fields: Fields) {
        let id = head.stream;
        let strict = self.config.validation == Validation::Strict;
        let Some(stream) = self.streams.get_mut(id) else {
            return;
        };
        let is_promise = stream.local == Half::Reserved;
        match stream.remote {
            // RFC 9113 section 5.1: a stream error of type STREAM_CLOSED.
            Half::Ended if !is_promise => {
                let code = ErrorCode::STREAM_CLOSED;
                self.stream_fault(id, code, StreamEnd::Fault(code));
            }
            Half::Ended => self.fail(ErrorCode::PROTOCOL_ERROR, Reason::IdleStream(id)),
            Half::Body => {
                if strict {
                    // RFC 9113 section 8.1: trailers end the stream.
                    let checked = if head.end_stream {
                        validate::trailers(&fields)
                    } else {
                        Err(Malformed::EndStream)
                    };
                    if let Err(fault) = checked {
                        self.malformed(id, fault);
                        return;
                    }
                    if stream.expected.is_some_and(|rest| rest > 0) {
                        self.malformed(id, Malformed::ContentLength);
                        return;
                    }
                }
                if head.end_stream {
                    stream.remote = Half::Ended;
                }
                self.events.push_back(Event::Trailers {
                    id: StreamId(id),
                    fields,
                });
                self.settle(id);
            }
            Half::Begun | Half::Reserved => self.receive_response(head, fields),
        }
    }

    fn receive_response(&mut self, head: BlockHead, fields: Fields) {
        let id = head.stream;
        let facts = match self.config.validation {
            Validation::Off => Ok(validate::facts(&fields)),
            Validation::Strict => validate::response(&fields),
        };
        let facts = match facts {
            Ok(facts) => facts,
            Err(fault) => {
                self.malformed(id, fault);
                return;
            }
        };
        let allowed = self.limits.max_informational;
        let Some(stream) = self.streams.get_mut(id) else {
            return;
        };
        if stream.remote == Half::Reserved {
            stream.remote = Half::Begun;
            self.streams.reserved = self.streams.reserved.saturating_sub(1);
        }
        let Some(stream) = self.streams.get_mut(id) else {
            return;
        };
        if facts.status < 200 {
            // RFC 9113 section 8.1: an informational response does not end the stream.
            if head.end_stream {
                self.malformed(id, Malformed::EndStream);
                return;
            }
            stream.informational = stream.informational.saturating_add(1);
            let count = stream.informational;
            if count > allowed {
                self.trip(Limit::Informational, u64::from(count), u64::from(allowed));
                return;
            }
            self.events.push_back(Event::Informational {
                id: StreamId(id),
                fields,
            });
            return;
        }
        // RFC 9110 section 6.4.1: such a response has no body, whatever length it names.
        stream.is_bodyless = stream.is_head || matches!(facts.status, 204 | 304);
        stream.expected = if stream.is_bodyless {
            Some(0)
        } else if stream.is_connect {
            None
        } else {
            facts.content_length
        };
        let is_wrong = head.end_stream && stream.expected.is_some_and(|length| length > 0);
        if is_wrong {
            self.malformed(id, Malformed::ContentLength);
            return;
        }
        stream.remote = if head.end_stream {
            Half::Ended
        } else {
            Half::Body
        };
        self.events.push_back(Event::Headers {
            id: StreamId(id),
            fields,
            end: head.end_stream,
        });
        self.settle(id);
    }

    fn receive_promise(&mut self, parent: u32, promised: u32, fields: Fields) {
        // RFC 9113 section 6.6: on a stream of ours that is open or half-closed (local).
        let is_open = self
            .streams
            .get(parent)
            .is_some_and(|stream| stream.remote != Half::Ended);
        let was_reset = self.streams.past(parent) == Some(Past::Reset);
        if (!is_open && !was_reset) || promised <= self.streams.theirs {
            self.fail(ErrorCode::PROTOCOL_ERROR, Reason::Push);
            return;
        }
        self.streams.theirs = promised;
        self.stats.streams = self.stats.streams.saturating_add(1);
        if !is_open || self.streams.reserved >= self.limits.max_reserved {
            let code = ErrorCode::REFUSED_STREAM;
            self.stream_fault(promised, code, StreamEnd::Reset(code));
            return;
        }
        if self.config.validation == Validation::Strict {
            // RFC 9113 section 8.4: safe, cacheable, without a body.
            let checked = validate::request(&fields, false);
            let is_safe = matches!(fields.method(), Some(b"GET" | b"HEAD"));
            let fault = match checked {
                Err(fault) => Some(fault),
                Ok(facts) if facts.content_length.is_some_and(|length| length > 0) => {
                    Some(Malformed::ContentLength)
                }
                Ok(_) if !is_safe => Some(Malformed::Target),
                Ok(_) => None,
            };
            if let Some(fault) = fault {
                self.malformed(promised, fault);
                return;
            }
        }
        let mut stream = self.make_stream(promised);
        stream.local = Half::Ended;
        stream.remote = Half::Reserved;
        stream.is_pushed = true;
        stream.is_head = fields.method() == Some(b"HEAD");
        self.streams.insert(stream);
        self.streams.reserved = self.streams.reserved.saturating_add(1);
        self.scheduler.open(promised, None);
        self.events.push_back(Event::Push {
            parent: StreamId(parent),
            id: StreamId(promised),
            fields,
        });
    }

    fn receive_data(&mut self, header: FrameHeader, input: &mut BytesMut) {
        let id = header.stream;
        let octets = header.length;
        let len = to_usize(octets);
        input.advance(HEADER_LEN);
        if self.is_idle(id) {
            self.fail(ErrorCode::PROTOCOL_ERROR, Reason::IdleStream(id));
            return;
        }
        // RFC 9113 section 6.9: the whole payload counts, whatever becomes of the stream.
        self.stats.flow_received = self.stats.flow_received.saturating_add(u64::from(octets));
        if self.receive.receive(octets).is_err() {
            self.fail(ErrorCode::FLOW_CONTROL_ERROR, Reason::FlowControl);
            return;
        }
        let payload = input.get(..len).unwrap_or_default();
        let (data, start, end) = match Frame::parse(header, payload) {
            Ok(Frame::Data {
                data,
                end_stream,
                padding,
                ..
            }) => (data.len(), usize::from(padding.is_some()), end_stream),
            Ok(_) => return,
            Err(error) => {
                self.fail(error.code, Reason::Frame(error.fault));
                return;
            }
        };
        let is_empty = data == 0 && !end;
        let state = self.streams.get(id).map(|stream| stream.remote);
        if state != Some(Half::Body) {
            self.release_connection(octets);
            input.advance(len);
            match (state, self.streams.past(id)) {
                (None, Some(Past::Reset)) => {}
                (None, Some(Past::ResetByPeer)) | (Some(Half::Ended), _) => {
                    let code = ErrorCode::STREAM_CLOSED;
                    self.stream_fault(id, code, StreamEnd::Fault(code));
                }
                (None, _) => self.fail(ErrorCode::STREAM_CLOSED, Reason::ClosedStream(id)),
                // RFC 9113 section 8.1: a body before the head.
                (Some(_), _) => self.malformed(id, Malformed::Pseudo),
            }
            return;
        }
        let auto = self.config.auto_credit;
        let target = self.stream_target;
        let mut increment = None;
        let mut fault = None;
        if let Some(stream) = self.streams.get_mut(id) {
            if stream.receive.receive(octets).is_err() {
                let code = ErrorCode::FLOW_CONTROL_ERROR;
                fault = Some((code, StreamEnd::Fault(code)));
            } else {
                let piece = to_u64(data);
                let wrong = StreamEnd::Malformed(Malformed::ContentLength);
                if self.config.validation == Validation::Strict
                    && let Some(rest) = stream.expected
                {
                    match rest.checked_sub(piece) {
                        Some(rest) if end && rest > 0 => {
                            fault = Some((ErrorCode::PROTOCOL_ERROR, wrong));
                        }
                        Some(rest) => stream.expected = Some(rest),
                        None => fault = Some((ErrorCode::PROTOCOL_ERROR, wrong)),
                    }
                }
                let padding = octets.saturating_sub(to_u32(data));
                let back = if auto { octets } else { padding };
                stream.receive.release(back);
                if end {
                    stream.remote = Half::Ended;
                } else if fault.is_none() {
                    increment = stream.receive.update(target);
                }
            }
        }
        if let Some((code, end)) = fault {
            let held = self
                .streams
                .get(id)
                .map_or(0, |stream| stream.receive.held());
            self.release_connection(octets.saturating_sub(held.min(octets)));
            input.advance(len);
            self.stream_fault(id, code, end);
            return;
        }
        let padding = octets.saturating_sub(to_u32(data));
        self.release_connection(if auto { octets } else { padding });
        if let Some(increment) = increment {
            self.put_reply(Frame::WindowUpdate {
                stream: id,
                increment,
            });
        }
        self.probe_bandwidth();
        if is_empty {
            input.advance(len);
            let _ = self.take_empty();
            return;
        }
        let data = if data >= COPY_BELOW {
            let mut payload = input.split_to(len);
            payload.advance(start);
            payload.truncate(data);
            payload.freeze()
        } else {
            let stop = start.saturating_add(data);
            let copy = Bytes::copy_from_slice(input.get(start..stop).unwrap_or_default());
            input.advance(len);
            copy
        };
        self.events.push_back(Event::Data {
            id: StreamId(id),
            data,
            end,
        });
        if end {
            self.settle(id);
        }
    }

    /// Measures what comes in one round trip, where windows are to follow it.
    fn probe_bandwidth(&mut self) {
        if self.config.max_auto_window.is_some()
            && self.bandwidth_probe.is_none()
            && self.pings.len() < 8
        {
            let id = PROBE | 2;
            self.bandwidth_probe = Some((id, self.stats.flow_received));
            self.put_ping(id);
        }
    }

    fn receive_pong(&mut self, id: u64) {
        let Some(place) = self.pings.iter().position(|&(ping, _)| ping == id) else {
            return;
        };
        let Some((_, sent)) = self.pings.remove(place) else {
            return;
        };
        if id & PROBE == 0 {
            let round_trip = self.now.saturating_sub(sent);
            self.events.push_back(Event::Pong { id, round_trip });
            return;
        }
        match id ^ PROBE {
            0 => {
                self.deadlines.pong = None;
                self.touch();
            }
            1 => {
                // The notice has arrived: what is above came after it.
                self.flags.final_goaway_sent = true;
                self.put(Frame::GoAway {
                    last_stream: self.streams.theirs,
                    code: ErrorCode::NO_ERROR,
                    debug: b"",
                });
            }
            _ => {
                let begun = self.bandwidth_probe.take().map_or(0, |(_, octets)| octets);
                let came = self.stats.flow_received.saturating_sub(begun);
                let most = self.config.max_auto_window.unwrap_or(0);
                // What fills two thirds of a window in one round trip is slowed down by it.
                let target = u64::from(self.stream_target);
                if came.saturating_mul(3) >= target.saturating_mul(2) {
                    let double = |window: u32| window.saturating_mul(2).min(most).max(window);
                    self.stream_target = double(self.stream_target);
                    self.window_target = double(self.window_target).max(self.stream_target);
                }
            }
        }
    }

    fn receive_reset(&mut self, id: u32, code: ErrorCode) {
        if self.is_idle(id) {
            self.fail(ErrorCode::PROTOCOL_ERROR, Reason::IdleStream(id));
            return;
        }
        if !self.budgets.resets.take(self.limits.resets, self.now) {
            self.trip_rate(Limit::Resets, self.limits.resets.burst);
            return;
        }
        self.end_stream(id, Past::ResetByPeer, StreamEnd::ResetByPeer(code));
    }

    fn receive_settings(&mut self, payload: &[u8]) {
        let entries = payload.len() / 6;
        if entries > to_usize(self.limits.max_settings_entries) {
            let allowed = u64::from(self.limits.max_settings_entries);
            self.trip(Limit::SettingsEntries, to_u64(entries), allowed);
            return;
        }
        if !self.budgets.settings.take(self.limits.settings, self.now) {
            self.trip_rate(Limit::Settings, self.limits.settings.burst);
            return;
        }
        let old = self.remote;
        let mut new = old;
        for setting in Frame::settings(payload) {
            if let Err(error) = new.apply(setting) {
                self.fail(error.code, Reason::Frame(error.fault));
                return;
            }
        }
        // RFC 9113 section 6.5.2: a server may not enable push. RFC 8441 section 3 and RFC 9218
        // section 2.1: these do not change back.
        let first = !self.flags.settings_seen;
        let push = !self.is_server
            && Frame::settings(payload)
                .any(|s| s.id == crate::wire::SettingId::ENABLE_PUSH && s.value == 1);
        let back = old.enable_connect_protocol && !new.enable_connect_protocol;
        let priorities = !first && old.no_rfc7540_priorities != new.no_rfc7540_priorities;
        if push || back || priorities {
            self.fail(ErrorCode::PROTOCOL_ERROR, Reason::Settings);
            return;
        }
        let delta =
            i64::from(new.initial_window_size).saturating_sub(i64::from(old.initial_window_size));
        self.remote = new;
        if delta != 0 && self.shift_windows(delta).is_err() {
            self.fail(ErrorCode::FLOW_CONTROL_ERROR, Reason::FlowControl);
            return;
        }
        self.encoder.set_max_size(new.header_table_size);
        if self.is_server && new.no_rfc7540_priorities {
            self.adopt(Scheduling::Urgency);
        }
        self.flags.settings_seen = true;
        self.phase = Phase::Open;
        self.deadlines.handshake = None;
        self.watch();
        self.put_reply(Frame::Settings {
            ack: true,
            payload: b"",
        });
        self.events.push_back(Event::Settings(new));
    }

    fn shift_windows(&mut self, delta: i64) -> Result<(), crate::flow::WindowOverflow> {
        for id in self.streams.ids() {
            if let Some(stream) = self.streams.get_mut(id) {
                stream.send.grow(delta)?;
            }
            self.schedule(id);
        }
        Ok(())
    }

    fn settings_acknowledged(&mut self) {
        // RFC 9113 section 6.5.3: in the order of sending.
        let Some((new, _)) = self.in_flight.pop_front() else {
            self.fail(ErrorCode::PROTOCOL_ERROR, Reason::Settings);
            return;
        };
        let old = core::mem::replace(&mut self.local, new);
        let delta =
            i64::from(new.initial_window_size).saturating_sub(i64::from(old.initial_window_size));
        for stream in self.streams.iter_mut() {
            stream.receive.shift(delta);
        }
        self.decoder.set_max_size(new.header_table_size);
        self.events.push_back(Event::SettingsAcknowledged);
    }

    fn receive_goaway(&mut self, last: u32, code: ErrorCode, debug: &[u8]) {
        if self.peer_last.is_some_and(|before| last > before) {
            self.fail(ErrorCode::PROTOCOL_ERROR, Reason::GoAway);
            return;
        }
        self.peer_last = Some(last);
        let debug = debug.get(..256).unwrap_or(debug);
        self.events.push_back(Event::GoAway {
            last,
            code,
            debug: Bytes::copy_from_slice(debug),
        });
        for id in self.streams.ids() {
            if id > last && !self.is_theirs(id) {
                self.end_stream(id, Past::Reset, StreamEnd::Unprocessed);
            }
        }
    }

    fn receive_window_update(&mut self, id: u32, increment: u32) {
        if !self
            .budgets
            .window_updates
            .take(self.limits.window_updates, self.now)
        {
            self.trip_rate(Limit::WindowUpdates, self.limits.window_updates.burst);
            return;
        }
        if id == 0 {
            if self.send.grow(i64::from(increment)).is_err() {
                self.fail(ErrorCode::FLOW_CONTROL_ERROR, Reason::FlowControl);
            }
            return;
        }
        if self.is_idle(id) {
            self.fail(ErrorCode::PROTOCOL_ERROR, Reason::IdleStream(id));
            return;
        }
        let Some(stream) = self.streams.get_mut(id) else {
            return;
        };
        if stream.send.grow(i64::from(increment)).is_err() {
            let code = ErrorCode::FLOW_CONTROL_ERROR;
            self.stream_fault(id, code, StreamEnd::Fault(code));
            return;
        }
        self.schedule(id);
    }

    fn receive_origins(&mut self, stream: u32, payload: &[u8]) {
        // RFC 8336 section 2: ignored on streams and by servers.
        if stream != 0 || self.is_server {
            return;
        }
        let mut rest = payload;
        for _ in 0..32 {
            let Some((len, more)) = rest.split_first_chunk::<2>() else {
                return;
            };
            let Some((origin, more)) = more.split_at_checked(usize::from(u16::from_be_bytes(*len)))
            else {
                return;
            };
            rest = more;
            self.events
                .push_back(Event::Origin(Bytes::copy_from_slice(origin)));
        }
    }

    fn receive_priority_update(&mut self, id: u32, value: &[u8]) {
        // RFC 9218 section 7.1: from clients alone, and not for stream 0.
        if !self.is_server || id == 0 {
            self.fail(ErrorCode::PROTOCOL_ERROR, Reason::Role);
            return;
        }
        if !self
            .budgets
            .priorities
            .take(self.limits.priorities, self.now)
        {
            self.trip_rate(Limit::Priorities, self.limits.priorities.burst);
            return;
        }
        if !self.is_theirs(id) && self.is_idle(id) {
            self.fail(ErrorCode::PROTOCOL_ERROR, Reason::IdleStream(id));
            return;
        }
        let priority = Priority::parse(value);
        self.adopt(Scheduling::Urgency);
        if self.is_idle(id) {
            self.early.retain(|&(early, _)| early != id);
            if self.early.len() < to_usize(self.limits.max_idle_priorities) {
                self.early.push((id, priority));
            }
        } else if self.streams.get(id).is_some() {
            self.scheduler.reprioritise(id, Signal::Urgency(priority));
        }
        self.events.push_back(Event::Reprioritised {
            stream: id,
            priority,
        });
    }

    /// Takes a stream out when both sides have said all.
    pub(super) fn settle(&mut self, id: u32) {
        if self.streams.get(id).is_some_and(super::Stream::is_complete) {
            self.end_stream(id, Past::Ended, StreamEnd::Complete);
        }
    }
}
