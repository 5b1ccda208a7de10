//! A store in memory that answers all that a server session asks: for tests, examples, and as a
//! model of how to answer.

use super::error::UsageError;
use super::maildrop::Maildrop;
use super::server::{ApopProof, AuthAsk, BodyId, Event, LoginAsk, Session};
use super::wire::{Reply, ResponseCode, UniqueId};
use crate::sasl::memory::{Login, Users, Verdict, prepared};
use crate::{Secret, dot};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use bytes::Bytes;

/// Users, their passwords and their messages.
///
/// One store serves all sessions; what belongs to one of them is in its [`Connection`]. At most one
/// session at a time has a user's maildrop (RFC 1939 section 4): the others are told `IN-USE`.
///
/// ```
/// use bytes::BytesMut;
/// use core::time::Duration;
/// use proto_mail::pop3::memory::{Connection, MemoryStore};
/// use proto_mail::pop3::server::{Config, Limits, Session};
///
/// let mut store = MemoryStore::new();
/// store.add_user("bob", "hungry");
/// store.deliver("bob", "Subject: dinner\r\n\r\nDo you like ketchup?\r\n");
///
/// let mut config = Config::default();
/// config.allow_plaintext_auth = true; // on loopback
/// let now = Duration::ZERO;
/// let mut session = Session::new(now, config, Limits::default(), [7; 32]);
/// let mut connection = Connection::new();
/// let mut input = BytesMut::from("USER bob\r\nPASS hungry\r\nDELE 1\r\nQUIT\r\n");
/// while let Some(event) = session.poll_event(now, &mut input)? {
///     store.handle(&mut connection, &mut session, event)?;
/// }
/// assert_eq!(store.messages("bob").count(), 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Default)]
pub struct MemoryStore {
    users: Users,
    accounts: BTreeMap<Box<[u8]>, Account>,
}

#[derive(Debug)]
struct Account {
    messages: Vec<Message>,
    /// Unique-ids are never used again, whatever is deleted.
    next_id: u64,
    /// Alive as long as a connection holds the other half: it falls with the connection.
    lock: Weak<()>,
}

#[derive(Debug)]
struct Message {
    unique_id: UniqueId,
    octets: u64,
    data: Bytes,
}

/// What the store keeps for one session: who is logged in, the lock on the maildrop, the body that
/// is being sent. Drop it when the session is over, however it ended.
#[derive(Debug, Default)]
pub struct Connection {
    user: Option<Box<[u8]>>,
    login: Login,
    lock: Option<Arc<()>>,
    body: Option<(BodyId, Bytes)>,
}

impl Connection {
    /// A connection on which nobody is logged in.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Who is logged in.
    #[must_use]
    pub fn user(&self) -> Option<&[u8]> {
        self.user.as_deref()
    }
}

impl MemoryStore {
    /// A store without users.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets users log in by CRAM-MD5 and SCRAM as well, where the configuration offers them. The
    /// seed must be a secret that was never used before.
    pub fn set_seed(&mut self, seed: [u8; 32]) {
        self.users.set_seed(seed);
        self.users.derive();
    }

    /// The users and their passwords.
    #[must_use]
    pub fn users(&self) -> &Users {
        &self.users
    }

    /// The same, for logins by other protocols.
    pub fn users_mut(&mut self) -> &mut Users {
        &mut self.users
    }

    /// Adds a user with an empty maildrop, or gives an old one a new password.
    pub fn add_user(&mut self, user: impl AsRef<[u8]>, password: impl Into<Secret>) {
        let user = prepared(user.as_ref());
        self.users.add(&user, password);
        if self.accounts.contains_key(&*user) {
            return;
        }
        let account = Account {
            messages: Vec::new(),
            next_id: 1,
            lock: Weak::new(),
        };
        self.accounts.insert(user.into(), account);
    }

    /// Files a message and returns its unique-id; nothing when there is no such user. A session
    /// that is under way does not see it.
    pub fn deliver(
        &mut self,
        user: impl AsRef<[u8]>,
        message: impl Into<Bytes>,
    ) -> Option<UniqueId> {
        let account = self.accounts.get_mut(&*prepared(user.as_ref()))?;
        let data = message.into();
        let unique_id = UniqueId::new(format!("{:016x}", account.next_id)).ok()?;
        account.next_id = account.next_id.saturating_add(1);
        account.messages.push(Message {
            unique_id,
            octets: dot::transmitted_len(&data),
            data,
        });
        Some(unique_id)
    }

    /// The messages of a user, oldest first.
    pub fn messages(&self, user: impl AsRef<[u8]>) -> impl Iterator<Item = &Bytes> {
        let account = self.accounts.get(&*prepared(user.as_ref()));
        account
            .into_iter()
            .flat_map(|account| account.messages.iter().map(|message| &message.data))
    }

    /// Answers whatever `session` asks. Call it with every event that the session gives.
    ///
    /// # Errors
    ///
    /// [`UsageError`] when the event is not the last one that this session gave.
    pub fn handle(
        &mut self,
        connection: &mut Connection,
        session: &mut Session,
        event: Event,
    ) -> Result<(), UsageError> {
        match event {
            Event::Login {
                ask,
                user,
                password,
            } => {
                let is_right = self.users.is_password(&user, &password);
                self.log_in(connection, session, ask, &user, is_right)
            }
            Event::Apop { ask, user, proof } => {
                let nobody = Secret::from("no such user");
                let right = self.users.password(&user).unwrap_or(&nobody);
                let is_right = ApopProof::verify(&proof, right.as_bytes());
                self.log_in(connection, session, ask, &user, is_right)
            }
            Event::Auth {
                ask,
                mechanism,
                initial,
            } => {
                let offers_plus = session.offered_mechanisms().any(|it| it.binds_channel());
                let users = &mut self.users;
                let login = &mut connection.login;
                let verdict = login.begin(
                    users,
                    mechanism,
                    initial.as_ref(),
                    session.tls(),
                    offers_plus,
                );
                self.settle(connection, session, ask, verdict)
            }
            Event::AuthResponse { ask, response } => {
                let verdict = connection.login.respond(&self.users, &response);
                self.settle(connection, session, ask, verdict)
            }
            Event::Retrieve { ask, message, .. } => match self.find(connection, message) {
                Some(data) => {
                    let body = session.accept_stream(ask)?;
                    connection.body = Some((body, data));
                    send(connection, session)
                }
                None => session.reject(ask, Reply::err("no such message")),
            },
            Event::Writable { .. } => send(connection, session),
            Event::BodyDone { .. } => {
                connection.body = None;
                Ok(())
            }
            Event::Commit { ask, deleted } => {
                if let Some(account) = self.account_of(connection) {
                    let mut number = 0_u32;
                    account.messages.retain(|_| {
                        number = number.saturating_add(1);
                        !deleted.contains(number)
                    });
                }
                connection.lock = None;
                session.accept_commit(ask)
            }
            Event::AuthCancelled | Event::Fault(_) | Event::PeerClosed => Ok(()),
        }
    }

    fn settle(
        &mut self,
        connection: &mut Connection,
        session: &mut Session,
        ask: AuthAsk,
        verdict: Verdict,
    ) -> Result<(), UsageError> {
        match verdict {
            Verdict::Challenge(challenge) => session.challenge(ask, &challenge),
            Verdict::Accept(user) => self.log_in(connection, session, ask.into(), &user, true),
            Verdict::Reject => session.reject(ask, Reply::authentication_failed()),
        }
    }

    fn log_in(
        &mut self,
        connection: &mut Connection,
        session: &mut Session,
        ask: LoginAsk,
        user: &[u8],
        is_right: bool,
    ) -> Result<(), UsageError> {
        let user = prepared(user);
        let Some(account) = self.accounts.get_mut(&*user).filter(|_| is_right) else {
            return session.reject(ask, Reply::authentication_failed());
        };
        if account.lock.strong_count() > 0 {
            return session.reject(ask, Reply::in_use());
        }
        let mut maildrop = Maildrop::new();
        for message in &account.messages {
            if maildrop
                .push(message.octets, message.unique_id.as_bytes())
                .is_err()
            {
                let reply = Reply::err_with(ResponseCode::SysPerm, "too many messages");
                return session.reject(ask, reply);
            }
        }
        session.accept(ask, maildrop)?;
        let lock = Arc::new(());
        account.lock = Arc::downgrade(&lock);
        connection.lock = Some(lock);
        connection.user = Some(user.into());
        Ok(())
    }

    /// The account that the connection has locked.
    fn account_of(&mut self, connection: &Connection) -> Option<&mut Account> {
        let user = connection.user.as_deref()?;
        connection.lock.as_ref()?;
        self.accounts.get_mut(user)
    }

    fn find(&mut self, connection: &Connection, message: u32) -> Option<Bytes> {
        let index = usize::try_from(message.checked_sub(1)?).ok()?;
        let account = self.account_of(connection)?;
        Some(account.messages.get(index)?.data.clone())
    }
}

/// Gives the session what it takes of the body; the rest waits for `Writable`.
fn send(connection: &mut Connection, session: &mut Session) -> Result<(), UsageError> {
    match &mut connection.body {
        Some((body, data)) => session.send_data(*body, data, true),
        None => Ok(()),
    }
}
