//! Messages: structure, fields, what IMAP asks, what attackers send, and what we write.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::cast_possible_truncation,
    reason = "a test fails by panicking"
)]

mod build;
#[path = "../common/mod.rs"]
mod common;
mod fields;
mod hostile;
mod imap;
mod structure;
mod whole;

use proto_mail::message::{Event, Limits, Parser};
use std::fs;
use std::path::{Path, PathBuf};

/// Feeds a message in pieces that `cut` gives the sizes of.
pub(crate) fn feed(
    message: &[u8],
    limits: Limits,
    mut cut: impl FnMut() -> usize,
    mut see: impl FnMut(Event<'_>),
) {
    let mut parser = Parser::new(limits);
    let mut rest = message;
    while !rest.is_empty() {
        let (mut piece, after) = rest.split_at(cut().clamp(1, rest.len()));
        rest = after;
        while let Some(event) = parser.poll_event(&mut piece) {
            see(event);
        }
        assert!(piece.is_empty(), "a piece is taken whole");
    }
    parser.finish();
    while let Some(event) = parser.poll_event(&mut &[][..]) {
        see(event);
    }
    assert!(parser.is_done());
}

/// A folder of the vectors, if it is there.
pub(crate) fn vectors(folder: &str) -> Option<PathBuf> {
    let path = common::vectors().join("mail").join(folder);
    if path.is_dir() {
        return Some(path);
    }
    common::skip(folder);
    None
}

/// All messages that are there: files and their names.
pub(crate) fn corpus() -> Vec<(String, Vec<u8>)> {
    let Some(root) = vectors("messages") else {
        return Vec::new();
    };
    let mut found = Vec::new();
    let mut folders = vec![
        root.clone(),
        vectors("imaptest").unwrap(),
        vectors("james-mpt").unwrap(),
    ];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if has_extension(&path, &["eml", "msg", "txt", "mail", "mbox"]) {
                found.push((path.display().to_string(), fs::read(&path).unwrap()));
            }
        }
    }
    found.sort();
    assert!(found.len() > 100, "{} messages", found.len());
    found
}

pub(crate) fn has_extension(path: &Path, wanted: &[&str]) -> bool {
    path.extension()
        .is_some_and(|extension| wanted.iter().any(|wanted| extension == *wanted))
}

/// Bare line feeds become CRLF.
pub(crate) fn with_crlf(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for &octet in message {
        if octet == b'\n' && out.last() != Some(&b'\r') {
            out.push(b'\r');
        }
        out.push(octet);
    }
    out
}
