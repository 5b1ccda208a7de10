//! Line ends: LF in files, CRLF on the wire, and the records of STRU R in a stream.

use alloc::vec::Vec;

/// Appends text with each LF that has no CR before it as CRLF. `last` is the octet before, and
/// becomes the last one of these.
pub(super) fn to_wire(octets: &[u8], last: &mut u8, out: &mut Vec<u8>) {
    let mut rest = octets;
    out.reserve(octets.len().saturating_add(octets.len() / 16));
    while let Some(at) = memchr::memchr(b'\n', rest) {
        let (line, after) = rest.split_at_checked(at).unwrap_or((rest, &[]));
        out.extend_from_slice(line);
        let before = line.last().copied().unwrap_or(*last);
        out.extend_from_slice(if before == b'\r' { b"\n" } else { b"\r\n" });
        *last = b'\n';
        rest = after.get(1..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
    if let Some(octet) = rest.last() {
        *last = *octet;
    }
}

/// Appends text from the wire with each CRLF as LF. A CR at the end waits in `held`: what follows
/// decides. CR NUL is a CR (Telnet).
pub(super) fn from_wire(octets: &[u8], held: &mut bool, out: &mut Vec<u8>) {
    let mut rest = octets;
    if *held && !rest.is_empty() {
        *held = false;
        match rest.first() {
            Some(b'\n') => {}
            Some(0) => {
                out.push(b'\r');
                rest = rest.get(1..).unwrap_or_default();
            }
            _ => out.push(b'\r'),
        }
    }
    out.reserve(rest.len());
    while let Some(at) = memchr::memchr(b'\r', rest) {
        let (before, after) = rest.split_at_checked(at).unwrap_or((rest, &[]));
        out.extend_from_slice(before);
        match after {
            [_, b'\n', ..] => rest = after.get(1..).unwrap_or_default(),
            [_, 0, tail @ ..] => {
                out.push(b'\r');
                rest = tail;
            }
            [_] => {
                *held = true;
                return;
            }
            _ => {
                out.push(b'\r');
                rest = after.get(1..).unwrap_or_default();
            }
        }
    }
    out.extend_from_slice(rest);
}
