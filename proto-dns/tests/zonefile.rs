//! Zone files: the rules of RFC 1035 section 5, and texts that were made to hurt.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::panic_in_result_fn,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use proto_dns::wire::{Name, RData, TextFault, Type};
use proto_dns::zonefile::{Entry, Parser, ZoneFileError};

fn origin() -> Name {
    "example.com".parse().unwrap()
}

fn read(text: &str) -> Result<Vec<String>, ZoneFileError> {
    let mut parser = Parser::new(text.as_bytes(), origin());
    let mut lines = Vec::new();
    while let Some(entry) = parser.next()? {
        lines.push(match entry {
            Entry::Record(record) => {
                let data = record
                    .data()
                    .map_or_else(String::new, |data| data.to_string());
                format!("{} {} {} {data}", record.owner, record.ttl, record.rtype)
            }
            Entry::Include { file, origin } => {
                format!("include {} {origin:?}", String::from_utf8(file).unwrap())
            }
            entry => panic!("{entry:?}"),
        });
    }
    Ok(lines)
}

fn fault(text: &str) -> (usize, usize, TextFault) {
    let error = read(text).expect_err(text);
    (error.line, error.column, error.fault)
}

#[test]
fn rfc_1035_5_1_owners_ttls_and_classes_are_inherited_and_come_in_any_order() {
    let text = "$TTL 1h\na IN 60 A 192.0.2.1\n 30 IN A 192.0.2.2\n A 192.0.2.3 ; comment\n\n  ; nothing\n\
        b.example.org. A 192.0.2.4\r\n@ MX 10 @\n";
    let expected = [
        "a.example.com. 60 A 192.0.2.1",
        "a.example.com. 30 A 192.0.2.2",
        "a.example.com. 3600 A 192.0.2.3",
        "b.example.org. 3600 A 192.0.2.4",
        "example.com. 3600 MX 10 example.com.",
    ];
    assert_eq!(read(text).unwrap(), expected);
}

#[test]
fn rfc_1035_5_1_parentheses_quotes_and_escapes() {
    let text = "$TTL 1\n@ SOA ns h (1 2\n 3 ; three )\n 4\n 5 )\nt TXT \"a;b (c\" d\\ e \\\"\\065\\000 \"\"\n\
        x\\.y\\032z A 192.0.2.1\n\\@ A 192.0.2.2\n";
    let expected = [
        "example.com. 1 SOA ns.example.com. h.example.com. 1 2 3 4 5",
        r#"t.example.com. 1 TXT "a;b (c" "d e" "\"A\000" """#,
        r"x\.y\032z.example.com. 1 A 192.0.2.1",
        r"\@.example.com. 1 A 192.0.2.2",
    ];
    assert_eq!(read(text).unwrap(), expected);
}

#[test]
fn directives_change_what_follows_and_include_is_an_event() {
    let text = "$ORIGIN sub\n$TTL 5m\na A 192.0.2.1\n$INCLUDE \"a file\" other\n$include file2\nb A 192.0.2.2\n";
    let expected = [
        "a.sub.example.com. 300 A 192.0.2.1",
        "include a file Some(other.sub.example.com.)",
        "include file2 None",
        "b.sub.example.com. 300 A 192.0.2.2",
    ];
    assert_eq!(read(text).unwrap(), expected);
    let mut outer = Parser::new(b"$TTL 9\na A 192.0.2.1\n$INCLUDE f\n", origin());
    while let Some(entry) = outer.next().unwrap() {
        if matches!(entry, Entry::Include { .. }) {
            let mut inner = outer.included(b"  A 192.0.2.2\n", None);
            let Some(Entry::Record(record)) = inner.next().unwrap() else {
                panic!()
            };
            assert_eq!(
                (record.owner.to_string(), record.ttl),
                ("a.example.com.".to_owned(), 9)
            );
            return;
        }
    }
    panic!("no include");
}

#[test]
fn generate_makes_records_within_its_bound() {
    let text = "$TTL 1\n$GENERATE 1-5/2 h${10,4,x} A 192.0.2.$\n$GENERATE 0-1 $ CNAME \\$$.x$$\n\
        $GENERATE 18-18 ${0,8,n}.ip6 PTR host$\n";
    let expected = [
        "h000b.example.com. 1 A 192.0.2.1",
        "h000d.example.com. 1 A 192.0.2.3",
        "h000f.example.com. 1 A 192.0.2.5",
        r"0.example.com. 1 CNAME \$0.x\$.example.com.",
        r"1.example.com. 1 CNAME \$1.x\$.example.com.",
        "2.1.0.0.ip6.example.com. 1 PTR host18.example.com.",
    ];
    assert_eq!(read(text).unwrap(), expected);
}

#[test]
fn attack_45_generate_cannot_fill_the_memory() {
    let text = b"$TTL 1\n$GENERATE 0-2147483647 h$ A 192.0.2.1\nlast A 192.0.2.1\n";
    let mut parser = Parser::new(text, origin()).with_generate_limit(100);
    let (mut made, mut errors) = (0, 0);
    loop {
        match parser.next() {
            Ok(Some(_)) => made += 1,
            Ok(None) => break,
            Err(error) => {
                assert_eq!(error.fault, TextFault::Generate);
                errors += 1;
            }
        }
    }
    // The line ends with its error, and the record behind it is there.
    assert_eq!((made, errors), (101, 1));
    for bad in ["0-4294967295", "5-1", "1-2/0", "1", "-1-5", "a-b"] {
        let text = format!("$TTL 1\n$GENERATE {bad} h$ A 192.0.2.1\n");
        assert_eq!(fault(&text).2, TextFault::Generate, "{bad}");
    }
    for bad in ["${0,999}", "${0,1,q}", "${x}", "${0", "${0,1,d,1}", "${-5}"] {
        let text = format!("$TTL 1\n$GENERATE 1-2 h{bad} A 192.0.2.1\n");
        assert_eq!(fault(&text).2, TextFault::Generate, "{bad}");
    }
}

#[test]
fn attack_45_errors_name_their_line_and_column() {
    let cases = [
        ("$TTL 1\na A 192.0.2.300\n", (2, 5, TextFault::Address)),
        ("$TTL 1\na A 192.0.2.1 2\n", (2, 15, TextFault::Extra)),
        ("$TTL 1\na SOA (1 2 3\n", (3, 1, TextFault::Parentheses)),
        ("$TTL 1\na A ) 192.0.2.1\n", (2, 5, TextFault::Parentheses)),
        (
            "$TTL 1\na TXT \"open\nb A 192.0.2.1\n",
            (2, 7, TextFault::Unterminated),
        ),
        ("$TTL 1\na TXT \\256\n", (2, 7, TextFault::Escape)),
        ("$TTL 1\na TXT \\25\n", (2, 7, TextFault::Escape)),
        ("$TTL 4294967296\n", (1, 6, TextFault::Number)),
        ("a 2147483648 A 192.0.2.1\n", (1, 3, TextFault::Number)),
        ("a A 192.0.2.1\n", (1, 14, TextFault::NoTtl)),
        (" 1 A 192.0.2.1\n", (1, 2, TextFault::NoOwner)),
        ("a 1 CH A 192.0.2.1\n", (1, 8, TextFault::Class)),
        ("a 1 NOTYPE 1\n", (1, 5, TextFault::UnknownType)),
        ("a 1 ANY 1\n", (1, 5, TextFault::MetaType)),
        ("$WHAT\n", (1, 1, TextFault::Directive)),
        ("a 1 MX 10\n", (1, 10, TextFault::Missing)),
        ("a 1 TYPE1 \\# 3 010203\n", (1, 16, TextFault::Length)),
        ("a 1 DS 1 8 2 0102\n", (1, 14, TextFault::Length)),
    ];
    for (text, (line, column, expected)) in cases {
        let (found_line, found_column, found) = fault(text);
        assert_eq!(found, expected, "{text}");
        assert_eq!(found_line, line, "{text} {found_column}");
        // What a record lacks as a whole is told at its last token, or at the end of its line.
        assert!(found_column.abs_diff(column) <= 8, "{text}: {found_column}");
    }
    let label = "x".repeat(64);
    assert!(matches!(
        fault(&format!("{label} 1 A 192.0.2.1\n")).2,
        TextFault::Name(_)
    ));
    let name = vec!["x".repeat(63); 5].join(".");
    assert!(matches!(
        fault(&format!("{name}. 1 A 192.0.2.1\n")).2,
        TextFault::Name(_)
    ));
    let text = "y".repeat(256);
    assert_eq!(fault(&format!("a 1 TXT {text}\n")).2, TextFault::TooLong);
}

#[test]
fn attack_45_after_an_error_the_next_line_is_read() {
    let text = "$TTL 1\na A x\nb A 192.0.2.1\nc A (\n\n";
    let mut parser = Parser::new(text.as_bytes(), origin());
    assert!(parser.next().is_err());
    let Ok(Some(Entry::Record(record))) = parser.next() else {
        panic!()
    };
    assert_eq!(record.rtype, Type::A);
    assert!(parser.next().is_err());
    assert!(matches!(parser.next(), Ok(None)));
}

#[test]
fn attack_45_tokens_of_ten_megabytes_are_refused_in_one_pass() {
    let long = "x".repeat(10 << 20);
    assert!(matches!(
        fault(&format!("{long} 1 A 192.0.2.1\n")).2,
        TextFault::Name(_)
    ));
    assert_eq!(fault(&format!("a 1 TXT {long}\n")).2, TextFault::TooLong);
    assert_eq!(
        fault(&format!("a 1 TXT \"{long}")).2,
        TextFault::Unterminated
    );
    let dots = "x.".repeat(1 << 20);
    assert!(matches!(
        fault(&format!("{dots} 1 A 192.0.2.1\n")).2,
        TextFault::Name(_)
    ));
    // Nulls and carriage returns are octets like others.
    assert!(read("\0 1 A 192.0.2.1\r\n\r\n").is_ok());
}

/// Found by fuzzing: a list of ALPN ids with an empty one at its end was written so that it read as
/// another.
#[test]
fn rfc_9460_a_value_that_its_key_does_not_want_is_written_as_that_of_an_unknown_key() {
    let wire = b"\0\x10\0\0\x01\0\x05\x03f\\o\0";
    let data = RData::from_wire(Type::SVCB, wire).unwrap();
    assert_eq!(data.to_string(), r#"16 . key1="\003f\\o\000""#);
    let mut again = Vec::new();
    RData::parse_text(Type::SVCB, &data.to_string(), &origin(), &mut again).unwrap();
    assert_eq!(again, wire);
}
