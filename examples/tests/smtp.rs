//! SMTP and LMTP with real programs: curl, swaks, smtplib, msmtp and smtp-source send to our server,
//! our client sends to aiosmtpd and smtp-sink.

mod support;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use support::{OurServer, certificate, find, run, run_ok, skip};
use tempfile::{TempDir, tempdir};

const MESSAGE: &str =
    "From: alice@crepes.fr\r\nSubject: dots\r\n\r\n.one\r\n..two\r\n. three\r\n.\u{20}\r\nend\r\n";

/// `mail-serve` with Bob's empty Maildir, and the folder that holds it and `cert.pem`.
fn serve(more: &[&str]) -> (OurServer, TempDir) {
    let folder = tempdir().expect("a folder");
    let store = folder.path().join("store");
    let mut command = Command::new(env!("CARGO_BIN_EXE_mail-serve"));
    command
        .args(["--smtp", "127.0.0.1:0", "--lmtp", "127.0.0.1:0"])
        .args(["--user", "bob:hungry", "--user", "eve:apple", "--store"])
        .arg(store)
        .args(more);
    if more.contains(&"--tls") {
        certificate(folder.path());
        let path = |name: &str| folder.path().join(name);
        command.arg("--cert").arg(path("cert.pem"));
        command.arg("--key").arg(path("key.pem"));
    }
    (OurServer::start(&mut command, 2), folder)
}

fn write(folder: &TempDir, name: &str, text: &str) -> PathBuf {
    let file = folder.path().join(name);
    fs::write(&file, text).expect("a file");
    file
}

/// What lies in a user's mailbox.
fn mailbox(folder: &TempDir, user: &str) -> Vec<String> {
    let new = folder.path().join("store").join(user).join("new");
    let mut files: Vec<_> = fs::read_dir(new)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files.sort();
    files
        .iter()
        .map(|file| fs::read_to_string(file).expect("a message"))
        .collect()
}

#[test]
fn curl_delivers_with_tls_and_a_login() {
    let Some(curl) = find("curl") else {
        skip!("curl")
    };
    let (server, folder) = serve(&["--tls", "--require-auth"]);
    // curl makes CRLF of each LF.
    let file = write(&folder, "message", &MESSAGE.replace("\r\n", "\n"));
    let url = format!(
        "smtp://localhost:{}/client.test",
        server.address("smtp").port()
    );
    let mut command = Command::new(curl);
    command
        .args([
            "-sS",
            "--crlf",
            "--max-time",
            "20",
            "--ssl-reqd",
            "--cacert",
        ])
        .arg(folder.path().join("cert.pem"))
        .args(["-u", "bob:hungry", "--mail-from", "alice@crepes.fr"])
        .args([
            "--mail-rcpt",
            "bob@hamburger.edu",
            "--mail-rcpt",
            "eve@x",
            "--upload-file",
        ])
        .arg(&file);
    run_ok(command.arg(url));
    assert_eq!(mailbox(&folder, "bob"), [MESSAGE]);
    assert_eq!(mailbox(&folder, "eve"), [MESSAGE]);
}

/// Without --crlf curl sends bare LF, and "\n.\n" inside the message: a smuggler's tool.
#[test]
fn curl_with_bare_line_ends_delivers_nothing() {
    let Some(curl) = find("curl") else {
        skip!("curl")
    };
    let (server, folder) = serve(&[]);
    let text = "Subject: x\n\nhi\n.\nMAIL FROM:<evil@x>\nRCPT TO:<eve@x>\nDATA\nevil\n.\n";
    let file = write(&folder, "message", text);
    let url = format!(
        "smtp://127.0.0.1:{}/client.test",
        server.address("smtp").port()
    );
    let mut command = Command::new(curl);
    command
        .args(["-sS", "--max-time", "20", "--mail-from", "alice@crepes.fr"])
        .args(["--mail-rcpt", "bob@hamburger.edu", "--upload-file"])
        .arg(&file);
    assert!(!run(command.arg(url)).status.success());
    assert!(mailbox(&folder, "bob").is_empty() && mailbox(&folder, "eve").is_empty());
}

#[test]
fn swaks_delivers_by_smtp_and_lmtp() {
    let Some(swaks) = find("swaks") else {
        skip!("swaks")
    };
    let (server, folder) = serve(&[]);
    let file = write(&folder, "message", &MESSAGE.replace("\r\n", "\n"));
    let data = format!("@{}", file.display());
    for (protocol, name) in [("ESMTP", "smtp"), ("LMTP", "lmtp")] {
        let mut command = Command::new(&swaks);
        let port = server.address(name).port().to_string();
        command.args([
            "--server",
            "127.0.0.1",
            "--port",
            &port,
            "--protocol",
            protocol,
        ]);
        command.args([
            "--from",
            "a@x.org",
            "--to",
            "bob@y.org,nobody@y.org",
            "--data",
            &data,
        ]);
        if protocol == "ESMTP" {
            command.arg("--pipeline");
        }
        run(&mut command);
    }
    let messages = mailbox(&folder, "bob");
    assert_eq!(messages.len(), 2);
    for message in messages {
        // swaks ends what it sends with an empty line of its own.
        assert_eq!(message.trim_end(), MESSAGE.trim_end());
    }
}

#[test]
fn smtplib_logs_in_and_delivers() {
    let Some(python) = find("python3") else {
        skip!("python3")
    };
    let (server, folder) = serve(&["--require-auth"]);
    let file = write(&folder, "message", MESSAGE);
    let script = "import smtplib, sys\n\
        s = smtplib.SMTP('127.0.0.1', int(sys.argv[1]))\n\
        s.login('bob', 'hungry')\n\
        print(s.sendmail('a@x', ['bob@y', 'nobody@y'], open(sys.argv[2], 'rb').read()))\n\
        s.quit()\n";
    let mut command = Command::new(python);
    let port = server.address("smtp").port().to_string();
    let said = run_ok(command.args(["-c", script, &port]).arg(&file));
    assert!(said.contains("nobody@y") && said.contains("550"), "{said}");
    assert_eq!(mailbox(&folder, "bob"), [MESSAGE]);
}

#[test]
fn msmtp_delivers() {
    let Some(msmtp) = find("msmtp") else {
        skip!("msmtp")
    };
    let (server, folder) = serve(&[]);
    let port = server.address("smtp").port();
    let config = format!(
        "account a\nhost 127.0.0.1\nport {port}\nfrom a@x\nauth plain\nuser bob\npassword hungry\ntls off\naccount default : a\n"
    );
    let file = write(&folder, "msmtprc", &config);
    let mut permissions = fs::metadata(&file).expect("a file").permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o600);
    fs::set_permissions(&file, permissions).expect("permissions");
    let mut command = Command::new(msmtp);
    command.arg("-C").arg(&file).arg("bob@y");
    let output = pipe(&mut command, &MESSAGE.replace("\r\n", "\n"));
    assert!(output.status.success(), "{output:?}");
    let messages = mailbox(&folder, "bob");
    assert_eq!(messages.len(), 1);
    // msmtp puts a date and an id in front.
    assert!(messages[0].ends_with(MESSAGE), "{}", messages[0]);
}

#[test]
fn smtp_source_delivers_many_over_several_connections() {
    let Some(source) = find("smtp-source") else {
        skip!("smtp-source")
    };
    let (server, folder) = serve(&[]);
    let mut command = Command::new(source);
    command.args([
        "-s",
        "4",
        "-l",
        "5120",
        "-m",
        "50",
        "-f",
        "a@x.org",
        "-t",
        "bob@y.org",
    ]);
    run_ok(command.arg(format!("inet:127.0.0.1:{}", server.address("smtp").port())));
    assert_eq!(mailbox(&folder, "bob").len(), 50);
}

fn pipe(command: &mut Command, text: &str) -> Output {
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.stderr(Stdio::piped()).spawn().expect("a program");
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(text.as_bytes()).expect("written");
    drop(stdin);
    child.wait_with_output().expect("an end")
}

fn mail_send(arguments: &[&str], text: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mail-send"));
    pipe(
        command.args(["--from", "alice@crepes.fr"]).args(arguments),
        text,
    )
}

#[test]
fn mail_send_delivers_with_tls_a_login_and_by_lmtp() {
    let (server, folder) = serve(&["--tls", "--require-auth"]);
    let cert = folder.path().join("cert.pem").display().to_string();
    let host = server.address("smtp").to_string();
    let smtp = [
        "--host",
        &host,
        "--tls",
        "--cacert",
        &cert,
        "--user",
        "bob:hungry",
        "--to",
        "bob@y",
    ];
    let output = mail_send(&smtp, &MESSAGE.replace("\r\n", "\n"));
    assert!(output.status.success(), "{output:?}");
    let host = server.address("lmtp").to_string();
    let lmtp = [
        "--host", &host, "--lmtp", "--to", "bob@y", "--to", "nobody@y",
    ];
    let output = mail_send(&lmtp, MESSAGE);
    assert!(!output.status.success(), "one recipient is unknown");
    assert_eq!(mailbox(&folder, "bob"), [MESSAGE, MESSAGE]);
}

#[test]
fn mail_send_delivers_to_smtp_sink() {
    let Some(sink) = find("smtp-sink") else {
        skip!("smtp-sink")
    };
    let port = support::free_port();
    let address = format!("127.0.0.1:{port}");
    let mut command = Command::new(sink);
    // It refuses to run as root.
    command.args(["-u", "nobody", "-c", &address, "10"]);
    let mut process = support::Process::start(command.stdout(Stdio::null()).stderr(Stdio::null()));
    support::wait_for(&mut process, ([127, 0, 0, 1], port).into());
    let output = mail_send(
        &["--host", &address, "--to", "bob@y", "--to", "eve@y"],
        MESSAGE,
    );
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn mail_send_delivers_to_aiosmtpd() {
    let Some(python) = support::find_peer("python/bin/python3") else {
        skip!("python/bin/python3 with aiosmtpd")
    };
    let folder = tempdir().expect("a folder");
    let (port, file) = (support::free_port(), folder.path().join("got"));
    let script = "import sys, time\n\
        from aiosmtpd.controller import Controller\n\
        class H:\n\
        \x20   async def handle_DATA(self, server, session, envelope):\n\
        \x20       open(sys.argv[2], 'wb').write(envelope.content)\n\
        \x20       return '250 2.0.0 Ok'\n\
        Controller(H(), hostname='127.0.0.1', port=int(sys.argv[1])).start()\n\
        time.sleep(600)\n";
    let mut command = Command::new(python);
    command.args(["-c", script, &port.to_string()]).arg(&file);
    let mut process = support::Process::start(&mut command);
    support::wait_for(&mut process, ([127, 0, 0, 1], port).into());
    let host = format!("127.0.0.1:{port}");
    let output = mail_send(&["--host", &host, "--to", "bob@y"], MESSAGE);
    assert!(output.status.success(), "{output:?}");
    let got = fs::read_to_string(Path::new(&file)).expect("a message");
    assert_eq!(got, MESSAGE);
}
