//! Unpredictable numbers from a seed. Ids, the order of servers and the case of letters are what an
//! attacker off the path has to guess (RFC 5452), so nothing weaker than a cipher will do
//! (CVE-2025-40780).

use core::fmt;
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

pub(crate) struct Random(ChaCha20Rng);

impl fmt::Debug for Random {
    /// Says nothing: what comes next must not be read from a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Random").finish_non_exhaustive()
    }
}

impl Random {
    pub(crate) fn new(seed: [u8; 32]) -> Self {
        Self(ChaCha20Rng::from_seed(seed))
    }

    /// Octets that nobody can guess.
    pub(crate) fn secret(&mut self) -> [u8; 32] {
        let mut secret = [0; 32];
        self.0.fill_bytes(&mut secret);
        secret
    }

    pub(crate) fn id(&mut self) -> u16 {
        let [a, b, ..] = self.0.next_u32().to_be_bytes();
        u16::from_be_bytes([a, b])
    }

    /// A number below `count`; the bias is below one in 2^32 for the few servers there are.
    pub(crate) fn below(&mut self, count: usize) -> usize {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        let pick = self.0.next_u64().checked_rem(count).unwrap_or_default();
        usize::try_from(pick).unwrap_or_default()
    }

    /// Flips the case of about half of the letters (draft-vixie-dnsext-dns0x20).
    pub(crate) fn mix_case(&mut self, octets: &mut [u8]) {
        for chunk in octets.chunks_mut(32) {
            let mut bits = self.0.next_u32();
            for octet in chunk {
                if octet.is_ascii_alphabetic() && bits & 1 == 1 {
                    *octet ^= 0x20;
                }
                bits >>= 1;
            }
        }
    }
}
