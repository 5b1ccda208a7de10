//! In the making.
#![forbid(unsafe_code)]

#[cfg(feature = "dns")]
pub mod dns;
#[cfg(feature = "tokio")]
pub mod driver;
#[cfg(feature = "mail")]
pub mod mail;
pub mod shape;
#[cfg(feature = "sim")]
pub mod sim;
#[cfg(feature = "tls")]
pub mod tls;
