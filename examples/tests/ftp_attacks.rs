//! Attacks on a running FTP server, from other addresses of loopback, and on a running client.

mod support;

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::time::Duration;
use support::{OurServer, run};

struct Talk {
    reader: BufReader<TcpStream>,
    socket: TcpStream,
}

impl Talk {
    /// Logged in as bob.
    fn new(to: SocketAddr) -> Self {
        let mut talk = Self::greeted(to);
        assert_eq!(talk.say("USER bob"), 331);
        assert_eq!(talk.say("PASS hungry"), 230);
        talk
    }

    fn greeted(to: SocketAddr) -> Self {
        let socket = TcpStream::connect(to).expect("a connection");
        let timeout = Some(Duration::from_secs(10));
        socket.set_read_timeout(timeout).expect("a timeout");
        let reader = BufReader::new(socket.try_clone().expect("a socket"));
        let mut talk = Self { reader, socket };
        assert_eq!(talk.hear().0, 220);
        talk
    }

    fn send(&mut self, octets: &[u8]) {
        self.socket.write_all(octets).expect("a write");
    }

    fn hear(&mut self) -> (u16, String) {
        loop {
            let mut line = String::new();
            self.reader.read_line(&mut line).expect("a line");
            if line.is_empty() {
                return (0, line);
            }
            if line.as_bytes().get(3) == Some(&b' ') {
                return (line[..3].parse().expect("a code"), line);
            }
        }
    }

    fn say(&mut self, line: &str) -> u16 {
        self.send(format!("{line}\r\n").as_bytes());
        self.hear().0
    }

    /// The port of a fresh listener.
    fn passive(&mut self) -> u16 {
        self.send(b"EPSV\r\n");
        let (code, line) = self.hear();
        assert_eq!(code, 229, "{line}");
        let port = line.split('|').nth(3).expect("a port");
        port.parse().expect("a port")
    }
}

fn serve(folder: &std::path::Path, more: &[&str]) -> OurServer {
    fs::write(folder.join("secret.txt"), "secret\n").expect("a file");
    let mut command = Command::new(env!("CARGO_BIN_EXE_ftp-serve"));
    command.args(["--listen", "127.0.0.1:0", "--user", "bob:hungry", "--root"]);
    OurServer::start(command.arg(folder).args(more), 1)
}

/// Connects from an address that is not the client's. `None` where this machine lacks the address;
/// an error when the server was so quick to reset that not even connecting succeeded.
fn connect_from(from: &str, to: SocketAddr) -> Option<io::Result<TcpStream>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let socket = tokio::net::TcpSocket::new_v4().ok()?;
        socket.bind(SocketAddr::new(from.parse().ok()?, 0)).ok()?;
        Some(socket.connect(to).await.and_then(|stream| {
            let stream = stream.into_std()?;
            stream.set_nonblocking(false)?;
            Ok(stream)
        }))
    })
}

#[test]
fn no_connection_is_made_to_a_third_party() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = serve(folder.path(), &["--writable"]);
    let Ok(victim) = TcpListener::bind("127.0.0.2:0") else {
        support::skip!("127.0.0.2");
    };
    victim.set_nonblocking(true).expect("a listener");
    let port = victim.local_addr().expect("an address").port();
    let mut talk = Talk::new(server.address("ftp"));
    let (high, low) = (port >> 8, port & 255);
    for line in [
        format!("PORT 127,0,0,2,{high},{low}"),
        format!("EPRT |1|127.0.0.2|{port}|"),
        "PORT 127,0,0,1,0,25".to_owned(),
    ] {
        assert_eq!(talk.say(&line), 501, "{line}");
        assert_eq!(talk.say("RETR secret.txt"), 425, "{line}");
    }
    assert!(victim.accept().is_err(), "somebody connected");
}

#[test]
fn a_stranger_who_connects_first_gets_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = serve(folder.path(), &["--writable"]);
    let address = server.address("ftp");
    let mut talk = Talk::new(address);
    assert_eq!(talk.say("TYPE I"), 200);
    let data = SocketAddr::new(address.ip(), talk.passive());
    let Some(thief) = connect_from("127.0.0.3", data) else {
        support::skip!("127.0.0.3");
    };
    assert_eq!(talk.say("RETR secret.txt"), 150);
    let mut stolen = Vec::new();
    // A reset, or nothing at all.
    let _ = thief.and_then(|mut thief| thief.read_to_end(&mut stolen));
    assert!(stolen.is_empty(), "{stolen:?}");
    // The client itself is still served.
    let mut mine = TcpStream::connect(data).expect("a connection");
    let mut text = String::new();
    mine.read_to_string(&mut text).expect("a file");
    assert_eq!(text, "secret\n");
    assert_eq!(talk.hear().0, 226);
    // What a stranger sends is stored nowhere.
    let data = SocketAddr::new(address.ip(), talk.passive());
    let stranger = connect_from("127.0.0.3", data).expect("an address");
    assert_eq!(talk.say("STOR new.txt"), 150);
    let _ = stranger.and_then(|mut stranger| stranger.write_all(b"forged"));
    let mut mine = TcpStream::connect(data).expect("a connection");
    mine.write_all(b"mine").expect("a write");
    mine.shutdown(Shutdown::Write).expect("an end");
    assert_eq!(talk.hear().0, 226);
    let stored = fs::read(folder.path().join("new.txt")).expect("a file");
    assert_eq!(stored, b"mine");
}

#[test]
fn what_follows_auth_in_plaintext_is_not_executed() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = serve(folder.path(), &["--tls"]);
    let mut talk = Talk::greeted(server.address("ftp"));
    talk.send(b"AUTH TLS\r\nUSER bob\r\nPASS hungry\r\n");
    assert_eq!(talk.hear().0, 234);
    let mut rest = Vec::new();
    // The end of the connection, however it comes; no reply.
    let _ = talk.reader.read_to_end(&mut rest);
    assert!(rest.is_empty(), "{rest:?}");
}

#[test]
fn no_path_and_no_link_leads_out_of_the_root() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().join("root");
    fs::create_dir(&root).expect("a folder");
    fs::write(folder.path().join("outside.txt"), "outside\n").expect("a file");
    std::os::unix::fs::symlink("../outside.txt", root.join("link")).expect("a link");
    std::os::unix::fs::symlink("..", root.join("up")).expect("a link");
    let server = serve(&root, &["--writable"]);
    let mut talk = Talk::new(server.address("ftp"));
    for path in [
        "../outside.txt",
        "/../outside.txt",
        "link",
        "up/outside.txt",
    ] {
        talk.passive();
        assert_eq!(talk.say(&format!("RETR {path}")), 550, "{path}");
    }
    for path in ["link", "up/outside.txt"] {
        talk.passive();
        assert_eq!(talk.say(&format!("APPE {path}")), 550, "{path}");
        assert_eq!(talk.say(&format!("STOR {path}")), 553, "{path}");
    }
    // `..` ends at the root: this is a file below it.
    let address = server.address("ftp");
    let data = SocketAddr::new(address.ip(), talk.passive());
    assert_eq!(talk.say("STOR ../../outside.txt"), 150);
    drop(TcpStream::connect(data).expect("a connection"));
    assert_eq!(talk.hear().0, 226);
    assert!(root.join("outside.txt").exists());
    assert_eq!(talk.say("CWD up"), 550);
    assert_eq!(talk.say("DELE up/outside.txt"), 550);
    let text = fs::read_to_string(folder.path().join("outside.txt")).expect("a file");
    assert_eq!(text, "outside\n");
}

#[test]
fn an_endless_line_is_thrown_away() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = serve(folder.path(), &["--writable"]);
    let mut talk = Talk::new(server.address("ftp"));
    let piece = vec![b'A'; 1 << 20];
    for _ in 0..32 {
        talk.send(&piece);
    }
    talk.send(b"DELE secret.txt\r\n");
    assert_eq!(talk.hear().0, 500);
    assert_eq!(talk.say("NOOP"), 200);
    assert!(folder.path().join("secret.txt").exists());
}

/// Firewalls of clients expect active mode to come from port 20.
#[test]
fn active_mode_comes_from_port_20_where_that_is_allowed() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = serve(folder.path(), &[]);
    let may_bind = TcpListener::bind("127.0.0.1:20").is_ok();
    let mut talk = Talk::new(server.address("ftp"));
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let port = listener.local_addr().expect("an address").port();
    let line = format!("PORT 127,0,0,1,{},{}", port >> 8, port & 255);
    assert_eq!(talk.say(&line), 200);
    assert_eq!(talk.say("RETR secret.txt"), 150);
    let (mut data, from) = listener.accept().expect("a connection");
    let mut text = String::new();
    data.read_to_string(&mut text).expect("a file");
    assert_eq!(text, "secret\r\n");
    assert_eq!(talk.hear().0, 226);
    assert!(from.port() == 20 || !may_bind, "{from}");
}

/// A server that names somebody else in its reply to PASV: our client connects to the server.
#[test]
fn our_client_connects_to_its_server_whatever_pasv_says() {
    let folder = tempfile::tempdir().expect("a folder");
    // The same port at the server's own address, where the client is to come; it may be somebody
    // else's there.
    let Some((victim, data)) = (0..100).find_map(|_| {
        let victim = TcpListener::bind("127.0.0.2:0").ok()?;
        let port = victim.local_addr().ok()?.port();
        let data = TcpListener::bind(("127.0.0.1", port)).ok()?;
        Some((victim, data))
    }) else {
        support::skip!("127.0.0.2");
    };
    victim.set_nonblocking(true).expect("a listener");
    let port = victim.local_addr().expect("an address").port();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let address = listener.local_addr().expect("an address");
    let forger = std::thread::spawn(move || {
        let (socket, _) = listener.accept().expect("a client");
        let mut reader = BufReader::new(socket.try_clone().expect("a socket"));
        let mut socket = socket;
        socket.write_all(b"220 hi\r\n").expect("a write");
        let mut line = String::new();
        while reader.read_line(&mut line).is_ok_and(|len| len > 0) {
            let reply = match line.split_whitespace().next().unwrap_or_default() {
                "USER" => "331 who".to_owned(),
                "PASS" => "230 in".to_owned(),
                "EPSV" => "500 no".to_owned(),
                "PASV" => format!("227 (127,0,0,2,{},{})", port >> 8, port & 255),
                "RETR" => {
                    socket.write_all(b"150 here\r\n").expect("a write");
                    let (mut file, _) = data.accept().expect("a connection");
                    file.write_all(b"file").expect("a write");
                    drop(file);
                    "226 done".to_owned()
                }
                "QUIT" => "221 bye".to_owned(),
                _ => "200 ok".to_owned(),
            };
            socket
                .write_all(format!("{reply}\r\n").as_bytes())
                .expect("a write");
            line.clear();
        }
    });
    let local = folder.path().join("got");
    let mut command = Command::new(env!("CARGO_BIN_EXE_ftp-get"));
    command.args(["get", "file"]).arg(&local).arg("--quiet");
    let output = run(command.args(["--user", "bob:x", "--host", &address.to_string()]));
    assert!(output.status.success(), "{output:?}");
    assert_eq!(fs::read(local).expect("a file"), b"file");
    assert!(victim.accept().is_err(), "the client connected elsewhere");
    forger.join().expect("the forger");
}
