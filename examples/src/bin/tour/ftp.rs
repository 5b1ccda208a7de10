//! Chapter: FTP. The lecture's commands and replies over two connections: USER, PASS, LIST, RETR and
//! STOR with 331, 200, 425 and 452; then our client, plain and under TLS, and a file of some size.

use crate::report::Report;
use bytes::Bytes;
use core::net::SocketAddr;
use core::time::Duration;
use examples::ftp::{Connection, Store};
use examples::tls_any;
use netio::driver::Transport;
use netio::driver::ftp::{Client, Control, Options, Payload, Server};
use netio::tls;
use proto_ftp::client::{self, Session};
use proto_ftp::data::Type;
use proto_ftp::{ClientLimits, ServerLimits, server};
use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;
use tls::tokio_rustls::rustls::ServerConfig;
use tls::tokio_rustls::rustls::pki_types::ServerName;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

const FILE: &str = "The file that the lecture fetches.\r\n";
/// What the disk of the lecture's server has room for.
const ROOM: u64 = 8;
const LARGE: usize = 64 * 1024 * 1024;

pub(crate) async fn run(report: &mut Report) -> Result<(), Box<dyn Error>> {
    report.chapter("ftp", "FTP: one connection for commands, one for each file");
    let folder = Folder::new()?;
    std::fs::write(folder.0.join("lecture.txt"), FILE)?;
    lecture(report, &folder.0).await?;
    by_our_client(report, &folder.0).await
}

/// A folder of this chapter's own, which goes with it.
struct Folder(PathBuf);

impl Folder {
    fn new() -> std::io::Result<Self> {
        let name = format!("tour-ftp-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed stays where temporary files are.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Serves a folder on a free port.
async fn start(
    root: &Path,
    tls: Option<Arc<ServerConfig>>,
    room: u64,
) -> Result<(SocketAddr, JoinSet<()>), Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let users = [("bob".to_owned(), "hungry".to_owned())];
    let store = Arc::new(Store::new(root, users, false, true)?.with_room(room));
    let mut config = server::Config::default();
    config.tls = tls.is_some();
    let (config, limits) = (Arc::new(config), Arc::new(ServerLimits::default()));
    let mut servers = JoinSet::new();
    servers.spawn(async move {
        let mut sessions = JoinSet::new();
        while let Ok((socket, peer)) = listener.accept().await {
            let Ok(socket) = Control::new(socket) else {
                continue;
            };
            let (config, limits) = (Arc::clone(&config), Arc::clone(&limits));
            let session = server::Session::new(Duration::ZERO, config, limits, address, peer);
            let connection = Connection::new(&store);
            match tls.clone() {
                None => {
                    let server = Server::new(session, socket, address, Options::default());
                    sessions.spawn(serve(server, connection));
                }
                Some(tls) => {
                    let io = tls::Stream::server(socket, Arc::clone(&tls));
                    let server = Server::new(session, io, address, Options::default());
                    sessions.spawn(serve(server.with_tls(tls), connection));
                }
            }
        }
    });
    Ok((address, servers))
}

async fn serve<T: Transport>(mut server: Server<T>, mut connection: Connection) {
    while let Ok(Some(event)) = server.next().await {
        connection.handle(&mut server, event);
    }
}

/// A session by hand: each command as it is typed.
struct Terminal<'a> {
    report: &'a mut Report,
    reader: BufReader<tokio::net::tcp::OwnedReadHalf>,
    writer: tokio::net::tcp::OwnedWriteHalf,
}

impl Terminal<'_> {
    /// What the server says next.
    async fn hear(&mut self) -> Result<String, Box<dyn Error>> {
        let mut line = String::new();
        self.reader.read_line(&mut line).await?;
        let line = line.trim_end().to_owned();
        self.report.exchanged(format!("S: {line}"));
        Ok(line)
    }

    /// Types a command and holds the code of the reply against the lecture's.
    async fn say(&mut self, line: &str, code: &str) -> Result<String, Box<dyn Error>> {
        self.report.exchanged(format!("C: {line}"));
        self.writer
            .write_all(format!("{line}\r\n").as_bytes())
            .await?;
        let reply = self.hear().await?;
        let verb = line.split(' ').next().unwrap_or_default();
        let what = format!("{verb} is answered with {code}");
        self.report.check(&what, reply.get(..3), Some(code));
        Ok(reply)
    }

    /// A data connection to where the server says that it listens.
    async fn data(&mut self) -> Result<TcpStream, Box<dyn Error>> {
        let reply = self.say("EPSV", "229").await?;
        let port = proto_ftp::wire::parse_epsv_reply(reply.as_bytes())?;
        Ok(TcpStream::connect(("127.0.0.1", port)).await?)
    }
}

async fn lecture(report: &mut Report, root: &Path) -> Result<(), Box<dyn Error>> {
    let (address, _servers) = start(root, None, ROOM).await?;
    let (reader, writer) = TcpStream::connect(address).await?.into_split();
    let mut terminal = Terminal {
        report,
        reader: BufReader::new(reader),
        writer,
    };
    terminal.hear().await?;
    let reply = terminal.say("USER bob", "331").await?;
    terminal.report.check(
        "331 asks for the password",
        reply.as_str(),
        "331 Password required",
    );
    terminal.say("PASS hungry", "230").await?;
    terminal.say("TYPE I", "200").await?;
    terminal.say("RETR lecture.txt", "425").await?;

    let mut data = terminal.data().await?;
    terminal.say("LIST", "150").await?;
    let mut listing = String::new();
    data.read_to_string(&mut listing).await?;
    terminal
        .report
        .exchanged(format!("data: {}", listing.trim_end()));
    let done = terminal.hear().await?;
    terminal
        .report
        .check("LIST ends with 226", done.get(..3), Some("226"));
    let names = listing.contains(&format!(" {} ", FILE.len())) && listing.contains("lecture.txt");
    terminal
        .report
        .check("the listing names the file and its size", names, true);

    let mut data = terminal.data().await?;
    terminal.say("RETR lecture.txt", "150").await?;
    let mut file = String::new();
    data.read_to_string(&mut file).await?;
    terminal.hear().await?;
    terminal
        .report
        .check("RETR brings the file", file.as_str(), FILE);

    let mut data = terminal.data().await?;
    terminal.say("STOR new.txt", "150").await?;
    data.write_all(b"stored\r\n").await?;
    drop(data);
    let done = terminal.hear().await?;
    terminal
        .report
        .check("STOR ends with 226", done.get(..3), Some("226"));
    let stored = std::fs::read_to_string(root.join("new.txt"))?;
    terminal
        .report
        .check("the file is stored", stored.as_str(), "stored\r\n");

    // Now the disk is full.
    terminal.data().await?;
    terminal.say("STOR more.txt", "452").await?;
    terminal.say("QUIT", "221").await?;
    Ok(())
}

async fn connect(address: SocketAddr) -> Result<(Control, Session), Box<dyn Error>> {
    let socket = Control::new(TcpStream::connect(address).await?)?;
    let local = socket.socket().local_addr()?;
    let mut config = client::Config::default();
    config.require_tls = false;
    config.pipelining = true;
    let limits = ClientLimits::default();
    let session = Session::new(Duration::ZERO, config, limits, local, address);
    Ok((socket, session))
}

async fn by_our_client(report: &mut Report, root: &Path) -> Result<(), Box<dyn Error>> {
    let (address, _servers) = start(root, None, u64::MAX).await?;
    let (socket, session) = connect(address).await?;
    let mut client = Client::new(session, socket);
    use_it(report, &mut client, root, "plain").await?;
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
    let (cert, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let config = tls::server_config(cert.as_bytes(), key.as_bytes(), &[])?;
    let (address, _servers) = start(root, Some(config), u64::MAX).await?;
    let (socket, session) = connect(address).await?;
    let name = ServerName::try_from("localhost")?;
    let config = tls_any::client_config()?;
    let io = tls::Stream::client(socket, Arc::clone(&config), name.clone());
    let mut client = Client::new(session, io).with_tls(config, name);
    let auth = client.session_mut().auth_tls()?;
    client.finish(auth, |_| {}).await?;
    report.check(
        "the control connection is under TLS",
        client.session().tls().is_some(),
        true,
    );
    use_it(report, &mut client, root, "under TLS").await
}

/// Logs in, fetches in one flight, and sends and fetches much.
async fn use_it<T: Transport>(
    report: &mut Report,
    client: &mut Client<T>,
    root: &Path,
    how: &str,
) -> Result<(), Box<dyn Error>> {
    let session = client.session_mut();
    session.login("bob", "hungry")?;
    let retr = session.retr("lecture.txt", Type::Image, 0)?;
    let (_, file) = client.collect(retr, 1024).await?;
    report.check(
        &format!("{how}: our client fetches the file"),
        file.as_slice(),
        FILE.as_bytes(),
    );
    let text = Bytes::from(vec![b'x'; LARGE]);
    let begin = Instant::now();
    let stor = client.session_mut().stor("large", Type::Image, 0)?;
    client.provide(stor, Payload::Octets(text));
    client.finish(stor, |_| {}).await?;
    report.speed(&format!("{how}: STOR"), amount(), "MB", begin.elapsed());
    let size = std::fs::metadata(root.join("large"))?.len();
    report.check(
        &format!("{how}: all of it is stored"),
        usize::try_from(size)?,
        LARGE,
    );
    let begin = Instant::now();
    let retr = client.session_mut().retr("large", Type::Image, 0)?;
    let (_, large) = client.collect(retr, LARGE).await?;
    report.speed(&format!("{how}: RETR"), amount(), "MB", begin.elapsed());
    report.check(&format!("{how}: all of it comes back"), large.len(), LARGE);
    let quit = client.session_mut().quit()?;
    client.finish(quit, |_| {}).await?;
    Ok(())
}

fn amount() -> f64 {
    f64::from(u32::try_from(LARGE).unwrap_or(u32::MAX)) / 1e6
}
