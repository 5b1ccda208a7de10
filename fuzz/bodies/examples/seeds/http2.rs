//! Seeds for HTTP/2: a valid life of each kind.

use bytes::BytesMut;
use proto_http2::Fields;
use proto_http2::hpack::Encoder;
use proto_http2::wire::{ErrorCode, Frame};

/// The frames that most lives have.
fn life(fields: &Fields) -> BytesMut {
    let mut wire = BytesMut::new();
    let (mut encoder, mut block) = (Encoder::new(4096), Vec::new());
    encoder.begin(&mut block);
    for field in fields.iter() {
        encoder.field(&mut block, field.name, field.value, false);
    }
    let frames = [
        Frame::Settings {
            ack: false,
            payload: &[0, 4, 0, 0, 1, 0],
        },
        Frame::Settings {
            ack: true,
            payload: b"",
        },
        Frame::Headers {
            stream: 1,
            fragment: &block,
            end_stream: false,
            end_headers: true,
            priority: None,
            padding: Some(3),
        },
        Frame::Data {
            stream: 1,
            data: b"body",
            end_stream: true,
            padding: None,
        },
        Frame::WindowUpdate {
            stream: 0,
            increment: 99,
        },
        Frame::Ping {
            ack: false,
            opaque: [1; 8],
        },
        Frame::RstStream {
            stream: 1,
            code: ErrorCode::CANCEL,
        },
        Frame::PriorityUpdate {
            prioritized: 3,
            value: b"u=1, i",
        },
        Frame::GoAway {
            last_stream: 0,
            code: ErrorCode::NO_ERROR,
            debug: b"bye",
        },
    ];
    for frame in frames {
        frame.encode(&mut wire);
    }
    wire
}

/// The seeds by target.
pub(crate) fn seeds() -> Vec<super::Seed> {
    let request = life(&Fields::request("POST", "http", "utopia.example", "/"));
    let response = life(&Fields::response(200).with("server", "utopia"));
    let steps = |head: &[u8], wire: &[u8]| {
        let mut script = head.to_vec();
        for piece in wire.chunks(40) {
            script.extend_from_slice(&[8, u8::try_from(piece.len()).unwrap_or(0)]);
            script.extend_from_slice(piece);
        }
        script.extend_from_slice(&[6, 5, 61, 6]);
        script
    };
    let list = [
        ("http2_frame", "life", request.to_vec()),
        (
            "http2_hpack_decode",
            "literals",
            b"\xff\xff\x20\x10\x00\x00\x08\x82\x86\x84\x40\x01a\x01b".to_vec(),
        ),
        (
            "http2_hpack_inverse",
            "fields",
            b"\x00\x02\x05:path\x01/\x00\x01a\x03bcd\x01".to_vec(),
        ),
        ("http2_server_script", "life", steps(&[1, 1], &request)),
        ("http2_client_script", "life", steps(&[1, 2], &response)),
        (
            "http2_pair",
            "life",
            b"\x00\x00\x01\xff\xff\x05\x01\x09\x07\x00\x01\x20\x00\x01\xff\xff\x03\x01\xff\xff"
                .to_vec(),
        ),
    ];
    list.into_iter()
        .map(|(target, name, data): (_, &str, Vec<u8>)| (target, name.to_owned(), data))
        .collect()
}
