//! Enhanced status codes (RFC 3463).

use crate::value::digits;
use bytes::BytesMut;
use core::fmt;

/// `class.subject.detail`, as in `5.1.1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EnhancedCode {
    /// 2, 4 or 5: success, failure for now, failure for good.
    pub class: u8,
    /// What it is about: 1 address, 2 mailbox, 3 system, 4 network, 5 protocol, 6 content,
    /// 7 security; up to 999.
    pub subject: u16,
    /// What precisely; up to 999.
    pub detail: u16,
}

impl EnhancedCode {
    /// The three numbers.
    #[must_use]
    pub const fn new(class: u8, subject: u16, detail: u16) -> Self {
        Self {
            class,
            subject,
            detail,
        }
    }

    /// Reads a code at the front of `text`, and says what follows it and one blank.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<(Self, &[u8])> {
        let (class, rest) = match text {
            [class @ (b'2' | b'4' | b'5'), b'.', rest @ ..] => (class.checked_sub(b'0')?, rest),
            _ => return None,
        };
        let (subject, rest) = short(rest)?;
        let (detail, rest) = short(rest.strip_prefix(b".")?)?;
        let rest = match rest {
            [] => rest,
            [b' ', rest @ ..] => rest,
            _ => return None,
        };
        Some((Self::new(class, subject, detail), rest))
    }

    pub(super) fn encode(self, dst: &mut BytesMut) {
        digits(u64::from(self.class), dst);
        dst.extend_from_slice(b".");
        digits(u64::from(self.subject), dst);
        dst.extend_from_slice(b".");
        digits(u64::from(self.detail), dst);
    }
}

impl fmt::Display for EnhancedCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.class, self.subject, self.detail)
    }
}

/// One to three digits.
fn short(text: &[u8]) -> Option<(u16, &[u8])> {
    let len = text
        .iter()
        .take(3)
        .take_while(|octet| octet.is_ascii_digit())
        .count();
    let (head, rest) = text.split_at_checked(len)?;
    let value = crate::value::parse_number(head)?;
    Some((u16::try_from(value).ok()?, rest))
}
