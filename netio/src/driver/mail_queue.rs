//! The driver of the outgoing queue of mail: connections as the queue wishes; storage and names stay
//! with the program.

use super::clock::{Clock, Timer};
use super::stream::{Options, Stream};
use super::transport::Transport;
use crate::mail::QueueConnection;
use core::fmt;
use core::future::Future;
use core::net::SocketAddr;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use proto_mail::smtp::queue::{Action, ConnectionId, Event, Queue};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What [`MailQueue::next`] returns.
#[derive(Debug)]
pub enum Wish {
    /// Something to be done: to store, to read, to look up. Answer by the call that the action
    /// names, through the [handle](MailQueue::handle), now or later.
    Action(Action),
    /// Something to know.
    Event(Event),
}

type Connecting<T> = Pin<Box<dyn Future<Output = io::Result<T>> + Send>>;
type Connector<T> = Box<dyn FnMut(SocketAddr, &str) -> Connecting<T> + Send>;

/// Runs a [`Queue`] over connections that a function of yours makes.
///
/// ```no_run
/// # async fn doc(queue: proto_mail::smtp::queue::Queue, clock: netio::driver::Clock) {
/// use netio::driver::{MailQueue, Wish};
/// use proto_mail::smtp::queue::Action;
/// use tokio::net::TcpStream;
///
/// let mut queue = MailQueue::new(queue, clock, |to, _host| Box::pin(TcpStream::connect(to)));
/// let handle = queue.handle(); // other tasks submit messages by it
/// loop {
///     match queue.next().await {
///         Wish::Action(Action::Store { message, record }) => {
///             // write the record to a file, and sync it; then
///             handle.with(|queue, now| queue.handle_stored(now, message));
///         }
///         Wish::Action(action) => println!("to be done: {action:?}"),
///         Wish::Event(event) => println!("{event:?}"),
///     }
/// }
/// # }
/// ```
pub struct MailQueue<T> {
    handle: MailQueueHandle,
    connect: Connector<T>,
    connections: Vec<(ConnectionId, Connection<T>)>,
    timer: Timer,
}

enum Connection<T> {
    Connecting(Connecting<T>),
    Open(Box<Stream<QueueConnection, T>>),
}

impl<T> fmt::Debug for MailQueue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MailQueue")
            .field("handle", &self.handle)
            .field("connections", &self.connections.len())
            .finish_non_exhaustive()
    }
}

/// A way to the queue for any task: each call wakes the driver.
#[derive(Clone, Debug)]
pub struct MailQueueHandle {
    queue: Arc<Mutex<Queue>>,
    /// Whoever waits in [`MailQueue::next`].
    waker: Arc<Mutex<Option<Waker>>>,
    clock: Clock,
}

impl MailQueueHandle {
    /// Tells the queue something, or asks it. The second argument is what time it is.
    pub fn with<R>(&self, tell: impl FnOnce(&mut Queue, Duration) -> R) -> R {
        let result = tell(&mut self.lock(), self.clock.now());
        let waker = self.waker.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(waker) = &*waker {
            waker.wake_by_ref();
        }
        result
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Transport> MailQueue<T> {
    /// A driver that connects by `connect`, which is told the address and the name of the host.
    /// `clock` is the one by which the queue was made.
    pub fn new(
        queue: Queue,
        clock: Clock,
        connect: impl FnMut(SocketAddr, &str) -> Connecting<T> + Send + 'static,
    ) -> Self {
        Self {
            handle: MailQueueHandle {
                queue: Arc::new(Mutex::new(queue)),
                waker: Arc::default(),
                clock,
            },
            connect: Box::new(connect),
            connections: Vec::new(),
            timer: Timer::default(),
        }
    }

    /// A way to the queue for any task.
    #[must_use]
    pub fn handle(&self) -> MailQueueHandle {
        self.handle.clone()
    }

    /// Connections that are open or being made.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.connections.len()
    }

    /// Waits for the next wish. Cancel-safe.
    pub async fn next(&mut self) -> Wish {
        core::future::poll_fn(|cx| self.poll_next(cx)).await
    }

    /// As [`next`](Self::next), for futures written by hand.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Wish> {
        let waker = Some(cx.waker().clone());
        *self
            .handle
            .waker
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = waker;
        loop {
            self.poll_connections(cx);
            let (clock, mut queue) = (self.handle.clock, self.handle.lock());
            // Wishes first: what an event tells of has been carried out by then.
            let action = queue.poll_action(clock.now());
            if action.is_none()
                && let Some(event) = queue.poll_event()
            {
                return Poll::Ready(Wish::Event(event));
            }
            let deadline = queue.poll_timeout();
            drop(queue);
            match action {
                Some(Action::Connect { id, to, host }) => {
                    let connecting = (self.connect)(to, &host);
                    self.connections
                        .push((id, Connection::Connecting(connecting)));
                }
                Some(Action::Close { id }) => self.connections.retain(|(open, _)| *open != id),
                Some(action) => return Poll::Ready(Wish::Action(action)),
                None => {
                    if self.timer.poll(cx, clock, deadline).is_pending() {
                        return Poll::Pending;
                    }
                    self.handle.lock().handle_timeout(clock.now());
                }
            }
        }
    }

    /// Lets each connection go on.
    fn poll_connections(&mut self, cx: &mut Context<'_>) {
        let (handle, clock) = (&self.handle, self.handle.clock);
        self.connections.retain_mut(|(id, connection)| {
            if let Connection::Connecting(connecting) = connection {
                match connecting.as_mut().poll(cx) {
                    Poll::Pending => return true,
                    Poll::Ready(Err(_)) => {
                        handle.lock().handle_disconnect(clock.now(), *id);
                        return false;
                    }
                    Poll::Ready(Ok(io)) => {
                        handle.lock().handle_connected(clock.now(), *id);
                        let side = QueueConnection::new(Arc::clone(&handle.queue), *id);
                        let stream = Stream::with_options(side, io, clock, Options::default());
                        *connection = Connection::Open(Box::new(stream));
                    }
                }
            }
            let Connection::Open(stream) = connection else {
                return true;
            };
            match stream.poll_next(cx) {
                Poll::Pending => true,
                // The machine was told of it.
                Poll::Ready(Ok(None) | Err(_)) => false,
                Poll::Ready(Ok(Some(never))) => match never {},
            }
        });
    }
}
