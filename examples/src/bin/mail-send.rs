//! Sends a message: to a server that is named, or to the one that DNS names for the recipient.

use clap::Parser;
use core::net::SocketAddr;
use core::time::Duration;
use examples::smtp_client::Client;
use examples::smtp_server::unix_time;
use examples::smtp_tls::{Connecting, Opportunity, connect};
use examples::spool::{Courier, MemorySpool};
use examples::{cli, tls_any};
use netio::driver::{Clock, MailQueue, Stream, Transport};
use netio::tls;
use proto_mail::Secret;
use proto_mail::message::{Body, Builder, DateTime, NameAddr};
use proto_mail::sasl::{self, client::strongest};
use proto_mail::smtp::Protocol;
use proto_mail::smtp::client::{Config, Envelope, Limits, Session, StartTls};
use proto_mail::smtp::queue::{self, Event, Queue};
use proto_mail::smtp::wire::{BodyType, Mailbox, ReversePath};
use std::collections::BTreeSet;
use std::error::Error;
use std::io::Read;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use tls::tokio_rustls::rustls::ClientConfig;
use tls::tokio_rustls::rustls::pki_types::ServerName;
use tokio::net::TcpStream;

/// Sends the message on standard input, or makes one of the text there when there is a --subject.
///
/// Lines may end in LF or CRLF. With --host the message goes there; without it to the mail
/// exchanger of each recipient's domain, which --resolver is asked for.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The server to hand the message to.
    #[arg(long, value_name = "ADDR:PORT")]
    host: Option<SocketAddr>,
    /// The DNS server that knows the mail exchangers.
    #[arg(long, value_name = "ADDR:PORT", required_unless_present = "host")]
    resolver: Option<SocketAddr>,
    /// The port of mail exchangers.
    #[arg(long, default_value_t = 25)]
    port: u16,
    /// The sender; without one the message can bounce to nobody.
    #[arg(long, value_name = "ADDRESS")]
    from: Option<Mailbox>,
    /// A recipient; may be given more than once.
    #[arg(long, required = true, value_name = "ADDRESS")]
    to: Vec<Mailbox>,
    /// Make a message of the text on standard input, with this subject.
    #[arg(long, value_name = "TEXT", requires = "from")]
    subject: Option<String>,
    /// With --subject: a file to attach; may be given more than once.
    #[arg(long, value_name = "FILE", requires = "subject")]
    attach: Vec<PathBuf>,
    /// Log in. Needs --tls unless the server is on this machine.
    #[arg(long, value_name = "NAME:PASSWORD", requires = "host")]
    user: Option<String>,
    /// Require STARTTLS, and a certificate that --cacert vouches for.
    #[arg(long)]
    tls: bool,
    /// Without --tls: whether to start TLS, with any certificate, which keeps out those who listen
    /// and not those who meddle. A login (--user) goes without it.
    #[arg(long, default_value = "offered", conflicts_with = "tls")]
    starttls: Opportunity,
    /// The certificate (as PEM) to trust, needed with --tls.
    #[arg(long, value_name = "FILE", required_if_eq("tls", "true"))]
    cacert: Option<PathBuf>,
    /// The name in the server's certificate.
    #[arg(long, default_value = "localhost")]
    server_name: String,
    /// Speak LMTP.
    #[arg(long, requires = "host")]
    lmtp: bool,
    /// Without --host: for how many seconds a server that is not there, or says "later", is tried
    /// again.
    #[arg(long, default_value_t = 0, value_name = "SECONDS")]
    wait: u64,
    /// The name to say hello with.
    #[arg(long, default_value = "localhost")]
    name: String,
}

impl Arguments {
    fn starttls(&self) -> StartTls {
        match self.user {
            _ if self.tls => StartTls::Required,
            // Who has any certificate would have the password.
            Some(_) => StartTls::Off,
            None => self.starttls.into(),
        }
    }

    /// Whom to trust.
    fn trusted(&self) -> Result<Arc<ClientConfig>, Box<dyn Error>> {
        match self.cacert.as_ref().filter(|_| self.tls) {
            Some(cacert) => Ok(tls::client_config(&std::fs::read(cacert)?, &[])?),
            None => Ok(tls_any::client_config()?),
        }
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    cli::exit("mail-send", run(&Arguments::parse()).await)
}

async fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let mut message = Vec::new();
    std::io::stdin().lock().read_to_end(&mut message)?;
    if let Some(subject) = &arguments.subject {
        message = compose(arguments, subject, &message)?;
    }
    let failed = match arguments.host {
        Some(host) => send(arguments, host, &arguments.to, &message).await?,
        None => send_by_exchangers(arguments, message).await?,
    };
    match failed {
        0 => Ok(()),
        _ => Err(format!(
            "{failed} of {} recipients do not have it",
            arguments.to.len()
        )
        .into()),
    }
}

/// A message of a text, its attachments, and who it is from and to. Whom it really goes to says the
/// envelope; here both are the same.
fn compose(arguments: &Arguments, subject: &str, text: &[u8]) -> Result<Vec<u8>, Box<dyn Error>> {
    let from = arguments.from.as_ref().ok_or("no sender")?;
    let since = unix_time();
    let date = DateTime::from_unix(i64::try_from(since.as_secs())?, 0).ok_or("no date")?;
    let id = format!(
        "{}.{}@{}",
        since.as_nanos(),
        std::process::id(),
        arguments.name
    );
    let mut builder = Builder::new(NameAddr::new("", from.to_string())?)
        .subject(subject)?
        .date(date)
        .message_id(&id)?;
    for to in &arguments.to {
        builder = builder.to(NameAddr::new("", to.to_string())?);
    }
    let mut body = Body::text(core::str::from_utf8(text)?);
    if !arguments.attach.is_empty() {
        let mut parts = vec![body];
        for path in &arguments.attach {
            let octets = std::fs::read(path)?;
            let name = path.file_name().map(|name| name.to_string_lossy());
            parts.push(
                Body::octets("application/octet-stream", octets)?.attachment(name.as_deref())?,
            );
        }
        body = Body::multipart("mixed", parts)?;
    }
    Ok(builder.write(&body, u64::from(since.subsec_nanos())))
}

fn envelope(arguments: &Arguments, recipients: &[Mailbox], message: &[u8]) -> Envelope {
    let from = arguments.from.clone();
    let mut envelope = Envelope::new(from.map_or(ReversePath::Null, ReversePath::Mailbox));
    for recipient in recipients {
        envelope = envelope.to(recipient.clone());
    }
    envelope.params.size = u64::try_from(message.len()).ok();
    if !message.is_ascii() {
        envelope.params.body = Some(BodyType::EightBitMime);
    }
    envelope
}

/// Sends through a queue of one message, which knows the ways to mail exchangers. Each recipient has
/// one attempt, or as many as there is time for with --wait.
async fn send_by_exchangers(
    arguments: &Arguments,
    message: Vec<u8>,
) -> Result<usize, Box<dyn Error>> {
    let resolver = arguments.resolver.ok_or("no resolver")?;
    let mut client = Config::default();
    client.name = arguments.name.clone().into();
    client.starttls = arguments.starttls();
    let mut config = queue::Config::default();
    config.host = arguments.name.clone().into();
    config.port = arguments.port;
    config.client = Arc::new(client);
    config.notifications = false;
    config.first_retry = Duration::from_secs(2);
    config.expiry = Duration::from_secs(arguments.wait);
    config.keep = Duration::ZERO;
    let trusted = arguments.trusted()?;
    let connect = move |to: SocketAddr, host: &str| -> Connecting {
        println!("{host}: {to}");
        Box::pin(connect(to, host.to_owned(), Arc::clone(&trusted)))
    };
    let clock = Clock::new();
    let mut queue = Queue::new(clock.now(), config, queue::Limits::default(), cli::seed());
    let envelope = envelope(arguments, &arguments.to, &message);
    let octets = u64::try_from(message.len())?;
    let id = queue.submit(envelope, octets)?;
    let store = Arc::new(MemorySpool::default());
    store.insert(id, message);
    let queue = MailQueue::new(queue, clock, connect);
    let mut courier = Courier::new(queue, resolver, cli::seed(), store);
    let (mut failed, mut late) = (0, BTreeSet::new());
    loop {
        match courier.next().await {
            Event::Delivered {
                recipient,
                host,
                reply,
                ..
            } => {
                late.remove(&recipient);
                println!("{recipient}: {host}: {reply}");
            }
            Event::Failed {
                recipient, reason, ..
            } => {
                late.remove(&recipient);
                failed += 1;
                eprintln!("{recipient}: {}", why(&reason));
            }
            Event::Delayed {
                recipient, reason, ..
            } => {
                eprintln!("{recipient}: not yet: {}", why(&reason));
                late.insert(recipient);
            }
            Event::Finished { .. } => {
                // QUIT is still to be said.
                while courier.is_busy() {
                    tokio::select! {
                        _ = courier.next() => {}
                        () = tokio::time::sleep(Duration::from_millis(10)) => {}
                    }
                }
                return Ok(failed);
            }
            _ => {}
        }
    }
}

fn why(reason: &queue::Reason) -> String {
    match (&reason.host, &reason.reply) {
        (Some(host), Some(reply)) => format!("{host}: {reply}"),
        (Some(host), None) => format!("{} {} ({host})", reason.status, reason.text),
        _ => format!("{} {}", reason.status, reason.text),
    }
}

/// Sends to one server, and says how many recipients did not get the message.
async fn send(
    arguments: &Arguments,
    host: SocketAddr,
    recipients: &[Mailbox],
    message: &[u8],
) -> Result<usize, Box<dyn Error>> {
    let socket = TcpStream::connect(host)
        .await
        .map_err(|error| format!("{host}: {error}"))?;
    let mut config = Config::default();
    config.name = arguments.name.clone().into();
    config.allow_plaintext_auth = host.ip().is_loopback();
    config.starttls = arguments.starttls();
    if arguments.lmtp {
        config.protocol = Protocol::Lmtp;
    }
    let session = Session::new(Duration::ZERO, config, Limits::default());
    let name = ServerName::try_from(arguments.server_name.clone())?;
    let io = tls::Stream::client(socket, arguments.trusted()?, name);
    hand_over(arguments, Stream::new(session, io), recipients, message).await
}

async fn hand_over<T: Transport>(
    arguments: &Arguments,
    driver: Stream<Session, T>,
    recipients: &[Mailbox],
    message: &[u8],
) -> Result<usize, Box<dyn Error>> {
    let mut client = Client::connect(driver).await?;
    if let Some(user) = &arguments.user {
        log_in(&mut client, user).await?;
    }
    let envelope = envelope(arguments, recipients, message);
    let outcome = client.send(envelope, message.to_vec()).await?;
    let mut failed = 0;
    for (index, reply) in &outcome.recipients {
        let refused = !reply.is_ok() || (!arguments.lmtp && !outcome.reply.is_ok());
        failed += usize::from(refused);
        let recipient = recipients.get(usize::try_from(*index)?);
        if let (true, Some(recipient)) = (refused, recipient) {
            let reply = if reply.is_ok() { &outcome.reply } else { reply };
            eprintln!("{recipient}: {reply}");
        }
    }
    if outcome.recipients.is_empty() {
        eprintln!("{}", outcome.reply);
        failed = recipients.len();
    }
    println!("{}", outcome.reply);
    client.quit().await?;
    Ok(failed)
}

/// Logs in by the strongest mechanism that the server offers.
async fn log_in<T: Transport>(client: &mut Client<T>, user: &str) -> Result<(), Box<dyn Error>> {
    let (name, password) = user.split_once(':').ok_or("--user NAME:PASSWORD")?;
    let session = client.driver_mut().machine_mut();
    let offered = session.extensions().mechanisms();
    let may_reveal = session.tls().is_some() || session.config().allow_plaintext_auth;
    let exporter = session.tls().and_then(|tls| tls.exporter);
    let mechanism = strongest(offered, may_reveal, exporter.is_some())
        .ok_or("login: the server offers no mechanism that can be used")?;
    let bound = exporter.filter(|_| mechanism.binds_channel());
    let bound = bound.as_ref().map(<[u8; 32]>::as_slice);
    let secret = Secret::from(password);
    let exchange = sasl::client::Client::new(mechanism, name, &secret, cli::seed(), bound)?;
    let reply = client.log_in(exchange).await?;
    match reply.is_ok() {
        true => Ok(()),
        false => Err(format!("login: {reply}").into()),
    }
}
