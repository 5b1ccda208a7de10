//! Which pieces a choked peer may ask for (BEP 6).

use crate::hash::Sha1Hash;
use alloc::vec::Vec;
use core::net::Ipv4Addr;

/// The allowed fast set of `count` pieces for the peer at `ip`: the same for all of its ports, and
/// for all addresses of its /24 network.
///
/// At most `piece_count` pieces. BEP 6 knows no such set for IPv6.
#[must_use]
pub fn allowed_fast(
    info_hash: &Sha1Hash,
    ip: Ipv4Addr,
    piece_count: u32,
    count: usize,
) -> Vec<u32> {
    let count = count.min(usize::try_from(piece_count).unwrap_or(usize::MAX));
    let [a, b, c, _] = ip.octets();
    let mut seed = Vec::with_capacity(24);
    seed.extend_from_slice(&[a, b, c, 0]);
    seed.extend_from_slice(&info_hash.0);
    let mut set = Vec::with_capacity(count);
    let mut hash = Sha1Hash::of(&seed);
    while set.len() < count {
        for word in hash.0.chunks_exact(4) {
            let word = word
                .first_chunk()
                .map_or(0, |word| u32::from_be_bytes(*word));
            let piece = word.checked_rem(piece_count).unwrap_or(0);
            if set.len() < count && !set.contains(&piece) {
                set.push(piece);
            }
        }
        hash = Sha1Hash::of(&hash.0);
    }
    set
}
