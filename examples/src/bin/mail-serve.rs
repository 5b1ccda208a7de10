//! A mail server: SMTP and LMTP bring mail in, POP3 lets users read it, over one store in memory or
//! in Maildirs; mail of its users for other hosts goes out by way of a queue.

use clap::Parser;
use core::net::SocketAddr;
use core::time::Duration;
use examples::app::StreamApp;
use examples::smtp_server::{self, Post, Relay, Smtp};
use examples::smtp_tls::{Connecting, Opportunity, connect};
use examples::spool::{Courier, Spool};
use examples::{cli, mail, maildir, serve, tls_any};
use netio::driver::{Clock, MailQueue, Stream};
use netio::tls;
use proto_mail::pop3::memory::MemoryStore;
use proto_mail::pop3::server::{Config, Session};
use proto_mail::sasl::Mechanism;
use proto_mail::sasl::memory::Users;
use proto_mail::sasl::prep::saslprep_stored;
use proto_mail::smtp;
use proto_mail::smtp::queue::{self, Queue};
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
    /// Take mail, and logins of SMTP, under TLS alone.
    #[arg(long, requires = "tls")]
    require_tls: bool,
    /// Offer the -PLUS mechanisms under TLS. Clients that cannot bind as TLS 1.3 has it fail then:
    /// neomutt, for one, takes the strongest name and gives up.
    #[arg(long)]
    channel_binding: bool,
    /// Offer APOP (store in memory only).
    #[arg(long)]
    apop: bool,
    /// Send mail of users who have logged in on to other hosts; it waits in this folder.
    #[arg(long, value_name = "DIR", requires = "resolver")]
    relay: Option<PathBuf>,
    /// The DNS server that knows the mail exchangers of other hosts.
    #[arg(long, value_name = "ADDR:PORT")]
    resolver: Option<SocketAddr>,
    /// The port of other hosts.
    #[arg(long, default_value_t = 25)]
    relay_port: u16,
    /// Whether to start TLS with other hosts, with any certificate.
    #[arg(long, default_value = "offered")]
    relay_starttls: Opportunity,
    /// A domain whose mail stays here, beside that of --host; may be given more than once.
    #[arg(long = "domain", value_name = "NAME")]
    domains: Vec<String>,
    /// Seconds after which a message that could not be sent is tried again; the time doubles.
    #[arg(long, default_value_t = 300, value_name = "SECONDS")]
    retry: u64,
    /// Seconds after which a message is given up.
    #[arg(long, default_value_t = 5 * 86_400, value_name = "SECONDS")]
    expiry: u64,
}

fn read_user(text: &str) -> Result<(String, String), String> {
    let (name, password) = text.split_once(':').ok_or("NAME:PASSWORD is wanted")?;
    for part in [name, password] {
        saslprep_stored(part).map_err(|error| error.to_string())?;
    }
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
        let post = Post::Memory(Arc::clone(&store));
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

fn users(arguments: &Arguments) -> Users {
    let mut users = Users::with_seed(cli::seed());
    for (name, password) in &arguments.users {
        users.add(name, password.as_str());
    }
    users.derive();
    users
}

fn mechanisms(arguments: &Arguments) -> Vec<Mechanism> {
    Users::with_seed([0; 32]).mechanisms(arguments.channel_binding)
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
    store.set_seed(cli::seed());
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
    config.mechanisms = mechanisms(&arguments);
    config.stls = tls.is_some();
    config.allow_plaintext_auth = tls.is_none();
    let mut servers = tokio::task::JoinSet::new();
    let smtp_tls = server_config(&arguments, &[])?;
    let relay = relay(&arguments, &post, &mut servers)?;
    for (name, address, protocol) in [
        ("smtp", arguments.smtp, smtp::Protocol::Smtp),
        ("lmtp", arguments.lmtp, smtp::Protocol::Lmtp),
    ] {
        if let Some(address) = address {
            let listener = bind(name, address).await?;
            let config = smtp_config(&arguments, protocol, smtp_tls.is_some());
            let (tls, post, relay) = (smtp_tls.clone(), post.clone(), relay.clone());
            servers.spawn(serve_smtp(listener, config, tls, post, relay));
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
    if [
        arguments.smtp,
        arguments.lmtp,
        arguments.pop3,
        arguments.pop3s,
    ] == [None; 4]
    {
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
    config.mechanisms = mechanisms(arguments);
    config.dsn = arguments.relay.is_some();
    config.allow_plaintext_auth = !has_tls;
    config.require_tls = arguments.require_tls;
    config.require_auth = arguments.require_auth && protocol == smtp::Protocol::Smtp;
    Arc::new(config)
}

async fn serve_smtp(
    listener: TcpListener,
    config: Arc<smtp::server::Config>,
    tls: Option<Arc<ServerConfig>>,
    post: Post,
    relay: Option<Relay>,
) {
    let make = move |socket: &TcpStream| {
        let session = smtp_server::session(Duration::ZERO, &config);
        let peer = socket.peer_addr().ok().map(|peer| peer.ip());
        let app = match &relay {
            Some(relay) => Smtp::with_relay(&post, relay, peer),
            None => Smtp::new(&post),
        };
        (session, app)
    };
    let Some(tls) = tls else {
        let make = move |socket| {
            let (session, app) = make(&socket);
            (Stream::new(session, socket), app)
        };
        return serve::streams(listener, MAX_CONNECTIONS, make, interrupted()).await;
    };
    let make = move |socket: TcpStream| {
        let (session, app) = make(&socket);
        let io = tls::Stream::server(socket, Arc::clone(&tls));
        (Stream::new(session, io), app)
    };
    serve::streams(listener, MAX_CONNECTIONS, make, interrupted()).await;
}

/// Begins to send what users have for other hosts, what an earlier run left first.
fn relay(
    arguments: &Arguments,
    post: &Post,
    servers: &mut tokio::task::JoinSet<()>,
) -> Result<Option<Relay>, Box<dyn Error>> {
    let (Some(folder), Some(resolver)) = (&arguments.relay, arguments.resolver) else {
        return Ok(None);
    };
    let spool = Arc::new(Spool::open(folder)?);
    let mut client = smtp::client::Config::default();
    client.name = arguments.host.clone().into();
    client.starttls = arguments.relay_starttls.into();
    let mut config = queue::Config::default();
    config.host = arguments.host.clone().into();
    config.port = arguments.relay_port;
    config.first_retry = Duration::from_secs(arguments.retry);
    config.expiry = Duration::from_secs(arguments.expiry);
    config.client = Arc::new(client);
    let clock = Clock::new();
    let mut waiting = Queue::new(clock.now(), config, queue::Limits::default(), cli::seed());
    waiting.handle_clock(clock.now(), smtp_server::unix_time());
    for (id, record) in spool.stored()? {
        waiting.restore(id, record)?;
    }
    let trusted = tls_any::client_config()?;
    let connect = move |to, host: &str| -> Connecting {
        Box::pin(connect(to, host.to_owned(), Arc::clone(&trusted)))
    };
    let waiting = MailQueue::new(waiting, clock, connect);
    let mut domains = arguments.domains.clone();
    domains.push(arguments.host.clone());
    let relay = Relay {
        spool: Arc::clone(&spool),
        queue: waiting.handle(),
        domains: Arc::new(domains),
    };
    let mut courier = Courier::new(waiting, resolver, cli::seed(), spool);
    let (post, local) = (post.clone(), relay.clone());
    // A notification for a user of ours need not leave the house.
    courier.deliver_at_home(move |record, body| local.deliver_at_home(&post, record, body));
    servers.spawn(async move {
        let courier = async {
            loop {
                report(&courier.next().await);
            }
        };
        tokio::select! {
            () = courier => {}
            () = interrupted() => {}
        }
    });
    Ok(Some(relay))
}

/// What became of a message, for the log.
fn report(event: &queue::Event) {
    match event {
        queue::Event::Delivered {
            message,
            recipient,
            host,
            reply,
        } => eprintln!("{}: <{recipient}> has it: {host}: {reply}", message.0),
        queue::Event::Delayed {
            message,
            recipient,
            reason,
            ..
        } => eprintln!("{}: <{recipient}> later: {}", message.0, why(reason)),
        queue::Event::Failed {
            message,
            recipient,
            reason,
        } => eprintln!("{}: <{recipient}> never: {}", message.0, why(reason)),
        _ => {}
    }
}

fn why(reason: &queue::Reason) -> String {
    match (&reason.host, &reason.reply) {
        (Some(host), Some(reply)) => format!("{host}: {reply}"),
        (Some(host), None) => format!("{} {} ({host})", reason.status, reason.text),
        _ => format!("{} {}", reason.status, reason.text),
    }
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
