//! Messages: requests, responses, trailers and promises.

use super::super::Connection;
use super::super::streams::{Half, Past};
use super::BlockHead;
use crate::config::{Scheduling, Validation};
use crate::error::Reason;
use crate::event::{Event, StreamEnd, StreamId};
use crate::fields::Fields;
use crate::limits::Limit;
use crate::num::to_usize;
use crate::priority::{Priority, Signal};
use crate::validate::{self, Malformed};
use crate::wire::ErrorCode;

impl Connection {
    pub(super) fn receive_fields(&mut self, head: BlockHead, fields: Fields) {
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

    pub(super) fn malformed(&mut self, id: u32, fault: Malformed) {
        self.stream_fault(id, ErrorCode::PROTOCOL_ERROR, StreamEnd::Malformed(fault));
    }

    fn receive_request(&mut self, head: BlockHead, fields: Fields) {
        let id = head.stream;
        self.streams.theirs = id;
        self.stats.streams = self.stats.streams.saturating_add(1);
        self.deadlines.idle = None;
        let early = self.take_early(id);
        if self.depends_on_itself(head) {
            self.malformed_dependency(id);
            return;
        }
        let is_full = self.open_by_peer() >= self.max_open();
        // Heads of streams that were reset wait too, for a peer that does not read.
        if is_full || self.control.len() >= self.limits.max_send_buffer {
            // RFC 9113 section 5.1.2.
            self.stream_fault(id, ErrorCode::REFUSED_STREAM, StreamEnd::Unprocessed);
            return;
        }
        if id > self.last_told {
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
        if let Some(priority) = early {
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

    /// What was said of a stream before it was opened. What was said of those that it passes over
    /// is forgotten: they cannot be opened any more.
    fn take_early(&mut self, id: u32) -> Option<Priority> {
        let found = self.early.iter().find(|&&(early, _)| early == id);
        let priority = found.map(|&(_, priority)| priority);
        self.early.retain(|&(early, _)| early > id);
        priority
    }

    /// Streams that the peer may have open: what our settings say, and never more than the limit.
    fn max_open(&self) -> usize {
        let announced = self.local.max_concurrent_streams.unwrap_or(u32::MAX);
        to_usize(announced.min(self.limits.max_concurrent_streams))
    }

    fn open_by_peer(&self) -> usize {
        self.streams.count(self.is_server)
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
        let most = self.max_open();
        let active = self
            .open_by_peer()
            .saturating_sub(to_usize(self.streams.reserved));
        let Some(stream) = self.streams.get_mut(id) else {
            return;
        };
        if stream.remote == Half::Reserved {
            // RFC 9113 section 5.1.2: from now on it counts as open.
            if active >= most {
                let code = ErrorCode::REFUSED_STREAM;
                self.stream_fault(id, code, StreamEnd::Reset(code));
                return;
            }
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

    pub(super) fn receive_promise(&mut self, parent: u32, promised: u32, fields: Fields) {
        // RFC 9113 section 6.6: on a stream of ours that is open or half-closed (local).
        let is_open = !self.is_theirs(parent)
            && self
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
}
