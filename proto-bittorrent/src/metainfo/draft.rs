//! Making torrents.

use crate::bencode::{WriteError, Writer};
use crate::hash::Sha256Hash;
use crate::merkle::{BLOCK_LEN, FileHasher};
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use sha1::{Digest, Sha1};

/// What kind of torrent to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Versions {
    /// BEP 3: any client reads it.
    V1,
    /// BEP 52 alone.
    V2,
    /// Both in one: each client takes what it knows.
    Hybrid,
}

impl Versions {
    fn has_v1(self) -> bool {
        self != Self::V2
    }

    fn has_v2(self) -> bool {
        self != Self::V1
    }
}

/// A call that the draft cannot follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DraftError {
    /// No power of two of at least 16 KiB and at most 256 MiB.
    #[error("a piece has to be a power of two from 16 KiB to 256 MiB")]
    PieceLength,
    /// A name or component of a path that is empty, `.`, `..`, or holds a separator or NUL.
    #[error("a name that cannot stand in a path")]
    Name,
    /// A file that has to come before the one that was last added: in v2 and hybrid torrents they
    /// are sorted by their components. Or a path that exists already.
    #[error("files have to be added in the order of their paths, each once")]
    Order,
    /// More or fewer octets than the file was said to have.
    #[error("{found} octets where the file was said to have {expected}")]
    Length {
        /// Octets that were announced.
        expected: u64,
        /// Octets that came.
        found: u64,
    },
    /// Nothing in it.
    #[error("a torrent without content")]
    Empty,
}

/// A torrent in the making. Hashing happens as the octets come; nothing is kept of them.
///
/// See the [module](super) for an example. A torrent of one file bears the file's name; then the
/// path of that file is empty.
#[derive(Debug)]
pub struct Draft {
    name: String,
    piece_len: u32,
    versions: Versions,
    files: Vec<Done>,
    /// Octets so far, padding included.
    at: u64,
    piece: Sha1,
    piece_filled: u32,
    pieces: Vec<u8>,
    tiers: Vec<Vec<String>>,
    url_seeds: Vec<String>,
    nodes: Vec<(String, u16)>,
    comment: Option<String>,
    created_by: Option<String>,
    creation_date: Option<i64>,
    source: Option<String>,
    is_private: bool,
}

#[derive(Debug)]
struct Done {
    path: Vec<String>,
    len: u64,
    is_executable: bool,
    /// Octets of padding that follow in the v1 list.
    pad: u64,
    root: Sha256Hash,
    layer: Vec<Sha256Hash>,
}

impl Draft {
    /// A torrent of that name.
    ///
    /// # Errors
    ///
    /// [`DraftError::PieceLength`], [`DraftError::Name`].
    pub fn new(
        name: impl Into<String>,
        piece_len: u32,
        versions: Versions,
    ) -> Result<Self, DraftError> {
        let name = name.into();
        check_name(&name)?;
        if !piece_len.is_power_of_two() || !(BLOCK_LEN..=1 << 28).contains(&piece_len) {
            return Err(DraftError::PieceLength);
        }
        Ok(Self {
            name,
            piece_len,
            versions,
            files: Vec::new(),
            at: 0,
            piece: Sha1::new(),
            piece_filled: 0,
            pieces: Vec::new(),
            tiers: Vec::new(),
            url_seeds: Vec::new(),
            nodes: Vec::new(),
            comment: None,
            created_by: None,
            creation_date: None,
            source: None,
            is_private: false,
        })
    }

    /// A piece length for content of so many octets: about 1000 pieces, at most 16 MiB each.
    #[must_use]
    pub fn suggested_piece_len(total_len: u64) -> u32 {
        let wanted = (total_len / 1024).clamp(u64::from(BLOCK_LEN), 16 * 1024 * 1024);
        u32::try_from(wanted.next_power_of_two()).unwrap_or(BLOCK_LEN)
    }

    /// Begins a file of exactly `len` octets at `path` below the name of the torrent; an empty path
    /// for a torrent that is one file.
    ///
    /// # Errors
    ///
    /// [`DraftError::Name`], [`DraftError::Order`]. The draft is as it was before.
    pub fn file(&mut self, path: &[&str], len: u64) -> Result<FileDraft<'_>, DraftError> {
        path.iter().try_for_each(|name| check_name(name))?;
        let has_single = self.files.iter().any(|file| file.path.is_empty());
        if has_single || path.is_empty() && !self.files.is_empty() {
            return Err(DraftError::Order);
        }
        if let Some(last) = self.files.last() {
            let last: Vec<&str> = last.path.iter().map(String::as_str).collect();
            let is_after = path > &last[..] && !path.starts_with(&last);
            if self.versions.has_v2() && !is_after {
                return Err(DraftError::Order);
            }
        }
        let path = path.iter().map(|name| String::from(*name)).collect();
        if len > 0 {
            self.pad();
        }
        let hasher = self
            .versions
            .has_v2()
            .then(|| FileHasher::new(self.piece_len));
        Ok(FileDraft {
            draft: self,
            path,
            expected: len,
            found: 0,
            is_executable: false,
            hasher,
        })
    }

    /// Adds a tier of trackers (BEP 12).
    pub fn tracker_tier<T: Into<String>>(&mut self, trackers: impl IntoIterator<Item = T>) {
        let tier: Vec<String> = trackers.into_iter().map(Into::into).collect();
        if !tier.is_empty() {
            self.tiers.push(tier);
        }
    }

    /// Adds a web seed (BEP 19).
    pub fn url_seed(&mut self, url: impl Into<String>) {
        self.url_seeds.push(url.into());
    }

    /// Adds a node of the DHT (BEP 5).
    pub fn node(&mut self, host: impl Into<String>, port: u16) {
        self.nodes.push((host.into(), port));
    }

    /// Says something about it.
    pub fn comment(&mut self, comment: impl Into<String>) {
        self.comment = Some(comment.into());
    }

    /// Names the program that makes it.
    pub fn created_by(&mut self, program: impl Into<String>) {
        self.created_by = Some(program.into());
    }

    /// Says when it was made, in seconds since 1970.
    pub fn creation_date(&mut self, seconds: i64) {
        self.creation_date = Some(seconds);
    }

    /// Sets `source`, which changes the info-hash.
    pub fn source(&mut self, source: impl Into<String>) {
        self.source = Some(source.into());
    }

    /// Lets peers come from the trackers only (BEP 27).
    pub fn private(&mut self, is_private: bool) {
        self.is_private = is_private;
    }

    /// The torrent file.
    ///
    /// # Errors
    ///
    /// [`DraftError::Empty`].
    pub fn finish(mut self) -> Result<Vec<u8>, DraftError> {
        if self.at == 0 {
            return Err(DraftError::Empty);
        }
        if self.piece_filled > 0 {
            self.end_piece();
        }
        let mut out = Vec::new();
        // Keys are written in their order: the writer has nothing to refuse.
        let written = self.write(&mut out);
        debug_assert_eq!(written, Ok(()));
        Ok(out)
    }

    /// Fills up the piece under way where the next file has to begin with one.
    fn pad(&mut self) {
        if !self.versions.has_v2() || self.piece_filled == 0 {
            return;
        }
        let missing = self.piece_len.saturating_sub(self.piece_filled);
        self.at = self.at.saturating_add(u64::from(missing));
        if self.versions.has_v1() {
            let zeros = [0; 4096];
            let mut left = missing as usize;
            while left > 0 {
                let now = zeros.get(..left.min(zeros.len())).unwrap_or(&zeros);
                self.piece.update(now);
                left = left.saturating_sub(now.len());
            }
        }
        // The padding belongs behind the last file that has content.
        let last = self.files.iter_mut().rev().find(|file| file.len > 0);
        if let Some(file) = last {
            file.pad = u64::from(missing);
        }
        self.piece_filled = self.piece_len;
        self.end_piece();
    }

    fn end_piece(&mut self) {
        if self.versions.has_v1() {
            let hash = self.piece.finalize_reset();
            self.pieces.extend_from_slice(&hash);
        }
        self.piece_filled = 0;
    }

    fn hash(&mut self, mut octets: &[u8]) {
        self.at = self
            .at
            .saturating_add(u64::try_from(octets.len()).unwrap_or(u64::MAX));
        while !octets.is_empty() {
            let room = self.piece_len.saturating_sub(self.piece_filled) as usize;
            let (now, later) = octets.split_at(room.min(octets.len()));
            if self.versions.has_v1() {
                self.piece.update(now);
            }
            self.piece_filled = self
                .piece_filled
                .saturating_add(u32::try_from(now.len()).unwrap_or(0));
            octets = later;
            if self.piece_filled == self.piece_len {
                self.end_piece();
            }
        }
    }

    fn write(&self, out: &mut Vec<u8>) -> Result<(), WriteError> {
        let mut writer = Writer::new(out);
        writer.begin_dict()?;
        if let Some(first) = self.tiers.first().and_then(|tier| tier.first()) {
            writer.key(b"announce")?;
            writer.bytes(first.as_bytes())?;
        }
        if self.tiers.iter().map(Vec::len).sum::<usize>() > 1 {
            writer.key(b"announce-list")?;
            writer.begin_list()?;
            for tier in &self.tiers {
                write_list(&mut writer, tier)?;
            }
            writer.end()?;
        }
        write_text(&mut writer, b"comment", self.comment.as_deref())?;
        write_text(&mut writer, b"created by", self.created_by.as_deref())?;
        if let Some(date) = self.creation_date {
            writer.key(b"creation date")?;
            writer.int(date)?;
        }
        writer.key(b"info")?;
        self.write_info(&mut writer)?;
        if !self.nodes.is_empty() {
            writer.key(b"nodes")?;
            writer.begin_list()?;
            for (host, port) in &self.nodes {
                writer.begin_list()?;
                writer.bytes(host.as_bytes())?;
                writer.int(i64::from(*port))?;
                writer.end()?;
            }
            writer.end()?;
        }
        if self.versions.has_v2() {
            let layers: BTreeMap<_, _> = self
                .files
                .iter()
                .filter(|file| !file.layer.is_empty())
                .map(|file| (file.root, &file.layer))
                .collect();
            writer.key(b"piece layers")?;
            writer.begin_dict()?;
            for (root, layer) in layers {
                writer.key(&root.0)?;
                let octets: Vec<u8> = layer.iter().flat_map(|hash| hash.0).collect();
                writer.bytes(&octets)?;
            }
            writer.end()?;
        }
        if !self.url_seeds.is_empty() {
            writer.key(b"url-list")?;
            write_list(&mut writer, &self.url_seeds)?;
        }
        writer.end()
    }

    fn write_info(&self, writer: &mut Writer<'_>) -> Result<(), WriteError> {
        let single = self.files.first().filter(|file| file.path.is_empty());
        writer.begin_dict()?;
        if self.versions.has_v2() {
            writer.key(b"file tree")?;
            self.write_tree(writer)?;
        }
        if self.versions.has_v1() {
            match single {
                Some(file) => {
                    writer.key(b"length")?;
                    writer.int(signed(file.len))?;
                }
                None => {
                    writer.key(b"files")?;
                    self.write_files(writer)?;
                }
            }
        }
        if self.versions.has_v2() {
            writer.key(b"meta version")?;
            writer.int(2)?;
        }
        write_text(writer, b"name", Some(&self.name))?;
        writer.key(b"piece length")?;
        writer.int(i64::from(self.piece_len))?;
        if self.versions.has_v1() {
            writer.key(b"pieces")?;
            writer.bytes(&self.pieces)?;
        }
        if self.is_private {
            writer.key(b"private")?;
            writer.int(1)?;
        }
        write_text(writer, b"source", self.source.as_deref())?;
        writer.end()
    }

    /// BEP 3, with the padding of BEP 47.
    fn write_files(&self, writer: &mut Writer<'_>) -> Result<(), WriteError> {
        writer.begin_list()?;
        for file in &self.files {
            writer.begin_dict()?;
            if file.is_executable {
                write_text(writer, b"attr", Some("x"))?;
            }
            writer.key(b"length")?;
            writer.int(signed(file.len))?;
            writer.key(b"path")?;
            write_list(writer, &file.path)?;
            writer.end()?;
            if file.pad > 0 {
                writer.begin_dict()?;
                write_text(writer, b"attr", Some("p"))?;
                writer.key(b"length")?;
                writer.int(signed(file.pad))?;
                writer.key(b"path")?;
                write_list(writer, &[".pad".into(), alloc::format!("{}", file.pad)])?;
                writer.end()?;
            }
        }
        writer.end()
    }

    /// BEP 52. The files are sorted: a folder ends where the next path leaves it.
    fn write_tree(&self, writer: &mut Writer<'_>) -> Result<(), WriteError> {
        writer.begin_dict()?;
        let mut open: &[String] = &[];
        let name = [self.name.clone()];
        for file in &self.files {
            let path = if file.path.is_empty() {
                &name[..]
            } else {
                &file.path[..]
            };
            let (last, folders) = path.split_last().ok_or(WriteError::Position)?;
            let shared = open
                .iter()
                .zip(folders)
                .take_while(|(one, two)| one == two)
                .count();
            for _ in shared..open.len() {
                writer.end()?;
            }
            for folder in folders.iter().skip(shared) {
                writer.key(folder.as_bytes())?;
                writer.begin_dict()?;
            }
            open = folders;
            writer.key(last.as_bytes())?;
            writer.begin_dict()?;
            writer.key(b"")?;
            writer.begin_dict()?;
            if file.is_executable {
                write_text(writer, b"attr", Some("x"))?;
            }
            writer.key(b"length")?;
            writer.int(signed(file.len))?;
            if file.len > 0 {
                writer.key(b"pieces root")?;
                writer.bytes(&file.root.0)?;
            }
            writer.end()?;
            writer.end()?;
        }
        for _ in open {
            writer.end()?;
        }
        writer.end()
    }
}

/// A file whose octets are being hashed. Dropping it leaves the draft without this file, but with
/// the octets that were given: give it up too.
#[derive(Debug)]
pub struct FileDraft<'a> {
    draft: &'a mut Draft,
    path: Vec<String>,
    expected: u64,
    found: u64,
    is_executable: bool,
    hasher: Option<FileHasher>,
}

impl FileDraft<'_> {
    /// Takes the next octets of the file.
    pub fn update(&mut self, octets: &[u8]) {
        self.found = self
            .found
            .saturating_add(u64::try_from(octets.len()).unwrap_or(u64::MAX));
        self.draft.hash(octets);
        if let Some(hasher) = &mut self.hasher {
            hasher.update(octets);
        }
    }

    /// Marks it as a program (BEP 47).
    pub fn executable(&mut self, is_executable: bool) {
        self.is_executable = is_executable;
    }

    /// Ends the file.
    ///
    /// # Errors
    ///
    /// [`DraftError::Length`] when it had another length than was said; the draft is then of no use.
    pub fn finish(self) -> Result<(), DraftError> {
        if self.found != self.expected {
            return Err(DraftError::Length {
                expected: self.expected,
                found: self.found,
            });
        }
        let (root, layer) = match self.hasher {
            Some(hasher) => {
                let hashes = hasher.finish();
                (hashes.root, hashes.layer)
            }
            None => (Sha256Hash::default(), Vec::new()),
        };
        self.draft.files.push(Done {
            path: self.path,
            len: self.found,
            is_executable: self.is_executable,
            pad: 0,
            root,
            layer,
        });
        Ok(())
    }
}

fn check_name(name: &str) -> Result<(), DraftError> {
    let is_bad = name.is_empty()
        || name == "."
        || name == ".."
        || name.len() > 255
        || name.contains(['/', '\\', '\0']);
    if is_bad {
        Err(DraftError::Name)
    } else {
        Ok(())
    }
}

fn signed(len: u64) -> i64 {
    i64::try_from(len).unwrap_or(i64::MAX)
}

fn write_text(writer: &mut Writer<'_>, key: &[u8], text: Option<&str>) -> Result<(), WriteError> {
    let Some(text) = text else { return Ok(()) };
    writer.key(key)?;
    writer.bytes(text.as_bytes())
}

fn write_list(writer: &mut Writer<'_>, items: &[String]) -> Result<(), WriteError> {
    writer.begin_list()?;
    for item in items {
        writer.bytes(item.as_bytes())?;
    }
    writer.end()
}
