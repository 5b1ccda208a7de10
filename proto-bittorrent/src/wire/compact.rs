//! Peers as trackers and peers list them: address and port, 6 octets for IPv4, 18 for IPv6
//! (BEP 23, BEP 7).

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

/// Octets of a peer with an IPv4 address.
pub const V4_LEN: usize = 6;
/// Octets of a peer with an IPv6 address.
pub const V6_LEN: usize = 18;

/// The peers with IPv4 addresses in `octets`; what is left over at the end is no peer.
pub fn v4(octets: &[u8]) -> impl ExactSizeIterator<Item = SocketAddrV4> {
    octets.chunks_exact(V4_LEN).map(|peer| {
        let (ip, port) = peer.split_first_chunk::<4>().unwrap_or((&[0; 4], &[]));
        let port = port
            .first_chunk()
            .map_or(0, |port| u16::from_be_bytes(*port));
        SocketAddrV4::new(Ipv4Addr::from(*ip), port)
    })
}

/// The peers with IPv6 addresses in `octets`; what is left over at the end is no peer.
pub fn v6(octets: &[u8]) -> impl ExactSizeIterator<Item = SocketAddrV6> {
    octets.chunks_exact(V6_LEN).map(|peer| {
        let (ip, port) = peer.split_first_chunk::<16>().unwrap_or((&[0; 16], &[]));
        let port = port
            .first_chunk()
            .map_or(0, |port| u16::from_be_bytes(*port));
        SocketAddrV6::new(Ipv6Addr::from(*ip), port, 0, 0)
    })
}

/// Appends a peer to a list of its own family.
#[inline]
pub fn push(dst: &mut Vec<u8>, peer: SocketAddr) {
    let [high, low] = peer.port().to_be_bytes();
    match peer.ip() {
        IpAddr::V4(ip) => {
            let [a, b, c, d] = ip.octets();
            dst.extend_from_slice(&[a, b, c, d, high, low]);
        }
        IpAddr::V6(ip) => {
            dst.extend_from_slice(&ip.octets());
            dst.extend_from_slice(&[high, low]);
        }
    }
}

/// Whether a peer at this address can be connected to at all: it has a port, and the address is one
/// of a single host. Whether it *should* be (loopback, private networks) is for the embedder to say.
#[must_use]
pub fn is_reachable(peer: SocketAddr) -> bool {
    let ip = peer.ip();
    let is_broadcast = matches!(ip, IpAddr::V4(ip) if ip.is_broadcast());
    peer.port() != 0 && !ip.is_unspecified() && !ip.is_multicast() && !is_broadcast
}
