//! FTP: commands, replies, Telnet, facts and listings, each beside a second opinion or its inverse.

use crate::cuts::{Cuts, Take};
use bytes::{Bytes, BytesMut};
use core::time::Duration;
use proto_ftp::data::{
    DataEvent, DataLimits, Form, Format, Mode, Receiver, Sender, Structure, Type,
};
use proto_ftp::listing::{Dialect, Entry, Item, Parser};
use proto_ftp::wire::{
    Arg, Command, DateTime, Features, Frame, LineDecoder, Reply, ReplyDecoder, Verb, VirtualPath,
    parse_eprt, parse_epsv_reply, parse_facts, parse_pasv_reply, parse_port, parse_quoted,
    put_eprt, put_port, put_quoted,
};
use proto_ftp::{DataTransmit, wire};

/// Whatever is a command is written as one line again, and the forms of its argument hold.
pub fn ftp_command(data: &[u8]) {
    let Ok(command) = Command::parse(data) else {
        return;
    };
    assert!(!data.iter().any(|octet| b"\r\n\0".contains(octet)));
    let arg = command.arg.unwrap_or_default();
    if command.verb != Verb::Unknown {
        let arg = command.arg.map(|arg| Arg::copy_from(arg).expect("checked"));
        let mut line = BytesMut::new();
        command.verb.encode(arg.as_ref(), &mut line);
        let mut decoder = LineDecoder::new(1 << 20);
        let Some(Frame::Line(line)) = decoder.decode(&mut line) else {
            panic!("no line");
        };
        let again = Command::parse(&line).expect("a command");
        assert_eq!((again.verb, again.arg), (command.verb, command.arg));
    }
    if let Ok(address) = parse_port(arg) {
        let mut text = BytesMut::new();
        assert!(put_port(address, &mut text));
        assert_eq!(parse_port(&text), Ok(address));
        assert_ne!(address.port(), 0);
    }
    if let Ok(address) = parse_eprt(arg) {
        let mut text = BytesMut::new();
        put_eprt(address, &mut text);
        let again = parse_eprt(&text).expect("an address");
        assert_eq!(again.port(), address.port());
        assert_eq!(again.ip(), address.ip().to_canonical());
    }
    if let Ok(path) = VirtualPath::root().join(arg, 4096) {
        let is_clean = |part: &[u8]| !part.is_empty() && part != b"." && part != b"..";
        assert!(path.components().all(is_clean), "{path:?}");
        assert!(path.as_bytes().starts_with(b"/"));
        let again = VirtualPath::root().join(path.as_bytes(), 4096);
        assert_eq!(again.as_ref(), Ok(&path));
        let mut quoted = BytesMut::new();
        put_quoted(path.as_bytes(), &mut quoted);
        assert_eq!(parse_quoted(&quoted).as_deref(), Some(path.as_bytes()));
    }
    if let Some(time) = DateTime::parse(arg) {
        let mut text = BytesMut::new();
        time.encode(&mut text);
        assert_eq!(
            DateTime::parse(&text).map(DateTime::to_unix),
            Some(time.to_unix())
        );
    }
}

/// Replies are the same at any cuts, what they say can be said again, and what is read out of them
/// is sound.
pub fn ftp_reply(data: &[u8]) {
    let mut input = Take::new(data);
    let mut cuts = Cuts::take(&mut input);
    let octets = input.rest();
    let read = |parts: &[&[u8]]| {
        let mut decoder = ReplyDecoder::new(256, 1024, 20);
        let (mut src, mut replies) = (BytesMut::new(), Vec::new());
        for part in parts {
            src.extend_from_slice(part);
            loop {
                match decoder.decode(&mut src) {
                    Ok(Some(reply)) => replies.push(reply),
                    Ok(None) => break,
                    Err(error) => return (replies, Some(error)),
                }
            }
        }
        (replies, None)
    };
    let (mut parts, mut rest) = (Vec::new(), octets);
    while !rest.is_empty() {
        parts.push(cuts.piece(&mut rest));
    }
    let whole = read(&[octets]);
    assert_eq!(whole, read(&parts));
    for reply in whole.0 {
        assert!((100..600).contains(&reply.code()));
        let text = reply.text();
        if let Ok(to) = parse_pasv_reply(text) {
            assert!(to.is_ipv4() && to.port() != 0);
        }
        if let Ok(port) = parse_epsv_reply(text) {
            assert_ne!(port, 0);
        }
        let _ = (parse_quoted(text), Features::parse(&reply));
        let clean = Reply::new(reply.code(), text);
        let mut line = BytesMut::new();
        clean.encode(&mut line);
        let mut decoder = ReplyDecoder::new(4096, 8192, 40);
        let again = decoder.decode(&mut line);
        let again = again.expect("a reply").expect("a whole one");
        assert_eq!(again.code(), clean.code());
        assert_eq!(again.lines().count(), clean.lines().count());
        assert!(line.is_empty());
    }
}

/// Lines with Telnet in them: the same at any cuts, never longer than what came, and without a
/// sequence that a second look, octet by octet, would find.
pub fn ftp_telnet(data: &[u8]) {
    let mut input = Take::new(data);
    let mut cuts = Cuts::take(&mut input);
    let octets = input.rest();
    let read = |parts: &[&[u8]]| {
        let mut decoder = LineDecoder::new(64);
        let (mut src, mut frames) = (BytesMut::new(), Vec::new());
        for part in parts {
            src.extend_from_slice(part);
            while let Some(frame) = decoder.decode(&mut src) {
                frames.push(frame);
            }
        }
        frames
    };
    let (mut parts, mut rest) = (Vec::new(), octets);
    while !rest.is_empty() {
        parts.push(cuts.piece(&mut rest));
    }
    let frames = read(&[octets]);
    assert_eq!(frames, read(&parts));
    let mut lines = octets.split_inclusive(|octet| *octet == b'\n');
    for frame in frames {
        let raw = lines.next().expect("a line for each frame");
        match frame {
            Frame::TooLong => assert!(raw.len() > 64),
            Frame::Line(line) => {
                assert!(raw.len() <= 64);
                assert_eq!(line, plain(raw), "{raw:?}");
            }
        }
    }
}

/// The same by a machine of states that looks at one octet at a time.
fn plain(raw: &[u8]) -> Vec<u8> {
    enum State {
        Text,
        Iac,
        Option,
        Sub,
        SubIac,
    }
    let raw = raw.strip_suffix(b"\n").unwrap_or(raw);
    let raw = raw.strip_suffix(b"\r").unwrap_or(raw);
    let (mut state, mut line) = (State::Text, Vec::new());
    for &octet in raw {
        state = match (state, octet) {
            (State::Text, 0xff) => State::Iac,
            (State::Text, 0xf2 | 0xf4) if line.is_empty() => State::Text,
            (State::Text, octet) => {
                line.push(octet);
                State::Text
            }
            (State::Iac, 0xff) => {
                line.push(0xff);
                State::Text
            }
            (State::Iac, 0xfa) => State::Sub,
            (State::Iac, 0xfb..=0xfe) => State::Option,
            (State::Iac | State::Option, _) => State::Text,
            (State::Sub, 0xff) => State::SubIac,
            (State::Sub, _) => State::Sub,
            (State::SubIac, 0xf0) => State::Text,
            (State::SubIac, _) => State::Sub,
        };
    }
    line
}

/// Facts of MLSD: names and values are what stands between the signs.
pub fn ftp_facts(data: &[u8]) {
    let Some(facts) = parse_facts(data) else {
        return;
    };
    assert!(!facts.name.is_empty());
    let mut line = Vec::new();
    for fact in facts.iter() {
        assert!(!fact.name.is_empty() && !fact.name.contains(&b'='));
        assert!(!fact.value.contains(&b';'));
        line.extend_from_slice(fact.name);
        line.push(b'=');
        line.extend_from_slice(fact.value);
        line.push(b';');
    }
    line.push(b' ');
    line.extend_from_slice(facts.name);
    assert_eq!(line, data);
    if let Some(time) = facts.modify() {
        assert!(time.month >= 1 && time.month <= 12 && time.hour < 24);
    }
    check_entry(data, Parser::new(today()).parse_line(data));
}

fn today() -> DateTime {
    DateTime::from_unix(1_700_000_000)
}

fn check_entry(line: &[u8], entry: Option<Entry<'_>>) {
    let Some(entry) = entry else { return };
    let range = line.as_ptr_range();
    for field in [
        Some(entry.name),
        entry.owner,
        entry.permissions,
        entry.target,
    ] {
        let field = field.unwrap_or_default();
        let inside = field.is_empty() || range.contains(&field.as_ptr());
        assert!(inside, "a field that is no part of its line");
    }
    if let Some(name) = entry.safe_name() {
        assert!(!name.iter().any(|octet| b"/\\:\0\r\n".contains(octet)));
        assert!(!name.is_empty() && name != b"." && name != b"..");
    }
    if let Some(stamp) = entry.modified {
        assert!((1..=12).contains(&stamp.at.month) && (1..=31).contains(&stamp.at.day));
        assert_eq!(
            DateTime::from_unix(stamp.at.to_unix()).to_unix(),
            stamp.at.to_unix()
        );
    }
}

/// A listing: the same at any cuts, each dialect by itself without panic, fields within their lines.
pub fn ftp_listing(data: &[u8]) {
    const DIALECTS: [Dialect; 15] = [
        Dialect::Unix,
        Dialect::Dos,
        Dialect::Facts,
        Dialect::Eplf,
        Dialect::Vms,
        Dialect::Mvs,
        Dialect::MvsMember,
        Dialect::Os2,
        Dialect::As400,
        Dialect::VmCms,
        Dialect::NonStop,
        Dialect::Stratus,
        Dialect::Hp3000,
        Dialect::WfFtp,
        Dialect::Jes,
    ];
    let mut input = Take::new(data);
    let mut cuts = Cuts::take(&mut input);
    let text = input.rest();
    let mut parser = Parser::new(today()).max_line(200);
    let (mut whole, mut rest) = (Vec::new(), text);
    while let Some((len, item)) = parser.next(rest, true) {
        assert!(len > 0);
        if let Item::Entry(entry) = item {
            check_entry(&rest[..len], Some(entry));
        }
        if !matches!(item, Item::TooLong) {
            whole.push(format!("{item:?}"));
        }
        rest = &rest[len..];
    }
    assert!(rest.is_empty());
    let mut parser = Parser::new(today()).max_line(200);
    let (mut parts, mut held, mut rest) = (Vec::new(), Vec::new(), text);
    loop {
        held.extend_from_slice(cuts.piece(&mut rest));
        while let Some((len, item)) = parser.next(&held, rest.is_empty()) {
            if !matches!(item, Item::TooLong) {
                parts.push(format!("{item:?}"));
            }
            held.drain(..len);
        }
        if rest.is_empty() {
            break;
        }
    }
    assert_eq!(whole, parts);
    for line in text.split(|octet| *octet == b'\n') {
        for dialect in DIALECTS {
            let mut parser = Parser::with_dialect(today(), dialect);
            check_entry(line, parser.parse_line(line));
        }
    }
}

/// A file through both data machines in any format, and any octets into the receiver at any cuts.
pub fn ftp_data(data: &[u8]) {
    let now = Duration::ZERO;
    let mut input = Take::new(data);
    let steer = input.u8();
    let mut cuts = Cuts::take(&mut input);
    let content = input.rest();
    let format = Format {
        kind: [Type::Image, Type::Ascii, Type::Ebcdic, Type::Image][usize::from(steer & 3)],
        form: Form::NonPrint,
        structure: if steer & 0xe3 == 0xe0 {
            Structure::Page
        } else {
            [Structure::File, Structure::Record][usize::from(steer >> 2 & 1)]
        },
        mode: [Mode::Stream, Mode::Block, Mode::Compressed, Mode::Deflate]
            [usize::from(steer >> 3 & 3)],
    };
    let mut limits = DataLimits::default();
    limits.max_queued = 512;
    limits.max_output = 1 << 20;
    let receive = |parts: &[&[u8]]| {
        let mut receiver = Receiver::new(format, limits.clone());
        let (mut src, mut out, mut told) = (BytesMut::new(), Vec::new(), Vec::new());
        for part in parts.iter().map(Some).chain([None]) {
            match part {
                Some(part) => src.extend_from_slice(part),
                None => receiver.handle_eof(now),
            }
            loop {
                match receiver.poll_event(now, &mut src) {
                    Ok(Some(DataEvent::Chunk(data))) => out.extend_from_slice(&data),
                    Ok(Some(event)) => told.push((out.len(), format!("{event:?}"))),
                    Ok(None) => break,
                    Err(error) => {
                        told.push((0, format!("{error:?}")));
                        break;
                    }
                }
            }
        }
        (out, told)
    };
    let (mut parts, mut rest) = (Vec::new(), content);
    while !rest.is_empty() {
        parts.push(cuts.piece(&mut rest));
    }
    // Nonsense: no panic; the same end whatever the cuts, where nothing was cut off by a limit.
    let (whole, cut) = (receive(&[content]), receive(&parts));
    if !format!("{:?}{:?}", whole.1, cut.1).contains("TooLarge") {
        assert_eq!(
            whole.1.last().map(|(_, end)| end),
            cut.1.last().map(|(_, end)| end)
        );
        if whole.1.last().is_some_and(|(_, end)| end == "End") {
            assert_eq!(whole, cut);
        }
    }
    // What is sent arrives. Text of records is made of lines; CR before LF is the wire's own.
    let is_text = format.kind != Type::Image;
    let sent: Vec<u8> = match is_text {
        true => content
            .iter()
            .copied()
            .filter(|octet| !b"\r\0".contains(octet))
            .collect(),
        false => content.to_vec(),
    };
    let mut sender = Sender::new(format, limits.clone());
    let (mut file, mut wire) = (Bytes::from(sent.clone()), Vec::new());
    let mut is_over = false;
    while !is_over {
        sender.send_data(&mut file, true);
        while let Some(step) = sender.poll_transmit(now, 1 + usize::from(steer)) {
            match step {
                DataTransmit::Data(data) => wire.extend_from_slice(&data),
                DataTransmit::Shutdown => is_over = true,
                DataTransmit::Abort => panic!("nobody aborts"),
            }
        }
    }
    let (mut got, told) = receive(&[&wire]);
    let end = told.last().map(|(_, end)| end.as_str());
    if end.is_some_and(|end| end.contains("TooLarge")) {
        return;
    }
    assert_eq!(end, Some("End"), "{format:?}");
    let mut sent = sent;
    if is_text && format.structure == Structure::Record {
        // A last line without an end gets one.
        if !sent.is_empty() && !sent.ends_with(b"\n") {
            sent.push(b'\n');
        }
    }
    if format.kind == Type::Ebcdic {
        // NL and its kin share an octet with LF: compared as they come back.
        got.retain(|octet| *octet < 0x80);
        sent.retain(|octet| *octet < 0x80);
    }
    assert_eq!(got, sent, "{format:?}");
    let _ = wire::unix_seconds(today());
}
