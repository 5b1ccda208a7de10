//! The course of a query: from one attempt to the next, and to its end.

use super::super::attempt::{State, is_refusal, server_bit};
use super::{Action, Event, LEAST_WAIT, Stub, Timer, count, servers};
use crate::event::{Failure, QueryId, Transport};
use crate::wire::{MessageBuf, Rcode};
use core::net::SocketAddr;
use core::time::Duration;

impl Stub {
    /// Puts a query whose attempt was left into the queue for the next one, or ends it when there is
    /// no server left to ask.
    pub(super) fn requeue(&mut self, id: QueryId) {
        let Some(query) = self.queries.get_mut(&id) else {
            return;
        };
        let rounds = self.config.attempts.max(1);
        let servers = servers(&self.config).len();
        if query.pick(servers, rounds).is_none() {
            let failure = query.failure;
            return self.fail(id, failure);
        }
        if query.tcp {
            self.ready_tcp.push_back(id);
        } else {
            self.ready_udp.push_back(id);
        }
    }

    /// The same server again, otherwise.
    pub(super) fn retry(&mut self, id: QueryId) {
        self.leave(id);
        self.requeue(id);
    }

    /// The next server.
    pub(super) fn next(&mut self, id: QueryId, failure: Failure) {
        self.leave(id);
        if let Some(query) = self.queries.get_mut(&id) {
            query.attempt = query.attempt.saturating_add(1);
            // What a server said tells more than that another one was silent.
            if !matches!(query.failure, Failure::Server(_)) {
                query.failure = failure;
            }
        }
        self.requeue(id);
    }

    pub(super) fn force_tcp(&mut self, id: QueryId) {
        count(&mut self.stats.forced_tcp);
        if let Some(query) = self.queries.get_mut(&id) {
            query.tcp = true;
        }
        self.retry(id);
    }

    pub(super) fn expire(&mut self, id: QueryId) {
        count(&mut self.stats.timeouts);
        let is_over = self
            .queries
            .get(&id)
            .and_then(|query| query.deadline)
            .is_some_and(|deadline| deadline <= self.now);
        if let Some(connection) = self.silent_connection(id) {
            // Nothing came since the query was sent: whoever is at the other end is gone.
            self.actions.push_back(Action::Close { id: connection });
            self.lose_others(connection, id);
        }
        if is_over {
            let failure = self.queries.get(&id).map(|query| query.failure);
            self.fail(id, failure.unwrap_or(Failure::Timeout));
        } else {
            self.next(id, Failure::Timeout);
        }
    }

    /// A reply that was found to answer the query.
    pub(super) fn conclude(
        &mut self,
        id: QueryId,
        message: MessageBuf,
        server: SocketAddr,
        over: Transport,
    ) {
        let rcode = message.view().rcode();
        if is_refusal(rcode) {
            return self.refused(id, rcode, Some(message));
        }
        self.leave(id);
        let empty = rcode == Rcode::NXDOMAIN || message.view().answers().next().is_none();
        if let Some(query) = self.queries.get_mut(&id)
            && empty
            && let Some(name) = query.more.pop()
        {
            query.question.name = name;
            (query.attempt, query.deadline, query.tcp) = (0, None, query.options.tcp);
            return self.requeue(id);
        }
        self.queries.remove(&id);
        count(&mut self.stats.answers);
        self.events.push_back(Event::Answer {
            id,
            message,
            server,
            over,
        });
    }

    /// A server that does not answer the query: perhaps it does without EDNS, perhaps another will.
    pub(super) fn refused(&mut self, id: QueryId, rcode: Rcode, reply: Option<MessageBuf>) {
        let Some(query) = self.queries.get_mut(&id) else {
            return;
        };
        let (State::Udp { attempt, .. } | State::Tcp { attempt, .. }) = &query.state else {
            return;
        };
        let bit = server_bit(attempt.server);
        let has_opt = reply
            .as_ref()
            .is_some_and(|reply| reply.view().edns().is_some());
        // RFC 6891 section 7: a server that knows no EDNS answers FORMERR or NOTIMP, without OPT.
        if attempt.edns && !has_opt && matches!(rcode, Rcode::FORMERR | Rcode::NOTIMP) {
            query.plain |= bit;
            count(&mut self.stats.edns_fallbacks);
            return self.retry(id);
        }
        query.refused |= bit;
        query.failure = Failure::Server(rcode);
        query.reply = reply;
        self.next(id, Failure::Server(rcode));
    }

    pub(super) fn fail(&mut self, id: QueryId, reason: Failure) {
        self.leave(id);
        if let Some(query) = self.queries.remove(&id) {
            count(&mut self.stats.failures);
            let reply = query.reply.filter(|_| matches!(reason, Failure::Server(_)));
            self.events.push_back(Event::Failed { id, reason, reply });
        }
    }

    /// Ends the running attempt of a query, if there is one.
    pub(super) fn leave(&mut self, id: QueryId) {
        let Some(query) = self.queries.get_mut(&id) else {
            return;
        };
        match core::mem::replace(&mut query.state, State::Queued) {
            State::Queued => {}
            State::Udp { attempt, local } => {
                self.timers.remove(&(attempt.expires, Timer::Query(id)));
                self.locals.remove(&local);
                self.releases.push_back(local);
            }
            State::Tcp {
                attempt,
                connection,
            } => {
                self.timers.remove(&(attempt.expires, Timer::Query(id)));
                self.leave_connection(connection, id);
            }
        }
    }

    /// What both kinds of attempt begin with: a server, and until when to wait for it.
    pub(super) fn begin(&mut self, id: QueryId, patience: Duration) -> Option<(usize, Duration)> {
        let query = self.queries.get_mut(&id)?;
        let servers = servers(&self.config).len();
        let picked = query.pick(servers, self.config.attempts.max(1));
        let deadline = *query.deadline.get_or_insert(
            self.now
                .saturating_add(self.config.deadline.max(LEAST_WAIT)),
        );
        let failure = query.failure;
        let Some((server, round)) = picked.filter(|_| self.now < deadline) else {
            self.fail(id, failure);
            return None;
        };
        let patience = patience.saturating_mul(1u32.checked_shl(round).unwrap_or(u32::MAX));
        let expires = self.now.saturating_add(patience.max(LEAST_WAIT));
        Some((server, expires.min(deadline)))
    }
}
