//! How a stub behaves, as far as it is a matter of taste.

use crate::wire::Name;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

/// Behaviour of a [`client::Stub`](crate::client::Stub).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// The servers to ask, in order of preference; at most the first 64 are used.
    pub servers: Vec<SocketAddr>,
    /// The largest datagram that is asked for by EDNS. Default 1232, which arrives unfragmented
    /// nearly everywhere (DNS flag day 2020).
    pub udp_payload: u16,
    /// Mix the case of the letters in questions over UDP, and expect it back
    /// (draft-vixie-dnsext-dns0x20). Default true.
    pub mix_case: bool,
    /// How long the first attempt at each server waits for a reply over UDP; each further round over
    /// all servers waits twice as long as the one before. Default 2 seconds.
    pub timeout: Duration,
    /// How long an attempt over TCP waits, connecting included. Default 5 seconds.
    pub tcp_timeout: Duration,
    /// Rounds over all servers. Default 3.
    pub attempts: u32,
    /// Begin each query with a server picked at random. Default false.
    pub rotate: bool,
    /// How long a query may take as a whole, from its first datagram on. Default 15 seconds.
    pub deadline: Duration,
    /// Where [`Stub::search`](crate::client::Stub::search) looks for names that are not complete, in
    /// this order. Default nowhere.
    pub search: Vec<Name>,
    /// A name with at least this many dots is tried as it is before the search list. Default 1.
    pub ndots: usize,
    /// Send cookies (RFC 7873), and take nothing without them over UDP from a server that has sent
    /// some before. Needs EDNS. Default false.
    pub cookies: bool,
    /// EDNS options that every query bears, in wire form
    /// ([`Options::encode`](crate::wire::Options::encode)). Default none.
    pub edns_options: Vec<u8>,
    /// How long a connection without queries is kept for the next one. Default 3 seconds.
    pub tcp_idle: Duration,
}

impl Config {
    /// Defaults, and these servers.
    #[must_use]
    pub fn new(servers: impl IntoIterator<Item = SocketAddr>) -> Self {
        Self {
            servers: servers.into_iter().collect(),
            ..Self::default()
        }
    }
}

impl Default for Config {
    /// No servers yet: a stub without any refuses every query.
    fn default() -> Self {
        Self {
            servers: Vec::new(),
            udp_payload: 1232,
            mix_case: true,
            timeout: Duration::from_secs(2),
            tcp_timeout: Duration::from_secs(5),
            attempts: 3,
            rotate: false,
            deadline: Duration::from_secs(15),
            search: Vec::new(),
            ndots: 1,
            cookies: false,
            edns_options: Vec::new(),
            tcp_idle: Duration::from_secs(3),
        }
    }
}
