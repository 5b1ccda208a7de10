//! What a server does with the events of its machines, apart from any loop: the same applications
//! run under tokio, in a loop of threads, and in a loop on mio.

use crate::echo;
use core::time::Duration;
use netio::shape::{DatagramMachine, Local, StreamMachine};

/// The server's side of one connection.
pub trait StreamApp {
    /// What it answers the events of.
    type Machine: StreamMachine;

    /// Deals with one event: answers questions, gives commands.
    fn on_event(
        &mut self,
        now: Duration,
        machine: &mut Self::Machine,
        event: <Self::Machine as StreamMachine>::Event,
    );
}

/// The server behind one datagram socket.
pub trait DatagramApp {
    /// What it answers the events of.
    type Machine: DatagramMachine;

    /// Deals with one event.
    fn on_event(
        &mut self,
        now: Duration,
        machine: &mut Self::Machine,
        event: <Self::Machine as DatagramMachine>::Event,
    );
}

/// Answers in upper case.
#[derive(Clone, Copy, Debug, Default)]
pub struct Echo;

impl StreamApp for Echo {
    type Machine = echo::Lines;

    fn on_event(&mut self, _: Duration, machine: &mut echo::Lines, event: echo::Event) {
        match event {
            echo::Event::Line(line) => machine.send(&line.to_ascii_uppercase()),
            echo::Event::PeerClosed => machine.close(),
        }
    }
}

impl DatagramApp for Echo {
    type Machine = echo::Datagrams;

    fn on_event(
        &mut self,
        _: Duration,
        machine: &mut echo::Datagrams,
        (local, from, text): <echo::Datagrams as DatagramMachine>::Event,
    ) {
        machine.send(Local::Id(local), from, &text.to_ascii_uppercase());
    }
}
