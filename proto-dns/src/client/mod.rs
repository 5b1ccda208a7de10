//! The client's side: a [`Stub`] that asks configured servers, and the [`Stream`] that carries
//! messages over one connection.

mod attempt;
mod cookie;
mod query;
pub mod secondary;
pub mod stream;
pub mod stub;
pub mod transfer;

pub use query::QueryOptions;
pub use secondary::Secondary;
pub use stream::Stream;
pub use stub::{Action, ConnectionId, Stub};
pub use transfer::{Incoming, Progress};
