//! POP3 client and server against each other over a link that the script cuts as it likes, and a
//! model of what each command must give.

use crate::cuts::Take;
use bytes::{Bytes, BytesMut};
use core::time::Duration;
use proto_mail::dot::transmitted_len;
use proto_mail::pop3::memory::{Connection, MemoryStore};
use proto_mail::pop3::wire::Reply;
use proto_mail::pop3::{client, server};
use proto_mail::{TlsInfo, Transmit};
use std::collections::VecDeque;

const MESSAGES: [&[u8]; 4] = [
    b"Subject: dots\r\n\r\n.\r\n..two\r\n.three\r\n",
    b"Subject: bare\n\nline\n.\nend without end",
    b"",
    &[b'.'; 4500],
];

/// A whole session, and what it must come to.
pub fn pop3_pair(data: &[u8]) {
    let mut script = Take::new(data);
    let (steer, bounds) = (script.u8(), script.u8());
    let mut pair = Pair::new(steer, bounds);
    let most = data.len() * 64 + 4096;
    if steer & 1 == 0 {
        pair.give(Wish::Tls);
    }
    if steer & 2 == 0 {
        pair.give(Wish::Capabilities);
    }
    if steer & 4 == 0 {
        pair.give(Wish::Login { right: true });
    }
    while !script.is_empty() {
        pair.step(&mut script);
    }
    if steer & 8 == 0 {
        pair.give(Wish::Quit);
    } else {
        pair.client.close();
    }
    // From here on everything runs freely; it must come to its end by itself.
    let mut steps = 0;
    while !(pair.client.is_closed() && pair.server.is_closed()) {
        pair.run();
        steps += 1;
        assert!(steps < most, "no end: {:?}\n{:?}", pair.client, pair.server);
    }
    pair.check_end();
}

/// What the embedder of the client wants.
#[derive(Clone, Copy, Debug)]
enum Wish {
    Tls,
    Capabilities,
    Login { right: bool },
    AuthPlain { right: bool },
    Stat,
    List(Option<u32>),
    UniqueIds(Option<u32>),
    Retrieve(u32),
    Top(u32, u64),
    Delete(u32),
    Noop,
    Reset,
    Quit,
}

/// What the client told of a command so far.
#[derive(Debug, Default)]
struct Told {
    items: Vec<(u32, u64)>,
    unique_ids: Vec<u32>,
    body: Vec<u8>,
    stat: Option<(u32, u64)>,
}

struct Open {
    id: client::CommandId,
    wish: Wish,
    told: Told,
}

struct Pair {
    client: client::Session,
    server: server::Session,
    store: MemoryStore,
    connection: Connection,
    now: Duration,
    to_server: Link,
    to_client: Link,
    open: VecDeque<Open>,
    model: Model,
}

/// One direction: octets under way, and those that have arrived.
#[derive(Default)]
struct Link {
    way: VecDeque<u8>,
    arrived: BytesMut,
    ended: bool,
    end_told: bool,
    tls: bool,
}

impl Link {
    fn deliver(&mut self, most: usize) -> bool {
        let len = most.min(self.way.len());
        self.arrived.extend(self.way.drain(..len));
        len > 0
    }
}

/// The server's maildrop, as it must be.
struct Model {
    messages: Vec<Vec<u8>>,
    deleted: Vec<bool>,
    logged_in: bool,
    committed: bool,
}

impl Pair {
    fn new(steer: u8, bounds: u8) -> Self {
        let now = Duration::from_secs(1);
        let mut config = client::Config::default();
        config.require_tls = steer & 1 == 0;
        config.pipelining = steer & 16 == 0;
        let mut limits = client::Limits::default();
        limits.max_pipelined = 1 + usize::from(bounds >> 4);
        let client = client::Session::new(now, config, limits);

        let mut config = server::Config::default();
        config.allow_plaintext_auth = true;
        let mut limits = server::Limits::default();
        limits.max_queued_output = 64 << (bounds % 8);
        limits.max_auth_failures = u32::MAX;
        limits.max_bad_commands = u32::MAX;
        let server = server::Session::new(now, config, limits, [steer; 32]);

        let mut store = MemoryStore::new();
        store.add_user("bob", "hungry");
        for message in MESSAGES {
            store.deliver("bob", message).expect("bob is known");
        }
        Self {
            client,
            server,
            store,
            connection: Connection::new(),
            now,
            to_server: Link::default(),
            to_client: Link::default(),
            open: VecDeque::new(),
            model: Model {
                messages: MESSAGES.iter().map(|message| normalised(message)).collect(),
                deleted: vec![false; MESSAGES.len()],
                logged_in: false,
                committed: false,
            },
        }
    }

    fn step(&mut self, script: &mut Take<'_>) {
        let (step, detail) = (script.u8() % 12, script.u8());
        match step {
            0 => drop(self.client_event()),
            1 => drop(self.server_event()),
            2 => drop(self.client_output(usize::from(detail))),
            3 => drop(self.server_output(usize::from(detail) * 8)),
            4 => drop(self.to_server.deliver(usize::from(detail))),
            5 => drop(self.to_client.deliver(usize::from(detail) * 8)),
            6 => {
                // Less than any of the timeouts, however often.
                self.now = self
                    .now
                    .saturating_add(Duration::from_millis(detail.into()));
                self.client.handle_timeout(self.now);
                self.server.handle_timeout(self.now);
            }
            7 => self.run(),
            _ => self.give(wish(step, detail)),
        }
    }

    /// Everything a little further.
    fn run(&mut self) {
        while self.client_output(500) {}
        while self.server_output(700) {}
        self.to_server.deliver(usize::MAX);
        self.to_client.deliver(usize::MAX);
        self.shake_hands();
        while self.server_event() {}
        while self.client_event() {}
    }

    fn give(&mut self, wish: Wish) {
        let client = &mut self.client;
        let given = match wish {
            Wish::Tls => client.stls(),
            Wish::Capabilities => client.capa(),
            Wish::Login { right } => client.login("bob", if right { "hungry" } else { "full" }),
            Wish::AuthPlain { right } => {
                client.auth_plain("bob", if right { "hungry" } else { "full" })
            }
            Wish::Stat => client.stat(),
            Wish::List(message) => client.list(message),
            Wish::UniqueIds(message) => client.uidl(message),
            Wish::Retrieve(message) => client.retr(message),
            Wish::Top(message, lines) => client.top(message, lines),
            Wish::Delete(message) => client.dele(message),
            Wish::Noop => client.noop(),
            Wish::Reset => client.rset(),
            Wish::Quit => client.quit(),
        };
        if let Ok(id) = given {
            let told = Told::default();
            self.open.push_back(Open { id, wish, told });
        }
    }

    fn client_output(&mut self, budget: usize) -> bool {
        let step = self.client.poll_transmit(self.now, budget);
        self.to_server.take(step)
    }

    fn server_output(&mut self, budget: usize) -> bool {
        let step = self.server.poll_transmit(self.now, budget);
        self.to_client.take(step)
    }

    /// Both sides have come to the step where TLS starts, and nothing is under way.
    fn shake_hands(&mut self) {
        let links = [&self.to_server, &self.to_client];
        if links
            .iter()
            .all(|link| link.tls && link.way.is_empty() && link.arrived.is_empty())
        {
            self.to_server.tls = false;
            self.to_client.tls = false;
            self.server
                .handle_tls_established(self.now, TlsInfo::default());
            self.client
                .handle_tls_established(self.now, TlsInfo::default());
        }
    }

    fn server_event(&mut self) -> bool {
        let link = &mut self.to_server;
        if link.ended && link.way.is_empty() && !link.end_told {
            link.end_told = true;
            self.server.handle_eof(self.now);
        }
        let polled = self.server.poll_event(self.now, &mut link.arrived);
        let Some(event) = polled.expect("the client does nothing wrong") else {
            return false;
        };
        let store = &mut self.store;
        let handled = store.handle(&mut self.connection, &mut self.server, event);
        handled.expect("the event is the last one");
        true
    }

    fn client_event(&mut self) -> bool {
        let link = &mut self.to_client;
        if link.ended && link.way.is_empty() && !link.end_told {
            link.end_told = true;
            self.client.handle_eof(self.now);
        }
        let polled = self.client.poll_event(self.now, &mut link.arrived);
        let Some(event) = polled.expect("the server does nothing wrong") else {
            return false;
        };
        match event {
            client::Event::Greeting { reply, .. } => assert!(reply.is_ok()),
            client::Event::Done { id, reply } => {
                let open = self.open.pop_front().expect("a command is open");
                assert_eq!(open.id, id, "commands end in order");
                self.model.check(open.wish, &reply, &open.told);
            }
            client::Event::Failed { id } => panic!("{id:?} failed"),
            client::Event::Capabilities { id, capabilities } => {
                assert!(!capabilities.is_empty());
                assert!(self.told(id).items.is_empty());
            }
            client::Event::Stat {
                id,
                messages,
                octets,
            } => self.told(id).stat = Some((messages, octets)),
            client::Event::ListItem {
                id,
                message,
                octets,
            } => self.told(id).items.push((message, octets)),
            client::Event::UniqueIdItem { id, message, .. } => {
                self.told(id).unique_ids.push(message);
            }
            client::Event::BodyChunk { id, data } => self.told(id).body.extend_from_slice(&data),
            client::Event::PeerClosed => assert!(self.open.is_empty()),
            event => panic!("{event:?} was not asked for"),
        }
        true
    }

    fn told(&mut self, id: client::CommandId) -> &mut Told {
        let open = self.open.front_mut().expect("a command is open");
        assert_eq!(open.id, id);
        &mut open.told
    }

    fn check_end(&self) {
        assert!(self.open.is_empty(), "commands without a last event");
        let kept: Vec<&Bytes> = self.store.messages("bob").collect();
        let is_deleted = |index: usize| self.model.committed && self.model.deleted[index];
        let expected: Vec<&[u8]> = MESSAGES
            .iter()
            .enumerate()
            .filter(|(index, _)| !is_deleted(*index))
            .map(|(_, message)| *message)
            .collect();
        assert_eq!(
            kept, expected,
            "only QUIT deletes, and only what was marked"
        );
    }
}

impl Link {
    fn take(&mut self, step: Option<Transmit>) -> bool {
        match step {
            None => return false,
            Some(Transmit::Data(data)) => {
                assert!(!self.ended && !self.tls, "{data:?} after the end");
                self.way.extend(&data);
            }
            Some(Transmit::StartTls) => self.tls = true,
            Some(Transmit::Shutdown) => self.ended = true,
        }
        true
    }
}

fn wish(step: u8, detail: u8) -> Wish {
    let number = u32::from(detail / 32);
    let some = (number < 6).then_some(number);
    let right = number > 1;
    match (step, detail % 8) {
        (8, 0..=2) => Wish::Login { right },
        (8, 3) => Wish::AuthPlain { right },
        (8, 4 | 5) => Wish::Capabilities,
        (8, _) => Wish::Noop,
        (9, 0..=3) => Wish::Retrieve(number),
        (9, 4 | 5) => Wish::Top(number, u64::from(detail / 8 % 4)),
        (9, _) => Wish::Delete(number),
        (10, 0 | 1) => Wish::Stat,
        (10, 2..=4) => Wish::List(some),
        (10, _) => Wish::UniqueIds(some),
        (11, 0..=3) => Wish::Delete(number),
        (11, 4..=6) => Wish::Reset,
        _ => Wish::Quit,
    }
}

impl Model {
    /// Compares what a command gave with what it must give, and carries it out.
    fn check(&mut self, wish: Wish, reply: &Reply, told: &Told) {
        let exists = |message: u32| {
            let index = usize::try_from(message).unwrap().wrapping_sub(1);
            self.logged_in && self.deleted.get(index) == Some(&false)
        };
        let expected = match wish {
            Wish::Tls => !self.logged_in,
            Wish::Capabilities | Wish::Quit => true,
            Wish::Login { right } | Wish::AuthPlain { right } => right && !self.logged_in,
            Wish::Stat | Wish::Noop | Wish::Reset => self.logged_in,
            Wish::List(message) | Wish::UniqueIds(message) => {
                message.map_or(self.logged_in, exists)
            }
            Wish::Retrieve(message) | Wish::Top(message, _) | Wish::Delete(message) => {
                exists(message)
            }
        };
        assert_eq!(reply.is_ok(), expected, "{wish:?} gave {reply:?}");
        if !expected {
            return assert!(told.items.is_empty() && told.body.is_empty() && told.stat.is_none());
        }
        let listing = || {
            let there = (1..).zip(&self.messages).zip(&self.deleted);
            there
                .filter(|(_, deleted)| !**deleted)
                .map(|((number, message), _)| (number, u64::try_from(message.len()).unwrap()))
        };
        let wanted = |message: Option<u32>| {
            let wanted = move |item: &(u32, u64)| message.is_none_or(|wanted| wanted == item.0);
            listing().filter(wanted)
        };
        match wish {
            Wish::Stat => {
                let octets = listing().map(|(_, octets)| octets).sum();
                let messages = u32::try_from(listing().count()).unwrap();
                assert_eq!(told.stat, Some((messages, octets)));
            }
            Wish::List(message) => assert!(wanted(message).eq(told.items.iter().copied())),
            Wish::UniqueIds(message) => {
                let numbers = wanted(message).map(|(number, _)| number);
                assert!(numbers.eq(told.unique_ids.iter().copied()));
            }
            Wish::Retrieve(message) => assert_eq!(told.body, *self.message(message)),
            Wish::Top(message, lines) => {
                assert_eq!(told.body, top(self.message(message), lines));
            }
            Wish::Delete(message) => {
                let index = usize::try_from(message).unwrap() - 1;
                self.deleted[index] = true;
            }
            Wish::Reset => self.deleted.fill(false),
            Wish::Login { .. } | Wish::AuthPlain { .. } => self.logged_in = true,
            Wish::Quit => self.committed = self.logged_in,
            Wish::Tls | Wish::Capabilities | Wish::Noop => {}
        }
    }

    fn message(&self, message: u32) -> &Vec<u8> {
        &self.messages[usize::try_from(message).unwrap() - 1]
    }
}

/// As it is sent: each line ends in CRLF.
fn normalised(text: &[u8]) -> Vec<u8> {
    let mut sent = Vec::new();
    for &octet in text {
        if octet == b'\n' && sent.last() != Some(&b'\r') {
            sent.push(b'\r');
        }
        sent.push(octet);
    }
    if !sent.is_empty() && !sent.ends_with(b"\r\n") {
        sent.extend_from_slice(b"\r\n");
    }
    assert_eq!(transmitted_len(text), u64::try_from(sent.len()).unwrap());
    sent
}

/// RFC 1939 section 7: the header, the blank line, and so many lines of the body.
fn top(message: &[u8], lines: u64) -> Vec<u8> {
    let (mut kept, mut left) = (Vec::new(), None);
    for line in message.split_inclusive(|&octet| octet == b'\n') {
        match &mut left {
            None if line == b"\r\n" => left = Some(lines),
            None => {}
            Some(0) => break,
            Some(left) => *left -= 1,
        }
        kept.extend_from_slice(line);
    }
    kept
}
