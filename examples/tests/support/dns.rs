//! What the tests of dns-serve share: starting it, asking it, changing its zones.

#![allow(dead_code, reason = "each test file uses a part of it")]

use crate::support::{OurServer, find, run, run_ok};
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

pub(crate) const SECRET: &str = "K2tf3TRjvQkVCmJF3/Z9vA==";

pub(crate) fn tsig() -> String {
    format!("k:hmac-sha256:{SECRET}")
}

pub(crate) fn dns_serve(words: &[&str]) -> OurServer {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dns-serve"));
    command.args(["--listen", "127.0.0.1:0"]).args(words);
    OurServer::start(&mut command, 1)
}

/// As [`dns_serve`], at this address, with what it says of its work in a file.
pub(crate) fn dns_serve_with_log(listen: &str, words: &[&str], log: &Path) -> OurServer {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dns-serve"));
    let log = std::fs::File::create(log).expect("a file");
    command.args(["--listen", listen]).args(words).stderr(log);
    OurServer::start(&mut command, 1)
}

/// A zone file, and the word of the command line that serves it.
pub(crate) fn zone_file(folder: &Path, text: &str) -> String {
    let file = folder.join("zone");
    std::fs::write(&file, text).expect("a file");
    format!("example.com={}", file.display())
}

pub(crate) fn dig(server: SocketAddr, words: &[&str]) -> String {
    let program = find("dig").expect("dig");
    let port = server.port().to_string();
    run_ok(
        Command::new(program)
            .args(["@127.0.0.1", "-p", &port, "+tries=1", "+time=5"])
            .args(words),
    )
}

/// All records that a transfer gives, in order; twice the SOA record.
pub(crate) fn transferred(server: SocketAddr, words: &[&str]) -> Vec<String> {
    let text = dig(
        server,
        &[
            &["example.com", "AXFR", "+noall", "+answer", "+onesoa"],
            words,
        ]
        .concat(),
    );
    let mut lines: Vec<_> = text
        .lines()
        .filter(|line| !line.starts_with(';') && !line.is_empty())
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    lines.sort();
    lines
}

pub(crate) fn wait_until(what: &str, mut ready: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !ready() {
        assert!(begin.elapsed() < Duration::from_secs(20), "{what}: never");
        std::thread::sleep(Duration::from_millis(50));
    }
}

pub(crate) fn serial(server: SocketAddr) -> Option<u32> {
    let program = find("dig").expect("dig");
    let port = server.port().to_string();
    let output = run(Command::new(program).args([
        "@127.0.0.1",
        "-p",
        &port,
        "+short",
        "+tries=1",
        "+time=1",
        "example.com",
        "SOA",
    ]));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.split_whitespace().nth(2)?.parse().ok()
}

/// Runs nsupdate or knsupdate with these lines, and returns what it says and whether it is content.
pub(crate) fn update(
    program: &str,
    server: SocketAddr,
    key: bool,
    lines: &str,
) -> Option<(bool, String)> {
    let program = find(program)?;
    let folder = tempfile::tempdir().expect("a folder");
    let script = folder.path().join("script");
    let key = if key {
        format!("key hmac-sha256:k. {SECRET}\n")
    } else {
        String::new()
    };
    let text = format!(
        "server 127.0.0.1 {}\nzone example.com\n{key}{lines}\nsend\nanswer\n",
        server.port()
    );
    std::fs::write(&script, text).expect("a file");
    let output = run(Command::new(program).arg(&script));
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Some((output.status.success(), text))
}
