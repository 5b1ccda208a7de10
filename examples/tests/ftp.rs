//! FTP with real programs: curl and lftp use our server, plain and under TLS; our client uses ours and
//! pyftpdlib.

mod support;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use support::{OurServer, Process, find, find_peer, free_port, run, run_ok, skip, wait_for};

fn content() -> Vec<u8> {
    (0..300_000_u32)
        .map(|index| (index * 7 % 251) as u8)
        .collect()
}

/// A folder with a file, and a folder in it.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().join("root");
    fs::create_dir_all(root.join("sub")).expect("a folder");
    fs::write(root.join("a.bin"), content()).expect("a file");
    fs::write(root.join("sub/x.txt"), "hi\n").expect("a file");
    folder
}

fn serve(root: &Path, more: &[&str]) -> OurServer {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ftp-serve"));
    command.args(["--listen", "127.0.0.1:0", "--user", "bob:hungry", "--root"]);
    OurServer::start(command.arg(root).args(more), 1)
}

fn ftp_get(host: &str, words: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ftp-get"));
    run_ok(
        command
            .args(words)
            .args(["--user", "bob:hungry", "--host", host]),
    )
}

#[test]
fn curl_lists_fetches_and_sends() {
    let Some(curl) = find("curl") else {
        skip!("curl");
    };
    let folder = folder();
    let root = folder.path().join("root");
    let server = serve(&root, &["--writable"]);
    let url = |path: &str| format!("ftp://{}/{path}", server.address("ftp"));
    let curl = |words: &[&str]| {
        let mut command = Command::new(&curl);
        command.args(["-sS", "--max-time", "20", "-u", "bob:hungry"]);
        run(command.args(words))
    };
    let text = |words: &[&str]| String::from_utf8(curl(words).stdout).expect("text");
    for words in [
        vec![],
        vec!["--disable-epsv"],
        vec!["-P", "-"],
        vec!["-P", "-", "--disable-eprt"],
    ] {
        let (list, file) = (url("sub/"), url("sub/x.txt"));
        assert_eq!(
            text(&[&words[..], &["-l", &list]].concat()),
            "x.txt\n",
            "{words:?}"
        );
        assert_eq!(text(&[&words[..], &[&file]].concat()), "hi\n", "{words:?}");
    }
    assert!(text(&[&url("")]).contains("a.bin"));
    assert!(curl(&[&url("a.bin")]).stdout == content());
    let tail = curl(&["-C", "200000", &url("a.bin")]).stdout;
    assert!(tail == content()[200_000..]);
    let local = root.join("a.bin");
    let local = local.to_str().expect("a path");
    assert!(curl(&["-T", local, &url("up.bin")]).status.success());
    assert!(fs::read(root.join("up.bin")).expect("a file") == content());
    assert_eq!(curl(&["-u", "bob:wrong", &url("")]).status.code(), Some(67));
    assert_eq!(curl(&[&url("none")]).status.code(), Some(78));
}

#[test]
fn curl_fetches_under_tls() {
    let Some(curl) = find("curl") else {
        skip!("curl");
    };
    let folder = folder();
    let server = serve(&folder.path().join("root"), &["--tls"]);
    let mut command = Command::new(curl);
    command.args([
        "-sS",
        "-k",
        "--ssl-reqd",
        "--max-time",
        "20",
        "-u",
        "bob:hungry",
    ]);
    let output = run(command.arg(format!("ftp://{}/a.bin", server.address("ftp"))));
    assert!(output.status.success() && output.stdout == content());
}

#[test]
fn lftp_mirrors_both_ways() {
    let Some(lftp) = find("lftp") else {
        skip!("lftp");
    };
    let folder = folder();
    let root = folder.path().join("root");
    let server = serve(&root, &["--writable"]);
    let copy = folder.path().join("copy");
    let script = format!(
        "set net:timeout 5; set net:max-retries 1; mirror / {0}; mirror -R {0} /again; bye",
        copy.display()
    );
    let address = server.address("ftp");
    let mut command = Command::new(lftp);
    command.args([
        "-u",
        "bob,hungry",
        "-p",
        &address.port().to_string(),
        "-e",
        &script,
    ]);
    run_ok(command.arg("127.0.0.1"));
    for place in [copy, root.join("again")] {
        assert!(fs::read(place.join("a.bin")).expect("a file") == content());
        assert_eq!(fs::read(place.join("sub/x.txt")).expect("a file"), b"hi\n");
    }
}

#[test]
fn our_client_uses_our_server_plain_and_under_tls() {
    for more in [vec!["--writable"], vec!["--writable", "--tls"]] {
        let folder = folder();
        let root = folder.path().join("root");
        let server = serve(&root, &more);
        let host = server.address("ftp").to_string();
        let tls = if more.len() > 1 {
            vec!["--tls"]
        } else {
            vec![]
        };
        use_it(&host, &root, folder.path(), &tls);
        let path = folder.path().join("copy");
        let local = path.to_str().expect("a path");
        ftp_get(&host, &[&["mirror", "/", local][..], &tls].concat());
        assert!(fs::read(path.join("a.bin")).expect("a file") == content());
        assert_eq!(fs::read(path.join("sub/x.txt")).expect("a file"), b"hi\n");
    }
}

fn use_it(host: &str, root: &Path, folder: &Path, more: &[&str]) {
    let list = ftp_get(host, &[&["ls"][..], more].concat());
    assert!(list.contains("300000 a.bin"), "{list}");
    let local = folder.join("got.bin");
    let local = local.to_str().expect("a path");
    ftp_get(host, &[&["get", "a.bin", local][..], more].concat());
    assert!(fs::read(local).expect("a file") == content());
    ftp_get(host, &[&["put", local, "put.bin"][..], more].concat());
    assert!(fs::read(root.join("put.bin")).expect("a file") == content());
}

const PYFTPDLIB: &str = r"
import logging, sys
from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import FTPHandler
from pyftpdlib.servers import FTPServer
logging.disable(logging.CRITICAL)
FTPHandler.authorizer = DummyAuthorizer()
FTPHandler.authorizer.add_user('bob', 'hungry', sys.argv[1], perm='elradfmwMT')
FTPServer(('127.0.0.1', int(sys.argv[2])), FTPHandler).serve_forever()
";

#[test]
fn our_client_uses_pyftpdlib() {
    let Some(python) = find_peer("python/bin/python3") else {
        skip!("pyftpdlib");
    };
    let folder = folder();
    let root = folder.path().join("root");
    let port = free_port();
    let mut command = Command::new(python);
    command
        .args(["-W", "ignore", "-c", PYFTPDLIB])
        .arg(&root)
        .arg(port.to_string());
    let mut server = Process::start(command.stdout(Stdio::null()));
    let address = ([127, 0, 0, 1], port).into();
    wait_for(&mut server, address);
    use_it(&address.to_string(), &root, folder.path(), &[]);
}
