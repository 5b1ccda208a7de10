//! The rules of the convention for the machines of SMTP and LMTP, by the kit that all crates share.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use bytes::Bytes;
use core::time::Duration;
use netio::sim::kit::{Log, Step, StreamKit, StreamScenario};
use proto_mail::smtp::wire::{Mailbox, Reply};
use proto_mail::smtp::{Protocol, client, server};
use std::collections::{BTreeSet, VecDeque};

#[derive(Clone)]
struct ServerCase {
    config: server::Config,
    limits: server::Limits,
    script: Vec<Step>,
    /// Messages that are complete in the end.
    messages: usize,
}

struct ServerScenario {
    case: ServerCase,
    open: VecDeque<server::Event>,
    messages: usize,
    /// A sender was accepted, and neither the end nor an abort has come.
    is_open: bool,
    fault: Option<&'static str>,
}

impl ServerScenario {
    fn new(case: &ServerCase) -> Self {
        Self {
            case: case.clone(),
            open: VecDeque::new(),
            messages: 0,
            is_open: false,
            fault: None,
        }
    }
}

impl StreamScenario for ServerScenario {
    type Machine = server::Session;

    fn machine(&self, now: Duration) -> server::Session {
        server::Session::new(now, self.case.config.clone(), self.case.limits.clone())
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
            server::Event::BodyChunk(data) => {
                if !self.is_open {
                    self.fault = Some("a chunk outside of a message");
                }
                log.chunk("body", data);
                return;
            }
            server::Event::Aborted { .. } | server::Event::MessageEnd { .. } => {
                if !core::mem::take(&mut self.is_open) {
                    self.fault = Some("the end of no message");
                }
                log.event(&event);
            }
            event => log.event(event),
        }
        self.open.push_back(event);
    }

    fn answer(&mut self, machine: &mut server::Session, _: Duration) -> bool {
        let Some(event) = self.open.pop_front() else {
            return false;
        };
        let result = match event {
            server::Event::Mail { ask, .. } => {
                let result = machine.accept(ask);
                self.is_open |= result.is_ok();
                result
            }
            server::Event::Rcpt { ask, to, .. } => match to.local_part() {
                b"nobody" => machine.reject(ask, &Reply::no_such_mailbox()),
                _ => machine.accept(ask),
            },
            server::Event::MessageEnd { ask, .. } => {
                self.messages += 1;
                machine.answer_each(ask, &[Reply::ok("one"), Reply::try_later()])
            }
            server::Event::Auth {
                ask, initial: None, ..
            } => machine.challenge(ask, b"who?"),
            server::Event::Auth { ask, .. } => machine.reject(ask, &Reply::authentication_failed()),
            server::Event::AuthResponse { ask, .. } => machine.accept(ask),
            _ => Ok(()),
        };
        result.is_ok()
    }

    fn is_peer_closed(&self, event: &server::Event) -> bool {
        matches!(event, server::Event::PeerClosed)
    }

    fn completed(&self) -> Result<(), String> {
        match self.messages == self.case.messages {
            true => Ok(()),
            false => Err(format!("{} messages", self.messages)),
        }
    }

    fn invariant(&self) -> Result<(), String> {
        self.fault.map_or(Ok(()), |fault| Err(fault.to_owned()))
    }
}

fn case(config: server::Config, script: Vec<Step>, messages: usize) -> ServerCase {
    ServerCase {
        config,
        limits: server::Limits::default(),
        script,
        messages,
    }
}

/// Messages by DATA and BDAT.
fn clean() -> ServerCase {
    let script = "EHLO a\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n..x\r\n.\r\n\
        MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nBDAT 3\r\nab\rBDAT 2 LAST\r\n\nzMAIL FROM:<a@b>\r\n\
        RCPT TO:<c@d>\r\nRSET\r\nBDAT 2\r\nxxHELP\r\nQUIT\r\n";
    case(
        server::Config::default(),
        vec![Step::feed(script), Step::Eof],
        2,
    )
}

/// LMTP, and a queue of output that is full at once.
fn tight() -> ServerCase {
    let mut config = server::Config::default();
    config.protocol = Protocol::Lmtp;
    let script = "HELO a\r\nLHLO a\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c>\r\nRCPT TO:<c>\r\nRCPT TO:<e>\r\n\
        DATA\r\nhi\r\n.\r\nMAIL FROM:<a@b>\r\nDATA\r\n";
    let mut case = case(config, vec![Step::feed(script), Step::Eof], 1);
    case.limits.max_queued_output = 24;
    case.limits.max_message_octets = 100;
    case
}

/// STARTTLS forgets, AUTH in all its ways.
fn securing() -> ServerCase {
    case(
        server::Config::default(),
        vec![
            Step::feed("EHLO a\r\nMAIL FROM:<a@b>\r\nSTARTTLS\r\n"),
            Step::Upgrade,
            Step::feed(
                "DATA\r\nEHLO a\r\nAUTH PLAIN AAAA\r\nAUTH PLAIN\r\n*\r\nAUTH PLAIN\r\n!\r\n\
                 AUTH PLAIN\r\nAAAA\r\nAUTH PLAIN\r\nQUIT\r\n",
            ),
            Step::Eof,
        ],
        0,
    )
}

fn server_kit(case: &ServerCase) -> StreamKit<impl Fn() -> ServerScenario + use<>> {
    let case = case.clone();
    StreamKit::new(move || ServerScenario::new(&case))
}

netio::kit_rules! {
    [clean(), tight(), securing()].iter().map(server_kit);
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
fn r5_server_errors_come_once_and_last() {
    let wire = "EHLO a\r\nGET / HTTP/1.1\r\nMAIL FROM:<a@b>\r\n";
    let config = server::Config::default();
    let case = case(config, vec![Step::feed(wire), Step::Eof], 0);
    server_kit(&case).r5_errors(8, b"421 4.3.2 this is a mail server\r\n");
}

#[test]
fn r8_server_nothing_injected_survives_starttls() {
    server_kit(&securing()).r8_upgrade(b"MAIL FROM:<evil@x>\r\n");
}

struct ClientScenario {
    tls: bool,
    /// The server does not keep to the protocol.
    is_broken: bool,
    open: BTreeSet<client::CommandId>,
    body: Option<(client::CommandId, Bytes)>,
    fault: Option<&'static str>,
}

impl ClientScenario {
    fn new(tls: bool) -> Self {
        Self {
            tls,
            is_broken: false,
            open: BTreeSet::new(),
            body: None,
            fault: None,
        }
    }
}

const TEXT: &[u8] = b"Subject: x\n\n.dot\r\nbare\rend";

impl StreamScenario for ClientScenario {
    type Machine = client::Session;

    fn machine(&self, now: Duration) -> client::Session {
        let mut config = client::Config::default();
        config.allow_plaintext_auth = true;
        client::Session::new(now, config, client::Limits::default())
    }

    fn start(&mut self, machine: &mut client::Session, _: Duration) {
        let from: Mailbox = "a@b".parse().unwrap();
        let envelope = client::Envelope::new(from)
            .to("c@d".parse().unwrap())
            .to("nobody@d".parse().unwrap());
        self.open
            .insert(machine.auth_plain("bob", "hungry").unwrap());
        self.open.insert(machine.send(envelope).unwrap());
        self.open.insert(machine.quit().unwrap());
    }

    fn script(&self) -> Vec<Step> {
        if self.is_broken {
            return vec![Step::feed("220 x\r\nwhat?\r\n250 x\r\n"), Step::Eof];
        }
        let mut script = vec![
            Step::feed("220 x\r\n"),
            Step::Await(b"EHLO localhost\r\n".to_vec().into()),
        ];
        if self.tls {
            script.extend([
                Step::feed("250-x\r\n250 STARTTLS\r\n"),
                Step::Await(b"STARTTLS\r\n".to_vec().into()),
                Step::feed("220 go\r\n"),
                Step::Upgrade,
                Step::Await(b"EHLO localhost\r\n".to_vec().into()),
            ]);
        }
        script.extend([
            Step::feed("250-x\r\n250-PIPELINING\r\n250 AUTH PLAIN\r\n"),
            Step::Await(b"AGJvYgBodW5ncnk=\r\n".to_vec().into()),
            Step::feed("235 2.7.0 ok\r\n"),
            Step::Await(b"DATA\r\n".to_vec().into()),
            Step::feed("250 ok\r\n250 ok\r\n550 5.1.1 no\r\n354 go\r\n"),
            Step::Await(b"\r\n.\r\n".to_vec().into()),
            Step::feed("250-2.0.0 a\r\n250 2.0.0 b\r\n"),
            Step::Await(b"QUIT\r\n".to_vec().into()),
            Step::feed("221 bye\r\n"),
            Step::Eof,
        ]);
        script
    }

    fn on_event(
        &mut self,
        _: &mut client::Session,
        _: Duration,
        event: client::Event,
        log: &mut Log,
    ) {
        match &event {
            client::Event::Writable { id } => {
                if self.body.is_none() {
                    self.body = Some((*id, Bytes::from_static(TEXT)));
                }
                return;
            }
            client::Event::Done { id, .. } | client::Event::Failed { id, .. } => {
                let is_first = self.open.remove(id);
                self.fault = self.fault.or((!is_first).then_some("a second final event"));
            }
            _ => {}
        }
        log.event(&event);
    }

    fn answer(&mut self, machine: &mut client::Session, _: Duration) -> bool {
        match self.body.take() {
            Some((id, mut data)) => machine.send_data(id, &mut data, true).is_ok(),
            None => false,
        }
    }

    fn is_peer_closed(&self, event: &client::Event) -> bool {
        matches!(event, client::Event::PeerClosed)
    }

    fn is_failure(&self, event: &client::Event) -> bool {
        matches!(event, client::Event::Failed { .. })
    }

    fn completed(&self) -> Result<(), String> {
        match self.open.is_empty() {
            true => Ok(()),
            false => Err("commands without an end".into()),
        }
    }

    fn invariant(&self) -> Result<(), String> {
        self.fault.map_or(Ok(()), |fault| Err(fault.to_owned()))
    }
}

fn client_kit(tls: &bool) -> StreamKit<impl Fn() -> ClientScenario + use<>> {
    let tls = *tls;
    StreamKit::new(move || ClientScenario::new(tls))
}

netio::kit_rules! {
    [false, true].iter().map(client_kit);
    r1_client_any_order_of_calls_gives_the_same => r1_any_order,
    r2_client_time_never_runs_backwards => r2_time,
    r3_client_deadlines_progress => r3_timers,
    r4_client_reads_when_reading_helps => r4_reading,
    r6_client_end_of_input_is_an_event_or_an_error => r6_eof,
    r6_client_disconnect_at_every_position => r6_disconnect,
    r7_client_output_keeps_to_its_budget => r7_budget,
    r12_client_nonsense_is_bounded => nonsense,
    r13_client_any_split_gives_the_same => r13_any_split,
}

#[test]
fn r8_client_nothing_injected_survives_starttls() {
    client_kit(&true).r8_upgrade(b"250 injected\r\n");
}

/// A client with many messages for many recipients, all queued at once; the server has little room
/// for its answers.
struct FloodClient(ClientScenario);

const FLOOD: usize = 20;

impl StreamScenario for FloodClient {
    type Machine = client::Session;

    fn machine(&self, now: Duration) -> client::Session {
        let mut config = client::Config::default();
        config.starttls = client::StartTls::Off;
        let mut limits = client::Limits::default();
        limits.max_queued_output = 256;
        client::Session::new(now, config, limits)
    }

    fn start(&mut self, machine: &mut client::Session, _: Duration) {
        for _ in 0..FLOOD {
            let from: Mailbox = "a@b".parse().unwrap();
            let mut envelope = client::Envelope::new(from);
            for _ in 0..50 {
                envelope = envelope.to("c@d".parse().unwrap());
            }
            self.0.open.insert(machine.send(envelope).unwrap());
        }
        self.0.open.insert(machine.quit().unwrap());
    }

    fn script(&self) -> Vec<Step> {
        Vec::new()
    }

    fn on_event(
        &mut self,
        machine: &mut client::Session,
        now: Duration,
        event: client::Event,
        log: &mut Log,
    ) {
        self.0.on_event(machine, now, event, log);
    }

    fn answer(&mut self, machine: &mut client::Session, now: Duration) -> bool {
        self.0.answer(machine, now)
    }

    fn is_peer_closed(&self, event: &client::Event) -> bool {
        self.0.is_peer_closed(event)
    }

    fn completed(&self) -> Result<(), String> {
        self.0.completed()
    }

    fn invariant(&self) -> Result<(), String> {
        self.0.invariant()
    }
}

#[test]
fn r4_two_flooding_sides_come_to_their_end() {
    let server = || {
        let mut case = case(server::Config::default(), Vec::new(), FLOOD);
        case.config.starttls = false;
        case.limits.max_queued_output = 64;
        ServerScenario::new(&case)
    };
    let client = || FloodClient(ClientScenario::new(false));
    netio::sim::kit::r4_flood(client, server, &[1, 100, 4096]);
}

#[test]
fn r5_client_errors_come_once_and_last() {
    let broken = || ClientScenario {
        is_broken: true,
        ..ClientScenario::new(false)
    };
    StreamKit::new(broken).r5_errors(7, b"");
}
