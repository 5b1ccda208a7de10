//! The SMTP and LMTP client session, driven by a script: hostile servers, and an embedder that gives
//! commands and parts of messages as the script says.

use crate::cuts::Take;
use crate::script::{self, StreamApp};
use bytes::Bytes;
use core::time::Duration;
use proto_mail::smtp::client::{
    CommandId, Config, Envelope, Error, Event, Limits, Session, StartTls,
};
use proto_mail::smtp::wire::{BodyType, Mailbox};
use proto_mail::smtp::{Protocol, UsageError};
use std::collections::VecDeque;

const PHRASES: [&str; 32] = [
    "220 x\r\n",
    "220 x ready\r\n250 x\r\n",
    "250 x\r\n",
    "250-x\r\n250-PIPELINING\r\n250-CHUNKING\r\n250-BINARYMIME\r\n250 SIZE 100\r\n",
    "250-x\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n",
    "250-x\r\n250 STARTTLS\r\n",
    "250-x\r\n250-AUTH PLAIN LOGIN\r\n250 PIPELINING\r\n",
    "250 ok\r\n",
    "250 ok\r\n250 ok\r\n",
    "250 ok\r\n250 ok\r\n354 go\r\n",
    "250 ok\r\n550 no\r\n354 go\r\n",
    "250 ok\r\n550 no\r\n554 no\r\n",
    "354 go\r\n",
    "250 2.0.0 taken\r\n",
    "451 4.3.0 later\r\n",
    "552 5.3.4 too large\r\n",
    "452 full\r\n250 taken\r\n",
    "221 bye\r\n",
    "421 shutting down\r\n",
    "334 \r\n",
    "334 d2hv\r\n",
    "334 !!\r\n",
    "235 in\r\n",
    "535 out\r\n",
    "500 what\r\n",
    "502 no EHLO\r\n",
    "554 go away\r\n",
    "220 go\r\n",
    "220 go\r\n250 injected\r\n",
    "250-a\r\n251 b\r\n",
    "99 what\r\n",
    "\r\n",
];

const PARTS: [&[u8]; 6] = [
    b"Subject: x\r\n\r\n.\r\n",
    b"bare\n.\nlines\r",
    b"\n",
    b".",
    b"",
    &[b'.'; 5000],
];

/// A client session.
pub fn smtp_client_script(data: &[u8]) {
    let mut script = Take::new(data);
    let (steer, bounds) = (script.u8(), script.u8());
    let mut config = Config::default();
    if steer & 1 != 0 {
        config.protocol = Protocol::Lmtp;
    }
    config.implicit_tls = steer & 2 != 0;
    config.starttls = match steer >> 2 & 3 {
        0 => StartTls::Off,
        1 => StartTls::Required,
        _ => StartTls::IfOffered,
    };
    config.allow_plaintext_auth = steer & 16 != 0;
    config.pipelining = steer & 32 == 0;
    config.prefer_chunking = steer & 64 != 0;
    let is_tls_required = config.starttls == StartTls::Required;
    let mut limits = Limits::default();
    limits.max_queued_output = 64 << (bounds % 8);
    limits.max_queued_commands = 1 + usize::from(bounds >> 3 & 7);
    let machine = Session::new(Duration::from_secs(1), config, limits);
    let app = Client {
        is_tls_required,
        ..Client::default()
    };
    script::run_stream(app, machine, &mut script);
}

#[derive(Default)]
struct Client {
    is_tls_required: bool,
    open: VecDeque<CommandId>,
    writable: Option<CommandId>,
    challenge: Option<CommandId>,
    /// What `send_data` left.
    rest: Bytes,
    is_ready: bool,
    failed: bool,
}

impl Client {
    fn send(&mut self, machine: &mut Session, choice: u8) {
        let Some(id) = self.writable else {
            return;
        };
        if choice == 0xff {
            let aborted = machine.abort(id);
            assert!(matches!(aborted, Ok(()) | Err(UsageError::StaleCommand)));
            self.writable = None;
            return;
        }
        if self.rest.is_empty() {
            self.rest = Bytes::from_static(PARTS[usize::from(choice) % PARTS.len()]);
        }
        let end = choice & 0x40 != 0;
        let before = self.rest.clone();
        match machine.send_data(id, &mut self.rest, end) {
            Ok(()) => {
                assert!(before.ends_with(&self.rest), "a prefix is taken");
                if !self.rest.is_empty() || end {
                    // Either it will say when there is room, or it is all there.
                    self.writable = None;
                }
            }
            Err(UsageError::StaleCommand) => self.writable = None,
            Err(error) => panic!("{error}"),
        }
    }
}

impl StreamApp for Client {
    type Machine = Session;
    const SECRET: &'static str = "hungry";

    fn event(&mut self, machine: &mut Session, _: Duration, event: Event, input: &mut Take<'_>) {
        match event {
            Event::Done { id, .. } | Event::Failed { id, .. } => {
                assert_eq!(self.open.pop_front(), Some(id), "commands end in order");
                if self.writable == Some(id) {
                    self.writable = None;
                }
                self.rest.clear();
                self.challenge = None;
            }
            Event::Writable { id } => {
                assert_eq!(self.open.front(), Some(&id), "the first one is sent");
                assert!(self.writable.is_none(), "twice");
                self.writable = Some(id);
            }
            Event::Recipient { id, index, .. } | Event::Delivery { id, index, .. } => {
                assert_eq!(self.open.front(), Some(&id));
                assert!(index < 3);
            }
            Event::Challenge { id, .. } => {
                assert_eq!(self.open.front(), Some(&id));
                self.challenge = Some(id);
            }
            Event::Ready => {
                assert!(!core::mem::replace(&mut self.is_ready, true), "twice");
                assert!(!self.is_tls_required || machine.tls().is_some());
            }
            _ => {}
        }
        if input.bool() {
            self.send(machine, input.u8());
        }
    }

    fn command(&mut self, machine: &mut Session, _: Duration, input: &mut Take<'_>) {
        let choice = input.u8();
        if let Some(id) = self.challenge {
            let answered = match choice % 3 {
                0 => machine.auth_respond(id, b"answer"),
                1 => machine.auth_cancel(id),
                _ => return,
            };
            assert!(matches!(answered, Ok(()) | Err(UsageError::StaleCommand)));
            self.challenge = None;
            return;
        }
        let given = match choice % 8 {
            0 => machine.noop(),
            1 => machine.vrfy("bob"),
            2 => machine.auth_plain("bob", "hungry"),
            3 if choice & 0x40 != 0 => machine.quit(),
            4..=6 => {
                let from: Mailbox = "a@b".parse().expect("an address");
                let mut envelope = Envelope::new(from);
                for to in &["c@d", "e@f", "g@h"][..1 + usize::from(choice >> 5 & 1)] {
                    envelope = envelope.to(to.parse().expect("an address"));
                }
                if choice & 8 != 0 {
                    envelope.params.body = Some(BodyType::BinaryMime);
                }
                machine.send(envelope)
            }
            _ => return self.send(machine, input.u8()),
        };
        match given {
            Ok(id) => self.open.push_back(id),
            Err(UsageError::Closed | UsageError::QueueFull { .. } | UsageError::TlsRequired) => {}
            Err(error) => panic!("{error}"),
        }
    }

    fn phrase(&mut self, input: &mut Take<'_>) -> Vec<u8> {
        PHRASES[usize::from(input.u8()) % PHRASES.len()].into()
    }

    fn failed(&mut self, _: &Error) {
        assert!(
            self.open.is_empty(),
            "commands without an end before the error"
        );
        self.failed = true;
    }

    fn settle(&mut self, machine: &mut Session, _: Duration) {
        if let Some(id) = self.challenge.take() {
            let _ = machine.auth_cancel(id);
        }
        if let Some(id) = self.writable.take() {
            let _ = machine.send_data(id, &mut Bytes::new(), true);
        }
    }

    fn check(&self, machine: &Session) {
        let stats = machine.stats();
        assert!(stats.messages <= stats.commands);
        assert!(machine.open_commands() <= self.open.len());
    }

    fn finish(self, machine: &Session) {
        assert!(
            self.open.is_empty(),
            "{:?} have no end: {machine:?}",
            self.open
        );
    }

    fn most_pending(&self, machine: &Session) -> usize {
        let limits = machine.limits();
        limits.max_auth_line.max(limits.max_reply)
    }
}
