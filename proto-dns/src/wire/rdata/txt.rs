//! TXT (RFC 1035 section 3.3.14).

use crate::error::BuildError;
use alloc::vec::Vec;
use core::fmt::{self, Write};

/// One or more strings of at most 255 octets each.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Txt<'a>(&'a [u8]);

impl<'a> Txt<'a> {
    /// Takes strings in wire form: each with its length in front.
    ///
    /// # Errors
    ///
    /// [`BuildError::Rdata`] when the last string is cut off, or when there is none.
    pub fn from_wire(wire: &'a [u8]) -> Result<Self, BuildError> {
        Self::read(wire).ok_or(BuildError::Rdata)
    }

    /// Appends the wire form of `strings` to `wire`.
    ///
    /// ```
    /// use proto_dns::wire::Txt;
    ///
    /// let mut wire = Vec::new();
    /// Txt::encode(["v=spf1 -all"], &mut wire)?;
    /// assert_eq!(Txt::from_wire(&wire)?.to_string(), "\"v=spf1 -all\"");
    /// # Ok::<(), proto_dns::BuildError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`BuildError::Rdata`] when a string has more than 255 octets.
    pub fn encode<S: AsRef<[u8]>>(
        strings: impl IntoIterator<Item = S>,
        wire: &mut Vec<u8>,
    ) -> Result<(), BuildError> {
        for string in strings {
            let string = string.as_ref();
            wire.push(u8::try_from(string.len()).map_err(|_| BuildError::Rdata)?);
            wire.extend_from_slice(string);
        }
        Ok(())
    }

    /// The strings.
    #[must_use]
    pub fn strings(&self) -> TxtStrings<'a> {
        TxtStrings(self.0)
    }

    /// The wire form.
    #[must_use]
    pub const fn as_wire(&self) -> &'a [u8] {
        self.0
    }

    #[inline]
    pub(super) fn read(wire: &'a [u8]) -> Option<Self> {
        let mut rest = wire;
        loop {
            let (&len, text) = rest.split_first()?;
            rest = text.get(usize::from(len)..)?;
            if rest.is_empty() {
                return Some(Self(wire));
            }
        }
    }
}

/// The strings of a TXT record.
#[derive(Clone, Debug)]
pub struct TxtStrings<'a>(&'a [u8]);

impl<'a> Iterator for TxtStrings<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let (&len, text) = self.0.split_first()?;
        let (string, rest) = text.split_at_checked(usize::from(len))?;
        self.0 = rest;
        Some(string)
    }
}

impl fmt::Display for Txt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, string) in self.strings().enumerate() {
            f.write_str(if index == 0 { "\"" } else { " \"" })?;
            for &octet in string {
                match octet {
                    b'"' | b'\\' => write!(f, "\\{}", char::from(octet))?,
                    b' '..=b'~' => f.write_char(char::from(octet))?,
                    _ => write!(f, "\\{octet:03}")?,
                }
            }
            f.write_char('"')?;
        }
        Ok(())
    }
}

impl fmt::Debug for Txt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
