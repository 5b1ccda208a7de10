//! The UDP sockets of one datagram machine.

use crate::shape::{DatagramTransmit, Local, LocalId};
use bytes::Bytes;
use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use core::task::{Context, Poll};
use std::io;
use tokio::io::ReadBuf;
use tokio::net::UdpSocket;

/// The largest datagram there is.
const MAX_DATAGRAM: usize = 65_535;

/// What became of datagrams outside the machine. None of it is an error: datagrams may be lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SocketStats {
    /// Datagrams that the system took.
    pub sent: u64,
    /// Datagrams that it refused, or for which no socket could be bound.
    pub unsent: u64,
    /// Datagrams handed to the machine.
    pub received: u64,
    /// Errors on receiving, such as a port that an earlier datagram found closed.
    pub receive_errors: u64,
}

/// Sockets by the ids that the machine gave them, and the datagram that waits to leave.
pub(super) struct Sockets {
    open: Vec<(LocalId, UdpSocket)>,
    /// Where the next receive begins, so that no busy socket starves the others.
    next: usize,
    unsent: Option<(LocalId, SocketAddr, Bytes)>,
    buffer: Box<[u8]>,
    stats: SocketStats,
}

impl fmt::Debug for Sockets {
    /// Without what was received and what is to be sent.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sockets")
            .field("open", &self.open)
            .field("stats", &self.stats)
            .finish_non_exhaustive()
    }
}

impl Sockets {
    /// `socket`, if given, gets the id [`LocalId::MAIN`].
    pub(super) fn new(socket: Option<UdpSocket>) -> Self {
        Self {
            open: socket
                .into_iter()
                .map(|socket| (LocalId::MAIN, socket))
                .collect(),
            next: 0,
            unsent: None,
            buffer: vec![0; MAX_DATAGRAM].into_boxed_slice(),
            stats: SocketStats::default(),
        }
    }

    pub(super) fn stats(&self) -> SocketStats {
        self.stats
    }

    pub(super) fn main(&self) -> Option<&UdpSocket> {
        self.get(LocalId::MAIN)
    }

    /// True when the next step of output can be taken.
    pub(super) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some((id, to, payload)) = self.unsent.take() else {
            return Poll::Ready(());
        };
        let Some(socket) = self.get(id) else {
            self.stats.unsent = self.stats.unsent.saturating_add(1);
            return Poll::Ready(());
        };
        match socket.poll_send_to(cx, &payload, to) {
            Poll::Ready(Ok(_)) => self.stats.sent = self.stats.sent.saturating_add(1),
            Poll::Ready(Err(_)) => self.stats.unsent = self.stats.unsent.saturating_add(1),
            Poll::Pending => {
                self.unsent = Some((id, to, payload));
                return Poll::Pending;
            }
        }
        Poll::Ready(())
    }

    /// Carries out one step of output. Call it when [`poll_ready`](Self::poll_ready) says so.
    pub(super) fn carry_out(&mut self, step: DatagramTransmit) {
        match step {
            DatagramTransmit::Release(id) => self.open.retain(|(open, _)| *open != id),
            DatagramTransmit::Datagram { local, to, payload } => match self.choose(local, to) {
                Ok(id) => self.unsent = Some((id, to, payload)),
                Err(_) => self.stats.unsent = self.stats.unsent.saturating_add(1),
            },
        }
    }

    /// Receives one datagram from whichever socket has one.
    pub(super) fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<(LocalId, SocketAddr, &[u8])> {
        let count = self.open.len();
        for turn in 0..count {
            let index = self.next.wrapping_add(turn).checked_rem(count).unwrap_or(0);
            let Some((id, socket)) = self.open.get(index) else {
                continue;
            };
            let mut buffer = ReadBuf::new(&mut self.buffer);
            match socket.poll_recv_from(cx, &mut buffer) {
                Poll::Ready(Ok(from)) => {
                    let (id, len) = (*id, buffer.filled().len());
                    self.next = index.wrapping_add(1);
                    self.stats.received = self.stats.received.saturating_add(1);
                    let data = self.buffer.get(..len).unwrap_or_default();
                    return Poll::Ready((id, from, data));
                }
                Poll::Ready(Err(_)) => {
                    // The system reports that an earlier datagram was refused; the machine has its
                    // own timers, and an off-path attacker can forge such reports.
                    self.stats.receive_errors = self.stats.receive_errors.saturating_add(1);
                    cx.waker().wake_by_ref();
                }
                Poll::Pending => {}
            }
        }
        Poll::Pending
    }

    fn get(&self, id: LocalId) -> Option<&UdpSocket> {
        let (_, socket) = self.open.iter().find(|(open, _)| *open == id)?;
        Some(socket)
    }

    fn choose(&mut self, local: Local, to: SocketAddr) -> io::Result<LocalId> {
        match local {
            Local::Id(id) => Ok(id),
            Local::Any => match self.open.first() {
                Some((id, _)) => Ok(*id),
                None => self.bind(LocalId::MAIN, to),
            },
            Local::Fresh(id) if self.get(id).is_some() => Ok(id),
            Local::Fresh(id) => self.bind(id, to),
        }
    }

    fn bind(&mut self, id: LocalId, to: SocketAddr) -> io::Result<LocalId> {
        let any: IpAddr = match to {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        // Port 0: the system picks a random one.
        let socket = std::net::UdpSocket::bind((any, 0))?;
        socket.set_nonblocking(true)?;
        self.open.push((id, UdpSocket::from_std(socket)?));
        Ok(id)
    }
}
