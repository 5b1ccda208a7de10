//! Bounds that hold whatever a peer sends.

use core::time::Duration;

/// Upper bounds of a machine. Each has a finite default; each machine looks at those that its name
/// stands at.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// [`client::Stub`](crate::client::Stub), [`client::Stream`](crate::client::Stream): queries
    /// whose final event was not handed out yet. Default 1024.
    ///
    /// Above it a query is refused with [`UsageError::TooManyQueries`](crate::UsageError). Memory:
    /// about 1 KiB a query, and the reply for each answer that waits to be fetched.
    pub max_queries: usize,
    /// [`client::Stream`](crate::client::Stream): how long a query may wait for its answer, from the
    /// moment that it could leave. Default 10 seconds. Then it fails with
    /// [`Failure::Timeout`](crate::Failure::Timeout); the connection goes on.
    pub reply_deadline: Duration,
    /// [`client::Stub`](crate::client::Stub): datagrams that may reach the port of an attempt
    /// without being its reply. Default 8.
    ///
    /// One more, and the query goes on over TCP, because somebody seems to be guessing (unbound
    /// knows such a limit as `unwanted-reply-threshold`). Until then they change nothing.
    pub max_mismatches: u32,
    /// [`client::Stub`](crate::client::Stub): replies that are right but for the case of the
    /// question's letters, before the query goes on over TCP. Default 1.
    ///
    /// Some servers fold the case of what they are asked; nobody else is likely to guess a port and
    /// an id.
    pub max_case_mismatches: u32,
    /// [`client::Stub`](crate::client::Stub): longest reply over UDP when none was advertised
    /// because EDNS was off. Default 512 (RFC 1035 section 2.3.4). With EDNS the advertised size
    /// holds. Longer datagrams are ignored: a fragment may have been replaced on its way.
    pub max_reply_len: usize,
    /// [`server::Datagram`](crate::server::Datagram): questions that were asked and not answered,
    /// plus answers that wait to leave. Default 1024.
    ///
    /// Above it datagrams are dropped and counted. Memory: as many times
    /// [`max_query_len`](Self::max_query_len), plus the answers.
    pub max_datagram_questions: usize,
    /// [`server::Datagram`](crate::server::Datagram): longest query. Default 4096. Longer ones are
    /// dropped and counted.
    pub max_query_len: usize,
    /// [`server::Stream`](crate::server::Stream): questions of one connection that are not answered
    /// yet. Default 64.
    ///
    /// Above it nothing is read. Memory: a message of up to 64 KiB each. Against clients that
    /// pipeline without end (CVE-2024-0760).
    pub max_stream_questions: usize,
    /// [`server::Stream`](crate::server::Stream), [`client::Stream`](crate::client::Stream): octets
    /// that may wait for the transport. Default 256 KiB.
    ///
    /// Above it a server takes no further question, and a client refuses to queue more
    /// ([`UsageError::OutputFull`](crate::UsageError)). Answers to questions that were open before
    /// are still taken: at most [`max_stream_questions`](Self::max_stream_questions) more messages.
    pub max_queued_output: usize,
    /// [`server::Stream`](crate::server::Stream), [`client::Stream`](crate::client::Stream): time
    /// without a complete message, or without any output leaving while there is some. Default 10
    /// seconds (RFC 7766 section 6.2.3 asks for the order of seconds).
    ///
    /// A server then ends with [`Error::IdleTimeout`](crate::Error::IdleTimeout): half a message
    /// does not hold a connection open. A client with no open query closes in order. Time that the
    /// embedder takes to answer does not count.
    pub idle: Duration,
    /// [`server::Stream`](crate::server::Stream), [`client::Stream`](crate::client::Stream): how long
    /// a connection that is over goes on reading, so that a reset does not overtake what was sent
    /// last. Default 2 seconds.
    pub linger: Duration,
    /// [`server::Stream`](crate::server::Stream), [`server::Datagram`](crate::server::Datagram): time
    /// after which an open question is given up, unanswered. Default 30 seconds; `None` waits for
    /// ever.
    ///
    /// Its [`Ask`](crate::server::stream::Ask) is stale from then on.
    pub answer_deadline: Option<Duration>,
    /// [`client::Incoming`](crate::client::Incoming), [`client::Secondary`](crate::client::Secondary):
    /// records of one transfer. Default 10 million. One more fails it: an endless stream must not
    /// fill the memory.
    pub max_transfer_records: u64,
    /// [`client::Incoming`](crate::client::Incoming), [`client::Secondary`](crate::client::Secondary):
    /// octets of all messages of one transfer. Default 1 GiB.
    pub max_transfer_octets: u64,
    /// [`client::Secondary`](crate::client::Secondary): how long a transfer may be silent. Default
    /// 30 seconds.
    pub transfer_idle: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_queries: 1024,
            reply_deadline: Duration::from_secs(10),
            max_mismatches: 8,
            max_case_mismatches: 1,
            max_reply_len: 512,
            max_datagram_questions: 1024,
            max_query_len: 4096,
            max_stream_questions: 64,
            max_queued_output: 256 * 1024,
            idle: Duration::from_secs(10),
            linger: Duration::from_secs(2),
            answer_deadline: Some(Duration::from_secs(30)),
            max_transfer_records: 10_000_000,
            max_transfer_octets: 1 << 30,
            transfer_idle: Duration::from_secs(30),
        }
    }
}
