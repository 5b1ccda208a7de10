//! Zones that travel between dns-serve, nsd and named, in every direction, signed, by notification.

#[path = "support/dns.rs"]
mod dns;
mod support;

use dns::{
    SECRET, dig, dns_serve_with_log, serial, transferred, tsig, update, wait_until, zone_file,
};
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use support::{OurServer, Process, find, free_port, peers, run_ok, skip};

/// A key of the same name whose secret is another.
const WRONG: &str = "AAAAAAAAAAAAAAAAAAAAAA==";

fn localhost(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

/// The key as dig takes it.
fn dig_key() -> String {
    format!("hmac-sha256:k:{SECRET}")
}

/// nsd with one zone, and the key with this secret.
fn nsd(folder: &Path, port: u16, secret: &str, zone: &str) -> Option<Process> {
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
  logfile: "{dir}/log"
  verbosity: 2
  xfrd-reload-timeout: 0
remote-control:
  control-enable: no
key:
  name: "k."
  algorithm: hmac-sha256
  secret: "{secret}"
zone:
  name: example.com
{zone}
"#
    );
    fs::write(folder.join("nsd.conf"), config).expect("a file");
    let mut command = Command::new(program);
    command.arg("-d").arg("-c").arg(folder.join("nsd.conf"));
    Some(Process::start(command.stderr(Stdio::null())))
}

fn nsd_secondary(folder: &Path, port: u16, secret: &str, primary: SocketAddr) -> Option<Process> {
    let zone = format!(
        "  zonefile: copy.zone\n  allow-notify: 127.0.0.1 NOKEY\n  \
         request-xfr: 127.0.0.1@{} k.\n  provide-xfr: 127.0.0.0/8 NOKEY",
        primary.port()
    );
    nsd(folder, port, secret, &zone)
}

fn nsd_primary(folder: &Path, port: u16, secret: &str, copy: SocketAddr) -> Option<Process> {
    let zone = format!(
        "  zonefile: example.com.zone\n  provide-xfr: 127.0.0.0/8 k.\n  notify: 127.0.0.1@{} NOKEY",
        copy.port()
    );
    nsd(folder, port, secret, &zone)
}

/// named with one zone, and the key with this secret.
fn named(folder: &Path, port: u16, secret: &str, options: &str, zone: &str) -> Option<Process> {
    let program = find("named")?;
    let dir = folder.display();
    let config = format!(
        r#"key "k." {{ algorithm hmac-sha256; secret "{secret}"; }};
options {{
  directory "{dir}";
  listen-on port {port} {{ 127.0.0.1; }};
  listen-on-v6 {{ none; }};
  pid-file "{dir}/named.pid";
  session-keyfile "{dir}/session.key";
  managed-keys-directory "{dir}";
  recursion no;
  dnssec-validation no;
  {options}
}};
controls {{ }};
zone "example.com" {{ {zone} }};
"#
    );
    fs::write(folder.join("named.conf"), config).expect("a file");
    let log = fs::File::create(folder.join("log")).expect("a file");
    let mut command = Command::new(program);
    command.args(["-g", "-c"]).arg(folder.join("named.conf"));
    Some(Process::start(command.stdout(Stdio::null()).stderr(log)))
}

fn named_secondary(folder: &Path, port: u16, secret: &str, primary: SocketAddr) -> Option<Process> {
    let zone = format!(
        r#"type secondary; file "copy.zone"; masterfile-format text; allow-notify {{ 127.0.0.1; }};
  primaries {{ 127.0.0.1 port {} key "k."; }};"#,
        primary.port()
    );
    let options = "notify no; allow-transfer { any; };";
    named(folder, port, secret, options, &zone)
}

fn named_primary(folder: &Path, port: u16, secret: &str, copy: SocketAddr) -> Option<Process> {
    let options = format!(
        r#"notify explicit; also-notify {{ 127.0.0.1 port {}; }}; notify-delay 0;
  allow-transfer {{ key "k."; }};"#,
        copy.port()
    );
    let zone = r#"type primary; file "example.com.zone"; allow-update { key "k."; };"#;
    named(folder, port, secret, &options, zone)
}

fn log_of(folder: &Path) -> String {
    fs::read_to_string(folder.join("log")).unwrap_or_default()
}

/// Our primary, which gives its zone to the key alone and tells one secondary of changes.
fn our_primary(folder: &Path, text: &str, copy: u16) -> OurServer {
    let zone = zone_file(folder, text);
    let words = [
        "--verbose",
        "--zone",
        &zone,
        "--tsig",
        &tsig(),
        "--allow-update",
        "k",
        "--allow-transfer",
        "k",
        "--also-notify",
        &localhost(copy).to_string(),
    ];
    dns_serve_with_log("127.0.0.1:0", &words, &folder.join("ours"))
}

/// Our secondary, which asks with a key of this secret, and gives the copy to anybody.
fn our_secondary(folder: &Path, port: u16, secret: &str, primary: SocketAddr) -> OurServer {
    let from = format!("example.com@{primary}");
    let words = [
        "--verbose",
        "--secondary",
        &from,
        "--tsig",
        &format!("k:hmac-sha256:{secret}"),
        "--secondary-key",
        "k",
        "--allow-transfer",
        "127.0.0.1",
    ];
    dns_serve_with_log(&localhost(port).to_string(), &words, &folder.join("ours"))
}

fn our_log(folder: &Path) -> String {
    fs::read_to_string(folder.join("ours")).unwrap_or_default()
}

const CHANGE: &str = "update add one.example.com 60 A 192.0.2.91\nupdate delete www.example.com A";

#[test]
fn our_secondary_follows_our_primary_by_notify_and_ixfr() {
    if find("nsupdate").is_none() || find("dig").is_none() {
        skip!("nsupdate or dig")
    }
    let folder = tempfile::tempdir().expect("a folder");
    let copies = tempfile::tempdir().expect("a folder");
    let port = free_port();
    let process = our_primary(folder.path(), peers::ZONE, port);
    let primary = process.address("dns");
    let secondary = our_secondary(copies.path(), port, SECRET, primary);
    let address = secondary.address("dns");
    wait_until("the first transfer", || serial(address) == Some(1));
    let (ok, text) = update("nsupdate", primary, true, CHANGE).expect("nsupdate");
    assert!(ok, "{text}");
    wait_until("the change", || serial(address) == Some(2));
    assert_eq!(
        transferred(address, &[]),
        transferred(primary, &["-y", &dig_key()])
    );
    let log = our_log(copies.path());
    assert!(log.contains("notified by"), "{log}");
    let came = format!("serial 2 from {primary}, changes");
    assert!(log.contains(&came), "{log}");
    // What came as a change can be handed on as one: four SOA records, two that went, one that came.
    let changes = dig(address, &["example.com", "IXFR=1", "+noall", "+answer"]);
    let lines: Vec<_> = changes
        .lines()
        .filter(|line| !line.starts_with(';') && !line.is_empty())
        .collect();
    assert_eq!(lines.len(), 7, "{changes}");
    for address in ["192.0.2.1", "192.0.2.2", "192.0.2.91"] {
        let told = lines.iter().any(|line| line.ends_with(address));
        assert!(told, "{address} in {changes}");
    }
}

/// Starts a server with its zone or its copy of one: the folder, its port, the secret of its key,
/// and the server at the other end.
type Start = fn(&Path, u16, &str, SocketAddr) -> Option<Process>;

/// A real secondary copies our zone, and follows a change that nsupdate makes.
fn follows_us(name: &str, start: Start) {
    if find(name).is_none() || find("nsupdate").is_none() || find("dig").is_none() {
        skip!("{name}, nsupdate or dig")
    }
    let folder = tempfile::tempdir().expect("a folder");
    let port = free_port();
    let ours = our_primary(folder.path(), &peers::zone_text(), port);
    let (address, copy) = (ours.address("dns"), localhost(port));
    let _process = start(folder.path(), port, SECRET, address).expect("installed");
    wait_until("the first transfer", || serial(copy) == Some(1));
    let same = || {
        assert_eq!(
            transferred(copy, &[]),
            transferred(address, &["-y", &dig_key()]),
            "{name}"
        );
    };
    same();
    let (ok, text) = update("nsupdate", address, true, CHANGE).expect("nsupdate");
    assert!(ok, "{text}");
    wait_until("the change", || serial(copy) == Some(2));
    same();
    let log = our_log(folder.path());
    let gave = |what: &str| log.lines().any(|line| line.ends_with(what));
    assert!(gave(", whole") && gave(", changes"), "{name}: {log}");
    let answered = format!("{copy} was notified, answer: true");
    wait_until("the answer to the notification", || {
        our_log(folder.path()).contains(&answered)
    });
}

#[test]
fn nsd_copies_our_zone_with_tsig_and_follows_an_update_by_notify_and_ixfr() {
    follows_us("nsd", nsd_secondary);
}

#[test]
fn named_copies_our_zone_with_tsig_and_follows_an_update_by_notify_and_ixfr() {
    follows_us("named", named_secondary);
}

/// A real secondary with a wrong secret gets nothing from us, and says why.
fn is_refused_by_us(name: &str, start: Start, says: &str) {
    if find(name).is_none() || find("dig").is_none() {
        skip!("{name} or dig")
    }
    let folder = tempfile::tempdir().expect("a folder");
    let port = free_port();
    let ours = our_primary(folder.path(), peers::ZONE, port);
    let mut process = start(folder.path(), port, WRONG, ours.address("dns")).expect("installed");
    wait_until("a word about the signature", || {
        process.check();
        log_of(folder.path()).contains(says)
    });
    assert_eq!(serial(localhost(port)), None, "{name} has no zone");
    assert!(!our_log(folder.path()).contains(", whole"), "{name}");
}

#[test]
fn nsd_with_a_wrong_key_gets_no_zone_from_us() {
    is_refused_by_us("nsd", nsd_secondary, "NOT AUTH");
}

#[test]
fn named_with_a_wrong_key_gets_no_zone_from_us() {
    is_refused_by_us("named", named_secondary, "tsig indicates error");
}

/// We copy the zone of a real primary that gives it to the key alone.
fn is_copied_by_us(name: &str, start: Start, change: impl FnOnce(&Path, SocketAddr), how: &str) {
    if find(name).is_none() || find("dig").is_none() || find("nsupdate").is_none() {
        skip!("{name}, dig or nsupdate")
    }
    let folder = tempfile::tempdir().expect("a folder");
    let (port, ours) = (free_port(), free_port());
    let file = folder.path().join("example.com.zone");
    fs::write(&file, peers::zone_text()).expect("a file");
    let mut process = start(folder.path(), port, SECRET, localhost(ours)).expect("installed");
    let primary = localhost(port);
    wait_until(name, || {
        process.check();
        serial(primary) == Some(1)
    });
    // Unsigned, nobody gets it: the key is what counts.
    let refused = dig(primary, &["example.com", "AXFR"]);
    assert!(refused.contains("Transfer failed"), "{name}: {refused}");
    // With another secret, we do not either.
    {
        let folder = tempfile::tempdir().expect("a folder");
        let wrong = our_secondary(folder.path(), 0, WRONG, primary);
        let said = format!("example.com.: {primary}: ");
        wait_until("a word about the failure", || {
            our_log(folder.path()).contains(&said)
        });
        let log = our_log(folder.path());
        assert!(!log.contains(", whole"), "{name}: {log}");
        assert_eq!(serial(wrong.address("dns")), None, "{name}: {log}");
    }
    let server = our_secondary(folder.path(), ours, SECRET, primary);
    let copy = server.address("dns");
    wait_until("the transfer", || serial(copy) == Some(1));
    let same = || {
        assert_eq!(
            transferred(copy, &[]),
            transferred(primary, &["-y", &dig_key()]),
            "{name}"
        );
    };
    same();
    change(folder.path(), primary);
    wait_until("the change", || serial(copy) == Some(2));
    same();
    let log = our_log(folder.path());
    assert!(log.contains("notified by"), "{name}: {log}");
    let came = format!("serial 2 from {primary}, {how}");
    assert!(log.contains(&came), "{name}: {log}");
}

#[test]
fn we_copy_the_zone_of_nsd_with_tsig_and_follow_a_new_file_by_notify() {
    let reload = |folder: &Path, _: SocketAddr| {
        let text = peers::zone_text().replace(" 1 60 60 600 60", " 2 60 60 600 60");
        let file = folder.join("example.com.zone");
        // A server compares the times of files in whole seconds: this one is from the future.
        fs::write(&file, text + "one A 192.0.2.91\n").expect("a file");
        run_ok(Command::new("touch").args(["-d", "+1 hour"]).arg(&file));
        let pid = fs::read_to_string(folder.join("nsd.pid")).expect("a pid");
        run_ok(Command::new("kill").args(["-HUP", pid.trim()]));
    };
    is_copied_by_us("nsd", nsd_primary, reload, "whole");
}

#[test]
fn we_copy_the_zone_of_named_with_tsig_and_follow_an_update_by_notify_and_ixfr() {
    let nsupdate = |_: &Path, primary: SocketAddr| {
        let (ok, text) = update("nsupdate", primary, true, CHANGE).expect("nsupdate");
        assert!(ok, "{text}");
    };
    is_copied_by_us("named", named_primary, nsupdate, "changes");
}

/// RFC 9103: a copy over TLS, from a primary that proves its address; none from a stranger.
#[test]
fn our_secondary_copies_over_tls_from_a_primary_that_it_trusts() {
    if find("dig").is_none() {
        skip!("dig")
    }
    let folder = tempfile::tempdir().expect("a folder");
    let zone = zone_file(folder.path(), &peers::zone_text());
    support::certificate(folder.path());
    let cert = folder.path().join("cert.pem");
    let mut command = Command::new(env!("CARGO_BIN_EXE_dns-serve"));
    command.args(["--listen", "127.0.0.1:0", "--tls-listen", "127.0.0.1:0"]);
    command.args(["--zone", &zone, "--allow-transfer", "k", "--tsig", &tsig()]);
    command.arg("--cert").arg(&cert);
    command.arg("--key").arg(folder.path().join("key.pem"));
    let primary = OurServer::start(&mut command, 2);
    let from = format!("example.com@{}", primary.address("dot"));
    let from_address = primary.address("dot").to_string();
    let secondary = |ca: &Path, log: &Path| {
        let words = [
            "--tsig",
            &tsig(),
            "--secondary-key",
            "k",
            "--allow-transfer",
            "127.0.0.1",
        ];
        let ca = ca.display().to_string();
        let more = ["--secondary", &from, "--secondary-ca", &ca, "--verbose"];
        dns_serve_with_log("127.0.0.1:0", &[&words[..], &more].concat(), log)
    };
    let copy = secondary(&cert, &folder.path().join("log"));
    wait_until("the transfer", || serial(copy.address("dns")) == Some(1));
    assert_eq!(
        transferred(copy.address("dns"), &[]),
        transferred(primary.address("dns"), &["-y", &dig_key()])
    );
    let strangers = tempfile::tempdir().expect("a folder");
    support::certificate(strangers.path());
    let log = strangers.path().join("log");
    let copy = secondary(&strangers.path().join("cert.pem"), &log);
    wait_until("the failure", || {
        fs::read_to_string(&log).is_ok_and(|text| text.contains(&from_address))
    });
    assert_eq!(serial(copy.address("dns")), None);
}
