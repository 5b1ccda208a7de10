//! The upper-case echo over UDP, on netio.

use clap::Parser;
use core::net::SocketAddr;
use core::time::Duration;
use examples::app::{DatagramApp, Echo};
use examples::cli::{self, EchoCommand};
use examples::echo::Datagrams;
use netio::driver::Datagram;
use netio::shape::Local;
use std::error::Error;
use std::process::ExitCode;
use tokio::net::UdpSocket;

/// The upper-case echo over UDP: a client sends a datagram, the server returns it in upper case.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: EchoCommand,
}

#[tokio::main]
async fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        EchoCommand::Serve { address } => serve(address).await,
        EchoCommand::Send { address, text } => send(address, &text).await,
    };
    cli::exit("echo-udp", result)
}

async fn serve(address: SocketAddr) -> Result<(), Box<dyn Error>> {
    let socket = UdpSocket::bind(address).await?;
    cli::listening("echo-udp", socket.local_addr()?);
    let mut driver = Datagram::new(Datagrams::default(), socket);
    loop {
        tokio::select! {
            event = driver.next() => {
                let now = driver.now();
                Echo.on_event(now, driver.machine_mut(), event);
            }
            interrupted = tokio::signal::ctrl_c() => return Ok(interrupted?),
        }
    }
}

async fn send(address: SocketAddr, text: &str) -> Result<(), Box<dyn Error>> {
    let mut driver = Datagram::with_clock(Datagrams::default(), None, netio::driver::Clock::new());
    // UDP loses datagrams: ask again a few times.
    for _ in 0..3 {
        driver
            .machine_mut()
            .send(Local::Any, address, text.as_bytes());
        let answer = async {
            loop {
                let (_, from, text) = driver.next().await;
                if from == address {
                    return text;
                }
            }
        };
        if let Ok(text) = tokio::time::timeout(Duration::from_secs(1), answer).await {
            println!("{}", String::from_utf8_lossy(&text));
            return Ok(());
        }
    }
    Err(format!("no answer from {address}").into())
}
