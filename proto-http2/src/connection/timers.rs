//! Deadlines: which there are, what sets them, and what happens when they are missed.

use super::streams::Past;
use super::{Connection, PROBE, Phase};
use crate::error::Reason;
use crate::event::{Event, StreamEnd};
use crate::limits::Limit;
use crate::wire::{ErrorCode, Frame, Settings};
use core::time::Duration;

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Deadlines {
    pub(super) handshake: Option<Duration>,
    pub(super) idle: Option<Duration>,
    pub(super) stall: Option<Duration>,
    pub(super) keep_alive: Option<Duration>,
    pub(super) pong: Option<Duration>,
    /// When the last GOAWAY leaves though the notice was not answered.
    pub(super) notice: Option<Duration>,
    pub(super) linger: Option<Duration>,
}

impl Connection {
    /// When [`handle_timeout`](Self::handle_timeout) wants to be called; may change after any call.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        match self.phase {
            Phase::Closed => return None,
            Phase::Fused => return self.deadlines.linger,
            _ => {}
        }
        let acknowledge = self.in_flight.front().map(|&(_, deadline)| deadline);
        let acknowledge = acknowledge.filter(|_| !self.flags.eof);
        let deadlines = &self.deadlines;
        [
            deadlines.handshake,
            deadlines.idle,
            deadlines.stall,
            deadlines.keep_alive,
            deadlines.pong,
            deadlines.notice,
            deadlines.linger,
            acknowledge,
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Tells that time has passed. Calls before the deadline do nothing.
    pub fn handle_timeout(&mut self, now: Duration) {
        self.advance_to(now);
        let now = self.now;
        let is_due = |deadline: &mut Option<Duration>| {
            let due = deadline.is_some_and(|deadline| deadline <= now);
            if due {
                *deadline = None;
            }
            due
        };
        if self.phase == Phase::Closed {
            return;
        }
        if is_due(&mut self.deadlines.linger) {
            self.shut();
            return;
        }
        if self.phase == Phase::Fused {
            return;
        }
        if is_due(&mut self.deadlines.handshake) || is_due(&mut self.deadlines.pong) {
            self.fail(ErrorCode::NO_ERROR, Reason::Timeout);
            return;
        }
        let is_late = |&(_, deadline): &(Settings, Duration)| deadline <= now;
        if !self.flags.eof && self.in_flight.front().is_some_and(is_late) {
            self.fail(ErrorCode::SETTINGS_TIMEOUT, Reason::Timeout);
            return;
        }
        if is_due(&mut self.deadlines.stall) {
            let enough = u64::from(self.limits.stall_octets);
            if self.has_queued() && self.sent_since_stall < enough {
                self.trip(Limit::Stall, self.sent_since_stall, enough);
                return;
            }
            self.sent_since_stall = 0;
            self.reset_stalled();
            self.watch();
        }
        if is_due(&mut self.deadlines.notice) {
            self.put_last_goaway();
        }
        if is_due(&mut self.deadlines.keep_alive) {
            self.put_ping(PROBE);
            self.deadlines.pong = Some(now.saturating_add(self.limits.ping_answer));
        }
        if is_due(&mut self.deadlines.idle) && self.streams.is_empty() {
            self.close();
        }
    }

    /// Resets the streams whose windows the peer has kept shut since they were last looked at.
    fn reset_stalled(&mut self) {
        for id in self.streams.ids() {
            let Some(stream) = self.streams.get_mut(id) else {
                continue;
            };
            let is_shut = stream.queued > 0 && stream.send.available() == 0;
            if !(is_shut && stream.was_shut) {
                stream.was_shut = is_shut;
                continue;
            }
            self.stats.limits_tripped = self.stats.limits_tripped.saturating_add(1);
            self.events.push_back(Event::LimitTripped {
                limit: Limit::Stall,
                value: 0,
                allowed: u64::from(self.limits.stall_octets),
            });
            let code = ErrorCode::ENHANCE_YOUR_CALM;
            self.put_reply(Frame::RstStream { stream: id, code });
            self.end_stream(id, Past::Reset, StreamEnd::Fault(code));
        }
    }

    /// Sets the timers that follow from the state.
    pub(super) fn watch(&mut self) {
        if matches!(self.phase, Phase::Fused | Phase::Closed) {
            return;
        }
        let after = |time: Duration| Some(self.now.saturating_add(time));
        if self.streams.is_empty() && !self.flags.closing {
            self.deadlines.idle = self.deadlines.idle.or(after(self.limits.idle));
        } else {
            self.deadlines.idle = None;
        }
        if !self.has_queued() {
            self.deadlines.stall = None;
            self.sent_since_stall = 0;
        } else {
            self.deadlines.stall = self.deadlines.stall.or(after(self.limits.stall));
        }
    }

    /// Whether something waits for the peer to take it.
    pub(super) fn has_queued(&self) -> bool {
        self.queued > 0 || !self.control.is_empty() || !self.ready.is_empty()
    }
}
