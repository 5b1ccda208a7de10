//! What the example programs share. The programs themselves are in `src/bin`, one idea each.

pub mod app;
pub mod cli;
pub mod echo;
pub mod serve;
#[cfg(all(feature = "dns", feature = "mail"))]
pub mod services;
#[cfg(feature = "dns")]
pub mod zones;
