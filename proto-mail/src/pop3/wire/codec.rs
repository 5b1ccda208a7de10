//! Lines taken from a growing buffer, for whoever wants no machine: codecs, proxies, fuzzers.

use super::{Base64, Command, CommandError, CommandFault, Reply, ReplyError, ReplyFault, Status};
use crate::Secret;
use crate::line::{Item, LineDecoder, LineEnd};
use bytes::{Bytes, BytesMut};
use core::fmt;
use memchr::memchr3;

/// One line from a client: a command, or a response inside an AUTH exchange. Only whoever follows
/// the exchange can tell which.
#[derive(Clone, PartialEq, Eq)]
pub struct CommandLine(Bytes);

impl CommandLine {
    /// The line as a command.
    ///
    /// # Errors
    ///
    /// [`CommandError`] with what is wrong and where.
    pub fn command(&self) -> Result<Command<'_>, CommandError> {
        Command::parse(&self.0)
    }

    /// The line as a SASL response: `Ok(None)` is `*`, by which a client gives up (RFC 5034
    /// section 4).
    ///
    /// # Errors
    ///
    /// [`CommandFault::Base64`].
    pub fn auth_response(&self) -> Result<Option<Secret>, CommandError> {
        if self.0 == b"*"[..] {
            return Ok(None);
        }
        Base64::new(&self.0)
            .ok()
            .and_then(Base64::decode)
            .map(Some)
            .ok_or(CommandFault::Base64.at(0))
    }

    /// The line without its end. It may hold a password.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Shows the command, never a password or a response.
impl fmt::Debug for CommandLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.command() {
            Ok(command) => f.debug_tuple("CommandLine").field(&command).finish(),
            Err(_) => f.write_str("CommandLine(..)"),
        }
    }
}

/// Takes commands from a buffer.
#[derive(Clone, Debug)]
pub struct CommandDecoder {
    lines: LineDecoder,
    max_len: usize,
}

impl CommandDecoder {
    /// A decoder for lines that end in CRLF and have at most `max_len` octets.
    #[must_use]
    pub fn new(max_len: usize) -> Self {
        Self {
            lines: LineDecoder::new(LineEnd::CrLf),
            max_len,
        }
    }

    /// Takes one line from the front of `src`, or nothing when it is not complete.
    ///
    /// # Errors
    ///
    /// [`CommandError`] for a line that is too long or holds a bare CR, a bare LF or NUL. The line
    /// is gone; the decoder goes on with the next one.
    pub fn decode(&mut self, src: &mut BytesMut) -> Result<Option<CommandLine>, CommandError> {
        match self.lines.decode(src, self.max_len) {
            None => Ok(None),
            Some(Item::Line(line)) => match memchr3(b'\r', b'\n', 0, &line) {
                None => Ok(Some(CommandLine(line))),
                Some(offset) => Err(CommandFault::ForbiddenOctet.at(offset)),
            },
            Some(Item::TooLong) => {
                let limit = self.max_len;
                Err(CommandFault::TooLong { limit }.at(limit))
            }
        }
    }
}

/// One line from a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReplyLine {
    /// A status line.
    Reply(Reply),
    /// `+ `: a challenge of an AUTH exchange.
    Challenge(Secret),
    /// A line of a multi-line answer, its stuffed dot removed.
    Text(Bytes),
    /// The dot that ends a multi-line answer.
    End,
}

/// Takes replies from a buffer.
///
/// Whether lines follow a `+OK` depends on the command: tell by
/// [`expect_lines`](Self::expect_lines) before decoding its reply.
#[derive(Clone, Debug)]
pub struct ReplyDecoder {
    lines: LineDecoder,
    max_len: usize,
    /// A multi-line answer follows the next `+OK`.
    expected: bool,
    inside: bool,
}

impl ReplyDecoder {
    /// A decoder for lines that end in CRLF and have at most `max_len` octets.
    #[must_use]
    pub fn new(max_len: usize) -> Self {
        Self {
            lines: LineDecoder::new(LineEnd::CrLf),
            max_len,
            expected: false,
            inside: false,
        }
    }

    /// Says that the next reply belongs to a command with a multi-line answer. A `-ERR` has none.
    pub fn expect_lines(&mut self) {
        self.expected = true;
    }

    /// Takes one line from the front of `src`, or nothing when it is not complete.
    ///
    /// # Errors
    ///
    /// [`ReplyError`] when the line is none that may stand there. The line is gone; what follows it
    /// is hardly to be trusted.
    pub fn decode(&mut self, src: &mut BytesMut) -> Result<Option<ReplyLine>, ReplyError> {
        let line = match self.lines.decode(src, self.max_len) {
            None => return Ok(None),
            Some(Item::Line(line)) => line,
            Some(Item::TooLong) => {
                let limit = self.max_len;
                return Err(ReplyFault::TooLong { limit }.at(limit));
            }
        };
        if self.inside {
            return Ok(Some(match line.strip_prefix(b".") {
                Some(b"") => {
                    self.inside = false;
                    ReplyLine::End
                }
                Some(_) => ReplyLine::Text(line.slice(1..)),
                None => ReplyLine::Text(line),
            }));
        }
        if let Some(challenge) = challenge(&line)? {
            return Ok(Some(ReplyLine::Challenge(challenge)));
        }
        let reply = Reply::parse(&line)?;
        self.inside = core::mem::take(&mut self.expected) && reply.status() == Status::Ok;
        Ok(Some(ReplyLine::Reply(reply)))
    }
}

/// The challenge in a line that begins with `+ ` (RFC 5034 section 4); a bare `+` is taken for an
/// empty one, as some servers send it.
pub(crate) fn challenge(line: &[u8]) -> Result<Option<Secret>, ReplyError> {
    let Some(text) = line.strip_prefix(b"+ ").or((line == b"+").then_some(b"")) else {
        return Ok(None);
    };
    Base64::new(text)
        .ok()
        .and_then(Base64::decode)
        .map(Some)
        .ok_or(ReplyFault::Base64.at(2))
}
