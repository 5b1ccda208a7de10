//! What the example programs share. The programs themselves are in `src/bin`, one idea each.

pub mod app;
#[cfg(feature = "bittorrent")]
pub mod bittorrent;
pub mod cli;
#[cfg(feature = "dns")]
pub mod dns_server;
#[cfg(feature = "dns")]
pub mod dns_state;
pub mod echo;
#[cfg(all(unix, feature = "ftp"))]
pub mod ftp;
#[cfg(feature = "http2")]
pub mod hol;
#[cfg(feature = "http2")]
pub mod http2;
#[cfg(feature = "mail")]
pub mod mail;
#[cfg(all(feature = "dns", feature = "mail"))]
pub mod mail_sim;
#[cfg(feature = "mail")]
pub mod maildir;
#[cfg(feature = "mail")]
pub mod pop3_client;
pub mod serve;
#[cfg(all(feature = "dns", feature = "mail"))]
pub mod services;
#[cfg(feature = "http2")]
pub mod site;
#[cfg(feature = "mail")]
pub mod smtp_client;
#[cfg(all(feature = "dns", feature = "mail"))]
pub mod smtp_server;
#[cfg(all(feature = "dns", feature = "mail"))]
pub mod smtp_tls;
#[cfg(all(feature = "dns", feature = "mail"))]
pub mod spool;
#[cfg(any(feature = "dns", feature = "ftp"))]
pub mod tls_any;
#[cfg(feature = "dns")]
pub mod zones;

/// The example of the front page compiles.
#[cfg(all(doctest, feature = "mail"))]
#[doc = include_str!("../../README.md")]
pub struct Readme;
