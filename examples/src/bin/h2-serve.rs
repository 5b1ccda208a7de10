//! A web server over HTTP/2: a folder or a built-in page; cleartext with prior knowledge or Upgrade,
//! or TLS.

use clap::Parser;
use core::net::SocketAddr;
use core::time::Duration;
use examples::http2::{Pages, Site};
use examples::{cli, serve};
use netio::driver::{Closing, Server, Stream};
use netio::tls;
use proto_http2::{Config, Connection, Fields, Limits};
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Connections served at once.
const MAX_CONNECTIONS: usize = 1024;
/// How long a client may take for its first octets.
const PATIENCE: Duration = Duration::from_secs(10);

/// Serves pages over HTTP/2. Prints `listening h2c ADDR`, or `listening h2 ADDR` with --tls.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Where to listen; port 0 takes a free one.
    #[arg(long, value_name = "ADDR:PORT")]
    listen: SocketAddr,
    /// The folder of the files; without it there is a built-in page, and /object/OCTETS.
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
    /// TLS with ALPN, with a certificate made for the occasion unless --cert and --key name one.
    #[arg(long)]
    tls: bool,
    /// The certificate chain, as PEM.
    #[arg(long, requires = "key", value_name = "FILE")]
    cert: Option<PathBuf>,
    /// Its private key, as PEM.
    #[arg(long, requires = "cert", value_name = "FILE")]
    key: Option<PathBuf>,
    /// What is pushed with a path; may be given more than once.
    #[arg(long, value_name = "PATH=PATH,...", value_parser = read_push)]
    push: Vec<(String, Vec<String>)>,
}

fn read_push(text: &str) -> Result<(String, Vec<String>), String> {
    let (path, list) = text.split_once('=').ok_or("PATH=PATH,... is wanted")?;
    let list = list.split(',').map(str::to_owned).collect();
    Ok((path.to_owned(), list))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    cli::exit("h2-serve", run(Arguments::parse()).await)
}

async fn run(arguments: Arguments) -> Result<(), Box<dyn Error>> {
    let tls = server_config(&arguments)?;
    let listener = TcpListener::bind(arguments.listen)
        .await
        .map_err(|error| format!("{}: {error}", arguments.listen))?;
    let word = if tls.is_some() { "h2" } else { "h2c" };
    cli::listening(word, listener.local_addr()?);
    let site = Arc::new(Site::new(arguments.root, arguments.push));
    let (config, limits) = (Arc::new(Config::default()), Arc::new(Limits::internet()));
    let handler = move |socket: TcpStream, peer, closing| {
        let (site, tls) = (Arc::clone(&site), tls.clone());
        let (config, limits) = (Arc::clone(&config), Arc::clone(&limits));
        async move {
            match tls {
                Some(tls) => {
                    let machine = Connection::server(Duration::ZERO, config, limits);
                    let driver = Stream::implicit_tls(machine, tls::Stream::server(socket, tls));
                    serve::connection(driver, Pages::new(&site), peer, closing).await;
                }
                None => plain(socket, peer, closing, &site, config, limits).await,
            }
        }
    };
    let server = Server::new(listener, MAX_CONNECTIONS);
    server.run(handler, interrupted()).await;
    Ok(())
}

/// A connection in cleartext: HTTP/2 at once, or HTTP/1.1 with Upgrade.
async fn plain(
    mut socket: TcpStream,
    peer: SocketAddr,
    closing: Closing,
    site: &Arc<Site>,
    config: Arc<Config>,
    limits: Arc<Limits>,
) {
    let mut first = [0; 3];
    let Ok(Ok(len)) = tokio::time::timeout(PATIENCE, socket.peek(&mut first)).await else {
        return;
    };
    let machine = if first[..len] == b"PRI"[..len] {
        Connection::server(Duration::ZERO, config, limits)
    } else {
        match tokio::time::timeout(PATIENCE, upgrade(&mut socket, config, limits)).await {
            Ok(Ok(machine)) => machine,
            Ok(Err(error)) => {
                eprintln!("{peer}: {error}");
                return;
            }
            Err(_) => return,
        }
    };
    let driver = Stream::new(machine, socket);
    serve::connection(driver, Pages::new(site), peer, closing).await;
}

/// Reads a request of HTTP/1.1 and answers 101 (RFC 7540 section 3.2), or asks for HTTP/2.
async fn upgrade(
    socket: &mut TcpStream,
    config: Arc<Config>,
    limits: Arc<Limits>,
) -> Result<Connection, Box<dyn Error + Send + Sync>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        // Octet by octet, so that what follows stays in the socket: a head is small, and read once.
        if head.len() == 16 * 1024 || socket.read_buf(&mut (&mut head).limit_one()).await? == 0 {
            return Err("neither HTTP/2 nor a request of HTTP/1.1".into());
        }
    }
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut request = httparse::Request::new(&mut headers);
    let parsed = request.parse(&head);
    let find = |name: &str| {
        let mut found = request
            .headers
            .iter()
            .filter(|h| h.name.eq_ignore_ascii_case(name));
        found.next().map(|header| header.value)
    };
    let asks = find("upgrade").is_some_and(|value| {
        value
            .split(|octet| *octet == b',')
            .any(|token| token.trim_ascii() == b"h2c")
    });
    let has_body = find("content-length").is_some_and(|length| length != b"0")
        || find("transfer-encoding").is_some();
    let (Ok(_), true, false, Some(settings)) = (parsed, asks, has_body, find("http2-settings"))
    else {
        let refusal = b"HTTP/1.1 505 HTTP Version Not Supported\r\nupgrade: h2c\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
        socket.write_all(refusal).await?;
        return Err("a request of HTTP/1.1 without Upgrade".into());
    };
    let host = String::from_utf8_lossy(find("host").unwrap_or_default()).into_owned();
    let (method, path) = (request.method.unwrap_or("GET"), request.path.unwrap_or("/"));
    let mut fields = Fields::request(method, "http", &host, path);
    for header in request.headers.iter() {
        let name = header.name.to_ascii_lowercase();
        let is_of_connection = [
            "host",
            "connection",
            "upgrade",
            "http2-settings",
            "keep-alive",
            "te",
        ];
        if !is_of_connection.contains(&name.as_str()) {
            fields.push(name, header.value);
        }
    }
    let machine = Connection::server_upgraded(Duration::ZERO, config, limits, settings, fields)?;
    let switching =
        b"HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: h2c\r\n\r\n";
    socket.write_all(switching).await?;
    Ok(machine)
}

/// A buffer that takes one octet more.
trait LimitOne {
    fn limit_one(self) -> bytes::buf::Limit<Self>
    where
        Self: Sized;
}

impl LimitOne for &mut Vec<u8> {
    fn limit_one(self) -> bytes::buf::Limit<Self> {
        bytes::BufMut::limit(self, 1)
    }
}

async fn interrupted() {
    // Without a way to be told, the server runs until it is killed.
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending().await
    }
}

fn server_config(
    arguments: &Arguments,
) -> Result<Option<Arc<tls::tokio_rustls::rustls::ServerConfig>>, Box<dyn Error>> {
    let alpn: &[&[u8]] = &[proto_http2::wire::ALPN_H2];
    if let (Some(cert), Some(key)) = (&arguments.cert, &arguments.key) {
        let (cert, key) = (std::fs::read(cert)?, std::fs::read(key)?);
        return Ok(Some(tls::server_config(&cert, &key, alpn)?));
    }
    if !arguments.tls {
        return Ok(None);
    }
    let made =
        rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()])?;
    let (cert, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    Ok(Some(tls::server_config(
        cert.as_bytes(),
        key.as_bytes(),
        alpn,
    )?))
}
