//! In the making.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod client;
mod config;
pub mod datagram;
mod error;
mod event;
mod limits;
mod outbox;
mod random;
pub mod server;
pub mod stream;
pub mod wire;

pub use config::Config;
pub use error::{
    BuildError, DecodeError, Error, Fault, NameError, NameFault, UnknownMnemonic, UsageError,
    ZoneError,
};
pub use event::{Failure, QueryId, Transport};
pub use limits::Limits;
