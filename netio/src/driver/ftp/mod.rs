//! Drivers of the FTP sessions: the control connection, data connections, and the files on them.
//!
//! Data connections are run by tasks of their own. With the feature `fs`, on Linux, a file that
//! travels as it is, without TLS, is moved by the system (`sendfile`) on the blocking pool, and the
//! session counts; all else goes through the machines of [`proto_ftp::data`].

mod client;
mod control;
mod copy;
#[cfg(all(feature = "fs", target_os = "linux"))]
mod pump;
mod server;
mod slots;

pub use client::{Client, ClientError};
pub use control::Control;
pub use copy::Payload;
pub use server::{Options, Server};

/// Octets that a session may wish to be moved in one step: all, for the system is not hurried by
/// steps; none where this driver cannot move them.
const PUMP: u64 = if cfg!(all(feature = "fs", target_os = "linux")) {
    u64::MAX
} else {
    0
};
