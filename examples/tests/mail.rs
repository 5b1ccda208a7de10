//! POP3 with real programs: curl, poplib, fetchmail and mutt read from our server, our client reads
//! from Dovecot.

mod support;

use examples::mail::BOBS_MESSAGES;
use examples::pop3_client::Client;
use netio::driver::Stream;
use netio::tls;
use proto_mail::pop3::client::{Config, Event, Limits, Session};
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use support::{OurServer, certificate, find, peers, run, run_ok, skip};
use tempfile::{TempDir, tempdir};
use tls::tokio_rustls::rustls::pki_types::ServerName;
use tokio::net::TcpStream;

/// `mail-serve` with Bob's two messages, with TLS; and the folder that holds `cert.pem`.
fn serve_bob(store: &str) -> (OurServer, TempDir) {
    let folder = tempdir().expect("a folder");
    certificate(folder.path());
    let path = |name: &str| folder.path().join(name).display().to_string();
    let mut command = Command::new(env!("CARGO_BIN_EXE_mail-serve"));
    command.args([
        "--pop3",
        "127.0.0.1:0",
        "--pop3s",
        "127.0.0.1:0",
        "--user",
        "bob:hungry",
    ]);
    command.args(["--cert", &path("cert.pem"), "--key", &path("key.pem")]);
    if store == "memory" {
        for (number, message) in BOBS_MESSAGES.iter().enumerate() {
            fs::write(folder.path().join(number.to_string()), message).expect("a file");
            command.args(["--deliver", &format!("bob={}", path(&number.to_string()))]);
        }
    } else {
        deliver_to_maildir(&folder.path().join("store/bob"));
        command.args(["--store", &path("store")]);
    }
    (OurServer::start(&mut command, 2), folder)
}

/// On disk lines end in LF, as usual on Unix: what is read must not show it.
fn deliver_to_maildir(maildir: &Path) {
    fs::create_dir_all(maildir.join("new")).expect("a folder");
    for (number, message) in BOBS_MESSAGES.iter().enumerate() {
        let file = maildir.join(format!("new/{number}.test.localhost"));
        fs::write(file, message.replace("\r\n", "\n")).expect("a file");
    }
}

#[test]
fn curl_lists_reads_and_deletes_with_stls_and_under_tls() {
    let Some(curl) = find("curl") else {
        skip!("curl")
    };
    for store in ["memory", "maildir"] {
        let (server, folder) = serve_bob(store);
        let cert = folder.path().join("cert.pem");
        let curl = |url: &str, more: &[&str]| {
            let mut command = Command::new(&curl);
            command
                .args(["-sS", "--max-time", "20", "-u", "bob:hungry", "--cacert"])
                .arg(&cert);
            run_ok(command.arg(url).args(more))
        };
        let plain = format!("pop3://localhost:{}", server.address("pop3").port());
        let secure = format!("pop3s://localhost:{}", server.address("pop3s").port());
        let sizes: Vec<_> = BOBS_MESSAGES.iter().map(|message| message.len()).collect();
        let listing = format!("1 {}\r\n2 {}\r\n", sizes[0], sizes[1]);
        assert_eq!(
            curl(&format!("{plain}/"), &["--ssl-reqd"]),
            listing,
            "{store}"
        );
        assert_eq!(
            curl(&format!("{plain}/1"), &["--ssl-reqd"]),
            BOBS_MESSAGES[0],
            "{store}"
        );
        assert_eq!(
            curl(&format!("{secure}/2"), &[]),
            BOBS_MESSAGES[1],
            "{store}"
        );
        assert_eq!(
            curl(&format!("{secure}/"), &["-X", "TOP 2 1"]),
            BOBS_MESSAGES[1]
                .split_inclusive("\r\n")
                .take(5)
                .collect::<String>(),
            "{store}"
        );
        curl(&format!("{secure}/1"), &["-X", "DELE", "-l"]);
        let left = curl(&format!("{secure}/"), &[]);
        assert_eq!(left, format!("1 {}\r\n", sizes[1]), "{store}");
    }
}

#[test]
fn curl_is_refused_without_tls_and_with_a_wrong_password() {
    let Some(curl) = find("curl") else {
        skip!("curl")
    };
    let (server, folder) = serve_bob("memory");
    let url = format!("pop3://localhost:{}/1", server.address("pop3").port());
    let mut in_the_clear = Command::new(&curl);
    let output = run(in_the_clear.args(["-sS", "--max-time", "20", "-u", "bob:hungry", &url]));
    assert!(!output.status.success() && output.stdout.is_empty());
    let mut wrong = Command::new(&curl);
    wrong.args([
        "-sS",
        "--max-time",
        "20",
        "-u",
        "bob:thirsty",
        "--ssl-reqd",
        "--cacert",
    ]);
    let output = run(wrong.arg(folder.path().join("cert.pem")).arg(&url));
    assert_eq!(
        output.status.code(),
        Some(67),
        "curl calls it a refused login"
    );
}

#[test]
fn poplib_goes_through_all_commands() {
    let Some(python) = find("python3") else {
        skip!("python3")
    };
    let (server, folder) = serve_bob("memory");
    let script = r#"
import poplib, ssl, sys
port, pops_port, cert = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
context = ssl.create_default_context(cafile=cert)
p = poplib.POP3('localhost', port, timeout=20)
assert b'POP3 server ready' in p.getwelcome(), p.getwelcome()
capa = p.capa()
assert 'STLS' in capa and 'UIDL' in capa and 'USER' not in capa, capa
p.stls(context)
capa = p.capa()
assert 'STLS' not in capa and 'USER' in capa and capa['SASL'] == ['SCRAM-SHA-256', 'SCRAM-SHA-1', 'CRAM-MD5', 'PLAIN', 'LOGIN'], capa
try:
    p.user('bob'); p.pass_('wrong'); sys.exit('a wrong password was taken')
except poplib.error_proto as error:
    assert b'-ERR [AUTH]' in error.args[0], error
p.user('bob'); p.pass_('hungry')
assert p.stat()[0] == 2, p.stat()
assert [line.split()[0] for line in p.list()[1]] == [b'1', b'2']
assert p.list(2).startswith(b'+OK 2 ')
ids = [line.split()[1] for line in p.uidl()[1]]
assert len(set(ids)) == 2 and ids[0] in p.uidl(1)
lines = p.retr(2)[1]
assert lines[3:] == [b'', b'A dot alone:', b'.', b'and a line of dots: ', b'...'], lines
assert p.top(2, 0)[1][-1] == b'', p.top(2, 0)
assert p.noop().startswith(b'+OK')
p.dele(1)
assert p.stat()[0] == 1
try:
    p.retr(1); sys.exit('a deleted message was read')
except poplib.error_proto:
    pass
p.rset()
assert p.stat()[0] == 2
other = poplib.POP3_SSL('localhost', pops_port, context=context, timeout=20)
try:
    other.user('bob'); other.pass_('hungry'); sys.exit('two sessions have one maildrop')
except poplib.error_proto as error:
    assert b'[IN-USE]' in error.args[0], error
other.quit()
p.dele(2)
assert p.quit() == b'+OK POP3 server signing off'
p = poplib.POP3_SSL('localhost', pops_port, context=context, timeout=20)
p.user('bob'); p.pass_('hungry')
assert p.stat()[0] == 1
p.dele(1)
p.close()                       # no QUIT: nothing is deleted
p = poplib.POP3_SSL('localhost', pops_port, context=context, timeout=20)
for attempt in range(50):       # the lock falls when the server sees the end
    try:
        p.user('bob'); p.pass_('hungry'); break
    except poplib.error_proto as error:
        assert b'[IN-USE]' in error.args[0], error
        p = poplib.POP3_SSL('localhost', pops_port, context=context, timeout=20)
assert p.stat()[0] == 1
p.quit()
print('all of it')
"#;
    let mut command = Command::new(python);
    command.args(["-c", script]);
    command.arg(server.address("pop3").port().to_string());
    command.arg(server.address("pop3s").port().to_string());
    assert_eq!(
        run_ok(command.arg(folder.path().join("cert.pem"))),
        "all of it\n"
    );
}

#[test]
fn poplib_logs_in_with_apop() {
    let Some(python) = find("python3") else {
        skip!("python3")
    };
    let mut command = Command::new(env!("CARGO_BIN_EXE_mail-serve"));
    command.args(["--pop3", "127.0.0.1:0", "--user", "bob:hungry", "--apop"]);
    let server = OurServer::start(&mut command, 1);
    let script = r"
import poplib, sys
p = poplib.POP3('127.0.0.1', int(sys.argv[1]), timeout=20)
p.apop('bob', 'hungry')
assert p.stat()[0] == 2
p.quit()
";
    let mut command = Command::new(python);
    command.args(["-c", script]);
    run_ok(command.arg(server.address("pop3").port().to_string()));
}

#[test]
fn fetchmail_empties_the_mailbox() {
    let Some(fetchmail) = find("fetchmail") else {
        skip!("fetchmail")
    };
    for store in ["memory", "maildir"] {
        let (server, folder) = serve_bob(store);
        let (port, cert) = (
            server.address("pop3").port(),
            folder.path().join("cert.pem"),
        );
        let inbox = folder.path().join("inbox");
        let rc = folder.path().join("fetchmailrc");
        let text = format!(
            "poll localhost protocol pop3 port {port} user \"bob\" password \"hungry\" sslproto \"TLS1.2+\" sslcertck sslcertfile {} fetchall mda \"cat >> {}\"\n",
            cert.display(),
            inbox.display()
        );
        fs::write(&rc, text).expect("a file");
        fs::set_permissions(&rc, fs::Permissions::from_mode(0o600)).expect("permissions");
        let mut command = Command::new(&fetchmail);
        command.arg("-f").arg(&rc).args(["--nosyslog", "--pidfile"]);
        command.arg(folder.path().join("pid")).args(["--invisible"]);
        run_ok(
            command
                .env("HOME", folder.path())
                .env("FETCHMAILHOME", folder.path()),
        );
        let inbox = fs::read_to_string(inbox)
            .expect("an inbox")
            .replace("\r\n", "\n");
        for message in BOBS_MESSAGES {
            let body = message
                .split_once("\r\n\r\n")
                .expect("a body")
                .1
                .replace("\r\n", "\n");
            assert!(
                inbox.contains(&body),
                "{store}: {body:?} is not in {inbox:?}"
            );
        }
        let mut command = Command::new(&fetchmail);
        command.arg("-f").arg(&rc).args(["--nosyslog", "--pidfile"]);
        command.arg(folder.path().join("pid"));
        let output = run(command
            .env("HOME", folder.path())
            .env("FETCHMAILHOME", folder.path()));
        assert_eq!(output.status.code(), Some(1), "{store}: no mail is left");
    }
}

#[test]
fn mutt_copies_the_messages_out_of_the_mailbox() {
    // mutt wants a terminal, which script gives it.
    let (Some(_), Some(script)) = (find("mutt"), find("script")) else {
        skip!("mutt or script")
    };
    let folder = tempdir().expect("a folder");
    let mut command = Command::new(env!("CARGO_BIN_EXE_mail-serve"));
    let server = OurServer::start(
        command.args(["--pop3", "127.0.0.1:0", "--user", "bob:hungry"]),
        1,
    );
    let rc = folder.path().join("muttrc");
    fs::create_dir(folder.path().join("Mail")).expect("a folder");
    let settings = "set pop_pass=hungry pop_delete=no ssl_starttls=no ssl_force_tls=no mbox_type=mbox\n\
                    set confirmappend=no quit=yes move=no delete=no wait_key=no\n";
    fs::write(&rc, settings).expect("a file");
    let keys = "<first-entry><copy-message>=out<enter>y<next-entry><copy-message>=out<enter><quit>";
    let mutt = format!(
        "mutt -n -F {} -f pop://bob@{}/ -e 'push \"{keys}\"'",
        rc.display(),
        server.address("pop3")
    );
    let mut command = Command::new(script);
    command.args(["-qec", &mutt, "/dev/null"]);
    run_ok(command.env("HOME", folder.path()).env("TERM", "xterm"));
    let copies = fs::read_to_string(folder.path().join("Mail/out")).expect("copies");
    for message in BOBS_MESSAGES {
        let body = message.split_once("\r\n\r\n").expect("a body").1;
        let body = body.replace("\r\n", "\n");
        assert!(copies.contains(&body), "{body:?} is not in {copies:?}");
    }
}

/// A client's transport that can become TLS, to a server with the certificate of the folder.
async fn transport(folder: &Path, address: SocketAddr) -> tls::Stream<TcpStream> {
    let cert = fs::read(folder.join("cert.pem")).expect("a certificate");
    let config = tls::client_config(&cert, &[]).expect("a usable certificate");
    let socket = TcpStream::connect(address).await.expect("a connection");
    let name = ServerName::try_from("localhost").expect("a name");
    tls::Stream::client(socket, config, name)
}

#[tokio::test]
async fn our_client_reads_a_mailbox_of_dovecot_with_stls_and_under_tls() {
    let folder = tempdir().expect("a folder");
    // Dovecot counts lines that end in CRLF whatever is on disk.
    let big = format!(
        "Subject: big\r\n\r\n{}",
        ".dots and more\r\n".repeat(100_000)
    );
    let mut messages = BOBS_MESSAGES.to_vec();
    messages.push(&big);
    let Some(dovecot) = peers::dovecot(folder.path(), &messages) else {
        skip!("dovecot")
    };

    let io = transport(folder.path(), dovecot.pop3).await;
    let session = Session::new(Duration::ZERO, Config::default(), Limits::default());
    let (mut client, greeting) = Client::connect(Stream::new(session, io))
        .await
        .expect("a greeting");
    assert!(greeting.is_ok());
    client.run(Session::capa).await.expect("CAPA");
    let refused = client.driver_mut().machine_mut().login("testuser", "pass");
    assert!(refused.is_err(), "no credentials before TLS");
    assert!(client.run(Session::stls).await.expect("STLS").reply.is_ok());
    client.run(Session::capa).await.expect("CAPA");
    let wrong = client
        .run(|it| it.login("testuser", "wrong"))
        .await
        .expect("an answer");
    assert!(!wrong.reply.is_ok());
    let login = client
        .run(|it| it.login("testuser", "pass"))
        .await
        .expect("an answer");
    assert!(login.reply.is_ok(), "{login:?}");
    read_and_check(&mut client, &messages).await;
    assert!(
        client
            .run(|it| it.dele(1))
            .await
            .expect("an answer")
            .reply
            .is_ok()
    );
    assert!(
        client
            .run(Session::quit)
            .await
            .expect("an answer")
            .reply
            .is_ok()
    );
    client.finish().await.expect("an end");

    let mut config = Config::default();
    config.implicit_tls = true;
    let io = transport(folder.path(), dovecot.pop3s).await;
    let session = Session::new(Duration::ZERO, config, Limits::default());
    let driver = Stream::implicit_tls(session, io);
    let (mut client, _) = Client::connect(driver).await.expect("a greeting");
    client.run(Session::capa).await.expect("CAPA");
    let login = client
        .run(|it| it.auth_plain("testuser", "pass"))
        .await
        .expect("an answer");
    assert!(login.reply.is_ok(), "{login:?}");
    read_and_check(&mut client, &messages[1..]).await;
    assert!(
        client
            .run(Session::quit)
            .await
            .expect("an answer")
            .reply
            .is_ok()
    );
    client.finish().await.expect("an end");
}

async fn read_and_check(client: &mut Client<tls::Stream<TcpStream>>, messages: &[&str]) {
    let stat = client.run(Session::stat).await.expect("STAT");
    let octets: usize = messages.iter().map(|message| message.len()).sum();
    let [
        Event::Stat {
            messages: count,
            octets: sum,
            ..
        },
    ] = stat.events[..]
    else {
        panic!("{stat:?}")
    };
    assert_eq!((count as usize, sum as usize), (messages.len(), octets));
    let list = client.run(|it| it.list(None)).await.expect("LIST");
    assert_eq!(list.events.len(), messages.len());
    let ids = client.run(|it| it.uidl(None)).await.expect("UIDL");
    assert_eq!(ids.events.len(), messages.len());
    for (number, message) in (1..).zip(messages) {
        let outcome = client.run(|it| it.retr(number)).await.expect("RETR");
        assert!(
            outcome.body() == message.as_bytes(),
            "message {number} differs"
        );
        let top = client.run(|it| it.top(number, 1)).await.expect("TOP");
        assert!(
            message.as_bytes().starts_with(&top.body()),
            "TOP {number} differs"
        );
    }
}

#[tokio::test]
async fn our_client_pipelines_when_the_server_says_that_it_may() {
    let folder = tempdir().expect("a folder");
    let messages: Vec<_> = (0..40)
        .map(|number| format!("Subject: {number}\r\n\r\nx\r\n"))
        .collect();
    let messages: Vec<_> = messages.iter().map(String::as_str).collect();
    let Some(dovecot) = peers::dovecot(folder.path(), &messages) else {
        skip!("dovecot")
    };
    let io = transport(folder.path(), dovecot.pop3).await;
    let limits = Arc::new(Limits::default());
    let session = Session::new(Duration::ZERO, Config::default(), limits);
    let (mut client, _) = Client::connect(Stream::new(session, io))
        .await
        .expect("a greeting");
    client.run(Session::stls).await.expect("STLS");
    client
        .run(|it| it.login("testuser", "pass"))
        .await
        .expect("a login");
    client.run(Session::capa).await.expect("CAPA");
    let session = client.driver_mut().machine_mut();
    let wanted: Vec<_> = (1..=40)
        .map(|number| session.retr(number).expect("RETR"))
        .collect();
    let mut bodies = vec![Vec::new(); wanted.len()];
    let mut done = 0;
    while done < wanted.len() {
        match client.driver_mut().next().await.expect("an event") {
            Some(Event::BodyChunk { id, data }) => {
                let index = wanted
                    .iter()
                    .position(|wanted| *wanted == id)
                    .expect("an id");
                assert_eq!(index, done, "bodies come in order");
                bodies[index].extend_from_slice(&data);
            }
            Some(Event::Done { id, reply }) => {
                assert!(reply.is_ok() && id == wanted[done]);
                done += 1;
            }
            event => panic!("{event:?}"),
        }
    }
    for (body, message) in bodies.iter().zip(&messages) {
        assert_eq!(body, message.as_bytes());
    }
}

#[test]
fn wrong_arguments_end_with_a_message_and_status_2() {
    let program = env!("CARGO_BIN_EXE_mail-serve");
    for arguments in [
        &["--pop3", "nowhere", "--user", "bob:x"][..],
        &["--pop3", "127.0.0.1:0"],
        &["--pop3", "127.0.0.1:0", "--user", "bob"],
        &["--pop3", "127.0.0.1:0", "--user", "bob:x", "--cert", "only"],
        &["--unknown"],
    ] {
        let output = run(Command::new(program).args(arguments));
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(!output.stderr.is_empty(), "{arguments:?}");
    }
    assert!(run_ok(Command::new(program).arg("--help")).contains("--pop3"));
}
