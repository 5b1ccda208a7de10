//! POP3: reading mail, both sides.
//!
//! [`server::Session`] and [`client::Session`] are stream machines, one for each connection;
//! [`wire`] is what they say to each other, and can be used alone. [`memory`] is a store that
//! answers a server session.
//!
//! Covered: RFC 1939 (all commands, APOP and TOP and UIDL included), CAPA and response codes
//! (RFC 2449, RFC 3206), STLS (RFC 2595), AUTH (RFC 5034), UTF8 and LANG (RFC 6856), pipelining.

pub mod client;
mod error;
mod maildrop;
pub mod memory;
pub mod server;
pub mod wire;

pub use error::UsageError;
pub use maildrop::{Deleted, Maildrop};
