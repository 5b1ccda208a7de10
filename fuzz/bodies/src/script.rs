//! Machines driven by a script: the first octet of a step says what is done, the rest how.
//!
//! What is checked after each step is what the convention promises of any machine; what a protocol
//! promises beyond that, its [`StreamApp`] or [`DatagramApp`] checks.

use crate::cuts::Take;
use bytes::{Bytes, BytesMut};
use core::net::SocketAddr;
use core::time::Duration;
use netio::shape::{
    DatagramMachine, DatagramTransmit, Local, LocalId, StreamMachine, StreamTransmit, TlsInfo,
};
use std::collections::BTreeSet;

/// More of anything in one go means that it never ends.
const ENDLESS: usize = 100_000;

/// The embedder of a stream machine, and its peer.
pub(crate) trait StreamApp {
    type Machine: StreamMachine;

    /// What neither an event nor the machine shows in `Debug`, and no phrase holds. Nothing by
    /// default.
    const SECRET: &'static str = "\0";

    /// Reacts to an event; `input` decides how.
    fn event(
        &mut self,
        machine: &mut Self::Machine,
        now: Duration,
        event: <Self::Machine as StreamMachine>::Event,
        input: &mut Take<'_>,
    );

    /// A command, or an answer that was put off.
    fn command(&mut self, machine: &mut Self::Machine, now: Duration, input: &mut Take<'_>);

    /// Something that a peer in its right mind may say.
    fn phrase(&mut self, input: &mut Take<'_>) -> Vec<u8>;

    /// Looks at what was sent.
    fn sent(&mut self, data: &Bytes) {
        let _ = data;
    }

    /// The machine's `Err` was handed out.
    fn failed(&mut self, error: &<Self::Machine as StreamMachine>::Error) {
        let _ = error;
    }

    /// Answers all questions that are still open, so that the machine can come to its end.
    fn settle(&mut self, machine: &mut Self::Machine, now: Duration);

    /// What holds at any time.
    fn check(&self, machine: &Self::Machine);

    /// What holds when the connection is gone and all events were handed out.
    fn finish(self, machine: &Self::Machine);

    /// Octets that may stay in the input while the machine wants more.
    fn most_pending(&self, machine: &Self::Machine) -> usize;
}

/// One run of a script over a stream machine.
struct StreamRun<A: StreamApp> {
    app: A,
    machine: A::Machine,
    now: Duration,
    input: BytesMut,
    failed: bool,
    /// The peer has ended its side.
    ended: bool,
    gone: bool,
    shut: bool,
    in_handshake: bool,
}

/// Carries out a script.
pub(crate) fn run_stream<A: StreamApp>(app: A, machine: A::Machine, script: &mut Take<'_>) {
    let mut run = StreamRun {
        app,
        machine,
        now: Duration::from_secs(1),
        input: BytesMut::new(),
        failed: false,
        ended: false,
        gone: false,
        shut: false,
        in_handshake: false,
    };
    while !script.is_empty() {
        run.step(script);
        run.app.check(&run.machine);
    }
    run.finish(script);
}

impl<A: StreamApp> StreamRun<A> {
    fn step(&mut self, script: &mut Take<'_>) {
        let step = script.u8();
        match step % 16 {
            0 => {
                // The secret cannot come from outside.
                let lead = A::SECRET.as_bytes()[0];
                let mut octets = script.short().to_vec();
                octets.retain(|&octet| octet != lead || lead == 0);
                self.feed(&octets);
            }
            1..=3 => {
                let phrase = self.app.phrase(script);
                self.feed(&phrase);
            }
            4 => {
                // A phrase that arrives in two pieces.
                let phrase = self.app.phrase(script);
                let (head, tail) = phrase.split_at(usize::from(script.u8()).min(phrase.len()));
                self.feed(head);
                self.drain_events(script);
                self.feed(tail);
            }
            5 => drop(self.poll_event(script)),
            6 => self.drain_events(script),
            7 => drop(self.poll_transmit(usize::from(script.u8()))),
            8 => self.drain_output(1 << (script.u8() % 18)),
            9 => {
                let millis = u64::from(script.u16()) << (script.u8() % 12);
                self.now = self.now.saturating_add(Duration::from_millis(millis));
                self.machine.handle_timeout(self.now);
            }
            10 => self.wake(script),
            11 | 12 => self.app.command(&mut self.machine, self.now, script),
            13 => {
                self.drain_events(script);
                self.drain_output(usize::MAX);
            }
            14 => self.establish_tls(script),
            _ => match step / 16 {
                0 | 1 => self.machine.close(),
                2 | 3 => {
                    self.ended = true;
                    self.machine.handle_eof(self.now);
                }
                4 => self.disconnect(),
                // Time that runs backwards is taken for time that stands still.
                5 => {
                    let earlier = self.now / 2;
                    self.machine.handle_timeout(earlier);
                    drop(self.machine.poll_transmit(earlier, 0));
                }
                6 => {
                    let shown = format!("{:?}", self.machine);
                    assert!(!shown.contains(A::SECRET), "a secret in {shown}");
                    let before = self.machine.poll_timeout();
                    if before.is_some_and(|deadline| deadline > self.now) {
                        self.machine.handle_timeout(self.now);
                        assert_eq!(self.machine.poll_timeout(), before, "an early call");
                    }
                }
                _ => self.drain_events(script),
            },
        }
    }

    /// The driver reads: only when the machine wants it.
    fn feed(&mut self, octets: &[u8]) {
        if self.machine.wants_read() && !self.in_handshake && !self.ended {
            self.input.extend_from_slice(octets);
        }
    }

    fn poll_event(&mut self, script: &mut Take<'_>) -> bool {
        let before = self.input.clone();
        let polled = self.machine.poll_event(self.now, &mut self.input);
        assert!(
            before.ends_with(&self.input),
            "only a prefix of the input is taken"
        );
        match polled {
            Ok(Some(event)) => {
                assert!(!self.failed, "{event:?} after an error");
                let shown = format!("{event:?}");
                assert!(!shown.contains(A::SECRET), "a secret in {shown}");
                let (app, machine) = (&mut self.app, &mut self.machine);
                app.event(machine, self.now, event, script);
                true
            }
            Ok(None) => {
                assert!(!self.failed || self.input.is_empty(), "input is discarded");
                false
            }
            Err(error) => {
                assert!(!self.failed, "{error} is the second error");
                assert!(!error.to_string().is_empty());
                self.failed = true;
                self.app.failed(&error);
                true
            }
        }
    }

    fn drain_events(&mut self, script: &mut Take<'_>) {
        let most = ENDLESS;
        let count = (0..most).take_while(|_| self.poll_event(script)).count();
        assert!(count < most, "events without end: {:?}", self.machine);
        if self.machine.wants_read() && !self.in_handshake {
            let (kept, most) = (self.input.len(), self.app.most_pending(&self.machine));
            assert!(kept <= most, "{kept} octets stay in the input");
        }
    }

    fn poll_transmit(&mut self, budget: usize) -> bool {
        let Some(step) = self.machine.poll_transmit(self.now, budget) else {
            return false;
        };
        assert!(!self.shut, "{step:?} after the end of our side");
        match step {
            StreamTransmit::Data(data) => {
                assert!(!data.is_empty(), "no octets at all");
                assert!(data.len() <= budget, "{} for {budget}", data.len());
                self.app.sent(&data);
            }
            StreamTransmit::StartTls => {
                self.in_handshake = true;
                assert!(!self.machine.wants_read(), "nothing is read before TLS");
            }
            StreamTransmit::Shutdown => self.shut = true,
            step => panic!("{step:?} is no step of these protocols"),
        }
        true
    }

    fn drain_output(&mut self, budget: usize) {
        let most = ENDLESS;
        let count = (0..most).take_while(|_| self.poll_transmit(budget)).count();
        assert!(count < most, "output without end: {:?}", self.machine);
    }

    /// Jumps to the next deadline. After that and a drain the next one must lie ahead.
    fn wake(&mut self, script: &mut Take<'_>) {
        let Some(deadline) = self.machine.poll_timeout() else {
            return;
        };
        self.now = self.now.max(deadline);
        self.machine.handle_timeout(self.now);
        self.drain_events(script);
        self.drain_output(usize::MAX);
        self.drain_events(script);
        let next = self.machine.poll_timeout();
        assert!(
            next.is_none_or(|next| next > self.now),
            "{next:?} is not after {:?}: {:?}",
            self.now,
            self.machine
        );
    }

    /// Octets that came in plaintext before the handshake are an error, and nothing else.
    fn establish_tls(&mut self, script: &mut Take<'_>) {
        if self.gone {
            return;
        }
        if core::mem::take(&mut self.in_handshake) {
            let has_plaintext = !self.input.is_empty();
            self.drain_events(script);
            assert!(self.failed || !has_plaintext, "plaintext where TLS begins");
        }
        let tls = TlsInfo::default();
        self.machine.handle_tls_established(self.now, tls);
    }

    fn disconnect(&mut self) {
        (self.gone, self.ended) = (true, true);
        self.in_handshake = false;
        self.machine.handle_disconnect(self.now);
    }

    /// Ends the connection: first in order, as far as the machine can, then for good.
    fn finish(mut self, script: &mut Take<'_>) {
        self.machine.close();
        for _ in 0..64 {
            self.drain_events(script);
            self.app.settle(&mut self.machine, self.now);
            self.drain_output(usize::MAX);
            if self.in_handshake {
                self.establish_tls(script);
            }
        }
        if !self.gone && !self.in_handshake {
            self.machine.handle_eof(self.now);
            self.drain_events(script);
            self.drain_output(usize::MAX);
            self.drain_events(script);
        }
        // Whatever it waited for, it must not wait for ever.
        for _ in 0..16 {
            self.wake(script);
            self.app.settle(&mut self.machine, self.now);
        }
        assert!(self.machine.is_closed(), "left alone: {:?}", self.machine);
        self.disconnect();
        self.drain_events(script);
        assert!(self.machine.is_closed(), "disconnected: {:?}", self.machine);
        assert!(!self.machine.wants_read() || self.machine.is_closed());
        assert_eq!(self.machine.poll_timeout(), None, "{:?}", self.machine);
        assert!(!self.poll_event(script), "events after the end");
        self.app.check(&self.machine);
        self.app.finish(&self.machine);
    }
}

/// The embedder of a datagram machine, and its peers.
pub(crate) trait DatagramApp {
    type Machine: DatagramMachine;

    /// Reacts to an event; `input` decides how.
    fn event(
        &mut self,
        machine: &mut Self::Machine,
        now: Duration,
        event: <Self::Machine as DatagramMachine>::Event,
        input: &mut Take<'_>,
    );

    /// A command, a fact, or an answer that was put off.
    fn command(&mut self, machine: &mut Self::Machine, now: Duration, input: &mut Take<'_>);

    /// A datagram that somebody may send: to which socket, from where, and what.
    fn datagram(&mut self, input: &mut Take<'_>) -> (LocalId, SocketAddr, Vec<u8>);

    /// Looks at what was sent.
    fn sent(&mut self, local: Local, to: SocketAddr, payload: &Bytes);

    /// Takes what the machine wishes for beside datagrams.
    fn wishes(&mut self, machine: &mut Self::Machine, now: Duration) {
        let _ = (machine, now);
    }

    /// What holds at any time.
    fn check(&self, machine: &Self::Machine);

    /// What holds once all deadlines have passed.
    fn finish(self, machine: &Self::Machine);
}

struct DatagramRun<A: DatagramApp> {
    app: A,
    machine: A::Machine,
    now: Duration,
    sockets: BTreeSet<LocalId>,
}

/// Carries out a script.
pub(crate) fn run_datagram<A: DatagramApp>(app: A, machine: A::Machine, script: &mut Take<'_>) {
    let mut run = DatagramRun {
        app,
        machine,
        now: Duration::from_secs(1),
        sockets: BTreeSet::new(),
    };
    while !script.is_empty() {
        run.step(script);
        run.app.check(&run.machine);
    }
    // Left alone, with nobody answering, it comes to rest.
    let mut wakes = 0;
    while run.wake(script) {
        wakes += 1;
        assert!(wakes < ENDLESS, "no rest: {:?}", run.machine);
    }
    run.drain(script);
    assert_eq!(run.sockets.len(), 0, "sockets are left: {:?}", run.machine);
    run.app.check(&run.machine);
    run.app.finish(&run.machine);
}

impl<A: DatagramApp> DatagramRun<A> {
    fn step(&mut self, script: &mut Take<'_>) {
        match script.u8() % 12 {
            0..=3 => {
                let (local, from, data) = self.app.datagram(script);
                self.machine.handle_datagram(self.now, local, from, &data);
            }
            4 => drop(self.poll_event(script)),
            5 => drop(self.poll_transmit()),
            6 | 7 => self.drain(script),
            8 => {
                let millis = u64::from(script.u16()) << (script.u8() % 8);
                self.now = self.now.saturating_add(Duration::from_millis(millis));
                self.machine.handle_timeout(self.now);
            }
            9 => drop(self.wake(script)),
            10 => self.app.command(&mut self.machine, self.now, script),
            _ => {
                let before = self.machine.poll_timeout();
                if before.is_some_and(|deadline| deadline > self.now) {
                    self.machine.handle_timeout(self.now);
                    assert_eq!(self.machine.poll_timeout(), before, "an early call");
                }
                self.machine.handle_timeout(self.now / 2);
            }
        }
    }

    fn poll_event(&mut self, script: &mut Take<'_>) -> bool {
        let Some(event) = self.machine.poll_event() else {
            return false;
        };
        let (app, machine) = (&mut self.app, &mut self.machine);
        app.event(machine, self.now, event, script);
        true
    }

    fn poll_transmit(&mut self) -> bool {
        match self.machine.poll_transmit(self.now) {
            None => return false,
            Some(DatagramTransmit::Release(id)) => {
                assert!(self.sockets.remove(&id), "{id:?} was not bound");
            }
            Some(DatagramTransmit::Datagram { local, to, payload }) => {
                match local {
                    Local::Fresh(id) => assert!(self.sockets.insert(id), "{id:?} is not fresh"),
                    Local::Id(id) => {
                        assert!(id == LocalId::MAIN || id.0 < 4 || self.sockets.contains(&id));
                    }
                    Local::Any => {}
                }
                self.app.sent(local, to, &payload);
            }
        }
        true
    }

    fn drain(&mut self, script: &mut Take<'_>) {
        for _ in 0..ENDLESS {
            let event = self.poll_event(script);
            let output = self.poll_transmit();
            self.app.wishes(&mut self.machine, self.now);
            if !event && !output {
                return;
            }
        }
        panic!("no end: {:?}", self.machine);
    }

    /// Jumps to the next deadline, if there is one. After that and a drain the next lies ahead.
    fn wake(&mut self, script: &mut Take<'_>) -> bool {
        self.drain(script);
        let Some(deadline) = self.machine.poll_timeout() else {
            return false;
        };
        self.now = self.now.max(deadline);
        self.machine.handle_timeout(self.now);
        self.drain(script);
        let next = self.machine.poll_timeout();
        assert!(
            next.is_none_or(|next| next > self.now),
            "{next:?} is not after {:?}: {:?}",
            self.now,
            self.machine
        );
        true
    }
}
