//! Wall-clock time, as signatures need it.

use core::time::Duration;

/// Wall-clock time: how long ago 1970-01-01 00:00 UTC was, without leap seconds.
///
/// ```
/// use core::time::Duration;
/// use proto_dns::UnixTime;
///
/// let then = UnixTime::from_secs(1_700_000_000);
/// assert_eq!(then.after(Duration::from_millis(2500)).as_secs(), 1_700_000_002);
/// assert!(UnixTime::from(Duration::from_secs(1)) < then);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixTime(Duration);

impl UnixTime {
    /// The epoch itself, 1970-01-01 00:00 UTC.
    pub const EPOCH: Self = Self(Duration::ZERO);

    /// So many seconds after the epoch.
    #[must_use]
    pub const fn from_secs(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// Whole seconds since the epoch.
    #[must_use]
    pub const fn as_secs(self) -> u64 {
        self.0.as_secs()
    }

    /// This much later.
    #[must_use]
    pub const fn after(self, later: Duration) -> Self {
        Self(self.0.saturating_add(later))
    }
}

impl From<Duration> for UnixTime {
    /// As `SystemTime::now().duration_since(UNIX_EPOCH)` gives it.
    fn from(since_epoch: Duration) -> Self {
        Self(since_epoch)
    }
}

/// What the embedder said last about the wall clock.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct WallClock(Option<(Duration, UnixTime)>);

impl WallClock {
    pub(crate) const fn set(&mut self, now: Duration, unix: UnixTime) {
        self.0 = Some((now, unix));
    }

    /// The time at `now`; the epoch when nothing was said, so that no signature is in its time.
    pub(crate) fn at(&self, now: Duration) -> UnixTime {
        self.0.map_or(UnixTime::EPOCH, |(since, unix)| {
            unix.after(now.saturating_sub(since))
        })
    }
}
