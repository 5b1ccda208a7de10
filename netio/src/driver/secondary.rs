//! The driver of a secondary zone: connections as the machine wishes.

use super::clock::{Clock, Timer};
use super::link::{Dial, Fact, Link};
use core::net::IpAddr;
use core::task::{Context, Poll};
use core::time::Duration;
use proto_dns::client::secondary::Event;
use proto_dns::client::stub::{Action, ConnectionId};
use proto_dns::{Limits, client};

/// Runs a [`client::Secondary`] over TCP.
#[derive(Debug)]
pub struct Secondary {
    machine: client::Secondary,
    clock: Clock,
    timer: Timer,
    limits: Limits,
    connection: Option<(ConnectionId, Link)>,
    dial: Dial,
}

impl Secondary {
    /// Runs `machine`, which was made on this clock.
    #[must_use]
    pub fn new(machine: client::Secondary, clock: Clock, limits: Limits) -> Self {
        Self {
            machine,
            clock,
            timer: Timer::default(),
            limits,
            connection: None,
            dial: Dial::default(),
        }
    }

    /// Transfers over TLS (RFC 9103), from a primary that proves this name.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn over_tls(
        mut self,
        config: std::sync::Arc<crate::tls::tokio_rustls::rustls::ClientConfig>,
        name: crate::tls::tokio_rustls::rustls::pki_types::ServerName<'static>,
    ) -> Self {
        self.dial = Dial::Tls { config, name };
        self
    }

    /// Waits for the next event. Cancel-safe; it never ends by itself.
    pub async fn next(&mut self) -> Event {
        core::future::poll_fn(|cx| self.poll_next(cx)).await
    }

    /// A primary says that the zone has changed.
    pub fn notify(&mut self, from: IpAddr, serial: Option<u32>) -> bool {
        self.machine.handle_notify(self.clock.now(), from, serial)
    }

    /// Time as the machine sees it.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.clock.now()
    }

    /// The machine, for its other commands.
    pub fn machine_mut(&mut self) -> &mut client::Secondary {
        &mut self.machine
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        loop {
            if let Some(event) = self.machine.poll_event() {
                return Poll::Ready(event);
            }
            let acted = self.act();
            let moved = self.poll_connection(cx);
            let deadline = self.machine.poll_timeout();
            let fired = self.timer.poll(cx, self.clock, deadline).is_ready();
            if fired {
                self.machine.handle_timeout(self.clock.now());
            }
            if !(acted || moved || fired) {
                return Poll::Pending;
            }
        }
    }

    fn act(&mut self) -> bool {
        let mut progress = false;
        while let Some(action) = self.machine.poll_action(self.clock.now()) {
            progress = true;
            match action {
                Action::Connect { id, to } => {
                    let limits = self.limits.clone();
                    let link = Link::connect(to, self.dial.clone(), self.clock, limits);
                    self.connection = Some((id, link));
                }
                Action::Send { id, message } => {
                    if let Some((open, link)) = &mut self.connection
                        && *open == id
                        && link.send(message).is_err()
                    {
                        self.lose(id);
                    }
                }
                Action::Close { id } => {
                    self.connection.take_if(|(open, _)| *open == id);
                }
            }
        }
        progress
    }

    fn poll_connection(&mut self, cx: &mut Context<'_>) -> bool {
        let Some((id, link)) = &mut self.connection else {
            return false;
        };
        let (id, now) = (*id, self.clock.now());
        let Poll::Ready(fact) = link.poll(cx) else {
            return false;
        };
        match fact {
            Fact::Connected => self.machine.handle_connected(now, id),
            Fact::Message(message) => self.machine.handle_message(now, id, &message),
            Fact::Failed | Fact::Closed => self.lose(id),
        }
        true
    }

    fn lose(&mut self, id: ConnectionId) {
        self.connection = None;
        self.machine.handle_closed(self.clock.now(), id);
    }
}
