//! Why a torrent is refused.

use crate::bencode;

/// Why a torrent is refused. Always the fault of who made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MetainfoError {
    /// No bencoded document, or, in the info dictionary of a v2 torrent, not a canonical one.
    #[error("bencode: {0}")]
    Bencode(#[from] bencode::DecodeError),
    /// The document is no dictionary.
    #[error("a torrent is a dictionary")]
    NotADictionary,
    /// `info` is missing or no dictionary.
    #[error("the info dictionary is missing")]
    MissingInfo,
    /// A `meta version` that nobody knows.
    #[error("unknown meta version {0}")]
    UnknownVersion(i64),
    /// `piece length` is missing, not positive, above [`Limits::max_piece_len`](super::Limits), or
    /// in v2 no power of two of at least 16 KiB (BEP 52).
    #[error("the piece length is missing or not allowed")]
    PieceLength,
    /// `name`, or the path of a file, is missing or not what it has to be.
    #[error("a name or path is missing")]
    MissingName,
    /// A length that is missing, negative or too large, or no content at all.
    #[error("a length is missing or not allowed")]
    Length,
    /// An empty list of files.
    #[error("a torrent without files")]
    NoFiles,
    /// More than [`Limits::max_files`](super::Limits).
    #[error("more than {0} files")]
    TooManyFiles(usize),
    /// A path of more components than [`Limits::max_path_depth`](super::Limits).
    #[error("a path of more than {0} components")]
    TooDeep(usize),
    /// `pieces` is missing or no string.
    #[error("the hashes of the pieces are missing")]
    MissingPieces,
    /// Not as many hashes of pieces as there are pieces.
    #[error("{found} octets of hashes where the content needs {expected}")]
    PieceHashes {
        /// Octets that the content needs.
        expected: u64,
        /// Octets that are there.
        found: u64,
    },
    /// More than [`Limits::max_pieces`](super::Limits).
    #[error("more than {0} pieces")]
    TooManyPieces(u32),
    /// `file tree` is missing or not formed as BEP 52 has it.
    #[error("the file tree is missing or malformed")]
    FileTree,
    /// A padding file in the file tree, where none may stand (BEP 52).
    #[error("a padding file in the file tree")]
    PadFile,
    /// A file without its `pieces root`, or with one of zeros.
    #[error("a file has no pieces root")]
    MissingPiecesRoot,
    /// `piece layers` is missing where a file has more than one piece.
    #[error("the piece layers are missing")]
    MissingPieceLayers,
    /// A piece layer that belongs to no file, has the wrong size, or does not make its root.
    #[error("a piece layer is wrong")]
    PieceLayer,
    /// The two file lists of a hybrid torrent do not tell of the same content.
    #[error("the v1 and v2 file lists differ")]
    InconsistentFiles,
}
