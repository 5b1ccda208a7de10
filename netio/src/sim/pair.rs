//! Two stream machines and a wire between them.

use super::adapter::{StreamApp, StreamNode};
use super::config::{HostConfig, PathConfig, RunLimits, StreamConfig};
use super::net::Net;
use super::{NodeId, Seed, SimError};
use crate::shape::StreamMachine;
use core::fmt::{self, Debug};
use core::marker::PhantomData;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use core::time::Duration;

const CLIENT: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const SERVER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
const PORT: u16 = 7;

/// Two stream machines, each with its application, over one simulated stream: what most tests need.
///
/// ```
/// # use netio::shape::{StreamMachine, StreamTransmit};
/// # use bytes::{Buf, Bytes, BytesMut};
/// # use core::time::Duration;
/// # /// Says one thing, hears one thing.
/// # #[derive(Debug)] struct Word { say: Bytes, eof: bool, told: bool, ended: bool }
/// # impl Word { fn new(say: &'static str) -> Self { Self { say: say.into(), eof: false, told: false, ended: false } } }
/// # impl StreamMachine for Word {
/// #     type Event = Bytes;
/// #     type Error = core::convert::Infallible;
/// #     fn poll_event(&mut self, _: Duration, input: &mut BytesMut) -> Result<Option<Bytes>, Self::Error> {
/// #         if !self.eof || self.told { return Ok(None) }
/// #         self.told = true;
/// #         Ok(Some(input.split().freeze()))
/// #     }
/// #     fn poll_transmit(&mut self, _: Duration, budget: usize) -> Option<StreamTransmit> {
/// #         if self.ended { return None }
/// #         if self.say.is_empty() { self.ended = true; return Some(StreamTransmit::Shutdown) }
/// #         let len = self.say.len().min(budget);
/// #         (len > 0).then(|| StreamTransmit::Data(self.say.split_to(len)))
/// #     }
/// #     fn poll_timeout(&self) -> Option<Duration> { None }
/// #     fn handle_timeout(&mut self, _: Duration) {}
/// #     fn handle_eof(&mut self, _: Duration) { self.eof = true }
/// #     fn handle_disconnect(&mut self, _: Duration) { self.told = true; self.ended = true }
/// #     fn close(&mut self) {}
/// #     fn wants_read(&self) -> bool { !self.eof }
/// #     fn is_closed(&self) -> bool { self.told && self.ended }
/// # }
/// use netio::sim::{Pair, StreamConfig};
///
/// let mut pair = Pair::new(
///     1, // the seed
///     (Word::new("ping"), |_, _: &mut Word, heard: Bytes| assert_eq!(heard, "pong")),
///     (Word::new("pong"), |_, _: &mut Word, heard: Bytes| assert_eq!(heard, "ping")),
/// )
/// .stream(StreamConfig::torn());
/// pair.run()?;
/// assert!(pair.is_done());
/// assert!(pair.net.now() < Duration::from_secs(1));
/// # Ok::<(), netio::sim::SimError>(())
/// ```
pub struct Pair<C, A, S, B> {
    /// The network, with two hosts and two nodes named `client` and `server`.
    pub net: Net,
    client: NodeId,
    server: NodeId,
    types: Types<C, A, S, B>,
}

type Types<C, A, S, B> = PhantomData<fn() -> (C, A, S, B)>;

impl<C, A, S, B> Pair<C, A, S, B>
where
    C: StreamMachine + 'static,
    A: StreamApp<C> + 'static,
    S: StreamMachine + 'static,
    B: StreamApp<S> + 'static,
{
    /// A client that connects to a server, over a [`StreamConfig::default`].
    pub fn new(seed: impl Into<Seed>, client: (C, A), server: (S, B)) -> Self {
        Self::build(seed.into(), client, server, false)
    }

    /// The same, with TLS from the start.
    pub fn with_implicit_tls(seed: impl Into<Seed>, client: (C, A), server: (S, B)) -> Self {
        Self::build(seed.into(), client, server, true)
    }

    fn build(seed: Seed, client: (C, A), server: (S, B), tls: bool) -> Self {
        let mut net = Net::new(seed);
        let config = HostConfig::default();
        let here = net.add_host("client", &config, [IpAddr::V4(CLIENT)]);
        let there = net.add_host("server", &config, [IpAddr::V4(SERVER)]);
        let mut acceptor = StreamNode::accept(PORT, server.0, server.1);
        let address = SocketAddr::from((SERVER, PORT));
        let mut connector = StreamNode::connect(address, client.0, client.1);
        if tls {
            acceptor = acceptor.implicit_tls();
            connector = connector.implicit_tls();
        }
        let server = net.add_node(there, "server", acceptor);
        let client = net.add_node(here, "client", connector);
        Self {
            net,
            client,
            server,
            types: PhantomData,
        }
    }

    /// Sets both directions of the stream. Before the first [`run`](Self::run).
    #[must_use]
    pub fn stream(mut self, stream: StreamConfig) -> Self {
        self.net.set_default_path(PathConfig {
            stream,
            ..PathConfig::default()
        });
        self
    }

    /// Sets the bounds of a run.
    #[must_use]
    pub fn limits(mut self, limits: RunLimits) -> Self {
        self.net.set_limits(limits);
        self
    }

    /// Keeps a transcript from now on.
    #[must_use]
    pub fn keep_transcript(mut self) -> Self {
        self.net.keep_transcript();
        self
    }

    /// Runs until nothing more can happen. Timers count: a machine with an idle timeout runs into it.
    ///
    /// # Errors
    ///
    /// As [`Net::step`].
    pub fn run(&mut self) -> Result<(), SimError> {
        self.net.run_until_idle()
    }

    /// Runs up to a time.
    ///
    /// # Errors
    ///
    /// As [`Net::step`].
    pub fn run_until(&mut self, until: Duration) -> Result<(), SimError> {
        self.net.run_until(until)
    }

    /// Lets the client's embedder act.
    ///
    /// # Errors
    ///
    /// As [`Net::step`].
    pub fn client_acts<T>(
        &mut self,
        act: impl FnOnce(&mut C, &mut A, Duration) -> T,
    ) -> Result<Option<T>, SimError> {
        self.net
            .with(self.client, |node: &mut StreamNode<C, A>, net| {
                node.act(net, act)
            })
    }

    /// Lets the server's embedder act.
    ///
    /// # Errors
    ///
    /// As [`Net::step`].
    pub fn server_acts<T>(
        &mut self,
        act: impl FnOnce(&mut S, &mut B, Duration) -> T,
    ) -> Result<Option<T>, SimError> {
        self.net
            .with(self.server, |node: &mut StreamNode<S, B>, net| {
                node.act(net, act)
            })
    }

    /// The client; always there.
    #[must_use]
    pub fn client(&self) -> Option<&StreamNode<C, A>> {
        self.net.node(self.client)
    }

    /// The server; always there.
    #[must_use]
    pub fn server(&self) -> Option<&StreamNode<S, B>> {
        self.net.node(self.server)
    }

    /// Whether both machines have ended.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.client().is_some_and(StreamNode::is_done)
            && self.server().is_some_and(StreamNode::is_done)
    }
}

impl<C, A, S, B> Debug for Pair<C, A, S, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pair")
            .field("net", &self.net)
            .finish_non_exhaustive()
    }
}
