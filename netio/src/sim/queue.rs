//! What happens next: a heap in which equal times keep the order in which they were entered.

use core::cmp::Ordering;
use core::time::Duration;
use std::collections::BinaryHeap;

#[derive(Debug)]
pub(super) struct Queue<T> {
    heap: BinaryHeap<Entry<T>>,
    next: u64,
}

#[derive(Debug)]
struct Entry<T> {
    at: Duration,
    number: u64,
    item: T,
}

impl<T> Queue<T> {
    pub(super) fn new() -> Self {
        Self {
            heap: BinaryHeap::new(),
            next: 0,
        }
    }

    pub(super) fn push(&mut self, at: Duration, item: T) {
        let number = self.next;
        self.next = number.wrapping_add(1);
        self.heap.push(Entry { at, number, item });
    }

    pub(super) fn pop(&mut self) -> Option<(Duration, T)> {
        self.heap.pop().map(|entry| (entry.at, entry.item))
    }

    pub(super) fn peek(&self) -> Option<&T> {
        self.heap.peek().map(|entry| &entry.item)
    }

    pub(super) fn next_time(&self) -> Option<Duration> {
        self.heap.peek().map(|entry| entry.at)
    }
}

impl<T> Ord for Entry<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        // Reversed, as the heap gives its largest entry first.
        (other.at, other.number).cmp(&(self.at, self.number))
    }
}

impl<T> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> PartialEq for Entry<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<T> Eq for Entry<T> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_times_keep_their_order() {
        let mut queue = Queue::new();
        for (at, item) in [(2, 'c'), (1, 'a'), (2, 'd'), (1, 'b')] {
            queue.push(Duration::from_secs(at), item);
        }
        let order: String = core::iter::from_fn(|| queue.pop())
            .map(|(_, item)| item)
            .collect();
        assert_eq!(order, "abcd");
    }
}
