//! POP3: lines, dots, commands and replies.

use crate::cuts::{Cuts, Take};
use bytes::{Buf, BytesMut};
use proto_mail::dot::{Received, Stuffer, Unstuffer, transmitted_len};
use proto_mail::line::{Item, LineDecoder, LineEnd};
use proto_mail::pop3::wire::{
    Capability, Command, CommandDecoder, CommandError, CommandFault, CommandLine, ListItem, Reply,
    ReplyDecoder, ReplyError, ReplyFault, ReplyLine, ResponseCode, Stat, Status, Text, Timestamp,
    UniqueId, UniqueIdItem,
};
use proto_mail::sasl::Mechanism;
use proto_mail::sasl::plain::Plain;

/// Commands in a stream, cut anywhere, against lines found by a plain search.
pub fn pop3_command(data: &[u8]) {
    let mut input = Take::new(data);
    let limit = usize::from(input.u8()).max(2);
    let (mut cuts, stream) = (Cuts::take(&mut input), input.rest());

    let (mut decoder, mut src, mut unfed) = (CommandDecoder::new(limit), BytesMut::new(), stream);
    let mut decoded = Vec::new();
    loop {
        match decoder.decode(&mut src) {
            Ok(None) if unfed.is_empty() => break,
            Ok(None) => {
                assert!(src.len() <= limit, "{} octets are kept", src.len());
                src.extend_from_slice(cuts.piece(&mut unfed));
            }
            item => decoded.push(item.map(|line| line.expect("not None"))),
        }
    }
    let expected = whole_lines(stream);
    assert_eq!(decoded.len(), expected.len());
    for (item, line) in decoded.iter().zip(expected) {
        check_command_line(item, line, limit);
    }
}

fn check_command_line(item: &Result<CommandLine, CommandError>, line: &[u8], limit: usize) {
    let bare = line.iter().position(|octet| b"\r\n\0".contains(octet));
    match item {
        Err(error) => {
            let expected = match (line.len() + 2 > limit, bare) {
                (true, _) => CommandFault::TooLong { limit }.at(limit),
                (false, Some(offset)) => CommandFault::ForbiddenOctet.at(offset),
                (false, None) => panic!("{error} for {}", line.escape_ascii()),
            };
            assert_eq!(*error, expected);
        }
        Ok(taken) => {
            assert!(line.len() + 2 <= limit && bare.is_none());
            assert_eq!(taken.as_bytes(), line);
            let _ = taken.auth_response();
            let shown = format!("{taken:?}");
            if let Ok(Command::Pass(password)) = taken.command() {
                assert_eq!(shown, "CommandLine(Pass(Password(..)))");
                assert!(line.ends_with(password.as_bytes()));
            }
            if let Err(error) = taken.command() {
                assert!(error.offset <= line.len(), "{error}");
            }
        }
    }
}

/// The complete lines of a stream, without their ends.
fn whole_lines(mut stream: &[u8]) -> Vec<&[u8]> {
    let mut lines = Vec::new();
    while let Some(at) = stream.windows(2).position(|pair| pair == b"\r\n") {
        lines.push(&stream[..at]);
        stream = &stream[at + 2..];
    }
    lines
}

/// Replies in a stream, cut anywhere, against the same stream in one piece.
pub fn pop3_reply(data: &[u8]) {
    let mut input = Take::new(data);
    let limit = usize::from(input.u16() & 0x3ff).max(2);
    let (mut cuts, multi, stream) = (Cuts::take(&mut input), input.u8(), input.rest());

    let whole = decode_replies(limit, multi, stream, |rest| core::mem::take(rest));
    let pieces = decode_replies(limit, multi, stream, |rest| cuts.piece(rest));
    assert_eq!(whole, pieces);
    for item in &whole {
        match item {
            Ok(ReplyLine::Reply(reply)) => check_reply(reply),
            Ok(ReplyLine::Text(line)) => check_listing(line),
            Ok(ReplyLine::Challenge(_) | ReplyLine::End) => {}
            Err(ReplyError { fault, offset }) => {
                assert!(*offset <= limit);
                if let ReplyFault::TooLong { limit: told } = fault {
                    assert_eq!(*told, limit);
                }
            }
        }
    }
}

fn decode_replies<'a>(
    limit: usize,
    multi: u8,
    mut unfed: &'a [u8],
    mut piece: impl FnMut(&mut &'a [u8]) -> &'a [u8],
) -> Vec<Result<ReplyLine, ReplyError>> {
    let (mut decoder, mut src, mut items) = (ReplyDecoder::new(limit), BytesMut::new(), Vec::new());
    let mut inside = false;
    loop {
        if !inside && multi >> (items.len() % 8) & 1 == 1 {
            decoder.expect_lines();
        }
        match decoder.decode(&mut src) {
            Ok(None) if unfed.is_empty() => return items,
            Ok(None) => src.extend_from_slice(piece(&mut unfed)),
            Ok(Some(line)) => {
                inside = matches!(line, ReplyLine::Text(_)) || inside && line != ReplyLine::End;
                items.push(Ok(line));
            }
            Err(error) => items.push(Err(error)),
        }
    }
}

fn check_reply(reply: &Reply) {
    assert_eq!(reply.is_ok(), reply.as_bytes().starts_with(b"+"));
    assert!(reply.as_bytes().ends_with(reply.text()));
    assert_eq!(Reply::parse(reply.as_bytes()).as_ref(), Ok(reply));
    if let Some(code) = reply.code() {
        let code = code.as_bytes();
        assert!(!code.is_empty() && code.iter().all(u8::is_ascii_graphic));
    }
    let _ = Timestamp::find(reply.text());
    assert!(reply.to_string().is_ascii());
}

fn check_listing(line: &[u8]) {
    let mut wire = BytesMut::new();
    if let Ok(stat) = Stat::parse(line) {
        stat.encode(&mut wire);
        assert_eq!(Stat::parse(&wire.split()), Ok(stat));
    }
    if let Ok(item) = ListItem::parse(line) {
        item.encode(&mut wire);
        assert_eq!(ListItem::parse(&wire.split()), Ok(item));
    }
    if let Ok(item) = UniqueIdItem::parse(line) {
        item.encode(&mut wire);
        assert_eq!(UniqueIdItem::parse(&wire.split()), Ok(item));
    }
}

/// Lines of a capability listing: written again they mean the same.
pub fn pop3_capability(data: &[u8]) {
    for line in data.split(|&octet| octet == b'\n') {
        let Ok(text) = Text::new(line) else {
            assert!(line.iter().any(|octet| b"\r\0".contains(octet)));
            continue;
        };
        let capability = Capability::parse(text);
        let mut wire = BytesMut::new();
        capability.encode(&mut wire);
        let written = Text::new(&wire).expect("one line");
        assert_eq!(Capability::parse(written), capability);
        if let Capability::Unknown(kept) = capability {
            assert_eq!(kept.as_bytes(), line);
        }
    }
}

/// Lines and stuffed texts of any octets, cut anywhere, against plain searches.
pub fn pop3_lines_dots(data: &[u8]) {
    let mut input = Take::new(data);
    let (limit, end) = (usize::from(input.u8()).max(2), input.bool());
    let end = if end {
        LineEnd::CrLf
    } else {
        LineEnd::CrLfOrLf
    };
    let (mut cuts, stream) = (Cuts::take(&mut input), input.rest());

    let (mut decoder, mut src, mut unfed) = (LineDecoder::new(end), BytesMut::new(), stream);
    let mut items = Vec::new();
    loop {
        match decoder.decode(&mut src, limit) {
            Some(item) => items.push(item),
            None if unfed.is_empty() => break,
            None => {
                assert!(src.len() <= limit, "{} octets are kept", src.len());
                src.extend_from_slice(cuts.piece(&mut unfed));
            }
        }
    }
    assert_eq!(items, split_lines(stream, end, limit));

    let (text, len) = naive_unstuff(stream);
    let (got, taken, ended) = unstuff(stream, |rest| cuts.piece(rest));
    assert_eq!(got, text);
    match len {
        Some(len) => assert!(ended && taken == len),
        None => assert!(!ended && stream.len() - taken <= 2, "{taken} octets taken"),
    }
}

fn split_lines(mut stream: &[u8], end: LineEnd, limit: usize) -> Vec<Item> {
    let mut items = Vec::new();
    let is_end = |stream: &[u8], at: usize| match (end, at.checked_sub(1)) {
        (LineEnd::CrLfOrLf, None) => stream[at] == b'\n',
        (LineEnd::CrLfOrLf, Some(_)) => stream[at] == b'\n',
        (LineEnd::CrLf, Some(before)) => stream[at] == b'\n' && stream[before] == b'\r',
        (LineEnd::CrLf, None) => false,
    };
    while let Some(at) = (0..stream.len()).find(|&at| is_end(stream, at)) {
        let line = &stream[..at];
        items.push(match at + 1 > limit {
            true => Item::TooLong,
            false => Item::Line(line.strip_suffix(b"\r").unwrap_or(line).to_vec().into()),
        });
        stream = &stream[at + 1..];
    }
    items
}

/// Text, octets taken, and whether the end was seen.
fn unstuff<'a>(
    mut unfed: &'a [u8],
    mut piece: impl FnMut(&mut &'a [u8]) -> &'a [u8],
) -> (Vec<u8>, usize, bool) {
    let (mut unstuffer, mut src, mut text, mut taken) =
        (Unstuffer::new(), BytesMut::new(), Vec::new(), 0);
    loop {
        match unstuffer.step(&src) {
            Received::End(len) => return (text, taken + len, true),
            Received::Text { skip, take } => {
                assert!(skip + take > 0, "no progress");
                src.advance(skip);
                text.extend_from_slice(&src.split_to(take));
                taken += skip + take;
            }
            Received::Partial if unfed.is_empty() => return (text, taken, false),
            Received::Partial => src.extend_from_slice(piece(&mut unfed)),
        }
    }
}

/// RFC 1939 section 3, line by line: the text, and where it ends.
fn naive_unstuff(stream: &[u8]) -> (Vec<u8>, Option<usize>) {
    let (mut text, mut at) = (Vec::new(), 0);
    loop {
        let rest = &stream[at..];
        let len = match rest.windows(2).position(|pair| pair == b"\r\n") {
            Some(1) if rest[0] == b'.' => return (text, Some(at + 3)),
            Some(crlf) => crlf + 2,
            None if matches!(rest, [] | [b'.'] | [b'.', b'\r']) => return (text, None),
            None => rest.len(),
        };
        text.extend_from_slice(rest[..len].strip_prefix(b".").unwrap_or(&rest[..len]));
        at += len;
    }
}

/// What is stuffed comes back as it was, with CRLF for each line end, whatever the cuts.
pub fn dot_inverse(data: &[u8]) {
    let mut input = Take::new(data);
    let (mut out, mut back, text) = (Cuts::take(&mut input), Cuts::take(&mut input), input.rest());
    let (mut stuffer, mut sent, mut rest) = (Stuffer::new(), Vec::new(), text);
    while !rest.is_empty() {
        let mut piece = out.piece(&mut rest);
        while !piece.is_empty() {
            let step = stuffer.step(piece);
            assert!(step.take > 0 || !step.insert.is_empty(), "no progress");
            let (head, tail) = piece.split_at(step.take);
            sent.extend_from_slice(step.insert);
            sent.extend_from_slice(head);
            piece = tail;
        }
    }
    sent.extend_from_slice(stuffer.finish());

    let mut expected = Vec::new();
    for &octet in text {
        if octet == b'\n' && expected.last() != Some(&b'\r') {
            expected.push(b'\r');
        }
        expected.push(octet);
    }
    if !expected.is_empty() && !expected.ends_with(b"\r\n") {
        expected.extend_from_slice(b"\r\n");
    }
    assert_eq!(
        transmitted_len(text),
        u64::try_from(expected.len()).unwrap()
    );
    let len = sent.len();
    let (got, taken, ended) = unstuff(&sent, |rest| back.piece(rest));
    assert_eq!(got, expected);
    assert!(ended && taken == len, "exactly one text");
    assert_eq!(naive_unstuff(&sent), (expected, Some(len)));
}

/// Commands and replies: what is parsed is written so that it parses the same, and what is built
/// from any octets is one line.
pub fn pop3_inverse(data: &[u8]) {
    if let Ok(command) = Command::parse(data) {
        let mut wire = BytesMut::new();
        command.encode(&mut wire);
        let line = one_line(&wire);
        assert_eq!(Command::parse(line), Ok(command));
    }
    if let Ok(reply) = Reply::parse(data) {
        let mut wire = BytesMut::new();
        reply.encode(&mut wire);
        assert_eq!(Reply::parse(one_line(&wire)), Ok(reply));
    }
    for reply in [
        Reply::ok(data),
        Reply::err(data),
        Reply::err_with(ResponseCode::SysTemp, data),
    ] {
        let mut wire = BytesMut::new();
        reply.encode(&mut wire);
        assert!(wire.len() <= Reply::MAX_LEN);
        assert_eq!(Reply::parse(one_line(&wire)).as_ref(), Ok(&reply));
        assert_eq!(reply.is_ok(), reply.status() == Status::Ok);
    }
    if let Ok(unique_id) = UniqueId::new(data) {
        assert_eq!(unique_id.as_bytes(), data);
        let item = UniqueIdItem {
            message: u32::from(data[0]) + 1,
            unique_id,
        };
        let mut wire = BytesMut::new();
        item.encode(&mut wire);
        assert_eq!(UniqueIdItem::parse(&wire), Ok(item));
    }
    check_listing(data);
}

/// SASL messages and names of mechanisms, against RFC 4616 and RFC 4422 word by word.
pub fn sasl_plain(data: &[u8]) {
    let parts: Vec<_> = data.split(|&octet| octet == 0).collect();
    match (Plain::decode(data), &parts[..]) {
        (Ok(plain), &[authorize_as, user, password]) => {
            assert!(!user.is_empty() && !password.is_empty());
            assert_eq!(plain.authorize_as, authorize_as);
            assert_eq!((plain.user, plain.password), (user, password));
            let message = plain.encode().expect("it was decoded");
            assert_eq!(message.as_bytes(), data);
            assert!(!format!("{plain:?}").contains("tanstaaf"));
        }
        (Ok(_), parts) => panic!("{} parts", parts.len()),
        (Err(_), &[_, user, password]) => assert!(user.is_empty() || password.is_empty()),
        (Err(_), _) => {}
    }
    let is_name = |octet: &u8| octet.is_ascii_alphanumeric() || b"-_".contains(octet);
    let fits = (1..=Mechanism::MAX_LEN).contains(&data.len()) && data.iter().all(is_name);
    match Mechanism::new(data) {
        Ok(mechanism) => {
            assert!(fits && mechanism.as_str().as_bytes().eq_ignore_ascii_case(data));
        }
        Err(_) => assert!(!fits),
    }
}

/// The only line end is the one at the end.
fn one_line(wire: &[u8]) -> &[u8] {
    let line = wire.strip_suffix(b"\r\n").expect("a line end");
    assert!(!line.iter().any(|octet| b"\r\n\0".contains(octet)));
    line
}
