//! What a stub keeps of a query and of a connection; which server is next; and what a datagram is to
//! the attempt at whose port it came.

use super::query::QueryOptions;
use super::stub::ConnectionId;
use crate::datagram::LocalId;
use crate::event::{Failure, QueryId};
use crate::wire::{Flags, Header, Message, MessageBuf, Name, Opcode, Question, Rcode};
use alloc::vec::Vec;
use bytes::Bytes;
use core::net::SocketAddr;
use core::time::Duration;

#[derive(Debug)]
pub(super) struct Query {
    pub(super) question: Question,
    pub(super) options: QueryOptions,
    /// With which server the rounds begin.
    pub(super) first: usize,
    /// Attempts that are used up; retries at the same server do not count.
    pub(super) attempt: u32,
    /// Servers that will not answer, a bit for each.
    pub(super) refused: u64,
    /// Servers that do not understand EDNS, a bit for each.
    pub(super) plain: u64,
    pub(super) tcp: bool,
    /// Names that are tried when this one does not exist, the next one last.
    pub(super) more: Vec<Name>,
    /// How often the server did not take our cookie.
    pub(super) bad_cookies: u32,
    pub(super) mismatches: u32,
    pub(super) case_mismatches: u32,
    /// Known from the first attempt on.
    pub(super) deadline: Option<Duration>,
    pub(super) state: State,
    pub(super) failure: Failure,
    pub(super) reply: Option<MessageBuf>,
}

#[derive(Debug)]
pub(super) enum State {
    /// Waits in `ready_udp` or `ready_tcp`.
    Queued,
    Udp {
        attempt: Attempt,
        local: LocalId,
    },
    Tcp {
        attempt: Attempt,
        connection: ConnectionId,
    },
}

/// What one attempt sent, and how long it waits.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) server: usize,
    pub(super) sent: Bytes,
    /// Where the question ends in what was sent.
    pub(super) asked: usize,
    pub(super) edns: bool,
    pub(super) since: Duration,
    pub(super) expires: Duration,
}

/// A connection to a server: there is at most one for each (RFC 7766 section 6.2.2).
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) to: SocketAddr,
    pub(super) open: bool,
    /// Ids in messages, which are unique on a connection.
    pub(super) queries: Vec<(u16, QueryId)>,
    /// When a message last came.
    pub(super) heard: Option<Duration>,
    /// Until when it is kept without queries.
    pub(super) idle_until: Option<Duration>,
}

/// What a datagram is to the attempt at whose port it came.
pub(super) enum Verdict<'a> {
    Mismatch,
    CaseMismatch,
    /// A refusal that is too terse to bear the question.
    Terse(Rcode),
    Truncated,
    Reply(Message<'a>),
}

impl Query {
    /// The server of this attempt and the round that it belongs to; servers that refused are passed
    /// over.
    pub(super) fn pick(&mut self, servers: usize, rounds: u32) -> Option<(usize, u32)> {
        let count = u32::try_from(servers).ok()?;
        loop {
            let round = self.attempt.checked_div(count)?;
            if round >= rounds {
                return None;
            }
            let offset = usize::try_from(self.attempt).ok()?;
            let server = self.first.checked_add(offset)?.checked_rem(servers)?;
            if self.refused & server_bit(server) == 0 {
                return Some((server, round));
            }
            self.attempt = self.attempt.checked_add(1)?;
        }
    }
}

/// RFC 5452 section 9.1: id, question, and the rest of what makes a datagram the reply to an attempt;
/// its addresses were compared before.
pub(super) fn judge<'a>(attempt: &Attempt, data: &'a [u8]) -> Verdict<'a> {
    let (Ok(sent), Ok(header)) = (Header::peek(&attempt.sent), Header::peek(data)) else {
        return Verdict::Mismatch;
    };
    let flags = header.flags;
    if header.id != sent.id || !flags.is_response() || flags.opcode() != Opcode::QUERY {
        return Verdict::Mismatch;
    }
    if header.counts == [0; 4] && data.len() == Header::LEN && is_refusal(flags.low_rcode()) {
        return Verdict::Terse(flags.low_rcode());
    }
    let question = Header::LEN..attempt.asked;
    let asked = attempt.sent.get(question.clone()).unwrap_or_default();
    let echoed = data.get(question).unwrap_or_default();
    let [questions, ..] = header.counts;
    if questions != 1 || asked.len() != echoed.len() {
        return Verdict::Mismatch;
    }
    if asked != echoed {
        // The four octets behind the name are numbers: folding them would match other types.
        let name = asked.len().saturating_sub(4);
        let (Some((name, rest)), Some((echoed, tail))) =
            (asked.split_at_checked(name), echoed.split_at_checked(name))
        else {
            return Verdict::Mismatch;
        };
        return if rest == tail && name.eq_ignore_ascii_case(echoed) {
            Verdict::CaseMismatch
        } else {
            Verdict::Mismatch
        };
    }
    // What follows in a truncated message may be cut anywhere.
    if flags.contains(Flags::TC) {
        return Verdict::Truncated;
    }
    Message::parse(data).map_or(Verdict::Mismatch, Verdict::Reply)
}

/// Whether a server says that it, rather than the DNS, has no answer.
pub(super) const fn is_refusal(rcode: Rcode) -> bool {
    matches!(
        rcode,
        Rcode::FORMERR | Rcode::SERVFAIL | Rcode::NOTIMP | Rcode::REFUSED | Rcode::BADVERS
    )
}

pub(super) fn server_bit(server: usize) -> u64 {
    u32::try_from(server)
        .ok()
        .and_then(|server| 1u64.checked_shl(server))
        .unwrap_or_default()
}
