//! FTP: lines and listings beside suppaftp's parser, and a session in memory. Transfers through real
//! servers are the business of the bin `ftp-transfer`.

use crate::{Case, Job};
use bytes::BytesMut;
use core::hint::black_box;
use core::time::Duration;
use proto_ftp::ServerLimits;
use proto_ftp::listing::Parser;
use proto_ftp::server::{Config, Event, Session};
use proto_ftp::wire::{Command, DateTime, ReplyDecoder};
use std::sync::{Arc, LazyLock};

const NOW: Duration = Duration::from_secs(1);

/// One configuration serves all sessions.
static SERVER: LazyLock<(Arc<Config>, Arc<ServerLimits>)> = LazyLock::new(Default::default);

/// All cases of this module.
#[must_use]
pub fn cases() -> Vec<Case> {
    vec![
        commands(),
        replies(),
        listing("Unix", &unix()),
        listing("MLSD", &mlsd()),
        listing("DOS", &dos()),
        ping_pong(),
    ]
}

fn alone(group: &'static str, name: &str, octets: usize, job: Job) -> Case {
    Case {
        group,
        name: name.into(),
        octets: u64::try_from(octets).ok(),
        jobs: vec![("ours", job)],
        is_comparable: false,
    }
}

/// Lines as a client says them in a session.
const COMMANDS: [&[u8]; 10] = [
    b"USER anonymous",
    b"PASS me@example.com",
    b"CWD /pub/data/noaa",
    b"TYPE I",
    b"EPSV",
    b"RETR 720962-99999-2015.gz",
    b"SIZE rand.txt",
    b"MLSD",
    b"PORT 192,0,2,9,160,0",
    b"NOOP",
];

fn commands() -> Case {
    let octets = COMMANDS.iter().map(|line| line.len()).sum();
    let job = || {
        let mut sum = 0_u64;
        for line in COMMANDS {
            let command = Command::parse(black_box(line)).unwrap();
            let arg = command.arg.map_or(0, <[u8]>::len);
            sum = sum.wrapping_add(u64::try_from(arg).unwrap_or(0)) + command.verb as u64;
        }
        sum
    };
    alone("ftp commands", "10 lines", octets, Box::new(job))
}

fn replies() -> Case {
    let mut text = b"211-Features:\r\n".to_vec();
    for number in 0..1000 {
        text.extend_from_slice(format!(" FEATURE{number} some parameters of it\r\n").as_bytes());
    }
    text.extend_from_slice(b"211 End\r\n");
    let octets = text.len();
    let mut input = BytesMut::new();
    let job = move || {
        input.extend_from_slice(black_box(&text));
        let mut decoder = ReplyDecoder::new(8192, 1 << 20, 2000);
        let reply = decoder.decode(&mut input).unwrap().unwrap();
        u64::try_from(reply.lines().count()).unwrap_or(0)
    };
    alone("ftp reply", "FEAT of 1000 lines", octets, Box::new(job))
}

fn unix() -> Vec<String> {
    (0..1000_u32)
        .map(|number| {
            let day = number % 28 + 1;
            match number % 3 {
                0 => format!(
                    "-rw-r--r-- 1 ftp users {:>12} Nov {day:2} 2018 file-{number}.txt",
                    number * 977
                ),
                1 => format!(
                    "drwxr-xr-x 3 ftp users {:>12} Jan {day:2} 12:34 folder-{number}",
                    4096
                ),
                _ => format!(
                    "-rwxr-x--- 1 1000 1000 {:>12} Feb {day:2} 2021 name with blanks {number}",
                    number * 31
                ),
            }
        })
        .collect()
}

fn mlsd() -> Vec<String> {
    (0..1000_u32)
        .map(|number| {
            format!(
                "type=file;size={};modify=20181105163248;unix.mode=0644; file-{number}.txt",
                number * 977
            )
        })
        .collect()
}

fn dos() -> Vec<String> {
    (0..1000_u32)
        .map(|number| match number % 2 {
            0 => format!("04-08-14  03:09PM  {:>12} file-{number}.txt", number * 977),
            _ => format!("10-19-20  03:19AM  <DIR> folder-{number}"),
        })
        .collect()
}

/// Names and sizes of all lines.
fn listing(name: &str, lines: &[String]) -> Case {
    let text: Vec<u8> = lines
        .iter()
        .flat_map(|line| [line.as_bytes(), b"\r\n"].concat())
        .collect();
    let octets = text.len();
    let today = DateTime::from_unix(1_795_000_000);
    let job = move || {
        let mut parser = Parser::new(today);
        let (mut rest, mut sum) = (black_box(&text[..]), 0_u64);
        while let Some((len, item)) = parser.next(rest, true) {
            if let proto_ftp::listing::Item::Entry(entry) = item {
                black_box(&entry);
                sum += entry.size.unwrap_or(0) + u64::try_from(entry.name.len()).unwrap_or(0);
            }
            rest = &rest[len..];
        }
        sum
    };
    let mut case = alone(
        "ftp listing",
        &format!("1000 lines, {name}"),
        octets,
        Box::new(job),
    );
    case.jobs.extend(peer(name, lines));
    case
}

#[cfg(not(feature = "ftp-peers"))]
fn peer(_: &str, _: &[String]) -> Option<(&'static str, Job)> {
    None
}

#[cfg(feature = "ftp-peers")]
fn peer(name: &str, lines: &[String]) -> Option<(&'static str, Job)> {
    use suppaftp::list::ListParser;
    let parse = match name {
        "Unix" => ListParser::parse_posix,
        "MLSD" => ListParser::parse_mlsd,
        _ => ListParser::parse_dos,
    };
    let lines = lines.to_vec();
    let job = move || {
        let mut sum = 0_u64;
        for line in black_box(&lines) {
            let file = parse(line).unwrap();
            sum += u64::try_from(file.size() + file.name().len()).unwrap_or(0);
            black_box(&file);
        }
        sum
    };
    Some(("suppaftp", Box::new(job)))
}

/// A session that bob has logged in to.
#[must_use]
pub fn logged_in() -> Session {
    let address = |text: &str| text.parse().unwrap();
    let (config, limits) = SERVER.clone();
    let (local, peer) = (address("192.0.2.1:21"), address("192.0.2.9:4000"));
    let mut session = Session::new(NOW, config, limits, local, peer);
    let mut input = BytesMut::from("USER bob\r\nPASS hungry\r\n");
    while let Some(event) = session.poll_event(NOW, &mut input).unwrap() {
        if let Event::Login { ask, .. } = event {
            session.accept(ask).unwrap();
        }
    }
    while session.poll_transmit(NOW, usize::MAX).is_some() {}
    session
}

fn ping_pong() -> Case {
    let mut session = logged_in();
    let mut input = BytesMut::new();
    let job = move || {
        input.extend_from_slice(black_box(b"NOOP\r\n"));
        assert!(matches!(session.poll_event(NOW, &mut input), Ok(None)));
        match session.poll_transmit(NOW, 65_536) {
            Some(proto_ftp::Transmit::Data(data)) => u64::try_from(data.len()).unwrap_or(0),
            _ => 0,
        }
    };
    alone("ftp session", "NOOP there and back", 14, Box::new(job))
}
