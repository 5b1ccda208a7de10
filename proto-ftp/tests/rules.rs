//! The rules of the convention, by the kit that all crates share.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod common;

use common::{Store, address, full_server, heap, new_client, new_server, plaintext_client};
use core::time::Duration;
use netio::sim::kit::{Log, Step, StreamKit, StreamScenario};
use proto_ftp::data::{Mode, Structure, Type};
use proto_ftp::wire::{DateTime, Verb};
use proto_ftp::{ClientLimits, ServerLimits, TlsInfo, client, server};
use std::collections::{BTreeMap, VecDeque};

/// What a server scenario is about.
#[derive(Clone)]
struct ServerCase {
    config: server::Config,
    limits: ServerLimits,
    /// Octets of one step where the system moves them; zero for never.
    pump: u64,
    script: Vec<Step>,
    /// Files that there are in the end.
    files: usize,
}

/// What the system moves.
const FILE: &[u8] = b"an upload";

struct ServerScenario {
    case: ServerCase,
    store: Store,
    open: VecDeque<server::Event>,
    moved: BTreeMap<server::DataId, usize>,
    begun: Vec<server::DataId>,
    over: Vec<server::DataId>,
    listeners: i64,
}

impl ServerScenario {
    fn new(case: &ServerCase) -> Self {
        Self {
            case: case.clone(),
            store: Store::new(),
            open: VecDeque::new(),
            moved: BTreeMap::new(),
            begun: Vec::new(),
            over: Vec::new(),
            listeners: 0,
        }
    }

    fn act(&mut self, session: &mut server::Session, now: Duration, action: &server::Action) {
        match *action {
            server::Action::Listen { id, .. } => {
                self.listeners += 1;
                session.handle_listening(now, id, address("192.0.2.1:50000"));
                // A stranger first.
                session.handle_connected(now, id, address("192.0.2.66:1"));
                session.handle_connected(now, id, address("192.0.2.9:41000"));
            }
            server::Action::Connect { id, to } => session.handle_connected(now, id, to),
            server::Action::Secure { id } => {
                session.handle_data_tls(now, id, &TlsInfo::default());
            }
            server::Action::Start { id, direction, .. } => {
                self.begun.push(id);
                let octets = match direction {
                    server::Direction::Send => 7,
                    server::Direction::Receive => {
                        self.store.received.insert(id, b"upload".to_vec());
                        6
                    }
                };
                session.handle_progress(now, id, 3);
                session.handle_transferred(now, id, Ok(octets));
            }
            server::Action::Pump { id, direction, max } => {
                let total = FILE.len();
                let moved = self.moved.entry(id).or_insert_with(|| {
                    self.begun.push(id);
                    0
                });
                let step = max.min(u64::try_from(total - *moved).unwrap());
                *moved += usize::try_from(step).unwrap();
                if direction == server::Direction::Receive {
                    self.store.received.insert(id, FILE[..*moved].to_vec());
                }
                session.handle_pumped(now, id, step);
                if step < max {
                    session.handle_transferred(now, id, Ok(u64::try_from(total).unwrap()));
                }
            }
            server::Action::Refuse { .. } => {}
            server::Action::Close { .. } => self.listeners -= 1,
        }
    }
}

impl StreamScenario for ServerScenario {
    type Machine = server::Session;

    fn machine(&self, now: Duration) -> server::Session {
        let mut session = new_server(now, &self.case.config, &self.case.limits);
        session.set_pump(self.case.pump);
        session
    }

    fn script(&self) -> Vec<Step> {
        self.case.script.clone()
    }

    fn on_event(
        &mut self,
        _: &mut server::Session,
        _: Duration,
        event: server::Event,
        log: &mut Log,
    ) {
        if let server::Event::TransferEnded { id, .. } = event {
            self.over.push(id);
        }
        log.event(&event);
        self.open.push_back(event);
    }

    fn answer(&mut self, machine: &mut server::Session, now: Duration) -> bool {
        if let Some(action) = machine.poll_action(now) {
            self.act(machine, now, &action);
            return true;
        }
        match self.open.pop_front() {
            Some(event) => {
                let _ = self.store.handle(machine, event);
                true
            }
            None => false,
        }
    }

    fn is_peer_closed(&self, event: &server::Event) -> bool {
        matches!(event, server::Event::PeerClosed)
    }

    fn completed(&self) -> Result<(), String> {
        if self.begun != self.over {
            return Err(format!("{:?} begun, {:?} over", self.begun, self.over));
        }
        match self.store.files.len() == self.case.files {
            true => Ok(()),
            false => Err(format!("{} files", self.store.files.len())),
        }
    }

    fn invariant(&self) -> Result<(), String> {
        let mut over = self.over.clone();
        over.dedup();
        match over == self.over {
            true => Ok(()),
            false => Err("a transfer ended twice".into()),
        }
    }
}

/// A session with a bit of everything, and some mistakes.
fn working() -> ServerCase {
    ServerCase {
        config: full_server(),
        limits: ServerLimits::default(),
        pump: 0,
        script: vec![
            Step::feed(
                b"FEAT\r\nHOST example.com\r\nRETR x\r\nUSER bob\r\nPASS no\r\nUSER bob\r\nPASS hungry\r\n\
                SYST\r\nPWD\r\nCWD sub\r\nCDUP\r\nMKD a\"b\r\nRMD a\"b\r\nSTAT\r\nSTAT sub\r\n\
                PASV\r\nTYPE I\r\nRETR file\r\nEPSV\r\nREST 4\r\nRETR file\r\nPORT 192,0,2,9,160,0\r\n\
                STOR new\r\nEPRT |1|192.0.2.9|41000|\r\nAPPE new\r\nEPSV\r\nSTOU\r\nEPSV\r\nMLSD\r\n\
                SIZE new\r\nMDTM new\r\nMFMT 20010203040506 new\r\nMLST new\r\nHASH new\r\n\
                RNFR new\r\nRNTO old\r\nRNTO x\r\nDELE old\r\nALLO 5 R 2\r\nSITE PING\r\n\
                FOO\r\nNO\0OP\r\n\xff\xf4\xff\xf2NOOP\r\nREIN\r\nQUIT\r\n",
            ),
            Step::Eof,
        ],
        files: 3,
    }
}

/// The same with room for a few lines of replies, and of look-ahead.
fn tight() -> ServerCase {
    let mut case = working();
    case.limits.max_queued_replies = 40;
    case.limits.look_ahead = 64;
    case
}

/// The system moves what nobody changes, a few octets at a time.
fn pumping() -> ServerCase {
    let mut case = working();
    case.pump = 4;
    case
}

/// AUTH and private data.
fn securing() -> ServerCase {
    ServerCase {
        config: full_server(),
        limits: ServerLimits::default(),
        pump: 0,
        script: vec![
            Step::feed("USER bob\r\nPROT P\r\nAUTH TLS\r\n"),
            Step::Upgrade,
            Step::feed(
                "PASS hungry\r\nUSER bob\r\nPASS hungry\r\nPROT P\r\nPBSZ 0\r\nPROT P\r\nEPSV\r\n\
                 RETR file\r\nPROT E\r\nQUIT\r\n",
            ),
            Step::Eof,
        ],
        files: 2,
    }
}

/// CCC, and on in plaintext.
fn clearing() -> ServerCase {
    let mut case = securing();
    case.script.truncate(2);
    case.script.extend([
        Step::feed("USER bob\r\nPASS hungry\r\nPBSZ 0\r\nPROT P\r\nCCC\r\n"),
        Step::Downgrade,
        Step::feed("EPSV\r\nSTOR new\r\nQUIT\r\n"),
        Step::Eof,
    ]);
    case.files = 3;
    case
}

/// TLS from the start; the client goes away without QUIT.
fn implicit() -> ServerCase {
    let mut config = full_server();
    config.implicit_tls = true;
    ServerCase {
        config,
        limits: ServerLimits::default(),
        pump: 0,
        script: vec![
            Step::Secure,
            Step::feed("USER bob\r\nPASS hungry\r\nEPSV\r\nLIST -la\r\nDELE file\r\n"),
            Step::Eof,
        ],
        files: 1,
    }
}

fn server_kit(case: &ServerCase) -> StreamKit<impl Fn() -> ServerScenario + use<>> {
    let case = case.clone();
    StreamKit::new(move || ServerScenario::new(&case)).rounds(60)
}

netio::kit_rules! {
    [working(), tight(), pumping(), securing(), implicit()].iter().map(server_kit);
    r1_server_any_order_of_calls_gives_the_same => r1_any_order,
    r2_server_time_never_runs_backwards => r2_time,
    r3_server_deadlines_progress => r3_timers,
    r4_server_reads_when_reading_helps => r4_reading,
    r6_server_end_of_input_is_an_event_or_an_error => r6_eof,
    r6_server_disconnect_at_every_position => r6_disconnect,
    r7_server_output_keeps_to_its_budget => r7_budget,
    r10_server_stale_answers_change_nothing => r10_stale_answers,
    r12_server_nonsense_is_bounded => nonsense,
    r13_server_any_split_gives_the_same => r13_any_split,
}

/// Time does not leap while TLS is being left: what is said then has its place in the order.
#[test]
fn r1_r7_r13_hold_for_a_server_that_leaves_tls() {
    let kit = server_kit(&clearing());
    kit.r1_any_order();
    kit.r3_timers();
    kit.r6_eof();
    kit.r6_disconnect();
    kit.r7_budget();
    kit.r13_any_split();
    kit.nonsense();
}

#[test]
fn r5_server_says_farewell_after_too_many_bad_commands() {
    let mut case = working();
    let good = "FOO\r\nNOOP\r\nBAR\r\nUSER bob\r\n";
    case.script = vec![Step::feed(format!("{good}BAZ\r\nNOOP\r\nQUIT\r\n"))];
    case.limits.max_faults = 3;
    server_kit(&case).r5_errors(good.len(), b"421 Too many errors\r\n");
}

#[test]
fn r5_server_says_farewell_after_too_many_logins() {
    let mut case = working();
    case.limits.max_login_failures = 1;
    let good = "NOOP\r\nUSER bob\r\n";
    case.script = vec![Step::feed(format!("{good}PASS x\r\nQUIT\r\n"))];
    server_kit(&case).r5_errors(good.len(), b"421 Too many failed logins\r\n");
}

#[test]
fn r8_server_refuses_what_follows_auth() {
    server_kit(&securing()).r8_upgrade(b"USER bob\r\n");
    server_kit(&securing()).r8_upgrade(b"\n");
}

#[test]
fn r12_server_survives_truncation_and_flipped_bits_within_24_kib() {
    for case in [working(), securing()] {
        server_kit(&case).mutations(heap, 24 * 1024);
    }
}

/// What a client scenario is about.
#[derive(Clone)]
struct ClientCase {
    config: client::Config,
    pump: u64,
    start: fn(&mut ClientScenario, &mut client::Session),
    script: Vec<Step>,
}

struct ClientScenario {
    case: ClientCase,
    moved: BTreeMap<client::DataId, u64>,
    commands: Vec<client::CommandId>,
    ended: Vec<client::CommandId>,
}

impl ClientScenario {
    fn new(case: &ClientCase) -> Self {
        Self {
            case: case.clone(),
            moved: BTreeMap::new(),
            commands: Vec::new(),
            ended: Vec::new(),
        }
    }

    fn run(&mut self, command: Result<client::CommandId, client::UsageError>) {
        if let Ok(id) = command {
            self.commands.push(id);
        }
    }
}

impl StreamScenario for ClientScenario {
    type Machine = client::Session;

    fn machine(&self, now: Duration) -> client::Session {
        let mut session = new_client(now, &self.case.config, &ClientLimits::default());
        session.set_pump(self.case.pump);
        session
    }

    fn script(&self) -> Vec<Step> {
        self.case.script.clone()
    }

    fn start(&mut self, machine: &mut client::Session, _: Duration) {
        let start = self.case.start;
        start(self, machine);
    }

    fn on_event(
        &mut self,
        machine: &mut client::Session,
        _: Duration,
        event: client::Event,
        log: &mut Log,
    ) {
        match &event {
            client::Event::Progress { .. } => return,
            client::Event::Done { id, .. } | client::Event::Failed { id, .. } => {
                self.ended.push(*id);
            }
            client::Event::TlsEstablished => {
                let login = machine.login("bob", "hungry");
                self.run(login);
                let quit = machine.quit();
                self.run(quit);
            }
            _ => {}
        }
        log.event(&event);
    }

    fn answer(&mut self, machine: &mut client::Session, now: Duration) -> bool {
        let Some(action) = machine.poll_action(now) else {
            return false;
        };
        match action {
            client::Action::Connect { id, to } => machine.handle_connected(now, id, to),
            client::Action::Listen { id, on } => {
                machine.handle_listening(now, id, (on, 5000).into());
                machine.handle_connected(now, id, address("192.0.2.66:1"));
                machine.handle_connected(now, id, address("192.0.2.1:20"));
            }
            client::Action::Secure { id } => machine.handle_data_tls(now, id),
            client::Action::Start { id, .. } => {
                machine.handle_progress(now, id, 3);
                machine.handle_transferred(now, id, 9, true);
            }
            client::Action::Pump { id, max, .. } => {
                let moved = self.moved.entry(id).or_insert(0);
                let step = max.min(9 - *moved);
                *moved += step;
                machine.handle_pumped(now, id, step);
                if step < max {
                    machine.handle_transferred(now, id, 9, true);
                }
            }
            client::Action::Refuse { .. } | client::Action::Close { .. } => {}
        }
        true
    }

    fn is_failure(&self, event: &client::Event) -> bool {
        matches!(event, client::Event::Failed { .. })
    }

    fn is_peer_closed(&self, event: &client::Event) -> bool {
        matches!(event, client::Event::PeerClosed)
    }

    fn completed(&self) -> Result<(), String> {
        match self.ended == self.commands {
            true => Ok(()),
            false => Err(format!("{:?} of {:?}", self.ended, self.commands)),
        }
    }

    fn invariant(&self) -> Result<(), String> {
        // Every life ends: by then every command has its one final event, in order.
        self.completed()
    }
}

fn dialogue(lines: &[(&str, &str)]) -> Vec<Step> {
    let mut steps: Vec<Step> = lines
        .iter()
        .flat_map(|(command, reply)| {
            let wait = (!command.is_empty()).then(|| Step::wait_for(command));
            wait.into_iter().chain([Step::feed(reply)])
        })
        .collect();
    steps.push(Step::Eof);
    steps
}

fn fetching() -> ClientCase {
    ClientCase {
        config: plaintext_client(),
        pump: 0,
        start: |scenario, machine| {
            let time = DateTime::parse(b"20200102030405").unwrap();
            let commands = [
                machine.login_as("bob", "hungry", Some(b"acct")),
                machine.feat(),
                machine.pwd(),
                machine.retr("file", Type::Image, 4),
                machine.stor("new", Type::Image, 0),
                machine.mlsd(None),
                machine.size("new"),
                machine.mfmt("new", time),
                machine.rename("new", "old"),
                machine.rename("none", "old"),
                machine.mode(Mode::Block),
                machine.structure(Structure::Record),
                machine.command(Verb::Site, Some(b"PING")),
                machine.quit(),
            ];
            for command in commands {
                scenario.run(command);
            }
        },
        script: dialogue(&[
            ("", "220-Hello\r\n226 there\r\n220 ready\r\n"),
            ("USER bob\r\n", "331 Who\r\n"),
            ("PASS hungry\r\n", "332 Which\r\n"),
            ("ACCT acct\r\n", "230 In\r\n"),
            (
                "FEAT\r\n",
                "211-Features\r\n MLST type*;\r\n UTF8\r\n211 End\r\n",
            ),
            ("PWD\r\n", "257 \"/a\"\"b\" is it\r\n"),
            ("TYPE I\r\n", "200\r\n"),
            ("EPSV\r\n", "500 what\r\n"),
            ("PASV\r\n", "227 =10,0,0,1,195,80\r\n"),
            ("REST 4\r\n", "350\r\n"),
            ("RETR file\r\n", "150 here\r\n"),
            ("", "226-all\r\n226 done\r\n"),
            ("PASV\r\n", "227 (192,0,2,1,195,80)\r\n"),
            ("STOR new\r\n", "125 go\r\n"),
            ("", "226 done\r\n"),
            ("TYPE A\r\n", "200\r\n"),
            ("PASV\r\n", "227 (192,0,2,1,195,80)\r\n"),
            ("MLSD\r\n", "502\r\n"),
            ("PASV\r\n", "227 (192,0,2,1,195,80)\r\n"),
            ("LIST\r\n", "150\r\n226\r\n"),
            ("TYPE I\r\n", "200\r\n"),
            ("SIZE new\r\n", "213 9\r\n"),
            (
                "MFMT 20200102030405 new\r\n",
                "213 Modify=20200102030405; new\r\n",
            ),
            ("RNFR new\r\n", "350\r\n"),
            ("RNTO old\r\n", "250\r\n"),
            ("RNFR none\r\n", "550\r\n"),
            ("MODE B\r\n", "504\r\n"),
            ("STRU R\r\n", "200\r\n"),
            ("SITE PING\r\n", "200 pong\r\n"),
            ("QUIT\r\n", "221 bye\r\n"),
        ]),
    }
}

/// The system moves what nobody changes, a few octets at a time.
fn client_pumping() -> ClientCase {
    ClientCase {
        pump: 3,
        ..fetching()
    }
}

/// Everything leaves at once; a refusal makes it one at a time.
fn pipelining() -> ClientCase {
    let mut config = plaintext_client();
    config.pipelining = true;
    config.eager = true;
    ClientCase {
        config,
        pump: 0,
        start: |scenario, machine| {
            let commands = [
                machine.login("bob", "hungry"),
                machine.cwd("sub"),
                machine.retr("file", Type::Image, 0),
                machine.cwd("none"),
                machine.noop(),
                machine.dele("x"),
                machine.quit(),
            ];
            for command in commands {
                scenario.run(command);
            }
        },
        script: dialogue(&[
            (
                "USER bob\r\nPASS hungry\r\nCWD sub\r\nTYPE I\r\nEPSV\r\nRETR file\r\n",
                "220\r\n331\r\n230\r\n250\r\n200\r\n229 (|||5000|)\r\n150\r\n226\r\n",
            ),
            (
                "CWD none\r\nNOOP\r\nDELE x\r\nQUIT\r\n",
                "550\r\n200\r\n250\r\n221\r\n",
            ),
        ]),
    }
}

/// The server connects.
fn active() -> ClientCase {
    let mut config = plaintext_client();
    config.active = true;
    ClientCase {
        config,
        pump: 0,
        start: |scenario, machine| {
            let commands = [
                machine.login("bob", "hungry"),
                machine.nlst(Some(b"sub")),
                machine.stou(Type::Image),
                machine.quit(),
            ];
            for command in commands {
                scenario.run(command);
            }
        },
        script: dialogue(&[
            ("", "220\r\n"),
            ("USER bob\r\n", "230\r\n"),
            ("PORT 192,0,2,9,19,136\r\n", "200\r\n"),
            ("NLST sub\r\n", "150\r\n226\r\n"),
            ("TYPE I\r\n", "200\r\n"),
            ("PORT 192,0,2,9,19,136\r\n", "200\r\n"),
            ("STOU\r\n", "150 FILE: unique\r\n226\r\n"),
            ("QUIT\r\n", "221\r\n"),
        ]),
    }
}

fn upgrading() -> ClientCase {
    ClientCase {
        config: client::Config::default(),
        pump: 0,
        start: |scenario, machine| {
            let auth = machine.auth_tls();
            scenario.run(auth);
        },
        script: vec![
            Step::feed("220 ready\r\n"),
            Step::wait_for("AUTH TLS\r\n"),
            Step::feed("234 go\r\n"),
            Step::Upgrade,
            Step::wait_for("PBSZ 0\r\n"),
            Step::feed("200\r\n"),
            Step::wait_for("PROT P\r\n"),
            Step::feed("200\r\n"),
            Step::wait_for("USER bob\r\n"),
            Step::feed("331\r\n"),
            Step::wait_for("PASS hungry\r\n"),
            Step::feed("230\r\n"),
            Step::wait_for("QUIT\r\n"),
            Step::feed("221\r\n"),
            Step::Eof,
        ],
    }
}

fn client_kit(case: &ClientCase) -> StreamKit<impl Fn() -> ClientScenario + use<>> {
    let case = case.clone();
    StreamKit::new(move || ClientScenario::new(&case)).rounds(60)
}

netio::kit_rules! {
    [fetching(), client_pumping(), pipelining(), active(), upgrading()].iter().map(client_kit);
    r1_client_any_order_of_calls_gives_the_same => r1_any_order,
    r2_client_time_never_runs_backwards => r2_time,
    r3_client_deadlines_progress => r3_timers,
    r4_client_reads_when_reading_helps => r4_reading,
    r6_client_end_of_input_is_an_event_or_an_error => r6_eof,
    r6_client_disconnect_at_every_position => r6_disconnect,
    r7_client_output_keeps_to_its_budget => r7_budget,
    r10_client_stale_answers_change_nothing => r10_stale_answers,
    r12_client_nonsense_is_bounded => nonsense,
    r13_client_any_split_gives_the_same => r13_any_split,
}

#[test]
fn r5_client_fails_its_commands_and_then_itself() {
    let mut case = pipelining();
    let good = "220\r\n331\r\n230\r\n";
    case.script = vec![
        Step::wait_for("RETR file\r\n"),
        Step::feed(format!("{good}nonsense\r\n200\r\n")),
    ];
    client_kit(&case).r5_errors(good.len(), b"");
}

#[test]
fn r8_client_refuses_what_follows_the_reply_to_auth() {
    client_kit(&upgrading()).r8_upgrade(b"230 injected\r\n");
}

#[test]
fn r12_client_survives_truncation_and_flipped_bits_within_24_kib() {
    for case in [fetching(), pipelining(), active(), upgrading()] {
        client_kit(&case).mutations(heap, 24 * 1024);
    }
}
