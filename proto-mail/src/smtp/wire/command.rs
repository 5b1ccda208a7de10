//! Commands.

use super::address::check_domain;
use super::{MailParams, Mailbox, RcptParams, ReversePath};
use crate::sasl::Mechanism;
use crate::value::{Base64, Text, digits, parse_number as number};
use bytes::BytesMut;
use memchr::{memchr, memchr3};

/// A command of a client, as it stands on one line.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Command<'a> {
    /// The handshake of RFC 821; the client's name.
    Helo(Text<'a>),
    /// The handshake of RFC 5321; the client's name.
    Ehlo(Text<'a>),
    /// The handshake of LMTP (RFC 2033); the client's name.
    Lhlo(Text<'a>),
    /// A message comes from there.
    Mail {
        /// Whom to tell when it cannot be delivered.
        from: ReversePath,
        /// What else is said.
        params: MailParams,
    },
    /// And goes there; one for each recipient.
    Rcpt {
        /// The recipient.
        to: Mailbox,
        /// What else is said.
        params: RcptParams,
    },
    /// The message follows the answer, up to a line with a dot.
    Data,
    /// A part of the message follows at once (RFC 3030).
    Bdat {
        /// Octets of the part.
        size: u64,
        /// Whether it is the last one.
        last: bool,
    },
    /// Forget the message.
    Rset,
    /// Is there such a mailbox?
    Vrfy(Text<'a>),
    /// Who is on this list?
    Expn(Text<'a>),
    /// Which commands are there?
    Help(Option<Text<'a>>),
    /// Nothing.
    Noop(Option<Text<'a>>),
    /// The end.
    Quit,
    /// TLS from here on (RFC 3207).
    StartTls,
    /// A SASL exchange (RFC 4954).
    Auth {
        /// The mechanism.
        mechanism: Mechanism,
        /// The initial response; `=` for an empty one.
        initial: Option<Base64<'a>>,
    },
    /// Send what waits for this host (RFC 1985). It is read so that it can be told from a word that
    /// is no command: the server answers 502. BURL (RFC 4468), which needs IMAP's URLAUTH, is no
    /// command here at all: 500.
    Etrn(Text<'a>),
}

/// Why a line is no command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{fault} at octet {offset}")]
pub struct CommandError {
    /// What is wrong.
    pub fault: CommandFault,
    /// Where in the line.
    pub offset: usize,
}

/// What is wrong with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CommandFault {
    /// No command of that name.
    #[error("unknown command")]
    UnknownKeyword,
    /// Something that the command needs is not there.
    #[error("missing argument")]
    MissingArgument,
    /// Something is there that the command does not take.
    #[error("unexpected argument")]
    UnexpectedArgument,
    /// No address.
    #[error("bad address")]
    Address,
    /// No domain, no address literal.
    #[error("bad domain")]
    Domain,
    /// A parameter without form, with a bad value, or there twice.
    #[error("bad parameter")]
    Parameter,
    /// No number, or one that is too large.
    #[error("bad number")]
    Number,
    /// No name of a mechanism.
    #[error("bad mechanism")]
    Mechanism,
    /// No Base64.
    #[error("bad base64")]
    Base64,
    /// CR, LF or NUL inside the line.
    #[error("forbidden octet")]
    ForbiddenOctet,
    /// More octets than allowed.
    #[error("line of more than {limit} octets")]
    TooLong {
        /// Octets that are allowed.
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

impl<'a> Command<'a> {
    /// Reads a line without its end. `lenient` lets pass what clients do and RFC 5321 forbids: a
    /// blank after `FROM:` and `TO:`, an address without angle brackets, a name in HELO that is no
    /// domain.
    ///
    /// # Errors
    ///
    /// [`CommandError`] when it is no command.
    pub fn parse(line: &'a [u8], lenient: bool) -> Result<Self, CommandError> {
        if let Some(offset) = memchr3(b'\r', b'\n', 0, line) {
            return Err(CommandFault::ForbiddenOctet.at(offset));
        }
        // RFC 5321 section 4.1.1: blanks before the end of a line are tolerated.
        let line = line.trim_ascii_end();
        let Some((word, mut rest)) = line.split_first_chunk::<4>() else {
            return Err(CommandFault::UnknownKeyword.at(0));
        };
        let keyword = word.map(|octet| octet.to_ascii_uppercase());
        // The only keyword of more than four letters.
        let is_starttls = match rest.split_first_chunk::<4>() {
            Some((tail, after)) if keyword == *b"STAR" && tail.eq_ignore_ascii_case(b"TTLS") => {
                rest = after;
                true
            }
            _ => false,
        };
        if !matches!(rest, [] | [b' ', ..]) {
            return Err(CommandFault::UnknownKeyword.at(0));
        }
        // What an argument is behind: the keyword and blanks.
        let argument = rest.trim_ascii_start();
        let at = line.len().saturating_sub(argument.len());
        let text = Text(argument);
        let optional = (!argument.is_empty()).then_some(text);
        let needed = || optional.ok_or(CommandFault::MissingArgument.at(line.len()));
        let alone = |command: Self| match argument {
            [] => Ok(command),
            _ => Err(CommandFault::UnexpectedArgument.at(at)),
        };
        match &keyword {
            b"MAIL" => mail(argument, at, lenient),
            b"RCPT" => rcpt(argument, at, lenient),
            b"DATA" => alone(Self::Data),
            b"BDAT" => bdat(argument, at),
            b"EHLO" => host(argument, at, lenient).map(Self::Ehlo),
            b"HELO" => host(argument, at, lenient).map(Self::Helo),
            b"LHLO" => host(argument, at, lenient).map(Self::Lhlo),
            b"RSET" => alone(Self::Rset),
            b"QUIT" => alone(Self::Quit),
            b"NOOP" => Ok(Self::Noop(optional)),
            b"HELP" => Ok(Self::Help(optional)),
            b"VRFY" => needed().map(Self::Vrfy),
            b"EXPN" => needed().map(Self::Expn),
            b"ETRN" => needed().map(Self::Etrn),
            b"STAR" if is_starttls => alone(Self::StartTls),
            b"AUTH" => auth(argument, at),
            _ => Err(CommandFault::UnknownKeyword.at(0)),
        }
    }

    /// Appends the command, its line end included.
    pub fn encode(&self, dst: &mut BytesMut) {
        let mut put = |word: &str, text: Option<&Text<'_>>| {
            dst.extend_from_slice(word.as_bytes());
            if let Some(text) = text {
                dst.extend_from_slice(b" ");
                dst.extend_from_slice(text.as_bytes());
            }
        };
        match self {
            Self::Helo(name) => put("HELO", Some(name)),
            Self::Ehlo(name) => put("EHLO", Some(name)),
            Self::Lhlo(name) => put("LHLO", Some(name)),
            Self::Mail { from, params } => {
                put("MAIL FROM:", None);
                from.encode(dst);
                params.encode(dst);
            }
            Self::Rcpt { to, params } => {
                put("RCPT TO:", None);
                to.encode(dst);
                params.encode(dst);
            }
            Self::Data => put("DATA", None),
            Self::Bdat { size, last } => {
                put("BDAT ", None);
                digits(*size, dst);
                if *last {
                    dst.extend_from_slice(b" LAST");
                }
            }
            Self::Rset => put("RSET", None),
            Self::Vrfy(text) => put("VRFY", Some(text)),
            Self::Expn(text) => put("EXPN", Some(text)),
            Self::Help(text) => put("HELP", text.as_ref()),
            Self::Noop(text) => put("NOOP", text.as_ref()),
            Self::Quit => put("QUIT", None),
            Self::StartTls => put("STARTTLS", None),
            Self::Auth { mechanism, initial } => {
                put("AUTH ", None);
                dst.extend_from_slice(mechanism.as_str().as_bytes());
                if let Some(initial) = initial {
                    dst.extend_from_slice(b" ");
                    dst.extend_from_slice(initial.as_bytes());
                }
            }
            Self::Etrn(text) => put("ETRN", Some(text)),
        }
        dst.extend_from_slice(b"\r\n");
    }
}

/// `FROM:` or `TO:`, and what follows it.
fn after_word<'a>(
    argument: &'a [u8],
    word: &[u8],
    at: usize,
    lenient: bool,
) -> Result<(&'a [u8], usize), CommandError> {
    let Some((head, rest)) = argument.split_at_checked(word.len()) else {
        return Err(CommandFault::MissingArgument.at(at));
    };
    if !head.eq_ignore_ascii_case(word) {
        return Err(CommandFault::MissingArgument.at(at));
    }
    let trimmed = if lenient {
        rest.trim_ascii_start()
    } else {
        rest
    };
    let before = argument.len().saturating_sub(trimmed.len());
    Ok((trimmed, at.saturating_add(before)))
}

fn mail(argument: &[u8], at: usize, lenient: bool) -> Result<Command<'static>, CommandError> {
    let (text, at) = after_word(argument, b"FROM:", at, lenient)?;
    let (from, len) = match text.first() {
        Some(b'<') => ReversePath::path(text),
        Some(_) if lenient => Mailbox::bare(text).map(|(it, len)| (it.into(), len)),
        _ => return Err(CommandFault::Address.at(at)),
    }
    .map_err(|error| CommandFault::Address.at(at.saturating_add(error.offset)))?;
    // A sender without a domain cannot be told anything.
    if from
        .mailbox()
        .is_some_and(|it| it.domain().is_empty() && !lenient)
    {
        return Err(CommandFault::Address.at(at));
    }
    let params = MailParams::parse(text.get(len..).unwrap_or_default())
        .map_err(|(fault, offset)| fault.at(at.saturating_add(len).saturating_add(offset)))?;
    Ok(Command::Mail { from, params })
}

fn rcpt(argument: &[u8], at: usize, lenient: bool) -> Result<Command<'static>, CommandError> {
    let (text, at) = after_word(argument, b"TO:", at, lenient)?;
    let (to, len) = match text.first() {
        Some(b'<') => Mailbox::path(text),
        Some(_) if lenient => Mailbox::bare(text),
        _ => return Err(CommandFault::Address.at(at)),
    }
    .map_err(|error| CommandFault::Address.at(at.saturating_add(error.offset)))?;
    let params = RcptParams::parse(text.get(len..).unwrap_or_default())
        .map_err(|(fault, offset)| fault.at(at.saturating_add(len).saturating_add(offset)))?;
    Ok(Command::Rcpt { to, params })
}

fn bdat(argument: &[u8], at: usize) -> Result<Command<'static>, CommandError> {
    if argument.is_empty() {
        return Err(CommandFault::MissingArgument.at(at));
    }
    let len = memchr(b' ', argument).unwrap_or(argument.len());
    let (size, rest) = argument.split_at_checked(len).unwrap_or_default();
    let size = number(size).ok_or(CommandFault::Number.at(at))?;
    let last = match rest.trim_ascii_start() {
        [] => false,
        word if word.eq_ignore_ascii_case(b"LAST") => true,
        _ => return Err(CommandFault::UnexpectedArgument.at(at.saturating_add(len))),
    };
    Ok(Command::Bdat { size, last })
}

fn host(argument: &[u8], at: usize, lenient: bool) -> Result<Text<'_>, CommandError> {
    if argument.is_empty() {
        return Err(CommandFault::MissingArgument.at(at));
    }
    // RFC 5321 section 4.1.4: a server must not refuse a message for the name alone; even so it is
    // one printable word.
    let is_word = || argument.iter().all(|&octet| octet > b' ' && octet != 127);
    match check_domain(argument, at) {
        Ok(()) => Ok(Text(argument)),
        Err(_) if lenient && is_word() => Ok(Text(argument)),
        Err(error) => Err(CommandFault::Domain.at(error.offset)),
    }
}

fn auth(argument: &[u8], at: usize) -> Result<Command<'_>, CommandError> {
    if argument.is_empty() {
        return Err(CommandFault::MissingArgument.at(at));
    }
    let len = memchr(b' ', argument).unwrap_or(argument.len());
    let (name, rest) = argument.split_at_checked(len).unwrap_or_default();
    let mechanism = Mechanism::new(name).map_err(|_| CommandFault::Mechanism.at(at))?;
    let initial = match rest.trim_ascii_start() {
        [] => None,
        text => {
            let at = at.saturating_add(len);
            Some(Base64::new(text).map_err(|_| CommandFault::Base64.at(at))?)
        }
    };
    Ok(Command::Auth { mechanism, initial })
}
