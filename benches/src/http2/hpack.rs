//! Header compression alone.

use super::stories::{self, Blocks, Story};
use crate::{Case, Job};
use proto_http2::hpack::{BlockLimits, Decoder, Encoder};

/// All cases of this file.
pub(super) fn cases() -> Vec<Case> {
    let hot = stories::encoded(&[stories::hot()], false);
    let mut cases = vec![
        decode("table and Huffman code", stories::with_all()),
        decode("Huffman code", stories::with_huffman()),
        decode("all in the table", hot),
    ];
    let table = stories::with_table();
    if !table.is_empty() {
        cases.push(decode("table", table));
    }
    cases.push(encode("all stories", stories::lists()));
    cases.push(encode("all in the table", vec![stories::hot()]));
    cases
}

fn decode(name: &str, stories: Vec<Blocks>) -> Case {
    let stories: &'static [Blocks] = stories.leak();
    let mut limits = BlockLimits::default();
    limits.max_fields = 1000;
    let ours = move || {
        let mut sum = 0;
        for blocks in stories {
            let mut decoder = Decoder::new(4096);
            for block in blocks {
                let decoded = decoder.decode(block, &limits, |field| {
                    sum += field.name.len() + field.value.len();
                });
                decoded.unwrap();
            }
        }
        sum as u64
    };
    #[cfg_attr(
        not(feature = "http2-peers"),
        expect(unused_mut, reason = "others come with the feature")
    )]
    let mut jobs: Vec<(&'static str, Job)> = vec![("ours", Box::new(ours))];
    #[cfg(feature = "http2-peers")]
    jobs.extend([
        (super::nghttp2::NAME, job(stories, super::nghttp2::inflated)),
        ("fluke-hpack 0.3.1", job(stories, peers::fluke_decoded)),
        ("httlib-hpack 0.1.3", job(stories, peers::httlib_decoded)),
    ]);
    Case {
        group: "hpack decode",
        name: name.into(),
        octets: None,
        jobs,
        is_comparable: true,
    }
}

fn encode(name: &str, stories: Vec<Story>) -> Case {
    let stories: &'static [Story] = stories.leak();
    #[cfg_attr(
        not(feature = "http2-peers"),
        expect(unused_mut, reason = "others come with the feature")
    )]
    let mut jobs: Vec<(&'static str, Job)> = vec![("ours", Box::new(move || encoded(stories)))];
    #[cfg(feature = "http2-peers")]
    jobs.extend([
        (super::nghttp2::NAME, job(stories, super::nghttp2::deflated)),
        (
            "fluke-hpack 0.3.1 (no code)",
            job(stories, peers::fluke_encoded),
        ),
        ("httlib-hpack 0.1.3", job(stories, peers::httlib_encoded)),
    ]);
    Case {
        group: "hpack encode",
        name: name.into(),
        octets: None,
        jobs,
        // Each has its own idea of what enters the table.
        is_comparable: false,
    }
}

#[cfg(feature = "http2-peers")]
fn job<T>(stories: &'static [T], work: fn(&[T]) -> u64) -> Job {
    Box::new(move || work(stories))
}

/// Octets that all stories are compressed to.
fn encoded(stories: &[Story]) -> u64 {
    let (mut block, mut sum) = (Vec::new(), 0);
    for story in stories {
        let mut encoder = Encoder::new(4096);
        for list in story {
            block.clear();
            encoder.begin(&mut block);
            for (name, value) in list {
                encoder.field(&mut block, name, value, false);
            }
            sum += block.len();
        }
    }
    sum as u64
}

/// Octets to which everybody compresses the stories.
#[must_use]
pub fn encoded_sizes() -> Vec<(&'static str, u64)> {
    let mut case = encode("", stories::lists());
    let sizes = case.jobs.iter_mut().map(|(who, job)| (*who, job()));
    sizes.collect()
}

#[cfg(feature = "http2-peers")]
mod peers {
    use super::super::stories::{Blocks, Story};

    pub(super) fn fluke_decoded(stories: &[Blocks]) -> u64 {
        let mut sum = 0;
        for blocks in stories {
            let mut decoder = fluke_hpack::Decoder::new();
            for block in blocks {
                let decoded =
                    decoder.decode_with_cb(block, |name, value| sum += name.len() + value.len());
                decoded.unwrap();
            }
        }
        sum as u64
    }

    pub(super) fn httlib_decoded(stories: &[Blocks]) -> u64 {
        let (mut sum, mut copy, mut fields) = (0, Vec::new(), Vec::new());
        for blocks in stories {
            let mut decoder = httlib_hpack::Decoder::with_dynamic_size(4096);
            for block in blocks {
                copy.clear();
                copy.extend_from_slice(block);
                fields.clear();
                decoder.decode(&mut copy, &mut fields).unwrap();
                for (name, value, _) in &fields {
                    sum += name.len() + value.len();
                }
            }
        }
        sum as u64
    }

    pub(super) fn fluke_encoded(stories: &[Story]) -> u64 {
        let (mut block, mut sum) = (Vec::new(), 0);
        for story in stories {
            let mut encoder = fluke_hpack::Encoder::new();
            for list in story {
                block.clear();
                let fields = list.iter().map(|(name, value)| (&name[..], &value[..]));
                encoder.encode_into(fields, &mut block).unwrap();
                sum += block.len();
            }
        }
        sum as u64
    }

    pub(super) fn httlib_encoded(stories: &[Story]) -> u64 {
        use httlib_hpack::Encoder;
        let (mut block, mut sum) = (Vec::new(), 0);
        for story in stories {
            let mut encoder = Encoder::with_dynamic_size(4096);
            for list in story {
                block.clear();
                for (name, value) in list {
                    let flags = Encoder::WITH_INDEXING
                        | Encoder::BEST_FORMAT
                        | Encoder::HUFFMAN_NAME
                        | Encoder::HUFFMAN_VALUE;
                    let field = (name.clone(), value.clone(), flags);
                    encoder.encode(field, &mut block).unwrap();
                }
                sum += block.len();
            }
        }
        sum as u64
    }
}
