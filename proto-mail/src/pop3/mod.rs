//! POP3.
pub mod client;
mod error;
mod maildrop;
pub mod server;
pub mod wire;

pub use error::UsageError;
pub use maildrop::{Deleted, Maildrop};
