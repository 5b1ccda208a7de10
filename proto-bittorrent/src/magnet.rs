//! Magnet links (BEP 9, BEP 53).

use crate::hash::{Sha1Hash, Sha256Hash};
use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{self, Write};
use core::net::SocketAddr;
use core::ops::RangeInclusive;
use core::str::FromStr;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode, utf8_percent_encode};

/// Most trackers, web seeds, peers and nodes that are kept, of each kind.
const MAX_ITEMS: usize = 256;
/// Most ranges of file numbers.
const MAX_RANGES: usize = 1024;
/// Longest link that is read.
const MAX_LEN: usize = 64 * 1024;

/// Why a link is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MagnetError {
    /// It does not begin with `magnet:?`, or is longer than 64 KiB.
    #[error("no magnet link")]
    NotAMagnet,
    /// A percent sign without two hexadecimal digits, at this octet.
    #[error("octet {0}: a malformed escape")]
    Escape(usize),
    /// An info-hash that is none, in the parameter that begins at this octet.
    #[error("octet {0}: a malformed info-hash")]
    InfoHash(usize),
    /// Neither a v1 nor a v2 info-hash.
    #[error("no info-hash")]
    MissingInfoHash,
}

/// A magnet link: which torrent, and where to find peers that have it.
///
/// ```
/// use proto_bittorrent::magnet::Magnet;
///
/// let magnet: Magnet = "magnet:?xt=urn:btih:a38d02c287893842a32825aa866e00828a318f07&dn=Ubuntu&so=0,3-5".parse()?;
/// assert_eq!(magnet.name.as_deref(), Some("Ubuntu"));
/// assert!(magnet.selects(4) && !magnet.selects(2));
/// assert_eq!(magnet.to_string().parse(), Ok(magnet));
/// # Ok::<(), proto_bittorrent::magnet::MagnetError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Magnet {
    /// The v1 info-hash (`xt=urn:btih:`, hexadecimal or base 32).
    pub v1: Option<Sha1Hash>,
    /// The v2 info-hash (`xt=urn:btmh:1220`).
    pub v2: Option<Sha256Hash>,
    /// What to show until the torrent is known (`dn`).
    pub name: Option<String>,
    /// Trackers (`tr`, `tr.1` ...) in their order; each is a tier of its own.
    pub trackers: Vec<String>,
    /// Web seeds (`ws`).
    pub url_seeds: Vec<String>,
    /// Peers (`x.pe`) that are addresses.
    pub peers: Vec<SocketAddr>,
    /// Nodes of the DHT (`dht`): host and port.
    pub nodes: Vec<(String, u16)>,
    /// The files to fetch (`so`, BEP 53), by their number; empty for all.
    pub selected: Vec<RangeInclusive<u32>>,
}

impl Magnet {
    /// Whether file number `index` is to be fetched.
    #[must_use]
    pub fn selects(&self, index: u32) -> bool {
        self.selected.is_empty() || self.selected.iter().any(|range| range.contains(&index))
    }

    /// The hash by which swarms of this torrent are found: the v1 one, or the v2 one cut short.
    #[must_use]
    pub fn swarm_hash(&self) -> Option<Sha1Hash> {
        self.v1.or_else(|| self.v2.map(|hash| hash.truncated()))
    }

    /// Reads a link.
    ///
    /// What is not known is passed over, as are addresses that are none.
    ///
    /// # Errors
    ///
    /// [`MagnetError`].
    pub fn parse(link: &[u8]) -> Result<Self, MagnetError> {
        if link.len() > MAX_LEN {
            return Err(MagnetError::NotAMagnet);
        }
        let (front, query) = link.split_at_checked(8).ok_or(MagnetError::NotAMagnet)?;
        if !front.eq_ignore_ascii_case(b"magnet:?") {
            return Err(MagnetError::NotAMagnet);
        }
        let mut magnet = Self::default();
        let mut at = 8_usize;
        for parameter in query.split(|octet| *octet == b'&') {
            magnet.parameter(parameter, at)?;
            at = at.saturating_add(parameter.len()).saturating_add(1);
        }
        if magnet.v1.is_none() && magnet.v2.is_none() {
            return Err(MagnetError::MissingInfoHash);
        }
        Ok(magnet)
    }

    fn parameter(&mut self, parameter: &[u8], at: usize) -> Result<(), MagnetError> {
        let mut parts = parameter.splitn(2, |octet| *octet == b'=');
        let key = parts.next().unwrap_or_default().to_ascii_lowercase();
        let Some(value) = parts.next() else {
            return Ok(());
        };
        let begin = at.saturating_add(key.len()).saturating_add(1);
        // `tr.1`: the number only keeps the keys of a link apart.
        let dot = key
            .iter()
            .rposition(|octet| *octet == b'.')
            .unwrap_or(key.len());
        let key = match key.split_at_checked(dot) {
            Some((name, [b'.', number @ ..]))
                if !number.is_empty() && number.iter().all(u8::is_ascii_digit) =>
            {
                name
            }
            _ => &key[..],
        };
        match key {
            b"xt" => {
                let value = unescape(value, begin)?;
                self.topic(&value, begin)?;
            }
            b"dn" => self.name = Some(text(value, begin)?),
            b"tr" => push(&mut self.trackers, text(value, begin)?),
            b"ws" => push(&mut self.url_seeds, text(value, begin)?),
            b"x.pe" => {
                if let Ok(peer) = text(value, begin)?.parse::<SocketAddr>()
                    && peer.port() != 0
                    && self.peers.len() < MAX_ITEMS
                {
                    self.peers.push(peer);
                }
            }
            b"dht" => {
                let text = text(value, begin)?;
                let node = text.rsplit_once(':').and_then(|(host, port)| {
                    let host = host.trim_start_matches('[').trim_end_matches(']');
                    Some((String::from(host), port.parse().ok()?))
                });
                if let Some((host, port)) = node
                    && port != 0
                    && !host.is_empty()
                    && self.nodes.len() < MAX_ITEMS
                {
                    self.nodes.push((host, port));
                }
            }
            b"so" => self.select(&text(value, begin)?),
            _ => {}
        }
        Ok(())
    }

    fn topic(&mut self, value: &[u8], at: usize) -> Result<(), MagnetError> {
        let wrong = MagnetError::InfoHash(at);
        if let Some(hash) = strip_prefix(value, b"urn:btih:") {
            let hash = match hash.len() {
                40 => core::str::from_utf8(hash)
                    .ok()
                    .and_then(|hex| hex.parse().ok()),
                32 => data_encoding::BASE32
                    .decode(&hash.to_ascii_uppercase())
                    .ok()
                    .and_then(|octets| Sha1Hash::from_slice(&octets)),
                _ => None,
            };
            self.v1 = Some(hash.ok_or(wrong)?);
        } else if let Some(hash) = strip_prefix(value, b"urn:btmh:") {
            // A multihash: the code of SHA-256, then its length.
            let hash = hash
                .strip_prefix(b"1220")
                .and_then(|hex| core::str::from_utf8(hex).ok()?.parse().ok());
            self.v2 = Some(hash.ok_or(wrong)?);
        }
        Ok(())
    }

    /// BEP 53: numbers and ranges; what is none is passed over.
    fn select(&mut self, text: &str) {
        for part in text.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let is_number =
                |text: &str| !text.is_empty() && text.bytes().all(|o| o.is_ascii_digit());
            if !is_number(first) || !is_number(last) {
                continue;
            }
            if let (Ok(first), Ok(last)) = (first.parse(), last.parse())
                && first <= last
                && self.selected.len() < MAX_RANGES
            {
                self.selected.push(first..=last);
            }
        }
    }
}

impl FromStr for Magnet {
    type Err = MagnetError;

    fn from_str(link: &str) -> Result<Self, MagnetError> {
        Self::parse(link.as_bytes())
    }
}

/// What may stand in a value as it is.
const VALUE: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

impl fmt::Display for Magnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("magnet:")?;
        let mut separator = '?';
        let mut part = |f: &mut fmt::Formatter<'_>, key: &str| {
            f.write_char(core::mem::replace(&mut separator, '&'))?;
            f.write_str(key)
        };
        if let Some(hash) = self.v1 {
            part(f, "xt=urn:btih:")?;
            write!(f, "{hash}")?;
        }
        if let Some(hash) = self.v2 {
            part(f, "xt=urn:btmh:1220")?;
            write!(f, "{hash}")?;
        }
        if let Some(name) = &self.name {
            part(f, "dn=")?;
            write!(f, "{}", utf8_percent_encode(name, VALUE))?;
        }
        for tracker in &self.trackers {
            part(f, "tr=")?;
            write!(f, "{}", utf8_percent_encode(tracker, VALUE))?;
        }
        for url in &self.url_seeds {
            part(f, "ws=")?;
            write!(f, "{}", utf8_percent_encode(url, VALUE))?;
        }
        for peer in &self.peers {
            part(f, "x.pe=")?;
            write!(f, "{peer}")?;
        }
        for (host, port) in &self.nodes {
            part(f, "dht=")?;
            let is_v6 = host.contains(':');
            let (before, after) = if is_v6 { ("[", "]") } else { ("", "") };
            let host = utf8_percent_encode(host, HOST);
            write!(f, "{before}{host}{after}:{port}")?;
        }
        let mut is_first = true;
        for range in &self.selected {
            if core::mem::take(&mut is_first) {
                part(f, "so=")?;
            } else {
                f.write_char(',')?;
            }
            write!(f, "{}", range.start())?;
            if range.end() != range.start() {
                write!(f, "-{}", range.end())?;
            }
        }
        Ok(())
    }
}

const HOST: &AsciiSet = &VALUE.remove(b':');

fn push(list: &mut Vec<String>, item: String) {
    if list.len() < MAX_ITEMS && !item.is_empty() && !list.contains(&item) {
        list.push(item);
    }
}

fn strip_prefix<'a>(value: &'a [u8], prefix: &[u8]) -> Option<&'a [u8]> {
    let (front, rest) = value.split_at_checked(prefix.len())?;
    front.eq_ignore_ascii_case(prefix).then_some(rest)
}

/// Undoes escapes; `+` is a blank, as in forms.
fn unescape(value: &[u8], at: usize) -> Result<Vec<u8>, MagnetError> {
    let mut spaced = Cow::Borrowed(value);
    if value.contains(&b'+') {
        for octet in spaced.to_mut() {
            if *octet == b'+' {
                *octet = b' ';
            }
        }
    }
    for (offset, _) in spaced
        .iter()
        .enumerate()
        .filter(|(_, octet)| **octet == b'%')
    {
        let digits = spaced.get(offset.saturating_add(1)..offset.saturating_add(3));
        if !digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)) {
            return Err(MagnetError::Escape(at.saturating_add(offset)));
        }
    }
    Ok(percent_decode(&spaced).collect())
}

fn text(value: &[u8], at: usize) -> Result<String, MagnetError> {
    let octets = unescape(value, at)?;
    Ok(String::from_utf8_lossy(&octets).into_owned())
}
