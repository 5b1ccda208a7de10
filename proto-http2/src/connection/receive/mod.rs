//! What the peer's frames do: taken from the input, checked, and handed to the file of their idea.

mod block;
mod data;
mod message;
mod session;

pub(super) use block::BlockHead;

use super::streams::Past;
use super::{Connection, Phase, pass_over};
use crate::config::Scheduling;
use crate::error::{OtherProtocol, Reason};
use crate::event::{Event, StreamEnd};
use crate::limits::Limit;
use crate::num::to_usize;
use crate::priority::Signal;
use crate::wire::{DecodeError, ErrorCode, Frame, FrameHeader, FrameType, HEADER_LEN, PREFACE};
use crate::wire::{Scope, flags};
use bytes::{Buf, Bytes, BytesMut};

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

    /// Takes a stream out when both sides have said all.
    pub(super) fn settle(&mut self, id: u32) {
        if self.streams.get(id).is_some_and(super::Stream::is_complete) {
            self.end_stream(id, Past::Ended, StreamEnd::Complete);
        }
    }
}
