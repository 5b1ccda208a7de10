//! Urgency and incremental (RFC 9218 section 10).
//!
//! The most urgent go first. Among equals, what is not incremental is sent first and whole, in the
//! order of the requests; what is incremental takes turns.

use super::{Fair, Priority, Scheduler, Signal};
use alloc::collections::{BTreeMap, BTreeSet};

/// The scheduler of RFC 9218.
#[derive(Clone, Debug, Default)]
pub struct Urgency {
    /// What has something to send, by urgency.
    levels: [Level; 8],
    /// Priorities that are not the default.
    known: BTreeMap<u32, Priority>,
}

#[derive(Clone, Debug, Default)]
struct Level {
    /// What is not incremental.
    whole: BTreeSet<u32>,
    /// What is.
    turns: Fair,
}

impl Level {
    fn next(&mut self) -> Option<u32> {
        self.whole.first().copied().or_else(|| self.turns.next())
    }
}

impl Urgency {
    /// Without streams.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The level of a stream, and whether it takes turns there.
    fn level(&mut self, stream: u32) -> Option<(&mut Level, bool)> {
        let priority = self.known.get(&stream).copied().unwrap_or_default();
        let level = self.levels.get_mut(usize::from(priority.urgency))?;
        Some((level, priority.incremental))
    }

    /// Takes a stream out of its level. Whether it was there.
    fn take(&mut self, stream: u32) -> bool {
        match self.level(stream) {
            Some((level, true)) => level.turns.remove(stream),
            Some((level, false)) => level.whole.remove(&stream),
            None => false,
        }
    }
}

impl Scheduler for Urgency {
    fn open(&mut self, stream: u32, signal: Option<Signal>) {
        if let Some(signal) = signal {
            self.reprioritise(stream, signal);
        }
    }

    fn reprioritise(&mut self, stream: u32, signal: Signal) {
        let Signal::Urgency(mut new) = signal else {
            return;
        };
        new.urgency = new.urgency.min(7);
        let was_ready = self.take(stream);
        if new == Priority::default() {
            self.known.remove(&stream);
        } else {
            self.known.insert(stream, new);
        }
        if was_ready {
            self.ready(stream);
        }
    }

    fn ready(&mut self, stream: u32) {
        match self.level(stream) {
            Some((level, true)) => level.turns.ready(stream),
            Some((level, false)) => {
                level.whole.insert(stream);
            }
            None => {}
        }
    }

    fn rest(&mut self, stream: u32) {
        self.take(stream);
    }

    fn next(&mut self) -> Option<u32> {
        self.levels.iter_mut().find_map(Level::next)
    }

    fn sent(&mut self, stream: u32, octets: usize) {
        // Who sent was the first; what is sent whole stays so.
        let first = self.levels.iter_mut().find_map(|level| {
            level.next()?;
            Some(level)
        });
        if let Some(level) = first.filter(|level| level.whole.is_empty()) {
            level.turns.sent(stream, octets);
        }
    }

    fn close(&mut self, stream: u32) {
        self.take(stream);
        self.known.remove(&stream);
    }
}
