//! An FTP client: lists, fetches, sends and mirrors; resumes; plain or with TLS.

use clap::{Parser, Subcommand};
use core::net::SocketAddr;
use core::time::Duration;
use examples::cli;
use examples::ftp::today;
use indicatif::{ProgressBar, ProgressStyle};
use netio::driver::Transport;
use netio::driver::ftp::{Client, ClientError, Control, Payload};
use netio::tls;
use proto_ftp::ClientLimits;
use proto_ftp::client::{Config, Event, Session};
use proto_ftp::data::Type;
use proto_ftp::listing::{Item, Kind, Parser as ListingParser};
use proto_ftp::wire::Verb;
use std::error::Error;
use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{Seek, SeekFrom, Write as _};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use tls::tokio_rustls::rustls::pki_types::ServerName;
use tokio::net::TcpStream;

/// Octets of a listing, at most.
const MAX_LISTING: usize = 64 * 1024 * 1024;
/// Directories below each other in a mirror.
const MAX_DEPTH: usize = 32;

/// Lists, fetches and sends files over FTP.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    /// Where the server is.
    #[arg(long, global = true, value_name = "ADDR:PORT")]
    host: Option<SocketAddr>,
    /// Who logs in. Without it: anonymous.
    #[arg(long, global = true, value_name = "NAME:PASSWORD")]
    user: Option<String>,
    /// AUTH TLS before the login, and private data connections.
    #[arg(long, global = true)]
    tls: bool,
    /// TLS from the start. Implies --tls.
    #[arg(long, global = true)]
    implicit: bool,
    /// Go on in plaintext on the control connection after the login (CCC); data stays private.
    #[arg(long, global = true)]
    ccc: bool,
    /// The certificates to trust, as PEM. Without it any certificate is taken: for loopback only.
    #[arg(long, global = true, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// The name that the certificate must prove.
    #[arg(long, global = true, default_value = "localhost", value_name = "NAME")]
    name: String,
    /// Let the server connect to us.
    #[arg(long, global = true)]
    active: bool,
    /// Send commands before the replies to those before them.
    #[arg(long, global = true)]
    pipeline: bool,
    /// PASV rather than EPSV.
    #[arg(long, global = true)]
    no_epsv: bool,
    /// As text: line ends are converted.
    #[arg(long, global = true)]
    ascii: bool,
    /// Go on where an earlier transfer ended.
    #[arg(long = "continue", short = 'c', global = true)]
    resume: bool,
    /// No progress bar.
    #[arg(long, short, global = true)]
    quiet: bool,
}

#[derive(Subcommand)]
enum Command {
    /// List a directory.
    Ls {
        /// Which; without it the one that the login leads to.
        path: Option<String>,
        /// LIST rather than MLSD.
        #[arg(long)]
        list: bool,
    },
    /// Fetch a file.
    Get {
        /// Its path on the server.
        remote: String,
        /// Where to put it; without it the same name here.
        local: Option<PathBuf>,
    },
    /// Send a file.
    Put {
        /// The file.
        local: PathBuf,
        /// Its path on the server; without it the same name.
        remote: Option<String>,
    },
    /// Fetch a directory and all below it; with --reverse send one.
    Mirror {
        /// The directory on the server.
        remote: String,
        /// The directory here.
        local: PathBuf,
        /// From here to the server.
        #[arg(long, short = 'R')]
        reverse: bool,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    cli::exit("ftp-get", run(Arguments::parse()).await)
}

async fn run(arguments: Arguments) -> Result<(), Box<dyn Error>> {
    let host = arguments.host.ok_or("where to? say --host ADDR:PORT")?;
    let with_tls = arguments.tls || arguments.implicit;
    let socket = TcpStream::connect(host)
        .await
        .map_err(|error| format!("{host}: {error}"))?;
    let socket = Control::new(socket)?;
    let mut config = Config::default();
    config.require_tls = with_tls;
    config.implicit_tls = arguments.implicit;
    config.active = arguments.active;
    config.pipelining = arguments.pipeline;
    config.epsv = !arguments.no_epsv;
    let session = Session::new(
        Duration::ZERO,
        config,
        ClientLimits::default(),
        socket.socket().local_addr()?,
        host,
    );
    if !with_tls {
        return work(Client::new(session, socket), &arguments).await;
    }
    let name = ServerName::try_from(arguments.name.clone())?;
    let config = match &arguments.ca {
        Some(file) => tls::client_config(&fs::read(file)?, &[])?,
        None => examples::tls_any::client_config()?,
    };
    let mut io = tls::Stream::client(socket, Arc::clone(&config), name.clone());
    if arguments.ccc {
        io = io.may_end();
    }
    let client = if arguments.implicit {
        Client::implicit_tls(session, io)
    } else {
        Client::new(session, io)
    };
    work(client.with_tls(config, name), &arguments).await
}

async fn work<T: Transport>(
    mut client: Client<T>,
    arguments: &Arguments,
) -> Result<(), Box<dyn Error>> {
    let (user, password) = arguments
        .user
        .as_deref()
        .map_or(("anonymous", "ftp-get@"), |user| {
            user.split_once(':').unwrap_or((user, ""))
        });
    let session = client.session_mut();
    if arguments.implicit {
        session.prot(true)?;
    } else if arguments.tls {
        session.auth_tls()?;
    }
    let login = session.login(user, password)?;
    client.finish(login, |_| {}).await?;
    if arguments.ccc {
        let ccc = client.session_mut().ccc()?;
        client.finish(ccc, |_| {}).await?;
    }
    let mut job = Job { client, arguments };
    match &arguments.command {
        Command::Ls { path, list } => job.ls(path.as_deref(), *list).await?,
        Command::Get { remote, local } => {
            let local = match local {
                Some(local) => local.clone(),
                None => remote.rsplit('/').next().unwrap_or_default().into(),
            };
            job.get(remote.as_bytes(), &local).await?;
        }
        Command::Put { local, remote } => {
            let name = local.file_name().unwrap_or_default().as_bytes();
            let remote = remote
                .as_ref()
                .map_or(name, |remote| remote.as_bytes())
                .to_vec();
            job.put(local, &remote).await?;
        }
        Command::Mirror {
            remote,
            local,
            reverse: false,
        } => {
            job.mirror(remote.as_bytes(), local).await?;
        }
        Command::Mirror {
            remote,
            local,
            reverse: true,
        } => {
            job.mirror_back(local, remote.as_bytes()).await?;
        }
    }
    let quit = job.client.session_mut().quit()?;
    job.client.finish(quit, |_| {}).await?;
    Ok(())
}

struct Job<'a, T> {
    client: Client<T>,
    arguments: &'a Arguments,
}

/// One entry of a remote directory, with a name that is safe here.
struct Entry {
    name: Vec<u8>,
    kind: Kind,
    size: Option<u64>,
}

impl<T: Transport> Job<'_, T> {
    fn kind(&self) -> Type {
        if self.arguments.ascii {
            Type::Ascii
        } else {
            Type::Image
        }
    }

    async fn ls(&mut self, path: Option<&str>, list: bool) -> Result<(), Box<dyn Error>> {
        let path = path.map(str::as_bytes);
        let session = self.client.session_mut();
        let id = if list {
            session.list(path)?
        } else {
            session.mlsd(path)?
        };
        let (_, data) = self.client.collect(id, MAX_LISTING).await?;
        let mut out = std::io::stdout().lock();
        for entry in parse(&data) {
            let mark = match entry.kind {
                Kind::Directory => "d",
                Kind::Link => "l",
                _ => "-",
            };
            let size = entry
                .size
                .map_or_else(|| "-".to_owned(), |size| size.to_string());
            write!(out, "{mark} {size:>12} ")?;
            out.write_all(&entry.name)?;
            out.write_all(b"\n")?;
        }
        Ok(())
    }

    fn bar(&self, total: Option<u64>, name: &[u8]) -> ProgressBar {
        if self.arguments.quiet {
            return ProgressBar::hidden();
        }
        let bar = ProgressBar::new(total.unwrap_or(0));
        let template = "{msg} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_message(String::from_utf8_lossy(name).into_owned());
        bar
    }

    async fn size(&mut self, remote: &[u8]) -> Option<u64> {
        let id = self.client.session_mut().size(remote).ok()?;
        let (reply, _) = self.client.finish(id, |_| {}).await.ok()?;
        core::str::from_utf8(reply.text()).ok()?.trim().parse().ok()
    }

    async fn get(&mut self, remote: &[u8], local: &Path) -> Result<(), Box<dyn Error>> {
        let mut offset = 0;
        let file = if self.arguments.resume {
            let mut file = OpenOptions::new().append(true).create(true).open(local)?;
            offset = file.seek(SeekFrom::End(0))?;
            file
        } else {
            File::create(local).map_err(|error| format!("{}: {error}", local.display()))?
        };
        let total = if self.arguments.quiet && !self.arguments.resume {
            None
        } else {
            self.size(remote).await
        };
        if self.arguments.resume && total == Some(offset) {
            return Ok(());
        }
        let bar = self.bar(total, remote);
        let kind = self.kind();
        let id = self.client.session_mut().retr(remote, kind, offset)?;
        self.client.provide(id, Payload::File(file));
        self.finish(id, &bar, offset).await?;
        Ok(())
    }

    async fn put(&mut self, local: &Path, remote: &[u8]) -> Result<(), Box<dyn Error>> {
        let mut file =
            File::open(local).map_err(|error| format!("{}: {error}", local.display()))?;
        let mut offset = 0;
        if self.arguments.resume {
            offset = self.size(remote).await.unwrap_or(0);
            file.seek(SeekFrom::Start(offset))?;
        }
        let bar = self.bar(Some(file.metadata()?.len()), remote);
        let kind = self.kind();
        let session = self.client.session_mut();
        let id = if offset > 0 {
            session.appe(remote, kind)?
        } else {
            session.stor(remote, kind, 0)?
        };
        self.client.provide(id, Payload::File(file));
        self.finish(id, &bar, offset).await?;
        Ok(())
    }

    async fn finish(
        &mut self,
        id: proto_ftp::client::CommandId,
        bar: &ProgressBar,
        offset: u64,
    ) -> Result<(), ClientError> {
        let watch = |event: &Event| {
            if let Event::Progress { octets, .. } = event {
                bar.set_position(offset.saturating_add(*octets));
            }
        };
        let (_, octets) = self.client.finish(id, watch).await?;
        bar.set_position(offset.saturating_add(octets));
        bar.finish();
        Ok(())
    }

    async fn mirror(&mut self, remote: &[u8], local: &Path) -> Result<(), Box<dyn Error>> {
        let mut folders = vec![(remote.to_vec(), local.to_owned(), 0_usize)];
        while let Some((remote, local, depth)) = folders.pop() {
            fs::create_dir_all(&local)?;
            let id = self.client.session_mut().mlsd(Some(&remote))?;
            let (_, data) = self.client.collect(id, MAX_LISTING).await?;
            for entry in parse(&data) {
                let path = join(&remote, &entry.name);
                let here = local.join(OsStr::from_bytes(&entry.name));
                match entry.kind {
                    Kind::Directory if depth < MAX_DEPTH => folders.push((path, here, depth + 1)),
                    Kind::File => self.get(&path, &here).await?,
                    // A link may lead anywhere: it is not followed.
                    _ => eprintln!("passed over: {}", String::from_utf8_lossy(&path)),
                }
            }
        }
        Ok(())
    }

    async fn mirror_back(&mut self, local: &Path, remote: &[u8]) -> Result<(), Box<dyn Error>> {
        let mut folders = vec![(local.to_owned(), remote.to_vec())];
        while let Some((local, remote)) = folders.pop() {
            let id = self
                .client
                .session_mut()
                .command(Verb::Mkd, Some(&remote))?;
            match self.client.finish(id, |_| {}).await {
                // It is there already, most likely; if not, what follows says so.
                Ok(_) | Err(ClientError::Refused(_)) => {}
                Err(error) => return Err(error.into()),
            }
            for entry in fs::read_dir(&local)? {
                let entry = entry?;
                let path = join(&remote, entry.file_name().as_bytes());
                let kind = entry.file_type()?;
                if kind.is_dir() {
                    folders.push((entry.path(), path));
                } else if kind.is_file() {
                    self.put(&entry.path(), &path).await?;
                }
            }
        }
        Ok(())
    }
}

fn join(folder: &[u8], name: &[u8]) -> Vec<u8> {
    let mut path = folder.to_vec();
    if !path.is_empty() && !path.ends_with(b"/") {
        path.push(b'/');
    }
    path.extend_from_slice(name);
    path
}

/// The entries of a listing whose names can be names here.
fn parse(data: &[u8]) -> Vec<Entry> {
    let mut parser = ListingParser::new(today());
    let mut entries = Vec::new();
    let mut rest = data;
    while let Some((len, item)) = parser.next(rest, true) {
        if let Item::Entry(entry) = item
            && !matches!(entry.kind, Kind::Current | Kind::Parent)
            && let Some(name) = entry.safe_name()
        {
            entries.push(Entry {
                name: name.to_vec(),
                kind: entry.kind,
                size: entry.size,
            });
        }
        rest = rest.get(len..).unwrap_or_default();
    }
    entries
}
