//! Dot-stuffing, both ways, one piece at a time.
//!
//! A text that ends in a line with a single dot must not hold such a line itself: a line that
//! begins with a dot gets a second one on its way out, and loses it on its way in (RFC 1939
//! section 3, RFC 5321 section 4.5.2). Neither side here ever copies: both say where the next
//! piece of the text ends and what belongs before it.
//!
//! Only CRLF is a line end. [`Stuffer`] writes a bare LF as CRLF and leaves a bare CR alone;
//! [`Unstuffer`] takes nothing but CRLF, dot, CRLF for the end, so none of the look-alikes ends a
//! text.

use memchr::{memchr_iter, memmem};

/// Where in a line the text has got to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum At {
    #[default]
    LineStart,
    Middle,
    AfterCr,
}

impl At {
    fn after(self, text: &[u8]) -> Self {
        match text {
            [] => self,
            [.., b'\r', b'\n'] => Self::LineStart,
            [b'\n'] if self == Self::AfterCr => Self::LineStart,
            [.., b'\r'] => Self::AfterCr,
            _ => Self::Middle,
        }
    }
}

/// What goes out next: `insert`, then `take` octets of the text as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// A dot, a CR, or nothing.
    pub insert: &'static [u8],
    /// Octets of the text that follow unchanged. Zero only for an empty text.
    pub take: usize,
}

/// Makes a text safe to send.
///
/// ```
/// # use proto_mail::dot::Stuffer;
/// let (mut stuffer, mut text, mut sent) = (Stuffer::new(), &b"hi\n.bye"[..], Vec::new());
/// while !text.is_empty() {
///     let piece = stuffer.step(text);
///     let (head, rest) = text.split_at(piece.take);
///     sent.extend_from_slice(piece.insert);
///     sent.extend_from_slice(head);
///     text = rest;
/// }
/// sent.extend_from_slice(stuffer.finish());
/// assert_eq!(sent, b"hi\r\n..bye\r\n.\r\n");
/// ```
#[derive(Clone, Debug, Default)]
pub struct Stuffer {
    at: At,
}

impl Stuffer {
    /// Stands before the first octet of a text.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Looks at what comes next; the caller removes `take` octets from the front of `text`.
    #[must_use]
    pub fn step(&mut self, text: &[u8]) -> Piece {
        let insert: &[u8] = match (self.at, text.first()) {
            // RFC 1939 section 3: a line that begins with the termination octet is "byte-stuffed"
            // by pre-pending the termination octet.
            (At::LineStart, Some(b'.')) => b".",
            (At::LineStart | At::Middle, Some(b'\n')) => b"\r",
            _ => b"",
        };
        for lf in memchr_iter(b'\n', text) {
            let before = lf.checked_sub(1).and_then(|index| text.get(index));
            if before.is_some_and(|&octet| octet != b'\r') {
                self.at = At::Middle;
                return Piece { insert, take: lf };
            }
            let next = lf.saturating_add(1);
            if text.get(next) == Some(&b'.') {
                self.at = At::LineStart;
                return Piece { insert, take: next };
            }
        }
        self.at = match text {
            [] => self.at,
            // Whatever stood before it, it left as CRLF.
            [.., b'\n'] => At::LineStart,
            [.., b'\r'] => At::AfterCr,
            _ => At::Middle,
        };
        Piece {
            insert,
            take: text.len(),
        }
    }

    /// What ends the text: a missing CRLF, then the line with the dot.
    #[must_use]
    pub fn finish(self) -> &'static [u8] {
        match self.at {
            At::LineStart => b".\r\n",
            At::Middle | At::AfterCr => b"\r\n.\r\n",
        }
    }
}

/// What came in next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// Nothing can be told before more has come; at most two octets stay behind.
    Partial,
    /// Text: drop `skip` octets (a stuffed dot, or nothing), then take `take` as they are.
    Text {
        /// Octets to drop.
        skip: usize,
        /// Octets of the text.
        take: usize,
    },
    /// The end of the text, in so many octets.
    End(usize),
}

/// A line that begins with a dot.
pub(crate) const LINE_DOT: &[u8] = b"\r\n.";

/// Gets the text back.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unstuffer {
    at: At,
}

impl Unstuffer {
    /// Stands before the first octet of a text.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Looks at the front of `src`; the caller removes what the answer names.
    #[must_use]
    pub fn step(&mut self, src: &[u8]) -> Received {
        self.step_to(src, |text| memmem::find(text, LINE_DOT))
    }

    /// As [`step`](Self::step), by a `finder` of [`LINE_DOT`] that was made once for many steps.
    pub(crate) fn step_by(&mut self, src: &[u8], finder: &memmem::Finder<'_>) -> Received {
        self.step_to(src, |text| finder.find(text))
    }

    fn step_to(&mut self, src: &[u8], find: impl FnOnce(&[u8]) -> Option<usize>) -> Received {
        let (skip, text) = match (self.at, src) {
            (_, []) | (At::LineStart, [b'.'] | [b'.', b'\r']) => return Received::Partial,
            (At::LineStart, [b'.', b'\r', b'\n', ..]) => return Received::End(3),
            // RFC 1939 section 3: if other octets immediately follow, the first octet of the line
            // (the termination octet) is stripped away.
            (At::LineStart, [b'.', rest @ ..]) => (1, rest),
            (At::AfterCr, [b'\n', ..]) => {
                self.at = At::LineStart;
                return Received::Text { skip: 0, take: 1 };
            }
            (_, rest) => (0, rest),
        };
        let take = find(text).map_or(text.len(), |at| at.saturating_add(2));
        // The octet before `text` is no CR here, so that only what is taken counts.
        self.at = At::Middle.after(text.get(..take).unwrap_or_default());
        Received::Text { skip, take }
    }
}

/// Octets of `text` as it will be sent, without stuffing: what a maildrop lists as its size
/// (RFC 1939 section 11 counts each line end as two octets, and no stuffed dot).
#[must_use]
pub fn transmitted_len(text: &[u8]) -> u64 {
    let bare = memchr_iter(b'\n', text)
        .filter(|lf| lf.checked_sub(1).and_then(|index| text.get(index)) != Some(&b'\r'))
        .count();
    let missing = match text {
        [] | [.., b'\n'] => 0,
        _ => 2,
    };
    let len = text.len().saturating_add(bare).saturating_add(missing);
    u64::try_from(len).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_count_a_line_end_as_two_octets() {
        for (text, len) in [
            (&b""[..], 0),
            (b"a", 3),
            (b"a\n", 3),
            (b"a\r\n", 3),
            (b"\n\n", 4),
            (b".\r\n", 3),
        ] {
            assert_eq!(transmitted_len(text), len, "{text:?}");
        }
    }

    #[test]
    fn look_alikes_do_not_end_a_text() {
        for text in [
            &b"\n.\n\r\n.\r\n"[..],
            b"a\n.\r\n\r\n.\r\n",
            b"a\r.\r\r\n.\r\n",
            b"a\r\n.\r\r\n.\r\n",
        ] {
            let (mut unstuffer, mut src) = (Unstuffer::new(), text);
            loop {
                match unstuffer.step(src) {
                    Received::Text { skip, take } => src = &src[skip.saturating_add(take)..],
                    Received::End(len) => break assert_eq!(src.len(), len, "{text:?}"),
                    Received::Partial => panic!("no end in {text:?}"),
                }
            }
        }
    }
}
