//! What each command does.

use super::event::{AuthAsk, HelloKind, MailAsk, RcptAsk, VerifyAsk};
use super::{AbortReason, Error, Event, Fault, Notice, QuestionKind, Session, State, Transaction};
use crate::Secret;
use crate::dot::Unstuffer;
use crate::sasl::Mechanism;
use crate::smtp::Protocol;
use crate::smtp::wire::{
    BodyType, Command, CommandFault, Extension, MailParams, Mailbox, OkLines, RcptParams, Reply,
    ReversePath,
};
use crate::value::{Base64, Text};
use bytes::{Bytes, BytesMut};
use memchr::memmem;

impl Session {
    /// Takes a complete line. What the machine can answer it has answered on return.
    pub(super) fn handle_line(&mut self, line: &[u8]) -> Option<Event> {
        if matches!(self.state, State::Response) {
            return self.handle_response(line);
        }
        let command = match Command::parse(line, self.config.lenient) {
            Ok(command) => command,
            Err(error) => {
                let is_chunk = line
                    .first_chunk::<4>()
                    .is_some_and(|word| word.eq_ignore_ascii_case(b"BDAT"));
                let event = self.bad(Fault::BadCommand(error));
                if memmem::find(line, b" HTTP/1.").is_some() {
                    self.fail(Error::OtherProtocol, &mut BytesMut::new());
                } else if is_chunk && self.failure.is_none() {
                    // Octets follow, and nobody knows how many: none may be taken for commands.
                    self.fail(Error::BadChunk, &mut BytesMut::new());
                }
                return event;
            }
        };
        self.stats.commands = self.stats.commands.saturating_add(1);
        match command {
            Command::Mail { from, params } => self.mail(from, params),
            Command::Rcpt { to, params } => self.rcpt(to, params),
            Command::Data => self.data(),
            Command::Bdat { size, last } => self.bdat(size, last),
            command => {
                self.idle_commands = self.idle_commands.saturating_add(1);
                let limit = self.limits.max_idle_commands;
                if self.idle_commands > limit && !matches!(command, Command::Quit) {
                    self.fail(Error::TooManyIdleCommands { limit }, &mut BytesMut::new());
                    return None;
                }
                self.handle_other(command)
            }
        }
    }

    pub(super) fn handle_long_line(&mut self, limit: usize) -> Option<Event> {
        self.stats.lines_too_long = self.stats.lines_too_long.saturating_add(1);
        self.count_limit();
        if matches!(self.state, State::Response) {
            self.set_ready();
            self.notice = Some(Notice::AuthCancelled);
        }
        self.bad(Fault::BadCommand(CommandFault::TooLong { limit }.at(limit)))
    }

    fn handle_other(&mut self, command: Command<'_>) -> Option<Event> {
        match command {
            Command::Helo(name) => self.hello(HelloKind::Helo, name),
            Command::Ehlo(name) => self.hello(HelloKind::Ehlo, name),
            Command::Lhlo(name) => self.hello(HelloKind::Lhlo, name),
            Command::Rset => {
                self.abort(AbortReason::Reset);
                self.say("250 2.0.0 reset");
                None
            }
            Command::Noop(_) => {
                self.say("250 2.0.0 ok");
                None
            }
            Command::Help(_) => {
                self.say("214 2.0.0 see RFC 5321");
                None
            }
            Command::Vrfy(text) => self.verify(text, false),
            Command::Expn(text) => self.verify(text, true),
            Command::Quit => {
                let mut text = BytesMut::from(self.config.host.as_bytes());
                text.extend_from_slice(b" closing connection");
                let enhanced = crate::smtp::wire::EnhancedCode::new(2, 0, 0);
                self.reply(&Reply::new(221, Some(enhanced), text));
                self.abort(AbortReason::ConnectionLost);
                self.begin_closing();
                Some(Event::Quit)
            }
            Command::StartTls => self.start_tls(),
            Command::Auth { mechanism, initial } => self.auth(mechanism, initial),
            _ => self.bad(Fault::NotOffered),
        }
    }

    fn hello(&mut self, kind: HelloKind, name: Text<'_>) -> Option<Event> {
        // RFC 2033 section 4.1: LHLO in the place of HELO and EHLO, and only there.
        let is_lmtp = self.config.protocol == Protocol::Lmtp;
        if (kind == HelloKind::Lhlo) != is_lmtp {
            return self.bad(Fault::OutOfState);
        }
        // RFC 5321 section 4.1.4: a new handshake is as good as RSET.
        self.abort(AbortReason::Reset);
        self.flags.hello = true;
        self.flags.extended = kind != HelloKind::Helo;
        let name = Bytes::copy_from_slice(name.as_bytes());
        let mut reply = OkLines::new(core::mem::take(self.output.tail()));
        if self.config.hello_names_host {
            reply.put_clean(self.config.host.as_bytes());
            reply.put(" ");
        }
        reply.put("Hello ");
        reply.put_clean(&name);
        reply.put(", pleased to meet you");
        if kind != HelloKind::Helo {
            self.put_extensions(&mut reply);
        }
        self.output.put_tail(reply.finish());
        Some(Event::Hello { kind, name })
    }

    fn put_extensions(&self, reply: &mut OkLines) {
        let config = &*self.config;
        let has_tls = self.tls.is_some();
        for extension in Extension::ALL {
            let is_offered = match extension {
                Extension::Size | Extension::Help => true,
                Extension::EightBitMime => config.eight_bit_mime,
                Extension::SmtpUtf8 => config.smtputf8,
                Extension::Pipelining => config.pipelining,
                Extension::Chunking => config.chunking,
                Extension::BinaryMime => config.chunking && config.binary_mime,
                Extension::StartTls => config.starttls && !has_tls,
                Extension::Auth => {
                    self.offered_mechanisms().next().is_some() && !self.flags.authenticated
                }
                Extension::EnhancedStatusCodes => config.enhanced_status_codes,
                Extension::Dsn => config.dsn,
                Extension::DeliverBy => config.deliver_by,
                Extension::FutureRelease => config.future_release.is_some(),
                Extension::MtPriority => config.mt_priority,
                Extension::RequireTls => config.offer_require_tls && has_tls,
                Extension::Limits => config.offer_limits,
                Extension::Rrvs => config.rrvs,
                Extension::Vrfy | Extension::Expn => config.verify,
                Extension::Etrn => false,
            };
            if !is_offered {
                continue;
            }
            reply.next_line();
            reply.put(extension.keyword());
            match extension {
                Extension::Size => {
                    reply.put(" ");
                    reply.number(self.limits.max_message_octets);
                }
                Extension::Auth => {
                    for mechanism in self.offered_mechanisms() {
                        reply.put(" ");
                        reply.put_clean(mechanism.as_str().as_bytes());
                    }
                }
                Extension::Limits => {
                    reply.put(" MAILMAX=");
                    reply.number(u64::from(self.limits.max_messages));
                    reply.put(" RCPTMAX=");
                    reply.number(u64::from(self.limits.max_recipients));
                }
                Extension::FutureRelease => {
                    // RFC 4865 section 4: the longest interval, and the latest date; the machine
                    // knows no calendar, so the date is as far away as the form allows.
                    reply.put(" ");
                    reply.number(u64::from(config.future_release.unwrap_or(0)));
                    reply.put(" 9999-12-31T23:59:59Z");
                }
                _ => {}
            }
        }
    }

    /// What is missing before mail may be handed over.
    fn needs(&mut self) -> Option<Event> {
        if self.config.require_tls && self.tls.is_none() {
            self.say("530 5.7.0 must issue STARTTLS first");
        } else if self.config.require_hello && !self.flags.hello {
            let limit = self.count_bad();
            if let Some(limit) = limit {
                self.fail(Error::TooManyBadCommands { limit }, &mut BytesMut::new());
            } else {
                self.say("503 5.5.1 who are you? say hello first");
            }
            return Some(Event::Fault(Fault::OutOfState));
        } else if self.config.require_auth && !self.flags.authenticated {
            self.say("530 5.7.0 authentication required");
        } else {
            return None;
        }
        Some(Event::Fault(Fault::NotOffered))
    }

    fn mail(&mut self, from: ReversePath, params: MailParams) -> Option<Event> {
        if let Some(fault) = self.needs() {
            return Some(fault);
        }
        if self.transaction.has_sender {
            return self.bad(Fault::OutOfState);
        }
        let limit = self.limits.max_messages;
        if self.stats.messages >= limit {
            self.fail(Error::TooManyMessages { limit }, &mut BytesMut::new());
            return None;
        }
        if let Err(fault) = self.check_mail(&params) {
            return Some(Event::Fault(fault));
        }
        if from.is_internationalized() && !params.smtputf8 {
            // RFC 6531 section 3.5.
            self.say("553 5.6.7 such an address needs SMTPUTF8");
            return Some(Event::Fault(Fault::NotOffered));
        }
        self.transaction = Transaction {
            body: params.body,
            smtputf8: params.smtputf8,
            ..Transaction::default()
        };
        let ask = MailAsk(self.ask(QuestionKind::Mail));
        Some(Event::Mail { ask, from, params })
    }

    /// RFC 5321 section 4.1.1.11: parameters that were not offered are refused with 555.
    fn check_mail(&mut self, params: &MailParams) -> Result<(), Fault> {
        let config = &*self.config;
        let is_extended = self.flags.extended || config.lenient;
        let is_unknown = !is_extended
            && (params.size.is_some() || params.body.is_some() || params.smtputf8)
            || params.body.is_some() && !config.eight_bit_mime
            || params.body == Some(BodyType::BinaryMime)
                && !(config.binary_mime && config.chunking)
            || params.smtputf8 && !config.smtputf8
            || (params.ret.is_some() || params.envid.is_some()) && !config.dsn
            || params.by.is_some() && !config.deliver_by
            || params.hold.is_some() && config.future_release.is_none()
            || params.priority.is_some() && !config.mt_priority
            || params.require_tls && !(config.offer_require_tls && self.tls.is_some())
            || !params.other.is_empty() && !config.unknown_parameters;
        if is_unknown {
            self.say("555 5.5.4 parameter not offered");
            return Err(Fault::NotOffered);
        }
        // RFC 1870 section 6.1.
        if params
            .size
            .is_some_and(|size| size > self.limits.max_message_octets)
        {
            self.count_limit();
            self.say("552 5.3.4 message too large");
            return Err(Fault::TooLarge);
        }
        Ok(())
    }

    fn rcpt(&mut self, to: Mailbox, params: RcptParams) -> Option<Event> {
        if !self.transaction.has_sender || self.transaction.chunked {
            return self.bad(Fault::OutOfState);
        }
        let config = &*self.config;
        let is_unknown = (params.notify.is_some() || params.orcpt.is_some()) && !config.dsn
            || params.rrvs.is_some() && !config.rrvs
            || !params.other.is_empty() && !config.unknown_parameters;
        if is_unknown {
            self.say("555 5.5.4 parameter not offered");
            return Some(Event::Fault(Fault::NotOffered));
        }
        if self.transaction.recipients >= self.limits.max_recipients {
            // RFC 5321 section 4.5.3.1.10: 452, and the client sends the rest in another
            // transaction.
            self.count_limit();
            self.say("452 4.5.3 too many recipients");
            return Some(Event::Fault(Fault::TooManyRecipients));
        }
        if to.is_internationalized() && !self.transaction.smtputf8 {
            self.say("553 5.6.7 such an address needs SMTPUTF8");
            return Some(Event::Fault(Fault::NotOffered));
        }
        if to.domain().is_empty()
            && !self.is_lmtp()
            && !to.local_part().eq_ignore_ascii_case(b"postmaster")
        {
            // RFC 5321 section 4.1.1.3: without a domain, postmaster alone.
            self.say("501 5.1.3 an address needs a domain");
            return Some(Event::Fault(Fault::NotOffered));
        }
        let ask = RcptAsk(self.ask(QuestionKind::Rcpt));
        Some(Event::Rcpt { ask, to, params })
    }

    fn data(&mut self) -> Option<Event> {
        if !self.transaction.has_sender || self.transaction.chunked {
            return self.bad(Fault::OutOfState);
        }
        if self.transaction.recipients == 0 {
            // RFC 5321 section 3.3: 503 or 554 when no recipient was accepted.
            self.say("554 5.5.1 no valid recipients");
            return Some(Event::Fault(Fault::OutOfState));
        }
        if self.transaction.body == Some(BodyType::BinaryMime) {
            // RFC 3030 section 3: binary messages by BDAT only.
            return self.bad(Fault::OutOfState);
        }
        let text = Reply::new(354, None, self.config.enter_mail.as_bytes());
        self.reply(&text);
        self.state = State::Dots(Unstuffer::new());
        self.restart_timer();
        None
    }

    fn bdat(&mut self, size: u64, last: bool) -> Option<Event> {
        let mut fault = None;
        if !self.config.chunking {
            // What follows are octets all the same; none of them may be taken for a command.
            fault = self.bad(Fault::NotOffered);
            self.fail(Error::BadChunk, &mut BytesMut::new());
            return fault;
        }
        if self.transaction.has_sender && self.transaction.recipients == 0 {
            self.transaction = Transaction::default();
            self.notice = Some(Notice::Aborted(AbortReason::Reset));
        }
        if !self.transaction.has_sender {
            // RFC 3030 section 2: the octets are read and 503 is the answer.
            fault = Some(Event::Fault(Fault::OutOfState));
            self.transaction = Transaction::default();
            if let Some(limit) = self.count_bad() {
                self.fail(Error::TooManyBadCommands { limit }, &mut BytesMut::new());
                return fault;
            }
        } else {
            self.transaction.chunked = true;
            let total = self.transaction.octets.saturating_add(size);
            if total > self.limits.max_message_octets {
                // Known before the octets come: none of them is handed over.
                self.refuse(AbortReason::TooLarge);
            }
        }
        self.state = State::Chunk { left: size, last };
        self.restart_timer();
        fault
    }

    fn verify(&mut self, text: Text<'_>, expand: bool) -> Option<Event> {
        if self.config.verify {
            if let Some(fault) = self.needs() {
                return Some(fault);
            }
            let ask = VerifyAsk(self.ask(QuestionKind::Verify));
            let text = Bytes::copy_from_slice(text.as_bytes());
            return Some(Event::Verify { ask, text, expand });
        }
        match expand {
            // RFC 5321 section 7.3: who exists is nobody's business.
            false => self.say("252 2.1.5 cannot verify, but will take mail"),
            true => self.say("502 5.5.1 not offered"),
        }
        None
    }

    fn start_tls(&mut self) -> Option<Event> {
        if self.tls.is_some() {
            return self.bad(Fault::OutOfState);
        }
        if !self.config.starttls {
            return self.bad(Fault::NotOffered);
        }
        self.say("220 2.0.0 ready to start TLS");
        // RFC 3207 section 4.2: what was learnt before TLS is forgotten.
        self.abort(AbortReason::Reset);
        self.flags.hello = false;
        self.flags.extended = false;
        self.flags.authenticated = false;
        self.state = State::Handshake { start: true };
        self.restart_timer();
        None
    }

    fn auth(&mut self, mechanism: Mechanism, initial: Option<Base64<'_>>) -> Option<Event> {
        // RFC 4954 section 4: once, not during a transaction, and after EHLO.
        if self.flags.authenticated || self.transaction.has_sender || !self.flags.hello {
            return self.bad(Fault::OutOfState);
        }
        if self.config.require_tls && self.tls.is_none() {
            return self.needs();
        }
        if !self
            .offered_mechanisms()
            .any(|offered| offered == mechanism)
        {
            let known = self.config.mechanisms.contains(&mechanism);
            match known {
                // RFC 4954 section 6.
                true => self.say("538 5.7.11 this mechanism needs TLS"),
                false => self.say("504 5.5.4 no such mechanism"),
            }
            return Some(Event::Fault(Fault::NotOffered));
        }
        let initial = match initial {
            None => None,
            // RFC 4954 section 4: "=" is an initial response of zero length.
            Some(initial) if initial.as_bytes() == b"=" => Some(Secret::default()),
            Some(initial) => match initial.decode() {
                Some(initial) => Some(initial),
                None => return self.bad(Fault::BadCommand(CommandFault::Base64.at(0))),
            },
        };
        let ask = AuthAsk(self.ask(QuestionKind::Auth));
        Some(Event::Auth {
            ask,
            mechanism,
            initial,
        })
    }

    /// A SASL response: Base64, or `*` to give up (RFC 4954 section 4).
    fn handle_response(&mut self, line: &[u8]) -> Option<Event> {
        let response = match line {
            b"*" => None,
            _ => Base64::new(line).ok().and_then(Base64::decode),
        };
        if let Some(response) = response {
            let ask = AuthAsk(self.ask(QuestionKind::Auth));
            return Some(Event::AuthResponse { ask, response });
        }
        self.set_ready();
        if line == b"*" {
            self.say("501 5.7.0 authentication cancelled");
            return Some(Event::AuthCancelled);
        }
        self.notice = Some(Notice::AuthCancelled);
        self.bad(Fault::BadCommand(CommandFault::Base64.at(0)))
    }

    /// What AUTH offers now: those of [`Config::mechanisms`](super::Config::mechanisms) that TLS, or
    /// its absence, allows. -PLUS needs the exporter of TLS.
    pub fn offered_mechanisms(&self) -> impl Iterator<Item = Mechanism> {
        let may_reveal = self.tls.is_some() || self.config.allow_plaintext_auth;
        let can_bind = self.tls.as_ref().is_some_and(|tls| tls.exporter.is_some());
        let mechanisms = self.config.mechanisms.iter().copied();
        mechanisms.filter(move |it| {
            (may_reveal || !it.reveals_secret()) && (can_bind || !it.binds_channel())
        })
    }

    /// Counts, and says the limit when it is reached.
    fn count_bad(&mut self) -> Option<u32> {
        self.stats.bad_commands = self.stats.bad_commands.saturating_add(1);
        let limit = self.limits.max_bad_commands;
        (self.stats.bad_commands >= limit).then_some(limit)
    }

    /// Answers and counts; the last one that is allowed ends the session.
    fn bad(&mut self, fault: Fault) -> Option<Event> {
        if let Some(limit) = self.count_bad() {
            self.fail(Error::TooManyBadCommands { limit }, &mut BytesMut::new());
            return Some(Event::Fault(fault));
        }
        match fault {
            Fault::BadCommand(error) => match error.fault {
                CommandFault::UnknownKeyword => self.say("500 5.5.1 unknown command"),
                CommandFault::TooLong { .. } => self.say("500 5.5.6 line too long"),
                CommandFault::ForbiddenOctet => {
                    self.say("500 5.5.2 control octet inside a line");
                }
                CommandFault::MissingArgument => self.say("501 5.5.4 missing argument"),
                CommandFault::UnexpectedArgument => {
                    self.say("501 5.5.4 unexpected argument");
                }
                CommandFault::Address => self.say("501 5.1.3 bad address"),
                CommandFault::Domain => self.say("501 5.5.4 bad domain"),
                CommandFault::Parameter => self.say("501 5.5.4 bad parameter"),
                CommandFault::Number => self.say("501 5.5.4 bad number"),
                CommandFault::Mechanism => self.say("504 5.5.4 no such mechanism"),
                CommandFault::Base64 => self.say("501 5.5.2 bad base64"),
            },
            Fault::OutOfState => self.say("503 5.5.1 not now"),
            _ => self.say("502 5.5.1 not offered"),
        }
        Some(Event::Fault(fault))
    }
}
