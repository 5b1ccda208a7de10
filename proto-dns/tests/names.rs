//! Domain names: text, wire, order, limits.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod common;

use common::name;
use proptest::prelude::*;
use proto_dns::wire::{Name, NameRef};
use proto_dns::{NameError, NameFault};
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

fn fault(text: &str) -> NameFault {
    text.parse::<Name>().unwrap_err().fault
}

#[test]
fn text_is_read_and_written() {
    for (text, wire, again) in [
        (".", &b"\0"[..], "."),
        ("com", b"\x03com\0", "com."),
        (
            "Www.Example.COM.",
            b"\x03Www\x07Example\x03COM\0",
            "Www.Example.COM.",
        ),
        (r"a\.b.c", b"\x03a.b\x01c\0", r"a\.b.c."),
        (r"\000\255\065", b"\x03\0\xffA\0", r"\000\255A."),
        (r"a b", b"\x03a b\0", r"a\032b."),
        (r"\@.\(", b"\x01@\x01(\0", r"\@.\(."),
        ("*.x", b"\x01*\x01x\0", "*.x."),
    ] {
        let name = name(text);
        assert_eq!(name.as_wire(), wire, "{text}");
        assert_eq!(name.to_string(), again);
        assert_eq!(Name::from_wire(wire), Ok(name));
    }
}

#[test]
fn what_is_no_name_is_refused() {
    assert_eq!(fault(""), NameFault::Empty);
    assert_eq!(fault("a..b"), NameFault::EmptyLabel);
    assert_eq!(fault(".a"), NameFault::EmptyLabel);
    assert_eq!(fault(".."), NameFault::EmptyLabel);
    assert_eq!(fault("a\\"), NameFault::Escape);
    assert_eq!(fault(r"\25"), NameFault::Escape);
    assert_eq!(fault(r"\256"), NameFault::Escape);
    assert_eq!(fault(r"\2x5"), NameFault::Escape);
    assert_eq!(
        "ab.cd..".parse::<Name>(),
        Err(NameError {
            offset: 6,
            fault: NameFault::EmptyLabel
        })
    );
    for wire in [
        &b""[..],
        b"\x01",
        b"\x01a",
        b"\0\0",
        b"\xc0\x00",
        b"\x40\0",
        b"\x80\0",
    ] {
        assert!(Name::from_wire(wire).is_err(), "{wire:?}");
        assert!(NameRef::from_wire(wire).is_err(), "{wire:?}");
    }
}

#[test]
fn a_label_has_63_octets_and_a_name_255() {
    let label = "x".repeat(63);
    assert_eq!(name(&label).as_wire().len(), 65);
    assert_eq!(fault(&format!("{label}x")), NameFault::LabelTooLong);
    // 3 * 64 + 62 + 1 = 255.
    let longest = format!("{label}.{label}.{label}.{}", "y".repeat(61));
    assert_eq!(name(&longest).as_wire().len(), 255);
    assert_eq!(name(&longest).view().wire_len(), 255);
    assert_eq!(fault(&format!("{longest}y")), NameFault::NameTooLong);
    assert_eq!(
        fault(&format!("{label}.{label}.{label}.{}.a", "y".repeat(60))),
        NameFault::NameTooLong
    );
    let many = "a.".repeat(127);
    assert_eq!(name(&many).labels().count(), 127);
    assert_eq!(fault(&format!("{many}a")), NameFault::NameTooLong);
    assert!(name(&longest).child(b"z").is_err());
    assert!(Name::root().child(b"").is_err());

    let mut wire = name(&longest).as_wire().to_vec();
    wire.insert(0, b'y');
    wire[193] += 1;
    wire.rotate_left(1);
    assert!(Name::from_wire(&wire).is_err(), "256 octets");
}

#[test]
fn the_canonical_order_of_rfc_4034_section_6_1() {
    let sorted = [
        "example",
        "a.example",
        "yljkjljk.a.example",
        "Z.a.example",
        "zABC.a.EXAMPLE",
        "z.example",
        r"\001.z.example",
        "*.z.example",
        r"\200.z.example",
    ];
    let names: Vec<Name> = sorted.map(name).into();
    for (i, a) in names.iter().enumerate() {
        for (j, b) in names.iter().enumerate() {
            assert_eq!(a.cmp(b), i.cmp(&j), "{a} {b}");
            assert_eq!(a.view().cmp(&b.view()), i.cmp(&j), "{a} {b}");
        }
    }
}

#[test]
fn a_dot_in_a_label_is_not_the_dot_between_labels() {
    // Names that look alike in text must not share a cache entry.
    assert_ne!(name(r"www\.example.com"), name("www.example.com"));
    assert_ne!(name(r"www\000.example"), name("www.example"));
    assert!(!name(r"www\.example.com").is_at_or_below(&name("example.com")));
}

#[test]
fn family() {
    let www = name("www.Example.com");
    assert_eq!(www.parent(), Some(name("example.com")));
    assert_eq!(name("com").parent(), Some(Name::root()));
    assert_eq!(Name::root().parent(), None);
    assert_eq!(name("example.com").child(b"www"), Ok(www.clone()));
    assert!(www.is_at_or_below(&www));
    assert!(www.is_at_or_below(&Name::root()));
    assert!(!name("com").is_at_or_below(&www));
    assert!(!name("wwwexample.com").is_at_or_below(&name("example.com")));
    assert!(name("*.com").is_wildcard());
    assert!(!www.is_wildcard());
}

fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

fn any_name() -> impl Strategy<Value = Name> {
    let label = proptest::collection::vec(any::<u8>(), 1..12);
    proptest::collection::vec(label, 0..9)
        .prop_map(|labels| Name::from_labels(labels.iter().map(Vec::as_slice)).unwrap())
}

proptest! {
    #[test]
    fn text_and_wire_are_inverse(name in any_name()) {
        let read: Name = name.to_string().parse().unwrap();
        prop_assert_eq!(read.as_wire(), name.as_wire());
        let again = Name::from_wire(name.as_wire()).unwrap();
        prop_assert_eq!(again.as_wire(), name.as_wire());
    }

    #[test]
    fn case_changes_neither_equality_nor_order_nor_hash(a in any_name(), b in any_name()) {
        let upper = Name::from_wire(&a.as_wire().to_ascii_uppercase()).unwrap();
        prop_assert_eq!(&a, &upper);
        prop_assert_eq!(hash(&a), hash(&upper));
        prop_assert_eq!(hash(&a), hash(&upper.view()));
        prop_assert_eq!(a.cmp(&b), upper.cmp(&b));
        prop_assert_eq!(a == b, a.cmp(&b).is_eq());
        prop_assert_eq!(a.view() == b.view(), a == b);
    }

    #[test]
    fn any_text_is_read_or_refused(text in ".{0,300}") {
        if let Ok(name) = text.parse::<Name>() {
            prop_assert!(name.as_wire().len() <= 255);
            prop_assert_eq!(name.to_string().parse::<Name>(), Ok(name));
        }
    }
}

/// Whether a pointer is good does not depend on what was read before it: its target may run over the end
/// of the data that the pointer stands in, and is refused only where the message ends.
#[test]
fn the_target_of_a_pointer_is_bounded_by_the_message_alone() {
    // One answer, `a`, of type NS: its data is a pointer into a name that runs on behind it.
    let mut message = vec![0, 0, 0x80, 0, 0, 0, 0, 2, 0, 0, 0, 0];
    // At 12: a TXT record of the root, in whose data a label of 24 octets begins at 24.
    message.extend_from_slice(&[0, 0, 16, 0, 1, 0, 0, 0, 0, 0, 2, 1, 24]);
    // At 25: an NS record of the root, whose data at 36 is a pointer to 24.
    message.extend_from_slice(&[0, 0, 2, 0, 1, 0, 0, 0, 0, 0, 2, 0xc0, 24]);
    // The label ends at 49, with the root behind it.
    message.resize(50, 0);
    assert!(proto_dns::wire::Message::parse(&message).is_ok());
    message.truncate(49);
    assert!(proto_dns::wire::Message::parse(&message).is_err());
}
