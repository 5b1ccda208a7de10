//! The handshake of the extension protocol (BEP 10).

use crate::bencode::{self, Doc, Kind, Limits, Mode, WriteError, Writer};
use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;

/// Most extensions of one peer that are kept.
const MAX_EXTENSIONS: usize = 64;
/// Longest name of an extension.
const MAX_NAME: usize = 64;
/// Longest name of a client.
const MAX_CLIENT: usize = 256;

/// An extended message that is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExtendedError {
    /// No bencoded document.
    #[error("bencode: {0}")]
    Bencode(#[from] bencode::DecodeError),
    /// The document is no dictionary.
    #[error("an extended handshake is a dictionary")]
    NotADictionary,
}

/// What a peer tells of itself and of the extensions it knows. Every part may be missing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExtendedHandshake {
    /// Names of extensions and the numbers that the sender wants for them; 0 switches one off. At
    /// most 64 are kept.
    pub extensions: Vec<(String, u8)>,
    /// The name of the client (`v`), at most 256 octets of it.
    pub client: Option<String>,
    /// The port on which the sender takes connections (`p`).
    pub port: Option<u16>,
    /// The receiver's address as the sender sees it (`yourip`).
    pub your_ip: Option<IpAddr>,
    /// How many requests the sender keeps (`reqq`).
    pub max_requests: Option<u32>,
    /// Octets of the info dictionary (`metadata_size`, BEP 9).
    pub metadata_len: Option<u32>,
    /// Whether the sender wants nothing (`upload_only`, BEP 21).
    pub is_upload_only: bool,
}

impl ExtendedHandshake {
    /// The number that the sender wants for an extension; `None` when it does not know it.
    #[must_use]
    pub fn id_of(&self, name: &str) -> Option<u8> {
        let found = self.extensions.iter().find(|(known, _)| known == name);
        found.map(|(_, id)| *id).filter(|id| *id != 0)
    }

    /// Reads one. What has the wrong type or range is passed over.
    ///
    /// # Errors
    ///
    /// [`ExtendedError`].
    pub fn parse(payload: &[u8]) -> Result<Self, ExtendedError> {
        let doc = Doc::parse(payload, Mode::Lenient, &Limits::small(2000))?;
        let root = doc.root();
        if root.kind() != Kind::Dict {
            return Err(ExtendedError::NotADictionary);
        }
        let number = |key: &[u8]| {
            root.get_int(key)
                .and_then(|value| u32::try_from(value).ok())
        };
        let mut extensions = Vec::new();
        for (name, id) in root.get(b"m").into_iter().flat_map(|m| m.entries()) {
            if let (Ok(name), Some(id)) = (core::str::from_utf8(name), id.as_int())
                && let Ok(id) = u8::try_from(id)
                && name.len() <= MAX_NAME
                && extensions.len() < MAX_EXTENSIONS
            {
                extensions.push((String::from(name), id));
            }
        }
        let client = root.get_bytes(b"v").map(|client| {
            let client = client.get(..MAX_CLIENT).unwrap_or(client);
            String::from_utf8_lossy(client).into_owned()
        });
        let your_ip = root.get_bytes(b"yourip").and_then(|ip| {
            let v4 = <[u8; 4]>::try_from(ip).map(IpAddr::from);
            v4.or_else(|_| <[u8; 16]>::try_from(ip).map(IpAddr::from))
                .ok()
        });
        Ok(Self {
            extensions,
            client,
            port: number(b"p")
                .and_then(|port| u16::try_from(port).ok())
                .filter(|port| *port != 0),
            your_ip,
            max_requests: number(b"reqq"),
            metadata_len: number(b"metadata_size").filter(|len| *len > 0),
            is_upload_only: root.get_int(b"upload_only") == Some(1),
        })
    }

    /// The payload of an extended message 0.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        // Keys are written in their order: the writer has nothing to refuse.
        let written = self.write(&mut out);
        debug_assert_eq!(written, Ok(()));
        out
    }

    fn write(&self, out: &mut Vec<u8>) -> Result<(), WriteError> {
        let mut extensions: Vec<&(String, u8)> = self.extensions.iter().collect();
        extensions.sort_unstable();
        extensions.dedup_by(|(one, _), (two, _)| one == two);
        let mut writer = Writer::new(out);
        let number = |writer: &mut Writer<'_>, key: &[u8], value: Option<u32>| match value {
            Some(value) => writer.key(key).and_then(|()| writer.int(i64::from(value))),
            None => Ok(()),
        };
        writer.begin_dict()?;
        writer.key(b"m")?;
        writer.begin_dict()?;
        for (name, id) in extensions {
            writer.key(name.as_bytes())?;
            writer.int(i64::from(*id))?;
        }
        writer.end()?;
        number(&mut writer, b"metadata_size", self.metadata_len)?;
        number(&mut writer, b"p", self.port.map(u32::from))?;
        number(&mut writer, b"reqq", self.max_requests)?;
        number(
            &mut writer,
            b"upload_only",
            self.is_upload_only.then_some(1),
        )?;
        if let Some(client) = &self.client {
            writer.key(b"v")?;
            writer.bytes(client.as_bytes())?;
        }
        match self.your_ip {
            Some(IpAddr::V4(ip)) => {
                writer.key(b"yourip")?;
                writer.bytes(&ip.octets())?;
            }
            Some(IpAddr::V6(ip)) => {
                writer.key(b"yourip")?;
                writer.bytes(&ip.octets())?;
            }
            None => {}
        }
        writer.end()
    }
}
