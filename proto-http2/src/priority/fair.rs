//! Round robin, for peers that say nothing of priorities.

use super::{Scheduler, Signal};
use alloc::collections::VecDeque;

/// One frame for each stream in turn.
#[derive(Clone, Debug, Default)]
pub struct Fair {
    ring: VecDeque<u32>,
}

impl Fair {
    /// Without streams.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a stream out of the round. Whether it was there.
    pub(super) fn remove(&mut self, stream: u32) -> bool {
        let before = self.ring.len();
        // What rests has mostly just sent, and stands at an end.
        if self.ring.front() == Some(&stream) {
            self.ring.pop_front();
        } else if self.ring.back() == Some(&stream) {
            self.ring.pop_back();
        } else {
            self.ring.retain(|&other| other != stream);
        }
        self.ring.len() < before
    }
}

impl Scheduler for Fair {
    fn open(&mut self, _: u32, _: Option<Signal>) {}

    fn reprioritise(&mut self, _: u32, _: Signal) {}

    fn ready(&mut self, stream: u32) {
        self.ring.push_back(stream);
    }

    fn rest(&mut self, stream: u32) {
        self.remove(stream);
    }

    fn next(&mut self) -> Option<u32> {
        self.ring.front().copied()
    }

    fn sent(&mut self, _: u32, _: usize) {
        if self.ring.len() > 1 {
            self.ring.rotate_left(1);
        }
    }

    fn close(&mut self, _: u32) {}
}
