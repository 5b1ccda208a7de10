//! Datagrams of BEP 15.
//!
//! ```text
//! connect   -> connection 0x41727101980 | 0 | transaction
//!           <- 0 | transaction | connection
//! announce  -> connection | 1 | transaction | info-hash | peer id | downloaded | left | uploaded
//!              | event | ip | key | want | port | options
//!           <- 1 | transaction | interval | leechers | seeders | peers
//! scrape    -> connection | 2 | transaction | info-hash ...
//!           <- 2 | transaction | seeders, completed, leechers ...
//! error     <- 3 | transaction | text
//! ```

use crate::hash::{PeerId, Sha1Hash};
use crate::tracker::{Announce, AnnounceEvent, ScrapeCounts};
use crate::wire::compact;
use alloc::vec::Vec;
use bytes::{Buf, BufMut};
use core::net::{IpAddr, Ipv4Addr, SocketAddr};

/// What stands where a connection id is not known yet.
const PROTOCOL: u64 = 0x0417_2710_1980;

/// Octets that are no datagram of BEP 15.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// Fewer octets than there have to be.
    #[error("{found} octets where {expected} are needed")]
    TooShort {
        /// Octets that are needed.
        expected: usize,
        /// Octets that are there.
        found: usize,
    },
    /// A connect request with another number than BEP 15 has.
    #[error("not the number of the protocol")]
    Protocol,
    /// An action that there is not.
    #[error("unknown action {0}")]
    Action(u32),
}

/// The first exchange: what the tracker is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connect {
    /// Chosen by the asker.
    pub transaction: u32,
}

/// What a peer sends.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Request {
    /// Asks for a connection id.
    Connect(Connect),
    /// Announces a peer.
    Announce {
        /// The id that the tracker gave.
        connection: u64,
        /// Chosen by the asker.
        transaction: u32,
        /// What it says.
        announce: Announce,
        /// Path and query of the tracker's address (BEP 41).
        url_data: Vec<u8>,
    },
    /// Asks for counts.
    Scrape {
        /// The id that the tracker gave.
        connection: u64,
        /// Chosen by the asker.
        transaction: u32,
        /// Of which torrents.
        hashes: Vec<Sha1Hash>,
    },
}

impl Request {
    /// Reads one. At most `max_scrape` hashes are looked at.
    ///
    /// # Errors
    ///
    /// [`DecodeError`].
    pub fn parse(octets: &[u8], max_scrape: usize) -> Result<Self, DecodeError> {
        let mut src = octets;
        need(octets, 16)?;
        let connection = src.get_u64();
        let action = src.get_u32();
        let transaction = src.get_u32();
        match action {
            0 if connection != PROTOCOL => Err(DecodeError::Protocol),
            0 => Ok(Self::Connect(Connect { transaction })),
            1 => {
                need(octets, 98)?;
                let mut info_hash = Sha1Hash::default();
                src.copy_to_slice(&mut info_hash.0);
                let mut peer_id = PeerId::default();
                src.copy_to_slice(&mut peer_id.0);
                let downloaded = src.get_u64();
                let left = src.get_u64();
                let uploaded = src.get_u64();
                let event = AnnounceEvent::from_number(src.get_u32());
                let ip = src.get_u32();
                let key = src.get_u32();
                let want = u32::try_from(src.get_i32()).ok();
                let port = src.get_u16();
                let ip = (ip != 0).then(|| IpAddr::V4(Ipv4Addr::from(ip)));
                Ok(Self::Announce {
                    connection,
                    transaction,
                    announce: Announce {
                        info_hash,
                        peer_id,
                        port,
                        uploaded,
                        downloaded,
                        left,
                        event,
                        want,
                        key,
                        ip,
                    },
                    url_data: url_data(src),
                })
            }
            2 => {
                need(octets, 36)?;
                let hashes = src.chunks_exact(20).take(max_scrape);
                Ok(Self::Scrape {
                    connection,
                    transaction,
                    hashes: hashes.filter_map(Sha1Hash::from_slice).collect(),
                })
            }
            action => Err(DecodeError::Action(action)),
        }
    }

    /// Appends it to `dst`.
    pub fn encode(&self, dst: &mut Vec<u8>) {
        match self {
            Self::Connect(Connect { transaction }) => {
                dst.put_u64(PROTOCOL);
                dst.put_u32(0);
                dst.put_u32(*transaction);
            }
            Self::Announce {
                connection,
                transaction,
                announce,
                url_data,
            } => {
                dst.put_u64(*connection);
                dst.put_u32(1);
                dst.put_u32(*transaction);
                dst.put_slice(&announce.info_hash.0);
                dst.put_slice(&announce.peer_id.0);
                dst.put_u64(announce.downloaded);
                dst.put_u64(announce.left);
                dst.put_u64(announce.uploaded);
                dst.put_u32(announce.event.number());
                match announce.ip {
                    Some(IpAddr::V4(ip)) => dst.put_slice(&ip.octets()),
                    _ => dst.put_u32(0),
                }
                dst.put_u32(announce.key);
                let want = announce
                    .want
                    .map(|want| i32::try_from(want).unwrap_or(i32::MAX));
                dst.put_i32(want.unwrap_or(-1));
                dst.put_u16(announce.port);
                // BEP 41: pieces of at most 255 octets, in order.
                for piece in url_data.chunks(255) {
                    dst.put_u8(2);
                    dst.put_u8(u8::try_from(piece.len()).unwrap_or(u8::MAX));
                    dst.put_slice(piece);
                }
            }
            Self::Scrape {
                connection,
                transaction,
                hashes,
            } => {
                dst.put_u64(*connection);
                dst.put_u32(2);
                dst.put_u32(*transaction);
                hashes.iter().for_each(|hash| dst.put_slice(&hash.0));
            }
        }
    }
}

/// BEP 41: what the options say of the tracker's address. What cannot be read ends them.
fn url_data(mut options: &[u8]) -> Vec<u8> {
    let mut data = Vec::new();
    while let Some((kind, rest)) = options.split_first() {
        options = match kind {
            0 => break,
            1 => rest,
            2 => {
                let Some((len, rest)) = rest.split_first() else {
                    break;
                };
                let Some((piece, rest)) = rest.split_at_checked(usize::from(*len)) else {
                    break;
                };
                data.extend_from_slice(piece);
                rest
            }
            _ => {
                // Options that are not known have a length too.
                let Some((len, rest)) = rest.split_first() else {
                    break;
                };
                rest.get(usize::from(*len)..).unwrap_or_default()
            }
        };
    }
    data
}

/// What a tracker sends.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Response {
    /// A connection id.
    Connect {
        /// As in the request.
        transaction: u32,
        /// The id, good for a minute or two.
        connection: u64,
    },
    /// Peers.
    Announce {
        /// As in the request.
        transaction: u32,
        /// Seconds after which to come again.
        interval: u32,
        /// Peers that do not have everything.
        leechers: u32,
        /// Peers that do.
        seeders: u32,
        /// Peers of the address family of the datagram.
        peers: Vec<SocketAddr>,
    },
    /// Counts, in the order of the request.
    Scrape {
        /// As in the request.
        transaction: u32,
        /// The counts.
        counts: Vec<ScrapeCounts>,
    },
    /// It does not work.
    Error {
        /// As in the request.
        transaction: u32,
        /// Why.
        message: Vec<u8>,
    },
}

impl Response {
    /// Reads one that came over IPv6 or IPv4. At most `max_peers` peers are kept, of those that can
    /// be reached at all.
    ///
    /// # Errors
    ///
    /// [`DecodeError`]; among others for an announce response without a body, which opentracker
    /// sends for torrents that it does not know.
    pub fn parse(octets: &[u8], is_v6: bool, max_peers: usize) -> Result<Self, DecodeError> {
        let mut src = octets;
        need(octets, 8)?;
        let action = src.get_u32();
        let transaction = src.get_u32();
        match action {
            0 => {
                need(octets, 16)?;
                let connection = src.get_u64();
                Ok(Self::Connect {
                    transaction,
                    connection,
                })
            }
            1 => {
                need(octets, 20)?;
                let interval = src.get_u32();
                let leechers = src.get_u32();
                let seeders = src.get_u32();
                let peers = if is_v6 {
                    reachable(compact::v6(src).map(SocketAddr::V6), max_peers)
                } else {
                    reachable(compact::v4(src).map(SocketAddr::V4), max_peers)
                };
                Ok(Self::Announce {
                    transaction,
                    interval,
                    leechers,
                    seeders,
                    peers,
                })
            }
            2 => {
                let counts = src.chunks_exact(12).map(|mut counts| ScrapeCounts {
                    seeders: counts.get_u32(),
                    completed: counts.get_u32(),
                    leechers: counts.get_u32(),
                });
                Ok(Self::Scrape {
                    transaction,
                    counts: counts.collect(),
                })
            }
            3 => Ok(Self::Error {
                transaction,
                message: src.to_vec(),
            }),
            action => Err(DecodeError::Action(action)),
        }
    }

    /// Which request it belongs to.
    #[must_use]
    pub fn transaction(&self) -> u32 {
        match self {
            Self::Connect { transaction, .. }
            | Self::Announce { transaction, .. }
            | Self::Scrape { transaction, .. }
            | Self::Error { transaction, .. } => *transaction,
        }
    }

    /// Appends it to `dst`.
    pub fn encode(&self, dst: &mut Vec<u8>) {
        match self {
            Self::Connect {
                transaction,
                connection,
            } => {
                dst.put_u32(0);
                dst.put_u32(*transaction);
                dst.put_u64(*connection);
            }
            Self::Announce {
                transaction,
                interval,
                leechers,
                seeders,
                peers,
            } => {
                let numbers = [1, *transaction, *interval, *leechers, *seeders];
                encode_announce(dst, numbers, peers.iter().copied());
            }
            Self::Scrape {
                transaction,
                counts,
            } => {
                dst.put_u32(2);
                dst.put_u32(*transaction);
                for counts in counts {
                    dst.put_u32(counts.seeders);
                    dst.put_u32(counts.completed);
                    dst.put_u32(counts.leechers);
                }
            }
            Self::Error {
                transaction,
                message,
            } => {
                dst.put_u32(3);
                dst.put_u32(*transaction);
                dst.put_slice(message);
            }
        }
    }
}

/// Appends a reply to an announce: five numbers, and peers of one family.
pub(super) fn encode_announce(
    dst: &mut Vec<u8>,
    numbers: [u32; 5],
    peers: impl Iterator<Item = SocketAddr> + Clone,
) {
    // Most are of IPv4; those of IPv6 make it grow.
    dst.reserve(peers.size_hint().0.saturating_mul(6).saturating_add(20));
    for number in numbers {
        dst.put_u32(number);
    }
    peers.for_each(|peer| compact::push(dst, peer));
}

/// The first peers that can be reached at all.
fn reachable(peers: impl ExactSizeIterator<Item = SocketAddr>, most: usize) -> Vec<SocketAddr> {
    let mut found = Vec::with_capacity(peers.len().min(most));
    for peer in peers.filter(|peer| compact::is_reachable(*peer)).take(most) {
        found.push(peer);
    }
    found
}

fn need(octets: &[u8], expected: usize) -> Result<(), DecodeError> {
    let found = octets.len();
    if found < expected {
        return Err(DecodeError::TooShort { expected, found });
    }
    Ok(())
}
