//! The time that machines are given.

use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;
use tokio::time::{Instant, Sleep};

/// Time since an epoch: what machines take as `now`.
///
/// Machines that tell each other of time points (a resolver and its connections, say) share one
/// clock; clones have the same epoch.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    epoch: Instant,
}

impl Clock {
    /// A clock that begins at zero now.
    #[must_use]
    pub fn new() -> Self {
        Self {
            epoch: Instant::now(),
        }
    }

    /// Time since the epoch.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.epoch.elapsed()
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}

/// One timer that follows a deadline which changes often.
#[derive(Debug, Default)]
pub(super) struct Timer {
    /// Made when a deadline first appears: many machines never have one.
    sleep: Option<Pin<Box<Sleep>>>,
    deadline: Option<Duration>,
}

impl Timer {
    /// Ready when `deadline` has come. Registers for a wake-up otherwise.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        clock: Clock,
        deadline: Option<Duration>,
    ) -> Poll<()> {
        // A time point beyond what the runtime can name never comes.
        let Some(instant) = deadline.and_then(|deadline| clock.epoch.checked_add(deadline)) else {
            self.deadline = None;
            return Poll::Pending;
        };
        let sleep = self
            .sleep
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(instant)));
        if self.deadline != deadline {
            sleep.as_mut().reset(instant);
            self.deadline = deadline;
        }
        let poll = sleep.as_mut().poll(cx);
        if poll.is_ready() {
            // A sleep that has fired must be reset before it is polled again.
            self.deadline = None;
        }
        poll
    }
}
