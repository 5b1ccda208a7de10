//! The driver of a secondary zone: connections as the machine wishes.

use super::clock::{Clock, Timer};
use super::stream::{Options, Stream};
use core::future::Future;
use core::net::IpAddr;
use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;
use proto_dns::client::secondary::Event;
use proto_dns::client::stub::{Action, ConnectionId};
use proto_dns::{Limits, client};
use std::io;
use tokio::net::TcpStream;

type Connecting = Pin<Box<dyn Future<Output = io::Result<TcpStream>> + Send>>;

enum Connection {
    Connecting(Connecting),
    Open(Box<Stream<client::Stream, TcpStream>>),
}

impl core::fmt::Debug for Connection {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Connecting(_) => f.write_str("Connecting"),
            Self::Open(stream) => stream.fmt(f),
        }
    }
}

/// Runs a [`client::Secondary`] over TCP.
#[derive(Debug)]
pub struct Secondary {
    machine: client::Secondary,
    clock: Clock,
    timer: Timer,
    limits: Limits,
    connection: Option<(ConnectionId, Connection)>,
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
        }
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
                    let connecting = Connection::Connecting(Box::pin(TcpStream::connect(to)));
                    self.connection = Some((id, connecting));
                }
                Action::Send { id, message } => {
                    if let Some((open, Connection::Open(stream))) = &mut self.connection
                        && *open == id
                        && stream.machine_mut().send(message).is_err()
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
        let Some((id, connection)) = &mut self.connection else {
            return false;
        };
        let (id, now) = (*id, self.clock.now());
        match connection {
            Connection::Connecting(connecting) => match connecting.as_mut().poll(cx) {
                Poll::Pending => return false,
                Poll::Ready(Err(_)) => self.lose(id),
                Poll::Ready(Ok(socket)) => {
                    let _ = socket.set_nodelay(true);
                    // The ids of requests are the secondary's: this machine makes none.
                    let machine = client::Stream::new(now, self.limits.clone(), [0; 32]);
                    let options = Options::default();
                    let stream = Stream::with_options(machine, socket, self.clock, options);
                    *connection = Connection::Open(Box::new(stream));
                    self.machine.handle_connected(now, id);
                }
            },
            Connection::Open(stream) => match stream.poll_next(cx) {
                Poll::Pending => return false,
                Poll::Ready(Ok(Some(client::stream::Event::Message(message)))) => {
                    self.machine.handle_message(now, id, &message);
                }
                Poll::Ready(_) => self.lose(id),
            },
        }
        true
    }

    fn lose(&mut self, id: ConnectionId) {
        self.connection = None;
        self.machine.handle_closed(self.clock.now(), id);
    }
}
