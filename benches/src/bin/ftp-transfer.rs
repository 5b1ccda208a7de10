//! Files and commands through real FTP servers, interleaved: ours, libunftp, vsftpd and pure-ftpd, with
//! one client that does as little as a client can.
//!
//! `ftp-transfer FTP-SERVE FOLDER [MIB]`: the release build of our program, and an empty folder, best in
//! memory (`/dev/shm`). Servers that are not installed are passed over; vsftpd and pure-ftpd need root.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_precision_loss,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a benchmark that cannot run may stop"
)]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const ROUNDS: usize = 5;
/// Small files of a turn, at most: all rounds make ten thousand.
const SMALL_FILES: usize = 2000;
/// A turn of small files ends early after this: a server that waits 40 ms for each of them (delayed
/// acknowledgements) would take minutes.
const TURN: Duration = Duration::from_secs(3);

struct Server {
    name: &'static str,
    child: Child,
    address: SocketAddr,
    user: &'static str,
    password: &'static str,
    /// Where its clients may write.
    home: &'static str,
}

impl Drop for Server {
    fn drop(&mut self) {
        let pid = self.child.id().to_string();
        let _ = Command::new("kill").args(["-TERM", &pid]).status();
        let _ = self.child.wait();
    }
}

/// The client: one control connection, a data connection for each file.
struct Client {
    reader: BufReader<TcpStream>,
    socket: TcpStream,
}

impl Client {
    fn new(server: &Server) -> Self {
        let socket = TcpStream::connect(server.address).expect("a connection");
        socket.set_nodelay(true).unwrap();
        let timeout = Some(Duration::from_secs(30));
        socket.set_read_timeout(timeout).unwrap();
        let reader = BufReader::new(socket.try_clone().unwrap());
        let mut client = Self { reader, socket };
        assert_eq!(client.hear().0, 220);
        let code = client.say(&format!("USER {}", server.user));
        if code == 331 {
            assert_eq!(client.say(&format!("PASS {}", server.password)), 230);
        }
        assert_eq!(client.say("TYPE I"), 200);
        client
    }

    fn hear(&mut self) -> (u16, String) {
        loop {
            let mut line = String::new();
            self.reader.read_line(&mut line).expect("a line");
            if line.as_bytes().get(3) == Some(&b' ')
                && let Ok(code) = line[..3].parse()
            {
                return (code, line);
            }
            assert!(!line.is_empty(), "the server went away");
        }
    }

    fn say(&mut self, line: &str) -> u16 {
        self.socket
            .write_all(format!("{line}\r\n").as_bytes())
            .unwrap();
        self.hear().0
    }

    fn data(&mut self) -> TcpStream {
        // libunftp knows PASV best; all know it.
        self.socket.write_all(b"PASV\r\n").unwrap();
        let (code, line) = self.hear();
        assert_eq!(code, 227, "{line}");
        let to = proto_ftp::wire::parse_pasv_reply(line.as_bytes()).unwrap();
        let data = TcpStream::connect(to).expect("a data connection");
        data.set_read_timeout(Some(Duration::from_secs(30)))
            .unwrap();
        data
    }

    fn retr(&mut self, path: &str, buffer: &mut [u8]) -> u64 {
        let mut data = self.data();
        let code = self.say(&format!("RETR {path}"));
        assert!(matches!(code, 125 | 150), "{code}");
        let mut total = 0;
        loop {
            match data.read(buffer).expect("data") {
                0 => break,
                len => total += len as u64,
            }
        }
        assert_eq!(self.hear().0, 226);
        total
    }

    fn stor(&mut self, path: &str, buffer: &[u8], octets: u64) {
        let mut data = self.data();
        let code = self.say(&format!("STOR {path}"));
        assert!(matches!(code, 125 | 150), "{code}");
        let mut left = octets;
        while left > 0 {
            let len = (buffer.len() as u64).min(left);
            data.write_all(&buffer[..len as usize]).unwrap();
            left -= len;
        }
        data.shutdown(Shutdown::Write).unwrap();
        let mut rest = [0; 16];
        let _ = data.read(&mut rest);
        assert_eq!(self.hear().0, 226);
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

fn find(program: &str) -> Option<PathBuf> {
    let peers = std::env::var_os("PROTO_PEERS").map(PathBuf::from);
    let peers = peers.map(|folder| folder.join("debian/usr/sbin"));
    [PathBuf::from("/usr/sbin"), PathBuf::from("/usr/bin")]
        .into_iter()
        .chain(peers)
        .map(|folder| folder.join(program))
        .find(|path| path.is_file())
}

fn wait_for(address: SocketAddr) {
    let begin = Instant::now();
    while TcpStream::connect(address).is_err() {
        assert!(
            begin.elapsed() < Duration::from_secs(20),
            "nothing at {address}"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn ours(program: &Path, root: &Path) -> Server {
    let port = free_port();
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let child = Command::new(program)
        .args(["--listen", &address.to_string(), "--user", "bob:hungry"])
        .args(["--writable", "--root"])
        .arg(root)
        .stdout(Stdio::null())
        .spawn()
        .expect("ftp-serve");
    wait_for(address);
    Server {
        name: "ours",
        child,
        address,
        user: "bob",
        password: "hungry",
        home: "/home",
    }
}

fn vsftpd(root: &Path) -> Option<Server> {
    let program = find("vsftpd")?;
    let (port, dir) = (free_port(), root.parent()?.display().to_string());
    fs::create_dir_all(format!("{dir}/empty")).ok()?;
    let config = format!(
        "listen=YES\nlisten_address=127.0.0.1\nlisten_port={port}\nbackground=NO\n\
         anonymous_enable=YES\nlocal_enable=NO\nwrite_enable=YES\nanon_upload_enable=YES\n\
         anon_mkdir_write_enable=YES\nanon_other_write_enable=YES\nanon_umask=022\n\
         anon_root={}\nsecure_chroot_dir={dir}/empty\nseccomp_sandbox=NO\nuse_sendfile=YES\n\
         xferlog_enable=NO\n",
        root.display()
    );
    let path = format!("{dir}/vsftpd.conf");
    fs::write(&path, config).ok()?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).ok()?;
    let child = Command::new(program)
        .arg(path)
        .stdout(Stdio::null())
        .spawn()
        .ok()?;
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    wait_for(address);
    Some(Server {
        name: "vsftpd 3.0.3",
        child,
        address,
        user: "anonymous",
        password: "me@",
        home: "/home",
    })
}

fn pure_ftpd(root: &Path) -> Option<Server> {
    const HASH: &str = "$6$proto$q0pLn6UXnBBnKfjtjxUuTKiywGnLU4iPuia4Wu2bQWDP3WYc5fdZuaDUSX2P2n06TqySq.2gheypc.64znDMS1";
    let program = find("pure-ftpd")?;
    let tool = program.parent()?.parent()?.join("bin/pure-pw");
    let (port, dir) = (free_port(), root.parent()?.display().to_string());
    let line = format!(
        "bob:{HASH}:65534:65534::{}/./::::::::::::\n",
        root.display()
    );
    fs::write(format!("{dir}/passwd"), line).ok()?;
    let database = format!("{dir}/users.pdb");
    let made = Command::new(tool)
        .args(["mkdb", &database, "-f", &format!("{dir}/passwd")])
        .status();
    made.ok().filter(std::process::ExitStatus::success)?;
    let child = Command::new(program)
        .args([
            "-S",
            &format!("127.0.0.1,{port}"),
            "-A",
            "-H",
            "-u",
            "1",
            "-c",
            "50",
            "-C",
            "50",
        ])
        .args([
            "-l",
            &format!("puredb:{database}"),
            "-g",
            &format!("{dir}/pure.pid"),
        ])
        .stdout(Stdio::null())
        .spawn()
        .ok()?;
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    wait_for(address);
    Some(Server {
        name: "pure-ftpd 1.0.50",
        child,
        address,
        user: "bob",
        password: "hungry",
        home: "/home",
    })
}

/// libunftp in a process of its own: this program, told to serve.
fn libunftp(root: &Path) -> Option<Server> {
    if !cfg!(feature = "ftp-peers") {
        return None;
    }
    let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let child = Command::new(std::env::current_exe().ok()?)
        .args(["--libunftp", &address.to_string()])
        .arg(root)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    wait_for(address);
    Some(Server {
        name: "libunftp 0.24.0",
        child,
        address,
        user: "bob",
        password: "hungry",
        home: "/home",
    })
}

#[cfg(feature = "ftp-peers")]
fn serve_libunftp(address: &str, root: &str) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let root = PathBuf::from(root);
    runtime.block_on(async {
        let store = move || unftp_sbe_fs::Filesystem::new(root.clone()).expect("a store");
        let server = libunftp::ServerBuilder::new(Box::new(store))
            .passive_ports(50_000..=60_000)
            .build()
            .expect("a server");
        server.listen(address).await.expect("an end");
    });
}

fn median(mut values: Vec<f64>) -> (f64, f64) {
    values.sort_by(f64::total_cmp);
    let at = |part: usize| values[(values.len() - 1) * part / 4];
    (at(2), (at(3) - at(1)) / at(2))
}

/// Lets everybody have a turn in each round, and prints rates and ratios to ours. A turn says how
/// much it did.
fn compare(
    what: &str,
    unit: &str,
    servers: &[Server],
    mut turn: impl FnMut(&Server, usize) -> f64,
) {
    let mut times: Vec<Vec<f64>> = vec![Vec::new(); servers.len()];
    for round in 0..ROUNDS {
        for (server, times) in servers.iter().zip(&mut times) {
            let begin = Instant::now();
            let amount = turn(server, round);
            times.push(begin.elapsed().as_secs_f64() / amount);
        }
    }
    println!("{what}");
    let ours = times[0].clone();
    for (server, times) in servers.iter().zip(times) {
        let ratios = times
            .iter()
            .zip(&ours)
            .map(|(time, ours)| time / ours)
            .collect();
        let (time, spread) = median(times);
        let (ratio, ratio_spread) = median(ratios);
        println!(
            "  {:<18}{:>12.0} {unit}/s +-{:.0}%   {ratio:6.2} +-{:.0}%",
            server.name,
            1.0 / time,
            spread * 100.0,
            ratio_spread * 100.0
        );
    }
}

/// Transfers small files by number, for as long as a turn lasts: how many they were.
fn small_files(mut transfer: impl FnMut(usize)) -> f64 {
    let begin = Instant::now();
    let mut done = 0;
    while done < SMALL_FILES && begin.elapsed() < TURN {
        transfer(done);
        done += 1;
    }
    done as f64
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    #[cfg(feature = "ftp-peers")]
    if let [flag, address, root] = &arguments[..]
        && flag == "--libunftp"
    {
        return serve_libunftp(address, root);
    }
    let [program, folder, rest @ ..] = &arguments[..] else {
        panic!("ftp-transfer FTP-SERVE FOLDER [MIB]");
    };
    let mib: u64 = rest
        .first()
        .map_or(1024, |text| text.parse().expect("a number"));
    let octets = mib << 20;
    let root = Path::new(folder).join("root");
    fs::create_dir_all(root.join("home")).unwrap();
    for open in ["", "root", "root/home"] {
        let mode = if open.len() > 4 { 0o777 } else { 0o755 };
        let path = Path::new(folder).join(open);
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }
    let mut buffer: Vec<u8> = (0..1 << 20)
        .map(|at: u32| at.to_le_bytes()[0] ^ 0x5a)
        .collect();
    let mut file = fs::File::create(root.join("home/large")).unwrap();
    for _ in 0..mib {
        file.write_all(&buffer).unwrap();
    }
    drop(file);
    fs::write(root.join("home/tiny"), &buffer[..1024]).unwrap();
    let servers: Vec<Server> = [
        Some(ours(Path::new(program), &root)),
        libunftp(&root),
        vsftpd(&root),
        pure_ftpd(&root),
    ]
    .into_iter()
    .flatten()
    .collect();
    println!(
        "medians of {ROUNDS} interleaved rounds; last: how many times as long as ours it takes\n"
    );
    compare(
        &format!("RETR of {mib} MiB"),
        "MB",
        &servers,
        |server, _| {
            let mut client = Client::new(server);
            let got = client.retr(&format!("{}/large", server.home), &mut buffer);
            assert_eq!(got, octets, "{}", server.name);
            octets as f64 / 1e6
        },
    );
    compare(
        &format!("STOR of {mib} MiB"),
        "MB",
        &servers,
        |server, round| {
            let mut client = Client::new(server);
            let name = format!("up-{round}");
            client.stor(&format!("{}/{name}", server.home), &buffer, octets);
            let path = root.join("home").join(name);
            assert_eq!(
                fs::metadata(&path).unwrap().len(),
                octets,
                "{}",
                server.name
            );
            fs::remove_file(path).unwrap();
            octets as f64 / 1e6
        },
    );
    compare(
        &format!("RETR of {SMALL_FILES} files of 1 KiB"),
        "files",
        &servers,
        |server, _| {
            let mut client = Client::new(server);
            small_files(|_| {
                let got = client.retr(&format!("{}/tiny", server.home), &mut buffer);
                assert_eq!(got, 1024);
            })
        },
    );
    compare(
        &format!("STOR of {SMALL_FILES} files of 1 KiB"),
        "files",
        &servers,
        |server, round| {
            let mut client = Client::new(server);
            let folder = format!("{}/small-{}-{round}", server.home, server.address.port());
            let local = root.join(&folder[1..]);
            fs::create_dir(&local).unwrap();
            fs::set_permissions(&local, fs::Permissions::from_mode(0o777)).unwrap();
            let done = small_files(|number| {
                client.stor(&format!("{folder}/{number}"), &buffer, 1024);
            });
            assert_eq!(fs::read_dir(local).unwrap().count() as f64, done);
            done
        },
    );
    compare("NOOP, one at a time", "replies", &servers, |server, _| {
        let mut client = Client::new(server);
        for _ in 0..5000 {
            assert_eq!(client.say("NOOP"), 200);
        }
        5000.0
    });
    compare("NOOP, 500 in flight", "replies", &servers, |server, _| {
        let mut client = Client::new(server);
        let flight = b"NOOP\r\n".repeat(500);
        for _ in 0..40 {
            client.socket.write_all(&flight).unwrap();
            for _ in 0..500 {
                assert_eq!(client.hear().0, 200);
            }
        }
        20_000.0
    });
}
