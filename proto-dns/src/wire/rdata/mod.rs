//! Record data by type, borrowed.

mod address;
mod fields;
mod loc;
mod mx;
pub(crate) mod parse;
mod present;
pub(crate) mod schema;
mod soa;
mod srv;
mod svcb;
mod txt;
pub(crate) mod unknown;

pub(crate) use fields::Piece;
pub use fields::{Fields, Value};
pub use mx::Mx;
pub(crate) use schema::verify;
pub use schema::{Field, Kind};
pub use soa::Soa;
pub use srv::Srv;
pub use svcb::SvcParams;
pub use txt::{Txt, TxtStrings};

use super::code::Type;
use super::edns::{self, Options};
use super::name::{MAX_NAME, Name};
use super::name_ref::{self, NameRef};
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
    /// The redirection of a subtree.
    Dname(NameRef<'a>),
    /// The location of a service.
    Srv(Srv<'a>),
    /// Data of any other type that this crate knows, field by field.
    Other(Fields<'a>),
    /// Data of a type that this crate does not know.
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
            Self::Dname(_) => Type::DNAME,
            Self::Srv(_) => Type::SRV,
            Self::Other(fields) => fields.rtype(),
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
            Self::Ns(name) | Self::Cname(name) | Self::Ptr(name) | Self::Dname(name) => {
                encode_name(name, wire);
            }
            Self::Srv(srv) => {
                wire.extend_from_slice(&srv.numbers());
                encode_name(srv.target, wire);
            }
            Self::Other(fields) => fields.encode(wire),
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

    /// Reads data that stands alone in presentation form, and appends its wire form to `wire`. Names
    /// without a dot at their end are below `origin`.
    ///
    /// # Errors
    ///
    /// [`TextFault`](super::TextFault); `wire` is as it was before.
    pub fn parse_text(
        rtype: Type,
        text: &str,
        origin: &Name,
        wire: &mut Vec<u8>,
    ) -> Result<(), super::TextFault> {
        let begin = wire.len();
        let mut scanner = super::text::Scanner::new(text.as_bytes());
        let mut result = parse::parse(rtype, &mut scanner, Some(origin.as_wire()), wire);
        if result.is_ok() && !scanner.is_at_end() {
            result = Err(super::TextFault::Extra);
        }
        if result.is_err() {
            wire.truncate(begin);
        }
        result
    }

    /// Appends the canonical form (RFC 4034 section 6.2, RFC 6840 section 5.1): names in full, and in
    /// lower case in the types that are listed there.
    pub fn encode_canonical(&self, wire: &mut Vec<u8>) {
        let begin = wire.len();
        match *self {
            Self::Other(fields) => {
                for piece in fields.pieces() {
                    let from = wire.len();
                    match piece {
                        Piece::Octets(octets) => wire.extend_from_slice(octets),
                        Piece::Name { name, fold, .. } => {
                            encode_name(name, wire);
                            if fold && let Some(name) = wire.get_mut(from..) {
                                name.make_ascii_lowercase();
                            }
                        }
                    }
                }
            }
            Self::Ns(_) | Self::Cname(_) | Self::Ptr(_) | Self::Dname(_) => {
                self.encode(wire);
                // Length octets are below the letters.
                if let Some(name) = wire.get_mut(begin..) {
                    name.make_ascii_lowercase();
                }
            }
            Self::Mx(mx) => {
                wire.extend_from_slice(&mx.preference.to_be_bytes());
                encode_folded(mx.exchange, wire);
            }
            Self::Srv(srv) => {
                wire.extend_from_slice(&srv.numbers());
                encode_folded(srv.target, wire);
            }
            Self::Soa(soa) => {
                encode_folded(soa.mname, wire);
                encode_folded(soa.rname, wire);
                wire.extend_from_slice(&soa.numbers());
            }
            _ => self.encode(wire),
        }
    }

    #[inline(never)]
    fn read_other(rtype: Type, octets: &'a [u8], start: usize, end: usize) -> Option<Self> {
        if schema::fields_of(rtype).is_none() {
            let data = octets.get(start..end).unwrap_or_default();
            return Some(Self::Unknown { rtype, data });
        }
        Fields::read(rtype, octets, start, end).map(Self::Other)
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
            Type::DNAME => last_name(octets, start, end).map(Self::Dname),
            Type::SRV => Srv::read(octets, start, end).map(Self::Srv),
            rtype => Self::read_other(rtype, octets, start, end),
        };
        data.ok_or_else(|| {
            let len = u16::try_from(whole.len()).unwrap_or(u16::MAX);
            DecodeError::new(start, Fault::RdataLength(len))
        })
    }
}

fn encode_folded(name: NameRef<'_>, wire: &mut Vec<u8>) {
    let begin = wire.len();
    encode_name(name, wire);
    if let Some(name) = wire.get_mut(begin..) {
        name.make_ascii_lowercase();
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
            Self::Ns(name) | Self::Cname(name) | Self::Ptr(name) | Self::Dname(name) => {
                fmt::Display::fmt(name, f)
            }
            Self::Soa(soa) => soa.fmt(f),
            Self::Mx(mx) => mx.fmt(f),
            Self::Txt(txt) => txt.fmt(f),
            Self::Opt(options) => unknown::write(options.as_wire(), f),
            Self::Srv(srv) => srv.fmt(f),
            Self::Other(fields) => fields.fmt(f),
            Self::Unknown { data, .. } => unknown::write(data, f),
        }
    }
}
