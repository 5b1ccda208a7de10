//! The commands. They only queue: nothing leaves before `poll_transmit`.

use super::{CommandId, Entry, Kind, Reading, Session, State};
use crate::Secret;
use crate::pop3::error::UsageError;
use crate::pop3::wire::{Base64, Command, Digest, LanguageRange, Password, Text};
use crate::sasl::Mechanism;
use crate::sasl::plain::Plain;
use bytes::BytesMut;
use core::num::NonZeroU32;

/// Commands that an RFC knows. All of them have these errors in common: [`UsageError::Closed`] when
/// the session has ended or QUIT is queued, [`UsageError::QueueFull`] at
/// [`Limits::max_queued_commands`](super::Limits::max_queued_commands), and
/// [`UsageError::CommandTooLong`] above
/// [`Limits::max_command_line`](super::Limits::max_command_line).
impl Session {
    /// CAPA: asks for [`Event::Capabilities`](super::Event::Capabilities).
    ///
    /// # Errors
    ///
    /// Those that all commands have.
    pub fn capa(&mut self) -> Result<CommandId, UsageError> {
        self.queue_command(Command::Capa, Kind::Capa)
    }

    /// STLS: asks for TLS. It is [done](super::Event::Done) once TLS is established.
    ///
    /// # Errors
    ///
    /// [`UsageError::TlsTwice`] with TLS, or with another STLS on its way.
    pub fn stls(&mut self) -> Result<CommandId, UsageError> {
        let is_queued = |entry: &Entry| matches!(entry.kind, Kind::Stls);
        if self.config.implicit_tls || self.tls.is_some() || self.queue.iter().any(is_queued) {
            return Err(UsageError::TlsTwice);
        }
        self.queue_command(Command::Stls, Kind::Stls)
    }

    /// USER and, if that is accepted, PASS: one command with one end.
    ///
    /// # Errors
    ///
    /// [`UsageError::TlsRequired`], [`UsageError::InvalidArgument`] for CR, LF or NUL in either.
    pub fn login(
        &mut self,
        user: &str,
        password: impl Into<Secret>,
    ) -> Result<CommandId, UsageError> {
        self.check_tls()?;
        let password = password.into();
        let user = Text::new(user)?;
        let pass = encode(Command::Pass(Password::new(password.as_bytes())?));
        self.check_len(pass.len())?;
        self.queue_command(Command::User(user), Kind::User { password })
    }

    /// APOP: logs in by a digest of the greeting's timestamp and a shared secret.
    ///
    /// # Errors
    ///
    /// [`UsageError::ApopUnavailable`] when it is switched off, when the greeting is not there or
    /// had no valid timestamp, or after STLS: what was learnt in plaintext is forgotten.
    pub fn apop(&mut self, user: &str, secret: impl Into<Secret>) -> Result<CommandId, UsageError> {
        self.check_tls()?;
        let name = Text::new(user)?;
        let digest = match &self.timestamp {
            Some(timestamp) if self.config.allow_apop => {
                Digest::compute(timestamp, secret.into().as_bytes())
            }
            _ => return Err(UsageError::ApopUnavailable),
        };
        self.queue_command(Command::Apop { name, digest }, Kind::Login)
    }

    /// AUTH: begins a SASL exchange, with an initial response if the mechanism has one.
    ///
    /// # Errors
    ///
    /// [`UsageError::TlsRequired`].
    pub fn auth(
        &mut self,
        mechanism: Mechanism,
        initial: Option<Secret>,
    ) -> Result<CommandId, UsageError> {
        self.check_tls()?;
        let mut text = BytesMut::new();
        match &initial {
            Some(initial) if initial.is_empty() => text.extend_from_slice(b"="),
            Some(initial) => Base64::encode_into(initial.as_bytes(), &mut text),
            None => {}
        }
        let encoded = Base64::new(&text).ok().filter(|_| initial.is_some());
        let whole = Command::Auth {
            mechanism,
            initial: encoded,
        };
        if encode(whole).len() <= self.limits.max_command_line {
            return self.queue_command(whole, Kind::Auth { initial: None });
        }
        // RFC 5034 section 4: an initial response that does not fit into a command line is sent
        // after an empty challenge.
        let command = Command::Auth {
            mechanism,
            initial: None,
        };
        self.queue_command(command, Kind::Auth { initial })
    }

    /// AUTH PLAIN with a user and a password.
    ///
    /// # Errors
    ///
    /// [`UsageError::TlsRequired`], [`UsageError::InvalidArgument`] when either is empty or holds
    /// NUL.
    pub fn auth_plain(
        &mut self,
        user: &str,
        password: impl Into<Secret>,
    ) -> Result<CommandId, UsageError> {
        let password = password.into();
        let message = Plain::new(user.as_bytes(), password.as_bytes())
            .encode()
            .map_err(|_| UsageError::InvalidArgument { offset: 0 })?;
        self.auth(Mechanism::PLAIN, Some(message))
    }

    /// Answers a [`Challenge`](super::Event::Challenge).
    ///
    /// # Errors
    ///
    /// [`UsageError::StaleCommand`] when the exchange does not wait for an answer.
    pub fn auth_respond(&mut self, id: CommandId, response: &[u8]) -> Result<(), UsageError> {
        self.settle_challenge(id)?;
        self.send_response(response);
        Ok(())
    }

    /// Gives an AUTH exchange up; the server answers with `-ERR`.
    ///
    /// # Errors
    ///
    /// [`UsageError::StaleCommand`] when the exchange does not wait for an answer.
    pub fn auth_cancel(&mut self, id: CommandId) -> Result<(), UsageError> {
        self.settle_challenge(id)?;
        self.output.copy(b"*\r\n");
        self.restart_timer();
        Ok(())
    }

    /// STAT: asks for [`Event::Stat`](super::Event::Stat).
    ///
    /// # Errors
    ///
    /// Those that all commands have.
    pub fn stat(&mut self) -> Result<CommandId, UsageError> {
        self.queue_command(Command::Stat, Kind::Stat)
    }

    /// LIST: asks for the sizes of all messages or of one.
    ///
    /// # Errors
    ///
    /// [`UsageError::InvalidArgument`] for message 0.
    pub fn list(&mut self, message: Option<u32>) -> Result<CommandId, UsageError> {
        let message = message.map(number).transpose()?;
        let kind = match message {
            Some(_) => Kind::ListOne,
            None => Kind::ListAll,
        };
        self.queue_command(Command::List(message), kind)
    }

    /// UIDL: asks for the unique-ids of all messages or of one.
    ///
    /// # Errors
    ///
    /// [`UsageError::InvalidArgument`] for message 0.
    pub fn uidl(&mut self, message: Option<u32>) -> Result<CommandId, UsageError> {
        let message = message.map(number).transpose()?;
        let kind = match message {
            Some(_) => Kind::UniqueIdOne,
            None => Kind::UniqueIdAll,
        };
        self.queue_command(Command::Uidl(message), kind)
    }

    /// RETR: asks for a message, which comes as [`Event::BodyChunk`](super::Event::BodyChunk)s.
    ///
    /// # Errors
    ///
    /// [`UsageError::InvalidArgument`] for message 0.
    pub fn retr(&mut self, message: u32) -> Result<CommandId, UsageError> {
        self.queue_command(Command::Retr(number(message)?), Kind::Body)
    }

    /// TOP: asks for the header of a message and so many lines of its body.
    ///
    /// # Errors
    ///
    /// [`UsageError::InvalidArgument`] for message 0.
    pub fn top(&mut self, message: u32, lines: u64) -> Result<CommandId, UsageError> {
        let message = number(message)?;
        self.queue_command(Command::Top { message, lines }, Kind::Body)
    }

    /// DELE: marks a message, to be deleted at QUIT.
    ///
    /// # Errors
    ///
    /// [`UsageError::InvalidArgument`] for message 0.
    pub fn dele(&mut self, message: u32) -> Result<CommandId, UsageError> {
        self.queue_command(Command::Dele(number(message)?), Kind::Simple)
    }

    /// NOOP: keeps the session alive.
    ///
    /// # Errors
    ///
    /// Those that all commands have.
    pub fn noop(&mut self) -> Result<CommandId, UsageError> {
        self.queue_command(Command::Noop, Kind::Simple)
    }

    /// RSET: takes all marks away.
    ///
    /// # Errors
    ///
    /// Those that all commands have.
    pub fn rset(&mut self) -> Result<CommandId, UsageError> {
        self.queue_command(Command::Rset, Kind::Simple)
    }

    /// UTF8: asks for internationalized messages as they are. Before the login.
    ///
    /// # Errors
    ///
    /// Those that all commands have.
    pub fn utf8(&mut self) -> Result<CommandId, UsageError> {
        self.queue_command(Command::Utf8, Kind::Simple)
    }

    /// LANG: asks for a language for the texts of replies, or which languages there are.
    ///
    /// # Errors
    ///
    /// [`UsageError::InvalidArgument`] when it is no language range.
    pub fn lang(&mut self, range: Option<&str>) -> Result<CommandId, UsageError> {
        let range = range.map(LanguageRange::new).transpose()?;
        let kind = match range {
            Some(_) => Kind::Simple,
            None => Kind::Languages,
        };
        self.queue_command(Command::Lang(range), kind)
    }

    /// QUIT: lets the server delete what is marked, and ends the session. No command can follow.
    ///
    /// # Errors
    ///
    /// Those that all commands have.
    pub fn quit(&mut self) -> Result<CommandId, UsageError> {
        let id = self.queue_command(Command::Quit, Kind::Quit)?;
        self.flags.closing = true;
        Ok(id)
    }

    /// Sends a SASL message in answer to a challenge.
    pub(super) fn send_response(&mut self, response: &[u8]) {
        let tail = self.output.tail();
        Base64::encode_into(response, tail);
        tail.extend_from_slice(b"\r\n");
        self.restart_timer();
    }

    /// Sends PASS for the name that was accepted.
    pub(super) fn send_password(&mut self, password: &Secret) {
        // It was checked by `login`.
        if let Ok(password) = Password::new(password.as_bytes()) {
            Command::Pass(password).encode(self.output.tail());
        }
        self.restart_timer();
    }

    fn queue_command(&mut self, command: Command<'_>, kind: Kind) -> Result<CommandId, UsageError> {
        if self.flags.closing || matches!(self.state, State::Closing | State::Closed) {
            return Err(UsageError::Closed);
        }
        let limit = self.limits.max_queued_commands;
        if self.queue.len() >= limit {
            return Err(UsageError::QueueFull { limit });
        }
        let line = encode(command).freeze();
        self.check_len(line.len())?;
        let id = CommandId(self.next_id);
        self.next_id = self.next_id.wrapping_add(1);
        self.stats.commands = self.stats.commands.saturating_add(1);
        self.queue.push_back(Entry { id, kind, line });
        self.pump();
        Ok(id)
    }

    fn settle_challenge(&mut self, id: CommandId) -> Result<(), UsageError> {
        let is_front = self.queue.front().is_some_and(|entry| entry.id == id);
        if !is_front || !matches!(self.reading, Reading::Challenge) || self.state != State::Open {
            return Err(UsageError::StaleCommand);
        }
        self.reading = Reading::Status;
        Ok(())
    }

    fn check_tls(&self) -> Result<(), UsageError> {
        if self.config.require_tls && self.tls.is_none() {
            return Err(UsageError::TlsRequired);
        }
        Ok(())
    }

    fn check_len(&self, len: usize) -> Result<(), UsageError> {
        let limit = self.limits.max_command_line;
        if len > limit {
            return Err(UsageError::CommandTooLong { limit });
        }
        Ok(())
    }
}

fn encode(command: Command<'_>) -> BytesMut {
    let mut line = BytesMut::new();
    command.encode(&mut line);
    line
}

fn number(message: u32) -> Result<NonZeroU32, UsageError> {
    NonZeroU32::new(message).ok_or(UsageError::InvalidArgument { offset: 0 })
}
