//! FTP with real programs: curl, lftp, ncftp, tnftp, wget and Python's ftplib use our server, and so
//! does our client, plain and under TLS.

mod support;

use std::fs;
use std::path::Path;
use std::process::Command;
use support::{OurServer, find, find_peer, run, run_ok, skip};

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

/// AUTH, login, CCC: then in plaintext, with private data.
#[test]
fn our_client_leaves_tls_with_our_server() {
    let folder = folder();
    let root = folder.path().join("root");
    let server = serve(
        &root,
        &["--writable", "--allow-ccc", "--require-resumption"],
    );
    let host = server.address("ftp").to_string();
    use_it(&host, &root, folder.path(), &["--tls", "--ccc"]);
}

#[test]
fn our_client_goes_on_where_it_ended() {
    let folder = folder();
    let root = folder.path().join("root");
    let server = serve(&root, &["--writable"]);
    let host = server.address("ftp").to_string();
    let path = folder.path().join("part.bin");
    let local = path.to_str().expect("a path");
    fs::write(&path, &content()[..123_456]).expect("a file");
    ftp_get(&host, &["put", local, "part.bin"]);
    ftp_get(&host, &["get", "--continue", "a.bin", local]);
    assert!(fs::read(&path).expect("a file") == content());
    ftp_get(&host, &["put", "--continue", local, "part.bin"]);
    assert!(fs::read(root.join("part.bin")).expect("a file") == content());
    // Nothing is left to do.
    ftp_get(&host, &["get", "--continue", "a.bin", local]);
    assert!(fs::read(&path).expect("a file") == content());
    for more in ["--active", "--no-epsv", "--pipeline", "--ascii"] {
        let text = folder.path().join("x.txt");
        let name = text.to_str().expect("a path");
        ftp_get(&host, &["get", "sub/x.txt", name, more]);
        assert_eq!(fs::read(&text).expect("a file"), b"hi\n", "{more}");
    }
}

#[test]
fn ncftp_lists_fetches_and_sends() {
    let (Some(ls), Some(get), Some(put)) = (find("ncftpls"), find("ncftpget"), find("ncftpput"))
    else {
        skip!("ncftp");
    };
    let folder = folder();
    let root = folder.path().join("root");
    let server = serve(&root, &["--writable"]);
    let address = server.address("ftp");
    let port = address.port().to_string();
    let login = ["-u", "bob", "-p", "hungry", "-P", &port];
    let ncftp = |program: &Path, words: &[&str]| {
        let mut command = Command::new(program);
        run_ok(command.env("HOME", folder.path()).args(login).args(words))
    };
    let url = format!("ftp://127.0.0.1:{port}/");
    let list = ncftp(&ls, &["-l", &url]);
    assert!(list.contains("a.bin"), "{list}");
    let copy = folder.path().join("copy");
    fs::create_dir(&copy).expect("a folder");
    let here = copy.to_str().expect("a path");
    ncftp(&get, &["-R", "-V", "127.0.0.1", here, "/sub"]);
    assert_eq!(fs::read(copy.join("sub/x.txt")).expect("a file"), b"hi\n");
    for mode in ["-F", "-E"] {
        let name = if mode == "-F" {
            "passive.bin"
        } else {
            "active.bin"
        };
        let local = copy.join(name);
        fs::write(&local, content()).expect("a file");
        let local = local.to_str().expect("a path");
        ncftp(&put, &[mode, "-V", "127.0.0.1", "/", local]);
        assert!(
            fs::read(root.join(name)).expect("a file") == content(),
            "{mode}"
        );
    }
}

#[test]
fn tnftp_talks_all_the_way() {
    let Some(tnftp) = find("tnftp") else {
        skip!("tnftp");
    };
    let folder = folder();
    let root = folder.path().join("root");
    let server = serve(&root, &["--writable"]);
    let port = server.address("ftp").port().to_string();
    let copy = folder.path().join("copy");
    fs::create_dir(&copy).expect("a folder");
    let script = "user bob hungry\nbinary\nls\nget a.bin\nput a.bin up.bin\nappend a.bin up.bin\n\
        size up.bin\nmodtime up.bin\nmkdir new\ncd new\npwd\ncdup\nrmdir new\n\
        rename up.bin down.bin\nascii\nget sub/x.txt x.txt\npassive\nget sub/x.txt y.txt\n\
        epsv4\nget sub/x.txt z.txt\nsystem\nstatus\nquote STAT\ndelete down.bin\nreget a.bin\nquit\n";
    let mut command = Command::new(tnftp);
    command.args(["-n", "-v", "-P", &port, "127.0.0.1"]);
    command.current_dir(&copy).env("HOME", folder.path());
    let output = support::run_with(&mut command, script.as_bytes());
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        fs::read(copy.join("a.bin")).expect("a file") == content(),
        "{said}"
    );
    for name in ["x.txt", "y.txt", "z.txt"] {
        assert_eq!(
            fs::read(copy.join(name)).expect("a file"),
            b"hi\n",
            "{said}"
        );
    }
    assert!(
        !root.join("down.bin").exists() && !root.join("new").exists(),
        "{said}"
    );
    assert!(
        said.contains("213 600000") || said.contains("600000"),
        "{said}"
    );
    for line in said.lines() {
        assert!(
            !line.starts_with("500") && !line.starts_with("55"),
            "{said}"
        );
    }
}

#[test]
fn wget_fetches_a_tree() {
    let Some(wget) = find("wget") else {
        skip!("wget");
    };
    let folder = folder();
    let server = serve(&folder.path().join("root"), &["--anonymous"]);
    let address = server.address("ftp");
    for (user, passive) in [("bob", true), ("anonymous", false)] {
        let copy = folder.path().join(user);
        fs::create_dir(&copy).expect("a folder");
        let mut command = Command::new(&wget);
        command.args(["-q", "-r", "-nH", "--tries=1", "--timeout=10"]);
        let password = if user == "bob" { "hungry" } else { "me@" };
        command.args(["--ftp-user", user, "--ftp-password", password]);
        if !passive {
            command.arg("--no-passive-ftp");
        }
        let url = format!("ftp://{address}/");
        run_ok(command.arg("-P").arg(&copy).arg(url));
        assert!(
            fs::read(copy.join("a.bin")).expect("a file") == content(),
            "{user}"
        );
        assert_eq!(fs::read(copy.join("sub/x.txt")).expect("a file"), b"hi\n");
    }
}

const FTPLIB: &str = r#"
import ftplib, io, ssl, sys
host, port, tls = sys.argv[1], int(sys.argv[2]), sys.argv[3] == 'tls'
if tls:
    context = ssl._create_unverified_context()
    ftp = ftplib.FTP_TLS(context=context)
else:
    ftp = ftplib.FTP()
ftp.connect(host, port, timeout=10)
ftp.login('bob', 'hungry')
if tls:
    ftp.prot_p()
data = bytearray()
ftp.retrbinary('RETR a.bin', data.extend)
ftp.storbinary('STOR up.bin', io.BytesIO(data))
ftp.storbinary('APPE up.bin', io.BytesIO(b'more'))
assert ftp.size('up.bin') == len(data) + 4
part = bytearray()
ftp.retrbinary('RETR up.bin', part.extend, rest=len(data))
assert part == b'more', part
lines = []
ftp.retrlines('RETR sub/x.txt', lines.append)
assert lines == ['hi'], lines
ftp.storlines('STOR lines.txt', io.BytesIO(b'one\ntwo\n'))
assert ftp.mkd('new "dir"') == '/new "dir"'
ftp.cwd('new "dir"')
assert ftp.pwd() == '/new "dir"'
ftp.cwd('..')
ftp.rmd('new "dir"')
ftp.rename('up.bin', 'x.bin')
facts = dict(ftp.mlsd())
assert facts['x.bin']['size'] == str(len(data) + 4), facts
assert sorted(ftp.nlst()) == ['a.bin', 'lines.txt', 'sub', 'x.bin'], ftp.nlst()
ftp.set_pasv(False)
assert sorted(ftp.nlst('sub')) == ['sub/x.txt'] or ftp.nlst('sub') == ['x.txt']
ftp.set_pasv(True)
ftp.delete('x.bin')
try:
    ftp.delete('x.bin')
    raise SystemExit('deleted twice')
except ftplib.error_perm as error:
    assert str(error).startswith('550'), error
if not tls:
    ftp.sendcmd('TYPE I')
    connection = ftp.transfercmd('RETR a.bin')
    connection.recv(1000)
    ftp.abort()
    connection.close()
    try:
        print(ftp.getmultiline())
    except ftplib.all_errors as error:
        print(error)
    ftp.voidcmd('NOOP')
ftp.quit()
print('done')
"#;

#[test]
fn pythons_ftplib_does_all_it_can() {
    let Some(python) = find_peer("python/bin/python3") else {
        skip!("python");
    };
    for (mode, more) in [
        ("plain", vec!["--writable"]),
        ("tls", vec!["--writable", "--tls"]),
    ] {
        let folder = folder();
        let root = folder.path().join("root");
        let server = serve(&root, &more);
        let port = server.address("ftp").port().to_string();
        let mut command = Command::new(&python);
        command.args(["-W", "ignore", "-c", FTPLIB, "127.0.0.1", &port, mode]);
        let said = run_ok(&mut command);
        assert!(said.ends_with("done\n"), "{said}");
        assert_eq!(
            fs::read(root.join("lines.txt")).expect("a file"),
            b"one\ntwo\n"
        );
    }
}
