//! Real servers, started on free loopback ports in a folder of the test's own.

use super::{Process, certificate, find, free_port, wait_for};
use std::net::{SocketAddr, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// The zone that the DNS servers serve as `example.com`.
pub(crate) const ZONE: &str = r#"$ORIGIN example.com.
$TTL 300
@       SOA   ns1 hostmaster 1 60 60 600 60
@       NS    ns1
@       MX    10 mail
@       TXT   "one string" "another; \"quoted\""
ns1     A     127.0.0.1
www     A     192.0.2.1
www     A     192.0.2.2
www     AAAA  2001:db8::1
alias   CNAME www
mail    A     192.0.2.25
weird   TYPE65280 \# 4 01020304
big     TXT   "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
"#;

/// [`ZONE`] with a name, `huge`, whose answer does not fit into any datagram.
pub(crate) fn zone_text() -> String {
    let mut zone = ZONE.to_owned();
    for number in 0..60 {
        zone.push_str(&format!("huge TXT \"{number:02}{}\"\n", "x".repeat(90)));
    }
    zone
}

fn write(folder: &Path, name: &str, text: &str) {
    std::fs::write(folder.join(name), text).expect("a file");
}

fn localhost(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

/// Waits until the zone is served: a server may listen before it has loaded it.
fn wait_for_zone(process: &mut Process, address: SocketAddr) {
    // example.com, SOA, IN.
    let query = b"\x00\x01\0\0\0\x01\0\0\0\0\0\0\x07example\x03com\0\0\x06\0\x01";
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let timeout = Some(Duration::from_millis(100));
    socket.set_read_timeout(timeout).expect("a timeout");
    let mut reply = [0; 512];
    for _ in 0..200 {
        process.check();
        let asked = socket.send_to(query, address);
        if asked.is_ok() && socket.recv(&mut reply).is_ok() {
            if reply[3] & 0x0f == 0 {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    panic!("{address} does not serve the zone");
}

/// nsd, serving [`zone_text`]. `None` when it is not installed.
pub(crate) fn nsd(folder: &Path) -> Option<(Process, SocketAddr)> {
    let program = find("nsd")?;
    let (dir, address) = (folder.display(), localhost(free_port()));
    write(folder, "example.com.zone", &zone_text());
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
remote-control:
  control-enable: no
zone:
  name: example.com
  zonefile: example.com.zone
"#,
        port = address.port()
    );
    write(folder, "nsd.conf", &config);
    let mut command = Command::new(program);
    command.arg("-d").arg("-c").arg(folder.join("nsd.conf"));
    let mut process = Process::start(command.stderr(Stdio::null()));
    wait_for_zone(&mut process, address);
    Some((process, address))
}

/// BIND's named, serving [`zone_text`]. `None` when it is not installed.
pub(crate) fn named(folder: &Path) -> Option<(Process, SocketAddr)> {
    let program = find("named")?;
    let (dir, address) = (folder.display(), localhost(free_port()));
    write(folder, "example.com.zone", &zone_text());
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
}};
controls {{ }};
zone "example.com" {{ type primary; file "example.com.zone"; }};
"#,
        port = address.port()
    );
    write(folder, "named.conf", &config);
    let mut command = Command::new(program);
    command.args(["-f", "-c"]).arg(folder.join("named.conf"));
    let mut process = Process::start(command.stdout(Stdio::null()).stderr(Stdio::null()));
    wait_for_zone(&mut process, address);
    Some((process, address))
}

/// Dovecot with one user, `testuser` with the password `pass`, and these messages in the mailbox.
pub(crate) struct Dovecot {
    _process: Process,
    /// Where POP3 with STLS is.
    pub(crate) pop3: SocketAddr,
    /// Where POP3 under TLS is.
    pub(crate) pop3s: SocketAddr,
    /// Where LMTP is; the recipient is `testuser`.
    pub(crate) lmtp: SocketAddr,
}

/// Starts Dovecot. `None` when it is not installed. `folder` holds `cert.pem` afterwards.
pub(crate) fn dovecot(folder: &Path, messages: &[&str]) -> Option<Dovecot> {
    let program = find("dovecot")?;
    // Its processes change to users of their own, which must be able to enter the folder.
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).expect("permissions");
    certificate(folder);
    write(folder, "passwd", "testuser:pass\n");
    let is_root = run_text(Command::new("id").arg("-u")) == "0";
    let me = run_text(Command::new("id").arg("-un"));
    let my_group = run_text(Command::new("id").arg("-gn"));
    let (login, internal, group) = if is_root {
        ("dovenull", "dovecot", "dovecot")
    } else {
        (me.as_str(), me.as_str(), my_group.as_str())
    };
    let maildir = folder.join("home/testuser/Maildir");
    for part in ["new", "cur", "tmp"] {
        std::fs::create_dir_all(maildir.join(part)).expect("a folder");
    }
    for (number, message) in messages.iter().enumerate() {
        let file = maildir.join(format!("new/{}.test.localhost", 1000 + number));
        std::fs::write(file, message).expect("a file");
    }
    if is_root {
        let owner = format!("{internal}:{group}");
        run_text(
            Command::new("chown")
                .arg("-R")
                .arg(owner)
                .arg(folder.join("home")),
        );
    }
    let (dir, pop3, pop3s) = (folder.display(), free_port(), free_port());
    let lmtp = free_port();
    let config = format!(
        r"base_dir = {dir}/run
state_dir = {dir}/run
log_path = {dir}/dovecot.log
protocols = pop3 lmtp
listen = 127.0.0.1
default_login_user = {login}
default_internal_user = {internal}
default_internal_group = {group}
ssl = yes
ssl_cert = <{dir}/cert.pem
ssl_key = <{dir}/key.pem
disable_plaintext_auth = no
auth_mechanisms = plain login cram-md5 scram-sha-1 scram-sha-256
passdb {{
  driver = passwd-file
  args = scheme=PLAIN {dir}/passwd
}}
userdb {{
  driver = static
  args = uid={internal} gid={group} home={dir}/home/%n
}}
mail_location = maildir:~/Maildir
first_valid_uid = 1
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
service pop3-login {{
  chroot =
  inet_listener pop3 {{
    port = {pop3}
  }}
  inet_listener pop3s {{
    port = {pop3s}
    ssl = yes
  }}
}}
service lmtp {{
  unix_listener lmtp {{
  }}
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {lmtp}
  }}
}}
"
    );
    write(folder, "dovecot.conf", &config);
    let mut command = Command::new(program);
    command.arg("-F").arg("-c").arg(folder.join("dovecot.conf"));
    let mut process = Process::start(command.stderr(Stdio::null()));
    wait_for(&mut process, localhost(pop3));
    wait_for(&mut process, localhost(lmtp));
    Some(Dovecot {
        _process: process,
        pop3: localhost(pop3),
        pop3s: localhost(pop3s),
        lmtp: localhost(lmtp),
    })
}

/// postfix, which takes mail for `bob@hamburger.edu` and files it into `mail/bob` of the folder.
/// `None` when it is not installed, or we are not root, without whom its master does not start.
pub(crate) fn postfix(folder: &Path) -> Option<Postfix> {
    let program = find("postfix")?;
    if run_text(Command::new("id").arg("-u")) != "0" {
        return None;
    }
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).expect("permissions");
    for part in ["etc", "spool", "data", "mail"] {
        std::fs::create_dir_all(folder.join(part)).expect("a folder");
    }
    for part in ["data", "mail"] {
        run_text(
            Command::new("chown")
                .arg("postfix:postfix")
                .arg(folder.join(part)),
        );
    }
    let uid = run_text(Command::new("id").args(["-u", "postfix"]));
    let gid = run_text(Command::new("id").args(["-g", "postfix"]));
    let (dir, address) = (folder.display(), localhost(free_port()));
    let main = format!(
        "compatibility_level = 3.6
queue_directory = {dir}/spool
data_directory = {dir}/data
maillog_file = /dev/stdout
myhostname = hamburger.edu
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
smtpd_recipient_restrictions = permit_auth_destination, reject
virtual_mailbox_domains = hamburger.edu
virtual_mailbox_maps = inline:{{ bob@hamburger.edu=bob/ }}
virtual_mailbox_base = {dir}/mail
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
virtual_minimum_uid = 1
alias_maps =
local_recipient_maps =
message_size_limit = 20480000
smtpd_discard_ehlo_keywords =
"
    );
    write(&folder.join("etc"), "main.cf", &main);
    let master = format!(
        "{address} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
proxymap unix - - n - - proxymap
virtual unix - n n - - virtual
error unix - - n - - error
retry unix - - n - - error
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"
    );
    write(&folder.join("etc"), "master.cf", &master);
    let mut command = Command::new(&program);
    command.arg("-c").arg(folder.join("etc")).arg("start-fg");
    let process = Process::start(command.stdout(Stdio::null()).stderr(Stdio::null()));
    let mut postfix = Postfix {
        program,
        config: folder.join("etc"),
        process,
        address,
    };
    wait_for(&mut postfix.process, address);
    Some(postfix)
}

/// A running postfix. Its master is a process of its own, which ends when it is told to.
pub(crate) struct Postfix {
    program: std::path::PathBuf,
    config: std::path::PathBuf,
    process: Process,
    /// Where SMTP is.
    pub(crate) address: SocketAddr,
}

impl Drop for Postfix {
    fn drop(&mut self) {
        let mut command = Command::new(&self.program);
        command.arg("-c").arg(&self.config).arg("stop");
        let _ = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
}

fn run_text(command: &mut Command) -> String {
    super::run_ok(command).trim().to_owned()
}
