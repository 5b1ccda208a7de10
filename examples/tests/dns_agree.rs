//! dns-serve, nsd and named serve the same zone; dig, kdig and drill ask all three the same: they
//! agree, section by section.

#[path = "support/dns.rs"]
mod dns;
mod support;

use dns::{dns_serve, wait_until, zone_file};
use std::collections::BTreeMap;
use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use support::{OurServer, Process, find, free_port, run_ok, skip};

/// One of everything that an authority answers differently.
const ZONE: &str = r#"$ORIGIN example.com.
$TTL 300
@        SOA   ns1 hostmaster 1 60 60 600 60
@        NS    ns1
@        NS    ns2
@        MX    10 mail
@        TXT   "one string" "another; \"quoted\""
ns1      A     127.0.0.1
ns2      A     127.0.0.2
ns2      AAAA  2001:db8::53
www      A     192.0.2.1
www      A     192.0.2.2
www      AAAA  2001:db8::1
alias    CNAME www
chain    CNAME alias
gone     CNAME nothing
out      CNAME www.example.org.
loop     CNAME loop
mail     A     192.0.2.25
_s._tcp  SRV   1 2 80 www
h        HTTPS 1 . alpn=h2 port=8443
c        CAA   0 issue "ca.example.net"
weird    TYPE65280 \# 4 01020304
a.b.c    TXT   "below empty non-terminals"
*.wild   A     192.0.2.77
*.wild   MX    5 mail
x.wild   TXT   "no wildcard here"
sub      NS    ns.sub
sub      NS    ns.elsewhere.net.
sub      DS    1 8 2 0000000000000000000000000000000000000000000000000000000000000000
ns.sub   A     192.0.2.53
ns.sub   AAAA  2001:db8::5353
old      DNAME www
far      DNAME example.org.
to.www   A     192.0.2.99
"#;

/// Names and types.
const QUESTIONS: &[(&str, &str)] = &[
    // Positive.
    ("www.example.com", "A"),
    ("WWW.eXample.com", "AAAA"),
    ("example.com", "SOA"),
    ("example.com", "NS"),
    ("example.com", "MX"),
    ("example.com", "TXT"),
    ("_s._tcp.example.com", "SRV"),
    ("h.example.com", "HTTPS"),
    ("c.example.com", "CAA"),
    ("weird.example.com", "TYPE65280"),
    // Aliases: within, in a row, to nothing, out of the zone, in a circle; and for itself.
    ("alias.example.com", "A"),
    ("chain.example.com", "AAAA"),
    ("alias.example.com", "CNAME"),
    ("alias.example.com", "MX"),
    ("gone.example.com", "A"),
    ("out.example.com", "A"),
    // No data, no name, and names that exist because others are below them.
    ("www.example.com", "MX"),
    ("nothing.example.com", "A"),
    ("nothing.www.example.com", "A"),
    ("b.c.example.com", "A"),
    ("c.example.com", "TXT"),
    ("x.b.c.example.com", "A"),
    // Wildcards: matched, with another type, shut out by a name, asked for themselves.
    ("any.wild.example.com", "A"),
    ("more.than.one.wild.example.com", "MX"),
    ("any.wild.example.com", "TXT"),
    ("x.wild.example.com", "A"),
    ("y.x.wild.example.com", "A"),
    ("*.wild.example.com", "A"),
    ("wild.example.com", "A"),
    // Delegations: at the cut, below it, its glue, and what the parent says of it.
    ("sub.example.com", "NS"),
    ("sub.example.com", "A"),
    ("deep.er.sub.example.com", "A"),
    ("ns.sub.example.com", "A"),
    ("sub.example.com", "DS"),
    // Redirections.
    ("to.old.example.com", "A"),
    ("nothing.old.example.com", "A"),
    ("old.example.com", "DNAME"),
    ("old.example.com", "A"),
    ("www.far.example.com", "A"),
    // Not ours.
    ("www.example.org", "A"),
];

fn zone() -> String {
    let mut zone = ZONE.to_owned();
    for number in 0..60 {
        zone.push_str(&format!("huge TXT \"{number:02}{}\"\n", "x".repeat(90)));
    }
    zone
}

fn wait_for_zone(address: SocketAddr) {
    // example.com, SOA, IN.
    let query = b"\x00\x01\0\0\0\x01\0\0\0\0\0\0\x07example\x03com\0\0\x06\0\x01";
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let timeout = Some(Duration::from_millis(100));
    socket.set_read_timeout(timeout).expect("a timeout");
    let mut reply = [0; 512];
    wait_until("the zone", || {
        let asked = socket.send_to(query, address);
        asked.is_ok() && socket.recv(&mut reply).is_ok() && reply[3] & 0x0f == 0
    });
}

fn nsd(folder: &Path) -> Option<(Process, SocketAddr)> {
    let program = find("nsd")?;
    let (dir, port) = (folder.display(), free_port());
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
  refuse-any: yes
  minimal-responses: yes
remote-control:
  control-enable: no
zone:
  name: example.com
  zonefile: zone
"#
    );
    fs::write(folder.join("nsd.conf"), config).expect("a file");
    let mut command = Command::new(program);
    command.arg("-d").arg("-c").arg(folder.join("nsd.conf"));
    let process = Process::start(command.stderr(Stdio::null()));
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    wait_for_zone(address);
    Some((process, address))
}

fn named(folder: &Path) -> Option<(Process, SocketAddr)> {
    let program = find("named")?;
    let (dir, port) = (folder.display(), free_port());
    let config = format!(
        r#"options {{
  directory "{dir}";
  listen-on port {port} {{ 127.0.0.1; }};
  listen-on-v6 {{ none; }};
  pid-file "{dir}/named.pid";
  session-keyfile "{dir}/session.key";
  managed-keys-directory "{dir}";
  recursion no;
  dnssec-validation no;
  notify no;
  minimal-any yes;
  minimal-responses yes;
  allow-transfer {{ none; }};
}};
controls {{ }};
zone "example.com" {{ type primary; file "zone"; check-names ignore; check-integrity no; }};
"#
    );
    fs::write(folder.join("named.conf"), config).expect("a file");
    let mut command = Command::new(program);
    command.args(["-f", "-c"]).arg(folder.join("named.conf"));
    let process = Process::start(command.stdout(Stdio::null()).stderr(Stdio::null()));
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    wait_for_zone(address);
    Some((process, address))
}

/// What a program printed of an answer: status, flags, and each section's records in order of their
/// text.
#[derive(Debug, Default, PartialEq, Eq)]
struct Answer {
    status: String,
    authoritative: bool,
    truncated: bool,
    sections: BTreeMap<&'static str, Vec<String>>,
}

/// Reads what dig, kdig and drill print alike.
fn read(text: &str) -> Answer {
    let mut answer = Answer::default();
    let mut section = None;
    for line in text.lines() {
        let lower = line.to_lowercase();
        let after = |mark: &str| {
            let (_, rest) = lower.split_once(mark)?;
            let word = rest.split([',', ';']).next()?;
            Some(word.trim().to_owned())
        };
        if let Some(status) = after("status:").or_else(|| after("rcode:")) {
            answer.status = status;
        }
        if let Some(flags) = after("flags:").filter(|_| answer.sections.is_empty()) {
            let has = |flag| flags.split(' ').any(|word| word == flag);
            // The line of EDNS has flags too, and neither of these.
            answer.authoritative |= has("aa");
            answer.truncated |= has("tc");
        }
        if lower.contains("section:") {
            section = ["answer", "authority", "additional"]
                .into_iter()
                .find(|name| lower.contains(name));
            continue;
        }
        if line.starts_with(';') || line.is_empty() {
            continue;
        }
        if let Some(section) = section {
            let words: Vec<_> = lower.split_whitespace().collect();
            let records = answer.sections.entry(section).or_default();
            records.push(words.join(" "));
            records.sort();
        }
    }
    answer
}

fn ask(program: &Path, server: SocketAddr, question: (&str, &str), more: &[&str]) -> Answer {
    let (name, port) = (question.0, server.port().to_string());
    let mut command = Command::new(program);
    if program.ends_with("drill") {
        command
            .args(more)
            .args(["-p", &port, name, "@127.0.0.1", question.1]);
    } else {
        command.args(["@127.0.0.1", "-p", &port, "+norec", "+nocookie"]);
        command.args(more).args(["-t", question.1, "-q", name]);
    }
    read(&run_ok(&mut command))
}

struct World {
    ours: (OurServer, SocketAddr),
    others: Vec<(&'static str, Process, SocketAddr)>,
    _folders: Vec<tempfile::TempDir>,
}

/// The same zone, served three times.
fn world() -> Option<World> {
    let folders: Vec<_> = (0..3)
        .map(|_| {
            let folder = tempfile::tempdir().expect("a folder");
            zone_file(folder.path(), &zone());
            folder
        })
        .collect();
    let zone = format!("example.com={}", folders[0].path().join("zone").display());
    let ours = dns_serve(&["--zone", &zone]);
    let address = ours.address("dns");
    let (nsd, nsd_at) = nsd(folders[1].path())?;
    let (named, named_at) = named(folders[2].path())?;
    Some(World {
        ours: (ours, address),
        others: vec![("nsd", nsd, nsd_at), ("named", named, named_at)],
        _folders: folders,
    })
}

/// A program, and the words by which it asks over UDP and over TCP.
type Asker = (PathBuf, [&'static [&'static str]; 2]);

fn programs() -> Option<Vec<Asker>> {
    let (dig, kdig, drill) = (find("dig")?, find("kdig")?, find("drill")?);
    Some(vec![
        (dig, [&["+notcp"], &["+tcp"]]),
        (kdig, [&["+notcp"], &["+tcp"]]),
        (drill, [&["-o", "rd"], &["-t", "-o", "rd"]]),
    ])
}

#[test]
fn dig_kdig_and_drill_get_from_us_what_nsd_and_named_give_section_by_section() {
    let (Some(programs), Some(world)) = (programs(), world()) else {
        skip!("dig, kdig, drill, nsd or named")
    };
    let (mut compared, mut additional) = (0, 0);
    for &question in QUESTIONS {
        for (program, transports) in &programs {
            // What travels by TCP is the same octets: one program is enough for that.
            let both = if program.ends_with("dig") { 2 } else { 1 };
            for words in transports.iter().take(both) {
                let mut ours = ask(program, world.ours.1, question, words);
                assert!(!ours.status.is_empty(), "{question:?}: {ours:?}");
                if question.1 == "MX" {
                    // The addresses of hosts that mail goes to are a courtesy, which we show
                    // (RFC 1035 section 3.3.9) and the others here do not.
                    ours.sections.remove("additional");
                }
                additional += ours.sections.get("additional").map_or(0, Vec::len);
                for (name, _, address) in &world.others {
                    let theirs = ask(program, *address, question, words);
                    let asked = format!("{question:?} by {} {words:?}", program.display());
                    assert_eq!(ours, theirs, "{asked}: we, and {name}");
                    compared += 1;
                }
            }
        }
    }
    assert_eq!(compared, QUESTIONS.len() * 8);
    assert!(additional >= 6 * 4, "glue was among it: {additional}");
}

#[test]
fn an_answer_that_fits_no_datagram_is_cut_and_comes_whole_by_tcp() {
    let (Some(programs), Some(world)) = (programs(), world()) else {
        skip!("dig, kdig, drill, nsd or named")
    };
    let question = ("huge.example.com", "TXT");
    let mut servers = vec![("we", world.ours.1)];
    servers.extend(world.others.iter().map(|(name, _, at)| (*name, *at)));
    for (program, transports) in &programs {
        let whole: Vec<_> = servers
            .iter()
            .map(|(_, address)| ask(program, *address, question, transports[1]))
            .collect();
        assert_eq!(whole[0].sections["answer"].len(), 60, "{program:?}");
        for (answer, (name, _)) in whole.iter().zip(&servers) {
            assert_eq!(
                answer.sections["answer"], whole[0].sections["answer"],
                "{name}"
            );
            assert!(!answer.truncated && answer.authoritative);
        }
        // Without help of TCP.
        let ignore: &[&str] = if program.ends_with("drill") {
            continue;
        } else {
            &["+notcp", "+ignore"]
        };
        for (name, address) in &servers {
            let cut = ask(program, *address, question, ignore);
            assert!(cut.truncated, "{name}: {cut:?}");
        }
    }
}

#[test]
fn any_is_answered_with_one_rrset_or_a_word_of_why_not() {
    let (Some(programs), Some(world)) = (programs(), world()) else {
        skip!("dig, kdig, drill, nsd or named")
    };
    // RFC 8482: each server picks what it likes; so only that it is little.
    let servers = [world.ours.1, world.others[0].2, world.others[1].2];
    for (program, transports) in &programs {
        for server in servers {
            let answer = ask(program, server, ("www.example.com", "ANY"), transports[0]);
            assert_eq!(answer.status, "noerror");
            let records = answer.sections.get("answer").map_or(0, Vec::len);
            assert!(records <= 2, "{answer:?}");
        }
    }
}

#[test]
fn nobody_is_given_a_transfer_that_is_not_allowed() {
    let (Some(dig), Some(world)) = (find("dig"), world()) else {
        skip!("dig, nsd or named")
    };
    let mut servers = vec![world.ours.1];
    servers.extend(world.others.iter().map(|(_, _, at)| *at));
    for server in servers {
        let port = server.port().to_string();
        let text =
            run_ok(Command::new(&dig).args(["@127.0.0.1", "-p", &port, "example.com", "AXFR"]));
        assert!(text.contains("Transfer failed"), "{text}");
    }
}
