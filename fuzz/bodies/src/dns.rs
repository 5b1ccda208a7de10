//! DNS: the wire layer.

use crate::cuts::{Cuts, Take};
use crate::dns_naive;
use bytes::BytesMut;
use proto_dns::BuildError;
use proto_dns::wire::{
    Builder, EdnsOption, Header, MAX_NAME, Message, MessageBuf, Name, NameRef, Options, RData,
    Record, Section, Txt, Type, tcp,
};

const SECTIONS: [Section; 3] = [Section::Answer, Section::Authority, Section::Additional];

/// Any octets as a message: accepted and read as the naive reader does.
pub fn dns_message(data: &[u8]) {
    let naive = dns_naive::message(data);
    let message = match Message::parse(data) {
        Ok(message) => message,
        Err(error) => {
            assert!(naive.is_none(), "refused by {error}, read as {naive:?}");
            assert!(error.offset <= data.len(), "{error}");
            return;
        }
    };
    let naive = naive.expect("accepted, and should not be");
    assert_eq!(Header::peek(data), Ok(*message.header()));
    assert_eq!(message.header().encode(), data[..Header::LEN]);
    assert!(data.ends_with(message.trailing()));
    assert_eq!(message.questions().count(), naive.questions.len());
    for (question, (wire, qtype, qclass)) in message.questions().zip(&naive.questions) {
        check_name(question.name, wire);
        assert_eq!((question.qtype.0, question.qclass.0), (*qtype, *qclass));
    }
    for (section, expected) in SECTIONS.into_iter().zip(&naive.sections) {
        assert_eq!(message.records(section).count(), expected.len());
        for (record, expected) in message.records(section).zip(expected) {
            check_name(record.owner, &expected.owner);
            assert_eq!(
                (record.rtype.0, record.class.0, record.ttl, record.rdata()),
                (
                    expected.rtype,
                    expected.class,
                    expected.ttl,
                    &expected.data[..]
                )
            );
            check_data(&record);
        }
    }
    let opt = naive.sections[2].iter().find(|record| record.rtype == 41);
    assert_eq!(message.edns().is_some(), opt.is_some());
    if let (Some(edns), Some(opt)) = (message.edns(), opt) {
        let [rcode, version, flags, _] = opt.ttl.to_be_bytes();
        assert_eq!(edns.udp_payload, opt.class);
        assert_eq!((edns.version, edns.dnssec_ok), (version, flags & 0x80 != 0));
        assert_eq!(edns.options.as_wire(), opt.data);
        assert_eq!(message.rcode().0 >> 4, u16::from(rcode));
    }
    let owned = MessageBuf::parse(data.to_vec().into()).expect("the borrowed one was parsed");
    assert_eq!(format!("{owned:?}"), format!("{message:?}"));
}

fn check_name(name: NameRef<'_>, wire: &[u8]) {
    assert_eq!(name.copy_to(&mut [0; MAX_NAME]), wire);
    assert_eq!(name.wire_len(), wire.len());
    assert!(name.as_uncompressed().is_none_or(|plain| plain == wire));
    let owned = name.to_name();
    assert_eq!(owned.as_wire(), wire);
    assert!(owned == name && name.is_at_or_below(NameRef::ROOT));
    assert_eq!(name.is_root(), wire == [0]);
}

fn check_data(record: &Record<'_>) {
    let octets = record.rdata();
    match record.data() {
        Ok(RData::A(address)) => assert_eq!(octets, address.octets()),
        Ok(RData::Aaaa(address)) => assert_eq!(octets, address.octets()),
        Ok(RData::Txt(txt)) => {
            let strings: usize = txt.strings().map(|string| string.len() + 1).sum();
            assert_eq!(strings, octets.len());
        }
        Ok(RData::Unknown { rtype, data }) => assert_eq!((rtype, data), (record.rtype, octets)),
        Ok(data) => assert_eq!(data.rtype(), record.rtype),
        Err(_) => assert!(
            !matches!(record.rtype, Type::OPT),
            "OPT was checked with the message"
        ),
    }
}

/// A name in wire form and in text, both ways, and the order of two.
pub fn dns_name(data: &[u8]) {
    let mut input = Take::new(data);
    let (first, second) = (input.short(), input.rest());
    for octets in [first, second] {
        match (Name::from_wire(octets), dns_naive::name(octets, 0)) {
            (Ok(name), Ok((wire, end))) => {
                assert_eq!((name.as_wire(), end), (&wire[..], octets.len()));
                check_text(&name);
            }
            (Ok(name), Err(bad)) => panic!("{name} is {bad:?}"),
            (Err(_), Ok((_, end))) => assert_ne!(end, octets.len()),
            (Err(_), Err(_)) => {}
        }
        if let Ok(name) = String::from_utf8_lossy(octets).parse::<Name>() {
            check_text(&name);
        }
    }
    if let (Ok(a), Ok(b)) = (Name::from_wire(first), Name::from_wire(second)) {
        check_pair(&a, &b);
    }
}

fn check_text(name: &Name) {
    let wire = name.as_wire();
    assert!(wire.len() <= MAX_NAME && wire.last() == Some(&0));
    let text = name.to_string();
    assert!(text.is_ascii() && text.ends_with('.'), "{text}");
    let again: Name = text.parse().expect("what is written can be read");
    assert_eq!(again.as_wire(), wire, "case and octets are kept");
    let joined = Name::from_labels(name.labels()).expect("labels of a name make a name");
    assert_eq!(joined.as_wire(), wire);
    match name.parent() {
        None => assert!(name.is_root()),
        Some(parent) => {
            assert!(name.is_at_or_below(&parent) && !parent.is_at_or_below(name));
            let label = name.labels().next().expect("not the root");
            let child = parent.child(label).expect("it was one");
            assert_eq!(child.as_wire(), wire);
        }
    }
}

fn check_pair(a: &Name, b: &Name) {
    // RFC 4034 section 6.1, word by word: by labels from the right, as octets in lower case.
    let key = |name: &Name| -> Vec<Vec<u8>> {
        let mut labels: Vec<_> = name.labels().map(<[u8]>::to_ascii_lowercase).collect();
        labels.reverse();
        labels
    };
    let (left, right) = (key(a), key(b));
    assert_eq!(a.cmp(b), left.cmp(&right));
    assert_eq!(a == b, left == right);
    assert_eq!(a.view().cmp(&b.view()), left.cmp(&right));
    assert_eq!(a.is_at_or_below(b), left.starts_with(&right));
}

/// Options of OPT: checked, walked and written again.
pub fn dns_edns(data: &[u8]) {
    let Ok(options) = Options::from_wire(data) else {
        assert!(!dns_naive::options_fit(data));
        return;
    };
    assert!(dns_naive::options_fit(data));
    let mut wire = Vec::new();
    for option in options {
        // What is understood is written as it came, and read the same; text never fails.
        if let Ok(known) = option.read() {
            let mut one = Vec::new();
            known.encode(&mut one).expect("it was read");
            let mut again = Options::from_wire(&one).expect("one option");
            assert_eq!(again.next(), Some(option));
            assert!(known.to_string().starts_with(&option.code.to_string()));
        }
        let EdnsOption { code, data } = option;
        Options::encode(code, data, &mut wire).expect("it came from a message");
        let first = options.find(code).expect("there is one");
        assert!(
            options.into_iter().any(|option| option.data == first),
            "{code:?}"
        );
    }
    assert_eq!(wire, data);
}

/// Messages behind their lengths, cut anywhere.
pub fn dns_tcp_frames(data: &[u8]) {
    let mut input = Take::new(data);
    let (mut cuts, stream) = (Cuts::take(&mut input), input.rest());

    let mut expected = Vec::new();
    let mut rest = stream;
    let mut broken = false;
    while let Some((prefix, tail)) = rest.split_first_chunk() {
        let len = usize::from(u16::from_be_bytes(*prefix));
        broken = len < Header::LEN;
        let Some((message, tail)) = tail.split_at_checked(len).filter(|_| !broken) else {
            break;
        };
        expected.push(message);
        rest = tail;
    }

    let (mut src, mut unfed, mut decoded) = (BytesMut::new(), stream, Vec::new());
    let failed = loop {
        match tcp::decode(&mut src) {
            Ok(Some(message)) => decoded.push(message),
            Ok(None) if unfed.is_empty() => break false,
            Ok(None) => src.extend_from_slice(cuts.piece(&mut unfed)),
            Err(_) => break true,
        }
    };
    assert_eq!(
        (&decoded[..], failed),
        (&expected_bytes(&expected)[..], broken)
    );

    let mut wire = BytesMut::new();
    for message in &decoded {
        tcp::encode(message, &mut wire).expect("it came from a frame");
    }
    assert_eq!(wire, stream[..stream.len() - rest.len()]);
}

fn expected_bytes(messages: &[&[u8]]) -> Vec<bytes::Bytes> {
    messages
        .iter()
        .map(|message| bytes::Bytes::copy_from_slice(message))
        .collect()
}

/// Whatever parses can be built, and what was built reads the same.
pub fn dns_inverse(data: &[u8]) {
    let Ok(message) = Message::parse(data) else {
        return;
    };
    if message_records(&message).any(|record| record.data().is_err()) {
        return;
    }
    let mut buffer = vec![0; 65_535];
    let built = match rebuild(&message, &mut buffer) {
        Ok(built) => built,
        Err(BuildError::Full | BuildError::TooManyRecords) => return,
        Err(error) => panic!("{error} in {message:?}"),
    };
    let again = Message::parse(built).expect("what was built can be parsed");
    assert_eq!(again.trailing(), b"");
    assert_eq!(again.header().id, message.header().id);
    assert_eq!(again.header().flags, message.header().flags);
    assert_eq!(again.rcode(), message.rcode());
    assert_eq!(again.edns(), message.edns());
    assert_eq!(again.questions().count(), message.questions().count());
    for (left, right) in message.questions().zip(again.questions()) {
        assert_eq!(left.to_question(), right.to_question());
        assert_eq!(
            left.name.to_name().as_wire(),
            right.name.to_name().as_wire(),
            "case is kept"
        );
    }
    let mut records = message_records(&message);
    for record in message_records(&again) {
        let expected = records.next().expect("none is added");
        assert_eq!(expected.to_string(), record.to_string());
    }
    assert!(records.next().is_none(), "none is lost");

    // What we built ourselves does not grow when it is built once more.
    let mut buffer = vec![0; 65_535];
    let twice = rebuild(&again, &mut buffer).expect("it fitted");
    assert_eq!(twice, built);

    // A buffer that is too small gives an error or a shorter message, never a broken one.
    let mut small = vec![0; built.len().saturating_sub(1).min(usize::from(data[0]) * 4)];
    if let Ok(short) = rebuild(&message, &mut small) {
        panic!("{} octets cannot hold {}", short.len(), built.len());
    }
}

/// All records but OPT.
fn message_records<'a>(message: &Message<'a>) -> impl Iterator<Item = Record<'a>> {
    let message = *message;
    SECTIONS
        .into_iter()
        .flat_map(move |section| message.records(section))
        .filter(|record| record.rtype != Type::OPT)
}

fn rebuild<'b>(message: &Message<'_>, buffer: &'b mut [u8]) -> Result<&'b [u8], BuildError> {
    let header = message.header();
    let mut builder = Builder::new(buffer, header.id, header.flags)?;
    builder.set_rcode(message.rcode());
    if let Some(edns) = message.edns() {
        builder.set_edns(&edns)?;
    }
    for question in message.questions() {
        builder.push_question(question.name, question.qtype, question.qclass)?;
    }
    for section in SECTIONS {
        for record in message.records(section) {
            let mut strings = Vec::new();
            match record.data() {
                Ok(RData::Opt(_)) => {}
                // Through the strings, so that writing them is tried as well.
                Ok(RData::Txt(txt)) => {
                    Txt::encode(txt.strings(), &mut strings)?;
                    let data = RData::Txt(Txt::from_wire(&strings)?);
                    builder.push(section, record.owner, record.class, record.ttl, &data)?;
                }
                Ok(data) => {
                    builder.push(section, record.owner, record.class, record.ttl, &data)?;
                }
                Err(error) => panic!("{error} was looked for before"),
            }
        }
    }
    let len = builder.len();
    let built = builder.finish();
    assert_eq!(len, built.len());
    Ok(built)
}
