//! Octets to text.

use alloc::borrow::Cow;
use alloc::string::String;

/// Reads octets in a charset as text (RFC 2978 names, in any case). Says whether the charset is known
/// and every octet was readable; what is not becomes U+FFFD.
///
/// Known are UTF-8, US-ASCII and ISO-8859-1, and with the feature `charset` all of the WHATWG
/// encoding standard, which reads ISO-8859-1 as windows-1252. UTF-7 is none of them, on purpose: it
/// hides markup from filters.
///
/// ```
/// use proto_mail::message::charset;
///
/// assert_eq!(charset::decode(b"iso-8859-1", b"caf\xe9"), ("caf\u{e9}".into(), true));
/// assert_eq!(charset::decode(b"utf-7", b"+ADw-"), ("+ADw-".into(), false));
/// ```
#[must_use]
pub fn decode<'a>(charset: &[u8], octets: &'a [u8]) -> (Cow<'a, str>, bool) {
    if charset.eq_ignore_ascii_case(b"utf-8") || charset.eq_ignore_ascii_case(b"us-ascii") {
        // Mail that says ASCII and is UTF-8 is common; nothing else that it may be is as likely.
        return match core::str::from_utf8(octets) {
            Ok(text) => (Cow::Borrowed(text), true),
            Err(_) => (String::from_utf8_lossy(octets), false),
        };
    }
    by_label(charset, octets)
}

#[cfg(feature = "charset")]
fn by_label<'a>(charset: &[u8], octets: &'a [u8]) -> (Cow<'a, str>, bool) {
    match encoding_rs::Encoding::for_label_no_replacement(charset) {
        Some(encoding) => {
            let (text, had_errors) = encoding.decode_without_bom_handling(octets);
            (text, !had_errors)
        }
        None => (guess(octets), false),
    }
}

#[cfg(not(feature = "charset"))]
fn by_label<'a>(charset: &[u8], octets: &'a [u8]) -> (Cow<'a, str>, bool) {
    if charset.eq_ignore_ascii_case(b"iso-8859-1") || charset.eq_ignore_ascii_case(b"latin1") {
        return (latin1(octets), true);
    }
    (guess(octets), false)
}

/// Octets whose charset nobody said, or nobody knows: UTF-8 if they are, or else ISO-8859-1.
#[must_use]
pub fn guess(octets: &[u8]) -> Cow<'_, str> {
    match core::str::from_utf8(octets) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => latin1(octets),
    }
}

fn latin1(octets: &[u8]) -> Cow<'_, str> {
    Cow::Owned(octets.iter().map(|octet| char::from(*octet)).collect())
}
