//! Wall clock of the cases in `benches::http2`, by divan.

use benches::Case;
use divan::Bencher;

fn main() {
    divan::main();
}

/// What one piece of work is called, and who does it.
fn works() -> Vec<String> {
    let told = |case: &Case| {
        let told = format!("{case:?}");
        case.jobs
            .iter()
            .map(move |(who, _)| format!("{told}, {who}"))
            .collect::<Vec<_>>()
    };
    benches::http2::cases().iter().flat_map(told).collect()
}

#[divan::bench(args = works())]
fn http2(bencher: Bencher<'_, '_>, work: &str) {
    for case in benches::http2::cases() {
        let told = format!("{case:?}");
        for (who, job) in case.jobs {
            if work == format!("{told}, {who}") {
                return bencher.bench_local(job);
            }
        }
    }
}
