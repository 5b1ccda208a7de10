//! The hand-written loops, one on std and one on mio, with real clients and with awkward ones.

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream, UdpSocket};
use std::process::Command;
use std::time::Duration;
use support::{OurServer, find, run_ok, skip};

const LOOPS: [&str; 2] = [
    env!("CARGO_BIN_EXE_loop-std"),
    env!("CARGO_BIN_EXE_loop-mio"),
];

fn start(program: &str) -> OurServer {
    let arguments = ["serve", "127.0.0.1:0", "--echo", "127.0.0.1:0"];
    OurServer::start(Command::new(program).args(arguments), 3)
}

fn connect(address: SocketAddr) -> TcpStream {
    let socket = TcpStream::connect(address).expect("a connection");
    let timeout = Some(Duration::from_secs(10));
    socket.set_read_timeout(timeout).expect("a timeout");
    socket.set_write_timeout(timeout).expect("a timeout");
    socket
}

#[test]
fn the_echo_answers_over_tcp_and_udp() {
    for program in LOOPS {
        let server = start(program);
        let address = server.address("echo");
        let mut socket = connect(address);
        // In pieces, and several lines in one.
        for piece in ["hel", "lo\r\nwor", "ld\r\nagain\r\n"] {
            socket.write_all(piece.as_bytes()).expect("a write");
        }
        socket.shutdown(Shutdown::Write).expect("a shutdown");
        let mut text = String::new();
        socket
            .read_to_string(&mut text)
            .expect("answers, then the end");
        assert_eq!(text, "HELLO\r\nWORLD\r\nAGAIN\r\n", "{program}");

        let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        socket
            .set_read_timeout(Some(Duration::from_secs(10)))
            .expect("a timeout");
        socket.send_to(b"hello", address).expect("a datagram");
        let mut buffer = [0; 16];
        let (len, from) = socket.recv_from(&mut buffer).expect("an answer");
        assert_eq!(
            (&buffer[..len], from),
            (&b"HELLO"[..], address),
            "{program}"
        );
    }
}

#[cfg(feature = "http2")]
#[test]
fn http2_is_served_without_tokio() {
    use examples::http2::PAGE;
    let (curl, h2load) = (find("curl"), find("h2load"));
    for program in LOOPS {
        let arguments = ["serve", "127.0.0.1:0", "--http2", "127.0.0.1:0"];
        let server = OurServer::start(Command::new(program).args(arguments), 3);
        let url = format!("http://{}", server.address("h2"));
        match &curl {
            Some(curl) => {
                let get = ["-sS", "--http2-prior-knowledge", "-m", "20"];
                for (path, octets) in [("/object/300000", 300_000), ("/", PAGE.len())] {
                    let url = format!("{url}{path}");
                    let output = run_ok(Command::new(curl).args(get).arg(url));
                    assert_eq!(output.len(), octets, "{program} {path}");
                }
            }
            None => skip!("curl"),
        }
        match &h2load {
            Some(h2load) => {
                let load = ["-n", "200", "-c", "4", "-m", "10"];
                let url = format!("{url}/object/20000");
                let output = run_ok(Command::new(h2load).args(load).arg(url));
                assert!(output.contains("200 succeeded, 0 failed"), "{output}");
            }
            None => skip!("h2load"),
        }
    }
}

#[test]
fn r4_a_client_that_writes_much_before_it_reads_gets_everything() {
    const LINES: usize = 20_000;
    for program in LOOPS {
        let server = start(program);
        let socket = connect(server.address("echo"));
        let mut writer = socket.try_clone().expect("a clone");
        let write = std::thread::spawn(move || {
            let line = format!("{}\n", "x".repeat(99));
            for _ in 0..LINES {
                writer.write_all(line.as_bytes()).expect("a write");
            }
            writer.shutdown(Shutdown::Write).expect("a shutdown");
        });
        let mut answers = 0;
        for line in BufReader::new(socket).lines() {
            assert_eq!(line.expect("a line").len(), 99);
            answers += 1;
        }
        write.join().expect("a thread");
        assert_eq!(answers, LINES, "{program}");
    }
}

#[test]
fn many_connections_are_served_at_once() {
    for program in LOOPS {
        let server = start(program);
        let address = server.address("echo");
        let mut sockets: Vec<_> = (0..100).map(|_| connect(address)).collect();
        for (number, socket) in sockets.iter_mut().enumerate() {
            writeln!(socket, "line {number}").expect("a write");
        }
        for (number, socket) in sockets.iter_mut().enumerate().rev() {
            let mut line = String::new();
            BufReader::new(socket).read_line(&mut line).expect("a line");
            assert_eq!(line, format!("LINE {number}\r\n"), "{program}");
        }
    }
}

#[test]
fn dig_gets_answers_over_udp_and_tcp() {
    let Some(dig) = find("dig") else { skip!("dig") };
    for program in LOOPS {
        let server = start(program);
        let port = server.address("dns").port().to_string();
        for transport in ["+notcp", "+tcp"] {
            let mut command = Command::new(&dig);
            let answer = run_ok(command.args([
                "@127.0.0.1",
                "-p",
                &port,
                transport,
                "+short",
                "www.ibm.com",
            ]));
            assert_eq!(
                answer, "servereast.backup2.ibm.com.\n129.42.38.1\n",
                "{program} {transport}"
            );
        }
        // Too large for a datagram: dig comes back over TCP by itself.
        let mut command = Command::new(&dig);
        let answer = run_ok(command.args([
            "@127.0.0.1",
            "-p",
            &port,
            "huge.networkutopia.com",
            "TXT",
            "+short",
        ]));
        assert_eq!(answer.lines().count(), 30, "{program}: {answer}");
    }
}

#[test]
fn curl_reads_bobs_mail() {
    let Some(curl) = find("curl") else {
        skip!("curl")
    };
    for program in LOOPS {
        let server = start(program);
        let url = format!("pop3://127.0.0.1:{}/", server.address("pop3").port());
        let curl = |path: &str, more: &[&str]| {
            let mut command = Command::new(&curl);
            command.args(["-sS", "--max-time", "20", "-u", "bob:hungry"]);
            run_ok(command.arg(format!("{url}{path}")).args(more))
        };
        for (number, message) in (1..).zip(examples::mail::BOBS_MESSAGES) {
            assert_eq!(curl(&number.to_string(), &[]), message, "{program}");
        }
        let large = curl("1", &["-u", "alice:ketchup"]);
        let expected = examples::mail::large_message(4 * 1024 * 1024);
        assert!(
            large.as_bytes() == expected,
            "{program}: a large message differs"
        );
        curl("1", &["-X", "DELE", "-l"]);
        assert_eq!(curl("", &[]).lines().count(), 1, "{program}: one is left");
    }
}
