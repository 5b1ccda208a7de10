//! In the making.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod datagram;
mod error;
mod event;
mod limits;
mod outbox;
pub mod server;
pub mod stream;
pub mod wire;

pub use error::{
    BuildError, DecodeError, Error, Fault, NameError, NameFault, UnknownMnemonic, UsageError,
    ZoneError,
};
pub use event::{QueryId, Transport};
pub use limits::Limits;
