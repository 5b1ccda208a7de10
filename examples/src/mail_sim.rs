//! Alice to Bob, as in the lecture, on a simulated network: her program hands a message to her
//! server, that one asks the DNS where Bob's mail goes, Bob's server files it, and Bob reads it over
//! POP3. Every machine is one that the real programs run.

use bytes::Bytes;
use core::cell::RefCell;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use netio::mail::QueueConnection;
use netio::sim::{
    Call, Context, DatagramApp, DatagramNode, Fact, HostConfig, Net, Node, PathConfig, StreamApp,
    StreamDriver, StreamId, StreamNode, StreamServer,
};
use proto_dns::QueryId;
use proto_dns::client::{QueryOptions, Stub, stub};
use proto_dns::server::{self as dns_server, Authority, Zone};
use proto_dns::wire::{Message, Name, Question, RData, Type};
use proto_dns::zonefile::{Entry, Parser};
use proto_mail::pop3;
use proto_mail::pop3::memory::{Connection, MemoryStore};
use proto_mail::smtp::client::{self, Envelope, StartTls};
use proto_mail::smtp::queue::{
    Action, ConnectionId, Event, Exchanger, LookupFailure, LookupId, MessageId, Queue,
};
use proto_mail::smtp::wire::{Mailbox, Reply, ReversePath};
use proto_mail::smtp::{queue, server};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::error::Error;
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What Alice writes.
pub const MESSAGE: &str = "From: alice@crepes.fr\r\nTo: bob@hamburger.edu\r\nSubject: Searching for the meaning of life.\r\n\r\nDo you like ketchup?\r\nHow about pickles?\r\n";

/// Where Bob's mail goes. The first exchanger is down.
pub const ZONE: &str = "$ORIGIN hamburger.edu.\n$TTL 3600\n@ SOA ns hostmaster 1 7200 900 1209600 300\n@ NS ns\n@ MX 10 mx1\n@ MX 20 mx2\nns A 10.0.0.53\nmx1 A 10.0.2.24\nmx2 A 10.0.2.25\n";

const DNS: SocketAddr = SocketAddr::new(IpAddr::V4(core::net::Ipv4Addr::new(10, 0, 0, 53)), 53);

/// One line of the dialogue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// When it arrived.
    pub at: Duration,
    /// Which conversation.
    pub stream: Option<u64>,
    /// Who said it to whom.
    pub from: String,
    /// To whom.
    pub to: String,
    /// What.
    pub text: String,
}

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// All that was said, in the order in which it arrived.
    pub dialogue: Vec<Line>,
    /// What Bob read.
    pub read: Vec<u8>,
    /// When he had it.
    pub took: Duration,
}

/// Runs it all.
///
/// # Errors
///
/// When the simulation does not come to rest, or somebody does not do its part.
pub fn run(seed: u64) -> Result<Outcome, Box<dyn Error>> {
    let mut net = Net::new(seed);
    net.keep_transcript();
    net.set_default_path(PathConfig::latency(Duration::from_millis(20)));
    let mut host = |name: &str, address: [u8; 4]| {
        net.add_host(name, &HostConfig::default(), [IpAddr::from(address)])
    };
    let (alice, crepes) = (
        host("alice's computer", [10, 0, 1, 1]),
        host("crepes.fr", [10, 0, 1, 25]),
    );
    let (dns, bob) = (
        host("dns", [10, 0, 0, 53]),
        host("bob's computer", [10, 0, 2, 1]),
    );
    let (down, hamburger) = (host("mx1", [10, 0, 2, 24]), host("mx2", [10, 0, 2, 25]));
    net.fail(down);
    add_dns(&mut net, dns)?;
    let store = Rc::new(RefCell::new(MemoryStore::new()));
    store.borrow_mut().add_user("bob", "hungry");
    add_hamburger(&mut net, hamburger, &store);
    net.add_node(crepes, "crepes.fr", Crepes::new(seed));
    let mut config = client::Config::default();
    config.name = "alice.crepes.fr".into();
    config.starttls = StartTls::Off;
    let session = client::Session::new(net.now(), config, client::Limits::default());
    let submission = "10.0.1.25:587".parse()?;
    let alice = net.add_node(
        alice,
        "alice",
        StreamNode::connect(submission, session, Alice::default()),
    );
    // Time for the first exchanger to be given up.
    net.run_until(Duration::from_secs(120))?;
    let alice = net.node::<StreamNode<client::Session, Alice>>(alice);
    if !alice.is_some_and(|alice| alice.app().is_sent) {
        return Err("Alice's server did not take the message".into());
    }
    let mut config = pop3::client::Config::default();
    config.require_tls = false;
    let session = pop3::client::Session::new(net.now(), config, pop3::client::Limits::default());
    let mailbox = "10.0.2.25:110".parse()?;
    let bob = net.add_node(
        bob,
        "bob",
        StreamNode::connect(mailbox, session, Bob::default()),
    );
    net.run_until(Duration::from_secs(180))?;
    let bob = net.node::<StreamNode<pop3::client::Session, Bob>>(bob);
    let bob = bob.ok_or("no Bob")?;
    let took = bob.app().done_at.ok_or("Bob did not come to his end")?;
    let read = bob.app().message.clone();
    Ok(Outcome {
        dialogue: dialogue(&net),
        read,
        took,
    })
}

/// Puts what arrived into words.
fn dialogue(net: &Net) -> Vec<Line> {
    let mut ends: BTreeMap<u64, Vec<String>> = BTreeMap::new();
    let entries = net
        .transcript()
        .map_or(&[][..], |transcript| transcript.entries());
    for entry in entries {
        if let Some(stream) = entry.stream {
            let ends = ends.entry(stream).or_default();
            if !ends.contains(&entry.node) {
                ends.push(entry.node.clone());
            }
        }
    }
    let mut lines = Vec::new();
    for entry in entries {
        let mut say = |from: String, text: String| {
            lines.push(Line {
                at: entry.at,
                stream: entry.stream,
                from,
                to: entry.node.clone(),
                text,
            });
        };
        match &entry.call {
            Call::Input(data) => {
                let ends = entry.stream.and_then(|stream| ends.get(&stream));
                let other = ends.into_iter().flatten().find(|end| **end != entry.node);
                let from = other.cloned().unwrap_or_default();
                for line in String::from_utf8_lossy(data).lines() {
                    say(from.clone(), line.to_owned());
                }
            }
            Call::Received(_, from, data) => {
                let from = if *from == DNS { "dns" } else { "crepes.fr" };
                for text in dns_words(data) {
                    say(from.to_owned(), text);
                }
            }
            _ => {}
        }
    }
    lines
}

/// A DNS message: the question, or the records of the answer.
fn dns_words(data: &[u8]) -> Vec<String> {
    let Ok(message) = Message::parse(data) else {
        return vec!["?".into()];
    };
    let records: Vec<_> = message.answers().map(|record| record.to_string()).collect();
    if !records.is_empty() {
        return records;
    }
    let question = message.question().map(|question| question.to_string());
    let question = question.unwrap_or_default();
    match message.header().flags.is_response() {
        true => vec![format!("{question}: none")],
        false => vec![format!("{question}?")],
    }
}

/// Alice's program: one message, and QUIT.
#[derive(Debug, Default)]
struct Alice {
    is_sent: bool,
}

impl StreamApp<client::Session> for Alice {
    fn start(&mut self, _: Duration, session: &mut client::Session) {
        let (from, to) = ("alice@crepes.fr".parse(), "bob@hamburger.edu".parse());
        if let (Ok(from), Ok(to)) = (from, to) {
            let from: Mailbox = from;
            // The session takes both, or its end says so.
            let _ = session.send(Envelope::new(from).to(to));
            let _ = session.quit();
        }
    }

    fn on_event(&mut self, _: Duration, session: &mut client::Session, event: client::Event) {
        match event {
            client::Event::Writable { id } => {
                let mut message = Bytes::from_static(MESSAGE.as_bytes());
                let _ = session.send_data(id, &mut message, true);
            }
            client::Event::Done { reply, .. } => self.is_sent |= reply.code() == 250,
            _ => {}
        }
    }
}

/// Bob's program: what the lecture has him type.
#[derive(Debug, Default)]
struct Bob {
    message: Vec<u8>,
    done_at: Option<Duration>,
}

impl StreamApp<pop3::client::Session> for Bob {
    fn start(&mut self, _: Duration, session: &mut pop3::client::Session) {
        let _ = session.login("bob", "hungry");
        let _ = session.list(None);
        let _ = session.retr(1);
        let _ = session.dele(1);
        let _ = session.quit();
    }

    fn on_event(
        &mut self,
        now: Duration,
        session: &mut pop3::client::Session,
        event: pop3::client::Event,
    ) {
        match event {
            pop3::client::Event::BodyChunk { data, .. } => self.message.extend_from_slice(&data),
            pop3::client::Event::Done { .. } if session.open_commands() == 0 => {
                self.done_at = Some(now);
            }
            _ => {}
        }
    }
}

struct Zones(Authority);

impl DatagramApp<dns_server::Datagram> for Zones {
    fn on_event(
        &mut self,
        _: Duration,
        machine: &mut dns_server::Datagram,
        event: dns_server::datagram::Event,
    ) {
        if let dns_server::datagram::Event::Query { ask, message, .. } = event {
            let _ = machine.serve(&self.0, ask, &message);
        }
    }
}

fn add_dns(net: &mut Net, host: netio::sim::HostId) -> Result<(), Box<dyn Error>> {
    let zones = Zones(authority(ZONE)?);
    let machine = dns_server::Datagram::new(net.now(), proto_dns::Limits::default());
    net.add_node(host, "dns", DatagramNode::new(Some(53), machine, zones));
    Ok(())
}

/// An authority for the zone of `hamburger.edu`, read from text.
///
/// # Errors
///
/// When the text is no zone.
pub fn authority(text: &str) -> Result<Authority, Box<dyn Error>> {
    let origin: Name = "hamburger.edu.".parse()?;
    let mut zone = Zone::builder(origin.clone());
    let mut parser = Parser::new(text.as_bytes(), origin);
    while let Some(entry) = parser.next()? {
        if let Entry::Record(record) = entry {
            zone.add_wire(record.owner, record.ttl, record.rtype, record.rdata)?;
        }
    }
    let mut authority = Authority::new();
    authority.insert(zone.build()?)?;
    Ok(authority)
}

type Store = Rc<RefCell<MemoryStore>>;

/// Bob's server: SMTP in, POP3 out.
fn add_hamburger(net: &mut Net, host: netio::sim::HostId, store: &Store) {
    let mut config = server::Config::default();
    config.host = "hamburger.edu".into();
    config.greeting = "".into();
    config.starttls = false;
    let config = Arc::new(config);
    let mail = Rc::clone(store);
    let smtp = StreamServer::new(25, move |now, _: SocketAddr, _: [u8; 32]| {
        let limits = server::Limits::default();
        let app = FileMail {
            store: Rc::clone(&mail),
            recipients: Vec::new(),
            message: Vec::new(),
        };
        (server::Session::new(now, Arc::clone(&config), limits), app)
    });
    net.add_node(host, "hamburger.edu", smtp);
    let store = Rc::clone(store);
    let pop3 = StreamServer::new(110, move |now, _: SocketAddr, seed: [u8; 32]| {
        let mut config = pop3::server::Config::default();
        config.stls = false;
        config.allow_plaintext_auth = true;
        let limits = pop3::server::Limits::default();
        let app = ReadMail(Rc::clone(&store), Connection::new());
        (pop3::server::Session::new(now, config, limits, seed), app)
    });
    net.add_node(host, "hamburger.edu (POP3)", pop3);
}

/// A session that files mail.
struct FileMail {
    store: Store,
    recipients: Vec<Vec<u8>>,
    message: Vec<u8>,
}

impl StreamApp<server::Session> for FileMail {
    fn on_event(&mut self, _: Duration, session: &mut server::Session, event: server::Event) {
        // A question that is stale was asked by a session that has ended meanwhile.
        let _ = match event {
            server::Event::Mail { ask, .. } => {
                self.recipients.clear();
                self.message.clear();
                session.accept(ask)
            }
            server::Event::Rcpt { ask, to, .. }
                if self.store.borrow().users().has(to.local_part()) =>
            {
                self.recipients.push(to.local_part().into());
                session.accept(ask)
            }
            server::Event::Rcpt { ask, .. } => session.reject(ask, &Reply::no_such_mailbox()),
            server::Event::BodyChunk(data) => {
                self.message.extend_from_slice(&data);
                Ok(())
            }
            server::Event::MessageEnd { ask, .. } => {
                for user in &self.recipients {
                    self.store.borrow_mut().deliver(user, self.message.clone());
                }
                session.accept(ask)
            }
            _ => Ok(()),
        };
    }
}

struct ReadMail(Store, Connection);

impl StreamApp<pop3::server::Session> for ReadMail {
    fn on_event(
        &mut self,
        _: Duration,
        session: &mut pop3::server::Session,
        event: pop3::server::Event,
    ) {
        let _ = self.0.borrow_mut().handle(&mut self.1, session, event);
    }
}

/// Alice's server: takes mail on port 587 and sends it on by a queue, with a stub and connections of
/// its own. All that a real one does, in one node.
struct Crepes {
    queue: Arc<Mutex<Queue>>,
    store: BTreeMap<MessageId, Bytes>,
    incoming: Vec<(StreamDriver<server::Session>, Submit)>,
    outgoing: BTreeMap<ConnectionId, StreamDriver<QueueConnection>>,
    dns: DatagramNode<Stub, Answers>,
    lookups: BTreeMap<QueryId, (LookupId, Type)>,
    config: Arc<server::Config>,
}

impl core::fmt::Debug for Crepes {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Crepes")
    }
}

/// What a session of Alice's server has taken.
#[derive(Default)]
struct Submit {
    envelope: Option<Envelope>,
    message: Vec<u8>,
    complete: Vec<(Envelope, Vec<u8>)>,
}

impl StreamApp<server::Session> for Submit {
    fn on_event(&mut self, _: Duration, session: &mut server::Session, event: server::Event) {
        let _ = match event {
            server::Event::Mail { ask, from, params } => {
                let mut envelope = Envelope::new(ReversePath::Null);
                (envelope.from, envelope.params) = (from, params);
                self.envelope = Some(envelope);
                self.message.clear();
                session.accept(ask)
            }
            server::Event::Rcpt { ask, to, params } => {
                if let Some(envelope) = &mut self.envelope {
                    envelope.recipients.push((to, params));
                }
                session.accept(ask)
            }
            server::Event::BodyChunk(data) => {
                self.message.extend_from_slice(&data);
                Ok(())
            }
            server::Event::MessageEnd { ask, .. } => {
                if let Some(envelope) = self.envelope.take() {
                    let message = core::mem::take(&mut self.message);
                    self.complete.push((envelope, message));
                }
                session.accept(ask)
            }
            _ => Ok(()),
        };
    }
}

/// What the stub found.
#[derive(Default)]
struct Answers(Vec<stub::Event>);

impl DatagramApp<Stub> for Answers {
    fn on_event(&mut self, _: Duration, _: &mut Stub, event: stub::Event) {
        self.0.push(event);
    }
}

/// A connection of the queue has nothing to say by itself.
struct Silent;

impl StreamApp<QueueConnection> for Silent {
    fn on_event(&mut self, _: Duration, _: &mut QueueConnection, event: Infallible) {
        match event {}
    }
}

impl Crepes {
    fn new(number: u64) -> Self {
        let mut seed = [7; 32];
        for (octet, given) in seed.iter_mut().zip(number.to_le_bytes()) {
            *octet = given;
        }
        let now = Duration::ZERO;
        let mut client = client::Config::default();
        client.name = "crepes.fr".into();
        client.starttls = StartTls::Off;
        // The lecture sends one command after the other.
        client.pipelining = false;
        let mut config = queue::Config::default();
        config.host = "crepes.fr".into();
        config.client = Arc::new(client);
        let queue = Queue::new(now, config, queue::Limits::default(), seed);
        let stub = Stub::new(
            now,
            proto_dns::Config::new([DNS]),
            proto_dns::Limits::default(),
            seed,
        );
        let mut config = server::Config::default();
        config.host = "crepes.fr".into();
        config.starttls = false;
        Self {
            queue: Arc::new(Mutex::new(queue)),
            store: BTreeMap::new(),
            incoming: Vec::new(),
            outgoing: BTreeMap::new(),
            dns: DatagramNode::new(None, stub, Answers::default()),
            lookups: BTreeMap::new(),
            config: Arc::new(config),
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Works until nothing moves any more.
    fn work(&mut self, net: &mut Context<'_>) {
        let now = net.now();
        self.queue().handle_timeout(now);
        loop {
            let mut moved = self.take_submitted();
            moved |= self.take_answers(net);
            let action = self.queue().poll_action(now);
            if let Some(action) = action {
                moved = true;
                self.act(net, action);
            }
            for driver in self.outgoing.values_mut() {
                driver.drive(net, &mut Silent);
            }
            while let Some(event) = self.queue().poll_event() {
                if let Event::Failed { reason, .. } = event {
                    net.note(&format!("{reason:?}"));
                }
            }
            if !moved {
                return;
            }
        }
    }

    fn take_submitted(&mut self) -> bool {
        let mut complete = Vec::new();
        for (_, app) in &mut self.incoming {
            complete.append(&mut app.complete);
        }
        let is_new = !complete.is_empty();
        for (envelope, message) in complete {
            let octets = message.len() as u64;
            let submitted = self.queue().submit(envelope, octets);
            if let Ok(id) = submitted {
                self.store.insert(id, message.into());
            }
        }
        is_new
    }

    fn take_answers(&mut self, net: &mut Context<'_>) -> bool {
        let now = net.now();
        let answers = self
            .dns
            .act(net, |_, answers, _| core::mem::take(&mut answers.0));
        let is_new = !answers.is_empty();
        for answer in answers {
            let (id, found) = match answer {
                stub::Event::Answer { id, message, .. } => (id, Ok(message)),
                stub::Event::Failed { id, .. } => (id, Err(LookupFailure::TryLater)),
                _ => continue,
            };
            let Some((lookup, kind)) = self.lookups.remove(&id) else {
                continue;
            };
            let found = found.map(|message| {
                let records = message.view();
                let data = records.answers().filter_map(|record| record.data().ok());
                let (mut exchangers, mut addresses) = (Vec::new(), Vec::new());
                for data in data {
                    match data {
                        RData::Mx(mx) => exchangers.push(Exchanger {
                            preference: mx.preference,
                            host: mx.exchange.to_string(),
                        }),
                        RData::A(address) => addresses.push(IpAddr::V4(address)),
                        _ => {}
                    }
                }
                (exchangers, addresses)
            });
            let mut queue = self.queue();
            match kind {
                Type::MX => queue.handle_exchangers(now, lookup, found.map(|it| it.0)),
                _ => queue.handle_addresses(now, lookup, found.map(|it| it.1)),
            }
        }
        is_new
    }

    fn act(&mut self, net: &mut Context<'_>, action: Action) {
        let now = net.now();
        match action {
            Action::Store { message, .. } => self.queue().handle_stored(now, message),
            Action::Create { message, body, .. } => {
                self.store.insert(message, body);
                self.queue().handle_stored(now, message);
            }
            Action::Remove { message } => drop(self.store.remove(&message)),
            Action::Exchangers { id, domain } => self.ask(net, id, &domain, Type::MX),
            Action::Addresses { id, host } => self.ask(net, id, &host, Type::A),
            Action::Connect { id, to, .. } => {
                let machine = QueueConnection::new(Arc::clone(&self.queue), id);
                let driver = StreamDriver::new(machine, Some(net.connect(to)));
                self.outgoing.insert(id, driver);
            }
            Action::Close { id } => {
                let driver = self.outgoing.remove(&id);
                if let Some(stream) = driver.and_then(|driver| driver.stream()) {
                    net.close(stream);
                }
            }
            Action::Read {
                id,
                message,
                offset,
                max,
            } => {
                let body = self.store.get(&message).cloned().unwrap_or_default();
                let begin = usize::try_from(offset)
                    .unwrap_or(usize::MAX)
                    .min(body.len());
                let end = body.len().min(begin.saturating_add(max));
                let (part, is_end) = (body.slice(begin..end), end == body.len());
                self.queue().handle_read(now, id, part, is_end);
            }
            _ => {}
        }
    }

    fn ask(&mut self, net: &mut Context<'_>, id: LookupId, name: &str, kind: Type) {
        let query = name.parse::<Name>().ok().and_then(|name| {
            let question = Question::new(name, kind);
            let options = QueryOptions::default();
            self.dns
                .act(net, |stub, _, _| stub.query(question, options).ok())
        });
        match (query, kind) {
            (Some(query), _) => drop(self.lookups.insert(query, (id, kind))),
            (None, Type::MX) => {
                let none = Err(LookupFailure::NoSuchName);
                self.queue().handle_exchangers(net.now(), id, none);
            }
            (None, _) => {
                let none = Err(LookupFailure::NoSuchName);
                self.queue().handle_addresses(net.now(), id, none);
            }
        }
    }
}

impl Node for Crepes {
    fn handle(&mut self, net: &mut Context<'_>, fact: Fact) {
        let now = net.now();
        match &fact {
            Fact::Started => {
                net.listen(587);
                self.dns.handle(net, fact);
            }
            Fact::Accepted { stream, .. } => {
                let limits = server::Limits::default();
                let session = server::Session::new(now, Arc::clone(&self.config), limits);
                let mut driver = StreamDriver::new(session, Some(*stream));
                let mut app = Submit::default();
                driver.handle(net, &fact, &mut app);
                self.incoming.push((driver, app));
            }
            Fact::Connected { stream }
            | Fact::Refused { stream }
            | Fact::Readable { stream }
            | Fact::Writable { stream }
            | Fact::Eof { stream }
            | Fact::Reset { stream } => {
                self.tell(net, *stream, &fact);
            }
            _ => {
                for (driver, app) in &mut self.incoming {
                    driver.drive(net, app);
                }
                self.dns.handle(net, fact);
            }
        }
        self.work(net);
    }

    fn poll_timeout(&self) -> Option<Duration> {
        // Each connection asks the queue as well: it must not be locked meanwhile.
        let queue = self.queue().poll_timeout();
        let incoming = self
            .incoming
            .iter()
            .filter_map(|(driver, _)| driver.poll_timeout());
        let outgoing = self
            .outgoing
            .values()
            .filter_map(StreamDriver::poll_timeout);
        incoming
            .chain(outgoing)
            .chain(queue)
            .chain(self.dns.poll_timeout())
            .min()
    }
}

impl Crepes {
    /// A fact about a stream, for whoever drives it.
    fn tell(&mut self, net: &mut Context<'_>, stream: StreamId, fact: &Fact) {
        let incoming = self.incoming.iter_mut();
        for (driver, app) in incoming.filter(|(driver, _)| driver.stream() == Some(stream)) {
            driver.handle(net, fact, app);
        }
        let now = net.now();
        let found = self.outgoing.iter_mut();
        let found = found.filter(|(_, driver)| driver.stream() == Some(stream));
        for (id, driver) in found {
            if matches!(fact, Fact::Connected { .. }) {
                let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
                queue.handle_connected(now, *id);
            }
            driver.handle(net, fact, &mut Silent);
        }
        self.incoming
            .retain(|(driver, app)| !driver.is_done() || !app.complete.is_empty());
        self.outgoing.retain(|_, driver| !driver.is_done());
    }
}
