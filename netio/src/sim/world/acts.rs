//! What nodes do.

use super::{Direction, EPHEMERAL, Socket, Wake, World};
use crate::sim::link::Packet;
use crate::sim::stream::{End, Item, Stage, Stream, Tls, Way};
use crate::sim::{HostId, NodeId, Side, SimError, SocketId, StreamId};
use bytes::{Bytes, BytesMut};
use core::net::{IpAddr, SocketAddr};
use std::collections::BTreeMap;

impl World {
    pub(in crate::sim) fn connect(
        &mut self,
        node: NodeId,
        host: HostId,
        to: SocketAddr,
    ) -> StreamId {
        let stream = self.next_stream;
        self.next_stream = stream.wrapping_add(1);
        let id = StreamId {
            stream,
            side: Side::Client,
        };
        let port = self.free_port(host).unwrap_or(EPHEMERAL);
        let source = self.source(host, to.ip()).unwrap_or(to.ip());
        let target = self.addresses.get(&to.ip()).copied();
        // An address that nobody has is like a host that does not answer.
        let peer = target.unwrap_or(HostId(usize::MAX));
        let there = self.path(host, peer).stream.clone();
        let back = self.path(peer, host).stream.clone();
        let (latency, give_up) = (there.latency, there.give_up);
        let end = |node, host, address, open| End {
            node,
            host,
            address,
            open,
            tls: Tls::Idle,
        };
        let entry = Stream {
            stage: Stage::Connecting,
            ends: [
                end(Some(node), host, SocketAddr::new(source, port), true),
                end(None, peer, to, false),
            ],
            ways: [Way::new(there), Way::new(back)],
        };
        self.streams.insert(stream, entry);
        self.after(latency, Wake::Connect(stream));
        self.after(give_up, Wake::ConnectTimeout(stream));
        id
    }

    pub(in crate::sim) fn listen(&mut self, node: NodeId, host: HostId, port: u16) -> bool {
        if self.listeners.contains_key(&(host, port)) {
            return false;
        }
        self.listeners.insert((host, port), node);
        true
    }

    pub(in crate::sim) fn unlisten(&mut self, node: NodeId, host: HostId, port: u16) {
        if self.listeners.get(&(host, port)) == Some(&node) {
            self.listeners.remove(&(host, port));
        }
    }

    pub(in crate::sim) fn stream(&self, node: NodeId, id: StreamId) -> Option<&Stream> {
        let entry = self.streams.get(&id.stream)?;
        let end = entry.end(id.side);
        (end.open && end.node == Some(node)).then_some(entry)
    }

    fn stream_mut(&mut self, node: NodeId, id: StreamId) -> Option<&mut Stream> {
        held(&mut self.streams, node, id)
    }

    pub(in crate::sim) fn write(
        &mut self,
        node: NodeId,
        name: &str,
        id: StreamId,
        data: &[u8],
    ) -> usize {
        let now = self.now;
        let Some(entry) = held(&mut self.streams, node, id) else {
            return 0;
        };
        if entry.end(id.side).is_handshaking() && !data.is_empty() {
            self.failure.get_or_insert(SimError::Plaintext {
                node: name.to_string(),
                at: now,
            });
            return 0;
        }
        let len = entry.way_mut(id.side).write(data, &mut self.rng);
        self.pump(id.stream, id.side);
        len
    }

    pub(in crate::sim) fn room(&mut self, node: NodeId, id: StreamId) -> usize {
        let Some(entry) = self.stream_mut(node, id) else {
            return 0;
        };
        let way = entry.way_mut(id.side);
        let room = way.room();
        way.starved |= room == 0;
        room
    }

    pub(in crate::sim) fn read(
        &mut self,
        node: NodeId,
        id: StreamId,
        into: &mut BytesMut,
    ) -> usize {
        let Some(entry) = held(&mut self.streams, node, id) else {
            return 0;
        };
        // What comes now belongs to the handshake.
        if entry.end(id.side).is_handshaking() {
            return 0;
        }
        let from = id.side.other();
        let len = entry.way_mut(from).read(into, &mut self.rng);
        let latency = entry.way(id.side).config.latency;
        if len > 0 {
            self.after(latency, Wake::Credit(id.stream, from, len));
        }
        len
    }

    pub(in crate::sim) fn mark(&mut self, node: NodeId, id: StreamId, item: Item) {
        let Some(entry) = self.stream_mut(node, id) else {
            return;
        };
        if entry.way(id.side).finished {
            return;
        }
        if item == Item::Tls {
            entry.end_mut(id.side).tls = Tls::Hello;
        }
        entry.way_mut(id.side).mark(item);
        self.pump(id.stream, id.side);
        self.try_handshake(id.stream, id.side);
    }

    pub(in crate::sim) fn close(&mut self, node: NodeId, id: StreamId) {
        let Some(entry) = self.stream_mut(node, id) else {
            return;
        };
        let unread = entry.way(id.side.other()).has_data();
        let connecting = entry.stage == Stage::Connecting;
        if unread {
            self.abort(node, id);
            return;
        }
        self.mark(node, id, Item::Fin);
        if let Some(entry) = self.streams.get_mut(&id.stream) {
            entry.end_mut(id.side).open = false;
        }
        if connecting {
            self.streams.remove(&id.stream);
        }
        self.forget(id.stream);
    }

    pub(in crate::sim) fn abort(&mut self, node: NodeId, id: StreamId) {
        let Some(entry) = self.stream_mut(node, id) else {
            return;
        };
        let end = entry.end_mut(id.side);
        end.open = false;
        entry.way_mut(id.side).clear();
        self.reset_peer_of(id.stream, id.side);
        self.forget(id.stream);
    }

    pub(in crate::sim) fn bind(
        &mut self,
        node: NodeId,
        host: HostId,
        port: Option<u16>,
    ) -> Option<SocketId> {
        let port = match port {
            Some(port) => port,
            None => self.free_port(host)?,
        };
        if self.bound.contains_key(&(host, port)) {
            return None;
        }
        let address = SocketAddr::new(*self.host(host)?.addresses.first()?, port);
        let id = SocketId(self.next_socket);
        self.next_socket = self.next_socket.wrapping_add(1);
        self.bound.insert((host, port), id);
        self.sockets.insert(
            id,
            Socket {
                node,
                host,
                address,
            },
        );
        Some(id)
    }

    pub(in crate::sim) fn unbind(&mut self, node: NodeId, id: SocketId) {
        if self
            .sockets
            .get(&id)
            .is_some_and(|socket| socket.node == node)
            && let Some(socket) = self.sockets.remove(&id)
        {
            self.bound.remove(&(socket.host, socket.address.port()));
        }
    }

    pub(in crate::sim) fn send(
        &mut self,
        node: NodeId,
        id: SocketId,
        source: Option<IpAddr>,
        to: SocketAddr,
        data: Bytes,
    ) -> bool {
        let Some(socket) = self.sockets.get(&id).filter(|socket| socket.node == node) else {
            return false;
        };
        let (host, port) = (socket.host, socket.address.port());
        let Some(source) = source.or_else(|| self.source(host, to.ip())) else {
            return false;
        };
        let packet = Packet::Datagram {
            socket: id,
            from: SocketAddr::new(source, port),
            to,
            data,
        };
        if self.addresses.get(&to.ip()) == Some(&host) {
            self.travel(packet);
        } else {
            self.enqueue(host, Direction::Up, packet);
        }
        true
    }

    pub(in crate::sim) fn socket_address(&self, node: NodeId, id: SocketId) -> Option<SocketAddr> {
        let socket = self.sockets.get(&id)?;
        (socket.node == node).then_some(socket.address)
    }
}

/// The stream, if this node holds its end.
fn held(streams: &mut BTreeMap<u64, Stream>, node: NodeId, id: StreamId) -> Option<&mut Stream> {
    let entry = streams.get_mut(&id.stream)?;
    let end = entry.end(id.side);
    (end.open && end.node == Some(node)).then_some(entry)
}
