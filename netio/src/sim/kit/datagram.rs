//! The rules, for datagram machines.

use super::report::{attempt, attempt_all, conclude};
use super::run::{Bounds, Outcome};
use super::scenario::{Log, Shown};
use crate::shape::{DatagramMachine, DatagramTransmit, Local, LocalId};
use crate::sim::{Rng, Seed};
use bytes::Bytes;
use core::fmt::Debug;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use core::time::Duration;
use std::collections::{BTreeSet, VecDeque};

/// A datagram machine in one situation: how it is made, what its peers and its embedder do.
///
/// As with [`StreamScenario`](super::StreamScenario), a fresh one is made for every run, and what
/// goes into the [`Log`] is what must not depend on the order of calls. Datagrams have no order, so
/// logs are compared as sets of entries.
pub trait DatagramScenario {
    /// The machine under test.
    type Machine: DatagramMachine;

    /// A fresh machine whose life begins at `now`.
    fn machine(&self, now: Duration) -> Self::Machine;

    /// What happens from outside, in order.
    fn script(&self) -> Vec<DatagramStep>;

    /// What the embedder does first: the queries of a client.
    fn start(&mut self, machine: &mut Self::Machine, now: Duration) {
        let _ = (machine, now);
    }

    /// The peers: what comes back for a datagram that left. Each reply goes to the socket that sent.
    fn reply(&mut self, now: Duration, to: SocketAddr, payload: &[u8]) -> Vec<Reply> {
        let _ = (now, to, payload);
        Vec::new()
    }

    /// Takes an event and logs it. Questions are better answered in [`answer`](Self::answer).
    fn on_event(
        &mut self,
        machine: &mut Self::Machine,
        now: Duration,
        event: <Self::Machine as DatagramMachine>::Event,
        log: &mut Log,
    );

    /// Answers one open question, or carries out one wish of a coordinator; false when there was
    /// nothing to do.
    fn answer(&mut self, machine: &mut Self::Machine, now: Duration) -> bool {
        let _ = (machine, now);
        false
    }

    /// Carries out [`DatagramStep::Command`].
    fn command(&mut self, number: u32, machine: &mut Self::Machine, now: Duration) {
        let _ = (number, machine, now);
    }

    /// Notes a datagram that left. As it stands: its destination and its octets.
    fn peer_view(&self, to: SocketAddr, payload: &[u8], log: &mut Log) {
        log.say(format!("to {to} {:?}", Shown(payload)));
    }

    /// What a forged datagram must not change, in words: open queries, counters of success. Used by
    /// [`DatagramKit::forgeries`].
    fn observe(&self, machine: &Self::Machine) -> String {
        let _ = machine;
        String::new()
    }

    /// Forgeries of a genuine datagram, all of which have to be ignored. As it stands: the same
    /// octets from another port, from another address, and to another socket. A server that listens
    /// to all the world returns none of these.
    fn forge(&self, genuine: &Incoming, rng: &mut Rng) -> Vec<Incoming> {
        let port = SocketAddr::new(genuine.from.ip(), genuine.from.port() ^ 1);
        let other = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 66));
        let host = SocketAddr::new(other, genuine.from.port());
        let local = LocalId(genuine.local.0 ^ (1 << 40) ^ rng.below(1 << 30));
        vec![
            Incoming {
                from: port,
                ..genuine.clone()
            },
            Incoming {
                from: host,
                ..genuine.clone()
            },
            Incoming {
                local,
                ..genuine.clone()
            },
        ]
    }

    /// Asked where a life was left undisturbed: has all that was meant to happen happened?
    ///
    /// # Errors
    ///
    /// What is missing.
    fn completed(&self) -> Result<(), String> {
        Ok(())
    }

    /// Asked at the end of every life: does everything hold that must hold always?
    ///
    /// # Errors
    ///
    /// What does not hold.
    fn invariant(&self) -> Result<(), String> {
        Ok(())
    }
}

/// A datagram on its way to the machine.
#[derive(Clone, PartialEq, Eq)]
pub struct Incoming {
    /// The socket that it reaches.
    pub local: LocalId,
    /// Whence it claims to come.
    pub from: SocketAddr,
    /// Its octets.
    pub data: Bytes,
}

impl Debug for Incoming {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self { local, from, data } = self;
        write!(f, "{from} to {local:?} {:?}", Shown(data))
    }
}

/// What a peer sends back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Whence it claims to come.
    pub from: SocketAddr,
    /// Its octets.
    pub data: Bytes,
}

/// One thing that happens to a datagram machine.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DatagramStep {
    /// A datagram arrives unasked.
    Datagram(Incoming),
    /// The embedder issues a command: [`DatagramScenario::command`] with this number.
    Command(u32),
    /// Time passes; deadlines on the way are met exactly.
    Advance(Duration),
}

impl DatagramStep {
    /// A datagram to the embedder's main socket.
    pub fn datagram(from: SocketAddr, data: impl AsRef<[u8]>) -> Self {
        Self::Datagram(Incoming {
            local: LocalId::MAIN,
            from,
            data: Bytes::copy_from_slice(data.as_ref()),
        })
    }
}

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

/// What is done to one of the datagrams that arrive, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    Truncate(usize, usize),
    Flip(usize, usize),
}

struct Run<S: DatagramScenario> {
    scenario: S,
    machine: S::Machine,
    now: Duration,
    log: Log,
    sent: Log,
    arriving: VecDeque<Incoming>,
    sockets: BTreeSet<LocalId>,
    /// Length of each datagram that arrived.
    lens: Vec<usize>,
    events: usize,
    datagrams: usize,
    traced: bool,
    trace: Vec<String>,
    skew: Option<Rng>,
    forger: Option<Rng>,
    fate: Option<(Rng, u32, u32)>,
    change: Option<Change>,
    /// The peers do not answer.
    deaf: bool,
    calls: usize,
    bounds: Bounds,
}

impl<S: DatagramScenario> Run<S> {
    fn new(scenario: S, bounds: &Bounds) -> Self {
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

    fn play(&mut self, script: &[DatagramStep]) -> Outcome {
        self.settle()?;
        for step in script {
            self.perform(step)?;
            self.settle()?;
        }
        Ok(())
    }

    fn perform(&mut self, step: &DatagramStep) -> Outcome {
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

    fn settle(&mut self) -> Outcome {
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

    fn poll_event(&mut self) -> Outcome<bool> {
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

    fn answer(&mut self) -> Outcome<bool> {
        self.count()?;
        Ok(self.scenario.answer(&mut self.machine, self.now))
    }

    fn transmit(&mut self) -> Outcome<bool> {
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

    fn socket(&mut self, local: Local) -> Outcome<LocalId> {
        match local {
            Local::Any => Ok(LocalId::MAIN),
            Local::Id(id) if self.sockets.contains(&id) => Ok(id),
            Local::Id(id) => Err(format!("a datagram left by {id:?}, which is not bound")),
            Local::Fresh(id) if self.sockets.insert(id) => Ok(id),
            Local::Fresh(id) => Err(format!("{id:?} was bound twice")),
        }
    }

    fn arrive(&mut self, datagram: Incoming) {
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

    fn is_lost(&mut self) -> bool {
        match &mut self.fate {
            Some((rng, loss, _)) => rng.chance(*loss),
            None => false,
        }
    }

    fn deliver(&mut self) -> Outcome {
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

    fn hand_over(&mut self, datagram: &Incoming, data: &[u8]) -> Outcome {
        self.count()?;
        let now = self.clock();
        self.machine
            .handle_datagram(now, datagram.local, datagram.from, data);
        Ok(())
    }

    fn inject_forgeries(&mut self, genuine: &Incoming) -> Outcome {
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

    fn wake_at(&mut self, time: Duration) -> Outcome {
        self.now = self.now.max(time);
        self.count()?;
        self.machine.handle_timeout(self.now);
        self.settle()
    }

    fn wake_early(&mut self, deadline: Duration) -> Outcome {
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
    fn wind_up(&mut self) -> Outcome {
        self.settle()?;
        for _ in 0..self.bounds.wakeups {
            match self.machine.poll_timeout() {
                Some(deadline) if self.now < Duration::MAX => self.wake_at(deadline)?,
                _ => break,
            }
        }
        self.scenario.invariant()
    }

    fn same_as(&self, reference: &Self) -> Outcome {
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
        if self.traced {
            let timeout = self.machine.poll_timeout();
            self.trace
                .push(format!("{what} {value:?}, then timeout {timeout:?}"));
        }
    }

    fn count(&mut self) -> Outcome {
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
