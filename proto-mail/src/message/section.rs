//! Sections of a message, as IMAP names them (RFC 3501 section 6.4.5, RFC 9051 section 6.4.5).

use super::field::Field;
use super::parser::{Kind, PartId};
use super::tree::Tree;
use alloc::vec::Vec;
use core::ops::Range;

/// Part numbers of one section; a message cannot be nested deeper than the parser goes.
const MAX_NUMBERS: usize = 128;

/// What is between the brackets of `BODY[..]`, but for the names of `HEADER.FIELDS`.
///
/// ```text
/// section = [number *("." number)] ["." / ] ["HEADER" / "TEXT" / "MIME"]
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Section {
    /// Part numbers, which count from 1.
    pub numbers: Vec<u32>,
    /// What of it.
    pub text: SectionText,
}

/// Which piece of a part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SectionText {
    /// The body of a part; without part numbers the whole message.
    #[default]
    All,
    /// The header of a message, the blank line included.
    Header,
    /// The body of a message.
    Text,
    /// The header of a part, the blank line included.
    Mime,
}

impl Section {
    /// Reads a section; nothing when it is none. `MIME` needs a part number.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        let mut section = Self::default();
        if text.is_empty() {
            return Some(section);
        }
        let mut words = text.split(|octet| *octet == b'.');
        while let Some(word) = words.next() {
            if word.first().is_some_and(u8::is_ascii_digit) {
                let is_number = word.iter().all(u8::is_ascii_digit) && word.first() != Some(&b'0');
                let number = core::str::from_utf8(word)
                    .ok()
                    .filter(|_| is_number)?
                    .parse()
                    .ok()?;
                if section.numbers.len() >= MAX_NUMBERS {
                    return None;
                }
                section.numbers.push(number);
                continue;
            }
            section.text = match word {
                word if word.eq_ignore_ascii_case(b"HEADER") => SectionText::Header,
                word if word.eq_ignore_ascii_case(b"TEXT") => SectionText::Text,
                word if word.eq_ignore_ascii_case(b"MIME") && !section.numbers.is_empty() => {
                    SectionText::Mime
                }
                _ => return None,
            };
            return words.next().is_none().then_some(section);
        }
        Some(section)
    }
}

impl Tree {
    /// Where a section is; nothing when the message has no such one.
    #[must_use]
    pub fn section(&self, section: &Section) -> Option<Range<u64>> {
        let root = self.part(PartId(0))?;
        if section.numbers.is_empty() {
            return match section.text {
                SectionText::All => Some(root.header().start..root.body().end),
                SectionText::Header => Some(root.header()),
                SectionText::Text => Some(root.body()),
                SectionText::Mime => None,
            };
        }
        let part = self.part(self.part_at(&section.numbers)?)?;
        match section.text {
            SectionText::All => Some(part.body()),
            SectionText::Mime => Some(part.header()),
            SectionText::Header | SectionText::Text => {
                // Of a message inside only.
                if part.kind() != Kind::Message {
                    return None;
                }
                let inner = self.part(self.children(part.id()).next()?)?;
                Some(match section.text {
                    SectionText::Header => inner.header(),
                    _ => inner.body(),
                })
            }
        }
    }

    /// The entity with these part numbers.
    #[must_use]
    pub fn part_at(&self, numbers: &[u32]) -> Option<PartId> {
        let (first, rest) = numbers.split_first()?;
        let mut found = self.step(PartId(0), *first)?;
        for number in rest {
            let outer = match self.part(found)?.kind() {
                Kind::Multipart => found,
                Kind::Message => self.children(found).next()?,
                Kind::Leaf => return None,
            };
            found = self.step(outer, *number)?;
        }
        Some(found)
    }

    /// What has the number `number` in an entity: a part of a multipart, or what is no multipart itself.
    fn step(&self, outer: PartId, number: u32) -> Option<PartId> {
        let index = usize::try_from(number.checked_sub(1)?).ok()?;
        match self.part(outer)?.kind() {
            Kind::Multipart => self.children(outer).nth(index),
            _ if index == 0 => Some(outer),
            _ => None,
        }
    }
}

/// The fields of a header that have one of `names`, or none of them when `is_not`, in their order and as
/// they stand there, with the blank line: `HEADER.FIELDS` and `HEADER.FIELDS.NOT`. What is no field is
/// left out.
#[must_use]
pub fn select_fields(header: &[u8], names: &[&[u8]], is_not: bool) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = header;
    let mut blank: &[u8] = b"\r\n";
    while !rest.is_empty() {
        if rest.starts_with(b"\n") || rest.starts_with(b"\r\n") {
            blank = rest
                .get(..rest.len().min(if rest.starts_with(b"\n") { 1 } else { 2 }))
                .unwrap_or(b"\r\n");
            break;
        }
        let len = field_len(rest);
        let (raw, after) = rest.split_at_checked(len).unwrap_or((rest, &[]));
        rest = after;
        if let Some(field) = Field::parse(raw) {
            let is_named = names
                .iter()
                .any(|name| name.eq_ignore_ascii_case(field.name()));
            if is_named != is_not {
                out.extend_from_slice(raw);
            }
        }
    }
    out.extend_from_slice(blank);
    out
}

/// Octets of the field at the front: its line and those that begin with white space.
fn field_len(octets: &[u8]) -> usize {
    memchr::memchr_iter(b'\n', octets)
        .map(|lf| lf.saturating_add(1))
        .find(|end| !matches!(octets.get(*end), Some(b' ' | b'\t')))
        .unwrap_or(octets.len())
}
