//! The SMTP and LMTP server session, driven by a script: hostile clients, and an embedder that
//! answers whenever and whatever the script says.

use crate::cuts::Take;
use crate::script::{self, StreamApp};
use core::time::Duration;
use proto_mail::smtp::server::{
    AuthAsk, BareNewlines, Config, Error, Event, Fault, Limits, MailAsk, MessageAsk, RcptAsk,
    Session, VerifyAsk,
};
use proto_mail::smtp::wire::{EnhancedCode, Reply};
use proto_mail::smtp::{Protocol, UsageError};

const PHRASES: [&str; 40] = [
    "EHLO a\r\n",
    "LHLO a\r\n",
    "HELO a\r\n",
    "MAIL FROM:<a@b>\r\n",
    "MAIL FROM:<>\r\n",
    "MAIL FROM:<a@b> SIZE=9 BODY=8BITMIME\r\n",
    "MAIL FROM:<a@b> BODY=BINARYMIME\r\n",
    "MAIL FROM:<a@b> SIZE=99999999\r\n",
    "RCPT TO:<c@d>\r\n",
    "RCPT TO:<c@d>\r\nRCPT TO:<e@f>\r\n",
    "RCPT TO:<postmaster>\r\n",
    "EHLO a\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n",
    "LHLO a\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nRCPT TO:<e@f>\r\nDATA\r\n",
    "DATA\r\n",
    "text\r\n.\r\n",
    "..text\r\n.\r",
    "\n.\r\n",
    ".\r\n",
    "a\n.\nb\r\n.\r\n",
    "bare\rcr\r\n.\r\n",
    "nul\0\r\n.\r\n",
    "BDAT 5\r\nabcde",
    "BDAT 0 LAST\r\n",
    "BDAT 3 LAST\r\nabc",
    "BDAT 18446744073709551615 LAST\r\nabc",
    "BDAT x\r\n",
    "BDAT 4 LAST\r\na\n\0b",
    "RSET\r\n",
    "NOOP\r\n",
    "VRFY bob\r\n",
    "EXPN list\r\n",
    "HELP\r\n",
    "AUTH PLAIN\r\n",
    "AUTH PLAIN AGJvYgBodW5ncnk=\r\n",
    "AGJvYgBodW5ncnk=\r\n",
    "*\r\n",
    "STARTTLS\r\n",
    "STARTTLS\r\nNOOP\r\n",
    "QUIT\r\n",
    "POST / HTTP/1.1\r\n",
];

/// A server session.
pub fn smtp_server_script(data: &[u8]) {
    let mut script = Take::new(data);
    let (steer, bounds) = (script.u8(), script.u8());
    let mut config = Config::default();
    if steer & 1 != 0 {
        config.protocol = Protocol::Lmtp;
    }
    config.allow_plaintext_auth = steer & 2 == 0;
    config.implicit_tls = steer & 4 != 0;
    config.binary_mime = steer & 8 != 0;
    config.verify = steer & 16 != 0;
    config.require_hello = steer & 32 == 0;
    config.chunking = steer & 64 == 0;
    if steer & 128 != 0 {
        config.bare_newlines = BareNewlines::Keep;
    }
    let mut limits = Limits::default();
    limits.max_queued_output = 64 << (bounds % 8);
    limits.max_auth_failures = 1 + u32::from(bounds >> 3 & 3);
    limits.max_bad_commands = 2 + u32::from(bounds >> 5 & 1) * 30;
    limits.max_message_octets = 64;
    limits.max_discarded = 256;
    limits.max_recipients = 3;
    if bounds & 0x40 != 0 {
        limits.answer_deadline = Some(Duration::from_secs(3));
    }
    let app = Server {
        keeps: steer & 128 != 0,
        ..Server::default()
    };
    let machine = Session::new(Duration::from_secs(1), config, limits);
    script::run_stream(app, machine, &mut script);
}

#[derive(Debug)]
enum Question {
    Auth(AuthAsk),
    Mail(MailAsk),
    Rcpt(RcptAsk),
    Message(MessageAsk, u32),
    Verify(VerifyAsk),
}

#[derive(Default)]
struct Server {
    keeps: bool,
    open: Option<Question>,
    /// A sender was accepted: octets and recipients so far.
    message: Option<(Vec<u8>, u32)>,
    peer_closed: bool,
}

impl Server {
    fn ask(&mut self, question: Question) {
        assert!(self.open.is_none(), "{question:?} beside {:?}", self.open);
        assert!(!self.peer_closed, "{question:?} after the end");
        self.open = Some(question);
    }

    fn answer(&mut self, machine: &mut Session, choice: u8) {
        let Some(question) = self.open.take() else {
            return;
        };
        let code = if choice & 0x40 == 0 { 450 } else { 550 };
        let no = Reply::new(code, Some(EnhancedCode::new(5, 0, 0)), "no\r\n250 yes");
        let is_no = choice.is_multiple_of(4);
        let settled = match question {
            Question::Auth(ask) if is_no => machine.reject(ask, &no),
            Question::Auth(ask) if choice % 4 == 1 => machine.challenge(ask, b"who?"),
            Question::Auth(ask) => machine.accept(ask),
            Question::Mail(ask) if is_no => machine.reject(ask, &no),
            Question::Mail(ask) => machine.accept(ask).map(|()| {
                self.message = Some((Vec::new(), 0));
            }),
            Question::Rcpt(ask) if is_no => machine.reject(ask, &no),
            Question::Rcpt(ask) => machine.accept(ask).map(|()| {
                let (_, recipients) = self.message.as_mut().expect("a message");
                *recipients += 1;
            }),
            Question::Message(ask, _) if is_no => {
                machine.reject(ask, &no).map(|()| self.message = None)
            }
            Question::Message(ask, recipients) => {
                let replies = vec![Reply::ok("taken"); recipients as usize];
                let replies = &replies[..usize::from(choice) % (replies.len() + 1)];
                machine
                    .answer_each(ask, replies)
                    .map(|()| self.message = None)
            }
            Question::Verify(ask) if is_no => machine.reject(ask, &no),
            Question::Verify(ask) => machine.answer(ask, &Reply::ok("<bob@x>")),
        };
        // The session may be over meanwhile; then the question is stale, and nothing else.
        assert!(matches!(settled, Ok(()) | Err(UsageError::StaleAsk)));
    }
}

impl StreamApp for Server {
    type Machine = Session;

    fn event(&mut self, machine: &mut Session, _: Duration, event: Event, input: &mut Take<'_>) {
        match event {
            Event::Auth { ask, .. } | Event::AuthResponse { ask, .. } => {
                assert!(self.message.is_none(), "AUTH inside a transaction");
                let may_ask = machine.config().allow_plaintext_auth || machine.tls().is_some();
                assert!(may_ask, "AUTH in plaintext");
                self.ask(Question::Auth(ask));
            }
            Event::Mail { ask, .. } => {
                assert!(self.message.is_none(), "a message inside another");
                self.ask(Question::Mail(ask));
            }
            Event::Rcpt { ask, .. } => {
                assert!(self.message.is_some(), "a recipient without a message");
                self.ask(Question::Rcpt(ask));
            }
            Event::BodyChunk(part) => {
                assert!(!part.is_empty() && self.open.is_none());
                let (text, recipients) = self.message.as_mut().expect("a message");
                assert!(*recipients > 0, "a body for nobody");
                text.extend_from_slice(&part);
                assert!(text.len() <= 64, "larger than allowed");
                if !self.keeps && !machine.config().binary_mime {
                    let text = String::from_utf8_lossy(text).replace("\r\n", "");
                    let text = text.strip_suffix('\r').unwrap_or(&text);
                    assert!(!text.contains(['\r', '\n', '\0']), "{text:?}");
                }
            }
            Event::MessageEnd { ask, recipients } => {
                let (_, accepted) = self.message.as_ref().expect("a message");
                assert_eq!(*accepted, recipients);
                assert!(recipients > 0);
                self.ask(Question::Message(ask, recipients));
            }
            Event::Aborted { .. } => {
                assert!(self.message.take().is_some(), "nothing to abort");
                self.open = None;
            }
            Event::Verify { ask, .. } => self.ask(Question::Verify(ask)),
            Event::Fault(Fault::AnswerOverdue) => self.open = None,
            Event::PeerClosed => {
                assert!(!self.peer_closed, "twice");
                self.peer_closed = true;
            }
            _ => assert!(self.open.is_none()),
        }
        if input.bool() {
            self.answer(machine, input.u8());
        }
    }

    fn command(&mut self, machine: &mut Session, _: Duration, input: &mut Take<'_>) {
        self.answer(machine, input.u8());
    }

    fn phrase(&mut self, input: &mut Take<'_>) -> Vec<u8> {
        PHRASES[usize::from(input.u8()) % PHRASES.len()].into()
    }

    fn failed(&mut self, _: &Error) {
        assert!(!self.peer_closed, "an error after the end");
        // Whatever was open is over; a message that was begun was aborted before.
        assert!(self.message.is_none() || self.open.is_some(), "not aborted");
        self.open = None;
    }

    fn settle(&mut self, machine: &mut Session, _: Duration) {
        self.answer(machine, 4);
    }

    fn check(&self, machine: &Session) {
        let (stats, limits) = (machine.stats(), machine.limits());
        assert!(stats.bad_commands <= limits.max_bad_commands.max(2));
        assert!(stats.auth_failures <= limits.max_auth_failures);
        assert!(stats.messages_accepted <= stats.messages);
    }

    fn finish(self, _: &Session) {
        assert!(self.message.is_none(), "a message without an end");
    }

    fn most_pending(&self, machine: &Session) -> usize {
        let limits = machine.limits();
        limits.max_auth_line.max(limits.max_command_line * 4)
    }
}
