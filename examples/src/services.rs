//! The services that `loop-std` and `loop-mio` run: the same machines and applications, so that the
//! two programs differ in their loops only.

use crate::app::{DnsTcp, DnsUdp, Echo, StreamApp};
use crate::{cli, echo, mail, zones};
use clap::{Parser, Subcommand};
use core::net::SocketAddr;
use core::time::Duration;
use proto_dns::server::Authority;
use std::error::Error;
use std::net::{TcpListener, UdpSocket};
use std::sync::Arc;

/// Makes the machine and the application of a new connection that begins at the given time.
pub type Make<A> = Box<dyn Fn(Duration) -> (<A as StreamApp>::Machine, A) + Send>;

/// A socket and what answers on it.
pub enum Service {
    /// The echo over TCP.
    EchoTcp(TcpListener, Make<Echo>),
    /// The echo over UDP.
    EchoUdp(UdpSocket, (echo::Datagrams, Echo)),
    /// POP3: Bob's two messages.
    Pop3(TcpListener, Make<mail::Pop3>),
    /// HTTP/2 in cleartext, by prior knowledge: a page at `/`, objects at `/object/OCTETS`.
    #[cfg(feature = "http2")]
    Http2(TcpListener, Make<crate::http2::Pages>),
    /// DNS over TCP.
    DnsTcp(TcpListener, Make<DnsTcp>),
    /// DNS over UDP.
    DnsUdp(UdpSocket, Box<(proto_dns::server::Datagram, DnsUdp)>),
}

#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve POP3 (bob's password is hungry, alice's is ketchup) and DNS (the lecture's zones) until
    /// killed.
    Serve {
        /// Where POP3 listens; port 0 takes a free one.
        address: SocketAddr,
        /// Where DNS listens, over UDP and TCP. Default: a free port of the same address.
        #[arg(long)]
        dns: Option<SocketAddr>,
        /// Where HTTP/2 listens, in cleartext and by prior knowledge. Default: nowhere.
        #[cfg(feature = "http2")]
        #[arg(long)]
        http2: Option<SocketAddr>,
        /// Where the upper-case echo listens, over UDP and TCP. Default: nowhere.
        #[arg(long)]
        echo: Option<SocketAddr>,
    },
}

/// Binds what the arguments of the process ask for, and says where.
///
/// # Errors
///
/// When an address cannot be bound. Wrong arguments end the process with status 2.
pub fn from_arguments() -> Result<Vec<Service>, Box<dyn Error>> {
    let Command::Serve {
        address,
        dns,
        #[cfg(feature = "http2")]
        http2,
        echo,
    } = Arguments::parse().command;
    let mut services = Vec::new();
    add_pop3(&mut services, address)?;
    let dns = dns.unwrap_or_else(|| SocketAddr::new(address.ip(), 0));
    add_dns(&mut services, dns)?;
    #[cfg(feature = "http2")]
    if let Some(http2) = http2 {
        add_http2(&mut services, http2)?;
    }
    if let Some(echo) = echo {
        add_echo(&mut services, echo)?;
    }
    Ok(services)
}

fn add_pop3(services: &mut Vec<Service>, address: SocketAddr) -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind(address)?;
    cli::listening("pop3", listener.local_addr()?);
    let (store, config) = (mail::bobs_store(), mail::plain_config());
    mail::add_alice(&store);
    let make = move |now| (mail::session(now, &config), mail::Pop3::new(&store));
    services.push(Service::Pop3(listener, Box::new(make)));
    Ok(())
}

#[cfg(feature = "http2")]
fn add_http2(services: &mut Vec<Service>, address: SocketAddr) -> Result<(), Box<dyn Error>> {
    use crate::http2::{Pages, Site};
    let listener = TcpListener::bind(address)?;
    cli::listening("h2", listener.local_addr()?);
    let site = Arc::new(Site::default());
    let config = Arc::new(proto_http2::Config::default());
    let limits = Arc::new(proto_http2::Limits::default());
    let make = move |now| {
        let machine =
            proto_http2::Connection::server(now, Arc::clone(&config), Arc::clone(&limits));
        (machine, Pages::new(&site))
    };
    services.push(Service::Http2(listener, Box::new(make)));
    Ok(())
}

fn add_dns(services: &mut Vec<Service>, address: SocketAddr) -> Result<(), Box<dyn Error>> {
    let authority: Arc<Authority> = Arc::new(zones::lecture()?);
    let (tcp, udp) = bind_both("dns", address)?;
    let limits = Arc::new(proto_dns::Limits::default());
    let machine = proto_dns::server::Datagram::new(Duration::ZERO, Arc::clone(&limits));
    services.push(Service::DnsUdp(
        udp,
        Box::new((machine, DnsUdp(Arc::clone(&authority)))),
    ));
    services.push(Service::DnsTcp(
        tcp,
        Box::new(move |now| {
            let machine = proto_dns::server::Stream::new(now, Arc::clone(&limits));
            (machine, DnsTcp(Arc::clone(&authority)))
        }),
    ));
    Ok(())
}

fn add_echo(services: &mut Vec<Service>, address: SocketAddr) -> Result<(), Box<dyn Error>> {
    let (tcp, udp) = bind_both("echo", address)?;
    services.push(Service::EchoUdp(udp, (echo::Datagrams::default(), Echo)));
    services.push(Service::EchoTcp(
        tcp,
        Box::new(|now| (echo::Lines::new(now), Echo)),
    ));
    Ok(())
}

/// Binds the same port for TCP and UDP.
fn bind_both(
    protocol: &str,
    address: SocketAddr,
) -> Result<(TcpListener, UdpSocket), Box<dyn Error>> {
    // A port that is free for TCP may be taken for UDP: then another one is tried.
    let mut tries = 0;
    loop {
        let tcp = TcpListener::bind(address)?;
        let bound = tcp.local_addr()?;
        match UdpSocket::bind(bound) {
            Ok(udp) => {
                cli::listening(protocol, bound);
                return Ok((tcp, udp));
            }
            Err(_) if address.port() == 0 && tries < 10 => tries += 1,
            Err(error) => return Err(error.into()),
        }
    }
}
