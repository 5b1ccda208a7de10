//! Bencode (BEP 3): integers, byte strings, lists, dictionaries.
//!
//! [`Doc::parse`] checks a whole document in one iterative pass and keeps one flat array of tokens;
//! nothing is copied and nothing recurses, not even `Debug`. [`Value`] walks the array. [`Writer`]
//! appends canonical documents to a buffer.
//!
//! ```
//! use proto_bittorrent::bencode::{Doc, Limits, Mode};
//!
//! let doc = Doc::parse(b"d3:cow3:moo4:spamli1ei2eee", Mode::Strict, &Limits::default())?;
//! let root = doc.root();
//! assert_eq!(root.get(b"cow").and_then(|value| value.as_bytes()), Some(&b"moo"[..]));
//! let spam = root.get(b"spam").expect("a list");
//! assert_eq!(spam.items().filter_map(|item| item.as_int()).sum::<i64>(), 3);
//! assert_eq!(spam.raw(), b"li1ei2ee");
//! # Ok::<(), proto_bittorrent::bencode::DecodeError>(())
//! ```

mod parse;
mod value;
mod writer;

pub use parse::{Doc, Token};
pub use value::{Entries, Items, Kind, Value};
pub use writer::{WriteError, Writer};

/// What a parser lets pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Only what BEP 3 allows: sorted and unique keys, no leading zeros, no negative zero, integers
    /// of 64 bits with sign, nothing behind the document. Two parsers then see the same document.
    #[default]
    Strict,
    /// What others accept too: keys in any order and more than once (the first one counts), leading
    /// zeros, `-0`, integers of up to 20 characters, trailing octets. The first such deviation is
    /// kept in [`Doc::deviation`].
    Lenient,
}

/// Upper bounds of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Octets of a document. Default 10 MiB, which is what libtorrent takes as a torrent file.
    ///
    /// Never more than 4 GiB - 1, whatever is set.
    pub max_len: usize,
    /// How deep lists and dictionaries may nest. Default 100, as in libtorrent.
    ///
    /// Deeper ones are refused where the limit is passed; the parser needs no memory for depth.
    pub max_depth: u32,
    /// Tokens of a document: integers, strings, lists, dictionaries. Default 2 500 000, as in
    /// libtorrent. Memory: 12 octets each.
    pub max_tokens: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_len: 10 * 1024 * 1024,
            max_depth: 100,
            max_tokens: 2_500_000,
        }
    }
}

impl Limits {
    /// For what one message carries.
    pub(crate) fn small(max_tokens: u32) -> Self {
        Self {
            max_depth: 10,
            max_tokens,
            ..Self::default()
        }
    }
}

/// Octets that are no document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("octet {offset}: {fault}")]
pub struct DecodeError {
    /// Where it was found.
    pub offset: usize,
    /// What is wrong there.
    pub fault: Fault,
}

/// What is wrong with a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The document ends inside a value.
    #[error("the document ends too early")]
    UnexpectedEnd,
    /// Something else than the first octet of a value.
    #[error("expected a value")]
    ExpectedValue,
    /// Something else than a digit: in a number, or where a key has to begin.
    #[error("expected a digit")]
    ExpectedDigit,
    /// Something else than a colon after the length of a string.
    #[error("expected a colon")]
    ExpectedColon,
    /// A number that begins with zero and goes on.
    #[error("a leading zero")]
    LeadingZero,
    /// The integer `-0`.
    #[error("a negative zero")]
    NegativeZero,
    /// An integer that does not fit 64 bits with sign.
    #[error("an integer outside of 64 bits")]
    IntegerRange,
    /// A key that is smaller than the key before it.
    #[error("a key that is out of order")]
    UnsortedKey,
    /// A key that its dictionary has already, right before it.
    #[error("a key that stands twice")]
    DuplicateKey,
    /// Octets behind the document.
    #[error("octets follow the document")]
    TrailingData,
    /// [`Limits::max_depth`] was passed.
    #[error("nested deeper than {0} levels")]
    TooDeep(u32),
    /// [`Limits::max_tokens`] was passed.
    #[error("more than {0} tokens")]
    TooManyTokens(u32),
    /// [`Limits::max_len`] was passed.
    #[error("longer than {0} octets")]
    TooLong(usize),
}
