//! Commands: one line from the client.

use super::args::parse_message;
use super::{Base64, Digest, InvalidArgument, LanguageRange, Password, Text, digits, parse_number};
use crate::sasl::Mechanism;
use bytes::BytesMut;
use core::num::NonZeroU32;
use memchr::{memchr, memchr3, memrchr};

/// A command, borrowed from its line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Command<'a> {
    /// `USER name` (RFC 1939 section 7). The rest of the line is the name.
    User(Text<'a>),
    /// `PASS string` (RFC 1939 section 7). The rest of the line is the password, blanks included.
    Pass(Password<'a>),
    /// `APOP name digest` (RFC 1939 section 7).
    Apop {
        /// The mailbox.
        name: Text<'a>,
        /// The proof.
        digest: Digest,
    },
    /// `AUTH mechanism [initial-response]` (RFC 5034 section 4).
    Auth {
        /// The SASL mechanism.
        mechanism: Mechanism,
        /// The initial response; `=` stands for an empty one.
        initial: Option<Base64<'a>>,
    },
    /// `AUTH` alone: which mechanisms are there? Older than RFC 5034, and still asked.
    AuthList,
    /// `STAT` (RFC 1939 section 5).
    Stat,
    /// `LIST [msg]` (RFC 1939 section 5).
    List(Option<NonZeroU32>),
    /// `UIDL [msg]` (RFC 1939 section 7).
    Uidl(Option<NonZeroU32>),
    /// `RETR msg` (RFC 1939 section 5).
    Retr(NonZeroU32),
    /// `TOP msg n` (RFC 1939 section 7).
    Top {
        /// The message.
        message: NonZeroU32,
        /// Lines of the body to send after the header.
        lines: u64,
    },
    /// `DELE msg` (RFC 1939 section 5).
    Dele(NonZeroU32),
    /// `NOOP` (RFC 1939 section 5).
    Noop,
    /// `RSET` (RFC 1939 section 5).
    Rset,
    /// `QUIT` (RFC 1939 sections 4 and 6).
    Quit,
    /// `CAPA` (RFC 2449 section 5).
    Capa,
    /// `STLS` (RFC 2595 section 4).
    Stls,
    /// `UTF8` (RFC 6856 section 2).
    Utf8,
    /// `LANG [range]` (RFC 6856 section 3).
    Lang(Option<LanguageRange<'a>>),
}

impl<'a> Command<'a> {
    /// Parses a line without its end.
    ///
    /// Keywords are taken in any case, and blanks at the end of a line that is not a `PASS` are
    /// ignored, as servers do.
    ///
    /// # Errors
    ///
    /// [`CommandError`] with what is wrong and where.
    pub fn parse(line: &'a [u8]) -> Result<Self, CommandError> {
        if let Some(offset) = memchr3(b'\r', b'\n', 0, line) {
            return Err(CommandFault::ForbiddenOctet.at(offset));
        }
        let end = memchr(b' ', line).unwrap_or(line.len());
        let (word, rest) = line.split_at_checked(end).unwrap_or((line, b""));
        // RFC 1939 section 3: keywords are three or four characters long.
        let mut keyword = [b' '; 4];
        match keyword.get_mut(..end) {
            Some([]) => return Err(CommandFault::Empty.at(0)),
            Some(slots) => slots.copy_from_slice(word),
            None => return Err(CommandFault::UnknownKeyword.at(0)),
        }
        // RFC 1939 section 7, PASS: "a POP3 server may treat spaces in the argument as part of the
        // password, instead of as argument separators".
        let whole = rest.strip_prefix(b" ").unwrap_or_default();
        let args = Arguments {
            text: whole.trim_ascii(),
            offset: end,
        };
        keyword.make_ascii_uppercase();
        match &keyword {
            b"USER" => args.required().map(|name| Self::User(Text(name))),
            b"PASS" if whole.is_empty() => Err(CommandFault::MissingArgument.at(end)),
            b"PASS" => Ok(Self::Pass(Password(Text(whole)))),
            b"APOP" => args.apop(),
            b"AUTH" => args.auth(),
            b"STAT" => args.none(Self::Stat),
            b"LIST" => args.optional_message().map(Self::List),
            b"UIDL" => args.optional_message().map(Self::Uidl),
            b"RETR" => args.message().map(Self::Retr),
            b"TOP " => args.top(),
            b"DELE" => args.message().map(Self::Dele),
            b"NOOP" => args.none(Self::Noop),
            b"RSET" => args.none(Self::Rset),
            b"QUIT" => args.none(Self::Quit),
            b"CAPA" => args.none(Self::Capa),
            b"STLS" => args.none(Self::Stls),
            b"UTF8" => args.none(Self::Utf8),
            b"LANG" => args.lang(),
            _ => Err(CommandFault::UnknownKeyword.at(0)),
        }
    }

    /// Appends the command and its line end to `dst`.
    pub fn encode(&self, dst: &mut BytesMut) {
        match *self {
            Self::User(name) => put(dst, b"USER ", name.as_bytes()),
            Self::Pass(password) => put(dst, b"PASS ", password.as_bytes()),
            Self::Apop { name, digest } => {
                put(dst, b"APOP ", name.as_bytes());
                dst.extend_from_slice(b" ");
                digest.encode(dst);
            }
            Self::Auth { mechanism, initial } => {
                put(dst, b"AUTH ", mechanism.as_str().as_bytes());
                if let Some(initial) = initial {
                    put(dst, b" ", initial.as_bytes());
                }
            }
            Self::AuthList => put(dst, b"AUTH", b""),
            Self::Stat => put(dst, b"STAT", b""),
            Self::List(message) => put_optional(dst, b"LIST", message),
            Self::Uidl(message) => put_optional(dst, b"UIDL", message),
            Self::Retr(message) => put_optional(dst, b"RETR", Some(message)),
            Self::Top { message, lines } => {
                put_optional(dst, b"TOP", Some(message));
                dst.extend_from_slice(b" ");
                digits(lines, dst);
            }
            Self::Dele(message) => put_optional(dst, b"DELE", Some(message)),
            Self::Noop => put(dst, b"NOOP", b""),
            Self::Rset => put(dst, b"RSET", b""),
            Self::Quit => put(dst, b"QUIT", b""),
            Self::Capa => put(dst, b"CAPA", b""),
            Self::Stls => put(dst, b"STLS", b""),
            Self::Utf8 => put(dst, b"UTF8", b""),
            Self::Lang(None) => put(dst, b"LANG", b""),
            Self::Lang(Some(range)) => put(dst, b"LANG ", range.as_str().as_bytes()),
        }
        dst.extend_from_slice(b"\r\n");
    }
}

/// What is wrong with a line that is no command, and where. A server answers it with `-ERR` and
/// goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{fault} (at octet {offset} of the line)")]
pub struct CommandError {
    /// What is wrong.
    pub fault: CommandFault,
    /// Where in the line.
    pub offset: usize,
}

/// What can be wrong with a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CommandFault {
    /// The line is empty, or begins with a blank.
    #[error("no command")]
    Empty,
    /// No command of that name is known.
    #[error("unknown command")]
    UnknownKeyword,
    /// An argument is missing.
    #[error("missing argument")]
    MissingArgument,
    /// There is an argument too many.
    #[error("unexpected argument")]
    UnexpectedArgument,
    /// A message number is no number, zero, or above any that can be.
    #[error("invalid message number")]
    MessageNumber,
    /// A number of lines is no number.
    #[error("invalid number of lines")]
    LineCount,
    /// The digest of APOP has not 32 hexadecimal digits.
    #[error("invalid digest")]
    Digest,
    /// The name of a SASL mechanism has octets that such a name cannot have.
    #[error("invalid name of a mechanism")]
    Mechanism,
    /// A SASL response is not in Base64.
    #[error("invalid base64")]
    Base64,
    /// A language range is none.
    #[error("invalid language range")]
    Language,
    /// A bare CR, a bare LF or a NUL.
    #[error("control octet inside a line")]
    ForbiddenOctet,
    /// The line has more octets than allowed.
    #[error("line too long, {limit} octets are allowed")]
    TooLong {
        /// Octets that are allowed, the line end included.
        limit: usize,
    },
}

impl CommandFault {
    /// The error at a place of the line.
    #[must_use]
    pub fn at(self, offset: usize) -> CommandError {
        CommandError {
            fault: self,
            offset,
        }
    }
}

/// What follows a keyword, without the blanks around it.
#[derive(Clone, Copy)]
struct Arguments<'a> {
    text: &'a [u8],
    /// Where the keyword ends: good enough a place for an error in what follows.
    offset: usize,
}

impl<'a> Arguments<'a> {
    fn fail<T>(self, fault: CommandFault) -> Result<T, CommandError> {
        Err(fault.at(self.offset))
    }

    fn none<T>(self, command: T) -> Result<T, CommandError> {
        if self.text.is_empty() {
            return Ok(command);
        }
        self.fail(CommandFault::UnexpectedArgument)
    }

    fn required(self) -> Result<&'a [u8], CommandError> {
        if self.text.is_empty() {
            return self.fail(CommandFault::MissingArgument);
        }
        Ok(self.text)
    }

    fn message(self) -> Result<NonZeroU32, CommandError> {
        let text = self.required()?;
        parse_message(text).ok_or(CommandFault::MessageNumber.at(self.offset))
    }

    fn optional_message(self) -> Result<Option<NonZeroU32>, CommandError> {
        if self.text.is_empty() {
            return Ok(None);
        }
        self.message().map(Some)
    }

    fn top(self) -> Result<Command<'a>, CommandError> {
        let text = self.required()?;
        let Some((message, lines)) = split_blank(text, memchr(b' ', text)) else {
            return self.fail(CommandFault::MissingArgument);
        };
        let message = parse_message(message).ok_or(CommandFault::MessageNumber.at(self.offset))?;
        let lines = parse_number(lines).ok_or(CommandFault::LineCount.at(self.offset))?;
        Ok(Command::Top { message, lines })
    }

    fn apop(self) -> Result<Command<'a>, CommandError> {
        let text = self.required()?;
        let Some((name, digest)) = split_blank(text, memrchr(b' ', text)) else {
            return self.fail(CommandFault::MissingArgument);
        };
        let digest = Digest::parse(digest).ok_or(CommandFault::Digest.at(self.offset))?;
        Ok(Command::Apop {
            name: Text(name),
            digest,
        })
    }

    fn auth(self) -> Result<Command<'a>, CommandError> {
        if self.text.is_empty() {
            return Ok(Command::AuthList);
        }
        let (name, initial) = match split_blank(self.text, memchr(b' ', self.text)) {
            Some((name, initial)) => (name, Some(initial)),
            None => (self.text, None),
        };
        let mechanism =
            Mechanism::new(name).map_err(|_| CommandFault::Mechanism.at(self.offset))?;
        let initial = initial
            .map(Base64::new)
            .transpose()
            .map_err(|_| CommandFault::Base64.at(self.offset))?;
        Ok(Command::Auth { mechanism, initial })
    }

    fn lang(self) -> Result<Command<'a>, CommandError> {
        if self.text.is_empty() {
            return Ok(Command::Lang(None));
        }
        match LanguageRange::new(self.text) {
            Ok(range) => Ok(Command::Lang(Some(range))),
            Err(InvalidArgument { .. }) => self.fail(CommandFault::Language),
        }
    }
}

/// The parts on either side of the blank at `at`, without further blanks between them.
fn split_blank(text: &[u8], at: Option<usize>) -> Option<(&[u8], &[u8])> {
    let (head, rest) = text.split_at_checked(at?)?;
    Some((head.trim_ascii_end(), rest.trim_ascii_start()))
}

fn put(dst: &mut BytesMut, keyword: &[u8], argument: &[u8]) {
    dst.extend_from_slice(keyword);
    dst.extend_from_slice(argument);
}

fn put_optional(dst: &mut BytesMut, keyword: &[u8], message: Option<NonZeroU32>) {
    dst.extend_from_slice(keyword);
    if let Some(message) = message {
        dst.extend_from_slice(b" ");
        digits(u64::from(message.get()), dst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_keeps_its_blanks() {
        let Ok(Command::Pass(password)) = Command::parse(b"pass  a b ") else {
            panic!("not a password")
        };
        assert_eq!(password.as_bytes(), b" a b ");
        let shown = alloc::format!("{:?}", Command::parse(b"PASS hungry"));
        assert!(!shown.contains("hungry"), "{shown}");
    }

    #[test]
    fn faults_name_their_kind() {
        for (line, fault) in [
            (&b""[..], CommandFault::Empty),
            (b" STAT", CommandFault::Empty),
            (b"GET / HTTP/1.1", CommandFault::UnknownKeyword),
            (b"TO", CommandFault::UnknownKeyword),
            (b"TOPS 1 1", CommandFault::UnknownKeyword),
            (b"RETR", CommandFault::MissingArgument),
            (b"RETR 0", CommandFault::MessageNumber),
            (b"RETR 4294967296", CommandFault::MessageNumber),
            (b"RETR 1 2", CommandFault::MessageNumber),
            (b"DELE -1", CommandFault::MessageNumber),
            (b"TOP 1", CommandFault::MissingArgument),
            (b"TOP 1 x", CommandFault::LineCount),
            (b"STAT 1", CommandFault::UnexpectedArgument),
            (b"APOP bob", CommandFault::MissingArgument),
            (b"APOP bob 12", CommandFault::Digest),
            (b"AUTH PL@IN", CommandFault::Mechanism),
            (b"AUTH PLAIN a!", CommandFault::Base64),
            (b"LANG e_n", CommandFault::Language),
            (b"NOOP\r", CommandFault::ForbiddenOctet),
            (b"PASS a\0b", CommandFault::ForbiddenOctet),
            (b"USER a\nDELE 1", CommandFault::ForbiddenOctet),
        ] {
            let error = Command::parse(line).unwrap_err();
            assert_eq!(error.fault, fault, "{}", line.escape_ascii());
        }
    }
}
