//! Actors on hosts, and what they can do.

use super::stream::Item;
use super::transcript::Call;
use super::world::World;
use super::{HostId, NodeId, SimError, SocketId, StreamId};
use bytes::{Bytes, BytesMut};
use core::any::Any;
use core::fmt::Debug;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

/// An actor on a host: an embedder, as it would be written over real sockets.
///
/// It is called when something concerns it, and acts through the [`Context`]. What drives one
/// machine per stream or per socket need not be written: see [`StreamNode`](super::StreamNode),
/// [`StreamServer`](super::StreamServer) and [`DatagramNode`](super::DatagramNode). A coordinator
/// (an FTP session, a resolver with TCP, a swarm) is a node of its own.
pub trait Node: Any + Debug {
    /// Something happened.
    fn handle(&mut self, net: &mut Context<'_>, fact: Fact);

    /// When [`Fact::Timer`] is wished for: a time point. Asked after each call of
    /// [`handle`](Self::handle).
    fn poll_timeout(&self) -> Option<Duration> {
        None
    }
}

/// What a node is told.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fact {
    /// The first call of all.
    Started,
    /// The host was down and is up again. All its streams, sockets and listeners are gone.
    Restarted,
    /// The time that [`Node::poll_timeout`] named has come.
    Timer,
    /// A connect succeeded.
    Connected {
        /// As [`Context::connect`] gave it.
        stream: StreamId,
    },
    /// Nobody listens there.
    Refused {
        /// As [`Context::connect`] gave it.
        stream: StreamId,
    },
    /// Somebody connected to a port on which this node listens.
    Accepted {
        /// The new stream.
        stream: StreamId,
        /// The peer.
        from: SocketAddr,
        /// The port that the peer asked for.
        port: u16,
    },
    /// Octets can be read. Told once for each arrival.
    Readable {
        /// Whose.
        stream: StreamId,
    },
    /// There is room again, after a write that took less than it was given.
    Writable {
        /// Whose.
        stream: StreamId,
    },
    /// The peer ended its side in order. Octets may still be unread before the end; see
    /// [`Context::at_eof`].
    Eof {
        /// Whose.
        stream: StreamId,
    },
    /// The stream is dead: reset by the peer, or given up for want of answers. Unread octets are
    /// lost.
    Reset {
        /// Whose.
        stream: StreamId,
    },
    /// Both sides have called [`Context::start_tls`].
    Secured {
        /// Whose.
        stream: StreamId,
    },
    /// A datagram arrived.
    Datagram {
        /// The socket that it reached.
        socket: SocketId,
        /// Its source.
        from: SocketAddr,
        /// Its octets.
        data: Bytes,
    },
}

/// What a node sees of the network and does in it, for the time of one call.
#[derive(Debug)]
pub struct Context<'a> {
    pub(super) world: &'a mut World,
    pub(super) node: NodeId,
    pub(super) name: &'a str,
    pub(super) host: HostId,
}

impl Context<'_> {
    /// The time since the start.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.world.now
    }

    /// The name of this node.
    #[must_use]
    pub fn name(&self) -> &str {
        self.name
    }

    /// The host of this node.
    #[must_use]
    pub fn host(&self) -> HostId {
        self.host
    }

    /// The addresses of this host.
    #[must_use]
    pub fn addresses(&self) -> &[IpAddr] {
        self.world
            .host(self.host)
            .map_or(&[], |host| &host.addresses)
    }

    /// A seed, for a machine that takes one; another one in every call.
    pub fn seed(&mut self) -> [u8; 32] {
        self.world.rng.seed()
    }

    /// Begins a connection from a random port. [`Fact::Connected`], [`Fact::Refused`] or, when
    /// nothing answers, [`Fact::Reset`] follows.
    pub fn connect(&mut self, to: SocketAddr) -> StreamId {
        self.world.connect(self.node, self.host, to)
    }

    /// Accepts connections to a port, at all addresses of the host; false when it is taken.
    pub fn listen(&mut self, port: u16) -> bool {
        self.world.listen(self.node, self.host, port)
    }

    /// Ends [`listen`](Self::listen). Streams that were accepted stay.
    pub fn unlisten(&mut self, port: u16) {
        self.world.unlisten(self.node, self.host, port);
    }

    /// Appends what has arrived to `into`, as much at a time as
    /// [`Split`](super::Split) says; how many octets. Call until it gives 0.
    pub fn read(&mut self, stream: StreamId, into: &mut BytesMut) -> usize {
        self.world.read(self.node, stream, into)
    }

    /// Sends a prefix of `data`; how many octets. [`Fact::Writable`] follows a short write.
    pub fn write(&mut self, stream: StreamId, data: &[u8]) -> usize {
        self.world.write(self.node, self.name, stream, data)
    }

    /// How many octets [`write`](Self::write) would take now. When it is 0, [`Fact::Writable`] follows
    /// as after a short write.
    pub fn room(&mut self, stream: StreamId) -> usize {
        self.world.room(self.node, stream)
    }

    /// Whether everything was read that the peer sent before it ended its side.
    #[must_use]
    pub fn at_eof(&self, stream: StreamId) -> bool {
        self.world
            .stream(self.node, stream)
            .is_some_and(|entry| entry.way(stream.side.other()).ready.front() == Some(&Item::Fin))
    }

    /// The addresses of the two ends, this one first; `None` for a stream that is gone.
    #[must_use]
    pub fn stream_addresses(&self, stream: StreamId) -> Option<(SocketAddr, SocketAddr)> {
        let entry = self.world.stream(self.node, stream)?;
        Some((
            entry.end(stream.side).address,
            entry.end(stream.side.other()).address,
        ))
    }

    /// Ends this side in order, once all that was written has left. Reading goes on.
    pub fn shutdown(&mut self, stream: StreamId) {
        self.world.mark(self.node, stream, Item::Fin);
    }

    /// Gives the stream up: in order when everything that came was read, by a reset otherwise, as
    /// TCP does it. What comes later is answered with a reset, too.
    pub fn close(&mut self, stream: StreamId) {
        self.world.close(self.node, stream);
    }

    /// Resets the stream: what was written and has not arrived is lost.
    pub fn abort(&mut self, stream: StreamId) {
        self.world.abort(self.node, stream);
    }

    /// Begins a TLS handshake. When both sides have, each is told [`Fact::Secured`]; until then a
    /// write ends the run with [`SimError::Plaintext`], and octets of the peer that stand before its
    /// own handshake reset the stream, since they would have broken a real one.
    pub fn start_tls(&mut self, stream: StreamId) {
        self.world.mark(self.node, stream, Item::Tls);
    }

    /// Goes back to plaintext, as `close_notify` does. The peer need not do anything.
    pub fn stop_tls(&mut self, stream: StreamId) {
        self.world.mark(self.node, stream, Item::Plain);
    }

    /// Binds a datagram socket: to this port, or to a random one. `None` when it is taken.
    pub fn bind(&mut self, port: Option<u16>) -> Option<SocketId> {
        self.world.bind(self.node, self.host, port)
    }

    /// Drops a socket.
    pub fn unbind(&mut self, socket: SocketId) {
        self.world.unbind(self.node, socket);
    }

    /// Sends a datagram from the host's first address of the family; false when the socket is gone.
    pub fn send(&mut self, socket: SocketId, to: SocketAddr, data: Bytes) -> bool {
        self.world.send(self.node, socket, None, to, data)
    }

    /// Sends a datagram with any source address: a forger, who sees none of the replies.
    pub fn send_as(&mut self, socket: SocketId, from: IpAddr, to: SocketAddr, data: Bytes) -> bool {
        self.world.send(self.node, socket, Some(from), to, data)
    }

    /// The address of a socket of this node.
    #[must_use]
    pub fn socket_address(&self, socket: SocketId) -> Option<SocketAddr> {
        self.world.socket_address(self.node, socket)
    }

    /// Ends the run with [`SimError::Node`].
    pub fn fail(&mut self, reason: impl Into<String>) {
        let error = SimError::Node {
            node: self.name.to_string(),
            at: self.world.now,
            reason: reason.into(),
        };
        self.world.failure.get_or_insert(error);
    }

    /// Adds a line to the transcript, when one is kept.
    pub fn note(&mut self, text: &str) {
        if self.records() {
            self.record(None, Call::Note(text.to_string()));
        }
    }

    pub(super) fn records(&self) -> bool {
        self.world.transcript.is_some()
    }

    pub(super) fn record(&mut self, stream: Option<StreamId>, call: Call) {
        self.world.record(self.name, stream, call);
    }
}
