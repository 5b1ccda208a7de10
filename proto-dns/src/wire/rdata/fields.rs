//! Record data of any known type, field by field.

use super::schema::{self, Field, Kind};
use super::{Txt, present};
use crate::wire::code::Type;
use crate::wire::name::MAX_NAME;
use crate::wire::name_ref::NameRef;
use alloc::vec::Vec;
use core::fmt;
use core::net::{Ipv4Addr, Ipv6Addr};

/// Data of a known type, checked against the fields of its type.
///
/// ```
/// use proto_dns::wire::{Name, RData, Type, Value};
///
/// let mut wire = Vec::new();
/// RData::parse_text(Type::CAA, r#"0 issue "ca.example.net""#, &Name::root(), &mut wire)?;
/// let RData::Other(caa) = RData::from_wire(Type::CAA, &wire)? else { panic!() };
/// assert_eq!(caa.get("value"), Some(Value::Octets(b"ca.example.net")));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy)]
pub struct Fields<'a> {
    rtype: Type,
    octets: &'a [u8],
    start: usize,
    end: usize,
}

/// The value of one field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Value<'a> {
    /// A number of any width.
    Number(u64),
    /// A record type.
    Type(Type),
    /// An IPv4 address.
    V4(Ipv4Addr),
    /// An IPv6 address.
    V6(Ipv6Addr),
    /// A name.
    Name(NameRef<'a>),
    /// Strings.
    Texts(Txt<'a>),
    /// Octets, without a length in front.
    Octets(&'a [u8]),
}

impl<'a> Fields<'a> {
    #[inline]
    pub(super) fn read(rtype: Type, octets: &'a [u8], start: usize, end: usize) -> Option<Self> {
        schema::fits(rtype, octets, start, end).then_some(Self {
            rtype,
            octets,
            start,
            end,
        })
    }

    /// The type.
    #[must_use]
    pub const fn rtype(&self) -> Type {
        self.rtype
    }

    /// The data as it stands in the message: names in it may be compressed.
    #[must_use]
    pub fn as_wire(&self) -> &'a [u8] {
        self.octets.get(self.start..self.end).unwrap_or_default()
    }

    /// The value of the field that the RFC of the type calls so.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Value<'a>> {
        self.iter()
            .find_map(|(known, value)| (known == name).then_some(value))
    }

    /// Names and values of all fields.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, Value<'a>)> {
        let octets = self.octets;
        self.extents().filter_map(move |((name, kind), from, to)| {
            Some((name, value(kind, octets, from, to)?))
        })
    }

    /// Fields, and where they stand.
    pub(super) fn extents(&self) -> impl Iterator<Item = (Field, usize, usize)> + use<'a> {
        let (octets, end, mut at) = (self.octets, self.end, self.start);
        schema::fields_of(self.rtype)
            .unwrap_or_default()
            .iter()
            .map_while(move |&field| {
                let from = at;
                at = schema::field_end(field.1, octets, from, end)?;
                Some((field, from, at))
            })
    }

    pub(crate) const fn message(&self) -> &'a [u8] {
        self.octets
    }

    /// Pieces of the wire form: names, and octets between them. The flag says whether a name may be
    /// compressed in a message, the second whether it is folded in the canonical form.
    pub(crate) fn pieces(&self) -> impl Iterator<Item = Piece<'a>> {
        let octets = self.octets;
        self.extents().map(move |((_, kind), from, to)| match kind {
            Kind::Name => Piece::Name {
                name: NameRef::new(octets, from),
                compress: true,
                fold: true,
            },
            Kind::OldName | Kind::FoldedName => Piece::Name {
                name: NameRef::new(octets, from),
                compress: false,
                fold: true,
            },
            _ => Piece::Octets(octets.get(from..to).unwrap_or_default()),
        })
    }

    /// Appends the uncompressed wire form.
    pub fn encode(&self, wire: &mut Vec<u8>) {
        for piece in self.pieces() {
            match piece {
                Piece::Octets(octets) => wire.extend_from_slice(octets),
                Piece::Name { name, .. } => {
                    wire.extend_from_slice(name.copy_to(&mut [0; MAX_NAME]));
                }
            }
        }
    }
}

/// A part of record data.
pub(crate) enum Piece<'a> {
    Octets(&'a [u8]),
    Name {
        name: NameRef<'a>,
        compress: bool,
        fold: bool,
    },
}

pub(super) fn value(kind: Kind, octets: &[u8], from: usize, to: usize) -> Option<Value<'_>> {
    let data = octets.get(from..to)?;
    let number = || {
        data.iter()
            .fold(0u64, |sum, &octet| sum.wrapping_shl(8) | u64::from(octet))
    };
    Some(match kind {
        Kind::U8
        | Kind::U16
        | Kind::U32
        | Kind::U48
        | Kind::U64
        | Kind::Groups
        | Kind::Time
        | Kind::CertType
        | Kind::Scheme => Value::Number(number()),
        Kind::Type => Value::Type(Type(u16::try_from(number()).ok()?)),
        Kind::V4 => Value::V4(super::address::v4(data)?),
        Kind::V6 => Value::V6(super::address::v6(data)?),
        Kind::Name | Kind::OldName | Kind::FoldedName | Kind::PlainName => {
            Value::Name(NameRef::new(octets, from))
        }
        Kind::Texts => Value::Texts(Txt::read(data)?),
        Kind::Text | Kind::Tag | Kind::Salt | Kind::Hash => Value::Octets(data.get(1..)?),
        Kind::OptionalText => Value::Octets(data.get(1..).unwrap_or_default()),
        Kind::Sized => Value::Octets(data.get(2..)?),
        _ => Value::Octets(data),
    })
}

impl PartialEq for Fields<'_> {
    /// Names are compared without regard to case, wherever they are not opaque (RFC 3597 section 6).
    fn eq(&self, other: &Self) -> bool {
        let mut theirs = other.pieces();
        self.rtype == other.rtype
            && self.pieces().all(|mine| match (mine, theirs.next()) {
                (Piece::Octets(a), Some(Piece::Octets(b))) => a == b,
                (Piece::Name { name: a, .. }, Some(Piece::Name { name: b, .. })) => a == b,
                _ => false,
            })
    }
}

impl Eq for Fields<'_> {}

impl fmt::Display for Fields<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        present::fields(self, f)
    }
}

impl fmt::Debug for Fields<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {self}", self.rtype)
    }
}
