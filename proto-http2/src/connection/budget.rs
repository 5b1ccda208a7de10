//! Allowances that fill up with time.

use crate::limits::Rate;
use core::time::Duration;

/// What is left of a [`Rate`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    used: u32,
    since: Duration,
}

impl Budget {
    pub(super) fn new(now: Duration) -> Self {
        Self {
            used: 0,
            since: now,
        }
    }

    /// Takes one. False when there is none left.
    pub(super) fn take(&mut self, rate: Rate, now: Duration) -> bool {
        let seconds = now.saturating_sub(self.since).as_secs();
        if seconds > 0 {
            let back = u64::from(rate.per_second).saturating_mul(seconds);
            self.used = self
                .used
                .saturating_sub(u32::try_from(back).unwrap_or(u32::MAX));
            self.since = self.since.saturating_add(Duration::from_secs(seconds));
        }
        self.used = self.used.saturating_add(1);
        self.used <= rate.burst
    }

    /// Gives back.
    pub(super) fn earn(&mut self, count: u32) {
        self.used = self.used.saturating_sub(count);
    }
}
