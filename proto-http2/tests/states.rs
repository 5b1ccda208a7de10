//! States of streams and of the connection: reserved streams, priorities before their streams,
//! windows, settings, the end in two steps.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test fails by panicking"
)]

mod common;

use bytes::Bytes;
use common::{Driven, T0, Wire, get};
use core::time::Duration;
use proto_http2::wire::{ErrorCode, Frame, FrameType, MAX_WINDOW};
use proto_http2::{
    Config, Connection, Event, Fields, Limit, Limits, Reason, StreamEnd, StreamId, UsageError,
};

const ACK: Frame<'static> = Frame::Settings {
    ack: true,
    payload: b"",
};

fn at(seconds: u64) -> Duration {
    T0 + Duration::from_secs(seconds)
}

fn ids(driven: &Driven) -> Vec<StreamId> {
    let ids = driven.events.iter().filter_map(|event| match event {
        Event::Headers { id, .. } => Some(*id),
        _ => None,
    });
    ids.collect()
}

fn ends(driven: &Driven) -> Vec<(u32, StreamEnd)> {
    let ends = driven.events.iter().filter_map(|event| match event {
        Event::Closed { id, end } => Some((id.number(), *end)),
        _ => None,
    });
    ends.collect()
}

fn post() -> Fields {
    Fields::request("POST", "http", "utopia.example", "/form")
}

/// A client that takes promises, with so many requests.
fn pushed_to(limits: Limits, requests: usize) -> Driven {
    let mut config = Config::default();
    config.enable_push = true;
    let mut machine = Connection::client(T0, config, limits);
    for _ in 0..requests {
        machine.request(&get("/"), true).unwrap();
    }
    let mut driven = Driven::over(machine);
    driven.drain();
    driven
}

fn promise(mut wire: Wire, parent: u32, promised: u32) -> Wire {
    let fragment = wire.block(&get("/style.css"));
    wire.frame(Frame::PushPromise {
        stream: parent,
        promised,
        fragment: &fragment,
        end_headers: true,
        padding: None,
    })
}

/// However a reserved stream ends, its place is free again.
#[test]
fn reserved_streams_are_counted_once_however_they_end() {
    let most = Limits::default().max_reserved;
    let mut driven = pushed_to(Limits::default(), 1);
    let mut wire = Wire::new().settings(&[]).frame(ACK);
    let mut promised = 0;
    for round in 0..10 * most {
        promised += 2;
        wire = promise(wire, 1, promised);
        wire = match round % 4 {
            0 => wire.reset(promised),
            1 => wire.headers(promised, &Fields::response(200), true),
            // No status: malformed while it is still reserved.
            2 => wire.headers(promised, &Fields::new().with("a", "b"), true),
            _ => wire
                .headers(promised, &Fields::response(200), false)
                .reset(promised),
        };
    }
    for _ in 0..most {
        promised += 2;
        wire = promise(wire, 1, promised);
    }
    driven.feed(wire.octets.split().freeze());
    driven.drain();
    assert!(driven.error.is_none(), "{:?}", driven.error);
    let refused = driven.resets();
    assert!(
        refused
            .iter()
            .all(|(_, code)| *code == ErrorCode::PROTOCOL_ERROR),
        "{refused:?}"
    );
    // The next is one too many; when we reset one, there is room again.
    driven.feed(promise(wire, 1, promised + 2).octets);
    driven.drain();
    assert_eq!(
        driven.resets().last(),
        Some(&(promised + 2, ErrorCode::REFUSED_STREAM))
    );
    let pushed = driven.events.iter().rev().find_map(|event| match event {
        Event::Push { id, .. } => Some(*id),
        _ => None,
    });
    driven
        .machine
        .reset(pushed.unwrap(), ErrorCode::CANCEL)
        .unwrap();
    let before = ends(&driven).len();
    driven.feed(promise(Wire::new(), 1, promised + 4).octets);
    assert_eq!(
        ends(&driven).len(),
        before + 1,
        "only the one that was reset"
    );
}

/// Responses that were promised and have begun count against the streams that a peer may have open.
#[test]
fn promised_streams_count_as_open_once_they_begin() {
    let mut limits = Limits::default();
    limits.max_concurrent_streams = 4;
    let mut driven = pushed_to(limits, 1);
    let mut wire = Wire::new().settings(&[]).frame(ACK);
    for promised in (2..=12).step_by(2) {
        wire = promise(wire, 1, promised).headers(promised, &Fields::response(200), false);
    }
    driven.feed(wire.bytes());
    driven.drain();
    assert_eq!(
        driven.resets(),
        [
            (10, ErrorCode::REFUSED_STREAM),
            (12, ErrorCode::REFUSED_STREAM)
        ]
    );
}

/// RFC 9113 section 5.1: nothing but a head, a reset or a priority comes for what is reserved.
#[test]
fn reserved_streams_take_no_data_and_no_credit() {
    let begun = || promise(Wire::new().settings(&[]).frame(ACK), 1, 2);
    let credit = Frame::WindowUpdate {
        stream: 2,
        increment: 1,
    };
    for wire in [begun().data(2, b"x", false), begun().frame(credit)] {
        let mut driven = pushed_to(Limits::default(), 1);
        driven.feed(wire.bytes());
        driven.drain();
        assert_eq!(driven.goaway(), Some(ErrorCode::PROTOCOL_ERROR));
    }
    let mut driven = Driven::server(Limits::default());
    driven.feed(Wire::client().get(1).bytes());
    let pushed = driven.machine.push(ids(&driven)[0], &get("/a")).unwrap();
    let credit = Frame::WindowUpdate {
        stream: pushed.number(),
        increment: 1,
    };
    driven.feed(Wire::new().frame(credit).bytes());
    assert!(
        driven.error.is_none(),
        "credit may come before the response"
    );
    driven.feed(Wire::new().data(pushed.number(), b"x", false).bytes());
    driven.drain();
    assert_eq!(driven.goaway(), Some(ErrorCode::PROTOCOL_ERROR));
}

/// RFC 9113 section 6.6: a promise belongs to a stream that the client opened.
#[test]
fn a_pushed_stream_carries_no_promise() {
    let mut driven = pushed_to(Limits::default(), 1);
    let wire = promise(Wire::new().settings(&[]).frame(ACK), 1, 2);
    let wire = wire.headers(2, &Fields::response(200), false);
    driven.feed(promise(wire, 2, 4).bytes());
    driven.drain();
    assert_eq!(driven.goaway(), Some(ErrorCode::PROTOCOL_ERROR));
}

#[test]
fn a_promise_that_was_not_kept_has_its_last_event() {
    let mut driven = pushed_to(Limits::default(), 1);
    let wire = Wire::new().settings(&[]).frame(ACK);
    let wire = promise(wire, 1, 2).headers(1, &Fields::response(200), true);
    driven.feed(wire.bytes());
    driven.machine.handle_eof(T0);
    driven.poll();
    driven.drain();
    assert_eq!(
        ends(&driven),
        [(1, StreamEnd::Complete), (2, StreamEnd::ConnectionLost)]
    );
    assert!(driven.machine.is_closed());
}

/// What was said of streams that were passed over is forgotten, and does not keep out what is said
/// of others.
#[test]
fn priorities_of_streams_that_never_open_are_forgotten() {
    let update = |prioritized, value| Frame::PriorityUpdate { prioritized, value };
    let most = Limits::default().max_idle_priorities;
    let mut driven = Driven::server(Limits::default());
    let mut wire = Wire::client();
    for index in 0..most {
        wire = wire.frame(update(index * 2 + 3, b"u=7"));
    }
    let last = most * 2 + 5;
    // Passes over all of them.
    wire = wire.get(last);
    let (slow, fast) = (last + 2, last + 4);
    wire = wire.frame(update(fast, b"u=0")).get(slow).get(fast);
    driven.feed(wire.bytes());
    for id in ids(&driven).into_iter().skip(1) {
        let response = Fields::response(200);
        driven.machine.respond(id, &response, false).unwrap();
        driven
            .machine
            .send_data(id, &mut Bytes::from(vec![7; 20_000]), true)
            .unwrap();
    }
    driven.drain();
    let order: Vec<_> = driven
        .sent
        .iter()
        .filter(|frame| frame.header.kind == FrameType::DATA)
        .map(|frame| frame.header.stream)
        .collect();
    assert_eq!(order, [fast, fast, slow, slow]);
}

/// The windows that a peer sees, from all that was said to it.
#[derive(Debug)]
struct Peer {
    initial: i64,
    stream: i64,
    most: i64,
}

impl Peer {
    fn hear(&mut self, driven: &mut Driven) {
        driven.drain();
        for frame in driven.sent.drain(..) {
            match frame.frame().unwrap() {
                Frame::WindowUpdate {
                    stream: 1,
                    increment,
                } => self.stream += i64::from(increment),
                Frame::Settings {
                    ack: false,
                    payload,
                } => {
                    for setting in Frame::settings(payload) {
                        if setting.id.0 == 4 {
                            let new = i64::from(setting.value);
                            self.stream += new - self.initial;
                            self.initial = new;
                        }
                    }
                }
                _ => {}
            }
            self.most = self.most.max(self.stream);
        }
    }
}

/// Credit given before the peer has seen new settings does not come on top of them.
#[test]
fn no_window_grows_above_its_target() {
    for window in [100_000, 256 * 1024, MAX_WINDOW] {
        let mut config = Config::default();
        config.stream_window = window;
        config.connection_window = MAX_WINDOW;
        let machine = Connection::server(T0, config, Limits::default());
        let mut driven = Driven::over(machine);
        let mut peer = Peer {
            initial: 65_535,
            stream: 65_535,
            most: 0,
        };
        // The body begins before our settings are acknowledged.
        let mut wire = Wire::client().headers(1, &post(), false);
        for _ in 0..3 {
            wire = wire.data(1, &[0; 16_000], false);
            peer.stream -= 16_000;
        }
        driven.feed(wire.bytes());
        peer.hear(&mut driven);
        driven.feed(Wire::new().frame(ACK).bytes());
        for _ in 0..20 {
            driven.feed(Wire::new().data(1, &[0; 16_000], false).bytes());
            peer.stream -= 16_000;
            peer.hear(&mut driven);
        }
        assert!(driven.error.is_none());
        assert!(
            peer.most <= i64::from(window.max(65_535)),
            "{window}: {peer:?}"
        );
        // Twice as much, while the body goes on.
        let mut settings = *driven.machine.local_settings();
        settings.initial_window_size = window.saturating_mul(2).min(MAX_WINDOW);
        driven.machine.update_settings(settings).unwrap();
        for round in 0..40 {
            if round == 20 {
                driven.feed(Wire::new().frame(ACK).bytes());
            }
            driven.feed(Wire::new().data(1, &[0; 16_000], false).bytes());
            peer.stream -= 16_000;
            peer.hear(&mut driven);
        }
        assert!(driven.error.is_none());
        let most = i64::from(settings.initial_window_size);
        assert!(peer.most <= most, "{window}: {peer:?}");
    }
}

/// Credit that the embedder holds back is neither lost nor doubled when a stream breaks.
#[test]
fn a_broken_stream_returns_all_credit() {
    let mut config = Config::default();
    config.auto_credit = false;
    for (length, end) in [("5", false), ("100000", true)] {
        let machine = Connection::server(T0, config.clone(), Limits::default());
        let mut driven = Driven::over(machine);
        let fields = post().with("content-length", length);
        let data = |data, end_stream| Frame::Data {
            stream: 1,
            data,
            end_stream,
            padding: Some(9),
        };
        let wire = Wire::client()
            .headers(1, &fields, false)
            .frame(data(b"abc", false))
            .frame(data(b"defghi", end));
        driven.feed(wire.bytes());
        driven.drain();
        assert_eq!(driven.resets(), [(1, ErrorCode::PROTOCOL_ERROR)]);
        let stats = driven.machine.stats();
        assert_eq!(stats.flow_received, stats.flow_released);
    }
    // The same where the window of the stream is overrun.
    config.stream_window = 100;
    let mut driven = Driven::over(Connection::server(T0, config, Limits::default()));
    let wire = Wire::client()
        .frame(ACK)
        .headers(1, &post(), false)
        .data(1, &[0; 90], false)
        .data(1, &[0; 90], false);
    driven.feed(wire.bytes());
    driven.drain();
    assert_eq!(driven.resets(), [(1, ErrorCode::FLOW_CONTROL_ERROR)]);
    let stats = driven.machine.stats();
    assert_eq!(stats.flow_received, 180);
    assert_eq!(stats.flow_received, stats.flow_released);
}

/// A hundred uploads are cancelled at once; what was under way for them harms nothing.
#[test]
fn late_frames_for_many_reset_streams_are_passed_over() {
    let mut driven = Driven::server(Limits::default());
    let mut wire = Wire::client();
    for index in 0..100 {
        wire = wire.headers(index * 2 + 1, &post(), false);
    }
    driven.feed(wire.octets.split().freeze());
    for id in ids(&driven) {
        driven.machine.reset(id, ErrorCode::CANCEL).unwrap();
    }
    for index in 0..100 {
        wire = wire.data(index * 2 + 1, b"late", true);
    }
    driven.feed(wire.bytes());
    assert!(driven.error.is_none(), "{:?}", driven.error);
    let stats = driven.machine.stats();
    assert_eq!((stats.flow_received, stats.flow_released), (400, 400));
}

/// A peer that asks and asks and reads nothing has a hundred answers waiting, not more.
#[test]
fn answers_that_nobody_reads_pile_up_to_a_bound() {
    for end_later in [false, true] {
        let mut driven = Driven::server(Limits::default());
        let mut wire = Wire::client();
        let mut answered = 0;
        let page = Fields::response(200).with("x-long", "y".repeat(500));
        let info = allocation_counter::measure(|| {
            for index in 0..1000 {
                let id = index * 2 + 1;
                wire = wire.headers(id, &if end_later { post() } else { get("/") }, !end_later);
                if end_later {
                    wire = wire.data(id, b"", true);
                }
                driven.feed(wire.octets.split());
                for id in ids(&driven) {
                    answered += usize::from(driven.machine.respond(id, &page, true).is_ok());
                }
                driven.events.clear();
            }
        });
        let bound = Limits::default().max_connection_memory();
        assert!(
            usize::try_from(info.bytes_max).unwrap() <= bound,
            "{info:?}"
        );
        let most = Limits::default().max_concurrent_streams as usize;
        assert!(answered <= most + 1, "{answered}");
        driven.drain();
        assert_eq!(driven.goaway(), Some(ErrorCode::ENHANCE_YOUR_CALM));
    }
}

/// The same with streams that the peer resets once they are answered: what waits of their heads is
/// bounded too.
#[test]
fn heads_of_reset_streams_pile_up_to_a_bound() {
    let mut limits = Limits::default();
    limits.resets = proto_http2::Rate::new(100_000, 0);
    let bound = limits.max_connection_memory();
    let mut driven = Driven::server(limits);
    let info = allocation_counter::measure(|| {
        let mut wire = Wire::client();
        for index in 0..5000 {
            wire = wire.get(index * 2 + 1);
            driven.feed(wire.octets.split());
            for id in ids(&driven) {
                // What differs is not in the table.
                let page = Fields::response(200).with("etag", format!("{index:0500}"));
                let _ = driven.machine.respond(id, &page, false);
            }
            driven.events.clear();
            wire = wire.reset(index * 2 + 1);
            if driven.error.is_some() {
                break;
            }
        }
    });
    assert!(
        usize::try_from(info.bytes_max).unwrap() <= bound,
        "{info:?}"
    );
    driven.drain();
    assert_eq!(driven.goaway(), Some(ErrorCode::ENHANCE_YOUR_CALM));
}

/// Heads that wait are taken in time, or the connection ends.
#[test]
fn a_head_that_nobody_takes_is_a_stall() {
    let mut driven = Driven::server(Limits::default());
    driven.feed(Wire::client().frame(ACK).get(1).bytes());
    driven.drain();
    let id = ids(&driven)[0];
    driven
        .machine
        .respond(id, &Fields::response(200), false)
        .unwrap();
    assert_eq!(driven.machine.poll_timeout(), Some(at(60)));
    driven.machine.handle_timeout(at(60));
    driven.poll();
    assert_eq!(driven.error.unwrap().reason, Reason::Limit(Limit::Stall));
}

/// RFC 9113 section 6.8: a notice, and the last GOAWAY when it has arrived; what comes between is
/// answered.
#[test]
fn a_server_ends_in_two_steps() {
    let goaways = |driven: &Driven| -> Vec<u32> {
        let frames = driven.sent.iter().filter_map(|frame| match frame.frame() {
            Ok(Frame::GoAway { last_stream, .. }) => Some(last_stream),
            _ => None,
        });
        frames.collect()
    };
    let ping = |driven: &Driven| {
        let ping = driven.sent.iter().find_map(|frame| match frame.frame() {
            Ok(Frame::Ping { ack: false, opaque }) => Some(opaque),
            _ => None,
        });
        ping.unwrap()
    };
    let mut driven = Driven::server(Limits::default());
    driven.feed(Wire::client().frame(ACK).bytes());
    driven.machine.close();
    driven.drain();
    assert_eq!(goaways(&driven), [0x7fff_ffff]);
    assert!(!driven.shutdown, "a request may be under way");
    driven.feed(Wire::new().get(1).bytes());
    let opaque = ping(&driven);
    let mut wire = Wire::new();
    wire.octets
        .extend_from_slice(&Wire::new().frame(Frame::Ping { ack: true, opaque }).bytes());
    driven.feed(wire.get(3).bytes());
    driven.drain();
    assert_eq!(goaways(&driven), [0x7fff_ffff, 1]);
    let asked = ids(&driven);
    assert_eq!(asked.len(), 1, "what came after is ignored: {asked:?}");
    driven
        .machine
        .respond(asked[0], &Fields::response(200), true)
        .unwrap();
    driven.drain();
    driven.poll();
    assert_eq!(ends(&driven), [(1, StreamEnd::Complete)]);
    driven.drain();
    assert!(driven.shutdown);
    driven.machine.handle_eof(T0);
    driven.poll();
    assert!(driven.machine.is_closed());

    // A peer that does not answer is not waited for without end.
    let mut driven = Driven::server(Limits::default());
    driven.feed(Wire::client().frame(ACK).bytes());
    driven.machine.close();
    driven.drain();
    let due = driven.machine.poll_timeout().unwrap();
    assert_eq!(due, T0 + Limits::default().ping_answer);
    driven.machine.handle_timeout(due);
    driven.drain();
    assert_eq!(goaways(&driven), [0x7fff_ffff, 0]);
    assert!(driven.shutdown && driven.error.is_none());
}

/// RFC 9113 section 6.8: after an error too, the last stream of a GOAWAY does not grow.
#[test]
fn the_last_stream_that_was_told_never_grows() {
    let mut client = pushed_to(Limits::default(), 1);
    client.machine.close();
    let wire = promise(Wire::new().settings(&[]).frame(ACK), 1, 2);
    client.feed(wire.data(0, b"", false).bytes());
    client.drain();
    let told: Vec<_> = client
        .sent
        .iter()
        .filter_map(|frame| match frame.frame() {
            Ok(Frame::GoAway { last_stream, .. }) => Some(last_stream),
            _ => None,
        })
        .collect();
    assert_eq!(told, [0, 0]);
}

/// RFC 9113 section 6.5.3: values hold in the order of sending, each when it is acknowledged.
#[test]
fn several_settings_are_acknowledged_in_order() {
    let mut driven = Driven::server(Limits::default());
    driven.feed(Wire::client().bytes());
    let first = 256 * 1024;
    for window in [1000, 2000, 3000] {
        let mut settings = *driven.machine.local_settings();
        settings.initial_window_size = window;
        driven.machine.update_settings(settings).unwrap();
    }
    let settings = *driven.machine.local_settings();
    assert_eq!(
        driven.machine.update_settings(settings),
        Err(UsageError::State),
        "four wait"
    );
    for window in [first, 1000, 2000, 3000] {
        assert_ne!(driven.machine.local_settings().initial_window_size, window);
        driven.feed(Wire::new().frame(ACK).bytes());
        assert_eq!(driven.machine.local_settings().initial_window_size, window);
    }
    driven.feed(Wire::new().frame(ACK).bytes());
    driven.drain();
    assert_eq!(
        driven.goaway(),
        Some(ErrorCode::PROTOCOL_ERROR),
        "of nothing"
    );
}

/// RFC 9113 section 6.5.3: SETTINGS_TIMEOUT.
#[test]
fn settings_that_nobody_acknowledges_end_the_connection() {
    let mut driven = Driven::server(Limits::default());
    driven.feed(Wire::client().bytes());
    driven.drain();
    assert_eq!(driven.machine.poll_timeout(), Some(at(10)));
    driven
        .machine
        .handle_timeout(at(10) - Duration::from_nanos(1));
    driven.poll();
    assert!(driven.error.is_none());
    driven.machine.handle_timeout(at(10));
    driven.poll();
    driven.drain();
    assert_eq!(driven.error.unwrap().reason, Reason::Timeout);
    assert_eq!(driven.goaway(), Some(ErrorCode::SETTINGS_TIMEOUT));
}

/// RFC 7541 section 4.2: a size that was there for a moment is told too.
#[test]
fn the_smallest_table_on_the_way_is_told() {
    let mut driven = Driven::server(Limits::default());
    // 0, then 4096, in one frame.
    let sizes = [0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0x10, 0];
    driven.feed(Wire::client().settings(&sizes).get(1).bytes());
    driven
        .machine
        .respond(ids(&driven)[0], &Fields::response(200), true)
        .unwrap();
    driven.drain();
    let head = driven
        .sent
        .iter()
        .find(|frame| frame.header.kind == FrameType::HEADERS);
    assert_eq!(head.unwrap().payload[..], [0x20, 0x3f, 0xe1, 0x1f, 0x88]);
}

/// RFC 9113 section 8.5: a tunnel, octets both ways, no lengths.
#[test]
fn connect_is_a_tunnel() {
    let mut fields = Fields::new();
    fields.push(":method", "CONNECT");
    fields.push(":authority", "utopia.example:443");
    let mut driven = Driven::server(Limits::default());
    driven.feed(
        Wire::client()
            .headers(1, &fields, false)
            .data(1, b"hello", false)
            .bytes(),
    );
    let id = ids(&driven)[0];
    let response = Fields::response(200);
    driven.machine.respond(id, &response, false).unwrap();
    driven
        .machine
        .send_data(id, &mut Bytes::from_static(b"world"), false)
        .unwrap();
    driven.drain();
    assert!(driven.resets().is_empty());
    // With a path, or without an authority, it is none.
    for wrong in [
        fields.clone().with(":path", "/"),
        Fields::new().with(":method", "CONNECT"),
    ] {
        let mut driven = Driven::server(Limits::default());
        driven.feed(Wire::client().headers(1, &wrong, false).bytes());
        driven.drain();
        assert_eq!(driven.resets(), [(1, ErrorCode::PROTOCOL_ERROR)]);
    }
    // At the client the answer's content-length means nothing.
    let mut machine = Connection::client(T0, Config::default(), Limits::default());
    let id = machine.request(&fields, false).unwrap();
    let mut driven = Driven::over(machine);
    let response = Fields::response(200).with("content-length", "3");
    let wire =
        Wire::new()
            .settings(&[])
            .headers(1, &response, false)
            .data(1, b"longer than three", true);
    driven.feed(wire.bytes());
    assert!(driven.events.iter().any(|event| {
        matches!(event, Event::Data { id: on, data, .. } if *on == id && data.len() == 17)
    }));
}

/// RFC 8441: CONNECT with a protocol, where the server offers it.
#[test]
fn connect_with_a_protocol_is_offered_first() {
    let mut fields = Fields::new();
    fields.push(":method", "CONNECT");
    fields.push(":protocol", "websocket");
    fields.push(":scheme", "https");
    fields.push(":authority", "utopia.example");
    fields.push(":path", "/chat");
    let mut client = Connection::client(T0, Config::default(), Limits::default());
    assert_eq!(client.request(&fields, false), Err(UsageError::NotOffered));
    let mut driven = Driven::over(client);
    driven.feed(Wire::new().settings(&[0, 8, 0, 0, 0, 1]).bytes());
    driven.machine.request(&fields, false).unwrap();
    // It may not be taken back.
    driven.feed(Wire::new().settings(&[0, 8, 0, 0, 0, 0]).bytes());
    driven.drain();
    assert_eq!(driven.goaway(), Some(ErrorCode::PROTOCOL_ERROR));

    for offered in [false, true] {
        let mut config = Config::default();
        config.enable_connect_protocol = offered;
        let mut server = Driven::over(Connection::server(T0, config, Limits::default()));
        let wire = Wire::client().frame(ACK);
        server.feed(wire.headers(1, &fields, false).bytes());
        server.drain();
        assert_eq!(server.resets().is_empty(), offered);
        assert_eq!(ids(&server).len(), usize::from(offered));
    }
}

#[test]
fn a_ping_tells_the_round_trip() {
    let mut driven = Driven::server(Limits::default());
    driven.feed(Wire::client().frame(ACK).bytes());
    let ids: Vec<_> = (0..8).map(|_| driven.machine.ping().unwrap()).collect();
    assert_eq!(driven.machine.ping(), Err(UsageError::State));
    driven.drain();
    let opaque = ids[3].to_be_bytes();
    driven
        .input
        .extend_from_slice(&Wire::new().frame(Frame::Ping { ack: true, opaque }).bytes());
    let later = T0 + Duration::from_millis(70);
    let event = driven.machine.poll_event(later, &mut driven.input);
    assert_eq!(
        event,
        Ok(Some(Event::Pong {
            id: ids[3],
            round_trip: Duration::from_millis(70)
        }))
    );
    // One that was not asked for says nothing.
    driven.events.clear();
    let opaque = [9; 8];
    driven.feed(Wire::new().frame(Frame::Ping { ack: true, opaque }).bytes());
    assert_eq!(driven.events, []);
}

#[test]
fn a_silent_peer_is_asked_and_given_up() {
    let mut config = Config::default();
    config.keep_alive = Some(Duration::from_secs(30));
    let mut driven = Driven::over(Connection::server(T0, config, Limits::default()));
    driven.feed(Wire::client().frame(ACK).get(1).bytes());
    driven.drain();
    driven.sent.clear();
    assert_eq!(driven.machine.poll_timeout(), Some(at(30)));
    driven.machine.handle_timeout(at(30));
    driven.drain();
    let Ok(Frame::Ping { ack: false, opaque }) = driven.sent[0].frame() else {
        panic!("no PING");
    };
    assert_eq!(driven.machine.poll_timeout(), Some(at(50)));
    // An answer begins the next round.
    driven
        .input
        .extend_from_slice(&Wire::new().frame(Frame::Ping { ack: true, opaque }).bytes());
    let event = driven.machine.poll_event(at(31), &mut driven.input);
    assert_eq!(event, Ok(None));
    assert_eq!(driven.machine.poll_timeout(), Some(at(61)));
    driven.machine.handle_timeout(at(61));
    driven.machine.handle_timeout(at(81));
    let event = driven.machine.poll_event(at(81), &mut driven.input);
    assert!(matches!(event, Ok(Some(Event::Closed { .. }))));
    let error = driven.machine.poll_event(at(81), &mut driven.input);
    assert_eq!(error.unwrap_err().reason, Reason::Timeout);
}

/// RFC 9113 section 5.1.1: numbers run out; then a new connection is needed.
#[test]
fn stream_numbers_run_out() {
    let mut driven = Driven::server(Limits::default());
    driven.feed(Wire::client().frame(ACK).get(0x7fff_ffff).bytes());
    assert_eq!(ids(&driven).len(), 1);
    driven.feed(Wire::new().get(0x7fff_ffff - 2).bytes());
    driven.drain();
    assert_eq!(driven.goaway(), Some(ErrorCode::PROTOCOL_ERROR));
}

#[test]
fn informational_heads_and_trailers_go_both_ways() {
    let mut driven = Driven::server(Limits::default());
    let trailers = Fields::new().with("x-sum", "1");
    let wire = Wire::client()
        .headers(1, &post(), false)
        .data(1, b"body", false);
    driven.feed(wire.headers(1, &trailers, true).bytes());
    assert!(
        driven.events.iter().any(|event| {
            matches!(event, Event::Trailers { fields, .. } if *fields == trailers)
        })
    );
    let id = ids(&driven)[0];
    let machine = &mut driven.machine;
    assert_eq!(
        machine.inform(id, &Fields::response(200)),
        Err(UsageError::Malformed)
    );
    machine.inform(id, &Fields::response(103)).unwrap();
    machine.respond(id, &Fields::response(200), false).unwrap();
    assert_eq!(
        machine.inform(id, &Fields::response(103)),
        Err(UsageError::State)
    );
    machine
        .send_data(id, &mut Bytes::from_static(b"body"), false)
        .unwrap();
    let pseudo = Fields::response(200);
    assert_eq!(
        machine.send_trailers(id, pseudo),
        Err(UsageError::Malformed)
    );
    machine.send_trailers(id, trailers.clone()).unwrap();
    assert_eq!(machine.send_trailers(id, trailers), Err(UsageError::State));
    driven.drain();
    driven.poll();
    let shape: Vec<_> = driven
        .sent
        .iter()
        .filter(|frame| frame.header.stream == 1)
        .map(|frame| (frame.header.kind.0, frame.header.flags))
        .collect();
    assert_eq!(shape, [(1, 4), (1, 4), (0, 0), (1, 5)]);
    assert_eq!(ends(&driven), [(1, StreamEnd::Complete)]);
    // RFC 9113 section 8.1: trailers end the stream, and bear no pseudo-fields.
    for (fields, end) in [(Fields::new().with("a", "b"), false), (get("/"), true)] {
        let mut driven = Driven::server(Limits::default());
        let wire = Wire::client().headers(1, &post(), false);
        driven.feed(wire.headers(1, &fields, end).bytes());
        driven.drain();
        assert_eq!(driven.resets(), [(1, ErrorCode::PROTOCOL_ERROR)]);
    }
}

/// Windows follow bandwidth times round-trip time, up to the size that is allowed.
#[test]
fn windows_follow_bandwidth_times_round_trip() {
    let mut config = Config::default();
    config.stream_window = 64 * 1024;
    config.connection_window = 64 * 1024;
    config.max_auto_window = Some(1024 * 1024);
    let mut driven = Driven::over(Connection::server(T0, config, Limits::default()));
    let mut windows = [0i64; 2];
    let mut most = [0i64; 2];
    driven.feed(Wire::client().frame(ACK).headers(1, &post(), false).bytes());
    windows[0] = 65_536; // the connection's: 65,535 and the first update
    windows[1] = 65_536;
    driven.drain();
    driven.sent.clear();
    // A peer that sends as much as it may in each round trip of 50 ms, whatever that is.
    for round in 0..60 {
        let now = T0 + Duration::from_millis(50 * round);
        let mut wire = Wire::new();
        while windows.iter().all(|window| *window > 0) {
            let len = windows[0].min(windows[1]).min(16_384);
            windows = windows.map(|window| window - len);
            wire = wire.data(1, &vec![0; usize::try_from(len).unwrap()], false);
        }
        driven.input.extend_from_slice(&wire.bytes());
        while let Some(_event) = driven.machine.poll_event(now, &mut driven.input).unwrap() {}
        driven.drain();
        let mut answer = Wire::new();
        for frame in driven.sent.drain(..) {
            match frame.frame().unwrap() {
                Frame::WindowUpdate { stream, increment } => {
                    windows[stream as usize] += i64::from(increment);
                }
                Frame::Ping { ack: false, opaque } => {
                    answer = answer.frame(Frame::Ping { ack: true, opaque });
                }
                _ => {}
            }
        }
        most = [most[0].max(windows[0]), most[1].max(windows[1])];
        driven.input.extend_from_slice(&answer.bytes());
    }
    assert!(driven.error.is_none(), "{:?}", driven.error);
    assert_eq!(most, [1024 * 1024; 2]);
}

/// Where windows are not filled in a round trip, the peer is not asked all the time.
#[test]
fn bandwidth_is_measured_now_and_then() {
    let mut config = Config::default();
    config.max_auto_window = Some(16 * 1024 * 1024);
    let mut driven = Driven::over(Connection::server(T0, config, Limits::default()));
    driven.feed(Wire::client().frame(ACK).headers(1, &post(), false).bytes());
    let mut pings = 0;
    for step in 0..1000u64 {
        let now = T0 + Duration::from_millis(step);
        driven
            .input
            .extend_from_slice(&Wire::new().data(1, &[0; 300], false).bytes());
        while let Some(_event) = driven.machine.poll_event(now, &mut driven.input).unwrap() {}
        driven.drain();
        let mut answer = Wire::new();
        for frame in driven.sent.drain(..) {
            if let Ok(Frame::Ping { ack: false, opaque }) = frame.frame() {
                pings += 1;
                answer = answer.frame(Frame::Ping { ack: true, opaque });
            }
        }
        driven.input.extend_from_slice(&answer.bytes());
    }
    assert!((2..=6).contains(&pings), "{pings} in a second");
}

/// Fewer streams than the limit, once that is acknowledged.
#[test]
fn announced_streams_are_held_to() {
    let mut driven = Driven::server(Limits::default());
    driven.feed(Wire::client().frame(ACK).bytes());
    let mut settings = *driven.machine.local_settings();
    settings.max_concurrent_streams = Some(2);
    settings.max_frame_size = 1;
    driven.machine.update_settings(settings).unwrap();
    driven.feed(Wire::new().get(1).get(3).get(5).frame(ACK).get(7).bytes());
    driven.drain();
    assert_eq!(ids(&driven).len(), 3, "not before");
    assert_eq!(driven.resets(), [(7, ErrorCode::REFUSED_STREAM)]);
    let local = driven.machine.local_settings();
    assert_eq!(local.max_frame_size, 16_384);
}

/// A stream that found the buffer of all streams full has nothing of its own whose leaving would make
/// room: it is told when the others' data leaves.
#[test]
fn bodies_that_do_not_fit_together_all_arrive() {
    const STREAMS: u32 = 40;
    const BODY: usize = 100 * 1024;
    let mut driven = Driven::server(Limits::default());
    // SETTINGS_INITIAL_WINDOW_SIZE: as large as it can be.
    let mut wire = Wire::client()
        .settings(&[0, 4, 0x7f, 0xff, 0xff, 0xff])
        .frame(ACK);
    wire = wire.frame(Frame::WindowUpdate {
        stream: 0,
        increment: MAX_WINDOW - 65_535,
    });
    for number in 0..STREAMS {
        wire = wire.get(2 * number + 1);
    }
    driven.feed(wire.bytes());
    let mut bodies: Vec<(StreamId, Bytes)> = Vec::new();
    for id in ids(&driven) {
        driven
            .machine
            .respond(id, &Fields::response(200), false)
            .unwrap();
        bodies.push((id, Bytes::from(vec![b'x'; BODY])));
    }
    for (id, body) in &mut bodies {
        driven.machine.send_data(*id, body, true).unwrap();
    }
    driven.events.clear();
    let mut rounds = 0;
    while bodies.iter().any(|(_, body)| !body.is_empty()) {
        rounds += 1;
        assert!(
            rounds < 10_000,
            "{} octets stay",
            bodies.iter().map(|(_, body)| body.len()).sum::<usize>()
        );
        driven.drain();
        driven.poll();
        for event in std::mem::take(&mut driven.events) {
            if let Event::Writable { id } = event {
                let (_, body) = bodies.iter_mut().find(|(stream, _)| *stream == id).unwrap();
                driven.machine.send_data(id, body, true).unwrap();
            }
        }
    }
    driven.drain();
    let octets: usize = driven
        .sent
        .iter()
        .map(|frame| match frame.frame() {
            Ok(Frame::Data { data, .. }) => data.len(),
            _ => 0,
        })
        .sum();
    assert_eq!(octets, BODY * STREAMS as usize);
}
