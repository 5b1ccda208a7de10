//! The kit proven on a machine that is right, and on machines that each break one rule.

#![cfg(feature = "sim")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::panic_in_result_fn,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::std_instead_of_core,
    clippy::std_instead_of_alloc,
    reason = "a test fails by panicking"
)]

mod sim_toy;

use core::cell::Cell;
use core::time::Duration;
use netio::sim::kit::{Log, Step, StreamKit, StreamScenario, r4_flood};
use sim_toy::{Ask, Event, Fault, Toy};
use std::panic::catch_unwind;

thread_local! {
    static LIVES: Cell<u64> = const { Cell::new(0) };
}

/// A conversation; the machine's fault is its parameter.
struct Talk {
    fault: Fault,
    script: Vec<Step>,
    open: Vec<(Ask, Vec<u8>)>,
    unsaid: usize,
    heard: usize,
    expected: usize,
}

impl Talk {
    fn new(fault: Fault, script: Vec<Step>) -> Self {
        Self {
            fault,
            script,
            open: Vec::new(),
            unsaid: 0,
            heard: 0,
            expected: 0,
        }
    }

    /// Meets every kind of line, an upgrade, time and an orderly end.
    fn good(fault: Fault) -> Self {
        Self::new(
            fault,
            vec![
                Step::feed("one\ntwo\n#\x01\n>psst\nTLS\n"),
                Step::Upgrade,
                Step::feed("three\n\n"),
                Step::Advance(Duration::from_secs(200)),
                Step::feed("four\n"),
                Step::wait_for("FOUR\n"),
                Step::Eof,
            ],
        )
    }

    /// Fails after eight octets.
    fn bad(fault: Fault) -> Self {
        Self::new(
            fault,
            vec![Step::feed("one\ntwo\n"), Step::feed("t\0\nmore\n")],
        )
    }

    /// Says much and hears much.
    fn flood(fault: Fault) -> Self {
        Self {
            unsaid: 300,
            expected: 300,
            ..Self::new(fault, Vec::new())
        }
    }
}

impl StreamScenario for Talk {
    type Machine = Toy;

    fn machine(&self, now: Duration) -> Toy {
        Toy::new(now, self.fault)
    }

    fn script(&self) -> Vec<Step> {
        self.script.clone()
    }

    fn start(&mut self, machine: &mut Toy, _now: Duration) {
        for number in 0..self.unsaid {
            machine.say(format!("line {number:10}").as_bytes());
        }
        if self.fault == Fault::UsesGlobalState {
            let lives = LIVES.with(|lives| lives.replace(lives.get() + 1));
            machine.say(format!("life {lives}").as_bytes());
        }
    }

    fn on_event(&mut self, _machine: &mut Toy, _now: Duration, event: Event, log: &mut Log) {
        match event {
            Event::Line { ask, line } => {
                log.say(format!("line {line:?}"));
                self.open.push((ask, line.to_vec()));
            }
            Event::Heard(line) => {
                self.heard += 1;
                log.chunk("heard", &line);
            }
            event => log.event(&event),
        }
    }

    fn answer(&mut self, machine: &mut Toy, _now: Duration) -> bool {
        let Some((ask, line)) = self.open.pop() else {
            return false;
        };
        let _stale = machine.answer(ask, &line);
        true
    }

    fn is_peer_closed(&self, event: &Event) -> bool {
        *event == Event::PeerClosed
    }

    fn completed(&self) -> Result<(), String> {
        if self.heard < self.expected {
            return Err(format!("heard {} of {} lines", self.heard, self.expected));
        }
        Ok(())
    }
}

const MIB: usize = 1 << 20;

fn heap(run: &mut dyn FnMut()) -> usize {
    usize::try_from(allocation_counter::measure(run).bytes_max).unwrap()
}

fn kit(fault: Fault) -> StreamKit<impl Fn() -> Talk> {
    StreamKit::new(move || Talk::good(fault))
        .rounds(60)
        .calls(20_000)
        .retained(100)
}

type Call = (&'static str, fn(Fault));

/// Every call of the kit.
const CALLS: [Call; 14] = [
    ("r1_any_order", |fault| kit(fault).r1_any_order()),
    ("r2_time", |fault| kit(fault).r2_time()),
    ("r3_timers", |fault| kit(fault).r3_timers()),
    ("r4_reading", |fault| kit(fault).r4_reading()),
    ("r4_flood", |fault| {
        r4_flood(
            || Talk::flood(fault),
            || Talk::flood(fault),
            &[1, 7, 100, 1024],
        );
    }),
    ("r5_errors", |fault| {
        StreamKit::new(|| Talk::bad(fault)).r5_errors(8, b"!nul\n");
    }),
    ("r6_eof", |fault| kit(fault).r6_eof()),
    ("r6_disconnect", |fault| kit(fault).r6_disconnect()),
    ("r7_budget", |fault| kit(fault).r7_budget()),
    ("r8_upgrade", |fault| kit(fault).r8_upgrade(b"evil\n")),
    ("r10_stale_answers", |fault| kit(fault).r10_stale_answers()),
    ("r13_any_split", |fault| kit(fault).r13_any_split()),
    ("mutations", |fault| kit(fault).mutations(heap, MIB)),
    ("nonsense", |fault| kit(fault).nonsense()),
];

/// The calls that find this fault.
fn found_by(fault: Fault) -> Vec<&'static str> {
    // The hook is one for all threads.
    static HOOK: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _alone = HOOK.lock();
    let quiet = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let found = CALLS
        .iter()
        .filter(|(_, call)| catch_unwind(|| call(fault)).is_err())
        .map(|(name, _)| *name)
        .collect();
    std::panic::set_hook(quiet);
    found
}

#[test]
fn a_right_machine_passes_every_call() {
    let failed: Vec<String> = CALLS
        .iter()
        .filter_map(|(name, call)| {
            let panic = catch_unwind(|| call(Fault::None)).err()?;
            Some(format!("{name}: {:?}", panic.downcast_ref::<String>()))
        })
        .collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    kit(Fault::None).all();
}

#[test]
fn every_fault_is_found_by_the_calls_of_its_rule() {
    let expected: &[(Fault, &[&str])] = &[
        (Fault::None, &[]),
        // A lost line is also an answer that never comes, a flood that never ends, an error that
        // never shows: what depends on cuts depends on small buffers.
        (
            Fault::LosesAcrossCut,
            &[
                "r1_any_order",
                "r4_reading",
                "r4_flood",
                "r5_errors",
                "r8_upgrade",
                "r13_any_split",
            ],
        ),
        (Fault::DropsLateAnswers, &["r1_any_order"]),
        (
            Fault::UsesGlobalState,
            &["r1_any_order", "r2_time", "r7_budget", "r13_any_split"],
        ),
        (Fault::PanicsOnHugeTime, &["r2_time"]),
        (Fault::GoesBackInTime, &["r2_time"]),
        (Fault::HotTimer, &["r3_timers"]),
        (Fault::EarlyTimeoutFires, &["r3_timers"]),
        (Fault::NeverRests, &["r3_timers"]),
        (Fault::ReadingIsRefused, &["r4_reading", "r4_flood"]),
        (Fault::StopsReadingForOwnOutput, &["r4_flood"]),
        (Fault::ErrorTwice, &["r5_errors"]),
        (Fault::EventAfterError, &["r5_errors", "r8_upgrade"]),
        (Fault::ErrorOvertakesEvent, &["r5_errors"]),
        (Fault::NoFarewell, &["r5_errors"]),
        (Fault::NoShutdown, &["r5_errors"]),
        (Fault::NoLinger, &["r5_errors"]),
        (Fault::KeepsInputAfterError, &["r5_errors", "nonsense"]),
        (Fault::PeerClosedTwice, &["r6_eof"]),
        (Fault::NoPeerClosed, &["r6_eof"]),
        (Fault::EofInLineIsBoth, &["r6_eof"]),
        (Fault::TimerOutlivesDisconnect, &["r6_disconnect"]),
        (Fault::SpeaksToTheDead, &["r2_time", "r6_disconnect"]),
        (Fault::IgnoresBudget, &["r7_budget"]),
        (Fault::AnswersBudgetZero, &["r7_budget"]),
        (Fault::ReadsDuringUpgrade, &["r8_upgrade"]),
        (Fault::AcceptsInjection, &["r8_upgrade"]),
        (Fault::StaleAnswerLeaves, &["r10_stale_answers"]),
        (Fault::PanicsOnHighOctet, &["mutations", "nonsense"]),
        (Fault::ChattersOnHighOctet, &["mutations", "nonsense"]),
        (Fault::AllocatesWhatItIsTold, &["mutations"]),
        (Fault::HoardsInput, &["nonsense"]),
        (
            Fault::HidesWorkBehindTimer,
            &["r1_any_order", "r2_time", "r3_timers", "r5_errors"],
        ),
    ];
    let mut wrong = Vec::new();
    for (fault, calls) in expected {
        let found = found_by(*fault);
        if found != *calls {
            wrong.push(format!("{fault:?}: found by {found:?}, expected {calls:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_no_driver_could_bear_is_found_by_nearly_every_call() {
    for fault in [
        Fault::SpeaksAfterShutdown,
        Fault::NeverCloses,
        Fault::GivesEmptyData,
        Fault::SpeaksInHandshake,
        Fault::GrowsInput,
    ] {
        let found = found_by(fault);
        assert!(found.len() >= 8, "{fault:?}: found by {found:?}");
        assert!(found.contains(&"r13_any_split"), "{fault:?}: {found:?}");
    }
}

#[test]
#[should_panic(expected = "- cuts at [2] of 33: the events differ: entry 0 of the log is\n")]
fn a_failure_names_the_cuts_and_where_the_runs_part() {
    kit(Fault::LosesAcrossCut).r13_any_split();
}

#[test]
#[should_panic(expected = "bit 7 of octet 0 turned over: panicked: a high octet")]
fn a_failure_names_the_bit_and_the_panic() {
    kit(Fault::PanicsOnHighOctet).mutations(heap, MIB);
}

#[test]
#[should_panic(expected = "R1 any order (seed 9): random order ")]
fn a_failure_names_the_rule_and_the_seed() {
    kit(Fault::DropsLateAnswers).seed(9).r1_any_order();
}
