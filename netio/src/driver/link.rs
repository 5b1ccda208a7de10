//! One connection that carries DNS messages, on its way or open, in plaintext or under TLS: what the
//! drivers of the coordinators are made of.

use super::clock::Clock;
use super::stream::{NextEvent, Options, Stream};
#[cfg(feature = "tls")]
use crate::tls;
use bytes::Bytes;
use core::future::Future;
use core::net::SocketAddr;
use core::pin::Pin;
use core::task::{Context, Poll};
use proto_dns::{Limits, UsageError, client};
use std::io;
use tokio::net::TcpStream;

/// How connections are made.
#[derive(Clone, Debug, Default)]
pub(super) enum Dial {
    /// TCP (RFC 7766).
    #[default]
    Plain,
    /// TLS (RFC 7858).
    #[cfg(feature = "tls")]
    Tls {
        config: std::sync::Arc<tls::tokio_rustls::rustls::ClientConfig>,
        name: tls::tokio_rustls::rustls::pki_types::ServerName<'static>,
    },
}

type Connecting = Pin<Box<dyn Future<Output = io::Result<TcpStream>> + Send>>;

enum State {
    Connecting(Connecting),
    Plain(Box<Stream<client::Stream, TcpStream>>),
    #[cfg(feature = "tls")]
    Tls(Box<Stream<client::Stream, tls::Stream<TcpStream>>>),
}

/// A connection.
pub(super) struct Link {
    state: State,
    dial: Dial,
    clock: Clock,
    limits: Limits,
}

/// What became of a connection.
pub(super) enum Fact {
    /// It stands; under TLS, what is sent now leaves after the handshake.
    Connected,
    /// It could not be made.
    Failed,
    /// A message has come.
    Message(Bytes),
    /// It has ended.
    Closed,
}

impl Link {
    pub(super) fn connect(to: SocketAddr, dial: Dial, clock: Clock, limits: Limits) -> Self {
        Self {
            state: State::Connecting(Box::pin(TcpStream::connect(to))),
            dial,
            clock,
            limits,
        }
    }

    /// Sends a message; nothing is sent on a connection that does not stand.
    pub(super) fn send(&mut self, message: Bytes) -> Result<(), UsageError> {
        match &mut self.state {
            State::Connecting(_) => Ok(()),
            State::Plain(stream) => stream.machine_mut().send(message),
            #[cfg(feature = "tls")]
            State::Tls(stream) => stream.machine_mut().send(message),
        }
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Fact> {
        match &mut self.state {
            State::Connecting(connecting) => match core::task::ready!(connecting.as_mut().poll(cx))
            {
                Err(_) => Poll::Ready(Fact::Failed),
                Ok(socket) => {
                    let _ = socket.set_nodelay(true);
                    self.state = self.open(socket);
                    Poll::Ready(Fact::Connected)
                }
            },
            State::Plain(stream) => stream.poll_next(cx).map(fact),
            #[cfg(feature = "tls")]
            State::Tls(stream) => stream.poll_next(cx).map(fact),
        }
    }

    fn open(&self, socket: TcpStream) -> State {
        // The ids of the messages are the coordinator's: this machine makes none.
        let machine = |now| client::Stream::new(now, self.limits.clone(), [0; 32]);
        match &self.dial {
            Dial::Plain => {
                let options = Options::default();
                let stream =
                    Stream::with_options(machine(self.clock.now()), socket, self.clock, options);
                State::Plain(Box::new(stream))
            }
            #[cfg(feature = "tls")]
            Dial::Tls { config, name } => {
                let io = tls::Stream::client(socket, config.clone(), name.clone());
                // Such a driver has a clock of its own, which begins now.
                let machine = machine(core::time::Duration::ZERO);
                State::Tls(Box::new(Stream::implicit_tls(machine, io)))
            }
        }
    }
}

fn fact(next: NextEvent<client::Stream>) -> Fact {
    match next {
        Ok(Some(client::stream::Event::Message(message))) => Fact::Message(message),
        // The other events are about queries of the connection's own: there are none.
        _ => Fact::Closed,
    }
}

impl core::fmt::Debug for Link {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match &self.state {
            State::Connecting(_) => f.write_str("Connecting"),
            State::Plain(stream) => stream.fmt(f),
            #[cfg(feature = "tls")]
            State::Tls(stream) => stream.fmt(f),
        }
    }
}
