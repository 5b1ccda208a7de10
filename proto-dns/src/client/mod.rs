//! The client's side: a [`Stub`] that asks configured servers, and the [`Stream`] that carries
//! messages over one connection.

mod attempt;
mod query;
pub mod stream;
pub mod stub;

pub use query::QueryOptions;
pub use stream::Stream;
pub use stub::{Action, ConnectionId, Stub};
