//! The drivers of FTP over real sockets: files by `sendfile`, urgent data, and both sessions.

#![cfg(all(feature = "ftp", feature = "tokio"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use core::time::Duration;
use netio::driver::ftp::{Client, Control, Options, Payload, Server};
use proto_ftp::client;
use proto_ftp::data::Type;
use proto_ftp::server::{Answer, Config, Event, Session};
use proto_ftp::wire::Verb;
use proto_ftp::{ClientLimits, ServerLimits};
use std::io::{Seek, SeekFrom, Write};
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

fn content() -> Vec<u8> {
    (0..3_000_000_u32).map(|at| (at * 7 % 251) as u8).collect()
}

/// A file without a name, with this in it.
fn file(content: &[u8]) -> std::fs::File {
    let name = format!("netio-ftp-{}-{:p}", std::process::id(), content);
    let path = std::env::temp_dir().join(name);
    let mut file = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .open(&path)
        .unwrap();
    std::fs::remove_file(path).unwrap();
    file.write_all(content).unwrap();
    file.seek(SeekFrom::Start(0)).unwrap();
    file
}

/// Serves one session; what is stored comes back from the task.
async fn serve(content: Vec<u8>) -> (SocketAddr, tokio::task::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let task = tokio::spawn(async move {
        let (socket, peer) = listener.accept().await.unwrap();
        let socket = Control::new(socket).unwrap();
        let limits = ServerLimits::default();
        let mut config = Config::default();
        config.virtual_hosts = true;
        config.hash = Some("SHA-256".into());
        let session = Session::new(Duration::ZERO, config, limits, address, peer);
        let mut options = Options::default();
        options.passive_ports = Some(40_000..=49_999);
        let mut server = Server::new(session, socket, address, options);
        let mut seen = Vec::new();
        while let Some(event) = server.next().await.unwrap() {
            match event {
                Event::Login { ask, .. } => server.session_mut().accept(ask).unwrap(),
                Event::Retrieve { ask, id, .. } => {
                    server.provide(id, Payload::File(file(&content)));
                    server.session_mut().accept(ask).unwrap();
                }
                Event::Store { ask, id, .. } => {
                    server.provide(id, Payload::File(file(b"")));
                    server.session_mut().accept(ask).unwrap();
                }
                Event::Host { ask, host } => {
                    seen.push(format!("host {}", String::from_utf8_lossy(&host)));
                    server.session_mut().accept(ask).unwrap();
                }
                Event::Hash { ask, path } => {
                    let path = String::from_utf8_lossy(path.as_bytes()).into_owned();
                    let text = format!("0-{} c0ffee {path}", content.len() - 1);
                    let answer = Answer::Text(text.into());
                    server.session_mut().accept_with(ask, answer).unwrap();
                }
                Event::Commit { ask, octets, .. } => {
                    seen.push(format!("{octets} octets"));
                    server.session_mut().accept(ask).unwrap();
                }
                event => seen.push(format!("{event:?}")),
            }
        }
        seen
    });
    (address, task)
}

async fn connect(address: SocketAddr) -> Client<Control> {
    let socket = Control::new(TcpStream::connect(address).await.unwrap()).unwrap();
    let mut config = client::Config::default();
    config.require_tls = false;
    config.pipelining = true;
    let local = socket.socket().local_addr().unwrap();
    let limits = ClientLimits::default();
    let session = client::Session::new(Duration::ZERO, config, limits, local, address);
    Client::new(session, socket)
}

#[tokio::test]
async fn files_travel_both_ways_octet_for_octet() {
    let (address, server) = serve(content()).await;
    let mut client = connect(address).await;
    client.session_mut().login("bob", "hungry").unwrap();
    for kind in [Type::Image, Type::Ebcdic] {
        let retr = client.session_mut().retr("file", kind, 0).unwrap();
        let (reply, got) = client.collect(retr, 10_000_000).await.unwrap();
        assert_eq!(reply.code(), 226);
        assert!(got == content(), "{kind:?}");
    }
    let stor = client.session_mut().stor("new", Type::Image, 0).unwrap();
    client.provide(stor, Payload::File(file(&content())));
    let (_, octets) = client.finish(stor, |_| {}).await.unwrap();
    assert_eq!(octets, 3_000_000);
    let quit = client.session_mut().quit().unwrap();
    client.finish(quit, |_| {}).await.unwrap();
    // The server waits for the end of the connection.
    drop(client);
    let seen = server.await.unwrap();
    assert!(seen.contains(&"3000000 octets".to_owned()), "{seen:?}");
}

/// A control connection by hand.
struct Raw {
    socket: TcpStream,
    heard: String,
}

impl Raw {
    async fn connect(address: SocketAddr) -> Self {
        let mut raw = Self::greeted(address).await;
        raw.login().await;
        raw
    }

    async fn greeted(address: SocketAddr) -> Self {
        let socket = TcpStream::connect(address).await.unwrap();
        let mut raw = Self {
            socket,
            heard: String::new(),
        };
        raw.hear("220 ").await;
        raw
    }

    async fn login(&mut self) {
        self.say("USER bob", "331 ").await;
        self.say("PASS hungry", "230 ").await;
        self.say("TYPE I", "200 ").await;
    }

    /// Says a line, and hears a line that begins so.
    async fn say(&mut self, line: &str, reply: &str) -> String {
        let line = format!("{line}\r\n");
        self.socket.write_all(line.as_bytes()).await.unwrap();
        self.hear(reply).await
    }

    async fn hear(&mut self, reply: &str) -> String {
        loop {
            while let Some((line, rest)) = self.heard.split_once("\r\n") {
                let (line, rest) = (line.to_owned(), rest.to_owned());
                self.heard = rest;
                if line.starts_with(reply) {
                    return line;
                }
            }
            let mut buffer = [0; 1000];
            let read = self.socket.read(&mut buffer);
            let read = tokio::time::timeout(Duration::from_secs(60), read).await;
            let len = read.expect("a reply in time").unwrap();
            assert!(len > 0, "no {reply}: {}", self.heard);
            self.heard
                .push_str(std::str::from_utf8(&buffer[..len]).unwrap());
        }
    }

    async fn data(&mut self, line: &str) -> TcpStream {
        let reply = self.say("EPSV", "229 ").await;
        let port: u16 = reply.split('|').nth(3).unwrap().parse().unwrap();
        let data = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        self.say(line, "150 ").await;
        data
    }

    /// Asks until the server says that octets were transferred.
    async fn until_moved(&mut self) {
        loop {
            let moved = self.say("STAT", " Transferred").await;
            let digits = moved.split(' ').find_map(|word| word.parse::<u64>().ok());
            if digits.unwrap() > 0 {
                return;
            }
        }
    }
}

#[tokio::test]
async fn a_host_is_named_a_hash_is_told_and_a_session_begins_anew() {
    let (address, server) = serve(b"seven".to_vec()).await;
    let mut raw = Raw::greeted(address).await;
    raw.say("HOST ftp.example.com", "220 ").await;
    raw.login().await;
    // RFC 7151 section 3.1: not after the login.
    raw.say("HOST www.example.com", "503 ").await;
    let hash = raw.say("HASH file", "213 ").await;
    assert_eq!(hash, "213 SHA-256 0-4 c0ffee /file");
    raw.say("REIN", "220 ").await;
    raw.say("HASH file", "530 ").await;
    raw.login().await;
    let mut data = raw.data("RETR file").await;
    let mut got = Vec::new();
    data.read_to_end(&mut got).await.unwrap();
    assert_eq!(got, b"seven");
    raw.hear("226 ").await;
    raw.say("QUIT", "221 ").await;
    drop(raw);
    let seen = server.await.unwrap();
    let hosts = seen.iter().filter(|line| line.starts_with("host "));
    assert_eq!(hosts.collect::<Vec<_>>(), ["host ftp.example.com"]);
}

/// While nobody reads or writes at the other end, the transfer waits, and goes on when it can.
#[tokio::test]
async fn a_peer_that_does_not_keep_up_gets_the_whole_file() {
    let content: Vec<u8> = content().into_iter().cycle().take(20_000_000).collect();
    let (address, server) = serve(content.clone()).await;
    let mut raw = Raw::connect(address).await;
    let mut data = raw.data("RETR file").await;
    raw.until_moved().await;
    let mut got = Vec::new();
    data.read_to_end(&mut got).await.unwrap();
    assert!(got == content);
    raw.hear("226 ").await;
    let mut data = raw.data("STOR new").await;
    data.write_all(&content[..1]).await.unwrap();
    raw.until_moved().await;
    data.write_all(&content[1..]).await.unwrap();
    drop(data);
    raw.hear("226 ").await;
    raw.say("QUIT", "221 ").await;
    drop(raw);
    let seen = server.await.unwrap();
    assert!(seen.contains(&"20000000 octets".to_owned()), "{seen:?}");
}

/// The octet after an urgent one, with nothing that follows it, is read at once.
#[tokio::test]
async fn a_synch_before_abor_is_read_to_its_end() {
    let (address, server) = serve(Vec::new()).await;
    let mut socket = TcpStream::connect(address).await.unwrap();
    let hear = async |socket: &mut TcpStream, want: &str| {
        let mut reply = vec![0; want.len()];
        let read = socket.read_exact(&mut reply);
        tokio::time::timeout(Duration::from_secs(10), read)
            .await
            .expect("a reply in time")
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&reply), want);
    };
    hear(&mut socket, "220 Ready\r\n").await;
    // As tnftp: the mark is urgent; as ftplib: the end of the line is.
    rustix::net::send(&socket, b"\xff\xf4\xff", rustix::net::SendFlags::OOB).unwrap();
    socket.write_all(b"\xf2ABOR\r\n").await.unwrap();
    hear(&mut socket, "226 Nothing to abort\r\n").await;
    rustix::net::send(&socket, b"ABOR\r\n", rustix::net::SendFlags::OOB).unwrap();
    hear(&mut socket, "226 Nothing to abort\r\n").await;
    socket.write_all(b"QUIT\r\n").await.unwrap();
    hear(&mut socket, "221 Goodbye\r\n").await;
    drop(socket);
    server.await.unwrap();
}

#[tokio::test]
async fn a_client_gets_its_replies_and_refusals() {
    let (address, server) = serve(Vec::new()).await;
    let mut client = connect(address).await;
    let pwd = client.session_mut().pwd().unwrap();
    let refused = client.finish(pwd, |_| {}).await.unwrap_err();
    assert!(refused.to_string().contains("530"), "{refused}");
    let login = client.session_mut().login("bob", "x").unwrap();
    client.finish(login, |_| {}).await.unwrap();
    let syst = client.session_mut().command(Verb::Syst, None).unwrap();
    let (reply, _) = client.finish(syst, |_| {}).await.unwrap();
    assert_eq!(reply.code(), 215);
    let quit = client.session_mut().quit().unwrap();
    client.finish(quit, |_| {}).await.unwrap();
    drop(client);
    server.await.unwrap();
}
