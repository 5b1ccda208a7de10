//! Unpredictable numbers from a seed: what an attacker off the path has to guess.

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

    pub(crate) fn number(&mut self) -> u32 {
        self.0.next_u32()
    }

    pub(crate) fn wide(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number below `count`, or 0; the bias is below one in 2^32 for the small counts here.
    pub(crate) fn below(&mut self, count: usize) -> usize {
        let count = u128::try_from(count).unwrap_or(0);
        let pick = u128::from(self.0.next_u64()).saturating_mul(count) >> 64;
        usize::try_from(pick).unwrap_or_default()
    }

    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let other = self.below(last.saturating_add(1));
            items.swap(last, other);
        }
    }
}
