//! EDNS options by kind: what the data of each means, both ways, and as text.
//!
//! Reading is for whoever asks: [`EdnsOption::data`](super::EdnsOption) stays what it is, and an
//! option whose data is not what its code promises harms neither the message nor the options
//! beside it. [`Opt::read`] says what is wrong with it.

use super::code::{ExtendedErrorCode, OptionCode};
use super::edns::EdnsOption;
use super::name_ref::NameRef;
use crate::error::{BuildError, DecodeError, Fault};
use alloc::vec::Vec;
use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An option that was read.
///
/// ```
/// use proto_dns::wire::{ClientSubnet, Edns, Opt, Options};
///
/// let mut wire = Vec::new();
/// Opt::Nsid(b"").encode(&mut wire)?;
/// Opt::ClientSubnet(ClientSubnet::new("192.0.2.77".parse()?, 24)?).encode(&mut wire)?;
/// let edns = Edns { options: Options::from_wire(&wire)?, ..Edns::new(1232) };
///
/// let text: Vec<String> = edns.options.map(|option| option.read().unwrap().to_string()).collect();
/// assert_eq!(text, ["NSID:", "ECS: 192.0.2.0/24/0"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Opt<'a> {
    /// Which instance answers (RFC 5001 section 2.3); empty asks for it.
    Nsid(&'a [u8]),
    /// The signature algorithms that the sender understands (RFC 6975 section 3).
    Dau(&'a [u8]),
    /// The digests of DS records that the sender understands (RFC 6975 section 3).
    Dhu(&'a [u8]),
    /// The hashes of NSEC3 records that the sender understands (RFC 6975 section 3).
    N3u(&'a [u8]),
    /// The network that a query comes from (RFC 7871 section 6).
    ClientSubnet(ClientSubnet),
    /// Seconds until the zone expires (RFC 7314 section 2); none asks for it.
    Expire(Option<u32>),
    /// The cookie of a client and, once it is known, that of the server (RFC 7873 section 4).
    Cookie {
        /// Eight octets that the client chose.
        client: [u8; 8],
        /// Nothing, or eight to 32 octets that the server chose.
        server: &'a [u8],
    },
    /// How long an idle connection stays open, in tenths of a second (RFC 7828 section 3.1); a
    /// client says none.
    TcpKeepalive(Option<u16>),
    /// Octets that hide the length of the message (RFC 7830 section 3).
    Padding(&'a [u8]),
    /// The closest name that a validator trusts already (RFC 7901 section 4).
    Chain(NameRef<'a>),
    /// The tags of the keys that a validator trusts (RFC 8145 section 4.1).
    KeyTag(KeyTags<'a>),
    /// More about an error (RFC 8914 section 2).
    ExtendedError {
        /// What it is.
        code: ExtendedErrorCode,
        /// What a person may read; UTF-8, if the sender keeps to the rules.
        text: &'a [u8],
    },
    /// What a client says about itself (draft-bellis-dnsop-edns-tags).
    ClientTag(u16),
    /// What a server says about itself (draft-bellis-dnsop-edns-tags).
    ServerTag(u16),
    /// Where errors are to be reported (RFC 9567 section 5).
    ReportChannel(NameRef<'a>),
    /// The version of the zone that answered (RFC 9660 section 2); none asks for it.
    ZoneVersion(Option<ZoneVersion<'a>>),
    /// Any other code.
    Unknown(EdnsOption<'a>),
}

/// A network (RFC 7871 section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientSubnet {
    address: Option<IpAddr>,
    source: u8,
    scope: u8,
}

/// Tags of keys, sixteen bits each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyTags<'a>(&'a [u8]);

/// A version of a zone (RFC 9660 section 2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ZoneVersion<'a> {
    /// How many labels of the name that was asked for make up the zone's name.
    pub labels: u8,
    /// What kind of version it is; zero is the serial number of the SOA record.
    pub kind: u8,
    /// The version.
    pub version: &'a [u8],
}

impl<'a> Opt<'a> {
    /// Reads the data of an option.
    ///
    /// # Errors
    ///
    /// [`Fault::OptionData`] when the data is not what the code promises; the offset is in the data.
    pub fn read(option: EdnsOption<'a>) -> Result<Self, DecodeError> {
        let EdnsOption { code, data } = option;
        let wrong = DecodeError::new(0, Fault::OptionData(code));
        Ok(match code {
            OptionCode::NSID => Self::Nsid(data),
            OptionCode::DAU => Self::Dau(data),
            OptionCode::DHU => Self::Dhu(data),
            OptionCode::N3U => Self::N3u(data),
            OptionCode::CLIENT_SUBNET => Self::ClientSubnet(ClientSubnet::read(data).ok_or(wrong)?),
            OptionCode::EXPIRE => Self::Expire(match data {
                [] => None,
                data => Some(u32::from_be_bytes(data.try_into().map_err(|_| wrong)?)),
            }),
            OptionCode::COOKIE => match data.split_first_chunk() {
                Some((&client, server)) if matches!(server.len(), 0 | 8..=32) => {
                    Self::Cookie { client, server }
                }
                _ => return Err(wrong),
            },
            OptionCode::TCP_KEEPALIVE => Self::TcpKeepalive(match data {
                [] => None,
                data => Some(u16::from_be_bytes(data.try_into().map_err(|_| wrong)?)),
            }),
            OptionCode::PADDING => Self::Padding(data),
            OptionCode::CHAIN => Self::Chain(NameRef::from_wire(data).map_err(|_| wrong)?),
            OptionCode::KEY_TAG => Self::KeyTag(KeyTags::from_wire(data).ok_or(wrong)?),
            OptionCode::EXTENDED_ERROR => match data.split_first_chunk() {
                Some((&code, text)) => Self::ExtendedError {
                    code: ExtendedErrorCode(u16::from_be_bytes(code)),
                    text,
                },
                None => return Err(wrong),
            },
            OptionCode::CLIENT_TAG => {
                Self::ClientTag(u16::from_be_bytes(data.try_into().map_err(|_| wrong)?))
            }
            OptionCode::SERVER_TAG => {
                Self::ServerTag(u16::from_be_bytes(data.try_into().map_err(|_| wrong)?))
            }
            OptionCode::REPORT_CHANNEL => {
                Self::ReportChannel(NameRef::from_wire(data).map_err(|_| wrong)?)
            }
            OptionCode::ZONE_VERSION => Self::ZoneVersion(match data {
                [] => None,
                data => Some(ZoneVersion::read(data).ok_or(wrong)?),
            }),
            _ => Self::Unknown(option),
        })
    }

    /// Appends the option in wire form to `wire`.
    ///
    /// # Errors
    ///
    /// [`BuildError::Rdata`] when it would not be read again: a cookie of a forbidden length, no
    /// tag at all, a serial number that is none, more than 65 535 octets. `wire` is as it was then.
    pub fn encode(&self, wire: &mut Vec<u8>) -> Result<(), BuildError> {
        let start = wire.len();
        wire.extend_from_slice(&self.code().0.to_be_bytes());
        wire.extend_from_slice(&[0, 0]);
        let from = wire.len();
        self.put(wire);
        let data = wire.get(from..).unwrap_or_default();
        let len = u16::try_from(data.len());
        let code = self.code();
        let fits = Opt::read(EdnsOption { code, data }).is_ok();
        match (len, wire.get_mut(from.saturating_sub(2)..from)) {
            (Ok(len), Some(place)) if fits => {
                place.copy_from_slice(&len.to_be_bytes());
                Ok(())
            }
            _ => {
                wire.truncate(start);
                Err(BuildError::Rdata)
            }
        }
    }

    /// What kind of option it is.
    #[must_use]
    pub const fn code(&self) -> OptionCode {
        match self {
            Self::Nsid(_) => OptionCode::NSID,
            Self::Dau(_) => OptionCode::DAU,
            Self::Dhu(_) => OptionCode::DHU,
            Self::N3u(_) => OptionCode::N3U,
            Self::ClientSubnet(_) => OptionCode::CLIENT_SUBNET,
            Self::Expire(_) => OptionCode::EXPIRE,
            Self::Cookie { .. } => OptionCode::COOKIE,
            Self::TcpKeepalive(_) => OptionCode::TCP_KEEPALIVE,
            Self::Padding(_) => OptionCode::PADDING,
            Self::Chain(_) => OptionCode::CHAIN,
            Self::KeyTag(_) => OptionCode::KEY_TAG,
            Self::ExtendedError { .. } => OptionCode::EXTENDED_ERROR,
            Self::ClientTag(_) => OptionCode::CLIENT_TAG,
            Self::ServerTag(_) => OptionCode::SERVER_TAG,
            Self::ReportChannel(_) => OptionCode::REPORT_CHANNEL,
            Self::ZoneVersion(_) => OptionCode::ZONE_VERSION,
            Self::Unknown(option) => option.code,
        }
    }

    /// Appends the data alone.
    fn put(&self, wire: &mut Vec<u8>) {
        match *self {
            Self::Nsid(data)
            | Self::Dau(data)
            | Self::Dhu(data)
            | Self::N3u(data)
            | Self::Padding(data)
            | Self::Unknown(EdnsOption { data, .. }) => wire.extend_from_slice(data),
            Self::ClientSubnet(subnet) => subnet.put(wire),
            Self::Expire(None) | Self::TcpKeepalive(None) | Self::ZoneVersion(None) => {}
            Self::Expire(Some(seconds)) => wire.extend_from_slice(&seconds.to_be_bytes()),
            Self::Cookie { client, server } => {
                wire.extend_from_slice(&client);
                wire.extend_from_slice(server);
            }
            Self::TcpKeepalive(Some(tenths)) => wire.extend_from_slice(&tenths.to_be_bytes()),
            Self::Chain(name) | Self::ReportChannel(name) => {
                wire.extend_from_slice(name.copy_to(&mut [0; super::MAX_NAME]));
            }
            Self::KeyTag(KeyTags(tags)) => wire.extend_from_slice(tags),
            Self::ExtendedError { code, text } => {
                wire.extend_from_slice(&code.0.to_be_bytes());
                wire.extend_from_slice(text);
            }
            Self::ClientTag(tag) | Self::ServerTag(tag) => {
                wire.extend_from_slice(&tag.to_be_bytes());
            }
            Self::ZoneVersion(Some(zone)) => {
                wire.extend_from_slice(&[zone.labels, zone.kind]);
                wire.extend_from_slice(zone.version);
            }
        }
    }
}

impl<'a> EdnsOption<'a> {
    /// Reads the data as the code says; see [`Opt::read`].
    ///
    /// # Errors
    ///
    /// [`Fault::OptionData`].
    pub fn read(self) -> Result<Opt<'a>, DecodeError> {
        Opt::read(self)
    }
}

impl ClientSubnet {
    /// The network of an address with this many bits, for a query; bits beyond are cleared.
    ///
    /// # Errors
    ///
    /// [`BuildError::Rdata`] when an address has not so many bits.
    pub fn new(address: IpAddr, source: u8) -> Result<Self, BuildError> {
        if source > bits(address) {
            return Err(BuildError::Rdata);
        }
        Ok(Self {
            address: Some(masked(address, source)),
            source,
            scope: 0,
        })
    }

    /// The same network in an answer, which is good for all addresses that share `scope` bits.
    ///
    /// # Errors
    ///
    /// [`BuildError::Rdata`] when an address has not so many bits.
    pub fn with_scope(self, scope: u8) -> Result<Self, BuildError> {
        if scope > self.address.map_or(0, bits) {
            return Err(BuildError::Rdata);
        }
        Ok(Self { scope, ..self })
    }

    /// Its address; none when the sender told nothing, with the family zero.
    #[must_use]
    pub const fn address(&self) -> Option<IpAddr> {
        self.address
    }

    /// How many bits of the address the sender told.
    #[must_use]
    pub const fn source(&self) -> u8 {
        self.source
    }

    /// How many bits the answer depends on; zero in queries.
    #[must_use]
    pub const fn scope(&self) -> u8 {
        self.scope
    }

    fn read(data: &[u8]) -> Option<Self> {
        let (&[f, m, source, scope], address) = data.split_first_chunk()?;
        // RFC 7871 section 6: no octets beyond those that the prefix needs.
        if address.len() != usize::from(source.div_ceil(8)) {
            return None;
        }
        let address = match u16::from_be_bytes([f, m]) {
            // As dig asks for no subnet at all.
            0 if source == 0 && scope == 0 => None,
            1 => {
                let mut octets = [0; 4];
                octets.get_mut(..address.len())?.copy_from_slice(address);
                Some(IpAddr::V4(Ipv4Addr::from(octets)))
            }
            2 => {
                let mut octets = [0; 16];
                octets.get_mut(..address.len())?.copy_from_slice(address);
                Some(IpAddr::V6(Ipv6Addr::from(octets)))
            }
            _ => return None,
        };
        let fits = address.is_none_or(|address| {
            let most = bits(address);
            // RFC 7871 section 6: bits beyond the prefix are zero.
            source <= most && scope <= most && masked(address, source) == address
        });
        fits.then_some(Self {
            address,
            source,
            scope,
        })
    }

    fn put(&self, wire: &mut Vec<u8>) {
        let len = usize::from(self.source.div_ceil(8));
        let (family, octets) = match self.address {
            None => (0, [0; 16]),
            Some(IpAddr::V4(address)) => {
                let [a, b, c, d] = address.octets();
                (1, [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
            }
            Some(IpAddr::V6(address)) => (2, address.octets()),
        };
        wire.extend_from_slice(&[0, family, self.source, self.scope]);
        wire.extend_from_slice(octets.get(..len).unwrap_or_default());
    }
}

impl<'a> KeyTags<'a> {
    /// Takes tags in wire form; none when there is none, or half a one.
    #[must_use]
    pub const fn from_wire(wire: &'a [u8]) -> Option<Self> {
        if wire.is_empty() || !wire.len().is_multiple_of(2) {
            return None;
        }
        Some(Self(wire))
    }

    /// The tags.
    pub fn iter(&self) -> impl Iterator<Item = u16> + use<'a> {
        let (tags, _) = self.0.as_chunks();
        tags.iter().map(|tag| u16::from_be_bytes(*tag))
    }
}

impl<'a> ZoneVersion<'a> {
    /// A serial number of a SOA record.
    pub const SOA_SERIAL: u8 = 0;

    fn read(data: &'a [u8]) -> Option<Self> {
        let (&[labels, kind], version) = data.split_first_chunk()?;
        let zone = Self {
            labels,
            kind,
            version,
        };
        (kind != Self::SOA_SERIAL || version.len() == 4).then_some(zone)
    }

    /// The serial number, if it is one.
    #[must_use]
    pub fn serial(&self) -> Option<u32> {
        let serial = self.version.try_into().ok()?;
        (self.kind == Self::SOA_SERIAL).then_some(u32::from_be_bytes(serial))
    }
}

const fn bits(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

/// The first bits of an address, the others zero.
fn masked(address: IpAddr, prefix: u8) -> IpAddr {
    let gone = u32::from(bits(address).saturating_sub(prefix));
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(gone).unwrap_or(0);
            IpAddr::V4(Ipv4Addr::from_bits(address.to_bits() & mask))
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(gone).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & mask))
        }
    }
}

impl fmt::Display for Opt<'_> {
    /// The mnemonic, a colon, and the data in the way of dig.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.code())?;
        match *self {
            Self::Nsid([])
            | Self::Expire(None)
            | Self::TcpKeepalive(None)
            | Self::ZoneVersion(None) => Ok(()),
            Self::Nsid(data) => {
                f.write_str(" ")?;
                hex(data, f)?;
                write!(f, " (\"{}\")", data.escape_ascii())
            }
            Self::Dau(list) | Self::Dhu(list) | Self::N3u(list) => {
                list.iter().try_for_each(|number| write!(f, " {number}"))
            }
            Self::ClientSubnet(subnet) => write!(f, " {subnet}"),
            Self::Expire(Some(seconds)) => write!(f, " {seconds}"),
            Self::Cookie { client, server } => {
                f.write_str(" ")?;
                hex(&client, f)?;
                hex(server, f)
            }
            Self::TcpKeepalive(Some(tenths)) => {
                let (seconds, tenth) = (tenths.div_euclid(10), tenths.rem_euclid(10));
                write!(f, " {seconds}.{tenth} secs")
            }
            Self::Padding(data) => write!(f, " ({} bytes)", data.len()),
            Self::Chain(name) | Self::ReportChannel(name) => write!(f, " {name}"),
            Self::KeyTag(tags) => tags.iter().try_for_each(|tag| write!(f, " {tag}")),
            Self::ExtendedError { code, text } => {
                write!(f, " {}", code.0)?;
                if let Some(meaning) = code.mnemonic() {
                    write!(f, " ({meaning})")?;
                }
                if text.is_empty() {
                    return Ok(());
                }
                f.write_str(": (")?;
                quoted(text, f)?;
                f.write_str(")")
            }
            Self::ClientTag(tag) | Self::ServerTag(tag) => write!(f, " {tag}"),
            Self::ZoneVersion(Some(zone)) => match zone.serial() {
                Some(serial) => write!(f, " SOA-SERIAL {serial} ({} labels)", zone.labels),
                None => {
                    write!(f, " {} ", zone.kind)?;
                    hex(zone.version, f)?;
                    write!(f, " ({} labels)", zone.labels)
                }
            },
            Self::Unknown(EdnsOption { data: [], .. }) => Ok(()),
            Self::Unknown(option) => {
                f.write_str(" ")?;
                hex(option.data, f)
            }
        }
    }
}

impl fmt::Display for ClientSubnet {
    /// Address, source and scope, as dig writes them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address {
            Some(address) => write!(f, "{address}/{}/{}", self.source, self.scope),
            None => f.write_str("0/0/0"),
        }
    }
}

fn hex(octets: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    octets.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
}

/// Text of the peer's, for a terminal: what is no printable character is escaped.
fn quoted(text: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for chunk in text.utf8_chunks() {
        for character in chunk.valid().chars() {
            if character.is_control() {
                write!(f, "{}", character.escape_default())?;
            } else {
                write!(f, "{character}")?;
            }
        }
        write!(f, "{}", chunk.invalid().escape_ascii())?;
    }
    Ok(())
}
