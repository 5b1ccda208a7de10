//! Where a message is cut for TOP.

use memchr::memchr_iter;

/// Finds the end of what TOP sends: the header, the empty line, and so many lines of the body
/// (RFC 1939 section 7). A line ends in LF here, with or without CR before it: the text was not
/// normalised yet.
#[derive(Clone, Debug)]
pub(super) struct TopCutter {
    /// Lines still to pass; `None` while in the header.
    left: Option<u64>,
    lines: u64,
    line: Line,
}

/// What the current line holds so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    Nothing,
    Cr,
    Text,
}

impl TopCutter {
    pub(super) fn new(lines: u64) -> Self {
        Self {
            left: None,
            lines,
            line: Line::Nothing,
        }
    }

    /// How many octets of `text` still belong to the answer. When [`is_done`](Self::is_done) after
    /// that, the answer is complete.
    pub(super) fn pass(&mut self, text: &[u8]) -> usize {
        let mut start = 0_usize;
        for lf in memchr_iter(b'\n', text) {
            self.extend_line(text.get(start..lf).unwrap_or_default());
            start = lf.saturating_add(1);
            let is_empty = self.line != Line::Text;
            self.line = Line::Nothing;
            self.left = match self.left {
                None if is_empty => Some(self.lines),
                None => None,
                Some(left) => Some(left.saturating_sub(1)),
            };
            if self.is_done() {
                return start;
            }
        }
        self.extend_line(text.get(start..).unwrap_or_default());
        text.len()
    }

    pub(super) fn is_done(&self) -> bool {
        self.left == Some(0)
    }

    fn extend_line(&mut self, octets: &[u8]) {
        self.line = match (self.line, octets) {
            (line, []) => line,
            (Line::Nothing, [b'\r']) => Line::Cr,
            _ => Line::Text,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn cut(lines: u64, text: &[u8], step: usize) -> Vec<u8> {
        let (mut cutter, mut passed) = (TopCutter::new(lines), Vec::new());
        for chunk in text.chunks(step) {
            let len = cutter.pass(chunk);
            passed.extend_from_slice(&chunk[..len]);
            if cutter.is_done() {
                break;
            }
        }
        passed
    }

    #[test]
    fn the_cut_falls_after_the_header_and_so_many_lines() {
        for text in [
            &b"A: 1\r\nB: 2\r\n\r\none\r\n\r\nthree"[..],
            b"A: 1\nB: 2\n\none\n\nthree",
        ] {
            for step in 1..=text.len() {
                let kept = |lines| {
                    let mut text = cut(lines, text, step);
                    text.retain(|&octet| octet != b'\r');
                    text
                };
                assert_eq!(kept(0), b"A: 1\nB: 2\n\n", "cut into {step}");
                assert_eq!(kept(1), b"A: 1\nB: 2\n\none\n", "cut into {step}");
                assert_eq!(kept(2), b"A: 1\nB: 2\n\none\n\n", "cut into {step}");
                assert_eq!(kept(9), b"A: 1\nB: 2\n\none\n\nthree", "cut into {step}");
            }
        }
    }

    #[test]
    fn a_message_without_a_body_is_all_header() {
        assert_eq!(cut(0, b"A: 1\r\n", 1), b"A: 1\r\n");
        assert_eq!(cut(0, b"\r\nbody", 1), b"\r\n");
    }
}
