//! How the embedder answers.

use super::event::{Ask, AuthAsk, MessageAsk, VerifyAsk};
use super::{AbortReason, Error, Notice, Question, QuestionKind, Session, State, Transaction};
use crate::smtp::UsageError;
use crate::smtp::wire::Reply;
use crate::value::Base64;
use bytes::BytesMut;

impl Session {
    /// Answers with what is usual: the sender or the recipient is taken, the user is logged in, the
    /// message will be delivered (to all its recipients).
    ///
    /// # Errors
    ///
    /// [`UsageError::StaleAsk`] when the question is not open any more, and
    /// [`UsageError::InvalidValue`] for a [`VerifyAsk`], which needs words of its own.
    pub fn accept(&mut self, ask: impl Into<Ask>) -> Result<(), UsageError> {
        let question = self.settle(ask.into().0)?;
        match question.kind {
            QuestionKind::Auth => self.say("235 2.7.0 authentication succeeded"),
            QuestionKind::Mail => self.say("250 2.1.0 Sender ok"),
            QuestionKind::Rcpt => self.say("250 2.1.5 Recipient ok"),
            QuestionKind::Message => {
                for _ in 0..self.answers() {
                    self.say("250 2.0.0 Message accepted for delivery");
                }
            }
            QuestionKind::Verify => return Err(UsageError::InvalidValue),
        }
        self.accepted(question.kind);
        Ok(())
    }

    /// As [`accept`](Self::accept), in words of your own.
    ///
    /// # Errors
    ///
    /// [`UsageError::InvalidValue`] when the code of the reply is not 2xx.
    pub fn accept_with(&mut self, ask: impl Into<Ask>, reply: &Reply) -> Result<(), UsageError> {
        let question = self.settle(ask.into().0)?;
        if !reply.is_ok() {
            return Err(UsageError::InvalidValue);
        }
        let answers = match question.kind {
            QuestionKind::Message => self.answers(),
            _ => 1,
        };
        for _ in 0..answers {
            self.reply(reply);
        }
        self.accepted(question.kind);
        Ok(())
    }

    /// Refuses: a login, a sender, a recipient, a message (for all its recipients), a question.
    ///
    /// A rejected login counts as a failure when the code is 5xx.
    ///
    /// # Errors
    ///
    /// [`UsageError::StaleAsk`] when the question is not open any more, and
    /// [`UsageError::InvalidValue`] when the code of the reply is neither 4xx nor 5xx.
    pub fn reject(&mut self, ask: impl Into<Ask>, reply: &Reply) -> Result<(), UsageError> {
        let question = self.settle(ask.into().0)?;
        if reply.is_positive() {
            return Err(UsageError::InvalidValue);
        }
        self.rejected(question.kind, reply);
        if question.kind == QuestionKind::Auth && reply.is_permanent() {
            self.stats.auth_failures = self.stats.auth_failures.saturating_add(1);
            let limit = self.limits.max_auth_failures;
            if self.stats.auth_failures >= limit {
                self.fail(Error::TooManyAuthFailures { limit }, &mut BytesMut::new());
            }
        }
        Ok(())
    }

    /// Answers for each recipient of a message by itself, in the order of the accepted RCPTs (LMTP,
    /// RFC 2033 section 4.2). Answers that are missing become 451, one too many is dropped.
    ///
    /// With SMTP there is one answer for all: the first 2xx, so that a message is not sent again to
    /// those who have it, or else the first one.
    ///
    /// # Errors
    ///
    /// [`UsageError::StaleAsk`] when the question is not open any more.
    pub fn answer_each<'a>(
        &mut self,
        ask: MessageAsk,
        replies: impl IntoIterator<Item = &'a Reply>,
    ) -> Result<(), UsageError> {
        self.settle(ask.0)?;
        let mut replies = replies.into_iter();
        let mut is_accepted = false;
        let later = Reply::try_later();
        if self.is_lmtp() {
            for _ in 0..self.answers() {
                let reply = replies.next().unwrap_or(&later);
                is_accepted |= reply.is_ok();
                self.reply(reply);
            }
        } else {
            let first = replies.next().unwrap_or(&later);
            let reply = match first.is_ok() {
                true => first,
                false => replies.find(|reply| reply.is_ok()).unwrap_or(first),
            };
            is_accepted = reply.is_ok();
            self.reply(reply);
        }
        if is_accepted {
            self.stats.messages_accepted = self.stats.messages_accepted.saturating_add(1);
        }
        self.transaction = Transaction::default();
        self.set_ready();
        Ok(())
    }

    /// Answers VRFY or EXPN: 250 or 251 and lines with mailboxes, or 252.
    ///
    /// # Errors
    ///
    /// [`UsageError::StaleAsk`] when the question is not open any more.
    pub fn answer(&mut self, ask: VerifyAsk, reply: &Reply) -> Result<(), UsageError> {
        self.settle(ask.0)?;
        self.reply(reply);
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
        tail.extend_from_slice(b"334 ");
        Base64::encode_into(challenge, tail);
        tail.extend_from_slice(b"\r\n");
        self.set_ready();
        if matches!(self.state, State::Ready) {
            self.state = State::Response;
        }
        Ok(())
    }

    /// What happens to a question that was not answered in time.
    pub(super) fn answer_overdue(&mut self, kind: QuestionKind) {
        self.count_limit();
        self.rejected(kind, &Reply::try_later());
        self.notice = Some(match kind {
            QuestionKind::Message => Notice::Aborted(AbortReason::AnswerOverdue),
            _ => Notice::AnswerOverdue,
        });
    }

    fn accepted(&mut self, kind: QuestionKind) {
        match kind {
            QuestionKind::Auth => self.flags.authenticated = true,
            QuestionKind::Mail => self.transaction.has_sender = true,
            QuestionKind::Rcpt => {
                self.transaction.recipients = self.transaction.recipients.saturating_add(1);
            }
            QuestionKind::Message => {
                self.stats.messages_accepted = self.stats.messages_accepted.saturating_add(1);
                self.transaction = Transaction::default();
            }
            QuestionKind::Verify => {}
        }
        self.set_ready();
    }

    fn rejected(&mut self, kind: QuestionKind, reply: &Reply) {
        let answers = match kind {
            QuestionKind::Message => self.answers(),
            _ => 1,
        };
        for _ in 0..answers {
            self.reply(reply);
        }
        match kind {
            QuestionKind::Mail | QuestionKind::Message => {
                self.transaction = Transaction::default();
            }
            QuestionKind::Rcpt => {
                self.stats.recipients_rejected = self.stats.recipients_rejected.saturating_add(1);
            }
            QuestionKind::Auth | QuestionKind::Verify => {}
        }
        self.set_ready();
    }

    /// How many replies a message has.
    fn answers(&self) -> u32 {
        match self.is_lmtp() {
            true => self.transaction.recipients.max(1),
            false => 1,
        }
    }

    fn settle(&mut self, id: u64) -> Result<Question, UsageError> {
        match self.state {
            State::Asking(question) if question.id == id => Ok(question),
            _ => Err(UsageError::StaleAsk),
        }
    }
}
