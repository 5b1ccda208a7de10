//! A POP3 server's store on disk: one Maildir for each user.
//!
//! It reads and deletes files from the thread that calls it. That is fine for an example; a server
//! with slow disks would do so elsewhere and answer later, which the questions of a session allow.

use crate::app::StreamApp;
use bytes::Bytes;
use core::time::Duration;
use proto_mail::pop3::server::{AuthAsk, BodyId, Event, LoginAsk, Session};
use proto_mail::pop3::wire::{Reply, ResponseCode, UniqueId};
use proto_mail::pop3::{Maildrop, UsageError};
use proto_mail::sasl::memory::{Login, Users, Verdict};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

/// Octets read from a file at once.
const CHUNK: usize = 64 * 1024;

/// Users, their passwords, and the folder that holds a Maildir for each of them.
#[derive(Debug)]
pub struct Store {
    root: PathBuf,
    users: Mutex<Users>,
    /// Who has a session now: one at a time (RFC 1939 section 4).
    locked: Mutex<BTreeSet<Vec<u8>>>,
}

/// A message that is being written. Dropped before it is filed, it leaves nothing behind.
#[derive(Debug)]
pub struct Draft {
    path: PathBuf,
    file: File,
}

impl Draft {
    /// Adds a part.
    ///
    /// # Errors
    ///
    /// The file's.
    pub fn write(&mut self, part: &[u8]) -> io::Result<()> {
        self.file.write_all(part)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

impl Store {
    /// A store in which the Maildir of `user` is `root/user`.
    ///
    /// # Errors
    ///
    /// When a user's name is no file name, or a Maildir cannot be made.
    pub fn new(root: &Path, users: Users) -> io::Result<Self> {
        let store = Self {
            root: root.to_owned(),
            users: Mutex::new(users),
            locked: Mutex::default(),
        };
        for user in store.users().names() {
            for part in ["new", "cur", "tmp"] {
                fs::create_dir_all(store.folder(user)?.join(part))?;
            }
        }
        Ok(store)
    }

    /// The users.
    pub fn users(&self) -> MutexGuard<'_, Users> {
        self.users.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins to write a message, in the `tmp` of a user.
    ///
    /// # Errors
    ///
    /// The file's.
    pub fn draft(&self, user: &[u8]) -> io::Result<Draft> {
        let path = self.folder(user)?.join("tmp").join(fresh_name());
        let file = File::create_new(&path)?;
        Ok(Draft { path, file })
    }

    /// Files a message as Maildir has it: made durable, then linked into the `new` of each user, so
    /// that none of them ever sees a part.
    pub fn file(&self, draft: Draft, users: &[&[u8]]) -> Vec<io::Result<()>> {
        let file = |user: &&[u8]| {
            draft.file.sync_all()?;
            let folder = self.folder(user)?;
            let (name, new) = (fresh_name(), folder.join("new"));
            // A second link of the same file; where that cannot be, a copy by way of `tmp`.
            if fs::hard_link(&draft.path, new.join(&name)).is_err() {
                let copy = folder.join("tmp").join(&name);
                fs::copy(&draft.path, &copy)?;
                File::open(&copy)?.sync_all()?;
                fs::rename(&copy, new.join(&name))?;
            }
            File::open(new)?.sync_all()
        };
        users.iter().map(file).collect()
    }

    fn folder(&self, user: &[u8]) -> io::Result<PathBuf> {
        let is_plain = |octet: &u8| octet.is_ascii_alphanumeric() || b"-_@+".contains(octet);
        match std::str::from_utf8(user) {
            Ok(name) if !name.is_empty() && user.iter().all(is_plain) => Ok(self.root.join(name)),
            _ => Err(io::Error::other(
                "a user's name must be letters, digits, -, _, @ or +",
            )),
        }
    }

    /// The files of a user, oldest first as far as their names tell, and what a session lists.
    fn scan(&self, user: &[u8]) -> io::Result<(Vec<PathBuf>, Maildrop)> {
        let folder = self.folder(user)?;
        let mut files = Vec::new();
        for part in ["cur", "new"] {
            for entry in fs::read_dir(folder.join(part))? {
                files.push(entry?.path());
            }
        }
        files.sort_by(|a, b| a.file_name().cmp(&b.file_name()));
        let mut maildrop = Maildrop::new();
        for file in &files {
            let octets = transmitted_len(File::open(file)?)?;
            maildrop
                .push(octets, unique_id(file))
                .map_err(io::Error::other)?;
        }
        Ok((files, maildrop))
    }
}

/// A name that no other file has.
fn fresh_name() -> String {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let (pid, count) = (std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed));
    format!(
        "{}.M{:06}P{pid}Q{count:08}.localhost",
        since.as_secs(),
        since.subsec_micros()
    )
}

/// The name of the file without its flags, or a hash of it where it is too long for an id.
fn unique_id(file: &Path) -> String {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let base = name.split(':').next().unwrap_or_default();
    if UniqueId::new(base).is_ok() {
        return base.to_owned();
    }
    let mut hasher = DefaultHasher::new();
    base.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

/// Octets of a file as they will be sent: each line end counts as two.
fn transmitted_len(mut file: File) -> io::Result<u64> {
    let (mut len, mut last) = (0_u64, b'\n');
    let mut chunk = vec![0; CHUNK];
    loop {
        let read = file.read(&mut chunk)?;
        if read == 0 {
            return Ok(if last == b'\n' { len } else { len + 2 });
        }
        for &octet in &chunk[..read] {
            len += if octet == b'\n' && last != b'\r' {
                2
            } else {
                1
            };
            last = octet;
        }
    }
}

/// One session's part of the store. Dropping it gives the lock on the maildrop back.
#[derive(Debug)]
pub struct Pop3 {
    store: Arc<Store>,
    login: Login,
    user: Option<Vec<u8>>,
    files: Vec<PathBuf>,
    body: Option<Body>,
}

/// A message on its way.
#[derive(Debug)]
struct Body {
    id: BodyId,
    file: File,
    /// What was read and not taken yet.
    chunk: Bytes,
    at_end: bool,
}

impl Pop3 {
    /// A session on which nobody is logged in.
    pub fn new(store: &Arc<Store>) -> Self {
        Self {
            store: Arc::clone(store),
            login: Login::new(),
            user: None,
            files: Vec::new(),
            body: None,
        }
    }

    fn answer(&mut self, session: &mut Session, event: Event) -> Result<(), UsageError> {
        match event {
            Event::Login {
                ask,
                user,
                password,
            } => {
                let is_right = self.store.users().is_password(&user, &password);
                match is_right {
                    true => self.log_in(session, ask, &user),
                    false => session.reject(ask, Reply::authentication_failed()),
                }
            }
            Event::Auth {
                ask,
                mechanism,
                initial,
            } => {
                let offers_plus = session.offered_mechanisms().any(|it| it.binds_channel());
                let (mut users, tls) = (self.store.users(), session.tls());
                let initial = initial.as_ref();
                let login = &mut self.login;
                let verdict = login.begin(&mut users, mechanism, initial, tls, offers_plus);
                drop(users);
                self.settle(session, ask, verdict)
            }
            Event::AuthResponse { ask, response } => {
                let verdict = self.login.respond(&self.store.users(), &response);
                self.settle(session, ask, verdict)
            }
            Event::Apop { ask, .. } => session.reject(ask, Reply::authentication_failed()),
            Event::Retrieve { ask, message, .. } => {
                let index = usize::try_from(message).unwrap_or(0).wrapping_sub(1);
                match self.files.get(index).map(File::open) {
                    Some(Ok(file)) => {
                        let id = session.accept_stream(ask)?;
                        self.body = Some(Body {
                            id,
                            file,
                            chunk: Bytes::new(),
                            at_end: false,
                        });
                        self.send(session)
                    }
                    _ => session.reject(
                        ask,
                        Reply::err_with(ResponseCode::SysTemp, "cannot be read"),
                    ),
                }
            }
            Event::Writable { .. } => self.send(session),
            Event::BodyDone { .. } => {
                self.body = None;
                Ok(())
            }
            Event::Commit { ask, deleted } => {
                let mut failed = 0;
                for (file, number) in self.files.iter().zip(1..) {
                    if deleted.contains(number) && fs::remove_file(file).is_err() {
                        failed += 1;
                    }
                }
                self.unlock();
                match failed {
                    0 => session.accept_commit(ask),
                    // RFC 1939 section 6: some deleted messages not removed.
                    _ => session.reject(ask, Reply::err("some deleted messages not removed")),
                }
            }
            _ => Ok(()),
        }
    }

    fn settle(
        &mut self,
        session: &mut Session,
        ask: AuthAsk,
        verdict: Verdict,
    ) -> Result<(), UsageError> {
        match verdict {
            Verdict::Challenge(challenge) => session.challenge(ask, &challenge),
            Verdict::Accept(user) => self.log_in(session, ask.into(), &user),
            Verdict::Reject => session.reject(ask, Reply::authentication_failed()),
        }
    }

    fn log_in(
        &mut self,
        session: &mut Session,
        ask: LoginAsk,
        user: &[u8],
    ) -> Result<(), UsageError> {
        let mut locked = self
            .store
            .locked
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if !locked.insert(user.to_vec()) {
            return session.reject(ask, Reply::in_use());
        }
        drop(locked);
        self.user = Some(user.to_vec());
        match self.store.scan(user) {
            Ok((files, maildrop)) => {
                self.files = files;
                session.accept(ask, maildrop)
            }
            Err(_) => {
                self.unlock();
                session.reject(ask, Reply::err_with(ResponseCode::SysTemp, "no maildrop"))
            }
        }
    }

    /// Gives the session as much of the message as it takes.
    fn send(&mut self, session: &mut Session) -> Result<(), UsageError> {
        let Some(body) = &mut self.body else {
            return Ok(());
        };
        loop {
            if body.chunk.is_empty() && !body.at_end {
                let mut chunk = vec![0; CHUNK];
                match body.file.read(&mut chunk) {
                    Ok(len) => {
                        chunk.truncate(len);
                        body.at_end = len == 0;
                        body.chunk = chunk.into();
                    }
                    Err(_) => return session.abort_stream(body.id),
                }
            }
            session.send_data(body.id, &mut body.chunk, body.at_end)?;
            if body.at_end || !body.chunk.is_empty() {
                return Ok(());
            }
        }
    }

    fn unlock(&mut self) {
        if let Some(user) = self.user.take() {
            let mut locked = self
                .store
                .locked
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            locked.remove(&user);
        }
    }
}

impl Drop for Pop3 {
    fn drop(&mut self) {
        self.unlock();
    }
}

impl StreamApp for Pop3 {
    type Machine = Session;

    fn on_event(&mut self, _: Duration, session: &mut Session, event: Event) {
        // A question that is stale was asked by a session that has ended meanwhile.
        let _ = self.answer(session, event);
    }
}
