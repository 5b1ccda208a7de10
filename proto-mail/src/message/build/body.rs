//! Bodies: which encoding, and writing in it (RFC 2045 section 6).

use crate::message::params::Encoding;
use alloc::format;
use alloc::vec::Vec;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Octets of a line of a body, its end not counted (RFC 5321 section 4.5.3.1.6).
const MAX_BODY_LINE: usize = 998;
/// Base64 digits of a line, and characters of a line of quoted-printable (RFC 2045 sections 6.7, 6.8).
const MAX_ENCODED_LINE: usize = 76;

/// The encoding of a body that any relay carries: none when it is lines of ASCII, or else the shorter one of
/// the other two for text, base64 for what is no text.
pub(super) fn choose(octets: &[u8], is_text: bool) -> Encoding {
    let is_lines = octets.is_ascii()
        && !octets.contains(&0)
        && octets.split(|octet| *octet == b'\n').all(|line| {
            line.len() <= MAX_BODY_LINE
                && !line.strip_suffix(b"\r").unwrap_or(line).contains(&b'\r')
        })
        && memchr::memchr_iter(b'\n', octets)
            .all(|lf| lf.checked_sub(1).and_then(|before| octets.get(before)) == Some(&b'\r'));
    // A last line without an end would get one on its way.
    let is_ended = octets.is_empty() || octets.ends_with(b"\r\n") || is_text;
    if is_lines && is_ended {
        return Encoding::SevenBit;
    }
    let escaped = octets.iter().filter(|octet| !is_qp_plain(**octet)).count();
    if is_text && escaped.saturating_mul(6) < octets.len() {
        Encoding::QuotedPrintable
    } else {
        Encoding::Base64
    }
}

fn is_qp_plain(octet: u8) -> bool {
    (octet.is_ascii_graphic() && octet != b'=') || matches!(octet, b' ' | b'\t' | b'\r' | b'\n')
}

/// Text with CRLF as quoted-printable (RFC 2045 section 6.7). Dots and `From` at the front of a line are
/// escaped, for those who change them on the way.
pub(super) fn quoted_printable(octets: &[u8], out: &mut Vec<u8>) {
    let mut lines = octets.split(|octet| *octet == b'\n').peekable();
    while let Some(line) = lines.next() {
        let is_last = lines.peek().is_none();
        let line = if is_last {
            line
        } else {
            line.strip_suffix(b"\r").unwrap_or(line)
        };
        let mut column = 0_usize;
        for (index, &octet) in line.iter().enumerate() {
            let is_end = index.saturating_add(1) == line.len();
            let is_odd_front = index == 0 && (octet == b'.' || line.starts_with(b"From "));
            let is_plain = is_qp_plain(octet)
                && octet != b'\r'
                && !(is_end && matches!(octet, b' ' | b'\t'))
                && !is_odd_front;
            let len = if is_plain { 1 } else { 3 };
            // Room for the soft break.
            if column.saturating_add(len) >= MAX_ENCODED_LINE {
                out.extend_from_slice(b"=\r\n");
                column = 0;
            }
            if is_plain {
                out.push(octet);
            } else {
                out.extend_from_slice(format!("={octet:02X}").as_bytes());
            }
            column = column.saturating_add(len);
        }
        if !is_last {
            out.extend_from_slice(b"\r\n");
        }
    }
}

pub(super) fn base64_lines(octets: &[u8], out: &mut Vec<u8>) {
    let per_line = MAX_ENCODED_LINE.saturating_div(4).saturating_mul(3);
    for line in octets.chunks(per_line) {
        out.extend_from_slice(STANDARD.encode(line).as_bytes());
        out.extend_from_slice(b"\r\n");
    }
}

/// Any line end becomes CRLF.
pub(super) fn crlf(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = memchr::memchr2(b'\r', b'\n', rest) {
        out.extend_from_slice(rest.get(..at).unwrap_or_default());
        out.extend_from_slice(b"\r\n");
        let len = if rest.get(at..).is_some_and(|end| end.starts_with(b"\r\n")) {
            2
        } else {
            1
        };
        rest = rest.get(at.saturating_add(len)..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
    out
}
