//! One message on its way: envelope, body, answers.

use super::{CommandId, Event, FailReason, Kind, Limits, Session, State};
use crate::dot::Stuffer;
use crate::newlines::NewlineCheck;
use crate::output::{BY_REFERENCE, Output};
use crate::smtp::wire::{
    BodyType, Command, Extension, Extensions, MailParams, Mailbox, RcptParams, Reply, ReversePath,
};
use crate::smtp::{Protocol, UsageError};
use alloc::vec::Vec;
use bytes::{Buf, Bytes, BytesMut};

/// Who sends a message to whom.
#[derive(Clone, Debug)]
pub struct Envelope {
    /// Whom to tell when it cannot be delivered.
    pub from: ReversePath,
    /// What else is said of the message. SIZE is said if the server wants to know it; parameters of
    /// DSN, MT-PRIORITY and AUTH are left out where they are not offered, while a message that
    /// needs anything else fails there.
    pub params: MailParams,
    /// The recipients.
    pub recipients: Vec<(Mailbox, RcptParams)>,
}

impl Envelope {
    /// A message without recipients yet.
    #[must_use]
    pub fn new(from: impl Into<ReversePath>) -> Self {
        Self {
            from: from.into(),
            params: MailParams::default(),
            recipients: Vec::new(),
        }
    }

    /// The same with one recipient more.
    #[must_use]
    pub fn to(mut self, recipient: Mailbox) -> Self {
        self.recipients.push((recipient, RcptParams::default()));
        self
    }
}

/// A message and how far it has got.
pub(super) struct Message {
    envelope: Envelope,
    stage: Stage,
    /// Commands of the envelope that were sent: MAIL, the RCPTs, DATA.
    sent: usize,
    /// And those that were answered.
    answered: usize,
    /// MAIL was accepted.
    sender_ok: bool,
    /// Places of the recipients that were accepted.
    accepted: Vec<u32>,
    /// The reply that stops the message, if there is one.
    refused: Option<Reply>,
    stuffer: Stuffer,
    newlines: NewlineCheck,
    is_binary: bool,
    by_chunks: bool,
    /// Parts by BDAT that have no answer yet, the last one aside.
    open_chunks: u32,
    is_blocked: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Envelope,
    Body,
    /// All is sent; with LMTP, answers that have come.
    End {
        answers: usize,
    },
}

impl Message {
    pub(super) fn new(envelope: Envelope, limits: &Limits) -> Result<Self, UsageError> {
        let limit = limits.max_command_line;
        let mut line = BytesMut::new();
        Command::Mail {
            from: envelope.from.clone(),
            params: envelope.params.clone(),
        }
        .encode(&mut line);
        let mut longest = line.len();
        for (to, params) in &envelope.recipients {
            line.clear();
            Command::Rcpt {
                to: to.clone(),
                params: params.clone(),
            }
            .encode(&mut line);
            longest = longest.max(line.len());
        }
        if longest > limit {
            return Err(UsageError::CommandTooLong { limit });
        }
        Ok(Self {
            envelope,
            stage: Stage::Envelope,
            sent: 0,
            answered: 0,
            sender_ok: false,
            accepted: Vec::new(),
            refused: None,
            stuffer: Stuffer::new(),
            newlines: NewlineCheck::default(),
            is_binary: false,
            by_chunks: false,
            open_chunks: 0,
            is_blocked: false,
        })
    }

    /// Fits the parameters to what the server offers, or says why that cannot be.
    pub(super) fn prepare(&mut self, offered: &Extensions) -> Option<FailReason> {
        let params = &mut self.envelope.params;
        let recipients = &mut self.envelope.recipients;
        if self.envelope.from.is_internationalized()
            || recipients.iter().any(|(to, _)| to.is_internationalized())
        {
            params.smtputf8 = true;
        }
        self.is_binary = params.body == Some(BodyType::BinaryMime);
        let needs = [
            (
                params.body == Some(BodyType::EightBitMime),
                Extension::EightBitMime,
            ),
            (self.is_binary, Extension::Chunking),
            (self.is_binary, Extension::BinaryMime),
            (params.smtputf8, Extension::SmtpUtf8),
            (params.require_tls, Extension::RequireTls),
            (params.by.is_some(), Extension::DeliverBy),
            (params.hold.is_some(), Extension::FutureRelease),
        ];
        for (is_needed, extension) in needs {
            if is_needed && !offered.contains(extension) {
                return Some(FailReason::Unsupported(extension));
            }
        }
        if let (Some(size), Some(max)) = (params.size, offered.max_size())
            && size > max
        {
            return Some(FailReason::TooLarge);
        }
        if !offered.contains(Extension::Size) {
            params.size = None;
        }
        if params.body == Some(BodyType::SevenBit) && !offered.contains(Extension::EightBitMime) {
            params.body = None;
        }
        if !offered.contains(Extension::Dsn) {
            (params.ret, params.envid) = (None, None);
            for (_, params) in recipients.iter_mut() {
                (params.notify, params.orcpt) = (None, None);
            }
        }
        if !offered.contains(Extension::Rrvs) {
            for (_, params) in recipients.iter_mut() {
                params.rrvs = None;
            }
        }
        if !offered.contains(Extension::MtPriority) {
            params.priority = None;
        }
        if !offered.contains(Extension::Auth) {
            params.auth = None;
        }
        None
    }

    pub(super) fn wants_data(&self) -> bool {
        self.stage == Stage::Body
    }

    /// MAIL, the RCPTs, and DATA unless BDAT is used.
    fn commands(&self) -> usize {
        let recipients = self.envelope.recipients.len();
        recipients.saturating_add(if self.by_chunks { 1 } else { 2 })
    }

    fn encode(&self, number: usize, dst: &mut BytesMut) {
        let recipient = number
            .checked_sub(1)
            .and_then(|index| self.envelope.recipients.get(index));
        match (number, recipient) {
            (0, _) => Command::Mail {
                from: self.envelope.from.clone(),
                params: self.envelope.params.clone(),
            }
            .encode(dst),
            (_, Some((to, params))) => Command::Rcpt {
                to: to.clone(),
                params: params.clone(),
            }
            .encode(dst),
            (_, None) => Command::Data.encode(dst),
        }
    }

    /// Puts a text on its way as it may be sent, line ends repaired. Says how many were.
    fn put(&mut self, text: &mut Bytes, output: &mut Output) -> u64 {
        let mut repairs = 0_u64;
        while !text.is_empty() {
            let good = match self.is_binary {
                true => text.len(),
                false => self.newlines.pass(text),
            };
            self.put_good(text.split_to(good), output);
            if text.is_empty() {
                break;
            }
            // The octet at the front proves a fault: a bare LF, or what stands behind a bare CR.
            repairs = repairs.saturating_add(1);
            if text.first() == Some(&b'\n') {
                text.advance(1);
                self.put_good(Bytes::from_static(b"\r\n"), output);
            } else {
                self.put_good(Bytes::from_static(b"\n"), output);
            }
            self.newlines.repaired();
        }
        repairs
    }

    fn put_good(&mut self, mut part: Bytes, output: &mut Output) {
        if self.by_chunks {
            return output.share(part);
        }
        while !part.is_empty() {
            let piece = self.stuffer.step(&part);
            output.copy(piece.insert);
            if piece.take >= BY_REFERENCE {
                output.share(part.split_to(piece.take));
            } else {
                output.copy(part.get(..piece.take).unwrap_or_default());
                part.advance(piece.take);
            }
        }
    }

    /// What completes the last line.
    fn put_end(&mut self, output: &mut Output) {
        if self.newlines.is_open() && !self.is_binary {
            self.put_good(Bytes::from_static(b"\n"), output);
            self.newlines.repaired();
        }
    }
}

impl Session {
    /// Gives the next part of a message, after [`Event::Writable`]. The machine takes the prefix
    /// that fits into [`Limits::max_queued_output`] and leaves the rest; when something stayed,
    /// [`Event::Writable`] follows.
    ///
    /// Lines are made safe: a bare CR or LF becomes CRLF, a line that begins with a dot gets a
    /// second one, a missing last CRLF is added. Parts of 4 KiB and more without such a place are
    /// sent uncopied. A message with `BODY=BINARYMIME` is sent as it is. `end` says that nothing
    /// follows `data`; it counts once all of `data` was taken.
    ///
    /// # Errors
    ///
    /// [`UsageError::StaleCommand`] when the message is not the one that the server waits for;
    /// [`UsageError::InvalidArgument`] when there is a NUL: nothing is taken then.
    pub fn send_data(
        &mut self,
        id: CommandId,
        data: &mut Bytes,
        end: bool,
    ) -> Result<(), UsageError> {
        let max = self.limits.max_queued_output;
        let Some(message) = self.open_message(id) else {
            return Err(UsageError::StaleCommand);
        };
        let is_binary = message.is_binary;
        let room = max.saturating_sub(self.output.len());
        // Of what stays, nothing is looked at: it comes again.
        let taken = data.get(..room).unwrap_or(data);
        if !is_binary && let Some(offset) = memchr::memchr(0, taken) {
            // RFC 5321 section 4.5.2 and RFC 2045 section 2.8: NUL only in binary messages.
            return Err(UsageError::InvalidArgument { offset });
        }
        let mut part = data.split_to(data.len().min(room));
        let is_last = end && data.is_empty();
        if !part.is_empty() || is_last {
            self.put_part(&mut part, is_last);
        }
        let is_blocked = !data.is_empty();
        if let Some(message) = self.open_message(id) {
            message.is_blocked = is_blocked;
        }
        self.restart_timer();
        Ok(())
    }

    /// Gives up a message whose body was begun. There is no way to say so inside DATA: the
    /// connection ends without the final dot, so that no server takes a part for the whole.
    ///
    /// # Errors
    ///
    /// [`UsageError::StaleCommand`] when the message is not the one that the server waits for.
    pub fn abort(&mut self, id: CommandId) -> Result<(), UsageError> {
        if self.open_message(id).is_none() {
            return Err(UsageError::StaleCommand);
        }
        self.output.clear();
        self.give_up();
        Ok(())
    }

    fn open_message(&mut self, id: CommandId) -> Option<&mut Message> {
        if self.state != State::Open || !self.is_started {
            return None;
        }
        match self.queue.front_mut() {
            Some(entry) if entry.id == id => match &mut entry.kind {
                Kind::Message(message) if message.stage == Stage::Body => Some(message),
                _ => None,
            },
            _ => None,
        }
    }

    fn put_part(&mut self, part: &mut Bytes, is_last: bool) {
        let Some(entry) = self.queue.front_mut() else {
            return;
        };
        let Kind::Message(message) = &mut entry.kind else {
            return;
        };
        let octets = u64::try_from(part.len()).unwrap_or(u64::MAX);
        self.stats.body_octets = self.stats.body_octets.saturating_add(octets);
        let repairs;
        if message.by_chunks {
            let mut chunk = Output::default();
            repairs = message.put(part, &mut chunk);
            if is_last {
                message.put_end(&mut chunk);
            }
            if !chunk.is_empty() || is_last {
                let size = u64::try_from(chunk.len()).unwrap_or(u64::MAX);
                let command = Command::Bdat {
                    size,
                    last: is_last,
                };
                command.encode(self.output.tail());
                while let Some(octets) = chunk.take(usize::MAX) {
                    self.output.share(octets);
                }
                if !is_last {
                    message.open_chunks = message.open_chunks.saturating_add(1);
                }
            }
        } else {
            repairs = message.put(part, &mut self.output);
            if is_last {
                message.put_end(&mut self.output);
                let stuffer = core::mem::take(&mut message.stuffer);
                self.output.copy(stuffer.finish());
            }
        }
        if is_last {
            message.stage = Stage::End { answers: 0 };
        }
        self.stats.repaired = self.stats.repaired.saturating_add(repairs);
    }

    /// Room again for a message of which something stayed.
    pub(super) fn tell_writable(&mut self) {
        if self.output.len() > self.limits.max_queued_output / 2 {
            return;
        }
        if let Some(entry) = self.queue.front_mut()
            && let Kind::Message(message) = &mut entry.kind
            && message.stage == Stage::Body
            && core::mem::take(&mut message.is_blocked)
        {
            let id = entry.id;
            self.next.push_back(Event::Writable { id });
        }
    }

    /// Sends of the envelope what may leave now.
    pub(super) fn pump_message(&mut self) {
        let may_run_ahead = self.config.pipelining && self.offers(Extension::Pipelining);
        let may_chunk = self.offers(Extension::Chunking) && self.config.prefer_chunking;
        let Some(entry) = self.queue.front_mut() else {
            return;
        };
        let Kind::Message(message) = &mut entry.kind else {
            return;
        };
        if message.sent == 0 {
            message.by_chunks = message.is_binary || may_chunk;
        }
        let commands = message.commands();
        while message.stage == Stage::Envelope
            && message.sent < commands
            && (may_run_ahead || message.sent == message.answered)
            && self.output.len() < self.limits.max_queued_output
        {
            message.encode(message.sent, self.output.tail());
            message.sent = message.sent.saturating_add(1);
        }
    }

    /// A reply for the message at the front.
    pub(super) fn read_for_message(&mut self, reply: Reply) {
        let is_lmtp = self.config.protocol == Protocol::Lmtp;
        let Some(entry) = self.queue.front_mut() else {
            return;
        };
        let id = entry.id;
        let Kind::Message(message) = &mut entry.kind else {
            return;
        };
        match message.stage {
            Stage::Envelope => self.read_for_envelope(id, reply),
            Stage::Body if message.open_chunks > 0 => {
                message.open_chunks = message.open_chunks.saturating_sub(1);
                if !reply.is_ok() {
                    // RFC 3030 section 2: a failed BDAT is to be followed by RSET. The parts behind
                    // it left already, and each of them has a reply of its own.
                    self.flags.owed = message.open_chunks;
                    self.flags.needs_reset = true;
                    self.finish(reply);
                }
            }
            Stage::Body => {
                // The server does not want the rest. Inside DATA there is no way back: whatever
                // we said next would be a part of the message.
                self.finish(reply);
                self.output.clear();
                self.give_up();
            }
            Stage::End { .. } if message.open_chunks > 0 => {
                message.open_chunks = message.open_chunks.saturating_sub(1);
                if !reply.is_ok() && message.refused.is_none() {
                    message.refused = Some(reply);
                }
            }
            Stage::End { answers } if is_lmtp => {
                if answers == 0
                    && message.by_chunks
                    && message.accepted.len() > 1
                    && let Some(refused) = message.refused.take()
                {
                    // A part was refused, so the last one is as well: once, or once for each
                    // recipient, nobody can tell. No later reply may be taken for another's.
                    self.finish(refused);
                    return self.give_up();
                }
                let index = message.accepted.get(answers).copied();
                let answers = answers.saturating_add(1);
                message.stage = Stage::End { answers };
                let is_last = answers >= message.accepted.len();
                let best = match message.refused.take() {
                    Some(best) if best.is_ok() || !reply.is_ok() => best,
                    _ => reply.clone(),
                };
                if let Some(index) = index {
                    self.next.push_back(Event::Delivery { id, index, reply });
                }
                if is_last {
                    self.count_message(&best);
                    self.finish(best);
                } else {
                    message.refused = Some(best);
                }
            }
            Stage::End { .. } => {
                let reply = message.refused.take().unwrap_or(reply);
                self.count_message(&reply);
                self.finish(reply);
            }
        }
    }

    /// The connection is of no more use.
    fn give_up(&mut self) {
        self.flags.closing = true;
        self.begin_closing();
    }

    fn count_message(&mut self, reply: &Reply) {
        if reply.is_ok() {
            self.stats.messages = self.stats.messages.saturating_add(1);
        }
    }

    fn read_for_envelope(&mut self, id: CommandId, reply: Reply) {
        let Some(entry) = self.queue.front_mut() else {
            return;
        };
        let Kind::Message(message) = &mut entry.kind else {
            return;
        };
        let number = message.answered;
        message.answered = number.saturating_add(1);
        let recipients = message.envelope.recipients.len();
        let is_data = number > recipients;
        if number == 0 {
            message.sender_ok = reply.is_ok();
            if !reply.is_ok() {
                message.refused = Some(reply);
            }
        } else if !is_data {
            let index = u32::try_from(number.saturating_sub(1)).unwrap_or(u32::MAX);
            // Without a sender the answers to the recipients mean nothing.
            if message.sender_ok {
                if reply.is_ok() {
                    message.accepted.push(index);
                } else if message.refused.is_none() {
                    message.refused = Some(reply.clone());
                }
                self.next.push_back(Event::Recipient { id, index, reply });
            }
        } else {
            return self.read_for_data(id, reply);
        }
        self.after_envelope_reply(id);
    }

    /// All of the envelope but DATA is answered, or there is no sense in going on.
    fn after_envelope_reply(&mut self, id: CommandId) {
        let Some(entry) = self.queue.front_mut() else {
            return;
        };
        let Kind::Message(message) = &mut entry.kind else {
            return;
        };
        let recipients = message.envelope.recipients.len();
        let is_all_answered = message.sent == message.answered;
        let is_sender_refused = !message.sender_ok;
        let is_envelope_over = message.answered > recipients;
        if is_all_answered && (is_sender_refused || is_envelope_over) {
            if message.accepted.is_empty() {
                let reply = message.refused.take();
                self.flags.needs_reset = !is_sender_refused;
                if let Some(reply) = reply {
                    self.finish(reply);
                }
                return;
            }
            if message.by_chunks {
                message.refused = None;
                message.stage = Stage::Body;
                self.next.push_back(Event::Writable { id });
            }
        }
        self.restart_timer();
    }

    fn read_for_data(&mut self, id: CommandId, reply: Reply) {
        let is_lmtp = self.config.protocol == Protocol::Lmtp;
        let Some(entry) = self.queue.front_mut() else {
            return;
        };
        let Kind::Message(message) = &mut entry.kind else {
            return;
        };
        match (reply.code(), message.accepted.is_empty()) {
            (354, false) => {
                message.refused = None;
                message.stage = Stage::Body;
                self.next.push_back(Event::Writable { id });
                self.restart_timer();
            }
            (354, true) => {
                // RFC 2920 section 3.1: DATA was pipelined, no recipient was taken, and the server
                // waits all the same: it gets an empty message.
                self.output.copy(b".\r\n");
                if is_lmtp {
                    // RFC 2033 section 4.2 forbids that 354, so that nobody knows whether the end
                    // has a reply.
                    let reply = message.refused.take().unwrap_or(reply);
                    self.finish(reply);
                    self.give_up();
                } else {
                    message.stage = Stage::End { answers: 0 };
                    self.restart_timer();
                }
            }
            _ => {
                let reply = match message.accepted.is_empty() {
                    true => message.refused.take().unwrap_or(reply),
                    false => reply,
                };
                self.flags.needs_reset = true;
                if reply.is_positive() {
                    let code = reply.code();
                    self.fail(super::Error::UnexpectedCode { code }, &mut BytesMut::new());
                } else {
                    self.finish(reply);
                }
            }
        }
    }
}

impl Message {
    /// Whether every command of the envelope that was sent has its answer, and more are to come.
    pub(super) fn wants_no_reply(&self) -> bool {
        self.stage == Stage::Envelope && self.sent == self.answered
    }
}
