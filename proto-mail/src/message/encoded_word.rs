//! Encoded words: text of any charset in header fields (RFC 2047).
//!
//! ```text
//! encoded-word = "=?" charset [ "*" language ] "?" ( "B" / "Q" ) "?" encoded-text "?="
//! ```
//! What is decoded is text and nothing else: it is never read again for addresses, separators or
//! further encoded words. It may hold any character, line ends included.

use super::charset;
use super::transfer::{Base64, push_hex};
use alloc::string::String;
use alloc::vec::Vec;
use memchr::memchr;

/// An encoded word, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Word<'a> {
    charset: &'a [u8],
    is_base64: bool,
    text: &'a [u8],
}

/// Decodes unfolded text with encoded words in it. White space between two of them goes (section
/// 6.2); what is none stays as it is, as UTF-8 or else as ISO-8859-1.
///
/// Real mail splits characters of several octets between words of one charset, against section 5,
/// so neighbours of one charset are put together before they are read.
///
/// ```
/// use proto_mail::message::encoded_word;
///
/// let text = encoded_word::decode(b"=?utf-8?b?SGVsbG8=?= =?utf-8?q?=2C_world?= !");
/// assert_eq!(text, "Hello, world !");
/// ```
#[must_use]
pub fn decode(text: &[u8]) -> String {
    let mut out = String::with_capacity(text.len());
    decode_into(text, &mut out);
    out
}

/// The same, behind what is in `out`.
pub(super) fn decode_into(text: &[u8], out: &mut String) {
    let mut rest = text;
    // Words of one charset that stand side by side.
    let mut octets = Vec::new();
    let mut pending: Option<&[u8]> = None;
    loop {
        let found = find_word(rest);
        let (before, word, after) = match found {
            Some((at, word, len)) => {
                let (before, from) = rest.split_at_checked(at).unwrap_or((rest, &[]));
                (before, Some(word), from.get(len..).unwrap_or_default())
            }
            None => (rest, None, &[][..]),
        };
        let is_next = word.is_some() && before.iter().all(|octet| super::lexer::is_space(*octet));
        let same = word.is_some_and(|word| {
            pending.is_some_and(|charset| charset.eq_ignore_ascii_case(word.charset))
        });
        if pending.is_some() && !(is_next && same) {
            out.push_str(&charset::decode(pending.unwrap_or_default(), &octets).0);
            octets.clear();
        }
        if pending.is_none() || !is_next {
            out.push_str(&charset::guess(before));
        }
        let Some(word) = word else { return };
        word.octets(&mut octets);
        pending = Some(word.charset);
        rest = after;
    }
}

/// The first encoded word: where it is, it, and how long it is.
fn find_word(text: &[u8]) -> Option<(usize, Word<'_>, usize)> {
    let mut from = 0;
    for at in memchr::memmem::find_iter(text, b"=?") {
        if at < from {
            continue;
        }
        match word(text.get(at..)?) {
            Ok((word, len)) => return Some((at, word, len)),
            // Nothing before this octet can begin one, so that the search is linear.
            Err(skip) => from = at.saturating_add(skip),
        }
    }
    None
}

/// The encoded word at the front and its length, or how many octets cannot begin one.
fn word(text: &[u8]) -> Result<(Word<'_>, usize), usize> {
    let inner = text.get(2..).ok_or(text.len())?;
    let end = inner
        .iter()
        .position(|octet| !is_token(*octet))
        .unwrap_or(inner.len());
    if end == 0 || inner.get(end) != Some(&b'?') {
        return Err(end.saturating_add(2));
    }
    let charset = inner.get(..end).unwrap_or_default();
    // RFC 2231 section 5: a language may follow.
    let charset = memchr(b'*', charset).map_or(charset, |at| charset.get(..at).unwrap_or_default());
    let rest = inner.get(end.saturating_add(1)..).unwrap_or_default();
    let (encoding, rest) = match rest {
        [encoding, b'?', rest @ ..] => (encoding.to_ascii_uppercase(), rest),
        _ => return Err(end.saturating_add(2)),
    };
    let is_base64 = match encoding {
        b'B' => true,
        b'Q' => false,
        _ => return Err(end.saturating_add(2)),
    };
    // Blanks are not allowed in it and common; a question mark ends it.
    let mut len = 0;
    loop {
        let mark = memchr(b'?', rest.get(len..).unwrap_or_default());
        let Some(mark) = mark else {
            return Err(text.len());
        };
        len = len.saturating_add(mark);
        if rest.get(len.saturating_add(1)) == Some(&b'=') {
            break;
        }
        // A bare question mark is common in Q; in B it is nothing.
        if is_base64 {
            return Err(end.saturating_add(4));
        }
        len = len.saturating_add(1);
    }
    let word = Word {
        charset,
        is_base64,
        text: rest.get(..len).unwrap_or_default(),
    };
    // "=?" charset "?" encoding "?" text "?="
    Ok((word, end.saturating_add(len).saturating_add(7)))
}

/// Octets of the encoded word at the front, if there is one.
pub(super) fn len_at_front(text: &[u8]) -> Option<usize> {
    let len = text.starts_with(b"=?").then(|| word(text).ok())??.1;
    Some(len)
}

impl Word<'_> {
    fn octets(&self, out: &mut Vec<u8>) {
        if self.is_base64 {
            let mut decoder = Base64::default();
            decoder.decode(self.text, out);
            decoder.finish(out);
            return;
        }
        let mut rest = self.text;
        while let Some((first, tail)) = rest.split_first() {
            rest = tail;
            match first {
                b'_' => out.push(b' '),
                b'=' => match tail {
                    [high, low, after @ ..] if push_hex(*high, *low, out) => rest = after,
                    _ => out.push(b'='),
                },
                octet => out.push(*octet),
            }
        }
    }
}

/// Octets of a charset's name and a language: any but white space, controls and `especials`.
fn is_token(octet: u8) -> bool {
    octet.is_ascii_graphic() && !b"()<>@,;:\"/[]?=".contains(&octet)
}
