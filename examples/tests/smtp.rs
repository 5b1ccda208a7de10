//! SMTP and LMTP with real programs: curl, swaks, smtplib, msmtp, neomutt and smtp-source send to our
//! server, our client sends to aiosmtpd, smtp-sink, postfix and Dovecot; our servers send to each
//! other, by way of a queue and the DNS.

mod support;

use std::fs;
use std::io::Write;
use std::path::PathBuf;
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
fn mail_send_makes_messages_that_python_reads() {
    let (server, folder) = serve(&[]);
    let host = server.address("smtp").to_string();
    let file = folder.path().join("recette très bonne.bin");
    fs::write(&file, [0, 255, 10, 13, 46]).expect("written");
    let text = "Aimes-tu le ketchup\u{a0}?\n.\nFrom me\n";
    let subject =
        "Ketchup, crêpes et autres questions qui ne tiennent pas dans une seule ligne de texte";
    let arguments = [
        "--host",
        &host,
        "--to",
        "bob@y.org",
        "--subject",
        subject,
        "--attach",
    ];
    let arguments = [&arguments[..], &[file.to_str().expect("text")]].concat();
    let output = mail_send(&arguments, text);
    assert!(output.status.success(), "{output:?}");
    let messages = mailbox(&folder, "bob");
    let script = "import sys, email, email.policy\n\
        m = email.message_from_bytes(sys.stdin.buffer.read(), policy=email.policy.default)\n\
        assert not m.defects, m.defects\n\
        parts = list(m.iter_parts())\n\
        print([m['From'], m['To'], m['Subject'], m['Date'].datetime.year > 2000, parts[0].get_content(),\n\
        \x20   parts[1].get_filename(), list(parts[1].get_content())])\n";
    let output = pipe(
        Command::new("python3").args(["-X", "utf8", "-c", script]),
        &messages[0],
    );
    assert!(output.status.success(), "{output:?}");
    let expected = format!(
        "['alice@crepes.fr', 'bob@y.org', {}, True, {}, 'recette très bonne.bin', [0, 255, 10, 13, 46]]\n",
        format!("{subject:?}").replace('"', "'"),
        "'Aimes-tu le ketchup\\xa0?\\r\\n.\\r\\nFrom me\\r\\n'"
    );
    assert_eq!(String::from_utf8_lossy(&output.stdout), expected);
}

/// aiosmtpd, which writes the message that it takes into `got` of the folder; its port.
fn aiosmtpd(folder: &TempDir, arguments: &str) -> Option<(support::Process, u16)> {
    let python = support::find_peer("python/bin/python3")?;
    let (port, file) = (support::free_port(), folder.path().join("got"));
    let script = format!(
        "import ssl, sys, time\n\
        from aiosmtpd.controller import Controller\n\
        class H:\n\
        \x20   async def handle_DATA(self, server, session, envelope):\n\
        \x20       open(sys.argv[2], 'wb').write(envelope.content)\n\
        \x20       return '250 2.0.0 Ok'\n\
        def tls():\n\
        \x20   context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)\n\
        \x20   context.load_cert_chain(sys.argv[3] + '/cert.pem', sys.argv[3] + '/key.pem')\n\
        \x20   return context\n\
        Controller(H(), hostname='127.0.0.1', port=int(sys.argv[1]){arguments}).start()\n\
        time.sleep(600)\n"
    );
    let mut command = Command::new(python);
    command.args(["-c", &script, &port.to_string()]);
    command.arg(&file).arg(folder.path());
    let mut process = support::Process::start(&mut command);
    support::wait_for(&mut process, ([127, 0, 0, 1], port).into());
    Some((process, port))
}

#[test]
fn mail_send_delivers_to_aiosmtpd() {
    let folder = tempdir().expect("a folder");
    let Some((_process, port)) = aiosmtpd(&folder, "") else {
        skip!("python/bin/python3 with aiosmtpd")
    };
    let host = format!("127.0.0.1:{port}");
    let output = mail_send(&["--host", &host, "--to", "bob@y"], MESSAGE);
    assert!(output.status.success(), "{output:?}");
    let got = fs::read_to_string(folder.path().join("got")).expect("a message");
    assert_eq!(got, MESSAGE);
    // TLS is not offered: who requires it sends nothing.
    let arguments = ["--host", &host, "--starttls", "required", "--to", "bob@y"];
    assert!(!mail_send(&arguments, MESSAGE).status.success());
}

#[test]
fn mail_send_starts_tls_with_aiosmtpd_where_it_is_offered_unless_told_not_to() {
    let folder = tempdir().expect("a folder");
    certificate(folder.path());
    // It refuses MAIL without TLS, so that what arrives came under it.
    let arguments = ", tls_context=tls(), require_starttls=True";
    let Some((_process, port)) = aiosmtpd(&folder, arguments) else {
        skip!("python/bin/python3 with aiosmtpd")
    };
    let host = format!("127.0.0.1:{port}");
    let off = ["--host", &host, "--starttls", "off", "--to", "bob@y"];
    let output = mail_send(&off, MESSAGE);
    assert!(!output.status.success(), "{output:?}");
    let output = mail_send(&["--host", &host, "--to", "bob@y"], MESSAGE);
    assert!(output.status.success(), "{output:?}");
    let got = fs::read_to_string(folder.path().join("got")).expect("a message");
    assert_eq!(got, MESSAGE);
}

#[test]
fn neomutt_logs_in_and_delivers_with_tls() {
    let Some(neomutt) = find("neomutt") else {
        skip!("neomutt")
    };
    let (server, folder) = serve(&["--tls", "--require-auth"]);
    let port = server.address("smtp").port();
    let cert = folder.path().join("cert.pem");
    let config = format!(
        "set smtp_url=\"smtp://bob@localhost:{port}/\"\nset smtp_pass=hungry\nset ssl_starttls=yes\nset ssl_force_tls=yes\nset certificate_file=\"{cert}\"\nset ssl_ca_certificates_file=\"{cert}\"\nset from=alice@crepes.fr\nset copy=no\nset header_cache=\"\"\n",
        cert = cert.display()
    );
    let config = write(&folder, "muttrc", &config);
    let body = "Do you like ketchup?\n.\nHow about pickles?\n";
    let mut command = Command::new(neomutt);
    command.env("HOME", folder.path());
    command
        .args(["-n", "-F"])
        .arg(config)
        .args(["-s", "dinner"]);
    let output = pipe(command.args(["--", "bob@hamburger.edu"]), body);
    assert!(output.status.success(), "{output:?}");
    let messages = mailbox(&folder, "bob");
    assert_eq!(messages.len(), 1);
    assert!(messages[0].contains("Subject: dinner\r\n"));
    let body = body.replace('\n', "\r\n");
    assert!(
        messages[0].ends_with(&format!("\r\n\r\n{body}")),
        "{}",
        messages[0]
    );
}

/// smtplib tries CRAM-MD5, PLAIN, LOGIN; swaks what it is told.
#[test]
fn logins_by_each_mechanism() {
    let Some(swaks) = find("swaks") else {
        skip!("swaks")
    };
    let (server, folder) = serve(&["--tls", "--require-auth"]);
    let port = server.address("smtp").port().to_string();
    for mechanism in ["PLAIN", "LOGIN", "CRAM-MD5"] {
        for (password, is_right) in [("hungry", true), ("thirsty", false)] {
            let mut command = Command::new(&swaks);
            command.args(["--server", "localhost", "--port", &port, "--tls"]);
            command.args(["--auth", mechanism, "--auth-user", "bob"]);
            command.args(["--auth-password", password]);
            command.args(["--from", "a@x.org", "--to", "bob@y.org"]);
            let output = run(&mut command);
            assert_eq!(output.status.success(), is_right, "{mechanism} {output:?}");
        }
    }
    assert_eq!(mailbox(&folder, "bob").len(), 3);
}

#[test]
fn our_client_logs_in_at_dovecot_by_scram_and_delivers_to_it_by_lmtp() {
    let folder = tempdir().expect("a folder");
    let Some(dovecot) = support::peers::dovecot(folder.path(), &[]) else {
        skip!("dovecot")
    };
    let host = dovecot.lmtp.to_string();
    let arguments = [
        "--host", &host, "--lmtp", "--to", "testuser", "--to", "nobody",
    ];
    let output = mail_send(&arguments, MESSAGE);
    assert!(!output.status.success(), "one recipient is unknown");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("nobody: 550"), "{said}");
    // What lies there is read by our POP3 client, after a login by SCRAM.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let message = runtime
        .expect("a runtime")
        .block_on(read_by_scram(&dovecot));
    let message = String::from_utf8(message).expect("text");
    assert!(
        message.starts_with("Return-Path: <alice@crepes.fr>\r\n"),
        "{message}"
    );
    assert!(message.ends_with(MESSAGE), "{message}");
}

async fn read_by_scram(dovecot: &support::peers::Dovecot) -> Vec<u8> {
    use core::time::Duration;
    use netio::driver::Stream;
    use proto_mail::Secret;
    use proto_mail::pop3::client::{Config, Event, Limits, Session};
    use proto_mail::sasl::{Mechanism, client::Client};
    let socket = tokio::net::TcpStream::connect(dovecot.pop3)
        .await
        .expect("a connection");
    let mut config = Config::default();
    config.require_tls = false;
    let session = Session::new(Duration::ZERO, config, Limits::default());
    let mut driver = Stream::new(session, socket);
    let (mechanism, secret) = (Mechanism::SCRAM_SHA_256, Secret::from("pass"));
    let login = Client::new(mechanism, "testuser", &secret, examples::cli::seed(), None);
    let mut login = login.expect("a login");
    let auth = driver
        .machine_mut()
        .auth(mechanism, login.initial())
        .expect("a command");
    let retr = driver.machine_mut().retr(1).expect("a command");
    let mut message = Vec::new();
    loop {
        match driver.next().await.expect("a session").expect("an event") {
            Event::Challenge { id, data } => {
                let response = login.respond(data.as_bytes()).expect("a response");
                let session = driver.machine_mut();
                session
                    .auth_respond(id, response.as_bytes())
                    .expect("in time");
            }
            Event::Done { id, reply } if id == auth => {
                assert!(reply.is_ok() && login.is_done(), "{reply:?}");
            }
            Event::BodyChunk { data, .. } => message.extend_from_slice(&data),
            Event::Done { id, reply } if id == retr => {
                assert!(reply.is_ok(), "{reply:?}");
                return message;
            }
            _ => {}
        }
    }
}

#[test]
fn mail_send_delivers_to_postfix() {
    let folder = tempdir().expect("a folder");
    let Some(postfix) = support::peers::postfix(folder.path()) else {
        skip!("postfix, as root")
    };
    let host = postfix.address.to_string();
    let arguments = [
        "--host",
        &host,
        "--to",
        "bob@hamburger.edu",
        "--to",
        "eve@elsewhere.example",
    ];
    let output = mail_send(&arguments, MESSAGE);
    assert!(!output.status.success(), "it is no open relay");
    let new = folder.path().join("mail/bob/new");
    let mut files = Vec::new();
    wait_until("postfix has filed the message", || {
        files = fs::read_dir(&new).map_or(Vec::new(), |it| it.flatten().collect());
        !files.is_empty()
    });
    let text = fs::read_to_string(files[0].path()).expect("a message");
    assert!(
        text.starts_with("Return-Path: <alice@crepes.fr>\n"),
        "{text}"
    );
    // postfix adds a date and an id to the header.
    let (_, body) = MESSAGE.split_once("\r\n\r\n").expect("a body");
    let body = body.replace("\r\n", "\n");
    assert!(
        text.contains("Subject: dots\n") && text.ends_with(&format!("\n\n{body}")),
        "{text}"
    );
}

fn wait_until(what: &str, mut ready: impl FnMut() -> bool) {
    let begin = std::time::Instant::now();
    while !ready() {
        assert!(begin.elapsed().as_secs() < 20, "not yet: {what}");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

/// `dns-serve` with these lines in the zone of the lecture's world.
fn dns(folder: &TempDir, origin: &str, records: &str) -> OurServer {
    let text = format!(
        "$ORIGIN {origin}.\n$TTL 60\n@ SOA ns hostmaster 1 60 60 600 60\n@ NS ns\nns A 127.0.0.1\n{records}"
    );
    let file = write(folder, origin, &text);
    let mut command = Command::new(env!("CARGO_BIN_EXE_dns-serve"));
    let zone = format!("{origin}={}", file.display());
    command.args(["--listen", "127.0.0.1:0", "--zone", &zone]);
    OurServer::start(&mut command, 1)
}

/// `mail-serve` on a given address.
fn serve_at(address: &str, folder: &TempDir, more: &[&str]) -> OurServer {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mail-serve"));
    command.args(["--smtp", address, "--user", "bob:hungry"]);
    command
        .arg("--store")
        .arg(folder.path().join("store"))
        .args(more);
    OurServer::start(&mut command, 1)
}

#[test]
fn mail_send_finds_the_exchangers_and_takes_the_second_where_the_first_is_not_there() {
    let folder = tempdir().expect("a folder");
    // All exchangers have one port: the second address is the one where somebody listens.
    let server = serve_at("127.0.0.3:0", &folder, &[]);
    let port = server.address("smtp").port().to_string();
    let records = "@ MX 10 first\n@ MX 20 second\nfirst A 127.0.0.2\nsecond A 127.0.0.3\n";
    let dns = dns(&folder, "hamburger.edu", records);
    let resolver = dns.address("dns").to_string();
    let arguments = [
        "--resolver",
        &resolver,
        "--port",
        &port,
        "--to",
        "bob@hamburger.edu",
    ];
    let output = mail_send(&arguments, MESSAGE);
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8_lossy(&output.stdout);
    let (first, second) = (said.find("127.0.0.2"), said.find("127.0.0.3"));
    assert!(first.is_some() && first < second, "{said}");
    assert_eq!(mailbox(&folder, "bob"), [MESSAGE]);
    // There is no such domain, and the answer is final.
    let arguments = [
        "--resolver",
        &resolver,
        "--port",
        &port,
        "--to",
        "bob@no.hamburger.edu",
    ];
    let output = mail_send(&arguments, MESSAGE);
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("5.1.2 there is no such domain"), "{said}");
}

#[test]
fn mail_serve_relays_for_its_users_retries_and_tells_them_what_failed() {
    let folder = tempdir().expect("a folder");
    let other = tempdir().expect("a folder");
    let port = support::free_port().to_string();
    let dns = dns(&folder, "hamburger.edu", "@ MX 10 mail\nmail A 127.0.0.3\n");
    let resolver = dns.address("dns").to_string();
    let spool = folder.path().join("spool");
    let relay = [
        "--host",
        "crepes.fr",
        "--relay",
        &spool.display().to_string(),
        "--resolver",
        &resolver,
        "--relay-port",
        &port,
        "--retry",
        "1",
        "--user",
        "alice:ketchup",
    ]
    .map(str::to_owned);
    let relay: Vec<_> = relay.iter().map(String::as_str).collect();
    let server = serve_at("127.0.0.1:0", &folder, &relay);
    let host = server.address("smtp").to_string();
    // Without a login nothing is passed on.
    let output = mail_send(&["--host", &host, "--to", "bob@hamburger.edu"], MESSAGE);
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("550 5.7.1"), "{said}");
    // With one, to the other host, to a user of our own, and to nobody.
    let to = ["bob@hamburger.edu", "bob@crepes.fr", "nobody@hamburger.edu"];
    let mut arguments = vec!["--host", &host, "--user", "alice:ketchup"];
    arguments.extend(to.iter().flat_map(|to| ["--to", to]));
    let output = mail_send(&arguments, MESSAGE);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(mailbox(&folder, "bob"), [MESSAGE]);
    // The other host is not there yet: the message waits, also across a restart.
    drop(server);
    assert_eq!(fs::read_dir(&spool).expect("a folder").count(), 2);
    let _server = serve_at("127.0.0.1:0", &folder, &relay);
    let _other = serve_at(
        &format!("127.0.0.3:{port}"),
        &other,
        &["--host", "hamburger.edu"],
    );
    wait_until("Bob has his message", || !mailbox(&other, "bob").is_empty());
    let message = &mailbox(&other, "bob")[0];
    assert!(
        message.starts_with(
            "Received: from localhost ([127.0.0.1])\r\n\tby crepes.fr with ESMTPA id "
        ),
        "{message}"
    );
    assert!(message.ends_with(MESSAGE), "{message}");
    // Alice, a user of crepes.fr, is told of nobody in her own mailbox, and nothing waits any more.
    wait_until("the spool is empty", || {
        fs::read_dir(&spool).expect("a folder").count() == 0
    });
    let told = &mailbox(&folder, "alice")[0];
    assert!(
        told.contains("Final-Recipient: rfc822; nobody@hamburger.edu\r\n"),
        "{told}"
    );
    assert!(told.contains("Status: 5.1.1\r\n"), "{told}");
}

#[test]
fn mail_serve_and_mail_send_start_tls_with_exchangers_that_offer_it() {
    let folder = tempdir().expect("a folder");
    let other = tempdir().expect("a folder");
    // The exchanger takes mail under TLS alone.
    let tls = ["--host", "hamburger.edu", "--tls", "--require-tls"];
    let exchanger = serve_at("127.0.0.3:0", &other, &tls);
    let port = exchanger.address("smtp").port().to_string();
    let dns = dns(&folder, "hamburger.edu", "@ MX 10 mail\nmail A 127.0.0.3\n");
    let resolver = dns.address("dns").to_string();
    let direct = ["--resolver", &resolver, "--port", &port];
    let to = ["--to", "bob@hamburger.edu"];
    let output = mail_send(
        &[&direct[..], &["--starttls", "off"], &to].concat(),
        MESSAGE,
    );
    assert!(!output.status.success(), "{output:?}");
    let output = mail_send(&[&direct[..], &to].concat(), MESSAGE);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(mailbox(&other, "bob"), [MESSAGE]);
    let spool = folder.path().join("spool").display().to_string();
    let relay = ["--host", "crepes.fr", "--user", "alice:ketchup"];
    let out = ["--relay", &spool, "--relay-port", &port];
    let ask = ["--resolver", &resolver];
    let server = serve_at("127.0.0.1:0", &folder, &[&relay[..], &out, &ask].concat());
    let host = server.address("smtp").to_string();
    let login = ["--host", &host, "--user", "alice:ketchup"];
    let output = mail_send(&[&login[..], &to].concat(), MESSAGE);
    assert!(output.status.success(), "{output:?}");
    wait_until("Bob has both", || mailbox(&other, "bob").len() == 2);
}

#[test]
fn sim_mail_tells_the_whole_story_and_the_same_one_each_time() {
    let folder = tempdir().expect("a folder");
    let tell = |seed: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sim-mail"));
        run_ok(command.args(["--seed", seed, "--out"]).arg(folder.path()))
    };
    let story = tell("1");
    assert_eq!(story, tell("1"));
    assert_ne!(story, tell("2"), "another seed, other spelling in the DNS");
    let mut rest = story.as_str();
    for line in [
        "alice -> crepes.fr: MAIL FROM:<alice@crepes.fr>",
        "crepes.fr -> alice: 250 2.0.0 Message accepted for delivery",
        "MX\t10 mx1.hamburger.edu.",
        "A\t10.0.2.25",
        "hamburger.edu -> crepes.fr: 220 hamburger.edu",
        "crepes.fr -> hamburger.edu: How about pickles?",
        "hamburger.edu -> crepes.fr: 250 2.0.0 Message accepted for delivery",
        "crepes.fr -> hamburger.edu: QUIT",
        "bob -> hamburger.edu (POP3): PASS hungry",
        "hamburger.edu (POP3) -> bob: How about pickles?",
        "Bob has read 135 octets",
    ] {
        let at = rest
            .find(line)
            .unwrap_or_else(|| panic!("{line} in {rest}"));
        rest = &rest[at..];
    }
    let csv = fs::read_to_string(folder.path().join("mail.csv")).expect("a table");
    assert!(csv.lines().count() > 80);
    let svg = fs::read_to_string(folder.path().join("mail.svg")).expect("a drawing");
    assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
}
