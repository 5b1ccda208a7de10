//! Every input that a fuzz run kept, on stable, as part of plain `cargo test`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use fuzz_bodies::{Body, TARGETS};
use std::collections::BTreeSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

fn fuzz_dir() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Files of a folder in the order of their names; none when there is no such folder.
fn files(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(dir) else {
        return Vec::new();
    };
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn names(dir: &str) -> BTreeSet<String> {
    files(&fuzz_dir().join(dir))
        .iter()
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect()
}

/// Runs one body on each file and returns how many there were, and the files that it panicked on.
fn replay(body: Body, files: &[PathBuf]) -> Vec<&PathBuf> {
    let panics = |path: &&PathBuf| {
        let data = fs::read(path).unwrap();
        catch_unwind(AssertUnwindSafe(|| body(&data))).is_err()
    };
    files.iter().filter(panics).collect()
}

#[test]
fn every_fuzz_target_has_a_body_in_the_list_and_every_body_a_target() {
    let listed: BTreeSet<_> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(listed.len(), TARGETS.len(), "a name is listed twice");
    assert_eq!(names("fuzz_targets"), listed);
    for name in &listed {
        let path = fuzz_dir().join("fuzz_targets").join(format!("{name}.rs"));
        let source = fs::read_to_string(path).unwrap();
        let call = format!("fuzz_bodies::{name}(data)");
        assert!(source.contains(&call), "{name} does not call {call}");
    }
}

#[test]
fn corpora_and_regressions_of_all_targets_replay() {
    let mut found = Vec::new();
    for (name, body) in TARGETS {
        let corpus = files(&fuzz_dir().join("corpus").join(name));
        assert!(!corpus.is_empty(), "{name} has no corpus");
        let regressions = files(&fuzz_dir().join("regressions").join(name));
        found.extend(replay(*body, &corpus).into_iter().cloned());
        found.extend(replay(*body, &regressions).into_iter().cloned());
    }
    assert!(
        found.is_empty(),
        "these inputs make their bodies panic: {found:#?}"
    );
    let listed: BTreeSet<_> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert!(
        names("corpus").is_subset(&listed),
        "a corpus without a target"
    );
    assert!(
        names("regressions").is_subset(&listed),
        "regressions without a target"
    );
}
