//! Attempts over TCP, and the connections that several of them share.

use super::super::attempt::{Attempt, Connection, Query, State, is_refusal, server_bit};
use super::super::query;
use super::{Action, ConnectionId, LEAST_WAIT, Stub, Timer, count, edns_options, servers};
use crate::event::{Failure, QueryId, Transport};
use crate::wire::{Header, MessageBuf};
use alloc::vec::Vec;
use bytes::Bytes;
use core::net::SocketAddr;
use core::time::Duration;

impl Stub {
    /// The connection stands.
    pub fn handle_connected(&mut self, now: Duration, id: ConnectionId) {
        self.advance_to(now);
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        if core::mem::replace(&mut connection.open, true) {
            return;
        }
        for (_, query) in &connection.queries {
            if let Some(Query {
                state: State::Tcp { attempt, .. },
                ..
            }) = self.queries.get(query)
            {
                count(&mut self.stats.messages_out);
                let message = attempt.sent.clone();
                self.actions.push_back(Action::Send { id, message });
            }
        }
    }

    /// The connection could not be made.
    pub fn handle_connect_failed(&mut self, now: Duration, id: ConnectionId) {
        self.handle_closed(now, id);
    }

    /// A message came on a connection, its length taken off.
    pub fn handle_message(&mut self, now: Duration, id: ConnectionId, message: &[u8]) {
        self.advance_to(now);
        let Some(connection) = self.connections.get_mut(&id).filter(|known| known.open) else {
            return count(&mut self.stats.unmatched);
        };
        connection.heard = Some(self.now);
        let server = connection.to;
        let query = Header::peek(message).ok().and_then(|header| {
            let mut known = connection.queries.iter();
            known.find(|(dns_id, _)| *dns_id == header.id)
        });
        let Some(&(_, query)) = query else {
            return count(&mut self.stats.unmatched);
        };
        let Some(question) = self.queries.get(&query).map(|query| &query.question) else {
            return;
        };
        match MessageBuf::parse(Bytes::copy_from_slice(message)) {
            Ok(reply) if query::answers(&reply.view(), question.view()) => {
                self.conclude(query, reply, server, Transport::Tcp);
            }
            Ok(reply) => {
                let header = *reply.view().header();
                let rcode = header.flags.low_rcode();
                let refusal = header.flags.is_response() && is_refusal(rcode);
                if refusal && header.counts == [0; 4] {
                    self.refused(query, rcode, None);
                } else {
                    count(&mut self.stats.unmatched);
                }
            }
            Err(_) => self.next(query, Failure::Malformed),
        }
    }

    /// The connection has ended, by whatever cause.
    pub fn handle_closed(&mut self, now: Duration, id: ConnectionId) {
        self.advance_to(now);
        self.lose(id, Failure::Disconnected);
    }

    pub(super) fn silent_connection(&self, id: QueryId) -> Option<ConnectionId> {
        let State::Tcp {
            attempt,
            connection,
        } = &self.queries.get(&id)?.state
        else {
            return None;
        };
        let heard = self.connections.get(connection)?.heard;
        heard
            .is_none_or(|heard| heard < attempt.since)
            .then_some(*connection)
    }

    /// Forgets a connection; its queries go on elsewhere.
    pub(super) fn lose(&mut self, id: ConnectionId, failure: Failure) {
        let Some(connection) = self.connections.remove(&id) else {
            return;
        };
        if let Some(until) = connection.idle_until {
            self.timers.remove(&(until, Timer::Connection(id)));
        }
        for (_, query) in connection.queries {
            self.next(query, failure);
        }
    }

    pub(super) fn lose_others(&mut self, id: ConnectionId, query: QueryId) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.queries.retain(|(_, known)| *known != query);
        }
        self.lose(id, Failure::Disconnected);
    }

    pub(super) fn leave_connection(&mut self, id: ConnectionId, query: QueryId) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        connection.queries.retain(|(_, known)| *known != query);
        if !connection.queries.is_empty() {
            return;
        }
        if connection.open {
            let wait = self.config.tcp_idle.max(LEAST_WAIT);
            let until = self.now.saturating_add(wait);
            connection.idle_until = Some(until);
            self.timers.insert((until, Timer::Connection(id)));
        } else {
            self.connections.remove(&id);
            self.actions.push_back(Action::Close { id });
        }
    }

    pub(super) fn start_tcp(&mut self, id: QueryId) {
        let patience = self.config.tcp_timeout;
        let Some((server, expires)) = self.begin(id, patience) else {
            return;
        };
        let Some(&to) = servers(&self.config).get(server) else {
            return;
        };
        let connection = self.connection_to(to);
        let (Some(query), Some(known)) = (
            self.queries.get_mut(&id),
            self.connections.get_mut(&connection),
        ) else {
            return;
        };
        let edns = query.options.edns && query.plain & server_bit(server) == 0;
        // Fewer queries are open than there are ids, or the server gets one twice and answers both.
        let mut dns_id = self.random.id();
        let mut tries = 0u32;
        while known.queries.iter().any(|(used, _)| *used == dns_id) && tries < 0x1_0000 {
            dns_id = dns_id.wrapping_add(1);
            tries = tries.wrapping_add(1);
        }
        let wire = edns_options(&self.config, self.cookies.as_ref(), server, to);
        let edns_with = edns.then_some((self.config.udp_payload, wire.as_slice()));
        let sent = query::encode(&query.question, query.options, dns_id, edns_with, None);
        known.queries.push((dns_id, id));
        if let Some(until) = known.idle_until.take() {
            self.timers.remove(&(until, Timer::Connection(connection)));
        }
        if known.open {
            count(&mut self.stats.messages_out);
            self.actions.push_back(Action::Send {
                id: connection,
                message: sent.clone(),
            });
        }
        query.state = State::Tcp {
            attempt: Attempt {
                server,
                sent,
                asked: query::question_end(&query.question),
                edns,
                since: self.now,
                expires,
            },
            connection,
        };
        self.timers.insert((expires, Timer::Query(id)));
    }

    /// The connection to a server.
    pub(super) fn connection_to(&mut self, to: SocketAddr) -> ConnectionId {
        let known = self.connections.iter().find(|(_, known)| known.to == to);
        if let Some((id, _)) = known {
            return *id;
        }
        let id = ConnectionId(self.next_connection);
        self.next_connection = self.next_connection.wrapping_add(1);
        self.connections.insert(
            id,
            Connection {
                to,
                open: false,
                queries: Vec::new(),
                heard: None,
                idle_until: None,
            },
        );
        self.actions.push_back(Action::Connect { id, to });
        id
    }
}
