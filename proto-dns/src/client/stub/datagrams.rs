//! Attempts over UDP, and what comes to their ports.

use super::super::attempt::{Attempt, State, Verdict, judge, server_bit};
use super::super::{cookie, query};
use super::{Stub, Timer, count, edns_options, servers};
use crate::datagram::{Local, LocalId, Transmit};
use crate::event::{QueryId, Transport};
use crate::wire::{Header, Rcode};
use core::net::SocketAddr;
use core::time::Duration;

impl Stub {
    /// Takes a datagram that came `from` somebody to the socket `local`.
    pub fn handle_datagram(
        &mut self,
        now: Duration,
        local: LocalId,
        from: SocketAddr,
        data: &[u8],
    ) {
        self.advance_to(now);
        let found = self
            .locals
            .get(&local)
            .and_then(|id| Some((*id, self.queries.get_mut(id)?)));
        let Some((id, query)) = found else {
            return count(&mut self.stats.unexpected);
        };
        let State::Udp { attempt, .. } = &query.state else {
            return count(&mut self.stats.unexpected);
        };
        let Some(&server) = servers(&self.config).get(attempt.server) else {
            return;
        };
        let most = match attempt.edns {
            true => usize::from(self.config.udp_payload).max(512),
            false => self.limits.max_reply_len,
        };
        let verdict = if from == server && data.len() <= most {
            judge(attempt, data)
        } else {
            Verdict::Mismatch
        };
        match verdict {
            Verdict::Mismatch => {
                count(&mut self.stats.mismatches);
                query.mismatches = query.mismatches.saturating_add(1);
                if query.mismatches > self.limits.max_mismatches {
                    self.force_tcp(id);
                }
            }
            Verdict::CaseMismatch => {
                count(&mut self.stats.case_mismatches);
                query.case_mismatches = query.case_mismatches.saturating_add(1);
                if query.case_mismatches > self.limits.max_case_mismatches {
                    self.force_tcp(id);
                }
            }
            Verdict::Truncated => {
                count(&mut self.stats.truncated);
                query.tcp = true;
                self.retry(id);
            }
            Verdict::Terse(rcode) => self.refused(id, rcode, None),
            Verdict::Reply(message) => {
                if let Some(cookies) = &mut self.cookies
                    && attempt.edns
                {
                    if cookies.judge(attempt.server, server, &message) == cookie::Verdict::Wrong {
                        count(&mut self.stats.mismatches);
                        query.mismatches = query.mismatches.saturating_add(1);
                        if query.mismatches > self.limits.max_mismatches {
                            self.force_tcp(id);
                        }
                        return;
                    }
                    if message.rcode() == Rcode::BADCOOKIE {
                        // RFC 7873 section 5.3: once more with the cookie that came, then by TCP.
                        query.bad_cookies = query.bad_cookies.saturating_add(1);
                        query.tcp = query.bad_cookies > 1;
                        return self.retry(id);
                    }
                }
                let own = query.question.name.as_wire();
                let mut octets = data.to_vec();
                // The question was found equal to ours but for the case that we chose at random.
                if let Some(name) = octets
                    .get_mut(Header::LEN..)
                    .and_then(|rest| rest.get_mut(..own.len()))
                {
                    name.copy_from_slice(own);
                }
                let message = message.with_octets(octets.into());
                self.conclude(id, message, server, Transport::Udp);
            }
        }
    }

    pub(super) fn start_udp(&mut self, id: QueryId) -> Option<Transmit> {
        let (server, expires) = self.begin(id, self.config.timeout)?;
        let query = self.queries.get_mut(&id)?;
        let to = *servers(&self.config).get(server)?;
        let edns = query.options.edns && query.plain & server_bit(server) == 0;
        let dns_id = self.random.id();
        let mix = self.config.mix_case.then_some(&mut self.random);
        let wire = edns_options(&self.config, self.cookies.as_ref(), server, to);
        let edns_with = edns.then_some((self.config.udp_payload, wire.as_slice()));
        let sent = query::encode(&query.question, query.options, dns_id, edns_with, mix);
        let local = LocalId(self.next_local);
        self.next_local = self.next_local.wrapping_add(1);
        query.state = State::Udp {
            attempt: Attempt {
                server,
                sent: sent.clone(),
                asked: query::question_end(&query.question),
                edns,
                since: self.now,
                expires,
            },
            local,
        };
        self.locals.insert(local, id);
        self.timers.insert((expires, Timer::Query(id)));
        count(&mut self.stats.datagrams_out);
        Some(Transmit::Datagram {
            local: Local::Fresh(local),
            to,
            payload: sent,
        })
    }
}
