//! `bendy`.

use super::{Bencode, Digest};
use bendy::decoding::{Decoder, FromBencode};
use bendy::state_tracker::Token;
use bendy::value::Value;

/// The stream of tokens of bendy: nothing is kept.
#[derive(Debug)]
pub struct BendyTokens;

/// The values of bendy, which own what they hold.
#[derive(Debug)]
pub struct BendyValue;

impl Bencode for BendyTokens {
    const NAME: &'static str = "bendy 0.6.1, tokens";

    fn parse(_: &[u8]) -> Option<u64> {
        None
    }

    fn read(octets: &[u8]) -> Option<u64> {
        let mut digest = Digest::default();
        for token in Decoder::new(octets).with_max_depth(100).tokens() {
            match token.ok()? {
                Token::List | Token::Dict => digest.container(),
                Token::String(value) => digest.len(value.len()),
                Token::Num(value) => digest.int(value.parse().ok()?),
                Token::End => {}
            }
        }
        Some(digest.0)
    }
}

/// `from_bencode` stops at a depth that torrents pass.
fn value(octets: &[u8]) -> Option<Value<'_>> {
    let mut decoder = Decoder::new(octets).with_max_depth(100);
    Value::decode_bencode_object(decoder.next_object().ok()??).ok()
}

fn add(digest: &mut Digest, value: &Value<'_>) {
    match value {
        Value::Integer(value) => digest.int(*value),
        Value::Bytes(value) => digest.len(value.len()),
        Value::List(items) => {
            digest.container();
            items.iter().for_each(|item| add(digest, item));
        }
        Value::Dict(entries) => {
            digest.container();
            for (key, item) in entries {
                digest.len(key.len());
                add(digest, item);
            }
        }
    }
}

impl Bencode for BendyValue {
    const NAME: &'static str = "bendy 0.6.1, values";

    fn parse(octets: &[u8]) -> Option<u64> {
        match value(octets)? {
            Value::Dict(entries) => u64::try_from(entries.len()).ok(),
            _ => None,
        }
    }

    fn read(octets: &[u8]) -> Option<u64> {
        let value = value(octets)?;
        let mut digest = Digest::default();
        add(&mut digest, &value);
        Some(digest.0)
    }
}
