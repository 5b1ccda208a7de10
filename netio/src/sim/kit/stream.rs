//! The rules, for stream machines.

use super::report::{attempt, attempt_all, conclude};
use super::run::{Bounds, Outcome, Run, cut, flipped, joined, truncated, wire};
use super::scenario::{Sent, Shown, Step, StreamScenario};
use crate::shape::StreamMachine;
use crate::sim::{Rng, Seed};
use bytes::Bytes;
use core::time::Duration;

/// The rules of the convention as calls, for one scenario of a stream machine.
///
/// Each call makes fresh scenarios, as many as it needs, and panics with the rule, the position and
/// the seed when the machine breaks the rule. See the [module](super) for an example.
#[derive(Clone, Debug)]
pub struct StreamKit<F> {
    factory: F,
    seed: Seed,
    rounds: usize,
    exhaustive: usize,
    tick: Option<Duration>,
    bounds: Bounds,
}

impl<S: StreamScenario, F: Fn() -> S> StreamKit<F> {
    /// A kit over the scenarios that `factory` makes; all of them have to be alike.
    pub fn new(factory: F) -> Self {
        Self {
            factory,
            seed: Seed::from(0),
            rounds: 200,
            exhaustive: 4096,
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

    /// Up to how many octets of wire every position is tried; above, the ends of lines and steps
    /// and 256 random positions are. Default 4096.
    #[must_use]
    pub fn exhaustive(mut self, octets: usize) -> Self {
        self.exhaustive = octets;
        self
    }

    /// The time at which a life begins, so that there is time before it. Default 1000 s.
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

    /// How many octets a machine that still wants to read may leave in the read buffer. Default
    /// 1 MiB.
    #[must_use]
    pub fn retained(mut self, octets: usize) -> Self {
        self.bounds.retained = octets;
        self
    }

    /// How many wake-ups it may take until a machine that is left alone rests. Default 1000.
    #[must_use]
    pub fn wakeups(mut self, wakeups: usize) -> Self {
        self.bounds.wakeups = wakeups;
        self
    }

    /// The machine need not come to rest (it sends keepalives), but then its wake-ups are at least
    /// so far apart on average. Default: it has to rest.
    #[must_use]
    pub fn tick(mut self, tick: Duration) -> Self {
        self.tick = Some(tick);
        self
    }

    /// The largest frame in octets, which may exceed a budget because a frame that was begun is
    /// finished first. Default 0: no data exceeds its budget.
    #[must_use]
    pub fn frame(mut self, octets: usize) -> Self {
        self.bounds.frame = octets;
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
        self.r4_reading();
        self.r6_eof();
        self.r6_disconnect();
        self.r7_budget();
        self.r10_stale_answers();
        self.r13_any_split();
        self.nonsense();
    }

    /// R1: any order of calls gives the same events and the same output; the same order gives it bit
    /// for bit.
    ///
    /// Random runs feed pieces of any length, poll events and output rarely or often, with budgets
    /// from 0 up, answer at once or late, and call `handle_timeout` early. Before the embedder acts
    /// by the script (a command, a close, a step of time) the machine is drained, since an earlier
    /// command is another scenario.
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

    /// R3: early calls of `handle_timeout` do nothing; after a deadline was handled and all is
    /// drained the next one is later; a machine left alone comes to rest, also with its questions
    /// unanswered (then it may wake again, but not at once).
    ///
    /// # Panics
    ///
    /// When a deadline stands still or lies in the past, when work hid behind a timer, or when the
    /// machine does not rest within [`wakeups`](Self::wakeups).
    #[track_caller]
    pub fn r3_timers(&self) {
        conclude("R3 timers", self.seed, self.timers());
    }

    /// R4, the reading half: with everything answered and flushed, a machine that does not want to
    /// read has no use for what follows.
    ///
    /// # Panics
    ///
    /// When octets that the machine had not wished for then gave an event.
    #[track_caller]
    pub fn r4_reading(&self) {
        conclude("R4 reading", self.seed, self.reading());
    }

    /// R5: the error comes once, after every event before it, whatever the chunks; then input is
    /// discarded, reading goes on, the `farewell` leaves, then one `Shutdown`; the connection is
    /// closed after the peer's EOF, or by a timer when that does not come.
    ///
    /// The wire of the script is good up to the octet at `good` and makes the machine fail after
    /// it. `farewell` is what the output has to end with; empty when there is none.
    ///
    /// # Panics
    ///
    /// When one of these does not hold.
    #[track_caller]
    pub fn r5_errors(&self, good: usize, farewell: &[u8]) {
        conclude("R5 errors", self.seed, self.errors(good, farewell));
    }

    /// R6: at every position of the wire, an EOF gives either an error or the event that
    /// [`StreamScenario::is_peer_closed`] knows, exactly once, and never both; then `close()` closes.
    /// Where the machine had ended before, or waits for a TLS handshake, neither is asked for.
    ///
    /// # Panics
    ///
    /// When one of these does not hold.
    #[track_caller]
    pub fn r6_eof(&self) {
        conclude("R6 EOF", self.seed, self.eof());
    }

    /// At every position of the wire, a dead transport closes the machine at once: no more output,
    /// no timer, at most one error, and the scenario's invariant holds.
    ///
    /// # Panics
    ///
    /// When one of these does not hold.
    #[track_caller]
    pub fn r6_disconnect(&self) {
        conclude("R6 disconnect", self.seed, self.disconnect());
    }

    /// R7 and R12: no data exceeds its budget (but for a [`frame`](Self::frame) that was begun), a
    /// budget of 0 gives no data, and the sum is the same for every budget.
    ///
    /// # Panics
    ///
    /// When one of these does not hold.
    #[track_caller]
    pub fn r7_budget(&self) {
        conclude("R7 budget", self.seed, self.budget());
    }

    /// R8: octets that came in one piece with the line that starts TLS are an error before anything
    /// is made of them, and nothing is read between `StartTls` and `handle_tls_established`.
    ///
    /// `injected` is what an attacker appends: a complete command or response that would otherwise
    /// be an event.
    ///
    /// # Panics
    ///
    /// When one of these does not hold, or when the script has no [`Step::Upgrade`] after a feed.
    #[track_caller]
    pub fn r8_upgrade(&self, injected: &[u8]) {
        conclude("R8 TLS upgrade", self.seed, self.upgrade(injected));
    }

    /// R10: answers that come after the transport died change nothing.
    ///
    /// # Panics
    ///
    /// When a late answer gives output or an event, reopens the machine, or panics.
    #[track_caller]
    pub fn r10_stale_answers(&self) {
        conclude("R10 stale answers", self.seed, self.stale_answers());
    }

    /// R13: every single cut of the input, one octet at a time, and random cuts give the same
    /// events, errors and output as the whole.
    ///
    /// # Panics
    ///
    /// When one differs.
    #[track_caller]
    pub fn r13_any_split(&self) {
        conclude("R13 any split", self.seed, self.any_split());
    }

    /// Every truncation and every flipped bit of the wire: no panic, an end within
    /// [`calls`](Self::calls), the invariant, and at most `bound` octets of heap as `heap` measures
    /// them.
    ///
    /// `heap` runs what it is given and returns the largest heap use meanwhile; it sees machine,
    /// read buffer and scenario, since the kit keeps no log in these runs. Without a counting
    /// allocator pass [`unmetered`](super::unmetered).
    ///
    /// # Panics
    ///
    /// When one does not hold; all failures are counted, the first ones are shown.
    #[track_caller]
    pub fn mutations(&self, heap: impl FnMut(&mut dyn FnMut()) -> usize, bound: usize) {
        conclude("mutations", self.seed, self.mutate(heap, bound));
    }

    /// Random octets, and random pieces of the wire in random order: no panic, an end, the
    /// invariant.
    ///
    /// # Panics
    ///
    /// When one does not hold.
    #[track_caller]
    pub fn nonsense(&self) {
        conclude("nonsense", self.seed, self.talk_nonsense());
    }

    fn script(&self) -> Vec<Step> {
        joined((self.factory)().script())
    }

    fn run(&self) -> Run<S> {
        Run::new((self.factory)(), &self.bounds)
    }

    fn reference(&self, script: &[Step]) -> Outcome<Run<S>> {
        attempt("the reference run, in one piece", || {
            let mut run = self.run();
            run.play_whole(script, usize::MAX)?;
            run.scenario
                .completed()
                .map_err(|missing| format!("the scenario was not completed: {missing}"))?;
            run.wind_up()?;
            Ok(run)
        })
    }

    /// Positions of the wire worth trying: all, or those that are likely to matter.
    fn positions(&self, script: &[Step], most: usize) -> Vec<usize> {
        let wire = wire(script);
        if wire.len() <= most {
            return (0..=wire.len()).collect();
        }
        let mut rng = Rng::new(self.seed);
        let mut positions = vec![0, wire.len()];
        let mut end = 0;
        for step in script {
            if let Step::Feed(octets) = step {
                end += octets.len();
                positions.push(end);
            }
        }
        let lines = wire
            .iter()
            .enumerate()
            .filter(|(_, octet)| **octet == b'\n');
        positions.extend(lines.map(|(at, _)| at + 1).take(256));
        positions.extend((0..256.min(most)).map(|_| rng.index(wire.len())));
        positions.sort_unstable();
        positions.dedup();
        positions
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
                same_trace(&one, &two)
            })?;
        }
        Ok(())
    }

    /// One run in a random order that `seed` decides.
    fn wander(&self, script: &[Step], seed: Seed) -> Outcome<Run<S>> {
        const PATIENCE: usize = 300;
        let mut rng = Rng::new(seed);
        let mut run = self.run();
        run.trace = Some(Vec::new());
        // Some rounds all but starve one kind of call.
        let weights: Vec<usize> = (0..5).map(|_| [1, 1, 3, 30][rng.index(4)]).collect();
        let (mut at, mut eaten, mut idle) = (0, 0, 0);
        while let Some(step) = script.get(at) {
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
            let moved = match action {
                Some(0) => match step {
                    Step::Feed(octets) => {
                        let left = octets.len() - eaten;
                        let len = match rng.index(3) {
                            0 => left,
                            1 => left.min(1),
                            _ => rng.index(left) + 1,
                        };
                        let len = len.min(left);
                        run.input.extend_from_slice(&octets[eaten..eaten + len]);
                        eaten += len;
                        if eaten == octets.len() {
                            (at, eaten) = (at + 1, 0);
                        }
                        true
                    }
                    step => {
                        if matches!(
                            step,
                            Step::Command(_) | Step::Close | Step::Disconnect | Step::Advance(_)
                        ) {
                            run.settle(usize::MAX)?;
                        }
                        let done = run.perform(step)?;
                        at += usize::from(done);
                        done
                    }
                },
                Some(1) => run.poll_event()?,
                Some(2) => run.answer()?,
                Some(3) => {
                    let budget = [0, 1, 2, 7, 100, 5000, usize::MAX][rng.index(7)];
                    run.transmit(budget)?
                }
                _ => {
                    if run
                        .machine
                        .poll_timeout()
                        .is_some_and(|deadline| deadline > run.now)
                    {
                        run.machine.handle_timeout(run.now);
                    }
                    false
                }
            };
            idle = if moved { 0 } else { idle + 1 };
            if idle == PATIENCE {
                run.settle(usize::MAX)?;
            }
            if idle > 2 * PATIENCE * weights.len() {
                return Err(run.stuck(script, at));
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
                run.play_whole(&script, usize::MAX)?;
                run.skew = None;
                run.wind_up()?;
                run.same_as(&reference)
            })?;
        }
        for position in self.positions(&script, 64) {
            let label = format!("now = Duration::MAX after {position} octets of the wire");
            attempt(&label, || {
                let mut run = self.run();
                run.play(&truncated(&script, position), usize::MAX)?;
                run.wake_at(Duration::MAX)?;
                run.play(&script, usize::MAX)?;
                run.wind_up()?;
                run.machine.handle_eof(Duration::MAX);
                run.machine.handle_disconnect(Duration::MAX);
                run.machine
                    .handle_tls_established(Duration::MAX, run.scenario.tls());
                run.settle(usize::MAX)
            })?;
        }
        attempt("a life that begins at Duration::MAX", || {
            let mut bounds = self.bounds.clone();
            bounds.epoch = Duration::MAX;
            let mut run = Run::new((self.factory)(), &bounds);
            run.play(&script, usize::MAX)?;
            run.wind_up()
        })
    }

    fn timers(&self) -> Outcome {
        let script = self.script();
        let mut rng = Rng::new(self.seed);
        for position in self.positions(&script, 256) {
            for late in [false, true] {
                let label = format!(
                    "left alone after {position} octets of the wire, waking {}",
                    if late { "late" } else { "in time" }
                );
                attempt(&label, || {
                    let mut run = self.run();
                    run.play(&truncated(&script, position), usize::MAX)?;
                    self.leave_alone(&mut run, late.then(|| rng.fork()))?;
                    run.wind_up()
                })?;
            }
            attempt(
                &format!("left unanswered after {position} octets of the wire"),
                || {
                    let mut run = self.run();
                    for step in truncated(&script, position) {
                        if !run.perform(&step)? {
                            break;
                        }
                        run.settle_unanswered()?;
                    }
                    leave_unanswered(&mut run)
                },
            )?;
        }
        attempt("left alone after the whole script", || {
            let mut run = self.run();
            run.play_whole(&script, usize::MAX)?;
            self.leave_alone(&mut run, None)
        })
    }

    fn leave_alone(&self, run: &mut Run<S>, mut late: Option<Rng>) -> Outcome {
        let start = run.now;
        for _ in 0..self.bounds.wakeups {
            if run.in_upgrade() {
                // The embedder shakes hands; the machine may not send meanwhile.
                return Ok(());
            }
            if matches!(run.machine.poll_timeout(), Some(due) if due <= run.now) {
                run.wake_at(run.now)?;
            }
            let Some(deadline) = run.machine.poll_timeout() else {
                return Ok(());
            };
            if run.machine.is_closed() {
                return Ok(());
            }
            progress(run, deadline)?;
            self.wake_early(run, deadline)?;
            let by = late
                .as_mut()
                .map_or(Duration::ZERO, |rng| rng.time(Duration::from_secs(4000)));
            run.wake_at(deadline.saturating_add(by))?;
            if let Some(next) = run.machine.poll_timeout()
                && !run.machine.is_closed()
            {
                progress(run, next)?;
            }
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

    fn wake_early(&self, run: &mut Run<S>, deadline: Duration) -> Outcome {
        let now = run.now;
        let left = deadline - now;
        for early in [now + left / 2, deadline - Duration::from_nanos(1)] {
            if early <= run.now {
                continue;
            }
            let before = (run.events, run.errors, run.sent.clone());
            run.wake_at(early)?;
            if (run.events, run.errors, run.sent.clone()) != before {
                return Err(format!(
                    "something came out at {early:?}, which the deadline {deadline:?} had hidden"
                ));
            }
            if run.machine.poll_timeout() != Some(deadline) {
                return Err(format!(
                    "an early handle_timeout({early:?}) and a drain moved the deadline from \
                     {deadline:?} to {:?}",
                    run.machine.poll_timeout()
                ));
            }
        }
        Ok(())
    }

    fn reading(&self) -> Outcome {
        let script = self.script();
        let mut rng = Rng::new(self.seed);
        let len = wire(&script).len();
        let every: Vec<usize> = (1..len).collect();
        attempt("one octet at a time", || self.read(&cut(&script, &every)))?;
        for round in 0..self.rounds {
            let cuts = some_cuts(&mut rng, len);
            attempt(&format!("round {round}, cuts at {cuts:?}"), || {
                self.read(&cut(&script, &cuts))
            })?;
        }
        Ok(())
    }

    fn read(&self, script: &[Step]) -> Outcome {
        let mut run = self.run();
        run.strict.reading = true;
        run.play_whole(script, usize::MAX)
    }

    fn errors(&self, good: usize, farewell: &[u8]) -> Outcome {
        let script = self.script();
        let len = wire(&script).len();
        let mut before = self.run();
        before.play(&truncated(&script, good), usize::MAX)?;
        if before.errors > 0 {
            return Err(format!(
                "the machine failed within the {good} octets that are called good: {}",
                before.last_error
            ));
        }
        let every: Vec<usize> = (1..len).collect();
        let mut cuts = vec![Vec::new(), every];
        cuts.extend(
            self.positions(&script, self.exhaustive)
                .iter()
                .map(|&at| vec![at]),
        );
        for cuts in cuts {
            for end in [End::Eof, End::Timer] {
                let label = format!("{}, then {end:?}", describe(&cuts, len));
                attempt(&label, || {
                    let mut run = self.run();
                    run.strict.fuse = true;
                    run.play(&cut(&script, &cuts), usize::MAX)?;
                    check_error(&run, &before)?;
                    self.check_farewell(&mut run, farewell, end)
                })?;
            }
        }
        Ok(())
    }

    fn check_farewell(&self, run: &mut Run<S>, farewell: &[u8], end: End) -> Outcome {
        if !run.eof {
            if !run.machine.wants_read() {
                return Err(
                    "wants_read() is false after the error: unread octets would reset the \
                            connection and eat the farewell"
                        .into(),
                );
            }
            for garbage in [&b"\r\n"[..], b"nonsense after the error\r\n\0\xff"] {
                run.input.extend_from_slice(garbage);
                run.settle(usize::MAX)?;
                if !run.input.is_empty() {
                    return Err("input is not discarded after the error".into());
                }
            }
        }
        let ended = run.sent.split_last().map(|(last, sent)| {
            let data = match sent.last() {
                Some(Sent::Data(data)) => &data[..],
                _ => b"",
            };
            (
                matches!(last, Sent::Shutdown | Sent::Abort),
                data.ends_with(farewell),
            )
        });
        match ended {
            Some((true, true)) => {}
            Some((true, false)) => {
                return Err(format!(
                    "the farewell {:?} is missing before the Shutdown; sent: {:?}",
                    Shown(farewell),
                    run.sent
                ));
            }
            _ => {
                return Err(format!(
                    "no Shutdown came after the error; sent: {:?}",
                    run.sent
                ));
            }
        }
        if !run.eof {
            if run.machine.is_closed() {
                return Err("is_closed() is true before the peer's EOF or the linger".into());
            }
            match end {
                End::Eof => {
                    run.handle_eof();
                    run.settle(usize::MAX)?;
                }
                End::Timer => self.linger(run)?,
            }
        }
        if !run.machine.is_closed() {
            return Err(format!("is_closed() is false after {end:?}"));
        }
        run.settle(usize::MAX)?;
        run.scenario.invariant()
    }

    fn linger(&self, run: &mut Run<S>) -> Outcome {
        for _ in 0..self.bounds.wakeups {
            if run.machine.is_closed() {
                return Ok(());
            }
            let Some(deadline) = run.machine.poll_timeout() else {
                return Err("no timer ends the linger".into());
            };
            if !run.machine.wants_read() {
                return Err("wants_read() is false during the linger".into());
            }
            run.wake_at(deadline)?;
        }
        Err("the linger does not end".into())
    }

    fn eof(&self) -> Outcome {
        let script = self.script();
        attempt_all(
            self.positions(&script, self.exhaustive),
            |position, label| {
                *label = format!("EOF after {position} octets of the wire");
                self.eof_at(&truncated(&script, position))
            },
        )
    }

    fn eof_at(&self, script: &[Step]) -> Outcome {
        let mut run = self.run();
        run.play(script, usize::MAX)?;
        // During a handshake the driver reads, and tells of a dead transport if it fails.
        let ended = run.eof
            || run.in_upgrade()
            || run.errors > 0
            || run.peer_closed > 0
            || run.shutdowns > 0
            || run.machine.is_closed();
        for time in 1..=2 {
            run.handle_eof();
            run.settle(usize::MAX)?;
            let said = run.errors + run.peer_closed;
            if said > 1 {
                return Err(format!(
                    "{} errors and {} PeerClosed came (handle_eof was called {time} times); said: \
                     {:#?}",
                    run.errors,
                    run.peer_closed,
                    run.log.lines()
                ));
            }
            if said == 0 && !ended {
                return Err(format!(
                    "neither an error nor PeerClosed came; said: {:#?}",
                    run.log.lines()
                ));
            }
        }
        if run.in_upgrade() {
            run.handle_disconnect();
        }
        run.machine.close();
        run.settle(usize::MAX)?;
        if !run.machine.is_closed() {
            return Err(format!(
                "is_closed() is false after EOF, close() and a drain; sent: {:?}",
                run.sent
            ));
        }
        run.scenario.invariant()
    }

    fn disconnect(&self) -> Outcome {
        let script = self.script();
        attempt_all(
            self.positions(&script, self.exhaustive),
            |position, label| {
                *label = format!("disconnect after {position} octets of the wire");
                self.disconnect_at(&truncated(&script, position))
            },
        )
    }

    fn disconnect_at(&self, script: &[Step]) -> Outcome {
        let mut run = self.run();
        run.play(script, usize::MAX)?;
        let sent = run.sent.clone();
        run.handle_disconnect();
        run.settle(usize::MAX)?;
        if run.sent != sent {
            return Err(format!("output for a dead transport: {:?}", run.sent));
        }
        if run.errors + run.peer_closed > 1 {
            return Err(format!(
                "{} errors and {} PeerClosed",
                run.errors, run.peer_closed
            ));
        }
        if !run.machine.is_closed() {
            return Err("is_closed() is false".into());
        }
        if let Some(deadline) = run.machine.poll_timeout() {
            return Err(format!("a timer at {deadline:?} outlived the transport"));
        }
        run.scenario.invariant()
    }

    fn budget(&self) -> Outcome {
        let script = self.script();
        let reference = self.reference(&script)?;
        for budget in [1, 2, 3, 7, 64, 1000, 5000, usize::MAX] {
            attempt(&format!("budget {budget}"), || {
                let mut run = self.run();
                run.strict.budget = true;
                run.play_whole(&script, budget)?;
                run.wind_up()?;
                run.same_as(&reference)
            })?;
        }
        Ok(())
    }

    fn upgrade(&self, injected: &[u8]) -> Outcome {
        let script = self.script();
        attempt("the undisturbed upgrade", || {
            let mut run = self.run();
            run.strict.upgrade = true;
            run.play_whole(&script, usize::MAX)
        })?;
        let mut tried = 0;
        for (number, step) in script.iter().enumerate() {
            if *step != Step::Upgrade {
                continue;
            }
            let good = &script[..number];
            let mut reference = self.run();
            reference.play_whole(good, usize::MAX)?;
            let Some(line) = good.iter().rposition(|step| matches!(step, Step::Feed(_))) else {
                continue;
            };
            let Step::Feed(octets) = &good[line] else {
                continue;
            };
            for at in 0..octets.len() {
                let mut bad = good[..line].to_vec();
                bad.push(Step::Feed(octets.slice(..at)));
                bad.push(Step::Feed([&octets[at..], injected].concat().into()));
                tried += 1;
                attempt(
                    &format!("injected, with a cut at octet {at} of the last feed"),
                    || {
                        let mut run = self.run();
                        run.strict.fuse = true;
                        run.play_whole(&bad, usize::MAX)?;
                        if run.errors == 0 {
                            return Err(format!(
                                "no error came; said: {:#?}, sent: {:?}",
                                run.log.lines(),
                                run.sent
                            ));
                        }
                        if run.events > reference.events {
                            return Err(format!(
                                "something was made of the injected octets: {:#?}",
                                run.log.lines()
                            ));
                        }
                        run.wind_up()
                    },
                )?;
            }
        }
        if tried == 0 {
            return Err("the script has no Step::Upgrade after a Step::Feed".into());
        }
        Ok(())
    }

    fn stale_answers(&self) -> Outcome {
        let script = self.script();
        attempt_all(self.positions(&script, 512), |position, label| {
            *label = format!("answers after a disconnect, {position} octets into the wire");
            self.stale_at(&truncated(&script, position))
        })
    }

    fn stale_at(&self, script: &[Step]) -> Outcome {
        let mut run = self.run();
        for step in script {
            // All is answered but what the last octets ask.
            run.settle(usize::MAX)?;
            if !run.perform(step)? {
                break;
            }
        }
        run.settle_unanswered()?;
        run.handle_disconnect();
        run.settle_unanswered()?;
        let before = (run.events, run.errors, run.sent.clone());
        run.answer_all()?;
        run.settle(usize::MAX)?;
        if (run.events, run.errors, run.sent.clone()) != before {
            return Err(format!(
                "a stale answer had an effect; said: {:#?}, sent: {:?}",
                run.log.lines(),
                run.sent
            ));
        }
        if !run.machine.is_closed() {
            return Err("a stale answer reopened the machine".into());
        }
        run.scenario.invariant()
    }

    fn any_split(&self) -> Outcome {
        let script = self.script();
        let reference = self.reference(&script)?;
        let len = wire(&script).len();
        let mut rng = Rng::new(self.seed);
        let every: Vec<usize> = (1..len).collect();
        let single = self.positions(&script, self.exhaustive);
        let random = (0..self.rounds).map(|_| some_cuts(&mut rng, len));
        let all = core::iter::once(every)
            .chain(single.into_iter().map(|at| vec![at]))
            .chain(random);
        attempt_all(all, |cuts, label| {
            *label = describe(&cuts, len);
            let mut run = self.run();
            run.play_whole(&cut(&script, &cuts), usize::MAX)?;
            run.wind_up()?;
            run.same_as(&reference)
        })
    }

    fn mutate(&self, mut heap: impl FnMut(&mut dyn FnMut()) -> usize, bound: usize) -> Outcome {
        let script = self.script();
        let positions = self.positions(&script, self.exhaustive);
        let len = wire(&script).len();
        let cuts = positions
            .iter()
            .map(|&at| (format!("truncated to {at} octets"), truncated(&script, at)));
        let flips = positions
            .iter()
            .filter(|&&at| at < len)
            .flat_map(|&at| (0..8).map(move |bit| (at, bit)))
            .map(|(at, bit)| {
                let label = format!("bit {bit} of octet {at} turned over");
                (label, flipped(&script, at * 8 + bit))
            });
        attempt_all(cuts.chain(flips), |(name, script), label| {
            *label = name;
            self.survive(&script, &mut heap, bound)
        })
    }

    fn talk_nonsense(&self) -> Outcome {
        let script = self.script();
        let wire = wire(&script);
        let mut rng = Rng::new(self.seed);
        // What has to happen before octets make sense, such as the first handshake, happens.
        let start = truncated(&script, 0);
        attempt_all(0..self.rounds, |round, label| {
            let mut octets = Vec::new();
            for _ in 0..=rng.index(20) {
                if rng.chance(500_000) {
                    let mut random = vec![0; rng.index(64)];
                    rng.fill(&mut random);
                    octets.extend(random);
                } else {
                    let from = rng.index(wire.len() + 1);
                    let to = from + rng.index(wire.len() - from + 1);
                    octets.extend_from_slice(&wire[from..to.min(from + 512)]);
                }
            }
            let mut script = start.clone();
            script.push(Step::Feed(Bytes::from(octets)));
            *label = format!("nonsense {round}, {:?}", script.last());
            self.survive(&script, &mut super::unmetered, usize::MAX)
        })
    }

    /// One life with a script that may be bad: no panic, an end, bounded heap, the invariant.
    fn survive(
        &self,
        script: &[Step],
        heap: &mut impl FnMut(&mut dyn FnMut()) -> usize,
        bound: usize,
    ) -> Outcome {
        let mut outcome = Ok(());
        let peak = heap(&mut || {
            outcome = attempt("", || {
                let mut run = self.run().quiet();
                run.play(script, usize::MAX)?;
                run.wind_up()
            });
        });
        outcome?;
        if peak > bound {
            return Err(format!("{peak} octets of heap, where {bound} are allowed"));
        }
        Ok(())
    }
}

/// How a failed connection comes to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Eof,
    Timer,
}

fn check_error<S: StreamScenario>(run: &Run<S>, before: &Run<S>) -> Outcome {
    if run.errors == 0 {
        return Err(format!(
            "the machine did not fail; said: {:#?}",
            run.log.lines()
        ));
    }
    if !run.log.begins_with(&before.log) {
        return Err(format!(
            "events before the error are missing; said: {:#?}, expected first: {:#?}",
            run.log.lines(),
            before.log.lines()
        ));
    }
    Ok(())
}

fn progress<S: StreamScenario>(run: &Run<S>, deadline: Duration) -> Outcome {
    if deadline <= run.now {
        return Err(format!(
            "a hot timer: drained at {:?}, the deadline is {deadline:?}",
            run.now
        ));
    }
    Ok(())
}

fn leave_unanswered<S: StreamScenario>(run: &mut Run<S>) -> Outcome {
    for _ in 0..100 {
        let Some(deadline) = run.machine.poll_timeout() else {
            return Ok(());
        };
        if run.machine.is_closed() {
            return Ok(());
        }
        run.now = run.now.max(deadline);
        run.machine.handle_timeout(run.now);
        run.settle_unanswered()?;
        if let Some(next) = run.machine.poll_timeout() {
            progress(run, next)?;
        }
    }
    Ok(())
}

fn same_trace<S: StreamScenario>(one: &Run<S>, two: &Run<S>) -> Outcome {
    let (Some(one), Some(two)) = (&one.trace, &two.trace) else {
        return Ok(());
    };
    match one.iter().zip(two).find(|(one, two)| one != two) {
        Some((one, two)) => Err(format!(
            "the same calls twice gave two results:\n    {one}\n  and\n    {two}"
        )),
        None if one.len() != two.len() => Err("the same calls twice gave two results".into()),
        None => Ok(()),
    }
}

fn some_cuts(rng: &mut Rng, len: usize) -> Vec<usize> {
    let mut cuts: Vec<usize> = (0..=rng.index(12)).map(|_| rng.index(len + 1)).collect();
    cuts.sort_unstable();
    cuts.dedup();
    cuts
}

fn describe(cuts: &[usize], len: usize) -> String {
    match cuts.len() {
        0 => "in one piece".to_string(),
        many if many + 1 >= len && many > 1 => "one octet at a time".to_string(),
        _ => format!("cuts at {cuts:?} of {len}"),
    }
}
