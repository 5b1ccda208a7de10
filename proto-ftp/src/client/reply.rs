//! What replies mean.

use super::event::CommandId;
use super::{Error, Event, Expected, Fault, Op, Out, Plan, Session, Stage, State, What};
use crate::wire::{Reply, Verb, parse_epsv_reply, parse_pasv_reply};

impl Session {
    pub(super) fn reply(&mut self, reply: Reply) {
        if reply.code() == 421 {
            // RFC 959 section 5.4: at any time.
            return self.fail(Error::Closing(reply));
        }
        let Some(expected) = self.expected.front().cloned() else {
            return self.fail(Error::Desync { code: reply.code() });
        };
        if reply.is_preliminary() {
            return self.preliminary(&expected, reply);
        }
        self.expected.pop_front();
        // Some servers answer ABOR alone: 225 is never the last reply of a transfer.
        if reply.code() == 225 && expected.what == What::Transfer {
            let abort = self.expected.front().filter(|next| next.what == What::Abor);
            if let Some(abort) = abort.map(|next| next.id) {
                self.expected.pop_front();
                if !expected.is_orphan {
                    self.drop_transfer();
                    self.events.push_back(Event::Failed {
                        id: expected.id,
                        fault: Fault::Aborted,
                    });
                }
                return self.done(abort, reply);
            }
        }
        if expected.is_orphan {
            return;
        }
        let is_late = |transfer: &super::Transfer| transfer.is_aborted;
        let is_abort_next = self.expected.front().map(|next| next.what) == Some(What::Abor);
        if expected.what == What::Transfer
            && is_abort_next
            && reply.is_ok()
            && self.transfer.as_ref().is_some_and(is_late)
        {
            self.lone = Some((reply.clone().into(), false));
        }
        match expected.what {
            What::Greeting => {
                self.greeted = true;
                if reply.is_ok() {
                    self.events.push_back(Event::Greeting(reply));
                } else {
                    self.fail(Error::Closing(reply));
                }
            }
            What::User | What::Pass => self.login_reply(&expected, reply),
            What::Auth => self.auth_reply(&expected, reply),
            What::Passive(extended) => self.passive_reply(&expected, extended, reply),
            What::Transfer => self.transfer_reply(&expected, reply),
            What::Ccc => {
                if reply.is_ok() {
                    self.tls = None;
                    self.is_cleared = true;
                    self.state = State::StoppingTls;
                    self.out.push_back(Out::StopTls);
                }
                self.done(expected.id, reply);
            }
            What::Quit => {
                self.done(expected.id, reply);
                self.end_all();
                self.state = State::Closing;
                self.since = self.now;
            }
            What::Rein => {
                if reply.is_ok() {
                    self.reinitialized();
                }
                self.done(expected.id, reply);
            }
            What::Abor => match self.lone.take() {
                Some((both, true)) if reply.code() == 257 => {
                    self.expected.pop_front();
                    self.done(expected.id, *both);
                }
                _ => self.done(expected.id, reply),
            },
            What::Probe => {}
            What::Type(_) | What::Mode(_) | What::Structure(_) if !reply.is_ok() => {
                // What the server has now is what it had; that is asked for anew.
                self.is_type_known = false;
                if matches!(expected.what, What::Mode(_)) {
                    self.assumed.mode = crate::data::Mode::Stream;
                } else if matches!(expected.what, What::Structure(_)) {
                    self.assumed.structure = crate::data::Structure::File;
                }
                self.refused(&expected, reply);
            }
            What::Prot(private) => {
                if reply.is_ok() {
                    self.is_private = private;
                }
                self.step(&expected, reply);
            }
            _ => self.step(&expected, reply),
        }
    }

    /// The reply to a line in the middle or at the end of a command.
    fn step(&mut self, expected: &Expected, reply: Reply) {
        if expected.is_last {
            return self.done(expected.id, reply);
        }
        if !reply.is_ok() && !reply.is_intermediate() {
            self.refused(expected, reply);
        }
    }

    /// A line was refused: the rest of its command makes no sense.
    fn refused(&mut self, expected: &Expected, reply: Reply) {
        if expected.is_last && expected.what != What::Transfer {
            return self.done(expected.id, reply);
        }
        self.forget(expected.id);
        if self
            .transfer
            .as_ref()
            .is_some_and(|transfer| transfer.command == expected.id)
        {
            self.drop_transfer();
        }
        self.events.push_back(Event::Done {
            id: expected.id,
            reply,
            octets: 0,
        });
    }

    /// Lines of a command that were not sent are dropped; replies to those that were, are orphans.
    fn forget(&mut self, id: CommandId) {
        if self
            .current
            .as_ref()
            .is_some_and(|current| current.id == id)
        {
            self.current = None;
        }
        let mut has_orphans = false;
        for other in &mut self.expected {
            if other.id == id && !other.is_orphan {
                other.is_orphan = true;
                has_orphans = true;
            }
        }
        if has_orphans || (!self.is_lock_step && !self.expected.is_empty()) {
            self.give_up_pipelining();
        }
    }

    pub(super) fn give_up_pipelining(&mut self) {
        if !self.is_lock_step {
            self.is_lock_step = true;
            self.stats.fallbacks = self.stats.fallbacks.saturating_add(1);
        }
    }

    pub(super) fn done(&mut self, id: CommandId, reply: Reply) {
        if !reply.is_ok() && !self.expected.is_empty() {
            self.give_up_pipelining();
        }
        self.events.push_back(Event::Done {
            id,
            reply,
            octets: 0,
        });
    }

    fn login_reply(&mut self, expected: &Expected, reply: Reply) {
        if reply.is_ok() {
            // 230 to USER: no password is wanted. If PASS is on its way, its reply says nothing new.
            if !expected.is_last {
                self.forget(expected.id);
            }
            return self.done(expected.id, reply);
        }
        self.step(expected, reply);
    }

    fn auth_reply(&mut self, expected: &Expected, reply: Reply) {
        if reply.code() != 234 && reply.code() != 334 {
            return self.refused(expected, reply);
        }
        // What was learnt in plaintext is forgotten.
        self.is_type_known = false;
        self.is_private = false;
        self.state = State::Handshake;
        self.out.push_back(Out::StartTls);
    }

    fn passive_reply(&mut self, expected: &Expected, extended: bool, reply: Reply) {
        let Some(transfer) = &mut self.transfer else {
            return;
        };
        if reply.is_ok() {
            let to = if extended {
                parse_epsv_reply(reply.text())
                    .map(|port| core::net::SocketAddr::new(self.peer.ip(), port))
            } else {
                parse_pasv_reply(reply.text()).map(|to| {
                    if self.config.trust_passive_address {
                        to
                    } else {
                        // CVE-2020-8284: the address is whatever the server likes.
                        core::net::SocketAddr::new(self.peer.ip(), to.port())
                    }
                })
            };
            if let Ok(to) = to {
                transfer.stage = Stage::Connecting;
                transfer.since = self.now;
                let id = transfer.id;
                self.actions.push_back(super::Action::Connect { id, to });
                return;
            }
            if !extended {
                let id = expected.id;
                self.forget(id);
                self.drop_transfer();
                self.events.push_back(Event::Failed {
                    id,
                    fault: Fault::BadAddress,
                });
                return;
            }
        }
        if extended {
            self.retry_with_pasv(expected);
        } else {
            self.refused(expected, reply);
        }
    }

    /// EPSV is not known: the transfer is begun anew with PASV, after the replies to what is in
    /// flight.
    pub(super) fn retry_with_pasv(&mut self, expected: &Expected) {
        self.use_epsv = false;
        self.forget(expected.id);
        if let Some(transfer) = self.transfer.take() {
            self.actions
                .push_back(super::Action::Close { id: transfer.id });
            self.ops.push_front(Op {
                id: expected.id,
                plan: Plan::Transfer(transfer.plan),
                needs_tls: true,
            });
        }
    }

    fn preliminary(&mut self, expected: &Expected, reply: Reply) {
        match expected.what {
            What::Greeting => {}
            What::Transfer if !expected.is_orphan => {
                if reply.code() == 110 {
                    self.events.push_back(Event::Marker {
                        id: expected.id,
                        reply,
                    });
                    return;
                }
                if let Some(transfer) = &mut self.transfer {
                    transfer.is_started = true;
                }
                self.events.push_back(Event::Started {
                    id: expected.id,
                    reply,
                });
                self.proceed();
            }
            What::Transfer => {
                // A transfer that was given up begins all the same: there is no data connection for
                // it, and the server will say so.
            }
            // RFC 959 section 5.4: 120 before the 220 to REIN.
            What::Rein => {}
            _ => self.fail(Error::Desync { code: reply.code() }),
        }
    }

    fn transfer_reply(&mut self, expected: &Expected, reply: Reply) {
        let Some(transfer) = &mut self.transfer else {
            return self.done(expected.id, reply);
        };
        if reply.is_ok() {
            transfer.reply = Some(reply);
            // Some servers leave 150 out.
            if !transfer.is_started {
                transfer.is_started = true;
                self.proceed();
            }
            self.since = self.now;
            return self.finish_transfer();
        }
        let is_unknown = matches!(reply.code(), 500 | 502 | 504) && !transfer.is_started;
        if transfer.plan.or_list && is_unknown {
            let mut plan = transfer.plan.clone();
            plan.verb = Verb::List;
            plan.or_list = false;
            self.drop_transfer();
            self.ops.push_front(Op {
                id: expected.id,
                plan: Plan::Transfer(plan),
                needs_tls: true,
            });
            return;
        }
        let octets = transfer.octets;
        let is_aborted = transfer.is_aborted;
        self.drop_transfer();
        if is_aborted {
            let fault = Fault::Aborted;
            self.events.push_back(Event::Failed {
                id: expected.id,
                fault,
            });
            return;
        }
        if !self.expected.is_empty() {
            self.give_up_pipelining();
        }
        self.events.push_back(Event::Done {
            id: expected.id,
            reply,
            octets,
        });
    }

    fn reinitialized(&mut self) {
        self.assumed = crate::data::Format::default();
        self.is_type_known = true;
        self.is_cleared = false;
        if !self.config.implicit_tls {
            self.is_private = false;
            if self.tls.take().is_some() {
                self.state = State::StoppingTls;
                self.out.push_back(Out::StopTls);
            }
        }
    }

    /// A transfer is over when both the reply and the end of the data have come, in either order.
    pub(super) fn finish_transfer(&mut self) {
        let Some(transfer) = &mut self.transfer else {
            return;
        };
        // Whichever of the two comes first waits for the other.
        let Some(is_whole) = transfer.data else {
            return;
        };
        let Some(reply) = transfer.reply.take() else {
            return;
        };
        let (id, octets, is_aborted) = (transfer.command, transfer.octets, transfer.is_aborted);
        self.drop_transfer();
        self.events.push_back(if is_aborted {
            Event::Failed {
                id,
                fault: Fault::Aborted,
            }
        } else if is_whole {
            Event::Done { id, reply, octets }
        } else {
            Event::Failed {
                id,
                fault: Fault::DataBroken,
            }
        });
    }
}
