//! How the embedder answers, and how it sends bodies.

use super::event::{Ask, AuthAsk, BodyId, CommitAsk, LoginAsk, RetrieveAsk};
use super::{Body, Error, Notice, Phase, Question, QuestionKind, Session, State, TopCutter};
use crate::dot::Stuffer;
use crate::output::BY_REFERENCE;
use crate::pop3::error::UsageError;
use crate::pop3::maildrop::Maildrop;
use crate::pop3::wire::{Base64, Reply, ResponseCode, digits};
use alloc::boxed::Box;
use bytes::{Buf, Bytes, BytesMut};

impl Session {
    /// Lets the user in and hands over what the session needs to know of the messages.
    ///
    /// # Errors
    ///
    /// [`UsageError::StaleAsk`] when the question is not open any more.
    pub fn accept(
        &mut self,
        ask: impl Into<LoginAsk>,
        maildrop: Maildrop,
    ) -> Result<(), UsageError> {
        self.settle(ask.into().0)?;
        self.phase = Phase::Transaction(Box::new(maildrop));
        let reply = Reply::ok(self.config.logged_on.as_bytes());
        self.reply(&reply);
        self.set_ready();
        Ok(())
    }

    /// Sends the next challenge of an AUTH exchange; it may be empty. The response comes as
    /// [`Event::AuthResponse`](super::Event::AuthResponse).
    ///
    /// # Errors
    ///
    /// [`UsageError::StaleAsk`] when the question is not open any more.
    pub fn challenge(&mut self, ask: AuthAsk, challenge: &[u8]) -> Result<(), UsageError> {
        self.settle(ask.0)?;
        let tail = self.output.tail();
        tail.extend_from_slice(b"+ ");
        Base64::encode_into(challenge, tail);
        tail.extend_from_slice(b"\r\n");
        self.set_ready();
        if matches!(self.state, State::Ready) {
            self.state = State::Response;
        }
        Ok(())
    }

    /// Begins to send a message: `+OK`, then what [`send_data`](Self::send_data) is given.
    ///
    /// # Errors
    ///
    /// [`UsageError::StaleAsk`] when the question is not open any more.
    pub fn accept_stream(&mut self, ask: RetrieveAsk) -> Result<BodyId, UsageError> {
        let question = self.settle(ask.0)?;
        let QuestionKind::Retrieve { message, lines } = question.kind else {
            return Err(UsageError::StaleAsk);
        };
        let size = self.maildrop().and_then(|maildrop| maildrop.scan(message));
        let tail = self.output.tail();
        match (lines, size) {
            (None, Some(size)) => {
                tail.extend_from_slice(b"+OK ");
                digits(size.octets, tail);
                tail.extend_from_slice(b" octets\r\n");
            }
            _ => tail.extend_from_slice(b"+OK\r\n"),
        }
        self.cut_off = None;
        self.state = State::Streaming(Body {
            id: question.id,
            stuffer: Stuffer::new(),
            top: lines.map(TopCutter::new),
            is_blocked: false,
        });
        self.restart_timer();
        Ok(BodyId(question.id))
    }

    /// Gives the next part of a body. The machine takes the prefix that fits into
    /// [`Limits::max_queued_output`](super::Limits::max_queued_output) and leaves the rest; when
    /// something stayed, [`Event::Writable`](super::Event::Writable) follows.
    ///
    /// The text is sent as it is but for its lines: a bare LF becomes CRLF, a line that begins with
    /// a dot gets a second one, and a missing last CRLF is added. Parts of 4 KiB and more without
    /// such a place are sent uncopied. `end` says that nothing follows `data`; it counts once all
    /// of `data` was taken.
    ///
    /// The answer to TOP ends by itself after the lines that were asked for: then
    /// [`Event::BodyDone`](super::Event::BodyDone) comes without an `end`, and what is still given
    /// is taken and dropped.
    ///
    /// # Errors
    ///
    /// [`UsageError::StaleBody`] when the body is not the one that is being sent.
    pub fn send_data(
        &mut self,
        body: BodyId,
        data: &mut Bytes,
        end: bool,
    ) -> Result<(), UsageError> {
        let max = self.limits.max_queued_output;
        let sending = match &mut self.state {
            State::Streaming(sending) if sending.id == body.0 => sending,
            _ if self.cut_off == Some(body.0) => {
                data.clear();
                if end {
                    self.cut_off = None;
                }
                return Ok(());
            }
            _ => return Err(UsageError::StaleBody),
        };
        let mut is_cut = false;
        while !data.is_empty() && !is_cut {
            let room = max.saturating_sub(self.output.len());
            if room == 0 {
                break;
            }
            let mut len = data.len().min(room);
            if let Some(top) = &mut sending.top {
                len = top.pass(data.get(..len).unwrap_or_default());
                is_cut = top.is_done();
            }
            let mut part = data.split_to(len);
            while !part.is_empty() {
                let piece = sending.stuffer.step(&part);
                self.output.copy(piece.insert);
                if piece.take >= BY_REFERENCE {
                    self.output.share(part.split_to(piece.take));
                } else {
                    self.output.copy(part.get(..piece.take).unwrap_or_default());
                    part.advance(piece.take);
                }
            }
        }
        if !data.is_empty() && !is_cut {
            sending.is_blocked = true;
            return Ok(());
        }
        data.clear();
        if !end && !is_cut {
            return Ok(());
        }
        let stuffer = core::mem::take(&mut sending.stuffer);
        self.output.copy(stuffer.finish());
        self.notice = Some(Notice::BodyDone {
            body: body.0,
            complete: true,
        });
        self.stats.bodies = self.stats.bodies.saturating_add(1);
        self.cut_off = (!end).then_some(body.0);
        self.set_ready();
        Ok(())
    }

    /// Gives a body up that cannot be read to its end.
    ///
    /// POP3 has no way to say so inside a multi-line answer: the connection ends without the final
    /// dot, so that no client takes a part for the whole. Nothing is deleted.
    ///
    /// # Errors
    ///
    /// [`UsageError::StaleBody`] when the body is not the one that is being sent.
    pub fn abort_stream(&mut self, body: BodyId) -> Result<(), UsageError> {
        match &self.state {
            State::Streaming(sending) if sending.id == body.0 => {}
            _ => return Err(UsageError::StaleBody),
        }
        self.end_body();
        self.phase = Phase::Update;
        self.begin_closing();
        Ok(())
    }

    /// Confirms that all messages of [`Event::Commit`](super::Event::Commit) are deleted, and signs
    /// off.
    ///
    /// # Errors
    ///
    /// [`UsageError::StaleAsk`] when the question is not open any more.
    pub fn accept_commit(&mut self, ask: CommitAsk) -> Result<(), UsageError> {
        self.settle(ask.0)?;
        self.sign_off();
        Ok(())
    }

    /// Answers any question with `-ERR`: a login is refused, a message is not sent, messages were
    /// not (all) deleted. A rejected commit ends the connection all the same (RFC 1939 section 6).
    ///
    /// Use [`Reply::authentication_failed`] for logins: it is the same for unknown users and wrong
    /// passwords. A rejected login counts as a failure, unless its code says that the credentials
    /// are not at fault (`IN-USE`, `LOGIN-DELAY`, `SYS/..`). A reply with `+OK` is sent as `-ERR`.
    ///
    /// # Errors
    ///
    /// [`UsageError::StaleAsk`] when the question is not open any more.
    pub fn reject(&mut self, ask: impl Into<Ask>, reply: Reply) -> Result<(), UsageError> {
        let question = self.settle(ask.into().0)?;
        let reply = match reply.is_ok() {
            true => Reply::err(reply.text()),
            false => reply,
        };
        self.reply(&reply);
        match question.kind {
            QuestionKind::Retrieve { .. } => self.set_ready(),
            QuestionKind::Commit => self.begin_closing(),
            QuestionKind::Login | QuestionKind::Auth => {
                self.set_ready();
                if !is_excuse(reply.code()) {
                    self.count_auth_failure();
                }
            }
        }
        Ok(())
    }

    /// What happens to a question that was not answered in time.
    pub(super) fn answer_overdue(&mut self, kind: QuestionKind) {
        self.notice = Some(Notice::AnswerOverdue);
        self.count_limit();
        let reply = match kind {
            QuestionKind::Commit => Reply::err("some deleted messages not removed"),
            _ => Reply::err_with(ResponseCode::SysTemp, "try again later"),
        };
        self.reply(&reply);
        match kind {
            QuestionKind::Commit => self.begin_closing(),
            _ => self.set_ready(),
        }
    }

    fn settle(&mut self, id: u64) -> Result<Question, UsageError> {
        match self.state {
            State::Asking(question) if question.id == id => Ok(question),
            _ => Err(UsageError::StaleAsk),
        }
    }

    fn count_auth_failure(&mut self) {
        self.stats.auth_failures = self.stats.auth_failures.saturating_add(1);
        let limit = self.limits.max_auth_failures;
        if self.stats.auth_failures >= limit {
            self.fail(Error::TooManyAuthFailures { limit }, &mut BytesMut::new());
        }
    }
}

/// Codes that put no blame on the credentials (RFC 2449 section 8.1, RFC 3206 section 4).
fn is_excuse(code: Option<ResponseCode<'_>>) -> bool {
    matches!(
        code,
        Some(
            ResponseCode::InUse
                | ResponseCode::LoginDelay
                | ResponseCode::SysTemp
                | ResponseCode::SysPerm
        )
    )
}
