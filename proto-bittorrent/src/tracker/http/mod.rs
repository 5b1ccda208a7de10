//! Trackers over HTTP (BEP 3, 7, 23, 24, 31, 48). The head of a request or response is read by
//! httparse; everything else is here.

mod body;
mod client;
mod query;
mod server;
mod wire;

pub use body::BodyError;
pub use client::{Client, ClientStats, Error as ClientError, Event as ClientEvent, Failure};
pub use query::{AnnounceQuery, QueryError, ScrapeQuery};
pub use server::{
    Ask, Error as ServerError, Event as ServerEvent, Server, ServerStats, UsageError,
};
pub use wire::{Reply, ReplyError, ScrapeReply};
