//! Any machine as a node: a stream machine at either end, one per accepted connection, or a datagram
//! machine over its sockets.

use super::node::{Context, Fact, Node};
use super::transcript::{Call, Polled, START};
use super::{SocketId, StreamId};
use crate::shape::{
    DatagramMachine, DatagramTransmit, Local, LocalId, StreamMachine, StreamTransmit, TlsInfo,
};
use bytes::{Bytes, BytesMut};
use core::fmt::{self, Debug};
use core::net::SocketAddr;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// The most octets that a machine is asked for at a time.
const BUDGET: usize = 64 * 1024;

/// What an embedder does with a stream machine.
///
/// A closure `FnMut(Duration, &mut M, M::Event)` is one, where answering events is all there is to
/// do.
pub trait StreamApp<M: StreamMachine> {
    /// The stream is open (with implicit TLS: and secured). The place for first commands.
    fn start(&mut self, now: Duration, machine: &mut M) {
        let _ = (now, machine);
    }

    /// Takes an event.
    fn on_event(&mut self, now: Duration, machine: &mut M, event: M::Event);

    /// Takes the error, which is the last thing that a machine says.
    fn on_error(&mut self, now: Duration, machine: &mut M, error: M::Error) {
        let _ = (now, machine, error);
    }

    /// Does what has become possible: sends more of a body, answers what had to wait. Called whenever
    /// something moved, until it returns false.
    fn advance(&mut self, now: Duration, machine: &mut M) -> bool {
        let _ = (now, machine);
        false
    }

    /// When [`advance`](Self::advance) wants to be called although nothing moved: a time point.
    fn poll_timeout(&self) -> Option<Duration> {
        None
    }
}

impl<M: StreamMachine, F: FnMut(Duration, &mut M, M::Event)> StreamApp<M> for F {
    fn on_event(&mut self, now: Duration, machine: &mut M, event: M::Event) {
        self(now, machine, event);
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Waiting,
    Open,
    Handshaking,
    Gone,
}

/// A stream machine on a stream: the loop that an embedder writes, once.
///
/// [`StreamNode`] and [`StreamServer`] are made of it; a coordinator that has stream machines inside
/// hands the facts about each stream to its driver.
#[derive(Debug)]
pub struct StreamDriver<M> {
    machine: M,
    stream: Option<StreamId>,
    state: State,
    input: BytesMut,
    /// What the machine gave and the stream did not take yet.
    pending: Bytes,
    implicit_tls: bool,
    eof: bool,
    shutdown: bool,
    failed: bool,
}

impl<M: StreamMachine> StreamDriver<M> {
    /// A machine that waits for its stream to open.
    pub fn new(machine: M, stream: Option<StreamId>) -> Self {
        Self {
            machine,
            stream,
            state: State::Waiting,
            input: BytesMut::new(),
            pending: Bytes::new(),
            implicit_tls: false,
            eof: false,
            shutdown: false,
            failed: false,
        }
    }

    /// The stream is TLS from its start; both ends have to agree.
    #[must_use]
    pub fn implicit_tls(mut self) -> Self {
        self.implicit_tls = true;
        self
    }

    /// The machine.
    pub fn machine(&self) -> &M {
        &self.machine
    }

    /// The machine, for commands; then call [`drive`](Self::drive).
    pub fn machine_mut(&mut self) -> &mut M {
        &mut self.machine
    }

    /// The stream, once there is one.
    #[must_use]
    pub fn stream(&self) -> Option<StreamId> {
        self.stream
    }

    /// Whether the machine has ended and its stream was given up.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.state == State::Gone
    }

    /// Whether the machine ended with an error.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.failed
    }

    /// When [`drive`](Self::drive) wants to be called.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        match self.state {
            State::Waiting | State::Gone => None,
            State::Open | State::Handshaking => self.machine.poll_timeout(),
        }
    }

    /// Takes a fact about this stream (and [`Fact::Timer`]), and drives.
    pub fn handle(&mut self, net: &mut Context<'_>, fact: &Fact, app: &mut impl StreamApp<M>) {
        let now = net.now();
        match fact {
            Fact::Connected { stream } | Fact::Accepted { stream, .. } => {
                self.stream = Some(*stream);
                self.state = State::Open;
                if self.implicit_tls {
                    self.record(net, || Call::Secured);
                    self.machine.handle_tls_established(now, TlsInfo::default());
                }
                self.record(net, || Call::Note(START.to_string()));
                app.start(now, &mut self.machine);
            }
            Fact::Refused { .. } | Fact::Reset { .. } => self.disconnect(net),
            Fact::Secured { .. } if self.state == State::Handshaking => {
                self.state = State::Open;
                self.record(net, || Call::Secured);
                self.machine.handle_tls_established(now, TlsInfo::default());
            }
            _ => {}
        }
        self.drive(net, app);
    }

    /// Reads, polls, answers and writes until nothing moves any more.
    pub fn drive(&mut self, net: &mut Context<'_>, app: &mut impl StreamApp<M>) {
        let now = net.now();
        let due = |deadline: Duration| deadline <= now;
        if self.state != State::Waiting && self.poll_timeout().is_some_and(due) {
            self.record(net, || Call::Timeout);
            self.machine.handle_timeout(now);
        }
        let most = net.world.limits.chatter;
        for _ in 0..most {
            let mut moved = self.read(net);
            moved |= self.events(net, app);
            moved |= self.write(net);
            if !moved {
                self.finish(net);
                return;
            }
        }
        net.fail(format!("the machine does not stop after {most} rounds"));
    }

    fn disconnect(&mut self, net: &mut Context<'_>) {
        if self.state != State::Gone {
            self.record(net, || Call::Disconnect);
            self.machine.handle_disconnect(net.now());
            self.pending = Bytes::new();
            self.eof = true;
            self.shutdown = true;
        }
    }

    fn read(&mut self, net: &mut Context<'_>) -> bool {
        let Some(stream) = self.stream.filter(|_| self.state == State::Open) else {
            return false;
        };
        if !self.machine.wants_read() {
            return false;
        }
        let before = self.input.len();
        if net.read(stream, &mut self.input) > 0 {
            if net.records() {
                let arrived = self.input.get(before..).unwrap_or_default();
                let call = Call::Input(Bytes::copy_from_slice(arrived));
                net.record(Some(stream), call);
            }
            return true;
        }
        if !self.eof && net.at_eof(stream) {
            self.eof = true;
            self.record(net, || Call::Eof);
            self.machine.handle_eof(net.now());
            return true;
        }
        false
    }

    fn events(&mut self, net: &mut Context<'_>, app: &mut impl StreamApp<M>) -> bool {
        if self.state == State::Waiting && !self.eof {
            return false;
        }
        let now = net.now();
        let mut moved = false;
        for _ in 0..net.world.limits.chatter {
            match self.machine.poll_event(now, &mut self.input) {
                Ok(Some(event)) => {
                    self.record(net, || Call::Event(Polled::Event(format!("{event:?}"))));
                    app.on_event(now, &mut self.machine, event);
                }
                Err(error) => {
                    self.record(net, || Call::Event(Polled::Error(format!("{error:?}"))));
                    self.failed = true;
                    app.on_error(now, &mut self.machine, error);
                }
                Ok(None) => {
                    self.record(net, || Call::Event(Polled::Nothing));
                    let advanced = app.advance(now, &mut self.machine);
                    self.record(net, || Call::Advance(advanced));
                    if !advanced {
                        return moved;
                    }
                }
            }
            moved = true;
        }
        net.fail("the machine does not run out of events");
        false
    }

    fn write(&mut self, net: &mut Context<'_>) -> bool {
        let mut moved = false;
        while let Some(stream) = self.stream.filter(|_| self.state == State::Open) {
            if !self.pending.is_empty() {
                let len = net.write(stream, &self.pending);
                let _written = self.pending.split_to(len.min(self.pending.len()));
                if len == 0 {
                    return moved;
                }
                moved = true;
                continue;
            }
            let budget = net.room(stream).min(BUDGET);
            let step = self.machine.poll_transmit(net.now(), budget);
            self.record(net, || Call::Transmit(budget, step.clone()));
            match step {
                None => return moved,
                Some(StreamTransmit::Data(data) | StreamTransmit::Urgent(data)) => {
                    self.pending = data;
                }
                Some(StreamTransmit::StartTls) => {
                    self.state = State::Handshaking;
                    net.start_tls(stream);
                }
                Some(StreamTransmit::StopTls) => net.stop_tls(stream),
                Some(StreamTransmit::Shutdown) => {
                    self.shutdown = true;
                    net.shutdown(stream);
                }
                Some(StreamTransmit::Abort) => {
                    net.abort(stream);
                    self.disconnect(net);
                }
            }
            moved = true;
        }
        moved
    }

    fn finish(&mut self, net: &mut Context<'_>) {
        if self.machine.is_closed() && self.pending.is_empty() && self.state != State::Gone {
            self.state = State::Gone;
            if let Some(stream) = self.stream {
                net.close(stream);
            }
        }
    }

    fn record(&self, net: &mut Context<'_>, call: impl FnOnce() -> Call) {
        if net.records() {
            net.record(self.stream, call());
        }
    }
}

/// Where a [`StreamNode`] gets its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Connect(SocketAddr),
    Accept(u16),
}

/// One stream machine as a node: it connects, or accepts one connection.
pub struct StreamNode<M, A> {
    role: Role,
    driver: StreamDriver<M>,
    app: A,
}

impl<M: StreamMachine, A: StreamApp<M>> StreamNode<M, A> {
    /// Connects to `to` when the node starts.
    pub fn connect(to: SocketAddr, machine: M, app: A) -> Self {
        Self {
            role: Role::Connect(to),
            driver: StreamDriver::new(machine, None),
            app,
        }
    }

    /// Accepts one connection to `port`; further ones are refused.
    pub fn accept(port: u16, machine: M, app: A) -> Self {
        Self {
            role: Role::Accept(port),
            driver: StreamDriver::new(machine, None),
            app,
        }
    }

    /// The stream is TLS from its start; both ends have to agree.
    #[must_use]
    pub fn implicit_tls(mut self) -> Self {
        self.driver.implicit_tls = true;
        self
    }

    /// The machine.
    pub fn machine(&self) -> &M {
        self.driver.machine()
    }

    /// The application.
    pub fn app(&self) -> &A {
        &self.app
    }

    /// Whether the machine has ended and its stream was given up.
    pub fn is_done(&self) -> bool {
        self.driver.is_done()
    }

    /// Whether the machine ended with an error.
    pub fn has_failed(&self) -> bool {
        self.driver.has_failed()
    }

    /// Lets the embedder act (see [`Net::with`](super::Net::with)), then drives.
    pub fn act<T>(
        &mut self,
        net: &mut Context<'_>,
        act: impl FnOnce(&mut M, &mut A, Duration) -> T,
    ) -> T {
        let done = act(&mut self.driver.machine, &mut self.app, net.now());
        self.driver.drive(net, &mut self.app);
        done
    }
}

impl<M: StreamMachine + 'static, A: StreamApp<M> + 'static> Node for StreamNode<M, A> {
    fn handle(&mut self, net: &mut Context<'_>, fact: Fact) {
        match (&fact, self.role) {
            (Fact::Started, Role::Connect(to)) => {
                self.driver.stream = Some(net.connect(to));
            }
            (Fact::Started, Role::Accept(port)) => {
                if !net.listen(port) {
                    net.fail(format!("port {port} is taken"));
                }
            }
            (Fact::Restarted, _) => {
                self.driver.disconnect(net);
                self.driver.drive(net, &mut self.app);
            }
            (Fact::Accepted { port, .. }, _) => {
                net.unlisten(*port);
                self.driver.handle(net, &fact, &mut self.app);
            }
            _ => self.driver.handle(net, &fact, &mut self.app),
        }
    }

    fn poll_timeout(&self) -> Option<Duration> {
        // An application acts through a stream that is open.
        match self.driver.state {
            State::Waiting | State::Gone => None,
            _ => earlier(self.driver.poll_timeout(), self.app.poll_timeout()),
        }
    }
}

impl<M: Debug, A> Debug for StreamNode<M, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamNode")
            .field("role", &self.role)
            .field("driver", &self.driver)
            .finish_non_exhaustive()
    }
}

/// A server: one machine and one application for each connection to its port.
pub struct StreamServer<M, A, F> {
    port: u16,
    factory: F,
    implicit_tls: bool,
    connections: BTreeMap<StreamId, Connection<M, A>>,
    deadlines: BTreeSet<(Duration, StreamId)>,
    keep: usize,
    ended: VecDeque<(SocketAddr, A)>,
    accepted: u64,
}

struct Connection<M, A> {
    driver: StreamDriver<M>,
    app: A,
    from: SocketAddr,
    deadline: Option<Duration>,
}

impl<M, A, F> StreamServer<M, A, F>
where
    M: StreamMachine,
    A: StreamApp<M>,
    F: FnMut(Duration, SocketAddr, [u8; 32]) -> (M, A),
{
    /// Listens on `port`; `factory` is given the time, the peer and a seed.
    pub fn new(port: u16, factory: F) -> Self {
        Self {
            port,
            factory,
            implicit_tls: false,
            connections: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            keep: 0,
            ended: VecDeque::new(),
            accepted: 0,
        }
    }

    /// Connections are TLS from their start; both ends have to agree.
    #[must_use]
    pub fn implicit_tls(mut self) -> Self {
        self.implicit_tls = true;
        self
    }

    /// Keeps the applications of the last `count` connections after their end, to be looked at.
    /// Default 0: an application is dropped with its connection, and lets go of what it holds.
    #[must_use]
    pub fn keep_ended(mut self, count: usize) -> Self {
        self.keep = count;
        self
    }

    /// How many connections are open.
    pub fn open(&self) -> usize {
        self.connections.len()
    }

    /// How many connections there were in all.
    pub fn accepted(&self) -> u64 {
        self.accepted
    }

    /// The applications of the last connections that have ended, with their peers, as far as
    /// [`keep_ended`](Self::keep_ended) asked for them.
    pub fn ended(&self) -> impl Iterator<Item = &(SocketAddr, A)> {
        self.ended.iter()
    }

    /// The machines and applications of the connections that are open.
    pub fn connections(&self) -> impl Iterator<Item = (&M, &A)> {
        self.connections
            .values()
            .map(|connection| (connection.driver.machine(), &connection.app))
    }

    fn drive(&mut self, net: &mut Context<'_>, id: StreamId, fact: &Fact) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        connection.driver.handle(net, fact, &mut connection.app);
        let before = connection.deadline;
        connection.deadline = earlier(
            connection.driver.poll_timeout(),
            connection.app.poll_timeout(),
        );
        if before != connection.deadline {
            if let Some(before) = before {
                self.deadlines.remove(&(before, id));
            }
            if let Some(deadline) = connection.deadline {
                self.deadlines.insert((deadline, id));
            }
        }
        if connection.driver.is_done()
            && let Some(connection) = self.connections.remove(&id)
        {
            if let Some(deadline) = connection.deadline {
                self.deadlines.remove(&(deadline, id));
            }
            self.ended.push_back((connection.from, connection.app));
            while self.ended.len() > self.keep {
                self.ended.pop_front();
            }
        }
    }

    fn listen(&mut self, net: &mut Context<'_>) {
        if !net.listen(self.port) {
            net.fail(format!("port {} is taken", self.port));
        }
    }
}

impl<M, A, F> Node for StreamServer<M, A, F>
where
    M: StreamMachine + 'static,
    A: StreamApp<M> + 'static,
    F: FnMut(Duration, SocketAddr, [u8; 32]) -> (M, A) + 'static,
{
    fn handle(&mut self, net: &mut Context<'_>, fact: Fact) {
        match &fact {
            Fact::Started => self.listen(net),
            Fact::Restarted => {
                // What a process had in its memory is gone with it.
                self.connections.clear();
                self.deadlines.clear();
                self.listen(net);
            }
            Fact::Accepted { stream, from, .. } => {
                let seed = net.seed();
                let (machine, app) = (self.factory)(net.now(), *from, seed);
                let mut driver = StreamDriver::new(machine, Some(*stream));
                driver.implicit_tls = self.implicit_tls;
                self.accepted = self.accepted.saturating_add(1);
                let connection = Connection {
                    driver,
                    app,
                    from: *from,
                    deadline: None,
                };
                self.connections.insert(*stream, connection);
                self.drive(net, *stream, &fact);
            }
            Fact::Timer => {
                let now = net.now();
                let due: Vec<StreamId> = self
                    .deadlines
                    .iter()
                    .take_while(|(deadline, _)| *deadline <= now)
                    .map(|(_, id)| *id)
                    .collect();
                for id in due {
                    self.drive(net, id, &fact);
                }
            }
            Fact::Connected { stream }
            | Fact::Refused { stream }
            | Fact::Readable { stream }
            | Fact::Writable { stream }
            | Fact::Eof { stream }
            | Fact::Reset { stream }
            | Fact::Secured { stream } => self.drive(net, *stream, &fact),
            Fact::Datagram { .. } => {}
        }
    }

    fn poll_timeout(&self) -> Option<Duration> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }
}

impl<M, A, F> Debug for StreamServer<M, A, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamServer")
            .field("port", &self.port)
            .field("open", &self.connections.len())
            .field("accepted", &self.accepted)
            .finish_non_exhaustive()
    }
}

/// What an embedder does with a datagram machine.
///
/// A closure `FnMut(Duration, &mut M, M::Event)` is one.
pub trait DatagramApp<M: DatagramMachine> {
    /// The main socket is bound. The place for first commands.
    fn start(&mut self, now: Duration, machine: &mut M) {
        let _ = (now, machine);
    }

    /// Takes an event.
    fn on_event(&mut self, now: Duration, machine: &mut M, event: M::Event);

    /// Does what has become possible. Called whenever something moved, until it returns false.
    fn advance(&mut self, now: Duration, machine: &mut M) -> bool {
        let _ = (now, machine);
        false
    }

    /// When [`advance`](Self::advance) wants to be called although nothing moved: a time point.
    fn poll_timeout(&self) -> Option<Duration> {
        None
    }
}

impl<M: DatagramMachine, F: FnMut(Duration, &mut M, M::Event)> DatagramApp<M> for F {
    fn on_event(&mut self, now: Duration, machine: &mut M, event: M::Event) {
        self(now, machine, event);
    }
}

/// A datagram machine as a node: it binds, sends and releases as the machine says.
pub struct DatagramNode<M, A> {
    machine: M,
    app: A,
    port: Option<u16>,
    sockets: BTreeMap<LocalId, SocketId>,
    locals: BTreeMap<SocketId, LocalId>,
}

impl<M: DatagramMachine, A: DatagramApp<M>> DatagramNode<M, A> {
    /// A machine whose main socket is bound to `port`, or to a random one.
    pub fn new(port: Option<u16>, machine: M, app: A) -> Self {
        Self {
            machine,
            app,
            port,
            sockets: BTreeMap::new(),
            locals: BTreeMap::new(),
        }
    }

    /// The machine.
    pub fn machine(&self) -> &M {
        &self.machine
    }

    /// The application.
    pub fn app(&self) -> &A {
        &self.app
    }

    /// How many sockets are bound, the main one included.
    pub fn sockets(&self) -> usize {
        self.sockets.len()
    }

    /// Lets the embedder act (see [`Net::with`](super::Net::with)), then drives.
    pub fn act<T>(
        &mut self,
        net: &mut Context<'_>,
        act: impl FnOnce(&mut M, &mut A, Duration) -> T,
    ) -> T {
        let done = act(&mut self.machine, &mut self.app, net.now());
        self.drive(net);
        done
    }

    fn bind(&mut self, net: &mut Context<'_>, local: LocalId, port: Option<u16>) {
        match net.bind(port) {
            Some(socket) => {
                self.sockets.insert(local, socket);
                self.locals.insert(socket, local);
            }
            None => net.fail(format!("port {port:?} is taken")),
        }
    }

    fn drive(&mut self, net: &mut Context<'_>) {
        let now = net.now();
        for _ in 0..net.world.limits.chatter {
            let event = self.machine.poll_event();
            record(net, || match &event {
                Some(event) => Call::Event(Polled::Event(format!("{event:?}"))),
                None => Call::Event(Polled::Nothing),
            });
            if let Some(event) = event {
                self.app.on_event(now, &mut self.machine, event);
                continue;
            }
            let step = self.machine.poll_transmit(now);
            record(net, || Call::Sent(step.clone()));
            if let Some(step) = step {
                self.carry_out(net, step);
                continue;
            }
            let advanced = self.app.advance(now, &mut self.machine);
            record(net, || Call::Advance(advanced));
            if !advanced {
                return;
            }
        }
        net.fail("the machine does not stop");
    }

    fn carry_out(&mut self, net: &mut Context<'_>, step: DatagramTransmit) {
        match step {
            DatagramTransmit::Datagram { local, to, payload } => {
                let id = match local {
                    Local::Any => LocalId::MAIN,
                    Local::Id(id) => id,
                    Local::Fresh(id) => {
                        self.bind(net, id, None);
                        id
                    }
                };
                match self.sockets.get(&id) {
                    Some(socket) => {
                        net.send(*socket, to, payload);
                    }
                    None => net.fail(format!("a datagram leaves by {id:?}, which is not bound")),
                }
            }
            DatagramTransmit::Release(id) => {
                if let Some(socket) = self.sockets.remove(&id) {
                    self.locals.remove(&socket);
                    net.unbind(socket);
                }
            }
        }
    }
}

impl<M: DatagramMachine + 'static, A: DatagramApp<M> + 'static> Node for DatagramNode<M, A> {
    fn handle(&mut self, net: &mut Context<'_>, fact: Fact) {
        let now = net.now();
        match fact {
            Fact::Started => {
                self.bind(net, LocalId::MAIN, self.port);
                record(net, || Call::Note(START.to_string()));
                self.app.start(now, &mut self.machine);
            }
            Fact::Restarted => {
                self.sockets.clear();
                self.locals.clear();
                self.bind(net, LocalId::MAIN, self.port);
            }
            Fact::Timer => {
                record(net, || Call::Timeout);
                self.machine.handle_timeout(now);
            }
            Fact::Datagram { socket, from, data } => {
                if let Some(local) = self.locals.get(&socket) {
                    record(net, || Call::Received(*local, from, data.clone()));
                    self.machine.handle_datagram(now, *local, from, &data);
                }
            }
            _ => {}
        }
        self.drive(net);
    }

    fn poll_timeout(&self) -> Option<Duration> {
        earlier(self.machine.poll_timeout(), self.app.poll_timeout())
    }
}

impl<M: Debug, A> Debug for DatagramNode<M, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatagramNode")
            .field("machine", &self.machine)
            .field("sockets", &self.sockets)
            .finish_non_exhaustive()
    }
}

/// Records a call to the machine of a datagram node.
fn record(net: &mut Context<'_>, call: impl FnOnce() -> Call) {
    if net.records() {
        net.record(None, call());
    }
}

fn earlier(one: Option<Duration>, other: Option<Duration>) -> Option<Duration> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}
