//! The hash trees of BEP 52: SHA-256 over blocks of 16 KiB, padded with zeros to a power of two.

use crate::hash::Sha256Hash;
use alloc::vec::Vec;
use sha2::{Digest, Sha256};

/// Octets of a block: what one leaf stands for, and what one request asks for.
pub const BLOCK_LEN: u32 = 16 * 1024;

/// The node that stands `height` levels above leaves that are all beyond the end of the file.
#[must_use]
pub fn pad(height: u32) -> Sha256Hash {
    let mut node = Sha256Hash::default();
    for _ in 0..height {
        node = Sha256Hash::of_pair(&node, &node);
    }
    node
}

/// The root over `nodes`, which stand `height` levels above the leaves, filled up with padding to a
/// power of two. No nodes make the root of a single padding node.
#[must_use]
pub fn root(nodes: &[Sha256Hash], height: u32) -> Sha256Hash {
    let mut level: Vec<Sha256Hash> = nodes.to_vec();
    let mut padding = pad(height);
    while level.len() > 1 {
        level = level
            .chunks(2)
            .map(|pair| match pair {
                [left, right] => Sha256Hash::of_pair(left, right),
                [left, ..] => Sha256Hash::of_pair(left, &padding),
                [] => padding,
            })
            .collect();
        padding = Sha256Hash::of_pair(&padding, &padding);
    }
    level.first().copied().unwrap_or(padding)
}

/// How many levels a piece stands above the blocks: 0 for pieces of 16 KiB, 1 for 32 KiB ...
#[must_use]
pub const fn piece_height(piece_len: u32) -> u32 {
    let blocks = piece_len / BLOCK_LEN;
    if blocks == 0 { 0 } else { blocks.ilog2() }
}

/// Whether `node`, the node number `index` of its level, belongs to the tree of `root`, by the
/// siblings on its way up.
///
/// An `index` that the tree of so many levels cannot have is refused.
#[must_use]
pub fn proves(
    root: &Sha256Hash,
    mut index: u64,
    node: &Sha256Hash,
    siblings: &[Sha256Hash],
) -> bool {
    let mut node = *node;
    for sibling in siblings {
        node = if index & 1 == 0 {
            Sha256Hash::of_pair(&node, sibling)
        } else {
            Sha256Hash::of_pair(sibling, &node)
        };
        index >>= 1;
    }
    index == 0 && node == *root
}

/// Hashes one file as its octets come: root and piece layer, in memory of one hash a piece.
///
/// ```
/// use proto_bittorrent::merkle::FileHasher;
///
/// let mut hasher = FileHasher::new(32 * 1024);
/// hasher.update(b"a small file");
/// let file = hasher.finish();
/// assert_eq!(file.root.to_string(), "58831986bf022035197bd05d44de7eb9b1f5a6cac36994a862a7164c5ead0b41");
/// assert!(file.layer.is_empty()); // no more than one piece: the root says it all
/// ```
#[derive(Clone, Debug)]
pub struct FileHasher {
    piece_len: u32,
    height: u32,
    /// The block under way.
    block: Sha256,
    block_len: u32,
    /// The blocks of the piece under way.
    blocks: Vec<Sha256Hash>,
    pieces: Vec<Sha256Hash>,
    len: u64,
}

/// What a [`FileHasher`] has found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileHashes {
    /// The `pieces root` (BEP 52). All zeros for an empty file, which has none.
    pub root: Sha256Hash,
    /// One hash a piece, for a file of more than one piece; else empty.
    pub layer: Vec<Sha256Hash>,
    /// Octets of the file.
    pub len: u64,
}

impl FileHasher {
    /// A hasher for pieces of `piece_len` octets: a power of two of at least 16 KiB. Anything else
    /// is rounded up to one.
    #[must_use]
    pub fn new(piece_len: u32) -> Self {
        let piece_len = piece_len
            .max(BLOCK_LEN)
            .checked_next_power_of_two()
            .unwrap_or(1 << 31);
        Self {
            piece_len,
            height: piece_height(piece_len),
            block: Sha256::new(),
            block_len: 0,
            blocks: Vec::new(),
            pieces: Vec::new(),
            len: 0,
        }
    }

    /// Takes the next octets of the file.
    pub fn update(&mut self, mut octets: &[u8]) {
        self.len = self
            .len
            .saturating_add(u64::try_from(octets.len()).unwrap_or(u64::MAX));
        while !octets.is_empty() {
            let room = BLOCK_LEN.saturating_sub(self.block_len) as usize;
            let (now, later) = octets.split_at(room.min(octets.len()));
            self.block.update(now);
            self.block_len = self
                .block_len
                .saturating_add(u32::try_from(now.len()).unwrap_or(0));
            octets = later;
            if self.block_len == BLOCK_LEN {
                self.end_block();
            }
        }
    }

    /// The hashes of all that was taken.
    #[must_use]
    pub fn finish(mut self) -> FileHashes {
        if self.block_len > 0 {
            self.end_block();
        }
        if self.pieces.is_empty() {
            // A file of less than a piece has a tree of just its blocks.
            let root = if self.blocks.is_empty() {
                Sha256Hash::default()
            } else {
                root(&self.blocks, 0)
            };
            return FileHashes {
                root,
                layer: Vec::new(),
                len: self.len,
            };
        }
        if !self.blocks.is_empty() {
            self.end_piece();
        }
        let root = root(&self.pieces, self.height);
        if self.pieces.len() < 2 {
            self.pieces.clear();
        }
        FileHashes {
            root,
            layer: self.pieces,
            len: self.len,
        }
    }

    fn end_block(&mut self) {
        self.blocks
            .push(Sha256Hash(self.block.finalize_reset().into()));
        self.block_len = 0;
        if self.blocks.len() >= (self.piece_len / BLOCK_LEN) as usize {
            self.end_piece();
        }
    }

    fn end_piece(&mut self) {
        // BEP 52: the last piece is filled up with leaves of zeros to the size of a piece.
        let wanted = (self.piece_len / BLOCK_LEN) as usize;
        self.blocks.resize(wanted, Sha256Hash::default());
        self.pieces.push(root(&self.blocks, 0));
        self.blocks.clear();
    }
}
