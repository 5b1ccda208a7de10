//! Where outgoing mail waits: a folder with two files for each message, or memory; and the loop that
//! carries out what the queue wishes.

use bytes::Bytes;
use core::net::{IpAddr, SocketAddr};
use netio::driver::{MailQueue, MailQueueHandle, Stub, Transport, Wish};
use proto_dns::QueryId;
use proto_dns::client::stub::Event as DnsEvent;
use proto_dns::wire::{MessageBuf, Name, Question, RData, Rcode, Type};
use proto_mail::smtp::queue::{
    Action, Event, Exchanger, LookupFailure, LookupId, MessageId, Record,
};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// What the queue asks a store for.
pub trait Store {
    /// Writes the record of a message.
    ///
    /// # Errors
    ///
    /// When it is not durable; then the old one holds.
    fn store(&self, id: MessageId, record: &Record) -> io::Result<()>;

    /// Writes a new message and its record.
    ///
    /// # Errors
    ///
    /// When they are not durable.
    fn create(&self, id: MessageId, record: &Record, body: &[u8]) -> io::Result<()>;

    /// Removes both.
    fn remove(&self, id: MessageId);

    /// Reads a part of a message, and says whether that was the last one.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    fn read(&self, id: MessageId, offset: u64, max: usize) -> io::Result<(Bytes, bool)>;
}

/// Messages in a folder: `N.eml` and, once it is the queue's, `N.record` beside it.
#[derive(Debug)]
pub struct Spool {
    folder: PathBuf,
    drafts: AtomicU64,
}

/// A message that is being written. Dropped before it is filed, it leaves nothing behind.
#[derive(Debug)]
pub struct Draft {
    path: PathBuf,
    file: File,
    octets: u64,
}

impl Draft {
    /// Its name.
    pub fn name(&self) -> String {
        let name = self.path.file_stem().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }

    /// Its octets so far.
    pub fn octets(&self) -> u64 {
        self.octets
    }

    /// Adds a part.
    ///
    /// # Errors
    ///
    /// The file's.
    pub fn write(&mut self, part: &[u8]) -> io::Result<()> {
        self.file.write_all(part)?;
        self.octets += part.len() as u64;
        Ok(())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // Filed, it has another name.
        let _ = fs::remove_file(&self.path);
    }
}

impl Spool {
    /// A spool in this folder. Drafts of an earlier run are removed.
    ///
    /// # Errors
    ///
    /// When the folder cannot be made or read.
    pub fn open(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|it| it == "draft") {
                fs::remove_file(path)?;
            }
        }
        Ok(Self {
            folder: folder.to_owned(),
            drafts: AtomicU64::new(0),
        })
    }

    /// What an earlier run left, in order. A message without a readable record was never accepted.
    ///
    /// # Errors
    ///
    /// When the folder cannot be read.
    pub fn stored(&self) -> io::Result<BTreeMap<MessageId, Record>> {
        let mut stored = BTreeMap::new();
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            let stem = path.file_stem().and_then(|it| it.to_str());
            let Some(id) = stem.and_then(|it| it.parse().ok()).map(MessageId) else {
                continue;
            };
            if path.extension().is_some_and(|it| it == "record")
                && self.path(id, "eml").exists()
                && let Ok(record) = Record::decode(&fs::read(&path)?)
            {
                stored.insert(id, record);
            }
        }
        Ok(stored)
    }

    /// Begins to write a message.
    ///
    /// # Errors
    ///
    /// The file's.
    pub fn draft(&self) -> io::Result<Draft> {
        let number = self.drafts.fetch_add(1, Ordering::Relaxed);
        let path = self.folder.join(format!("{number}.draft"));
        Ok(Draft {
            file: File::create_new(&path)?,
            path,
            octets: 0,
        })
    }

    /// Makes a draft the message of this name; then its record.
    ///
    /// # Errors
    ///
    /// When they are not durable; then there is nothing.
    pub fn file(&self, id: MessageId, draft: Draft, record: Option<&Record>) -> io::Result<()> {
        let record = record.ok_or(io::ErrorKind::NotFound)?;
        draft.file.sync_all()?;
        fs::rename(&draft.path, self.path(id, "eml"))?;
        self.store(id, record).inspect_err(|_| self.remove(id))
    }

    fn path(&self, id: MessageId, kind: &str) -> PathBuf {
        self.folder.join(format!("{}.{kind}", id.0))
    }
}

impl Store for Spool {
    fn store(&self, id: MessageId, record: &Record) -> io::Result<()> {
        let mut draft = self.draft()?;
        draft.write(&record.encode())?;
        draft.file.sync_all()?;
        fs::rename(&draft.path, self.path(id, "record"))?;
        File::open(&self.folder)?.sync_all()
    }

    fn create(&self, id: MessageId, record: &Record, body: &[u8]) -> io::Result<()> {
        let mut draft = self.draft()?;
        draft.write(body)?;
        self.file(id, draft, Some(record))
    }

    fn remove(&self, id: MessageId) {
        // The record first: without it the message counts as never accepted.
        for kind in ["record", "eml"] {
            let _ = fs::remove_file(self.path(id, kind));
        }
    }

    fn read(&self, id: MessageId, offset: u64, max: usize) -> io::Result<(Bytes, bool)> {
        let mut file = File::open(self.path(id, "eml"))?;
        let len = file.metadata()?.len();
        file.seek(io::SeekFrom::Start(offset))?;
        let mut part = Vec::with_capacity(max);
        file.take(max as u64).read_to_end(&mut part)?;
        let is_end = offset + part.len() as u64 >= len;
        Ok((part.into(), is_end))
    }
}

/// Messages in memory.
#[derive(Debug, Default)]
pub struct MemorySpool {
    messages: Mutex<BTreeMap<MessageId, Bytes>>,
}

impl MemorySpool {
    /// Puts a message in.
    pub fn insert(&self, id: MessageId, body: impl Into<Bytes>) {
        let mut messages = self.messages.lock().unwrap_or_else(PoisonError::into_inner);
        messages.insert(id, body.into());
    }
}

impl Store for MemorySpool {
    fn store(&self, _: MessageId, _: &Record) -> io::Result<()> {
        Ok(())
    }

    fn create(&self, id: MessageId, _: &Record, body: &[u8]) -> io::Result<()> {
        self.insert(id, body.to_vec());
        Ok(())
    }

    fn remove(&self, id: MessageId) {
        let mut messages = self.messages.lock().unwrap_or_else(PoisonError::into_inner);
        messages.remove(&id);
    }

    fn read(&self, id: MessageId, offset: u64, max: usize) -> io::Result<(Bytes, bool)> {
        let messages = self.messages.lock().unwrap_or_else(PoisonError::into_inner);
        let body = messages.get(&id).ok_or(io::ErrorKind::NotFound)?;
        let begin = usize::try_from(offset)
            .unwrap_or(usize::MAX)
            .min(body.len());
        let end = begin.saturating_add(max).min(body.len());
        Ok((body.slice(begin..end), end == body.len()))
    }
}

/// Runs a queue: files by a store, names by a stub.
pub struct Courier<T, S> {
    queue: MailQueue<T>,
    handle: MailQueueHandle,
    stub: Stub,
    store: Arc<S>,
    lookups: BTreeMap<QueryId, Lookup>,
    hosts: BTreeMap<LookupId, Host>,
    /// Delivers a notification to a user of this server, if it is for one.
    at_home: Option<AtHome>,
}

type AtHome = Box<dyn Fn(&Record, &[u8]) -> bool + Send>;

impl<T, S> core::fmt::Debug for Courier<T, S> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Courier")
            .field("queue", &self.queue)
            .finish_non_exhaustive()
    }
}

#[derive(Clone, Copy, Debug)]
enum Lookup {
    Exchangers(LookupId),
    /// A or AAAA.
    Addresses(LookupId),
}

/// What is known of a host while its addresses are looked for.
#[derive(Debug, Default)]
struct Host {
    addresses: Vec<IpAddr>,
    open: u8,
    failure: Option<LookupFailure>,
}

impl<T: Transport, S: Store> Courier<T, S> {
    /// A courier. What the store holds is to be restored before.
    pub fn new(queue: MailQueue<T>, resolver: SocketAddr, seed: [u8; 32], store: Arc<S>) -> Self {
        let config = proto_dns::Config::new([resolver]);
        Self {
            handle: queue.handle(),
            queue,
            stub: Stub::new(config, proto_dns::Limits::default(), seed),
            store,
            lookups: BTreeMap::new(),
            hosts: BTreeMap::new(),
            at_home: None,
        }
    }

    /// Notifications are given to `deliver` first, which says whether it delivered them.
    pub fn deliver_at_home(&mut self, deliver: impl Fn(&Record, &[u8]) -> bool + Send + 'static) {
        self.at_home = Some(Box::new(deliver));
    }

    /// Works until the queue has something to say.
    pub async fn next(&mut self) -> Event {
        loop {
            tokio::select! {
                wish = self.queue.next() => match wish {
                    Wish::Event(event) => return event,
                    Wish::Action(action) => self.act(action),
                },
                event = self.stub.next(), if !self.lookups.is_empty() => self.found(event),
            }
        }
    }

    /// Whether a connection is open.
    pub fn is_busy(&self) -> bool {
        self.queue.connections() > 0
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Store { message, record } => {
                let stored = self.store.store(message, &record);
                self.stored(message, stored);
            }
            Action::Create {
                message,
                record,
                body,
            } => {
                let at_home = self.at_home.as_ref();
                if at_home.is_some_and(|deliver| deliver(&record, &body)) {
                    return self
                        .handle
                        .with(|queue, now| queue.handle_delivered(now, message));
                }
                let stored = self.store.create(message, &record, &body);
                self.stored(message, stored);
            }
            Action::Remove { message } => self.store.remove(message),
            Action::Read {
                id,
                message,
                offset,
                max,
            } => {
                let part = self.store.read(message, offset, max);
                self.handle.with(|queue, now| match part {
                    Ok((part, is_end)) => queue.handle_read(now, id, part, is_end),
                    Err(error) => {
                        eprintln!("message {}: {error}", message.0);
                        queue.handle_read_failed(now, id);
                    }
                });
            }
            Action::Exchangers { id, domain } => {
                let asked = self.ask(&domain, Type::MX, Lookup::Exchangers(id));
                self.handle.with(|queue, now| {
                    if let Err(failure) = asked {
                        queue.handle_exchangers(now, id, Err(failure));
                    }
                });
            }
            Action::Addresses { id, host } => {
                let mut state = Host::default();
                for kind in [Type::A, Type::AAAA] {
                    match self.ask(&host, kind, Lookup::Addresses(id)) {
                        Ok(()) => state.open += 1,
                        Err(failure) => state.failure = Some(failure),
                    }
                }
                self.hosts.insert(id, state);
                self.addresses_known(id);
            }
            _ => {}
        }
    }

    fn stored(&self, message: MessageId, stored: io::Result<()>) {
        self.handle.with(|queue, now| match stored {
            Ok(()) => queue.handle_stored(now, message),
            Err(error) => {
                eprintln!("message {}: {error}", message.0);
                queue.handle_store_failed(now, message);
            }
        });
    }

    fn ask(&mut self, name: &str, kind: Type, lookup: Lookup) -> Result<(), LookupFailure> {
        let name: Name = name.parse().map_err(|_| LookupFailure::NoSuchName)?;
        let question = Question::new(name, kind);
        let asked = self.stub.query(question, Default::default());
        // Too much is asked already.
        let id = asked.map_err(|_| LookupFailure::TryLater)?;
        self.lookups.insert(id, lookup);
        Ok(())
    }

    fn found(&mut self, event: DnsEvent) {
        let (id, found) = match event {
            DnsEvent::Answer { id, message, .. } => (id, Ok(message)),
            DnsEvent::Failed { id, .. } => (id, Err(LookupFailure::TryLater)),
            _ => return,
        };
        let found = found.and_then(|message| match message.view().rcode() {
            Rcode::NOERROR => Ok(message),
            Rcode::NXDOMAIN => Err(LookupFailure::NoSuchName),
            _ => Err(LookupFailure::TryLater),
        });
        match self.lookups.remove(&id) {
            Some(Lookup::Exchangers(id)) => {
                let found = found.map(|message| exchangers(&message));
                self.handle
                    .with(|queue, now| queue.handle_exchangers(now, id, found));
            }
            Some(Lookup::Addresses(id)) => {
                if let Some(host) = self.hosts.get_mut(&id) {
                    host.open = host.open.saturating_sub(1);
                    match found {
                        Ok(message) => host.addresses.extend(addresses(&message)),
                        Err(failure) => host.failure = Some(failure),
                    }
                }
                self.addresses_known(id);
            }
            None => {}
        }
    }

    /// Tells the queue once both kinds were looked for.
    fn addresses_known(&mut self, id: LookupId) {
        if self.hosts.get(&id).is_none_or(|host| host.open > 0) {
            return;
        }
        let Some(mut host) = self.hosts.remove(&id) else {
            return;
        };
        // IPv4 first: where there is no IPv6, that saves an attempt.
        host.addresses.sort();
        let found = match (host.addresses.is_empty(), host.failure) {
            (true, Some(failure)) => Err(failure),
            _ => Ok(host.addresses),
        };
        self.handle
            .with(|queue, now| queue.handle_addresses(now, id, found));
    }
}

fn exchangers(message: &MessageBuf) -> Vec<Exchanger> {
    let records = message.view();
    let found = records.answers().filter_map(|record| match record.data() {
        Ok(RData::Mx(mx)) => Some(Exchanger {
            preference: mx.preference,
            host: mx.exchange.to_string(),
        }),
        _ => None,
    });
    found.collect()
}

fn addresses(message: &MessageBuf) -> Vec<IpAddr> {
    let records = message.view();
    let found = records.answers().filter_map(|record| match record.data() {
        Ok(RData::A(address)) => Some(IpAddr::V4(address)),
        Ok(RData::Aaaa(address)) => Some(IpAddr::V6(address)),
        _ => None,
    });
    found.collect()
}
