//! One life of a datagram machine.

use super::{DatagramScenario, DatagramStep, Incoming, Reply};
use crate::shape::{DatagramMachine, DatagramTransmit, Local, LocalId};
use crate::sim::Rng;
use crate::sim::kit::run::{Bounds, Outcome};
use crate::sim::kit::scenario::Log;
use core::fmt::Debug;
use core::time::Duration;
use std::collections::{BTreeSet, VecDeque};

/// What is done to one of the datagrams that arrive, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Truncate(usize, usize),
    Flip(usize, usize),
}

pub(super) struct Run<S: DatagramScenario> {
    pub(super) scenario: S,
    pub(super) machine: S::Machine,
    pub(super) now: Duration,
    pub(super) log: Log,
    pub(super) sent: Log,
    pub(super) arriving: VecDeque<Incoming>,
    pub(super) sockets: BTreeSet<LocalId>,
    /// Length of each datagram that arrived.
    pub(super) lens: Vec<usize>,
    pub(super) events: usize,
    pub(super) datagrams: usize,
    pub(super) traced: bool,
    pub(super) trace: Vec<String>,
    pub(super) skew: Option<Rng>,
    pub(super) forger: Option<Rng>,
    pub(super) fate: Option<(Rng, u32, u32)>,
    pub(super) change: Option<Change>,
    /// The peers do not answer.
    pub(super) deaf: bool,
    pub(super) calls: usize,
    pub(super) bounds: Bounds,
}

impl<S: DatagramScenario> Run<S> {
    pub(super) fn new(scenario: S, bounds: &Bounds) -> Self {
        let now = bounds.epoch;
        let mut run = Self {
            machine: scenario.machine(now),
            scenario,
            now,
            log: Log::default(),
            sent: Log::default(),
            arriving: VecDeque::new(),
            sockets: BTreeSet::from([LocalId::MAIN]),
            lens: Vec::new(),
            events: 0,
            datagrams: 0,
            traced: false,
            trace: Vec::new(),
            skew: None,
            forger: None,
            fate: None,
            change: None,
            deaf: false,
            calls: 0,
            bounds: bounds.clone(),
        };
        run.scenario.start(&mut run.machine, now);
        run
    }

    pub(super) fn play(&mut self, script: &[DatagramStep]) -> Outcome {
        self.settle()?;
        for step in script {
            self.perform(step)?;
            self.settle()?;
        }
        Ok(())
    }

    pub(super) fn perform(&mut self, step: &DatagramStep) -> Outcome {
        match step {
            DatagramStep::Datagram(datagram) => self.arrive(datagram.clone()),
            DatagramStep::Command(number) => {
                self.scenario.command(*number, &mut self.machine, self.now);
            }
            DatagramStep::Advance(by) => {
                let until = self.now.saturating_add(*by);
                let skew = self.skew.take();
                let mut wakeups = 0;
                while let Some(deadline) = self.machine.poll_timeout()
                    && deadline <= until
                    && self.now < Duration::MAX
                {
                    wakeups += 1;
                    if wakeups > self.bounds.wakeups {
                        return Err(format!("more than {wakeups} wake-ups before {until:?}"));
                    }
                    self.wake_at(deadline)?;
                }
                self.now = until;
                self.settle()?;
                self.skew = skew;
            }
        }
        Ok(())
    }

    pub(super) fn settle(&mut self) -> Outcome {
        loop {
            let mut moved = false;
            while self.poll_event()? {
                moved = true;
            }
            while self.answer()? {
                moved = true;
            }
            while self.transmit()? {
                moved = true;
            }
            if !self.arriving.is_empty() {
                self.deliver()?;
                moved = true;
            }
            if !moved {
                return Ok(());
            }
        }
    }

    pub(super) fn poll_event(&mut self) -> Outcome<bool> {
        self.count()?;
        let Some(event) = self.machine.poll_event() else {
            return Ok(false);
        };
        self.events += 1;
        self.note("event", &event);
        self.scenario
            .on_event(&mut self.machine, self.now, event, &mut self.log);
        Ok(true)
    }

    pub(super) fn answer(&mut self) -> Outcome<bool> {
        self.count()?;
        Ok(self.scenario.answer(&mut self.machine, self.now))
    }

    pub(super) fn transmit(&mut self) -> Outcome<bool> {
        self.count()?;
        let now = self.clock();
        let Some(step) = self.machine.poll_transmit(now) else {
            return Ok(false);
        };
        self.note("transmit", &step);
        match step {
            DatagramTransmit::Release(id) => {
                if id == LocalId::MAIN || !self.sockets.remove(&id) {
                    return Err(format!(
                        "{id:?} was released, but is no socket of the machine"
                    ));
                }
            }
            DatagramTransmit::Datagram { local, to, payload } => {
                let id = self.socket(local)?;
                self.datagrams += 1;
                self.sent.say(format!("a datagram left at {:?}", self.now));
                self.scenario.peer_view(to, &payload, &mut self.sent);
                if !self.deaf && !self.is_lost() {
                    for Reply { from, data } in self.scenario.reply(self.now, to, &payload) {
                        self.arrive(Incoming {
                            local: id,
                            from,
                            data,
                        });
                    }
                }
            }
        }
        Ok(true)
    }

    pub(super) fn socket(&mut self, local: Local) -> Outcome<LocalId> {
        match local {
            Local::Any => Ok(LocalId::MAIN),
            Local::Id(id) if self.sockets.contains(&id) => Ok(id),
            Local::Id(id) => Err(format!("a datagram left by {id:?}, which is not bound")),
            Local::Fresh(id) if self.sockets.insert(id) => Ok(id),
            Local::Fresh(id) => Err(format!("{id:?} was bound twice")),
        }
    }

    pub(super) fn arrive(&mut self, datagram: Incoming) {
        if self.is_lost() {
            return;
        }
        let at = match &mut self.fate {
            Some((rng, _, duplicate)) => {
                let copies = usize::from(rng.chance(*duplicate));
                for _ in 0..copies {
                    self.arriving.push_back(datagram.clone());
                }
                rng.index(self.arriving.len() + 1)
            }
            None => self.arriving.len(),
        };
        self.arriving.insert(at, datagram);
    }

    pub(super) fn is_lost(&mut self) -> bool {
        match &mut self.fate {
            Some((rng, loss, _)) => rng.chance(*loss),
            None => false,
        }
    }

    pub(super) fn deliver(&mut self) -> Outcome {
        let Some(datagram) = self.arriving.pop_front() else {
            return Ok(());
        };
        if !self.sockets.contains(&datagram.local) {
            return Ok(());
        }
        self.inject_forgeries(&datagram)?;
        let number = self.lens.len();
        self.lens.push(datagram.data.len());
        match self.change {
            Some(Change::Truncate(of, len)) if of == number => {
                self.hand_over(&datagram, &datagram.data.slice(..len))?;
            }
            Some(Change::Flip(of, bit)) if of == number => {
                let mut data = datagram.data.to_vec();
                data[bit / 8] ^= 1 << (bit % 8);
                self.hand_over(&datagram, &data)?;
            }
            _ => {}
        }
        self.hand_over(&datagram, &datagram.data)
    }

    pub(super) fn hand_over(&mut self, datagram: &Incoming, data: &[u8]) -> Outcome {
        self.count()?;
        let now = self.clock();
        self.machine
            .handle_datagram(now, datagram.local, datagram.from, data);
        Ok(())
    }

    pub(super) fn inject_forgeries(&mut self, genuine: &Incoming) -> Outcome {
        let Some(rng) = &mut self.forger else {
            return Ok(());
        };
        let forgeries = self.scenario.forge(genuine, rng);
        // What the machine had to say before is not the forger's doing.
        while self.poll_event()? {}
        while self.transmit()? {}
        for forged in forgeries {
            let before = (self.events, self.scenario.observe(&self.machine));
            self.machine
                .handle_datagram(self.now, forged.local, forged.from, &forged.data);
            while self.poll_event()? {}
            let after = (self.events, self.scenario.observe(&self.machine));
            if before != after {
                return Err(format!(
                    "{forged:?} was believed: events and observed state {before:?} became {after:?}"
                ));
            }
        }
        Ok(())
    }

    pub(super) fn wake_at(&mut self, time: Duration) -> Outcome {
        self.now = self.now.max(time);
        self.count()?;
        self.machine.handle_timeout(self.now);
        self.settle()
    }

    pub(super) fn wake_early(&mut self, deadline: Duration) -> Outcome {
        let now = self.now;
        for early in [
            now + (deadline - now) / 2,
            deadline - Duration::from_nanos(1),
        ] {
            if early <= self.now {
                continue;
            }
            let before = (self.events, self.datagrams);
            self.wake_at(early)?;
            if (self.events, self.datagrams) != before {
                return Err(format!(
                    "something came out at {early:?}, which the deadline {deadline:?} had hidden"
                ));
            }
            if self.machine.poll_timeout() != Some(deadline) {
                return Err(format!(
                    "an early handle_timeout({early:?}) and a drain moved the deadline from \
                     {deadline:?} to {:?}",
                    self.machine.poll_timeout()
                ));
            }
        }
        Ok(())
    }

    /// Lets the machine come to rest, as far as it does, and asks for the invariant.
    pub(super) fn wind_up(&mut self) -> Outcome {
        self.settle()?;
        for _ in 0..self.bounds.wakeups {
            match self.machine.poll_timeout() {
                Some(deadline) if self.now < Duration::MAX => self.wake_at(deadline)?,
                _ => break,
            }
        }
        self.scenario.invariant()
    }

    pub(super) fn same_as(&self, reference: &Self) -> Outcome {
        let differs = |one: &Log, two: &Log| {
            let (mut one, mut two) = (one.clone(), two.clone());
            one.sort();
            two.sort();
            one.difference(&two)
        };
        if let Some(difference) = differs(&reference.log, &self.log) {
            return Err(format!("the events differ (sorted): {difference}"));
        }
        if let Some(difference) = differs(&reference.sent, &self.sent) {
            return Err(format!("the datagrams differ (sorted): {difference}"));
        }
        Ok(())
    }

    pub(super) fn clock(&mut self) -> Duration {
        let Some(rng) = &mut self.skew else {
            return self.now;
        };
        if rng.chance(500_000) {
            return rng.time(self.now);
        }
        self.now
    }

    pub(super) fn note(&mut self, what: &str, value: &impl Debug) {
        if self.traced {
            let timeout = self.machine.poll_timeout();
            self.trace
                .push(format!("{what} {value:?}, then timeout {timeout:?}"));
        }
    }

    pub(super) fn count(&mut self) -> Outcome {
        self.calls += 1;
        if self.calls > self.bounds.calls {
            return Err(format!(
                "endless chatter: more than {} calls",
                self.bounds.calls
            ));
        }
        Ok(())
    }
}
