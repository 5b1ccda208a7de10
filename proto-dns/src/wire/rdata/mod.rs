//! Record data by type, borrowed.

mod address;
mod mx;
mod soa;
mod txt;
pub(crate) mod unknown;

pub use mx::Mx;
pub use soa::Soa;
pub use txt::{Txt, TxtStrings};

use super::code::Type;
use super::edns::{self, Options};
use super::name::MAX_NAME;
use super::name_ref::{self, Follow, NameRef, Stop};
use crate::error::{DecodeError, Fault};
use alloc::vec::Vec;
use core::fmt;
use core::net::{Ipv4Addr, Ipv6Addr};

/// Record data. Types that this crate does not know are opaque octets (RFC 3597).
///
/// ```
/// use proto_dns::wire::{Name, RData, Type};
///
/// let target: Name = "servereast.backup2.ibm.com".parse()?;
/// let data = RData::Cname(target.view());
/// assert_eq!(data.rtype(), Type::CNAME);
/// assert_eq!(data.to_string(), "servereast.backup2.ibm.com.");
/// # Ok::<(), proto_dns::NameError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RData<'a> {
    /// An IPv4 address.
    A(Ipv4Addr),
    /// An IPv6 address.
    Aaaa(Ipv6Addr),
    /// An authoritative name server.
    Ns(NameRef<'a>),
    /// The canonical name of an alias.
    Cname(NameRef<'a>),
    /// The start of a zone of authority.
    Soa(Soa<'a>),
    /// A pointer to another name.
    Ptr(NameRef<'a>),
    /// A mail exchange.
    Mx(Mx<'a>),
    /// Text strings.
    Txt(Txt<'a>),
    /// The options of EDNS.
    Opt(Options<'a>),
    /// Anything else.
    Unknown {
        /// The type.
        rtype: Type,
        /// Its data, as it stands in the message.
        data: &'a [u8],
    },
}

impl<'a> RData<'a> {
    /// The type of this data.
    #[must_use]
    pub const fn rtype(&self) -> Type {
        match self {
            Self::A(_) => Type::A,
            Self::Aaaa(_) => Type::AAAA,
            Self::Ns(_) => Type::NS,
            Self::Cname(_) => Type::CNAME,
            Self::Soa(_) => Type::SOA,
            Self::Ptr(_) => Type::PTR,
            Self::Mx(_) => Type::MX,
            Self::Txt(_) => Type::TXT,
            Self::Opt(_) => Type::OPT,
            Self::Unknown { rtype, .. } => *rtype,
        }
    }

    /// Reads data that stands alone, names in it not compressed.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] when it does not fit its type.
    pub fn from_wire(rtype: Type, wire: &'a [u8]) -> Result<Self, DecodeError> {
        match verify(rtype, wire, 0, wire.len(), &mut name_ref::Steps::new()) {
            Ok(()) => Self::in_message(rtype, wire, 0, wire.len()),
            Err(stop) => Err(stop.into_error(wire.len())),
        }
    }

    /// Appends the uncompressed wire form to `wire`.
    pub fn encode(&self, wire: &mut Vec<u8>) {
        match *self {
            Self::A(address) => wire.extend_from_slice(&address.octets()),
            Self::Aaaa(address) => wire.extend_from_slice(&address.octets()),
            Self::Ns(name) | Self::Cname(name) | Self::Ptr(name) => encode_name(name, wire),
            Self::Mx(mx) => {
                wire.extend_from_slice(&mx.preference.to_be_bytes());
                encode_name(mx.exchange, wire);
            }
            Self::Soa(soa) => {
                encode_name(soa.mname, wire);
                encode_name(soa.rname, wire);
                wire.extend_from_slice(&soa.numbers());
            }
            Self::Txt(txt) => wire.extend_from_slice(txt.as_wire()),
            Self::Opt(options) => wire.extend_from_slice(options.as_wire()),
            Self::Unknown { data, .. } => wire.extend_from_slice(data),
        }
    }

    /// Reads data between two offsets of a message whose names were verified.
    #[inline]
    pub(crate) fn in_message(
        rtype: Type,
        octets: &'a [u8],
        start: usize,
        end: usize,
    ) -> Result<Self, DecodeError> {
        let whole = octets.get(start..end).unwrap_or_default();
        let data = match rtype {
            Type::A => address::v4(whole).map(Self::A),
            Type::AAAA => address::v6(whole).map(Self::Aaaa),
            Type::NS => last_name(octets, start, end).map(Self::Ns),
            Type::CNAME => last_name(octets, start, end).map(Self::Cname),
            Type::PTR => last_name(octets, start, end).map(Self::Ptr),
            Type::MX => Mx::read(octets, start, end).map(Self::Mx),
            Type::SOA => Soa::read(octets, start, end).map(Self::Soa),
            Type::TXT => Txt::read(whole).map(Self::Txt),
            Type::OPT => edns::check_options(start, whole).ok().map(Self::Opt),
            rtype => Some(Self::Unknown { rtype, data: whole }),
        };
        data.ok_or_else(|| {
            let len = u16::try_from(whole.len()).unwrap_or(u16::MAX);
            DecodeError::new(start, Fault::RdataLength(len))
        })
    }
}

/// Verifies the names in record data. A name that runs past RDLENGTH is left for
/// [`Record::data`](super::Record::data) to report, since it concerns that record alone; one that
/// is broken speaks against the whole message.
#[inline]
pub(super) fn verify<F: Follow>(
    rtype: Type,
    octets: &[u8],
    start: usize,
    end: usize,
    follow: &mut F,
) -> Result<(), Stop> {
    let result = match rtype {
        Type::NS | Type::CNAME | Type::PTR => name_ref::check(octets, start, end, follow),
        Type::MX => name_ref::check(octets, start.saturating_add(2), end, follow),
        Type::SOA => name_ref::check(octets, start, end, follow)
            .and_then(|rname| name_ref::check(octets, rname, end, follow)),
        _ => return Ok(()),
    };
    match result {
        Ok(_) | Err(Stop::Short) => Ok(()),
        Err(stop) => Err(stop),
    }
}

fn encode_name(name: NameRef<'_>, wire: &mut Vec<u8>) {
    wire.extend_from_slice(name.copy_to(&mut [0; MAX_NAME]));
}

/// A verified name that fills the octets between the offsets.
#[inline]
fn last_name(octets: &[u8], start: usize, end: usize) -> Option<NameRef<'_>> {
    (name_ref::skip(octets, start)? == end).then(|| NameRef::new(octets, start))
}

impl fmt::Display for RData<'_> {
    /// Presentation form (RFC 1035 section 5.1, RFC 3597 section 5).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::A(address) => address.fmt(f),
            Self::Aaaa(address) => address.fmt(f),
            Self::Ns(name) | Self::Cname(name) | Self::Ptr(name) => fmt::Display::fmt(name, f),
            Self::Soa(soa) => soa.fmt(f),
            Self::Mx(mx) => mx.fmt(f),
            Self::Txt(txt) => txt.fmt(f),
            Self::Opt(options) => unknown::write(options.as_wire(), f),
            Self::Unknown { data, .. } => unknown::write(data, f),
        }
    }
}
