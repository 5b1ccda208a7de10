//! Resource records as they stand in a message (RFC 1035 section 4.1.3).

use super::code::{Class, Type};
use super::name_ref::NameRef;
use super::rdata::RData;
use crate::error::DecodeError;
use core::fmt;

/// A record that stands in a message. Its data is looked at when [`data`](Self::data) asks.
#[derive(Clone, Copy)]
pub struct Record<'a> {
    /// The owner.
    pub owner: NameRef<'a>,
    /// TYPE.
    pub rtype: Type,
    /// CLASS; in OPT the payload size.
    pub class: Class,
    /// TTL in seconds; zero where the sender set the highest bit (RFC 2181 section 8). In OPT it is
    /// none, and as it was sent.
    pub ttl: u32,
    pub(super) octets: &'a [u8],
    pub(super) start: usize,
    pub(super) end: usize,
}

impl<'a> Record<'a> {
    /// RDATA as it stands in the message: names in it may be compressed.
    #[must_use]
    pub fn rdata(&self) -> &'a [u8] {
        self.octets.get(self.start..self.end).unwrap_or_default()
    }

    /// RDATA according to the type.
    ///
    /// # Errors
    ///
    /// [`Fault::RdataLength`](crate::Fault::RdataLength) when RDLENGTH does not fit the type. That
    /// concerns this record alone: the others can still be used.
    #[inline]
    pub fn data(&self) -> Result<RData<'a>, DecodeError> {
        RData::in_message(self.rtype, self.octets, self.start, self.end)
    }
}

impl fmt::Display for Record<'_> {
    /// One line of a master file (RFC 1035 section 5.1); data of a wrong length is written as that
    /// of an unknown type (RFC 3597 section 5).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}\t{}\t{}\t{}\t",
            self.owner, self.ttl, self.class, self.rtype
        )?;
        match self.data() {
            Ok(data) => data.fmt(f),
            Err(_) => super::rdata::unknown::write(self.rdata(), f),
        }
    }
}

impl fmt::Debug for Record<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
