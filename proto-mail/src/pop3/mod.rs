//! POP3.
pub mod wire;
