//! The documents that are read.

use std::path::PathBuf;

/// Names for [`document`] that are always there.
pub const MADE: [&str; 3] = [
    "torrent of 2000 files, 184 KB",
    "torrent of one file, 20.7 KB",
    "query of the DHT, 95 octets",
];

/// Torrents of others, read from the vectors where those are present.
const FOUND: [&str; 5] = [
    "webtorrent-fixtures/sintel.torrent",
    "libtorrent/test_torrents/large.torrent",
    "webtorrent-fixtures/lots-of-numbers.torrent",
    "libtorrent/test_torrents/v2_multiple_files.torrent",
    "bep52-samples/bittorrent-v2-hybrid-test.torrent",
];

/// The documents that there are: those that are made here, then those of others that were found.
#[must_use]
pub fn labels() -> Vec<&'static str> {
    let found = FOUND.into_iter().filter(|label| path(label).is_file());
    MADE.into_iter().chain(found).collect()
}

/// Torrents of v1 among them, which is what the peers know.
#[must_use]
pub fn torrents() -> Vec<&'static str> {
    let [many, one, _] = MADE;
    let [sintel, large, ..] = FOUND;
    let found = [sintel, large]
        .into_iter()
        .filter(|label| path(label).is_file());
    [many, one].into_iter().chain(found).collect()
}

/// The document of that name.
///
/// # Panics
///
/// When there is none.
#[must_use]
pub fn document(label: &str) -> Vec<u8> {
    let [many, one, query] = MADE;
    match label {
        _ if label == many => torrent(2000, 4000),
        _ if label == one => torrent(1, 1024),
        _ if label == query => get_peers(),
        _ => std::fs::read(path(label)).expect("a document"),
    }
}

fn path(label: &str) -> PathBuf {
    let root = std::env::var_os("PROTO_VECTORS").map_or_else(
        || concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/vectors").into(),
        PathBuf::from,
    );
    root.join("bittorrent/metainfo").join(label)
}

/// A canonical v1 torrent, written by hand, so that it does not depend on what is measured.
fn torrent(files: usize, pieces: usize) -> Vec<u8> {
    let mut out =
        b"d8:announce35:http://tracker.example.org/announce13:creation datei1700000000e".to_vec();
    out.extend_from_slice(b"4:infod");
    if files > 1 {
        out.extend_from_slice(b"5:filesl");
        for file in 0..files {
            let name = format!("file-{file:05}.bin");
            // Two pieces on the average: what one has more, the next has less.
            let len = match file % 2 {
                0 => 524_288 + file,
                _ => 524_289 - file,
            };
            let entry = format!("d6:lengthi{}e4:pathl6:folder{}:{name}ee", len, name.len());
            out.extend_from_slice(entry.as_bytes());
        }
        out.extend_from_slice(b"e4:name6:bundle");
    } else {
        let head = format!("6:lengthi{}e4:name8:file.bin", pieces * 262_144);
        out.extend_from_slice(head.as_bytes());
    }
    out.extend_from_slice(b"12:piece lengthi262144e");
    let len = pieces * 20;
    out.extend_from_slice(format!("6:pieces{len}:").as_bytes());
    out.extend((0..len).map(|at| u8::try_from(at * 7 % 251).unwrap_or(0)));
    out.extend_from_slice(b"ee");
    out
}

/// `get_peers` of BEP 5, as it travels.
fn get_peers() -> Vec<u8> {
    b"d1:ad2:id20:abcdefghij01234567899:info_hash20:mnopqrstuvwxyz123456e1:q9:get_peers1:t2:aa1:y1:qe"
        .to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documents_have_the_sizes_that_their_names_tell() {
        let [many, one, query] = MADE.map(|label| document(label).len());
        assert!((180_000..190_000).contains(&many), "{many}");
        assert!((20_500..21_000).contains(&one), "{one}");
        assert_eq!(query, 95);
    }
}
