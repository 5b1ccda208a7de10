//! The bencoded bodies of responses.

use crate::bencode::{self, Doc, Kind, Limits, Mode, Value, WriteError, Writer};
use crate::hash::Sha1Hash;
use crate::tracker::udp::shown;
use crate::tracker::{Announced, ScrapeCounts};
use crate::wire::compact;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

/// A body that is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReplyError {
    /// No bencoded document.
    #[error("bencode: {0}")]
    Bencode(#[from] bencode::DecodeError),
    /// The document is no dictionary.
    #[error("a response is a dictionary")]
    NotADictionary,
}

/// The body of a response to an announce.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reply {
    /// Peers.
    Announced(Announced),
    /// It does not work.
    Failure {
        /// Why; characters that control a terminal are replaced.
        reason: String,
        /// When to try again (BEP 31); `Some(Duration::MAX)` for never.
        retry: Option<Duration>,
    },
}

impl Reply {
    /// Reads one. At most `max_peers` peers are kept, of those that can be reached at all; an
    /// interval that is missing or negative counts as zero.
    ///
    /// # Errors
    ///
    /// [`ReplyError`].
    pub fn parse(body: &[u8], max_peers: usize) -> Result<Self, ReplyError> {
        let doc = document(body)?;
        let root = doc.root();
        if let Some(reason) = root.get_bytes(b"failure reason") {
            let reason = shown(reason);
            let retry = root
                .get(b"retry in")
                .and_then(|retry| match retry.as_bytes() {
                    Some(b"never") => Some(Duration::MAX),
                    Some(text) => core::str::from_utf8(text).ok()?.parse().ok().map(minutes),
                    None => u64::try_from(retry.as_int()?).ok().map(minutes),
                });
            return Ok(Self::Failure { reason, retry });
        }
        let seconds = |key: &[u8]| {
            let seconds = root
                .get_int(key)
                .and_then(|value| u64::try_from(value).ok());
            seconds.map(Duration::from_secs)
        };
        let number = |key: &[u8]| {
            root.get_int(key)
                .and_then(|value| u32::try_from(value).ok())
        };
        Ok(Self::Announced(Announced {
            interval: seconds(b"interval").unwrap_or_default(),
            min_interval: seconds(b"min interval"),
            seeders: number(b"complete"),
            leechers: number(b"incomplete"),
            completed: number(b"downloaded"),
            peers: peers(root, max_peers),
            external_ip: root.get_bytes(b"external ip").and_then(|ip| {
                let v4 = <[u8; 4]>::try_from(ip).map(IpAddr::from);
                v4.or_else(|_| <[u8; 16]>::try_from(ip).map(IpAddr::from))
                    .ok()
            }),
            warning: root.get_bytes(b"warning message").map(shown),
            tracker_id: root
                .get_bytes(b"tracker id")
                .filter(|id| id.len() <= 256)
                .map(<[u8]>::to_vec),
        }))
    }

    /// The body of a response. Peers with IPv6 addresses stand apart (BEP 7).
    #[must_use]
    pub fn encode(&self, is_compact: bool) -> Vec<u8> {
        let mut out = Vec::new();
        // Keys are written in their order: the writer has nothing to refuse.
        let written = self.write(&mut out, is_compact);
        debug_assert_eq!(written, Ok(()));
        out
    }

    fn write(&self, out: &mut Vec<u8>, is_compact: bool) -> Result<(), WriteError> {
        let mut writer = Writer::new(out);
        writer.begin_dict()?;
        match self {
            Self::Failure { reason, retry } => {
                writer.key(b"failure reason")?;
                writer.bytes(reason.as_bytes())?;
                if let Some(retry) = retry {
                    writer.key(b"retry in")?;
                    if *retry == Duration::MAX {
                        writer.bytes(b"never")?;
                    } else {
                        writer.int(signed(retry.as_secs() / 60))?;
                    }
                }
            }
            Self::Announced(answer) => write_answer(&mut writer, answer, is_compact)?,
        }
        writer.end()
    }
}

fn write_answer(
    writer: &mut Writer<'_>,
    answer: &Announced,
    is_compact: bool,
) -> Result<(), WriteError> {
    let number = |writer: &mut Writer<'_>, key: &[u8], value: Option<u64>| match value {
        Some(value) => writer.key(key).and_then(|()| writer.int(signed(value))),
        None => Ok(()),
    };
    number(writer, b"complete", answer.seeders.map(u64::from))?;
    number(writer, b"downloaded", answer.completed.map(u64::from))?;
    if let Some(ip) = answer.external_ip {
        writer.key(b"external ip")?;
        match ip {
            IpAddr::V4(ip) => writer.bytes(&ip.octets())?,
            IpAddr::V6(ip) => writer.bytes(&ip.octets())?,
        }
    }
    number(writer, b"incomplete", answer.leechers.map(u64::from))?;
    number(writer, b"interval", Some(answer.interval.as_secs()))?;
    let min_interval = answer.min_interval.map(|interval| interval.as_secs());
    number(writer, b"min interval", min_interval)?;
    writer.key(b"peers")?;
    if is_compact {
        let mut v4 = Vec::with_capacity(answer.peers.len().saturating_mul(compact::V4_LEN));
        let mut v6 = Vec::new();
        for peer in &answer.peers {
            compact::push(if peer.is_ipv4() { &mut v4 } else { &mut v6 }, *peer);
        }
        writer.bytes(&v4)?;
        if !v6.is_empty() {
            writer.key(b"peers6")?;
            writer.bytes(&v6)?;
        }
    } else {
        writer.begin_list()?;
        for peer in &answer.peers {
            writer.begin_dict()?;
            writer.key(b"ip")?;
            writer.bytes(alloc::format!("{}", peer.ip()).as_bytes())?;
            writer.key(b"port")?;
            writer.int(i64::from(peer.port()))?;
            writer.end()?;
        }
        writer.end()?;
    }
    if let Some(id) = &answer.tracker_id {
        writer.key(b"tracker id")?;
        writer.bytes(id)?;
    }
    if let Some(warning) = &answer.warning {
        writer.key(b"warning message")?;
        writer.bytes(warning.as_bytes())?;
    }
    Ok(())
}

/// The body of a response to a scrape (BEP 48).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ScrapeReply {
    /// Counts of those torrents that the tracker knows.
    Counts(Vec<(Sha1Hash, ScrapeCounts)>),
    /// It does not work.
    Failure {
        /// Why; characters that control a terminal are replaced.
        reason: String,
    },
}

impl ScrapeReply {
    /// Reads one. At most `most` torrents are kept.
    ///
    /// # Errors
    ///
    /// [`ReplyError`].
    pub fn parse(body: &[u8], most: usize) -> Result<Self, ReplyError> {
        let doc = document(body)?;
        let root = doc.root();
        if let Some(reason) = root.get_bytes(b"failure reason") {
            let reason = shown(reason);
            return Ok(Self::Failure { reason });
        }
        let files = root.get_kind(b"files", Kind::Dict);
        let counts = files.into_iter().flat_map(|files| files.entries());
        let counts = counts.take(most).filter_map(|(hash, counts)| {
            let number = |key: &[u8]| counts.get_int(key).and_then(|n| u32::try_from(n).ok());
            Some((
                Sha1Hash::from_slice(hash)?,
                ScrapeCounts {
                    seeders: number(b"complete").unwrap_or(0),
                    completed: number(b"downloaded").unwrap_or(0),
                    leechers: number(b"incomplete").unwrap_or(0),
                },
            ))
        });
        Ok(Self::Counts(counts.collect()))
    }

    /// The body of a response.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        // Keys are written in their order: the writer has nothing to refuse.
        let written = self.write(&mut out);
        debug_assert_eq!(written, Ok(()));
        out
    }

    fn write(&self, out: &mut Vec<u8>) -> Result<(), WriteError> {
        let mut writer = Writer::new(out);
        writer.begin_dict()?;
        match self {
            Self::Failure { reason } => {
                writer.key(b"failure reason")?;
                writer.bytes(reason.as_bytes())?;
            }
            Self::Counts(counts) => {
                let mut counts = counts.clone();
                counts.sort_unstable_by_key(|(hash, _)| *hash);
                counts.dedup_by_key(|(hash, _)| *hash);
                writer.key(b"files")?;
                writer.begin_dict()?;
                for (hash, counts) in &counts {
                    writer.key(&hash.0)?;
                    writer.begin_dict()?;
                    writer.key(b"complete")?;
                    writer.int(i64::from(counts.seeders))?;
                    writer.key(b"downloaded")?;
                    writer.int(i64::from(counts.completed))?;
                    writer.key(b"incomplete")?;
                    writer.int(i64::from(counts.leechers))?;
                    writer.end()?;
                }
                writer.end()?;
            }
        }
        writer.end()
    }
}

fn document(body: &[u8]) -> Result<Doc<'_>, ReplyError> {
    let doc = Doc::parse(body, Mode::Lenient, &Limits::small(100_000))?;
    if doc.root().kind() != Kind::Dict {
        return Err(ReplyError::NotADictionary);
    }
    Ok(doc)
}

/// Compact lists, lists of dictionaries, and IPv6 beside them.
fn peers(root: Value<'_>, most: usize) -> Vec<SocketAddr> {
    let mut found = Vec::new();
    if let Some(list) = root.get(b"peers") {
        let compact = list.as_bytes().unwrap_or_default();
        found.extend(compact::v4(compact).map(SocketAddr::V4).take(most));
        let listed = list.items().filter_map(|peer| {
            let ip = peer.get(b"ip")?.as_str()?.parse().ok()?;
            let port = u16::try_from(peer.get_int(b"port")?).ok()?;
            Some(SocketAddr::new(ip, port))
        });
        found.extend(listed.take(most));
    }
    let v6 = root.get_bytes(b"peers6").unwrap_or_default();
    let room = most.saturating_sub(found.len());
    found.extend(compact::v6(v6).map(SocketAddr::V6).take(room));
    found.retain(|peer| compact::is_reachable(*peer));
    found
}

fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(minutes.saturating_mul(60))
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
