//! Known answers of the wire layer and of the data formats, both ways where there are two.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod common;

use bytes::{Bytes, BytesMut};
use common::T0;
use proto_ftp::DataTransmit;
use proto_ftp::data::{
    DataEvent, DataLimits, Form, Format, Mode, Receiver, Sender, Structure, Type,
};
use proto_ftp::wire::{
    Arg, Command, Features, HostPortError, Reply, ReplyDecoder, Verb, parse_eprt, parse_facts,
    parse_port, put_eprt, put_port,
};

#[test]
fn commands() {
    for (line, verb, arg) in [
        (&b"USER bob"[..], Verb::User, Some(&b"bob"[..])),
        (b"pass  two  blanks ", Verb::Pass, Some(b" two  blanks ")),
        (b"XPWD", Verb::Pwd, None),
        (b"MLSD ", Verb::Mlsd, None),
        (b"SITE CHMOD 644 a", Verb::Site, Some(b"CHMOD 644 a")),
        (b"FOOBAR x", Verb::Unknown, Some(b"x")),
    ] {
        let command = Command::parse(line).unwrap();
        assert_eq!((command.verb, command.arg), (verb, arg), "{line:?}");
    }
    let mut wire = BytesMut::new();
    let arg = Arg::copy_from(b"a\xff b").unwrap();
    Verb::Retr.encode(Some(&arg), &mut wire);
    Verb::Noop.encode(None, &mut wire);
    assert_eq!(&wire[..], b"RETR a\xff\xff b\r\nNOOP\r\n");
}

#[test]
fn addresses() {
    // RFC 959 section 4.1.2, RFC 2428 section 2.
    let address = "132.235.1.2:6275".parse().unwrap();
    assert_eq!(parse_port(b"132,235,1,2,24,131"), Ok(address));
    assert_eq!(parse_eprt(b"|1|132.235.1.2|6275|"), Ok(address));
    let mut text = BytesMut::new();
    assert!(put_port(address, &mut text));
    assert_eq!(&text[..], b"132,235,1,2,24,131");
    let address = "[1080::8:800:200c:417a]:5282".parse().unwrap();
    assert_eq!(parse_eprt(b"|2|1080::8:800:200C:417A|5282|"), Ok(address));
    let mut text = BytesMut::new();
    assert!(!put_port(address, &mut text) && text.is_empty());
    put_eprt(address, &mut text);
    assert_eq!(&text[..], b"|2|1080::8:800:200c:417a|5282|");
    for bad in [
        &b"1,2,3,4,5"[..],
        b"1,2,3,4,5,6,7",
        b"1,2,3,4,5,6x",
        b"a,2,3,4,5,6",
        b"",
    ] {
        assert_eq!(parse_port(bad), Err(HostPortError::Syntax), "{bad:?}");
    }
    assert_eq!(parse_port(b"256,2,3,4,5,6"), Err(HostPortError::Range));
}

#[test]
fn replies() {
    let decode = |wire: &[u8]| {
        let mut decoder = ReplyDecoder::new(999, 9999, 99);
        decoder.decode(&mut BytesMut::from(wire)).unwrap().unwrap()
    };
    // RFC 959 section 4.2.
    let wire = b"123-First line\r\nSecond line\r\n  234 A line beginning with numbers\r\n123 The last line\r\n";
    let reply = decode(wire);
    assert_eq!(reply.code(), 123);
    assert_eq!(reply.lines().count(), 4);
    let mut again = BytesMut::new();
    reply.encode(&mut again);
    assert_eq!(&again[..], wire);
    // RFC 2389 section 3.2.
    let feat = decode(b"211-Extensions supported:\r\n MLST size*;create;modify*;perm;media-type\r\n SIZE\r\n COMPRESSION\r\n MDTM\r\n211 END\r\n");
    let features = Features::parse(&feat);
    assert!(features.mlst && features.size && features.mdtm && !features.utf8);
    assert_eq!(Reply::new(226, "a\rb\x1bc\0").text(), b"a?b?c?");
}

#[test]
fn facts() {
    // RFC 3659 section 7.7.
    let line = b"Type=file;Size=1024990;Perm=r; /tmp/cap60.pl198.tar.gz";
    let facts = parse_facts(line).unwrap();
    assert_eq!(facts.name, b"/tmp/cap60.pl198.tar.gz");
    assert_eq!(facts.value(b"SIZE"), Some(&b"1024990"[..]));
    assert_eq!(facts.iter().count(), 3);
    let line = b"Type=OS.unix=slink:/foobar;Perm=;Unique=keVO1+4G4;  two blanks";
    let facts = parse_facts(line).unwrap();
    assert_eq!(facts.value(b"type"), Some(&b"OS.unix=slink:/foobar"[..]));
    assert_eq!(facts.name, b" two blanks");
    assert_eq!(
        parse_facts(b" name").map(|facts| facts.name),
        Some(&b"name"[..])
    );
    assert_eq!(parse_facts(b"Type=file;name"), None);
}

fn format(kind: Type, structure: Structure, mode: Mode) -> Format {
    Format {
        kind,
        form: Form::NonPrint,
        structure,
        mode,
    }
}

/// The wire of a file, and the file of a wire.
fn both_ways(format: Format, file: &[u8], wire: &[u8]) {
    let mut sender = Sender::new(format, DataLimits::default());
    let mut sent = Vec::new();
    assert!(sender.send_data(&mut Bytes::copy_from_slice(file), true));
    while let Some(DataTransmit::Data(data)) = sender.poll_transmit(T0, 7) {
        sent.extend_from_slice(&data);
    }
    assert_eq!(sent, wire, "{format:?}");
    let mut receiver = Receiver::new(format, DataLimits::default());
    let (mut input, mut got) = (BytesMut::from(wire), Vec::new());
    receiver.handle_eof(T0);
    loop {
        match receiver.poll_event(T0, &mut input).unwrap() {
            Some(DataEvent::Chunk(data)) => got.extend_from_slice(&data),
            Some(DataEvent::End) => break,
            Some(_) => {}
            None => panic!("no end"),
        }
    }
    assert_eq!(got, file, "{format:?}");
}

#[test]
fn data() {
    use {Mode::*, Structure::*, Type::*};
    both_ways(format(Ascii, File, Stream), b"a\nb", b"a\r\nb");
    both_ways(
        format(Ebcdic, File, Stream),
        b"Ab1 \n",
        b"\xc1\x82\xf1\x40\x15",
    );
    both_ways(format(Image, File, Stream), b"a\r\n\xff", b"a\r\n\xff");
    // RFC 959 section 3.4.1: FF 01 ends a record, FF 02 the file, FF 03 both; FF is doubled.
    both_ways(
        format(Ascii, Record, Stream),
        b"a\nb\n",
        b"a\xff\x01b\xff\x01\xff\x02",
    );
    both_ways(
        format(Image, Record, Stream),
        b"a\xffb",
        b"a\xff\xffb\xff\x03",
    );
    // Section 3.1.2.3: the length of the header, the number, the count, 1 for a simple page; the last
    // page has no data and the type 0.
    both_ways(
        format(Image, Page, Stream),
        b"abc",
        b"\x04\0\x03\x01abc\x04\x01\0\0",
    );
    // Section 3.4.2: a descriptor (64: end of file, 128: of a record), a count, the data.
    both_ways(format(Image, File, Block), b"abc", b"\x40\0\x03abc");
    both_ways(format(Ascii, Record, Block), b"a\n", b"\x80\0\x01a\x40\0\0");
    // Section 3.4.3: plain strings, runs of an octet, runs of the filler, and the escape.
    both_ways(
        format(Image, File, Compressed),
        b"abXXXXX\0\0\0",
        b"\x02ab\x85X\xc3\0\x40",
    );
    both_ways(
        format(Ascii, File, Compressed),
        b"a    b",
        b"\x01a\xc4\x01b\0\x40",
    );
}
