//! Envelopes, body structures and sections, as the scripts of others expect them from a server.

use crate::{vectors, with_crlf};
use proto_mail::message::{Limits, Section, TransferDecoder, Tree, select_fields};
use std::fs;
use std::path::Path;

/// A message and its tree.
struct Message {
    octets: Vec<u8>,
    tree: Tree,
}

impl Message {
    fn new(octets: Vec<u8>) -> Self {
        let tree = Tree::parse(&octets, Limits::default());
        Self { octets, tree }
    }

    /// The octets of `BODY[section]`, of nothing when there is no such part.
    fn body(&self, section: &str) -> Vec<u8> {
        let (section, names) = match section.split_once(" (") {
            Some((section, names)) => (section, Some(names.trim_end_matches(')'))),
            None => (section, None),
        };
        let upper = section.to_ascii_uppercase();
        let (plain, is_not) = match (
            upper.strip_suffix(".FIELDS.NOT"),
            upper.strip_suffix(".FIELDS"),
        ) {
            (Some(plain), _) => (plain, true),
            (_, Some(plain)) => (plain, false),
            _ => (&*upper, false),
        };
        let section = Section::parse(plain.as_bytes()).unwrap();
        let Some(range) = self.tree.section(&section) else {
            return Vec::new();
        };
        let octets = &self.octets[range.start as usize..range.end as usize];
        match names {
            Some(names) => {
                let names: Vec<&[u8]> = names.split(' ').map(str::as_bytes).collect();
                select_fields(octets, &names, is_not)
            }
            None => octets.to_vec(),
        }
    }

    fn envelope(&self) -> String {
        let mut out = Vec::new();
        self.tree.write_envelope(&mut out);
        String::from_utf8(out).unwrap()
    }

    fn structure(&self, is_extended: bool) -> String {
        let mut out = Vec::new();
        self.tree.write_body_structure(is_extended, &mut out);
        String::from_utf8(out).unwrap()
    }

    fn binary(&self, section: &str) -> Vec<u8> {
        let section = Section::parse(section.as_bytes()).unwrap();
        let part = self
            .tree
            .part(self.tree.part_at(&section.numbers).unwrap())
            .unwrap();
        let body = &self.octets[part.body().start as usize..part.body().end as usize];
        let mut decoder = TransferDecoder::new(part.encoding());
        let mut out = Vec::new();
        decoder.decode(body, &mut out);
        decoder.finish(&mut out);
        out
    }
}

/// The messages of an mbox file, with CRLF.
fn mbox(path: &Path) -> Vec<Message> {
    let text = with_crlf(&fs::read(path).unwrap());
    let mut messages: Vec<Vec<u8>> = Vec::new();
    for line in text.split_inclusive(|octet| *octet == b'\n') {
        if line.starts_with(b"From ") {
            messages.push(Vec::new());
        } else {
            messages.last_mut().unwrap().extend_from_slice(line);
        }
    }
    messages.into_iter().map(Message::new).collect()
}

#[test]
fn imaptest_scripts_get_the_sections_and_envelopes_that_they_expect() {
    let Some(folder) = vectors("imaptest/tests") else {
        return;
    };
    let (mut sections, mut envelopes, mut binaries) = (0, 0, 0);
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if !name.starts_with("fetch") || name.ends_with(".mbox") {
            continue;
        }
        let own = folder.join(format!("{name}.mbox"));
        let messages = mbox(&if own.is_file() {
            own
        } else {
            folder.join("default.mbox")
        });
        let script = fs::read_to_string(&path).unwrap();
        let mut lines = script.lines();
        while let Some(line) = lines.next() {
            let Some(rest) = line.strip_prefix("* ") else {
                continue;
            };
            let Some((number, rest)) = rest.split_once(' ') else {
                continue;
            };
            let Ok(number) = number.parse::<usize>() else {
                continue;
            };
            let Some((verb, mut rest)) = rest.split_once(" (") else {
                continue;
            };
            if !verb.eq_ignore_ascii_case("fetch") {
                continue;
            }
            let message = &messages[number - 1];
            if let Some(expected) = rest.strip_prefix("ENVELOPE ") {
                assert_eq!(
                    message.envelope(),
                    expected.strip_suffix(')').unwrap(),
                    "{name} {number}"
                );
                envelopes += 1;
                continue;
            }
            // A list of items with literals.
            while let Some(head) = rest.strip_suffix("{{{") {
                // Of binary literals the line ends are written in one way and meant in three.
                let is_binary = head.ends_with('~');
                let head = head.trim_end_matches(['~', ' ']);
                let mut literal = Vec::new();
                let tail = loop {
                    let line = lines.next().unwrap();
                    match line.strip_prefix("}}}") {
                        Some(tail) => break tail,
                        None => literal.push(line),
                    }
                };
                let literal = literal.join("\r\n");
                let item = head.trim_start().to_ascii_lowercase();
                let item = item.strip_prefix("flags () ").unwrap_or(&item);
                if let Some(section) = item.strip_prefix("body[") {
                    let (section, origin) = section.rsplit_once(']').unwrap();
                    let body = message.body(section);
                    // The script asks for pieces of any length: ours begins like it.
                    let ours = if origin.is_empty() {
                        body
                    } else {
                        let origin: usize = origin.trim_matches(['<', '>']).parse().unwrap();
                        let end = body.len().min(origin + literal.len());
                        body[origin.min(end)..end].to_vec()
                    };
                    let ours = String::from_utf8(ours).unwrap();
                    if is_binary {
                        assert_eq!(
                            ours.replace('\r', ""),
                            literal.replace('\r', ""),
                            "{name} {number} {item}"
                        );
                    } else {
                        assert_eq!(ours, literal, "{name} {number} {item}");
                    }
                    sections += 1;
                } else if let Some(section) = item.strip_prefix("binary[")
                    && let Some(section) = section.strip_suffix(']')
                {
                    // Line ends of the script are written in one way, those of the octets in three.
                    let plain = |octets: &[u8]| {
                        octets
                            .iter()
                            .copied()
                            .filter(|octet| *octet != b'\r')
                            .collect::<Vec<_>>()
                    };
                    let (ours, theirs) =
                        (plain(&message.binary(section)), plain(literal.as_bytes()));
                    assert!(ours == theirs, "{name} {number} {item}");
                    binaries += 1;
                }
                rest = tail;
            }
        }
    }
    assert!(
        sections >= 38 && envelopes >= 6 && binaries >= 5,
        "{sections} sections, {envelopes} envelopes, {binaries} decoded parts were compared"
    );
}

/// Takes the escapes out of a pattern that stands for itself.
fn unescape(pattern: &str) -> String {
    let mut out = String::new();
    let mut characters = pattern.chars();
    while let Some(character) = characters.next() {
        out.push(if character == '\\' {
            characters.next().unwrap()
        } else {
            character
        });
    }
    out
}

/// A structure in lower case, its parameters in order: nothing else is free in it.
fn normal(structure: &str) -> String {
    let lower = structure.to_ascii_lowercase();
    let mut out = String::new();
    for (index, piece) in lower.split('(').enumerate() {
        if index > 0 {
            out.push('(');
        }
        // A list of strings alone is of pairs of a name and a value, or of languages.
        match piece.split_once(')') {
            Some((list, after)) if list.matches("\" \"").count() >= 2 && !list.contains("nil") => {
                let words: Vec<&str> = list
                    .split("\" \"")
                    .map(|word| word.trim_matches('"'))
                    .collect();
                let mut pairs: Vec<&[&str]> = words.chunks(2).collect();
                pairs.sort_unstable();
                out.push_str(&format!("{pairs:?}){after}"));
            }
            _ => out.push_str(piece),
        }
    }
    out
}

/// Runs the FETCH commands of a script of Apache James whose messages are appended by it.
fn james(script: &str, wrong: &mut Vec<String>) -> usize {
    let mut messages = Vec::new();
    let mut checked = 0;
    let mut lines = script.lines().peekable();
    while let Some(line) = lines.next() {
        let Some(command) = line.strip_prefix("C: ") else {
            continue;
        };
        if command.contains(" APPEND ") && command.ends_with('}') {
            let mut literal = Vec::new();
            while let Some(line) =
                lines.next_if(|line| !line.starts_with("S: \\*") && !line.starts_with("S: A"))
            {
                literal.extend(line.strip_prefix("C: ").or(line.strip_prefix("C:")));
            }
            // The line end behind the literal is that of the command.
            let octets = literal.join("\r\n").into_bytes();
            messages.push(Message::new(octets));
            continue;
        }
        let Some((_, fetch)) = command.split_once(" FETCH ") else {
            continue;
        };
        if fetch.contains("BODYSTRUCTURE") {
            while let Some(line) = lines.next_if(|line| line.starts_with("S: \\*")) {
                let line = unescape(&line[3..]);
                let (number, rest) = line
                    .strip_prefix("* ")
                    .unwrap()
                    .split_once(" FETCH (BODY ")
                    .unwrap();
                let message: &Message = &messages[number.parse::<usize>().unwrap() - 1];
                let (body, structure) = rest.split_once(" BODYSTRUCTURE ").unwrap();
                let structure = structure.strip_suffix(')').unwrap();
                for (ours, theirs) in [
                    (message.structure(false), body),
                    (message.structure(true), structure),
                ] {
                    checked += 1;
                    if normal(&ours) != normal(theirs) {
                        wrong.push(format!("{number}\n  ours   {ours}\n  theirs {theirs}"));
                    }
                }
            }
            continue;
        }
        // One section of one message, which is answered by a literal.
        let Some((number, section)) = fetch
            .split_once(" (BODY[")
            .or(fetch.split_once(" (BODY.PEEK["))
        else {
            continue;
        };
        let (Ok(number), Some(section)) = (number.parse::<usize>(), section.strip_suffix("])"))
        else {
            continue;
        };
        let Some(first) = lines.next_if(|line| line.starts_with("S: \\*")) else {
            continue;
        };
        let first = unescape(&first[3..]);
        let Some((_, size)) = first.rsplit_once('{') else {
            continue;
        };
        let size: usize = size.trim_end_matches('}').parse().unwrap();
        let mut theirs = Vec::new();
        while theirs.len() < size {
            let line = lines.next().unwrap();
            theirs.extend_from_slice(
                unescape(
                    line.strip_prefix("S: ")
                        .or(line.strip_prefix("S:"))
                        .unwrap(),
                )
                .as_bytes(),
            );
            theirs.extend_from_slice(b"\r\n");
        }
        theirs.truncate(size);
        let ours = messages[number - 1].body(section);
        checked += 1;
        // RFC 2046 section 5.1.1: the line end behind a last delimiter is of the multipart; only the one
        // before the next delimiter is not.
        let is_listed = fetch.contains("(BODY[4])")
            && ours.strip_suffix(b"--\r\n") == theirs.strip_suffix(b"--");
        if ours != theirs && !is_listed {
            wrong.push(format!(
                "{number} [{section}]\n  ours   {:?}\n  theirs {:?}",
                String::from_utf8_lossy(&ours),
                String::from_utf8_lossy(&theirs)
            ));
        }
    }
    checked
}

#[test]
fn james_scripts_get_the_structures_and_sections_that_they_expect() {
    let Some(folder) = vectors("james-mpt/imap/scripts") else {
        return;
    };
    let mut checked = 0;
    let mut wrong = Vec::new();
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let script = fs::read_to_string(&path).unwrap();
        if name.starts_with("Fetch") && script.contains(" APPEND ") {
            let mut here = Vec::new();
            checked += james(&script, &mut here);
            wrong.extend(here.into_iter().map(|what| format!("{name} {what}")));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {checked}:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(checked > 50, "{checked} answers were compared");
}
