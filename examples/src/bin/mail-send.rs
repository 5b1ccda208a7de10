//! Sends a message: to a server that is named, or to the one that DNS names for the recipient.

use clap::Parser;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use examples::cli;
use examples::smtp_client::Client;
use netio::driver::{Stream, Stub, Transport};
use netio::tls;
use proto_dns::wire::{Name, Question, RData, Type};
use proto_mail::smtp::Protocol;
use proto_mail::smtp::client::{Config, Envelope, Limits, Session, StartTls};
use proto_mail::smtp::wire::{BodyType, Mailbox, ReversePath};
use std::error::Error;
use std::io::Read;
use std::path::PathBuf;
use std::process::ExitCode;
use tls::tokio_rustls::rustls::pki_types::ServerName;
use tokio::net::TcpStream;

/// Sends the message on standard input.
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
    /// Log in. Needs --tls unless the server is on this machine.
    #[arg(long, value_name = "NAME:PASSWORD", requires = "host")]
    user: Option<String>,
    /// Require STARTTLS. Without it TLS is not used.
    #[arg(long)]
    tls: bool,
    /// The certificate (as PEM) to trust, needed with --tls.
    #[arg(long, value_name = "FILE", required_if_eq("tls", "true"))]
    cacert: Option<PathBuf>,
    /// The name in the server's certificate.
    #[arg(long, default_value = "localhost")]
    server_name: String,
    /// Speak LMTP.
    #[arg(long, requires = "host")]
    lmtp: bool,
    /// The name to say hello with.
    #[arg(long, default_value = "localhost")]
    name: String,
}

#[tokio::main]
async fn main() -> ExitCode {
    cli::exit("mail-send", run(&Arguments::parse()).await)
}

async fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let mut message = Vec::new();
    std::io::stdin().lock().read_to_end(&mut message)?;
    let mut failed = 0;
    if let Some(host) = arguments.host {
        failed += send(arguments, host, &arguments.to, &message).await?;
    } else {
        for recipient in &arguments.to {
            let exchangers = exchangers(arguments, recipient).await?;
            let mut last: Option<Box<dyn Error>> = None;
            // In the order of their preferences, until one is there.
            for exchanger in exchangers {
                let recipients = core::slice::from_ref(recipient);
                match send(arguments, exchanger, recipients, &message).await {
                    Ok(count) => {
                        failed += count;
                        last = None;
                        break;
                    }
                    Err(error) => last = Some(error),
                }
            }
            if let Some(error) = last {
                return Err(error);
            }
        }
    }
    match failed {
        0 => Ok(()),
        _ => Err(format!("{failed} of {} recipients were refused", arguments.to.len()).into()),
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
    config.starttls = match arguments.tls {
        true => StartTls::Required,
        false => StartTls::Off,
    };
    if arguments.lmtp {
        config.protocol = Protocol::Lmtp;
    }
    let session = Session::new(Duration::ZERO, config, Limits::default());
    let Some(cacert) = arguments.cacert.as_ref().filter(|_| arguments.tls) else {
        return hand_over(arguments, Stream::new(session, socket), recipients, message).await;
    };
    let trusted = tls::client_config(&std::fs::read(cacert)?, &[])?;
    let name = ServerName::try_from(arguments.server_name.clone())?;
    let io = tls::Stream::client(socket, trusted, name);
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
        let (name, password) = user.split_once(':').ok_or("--user NAME:PASSWORD")?;
        let reply = client.run(|it| it.auth_plain(name, password)).await?;
        if !reply.is_ok() {
            return Err(format!("login: {reply}").into());
        }
    }
    let from = arguments.from.clone();
    let mut envelope = Envelope::new(from.map_or(ReversePath::Null, ReversePath::Mailbox));
    for recipient in recipients {
        envelope = envelope.to(recipient.clone());
    }
    envelope.params.size = u64::try_from(message.len()).ok();
    if !message.is_ascii() {
        envelope.params.body = Some(BodyType::EightBitMime);
    }
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

/// The addresses of the mail exchangers of a recipient (RFC 5321 section 5.1).
async fn exchangers(
    arguments: &Arguments,
    recipient: &Mailbox,
) -> Result<Vec<SocketAddr>, Box<dyn Error>> {
    let domain = core::str::from_utf8(recipient.domain())?;
    let resolver = arguments.resolver.ok_or("no resolver")?;
    let config = proto_dns::Config::new([resolver]);
    let mut stub = Stub::new(config, proto_dns::Limits::default(), cli::seed());
    let question = Question::new(domain.parse::<Name>()?, Type::MX);
    let found = stub.lookup(question, Default::default()).await?;
    let mut hosts: Vec<(u16, String)> = Vec::new();
    for record in found.message.view().answers() {
        if let RData::Mx(mx) = record.data()? {
            hosts.push((mx.preference, mx.exchange.to_string()));
        }
    }
    hosts.sort();
    if hosts.is_empty() {
        // Without an MX record the domain itself is the exchanger.
        hosts.push((0, domain.to_owned()));
    }
    let mut addresses = Vec::new();
    for (preference, host) in hosts {
        // RFC 7505: a null MX takes no mail.
        if host == "." {
            return Err(format!("{domain} takes no mail").into());
        }
        println!("{domain}: mail exchanger {host} (preference {preference})");
        let question = Question::new(host.parse::<Name>()?, Type::A);
        let found = stub.lookup(question, Default::default()).await?;
        for record in found.message.view().answers() {
            if let RData::A(address) = record.data()? {
                addresses.push(SocketAddr::new(IpAddr::V4(address), arguments.port));
            }
        }
    }
    match addresses.is_empty() {
        true => Err(format!("{domain}: no mail exchanger has an address").into()),
        false => Ok(addresses),
    }
}
