//! From a document to a torrent.

use super::files::{Attributes, FileEntry};
use super::path::{self, SafePath, Unique};
use super::{Limits, MAX_V2_FILE_LEN, Metainfo, MetainfoError, layers};
use crate::bencode::{self, Doc, Entries, Kind, Mode, Value};
use crate::hash::{Sha1Hash, Sha256Hash};
use alloc::string::String;
use alloc::vec::Vec;
use bytes::Bytes;
use core::ops::Range;

/// Longest v1 file, as in libtorrent.
const MAX_V1_FILE_LEN: u64 = (1 << 48) - 1;
/// How BitComet calls the padding that it does not mark.
const BITCOMET_PAD: &[u8] = b"_____padding_file_";

pub(super) fn torrent(octets: Bytes, limits: &Limits) -> Result<Metainfo, MetainfoError> {
    let doc = Doc::parse(&octets, Mode::Lenient, &limits.bencode)?;
    let root = doc.root();
    if root.kind() != Kind::Dict {
        return Err(MetainfoError::NotADictionary);
    }
    let info = root
        .get_kind(b"info", Kind::Dict)
        .ok_or(MetainfoError::MissingInfo)?;
    let mut torrent = info_dictionary(&octets, info, doc.deviation(), limits)?;
    if torrent.is_v2 {
        torrent.layers = layers::parse(root, &torrent.files, torrent.piece_len)?;
    }
    let origin = octets.as_ptr() as usize;
    let span = |bytes: Option<&[u8]>| bytes.map(|bytes| place(origin, bytes));
    let text = |key: &[u8], utf8: &[u8]| root.get_bytes(utf8).or_else(|| root.get_bytes(key));
    torrent.comment = span(text(b"comment", b"comment.utf-8"));
    torrent.created_by = span(text(b"created by", b"created by.utf-8"));
    torrent.creation_date = root.get_int(b"creation date");
    read_trackers(&mut torrent, root, limits.max_urls);
    let is_base = torrent.files.len() > 1;
    torrent.url_seeds = urls(root.get(b"url-list"), limits.max_urls, is_base);
    torrent.http_seeds = urls(root.get(b"httpseeds"), limits.max_urls, false);
    torrent.nodes = nodes(root, limits.max_urls);
    drop(doc);
    torrent.octets = octets;
    Ok(torrent)
}

pub(super) fn info_alone(octets: Bytes, limits: &Limits) -> Result<Metainfo, MetainfoError> {
    let doc = Doc::parse(&octets, Mode::Lenient, &limits.bencode)?;
    let root = doc.root();
    if root.kind() != Kind::Dict {
        return Err(MetainfoError::MissingInfo);
    }
    let mut torrent = info_dictionary(&octets, root, doc.deviation(), limits)?;
    drop(doc);
    torrent.octets = octets;
    Ok(torrent)
}

/// Where octets of the document stand in it.
fn place(origin: usize, bytes: &[u8]) -> Range<usize> {
    let start = (bytes.as_ptr() as usize).saturating_sub(origin);
    start..start.saturating_add(bytes.len())
}

fn info_dictionary(
    octets: &Bytes,
    info: Value<'_>,
    deviation: Option<bencode::DecodeError>,
    limits: &Limits,
) -> Result<Metainfo, MetainfoError> {
    let version = info.get_int(b"meta version");
    let is_v2 = match version {
        None => false,
        Some(version) if version < 2 => false,
        Some(2) => true,
        Some(other) => return Err(MetainfoError::UnknownVersion(other)),
    };
    let has_v1 = info.get(b"pieces").is_some() || !is_v2;
    if is_v2 && deviation.is_some() {
        // BEP 52: an info dictionary that is not canonical would have one v2 hash in one client and
        // another in the next that writes it anew.
        let raw = info.raw();
        Doc::parse(raw, Mode::Strict, &limits.bencode).map_err(|mut error| {
            error.offset = error.offset.saturating_add(info.span().start);
            error
        })?;
    }
    let piece_len = info
        .get_int(b"piece length")
        .and_then(|len| u32::try_from(len).ok())
        .filter(|len| *len > 0 && *len <= limits.max_piece_len)
        .filter(|len| !is_v2 || len.is_power_of_two() && *len >= crate::merkle::BLOCK_LEN)
        .ok_or(MetainfoError::PieceLength)?;
    let raw_name = string(info, b"name.utf-8", b"name").ok_or(MetainfoError::MissingName)?;
    // Nothing but NUL is no name; what else cannot stand is replaced.
    if raw_name.iter().all(|octet| *octet == 0) {
        return Err(MetainfoError::MissingName);
    }
    let origin = octets.as_ptr() as usize;
    let v2_files = if is_v2 {
        let tree = info
            .get_kind(b"file tree", Kind::Dict)
            .ok_or(MetainfoError::FileTree)?;
        file_tree(tree, limits)?
    } else {
        Vec::new()
    };
    let is_single_file = if has_v1 {
        info.get(b"files").is_none()
    } else {
        matches!(&v2_files[..], [file] if file.path[..] == [raw_name])
    };
    let mut builder = Layout {
        raw_name,
        name: SafePath::sanitize([raw_name]),
        piece_len: u64::from(piece_len),
        limits,
        is_hybrid: is_v2 && has_v1,
        is_single: is_single_file,
        files: Vec::new(),
        raw_paths: Vec::new(),
        at: 0,
    };
    if has_v1 {
        builder.v1(info)?;
        if is_v2 {
            builder.join_v2(&v2_files)?;
        }
    } else {
        builder.v2(&v2_files)?;
    }
    name_apart(&mut builder.files);
    let (files, layout_len, name) = (builder.files, builder.at, builder.name);
    let total_len = files
        .iter()
        .filter(|file| !file.attributes.is_pad)
        .fold(0_u64, |sum, file| sum.saturating_add(file.len));
    if layout_len == 0 {
        return Err(MetainfoError::Length);
    }
    let piece_count = u32::try_from(layout_len.div_ceil(u64::from(piece_len)))
        .ok()
        .filter(|count| *count <= limits.max_pieces)
        .ok_or(MetainfoError::TooManyPieces(limits.max_pieces))?;
    let pieces = if has_v1 {
        let pieces = info
            .get_bytes(b"pieces")
            .ok_or(MetainfoError::MissingPieces)?;
        let expected = u64::from(piece_count).saturating_mul(20);
        let found = u64::try_from(pieces.len()).unwrap_or(u64::MAX);
        if expected != found {
            return Err(MetainfoError::PieceHashes { expected, found });
        }
        Some(place(origin, pieces))
    } else {
        None
    };
    Ok(Metainfo {
        octets: Bytes::new(),
        info: info.span(),
        is_canonical: deviation.is_none(),
        name,
        raw_name: place(origin, raw_name),
        piece_len,
        piece_count,
        pieces,
        is_v2,
        is_single_file,
        is_private: info.get_int(b"private") == Some(1),
        files,
        layers: Vec::new(),
        layout_len,
        total_len,
        trackers: Vec::new(),
        tiers: Vec::new(),
        url_seeds: Vec::new(),
        http_seeds: Vec::new(),
        nodes: Vec::new(),
        similar: list(info, b"similar")
            .filter_map(|item| Sha1Hash::from_slice(item.as_bytes()?))
            .take(limits.max_urls)
            .collect(),
        collections: list(info, b"collections")
            .filter_map(|item| Some(String::from_utf8_lossy(item.as_bytes()?).into_owned()))
            .take(limits.max_urls)
            .collect(),
        comment: None,
        created_by: None,
        source: info
            .get_bytes(b"source")
            .map(|source| place(origin, source)),
        creation_date: None,
    })
}

fn string<'a>(dict: Value<'a>, utf8: &[u8], plain: &[u8]) -> Option<&'a [u8]> {
    dict.get_bytes(utf8).or_else(|| dict.get_bytes(plain))
}

fn list<'a>(dict: Value<'a>, key: &[u8]) -> impl Iterator<Item = Value<'a>> + use<'a> {
    dict.get(key).into_iter().flat_map(|value| value.items())
}

/// A file of the file tree.
struct TreeFile<'a> {
    path: Vec<&'a [u8]>,
    len: u64,
    attributes: Attributes,
    root: Option<Sha256Hash>,
    symlink: Option<Value<'a>>,
}

/// Walks the file tree without recursion.
fn file_tree<'a>(tree: Value<'a>, limits: &Limits) -> Result<Vec<TreeFile<'a>>, MetainfoError> {
    let mut files = Vec::new();
    let mut open: Vec<Entries<'a>> = alloc::vec![tree.entries()];
    let mut path: Vec<&'a [u8]> = Vec::new();
    while let Some(entries) = open.last_mut() {
        let Some((name, value)) = entries.next() else {
            open.pop();
            path.pop();
            continue;
        };
        if value.kind() != Kind::Dict {
            return Err(MetainfoError::FileTree);
        }
        if name.is_empty() {
            // BEP 52: the empty name holds what is said of the file that the path so far is.
            if path.is_empty() {
                return Err(MetainfoError::FileTree);
            }
            files.push(tree_file(path.clone(), value)?);
            if files.len() > limits.max_files {
                return Err(MetainfoError::TooManyFiles(limits.max_files));
            }
            continue;
        }
        path.push(name);
        if path.len() > limits.max_path_depth {
            return Err(MetainfoError::TooDeep(limits.max_path_depth));
        }
        let mut inside = value.entries();
        let is_file = inside.next().is_some_and(|(name, _)| name.is_empty());
        if is_file && inside.next().is_some() {
            // A file that is a folder as well.
            return Err(MetainfoError::FileTree);
        }
        open.push(value.entries());
    }
    Ok(files)
}

fn tree_file<'a>(path: Vec<&'a [u8]>, value: Value<'a>) -> Result<TreeFile<'a>, MetainfoError> {
    let attributes = Attributes::parse(value.get_bytes(b"attr"));
    if attributes.is_pad {
        return Err(MetainfoError::PadFile);
    }
    let len = value
        .get_int(b"length")
        .and_then(|len| u64::try_from(len).ok());
    let len = if attributes.is_symlink {
        len.unwrap_or(0)
    } else {
        len.ok_or(MetainfoError::Length)?
    };
    if len > MAX_V2_FILE_LEN {
        return Err(MetainfoError::Length);
    }
    // BEP 47: a link has no content of its own.
    let symlink = value
        .get_kind(b"symlink path", Kind::List)
        .filter(|_| attributes.is_symlink);
    let root = value.get(b"pieces root").map(|root| {
        root.as_bytes()
            .and_then(Sha256Hash::from_slice)
            .filter(|root| *root != Sha256Hash::default())
            .ok_or(MetainfoError::MissingPiecesRoot)
    });
    let root = if symlink.is_some() || len == 0 {
        None
    } else {
        Some(root.ok_or(MetainfoError::MissingPiecesRoot)??)
    };
    Ok(TreeFile {
        path,
        len: if symlink.is_some() { 0 } else { len },
        attributes,
        root,
        symlink,
    })
}

/// Gives another name to files that would have the same. Padding is never a file: it needs none.
fn name_apart(files: &mut [FileEntry]) {
    let is_file = |file: &&FileEntry| !file.attributes.is_pad;
    if path::are_unique(files.iter().filter(is_file).map(|file| &file.path)) {
        return;
    }
    let mut unique = Unique::default();
    for file in files.iter_mut().filter(|file| !file.attributes.is_pad) {
        file.path = unique.insert(&file.path);
    }
}

/// Lays out the files one after the other.
struct Layout<'a> {
    raw_name: &'a [u8],
    /// The same, safe: the folder of a torrent of more than one file.
    name: SafePath,
    piece_len: u64,
    limits: &'a Limits,
    files: Vec<FileEntry>,
    is_hybrid: bool,
    is_single: bool,
    /// How the v1 list of a hybrid calls the files that are no padding.
    raw_paths: Vec<Vec<&'a [u8]>>,
    /// Where the next file begins.
    at: u64,
}

impl<'a> Layout<'a> {
    fn push(
        &mut self,
        path: SafePath,
        len: u64,
        attributes: Attributes,
        symlink: Option<SafePath>,
    ) -> Result<(), MetainfoError> {
        if self.files.len() >= self.limits.max_files {
            return Err(MetainfoError::TooManyFiles(self.limits.max_files));
        }
        let offset = self.at;
        self.at = offset.checked_add(len).ok_or(MetainfoError::Length)?;
        if self.at > i64::MAX.unsigned_abs() {
            return Err(MetainfoError::Length);
        }
        self.files.push(FileEntry {
            path,
            len,
            offset,
            attributes,
            root: None,
            symlink,
        });
        Ok(())
    }

    fn v1(&mut self, info: Value<'a>) -> Result<(), MetainfoError> {
        let Some(files) = info.get(b"files") else {
            let attributes = Attributes::parse(info.get_bytes(b"attr"));
            let len = length(info, attributes)?;
            let symlink = symlink(info, attributes, &[]);
            if self.is_hybrid {
                self.raw_paths.push(alloc::vec![self.raw_name]);
            }
            return self.push(self.name.clone(), len, attributes, symlink);
        };
        if files.kind() != Kind::List {
            return Err(MetainfoError::NoFiles);
        }
        let mut components = Vec::new();
        // No entry that is one has less than 20 octets.
        let count = files.items().take(self.limits.max_files).count();
        self.files.reserve(count.min(files.raw().len() / 20));
        for file in files.items() {
            if file.kind() != Kind::Dict {
                return Err(MetainfoError::Length);
            }
            let mut attributes = Attributes::parse(file.get_bytes(b"attr"));
            let len = length(file, attributes)?;
            let path = file
                .get_kind(b"path.utf-8", Kind::List)
                .or_else(|| file.get_kind(b"path", Kind::List));
            components.clear();
            match path {
                Some(path) => read_components(path, self.limits, &mut components)?,
                // Padding needs no name.
                None if attributes.is_pad => components.push(&b".pad"[..]),
                None => return Err(MetainfoError::MissingName),
            }
            if components
                .last()
                .is_some_and(|name| name.starts_with(BITCOMET_PAD))
            {
                attributes.is_pad = true;
            }
            let symlink = symlink(file, attributes, &[self.raw_name]);
            let path = SafePath::below(self.name.as_str(), &components);
            self.push(path, len, attributes, symlink)?;
            if self.is_hybrid && !attributes.is_pad {
                self.raw_paths.push(components.clone());
            }
        }
        if self.files.is_empty() {
            return Err(MetainfoError::NoFiles);
        }
        Ok(())
    }

    fn v2(&mut self, tree: &[TreeFile<'a>]) -> Result<(), MetainfoError> {
        let is_single = self.is_single;
        if tree.is_empty() {
            return Err(MetainfoError::NoFiles);
        }
        for file in tree {
            if file.len > 0 {
                // BEP 52: each file begins with a piece of its own.
                self.at = self
                    .at
                    .checked_next_multiple_of(self.piece_len)
                    .ok_or(MetainfoError::Length)?;
            }
            let front: &[&[u8]] = if is_single { &[] } else { &[self.raw_name] };
            let folder = if is_single { "" } else { self.name.as_str() };
            let path = SafePath::below(folder, &file.path);
            let symlink = file.symlink.and_then(|target| target_path(target, front));
            self.push(path, file.len, file.attributes, symlink)?;
            if let Some(entry) = self.files.last_mut() {
                entry.root = file.root;
            }
        }
        Ok(())
    }

    /// Holds the files of a hybrid torrent against its file tree, and takes over the roots.
    fn join_v2(&mut self, tree: &[TreeFile<'a>]) -> Result<(), MetainfoError> {
        let files = self.files.iter_mut().filter(|file| !file.attributes.is_pad);
        if self.raw_paths.len() != tree.len() {
            return Err(MetainfoError::InconsistentFiles);
        }
        for ((file, raw_path), other) in files.zip(&self.raw_paths).zip(tree) {
            // BEP 52: padding puts each file at the beginning of a piece.
            let is_aligned = file.len == 0 || file.offset.is_multiple_of(self.piece_len);
            if file.len != other.len || !is_aligned || *raw_path != other.path {
                return Err(MetainfoError::InconsistentFiles);
            }
            file.root = other.root;
        }
        Ok(())
    }
}

fn symlink(file: Value<'_>, attributes: Attributes, front: &[&[u8]]) -> Option<SafePath> {
    if !attributes.is_symlink {
        return None;
    }
    target_path(file.get_kind(b"symlink path", Kind::List)?, front)
}

/// BEP 47: the path of the target from the folder of the torrent.
fn target_path(target: Value<'_>, front: &[&[u8]]) -> Option<SafePath> {
    let components: Option<Vec<&[u8]>> = target.items().map(|item| item.as_bytes()).collect();
    let components = components.filter(|components| !components.is_empty())?;
    Some(SafePath::sanitize(front.iter().copied().chain(components)))
}

fn length(file: Value<'_>, attributes: Attributes) -> Result<u64, MetainfoError> {
    match file.get_int(b"length") {
        // BEP 47: a link has no content; libtorrent takes it without a length.
        _ if attributes.is_symlink => Ok(0),
        Some(len) => u64::try_from(len)
            .ok()
            .filter(|len| *len <= MAX_V1_FILE_LEN)
            .ok_or(MetainfoError::Length),
        None => Err(MetainfoError::Length),
    }
}

fn read_components<'a>(
    path: Value<'a>,
    limits: &Limits,
    components: &mut Vec<&'a [u8]>,
) -> Result<(), MetainfoError> {
    for item in path.items() {
        components.push(item.as_bytes().ok_or(MetainfoError::MissingName)?);
        if components.len() > limits.max_path_depth {
            return Err(MetainfoError::TooDeep(limits.max_path_depth));
        }
    }
    if components.is_empty() {
        return Err(MetainfoError::MissingName);
    }
    Ok(())
}

/// BEP 12: `announce-list`, or where that holds nothing, `announce`.
fn read_trackers(torrent: &mut Metainfo, root: Value<'_>, most: usize) {
    for tier in list(root, b"announce-list") {
        for tracker in tier.items() {
            if torrent.trackers.len() < most
                && let Some(url) = tracker_url(tracker)
            {
                torrent.trackers.push(url);
            }
        }
        let end = torrent.trackers.len();
        if torrent.tiers.last().copied().unwrap_or(0) < end {
            torrent.tiers.push(end);
        }
    }
    if torrent.trackers.is_empty()
        && let Some(url) = root.get(b"announce").and_then(tracker_url)
    {
        torrent.trackers.push(url);
        torrent.tiers.push(1);
    }
}

/// An address that says by which protocol to announce.
fn tracker_url(value: Value<'_>) -> Option<String> {
    url(value).filter(|url| url.contains("://"))
}

/// An address, blanks around it cut off.
fn url(value: Value<'_>) -> Option<String> {
    let text = String::from_utf8_lossy(value.as_bytes()?);
    let text = text.trim();
    (!text.is_empty()).then(|| text.into())
}

/// A list of addresses or a single one, each kept once and in a form that can be asked for.
fn urls(value: Option<Value<'_>>, most: usize, is_base: bool) -> Vec<String> {
    let Some(value) = value else {
        return Vec::new();
    };
    let one = Some(value).filter(|value| value.kind() == Kind::Bytes);
    let mut found: Vec<String> = Vec::new();
    for text in one
        .into_iter()
        .chain(value.items())
        .filter_map(url)
        .take(most)
    {
        let mut escaped = text.replace(' ', "%20");
        // BEP 19: the paths of the files are appended to the address of a folder.
        if is_base && !escaped.ends_with('/') {
            escaped.push('/');
        }
        if !found.contains(&escaped) {
            found.push(escaped);
        }
    }
    found
}

fn nodes(root: Value<'_>, most: usize) -> Vec<(String, u16)> {
    list(root, b"nodes")
        .filter_map(|node| {
            let mut items = node.items();
            let host = items.next()?.as_bytes()?;
            let port = u16::try_from(items.next()?.as_int()?).ok()?;
            Some((String::from_utf8_lossy(host).into_owned(), port))
        })
        .take(most)
        .collect()
}
