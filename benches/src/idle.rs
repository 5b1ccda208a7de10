//! Machines that have nothing to do: what a tick costs, and what they hold.

use crate::Case;
use bytes::BytesMut;
use core::hint::black_box;
use core::time::Duration;
use proto_dns::client::{QueryOptions, Stream as DnsClient, Stub};
use proto_dns::server::{Datagram, Stream as DnsServer};
use proto_dns::wire::{Question, Type};
use proto_mail::pop3::memory::{Connection, MemoryStore};
use proto_mail::pop3::{client, server};
use std::sync::{Arc, LazyLock};

const NOW: Duration = Duration::from_secs(1);

/// One configuration serves all sessions.
static SERVER: LazyLock<(Arc<server::Config>, Arc<server::Limits>)> = LazyLock::new(|| {
    let mut config = server::Config::default();
    config.allow_plaintext_auth = true;
    (config.into(), server::Limits::default().into())
});

static HTTP2: LazyLock<(Arc<proto_http2::Config>, Arc<proto_http2::Limits>)> =
    LazyLock::new(Default::default);

static CLIENT: LazyLock<(Arc<client::Config>, Arc<client::Limits>)> =
    LazyLock::new(Default::default);

/// A server session after its greeting has left.
#[must_use]
pub fn pop3_server() -> server::Session {
    let (config, limits) = SERVER.clone();
    let mut session = server::Session::new(NOW, config, limits, [7; 32]);
    while session.poll_transmit(NOW, usize::MAX).is_some() {}
    session
}

/// A server session whose user has logged in to a maildrop.
#[must_use]
pub fn pop3_server_logged_in(messages: u32) -> server::Session {
    let mut store = MemoryStore::new();
    store.add_user("bob", "hungry");
    for _ in 0..messages {
        store
            .deliver("bob", "Subject: idle\r\n\r\nNothing.\r\n")
            .unwrap();
    }
    let (config, limits) = SERVER.clone();
    let mut session = server::Session::new(NOW, config, limits, [7; 32]);
    let mut connection = Connection::new();
    let mut input = BytesMut::from("USER bob\r\nPASS hungry\r\n");
    while let Some(event) = session.poll_event(NOW, &mut input).unwrap() {
        store.handle(&mut connection, &mut session, event).unwrap();
    }
    while session.poll_transmit(NOW, usize::MAX).is_some() {}
    assert!(session.maildrop().is_some());
    session
}

/// A client session that has seen the greeting.
#[must_use]
pub fn pop3_client() -> client::Session {
    let (config, limits) = CLIENT.clone();
    let mut session = client::Session::new(NOW, config, limits);
    let mut input = BytesMut::from("+OK ready\r\n");
    while session.poll_event(NOW, &mut input).unwrap().is_some() {}
    session
}

/// A stub with so many queries under way.
#[must_use]
pub fn stub(queries: usize) -> Stub {
    let servers = [([192, 0, 2, 53], 53).into()];
    let config = proto_dns::Config::new(servers);
    let mut stub = Stub::new(NOW, config, proto_dns::Limits::default(), [7; 32]);
    for number in 0..queries {
        let name = format!("host{number}.example.com").parse().unwrap();
        let question = Question::new(name, Type::A);
        stub.query(question, QueryOptions::default()).unwrap();
    }
    while stub.poll_transmit(NOW).is_some() {}
    stub
}

/// A connection of a DNS server.
#[must_use]
pub fn dns_server_stream() -> DnsServer {
    DnsServer::new(NOW, proto_dns::Limits::default())
}

/// A connection to a DNS server.
#[must_use]
pub fn dns_client_stream() -> DnsClient {
    DnsClient::new(NOW, proto_dns::Limits::default(), [7; 32])
}

/// The UDP side of a DNS server.
#[must_use]
pub fn dns_server_datagram() -> Datagram {
    Datagram::new(NOW, proto_dns::Limits::default())
}

/// A server's HTTP/2 connection that has begun, and answered so many requests.
#[must_use]
pub fn http2_server(requests: u32) -> proto_http2::Connection {
    http2(requests, true)
}

/// The same with so many streams open.
#[must_use]
pub fn http2_server_busy(streams: u32) -> proto_http2::Connection {
    http2(streams, false)
}

fn http2(requests: u32, is_answered: bool) -> proto_http2::Connection {
    use proto_http2::{Config, Connection, Event, Fields, Limits, Transmit};
    let mut client = Connection::client(NOW, Config::default(), Limits::default());
    let mut server = Connection::server(NOW, HTTP2.0.clone(), HTTP2.1.clone());
    let (mut to_server, mut to_client) = (BytesMut::new(), BytesMut::new());
    for request in 0..=requests {
        if request > 0 {
            let path = format!("/object{request}");
            let fields = Fields::request("GET", "https", "utopia.example", &path)
                .with(
                    "user-agent",
                    "Mozilla/5.0 (X11; Linux x86_64) Browser/128.0",
                )
                .with("accept-encoding", "gzip, deflate, br");
            client.request(&fields, true).unwrap();
        }
        for _ in 0..2 {
            while let Some(Transmit::Data(data)) = client.poll_transmit(NOW, 65_536) {
                to_server.extend_from_slice(&data);
            }
            while let Some(event) = server.poll_event(NOW, &mut to_server).unwrap() {
                if let Event::Headers { id, .. } = event
                    && is_answered
                {
                    let response = Fields::response(200).with("content-type", "text/css");
                    server.respond(id, &response, true).unwrap();
                }
            }
            while let Some(Transmit::Data(data)) = server.poll_transmit(NOW, 65_536) {
                to_client.extend_from_slice(&data);
            }
            while client.poll_event(NOW, &mut to_client).unwrap().is_some() {}
        }
    }
    while server.poll_event(NOW, &mut to_server).unwrap().is_some() {}
    server
}

/// All cases of this module: what a loop does with each machine in each round.
#[must_use]
pub fn cases() -> Vec<Case> {
    let case = |name: &str, job| Case {
        group: "idle tick",
        name: name.into(),
        octets: None,
        jobs: vec![("ours", job)],
        is_comparable: false,
    };
    let mut session = pop3_server_logged_in(10);
    let mut input = BytesMut::new();
    let pop3 = move || {
        let session = black_box(&mut session);
        session.handle_timeout(NOW);
        let event = session.poll_event(NOW, &mut input);
        let step = session.poll_transmit(NOW, 65_536);
        assert!(matches!(event, Ok(None)) && step.is_none());
        session.poll_timeout().map_or(0, |at| at.as_secs())
    };
    let tick = |mut stub: Stub| {
        move || {
            let stub = black_box(&mut stub);
            stub.handle_timeout(NOW);
            let event = stub.poll_event();
            let (step, action) = (stub.poll_transmit(NOW), stub.poll_action(NOW));
            assert!(event.is_none() && step.is_none() && action.is_none());
            stub.poll_timeout().map_or(1, |at| at.as_secs())
        }
    };
    let mut stream = dns_server_stream();
    let mut stream_input = BytesMut::new();
    let dns = move || {
        let stream = black_box(&mut stream);
        stream.handle_timeout(NOW);
        let event = stream.poll_event(NOW, &mut stream_input);
        let step = stream.poll_transmit(NOW, 65_536);
        assert!(matches!(event, Ok(None)) && step.is_none());
        stream.poll_timeout().map_or(0, |at| at.as_secs())
    };
    vec![
        case("POP3 server session", Box::new(pop3)),
        case("DNS stub", Box::new(tick(stub(0)))),
        case("DNS stub, 100 queries under way", Box::new(tick(stub(100)))),
        case("DNS server connection", Box::new(dns)),
    ]
}
