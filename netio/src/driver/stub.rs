//! The driver of the DNS stub: datagrams by sockets, and connections as the stub wishes.

use super::clock::Clock;
use super::datagram::Datagram;
use super::link::{Dial, Fact, Link};
use super::sockets::SocketStats;
use core::net::SocketAddr;
use core::task::{Context, Poll};
use core::time::Duration;
use proto_dns::client::stub::{Action, ConnectionId, Event};
use proto_dns::client::{self, QueryOptions};
use proto_dns::wire::{MessageBuf, Question};
use proto_dns::{Config, Failure, Limits, QueryId, Transport, UsageError};
use std::collections::VecDeque;

/// What [`Stub::lookup`] found.
#[derive(Debug)]
#[non_exhaustive]
pub struct Lookup {
    /// The reply. NXDOMAIN and NODATA are answers too.
    pub message: MessageBuf,
    /// Who answered.
    pub server: SocketAddr,
    /// How.
    pub over: Transport,
    /// How long it took.
    pub took: Duration,
}

/// Why [`Stub::lookup`] found nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LookupError {
    /// The query was not taken.
    #[error(transparent)]
    Usage(#[from] UsageError),
    /// Nobody gave an answer.
    #[error("{reason}")]
    Failed {
        /// Why.
        reason: Failure,
        /// What the last server said, if it said anything of use.
        reply: Option<MessageBuf>,
    },
}

/// Runs a [`client::Stub`] over UDP sockets and TCP connections.
///
/// [`lookup`](Self::lookup) is all that most programs need. Several queries at once go by
/// [`query`](Self::query) and [`next`](Self::next).
///
/// ```no_run
/// # async fn doc(seed: [u8; 32]) -> Result<(), Box<dyn std::error::Error>> {
/// use netio::driver::Stub;
/// use proto_dns::wire::{Question, Type};
///
/// let config = proto_dns::Config::new(["127.0.0.1:53".parse()?]);
/// let mut stub = Stub::new(config, proto_dns::Limits::default(), seed);
/// let question = Question::new("www.ibm.com".parse()?, Type::A);
/// let found = stub.lookup(question, Default::default()).await?;
/// for record in found.message.view().answers() {
///     println!("{record}");
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Stub {
    /// The stub itself, and all that goes by datagrams.
    datagrams: Datagram<client::Stub>,
    clock: Clock,
    connections: Vec<(ConnectionId, Link)>,
    dial: Dial,
    /// Events of other queries that came during a lookup.
    passed_over: VecDeque<Event>,
}

impl Stub {
    /// A stub with its own clock. The seed must come from the system's source of randomness.
    #[must_use]
    pub fn new(config: Config, limits: Limits, seed: [u8; 32]) -> Self {
        let clock = Clock::new();
        Self {
            datagrams: Datagram::with_clock(
                client::Stub::new(clock.now(), config, limits, seed),
                None,
                clock,
            ),
            clock,
            connections: Vec::new(),
            dial: Dial::default(),
            passed_over: VecDeque::new(),
        }
    }

    /// Makes every connection one of TLS (RFC 7858), with a server that proves this name. Queries
    /// whose options do not say [`tcp`](QueryOptions::tcp) still go in plaintext over UDP first.
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

    /// Asks, and waits for the answer. A lookup whose future is dropped is not cancelled: its event
    /// comes by [`next`](Self::next).
    ///
    /// # Errors
    ///
    /// [`LookupError`].
    pub async fn lookup(
        &mut self,
        question: Question,
        options: QueryOptions,
    ) -> Result<Lookup, LookupError> {
        let begin = self.clock.now();
        let wanted = self.machine_mut().query(question, options)?;
        loop {
            let event = core::future::poll_fn(|cx| self.poll_machine(cx)).await;
            match event {
                Event::Answer {
                    id,
                    message,
                    server,
                    over,
                } if id == wanted => {
                    let took = self.clock.now().saturating_sub(begin);
                    return Ok(Lookup {
                        message,
                        server,
                        over,
                        took,
                    });
                }
                Event::Failed { id, reason, reply } if id == wanted => {
                    return Err(LookupError::Failed { reason, reply });
                }
                event => self.passed_over.push_back(event),
            }
        }
    }

    /// Asks; [`next`](Self::next) will tell.
    ///
    /// # Errors
    ///
    /// As the machine's.
    pub fn query(
        &mut self,
        question: Question,
        options: QueryOptions,
    ) -> Result<QueryId, UsageError> {
        self.machine_mut().query(question, options)
    }

    /// Waits for the end of any query. Cancel-safe. Waits for ever when there is none.
    pub async fn next(&mut self) -> Event {
        match self.passed_over.pop_front() {
            Some(event) => event,
            None => core::future::poll_fn(|cx| self.poll_machine(cx)).await,
        }
    }

    /// The machine, for its other commands and its counters.
    pub fn machine_mut(&mut self) -> &mut client::Stub {
        self.datagrams.machine_mut()
    }

    /// What became of datagrams outside the machine.
    #[must_use]
    pub fn socket_stats(&self) -> SocketStats {
        self.datagrams.socket_stats()
    }

    fn poll_machine(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        loop {
            if let Poll::Ready(event) = self.datagrams.poll_next(cx) {
                return Poll::Ready(event);
            }
            let acted = self.act();
            let connected = self.poll_connections(cx);
            if !(acted || connected) {
                return Poll::Pending;
            }
        }
    }

    /// Carries out what the stub wishes.
    fn act(&mut self) -> bool {
        let now = self.clock.now();
        let mut progress = false;
        while let Some(action) = self.datagrams.machine_mut().poll_action(now) {
            progress = true;
            match action {
                Action::Connect { id, to } => {
                    let limits = self.datagrams.machine().limits().clone();
                    let link = Link::connect(to, self.dial.clone(), self.clock, limits);
                    self.connections.push((id, link));
                }
                Action::Send { id, message } => {
                    let link = self.connections.iter_mut().find(|(open, _)| *open == id);
                    if let Some((_, link)) = link
                        && link.send(message).is_err()
                    {
                        self.lose(id);
                    }
                }
                Action::Close { id } => self.connections.retain(|(open, _)| *open != id),
            }
        }
        progress
    }

    /// Lets each connection go on; true when the stub was told of something.
    fn poll_connections(&mut self, cx: &mut Context<'_>) -> bool {
        let mut facts = Vec::new();
        for (id, link) in &mut self.connections {
            if let Poll::Ready(fact) = link.poll(cx) {
                facts.push((*id, fact));
            }
        }
        let progress = !facts.is_empty();
        let now = self.clock.now();
        for (id, fact) in facts {
            match fact {
                Fact::Connected => self.machine_mut().handle_connected(now, id),
                Fact::Message(message) => self.machine_mut().handle_message(now, id, &message),
                Fact::Failed => {
                    self.connections.retain(|(open, _)| *open != id);
                    self.machine_mut().handle_connect_failed(now, id);
                }
                Fact::Closed => self.lose(id),
            }
        }
        progress
    }

    fn lose(&mut self, id: ConnectionId) {
        self.connections.retain(|(open, _)| *open != id);
        let now = self.clock.now();
        self.machine_mut().handle_closed(now, id);
    }
}
