//! HTTP/2: header compression and whole sessions.

mod hpack;
mod pair;
mod stories;
mod wire;

#[cfg(feature = "http2-peers")]
mod h2;
#[cfg(feature = "http2-peers")]
mod nghttp2;

pub use hpack::encoded_sizes;
pub use pair::Pair;

use crate::{Case, Job};

/// Streams under way at once in a session.
const STREAMS: usize = 100;

/// What a browser asks, pseudo-fields first.
const REQUEST: [(&str, &str); 7] = [
    (":method", "GET"),
    (":scheme", "https"),
    (":authority", "utopia.example"),
    (":path", "/styles/page.css?version=12"),
    (
        "user-agent",
        "Mozilla/5.0 (X11; Linux x86_64) Browser/128.0",
    ),
    ("accept", "text/css,*/*;q=0.1"),
    ("accept-encoding", "gzip, deflate, br"),
];

/// And what it is answered.
const RESPONSE: [(&str, &str); 4] = [
    (":status", "200"),
    ("content-type", "text/css"),
    ("cache-control", "public, max-age=3600"),
    ("server", "utopia/1"),
];

/// All cases of this module.
#[must_use]
pub fn cases() -> Vec<Case> {
    let mut cases = hpack::cases();
    cases.extend([0, 1024, 100 * 1024].map(session));
    cases.extend(wire::cases());
    cases
}

/// Requests and responses, both ends in memory.
fn session(body: usize) -> Case {
    let mut pair = Pair::new(body);
    #[cfg_attr(
        not(feature = "http2-peers"),
        expect(unused_mut, reason = "others come with the feature")
    )]
    let mut jobs: Vec<(&'static str, Job)> = vec![("ours", Box::new(move || pair.run(STREAMS)))];
    #[cfg(feature = "http2-peers")]
    {
        let mut pair = nghttp2::Pair::new(body);
        jobs.push((nghttp2::NAME, Box::new(move || pair.run(STREAMS))));
        let mut pair = h2::Pair::new(body);
        jobs.push((h2::NAME, Box::new(move || pair.run(STREAMS))));
    }
    Case {
        group: "http2 session",
        name: format!("{STREAMS} streams, bodies of {body} octets"),
        octets: (body > 0).then_some((body * STREAMS) as u64),
        jobs,
        is_comparable: true,
    }
}
