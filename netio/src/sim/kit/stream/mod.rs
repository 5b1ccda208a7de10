//! The rules, for stream machines.

mod checks;

use super::report::conclude;
use super::run::Bounds;
use super::scenario::StreamScenario;
use crate::sim::Seed;
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
    /// When one of these does not hold, or when the script has no [`Step::Upgrade`](super::Step::Upgrade) after a feed.
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
}
