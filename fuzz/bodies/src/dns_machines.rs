//! DNS: the machines and the authority, driven by scripts.

use crate::cuts::Take;
use crate::dns_naive;
use crate::script::{self, DatagramApp, StreamApp};
use bytes::Bytes;
use core::net::SocketAddr;
use core::time::Duration;
use netio::shape::{Local, LocalId};
use proto_dns::client::stub::{self, Action, ConnectionId, Stub};
use proto_dns::client::{QueryOptions, stream as client_stream};
use proto_dns::server::{Authority, Zone, datagram, stream as server_stream};
use proto_dns::wire::{
    Builder, Class, Flags, Header, Message, Mx, Name, Question, RData, Rcode, Soa, Txt, Type,
};
use proto_dns::{Config, Limits, QueryId, Transport};
use std::collections::{BTreeMap, VecDeque};
use std::sync::LazyLock;

const NAMES: [&str; 8] = [
    "example.com",
    "www.example.com",
    "alias.example.com",
    "any.wild.example.com",
    "host.sub.example.com",
    "nope.example.com",
    "example.org",
    ".",
];
const TYPES: [u16; 8] = [1, 28, 2, 5, 6, 15, 16, 255];

/// A zone with something of everything.
static AUTHORITY: LazyLock<Authority> = LazyLock::new(|| {
    let name = |text: &str| -> Name { text.parse().unwrap() };
    let host = name("ns1.example.com");
    let alias = name("www.example.com");
    let far = name("www.example.org");
    let below = name("ns.sub.example.com");
    let mut strings = Vec::new();
    Txt::encode([[b'x'; 255]; 5], &mut strings).unwrap();
    let soa = Soa {
        mname: host.view(),
        rname: host.view(),
        serial: 1,
        refresh: 7200,
        retry: 900,
        expire: 604_800,
        minimum: 60,
    };
    let mx = Mx {
        preference: 10,
        exchange: host.view(),
    };
    let mut zone = Zone::builder(name("example.com"));
    let txt = RData::Txt(Txt::from_wire(&strings).unwrap());
    for (owner, data) in [
        ("example.com", RData::Soa(soa)),
        ("example.com", RData::Ns(host.view())),
        ("example.com", RData::Mx(mx)),
        ("example.com", txt),
        ("ns1.example.com", RData::A([192, 0, 2, 53].into())),
        ("www.example.com", RData::A([192, 0, 2, 80].into())),
        ("www.example.com", RData::A([192, 0, 2, 81].into())),
        (
            "www.example.com",
            RData::Aaaa([0x2001, 0xdb8, 0, 0, 0, 0, 0, 80].into()),
        ),
        ("alias.example.com", RData::Cname(alias.view())),
        ("far.example.com", RData::Cname(far.view())),
        ("*.wild.example.com", RData::Mx(mx)),
        ("a.empty.example.com", RData::Ptr(host.view())),
        ("sub.example.com", RData::Ns(below.view())),
        ("ns.sub.example.com", RData::A([192, 0, 2, 54].into())),
    ] {
        zone.add(&name(owner), 300, &data).unwrap();
    }
    let mut authority = Authority::new();
    authority.insert(zone.build().unwrap()).unwrap();
    authority
});

/// A query that steers itself by a few octets.
fn query(input: &mut Take<'_>) -> Vec<u8> {
    let (id, choice) = (input.u16(), input.u8());
    let name: Name = NAMES[usize::from(choice % 8)].parse().unwrap();
    let qtype = Type(TYPES[usize::from(choice / 8 % 8)]);
    let mut buffer = [0; 512];
    let mut builder = Builder::new(&mut buffer, id, Flags::RD).unwrap();
    builder
        .push_question(name.view(), qtype, Class::IN)
        .unwrap();
    builder.finish().to_vec()
}

/// Any octets as a query: what is answered is a whole message that fits, and answers the query.
pub fn dns_authority(data: &[u8]) {
    let mut input = Take::new(data);
    let steer = input.u8();
    let over = if steer & 1 == 0 {
        Transport::Udp
    } else {
        Transport::Tcp
    };
    let mut asked = match steer & 2 {
        0 => Vec::new(),
        _ => query(&mut input),
    };
    asked.extend_from_slice(input.rest());
    let mut out = vec![
        0;
        if steer & 4 == 0 {
            65_535
        } else {
            512 + usize::from(steer) * 8
        }
    ];
    let Some(reply) = AUTHORITY.answer(&asked, over, &mut out) else {
        let header = Header::peek(&asked);
        assert!(header.is_err() || header.is_ok_and(|header| header.flags.is_response()));
        return;
    };
    check_reply(&asked, reply, over);
    // Nobody is answered who only answers: a reply of ours gets none.
    assert_eq!(AUTHORITY.answer(reply, over, &mut [0; 1232]), None);
}

fn check_reply(asked: &[u8], reply: &[u8], over: Transport) {
    let message = Message::parse(reply).expect("a reply can be parsed");
    assert!(dns_naive::message(reply).is_some());
    assert_eq!(message.trailing(), b"");
    let header = Header::peek(asked).expect("it was answered");
    assert_eq!(message.header().id, header.id);
    let flags = message.header().flags;
    assert!(flags.is_response());
    assert_eq!(flags.opcode(), header.flags.opcode());
    assert_eq!(flags.contains(Flags::RD), header.flags.contains(Flags::RD));
    let parsed = Message::parse(asked);
    let edns = parsed.as_ref().ok().and_then(Message::edns);
    let most = match (over, edns) {
        (Transport::Tcp, _) => 65_535,
        (Transport::Udp, None) => 512,
        (Transport::Udp, Some(edns)) => usize::from(edns.udp_payload.clamp(512, 1232)),
    };
    assert!(reply.len() <= most, "{} octets for {most}", reply.len());
    let Ok(parsed) = parsed else {
        assert_ne!(message.rcode(), Rcode::NOERROR, "an answer to {asked:?}");
        return;
    };
    assert!(
        message.edns().is_none() || edns.is_some(),
        "OPT was not asked for"
    );
    if edns.is_some_and(|edns| edns.version > 0) && message.rcode() == Rcode::NOERROR {
        panic!("version {edns:?} was taken");
    }
    if let (Some(question), Some(echo)) = (parsed.question(), message.question()) {
        assert_eq!(question, echo);
    }
    for record in message.answers() {
        assert!(record.data().is_ok());
    }
}

/// The server's side of a connection.
pub fn dns_server_stream_script(data: &[u8]) {
    let mut script = Take::new(data);
    let mut limits = Limits::default();
    let steer = script.u8();
    limits.max_stream_questions = 1 + usize::from(steer % 8);
    limits.max_queued_output = 64 << (steer / 8 % 8);
    if steer & 0x80 == 0 {
        limits.answer_deadline = None;
    }
    let machine = server_stream::Stream::new(Duration::from_secs(1), limits);
    script::run_stream(ServerStream::default(), machine, &mut script);
}

#[derive(Default)]
struct ServerStream {
    open: VecDeque<(server_stream::Ask, Bytes)>,
    /// What was answered and has not left yet.
    due: VecDeque<u8>,
    asked: u64,
    settled: u64,
    peer_closed: bool,
}

impl ServerStream {
    fn answer(&mut self, machine: &mut server_stream::Stream, input: &mut Take<'_>) {
        let choice = input.u8();
        let len = self.open.len();
        if len == 0 {
            return;
        }
        // In any order.
        let (ask, message) = self
            .open
            .remove(usize::from(choice / 8) % len)
            .expect("in range");
        let reply = match choice % 4 {
            0 => {
                if machine.drop(ask).is_ok() {
                    self.settled += 1;
                }
                return;
            }
            1 => AUTHORITY.reply(&message, Transport::Tcp).unwrap_or(message),
            2 => Bytes::from(vec![choice; 12 + usize::from(choice) * 16]),
            _ => message,
        };
        let len = u16::try_from(reply.len()).expect("short");
        if machine.answer(ask, reply.clone()).is_ok() {
            self.settled += 1;
            self.due.extend(len.to_be_bytes());
            self.due.extend(&reply);
        }
    }
}

impl StreamApp for ServerStream {
    type Machine = server_stream::Stream;

    fn event(
        &mut self,
        machine: &mut server_stream::Stream,
        _: Duration,
        event: server_stream::Event,
        input: &mut Take<'_>,
    ) {
        match event {
            server_stream::Event::Query { ask, message } => {
                assert!(!self.peer_closed);
                assert!(Header::peek(&message).is_ok_and(|header| !header.flags.is_response()));
                self.asked += 1;
                self.open.push_back((ask, message));
                if input.bool() {
                    self.answer(machine, input);
                }
            }
            server_stream::Event::PeerClosed => {
                assert!(!self.peer_closed, "twice");
                self.peer_closed = true;
            }
            event => panic!("unknown {event:?}"),
        }
    }

    fn command(&mut self, machine: &mut server_stream::Stream, _: Duration, input: &mut Take<'_>) {
        self.answer(machine, input);
    }

    fn phrase(&mut self, input: &mut Take<'_>) -> Vec<u8> {
        frame(&query(input))
    }

    fn sent(&mut self, data: &Bytes) {
        assert!(data.len() <= self.due.len(), "octets that nobody answered");
        assert!(data.iter().copied().eq(self.due.drain(..data.len())));
    }

    fn failed(&mut self, _: &proto_dns::Error) {
        assert!(!self.peer_closed, "an error after the end");
    }

    fn settle(&mut self, machine: &mut server_stream::Stream, _: Duration) {
        for (ask, _) in self.open.drain(..) {
            if machine.drop(ask).is_ok() {
                self.settled += 1;
            }
        }
    }

    fn check(&self, machine: &server_stream::Stream) {
        let (stats, limits) = (machine.stats(), machine.limits());
        assert_eq!(stats.queries, self.asked);
        let open = stats.queries - stats.answers - stats.dropped - stats.expired;
        let most = u64::try_from(limits.max_stream_questions).unwrap();
        assert!(open <= most || machine.is_closed(), "{open} are open");
        assert_eq!(stats.answers + stats.dropped, self.settled);
    }

    fn finish(self, _: &server_stream::Stream) {}

    fn most_pending(&self, _: &server_stream::Stream) -> usize {
        65_535 + 2
    }
}

fn frame(message: &[u8]) -> Vec<u8> {
    let len = u16::try_from(message.len()).expect("short");
    [&len.to_be_bytes(), message].concat()
}

/// The server's side of UDP.
pub fn dns_server_datagram_script(data: &[u8]) {
    let mut script = Take::new(data);
    let mut limits = Limits::default();
    let steer = script.u8();
    limits.max_datagram_questions = 1 + usize::from(steer % 8);
    if steer & 0x80 == 0 {
        limits.answer_deadline = Some(Duration::from_millis(1 << (steer / 8 % 8)));
    }
    let machine = datagram::Datagram::new(Duration::from_secs(1), limits);
    script::run_datagram(ServerDatagram::default(), machine, &mut script);
}

#[derive(Default)]
struct ServerDatagram {
    open: VecDeque<(datagram::Ask, Bytes, SocketAddr, LocalId)>,
    due: VecDeque<(LocalId, SocketAddr, Bytes)>,
}

impl ServerDatagram {
    fn answer(&mut self, machine: &mut datagram::Datagram, choice: u8) {
        let len = self.open.len();
        if len == 0 {
            return;
        }
        let index = usize::from(choice / 4) % len;
        let (ask, message, from, local) = self.open.remove(index).expect("in range");
        let reply = match choice % 4 {
            0 => {
                let _ = machine.drop(ask);
                return;
            }
            1 => AUTHORITY.reply(&message, Transport::Udp).unwrap_or(message),
            _ => message,
        };
        if machine.answer(ask, reply.clone()).is_ok() {
            self.due.push_back((local, from, reply));
        }
    }
}

impl DatagramApp for ServerDatagram {
    type Machine = datagram::Datagram;

    fn event(
        &mut self,
        machine: &mut datagram::Datagram,
        _: Duration,
        event: datagram::Event,
        input: &mut Take<'_>,
    ) {
        let datagram::Event::Query {
            ask,
            message,
            from,
            local,
        } = event
        else {
            panic!("unknown {event:?}");
        };
        let local = LocalId(local.0);
        self.open.push_back((ask, message, from, local));
        if input.bool() {
            self.answer(machine, input.u8());
        }
    }

    fn command(&mut self, machine: &mut datagram::Datagram, _: Duration, input: &mut Take<'_>) {
        self.answer(machine, input.u8());
    }

    fn datagram(&mut self, input: &mut Take<'_>) -> (LocalId, SocketAddr, Vec<u8>) {
        let choice = input.u8();
        let from = SocketAddr::from(([192, 0, 2, choice], u16::from(choice / 16)));
        let data = match choice % 4 {
            0 => input.short().to_vec(),
            _ => query(input),
        };
        (LocalId(u64::from(choice % 4)), from, data)
    }

    fn sent(&mut self, local: Local, to: SocketAddr, payload: &Bytes) {
        let due = self.due.pop_front();
        let Local::Id(local) = local else {
            panic!("an answer leaves by the socket that was asked, not {local:?}");
        };
        assert_eq!(due, Some((local, to, payload.clone())));
        assert_ne!(to.port(), 0);
    }

    fn check(&self, machine: &datagram::Datagram) {
        let stats = machine.stats();
        let open = stats.queries - stats.answers - stats.dropped - stats.expired;
        let waiting = open + u64::try_from(self.due.len()).unwrap();
        let most = machine.limits().max_datagram_questions;
        assert!(waiting <= u64::try_from(most).unwrap(), "{waiting} wait");
    }

    fn finish(mut self, machine: &datagram::Datagram) {
        assert!(self.due.is_empty(), "answers are left: {machine:?}");
        assert!(machine.poll_timeout().is_none());
        self.open.clear();
    }
}

/// The reply to a query that was sent, as a server may make it, or as an attacker would.
fn reply_to(sent: &[u8], input: &mut Take<'_>) -> Vec<u8> {
    let (kind, detail) = (input.u8(), input.u8());
    let honest = || match AUTHORITY.reply(sent, Transport::Tcp) {
        Some(reply) => reply.to_vec(),
        None => sent.to_vec(),
    };
    let Ok(message) = Message::parse(sent) else {
        return sent.to_vec();
    };
    let flags = message.header().flags;
    match kind % 8 {
        0 | 1 => honest(),
        2 => {
            // An answer that says no more than a code.
            let header = Header {
                flags: flags
                    .with(Flags::QR, true)
                    .with_low_rcode(Rcode(u16::from(detail))),
                counts: [0; 4],
                ..*message.header()
            };
            header.encode().to_vec()
        }
        3 => {
            let mut reply = sent.to_vec();
            reply[2] |= 0x80 | if detail & 1 == 0 { 0x02 } else { 0 };
            reply[3] = reply[3] & 0xf0 | detail >> 4;
            reply
        }
        4 => {
            let mut reply = honest();
            let bit = usize::from(detail) % (reply.len() * 8);
            reply[bit / 8] ^= 1 << (bit % 8);
            reply
        }
        5 => {
            let mut reply = honest();
            reply.truncate(usize::from(detail));
            reply
        }
        6 => {
            let mut reply = honest();
            for octet in &mut reply[12..] {
                *octet = octet.to_ascii_lowercase();
            }
            reply
        }
        _ => input.short().to_vec(),
    }
}

fn question(choice: u8) -> Question {
    let name = NAMES[usize::from(choice % 8)].parse().unwrap();
    Question::new(name, Type(TYPES[usize::from(choice / 8 % 8)]))
}

fn options(choice: u8) -> QueryOptions {
    let mut options = QueryOptions::default();
    options.recursion_desired = choice & 1 == 0;
    options.dnssec_ok = choice & 2 != 0;
    options.edns = choice & 4 == 0;
    options.tcp = choice & 24 == 24;
    options
}

/// The client's side of a connection.
pub fn dns_stream_client_script(data: &[u8]) {
    let mut script = Take::new(data);
    let mut limits = Limits::default();
    let steer = script.u8();
    limits.max_queries = 1 + usize::from(steer % 8);
    limits.max_queued_output = 64 << (steer / 8 % 8);
    let machine = client_stream::Stream::new(Duration::from_secs(1), limits, [steer; 32]);
    script::run_stream(ClientStream::default(), machine, &mut script);
}

#[derive(Default)]
struct ClientStream {
    /// How many final events each query had.
    finals: BTreeMap<QueryId, (Question, u8)>,
    sent: Vec<u8>,
    raw: bool,
    peer_closed: bool,
    failed: bool,
}

impl ClientStream {
    fn end(&mut self, id: QueryId) -> Question {
        assert!(!self.peer_closed && !self.failed, "too late for {id:?}");
        let (question, finals) = self.finals.get_mut(&id).expect("a query that was made");
        *finals += 1;
        assert_eq!(*finals, 1, "{id:?} has ended before");
        question.clone()
    }
}

impl StreamApp for ClientStream {
    type Machine = client_stream::Stream;

    fn event(
        &mut self,
        _: &mut client_stream::Stream,
        _: Duration,
        event: client_stream::Event,
        _: &mut Take<'_>,
    ) {
        match event {
            client_stream::Event::Answer { id, message } => {
                let asked = self.end(id);
                let echo = message.view().question().map(|echo| echo.to_question());
                assert_eq!(echo, Some(asked));
                assert!(message.view().header().flags.is_response());
            }
            client_stream::Event::Failed { id, .. } => drop(self.end(id)),
            client_stream::Event::Message(message) => {
                assert!(self.raw && message.len() >= Header::LEN);
            }
            client_stream::Event::PeerClosed => {
                assert!(!self.peer_closed, "twice");
                self.peer_closed = true;
            }
            event => panic!("unknown {event:?}"),
        }
    }

    fn command(&mut self, machine: &mut client_stream::Stream, _: Duration, input: &mut Take<'_>) {
        let (kind, choice) = (input.u8(), input.u8());
        match kind % 8 {
            0 => machine.cancel(QueryId(u64::from(choice % 16))),
            1 => self.raw |= machine.send(query(input).into()).is_ok(),
            2 => assert!(machine.send(Bytes::from_static(b"too short")).is_err()),
            _ => {
                let question = question(choice);
                if let Ok(id) = machine.query(question.clone(), options(kind / 8)) {
                    assert!(
                        self.finals.insert(id, (question, 0)).is_none(),
                        "{id:?} is used"
                    );
                }
            }
        }
    }

    fn phrase(&mut self, input: &mut Take<'_>) -> Vec<u8> {
        let choice = usize::from(input.u8());
        let queries = frames(&self.sent);
        match queries.get(choice % queries.len().max(1)) {
            Some(sent) => frame(&reply_to(sent, input)),
            None => frame(input.short()),
        }
    }

    fn sent(&mut self, data: &Bytes) {
        self.sent.extend_from_slice(data);
    }

    fn failed(&mut self, _: &proto_dns::Error) {
        assert!(!self.peer_closed);
        self.failed = true;
    }

    fn settle(&mut self, _: &mut client_stream::Stream, _: Duration) {}

    fn check(&self, machine: &client_stream::Stream) {
        let stats = machine.stats();
        assert_eq!(stats.queries, u64::try_from(self.finals.len()).unwrap());
        let ended = stats.answers + stats.failures;
        let told: u64 = self
            .finals
            .values()
            .map(|(_, finals)| u64::from(*finals))
            .sum();
        assert!(told <= ended && ended <= stats.queries);
        let open = usize::try_from(stats.queries - told).unwrap();
        assert!(open <= machine.limits().max_queries, "{open} are open");
    }

    fn finish(self, _: &client_stream::Stream) {
        for (id, (_, finals)) in self.finals {
            assert_eq!(finals, 1, "{id:?}");
        }
    }

    fn most_pending(&self, _: &client_stream::Stream) -> usize {
        65_535 + 2
    }
}

/// The whole messages in a stream.
fn frames(mut stream: &[u8]) -> Vec<&[u8]> {
    let mut messages = Vec::new();
    while let Some((prefix, rest)) = stream.split_first_chunk() {
        let len = usize::from(u16::from_be_bytes(*prefix));
        let Some((message, rest)) = rest.split_at_checked(len) else {
            break;
        };
        messages.push(message);
        stream = rest;
    }
    messages
}

/// The stub, its servers, and whoever wants to deceive it.
pub fn dns_stub_script(data: &[u8]) {
    let mut script = Take::new(data);
    let steer = script.u8();
    let server = |last: u8| SocketAddr::from(([192, 0, 2, last], 53));
    let servers: Vec<_> = (0..=steer % 3).map(server).collect();
    let mut config = Config::new(servers);
    config.mix_case = steer & 8 == 0;
    config.rotate = steer & 16 != 0;
    config.attempts = 1 + u32::from(steer >> 5 & 1);
    let mut limits = Limits::default();
    limits.max_queries = 4 + usize::from(steer >> 6);
    let machine = Stub::new(Duration::from_secs(1), config, limits, [steer; 32]);
    script::run_datagram(StubApp::default(), machine, &mut script);
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    Connecting,
    Open,
    /// The stub was told so.
    Lost,
    /// The stub wished it.
    Closed,
}

impl Link {
    fn is_up(self) -> bool {
        matches!(self, Self::Connecting | Self::Open)
    }
}

#[derive(Default)]
struct StubApp {
    finals: BTreeMap<QueryId, (Question, u8)>,
    /// Queries that left, by the socket that they left from.
    sent: Vec<(LocalId, SocketAddr, Bytes)>,
    /// What was handed to the stub, from where.
    heard: Vec<(LocalId, SocketAddr, Vec<u8>)>,
    links: BTreeMap<ConnectionId, (SocketAddr, Link)>,
    sent_tcp: Vec<(ConnectionId, Bytes)>,
    heard_tcp: Vec<(ConnectionId, Vec<u8>)>,
}

impl StubApp {
    fn end(&mut self, id: QueryId) -> Question {
        let (question, finals) = self.finals.get_mut(&id).expect("a query that was made");
        *finals += 1;
        assert_eq!(*finals, 1, "{id:?} has ended before");
        question.clone()
    }

    /// RFC 5452 section 9.1: some datagram came from where the query went, to where it left from,
    /// with its id and its question, octet by octet, and says what the answer says.
    fn is_backed(&self, message: &[u8], server: SocketAddr, over: Transport) -> bool {
        let end = question_end(message);
        let fits = |sent: &[u8], heard: &[u8]| {
            heard.len() == message.len()
                && heard[..Header::LEN] == message[..Header::LEN]
                && heard[end..] == message[end..]
                && heard[..2] == sent[..2]
        };
        match over {
            Transport::Udp => self.heard.iter().any(|(local, from, heard)| {
                *from == server
                    && self.sent.iter().any(|(socket, to, sent)| {
                        socket == local
                            && to == from
                            && fits(sent, heard)
                            && sent.get(12..end) == heard.get(12..end)
                    })
            }),
            Transport::Tcp => self.heard_tcp.iter().any(|(link, heard)| {
                self.links[link].0 == server
                    && self
                        .sent_tcp
                        .iter()
                        .any(|(sent_link, sent)| sent_link == link && fits(sent, heard))
            }),
        }
    }
}

/// Where the question of a message ends that has one.
fn question_end(message: &[u8]) -> usize {
    let (_, end) = dns_naive::name(message, 12).expect("a question");
    end + 4
}

impl DatagramApp for StubApp {
    type Machine = Stub;

    fn event(&mut self, _: &mut Stub, _: Duration, event: stub::Event, _: &mut Take<'_>) {
        match event {
            stub::Event::Answer {
                id,
                message,
                server,
                over,
            } => {
                let asked = self.end(id);
                let echo = message.view().question().map(|echo| echo.to_question());
                assert_eq!(echo.as_ref(), Some(&asked));
                let echo = echo.expect("just compared");
                if over == Transport::Udp {
                    assert_eq!(
                        echo.name.as_wire(),
                        asked.name.as_wire(),
                        "case is restored"
                    );
                }
                assert!(
                    self.is_backed(message.octets(), server, over),
                    "{message:?} is forged"
                );
            }
            stub::Event::Failed { id, .. } => drop(self.end(id)),
            event => panic!("unknown {event:?}"),
        }
    }

    fn command(&mut self, machine: &mut Stub, now: Duration, input: &mut Take<'_>) {
        let (kind, choice) = (input.u8(), input.u8());
        let link = ConnectionId(u64::from(choice % 8));
        let mut tell = |fact: Link| match self.links.get_mut(&link) {
            Some((_, state)) if state.is_up() => *state = fact,
            _ => {}
        };
        match kind % 8 {
            0 => machine.cancel(QueryId(u64::from(choice % 16))),
            1 | 2 => {
                tell(Link::Open);
                machine.handle_connected(now, link);
            }
            3 if kind & 8 == 0 => {
                tell(Link::Lost);
                machine.handle_connect_failed(now, link);
            }
            3 => {
                tell(Link::Lost);
                machine.handle_closed(now, link);
            }
            4 => {
                // A reply to what was sent, on its connection or on another.
                let index = usize::from(choice) % self.sent_tcp.len().max(1);
                let Some((own, sent)) = self.sent_tcp.get(index) else {
                    return;
                };
                let link = if kind & 8 == 0 { *own } else { link };
                let message = reply_to(sent, input);
                machine.handle_message(now, link, &message);
                if self.links.contains_key(&link) {
                    self.heard_tcp.push((link, message));
                }
            }
            _ => {
                let question = question(choice);
                if let Ok(id) = machine.query(question.clone(), options(kind / 8)) {
                    assert!(
                        self.finals.insert(id, (question, 0)).is_none(),
                        "{id:?} is used"
                    );
                }
            }
        }
    }

    fn datagram(&mut self, input: &mut Take<'_>) -> (LocalId, SocketAddr, Vec<u8>) {
        let (choice, how) = (input.u8(), input.u8());
        let index = usize::from(choice) % self.sent.len().max(1);
        let datagram = match self.sent.get(index) {
            Some((local, to, sent)) => {
                let data = reply_to(sent, input);
                let other = SocketAddr::from(([192, 0, 2, how], 53));
                let from = if how % 8 == 0 { other } else { *to };
                let local = if how / 8 % 8 == 0 {
                    LocalId(how.into())
                } else {
                    *local
                };
                (local, from, data)
            }
            None => {
                let from = SocketAddr::from(([192, 0, 2, how], 53));
                (LocalId(choice.into()), from, input.short().to_vec())
            }
        };
        self.heard.push(datagram.clone());
        datagram
    }

    fn sent(&mut self, local: Local, to: SocketAddr, payload: &Bytes) {
        let Local::Fresh(local) = local else {
            panic!("each attempt leaves from a fresh port, not {local:?}");
        };
        let message = Message::parse(payload).expect("a query can be parsed");
        assert!(message.question().is_some() && !message.header().flags.is_response());
        assert!(payload.len() <= 512);
        self.sent.push((local, to, payload.clone()));
    }

    fn wishes(&mut self, machine: &mut Stub, now: Duration) {
        for wishes in 0.. {
            assert!(wishes < 10_000, "wishes without end: {machine:?}");
            match machine.poll_action(now) {
                None => return,
                Some(Action::Connect { id, to }) => {
                    let before = self.links.insert(id, (to, Link::Connecting));
                    assert_eq!(before, None, "{id:?} is used");
                    let parallel =
                        |(other, link): &&(SocketAddr, Link)| *other == to && link.is_up();
                    assert_eq!(self.links.values().filter(parallel).count(), 1);
                }
                Some(Action::Send { id, message }) => {
                    let link = self.links[&id].1;
                    assert!(
                        matches!(link, Link::Open | Link::Lost),
                        "{id:?} is {link:?}"
                    );
                    assert!(Message::parse(&message).is_ok());
                    self.sent_tcp.push((id, message));
                }
                Some(Action::Close { id }) => {
                    let link = &mut self.links.get_mut(&id).expect("a connection").1;
                    assert_ne!(*link, Link::Closed, "{id:?} is closed twice");
                    *link = Link::Closed;
                }
            }
        }
    }

    fn check(&self, machine: &Stub) {
        let stats = machine.stats();
        assert_eq!(stats.queries, u64::try_from(self.finals.len()).unwrap());
        let told: u64 = self
            .finals
            .values()
            .map(|(_, finals)| u64::from(*finals))
            .sum();
        assert!(told <= stats.answers + stats.failures);
        let open = usize::try_from(stats.queries - told).unwrap();
        assert!(open <= machine.limits().max_queries, "{open} are open");
    }

    fn finish(self, machine: &Stub) {
        for (id, (_, finals)) in &self.finals {
            assert_eq!(*finals, 1, "{id:?}: {machine:?}");
        }
        for (id, (_, link)) in &self.links {
            assert!(!link.is_up(), "{id:?} is left open: {machine:?}");
        }
        assert_eq!(machine.poll_timeout(), None);
    }
}
