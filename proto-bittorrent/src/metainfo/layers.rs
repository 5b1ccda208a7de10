//! `piece layers` (BEP 52): the hashes of the pieces of each large file, outside of the info
//! dictionary and therefore checked against the roots that are inside.

use super::MetainfoError;
use super::files::FileEntry;
use crate::bencode::{Kind, Value};
use crate::hash::Sha256Hash;
use crate::merkle;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::ops::Range;

pub(super) fn parse(
    torrent: Value<'_>,
    files: &[FileEntry],
    piece_len: u32,
) -> Result<Vec<(Sha256Hash, Range<usize>)>, MetainfoError> {
    let mut pieces_of = BTreeMap::new();
    for file in files {
        let pieces = file.len.div_ceil(u64::from(piece_len));
        if let Some(root) = file.root {
            // Two files of the same content share their layer.
            pieces_of.insert(root, pieces);
        }
    }
    let Some(layers) = torrent.get_kind(b"piece layers", Kind::Dict) else {
        let is_needed = pieces_of.values().any(|pieces| *pieces > 1);
        return if is_needed {
            Err(MetainfoError::MissingPieceLayers)
        } else {
            Ok(Vec::new())
        };
    };
    let mut found = Vec::new();
    for (key, value) in layers.entries() {
        let root = Sha256Hash::from_slice(key).ok_or(MetainfoError::PieceLayer)?;
        let octets = value.as_bytes().ok_or(MetainfoError::PieceLayer)?;
        let pieces = pieces_of.get(&root).ok_or(MetainfoError::PieceLayer)?;
        let expected = pieces.checked_mul(32);
        if expected != u64::try_from(octets.len()).ok() || *pieces < 2 {
            return Err(MetainfoError::PieceLayer);
        }
        let hashes: Vec<Sha256Hash> = octets
            .chunks_exact(32)
            .filter_map(Sha256Hash::from_slice)
            .collect();
        if merkle::root(&hashes, merkle::piece_height(piece_len)) != root {
            return Err(MetainfoError::PieceLayer);
        }
        let end = value.span().end;
        found.push((root, end.saturating_sub(octets.len())..end));
    }
    found.sort_unstable_by_key(|(root, _)| *root);
    found.dedup_by(|(one, _), (two, _)| one == two);
    Ok(found)
}
