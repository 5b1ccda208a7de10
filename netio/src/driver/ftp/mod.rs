//! Drivers of the FTP sessions: the control connection, data connections, and the files on them.
//!
//! Data connections are run by tasks of their own. A file that travels as it is, without TLS, is
//! copied by the system where it can (`sendfile`), on a thread of the blocking pool; all else goes
//! through the machines of [`proto_ftp::data`].

mod client;
mod copy;
mod server;
mod slots;

pub use client::{Client, ClientError};
pub use copy::Payload;
pub use server::{Options, Server};

use std::io;
use tokio::net::TcpStream;

/// Makes a socket ready to be a control connection: urgent octets stay in their places
/// (`SO_OOBINLINE`), so that the Telnet Synch before ABOR is read in order.
///
/// # Errors
///
/// The system's.
pub fn prepare_control(socket: &TcpStream) -> io::Result<()> {
    #[cfg(unix)]
    rustix::net::sockopt::set_socket_oobinline(socket, true)?;
    socket.set_nodelay(true)
}
