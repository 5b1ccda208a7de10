//! Urgency and incremental (RFC 9218 section 10).
//!
//! The most urgent go first. Among equals, what is not incremental is sent first and whole, in the
//! order of the requests; what is incremental takes turns. All that have something to send stand in
//! one ordered set, so that each call takes logarithmic time.

use super::{Priority, Scheduler, Signal};
use alloc::collections::{BTreeMap, BTreeSet};

/// The scheduler of RFC 9218.
#[derive(Clone, Debug, Default)]
pub struct Urgency {
    /// Urgency, turn and stream. What is not incremental has turn 0.
    ready: BTreeSet<(u8, u64, u32)>,
    /// Streams that are ready, or have another priority than the default.
    known: BTreeMap<u32, Known>,
    turn: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Known {
    priority: Priority,
    /// The turn under which it stands in `ready`.
    turn: Option<u64>,
}

impl Urgency {
    /// Without streams.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a stream out of the set. Whether it was there.
    fn take(&mut self, stream: u32) -> bool {
        let Some(known) = self.known.get_mut(&stream) else {
            return false;
        };
        let Some(turn) = known.turn.take() else {
            return false;
        };
        let key = (known.priority.urgency, turn, stream);
        self.ready.remove(&key)
    }

    fn put(&mut self, stream: u32) {
        let known = self.known.entry(stream).or_default();
        let turn = if known.priority.incremental {
            self.turn = self.turn.saturating_add(1);
            self.turn
        } else {
            0
        };
        known.turn = Some(turn);
        self.ready.insert((known.priority.urgency, turn, stream));
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
        self.known.entry(stream).or_default().priority = new;
        if was_ready {
            self.put(stream);
        }
    }

    fn ready(&mut self, stream: u32) {
        self.take(stream);
        self.put(stream);
    }

    fn rest(&mut self, stream: u32) {
        self.take(stream);
        if let Some(known) = self.known.get(&stream)
            && known.priority == Priority::default()
        {
            self.known.remove(&stream);
        }
    }

    fn next(&mut self) -> Option<u32> {
        self.ready.first().map(|&(_, _, stream)| stream)
    }

    fn sent(&mut self, stream: u32, _: usize) {
        let is_incremental = self
            .known
            .get(&stream)
            .is_some_and(|known| known.priority.incremental);
        if is_incremental && self.take(stream) {
            self.put(stream);
        }
    }

    fn close(&mut self, stream: u32) {
        self.take(stream);
        self.known.remove(&stream);
    }
}
