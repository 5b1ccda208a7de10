//! The driver of one datagram machine.

use super::clock::{Clock, Timer};
use super::sockets::{SocketStats, Sockets};
use crate::shape::DatagramMachine;
use core::net::SocketAddr;
use core::task::{Context, Poll};
use core::time::Duration;
use std::io;
use tokio::net::UdpSocket;

/// Steps taken in one turn before other tasks get theirs.
const WORK_BUDGET: u32 = 64;

/// Runs one datagram machine over UDP sockets: the one it is given, and those that it asks for.
#[derive(Debug)]
pub struct Datagram<M> {
    machine: M,
    clock: Clock,
    timer: Timer,
    sockets: Sockets,
    work: u32,
}

impl<M: DatagramMachine> Datagram<M> {
    /// Runs `machine`, which was made at time zero, over `socket`.
    pub fn new(machine: M, socket: UdpSocket) -> Self {
        Self::with_clock(machine, Some(socket), Clock::new())
    }

    /// As [`new`](Self::new), on a clock that others share. Without a socket the first datagram
    /// binds one.
    pub fn with_clock(machine: M, socket: Option<UdpSocket>, clock: Clock) -> Self {
        Self {
            machine,
            clock,
            timer: Timer::default(),
            sockets: Sockets::new(socket),
            work: 0,
        }
    }

    /// Waits for the next event. Cancel-safe: dropping the future loses nothing. It never ends by
    /// itself; a datagram machine has no fatal error.
    pub async fn next(&mut self) -> M::Event {
        core::future::poll_fn(|cx| self.poll_next(cx)).await
    }

    /// [`next`](Self::next) for hand-written futures.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<M::Event> {
        loop {
            if self.work >= WORK_BUDGET {
                self.work = 0;
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            self.work = self.work.saturating_add(1);
            // Answers leave before the next question is taken, or a flood of questions would pile
            // them up.
            let sent = self.poll_send(cx);
            if let Some(event) = self.machine.poll_event() {
                return Poll::Ready(event);
            }
            let received = self.poll_receive(cx);
            let fired = self.poll_timer(cx);
            if !(sent || received || fired) {
                self.work = 0;
                return Poll::Pending;
            }
        }
    }

    /// The machine, for commands and answers. They leave in the next call of [`next`](Self::next).
    pub fn machine_mut(&mut self) -> &mut M {
        &mut self.machine
    }

    /// The machine, to look at.
    pub fn machine(&self) -> &M {
        &self.machine
    }

    /// Time as the machine sees it.
    pub fn now(&self) -> Duration {
        self.clock.now()
    }

    /// What became of datagrams outside the machine.
    pub fn socket_stats(&self) -> SocketStats {
        self.sockets.stats()
    }

    /// The address of the first socket.
    ///
    /// # Errors
    ///
    /// The system's; [`io::ErrorKind::NotFound`] when none is bound yet.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        match self.sockets.main() {
            Some(socket) => socket.local_addr(),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn poll_send(&mut self, cx: &mut Context<'_>) -> bool {
        let mut progress = false;
        while self.sockets.poll_ready(cx).is_ready() {
            let Some(step) = self.machine.poll_transmit(self.clock.now()) else {
                break;
            };
            self.sockets.carry_out(step);
            progress = true;
        }
        progress
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>) -> bool {
        let Poll::Ready((local, from, data)) = self.sockets.poll_receive(cx) else {
            return false;
        };
        let now = self.clock.now();
        self.machine.handle_datagram(now, local, from, data);
        true
    }

    fn poll_timer(&mut self, cx: &mut Context<'_>) -> bool {
        let deadline = self.machine.poll_timeout();
        if self.timer.poll(cx, self.clock, deadline).is_pending() {
            return false;
        }
        self.machine.handle_timeout(self.clock.now());
        true
    }
}
