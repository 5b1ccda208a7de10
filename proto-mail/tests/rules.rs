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

use common::{FIRST, SECOND, plaintext_client, plaintext_server, store};
use core::time::Duration;
use netio::sim::kit::{Log, Step, StreamKit, StreamScenario, r4_flood};
use proto_mail::pop3::memory::{Connection, MemoryStore};
use proto_mail::pop3::{client, server};
use std::collections::{BTreeSet, VecDeque};

/// What a server scenario is about.
#[derive(Clone)]
struct ServerCase {
    config: server::Config,
    limits: server::Limits,
    script: Vec<Step>,
    /// Messages that are left in the end.
    left: usize,
}

struct ServerScenario {
    case: ServerCase,
    store: MemoryStore,
    connection: Connection,
    open: VecDeque<server::Event>,
    bodies: BTreeSet<String>,
    committed: bool,
    fault: Option<String>,
}

impl ServerScenario {
    fn new(case: &ServerCase) -> Self {
        Self {
            case: case.clone(),
            store: store(),
            connection: Connection::new(),
            open: VecDeque::new(),
            bodies: BTreeSet::new(),
            committed: false,
            fault: None,
        }
    }
}

impl StreamScenario for ServerScenario {
    type Machine = server::Session;

    fn machine(&self, now: Duration) -> server::Session {
        let Self { case, .. } = self;
        server::Session::new(now, case.config.clone(), case.limits.clone(), [7; 32])
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
        match &event {
            server::Event::Writable { .. } => {}
            server::Event::BodyDone { body, complete } => {
                if !self.bodies.insert(format!("{body:?}")) {
                    self.fault = Some(format!("a second end of {body:?}"));
                }
                log.say(format!("body complete: {complete}"));
            }
            event => log.event(event),
        }
        self.open.push_back(event);
    }

    fn answer(&mut self, machine: &mut server::Session, _: Duration) -> bool {
        let Some(event) = self.open.pop_front() else {
            return false;
        };
        let is_commit = matches!(event, server::Event::Commit { .. });
        let result = self.store.handle(&mut self.connection, machine, event);
        self.committed |= is_commit;
        result.is_ok()
    }

    fn is_peer_closed(&self, event: &server::Event) -> bool {
        matches!(event, server::Event::PeerClosed)
    }

    fn completed(&self) -> Result<(), String> {
        let left = self.store.messages("bob").count();
        match left == self.case.left {
            true => Ok(()),
            false => Err(format!("{left} messages are left")),
        }
    }

    fn invariant(&self) -> Result<(), String> {
        if self.store.messages("bob").count() < 2 && !self.committed {
            return Err("messages were deleted without QUIT".into());
        }
        self.fault.clone().map_or(Ok(()), Err)
    }
}

/// A maildrop is read, with some mistakes on the way.
fn reading() -> ServerCase {
    let long = "X".repeat(300);
    ServerCase {
        config: plaintext_server(),
        limits: server::Limits::default(),
        script: vec![
            Step::feed(format!(
                "CAPA\r\nSTAT\r\nUSER bob\r\nPASS wrong\r\nPASS hungry\r\nUSER bob\r\nPASS hungry\r\n\
                 STAT\r\nLIST\r\nLIST 1\r\nUIDL\r\nUIDL 2\r\nRETR 1\r\nTOP 2 1\r\nRETR 3\r\nRETR 0\r\n\
                 FOO\r\n{long}\r\nNO\nOP\r\nDELE 1\r\nRSET\r\nDELE 2\r\nLIST\r\nRETR 2\r\nRETR 1\r\n\
                 LANG\r\nNOOP\r\nQUIT\r\n"
            )),
            Step::Eof,
        ],
        left: 1,
    }
}

/// The same with a queue of output that is full after some lines.
fn tight() -> ServerCase {
    let mut case = reading();
    case.limits.max_queued_output = 24;
    case
}

/// AUTH in all its ways, before and after STLS.
fn securing() -> ServerCase {
    let mut config = server::Config::default();
    config.apop = true;
    config.utf8 = true;
    ServerCase {
        config,
        limits: server::Limits::default(),
        script: vec![
            Step::feed("CAPA\r\nUSER bob\r\nAUTH PLAIN\r\nSTLS\r\n"),
            Step::Upgrade,
            Step::feed(
                "CAPA\r\nAUTH\r\nAUTH PLAIN\r\n*\r\nAUTH PLAIN\r\n!\r\nAUTH PLAIN =\r\nUTF8\r\nSTLS\r\n\
                 APOP bob c4c9334bac560ecc979e58001b3e22fb\r\n\
                 AUTH PLAIN\r\nAGJvYgBodW5ncnk=\r\nDELE 1\r\nDELE 2\r\nQUIT\r\n",
            ),
            Step::Eof,
        ],
        left: 0,
    }
}

/// TLS from the start; the client goes away without QUIT.
fn implicit() -> ServerCase {
    let mut config = server::Config::default();
    config.implicit_tls = true;
    ServerCase {
        config,
        limits: server::Limits::default(),
        script: vec![
            Step::Secure,
            Step::feed("USER bob\r\nPASS hungry\r\nDELE 1\r\nTOP 1 0\r\n"),
            Step::Eof,
        ],
        left: 2,
    }
}

fn server_kit(case: &ServerCase) -> StreamKit<impl Fn() -> ServerScenario + use<>> {
    let case = case.clone();
    StreamKit::new(move || ServerScenario::new(&case))
}

netio::kit_rules! {
    [reading(), tight(), securing(), implicit()].iter().map(server_kit);
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

#[test]
fn r5_server_says_farewell_after_too_many_bad_commands() {
    let mut case = reading();
    case.left = 2;
    let good = "FOO\r\nNOOP\r\nBAR\r\nUSER bob\r\n";
    case.script = vec![Step::feed(format!("{good}STAT\r\nQUIT\r\n"))];
    let farewell = b"-ERR too many bad commands\r\n";
    case.limits.max_bad_commands = 4;
    server_kit(&case).r5_errors(good.len(), farewell);
}

#[test]
fn r5_server_says_farewell_after_too_many_logins() {
    let mut case = reading();
    case.limits.max_auth_failures = 1;
    case.left = 2;
    let good = "CAPA\r\nUSER bob\r\n";
    case.script = vec![Step::feed(format!("{good}PASS x\r\nQUIT\r\n"))];
    server_kit(&case).r5_errors(good.len(), b"-ERR [AUTH] authentication failed\r\n");
}

#[test]
fn r8_server_refuses_what_follows_stls() {
    server_kit(&securing()).r8_upgrade(b"USER bob\r\n");
    server_kit(&securing()).r8_upgrade(b"\n");
}

#[test]
fn r13_server_survives_truncation_and_flipped_bits_within_64_kib() {
    for case in [reading(), securing()] {
        server_kit(&case).mutations(heap, 64 * 1024);
    }
}

/// The largest heap use of a run.
fn heap(run: &mut dyn FnMut()) -> usize {
    let info = allocation_counter::measure(run);
    usize::try_from(info.bytes_max).unwrap()
}

/// What a client scenario is about.
#[derive(Clone)]
struct ClientCase {
    config: client::Config,
    limits: client::Limits,
    start: fn(&mut ClientScenario, &mut client::Session),
    script: Vec<Step>,
}

struct ClientScenario {
    case: ClientCase,
    commands: Vec<client::CommandId>,
    ended: Vec<client::CommandId>,
    challenge: Option<client::CommandId>,
}

impl ClientScenario {
    fn new(case: &ClientCase) -> Self {
        Self {
            case: case.clone(),
            commands: Vec::new(),
            ended: Vec::new(),
            challenge: None,
        }
    }

    fn run(&mut self, command: Result<client::CommandId, proto_mail::pop3::UsageError>) {
        if let Ok(id) = command {
            self.commands.push(id);
        }
    }
}

impl StreamScenario for ClientScenario {
    type Machine = client::Session;

    fn machine(&self, now: Duration) -> client::Session {
        client::Session::new(now, self.case.config.clone(), self.case.limits.clone())
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
            client::Event::BodyChunk { id, data } => return log.chunk(format!("{id:?}"), data),
            client::Event::Done { id, reply } => {
                self.ended.push(*id);
                // The first command of the TLS scenario is STLS.
                if reply.as_bytes() == b"+OK begin TLS" {
                    let login = machine.login("bob", "hungry");
                    self.run(login);
                    let stat = machine.stat();
                    self.run(stat);
                    let quit = machine.quit();
                    self.run(quit);
                }
            }
            client::Event::Failed { id } => self.ended.push(*id),
            client::Event::Challenge { id, .. } => self.challenge = Some(*id),
            _ => {}
        }
        log.event(&event);
    }

    fn answer(&mut self, machine: &mut client::Session, _: Duration) -> bool {
        match self.challenge.take() {
            Some(id) => machine.auth_respond(id, b"response").is_ok(),
            None => false,
        }
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

fn fetching() -> ClientCase {
    ClientCase {
        config: plaintext_client(),
        limits: client::Limits::default(),
        start: |scenario, machine| {
            let commands = [
                machine.capa(),
                machine.login("bob", "hungry"),
                machine.stat(),
                machine.list(None),
                machine.list(Some(2)),
                machine.uidl(None),
                machine.uidl(Some(1)),
                machine.retr(1),
                machine.top(2, 0),
                machine.retr(9),
                machine.dele(1),
                machine.lang(None),
                machine.rset(),
                machine.quit(),
            ];
            for command in commands {
                scenario.run(command);
            }
        },
        script: [
            ("", "+OK POP3 server ready\r\n"),
            ("CAPA\r\n", "+OK\r\nTOP\r\nSASL PLAIN\r\n.\r\n"),
            ("USER bob\r\n", "+OK\r\n"),
            ("PASS hungry\r\n", "+OK\r\n"),
            ("STAT\r\n", "+OK 2 1410\r\n"),
            ("LIST\r\n", "+OK\r\n1 498\r\n2 912\r\n.\r\n"),
            ("LIST 2\r\n", "+OK 2 912\r\n"),
            ("UIDL\r\n", "+OK\r\n1 a\r\n2 b\r\n.\r\n"),
            ("UIDL 1\r\n", "+OK 1 a\r\n"),
            (
                "RETR 1\r\n",
                "+OK\r\nA: 1\r\n\r\n..\r\n...x\r\n\r.\n\r\n.\r\n",
            ),
            ("TOP 2 0\r\n", "+OK\r\n.\r\n"),
            ("RETR 9\r\n", "-ERR no\r\n"),
            ("DELE 1\r\n", "+OK\r\n"),
            ("LANG\r\n", "+OK\r\nen English\r\n.\r\n"),
            ("RSET\r\n", "+OK\r\n"),
            ("QUIT\r\n", "+OK bye\r\n"),
        ]
        .into_iter()
        .flat_map(|(command, reply)| [Step::wait_for(command), Step::feed(reply)])
        .chain([Step::Eof])
        .collect(),
    }
}

/// Everything after CAPA goes out at once.
fn pipelining() -> ClientCase {
    ClientCase {
        start: |scenario, machine| {
            let commands = [
                machine.capa(),
                machine.stat(),
                machine.retr(1),
                machine.dele(1),
                machine.noop(),
                machine.quit(),
            ];
            for command in commands {
                scenario.run(command);
            }
        },
        script: vec![
            Step::feed("+OK\r\n"),
            Step::wait_for("CAPA\r\n"),
            Step::feed("+OK\r\nPIPELINING\r\n.\r\n"),
            Step::wait_for("STAT\r\nRETR 1\r\nDELE 1\r\nNOOP\r\n"),
            Step::feed("+OK 1 9\r\n+OK\r\nhi\r\n.\r\n-ERR\r\n+OK\r\n"),
            Step::wait_for("QUIT\r\n"),
            Step::feed("-ERR some deleted messages not removed\r\n"),
            Step::Eof,
        ],
        ..fetching()
    }
}

fn upgrading() -> ClientCase {
    ClientCase {
        config: client::Config::default(),
        start: |scenario, machine| {
            let capa = machine.capa();
            scenario.run(capa);
            let stls = machine.stls();
            scenario.run(stls);
        },
        script: vec![
            Step::feed("+OK ready\r\n"),
            Step::wait_for("CAPA\r\n"),
            Step::feed("+OK\r\nSTLS\r\nPIPELINING\r\n.\r\n"),
            Step::wait_for("STLS\r\n"),
            Step::feed("+OK begin TLS\r\n"),
            Step::Upgrade,
            Step::wait_for("USER bob\r\n"),
            Step::feed("+OK\r\n"),
            Step::wait_for("PASS hungry\r\n"),
            Step::feed("+OK\r\n"),
            Step::wait_for("STAT\r\n"),
            Step::feed("+OK 0 0\r\n"),
            Step::wait_for("QUIT\r\n"),
            Step::feed("+OK\r\n"),
            Step::Eof,
        ],
        ..fetching()
    }
}

fn authenticating() -> ClientCase {
    ClientCase {
        start: |scenario, machine| {
            let mechanism = "X-TWO".parse().unwrap();
            let auth = machine.auth(mechanism, None);
            scenario.run(auth);
            let plain = machine.auth_plain("bob", "hungry");
            scenario.run(plain);
        },
        script: vec![
            Step::feed("+OK\r\n"),
            Step::wait_for("AUTH X-TWO\r\n"),
            Step::feed("+ \r\n"),
            Step::wait_for("cmVzcG9uc2U=\r\n"),
            Step::feed("+ Zm9v\r\n"),
            Step::wait_for("cmVzcG9uc2U=\r\n"),
            Step::feed("-ERR\r\n"),
            Step::wait_for("AUTH PLAIN AGJvYgBodW5ncnk=\r\n"),
            Step::feed("+OK\r\n"),
            Step::Eof,
        ],
        ..fetching()
    }
}

fn client_kit(case: &ClientCase) -> StreamKit<impl Fn() -> ClientScenario + use<>> {
    let case = case.clone();
    StreamKit::new(move || ClientScenario::new(&case))
}

netio::kit_rules! {
    [fetching(), pipelining(), upgrading(), authenticating()].iter().map(client_kit);
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
    case.script = vec![
        Step::feed("+OK\r\n"),
        Step::wait_for("CAPA\r\n"),
        Step::feed("+OK\r\nPIPELINING\r\n.\r\n"),
        Step::wait_for("NOOP\r\n"),
        Step::feed("+OK 1 9\r\nnonsense\r\n+OK\r\n"),
    ];
    let good = "+OK\r\n+OK\r\nPIPELINING\r\n.\r\n+OK 1 9\r\n".len();
    client_kit(&case).r5_errors(good, b"");
}

#[test]
fn r8_client_refuses_what_follows_the_reply_to_stls() {
    client_kit(&upgrading()).r8_upgrade(b"+OK injected\r\n");
}

#[test]
fn r13_client_survives_truncation_and_flipped_bits_within_64_kib() {
    for case in [fetching(), pipelining(), upgrading(), authenticating()] {
        client_kit(&case).mutations(heap, 64 * 1024);
    }
}

/// A client that asks for everything at once, and a server that answers.
#[test]
fn r4_a_client_that_pipelines_and_a_server_that_sends_bodies_do_not_block_each_other() {
    let mut case = pipelining();
    case.start = |scenario, machine| {
        let capa = machine.capa();
        scenario.run(capa);
        let login = machine.login("bob", "hungry");
        scenario.run(login);
        let capa = machine.capa();
        scenario.run(capa);
        for _ in 0..50 {
            for message in [1, 2] {
                let retr = machine.retr(message);
                scenario.run(retr);
                let list = machine.list(None);
                scenario.run(list);
            }
        }
        let quit = machine.quit();
        scenario.run(quit);
    };
    let mut server = tight();
    server.left = 2;
    r4_flood(
        || ClientScenario::new(&case),
        || ServerScenario::new(&server),
        &[1, 7, 100, 4096],
    );
}

/// What one machine sends the other one reads: the texts as they were filed, line ends made CRLF.
#[test]
fn both_machines_together_carry_the_messages_as_they_were_filed() {
    let mut server = common::Server::plaintext();
    let mut client = common::Client::new(plaintext_client(), client::Limits::default());
    client.session.login("bob", "hungry").unwrap();
    let (first, second) = (
        client.session.retr(1).unwrap(),
        client.session.retr(2).unwrap(),
    );
    client.session.quit().unwrap();
    let mut texts = [Vec::new(), Vec::new()];
    loop {
        let sent = client.sent();
        let heard = server.say(sent.replace("[Shutdown]", ""));
        let events = client.hear(heard.replace("[Shutdown]", ""));
        let is_idle = sent.is_empty() && heard.is_empty() && events.is_empty();
        for event in events {
            if let client::Event::BodyChunk { id, data } = event {
                let index = [first, second].iter().position(|&body| body == id);
                texts[index.unwrap()].extend_from_slice(&data);
            }
        }
        if is_idle {
            break;
        }
    }
    assert_eq!(String::from_utf8(texts[0].clone()).unwrap(), FIRST);
    let normal = format!("{}\r\n", SECOND.replace('\n', "\r\n"));
    assert_eq!(String::from_utf8(texts[1].clone()).unwrap(), normal);
    assert_eq!((client.error, server.error), (None, None));
}
