//! Misuse by the caller, on either side.

/// A call that the caller should not have made. The machine is as it was before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UsageError {
    /// The question was not asked by this session, was answered already, or its session has ended.
    #[error("the question is no longer open")]
    StaleAsk,
    /// The command is not the one that is going on.
    #[error("the command is no longer open")]
    StaleCommand,
    /// The session has ended, or was told to end.
    #[error("the session has ended")]
    Closed,
    /// Credentials were to be sent before TLS, and the configuration forbids that.
    #[error("credentials are not sent before TLS")]
    TlsRequired,
    /// TLS is established already, or on its way.
    #[error("the session has TLS already")]
    TlsTwice,
    /// A message needs a recipient, a positive completion code needs a positive reply, and so on.
    #[error("the value does not fit here")]
    InvalidValue,
    /// An argument holds an octet that it cannot hold.
    #[error("octet {offset} of an argument cannot stand there")]
    InvalidArgument {
        /// Where in the argument.
        offset: usize,
    },
    /// The command would be longer than allowed.
    #[error("the command has more than {limit} octets")]
    CommandTooLong {
        /// Octets that are allowed.
        limit: usize,
    },
    /// Too many commands wait already.
    #[error("{limit} commands wait already")]
    QueueFull {
        /// Commands that may wait.
        limit: usize,
    },
}

impl From<super::wire::InvalidArgument> for UsageError {
    fn from(error: super::wire::InvalidArgument) -> Self {
        Self::InvalidArgument {
            offset: error.offset,
        }
    }
}
