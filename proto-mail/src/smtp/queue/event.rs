//! What a queue wishes, what it says, and what it is told.

use super::record::Record;
use crate::smtp::wire::{EnhancedCode, Mailbox, Reply};
use alloc::string::String;
use bytes::Bytes;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

/// The name of a message in the queue. Never used twice, whatever is delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(pub u64);

/// The name of a connection. Never used twice: a fact about an old one is harmless.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub(super) u64);

/// The name of a question to the DNS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LookupId(pub(super) u64);

/// The name of a wish to read a part of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReadId(pub(super) u64);

/// What a queue wishes. Each wish is answered by the call that it names; wishes about what is no
/// longer there may be ignored.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// Write this beside the message, durably; it takes the place of what was written before. Then
    /// [`handle_stored`](super::Queue::handle_stored).
    Store {
        /// The message.
        message: MessageId,
        /// Who sends it, and who does not have it yet.
        record: Record,
    },
    /// A notification was written: store the message itself and its record, durably. Then
    /// [`handle_stored`](super::Queue::handle_stored); or deliver it, if its recipient is a user of
    /// this server, and then [`handle_delivered`](super::Queue::handle_delivered).
    Create {
        /// The new message.
        message: MessageId,
        /// Its record.
        record: Record,
        /// Its octets.
        body: Bytes,
    },
    /// The message is done with: remove it and its record. Nothing need be told.
    Remove {
        /// The message.
        message: MessageId,
    },
    /// Look for the MX records of a domain:
    /// [`handle_exchangers`](super::Queue::handle_exchangers).
    Exchangers {
        /// The question.
        id: LookupId,
        /// The domain, in lower case; U-labels are as they were typed (RFC 6531 section 3.2).
        domain: String,
    },
    /// Look for the A and AAAA records of a host:
    /// [`handle_addresses`](super::Queue::handle_addresses).
    Addresses {
        /// The question.
        id: LookupId,
        /// The host.
        host: String,
    },
    /// Connect: [`handle_connected`](super::Queue::handle_connected) or
    /// [`handle_disconnect`](super::Queue::handle_disconnect). After that drive the connection as
    /// any stream machine, by the calls that bear its name, until it
    /// [is closed](super::Queue::is_closed).
    Connect {
        /// The name of the connection from now on.
        id: ConnectionId,
        /// The server.
        to: SocketAddr,
        /// The host of that address: the name that a certificate is to bear.
        host: String,
    },
    /// The connection did not come about in time, or is over: drop it. Nothing need be told.
    Close {
        /// The connection.
        id: ConnectionId,
    },
    /// Read a part of a message: [`handle_read`](super::Queue::handle_read) or
    /// [`handle_read_failed`](super::Queue::handle_read_failed).
    Read {
        /// The wish.
        id: ReadId,
        /// The message.
        message: MessageId,
        /// From which octet on.
        offset: u64,
        /// At most so many octets; fewer only at the end of the message.
        max: usize,
    },
}

/// What a queue says.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A server took the message for this recipient. Once at most for each.
    Delivered {
        /// The message.
        message: MessageId,
        /// The recipient.
        recipient: Mailbox,
        /// The server.
        host: String,
        /// What it said.
        reply: Reply,
    },
    /// The message will be tried again for this recipient. Once for each attempt that failed.
    Delayed {
        /// The message.
        message: MessageId,
        /// The recipient.
        recipient: Mailbox,
        /// When.
        until: Duration,
        /// Why.
        reason: Reason,
    },
    /// The message is given up for this recipient. Once at most for each.
    Failed {
        /// The message.
        message: MessageId,
        /// The recipient.
        recipient: Mailbox,
        /// Why.
        reason: Reason,
    },
    /// A notification about a message went into the queue. Once for each.
    Notified {
        /// The message that it is about.
        about: MessageId,
        /// The notification.
        message: MessageId,
    },
    /// Nobody waits for the message any more. Once for each.
    Finished {
        /// The message.
        message: MessageId,
    },
}

/// Why a recipient does not have the message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// In one code (RFC 3463).
    pub status: EnhancedCode,
    /// What the server said, if one did.
    pub reply: Option<Reply>,
    /// The server, if one was reached.
    pub host: Option<String>,
    /// In words, where no server said anything.
    pub text: &'static str,
}

impl Reason {
    pub(super) fn own(class: u8, subject: u16, detail: u16, text: &'static str) -> Self {
        Self {
            status: EnhancedCode::new(class, subject, detail),
            reply: None,
            host: None,
            text,
        }
    }

    pub(super) fn said(reply: &Reply, host: &str) -> Self {
        let class = if reply.is_permanent() { 5 } else { 4 };
        let status = reply.enhanced().filter(|it| it.class == class);
        Self {
            status: status.unwrap_or(EnhancedCode::new(class, 0, 0)),
            reply: Some(reply.clone()),
            host: Some(host.into()),
            text: "",
        }
    }

    pub(super) fn at(mut self, host: &str) -> Self {
        self.host = Some(host.into());
        self
    }

    /// Whether there is no sense in trying again.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        self.status.class == 5
    }
}

/// One MX record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchanger {
    /// The lower, the better.
    pub preference: u16,
    /// The host, without a final dot; empty or `.` for a null MX (RFC 7505).
    pub host: String,
}

/// Why a lookup found nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LookupFailure {
    /// There is no such name (NXDOMAIN).
    NoSuchName,
    /// Nobody answered, or nothing of use.
    TryLater,
}

/// What a lookup for addresses found.
pub type Addresses = alloc::vec::Vec<IpAddr>;
