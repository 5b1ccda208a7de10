//! A mail server: SMTP and LMTP bring mail in, POP3 lets users read it, over one store in memory or
//! in Maildirs.

use clap::Parser;
use core::net::SocketAddr;
use core::time::Duration;
use examples::app::StreamApp;
use examples::smtp_server::{self, Post, Smtp};
use examples::{cli, mail, maildir, serve};
use netio::driver::Stream;
use netio::tls;
use proto_mail::Secret;
use proto_mail::pop3::memory::MemoryStore;
use proto_mail::pop3::server::{Config, Session};
use proto_mail::smtp;
use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use tls::tokio_rustls::rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};

/// Connections served at once.
const MAX_CONNECTIONS: usize = 1024;

/// Serves mailboxes over POP3, and takes mail for them over SMTP and LMTP.
///
/// Without --tls passwords travel in plaintext: for loopback only. With it they are taken under TLS
/// only.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Where SMTP listens; port 0 takes a free one.
    #[arg(long, value_name = "ADDR:PORT")]
    smtp: Option<SocketAddr>,
    /// Where LMTP listens; port 0 takes a free one.
    #[arg(long, value_name = "ADDR:PORT")]
    lmtp: Option<SocketAddr>,
    /// Mail by SMTP is taken after a login only.
    #[arg(long)]
    require_auth: bool,
    /// The name of this server.
    #[arg(long, default_value = "localhost")]
    host: String,
    /// Where POP3 listens; port 0 takes a free one.
    #[arg(long, value_name = "ADDR:PORT")]
    pop3: Option<SocketAddr>,
    /// Where POP3 under TLS from the start listens. Implies --tls.
    #[arg(long, value_name = "ADDR:PORT")]
    pop3s: Option<SocketAddr>,
    /// `memory`, or a folder that holds a Maildir for each user, DIR/NAME.
    #[arg(long, default_value = "memory", value_name = "memory|DIR")]
    store: String,
    /// A user; may be given more than once.
    #[arg(long = "user", value_name = "NAME:PASSWORD", required = true, value_parser = read_user)]
    users: Vec<(String, String)>,
    /// A message for the store in memory; may be given more than once. Without any, every user
    /// finds the two messages of the lecture.
    #[arg(long = "deliver", value_name = "NAME=FILE", value_parser = read_delivery)]
    deliveries: Vec<(String, PathBuf)>,
    /// Offer STLS, with a certificate made for the occasion unless --cert and --key name one.
    #[arg(long)]
    tls: bool,
    /// The certificate chain, as PEM.
    #[arg(long, requires = "key", value_name = "FILE")]
    cert: Option<PathBuf>,
    /// Its private key, as PEM.
    #[arg(long, requires = "cert", value_name = "FILE")]
    key: Option<PathBuf>,
    /// Offer APOP (store in memory only).
    #[arg(long)]
    apop: bool,
}

fn read_user(text: &str) -> Result<(String, String), String> {
    let (name, password) = text.split_once(':').ok_or("NAME:PASSWORD is wanted")?;
    Ok((name.to_owned(), password.to_owned()))
}

fn read_delivery(text: &str) -> Result<(String, PathBuf), String> {
    let (name, file) = text.split_once('=').ok_or("NAME=FILE is wanted")?;
    Ok((name.to_owned(), file.into()))
}

#[tokio::main]
async fn main() -> ExitCode {
    cli::exit("mail-serve", run(Arguments::parse()).await)
}

async fn run(arguments: Arguments) -> Result<(), Box<dyn Error>> {
    if arguments.store == "memory" {
        let store = memory(&arguments)?;
        let users = users(&arguments);
        let post = Post::Memory(Arc::clone(&store), Arc::new(users));
        listen(arguments, post, move || mail::Pop3::new(&store)).await
    } else {
        if arguments.apop || !arguments.deliveries.is_empty() {
            return Err("--apop and --deliver are for the store in memory".into());
        }
        let users = users(&arguments);
        let store = Arc::new(maildir::Store::new(Path::new(&arguments.store), users)?);
        let post = Post::Maildir(Arc::clone(&store));
        listen(arguments, post, move || maildir::Pop3::new(&store)).await
    }
}

fn users(arguments: &Arguments) -> BTreeMap<Vec<u8>, Secret> {
    let users = arguments.users.iter();
    users
        .map(|(name, password)| (name.clone().into_bytes(), Secret::from(password.as_str())))
        .collect()
}

fn memory(arguments: &Arguments) -> Result<mail::SharedStore, Box<dyn Error>> {
    let mut store = MemoryStore::new();
    for (name, password) in &arguments.users {
        store.add_user(name, password.as_str());
        if arguments.deliveries.is_empty() {
            for message in mail::BOBS_MESSAGES {
                store.deliver(name, message);
            }
        }
    }
    for (name, file) in &arguments.deliveries {
        let message =
            std::fs::read(file).map_err(|error| format!("{}: {error}", file.display()))?;
        store
            .deliver(name, message)
            .ok_or_else(|| format!("{name}: no such user"))?;
    }
    Ok(Arc::new(Mutex::new(store)))
}

/// Serves on all the addresses until interrupted.
async fn listen<A>(
    arguments: Arguments,
    post: Post,
    make: impl Fn() -> A + Clone + Send + Sync + 'static,
) -> Result<(), Box<dyn Error>>
where
    A: StreamApp<Machine = Session> + Send + 'static,
{
    let tls = server_config(&arguments, &[b"pop3"])?;
    let mut config = Config::default();
    config.apop = arguments.apop;
    config.stls = tls.is_some();
    config.allow_plaintext_auth = tls.is_none();
    let mut servers = tokio::task::JoinSet::new();
    let smtp_tls = server_config(&arguments, &[])?;
    for (name, address, protocol) in [
        ("smtp", arguments.smtp, smtp::Protocol::Smtp),
        ("lmtp", arguments.lmtp, smtp::Protocol::Lmtp),
    ] {
        if let Some(address) = address {
            let listener = bind(name, address).await?;
            let config = smtp_config(&arguments, protocol, smtp_tls.is_some());
            servers.spawn(serve_smtp(listener, config, smtp_tls.clone(), post.clone()));
        }
    }
    if let Some(address) = arguments.pop3 {
        let listener = bind("pop3", address).await?;
        let (config, make) = (Arc::new(config.clone()), make.clone());
        match tls.clone() {
            None => servers.spawn(serve::streams(
                listener,
                MAX_CONNECTIONS,
                move |socket| {
                    (
                        Stream::new(mail::session(Duration::ZERO, &config), socket),
                        make(),
                    )
                },
                interrupted(),
            )),
            Some(tls) => servers.spawn(serve::streams(
                listener,
                MAX_CONNECTIONS,
                move |socket: TcpStream| {
                    let io = tls::Stream::server(socket, Arc::clone(&tls));
                    (
                        Stream::new(mail::session(Duration::ZERO, &config), io),
                        make(),
                    )
                },
                interrupted(),
            )),
        };
    }
    if let (Some(address), Some(tls)) = (arguments.pop3s, tls) {
        let listener = bind("pop3s", address).await?;
        config.implicit_tls = true;
        let config = Arc::new(config);
        servers.spawn(serve::streams(
            listener,
            MAX_CONNECTIONS,
            move |socket: TcpStream| {
                let io = tls::Stream::server(socket, Arc::clone(&tls));
                (
                    Stream::implicit_tls(mail::session(Duration::ZERO, &config), io),
                    make(),
                )
            },
            interrupted(),
        ));
    }
    if servers.is_empty() {
        return Err("nowhere to listen: say --smtp, --lmtp, --pop3 or --pop3s".into());
    }
    while let Some(result) = servers.join_next().await {
        result?;
    }
    Ok(())
}

fn smtp_config(
    arguments: &Arguments,
    protocol: smtp::Protocol,
    has_tls: bool,
) -> Arc<smtp::server::Config> {
    let mut config = smtp::server::Config::default();
    config.protocol = protocol;
    config.host = arguments.host.clone().into();
    config.starttls = has_tls;
    config.allow_plaintext_auth = !has_tls;
    config.require_auth = arguments.require_auth && protocol == smtp::Protocol::Smtp;
    Arc::new(config)
}

async fn serve_smtp(
    listener: TcpListener,
    config: Arc<smtp::server::Config>,
    tls: Option<Arc<ServerConfig>>,
    post: Post,
) {
    let session = move || smtp_server::session(Duration::ZERO, &config);
    let Some(tls) = tls else {
        let make = move |socket| (Stream::new(session(), socket), Smtp::new(&post));
        return serve::streams(listener, MAX_CONNECTIONS, make, interrupted()).await;
    };
    let make = move |socket: TcpStream| {
        let io = tls::Stream::server(socket, Arc::clone(&tls));
        (Stream::new(session(), io), Smtp::new(&post))
    };
    serve::streams(listener, MAX_CONNECTIONS, make, interrupted()).await;
}

async fn bind(protocol: &str, address: SocketAddr) -> Result<TcpListener, Box<dyn Error>> {
    let listener = TcpListener::bind(address)
        .await
        .map_err(|error| format!("{address}: {error}"))?;
    cli::listening(protocol, listener.local_addr()?);
    Ok(listener)
}

async fn interrupted() {
    // Without a way to be told, the server runs until it is killed.
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending().await
    }
}

fn server_config(
    arguments: &Arguments,
    alpn: &[&[u8]],
) -> Result<Option<Arc<ServerConfig>>, Box<dyn Error>> {
    if let (Some(cert), Some(key)) = (&arguments.cert, &arguments.key) {
        let (cert, key) = (std::fs::read(cert)?, std::fs::read(key)?);
        return Ok(Some(tls::server_config(&cert, &key, alpn)?));
    }
    if !arguments.tls && arguments.pop3s.is_none() {
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
