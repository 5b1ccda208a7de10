//! The driver of the DNS stub: datagrams by sockets, and connections as the stub wishes.

use super::clock::Clock;
use super::datagram::Datagram;
use super::sockets::SocketStats;
use super::stream::{Options, Stream};
use core::future::Future;
use core::net::SocketAddr;
use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;
use proto_dns::client::stub::{Action, ConnectionId, Event};
use proto_dns::client::{self, QueryOptions};
use proto_dns::wire::{MessageBuf, Question};
use proto_dns::{Config, Failure, Limits, QueryId, Transport, UsageError};
use std::collections::VecDeque;
use std::io;
use tokio::net::TcpStream;

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
    connections: Vec<(ConnectionId, Connection)>,
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
            passed_over: VecDeque::new(),
        }
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
                    let connecting = Connection::Connecting(Box::pin(TcpStream::connect(to)));
                    self.connections.push((id, connecting));
                }
                Action::Send { id, message } => {
                    let stream = self.connections.iter_mut().find(|(open, _)| *open == id);
                    if let Some((_, Connection::Open(stream))) = stream
                        && stream.machine_mut().send(message).is_err()
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
        for (id, connection) in &mut self.connections {
            let fact = match connection {
                Connection::Connecting(connecting) => match connecting.as_mut().poll(cx) {
                    Poll::Pending => continue,
                    Poll::Ready(Err(_)) => Fact::Failed,
                    Poll::Ready(Ok(socket)) => {
                        let _ = socket.set_nodelay(true);
                        // The ids of the queries are the stub's: this machine makes none.
                        let limits = self.datagrams.machine().limits().clone();
                        let machine = client::Stream::new(self.clock.now(), limits, [0; 32]);
                        let options = Options::default();
                        let stream = Stream::with_options(machine, socket, self.clock, options);
                        *connection = Connection::Open(Box::new(stream));
                        Fact::Connected
                    }
                },
                Connection::Open(stream) => match stream.poll_next(cx) {
                    Poll::Pending => continue,
                    Poll::Ready(Ok(Some(client::stream::Event::Message(message)))) => {
                        Fact::Message(message)
                    }
                    Poll::Ready(Ok(Some(client::stream::Event::PeerClosed) | None) | Err(_)) => {
                        Fact::Closed
                    }
                    // The other events are about queries of the connection's own: there are none.
                    Poll::Ready(Ok(Some(_))) => Fact::Closed,
                },
            };
            facts.push((*id, fact));
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

/// What became of a connection.
enum Fact {
    Connected,
    Failed,
    Message(bytes::Bytes),
    Closed,
}
