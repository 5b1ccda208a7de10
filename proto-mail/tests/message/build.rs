//! Messages that we write: what comes out can be read again, and nothing that goes in can break out.

use proptest::prelude::*;
use proto_mail::message::{
    Body, BuildError, Builder, DateTime, Event, FieldName, Kind, Limits, NameAddr, Parser, Repairs,
    TransferDecoder, Tree,
};

fn alice() -> NameAddr {
    NameAddr::new("Alice", "alice@crepes.fr").unwrap()
}

/// Every line is short, ends in CRLF and is ASCII.
fn assert_is_tidy(message: &[u8]) {
    assert!(message.is_ascii());
    let text = std::str::from_utf8(message).unwrap();
    for line in text.split("\r\n") {
        assert!(!line.contains(['\r', '\n', '\0']), "{line:?}");
        assert!(line.len() <= 998, "{line:?}");
    }
    let header = text.split("\r\n\r\n").next().unwrap();
    for line in header.split("\r\n") {
        assert!(
            line.len() <= 78 || !line.trim().contains(' '),
            "{line:?} can be folded"
        );
    }
}

/// The fields of the message itself, and the decoded leaves.
fn read(message: &[u8]) -> (Vec<(String, String)>, Vec<Vec<u8>>) {
    let (mut fields, mut leaves, mut parts) = (Vec::new(), Vec::new(), 0);
    let mut decoder: Option<(TransferDecoder, Vec<u8>)> = None;
    let mut parser = Parser::new(Limits::default());
    let mut input = message;
    loop {
        let Some(event) = parser.poll_event(&mut input) else {
            if parser.is_done() {
                break;
            }
            parser.finish();
            continue;
        };
        match event {
            Event::PartBegin { .. } => parts += 1,
            Event::Field(field) if parts == 1 => {
                let name = String::from_utf8(field.name().to_vec()).unwrap();
                fields.push((name, field.text()));
            }
            Event::HeaderEnd { content, .. } if content.kind() == Kind::Leaf => {
                decoder = Some((TransferDecoder::new(content.encoding()), Vec::new()));
            }
            Event::Octets { data, .. } => {
                if let Some((decoder, octets)) = &mut decoder {
                    decoder.decode(data, octets);
                }
            }
            Event::PartEnd(_) => {
                if let Some((mut decoder, mut octets)) = decoder.take() {
                    decoder.finish(&mut octets);
                    assert!(!decoder.is_damaged());
                    leaves.push(octets);
                }
            }
            _ => {}
        }
    }
    (fields, leaves)
}

#[test]
fn a_message_with_all_that_there_is_is_read_as_it_was_meant() {
    let html = Body::multipart(
        "related",
        vec![
            Body::html("<p>Do you like <img src=\"cid:k@crepes.fr\">?</p>\n"),
            Body::octets("image/png", vec![0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10, 0])
                .unwrap()
                .inline("k@crepes.fr")
                .unwrap(),
        ],
    )
    .unwrap();
    let name =
        "une très longue recette de crêpes avec du ketchup, du sucre et encore plus de ketchup.txt";
    let body = Body::multipart(
        "mixed",
        vec![
            Body::multipart(
                "alternative",
                vec![Body::text("Aimes-tu le ketchup\u{a0}?\n.\nFrom me\n"), html],
            )
            .unwrap(),
            Body::text("--=_0000000000000007.1\nnot a delimiter\n")
                .attachment(Some(name))
                .unwrap(),
        ],
    )
    .unwrap();
    let message = Builder::new(alice())
        .to(NameAddr::new("Bob, \"the\" <hungry>", "bob@hamburger.edu").unwrap())
        .to(NameAddr::new("Böb\u{202e} à la carte, avec un nom qui ne tient pas dans une ligne", "bob@crepes.fr").unwrap())
        .cc(NameAddr::new("", "\"c d\"@[127.0.0.1]").unwrap())
        .subject("Ketchup, encore et encore, jusqu'à ce que la ligne soit bien trop longue pour une seule")
        .unwrap()
        .date(DateTime::from_unix(880_127_706, 60).unwrap())
        .message_id("1@crepes.fr")
        .unwrap()
        .in_reply_to("0@hamburger.edu", &["x@hamburger.edu", "0@hamburger.edu"])
        .unwrap()
        .write(&body, 7);
    assert_is_tidy(&message);
    let tree = Tree::parse(&message, Limits::default());
    assert_eq!(tree.repairs(), Repairs::NONE);
    assert_eq!(tree.parts().len(), 7);
    let envelope = tree.envelope(tree.parts()[0].id());
    let names: Vec<_> = envelope
        .to
        .iter()
        .map(|entry| match entry {
            proto_mail::message::Address::Mailbox(mailbox) => mailbox.display_name(),
            group => panic!("{group:?}"),
        })
        .collect();
    assert_eq!(names[0].as_deref(), Some("Bob, \"the\" <hungry>"));
    assert_eq!(
        names[1].as_deref(),
        Some("Böb\u{202e} à la carte, avec un nom qui ne tient pas dans une ligne")
    );
    let attachment = tree.disposition(tree.parts()[6].id()).unwrap();
    assert_eq!(attachment.params().file_name().as_deref(), Some(name));
    assert!(!attachment.params().is_ambiguous());
    let (fields, leaves) = read(&message);
    assert!(fields.contains(&(
        "Subject".to_owned(),
        "Ketchup, encore et encore, jusqu'à ce que la ligne soit bien trop longue pour une seule".to_owned()
    )));
    assert_eq!(
        leaves[0],
        "Aimes-tu le ketchup\u{a0}?\r\n.\r\nFrom me\r\n".as_bytes()
    );
    assert_eq!(leaves[2], [0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10, 0]);
    assert_eq!(leaves[3], b"--=_0000000000000007.1\r\nnot a delimiter\r\n");
}

/// Attack row 54: header injection.
#[test]
fn no_value_can_end_a_field_or_begin_another() {
    for evil in [
        "a\rb",
        "a\nb",
        "a\r\nBcc: eve@example.net",
        "a\0b",
        "\r\n\r\nbody",
        "a\r\n b",
    ] {
        assert!(
            matches!(
                Builder::new(alice()).subject(evil),
                Err(BuildError::InvalidValue(_))
            ),
            "{evil:?}"
        );
        assert!(
            matches!(
                Builder::new(alice()).field("X-A", evil),
                Err(BuildError::InvalidValue(_))
            ),
            "{evil:?}"
        );
        assert!(
            matches!(
                Builder::new(alice()).field(evil, "a"),
                Err(BuildError::InvalidName(_))
            ),
            "{evil:?}"
        );
        assert!(NameAddr::new(evil, "a@b").is_err(), "{evil:?}");
        assert!(NameAddr::new("a", format!("{evil}@b")).is_err(), "{evil:?}");
        assert!(
            NameAddr::new("a", format!("\"{evil}\"@b")).is_err(),
            "{evil:?}"
        );
        assert!(
            Builder::new(alice())
                .message_id(&format!("{evil}@b"))
                .is_err(),
            "{evil:?}"
        );
        assert!(Body::text("a").attachment(Some(evil)).is_err(), "{evil:?}");
        assert!(
            Body::octets(&format!("text/{evil}"), "a").is_err(),
            "{evil:?}"
        );
        assert!(Body::text("a").param("x", evil).is_err(), "{evil:?}");
        assert!(Body::text("a").param(evil, "x").is_err(), "{evil:?}");
        assert!(Body::multipart(evil, Vec::new()).is_err(), "{evil:?}");
    }
    // What only some readers take for a line end is text like any other.
    let message = Builder::new(alice())
        .subject("a\u{b}\u{c}\u{1c}\u{1d}\u{1e}\u{85}\u{2028}\u{2029}Bcc: eve@example.net")
        .unwrap()
        .write(&Body::text(""), 0);
    let (fields, _) = read(&message);
    assert!(!fields.iter().any(|(name, _)| name == "Bcc"));
    assert_is_tidy(&message);
    for name in [
        "Content-Type",
        "mime-version",
        "From",
        "to",
        "Bcc:",
        "a b",
        "",
    ] {
        assert!(Builder::new(alice()).field(name, "x").is_err(), "{name:?}");
    }
    assert!(Body::text("a").param("Boundary", "x").is_err());
    for address in [
        "a@b@c",
        "a b@c",
        "a@",
        "@b",
        "a@b, c@d",
        "a@b>",
        "\"a\"b\"@c",
        "\"a\\\"@c",
        "é@c",
        "a@[b]]",
    ] {
        assert!(NameAddr::new("", address).is_err(), "{address:?}");
    }
}

/// CVE-2025-1795 and the like: a comma in an encoded name separates nothing.
#[test]
fn a_comma_in_a_name_is_never_seen_by_a_reader_that_decodes_too_early() {
    let sender = NameAddr::new("Böb, Eve <eve@example.net>", "bob@hamburger.edu").unwrap();
    let message = Builder::new(alice()).to(sender).write(&Body::text(""), 0);
    let text = String::from_utf8(message).unwrap();
    let line = text.lines().find(|line| line.starts_with("To:")).unwrap();
    assert!(!line.contains(','), "{line}");
    assert_eq!(line.matches('<').count(), 1, "{line}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_text_is_read_as_it_was_written(
        name in "\\PC{0,60}",
        subject in "[^\r\n\0]{0,200}",
        text in any::<String>(),
        octets in proptest::collection::vec(any::<u8>(), 0..300),
        file in "[^\r\n\0]{1,120}",
    ) {
        let body = Body::multipart("mixed", vec![
            Body::text(&text),
            Body::octets("application/x-y", octets.clone()).unwrap().attachment(Some(&file)).unwrap(),
        ]).unwrap();
        let message = Builder::new(NameAddr::new(name.clone(), "a@b").unwrap())
            .subject(&subject).unwrap()
            .write(&body, 1);
        assert_is_tidy(&message);
        let tree = Tree::parse(&message, Limits::default());
        prop_assert_eq!(tree.repairs(), Repairs::NONE);
        let attachment = tree.disposition(tree.parts()[2].id()).unwrap();
        prop_assert_eq!(attachment.params().file_name(), Some(file));
        let (fields, leaves) = read(&message);
        let found = fields.iter().find(|(name, _)| name == FieldName::Subject.as_str());
        prop_assert_eq!(&found.unwrap().1, &subject);
        let from = tree.envelope(tree.parts()[0].id()).from;
        let proto_mail::message::Address::Mailbox(from) = &from[0] else { panic!("a group") };
        if !name.is_empty() {
            prop_assert_eq!(from.display_name(), Some(name));
        }
        let lines = text.replace("\r\n", "\n").replace('\r', "\n").replace('\n', "\r\n");
        prop_assert_eq!(String::from_utf8_lossy(&leaves[0]), lines);
        prop_assert_eq!(&leaves[1], &octets);
    }
}
