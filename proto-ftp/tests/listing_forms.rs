//! The usual forms of a line have a reader of their own, once the dialect is known. It must read as
//! the reader of all forms does, which has the first line of each listing.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test fails by panicking"
)]

mod common;

use common::{skip, vectors};
use proptest::prelude::*;
use proto_ftp::listing::{Dialect, Entry, Kind, Parser, Precision};
use proto_ftp::wire::{DateTime, parse_facts};
use std::path::Path;

fn today() -> DateTime {
    DateTime::parse(b"20261123000000").unwrap()
}

/// Whether the line is an entry of that dialect.
fn same(line: &[u8], dialect: Dialect) -> bool {
    let as_first = Parser::new(today()).parse_line(line);
    let mut parser = Parser::with_dialect(today(), dialect);
    let as_next = parser.parse_line(line);
    let shown = String::from_utf8_lossy(line);
    if dialect == Dialect::Facts {
        assert_facts(line, as_next);
    } else if let Some(first) = as_first
        && first.dialect == dialect
    {
        assert_eq!(as_next, Some(first), "{shown:?}");
    } else if dialect == Dialect::Unix || as_first.is_none_or(|e| e.dialect != Dialect::Unix) {
        // These two are the first ones that are tried.
        assert_eq!(as_next, None, "{shown:?}");
    }
    as_next.is_some()
}

/// Compares with the facts as the wire layer tells them, by their names.
fn assert_facts(line: &[u8], entry: Option<Entry<'_>>) {
    let shown = String::from_utf8_lossy(line);
    let mut line = line.strip_suffix(b"\n").unwrap_or(line);
    while let Some(shorter) = line.strip_suffix(b"\r") {
        line = shorter;
    }
    let Some(facts) = parse_facts(line).filter(|facts| facts.iter().count() > 0) else {
        assert_eq!(entry, None, "{shown:?}");
        return;
    };
    let entry = entry.unwrap_or_else(|| panic!("no entry: {shown:?}"));
    let last = |names: &[&str]| {
        let is_named = |name: &[u8]| {
            names
                .iter()
                .any(|n| name.eq_ignore_ascii_case(n.as_bytes()))
        };
        let named = facts.iter().filter(|fact| is_named(fact.name));
        named.map(|fact| fact.value).last()
    };
    assert_eq!(entry.name, facts.name, "{shown:?}");
    let size = last(&["size", "sizd"]).map(|digits| {
        let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
        let value = || String::from_utf8_lossy(digits).parse().unwrap_or(u64::MAX);
        is_number.then(value)
    });
    assert_eq!(entry.size, size.flatten(), "{shown:?}");
    let modified = last(&["modify"]).and_then(DateTime::parse);
    assert_eq!(entry.modified.map(|stamp| stamp.at), modified, "{shown:?}");
    assert!(entry.modified.is_none_or(|stamp| {
        (stamp.precision, stamp.offset) == (Precision::Second, Some(0)) && !stamp.is_year_guessed
    }));
    let mode = last(&["unix.mode"]).or_else(|| facts.value(b"perm"));
    assert_eq!(entry.permissions, mode, "{shown:?}");
    let kind = match last(&["type"]).map(<[u8]>::to_ascii_lowercase).as_deref() {
        None | Some(b"file" | b"") => Some(Kind::File),
        Some(b"dir") => Some(Kind::Directory),
        Some(b"cdir") => Some(Kind::Current),
        Some(b"pdir") => Some(Kind::Parent),
        Some(b"link" | b"symlink") => Some(Kind::Link),
        // Links and devices of systems have forms of their own.
        Some(_) => None,
    };
    assert!(
        kind.is_none_or(|kind| kind == entry.kind),
        "{shown:?}: {entry:?}"
    );
}

fn walk(folder: &Path, lines: &mut Vec<Vec<u8>>) {
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        if path.is_dir() {
            walk(&path, lines);
            continue;
        }
        let text = std::fs::read(&path).unwrap();
        lines.extend(text.split(|octet| *octet == b'\n').map(<[u8]>::to_vec));
    }
}

#[test]
fn the_usual_forms_of_the_captured_lines_are_read_as_all_forms_are() {
    let folder = vectors().join("ftp");
    let text = std::fs::read_to_string(folder.join("listing-lines/lines.jsonl"));
    let (Ok(text), true) = (text, folder.join("listing-files").is_dir()) else {
        return skip("ftp/listing-lines and ftp/listing-files");
    };
    let mut lines = Vec::new();
    for case in text.lines() {
        let case: serde_json::Value = serde_json::from_str(case).unwrap();
        lines.extend(case["line"].as_str().map(|line| line.as_bytes().to_vec()));
    }
    walk(&folder.join("listing-files"), &mut lines);
    let mut known = [0, 0, 0];
    for line in &lines {
        let dialects = [Dialect::Unix, Dialect::Dos, Dialect::Facts];
        for (count, dialect) in known.iter_mut().zip(dialects) {
            *count += u32::from(same(line, dialect));
        }
    }
    println!("{} lines: {known:?} of Unix, DOS and MLSD", lines.len());
    assert!(known.iter().all(|count| *count > 20), "{known:?}");
}

/// Words that a line may have in a place, the first ones far more often.
fn word(usual: &'static [&'static str], odd: &'static [&'static str]) -> BoxedStrategy<String> {
    let odd = prop_oneof![
        proptest::sample::select(odd).prop_map(str::to_owned),
        "[0-9]{1,22}",
        "[!-~]{1,12}",
        "[a-z]{1,4}[-/.][0-9a-z]{1,3}[-/.][0-9]{2,4}",
    ];
    let usual = proptest::sample::select(usual).prop_map(str::to_owned);
    prop_oneof![9 => usual, 1 => odd].boxed()
}

const BLANKS: &[&str] = &[" ", "  ", "      ", "             "];
const NAMES: &[&str] = &[
    "name",
    "two words",
    "a -> b",
    "folder/",
    "n",
    "2019",
    "x -> ",
    "12a",
];
const ODD_NAMES: &[&str] = &[
    " x", "12:30 x", "1:02 x", "01:30", "/", "\tx", "", "  ", "2019 x", "\u{e9}",
];

fn unix_line() -> impl Strategy<Value = String> {
    let blank = || word(BLANKS, &["", "\t", " \t", "\r"]);
    let owners = &["ftp", "www-data", "user1", "1000", "0", "a"];
    let odd_owners = &[
        "mai",
        "mar",
        "12",
        "5K",
        "1k",
        "jan-1-05",
        "09-26",
        "user-1",
        "8\u{6708}",
    ];
    (
        (
            word(
                &[
                    "-rw-r--r--",
                    "drwxr-xr-x",
                    "lrwxrwxrwx",
                    "-rwsr-Sr-t",
                    "-rw-r--r--+",
                ],
                &[
                    "-ARTE------",
                    "-ARTE-----+",
                    "crw-rw-rw-",
                    "drwxr-xr-xFTP",
                    "d",
                    "-rw-r--r-",
                    "-rw-r--r--.x",
                ],
            ),
            blank(),
            word(&["1", "12"], &["", "x"]),
            blank(),
            word(owners, odd_owners),
            blank(),
            word(owners, odd_owners),
        ),
        (
            blank(),
            word(&["0", "4096", "123456789", "12"], &["5K", "1,", "2008"]),
            blank(),
            word(
                &["Jan", "feb", "MAY", "Dec"],
                &["mai", "M\u{e4}r", "Nov.", "12"],
            ),
            word(
                &[" 11 ", "  2 ", " 29 ", " 31 ", "  9 "],
                &[" 00 ", " 2 ", " 32 ", " 9, ", " "],
            ),
            word(
                &["12:34", "2018", " 2019", "23:59"],
                &["24:00", "25:00", "1:30", "12:34:56", "0000"],
            ),
            blank(),
            word(NAMES, ODD_NAMES),
        ),
    )
        .prop_map(|((a, b, c, d, e, f, g), (h, i, j, k, l, m, n, o))| {
            format!("{a}{b}{c}{d}{e}{f}{g}{h}{i}{j}{k}{l}{m}{n}{o}")
        })
}

fn dos_line() -> impl Strategy<Value = String> {
    (
        word(
            &["04-27-00", "11-30-1999", "02-29-04"],
            &["27-04-00", "2004-02-29", "1-1-99", "02-29-03"],
        ),
        word(&["  ", "   "], &[" ", "\t"]),
        word(
            &["09:09PM", "12:00AM"],
            &[
                "13:00PM", "00:00AM", "9:09PM", "09:09", "09:60PM", "09:09pm",
            ],
        ),
        word(BLANKS, &["", " AM ", "\t"]),
        word(&["<DIR>", "1234", "0"], &["<JUNCTION>", "9,730", "<DIR>x"]),
        word(BLANKS, &["", "\t", " \t"]),
        word(NAMES, ODD_NAMES),
    )
        .prop_map(|(a, b, c, d, e, f, g)| format!("{a}{b}{c}{d}{e}{f}{g}"))
}

fn facts_line() -> impl Strategy<Value = String> {
    let name = word(
        &[
            "type",
            "size",
            "modify",
            "perm",
            "unique",
            "UNIX.mode",
            "Unix.Owner",
            "Size",
            "TYPE",
            "Modify",
        ],
        &[
            "sizd",
            "unix.mod",
            "unix.modes",
            "typ",
            "types",
            "",
            "x y",
            "unix.groupname",
            "t\u{19}pe",
        ],
    );
    let value = word(
        &[
            "file",
            "dir",
            "1234",
            "20181105163248",
            "20181105163248.123",
            "0644",
            "",
            "cdir",
        ],
        &[
            "OS.unix=slink:/x",
            "2018110516324",
            "20181305163248",
            "201811051632480",
            "a b",
            "=",
            "Dir",
            "symlink",
        ],
    );
    let fact = (
        name,
        word(&["="], &["", "=="]),
        value,
        word(&[";"], &["", ";;"]),
    );
    let fact = fact.prop_map(|(a, b, c, d)| format!("{a}{b}{c}{d}"));
    (
        proptest::collection::vec(fact, 0..6),
        word(&[" "], &["", "  "]),
        word(NAMES, ODD_NAMES),
    )
        .prop_map(|(facts, blank, name)| format!("{}{blank}{name}", facts.concat()))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn usual_forms_of_made_lines_are_read_as_all_forms_are(
        line in prop_oneof![unix_line(), dos_line(), facts_line()],
        change in proptest::option::weighted(0.2, (any::<proptest::sample::Index>(), any::<u8>())),
    ) {
        let mut line = line.into_bytes();
        if let Some((place, octet)) = change && !line.is_empty() {
            let at = place.index(line.len());
            line[at] = octet;
        }
        for dialect in [Dialect::Unix, Dialect::Dos, Dialect::Facts] {
            same(&line, dialect);
        }
    }
}
