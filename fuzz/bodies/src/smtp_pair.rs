//! SMTP client and server against each other over a link that the script cuts as it likes: what the
//! server is given is what the client was given, with its line ends made safe, and every recipient
//! learns what the server said.

use crate::cuts::Take;
use bytes::{Bytes, BytesMut};
use core::time::Duration;
use proto_mail::smtp::wire::{BodyType, Mailbox, Reply};
use proto_mail::smtp::{Protocol, client, server};
use proto_mail::{TlsInfo, Transmit};
use std::collections::{BTreeMap, VecDeque};

/// A whole session, and what it must come to.
pub fn smtp_pair(data: &[u8]) {
    let mut script = Take::new(data);
    let (steer, bounds) = (script.u8(), script.u8());
    let mut pair = Pair::new(steer, bounds);
    let most = data.len() * 64 + 4096;
    while !script.is_empty() {
        pair.step(&mut script);
    }
    // Before the session is ready, a close is abrupt.
    for _ in 0..16 {
        pair.run();
    }
    pair.client.close();
    let mut steps = 0;
    while !(pair.client.is_closed() && pair.server.is_closed()) {
        pair.run();
        steps += 1;
        assert!(steps < most, "no end: {:?}\n{:?}", pair.client, pair.server);
    }
    assert!(pair.open.is_empty(), "messages without an end");
    assert_eq!(pair.expected, pair.delivered);
}

struct Open {
    id: client::CommandId,
    text: Vec<u8>,
    is_binary: bool,
    /// What was not given yet.
    rest: VecDeque<Bytes>,
    recipients: Vec<String>,
    said: BTreeMap<u32, bool>,
}

/// Recipients and octets.
type Message = (Vec<String>, Vec<u8>);

struct Pair {
    client: client::Session,
    server: server::Session,
    now: Duration,
    to_server: (VecDeque<u8>, BytesMut),
    to_client: (VecDeque<u8>, BytesMut),
    tls: (bool, bool),
    ended: (bool, bool),
    open: VecDeque<Open>,
    writable: bool,
    current: Message,
    delivered: Vec<Message>,
    expected: Vec<Message>,
    is_lmtp: bool,
}

const TEXTS: [&[u8]; 6] = [
    b"Subject: x\r\n\r\n.dot\r\n..\r\n",
    b"\n.\n\r.\r\r\n.",
    b"",
    b".\r\n",
    b"end\r",
    &[b'.'; 4500],
];

impl Pair {
    fn new(steer: u8, bounds: u8) -> Self {
        let now = Duration::from_secs(1);
        let is_lmtp = steer & 1 != 0;
        let mut config = client::Config::default();
        config.pipelining = steer & 2 == 0;
        config.prefer_chunking = steer & 4 != 0;
        config.starttls = match steer & 8 {
            0 => client::StartTls::Off,
            _ => client::StartTls::Required,
        };
        let mut limits = client::Limits::default();
        limits.max_queued_output = 64 << (bounds % 8);
        let mut server = server::Config::default();
        server.binary_mime = true;
        if is_lmtp {
            config.protocol = Protocol::Lmtp;
            server.protocol = Protocol::Lmtp;
        }
        let mut server_limits = server::Limits::default();
        server_limits.max_queued_output = 64 << (bounds >> 4 & 7);
        Self {
            client: client::Session::new(now, config, limits),
            server: server::Session::new(now, server, server_limits),
            now,
            to_server: Default::default(),
            to_client: Default::default(),
            tls: (false, false),
            ended: (false, false),
            open: VecDeque::new(),
            writable: false,
            current: Message::default(),
            delivered: Vec::new(),
            expected: Vec::new(),
            is_lmtp,
        }
    }

    fn step(&mut self, script: &mut Take<'_>) {
        let (step, detail) = (script.u8() % 10, script.u8());
        match step {
            0 => drop(self.client_event()),
            1 => drop(self.server_event()),
            2 => self.client_output(usize::from(detail)),
            3 => self.server_output(usize::from(detail)),
            4 => self.deliver(usize::from(detail)),
            5 => self.give(),
            6 => self.run(),
            _ => self.send(detail, script),
        }
    }

    /// A message: which recipients, which text, and how it is cut.
    fn send(&mut self, detail: u8, script: &mut Take<'_>) {
        let from: Mailbox = "a@b".parse().expect("an address");
        let mut envelope = client::Envelope::new(from);
        let mut recipients = Vec::new();
        for (bit, to) in [(1, "bob@d"), (2, "nobody@d"), (4, "full@d")] {
            if detail & bit != 0 {
                envelope = envelope.to(to.parse().expect("an address"));
                recipients.push(to.to_owned());
            }
        }
        if recipients.is_empty() {
            return;
        }
        let is_binary = detail & 8 != 0;
        if is_binary {
            envelope.params.body = Some(BodyType::BinaryMime);
        }
        let mut text = TEXTS[usize::from(detail >> 4) % TEXTS.len()].to_vec();
        text.extend(
            script
                .short()
                .iter()
                .filter(|&&octet| octet != 0 || is_binary),
        );
        let size = usize::from(script.u8()) * 8 + 1;
        if let Ok(id) = self.client.send(envelope) {
            let rest = text.chunks(size).map(Bytes::copy_from_slice).collect();
            self.open.push_back(Open {
                id,
                text,
                is_binary,
                rest,
                recipients,
                said: BTreeMap::new(),
            });
        }
    }

    /// The next part of the message at the front.
    fn give(&mut self) {
        let Some(open) = self.open.front_mut().filter(|_| self.writable) else {
            return;
        };
        let mut part = open.rest.pop_front().unwrap_or_default();
        let end = open.rest.is_empty();
        let given = self.client.send_data(open.id, &mut part, end);
        given.expect("the message is open");
        if !part.is_empty() {
            open.rest.push_front(part);
            self.writable = false;
        } else if end {
            self.writable = false;
        }
    }

    fn run(&mut self) {
        for _ in 0..8 {
            self.give();
        }
        self.client_output(3000);
        self.server_output(3000);
        self.deliver(usize::MAX);
        if self.tls == (true, true) && self.to_server.1.is_empty() && self.to_client.1.is_empty() {
            self.tls = (false, false);
            self.server
                .handle_tls_established(self.now, TlsInfo::default());
            self.client
                .handle_tls_established(self.now, TlsInfo::default());
        }
        while self.server_event() {}
        while self.client_event() {}
    }

    fn client_output(&mut self, budget: usize) {
        match self.client.poll_transmit(self.now, budget) {
            Some(Transmit::Data(data)) => self.to_server.0.extend(data),
            Some(Transmit::StartTls) => self.tls.0 = true,
            Some(Transmit::Shutdown) => self.ended.0 = true,
            None => {}
        }
    }

    fn server_output(&mut self, budget: usize) {
        match self.server.poll_transmit(self.now, budget) {
            Some(Transmit::Data(data)) => self.to_client.0.extend(data),
            Some(Transmit::StartTls) => self.tls.1 = true,
            Some(Transmit::Shutdown) => self.ended.1 = true,
            None => {}
        }
    }

    fn deliver(&mut self, most: usize) {
        for (way, arrived) in [&mut self.to_server, &mut self.to_client] {
            let len = most.min(way.len());
            arrived.extend(way.drain(..len));
        }
        if self.ended.0 && self.to_server.0.is_empty() {
            self.server.handle_eof(self.now);
        }
        if self.ended.1 && self.to_client.0.is_empty() {
            self.client.handle_eof(self.now);
        }
    }

    fn server_event(&mut self) -> bool {
        let polled = self.server.poll_event(self.now, &mut self.to_server.1);
        let Some(event) = polled
            .unwrap_or_else(|e| panic!("the client does nothing wrong: {e:?} {:?}", self.client))
        else {
            return false;
        };
        let server = &mut self.server;
        match event {
            server::Event::Mail { ask, .. } => {
                self.current = Message::default();
                server.accept(ask).expect("open");
            }
            server::Event::Rcpt { ask, to, .. } if to.local_part() == b"nobody" => {
                server.reject(ask, &Reply::no_such_mailbox()).expect("open");
            }
            server::Event::Rcpt { ask, to, .. } => {
                self.current.0.push(to.to_string());
                server.accept(ask).expect("open");
            }
            server::Event::BodyChunk(data) => self.current.1.extend_from_slice(&data),
            server::Event::MessageEnd { ask, .. } => {
                let is_full = |to: &String| to.starts_with("full");
                let replies = self.current.0.iter().map(|to| match is_full(to) {
                    true => Reply::try_later(),
                    false => Reply::ok("taken"),
                });
                let replies: Vec<_> = replies.collect();
                server.answer_each(ask, &replies).expect("open");
                self.delivered.push(core::mem::take(&mut self.current));
            }
            // A message that nobody was accepted for, and only such a one.
            server::Event::Aborted { reason } => {
                let is_over = server::AbortReason::ConnectionLost;
                assert!(reason == server::AbortReason::Reset || reason == is_over);
                assert!(self.current.0.is_empty(), "{:?}", self.current);
            }
            _ => {}
        }
        true
    }

    fn client_event(&mut self) -> bool {
        let polled = self.client.poll_event(self.now, &mut self.to_client.1);
        let Some(event) = polled.expect("the server does nothing wrong") else {
            return false;
        };
        match event {
            client::Event::Writable { id } => {
                assert_eq!(self.open.front().map(|open| open.id), Some(id));
                self.writable = true;
            }
            client::Event::Recipient { index, reply, .. }
            | client::Event::Delivery { index, reply, .. } => {
                let open = self.open.front_mut().expect("a message");
                open.said.insert(index, reply.is_ok());
            }
            client::Event::Done { id, reply } => {
                let open = self.open.pop_front().expect("a message");
                assert_eq!(open.id, id, "in order");
                self.settled(&open, reply.is_ok());
            }
            client::Event::Failed { reason, .. } => panic!("{reason:?}"),
            _ => {}
        }
        true
    }

    /// What must have come of a message.
    fn settled(&mut self, open: &Open, is_ok: bool) {
        let accepted = open
            .recipients
            .iter()
            .filter(|to| !to.starts_with("nobody"));
        let accepted: Vec<_> = accepted.cloned().collect();
        for (index, to) in (0..).zip(&open.recipients) {
            let is_good = match to.as_str() {
                "bob@d" => true,
                "full@d" => !self.is_lmtp,
                _ => false,
            };
            assert_eq!(open.said.get(&index), Some(&is_good), "{to}");
        }
        let anybody = accepted.iter().any(|to| to.starts_with("bob"));
        assert_eq!(is_ok, anybody, "{:?}", open.recipients);
        if !accepted.is_empty() {
            let text = match open.is_binary {
                true => open.text.clone(),
                false => normal(&open.text, self.client.config().prefer_chunking),
            };
            self.expected.push((accepted, text));
        }
    }
}

/// Line ends as they must arrive: bare CR and LF become CRLF, and DATA needs one at the end.
fn normal(text: &[u8], is_chunked: bool) -> Vec<u8> {
    let mut octets = Vec::new();
    let mut after_cr = false;
    for &octet in text {
        match (octet, after_cr) {
            (b'\n', false) => octets.extend_from_slice(b"\r\n"),
            (b'\n', true) => octets.push(b'\n'),
            (octet, true) => {
                octets.push(b'\n');
                octets.push(octet);
            }
            (octet, false) => octets.push(octet),
        }
        after_cr = octet == b'\r';
    }
    if after_cr {
        octets.push(b'\n');
    }
    if !is_chunked && !octets.is_empty() && !octets.ends_with(b"\r\n") {
        octets.extend_from_slice(b"\r\n");
    }
    octets
}
