//! What arrives, and what it answers.

use super::{Error, Event, Kind, Session, StartTls, State};
use crate::Secret;
use crate::smtp::Protocol;
use crate::smtp::wire::{Command, Extension, Extensions, Reply};
use crate::value::Base64;
use bytes::BytesMut;

impl Session {
    /// Takes one reply. False when there is none.
    pub(super) fn read(&mut self, input: &mut BytesMut) -> bool {
        // What the embedder and earlier replies allow leaves before more is read.
        self.pump();
        let is_auth = matches!(
            self.queue.front().map(|entry| &entry.kind),
            Some(Kind::Auth { .. })
        );
        let max_line = match is_auth && self.is_started {
            true => self.limits.max_auth_line,
            false => self.limits.max_reply_line,
        };
        match self.replies.decode(input, max_line, self.limits.max_reply) {
            Ok(Some(reply)) => {
                self.restart_timer();
                if let Err(error) = self.read_reply(reply) {
                    self.fail(error, input);
                }
                self.pump();
                true
            }
            Ok(None) => self.read_nothing(input),
            Err(error) => {
                self.fail(error.into(), input);
                true
            }
        }
    }

    fn read_nothing(&mut self, input: &mut BytesMut) -> bool {
        let pending = self.replies.pending(input);
        if self.flags.eof {
            let is_idle = self.state == State::Open && self.queue.is_empty();
            let is_owed = self.flags.resetting || self.flags.owed > 0;
            if is_idle && pending == 0 && !is_owed {
                self.flags.closing = true;
                self.begin_closing();
            } else {
                self.fail(Error::UnexpectedEof { pending }, input);
            }
            return true;
        }
        if self.flags.timed_out {
            self.fail(Error::ReplyTimeout, input);
            return true;
        }
        false
    }

    fn read_reply(&mut self, reply: Reply) -> Result<(), Error> {
        match self.state {
            State::Greeting => {
                let is_welcome = reply.code() == 220;
                self.flags.greeted = true;
                self.next.push_back(Event::Greeting { reply });
                if !is_welcome {
                    return Err(Error::Refused);
                }
                self.say_hello(false);
                Ok(())
            }
            State::Hello { helo } => self.read_hello(helo, &reply),
            State::StartTls => {
                if reply.code() == 220 {
                    self.state = State::Handshake { start: true };
                    self.restart_timer();
                    return Ok(());
                }
                if self.config.starttls == StartTls::Required {
                    return Err(Error::TlsRefused);
                }
                self.open();
                Ok(())
            }
            State::Open if self.flags.owed > 0 => {
                self.flags.owed = self.flags.owed.saturating_sub(1);
                self.restart_timer();
                Ok(())
            }
            State::Open if self.flags.resetting => {
                self.flags.resetting = false;
                self.restart_timer();
                Ok(())
            }
            State::Open if !self.is_started => {
                // RFC 5321 section 3.8: a server that must end may say 421 at any time.
                if reply.code() == 421 {
                    self.flags.closing = true;
                    self.begin_closing();
                    return Ok(());
                }
                let octets = reply.text().len();
                Err(Error::Unsolicited { octets })
            }
            State::Open => self.read_for_command(reply),
            State::Handshake { .. } | State::Closing | State::Closed => Ok(()),
        }
    }

    fn read_hello(&mut self, helo: bool, reply: &Reply) -> Result<(), Error> {
        if !reply.is_ok() {
            // RFC 5321 section 3.2: a server that knows no EHLO is told HELO.
            if !helo && reply.is_permanent() && self.config.protocol == Protocol::Smtp {
                self.say_hello(true);
                return Ok(());
            }
            return Err(Error::HelloRefused);
        }
        self.extensions = match helo {
            true => Extensions::default(),
            false => Extensions::from_reply(reply),
        };
        let has_tls = self.tls.is_some();
        if !has_tls && self.config.starttls != StartTls::Off {
            if self.offers(Extension::StartTls) {
                Command::StartTls.encode(self.output.tail());
                self.state = State::StartTls;
                self.restart_timer();
                return Ok(());
            }
            if self.config.starttls == StartTls::Required {
                return Err(Error::TlsRefused);
            }
        }
        self.open();
        Ok(())
    }

    fn open(&mut self) {
        self.state = State::Open;
        self.next.push_back(Event::Ready);
        self.restart_timer();
        self.pump();
        if self.flags.closing && self.queue.is_empty() {
            self.begin_closing();
        }
    }

    fn read_for_command(&mut self, reply: Reply) -> Result<(), Error> {
        let Some(entry) = self.queue.front_mut() else {
            return Ok(());
        };
        let id = entry.id;
        match &mut entry.kind {
            Kind::Message(message) => {
                if message.wants_no_reply() {
                    let octets = reply.text().len();
                    return Err(Error::Unsolicited { octets });
                }
                self.read_for_message(reply);
            }
            Kind::Quit => {
                self.finish(reply);
                self.begin_closing();
            }
            Kind::Auth { asked: true, .. } if reply.code() != 421 => {
                let octets = reply.text().len();
                return Err(Error::Unsolicited { octets });
            }
            Kind::Auth { initial, asked, .. } if reply.code() == 334 => {
                let text = reply.text().trim_ascii();
                let data = match text {
                    [] => Some(Secret::default()),
                    text => Base64::new(text).ok().and_then(Base64::decode),
                };
                let data = data.ok_or(Error::Challenge)?;
                match initial.take() {
                    Some(response) if data.is_empty() => {
                        let tail = self.output.tail();
                        Base64::encode_into(response.as_bytes(), tail);
                        tail.extend_from_slice(b"\r\n");
                    }
                    _ => {
                        *asked = true;
                        self.next.push_back(Event::Challenge { id, data });
                    }
                }
                self.restart_timer();
            }
            Kind::Auth { .. } => {
                self.flags.authenticated |= reply.is_ok();
                self.finish(reply);
            }
            Kind::Simple(_) => {
                if reply.code() == 354 || reply.code() == 334 {
                    let code = reply.code();
                    return Err(Error::UnexpectedCode { code });
                }
                self.finish(reply);
            }
        }
        Ok(())
    }
}
