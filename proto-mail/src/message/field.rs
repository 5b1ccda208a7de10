//! Header fields as they stand in a message.

use super::address::AddressList;
use super::date::{DateError, DateTime};
use super::encoded_word;
use super::name::FieldName;
use super::params::{ContentType, Disposition};
use super::received::{self, Received};
use super::repairs::Repairs;
use super::{date, id};
use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// One header field: `name: value`, with its folds and its line end (RFC 5322 section 2.2).
///
/// What a field says is read when it is asked for, so that fields nobody asks for cost nothing.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Field<'a> {
    pub(super) offset: u64,
    pub(super) raw: &'a [u8],
    /// Octets of the name.
    pub(super) name_len: usize,
    /// Where the colon stands.
    pub(super) colon: usize,
    pub(super) known: FieldName,
    pub(super) repairs: Repairs,
}

impl<'a> Field<'a> {
    /// Reads a field that stands alone, with or without a line end; nothing when there is no name.
    ///
    /// ```
    /// use proto_mail::message::Field;
    ///
    /// let field = Field::parse(b"Subject: =?utf-8?q?caf=C3=A9?=\r\n at noon\r\n").unwrap();
    /// assert_eq!(field.text(), "caf\u{e9} at noon");
    /// ```
    #[must_use]
    pub fn parse(raw: &'a [u8]) -> Option<Self> {
        let colon = memchr::memchr(b':', raw)?;
        let before = raw.get(..colon).unwrap_or_default();
        let name_len = before.trim_ascii_end().len();
        let name = before.get(..name_len).unwrap_or_default();
        // RFC 5322 section 3.6.8: any printable ASCII but the colon.
        if name.is_empty() || !name.iter().all(u8::is_ascii_graphic) {
            return None;
        }
        let mut repairs = Repairs::NONE;
        if name_len != colon {
            repairs.insert(Repairs::BLANK_BEFORE_COLON);
        }
        let field = Self {
            offset: 0,
            raw,
            name_len,
            colon,
            known: FieldName::new(name),
            repairs,
        };
        Some(Self {
            repairs: repairs | field.inspect(),
            ..field
        })
    }

    /// Where the field begins, from the front of the message.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// All octets, the line end included.
    #[must_use]
    pub fn raw(&self) -> &'a [u8] {
        self.raw
    }

    /// The name as it was written.
    #[must_use]
    pub fn name(&self) -> &'a [u8] {
        self.raw.get(..self.name_len).unwrap_or_default()
    }

    /// Which name it is.
    #[must_use]
    pub fn known(&self) -> FieldName {
        self.known
    }

    /// What was not as it should be.
    #[must_use]
    pub fn repairs(&self) -> Repairs {
        self.repairs
    }

    /// What stands behind the colon, folds included, without the last line end.
    #[must_use]
    pub fn raw_value(&self) -> &'a [u8] {
        let value = self
            .raw
            .get(self.colon.saturating_add(1)..)
            .unwrap_or_default();
        let value = value.strip_suffix(b"\n").unwrap_or(value);
        value.strip_suffix(b"\r").unwrap_or(value)
    }

    /// The value with its folds undone (RFC 5322 section 2.2.3) and without blanks around it.
    #[must_use]
    pub fn unfolded(&self) -> Cow<'a, [u8]> {
        unfold(self.raw_value().trim_ascii())
    }

    /// The value as text, encoded words decoded (RFC 2047): of `Subject`, `Comments` and every field
    /// without a structure of its own.
    #[must_use]
    pub fn text(&self) -> String {
        encoded_word::decode(&self.unfolded())
    }

    /// The value as a list of addresses.
    #[must_use]
    pub fn addresses(&self) -> AddressList {
        AddressList::parse(self.raw_value())
    }

    /// The value as a date.
    ///
    /// # Errors
    ///
    /// [`DateError`] when there is none.
    pub fn date(&self) -> Result<DateTime, DateError> {
        date::parse(self.raw_value())
    }

    /// The value as message ids, without their angle brackets.
    #[must_use]
    pub fn message_ids(&self) -> Vec<String> {
        id::parse(self.raw_value())
    }

    /// The value as texts between commas, encoded words decoded: of `Keywords` (RFC 5322 section 3.6.5).
    #[must_use]
    pub fn phrases(&self) -> Vec<String> {
        let value = self.unfolded();
        let mut phrases = Vec::new();
        let mut start = 0;
        let mut is_quoted = false;
        for (at, octet) in value.iter().enumerate() {
            match octet {
                b'"' => is_quoted = !is_quoted,
                b',' if !is_quoted => {
                    phrases.push(encoded_word::decode(
                        value.get(start..at).unwrap_or_default().trim_ascii(),
                    ));
                    start = at.saturating_add(1);
                }
                _ => {}
            }
        }
        phrases.push(encoded_word::decode(
            value.get(start..).unwrap_or_default().trim_ascii(),
        ));
        phrases.retain(|phrase| !phrase.is_empty());
        phrases
    }

    /// The value as a trace: who gave the message to whom (RFC 5321 section 4.4).
    #[must_use]
    pub fn received(&self) -> Received {
        received::parse(self.raw_value())
    }

    /// The value as a media type with parameters; nothing when it cannot be read.
    #[must_use]
    pub fn content_type(&self) -> Option<ContentType> {
        ContentType::parse(self.raw_value())
    }

    /// The value as a disposition with parameters; nothing when it cannot be read.
    #[must_use]
    pub fn disposition(&self) -> Option<Disposition> {
        Disposition::parse(self.raw_value())
    }

    /// Looks at each octet; more closely where something is odd, or folded.
    pub(super) fn inspect(&self) -> Repairs {
        let is_plain = match self.raw {
            [line @ .., b'\r', b'\n'] => {
                memchr::memchr3(b'\r', b'\n', 0, line).is_none() && line.is_ascii()
            }
            _ => false,
        };
        if is_plain {
            return Repairs::NONE;
        }
        self.inspect_closely()
    }

    fn inspect_closely(&self) -> Repairs {
        let mut repairs = Repairs::NONE;
        if !self.raw.is_ascii() && core::str::from_utf8(self.raw).is_err() {
            repairs.insert(Repairs::EIGHT_BIT_HEADER);
        }
        if memchr::memchr(0, self.raw).is_some() {
            repairs.insert(Repairs::NUL);
        }
        let mut is_first = true;
        let mut rest = self.raw;
        while !rest.is_empty() {
            let len = memchr::memchr(b'\n', rest).map_or(rest.len(), |lf| lf.saturating_add(1));
            let (line, after) = rest.split_at_checked(len).unwrap_or((rest, &[]));
            rest = after;
            let text = match line {
                [text @ .., b'\r', b'\n'] => text,
                [text @ .., b'\n'] => {
                    repairs.insert(Repairs::BARE_LF);
                    text
                }
                text => text,
            };
            if !is_first && text.trim_ascii().is_empty() {
                repairs.insert(Repairs::BLANK_FOLD);
            }
            if memchr::memchr(b'\r', text).is_some() {
                repairs.insert(Repairs::BARE_CR);
            }
            is_first = false;
        }
        repairs
    }
}

impl fmt::Debug for Field<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Field")
            .field("offset", &self.offset)
            .field("raw", &bstr(self.raw))
            .field("repairs", &self.repairs)
            .finish()
    }
}

/// Takes out the line ends of folds (RFC 5322 section 2.2.3). Other octets stay, a bare CR as well.
pub(super) fn unfold(value: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr(b'\n', value).is_none() {
        return Cow::Borrowed(value);
    }
    let mut out = Vec::with_capacity(value.len());
    let mut start = 0;
    for lf in memchr::memchr_iter(b'\n', value) {
        let line = value.get(start..lf).unwrap_or_default();
        out.extend_from_slice(line.strip_suffix(b"\r").unwrap_or(line));
        start = lf.saturating_add(1);
    }
    out.extend_from_slice(value.get(start..).unwrap_or_default());
    Cow::Owned(out)
}

/// Octets as text, for `Debug`.
pub(super) fn bstr(octets: &[u8]) -> impl fmt::Debug {
    String::from_utf8_lossy(octets).into_owned()
}
