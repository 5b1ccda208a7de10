//! Torrent files: v1 (BEP 3), v2 (BEP 52) and both in one, with BEP 12, 17, 19, 27, 38 and 47.
//!
//! [`Metainfo::parse`] takes what others accept (unsorted keys, trailing octets) and refuses what no
//! client can use; [`Metainfo::is_canonical`] tells whether the document was strictly formed. Info
//! hashes are over the octets of `info` as they came, never over an encoding of ours. [`Draft`]
//! makes new torrents.
//!
//! ```
//! use proto_bittorrent::metainfo::{Draft, Limits, Metainfo, Versions};
//!
//! let mut draft = Draft::new("hello.txt", 16 * 1024, Versions::Hybrid)?;
//! draft.tracker_tier(["http://127.0.0.1:6969/announce"]);
//! let mut file = draft.file(&[], 5)?; // a single file bears the name of the torrent
//! file.update(b"hello");
//! file.finish()?;
//! let torrent = Metainfo::parse(draft.finish()?, &Limits::default())?;
//!
//! assert_eq!(torrent.files().next().map(|file| file.len()), Some(5));
//! assert!(torrent.info_hash_v1().is_some() && torrent.info_hash_v2().is_some());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod draft;
mod error;
mod files;
mod layers;
mod parse;
mod path;

pub use draft::{Draft, DraftError, FileDraft, Versions};
pub use error::MetainfoError;
pub use files::{Attributes, File, Files};
pub use path::SafePath;

use crate::bencode;
use crate::hash::{Sha1Hash, Sha256Hash};
use crate::wire::Block;
use alloc::string::String;
use alloc::vec::Vec;
use bytes::Bytes;
use core::fmt;
use core::ops::Range;
use files::FileEntry;

/// Longest v2 file: so many blocks that a merkle tree over them can still be counted with 30 bits.
/// The bound that libtorrent has.
pub const MAX_V2_FILE_LEN: u64 = ((1 << 30) - 2) * 16 * 1024;

/// Upper bounds of a torrent. Whatever passes them is refused with a typed error.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Bounds of the document itself. 10 MiB, 100 levels, 2 500 000 tokens by default.
    pub bencode: bencode::Limits,
    /// Files, padding included. Default 200 000. Memory: about 100 octets and the path each.
    pub max_files: usize,
    /// Pieces. Default 2 097 152, as in libtorrent.
    pub max_pieces: u32,
    /// Octets of a piece. Default 536 870 911, as in libtorrent.
    pub max_piece_len: u32,
    /// Components of a path. Default 100, as in libtorrent.
    pub max_path_depth: usize,
    /// Trackers, web seeds and nodes, of each kind. Default 1024; more are ignored.
    pub max_urls: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bencode: bencode::Limits::default(),
            max_files: 200_000,
            max_pieces: 0x20_0000,
            max_piece_len: 0x1fff_ffff,
            max_path_depth: 100,
            max_urls: 1024,
        }
    }
}

/// A checked torrent: its octets, and where in them things stand.
#[derive(Clone)]
pub struct Metainfo {
    octets: Bytes,
    info: Range<usize>,
    is_canonical: bool,
    name: SafePath,
    raw_name: Range<usize>,
    piece_len: u32,
    piece_count: u32,
    /// The v1 hashes of the pieces.
    pieces: Option<Range<usize>>,
    is_v2: bool,
    is_single_file: bool,
    is_private: bool,
    files: Vec<FileEntry>,
    /// Root, and where its hashes stand; sorted by root.
    layers: Vec<(Sha256Hash, Range<usize>)>,
    layout_len: u64,
    total_len: u64,
    /// Trackers and where their tiers end.
    trackers: Vec<String>,
    tiers: Vec<usize>,
    url_seeds: Vec<String>,
    http_seeds: Vec<String>,
    nodes: Vec<(String, u16)>,
    similar: Vec<Sha1Hash>,
    collections: Vec<String>,
    comment: Option<Range<usize>>,
    created_by: Option<Range<usize>>,
    source: Option<Range<usize>>,
    creation_date: Option<i64>,
}

impl Metainfo {
    /// Checks a torrent file.
    ///
    /// # Errors
    ///
    /// [`MetainfoError`].
    pub fn parse(octets: impl Into<Bytes>, limits: &Limits) -> Result<Self, MetainfoError> {
        parse::torrent(octets.into(), limits)
    }

    /// Checks an info dictionary alone, as peers send it (BEP 9). Piece layers, trackers and what
    /// else stands around it are then not known.
    ///
    /// # Errors
    ///
    /// [`MetainfoError`].
    pub fn parse_info(info: impl Into<Bytes>, limits: &Limits) -> Result<Self, MetainfoError> {
        parse::info_alone(info.into(), limits)
    }

    /// The octets that were parsed.
    #[must_use]
    pub fn as_bytes(&self) -> &Bytes {
        &self.octets
    }

    /// The info dictionary as it came: what info-hashes are taken of, and what peers ask for (BEP 9).
    #[must_use]
    pub fn info(&self) -> Bytes {
        self.octets.slice(self.info.clone())
    }

    /// The v1 info-hash: of v1 and hybrid torrents.
    #[must_use]
    pub fn info_hash_v1(&self) -> Option<Sha1Hash> {
        self.pieces
            .is_some()
            .then(|| Sha1Hash::of(self.info_slice()))
    }

    /// The v2 info-hash: of v2 and hybrid torrents.
    #[must_use]
    pub fn info_hash_v2(&self) -> Option<Sha256Hash> {
        self.is_v2.then(|| Sha256Hash::of(self.info_slice()))
    }

    /// The hash by which swarms of this torrent are found: the v1 one, or the v2 one cut short.
    #[must_use]
    pub fn swarm_hash(&self) -> Sha1Hash {
        match self.info_hash_v2() {
            Some(hash) if self.pieces.is_none() => hash.truncated(),
            _ => Sha1Hash::of(self.info_slice()),
        }
    }

    /// Whether the whole document is strictly formed.
    #[must_use]
    pub fn is_canonical(&self) -> bool {
        self.is_canonical
    }

    /// The name of the file or folder, safe to use.
    #[must_use]
    pub fn name(&self) -> &SafePath {
        &self.name
    }

    /// The name as the torrent has it: for showing, never for opening.
    #[must_use]
    pub fn raw_name(&self) -> &[u8] {
        self.slice(&self.raw_name)
    }

    /// Octets of a piece; the last one of a file (v2) or of the torrent (v1) may have fewer.
    #[must_use]
    pub fn piece_len(&self) -> u32 {
        self.piece_len
    }

    /// Pieces of the torrent.
    #[must_use]
    pub fn piece_count(&self) -> u32 {
        self.piece_count
    }

    /// Octets of piece `index`: less than [`piece_len`](Self::piece_len) at the end of the torrent,
    /// and in a v2 torrent at the end of each file. 0 beyond the last piece.
    #[must_use]
    pub fn len_of_piece(&self, index: u32) -> u32 {
        if index >= self.piece_count {
            return 0;
        }
        let begin = u64::from(index).saturating_mul(u64::from(self.piece_len));
        let end = if self.pieces.is_some() {
            self.layout_len
        } else {
            let after = self.files.partition_point(|file| file.offset <= begin);
            let file = after.checked_sub(1).and_then(|at| self.files.get(at));
            file.map_or(begin, |file| file.offset.saturating_add(file.len))
        };
        let rest = end.saturating_sub(begin);
        u32::try_from(rest).map_or(self.piece_len, |rest| rest.min(self.piece_len))
    }

    /// Whether a block lies in its piece, the last one of the torrent and, in a v2 torrent, of each
    /// file included. A [`peer::Connection`](crate::peer::Connection) only knows the usual length of
    /// pieces: ask here before you read what a peer wants.
    #[must_use]
    pub fn contains_block(&self, block: Block) -> bool {
        let end = block.begin.checked_add(block.len);
        block.len > 0 && end.is_some_and(|end| end <= self.len_of_piece(block.piece))
    }

    /// The v1 hash of piece `index`.
    #[must_use]
    pub fn piece_hash(&self, index: u32) -> Option<Sha1Hash> {
        let pieces = self.slice(self.pieces.as_ref()?);
        let at = usize::try_from(index).ok()?.checked_mul(20)?;
        Sha1Hash::from_slice(pieces.get(at..at.checked_add(20)?)?)
    }

    /// The piece layer below a `pieces root` (BEP 52): one hash a piece. `None` for a file of at most
    /// one piece, and where the torrent did not bring it.
    #[must_use]
    pub fn piece_layer(&self, root: &Sha256Hash) -> Option<&[u8]> {
        let at = self
            .layers
            .binary_search_by(|(key, _)| key.cmp(root))
            .ok()?;
        self.layers.get(at).map(|(_, range)| self.slice(range))
    }

    /// Whether each file of more than one piece has its piece layer.
    #[must_use]
    pub fn has_all_piece_layers(&self) -> bool {
        self.files()
            .filter(|file| file.len() > u64::from(self.piece_len))
            .filter_map(|file| file.pieces_root())
            .all(|root| self.piece_layer(&root).is_some())
    }

    /// The files in their order, padding included.
    #[must_use]
    pub fn files(&self) -> Files<'_> {
        Files::new(self)
    }

    /// Whether the torrent is one file, not a folder.
    #[must_use]
    pub fn is_single_file(&self) -> bool {
        self.is_single_file
    }

    /// Octets of all files, without padding.
    #[must_use]
    pub fn total_len(&self) -> u64 {
        self.total_len
    }

    /// Octets from the first piece to the end of the last file, padding included.
    #[must_use]
    pub fn layout_len(&self) -> u64 {
        self.layout_len
    }

    /// Whether peers may come from the trackers only (BEP 27).
    #[must_use]
    pub fn is_private(&self) -> bool {
        self.is_private
    }

    /// Trackers, tier by tier (BEP 12), in the order of the torrent.
    pub fn tiers(&self) -> impl Iterator<Item = &[String]> {
        let starts = core::iter::once(0).chain(self.tiers.iter().copied());
        starts
            .zip(self.tiers.iter().copied())
            .filter_map(|(start, end)| self.trackers.get(start..end))
    }

    /// All trackers in the order of the torrent.
    pub fn trackers(&self) -> impl Iterator<Item = &str> {
        self.trackers.iter().map(String::as_str)
    }

    /// Web seeds in the style of BEP 19, blanks escaped, each once.
    pub fn url_seeds(&self) -> impl Iterator<Item = &str> {
        self.url_seeds.iter().map(String::as_str)
    }

    /// Web seeds in the style of BEP 17.
    pub fn http_seeds(&self) -> impl Iterator<Item = &str> {
        self.http_seeds.iter().map(String::as_str)
    }

    /// Nodes of the DHT to begin with (BEP 5): host and port.
    pub fn nodes(&self) -> impl Iterator<Item = (&str, u16)> {
        self.nodes.iter().map(|(host, port)| (host.as_str(), *port))
    }

    /// Torrents that may share files with this one (BEP 38).
    #[must_use]
    pub fn similar(&self) -> &[Sha1Hash] {
        &self.similar
    }

    /// Names of collections that this torrent belongs to (BEP 38).
    pub fn collections(&self) -> impl Iterator<Item = &str> {
        self.collections.iter().map(String::as_str)
    }

    /// What the maker says of it.
    #[must_use]
    pub fn comment(&self) -> Option<&[u8]> {
        self.comment.as_ref().map(|range| self.slice(range))
    }

    /// Which program made it.
    #[must_use]
    pub fn created_by(&self) -> Option<&[u8]> {
        self.created_by.as_ref().map(|range| self.slice(range))
    }

    /// The `source` that private trackers tell their torrents apart by.
    #[must_use]
    pub fn source(&self) -> Option<&[u8]> {
        self.source.as_ref().map(|range| self.slice(range))
    }

    /// When it was made, in seconds since 1970.
    #[must_use]
    pub fn creation_date(&self) -> Option<i64> {
        self.creation_date
    }

    fn info_slice(&self) -> &[u8] {
        self.slice(&self.info)
    }

    fn slice(&self, range: &Range<usize>) -> &[u8] {
        self.octets.get(range.clone()).unwrap_or_default()
    }
}

impl fmt::Debug for Metainfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metainfo")
            .field("name", &self.name)
            .field("v1", &self.info_hash_v1())
            .field("v2", &self.info_hash_v2())
            .field("files", &self.files.len())
            .field("total_len", &self.total_len)
            .field("piece_len", &self.piece_len)
            .field("piece_count", &self.piece_count)
            .finish_non_exhaustive()
    }
}
