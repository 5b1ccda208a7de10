//! Whatever stands on the wire: no panic, and what was understood is written as it is understood.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use bytes::BytesMut;
use proptest::prelude::*;
use proto_mail::pop3::wire::{
    Capability, Command, CommandDecoder, ListItem, Reply, ReplyDecoder, Stat, Text, Timestamp,
    UniqueIdItem,
};
use proto_mail::sasl::plain::Plain;

/// Octets that look like POP3, and some that do not.
fn octets() -> impl Strategy<Value = Vec<u8>> {
    let word = prop::sample::select(vec![
        "USER ",
        "PASS ",
        "APOP ",
        "AUTH PLAIN ",
        "TOP ",
        "LANG ",
        "UTF8",
        "+OK ",
        "-ERR ",
        "+ ",
        "[SYS/TEMP]",
        "EXPIRE ",
        "LOGIN-DELAY ",
        "SASL ",
        "<a.b@c>",
        "c4c9334bac560ecc979e58001b3e22fb",
        "18446744073709551615 ",
        "1 ",
        "\r\n",
        ".\r\n",
        ".",
        " ",
        "\0",
    ]);
    let piece = prop_oneof![
        4 => word.prop_map(|word| word.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..5),
    ];
    prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..Default::default() })]

    #[test]
    fn a_command_that_was_understood_is_written_as_it_was_understood(line in octets()) {
        if let Ok(command) = Command::parse(&line) {
            let mut wire = BytesMut::new();
            command.encode(&mut wire);
            prop_assert!(wire.ends_with(b"\r\n"));
            let again = &wire[..wire.len() - 2];
            prop_assert_eq!(memchr::memchr3(b'\r', b'\n', 0, again), None);
            prop_assert_eq!(Command::parse(again), Ok(command));
        }
    }

    #[test]
    fn a_reply_that_was_understood_is_written_as_it_stood(line in octets()) {
        if let Ok(reply) = Reply::parse(&line) {
            let mut wire = BytesMut::new();
            reply.encode(&mut wire);
            prop_assert_eq!(&wire[..wire.len() - 2], &line[..]);
            // The parts lie inside the line.
            prop_assert!(line.ends_with(reply.text()));
        }
    }

    #[test]
    fn any_text_makes_one_reply_line(text in prop::collection::vec(any::<u8>(), 0..700)) {
        for reply in [Reply::ok(&text), Reply::err(&text)] {
            let mut wire = BytesMut::new();
            reply.encode(&mut wire);
            prop_assert!(wire.len() <= Reply::MAX_LEN);
            prop_assert_eq!(Reply::parse(&wire[..wire.len() - 2]), Ok(reply));
        }
    }

    #[test]
    fn a_capability_is_written_to_the_same_meaning(line in octets()) {
        if let Ok(text) = Text::new(&line) {
            let capability = Capability::parse(text);
            let mut wire = BytesMut::new();
            capability.encode(&mut wire);
            prop_assert_eq!(Capability::parse(Text::new(&wire).unwrap()), capability);
        }
    }

    #[test]
    fn listings_and_timestamps_are_written_as_they_were_understood(line in octets()) {
        let mut wire = BytesMut::new();
        if let Ok(stat) = Stat::parse(&line) {
            stat.encode(&mut wire);
            prop_assert_eq!(Stat::parse(&wire), Ok(stat));
        }
        wire.clear();
        if let Ok(item) = ListItem::parse(&line) {
            item.encode(&mut wire);
            prop_assert_eq!(ListItem::parse(&wire), Ok(item));
        }
        wire.clear();
        if let Ok(item) = UniqueIdItem::parse(&line) {
            item.encode(&mut wire);
            prop_assert_eq!(UniqueIdItem::parse(&wire), Ok(item));
        }
        if let Some(timestamp) = Timestamp::find(&line) {
            prop_assert_eq!(Timestamp::new(timestamp.as_str()), Ok(timestamp));
        }
        if let Ok(plain) = Plain::decode(&line) {
            let message = plain.encode().unwrap();
            prop_assert_eq!(message.as_bytes(), &line[..]);
        }
    }

    /// R13 for the decoders that stand alone.
    #[test]
    fn r13_decoders_do_not_mind_where_the_input_is_cut(wire in octets(), cut in any::<prop::sample::Index>()) {
        let (head, tail) = wire.split_at(cut.index(wire.len() + 1));
        let commands = |parts: &[&[u8]]| {
            let (mut decoder, mut src, mut items) = (CommandDecoder::new(30), BytesMut::new(), Vec::new());
            for part in parts {
                src.extend_from_slice(part);
                while let Some(item) = decoder.decode(&mut src).transpose() {
                    items.push(item);
                }
            }
            items
        };
        prop_assert_eq!(commands(&[head, tail]), commands(&[&wire]));
        let replies = |parts: &[&[u8]]| {
            let (mut decoder, mut src, mut items) = (ReplyDecoder::new(30), BytesMut::new(), Vec::new());
            decoder.expect_lines();
            for part in parts {
                src.extend_from_slice(part);
                while let Some(item) = decoder.decode(&mut src).transpose() {
                    items.push(item);
                }
            }
            items
        };
        prop_assert_eq!(replies(&[head, tail]), replies(&[&wire]));
    }
}
