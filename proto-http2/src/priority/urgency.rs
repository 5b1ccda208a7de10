//! Urgency and incremental (RFC 9218 section 10).
//!
//! The most urgent go first. Among equals, what is not incremental is sent whole, in the order of the
//! requests; what is incremental takes turns.

use super::{Priority, Scheduler, Signal};
use alloc::collections::{BTreeMap, VecDeque};

/// The scheduler of RFC 9218.
#[derive(Clone, Debug, Default)]
pub struct Urgency {
    levels: [VecDeque<u32>; 8],
    /// Streams with another priority than the default.
    known: BTreeMap<u32, Priority>,
}

impl Urgency {
    /// Without streams.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn priority(&self, stream: u32) -> Priority {
        self.known.get(&stream).copied().unwrap_or_default()
    }

    fn level(&mut self, priority: Priority) -> Option<&mut VecDeque<u32>> {
        self.levels.get_mut(usize::from(priority.urgency))
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
        let old = self.priority(stream);
        if new == Priority::default() {
            self.known.remove(&stream);
        } else {
            self.known.insert(stream, new);
        }
        let Some(level) = self.level(old) else { return };
        if let Some(place) = level.iter().position(|&other| other == stream) {
            level.remove(place);
            self.ready(stream);
        }
    }

    fn ready(&mut self, stream: u32) {
        let priority = self.priority(stream);
        let Some(level) = self.level(priority) else {
            return;
        };
        if priority.incremental {
            level.push_back(stream);
        } else {
            // RFC 9218 section 10: in the order of the requests.
            let place = level.iter().position(|&other| other > stream);
            level.insert(place.unwrap_or(level.len()), stream);
        }
    }

    fn rest(&mut self, stream: u32) {
        let priority = self.priority(stream);
        if let Some(level) = self.level(priority) {
            level.retain(|&other| other != stream);
        }
    }

    fn next(&mut self) -> Option<u32> {
        self.levels.iter().find_map(|level| level.front().copied())
    }

    fn sent(&mut self, stream: u32, _: usize) {
        let priority = self.priority(stream);
        if priority.incremental
            && let Some(level) = self.level(priority)
            && level.front() == Some(&stream)
        {
            level.rotate_left(1);
        }
    }

    fn close(&mut self, stream: u32) {
        self.known.remove(&stream);
    }
}
