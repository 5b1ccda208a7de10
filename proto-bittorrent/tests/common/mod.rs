//! What the tests share.

#![allow(
    dead_code,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use serde_json::Value;
use std::io::Write;
use std::path::PathBuf;

/// A folder of test data made by others; `None`, with a note, where it is not present.
pub(crate) fn vectors(folder: &str) -> Option<PathBuf> {
    let root = std::env::var_os("PROTO_VECTORS").map_or_else(
        || concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/vectors").into(),
        PathBuf::from,
    );
    let path = root.join("bittorrent").join(folder);
    if path.is_dir() {
        return Some(path);
    }
    // Written past the test harness, which keeps what a passing test prints to itself.
    let _ = writeln!(std::io::stderr(), "skipped: vectors/bittorrent/{folder}");
    let all = std::env::var_os("PROTO_REQUIRE_ALL");
    assert!(all.is_none_or(|all| all != "1"), "{folder} is missing");
    None
}

/// The objects of a file with one on each line.
pub(crate) fn objects(path: &std::path::Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines()
        .filter(|line| !line.trim().is_empty())
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// The octets of a field in hexadecimal.
pub(crate) fn hex(value: &Value) -> Vec<u8> {
    let text = value.as_str().unwrap().as_bytes();
    text.chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

/// The content that the recordings and known answers are made of.
pub(crate) fn content(len: usize) -> Vec<u8> {
    (0..len)
        .map(|index| ((index * 7 + 3) % 251) as u8)
        .collect()
}
