//! What a server offers in its answer to EHLO or LHLO.

use super::Reply;
use crate::sasl::Mechanism;
use crate::value::parse_number as number;
use bytes::Bytes;

/// A service extension that this crate knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Extension {
    /// RFC 1870.
    Size,
    /// RFC 6152.
    EightBitMime,
    /// RFC 6531.
    SmtpUtf8,
    /// RFC 2920.
    Pipelining,
    /// RFC 3030.
    Chunking,
    /// RFC 3030.
    BinaryMime,
    /// RFC 3207.
    StartTls,
    /// RFC 4954.
    Auth,
    /// RFC 2034.
    EnhancedStatusCodes,
    /// RFC 3461.
    Dsn,
    /// RFC 2852.
    DeliverBy,
    /// RFC 4865.
    FutureRelease,
    /// RFC 6710.
    MtPriority,
    /// RFC 8689.
    RequireTls,
    /// RFC 9422.
    Limits,
    /// RFC 7293.
    Rrvs,
    /// RFC 1985.
    Etrn,
    /// RFC 5321.
    Vrfy,
    /// RFC 5321.
    Expn,
    /// RFC 5321.
    Help,
}

impl Extension {
    /// All of them.
    pub const ALL: [Self; 20] = [
        Self::Size,
        Self::EightBitMime,
        Self::SmtpUtf8,
        Self::Pipelining,
        Self::Chunking,
        Self::BinaryMime,
        Self::StartTls,
        Self::Auth,
        Self::EnhancedStatusCodes,
        Self::Dsn,
        Self::DeliverBy,
        Self::FutureRelease,
        Self::MtPriority,
        Self::RequireTls,
        Self::Limits,
        Self::Rrvs,
        Self::Etrn,
        Self::Vrfy,
        Self::Expn,
        Self::Help,
    ];

    /// The keyword.
    #[must_use]
    pub fn keyword(self) -> &'static str {
        match self {
            Self::Size => "SIZE",
            Self::EightBitMime => "8BITMIME",
            Self::SmtpUtf8 => "SMTPUTF8",
            Self::Pipelining => "PIPELINING",
            Self::Chunking => "CHUNKING",
            Self::BinaryMime => "BINARYMIME",
            Self::StartTls => "STARTTLS",
            Self::Auth => "AUTH",
            Self::EnhancedStatusCodes => "ENHANCEDSTATUSCODES",
            Self::Dsn => "DSN",
            Self::DeliverBy => "DELIVERBY",
            Self::FutureRelease => "FUTURERELEASE",
            Self::MtPriority => "MT-PRIORITY",
            Self::RequireTls => "REQUIRETLS",
            Self::Limits => "LIMITS",
            Self::Rrvs => "RRVS",
            Self::Etrn => "ETRN",
            Self::Vrfy => "VRFY",
            Self::Expn => "EXPN",
            Self::Help => "HELP",
        }
    }

    fn bit(self) -> u32 {
        let place = Self::ALL.iter().position(|it| *it == self).unwrap_or(31);
        1_u32
            .checked_shl(u32::try_from(place).unwrap_or(31))
            .unwrap_or(0)
    }
}

/// All that a server offers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extensions {
    known: u32,
    /// The lines behind the first one, as they came.
    text: Bytes,
}

impl Extensions {
    /// Reads the reply to EHLO or LHLO; the first line is the server's name.
    #[must_use]
    pub fn from_reply(reply: &Reply) -> Self {
        let text = reply.text();
        let first = memchr::memchr(b'\n', text).map_or(text.len(), |at| at.saturating_add(1));
        let text = Bytes::copy_from_slice(text.get(first..).unwrap_or_default());
        let mut extensions = Self { known: 0, text };
        extensions.known = Extension::ALL
            .into_iter()
            .filter(|it| extensions.arguments_of(it.keyword()).is_some())
            .fold(0, |known, it| known | it.bit());
        extensions
    }

    /// Whether the server offers it.
    #[must_use]
    pub fn contains(&self, extension: Extension) -> bool {
        self.known & extension.bit() != 0
    }

    /// What stands behind the keyword, if the server offers it.
    #[must_use]
    pub fn arguments_of(&self, keyword: &str) -> Option<&[u8]> {
        self.lines().find_map(|line| {
            let (head, rest) = line.split_at_checked(keyword.len())?;
            let is_whole = matches!(rest, [] | [b' ' | b'=', ..]);
            (is_whole && head.eq_ignore_ascii_case(keyword.as_bytes()))
                .then(|| rest.get(1..).unwrap_or_default())
        })
    }

    /// All lines behind the first one.
    pub fn lines(&self) -> impl Iterator<Item = &[u8]> {
        self.text
            .split(|&octet| octet == b'\n')
            .filter(|line| !line.is_empty())
    }

    /// The largest message that the server takes; none when it says nothing, or zero.
    #[must_use]
    pub fn max_size(&self) -> Option<u64> {
        let size = number(self.arguments_of("SIZE")?.trim_ascii())?;
        (size > 0).then_some(size)
    }

    /// The mechanisms of AUTH. The old form `AUTH=` counts as well.
    pub fn mechanisms(&self) -> impl Iterator<Item = Mechanism> {
        let names = self.arguments_of("AUTH").unwrap_or_default();
        names
            .split(|&octet| octet == b' ')
            .filter_map(|name| Mechanism::new(name).ok())
    }

    /// A limit of RFC 9422: `MAILMAX`, `RCPTMAX` or `RCPTDOMAINMAX`.
    #[must_use]
    pub fn limit(&self, name: &str) -> Option<u64> {
        let limits = self.arguments_of("LIMITS")?;
        limits.split(|&octet| octet == b' ').find_map(|limit| {
            let (head, rest) = limit.split_at_checked(name.len())?;
            if !head.eq_ignore_ascii_case(name.as_bytes()) {
                return None;
            }
            number(rest.strip_prefix(b"=")?)
        })
    }
}
