//! SMTP and LMTP: moving mail, both sides.
//!
//! [`server::Session`] and [`client::Session`] are stream machines, one for each connection;
//! [`wire`] is what they say to each other, and can be used alone. LMTP (RFC 2033) is a mode of
//! both: [`Protocol`].
//!
//! [`queue`] is what a server does with mail for other servers, and [`trace`] what it writes on it.
//!
//! Covered: RFC 5321; SIZE (1870), 8BITMIME (6152), SMTPUTF8 (6531), PIPELINING (2920), CHUNKING
//! and BINARYMIME (3030), STARTTLS (3207), AUTH (4954), ENHANCEDSTATUSCODES (2034), DSN (3461).
//! The parameters of DELIVERBY (2852), FUTURERELEASE (4865), MT-PRIORITY (6710), RRVS (7293) and
//! REQUIRETLS (8689) are read, written and, where the configuration offers them, handed over.

pub mod client;
mod error;
pub mod queue;
pub mod server;
pub mod trace;
pub mod wire;

pub use error::UsageError;

/// Which of the two protocols a session speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// Between mail servers, and from user agents to the first one (RFC 5321).
    #[default]
    Smtp,
    /// To whoever files mail into mailboxes: LHLO, and one answer for each recipient (RFC 2033).
    Lmtp,
}
