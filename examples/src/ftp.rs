//! A directory of the system as the storage of an FTP server.

use bytes::{Bytes, BytesMut};
use netio::driver::Transport;
use netio::driver::ftp::{Payload, Server};
use proto_ftp::server::{Answer, Ask, DataId, Event, ListFormat, Refusal, StoreMode};
use proto_ftp::wire::{DateTime, VirtualPath};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Seek, SeekFrom};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Who may do what with which directory.
#[derive(Debug)]
pub struct Store {
    root: PathBuf,
    users: BTreeMap<Vec<u8>, Vec<u8>>,
    anonymous: bool,
    writable: bool,
    counter: AtomicU64,
    /// Octets that may still be stored.
    room: Option<AtomicU64>,
}

/// An upload that is not committed yet.
#[derive(Debug)]
struct Upload {
    temporary: Option<PathBuf>,
    target: PathBuf,
}

/// What the server keeps for one session.
#[derive(Debug)]
pub struct Connection {
    store: Arc<Store>,
    uploads: BTreeMap<DataId, Upload>,
    may_write: bool,
}

impl Store {
    /// A store in `root`. Anonymous users never write, whatever `writable` says.
    ///
    /// # Errors
    ///
    /// When there is no such directory.
    pub fn new(
        root: &Path,
        users: impl IntoIterator<Item = (String, String)>,
        anonymous: bool,
        writable: bool,
    ) -> io::Result<Self> {
        let users = users.into_iter();
        Ok(Self {
            root: root.canonicalize()?,
            users: users
                .map(|(name, password)| (name.into_bytes(), password.into_bytes()))
                .collect(),
            anonymous,
            writable,
            counter: AtomicU64::new(0),
            room: None,
        })
    }

    /// Lets users store so many octets in all, and no more.
    #[must_use]
    pub fn with_room(mut self, octets: u64) -> Self {
        self.room = Some(AtomicU64::new(octets));
        self
    }

    fn room(&self) -> u64 {
        self.room
            .as_ref()
            .map_or(u64::MAX, |room| room.load(Ordering::Relaxed))
    }

    /// Takes room for a file that came in full.
    fn take_room(&self, octets: u64) -> Result<(), Refusal> {
        let Some(room) = &self.room else {
            return Ok(());
        };
        let take = |left: u64| left.checked_sub(octets);
        room.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take)
            .map(|_| ())
            .map_err(|_| Refusal::NoSpace)
    }

    /// Where a path leads. What lies outside of the root, through a symbolic link, is not found.
    fn resolve(&self, path: &VirtualPath) -> Result<PathBuf, Refusal> {
        let mut local = self.root.clone();
        for part in path.components() {
            local.push(OsStr::from_bytes(part));
        }
        // The last part need not exist yet; what does exist has to lie inside.
        let mut existing = local.as_path();
        loop {
            match existing.canonicalize() {
                Ok(real) if real.starts_with(&self.root) => return Ok(local),
                Ok(_) => return Err(Refusal::NotFound),
                Err(_) if existing.symlink_metadata().is_ok() => return Err(Refusal::NotFound),
                Err(_) => existing = existing.parent().ok_or(Refusal::NotFound)?,
            }
        }
    }
}

fn refusal(error: &io::Error) -> Refusal {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Refusal::NotFound,
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Refusal::Denied,
        io::ErrorKind::AlreadyExists | io::ErrorKind::DirectoryNotEmpty => Refusal::Exists,
        io::ErrorKind::StorageFull => Refusal::NoSpace,
        io::ErrorKind::QuotaExceeded => Refusal::QuotaExceeded,
        io::ErrorKind::InvalidFilename | io::ErrorKind::IsADirectory => Refusal::BadName,
        io::ErrorKind::ResourceBusy => Refusal::Busy,
        _ => Refusal::Failed,
    }
}

impl Connection {
    /// For one session.
    #[must_use]
    pub fn new(store: &Arc<Store>) -> Self {
        Self {
            store: Arc::clone(store),
            uploads: BTreeMap::new(),
            may_write: false,
        }
    }

    /// Answers what the session asks. Answers to questions that are over are dropped.
    pub fn handle<T: Transport>(&mut self, server: &mut Server<T>, event: Event) {
        match event {
            Event::Login {
                ask,
                user,
                password,
                ..
            } => {
                let is_anonymous = matches!(&user[..], b"anonymous" | b"ftp");
                let known = self.store.users.get(&user[..]);
                let is_user = known.is_some_and(|known| password == known[..]);
                self.may_write = is_user && self.store.writable;
                let is_welcome = is_user || (is_anonymous && self.store.anonymous);
                self.settle(server, ask, is_welcome.then_some(()).ok_or(Refusal::Denied));
            }
            Event::ChangeDirectory { ask, path } => {
                let result = self
                    .metadata(&path)
                    .and_then(|metadata| metadata.is_dir().then_some(()).ok_or(Refusal::NotFound));
                self.settle(server, ask, result);
            }
            Event::MakeDirectory { ask, path } => {
                self.change(server, ask, &path, |path| fs::create_dir(path))
            }
            Event::RemoveDirectory { ask, path } => {
                self.change(server, ask, &path, |path| fs::remove_dir(path))
            }
            Event::Delete { ask, path } => {
                self.change(server, ask, &path, |path| fs::remove_file(path))
            }
            Event::RenameFrom { ask, path } => {
                let result = self
                    .may_change()
                    .and_then(|()| self.metadata(&path))
                    .map(|_| ());
                self.settle(server, ask, result);
            }
            Event::Rename { ask, from, to } => {
                let from = self.store.resolve(&from);
                self.change(server, ask, &to, |to| {
                    let from = from.map_err(|_| io::Error::from(io::ErrorKind::NotFound))?;
                    fs::rename(from, to)
                });
            }
            Event::Size { ask, path } => {
                let size = self.metadata(&path).and_then(|metadata| {
                    metadata
                        .is_file()
                        .then_some(metadata.len())
                        .ok_or(Refusal::NotFound)
                });
                self.settle_with(server, ask, size.map(Answer::Size));
            }
            Event::ModifyTime { ask, path } => {
                let time = self.metadata(&path).map(|metadata| modified(&metadata));
                self.settle_with(server, ask, time.map(Answer::Time));
            }
            Event::SetModifyTime { ask, path, time } => {
                let result = self
                    .may_change()
                    .and_then(|()| self.store.resolve(&path))
                    .and_then(|path| {
                        let seconds = u64::try_from(time.to_unix()).map_err(|_| Refusal::Failed)?;
                        let file = File::open(path).map_err(|error| refusal(&error))?;
                        file.set_modified(UNIX_EPOCH + Duration::from_secs(seconds))
                            .map_err(|error| refusal(&error))
                    });
                self.settle_with(server, ask, result.map(|()| Answer::Time(time)));
            }
            Event::Facts { ask, path } => {
                let text = self.metadata(&path).map(|metadata| {
                    let mut text = BytesMut::new();
                    put_facts(&mut text, path.as_bytes(), &metadata, None, self.may_write);
                    Answer::Text(text.freeze())
                });
                self.settle_with(server, ask, text);
            }
            Event::Status { ask, path } => {
                let text = self.listing(&path, ListFormat::Long, true);
                self.settle_with(server, ask, text.map(Answer::Text));
            }
            Event::Allocate { ask, size } => {
                let fits = (size <= self.store.room()).then_some(());
                self.settle(server, ask, fits.ok_or(Refusal::NoSpace));
            }
            Event::List {
                ask,
                id,
                path,
                format,
                all,
            } => {
                let result = self.listing(&path, format, all).map(|text| {
                    server.provide(id, Payload::Octets(text));
                });
                self.settle(server, ask, result);
            }
            Event::Retrieve {
                ask,
                id,
                path,
                offset,
            } => {
                let result = self
                    .open(&path, offset)
                    .map(|file| server.provide(id, Payload::File(file)));
                self.settle(server, ask, result);
            }
            Event::Store {
                ask,
                id,
                path,
                mode,
            } => self.store(server, ask, id, &path, mode),
            Event::Commit { ask, id, octets } => {
                let taken = self.store.take_room(octets);
                let result = taken.and_then(|()| match self.uploads.get_mut(&id) {
                    Some(Upload { temporary, target }) => match temporary.take() {
                        Some(temporary) => {
                            fs::rename(temporary, target).map_err(|error| refusal(&error))
                        }
                        None => Ok(()),
                    },
                    None => Err(Refusal::Failed),
                });
                self.settle(server, ask, result);
            }
            Event::TransferEnded { id, .. } => {
                if let Some(Upload {
                    temporary: Some(temporary),
                    ..
                }) = self.uploads.remove(&id)
                {
                    // Not committed: it never was.
                    let _ = fs::remove_file(temporary);
                }
            }
            Event::User { ask, .. }
            | Event::Host { ask, .. }
            | Event::Hash { ask, .. }
            | Event::Site { ask, .. } => self.settle(server, ask, Err(Refusal::Unsupported)),
            _ => {}
        }
    }

    fn settle<T: Transport>(&self, server: &mut Server<T>, ask: Ask, result: Result<(), Refusal>) {
        let session = server.session_mut();
        // A question that is not open any more was answered by a disconnect.
        let _ = match result {
            Ok(()) => session.accept(ask),
            Err(refusal) => session.reject(ask, refusal),
        };
    }

    fn settle_with<T: Transport>(
        &self,
        server: &mut Server<T>,
        ask: Ask,
        result: Result<Answer, Refusal>,
    ) {
        let session = server.session_mut();
        let _ = match result {
            Ok(answer) => session.accept_with(ask, answer),
            Err(refusal) => session.reject(ask, refusal),
        };
    }

    fn may_change(&self) -> Result<(), Refusal> {
        self.may_write.then_some(()).ok_or(Refusal::Denied)
    }

    fn change<T: Transport>(
        &self,
        server: &mut Server<T>,
        ask: Ask,
        path: &VirtualPath,
        act: impl FnOnce(&Path) -> io::Result<()>,
    ) {
        let result = self.may_change().and_then(|()| {
            if path.is_root() {
                return Err(Refusal::Denied);
            }
            act(&self.store.resolve(path)?).map_err(|error| refusal(&error))
        });
        self.settle(server, ask, result);
    }

    fn metadata(&self, path: &VirtualPath) -> Result<Metadata, Refusal> {
        let local = self.store.resolve(path)?;
        fs::metadata(local).map_err(|error| refusal(&error))
    }

    fn open(&self, path: &VirtualPath, offset: u64) -> Result<File, Refusal> {
        let local = self.store.resolve(path)?;
        let mut file = File::open(local).map_err(|error| refusal(&error))?;
        let metadata = file.metadata().map_err(|error| refusal(&error))?;
        if !metadata.is_file() || offset > metadata.len() {
            return Err(Refusal::NotFound);
        }
        file.seek(SeekFrom::Start(offset))
            .map_err(|error| refusal(&error))?;
        Ok(file)
    }

    fn store<T: Transport>(
        &mut self,
        server: &mut Server<T>,
        ask: Ask,
        id: DataId,
        path: &VirtualPath,
        mode: StoreMode,
    ) {
        match self.open_upload(path, mode) {
            Ok((file, upload)) => {
                let name = upload
                    .target
                    .file_name()
                    .map(OsStr::as_bytes)
                    .unwrap_or_default();
                let name = Bytes::copy_from_slice(name);
                self.uploads.insert(id, upload);
                server.provide(id, Payload::File(file));
                match mode {
                    StoreMode::Unique => self.settle_with(server, ask, Ok(Answer::Name(name))),
                    _ => self.settle(server, ask, Ok(())),
                }
            }
            Err(refusal) => self.settle(server, ask, Err(refusal)),
        }
    }

    fn open_upload(&self, path: &VirtualPath, mode: StoreMode) -> Result<(File, Upload), Refusal> {
        self.may_change()?;
        if self.store.room() == 0 {
            return Err(Refusal::NoSpace);
        }
        let error = |error: io::Error| refusal(&error);
        let target = self.store.resolve(path)?;
        match mode {
            StoreMode::Append => {
                let file = OpenOptions::new()
                    .append(true)
                    .create(true)
                    .open(&target)
                    .map_err(error)?;
                Ok((
                    file,
                    Upload {
                        temporary: None,
                        target,
                    },
                ))
            }
            StoreMode::At(offset) => {
                let mut file = OpenOptions::new()
                    .write(true)
                    .open(&target)
                    .map_err(error)?;
                // Beyond the end nothing is written: holes cost nothing and look like much.
                if offset > file.metadata().map_err(error)?.len() {
                    return Err(Refusal::BadName);
                }
                file.set_len(offset).map_err(error)?;
                file.seek(SeekFrom::Start(offset)).map_err(error)?;
                Ok((
                    file,
                    Upload {
                        temporary: None,
                        target,
                    },
                ))
            }
            StoreMode::Unique => {
                let (folder, stem) = if target.is_dir() {
                    (target, "upload".into())
                } else {
                    let stem = target.file_name().unwrap_or_default().to_owned();
                    (target.parent().unwrap_or(&self.store.root).to_owned(), stem)
                };
                for _ in 0..1000 {
                    let count = self.store.counter.fetch_add(1, Ordering::Relaxed);
                    let mut name = stem.clone();
                    name.push(format!(".{}", count ^ u64::from(std::process::id())));
                    let target = folder.join(name);
                    // CreateNew: nobody's file is overwritten, and no link is followed.
                    match OpenOptions::new()
                        .write(true)
                        .create_new(true)
                        .open(&target)
                    {
                        Ok(file) => {
                            return Ok((
                                file,
                                Upload {
                                    temporary: None,
                                    target,
                                },
                            ));
                        }
                        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                        Err(error) => return Err(refusal(&error)),
                    }
                }
                Err(Refusal::Failed)
            }
            _ => {
                if target.is_dir() {
                    return Err(Refusal::BadName);
                }
                let count = self.store.counter.fetch_add(1, Ordering::Relaxed);
                let name = format!(".ftp-serve.{}.{count}", std::process::id());
                let temporary = target.parent().unwrap_or(&self.store.root).join(name);
                let file = OpenOptions::new()
                    .write(true)
                    .create_new(true)
                    .open(&temporary)
                    .map_err(error)?;
                Ok((
                    file,
                    Upload {
                        temporary: Some(temporary),
                        target,
                    },
                ))
            }
        }
    }

    fn listing(&self, path: &VirtualPath, format: ListFormat, all: bool) -> Result<Bytes, Refusal> {
        let local = self.store.resolve(path)?;
        let metadata = fs::metadata(&local).map_err(|error| refusal(&error))?;
        let mut text = BytesMut::new();
        if !metadata.is_dir() {
            if format == ListFormat::Facts {
                return Err(Refusal::BadName);
            }
            self.put(&mut text, format, path.name(), &metadata, &local);
            return Ok(text.freeze());
        }
        let mut entries: Vec<_> = fs::read_dir(&local)
            .map_err(|error| refusal(&error))?
            .filter_map(Result::ok)
            .collect();
        entries.sort_by_key(fs::DirEntry::file_name);
        if format == ListFormat::Facts {
            put_facts(&mut text, b".", &metadata, Some("cdir"), self.may_write);
            text.extend_from_slice(b"\r\n");
        }
        for entry in entries {
            let name = entry.file_name().into_vec();
            let is_ours = name.starts_with(b".ftp-serve.");
            let is_hidden = name.starts_with(b".") && !all && format != ListFormat::Facts;
            if is_ours || is_hidden || name.iter().any(|octet| matches!(octet, b'\r' | b'\n')) {
                continue;
            }
            if let Ok(metadata) = entry.metadata() {
                self.put(&mut text, format, &name, &metadata, &entry.path());
            }
        }
        Ok(text.freeze())
    }

    fn put(
        &self,
        text: &mut BytesMut,
        format: ListFormat,
        name: &[u8],
        metadata: &Metadata,
        local: &Path,
    ) {
        match format {
            ListFormat::Names => text.extend_from_slice(name),
            ListFormat::Facts => put_facts(text, name, metadata, None, self.may_write),
            _ => put_long(text, name, metadata, local),
        }
        text.extend_from_slice(b"\r\n");
    }
}

fn modified(metadata: &Metadata) -> DateTime {
    let time = metadata.modified().unwrap_or(UNIX_EPOCH);
    let seconds = time
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs();
    DateTime::from_unix(i64::try_from(seconds).unwrap_or(i64::MAX))
}

/// Today, as the listing parser wants it.
#[must_use]
pub fn today() -> DateTime {
    let seconds = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs();
    DateTime::from_unix(i64::try_from(seconds).unwrap_or(0))
}

fn put_facts(
    text: &mut BytesMut,
    name: &[u8],
    metadata: &Metadata,
    kind: Option<&str>,
    may_write: bool,
) {
    let kind = kind.unwrap_or(if metadata.is_dir() {
        "dir"
    } else if metadata.is_symlink() {
        "OS.unix=slink"
    } else {
        "file"
    });
    let perm = match (metadata.is_dir(), may_write) {
        (true, true) => "elcmpdf",
        (true, false) => "el",
        (false, true) => "rawdf",
        (false, false) => "r",
    };
    let _ = write!(text, "type={kind};");
    if metadata.is_file() {
        let _ = write!(text, "size={};", metadata.len());
    }
    text.extend_from_slice(b"modify=");
    modified(metadata).encode(text);
    let mode = metadata.permissions().mode() & 0o7777;
    let _ = write!(text, ";perm={perm};unix.mode={mode:04o}; ");
    text.extend_from_slice(name);
}

fn put_long(text: &mut BytesMut, name: &[u8], metadata: &Metadata, local: &Path) {
    const MONTHS: [&str; 13] = [
        "", "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let kind = if metadata.is_dir() {
        'd'
    } else if metadata.is_symlink() {
        'l'
    } else {
        '-'
    };
    let mode = metadata.permissions().mode();
    let _ = write!(text, "{kind}");
    for shift in [6, 3, 0] {
        for (bit, letter) in [(4, 'r'), (2, 'w'), (1, 'x')] {
            let is_set = mode >> shift & bit != 0;
            let _ = write!(text, "{}", if is_set { letter } else { '-' });
        }
    }
    let time = modified(metadata);
    let month = MONTHS[usize::from(time.month)];
    let _ = write!(
        text,
        "   1 ftp      ftp      {:>12} {month} {:02} ",
        metadata.len(),
        time.day
    );
    let age = today().to_unix() - time.to_unix();
    if (0..15_552_000).contains(&age) {
        let _ = write!(text, "{:02}:{:02} ", time.hour, time.minute);
    } else {
        let _ = write!(text, " {:04} ", time.year);
    }
    text.extend_from_slice(name);
    if metadata.is_symlink()
        && let Ok(target) = fs::read_link(local)
    {
        text.extend_from_slice(b" -> ");
        text.extend_from_slice(target.as_os_str().as_bytes());
    }
}
