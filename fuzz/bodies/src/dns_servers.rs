//! DNS servers: the authority by any query, the machines by scripts.

use crate::cuts::Take;
use crate::dns_naive;
use crate::dns_world::{AUTHORITY, frame, query};
use crate::script::{self, DatagramApp, StreamApp};
use bytes::Bytes;
use core::net::SocketAddr;
use core::time::Duration;
use netio::shape::{Local, LocalId};
use proto_dns::server::{datagram, stream as server_stream};
use proto_dns::wire::{Flags, Header, Message, Rcode};
use proto_dns::{Limits, Transport};
use std::collections::VecDeque;

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
                if machine.discard(ask).is_ok() {
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
            if machine.discard(ask).is_ok() {
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
                let _ = machine.discard(ask);
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
