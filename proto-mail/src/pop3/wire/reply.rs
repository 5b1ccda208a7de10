//! Replies: `+OK`, `-ERR`, and the `+` of a challenge.

use super::{InvalidArgument, Text};
use bytes::{Bytes, BytesMut};
use core::fmt;
use memchr::memchr3;
use nom::branch::alt;
use nom::bytes::complete::{tag, tag_no_case, take_while1};
use nom::combinator::{rest, value};
use nom::sequence::{delimited, preceded};
use nom::{IResult, Parser};

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// `+OK`
    Ok,
    /// `-ERR`
    Err,
}

/// A response code: what a program can understand of a reply (RFC 2449 section 8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ResponseCode<'a> {
    /// `IN-USE`: the maildrop is locked by another session (RFC 2449 section 8.1.2).
    InUse,
    /// `LOGIN-DELAY`: too soon after the last login (RFC 2449 section 8.1.1).
    LoginDelay,
    /// `SYS/TEMP`: a fault of the system, worth another try later (RFC 3206 section 4).
    SysTemp,
    /// `SYS/PERM`: a fault of the system that needs a human (RFC 3206 section 4).
    SysPerm,
    /// `AUTH`: the credentials are at fault (RFC 3206 section 5).
    Auth,
    /// `UTF8`: the message or name cannot be handled without UTF-8 (RFC 6856 section 5).
    Utf8,
    /// Any other, without its brackets.
    Unknown(Text<'a>),
}

impl ResponseCode<'_> {
    /// The code without its brackets.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::InUse => b"IN-USE",
            Self::LoginDelay => b"LOGIN-DELAY",
            Self::SysTemp => b"SYS/TEMP",
            Self::SysPerm => b"SYS/PERM",
            Self::Auth => b"AUTH",
            Self::Utf8 => b"UTF8",
            Self::Unknown(text) => text.as_bytes(),
        }
    }

    fn known(text: &[u8]) -> ResponseCode<'_> {
        [
            ResponseCode::InUse,
            ResponseCode::LoginDelay,
            ResponseCode::SysTemp,
            ResponseCode::SysPerm,
            ResponseCode::Auth,
            ResponseCode::Utf8,
        ]
        .into_iter()
        .find(|code| code.as_bytes().eq_ignore_ascii_case(text))
        .unwrap_or(ResponseCode::Unknown(Text(text)))
    }
}

/// One status line, as a small value of its own: a parsed one, or one to be sent.
///
/// ```
/// use proto_mail::pop3::wire::{Reply, ResponseCode, Status};
///
/// let reply = Reply::parse(b"-ERR [IN-USE] Do you have another POP session running?")?;
/// assert_eq!(reply.status(), Status::Err);
/// assert_eq!(reply.code(), Some(ResponseCode::InUse));
/// assert_eq!(reply.text(), b"Do you have another POP session running?");
/// # Ok::<(), proto_mail::pop3::wire::ReplyError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Reply {
    /// The line without its end; begins with a status, has no CR, LF or NUL.
    line: Bytes,
}

impl Reply {
    /// The longest reply that may be sent, its line end included (RFC 1939 section 3).
    pub const MAX_LEN: usize = 512;

    /// `+OK text`. Octets that cannot stand in a reply become `?`, and what is too long is cut.
    pub fn ok(text: impl AsRef<[u8]>) -> Self {
        Self::build(Status::Ok, None, text.as_ref())
    }

    /// `-ERR text`. Octets that cannot stand in a reply become `?`, and what is too long is cut.
    pub fn err(text: impl AsRef<[u8]>) -> Self {
        Self::build(Status::Err, None, text.as_ref())
    }

    /// `-ERR [code] text`. Octets that cannot stand in a reply become `?`, and what is too long is
    /// cut.
    pub fn err_with(code: ResponseCode<'_>, text: impl AsRef<[u8]>) -> Self {
        Self::build(Status::Err, Some(code), text.as_ref())
    }

    /// The same answer for an unknown user and for a wrong password: it tells nobody which names
    /// exist.
    #[must_use]
    pub fn authentication_failed() -> Self {
        Self {
            line: Bytes::from_static(b"-ERR [AUTH] authentication failed"),
        }
    }

    /// Another session holds the maildrop.
    #[must_use]
    pub fn in_use() -> Self {
        Self {
            line: Bytes::from_static(b"-ERR [IN-USE] maildrop already locked"),
        }
    }

    /// Parses a line without its end.
    ///
    /// # Errors
    ///
    /// [`ReplyError`] when it does not begin with a status or holds a bare CR, a bare LF or NUL.
    pub fn parse(line: &[u8]) -> Result<Self, ReplyError> {
        Self::check(line)?;
        Ok(Self {
            line: Bytes::copy_from_slice(line),
        })
    }

    /// How the command ended.
    #[must_use]
    pub fn status(&self) -> Status {
        match self.line.first() {
            Some(b'+') => Status::Ok,
            _ => Status::Err,
        }
    }

    /// Whether the status is `+OK`.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.status() == Status::Ok
    }

    /// The response code, if the text begins with one.
    #[must_use]
    pub fn code(&self) -> Option<ResponseCode<'_>> {
        let (_, code) = response_code(self.after_status()).ok()?;
        Some(ResponseCode::known(code))
    }

    /// The text after the status and the response code, for a human.
    #[must_use]
    pub fn text(&self) -> &[u8] {
        let text = self.after_status();
        match response_code(text) {
            Ok((rest, _)) => rest.strip_prefix(b" ").unwrap_or(rest),
            Err(_) => text,
        }
    }

    /// The whole line without its end.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.line
    }

    /// Appends the reply and its line end to `dst`.
    pub fn encode(&self, dst: &mut BytesMut) {
        dst.extend_from_slice(&self.line);
        dst.extend_from_slice(b"\r\n");
    }

    fn after_status(&self) -> &[u8] {
        match status_line(&self.line) {
            Ok((_, (_, text))) => text,
            Err(_) => b"",
        }
    }

    fn check(line: &[u8]) -> Result<Status, ReplyError> {
        if let Some(offset) = memchr3(b'\r', b'\n', 0, line) {
            return Err(ReplyFault::ForbiddenOctet.at(offset));
        }
        match status_line(line) {
            Ok((_, (status, _))) => Ok(status),
            Err(_) => Err(ReplyFault::Status.at(0)),
        }
    }

    fn build(status: Status, code: Option<ResponseCode<'_>>, text: &[u8]) -> Self {
        let mut line = BytesMut::with_capacity(text.len().saturating_add(24).min(Self::MAX_LEN));
        line.extend_from_slice(match status {
            Status::Ok => b"+OK",
            Status::Err => b"-ERR",
        });
        if let Some(code) = code {
            line.extend_from_slice(b" [");
            line.extend_from_slice(code.as_bytes());
            line.extend_from_slice(b"]");
        }
        if !text.is_empty() {
            line.extend_from_slice(b" ");
        }
        line.extend(text.iter().map(|&octet| match octet {
            0..=0x1f | 0x7f => b'?',
            octet => octet,
        }));
        line.truncate(Self::MAX_LEN.saturating_sub(2));
        Self {
            line: line.freeze(),
        }
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reply({self})")
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.line.escape_ascii())
    }
}

/// What is wrong with a line from a server, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{fault} (at octet {offset} of the line)")]
pub struct ReplyError {
    /// What is wrong.
    pub fault: ReplyFault,
    /// Where in the line.
    pub offset: usize,
}

/// What can be wrong with a line from a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReplyFault {
    /// The line begins with neither `+OK` nor `-ERR`.
    #[error("no status")]
    Status,
    /// The numbers of a drop listing, a scan listing or a unique-id listing are missing or do not
    /// fit.
    #[error("malformed listing")]
    Listing,
    /// A unique-id has not 1 to 70 octets from 0x21 to 0x7E.
    #[error("invalid unique-id")]
    UniqueId,
    /// A challenge is not in Base64.
    #[error("invalid base64")]
    Base64,
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

impl ReplyFault {
    /// The error at a place of the line.
    #[must_use]
    pub fn at(self, offset: usize) -> ReplyError {
        ReplyError {
            fault: self,
            offset,
        }
    }
}

impl From<InvalidArgument> for ReplyError {
    fn from(error: InvalidArgument) -> Self {
        ReplyFault::ForbiddenOctet.at(error.offset)
    }
}

/// `status [SP text]`. RFC 1939 section 3 wants upper case; servers are taken in any.
fn status_line(line: &[u8]) -> IResult<&[u8], (Status, &[u8])> {
    let status = alt((
        value(Status::Ok, tag_no_case("+OK")),
        value(Status::Err, tag_no_case("-ERR")),
    ));
    let text = alt((preceded(tag(" "), rest), nom::combinator::eof));
    (status, text).parse(line)
}

/// `"[" resp-level *("/" resp-level) "]"` (RFC 2449 section 8).
fn response_code(text: &[u8]) -> IResult<&[u8], &[u8]> {
    let is_rchar = |octet: u8| matches!(octet, 0x21..=0x5c | 0x5e..=0x7e) && octet != b'[';
    delimited(tag("["), take_while1(is_rchar), tag("]")).parse(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_found_in_any_case_and_unknown_ones_kept() {
        let reply = Reply::parse(b"-err [sys/temp] later").unwrap();
        assert_eq!(reply.code(), Some(ResponseCode::SysTemp));
        assert_eq!(reply.text(), b"later");
        let reply = Reply::parse(b"+OK [X-NEW/1] x").unwrap();
        assert_eq!(reply.code(), Some(ResponseCode::Unknown(Text(b"X-NEW/1"))));
        let reply = Reply::parse(b"-ERR [no code here] x").unwrap();
        assert_eq!(reply.code(), None);
        assert_eq!(reply.text(), b"[no code here] x");
        let reply = Reply::parse(b"+OK").unwrap();
        assert_eq!((reply.code(), reply.text()), (None, &b""[..]));
    }

    #[test]
    fn a_status_must_stand_alone() {
        for bad in [&b""[..], b"+", b"+ ", b"+OKAY", b"OK", b"-ERROR", b"* OK"] {
            let error = Reply::parse(bad).unwrap_err();
            assert_eq!(error.fault, ReplyFault::Status, "{bad:?}");
        }
    }

    #[test]
    fn built_replies_cannot_carry_a_second_line_and_keep_within_512_octets() {
        let reply = Reply::err("a\r\n+OK b\0");
        assert_eq!(reply.as_bytes(), b"-ERR a??+OK b?");
        let mut dst = BytesMut::new();
        Reply::ok([b'x'; 1000]).encode(&mut dst);
        assert_eq!(dst.len(), 512);
        let reply = Reply::err_with(ResponseCode::Auth, "no");
        assert_eq!(reply.as_bytes(), b"-ERR [AUTH] no");
        assert_eq!(Reply::parse(reply.as_bytes()), Ok(reply));
    }
}
