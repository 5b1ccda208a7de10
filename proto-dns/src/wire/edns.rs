//! EDNS(0): the OPT record (RFC 6891).

use super::code::OptionCode;
use crate::error::{BuildError, DecodeError, Fault};
use alloc::vec::Vec;

/// What an OPT record says, but for the upper bits of the response code, which belong to
/// [`Message::rcode`](super::Message::rcode) and [`Builder::set_rcode`](super::Builder::set_rcode).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edns<'a> {
    /// The largest datagram that the sender takes; less than 512 means 512 (RFC 6891 section 6.2.3).
    pub udp_payload: u16,
    /// The version; there is no other than zero.
    pub version: u8,
    /// DNSSEC records are welcome (RFC 3225).
    pub dnssec_ok: bool,
    /// The options.
    pub options: Options<'a>,
}

impl Edns<'_> {
    /// Version zero, without options.
    #[must_use]
    pub const fn new(udp_payload: u16) -> Self {
        Edns {
            udp_payload,
            version: 0,
            dnssec_ok: false,
            options: Options(&[]),
        }
    }

    /// Octets of the record.
    pub(super) const fn wire_len(&self) -> usize {
        self.options.0.len().saturating_add(11)
    }

    /// CLASS and TTL of the record.
    pub(super) fn fixed(&self, rcode_high: u8) -> (u16, u32) {
        let flags = if self.dnssec_ok { 0x80 } else { 0 };
        (
            self.udp_payload,
            u32::from_be_bytes([rcode_high, self.version, flags, 0]),
        )
    }
}

/// The options of an OPT record, in wire form that was checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options<'a>(&'a [u8]);

impl<'a> Options<'a> {
    /// Takes options in wire form.
    ///
    /// # Errors
    ///
    /// [`Fault::OptionOverrun`] when the last one is cut off.
    pub fn from_wire(wire: &'a [u8]) -> Result<Self, DecodeError> {
        check_options(0, wire)
    }

    /// Appends the wire form of one option to `wire`.
    ///
    /// # Errors
    ///
    /// [`BuildError::Rdata`] when it has more than 65 535 octets.
    pub fn encode(code: OptionCode, data: &[u8], wire: &mut Vec<u8>) -> Result<(), BuildError> {
        let len = u16::try_from(data.len()).map_err(|_| BuildError::Rdata)?;
        wire.extend_from_slice(&code.0.to_be_bytes());
        wire.extend_from_slice(&len.to_be_bytes());
        wire.extend_from_slice(data);
        Ok(())
    }

    /// The data of the first option of this code.
    #[must_use]
    pub fn find(mut self, code: OptionCode) -> Option<&'a [u8]> {
        self.find_map(|option| (option.code == code).then_some(option.data))
    }

    /// What is left, in wire form.
    #[must_use]
    pub const fn as_wire(&self) -> &'a [u8] {
        self.0
    }
}

/// One option. What the data means is for the embedder to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EdnsOption<'a> {
    /// What the data is.
    pub code: OptionCode,
    /// The data.
    pub data: &'a [u8],
}

impl<'a> Iterator for Options<'a> {
    type Item = EdnsOption<'a>;

    fn next(&mut self) -> Option<EdnsOption<'a>> {
        let (option, rest) = split(self.0)?;
        self.0 = rest;
        Some(option)
    }
}

fn split(wire: &[u8]) -> Option<(EdnsOption<'_>, &[u8])> {
    let (&[c, o, l, n], rest) = wire.split_first_chunk()?;
    let (data, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes([l, n])))?;
    let code = OptionCode(u16::from_be_bytes([c, o]));
    Some((EdnsOption { code, data }, rest))
}

/// Checks options that stand at `offset`.
pub(super) fn check_options(offset: usize, wire: &[u8]) -> Result<Options<'_>, DecodeError> {
    let mut rest = wire;
    while !rest.is_empty() {
        let at = offset.saturating_add(wire.len()).saturating_sub(rest.len());
        (_, rest) = split(rest).ok_or(DecodeError::new(at, Fault::OptionOverrun))?;
    }
    Ok(Options(wire))
}
