//! What stands behind the question mark of a request.

use crate::hash::{PeerId, Sha1Hash};
use crate::tracker::{Announce, AnnounceEvent};
use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write;
use core::net::IpAddr;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode, percent_encode};

/// What may stand in a value as it is (RFC 3986 section 2.3).
const VALUE: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// Why a request is no announce or scrape. Its text is fit to be sent as the failure reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QueryError {
    /// A parameter is missing.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A parameter that is not what it has to be.
    #[error("{0} is malformed")]
    Malformed(&'static str),
}

/// An announce as it came over HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AnnounceQuery {
    /// What the peer says.
    pub announce: Announce,
    /// Whether peers are wanted in 6 octets each (BEP 23). So they are unless the peer says no.
    pub is_compact: bool,
    /// Whether ids of peers may be left out of a list that is not compact.
    pub no_peer_id: bool,
    /// What the tracker gave it last time.
    pub tracker_id: Option<Vec<u8>>,
}

impl AnnounceQuery {
    /// Reads the query of a request. The first of several parameters of a name counts.
    ///
    /// # Errors
    ///
    /// [`QueryError`].
    pub fn parse(query: &[u8]) -> Result<Self, QueryError> {
        let parameter = |name: &str| find(query, name);
        let octets = |name: &'static str| {
            let value = parameter(name).ok_or(QueryError::Missing(name))?;
            <[u8; 20]>::try_from(&value[..]).map_err(|_| QueryError::Malformed(name))
        };
        let number = |name: &'static str| match parameter(name) {
            Some(value) => decimal(&value).map(Some).ok_or(QueryError::Malformed(name)),
            None => Ok(None),
        };
        let port = number("port")?.ok_or(QueryError::Missing("port"))?;
        let port = u16::try_from(port)
            .ok()
            .filter(|port| *port != 0)
            .ok_or(QueryError::Malformed("port"))?;
        // Clients write "-1" for any number.
        let want = parameter("numwant").and_then(|value| decimal(&value));
        let key = parameter("key").map_or(0, |key| {
            let hex = core::str::from_utf8(&key).unwrap_or_default();
            u32::from_str_radix(hex, 16).unwrap_or(0)
        });
        let ip = parameter("ip").and_then(|ip| core::str::from_utf8(&ip).ok()?.parse().ok());
        Ok(Self {
            announce: Announce {
                info_hash: Sha1Hash(octets("info_hash")?),
                peer_id: PeerId(octets("peer_id")?),
                port,
                uploaded: number("uploaded")?.unwrap_or(0),
                downloaded: number("downloaded")?.unwrap_or(0),
                // A peer that does not say still wants something.
                left: number("left")?.unwrap_or(u64::MAX >> 1),
                event: parameter("event")
                    .map_or(AnnounceEvent::None, |word| AnnounceEvent::from_word(&word)),
                want: want.map(|want| u32::try_from(want).unwrap_or(u32::MAX)),
                key,
                ip,
            },
            is_compact: parameter("compact").as_deref() != Some(b"0"),
            no_peer_id: parameter("no_peer_id").as_deref() == Some(b"1"),
            tracker_id: parameter("trackerid").map(Cow::into_owned),
        })
    }
}

/// Appends an announce to a path that may have a query already.
pub(super) fn write_announce(path: &mut String, announce: &Announce, tracker_id: Option<&[u8]>) {
    path.push(if path.contains('?') { '&' } else { '?' });
    // A string takes all that is written.
    let _ = write!(
        path,
        "info_hash={}&peer_id={}&port={}&uploaded={}&downloaded={}&left={}&compact=1&key={:08X}",
        percent_encode(&announce.info_hash.0, VALUE),
        percent_encode(&announce.peer_id.0, VALUE),
        announce.port,
        announce.uploaded,
        announce.downloaded,
        announce.left,
        announce.key,
    );
    if let Some(want) = announce.want {
        let _ = write!(path, "&numwant={want}");
    }
    if let Some(word) = announce.event.word() {
        let _ = write!(path, "&event={word}");
    }
    match announce.ip {
        Some(IpAddr::V6(ip)) => {
            let ip = alloc::format!("{ip}");
            let _ = write!(path, "&ip={}", percent_encode(ip.as_bytes(), VALUE));
        }
        Some(IpAddr::V4(ip)) => {
            let _ = write!(path, "&ip={ip}");
        }
        None => {}
    }
    if let Some(id) = tracker_id {
        let _ = write!(path, "&trackerid={}", percent_encode(id, VALUE));
    }
}

/// Appends hashes to a path that may have a query already.
pub(super) fn write_scrape(path: &mut String, hashes: &[Sha1Hash]) {
    for hash in hashes {
        path.push(if path.contains('?') { '&' } else { '?' });
        let _ = write!(path, "info_hash={}", percent_encode(&hash.0, VALUE));
    }
}

/// A scrape as it came over HTTP (BEP 48).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ScrapeQuery {
    /// Of which torrents; none stands for all, which a tracker need not tell.
    pub hashes: Vec<Sha1Hash>,
}

impl ScrapeQuery {
    /// Reads the query of a request. At most `max_scrape` hashes are looked at.
    ///
    /// # Errors
    ///
    /// [`QueryError`].
    pub fn parse(query: &[u8], max_scrape: usize) -> Result<Self, QueryError> {
        let hashes = query
            .split(|octet| *octet == b'&')
            .filter_map(|part| part.strip_prefix(b"info_hash="))
            .take(max_scrape)
            .map(|value| {
                Sha1Hash::from_slice(&decode(value)).ok_or(QueryError::Malformed("info_hash"))
            });
        Ok(Self {
            hashes: hashes.collect::<Result<_, _>>()?,
        })
    }
}

fn find<'a>(query: &'a [u8], name: &str) -> Option<Cow<'a, [u8]>> {
    let mut parts = query.split(|octet| *octet == b'&');
    parts.find_map(|part| {
        let value = part.strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
        Some(decode(value))
    })
}

fn decode(value: &[u8]) -> Cow<'_, [u8]> {
    percent_decode(value).into()
}

fn decimal(value: &[u8]) -> Option<u64> {
    let text = core::str::from_utf8(value).ok()?;
    let is_number = !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit());
    is_number.then(|| text.parse().unwrap_or(u64::MAX))
}
