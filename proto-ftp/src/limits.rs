//! Bounds on what a peer can make a machine do. All are finite by default.

use core::time::Duration;

/// The limits of a server's session.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ServerLimits {
    /// Octets of a command's line, its end included. Default 4 KiB, as vsftpd has it. A longer one is
    /// thrown away to its end and answered with 500; see [`max_faults`](Self::max_faults).
    pub max_line: usize,
    /// Octets of a virtual path. Default 2 KiB: a session keeps up to two of them. A longer one is
    /// answered with 501 or 553.
    pub max_path: usize,
    /// Octets of the name of a user, and of a host. Default 255. A longer one is answered with 501.
    pub max_name: usize,
    /// Failed logins before 421. Default 3 (RFC 2577 section 5 asks for 3 to 5).
    pub max_login_failures: u8,
    /// Lines that are no commands, or unknown ones, before 421. Default 10. They count until a login
    /// succeeds; a line beyond [`max_line`](Self::max_line) always counts threefold. This is what ends
    /// a browser that was made to speak to us (CVE-2021-3618).
    pub max_faults: u8,
    /// Silence on the control connection, with no transfer under way, before 421. Default 300 s.
    pub idle: Duration,
    /// How long a data connection may take to come about before 425. Default 30 s.
    pub data_wait: Duration,
    /// Silence of the embedder about a running transfer before 426. Default 300 s. Each
    /// [`handle_progress`](crate::server::Session::handle_progress) begins it anew.
    pub stall: Duration,
    /// Time for an answer to a question, before 451 is said in its place. Default none.
    pub answer_deadline: Option<Duration>,
    /// How long input is still discarded after the farewell. Default 5 s.
    pub linger: Duration,
    /// Octets of replies that wait for the transport before reading stops. Default 4 KiB.
    pub max_queued_replies: usize,
    /// Octets of input within which ABOR is looked for while a transfer runs. Default 4 KiB; reading
    /// stops when as many wait.
    pub look_ahead: usize,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            max_line: 4 * 1024,
            max_path: 2 * 1024,
            max_name: 255,
            max_login_failures: 3,
            max_faults: 10,
            idle: Duration::from_secs(300),
            data_wait: Duration::from_secs(30),
            stall: Duration::from_secs(300),
            answer_deadline: None,
            linger: Duration::from_secs(5),
            max_queued_replies: 4 * 1024,
            look_ahead: 4 * 1024,
        }
    }
}

/// The limits of a client's session.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ClientLimits {
    /// Octets of one line of a reply. Default 8 KiB.
    pub max_line: usize,
    /// Octets of a reply of many lines. Default 64 KiB.
    pub max_reply: usize,
    /// Lines of a reply. Default 1024.
    pub max_reply_lines: usize,
    /// Commands that may wait for their replies at once when pipelining. Default 16.
    pub max_in_flight: usize,
    /// How long a reply may take, with no transfer running. Default 60 s.
    pub reply: Duration,
    /// How long the reply to ABOR may take after a transfer that was complete already, before the
    /// server is asked something else: some say 226 once for both. Default 2 s.
    pub abort: Duration,
    /// How long a data connection may take to come about. Default 30 s.
    pub data_wait: Duration,
    /// How long input is still discarded after the end. Default 5 s.
    pub linger: Duration,
}

impl Default for ClientLimits {
    fn default() -> Self {
        Self {
            max_line: 8 * 1024,
            max_reply: 64 * 1024,
            max_reply_lines: 1024,
            max_in_flight: 16,
            reply: Duration::from_secs(60),
            abort: Duration::from_secs(2),
            data_wait: Duration::from_secs(30),
            linger: Duration::from_secs(5),
        }
    }
}
