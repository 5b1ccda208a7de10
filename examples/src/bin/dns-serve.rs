//! An authoritative DNS server: zone files, transfers, notifications, updates.

use clap::Parser;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use examples::cli;
use examples::dns_server::{self, Copy, Shared, Sockets};
use examples::dns_state::State;
use netio::tls;
use proto_dns::server::nameserver::{Access, Policy};
use proto_dns::server::{Authority, Nameserver};
use proto_dns::tsig::Key;
use proto_dns::wire::Name;
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use tls::tokio_rustls::rustls::ServerConfig;
use tokio::net::TcpListener;

/// Serves zones over UDP and TCP.
///
/// Nobody may update or transfer a zone until a flag says so. What an address allows, anybody can do
/// who can send from it; a key is better.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Where to listen; port 0 takes a free one.
    #[arg(long, value_name = "ADDR:PORT")]
    listen: SocketAddr,
    /// Where DNS over TLS listens, with a certificate made for the occasion unless --cert and --key
    /// name one.
    #[arg(long, value_name = "ADDR:PORT")]
    tls_listen: Option<SocketAddr>,
    /// The certificate chain, as PEM.
    #[arg(long, requires = "key", value_name = "FILE")]
    cert: Option<PathBuf>,
    /// Its private key, as PEM.
    #[arg(long, requires = "cert", value_name = "FILE")]
    key: Option<PathBuf>,
    /// A zone and its file; may be given more than once.
    #[arg(long = "zone", value_name = "ORIGIN=FILE", value_parser = dns_server::split_zone)]
    zones: Vec<(Name, PathBuf)>,
    /// A zone that is copied from another server; may be given more than once.
    #[arg(long = "secondary", value_name = "ORIGIN@ADDR:PORT", value_parser = read_secondary)]
    secondaries: Vec<(Name, SocketAddr)>,
    /// The name of the key that copies are asked for with.
    #[arg(long, value_name = "NAME")]
    secondary_key: Option<Name>,
    /// Copy over TLS, from servers whose address one of these authorities certifies, as PEM.
    #[arg(long, value_name = "FILE")]
    secondary_ca: Option<PathBuf>,
    /// A key for signatures; may be given more than once.
    #[arg(long = "tsig", value_name = "NAME:ALG:SECRET", value_parser = read_key)]
    keys: Vec<Key>,
    /// Who may update zones: the name of a key, or an address; may be given more than once.
    #[arg(long, value_name = "KEY|ADDR")]
    allow_update: Vec<String>,
    /// Who may transfer zones: an address, or the name of a key; may be given more than once.
    #[arg(long, value_name = "ADDR|KEY")]
    allow_transfer: Vec<String>,
    /// Who may notify, beside the servers that zones are copied from.
    #[arg(long, value_name = "ADDR|KEY")]
    allow_notify: Vec<String>,
    /// Who is told when a zone has changed; may be given more than once.
    #[arg(long, value_name = "ADDR:PORT")]
    also_notify: Vec<SocketAddr>,
    /// Keep zones as they change in this folder, and begin with what was kept: updates and copies
    /// outlive the program. A zone file whose serial number is greater goes before.
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Say what happens.
    #[arg(long, short)]
    verbose: bool,
}

fn read_secondary(text: &str) -> Result<(Name, SocketAddr), String> {
    let (origin, address) = text.rsplit_once('@').ok_or("ORIGIN@ADDR:PORT is wanted")?;
    let origin = origin
        .parse()
        .map_err(|error| format!("{origin}: {error}"))?;
    let address = address
        .parse()
        .map_err(|error| format!("{address}: {error}"))?;
    Ok((origin, address))
}

fn read_key(text: &str) -> Result<Key, String> {
    let parts: Vec<_> = text.splitn(3, ':').collect();
    let [name, algorithm, secret] = parts[..] else {
        return Err("NAME:ALG:SECRET is wanted".to_owned());
    };
    let name = name.parse().map_err(|error| format!("{name}: {error}"))?;
    let algorithm = algorithm
        .parse()
        .map_err(|error| format!("{algorithm}: {error}"))?;
    // The secret itself is not repeated.
    Key::from_base64(name, algorithm, secret).map_err(|error| format!("the secret: {error}"))
}

/// Addresses, and names of keys.
fn access(words: &[String], keys: &[Key]) -> Result<Access, String> {
    let mut access = Access::nobody();
    for word in words {
        if let Ok(address) = word.parse::<IpAddr>() {
            access.addresses.push(address);
            continue;
        }
        let name: Name = word.parse().map_err(|error| format!("{word}: {error}"))?;
        if !keys.iter().any(|key| *key.name() == name) {
            return Err(format!("{word}: neither an address nor a key of --tsig"));
        }
        access.keys.push(name);
    }
    Ok(access)
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match policy(&arguments) {
        Ok((policy, copies)) => cli::exit("dns-serve", run(arguments, policy, copies).await),
        Err(message) => {
            eprintln!("dns-serve: {message}");
            ExitCode::from(2)
        }
    }
}

fn policy(arguments: &Arguments) -> Result<(Policy, Vec<Copy>), String> {
    if arguments.zones.is_empty() && arguments.secondaries.is_empty() {
        return Err("no zone to serve: say --zone or --secondary".to_owned());
    }
    let keys = &arguments.keys;
    let mut policy = Policy::default();
    policy.update = access(&arguments.allow_update, keys)?;
    policy.transfer = access(&arguments.allow_transfer, keys)?;
    policy.notify = access(&arguments.allow_notify, keys)?;
    policy.also_notify.clone_from(&arguments.also_notify);
    policy.keys.clone_from(keys);
    let key = match &arguments.secondary_key {
        None => None,
        Some(name) => Some(
            keys.iter()
                .find(|key| key.name() == name)
                .ok_or_else(|| format!("{name}: not a key of --tsig"))?,
        ),
    };
    let tls = match &arguments.secondary_ca {
        None => None,
        Some(file) => {
            let wrong = |error: &dyn Error| format!("{}: {error}", file.display());
            let roots = std::fs::read(file).map_err(|error| wrong(&error))?;
            Some(tls::client_config(&roots, &[b"dot"]).map_err(|error| wrong(&error))?)
        }
    };
    let mut copies = Vec::new();
    for (origin, primary) in &arguments.secondaries {
        policy.notify.addresses.push(primary.ip());
        policy.copies.push(origin.clone());
        copies.push(Copy {
            origin: origin.clone(),
            primary: *primary,
            key: key.cloned(),
            tls: tls.clone(),
        });
    }
    Ok((policy, copies))
}

async fn run(
    arguments: Arguments,
    policy: Policy,
    copies: Vec<Copy>,
) -> Result<(), Box<dyn Error>> {
    let mut authority = Authority::new();
    let state = match &arguments.state {
        Some(folder) => {
            let opened = State::open(folder);
            Some(opened.map_err(|error| format!("{}: {error}", folder.display()))?)
        }
        None => None,
    };
    for (origin, file) in &arguments.zones {
        let mut zone = dns_server::read_zone(origin, file)?;
        if let Some(state) = &state {
            zone = state.latest(zone)?;
        }
        authority
            .insert(zone)
            .map_err(|error| format!("{origin}: {error}"))?;
    }
    for (origin, _) in &arguments.secondaries {
        if let Some(state) = &state
            && let Some(zone) = state.load(origin)?
        {
            authority
                .insert(zone)
                .map_err(|error| format!("{origin}: {error}"))?;
        }
    }
    let nameserver = Nameserver::new(Duration::ZERO, authority, policy, cli::seed());
    let address = arguments.listen;
    let sockets = Sockets::bind(address)
        .await
        .map_err(|error| format!("{address}: {error}"))?;
    let tls = match arguments.tls_listen {
        None => None,
        Some(address) => {
            let config = server_config(&arguments)?;
            Some((TcpListener::bind(address).await?, config))
        }
    };
    cli::listening("dns", sockets.local_addr()?);
    if let Some((listener, _)) = &tls {
        cli::listening("dot", listener.local_addr()?);
    }
    let shared = Shared::new(nameserver, state);
    dns_server::run(
        shared,
        sockets,
        tls,
        copies,
        arguments.verbose,
        interrupted(),
    )
    .await;
    Ok(())
}

async fn interrupted() {
    // Without a way to be told, the server runs until it is killed.
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending().await
    }
}

fn server_config(arguments: &Arguments) -> Result<Arc<ServerConfig>, Box<dyn Error>> {
    if let (Some(cert), Some(key)) = (&arguments.cert, &arguments.key) {
        let (cert, key) = (std::fs::read(cert)?, std::fs::read(key)?);
        return Ok(tls::server_config(&cert, &key, &[b"dot"])?);
    }
    let made =
        rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()])?;
    let (cert, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    Ok(tls::server_config(
        cert.as_bytes(),
        key.as_bytes(),
        &[b"dot"],
    )?)
}
