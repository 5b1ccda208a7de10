//! dns-serve with real programs: dig, kdig and drill ask it, nsupdate and knsupdate change its
//! zones, nsd and named copy zones from it and it copies zones from them.

mod support;

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use support::{OurServer, Process, find, free_port, peers, run, run_ok, skip};

const SECRET: &str = "K2tf3TRjvQkVCmJF3/Z9vA==";

fn tsig() -> String {
    format!("k:hmac-sha256:{SECRET}")
}

fn dns_serve(words: &[&str]) -> OurServer {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dns-serve"));
    command.args(["--listen", "127.0.0.1:0"]).args(words);
    OurServer::start(&mut command, 1)
}

/// A zone file, and the word of the command line that serves it.
fn zone_file(folder: &Path, text: &str) -> String {
    let file = folder.join("zone");
    std::fs::write(&file, text).expect("a file");
    format!("example.com={}", file.display())
}

fn dig(server: SocketAddr, words: &[&str]) -> String {
    let program = find("dig").expect("dig");
    let port = server.port().to_string();
    run_ok(
        Command::new(program)
            .args(["@127.0.0.1", "-p", &port, "+tries=1", "+time=5"])
            .args(words),
    )
}

/// All records that a transfer gives, in order; twice the SOA record.
fn transferred(server: SocketAddr, words: &[&str]) -> Vec<String> {
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

fn wait_until(what: &str, mut ready: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !ready() {
        assert!(begin.elapsed() < Duration::from_secs(20), "{what}: never");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn serial(server: SocketAddr) -> Option<u32> {
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
fn update(program: &str, server: SocketAddr, key: bool, lines: &str) -> Option<(bool, String)> {
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

#[test]
fn dig_and_kdig_and_drill_read_every_type_of_a_zone_file() {
    if find("dig").is_none() {
        skip!("dig")
    }
    let folder = tempfile::tempdir().expect("a folder");
    let zone = zone_file(folder.path(), &peers::zone_text());
    let server = dns_serve(&["--zone", &zone, "--allow-transfer", "127.0.0.1"]);
    let address = server.address("dns");
    let records = transferred(address, &[]);
    assert_eq!(
        records.len(),
        peers::zone_text()
            .lines()
            .filter(|line| !line.starts_with('$'))
            .count()
    );
    let whole = dig(address, &["huge.example.com", "TXT"]);
    assert!(whole.contains("ANSWER: 60"), "{whole}");
    let port = address.port().to_string();
    if let Some(kdig) = find("kdig") {
        let text = run_ok(Command::new(kdig).args([
            "@127.0.0.1",
            "-p",
            &port,
            "+tcp",
            "+short",
            "www.example.com",
            "AAAA",
        ]));
        assert_eq!(text.trim(), "2001:db8::1");
    }
    if let Some(drill) = find("drill") {
        let text =
            run_ok(Command::new(drill).args(["-p", &port, "@127.0.0.1", "alias.example.com", "A"]));
        assert!(
            text.contains("192.0.2.1") && text.contains("NOERROR"),
            "{text}"
        );
    }
    // Nobody else may transfer.
    let closed = dns_serve(&["--zone", &zone]);
    let refused = dig(closed.address("dns"), &["example.com", "AXFR"]);
    assert!(refused.contains("Transfer failed"), "{refused}");
}

fn dns_dig(server: SocketAddr, words: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dns-dig"));
    run_ok(command.arg(format!("@{server}")).args(words))
}

/// Records without what is printed about them.
fn records(text: &str) -> Vec<String> {
    let mut lines: Vec<_> = text
        .lines()
        .filter(|line| !line.starts_with(';') && !line.is_empty())
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    lines.sort();
    lines.dedup();
    lines
}

#[test]
fn dns_dig_transfers_signs_and_asks_with_options_as_dig_does() {
    if find("dig").is_none() {
        skip!("dig")
    }
    let folder = tempfile::tempdir().expect("a folder");
    let zone = zone_file(folder.path(), &peers::zone_text());
    let server = dns_serve(&["--zone", &zone, "--tsig", &tsig(), "--allow-transfer", "k"]);
    let address = server.address("dns");
    let key = format!("hmac-sha256:k:{SECRET}");
    let wanted = ["-y", &key, "example.com", "AXFR", "+noall", "+answer"];
    let ours = records(&dns_dig(address, &wanted));
    assert_eq!(ours, records(&dig(address, &wanted)));
    assert!(ours.len() > 60);
    let same = dns_dig(address, &["-y", &key, "example.com", "IXFR=1"]);
    assert!(same.contains("XFR size: 1 records"), "{same}");
    for words in [
        &["www.example.com", "AAAA", "+noall", "+answer"][..],
        &[
            "www.example.com",
            "AAAA",
            "+noall",
            "+answer",
            "+nottlid",
            "+nsid",
            "+cookie",
        ],
        &["huge.example.com", "TXT", "+noall", "+answer"],
        &[
            "-y",
            &key,
            "weird.example.com",
            "TYPE65280",
            "+noall",
            "+answer",
        ],
        &[
            "www.example.com",
            "AAAA",
            "+noall",
            "+answer",
            "+subnet=192.0.2.0/24",
        ],
    ] {
        let ours = records(&dns_dig(address, words));
        assert_eq!(ours, records(&dig(address, words)), "{words:?}");
        assert!(!ours.is_empty(), "{words:?}");
    }
    let found = dns_dig(
        address,
        &["www", "AAAA", "+short", "+search", "+domain=example.com"],
    );
    assert_eq!(found.trim(), "2001:db8::1");
    let traced = dns_dig(address, &["www.example.com", "AAAA", "+trace"]);
    assert!(traced.contains("2001:db8::1"), "{traced}");
    let wrong = "hmac-sha256:k:AAAAAAAAAAAAAAAAAAAAAA==";
    let refused = run(Command::new(env!("CARGO_BIN_EXE_dns-dig")).args([
        &format!("@{address}"),
        "-y",
        wrong,
        "example.com",
        "AXFR",
    ]));
    assert_eq!(refused.status.code(), Some(1));
}

#[test]
fn wrong_flags_of_dns_serve_end_with_status_2_and_broken_zones_with_their_line() {
    let program = env!("CARGO_BIN_EXE_dns-serve");
    let folder = tempfile::tempdir().expect("a folder");
    let zone = zone_file(
        folder.path(),
        "$TTL 60\n@ SOA ns h 1 2 3 4 5\n@ NS ns\nns A 192.0.2.300\n",
    );
    for words in [
        &["--listen", "127.0.0.1:0"][..],
        &["--listen", "nowhere", "--zone", &zone],
        &["--listen", "127.0.0.1:0", "--zone", "example.com"],
        &[
            "--listen",
            "127.0.0.1:0",
            "--zone",
            &zone,
            "--tsig",
            "k:hmac-sha256",
        ],
        &[
            "--listen",
            "127.0.0.1:0",
            "--zone",
            &zone,
            "--allow-update",
            "unknown",
        ],
        &["--listen", "127.0.0.1:0", "--zone", &zone, "--unknown"],
    ] {
        let output = run(Command::new(program).args(words));
        assert_eq!(output.status.code(), Some(2), "{words:?}");
        assert!(!output.stderr.is_empty(), "{words:?}");
    }
    let output = run(Command::new(program).args(["--listen", "127.0.0.1:0", "--zone", &zone]));
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(told.contains("line 4, column 6"), "{told}");
}

#[test]
fn kdig_asks_over_tls() {
    let Some(kdig) = find("kdig") else {
        skip!("kdig")
    };
    let folder = tempfile::tempdir().expect("a folder");
    let zone = zone_file(folder.path(), peers::ZONE);
    let mut command = Command::new(env!("CARGO_BIN_EXE_dns-serve"));
    command.args([
        "--listen",
        "127.0.0.1:0",
        "--tls-listen",
        "127.0.0.1:0",
        "--zone",
        &zone,
    ]);
    let server = OurServer::start(&mut command, 2);
    let port = server.address("dot").port().to_string();
    let text = run_ok(Command::new(kdig).args([
        "@127.0.0.1",
        "-p",
        &port,
        "+tls",
        "+short",
        "www.example.com",
        "AAAA",
    ]));
    assert_eq!(text.trim(), "2001:db8::1");
}

#[test]
fn nsupdate_and_knsupdate_change_a_zone_and_the_prerequisites_hold() {
    if find("dig").is_none() {
        skip!("dig")
    }
    let folder = tempfile::tempdir().expect("a folder");
    let zone = zone_file(folder.path(), peers::ZONE);
    let server = dns_serve(&["--zone", &zone, "--tsig", &tsig(), "--allow-update", "k"]);
    let address = server.address("dns");
    let mut expected = 1;
    for program in ["nsupdate", "knsupdate"] {
        let add = "prereq nxdomain new.example.com\nupdate add new.example.com 60 A 192.0.2.77";
        let Some((ok, text)) = update(program, address, true, add) else {
            skip!("{program}")
        };
        assert!(ok, "{program}: {text}");
        expected += 1;
        assert_eq!(serial(address), Some(expected), "{program}: {text}");
        assert_eq!(
            dig(address, &["+short", "new.example.com"]).trim(),
            "192.0.2.77"
        );
        let (_, text) = update(program, address, true, add).expect("there");
        assert!(text.contains("YXDOMAIN"), "{program}: {text}");
        for (prerequisite, code) in [
            ("prereq yxdomain nothing.example.com", "NXDOMAIN"),
            ("prereq yxrrset www.example.com MX", "NXRRSET"),
            ("prereq nxrrset www.example.com A", "YXRRSET"),
            ("prereq yxrrset www.example.com A 192.0.2.1", "NXRRSET"),
        ] {
            let lines = format!("{prerequisite}\nupdate add never.example.com 60 A 192.0.2.78");
            let (_, text) = update(program, address, true, &lines).expect("there");
            assert!(text.contains(code), "{program} {prerequisite}: {text}");
        }
        let lines = "prereq yxrrset www.example.com A 192.0.2.1\nprereq yxrrset www.example.com A 192.0.2.2\nupdate delete new.example.com";
        let (ok, text) = update(program, address, true, lines).expect("there");
        assert!(ok, "{program}: {text}");
        expected += 1;
        assert_eq!(serial(address), Some(expected));
        let gone = dig(address, &["new.example.com"]);
        assert!(gone.contains("NXDOMAIN"), "{gone}");
        // Without the key nothing changes.
        let (_, text) = update(
            program,
            address,
            false,
            "update add never.example.com 60 A 192.0.2.1",
        )
        .expect("there");
        assert!(text.contains("REFUSED"), "{program}: {text}");
        assert_eq!(serial(address), Some(expected));
    }
}

#[test]
fn a_wrong_key_and_a_wrong_secret_are_told() {
    if find("dig").is_none() {
        skip!("dig")
    }
    let folder = tempfile::tempdir().expect("a folder");
    let zone = zone_file(folder.path(), peers::ZONE);
    let server = dns_serve(&["--zone", &zone, "--tsig", &tsig(), "--allow-transfer", "k"]);
    let address = server.address("dns");
    let good = format!("hmac-sha256:k:{SECRET}");
    let answer = dig(address, &["-y", &good, "www.example.com", "AAAA"]);
    assert!(
        answer.contains("2001:db8::1") && answer.contains("NOERROR"),
        "{answer}"
    );
    assert!(!answer.contains("verify failure"), "{answer}");
    let wrong = dig(
        address,
        &[
            "-y",
            "hmac-sha256:k:AAAAAAAAAAAAAAAAAAAAAA==",
            "www.example.com",
        ],
    );
    assert!(
        wrong.contains("NOTAUTH") && wrong.contains("BADSIG"),
        "{wrong}"
    );
    let unknown = dig(
        address,
        &[
            "-y",
            &format!("hmac-sha256:other:{SECRET}"),
            "www.example.com",
        ],
    );
    assert!(
        unknown.contains("NOTAUTH") && unknown.contains("BADKEY"),
        "{unknown}"
    );
    assert!(transferred(address, &["-y", &good]).len() > 10);
    let refused = dig(address, &["example.com", "AXFR"]);
    assert!(refused.contains("Transfer failed"), "{refused}");
}

#[test]
fn our_secondary_follows_our_primary_by_notify_and_ixfr() {
    if find("nsupdate").is_none() || find("dig").is_none() {
        skip!("nsupdate or dig")
    }
    let folder = tempfile::tempdir().expect("a folder");
    let zone = zone_file(folder.path(), peers::ZONE);
    let port = free_port();
    let notify = format!("127.0.0.1:{port}");
    let primary = dns_serve(&[
        "--zone",
        &zone,
        "--tsig",
        &tsig(),
        "--allow-update",
        "k",
        "--allow-transfer",
        "k",
        "--also-notify",
        &notify,
    ]);
    let from = format!("example.com@{}", primary.address("dns"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_dns-serve"));
    command.args([
        "--listen",
        &notify,
        "--secondary",
        &from,
        "--tsig",
        &tsig(),
        "--secondary-key",
        "k",
        "--allow-transfer",
        "127.0.0.1",
    ]);
    let secondary = OurServer::start(&mut command, 1);
    let address = secondary.address("dns");
    wait_until("the first transfer", || serial(address) == Some(1));
    let (ok, text) = update(
        "nsupdate",
        primary.address("dns"),
        true,
        "update add one.example.com 60 A 192.0.2.91\nupdate delete www.example.com A",
    )
    .expect("nsupdate");
    assert!(ok, "{text}");
    wait_until("the change", || serial(address) == Some(2));
    let key = format!("hmac-sha256:k:{SECRET}");
    assert_eq!(
        transferred(address, &[]),
        transferred(primary.address("dns"), &["-y", &key])
    );
    // It came as a change, and can be handed on as one.
    let changes = dig(address, &["example.com", "IXFR=1", "+noall", "+answer"]);
    let lines: Vec<_> = changes
        .lines()
        .filter(|line| !line.starts_with(';') && !line.is_empty())
        .collect();
    assert_eq!(lines.len(), 7, "{changes}");
    let deleted = |text: &str| lines.iter().any(|line| line.contains(text));
    assert!(
        deleted("192.0.2.1") && deleted("192.0.2.2") && deleted("192.0.2.91"),
        "{changes}"
    );
}

fn nsd_secondary(folder: &Path, port: u16, primary: SocketAddr) -> Option<Process> {
    let program = find("nsd")?;
    let dir = folder.display();
    let config = format!(
        r#"server:
  ip-address: 127.0.0.1@{port}
  server-count: 1
  username: ""
  chroot: ""
  zonesdir: "{dir}"
  database: ""
  pidfile: "{dir}/nsd.pid"
  xfrdfile: "{dir}/xfrd.state"
  zonelistfile: "{dir}/zone.list"
  cookie-secret-file: "{dir}/cookie"
  logfile: "{dir}/nsd.log"
  xfrd-reload-timeout: 0
remote-control:
  control-enable: no
key:
  name: "k."
  algorithm: hmac-sha256
  secret: "{SECRET}"
zone:
  name: example.com
  zonefile: copy.zone
  allow-notify: 127.0.0.1 NOKEY
  request-xfr: 127.0.0.1@{primary} k.
  provide-xfr: 127.0.0.0/8 NOKEY
"#,
        primary = primary.port()
    );
    std::fs::write(folder.join("nsd.conf"), config).expect("a file");
    let mut command = Command::new(program);
    command.arg("-d").arg("-c").arg(folder.join("nsd.conf"));
    Some(Process::start(command.stderr(Stdio::null())))
}

fn named_secondary(folder: &Path, port: u16, primary: SocketAddr) -> Option<Process> {
    let program = find("named")?;
    let dir = folder.display();
    let config = format!(
        r#"key "k." {{ algorithm hmac-sha256; secret "{SECRET}"; }};
options {{
  directory "{dir}";
  listen-on port {port} {{ 127.0.0.1; }};
  listen-on-v6 {{ none; }};
  pid-file "{dir}/named.pid";
  session-keyfile "{dir}/session.key";
  managed-keys-directory "{dir}";
  recursion no;
  dnssec-validation no;
  notify no;
  allow-transfer {{ any; }};
}};
controls {{ }};
zone "example.com" {{
  type secondary;
  file "copy.zone";
  masterfile-format text;
  allow-notify {{ 127.0.0.1; }};
  primaries {{ 127.0.0.1 port {primary} key "k."; }};
}};
"#,
        primary = primary.port()
    );
    std::fs::write(folder.join("named.conf"), config).expect("a file");
    let mut command = Command::new(program);
    command.args(["-f", "-c"]).arg(folder.join("named.conf"));
    Some(Process::start(
        command.stdout(Stdio::null()).stderr(Stdio::null()),
    ))
}

/// Starts a real secondary, and gives it a change to follow.
fn follows_us(name: &str, start: impl FnOnce(&Path, u16, SocketAddr) -> Option<Process>) {
    if find(name).is_none() || find("nsupdate").is_none() || find("dig").is_none() {
        skip!("{name}, nsupdate or dig")
    }
    let folder = tempfile::tempdir().expect("a folder");
    let zone = zone_file(folder.path(), &peers::zone_text());
    let port = free_port();
    let primary = dns_serve(&[
        "--zone",
        &zone,
        "--tsig",
        &tsig(),
        "--allow-update",
        "k",
        "--allow-transfer",
        "k",
        "--also-notify",
        &format!("127.0.0.1:{port}"),
    ]);
    let address = primary.address("dns");
    let copies = SocketAddr::from(([127, 0, 0, 1], port));
    let _process = start(folder.path(), port, address).expect("installed");
    wait_until("the first transfer", || serial(copies) == Some(1));
    let key = format!("hmac-sha256:k:{SECRET}");
    assert_eq!(
        transferred(copies, &[]),
        transferred(address, &["-y", &key]),
        "{name}"
    );
    let (ok, text) = update(
        "nsupdate",
        address,
        true,
        "update add one.example.com 60 A 192.0.2.91",
    )
    .expect("nsupdate");
    assert!(ok, "{text}");
    wait_until("the change", || serial(copies) == Some(2));
    assert_eq!(
        dig(copies, &["+short", "one.example.com"]).trim(),
        "192.0.2.91",
        "{name}"
    );
    assert_eq!(
        transferred(copies, &[]),
        transferred(address, &["-y", &key]),
        "{name}"
    );
}

#[test]
fn nsd_copies_our_zone_with_tsig_and_follows_an_update() {
    follows_us("nsd", nsd_secondary);
}

#[test]
fn named_copies_our_zone_with_tsig_and_follows_an_update() {
    follows_us("named", named_secondary);
}

#[test]
fn we_copy_zones_of_nsd_and_named_with_tsig() {
    if find("dig").is_none() {
        skip!("dig")
    }
    for program in ["nsd", "named"] {
        // A primary of ours for the real server, the real server in the middle, a secondary of ours.
        let folder = tempfile::tempdir().expect("a folder");
        let zone = zone_file(folder.path(), &peers::zone_text());
        let port = free_port();
        let notify = format!("127.0.0.1:{port}");
        let primary = dns_serve(&[
            "--zone",
            &zone,
            "--tsig",
            &tsig(),
            "--allow-transfer",
            "k",
            "--also-notify",
            &notify,
        ]);
        let started = match program {
            "nsd" => nsd_secondary(folder.path(), port, primary.address("dns")),
            _ => named_secondary(folder.path(), port, primary.address("dns")),
        };
        let Some(_process) = started else {
            skip!("{program}")
        };
        let middle = SocketAddr::from(([127, 0, 0, 1], port));
        wait_until("the transfer to the middle", || serial(middle) == Some(1));
        let from = format!("example.com@{middle}");
        let ours = dns_serve(&["--secondary", &from, "--allow-transfer", "127.0.0.1"]);
        let address = ours.address("dns");
        wait_until("the transfer to us", || serial(address) == Some(1));
        assert_eq!(
            transferred(address, &[]),
            transferred(middle, &[]),
            "{program}"
        );
    }
}

#[test]
fn named_primary_with_tsig_gives_us_its_zone_and_its_changes() {
    let Some(named) = find("named") else {
        skip!("named")
    };
    if find("nsupdate").is_none() || find("dig").is_none() {
        skip!("nsupdate or dig")
    }
    let folder = tempfile::tempdir().expect("a folder");
    let (dir, port, ours) = (
        folder.path().display().to_string(),
        free_port(),
        free_port(),
    );
    std::fs::write(folder.path().join("example.com.zone"), peers::ZONE).expect("a file");
    let config = format!(
        r#"key "k." {{ algorithm hmac-sha256; secret "{SECRET}"; }};
options {{
  directory "{dir}";
  listen-on port {port} {{ 127.0.0.1; }};
  listen-on-v6 {{ none; }};
  pid-file "{dir}/named.pid";
  session-keyfile "{dir}/session.key";
  managed-keys-directory "{dir}";
  recursion no;
  dnssec-validation no;
  notify explicit;
  also-notify {{ 127.0.0.1 port {ours}; }};
  notify-delay 0;
  allow-transfer {{ key "k."; }};
}};
controls {{ }};
zone "example.com" {{ type primary; file "example.com.zone"; allow-update {{ key "k."; }}; }};
"#
    );
    std::fs::write(folder.path().join("named.conf"), config).expect("a file");
    let mut command = Command::new(named);
    command
        .args(["-f", "-c"])
        .arg(folder.path().join("named.conf"));
    let _process = Process::start(command.stdout(Stdio::null()).stderr(Stdio::null()));
    let primary = SocketAddr::from(([127, 0, 0, 1], port));
    wait_until("named", || serial(primary) == Some(1));
    let (listen, from) = (
        format!("127.0.0.1:{ours}"),
        format!("example.com@{primary}"),
    );
    let mut command = Command::new(env!("CARGO_BIN_EXE_dns-serve"));
    command.args([
        "--listen",
        &listen,
        "--secondary",
        &from,
        "--tsig",
        &tsig(),
        "--secondary-key",
        "k",
        "--allow-transfer",
        "127.0.0.1",
    ]);
    let server = OurServer::start(&mut command, 1);
    let copy = server.address("dns");
    wait_until("the transfer", || serial(copy) == Some(1));
    let (ok, text) = update(
        "nsupdate",
        primary,
        true,
        "update add one.example.com 60 A 192.0.2.91\nupdate delete mail.example.com",
    )
    .expect("nsupdate");
    assert!(ok, "{text}");
    wait_until("the change", || serial(copy) == Some(2));
    let key = format!("hmac-sha256:k:{SECRET}");
    assert_eq!(transferred(copy, &[]), transferred(primary, &["-y", &key]));
}
