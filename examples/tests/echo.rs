//! The echo programs against each other and against a plain socket.

mod support;

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpStream, UdpSocket};
use std::process::Command;
use std::time::Duration;
use support::{OurServer, run, run_ok};

#[test]
fn a_line_comes_back_in_upper_case_over_tcp() {
    let program = env!("CARGO_BIN_EXE_echo-tcp");
    let server = OurServer::start(Command::new(program).args(["serve", "127.0.0.1:0"]), 1);
    let address = server.address("echo-tcp");
    let answer = run_ok(Command::new(program).args(["send", &address.to_string(), "Hello, world"]));
    assert_eq!(answer, "HELLO, WORLD\n");

    let mut socket = TcpStream::connect(address).expect("a connection");
    socket.write_all(b"one\r\ntwo\nthr").expect("a write");
    let mut lines = BufReader::new(socket.try_clone().expect("a clone")).lines();
    let mut line = || lines.next().expect("a line").expect("a line");
    assert_eq!((line(), line()), ("ONE".into(), "TWO".into()));
    socket.write_all(b"ee\r\n").expect("a write");
    assert_eq!(line(), "THREE");
}

#[test]
fn a_line_without_end_is_refused_and_the_reason_arrives() {
    let program = env!("CARGO_BIN_EXE_echo-tcp");
    let server = OurServer::start(Command::new(program).args(["serve", "127.0.0.1:0"]), 1);
    let mut socket = TcpStream::connect(server.address("echo-tcp")).expect("a connection");
    socket.write_all(&[b'x'; 5000]).expect("a write");
    let mut text = String::new();
    BufReader::new(&socket)
        .read_line(&mut text)
        .expect("a line");
    assert_eq!(text, "a line is too long\r\n");
}

#[test]
fn a_datagram_comes_back_in_upper_case() {
    let program = env!("CARGO_BIN_EXE_echo-udp");
    let server = OurServer::start(Command::new(program).args(["serve", "127.0.0.1:0"]), 1);
    let address = server.address("echo-udp");
    let answer = run_ok(Command::new(program).args(["send", &address.to_string(), "Hello"]));
    assert_eq!(answer, "HELLO\n");

    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    socket
        .set_read_timeout(Some(Duration::from_secs(5)))
        .expect("a timeout");
    socket.send_to(b"by hand", address).expect("a datagram");
    let mut buffer = [0; 100];
    let (len, from) = socket.recv_from(&mut buffer).expect("an answer");
    assert_eq!((&buffer[..len], from), (&b"BY HAND"[..], address));
}

#[test]
fn wrong_arguments_end_with_a_message_and_status_2() {
    for program in [
        env!("CARGO_BIN_EXE_echo-tcp"),
        env!("CARGO_BIN_EXE_echo-udp"),
    ] {
        for arguments in [&["serve", "nowhere"][..], &["serve"], &["--unknown"], &[]] {
            let output = run(Command::new(program).args(arguments));
            assert_eq!(output.status.code(), Some(2), "{program} {arguments:?}");
            assert!(
                !output.stderr.is_empty(),
                "{program} {arguments:?} said nothing"
            );
        }
        let help = run_ok(Command::new(program).arg("--help"));
        assert!(help.contains("Usage"), "{help}");
    }
}
