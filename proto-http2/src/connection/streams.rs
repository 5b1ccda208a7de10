//! The streams of a connection: a slab, the numbers in order, and what is known of closed ones.

use crate::fields::Fields;
use crate::flow::{ReceiveWindow, SendWindow};
use crate::num::to_usize;
use crate::validate::Facts;
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use bytes::Bytes;

/// One side of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Half {
    /// Promised: only the promising side may begin.
    Reserved,
    /// Nothing but informational heads was said.
    Begun,
    /// The head was said; a body may follow.
    Body,
    /// All was said.
    Ended,
}

#[derive(Debug)]
pub(super) struct Stream {
    pub(super) id: u32,
    pub(super) local: Half,
    pub(super) remote: Half,
    pub(super) send: SendWindow,
    pub(super) receive: ReceiveWindow,
    pub(super) queue: VecDeque<Bytes>,
    pub(super) queued: usize,
    pub(super) trailers: Option<Box<Fields>>,
    /// Our last frame waits to leave.
    pub(super) is_unsent: bool,
    /// Our side is to end after what is queued.
    pub(super) ends: bool,
    /// The scheduler knows that there is something to send.
    pub(super) is_ready: bool,
    /// Its window was shut, with something queued, when stalls were last looked for.
    pub(super) was_shut: bool,
    /// Data stayed with the caller: say when there is room.
    pub(super) is_blocked: bool,
    /// The peer's body is to have so many octets more.
    pub(super) expected: Option<u64>,
    /// No body may come: a response to HEAD, 204, 304.
    pub(super) is_bodyless: bool,
    pub(super) is_head: bool,
    pub(super) is_connect: bool,
    pub(super) is_pushed: bool,
    pub(super) informational: u32,
}

impl Stream {
    pub(super) fn new(id: u32, send: SendWindow, receive: ReceiveWindow) -> Self {
        Self {
            id,
            local: Half::Begun,
            remote: Half::Begun,
            send,
            receive,
            queue: VecDeque::new(),
            queued: 0,
            trailers: None,
            is_unsent: false,
            ends: false,
            is_ready: false,
            was_shut: false,
            is_blocked: false,
            expected: None,
            is_bodyless: false,
            is_head: false,
            is_connect: false,
            is_pushed: false,
            informational: 0,
        }
    }

    pub(super) fn note(&mut self, facts: Facts) {
        self.is_head = facts.is_head;
        self.is_connect = facts.is_connect;
    }

    pub(super) fn is_reserved(&self) -> bool {
        self.local == Half::Reserved || self.remote == Half::Reserved
    }

    pub(super) fn is_complete(&self) -> bool {
        self.local == Half::Ended && self.remote == Half::Ended && !self.is_unsent
    }
}

/// How a stream that is no more was closed, for frames that come late.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Past {
    /// By both sides' ends.
    Ended,
    /// By the peer's reset.
    ResetByPeer,
    /// By our reset: the peer may not have known when it sent.
    Reset,
}

/// Closed streams that are remembered.
const PAST: usize = 64;

#[derive(Debug, Default)]
pub(super) struct Streams {
    slab: Vec<Option<Box<Stream>>>,
    free: Vec<u32>,
    /// Numbers and places, by number.
    order: Vec<(u32, u32)>,
    past: VecDeque<(u32, Past)>,
    /// The highest stream that we reset and do not remember any more: what comes for streams up to
    /// it may have been sent before the peer knew.
    forgotten: u32,
    /// Streams with even and with odd numbers.
    counts: [usize; 2],
    /// Streams that the peer opened, and that we did.
    pub(super) theirs: u32,
    pub(super) ours: u32,
    /// Reserved ones.
    pub(super) reserved: u32,
}

impl Streams {
    fn place(&self, id: u32) -> Option<usize> {
        // Mostly there are few gaps between the numbers of one side.
        let &(first, _) = self.order.first()?;
        let guess = to_usize(id.checked_sub(first)? / 2);
        let index = match self.order.get(guess) {
            Some(&(found, _)) if found == id => guess,
            _ => self.order.binary_search_by_key(&id, |&(id, _)| id).ok()?,
        };
        let &(_, place) = self.order.get(index)?;
        usize::try_from(place).ok()
    }

    pub(super) fn get(&self, id: u32) -> Option<&Stream> {
        self.slab.get(self.place(id)?)?.as_deref()
    }

    pub(super) fn get_mut(&mut self, id: u32) -> Option<&mut Stream> {
        let place = self.place(id)?;
        self.slab.get_mut(place)?.as_deref_mut()
    }

    pub(super) fn insert(&mut self, stream: Stream) {
        let id = stream.id;
        let stream = Some(Box::new(stream));
        let place = match self.free.pop() {
            Some(place) => {
                if let Some(slot) = usize::try_from(place)
                    .ok()
                    .and_then(|p| self.slab.get_mut(p))
                {
                    *slot = stream;
                }
                place
            }
            None => {
                self.slab.push(stream);
                crate::num::to_u32(self.slab.len().saturating_sub(1))
            }
        };
        if let Some(count) = self.counts.get_mut(parity(id)) {
            *count = count.saturating_add(1);
        }
        let at = self.order.partition_point(|&(other, _)| other < id);
        self.order.insert(at, (id, place));
    }

    pub(super) fn remove(&mut self, id: u32, past: Past) -> Option<Box<Stream>> {
        let index = self.order.binary_search_by_key(&id, |&(id, _)| id).ok()?;
        let (_, place) = self.order.remove(index);
        if let Some(count) = self.counts.get_mut(parity(id)) {
            *count = count.saturating_sub(1);
        }
        self.remember(id, past);
        let slot = usize::try_from(place)
            .ok()
            .and_then(|p| self.slab.get_mut(p))?;
        self.free.push(place);
        let stream = slot.take();
        if self.order.is_empty() {
            // An idle connection holds little.
            self.slab = Vec::new();
            self.free = Vec::new();
            self.order = Vec::new();
        }
        stream
    }

    pub(super) fn remember(&mut self, id: u32, past: Past) {
        if self.past.len() >= PAST
            && let Some((oldest, Past::Reset)) = self.past.pop_front()
        {
            self.forgotten = self.forgotten.max(oldest);
        }
        self.past.push_back((id, past));
    }

    pub(super) fn past(&self, id: u32) -> Option<Past> {
        self.past
            .iter()
            .rev()
            .find(|(other, _)| *other == id)
            .map(|&(_, past)| past)
            .or_else(|| (id <= self.forgotten).then_some(Past::Reset))
    }

    /// Streams with odd numbers, which the client opens, or with even ones.
    pub(super) fn count(&self, is_odd: bool) -> usize {
        let [even, odd] = self.counts;
        if is_odd { odd } else { even }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    pub(super) fn ids(&self) -> Vec<u32> {
        self.order.iter().map(|&(id, _)| id).collect()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Stream> {
        self.slab.iter_mut().filter_map(Option::as_deref_mut)
    }
}

fn parity(id: u32) -> usize {
    usize::from(!id.is_multiple_of(2))
}
