//! Chapter: mail. Alice's message goes to Bob: over SMTP, in the words of the lecture, into his
//! mailbox, and from there to him over POP3; and once more by way of her server, its queue, and the
//! DNS, which names two exchangers, of which the first is not there. Then Bob reads and deletes his messages, once as in the
//! lecture and once under TLS; then a message of some size.

#[path = "mail_by_dns.rs"]
mod by_dns;

use crate::report::Report;
use bytes::Bytes;
use core::net::SocketAddr;
use core::time::Duration;
use examples::mail::{self, BOBS_MESSAGES, SharedStore};
use examples::pop3_client::Client;
use examples::serve;
use examples::smtp_server::{self, Post, Smtp};
use netio::driver::Stream;
use netio::tls;
use proto_mail::pop3::client::{self, Event};
use proto_mail::pop3::memory::MemoryStore;
use proto_mail::pop3::{UsageError, server};
use proto_mail::smtp;
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use tls::tokio_rustls::rustls::pki_types::ServerName;
use tls::tokio_rustls::rustls::{ClientConfig, ServerConfig};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// The lecture's session: what the client says, and what the status line of the answer is.
const LECTURE: [(&str, &str); 9] = [
    ("user bob", "+OK"),
    ("pass hungry", "+OK user successfully logged on"),
    ("list", "+OK"),
    ("retr 1", "+OK"),
    ("dele 1", "+OK"),
    ("retr 2", "+OK"),
    ("dele 2", "+OK"),
    ("stat", "+OK 0 0"),
    ("quit", "+OK POP3 server signing off"),
];
/// The lecture's transfer: what Alice's server says, and how the answer of Bob's begins.
const TRANSFER: [(&str, &str); 8] = [
    ("HELO crepes.fr", "250 Hello crepes.fr, pleased to meet you"),
    ("MAIL FROM: <alice@crepes.fr>", "250 "),
    ("RCPT TO: <bob@hamburger.edu>", "250 "),
    ("DATA", "354 Enter mail, end with \".\" on a line by itself"),
    ("Do you like ketchup?", ""),
    ("How about pickles?", ""),
    (".", "250 Message accepted for delivery"),
    ("QUIT", "221 hamburger.edu closing connection"),
];
const LARGE: usize = 64 * 1024 * 1024;
const COMMANDS: u32 = 20_000;

pub(crate) async fn run(report: &mut Report) -> Result<(), Box<dyn Error>> {
    report.chapter(
        "mail",
        "Mail: Alice to Bob over SMTP, and Bob reads over POP3",
    );
    alice_to_bob(report).await?;
    by_dns::run(report).await?;
    lecture(report).await?;
    by_our_client(report).await?;
    large_message(report).await
}

/// Serves `store` in plaintext on a free port, as the lecture does.
async fn start(store: &SharedStore) -> Result<(SocketAddr, JoinSet<()>), Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let (store, config) = (Arc::clone(store), mail::plain_config());
    let mut servers = JoinSet::new();
    servers.spawn(serve::streams(
        listener,
        16,
        move |socket| {
            let session = mail::session(Duration::ZERO, &config);
            (Stream::new(session, socket), mail::Pop3::new(&store))
        },
        std::future::pending(),
    ));
    Ok((address, servers))
}

/// Alice's message, handed over in the words of the lecture, and fetched by Bob.
async fn alice_to_bob(report: &mut Report) -> Result<(), Box<dyn Error>> {
    let mut empty = MemoryStore::new();
    empty.add_user("bob", "hungry");
    let store: SharedStore = Arc::new(Mutex::new(empty));
    let post = Post::Memory(Arc::clone(&store));
    let mut config = smtp::server::Config::default();
    config.host = "hamburger.edu".into();
    config.greeting = "".into();
    config.hello_names_host = false;
    config.enhanced_status_codes = false;
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let bobs_server = listener.local_addr()?;
    let mut servers = JoinSet::new();
    servers.spawn(serve::streams(
        listener,
        16,
        move |socket| {
            let session = smtp_server::session(Duration::ZERO, &config);
            (Stream::new(session, socket), Smtp::new(&post))
        },
        std::future::pending(),
    ));
    let (reader, mut writer) = TcpStream::connect(bobs_server).await?.into_split();
    let mut lines = BufReader::new(reader).lines();
    let greeting = lines.next_line().await?.unwrap_or_default();
    report.exchanged(format_args!("S: {greeting}"));
    report.check(
        "Bob's server is there",
        greeting.trim_end(),
        "220 hamburger.edu",
    );
    for (line, expected) in TRANSFER {
        writer.write_all(format!("{line}\r\n").as_bytes()).await?;
        report.exchanged(format_args!("C: {line}"));
        if !expected.is_empty() {
            let answer = lines.next_line().await?.unwrap_or_default();
            report.exchanged(format_args!("S: {answer}"));
            report.check(line, answer.starts_with(expected), true);
        }
    }
    let (mailbox, _servers) = start(&store).await?;
    let mut config = client::Config::default();
    config.require_tls = false;
    let session = client::Session::new(Duration::ZERO, config, client::Limits::default());
    let driver = Stream::new(session, TcpStream::connect(mailbox).await?);
    let (mut bob, _) = Client::connect(driver).await?;
    bob.run(|it| it.login("bob", "hungry")).await?;
    let message = bob.run(|it| it.retr(1)).await?.body();
    report.check(
        "Bob reads what Alice wrote",
        message.as_slice(),
        &b"Do you like ketchup?\r\nHow about pickles?\r\n"[..],
    );
    bob.run(client::Session::quit).await?;
    bob.finish().await
}

/// The dialogue of the lecture, typed into a plain socket.
async fn lecture(report: &mut Report) -> Result<(), Box<dyn Error>> {
    let store = mail::bobs_store();
    let (address, _servers) = start(&store).await?;
    let (reader, mut writer) = TcpStream::connect(address).await?.into_split();
    let mut lines = BufReader::new(reader).lines();
    let greeting = lines.next_line().await?.unwrap_or_default();
    report.exchanged(format_args!("S: {greeting}"));
    report.check(
        "the server is ready",
        greeting.as_str(),
        "+OK POP3 server ready",
    );
    let mut bodies = Vec::new();
    for (command, expected) in LECTURE {
        writer
            .write_all(format!("{command}\r\n").as_bytes())
            .await?;
        report.exchanged(format_args!("C: {command}"));
        let status = lines.next_line().await?.unwrap_or_default();
        report.exchanged(format_args!("S: {status}"));
        report.check(command, status.starts_with(expected), true);
        if command == "list" || command.starts_with("retr") {
            let mut body = String::new();
            loop {
                let line = lines.next_line().await?.ok_or("the connection ended")?;
                report.exchanged(format_args!("S: {line}"));
                if line == "." {
                    break;
                }
                body.push_str(line.strip_prefix('.').unwrap_or(&line));
                body.push_str("\r\n");
            }
            bodies.push(body);
        }
    }
    let sizes = BOBS_MESSAGES.map(str::len);
    let listing = format!("1 {}\r\n2 {}\r\n", sizes[0], sizes[1]);
    report.check("two messages were listed", &bodies[0], &listing);
    report.check(
        "the first one was read",
        bodies[1].as_str(),
        BOBS_MESSAGES[0],
    );
    report.check(
        "and the second one, its dots as they were",
        bodies[2].as_str(),
        BOBS_MESSAGES[1],
    );
    report.check(
        "the server ended the connection",
        lines.next_line().await?,
        None,
    );
    let store = store.lock().unwrap_or_else(PoisonError::into_inner);
    report.check("and the mailbox is empty", store.messages("bob").count(), 0);
    Ok(())
}

/// The same, by the client machine, under TLS.
async fn by_our_client(report: &mut Report) -> Result<(), Box<dyn Error>> {
    let store = mail::bobs_store();
    let (server_config, client_config) = tls_configs()?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let shared = Arc::clone(&store);
    let config = Arc::new(server::Config::default());
    let mut servers = JoinSet::new();
    servers.spawn(serve::streams(
        listener,
        16,
        move |socket| {
            let io = tls::Stream::server(socket, Arc::clone(&server_config));
            let session = mail::session(Duration::ZERO, &config);
            (Stream::new(session, io), mail::Pop3::new(&shared))
        },
        std::future::pending(),
    ));
    let name = ServerName::try_from("localhost")?;
    let io = tls::Stream::client(TcpStream::connect(address).await?, client_config, name);
    let (config, limits) = (client::Config::default(), client::Limits::default());
    let session = client::Session::new(Duration::ZERO, config, limits);
    let (mut client, _) = Client::connect(Stream::new(session, io)).await?;
    client.run(client::Session::capa).await?;
    let refused = client.driver_mut().machine_mut().login("bob", "hungry");
    report.check(
        "no password leaves before TLS",
        refused,
        Err(UsageError::TlsRequired),
    );
    let stls = client.run(client::Session::stls).await?;
    report.check("STLS succeeds", stls.reply.is_ok(), true);
    report.check(
        "the connection is TLS",
        client.driver_mut().transport().is_tls(),
        true,
    );
    let login = client.run(|it| it.auth_plain("bob", "hungry")).await?;
    report.check("AUTH PLAIN succeeds", login.reply.is_ok(), true);
    client.run(client::Session::capa).await?;
    for (number, message) in (1..).zip(BOBS_MESSAGES) {
        let outcome = client.run(|it| it.retr(number)).await?;
        report.exchanged(format_args!(
            "RETR {number}: {} octets",
            outcome.body().len()
        ));
        report.check(
            "a message arrives as it is",
            outcome.body(),
            message.as_bytes(),
        );
    }
    let begin = Instant::now();
    let done = pipelined_noops(&mut client).await?;
    report.check("every pipelined command is answered", done, COMMANDS);
    report.speed(
        "commands, pipelined, under TLS",
        f64::from(done),
        "commands",
        begin.elapsed(),
    );
    client.run(client::Session::quit).await?;
    client.finish().await?;
    let store = store.lock().unwrap_or_else(PoisonError::into_inner);
    report.check(
        "what was not deleted is kept",
        store.messages("bob").count(),
        2,
    );
    Ok(())
}

async fn pipelined_noops(
    client: &mut Client<tls::Stream<TcpStream>>,
) -> Result<u32, Box<dyn Error>> {
    let (mut asked, mut done) = (0, 0);
    while done < COMMANDS {
        while asked < COMMANDS && asked - done < 512 {
            client.driver_mut().machine_mut().noop()?;
            asked += 1;
        }
        match client.driver_mut().next().await? {
            Some(Event::Done { reply, .. }) if reply.is_ok() => done += 1,
            event => return Err(format!("{event:?} instead of an answer").into()),
        }
    }
    Ok(done)
}

/// A message that is far larger than what either side may keep of it.
async fn large_message(report: &mut Report) -> Result<(), Box<dyn Error>> {
    let store = mail::bobs_store();
    let message: Bytes = mail::large_message(LARGE).into();
    store
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .deliver("bob", message.clone());
    let (address, _servers) = start(&store).await?;
    let mut config = client::Config::default();
    config.require_tls = false;
    let session = client::Session::new(Duration::ZERO, config, client::Limits::default());
    let driver = Stream::new(session, TcpStream::connect(address).await?);
    let (mut client, _) = Client::connect(driver).await?;
    client.run(|it| it.login("bob", "hungry")).await?;
    let progress = report.progress("a large message", message.len() as u64);
    let begin = Instant::now();
    client.driver_mut().machine_mut().retr(3)?;
    let mut rest = message.clone();
    let same = loop {
        match client.driver_mut().next().await? {
            Some(Event::BodyChunk { data, .. }) => {
                if rest.len() < data.len() || rest.split_to(data.len()) != data {
                    break false;
                }
                progress.inc(data.len() as u64);
            }
            Some(Event::Done { reply, .. }) => break reply.is_ok() && rest.is_empty(),
            event => return Err(format!("{event:?} instead of the message").into()),
        }
    };
    progress.finish_and_clear();
    report.check("64 MiB of dotted lines arrive as they are", same, true);
    let mebibytes = message.len() as f64 / f64::from(1 << 20);
    report.speed("RETR", mebibytes, "MiB", begin.elapsed());
    client.run(client::Session::quit).await?;
    client.finish().await
}

fn tls_configs() -> Result<(Arc<ServerConfig>, Arc<ClientConfig>), Box<dyn Error>> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
    let (cert, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    Ok((
        tls::server_config(cert.as_bytes(), key.as_bytes(), &[])?,
        tls::client_config(cert.as_bytes(), &[])?,
    ))
}
