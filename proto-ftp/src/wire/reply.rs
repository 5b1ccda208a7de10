//! Replies: three digits and text, on one line or many (RFC 959 section 4.2).

use super::line::put_escaped;
use alloc::vec::Vec;
use bytes::{Buf, Bytes, BytesMut};

/// A reply. Its lines are kept in one buffer, separated by LF.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    code: u16,
    text: Bytes,
}

impl Reply {
    /// A reply of the given code; each line of `text` becomes a line of it. Octets that could end a
    /// line or steer a terminal are replaced by `?`, so that text of a peer's can pretend nothing.
    #[must_use]
    pub fn new(code: u16, text: impl AsRef<[u8]>) -> Self {
        let text: Vec<u8> = text.as_ref().iter().map(clean).collect();
        Self {
            code: code.clamp(100, 599),
            text: text.into(),
        }
    }

    /// The three digits.
    #[must_use]
    pub fn code(&self) -> u16 {
        self.code
    }

    /// The first digit, which decides (RFC 1123 section 4.1.2.11).
    #[must_use]
    pub fn class(&self) -> u8 {
        u8::try_from(self.code / 100).unwrap_or(0)
    }

    /// 1xx: another reply follows.
    #[must_use]
    pub fn is_preliminary(&self) -> bool {
        self.class() == 1
    }

    /// 2xx.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.class() == 2
    }

    /// 3xx: another command is wanted.
    #[must_use]
    pub fn is_intermediate(&self) -> bool {
        self.class() == 3
    }

    /// The text, its lines separated by LF, without codes.
    #[must_use]
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// The lines of the text. Inner lines of a multi-line reply are as they came: some servers put
    /// the code before each, and it stays there unless it is this reply's own.
    pub fn lines(&self) -> impl Iterator<Item = &[u8]> {
        self.text.split(|octet| *octet == b'\n')
    }

    /// Writes the reply. An inner line that could be taken for the last one is indented by a blank.
    pub fn encode(&self, out: &mut BytesMut) {
        put_lines(self.code, &self.text, out, |octet| *octet);
    }
}

fn clean(octet: &u8) -> u8 {
    match *octet {
        b'\n' | b'\t' | 0x20..=0x7e | 0x80..=0xff => *octet,
        _ => b'?',
    }
}

/// Writes a reply of the given code and lines, as [`Reply::new`] and [`Reply::encode`] would, in one
/// go.
pub(crate) fn put_reply(code: u16, text: &[u8], out: &mut BytesMut) {
    put_lines(code.clamp(100, 599), text, out, clean);
}

/// Writes a reply that quotes a path, as those to PWD and MKD.
pub(crate) fn put_path_reply(code: u16, path: &[u8], words: &str, out: &mut BytesMut) {
    out.extend_from_slice(&digits(code));
    out.extend_from_slice(b" \"");
    for octet in path {
        let octet = clean(octet);
        if matches!(octet, b'"' | 0xff) {
            out.extend_from_slice(&[octet]);
        }
        out.extend_from_slice(&[octet]);
    }
    out.extend_from_slice(b"\"");
    out.extend_from_slice(words.as_bytes());
    out.extend_from_slice(b"\r\n");
}

fn put_lines(code: u16, text: &[u8], out: &mut BytesMut, clean: fn(&u8) -> u8) {
    let code = digits(code);
    let mut lines = text.split(|octet| *octet == b'\n').peekable();
    let mut is_first = true;
    while let Some(line) = lines.next() {
        let is_last = lines.peek().is_none();
        if is_first || is_last {
            out.extend_from_slice(&code);
            out.extend_from_slice(if is_last { b" " } else { b"-" });
        } else if line.first().is_some_and(u8::is_ascii_digit) {
            out.extend_from_slice(b" ");
        }
        let start = out.len();
        put_escaped(line, out);
        for octet in out.get_mut(start..).unwrap_or_default() {
            *octet = clean(octet);
        }
        out.extend_from_slice(b"\r\n");
        is_first = false;
    }
}

fn digits(code: u16) -> [u8; 3] {
    let digit = |value: u16| b'0'.saturating_add(u8::try_from(value % 10).unwrap_or(0));
    [digit(code / 100), digit(code / 10), digit(code)]
}

/// What is wrong with a reply. A stream of replies has no way back from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReplyError {
    /// The first line has no code of three digits, or one outside of 100 to 599.
    #[error("a reply without a valid code")]
    BadCode,
    /// A line, or the reply as a whole, is too long.
    #[error("a reply of more than {limit} octets")]
    TooLong {
        /// The limit in octets.
        limit: usize,
    },
    /// Too many lines.
    #[error("a reply of more than {limit} lines")]
    TooManyLines {
        /// The limit in lines.
        limit: usize,
    },
}

/// Reads replies off the front of a buffer; looks at each octet once.
#[derive(Clone, Debug)]
pub struct ReplyDecoder {
    max_line: usize,
    max_len: usize,
    max_lines: usize,
    scanned: usize,
    /// The code of a multi-line reply that has begun.
    open: Option<u16>,
    text: Vec<u8>,
    lines: usize,
}

impl ReplyDecoder {
    /// A line may have `max_line` octets, a reply `max_len` octets and `max_lines` lines.
    #[must_use]
    pub fn new(max_line: usize, max_len: usize, max_lines: usize) -> Self {
        Self {
            max_line,
            max_len,
            max_lines,
            scanned: 0,
            open: None,
            text: Vec::new(),
            lines: 0,
        }
    }

    /// Whether a reply has begun and not ended.
    #[must_use]
    pub fn is_inside(&self) -> bool {
        self.open.is_some()
    }

    /// Takes a reply off `input`, if it is all there. Lines of an unfinished reply are taken too.
    ///
    /// # Errors
    ///
    /// [`ReplyError`]: what follows cannot be read as replies any more.
    pub fn decode(&mut self, input: &mut BytesMut) -> Result<Option<Reply>, ReplyError> {
        loop {
            let fresh = input.get(self.scanned..).unwrap_or_default();
            let Some(at) = memchr::memchr(b'\n', fresh) else {
                self.scanned = input.len();
                if input.len() > self.max_line {
                    return Err(ReplyError::TooLong {
                        limit: self.max_line,
                    });
                }
                return Ok(None);
            };
            let len = self.scanned.saturating_add(at).saturating_add(1);
            self.scanned = 0;
            if len > self.max_line {
                return Err(ReplyError::TooLong {
                    limit: self.max_line,
                });
            }
            let line = input.get(..len).unwrap_or_default();
            let reply = if memchr::memchr2(0xff, 0, line).is_some() {
                let line = super::line::strip(line);
                self.line(&line)
            } else {
                let line = line.strip_suffix(b"\n").unwrap_or(line);
                let line = line.strip_suffix(b"\r").unwrap_or(line);
                self.line(line)
            };
            input.advance(len);
            if let Some(reply) = reply? {
                return Ok(Some(reply));
            }
        }
    }

    fn line(&mut self, line: &[u8]) -> Result<Option<Reply>, ReplyError> {
        let code = code_of(line);
        let after = line.get(3..).unwrap_or_default();
        let Some(open) = self.open else {
            // Blank lines between replies carry nothing; a few servers send them.
            if line.is_empty() {
                return Ok(None);
            }
            let code = code.ok_or(ReplyError::BadCode)?;
            return match after.split_first() {
                Some((b'-', text)) => {
                    self.open = Some(code);
                    self.lines = 0;
                    self.text.clear();
                    self.push(text)?;
                    Ok(None)
                }
                Some((b' ', text)) => Ok(Some(Reply {
                    code,
                    text: Bytes::copy_from_slice(text),
                })),
                None => Ok(Some(Reply {
                    code,
                    text: Bytes::new(),
                })),
                // RFC 1123 section 4.1.2.11 asks for tolerance, but what follows three digits
                // directly could be anything.
                Some(_) => Err(ReplyError::BadCode),
            };
        };
        match (code, after.split_first()) {
            // RFC 959 section 4.2: only the same code followed by a blank ends the reply; lines
            // that begin with other codes are text.
            (Some(code), None | Some((b' ', _))) if code == open => {
                self.push(after.get(1..).unwrap_or_default())?;
                self.open = None;
                Ok(Some(Reply {
                    code,
                    text: core::mem::take(&mut self.text).into(),
                }))
            }
            (Some(code), Some((b'-', text))) if code == open => {
                self.push(text)?;
                Ok(None)
            }
            _ => {
                self.push(line)?;
                Ok(None)
            }
        }
    }

    fn push(&mut self, line: &[u8]) -> Result<(), ReplyError> {
        if self.lines >= self.max_lines {
            return Err(ReplyError::TooManyLines {
                limit: self.max_lines,
            });
        }
        if self.text.len().saturating_add(line.len()) >= self.max_len {
            return Err(ReplyError::TooLong {
                limit: self.max_len,
            });
        }
        if self.lines > 0 {
            self.text.push(b'\n');
        }
        self.text.extend_from_slice(line);
        self.lines = self.lines.saturating_add(1);
        Ok(())
    }
}

fn code_of(line: &[u8]) -> Option<u16> {
    let code = line
        .first_chunk::<3>()?
        .iter()
        .try_fold(0_u16, |code, digit| {
            digit.is_ascii_digit().then(|| {
                code.saturating_mul(10)
                    .saturating_add(u16::from(digit & 15))
            })
        })?;
    (100..600).contains(&code).then_some(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(octets: &[u8]) -> Result<Vec<Reply>, ReplyError> {
        let mut decoder = ReplyDecoder::new(100, 300, 5);
        let (mut input, mut replies) = (BytesMut::from(octets), Vec::new());
        while let Some(reply) = decoder.decode(&mut input)? {
            replies.push(reply);
        }
        Ok(replies)
    }

    #[test]
    fn inner_lines_may_look_like_replies() {
        let replies =
            decode(b"211-Features\r\n MDTM\r\n226 inner\r\n211-SIZE\r\n211 End\r\n200\r\n")
                .unwrap();
        assert_eq!(replies[0].text(), b"Features\n MDTM\n226 inner\nSIZE\nEnd");
        assert_eq!((replies[1].code(), replies[1].text()), (200, &b""[..]));
    }

    #[test]
    fn limits_and_codes() {
        assert_eq!(decode(b"000 x\r\n"), Err(ReplyError::BadCode));
        assert_eq!(decode(b"999 x\r\n"), Err(ReplyError::BadCode));
        assert_eq!(decode(b"- x\r\n"), Err(ReplyError::BadCode));
        assert_eq!(
            decode(&[b'2'; 101]),
            Err(ReplyError::TooLong { limit: 100 })
        );
        assert_eq!(
            decode(b"220-a\r\nb\r\nc\r\nd\r\ne\r\nf\r\n"),
            Err(ReplyError::TooManyLines { limit: 5 })
        );
    }

    #[test]
    fn what_is_encoded_is_decoded() {
        let mut wire = BytesMut::new();
        let reply = Reply::new(211, "Status\n226 x\nlast\r");
        reply.encode(&mut wire);
        assert_eq!(&wire[..], b"211-Status\r\n 226 x\r\n211 last?\r\n");
        Reply::new(226, "\u{ff}").encode(&mut wire);
        assert_eq!(decode(&wire).unwrap().len(), 2);
    }
}
