//! Bodies and their credit.

use super::super::send::SMALL;
use super::super::streams::{Half, Past, Stream};
use super::super::{Connection, PROBE};
use crate::config::Validation;
use crate::error::Reason;
use crate::event::{Event, StreamEnd, StreamId};
use crate::limits::Limit;
use crate::num::{to_u32, to_u64, to_usize};
use crate::validate::Malformed;
use crate::wire::{ErrorCode, Frame, FrameHeader, HEADER_LEN, MAX_WINDOW};
use bytes::{Buf, Bytes, BytesMut};

/// Pieces of a body from this size on are taken without a copy.
const COPY_BELOW: usize = 4096;

impl Connection {
    pub(super) fn receive_data(&mut self, header: FrameHeader, input: &mut BytesMut) {
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
        let stream = self.streams.get(id);
        let state = stream.map(|stream| stream.remote);
        // RFC 9113 section 5.1: nothing but a head comes for what is reserved.
        if stream.is_some_and(Stream::is_reserved) {
            self.fail(ErrorCode::PROTOCOL_ERROR, Reason::IdleStream(id));
            return;
        }
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
        let padding = octets.saturating_sub(to_u32(data));
        // What is given back at once; the rest when the embedder releases it, or with the stream.
        let mut back = if auto { octets } else { padding };
        let mut increment = None;
        let mut fault = None;
        if let Some(stream) = self.streams.get_mut(id) {
            if stream.receive.receive(octets).is_err() {
                let code = ErrorCode::FLOW_CONTROL_ERROR;
                fault = Some((code, StreamEnd::Fault(code)));
                back = octets;
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
                stream.receive.release(back);
                if end {
                    stream.remote = Half::Ended;
                } else if fault.is_none() {
                    increment = stream.receive.update(target);
                }
            }
        }
        if let Some((code, end)) = fault {
            self.release_connection(back);
            input.advance(len);
            self.stream_fault(id, code, end);
            return;
        }
        self.release_connection(back);
        if let Some(increment) = increment {
            self.put_reply(Frame::WindowUpdate {
                stream: id,
                increment,
            });
        }
        self.probe_bandwidth();
        if data >= SMALL {
            self.budgets.small_frames.earn(1);
        } else if !end
            && data > 0
            && !self
                .budgets
                .small_frames
                .take(self.limits.small_frames, self.now)
        {
            self.trip_rate(Limit::SmallFrames, self.limits.small_frames.burst);
            return;
        }
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
        let most = self.config.max_auto_window.unwrap_or(0).min(MAX_WINDOW);
        // Windows that are as large as they may be need no measuring; and peers count PINGs.
        if self.stream_target < most
            && self.bandwidth_probe.is_none()
            && self.now >= self.next_probe
        {
            let id = PROBE | 2;
            self.bandwidth_probe = Some((id, self.stats.flow_received));
            self.put_ping(id);
        }
    }
}
