//! Lines of text protocols: where they end, and how long they may be.
//!
//! [`LineDecoder`] finds lines in the embedder's read buffer without copying them. Its only state
//! is how far a partial line was searched, and how much of an over-long one is gone, so the work of
//! all calls together is linear in the octets received, however they are cut.

use bytes::{Buf, Bytes, BytesMut};
use memchr::memchr;

/// What ends a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LineEnd {
    /// CRLF alone. A bare CR or LF is an octet of the line, for the layer above to refuse.
    #[default]
    CrLf,
    /// CRLF or a bare LF.
    CrLfOrLf,
}

/// What stands at the front of the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame {
    /// A complete line.
    Line {
        /// Octets of the line without its end.
        text: usize,
        /// Octets of the line with its end; advance the buffer by so many.
        len: usize,
    },
    /// A line above the limit. It is gone from the buffer, its end included.
    TooLong,
}

/// A line as an owned value, or the report of one that was too long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// A complete line without its end.
    Line(Bytes),
    /// A line above the limit was skipped.
    TooLong,
}

/// Splits input into lines of bounded length.
#[derive(Clone, Debug, Default)]
pub struct LineDecoder {
    end: LineEnd,
    /// Octets at the front of the input that are known to hold no line end.
    searched: usize,
    /// Octets of an over-long line that are gone already; zero when none is being skipped.
    skipped: usize,
}

impl LineDecoder {
    /// A decoder for lines that end as `end` says.
    #[must_use]
    pub fn new(end: LineEnd) -> Self {
        Self {
            end,
            ..Self::default()
        }
    }

    /// Finds the line at the front of `src`, or nothing when it is not complete.
    ///
    /// The line stays in `src`; the caller advances by its `len`. `src` must be the same buffer in
    /// every call, changed otherwise by appending only. A line of more than `limit` octets, its end
    /// included, is dropped as it comes in, so a buffer never has to hold more than `limit` octets.
    pub fn scan(&mut self, src: &mut BytesMut, limit: usize) -> Option<Frame> {
        let mut from = self.searched;
        while let Some(offset) = memchr(b'\n', src.get(from..).unwrap_or_default()) {
            let lf = from.saturating_add(offset);
            let before = lf.checked_sub(1).and_then(|index| src.get(index));
            let text = match (before, self.end) {
                (Some(b'\r'), _) => lf.saturating_sub(1),
                (_, LineEnd::CrLfOrLf) => lf,
                (_, LineEnd::CrLf) => {
                    from = lf.saturating_add(1);
                    continue;
                }
            };
            let len = lf.saturating_add(1);
            self.searched = 0;
            if core::mem::take(&mut self.skipped) > 0 || len > limit {
                src.advance(len);
                return Some(Frame::TooLong);
            }
            return Some(Frame::Line { text, len });
        }
        self.keep_partial(src, limit);
        None
    }

    /// Takes the line at the front of `src` as a value of its own.
    ///
    /// It is copied, not sliced: a short line must not pin the whole read buffer.
    pub fn decode(&mut self, src: &mut BytesMut, limit: usize) -> Option<Item> {
        match self.scan(src, limit)? {
            Frame::Line { text, len } => {
                let line = Bytes::copy_from_slice(src.get(..text).unwrap_or_default());
                src.advance(len);
                Some(Item::Line(line))
            }
            Frame::TooLong => Some(Item::TooLong),
        }
    }

    /// Octets of an unfinished line, those already skipped included.
    #[must_use]
    pub fn pending(&self, src: &BytesMut) -> usize {
        self.skipped.saturating_add(src.len())
    }

    /// Whether the line at the front is known to be too long, its end not yet in sight.
    #[must_use]
    pub fn is_skipping(&self) -> bool {
        self.skipped > 0
    }

    fn keep_partial(&mut self, src: &mut BytesMut, limit: usize) {
        if self.skipped > 0 || src.len() >= limit {
            // A CR at the very end may be the first half of the line end.
            let held = usize::from(src.last() == Some(&b'\r'));
            let gone = src.len().saturating_sub(held);
            self.skipped = self.skipped.saturating_add(gone);
            src.advance(gone);
        }
        self.searched = src.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn decode_all(end: LineEnd, limit: usize, text: &[u8]) -> Vec<Item> {
        let mut decoder = LineDecoder::new(end);
        let mut src = BytesMut::from(text);
        core::iter::from_fn(|| decoder.decode(&mut src, limit)).collect()
    }

    fn decode_by_octets(end: LineEnd, limit: usize, text: &[u8]) -> Vec<Item> {
        let mut decoder = LineDecoder::new(end);
        let mut src = BytesMut::new();
        let mut items = Vec::new();
        for &octet in text {
            src.extend_from_slice(&[octet]);
            items.extend(decoder.decode(&mut src, limit));
            assert!(src.len() <= limit, "the buffer stays below the limit");
        }
        items
    }

    #[test]
    fn a_bare_lf_ends_a_line_only_where_it_may() {
        let text = b"a\nb\r\n\r\n";
        assert_eq!(
            decode_all(LineEnd::CrLf, 9, text),
            [Item::Line("a\nb".into()), Item::Line("".into())]
        );
        assert_eq!(
            decode_all(LineEnd::CrLfOrLf, 9, text),
            [
                Item::Line("a".into()),
                Item::Line("b".into()),
                Item::Line("".into())
            ]
        );
    }

    #[test]
    fn a_line_of_exactly_the_limit_passes_and_one_more_does_not() {
        let text = b"ab\r\nabc\r\nx\r\nabcdefghij\r\ny\r\n";
        let expected = [
            Item::Line("ab".into()),
            Item::TooLong,
            Item::Line("x".into()),
            Item::TooLong,
            Item::Line("y".into()),
        ];
        assert_eq!(decode_all(LineEnd::CrLf, 4, text), expected);
        assert_eq!(decode_by_octets(LineEnd::CrLf, 4, text), expected);
    }

    #[test]
    fn the_cr_of_an_over_long_line_may_come_alone() {
        assert_eq!(
            decode_by_octets(LineEnd::CrLf, 3, b"abcdef\rgh\r\n\r\n"),
            [Item::TooLong, Item::Line("".into())]
        );
    }
}
