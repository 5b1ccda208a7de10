//! `bt_bencode` and `serde_bencode`: values, and torrents by serde.

use super::{Bencode, Digest, Torrents};
use bt_bencode::Value as BtValue;
use bytes::Bytes;
use serde::Deserialize;
use serde_bencode::value::Value as SerdeValue;
use serde_bytes::ByteBuf;

/// bt_bencode.
#[derive(Debug)]
pub struct BtBencode;

/// serde_bencode.
#[derive(Debug)]
pub struct SerdeBencode;

#[derive(Deserialize)]
struct Torrent {
    info: Info,
    #[serde(rename = "announce", default)]
    _announce: Option<String>,
    #[serde(rename = "announce-list", default)]
    _announce_list: Option<Vec<Vec<String>>>,
}

#[derive(Deserialize)]
struct Info {
    pieces: ByteBuf,
    #[serde(rename = "piece length")]
    _piece_length: u32,
    #[serde(rename = "name")]
    _name: String,
    #[serde(default)]
    length: Option<u64>,
    #[serde(default)]
    files: Option<Vec<File>>,
}

#[derive(Deserialize)]
struct File {
    length: u64,
    #[serde(rename = "path")]
    _path: Vec<String>,
    #[serde(default)]
    attr: Option<String>,
}

fn sum(torrent: &Torrent) -> Option<u64> {
    let info = &torrent.info;
    let is_pad = |file: &&File| file.attr.as_ref().is_some_and(|attr| attr.contains('p'));
    let files = info.files.iter().flatten();
    let files: u64 = files
        .filter(|file| !is_pad(file))
        .map(|file| file.length)
        .sum();
    let pieces = u64::try_from(info.pieces.len()).ok()?;
    Some(
        info.length
            .unwrap_or(0)
            .wrapping_add(files)
            .wrapping_add(pieces),
    )
}

fn add_bt(digest: &mut Digest, value: &BtValue) {
    match value {
        BtValue::Int(_) => digest.int(
            value
                .as_u64()
                .map(u64::cast_signed)
                .or_else(|| value.as_i64())
                .unwrap_or(0),
        ),
        BtValue::ByteStr(value) => digest.len(value.len()),
        BtValue::List(items) => {
            digest.container();
            items.iter().for_each(|item| add_bt(digest, item));
        }
        BtValue::Dict(entries) => {
            digest.container();
            for (key, item) in entries {
                digest.len(key.len());
                add_bt(digest, item);
            }
        }
    }
}

fn add_serde(digest: &mut Digest, value: &SerdeValue) {
    match value {
        SerdeValue::Int(value) => digest.int(*value),
        SerdeValue::Bytes(value) => digest.len(value.len()),
        SerdeValue::List(items) => {
            digest.container();
            items.iter().for_each(|item| add_serde(digest, item));
        }
        SerdeValue::Dict(entries) => {
            digest.container();
            for (key, item) in entries {
                digest.len(key.len());
                add_serde(digest, item);
            }
        }
    }
}

impl Bencode for BtBencode {
    const NAME: &'static str = "bt_bencode 0.8.2";

    fn parse(octets: &[u8]) -> Option<u64> {
        let value: BtValue = bt_bencode::from_slice(octets).ok()?;
        u64::try_from(value.as_dict()?.len()).ok()
    }

    fn read(octets: &[u8]) -> Option<u64> {
        let value: BtValue = bt_bencode::from_slice(octets).ok()?;
        let mut digest = Digest::default();
        add_bt(&mut digest, &value);
        Some(digest.0)
    }
}

impl Bencode for SerdeBencode {
    const NAME: &'static str = "serde_bencode 0.2.4";

    fn parse(octets: &[u8]) -> Option<u64> {
        match serde_bencode::from_bytes(octets).ok()? {
            SerdeValue::Dict(entries) => u64::try_from(entries.len()).ok(),
            _ => None,
        }
    }

    fn read(octets: &[u8]) -> Option<u64> {
        let value: SerdeValue = serde_bencode::from_bytes(octets).ok()?;
        let mut digest = Digest::default();
        add_serde(&mut digest, &value);
        Some(digest.0)
    }
}

impl Torrents for BtBencode {
    const NAME: &'static str = "bt_bencode 0.8.2";

    fn load(octets: &Bytes) -> Option<u64> {
        sum(&bt_bencode::from_slice(octets).ok()?)
    }
}

impl Torrents for SerdeBencode {
    const NAME: &'static str = "serde_bencode 0.2.4";

    fn load(octets: &Bytes) -> Option<u64> {
        sum(&serde_bencode::from_bytes(octets).ok()?)
    }
}
