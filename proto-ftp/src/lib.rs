//! FTP as Sans-I/O state machines: the sessions of server and client, data connections, listings.
//!
//! A session is a coordinator: its control connection is a stream machine, data connections are
//! wishes, storage and logins are questions. See [`server`] and [`client`] for their states,
//! [`data`] for what goes over a data connection, [`listing`] for directory listings and [`wire`]
//! for commands and replies.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod client;
pub mod data;
mod limits;
pub mod listing;
mod output;
mod secret;
pub mod server;
mod tls;
mod transmit;
pub mod wire;

pub use limits::{ClientLimits, ServerLimits};
pub use secret::Secret;
pub use tls::TlsInfo;
pub use transmit::{DataTransmit, Transmit};
