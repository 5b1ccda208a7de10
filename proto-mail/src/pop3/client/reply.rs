//! What arrives, and which command it belongs to.

use super::{Error, Event, Excess, Kind, Reading, Session, State};
use crate::dot::{Received, Unstuffer};
use crate::line::Frame;
use crate::output::BY_REFERENCE;
use crate::pop3::wire::{
    Capabilities, ListItem, Reply, ReplyFault, Stat, Timestamp, UniqueIdItem, challenge,
};
use alloc::boxed::Box;
use bytes::{Buf, Bytes, BytesMut};
use memchr::memchr3;

/// Small runs between stuffed dots are joined up to so many octets.
const JOINED: usize = 16 * 1024;

impl Session {
    /// Reads until something is to be said, or the state changes, or nothing more can be read.
    pub(super) fn read(&mut self, input: &mut BytesMut) -> Option<Event> {
        loop {
            if self.state == State::Open && self.sent == 0 {
                return self.read_nothing(input);
            }
            if matches!(self.reading, Reading::Challenge) {
                self.refuse_unsolicited(input);
                return None;
            }
            if let Reading::Body { .. } = self.reading {
                return self.read_body(input);
            }
            let limit = match self.queue.front() {
                Some(entry) if matches!(entry.kind, Kind::Auth { .. }) => self.limits.max_auth_line,
                _ => self.limits.max_reply_line,
            };
            let outcome = match self.lines.scan(input, limit) {
                Some(Frame::Line { text, len }) => {
                    self.restart_timer();
                    let outcome = self.read_line(input.get(..text).unwrap_or_default());
                    input.advance(len.min(input.len()));
                    outcome
                }
                Some(Frame::TooLong) => Err(ReplyFault::TooLong { limit }.at(limit).into()),
                None if self.lines.is_skipping() => {
                    Err(ReplyFault::TooLong { limit }.at(limit).into())
                }
                None if self.flags.eof => Err(Error::UnexpectedEof {
                    pending: self.lines.pending(input),
                }),
                None if self.flags.timed_out => Err(Error::ReplyTimeout),
                None => return None,
            };
            match outcome {
                Ok(None) if matches!(self.state, State::Greeting | State::Open) => {}
                Ok(event) => return event,
                Err(error) => {
                    self.fail(error, input);
                    return None;
                }
            }
        }
    }

    /// Nothing is under way: nothing may come but the end.
    fn read_nothing(&mut self, input: &mut BytesMut) -> Option<Event> {
        if !input.is_empty() {
            self.refuse_unsolicited(input);
        } else if self.flags.eof {
            self.flags.closing = true;
            self.begin_closing();
        }
        None
    }

    fn refuse_unsolicited(&mut self, input: &mut BytesMut) {
        let octets = input.len();
        if octets > 0 {
            self.fail(Error::Unsolicited { octets }, input);
        } else if self.flags.eof {
            self.fail(Error::UnexpectedEof { pending: 0 }, input);
        }
    }

    fn read_line(&mut self, line: &[u8]) -> Result<Option<Event>, Error> {
        if self.state == State::Greeting {
            return self.read_greeting(line).map(Some);
        }
        match self.reading {
            Reading::Lines { .. } => self.read_listing(line),
            Reading::Capabilities { .. } => self.read_capability(line),
            Reading::Status | Reading::Challenge | Reading::Body { .. } | Reading::Tls { .. } => {
                self.read_status(line)
            }
        }
    }

    fn read_greeting(&mut self, line: &[u8]) -> Result<Event, Error> {
        let reply = Reply::parse(line)?;
        let timestamp = Timestamp::find(reply.as_bytes());
        self.timestamp = timestamp.clone().map(Box::new);
        self.state = State::Open;
        self.restart_timer();
        if reply.is_ok() {
            self.pump();
        } else {
            self.next = None;
            self.fail(Error::Refused, &mut BytesMut::new());
        }
        Ok(Event::Greeting { reply, timestamp })
    }

    fn read_status(&mut self, line: &[u8]) -> Result<Option<Event>, Error> {
        let Some(entry) = self.queue.front_mut() else {
            return Err(Error::Unsolicited { octets: line.len() });
        };
        let id = entry.id;
        if let Kind::Auth { initial } = &mut entry.kind
            && let Some(data) = challenge(line)?
        {
            return Ok(match initial.take() {
                Some(response) if data.is_empty() => {
                    self.send_response(response.as_bytes());
                    None
                }
                _ => {
                    self.reading = Reading::Challenge;
                    self.restart_timer();
                    Some(Event::Challenge { id, data })
                }
            });
        }
        let reply = Reply::parse(line)?;
        if !reply.is_ok() {
            let is_stls = matches!(entry.kind, Kind::Stls);
            let done = self.finish(reply);
            if is_stls && self.config.require_tls {
                // Nothing useful can be done in plaintext, and whoever sits in between knows it.
                self.fail(Error::TlsRefused, &mut BytesMut::new());
            }
            return Ok(done);
        }
        let text = reply.text();
        match &mut entry.kind {
            Kind::Simple | Kind::Quit => return Ok(self.finish(reply)),
            Kind::Login | Kind::Auth { .. } => {
                // The server may list other capabilities for this user.
                self.forget();
                return Ok(self.finish(reply));
            }
            Kind::User { password } => {
                let password = core::mem::take(password);
                entry.kind = Kind::Login;
                self.send_password(&password);
            }
            Kind::Stls => {
                self.reading = Reading::Tls { reply };
                self.state = State::Handshake { start: true };
                self.restart_timer();
            }
            Kind::Stat => {
                let Stat { messages, octets } = Stat::parse(text)?;
                self.next = self.finish(reply).map(Box::new);
                return Ok(Some(Event::Stat {
                    id,
                    messages,
                    octets,
                }));
            }
            Kind::ListOne => {
                let ListItem { message, octets } = ListItem::parse(text)?;
                self.next = self.finish(reply).map(Box::new);
                return Ok(Some(Event::ListItem {
                    id,
                    message,
                    octets,
                }));
            }
            Kind::UniqueIdOne => {
                let UniqueIdItem { message, unique_id } = UniqueIdItem::parse(text)?;
                self.next = self.finish(reply).map(Box::new);
                return Ok(Some(Event::UniqueIdItem {
                    id,
                    message,
                    unique_id,
                }));
            }
            Kind::ListAll | Kind::UniqueIdAll | Kind::Languages => {
                self.reading = Reading::Lines { reply, items: 0 };
            }
            Kind::Capa => {
                self.reading = Reading::Capabilities {
                    reply,
                    lines: BytesMut::new(),
                };
            }
            Kind::Body => {
                self.reading = Reading::Body {
                    reply,
                    unstuffer: Unstuffer::new(),
                    octets: 0,
                };
            }
        }
        Ok(None)
    }

    fn read_listing(&mut self, line: &[u8]) -> Result<Option<Event>, Error> {
        let Some(line) = unstuff(line) else {
            return Ok(self.end_of_lines());
        };
        let (Some(entry), Reading::Lines { items, .. }) = (self.queue.front(), &mut self.reading)
        else {
            return Ok(None);
        };
        let limit = self.limits.max_listing_items;
        if *items >= limit {
            return Err(Error::TooMuch {
                what: Excess::ListingItems,
                limit: u64::from(limit),
            });
        }
        *items = items.saturating_add(1);
        let id = entry.id;
        Ok(Some(match entry.kind {
            Kind::UniqueIdAll => {
                let UniqueIdItem { message, unique_id } = UniqueIdItem::parse(line)?;
                Event::UniqueIdItem {
                    id,
                    message,
                    unique_id,
                }
            }
            Kind::Languages => {
                check(line)?;
                Event::Language {
                    id,
                    line: Bytes::copy_from_slice(line),
                }
            }
            _ => {
                let ListItem { message, octets } = ListItem::parse(line)?;
                Event::ListItem {
                    id,
                    message,
                    octets,
                }
            }
        }))
    }

    fn read_capability(&mut self, line: &[u8]) -> Result<Option<Event>, Error> {
        let Reading::Capabilities { lines, .. } = &mut self.reading else {
            return Ok(None);
        };
        if let Some(line) = unstuff(line) {
            check(line)?;
            let limit = self.limits.max_capability_octets;
            if lines.len().saturating_add(line.len()) >= limit {
                return Err(Error::TooMuch {
                    what: Excess::CapabilityOctets,
                    limit: u64::try_from(limit).unwrap_or(u64::MAX),
                });
            }
            lines.extend_from_slice(line);
            lines.extend_from_slice(b"\n");
            return Ok(None);
        }
        // Copied, so that what is kept has no spare capacity.
        let capabilities = Capabilities::from_lines(Bytes::copy_from_slice(lines));
        self.learn(&capabilities);
        let id = self.queue.front().map(|entry| entry.id);
        self.next = self.end_of_lines().map(Box::new);
        Ok(id.map(|id| Event::Capabilities { id, capabilities }))
    }

    fn read_body(&mut self, input: &mut BytesMut) -> Option<Event> {
        let mut joined = BytesMut::new();
        loop {
            let (
                Some(entry),
                Reading::Body {
                    unstuffer, octets, ..
                },
            ) = (self.queue.front(), &mut self.reading)
            else {
                return None;
            };
            let id = entry.id;
            let chunk = |data: BytesMut| Event::BodyChunk {
                id,
                data: data.freeze(),
            };
            let (skip, mut take) = match unstuffer.step(input) {
                Received::Text { skip, take } => (skip, take),
                _ if !joined.is_empty() => return Some(chunk(joined)),
                Received::End(len) => {
                    input.advance(len);
                    self.stats.bodies = self.stats.bodies.saturating_add(1);
                    return self.end_of_lines();
                }
                Received::Partial => {
                    if self.flags.eof {
                        let pending = input.len();
                        self.fail(Error::UnexpectedEof { pending }, input);
                    } else if self.flags.timed_out {
                        self.fail(Error::ReplyTimeout, input);
                    }
                    return None;
                }
            };
            input.advance(skip);
            let max = self.limits.max_body_octets.unwrap_or(u64::MAX);
            let left = usize::try_from(max.saturating_sub(*octets)).unwrap_or(usize::MAX);
            let is_too_much = take > left;
            take = take.min(left);
            let taken = u64::try_from(take).unwrap_or(u64::MAX);
            *octets = octets.saturating_add(taken);
            self.stats.body_octets = self.stats.body_octets.saturating_add(taken);
            let mut big = None;
            if take >= BY_REFERENCE {
                big = Some(input.split_to(take));
            } else {
                if joined.is_empty() {
                    joined.reserve(input.len().min(JOINED.saturating_add(BY_REFERENCE)));
                }
                joined.extend_from_slice(input.get(..take).unwrap_or_default());
                input.advance(take);
            }
            if is_too_much {
                let what = Excess::BodyOctets;
                self.fail(Error::TooMuch { what, limit: max }, input);
            } else {
                self.restart_timer();
            }
            match (joined.is_empty(), big) {
                (true, Some(big)) => return Some(chunk(big)),
                (false, Some(big)) => {
                    self.next = Some(Box::new(chunk(big)));
                    return Some(chunk(joined));
                }
                (false, None) if is_too_much || joined.len() >= JOINED => {
                    return Some(chunk(joined));
                }
                (true, None) if is_too_much => return None,
                (_, None) => {}
            }
        }
    }

    /// The dot has come: the command ends with the reply that it began with.
    fn end_of_lines(&mut self) -> Option<Event> {
        match core::mem::replace(&mut self.reading, Reading::Status) {
            Reading::Lines { reply, .. }
            | Reading::Capabilities { reply, .. }
            | Reading::Body { reply, .. } => self.finish(reply),
            Reading::Status | Reading::Challenge | Reading::Tls { .. } => None,
        }
    }
}

/// A line of a multi-line answer without its stuffed dot; nothing for the last one.
fn unstuff(line: &[u8]) -> Option<&[u8]> {
    match line {
        b"." => None,
        [b'.', rest @ ..] => Some(rest),
        _ => Some(line),
    }
}

fn check(line: &[u8]) -> Result<(), Error> {
    match memchr3(b'\r', b'\n', 0, line) {
        Some(offset) => Err(ReplyFault::ForbiddenOctet.at(offset).into()),
        None => Ok(()),
    }
}
