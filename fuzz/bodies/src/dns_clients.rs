//! DNS clients by scripts: their servers, and whoever wants to deceive them.

use crate::cuts::Take;
use crate::dns_naive;
use crate::dns_world::{frame, frames, options, query, question, reply_to};
use crate::script::{self, DatagramApp, StreamApp};
use bytes::Bytes;
use core::net::SocketAddr;
use core::time::Duration;
use netio::shape::{Local, LocalId};
use proto_dns::client::stream as client_stream;
use proto_dns::client::stub::{self, Action, ConnectionId, Stub};
use proto_dns::wire::{Header, Message, Question};
use proto_dns::{Config, Limits, QueryId, Transport};
use std::collections::BTreeMap;

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
