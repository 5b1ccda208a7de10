//! SRV (RFC 2782).

use crate::wire::name_ref::NameRef;
use core::fmt;

/// The location of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Srv<'a> {
    /// Lower values are tried first.
    pub priority: u16,
    /// The share among those of one priority.
    pub weight: u16,
    /// Where the service listens.
    pub port: u16,
    /// The host; the root says that there is no such service.
    pub target: NameRef<'a>,
}

impl<'a> Srv<'a> {
    #[inline]
    pub(super) fn read(octets: &'a [u8], start: usize, end: usize) -> Option<Self> {
        let target = super::last_name(octets, start.saturating_add(6), end)?;
        let &[p, q, w, x, r, s] = octets.get(start..)?.first_chunk()?;
        Some(Self {
            priority: u16::from_be_bytes([p, q]),
            weight: u16::from_be_bytes([w, x]),
            port: u16::from_be_bytes([r, s]),
            target,
        })
    }

    pub(crate) fn numbers(&self) -> [u8; 6] {
        let ([a, b], [c, d], [e, f]) = (
            self.priority.to_be_bytes(),
            self.weight.to_be_bytes(),
            self.port.to_be_bytes(),
        );
        [a, b, c, d, e, f]
    }
}

impl fmt::Display for Srv<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {} {} {}",
            self.priority, self.weight, self.port, self.target
        )
    }
}
