//! Drivers of the FTP sessions: the control connection, data connections, and the files on them.
//!
//! Data connections are run by tasks of their own. A file that travels as it is, without TLS, is
//! copied by the system where it can (`sendfile`), on a thread of the blocking pool; all else goes
//! through the machines of [`proto_ftp::data`].

mod client;
mod control;
mod copy;
mod server;
mod slots;

pub use client::{Client, ClientError};
pub use control::Control;
pub use copy::Payload;
pub use server::{Options, Server};
