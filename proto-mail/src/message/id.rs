//! Message ids and the URIs of lists.

use super::field::unfold;
use super::lexer::is_space;
use alloc::string::String;
use alloc::vec::Vec;
use memchr::memchr;

/// What stands in angle brackets (RFC 5322 section 3.6.4: `Message-ID`, `In-Reply-To`, `References`;
/// RFC 2369: the URIs of lists), without the brackets. When there are none, what stands between blanks.
#[must_use]
pub fn parse(value: &[u8]) -> Vec<String> {
    let mut ids = Vec::new();
    let mut rest = value;
    while let Some(open) = memchr(b'<', rest) {
        rest = rest.get(open.saturating_add(1)..).unwrap_or_default();
        let close = memchr(b'>', rest).unwrap_or(rest.len());
        let (id, after) = rest.split_at_checked(close).unwrap_or((rest, &[]));
        rest = after;
        ids.push(text(id));
    }
    if ids.is_empty() {
        ids.extend(
            value
                .split(|octet| is_space(*octet))
                .filter(|word| !word.is_empty())
                .map(text),
        );
    }
    ids
}

fn text(octets: &[u8]) -> String {
    String::from_utf8_lossy(&unfold(octets.trim_ascii())).into_owned()
}
