//! An FTP server over a directory: plain or with TLS, anonymous or with users.

use clap::Parser;
use core::net::SocketAddr;
use core::time::Duration;
use examples::cli;
use examples::ftp::{Connection, Store};
use netio::driver::ftp::{Control, Options, Server};
use netio::driver::{self, Transport};
use netio::tls;
use proto_ftp::ServerLimits;
use proto_ftp::server::{Config, Session};
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use tls::tokio_rustls::rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};

/// Connections served at once.
const MAX_CONNECTIONS: usize = 1024;
/// How long an open connection may take for its end when the server shuts down.
const PATIENCE: Duration = Duration::from_secs(2);

/// Serves a directory over FTP.
///
/// Without --tls passwords travel in plaintext: for loopback only.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Where FTP listens; port 0 takes a free one.
    #[arg(long, value_name = "ADDR:PORT")]
    listen: SocketAddr,
    /// The directory that users see as `/`.
    #[arg(long, value_name = "DIR")]
    root: PathBuf,
    /// A user; may be given more than once.
    #[arg(long = "user", value_name = "NAME:PASSWORD", value_parser = read_user)]
    users: Vec<(String, String)>,
    /// Let anybody in as `anonymous`, to read.
    #[arg(long)]
    anonymous: bool,
    /// Let users write.
    #[arg(long)]
    writable: bool,
    /// Let users store so many octets in all: beyond that the disk counts as full.
    #[arg(long, value_name = "OCTETS")]
    room: Option<u64>,
    /// Offer AUTH TLS, with a certificate made for the occasion unless --cert and --key name one.
    #[arg(long)]
    tls: bool,
    /// The connection is TLS from its start. Implies --tls.
    #[arg(long)]
    implicit: bool,
    /// Refuse logins and transfers without TLS. Implies --tls.
    #[arg(long)]
    require_tls: bool,
    /// Refuse data connections whose TLS resumes no session. Implies --tls.
    #[arg(long)]
    require_resumption: bool,
    /// Let clients leave TLS on the control connection again (CCC). Implies --tls.
    #[arg(long)]
    allow_ccc: bool,
    /// The certificate chain, as PEM.
    #[arg(long, requires = "key", value_name = "FILE")]
    cert: Option<PathBuf>,
    /// Its private key, as PEM.
    #[arg(long, requires = "cert", value_name = "FILE")]
    key: Option<PathBuf>,
    /// Ports for passive mode.
    #[arg(long, value_name = "FIRST-LAST", value_parser = read_ports)]
    passive_ports: Option<core::ops::RangeInclusive<u16>>,
}

fn read_user(text: &str) -> Result<(String, String), String> {
    let (name, password) = text.split_once(':').ok_or("NAME:PASSWORD is wanted")?;
    Ok((name.to_owned(), password.to_owned()))
}

fn read_ports(text: &str) -> Result<core::ops::RangeInclusive<u16>, String> {
    let (first, last) = text.split_once('-').ok_or("FIRST-LAST is wanted")?;
    let number = |text: &str| text.parse().map_err(|_| format!("{text}: not a port"));
    let (first, last) = (number(first)?, number(last)?);
    (first <= last)
        .then_some(first..=last)
        .ok_or_else(|| "FIRST is above LAST".to_owned())
}

#[tokio::main]
async fn main() -> ExitCode {
    cli::exit("ftp-serve", run(Arguments::parse()).await)
}

async fn run(arguments: Arguments) -> Result<(), Box<dyn Error>> {
    if arguments.users.is_empty() && !arguments.anonymous {
        return Err("nobody could log in: say --user or --anonymous".into());
    }
    let tls = server_config(&arguments)?;
    let mut config = Config::default();
    config.tls = tls.is_some() && !arguments.implicit;
    config.implicit_tls = arguments.implicit;
    config.require_tls = arguments.require_tls;
    config.require_data_tls = arguments.require_tls;
    config.allow_ccc = arguments.allow_ccc;
    config.require_resumption = arguments.require_resumption;
    let config = Arc::new(config);
    let limits = Arc::new(ServerLimits::default());
    let root = &arguments.root;
    let store = Store::new(
        root,
        arguments.users,
        arguments.anonymous,
        arguments.writable,
    );
    let mut store = store.map_err(|error| format!("{}: {error}", root.display()))?;
    if let Some(octets) = arguments.room {
        store = store.with_room(octets);
    }
    let store = Arc::new(store);
    let mut options = Options::default();
    options.passive_ports = arguments.passive_ports;
    let listener = TcpListener::bind(arguments.listen)
        .await
        .map_err(|error| format!("{}: {error}", arguments.listen))?;
    cli::listening("ftp", listener.local_addr()?);
    let server = driver::Server::new(listener, MAX_CONNECTIONS);
    let handler = move |socket: TcpStream, peer, closing| {
        let (config, limits) = (Arc::clone(&config), Arc::clone(&limits));
        let (store, options, tls) = (Arc::clone(&store), options.clone(), tls.clone());
        async move {
            let Ok(local) = socket.local_addr() else {
                return;
            };
            let Ok(socket) = Control::new(socket) else {
                return;
            };
            let is_implicit = config.implicit_tls;
            // REIN leaves TLS too, and so does CCC.
            let may_leave = !is_implicit || config.allow_ccc;
            let session = Session::new(Duration::ZERO, config, limits, local, peer);
            let connection = Connection::new(&store);
            match tls {
                None => {
                    let server = Server::new(session, socket, local, options);
                    serve(server, connection, peer, closing).await;
                }
                Some(tls) => {
                    let mut io = tls::Stream::server(socket, Arc::clone(&tls));
                    if may_leave {
                        io = io.may_end();
                    }
                    let server = if is_implicit {
                        Server::implicit_tls(session, io, local, options)
                    } else {
                        Server::new(session, io, local, options)
                    };
                    serve(server.with_tls(tls), connection, peer, closing).await;
                }
            }
        }
    };
    server.run(handler, interrupted()).await;
    Ok(())
}

async fn serve<T: Transport>(
    mut server: Server<T>,
    mut connection: Connection,
    peer: SocketAddr,
    mut closing: driver::Closing,
) {
    loop {
        tokio::select! {
            event = server.next() => match event {
                Ok(Some(event)) => connection.handle(&mut server, event),
                Ok(None) => return,
                // The farewell still has to leave: go on until there is nothing more.
                Err(error) => eprintln!("{peer}: {}", cli::causes(&error)),
            },
            () = closing.wait() => {
                let _ = server.close(PATIENCE).await;
                return;
            }
        }
    }
}

async fn interrupted() {
    // Without a way to be told, the server runs until it is killed.
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending().await
    }
}

fn server_config(arguments: &Arguments) -> Result<Option<Arc<ServerConfig>>, Box<dyn Error>> {
    if let (Some(cert), Some(key)) = (&arguments.cert, &arguments.key) {
        let (cert, key) = (std::fs::read(cert)?, std::fs::read(key)?);
        return Ok(Some(tls::server_config(&cert, &key, &[b"ftp"])?));
    }
    let wanted = arguments.tls
        || arguments.implicit
        || arguments.require_tls
        || arguments.allow_ccc
        || arguments.require_resumption;
    if !wanted {
        return Ok(None);
    }
    let made =
        rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()])?;
    let (cert, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    Ok(Some(tls::server_config(
        cert.as_bytes(),
        key.as_bytes(),
        &[b"ftp"],
    )?))
}
