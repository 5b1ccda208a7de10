//! Answers datagrams in place: for servers whose answer needs nothing but the question.

use core::future::poll_fn;
use core::net::SocketAddr;
use core::task::Poll;
use std::io;
use std::sync::Arc;
use tokio::net::UdpSocket;

/// The largest datagram there is.
const MAX_DATAGRAM: usize = 65_535;
/// Datagrams answered before other tasks get their turn.
const WORK_BUDGET: usize = 128;

/// What became of the datagrams of a [`Responder`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ResponderStats {
    /// Datagrams that came.
    pub received: u64,
    /// Answers that the system took.
    pub sent: u64,
    /// Answers that it did not take: as any datagram, they may be lost.
    pub unsent: u64,
}

/// A socket and two buffers: a datagram comes into one, and its answer is written into the other.
/// Nothing is queued and nothing allocated.
#[derive(Debug)]
pub struct Responder {
    socket: Arc<UdpSocket>,
    input: Box<[u8]>,
    output: Box<[u8]>,
    stats: ResponderStats,
}

impl Responder {
    /// A responder on this socket, which others may send by too.
    #[must_use]
    pub fn new(socket: Arc<UdpSocket>) -> Self {
        Self {
            socket,
            input: vec![0; MAX_DATAGRAM].into_boxed_slice(),
            output: vec![0; MAX_DATAGRAM].into_boxed_slice(),
            stats: ResponderStats::default(),
        }
    }

    /// Answers datagrams for as long as it is polled. `answer` writes to the front of the buffer and
    /// returns how many octets; 0 is no answer. Cancel-safe.
    pub async fn run(&mut self, mut answer: impl FnMut(SocketAddr, &[u8], &mut [u8]) -> usize) {
        loop {
            // An error is one of an earlier datagram; the socket itself lives on.
            let _ = self.socket.readable().await;
            for _ in 0..WORK_BUDGET {
                match self.socket.try_recv_from(&mut self.input) {
                    Ok((len, from)) => {
                        self.stats.received = self.stats.received.saturating_add(1);
                        let input = self.input.get(..len).unwrap_or_default();
                        let len = answer(from, input, &mut self.output);
                        if len > 0 {
                            self.send(from, len);
                        }
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(_) => {}
                }
            }
            yield_now().await;
        }
    }

    /// What has happened so far.
    #[must_use]
    pub fn stats(&self) -> ResponderStats {
        self.stats
    }

    fn send(&mut self, to: SocketAddr, len: usize) {
        let output = self.output.get(..len).unwrap_or_default();
        match self.socket.try_send_to(output, to) {
            Ok(_) => self.stats.sent = self.stats.sent.saturating_add(1),
            Err(_) => self.stats.unsent = self.stats.unsent.saturating_add(1),
        }
    }
}

/// Lets other tasks run once.
async fn yield_now() {
    let mut yielded = false;
    poll_fn(|cx| {
        if core::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
