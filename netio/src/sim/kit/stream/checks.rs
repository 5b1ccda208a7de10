//! What the calls do.

use super::StreamKit;
use crate::shape::StreamMachine;
use crate::sim::kit::report::{attempt, attempt_all};
use crate::sim::kit::run::{Outcome, Run, cut, flipped, joined, truncated, wire};
use crate::sim::kit::scenario::{Sent, Shown, Step, StreamScenario};
use crate::sim::{Rng, Seed};
use bytes::Bytes;
use core::time::Duration;

impl<S: StreamScenario, F: Fn() -> S> StreamKit<F> {
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

    pub(super) fn any_order(&self) -> Outcome {
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

    pub(super) fn time(&self) -> Outcome {
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

    pub(super) fn timers(&self) -> Outcome {
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

    pub(super) fn reading(&self) -> Outcome {
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

    pub(super) fn errors(&self, good: usize, farewell: &[u8]) -> Outcome {
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

    pub(super) fn eof(&self) -> Outcome {
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

    pub(super) fn disconnect(&self) -> Outcome {
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

    pub(super) fn budget(&self) -> Outcome {
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

    pub(super) fn upgrade(&self, injected: &[u8]) -> Outcome {
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
                        if run.events - run.failures > reference.events - reference.failures {
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

    pub(super) fn stale_answers(&self) -> Outcome {
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

    pub(super) fn any_split(&self) -> Outcome {
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

    pub(super) fn mutate(
        &self,
        mut heap: impl FnMut(&mut dyn FnMut()) -> usize,
        bound: usize,
    ) -> Outcome {
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

    pub(super) fn talk_nonsense(&self) -> Outcome {
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
            self.survive(&script, &mut crate::sim::kit::unmetered, usize::MAX)
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
