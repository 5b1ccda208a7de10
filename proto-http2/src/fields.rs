//! A field section in one buffer.

use crate::num::{to_u32, to_usize};
use alloc::vec::Vec;
use core::fmt;

/// The fields of a message, pseudo-fields first, in their order: one buffer and offsets.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Fields {
    octets: Vec<u8>,
    ends: Vec<Ends>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ends {
    name: u32,
    value: u32,
    is_sensitive: bool,
}

/// One field of [`Fields`].
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Field<'a> {
    /// The name, in lower case.
    pub name: &'a [u8],
    /// The value.
    pub value: &'a [u8],
    /// A secret, never to be indexed by anyone on its way (RFC 7541 section 7.1.3).
    pub is_sensitive: bool,
}

impl Fields {
    /// No fields.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            octets: Vec::new(),
            ends: Vec::new(),
        }
    }

    /// A request with its four pseudo-fields.
    #[must_use]
    pub fn request(method: &str, scheme: &str, authority: &str, path: &str) -> Self {
        let mut fields = Self::new();
        fields.push(":method", method);
        fields.push(":scheme", scheme);
        fields.push(":authority", authority);
        fields.push(":path", path);
        fields
    }

    /// A response with its status.
    #[must_use]
    pub fn response(status: u16) -> Self {
        let mut fields = Self::new();
        let digit = |value: u16| b'0'.saturating_add(u8::try_from(value % 10).unwrap_or(0));
        fields.push(
            ":status",
            [digit(status / 100), digit(status / 10), digit(status)],
        );
        fields
    }

    /// The same with one field more.
    #[must_use]
    pub fn with(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.push(name, value);
        self
    }

    /// Appends a field.
    pub fn push(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        self.append(name.as_ref(), value.as_ref(), false);
    }

    /// Appends a secret.
    pub fn push_sensitive(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        self.append(name.as_ref(), value.as_ref(), true);
    }

    pub(crate) fn append(&mut self, name: &[u8], value: &[u8], is_sensitive: bool) {
        if self.ends.is_empty() {
            self.octets.reserve(256);
            self.ends.reserve(12);
        }
        self.octets.extend_from_slice(name);
        let name = to_u32(self.octets.len());
        self.octets.extend_from_slice(value);
        self.ends.push(Ends {
            name,
            value: to_u32(self.octets.len()),
            is_sensitive,
        });
    }

    /// How many fields.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Octets of names and values, with 32 for each field (RFC 9113 section 6.5.2).
    #[must_use]
    pub fn list_size(&self) -> usize {
        self.octets
            .len()
            .saturating_add(self.ends.len().saturating_mul(32))
    }

    /// All fields in order.
    pub fn iter(&self) -> impl Iterator<Item = Field<'_>> + Clone {
        let mut start = 0;
        self.ends.iter().map(move |ends| {
            let (name, value) = (to_usize(ends.name), to_usize(ends.value));
            let field = Field {
                name: self.octets.get(start..name).unwrap_or_default(),
                value: self.octets.get(name..value).unwrap_or_default(),
                is_sensitive: ends.is_sensitive,
            };
            start = value;
            field
        })
    }

    /// The first value under a name.
    #[must_use]
    pub fn value(&self, name: impl AsRef<[u8]>) -> Option<&[u8]> {
        let name = name.as_ref();
        self.iter()
            .find(|field| field.name == name)
            .map(|field| field.value)
    }

    /// The value of `:method`.
    #[must_use]
    pub fn method(&self) -> Option<&[u8]> {
        self.value(":method")
    }

    /// The value of `:path`.
    #[must_use]
    pub fn path(&self) -> Option<&[u8]> {
        self.value(":path")
    }

    /// The value of `:status`, when it is three digits.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match *self.value(":status")? {
            [a @ b'1'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9'] => {
                let digit = |octet: u8| u16::from(octet.wrapping_sub(b'0'));
                let tens = digit(a).saturating_mul(10).saturating_add(digit(b));
                Some(tens.saturating_mul(10).saturating_add(digit(c)))
            }
            _ => None,
        }
    }
}

impl<N: AsRef<[u8]>, V: AsRef<[u8]>> FromIterator<(N, V)> for Fields {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(iter: I) -> Self {
        let mut fields = Self::new();
        for (name, value) in iter {
            fields.push(name, value);
        }
        fields
    }
}

impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl fmt::Debug for Field<'_> {
    /// Secrets are not shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secret = self.is_sensitive
            || matches!(
                self.name,
                b"authorization" | b"cookie" | b"set-cookie" | b"proxy-authorization"
            );
        if secret {
            write!(f, "{}: ...", self.name.escape_ascii())
        } else {
            write!(
                f,
                "{}: {}",
                self.name.escape_ascii(),
                self.value.escape_ascii()
            )
        }
    }
}
