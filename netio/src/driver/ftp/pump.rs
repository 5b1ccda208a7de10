//! Files that travel as they are: the system moves the octets, on the blocking pool.
//!
//! Sockets stay non-blocking. A thread moves octets while the peer keeps up; for a peer that does
//! not, the task waits, and no thread does.

use super::copy::{Broken, join, send, within};
use proto_ftp::data::Format;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncWriteExt, Interest};
use tokio::net::TcpStream;

/// Octets that one call is asked for.
const SEND: usize = 4 * 1024 * 1024;
const RECEIVE: usize = 256 * 1024;

/// How long a thread waits for a peer before it is given back.
const PATIENCE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 20_000_000,
};

/// Why a thread came back.
enum Rest {
    /// All of the file was moved.
    End,
    /// The peer does not keep up.
    Peer,
    /// The system cannot send from this file by itself: a pipe, or a file system without it.
    Unsuited,
}

/// One file over one connection.
pub(super) struct Pump {
    pub(super) socket: TcpStream,
    pub(super) file: File,
    pub(super) counter: Arc<AtomicU64>,
}

impl Pump {
    /// Sends all from where the file's cursor stands, and ends the connection: how much it was.
    pub(super) async fn send(mut self, stall: Duration) -> Result<u64, Broken> {
        loop {
            let (pump, rest) = self.on_a_thread(Self::send_now).await?;
            self = pump;
            match rest {
                Rest::End => break,
                Rest::Peer => within(stall, self.socket.writable()).await?,
                Rest::Unsuited => {
                    let payload = super::Payload::File(self.file);
                    return send(self.socket, Format::IMAGE, payload, &self.counter, stall).await;
                }
            }
        }
        within(stall, self.socket.shutdown()).await?;
        Ok(self.counter.load(Ordering::Relaxed))
    }

    /// Writes all that comes to the file: how much it was.
    pub(super) async fn receive(mut self, stall: Duration) -> Result<u64, Broken> {
        loop {
            let (pump, rest) = self.on_a_thread(Self::receive_now).await?;
            self = pump;
            match rest {
                Rest::Peer => within(stall, self.socket.readable()).await?,
                Rest::End | Rest::Unsuited => return Ok(self.counter.load(Ordering::Relaxed)),
            }
        }
    }

    async fn on_a_thread(
        mut self,
        step: fn(&mut Self) -> Result<Rest, Broken>,
    ) -> Result<(Self, Rest), Broken> {
        let work = tokio::task::spawn_blocking(move || step(&mut self).map(|rest| (self, rest)));
        join(work.await)
    }

    /// The system copies from the file to the socket; no octet passes this process.
    fn send_now(&mut self) -> Result<Rest, Broken> {
        loop {
            let (socket, file) = (&self.socket, &self.file);
            let sent = patiently(socket, Interest::WRITABLE, || {
                rustix::fs::sendfile(socket, file, None, SEND)
            });
            match sent {
                Ok(Some(0)) => return Ok(Rest::End),
                Ok(Some(len)) => self.count(len),
                Ok(None) => return Ok(Rest::Peer),
                Err(Errno::INVAL | Errno::NOSYS) => return Ok(Rest::Unsuited),
                Err(error) => return Err(Broken::Transport(error.into())),
            }
        }
    }

    fn receive_now(&mut self) -> Result<Rest, Broken> {
        let mut buffer = vec![0; RECEIVE];
        loop {
            let received = patiently(&self.socket, Interest::READABLE, || {
                rustix::io::read(&self.socket, &mut *buffer)
            });
            match received {
                Ok(Some(0)) => return Ok(Rest::End),
                Ok(Some(len)) => {
                    let data = buffer.get(..len).unwrap_or_default();
                    self.file.write_all(data).map_err(Broken::Storage)?;
                    self.count(len);
                }
                Ok(None) => return Ok(Rest::Peer),
                Err(error) => return Err(Broken::Transport(error.into())),
            }
        }
    }

    fn count(&self, len: usize) {
        let len = u64::try_from(len).unwrap_or(u64::MAX);
        self.counter.fetch_add(len, Ordering::Relaxed);
    }
}

/// Makes a call that would not block, and waits for the peer a little: `None` when it was too slow.
fn patiently(
    socket: &TcpStream,
    interest: Interest,
    mut call: impl FnMut() -> Result<usize, Errno>,
) -> Result<Option<usize>, Errno> {
    let flags = if interest.is_writable() {
        PollFlags::OUT
    } else {
        PollFlags::IN
    };
    loop {
        match call() {
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => {
                let is_ready = poll(&mut [PollFd::new(socket, flags)], Some(&PATIENCE));
                if is_ready == Ok(0) {
                    break;
                }
            }
            result => return result.map(Some),
        }
    }
    // The last try is made in tokio's sight, so that it knows that there is something to wait for.
    let mut result = Ok(0);
    let seen = socket.try_io(interest, || {
        result = call();
        match result {
            Err(Errno::AGAIN | Errno::INTR) => Err(io::ErrorKind::WouldBlock.into()),
            _ => Ok(()),
        }
    });
    match seen {
        Ok(()) => result.map(Some),
        Err(_) => Ok(None),
    }
}
