//! Lines of the control connection: bounded, and free of Telnet (RFC 959 section 3.3, RFC 854).

use alloc::borrow::Cow;
use alloc::vec::Vec;
use bytes::{Buf, BytesMut};

/// Interpret As Command.
const IAC: u8 = 0xff;
const DONT: u8 = 0xfe;
const WILL: u8 = 0xfb;
const SB: u8 = 0xfa;
const SE: u8 = 0xf0;

/// What a [`LineDecoder`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// A line without its end and without Telnet sequences; `IAC IAC` is one octet 255.
    Line(Vec<u8>),
    /// A line that was longer than the limit. All of it, its end included, is thrown away: its tail
    /// is never taken for a line of its own (CVE-2008-4242).
    TooLong,
}

/// A line at the front of a buffer, with the octets that it takes there.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Found {
    Line(usize),
    TooLong(usize),
}

/// Cuts lines off the front of a buffer, looking at each octet once.
#[derive(Clone, Debug)]
pub struct LineDecoder {
    max_len: usize,
    /// Octets at the front of the buffer that are known to hold no line end.
    scanned: usize,
    is_discarding: bool,
}

impl LineDecoder {
    /// Lines may have `max_len` octets, Telnet sequences and their end included.
    #[must_use]
    pub fn new(max_len: usize) -> Self {
        Self {
            max_len,
            scanned: 0,
            is_discarding: false,
        }
    }

    /// Takes a line off `input`, if one is there. A line ends with LF; a CR before it belongs to the
    /// end.
    pub fn decode(&mut self, input: &mut BytesMut) -> Option<Frame> {
        let (len, is_whole) = match self.find(input)? {
            Found::Line(len) => (len, true),
            Found::TooLong(len) => (len, false),
        };
        let frame = if is_whole {
            let raw = input.get(..len).unwrap_or_default();
            Frame::Line(strip(raw).into_owned())
        } else {
            Frame::TooLong
        };
        input.advance(len);
        Some(frame)
    }

    /// Where the line at the front of `input` ends, if it is all there. Whoever asks takes it off.
    pub(crate) fn find(&mut self, input: &mut BytesMut) -> Option<Found> {
        let fresh = input.get(self.scanned..).unwrap_or_default();
        let Some(at) = memchr::memchr(b'\n', fresh) else {
            if self.is_discarding || input.len() > self.max_len {
                self.is_discarding = true;
                input.clear();
                self.scanned = 0;
            } else {
                self.scanned = input.len();
            }
            return None;
        };
        let len = self.scanned.saturating_add(at).saturating_add(1);
        self.scanned = 0;
        if core::mem::take(&mut self.is_discarding) || len > self.max_len {
            return Some(Found::TooLong(len));
        }
        Some(Found::Line(len))
    }

    /// Forgets what was seen of an unfinished line.
    pub fn reset(&mut self) {
        self.scanned = 0;
        self.is_discarding = false;
    }
}

/// The line without its end and without Telnet.
pub(crate) fn strip(raw: &[u8]) -> Cow<'_, [u8]> {
    let raw = raw.strip_suffix(b"\n").unwrap_or(raw);
    let raw = raw.strip_suffix(b"\r").unwrap_or(raw);
    // Without SO_OOBINLINE the urgent octet of a Synch is lost, and what is left of `IAC IP IAC DM`
    // stands bare before the verb. No verb begins so.
    let mut rest = raw;
    while let Some((0xf2 | 0xf4, tail)) = rest.split_first() {
        rest = tail;
    }
    if memchr::memchr(IAC, rest).is_none() {
        return Cow::Borrowed(rest);
    }
    let mut line = Vec::with_capacity(rest.len());
    while let Some(at) = memchr::memchr(IAC, rest) {
        let (before, sequence) = rest.split_at_checked(at).unwrap_or((rest, &[]));
        line.extend_from_slice(before);
        rest = match *sequence {
            [IAC, IAC, ref tail @ ..] => {
                line.push(IAC);
                tail
            }
            [IAC, SB, ref tail @ ..] => after_subnegotiation(tail),
            [IAC, WILL..=DONT, _, ref tail @ ..] => tail,
            [IAC, WILL..=DONT] | [IAC] => &[],
            // Interrupt Process, Data Mark and all others have two octets.
            [IAC, _, ref tail @ ..] => tail,
            _ => &[],
        };
        if line.is_empty() {
            while let Some((0xf2 | 0xf4, tail)) = rest.split_first() {
                rest = tail;
            }
        }
    }
    line.extend_from_slice(rest);
    Cow::Owned(line)
}

fn after_subnegotiation(octets: &[u8]) -> &[u8] {
    let mut rest = octets;
    while let Some(at) = memchr::memchr(IAC, rest) {
        match rest.get(at..) {
            Some([IAC, SE, tail @ ..]) => return tail,
            Some([IAC, _, tail @ ..]) => rest = tail,
            _ => return &[],
        }
    }
    &[]
}

/// Doubles each octet 255, so that it is no Telnet command (RFC 2640 section 3.1 keeps it for
/// names that are no UTF-8).
pub(crate) fn put_escaped(octets: &[u8], out: &mut BytesMut) {
    let mut rest = octets;
    while let Some(at) = memchr::memchr(IAC, rest) {
        let (before, after) = rest
            .split_at_checked(at.saturating_add(1))
            .unwrap_or((rest, &[]));
        out.extend_from_slice(before);
        out.extend_from_slice(&[IAC]);
        rest = after;
    }
    out.extend_from_slice(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(max: usize, octets: &[u8]) -> Vec<Frame> {
        let mut whole = Vec::new();
        let mut input = BytesMut::from(octets);
        let mut decoder = LineDecoder::new(max);
        while let Some(frame) = decoder.decode(&mut input) {
            whole.push(frame);
        }
        let mut single = Vec::new();
        let (mut decoder, mut input) = (LineDecoder::new(max), BytesMut::new());
        for octet in octets {
            input.extend_from_slice(&[*octet]);
            while let Some(frame) = decoder.decode(&mut input) {
                single.push(frame);
            }
        }
        assert_eq!(whole, single);
        whole
    }

    fn line(octets: &[u8]) -> Frame {
        Frame::Line(octets.to_vec())
    }

    #[test]
    fn telnet_is_taken_out() {
        assert_eq!(
            lines(
                99,
                b"\xff\xf4\xff\xf2ABOR\r\nRETR a\xff\xffb\r\n\xff\xfb\x01NOOP\nX\xff\r\n"
            ),
            [
                line(b"ABOR"),
                line(b"RETR a\xffb"),
                line(b"NOOP"),
                line(b"X")
            ]
        );
        assert_eq!(
            lines(99, b"\xff\xf4\xf2ABOR\r\n\xff\xfa\x18\x00a\xff\xf0NOOP\r\n"),
            [line(b"ABOR"), line(b"NOOP")]
        );
    }

    #[test]
    fn a_long_line_is_thrown_away_whole() {
        assert_eq!(
            lines(8, b"DELE aaaaaaaaaaaaaaaaaaaaaa\r\nNOOP\r\n"),
            [Frame::TooLong, line(b"NOOP")]
        );
    }
}
