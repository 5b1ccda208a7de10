//! The driver of one stream machine.
//!
//! ```text
//!            StartTls / StopTls written out               handshake done
//!   Running ------------------------------> Upgrading --------------------> Running
//!      |                                        |
//!      | Shutdown written out                   | failed
//!      v                                        v
//!   HalfClosed -- machine closed, or EOF --> finished <-- transport dead
//! ```

use super::clock::{Clock, Timer};
use super::output::Output;
use super::transport::Transport;
use crate::shape::{StreamMachine, StreamTransmit};
use bytes::{Buf, Bytes, BytesMut};
use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;
use std::io;
use tokio::io::AsyncRead;

/// Why [`Stream::next`] failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error<E: core::error::Error + Send + Sync + 'static> {
    /// The transport broke. The machine was told, and all its events came before this.
    #[error("the transport failed")]
    Io(#[source] io::Error),
    /// The machine gave up. Call [`Stream::next`] until it returns `None`: its farewell still has to
    /// leave.
    #[error(transparent)]
    Machine(E),
}

/// What [`Stream::next`] returns: an event, or nothing when the connection is over.
pub type NextEvent<M> =
    Result<Option<<M as StreamMachine>::Event>, Error<<M as StreamMachine>::Error>>;

/// How a driver shares the processor and its memory. The defaults suit most programs.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// Smallest room kept for a read, in octets. Default 4 KiB; this is what an idle connection
    /// holds.
    pub min_read: usize,
    /// Largest room given to one read, in octets. Default 64 KiB. The room grows to it while reads
    /// fill it.
    pub max_read: usize,
    /// Octets taken out of the machine ahead of the transport. Default 64 KiB. What is taken can be
    /// neither reordered nor cancelled any more.
    pub write_ahead: usize,
    /// Events handed out before the driver writes, and then yields to other tasks. Default 64.
    pub work_budget: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            min_read: 4 * 1024,
            max_read: 64 * 1024,
            write_ahead: 64 * 1024,
            work_budget: 64,
        }
    }
}

/// What is to be done once all octets before it have been written.
enum Step {
    Urgent(Bytes),
    StartTls,
    StopTls,
    Shutdown,
    Abort,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ReadSide {
    Open,
    Ended,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WriteSide {
    Open,
    /// Written octets may still be inside the transport's own buffer.
    Unflushed,
    /// Closed in order.
    Shutdown,
    /// A write failed: what the peer said before may still be read.
    Failed,
}

/// Runs one stream machine over one transport.
pub struct Stream<M, T> {
    machine: M,
    io: T,
    options: Options,
    clock: Clock,
    timer: Timer,
    input: BytesMut,
    /// Room that the next read is given.
    read_room: usize,
    output: Output,
    step: Option<Step>,
    read_side: ReadSide,
    write_side: WriteSide,
    /// The transport is dead and the machine knows.
    dead: bool,
    failure: Option<io::Error>,
    work: u32,
}

impl<M: fmt::Debug, T: fmt::Debug> fmt::Debug for Stream<M, T> {
    /// Without what was read and what is to be written: there are passwords among it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream")
            .field("machine", &self.machine)
            .field("io", &self.io)
            .field("input_len", &self.input.len())
            .field("output", &self.output)
            .field("read_side", &self.read_side)
            .field("write_side", &self.write_side)
            .field("dead", &self.dead)
            .finish_non_exhaustive()
    }
}

impl<M: StreamMachine, T: Transport> Stream<M, T> {
    /// Runs `machine`, which was made at time zero, over `io`.
    pub fn new(machine: M, io: T) -> Self {
        Self::with_options(machine, io, Clock::new(), Options::default())
    }

    /// As [`new`](Self::new), on a clock that others share.
    pub fn with_options(machine: M, io: T, clock: Clock, options: Options) -> Self {
        Self {
            machine,
            io,
            clock,
            timer: Timer::default(),
            input: BytesMut::new(),
            read_room: options.min_read,
            output: Output::default(),
            step: None,
            read_side: ReadSide::Open,
            write_side: WriteSide::Open,
            dead: false,
            failure: None,
            work: 0,
            options,
        }
    }

    /// As [`new`](Self::new), on a connection that is TLS from its start: the handshake comes before
    /// everything else, and the machine is told of it first.
    pub fn implicit_tls(machine: M, io: T) -> Self {
        let mut driver = Self::new(machine, io);
        driver.step = Some(Step::StartTls);
        driver
    }

    /// Waits for the next event. `None` means that the connection is over and can be dropped.
    ///
    /// Cancel-safe: dropping the future loses nothing.
    ///
    /// # Errors
    ///
    /// [`Error::Machine`] and [`Error::Io`], each at most once and after every event before it.
    pub async fn next(&mut self) -> NextEvent<M> {
        core::future::poll_fn(|cx| self.poll_next(cx)).await
    }

    /// [`next`](Self::next) for hand-written futures.
    ///
    /// # Errors
    ///
    /// As [`next`](Self::next).
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<NextEvent<M>> {
        loop {
            if self.work >= self.options.work_budget {
                // An endless supply of events must starve neither the output nor other tasks.
                self.work = 0;
                self.poll_write(cx);
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            self.work = self.work.saturating_add(1);
            match self.machine.poll_event(self.clock.now(), &mut self.input) {
                Ok(Some(event)) => return Poll::Ready(Ok(Some(event))),
                Ok(None) => {}
                Err(error) => return Poll::Ready(Err(Error::Machine(error))),
            }
            // Writing and reading are independent: neither waits for the other.
            let wrote = self.poll_write(cx);
            let read = self.poll_read(cx);
            let fired = self.poll_timer(cx);
            if wrote || read || fired {
                continue;
            }
            self.work = 0;
            if self.is_finished() {
                return Poll::Ready(match self.failure.take() {
                    Some(error) => Err(Error::Io(error)),
                    None => Ok(None),
                });
            }
            return Poll::Pending;
        }
    }

    /// Ends the connection in order: tells the machine to close, lets all that is queued leave, and
    /// waits for the peer's end for as long as `patience` allows. Events on the way are dropped.
    ///
    /// # Errors
    ///
    /// As [`next`](Self::next); [`io::ErrorKind::TimedOut`] when the patience was at an end.
    pub async fn close(&mut self, patience: Duration) -> Result<(), Error<M::Error>> {
        self.machine.close();
        let drain = async {
            while self.next().await?.is_some() {}
            Ok(())
        };
        match tokio::time::timeout(patience, drain).await {
            Ok(result) => result,
            Err(_) => Err(Error::Io(io::ErrorKind::TimedOut.into())),
        }
    }

    /// The machine, for commands and answers. They leave in the next call of [`next`](Self::next).
    pub fn machine_mut(&mut self) -> &mut M {
        &mut self.machine
    }

    /// Time as the machine sees it.
    pub fn now(&self) -> Duration {
        self.clock.now()
    }

    /// The machine, to look at.
    pub fn machine(&self) -> &M {
        &self.machine
    }

    /// The transport, to look at.
    pub fn transport(&self) -> &T {
        &self.io
    }

    fn is_finished(&self) -> bool {
        let idle = self.output.is_empty() && self.step.is_none();
        self.dead || (self.machine.is_closed() && idle && self.write_side != WriteSide::Unflushed)
    }

    fn poll_timer(&mut self, cx: &mut Context<'_>) -> bool {
        let deadline = self.machine.poll_timeout();
        if self.timer.poll(cx, self.clock, deadline).is_pending() {
            return false;
        }
        self.machine.handle_timeout(self.clock.now());
        true
    }

    /// Reads once, if the machine can use it. True when something came, be it the end.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> bool {
        if self.dead
            || self.read_side == ReadSide::Ended
            || matches!(self.step, Some(Step::StartTls | Step::StopTls))
            || !self.machine.wants_read()
        {
            return false;
        }
        let Poll::Ready(result) = poll_read_into(&mut self.io, cx, &mut self.input, self.read_room)
        else {
            return false;
        };
        let now = self.clock.now();
        match result {
            Ok(0) => {
                self.read_side = ReadSide::Ended;
                if self.write_side == WriteSide::Failed {
                    self.disconnect(None);
                } else {
                    self.machine.handle_eof(now);
                }
            }
            Ok(len) => {
                self.read_room = if len >= self.read_room {
                    self.read_room.saturating_mul(2).min(self.options.max_read)
                } else {
                    self.read_room.div_ceil(2).max(self.options.min_read)
                };
            }
            Err(error) => self.disconnect(Some(error)),
        }
        true
    }

    /// Moves output towards the peer. True when something changed that the machine may react to.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> bool {
        let mut progress = false;
        while !self.dead {
            self.collect_output();
            let poll = if !self.output.is_empty() {
                self.write_side = WriteSide::Unflushed;
                self.output.poll_write(cx, Pin::new(&mut self.io))
            } else if self.write_side == WriteSide::Unflushed {
                Pin::new(&mut self.io).poll_flush(cx).map_ok(|()| {
                    self.write_side = WriteSide::Open;
                })
            } else if self.step.is_some() {
                self.poll_step(cx)
            } else {
                break;
            };
            match poll {
                Poll::Ready(Ok(())) => progress = true,
                Poll::Ready(Err(error)) => {
                    self.write_failed(error);
                    return true;
                }
                Poll::Pending => break,
            }
        }
        progress
    }

    /// Takes from the machine what the transport may soon take.
    fn collect_output(&mut self) {
        // Asked once: it costs as much as a small piece does.
        let now = self.clock.now();
        while self.step.is_none() {
            let budget = self.options.write_ahead.saturating_sub(self.output.len());
            if budget == 0 {
                return;
            }
            self.step = match self.machine.poll_transmit(now, budget) {
                None => return,
                Some(StreamTransmit::Data(data)) => {
                    if matches!(self.write_side, WriteSide::Open | WriteSide::Unflushed) {
                        self.output.push(data);
                    }
                    continue;
                }
                Some(StreamTransmit::Urgent(data)) => Some(Step::Urgent(data)),
                Some(StreamTransmit::StartTls) => Some(Step::StartTls),
                Some(StreamTransmit::StopTls) => Some(Step::StopTls),
                Some(StreamTransmit::Shutdown) => Some(Step::Shutdown),
                Some(StreamTransmit::Abort) => Some(Step::Abort),
            };
        }
    }

    /// Carries on with the step that stands before the rest of the output.
    fn poll_step(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let poll = match &mut self.step {
            None => Poll::Ready(Ok(())),
            // After a failed write the peer gets nothing more.
            Some(_) if self.write_side == WriteSide::Failed => Poll::Ready(Ok(())),
            Some(Step::Urgent(data)) => match self.io.poll_write_urgent(cx, data) {
                Poll::Ready(Ok(len)) if len < data.len() => {
                    data.advance(len);
                    return Poll::Ready(Ok(()));
                }
                poll => poll.map_ok(|_| ()),
            },
            Some(Step::StartTls) => self.io.poll_start_tls(cx).map_ok(|tls| {
                self.machine.handle_tls_established(self.clock.now(), tls);
            }),
            Some(Step::StopTls) => self.io.poll_stop_tls(cx),
            Some(Step::Shutdown) => Pin::new(&mut self.io).poll_shutdown(cx).map_ok(|()| {
                self.write_side = WriteSide::Shutdown;
            }),
            Some(Step::Abort) => {
                self.io.abort();
                self.step = None;
                self.disconnect(None);
                return Poll::Ready(Ok(()));
            }
        };
        if poll.is_ready() {
            self.step = None;
        }
        poll
    }

    /// A peer that closes early may have said why: its words are read before the machine is told
    /// that the transport is dead.
    fn write_failed(&mut self, error: io::Error) {
        self.output.clear();
        let shutting_down = matches!(self.step, Some(Step::Shutdown)) || self.machine.is_closed();
        self.step = None;
        self.write_side = WriteSide::Failed;
        if self.read_side == ReadSide::Open && self.machine.wants_read() {
            if !shutting_down {
                self.failure = Some(error);
            }
        } else {
            self.disconnect((!shutting_down).then_some(error));
        }
    }

    /// The transport is dead in both directions. What breaks after our side was closed in order is
    /// no failure.
    fn disconnect(&mut self, error: Option<io::Error>) {
        if self.write_side != WriteSide::Shutdown && self.failure.is_none() {
            self.failure = error;
        }
        self.dead = true;
        self.read_side = ReadSide::Ended;
        self.output.clear();
        self.machine.handle_disconnect(self.clock.now());
    }
}

/// One read into the spare room at the end of `input`.
fn poll_read_into(
    io: &mut (impl AsyncRead + Unpin),
    cx: &mut Context<'_>,
    input: &mut BytesMut,
    room: usize,
) -> Poll<io::Result<usize>> {
    input.reserve(room);
    tokio_util::io::poll_read_buf(Pin::new(io), cx, input)
}
