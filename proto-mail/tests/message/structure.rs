//! Messages of others, with the structure that others see in them.

use crate::{corpus, feed, has_extension, vectors, with_crlf};
use proto_mail::message::{
    Encoding, Event, Kind, Limits, OctetsKind, PartId, TransferDecoder, Tree,
};
use std::fs;
use std::path::PathBuf;

/// The events as text, octets of a kind put together. Checks that they give the message.
fn trace(message: &[u8], cut: impl FnMut() -> usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut run: Option<(OctetsKind, u64, Vec<u8>)> = None;
    let mut seen = Vec::new();
    let mut open = 0;
    feed(message, Limits::default(), cut, |event| {
        if let Event::Octets { kind, offset, data } = event {
            assert_eq!(offset, seen.len() as u64);
            assert!(!data.is_empty());
            seen.extend_from_slice(data);
            match &mut run {
                Some((last, _, octets)) if *last == kind => octets.extend_from_slice(data),
                _ => {
                    if let Some(run) = run.replace((kind, offset, data.to_vec())) {
                        lines.push(format!("{run:?}"));
                    }
                }
            }
            return;
        }
        if let Some(run) = run.take() {
            lines.push(format!("{run:?}"));
        }
        match event {
            Event::PartBegin { .. } => open += 1,
            Event::PartEnd(_) => open -= 1,
            Event::Field(field) => {
                assert_eq!(field.offset(), seen.len() as u64);
                seen.extend_from_slice(field.raw());
            }
            Event::HeaderEnd { offset, data, .. } | Event::Delimiter { offset, data, .. } => {
                assert_eq!(offset, seen.len() as u64);
                seen.extend_from_slice(data);
            }
            _ => {}
        }
        lines.push(format!("{event:?}"));
    });
    assert_eq!(seen, message, "the events give the message");
    assert_eq!(open, 0, "every entity that begins ends");
    lines
}

#[test]
fn events_give_the_message_and_do_not_depend_on_how_it_is_cut() {
    for (name, message) in corpus() {
        for message in [with_crlf(&message), message] {
            let whole = trace(&message, || usize::MAX);
            for size in [1, 2, 3, 7, 4096] {
                let cut = trace(&message, || size);
                assert!(
                    cut == whole,
                    "{name} in pieces of {size}:\n{cut:#?}\n{whole:#?}"
                );
            }
            let mut state = 1_u32;
            let random = trace(&message, || {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 24) as usize % 90
            });
            assert!(random == whole, "{name} in pieces of any size");
        }
    }
}

#[test]
fn a_small_message_may_be_cut_in_two_anywhere() {
    for (name, message) in corpus() {
        if message.len() > 3000 {
            continue;
        }
        let whole = trace(&message, || usize::MAX);
        for at in 1..message.len() {
            let mut is_first = true;
            let cut = trace(&message, || {
                if std::mem::take(&mut is_first) {
                    at
                } else {
                    usize::MAX
                }
            });
            assert!(cut == whole, "{name} cut at {at}:\n{cut:#?}\n{whole:#?}");
        }
    }
}

/// The event stream of james-mime4j, as its tests write it down.
fn mime4j_xml(message: &[u8], limits: Limits) -> String {
    enum Open {
        Message,
        Multipart,
        BodyPart,
    }
    let mut xml = Vec::new();
    let mut open = Vec::new();
    let mut last: Option<OctetsKind> = None;
    let mut kinds: Vec<Kind> = Vec::new();
    let escape = |data: &[u8], xml: &mut Vec<u8>| {
        for octet in data {
            match octet {
                b'&' => xml.extend_from_slice(b"&amp;"),
                b'<' => xml.extend_from_slice(b"&lt;"),
                b'>' => xml.extend_from_slice(b"&gt;"),
                b'\r' => {}
                octet => xml.push(*octet),
            }
        }
    };
    let close_run = |last: &mut Option<OctetsKind>, xml: &mut Vec<u8>| match last.take() {
        Some(OctetsKind::Body) => xml.extend_from_slice(b"</body>\n"),
        Some(OctetsKind::Preamble) => xml.extend_from_slice(b"</preamble>\n"),
        Some(OctetsKind::Epilogue) => xml.extend_from_slice(b"</epilogue>\n"),
        _ => {}
    };
    feed(
        message,
        limits,
        || usize::MAX,
        |event| match event {
            Event::PartBegin { .. } => {
                match kinds.last() {
                    Some(Kind::Multipart) => {
                        xml.extend_from_slice(b"<body-part>\n<header>\n");
                        open.push(Open::BodyPart);
                    }
                    _ => {
                        xml.extend_from_slice(b"<message>\n<header>\n");
                        open.push(Open::Message);
                    }
                }
                kinds.push(Kind::Leaf);
            }
            Event::Field(field) => {
                xml.extend_from_slice(b"<field>\n");
                let raw = field.raw();
                let raw = raw.strip_suffix(b"\n").unwrap_or(raw);
                escape(raw, &mut xml);
                xml.extend_from_slice(b"</field>\n");
            }
            Event::HeaderEnd { content, .. } => {
                xml.extend_from_slice(b"</header>\n");
                *kinds.last_mut().unwrap() = content.kind();
                match content.kind() {
                    Kind::Leaf => {
                        xml.extend_from_slice(b"<body>\n");
                        last = Some(OctetsKind::Body);
                    }
                    Kind::Multipart => {
                        xml.extend_from_slice(b"<multipart>\n");
                        open.push(Open::Multipart);
                    }
                    Kind::Message => {}
                }
            }
            Event::Octets {
                kind: OctetsKind::Unparsed,
                ..
            } => {}
            Event::Octets { kind, data, .. } => {
                if last != Some(kind) {
                    close_run(&mut last, &mut xml);
                    match kind {
                        OctetsKind::Preamble => xml.extend_from_slice(b"<preamble>\n"),
                        OctetsKind::Epilogue => xml.extend_from_slice(b"<epilogue>"),
                        _ => {}
                    }
                    last = Some(kind);
                }
                escape(data, &mut xml);
            }
            Event::Delimiter { .. } => close_run(&mut last, &mut xml),
            Event::PartEnd(_) => {
                close_run(&mut last, &mut xml);
                if kinds.pop() == Some(Kind::Multipart) {
                    open.pop();
                    xml.extend_from_slice(b"</multipart>\n");
                }
                match open.pop().unwrap() {
                    Open::BodyPart => xml.extend_from_slice(b"</body-part>\n"),
                    _ => xml.extend_from_slice(b"</message>\n"),
                }
            }
            _ => {}
        },
    );
    latin1(&xml)
}

fn latin1(octets: &[u8]) -> String {
    octets.iter().map(|octet| char::from(*octet)).collect()
}

fn mime4j_files() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for folder in [
        "messages/mime4j/testmsgs",
        "messages/mime4j/mimetools-testmsgs",
    ] {
        let Some(folder) = vectors(folder) else {
            return found;
        };
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if has_extension(&path, &["msg"]) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// Where we see another structure than james-mime4j, and why.
const MIME4J_DIFFERENCES: &[(&str, &str)] = &[
    (
        "malformedHeaderStartsBody-nocrlfcrlf",
        "the same message as malformedHeader-nocrlfcrlf under another setting: a line without colon is \
         skipped, it does not end the header",
    ),
    (
        "very-very-long-boundary",
        "RFC 2046 section 5.1.1: a boundary does not end in white space, and white space behind a \
         delimiter is padding; there both decide",
    ),
    (
        "base64encoded-rfc822message-nested",
        "RFC 2046 section 5.2.1: an encoded message/rfc822 is octets until its reader decodes it",
    ),
    ("multi-2gifs-base64", "the same"),
];

/// Takes out preambles and epilogues without text: there they are written although nothing is said.
fn without_blanks(xml: &str) -> String {
    let mut out = xml.replace('\r', "");
    for tag in ["preamble", "epilogue"] {
        for blank in (0..8).map(|lines| "\n".repeat(lines)) {
            out = out.replace(&format!("<{tag}>{blank}</{tag}>\n"), "");
        }
    }
    out
}

#[test]
fn mime4j_sees_the_same_structure() {
    for path in mime4j_files() {
        let name = path.file_stem().unwrap().to_str().unwrap();
        let mut limits = Limits::default();
        // One boundary there has 7000 octets.
        limits.max_boundary = 8192;
        let ours = without_blanks(&mime4j_xml(&fs::read(&path).unwrap(), limits));
        let theirs = without_blanks(&latin1(&fs::read(path.with_extension("xml")).unwrap()));
        let is_listed = MIME4J_DIFFERENCES.iter().any(|(listed, _)| *listed == name);
        if is_listed {
            assert!(ours != theirs, "{name} is no difference any more");
        } else {
            let first = ours
                .lines()
                .zip(theirs.lines())
                .position(|(ours, theirs)| ours != theirs);
            let at = first.unwrap_or(0).saturating_sub(2);
            let show = |xml: &str| {
                xml.lines()
                    .skip(at)
                    .take(6)
                    .map(str::to_owned)
                    .collect::<Vec<_>>()
            };
            assert!(
                ours == theirs,
                "{name} {at}:\n{:?}\n{:?}",
                show(&ours),
                show(&theirs)
            );
        }
    }
}

/// The decoded bodies of the leaves of a message, those of encoded messages inside included.
fn leaves(message: &[u8], out: &mut Vec<Vec<u8>>) {
    let mut bodies: Vec<(Encoding, bool, Vec<u8>)> = Vec::new();
    feed(
        message,
        Limits::default(),
        || 4096,
        |event| match event {
            Event::HeaderEnd { content, .. } if content.kind() == Kind::Leaf => {
                let is_message = content.content_type().kind() == "message"
                    && content.content_type().subtype() == "rfc822";
                bodies.push((content.encoding(), is_message, Vec::new()));
            }
            Event::Octets {
                kind: OctetsKind::Body,
                data,
                ..
            } => {
                bodies.last_mut().unwrap().2.extend_from_slice(data);
            }
            _ => {}
        },
    );
    for (encoding, is_message, body) in bodies {
        let mut decoder = TransferDecoder::new(encoding);
        let mut decoded = Vec::new();
        decoder.decode(&body, &mut decoded);
        decoder.finish(&mut decoded);
        if is_message {
            leaves(&decoded, out);
        } else {
            out.push(decoded);
        }
    }
}

#[test]
fn mime4j_decodes_the_same_octets() {
    let mut checked = 0;
    for path in mime4j_files() {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        // Its setting and its boundary are argued about above.
        if [
            "malformedHeaderStartsBody-nocrlfcrlf",
            "very-very-long-boundary",
        ]
        .contains(&&*name)
        {
            continue;
        }
        let folder = path.parent().unwrap();
        let xml = latin1(&fs::read(folder.join(format!("{name}_decoded.xml"))).unwrap());
        let theirs = xml
            .split("-body name=\"")
            .skip(1)
            .map(|rest| rest.split('"').next().unwrap());
        let message = fs::read(&path).unwrap();
        let mut found = Vec::new();
        leaves(&message, &mut found);
        let mut found = found.into_iter();
        for file in theirs {
            let ours = found.next().unwrap_or_else(|| panic!("{file} is no leaf"));
            let theirs = fs::read(folder.join(file)).unwrap();
            // Texts are written there with line ends of the writer's choice, two kinds in one file.
            let (ours, theirs) = if file.ends_with(".txt") {
                (without_cr(&ours), without_cr(&theirs))
            } else {
                (ours, theirs)
            };
            assert!(
                ours == theirs,
                "{file}: {} octets, expected {}",
                ours.len(),
                theirs.len()
            );
            checked += 1;
        }
        assert_eq!(found.next(), None, "{name}");
    }
    eprintln!("{checked} bodies are equal");
}

fn without_cr(text: &[u8]) -> Vec<u8> {
    text.iter()
        .copied()
        .filter(|octet| *octet != b'\r')
        .collect()
}

/// Compares an entity and what is inside of it with what MimeKit says: places in the file, octets, lines.
fn same_as_mimekit(
    tree: &Tree,
    id: PartId,
    at: u64,
    theirs: &serde_json::Value,
    wrong: &mut Vec<String>,
) -> usize {
    let part = tree.part(id).unwrap();
    let content = tree.content_type(id);
    let ours = [
        (
            "mimeType",
            serde_json::json!(format!("{}/{}", content.kind(), content.subtype())),
        ),
        ("beginOffset", serde_json::json!(at + part.header().start)),
        (
            "headersEndOffset",
            serde_json::json!(at + part.body().start),
        ),
        ("endOffset", serde_json::json!(at + part.body().end)),
        (
            "octets",
            serde_json::json!(part.body().end - part.body().start),
        ),
    ];
    for (name, ours) in ours {
        let is_same = match (ours.as_str(), theirs[name].as_str()) {
            (Some(ours), Some(theirs)) => ours.eq_ignore_ascii_case(theirs),
            // Of an entity without a body the blank line is there that of the delimiter.
            _ if part.body().is_empty() => {
                let (ours, theirs) = (ours.as_u64().unwrap(), theirs[name].as_u64().unwrap());
                ours >= theirs && ours - theirs <= 2
            }
            _ => ours == theirs[name],
        };
        if !is_same {
            wrong.push(format!("{id:?} {name}: {ours}, expected {}", theirs[name]));
        }
    }
    // A text whose last line has no end has one line more there.
    if content.kind() == "text" {
        let (lines, expected) = (part.lines().unwrap(), theirs["lines"].as_u64().unwrap());
        if !(lines == expected || lines + 1 == expected) {
            wrong.push(format!("{id:?} lines: {lines}, expected {expected}"));
        }
    }
    let inner = theirs["children"].as_array().cloned().unwrap_or_default();
    let inner = inner
        .into_iter()
        .chain(theirs["message"].get("body").cloned());
    let children: Vec<PartId> = tree.children(id).collect();
    let inner: Vec<_> = inner.collect();
    if children.len() != inner.len() {
        wrong.push(format!(
            "{id:?}: {} inside, expected {}",
            children.len(),
            inner.len()
        ));
    }
    1 + children
        .iter()
        .zip(&inner)
        .map(|(child, theirs)| same_as_mimekit(tree, *child, at, theirs, wrong))
        .sum::<usize>()
}

#[test]
fn mimekit_finds_every_part_at_the_same_place() {
    let Some(folder) = vectors("messages/mimekit/mbox") else {
        return;
    };
    let mut checked = 0;
    for name in ["content-length", "issue1189"] {
        let file = fs::read(folder.join(format!("{name}.mbox.txt"))).unwrap();
        for (kind, file) in [("unix", file.clone()), ("dos", with_crlf(&file))] {
            let offsets = fs::read(folder.join(format!("{name}.{kind}-offsets.json"))).unwrap();
            let messages: Vec<serde_json::Value> = serde_json::from_slice(&offsets).unwrap();
            for message in messages {
                let (begin, end) = (
                    message["beginOffset"].as_u64().unwrap(),
                    message["endOffset"].as_u64().unwrap(),
                );
                let octets = &file[begin as usize..end as usize];
                let tree = Tree::parse(octets, Limits::default());
                let mut wrong = Vec::new();
                checked += same_as_mimekit(&tree, PartId(0), begin, &message["body"], &mut wrong);
                assert!(
                    wrong.is_empty(),
                    "{name} {kind} at {begin}:\n{}",
                    wrong.join("\n")
                );
            }
        }
    }
    assert!(checked > 20, "{checked} parts were compared");
}
