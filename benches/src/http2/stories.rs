//! Header lists to be compressed: those of hpack-test-case where they are found, else made ones.

use proto_http2::hpack::{Encoder, Indexing};
use std::path::PathBuf;
use std::{env, fs};

pub(super) type List = Vec<(Vec<u8>, Vec<u8>)>;

/// The lists of one direction of one connection.
pub(super) type Story = Vec<List>;

/// The blocks of one direction of one connection.
pub(super) type Blocks = Vec<Vec<u8>>;

/// The lists that are compressed.
pub(super) fn lists() -> Vec<Story> {
    read("raw-data", |case| fields(&case["headers"])).unwrap_or_else(made)
}

/// Blocks with table and Huffman code, as nghttp2 made them, or else we.
pub(super) fn with_all() -> Vec<Blocks> {
    read("nghttp2", |case| hex(&case["wire"])).unwrap_or_else(|| encoded(&made(), false))
}

/// Blocks with the table and without the Huffman code.
pub(super) fn with_table() -> Vec<Blocks> {
    read("haskell-http2-linear", |case| hex(&case["wire"])).unwrap_or_default()
}

/// Blocks with the Huffman code and without the table.
pub(super) fn with_huffman() -> Vec<Blocks> {
    encoded(&lists(), true)
}

/// Ten fields that are all in the table, again and again.
pub(super) fn hot() -> Story {
    let list: List = [
        (":method", "GET"),
        (":scheme", "https"),
        (":authority", "utopia.example"),
        (
            "user-agent",
            "Mozilla/5.0 (X11; Linux x86_64) Browser/128.0",
        ),
        ("accept", "text/css,*/*;q=0.1"),
        ("accept-encoding", "gzip, deflate, br"),
        ("accept-language", "en-GB,en;q=0.8"),
        ("cache-control", "no-cache"),
        ("referer", "https://utopia.example/index.html"),
        ("x-forwarded-proto", "https"),
    ]
    .map(|(name, value)| (name.into(), value.into()))
    .into();
    vec![list; 4000]
}

pub(super) fn encoded(stories: &[Story], is_static: bool) -> Vec<Blocks> {
    let blocks = |story: &Story| {
        let mut encoder = Encoder::new(4096);
        let block = |list: &List| {
            let mut block = Vec::new();
            encoder.begin(&mut block);
            for (name, value) in list {
                if is_static {
                    encoder.field_as(&mut block, name, value, Indexing::Skip);
                } else {
                    encoder.field(&mut block, name, value, false);
                }
            }
            block
        };
        story.iter().map(block).collect()
    };
    stories.iter().map(blocks).collect()
}

fn read<T>(folder: &str, part: impl Fn(&serde_json::Value) -> T) -> Option<Vec<Vec<T>>> {
    let vectors = env::var_os("PROTO_VECTORS").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/vectors")),
        PathBuf::from,
    );
    let folder = vectors.join("http2/hpack-test-case").join(folder);
    let mut files: Vec<_> = fs::read_dir(folder)
        .ok()?
        .filter_map(|file| Some(file.ok()?.path()))
        .collect();
    files.sort();
    let story = |file: &PathBuf| {
        let story: serde_json::Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
        story["cases"]
            .as_array()
            .unwrap()
            .iter()
            .map(&part)
            .collect()
    };
    Some(files.iter().map(story).collect())
}

fn fields(headers: &serde_json::Value) -> List {
    let pair = |header: &serde_json::Value| {
        let (name, value) = header.as_object().unwrap().iter().next().unwrap();
        (name.clone().into(), value.as_str().unwrap().into())
    };
    headers.as_array().unwrap().iter().map(pair).collect()
}

fn hex(text: &serde_json::Value) -> Vec<u8> {
    let text = text.as_str().unwrap();
    let octet = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(octet).collect()
}

/// Requests for a hundred objects of ten pages.
fn made() -> Vec<Story> {
    let list = |page: usize, object: usize| -> List {
        let path = format!("/page{page}/object{object}.png");
        let referer = format!("https://utopia.example/page{page}/");
        super::REQUEST
            .iter()
            .map(|&(name, value)| match name {
                ":path" => (name.into(), path.clone().into()),
                _ => (name.into(), value.into()),
            })
            .chain([(b"referer".to_vec(), referer.into_bytes())])
            .collect()
    };
    (0..10)
        .map(|page| (0..100).map(|object| list(page, object)).collect())
        .collect()
}
