//! Bounds that hold whatever a peer or tracker sends.

use core::time::Duration;

/// Upper bounds of a machine. Each has a finite default; each machine looks at those that its name
/// stands at.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// [`peer::Connection`](crate::peer::Connection): octets of a block, in a request or a piece.
    /// Default 128 KiB.
    ///
    /// 16 KiB is what everybody asks for; some old clients ask for more. Above it a request is
    /// rejected, and a piece ends the connection.
    pub max_block_len: u32,
    /// [`peer::Connection`](crate::peer::Connection): pieces of a torrent, as long as the torrent is
    /// not known. Default 2 097 152. Memory: a bit for each of the pieces that the peer has.
    pub max_pieces: u32,
    /// [`peer::Connection`](crate::peer::Connection): octets of an extended or unknown message.
    /// Default 1 MiB, as in libtorrent. A longer one ends the connection.
    pub max_extended_len: u32,
    /// [`peer::Connection`](crate::peer::Connection): requests of the peer that were not answered
    /// yet. Default 500; the peer is told (`reqq`).
    ///
    /// One more is rejected where the fast extension is known, and dropped where not. Memory: 12
    /// octets each, and the blocks that the embedder hands over.
    pub max_requests_in: usize,
    /// [`peer::Connection`](crate::peer::Connection): requests of ours that have no final event yet.
    /// Default 2000. One more is a usage error.
    pub max_requests_out: usize,
    /// [`peer::Connection`](crate::peer::Connection): requests for metadata, and for hashes, that
    /// were not answered yet, in each direction. Default 64. One more of the peer is rejected.
    pub max_side_requests: usize,
    /// [`peer::Connection`](crate::peer::Connection): blocks that came unasked, beyond those that
    /// were asked for and taken back. Default 32. One more ends the connection.
    pub max_unsolicited: u32,
    /// [`peer::Connection`](crate::peer::Connection): octets of the info dictionary that a peer may
    /// claim (BEP 9). Default 16 MiB. A larger claim is treated as none.
    pub max_metadata_len: u32,
    /// [`peer::Connection`](crate::peer::Connection): shortest time between two messages of
    /// `ut_pex` that are read. Default 50 seconds (BEP 11 wants a minute). Earlier ones are dropped.
    pub min_pex_interval: Duration,
    /// [`peer::Connection`](crate::peer::Connection): time until both handshakes are there. Default
    /// 10 seconds. Then [`Error::HandshakeTimeout`](crate::peer::Error).
    pub handshake: Duration,
    /// [`peer::Connection`](crate::peer::Connection), HTTP trackers: silence after which a connection
    /// ends. Default 150 seconds: peers send something every two minutes (BEP 3).
    pub idle: Duration,
    /// All stream machines: octets of replies made by the machine itself that may wait for the
    /// transport. Default 64 KiB. Above it nothing is read.
    pub max_queued_output: usize,
    /// All stream machines: how long a connection that is over goes on reading, so that a reset does
    /// not overtake what was sent last. Default 2 seconds.
    pub linger: Duration,
    /// HTTP trackers: octets of the head of a request or response. Default 16 KiB.
    pub max_head_len: usize,
    /// HTTP trackers: octets of the body of a response. Default 1 MiB.
    pub max_body_len: usize,
    /// HTTP tracker client: time for the whole exchange. Default 30 seconds.
    pub exchange: Duration,
    /// Tracker clients: peers that are taken from one response. Default 3000, as in libtorrent.
    pub max_peers: usize,
    /// UDP tracker client: announces and scrapes without a final event. Default 256. One more is a
    /// usage error.
    pub max_queries: usize,
    /// UDP tracker client: how often an exchange is sent again. Default 8 (BEP 15), which with its
    /// waiting times means more than an hour; a client that has other trackers wants 2 or 3.
    pub max_retransmissions: u32,
    /// Tracker servers: questions that were not answered yet. Default 1024 datagrams, and 16 on each
    /// connection. Above it datagrams are dropped, and nothing is read from a connection.
    pub max_questions: usize,
    /// Tracker servers: time after which an open question is given up. Default 30 seconds; `None`
    /// waits for ever.
    pub answer_deadline: Option<Duration>,
    /// Tracker servers: info-hashes of one scrape. Default 74, which is what a datagram holds
    /// (BEP 15). More are not looked at.
    pub max_scrape: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_block_len: 128 * 1024,
            max_pieces: 0x20_0000,
            max_extended_len: 1024 * 1024,
            max_requests_in: 500,
            max_requests_out: 2000,
            max_side_requests: 64,
            max_unsolicited: 32,
            max_metadata_len: 16 * 1024 * 1024,
            min_pex_interval: Duration::from_secs(50),
            handshake: Duration::from_secs(10),
            idle: Duration::from_secs(150),
            max_queued_output: 64 * 1024,
            linger: Duration::from_secs(2),
            max_head_len: 16 * 1024,
            max_body_len: 1024 * 1024,
            exchange: Duration::from_secs(30),
            max_peers: 3000,
            max_queries: 256,
            max_retransmissions: 8,
            max_questions: 1024,
            answer_deadline: Some(Duration::from_secs(30)),
            max_scrape: 74,
        }
    }
}
