//! Messages: structure, decoding, header fields.

use crate::{Case, Job, corpus};
use proto_mail::message::{Event, FieldName, Kind, Limits, OctetsKind, Parser, TransferDecoder};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;

/// Octets of an attachment, before it is encoded.
const ATTACHMENT: usize = 7_500_000;
/// Octets that a piece has when a message comes from a socket.
const PIECE: usize = 4096;

/// All cases.
#[must_use]
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let corpus = corpus();
    if !corpus.is_empty() {
        cases.push(structure(
            "message structure",
            format!("{} messages of others", corpus.len()),
            &corpus,
        ));
        cases.push(decode(
            "message decode",
            format!("{} messages of others", corpus.len()),
            &corpus,
        ));
    }
    let ours = Rc::new(vec![ordinary()]);
    cases.push(structure(
        "message structure",
        "one of two texts".to_owned(),
        &ours,
    ));
    cases.push(typed(&ours));
    let large = Rc::new(vec![large()]);
    cases.push(structure(
        "message structure",
        "attachment of 10 MB".to_owned(),
        &large,
    ));
    cases.push(decode(
        "message decode",
        "attachment of 10 MB".to_owned(),
        &large,
    ));
    cases
}

type Messages = Rc<Vec<Vec<u8>>>;

/// The messages of the vectors, none where there are none.
fn corpus() -> Messages {
    let root = std::env::var_os("PROTO_VECTORS").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/vectors")),
        PathBuf::from,
    );
    Rc::new(corpus::read(&root.join("mail/messages")))
}

/// A message such as people send: a dozen fields, a text and the same in HTML.
fn ordinary() -> Vec<u8> {
    let mut message = b"Return-Path: <alice@crepes.fr>\r\n\
        Received: from mail.crepes.fr (mail.crepes.fr [127.0.0.1])\r\n\
        \tby hamburger.edu with ESMTPS id 4Zf1; Fri, 21 Nov 1997 09:55:06 -0600\r\n\
        From: Alice <alice@crepes.fr>\r\n\
        To: Bob <bob@hamburger.edu>, \"Carol, the third\" <carol@hamburger.edu>\r\n\
        Subject: =?utf-8?q?Do_you_like_ketchup=3F?= and other questions\r\n\
        Date: Fri, 21 Nov 1997 09:55:06 -0600\r\n\
        Message-ID: <1234@crepes.fr>\r\n\
        MIME-Version: 1.0\r\n\
        Content-Type: multipart/alternative; boundary=\"----=_Part_1\"\r\n\
        X-Mailer: by hand\r\n\r\n"
        .to_vec();
    for kind in ["plain", "html"] {
        message.extend_from_slice(
            format!("------=_Part_1\r\nContent-Type: text/{kind}; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n")
                .as_bytes(),
        );
        for _ in 0..20 {
            message.extend_from_slice(b"Do you like ketchup? How about pickles=3F It is all the same to me, they say.\r\n");
        }
    }
    message.extend_from_slice(b"------=_Part_1--\r\n");
    message
}

/// A message with one large attachment in base64.
fn large() -> Vec<u8> {
    let octets: Vec<u8> = (0..ATTACHMENT)
        .map(|index| (index.wrapping_mul(31) >> 3) as u8)
        .collect();
    let from = proto_mail::message::NameAddr::new("Alice", "alice@crepes.fr").unwrap();
    let parts = vec![
        proto_mail::message::Body::text("Do you like ketchup?\n"),
        proto_mail::message::Body::octets("application/octet-stream", octets).unwrap(),
    ];
    let body = proto_mail::message::Body::multipart("mixed", parts).unwrap();
    proto_mail::message::Builder::new(from).write(&body, 1)
}

/// Feeds one message in pieces.
fn feed(limits: &Arc<Limits>, message: &[u8], piece: usize, mut see: impl FnMut(Event<'_>)) {
    let mut parser = Parser::new(Arc::clone(limits));
    for mut input in message.chunks(piece) {
        while let Some(event) = parser.poll_event(&mut input) {
            see(event);
        }
    }
    parser.finish();
    while let Some(event) = parser.poll_event(&mut &[][..]) {
        see(event);
    }
}

fn for_all(messages: &Messages, mut work: impl FnMut(&[u8]) -> u64 + 'static) -> Job {
    let messages = Rc::clone(messages);
    Box::new(move || messages.iter().map(|message| work(message)).sum())
}

/// Where entities begin and end, and what they are.
fn structure(group: &'static str, name: String, messages: &Messages) -> Case {
    let limits = Arc::new(Limits::default());
    let whole = {
        let limits = Arc::clone(&limits);
        for_all(messages, move |message| {
            let mut parts = 0;
            feed(&limits, message, usize::MAX, |event| {
                if let Event::PartEnd(_) = event {
                    parts += 1;
                }
            });
            parts
        })
    };
    let pieces = for_all(messages, move |message| {
        let mut parts = 0;
        feed(&limits, message, PIECE, |event| {
            if let Event::PartEnd(_) = event {
                parts += 1;
            }
        });
        parts
    });
    #[allow(unused_mut, reason = "peers are optional")]
    let mut jobs: Vec<(&'static str, Job)> =
        vec![("ours, pieces of 4 KiB", pieces), ("ours, whole", whole)];
    #[cfg(feature = "mail-peers")]
    {
        jobs.push((
            "mail-parser 0.11",
            for_all(messages, |message| {
                mail_parser::MessageParser::default()
                    .parse(message)
                    .map_or(0, |parsed| parsed.parts.len() as u64)
            }),
        ));
        jobs.push((
            "mailparse",
            for_all(messages, |message| {
                fn parts(parsed: &mailparse::ParsedMail<'_>) -> u64 {
                    1 + parsed.subparts.iter().map(parts).sum::<u64>()
                }
                mailparse::parse_mail(message).map_or(0, |parsed| parts(&parsed))
            }),
        ));
    }
    Case {
        group,
        name,
        octets: Some(messages.iter().map(|message| message.len() as u64).sum()),
        jobs,
        is_comparable: false,
    }
}

/// The octets of all bodies, decoded.
fn decode(group: &'static str, name: String, messages: &Messages) -> Case {
    let limits = Arc::new(Limits::default());
    let ours = for_all(messages, move |message| {
        let mut decoder = None;
        let mut out = Vec::new();
        let mut octets = 0;
        feed(&limits, message, PIECE, |event| match event {
            Event::HeaderEnd { content, .. } if content.kind() == Kind::Leaf => {
                decoder = Some(TransferDecoder::new(content.encoding()));
            }
            Event::Octets {
                kind: OctetsKind::Body,
                data,
                ..
            } => {
                if let Some(decoder) = &mut decoder {
                    decoder.decode(data, &mut out);
                    octets += out.len() as u64;
                    out.clear();
                }
            }
            Event::PartEnd(_) => {
                if let Some(mut decoder) = decoder.take() {
                    decoder.finish(&mut out);
                    octets += out.len() as u64;
                    out.clear();
                }
            }
            _ => {}
        });
        octets
    });
    #[allow(unused_mut, reason = "peers are optional")]
    let mut jobs: Vec<(&'static str, Job)> = vec![("ours, pieces of 4 KiB", ours)];
    #[cfg(feature = "mail-peers")]
    {
        jobs.push((
            "mail-parser 0.11",
            for_all(messages, |message| {
                mail_parser::MessageParser::default()
                    .parse(message)
                    .map_or(0, |parsed| {
                        parsed.parts.iter().map(|part| part.len() as u64).sum()
                    })
            }),
        ));
        jobs.push((
            "mailparse",
            for_all(messages, |message| {
                fn octets(parsed: &mailparse::ParsedMail<'_>) -> u64 {
                    if parsed.subparts.is_empty() {
                        parsed.get_body_raw().map_or(0, |body| body.len() as u64)
                    } else {
                        parsed.subparts.iter().map(octets).sum()
                    }
                }
                mailparse::parse_mail(message).map_or(0, |parsed| octets(&parsed))
            }),
        ));
    }
    Case {
        group,
        name,
        octets: Some(messages.iter().map(|message| message.len() as u64).sum()),
        jobs,
        is_comparable: false,
    }
}

/// Subject, date and addresses of a message.
fn typed(messages: &Messages) -> Case {
    let limits = Arc::new(Limits::default());
    let ours = for_all(messages, move |message| {
        let mut sum = 0;
        feed(&limits, message, usize::MAX, |event| {
            if let Event::Field(field) = event {
                sum += match field.known() {
                    FieldName::Subject => field.text().len() as u64,
                    FieldName::Date => field.date().map_or(0, |date| date.to_unix() as u64),
                    FieldName::From | FieldName::To => field.addresses().mailboxes().count() as u64,
                    _ => 0,
                };
            }
        });
        sum
    });
    #[allow(unused_mut, reason = "peers are optional")]
    let mut jobs: Vec<(&'static str, Job)> = vec![("ours", ours)];
    #[cfg(feature = "mail-peers")]
    jobs.push((
        "mail-parser 0.11",
        for_all(messages, |message| {
            mail_parser::MessageParser::default()
                .parse(message)
                .map_or(0, |parsed| {
                    let count = |list: Option<&mail_parser::Address<'_>>| {
                        list.map_or(0, |list| list.iter().count() as u64)
                    };
                    parsed.subject().map_or(0, |subject| subject.len() as u64)
                        + parsed.date().map_or(0, |date| date.to_timestamp() as u64)
                        + count(parsed.from())
                        + count(parsed.to())
                })
        }),
    ));
    Case {
        group: "message fields",
        name: "subject, date and addresses".to_owned(),
        octets: None,
        jobs,
        is_comparable: true,
    }
}
