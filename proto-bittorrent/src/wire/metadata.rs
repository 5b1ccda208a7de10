//! `ut_metadata`: the info dictionary from peers, in pieces of 16 KiB (BEP 9).

use crate::bencode::{self, Doc, Limits, Mode, WriteError, Writer};
use alloc::vec::Vec;
use bytes::Bytes;

/// Octets of a piece of the metadata; the last one may have fewer.
pub const METADATA_PIECE_LEN: u32 = 16 * 1024;

/// A message of `ut_metadata` that is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MetadataError {
    /// No bencoded document.
    #[error("bencode: {0}")]
    Bencode(#[from] bencode::DecodeError),
    /// `msg_type` or `piece` is missing or out of range.
    #[error("a field is missing or out of range")]
    Field,
    /// More data than a piece has.
    #[error("{0} octets are more than a piece of metadata")]
    TooLong(usize),
}

/// A message of `ut_metadata`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MetadataMessage {
    /// Asks for a piece.
    Request {
        /// Which.
        piece: u32,
    },
    /// A piece.
    Data {
        /// Which.
        piece: u32,
        /// Octets of the whole metadata, as the sender says.
        total_len: u32,
        /// The octets.
        data: Bytes,
    },
    /// A piece that will not be sent.
    Reject {
        /// Which.
        piece: u32,
    },
    /// A kind that is not known; BEP 9 wants it ignored.
    Unknown {
        /// The kind.
        kind: i64,
    },
}

impl MetadataMessage {
    /// Reads one.
    ///
    /// # Errors
    ///
    /// [`MetadataError`].
    pub fn parse(payload: &Bytes) -> Result<Self, MetadataError> {
        let doc = Doc::parse(payload, Mode::Lenient, &Limits::small(200))?;
        let root = doc.root();
        let number = |key: &[u8]| {
            let value = root.get_int(key);
            value
                .and_then(|value| u32::try_from(value).ok())
                .ok_or(MetadataError::Field)
        };
        let kind = root.get_int(b"msg_type").ok_or(MetadataError::Field)?;
        match kind {
            0 => Ok(Self::Request {
                piece: number(b"piece")?,
            }),
            1 => {
                let data = payload.slice(doc.len()..);
                if data.len() > METADATA_PIECE_LEN as usize {
                    return Err(MetadataError::TooLong(data.len()));
                }
                Ok(Self::Data {
                    piece: number(b"piece")?,
                    total_len: number(b"total_size")?,
                    data,
                })
            }
            2 => Ok(Self::Reject {
                piece: number(b"piece")?,
            }),
            kind => Ok(Self::Unknown { kind }),
        }
    }

    /// The payload of the extended message.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let (kind, piece, total_len, data) = match self {
            Self::Request { piece } => (0, *piece, None, None),
            Self::Data {
                piece,
                total_len,
                data,
            } => (1, *piece, Some(*total_len), Some(data)),
            Self::Reject { piece } => (2, *piece, None, None),
            Self::Unknown { kind } => (*kind, 0, None, None),
        };
        let mut out = Vec::new();
        // Keys are written in their order: the writer has nothing to refuse.
        let written = write(&mut out, kind, piece, total_len);
        debug_assert_eq!(written, Ok(()));
        if let Some(data) = data {
            out.extend_from_slice(data);
        }
        out
    }
}

fn write(
    out: &mut Vec<u8>,
    kind: i64,
    piece: u32,
    total_len: Option<u32>,
) -> Result<(), WriteError> {
    let mut writer = Writer::new(out);
    writer.begin_dict()?;
    writer.key(b"msg_type")?;
    writer.int(kind)?;
    writer.key(b"piece")?;
    writer.int(i64::from(piece))?;
    if let Some(total_len) = total_len {
        writer.key(b"total_size")?;
        writer.int(i64::from(total_len))?;
    }
    writer.end()
}
