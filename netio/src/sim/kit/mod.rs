//! The rules of the convention as calls, for any machine.
//!
//! What holds for every machine is tested by the same code. You describe a scenario, that is a
//! machine, what its peer sends and how its events are answered, by [`StreamScenario`]; each call
//! of [`StreamKit`] then proves one rule by some thousand runs.
//!
//! | call | rule |
//! |---|---|
//! | [`r1_any_order`](StreamKit::r1_any_order) | any order of calls: same events, same output; same order: bit for bit |
//! | [`r2_time`](StreamKit::r2_time) | a smaller `now` is clamped; `Duration::MAX` never panics |
//! | [`r3_timers`](StreamKit::r3_timers) | early calls are no-ops, deadlines progress, the machine rests |
//! | [`r4_reading`](StreamKit::r4_reading), [`r4_flood`] | `wants_read` does not lie; two flooding sides do not deadlock |
//! | [`r5_errors`](StreamKit::r5_errors) | one error after every event; fused; farewell, shutdown, end |
//! | [`r6_eof`](StreamKit::r6_eof), [`r6_disconnect`](StreamKit::r6_disconnect) | the end of the transport at every position |
//! | [`r7_budget`](StreamKit::r7_budget) | output within its budget, same sum |
//! | [`r8_upgrade`](StreamKit::r8_upgrade) | nothing injected survives a TLS upgrade |
//! | [`r10_stale_answers`](StreamKit::r10_stale_answers) | answers after the end change nothing |
//! | [`r13_any_split`](StreamKit::r13_any_split) | chunking never matters |
//! | [`mutations`](StreamKit::mutations), [`nonsense`](StreamKit::nonsense) | no panic, bounded heap, an end |
//!
//! [`DatagramKit`] does the same for datagram machines, whose peers a [`DatagramScenario`] plays:
//!
//! | call | rule |
//! |---|---|
//! | [`r1_any_order`](DatagramKit::r1_any_order), [`r2_time`](DatagramKit::r2_time), [`r3_timers`](DatagramKit::r3_timers) | as above |
//! | [`forgeries`](DatagramKit::forgeries) | forged datagrams change nothing |
//! | [`mutations`](DatagramKit::mutations), [`nonsense`](DatagramKit::nonsense) | no panic, bounded heap, an end |
//! | [`unreliable`](DatagramKit::unreliable) | completed in spite of loss, duplication and reordering |
//!
//! # How to write a scenario
//!
//! - **A server**: the script is one [`Step::Feed`] with all that the client says, pipelined, and
//!   [`Step::Eof`]. Keep each question of an event in the scenario, and answer it in
//!   [`answer`](StreamScenario::answer): the kit then tries early, late and stale answers.
//! - **A client**: issue commands in [`start`](StreamScenario::start), or upon events. A reply is
//!   lawful only after its command has left, so put a [`Step::Await`] with the end of the command
//!   before the [`Step::Feed`] with the reply.
//! - **TLS**: [`Step::Upgrade`] stands where the handshake is; [`Step::Secure`], as the first step,
//!   for a stream that is TLS from its start.
//! - **Time**: [`Step::Advance`] meets every deadline on its way, so idle timeouts and keepalives can
//!   be scripted. The kit itself lets no time pass within a script.
//! - **The log** holds what must be equal in all runs. Pieces of a body go through [`Log::chunk`].
//!   What depends on the pace stays out: `Writable`, progress, window updates. Where the *output* may
//!   lawfully be ordered otherwise, replace [`peer_view`](StreamScenario::peer_view).
//! - **Invariants**: "each command has exactly one final event" belongs into
//!   [`invariant`](StreamScenario::invariant), which is asked after every life: after an EOF or a
//!   reset at each position of the wire, after each truncation and each flipped bit.
//! - **Long wires** cost the square of their length. Up to [`StreamKit::exhaustive`] octets every
//!   position is tried, above it the ends of lines and steps and 256 others.
//! - Where an error ends a machine, the final events of open commands come *before* the `Err`:
//!   [`r5_errors`](StreamKit::r5_errors) holds machines to that.
//!
//! # When a call fails
//!
//! A call that finds a fault panics with the rule, the position or seed, and where the runs part.
//! A machine that panics is caught and reported in the same way.
//!
//! # Example
//!
//! A machine that takes lines (its code is not shown), and its scenario:
//!
//! ```
//! # use netio::shape::{StreamMachine, StreamTransmit};
//! # use bytes::{Bytes, BytesMut};
//! # #[derive(Debug)] struct Lines { eof: bool, dead: bool, told: bool, closing: bool, ended: bool }
//! # #[derive(Debug)] enum Event { Line(Bytes), PeerClosed }
//! # #[derive(Debug)] struct Half;
//! # impl core::fmt::Display for Half { fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result { f.write_str("half a line") } }
//! # impl core::error::Error for Half {}
//! # impl Lines { fn new() -> Self { Self { eof: false, dead: false, told: false, closing: false, ended: false } } }
//! # impl StreamMachine for Lines {
//! #     type Event = Event;
//! #     type Error = Half;
//! #     fn poll_event(&mut self, _: Duration, input: &mut BytesMut) -> Result<Option<Event>, Half> {
//! #         if self.told || self.dead { input.clear(); return Ok(None) }
//! #         if let Some(end) = input.iter().position(|octet| *octet == b'\n') {
//! #             let mut line = input.split_to(end + 1);
//! #             line.truncate(end);
//! #             return Ok(Some(Event::Line(line.freeze())));
//! #         }
//! #         if !self.eof { return Ok(None) }
//! #         self.told = true;
//! #         if input.is_empty() { return Ok(Some(Event::PeerClosed)) }
//! #         self.closing = true;
//! #         Err(Half)
//! #     }
//! #     fn poll_transmit(&mut self, _: Duration, _: usize) -> Option<StreamTransmit> {
//! #         if !self.closing || self.ended { return None }
//! #         self.ended = true;
//! #         Some(StreamTransmit::Shutdown)
//! #     }
//! #     fn poll_timeout(&self) -> Option<Duration> { None }
//! #     fn handle_timeout(&mut self, _: Duration) {}
//! #     fn handle_eof(&mut self, _: Duration) { self.eof = true }
//! #     fn handle_disconnect(&mut self, _: Duration) { self.dead = true; self.ended = true }
//! #     fn close(&mut self) { self.closing = true }
//! #     fn wants_read(&self) -> bool { !self.eof && !self.dead }
//! #     fn is_closed(&self) -> bool { self.ended && (self.told || self.dead) }
//! # }
//! use core::time::Duration;
//! use netio::sim::kit::{Log, Step, StreamKit, StreamScenario};
//!
//! struct TwoLines;
//!
//! impl StreamScenario for TwoLines {
//!     type Machine = Lines;
//!
//!     fn machine(&self, _now: Duration) -> Lines {
//!         Lines::new()
//!     }
//!
//!     fn script(&self) -> Vec<Step> {
//!         vec![Step::feed("one\ntwo\n"), Step::Eof]
//!     }
//!
//!     fn on_event(&mut self, _: &mut Lines, _: Duration, event: Event, log: &mut Log) {
//!         log.event(&event);
//!     }
//!
//!     fn is_peer_closed(&self, event: &Event) -> bool {
//!         matches!(event, Event::PeerClosed)
//!     }
//! }
//!
//! StreamKit::new(|| TwoLines).rounds(20).all();
//! ```

#![allow(
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test kit fails by panicking; it never sees the wire"
)]

mod datagram;
mod flood;
mod report;
mod run;
mod scenario;
mod stream;

pub use datagram::{DatagramKit, DatagramScenario, DatagramStep, Incoming, Reply};
pub use flood::r4_flood;
pub use scenario::{Log, Sent, Step, StreamScenario};
pub use stream::StreamKit;

/// The meter for [`StreamKit::mutations`] where there is no counting allocator: runs, measures
/// nothing.
pub fn unmetered(run: &mut dyn FnMut()) -> usize {
    run();
    0
}

/// Writes a test for each rule: a call of the kit on each of several scenarios.
///
/// ```text
/// netio::kit_rules! {
///     [reading(), writing()].iter().map(server_kit);
///     r1_any_order_of_calls_gives_the_same => r1_any_order,
///     r13_any_split_gives_the_same => r13_any_split,
/// }
/// ```
#[macro_export]
macro_rules! kit_rules {
    ($kits:expr; $($name:ident => $call:ident,)+) => {
        $(#[test]
        fn $name() {
            for kit in $kits {
                kit.$call();
            }
        })+
    };
}
