//! Instruction counts by gungraun: equal from run to run, whatever else the computer does. They are
//! not time, but a change in them is a change in the code. Needs valgrind and `gungraun-runner`.

use benches::dns::{Library, Ours, Walk, chain, message};
use core::hint::black_box;
use gungraun::{library_benchmark, library_benchmark_group, main};

type Draft = <Ours as Library>::Draft;

/// What a count must not hold: making the input, the first call, dropping it all.
fn draft(label: &str) -> &'static mut (Draft, Vec<u8>) {
    let (draft, mut buffer) = (Ours::draft(&message(label)), Vec::new());
    Ours::build(&draft, &mut buffer);
    Box::leak(Box::new((draft, buffer)))
}

fn octets(label: &str) -> &'static [u8] {
    message(label).leak()
}

fn worst() -> &'static [u8] {
    chain().leak()
}

fn job(name: &str) -> &'static mut benches::Job {
    let mut cases = benches::pop3::small_cases();
    cases.extend(benches::idle::cases());
    cases.extend(benches::bittorrent::small_cases());
    let found = cases.into_iter().find(|case| case.name.contains(name));
    let mut job = found.expect("a case of that name").jobs.remove(0).1;
    job();
    Box::leak(Box::new(job))
}

#[library_benchmark]
#[benches::messages(args = ["query", "answer", "referral", "cnames", "nxdomain", "mixed"], setup = octets)]
fn walk(octets: &'static [u8]) -> Option<u64> {
    black_box(Ours::walk(black_box(octets)))
}

#[library_benchmark]
#[benches::messages(args = ["query", "answer", "referral", "cnames", "nxdomain", "mixed"], setup = octets)]
fn typed(octets: &'static [u8]) -> Option<u64> {
    black_box(Ours::typed(black_box(octets)))
}

#[library_benchmark]
#[benches::messages(args = ["query", "answer", "referral", "cnames", "nxdomain", "mixed"], setup = draft)]
fn build((draft, buffer): &'static mut (Draft, Vec<u8>)) -> usize {
    black_box(Ours::build(black_box(draft), buffer))
}

#[library_benchmark(setup = worst)]
#[bench::worst()]
fn pointer_chains(octets: &'static [u8]) -> Option<u64> {
    black_box(Ours::typed(black_box(octets)))
}

#[library_benchmark]
#[benches::jobs(args = ["STAT", "12 lines", "POP3 server session", "DNS stub", "100 queries", "query of the DHT", "32 requests", "announce request"], setup = job)]
fn machines(job: &'static mut benches::Job) -> u64 {
    black_box(job())
}

library_benchmark_group!(name = all; benchmarks = walk, typed, build, pointer_chains, machines);
main!(library_benchmark_groups = all);
