//! Alice to Bob, as in the lecture: her server, the DNS, his server, POP3, all on a simulated network,
//! and every line of what they say.

use clap::Parser;
use core::fmt::Write;
use core::time::Duration;
use examples::cli;
use examples::mail_sim::{Line, MESSAGE, Outcome, run};
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

/// Sends Alice's message to Bob over a simulated network and prints the whole dialogue: Alice's
/// program to her server, that one to the DNS and, the first mail exchanger being down, to the second
/// one; then Bob reads over POP3. Writes `mail.csv` and a drawing, `mail.svg`.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The seed of what is random: ports, and the ids of the DNS.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where the files go. Without it there are none.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

fn main() -> ExitCode {
    cli::exit("sim-mail", tell(&Arguments::parse()))
}

fn tell(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let outcome = run(arguments.seed)?;
    let mut last = None;
    for line in &outcome.dialogue {
        let pair = [line.from.as_str(), line.to.as_str()];
        let is_same =
            last.is_some_and(|last: [&str; 2]| last == pair || last == [pair[1], pair[0]]);
        if !is_same {
            println!();
        }
        last = Some(pair);
        println!(
            "{:>8} ms  {} -> {}: {}",
            line.at.as_millis(),
            line.from,
            line.to,
            line.text
        );
    }
    println!();
    println!(
        "Bob has read {} octets after {} ms; {} lines were said",
        outcome.read.len(),
        outcome.took.as_millis(),
        outcome.dialogue.len()
    );
    if let Some(folder) = &arguments.out {
        std::fs::create_dir_all(folder)?;
        std::fs::write(folder.join("mail.csv"), table(&outcome)?)?;
        std::fs::write(folder.join("mail.svg"), drawing(&outcome.dialogue)?)?;
    }
    match outcome.read == MESSAGE.as_bytes() {
        true => Ok(()),
        false => Err("what Bob read is not what Alice wrote".into()),
    }
}

fn table(outcome: &Outcome) -> Result<String, core::fmt::Error> {
    let mut csv = String::from("time_ms,stream,from,to,text\n");
    for line in &outcome.dialogue {
        let stream = line.stream.map(|stream| stream.to_string());
        writeln!(
            csv,
            "{},{},{},{},\"{}\"",
            line.at.as_millis(),
            stream.unwrap_or_default(),
            line.from,
            line.to,
            line.text.replace('"', "\"\"")
        )?;
    }
    Ok(csv)
}

/// A line of life for each of them, an arrow for each line of text.
fn drawing(dialogue: &[Line]) -> Result<String, core::fmt::Error> {
    const NAMES: [&str; 6] = [
        "alice",
        "crepes.fr",
        "dns",
        "hamburger.edu",
        "hamburger.edu (POP3)",
        "bob",
    ];
    let x = |name: &str| {
        let place = NAMES.iter().position(|it| *it == name).unwrap_or(0);
        100 + 200 * place
    };
    let height = 80 + 18 * dialogue.len();
    let mut svg = String::new();
    writeln!(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 1200 {height}\" font-family=\"sans-serif\" font-size=\"11\">\n<defs><marker id=\"a\" markerWidth=\"8\" markerHeight=\"8\" refX=\"7\" refY=\"4\" orient=\"auto\"><path d=\"M0,0 L8,4 L0,8 z\"/></marker></defs>\n<rect width=\"1200\" height=\"{height}\" fill=\"white\"/>"
    )?;
    for name in NAMES {
        let x = x(name);
        writeln!(
            svg,
            "<text x=\"{x}\" y=\"24\" text-anchor=\"middle\" font-weight=\"bold\">{name}</text><line x1=\"{x}\" y1=\"34\" x2=\"{x}\" y2=\"{}\" stroke=\"#9aa5b1\"/>",
            height - 10
        )?;
    }
    let mut before = Duration::ZERO;
    for (number, line) in dialogue.iter().enumerate() {
        let (from, to, y) = (x(&line.from), x(&line.to), 56 + 18 * number);
        let text = line.text.replace('&', "&amp;").replace('<', "&lt;");
        let short: String = text.chars().take(70).collect();
        writeln!(
            svg,
            "<line x1=\"{from}\" y1=\"{y}\" x2=\"{to}\" y2=\"{y}\" stroke=\"#2e86ab\" marker-end=\"url(#a)\"/><text x=\"{}\" y=\"{}\" text-anchor=\"middle\" font-size=\"9\">{short}</text>",
            (from + to) / 2,
            y - 3
        )?;
        if line.at != before {
            writeln!(
                svg,
                "<text x=\"6\" y=\"{y}\" fill=\"#667\">{} ms</text>",
                line.at.as_millis()
            )?;
        }
        before = line.at;
    }
    writeln!(svg, "</svg>")?;
    Ok(svg)
}
