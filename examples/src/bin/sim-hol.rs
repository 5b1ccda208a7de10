//! Head-of-line blocking, drawn: one large object and three small ones over a simulated link.

use clap::Parser;
use examples::cli;
use examples::hol::{OBJECTS, Scheme, Timeline, completions, run};
use std::error::Error;
use std::fmt::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// Fetches one large object and three small ones over a simulated link, clean and lossy, as HTTP/1.1
/// pipelined and as HTTP/2 under each scheduler. Prints when each was complete, and writes
/// `hol.csv` and a drawing, `hol.svg`.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The seed of what is random: which segments are lost.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where the files go.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

/// Losses in millionths, and their names.
const LINKS: [(u32, &str); 2] = [(0, "clean"), (20_000, "2 % lost")];
const COLOURS: [&str; 4] = ["#9aa5b1", "#d1495b", "#2e86ab", "#3c9d5b"];

fn main() -> ExitCode {
    cli::exit("sim-hol", draw(&Arguments::parse()))
}

fn draw(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    std::fs::create_dir_all(&arguments.out)?;
    let mut runs = Vec::new();
    for (loss, link) in LINKS {
        for scheme in Scheme::ALL {
            runs.push((link, scheme, run(scheme, loss, arguments.seed)?));
        }
    }
    println!(
        "one object of {} octets, three of {}; 1 MB/s, 25 ms each way",
        OBJECTS[0], OBJECTS[1]
    );
    println!(
        "{:9} {:24} {:>9} {:>9} {:>9} {:>9}",
        "link", "scheme", "large", "small 1", "small 2", "small 3"
    );
    let mut csv = String::from("link,scheme,time_ms,object,octets\n");
    for (link, scheme, timeline) in &runs {
        let done = completions(timeline).map(|at| format!("{} ms", at.as_millis()));
        let [large, one, two, three] = done;
        println!(
            "{link:9} {:24} {large:>9} {one:>9} {two:>9} {three:>9}",
            scheme.name()
        );
        for (at, object, octets) in timeline {
            writeln!(
                csv,
                "{link},{},{:.3},{object},{octets}",
                scheme.name(),
                at.as_secs_f64() * 1e3
            )?;
        }
    }
    std::fs::write(arguments.out.join("hol.csv"), csv)?;
    let svg = arguments.out.join("hol.svg");
    std::fs::write(&svg, drawing(&runs)?)?;
    println!("drawn in {}", svg.display());
    Ok(())
}

fn drawing(runs: &[(&str, Scheme, Timeline)]) -> Result<String, std::fmt::Error> {
    let ends = runs.iter().filter_map(|(_, _, timeline)| timeline.last());
    let end = ends.map(|(at, _, _)| at.as_secs_f64()).fold(0.1, f64::max);
    let (left, width, row) = (230.0, 900.0, 54.0);
    let x = |seconds: f64| left + seconds / end * width;
    let height = 70.0 + row * runs.len() as f64;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"1160\" height=\"{height}\" font-family=\"sans-serif\" font-size=\"13\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n<text x=\"16\" y=\"24\" font-size=\"16\">What arrives when: a large object (grey) and three small ones</text>\n"
    );
    for (index, (link, scheme, timeline)) in runs.iter().enumerate() {
        let top = 44.0 + row * index as f64;
        writeln!(
            svg,
            "<text x=\"16\" y=\"{}\">{}</text><text x=\"16\" y=\"{}\" fill=\"#666\">{link}</text>",
            top + 16.0,
            scheme.name(),
            top + 32.0
        )?;
        for &(at, object, octets) in timeline {
            // What came at once took its time on the link.
            let wide = (octets as f64 / 1e6 / end * width).max(0.6);
            writeln!(
                svg,
                "<rect x=\"{:.2}\" y=\"{top}\" width=\"{wide:.2}\" height=\"26\" fill=\"{}\"/>",
                x(at.as_secs_f64()) - wide,
                COLOURS[object]
            )?;
        }
        for (object, at) in completions(timeline).iter().enumerate() {
            let at = x(at.as_secs_f64());
            writeln!(
                svg,
                "<line x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"{}\" y2=\"{}\" stroke=\"{}\" stroke-width=\"3\"/>",
                top - 3.0,
                top + 34.0,
                COLOURS[object]
            )?;
        }
    }
    writeln!(
        svg,
        "<text x=\"{left}\" y=\"{}\">0</text><text x=\"{}\" y=\"{}\">{:.0} ms</text>\n</svg>",
        height - 10.0,
        left + width - 50.0,
        height - 10.0,
        end * 1e3
    )?;
    Ok(svg)
}
