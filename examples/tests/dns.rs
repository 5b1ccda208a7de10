//! DNS with real programs: dig and kdig ask our server, dns-dig asks nsd and named.

mod support;

use std::net::SocketAddr;
use std::process::Command;
use support::{OurServer, find, peers, run, run_ok, skip};

fn our_server() -> OurServer {
    let program = env!("CARGO_BIN_EXE_loop-mio");
    OurServer::start(Command::new(program).args(["serve", "127.0.0.1:0"]), OURS)
}

/// How many lines `loop-mio` says before it is ready.
const OURS: usize = 2;

fn dns_dig(server: SocketAddr, words: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dns-dig"));
    run_ok(command.arg(format!("@{server}")).args(words))
}

fn sorted(text: &str) -> Vec<&str> {
    let mut lines: Vec<_> = text.lines().collect();
    lines.sort_unstable();
    lines
}

/// What dig, kdig and dns-dig print alike for our own zones.
const SCENES: [(&[&str], &[&str]); 7] = [
    (&["www.networkutopia.com", "A"], &["212.212.71.4"]),
    (
        &["www.ibm.com", "A"],
        &["129.42.38.1", "servereast.backup2.ibm.com."],
    ),
    (
        &["networkutopia.com", "MX"],
        &["10 mail.networkutopia.com."],
    ),
    (&["networkutopia.com", "NS"], &["dns1.networkutopia.com."]),
    (
        &["many.networkutopia.com", "A"],
        &[
            "212.212.71.101",
            "212.212.71.102",
            "212.212.71.103",
            "212.212.71.104",
        ],
    ),
    (&["nothing.networkutopia.com", "A"], &[]),
    (
        &["networkutopia.com", "SOA"],
        &["dns1.networkutopia.com. hostmaster.networkutopia.com. 1 7200 900 1209600 300"],
    ),
];

#[test]
fn dig_and_kdig_and_dns_dig_get_the_same_answers_from_our_server() {
    let server = our_server();
    let address = server.address("dns");
    let port = address.port().to_string();
    let (Some(dig), Some(kdig)) = (find("dig"), find("kdig")) else {
        skip!("dig or kdig")
    };
    for (question, expected) in SCENES {
        for transport in ["+notcp", "+tcp"] {
            for program in [&dig, &kdig] {
                let mut command = Command::new(program);
                command
                    .args(["@127.0.0.1", "-p", &port, transport, "+short"])
                    .args(question);
                assert_eq!(
                    sorted(&run_ok(&mut command)),
                    expected,
                    "{program:?} {question:?}"
                );
            }
            let mut words = question.to_vec();
            words.extend([transport, "+short"]);
            assert_eq!(
                sorted(&dns_dig(address, &words)),
                expected,
                "dns-dig {question:?}"
            );
        }
    }
}

#[test]
fn dig_sees_the_flags_and_codes_of_an_authority() {
    let Some(dig) = find("dig") else { skip!("dig") };
    let server = our_server();
    let port = server.address("dns").port().to_string();
    let ask = |words: &[&str]| {
        run_ok(
            Command::new(&dig)
                .args(["@127.0.0.1", "-p", &port])
                .args(words),
        )
    };
    let known = ask(&["www.networkutopia.com"]);
    assert!(
        known.contains("status: NOERROR") && known.contains("flags: qr aa rd;"),
        "{known}"
    );
    assert!(
        known.contains("EDNS: version: 0") && known.contains("udp: 1232"),
        "{known}"
    );
    let unknown = ask(&["nothing.networkutopia.com"]);
    assert!(
        unknown.contains("status: NXDOMAIN") && unknown.contains("SOA"),
        "{unknown}"
    );
    let elsewhere = ask(&["example.org"]);
    assert!(elsewhere.contains("status: REFUSED"), "{elsewhere}");
    let version = ask(&["www.networkutopia.com", "+edns=1", "+noednsneg"]);
    assert!(version.contains("status: BADVERS"), "{version}");
    let update = ask(&["www.networkutopia.com", "+opcode=5"]);
    assert!(update.contains("status: NOTIMP"), "{update}");
    let cut = ask(&["huge.networkutopia.com", "TXT", "+ignore"]);
    assert!(cut.contains("flags: qr aa tc rd;"), "{cut}");
    let whole = ask(&["huge.networkutopia.com", "TXT"]);
    assert!(whole.contains("ANSWER: 30"), "{whole}");
}

fn ask_a_real_server(name: &str, address: SocketAddr) {
    let scenes: [(&[&str], &[&str]); 9] = [
        (&["www.example.com"], &["192.0.2.1", "192.0.2.2"]),
        (&["www.example.com", "AAAA"], &["2001:db8::1"]),
        (
            &["alias.example.com"],
            &["192.0.2.1", "192.0.2.2", "www.example.com."],
        ),
        (&["example.com", "MX"], &["10 mail.example.com."]),
        (&["example.com", "NS"], &["ns1.example.com."]),
        (
            &["example.com", "SOA"],
            &["ns1.example.com. hostmaster.example.com. 1 60 60 600 60"],
        ),
        (
            &["example.com", "TXT"],
            &[r#""one string" "another; \"quoted\"""#],
        ),
        (&["weird.example.com", "TYPE65280"], &[r"\# 4 01020304"]),
        (&["nothing.example.com"], &[]),
    ];
    for (question, expected) in scenes {
        for transport in ["+notcp", "+tcp"] {
            let mut words = question.to_vec();
            words.extend(["+short", transport]);
            assert_eq!(
                sorted(&dns_dig(address, &words)),
                expected,
                "{name} {question:?}"
            );
        }
    }
    let whole = dns_dig(address, &["huge.example.com", "TXT"]);
    assert!(
        whole.contains("ANSWER: 60") && whole.contains("(TCP)"),
        "{name}: {whole}"
    );
    let unknown = dns_dig(address, &["nothing.example.com"]);
    assert!(unknown.contains("status: NXDOMAIN"), "{name}: {unknown}");
    let refused = dns_dig(address, &["example.org"]);
    assert!(refused.contains("status: REFUSED"), "{name}: {refused}");
}

#[test]
fn nsd_answers_dns_dig() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some((_process, address)) = peers::nsd(folder.path()) else {
        skip!("nsd")
    };
    ask_a_real_server("nsd", address);
}

#[test]
fn named_answers_dns_dig() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some((_process, address)) = peers::named(folder.path()) else {
        skip!("named")
    };
    ask_a_real_server("named", address);
}

#[test]
fn nobody_there_is_told_in_words_and_wrong_arguments_with_status_2() {
    let program = env!("CARGO_BIN_EXE_dns-dig");
    let nobody = format!("@127.0.0.1:{}", support::free_port());
    let output = run(Command::new(program).args([&nobody, "example.com", "+time=1", "+tries=1"]));
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("no answer in time"));
    for words in [
        &["example.com"][..],
        &["@nowhere", "example.com"],
        &["@127.0.0.1"],
        &["@127.0.0.1", "example.com", "+unknown"],
        &["@127.0.0.1", "example.com", "NOTYPE"],
        &["@127.0.0.1", "a..b"],
        &["@127.0.0.1", "example.com", "--unknown"],
    ] {
        let output = run(Command::new(program).args(words));
        assert_eq!(output.status.code(), Some(2), "{words:?}");
        assert!(!output.stderr.is_empty(), "{words:?}");
    }
}
