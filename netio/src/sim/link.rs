//! A host's capacity in one direction: one packet at a time, the flows in turn.

use super::stream::Segment;
use super::{Side, SocketId};
use bytes::Bytes;
use core::net::SocketAddr;
use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};

/// Whose turn it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Flow {
    Stream(u64, Side),
    Datagram(SocketId),
}

/// What travels.
#[derive(Clone, Debug)]
pub(super) enum Packet {
    Segment {
        stream: u64,
        from: Side,
        segment: Segment,
    },
    Datagram {
        socket: SocketId,
        from: SocketAddr,
        to: SocketAddr,
        data: Bytes,
    },
}

impl Packet {
    pub(super) fn flow(&self) -> Flow {
        match self {
            Self::Segment { stream, from, .. } => Flow::Stream(*stream, *from),
            Self::Datagram { socket, .. } => Flow::Datagram(*socket),
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Segment { segment, .. } => segment.len(),
            Self::Datagram { data, .. } => data.len(),
        }
    }
}

#[derive(Debug)]
pub(super) struct Link {
    rate: Option<u64>,
    /// Octets of datagrams that may wait.
    room: usize,
    waiting: usize,
    current: Option<Packet>,
    /// The flows with packets, in the order of their turns.
    turns: VecDeque<Flow>,
    flows: BTreeMap<Flow, VecDeque<Packet>>,
    pub(super) octets: u64,
}

impl Link {
    pub(super) fn new(rate: Option<u64>, room: usize) -> Self {
        Self {
            rate,
            room,
            waiting: 0,
            current: None,
            turns: VecDeque::new(),
            flows: BTreeMap::new(),
            octets: 0,
        }
    }

    /// Whether packets pass without waiting.
    pub(super) fn is_open(&self) -> bool {
        self.rate.is_none()
    }

    /// Counts a packet that passes an open link.
    pub(super) fn pass(&mut self, packet: &Packet) {
        self.octets = self.octets.saturating_add(to_u64(packet.len()));
    }

    /// Puts a packet into its flow's queue; false when it is dropped.
    pub(super) fn push(&mut self, packet: Packet) -> bool {
        let flow = packet.flow();
        if matches!(flow, Flow::Datagram(_)) {
            let waiting = self.waiting.saturating_add(packet.len());
            if waiting > self.room {
                return false;
            }
            self.waiting = waiting;
        }
        let queue = self.flows.entry(flow).or_default();
        if queue.is_empty() {
            self.turns.push_back(flow);
        }
        queue.push_back(packet);
        true
    }

    /// Starts to send the next packet, if the link is free; the time that it takes.
    pub(super) fn start(&mut self) -> Option<Duration> {
        if self.current.is_some() {
            return None;
        }
        let flow = self.turns.pop_front()?;
        let queue = self.flows.get_mut(&flow)?;
        let packet = queue.pop_front()?;
        if queue.is_empty() {
            self.flows.remove(&flow);
        } else {
            self.turns.push_back(flow);
        }
        if matches!(flow, Flow::Datagram(_)) {
            self.waiting = self.waiting.saturating_sub(packet.len());
        }
        let time = transmission_time(packet.len(), self.rate);
        self.pass(&packet);
        self.current = Some(packet);
        Some(time)
    }

    /// The packet that was being sent has left.
    pub(super) fn finish(&mut self) -> Option<Packet> {
        self.current.take()
    }

    /// The host failed: nothing waits any more.
    pub(super) fn clear(&mut self) {
        self.current = None;
        self.turns.clear();
        self.flows.clear();
        self.waiting = 0;
    }
}

/// How long so many octets occupy a link, rounded up to a nanosecond.
pub(super) fn transmission_time(octets: usize, rate: Option<u64>) -> Duration {
    let Some(rate) = rate else {
        return Duration::ZERO;
    };
    let nanos = u128::from(to_u64(octets))
        .saturating_mul(1_000_000_000)
        .div_ceil(u128::from(rate.max(1)));
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

pub(super) fn to_u64(octets: usize) -> u64 {
    u64::try_from(octets).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn datagram(socket: u64, len: usize) -> Packet {
        let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
        Packet::Datagram {
            socket: SocketId(socket),
            from: nowhere,
            to: nowhere,
            data: vec![0; len].into(),
        }
    }

    #[test]
    fn flows_take_turns() {
        let mut link = Link::new(Some(1000), 10_000);
        for socket in [1, 1, 1, 2, 3, 3] {
            assert!(link.push(datagram(socket, 100)));
        }
        let mut order = Vec::new();
        while let Some(time) = link.start() {
            assert_eq!(time, Duration::from_millis(100));
            assert_eq!(link.start(), None, "one at a time");
            if let Some(Packet::Datagram { socket, .. }) = link.finish() {
                order.push(socket.0);
            }
        }
        assert_eq!(order, [1, 2, 3, 1, 3, 1]);
    }

    #[test]
    fn datagrams_above_the_queue_are_dropped() {
        let mut link = Link::new(Some(1), 250);
        assert!(link.push(datagram(1, 200)));
        assert!(!link.push(datagram(1, 51)));
        assert!(link.push(datagram(2, 50)));
    }

    #[test]
    fn a_rate_of_zero_is_slow_and_no_fault() {
        assert_eq!(transmission_time(2, Some(0)), Duration::from_secs(2));
    }
}
