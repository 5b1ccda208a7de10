//! What a server does, apart from what keeps it safe.

use bytes::Bytes;
use core::net::Ipv4Addr;

/// Behaviour of a server's sessions.
#[derive(Clone, Debug)]
#[non_exhaustive]
#[allow(clippy::struct_excessive_bools)] // switches, each on its own
pub struct Config {
    /// The text of the greeting, 220.
    pub greeting: Bytes,
    /// The text of the reply to SYST, 215.
    pub system: Bytes,
    /// Offer AUTH TLS (RFC 4217).
    pub tls: bool,
    /// The connection is TLS from its start (port 990).
    pub implicit_tls: bool,
    /// Refuse USER in plaintext with 530. Default off.
    pub require_tls: bool,
    /// Refuse transfers without PROT P with 521. Default off.
    pub require_data_tls: bool,
    /// A data connection under TLS must resume a session of the control connection, or it is refused
    /// with 522. Default off: many clients cannot.
    pub require_resumption: bool,
    /// Allow CCC. Default off (RFC 4217 section 12.3 tells why).
    pub allow_ccc: bool,
    /// Allow data connections to and from other hosts than the client (server-to-server transfers,
    /// RFC 2577 section 3). Default off.
    pub allow_foreign_data: bool,
    /// The lowest port that PORT and EPRT may name. Default 1024 (RFC 2577 section 3).
    pub min_active_port: u16,
    /// Offer PORT and EPRT at all. Default on.
    pub active: bool,
    /// The address that PASV names, where a translator of addresses stands in between.
    pub passive_address: Option<Ipv4Addr>,
    /// Hand SITE commands to the embedder. Default off: 502.
    pub site: bool,
    /// Hand HASH to the embedder, as this algorithm. Default none: 502.
    pub hash: Option<Bytes>,
    /// Hand HOST to the embedder (RFC 7151). Default off.
    pub virtual_hosts: bool,
    /// Allow MODE Z. Default on.
    pub mode_z: bool,
    /// The embedder knows pages (STRU P): it makes something of
    /// [`DataEvent::Page`](crate::data::DataEvent::Page). Default off: STRU P is answered with 504.
    pub pages: bool,
    /// The embedder may answer USER alone: [`Event::User`](super::Event::User) comes before 331.
    /// Default off, which tells nobody which users exist (RFC 2577 section 6).
    pub ask_user: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            greeting: Bytes::from_static(b"Ready"),
            system: Bytes::from_static(b"UNIX Type: L8"),
            tls: false,
            implicit_tls: false,
            require_tls: false,
            require_data_tls: false,
            require_resumption: false,
            allow_ccc: false,
            allow_foreign_data: false,
            min_active_port: 1024,
            active: true,
            passive_address: None,
            site: false,
            hash: None,
            virtual_hosts: false,
            mode_z: true,
            pages: false,
            ask_user: false,
        }
    }
}

/// Counters of a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Commands that were read.
    pub commands: u64,
    /// Replies that were queued.
    pub replies: u64,
    /// Lines that were no command, or an unknown one.
    pub faults: u64,
    /// Octets handed to the transport of the control connection.
    pub octets_out: u64,
    /// Transfers that were begun.
    pub transfers: u64,
    /// Data connections that were refused because of where they came from.
    pub refused_peers: u64,
}
