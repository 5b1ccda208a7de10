//! A client like curl, over HTTP/2: all URLs of one server at once, over one connection.

use bytes::BytesMut;
use clap::Parser;
use core::time::Duration;
use examples::cli;
use indicatif::{ProgressBar, ProgressStyle};
use netio::driver::{Stream, Transport};
use netio::tls;
use proto_http2::{Config, Connection, Event, Fields, Limits, StreamEnd, StreamId, UsageError};
use std::collections::HashMap;
use std::error::Error;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Gets URLs of one server over one HTTP/2 connection, in parallel, and prints them in order.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Trust whatever certificate the server shows. For loopback.
    #[arg(long)]
    tls_insecure: bool,
    /// Trust the certificates in this file, as PEM.
    #[arg(long, value_name = "FILE")]
    cacert: Option<PathBuf>,
    /// Begin with HTTP/1.1 and Upgrade (http only).
    #[arg(long)]
    upgrade: bool,
    /// Where the body goes, instead of standard output.
    #[arg(short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// What is sent, by POST.
    #[arg(long, value_name = "TEXT")]
    data: Option<String>,
    /// Take pushed responses too; their paths are told on standard error.
    #[arg(long)]
    push: bool,
    /// Print the heads of the responses too.
    #[arg(short = 'i', long)]
    include: bool,
    /// `http://HOST[:PORT]/PATH` or `https://`; all of the same server.
    #[arg(required = true)]
    urls: Vec<Url>,
}

#[derive(Clone, Debug)]
struct Url {
    is_tls: bool,
    authority: String,
    path: String,
}

impl core::str::FromStr for Url {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (is_tls, rest) = match (text.strip_prefix("http://"), text.strip_prefix("https://")) {
            (Some(rest), _) => (false, rest),
            (_, Some(rest)) => (true, rest),
            _ => return Err("http:// or https:// is wanted".into()),
        };
        let end = rest.find('/').unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        if authority.is_empty() {
            return Err("a host is wanted".into());
        }
        Ok(Self {
            is_tls,
            authority: authority.to_owned(),
            path: if path.is_empty() {
                "/".into()
            } else {
                path.to_owned()
            },
        })
    }
}

impl Url {
    fn host(&self) -> &str {
        let host = match self.authority.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|octet| octet.is_ascii_digit()) => host,
            _ => &self.authority,
        };
        host.trim_start_matches('[').trim_end_matches(']')
    }

    fn port(&self) -> Result<u16, String> {
        match self.authority.rsplit_once(':') {
            Some((_, port)) if !port.ends_with(']') => {
                port.parse().map_err(|_| format!("{port} is no port"))
            }
            _ => Ok(if self.is_tls { 443 } else { 80 }),
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    cli::exit("h2-get", run(Arguments::parse()).await)
}

async fn run(arguments: Arguments) -> Result<(), Box<dyn Error>> {
    let first = arguments.urls[0].clone();
    for url in &arguments.urls {
        if url.authority != first.authority || url.is_tls != first.is_tls {
            return Err("all URLs have to be of the same server".into());
        }
    }
    let mut socket = TcpStream::connect((first.host(), first.port()?)).await?;
    socket.set_nodelay(true)?;
    let mut config = Config::default();
    config.enable_push = arguments.push;
    let limits = Limits::default();
    if first.is_tls {
        let client = if arguments.tls_insecure {
            insecure()
        } else {
            let roots = match &arguments.cacert {
                Some(file) => std::fs::read(file)?,
                None => std::fs::read("/etc/ssl/certs/ca-certificates.crt").unwrap_or_default(),
            };
            tls::client_config(&roots, &[proto_http2::wire::ALPN_H2])?
        };
        let name =
            tls::tokio_rustls::rustls::pki_types::ServerName::try_from(first.host().to_owned())?;
        let io = tls::Stream::client(socket, client, name);
        let machine = Connection::client(Duration::ZERO, config, limits);
        return get(Stream::implicit_tls(machine, io), arguments, None).await;
    }
    if arguments.upgrade && arguments.data.is_none() {
        let settings = Connection::upgrade_settings(&config, &limits);
        upgrade(&mut socket, &first, &String::from_utf8_lossy(&settings)).await?;
        let (machine, id) = Connection::client_upgraded(Duration::ZERO, config, limits, false);
        return get(Stream::new(machine, socket), arguments, Some(id)).await;
    }
    let machine = Connection::client(Duration::ZERO, config, limits);
    get(Stream::new(machine, socket), arguments, None).await
}

/// Asks for HTTP/2 in HTTP/1.1.
async fn upgrade(socket: &mut TcpStream, url: &Url, settings: &str) -> Result<(), Box<dyn Error>> {
    let request = format!(
        "GET {} HTTP/1.1\r\nhost: {}\r\nconnection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: {settings}\r\n\r\n",
        url.path, url.authority
    );
    socket.write_all(request.as_bytes()).await?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        // What follows belongs to HTTP/2 and stays in the socket.
        head.push(socket.read_u8().await?);
        if head.len() > 16 * 1024 {
            return Err("the response has no end".into());
        }
    }
    if !head.starts_with(b"HTTP/1.1 101") {
        let line = head
            .split(|octet| *octet == b'\r')
            .next()
            .unwrap_or_default();
        return Err(format!("no upgrade: {}", line.escape_ascii()).into());
    }
    Ok(())
}

/// One response as it comes in.
struct Fetch {
    place: usize,
    name: String,
}

async fn get<T: Transport>(
    mut driver: Stream<Connection, T>,
    arguments: Arguments,
    upgraded: Option<StreamId>,
) -> Result<(), Box<dyn Error>> {
    let count = arguments.urls.len();
    let mut bodies: Vec<BytesMut> = vec![BytesMut::new(); count];
    let mut fetches = HashMap::new();
    let mut waiting: Vec<usize> = (0..count).rev().collect();
    if let Some(id) = upgraded {
        waiting.pop();
        let name = arguments.urls[0].path.clone();
        fetches.insert(id, Fetch { place: 0, name });
    }
    let progress = ProgressBar::new_spinner().with_style(
        ProgressStyle::with_template("{spinner} {bytes} {bytes_per_sec} {msg}")
            .unwrap_or_else(|_| ProgressStyle::default_spinner()),
    );
    let mut failures = Vec::new();
    let mut is_closing = false;
    loop {
        while let Some(&place) = waiting.last() {
            let url = &arguments.urls[place];
            let scheme = if url.is_tls { "https" } else { "http" };
            let method = if arguments.data.is_some() {
                "POST"
            } else {
                "GET"
            };
            let mut fields = Fields::request(method, scheme, &url.authority, &url.path);
            fields.push("user-agent", "h2-get/0.1");
            fields.push("accept", "*/*");
            let machine = driver.machine_mut();
            let id = match machine.request(&fields, arguments.data.is_none()) {
                Ok(id) => id,
                Err(UsageError::TooManyStreams) => break,
                Err(error) => return Err(error.into()),
            };
            if let Some(data) = &arguments.data {
                // One small piece fits.
                machine.send_data(id, &mut bytes::Bytes::from(data.clone()), true)?;
            }
            waiting.pop();
            let name = url.path.clone();
            fetches.insert(id, Fetch { place, name });
        }
        if fetches.is_empty() && waiting.is_empty() && !is_closing {
            is_closing = true;
            driver.machine_mut().close();
        }
        let event = match driver.next().await {
            Ok(Some(event)) => event,
            Ok(None) => break,
            Err(error) if is_closing && failures.is_empty() => {
                let _ = error;
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        match event {
            Event::Headers { id, fields, .. } => {
                if arguments.include && fetches.contains_key(&id) {
                    for field in fields.iter() {
                        println!("{field:?}");
                    }
                }
                let status = fields.status().unwrap_or(0);
                if let Some(fetch) = fetches.get(&id)
                    && status >= 400
                {
                    failures.push(format!("{}: {status}", fetch.name));
                }
            }
            Event::Data { id, data, .. } => {
                progress.inc(data.len() as u64);
                if let Some(fetch) = fetches.get(&id)
                    && let Some(body) = bodies.get_mut(fetch.place)
                {
                    body.extend_from_slice(&data);
                }
            }
            Event::Push { id, fields, .. } => {
                let path = String::from_utf8_lossy(fields.path().unwrap_or_default()).into_owned();
                eprintln!("pushed {path}");
                bodies.push(BytesMut::new());
                let place = bodies.len() - 1;
                fetches.insert(id, Fetch { place, name: path });
            }
            Event::Closed { id, end } => {
                if let Some(fetch) = fetches.remove(&id)
                    && end != StreamEnd::Complete
                {
                    failures.push(format!("{}: {end:?}", fetch.name));
                }
            }
            _ => {}
        }
    }
    progress.finish_and_clear();
    let mut output: Box<dyn Write> = match &arguments.output {
        Some(file) => Box::new(std::fs::File::create(file)?),
        None => Box::new(std::io::stdout().lock()),
    };
    for body in bodies.iter().take(count) {
        output.write_all(body)?;
    }
    output.flush()?;
    if failures.is_empty() {
        Ok(())
    } else {
        Err(failures.join(", ").into())
    }
}

fn insecure() -> Arc<tls::tokio_rustls::rustls::ClientConfig> {
    use tls::tokio_rustls::rustls;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .expect("the versions of the provider");
    let mut config = builder
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(TrustAll(provider)))
        .with_no_client_auth();
    config.alpn_protocols = vec![proto_http2::wire::ALPN_H2.to_vec()];
    Arc::new(config)
}

/// Takes any certificate; the handshake's signatures are still checked.
#[derive(Debug)]
struct TrustAll(Arc<tls::tokio_rustls::rustls::crypto::CryptoProvider>);

mod trust {
    use super::TrustAll;
    use super::tls::tokio_rustls::rustls::client::danger::{
        HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
    };
    use super::tls::tokio_rustls::rustls::crypto::{
        verify_tls12_signature, verify_tls13_signature,
    };
    use super::tls::tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
    use super::tls::tokio_rustls::rustls::{DigitallySignedStruct, Error, SignatureScheme};

    impl ServerCertVerifier for TrustAll {
        fn verify_server_cert(
            &self,
            _: &CertificateDer<'_>,
            _: &[CertificateDer<'_>],
            _: &ServerName<'_>,
            _: &[u8],
            _: UnixTime,
        ) -> Result<ServerCertVerified, Error> {
            Ok(ServerCertVerified::assertion())
        }

        fn verify_tls12_signature(
            &self,
            message: &[u8],
            cert: &CertificateDer<'_>,
            dss: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            verify_tls12_signature(
                message,
                cert,
                dss,
                &self.0.signature_verification_algorithms,
            )
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            cert: &CertificateDer<'_>,
            dss: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            verify_tls13_signature(
                message,
                cert,
                dss,
                &self.0.signature_verification_algorithms,
            )
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            self.0.signature_verification_algorithms.supported_schemes()
        }
    }
}
