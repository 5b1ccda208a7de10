//! What TLS established, in types that need no TLS library.

use alloc::string::String;
use bytes::Bytes;

/// What a TLS handshake established, as far as HTTP/2 may want to know it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TlsInfo {
    /// The protocol chosen by ALPN (RFC 7301).
    pub alpn: Option<Bytes>,
    /// The server name that the client asked for (RFC 6066 section 3).
    pub server_name: Option<String>,
    /// The end-entity certificate that the peer proved to own, in DER.
    pub peer_certificate: Option<Bytes>,
    /// The channel binding `tls-exporter` (RFC 9266).
    pub exporter: Option<[u8; 32]>,
    /// Whether an earlier session was resumed.
    pub resumed: bool,
}
