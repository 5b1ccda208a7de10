//! FTP as Sans-I/O state machines.

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
