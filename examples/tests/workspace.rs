//! What the house promises about its own structure, checked over `cargo metadata`: no edges between
//! protocol crates, no runtime under them, no std in them when it is switched off, licences that
//! everybody may use, one version of each dependency.

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, PackageId};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

const PROTO_CRATES: [&str; 5] = [
    "proto-http2",
    "proto-ftp",
    "proto-mail",
    "proto-dns",
    "proto-bittorrent",
];

/// Crates that would tie a machine to a runtime or to an operating system.
const FORBIDDEN: [&str; 12] = [
    "tokio",
    "mio",
    "socket2",
    "async-std",
    "async-io",
    "smol",
    "polling",
    "rustix",
    "libc",
    "getrandom",
    "windows-sys",
    "log",
];

/// SPDX identifiers that a dependency may be used under.
const LICENCES: [&str; 8] = [
    "MIT",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "Zlib",
    "Unicode-3.0",
    "Unlicense",
];

/// Crates that are there in two versions, and why that is accepted.
const DUPLICATES: [(&str, &str); 1] = [(
    "getrandom",
    "ring 0.17 is on 0.2; the examples and tempfile are on the current one",
)];

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn metadata() -> Metadata {
    MetadataCommand::new()
        .current_dir(root())
        .other_options(vec![
            "--locked".into(),
            "--filter-platform".into(),
            "x86_64-unknown-linux-gnu".into(),
        ])
        .exec()
        .expect("cargo metadata")
}

fn cargo_tree(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO"))
        .current_dir(root())
        .args(["tree", "--locked", "--prefix", "none"])
        .args(arguments)
        .output()
        .expect("cargo tree");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// Everything that `roots` reach by edges of the given kinds, the roots included.
fn reach(
    metadata: &Metadata,
    roots: impl IntoIterator<Item = PackageId>,
    kinds: &[DependencyKind],
) -> BTreeSet<PackageId> {
    let resolve = metadata.resolve.as_ref().expect("a resolved graph");
    let nodes: BTreeMap<_, _> = resolve.nodes.iter().map(|node| (&node.id, node)).collect();
    let mut seen = BTreeSet::new();
    let mut open: Vec<_> = roots.into_iter().collect();
    while let Some(id) = open.pop() {
        let follow = |dep: &&cargo_metadata::NodeDep| {
            dep.dep_kinds.iter().any(|dep| kinds.contains(&dep.kind))
        };
        open.extend(
            nodes[&id]
                .deps
                .iter()
                .filter(follow)
                .map(|dep| dep.pkg.clone())
                .filter(|id| !seen.contains(id)),
        );
        seen.insert(id);
    }
    seen
}

fn id(metadata: &Metadata, name: &str) -> PackageId {
    let mut found = metadata
        .workspace_packages()
        .into_iter()
        .filter(|package| package.name.as_str() == name);
    found.next().expect("a workspace member").id.clone()
}

/// What reaches users: all members but the benchmarks, whose peers are their own affair.
fn shipped(metadata: &Metadata, kinds: &[DependencyKind]) -> BTreeSet<PackageId> {
    let roots = metadata
        .workspace_packages()
        .into_iter()
        .filter(|package| package.name.as_str() != "benches")
        .map(|package| package.id.clone());
    reach(metadata, roots, kinds)
}

#[test]
fn protocol_crates_have_no_edges_among_themselves_and_reach_no_runtime() {
    let metadata = metadata();
    for name in PROTO_CRATES {
        let reached = reach(
            &metadata,
            [id(&metadata, name)],
            &[DependencyKind::Normal, DependencyKind::Build],
        );
        let names: BTreeSet<_> = reached
            .iter()
            .map(|id| metadata[id].name.as_str())
            .collect();
        assert!(names.contains(name));
        for other in PROTO_CRATES.iter().chain(["netio"].iter()) {
            assert!(
                *other == name || !names.contains(other),
                "{name} depends on {other}"
            );
        }
        // Procedural macros run in the compiler; what they link is no part of the crate.
        let runtime: BTreeSet<_> = reach_at_run_time(&metadata, name);
        for forbidden in FORBIDDEN {
            assert!(!runtime.contains(forbidden), "{name} reaches {forbidden}");
        }
    }
}

/// The names of what `name` links, procedural macros and what they need left out.
fn reach_at_run_time(metadata: &Metadata, name: &str) -> BTreeSet<String> {
    let resolve = metadata.resolve.as_ref().expect("a resolved graph");
    let mut seen = BTreeSet::new();
    let mut open = vec![id(metadata, name)];
    while let Some(id) = open.pop() {
        let is_macro = metadata[&id]
            .targets
            .iter()
            .any(cargo_metadata::Target::is_proc_macro);
        if is_macro || !seen.insert(id.clone()) {
            continue;
        }
        let node = resolve
            .nodes
            .iter()
            .find(|node| node.id == id)
            .expect("a node");
        open.extend(
            node.deps
                .iter()
                .filter(|dep| {
                    dep.dep_kinds
                        .iter()
                        .any(|dep| dep.kind == DependencyKind::Normal)
                })
                .map(|dep| dep.pkg.clone()),
        );
    }
    seen.iter()
        .map(|id| metadata[id].name.to_string())
        .collect()
}

#[test]
fn without_default_features_no_dependency_of_a_protocol_crate_has_std() {
    for name in PROTO_CRATES {
        let tree = cargo_tree(&[
            "--package",
            name,
            "--no-default-features",
            "--edges",
            "normal,no-proc-macro",
            "--format",
            "{p} [{f}]",
        ]);
        assert!(tree.starts_with(name), "{tree}");
        for line in tree.lines() {
            let features = line.rsplit_once('[').map_or("", |(_, features)| features);
            let features: Vec<_> = features
                .trim_end_matches(['(', '*', ')', ' ', ']'])
                .split(',')
                .collect();
            assert!(!features.contains(&"std"), "{name} without std has: {line}");
        }
    }
}

#[test]
fn every_dependency_has_a_licence_that_anybody_may_use() {
    let metadata = metadata();
    let all = [
        DependencyKind::Normal,
        DependencyKind::Build,
        DependencyKind::Development,
    ];
    for id in shipped(&metadata, &all) {
        let package = &metadata[&id];
        let text = package
            .license
            .as_deref()
            .unwrap_or("none")
            .replace('/', " OR ");
        let licence = spdx::Expression::parse(&text)
            .unwrap_or_else(|error| panic!("{}: {text}: {error}", package.name));
        let allowed = licence.evaluate(|requirement| {
            let name = requirement.license.id().map(|id| id.name);
            name.is_some_and(|name| LICENCES.contains(&name))
        });
        assert!(allowed, "{} is under {text}", package.name);
    }
}

#[test]
fn every_dependency_is_there_in_one_version() {
    // Not from the metadata: those list optional dependencies that nothing switches on.
    let tree = cargo_tree(&[
        "--workspace",
        "--exclude",
        "benches",
        "--edges",
        "normal",
        "--format",
        "{p}",
    ]);
    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for line in tree.lines() {
        let mut words = line.split(' ');
        if let (Some(name), Some(version)) = (words.next(), words.next()) {
            versions.entry(name).or_default().insert(version);
        }
    }
    assert!(versions.contains_key("bytes"), "{tree}");
    for (name, versions) in &versions {
        let accepted = DUPLICATES.iter().any(|(accepted, _)| accepted == name);
        assert_eq!(versions.len() > 1, accepted, "{name}: {versions:?}");
    }
}

#[test]
fn members_share_one_version_one_edition_and_the_lints() {
    let metadata = metadata();
    let packages = metadata.workspace_packages();
    assert_eq!(packages.len(), PROTO_CRATES.len() + 4);
    for package in packages {
        assert_eq!(package.version.to_string(), "0.1.0", "{}", package.name);
        assert_eq!(
            package.edition,
            cargo_metadata::Edition::E2024,
            "{}",
            package.name
        );
        assert_eq!(
            package.license.as_deref(),
            Some("MIT OR Apache-2.0"),
            "{}",
            package.name
        );
        assert_eq!(
            package
                .rust_version
                .as_ref()
                .map(ToString::to_string)
                .as_deref(),
            Some("1.88.0"),
            "{}",
            package.name
        );
        assert_eq!(
            package.publish.as_deref(),
            Some(&[][..]),
            "{} could be published",
            package.name
        );
        let manifest = std::fs::read_to_string(&package.manifest_path).expect("a manifest");
        if PROTO_CRATES.contains(&package.name.as_str()) || package.name.as_str() == "netio" {
            assert!(
                manifest.contains("[lints]\nworkspace = true"),
                "{}",
                package.name
            );
            let lib = package.manifest_path.with_file_name("src").join("lib.rs");
            let lib = std::fs::read_to_string(lib).expect("a library");
            assert!(lib.contains("#![forbid(unsafe_code)]"), "{}", package.name);
        }
    }
}
