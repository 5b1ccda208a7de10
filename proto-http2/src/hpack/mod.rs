//! Header compression (RFC 7541), usable alone.
//!
//! [`Decoder`] shows each field to a visitor and holds limits while it decodes; [`Encoder`] has a
//! policy of what enters the table.
//!
//! ```
//! use proto_http2::hpack::{BlockLimits, Decoder, Encoder};
//!
//! let (mut encoder, mut block) = (Encoder::new(4096), Vec::new());
//! encoder.begin(&mut block);
//! encoder.field(&mut block, b":method", b"GET", false);
//! encoder.field(&mut block, b"x-kind", b"plain", false);
//! let mut seen = Vec::new();
//! Decoder::new(4096).decode(&block, &BlockLimits::default(), |field| seen.push(field.value.to_vec()))?;
//! assert_eq!(seen, [&b"GET"[..], b"plain"]);
//! # Ok::<(), proto_http2::hpack::HpackFault>(())
//! ```

mod decoder;
mod encoder;
pub mod huffman;
mod table;
mod table_static;

pub use decoder::{BlockLimits, BlockSummary, Decoder, FieldRef};
pub use encoder::{Encoder, Indexing};

/// What makes a block undecodable: a COMPRESSION_ERROR.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum HpackFault {
    /// An index of no entry.
    #[error("an index that no table has")]
    Index,
    /// An integer above 32 bits, or of too many octets.
    #[error("an integer is too large")]
    Integer,
    /// EOS within, or wrong padding.
    #[error("not in the Huffman code")]
    Huffman,
    /// A size update that is late, too large, missing or one too many.
    #[error("a wrong update of the table's size")]
    SizeUpdate,
    /// A string above the limit.
    #[error("a name or value is too long")]
    TooLong,
    /// The block ends inside a field.
    #[error("the block is cut short")]
    Truncated,
}
