//! Every section of RFC 7541 appendix C, both ways.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod common;

use common::hex;
use proto_http2::hpack::{BlockLimits, Decoder, Encoder, Indexing};

type Fields = &'static [(&'static str, &'static str)];

fn decoded(decoder: &mut Decoder, block: &[u8]) -> Vec<(String, String, bool)> {
    let mut list = Vec::new();
    let text = |octets: &[u8]| String::from_utf8(octets.to_vec()).unwrap();
    decoder
        .decode(block, &BlockLimits::default(), |field| {
            list.push((text(field.name), text(field.value), field.is_sensitive));
        })
        .unwrap();
    list
}

/// C.1: 10 with a prefix of 5 bits, 1337 with one of 5, 42 with one of 8. Integers stand in size
/// updates (5 bits), and as lengths and indices.
#[test]
fn c_1_integers() {
    // 10 and 1337 as sizes of the table.
    for (size, wire) in [(10, "2a"), (1337, "3f9a0a")] {
        let mut encoder = Encoder::new(4096);
        encoder.set_max_size(size);
        let mut block = Vec::new();
        encoder.begin(&mut block);
        assert_eq!(block, hex(wire));
        let mut decoder = Decoder::new(4096);
        assert_eq!(decoded(&mut decoder, &block), []);
        assert_eq!(decoder.table_size(), size);
    }
    // 42 where an octet begins: the length of a string has 7 bits, which hold it all the same.
    let value = "\u{1}".repeat(42);
    let mut block = Vec::new();
    Encoder::new(4096).field_as(&mut block, b"\x01", value.as_bytes(), Indexing::Skip);
    assert_eq!(block[3], 42);
    assert_eq!(decoded(&mut Decoder::new(4096), &block)[0].1, value);
    // Each integer that needs one octet more than the one before it, both ways.
    for size in [30, 31, 158, 159, 4096] {
        let mut encoder = Encoder::new(8192);
        encoder.set_max_size(size);
        let mut block = Vec::new();
        encoder.begin(&mut block);
        let mut decoder = Decoder::new(4096);
        assert_eq!(decoded(&mut decoder, &block), []);
        assert_eq!(decoder.table_size(), size);
    }
}

/// C.2: one field each, without the Huffman code.
#[test]
fn c_2_representations() {
    let cases = [
        (
            "400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572",
            ("custom-key", "custom-header"),
            Indexing::Index,
        ),
        (
            "040c 2f73 616d 706c 652f 7061 7468",
            (":path", "/sample/path"),
            Indexing::Skip,
        ),
        (
            "1008 7061 7373 776f 7264 0673 6563 7265 74",
            ("password", "secret"),
            Indexing::Never,
        ),
        ("82", (":method", "GET"), Indexing::Index),
    ];
    for (wire, (name, value), how) in cases {
        let wire = hex(wire);
        let is_sensitive = how == Indexing::Never;
        let expected = [(name.to_owned(), value.to_owned(), is_sensitive)];
        let mut decoder = Decoder::new(4096);
        assert_eq!(decoded(&mut decoder, &wire), expected);
        // Ours are shorter, by the Huffman code, and mean the same.
        let mut block = Vec::new();
        Encoder::new(4096).field_as(&mut block, name.as_bytes(), value.as_bytes(), how);
        assert!(block.len() <= wire.len());
        assert_eq!(block[0], wire[0], "the representation is the same");
        assert_eq!(decoded(&mut Decoder::new(4096), &block), expected);
        // Only what is indexed can be referred to.
        let next = decoder.decode(&[0xbe], &BlockLimits::default(), |_| {});
        assert_eq!(next.is_ok(), how == Indexing::Index && wire[0] == 0x40);
    }
}

const REQUESTS: [Fields; 3] = [
    &[
        (":method", "GET"),
        (":scheme", "http"),
        (":path", "/"),
        (":authority", "www.example.com"),
    ],
    &[
        (":method", "GET"),
        (":scheme", "http"),
        (":path", "/"),
        (":authority", "www.example.com"),
        ("cache-control", "no-cache"),
    ],
    &[
        (":method", "GET"),
        (":scheme", "https"),
        (":path", "/index.html"),
        (":authority", "www.example.com"),
        ("custom-key", "custom-value"),
    ],
];

const RESPONSES: [Fields; 3] = [
    &[
        (":status", "302"),
        ("cache-control", "private"),
        ("date", "Mon, 21 Oct 2013 20:13:21 GMT"),
        ("location", "https://www.example.com"),
    ],
    &[
        (":status", "307"),
        ("cache-control", "private"),
        ("date", "Mon, 21 Oct 2013 20:13:21 GMT"),
        ("location", "https://www.example.com"),
    ],
    &[
        (":status", "200"),
        ("cache-control", "private"),
        ("date", "Mon, 21 Oct 2013 20:13:22 GMT"),
        ("location", "https://www.example.com"),
        ("content-encoding", "gzip"),
        (
            "set-cookie",
            "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1",
        ),
    ],
];

/// Decodes the blocks one after the other; encodes the same, which gives the same octets with the
/// Huffman code, and without it what decodes to the same.
fn exchange(size: u32, blocks: [&str; 3], lists: [Fields; 3], is_huffman: bool) {
    let mut decoder = Decoder::new(size);
    let (mut encoder, mut check) = (Encoder::new(4096), Decoder::new(size));
    encoder.set_max_size(size);
    encoder.begin(&mut Vec::new());
    for (wire, fields) in blocks.into_iter().zip(lists) {
        let wire = hex(wire);
        let list: Vec<_> = fields
            .iter()
            .map(|&(name, value)| (name.to_owned(), value.to_owned(), false))
            .collect();
        assert_eq!(decoded(&mut decoder, &wire), list);
        let mut block = Vec::new();
        encoder.begin(&mut block);
        for (name, value) in fields {
            // The examples index all.
            let (name, value) = (name.as_bytes(), value.as_bytes());
            encoder.field_as(&mut block, name, value, Indexing::Index);
        }
        assert_eq!(decoded(&mut check, &block), list);
        if is_huffman {
            assert_eq!(block, wire, "the encoder makes the same octets");
        } else {
            assert!(block.len() <= wire.len());
        }
    }
}

#[test]
fn c_3_requests_without_huffman() {
    let blocks = [
        "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
        "8286 84be 5808 6e6f 2d63 6163 6865",
        "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
    ];
    exchange(4096, blocks, REQUESTS, false);
}

#[test]
fn c_4_requests_with_huffman() {
    let blocks = [
        "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
        "8286 84be 5886 a8eb 1064 9cbf",
        "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
    ];
    exchange(4096, blocks, REQUESTS, true);
}

#[test]
fn c_5_responses_without_huffman() {
    let blocks = [
        "4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133
         2032 303a 3133 3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70
         6c65 2e63 6f6d",
        "4803 3330 37c1 c0bf",
        "88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d
         54c0 5a04 677a 6970 7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049
         5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572 7369 6f6e
         3d31",
    ];
    exchange(256, blocks, RESPONSES, false);
}

#[test]
fn c_6_responses_with_huffman() {
    let blocks = [
        "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6
         2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3",
        "4883 640e ffc1 c0bf",
        "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab
         77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f
         9587 3160 65c0 03ed 4ee5 b106 3d50 07",
    ];
    exchange(256, blocks, RESPONSES, true);
}
