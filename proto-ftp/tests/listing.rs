//! Listings of real systems: single lines with what they mean, and whole captured directories.
//!
//! The lines and files are test data of others, read from outside of the tree; where our reading
//! differs from theirs on purpose, a waiver says why.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod common;

use base64::Engine as _;
use common::{skip, vectors};
use proto_ftp::listing::{Dialect, Entry, Item, Kind, Parser};
use proto_ftp::wire::DateTime;
use serde_json::Value;
use std::collections::BTreeMap;

/// Cases that are read otherwise here, with the reason.
const WAIVERS: &[(&str, &str)] = &[
    (
        "commons-net-078",
        "a field that is odd spoils the other fields of a line for them, not for us",
    ),
    (
        "commons-net-079",
        "a field that is odd spoils the other fields of a line for them, not for us",
    ),
    (
        "commons-net-083",
        "a field that is odd spoils the other fields of a line for them, not for us",
    ),
    (
        "commons-net-084",
        "a month that is none costs the entry its time, not its name",
    ),
    (
        "commons-net-127",
        "a heading, which their parser takes for what tells the kind of listing",
    ),
    (
        "commons-net-138",
        "a heading, which their parser takes for what tells the kind of listing",
    ),
    (
        "commons-net-156",
        "a line of another system, which each parser of theirs has to refuse by itself",
    ),
    (
        "commons-net-209",
        "a line of another system, which each parser of theirs has to refuse by itself",
    ),
    (
        "commons-net-213",
        "a line of another system, which each parser of theirs has to refuse by itself",
    ),
    (
        "commons-net-215",
        "a line of another system, which each parser of theirs has to refuse by itself",
    ),
    (
        "commons-net-217",
        "a line of another system, which each parser of theirs has to refuse by itself",
    ),
    (
        "commons-net-219",
        "a line of another system, which each parser of theirs has to refuse by itself",
    ),
    (
        "commons-net-236",
        "a fact that is no time is passed over; the name is still good",
    ),
    (
        "filezilla-038",
        "the version is no part of the name here: without it the newest is meant",
    ),
    (
        "filezilla-042",
        "the version is no part of the name here: without it the newest is meant",
    ),
    (
        "filezilla-043",
        "the version is no part of the name here: without it the newest is meant",
    ),
    (
        "filezilla-057",
        "the version is no part of the name here: without it the newest is meant",
    ),
    (
        "filezilla-066",
        "members of a partitioned data set have names of eight characters at most",
    ),
    (
        "filezilla-068",
        "members of a partitioned data set have names of eight characters at most",
    ),
    ("fluentftp-018", "a device is an entry, of a special kind"),
    (
        "fluentftp-057",
        "blocks of 512 octets: the size is in octets here",
    ),
    (
        "fluentftp-060",
        "blocks of 512 octets: the size is in octets here",
    ),
    (
        "fluentftp-062",
        "blocks of 512 octets: the size is in octets here",
    ),
    (
        "fluentftp-063",
        "blocks of 512 octets: the size is in octets here",
    ),
    (
        "fluentftp-064",
        "blocks of 512 octets: the size is in octets here",
    ),
    (
        "fluentftp-065",
        "blocks of 512 octets: the size is in octets here",
    ),
    (
        "fluentftp-066",
        "blocks of 512 octets: the size is in octets here",
    ),
    (
        "fluentftp-067",
        "blocks of 512 octets: the size is in octets here",
    ),
    (
        "fluentftp-068",
        "blocks of 512 octets: the size is in octets here",
    ),
    (
        "fluentftp-070",
        "blocks of 512 octets: the size is in octets here",
    ),
    (
        "fluentftp-071",
        "blocks of 512 octets: the size is in octets here",
    ),
    (
        "fluentftp-077",
        "blocks of 512 octets: the size is in octets here",
    ),
    (
        "fluentftp-086",
        "day or month first: one line alone does not tell",
    ),
    (
        "fluentftp-088",
        "day or month first: one line alone does not tell",
    ),
    (
        "jlaffaye-009",
        "a day in the future belongs to the year before here",
    ),
    ("jlaffaye-030", "they know fewer systems: this is NetWare"),
];

struct Case {
    id: String,
    source: String,
    format: String,
    line: Vec<u8>,
    now: DateTime,
    expect: Value,
}

fn cases() -> Option<Vec<Case>> {
    let path = vectors().join("ftp/listing-lines/lines.jsonl");
    let Ok(text) = std::fs::read_to_string(path) else {
        skip("ftp/listing-lines");
        return None;
    };
    let text_of = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let case = |line: &str| {
        let value: Value = serde_json::from_str(line).unwrap();
        let octets = match value["line_b64"].as_str() {
            Some(text) => base64::engine::general_purpose::STANDARD
                .decode(text)
                .unwrap(),
            None => value["line"].as_str().unwrap().as_bytes().to_vec(),
        };
        let digits: String = text_of(&value["now"])
            .chars()
            .filter(char::is_ascii_digit)
            .collect();
        Case {
            id: text_of(&value["id"]),
            source: text_of(&value["source"]),
            format: text_of(&value["format"]),
            line: octets,
            now: DateTime::parse(digits.as_bytes())
                .unwrap_or_else(|| DateTime::parse(b"20261123000000").unwrap()),
            expect: value["expect"].clone(),
        }
    };
    Some(text.lines().map(case).collect())
}

/// What no parser can tell from one line alone, and is told: the dialects of a system, of which one
/// has to know the line.
fn forced(format: &str) -> &'static [Dialect] {
    match format {
        "MVS" | "mvs" | "ibmzos" => &[Dialect::Mvs, Dialect::MvsMember, Dialect::Jes],
        "ZVM" => &[Dialect::VmCms],
        "HPNONSTOP" | "nonstop" => &[Dialect::NonStop],
        _ => &[],
    }
}

fn number(value: &Value) -> Option<i64> {
    value.as_i64()
}

/// What differs from the expectation.
fn check(case: &Case, entry: Option<&Entry<'_>>) -> Result<(), String> {
    let expect = &case.expect;
    let is_reject = expect["reject"].as_bool() == Some(true) || expect["reject"].is_string();
    let Some(entry) = entry else {
        return if is_reject {
            Ok(())
        } else {
            Err("no entry".into())
        };
    };
    if is_reject {
        return Err(format!("an entry: {entry:?}"));
    }
    let name = String::from_utf8_lossy(entry.name).into_owned();
    if let Some(want) = expect["name"].as_str()
        && want != name
    {
        return Err(format!("name {name:?}, not {want:?}"));
    }
    if let Some(want) = number(&expect["size"])
        && want > 0
        && entry.size.map(i64::try_from) != Some(Ok(want))
    {
        return Err(format!("size {:?}, not {want}", entry.size));
    }
    let kind = expect["kind"].as_str();
    let is_dir = expect["dir"]
        .as_bool()
        .or(kind.map(|kind| matches!(kind, "folder" | "dir" | "directory")));
    let is_link = expect["link"].as_bool().or(kind.map(|kind| kind == "link"));
    // A link that says it leads to a directory is both for some; a link is a link here.
    if is_link == Some(true) && entry.kind != Kind::Link {
        return Err(format!("{:?}, not a link", entry.kind));
    }
    if is_link != Some(true)
        && let Some(is_dir) = is_dir
        && is_dir != entry.is_directory()
    {
        return Err(format!("{:?}, directory: {is_dir}", entry.kind));
    }
    if let Some(want) = expect["target"].as_str()
        && entry.target != Some(want.as_bytes())
    {
        return Err(format!("target {:?}, not {want}", entry.target));
    }
    if case.source == "filezilla" {
        let perms = expect["perms"].as_str().unwrap_or_default();
        let found = String::from_utf8_lossy(entry.permissions.unwrap_or_default()).into_owned();
        if !perms.is_empty() && found != perms && !perms.contains(&found) {
            return Err(format!("permissions {found:?}, not {perms:?}"));
        }
        let owner = expect["owner_group"].as_str().unwrap_or_default();
        let found = String::from_utf8_lossy(entry.owner.unwrap_or_default()).into_owned();
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        if words(owner) != words(&found) {
            return Err(format!("owner {found:?}, not {owner:?}"));
        }
    }
    check_time(case, entry)
}

fn check_time(case: &Case, entry: &Entry<'_>) -> Result<(), String> {
    let expect = &case.expect;
    let mut want: Vec<Option<i64>> = match (&expect["mtime"], expect["mtime_raw"].as_str()) {
        (Value::Array(fields), _) => fields.iter().map(number).collect(),
        (_, Some(raw)) => raw
            .split(',')
            .map(|field| field.trim().parse().ok())
            .collect(),
        _ => return Ok(()),
    };
    // `1, 1, 1`: none.
    if want.first() == Some(&Some(1)) || want.len() < 3 || want[1].is_none() {
        return Ok(());
    }
    let Some(stamp) = entry.modified else {
        return Err("no time".into());
    };
    want.truncate(6);
    let at = stamp.at;
    let found = [
        i64::from(at.year),
        at.month.into(),
        at.day.into(),
        at.hour.into(),
        at.minute.into(),
        at.second.into(),
    ];
    // Zones are told apart from the time here: expectations that are shifted are compared shifted.
    let shifted = stamp.offset.map(|minutes| {
        let at = DateTime::from_unix(at.to_unix() - i64::from(minutes) * 60);
        [
            i64::from(at.year),
            at.month.into(),
            at.day.into(),
            at.hour.into(),
            at.minute.into(),
            at.second.into(),
        ]
    });
    let fits = |found: &[i64; 6]| {
        want.iter()
            .zip(found)
            .all(|(want, found)| want.is_none_or(|want| want == *found))
    };
    if fits(&found) || shifted.as_ref().is_some_and(fits) {
        return Ok(());
    }
    Err(format!("time {found:?}, not {want:?}"))
}

/// The original assertions as text: the name and the size have to occur in them.
fn check_words(case: &Case, entry: Option<&Entry<'_>>) -> Result<(), String> {
    let words = case.expect.to_string();
    let Some(entry) = entry else {
        return if words.contains("is_err") || words.contains("[]") || words.contains("null") {
            Ok(())
        } else {
            Err(format!("no entry: {words}"))
        };
    };
    let name = String::from_utf8_lossy(entry.name);
    let has_name = words.contains("name");
    if has_name && !words.contains(&*name) {
        return Err(format!("name {name:?} is not in {words}"));
    }
    let size = entry.size.unwrap_or(0).to_string();
    if words.contains("size") && size != "0" && !words.contains(&size) {
        return Err(format!("size {size} is not in {words}"));
    }
    Ok(())
}

#[test]
fn each_line_of_the_corpora_is_read_as_its_source_says() {
    let Some(cases) = cases() else { return };
    let mut wrong = Vec::new();
    let mut counts = BTreeMap::new();
    for case in &cases {
        let entry = forced(&case.format)
            .iter()
            .find_map(|dialect| Parser::with_dialect(case.now, *dialect).parse_line(&case.line))
            .or_else(|| Parser::new(case.now).parse_line(&case.line));
        let expect = &case.expect;
        let result = if expect["asserts"].is_array() || expect["node"].is_string() {
            check_words(case, entry.as_ref())
        } else {
            check(case, entry.as_ref())
        };
        let waiver = WAIVERS.iter().find(|(id, _)| *id == case.id);
        let count: &mut [u32; 2] = counts.entry(case.source.clone()).or_default();
        match (result, waiver) {
            (Ok(()), None) => count[0] += 1,
            (Err(_), Some(_)) => count[1] += 1,
            (Ok(()), Some(_)) => wrong.push(format!("{}: needs no waiver", case.id)),
            (Err(why), None) => wrong.push(format!(
                "{} ({}): {why}\n      {}",
                case.id,
                case.format,
                String::from_utf8_lossy(&case.line)
            )),
        }
    }
    for (source, [good, waived]) in &counts {
        println!("{source}: {good} as expected, {waived} waived");
    }
    assert!(
        wrong.is_empty(),
        "{} cases:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

fn entries(parser: &mut Parser, octets: &[u8]) -> Vec<String> {
    let mut rest = octets;
    let mut found = Vec::new();
    while let Some((len, item)) = parser.next(rest, true) {
        found.push(format!("{item:?}"));
        rest = &rest[len..];
    }
    assert!(rest.is_empty());
    found
}

/// Whole captured listings: read the same in any cuts, and as ftpparse reads them where that knows
/// the system.
#[test]
fn captured_directories_are_read_in_any_cuts_and_as_ftpparse_does() {
    let folder = vectors().join("ftp/listing-files/indy");
    let Ok(files) = std::fs::read_dir(folder) else {
        return skip("ftp/listing-files");
    };
    let today = DateTime::parse(b"20261123000000").unwrap();
    let (mut same, mut ours_alone, mut theirs_alone, mut files_read) = (0, 0, 0, 0);
    let mut differ = Vec::new();
    for file in files {
        let path = file.unwrap().path();
        let text = std::fs::read(&path).unwrap();
        files_read += 1;
        let whole = entries(&mut Parser::new(today), &text);
        for step in [1, 7, 64] {
            let mut parser = Parser::new(today);
            let (mut held, mut found) = (Vec::new(), Vec::new());
            for (at, piece) in text.chunks(step).enumerate() {
                held.extend_from_slice(piece);
                let is_end = (at + 1) * step >= text.len();
                while let Some((len, item)) = parser.next(&held, is_end) {
                    found.push(format!("{item:?}"));
                    held.drain(..len);
                }
            }
            assert!(found == whole, "{} by {step}", path.display());
        }
        let oracle = path
            .parent()
            .unwrap()
            .with_file_name("indy-ftpparse-oracle")
            .join(format!(
                "{}.ftpparse",
                path.file_name().unwrap().to_str().unwrap()
            ));
        let Ok(oracle) = std::fs::read(&oracle) else {
            continue;
        };
        let mut parser = Parser::new(today);
        for (line, theirs) in text
            .split(|octet| *octet == b'\n')
            .zip(oracle.split(|octet| *octet == b'\n'))
        {
            let entry = parser.parse_line(line);
            match (entry, theirs == b"-" || theirs.is_empty()) {
                (None, true) => {}
                (Some(_), true) => ours_alone += 1,
                (None, false) => theirs_alone += 1,
                (Some(entry), false) => {
                    let fields: Vec<&[u8]> = theirs.splitn(7, |octet| *octet == b' ').collect();
                    let name = fields.get(6).copied().unwrap_or_default();
                    if name == entry.name || entry.dialect != Dialect::Unix {
                        same += 1;
                    } else {
                        differ.push(format!(
                            "{}: {:?} for {:?}",
                            path.display(),
                            String::from_utf8_lossy(entry.name),
                            String::from_utf8_lossy(name)
                        ));
                    }
                }
            }
        }
    }
    println!(
        "{files_read} files: {same} lines as ftpparse, {ours_alone} that it does not know, \
         {theirs_alone} that we do not, {} otherwise",
        differ.len()
    );
    for line in differ.iter().take(40) {
        println!("  {line}");
    }
    assert!(files_read > 200 && same > 1000, "{files_read} {same}");
    assert!(theirs_alone * 50 < same, "{theirs_alone}");
    assert!(differ.len() * 50 < same, "{}", differ.len());
}

/// Every dialect is met in the captured listings, by name of the file.
#[test]
fn each_system_of_the_captured_listings_is_known() {
    let folder = vectors().join("ftp/listing-files/indy");
    let Ok(files) = std::fs::read_dir(folder) else {
        return skip("ftp/listing-files");
    };
    let today = DateTime::parse(b"20261123000000").unwrap();
    let mut systems: BTreeMap<String, [u32; 2]> = BTreeMap::new();
    for file in files {
        let path = file.unwrap().path();
        let text = std::fs::read(&path).unwrap();
        let system = path.file_stem().unwrap().to_str().unwrap();
        let system = system.split('-').next().unwrap().to_owned();
        let count = systems.entry(system).or_default();
        let mut parser = Parser::new(today);
        let mut rest = &text[..];
        while let Some((len, item)) = parser.next(rest, true) {
            match item {
                Item::Entry(_) => count[0] += 1,
                Item::Other(line) if line.trim_ascii().is_empty() || line.starts_with(b"#") => {}
                _ => count[1] += 1,
            }
            rest = &rest[len..];
        }
    }
    for (system, [known, unknown]) in &systems {
        println!("{system}: {known} entries, {unknown} other lines");
    }
    for system in [
        "AS400",
        "EPLF",
        "HP3000",
        "MLSD_MLSD",
        "MS",
        "MVS",
        "MVS_PDS",
        "Mac",
        "Novel",
        "OS2",
        "SterComEntUnix",
        "StratusVOS",
        "Tandem",
        "Unix",
        "Unitree",
        "VMS",
        "VM_CMS",
        "WfFTP",
    ] {
        let [known, unknown] = systems[system];
        // Small ones are headings for the most part.
        assert!(
            known > unknown || known >= 7 || system == "OS2",
            "{system}: {known}, {unknown}"
        );
    }
}
