//! A datagram machine in one situation, and what happens to it.

use crate::shape::{DatagramMachine, LocalId};
use crate::sim::Rng;
use crate::sim::kit::scenario::{Log, Shown};
use bytes::Bytes;
use core::fmt::Debug;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use core::time::Duration;

/// A datagram machine in one situation: how it is made, what its peers and its embedder do.
///
/// As with [`StreamScenario`](crate::sim::kit::StreamScenario), a fresh one is made for every run, and what
/// goes into the [`Log`] is what must not depend on the order of calls. Datagrams have no order, so
/// logs are compared as sets of entries.
pub trait DatagramScenario {
    /// The machine under test.
    type Machine: DatagramMachine;

    /// A fresh machine whose life begins at `now`.
    fn machine(&self, now: Duration) -> Self::Machine;

    /// What happens from outside, in order.
    fn script(&self) -> Vec<DatagramStep>;

    /// What the embedder does first: the queries of a client.
    fn start(&mut self, machine: &mut Self::Machine, now: Duration) {
        let _ = (machine, now);
    }

    /// The peers: what comes back for a datagram that left. Each reply goes to the socket that sent.
    fn reply(&mut self, now: Duration, to: SocketAddr, payload: &[u8]) -> Vec<Reply> {
        let _ = (now, to, payload);
        Vec::new()
    }

    /// Takes an event and logs it. Questions are better answered in [`answer`](Self::answer).
    fn on_event(
        &mut self,
        machine: &mut Self::Machine,
        now: Duration,
        event: <Self::Machine as DatagramMachine>::Event,
        log: &mut Log,
    );

    /// Answers one open question, or carries out one wish of a coordinator; false when there was
    /// nothing to do.
    fn answer(&mut self, machine: &mut Self::Machine, now: Duration) -> bool {
        let _ = (machine, now);
        false
    }

    /// Carries out [`DatagramStep::Command`].
    fn command(&mut self, number: u32, machine: &mut Self::Machine, now: Duration) {
        let _ = (number, machine, now);
    }

    /// Notes a datagram that left. As it stands: its destination and its octets.
    fn peer_view(&self, to: SocketAddr, payload: &[u8], log: &mut Log) {
        log.say(format!("to {to} {:?}", Shown(payload)));
    }

    /// What a forged datagram must not change, in words: open queries, counters of success. Used by
    /// [`DatagramKit::forgeries`](super::DatagramKit::forgeries).
    fn observe(&self, machine: &Self::Machine) -> String {
        let _ = machine;
        String::new()
    }

    /// Forgeries of a genuine datagram, all of which have to be ignored. As it stands: the same
    /// octets from another port, from another address, and to another socket. A server that listens
    /// to all the world returns none of these.
    fn forge(&self, genuine: &Incoming, rng: &mut Rng) -> Vec<Incoming> {
        let port = SocketAddr::new(genuine.from.ip(), genuine.from.port() ^ 1);
        let other = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 66));
        let host = SocketAddr::new(other, genuine.from.port());
        let local = LocalId(genuine.local.0 ^ (1 << 40) ^ rng.below(1 << 30));
        vec![
            Incoming {
                from: port,
                ..genuine.clone()
            },
            Incoming {
                from: host,
                ..genuine.clone()
            },
            Incoming {
                local,
                ..genuine.clone()
            },
        ]
    }

    /// Asked where a life was left undisturbed: has all that was meant to happen happened?
    ///
    /// # Errors
    ///
    /// What is missing.
    fn completed(&self) -> Result<(), String> {
        Ok(())
    }

    /// Asked at the end of every life: does everything hold that must hold always?
    ///
    /// # Errors
    ///
    /// What does not hold.
    fn invariant(&self) -> Result<(), String> {
        Ok(())
    }
}

/// A datagram on its way to the machine.
#[derive(Clone, PartialEq, Eq)]
pub struct Incoming {
    /// The socket that it reaches.
    pub local: LocalId,
    /// Whence it claims to come.
    pub from: SocketAddr,
    /// Its octets.
    pub data: Bytes,
}

impl Debug for Incoming {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self { local, from, data } = self;
        write!(f, "{from} to {local:?} {:?}", Shown(data))
    }
}

/// What a peer sends back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Whence it claims to come.
    pub from: SocketAddr,
    /// Its octets.
    pub data: Bytes,
}

/// One thing that happens to a datagram machine.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DatagramStep {
    /// A datagram arrives unasked.
    Datagram(Incoming),
    /// The embedder issues a command: [`DatagramScenario::command`] with this number.
    Command(u32),
    /// Time passes; deadlines on the way are met exactly.
    Advance(Duration),
}

impl DatagramStep {
    /// A datagram to the embedder's main socket.
    pub fn datagram(from: SocketAddr, data: impl AsRef<[u8]>) -> Self {
        Self::Datagram(Incoming {
            local: LocalId::MAIN,
            from,
            data: Bytes::copy_from_slice(data.as_ref()),
        })
    }
}
