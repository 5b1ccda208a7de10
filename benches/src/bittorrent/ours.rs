//! `proto-bittorrent`.

use super::{Bencode, Digest, Torrents};
use bytes::Bytes;
use proto_bittorrent::bencode::{Doc, Kind, Limits, Mode, Value};
use proto_bittorrent::metainfo::{self, Metainfo};

/// This workspace.
#[derive(Debug)]
pub struct Ours;

fn add(digest: &mut Digest, value: Value<'_>) {
    match value.kind() {
        Kind::Int => digest.int(value.as_int().unwrap_or(0)),
        Kind::Bytes => digest.len(value.as_bytes().map_or(0, <[u8]>::len)),
        Kind::List => {
            digest.container();
            for item in value.items() {
                add(digest, item);
            }
        }
        Kind::Dict => {
            digest.container();
            for (key, item) in value.entries() {
                digest.len(key.len());
                add(digest, item);
            }
        }
    }
}

impl Bencode for Ours {
    const NAME: &'static str = "proto-bittorrent";

    fn parse(octets: &[u8]) -> Option<u64> {
        let doc = Doc::parse(octets, Mode::Strict, &Limits::default()).ok()?;
        u64::try_from(doc.root().entries().count()).ok()
    }

    fn read(octets: &[u8]) -> Option<u64> {
        let doc = Doc::parse(octets, Mode::Strict, &Limits::default()).ok()?;
        let mut digest = Digest::default();
        add(&mut digest, doc.root());
        Some(digest.0)
    }
}

impl Torrents for Ours {
    const NAME: &'static str = "proto-bittorrent";

    fn load(octets: &Bytes) -> Option<u64> {
        let torrent = Metainfo::parse(octets.clone(), &metainfo::Limits::default()).ok()?;
        let files = torrent.files().map(|file| file.len()).sum::<u64>();
        Some(files.wrapping_add(u64::from(torrent.piece_count()) * 20))
    }
}
