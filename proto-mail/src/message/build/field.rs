//! Header fields: words, and lines of them.

use super::{NameAddr, is_token};
use crate::message::address::is_atext;
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Characters of a line, its end not counted, where it can be folded (RFC 5322 section 2.1.1).
pub(super) const MAX_LINE: usize = 78;
/// Octets of a name that is written without encoding; far more than names have.
const MAX_PLAIN: usize = 998;
/// Characters of an encoded word: room for a name of a field before it. RFC 2047 section 2 allows 75.
const MAX_WORD: usize = 62;

/// A value, cut where it may be folded: before each of these.
pub(super) type Words = Vec<String>;

/// Writes a field, folded before words where its line would be too long.
pub(super) fn field(name: &str, words: &Words, out: &mut Vec<u8>) {
    out.extend_from_slice(name.as_bytes());
    out.push(b':');
    let mut column = name.len().saturating_add(1);
    for (index, word) in words.iter().enumerate() {
        let len = word.len().saturating_add(1);
        if index > 0 && column.saturating_add(len) > MAX_LINE {
            out.extend_from_slice(b"\r\n");
            column = 0;
        }
        out.push(b' ');
        out.extend_from_slice(word.as_bytes());
        column = column.saturating_add(len);
    }
    out.extend_from_slice(b"\r\n");
}

pub(super) fn address_words(list: &[NameAddr]) -> Words {
    let mut words = Words::new();
    for (index, mailbox) in list.iter().enumerate() {
        let comma = if index.saturating_add(1) < list.len() {
            ","
        } else {
            ""
        };
        if mailbox.name.is_empty() {
            words.push(format!("{}{comma}", mailbox.address));
            continue;
        }
        words.extend(phrase_words(&mailbox.name));
        words.push(format!("<{}>{comma}", mailbox.address));
    }
    words
}

/// A name as words: atoms, one quoted string, or encoded words.
fn phrase_words(name: &str) -> Words {
    let is_plain = |character: char| character == ' ' || character.is_ascii_graphic();
    if !name.chars().all(is_plain) || name.contains("=?") || name.len() > MAX_PLAIN {
        // Of a phrase nothing stays plain, so that no comma or bracket can be seen in it.
        return encoded_words(name);
    }
    let is_atoms = name
        .split(' ')
        .all(|word| !word.is_empty() && word.bytes().all(is_atext));
    if is_atoms {
        return name.split(' ').map(ToOwned::to_owned).collect();
    }
    let mut quoted = String::from("\"");
    for character in name.chars() {
        if matches!(character, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(character);
    }
    quoted.push('"');
    if quoted.len() > MAX_LINE.saturating_sub(20) {
        return encoded_words(name);
    }
    Vec::from([quoted])
}

/// Text as words: as it stands where that is ASCII that can be folded, or else encoded.
pub(super) fn text_words(text: &str) -> Words {
    let is_plain = text
        .chars()
        .all(|character| character == ' ' || character.is_ascii_graphic());
    let is_foldable = text
        .split(' ')
        .all(|word| word.len() < MAX_LINE.saturating_sub(1));
    // Blanks at an end or in a row would not survive folding.
    let is_tidy = text.trim() == text && !text.contains("  ");
    if is_plain && is_foldable && is_tidy && !text.contains("=?") {
        return text.split(' ').map(ToOwned::to_owned).collect();
    }
    encoded_words(text)
}

/// Text in encoded words (RFC 2047), none of which splits a character: in Q or B, whichever is shorter.
fn encoded_words(text: &str) -> Words {
    let is_q_char =
        |octet: u8| octet.is_ascii_alphanumeric() || b"!*+-/".contains(&octet) || octet == b' ';
    let escaped = text.bytes().filter(|octet| !is_q_char(*octet)).count();
    let q_len = text.len().saturating_add(escaped.saturating_mul(2));
    let is_q = q_len <= text.len().div_ceil(3).saturating_mul(4);
    let room = MAX_WORD.saturating_sub("=?utf-8?q??=".len());
    let mut words = Words::new();
    let mut word = String::new();
    let mut octets: Vec<u8> = Vec::new();
    for character in text.chars() {
        let mut buffer = [0; 4];
        let encoded = character.encode_utf8(&mut buffer).as_bytes();
        if is_q {
            let mut piece = String::new();
            for &octet in encoded {
                match octet {
                    b' ' => piece.push('_'),
                    octet if is_q_char(octet) => piece.push(char::from(octet)),
                    octet => piece.push_str(&format!("={octet:02X}")),
                }
            }
            if word.len().saturating_add(piece.len()) > room {
                words.push(format!("=?utf-8?q?{word}?="));
                word.clear();
            }
            word.push_str(&piece);
        } else {
            let len = octets.len().saturating_add(encoded.len());
            if len.div_ceil(3).saturating_mul(4) > room {
                words.push(format!("=?utf-8?b?{}?=", STANDARD.encode(&octets)));
                octets.clear();
            }
            octets.extend_from_slice(encoded);
        }
    }
    if is_q {
        words.push(format!("=?utf-8?q?{word}?="));
    } else {
        words.push(format!("=?utf-8?b?{}?=", STANDARD.encode(&octets)));
    }
    words
}

/// A parameter behind the words of a field: as a token, quoted, or in the pieces of RFC 2231.
pub(super) fn param_words(name: &str, value: &str, words: &mut Words) {
    if let Some(last) = words.last_mut() {
        last.push(';');
    }
    let room = MAX_LINE.saturating_sub(name.len()).saturating_sub(12);
    let is_plain = value
        .chars()
        .all(|character| character == ' ' || character.is_ascii_graphic());
    if is_plain && is_token(value) && value.len() <= room {
        words.push(format!("{name}={value}"));
        return;
    }
    let escapes = value
        .bytes()
        .filter(|octet| matches!(octet, b'"' | b'\\'))
        .count();
    if is_plain && value.len().saturating_add(escapes) <= room && !value.contains("=?") {
        let quoted = value.replace('\\', "\\\\").replace('"', "\\\"");
        words.push(format!("{name}=\"{quoted}\""));
        return;
    }
    let mut pieces: Vec<String> = Vec::from([String::from("utf-8''")]);
    for octet in value.bytes() {
        // RFC 2231 section 7: `attribute-char`.
        let is_plain = octet.is_ascii_alphanumeric() || b"!#$&+-.^_`{|}~".contains(&octet);
        let piece = if is_plain {
            char::from(octet).to_string()
        } else {
            format!("%{octet:02X}")
        };
        match pieces.last_mut() {
            Some(last) if last.len().saturating_add(piece.len()) <= room => last.push_str(&piece),
            _ => pieces.push(piece),
        }
    }
    if let [only] = pieces.as_slice() {
        words.push(format!("{name}*={only}"));
        return;
    }
    let last = pieces.len().saturating_sub(1);
    for (index, piece) in pieces.iter().enumerate() {
        let end = if index < last { ";" } else { "" };
        words.push(format!("{name}*{index}*={piece}{end}"));
    }
}
