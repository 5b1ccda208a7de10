//! Our FTP client with real servers: vsftpd, proftpd, pure-ftpd and pyftpdlib, plain and under TLS.

mod support;

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use support::{Process, certificate, find, find_peer, free_port, run, run_ok, skip, wait_for};

/// `hungry`, as crypt(3) has it.
const HASH: &str = "$6$proto$q0pLn6UXnBBnKfjtjxUuTKiywGnLU4iPuia4Wu2bQWDP3WYc5fdZuaDUSX2P2n06TqySq.2gheypc.64znDMS1";
/// The user and group `nobody` of Debian, to whom the files belong.
const NOBODY: (&str, &str) = ("65534", "65534");

fn content() -> Vec<u8> {
    (0..300_000_u32)
        .map(|index| (index * 7 % 251) as u8)
        .collect()
}

/// A server, and how our client uses it.
struct Peer {
    _process: Process,
    folder: tempfile::TempDir,
    address: SocketAddr,
    user: &'static str,
    /// Where on the server everything happens, and where that is here.
    home: &'static str,
    root: PathBuf,
}

/// A folder that everybody may use: the servers give up their rights.
fn open_folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let all = |mode| fs::Permissions::from_mode(mode);
    fs::set_permissions(folder.path(), all(0o755)).expect("rights");
    let root = folder.path().join("files");
    fs::create_dir_all(root.join("home/sub")).expect("a folder");
    fs::write(root.join("home/a.bin"), content()).expect("a file");
    fs::write(root.join("home/sub/x.txt"), "one\ntwo\n").expect("a file");
    for open in ["files/home", "files/home/sub"] {
        fs::set_permissions(folder.path().join(open), all(0o777)).expect("rights");
    }
    certificate(folder.path());
    folder
}

fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, text).expect("a file");
    path
}

fn is_root() -> bool {
    let output = run(Command::new("id").arg("-u"));
    output.stdout == b"0\n"
}

fn started(mut process: Process, folder: tempfile::TempDir, port: u16, user: &'static str) -> Peer {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    wait_for(&mut process, address);
    let root = folder.path().join("files/home");
    Peer {
        _process: process,
        folder,
        address,
        user,
        home: "/home",
        root,
    }
}

/// vsftpd with anonymous users who may write below its root. Under TLS it demands that data
/// connections resume the session.
fn vsftpd(tls: bool) -> Option<Peer> {
    let program = find("vsftpd").filter(|_| is_root())?;
    let (folder, port) = (open_folder(), free_port());
    let dir = folder.path().display();
    let empty = folder.path().join("empty");
    fs::create_dir(&empty).expect("a folder");
    let mut config = format!(
        "listen=YES\nlisten_address=127.0.0.1\nlisten_port={port}\nbackground=NO\n\
         anonymous_enable=YES\nno_anon_password=NO\nlocal_enable=NO\nwrite_enable=YES\n\
         anon_upload_enable=YES\nanon_mkdir_write_enable=YES\nanon_other_write_enable=YES\n\
         anon_umask=022\nanon_root={dir}/files\nsecure_chroot_dir={dir}/empty\n\
         seccomp_sandbox=NO\nport_enable=YES\nconnect_from_port_20=NO\nasync_abor_enable=YES\n\
         ascii_upload_enable=YES\nascii_download_enable=YES\nxferlog_enable=NO\n\
         vsftpd_log_file={dir}/vsftpd.log\nmdtm_write=YES\n"
    );
    if tls {
        config += &format!(
            "ssl_enable=YES\nallow_anon_ssl=YES\nrequire_ssl_reuse=YES\nssl_tlsv1=YES\n\
             force_anon_logins_ssl=YES\nforce_anon_data_ssl=YES\n\
             rsa_cert_file={dir}/cert.pem\nrsa_private_key_file={dir}/key.pem\n"
        );
    }
    let config = write(folder.path(), "vsftpd.conf", &config);
    // It reads no settings that others may change.
    fs::set_permissions(&config, fs::Permissions::from_mode(0o600)).expect("rights");
    let mut command = Command::new(program);
    command.arg(config).stdout(Stdio::null());
    let process = Process::start(&mut command);
    Some(started(process, folder, port, "anonymous:me@"))
}

fn proftpd(tls: bool) -> Option<Peer> {
    let program = find_peer("debian/usr/sbin/proftpd").filter(|_| is_root())?;
    let modules = find_peer("debian/usr/lib/proftpd")?;
    if tls && !modules.join("mod_tls.so").exists() {
        return None;
    }
    let (folder, port) = (open_folder(), free_port());
    let dir = folder.path().display();
    let (uid, gid) = NOBODY;
    let passwd = format!("bob:{HASH}:{uid}:{gid}::{dir}/files:/bin/false\n");
    let passwd = write(folder.path(), "passwd", &passwd);
    fs::set_permissions(&passwd, fs::Permissions::from_mode(0o600)).expect("rights");
    let mut config = format!(
        "ServerName lab\nServerType standalone\nDefaultAddress 127.0.0.1\nPort {port}\n\
         SocketBindTight on\nUseIPv6 off\nUser nobody\nGroup nogroup\nModulePath {}\n\
         PidFile {dir}/pid\nScoreboardFile {dir}/score\nDelayEngine off\nDefaultRoot ~\n\
         AllowStoreRestart on\nAllowRetrieveRestart on\nAllowOverwrite on\nRequireValidShell off\n\
         WtmpLog off\nTransferLog none\nSystemLog {dir}/log\nAuthOrder mod_auth_file.c\n\
         AuthUserFile {}\nUseReverseDNS off\nTimesGMT on\n",
        modules.display(),
        passwd.display()
    );
    if tls {
        config += &format!(
            "LoadModule mod_tls.c\n<IfModule mod_tls.c>\nTLSEngine on\nTLSRequired on\n\
             TLSECCertificateFile {dir}/cert.pem\nTLSECCertificateKeyFile {dir}/key.pem\n\
             TLSLog {dir}/tls.log\n</IfModule>\n"
        );
    }
    // Keys are refused where others may read them.
    let key = folder.path().join("key.pem");
    fs::set_permissions(key, fs::Permissions::from_mode(0o600)).expect("rights");
    let config = write(folder.path(), "proftpd.conf", &config);
    let mut command = Command::new(program);
    command.arg("-n").arg("-c").arg(config);
    let process = Process::start(command.stdout(Stdio::null()).stderr(Stdio::null()));
    Some(started(process, folder, port, "bob:hungry"))
}

fn pure_ftpd(tls: bool) -> Option<Peer> {
    let program = find_peer("debian/usr/sbin/pure-ftpd").filter(|_| is_root())?;
    let tool = find_peer("debian/usr/bin/pure-pw")?;
    let (folder, port) = (open_folder(), free_port());
    let dir = folder.path().display();
    let (uid, gid) = NOBODY;
    let line = format!("bob:{HASH}:{uid}:{gid}::{dir}/files/./::::::::::::\n");
    let passwd = write(folder.path(), "passwd", &line);
    let database = folder.path().join("users.pdb");
    run_ok(
        Command::new(tool)
            .arg("mkdb")
            .arg(&database)
            .arg("-f")
            .arg(passwd),
    );
    let mut command = Command::new(program);
    command
        .args(["-S", &format!("127.0.0.1,{port}"), "-A", "-H", "-u", "1"])
        .args(["-c", "50", "-C", "50", "-l"])
        .arg(format!("puredb:{}", database.display()))
        .arg("-g")
        .arg(folder.path().join("pure.pid"));
    if tls {
        let read = |name: &str| fs::read_to_string(folder.path().join(name)).expect("a file");
        let both = read("cert.pem") + &read("key.pem");
        let both = write(folder.path(), "both.pem", &both);
        command.args(["-Y", "2", "-2"]).arg(both);
    }
    let process = Process::start(command.stdout(Stdio::null()));
    Some(started(process, folder, port, "bob:hungry"))
}

const PYFTPDLIB: &str = r"
import logging, sys
from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import FTPHandler, TLS_FTPHandler
from pyftpdlib.servers import FTPServer
logging.disable(logging.CRITICAL)
handler = FTPHandler
if len(sys.argv) > 3:
    handler = TLS_FTPHandler
    handler.certfile, handler.keyfile = sys.argv[3], sys.argv[4]
    handler.tls_control_required = handler.tls_data_required = True
handler.authorizer = DummyAuthorizer()
handler.authorizer.add_user('bob', 'hungry', sys.argv[1], perm='elradfmwMT')
FTPServer(('127.0.0.1', int(sys.argv[2])), handler).serve_forever()
";

fn pyftpdlib(tls: bool) -> Option<Peer> {
    let python = find_peer("python/bin/python3")?;
    let (folder, port) = (open_folder(), free_port());
    let mut command = Command::new(python);
    command
        .args(["-W", "ignore", "-c", PYFTPDLIB])
        .arg(folder.path().join("files"))
        .arg(port.to_string());
    if tls {
        let dir = folder.path();
        command.arg(dir.join("cert.pem")).arg(dir.join("key.pem"));
    }
    let process = Process::start(command.stdout(Stdio::null()));
    Some(started(process, folder, port, "bob:hungry"))
}

impl Peer {
    fn ftp_get(&self, words: &[&str]) -> String {
        let host = self.address.to_string();
        let mut command = Command::new(env!("CARGO_BIN_EXE_ftp-get"));
        command.args(words);
        run_ok(command.args(["--quiet", "--user", self.user, "--host", &host]))
    }

    /// Lists, fetches, resumes, sends, adds to and mirrors, with these options.
    fn use_it(&self, more: &[&str]) {
        let (home, here) = (self.home, self.folder.path());
        let remote = |name: &str| format!("{home}/{name}");
        let call = |words: &[&str]| self.ftp_get(&[words, more].concat());
        let list = call(&["ls", home]);
        assert!(list.contains("300000 a.bin"), "{more:?}: {list}");
        let list = call(&["ls", "--list", home]);
        assert!(list.contains("300000 a.bin"), "{more:?}: {list}");
        let local = here.join("got.bin");
        let _ = fs::remove_file(&local);
        let name = local.to_str().expect("a path");
        call(&["get", &remote("a.bin"), name]);
        assert!(fs::read(&local).expect("a file") == content());
        // The second half.
        fs::write(&local, &content()[..150_000]).expect("a file");
        call(&["get", "--continue", &remote("a.bin"), name]);
        assert!(fs::read(&local).expect("a file") == content(), "{more:?}");
        let up = self.root.join("up.bin");
        call(&["put", name, &remote("up.bin")]);
        assert!(fs::read(&up).expect("a file") == content());
        fs::remove_file(&up).expect("a file");
        fs::write(&local, &content()[..150_000]).expect("a file");
        call(&["put", name, &remote("up.bin")]);
        fs::write(&local, content()).expect("a file");
        call(&["put", "--continue", name, &remote("up.bin")]);
        assert!(fs::read(&up).expect("a file") == content(), "{more:?}");
        fs::remove_file(&up).expect("a file");
        // Text has the line ends of the system on both sides.
        let text = here.join("x.txt");
        let name = text.to_str().expect("a path");
        call(&["get", "--ascii", &remote("sub/x.txt"), name]);
        assert_eq!(fs::read_to_string(&text).expect("a file"), "one\ntwo\n");
        let copy = here.join("copy");
        let _ = fs::remove_dir_all(&copy);
        let name = copy.to_str().expect("a path");
        call(&["mirror", home, name]);
        assert!(fs::read(copy.join("a.bin")).expect("a file") == content());
        call(&["mirror", "-R", &remote("again"), name]);
        let again = self.root.join("again");
        assert!(fs::read(again.join("a.bin")).expect("a file") == content());
        assert_eq!(
            fs::read_to_string(again.join("sub/x.txt")).expect("a file"),
            "one\ntwo\n"
        );
        fs::remove_dir_all(again).expect("a folder");
    }

    fn plain(&self) {
        self.use_it(&[]);
        self.use_it(&["--pipeline"]);
        let remote = format!("{}/sub/x.txt", self.home);
        let local = self.folder.path().join("y.txt");
        let local = local.to_str().expect("a path");
        for more in [&["--active"][..], &["--no-epsv"]] {
            self.ftp_get(&[&["get", &remote, local][..], more].concat());
            assert_eq!(fs::read_to_string(local).expect("a file"), "one\ntwo\n");
        }
    }
}

macro_rules! peers {
    ($($name:ident, $plain:ident, $secure:ident;)+) => {
        $(
            #[test]
            fn $plain() {
                let Some(peer) = $name(false) else {
                    skip!(stringify!($name));
                };
                peer.plain();
            }

            #[test]
            fn $secure() {
                let Some(peer) = $name(true) else {
                    skip!(stringify!($name));
                };
                peer.use_it(&["--tls"]);
            }
        )+
    };
}

peers! {
    vsftpd, our_client_uses_vsftpd, our_client_uses_vsftpd_that_wants_its_tls_sessions_resumed;
    proftpd, our_client_uses_proftpd, our_client_uses_proftpd_under_tls;
    pure_ftpd, our_client_uses_pure_ftpd, our_client_uses_pure_ftpd_under_tls;
    pyftpdlib, our_client_uses_pyftpdlib, our_client_uses_pyftpdlib_under_tls;
}

/// pure-ftpd knows CCC: the control connection goes on in plaintext.
#[test]
fn our_client_leaves_tls_with_pure_ftpd() {
    let Some(peer) = pure_ftpd(true) else {
        skip!("pure-ftpd");
    };
    let local = peer.folder.path().join("got.bin");
    let local = local.to_str().expect("a path");
    let remote = format!("{}/a.bin", peer.home);
    peer.ftp_get(&["get", &remote, local, "--tls", "--ccc"]);
    assert!(fs::read(local).expect("a file") == content());
}
