//! In the making.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod dot;
pub mod line;
mod output;
pub mod pop3;
pub mod sasl;
mod secret;
mod tls;
mod transmit;

pub use secret::Secret;
pub use tls::TlsInfo;
pub use transmit::Transmit;
