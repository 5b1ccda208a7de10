//! A byte stream between two hosts: two directions, each with its buffers, its window and its
//! losses.

use super::config::{Split, StreamConfig};
use super::{HostId, NodeId, Rng, Side};
use bytes::{Bytes, BytesMut};
use core::net::SocketAddr;
use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};

/// What a stream carries, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Item {
    Data(Bytes),
    /// The sender is ready for a TLS handshake.
    Tls,
    /// The sender has seen that the other side is ready, too.
    Secure,
    /// The sender went back to plaintext.
    Plain,
    Fin,
}

/// One item on its way.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    pub(super) number: u64,
    pub(super) item: Item,
    /// When it was first sent, and how long the sender waits before it sends it again.
    pub(super) since: Duration,
    pub(super) patience: Duration,
}

impl Segment {
    pub(super) fn len(&self) -> usize {
        match &self.item {
            Item::Data(data) => data.len(),
            _ => 0,
        }
    }
}

/// How far a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Connecting,
    Open,
}

/// One of the two ends.
#[derive(Debug)]
pub(super) struct End {
    /// Nobody's until the connection is accepted.
    pub(super) node: Option<NodeId>,
    pub(super) host: HostId,
    pub(super) address: SocketAddr,
    /// False once the node closed it, or was told of its death.
    pub(super) open: bool,
    pub(super) tls: Tls,
}

impl End {
    pub(super) fn is_handshaking(&self) -> bool {
        self.tls != Tls::Idle
    }
}

/// How far an end is with a TLS handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tls {
    /// None is under way.
    Idle,
    /// It waits for the other side's [`Item::Tls`].
    Hello,
    /// It waits for the other side's [`Item::Secure`].
    Finish,
}

#[derive(Debug)]
pub(super) struct Stream {
    pub(super) stage: Stage,
    pub(super) ends: [End; 2],
    /// What each end sends.
    pub(super) ways: [Way; 2],
}

impl Stream {
    pub(super) fn end(&self, side: Side) -> &End {
        let [client, server] = &self.ends;
        match side {
            Side::Client => client,
            Side::Server => server,
        }
    }

    pub(super) fn end_mut(&mut self, side: Side) -> &mut End {
        let [client, server] = &mut self.ends;
        match side {
            Side::Client => client,
            Side::Server => server,
        }
    }

    /// What the end on this side sends.
    pub(super) fn way(&self, side: Side) -> &Way {
        let [client, server] = &self.ways;
        match side {
            Side::Client => client,
            Side::Server => server,
        }
    }

    /// What the end on this side sends.
    pub(super) fn way_mut(&mut self, side: Side) -> &mut Way {
        let [client, server] = &mut self.ways;
        match side {
            Side::Client => client,
            Side::Server => server,
        }
    }

    /// Takes what has come of the other side's handshake, and gives what this side's adds to it.
    pub(super) fn shake_hands(&mut self, side: Side) -> Handshake {
        let came = self.way(side.other()).ready.front();
        let (next, outcome) = match (self.end(side).tls, came) {
            (Tls::Idle, _) | (_, None) => return Handshake::Waiting,
            (Tls::Hello, Some(Item::Tls)) => (Tls::Finish, Handshake::Answered),
            (Tls::Finish, Some(Item::Secure)) => (Tls::Idle, Handshake::Done),
            _ => return Handshake::Failed,
        };
        self.way_mut(side.other()).ready.pop_front();
        self.end_mut(side).tls = next;
        outcome
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Handshake {
    Waiting,
    /// [`Item::Secure`] has to be sent.
    Answered,
    Done,
    /// Something else came where the handshake should have begun.
    Failed,
}

/// One direction.
#[derive(Debug)]
pub(super) struct Way {
    pub(super) config: StreamConfig,
    unsent: VecDeque<Item>,
    unsent_octets: usize,
    /// Sent, and not yet read at the other end.
    unread: usize,
    next_number: u64,
    /// When the stream's own bandwidth is free again.
    free_at: Duration,
    /// A write was cut short: the writer wants to know when there is room.
    pub(super) starved: bool,
    pub(super) finished: bool,
    expected: u64,
    /// Came before its turn.
    held: BTreeMap<u64, Item>,
    pub(super) ready: VecDeque<Item>,
}

impl Way {
    pub(super) fn new(config: StreamConfig) -> Self {
        Self {
            config,
            unsent: VecDeque::new(),
            unsent_octets: 0,
            unread: 0,
            next_number: 0,
            free_at: Duration::ZERO,
            starved: false,
            finished: false,
            expected: 0,
            held: BTreeMap::new(),
            ready: VecDeque::new(),
        }
    }

    /// How many octets a write would take.
    pub(super) fn room(&self) -> usize {
        if self.finished {
            return 0;
        }
        self.config
            .send_buffer
            .max(1)
            .saturating_sub(self.unsent_octets)
    }

    /// Takes a prefix of `data`; how much of it.
    pub(super) fn write(&mut self, data: &[u8], rng: &mut Rng) -> usize {
        let room = self.room();
        let mut len = data.len().min(room);
        if len > 1 && rng.chance(self.config.short_writes) {
            len = rng.index(len).saturating_add(1).min(len);
        }
        self.starved |= len < data.len();
        if len > 0 {
            let taken = data.get(..len).unwrap_or(data);
            self.unsent
                .push_back(Item::Data(Bytes::copy_from_slice(taken)));
            self.unsent_octets = self.unsent_octets.saturating_add(len);
        }
        len
    }

    pub(super) fn mark(&mut self, item: Item) {
        self.finished |= item == Item::Fin;
        self.unsent.push_back(item);
    }

    /// The next segment that the window lets go.
    pub(super) fn next_segment(&mut self, now: Duration) -> Option<Segment> {
        let window = self
            .config
            .receive_buffer
            .max(1)
            .saturating_sub(self.unread);
        let limit = window.min(self.config.segment.max(1));
        let item = match self.unsent.front_mut()? {
            Item::Data(_) if limit == 0 => return None,
            Item::Data(_) => Item::Data(self.fill(limit)),
            _ => self.unsent.pop_front()?,
        };
        let number = self.next_number;
        self.next_number = number.wrapping_add(1);
        Some(Segment {
            number,
            item,
            since: now,
            patience: self.config.retransmit,
        })
    }

    /// Takes up to `limit` octets from the front, across writes: small writes share a segment.
    fn fill(&mut self, limit: usize) -> Bytes {
        let alone = self.unsent.len() == 1;
        let mut filled = BytesMut::new();
        while let Some(Item::Data(data)) = self.unsent.front_mut() {
            let left = limit.saturating_sub(filled.len());
            if left == 0 {
                break;
            }
            if data.len() > left {
                filled.extend_from_slice(&data.split_to(left));
                break;
            }
            if alone {
                let whole = core::mem::take(data);
                self.unsent.pop_front();
                return self.leave(whole);
            }
            filled.extend_from_slice(data);
            self.unsent.pop_front();
        }
        let filled = filled.freeze();
        self.leave(filled)
    }

    fn leave(&mut self, data: Bytes) -> Bytes {
        self.unsent_octets = self.unsent_octets.saturating_sub(data.len());
        self.unread = self.unread.saturating_add(data.len());
        data
    }

    /// When a segment that leaves the host now has left the stream's own bandwidth.
    pub(super) fn pace(&mut self, now: Duration, octets: usize) -> Duration {
        let time = super::link::transmission_time(octets, self.config.bandwidth);
        self.free_at = self.free_at.max(now).saturating_add(time);
        self.free_at
    }

    /// Takes a segment at the other end. What is in order becomes ready; true when something did.
    pub(super) fn arrive(&mut self, segment: Segment) -> bool {
        if segment.number < self.expected {
            return false;
        }
        self.held.insert(segment.number, segment.item);
        let mut moved = false;
        while let Some(item) = self.held.remove(&self.expected) {
            self.expected = self.expected.wrapping_add(1);
            if item != Item::Plain {
                self.ready.push_back(item);
            }
            moved = true;
        }
        moved
    }

    /// Reads what the configured split allows; how many octets.
    pub(super) fn read(&mut self, into: &mut BytesMut, rng: &mut Rng) -> usize {
        let limit = match self.config.split {
            Split::Whole | Split::Segment => usize::MAX,
            Split::Octet => 1,
            Split::Random(most) => rng.index(most.max(1)).saturating_add(1),
        };
        let mut len = 0_usize;
        while let Some(Item::Data(data)) = self.ready.front_mut() {
            let part = data.len().min(limit.saturating_sub(len));
            if part == 0 {
                break;
            }
            into.extend_from_slice(&data.split_to(part));
            len = len.saturating_add(part);
            if data.is_empty() {
                self.ready.pop_front();
            }
            if self.config.split == Split::Segment {
                break;
            }
        }
        len
    }

    /// The receiver has read so many octets, and the sender has learnt of it.
    pub(super) fn credit(&mut self, octets: usize) {
        self.unread = self.unread.saturating_sub(octets);
    }

    pub(super) fn has_data(&self) -> bool {
        self.ready.iter().any(|item| matches!(item, Item::Data(_)))
    }

    pub(super) fn clear(&mut self) {
        self.unsent.clear();
        self.unsent_octets = 0;
        self.held.clear();
        self.ready.clear();
        self.finished = true;
    }
}
