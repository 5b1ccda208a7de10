//! Prints the table: what each case costs us, what it costs each peer, and the ratio.

#![forbid(unsafe_code)]
#![allow(clippy::arithmetic_side_effects, reason = "sums of a few medians")]

use benches::measure::{ROUNDS, Timing, measure};
use std::io::{IsTerminal, Write};
use std::process::Command;

fn main() {
    let only: Vec<String> = std::env::args().skip(1).collect();
    let mut cases = benches::cases();
    cases.retain(|case| {
        let told = format!("{case:?}");
        only.is_empty() || only.iter().any(|part| told.contains(part.as_str()))
    });
    println!("medians of {ROUNDS} interleaved rounds; +- is the distance between the quartiles");
    println!("last column: how many times as long as ours the peer takes, round by round\n");
    let mut group = "";
    let mut ratios: Vec<(&str, &str, f64)> = Vec::new();
    let count = cases.len();
    for (index, case) in cases.iter_mut().enumerate() {
        progress(index, count);
        let timings = measure(case);
        if case.group != group {
            group = case.group;
            println!("{group}");
        }
        println!("  {}", case.name);
        for (index, (who, timing)) in timings.iter().enumerate() {
            let Some(timing) = timing else {
                println!("    {who:<24}{:>14}", "refuses it");
                continue;
            };
            let told = match index {
                0 => String::new(),
                _ => format!("{:6.2} +-{:.0}%", timing.ratio, timing.ratio_spread * 100.0),
            };
            if index > 0 {
                ratios.push((case.group, who, timing.ratio));
            }
            println!(
                "    {who:<24}{:>14}{:>14}  {told}",
                shown(*timing),
                speed(case.octets, *timing)
            );
        }
    }
    progress(count, count);
    summary(&ratios);
    if only.is_empty() {
        heap();
    }
}

fn shown(timing: Timing) -> String {
    let (value, unit) = match timing.median {
        nanos if nanos < 1e3 => (nanos, "ns"),
        nanos if nanos < 1e6 => (nanos / 1e3, "us"),
        nanos => (nanos / 1e6, "ms"),
    };
    format!("{value:.1} {unit} +-{:.0}%", timing.spread * 100.0)
}

#[expect(clippy::cast_precision_loss, reason = "far fewer octets than that")]
fn speed(octets: Option<u64>, timing: Timing) -> String {
    octets.map_or_else(String::new, |octets| {
        format!(
            "{:.0} MiB/s",
            octets as f64 * 1e9 / timing.median / f64::from(1 << 20)
        )
    })
}

/// The geometric mean of the ratios of each group and peer.
fn summary(ratios: &[(&str, &str, f64)]) {
    println!("\ngeometric means of the ratios");
    let mut told: Vec<(&str, &str)> = Vec::new();
    for &(group, who, _) in ratios {
        if told.contains(&(group, who)) {
            continue;
        }
        told.push((group, who));
        let logs: Vec<f64> = ratios
            .iter()
            .filter(|(other, peer, _)| *other == group && *peer == who)
            .map(|(_, _, ratio)| ratio.ln())
            .collect();
        let count = f64::from(u32::try_from(logs.len()).unwrap_or(u32::MAX));
        let mean = (logs.iter().sum::<f64>() / count).exp();
        println!("  {group:<26}{who:<24}{mean:6.2}");
    }
}

/// In a process of its own: counting allocations costs time.
fn heap() {
    println!();
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let arguments = [
        "run",
        "--quiet",
        "--release",
        "-p",
        "benches",
        "--bin",
        "heap",
    ];
    match Command::new(cargo).args(arguments).status() {
        Ok(status) if status.success() => {}
        other => eprintln!("the bin `heap` did not run: {other:?}"),
    }
}

fn progress(done: usize, count: usize) {
    let mut errors = std::io::stderr();
    if errors.is_terminal() {
        let _ = write!(errors, "\r{done}/{count} cases \r");
        let _ = errors.flush();
    }
}
