//! Our parser of messages beside mail-parser 1.0, in turns, on messages of others.
//!
//! `cargo run --release --ignore-rust-version [FOLDER]`; the folder is that of the vectors' messages.

use proto_mail::message::{Event, Limits, Parser};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{env, hint};

#[path = "../../src/corpus.rs"]
mod corpus;

const ROUNDS: usize = 15;
const TURN: Duration = Duration::from_millis(50);
/// Octets of a piece.
const PIECE: usize = 4096;

fn main() {
    let folder = env::args().nth(1).map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/vectors/mail/messages")),
        PathBuf::from,
    );
    let messages = corpus::read(&folder);
    let octets: usize = messages.iter().map(Vec::len).sum();
    println!("{} messages, {octets} octets", messages.len());
    let limits = Arc::new(Limits::default());
    let mut times = [const { Vec::new() }; 2];
    let [ours, theirs] = &mut times;
    for _ in 0..ROUNDS {
        ours.push(turn(|| messages.iter().map(|message| parts(message, &limits)).sum()));
        theirs.push(turn(|| {
            let parser = mail_parser::MessageParser::default();
            messages.iter().map(|message| parser.parse(message).map_or(0, |parsed| parsed.parts().len())).sum()
        }));
    }
    let mut ratios: Vec<f64> = ours.iter().zip(theirs.iter()).map(|(ours, theirs)| theirs / ours).collect();
    for (name, values) in [("ours, us", ours), ("mail-parser 1.0.1, us", theirs), ("ratio, above 1 we are faster", &mut ratios)] {
        values.sort_by(f64::total_cmp);
        let at = |place: usize| values.get(place).copied().unwrap_or_default();
        println!("{name}: {:.2} (quartiles {:.2}, {:.2})", at(ROUNDS / 2), at(ROUNDS / 4), at(ROUNDS * 3 / 4));
    }
}

/// Microseconds of one run, over as many as fit in a turn.
fn turn(mut run: impl FnMut() -> usize) -> f64 {
    let start = Instant::now();
    let mut runs = 0_u32;
    while start.elapsed() < TURN {
        hint::black_box(run());
        runs += 1;
    }
    start.elapsed().as_secs_f64() * 1e6 / f64::from(runs)
}

fn parts(message: &[u8], limits: &Arc<Limits>) -> usize {
    let mut parser = Parser::new(Arc::clone(limits));
    let mut parts = 0;
    for mut input in message.chunks(PIECE) {
        while let Some(event) = parser.poll_event(&mut input) {
            parts += usize::from(matches!(event, Event::PartEnd(_)));
        }
    }
    parser.finish();
    while let Some(event) = parser.poll_event(&mut &[][..]) {
        parts += usize::from(matches!(event, Event::PartEnd(_)));
    }
    parts
}
