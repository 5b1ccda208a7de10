//! Alice's server finds Bob's by the DNS: two mail exchangers, of which the first is not there.

use crate::report::Report;
use core::net::SocketAddr;
use core::time::Duration;
use examples::app::DnsUdp;
use examples::mail::SharedStore;
use examples::mail_sim;
use examples::smtp_client::Client;
use examples::smtp_server::{self, Post, Relay, Smtp};
use examples::spool::{Courier, Spool};
use examples::{cli, serve};
use netio::driver::{Clock, MailQueue, Stream};
use proto_dns::server;
use proto_mail::Secret;
use proto_mail::pop3::memory::MemoryStore;
use proto_mail::sasl::{self, Mechanism};
use proto_mail::smtp;
use proto_mail::smtp::client::{Config, Envelope, Limits, Session, StartTls};
use proto_mail::smtp::queue::{self, Event, Queue};
use proto_mail::smtp::wire::Mailbox;
use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::JoinSet;

const MESSAGE: &str = "From: alice@crepes.fr\r\nTo: bob@hamburger.edu\r\nSubject: dinner\r\n\r\nDo you like ketchup?\r\nHow about pickles?\r\n";

const ZONE: &str = "$ORIGIN hamburger.edu.\n$TTL 60\n@ SOA ns hostmaster 1 60 60 600 60\n@ NS ns\n@ MX 10 mx1\n@ MX 20 mx2\nns A 127.0.0.1\nmx1 A 127.0.0.2\nmx2 A 127.0.0.3\n";

pub(crate) async fn run(report: &mut Report) -> Result<(), Box<dyn Error>> {
    let mut servers = JoinSet::new();
    let resolver = start_dns(&mut servers).await?;
    // Bob's server; nobody listens on that port of the first exchanger's address.
    let bobs = store("bob", "hungry");
    let listener = TcpListener::bind("127.0.0.3:0").await?;
    let port = listener.local_addr()?.port();
    let app = Post::Memory(Arc::clone(&bobs));
    serve_smtp(&mut servers, listener, "hamburger.edu", move || {
        Smtp::new(&app)
    });
    // Alice's, with a queue.
    let folder = std::env::temp_dir().join(format!("tour-mail-{}", std::process::id()));
    let outcome = send(report, &mut servers, resolver, port, &folder).await;
    let left = std::fs::read_dir(&folder).map_or(0, Iterator::count);
    let _ = std::fs::remove_dir_all(&folder);
    let tried = outcome?;
    report.check("the spool is empty again", left, 0);
    report.check(
        "the exchangers were tried in their order",
        tried.as_slice(),
        &["127.0.0.2".to_owned(), "127.0.0.3".to_owned()][..],
    );
    let bobs = bobs.lock().unwrap_or_else(PoisonError::into_inner);
    let message = bobs.messages("bob").next().cloned().unwrap_or_default();
    report.check(
        "Bob's mailbox has Alice's message, and one field more",
        message.starts_with(b"Received: from alice.crepes.fr ([127.0.0.1])")
            && message.ends_with(MESSAGE.as_bytes()),
        true,
    );
    Ok(())
}

/// Alice hands her message to her server and waits until it is Bob's server's; says which addresses
/// were tried.
async fn send(
    report: &mut Report,
    servers: &mut JoinSet<()>,
    resolver: SocketAddr,
    port: u16,
    folder: &std::path::Path,
) -> Result<Vec<String>, Box<dyn Error>> {
    let tried = Arc::new(Mutex::new(Vec::new()));
    let mut client = Config::default();
    client.name = "crepes.fr".into();
    client.starttls = StartTls::Off;
    let mut config = queue::Config::default();
    config.host = "crepes.fr".into();
    config.port = port;
    config.client = Arc::new(client);
    let clock = Clock::new();
    let waiting = Queue::new(clock.now(), config, queue::Limits::default(), cli::seed());
    let log = Arc::clone(&tried);
    let connect = move |to: SocketAddr, _: &str| -> Connecting {
        let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
        log.push(to.ip().to_string());
        Box::pin(TcpStream::connect(to))
    };
    let waiting = MailQueue::new(waiting, clock, connect);
    let spool = Arc::new(Spool::open(folder)?);
    let relay = Relay {
        spool: Arc::clone(&spool),
        queue: waiting.handle(),
        domains: Arc::new(vec!["crepes.fr".into()]),
    };
    let mut courier = Courier::new(waiting, resolver, cli::seed(), spool);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let submission = listener.local_addr()?;
    let post = Post::Memory(store("alice", "ketchup"));
    let local = Some([127, 0, 0, 1].into());
    serve_smtp(servers, listener, "crepes.fr", move || {
        Smtp::with_relay(&post, &relay, local)
    });
    let mut config = Config::default();
    config.name = "alice.crepes.fr".into();
    config.starttls = StartTls::Off;
    let session = Session::new(Duration::ZERO, config, Limits::default());
    let driver = Stream::new(session, TcpStream::connect(submission).await?);
    let mut alice = Client::connect(driver).await?;
    let secret = Secret::from("ketchup");
    let mechanism = Mechanism::SCRAM_SHA_256;
    let login = sasl::client::Client::new(mechanism, "alice", &secret, cli::seed(), None)?;
    let reply = alice.log_in(login).await?;
    report.check("Alice logs in by SCRAM-SHA-256", reply.code(), 235);
    let from: Mailbox = "alice@crepes.fr".parse()?;
    let envelope = Envelope::new(from).to("bob@hamburger.edu".parse()?);
    let outcome = alice.send(envelope, MESSAGE).await?;
    report.check("her server takes the message", outcome.reply.code(), 250);
    alice.quit().await?;
    loop {
        match courier.next().await {
            Event::Delivered { host, reply, .. } => {
                report.exchanged(format_args!("{host}: {reply}"));
                report.check("Bob's server was found", host.as_str(), "mx2.hamburger.edu");
            }
            Event::Failed { reason, .. } => return Err(format!("{reason:?}").into()),
            Event::Finished { .. } => break,
            _ => {}
        }
    }
    let tried = tried.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(tried.clone())
}

type Connecting = Pin<Box<dyn Future<Output = std::io::Result<TcpStream>> + Send>>;

fn store(user: &str, password: &str) -> SharedStore {
    let mut store = MemoryStore::new();
    store.add_user(user, password);
    store.set_seed(cli::seed());
    Arc::new(Mutex::new(store))
}

fn serve_smtp(
    servers: &mut JoinSet<()>,
    listener: TcpListener,
    host: &'static str,
    app: impl Fn() -> Smtp + Send + Sync + 'static,
) {
    let mut config = smtp::server::Config::default();
    config.host = host.into();
    config.starttls = false;
    config.mechanisms = vec![Mechanism::SCRAM_SHA_256];
    let config = Arc::new(config);
    servers.spawn(serve::streams(
        listener,
        16,
        move |socket| {
            let session = smtp_server::session(Duration::ZERO, &config);
            (Stream::new(session, socket), app())
        },
        std::future::pending(),
    ));
}

async fn start_dns(servers: &mut JoinSet<()>) -> Result<SocketAddr, Box<dyn Error>> {
    let socket = UdpSocket::bind("127.0.0.1:0").await?;
    let address = socket.local_addr()?;
    let authority = Arc::new(mail_sim::authority(ZONE)?);
    let machine = server::Datagram::new(Duration::ZERO, proto_dns::Limits::default());
    servers.spawn(serve::datagrams(socket, machine, DnsUdp(authority)));
    Ok(address)
}
