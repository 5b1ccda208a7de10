//! The server's side: transports that ask, and an authority that knows.
//!
//! [`Datagram`] and [`Stream`] speak no DNS beyond the header: they hand out each query with an
//! `Ask` and take the reply for it, whoever made it and whenever. A resolver or a forwarder sits
//! behind them as well as [`Authority`] does.

pub mod authority;
pub mod datagram;
pub mod stream;
pub mod zone;

pub use authority::Authority;
pub use datagram::Datagram;
pub use stream::Stream;
pub use zone::{Zone, ZoneBuilder};
