//! Chapter: the upper-case echo, the "hello world" of socket programming.

use crate::report::Report;
use core::time::Duration;
use examples::app::Echo;
use examples::echo::{Datagrams, Event, Lines};
use examples::serve;
use netio::driver::{Datagram, Stream};
use netio::shape::Local;
use std::error::Error;
use std::time::Instant;
use tokio::net::{TcpListener, TcpStream, UdpSocket};

const ROUNDS: u32 = 5_000;

pub(crate) async fn run(report: &mut Report) -> Result<(), Box<dyn Error>> {
    report.chapter("echo", "The upper-case echo, over UDP and over TCP");
    udp(report).await?;
    tcp(report).await
}

async fn udp(report: &mut Report) -> Result<(), Box<dyn Error>> {
    let socket = UdpSocket::bind("127.0.0.1:0").await?;
    let address = socket.local_addr()?;
    let server = tokio::spawn(serve::datagrams(socket, Datagrams::default(), Echo));
    let mut client = Datagram::new(Datagrams::default(), UdpSocket::bind("127.0.0.1:0").await?);
    client
        .machine_mut()
        .send(Local::Any, address, b"hello from a datagram");
    let answer = tokio::time::timeout(Duration::from_secs(5), client.next()).await?;
    report.exchanged(format_args!("UDP {address}: hello from a datagram"));
    report.check(
        "a datagram comes back in upper case",
        &answer.2[..],
        &b"HELLO FROM A DATAGRAM"[..],
    );
    report.check("from the address that was asked", answer.1, address);
    server.abort();
    Ok(())
}

async fn tcp(report: &mut Report) -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = tokio::spawn(serve::streams(
        listener,
        16,
        |socket| (Stream::new(Lines::new(Duration::ZERO), socket), Echo),
        async { stopped.await.unwrap_or_default() },
    ));
    let socket = TcpStream::connect(address).await?;
    let mut client = Stream::new(Lines::new(Duration::ZERO), socket);
    client.machine_mut().send(b"hello over a connection");
    let answer = client.next().await?;
    report.exchanged(format_args!("TCP {address}: hello over a connection"));
    let expected = Event::Line("HELLO OVER A CONNECTION".into());
    report.check("a line comes back in upper case", answer, Some(expected));
    let begin = Instant::now();
    let mut echoes = 0;
    for _ in 0..ROUNDS {
        client.machine_mut().send(b"ping");
        echoes += u32::from(client.next().await? == Some(Event::Line("PING".into())));
    }
    report.check("every line of a long exchange comes back", echoes, ROUNDS);
    report.speed(
        "lines there and back, one at a time",
        f64::from(ROUNDS),
        "lines",
        begin.elapsed(),
    );
    client.close(Duration::from_secs(5)).await?;
    let _ = stop.send(());
    server.await?;
    Ok(())
}
