//! The attacks of the last twenty years, by name: each ends in bounded memory, bounded work and a
//! documented code.

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

use bytes::{Bytes, BytesMut};
use common::{Driven, T0, Wire, get};
use core::time::Duration;
use proto_http2::wire::{ErrorCode, Frame, FrameHeader, FrameType, StreamDependency};
use proto_http2::{
    Config, Connection, Error, Event, Fields, Limit, Limits, OtherProtocol, Reason, Transmit,
};

/// Feeds a flood, answers nothing, and returns how it ended. Output is drained as it comes.
fn flood(wire: Bytes) -> Driven {
    let limits = Limits::default();
    let bound = limits.max_connection_memory();
    let mut driven = Driven::server(limits);
    let info = allocation_counter::measure(|| {
        for piece in wire.chunks(1000) {
            driven.feed(piece);
            driven.drain();
            driven.events.clear();
            driven.sent.retain(|frame| {
                matches!(frame.header.kind, FrameType::GOAWAY | FrameType::RST_STREAM)
            });
        }
    });
    let held = usize::try_from(info.bytes_max).unwrap();
    // What the test itself keeps is the list of resets that it saw.
    assert!(
        held <= bound + driven.sent.capacity() * 64,
        "{held} octets held, {bound} allowed"
    );
    driven
}

/// Runs what drives a machine by hand: even with what the test itself keeps, it stays below the bound
/// and the octets that it was fed.
fn bounded<T>(limits: &Limits, fed: usize, work: impl FnOnce() -> T) -> T {
    let mut result = None;
    let info = allocation_counter::measure(|| result = Some(work()));
    let held = usize::try_from(info.bytes_max).unwrap();
    let bound = limits.max_connection_memory() + 4 * fed;
    assert!(held <= bound, "{held} octets held, {bound} allowed");
    result.unwrap()
}

fn calm(wire: Bytes, limit: Limit) {
    let driven = flood(wire);
    let error = driven.error.expect("the connection ends");
    assert_eq!(error.reason, Reason::Limit(limit));
    assert_eq!(driven.goaway(), Some(ErrorCode::ENHANCE_YOUR_CALM));
    assert!(driven.shutdown);
}

fn many(count: u32, mut each: impl FnMut(Wire, u32) -> Wire) -> Bytes {
    let mut wire = Wire::client();
    for index in 0..count {
        wire = each(wire, index * 2 + 1);
    }
    wire.bytes()
}

#[test]
fn row_1_rapid_reset() {
    calm(many(5000, |wire, id| wire.get(id).reset(id)), Limit::Resets);
}

#[test]
fn row_2_reset_streams_leave_no_memory() {
    bounded(&Limits::trusted(), 5000 * 64, || {
        let mut driven = Driven::server(Limits::trusted());
        driven.feed(many(5000, |wire, id| wire.get(id).reset(id)));
        assert!(driven.error.is_none());
        let closed = driven
            .events
            .iter()
            .filter(|event| matches!(event, Event::Closed { .. }));
        assert_eq!(closed.count(), 5000, "each request has its last event");
    });
}

/// MadeYouReset: six ways to make the server reset.
#[test]
fn rows_3_and_4_made_you_reset() {
    let on = |id| StreamDependency {
        on: id,
        ..StreamDependency::default()
    };
    let primitives: [fn(Wire, u32) -> Wire; 4] = [
        |wire, id| {
            wire.get(id).frame(Frame::WindowUpdate {
                stream: id,
                increment: 0,
            })
        },
        |wire, id| {
            wire.get(id).frame(Frame::WindowUpdate {
                stream: id,
                increment: 0x7fff_ffff,
            })
        },
        |wire, id| wire.get(id).get(id),
        |wire, id| wire.get(id).data(id, b"x", true),
    ];
    for each in primitives {
        calm(many(5000, each), Limit::Errors);
    }
    calm(
        many(5000, |wire, id| {
            wire.get(id).frame(Frame::Priority {
                stream: id,
                priority: on(id),
            })
        }),
        Limit::Errors,
    );
    let wrong_length = |wire: Wire, id| {
        let header = FrameHeader {
            length: 4,
            kind: FrameType::PRIORITY,
            flags: 0,
            stream: id,
        };
        wire.get(id).frame(Frame::Unknown {
            header,
            payload: &[0; 4],
        })
    };
    calm(many(5000, wrong_length), Limit::Errors);
}

fn begun(fragment: &[u8], end_headers: bool) -> Wire {
    Wire::client().frame(Frame::Headers {
        stream: 1,
        fragment,
        end_stream: true,
        end_headers,
        priority: None,
        padding: None,
    })
}

#[test]
fn rows_5_and_21_continuation_flood() {
    for fragment in [&b""[..], b"\x00\x01a\x01b"] {
        let mut wire = begun(b"\x82\x86\x84", false);
        for _ in 0..10_000 {
            wire = wire.frame(Frame::Continuation {
                stream: 1,
                fragment,
                end_headers: false,
            });
        }
        calm(wire.bytes(), Limit::Continuations);
    }
    let big = vec![0; 16_384];
    let wire = begun(&big, false).frame(Frame::Continuation {
        stream: 1,
        fragment: &big,
        end_headers: false,
    });
    let wire = wire.frame(Frame::Continuation {
        stream: 1,
        fragment: &big,
        end_headers: false,
    });
    calm(wire.bytes(), Limit::Block);
}

/// One entry of 4000 octets, referred to by one octet each.
#[test]
fn row_6_hpack_bomb() {
    let mut block = vec![0x40, 1, b'a', 0x7f, 0xa1, 0x1e];
    block.extend_from_slice(&[b'v'; 4000]);
    block.extend_from_slice(&[0xbe; 10_000]);
    calm(begun(&block, true).bytes(), Limit::Fields);
    let mut few = block[..4006].to_vec();
    few.extend_from_slice(&[0xbe; 100]);
    calm(begun(&few, true).bytes(), Limit::HeaderList);
}

/// Crumbs of cookies count as fields; the windows stay shut.
#[test]
fn row_7_http2_bomb() {
    let mut fields = get("/");
    for _ in 0..200 {
        fields.push("cookie", "a=b");
    }
    calm(
        Wire::client()
            .settings(&[0, 4, 0, 0, 0, 0])
            .headers(1, &fields, true)
            .bytes(),
        Limit::Fields,
    );
}

#[test]
fn row_8_empty_names_are_malformed() {
    let driven = flood(begun(b"\x82\x86\x84\x41\x01a\x00\x00\x00", true).bytes());
    assert_eq!(driven.resets(), [(1, ErrorCode::PROTOCOL_ERROR)]);
}

#[test]
fn rows_10_and_11_ping_and_settings_floods() {
    calm(
        many(5000, |wire, _| {
            wire.frame(Frame::Ping {
                ack: false,
                opaque: [7; 8],
            })
        }),
        Limit::Pings,
    );
    calm(many(5000, |wire, _| wire.settings(&[])), Limit::Settings);
    calm(
        Wire::client()
            .settings(&[0, 99, 0, 0, 0, 0].repeat(33))
            .bytes(),
        Limit::SettingsEntries,
    );
}

#[test]
fn rows_12_19_and_20_priority_floods() {
    let on = |id: u32, on: u32| Frame::Priority {
        stream: id,
        priority: StreamDependency {
            on,
            exclusive: true,
            weight: 9,
        },
    };
    calm(
        many(5000, |wire, id| wire.frame(on(id, id.saturating_sub(2)))),
        Limit::Priorities,
    );
    calm(
        many(5000, |wire, id| {
            wire.frame(Frame::PriorityUpdate {
                prioritized: id,
                value: b"u=1",
            })
        }),
        Limit::Priorities,
    );
}

/// Answers that are owed pile up only to a bound: then reading stops until they have left.
#[test]
fn row_13_owed_answers_stop_reading() {
    bounded(&Limits::trusted(), 17_000, || {
        let mut limits = Limits::trusted();
        limits.max_queued_replies = 100;
        let mut driven = Driven::server(limits);
        driven.feed(many(1000, |wire, _| {
            wire.frame(Frame::Ping {
                ack: false,
                opaque: [7; 8],
            })
        }));
        assert!(!driven.machine.wants_read() && !driven.input.is_empty());
        while !driven.input.is_empty() {
            driven.drain();
            driven.poll();
        }
        driven.drain();
        let pongs = driven
            .sent
            .iter()
            .filter(|frame| frame.header.kind == FrameType::PING);
        assert_eq!(pongs.count(), 1000);
    });
}

#[test]
fn row_14_bodies_are_taken_up_to_a_bound() {
    bounded(&Limits::default(), 65_536, || {
        let mut driven = Driven::server(Limits::default());
        driven.feed(Wire::client().get(1).get(3).bytes());
        let mut taken = 0;
        let requests: Vec<_> = driven
            .events
            .iter()
            .filter_map(|event| match event {
                Event::Headers { id, .. } => Some(*id),
                _ => None,
            })
            .collect();
        for id in requests {
            driven
                .machine
                .respond(id, &Fields::response(200), false)
                .unwrap();
            for _ in 0..100 {
                taken += driven
                    .machine
                    .send_data(id, &mut Bytes::from(vec![0; 65_536]), false)
                    .unwrap();
            }
        }
        assert_eq!(taken, 2 * Limits::default().max_stream_send_buffer);
    });
}

#[test]
fn row_15_empty_frames() {
    let wire = Wire::client().headers(1, &Fields::request("POST", "http", "a", "/"), false);
    let wire = (0..5000).fold(wire, |wire, _| wire.data(1, b"", false));
    calm(wire.bytes(), Limit::EmptyFrames);
}

/// Padding alone gives its credit back at once.
#[test]
fn rows_17_and_39_all_credit_returns() {
    let mut wire = Wire::client().headers(1, &Fields::request("POST", "http", "a", "/"), false);
    for _ in 0..50 {
        wire = wire.frame(Frame::Data {
            stream: 1,
            data: b"x",
            end_stream: false,
            padding: Some(255),
        });
    }
    wire = wire.reset(1).data(1, b"late", false);
    let mut driven = Driven::server(Limits::default());
    driven.feed(wire.bytes());
    let stats = driven.machine.stats();
    assert_eq!(stats.flow_received, 50 * 257 + 4);
    assert_eq!(stats.flow_received, stats.flow_released);
    assert_eq!(driven.resets(), []);
}

#[test]
fn row_18_a_window_that_stays_shut_ends_the_connection() {
    bounded(&Limits::default(), 200, || {
        let mut driven = Driven::server(Limits::default());
        driven.feed(
            Wire::client()
                .settings(&[0, 4, 0, 0, 0, 0])
                .frame(Frame::Settings {
                    ack: true,
                    payload: b"",
                })
                .get(1)
                .bytes(),
        );
        let Some(Event::Headers { id, .. }) = driven
            .events
            .iter()
            .find(|event| matches!(event, Event::Headers { .. }))
        else {
            panic!("no request");
        };
        driven
            .machine
            .respond(*id, &Fields::response(200), false)
            .unwrap();
        driven
            .machine
            .send_data(*id, &mut Bytes::from_static(b"never"), true)
            .unwrap();
        driven.drain();
        driven.machine.handle_timeout(T0 + Duration::from_secs(61));
        driven.poll();
        assert_eq!(driven.error.unwrap().reason, Reason::Limit(Limit::Stall));
    });
}

/// One stream's window stays shut while another one goes on: that stream is reset, what it held is
/// gone, and the connection stays.
#[test]
fn row_18_a_stream_that_stays_shut_is_reset() {
    let mut driven = Driven::server(Limits::default());
    let ack = Frame::Settings {
        ack: true,
        payload: b"",
    };
    let wire = Wire::client().settings(&[0, 4, 0, 0, 0, 0]).frame(ack);
    driven.feed(wire.get(1).get(3).get(5).bytes());
    for id in [0, 1, 2].map(|index| requests(&driven)[index]) {
        let response = Fields::response(200);
        driven.machine.respond(id, &response, false).unwrap();
        let mut body = Bytes::from(vec![7; 60_000]);
        driven.machine.send_data(id, &mut body, true).unwrap();
    }
    let credit = |stream| {
        let increment = 17_000;
        Wire::new().frame(Frame::WindowUpdate { stream, increment })
    };
    for round in 1..=3 {
        driven.feed(credit(0).bytes());
        driven.feed(credit(3).bytes());
        if round >= 2 {
            // Late, but in time.
            driven.feed(credit(5).bytes());
        }
        driven.drain();
        let now = T0 + Duration::from_secs(60 * round);
        driven.machine.handle_timeout(now);
        driven.poll();
        driven.drain();
        let expected = [(1, ErrorCode::ENHANCE_YOUR_CALM)];
        let resets = driven.resets();
        assert_eq!(resets, expected[..usize::from(round > 1)], "round {round}");
    }
    assert!(driven.error.is_none());
    assert!(driven.events.iter().any(|event| {
        matches!(
            event,
            Event::LimitTripped {
                limit: Limit::Stall,
                ..
            }
        )
    }));
}

fn requests(driven: &Driven) -> Vec<proto_http2::StreamId> {
    let requests = driven.events.iter().filter_map(|event| match event {
        Event::Headers { id, .. } => Some(*id),
        _ => None,
    });
    requests.collect()
}

/// Integers, sizes and codes that no encoder makes.
#[test]
fn rows_23_to_25_wrong_compression() {
    for block in [
        &b"\xff\xff\xff\xff\xff\xff\xff\xff\x7f"[..],
        b"\xff\x80\x80\x80\x80\x80\x00",
        b"\x00\x84\xff\xff\xff\xff\x00",
        b"\x82\x20",
        b"\x20\x20\x20\x82",
        b"\x3f\xe2\x1f",
        b"\x80",
        b"\xbe",
        b"\x00\x05ab",
    ] {
        let driven = flood(begun(block, true).bytes());
        assert!(
            matches!(
                driven.error,
                Some(Error {
                    code: ErrorCode::COMPRESSION_ERROR,
                    ..
                })
            ),
            "{block:x?}"
        );
        assert_eq!(driven.goaway(), Some(ErrorCode::COMPRESSION_ERROR));
    }
}

/// The peer offers 4 GiB for our table: we use no more than before.
#[test]
fn row_26_the_own_table_is_capped() {
    bounded(&Limits::default(), 200, || {
        let mut driven = Driven::server(Limits::default());
        driven.feed(
            Wire::client()
                .settings(&[0, 1, 0xff, 0xff, 0xff, 0xff])
                .get(1)
                .bytes(),
        );
        assert!(driven.error.is_none());
    });
}

/// After a fatal error nothing is heard any more, whatever comes.
#[test]
fn row_28_after_an_error_the_machine_is_inert() {
    let mut driven = flood(
        Wire::client()
            .frame(Frame::WindowUpdate {
                stream: 0,
                increment: 0,
            })
            .bytes(),
    );
    assert!(driven.error.is_some());
    driven.feed(many(10, |wire, id| wire.get(id)));
    driven.drain();
    assert_eq!(driven.events, []);
    assert!(driven.machine.wants_read() && !driven.machine.is_closed());
    driven.machine.handle_eof(T0);
    assert!(driven.machine.is_closed());
}

/// RFC 9113 section 5.5: all types that are not known are passed over.
#[test]
fn rows_29_and_44_unknown_types() {
    for kind in (10..=255u8).filter(|kind| *kind != 16) {
        let header = FrameHeader {
            length: 0,
            kind: FrameType(kind),
            flags: 0xff,
            stream: 1,
        };
        let driven = flood(
            Wire::client()
                .frame(Frame::Unknown {
                    header,
                    payload: b"\0\0payload",
                })
                .bytes(),
        );
        assert_eq!(driven.error, None, "type {kind}");
    }
    let header = FrameHeader {
        length: 0,
        kind: FrameType(99),
        flags: 0,
        stream: 0,
    };
    calm(
        many(5000, |wire, _| {
            wire.frame(Frame::Unknown {
                header,
                payload: b"",
            })
        }),
        Limit::UnknownFrames,
    );
}

#[test]
fn row_30_settings_that_may_not_be() {
    for (payload, code) in [
        ([0, 5, 0, 0, 0, 0], ErrorCode::PROTOCOL_ERROR),
        ([0, 5, 1, 0, 0, 0], ErrorCode::PROTOCOL_ERROR),
        ([0, 2, 0, 0, 0, 2], ErrorCode::PROTOCOL_ERROR),
        ([0, 4, 0x80, 0, 0, 0], ErrorCode::FLOW_CONTROL_ERROR),
        ([0, 8, 0, 0, 0, 2], ErrorCode::PROTOCOL_ERROR),
        ([0, 9, 0, 0, 0, 2], ErrorCode::PROTOCOL_ERROR),
    ] {
        assert_eq!(
            flood(Wire::client().settings(&payload).bytes())
                .error
                .unwrap()
                .code,
            code
        );
    }
}

#[test]
fn row_33_smuggling() {
    let wrong: [(&str, &str); 12] = [
        ("a\r\nb", "x"),
        ("A", "x"),
        ("a b", "x"),
        ("a:", "x"),
        ("a", "x\r\nb: c"),
        ("a", "x\0"),
        ("a", " x"),
        ("transfer-encoding", "chunked"),
        ("connection", "close"),
        ("te", "gzip"),
        ("content-length", "+5"),
        ("host", "other.example"),
    ];
    for (name, value) in wrong {
        let driven = flood(
            Wire::client()
                .headers(1, &get("/").with(name, value), true)
                .bytes(),
        );
        assert_eq!(
            driven.resets(),
            [(1, ErrorCode::PROTOCOL_ERROR)],
            "{name}: {value}"
        );
    }
    for path in ["", "no-slash", "/a b", "/a\r\nb", "*", "/a#b"] {
        let driven = flood(Wire::client().headers(1, &get(path), true).bytes());
        assert_eq!(driven.resets(), [(1, ErrorCode::PROTOCOL_ERROR)], "{path}");
    }
}

fn client(wire: Wire) -> Driven {
    bounded(&Limits::default(), wire.octets.len(), || {
        unbounded_client(wire)
    })
}

fn unbounded_client(wire: Wire) -> Driven {
    let mut machine = Connection::client(T0, Config::default(), Limits::default());
    machine.request(&get("/"), true).unwrap();
    let mut driven = Driven::over(machine);
    driven.feed(wire.bytes());
    driven.drain();
    driven
}

#[test]
fn row_34_promises_that_nobody_allowed() {
    let promise = Frame::PushPromise {
        stream: 1,
        promised: 2,
        fragment: b"\x82\x86\x84",
        end_headers: true,
        padding: None,
    };
    let driven = client(Wire::new().settings(&[]).frame(promise));
    assert_eq!(driven.goaway(), Some(ErrorCode::PROTOCOL_ERROR));
}

#[test]
fn row_35_informational_flood() {
    let wire = (0..20).fold(Wire::new().settings(&[]), |wire, _| {
        wire.headers(1, &Fields::response(103), false)
    });
    let driven = client(wire);
    assert_eq!(
        driven.error.unwrap().reason,
        Reason::Limit(Limit::Informational)
    );
}

#[test]
fn row_36_games_with_numbers() {
    for (first, second) in [(2, 4), (5, 3)] {
        let driven = flood(Wire::client().get(first).get(second).bytes());
        assert_eq!(driven.goaway(), Some(ErrorCode::PROTOCOL_ERROR));
    }
    let driven = flood(Wire::client().data(7, b"x", false).bytes());
    assert_eq!(driven.goaway(), Some(ErrorCode::PROTOCOL_ERROR));
}

#[test]
fn row_37_windows_that_overflow() {
    let up = |stream| Frame::WindowUpdate {
        stream,
        increment: 0x7fff_ffff,
    };
    let driven = flood(Wire::client().frame(up(0)).bytes());
    assert_eq!(driven.goaway(), Some(ErrorCode::FLOW_CONTROL_ERROR));
    let driven = flood(Wire::client().get(1).frame(up(1)).bytes());
    assert_eq!(driven.resets(), [(1, ErrorCode::FLOW_CONTROL_ERROR)]);
    let grown = Frame::WindowUpdate {
        stream: 1,
        increment: 0x7fff_0000,
    };
    let driven = flood(
        Wire::client()
            .get(1)
            .frame(grown)
            .settings(&[0, 4, 0x7f, 0xff, 0xff, 0xff])
            .bytes(),
    );
    assert_eq!(driven.goaway(), Some(ErrorCode::FLOW_CONTROL_ERROR));
}

#[test]
fn row_38_goaway_that_grows() {
    let goaway = |last_stream| Frame::GoAway {
        last_stream,
        code: ErrorCode::NO_ERROR,
        debug: b"",
    };
    let driven = client(Wire::new().settings(&[]).frame(goaway(1)).frame(goaway(3)));
    assert_eq!(driven.goaway(), Some(ErrorCode::PROTOCOL_ERROR));
}

/// The window of the connection is left to streams that can send.
#[test]
fn row_40_a_shut_stream_holds_up_no_other() {
    bounded(&Limits::default(), 200, || {
        let mut driven = Driven::server(Limits::default());
        driven.feed(
            Wire::client()
                .settings(&[0, 4, 0, 0, 0, 0])
                .get(1)
                .get(3)
                .frame(Frame::WindowUpdate {
                    stream: 3,
                    increment: 100,
                })
                .bytes(),
        );
        let ids: Vec<_> = driven
            .events
            .iter()
            .filter_map(|event| match event {
                Event::Headers { id, .. } => Some(*id),
                _ => None,
            })
            .collect();
        for id in ids {
            driven
                .machine
                .respond(id, &Fields::response(200), false)
                .unwrap();
            driven
                .machine
                .send_data(id, &mut Bytes::from_static(b"body"), true)
                .unwrap();
        }
        driven.drain();
        let data: Vec<_> = driven
            .sent
            .iter()
            .filter(|frame| frame.header.kind == FrameType::DATA)
            .map(|frame| frame.header.stream)
            .collect();
        assert_eq!(data, [3]);
    });
}

#[test]
fn row_43_another_protocol() {
    bounded(&Limits::default(), 200, || {
        for (octets, looks_like) in [
            (&b"GET / HTTP/1.1\r\n\r\n"[..], Some(OtherProtocol::Http1)),
            (b"POST / HTTP/1.1\r\n\r\n", Some(OtherProtocol::Http1)),
            (b"\x16\x03\x01\x02\x00", Some(OtherProtocol::Tls)),
            (b"\0", None),
        ] {
            let mut driven = Driven::server(Limits::default());
            for octet in octets {
                driven.feed([*octet]);
            }
            assert_eq!(driven.error.unwrap().reason, Reason::Preface { looks_like });
        }
    });
}

/// Bodies leave by reference: the pieces that come out are the ones that went in.
#[test]
fn payloads_are_not_copied() {
    let mut driven = Driven::server(Limits::default());
    driven.feed(Wire::client().get(1).bytes());
    let Some(Event::Headers { id, .. }) = driven
        .events
        .iter()
        .find(|event| matches!(event, Event::Headers { .. }))
    else {
        panic!("no request");
    };
    let body = Bytes::from(vec![7; 50_000]);
    let range = body.as_ptr_range();
    driven
        .machine
        .respond(*id, &Fields::response(200), false)
        .unwrap();
    driven
        .machine
        .send_data(*id, &mut body.clone(), true)
        .unwrap();
    let mut by_reference = 0;
    while let Some(Transmit::Data(data)) = driven.machine.poll_transmit(T0, 65_536) {
        if range.contains(&data.as_ptr()) {
            by_reference += data.len();
        }
    }
    assert!(by_reference >= 49_152, "{by_reference}");
    let _ = BytesMut::new();
}

/// Found by fuzzing: a budget of one octet made a frame of ten octets for each of a body.
#[test]
fn a_tiny_budget_makes_no_tiny_frames() {
    bounded(&Limits::default(), 10_000, || {
        let mut driven = Driven::server(Limits::default());
        driven.feed(Wire::client().get(1).bytes());
        let id = driven.events.iter().find_map(|event| match event {
            Event::Headers { id, .. } => Some(*id),
            _ => None,
        });
        driven
            .machine
            .respond(id.unwrap(), &Fields::response(200), false)
            .unwrap();
        let mut body = Bytes::from(vec![7; 10_000]);
        driven
            .machine
            .send_data(id.unwrap(), &mut body, true)
            .unwrap();
        let mut octets = 0;
        while let Some(Transmit::Data(data)) = driven.machine.poll_transmit(T0, 1) {
            octets += data.len();
        }
        assert!(octets < 10_400, "{octets}");
    });
}

/// Credit by the octet for a body that waits: the frames that it makes are counted, the credit too.
#[test]
fn row_9_data_dribble() {
    let limits = Limits::default();
    let driven = bounded(&limits, 70_000, || {
        let mut driven = Driven::server(Limits::default());
        driven.feed(Wire::client().settings(&[0, 4, 0, 0, 0, 0]).get(1).bytes());
        let id = first(&driven);
        let response = Fields::response(200);
        driven.machine.respond(id, &response, false).unwrap();
        let mut body = Bytes::from(vec![7; 60_000]);
        driven.machine.send_data(id, &mut body, true).unwrap();
        let credit = Frame::WindowUpdate {
            stream: 1,
            increment: 1,
        };
        let credit = Wire::new().frame(credit).bytes();
        for _ in 0..5000 {
            driven.feed(&credit);
            driven.drain();
            driven
                .sent
                .retain(|frame| frame.header.kind == FrameType::GOAWAY);
            driven.events.clear();
        }
        driven
    });
    let error = driven.error.expect("the connection ends");
    assert_eq!(error.reason, Reason::Limit(Limit::WindowUpdates));
    assert_eq!(driven.goaway(), Some(ErrorCode::ENHANCE_YOUR_CALM));
    // All at once, it is sent in frames of a useful size.
    let mut driven = Driven::server(Limits::default());
    driven.feed(Wire::client().settings(&[0, 4, 0, 0, 0, 0]).get(1).bytes());
    let id = first(&driven);
    let response = Fields::response(200);
    driven.machine.respond(id, &response, false).unwrap();
    for _ in 0..100 {
        let mut piece = Bytes::from_static(b"0123456789");
        driven.machine.send_data(id, &mut piece, false).unwrap();
    }
    let credit = Frame::WindowUpdate {
        stream: 1,
        increment: 1000,
    };
    driven.feed(Wire::new().frame(credit).bytes());
    driven.drain();
    let data = driven
        .sent
        .iter()
        .filter(|frame| frame.header.kind == FrameType::DATA);
    assert_eq!(data.count(), 1);
}

fn first(driven: &Driven) -> proto_http2::StreamId {
    let id = driven.events.iter().find_map(|event| match event {
        Event::Headers { id, .. } => Some(*id),
        _ => None,
    });
    id.expect("a request")
}

#[test]
fn row_16_small_frames() {
    let wire = Wire::client().headers(1, &Fields::request("POST", "http", "a", "/"), false);
    let wire = (0..20_000).fold(wire, |wire, _| wire.data(1, b"x", false));
    calm(wire.bytes(), Limit::SmallFrames);
    // Between large ones they are welcome.
    let wire = Wire::client().headers(1, &Fields::request("POST", "http", "a", "/"), false);
    let wire = (0..20_000).fold(wire, |wire, index| match index % 2 {
        0 => wire.data(1, b"x", false),
        _ => wire.data(1, &[b'x'; 256], false),
    });
    assert_eq!(flood(wire.bytes()).error, None);
}

/// What has come of a block is not looked at again with each octet, and is copied once.
#[test]
fn row_22_blocks_are_decoded_once() {
    let work = |fields: u32| {
        let mut list = get("/");
        for index in 0..fields {
            list.push(format!("x-{index}"), "v".repeat(100));
        }
        let mut driven = Driven::server(Limits::default());
        let wire = Wire::client().headers(1, &list, true).bytes();
        driven.input.reserve(wire.len());
        allocation_counter::measure(|| {
            for octet in &wire {
                driven.feed([*octet]);
            }
            assert!(driven.error.is_none());
        })
        .count_total
    };
    let (some, more) = (work(25), work(100));
    assert!(more <= some + 12, "{some} allocations, then {more}");
}

/// Names that come once leave nothing behind.
#[test]
fn row_27_no_names_are_kept() {
    let mut driven = Driven::server(Limits::default());
    driven.feed(
        Wire::client()
            .frame(Frame::Settings {
                ack: true,
                payload: b"",
            })
            .bytes(),
    );
    driven.drain();
    driven.events.clear();
    driven.sent = Vec::new();
    let mut wire = Wire::new();
    let rounds = 3000;
    let info = allocation_counter::measure(|| {
        let mut wire_octets;
        for index in 0..rounds {
            let fields = get("/").with(format!("x-name-{index}"), "value");
            wire = core::mem::replace(&mut wire, Wire::new()).headers(index * 2 + 1, &fields, true);
            wire_octets = wire.octets.split();
            driven.feed(&wire_octets);
            let id = first(&driven);
            driven
                .machine
                .respond(id, &Fields::response(204), true)
                .unwrap();
            driven.drain();
            driven.poll();
            driven.events = Vec::new();
            driven.sent = Vec::new();
        }
    });
    assert!(driven.error.is_none());
    // Both ends' tables, of at most 4 KiB each with their index, and the buffers of the test.
    assert!(info.bytes_current < 48 * 1024, "{}", info.bytes_current);
}

/// A flag that promises five octets which are not there, with and without padding.
#[test]
fn row_31_priority_flag_without_its_octets() {
    for (flags, payload) in [
        (0x24, &b""[..]),
        (0x24, b"\0\0\0\0"),
        (0x2c, b"\0\0\0\0\0"),
        (0x2c, b"\x01\0\0\0\0"),
    ] {
        let header = FrameHeader {
            length: 0,
            kind: FrameType::HEADERS,
            flags,
            stream: 1,
        };
        let driven = flood(
            Wire::client()
                .frame(Frame::Unknown { header, payload })
                .bytes(),
        );
        assert_eq!(driven.goaway(), Some(ErrorCode::FRAME_SIZE_ERROR));
    }
    // With them, more padding than there is room for.
    let header = FrameHeader {
        length: 0,
        kind: FrameType::HEADERS,
        flags: 0x2c,
        stream: 1,
    };
    let payload = b"\x05\0\0\0\0\x0f\x82\x86\x84";
    let driven = flood(
        Wire::client()
            .frame(Frame::Unknown { header, payload })
            .bytes(),
    );
    assert_eq!(driven.goaway(), Some(ErrorCode::PROTOCOL_ERROR));
}

/// An entry takes its name from the one that is evicted to make room for it (RFC 7541 section 4.4).
#[test]
fn row_32_a_name_from_an_entry_that_moves() {
    use proto_http2::hpack::{BlockLimits, Decoder};
    let mut decoder = Decoder::new(64);
    let mut seen = Vec::new();
    let mut decode = |block: &[u8]| {
        decoder
            .decode(block, &BlockLimits::default(), |field| {
                seen.push((field.name.to_vec(), field.value.to_vec()));
            })
            .unwrap();
    };
    // "name: first", 41 octets; then its name with another value, again and again.
    decode(b"\x40\x04name\x05first");
    for value in *b"abcdefgh" {
        decode(&[0x7e, 6, value, value, value, value, value, value]);
        decode(&[0xbe]);
    }
    let expected = |value: u8| (b"name".to_vec(), vec![value; 6]);
    assert_eq!(seen[0], (b"name".to_vec(), b"first".to_vec()));
    for (index, value) in (*b"abcdefgh").into_iter().enumerate() {
        assert_eq!(seen[index * 2 + 1], expected(value));
        assert_eq!(seen[index * 2 + 2], expected(value));
    }
}

/// A small value never pins the buffer that it came in.
#[test]
fn row_41_small_pieces_own_their_octets() {
    let mut driven = Driven::server(Limits::default());
    driven.input.reserve(1 << 20);
    let buffer = driven.input.as_ptr();
    let wire = Wire::client()
        .headers(1, &Fields::request("POST", "http", "a", "/"), false)
        .data(1, &[7; 4095], false)
        .data(1, &[7; 4096], true);
    driven.feed(wire.bytes());
    let range = buffer as usize..buffer as usize + (1 << 20);
    let pieces: Vec<_> = driven
        .events
        .iter()
        .filter_map(|event| match event {
            Event::Data { data, .. } => Some(range.contains(&(data.as_ptr() as usize))),
            _ => None,
        })
        .collect();
    assert_eq!(pieces, [false, true], "a large one is not copied");
}

/// RFC 7541 section 7.1.3: secrets are in no table, so that nobody can probe for them, and stay
/// secrets on their way.
#[test]
fn row_42_secrets_are_never_indexed() {
    use proto_http2::hpack::{BlockLimits, Decoder, Encoder};
    let mut encoder = Encoder::new(4096);
    let mut decoder = Decoder::new(4096);
    let mut lengths = Vec::new();
    for _ in 0..3 {
        let mut block = Vec::new();
        encoder.begin(&mut block);
        encoder.field(
            &mut block,
            b"authorization",
            b"Basic Ym9iOmh1bmdyeQ==",
            false,
        );
        encoder.field(&mut block, b"cookie", b"pin=1234", false);
        encoder.field(&mut block, b"x-token", b"0123456789", true);
        lengths.push(block.len());
        let mut count = 0;
        let decoded = decoder.decode(&block, &BlockLimits::default(), |field| {
            assert!(field.is_sensitive, "{field:?}");
            count += 1;
        });
        decoded.unwrap();
        assert_eq!(count, 3);
    }
    assert!(lengths.iter().all(|len| *len == lengths[0]), "{lengths:?}");
    // A machine keeps the mark, and does not show the value.
    let mut fields = get("/");
    fields.push_sensitive("x-token", "0123456789");
    let mut client = Connection::client(T0, Config::default(), Limits::default());
    client.request(&fields, true).unwrap();
    let mut sender = Driven::over(client);
    let mut receiver = Driven::server(Limits::default());
    while let Some(Transmit::Data(data)) = sender.machine.poll_transmit(T0, 4096) {
        receiver.feed(&data);
    }
    let Some(Event::Headers { fields, .. }) = receiver
        .events
        .iter()
        .find(|event| matches!(event, Event::Headers { .. }))
    else {
        panic!("no request");
    };
    let token = fields.iter().find(|field| field.name == b"x-token");
    assert!(token.unwrap().is_sensitive);
    assert!(!format!("{fields:?}").contains("0123456789"));
}
