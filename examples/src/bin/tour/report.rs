//! What the tour says while it goes: lines for people, or one JSON document for machines.

use core::fmt::{Debug, Display};
use core::time::Duration;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

/// Collects what was exchanged, checked and measured.
pub(crate) struct Report {
    json: bool,
    chapters: Vec<Chapter>,
}

struct Chapter {
    name: &'static str,
    exchanged: Vec<String>,
    checks: Vec<(String, Result<(), String>)>,
    speeds: Vec<(String, f64, &'static str)>,
}

impl Report {
    pub(crate) fn new(json: bool) -> Self {
        Self {
            json,
            chapters: Vec::new(),
        }
    }

    /// Begins a chapter: what follows belongs to it.
    pub(crate) fn chapter(&mut self, name: &'static str, title: &str) {
        self.say(format_args!("\n== {title}"));
        self.chapters.push(Chapter {
            name,
            exchanged: Vec::new(),
            checks: Vec::new(),
            speeds: Vec::new(),
        });
    }

    /// One line of what went over the sockets.
    pub(crate) fn exchanged(&mut self, line: impl Display) {
        self.say(format_args!("   {line}"));
        let line = line.to_string();
        if let Some(chapter) = self.chapters.last_mut() {
            chapter.exchanged.push(line);
        }
    }

    /// Compares what came with what is known to be right.
    pub(crate) fn check<T: PartialEq<U> + Debug, U: Debug>(
        &mut self,
        what: &str,
        got: T,
        expected: U,
    ) {
        let result = if got == expected {
            self.say(format_args!(" + {what}"));
            Ok(())
        } else {
            self.say(format_args!(
                " ! {what}: got {got:?}, expected {expected:?}"
            ));
            Err(format!("got {got:?}, expected {expected:?}"))
        };
        if let Some(chapter) = self.chapters.last_mut() {
            chapter.checks.push((what.to_owned(), result));
        }
    }

    /// What failed before it could be compared.
    pub(crate) fn failed(&mut self, what: &str, error: &dyn core::error::Error) {
        let error = examples::cli::causes(error).to_string();
        self.check(what, error, "no error");
    }

    /// How fast something went: so many units in so much time.
    pub(crate) fn speed(&mut self, what: &str, amount: f64, unit: &'static str, time: Duration) {
        let rate = amount / time.as_secs_f64().max(f64::EPSILON);
        self.say(format_args!(" > {what}: {rate:.0} {unit}/s"));
        if let Some(chapter) = self.chapters.last_mut() {
            chapter.speeds.push((what.to_owned(), rate, unit));
        }
    }

    /// A bar for what may take longer than a second; silent where nobody looks.
    pub(crate) fn progress(&self, what: &'static str, len: u64) -> ProgressBar {
        if self.json {
            return ProgressBar::hidden();
        }
        let style = ProgressStyle::with_template("   {msg} [{bar:30}] {percent} %")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
        ProgressBar::new(len).with_style(style).with_message(what)
    }

    /// Prints the sum of it all; true when every check held, and there were some.
    pub(crate) fn finish(&self) -> bool {
        let checks = self.chapters.iter().flat_map(|chapter| &chapter.checks);
        let (held, failed): (Vec<_>, Vec<_>) = checks.partition(|(_, result)| result.is_ok());
        if self.json {
            println!("{:#}", self.to_json());
        } else {
            println!("\n{} checks held, {} failed", held.len(), failed.len());
            for (what, result) in &failed {
                println!(
                    " ! {what}: {}",
                    result.as_ref().err().map_or("", String::as_str)
                );
            }
        }
        failed.is_empty() && !held.is_empty()
    }

    fn to_json(&self) -> Value {
        let chapters = self.chapters.iter().map(|chapter| {
            json!({
                "chapter": chapter.name,
                "exchanged": chapter.exchanged,
                "checks": chapter.checks.iter().map(|(what, result)| json!({
                    "check": what,
                    "held": result.is_ok(),
                    "error": result.as_ref().err(),
                })).collect::<Vec<_>>(),
                "speeds": chapter.speeds.iter().map(|(what, rate, unit)| json!({
                    "what": what,
                    "rate": rate.round(),
                    "unit": format!("{unit}/s"),
                })).collect::<Vec<_>>(),
            })
        });
        json!({ "chapters": chapters.collect::<Vec<_>>() })
    }

    fn say(&self, line: core::fmt::Arguments<'_>) {
        if !self.json {
            println!("{line}");
        }
    }
}
