//! A file system in memory, behind the questions of a server's session.

use bytes::Bytes;
use proto_ftp::server::{
    Answer, Ask, DataId, Event, ListFormat, Refusal, Session, StoreMode, UsageError,
};
use proto_ftp::wire::{DateTime, VirtualPath};
use std::collections::{BTreeMap, BTreeSet};

/// What `/file` holds.
pub const CONTENT: &[u8] = b"0123456789\xff\x00\r\n\n";
/// What `/sub/text` holds.
pub const TEXT: &[u8] = b"line one\nline two\n\nlast";

pub struct Store {
    pub files: BTreeMap<Vec<u8>, Vec<u8>>,
    pub folders: BTreeSet<Vec<u8>>,
    pub times: BTreeMap<Vec<u8>, DateTime>,
    /// What a data connection is to send.
    pub outgoing: BTreeMap<DataId, Vec<u8>>,
    /// Where an upload goes.
    pub incoming: BTreeMap<DataId, (Vec<u8>, StoreMode)>,
    /// What came over a data connection.
    pub received: BTreeMap<DataId, Vec<u8>>,
    /// Octets that files may have in all.
    pub space: usize,
    /// Whether a password is enough.
    pub wants_account: bool,
    /// Whether every password is right.
    pub welcomes_all: bool,
    pub logins: Vec<(Bytes, Option<Bytes>)>,
    pub ended: Vec<bool>,
    unique: u32,
}

fn time() -> DateTime {
    DateTime::parse(b"20200102030405").unwrap()
}

impl Store {
    pub fn new() -> Self {
        let files = [(&b"/file"[..], CONTENT), (b"/sub/text", TEXT)];
        Self {
            files: files
                .map(|(name, content)| (name.to_vec(), content.to_vec()))
                .into(),
            folders: [b"/".to_vec(), b"/sub".to_vec()].into(),
            times: BTreeMap::new(),
            outgoing: BTreeMap::new(),
            incoming: BTreeMap::new(),
            received: BTreeMap::new(),
            space: 1 << 30,
            wants_account: false,
            welcomes_all: false,
            logins: Vec::new(),
            ended: Vec::new(),
            unique: 0,
        }
    }

    fn exists(&self, path: &[u8]) -> bool {
        self.files.contains_key(path) || self.folders.contains(path)
    }

    fn parent_exists(&self, path: &[u8]) -> bool {
        let at = path.iter().rposition(|octet| *octet == b'/').unwrap_or(0);
        self.folders.contains(&path[..at.max(1)])
    }

    fn names(&self, folder: &VirtualPath) -> Vec<(Vec<u8>, Option<usize>)> {
        let mut prefix = folder.as_bytes().to_vec();
        if !folder.is_root() {
            prefix.push(b'/');
        }
        let inside = |path: &[u8]| {
            let name = path.strip_prefix(&prefix[..])?;
            (!name.is_empty() && !name.contains(&b'/')).then(|| name.to_vec())
        };
        let folders = self
            .folders
            .iter()
            .filter_map(|path| Some((inside(path)?, None)));
        let files = self
            .files
            .iter()
            .filter_map(|(path, content)| Some((inside(path)?, Some(content.len()))));
        folders.chain(files).collect()
    }

    pub fn listing(&self, folder: &VirtualPath, format: ListFormat) -> Vec<u8> {
        let mut text = Vec::new();
        for (name, size) in self.names(folder) {
            let line = match (format, size) {
                (ListFormat::Names, _) => String::new(),
                (ListFormat::Facts, Some(size)) => format!("type=file;size={size}; "),
                (ListFormat::Facts, None) => "type=dir; ".into(),
                (_, Some(size)) => format!("-rw-r--r-- 1 bob bob {size} Jan  2  2020 "),
                (_, None) => "drwxr-xr-x 1 bob bob 0 Jan  2  2020 ".into(),
            };
            text.extend_from_slice(line.as_bytes());
            text.extend_from_slice(&name);
            text.push(b'\n');
        }
        text
    }

    /// Answers what the session asks.
    pub fn handle(&mut self, session: &mut Session, event: Event) -> Result<(), UsageError> {
        let yes_if = |session: &mut Session, ask: Ask, yes: bool, refusal: Refusal| match yes {
            true => session.accept(ask),
            false => session.reject(ask, refusal),
        };
        match event {
            Event::User { ask, user } if user == "guest" => session.accept(ask),
            Event::User { ask, .. } => session.accept_with(ask, Answer::NeedPassword),
            Event::Login {
                ask,
                user,
                password,
                account,
                host,
            } => {
                if self.wants_account && account.is_none() {
                    return session.accept_with(ask, Answer::NeedAccount);
                }
                let is_bob = user == "bob" && password == b"hungry"[..];
                let is_welcome = is_bob || self.welcomes_all;
                self.logins.push((user, host));
                yes_if(session, ask, is_welcome, Refusal::Denied)
            }
            Event::Host { ask, host } => {
                yes_if(session, ask, host == "example.com", Refusal::NotFound)
            }
            Event::ChangeDirectory { ask, path } => {
                let is_there = self.folders.contains(path.as_bytes());
                yes_if(session, ask, is_there, Refusal::NotFound)
            }
            Event::MakeDirectory { ask, path } => {
                let is_new = !self.exists(path.as_bytes());
                if is_new {
                    self.folders.insert(path.as_bytes().to_vec());
                }
                yes_if(session, ask, is_new, Refusal::Exists)
            }
            Event::RemoveDirectory { ask, path } => {
                let was_there = !path.is_root() && self.folders.remove(path.as_bytes());
                yes_if(session, ask, was_there, Refusal::NotFound)
            }
            Event::Delete { ask, path } => {
                let was_there = self.files.remove(path.as_bytes()).is_some();
                yes_if(session, ask, was_there, Refusal::NotFound)
            }
            Event::RenameFrom { ask, path } => {
                let is_there = self.exists(path.as_bytes());
                yes_if(session, ask, is_there, Refusal::NotFound)
            }
            Event::Rename { ask, from, to } => {
                let content = self.files.remove(from.as_bytes());
                let was_there = content.is_some();
                if let Some(content) = content {
                    self.files.insert(to.as_bytes().to_vec(), content);
                }
                yes_if(session, ask, was_there, Refusal::BadName)
            }
            Event::Size { ask, path } => match self.files.get(path.as_bytes()) {
                Some(content) => {
                    let size = u64::try_from(content.len()).unwrap();
                    session.accept_with(ask, Answer::Size(size))
                }
                None => session.reject(ask, Refusal::NotFound),
            },
            Event::ModifyTime { ask, path } => match self.exists(path.as_bytes()) {
                true => {
                    let at = self.times.get(path.as_bytes()).copied();
                    session.accept_with(ask, Answer::Time(at.unwrap_or_else(time)))
                }
                false => session.reject(ask, Refusal::NotFound),
            },
            Event::SetModifyTime { ask, path, time } => match self.exists(path.as_bytes()) {
                true => {
                    self.times.insert(path.as_bytes().to_vec(), time);
                    session.accept_with(ask, Answer::Time(time))
                }
                false => session.reject(ask, Refusal::NotFound),
            },
            Event::Facts { ask, path } => match self.exists(path.as_bytes()) {
                true => {
                    let mut text = b"type=file; ".to_vec();
                    text.extend_from_slice(path.as_bytes());
                    session.accept_with(ask, Answer::Text(text.into()))
                }
                false => session.reject(ask, Refusal::NotFound),
            },
            Event::Status { ask, path } => match self.folders.contains(path.as_bytes()) {
                true => {
                    let text = self.listing(&path, ListFormat::Long);
                    session.accept_with(ask, Answer::Text(text.into()))
                }
                false => session.reject(ask, Refusal::NotFound),
            },
            Event::Hash { ask, path } => match self.files.contains_key(path.as_bytes()) {
                true => session.accept_with(ask, Answer::Text("0-9 abcdef /file".into())),
                false => session.reject(ask, Refusal::NotFound),
            },
            Event::Allocate { ask, size } => {
                let fits = size <= u64::try_from(self.space).unwrap();
                yes_if(session, ask, fits, Refusal::NoSpace)
            }
            Event::Site { ask, line, .. } if line == "PING" => {
                session.accept_with(ask, Answer::Text("pong".into()))
            }
            Event::Site { ask, .. } => session.reject(ask, Refusal::Unsupported),
            Event::Retrieve {
                ask,
                id,
                path,
                offset,
            } => match self.files.get(path.as_bytes()) {
                Some(content) => match content.get(usize::try_from(offset).unwrap_or(usize::MAX)..)
                {
                    Some(content) => {
                        self.outgoing.insert(id, content.to_vec());
                        session.accept(ask)
                    }
                    None => session.reject(ask, Refusal::NotFound),
                },
                None => session.reject(ask, Refusal::NotFound),
            },
            Event::Store {
                ask,
                id,
                path,
                mode,
            } => self.store(session, ask, id, &path, mode),
            Event::List {
                ask,
                id,
                path,
                format,
                ..
            } => match self.folders.contains(path.as_bytes()) {
                true => {
                    self.outgoing.insert(id, self.listing(&path, format));
                    session.accept(ask)
                }
                false => session.reject(ask, Refusal::NotFound),
            },
            Event::Commit { ask, id, .. } => self.commit(session, ask, id),
            Event::TransferEnded { id, complete } => {
                self.outgoing.remove(&id);
                self.incoming.remove(&id);
                self.received.remove(&id);
                self.ended.push(complete);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn store(
        &mut self,
        session: &mut Session,
        ask: Ask,
        id: DataId,
        path: &VirtualPath,
        mode: StoreMode,
    ) -> Result<(), UsageError> {
        let mut target = path.as_bytes().to_vec();
        if mode == StoreMode::Unique {
            self.unique += 1;
            if self.folders.contains(&target) {
                target = format!("/unique.{}", self.unique).into_bytes();
            }
            let name = target.clone();
            self.incoming.insert(id, (target, mode));
            return session.accept_with(ask, Answer::Name(name.into()));
        }
        if self.folders.contains(&target) || !self.parent_exists(&target) {
            return session.reject(ask, Refusal::BadName);
        }
        if self.space == 0 {
            return session.reject(ask, Refusal::NoSpace);
        }
        self.incoming.insert(id, (target, mode));
        session.accept(ask)
    }

    fn commit(&mut self, session: &mut Session, ask: Ask, id: DataId) -> Result<(), UsageError> {
        let Some((path, mode)) = self.incoming.remove(&id) else {
            return session.reject(ask, Refusal::Failed);
        };
        let content = self.received.remove(&id).unwrap_or_default();
        if content.len() > self.space {
            return session.reject(ask, Refusal::NoSpace);
        }
        let file = self.files.entry(path).or_default();
        match mode {
            StoreMode::Append => {}
            StoreMode::At(offset) => file.truncate(usize::try_from(offset).unwrap()),
            _ => file.clear(),
        }
        file.extend_from_slice(&content);
        session.accept(ask)
    }
}
