//! What the tests with real programs share: skipping, starting, stopping, waiting.

#![allow(
    dead_code,
    unused_imports,
    unused_macros,
    reason = "each test file uses a part of it"
)]

pub(crate) mod peers;

use std::io::{BufRead, BufReader, Read, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Says what is missing and ends the test; where everything has to be there, fails it.
macro_rules! skip {
    ($($what:tt)+) => {{
        let what = format!($($what)+);
        // Written past the test harness, which keeps what a passing test prints to itself.
        let _ = std::io::Write::write_fmt(
            &mut std::io::stderr(),
            format_args!("skipped: {what}\n"),
        );
        assert!(
            std::env::var_os("PROTO_REQUIRE_ALL").is_none_or(|value| value != "1"),
            "PROTO_REQUIRE_ALL is set and this is missing: {what}"
        );
        return;
    }};
}
pub(crate) use skip;

/// Where a program is, in the search path or where servers live.
pub(crate) fn find(program: &str) -> Option<std::path::PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/usr/local/sbin".into()])
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}

/// A file in the folder of the peers that no Debian package has, which `.ci/run peers` fills:
/// `python/bin/python3` with the packages of PyPI, `node/node_modules`, `debian/usr/sbin` with what
/// was unpacked and not installed, `cargo/bin`.
pub(crate) fn find_peer(file: &str) -> Option<std::path::PathBuf> {
    let folder = std::env::var_os("PROTO_PEERS").map_or_else(
        || Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../target/peers")).to_owned(),
        std::path::PathBuf::from,
    );
    Some(folder.join(file)).filter(|file| file.exists())
}

/// A process that ends with the test, whichever way the test ends.
pub(crate) struct Process {
    child: Child,
    name: String,
}

impl Process {
    pub(crate) fn start(command: &mut Command) -> Self {
        let name = format!("{command:?}");
        let child = command
            .spawn()
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        Self { child, name }
    }

    /// Panics when the process has ended already.
    pub(crate) fn check(&mut self) {
        if let Some(status) = self.child.try_wait().expect("a status") {
            panic!("{} ended with {status}", self.name);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // A process that has ended already has no id any more.
        if !matches!(self.child.try_wait(), Ok(None)) {
            return;
        }
        // Asked first: servers with processes of their own take those along.
        let pid = self.child.id().to_string();
        let _ = Command::new("kill").args(["-TERM", &pid]).status();
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_secs(5) {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One of our servers and where it listens.
pub(crate) struct OurServer {
    _process: Process,
    addresses: Vec<(String, SocketAddr)>,
}

impl OurServer {
    /// Starts `command` and waits for as many `listening PROTOCOL ADDR` lines.
    pub(crate) fn start(command: &mut Command, lines: usize) -> Self {
        let mut process = Process::start(command.stdout(Stdio::piped()));
        let stdout = process.child.stdout.take().expect("a pipe");
        let mut addresses = Vec::new();
        for line in BufReader::new(stdout).lines().take(lines) {
            let line = line.expect("a line");
            let words: Vec<_> = line.split(' ').collect();
            match words[..] {
                ["listening", protocol, address] => {
                    addresses.push((protocol.to_owned(), address.parse().expect("an address")));
                }
                _ => panic!("{command:?} said: {line}"),
            }
        }
        assert_eq!(addresses.len(), lines, "{command:?} ended early");
        Self {
            _process: process,
            addresses,
        }
    }

    /// Where it listens for `protocol`.
    pub(crate) fn address(&self, protocol: &str) -> SocketAddr {
        let found = self.addresses.iter().find(|(name, _)| name == protocol);
        found
            .unwrap_or_else(|| panic!("nothing listens for {protocol}"))
            .1
    }
}

/// Runs a program to its end, for 30 seconds at most, and returns what it printed.
pub(crate) fn run(command: &mut Command) -> Output {
    run_with(command, b"")
}

/// As [`run`], with something to read on standard input.
pub(crate) fn run_with(command: &mut Command, input: &[u8]) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let stdout = read_all(child.stdout.take());
    let stderr = read_all(child.stderr.take());
    if let Some(mut stdin) = child.stdin.take() {
        // What ends early has read enough.
        let _ = stdin.write_all(input);
    }
    let mut process = Process {
        child,
        name: format!("{command:?}"),
    };
    let begin = Instant::now();
    let status = loop {
        if let Some(status) = process.child.try_wait().expect("a status") {
            break status;
        }
        assert!(
            begin.elapsed() < Duration::from_secs(30),
            "{} hangs",
            process.name
        );
        std::thread::sleep(Duration::from_millis(5));
    };
    Output {
        status,
        stdout: stdout.join().expect("a thread"),
        stderr: stderr.join().expect("a thread"),
    }
}

/// As [`run`], for a program that must succeed; returns its standard output as text.
pub(crate) fn run_ok(command: &mut Command) -> String {
    let output = run(command);
    let (stdout, stderr) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(
        output.status.success(),
        "{command:?}: {}\n{stdout}\n{stderr}",
        output.status
    );
    stdout.into_owned()
}

fn read_all(pipe: Option<impl Read + Send + 'static>) -> std::thread::JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut text = Vec::new();
        if let Some(mut pipe) = pipe {
            pipe.read_to_end(&mut text)
                .expect("a pipe that can be read");
        }
        text
    })
}

/// Waits until something accepts connections at `address`.
pub(crate) fn wait_for(process: &mut Process, address: SocketAddr) {
    let begin = Instant::now();
    while TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_err() {
        process.check();
        assert!(
            begin.elapsed() < Duration::from_secs(20),
            "nothing listens at {address}"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A port that was free a moment ago, for servers that cannot pick one themselves.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port");
    listener.local_addr().expect("an address").port()
}

/// A certificate for `localhost` and its key, as files.
pub(crate) fn certificate(folder: &Path) {
    let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
    let made = rcgen::generate_simple_self_signed(names).expect("a certificate");
    std::fs::write(folder.join("cert.pem"), made.cert.pem()).expect("a file");
    std::fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).expect("a file");
}
