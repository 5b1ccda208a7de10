//! Attacks on the parser, the builder and the framing, by name.

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

use bytes::BytesMut;
use common::{contents, name, query, raw, rebuild, record, utopia};
use core::time::Duration;
use proptest::prelude::*;
use proto_dns::wire::{
    Builder, Class, Edns, Flags, Header, Message, OptionCode, Options, RData, Rcode, Section, Type,
    tcp,
};
use proto_dns::{Fault, Limits, Transport, UsageError, server};

fn fault(message: &[u8]) -> Fault {
    Message::parse(message).unwrap_err().fault
}

/// A message whose answer section is one record with this owner.
fn owned(owner: &[u8]) -> Vec<u8> {
    raw([0, 1, 0, 0], &record(owner, Type::A, &[1, 2, 3, 4]))
}

#[test]
fn compression_loop_to_itself_is_refused() {
    assert_eq!(fault(&owned(b"\xc0\x0c")), Fault::Pointer(12));
    assert_eq!(fault(&owned(b"\x01a\xc0\x0c")), Fault::Pointer(12));
}

#[test]
fn compression_loop_of_two_is_refused() {
    // The first name points at the second, which points at the first.
    let mut body = record(b"\0", Type(999), b"\x01a\xc0\x1b\x01b\xc0\x17");
    body.extend(record(b"\xc0\x17", Type::A, &[1, 2, 3, 4]));
    assert_eq!(fault(&raw([0, 2, 0, 0], &body)), Fault::Pointer(27));
}

#[test]
fn compression_pointer_into_its_own_fragment_is_refused() {
    // To the octet behind its first label: forwards of the start, backwards of the pointer.
    assert_eq!(fault(&owned(b"\x03abc\x01d\xc0\x10")), Fault::Pointer(16));
}

#[test]
fn forward_pointer_is_refused() {
    let mut body = record(b"\xc0\x30", Type::A, &[1, 2, 3, 4]);
    body.resize(40, 0);
    assert_eq!(fault(&raw([0, 1, 0, 0], &body)), Fault::Pointer(0x30));
    assert_eq!(fault(&owned(b"\xff\xff")), Fault::Pointer(0x3fff));
}

#[test]
fn pointer_into_the_header_is_refused() {
    for target in 0..12 {
        assert_eq!(
            fault(&owned(&[0xc0, target])),
            Fault::Pointer(u16::from(target))
        );
    }
}

#[test]
fn pointer_cut_in_half_is_refused() {
    assert_eq!(fault(&raw([0, 1, 0, 0], b"\xc0")), Fault::Truncated);
}

#[test]
fn pointer_to_a_label_that_reaches_over_the_pointer_is_refused() {
    // At 23 stands a label of two octets, the second of which begins the owner that points to 23.
    let mut body = record(b"\0", Type(999), b"\x02");
    body.extend(record(b"\x01\xc0\x17", Type::A, &[1, 2, 3, 4]));
    assert!(Message::parse(&raw([0, 2, 0, 0], &body)).is_err());
}

#[test]
fn label_types_01_and_10_are_refused() {
    for kind in [0x40, 0x41, 0x7f, 0x80, 0xbf] {
        assert_eq!(fault(&owned(&[kind, 0, 0])), Fault::LabelType(kind));
    }
}

#[test]
fn name_overflow_by_labels_and_by_pointers_is_refused() {
    let label = |len: u8| {
        let mut label = vec![len];
        label.resize(usize::from(len) + 1, b'x');
        label
    };
    let mut owner = [label(63), label(63), label(63), label(61)].concat();
    owner.push(0);
    assert_eq!(owner.len(), 255);
    let good = owned(&owner);
    assert!(Message::parse(&good).is_ok());
    let mut owner = [label(63), label(63), label(63), label(62)].concat();
    owner.push(0);
    assert_eq!(fault(&owned(&owner)), Fault::NameTooLong);

    // As many octets in front of a pointer to it, and one more.
    for last in [58, 59, 60, 61] {
        let mut owner = [label(63), label(63), label(63), label(last)].concat();
        owner.push(0);
        let mut message = owned(&owner);
        message[7] = 2;
        message.extend(record(b"\x01a\xc0\x0c", Type::A, &[1, 2, 3, 4]));
        let fine = owner.len() + 2 <= 255;
        assert_eq!(Message::parse(&message).is_ok(), fine, "{last}");
    }
}

/// 64 KiB of NS records, owners and data of which are chains of pointers.
fn pointer_chains(hops: usize) -> Vec<u8> {
    // An opaque record holds the chain: "a", then "a" and a pointer to the one before.
    let mut chain = b"\x01a\0".to_vec();
    let begin = 12 + 11;
    let mut last = begin;
    for _ in 0..hops {
        let next = begin + chain.len();
        chain.extend(b"\x01a");
        chain.extend((0xc000 | last as u16).to_be_bytes());
        last = next;
    }
    let mut body = record(b"\0", Type(999), &chain);
    let mut count = 1u16;
    // To the deepest ones in turn, so that remembering the latest is of no use.
    loop {
        let target = last - 4 * usize::from(count % 32).min(hops);
        let pointer = (0xc000 | target as u16).to_be_bytes();
        let ns = record(&pointer, Type::NS, &pointer);
        if 12 + body.len() + ns.len() > 65_535 {
            break;
        }
        body.extend(&ns);
        count += 1;
    }
    raw([0, count, 0, 0], &body)
}

#[test]
fn pointer_chains_are_followed_as_long_as_a_name_may_be() {
    let deepest = pointer_chains(125);
    let message = Message::parse(&deepest).unwrap();
    let longest = message.answers().nth(32).unwrap().owner;
    assert_eq!(longest.labels().count(), 126);
    assert_eq!(longest.wire_len(), 253);
    assert_eq!(fault(&pointer_chains(127)), Fault::NameTooLong);
}

#[test]
fn pointers_to_nothing_but_pointers_are_refused_after_127() {
    for (pointers, fine) in [(126, true), (127, false), (5000, false)] {
        let mut data = b"\0".to_vec();
        let mut last = 23;
        for _ in 0..pointers {
            let next = 23 + data.len();
            data.extend((0xc000 | last as u16).to_be_bytes());
            last = next;
        }
        // Once the quick way suffices, often enough it does not.
        for records in [1u16, 400] {
            let mut body = record(b"\0", Type(999), &data);
            for record_number in 0..records {
                let pointer = 0xc000 | (last as u16 - 2 * (record_number % 32));
                body.extend(record(&pointer.to_be_bytes(), Type::A, &[1, 2, 3, 4]));
            }
            let message = raw([0, records + 1, 0, 0], &body);
            assert_eq!(Message::parse(&message).is_ok(), fine, "{pointers}");
        }
    }
}

/// What the table remembers of the middle of a chain is what is left from there on, not the whole.
#[test]
fn chains_that_branch_off_in_the_middle_are_measured_from_there() {
    // Of pointers alone, and of pointers with a label in front of each.
    for label in [&b""[..], b"\x01a"] {
        let mut data = b"\0".to_vec();
        let mut places = vec![23];
        let mut point = |places: &mut Vec<usize>, to: usize| {
            places.push(23 + data.len());
            data.extend(label);
            data.extend((0xc000 | places[to] as u16).to_be_bytes());
        };
        // A hundred, and sixty more that begin at the fiftieth.
        for to in 0..100 {
            point(&mut places, to);
        }
        point(&mut places, 50);
        for to in 101..160 {
            point(&mut places, to);
        }
        let owner = |place: usize| (0xc000 | places[place] as u16).to_be_bytes();
        let mut body = record(b"\0", Type(999), &data);
        // So often that the quick way's budget is spent.
        for turn in 0..400 {
            body.extend(record(&owner(100 - turn % 32), Type::A, &[1, 2, 3, 4]));
        }
        body.extend(record(&owner(160), Type::A, &[1, 2, 3, 4]));
        let message = raw([0, 402, 0, 0], &body);
        let message = Message::parse(&message).unwrap();
        let last = message.answers().last().unwrap().owner;
        assert_eq!(last.wire_len(), 110 * label.len() + 1);
    }
}

/// The same names are judged alike by the quick way and by the table that takes over when a message
/// has spent the quick way's budget.
#[test]
fn both_ways_of_verifying_names_give_the_same_verdict() {
    let names: [&[u8]; 9] = [
        b"\xc0\x0c",
        b"\x01a\xc0\x17",
        b"\x01a\x01b\xc2\x00",
        b"\xc0\x40",
        b"\x40",
        b"\xc0\x17",
        b"\xc0\x18",
        b"\xc0\x19",
        b"\x3f",
    ];
    let chains = pointer_chains(125);
    let mut verdicts = [0, 0];
    for owner in names {
        let tried = record(owner, Type::NS, b"\0");
        let with = |records: u16| {
            let mut message = chains[..12 + 11 + 503 + usize::from(records) * 14].to_vec();
            message[6..8].copy_from_slice(&(records + 2).to_be_bytes());
            message.extend(&tried);
            message
        };
        let (quick, slow) = (with(0), with(4000));
        let (quick, slow) = (Message::parse(&quick), Message::parse(&slow));
        match (quick, slow) {
            (Ok(quick), Ok(slow)) => {
                let owner =
                    |message: Message<'_>| message.answers().last().unwrap().owner.to_name();
                assert_eq!(owner(quick), owner(slow));
                verdicts[0] += 1;
            }
            (Err(quick), Err(slow)) => {
                assert_eq!(quick.fault, slow.fault, "{owner:?}");
                verdicts[1] += 1;
            }
            (quick, slow) => panic!("{owner:?}: {quick:?} {slow:?}"),
        }
    }
    assert!(verdicts.iter().all(|&count| count > 1), "{verdicts:?}");
}

#[test]
fn counts_that_lie_end_at_the_end() {
    for part in 0..4 {
        let mut counts = [0; 4];
        counts[part] = 0xffff;
        assert_eq!(fault(&raw(counts, &[])), Fault::Truncated);
        let mut body = record(b"\0", Type::A, &[1, 2, 3, 4]);
        if part == 0 {
            body = b"\0\0\x01\0\x01".to_vec();
        }
        counts[part] = 2;
        assert_eq!(fault(&raw(counts, &body)), Fault::Truncated);
        counts[part] = 1;
        assert!(Message::parse(&raw(counts, &body)).is_ok());
    }
}

#[test]
fn rdlength_past_the_end_is_refused() {
    let mut message = owned(b"\0");
    message.pop();
    assert_eq!(fault(&message), Fault::Truncated);
}

#[test]
fn rdlength_mismatch_concerns_one_record_alone() {
    let soa_short = [&b"\0\0"[..], &[0; 19]].concat();
    let soa_long = [&b"\0\0"[..], &[0; 21]].concat();
    let cases: [(Type, &[u8]); 18] = [
        (Type::A, b""),
        (Type::A, b"\x01\x02\x03"),
        (Type::A, b"\x01\x02\x03\x04\x05"),
        (Type::AAAA, b""),
        (Type::AAAA, &[0; 15]),
        (Type::AAAA, &[0; 17]),
        (Type::NS, b""),
        (Type::NS, b"\0\0"),
        (Type::CNAME, b"\x01a"),
        (Type::PTR, b"\x01a\0\0"),
        (Type::MX, b"\0"),
        (Type::MX, b"\0\x0a"),
        (Type::MX, b"\0\x0a\0\0"),
        (Type::SOA, b"\0"),
        (Type::SOA, &soa_short),
        (Type::SOA, &soa_long),
        (Type::TXT, b""),
        (Type::TXT, b"\x02a"),
    ];
    for (rtype, rdata) in cases {
        let mut body = record(b"\0", rtype, rdata);
        body.extend(record(b"\0", Type::A, &[1, 2, 3, 4]));
        let message = raw([0, 2, 0, 0], &body);
        let message = Message::parse(&message).unwrap();
        let records: Vec<_> = message.answers().collect();
        let len = rdata.len() as u16;
        assert_eq!(
            records[0].data().unwrap_err().fault,
            Fault::RdataLength(len),
            "{rtype} {rdata:?}"
        );
        assert!(RData::from_wire(rtype, rdata).is_err());
        assert_eq!(records[1].data(), Ok(RData::A([1, 2, 3, 4].into())));
        assert!(records[0].to_string().contains("\\# "), "{}", records[0]);
    }
}

#[test]
fn a_name_in_rdata_must_not_borrow_octets_behind_it() {
    // The label goes on into the next record.
    let mut body = record(b"\0", Type::NS, b"\x0cabc");
    body.extend(record(b"\0", Type::A, &[0, 0, 0, 0]));
    let message = raw([0, 2, 0, 0], &body);
    let message = Message::parse(&message).unwrap();
    assert!(message.answers().next().unwrap().data().is_err());
}

#[test]
fn a_broken_pointer_in_rdata_condemns_the_message() {
    for (rtype, prefix) in [
        (Type::NS, &b""[..]),
        (Type::CNAME, b""),
        (Type::PTR, b""),
        (Type::MX, b"\0\x0a"),
        (Type::SOA, b""),
        (Type::SOA, b"\0"),
    ] {
        let mut rdata = prefix.to_vec();
        rdata.extend(b"\xc0\xff");
        let body = record(b"\0", rtype, &rdata);
        assert_eq!(fault(&raw([0, 1, 0, 0], &body)), Fault::Pointer(255));
    }
}

#[test]
fn trailing_octets_are_shown_to_readers_and_refused_from_clients() {
    let mut message = query(1, "www.networkutopia.com", Type::A, None);
    message.push(0);
    assert_eq!(Message::parse(&message).unwrap().trailing(), [0]);
    let reply = utopia().reply(&message, Transport::Udp).unwrap();
    assert_eq!(Message::parse(&reply).unwrap().rcode(), Rcode::FORMERR);
}

#[test]
fn a_message_of_more_than_65535_octets_is_refused() {
    let mut message = raw([0; 4], &vec![0; 65_535 - 12]);
    assert!(Message::parse(&message).is_ok());
    message.push(0);
    assert_eq!(fault(&message), Fault::MessageTooLong);
}

fn opt(options: &[u8]) -> Vec<u8> {
    let mut opt = b"\0\0\x29\x04\xd0\0\0\0\0".to_vec();
    opt.extend((options.len() as u16).to_be_bytes());
    opt.extend_from_slice(options);
    opt
}

#[test]
fn a_second_opt_is_formerr() {
    // RFC 6891 section 6.1.1.
    let two = [opt(b""), opt(b"")].concat();
    assert_eq!(fault(&raw([0, 0, 0, 2], &two)), Fault::SecondOpt);
    let mut message = query(1, "www.networkutopia.com", Type::A, Some(1232));
    message.extend(opt(b""));
    message[11] = 2;
    let reply = utopia().reply(&message, Transport::Udp).unwrap();
    assert_eq!(Message::parse(&reply).unwrap().rcode(), Rcode::FORMERR);
}

#[test]
fn an_opt_in_another_section_or_of_another_owner_is_refused() {
    assert_eq!(fault(&raw([0, 1, 0, 0], &opt(b""))), Fault::MisplacedOpt);
    assert_eq!(fault(&raw([0, 0, 1, 0], &opt(b""))), Fault::MisplacedOpt);
    let mut owned = b"\x01a".to_vec();
    owned.extend(opt(b""));
    assert_eq!(fault(&raw([0, 0, 0, 1], &owned)), Fault::MisplacedOpt);
    assert!(Message::parse(&raw([0, 0, 0, 1], &opt(b""))).is_ok());
}

#[test]
fn option_overrun_is_refused() {
    for options in [
        &b"\0"[..],
        b"\0\x0a",
        b"\0\x0a\0",
        b"\0\x0a\0\x01",
        b"\0\x0a\0\0\0",
        b"\0\x0a\xff\xff\x01",
    ] {
        assert_eq!(
            fault(&raw([0, 0, 0, 1], &opt(options))),
            Fault::OptionOverrun
        );
        assert!(Options::from_wire(options).is_err());
    }
}

#[test]
fn a_long_list_of_options_is_walked_once() {
    // CVE-2026-41292: 16 000 empty options.
    let options = b"\0\x0c\0\0".repeat(16_000);
    let message = raw([0, 0, 0, 1], &opt(&options));
    let edns = Message::parse(&message).unwrap().edns().unwrap();
    assert_eq!(edns.options.count(), 16_000);
    assert_eq!(edns.options.find(OptionCode::NSID), None);
    let mut small = [0; 512];
    let mut builder = Builder::new(&mut small, 0, Flags::QR).unwrap();
    assert!(builder.set_edns(&edns).is_err(), "and does not overflow");
    builder.set_edns(&Edns::new(512)).unwrap();
    assert_eq!(builder.finish().len(), 23);
}

#[test]
fn encoder_work_is_bounded_when_no_name_repeats() {
    // CVE-2024-8508: more suffixes than the table holds; the message stays right.
    let mut buffer = vec![0; 65_535];
    let mut builder = Builder::new(&mut buffer, 0, Flags::QR).unwrap();
    let data = RData::A([1, 2, 3, 4].into());
    let mut owners = Vec::new();
    for index in 0..1500 {
        owners.push(name(&format!("a{index}.b{index}.c{}.example", index % 7)));
        let owner = owners[index].view();
        builder
            .push(Section::Answer, owner, Class::IN, 0, &data)
            .unwrap();
    }
    let message = Message::parse(builder.finish()).unwrap();
    let read: Vec<_> = message.answers().map(|r| r.owner.to_name()).collect();
    assert_eq!(read, owners);
}

/// Writes records of these owners, reads them again.
fn owners_survive(first: &RData<'_>, owners: &[String]) {
    let mut buffer = vec![0; 65_535];
    let mut builder = Builder::new(&mut buffer, 0, Flags::QR).unwrap();
    let root = name(".");
    builder
        .push(Section::Answer, root.view(), Class::IN, 0, first)
        .unwrap();
    let data = RData::A([1, 2, 3, 4].into());
    for owner in owners {
        builder
            .push(Section::Answer, name(owner).view(), Class::IN, 0, &data)
            .unwrap();
    }
    let message = Message::parse(builder.finish()).unwrap();
    let read: Vec<String> = message
        .answers()
        .skip(1)
        .map(|record| record.owner.to_string())
        .collect();
    assert_eq!(read, owners);
}

#[test]
fn equal_labels_of_different_names_do_not_share() {
    let owners: Vec<String> = (0..300)
        .map(|index| format!("www.n{}.example.", index % 60))
        .collect();
    owners_survive(&RData::A([0; 4].into()), &owners);
}

#[test]
fn nothing_points_beyond_what_a_pointer_reaches() {
    for before in (16_300..16_400).chain([40_000]) {
        let data = vec![0; before];
        let rtype = Type(999);
        let owners = [
            "www.example.com.",
            "ftp.www.example.com.",
            "www.example.com.",
        ];
        owners_survive(
            &RData::Unknown { rtype, data: &data },
            &owners.map(String::from),
        );
    }
}

#[test]
fn what_does_not_fit_is_taken_back() {
    let (owner, a, b) = (
        name("www.example.com"),
        name("a.b.example.com"),
        name("b.example.com"),
    );
    for size in 12..120 {
        let mut buffer = vec![0; size];
        let mut builder = Builder::new(&mut buffer, 0, Flags::QR).unwrap();
        let mut pushed = 0;
        for data in [
            RData::Ns(a.view()),
            RData::A([1, 2, 3, 4].into()),
            RData::Ns(b.view()),
        ] {
            let before = builder.len();
            match builder.push(Section::Answer, owner.view(), Class::IN, 0, &data) {
                Ok(()) => pushed += 1,
                Err(_) => assert_eq!(builder.len(), before),
            }
        }
        let message = builder.finish();
        assert!(message.len() <= size);
        let message = Message::parse(message).unwrap();
        assert_eq!(message.answers().count(), pushed);
        assert!(message.answers().all(|record| record.data().is_ok()));
        assert_eq!(message.trailing(), b"");
    }
}

#[test]
fn other_classes_are_refused() {
    // CVE-2026-5946.
    for class in [Class::CH, Class::HS, Class::NONE, Class(0), Class(4711)] {
        let mut message = query(1, "www.networkutopia.com", Type::A, None);
        let end = message.len();
        message[end - 2..].copy_from_slice(&class.0.to_be_bytes());
        let reply = utopia().reply(&message, Transport::Udp).unwrap();
        let reply = Message::parse(&reply).unwrap();
        assert_eq!(reply.rcode(), Rcode::REFUSED, "{class}");
        assert_eq!(reply.answers().count(), 0);
    }
}

#[test]
fn responses_and_scraps_are_never_answered() {
    let mut response = query(1, "www.networkutopia.com", Type::A, None);
    response[2] |= 0x80;
    assert_eq!(utopia().reply(&response, Transport::Udp), None);
    for len in 0..12 {
        assert_eq!(utopia().reply(&response[..len], Transport::Udp), None);
    }
}

#[test]
fn framing_lengths_below_a_header_are_refused() {
    for len in 0u16..12 {
        let mut input = BytesMut::from(&len.to_be_bytes()[..]);
        assert!(tcp::decode(&mut input).is_err());
        assert_eq!(input.len(), 2, "left alone");
        let mut machine = server::Stream::new(Duration::ZERO, Limits::default());
        assert_eq!(
            machine.poll_event(Duration::ZERO, &mut input),
            Err(proto_dns::Error::ShortMessage { len })
        );
    }
}

#[test]
fn an_answer_that_is_no_message_is_misuse() {
    let mut machine = server::Stream::new(Duration::ZERO, Limits::default());
    let mut input = BytesMut::new();
    for len in [0, 11, 65_536] {
        tcp::encode(&query(1, "a", Type::A, None), &mut input).unwrap();
        let event = machine.poll_event(Duration::ZERO, &mut input);
        let Ok(Some(server::stream::Event::Query { ask, .. })) = event else {
            panic!("no query")
        };
        assert_eq!(
            machine.answer(ask, vec![0; len].into()),
            Err(UsageError::MessageLength { len })
        );
    }
    assert_eq!(machine.poll_transmit(Duration::ZERO, 99), None);
}

/// Reads all there is, at every depth, and writes it again.
fn read_all(octets: &[u8]) {
    let _ = Header::peek(octets);
    let mut reply = [0; 1232];
    let _ = utopia().answer(octets, Transport::Udp, &mut reply);
    let Ok(message) = Message::parse(octets) else {
        return;
    };
    let again = rebuild(&message);
    let again = Message::parse(&again).unwrap();
    assert_eq!(contents(&again), contents(&message));
}

#[test]
fn every_truncation_and_bit_flip_of_real_messages_is_survived() {
    let asked = query(7, "networkutopia.com", Type::MX, Some(1232));
    let reply = utopia().reply(&asked, Transport::Udp).unwrap().to_vec();
    for message in [asked, reply] {
        for end in 0..message.len() {
            read_all(&message[..end]);
        }
        for bit in 0..message.len() * 8 {
            let mut flipped = message.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            read_all(&flipped);
        }
    }
}

proptest! {
    #[test]
    fn random_octets_are_survived(octets in proptest::collection::vec(any::<u8>(), 0..400)) {
        read_all(&octets);
    }

    /// Small counts and many pointers, so that random octets get further.
    #[test]
    fn random_names_are_survived(
        counts in proptest::array::uniform4(0u16..4),
        body in proptest::collection::vec(
            prop_oneof![4 => 0u8..4, 1 => Just(0xc0), 1 => 12u8..60, 1 => any::<u8>()], 0..300,
        ),
    ) {
        read_all(&raw(counts, &body));
    }
}
