//! SMTP and LMTP servers over the same stores from which POP3 reads, and with a way out: mail for
//! other hosts goes into a spool.

use crate::app::StreamApp;
use crate::mail::SharedStore;
use crate::maildir;
use crate::spool::{Draft as SpoolDraft, Spool};
use core::net::IpAddr;
use core::time::Duration;
use netio::driver::MailQueueHandle;
use proto_mail::sasl::memory::{Login, Users, Verdict};
use proto_mail::smtp::client::Envelope;
use proto_mail::smtp::queue::Record;
use proto_mail::smtp::server::{AuthAsk, Config, Event, HelloKind, Limits, Session};
use proto_mail::smtp::trace::{Hops, Received};
use proto_mail::smtp::wire::{EnhancedCode, Mailbox, Reply, ReversePath};
use proto_mail::smtp::{Protocol, UsageError};
use std::io;
use std::sync::{Arc, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

/// Where mail is filed.
#[derive(Clone, Debug)]
pub enum Post {
    /// In memory.
    Memory(SharedStore),
    /// In Maildirs.
    Maildir(Arc<maildir::Store>),
}

impl Post {
    fn users<R>(&self, ask: impl FnOnce(&mut Users) -> R) -> R {
        match self {
            Self::Memory(store) => {
                let mut store = store.lock().unwrap_or_else(PoisonError::into_inner);
                ask(store.users_mut())
            }
            Self::Maildir(store) => ask(&mut store.users()),
        }
    }

    fn draft(&self, user: &[u8]) -> io::Result<Draft> {
        match self {
            Self::Memory(_) => Ok(Draft::Memory(Vec::new())),
            Self::Maildir(store) => store.draft(user).map(Draft::Maildir),
        }
    }

    /// Files a message for each of the users; says for each whether it worked.
    fn deliver(&self, draft: Draft, users: &[&[u8]]) -> Vec<bool> {
        match (self, draft) {
            (Self::Memory(store), Draft::Memory(message)) => {
                let mut store = store.lock().unwrap_or_else(PoisonError::into_inner);
                let message = bytes::Bytes::from(message);
                let deliver = |user| store.deliver(user, message.clone()).is_some();
                users.iter().map(deliver).collect()
            }
            (Self::Maildir(store), Draft::Maildir(draft)) => {
                let filed = store.file(draft, users);
                let outcome = filed.into_iter().zip(users).map(|(result, user)| {
                    result
                        .inspect_err(|error| eprintln!("{}: {error}", user.escape_ascii()))
                        .is_ok()
                });
                outcome.collect()
            }
            _ => vec![false; users.len()],
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
        .find(|name| self.users(|users| users.has(name)))
    }
}

/// A message that is coming in.
#[derive(Debug)]
enum Draft {
    Memory(Vec<u8>),
    Maildir(maildir::Draft),
}

impl Draft {
    fn write(&mut self, part: &[u8]) -> io::Result<()> {
        match self {
            Self::Memory(message) => {
                message.extend_from_slice(part);
                Ok(())
            }
            Self::Maildir(draft) => draft.write(part),
        }
    }
}

/// The way to other hosts, for users who have logged in.
#[derive(Clone, Debug)]
pub struct Relay {
    /// Where messages wait.
    pub spool: Arc<Spool>,
    /// The queue that sends them.
    pub queue: MailQueueHandle,
    /// Domains whose mail stays here.
    pub domains: Arc<Vec<String>>,
}

impl Relay {
    fn is_local(&self, address: &Mailbox) -> bool {
        let domain = address.domain();
        domain.is_empty()
            || self
                .domains
                .iter()
                .any(|local| domain.eq_ignore_ascii_case(local.as_bytes()))
    }

    /// Files a message for users of ours; false when it is for somebody else.
    pub fn deliver_at_home(&self, post: &Post, record: &Record, body: &[u8]) -> bool {
        let here = record
            .recipients
            .iter()
            .map(|(to, _)| match self.is_local(to) {
                true => post.user_of(to),
                false => None,
            });
        let Some(users) = here.collect::<Option<Vec<_>>>() else {
            return false;
        };
        let users: Vec<&[u8]> = users.iter().map(Vec::as_slice).collect();
        let Some(mut draft) = users.first().and_then(|user| post.draft(user).ok()) else {
            return false;
        };
        draft.write(body).is_ok() && post.deliver(draft, &users).into_iter().all(|it| it)
    }

    /// Puts a message into the queue; on return it is stored.
    fn submit(&self, envelope: Envelope, draft: SpoolDraft) -> io::Result<()> {
        let octets = draft.octets();
        let (id, record) = self.queue.with(|queue, _| {
            let id = queue.submit(envelope, octets).map_err(io::Error::other)?;
            Ok::<_, io::Error>((id, queue.record(id)))
        })?;
        let stored = self.spool.file(id, draft, record.as_ref());
        self.queue.with(|queue, now| match stored {
            Ok(()) => queue.handle_stored(now, id),
            Err(_) => queue.handle_store_failed(now, id),
        });
        stored
    }
}

/// One session's part of a store.
#[derive(Debug)]
pub struct Smtp {
    post: Post,
    relay: Option<Relay>,
    peer: Option<IpAddr>,
    login: Login,
    hello: Vec<u8>,
    is_extended: bool,
    envelope: Envelope,
    /// In the order of RCPT: a user of ours, or a place in the envelope.
    recipients: Vec<Target>,
    draft: Option<io::Result<Draft>>,
    spooled: Option<io::Result<SpoolDraft>>,
    hops: Hops,
}

#[derive(Debug)]
enum Target {
    User(Vec<u8>),
    Elsewhere,
}

impl Smtp {
    /// A session without a message, which takes mail for the users of a store.
    pub fn new(post: &Post) -> Self {
        Self {
            post: post.clone(),
            relay: None,
            peer: None,
            login: Login::new(),
            hello: Vec::new(),
            is_extended: false,
            envelope: Envelope::new(ReversePath::Null),
            recipients: Vec::new(),
            draft: None,
            spooled: None,
            hops: Hops::new(),
        }
    }

    /// The same, which takes mail for other hosts as well once somebody has logged in.
    pub fn with_relay(post: &Post, relay: &Relay, peer: Option<IpAddr>) -> Self {
        let relay = Some(relay.clone());
        Self {
            relay,
            peer,
            ..Self::new(post)
        }
    }

    fn forget(&mut self) {
        self.envelope = Envelope::new(ReversePath::Null);
        self.recipients.clear();
        self.draft = None;
        self.spooled = None;
        self.hops = Hops::new();
    }

    fn answer(&mut self, session: &mut Session, event: Event) -> Result<(), UsageError> {
        match event {
            Event::Hello { kind, name } => {
                self.hello = name.to_vec();
                self.is_extended = kind != HelloKind::Helo;
                Ok(())
            }
            Event::Auth {
                ask,
                mechanism,
                initial,
            } => {
                let offers_plus = session.offered_mechanisms().any(|it| it.binds_channel());
                let (login, tls) = (&mut self.login, session.tls());
                let verdict = self.post.users(|users| {
                    login.begin(users, mechanism, initial.as_ref(), tls, offers_plus)
                });
                settle(session, ask, verdict)
            }
            Event::AuthResponse { ask, response } => {
                let login = &mut self.login;
                let verdict = self.post.users(|users| login.respond(users, &response));
                settle(session, ask, verdict)
            }
            Event::Mail { ask, from, params } => {
                self.forget();
                self.envelope = Envelope::new(from);
                self.envelope.params = params;
                session.accept(ask)
            }
            Event::Rcpt { ask, to, params } => {
                let relay = self.relay.as_ref().filter(|relay| !relay.is_local(&to));
                if relay.is_some() {
                    if !session.is_authenticated() {
                        let code = EnhancedCode::new(5, 7, 1);
                        let reply = Reply::new(550, Some(code), "relaying needs a login");
                        return session.reject(ask, &reply);
                    }
                    self.envelope.recipients.push((to, params));
                    self.recipients.push(Target::Elsewhere);
                    return session.accept(ask);
                }
                match self.post.user_of(&to) {
                    Some(user) => {
                        self.recipients.push(Target::User(user));
                        session.accept(ask)
                    }
                    None => session.reject(ask, &Reply::no_such_mailbox()),
                }
            }
            Event::BodyChunk(data) => {
                self.write(session, &data);
                Ok(())
            }
            Event::MessageEnd { ask, .. } => {
                // A message without an octet is one all the same.
                self.write(session, b"");
                let replies = self.finish();
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

    /// A part of the message goes straight to where it is to lie. What fails fails at the end.
    fn write(&mut self, session: &Session, part: &[u8]) {
        self.hops.feed(part);
        let first = self.recipients.iter().find_map(|target| match target {
            Target::User(user) => Some(user),
            Target::Elsewhere => None,
        });
        if let Some(user) = first {
            let draft = &mut self.draft;
            let draft = draft.get_or_insert_with(|| self.post.draft(user));
            if let Ok(open) = draft
                && let Err(error) = open.write(part)
            {
                *draft = Err(error);
            }
        }
        let Some(relay) = self.relay.as_ref() else {
            return;
        };
        if self.envelope.recipients.is_empty() {
            return;
        }
        let hello = &self.hello;
        let (peer, is_extended) = (self.peer, self.is_extended);
        let spooled = self.spooled.get_or_insert_with(|| {
            let mut draft = relay.spool.draft()?;
            let field = Received {
                hello,
                peer,
                host: &session.config().host,
                with: Received::with(
                    session.config().protocol == Protocol::Lmtp,
                    is_extended,
                    session.tls().is_some(),
                    session.is_authenticated(),
                ),
                id: &draft.name(),
                unix: unix_time(),
            };
            draft.write(&field.encode())?;
            Ok(draft)
        });
        if let Ok(open) = spooled
            && let Err(error) = open.write(part)
        {
            *spooled = Err(error);
        }
    }

    /// Files the message, and says for each recipient how that went.
    fn finish(&mut self) -> Vec<Reply> {
        if self.hops.is_loop() {
            let code = EnhancedCode::new(5, 4, 6);
            let reply = Reply::new(554, Some(code), "the message goes in circles");
            return vec![reply; self.recipients.len()];
        }
        let users = self.recipients.iter().filter_map(|target| match target {
            Target::User(user) => Some(user.as_slice()),
            Target::Elsewhere => None,
        });
        let users: Vec<_> = users.collect();
        let filed = match self.draft.take() {
            Some(Ok(draft)) => self.post.deliver(draft, &users),
            Some(Err(error)) => {
                eprintln!("a message could not be written: {error}");
                vec![false; users.len()]
            }
            None => vec![false; users.len()],
        };
        let envelope = core::mem::replace(&mut self.envelope, Envelope::new(ReversePath::Null));
        let queued = match (&self.relay, self.spooled.take()) {
            (Some(relay), Some(Ok(draft))) => relay.submit(envelope, draft),
            (_, Some(Err(error))) => Err(error),
            _ => Err(io::ErrorKind::Unsupported.into()),
        };
        let mut filed = filed.into_iter();
        let replies = self.recipients.iter().map(|target| {
            let is_good = match target {
                Target::User(_) => filed.next().unwrap_or(false),
                Target::Elsewhere => queued.is_ok(),
            };
            match is_good {
                true => Reply::ok("Message accepted for delivery"),
                false => Reply::try_later(),
            }
        });
        replies.collect()
    }
}

fn settle(session: &mut Session, ask: AuthAsk, verdict: Verdict) -> Result<(), UsageError> {
    match verdict {
        Verdict::Challenge(challenge) => session.challenge(ask, &challenge),
        Verdict::Accept(_) => session.accept(ask),
        Verdict::Reject => session.reject(ask, &Reply::authentication_failed()),
    }
}

/// Time since 1970.
pub fn unix_time() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
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
