//! Both sessions of FTP, driven by scripts: a hostile peer, and an embedder whose answers and data
//! connections come whenever the script says.

use crate::cuts::Take;
use bytes::BytesMut;
use core::time::Duration;
use proto_ftp::data::{Mode, Structure, Type};
use proto_ftp::server::{Answer, Ask, Refusal, TransferFault};
use proto_ftp::wire::{DateTime, Verb};
use proto_ftp::{ClientLimits, ServerLimits, TlsInfo, Transmit, client, server};
use std::collections::{BTreeMap, VecDeque};

const COMMANDS: [&str; 48] = [
    "USER bob\r\nPASS hungry\r\n",
    "USER bob\r\n",
    "PASS hungry\r\n",
    "PASV\r\n",
    "EPSV\r\n",
    "EPSV\r\nRETR a\r\n",
    "EPSV\r\nSTOR a\r\n",
    "PORT 192,0,2,9,160,0\r\n",
    "RETR a\r\n",
    "STOR a\r\n",
    "APPE a\r\n",
    "STOU\r\n",
    "LIST\r\n",
    "MLSD\r\n",
    "ABOR\r\n",
    "\u{7f}ABOR\r\n",
    "STAT\r\n",
    "STAT a\r\n",
    "NOOP\r\n",
    "QUIT\r\n",
    "REIN\r\n",
    "AUTH TLS\r\n",
    "PBSZ 0\r\nPROT P\r\n",
    "CCC\r\n",
    "TYPE I\r\n",
    "MODE B\r\n",
    "STRU R\r\n",
    "REST 5\r\n",
    "RNFR a\r\n",
    "RNTO b\r\n",
    "CWD a\r\n",
    "PWD\r\n",
    "MKD a\r\n",
    "SIZE a\r\n",
    "MDTM a\r\n",
    "MFMT 20200102030405 a\r\n",
    "MLST a\r\n",
    "HASH a\r\n",
    "ALLO 5\r\n",
    "SITE x\r\n",
    "HOST a\r\n",
    "FEAT\r\n",
    "EPSV ALL\r\n",
    "EPRT |1|192.0.2.9|41000|\r\n",
    "X\r\n",
    "\r\n",
    "GET / HTTP/1.1\r\n",
    "ACCT a\r\n",
];

/// Where a life stands in which little is forbidden.
#[derive(Default)]
struct Wire {
    in_handshake: bool,
    shut: bool,
    failed: bool,
    ended: bool,
    octets: Vec<u8>,
}

impl Wire {
    fn take(&mut self, step: Transmit) {
        assert!(!self.shut, "{step:?} after Shutdown");
        match step {
            Transmit::Data(data) | Transmit::Urgent(data) => {
                assert!(!self.in_handshake, "octets within a handshake");
                assert!(!data.is_empty());
                self.octets.extend_from_slice(&data);
            }
            Transmit::StartTls => self.in_handshake = true,
            Transmit::StopTls => {}
            Transmit::Shutdown => self.shut = true,
        }
    }
}

/// A server session.
pub fn ftp_server_script(data: &[u8]) {
    let mut script = Take::new(data);
    let steer = script.u8();
    let mut config = server::Config::default();
    config.tls = steer & 1 == 0;
    config.allow_ccc = steer & 2 == 0;
    config.require_resumption = steer & 4 != 0;
    config.require_data_tls = steer & 8 != 0;
    config.ask_user = steer & 16 != 0;
    config.implicit_tls = steer & 32 != 0;
    config.site = true;
    config.virtual_hosts = true;
    config.hash = Some("SHA-1".into());
    let mut limits = ServerLimits::default();
    limits.max_line = 256;
    limits.look_ahead = 128;
    limits.max_queued_replies = 512;
    if steer & 64 != 0 {
        limits.answer_deadline = Some(Duration::from_secs(3));
    }
    let local = "192.0.2.1:21".parse().expect("an address");
    let peer = "192.0.2.9:40000".parse().expect("an address");
    let mut now = Duration::from_secs(1);
    let mut session = server::Session::new(now, config, limits, local, peer);
    session.set_pump(u64::from(steer & 24));
    let mut wire = Wire {
        in_handshake: steer & 32 != 0,
        ..Wire::default()
    };
    let mut input = BytesMut::new();
    let mut asks: VecDeque<(Ask, bool)> = VecDeque::new();
    let mut actions: VecDeque<server::Action> = VecDeque::new();
    // Transfers that were begun and are not over.
    let mut running: Vec<server::DataId> = Vec::new();
    while !script.is_empty() {
        match script.u8() % 12 {
            0..=2 if !wire.in_handshake && !wire.ended => {
                let line = COMMANDS[usize::from(script.u8()) % COMMANDS.len()];
                let line = line.replace('\u{7f}', "\u{ff}");
                input.extend_from_slice(line.as_bytes());
            }
            3 if !wire.in_handshake && !wire.ended => input.extend_from_slice(script.short()),
            4 | 5 => {
                if let Some((ask, is_plain)) = asks.pop_front() {
                    answer(&mut session, ask, is_plain, script.u8());
                }
            }
            6 | 7 => {
                if let Some(action) = actions.pop_front() {
                    let how = script.u8();
                    if let server::Action::Start { id, .. } | server::Action::Pump { id, .. } =
                        action
                    {
                        running.push(id);
                    }
                    act(&mut session, now, &action, how);
                }
            }
            8 => {
                now += Duration::from_millis(u64::from(script.u16()));
                session.handle_timeout(now);
            }
            9 => match script.u8() {
                0..=9 => {
                    wire.ended = true;
                    session.handle_eof(now);
                }
                10 => session.close(),
                11 => {
                    session.handle_disconnect(now);
                    wire.ended = true;
                    wire.shut = true;
                }
                _ => {}
            },
            10 if wire.in_handshake => {
                wire.in_handshake = false;
                session.handle_tls_established(now, TlsInfo::default());
            }
            _ => {
                while let Some(step) = session.poll_transmit(now, 1 + usize::from(script.u8())) {
                    wire.take(step);
                }
            }
        }
        loop {
            match session.poll_event(now, &mut input) {
                Ok(Some(event)) => {
                    assert!(!wire.failed, "{event:?} after the error");
                    if let server::Event::TransferEnded { id, .. } = &event {
                        running.retain(|other| other != id);
                    }
                    let is_plain = is_plain(&event);
                    asks.extend(ask_of(event).map(|ask| (ask, is_plain)));
                    assert!(asks.len() <= 64, "questions without end");
                }
                Ok(None) => break,
                Err(_) => {
                    assert!(!wire.failed, "a second error");
                    wire.failed = true;
                }
            }
        }
        while let Some(action) = session.poll_action(now) {
            actions.push_back(action);
        }
        assert!(input.len() <= 4096 + 300, "{} octets pile up", input.len());
        if session.wants_read() && !session.is_closed() {
            assert!(input.len() < 512, "{} octets left", input.len());
        } else if input.len() > 1024 {
            return;
        }
    }
    session.handle_disconnect(now);
    while let Ok(Some(event)) = session.poll_event(now, &mut input) {
        if let server::Event::TransferEnded { id, .. } = &event {
            running.retain(|other| other != id);
        }
    }
    let _ = session.poll_event(now, &mut input);
    assert!(session.is_closed());
    // Each line that was sent is a line of a reply.
    let text = &wire.octets;
    assert!(text.is_empty() || text[0].is_ascii_digit());
}

/// Whether yes is an answer to it.
fn is_plain(event: &server::Event) -> bool {
    use server::Event::{Facts, Hash, ModifyTime, Size, Status, Store};
    !matches!(
        event,
        Facts { .. } | Hash { .. } | ModifyTime { .. } | Size { .. } | Status { .. }
    ) && !matches!(
        event,
        Store {
            mode: server::StoreMode::Unique,
            ..
        }
    )
}

fn answer(session: &mut server::Session, ask: Ask, is_plain: bool, how: u8) {
    const REFUSALS: [Refusal; 4] = [
        Refusal::NotFound,
        Refusal::NoSpace,
        Refusal::Busy,
        Refusal::Unsupported,
    ];
    // A question may be over, and an answer the wrong one: then nothing happens.
    let _ = match how % 4 {
        0 => session.reject(ask, REFUSALS[usize::from(how >> 2) % 4]),
        _ if is_plain => session.accept(ask),
        1 => session.accept_with(ask, Answer::Text("a\r\nb\x1bc\n226 d".into())),
        2 => session.accept_with(ask, Answer::Size(u64::MAX)),
        _ => match how >> 2 & 1 {
            0 => session.accept_with(ask, Answer::Time(DateTime::from_unix(0))),
            _ => session.accept_with(ask, Answer::Name("a\r\nb".into())),
        },
    };
}

fn act(session: &mut server::Session, now: Duration, action: &server::Action, how: u8) {
    let at = |text: &str| text.parse().expect("an address");
    let id = action.id();
    match (how % 8, action) {
        (0, _) => session.handle_failed(now, id),
        (1, _) => session.handle_connected(now, id, at("192.0.2.66:1")),
        (_, server::Action::Listen { .. }) => {
            session.handle_listening(now, id, at("192.0.2.1:50000"));
            if how & 16 == 0 {
                session.handle_connected(now, id, at("192.0.2.9:1"));
            }
        }
        (_, server::Action::Connect { to, .. }) => session.handle_connected(now, id, *to),
        (_, server::Action::Secure { .. }) => {
            let mut tls = TlsInfo::default();
            tls.resumed = how & 16 == 0;
            session.handle_data_tls(now, id, &tls);
        }
        (_, server::Action::Pump { max, .. }) => {
            session.handle_pumped(now, id, max.saturating_sub(u64::from(how & 16)));
            session.handle_transferred(now, id, Ok(u64::from(how)));
        }
        (_, server::Action::Start { .. }) => {
            session.handle_progress(now, id, u64::from(how));
            session.handle_marker(now, id, &[how, b'\r', b'\n'], b"1");
            let result = match how & 16 {
                0 => Ok(u64::from(how)),
                _ => Err(TransferFault::Disconnected),
            };
            session.handle_transferred(now, id, result);
        }
        _ => session.handle_progress(now, id, u64::MAX),
    }
}

fn ask_of(event: server::Event) -> Option<Ask> {
    use server::Event;
    Some(match event {
        Event::User { ask, .. }
        | Event::Login { ask, .. }
        | Event::Host { ask, .. }
        | Event::ChangeDirectory { ask, .. }
        | Event::MakeDirectory { ask, .. }
        | Event::RemoveDirectory { ask, .. }
        | Event::Delete { ask, .. }
        | Event::RenameFrom { ask, .. }
        | Event::Rename { ask, .. }
        | Event::Size { ask, .. }
        | Event::ModifyTime { ask, .. }
        | Event::SetModifyTime { ask, .. }
        | Event::Facts { ask, .. }
        | Event::Status { ask, .. }
        | Event::Hash { ask, .. }
        | Event::Allocate { ask, .. }
        | Event::Site { ask, .. }
        | Event::Retrieve { ask, .. }
        | Event::Store { ask, .. }
        | Event::List { ask, .. }
        | Event::Commit { ask, .. } => ask,
        _ => return None,
    })
}

const REPLIES: [&str; 32] = [
    "220 hi\r\n",
    "220-hi\r\n 226 x\r\n220 ho\r\n",
    "331 who\r\n",
    "230 in\r\n",
    "332 acct\r\n",
    "200 ok\r\n",
    "229 (|||5000|)\r\n",
    "227 (10,0,0,1,19,136)\r\n",
    "150 here\r\n",
    "226 done\r\n",
    "150\r\n226\r\n",
    "350 go\r\n",
    "250 ok\r\n",
    "500 what\r\n",
    "502 no\r\n",
    "550 none\r\n",
    "425 no\r\n",
    "426 broken\r\n",
    "225 aborted\r\n",
    "421 bye\r\n",
    "234 go\r\n",
    "221 bye\r\n",
    "110 MARK a = 1\r\n",
    "120 wait\r\n",
    "213 5\r\n",
    "257 \"/\"\r\n",
    "530 no\r\n",
    "229 (|||0|)\r\n",
    "227 nonsense\r\n",
    "\r\n",
    "999 x\r\n",
    "x\r\n",
];

/// A client session.
pub fn ftp_client_script(data: &[u8]) {
    let mut script = Take::new(data);
    let steer = script.u8();
    let mut config = client::Config::default();
    config.require_tls = steer & 1 != 0;
    config.pipelining = steer & 2 != 0;
    config.eager = steer & 4 != 0;
    config.active = steer & 8 != 0;
    config.epsv = steer & 16 == 0;
    config.implicit_tls = steer & 32 != 0;
    let mut limits = ClientLimits::default();
    limits.max_line = 128;
    limits.max_reply = 512;
    limits.max_reply_lines = 16;
    let local = "192.0.2.9:40000".parse().expect("an address");
    let peer = "192.0.2.1:21".parse().expect("an address");
    let mut now = Duration::from_secs(1);
    let mut session = client::Session::new(now, config, limits, local, peer);
    session.set_pump(u64::from(steer & 24));
    let mut wire = Wire {
        in_handshake: steer & 32 != 0,
        ..Wire::default()
    };
    let mut input = BytesMut::new();
    // How often each command has ended.
    let mut commands: BTreeMap<client::CommandId, u32> = BTreeMap::new();
    let mut actions: VecDeque<client::Action> = VecDeque::new();
    let events = |session: &mut client::Session,
                  wire: &mut Wire,
                  input: &mut BytesMut,
                  commands: &mut BTreeMap<client::CommandId, u32>,
                  now| {
        loop {
            match session.poll_event(now, input) {
                Ok(Some(event)) => {
                    assert!(!wire.failed, "{event:?} after the error");
                    if let client::Event::Done { id, .. } | client::Event::Failed { id, .. } = event
                    {
                        // `close` says QUIT by itself.
                        let count = commands.entry(id).or_insert(0);
                        *count += 1;
                        assert_eq!(*count, 1, "a second end of {id:?}");
                    }
                }
                Ok(None) => break,
                Err(_) => {
                    assert!(!wire.failed, "a second error");
                    wire.failed = true;
                }
            }
        }
    };
    while !script.is_empty() {
        match script.u8() % 12 {
            0 | 1 => {
                let how = script.u8();
                if let Ok(id) = command(&mut session, how) {
                    assert!(commands.insert(id, 0).is_none());
                }
            }
            2..=4 if !wire.in_handshake && !wire.ended => {
                let reply = REPLIES[usize::from(script.u8()) % REPLIES.len()];
                input.extend_from_slice(reply.as_bytes());
            }
            5 if !wire.in_handshake && !wire.ended => input.extend_from_slice(script.short()),
            6 | 7 => {
                if let Some(action) = actions.pop_front() {
                    wish(&mut session, now, &action, script.u8());
                }
            }
            8 => {
                now += Duration::from_millis(u64::from(script.u16()));
                session.handle_timeout(now);
            }
            9 => match script.u8() {
                0..=9 => {
                    wire.ended = true;
                    session.handle_eof(now);
                }
                10 => session.close(),
                _ => {}
            },
            10 if wire.in_handshake => {
                wire.in_handshake = false;
                session.handle_tls_established(now, TlsInfo::default());
            }
            _ => {
                while let Some(step) = session.poll_transmit(now, 1 + usize::from(script.u8())) {
                    wire.take(step);
                }
            }
        }
        events(&mut session, &mut wire, &mut input, &mut commands, now);
        while let Some(action) = session.poll_action(now) {
            actions.push_back(action);
        }
        if !wire.in_handshake && session.wants_read() {
            assert!(input.len() < 512, "{} octets left", input.len());
        } else if input.len() > 1024 {
            return;
        }
    }
    session.handle_disconnect(now);
    events(&mut session, &mut wire, &mut input, &mut commands, now);
    assert!(session.is_closed());
    for (id, count) in commands {
        assert_eq!(count, 1, "{id:?} has no end");
    }
    let has_nul = wire.octets.contains(&0);
    assert!(!has_nul, "an argument that cannot be sent");
}

fn command(
    session: &mut client::Session,
    how: u8,
) -> Result<client::CommandId, client::UsageError> {
    match how % 24 {
        0 => session.login("bob", "hungry"),
        1 => session.login_as("bob", "hungry", Some(b"a")),
        2 => session.auth_tls(),
        3 => session.prot(how & 32 == 0),
        4 => session.ccc(),
        5 => session.rein(),
        6 => session.retr("a", Type::Image, u64::from(how >> 5)),
        7 => session.stor("a", Type::Ascii, 0),
        8 => session.appe("a", Type::Image),
        9 => session.stou(Type::Ebcdic),
        10 => session.list(None),
        11 => session.nlst(Some(b"a")),
        12 => session.mlsd(Some(b"a")),
        13 => session.rename("a", "b"),
        14 => session.size("a"),
        15 => session.mode(Mode::Block),
        16 => session.structure(Structure::Record),
        17 => session.abort(),
        18 => session.quit(),
        19 => session.feat(),
        20 => session.retr("a\r\nb", Type::Image, 0),
        21 => session.mfmt("a", DateTime::from_unix(0)),
        22 => session.command(Verb::Site, Some(b"x")),
        _ => session.noop(),
    }
}

fn wish(session: &mut client::Session, now: Duration, action: &client::Action, how: u8) {
    let at = |text: &str| text.parse().expect("an address");
    match (how % 8, action) {
        (
            0,
            client::Action::Connect { id, .. }
            | client::Action::Listen { id, .. }
            | client::Action::Secure { id }
            | client::Action::Start { id, .. }
            | client::Action::Pump { id, .. },
        ) => session.handle_failed(now, *id),
        (_, client::Action::Connect { id, to }) => session.handle_connected(now, *id, *to),
        (_, client::Action::Listen { id, on }) => {
            session.handle_listening(now, *id, (*on, 5000).into());
            let peer = if how & 16 == 0 {
                "192.0.2.1:20"
            } else {
                "192.0.2.66:20"
            };
            session.handle_connected(now, *id, at(peer));
        }
        (_, client::Action::Secure { id }) => session.handle_data_tls(now, *id),
        (_, client::Action::Pump { id, max, .. }) => {
            session.handle_pumped(now, *id, max.saturating_sub(u64::from(how & 16)));
            session.handle_transferred(now, *id, u64::from(how), how & 32 == 0);
        }
        (_, client::Action::Start { id, .. }) => {
            session.handle_progress(now, *id, u64::from(how));
            session.handle_transferred(now, *id, u64::from(how), how & 16 == 0);
        }
        (_, client::Action::Refuse { id } | client::Action::Close { id }) => {
            session.handle_transferred(now, *id, 1, true);
        }
    }
}
