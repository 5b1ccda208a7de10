//! Capabilities: what CAPA lists (RFC 2449).

use super::{Text, digits, parse_number};
use crate::sasl::Mechanism;
use bytes::{Bytes, BytesMut};
use core::fmt;
use memchr::memchr;

/// How long messages are kept (RFC 2449 section 6.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expire {
    /// Messages are not deleted by the server.
    Never,
    /// Messages may be deleted after so many days; 0 means that they are not to be left at all.
    Days(u32),
}

/// One capability, borrowed from its line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Capability<'a> {
    /// `TOP` (RFC 2449 section 6.1).
    Top,
    /// `USER`: logging in by USER and PASS (RFC 2449 section 6.2).
    User,
    /// `SASL` and the mechanisms, separated by blanks (RFC 2449 section 6.3).
    Sasl(Text<'a>),
    /// `RESP-CODES` (RFC 2449 section 6.4).
    RespCodes,
    /// `LOGIN-DELAY` (RFC 2449 section 6.5).
    LoginDelay {
        /// Seconds between logins, or the largest for any user.
        seconds: u32,
        /// It may be less for this user, once logged in.
        per_user: bool,
    },
    /// `PIPELINING` (RFC 2449 section 6.6).
    Pipelining,
    /// `EXPIRE` (RFC 2449 section 6.7).
    Expire {
        /// For how long.
        after: Expire,
        /// It may differ for this user, once logged in.
        per_user: bool,
    },
    /// `UIDL` (RFC 2449 section 6.8).
    Uidl,
    /// `IMPLEMENTATION` and its name (RFC 2449 section 6.9).
    Implementation(Text<'a>),
    /// `STLS` (RFC 2595 section 4).
    Stls,
    /// `AUTH-RESP-CODE` (RFC 3206 section 6).
    AuthRespCode,
    /// `UTF8` (RFC 6856 section 2).
    Utf8 {
        /// UTF-8 in names and passwords is taken as well.
        user: bool,
    },
    /// `LANG` (RFC 6856 section 3).
    Lang,
    /// Any other line, as it stands.
    Unknown(Text<'a>),
}

impl<'a> Capability<'a> {
    /// Parses a line of the listing. Whatever is not understood is [`Capability::Unknown`]: a
    /// listing never fails for a line in it.
    #[must_use]
    pub fn parse(line: Text<'a>) -> Self {
        Self::known(line.as_bytes()).unwrap_or(Self::Unknown(line))
    }

    /// Appends the line, without its end, to `dst`.
    pub fn encode(&self, dst: &mut BytesMut) {
        let mut put = |text: &[u8]| dst.extend_from_slice(text);
        match *self {
            Self::Top => put(b"TOP"),
            Self::User => put(b"USER"),
            Self::Sasl(mechanisms) => {
                put(b"SASL ");
                put(mechanisms.as_bytes());
            }
            Self::RespCodes => put(b"RESP-CODES"),
            Self::LoginDelay { seconds, per_user } => {
                put(b"LOGIN-DELAY ");
                digits(u64::from(seconds), dst);
                put_user(per_user, dst);
            }
            Self::Pipelining => put(b"PIPELINING"),
            Self::Expire { after, per_user } => {
                put(b"EXPIRE ");
                match after {
                    Expire::Never => put(b"NEVER"),
                    Expire::Days(days) => digits(u64::from(days), dst),
                }
                put_user(per_user, dst);
            }
            Self::Uidl => put(b"UIDL"),
            Self::Implementation(name) => {
                put(b"IMPLEMENTATION ");
                put(name.as_bytes());
            }
            Self::Stls => put(b"STLS"),
            Self::AuthRespCode => put(b"AUTH-RESP-CODE"),
            Self::Utf8 { user } => {
                put(b"UTF8");
                put_user(user, dst);
            }
            Self::Lang => put(b"LANG"),
            Self::Unknown(line) => put(line.as_bytes()),
        }
    }

    fn known(line: &'a [u8]) -> Option<Self> {
        let end = memchr(b' ', line).unwrap_or(line.len());
        let (tag, rest) = line.split_at_checked(end)?;
        let text = Text(rest.trim_ascii());
        let mut words = rest
            .split(|&octet| octet == b' ')
            .filter(|word| !word.is_empty());
        let mut longest = [0; 16];
        let slots = longest.get_mut(..tag.len())?;
        slots.copy_from_slice(tag);
        slots.make_ascii_uppercase();
        let is_user =
            |word: Option<&[u8]>| word.is_some_and(|word| word.eq_ignore_ascii_case(b"USER"));
        let small = |word: &[u8]| u32::try_from(parse_number(word)?).ok();
        Some(match &*slots {
            b"TOP" => Self::Top,
            b"USER" => Self::User,
            b"SASL" => Self::Sasl(text),
            b"RESP-CODES" => Self::RespCodes,
            b"LOGIN-DELAY" => Self::LoginDelay {
                seconds: small(words.next()?)?,
                per_user: is_user(words.next()),
            },
            b"PIPELINING" => Self::Pipelining,
            b"EXPIRE" => {
                let after = words.next()?;
                Self::Expire {
                    after: match after.eq_ignore_ascii_case(b"NEVER") {
                        true => Expire::Never,
                        false => Expire::Days(small(after)?),
                    },
                    per_user: is_user(words.next()),
                }
            }
            b"UIDL" => Self::Uidl,
            b"IMPLEMENTATION" => Self::Implementation(text),
            b"STLS" => Self::Stls,
            b"AUTH-RESP-CODE" => Self::AuthRespCode,
            b"UTF8" => Self::Utf8 {
                user: is_user(words.next()),
            },
            b"LANG" => Self::Lang,
            _ => return None,
        })
    }
}

fn put_user(is_user: bool, dst: &mut BytesMut) {
    if is_user {
        dst.extend_from_slice(b" USER");
    }
}

/// All that a server listed: one buffer, looked into on demand.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// Lines, each with an LF at its end.
    lines: Bytes,
}

impl Capabilities {
    /// The capabilities in the order of the listing.
    pub fn iter(&self) -> impl Iterator<Item = Capability<'_>> {
        self.lines
            .split(|&octet| octet == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| Capability::parse(Text(line)))
    }

    /// Whether a capability is listed just so. For those with arguments see the other methods.
    #[must_use]
    pub fn contains(&self, capability: Capability<'_>) -> bool {
        self.iter().any(|listed| listed == capability)
    }

    /// The SASL mechanisms; names that cannot be are left out.
    pub fn mechanisms(&self) -> impl Iterator<Item = Mechanism> {
        self.iter()
            .filter_map(|capability| match capability {
                Capability::Sasl(names) => Some(names.as_bytes()),
                _ => None,
            })
            .flat_map(|names| names.split(|&octet| octet == b' '))
            .filter_map(|name| Mechanism::new(name).ok())
    }

    /// Whether UTF8 is offered, with or without `USER`.
    #[must_use]
    pub fn has_utf8(&self) -> bool {
        self.iter()
            .any(|capability| matches!(capability, Capability::Utf8 { .. }))
    }

    /// Octets of the listing.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether nothing is listed, or nothing was asked yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Takes lines that each end in LF and hold no other control octet.
    pub(crate) fn from_lines(lines: Bytes) -> Self {
        Self { lines }
    }
}

impl fmt::Debug for Capabilities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}
