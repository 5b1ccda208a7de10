//! Replies.

use super::EnhancedCode;
use crate::line::{Frame, LineDecoder};
use crate::value::digits;
use bytes::{Buf, Bytes, BytesMut};
use core::fmt;
use memchr::memchr;

/// A reply: a code, perhaps an enhanced one, and lines of text.
#[derive(Clone, PartialEq, Eq)]
pub struct Reply {
    code: u16,
    enhanced: Option<EnhancedCode>,
    /// Lines, with LF between them.
    text: Bytes,
}

impl Reply {
    /// A reply that a server may give. LF separates lines of the text; CR, NUL and other controls
    /// are written as blanks. A code outside 200 to 599 becomes 451: nothing else can be sent.
    #[must_use]
    pub fn new(code: u16, enhanced: Option<EnhancedCode>, text: impl AsRef<[u8]>) -> Self {
        let text = text.as_ref();
        let is_bad = |octet: &u8| octet.is_ascii_control() && *octet != b'\n' && *octet != b'\t';
        let text = if text.iter().any(is_bad) {
            let clean = text.iter().map(|it| if is_bad(it) { b' ' } else { *it });
            clean.collect()
        } else {
            Bytes::copy_from_slice(text)
        };
        let code = match code {
            200..=599 => code,
            _ => 451,
        };
        // RFC 2034 section 4: the class is the first digit of the code.
        let enhanced = enhanced.filter(|it| u16::from(it.class) == code / 100);
        Self {
            code,
            enhanced,
            text,
        }
    }

    /// As [`new`](Self::new), from a text that is known to hold no control.
    pub(crate) fn fixed(code: u16, enhanced: Option<EnhancedCode>, text: &'static str) -> Self {
        Self {
            code,
            enhanced,
            text: Bytes::from_static(text.as_bytes()),
        }
    }

    /// `250 2.0.0` and a text.
    #[must_use]
    pub fn ok(text: impl AsRef<[u8]>) -> Self {
        Self::new(250, Some(EnhancedCode::new(2, 0, 0)), text)
    }

    /// `550 5.1.1`: no such mailbox here.
    #[must_use]
    pub fn no_such_mailbox() -> Self {
        Self::fixed(550, Some(EnhancedCode::new(5, 1, 1)), "no such mailbox")
    }

    /// `451 4.3.0`: try again later.
    #[must_use]
    pub fn try_later() -> Self {
        Self::fixed(451, Some(EnhancedCode::new(4, 3, 0)), "try again later")
    }

    /// `535 5.7.8`: the same for an unknown user and a wrong password.
    #[must_use]
    pub fn authentication_failed() -> Self {
        let enhanced = EnhancedCode::new(5, 7, 8);
        Self::fixed(535, Some(enhanced), "authentication failed")
    }

    /// The code, 200 to 599.
    #[must_use]
    pub fn code(&self) -> u16 {
        self.code
    }

    /// The enhanced code, if there is one.
    #[must_use]
    pub fn enhanced(&self) -> Option<EnhancedCode> {
        self.enhanced
    }

    /// The text, without codes; LF stands between its lines.
    #[must_use]
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// The lines of the text.
    pub fn lines(&self) -> impl Iterator<Item = &[u8]> {
        self.text.split(|&octet| octet == b'\n')
    }

    /// 2xx or 3xx.
    #[must_use]
    pub fn is_positive(&self) -> bool {
        self.code < 400
    }

    /// 2xx.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.code < 300
    }

    /// 4xx: the same may succeed later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        (400..500).contains(&self.code)
    }

    /// 5xx: it will not.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        self.code >= 500
    }

    /// Appends all lines. `with_enhanced` as RFC 2034 wants it: after EHLO, and only if offered.
    pub fn encode(&self, with_enhanced: bool, dst: &mut BytesMut) {
        let enhanced = self.enhanced.filter(|_| with_enhanced);
        let mut rest = Some(&self.text[..]);
        while let Some(text) = rest {
            let (line, next) = match memchr(b'\n', text) {
                Some(at) => (
                    text.get(..at).unwrap_or_default(),
                    text.get(at.saturating_add(1)..),
                ),
                None => (text, None),
            };
            digits(u64::from(self.code), dst);
            dst.extend_from_slice(if next.is_some() { b"-" } else { b" " });
            if let Some(enhanced) = enhanced {
                enhanced.encode(dst);
                dst.extend_from_slice(b" ");
            }
            dst.extend_from_slice(line);
            dst.extend_from_slice(b"\r\n");
            rest = next;
        }
    }
}

/// Writes a reply with code 250 as it is made, without a [`Reply`] in between.
pub(crate) struct OkLines {
    dst: BytesMut,
    /// Where the octet behind the code of the last line stands.
    mark: usize,
}

impl OkLines {
    /// Begins the first line behind what is in `dst`.
    pub(crate) fn new(mut dst: BytesMut) -> Self {
        dst.extend_from_slice(b"250-");
        let mark = dst.len().saturating_sub(1);
        Self { dst, mark }
    }

    /// Appends to the line.
    pub(crate) fn put(&mut self, text: &'static str) {
        self.dst.extend_from_slice(text.as_bytes());
    }

    /// Appends to the line what is not known in advance. Controls become blanks: none of them can
    /// begin a line of its own.
    pub(crate) fn put_clean(&mut self, text: &[u8]) {
        let before = self.dst.len();
        self.dst.extend_from_slice(text);
        for octet in self.dst.get_mut(before..).unwrap_or_default() {
            // Stored in any case, so that the compiler makes vectors of it.
            *octet = if octet.is_ascii_control() {
                b' '
            } else {
                *octet
            };
        }
    }

    /// Appends a number.
    pub(crate) fn number(&mut self, value: u64) {
        digits(value, &mut self.dst);
    }

    /// Ends the line; another one follows.
    pub(crate) fn next_line(&mut self) {
        self.dst.extend_from_slice(b"\r\n250-");
        self.mark = self.dst.len().saturating_sub(1);
    }

    /// Ends the last line and gives the buffer back.
    pub(crate) fn finish(mut self) -> BytesMut {
        if let Some(mark) = self.dst.get_mut(self.mark) {
            *mark = b' ';
        }
        self.dst.extend_from_slice(b"\r\n");
        self.dst
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reply({self})")
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code)?;
        if let Some(enhanced) = self.enhanced {
            write!(f, " {enhanced}")?;
        }
        write!(f, " {}", self.text.escape_ascii())
    }
}

/// Why octets are no reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{fault} in line {line}")]
pub struct ReplyError {
    /// What is wrong.
    pub fault: ReplyFault,
    /// In which line of the reply, from 1 on.
    pub line: u32,
}

/// What is wrong with a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReplyFault {
    /// No three digits, the first of them 2 to 5, or something else behind them than a blank or a
    /// hyphen.
    #[error("no reply code")]
    Code,
    /// Lines of one reply with different codes (RFC 5321 section 4.2.1).
    #[error("another reply code")]
    MixedCodes,
    /// CR, LF or NUL inside a line.
    #[error("forbidden octet")]
    ForbiddenOctet,
    /// A line of more octets than allowed.
    #[error("more than {limit} octets")]
    LineTooLong {
        /// Octets that are allowed.
        limit: usize,
    },
    /// More octets in all lines together than allowed.
    #[error("reply of more than {limit} octets")]
    ReplyTooLong {
        /// Octets that are allowed.
        limit: usize,
    },
}

/// Puts replies together from lines.
#[derive(Clone, Debug, Default)]
pub struct ReplyDecoder {
    lines: LineDecoder,
    /// The code of the reply that was begun, and its text so far.
    begun: Option<(u16, Option<EnhancedCode>, BytesMut)>,
    line: u32,
}

impl ReplyDecoder {
    /// Stands before the first reply.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the reply at the front of `src`, or nothing when it is not complete. Lines may have
    /// `max_line` octets, all lines of a reply together `max_reply`.
    ///
    /// # Errors
    ///
    /// [`ReplyError`] when the peer does not speak SMTP; nothing that follows can be trusted.
    pub fn decode(
        &mut self,
        src: &mut BytesMut,
        max_line: usize,
        max_reply: usize,
    ) -> Result<Option<Reply>, ReplyError> {
        loop {
            let number = self.line.saturating_add(1);
            let wrong = |fault| ReplyError {
                fault,
                line: number,
            };
            let too_long = wrong(ReplyFault::LineTooLong { limit: max_line });
            let (text, len) = match self.lines.scan(src, max_line) {
                Some(Frame::Line { text, len }) => (text, len),
                Some(Frame::TooLong) => return Err(too_long),
                None if self.lines.is_skipping() => return Err(too_long),
                None => return Ok(None),
            };
            let line = src.get(..text).unwrap_or_default();
            let done = self.line(line, max_reply).map_err(wrong);
            src.advance(len.min(src.len()));
            self.line = number;
            if let Some(reply) = done? {
                self.line = 0;
                return Ok(Some(reply));
            }
        }
    }

    /// Octets of an unfinished reply.
    #[must_use]
    pub fn pending(&self, src: &BytesMut) -> usize {
        let begun = self.begun.as_ref().map_or(0, |(_, _, text)| text.len());
        self.lines
            .pending(src)
            .saturating_add(begun)
            .saturating_add(usize::from(self.begun.is_some()))
    }

    fn line(&mut self, line: &[u8], max_reply: usize) -> Result<Option<Reply>, ReplyFault> {
        if memchr::memchr3(b'\r', b'\n', 0, line).is_some() {
            return Err(ReplyFault::ForbiddenOctet);
        }
        let (code, is_last, text) = match line {
            [a @ b'2'..=b'5', b @ b'0'..=b'9', c @ b'0'..=b'9', rest @ ..] => {
                let digit = |octet: &u8| u16::from(octet.saturating_sub(b'0'));
                let code = digit(a)
                    .saturating_mul(100)
                    .saturating_add(digit(b).saturating_mul(10))
                    .saturating_add(digit(c));
                match rest {
                    [] => (code, true, rest),
                    [b' ', text @ ..] => (code, true, text),
                    [b'-', text @ ..] => (code, false, text),
                    _ => return Err(ReplyFault::Code),
                }
            }
            _ => return Err(ReplyFault::Code),
        };
        let (enhanced, text) = match EnhancedCode::parse(text) {
            Some((enhanced, rest)) if u16::from(enhanced.class) == code / 100 => {
                (Some(enhanced), rest)
            }
            _ => (None, text),
        };
        let Some((begun, first, mut lines)) = self.begun.take() else {
            if is_last {
                let text = Bytes::copy_from_slice(text);
                return Ok(Some(Reply {
                    code,
                    enhanced,
                    text,
                }));
            }
            self.begun = Some((code, enhanced, BytesMut::from(text)));
            return Ok(None);
        };
        if begun != code {
            return Err(ReplyFault::MixedCodes);
        }
        if lines.len().saturating_add(text.len()) >= max_reply {
            return Err(ReplyFault::ReplyTooLong { limit: max_reply });
        }
        lines.extend_from_slice(b"\n");
        lines.extend_from_slice(text);
        if is_last {
            return Ok(Some(Reply {
                code,
                enhanced: first,
                text: Bytes::copy_from_slice(&lines),
            }));
        }
        self.begun = Some((code, first, lines));
        Ok(None)
    }
}
