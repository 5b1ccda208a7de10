//! Messages as they come in, by DATA and by BDAT.

use super::{AbortReason, BareNewlines, Error, Event, MessageAsk, QuestionKind, Session, State};
use crate::dot::{LINE_DOT, Received};
use crate::output::BY_REFERENCE;
use crate::smtp::wire::BodyType;
use bytes::{Buf, Bytes, BytesMut};
use memchr::memmem;

/// Small runs between stuffed dots are joined up to so many octets.
const JOINED: usize = 16 * 1024;

impl Session {
    /// Reads parts of a message until something is to be said.
    pub(super) fn poll_body(&mut self, input: &mut BytesMut) -> Option<Event> {
        let mut joined = BytesMut::new();
        let finder = memmem::Finder::new(LINE_DOT);
        loop {
            let (skip, take) = match &mut self.state {
                State::Dots(unstuffer) => match unstuffer.step_by(input, &finder) {
                    Received::Text { skip, take } => (skip, take),
                    _ if !joined.is_empty() => return Some(Event::BodyChunk(joined.freeze())),
                    Received::End(len) => {
                        input.advance(len);
                        return self.end_of_message();
                    }
                    Received::Partial => return self.body_waits(input),
                },
                State::Chunk { left, .. } if *left == 0 => {
                    if !joined.is_empty() {
                        return Some(Event::BodyChunk(joined.freeze()));
                    }
                    return self.end_of_chunk();
                }
                State::Chunk { left, .. } => {
                    let take = usize::try_from(*left)
                        .unwrap_or(usize::MAX)
                        .min(input.len());
                    if take == 0 {
                        if !joined.is_empty() {
                            return Some(Event::BodyChunk(joined.freeze()));
                        }
                        return self.body_waits(input);
                    }
                    *left = left.saturating_sub(u64::try_from(take).unwrap_or(u64::MAX));
                    (0, take)
                }
                _ => return None,
            };
            input.advance(skip);
            let good = self.pass(input.get(..take).unwrap_or_default());
            let rest = take.saturating_sub(good);
            let mut big = None;
            if good >= BY_REFERENCE {
                big = Some(input.split_to(good).freeze());
            } else if good > 0 {
                if joined.is_empty() {
                    joined.reserve(input.len().min(JOINED.saturating_add(BY_REFERENCE)));
                }
                joined.extend_from_slice(input.get(..good).unwrap_or_default());
                input.advance(good);
            }
            input.advance(rest);
            if self.failure.is_some() {
                self.discard(input);
            }
            if let Some(big) = big {
                if joined.is_empty() {
                    return Some(Event::BodyChunk(big));
                }
                joined.extend_from_slice(&big);
                return Some(Event::BodyChunk(joined.freeze()));
            }
            let is_refused = self.notice.is_some() || self.failure.is_some();
            if !joined.is_empty() && (is_refused || joined.len() >= JOINED) {
                // What is refused is told next.
                return self.chunk_before_notice(joined.freeze());
            }
            if is_refused {
                return None;
            }
            self.restart_timer();
        }
    }

    fn chunk_before_notice(&mut self, chunk: Bytes) -> Option<Event> {
        Some(Event::BodyChunk(chunk))
    }

    /// How many of these octets are handed over. What is wrong with the others is noted.
    fn pass(&mut self, text: &[u8]) -> usize {
        let len = u64::try_from(text.len()).unwrap_or(u64::MAX);
        let transaction = &mut self.transaction;
        if transaction.refused.is_some() || !transaction.has_sender {
            return self.drop_octets(len);
        }
        let room = self
            .limits
            .max_message_octets
            .saturating_sub(transaction.octets);
        let fits = usize::try_from(room).unwrap_or(usize::MAX).min(text.len());
        let mut good = fits;
        let is_binary = transaction.body == Some(BodyType::BinaryMime);
        if self.config.bare_newlines == BareNewlines::Reject && !is_binary {
            good = transaction
                .newlines
                .pass(text.get(..fits).unwrap_or_default());
        }
        let taken = u64::try_from(good).unwrap_or(u64::MAX);
        transaction.octets = transaction.octets.saturating_add(taken);
        self.stats.body_octets = self.stats.body_octets.saturating_add(taken);
        if good < fits {
            self.refuse(AbortReason::BareNewline);
        } else if fits < text.len() {
            self.refuse(AbortReason::TooLarge);
        } else {
            return good;
        }
        self.drop_octets(len.saturating_sub(taken));
        good
    }

    fn drop_octets(&mut self, len: u64) -> usize {
        let discarded = self.transaction.discarded.saturating_add(len);
        self.transaction.discarded = discarded;
        let limit = self.limits.max_discarded;
        if discarded > limit {
            self.fail(Error::TooMuchDiscarded { limit }, &mut BytesMut::new());
        }
        0
    }

    /// The message is read to its end, and not taken.
    pub(super) fn refuse(&mut self, reason: AbortReason) {
        if self.transaction.has_sender && self.transaction.refused.is_none() {
            self.transaction.refused = Some(reason);
            self.notice = Some(super::Notice::Aborted(reason));
            match reason {
                AbortReason::TooLarge => self.count_limit(),
                AbortReason::BareNewline => {
                    self.stats.bare_newlines = self.stats.bare_newlines.saturating_add(1);
                }
                _ => {}
            }
        }
    }

    /// No octet more is there.
    fn body_waits(&mut self, input: &mut BytesMut) -> Option<Event> {
        if self.flags.eof {
            let pending = input.len();
            self.fail(Error::UnexpectedEof { pending }, input);
        } else if self.flags.timed_out {
            self.fail(Error::IdleTimeout, input);
        }
        None
    }

    /// A part by BDAT is complete.
    fn end_of_chunk(&mut self) -> Option<Event> {
        let State::Chunk { last, .. } = self.state else {
            return None;
        };
        if last {
            return self.end_of_message();
        }
        match self.transaction.refused {
            Some(reason) => {
                self.refuse_message(reason, 1);
                // RFC 3030 section 2: after a failed BDAT the client resets; until then all others
                // fail.
                if matches!(self.state, State::Chunk { .. }) {
                    self.set_ready();
                }
            }
            None if !self.transaction.has_sender => {
                self.say("503 5.5.1 no message to take a part of");
                self.set_ready();
            }
            None => {
                self.say("250 2.0.0 part received");
                self.set_ready();
            }
        }
        None
    }

    /// The message is complete: the embedder decides, unless it was refused on the way.
    fn end_of_message(&mut self) -> Option<Event> {
        let recipients = self.transaction.recipients;
        if !self.transaction.has_sender {
            self.say("503 5.5.1 no message to take a part of");
            self.set_ready();
            return None;
        }
        if self.transaction.refused.is_none()
            && self.transaction.newlines.is_open()
            && self.transaction.body != Some(BodyType::BinaryMime)
        {
            self.refuse(AbortReason::BareNewline);
        }
        self.stats.messages = self.stats.messages.saturating_add(1);
        self.idle_commands = 0;
        if let Some(reason) = self.transaction.refused {
            // One answer for each recipient, if this is LMTP (RFC 2033 section 4.2).
            let answers = if self.is_lmtp() { recipients.max(1) } else { 1 };
            self.refuse_message(reason, answers);
            self.transaction = super::Transaction::default();
            if matches!(self.state, State::Dots(_) | State::Chunk { .. }) {
                self.set_ready();
            }
            return None;
        }
        let ask = MessageAsk(self.ask(QuestionKind::Message));
        Some(Event::MessageEnd { ask, recipients })
    }

    fn refuse_message(&mut self, reason: AbortReason, answers: u32) {
        for _ in 0..answers {
            match reason {
                AbortReason::TooLarge => self.say("552 5.3.4 message too large"),
                AbortReason::BareNewline => {
                    self.say("521 5.5.2 bare CR, LF or NUL in the message; closing");
                }
                _ => self.say("451 4.3.0 try again later"),
            }
        }
        if reason == AbortReason::BareNewline {
            // Whatever follows may be what somebody tried to smuggle in.
            self.transaction = super::Transaction::default();
            self.fail(Error::BareNewline, &mut BytesMut::new());
        }
    }
}
