//! SOA (RFC 1035 section 3.3.13).

use crate::wire::name_ref::{self, NameRef};
use core::fmt;

/// The start of a zone of authority. Times are in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Soa<'a> {
    /// The primary name server.
    pub mname: NameRef<'a>,
    /// The mailbox of whoever is responsible; its first label is the local part.
    pub rname: NameRef<'a>,
    /// The version of the zone (RFC 1982 arithmetic).
    pub serial: u32,
    /// How often a secondary asks for news.
    pub refresh: u32,
    /// How long it waits after it could not.
    pub retry: u32,
    /// After how long without success it stops to serve the zone.
    pub expire: u32,
    /// How long negative answers live (RFC 2308 section 4).
    pub minimum: u32,
}

impl<'a> Soa<'a> {
    #[inline]
    pub(super) fn read(octets: &'a [u8], start: usize, end: usize) -> Option<Self> {
        let rname = name_ref::skip(octets, start)?;
        let numbers = name_ref::skip(octets, rname)?;
        let numbers: &[u8; 20] = octets.get(numbers..end)?.try_into().ok()?;
        let number = |index: usize| {
            numbers
                .as_chunks::<4>()
                .0
                .get(index)
                .map(|chunk| u32::from_be_bytes(*chunk))
        };
        Some(Self {
            mname: NameRef::new(octets, start),
            rname: NameRef::new(octets, rname),
            serial: number(0)?,
            refresh: number(1)?,
            retry: number(2)?,
            expire: number(3)?,
            minimum: number(4)?,
        })
    }

    /// The five numbers in wire form.
    pub(crate) fn numbers(&self) -> [u8; 20] {
        let mut wire = [0; 20];
        let numbers = [
            self.serial,
            self.refresh,
            self.retry,
            self.expire,
            self.minimum,
        ];
        for (place, number) in wire.as_chunks_mut::<4>().0.iter_mut().zip(numbers) {
            *place = number.to_be_bytes();
        }
        wire
    }
}

impl fmt::Display for Soa<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {} {} {} {} {} {}",
            self.mname,
            self.rname,
            self.serial,
            self.refresh,
            self.retry,
            self.expire,
            self.minimum
        )
    }
}
