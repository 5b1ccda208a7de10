//! The commands. They only queue: nothing leaves before `poll_transmit`.

use super::message::Message;
use super::{CommandId, Entry, Envelope, Kind, Session, State};
use crate::Secret;
use crate::sasl::Mechanism;
use crate::sasl::plain::Plain;
use crate::smtp::UsageError;
use crate::smtp::wire::{Command, Text};
use crate::value::Base64;
use alloc::boxed::Box;
use bytes::BytesMut;

/// All commands have these errors in common: [`UsageError::Closed`] when the session has ended or
/// QUIT is queued, [`UsageError::QueueFull`] at
/// [`Limits::max_queued_commands`](super::Limits::max_queued_commands), and
/// [`UsageError::CommandTooLong`] above
/// [`Limits::max_command_line`](super::Limits::max_command_line).
impl Session {
    /// A message: the envelope now, the message itself when [`Event::Writable`](super::Event)
    /// asks for it.
    ///
    /// # Errors
    ///
    /// [`UsageError::InvalidValue`] when there is no recipient; and as said above.
    pub fn send(&mut self, envelope: Envelope) -> Result<CommandId, UsageError> {
        if envelope.recipients.is_empty() {
            return Err(UsageError::InvalidValue);
        }
        let message = Message::new(envelope, &self.limits)?;
        self.push(Kind::Message(Box::new(message)))
    }

    /// NOOP.
    ///
    /// # Errors
    ///
    /// As said above.
    pub fn noop(&mut self) -> Result<CommandId, UsageError> {
        self.simple(&Command::Noop(None))
    }

    /// VRFY.
    ///
    /// # Errors
    ///
    /// [`UsageError::InvalidArgument`], and as said above.
    pub fn vrfy(&mut self, text: &str) -> Result<CommandId, UsageError> {
        self.simple(&Command::Vrfy(Text::new(text)?))
    }

    /// EXPN.
    ///
    /// # Errors
    ///
    /// [`UsageError::InvalidArgument`], and as said above.
    pub fn expn(&mut self, text: &str) -> Result<CommandId, UsageError> {
        self.simple(&Command::Expn(Text::new(text)?))
    }

    /// QUIT: once it is answered, our side ends. Nothing can be queued behind it.
    ///
    /// # Errors
    ///
    /// As said above.
    pub fn quit(&mut self) -> Result<CommandId, UsageError> {
        let id = self.push(Kind::Quit)?;
        self.flags.closing = true;
        Ok(id)
    }

    /// AUTH with any mechanism. Challenges come as [`Event::Challenge`](super::Event::Challenge),
    /// but for the first one if it is empty and `initial` is there.
    ///
    /// # Errors
    ///
    /// [`UsageError::TlsRequired`] when the mechanism reveals the secret and there is no TLS; and
    /// as said above.
    pub fn auth(
        &mut self,
        mechanism: Mechanism,
        initial: Option<Secret>,
    ) -> Result<CommandId, UsageError> {
        let is_exposed = self.tls.is_none() && !self.config.allow_plaintext_auth;
        if is_exposed && mechanism.reveals_secret() {
            return Err(UsageError::TlsRequired);
        }
        let mut text = BytesMut::new();
        let mut later = None;
        if let Some(initial) = initial {
            match initial.as_bytes() {
                // RFC 4954 section 4.
                [] => text.extend_from_slice(b"="),
                octets => Base64::encode_into(octets, &mut text),
            }
            // RFC 4954 section 4: AUTH must fit into 512 octets, the response then comes after.
            if text.len() > 470 {
                text.clear();
                later = Some(initial);
            }
        }
        let initial = match &text[..] {
            [] => None,
            text => Some(Base64::new(text)?),
        };
        let mut line = BytesMut::new();
        Command::Auth { mechanism, initial }.encode(&mut line);
        self.push(Kind::Auth {
            line: line.freeze(),
            initial: later,
            asked: false,
        })
    }

    /// AUTH PLAIN.
    ///
    /// # Errors
    ///
    /// [`UsageError::InvalidArgument`] when a part is empty or holds NUL; and as
    /// [`auth`](Self::auth).
    pub fn auth_plain(&mut self, user: &str, password: &str) -> Result<CommandId, UsageError> {
        let message = Plain::new(user.as_bytes(), password.as_bytes()).encode();
        let message = message.map_err(|_| UsageError::InvalidArgument { offset: 0 })?;
        self.auth(Mechanism::PLAIN, Some(message))
    }

    /// Answers a challenge.
    ///
    /// # Errors
    ///
    /// [`UsageError::StaleCommand`] when no challenge of this command is open.
    pub fn auth_respond(&mut self, id: CommandId, response: &[u8]) -> Result<(), UsageError> {
        self.settle_challenge(id)?;
        let tail = self.output.tail();
        Base64::encode_into(response, tail);
        tail.extend_from_slice(b"\r\n");
        self.restart_timer();
        Ok(())
    }

    /// Gives an AUTH exchange up.
    ///
    /// # Errors
    ///
    /// [`UsageError::StaleCommand`] when no challenge of this command is open.
    pub fn auth_cancel(&mut self, id: CommandId) -> Result<(), UsageError> {
        self.settle_challenge(id)?;
        self.output.copy(b"*\r\n");
        self.restart_timer();
        Ok(())
    }

    fn settle_challenge(&mut self, id: CommandId) -> Result<(), UsageError> {
        match self.queue.front_mut() {
            Some(Entry {
                id: front,
                kind: Kind::Auth { asked, .. },
            }) if *front == id && *asked && self.state == State::Open => {
                *asked = false;
                Ok(())
            }
            _ => Err(UsageError::StaleCommand),
        }
    }

    fn simple(&mut self, command: &Command<'_>) -> Result<CommandId, UsageError> {
        let mut line = BytesMut::new();
        command.encode(&mut line);
        let limit = self.limits.max_command_line;
        if line.len() > limit {
            return Err(UsageError::CommandTooLong { limit });
        }
        self.push(Kind::Simple(line.freeze()))
    }

    fn push(&mut self, kind: Kind) -> Result<CommandId, UsageError> {
        if self.flags.closing || matches!(self.state, State::Closing | State::Closed) {
            return Err(UsageError::Closed);
        }
        let limit = self.limits.max_queued_commands;
        if self.queue.len() >= limit {
            return Err(UsageError::QueueFull { limit });
        }
        let id = CommandId(self.next_id);
        self.next_id = self.next_id.wrapping_add(1);
        self.stats.commands = self.stats.commands.saturating_add(1);
        self.queue.push_back(Entry { id, kind });
        Ok(id)
    }
}
