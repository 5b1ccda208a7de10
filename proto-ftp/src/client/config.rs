//! What a client does, apart from what keeps it safe.

/// Behaviour of a client's session.
#[derive(Clone, Debug)]
#[non_exhaustive]
#[allow(clippy::struct_excessive_bools)] // switches, each on its own
pub struct Config {
    /// Send no password and begin no transfer without TLS. Default on.
    pub require_tls: bool,
    /// The connection is TLS from its start (port 990).
    pub implicit_tls: bool,
    /// Send commands before the replies to those before them, until something goes wrong. Default
    /// off: RFC 959 speaks of one at a time.
    pub pipelining: bool,
    /// With pipelining, do not even wait for the greeting. Default off.
    pub eager: bool,
    /// Let the server connect to us (PORT, EPRT). Default off.
    pub active: bool,
    /// Begin with EPSV and fall back to PASV. Default on.
    pub epsv: bool,
    /// Connect to the address that PASV names rather than to that of the control connection.
    /// Default off (CVE-2020-8284).
    pub trust_passive_address: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            require_tls: true,
            implicit_tls: false,
            pipelining: false,
            eager: false,
            active: false,
            epsv: true,
            trust_passive_address: false,
        }
    }
}

/// Counters of a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Commands that were sent.
    pub commands: u64,
    /// Replies that were read.
    pub replies: u64,
    /// Times that pipelining was given up.
    pub fallbacks: u64,
    /// Octets handed to the transport of the control connection.
    pub octets_out: u64,
}
