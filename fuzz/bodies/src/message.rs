//! Messages: structure at any cut, fields, addresses, dates, encoded words, parameters, decoders.

use proto_mail::message::{
    AddressList, Body, Builder, ContentType, DateTime, Disposition, Encoding, Event, Field, Limits,
    NameAddr, Parser, Section, TransferDecoder, Tree, charset, date, encoded_word, id,
    select_fields,
};

/// The limits of half of the runs: small ones are reached.
fn limits(choice: u8) -> Limits {
    let mut limits = Limits::default();
    if choice & 1 == 1 {
        limits.max_field = 64;
        limits.max_fields = 8;
        limits.max_header = 512;
        limits.max_depth = 3;
        limits.max_parts = 6;
        limits.max_boundary = 16;
        limits.max_kept = 256;
    }
    limits
}

/// The events of a message that is cut in two, octets of one kind put together, and the tree of it.
fn read(message: &[u8], cut: usize, limits: &Limits) -> (Vec<String>, Tree) {
    let (head, tail) = message.split_at(cut.min(message.len()));
    let mut parser = Parser::new(limits.clone());
    let mut tree = Tree::new(limits.clone());
    let (mut seen, mut told) = (Vec::new(), Vec::<String>::new());
    let (mut begun, mut ended) = (0_u32, 0_u32);
    let mut run = None;
    for (mut input, is_last) in [(head, false), (tail, false), (&[][..], true)] {
        if is_last {
            parser.finish();
        }
        while let Some(event) = parser.poll_event(&mut input) {
            tree.handle_event(&event);
            assert_eq!(
                match event {
                    Event::Field(field) => field.offset(),
                    Event::HeaderEnd { offset, .. }
                    | Event::Octets { offset, .. }
                    | Event::Delimiter { offset, .. }
                    | Event::PartBegin { offset, .. } => offset,
                    _ => seen.len() as u64,
                },
                seen.len() as u64
            );
            match event {
                Event::Octets { kind, data, .. } => {
                    seen.extend_from_slice(data);
                    if run != Some(kind) {
                        run = Some(kind);
                        told.push(format!("{kind:?} from {}", seen.len() - data.len()));
                    }
                    continue;
                }
                Event::Field(field) => seen.extend_from_slice(field.raw()),
                Event::HeaderEnd { data, .. } | Event::Delimiter { data, .. } => {
                    seen.extend_from_slice(data)
                }
                Event::PartBegin { .. } => begun += 1,
                Event::PartEnd(_) => ended += 1,
                _ => {}
            }
            run = None;
            told.push(format!("{event:?}"));
        }
        assert!(input.is_empty());
    }
    assert!(parser.is_done());
    assert_eq!(seen, message, "the events give the message");
    assert_eq!((begun, begun <= limits.max_parts), (ended, true));
    (told, tree)
}

/// A message is the same however it is cut, its events give it back, and all that can be asked about it
/// has an answer inside of it.
pub fn mail_message(data: &[u8]) {
    let [choice, low, high, message @ ..] = data else {
        return;
    };
    let limits = limits(*choice);
    let cut = usize::from(u16::from_le_bytes([*low, *high]));
    let (whole, tree) = read(message, message.len(), &limits);
    let (cut, _) = read(message, cut, &limits);
    assert_eq!(whole, cut);
    let mut out = Vec::new();
    tree.write_envelope(&mut out);
    tree.write_body_structure(true, &mut out);
    for section in [
        "", "HEADER", "TEXT", "1", "1.MIME", "1.HEADER", "2.1.TEXT", "1.1.1",
    ] {
        let section = Section::parse(section.as_bytes()).expect("a section");
        if let Some(range) = tree.section(&section) {
            assert!(range.start <= range.end && range.end <= message.len() as u64);
        }
    }
    for part in tree.parts() {
        assert!(part.header().end == part.body().start && part.body().end <= message.len() as u64);
        let _ = (tree.content_type(part.id()), tree.disposition(part.id()));
    }
    let _ = select_fields(message, &[b"subject"], *choice & 2 == 2);
}

/// A field is read in every way that there is.
pub fn mail_field(data: &[u8]) {
    let Some(field) = Field::parse(data) else {
        return;
    };
    assert!(field.raw().len() == data.len() && !field.name().is_empty());
    let _ = (
        field.text(),
        field.unfolded(),
        field.date(),
        field.message_ids(),
    );
    let _ = (field.addresses(), field.content_type(), field.disposition());
    let _ = format!("{field:?}");
}

/// Addresses that are read can be read again from their written form.
pub fn mail_addresses(data: &[u8]) {
    let list = AddressList::parse(data);
    assert!(list.mailboxes().count() <= data.len());
    for mailbox in list.mailboxes() {
        let _ = (mailbox.display_name(), mailbox.route());
        let address = mailbox.addr_spec();
        if let Ok(sender) = NameAddr::new("", address.clone()) {
            let written = Builder::new(sender).write(&Body::text(""), 0);
            let again = Tree::parse(&written, Limits::default());
            let from = again.envelope(again.parts()[0].id()).from;
            let proto_mail::message::Address::Mailbox(from) = &from[0] else {
                panic!("{address:?} became a group");
            };
            assert_eq!(from.addr_spec(), address);
        }
    }
}

/// A date that is read is the same when it is written and read again.
pub fn mail_date(data: &[u8]) {
    if let Ok(found) = date::parse(data) {
        let again = date::parse(found.to_string().as_bytes()).expect("a date");
        assert_eq!(again.to_unix(), found.to_unix());
        let rebuilt = DateTime::from_unix(found.to_unix(), found.offset());
        assert!(rebuilt.is_none_or(|rebuilt| rebuilt.to_unix() == found.to_unix()));
    }
}

/// Encoded words, parameters, ids and charsets: nothing grows, nothing ends badly.
pub fn mail_words(data: &[u8]) {
    let text = encoded_word::decode(data);
    assert!(text.len() <= data.len().saturating_mul(3));
    let _ = (id::parse(data), charset::guess(data));
    let (label, octets) = data.split_at(data.len().min(8));
    let _ = charset::decode(label, octets);
    for params in [
        ContentType::parse(data).map(|content| content.params().clone()),
        Disposition::parse(data).map(|disposition| disposition.params().clone()),
    ]
    .into_iter()
    .flatten()
    {
        for param in params.iter() {
            let _ = (param.text(), param.language());
        }
        if let Some(name) = params.safe_file_name() {
            assert!(!name.is_empty() && name.len() <= 256, "{name:?}");
            assert!(
                !name.contains(['/', '\\', '\0', '\r', '\n', ':', '\u{202e}']),
                "{name:?}"
            );
            assert!(
                !name.starts_with('.') && !name.ends_with(['.', ' ']),
                "{name:?}"
            );
        }
    }
}

/// Decoders give the same however the text is cut, and no more than it is long; what is written in an
/// encoding is read as it was.
pub fn mail_transfer(data: &[u8]) {
    let [choice, cut, text @ ..] = data else {
        return;
    };
    let encoding = if choice & 1 == 1 {
        Encoding::Base64
    } else {
        Encoding::QuotedPrintable
    };
    let decode = |cut: usize| {
        let mut decoder = TransferDecoder::new(encoding);
        let mut out = Vec::new();
        let (head, tail) = text.split_at(cut.min(text.len()));
        decoder.decode(head, &mut out);
        decoder.decode(tail, &mut out);
        decoder.finish(&mut out);
        (out, decoder.is_damaged())
    };
    let whole = decode(0);
    assert!(whole.0.len() <= text.len() + 16);
    assert_eq!(whole, decode(usize::from(*cut)));

    let body = Body::octets("application/x-y", text.to_vec()).expect("a type");
    let from = NameAddr::new("", "a@b").expect("an address");
    let written = Builder::new(from).write(&body, 0);
    let tree = Tree::parse(&written, Limits::default());
    let part = &tree.parts()[0];
    let place = |at: u64| usize::try_from(at).expect("a place in memory");
    let octets = &written[place(part.body().start)..place(part.body().end)];
    let mut decoder = TransferDecoder::new(part.encoding());
    let mut again = Vec::new();
    decoder.decode(octets, &mut again);
    decoder.finish(&mut again);
    assert_eq!(again, text);
}
