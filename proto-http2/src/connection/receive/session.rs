//! What concerns the connection: settings, PING, GOAWAY, credit, priorities.

use super::super::streams::{Half, Past};
use super::super::{Connection, PROBE, Phase};
use crate::config::Scheduling;
use crate::error::Reason;
use crate::event::{Event, StreamEnd};
use crate::limits::Limit;
use crate::num::{to_u64, to_usize};
use crate::priority::{Priority, Signal};
use crate::wire::{ErrorCode, Frame, MAX_WINDOW};
use bytes::Bytes;
use core::time::Duration;

/// How long nothing is measured after a measurement that changed nothing.
const PROBE_PAUSE: Duration = Duration::from_millis(200);

impl Connection {
    pub(super) fn receive_pong(&mut self, id: u64) {
        let Some(place) = self.pings.iter().position(|&(ping, _)| ping == id) else {
            return;
        };
        let Some((_, sent)) = self.pings.remove(place) else {
            return;
        };
        if id & PROBE == 0 {
            let round_trip = self.now.saturating_sub(sent);
            self.events.push_back(Event::Pong { id, round_trip });
            return;
        }
        match id ^ PROBE {
            0 => {
                self.deadlines.pong = None;
                self.touch();
            }
            1 => {
                // The notice has arrived: what is above came after it.
                self.put_last_goaway();
            }
            _ => {
                let begun = self.bandwidth_probe.take().map_or(0, |(_, octets)| octets);
                let came = self.stats.flow_received.saturating_sub(begun);
                let most = self.config.max_auto_window.unwrap_or(0).min(MAX_WINDOW);
                // What fills two thirds of a window in one round trip is slowed down by it.
                let target = u64::from(self.stream_target);
                if came.saturating_mul(3) >= target.saturating_mul(2) {
                    let double = |window: u32| window.saturating_mul(2).min(most).max(window);
                    self.stream_target = double(self.stream_target);
                    self.window_target = double(self.window_target).max(self.stream_target);
                    self.next_probe = self.now;
                } else {
                    self.next_probe = self.now.saturating_add(PROBE_PAUSE);
                }
            }
        }
    }

    pub(super) fn receive_reset(&mut self, id: u32, code: ErrorCode) {
        if self.is_idle(id) {
            self.fail(ErrorCode::PROTOCOL_ERROR, Reason::IdleStream(id));
            return;
        }
        if !self.budgets.resets.take(self.limits.resets, self.now) {
            self.trip_rate(Limit::Resets, self.limits.resets.burst);
            return;
        }
        self.end_stream(id, Past::ResetByPeer, StreamEnd::ResetByPeer(code));
    }

    pub(super) fn receive_settings(&mut self, payload: &[u8]) {
        let entries = payload.len() / 6;
        if entries > to_usize(self.limits.max_settings_entries) {
            let allowed = u64::from(self.limits.max_settings_entries);
            self.trip(Limit::SettingsEntries, to_u64(entries), allowed);
            return;
        }
        if !self.budgets.settings.take(self.limits.settings, self.now) {
            self.trip_rate(Limit::Settings, self.limits.settings.burst);
            return;
        }
        let old = self.remote;
        let mut new = old;
        for setting in Frame::settings(payload) {
            if let Err(error) = new.apply(setting) {
                self.fail(error.code, Reason::Frame(error.fault));
                return;
            }
        }
        // RFC 9113 section 6.5.2: a server may not enable push. RFC 8441 section 3 and RFC 9218
        // section 2.1: these do not change back.
        let first = !self.flags.settings_seen;
        let push = !self.is_server
            && Frame::settings(payload)
                .any(|s| s.id == crate::wire::SettingId::ENABLE_PUSH && s.value == 1);
        let back = old.enable_connect_protocol && !new.enable_connect_protocol;
        let priorities = !first && old.no_rfc7540_priorities != new.no_rfc7540_priorities;
        if push || back || priorities {
            self.fail(ErrorCode::PROTOCOL_ERROR, Reason::Settings);
            return;
        }
        let delta =
            i64::from(new.initial_window_size).saturating_sub(i64::from(old.initial_window_size));
        self.remote = new;
        if delta != 0 && self.shift_windows(delta).is_err() {
            self.fail(ErrorCode::FLOW_CONTROL_ERROR, Reason::FlowControl);
            return;
        }
        // RFC 7541 section 4.2: the smallest size on the way has to be told too.
        for setting in Frame::settings(payload) {
            if setting.id == crate::wire::SettingId::HEADER_TABLE_SIZE {
                self.encoder.set_max_size(setting.value);
            }
        }
        if self.is_server && new.no_rfc7540_priorities {
            self.adopt(Scheduling::Urgency);
        }
        self.flags.settings_seen = true;
        self.phase = Phase::Open;
        self.deadlines.handshake = None;
        self.watch();
        self.put_reply(Frame::Settings {
            ack: true,
            payload: b"",
        });
        self.events.push_back(Event::Settings(new));
    }

    fn shift_windows(&mut self, delta: i64) -> Result<(), crate::flow::WindowOverflow> {
        for id in self.streams.ids() {
            if let Some(stream) = self.streams.get_mut(id) {
                stream.send.grow(delta)?;
            }
            self.schedule(id);
        }
        Ok(())
    }

    pub(super) fn settings_acknowledged(&mut self) {
        // RFC 9113 section 6.5.3: in the order of sending.
        let Some((new, _)) = self.in_flight.pop_front() else {
            self.fail(ErrorCode::PROTOCOL_ERROR, Reason::Settings);
            return;
        };
        let old = core::mem::replace(&mut self.local, new);
        let delta =
            i64::from(new.initial_window_size).saturating_sub(i64::from(old.initial_window_size));
        // Not before: what is credited until then would come on top of what the peer adds now.
        if delta != 0 {
            self.stream_target = new.initial_window_size;
            self.shift_receive_windows(delta);
        }
        self.decoder.set_max_size(new.header_table_size);
        self.events.push_back(Event::SettingsAcknowledged);
    }

    /// The peer has moved its windows. What is below zero now gets credit here, because no DATA will
    /// come that could bring it.
    fn shift_receive_windows(&mut self, delta: i64) {
        let target = self.stream_target;
        for id in self.streams.ids() {
            let Some(stream) = self.streams.get_mut(id) else {
                continue;
            };
            stream.receive.shift(delta);
            if stream.remote == Half::Ended {
                continue;
            }
            if let Some(increment) = stream.receive.update(target) {
                self.put_reply(Frame::WindowUpdate {
                    stream: id,
                    increment,
                });
            }
        }
    }

    pub(super) fn receive_goaway(&mut self, last: u32, code: ErrorCode, debug: &[u8]) {
        if self.peer_last.is_some_and(|before| last > before) {
            self.fail(ErrorCode::PROTOCOL_ERROR, Reason::GoAway);
            return;
        }
        self.peer_last = Some(last);
        let debug = debug.get(..256).unwrap_or(debug);
        self.events.push_back(Event::GoAway {
            last,
            code,
            debug: Bytes::copy_from_slice(debug),
        });
        for id in self.streams.ids() {
            if id > last && !self.is_theirs(id) {
                self.end_stream(id, Past::Reset, StreamEnd::Unprocessed);
            }
        }
    }

    pub(super) fn receive_window_update(&mut self, id: u32, increment: u32) {
        if !self
            .budgets
            .window_updates
            .take(self.limits.window_updates, self.now)
        {
            self.trip_rate(Limit::WindowUpdates, self.limits.window_updates.burst);
            return;
        }
        if id == 0 {
            if self.send.grow(i64::from(increment)).is_err() {
                self.fail(ErrorCode::FLOW_CONTROL_ERROR, Reason::FlowControl);
            }
            return;
        }
        if self.is_idle(id) {
            self.fail(ErrorCode::PROTOCOL_ERROR, Reason::IdleStream(id));
            return;
        }
        let Some(stream) = self.streams.get_mut(id) else {
            return;
        };
        // RFC 9113 section 5.1: nothing but a head, a reset or a priority for what the peer reserved.
        if stream.remote == Half::Reserved {
            self.fail(ErrorCode::PROTOCOL_ERROR, Reason::IdleStream(id));
            return;
        }
        if stream.send.grow(i64::from(increment)).is_err() {
            let code = ErrorCode::FLOW_CONTROL_ERROR;
            self.stream_fault(id, code, StreamEnd::Fault(code));
            return;
        }
        self.schedule(id);
    }

    pub(super) fn receive_origins(&mut self, stream: u32, payload: &[u8]) {
        // RFC 8336 section 2: ignored on streams and by servers.
        if stream != 0 || self.is_server {
            return;
        }
        let mut rest = payload;
        for _ in 0..32 {
            let Some((len, more)) = rest.split_first_chunk::<2>() else {
                return;
            };
            let Some((origin, more)) = more.split_at_checked(usize::from(u16::from_be_bytes(*len)))
            else {
                return;
            };
            rest = more;
            self.events
                .push_back(Event::Origin(Bytes::copy_from_slice(origin)));
        }
    }

    pub(super) fn receive_priority_update(&mut self, id: u32, value: &[u8]) {
        // RFC 9218 section 7.1: from clients alone, and not for stream 0.
        if !self.is_server || id == 0 {
            self.fail(ErrorCode::PROTOCOL_ERROR, Reason::Role);
            return;
        }
        if !self
            .budgets
            .priorities
            .take(self.limits.priorities, self.now)
        {
            self.trip_rate(Limit::Priorities, self.limits.priorities.burst);
            return;
        }
        if !self.is_theirs(id) && self.is_idle(id) {
            self.fail(ErrorCode::PROTOCOL_ERROR, Reason::IdleStream(id));
            return;
        }
        let priority = Priority::parse(value);
        self.adopt(Scheduling::Urgency);
        if self.is_idle(id) {
            self.early.retain(|&(early, _)| early != id);
            if self.early.len() < to_usize(self.limits.max_idle_priorities) {
                self.early.push((id, priority));
            }
        } else if self.streams.get(id).is_some() {
            self.scheduler.reprioritise(id, Signal::Urgency(priority));
        }
        self.events.push_back(Event::Reprioritised {
            stream: id,
            priority,
        });
    }
}
