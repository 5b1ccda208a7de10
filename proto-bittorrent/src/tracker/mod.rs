//! Trackers, client and server: over HTTP (BEP 3, 7, 23, 24, 31, 48) and UDP (BEP 15, 41, 48),
//! tiers of them (BEP 12), and a store of peers to answer from.
//!
//! | part | shape | what |
//! |---|---|---|
//! | [`Announcer`] | coordinator | when to announce, and to which tracker of which tier |
//! | [`udp::Client`], [`udp::Server`] | datagram | many trackers or peers over one socket |
//! | [`http::Client`] | stream | one exchange |
//! | [`http::Server`] | stream | one connection of a peer |
//! | [`Store`] | | who has what; answers in time that depends on the peers returned alone |

mod announcer;
pub mod http;
mod store;
mod types;
pub mod udp;
mod url;

pub use announcer::{Action, Announcer, AnnouncerConfig, AnnouncerEvent, AttemptId, Progress};
pub use store::{Store, StoreError, StoreLimits};
pub use types::{Announce, AnnounceEvent, Announced, QueryId, ScrapeCounts};
pub use url::{Risk, Scheme, TrackerUrl, UrlError};
