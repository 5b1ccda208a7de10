//! What attackers send in messages: bounded memory, linear work, nothing hidden. The numbers are those of the
//! list of attacks on mail.

use crate::feed;
use allocation_counter::measure;
use proto_mail::message::{
    AddressList, ContentType, Disposition, Encoding, Event, Field, Kind, Limits, OctetsKind,
    Parser, Repairs, TransferDecoder, Tree, date, encoded_word,
};

/// The heap of a parser with these limits: its fields, boundaries and stack, and some room.
fn bound(limits: &Limits) -> u64 {
    // The held field and the given one grow by doubling; so does the stack.
    let field = limits.max_field * 6;
    let levels = limits.max_depth * (limits.max_boundary + 256) * 2;
    (field + levels + 16 * 1024) as u64
}

/// Feeds a message in pieces of 4 KiB and gives what was seen of it: entities, fields, repairs, heap.
fn survey(message: &[u8], limits: Limits) -> (u32, u32, Repairs, u64) {
    let (mut parts, mut fields, mut repairs) = (0, 0, Repairs::NONE);
    let heap = measure(|| {
        feed(
            message,
            limits.clone(),
            || 4096,
            |event| match event {
                Event::PartBegin { .. } => parts += 1,
                Event::Field(_) => fields += 1,
                Event::PartEnd(end) => repairs |= end.repairs,
                _ => {}
            },
        );
    })
    .bytes_max;
    assert!(
        heap <= bound(&limits),
        "{heap} octets of heap, bound {}",
        bound(&limits)
    );
    (parts, fields, repairs, heap)
}

#[test]
fn row_48_nesting_is_bounded() {
    let mut multiparts = Vec::new();
    for level in 0..100_000 {
        multiparts.extend_from_slice(
            format!("Content-Type: multipart/mixed; boundary=b{level}\r\n\r\n--b{level}\r\n")
                .as_bytes(),
        );
    }
    let (parts, _, repairs, _) = survey(&multiparts, Limits::default());
    assert_eq!(parts, 64);
    assert!(repairs.contains(Repairs::DEPTH_LIMIT | Repairs::MISSING_CLOSE));

    let messages = b"Content-Type: message/rfc822\r\n\r\n".repeat(100_000);
    let (parts, _, repairs, _) = survey(&messages, Limits::default());
    assert_eq!(parts, 64);
    assert!(repairs.contains(Repairs::DEPTH_LIMIT));
    // A tree of it, its structure, and its end do not recurse either.
    let tree = Tree::parse(&messages, Limits::default());
    let mut out = Vec::new();
    tree.write_body_structure(true, &mut out);
    assert!(out.len() < 64 * 1024);
}

#[test]
fn row_49_parts_are_bounded() {
    let mut message = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n".to_vec();
    message.extend(b"--b\r\n".repeat(1_000_000));
    let (parts, _, repairs, _) = survey(&message, Limits::default());
    assert_eq!(parts, 10_000);
    assert!(repairs.contains(Repairs::PARTS_LIMIT));
}

#[test]
fn row_50_headers_are_bounded() {
    let many = b"To: a@b\r\n".repeat(500_000);
    let (_, fields, repairs, _) = survey(&many, Limits::default());
    assert_eq!(fields, 1000);
    assert!(repairs.contains(Repairs::HEADER_LIMIT | Repairs::DUPLICATE_FIELD));

    let mut long = b"To: a@b".to_vec();
    long.extend(b",\r\n a@b".repeat(1_000_000));
    long.extend(b"\r\nSubject: behind it\r\n\r\n");
    let (_, fields, repairs, _) = survey(&long, Limits::default());
    assert_eq!(fields, 1, "the rest of the header is beyond its limit");
    assert!(repairs.contains(Repairs::FIELD_LIMIT));

    let tree = Tree::parse(&many, Limits::default());
    assert!(tree.parts().len() == 1);
}

#[test]
fn row_51_floods_of_parameters_are_sorted_and_cut() {
    let mut value = b"text/plain".to_vec();
    for index in (0..200_000).rev() {
        value.extend_from_slice(format!("; name*{index}*=a").as_bytes());
    }
    let parsed = ContentType::parse(&value).unwrap();
    assert!(parsed.params().is_ambiguous());
    assert!(parsed.params().iter().count() <= 256);
    let mut value = b"text/plain".to_vec();
    for index in 0..256 {
        value.extend_from_slice(format!("; name*{index}=a").as_bytes());
    }
    let parsed = ContentType::parse(&value).unwrap();
    assert_eq!(parsed.params().find("name").unwrap().octets().len(), 256);
    assert!(!parsed.params().is_ambiguous());
    // Pieces that are missing end a value.
    let parsed = ContentType::parse(b"text/plain; name*0=a; name*2=c").unwrap();
    assert_eq!(parsed.params().find("name").unwrap().text(), "a");
    assert!(parsed.params().is_ambiguous());
    // Twice the same: the first one counts.
    let parsed = ContentType::parse(b"text/plain; charset=a; charset=b").unwrap();
    assert_eq!(parsed.charset(), b"a");
    assert!(parsed.params().is_ambiguous());
}

#[test]
fn row_52_comments_and_quotes_without_end_are_read_to_the_end() {
    let deep = [
        b"(".repeat(100_000),
        b"a@b".to_vec(),
        b")".repeat(100_000),
        b" c@d".to_vec(),
    ]
    .concat();
    let list = AddressList::parse(&deep);
    assert_eq!(
        list.mailboxes()
            .map(proto_mail::message::Mailbox::addr_spec)
            .collect::<Vec<_>>(),
        ["c@d"]
    );
    for text in [
        "(a\\",
        "\"a\\",
        "a@b (",
        "<a@b",
        "\"",
        "[",
        "<@",
        "@@",
        "<>",
        "::;;,,<<>>",
        "a@[",
        "\\",
    ] {
        let list = AddressList::parse(text.as_bytes());
        let _ = list
            .mailboxes()
            .map(|mailbox| (mailbox.addr_spec(), mailbox.display_name()))
            .collect::<Vec<_>>();
        assert!(date::parse(text.as_bytes()).is_err(), "{text}");
        let _ = Disposition::parse(text.as_bytes());
        let _ = ContentType::parse(text.as_bytes());
    }
    assert!(AddressList::parse(b"(a\\").is_repaired);
}

#[test]
fn row_53_decoded_words_are_text_and_nothing_else() {
    // An encoded comma and an encoded address stay in the name.
    let list = AddressList::parse(b"=?utf-8?q?a=2C_eve=40example.net?= <bob@hamburger.edu>");
    assert_eq!(list.mailboxes().count(), 1);
    let mailbox = list.mailboxes().next().unwrap();
    assert_eq!(
        mailbox.display_name().as_deref(),
        Some("a, eve@example.net")
    );
    assert_eq!(mailbox.addr_spec(), "bob@hamburger.edu");
    // Decoded encoded words are not decoded again.
    assert_eq!(
        encoded_word::decode(b"=?utf-8?q?=3D=3Futf-8=3Fq=3Fa=3F=3D?="),
        "=?utf-8?q?a?="
    );
    // Controls are there to see, and end nothing.
    assert_eq!(
        encoded_word::decode(b"=?utf-8?q?a=0D=0ABcc:=00?="),
        "a\r\nBcc:\0"
    );
    // What only looks like one costs no more than its length.
    for almost in [
        b"=?utf-8?q?".repeat(100_000),
        b"=?".repeat(500_000),
        b"=?a?b?".repeat(200_000),
    ] {
        assert!(encoded_word::decode(&almost).len() <= almost.len());
    }
    // UTF-7 hides nothing, because it is not read.
    assert_eq!(
        encoded_word::decode(b"=?utf-7?q?+ADw-script+AD4-?="),
        "+ADw-script+AD4-"
    );
}

#[test]
fn row_55_boundaries_are_whole_lines() {
    let kinds = |message: &str| {
        let mut bodies = Vec::new();
        feed(
            message.as_bytes(),
            Limits::default(),
            || 1,
            |event| match event {
                Event::HeaderEnd { content, .. } if content.kind() == Kind::Leaf => {
                    bodies.push(String::new())
                }
                Event::Octets {
                    kind: OctetsKind::Body,
                    data,
                    ..
                } => {
                    bodies
                        .last_mut()
                        .unwrap()
                        .push_str(std::str::from_utf8(data).unwrap());
                }
                _ => {}
            },
        );
        bodies
    };
    let repairs = |message: &str| Tree::parse(message.as_bytes(), Limits::default()).repairs();
    let multipart = |boundary: &str, body: &str| {
        format!("Content-Type: multipart/mixed; boundary={boundary}\r\n\r\n{body}")
    };

    // The front of a boundary is none, nor is a longer one, nor one in the middle of a line.
    assert_eq!(
        kinds(&multipart(
            "abc",
            "--abc\r\n\r\n--ab\r\n--abcd\r\n --abc\r\nx--abc\r\n--abc--\r\n"
        )),
        ["--ab\r\n--abcd\r\n --abc\r\nx--abc"]
    );
    // White space behind it is padding.
    assert_eq!(
        kinds(&multipart("abc", "--abc \t\r\n\r\na\r\n--abc--  \r\n")),
        ["a"]
    );
    // An outer delimiter ends what is inside.
    let inner = "Content-Type: multipart/mixed; boundary=in\r\n\r\n--in\r\n\r\na\r\n--out\r\n\r\nb\r\n--in\r\nc\r\n--out--\r\n";
    assert_eq!(
        kinds(&multipart("out", &format!("--out\r\n{inner}"))),
        ["a", "b\r\n--in\r\nc"]
    );
    assert!(
        repairs(&multipart("out", &format!("--out\r\n{inner}"))).contains(Repairs::MISSING_CLOSE)
    );
    // An inner one with the same boundary is no multipart: its delimiters are those of the outer one.
    let same = "--x\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\na\r\n--x--\r\n";
    assert!(repairs(&multipart("x", same)).contains(Repairs::BOUNDARY_CLASH));
    // None, an empty one, one that is too long.
    for (boundary, repair) in [
        ("", Repairs::NO_BOUNDARY),
        ("\"\"", Repairs::NO_BOUNDARY),
        ("\"  \"", Repairs::NO_BOUNDARY),
        (&*"x".repeat(257), Repairs::BOUNDARY_LIMIT),
    ] {
        let message = multipart(boundary, "--\r\n\r\na\r\n----\r\n");
        assert!(repairs(&message).contains(repair), "{boundary}");
        assert_eq!(kinds(&message), ["--\r\n\r\na\r\n----\r\n"]);
    }
    // Seventy octets and some more, quoted, with specials.
    let long = "0123456789'()+_,-./:=?".repeat(10);
    assert_eq!(
        kinds(&multipart(
            &format!("\"{long}\""),
            &format!("--{long}\r\n\r\na\r\n--{long}--")
        )),
        ["a"]
    );
    // The boundary of one is that of another with two hyphens.
    let inner =
        "Content-Type: multipart/mixed; boundary=x--\r\n\r\n--x--\r\n\r\na\r\n--x----\r\n--x--\r\n";
    assert_eq!(kinds(&multipart("x", &format!("--x\r\n{inner}"))), ["a"]);
    // The last delimiter without a line end, and none at all.
    assert_eq!(kinds(&multipart("x", "--x\r\n\r\na\r\n--x--")), ["a"]);
    assert_eq!(kinds(&multipart("x", "--x\r\n\r\na\r\n")), ["a\r\n"]);
}

#[test]
fn row_56_what_readers_may_disagree_about_is_noted() {
    let cases: &[(&str, Repairs)] = &[
        (
            "Content-Type: text/plain\r\nContent-Type: text/html\r\n\r\n",
            Repairs::DUPLICATE_FIELD,
        ),
        (
            "Content-Transfer-Encoding: 7bit\r\ncontent-transfer-encoding: base64\r\n\r\n",
            Repairs::DUPLICATE_FIELD,
        ),
        ("From: a@b\r\nFrom: c@d\r\n\r\n", Repairs::DUPLICATE_FIELD),
        ("Subject: a\r\nSubject: b\r\n\r\n", Repairs::DUPLICATE_FIELD),
        ("Subject: a\0b\r\n\r\n", Repairs::NUL),
        (
            "Content-Type : text/html\r\n\r\n",
            Repairs::BLANK_BEFORE_COLON,
        ),
        ("Subject: a\r\n \r\n b\r\n\r\n", Repairs::BLANK_FOLD),
        ("Subject: a\rBcc: b\r\n\r\n", Repairs::BARE_CR),
        ("Subject: a\nTo: b\n\n", Repairs::BARE_LF),
        ("Subject: \u{e9}\r\n\r\n", Repairs::NONE),
        ("no field\r\n\r\n", Repairs::MALFORMED_FIELD),
        (": no name\r\n\r\n", Repairs::MALFORMED_FIELD),
        ("a b: no name\r\n\r\n", Repairs::MALFORMED_FIELD),
        (" folded from the start\r\n\r\n", Repairs::MALFORMED_FIELD),
        (
            "Content-Type: text\r\n\r\n",
            Repairs::MALFORMED_CONTENT_TYPE,
        ),
        (
            "Content-Transfer-Encoding: x-uuencode\r\n\r\n",
            Repairs::UNKNOWN_ENCODING,
        ),
        (
            "Content-Type: multipart/mixed; boundary=a\r\nContent-Transfer-Encoding: base64\r\n\r\n",
            Repairs::ENCODED_MULTIPART,
        ),
        (
            "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n",
            Repairs::ENCODED_MESSAGE,
        ),
        ("Subject: a", Repairs::UNFINISHED_HEADER),
    ];
    for (message, repair) in cases {
        let tree = Tree::parse(message.as_bytes(), Limits::default());
        assert!(
            tree.repairs().contains(*repair),
            "{message:?}: {:?}",
            tree.repairs()
        );
        assert_eq!(
            tree.repairs().intersects(Repairs::AMBIGUOUS),
            repair.intersects(Repairs::AMBIGUOUS),
            "{message:?}: {:?}",
            tree.repairs()
        );
    }
    let tree = Tree::parse(b"Subject: \xe9\r\n\r\n", Limits::default());
    assert!(tree.repairs().contains(Repairs::EIGHT_BIT_HEADER));
    // Only CRLF and LF end a line: a CR hides no field and makes none.
    let field = Field::parse(b"Subject: a\rBcc: eve@example.net\r\n").unwrap();
    assert_eq!(field.raw_value(), b" a\rBcc: eve@example.net");
}

#[test]
fn row_57_broken_encodings_are_noted_and_bounded() {
    let decode = |encoding, text: &[u8]| {
        let mut results = Vec::new();
        for size in [1, 2, 3, 5, text.len().max(1)] {
            let mut decoder = TransferDecoder::new(encoding);
            let mut out = Vec::new();
            for piece in text.chunks(size) {
                decoder.decode(piece, &mut out);
                assert!(out.len() <= text.len() + 16);
            }
            decoder.finish(&mut out);
            assert!(out.len() <= text.len() + 16);
            results.push((
                String::from_utf8_lossy(&out).into_owned(),
                decoder.is_damaged(),
            ));
        }
        results.dedup();
        assert_eq!(
            results.len(),
            1,
            "it does not matter how {text:?} is cut: {results:?}"
        );
        results.remove(0)
    };
    let base64 = |text: &str| decode(Encoding::Base64, text.as_bytes());
    assert_eq!(base64("aGk="), ("hi".to_owned(), false));
    assert_eq!(base64("aG\r\n k=\r\n"), ("hi".to_owned(), false));
    assert_eq!(base64("aGk"), ("hi".to_owned(), true));
    assert_eq!(base64("a!G*k="), ("hi".to_owned(), true));
    assert_eq!(base64("aGk=aGk="), ("hihi".to_owned(), true));
    assert_eq!(base64("aGkh\u{e9}aGkh"), ("hi!hi!".to_owned(), true));
    assert_eq!(base64("a"), (String::new(), true));
    assert_eq!(base64("===="), (String::new(), false));
    let printable = |text: &str| decode(Encoding::QuotedPrintable, text.as_bytes());
    assert_eq!(
        printable("a=3Db=\r\nc  \r\nd\t\n"),
        ("a=bc\r\nd\n".to_owned(), false)
    );
    assert_eq!(printable("a=3db"), ("a=b".to_owned(), false));
    assert_eq!(printable("a= \t \r\nb"), ("ab".to_owned(), false));
    assert_eq!(printable("a=\nb"), ("ab".to_owned(), false));
    assert_eq!(printable("a=xyb=4"), ("a=xyb=4".to_owned(), true));
    assert_eq!(printable("a="), ("a".to_owned(), true));
    assert_eq!(printable("=="), ("=".to_owned(), true));
    assert_eq!(printable("=\rx"), ("=\rx".to_owned(), true));
    let blanks = " ".repeat(100_000);
    assert_eq!(printable(&format!("{blanks}x")).0.len(), 100_001);
}

#[test]
fn row_58_partial_and_external_bodies_are_octets() {
    for media in [
        "message/partial; id=a; number=1; total=2",
        "message/external-body; access-type=local-file; name=\"/etc/passwd\"",
    ] {
        let message = format!("Content-Type: {media}\r\n\r\nSubject: inside\r\n\r\nbody\r\n");
        let tree = Tree::parse(message.as_bytes(), Limits::default());
        assert_eq!(tree.parts().len(), 1);
        assert_eq!(tree.parts()[0].kind(), Kind::Leaf);
    }
}

#[test]
fn row_59_numbers_of_dates_cannot_overflow() {
    for text in [
        "1 Jan 99999 00:00:00 +0000",
        "1 Jan 2000 00:00:00 +99999999999999999999",
        "1 13 2000 00:00:00 +0000",
        "99999999999999999999 Jan 2000 00:00:00 +0000",
        "0 Jan 2000 00:00:00 +0000",
        "29 Feb 2100 00:00:00 +0000",
        "1 Jan 2000 25:00:00 +0000",
        "1 Jan 2000 00:00:00 -9960",
    ] {
        assert!(date::parse(text.as_bytes()).is_err(), "{text}");
    }
    let date = date::parse(b"31 Dec 9999 23:59:60 -2359").unwrap();
    assert_eq!(date.to_unix(), 253_402_387_139);
}

#[test]
fn row_60_file_names_have_a_safe_form() {
    let cases = [
        ("../../etc/passwd", Some("passwd")),
        ("..\\..\\boot.ini", Some("boot.ini")),
        ("/", None),
        ("..", None),
        (".profile", Some("profile")),
        ("a\u{202e}gpj.exe", Some("agpj.exe")),
        ("a\u{0}b\r\nc", Some("abc")),
        ("con.txt", Some("_con.txt")),
        ("LPT1", Some("_LPT1")),
        ("a. . ", Some("a")),
        (". .a", Some("a")),
        ("a.\u{a0}. ", Some("a")),
        ("file.txt:stream", Some("file.txt_stream")),
        ("r\u{e9}sum\u{e9}.pdf", Some("r\u{e9}sum\u{e9}.pdf")),
    ];
    for (name, safe) in cases {
        let escaped: String = name.bytes().map(|octet| format!("%{octet:02X}")).collect();
        let value = format!("attachment; filename*=utf-8''{escaped}");
        let disposition = Disposition::parse(value.as_bytes()).unwrap();
        assert_eq!(disposition.params().file_name().as_deref(), Some(name));
        assert_eq!(
            disposition.params().safe_file_name().as_deref(),
            safe,
            "{name:?}"
        );
    }
    let long = format!("attachment; filename={}", "\u{e9}".repeat(300));
    let safe = Disposition::parse(long.as_bytes())
        .unwrap()
        .params()
        .safe_file_name()
        .unwrap();
    assert_eq!(safe.len(), 254);
    // What is cut to its length may have a blank at its end, once it is cut.
    let long = format!(
        "attachment; filename=\"{} {}\"",
        "a".repeat(254),
        "b".repeat(9)
    );
    let safe = Disposition::parse(long.as_bytes())
        .unwrap()
        .params()
        .safe_file_name()
        .unwrap();
    assert_eq!(safe, "a".repeat(254));
}

#[test]
fn row_61_a_line_without_end_costs_its_length() {
    let mut message = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n".to_vec();
    message.extend(b"x".repeat(8 * 1024 * 1024));
    let (parts, _, repairs, heap) = survey(&message, Limits::default());
    assert_eq!(parts, 2);
    assert!(repairs.contains(Repairs::MISSING_CLOSE));
    assert!(heap < 4096, "{heap} octets");
    // Lines that are nearly delimiters, and delimiters with padding without end.
    let mut message = format!(
        "Content-Type: multipart/mixed; boundary={}\r\n\r\n",
        "-".repeat(70)
    )
    .into_bytes();
    message.extend(b"\n-".repeat(1024 * 1024));
    message.extend(b"\n---".repeat(1024 * 1024));
    message.extend(b"\r\n--");
    message.extend(b" ".repeat(1024 * 1024));
    let (_, _, _, heap) = survey(&message, Limits::default());
    assert!(heap < 8192, "{heap} octets");
}

/// Octets at a time, pieces of one octet: the work does not grow with the square of what is held.
#[test]
fn pieces_of_one_octet_are_no_attack() {
    let mut message = b"X: ".to_vec();
    message.extend(b"a,\r\n ".repeat(12_000));
    message.extend(b"\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n");
    message.extend(b"\r\n--b \r\r\n--".repeat(12_000));
    let mut events = 0;
    feed(&message, Limits::default(), || 1, |_| events += 1);
    assert!(events > 12_000);
}

#[test]
fn a_parser_holds_what_its_limits_say_whatever_comes() {
    let mut limits = Limits::default();
    limits.max_field = 1024;
    limits.max_depth = 8;
    limits.max_boundary = 70;
    let scripts: Vec<Vec<u8>> = vec![
        b"a".repeat(1_000_000),
        b"a:\r\n ".repeat(200_000),
        b"\r".repeat(1_000_000),
        b"\r\n".repeat(500_000),
        b"\n--".repeat(300_000),
        [
            b"Content-Type: multipart/mixed; boundary=\"".to_vec(),
            b"b".repeat(100_000),
            b"\"\r\n\r\n--b".to_vec(),
        ]
        .concat(),
        b"Content-Type: multipart/digest; boundary=b\r\n\r\n--b\r\n\r\n".repeat(10_000),
    ];
    for script in scripts {
        let (_, _, _, heap) = survey(&script, limits.clone());
        assert!(
            heap < 32 * 1024,
            "{heap} octets for {:?}",
            String::from_utf8_lossy(&script[..20])
        );
    }
    // An idle parser.
    let heap = measure(|| drop(std::hint::black_box(Parser::new(Limits::default())))).bytes_max;
    assert!(heap < 1024, "{heap} octets");
}
