//! One file over one data connection.

use bytes::{Bytes, BytesMut};
use core::time::Duration;
use proto_ftp::DataTransmit;
use proto_ftp::data::{DataEvent, DataLimits, Format, Receiver, Sender};
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Octets that are copied between two looks at the clock and the counter.
const CHUNK: usize = 256 * 1024;

/// What is sent, or where what comes is put.
#[derive(Debug)]
#[non_exhaustive]
pub enum Payload {
    /// Octets to send.
    Octets(Bytes),
    /// A file, from where its cursor stands.
    File(File),
    /// What comes is handed over piece by piece.
    Channel(mpsc::Sender<Bytes>),
}

/// Why a copy ended early.
#[derive(Debug)]
pub(super) enum Broken {
    /// The connection; how is told for `Debug` alone.
    Transport(#[allow(dead_code)] io::Error),
    /// The format.
    Malformed,
    /// The file.
    Storage(io::Error),
}

/// A data connection, with or without TLS.
pub(super) enum Io {
    Plain(TcpStream),
    #[cfg(feature = "tls")]
    Tls(Box<crate::tls::tokio_rustls::TlsStream<TcpStream>>),
}

pub(super) struct Job {
    pub(super) io: Io,
    pub(super) format: Format,
    pub(super) sends: bool,
    pub(super) payload: Payload,
    /// The machine wishes that the octets are moved as they are.
    #[cfg_attr(
        not(all(feature = "fs", target_os = "linux")),
        allow(dead_code, reason = "nothing is pumped then")
    )]
    pub(super) is_pumped: bool,
    pub(super) counter: Arc<AtomicU64>,
    pub(super) marks: Marks,
    pub(super) stall: Duration,
}

/// Restart markers that came, with the octets of the file before them, not told of yet.
pub(super) type Marks = Arc<Mutex<VecDeque<(Bytes, u64)>>>;

/// Markers beyond this many that nobody asked for are forgotten: they are a service, not a duty.
const MAX_MARKS: usize = 64;

impl Job {
    /// Copies all of it, in a task of its own: how many octets of the file there were.
    pub(super) fn spawn(self) -> JoinHandle<Result<u64, Broken>> {
        match (self.io, self.payload) {
            #[cfg(all(feature = "fs", target_os = "linux"))]
            (Io::Plain(socket), Payload::File(file)) if self.is_pumped => {
                let (stall, sends) = (self.stall, self.sends);
                let pump = super::pump::Pump {
                    socket,
                    file,
                    counter: self.counter,
                };
                tokio::spawn(async move {
                    if sends {
                        pump.send(stall).await
                    } else {
                        pump.receive(stall).await
                    }
                })
            }
            (Io::Plain(socket), payload) => {
                let (counter, marks) = (self.counter, self.marks);
                let (format, sends, stall) = (self.format, self.sends, self.stall);
                tokio::spawn(async move {
                    transfer(socket, format, sends, payload, &counter, &marks, stall).await
                })
            }
            #[cfg(feature = "tls")]
            (Io::Tls(tls), payload) => {
                let (counter, marks) = (self.counter, self.marks);
                let (format, sends, stall) = (self.format, self.sends, self.stall);
                tokio::spawn(async move {
                    transfer(*tls, format, sends, payload, &counter, &marks, stall).await
                })
            }
        }
    }
}

pub(super) fn join<T>(
    result: Result<Result<T, Broken>, tokio::task::JoinError>,
) -> Result<T, Broken> {
    result.unwrap_or_else(|error| Err(Broken::Storage(io::Error::other(error))))
}

async fn transfer<T: AsyncRead + AsyncWrite + Unpin>(
    io: T,
    format: Format,
    sends: bool,
    payload: Payload,
    counter: &AtomicU64,
    marks: &Marks,
    stall: Duration,
) -> Result<u64, Broken> {
    if sends {
        send(io, format, payload, counter, stall).await
    } else {
        receive(io, format, payload, counter, marks, stall).await
    }
}

pub(super) async fn within<T>(
    stall: Duration,
    step: impl Future<Output = io::Result<T>>,
) -> Result<T, Broken> {
    match tokio::time::timeout(stall, step).await {
        Ok(result) => result.map_err(Broken::Transport),
        Err(_) => Err(Broken::Transport(io::ErrorKind::TimedOut.into())),
    }
}

pub(super) async fn send<T: AsyncRead + AsyncWrite + Unpin>(
    mut io: T,
    format: Format,
    payload: Payload,
    counter: &AtomicU64,
    stall: Duration,
) -> Result<u64, Broken> {
    let mut sender = Sender::new(format, DataLimits::default());
    let (mut pending, mut file) = match payload {
        Payload::Octets(octets) => (octets, None),
        Payload::File(file) => (Bytes::new(), Some(file)),
        Payload::Channel(_) => return Err(Broken::Storage(io::ErrorKind::InvalidInput.into())),
    };
    loop {
        if pending.is_empty()
            && let Some(mut source) = file.take()
        {
            let read = tokio::task::spawn_blocking(move || {
                let mut buffer = vec![0; CHUNK];
                let len = source.read(&mut buffer).map_err(Broken::Storage)?;
                buffer.truncate(len);
                Ok((source, buffer))
            });
            let (source, buffer) = join(read.await)?;
            file = (!buffer.is_empty()).then_some(source);
            pending = buffer.into();
        }
        let is_end = file.is_none();
        sender.send_data(&mut pending, is_end);
        loop {
            match sender.poll_transmit(Duration::ZERO, CHUNK) {
                Some(DataTransmit::Data(data)) => within(stall, io.write_all(&data)).await?,
                Some(DataTransmit::Shutdown) => {
                    within(stall, io.shutdown()).await?;
                    let total = sender.octets_taken();
                    counter.store(total, Ordering::Relaxed);
                    // Under TLS 1.3 a server sends tickets, which nobody has read: a socket closed
                    // with them would reset, and eat what was sent last.
                    let mut rest = [0; 1024];
                    let drain = async {
                        for _ in 0..64 {
                            if !matches!(io.read(&mut rest).await, Ok(1..)) {
                                break;
                            }
                        }
                    };
                    let _ = tokio::time::timeout(Duration::from_secs(1), drain).await;
                    return Ok(total);
                }
                Some(DataTransmit::Abort) => {
                    return Err(Broken::Transport(io::ErrorKind::ConnectionAborted.into()));
                }
                None => break,
            }
        }
        counter.store(sender.octets_taken(), Ordering::Relaxed);
    }
}

async fn receive<T: AsyncRead + AsyncWrite + Unpin>(
    mut io: T,
    format: Format,
    mut payload: Payload,
    counter: &AtomicU64,
    marks: &Marks,
    stall: Duration,
) -> Result<u64, Broken> {
    let mut receiver = Receiver::new(format, DataLimits::default());
    let mut input = BytesMut::new();
    let mut total = 0_u64;
    loop {
        loop {
            match receiver.poll_event(Duration::ZERO, &mut input) {
                Ok(Some(DataEvent::Chunk(data))) => {
                    total = total.saturating_add(u64::try_from(data.len()).unwrap_or(u64::MAX));
                    payload = store(payload, data).await?;
                }
                Ok(Some(DataEvent::End)) => {
                    counter.store(total, Ordering::Relaxed);
                    // Under TLS our own close_notify is owed too.
                    let _ = tokio::time::timeout(stall, io.shutdown()).await;
                    return Ok(total);
                }
                Ok(Some(DataEvent::Marker(marker))) => {
                    // What came before it is in the file: writing is awaited.
                    let mut marks = marks.lock().unwrap_or_else(PoisonError::into_inner);
                    if marks.len() < MAX_MARKS {
                        marks.push_back((marker, total));
                    }
                }
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(
                    proto_ftp::data::DataError::UnexpectedEof
                    | proto_ftp::data::DataError::Disconnected,
                ) => {
                    return Err(Broken::Transport(io::ErrorKind::UnexpectedEof.into()));
                }
                Err(_) => return Err(Broken::Malformed),
            }
        }
        counter.store(total, Ordering::Relaxed);
        input.reserve(CHUNK);
        // rustls makes an end without close_notify an error: what came is not the whole.
        if within(stall, io.read_buf(&mut input)).await? == 0 {
            receiver.handle_eof(Duration::ZERO);
        }
    }
}

async fn store(payload: Payload, data: Bytes) -> Result<Payload, Broken> {
    match payload {
        Payload::File(mut file) => {
            let write = tokio::task::spawn_blocking(move || {
                file.write_all(&data).map_err(Broken::Storage)?;
                Ok(file)
            });
            Ok(Payload::File(join(write.await)?))
        }
        Payload::Channel(channel) => match channel.send(data).await {
            Ok(()) => Ok(Payload::Channel(channel)),
            Err(_) => Err(Broken::Storage(io::ErrorKind::BrokenPipe.into())),
        },
        Payload::Octets(_) => Err(Broken::Storage(io::ErrorKind::InvalidInput.into())),
    }
}
