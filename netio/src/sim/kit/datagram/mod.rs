//! The rules, for datagram machines.

mod run;
mod scenario;

pub use scenario::{DatagramScenario, DatagramStep, Incoming, Reply};

use super::report::{attempt, attempt_all, conclude};
use super::run::{Bounds, Outcome};
use super::scenario::Log;
use crate::shape::{DatagramMachine, LocalId};
use crate::sim::{Rng, Seed};
use core::net::{Ipv4Addr, SocketAddr};
use core::time::Duration;
use run::{Change, Run};

/// The rules of the convention as calls, for one scenario of a datagram machine.
///
/// In every run the kit also watches the sockets: a machine that sends by a socket that it did not
/// bind, binds one twice or releases one that it has not is reported.
#[derive(Clone, Debug)]
pub struct DatagramKit<F> {
    factory: F,
    seed: Seed,
    rounds: usize,
    tick: Option<Duration>,
    bounds: Bounds,
}

impl<S: DatagramScenario, F: Fn() -> S> DatagramKit<F> {
    /// A kit over the scenarios that `factory` makes; all of them have to be alike.
    pub fn new(factory: F) -> Self {
        Self {
            factory,
            seed: Seed::from(0),
            rounds: 200,
            tick: None,
            bounds: Bounds::default(),
        }
    }

    /// The seed of all that is random here. Default 0.
    #[must_use]
    pub fn seed(mut self, seed: impl Into<Seed>) -> Self {
        self.seed = seed.into();
        self
    }

    /// How many random runs a call makes where it makes random ones. Default 200.
    #[must_use]
    pub fn rounds(mut self, rounds: usize) -> Self {
        self.rounds = rounds;
        self
    }

    /// The time at which a life begins. Default 1000 s.
    #[must_use]
    pub fn epoch(mut self, epoch: Duration) -> Self {
        self.bounds.epoch = epoch;
        self
    }

    /// How many calls one life may take; more is endless chatter. Default a million.
    #[must_use]
    pub fn calls(mut self, calls: usize) -> Self {
        self.bounds.calls = calls;
        self
    }

    /// How many wake-ups it may take until a machine that is left alone rests. Default 1000.
    #[must_use]
    pub fn wakeups(mut self, wakeups: usize) -> Self {
        self.bounds.wakeups = wakeups;
        self
    }

    /// The machine need not come to rest (a DHT node refreshes for ever), but its wake-ups are at
    /// least so far apart on average. Default: it has to rest.
    #[must_use]
    pub fn tick(mut self, tick: Duration) -> Self {
        self.tick = Some(tick);
        self
    }

    /// All calls that need no argument, one after the other.
    ///
    /// # Panics
    ///
    /// When one of them does.
    #[track_caller]
    pub fn all(&self) {
        self.r1_any_order();
        self.r2_time();
        self.r3_timers();
        self.forgeries();
        self.nonsense();
    }

    /// R1: any order of calls gives the same events and the same datagrams; the same order gives
    /// them bit for bit.
    ///
    /// # Panics
    ///
    /// When a run differs from the reference, or from itself.
    #[track_caller]
    pub fn r1_any_order(&self) {
        conclude("R1 any order", self.seed, self.any_order());
    }

    /// R2: a smaller `now` is clamped, the largest never panics.
    ///
    /// # Panics
    ///
    /// When the machine does, or when a smaller `now` changes what it says.
    #[track_caller]
    pub fn r2_time(&self) {
        conclude("R2 time", self.seed, self.time());
    }

    /// R3: early calls do nothing, deadlines progress, a machine left alone rests: with all its
    /// peers answering, and with all of them silent.
    ///
    /// # Panics
    ///
    /// When a deadline stands still or lies in the past, when work hid behind a timer, or when the
    /// machine does not rest within [`wakeups`](Self::wakeups).
    #[track_caller]
    pub fn r3_timers(&self) {
        conclude("R3 timers", self.seed, self.timers());
    }

    /// Forged datagrams that arrive just before the genuine one change nothing: no event, nothing
    /// that [`DatagramScenario::observe`] sees, and the same end.
    ///
    /// # Panics
    ///
    /// When one does.
    #[track_caller]
    pub fn forgeries(&self) {
        conclude("forgeries", self.seed, self.forged());
    }

    /// Every truncation and every flipped bit of each datagram that arrives: no panic, an end, the
    /// invariant, and at most `bound` octets of heap as `heap` measures them (see
    /// [`StreamKit::mutations`](super::StreamKit::mutations)).
    ///
    /// The bad datagram comes first, then the genuine one. That a changed datagram is not believed
    /// is not asked, since no protocol without authentication could tell.
    ///
    /// # Panics
    ///
    /// When one does not hold.
    #[track_caller]
    pub fn mutations(&self, heap: impl FnMut(&mut dyn FnMut()) -> usize, bound: usize) {
        conclude("mutations", self.seed, self.mutate(heap, bound));
    }

    /// Random octets from random places to random sockets: no panic, an end, the invariant.
    ///
    /// # Panics
    ///
    /// When one does not hold.
    #[track_caller]
    pub fn nonsense(&self) {
        conclude("nonsense", self.seed, self.talk_nonsense());
    }

    /// Datagrams in both directions are lost (`loss` in a million), doubled (`duplicate` in a
    /// million) and reordered; the scenario is completed all the same.
    ///
    /// # Panics
    ///
    /// When a run comes to rest without being completed.
    #[track_caller]
    pub fn unreliable(&self, loss: u32, duplicate: u32) {
        conclude("unreliable", self.seed, self.lose(loss, duplicate));
    }

    fn run(&self) -> Run<S> {
        Run::new((self.factory)(), &self.bounds)
    }

    fn script(&self) -> Vec<DatagramStep> {
        (self.factory)().script()
    }

    fn reference(&self, script: &[DatagramStep]) -> Outcome<Run<S>> {
        attempt("the reference run", || {
            let mut run = self.run();
            run.play(script)?;
            run.scenario
                .completed()
                .map_err(|missing| format!("the scenario was not completed: {missing}"))?;
            run.wind_up()?;
            Ok(run)
        })
    }

    fn any_order(&self) -> Outcome {
        let script = self.script();
        let reference = self.reference(&script)?;
        let mut rng = Rng::new(self.seed);
        for round in 0..self.rounds {
            let seed = Seed::from(rng.seed());
            attempt(&format!("random order {round}"), || {
                let one = self.wander(&script, seed)?;
                one.same_as(&reference)?;
                let two = self.wander(&script, seed)?;
                let mut pairs = one.trace.iter().zip(&two.trace);
                match pairs.find(|(one, two)| one != two) {
                    Some((one, two)) => Err(format!(
                        "the same calls twice gave two results:\n    {one}\n  and\n    {two}"
                    )),
                    None => Ok(()),
                }
            })?;
        }
        Ok(())
    }

    fn wander(&self, script: &[DatagramStep], seed: Seed) -> Outcome<Run<S>> {
        let mut rng = Rng::new(seed);
        let mut run = self.run();
        run.traced = true;
        let weights: Vec<usize> = (0..5).map(|_| [1, 1, 3, 30][rng.index(4)]).collect();
        let mut at = 0;
        while at < script.len() || !run.arriving.is_empty() {
            let mut ticket = rng.index(weights.iter().sum());
            let action = weights
                .iter()
                .position(|&weight| match ticket.checked_sub(weight) {
                    Some(rest) => {
                        ticket = rest;
                        false
                    }
                    None => true,
                });
            match action {
                Some(0) if run.arriving.is_empty() => {
                    if let Some(step) = script.get(at) {
                        if !matches!(step, DatagramStep::Datagram(_)) {
                            run.settle()?;
                        }
                        run.perform(step)?;
                        at += 1;
                    }
                }
                Some(0) => run.deliver()?,
                Some(1) => {
                    run.poll_event()?;
                }
                Some(2) => {
                    run.answer()?;
                }
                Some(3) => {
                    run.transmit()?;
                }
                _ => {
                    if matches!(run.machine.poll_timeout(), Some(due) if due > run.now) {
                        run.machine.handle_timeout(run.now);
                    }
                }
            }
        }
        run.wind_up()?;
        Ok(run)
    }

    fn time(&self) -> Outcome {
        let script = self.script();
        let reference = self.reference(&script)?;
        let mut rng = Rng::new(self.seed);
        for round in 0..self.rounds.min(50) {
            let skew = rng.fork();
            attempt(&format!("run {round} with a clock that jumps back"), || {
                let mut run = self.run();
                run.skew = Some(skew);
                run.play(&script)?;
                run.skew = None;
                run.wind_up()?;
                run.same_as(&reference)
            })?;
        }
        for steps in 0..=script.len() {
            attempt(&format!("now = Duration::MAX after {steps} steps"), || {
                let mut run = self.run();
                run.play(&script[..steps])?;
                run.wake_at(Duration::MAX)?;
                run.play(&script)?;
                run.wake_at(Duration::MAX)
            })?;
        }
        attempt("a life that begins at Duration::MAX", || {
            let mut bounds = self.bounds.clone();
            bounds.epoch = Duration::MAX;
            let mut run = Run::new((self.factory)(), &bounds);
            run.play(&script)?;
            run.wake_at(Duration::MAX)
        })
    }

    fn timers(&self) -> Outcome {
        let script = self.script();
        for steps in 0..=script.len() {
            for (deaf, late) in [(false, false), (false, true), (true, false), (true, true)] {
                let label = format!(
                    "left alone after {steps} steps, peers {}, waking {}",
                    if deaf { "silent" } else { "answering" },
                    if late { "late" } else { "in time" }
                );
                attempt(&label, || {
                    let mut run = self.run();
                    run.deaf = deaf;
                    run.play(&script[..steps])?;
                    self.leave_alone(&mut run, late)?;
                    run.scenario.invariant()
                })?;
            }
        }
        Ok(())
    }

    fn leave_alone(&self, run: &mut Run<S>, late: bool) -> Outcome {
        let mut rng = Rng::new(self.seed);
        let start = run.now;
        for _ in 0..self.bounds.wakeups {
            if matches!(run.machine.poll_timeout(), Some(due) if due <= run.now) {
                run.wake_at(run.now)?;
            }
            let Some(deadline) = run.machine.poll_timeout() else {
                return Ok(());
            };
            if deadline <= run.now {
                return Err(format!(
                    "a hot timer: drained at {:?}, the deadline is {deadline:?}",
                    run.now
                ));
            }
            run.wake_early(deadline)?;
            let by = match late {
                true => rng.time(Duration::from_secs(4000)),
                false => Duration::ZERO,
            };
            run.wake_at(deadline.saturating_add(by))?;
        }
        let elapsed = run.now - start;
        let wakeups = u32::try_from(self.bounds.wakeups).unwrap_or(u32::MAX);
        match self.tick {
            Some(tick) if elapsed / wakeups.max(1) >= tick => Ok(()),
            _ => Err(format!(
                "no rest after {wakeups} wake-ups, which took {elapsed:?}"
            )),
        }
    }

    fn forged(&self) -> Outcome {
        let script = self.script();
        let reference = self.reference(&script)?;
        attempt("forgeries before each genuine datagram", || {
            let mut run = self.run();
            run.forger = Some(Rng::new(self.seed));
            run.play(&script)?;
            run.scenario.completed()?;
            run.wind_up()?;
            run.same_as(&reference)
        })
    }

    fn mutate(&self, mut heap: impl FnMut(&mut dyn FnMut()) -> usize, bound: usize) -> Outcome {
        let script = self.script();
        let reference = self.reference(&script)?;
        let mut cases = Vec::new();
        for (number, len) in reference.lens.iter().copied().enumerate() {
            cases.extend((0..len).map(|at| Change::Truncate(number, at)));
            cases.extend((0..len * 8).map(|bit| Change::Flip(number, bit)));
        }
        // Above 4 KiB, 256 positions that the seed chooses.
        if cases.len() > 9 * 4096 {
            let mut rng = Rng::new(self.seed);
            let from = core::mem::take(&mut cases);
            cases.extend((0..256 * 9).filter_map(|_| rng.pick(&from).copied()));
        }
        attempt_all(cases, |change, label| {
            *label = format!("{change:?}");
            let mut outcome = Ok(());
            let peak = heap(&mut || {
                outcome = attempt("", || {
                    let mut run = self.run();
                    (run.log, run.sent) = (Log::muted(), Log::muted());
                    run.change = Some(change);
                    run.play(&script)?;
                    run.wind_up()
                });
            });
            outcome?;
            if peak > bound {
                return Err(format!("{peak} octets of heap, where {bound} are allowed"));
            }
            Ok(())
        })
    }

    fn talk_nonsense(&self) -> Outcome {
        let script = self.script();
        let mut rng = Rng::new(self.seed);
        attempt_all(0..self.rounds, |round, label| {
            *label = format!("nonsense {round}");
            let mut run = self.run();
            let stop = rng.index(script.len() + 1);
            run.play(&script[..stop])?;
            for _ in 0..20 {
                let mut data = vec![0; rng.index(600)];
                rng.fill(&mut data);
                let address = Ipv4Addr::from(u32::try_from(rng.below(1 << 32)).unwrap_or(0));
                let port = u16::try_from(rng.below(1 << 16)).unwrap_or(0);
                let local =
                    [LocalId::MAIN, LocalId(rng.below(4)), LocalId(rng.number())][rng.index(3)];
                let from = SocketAddr::from((address, port));
                run.machine.handle_datagram(run.now, local, from, &data);
                run.settle()?;
            }
            run.wind_up()
        })
    }

    fn lose(&self, loss: u32, duplicate: u32) -> Outcome {
        let script = self.script();
        let mut rng = Rng::new(self.seed);
        for round in 0..self.rounds {
            let fate = rng.fork();
            attempt(&format!("run {round}"), || {
                let mut run = self.run();
                run.fate = Some((fate, loss, duplicate));
                run.play(&script)?;
                for _ in 0..self.bounds.wakeups {
                    if run.scenario.completed().is_ok() {
                        break;
                    }
                    let Some(deadline) = run.machine.poll_timeout() else {
                        break;
                    };
                    run.wake_at(deadline)?;
                }
                run.scenario.completed()?;
                run.scenario.invariant()
            })?;
        }
        Ok(())
    }
}
