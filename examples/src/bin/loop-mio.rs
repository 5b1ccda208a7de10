//! A loop of one's own on mio: one thread, many connections, readiness and deadlines. No tokio, no
//! driver.
//!
//! Everything that owns a socket is a [`Task`]. The loop sleeps until a socket is ready or a
//! deadline has come, and lets those tasks go on that this concerns.

use bytes::{Buf, Bytes, BytesMut};
use core::time::Duration;
use examples::app::{DatagramApp, StreamApp};
use examples::cli;
use examples::services::{self, Make, Service};
use mio::event::Source;
use mio::net::{TcpListener, TcpStream, UdpSocket};
use mio::{Events, Interest, Poll, Token};
use netio::shape::{
    DatagramMachine, DatagramTransmit, Local, LocalId, StreamMachine, StreamTransmit,
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::error::Error;
use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::process::ExitCode;
use std::time::Instant;

/// Octets taken out of a machine ahead of its socket. What is taken can be neither reordered nor
/// cancelled any more, so this is small.
const WRITE_AHEAD: usize = 64 * 1024;

fn main() -> ExitCode {
    cli::exit("loop-mio", services::from_arguments().and_then(run))
}

fn run(services: Vec<Service>) -> Result<(), Box<dyn Error>> {
    let mut tasks = Tasks::new()?;
    let epoch = Instant::now();
    for service in services {
        match service {
            Service::EchoTcp(listener, make) => tasks.listen(listener, make)?,
            #[cfg(feature = "http2")]
            Service::Http2(listener, make) => tasks.listen(listener, make)?,
            Service::Pop3(listener, make) => tasks.listen(listener, make)?,
            Service::DnsTcp(listener, make) => tasks.listen(listener, make)?,
            Service::EchoUdp(socket, (machine, app)) => tasks.bind(socket, machine, app)?,
            Service::DnsUdp(socket, it) => tasks.bind(socket, it.0, it.1)?,
        }
    }
    let mut events = Events::with_capacity(256);
    loop {
        let now = epoch.elapsed();
        let wait = tasks
            .next_deadline()
            .map(|deadline| deadline.saturating_sub(now));
        match tasks.poll.poll(&mut events, wait) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            result => result?,
        }
        let ready: BTreeSet<_> = events.iter().map(|event| event.token()).collect();
        let due = tasks.due(epoch.elapsed());
        for token in ready.union(&due) {
            tasks.advance(*token, epoch)?;
        }
    }
}

/// Something that owns a socket.
trait Task {
    /// Goes on until nothing moves any more. Sockets tell of changes only, so each direction is
    /// tried until it would block.
    fn advance(&mut self, epoch: Instant) -> Vec<Box<dyn Task>>;
    fn deadline(&self) -> Option<Duration>;
    fn is_over(&self) -> bool;
    fn source(&mut self) -> &mut dyn Source;
}

/// All tasks, by token and by deadline.
struct Tasks {
    poll: Poll,
    tasks: BTreeMap<Token, Box<dyn Task>>,
    deadlines: BTreeSet<(Duration, Token)>,
    next_token: usize,
}

impl Tasks {
    fn new() -> io::Result<Self> {
        Ok(Self {
            poll: Poll::new()?,
            tasks: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            next_token: 0,
        })
    }

    fn listen<A>(&mut self, listener: std::net::TcpListener, make: Make<A>) -> io::Result<()>
    where
        A: StreamApp + 'static,
        A::Machine: 'static,
    {
        listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(listener);
        self.add(Box::new(Welcome { listener, make }))
    }

    fn bind<A>(
        &mut self,
        socket: std::net::UdpSocket,
        machine: A::Machine,
        app: A,
    ) -> io::Result<()>
    where
        A: DatagramApp + 'static,
        A::Machine: 'static,
    {
        socket.set_nonblocking(true)?;
        let socket = UdpSocket::from_std(socket);
        self.add(Box::new(Datagrams {
            machine,
            app,
            socket,
            unsent: None,
            buffer: vec![0; 65_535],
        }))
    }

    fn add(&mut self, mut task: Box<dyn Task>) -> io::Result<()> {
        let token = Token(self.next_token);
        self.next_token += 1;
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll
            .registry()
            .register(task.source(), token, interest)?;
        if let Some(deadline) = task.deadline() {
            self.deadlines.insert((deadline, token));
        }
        self.tasks.insert(token, task);
        Ok(())
    }

    fn next_deadline(&self) -> Option<Duration> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }

    fn due(&self, now: Duration) -> BTreeSet<Token> {
        let due = self
            .deadlines
            .iter()
            .take_while(|(deadline, _)| *deadline <= now);
        due.map(|(_, token)| *token).collect()
    }

    fn advance(&mut self, token: Token, epoch: Instant) -> io::Result<()> {
        let Some(task) = self.tasks.get_mut(&token) else {
            return Ok(());
        };
        if let Some(deadline) = task.deadline() {
            self.deadlines.remove(&(deadline, token));
        }
        let born = task.advance(epoch);
        if task.is_over() {
            self.poll.registry().deregister(task.source())?;
            self.tasks.remove(&token);
        } else if let Some(deadline) = task.deadline() {
            self.deadlines.insert((deadline, token));
        }
        for task in born {
            self.add(task)?;
        }
        Ok(())
    }
}

/// The welcoming socket: a new socket for each client.
struct Welcome<A: StreamApp> {
    listener: TcpListener,
    make: Make<A>,
}

impl<A> Task for Welcome<A>
where
    A: StreamApp + 'static,
    A::Machine: 'static,
{
    fn advance(&mut self, epoch: Instant) -> Vec<Box<dyn Task>> {
        let mut born: Vec<Box<dyn Task>> = Vec::new();
        // Any error means that nobody waits, or that the system is short of something for now.
        while let Ok((socket, _)) = self.listener.accept() {
            let (machine, app) = (self.make)(epoch.elapsed());
            let mut connection = Connection::new(machine, app, socket);
            // A greeting can leave at once.
            connection.advance(epoch);
            born.push(Box::new(connection));
        }
        born
    }

    fn deadline(&self) -> Option<Duration> {
        None
    }

    fn is_over(&self) -> bool {
        false
    }

    fn source(&mut self) -> &mut dyn Source {
        &mut self.listener
    }
}

/// One connection: the machine, its application, its socket, and what lies between them.
struct Connection<A: StreamApp> {
    machine: A::Machine,
    app: A,
    socket: TcpStream,
    input: BytesMut,
    output: VecDeque<Bytes>,
    queued: usize,
    shutdown: Step,
}

/// How far the end of our side has come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    NotAsked,
    /// It follows the octets that are still queued.
    Asked,
    Done,
}

impl<A: StreamApp> Connection<A> {
    fn new(machine: A::Machine, app: A, socket: TcpStream) -> Self {
        Self {
            machine,
            app,
            socket,
            input: BytesMut::new(),
            output: VecDeque::new(),
            queued: 0,
            shutdown: Step::NotAsked,
        }
    }

    fn read(&mut self, epoch: Instant) -> bool {
        if !self.machine.wants_read() {
            return false;
        }
        let mut chunk = [0; 16 * 1024];
        match self.socket.read(&mut chunk) {
            Ok(0) => self.machine.handle_eof(epoch.elapsed()),
            Ok(len) => self.input.extend_from_slice(&chunk[..len]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => self.disconnect(epoch),
        }
        true
    }

    fn speak(&mut self, epoch: Instant) -> bool {
        let mut moved = false;
        loop {
            let now = epoch.elapsed();
            match self.machine.poll_event(now, &mut self.input) {
                Ok(Some(event)) => self.app.on_event(now, &mut self.machine, event),
                Ok(None) => return moved,
                // The farewell still has to leave: go on until the machine is closed.
                Err(error) => eprintln!("{}", cli::causes(&error)),
            }
            moved = true;
        }
    }

    fn write(&mut self, epoch: Instant) -> bool {
        let mut moved = false;
        loop {
            moved |= self.collect(epoch);
            let Some(data) = self.output.front_mut() else {
                return moved;
            };
            match self.socket.write(data) {
                Ok(len) => {
                    data.advance(len);
                    self.queued -= len;
                    moved = true;
                    if data.is_empty() {
                        self.output.pop_front();
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return moved,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => {
                    self.disconnect(epoch);
                    return true;
                }
            }
        }
    }

    /// Takes from the machine what the socket may soon take.
    fn collect(&mut self, epoch: Instant) -> bool {
        let mut moved = false;
        while self.queued < WRITE_AHEAD && self.shutdown == Step::NotAsked {
            let budget = WRITE_AHEAD - self.queued;
            match self.machine.poll_transmit(epoch.elapsed(), budget) {
                None => break,
                Some(StreamTransmit::Data(data)) => {
                    self.queued += data.len();
                    self.output.push_back(data);
                }
                Some(StreamTransmit::Shutdown) => self.shutdown = Step::Asked,
                Some(step) => {
                    eprintln!("this loop has no {step:?}");
                    self.disconnect(epoch);
                }
            }
            moved = true;
        }
        if self.shutdown == Step::Asked && self.output.is_empty() {
            self.shutdown = Step::Done;
            self.socket.shutdown(Shutdown::Write).unwrap_or_default();
        }
        moved
    }

    fn disconnect(&mut self, epoch: Instant) {
        self.output.clear();
        self.queued = 0;
        self.machine.handle_disconnect(epoch.elapsed());
    }
}

impl<A: StreamApp> Task for Connection<A> {
    fn advance(&mut self, epoch: Instant) -> Vec<Box<dyn Task>> {
        loop {
            let now = epoch.elapsed();
            let due = self
                .machine
                .poll_timeout()
                .is_some_and(|deadline| deadline <= now);
            if due {
                self.machine.handle_timeout(now);
            }
            // Not `||`: each of the three has its turn.
            let moved = self.read(epoch) | self.speak(epoch) | self.write(epoch);
            if !moved && !due {
                return Vec::new();
            }
        }
    }

    fn deadline(&self) -> Option<Duration> {
        self.machine.poll_timeout()
    }

    fn is_over(&self) -> bool {
        self.machine.is_closed() && self.output.is_empty()
    }

    fn source(&mut self) -> &mut dyn Source {
        &mut self.socket
    }
}

/// One datagram machine on one socket.
struct Datagrams<A: DatagramApp> {
    machine: A::Machine,
    app: A,
    socket: UdpSocket,
    unsent: Option<DatagramTransmit>,
    buffer: Vec<u8>,
}

impl<A: DatagramApp> Datagrams<A> {
    /// False when the socket is full.
    fn send(&mut self, now: Duration) -> bool {
        while let Some(step) = self
            .unsent
            .take()
            .or_else(|| self.machine.poll_transmit(now))
        {
            let DatagramTransmit::Datagram {
                local: Local::Any | Local::Id(_),
                to,
                ref payload,
            } = step
            else {
                eprintln!("this loop has one socket only: {step:?}");
                continue;
            };
            match self.socket.send_to(payload, to) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.unsent = Some(step);
                    return false;
                }
                // A datagram that cannot be sent is lost, as any may be.
                _ => {}
            }
        }
        true
    }
}

impl<A: DatagramApp> Task for Datagrams<A> {
    fn advance(&mut self, epoch: Instant) -> Vec<Box<dyn Task>> {
        self.machine.handle_timeout(epoch.elapsed());
        loop {
            let now = epoch.elapsed();
            while let Some(event) = self.machine.poll_event() {
                self.app.on_event(now, &mut self.machine, event);
            }
            if !self.send(now) {
                return Vec::new();
            }
            match self.socket.recv_from(&mut self.buffer) {
                Ok((len, from)) => {
                    let data = &self.buffer[..len];
                    self.machine.handle_datagram(now, LocalId::MAIN, from, data);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Vec::new(),
                // An earlier answer found its port closed: no affair of the next asker's.
                Err(_) => {}
            }
        }
    }

    fn deadline(&self) -> Option<Duration> {
        self.machine.poll_timeout()
    }

    fn is_over(&self) -> bool {
        false
    }

    fn source(&mut self) -> &mut dyn Source {
        &mut self.socket
    }
}
