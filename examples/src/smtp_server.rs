//! SMTP and LMTP servers over the same stores from which POP3 reads.

use crate::app::StreamApp;
use crate::mail::SharedStore;
use crate::maildir;
use core::time::Duration;
use proto_mail::Secret;
use proto_mail::sasl::plain::Plain;
use proto_mail::smtp::UsageError;
use proto_mail::smtp::server::{AuthAsk, Config, Event, Limits, Session};
use proto_mail::smtp::wire::{EnhancedCode, Mailbox, Reply};
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};

/// Where mail is filed.
#[derive(Clone, Debug)]
pub enum Post {
    /// In memory; the users and their passwords beside it.
    Memory(SharedStore, Arc<BTreeMap<Vec<u8>, Secret>>),
    /// In Maildirs.
    Maildir(Arc<maildir::Store>),
}

impl Post {
    fn has(&self, user: &[u8]) -> bool {
        match self {
            Self::Memory(_, users) => users.contains_key(user),
            Self::Maildir(store) => store.has(user),
        }
    }

    fn is_password(&self, user: &[u8], password: &Secret) -> bool {
        match self {
            Self::Memory(_, users) => users.get(user) == Some(password),
            Self::Maildir(store) => store.is_password(user, password),
        }
    }

    /// Files a message, all or nothing.
    fn deliver(&self, user: &[u8], message: &[u8]) -> bool {
        match self {
            Self::Memory(store, _) => {
                let mut store = store.lock().unwrap_or_else(PoisonError::into_inner);
                store.deliver(user, message.to_vec()).is_some()
            }
            Self::Maildir(store) => match store.deliver(user, message) {
                Ok(()) => true,
                Err(error) => {
                    eprintln!("{}: {error}", user.escape_ascii());
                    false
                }
            },
        }
    }

    /// The user whom an address names: as a whole, or by its local part.
    fn user_of(&self, address: &Mailbox) -> Option<Vec<u8>> {
        let local = address.unquoted_local_part();
        [
            address.as_bytes().to_vec(),
            local.to_ascii_lowercase(),
            local,
        ]
        .into_iter()
        .find(|name| self.has(name))
    }
}

/// One session's part of a store.
#[derive(Debug)]
pub struct Smtp {
    post: Post,
    recipients: Vec<Vec<u8>>,
    message: Vec<u8>,
}

impl Smtp {
    /// A session without a message.
    pub fn new(post: &Post) -> Self {
        Self {
            post: post.clone(),
            recipients: Vec::new(),
            message: Vec::new(),
        }
    }

    fn forget(&mut self) {
        self.recipients.clear();
        self.message = Vec::new();
    }

    fn answer(&mut self, session: &mut Session, event: Event) -> Result<(), UsageError> {
        match event {
            Event::Auth {
                ask, initial: None, ..
            } => session.challenge(ask, b""),
            Event::Auth {
                ask,
                initial: Some(response),
                ..
            }
            | Event::AuthResponse { ask, response } => self.log_in(session, ask, &response),
            Event::Mail { ask, .. } => {
                self.forget();
                session.accept(ask)
            }
            Event::Rcpt { ask, to, .. } => match self.post.user_of(&to) {
                Some(user) => {
                    self.recipients.push(user);
                    session.accept(ask)
                }
                None => session.reject(ask, &Reply::no_such_mailbox()),
            },
            Event::BodyChunk(data) => {
                self.message.extend_from_slice(&data);
                Ok(())
            }
            Event::MessageEnd { ask, .. } => {
                let replies: Vec<Reply> = self
                    .recipients
                    .iter()
                    .map(|user| match self.post.deliver(user, &self.message) {
                        true => Reply::ok("Message accepted for delivery"),
                        false => Reply::try_later(),
                    })
                    .collect();
                self.forget();
                session.answer_each(ask, &replies)
            }
            Event::Aborted { .. } => {
                self.forget();
                Ok(())
            }
            Event::Verify { ask, .. } => {
                let code = EnhancedCode::new(2, 1, 5);
                session.answer(ask, &Reply::new(252, Some(code), "cannot verify"))
            }
            _ => Ok(()),
        }
    }

    fn log_in(
        &mut self,
        session: &mut Session,
        ask: AuthAsk,
        response: &Secret,
    ) -> Result<(), UsageError> {
        let is_known = Plain::decode(response.as_bytes()).is_ok_and(|plain| {
            plain.authorize_as.is_empty()
                && self
                    .post
                    .is_password(plain.user, &Secret::new(plain.password))
        });
        match is_known {
            true => session.accept(ask),
            false => session.reject(ask, &Reply::authentication_failed()),
        }
    }
}

impl StreamApp for Smtp {
    type Machine = Session;

    fn on_event(&mut self, _: Duration, session: &mut Session, event: Event) {
        // A question that is stale was asked by a session that has ended meanwhile.
        let _ = self.answer(session, event);
    }
}

/// Makes a session of a new connection.
pub fn session(now: Duration, config: &Arc<Config>) -> Session {
    Session::new(now, Arc::clone(config), Arc::new(Limits::default()))
}
