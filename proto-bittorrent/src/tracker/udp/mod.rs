//! Trackers over UDP (BEP 15), with the options of BEP 41.

mod client;
mod server;
mod wire;

pub use client::{Client, ClientStats, Event as ClientEvent, Failure};
pub use server::{Ask, Event as ServerEvent, Server, ServerStats};
pub use wire::{Connect, DecodeError, Request, Response};

pub(in crate::tracker) use client::shown;

use thiserror::Error;

/// A call that the caller should not have made. The machine is as it was before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum UsageError {
    /// [`Limits::max_queries`](crate::Limits::max_queries).
    #[error("too many queries are open")]
    TooManyQueries,
    /// Nothing to scrape, or more than 74 hashes, which no datagram holds.
    #[error("between 1 and 74 hashes can be asked for at once")]
    Hashes,
    /// The question is not open any more.
    #[error("the question is no longer open")]
    StaleAsk,
}
