//! R4: two machines that both have much to say over small buffers.

use super::report::{attempt, conclude};
use super::run::{Bounds, Outcome, Run};
use super::scenario::{Sent, StreamScenario};
use crate::shape::{StreamMachine, StreamTransmit};
use crate::sim::Seed;

/// R4: two machines flood each other through buffers of some octets, and both come to their end.
///
/// The scripts of the scenarios are not used: each machine is the other's peer. What they send is
/// up to [`start`](StreamScenario::start), [`on_event`](StreamScenario::on_event) and
/// [`answer`](StreamScenario::answer), which is called whenever something moved. No timer is met, as
/// a deadlock is not cured by a timeout. When nothing moves any more, both scenarios have to be
/// [`completed`](StreamScenario::completed).
///
/// `buffers` are the capacities in octets of each direction that are tried: `&[1, 100, 4096]`.
///
/// # Panics
///
/// When the machines stand still before both are completed, or when they do not stop.
#[track_caller]
pub fn r4_flood<A: StreamScenario, B: StreamScenario>(
    one: impl Fn() -> A,
    two: impl Fn() -> B,
    buffers: &[usize],
) {
    for &buffer in buffers {
        let outcome = attempt(&format!("buffers of {buffer} octets"), || {
            flood(one(), two(), buffer)
        });
        conclude("R4 flood", Seed::from(0), outcome);
    }
}

/// One direction of the transport.
#[derive(Default)]
struct Pipe {
    octets: Vec<u8>,
    ended: bool,
    told: bool,
    start_tls: bool,
}

fn flood<A: StreamScenario, B: StreamScenario>(one: A, two: B, buffer: usize) -> Outcome {
    let bounds = Bounds {
        calls: 50_000_000,
        ..Bounds::default()
    };
    let mut one = Run::new(one, &bounds);
    let mut two = Run::new(two, &bounds);
    let (mut there, mut back) = (Pipe::default(), Pipe::default());
    loop {
        let mut moved = turn(
            &mut one,
            &back.octets.split_off(0),
            &mut back,
            &mut there,
            buffer,
        )
        .map_err(|message| format!("the first machine: {message}"))?;
        moved |= turn(
            &mut two,
            &there.octets.split_off(0),
            &mut there,
            &mut back,
            buffer,
        )
        .map_err(|message| format!("the second machine: {message}"))?;
        if there.start_tls && back.start_tls {
            (there.start_tls, back.start_tls) = (false, false);
            let tls = one.scenario.tls();
            one.machine.handle_tls_established(one.now, tls);
            let tls = two.scenario.tls();
            two.machine.handle_tls_established(two.now, tls);
            moved = true;
        }
        if !moved {
            break;
        }
    }
    let wedged = |which: &str, missing: String, reads: bool, waiting: usize| {
        format!(
            "nothing moves any more, but the {which} is not completed: {missing} (it {} to read; \
             {waiting} octets wait for it)",
            if reads { "wants" } else { "does not want" }
        )
    };
    one.scenario.completed().map_err(|missing| {
        wedged(
            "first",
            missing,
            one.machine.wants_read(),
            back.octets.len(),
        )
    })?;
    two.scenario.completed().map_err(|missing| {
        wedged(
            "second",
            missing,
            two.machine.wants_read(),
            there.octets.len(),
        )
    })
}

/// One turn of a driver: read when the machine wants it, poll, answer, write what fits.
fn turn<S: StreamScenario>(
    run: &mut Run<S>,
    arrived: &[u8],
    from: &mut Pipe,
    to: &mut Pipe,
    buffer: usize,
) -> Outcome<bool> {
    let mut moved = false;
    // After StartTls the octets belong to the handshake, not to the machine.
    if run.machine.wants_read() && !to.start_tls && !arrived.is_empty() {
        run.input.extend_from_slice(arrived);
        moved = true;
    } else {
        from.octets.extend_from_slice(arrived);
    }
    if from.ended && from.octets.is_empty() && !from.told {
        from.told = true;
        run.handle_eof();
        moved = true;
    }
    while run.poll_event()? {
        moved = true;
        run.answer_all()?;
    }
    moved |= run.answer()?;
    loop {
        let room = buffer.saturating_sub(to.octets.len());
        if room == 0 || to.start_tls || to.ended {
            return Ok(moved);
        }
        let Some(step) = run.machine.poll_transmit(run.now, room) else {
            return Ok(moved);
        };
        moved = true;
        match step {
            StreamTransmit::Data(data) | StreamTransmit::Urgent(data) => {
                to.octets.extend_from_slice(&data);
            }
            StreamTransmit::StartTls => to.start_tls = true,
            StreamTransmit::StopTls => run.sent.push(Sent::StopTls),
            StreamTransmit::Shutdown => to.ended = true,
            StreamTransmit::Abort => return Err("the machine reset the connection".into()),
        }
    }
}
