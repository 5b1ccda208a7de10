//! The upper-case echo over TCP, on netio.

use clap::Parser;
use core::net::SocketAddr;
use core::time::Duration;
use examples::app::{Echo, StreamApp};
use examples::cli::{self, EchoCommand};
use examples::echo::{Event, Lines};
use netio::driver::{Server, Stream};
use std::error::Error;
use std::process::ExitCode;
use tokio::net::{TcpListener, TcpStream};

/// The upper-case echo over TCP: a client sends a line, the server returns it in upper case.
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
    cli::exit("echo-tcp", result)
}

async fn serve(address: SocketAddr) -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind(address).await?;
    cli::listening("echo-tcp", listener.local_addr()?);
    let interrupted = async { tokio::signal::ctrl_c().await.unwrap_or_default() };
    let server = Server::new(listener, 1024).run(
        |socket, peer, mut closing| async move {
            let mut driver = Stream::new(Lines::new(Duration::ZERO), socket);
            loop {
                tokio::select! {
                    event = driver.next() => match event {
                        Ok(Some(event)) => {
                            let now = driver.now();
                            Echo.on_event(now, driver.machine_mut(), event);
                        }
                        Ok(None) => break,
                        Err(error) => eprintln!("{peer}: {}", cli::causes(&error)),
                    },
                    () = closing.wait() => {
                        let _ = driver.close(Duration::from_secs(1)).await;
                        break;
                    }
                }
            }
        },
        interrupted,
    );
    server.await;
    Ok(())
}

async fn send(address: SocketAddr, text: &str) -> Result<(), Box<dyn Error>> {
    let socket = TcpStream::connect(address).await?;
    let mut driver = Stream::new(Lines::new(Duration::ZERO), socket);
    driver.machine_mut().send(text.as_bytes());
    match driver.next().await? {
        Some(Event::Line(line)) => println!("{}", String::from_utf8_lossy(&line)),
        _ => return Err("the server closed without an answer".into()),
    }
    driver.close(Duration::from_secs(1)).await?;
    Ok(())
}
