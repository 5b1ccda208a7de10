//! The outgoing queue, driven by a script: a DNS, servers and a store that do what the script says.
//! In the end all of them fail, and the queue has to come to rest.

use crate::cuts::Take;
use bytes::{Bytes, BytesMut};
use core::net::IpAddr;
use core::time::Duration;
use proto_mail::smtp::client::{Config as ClientConfig, Envelope, StartTls};
use proto_mail::smtp::queue::{
    Action, Config, ConnectionId, Event, Exchanger, Limits, LookupFailure, MessageId, Queue,
    ReadId, Record,
};
use proto_mail::smtp::wire::Mailbox;
use proto_mail::{TlsInfo, Transmit};
use std::collections::{BTreeMap, BTreeSet};

const SAID: [&str; 16] = [
    "220 x\r\n",
    "250-x\r\n250-PIPELINING\r\n250 DSN\r\n",
    "250 x\r\n",
    "250 ok\r\n250 ok\r\n354 go\r\n",
    "250 ok\r\n550 no\r\n354 go\r\n",
    "250 ok\r\n450 later\r\n554 no\r\n",
    "354 go\r\n",
    "250 taken\r\n",
    "451 later\r\n",
    "554 no\r\n",
    "421 bye\r\n",
    "221 bye\r\n",
    "what?\r\n",
    "250-x\r\n250 STARTTLS\r\n",
    "250-LIMITS RCPTMAX=1 MAILMAX=1\r\n250 x\r\n",
    "25",
];

/// A queue.
pub fn smtp_queue_script(data: &[u8]) {
    let mut script = Take::new(data);
    let mut world = World::new(script.u8());
    while !script.is_empty() {
        world.step(&mut script);
        world.check();
    }
    world.let_all_fail();
}

struct World {
    queue: Queue,
    now: Duration,
    /// Messages whose end was not told yet.
    open: BTreeSet<MessageId>,
    /// Those that the store has.
    stored: BTreeMap<MessageId, usize>,
    connections: BTreeMap<ConnectionId, BytesMut>,
    reads: Vec<(ReadId, MessageId, u64, usize)>,
    ends: BTreeSet<(MessageId, String)>,
}

impl World {
    fn new(steer: u8) -> Self {
        let mut client = ClientConfig::default();
        if steer & 1 == 0 {
            client.starttls = StartTls::Off;
        }
        let mut config = Config::default();
        config.client = client.into();
        config.expiry = Duration::from_secs(3600);
        config.warn_after = Some(Duration::from_secs(600));
        let mut limits = Limits::default();
        limits.max_connections = 1 + usize::from(steer >> 1 & 3);
        limits.max_recipients_at_once = 1 + usize::from(steer >> 3 & 1);
        limits.max_messages = 20;
        limits.read_size = 8;
        Self {
            queue: Queue::new(Duration::from_secs(1), config, limits, [steer; 32]),
            now: Duration::from_secs(1),
            open: BTreeSet::new(),
            stored: BTreeMap::new(),
            connections: BTreeMap::new(),
            reads: Vec::new(),
            ends: BTreeSet::new(),
        }
    }

    fn step(&mut self, script: &mut Take<'_>) {
        let (step, detail) = (script.u8() % 12, script.u8());
        let (now, number) = (self.now, usize::from(detail));
        let connection = self.connections.keys().nth(number % 4).copied();
        match (step, connection) {
            (0, _) => self.submit(detail),
            (1 | 2, _) => {
                if let Some(action) = self.queue.poll_action(now) {
                    self.act(action, Some(detail));
                }
            }
            (3, _) if !self.reads.is_empty() => {
                let read = self.reads.swap_remove(number % self.reads.len());
                self.read(read, detail & 0x80 != 0);
            }
            (4..=6, Some(id)) => {
                let input = self.connections.get_mut(&id).expect("open");
                if self.queue.wants_read(id) {
                    input.extend_from_slice(SAID[usize::from(script.u8()) % SAID.len()].as_bytes());
                }
                self.queue.recv(now, id, input);
            }
            (7, Some(id)) => match self.queue.poll_transmit(now, id, number) {
                Some(Transmit::StartTls) => {
                    self.queue
                        .handle_tls_established(now, id, TlsInfo::default());
                }
                Some(Transmit::Data(data)) => assert!(data.len() <= number),
                _ => {}
            },
            (8, Some(id)) if detail & 0x80 == 0 => self.queue.handle_eof(now, id),
            (8, Some(id)) => self.queue.handle_disconnect(now, id),
            (9, _) => {
                self.now += Duration::from_secs(1) * u32::from(script.u16());
                self.wake();
            }
            (10, _) => self.queue.flush(),
            _ => self.wake(),
        }
    }

    fn submit(&mut self, detail: u8) {
        let from: Mailbox = "a@home".parse().expect("an address");
        let mut envelope = Envelope::new(from);
        for (bit, to) in [(1, "b@d"), (2, "c@d"), (4, "e@f"), (8, "g@[10.0.0.1]")] {
            if detail & bit != 0 {
                envelope = envelope.to(to.parse().expect("an address"));
            }
        }
        if let Ok(id) = self.queue.submit(envelope, 20) {
            self.open.insert(id);
        }
    }

    /// Carries out a wish as `detail` says; without it nothing works.
    fn act(&mut self, action: Action, detail: Option<u8>) {
        let now = self.now;
        let is_good = detail.is_some_and(|it| it & 3 != 0);
        match action {
            Action::Store { message, record } => {
                assert_eq!(Record::decode(&record.encode()), Ok(record.clone()));
                self.stored.insert(message, record.recipients.len());
                self.queue.handle_stored(now, message);
            }
            Action::Create { message, body, .. } => {
                assert!(body.is_ascii() && body.ends_with(b"--\r\n"));
                self.stored.insert(message, 1);
                self.open.insert(message);
                self.queue.handle_stored(now, message);
            }
            Action::Remove { message } => {
                assert!(self.stored.remove(&message).is_some(), "it is not there");
            }
            Action::Exchangers { id, .. } => {
                let found = match detail.map(|it| it % 5) {
                    None | Some(0) => Err(LookupFailure::TryLater),
                    Some(1) => Err(LookupFailure::NoSuchName),
                    Some(count) => Ok((1..count).map(|number| Exchanger {
                        preference: u16::from(number / 2),
                        host: format!("mx{number}."),
                    })),
                };
                let found = found.map(Iterator::collect);
                self.queue.handle_exchangers(now, id, found);
            }
            Action::Addresses { id, .. } => {
                let found = match is_good {
                    true => Ok(vec![
                        IpAddr::from([10, 0, 0, 1]);
                        usize::from(detail.unwrap_or(0) % 4)
                    ]),
                    false => Err(LookupFailure::TryLater),
                };
                self.queue.handle_addresses(now, id, found);
            }
            Action::Connect { id, .. } => match is_good {
                true => {
                    self.queue.handle_connected(now, id);
                    self.connections.insert(id, BytesMut::new());
                }
                false if detail.is_none() => self.queue.handle_disconnect(now, id),
                // Nobody says anything: it is given up in time.
                false => {}
            },
            Action::Close { id } => {
                self.connections.remove(&id);
                assert!(self.queue.is_closed(id));
            }
            Action::Read {
                id,
                message,
                offset,
                max,
            } => self.reads.push((id, message, offset, max)),
            action => panic!("unknown {action:?}"),
        }
    }

    fn read(&mut self, (id, _, offset, max): (ReadId, MessageId, u64, usize), fails: bool) {
        let text = b"Subject: x\r\n\r\nhi.\r\n.";
        let begin = usize::try_from(offset).expect("small");
        let end = text.len().min(begin + max);
        if fails {
            return self.queue.handle_read_failed(self.now, id);
        }
        let part = Bytes::from_static(&text[begin..end]);
        self.queue
            .handle_read(self.now, id, part, end == text.len());
    }

    fn wake(&mut self) {
        self.queue.handle_timeout(self.now);
        for id in self.connections.keys().copied().collect::<Vec<_>>() {
            self.queue.handle_connection_timeout(self.now, id);
            let input = self.connections.get_mut(&id).expect("open");
            self.queue.recv(self.now, id, input);
        }
    }

    fn check(&mut self) {
        while let Some(event) = self.queue.poll_event() {
            match event {
                Event::Delivered {
                    message, recipient, ..
                }
                | Event::Failed {
                    message, recipient, ..
                } => {
                    let is_first = self.ends.insert((message, recipient.to_string()));
                    assert!(is_first, "{recipient} of {message:?} ends twice");
                }
                Event::Finished { message } => {
                    assert!(self.open.remove(&message), "{message:?} ends twice");
                }
                _ => {}
            }
        }
        assert!(self.connections.len() <= self.queue.limits().max_connections * 4);
    }

    /// From now on nothing works any more.
    fn let_all_fail(mut self) {
        for _ in 0..5000 {
            while let Some(action) = self.queue.poll_action(self.now) {
                self.act(action, None);
            }
            while let Some(read) = self.reads.pop() {
                self.read(read, true);
            }
            for id in self.connections.keys().copied().collect::<Vec<_>>() {
                self.queue.handle_disconnect(self.now, id);
                self.connections.remove(&id);
            }
            self.check();
            match self.queue.poll_timeout() {
                Some(deadline) => self.now = self.now.max(deadline),
                None if self.queue.is_empty() => break,
                None => {}
            }
            self.wake();
        }
        // What ended in the last round is still to be removed.
        while let Some(action) = self.queue.poll_action(self.now) {
            self.act(action, None);
        }
        assert!(self.queue.is_empty(), "no rest: {:?}", self.queue);
        assert!(self.open.is_empty() && self.stored.is_empty());
    }
}
