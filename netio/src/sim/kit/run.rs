//! One life of a machine: the loop that all calls of the kit share.

use super::scenario::{Log, Sent, Shown, Step, StreamScenario};
use crate::shape::{StreamMachine, StreamTransmit};
use crate::sim::Rng;
use bytes::{Bytes, BytesMut};
use core::fmt::Debug;
use core::time::Duration;

/// `Err` holds what went wrong, in words.
pub(super) type Outcome<T = ()> = Result<T, String>;

/// Bounds of one life; see the setters of the kits.
#[derive(Clone, Debug)]
pub(super) struct Bounds {
    pub(super) epoch: Duration,
    pub(super) calls: usize,
    pub(super) retained: usize,
    pub(super) wakeups: usize,
    pub(super) frame: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            epoch: Duration::from_secs(1000),
            calls: 1_000_000,
            retained: 1 << 20,
            wakeups: 1000,
            frame: 0,
        }
    }
}

/// How far a script was played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Played {
    Whole,
    /// The step with this number waits for something that the machine does not do.
    Stuck(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Upgrade {
    No,
    Start,
    Stop,
}

/// What is complained about only by the call whose rule it is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Strict {
    /// A second `Err`, or an event after the first (R5).
    pub(super) fuse: bool,
    /// More data than the budget allows (R7).
    pub(super) budget: bool,
    /// Reading wished for during a TLS upgrade (R8).
    pub(super) upgrade: bool,
    /// An event from octets that the machine had not wished to read (R4).
    pub(super) reading: bool,
}

pub(super) struct Run<S: StreamScenario> {
    pub(super) scenario: S,
    pub(super) machine: S::Machine,
    pub(super) input: BytesMut,
    pub(super) now: Duration,
    pub(super) log: Log,
    pub(super) sent: Vec<Sent>,
    pub(super) errors: usize,
    pub(super) last_error: String,
    pub(super) peer_closed: usize,
    pub(super) events: usize,
    /// Those that only end a command with its session.
    pub(super) failures: usize,
    pub(super) shutdowns: usize,
    pub(super) eof: bool,
    pub(super) strict: Strict,
    /// Every result in order, for runs that are compared bit for bit.
    pub(super) trace: Option<Vec<String>>,
    /// Draws a smaller `now` for some of the calls.
    pub(super) skew: Option<Rng>,
    octets_sent: u64,
    unmatched: Vec<u8>,
    upgrade: Upgrade,
    disconnected: bool,
    quiet: bool,
    calls: usize,
    bounds: Bounds,
}

impl<S: StreamScenario> Run<S> {
    pub(super) fn new(scenario: S, bounds: &Bounds) -> Self {
        let now = bounds.epoch;
        let mut run = Self {
            machine: scenario.machine(now),
            scenario,
            input: BytesMut::new(),
            now,
            log: Log::default(),
            sent: Vec::new(),
            errors: 0,
            last_error: String::new(),
            peer_closed: 0,
            events: 0,
            failures: 0,
            shutdowns: 0,
            eof: false,
            strict: Strict::default(),
            trace: None,
            skew: None,
            octets_sent: 0,
            unmatched: Vec::new(),
            upgrade: Upgrade::No,
            disconnected: false,
            quiet: false,
            calls: 0,
            bounds: bounds.clone(),
        };
        run.scenario.start(&mut run.machine, now);
        run
    }

    /// Keeps neither log nor output, so that only the machine's memory is seen.
    pub(super) fn quiet(mut self) -> Self {
        self.log = Log::muted();
        self.quiet = true;
        self
    }

    /// Polls one event and hands it to the scenario; true when there was one, or the first error.
    pub(super) fn poll_event(&mut self) -> Outcome<bool> {
        self.count("poll_event")?;
        let before = self.input.len();
        let now = self.clock();
        let polled = self.machine.poll_event(now, &mut self.input);
        if self.input.len() > before {
            return Err("poll_event made the input longer".into());
        }
        match polled {
            Ok(None) => Ok(false),
            Ok(Some(event)) => {
                self.events += 1;
                self.note("event", &event);
                if self.errors > 0 && self.strict.fuse {
                    return Err(format!("after Err({}) came {event:?}", self.last_error));
                }
                if self.scenario.is_failure(&event) {
                    self.failures += 1;
                }
                if self.scenario.is_peer_closed(&event) {
                    self.peer_closed += 1;
                }
                self.scenario
                    .on_event(&mut self.machine, self.now, event, &mut self.log);
                Ok(true)
            }
            Err(error) => {
                self.errors += 1;
                self.note("error", &error);
                if self.errors > 1 {
                    if self.strict.fuse {
                        return Err(format!(
                            "after Err({}) came another, Err({error:?})",
                            self.last_error
                        ));
                    }
                    return Ok(false);
                }
                self.last_error = format!("{error:?}");
                self.log.say(format!("Err({error:?})"));
                Ok(true)
            }
        }
    }

    pub(super) fn answer(&mut self) -> Outcome<bool> {
        self.count("answer")?;
        Ok(self.scenario.answer(&mut self.machine, self.now))
    }

    /// Answers all that is open.
    pub(super) fn answer_all(&mut self) -> Outcome {
        while self.answer()? {}
        Ok(())
    }

    /// Polls one step of output; true when there was one.
    pub(super) fn transmit(&mut self, budget: usize) -> Outcome<bool> {
        self.count("poll_transmit")?;
        let now = self.clock();
        let Some(step) = self.machine.poll_transmit(now, budget) else {
            return Ok(false);
        };
        self.note("transmit", &step);
        if self.shutdowns > 0 {
            return Err(format!("after Shutdown or Abort came {step:?}"));
        }
        // A machine may give up during a handshake, but not speak.
        let gives_up = matches!(step, StreamTransmit::Shutdown | StreamTransmit::Abort);
        if self.upgrade != Upgrade::No && !gives_up {
            return Err(format!(
                "{step:?} came between {:?}Tls and the word that it is done",
                self.upgrade
            ));
        }
        match step {
            StreamTransmit::Data(data) => {
                self.check_len(&data, budget)?;
                self.keep(&data);
                match self.sent.last_mut() {
                    _ if self.quiet => {}
                    Some(Sent::Data(all)) => all.extend_from_slice(&data),
                    _ => self.sent.push(Sent::Data(data.to_vec())),
                }
            }
            StreamTransmit::Urgent(data) => {
                self.check_len(&data, budget)?;
                self.keep(&data);
                self.sent.push(Sent::Urgent(data.to_vec()));
            }
            StreamTransmit::StartTls => {
                self.upgrade = Upgrade::Start;
                self.sent.push(Sent::StartTls);
                self.check_upgrade()?;
            }
            StreamTransmit::StopTls => {
                self.upgrade = Upgrade::Stop;
                self.sent.push(Sent::StopTls);
            }
            StreamTransmit::Shutdown => {
                self.shutdowns += 1;
                self.sent.push(Sent::Shutdown);
            }
            StreamTransmit::Abort => {
                self.shutdowns += 1;
                self.sent.push(Sent::Abort);
            }
        }
        Ok(true)
    }

    /// Polls and answers until nothing moves any more.
    pub(super) fn settle(&mut self, budget: usize) -> Outcome {
        loop {
            let mut moved = false;
            while self.poll_event()? {
                moved = true;
                while self.answer()? {}
            }
            while self.answer()? {
                moved = true;
            }
            if self.strict.budget && budget > 0 {
                self.transmit(0)?;
            }
            while self.transmit(budget)? {
                moved = true;
            }
            if !moved {
                break;
            }
        }
        self.check_upgrade()?;
        if self.machine.wants_read() && self.input.len() > self.bounds.retained {
            return Err(format!(
                "{} octets lie unread in the input while the machine wants more (bound {})",
                self.input.len(),
                self.bounds.retained
            ));
        }
        Ok(())
    }

    /// Settles, but leaves every question open.
    pub(super) fn settle_unanswered(&mut self) -> Outcome {
        loop {
            let mut moved = false;
            while self.poll_event()? {
                moved = true;
            }
            while self.transmit(usize::MAX)? {
                moved = true;
            }
            if !moved {
                return Ok(());
            }
        }
    }

    /// Carries out one step; false when it has to wait.
    pub(super) fn perform(&mut self, step: &Step) -> Outcome<bool> {
        match step {
            Step::Feed(octets) => self.input.extend_from_slice(octets),
            Step::Await(octets) => return Ok(self.find(octets)),
            Step::AwaitOctets(count) => return Ok(self.octets_sent >= *count),
            Step::Upgrade => {
                if self.upgrade != Upgrade::Start {
                    return Ok(false);
                }
                self.upgrade = Upgrade::No;
                let now = self.clock();
                self.machine
                    .handle_tls_established(now, self.scenario.tls());
            }
            Step::Secure => {
                let now = self.clock();
                self.machine
                    .handle_tls_established(now, self.scenario.tls());
            }
            Step::Downgrade => {
                if self.upgrade != Upgrade::Stop {
                    return Ok(false);
                }
                self.upgrade = Upgrade::No;
            }
            Step::Command(number) => {
                self.scenario.command(*number, &mut self.machine, self.now);
            }
            Step::Close => self.machine.close(),
            Step::Eof => self.handle_eof(),
            Step::Disconnect => self.handle_disconnect(),
            Step::Advance(by) => self.advance(self.now.saturating_add(*by))?,
        }
        Ok(true)
    }

    /// Carries out a script, settling after each step.
    pub(super) fn play(&mut self, script: &[Step], budget: usize) -> Outcome<Played> {
        self.settle(budget)?;
        for (number, step) in script.iter().enumerate() {
            let unwished = matches!(step, Step::Feed(octets) if !octets.is_empty())
                && !self.machine.wants_read();
            let said = (self.events, self.errors);
            if !self.perform(step)? {
                return Ok(Played::Stuck(number));
            }
            self.settle(budget)?;
            if self.strict.reading && unwished && said != (self.events, self.errors) {
                return Err(format!(
                    "wants_read() was false, with everything answered and flushed; but the octets \
                     of step {number}, {step:?}, then gave an event: a driver would have waited for \
                     ever"
                ));
            }
        }
        Ok(Played::Whole)
    }

    /// Plays a script that is known to run to its end.
    pub(super) fn play_whole(&mut self, script: &[Step], budget: usize) -> Outcome {
        match self.play(script, budget)? {
            Played::Whole => Ok(()),
            Played::Stuck(number) => Err(self.stuck(script, number)),
        }
    }

    pub(super) fn stuck(&self, script: &[Step], number: usize) -> String {
        format!(
            "the script stands still at step {number}, {:?}\n  said: {:#?}\n  sent: {:#?}",
            script.get(number),
            self.log.lines(),
            self.sent
        )
    }

    /// Lets time pass up to `until`, meeting every deadline on the way.
    pub(super) fn advance(&mut self, until: Duration) -> Outcome {
        // At the end of time every new deadline is due at once.
        if self.now == Duration::MAX {
            return self.settle(usize::MAX);
        }
        // A machine cannot clamp to a time that it was never told of.
        let skew = self.skew.take();
        for _ in 0..self.bounds.wakeups {
            match self.machine.poll_timeout() {
                Some(deadline) if deadline <= until => self.wake_at(deadline)?,
                _ => {
                    self.now = until;
                    self.settle(usize::MAX)?;
                    self.skew = skew;
                    return Ok(());
                }
            }
        }
        Err(format!(
            "more than {} wake-ups before {until:?}, now {:?}",
            self.bounds.wakeups, self.now
        ))
    }

    /// Handles the timeout at `time`, and settles.
    pub(super) fn wake_at(&mut self, time: Duration) -> Outcome {
        self.now = self.now.max(time);
        self.count("handle_timeout")?;
        self.machine.handle_timeout(self.now);
        self.settle(usize::MAX)
    }

    pub(super) fn handle_eof(&mut self) {
        self.eof = true;
        let now = self.clock();
        self.machine.handle_eof(now);
    }

    pub(super) fn handle_disconnect(&mut self) {
        self.eof = true;
        self.disconnected = true;
        self.upgrade = Upgrade::No;
        let now = self.clock();
        self.machine.handle_disconnect(now);
    }

    /// Ends a life as gently as the machine lets it end, and asks for the invariant.
    pub(super) fn wind_up(&mut self) -> Outcome {
        self.settle(usize::MAX)?;
        // A handshake that never comes to its end is a dead transport.
        if self.upgrade == Upgrade::No {
            if !self.eof {
                self.handle_eof();
                self.settle(usize::MAX)?;
            }
            self.machine.close();
            self.settle(usize::MAX)?;
            for _ in 0..self.bounds.wakeups {
                match self.machine.poll_timeout() {
                    Some(deadline) if !self.machine.is_closed() => self.wake_at(deadline)?,
                    _ => break,
                }
            }
        }
        if !self.machine.is_closed() {
            self.handle_disconnect();
            self.settle(usize::MAX)?;
        }
        if !self.machine.is_closed() {
            return Err("is_closed() is false after handle_disconnect and a drain".into());
        }
        self.scenario.invariant()
    }

    /// What the peer makes of the output.
    pub(super) fn view(&self) -> Log {
        let mut view = Log::default();
        self.scenario.peer_view(&self.sent, &mut view);
        view
    }

    /// Whether the machine asked for TLS and waits for it.
    pub(super) fn in_upgrade(&self) -> bool {
        self.upgrade != Upgrade::No
    }

    /// Compares what was said and sent with a run that serves as the reference.
    pub(super) fn same_as(&self, reference: &Self) -> Outcome {
        if let Some(difference) = reference.log.difference(&self.log) {
            return Err(format!("the events differ: {difference}"));
        }
        if let Some(difference) = reference.view().difference(&self.view()) {
            return Err(format!("the output differs: {difference}"));
        }
        Ok(())
    }

    fn find(&mut self, octets: &[u8]) -> bool {
        if octets.is_empty() {
            return true;
        }
        let found = self
            .unmatched
            .windows(octets.len())
            .position(|window| window == octets);
        if let Some(at) = found {
            self.unmatched.drain(..at + octets.len());
        }
        found.is_some()
    }

    fn keep(&mut self, data: &Bytes) {
        // What is awaited has to appear within the last octets of output; few are kept where the
        // heap is measured.
        let window = if self.quiet { 2048 } else { 64 * 1024 };
        self.octets_sent += data.len() as u64;
        self.unmatched.extend_from_slice(data);
        let excess = self.unmatched.len().saturating_sub(window);
        if excess > window {
            self.unmatched.drain(..excess);
        }
    }

    fn check_len(&self, data: &Bytes, budget: usize) -> Outcome {
        if data.is_empty() {
            return Err("poll_transmit gave Data without octets".into());
        }
        if !self.strict.budget || data.len() <= budget {
            return Ok(());
        }
        if budget == 0 {
            return Err(format!(
                "a budget of 0 was answered with {} octets: {:?}",
                data.len(),
                Shown(data)
            ));
        }
        if data.len() > self.bounds.frame {
            return Err(format!(
                "a budget of {budget} was answered with {} octets (largest frame {})",
                data.len(),
                self.bounds.frame
            ));
        }
        Ok(())
    }

    fn check_upgrade(&self) -> Outcome {
        if self.strict.upgrade && self.upgrade == Upgrade::Start && self.machine.wants_read() {
            return Err("wants_read() is true between StartTls and handle_tls_established".into());
        }
        Ok(())
    }

    fn clock(&mut self) -> Duration {
        let Some(rng) = &mut self.skew else {
            return self.now;
        };
        if rng.chance(500_000) {
            return rng.time(self.now);
        }
        self.now
    }

    fn note(&mut self, what: &str, value: &impl Debug) {
        if let Some(trace) = &mut self.trace {
            trace.push(format!(
                "{what} {value:?}, then timeout {:?} read {} closed {}",
                self.machine.poll_timeout(),
                self.machine.wants_read(),
                self.machine.is_closed()
            ));
        }
    }

    fn count(&mut self, call: &str) -> Outcome {
        self.calls += 1;
        if self.calls > self.bounds.calls {
            return Err(format!(
                "endless chatter: more than {} calls, the last one to {call}",
                self.bounds.calls
            ));
        }
        Ok(())
    }
}

/// Joins neighbouring feeds, so that only the kit decides where the octets are cut.
pub(super) fn joined(script: Vec<Step>) -> Vec<Step> {
    let mut joined: Vec<Step> = Vec::with_capacity(script.len());
    for step in script {
        match (joined.last_mut(), step) {
            (Some(Step::Feed(before)), Step::Feed(octets)) => {
                let mut both = BytesMut::from(&before[..]);
                both.extend_from_slice(&octets);
                *before = both.freeze();
            }
            (_, step) => joined.push(step),
        }
    }
    joined
}

/// All octets of the peer, one after the other.
pub(super) fn wire(script: &[Step]) -> Vec<u8> {
    let mut wire = Vec::new();
    for step in script {
        if let Step::Feed(octets) = step {
            wire.extend_from_slice(octets);
        }
    }
    wire
}

/// Cuts the feeds at these positions of the wire, which ascend.
pub(super) fn cut(script: &[Step], cuts: &[usize]) -> Vec<Step> {
    let mut done = Vec::with_capacity(script.len() + cuts.len());
    let mut start = 0;
    for step in script {
        let Step::Feed(octets) = step else {
            done.push(step.clone());
            continue;
        };
        let end = start + octets.len();
        let mut from = start;
        for &at in cuts.iter().filter(|&&at| at > start && at < end) {
            if at > from {
                done.push(Step::Feed(octets.slice(from - start..at - start)));
                from = at;
            }
        }
        done.push(Step::Feed(octets.slice(from - start..)));
        start = end;
    }
    done
}

/// The script up to the octet at `len`, and nothing after it.
pub(super) fn truncated(script: &[Step], len: usize) -> Vec<Step> {
    let mut done = Vec::new();
    let mut left = len;
    for step in script {
        match step {
            Step::Feed(_) if left == 0 => break,
            Step::Feed(octets) if octets.len() >= left => {
                done.push(Step::Feed(octets.slice(..left)));
                break;
            }
            Step::Feed(octets) => {
                left -= octets.len();
                done.push(step.clone());
            }
            _ => done.push(step.clone()),
        }
    }
    done
}

/// The script with one bit of the wire turned over.
pub(super) fn flipped(script: &[Step], bit: usize) -> Vec<Step> {
    let mut start = 0;
    script
        .iter()
        .map(|step| {
            let Step::Feed(octets) = step else {
                return step.clone();
            };
            let at = (bit / 8).checked_sub(start);
            start += octets.len();
            match at.filter(|&at| at < octets.len()) {
                Some(at) => {
                    let mut octets = octets.to_vec();
                    octets[at] ^= 1 << (bit % 8);
                    Step::Feed(octets.into())
                }
                None => step.clone(),
            }
        })
        .collect()
}
