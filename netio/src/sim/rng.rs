//! Randomness that a seed decides.

use core::fmt::Display;
use core::time::Duration;
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng as _, SeedableRng as _};

/// From what all randomness of a run is derived. A number or 32 octets.
///
/// ```
/// use netio::sim::Seed;
/// assert_eq!(Seed::from(1).octets().first(), Some(&1));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seed([u8; 32]);

impl Seed {
    /// The octets, as a machine's constructor takes them.
    #[must_use]
    pub fn octets(self) -> [u8; 32] {
        self.0
    }
}

impl From<u64> for Seed {
    fn from(number: u64) -> Self {
        let mut octets = [0; 32];
        for (to, from) in octets.iter_mut().zip(number.to_le_bytes()) {
            *to = from;
        }
        Self(octets)
    }
}

impl From<[u8; 32]> for Seed {
    fn from(octets: [u8; 32]) -> Self {
        Self(octets)
    }
}

impl Display for Seed {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self.0.split_first_chunk() {
            Some((number, [0, rest @ ..])) if rest.iter().all(|octet| *octet == 0) => {
                write!(f, "{}", u64::from_le_bytes(*number))
            }
            _ => self.0.iter().try_for_each(|octet| write!(f, "{octet:02x}")),
        }
    }
}

/// A ChaCha generator: the same seed gives the same numbers on every platform, in every version.
#[derive(Clone, Debug)]
pub struct Rng(ChaCha8Rng);

impl Rng {
    /// A generator for this seed.
    pub fn new(seed: impl Into<Seed>) -> Self {
        Self(ChaCha8Rng::from_seed(seed.into().octets()))
    }

    /// A generator of its own, so that what one part draws does not move another.
    #[must_use]
    pub fn fork(&mut self) -> Self {
        Self::new(self.seed())
    }

    /// A seed for a machine.
    pub fn seed(&mut self) -> [u8; 32] {
        let mut octets = [0; 32];
        self.0.fill_bytes(&mut octets);
        octets
    }

    /// Any number.
    pub fn number(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number below `bound`; 0 when `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        // The bias is below bound / 2^64: nothing that a simulation could see.
        self.number().checked_rem(bound).unwrap_or(0)
    }

    /// A position or length below `bound`; 0 when `bound` is 0.
    pub fn index(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound).unwrap_or(u64::MAX);
        usize::try_from(self.below(bound)).unwrap_or(0)
    }

    /// True in `millionths` of a million cases.
    pub fn chance(&mut self, millionths: u32) -> bool {
        // Nothing is drawn where nothing is to be decided: a loss of zero costs no randomness.
        millionths > 0 && self.below(1_000_000) < u64::from(millionths)
    }

    /// A time below `bound`, in nanoseconds.
    pub fn time(&mut self, bound: Duration) -> Duration {
        let nanos = u64::try_from(bound.as_nanos()).unwrap_or(u64::MAX);
        if nanos == 0 {
            return Duration::ZERO;
        }
        Duration::from_nanos(self.below(nanos))
    }

    /// One of `from`, or nothing when there is nothing.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        let at = self.index(from.len());
        from.get(at)
    }

    /// Fills with random octets.
    pub fn fill(&mut self, octets: &mut [u8]) {
        self.0.fill_bytes(octets);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_numbers() {
        let draw = |seed: u64| {
            let mut rng = Rng::new(seed);
            [rng.number(), rng.below(10), rng.number()]
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }

    #[test]
    fn a_fork_does_not_depend_on_what_the_other_draws_later() {
        let mut one = Rng::new(3);
        let mut fork = one.fork();
        let mut two = Rng::new(3);
        let mut other = two.fork();
        two.number();
        assert_eq!(fork.number(), other.number());
    }

    #[test]
    fn bounds_of_zero_give_zero() {
        let mut rng = Rng::new(0);
        assert_eq!(
            (rng.below(0), rng.index(0), rng.time(Duration::ZERO)),
            (0, 0, Duration::ZERO)
        );
        assert!(!rng.chance(0));
        assert!(rng.chance(1_000_000));
        assert_eq!(rng.pick::<u8>(&[]), None);
    }
}
