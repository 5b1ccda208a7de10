//! The replies of a server against RFC 959 section 5.4, as a table, over random lives.
//!
//! The oracle knows what the client said, in order, and nothing of the machine but its replies: from
//! them it learns who is logged in, what was prepared, and which replies may come next.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod common;

use bytes::{Bytes, BytesMut};
use common::{Store, T0, address, full_server, new_server};
use core::time::Duration;
use proto_ftp::server::{Action, Ask, DataId, Event, Refusal, Session, TransferFault};
use proto_ftp::wire::{ReplyDecoder, Verb};
use proto_ftp::{ServerLimits, TlsInfo, Transmit};
use std::collections::VecDeque;

/// What may be said to a command, besides 421, which may come at any time.
struct Row {
    verb: Verb,
    preliminary: &'static [u16],
    good: &'static [u16],
    bad: &'static [u16],
    /// 530 for who is not logged in, and nothing good.
    needs_login: bool,
}

const TRANSFER_ERRORS: &[u16] = &[
    425, 426, 450, 451, 452, 500, 501, 502, 521, 522, 534, 550, 552, 553,
];

/// RFC 959 section 5.4, with RFC 1123 (4.1.2), 2228, 2389, 2428, 3659, 4217, 7151 and the drafts of
/// MFMT and HASH.
#[rustfmt::skip]
const TABLE: &[Row] = &[
    row(Verb::User, &[], &[230, 331, 332], &[500, 501, 530, 431, 534], false),
    row(Verb::Pass, &[], &[230, 202, 332], &[500, 501, 503, 530], false),
    row(Verb::Acct, &[], &[230, 202], &[500, 501, 503, 530], false),
    row(Verb::Cwd, &[], &[250], &[500, 501, 502, 550], true),
    row(Verb::Cdup, &[], &[200, 250], &[500, 501, 502, 550], true),
    row(Verb::Smnt, &[], &[202, 250], &[500, 501, 502, 550], true),
    row(Verb::Rein, &[120], &[220], &[500, 502], false),
    row(Verb::Quit, &[], &[221], &[500], false),
    row(Verb::Port, &[], &[200], &[500, 501], true),
    row(Verb::Eprt, &[], &[200], &[500, 501, 522], true),
    row(Verb::Pasv, &[], &[227], &[500, 501, 502], true),
    row(Verb::Epsv, &[], &[229, 200], &[500, 501, 502, 522], true),
    row(Verb::Mode, &[], &[200], &[500, 501, 504], true),
    row(Verb::Type, &[], &[200], &[500, 501, 504], true),
    row(Verb::Stru, &[], &[200], &[500, 501, 504], true),
    row(Verb::Allo, &[], &[200, 202], &[500, 501, 504], true),
    row(Verb::Rest, &[], &[350], &[500, 501, 502], true),
    row(Verb::Stor, &[125, 150, 110], &[226, 250], TRANSFER_ERRORS, true),
    row(Verb::Stou, &[125, 150, 110], &[226, 250], TRANSFER_ERRORS, true),
    row(Verb::Appe, &[125, 150, 110], &[226, 250], TRANSFER_ERRORS, true),
    row(Verb::Retr, &[125, 150], &[226, 250], &[425, 426, 450, 451, 500, 501, 521, 522, 534, 550], true),
    row(Verb::List, &[125, 150], &[226, 250], &[425, 426, 450, 451, 500, 501, 502, 521, 522], true),
    row(Verb::Nlst, &[125, 150], &[226, 250], &[425, 426, 450, 451, 500, 501, 502, 521, 522], true),
    row(Verb::Mlsd, &[125, 150], &[226, 250], &[425, 426, 450, 451, 500, 501, 502, 504, 521, 522, 550], true),
    row(Verb::Mlst, &[], &[250], &[500, 501, 502, 504, 550], true),
    row(Verb::Rnfr, &[], &[350], &[450, 500, 501, 502, 550], true),
    row(Verb::Rnto, &[], &[250], &[500, 501, 502, 503, 532, 553], true),
    row(Verb::Dele, &[], &[250], &[450, 500, 501, 502, 550], true),
    row(Verb::Rmd, &[], &[250], &[500, 501, 502, 550], true),
    row(Verb::Mkd, &[], &[257], &[500, 501, 502, 550], true),
    row(Verb::Pwd, &[], &[257], &[500, 501, 502, 550], true),
    row(Verb::Abor, &[], &[225, 226], &[500, 501, 502], false),
    row(Verb::Syst, &[], &[215], &[500, 501, 502], false),
    row(Verb::Stat, &[], &[211, 212, 213], &[450, 500, 501, 502, 530], false),
    row(Verb::Help, &[], &[211, 214], &[500, 501, 502], false),
    row(Verb::Noop, &[], &[200], &[500], false),
    row(Verb::Site, &[], &[200, 202, 214], &[500, 501, 502, 504], true),
    row(Verb::Size, &[], &[213], &[500, 501, 504, 550], true),
    row(Verb::Mdtm, &[], &[213], &[500, 501, 504, 550], true),
    row(Verb::Mfmt, &[], &[213], &[500, 501, 504, 550], true),
    row(Verb::Hash, &[], &[213], &[450, 500, 501, 502, 504, 550], true),
    row(Verb::Feat, &[], &[211], &[500, 502], false),
    row(Verb::Opts, &[], &[200], &[451, 501], false),
    row(Verb::Lang, &[], &[200], &[500, 501, 504], false),
    row(Verb::Host, &[], &[220], &[500, 501, 502, 503, 504, 530], false),
    row(Verb::Clnt, &[], &[200], &[500], false),
    row(Verb::Auth, &[], &[234], &[431, 500, 501, 502, 503, 504, 534], false),
    row(Verb::Pbsz, &[], &[200], &[501, 503], false),
    row(Verb::Prot, &[], &[200], &[431, 501, 503, 504, 534, 536], false),
    row(Verb::Ccc, &[], &[200], &[500, 533, 534], true),
    row(Verb::Adat, &[], &[], &[500, 501, 503], false),
    row(Verb::Mic, &[], &[], &[500, 502], false),
    row(Verb::Conf, &[], &[], &[500, 502], false),
    row(Verb::Enc, &[], &[], &[500, 502], false),
    row(Verb::Unknown, &[], &[], &[500, 501], false),
];

const fn row(
    verb: Verb,
    preliminary: &'static [u16],
    good: &'static [u16],
    bad: &'static [u16],
    needs_login: bool,
) -> Row {
    Row {
        verb,
        preliminary,
        good,
        bad,
        needs_login,
    }
}

const LINES: &[&str] = &[
    "USER bob",
    "USER bob",
    "USER bob",
    "PASS hungry",
    "PASS hungry",
    "PASS hungry",
    "PASS no",
    "ACCT a",
    "ACCT",
    "USER",
    "CWD sub",
    "CWD /",
    "CWD none",
    "CWD",
    "CDUP",
    "XCUP",
    "SMNT a",
    "REIN",
    "QUIT",
    "PORT 192,0,2,9,160,0",
    "PORT 10,0,0,1,160,0",
    "PORT 192,0,2,9,0,20",
    "PORT x",
    "EPRT |1|192.0.2.9|41000|",
    "EPRT |3|x|1|",
    "EPRT |2|::1|5000|",
    "PASV",
    "PASV",
    "EPSV",
    "EPSV",
    "EPSV 1",
    "EPSV 2",
    "EPSV 9",
    "EPSV x",
    "EPSV ALL",
    "MODE S",
    "MODE B",
    "MODE C",
    "MODE Z",
    "MODE X",
    "MODE",
    "TYPE I",
    "TYPE I",
    "TYPE A",
    "TYPE A T",
    "TYPE E C",
    "TYPE L 8",
    "TYPE L 7",
    "TYPE X",
    "STRU F",
    "STRU R",
    "STRU P",
    "STRU",
    "ALLO 5",
    "ALLO 5 R 2",
    "ALLO",
    "ALLO x",
    "REST 3",
    "REST 0",
    "REST 99999999999999999999",
    "REST",
    "STOR new",
    "STOR new",
    "STOR sub",
    "STOR",
    "STOU",
    "STOU x",
    "APPE new",
    "APPE",
    "RETR file",
    "RETR file",
    "RETR none",
    "RETR",
    "LIST",
    "LIST -la sub",
    "NLST",
    "MLSD",
    "MLSD none",
    "MLST file",
    "MLST none",
    "RNFR file",
    "RNFR none",
    "RNTO other",
    "RNTO",
    "DELE none",
    "DELE new",
    "RMD d",
    "MKD d",
    "XMKD d",
    "PWD",
    "ABOR",
    "ABOR",
    "SYST",
    "STAT",
    "STAT",
    "STAT sub",
    "STAT none",
    "HELP",
    "HELP STOR",
    "NOOP",
    "SITE PING",
    "SITE x",
    "SITE HELP",
    "SITE",
    "SIZE file",
    "MDTM file",
    "MDTM 20200102030405 file",
    "MFMT 20200102030405 file",
    "MFMT 20209902030405 file",
    "MFMT",
    "HASH file",
    "HASH none",
    "FEAT",
    "OPTS UTF8 ON",
    "OPTS MLST size;",
    "OPTS X",
    "OPTS",
    "LANG",
    "LANG fr",
    "HOST example.com",
    "HOST x",
    "CLNT me",
    "AUTH TLS",
    "AUTH X",
    "AUTH",
    "PBSZ 0",
    "PBSZ",
    "PROT P",
    "PROT C",
    "PROT E",
    "PROT",
    "CCC",
    "ADAT x",
    "MIC x",
    "CONF x",
    "ENC x",
    "XYZZY",
    "",
    "NO\0OP",
];

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() >> 33).unwrap() % limit
    }

    fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }
}

/// What the oracle knows of a command that waits for its last reply.
#[derive(Debug)]
struct Waiting {
    verb: Verb,
    line: &'static str,
    has_begun: bool,
}

#[derive(Debug, Default)]
struct Oracle {
    waiting: VecDeque<Waiting>,
    is_greeted: bool,
    is_in: bool,
    has_user: bool,
    has_rename: bool,
    has_setup: bool,
    epsv_all: bool,
    is_tls: bool,
    is_cleared: bool,
    has_pbsz: bool,
    is_over: bool,
    /// An upload was made last by the storage, and 226 may be said.
    committed: bool,
    seen: std::collections::BTreeMap<(String, u16), u64>,
}

impl Oracle {
    fn reply(&mut self, code: u16) {
        assert!(!self.is_over || code == 421, "{code} after the end");
        if code == 421 {
            self.is_over = true;
            return;
        }
        if !self.is_greeted {
            assert!(matches!(code, 220 | 120), "greeting {code}");
            self.is_greeted = true;
            return;
        }
        // STAT may overtake the transfer that runs.
        let is_status = self.waiting.get(1).is_some_and(|next| next.line == "STAT");
        let front = self.waiting.front_mut().expect("a reply to nothing");
        if code == 211 && front.has_begun && is_status {
            self.waiting.remove(1);
            return;
        }
        let row = TABLE
            .iter()
            .find(|row| row.verb == front.verb)
            .unwrap_or_else(|| panic!("{:?} has no row", front.verb));
        if row.preliminary.contains(&code) {
            assert!(self.is_in && self.has_setup, "{code} to {}", front.line);
            assert!(!front.has_begun || code == 110, "twice {code}");
            front.has_begun = true;
            return;
        }
        let waiting = self.waiting.pop_front().unwrap();
        let (verb, line) = (waiting.verb, waiting.line);
        let is_allowed =
            row.good.contains(&code) || row.bad.contains(&code) || (row.needs_login && code == 530);
        assert!(is_allowed, "{code} to {line:?}");
        if row.needs_login {
            assert_eq!(
                self.is_in,
                code != 530,
                "{code} to {line:?}, logged in: {}",
                self.is_in
            );
        }
        *self.seen.entry((format!("{verb:?}"), code)).or_default() += 1;
        self.learn(&waiting, code, row.good.contains(&code));
    }

    /// What a command changes, and what must have been before it.
    fn learn(&mut self, waiting: &Waiting, code: u16, is_good: bool) {
        let line = waiting.line;
        let had_rename = core::mem::take(&mut self.has_rename);
        match waiting.verb {
            Verb::User if code != 501 => {
                self.is_in = code == 230;
                self.has_user = code == 331;
            }
            Verb::Pass => {
                assert_eq!(self.has_user, code != 503, "{code} to PASS");
                if code != 503 {
                    self.has_user = false;
                    self.is_in = code == 230;
                }
            }
            Verb::Rein => {
                let is_cleared = false;
                *self = Self {
                    waiting: core::mem::take(&mut self.waiting),
                    seen: core::mem::take(&mut self.seen),
                    is_greeted: true,
                    is_cleared,
                    ..Self::default()
                };
            }
            Verb::Quit => self.is_over = true,
            Verb::Rnfr => self.has_rename = is_good,
            Verb::Rnto if self.is_in => {
                assert_eq!(had_rename, code != 503, "{code} to RNTO");
            }
            Verb::Port | Verb::Eprt | Verb::Pasv => {
                assert!(
                    !(is_good && self.epsv_all),
                    "{code} to {line} after EPSV ALL"
                );
                self.has_setup |= is_good;
            }
            Verb::Epsv if line == "EPSV ALL" => self.epsv_all |= is_good,
            Verb::Epsv => self.has_setup |= is_good,
            Verb::Abor => self.has_setup = false,
            Verb::Auth if is_good => {
                assert!(!self.is_tls && !self.is_cleared);
                (self.is_tls, self.is_in, self.has_user) = (true, false, false);
                (self.has_pbsz, self.has_setup) = (false, false);
            }
            Verb::Pbsz => {
                assert_eq!(
                    self.is_tls || self.is_cleared,
                    code != 503,
                    "{code} to {line}"
                );
                self.has_pbsz |= is_good;
            }
            Verb::Prot => assert_eq!(self.has_pbsz, code != 503, "{code} to {line}"),
            Verb::Ccc if self.is_in => {
                assert_eq!(self.is_tls, is_good, "{code} to CCC");
                if is_good {
                    (self.is_tls, self.is_cleared) = (false, true);
                }
            }
            verb @ (Verb::Stor
            | Verb::Stou
            | Verb::Appe
            | Verb::Retr
            | Verb::List
            | Verb::Nlst
            | Verb::Mlsd)
                if self.is_in =>
            {
                if !self.has_setup {
                    assert_eq!(
                        code, 425,
                        "{code} to {line} with no data connection prepared"
                    );
                }
                assert!(!is_good || waiting.has_begun, "{code} without 150");
                let is_upload = matches!(verb, Verb::Stor | Verb::Stou | Verb::Appe);
                let committed = core::mem::take(&mut self.committed);
                if is_upload {
                    assert_eq!(is_good, committed, "{code} to {line}, stored: {committed}");
                }
                // After a transfer was begun its connection is used up.
                if waiting.has_begun {
                    self.has_setup = false;
                }
            }
            _ => {}
        }
    }
}

struct World {
    random: Random,
    session: Session,
    store: Store,
    oracle: Oracle,
    input: BytesMut,
    replies: ReplyDecoder,
    heard: BytesMut,
    questions: VecDeque<Event>,
    actions: VecDeque<Action>,
    now: Duration,
    eof: bool,
    handshake: bool,
    stopping: bool,
    last: &'static str,
}

fn ask_of(event: Event) -> Option<Ask> {
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

const REFUSALS: [Refusal; 9] = [
    Refusal::NotFound,
    Refusal::Denied,
    Refusal::Busy,
    Refusal::Exists,
    Refusal::BadName,
    Refusal::NoSpace,
    Refusal::QuotaExceeded,
    Refusal::Failed,
    Refusal::Unsupported,
];

impl World {
    fn new(seed: u64) -> Self {
        let mut config = full_server();
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        config.require_resumption = random.one_in(3);
        config.require_data_tls = random.one_in(4);
        config.ask_user = random.one_in(3);
        let mut limits = ServerLimits::default();
        limits.max_faults = 60;
        limits.max_login_failures = 20;
        let mut session = new_server(T0, &config, &limits);
        session.set_pump(if random.one_in(2) { 3 } else { 0 });
        Self {
            session,
            store: Store::new(),
            oracle: Oracle::default(),
            input: BytesMut::new(),
            replies: ReplyDecoder::new(9000, 1 << 16, 1000),
            heard: BytesMut::new(),
            questions: VecDeque::new(),
            actions: VecDeque::new(),
            now: T0,
            eof: false,
            handshake: false,
            stopping: false,
            last: "",
            random,
        }
    }

    fn step(&mut self) {
        match self.random.below(20) {
            0..=6 => self.say(),
            7..=10 => self.answer(),
            11..=15 => self.act(),
            16 => self.stale(),
            17 if self.random.one_in(40) => {
                self.eof = true;
                self.session.handle_eof(self.now);
            }
            17 => {
                let wait = if self.random.one_in(30) { 40_000 } else { 900 };
                let wait = u64::try_from(self.random.below(wait)).unwrap();
                self.now += Duration::from_millis(wait);
                self.session.handle_timeout(self.now);
            }
            _ => {}
        }
        self.poll();
    }

    fn say(&mut self) {
        if self.eof || self.handshake || self.stopping || !self.session.wants_read() {
            return;
        }
        // A client that knows where things stand does not speak while AUTH, CCC or REIN are open.
        let is_barred = |waiting: &Waiting| {
            matches!(
                waiting.verb,
                Verb::Auth | Verb::Ccc | Verb::Rein | Verb::Quit
            )
        };
        if self.oracle.waiting.iter().any(is_barred) {
            return;
        }
        let line = match self.random.one_in(2) {
            true => LINES[self.random.below(LINES.len())],
            false => self.sensible(),
        };
        self.last = line;
        let name = line.split(' ').next().unwrap();
        self.oracle.waiting.push_back(Waiting {
            verb: Verb::from_name(name.as_bytes()),
            line,
            has_begun: false,
        });
        self.input.extend_from_slice(line.as_bytes());
        self.input.extend_from_slice(b"\r\n");
    }

    /// What a client would say that wants to get somewhere.
    fn sensible(&mut self) -> &'static str {
        const SETUPS: &[&str] = &["PASV", "EPSV", "PORT 192,0,2,9,160,0", "RNFR file"];
        const TRANSFERS: &[&str] = &[
            "RETR file",
            "STOR new",
            "APPE new",
            "STOU",
            "LIST",
            "NLST",
            "MLSD",
            "ABOR",
            "STAT",
        ];
        let words = match self.last.split(' ').next().unwrap_or_default() {
            "USER" => &["PASS hungry"][..],
            "RNFR" => &["RNTO file"],
            "AUTH" => &["PBSZ 0"],
            "PBSZ" => &["PROT P"],
            _ if !self.oracle.is_in => &["USER bob"],
            "PASV" | "EPSV" | "PORT" => TRANSFERS,
            "RETR" | "STOR" | "LIST" => &["STAT", "ABOR", "NOOP", "PASV"],
            _ => SETUPS,
        };
        words[self.random.below(words.len())]
    }

    fn answer(&mut self) {
        let Some(event) = self.questions.pop_front() else {
            return;
        };
        let is_commit = matches!(event, Event::Commit { .. });
        if self.random.one_in(4) {
            let refusal = REFUSALS[self.random.below(REFUSALS.len())];
            if let Some(ask) = ask_of(event) {
                let _ = self.session.reject(ask, refusal);
            }
            return;
        }
        // A question may have lost its transfer meanwhile; then its answer is stale.
        let answered = self.store.handle(&mut self.session, event);
        if is_commit {
            self.oracle.committed = answered.is_ok();
        }
    }

    fn act(&mut self) {
        let Some(action) = self.actions.pop_front() else {
            return;
        };
        let now = self.now;
        let works = !self.random.one_in(5);
        let session = &mut self.session;
        match action {
            Action::Listen { id, .. } if works => {
                session.handle_listening(now, id, address("192.0.2.1:50000"));
                if self.random.one_in(4) {
                    session.handle_connected(now, id, address("192.0.2.66:1"));
                }
                if !self.random.one_in(5) {
                    session.handle_connected(now, id, address("192.0.2.9:1"));
                }
            }
            // A listener that cannot be had ends the session; not every time.
            Action::Listen { id, .. } if !self.random.one_in(4) => {
                session.handle_listening(now, id, address("192.0.2.1:50000"));
            }
            Action::Connect { id, to } if works => session.handle_connected(now, id, to),
            Action::Secure { id } if works => {
                let mut tls = TlsInfo::default();
                tls.resumed = !self.random.one_in(4);
                session.handle_data_tls(now, id, &tls);
            }
            Action::Start { id, .. } => {
                session.handle_progress(now, id, 1);
                if self.random.one_in(4) {
                    session.handle_marker(now, id, b"m\r\n1", b"1");
                }
                let result = match self.random.below(12) {
                    0 => Err(TransferFault::Disconnected),
                    1 => Err(TransferFault::Malformed),
                    2 => Err(TransferFault::Storage),
                    3 => Err(TransferFault::NoSpace),
                    4 => Err(TransferFault::QuotaExceeded),
                    _ => Ok(7),
                };
                session.handle_transferred(now, id, result);
            }
            Action::Pump { id, max, .. } => {
                session.handle_pumped(now, id, max);
                if self.random.one_in(2) {
                    session.handle_transferred(now, id, Ok(7));
                }
            }
            Action::Listen { id, .. } | Action::Connect { id, .. } | Action::Secure { id } => {
                session.handle_failed(now, id);
            }
            Action::Refuse { .. } | Action::Close { .. } => {}
        }
    }

    /// Facts about data connections that are over, or never were.
    fn stale(&mut self) {
        let Some(Action::Listen { id, .. } | Action::Start { id, .. }) = self.actions.back() else {
            return;
        };
        let id: DataId = *id;
        let now = self.now;
        match self.random.below(4) {
            0 => self.session.handle_data_tls(now, id, &TlsInfo::default()),
            1 => self.session.handle_progress(now, id, 5),
            2 => self.session.handle_pumped(now, id, 5),
            _ => self
                .session
                .handle_connected(now, id, address("192.0.2.66:2")),
        }
    }

    fn poll(&mut self) {
        if self.stopping {
            self.stopping = false;
        }
        if core::mem::take(&mut self.handshake) {
            self.session
                .handle_tls_established(self.now, TlsInfo::default());
        }
        while let Ok(event) = self.session.poll_event(self.now, &mut self.input) {
            match event {
                Some(event) => match ask_of_ref(&event) {
                    true => self.questions.push_back(event),
                    false => {
                        let _ = self.store.handle(&mut self.session, event);
                    }
                },
                None => break,
            }
        }
        self.actions
            .extend(core::iter::from_fn(|| self.session.poll_action(self.now)));
        let budget = 1 + self.random.below(2000);
        while let Some(step) = self.session.poll_transmit(self.now, budget) {
            match step {
                Transmit::Data(data) => self.hear(&data),
                Transmit::StartTls => self.handshake = true,
                Transmit::StopTls => self.stopping = true,
                Transmit::Shutdown => {}
                Transmit::Urgent(_) => panic!("a server has nothing urgent"),
            }
        }
    }

    fn hear(&mut self, data: &Bytes) {
        self.heard.extend_from_slice(data);
        while let Some(reply) = self.replies.decode(&mut self.heard).unwrap() {
            self.oracle.reply(reply.code());
        }
    }
}

fn ask_of_ref(event: &Event) -> bool {
    !matches!(
        event,
        Event::TransferEnded { .. } | Event::Reinitialized | Event::Quit | Event::PeerClosed
    )
}

/// How many steps: more where there is time for it.
fn steps() -> u64 {
    let given = std::env::var("PROTO_FTP_STEPS").ok();
    given.map_or(2_000_000, |steps| steps.parse().unwrap())
}

#[test]
fn no_reply_is_outside_of_the_table_of_rfc_959() {
    let (mut taken, mut lives) = (0_u64, 0_u64);
    let mut seen = std::collections::BTreeMap::new();
    while taken < steps() {
        lives += 1;
        let mut world = World::new(lives);
        let life = std::panic::AssertUnwindSafe(|| {
            let mut left = 500;
            while left > 0 && !world.session.is_closed() && !world.oracle.is_over {
                left -= 1;
                taken += 1;
                world.step();
            }
            core::mem::take(&mut world.oracle.seen)
        });
        let life = std::panic::catch_unwind(life);
        match life {
            Ok(replies) => {
                for (key, count) in replies {
                    *seen.entry(key).or_insert(0) += count;
                }
            }
            Err(panic) => {
                eprintln!("life {lives}");
                std::panic::resume_unwind(panic);
            }
        }
    }
    println!("{taken} steps in {lives} lives; replies seen:");
    for ((verb, code), count) in &seen {
        println!("{verb} {code}: {count}");
    }
    // The walk meets what there is to meet.
    assert!(
        seen.len() > 150,
        "{} pairs of command and reply",
        seen.len()
    );
    for (verb, code) in [
        ("Stor", 226),
        ("Stor", 452),
        ("Stor", 552),
        ("Retr", 226),
        ("Retr", 425),
        ("Retr", 426),
        ("Retr", 522),
        ("Stou", 226),
        ("Abor", 226),
        ("Ccc", 200),
        ("Rnto", 250),
        ("Hash", 213),
        ("Rein", 220),
        ("Retr", 521),
    ] {
        assert!(
            seen.contains_key(&(verb.to_string(), code)),
            "no {code} to {verb}"
        );
    }
}
