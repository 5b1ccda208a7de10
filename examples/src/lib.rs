//! What the example programs share. The programs themselves are in `src/bin`, one idea each.

pub mod app;
pub mod cli;
pub mod echo;
#[cfg(all(unix, feature = "ftp"))]
pub mod ftp;
#[cfg(feature = "mail")]
pub mod mail;
#[cfg(feature = "mail")]
pub mod maildir;
#[cfg(feature = "mail")]
pub mod pop3_client;
pub mod serve;
#[cfg(all(feature = "dns", feature = "mail"))]
pub mod services;
#[cfg(feature = "ftp")]
pub mod tls_any;
#[cfg(feature = "dns")]
pub mod zones;

/// The example of the front page compiles.
#[cfg(all(doctest, feature = "mail"))]
#[doc = include_str!("../../README.md")]
pub struct Readme;
