//! Parameters of MAIL and RCPT.

use super::xtext::{xtext_decode, xtext_encode};
use super::{CommandFault, Mailbox};
use crate::value::{InvalidArgument, digits, parse_number as number};
use alloc::boxed::Box;
use alloc::vec::Vec;
use bytes::{Bytes, BytesMut};
use core::fmt;
use core::ops::{Deref, DerefMut};
use memchr::memchr;

/// What MAIL says beside the address: [`MailFields`], which it is a smart pointer to. Most commands say
/// nothing, and then no memory is taken.
#[derive(Clone, Default)]
pub struct MailParams(Option<Box<MailFields>>);

/// The fields of [`MailParams`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MailFields {
    /// SIZE: octets of the message, as the client reckons them (RFC 1870).
    pub size: Option<u64>,
    /// BODY: which octets the message may hold (RFC 6152, RFC 3030).
    pub body: Option<BodyType>,
    /// SMTPUTF8: addresses or headers are internationalized (RFC 6531).
    pub smtputf8: bool,
    /// REQUIRETLS: to be passed on under TLS only (RFC 8689).
    pub require_tls: bool,
    /// RET: how much of the message a notification gives back (RFC 3461).
    pub ret: Option<Ret>,
    /// MT-PRIORITY: -9 to 9 (RFC 6710).
    pub priority: Option<i8>,
    /// ENVID: the name of this envelope, decoded (RFC 3461).
    pub envid: Option<Bytes>,
    /// AUTH: who submitted the message first (RFC 4954 section 5).
    pub auth: Option<AuthParam>,
    /// BY: when it is to be delivered (RFC 2852).
    pub by: Option<DeliverBy>,
    /// HOLDFOR or HOLDUNTIL: when it is to be sent on (RFC 4865).
    pub hold: Option<Hold>,
    /// What this crate does not know.
    pub other: Vec<Parameter>,
}

/// What RCPT says beside the address: [`RcptFields`], which it is a smart pointer to. Most commands say
/// nothing, and then no memory is taken.
#[derive(Clone, Default)]
pub struct RcptParams(Option<Box<RcptFields>>);

/// The fields of [`RcptParams`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RcptFields {
    /// NOTIFY: when a notification is wanted (RFC 3461).
    pub notify: Option<Notify>,
    /// ORCPT: the recipient as the sender knew it (RFC 3461).
    pub orcpt: Option<OriginalRecipient>,
    /// RRVS: only if the mailbox has had the same owner since then; the date and what follows it
    /// as it was typed (RFC 7293).
    pub rrvs: Option<Bytes>,
    /// What this crate does not know.
    pub other: Vec<Parameter>,
}

macro_rules! params {
    ($params:ident, $fields:ident) => {
        impl Deref for $params {
            type Target = $fields;

            fn deref(&self) -> &$fields {
                static NONE: $fields = $fields::NONE;
                self.0.as_deref().unwrap_or(&NONE)
            }
        }

        impl DerefMut for $params {
            fn deref_mut(&mut self) -> &mut $fields {
                self.0.get_or_insert_default()
            }
        }

        impl PartialEq for $params {
            fn eq(&self, other: &Self) -> bool {
                **self == **other
            }
        }

        impl Eq for $params {}

        impl fmt::Debug for $params {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                (**self).fmt(f)
            }
        }

        impl $params {
            /// Reads what stands behind the address. The error has the place in `text`.
            pub(super) fn parse(text: &[u8]) -> Result<Self, (CommandFault, usize)> {
                let mut params = Self::default();
                each(text, |keyword, value| params.set(keyword, value))?;
                Ok(params)
            }
        }
    };
}

params!(MailParams, MailFields);
params!(RcptParams, RcptFields);

/// Which octets a message may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyType {
    /// Lines of US-ASCII.
    SevenBit,
    /// Lines of any octets but NUL, CR and LF.
    EightBitMime,
    /// Any octets; BDAT only.
    BinaryMime,
}

/// How much of a message a notification gives back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ret {
    /// All of it.
    Full,
    /// Its header.
    Headers,
}

/// Who submitted a message first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthParam {
    /// `<>`: not known, or not to be trusted.
    Unknown,
    /// The address, decoded.
    Mailbox(Mailbox),
}

/// RFC 2852.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeliverBy {
    /// Seconds from now on; negative once they are over.
    pub seconds: i64,
    /// What is done when they are over.
    pub mode: ByMode,
    /// Whether relaying is reported.
    pub trace: bool,
}

/// What is done when the time of DELIVERBY is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByMode {
    /// Say that it took longer.
    Notify,
    /// Give the message back.
    Return,
}

/// RFC 4865.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hold {
    /// Seconds from now on.
    For(u64),
    /// Until this date and time, as RFC 3339 writes it.
    Until(Bytes),
}

/// When a notification is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notify {
    /// In no case.
    Never,
    /// In the cases that are set.
    When {
        /// It was delivered.
        success: bool,
        /// It could not be delivered.
        failure: bool,
        /// It takes longer.
        delay: bool,
    },
}

/// RFC 3461 section 4.2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginalRecipient {
    address_type: Bytes,
    address: Bytes,
}

impl OriginalRecipient {
    /// The kind of address, mostly `rfc822`, and the address.
    ///
    /// # Errors
    ///
    /// [`InvalidArgument`] when the kind is no atom or the address holds a control.
    pub fn new(address_type: &[u8], address: &[u8]) -> Result<Self, InvalidArgument> {
        let is_bad = |octet: &u8| !octet.is_ascii_alphanumeric() && *octet != b'-';
        if address_type.is_empty() {
            return Err(InvalidArgument { offset: 0 });
        }
        if let Some(offset) = address_type.iter().position(is_bad) {
            return Err(InvalidArgument { offset });
        }
        if let Some(offset) = address.iter().position(u8::is_ascii_control) {
            return Err(InvalidArgument { offset });
        }
        Ok(Self {
            address_type: Bytes::copy_from_slice(address_type),
            address: Bytes::copy_from_slice(address),
        })
    }

    /// The kind of address.
    #[must_use]
    pub fn address_type(&self) -> &[u8] {
        &self.address_type
    }

    /// The address, decoded.
    #[must_use]
    pub fn address(&self) -> &[u8] {
        &self.address
    }
}

/// A parameter as it was typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    keyword: Bytes,
    value: Option<Bytes>,
}

impl Parameter {
    /// Checks and keeps both parts.
    ///
    /// ```text
    /// esmtp-keyword = (ALPHA / DIGIT) *(ALPHA / DIGIT / "-")
    /// esmtp-value   = 1*(%d33-60 / %d62-126)           RFC 5321 section 4.1.2
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidArgument`] where it does not follow that.
    pub fn new(keyword: &[u8], value: Option<&[u8]>) -> Result<Self, InvalidArgument> {
        let is_bad = |octet: &u8| !octet.is_ascii_alphanumeric() && *octet != b'-';
        if keyword.is_empty() || keyword.starts_with(b"-") {
            return Err(InvalidArgument { offset: 0 });
        }
        if let Some(offset) = keyword.iter().position(is_bad) {
            return Err(InvalidArgument { offset });
        }
        if let Some(value) = value {
            if value.is_empty() {
                return Err(InvalidArgument { offset: 0 });
            }
            if let Some(offset) = value.iter().position(|octet| !is_value(*octet)) {
                return Err(InvalidArgument { offset });
            }
        }
        Ok(Self {
            keyword: Bytes::copy_from_slice(keyword),
            value: value.map(Bytes::copy_from_slice),
        })
    }

    /// The name.
    #[must_use]
    pub fn keyword(&self) -> &[u8] {
        &self.keyword
    }

    /// What stands behind the `=`.
    #[must_use]
    pub fn value(&self) -> Option<&[u8]> {
        self.value.as_deref()
    }

    fn encode(&self, dst: &mut BytesMut) {
        dst.extend_from_slice(b" ");
        dst.extend_from_slice(&self.keyword);
        if let Some(value) = &self.value {
            dst.extend_from_slice(b"=");
            dst.extend_from_slice(value);
        }
    }
}

/// RFC 6531 section 3.3 adds octets above 127.
fn is_value(octet: u8) -> bool {
    matches!(octet, b'!'..=b'<' | b'>'..=b'~' | 128..)
}

impl MailFields {
    const NONE: Self = Self {
        size: None,
        body: None,
        smtputf8: false,
        require_tls: false,
        ret: None,
        priority: None,
        envid: None,
        auth: None,
        by: None,
        hold: None,
        other: Vec::new(),
    };

    fn set(&mut self, keyword: &[u8], value: Option<&[u8]>) -> Option<()> {
        let mut word = [0; 12];
        match (upper(keyword, &mut word), value) {
            (b"SIZE", Some(value)) => once(&mut self.size, number(value)?),
            (b"BODY", Some(value)) => once(&mut self.body, BodyType::parse(value)?),
            (b"SMTPUTF8", None) => flag(&mut self.smtputf8),
            (b"REQUIRETLS", None) => flag(&mut self.require_tls),
            (b"RET", Some(value)) => once(
                &mut self.ret,
                match value {
                    _ if value.eq_ignore_ascii_case(b"FULL") => Ret::Full,
                    _ if value.eq_ignore_ascii_case(b"HDRS") => Ret::Headers,
                    _ => return None,
                },
            ),
            // RFC 3461 section 4.4: at most 100 octets, and ASCII alone.
            (b"ENVID", Some(value)) if value.len() <= 100 && value.is_ascii() => {
                once(&mut self.envid, xtext_decode(value).ok()?.into())
            }
            (b"AUTH", Some(value)) => once(&mut self.auth, AuthParam::parse(value)?),
            (b"BY", Some(value)) => once(&mut self.by, DeliverBy::parse(value)?),
            (b"HOLDFOR", Some(value)) if value.len() <= 9 => {
                once(&mut self.hold, Hold::For(number(value)?))
            }
            (b"HOLDUNTIL", Some(value)) if is_date(value) => {
                once(&mut self.hold, Hold::Until(Bytes::copy_from_slice(value)))
            }
            (b"MT-PRIORITY", Some(value)) => once(&mut self.priority, priority(value)?),
            (
                b"SIZE" | b"BODY" | b"SMTPUTF8" | b"REQUIRETLS" | b"RET" | b"ENVID" | b"AUTH"
                | b"BY" | b"HOLDFOR" | b"HOLDUNTIL" | b"MT-PRIORITY",
                _,
            ) => None,
            _ => other(&mut self.other, keyword, value),
        }
    }

    pub(super) fn encode(&self, dst: &mut BytesMut) {
        if let Some(size) = self.size {
            dst.extend_from_slice(b" SIZE=");
            digits(size, dst);
        }
        if let Some(body) = self.body {
            dst.extend_from_slice(b" BODY=");
            dst.extend_from_slice(body.as_str().as_bytes());
        }
        if self.smtputf8 {
            dst.extend_from_slice(b" SMTPUTF8");
        }
        if self.require_tls {
            dst.extend_from_slice(b" REQUIRETLS");
        }
        match self.ret {
            Some(Ret::Full) => dst.extend_from_slice(b" RET=FULL"),
            Some(Ret::Headers) => dst.extend_from_slice(b" RET=HDRS"),
            None => {}
        }
        if let Some(envid) = &self.envid {
            dst.extend_from_slice(b" ENVID=");
            xtext_encode(envid, dst);
        }
        match &self.auth {
            Some(AuthParam::Unknown) => dst.extend_from_slice(b" AUTH=<>"),
            Some(AuthParam::Mailbox(mailbox)) => {
                dst.extend_from_slice(b" AUTH=");
                xtext_encode(mailbox.as_bytes(), dst);
            }
            None => {}
        }
        if let Some(by) = self.by {
            dst.extend_from_slice(b" BY=");
            if by.seconds < 0 {
                dst.extend_from_slice(b"-");
            }
            digits(by.seconds.unsigned_abs().min(999_999_999), dst);
            dst.extend_from_slice(match (by.mode, by.trace) {
                (ByMode::Notify, false) => b";N",
                (ByMode::Notify, true) => b";NT",
                (ByMode::Return, false) => b";R",
                (ByMode::Return, true) => b";RT",
            });
        }
        match &self.hold {
            Some(Hold::For(seconds)) => {
                dst.extend_from_slice(b" HOLDFOR=");
                digits((*seconds).min(999_999_999), dst);
            }
            Some(Hold::Until(date)) if is_date(date) => {
                dst.extend_from_slice(b" HOLDUNTIL=");
                dst.extend_from_slice(date);
            }
            Some(Hold::Until(_)) | None => {}
        }
        if let Some(priority) = self.priority {
            dst.extend_from_slice(b" MT-PRIORITY=");
            if priority < 0 {
                dst.extend_from_slice(b"-");
            }
            digits(u64::from(priority.unsigned_abs().min(9)), dst);
        }
        for parameter in &self.other {
            parameter.encode(dst);
        }
    }
}

impl RcptFields {
    const NONE: Self = Self {
        notify: None,
        orcpt: None,
        rrvs: None,
        other: Vec::new(),
    };

    fn set(&mut self, keyword: &[u8], value: Option<&[u8]>) -> Option<()> {
        let mut word = [0; 12];
        match (upper(keyword, &mut word), value) {
            (b"NOTIFY", Some(value)) => once(&mut self.notify, Notify::parse(value)?),
            // RFC 3461 section 4.2: at most 500 octets.
            (b"ORCPT", Some(value)) if written_len(value) <= 500 => {
                let (address_type, address) = value.split_at_checked(memchr(b';', value)?)?;
                let address = xtext_decode(address.get(1..)?).ok()?;
                let orcpt = OriginalRecipient::new(address_type, &address).ok()?;
                once(&mut self.orcpt, orcpt)
            }
            (b"RRVS", Some(value))
                if !value.is_empty() && value.iter().all(|&octet| is_value(octet)) =>
            {
                once(&mut self.rrvs, Bytes::copy_from_slice(value))
            }
            (b"NOTIFY" | b"ORCPT" | b"RRVS", _) => None,
            _ => other(&mut self.other, keyword, value),
        }
    }

    pub(super) fn encode(&self, dst: &mut BytesMut) {
        match self.notify {
            Some(Notify::Never) => dst.extend_from_slice(b" NOTIFY=NEVER"),
            Some(Notify::When {
                success,
                failure,
                delay,
            }) => {
                let mut mark: &[u8] = b" NOTIFY=";
                for (is_set, word) in [
                    (success, &b"SUCCESS"[..]),
                    (failure, b"FAILURE"),
                    (delay, b"DELAY"),
                ] {
                    if is_set {
                        dst.extend_from_slice(mark);
                        dst.extend_from_slice(word);
                        mark = b",";
                    }
                }
            }
            None => {}
        }
        if let Some(orcpt) = &self.orcpt {
            dst.extend_from_slice(b" ORCPT=");
            dst.extend_from_slice(&orcpt.address_type);
            dst.extend_from_slice(b";");
            xtext_encode(&orcpt.address, dst);
        }
        if let Some(rrvs) = &self.rrvs
            && rrvs.iter().all(|&octet| is_value(octet))
        {
            dst.extend_from_slice(b" RRVS=");
            dst.extend_from_slice(rrvs);
        }
        for parameter in &self.other {
            parameter.encode(dst);
        }
    }
}

impl BodyType {
    fn parse(text: &[u8]) -> Option<Self> {
        [Self::SevenBit, Self::EightBitMime, Self::BinaryMime]
            .into_iter()
            .find(|body| body.as_str().as_bytes().eq_ignore_ascii_case(text))
    }

    /// As it stands on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SevenBit => "7BIT",
            Self::EightBitMime => "8BITMIME",
            Self::BinaryMime => "BINARYMIME",
        }
    }
}

impl AuthParam {
    fn parse(text: &[u8]) -> Option<Self> {
        let text = xtext_decode(text).ok()?;
        if text == b"<>" {
            return Some(Self::Unknown);
        }
        // RFC 4954 section 5: the value is a mailbox, in xtext; brackets are seen as well.
        let inner = text.strip_prefix(b"<").and_then(|it| it.strip_suffix(b">"));
        Mailbox::new(inner.unwrap_or(&text)).ok().map(Self::Mailbox)
    }
}

impl DeliverBy {
    /// `BY=-120;RT`
    fn parse(text: &[u8]) -> Option<Self> {
        let (seconds, mode) = text.split_at_checked(memchr(b';', text)?)?;
        let (is_negative, seconds) = match seconds {
            [b'-', seconds @ ..] => (true, seconds),
            [b'+', seconds @ ..] => (false, seconds),
            seconds => (false, seconds),
        };
        if seconds.len() > 9 {
            return None;
        }
        let seconds = i64::try_from(number(seconds)?).ok()?;
        let (mode, trace) = match mode.get(1..)? {
            [b'N' | b'n', trace @ ..] => (ByMode::Notify, trace),
            [b'R' | b'r', trace @ ..] => (ByMode::Return, trace),
            _ => return None,
        };
        let trace = match trace {
            [] => false,
            [b'T' | b't'] => true,
            _ => return None,
        };
        // RFC 2852 section 4: with R the time must be greater than zero.
        if mode == ByMode::Return && (is_negative || seconds == 0) {
            return None;
        }
        Some(Self {
            seconds: if is_negative {
                seconds.saturating_neg()
            } else {
                seconds
            },
            mode,
            trace,
        })
    }
}

impl Notify {
    fn parse(text: &[u8]) -> Option<Self> {
        // RFC 3461 section 4.1: NEVER must stand alone.
        if text.eq_ignore_ascii_case(b"NEVER") {
            return Some(Self::Never);
        }
        let (mut success, mut failure, mut delay) = (false, false, false);
        for word in text.split(|&octet| octet == b',') {
            let slot = match word {
                _ if word.eq_ignore_ascii_case(b"SUCCESS") => &mut success,
                _ if word.eq_ignore_ascii_case(b"FAILURE") => &mut failure,
                _ if word.eq_ignore_ascii_case(b"DELAY") => &mut delay,
                _ => return None,
            };
            *slot = true;
        }
        Some(Self::When {
            success,
            failure,
            delay,
        })
    }
}

/// RFC 3339, as far as its octets go; the embedder reads it.
fn is_date(text: &[u8]) -> bool {
    (20..=40).contains(&text.len())
        && text
            .iter()
            .all(|octet| octet.is_ascii_digit() || b"-:.+TtZz".contains(octet))
}

/// RFC 6710 section 4: -9 to 9.
fn priority(text: &[u8]) -> Option<i8> {
    let (sign, digit) = match text {
        [b'-', digit @ b'1'..=b'9'] => (-1_i8, *digit),
        [digit @ b'0'..=b'9'] => (1, *digit),
        _ => return None,
    };
    let value = i8::try_from(digit.checked_sub(b'0')?).ok()?;
    value.checked_mul(sign)
}

fn upper<'a>(keyword: &[u8], word: &'a mut [u8; 12]) -> &'a [u8] {
    let Some(slots) = word.get_mut(..keyword.len()) else {
        return b"";
    };
    for (slot, octet) in slots.iter_mut().zip(keyword) {
        *slot = octet.to_ascii_uppercase();
    }
    slots
}

/// A parameter may come once.
fn once<T>(slot: &mut Option<T>, value: T) -> Option<()> {
    if slot.is_some() {
        return None;
    }
    *slot = Some(value);
    Some(())
}

fn flag(slot: &mut bool) -> Option<()> {
    (!core::mem::replace(slot, true)).then_some(())
}

fn other(list: &mut Vec<Parameter>, keyword: &[u8], value: Option<&[u8]>) -> Option<()> {
    list.push(Parameter::new(keyword, value).ok()?);
    Some(())
}

/// Goes through ` KEYWORD[=value]` ..., and says where it went wrong.
fn each(
    text: &[u8],
    mut set: impl FnMut(&[u8], Option<&[u8]>) -> Option<()>,
) -> Result<(), (CommandFault, usize)> {
    let mut at = 0_usize;
    let mut rest = text;
    while let [first, tail @ ..] = rest {
        if *first != b' ' {
            return Err((CommandFault::Parameter, at));
        }
        let len = memchr(b' ', tail).unwrap_or(tail.len());
        let (word, next) = tail.split_at_checked(len).unwrap_or_default();
        if !word.is_empty() {
            let (keyword, value) = match memchr(b'=', word) {
                Some(equals) => {
                    let (keyword, value) = word.split_at_checked(equals).unwrap_or_default();
                    (keyword, value.get(1..))
                }
                None => (word, None),
            };
            set(keyword, value).ok_or((CommandFault::Parameter, at.saturating_add(1)))?;
        }
        at = at.saturating_add(len).saturating_add(1);
        rest = next;
    }
    Ok(())
}

/// Octets of an xtext once it is written again, where those above 127 take three.
fn written_len(xtext: &[u8]) -> usize {
    let high = xtext.iter().filter(|octet| !octet.is_ascii()).count();
    xtext.len().saturating_add(high.saturating_mul(2))
}
