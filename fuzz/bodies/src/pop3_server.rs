//! The POP3 server session, driven by a script: hostile clients, and an embedder that answers
//! whenever and whatever the script says.

use crate::cuts::Take;
use crate::script::{self, StreamApp};
use bytes::Bytes;
use core::time::Duration;
use proto_mail::line::LineEnd;
use proto_mail::pop3::server::{
    AuthAsk, BodyId, CommitAsk, Config, Error, Event, Fault, Limits, LoginAsk, RetrieveAsk, Session,
};
use proto_mail::pop3::wire::{Reply, ResponseCode};
use proto_mail::pop3::{Maildrop, UsageError};
use std::collections::VecDeque;

const PHRASES: [&str; 32] = [
    "USER bob\r\n",
    "PASS hungry\r\n",
    "USER bob\r\nPASS hungry\r\n",
    "APOP bob c4c9334bac560ecc979e58001b3e22fb\r\n",
    "AUTH PLAIN\r\n",
    "AUTH PLAIN AGJvYgBodW5ncnk=\r\n",
    "AUTH PLAIN =\r\n",
    "AGJvYgBodW5ncnk=\r\n",
    "*\r\n",
    "AUTH\r\n",
    "STLS\r\n",
    "STLS\r\nUSER bob\r\n",
    "CAPA\r\n",
    "STAT\r\n",
    "LIST\r\n",
    "LIST 2\r\n",
    "UIDL\r\n",
    "UIDL 1\r\n",
    "RETR 1\r\n",
    "RETR 2\r\nRETR 3\r\n",
    "TOP 1 1\r\n",
    "TOP 2 0\r\nNOOP\r\n",
    "DELE 1\r\n",
    "DELE 3\r\nSTAT\r\n",
    "RSET\r\n",
    "NOOP\r\n",
    "UTF8\r\n",
    "LANG en\r\n",
    "LANG\r\n",
    "QUIT\r\n",
    "XYZZY\r\n",
    "\r\n",
];

const BODIES: [&[u8]; 4] = [
    b"Subject: a\r\n\r\nbody\r\n.\r\n..two\r\nbare\nlf\r\n",
    b"",
    b".",
    &[b'.'; 5000],
];

/// A server session.
pub fn pop3_server_script(data: &[u8]) {
    let mut script = Take::new(data);
    let (steer, bounds) = (script.u8(), script.u8());
    let mut config = Config::default();
    config.allow_plaintext_auth = steer & 1 == 0;
    config.apop = steer & 2 == 0;
    config.utf8 = steer & 4 == 0;
    config.implicit_tls = steer & 8 != 0;
    config.stls = steer & 16 == 0;
    if steer & 32 != 0 {
        config.line_end = LineEnd::CrLfOrLf;
    }
    let mut limits = Limits::default();
    limits.max_queued_output = 64 << (bounds % 8);
    limits.max_auth_failures = 1 + u32::from(bounds >> 3 & 3);
    limits.max_bad_commands = 2 + u32::from(bounds >> 5 & 1) * 30;
    if bounds & 0x40 != 0 {
        limits.answer_deadline = Some(Duration::from_secs(3));
    }
    let app = Server {
        in_plaintext: config.allow_plaintext_auth || config.apop,
        ..Server::default()
    };
    let machine = Session::new(Duration::from_secs(1), config, limits, [steer; 32]);
    script::run_stream(app, machine, &mut script);
}

#[derive(Debug)]
enum Question {
    Login(LoginAsk),
    Auth(AuthAsk),
    Retrieve(RetrieveAsk),
    Commit(CommitAsk),
}

#[derive(Debug)]
struct Sending {
    body: BodyId,
    rest: VecDeque<Bytes>,
    blocked: bool,
}

#[derive(Default)]
struct Server {
    /// Logins may come without TLS.
    in_plaintext: bool,
    open: Option<Question>,
    sending: Option<Sending>,
    accepted: bool,
    committed: bool,
    peer_closed: bool,
    bodies: u64,
}

impl Server {
    fn ask(&mut self, machine: &Session, question: Question) {
        assert!(self.open.is_none(), "{question:?} beside {:?}", self.open);
        assert!(self.sending.is_none(), "{question:?} while a body is sent");
        assert!(
            !self.committed && !self.peer_closed,
            "{question:?} too late"
        );
        match &question {
            Question::Login(_) | Question::Auth(_) => {
                assert!(!self.accepted, "{question:?}");
                let may_ask = self.in_plaintext || machine.tls().is_some();
                assert!(may_ask, "{question:?} in plaintext");
            }
            Question::Retrieve(_) | Question::Commit(_) => assert!(self.accepted, "{question:?}"),
        }
        self.open = Some(question);
    }

    fn answer(&mut self, machine: &mut Session, input: &mut Take<'_>) {
        let choice = input.u8();
        let Some(question) = self.open.take() else {
            return self.send(machine, choice);
        };
        let reply = match choice / 16 {
            0..=7 => Reply::authentication_failed(),
            8..=11 => Reply::in_use(),
            _ => Reply::err_with(ResponseCode::SysTemp, "later\r\n+OK"),
        };
        let settled = match (question, choice % 4) {
            (Question::Login(ask), 0) => machine.reject(ask, reply),
            (Question::Auth(ask), 0) => machine.reject(ask, reply),
            (Question::Retrieve(ask), 0) => machine.reject(ask, reply),
            (Question::Commit(ask), 0) => machine.reject(ask, reply),
            (Question::Login(ask), _) => self.accept(machine, ask),
            (Question::Auth(ask), 1) => machine.challenge(ask, b"who?"),
            (Question::Auth(ask), _) => self.accept(machine, ask),
            (Question::Retrieve(ask), _) => machine.accept_stream(ask).map(|body| {
                let text = BODIES[usize::from(choice / 16 % 4)];
                let size = usize::from(choice % 4) * 1700 + 1;
                self.sending = Some(Sending {
                    body,
                    rest: text.chunks(size).map(Bytes::from_static).collect(),
                    blocked: false,
                });
            }),
            (Question::Commit(ask), _) => machine.accept_commit(ask),
        };
        // The session may be over meanwhile; then the question is stale, and nothing else.
        assert!(matches!(settled, Ok(()) | Err(UsageError::StaleAsk)));
    }

    fn accept(
        &mut self,
        machine: &mut Session,
        ask: impl Into<LoginAsk>,
    ) -> Result<(), UsageError> {
        let mut maildrop = Maildrop::new();
        for number in 1..=3_u64 {
            let text = format!("id{number}");
            maildrop.push(number * 100, text).expect("a unique-id");
        }
        machine.accept(ask, maildrop)?;
        self.accepted = true;
        Ok(())
    }

    /// Gives the next parts of the body; what is not taken at once is given again.
    fn send(&mut self, machine: &mut Session, choice: u8) {
        let Some(sending) = &mut self.sending else {
            return;
        };
        if choice == 0xff {
            match machine.abort_stream(sending.body) {
                Ok(()) | Err(UsageError::StaleBody) => {}
                Err(error) => panic!("{error}"),
            }
            return;
        }
        for _ in 0..=choice % 4 {
            let mut part = sending.rest.pop_front().unwrap_or_default();
            let end = sending.rest.is_empty();
            let before = part.clone();
            match machine.send_data(sending.body, &mut part, end) {
                Ok(()) => assert!(before.ends_with(&part), "a prefix is taken"),
                Err(UsageError::StaleBody) => return,
                Err(error) => panic!("{error}"),
            }
            if !part.is_empty() {
                sending.blocked = true;
                sending.rest.push_front(part);
            }
            if end {
                return;
            }
        }
    }
}

impl StreamApp for Server {
    type Machine = Session;

    fn event(&mut self, machine: &mut Session, _: Duration, event: Event, input: &mut Take<'_>) {
        match event {
            Event::Login { ask, password, .. } => {
                assert_eq!(format!("{password:?}"), "Secret(..)");
                self.ask(machine, Question::Login(ask));
            }
            Event::Apop { ask, .. } => self.ask(machine, Question::Login(ask)),
            Event::Auth { ask, .. } | Event::AuthResponse { ask, .. } => {
                self.ask(machine, Question::Auth(ask));
            }
            Event::Retrieve { ask, message, .. } => {
                assert!((1..=3).contains(&message));
                self.ask(machine, Question::Retrieve(ask));
            }
            Event::Commit { ask, deleted } => {
                assert!(deleted.iter().all(|message| (1..=3).contains(&message)));
                self.ask(machine, Question::Commit(ask));
                self.committed = true;
            }
            Event::Writable { body } => {
                let sending = self.sending.as_mut().expect("a body is open");
                assert_eq!(sending.body, body);
                assert!(core::mem::take(&mut sending.blocked), "nothing had stayed");
            }
            Event::BodyDone { body, complete } => {
                let sending = self.sending.take().expect("a body is open");
                assert_eq!(sending.body, body);
                self.bodies += u64::from(complete);
            }
            // Settled already if the answer came too late.
            Event::Fault(Fault::AnswerOverdue) => self.open = None,
            Event::Fault(_) | Event::AuthCancelled => {
                assert!(self.open.is_none() && self.sending.is_none());
            }
            Event::PeerClosed => {
                assert!(!self.peer_closed, "twice");
                self.peer_closed = true;
            }
            event => panic!("unknown {event:?}"),
        }
        if input.bool() {
            self.answer(machine, input);
        }
    }

    fn command(&mut self, machine: &mut Session, _: Duration, input: &mut Take<'_>) {
        self.answer(machine, input);
    }

    fn phrase(&mut self, input: &mut Take<'_>) -> Vec<u8> {
        PHRASES[usize::from(input.u8()) % PHRASES.len()].into()
    }

    fn failed(&mut self, _: &Error) {
        assert!(!self.peer_closed, "an error after the end");
    }

    fn settle(&mut self, machine: &mut Session, _: Duration) {
        if let Some(question) = self.open.take() {
            let reply = Reply::err("too late");
            let _ = match question {
                Question::Login(ask) => machine.reject(ask, reply),
                Question::Auth(ask) => machine.reject(ask, reply),
                Question::Retrieve(ask) => machine.reject(ask, reply),
                Question::Commit(ask) => machine.reject(ask, reply),
            };
        }
        if let Some(sending) = &self.sending {
            let _ = machine.abort_stream(sending.body);
        }
    }

    fn check(&self, machine: &Session) {
        assert!(machine.stats().bad_commands <= machine.limits().max_bad_commands);
        assert!(machine.stats().auth_failures <= machine.limits().max_auth_failures);
    }

    fn finish(self, machine: &Session) {
        assert!(self.sending.is_none(), "a body without its last event");
        assert_eq!(machine.stats().bodies, self.bodies);
    }

    fn most_pending(&self, machine: &Session) -> usize {
        let limits = machine.limits();
        limits.max_auth_line.max(limits.max_command_line * 4)
    }
}
