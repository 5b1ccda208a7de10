//! MX (RFC 1035 section 3.3.9).

use crate::wire::name_ref::NameRef;
use core::fmt;

/// A mail exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mx<'a> {
    /// Lower values are preferred.
    pub preference: u16,
    /// A host that takes mail for the owner.
    pub exchange: NameRef<'a>,
}

impl<'a> Mx<'a> {
    #[inline]
    pub(super) fn read(octets: &'a [u8], start: usize, end: usize) -> Option<Self> {
        let exchange = super::last_name(octets, start.saturating_add(2), end)?;
        let preference = u16::from_be_bytes(*octets.get(start..)?.first_chunk()?);
        Some(Self {
            preference,
            exchange,
        })
    }
}

impl fmt::Display for Mx<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.preference, self.exchange)
    }
}
