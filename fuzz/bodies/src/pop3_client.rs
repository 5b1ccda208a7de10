//! The POP3 client session, driven by a script: hostile servers, and an embedder that wants
//! everything at any time.

use crate::cuts::Take;
use crate::script::{self, StreamApp};
use bytes::Bytes;
use core::time::Duration;
use proto_mail::pop3::UsageError;
use proto_mail::pop3::client::{CommandId, Config, Error, Event, Limits, Session};
use proto_mail::sasl::Mechanism;

/// What no `Debug` may show.
const PASSWORD: &str = "hungry";

const PHRASES: [&str; 32] = [
    "+OK ready <1896.697170952@dbc.mtview.ca.us>\r\n",
    "+OK ready\r\n",
    "-ERR go away\r\n",
    "+OK\r\n",
    "+OK\r\n+OK\r\n",
    "-ERR\r\n",
    "-ERR [AUTH] no\r\n",
    "-ERR [IN-USE] locked\r\n",
    "+ \r\n",
    "+ d2hvPw==\r\n",
    "+\r\n",
    "+OK 2 320\r\n",
    "+OK 1 120\r\n",
    "+OK 1 whqtswO00WBw418f9t5JxYwZ\r\n",
    "+OK\r\n1 120\r\n2 200\r\n.\r\n",
    "+OK\r\n1 id1\r\n2 id2\r\n.\r\n",
    "+OK\r\nen English\r\n.\r\n",
    "+OK\r\nTOP\r\nUSER\r\nPIPELINING\r\nSASL PLAIN\r\nSTLS\r\n.\r\n",
    "+OK\r\n.\r\n",
    "+OK 120 octets\r\nSubject: a\r\n\r\n..dot\r\nbody\r\n.\r\n",
    "+OK\r\nhalf a mess",
    "age\r\n",
    ".",
    ".\r\n",
    "\r\n.\r\n",
    "1 120\r\n",
    "3 id3\r\n",
    "x",
    "* nonsense\r\n",
    "+OK \0\r\n",
    "+OK a\nb\r\n",
    "\r\n",
];

/// A client session.
pub fn pop3_client_script(data: &[u8]) {
    let mut script = Take::new(data);
    let (steer, bounds) = (script.u8(), script.u8());
    let mut config = Config::default();
    config.require_tls = steer & 1 != 0;
    config.allow_apop = steer & 2 == 0;
    config.implicit_tls = steer & 4 != 0;
    config.pipelining = steer & 8 == 0;
    let mut limits = Limits::default();
    limits.max_reply_line = 64 + usize::from(bounds % 4) * 300;
    limits.max_listing_items = u32::from(bounds >> 2 & 7);
    limits.max_capability_octets = 16 << (bounds >> 5 & 3);
    limits.max_queued_commands = 2 + usize::from(steer >> 4);
    limits.max_pipelined = 1 + usize::from(steer >> 6);
    if bounds & 0x80 != 0 {
        limits.max_body_octets = Some(30);
    }
    let machine = Session::new(Duration::from_secs(1), config, limits);
    script::run_stream(Client::default(), machine, &mut script);
}

#[derive(Default)]
struct Client {
    /// Commands without a final event, in the order in which they were given.
    open: Vec<CommandId>,
    newest: Option<CommandId>,
    challenge: Option<CommandId>,
    greeted: bool,
    peer_closed: bool,
    ended: bool,
}

impl Client {
    /// The front command ends; or has something to say.
    fn front(&mut self, id: CommandId, is_last: bool) {
        assert!(!self.peer_closed, "{id:?} after the end");
        assert_eq!(self.open.first(), Some(&id), "commands end in order");
        if is_last {
            self.open.remove(0);
            if self.challenge == Some(id) {
                self.challenge = None;
            }
        }
    }

    fn queue(&mut self, machine: &mut Session, input: &mut Take<'_>) {
        let (kind, detail) = (input.u8(), input.u8());
        let number = u32::from(detail % 8);
        let some = (detail & 8 == 0).then_some(number);
        let queued = match kind % 20 {
            0 => machine.capa(),
            1 => machine.stls(),
            2 => machine.login("bob", PASSWORD),
            3 => machine.login("a\r\nSMUGGLED", PASSWORD),
            4 => machine.apop("bob", PASSWORD),
            5 => machine.auth(Mechanism::PLAIN, None),
            6 => machine.auth_plain("bob", PASSWORD),
            7 => machine.auth(Mechanism::PLAIN, Some(vec![detail; 300].into())),
            8 => machine.stat(),
            9 => machine.list(some),
            10 => machine.uidl(some),
            11 | 12 => machine.retr(number),
            13 => machine.top(number, detail.into()),
            14 => machine.dele(number),
            15 => machine.noop(),
            16 => machine.rset(),
            17 => machine.utf8(),
            18 => machine.lang((detail & 1 == 0).then_some("en")),
            _ if detail < 32 => machine.quit(),
            _ => return self.respond(machine, detail),
        };
        match queued {
            Ok(id) => {
                assert!(self.newest < Some(id), "names ascend");
                assert!(!self.ended, "{id:?} was taken after the end");
                self.newest = Some(id);
                self.open.push(id);
            }
            Err(error) => {
                assert!(!error.to_string().is_empty());
                if error == UsageError::StaleCommand {
                    panic!("{error} for a new command");
                }
            }
        }
    }

    fn respond(&mut self, machine: &mut Session, detail: u8) {
        let Some(id) = self.challenge.take() else {
            return;
        };
        let result = match detail % 3 {
            0 => machine.auth_cancel(id),
            1 => machine.auth_respond(id, PASSWORD.as_bytes()),
            _ => machine.auth_respond(id, b""),
        };
        assert!(result.is_ok() || self.ended || machine.is_closed() || !machine.wants_read());
    }
}

impl StreamApp for Client {
    type Machine = Session;
    const SECRET: &'static str = PASSWORD;

    fn event(&mut self, machine: &mut Session, _: Duration, event: Event, input: &mut Take<'_>) {
        match event {
            Event::Greeting { .. } => {
                assert!(!self.greeted && !self.peer_closed);
                self.greeted = true;
            }
            Event::Done { id, reply } => {
                assert!(self.greeted && !reply.as_bytes().is_empty());
                self.front(id, true);
            }
            Event::Failed { id } => self.front(id, true),
            Event::Challenge { id, .. } => {
                self.front(id, false);
                self.challenge = Some(id);
            }
            Event::BodyChunk { id, data } => {
                assert!(!data.is_empty());
                self.front(id, false);
            }
            Event::Capabilities { id, .. }
            | Event::Stat { id, .. }
            | Event::ListItem { id, .. }
            | Event::UniqueIdItem { id, .. }
            | Event::Language { id, .. } => self.front(id, false),
            Event::PeerClosed => {
                assert!(!self.peer_closed && self.open.is_empty());
                self.peer_closed = true;
                self.ended = true;
            }
            event => panic!("unknown {event:?}"),
        }
        if input.bool() {
            self.queue(machine, input);
        }
    }

    fn command(&mut self, machine: &mut Session, _: Duration, input: &mut Take<'_>) {
        self.queue(machine, input);
    }

    fn phrase(&mut self, input: &mut Take<'_>) -> Vec<u8> {
        PHRASES[usize::from(input.u8()) % PHRASES.len()].into()
    }

    fn sent(&mut self, data: &Bytes) {
        assert!(!data.windows(8).any(|window| window == b"SMUGGLED"));
    }

    fn failed(&mut self, _: &Error) {
        assert!(!self.peer_closed, "an error after the end");
        assert!(self.open.is_empty(), "{:?} have no last event", self.open);
        self.ended = true;
    }

    fn settle(&mut self, machine: &mut Session, _: Duration) {
        if let Some(id) = self.challenge.take() {
            let _ = machine.auth_cancel(id);
        }
    }

    fn check(&self, machine: &Session) {
        assert!(machine.open_commands() <= machine.limits().max_queued_commands);
        assert!(self.open.len() <= machine.limits().max_queued_commands + 1);
    }

    fn finish(self, machine: &Session) {
        assert!(self.open.is_empty(), "{:?} have no last event", self.open);
        assert_eq!(machine.open_commands(), 0);
    }

    fn most_pending(&self, machine: &Session) -> usize {
        machine
            .limits()
            .max_auth_line
            .max(machine.limits().max_reply_line)
    }
}
