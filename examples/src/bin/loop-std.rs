//! A loop of one's own with nothing but `std`: a thread per connection, blocking reads with a
//! timeout. No tokio, no driver: [`run_stream`] and [`run_datagram`] are all there is to it.

use bytes::BytesMut;
use core::time::Duration;
use examples::app::{DatagramApp, StreamApp};
use examples::cli;
use examples::services::{self, Make, Service};
use netio::shape::{
    DatagramMachine, DatagramTransmit, Local, LocalId, StreamMachine, StreamTransmit,
};
use std::error::Error;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream, UdpSocket};
use std::process::ExitCode;
use std::thread;
use std::time::Instant;

/// How long a read may block when the machine has no deadline: a socket wants some timeout.
const LONG: Duration = Duration::from_secs(3600);
/// How long a peer may leave what it was sent unread.
const WRITE_TIMEOUT: Duration = Duration::from_secs(60);

fn main() -> ExitCode {
    cli::exit("loop-std", services::from_arguments().and_then(run))
}

fn run(services: Vec<Service>) -> Result<(), Box<dyn Error>> {
    let threads: Vec<_> = services
        .into_iter()
        .map(|service| {
            thread::spawn(move || match service {
                Service::EchoTcp(listener, make) => accept(&listener, &make),
                #[cfg(feature = "http2")]
                Service::Http2(listener, make) => accept(&listener, &make),
                Service::Pop3(listener, make) => accept(&listener, &make),
                Service::DnsTcp(listener, make) => accept(&listener, &make),
                Service::EchoUdp(socket, (machine, app)) => run_datagram(machine, app, &socket),
                Service::DnsUdp(socket, it) => run_datagram(it.0, it.1, &socket),
            })
        })
        .collect();
    for thread in threads {
        thread.join().map_err(|_| "a thread panicked")??;
    }
    Ok(())
}

/// The welcoming socket: a new socket and a thread for each client.
fn accept<A>(listener: &TcpListener, make: &Make<A>) -> io::Result<()>
where
    A: StreamApp + Send + 'static,
    A::Machine: Send,
{
    loop {
        // An error means that a client has gone again, or that the system is short of something.
        let Ok((socket, peer)) = listener.accept() else {
            continue;
        };
        let (machine, app) = make(Duration::ZERO);
        thread::spawn(move || {
            if let Err(error) = run_stream(machine, app, socket) {
                eprintln!("{peer}: {}", cli::causes(&*error));
            }
        });
    }
}

/// Runs one stream machine over one blocking socket.
fn run_stream<A: StreamApp>(
    mut machine: A::Machine,
    mut app: A,
    mut socket: TcpStream,
) -> Result<(), Box<dyn Error>> {
    socket.set_write_timeout(Some(WRITE_TIMEOUT))?;
    let epoch = Instant::now();
    let mut input = BytesMut::new();
    let mut failure = None;
    loop {
        let mut moved = false;
        // 1. Events, until there are none.
        loop {
            let now = epoch.elapsed();
            match machine.poll_event(now, &mut input) {
                Ok(Some(event)) => app.on_event(now, &mut machine, event),
                Ok(None) => break,
                // The farewell still has to leave: go on until the machine is closed.
                Err(error) => failure = Some(error),
            }
            moved = true;
        }
        // 2. Output, until there is none. A blocking write may wait for the peer to read; a peer
        //    that never does is cut off by the write timeout.
        while let Some(step) = machine.poll_transmit(epoch.elapsed(), 64 * 1024) {
            match step {
                StreamTransmit::Data(data) => {
                    if socket.write_all(&data).is_err() {
                        machine.handle_disconnect(epoch.elapsed());
                    }
                }
                StreamTransmit::Shutdown => socket.shutdown(Shutdown::Write).unwrap_or_default(),
                step => return Err(format!("this loop has no {step:?}").into()),
            }
            moved = true;
        }
        // What has moved may have made room for more.
        if moved {
            continue;
        }
        if machine.is_closed() {
            return failure.map_or(Ok(()), |error| Err(error.into()));
        }
        // 3. Input, or the deadline, whichever comes first.
        let now = epoch.elapsed();
        let wait = machine
            .poll_timeout()
            .map_or(LONG, |deadline| deadline.saturating_sub(now));
        if wait.is_zero() {
            machine.handle_timeout(now);
            continue;
        }
        if !machine.wants_read() {
            // Nothing can change but by the deadline.
            thread::sleep(wait);
            continue;
        }
        socket.set_read_timeout(Some(wait))?;
        let mut chunk = [0; 16 * 1024];
        match socket.read(&mut chunk) {
            Ok(0) => machine.handle_eof(epoch.elapsed()),
            Ok(len) => input.extend_from_slice(&chunk[..len]),
            Err(error) if is_timeout(&error) => machine.handle_timeout(epoch.elapsed()),
            Err(_) => machine.handle_disconnect(epoch.elapsed()),
        }
    }
}

/// Runs one datagram machine over one blocking socket.
fn run_datagram<A: DatagramApp>(
    mut machine: A::Machine,
    mut app: A,
    socket: &UdpSocket,
) -> io::Result<()> {
    let epoch = Instant::now();
    let mut buffer = vec![0; 65_535];
    loop {
        while let Some(event) = machine.poll_event() {
            app.on_event(epoch.elapsed(), &mut machine, event);
        }
        while let Some(step) = machine.poll_transmit(epoch.elapsed()) {
            match step {
                DatagramTransmit::Datagram {
                    local: Local::Any | Local::Id(_),
                    to,
                    payload,
                } => {
                    // A datagram that cannot be sent is lost, as any may be.
                    let _ = socket.send_to(&payload, to);
                }
                step => eprintln!("this loop has one socket only: {step:?}"),
            }
        }
        let now = epoch.elapsed();
        let wait = machine
            .poll_timeout()
            .map_or(LONG, |deadline| deadline.saturating_sub(now));
        if wait.is_zero() {
            machine.handle_timeout(now);
            continue;
        }
        socket.set_read_timeout(Some(wait))?;
        match socket.recv_from(&mut buffer) {
            Ok((len, from)) => {
                machine.handle_datagram(epoch.elapsed(), LocalId::MAIN, from, &buffer[..len]);
            }
            Err(error) if is_timeout(&error) => machine.handle_timeout(epoch.elapsed()),
            // An earlier answer found its port closed: no affair of the next asker's.
            Err(_) => {}
        }
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}
