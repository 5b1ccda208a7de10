//! What a server does with the events of its machines, apart from any loop: the same applications
//! run under tokio, in a loop of threads, and in a loop on mio.

use crate::echo;
use core::time::Duration;
use netio::shape::{DatagramMachine, Local, StreamMachine};
#[cfg(feature = "dns")]
use proto_dns::server::{self, Authority};
#[cfg(feature = "dns")]
use std::sync::Arc;

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

/// Answers DNS queries over UDP from zones in memory.
#[cfg(feature = "dns")]
#[derive(Clone, Debug)]
pub struct DnsUdp(pub Arc<Authority>);

#[cfg(feature = "dns")]
impl DatagramApp for DnsUdp {
    type Machine = server::Datagram;

    fn on_event(
        &mut self,
        _: Duration,
        machine: &mut server::Datagram,
        event: server::datagram::Event,
    ) {
        if let server::datagram::Event::Query { ask, message, .. } = event {
            // A question that is not open any more has expired: the client asks again.
            let _ = machine.serve(&self.0, ask, &message);
        }
    }
}

/// Answers DNS queries over TCP from zones in memory.
#[cfg(feature = "dns")]
#[derive(Clone, Debug)]
pub struct DnsTcp(pub Arc<Authority>);

#[cfg(feature = "dns")]
impl StreamApp for DnsTcp {
    type Machine = server::Stream;

    fn on_event(
        &mut self,
        _: Duration,
        machine: &mut server::Stream,
        event: server::stream::Event,
    ) {
        match event {
            server::stream::Event::Query { ask, message } => {
                let _ = machine.serve(&self.0, ask, &message);
            }
            server::stream::Event::PeerClosed => machine.close(),
            _ => {}
        }
    }
}
