//! The files of a torrent.

use super::Metainfo;
use super::path::SafePath;
use crate::hash::Sha256Hash;
use core::fmt;

/// What a torrent says of a file besides its path and length (BEP 47).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Attributes {
    /// Padding: octets that are all zero, never asked for and never stored.
    pub is_pad: bool,
    /// Executable.
    pub is_executable: bool,
    /// Hidden.
    pub is_hidden: bool,
    /// A symbolic link; see [`File::symlink_target`].
    pub is_symlink: bool,
}

impl Attributes {
    pub(super) fn parse(attr: Option<&[u8]>) -> Self {
        let has = |flag| attr.is_some_and(|attr| attr.contains(&flag));
        Self {
            is_pad: has(b'p'),
            is_executable: has(b'x'),
            is_hidden: has(b'h'),
            is_symlink: has(b'l'),
        }
    }
}

#[derive(Clone)]
pub(super) struct FileEntry {
    pub(super) path: SafePath,
    pub(super) len: u64,
    pub(super) offset: u64,
    pub(super) attributes: Attributes,
    pub(super) root: Option<Sha256Hash>,
    pub(super) symlink: Option<SafePath>,
}

/// One file of a torrent.
#[derive(Clone, Copy)]
pub struct File<'a>(&'a FileEntry);

impl<'a> File<'a> {
    /// Where to put it, below a folder of your choice.
    #[must_use]
    pub fn path(&self) -> &'a SafePath {
        &self.0.path
    }

    /// Octets of it.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.0.len
    }

    /// Whether it has no octets.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.len == 0
    }

    /// Its first octet, counted from the first one of piece 0.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.0.offset
    }

    /// What else is said of it.
    #[must_use]
    pub fn attributes(&self) -> Attributes {
        self.0.attributes
    }

    /// The root of its merkle tree (v2 and hybrid); empty files and padding have none.
    #[must_use]
    pub fn pieces_root(&self) -> Option<Sha256Hash> {
        self.0.root
    }

    /// Where a symbolic link leads (BEP 47): a path below the same folder as
    /// [`path`](Self::path), never out of it. Make links only if you mean to: the target need not
    /// be a file of this torrent.
    #[must_use]
    pub fn symlink_target(&self) -> Option<&'a SafePath> {
        self.0.symlink.as_ref()
    }
}

impl fmt::Debug for File<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("File")
            .field("path", self.path())
            .field("len", &self.len())
            .field("offset", &self.offset())
            .field("attributes", &self.attributes())
            .finish_non_exhaustive()
    }
}

/// The files of a torrent in their order.
#[derive(Clone)]
pub struct Files<'a>(core::slice::Iter<'a, FileEntry>);

impl<'a> Files<'a> {
    pub(super) fn new(torrent: &'a Metainfo) -> Self {
        Self(torrent.files.iter())
    }
}

impl<'a> Iterator for Files<'a> {
    type Item = File<'a>;

    fn next(&mut self) -> Option<File<'a>> {
        self.0.next().map(File)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl ExactSizeIterator for Files<'_> {}

impl fmt::Debug for Files<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.clone()).finish()
    }
}
