//! Whole messages of others, with all that others see in them.

use crate::{feed, vectors};
use proto_mail::message::{
    ContentType, Event, FieldName, Kind, Limits, OctetsKind, TransferDecoder, charset,
};
use serde_json::Value;
use std::fs;

/// An entity as mail-parser lists it.
#[derive(Debug, Default, PartialEq)]
struct Part {
    start: u64,
    end: u64,
    media: String,
    is_multipart: bool,
    subject: Option<String>,
    from: Vec<String>,
    date: Option<i64>,
    text: Option<String>,
    octets: Option<Vec<u8>>,
}

fn media(content: &ContentType) -> String {
    format!("{}/{}", content.kind(), content.subtype())
}

/// The entities of a message; what is inside of a message is listed behind it. `at` is where it begins.
fn ours(message: &[u8], at: u64, out: &mut Vec<Part>) {
    let mut open: Vec<usize> = Vec::new();
    let mut decoders: Vec<(usize, ContentType, TransferDecoder, Vec<u8>)> = Vec::new();
    feed(
        message,
        Limits::default(),
        || 4096,
        |event| match event {
            Event::PartBegin { offset, .. } => {
                open.push(out.len());
                out.push(Part {
                    start: at + offset,
                    ..Part::default()
                });
            }
            Event::Field(field) => {
                let part = &mut out[*open.last().unwrap()];
                match field.known() {
                    FieldName::Subject => part.subject = Some(field.text()),
                    FieldName::Date => part.date = field.date().ok().map(|date| date.to_unix()),
                    FieldName::From => {
                        part.from = field
                            .addresses()
                            .mailboxes()
                            .map(|mailbox| mailbox.addr_spec())
                            .collect();
                    }
                    _ => {}
                }
            }
            Event::HeaderEnd { content, .. } => {
                let index = *open.last().unwrap();
                out[index].media = media(&content.content_type());
                out[index].is_multipart = content.kind() == Kind::Multipart;
                if content.kind() == Kind::Leaf {
                    let decoder = TransferDecoder::new(content.encoding());
                    decoders.push((index, content.content_type(), decoder, Vec::new()));
                }
            }
            Event::Octets {
                kind: OctetsKind::Body,
                data,
                ..
            } => {
                let (_, _, decoder, octets) = decoders.last_mut().unwrap();
                decoder.decode(data, octets);
            }
            Event::PartEnd(end) => {
                out[open.pop().unwrap()].end = at + end.body_end;
            }
            _ => {}
        },
    );
    for (index, content, mut decoder, mut octets) in decoders {
        decoder.finish(&mut octets);
        if content.kind() == "text" {
            let (text, _) = charset::decode(content.charset(), &octets);
            out[index].text = Some(text.into_owned());
        }
        out[index].octets = Some(octets);
    }
}

fn theirs(message: &Value, out: &mut Vec<Part>) {
    fn walk(message: &Value, id: usize, out: &mut Vec<Part>) {
        let json = &message["parts"][id];
        let mut part = Part {
            start: json["offset_header"].as_u64().unwrap(),
            end: json["offset_end"].as_u64().unwrap(),
            media: "text/plain".to_owned(),
            ..Part::default()
        };
        for header in json["headers"].as_array().unwrap() {
            let value = &header["value"];
            match header["name"].as_str() {
                Some("content_type") => {
                    let content = &value["ContentType"];
                    part.media = format!(
                        "{}/{}",
                        content["c_type"]
                            .as_str()
                            .unwrap_or_default()
                            .to_lowercase(),
                        content["c_subtype"]
                            .as_str()
                            .unwrap_or_default()
                            .to_lowercase()
                    );
                }
                Some("subject") => part.subject = value["Text"].as_str().map(ToOwned::to_owned),
                Some("date") => {
                    let date = &value["DateTime"];
                    let number = |name: &str| date[name].as_i64().unwrap_or(0);
                    let text = format!(
                        "{} {} {} {}:{}:{} {}{:02}{:02}",
                        number("day"),
                        number("month"),
                        number("year"),
                        number("hour"),
                        number("minute"),
                        number("second"),
                        if date["tz_before_gmt"] == true {
                            '-'
                        } else {
                            '+'
                        },
                        number("tz_hour"),
                        number("tz_minute"),
                    );
                    part.date = proto_mail::message::date::parse(text.as_bytes())
                        .ok()
                        .map(|date| date.to_unix());
                }
                Some("from") => {
                    part.from = value["Address"]["List"]
                        .as_array()
                        .into_iter()
                        .flatten()
                        .map(|one| one["address"].as_str().unwrap_or_default().to_owned())
                        .collect();
                }
                _ => {}
            }
        }
        let body = &json["body"];
        let octets = |value: &Value| {
            let octets = value.as_array().unwrap().iter();
            octets
                .map(|octet| octet.as_u64().unwrap() as u8)
                .collect::<Vec<_>>()
        };
        part.is_multipart = body.get("Multipart").is_some();
        part.text = body
            .get("Text")
            .or(body.get("Html"))
            .map(|text| text.as_str().unwrap().to_owned());
        part.octets = body.get("Binary").or(body.get("InlineBinary")).map(octets);
        out.push(part);
        for child in body
            .get("Multipart")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            walk(message, child.as_u64().unwrap() as usize, out);
        }
        if let Some(inner) = body.get("Message") {
            walk(inner, 0, out);
        }
    }
    walk(message, 0, out);
}

/// Where we see something else: the message, the entity, what; and why.
const DIFFERENCES: &[(&str, &str)] = &[
    (
        "rfc/008: 3 parts",
        "RFC 2046 section 5.2.1: an encoded message/rfc822 is octets until its reader decodes it",
    ),
    ("rfc/004 0 from", NO_DOMAIN),
    ("rfc/004 4 from", NO_DOMAIN),
    ("rfc/004 6 from", NO_DOMAIN),
    (
        "rfc/000 8 from",
        "an empty list of addresses has no address",
    ),
    (
        "rfc/004 3 media",
        "RFC 2046 section 5.1.5: in a digest the default is message/rfc822",
    ),
    ("rfc/004 5 media", "the same"),
    ("rfc/000 4 text", BAD_BASE64),
    ("rfc/000 5 text", BAD_BASE64),
    ("thirdparty/002 2 text", BAD_BASE64),
    ("thirdparty/002 3 text", BAD_BASE64),
    ("legacy/022 0 subject", LATIN1),
    ("legacy/052 0 subject", LATIN1),
    ("legacy/010 0 subject", LATIN1),
    ("legacy/020 0 subject", LATIN1),
    (
        "legacy/034 0 text",
        "UTF-7 is not decoded: it hides markup from filters",
    ),
    (
        "malformed/022: 4 parts",
        "a message/rfc822 without fields is a message without fields",
    ),
    ("malformed/008 1 end", PREFIX),
    ("malformed/008 3 start", PREFIX),
    ("malformed/004: 1 parts", PREFIX),
    ("malformed/016: 5 parts", PREFIX),
    (
        "malformed/020: 5 parts",
        "of two Content-Type fields the first counts, and it is noted",
    ),
    ("malformed/002 0 multipart", NO_DELIMITER),
    ("malformed/002 0 text", NO_DELIMITER),
    (
        "malformed/012: 8 parts",
        "RFC 2046 section 5.1.2: the delimiter of an outer multipart ends an inner one",
    ),
    (
        "malformed/014: 3 parts",
        "an entity that begins at the end of the message is an empty one",
    ),
    (
        "malformed/000: 5 parts",
        "a delimiter ends a header that has no blank line",
    ),
];
const NO_DELIMITER: &str = "a multipart without delimiter is all preamble";
const NO_DOMAIN: &str = "a word without domain is a local part; there it is a name";
const BAD_BASE64: &str =
    "RFC 2045 section 6.8: octets outside of the alphabet are left out and noted";
const LATIN1: &str = "octets of a header that are not UTF-8 are read as ISO-8859-1";
const PREFIX: &str = "a delimiter is a whole line: one boundary may be the front of another";

#[test]
fn mail_parser_sees_the_same_parts_and_the_same_text() {
    let Some(folder) = vectors("messages/mail-parser") else {
        return;
    };
    let mut wrong = Vec::new();
    let mut checked = 0;
    for group in ["rfc", "legacy", "malformed", "thirdparty"] {
        for entry in fs::read_dir(folder.join(group)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "eml") {
                continue;
            }
            let name = format!("{group}/{}", path.file_stem().unwrap().to_str().unwrap());
            let mut message = fs::read(&path).unwrap();
            if group == "legacy" || ["thirdparty/000", "malformed/018"].contains(&&*name) {
                // Their results are of the messages with bare line feeds.
                message.retain(|octet| *octet != b'\r');
            }
            let json: Value =
                serde_json::from_slice(&fs::read(path.with_extension("json")).unwrap()).unwrap();
            let (mut mine, mut other) = (Vec::new(), Vec::new());
            ours(&message, 0, &mut mine);
            theirs(&json, &mut other);
            checked += 1;
            if mine.len() != other.len() {
                wrong.push(format!(
                    "{name}: {} parts, expected {}",
                    mine.len(),
                    other.len()
                ));
                continue;
            }
            for (index, (mine, other)) in mine.iter_mut().zip(&other).enumerate() {
                if other.text.is_none() {
                    mine.text = None;
                }
                if other.octets.is_none() {
                    mine.octets = None;
                }
                for (what, is_same) in [
                    ("start", mine.start == other.start),
                    ("end", mine.end == other.end),
                    ("media", mine.media == other.media),
                    ("multipart", mine.is_multipart == other.is_multipart),
                    ("subject", mine.subject == other.subject),
                    ("from", mine.from == other.from),
                    ("date", mine.date == other.date),
                    ("text", mine.text == other.text),
                    ("octets", mine.octets == other.octets),
                ] {
                    if !is_same {
                        let show = |part: &Part| match what {
                            "start" => part.start.to_string(),
                            "end" => part.end.to_string(),
                            "media" => part.media.clone(),
                            "subject" => format!("{:?}", part.subject),
                            "from" => format!("{:?}", part.from),
                            "date" => format!("{:?}", part.date),
                            "text" => format!("{:?}", part.text),
                            _ => format!("{:?}", part.octets.as_ref().map(Vec::len)),
                        };
                        let (mut left, mut right) = (show(mine), show(other));
                        let common = left
                            .bytes()
                            .zip(right.bytes())
                            .take_while(|(a, b)| a == b)
                            .count();
                        let from = (0..=common.saturating_sub(20))
                            .rev()
                            .find(|at| left.is_char_boundary(*at) && right.is_char_boundary(*at))
                            .unwrap();
                        left = left[from..].chars().take(60).collect();
                        right = right[from..].chars().take(60).collect();
                        wrong.push(format!("{name} {index} {what}: {left} / {right}"));
                    }
                }
            }
        }
    }
    for (listed, _) in DIFFERENCES {
        assert!(
            wrong.iter().any(|what| what.starts_with(listed)),
            "{listed} is no difference any more"
        );
    }
    wrong.retain(|what| {
        !DIFFERENCES
            .iter()
            .any(|(listed, _)| what.starts_with(listed))
    });
    assert!(checked > 50, "{checked} messages");
    assert!(
        wrong.is_empty(),
        "{} in {checked} messages:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
