//! What each command does.

use super::event::{AuthAsk, CommitAsk, LoginAsk, RetrieveAsk};
use super::{
    ApopProof, Error, Event, Fault, Listing, ListingKind, Notice, Phase, QuestionKind, Session,
    State,
};
use crate::Secret;
use crate::pop3::maildrop::Maildrop;
use crate::pop3::wire::{
    Base64, Capability, Command, CommandFault, Digest, LanguageRange, Password, Reply,
    ResponseCode, Text, digits,
};
use crate::sasl::Mechanism;
use bytes::{Bytes, BytesMut};
use core::num::NonZeroU32;
use memchr::memmem;

/// The one language that this machine speaks.
const LANGUAGE: &str = "en";

impl Session {
    /// Takes a complete line. What the machine can answer it has answered on return.
    pub(super) fn handle_line(&mut self, line: &[u8]) -> Option<Event> {
        if matches!(self.state, State::Response) {
            return self.handle_response(line);
        }
        let command = match Command::parse(line) {
            Ok(command) => command,
            Err(error) => {
                let event = self.bad(Fault::BadCommand(error));
                if memmem::find(line, b" HTTP/1.").is_some() {
                    self.fail(Error::OtherProtocol, &mut BytesMut::new());
                }
                return Some(event);
            }
        };
        self.stats.commands = self.stats.commands.saturating_add(1);
        match &mut self.phase {
            Phase::Authorization { .. } => self.handle_authorization(command),
            Phase::Transaction(_) => self.handle_transaction(command),
            Phase::Update => None,
        }
    }

    pub(super) fn handle_long_line(&mut self, limit: usize) -> Event {
        self.stats.lines_too_long = self.stats.lines_too_long.saturating_add(1);
        self.count_limit();
        if matches!(self.state, State::Response) {
            self.set_ready();
            self.notice = Some(Notice::AuthCancelled);
        }
        let error = CommandFault::TooLong { limit }.at(limit);
        self.bad(Fault::BadCommand(error))
    }

    fn handle_authorization(&mut self, command: Command<'_>) -> Option<Event> {
        let may_log_in = self.tls.is_some() || self.config.allow_plaintext_auth;
        match command {
            Command::User(_) | Command::Pass(_) if !self.config.user_pass || !may_log_in => {
                Some(self.bad(Fault::NotOffered))
            }
            Command::User(name) => {
                let user = Bytes::copy_from_slice(name.as_bytes());
                self.phase = Phase::Authorization { user: Some(user) };
                // The same for all names: which ones exist is nobody's business.
                self.ok("")
            }
            Command::Pass(password) => self.pass(password),
            Command::Apop { name, digest } => self.apop(name, digest),
            Command::Auth { mechanism, initial } => self.auth(mechanism, initial),
            Command::AuthList => self.list_mechanisms(),
            Command::Capa => self.list_capabilities(),
            Command::Stls => self.stls(),
            Command::Utf8 if self.config.utf8 => {
                self.flags.utf8 = true;
                self.ok("UTF8 enabled")
            }
            Command::Lang(range) if self.config.lang => self.lang(range),
            Command::Utf8 | Command::Lang(_) => Some(self.bad(Fault::NotOffered)),
            Command::Quit => {
                // RFC 1939 section 4: QUIT in the AUTHORIZATION state does not enter UPDATE.
                self.sign_off();
                None
            }
            _ => Some(self.bad(Fault::OutOfState)),
        }
    }

    fn handle_transaction(&mut self, command: Command<'_>) -> Option<Event> {
        let Phase::Transaction(maildrop) = &mut self.phase else {
            return None;
        };
        match command {
            Command::Stat => {
                let stat = maildrop.stat();
                let tail = self.output.tail();
                tail.extend_from_slice(b"+OK ");
                stat.encode(tail);
                tail.extend_from_slice(b"\r\n");
                None
            }
            Command::List(message) => self.list(ListingKind::Scan, message),
            Command::Uidl(message) => self.list(ListingKind::UniqueIds, message),
            Command::Retr(message) => self.retrieve(message.get(), None),
            Command::Top { message, lines } => self.retrieve(message.get(), Some(lines)),
            Command::Dele(message) => {
                if maildrop.mark(message.get()) {
                    return self.about_message("+OK message ", message, " deleted");
                }
                self.no_such_message()
            }
            Command::Noop => self.ok(""),
            Command::Rset => {
                maildrop.unmark_all();
                let stat = maildrop.stat();
                self.summary(stat.messages, stat.octets);
                None
            }
            Command::Capa => self.list_capabilities(),
            Command::Lang(range) if self.config.lang => self.lang(range),
            Command::Lang(_) => Some(self.bad(Fault::NotOffered)),
            Command::Quit => Some(self.update()),
            _ => Some(self.bad(Fault::OutOfState)),
        }
    }

    /// A SASL response: Base64, or `*` to give up (RFC 5034 section 4).
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
            self.output.copy(b"-ERR authentication cancelled\r\n");
            return Some(Event::AuthCancelled);
        }
        self.notice = Some(Notice::AuthCancelled);
        let error = CommandFault::Base64.at(0);
        Some(self.bad(Fault::BadCommand(error)))
    }

    fn pass(&mut self, password: Password<'_>) -> Option<Event> {
        let Phase::Authorization { user } = &mut self.phase else {
            return None;
        };
        // RFC 1939 section 7: PASS only immediately after a successful USER. Whatever comes of it,
        // the name is used up.
        match user.take() {
            Some(user) => Some(Event::Login {
                ask: LoginAsk(self.ask(QuestionKind::Login)),
                user,
                password: Secret::from(password.as_bytes()),
            }),
            None => Some(self.bad(Fault::OutOfState)),
        }
    }

    fn apop(&mut self, name: Text<'_>, digest: Digest) -> Option<Event> {
        let Some(timestamp) = self.timestamp.clone() else {
            return Some(self.bad(Fault::NotOffered));
        };
        self.forget_user();
        Some(Event::Apop {
            ask: LoginAsk(self.ask(QuestionKind::Login)),
            user: Bytes::copy_from_slice(name.as_bytes()),
            proof: ApopProof { timestamp, digest },
        })
    }

    fn auth(&mut self, mechanism: Mechanism, initial: Option<Base64<'_>>) -> Option<Event> {
        if !self
            .offered_mechanisms()
            .any(|offered| offered == mechanism)
        {
            return Some(self.bad(Fault::NotOffered));
        }
        let initial = match initial {
            None => None,
            // RFC 5034 section 4: "=" is an initial response of zero length.
            Some(initial) if initial.as_bytes() == b"=" => Some(Secret::default()),
            Some(initial) => match initial.decode() {
                Some(initial) => Some(initial),
                None => {
                    let error = CommandFault::Base64.at(0);
                    return Some(self.bad(Fault::BadCommand(error)));
                }
            },
        };
        self.forget_user();
        Some(Event::Auth {
            ask: AuthAsk(self.ask(QuestionKind::Auth)),
            mechanism,
            initial,
        })
    }

    fn stls(&mut self) -> Option<Event> {
        // RFC 2595 section 4: only in the AUTHORIZATION state, and not under TLS. RFC 6856 section
        // 2.1: not after UTF8.
        if self.tls.is_some() || self.flags.utf8 {
            return Some(self.bad(Fault::OutOfState));
        }
        if !self.config.stls {
            return Some(self.bad(Fault::NotOffered));
        }
        // RFC 2595 section 4: what was learnt before TLS is forgotten.
        self.forget_user();
        self.output.copy(b"+OK begin TLS negotiation\r\n");
        self.state = State::Handshake { start: true };
        None
    }

    /// RFC 1939 section 6: QUIT in the TRANSACTION state enters the UPDATE state.
    fn update(&mut self) -> Event {
        let deleted = match core::mem::replace(&mut self.phase, Phase::Update) {
            Phase::Transaction(maildrop) => Maildrop::into_marks(*maildrop),
            Phase::Authorization { .. } | Phase::Update => Default::default(),
        };
        Event::Commit {
            ask: CommitAsk(self.ask(QuestionKind::Commit)),
            deleted,
        }
    }

    pub(super) fn sign_off(&mut self) {
        let reply = Reply::ok(self.config.signing_off.as_bytes());
        self.reply(&reply);
        self.phase = Phase::Update;
        self.begin_closing();
    }

    fn retrieve(&mut self, message: u32, lines: Option<u64>) -> Option<Event> {
        if self.maildrop()?.scan(message).is_none() {
            return self.no_such_message();
        }
        let ask = RetrieveAsk(self.ask(QuestionKind::Retrieve { message, lines }));
        Some(Event::Retrieve {
            ask,
            message,
            lines,
        })
    }

    fn list(&mut self, kind: ListingKind, message: Option<NonZeroU32>) -> Option<Event> {
        let Phase::Transaction(maildrop) = &self.phase else {
            return None;
        };
        let tail = self.output.tail();
        let Some(message) = message else {
            let stat = maildrop.stat();
            match kind {
                ListingKind::Scan => self.summary(stat.messages, stat.octets),
                ListingKind::UniqueIds => self.output.copy(b"+OK\r\n"),
            }
            self.state = State::Listing(Listing { kind, next: 1 });
            return None;
        };
        let message = message.get();
        match kind {
            ListingKind::Scan => match maildrop.scan(message) {
                Some(item) => {
                    tail.extend_from_slice(b"+OK ");
                    item.encode(tail);
                }
                None => return self.no_such_message(),
            },
            ListingKind::UniqueIds => match maildrop.unique_id(message) {
                Some(item) => {
                    tail.extend_from_slice(b"+OK ");
                    item.encode(tail);
                }
                None => return self.no_such_message(),
            },
        }
        tail.extend_from_slice(b"\r\n");
        None
    }

    /// RFC 2449 section 5.
    fn list_capabilities(&mut self) -> Option<Event> {
        let config = &*self.config;
        let has_tls = self.tls.is_some();
        let may_log_in = has_tls || config.allow_plaintext_auth;
        let in_authorization = matches!(self.phase, Phase::Authorization { .. });
        let mut names = BytesMut::new();
        for mechanism in self.offered_mechanisms() {
            if !names.is_empty() {
                names.extend_from_slice(b" ");
            }
            names.extend_from_slice(mechanism.as_str().as_bytes());
        }
        let sasl = Text::new(&names[..]).ok().filter(|_| !names.is_empty());
        let implementation = config
            .implementation
            .as_deref()
            .and_then(|name| Text::new(name).ok());
        let listed = [
            Some(Capability::Top),
            (config.user_pass && may_log_in).then_some(Capability::User),
            sasl.map(Capability::Sasl),
            Some(Capability::RespCodes),
            config.login_delay.map(|seconds| Capability::LoginDelay {
                seconds,
                per_user: false,
            }),
            Some(Capability::Pipelining),
            config.expire.map(|after| Capability::Expire {
                after,
                per_user: false,
            }),
            Some(Capability::Uidl),
            (config.stls && !has_tls && in_authorization && !self.flags.utf8)
                .then_some(Capability::Stls),
            Some(Capability::AuthRespCode),
            config.utf8.then_some(Capability::Utf8 { user: true }),
            config.lang.then_some(Capability::Lang),
            implementation.map(Capability::Implementation),
        ];
        let tail = self.output.tail();
        tail.extend_from_slice(b"+OK capability list follows\r\n");
        for capability in listed.into_iter().flatten() {
            capability.encode(tail);
            tail.extend_from_slice(b"\r\n");
        }
        tail.extend_from_slice(b".\r\n");
        None
    }

    fn list_mechanisms(&mut self) -> Option<Event> {
        let mut lines = BytesMut::from(&b"+OK mechanisms follow\r\n"[..]);
        for mechanism in self.offered_mechanisms() {
            lines.extend_from_slice(mechanism.as_str().as_bytes());
            lines.extend_from_slice(b"\r\n");
        }
        lines.extend_from_slice(b".\r\n");
        self.output.copy(&lines);
        None
    }

    /// RFC 6856 section 3.
    fn lang(&mut self, range: Option<LanguageRange<'_>>) -> Option<Event> {
        match range {
            None => {
                self.output
                    .copy(b"+OK language listing follows\r\nen English\r\n.\r\n");
            }
            Some(range) if range.finds(LANGUAGE) => {
                self.output.copy(b"+OK en language changed\r\n");
            }
            Some(_) => self.output.copy(b"-ERR no such language\r\n"),
        }
        None
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

    fn forget_user(&mut self) {
        if let Phase::Authorization { user } = &mut self.phase {
            *user = None;
        }
    }

    /// Answers `-ERR` and counts; the last one that is allowed ends the session.
    fn bad(&mut self, fault: Fault) -> Event {
        self.stats.bad_commands = self.stats.bad_commands.saturating_add(1);
        let limit = self.limits.max_bad_commands;
        if self.stats.bad_commands >= limit {
            self.fail(Error::TooManyBadCommands { limit }, &mut BytesMut::new());
            return Event::Fault(fault);
        }
        let reply = match fault {
            Fault::BadCommand(error) => Reply::err(match error.fault {
                CommandFault::Empty | CommandFault::UnknownKeyword => "unknown command",
                CommandFault::MissingArgument => "missing argument",
                CommandFault::UnexpectedArgument => "unexpected argument",
                CommandFault::MessageNumber => "no such message",
                CommandFault::LineCount => "invalid number of lines",
                CommandFault::Digest => "invalid digest",
                CommandFault::Mechanism => "unknown mechanism",
                CommandFault::Base64 => "invalid base64",
                CommandFault::Language => "no such language",
                CommandFault::ForbiddenOctet => "control octet inside a line",
                CommandFault::TooLong { .. } => "line too long",
            }),
            Fault::OutOfState => Reply::err("not now"),
            Fault::NotOffered if self.tls.is_none() && self.config.stls => {
                Reply::err("not offered without TLS, or not at all")
            }
            Fault::NotOffered => Reply::err("not offered"),
            Fault::AnswerOverdue => Reply::err_with(ResponseCode::SysTemp, "try again later"),
        };
        self.reply(&reply);
        Event::Fault(fault)
    }

    fn ok(&mut self, text: &str) -> Option<Event> {
        self.output.copy(b"+OK");
        if !text.is_empty() {
            self.output.copy(b" ");
            self.output.copy(text.as_bytes());
        }
        self.output.copy(b"\r\n");
        None
    }

    fn about_message(&mut self, head: &str, message: NonZeroU32, end: &str) -> Option<Event> {
        let tail = self.output.tail();
        tail.extend_from_slice(head.as_bytes());
        digits(u64::from(message.get()), tail);
        tail.extend_from_slice(end.as_bytes());
        tail.extend_from_slice(b"\r\n");
        None
    }

    /// As in the examples of RFC 1939 section 5.
    fn summary(&mut self, messages: u32, octets: u64) {
        let tail = self.output.tail();
        tail.extend_from_slice(b"+OK ");
        digits(u64::from(messages), tail);
        tail.extend_from_slice(b" messages (");
        digits(octets, tail);
        tail.extend_from_slice(b" octets)\r\n");
    }

    fn no_such_message(&mut self) -> Option<Event> {
        self.output.copy(b"-ERR no such message\r\n");
        None
    }
}
