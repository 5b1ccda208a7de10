//! Applications on netio's drivers: what a server program does for each connection.

use crate::app::{DatagramApp, StreamApp};
use crate::cli;
use core::net::SocketAddr;
use core::time::Duration;
use netio::driver::{Closing, Datagram, Server, Stream, Transport};
use std::future::Future;
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream, UdpSocket};

/// How long an open connection may take for its end when the server shuts down.
const PATIENCE: Duration = Duration::from_secs(2);

/// Serves connections until `shutdown` is ready. `make` gives each its machine and application, and
/// the transport that its socket becomes.
pub async fn streams<A, T>(
    listener: TcpListener,
    max_connections: usize,
    make: impl Fn(TcpStream) -> (Stream<A::Machine, T>, A) + Send + Sync + 'static,
    shutdown: impl Future<Output = ()>,
) where
    A: StreamApp + Send + 'static,
    A::Machine: Send,
    <A::Machine as netio::shape::StreamMachine>::Event: Send,
    T: Transport + Send + 'static,
{
    let make = Arc::new(make);
    let server = Server::new(listener, max_connections);
    let handler = |socket, peer, closing| {
        let (driver, app) = make(socket);
        connection(driver, app, peer, closing)
    };
    server.run(handler, shutdown).await;
}

/// Runs one connection to its end.
pub async fn connection<A, T>(
    mut driver: Stream<A::Machine, T>,
    mut app: A,
    peer: SocketAddr,
    mut closing: Closing,
) where
    A: StreamApp,
    T: Transport,
{
    let mut closing = core::pin::pin!(closing.wait());
    loop {
        tokio::select! {
            event = driver.next() => match event {
                Ok(Some(event)) => {
                    let now = driver.now();
                    app.on_event(now, driver.machine_mut(), event);
                }
                Ok(None) => return,
                // The machine's farewell still has to leave: go on until there is nothing more.
                Err(error) => eprintln!("{peer}: {}", cli::causes(&error)),
            },
            () = &mut closing => {
                let _ = driver.close(PATIENCE).await;
                return;
            }
        }
    }
}

/// Serves datagrams for as long as it is polled.
pub async fn datagrams<A: DatagramApp>(socket: UdpSocket, machine: A::Machine, mut app: A) {
    let mut driver = Datagram::new(machine, socket);
    loop {
        let event = driver.next().await;
        let now = driver.now();
        app.on_event(now, driver.machine_mut(), event);
    }
}
