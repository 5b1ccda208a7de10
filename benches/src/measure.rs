//! Wall clock, interleaved: in each round everybody has a turn, so that a machine that is slow for
//! a while is slow for all.

use crate::{Case, Job};
use core::hint::black_box;
use std::time::{Duration, Instant};

/// Rounds over all who take part in a case.
pub const ROUNDS: usize = 15;
/// How long a turn lasts at least.
const TURN: Duration = Duration::from_millis(8);

/// The time that one repetition takes.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// The median over all rounds, in nanoseconds.
    pub median: f64,
    /// The distance between the quartiles, as a part of the median.
    pub spread: f64,
    /// How many times as long as ours it takes: the median of the ratios of each round, in which
    /// both had their turns within a few milliseconds, so that what slows both down cancels out.
    pub ratio: f64,
    /// The distance between the quartiles of the ratios, as a part of their median.
    pub ratio_spread: f64,
}

/// Measures all jobs of a case. Nothing is told of one that says by a zero that it did not do it.
pub fn measure(case: &mut Case) -> Vec<(&'static str, Option<Timing>)> {
    let mut turns: Vec<_> = case
        .jobs
        .iter_mut()
        .map(|(who, job)| {
            let repetitions = (job() != 0).then(|| calibrate(job));
            (*who, repetitions, job, Vec::new())
        })
        .collect();
    for _ in 0..ROUNDS {
        for (_, repetitions, job, times) in &mut turns {
            times.extend(repetitions.map(|repetitions| turn(job, repetitions)));
        }
    }
    let ours = turns
        .first()
        .map(|(_, _, _, times)| times.clone())
        .unwrap_or_default();
    turns
        .into_iter()
        .map(|(who, _, _, times)| (who, summary(times, &ours)))
        .collect()
}

/// Repetitions that fill a turn.
fn calibrate(job: &mut Job) -> u32 {
    let mut repetitions = 1_u32;
    while turn(job, repetitions) * f64::from(repetitions) < nanos(TURN) {
        repetitions = repetitions.saturating_mul(2);
    }
    repetitions
}

/// Nanoseconds of one repetition.
#[expect(clippy::disallowed_methods, reason = "measuring is what this is for")]
fn turn(job: &mut Job, repetitions: u32) -> f64 {
    let start = Instant::now();
    for _ in 0..repetitions {
        black_box(job());
    }
    nanos(start.elapsed()) / f64::from(repetitions)
}

fn nanos(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e9
}

fn summary(times: Vec<f64>, ours: &[f64]) -> Option<Timing> {
    let ratios = times
        .iter()
        .zip(ours)
        .map(|(time, ours)| time / ours)
        .collect();
    let (median, spread) = quartiles(times)?;
    let (ratio, ratio_spread) = quartiles(ratios)?;
    Some(Timing {
        median,
        spread,
        ratio,
        ratio_spread,
    })
}

/// The median, and the distance between the quartiles as a part of it.
fn quartiles(mut values: Vec<f64>) -> Option<(f64, f64)> {
    values.sort_by(f64::total_cmp);
    let at = |part: usize| {
        values
            .get(values.len().saturating_sub(1) * part / 4)
            .copied()
    };
    let median = at(2)?;
    Some((median, (at(3)? - at(1)?) / median))
}
