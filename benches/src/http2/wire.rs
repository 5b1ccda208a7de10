//! What floods of small frames cost a server.

use super::REQUEST;
use crate::{Case, Job};
use bytes::BytesMut;
use core::time::Duration;
use proto_http2::hpack::Encoder;
use proto_http2::wire::{Frame, PREFACE, StreamDependency};
use proto_http2::{Config, Connection, Event, Limits, Transmit};

const NOW: Duration = Duration::from_secs(1);

/// All cases of this file.
pub(super) fn cases() -> Vec<Case> {
    vec![small_frames(), priorities()]
}

fn begun() -> BytesMut {
    let mut wire = BytesMut::from(&PREFACE[..]);
    Frame::Settings {
        ack: false,
        payload: b"",
    }
    .encode(&mut wire);
    wire
}

/// 100 uploads, each in 100 frames of 16 octets.
fn small_frames() -> Case {
    let (mut wire, mut encoder) = (begun(), Encoder::new(4096));
    for index in 0..100 {
        let mut fragment = Vec::new();
        encoder.begin(&mut fragment);
        for (name, value) in REQUEST {
            let value = if name == ":method" { "POST" } else { value };
            encoder.field(&mut fragment, name.as_bytes(), value.as_bytes(), false);
        }
        Frame::Headers {
            stream: index * 2 + 1,
            fragment: &fragment,
            end_stream: false,
            end_headers: true,
            priority: None,
            padding: None,
        }
        .encode(&mut wire);
    }
    for round in 0..100 {
        for index in 0..100 {
            Frame::Data {
                stream: index * 2 + 1,
                data: &[b'x'; 16],
                end_stream: round == 99,
                padding: None,
            }
            .encode(&mut wire);
        }
    }
    case("10,000 DATA frames of 16 octets on 100 streams", wire)
}

/// 900 changes of a tree of 90 streams that are open, each exclusive every tenth time.
fn priorities() -> Case {
    let (mut wire, mut encoder) = (begun(), Encoder::new(4096));
    for index in 0..90 {
        let mut fragment = Vec::new();
        encoder.begin(&mut fragment);
        for (name, value) in REQUEST {
            encoder.field(&mut fragment, name.as_bytes(), value.as_bytes(), false);
        }
        Frame::Headers {
            stream: index * 2 + 1,
            fragment: &fragment,
            end_stream: true,
            end_headers: true,
            priority: None,
            padding: None,
        }
        .encode(&mut wire);
    }
    let mut state = 1_u32;
    for round in 0..900 {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let (stream, on) = ((state >> 8) % 90 * 2 + 1, (state >> 20) % 90 * 2 + 1);
        let priority = StreamDependency {
            on: if on == stream { 0 } else { on },
            exclusive: round % 10 == 0,
            weight: 1 + (round % 256) as u16,
        };
        Frame::Priority { stream, priority }.encode(&mut wire);
    }
    case("90 streams, 900 changes of priority", wire)
}

fn case(name: &str, wire: BytesMut) -> Case {
    let wire: &'static [u8] = wire.to_vec().leak();
    let ours = move || {
        let mut server = Connection::server(NOW, Config::default(), Limits::trusted());
        let mut input = BytesMut::from(wire);
        let mut sum = 0;
        while let Some(event) = server.poll_event(NOW, &mut input).unwrap() {
            match event {
                Event::Headers { .. } => sum += 1,
                Event::Data { data, .. } => sum += data.len() as u64,
                _ => {}
            }
        }
        while let Some(Transmit::Data(_)) = server.poll_transmit(NOW, 65_536) {}
        sum
    };
    #[cfg_attr(
        not(feature = "http2-peers"),
        expect(unused_mut, reason = "others come with the feature")
    )]
    let mut jobs: Vec<(&'static str, Job)> = vec![("ours", Box::new(ours))];
    #[cfg(feature = "http2-peers")]
    jobs.push((
        super::nghttp2::NAME,
        Box::new(move || super::nghttp2::served(wire)),
    ));
    Case {
        group: "http2 floods",
        name: name.into(),
        octets: Some(wire.len() as u64),
        jobs,
        is_comparable: true,
    }
}
