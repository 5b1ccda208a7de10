//! SMTP: commands and replies written and read again, and a server whose input is cut anywhere.

use bytes::BytesMut;
use core::time::Duration;
use proto_mail::Transmit;
use proto_mail::smtp::server::{Config, Event, Limits, Session};
use proto_mail::smtp::wire::{Command, Mailbox, RcptParams, ReplyDecoder};

/// Whatever is a command is written as one line, and that line is the same command.
pub fn smtp_command(data: &[u8]) {
    for lenient in [false, true] {
        let Ok(command) = Command::parse(data, lenient) else {
            continue;
        };
        let mut line = BytesMut::new();
        command.encode(&mut line);
        let text = line.strip_suffix(b"\r\n").expect("a line");
        assert!(
            !text.iter().any(|octet| b"\r\n\0".contains(octet)),
            "{line:?}"
        );
        assert_eq!(Command::parse(text, true), Ok(command), "{line:?}");
    }
}

/// Replies are the same at any cut, and what is written again is read again.
pub fn smtp_reply(data: &[u8]) {
    let Some((cut, data)) = data.split_first() else {
        return;
    };
    let read = |parts: &[&[u8]]| {
        let (mut decoder, mut src, mut replies) = (ReplyDecoder::new(), BytesMut::new(), vec![]);
        for part in parts {
            src.extend_from_slice(part);
            loop {
                match decoder.decode(&mut src, 512, 2048) {
                    Ok(Some(reply)) => replies.push(reply),
                    Ok(None) => break,
                    Err(error) => return (replies, Some(error)),
                }
            }
        }
        (replies, None)
    };
    let (head, tail) = data.split_at(usize::from(*cut).min(data.len()));
    let whole = read(&[data]);
    assert_eq!(whole, read(&[head, tail]));
    for reply in whole.0 {
        let mut line = BytesMut::new();
        reply.encode(true, &mut line);
        let again = ReplyDecoder::new().decode(&mut line, 4096, 8192);
        let again = again.expect("a reply").expect("a whole one");
        assert_eq!(
            (again.code(), again.enhanced()),
            (reply.code(), reply.enhanced())
        );
    }
}

/// What a server said, the messages that it was given, and its error.
type Life = (Vec<u8>, Vec<Vec<u8>>, Option<String>);

fn serve(parts: &[&[u8]]) -> Life {
    let now = Duration::ZERO;
    let mut limits = Limits::default();
    limits.max_message_octets = 64;
    let mut session = Session::new(now, Config::default(), limits);
    let (mut input, mut said) = (BytesMut::new(), Vec::new());
    let (mut messages, mut error) = (Vec::new(), None);
    let mut current = None;
    for part in parts.iter().map(Some).chain([None]) {
        match part {
            Some(part) => input.extend_from_slice(part),
            None => session.handle_eof(now),
        }
        loop {
            let event = match session.poll_event(now, &mut input) {
                Ok(Some(event)) => event,
                Ok(None) => break,
                Err(found) => {
                    assert!(error.is_none(), "a second error");
                    // How much was there already depends on the cut.
                    let text = format!("{found:?}");
                    error = Some(text.split(' ').next().unwrap_or_default().to_owned());
                    continue;
                }
            };
            match event {
                Event::Mail { ask, .. } => {
                    session.accept(ask).expect("open");
                    current = Some(Vec::new());
                }
                Event::Rcpt { ask, .. } => session.accept(ask).expect("open"),
                Event::Auth { ask, .. } => session.challenge(ask, b"").expect("open"),
                Event::AuthResponse { ask, .. } => session.accept(ask).expect("open"),
                Event::BodyChunk(data) => {
                    let message: &mut Vec<u8> = current.as_mut().expect("a message");
                    message.extend_from_slice(&data);
                    assert!(message.len() <= 64);
                }
                Event::MessageEnd { ask, .. } => {
                    session.accept(ask).expect("open");
                    messages.push(current.take().expect("a message"));
                }
                Event::Aborted { .. } => assert!(current.take().is_some()),
                _ => {}
            }
        }
        while let Some(step) = session.poll_transmit(now, 100) {
            if let Transmit::Data(data) = step {
                said.extend_from_slice(&data);
            }
        }
    }
    (said, messages, error)
}

/// Cuts change nothing, and what is delivered holds neither a bare line end nor NUL.
pub fn smtp_server_cuts(data: &[u8]) {
    let Some((cut, data)) = data.split_first() else {
        return;
    };
    // What follows STARTTLS in the same piece is another case.
    if data
        .to_ascii_uppercase()
        .windows(8)
        .any(|it| it == b"STARTTLS")
    {
        serve(&[data]);
        return;
    }
    let (head, tail) = data.split_at(usize::from(*cut).min(data.len()));
    let whole = serve(&[data]);
    assert_eq!(whole, serve(&[head, tail]));
    for message in whole.1 {
        let text = String::from_utf8_lossy(&message).replace("\r\n", "");
        assert!(!text.contains(['\r', '\n', '\0']), "{message:?}");
    }
}

/// Whatever is an address goes through a command unchanged, and holds nothing that ends a line.
pub fn smtp_address(data: &[u8]) {
    let Ok(address) = Mailbox::new(data) else {
        return;
    };
    assert!(data.len() <= 320 && !data.iter().any(|octet| b"\r\n\0".contains(octet)));
    assert_eq!(address.as_bytes(), data);
    let (local, domain) = (address.local_part(), address.domain());
    let joined = match domain {
        [] => local.to_vec(),
        domain => [local, b"@", domain].concat(),
    };
    assert_eq!(joined, data, "nothing is lost between the parts");
    assert!(address.unquoted_local_part().len() <= local.len());
    assert!(address.is_internationalized() || data.is_ascii());
    let mut line = BytesMut::new();
    Command::Rcpt {
        to: address.clone(),
        params: RcptParams::default(),
    }
    .encode(&mut line);
    let text = line.strip_suffix(b"\r\n").expect("a line");
    let Ok(Command::Rcpt { to, .. }) = Command::parse(text, false) else {
        panic!("{line:?}");
    };
    assert_eq!(to, address);
}
