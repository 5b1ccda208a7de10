//! How the kit tells what went wrong.

use super::run::Outcome;
use crate::sim::Seed;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// How many failures of a sweep are shown in full.
const SHOWN: usize = 5;

/// Panics with the rule and what broke it.
#[track_caller]
pub(super) fn conclude(rule: &str, seed: Seed, outcome: Outcome) {
    if let Err(message) = outcome {
        panic!("{rule} (seed {seed}): {message}");
    }
}

/// Runs one attempt, turning a panic of the machine into a message.
pub(super) fn attempt<T>(label: &str, body: impl FnOnce() -> Outcome<T>) -> Outcome<T> {
    let outcome = catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|panic| {
        let text = panic
            .downcast_ref::<&str>()
            .map(ToString::to_string)
            .or_else(|| panic.downcast_ref::<String>().cloned());
        Err(format!(
            "panicked: {}",
            text.as_deref().unwrap_or("(no text)")
        ))
    });
    match label {
        "" => outcome,
        _ => outcome.map_err(|message| format!("{label}: {message}")),
    }
}

/// Runs all attempts of a sweep and lists their failures; `body` writes what it tries into the
/// label before it does.
pub(super) fn attempt_all<T>(
    cases: impl IntoIterator<Item = T>,
    mut body: impl FnMut(T, &mut String) -> Outcome,
) -> Outcome {
    let (mut failed, mut all, mut shown) = (0_usize, 0_usize, Vec::new());
    for case in cases {
        all += 1;
        let mut label = String::new();
        let outcome = attempt("", || body(case, &mut label));
        if let Err(message) = outcome {
            failed += 1;
            if shown.len() < SHOWN {
                shown.push(format!("\n- {label}: {message}"));
            }
        }
    }
    match failed {
        0 => Ok(()),
        _ => Err(format!("{failed} of {all} cases fail:{}", shown.concat())),
    }
}
