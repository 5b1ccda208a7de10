//! The datagram kit proven on a machine that is right, and on machines that each break one rule.

#![cfg(feature = "sim")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use bytes::Bytes;
use core::net::SocketAddr;
use core::time::Duration;
use netio::shape::{DatagramMachine, DatagramTransmit, Local, LocalId};
use netio::sim::Rng;
use netio::sim::kit::{DatagramKit, DatagramScenario, DatagramStep, Incoming, Log, Reply};
use std::collections::VecDeque;
use std::panic::catch_unwind;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    BelievesAnyPort,
    BelievesAnySocket,
    ReleasesTwice,
    SendsByAForeignSocket,
    DependsOnPolls,
    HotTimer,
    NeverRests,
    PanicsOnHugeTime,
    GoesBackInTime,
    PanicsOnShort,
    AllocatesWhatItIsTold,
    SendsOnce,
    ForgetsToFail,
}

const WAIT: Duration = Duration::from_secs(1);
const TRIES: u32 = 30;

#[derive(Debug, PartialEq, Eq)]
enum Event {
    Pong(u8, Bytes),
    Failed(u8),
}

#[derive(Debug)]
struct Query {
    number: u8,
    id: u16,
    local: LocalId,
    tries: u32,
    deadline: Duration,
}

/// Asks `number` and a random id of one server, from a fresh socket each, and repeats.
#[derive(Debug)]
struct Pinger {
    fault: Fault,
    server: SocketAddr,
    now: Duration,
    rng: Rng,
    queries: Vec<Query>,
    next_local: u64,
    output: VecDeque<DatagramTransmit>,
    events: VecDeque<Event>,
    ignored: u64,
    hoard: Vec<u8>,
    polls: u64,
}

impl Pinger {
    fn new(now: Duration, server: SocketAddr, fault: Fault) -> Self {
        Self {
            fault,
            server,
            now,
            rng: Rng::new(7),
            queries: Vec::new(),
            next_local: 1,
            output: VecDeque::new(),
            events: VecDeque::new(),
            ignored: 0,
            hoard: Vec::new(),
            polls: 0,
        }
    }

    fn ping(&mut self, number: u8) {
        let id = u16::try_from(self.rng.below(1 << 16)).unwrap();
        let local = LocalId(self.next_local);
        self.next_local += 1;
        let query = Query {
            number,
            id,
            local,
            tries: 1,
            deadline: self.after(WAIT),
        };
        self.send(&query, Local::Fresh(local));
        self.queries.push(query);
    }

    fn send(&mut self, query: &Query, local: Local) {
        let [high, low] = query.id.to_be_bytes();
        self.output.push_back(DatagramTransmit::Datagram {
            local,
            to: self.server,
            payload: Bytes::copy_from_slice(&[high, low, query.number]),
        });
    }

    fn after(&self, by: Duration) -> Duration {
        match self.fault {
            Fault::PanicsOnHugeTime => self.now + by,
            _ => self.now.saturating_add(by),
        }
    }

    fn advance(&mut self, now: Duration) {
        self.now = match self.fault {
            Fault::GoesBackInTime => now,
            _ => self.now.max(now),
        };
    }
}

impl DatagramMachine for Pinger {
    type Event = Event;

    fn handle_datagram(&mut self, now: Duration, local: LocalId, from: SocketAddr, data: &[u8]) {
        self.advance(now);
        if self.fault == Fault::PanicsOnShort {
            let _ = data[1];
        }
        let [high, low, rest @ ..] = data else {
            self.ignored += 1;
            return;
        };
        if self.fault == Fault::AllocatesWhatItIsTold {
            self.hoard = vec![0; usize::from(rest.first().copied().unwrap_or(0)) << 16];
        }
        let id = u16::from_be_bytes([*high, *low]);
        let found = self.queries.iter().position(|query| {
            query.id == id
                && (query.local == local || self.fault == Fault::BelievesAnySocket)
                && (from == self.server || self.fault == Fault::BelievesAnyPort)
        });
        let Some(found) = found else {
            self.ignored += 1;
            return;
        };
        let query = self.queries.remove(found);
        self.output
            .push_back(DatagramTransmit::Release(query.local));
        if self.fault == Fault::ReleasesTwice {
            self.output
                .push_back(DatagramTransmit::Release(query.local));
        }
        let number = match self.fault {
            Fault::DependsOnPolls => query
                .number
                .wrapping_add(u8::from(self.polls.is_multiple_of(2))),
            _ => query.number,
        };
        let text = Bytes::copy_from_slice(rest);
        self.events.push_back(Event::Pong(number, text));
    }

    fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    fn poll_transmit(&mut self, now: Duration) -> Option<DatagramTransmit> {
        self.advance(now);
        self.polls += 1;
        self.output.pop_front()
    }

    fn poll_timeout(&self) -> Option<Duration> {
        self.queries.iter().map(|query| query.deadline).min()
    }

    fn handle_timeout(&mut self, now: Duration) {
        self.advance(now);
        let (due, waiting) = core::mem::take(&mut self.queries)
            .into_iter()
            .partition(|query: &Query| query.deadline <= self.now);
        self.queries = waiting;
        for mut query in due {
            let local = match self.fault {
                Fault::SendsByAForeignSocket => LocalId(query.local.0 + 1000),
                _ => query.local,
            };
            let again = match self.fault {
                Fault::SendsOnce => false,
                Fault::NeverRests | Fault::HotTimer => true,
                _ => query.tries < TRIES,
            };
            if again {
                self.send(&query, Local::Id(local));
                query.tries += 1;
                query.deadline = match self.fault {
                    Fault::HotTimer => self.now,
                    Fault::NeverRests => self.after(Duration::from_micros(1)),
                    _ => self.after(WAIT),
                };
                self.queries.push(query);
            } else {
                self.output
                    .push_back(DatagramTransmit::Release(query.local));
                if self.fault != Fault::ForgetsToFail {
                    self.events.push_back(Event::Failed(query.number));
                }
            }
        }
    }
}

struct Pings {
    fault: Fault,
    asked: u64,
    ended: u64,
    ponged: u64,
    unheard: u32,
}

fn server() -> SocketAddr {
    "192.0.2.1:7".parse().unwrap()
}

impl DatagramScenario for Pings {
    type Machine = Pinger;

    fn machine(&self, now: Duration) -> Pinger {
        Pinger::new(now, server(), self.fault)
    }

    fn script(&self) -> Vec<DatagramStep> {
        vec![
            DatagramStep::Command(4),
            DatagramStep::datagram(server(), [1, 2, 3]),
            DatagramStep::Advance(Duration::from_millis(2500)),
            DatagramStep::Command(5),
            DatagramStep::Advance(Duration::from_millis(2500)),
        ]
    }

    fn start(&mut self, machine: &mut Pinger, _now: Duration) {
        for number in 1..=3 {
            self.asked += 1;
            machine.ping(number);
        }
    }

    fn command(&mut self, number: u32, machine: &mut Pinger, _now: Duration) {
        self.asked += 1;
        machine.ping(u8::try_from(number).unwrap());
    }

    fn reply(&mut self, _now: Duration, to: SocketAddr, payload: &[u8]) -> Vec<Reply> {
        // The last one is heard at the third try only.
        if payload[2] == 5 && self.unheard < 2 {
            self.unheard += 1;
            return Vec::new();
        }
        let data = [payload, b"pong"].concat().into();
        vec![Reply { from: to, data }]
    }

    fn on_event(&mut self, _: &mut Pinger, _: Duration, event: Event, log: &mut Log) {
        self.ended += 1;
        self.ponged += u64::from(matches!(event, Event::Pong(..)));
        log.event(&event);
    }

    fn observe(&self, machine: &Pinger) -> String {
        format!("{:?}", machine.queries)
    }

    fn forge(&self, genuine: &Incoming, rng: &mut Rng) -> Vec<Incoming> {
        let mut forged = vec![
            Incoming {
                from: "192.0.2.1:8".parse().unwrap(),
                ..genuine.clone()
            },
            Incoming {
                local: LocalId(99),
                ..genuine.clone()
            },
        ];
        let mut data = genuine.data.to_vec();
        data[0] ^= 1 << rng.index(8);
        forged.push(Incoming {
            data: data.into(),
            ..genuine.clone()
        });
        forged
    }

    fn completed(&self) -> Result<(), String> {
        if self.ponged < 5 {
            return Err(format!("{} of 5 pongs", self.ponged));
        }
        Ok(())
    }

    fn invariant(&self) -> Result<(), String> {
        if self.ended != self.asked {
            return Err(format!("{} asked, {} ended", self.asked, self.ended));
        }
        Ok(())
    }
}

fn heap(run: &mut dyn FnMut()) -> usize {
    usize::try_from(allocation_counter::measure(run).bytes_max).unwrap()
}

fn kit(fault: Fault) -> DatagramKit<impl Fn() -> Pings> {
    DatagramKit::new(move || Pings {
        fault,
        asked: 0,
        ended: 0,
        ponged: 0,
        unheard: 0,
    })
    .rounds(50)
    .calls(50_000)
}

type Call = (&'static str, fn(Fault));

const CALLS: [Call; 7] = [
    ("r1_any_order", |fault| kit(fault).r1_any_order()),
    ("r2_time", |fault| kit(fault).r2_time()),
    ("r3_timers", |fault| kit(fault).r3_timers()),
    ("forgeries", |fault| kit(fault).forgeries()),
    ("mutations", |fault| kit(fault).mutations(heap, 1 << 20)),
    ("nonsense", |fault| kit(fault).nonsense()),
    ("unreliable", |fault| {
        kit(fault).unreliable(300_000, 100_000)
    }),
];

fn found_by(fault: Fault) -> Vec<&'static str> {
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
    for (_, call) in CALLS {
        call(Fault::None);
    }
    kit(Fault::None).all();
}

#[test]
fn every_fault_is_found_by_the_calls_of_its_rule() {
    let all: Vec<&str> = CALLS.iter().map(|(name, _)| *name).collect();
    let expected: &[(Fault, &[&str])] = &[
        (Fault::None, &[]),
        (Fault::BelievesAnyPort, &["forgeries"]),
        (Fault::BelievesAnySocket, &["forgeries"]),
        (Fault::ReleasesTwice, &all),
        (Fault::SendsByAForeignSocket, &all),
        (Fault::DependsOnPolls, &["r1_any_order", "forgeries"]),
        (Fault::HotTimer, &["r3_timers"]),
        (Fault::NeverRests, &["r3_timers"]),
        (Fault::PanicsOnHugeTime, &["r2_time"]),
        (Fault::GoesBackInTime, &["r2_time"]),
        (Fault::PanicsOnShort, &["mutations"]),
        (Fault::AllocatesWhatItIsTold, &["mutations"]),
        // Without a second try the scenario is not even completed where nothing is lost on purpose.
        (
            Fault::SendsOnce,
            &[
                "r1_any_order",
                "r2_time",
                "forgeries",
                "mutations",
                "unreliable",
            ],
        ),
        (Fault::ForgetsToFail, &["r3_timers"]),
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
