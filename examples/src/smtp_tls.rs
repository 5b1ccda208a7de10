//! TLS between mail servers, as most of them have it: started where it is offered, with whatever
//! certificate there is (RFC 7435). Names in certificates prove nothing as long as the names of
//! mail exchangers come from a DNS that anybody can forge.

use clap::ValueEnum;
use core::net::SocketAddr;
use netio::tls;
use proto_mail::smtp::client::StartTls;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use tls::tokio_rustls::rustls::ClientConfig;
use tls::tokio_rustls::rustls::pki_types::ServerName;
use tokio::net::TcpStream;

/// Whether a client starts TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Opportunity {
    /// Never.
    Off,
    /// Where the server offers it; a handshake that fails counts as a server that is not there.
    Offered,
    /// A server without it gets no mail.
    Required,
}

impl From<Opportunity> for StartTls {
    fn from(opportunity: Opportunity) -> Self {
        match opportunity {
            Opportunity::Off => Self::Off,
            Opportunity::Offered => Self::IfOffered,
            Opportunity::Required => Self::Required,
        }
    }
}

/// A connection to come.
pub type Connecting = Pin<Box<dyn Future<Output = io::Result<tls::Stream<TcpStream>>> + Send>>;

/// Connects to a host that is known by this name, or address literal, and can start TLS then.
///
/// # Errors
///
/// When nobody is there.
pub async fn connect(
    to: SocketAddr,
    host: String,
    trusted: Arc<ClientConfig>,
) -> io::Result<tls::Stream<TcpStream>> {
    let socket = TcpStream::connect(to).await?;
    // A literal, or a name with octets that certificates do not have.
    let name = ServerName::try_from(host).unwrap_or(ServerName::IpAddress(to.ip().into()));
    Ok(tls::Stream::client(socket, trusted, name))
}
