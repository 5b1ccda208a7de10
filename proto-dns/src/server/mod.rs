//! The server's side: transports that ask, and an authority that knows.
//!
//! [`Datagram`] and [`Stream`] speak no DNS beyond the header: they hand out each query with an
//! `Ask` and take the reply for it, whoever made it and whenever. A resolver or a forwarder sits
//! behind them as well as [`Authority`] does.
//!
//! [`Nameserver`] is an authority that also takes updates, gives transfers, sends and takes
//! notifications, and checks signatures.

pub mod authority;
pub mod datagram;
pub(crate) mod journal;
pub mod nameserver;
pub(crate) mod rrset;
pub mod stream;
pub mod transfer;
pub mod update;
pub mod zone;

pub use authority::Authority;
pub use datagram::Datagram;
pub use journal::Journal;
pub use nameserver::Nameserver;
pub use stream::Stream;
pub use transfer::Transfer;
pub use zone::{Zone, ZoneBuilder};
