//! dns-serve with real programs: dig, kdig and drill ask it, nsupdate and knsupdate change its
//! zones.

#[path = "support/dns.rs"]
mod dns;
mod support;

use dns::{SECRET, dig, dns_serve, serial, transferred, tsig, update, wait_until, zone_file};
use std::net::SocketAddr;
use std::process::Command;
use support::{OurServer, find, peers, run, run_ok, skip};

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
fn attack_45_files_that_include_each_other_end_with_an_error() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = "$TTL 60\n@ SOA ns h 1 2 3 4 5\n@ NS ns\n$INCLUDE zone\n";
    let zone = zone_file(folder.path(), text);
    let program = env!("CARGO_BIN_EXE_dns-serve");
    let output = run(Command::new(program).args(["--listen", "127.0.0.1:0", "--zone", &zone]));
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(told.contains("too many files within files"), "{told}");
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
fn what_updates_changed_is_there_after_a_restart() {
    if find("nsupdate").is_none() || find("dig").is_none() {
        skip!("nsupdate or dig")
    }
    let folder = tempfile::tempdir().expect("a folder");
    let zone = zone_file(folder.path(), &peers::zone_text());
    let state = folder.path().join("state").display().to_string();
    let words = [
        "--zone",
        &zone,
        "--tsig",
        &tsig(),
        "--allow-update",
        "k",
        "--allow-transfer",
        "127.0.0.1",
        "--state",
        &state,
    ];
    let server = dns_serve(&words);
    let change = "update add new.example.com 60 TXT \"two words; and\" \"\\200\\\"\"\n\
                  update delete www.example.com AAAA";
    let (ok, text) = update("nsupdate", server.address("dns"), true, change).expect("nsupdate");
    assert!(ok, "{text}");
    let before = transferred(server.address("dns"), &[]);
    assert!(before.iter().any(|line| line.starts_with("new.")));
    drop(server);
    let server = dns_serve(&words);
    assert_eq!(transferred(server.address("dns"), &[]), before);
    assert_eq!(serial(server.address("dns")), Some(2));
    drop(server);
    // The file goes before, once its serial number is greater.
    let text = peers::ZONE.replace(" 1 60 60 600 60", " 3 60 60 600 60");
    zone_file(folder.path(), &text);
    let server = dns_serve(&words);
    assert_eq!(serial(server.address("dns")), Some(3));
    let gone = dig(server.address("dns"), &["new.example.com", "TXT"]);
    assert!(gone.contains("NXDOMAIN"), "{gone}");
}

#[test]
fn an_update_that_cannot_be_kept_is_undone_and_not_answered() {
    if find("nsupdate").is_none() || find("dig").is_none() {
        skip!("nsupdate or dig")
    }
    let folder = tempfile::tempdir().expect("a folder");
    let zone = zone_file(folder.path(), peers::ZONE);
    let state = folder.path().join("state");
    let server = dns_serve(&[
        "--zone",
        &zone,
        "--tsig",
        &tsig(),
        "--allow-update",
        "k",
        "--state",
        &state.display().to_string(),
    ]);
    std::fs::remove_dir_all(&state).expect("the folder");
    let lines = "update add new.example.com 60 A 192.0.2.77";
    let program = find("nsupdate").expect("nsupdate");
    let script = folder.path().join("script");
    let address = server.address("dns");
    let text = format!(
        "server 127.0.0.1 {}\nzone example.com\nkey hmac-sha256:k. {SECRET}\n{lines}\nsend\n",
        address.port()
    );
    std::fs::write(&script, text).expect("a file");
    let output = run(Command::new(program)
        .args(["-t", "2", "-u", "1", "-r", "0"])
        .arg(&script));
    assert!(!output.status.success());
    assert_eq!(serial(address), Some(1));
    assert_eq!(dig(address, &["+short", "new.example.com"]), "");
}

#[test]
fn a_copy_is_served_after_a_restart_without_its_primary() {
    if find("dig").is_none() {
        skip!("dig")
    }
    let folder = tempfile::tempdir().expect("a folder");
    let zone = zone_file(folder.path(), &peers::zone_text());
    let primary = dns_serve(&["--zone", &zone, "--allow-transfer", "127.0.0.1"]);
    let from = format!("example.com@{}", primary.address("dns"));
    let state = folder.path().join("state").display().to_string();
    let words = [
        "--secondary",
        &from,
        "--allow-transfer",
        "127.0.0.1",
        "--state",
        &state,
    ];
    let copy = dns_serve(&words);
    wait_until("the transfer", || serial(copy.address("dns")) == Some(1));
    let before = transferred(primary.address("dns"), &[]);
    drop((primary, copy));
    let copy = dns_serve(&words);
    assert_eq!(transferred(copy.address("dns"), &[]), before);
}

#[test]
fn dns_dig_asks_over_tls_and_trusts_whom_it_is_told_to_trust() {
    let folder = tempfile::tempdir().expect("a folder");
    let zone = zone_file(folder.path(), &peers::zone_text());
    support::certificate(folder.path());
    let (cert, key) = (
        folder.path().join("cert.pem"),
        folder.path().join("key.pem"),
    );
    let mut command = Command::new(env!("CARGO_BIN_EXE_dns-serve"));
    command.args(["--listen", "127.0.0.1:0", "--tls-listen", "127.0.0.1:0"]);
    command.args(["--zone", &zone, "--allow-transfer", "k", "--tsig", &tsig()]);
    command.arg("--cert").arg(&cert).arg("--key").arg(&key);
    let server = OurServer::start(&mut command, 2);
    let address = server.address("dot");
    let ca = format!("+tls-ca={}", cert.display());
    let question = ["www.example.com", "AAAA", "+short"];
    for words in [
        &["+tls"][..],
        &["+tls", &ca],
        &["+tls", &ca, "+tls-hostname=localhost"],
    ] {
        let words = [&question, words].concat();
        assert_eq!(dns_dig(address, &words).trim(), "2001:db8::1", "{words:?}");
    }
    let huge = dns_dig(address, &["huge.example.com", "TXT", "+tls"]);
    assert!(huge.contains("ANSWER: 60"), "{huge}");
    // RFC 9103: a transfer, signed, over TLS.
    let key = format!("hmac-sha256:k:{SECRET}");
    let zone = [
        "-y",
        &key,
        "example.com",
        "AXFR",
        "+tls",
        "+noall",
        "+answer",
    ];
    assert!(records(&dns_dig(address, &zone)).len() > 60);
    // Another name, another authority, and a server that speaks no TLS.
    let other = tempfile::tempdir().expect("a folder");
    support::certificate(other.path());
    let other = format!("+tls-ca={}", other.path().join("cert.pem").display());
    let plain = server.address("dns");
    for (address, words) in [
        (address, &["+tls", &ca, "+tls-hostname=example.org"][..]),
        (address, &["+tls", &other]),
        (plain, &["+tls", "+tries=1", "+time=1"]),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dns-dig"));
        command
            .arg(format!("@{address}"))
            .args(question)
            .args(words);
        let output = run(&mut command);
        assert_eq!(output.status.code(), Some(1), "{words:?}");
        assert!(output.stdout.is_empty(), "{words:?}");
    }
}
