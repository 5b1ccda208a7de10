//! Attacks by name: what a peer, a tracker or the maker of a torrent may try, and what comes of it.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use bytes::{Bytes, BytesMut};
use core::net::SocketAddr;
use core::time::Duration;
use proto_bittorrent::Limits;
use proto_bittorrent::bencode::{Doc, Fault, Mode, Writer};
use proto_bittorrent::datagram::{LocalId, Transmit as Out};
use proto_bittorrent::hash::{PeerId, Sha1Hash};
use proto_bittorrent::magnet::Magnet;
use proto_bittorrent::metainfo::{self, Metainfo, MetainfoError};
use proto_bittorrent::peer::{
    BitfieldError, Config, Connection, Error, Event, Failure, Ignored, Pieces, Torrent, UsageError,
};
use proto_bittorrent::stream::Transmit;
use proto_bittorrent::tracker::{
    Action, Announce, AnnounceEvent, Announced, Announcer, AnnouncerConfig, AnnouncerEvent, Store,
    StoreError, StoreLimits, http, udp,
};
use proto_bittorrent::wire::{
    self, Block, ExtendedHandshake, Handshake, HashRange, Message, MetadataMessage, Pex, PexFlags,
    PexPeer, Reserved,
};

const NOW: Duration = Duration::ZERO;

fn heap(run: impl FnOnce()) -> u64 {
    allocation_counter::measure(run).bytes_max
}

// --- formats

fn parse(document: &[u8]) -> Result<Metainfo, MetainfoError> {
    Metainfo::parse(document.to_vec(), &metainfo::Limits::default())
}

/// A v1 torrent with these files: path and length.
fn v1(files: &[(&[&[u8]], i64)], pieces: usize) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = Writer::new(&mut out);
    writer.begin_dict().unwrap();
    writer.key(b"info").unwrap();
    writer.begin_dict().unwrap();
    writer.key(b"files").unwrap();
    writer.begin_list().unwrap();
    for (path, len) in files {
        writer.begin_dict().unwrap();
        writer.key(b"length").unwrap();
        writer.int(*len).unwrap();
        writer.key(b"path").unwrap();
        writer.begin_list().unwrap();
        path.iter().for_each(|part| writer.bytes(part).unwrap());
        writer.end().unwrap();
        writer.end().unwrap();
    }
    writer.end().unwrap();
    writer.key(b"name").unwrap();
    writer.bytes(b"n").unwrap();
    writer.key(b"piece length").unwrap();
    writer.int(16_384).unwrap();
    writer.key(b"pieces").unwrap();
    writer.bytes(&vec![0; pieces * 20]).unwrap();
    writer.end().unwrap();
    writer.end().unwrap();
    out
}

#[test]
fn a_huge_length_of_a_string_costs_no_memory() {
    let used = heap(|| {
        let error = Doc::parse(b"d2222222222:l", Mode::Lenient, &Default::default()).unwrap_err();
        assert_eq!(error.fault, Fault::UnexpectedEnd);
    });
    assert!(used < 1000, "{used}");
}

#[test]
fn a_depth_bomb_is_refused_at_its_hundredth_level() {
    let bomb = vec![b'l'; 5_000_000];
    let error = Doc::parse(&bomb, Mode::Lenient, &Default::default()).unwrap_err();
    assert_eq!((error.offset, error.fault), (100, Fault::TooDeep(100)));
    assert!(matches!(parse(&bomb), Err(MetainfoError::Bencode(_))));
    assert!(ExtendedHandshake::parse(&bomb).is_err());
    assert!(Pex::parse(&bomb).is_err());
    assert!(MetadataMessage::parse(&Bytes::from(bomb.clone())).is_err());
    assert!(http::Reply::parse(&bomb, 9).is_err());
}

#[test]
fn integers_do_not_overflow() {
    for text in [
        &b"i9223372036854775808e"[..],
        b"i-9223372036854775809e",
        b"i99999999999999999999e",
    ] {
        let error = Doc::parse(text, Mode::Strict, &Default::default()).unwrap_err();
        assert_eq!(error.fault, Fault::IntegerRange);
        let doc = Doc::parse(text, Mode::Lenient, &Default::default()).unwrap();
        assert_eq!(doc.root().as_int(), None);
    }
    let huge = [&b"i"[..], &[b'9'; 1000], b"e"].concat();
    assert!(Doc::parse(&huge, Mode::Lenient, &Default::default()).is_err());
}

#[test]
fn a_token_bomb_is_refused() {
    let bomb = [&b"l"[..], &b"le".repeat(2_500_000), b"e"].concat();
    let error = Doc::parse(&bomb, Mode::Lenient, &Default::default()).unwrap_err();
    assert_eq!(error.fault, Fault::TooManyTokens(2_500_000));
}

#[test]
fn no_path_leaves_the_folder() {
    let evil: [&[&[u8]]; 6] = [
        &[b"..", b"..", b"etc", b"passwd"],
        &[b"/etc/passwd"],
        &[b"C:\\x"],
        &[b"..\\..\\x"],
        &[b""],
        &[b"a\0b"],
    ];
    for path in evil {
        let torrent = parse(&v1(&[(path, 5)], 1)).unwrap();
        let file = torrent.files().next().unwrap();
        assert!(file.path().as_str().starts_with("n/"), "{:?}", file.path());
        for part in file.path().components() {
            assert!(!part.is_empty() && part != ".." && !part.contains(['/', '\\', '\0', ':']));
        }
    }
}

#[test]
fn a_symbolic_link_cannot_leave_the_folder() {
    let link = b"d4:infod5:filesld4:attr1:l6:lengthi0e4:pathl1:ae12:symlink pathl2:..2:..3:etceed6:lengthi5e4:pathl1:beee4:name1:n12:piece lengthi16384e6:pieces20:aaaaaaaaaaaaaaaaaaaaee";
    let torrent = parse(link).unwrap();
    let target = torrent.files().next().unwrap().symlink_target().unwrap();
    assert_eq!(target.as_str(), "n/_/_/etc");
}

#[test]
fn ten_thousand_files_of_one_name_get_ten_thousand_names() {
    let files: Vec<(&[&[u8]], i64)> = vec![(&[b"Same"], 1); 10_000];
    let torrent = parse(&v1(&files, 1)).unwrap();
    let names: std::collections::BTreeSet<_> =
        torrent.files().map(|file| file.path().clone()).collect();
    assert_eq!(names.len(), 10_000);
}

#[test]
fn a_path_that_is_too_deep_is_refused() {
    let deep = vec![&b"d"[..]; 101];
    assert_eq!(
        parse(&v1(&[(&deep, 5)], 1)).unwrap_err(),
        MetainfoError::TooDeep(100)
    );
}

#[test]
fn lengths_that_sum_up_to_more_than_64_bits_are_refused() {
    let most = (1 << 48) - 1;
    let files: Vec<(&[&[u8]], i64)> = vec![(&[b"x"], most); 40_000];
    assert!(matches!(
        parse(&v1(&files, 1)),
        Err(MetainfoError::Length | MetainfoError::TooManyPieces(_))
    ));
    assert_eq!(
        parse(&v1(&[(&[b"x"], most + 1)], 1)).unwrap_err(),
        MetainfoError::Length
    );
}

#[test]
fn a_piece_length_of_zero_divides_nothing() {
    for len in ["0", "-1", "536870912"] {
        let text = format!(
            "d4:infod6:lengthi5e4:name1:n12:piece lengthi{len}e6:pieces20:aaaaaaaaaaaaaaaaaaaaee"
        );
        assert_eq!(
            parse(text.as_bytes()).unwrap_err(),
            MetainfoError::PieceLength
        );
    }
}

#[test]
fn a_magnet_with_huge_ranges_and_lists_stays_small() {
    let mut link = String::from(
        "magnet:?xt=urn:btih:a38d02c287893842a32825aa866e00828a318f07&so=0-4294967295,5-1,x",
    );
    for number in 0..2000 {
        link.push_str(&format!("&tr=udp://t{number}.example:80"));
    }
    let magnet: Magnet = link.parse().unwrap();
    assert_eq!(magnet.selected, [0..=u32::MAX]);
    assert_eq!(magnet.trackers.len(), 256);
    let endless = format!("{link}{}", "&x=".repeat(40_000));
    assert!(endless.parse::<Magnet>().is_err());
}

// --- peers

fn torrent() -> Torrent {
    let mut torrent = Torrent::new(Sha1Hash([1; 20]));
    torrent.pieces = Some(Pieces {
        count: 10,
        len: 32_768,
    });
    torrent.metadata_len = Some(40_000);
    torrent
}

fn hello(reserved: Reserved) -> BytesMut {
    let mut wire = BytesMut::new();
    let handshake = Handshake {
        reserved,
        info_hash: Sha1Hash([1; 20]),
        peer_id: PeerId([9; 20]),
    };
    handshake.encode(&mut wire);
    wire
}

fn all() -> Reserved {
    Reserved::default().with_fast().with_extended()
}

/// A connection whose handshakes are through.
fn open(reserved: Reserved) -> Connection {
    let config = Config::new(PeerId([2; 20]));
    let mut machine = Connection::outgoing(NOW, config, Limits::default(), torrent());
    let mut input = hello(reserved);
    let event = machine.poll_event(NOW, &mut input).unwrap();
    assert!(matches!(event, Some(Event::Connected { .. })));
    drain(&mut machine);
    machine
}

fn drain(machine: &mut Connection) -> Vec<Message> {
    let mut wire = BytesMut::new();
    while let Some(Transmit::Data(data)) = machine.poll_transmit(NOW, 1 << 20) {
        wire.extend_from_slice(&data);
    }
    let mut messages = Vec::new();
    if wire.starts_with(b"\x13BitTorrent protocol") {
        Handshake::decode(&mut wire).unwrap();
    }
    while let Some(message) = wire::Decoder::default().decode(&mut wire).unwrap() {
        messages.push(message);
    }
    messages
}

/// What comes of messages: events, then the error if there is one.
fn feed(machine: &mut Connection, messages: &[Message]) -> (Vec<Event>, Option<Error>) {
    let mut input = BytesMut::new();
    messages
        .iter()
        .for_each(|message| message.encode(&mut input));
    feed_octets(machine, &mut input)
}

fn feed_octets(machine: &mut Connection, input: &mut BytesMut) -> (Vec<Event>, Option<Error>) {
    let mut events = Vec::new();
    loop {
        match machine.poll_event(NOW, input) {
            Ok(Some(event)) => events.push(event),
            Ok(None) => return (events, None),
            Err(error) => return (events, Some(error)),
        }
    }
}

fn error_of(machine: &mut Connection, message: Message) -> Option<Error> {
    feed(machine, &[message]).1
}

#[test]
fn a_length_of_four_gibibytes_ends_the_connection_at_its_header() {
    let mut machine = open(all());
    let mut input = BytesMut::from(&b"\xff\xff\xff\xff\x07"[..]);
    let (_, error) = feed_octets(&mut machine, &mut input);
    assert!(matches!(error, Some(Error::Message(_))), "{error:?}");
}

#[test]
fn an_unknown_message_is_skipped_without_being_kept() {
    let mut machine = open(all());
    let used = heap(|| {
        let mut input = BytesMut::from(&b"\0\x0f\0\0\x63"[..]);
        for _ in 0..1000 {
            input.extend_from_slice(&[0; 1000]);
            let (_, error) = feed_octets(&mut machine, &mut input);
            assert_eq!(error, None);
        }
    });
    assert!(used < 20_000, "{used}");
}

#[test]
fn bitfields_are_checked() {
    let bitfield = |octets: &'static [u8]| Message::Bitfield(octets.into());
    let error = error_of(&mut open(all()), bitfield(b"\xff"));
    assert!(matches!(
        error,
        Some(Error::Bitfield(BitfieldError::Length { .. }))
    ));
    let error = error_of(&mut open(all()), bitfield(b"\xff\xff"));
    assert_eq!(error, Some(Error::Bitfield(BitfieldError::SpareBits)));
    let error = error_of(&mut open(all()), bitfield(b"\xff\xff\xff"));
    assert!(matches!(error, Some(Error::Message(_))));
    let mut machine = open(all());
    let twice = [bitfield(b"\xff\xc0"), bitfield(b"\xff\xc0")];
    assert_eq!(feed(&mut machine, &twice).1, Some(Error::LateBitfield));
    let mut machine = open(all());
    let late = [Message::Have { piece: 1 }, Message::HaveAll];
    assert_eq!(feed(&mut machine, &late).1, Some(Error::LateBitfield));
}

#[test]
fn a_bitfield_that_came_before_the_metadata_is_checked_after_it() {
    let config = Config::new(PeerId([2; 20]));
    let unknown = Torrent::new(Sha1Hash([1; 20]));
    for (octets, is_right) in [
        (&b"\xff\xc0"[..], true),
        (b"\xff\xe0", false),
        (b"\xff", false),
    ] {
        let mut machine =
            Connection::outgoing(NOW, config.clone(), Limits::default(), unknown.clone());
        let mut input = hello(all());
        Message::Bitfield(octets.to_vec().into()).encode(&mut input);
        assert_eq!(feed_octets(&mut machine, &mut input).1, None);
        machine.learn(
            Pieces {
                count: 10,
                len: 16_384,
            },
            100,
        );
        let (_, error) = feed_octets(&mut machine, &mut input);
        assert_eq!(error.is_none(), is_right, "{error:?}");
    }
}

#[test]
fn pieces_and_blocks_out_of_range_end_the_connection() {
    let no_piece = Some(Error::NoSuchPiece { piece: 10 });
    assert_eq!(
        error_of(&mut open(all()), Message::Have { piece: 10 }),
        no_piece
    );
    assert_eq!(
        error_of(&mut open(all()), Message::AllowedFast { piece: 10 }),
        no_piece
    );
    assert_eq!(
        error_of(&mut open(all()), Message::Suggest { piece: 10 }),
        no_piece
    );
    for block in [
        Block::new(0, 32_768, 1),
        Block::new(0, u32::MAX, u32::MAX),
        Block::new(0, 0, 0),
        Block::new(9, 32_767, 2),
    ] {
        let error = error_of(&mut open(all()), Message::Request(block));
        assert_eq!(error, Some(Error::NoSuchBlock { block }));
    }
}

#[test]
fn a_request_while_choked_is_rejected_and_costs_nothing() {
    let mut machine = open(all());
    let block = Block::new(0, 0, 16_384);
    let (events, error) = feed(&mut machine, &[Message::Request(block)]);
    assert_eq!(events, [Event::Ignored(Ignored::Request { block })]);
    assert_eq!(error, None);
    assert_eq!(drain(&mut machine), [Message::Reject(block)]);
    // Without the fast extension nothing is said.
    let mut machine = open(Reserved::default());
    feed(&mut machine, &[Message::Request(block)]);
    assert_eq!(drain(&mut machine), []);
}

#[test]
fn a_request_flood_is_bounded() {
    let mut machine = open(all());
    machine.unchoke().unwrap();
    drain(&mut machine);
    let requests: Vec<Message> = (0..2000)
        .map(|n| Message::Request(Block::new(n / 1000, n % 1000, 16)))
        .collect();
    let (events, error) = feed(&mut machine, &requests);
    let open = events
        .iter()
        .filter(|event| matches!(event, Event::Request { .. }))
        .count();
    assert_eq!((open, error), (500, None));
    let rejected = drain(&mut machine);
    assert_eq!(rejected.len(), 1500);
}

#[test]
fn replies_that_pile_up_stop_reading_and_nothing_else_does() {
    let mut machine = open(all());
    let block = Block::new(0, 0, 16_384);
    let mut input = BytesMut::new();
    for _ in 0..10_000 {
        Message::Request(block).encode(&mut input);
    }
    feed_octets(&mut machine, &mut input);
    assert!(!machine.wants_read() && !input.is_empty());
    assert_eq!(machine.stats().stalls, 1);
    drain(&mut machine);
    assert!(machine.wants_read());
}

#[test]
fn blocks_that_nobody_asked_for_end_the_connection_by_and_by() {
    let mut machine = open(all());
    let piece = Message::Piece {
        piece: 0,
        begin: 0,
        data: Bytes::from_static(&[0; 100]),
    };
    let (events, error) = feed(&mut machine, &vec![piece; 40]);
    assert_eq!((events.len(), error), (32, Some(Error::Unsolicited)));
}

#[test]
fn blocks_that_were_taken_back_are_forgiven() {
    let mut machine = open(Reserved::default());
    feed(
        &mut machine,
        &[Message::Bitfield(b"\xff\xc0"[..].into()), Message::Unchoke],
    );
    for n in 0..100 {
        machine.request(Block::new(0, n, 100)).unwrap();
    }
    let (events, _) = feed(&mut machine, &[Message::Choke]);
    let failed = events.iter().filter(|event| {
        matches!(
            event,
            Event::RequestFailed {
                reason: Failure::Choked,
                ..
            }
        )
    });
    assert_eq!((failed.count(), &events[0]), (100, &Event::Choked));
    let late: Vec<Message> = (0..100)
        .map(|begin| Message::Piece {
            piece: 0,
            begin,
            data: Bytes::from_static(&[0; 100]),
        })
        .collect();
    assert_eq!(feed(&mut machine, &late).1, None);
}

#[test]
fn a_cancelled_block_that_waits_does_not_leave() {
    let mut machine = open(all());
    machine.unchoke().unwrap();
    let block = Block::new(0, 0, 16_384);
    feed(&mut machine, &[Message::Request(block)]);
    machine.send_block(block, vec![0; 16_384].into()).unwrap();
    feed(&mut machine, &[Message::Cancel(block)]);
    assert_eq!(
        drain(&mut machine),
        [Message::Unchoke, Message::Reject(block)]
    );
    assert_eq!(
        machine.send_block(block, vec![0; 16_384].into()),
        Err(UsageError::Stale)
    );
}

#[test]
fn choking_takes_back_what_waits() {
    let mut machine = open(all());
    machine.unchoke().unwrap();
    machine.allow_fast(3).unwrap();
    let (block, fast) = (Block::new(0, 0, 16_384), Block::new(3, 0, 16_384));
    feed(
        &mut machine,
        &[Message::Request(block), Message::Request(fast)],
    );
    machine.send_block(block, vec![0; 16_384].into()).unwrap();
    drain(&mut machine).clear();
    feed(&mut machine, &[Message::Request(block)]);
    machine.choke().unwrap();
    assert_eq!(
        drain(&mut machine),
        [Message::Choke, Message::Reject(block)]
    );
    // What is allowed fast is still answered.
    machine.send_block(fast, vec![0; 16_384].into()).unwrap();
    assert_eq!(drain(&mut machine).len(), 1);
}

#[test]
fn a_choke_flood_does_no_work_by_the_piece() {
    let mut machine = open(all());
    let flood: Vec<Message> = (0..10_000)
        .map(|n| {
            if n % 2 == 0 {
                Message::Unchoke
            } else {
                Message::Choke
            }
        })
        .collect();
    let used = heap(|| {
        let (events, error) = feed(&mut machine, &flood);
        assert_eq!((events.len(), error), (10_000, None));
    });
    assert!(used < 3_000_000, "{used}"); // the list of events in this test
}

#[test]
fn messages_of_extensions_need_the_extensions() {
    let mut machine = open(Reserved::default());
    assert_eq!(
        error_of(&mut machine, Message::HaveAll),
        Some(Error::NoFastExtension)
    );
    let mut machine = open(Reserved::default().with_fast());
    let extended = Message::Extended {
        id: 0,
        payload: b"de"[..].into(),
    };
    assert_eq!(
        error_of(&mut machine, extended),
        Some(Error::NoExtensionProtocol)
    );
    assert_eq!(
        open(Reserved::default()).suggest(0),
        Err(UsageError::NotSupported)
    );
    assert_eq!(
        open(all()).request_metadata(0),
        Err(UsageError::NotSupported)
    );
}

#[test]
fn slow_and_silent_peers_are_left() {
    let config = Config::new(PeerId([2; 20]));
    let mut machine = Connection::incoming(NOW, config, Limits::default(), 1);
    let mut input = hello(all()).split_to(67);
    assert_eq!(machine.poll_event(NOW, &mut input), Ok(None));
    let deadline = machine.poll_timeout().unwrap();
    assert_eq!(deadline, Duration::from_secs(10));
    machine.handle_timeout(deadline);
    assert_eq!(
        machine.poll_event(deadline, &mut input),
        Err(Error::HandshakeTimeout)
    );
    // A message that never ends does not hold the connection open.
    let mut machine = open(all());
    let mut input = BytesMut::from(&b"\0\0\x40\x09\x07\0"[..]);
    for second in (0..160).step_by(10) {
        let now = Duration::from_secs(second);
        input.extend_from_slice(b"x");
        machine.handle_timeout(now);
        if machine.poll_event(now, &mut input) == Err(Error::IdleTimeout) {
            return assert!(second >= 150);
        }
    }
    panic!("the drip goes on");
}

#[test]
fn a_keep_alive_leaves_when_there_is_nothing_to_say() {
    let mut machine = open(all());
    let due = machine.poll_timeout().unwrap();
    assert_eq!(due, Duration::from_secs(110));
    machine.handle_timeout(due);
    let data = machine.poll_transmit(due, 100);
    assert_eq!(data, Some(Transmit::Data(b"\0\0\0\0"[..].into())));
}

#[test]
fn we_do_not_talk_to_ourselves_or_about_other_torrents() {
    let config = Config::new(PeerId([9; 20]));
    let mut machine = Connection::outgoing(NOW, config, Limits::default(), torrent());
    let mut input = hello(all());
    assert_eq!(
        machine.poll_event(NOW, &mut input),
        Err(Error::SelfConnection)
    );
    let config = Config::new(PeerId([2; 20]));
    let other = Torrent::new(Sha1Hash([3; 20]));
    let mut machine = Connection::outgoing(NOW, config, Limits::default(), other);
    let mut input = hello(all());
    assert_eq!(
        machine.poll_event(NOW, &mut input),
        Err(Error::WrongInfoHash)
    );
}

fn extended(id: u8, payload: Vec<u8>) -> Message {
    Message::Extended {
        id,
        payload: payload.into(),
    }
}

#[test]
fn a_metadata_bomb_is_taken_for_no_metadata() {
    let mut machine = open(all());
    let mut told = ExtendedHandshake::default();
    told.metadata_len = Some(2_000_000_000);
    let (events, _) = feed(&mut machine, &[extended(0, told.encode())]);
    let Event::Extended(told) = &events[0] else {
        panic!("{events:?}")
    };
    assert_eq!(told.metadata_len, None);
}

#[test]
fn metadata_that_nobody_asked_for_is_ignored_and_odd_requests_are_rejected() {
    let mut machine = open(all());
    let mut told = ExtendedHandshake::default();
    told.extensions.push(("ut_metadata".into(), 7));
    feed(&mut machine, &[extended(0, told.encode())]);
    let data = MetadataMessage::Data {
        piece: 0,
        total_len: 9,
        data: b"x"[..].into(),
    };
    let (events, _) = feed(&mut machine, &[extended(2, data.encode())]);
    assert_eq!(events, [Event::Ignored(Ignored::UnsolicitedAnswer)]);
    let odd = MetadataMessage::Request { piece: 3 };
    let (events, _) = feed(&mut machine, &[extended(2, odd.encode())]);
    assert_eq!(events, [Event::Ignored(Ignored::SideRequest)]);
    let reject = MetadataMessage::Reject { piece: 3 }.encode();
    assert_eq!(drain(&mut machine), [extended(7, reject)]);
}

#[test]
fn an_extended_handshake_a_thousand_times_leaves_no_trace() {
    let mut machine = open(all());
    let mut told = ExtendedHandshake::default();
    for number in 0..900 {
        told.extensions.push((format!("x{number}"), 1));
    }
    let payload = told.encode();
    let used = heap(|| {
        for _ in 0..100 {
            let (events, error) = feed(&mut machine, &[extended(0, payload.clone())]);
            assert_eq!((events.len(), error), (1, None));
        }
    });
    assert!(used < 400_000, "{used}");
}

#[test]
fn peer_exchange_is_bounded_sanitised_and_rare() {
    let peer = |address: &str| PexPeer {
        address: address.parse().unwrap(),
        flags: PexFlags::SEED,
    };
    let mut pex = Pex::new();
    for address in [
        "192.0.2.1:0",
        "0.0.0.0:1",
        "224.0.0.1:1",
        "255.255.255.255:1",
        "192.0.2.1:1",
    ] {
        pex.added.push(peer(address));
    }
    let read = Pex::parse(&pex.encode()).unwrap();
    assert_eq!(read.added, [peer("192.0.2.1:1")]);
    pex.added = vec![peer("192.0.2.1:1"); 5000];
    assert_eq!(Pex::parse(&pex.encode()).unwrap().added.len(), 200);

    let mut machine = open(all());
    let (events, _) = feed(
        &mut machine,
        &[extended(1, pex.encode()), extended(1, pex.encode())],
    );
    assert!(matches!(
        events[..],
        [Event::Pex(_), Event::Ignored(Ignored::Pex)]
    ));
    let mut private = torrent();
    private.is_private = true;
    let config = Config::new(PeerId([2; 20]));
    let mut machine = Connection::outgoing(NOW, config, Limits::default(), private);
    let mut input = hello(all());
    extended(1, pex.encode()).encode(&mut input);
    let (events, _) = feed_octets(&mut machine, &mut input);
    assert_eq!(events[1..], [Event::Ignored(Ignored::Pex)]);
    assert_eq!(machine.send_pex(&pex), Err(UsageError::Pex));
}

#[test]
fn odd_requests_for_hashes_are_rejected() {
    let mut machine = open(all());
    let range = HashRange {
        root: Default::default(),
        base_layer: 0,
        index: 1,
        length: 3,
        proof_layers: 0,
    };
    let (events, _) = feed(&mut machine, &[Message::HashRequest(range)]);
    assert_eq!(events, [Event::Ignored(Ignored::SideRequest)]);
    assert_eq!(drain(&mut machine), [Message::HashReject(range)]);
    assert_eq!(machine.request_hashes(range), Err(UsageError::Request));
}

#[test]
fn time_that_jumps_back_or_to_the_end_harms_nobody() {
    let mut machine = open(all());
    machine.handle_timeout(Duration::MAX);
    machine.handle_timeout(Duration::ZERO);
    let mut input = BytesMut::new();
    assert_eq!(
        machine.poll_event(Duration::ZERO, &mut input),
        Err(Error::IdleTimeout)
    );
}

// --- trackers

fn peer_address() -> SocketAddr {
    "192.0.2.1:5000".parse().unwrap()
}

fn ask(
    server: &mut udp::Server,
    now: Duration,
    from: SocketAddr,
    request: &udp::Request,
) -> Option<Bytes> {
    let mut data = Vec::new();
    request.encode(&mut data);
    server.handle_datagram(now, LocalId::MAIN, from, &data);
    match server.poll_transmit(now) {
        Some(Out::Datagram { payload, .. }) => Some(payload),
        _ => None,
    }
}

fn connect(server: &mut udp::Server, now: Duration, from: SocketAddr) -> u64 {
    let request = udp::Request::Connect(udp::Connect { transaction: 1 });
    let payload = ask(server, now, from, &request).expect("an id");
    assert!(payload.len() <= 16, "no more comes back than was sent");
    match udp::Response::parse(&payload, false, 1) {
        Ok(udp::Response::Connect { connection, .. }) => connection,
        other => panic!("{other:?}"),
    }
}

fn scrape(connection: u64) -> udp::Request {
    udp::Request::Scrape {
        connection,
        transaction: 2,
        hashes: vec![Sha1Hash([1; 20])],
    }
}

#[test]
fn a_connection_id_is_good_for_its_address_and_for_two_minutes() {
    let mut server = udp::Server::new(NOW, Limits::default(), [1; 32]);
    let id = connect(&mut server, NOW, peer_address());
    let later = Duration::from_secs(59);
    for from in ["192.0.2.1:5001", "192.0.2.2:5000", "[2001:db8::1]:5000"] {
        assert_eq!(
            ask(&mut server, NOW, from.parse().unwrap(), &scrape(id)),
            None
        );
        assert_eq!(server.poll_event(), None);
    }
    ask(&mut server, later, peer_address(), &scrape(id));
    assert!(server.poll_event().is_some());
    ask(
        &mut server,
        Duration::from_secs(121),
        peer_address(),
        &scrape(id),
    );
    assert_eq!(server.poll_event(), None);
    assert_eq!(server.stats().strangers, 4);
}

#[test]
fn short_and_wrong_datagrams_get_no_answer() {
    let mut server = udp::Server::new(NOW, Limits::default(), [1; 32]);
    for len in 0..120 {
        server.handle_datagram(NOW, LocalId::MAIN, peer_address(), &vec![0; len]);
        assert_eq!(server.poll_transmit(NOW), None);
    }
    assert!(server.stats().malformed > 100);
}

#[test]
fn a_forged_answer_changes_nothing() {
    let tracker: SocketAddr = "192.0.2.9:6969".parse().unwrap();
    let mut client = udp::Client::new(NOW, Limits::default(), [1; 32]);
    client.scrape(tracker, &[Sha1Hash([1; 20])]).unwrap();
    let Some(Out::Datagram { payload, .. }) = client.poll_transmit(NOW) else {
        panic!("nothing left")
    };
    let transaction = u32::from_be_bytes(payload[12..16].try_into().unwrap());
    let mut data = Vec::new();
    for wrong in [transaction ^ 1, 0, u32::MAX] {
        data.clear();
        udp::Response::Connect {
            transaction: wrong,
            connection: 5,
        }
        .encode(&mut data);
        client.handle_datagram(NOW, LocalId::MAIN, tracker, &data);
    }
    data.clear();
    udp::Response::Connect {
        transaction,
        connection: 5,
    }
    .encode(&mut data);
    client.handle_datagram(
        NOW,
        LocalId::MAIN,
        "192.0.2.10:6969".parse().unwrap(),
        &data,
    );
    assert_eq!(
        (client.poll_event(), client.poll_transmit(NOW)),
        (None, None)
    );
    assert_eq!(client.stats().dropped, 4);
}

#[test]
fn a_tracker_that_floods_peers_is_cut_short() {
    let mut body = b"d8:intervali60e5:peers600000:".to_vec();
    body.extend(std::iter::repeat_n([192, 0, 2, 1, 0x1a, 0xe1], 100_000).flatten());
    body.push(b'e');
    let Ok(http::Reply::Announced(answer)) = http::Reply::parse(&body, 3000) else {
        panic!("no answer")
    };
    assert_eq!(answer.peers.len(), 3000);
    let odd =
        b"d5:peers24:\x7f\0\0\x01\0\0\0\0\0\0\x1a\xe1\xe0\0\0\x01\x1a\xe1\x7f\0\0\x01\x1a\xe1e";
    let Ok(http::Reply::Announced(answer)) = http::Reply::parse(odd, 3000) else {
        panic!("no answer")
    };
    assert_eq!(answer.peers, ["127.0.0.1:6881".parse().unwrap()]);
}

fn http_client() -> http::Client {
    let url = "http://tracker.example/announce".parse().unwrap();
    let announce = Announce::new(Sha1Hash([1; 20]), PeerId([2; 20]), 1);
    http::Client::announce(NOW, Limits::default(), &url, &announce, None)
}

fn http_error(response: &[u8]) -> http::ClientError {
    let mut client = http_client();
    let mut input = BytesMut::from(response);
    let event = client.poll_event(NOW, &mut input).unwrap();
    assert!(
        matches!(event, Some(http::ClientEvent::Failed(_))),
        "{event:?}"
    );
    client.poll_event(NOW, &mut input).unwrap_err()
}

#[test]
fn an_endless_body_is_refused() {
    let long = b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n";
    assert!(matches!(http_error(long), http::ClientError::Body(_)));
    let mut endless = b"HTTP/1.0 200 OK\r\n\r\n".to_vec();
    endless.resize(2 << 20, b'x');
    assert!(matches!(http_error(&endless), http::ClientError::Body(_)));
    let chunk = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n";
    assert!(matches!(http_error(chunk), http::ClientError::Body(_)));
    let head = [&b"HTTP/1.1 200 OK\r\n"[..], &b"X: y\r\n".repeat(5000)].concat();
    assert!(matches!(
        http_error(&head),
        http::ClientError::HeadTooLong(_)
    ));
}

#[test]
fn bodies_that_were_not_asked_for_are_refused() {
    let gzip = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx";
    assert_eq!(http_error(gzip), http::ClientError::Encoding);
    let both = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\nx";
    assert_eq!(http_error(both), http::ClientError::Head);
}

#[test]
fn nothing_in_an_address_makes_another_line_of_a_request() {
    let torrent = b"d8:announce31:http://t.example/a\r\nX: evil/ann4:infod6:lengthi5e4:name1:n12:piece lengthi16384e6:pieces20:aaaaaaaaaaaaaaaaaaaaee";
    let torrent = parse(torrent).unwrap();
    let tracker = torrent.trackers().next().unwrap();
    assert!(
        tracker
            .parse::<proto_bittorrent::tracker::TrackerUrl>()
            .is_err()
    );
}

#[test]
fn words_of_a_tracker_control_no_terminal() {
    let body = b"d14:failure reason9:\x1b[31mred\ne";
    let Ok(http::Reply::Failure { reason, .. }) = http::Reply::parse(body, 1) else {
        panic!("no reason")
    };
    assert_eq!(reason, "\u{fffd}[31mred\u{fffd}");
}

#[test]
fn intervals_are_kept_between_bounds() {
    for (said, least, most) in [(0, 60, 66), (1 << 31, 86_400, 95_040), (1800, 1800, 1980)] {
        let announce = Announce::new(Sha1Hash([1; 20]), PeerId([2; 20]), 1);
        let tiers = [["http://t.example/announce"]];
        let mut announcer =
            Announcer::new(NOW, AnnouncerConfig::default(), announce, tiers, [1; 32]);
        announcer.start();
        let Some(Action::Announce { id, .. }) = announcer.poll_action(NOW) else {
            panic!("no wish")
        };
        let mut answer = Announced::default();
        answer.interval = Duration::from_secs(said);
        announcer.handle_announced(NOW, id, answer);
        let next = announcer.poll_timeout().unwrap().as_secs();
        assert!((least..=most).contains(&next), "{said}: {next}");
    }
}

#[test]
fn trackers_that_fail_are_asked_less_and_less() {
    let announce = Announce::new(Sha1Hash([1; 20]), PeerId([2; 20]), 1);
    let tiers = [
        ["http://a.example/announce", "udp://b.example:1"],
        ["http://c.example/x", "nonsense"],
    ];
    let mut announcer = Announcer::new(NOW, AnnouncerConfig::default(), announce, tiers, [1; 32]);
    announcer.start();
    let (mut now, mut waits) = (NOW, Vec::new());
    for _ in 0..10 {
        let mut hosts = Vec::new();
        while let Some(Action::Announce {
            id,
            tracker,
            announce,
            ..
        }) = announcer.poll_action(now)
        {
            assert_eq!(announce.event, AnnounceEvent::Started);
            hosts.push(tracker.host().to_owned());
            announcer.handle_failed(now, id);
            announcer.handle_failed(now, id); // an old fact is harmless
        }
        hosts[..2].sort();
        assert_eq!(hosts, ["a.example", "b.example", "c.example"]);
        assert!(matches!(
            announcer.poll_event(),
            Some(AnnouncerEvent::AllFailed { .. })
        ));
        let next = announcer.poll_timeout().unwrap();
        waits.push((next - now).as_secs());
        now = next;
        announcer.handle_timeout(now);
    }
    assert!(
        waits[0] >= 30
            && waits
                .windows(2)
                .all(|pair| pair[1] + pair[1] / 3 >= pair[0]),
        "{waits:?}"
    );
    assert!(waits[9] >= 3600 && waits[9] <= 4500, "{waits:?}");
}

#[test]
fn completion_and_the_end_are_announced_once() {
    let announce = Announce::new(Sha1Hash([1; 20]), PeerId([2; 20]), 1);
    let tiers = [["http://a.example/announce"]];
    let mut announcer = Announcer::new(NOW, AnnouncerConfig::default(), announce, tiers, [1; 32]);
    announcer.start();
    let mut said = Vec::new();
    let mut step = |announcer: &mut Announcer| {
        while let Some(Action::Announce { id, announce, .. }) = announcer.poll_action(NOW) {
            said.push((announce.event, announce.left == 0));
            announcer.handle_announced(NOW, id, Announced::default());
        }
    };
    step(&mut announcer);
    announcer.complete();
    step(&mut announcer);
    announcer.stop();
    step(&mut announcer);
    announcer.stop();
    step(&mut announcer);
    assert_eq!(
        said,
        [
            (AnnounceEvent::Started, false),
            (AnnounceEvent::Completed, true),
            (AnnounceEvent::Stopped, true)
        ]
    );
    let events: Vec<_> = core::iter::from_fn(|| announcer.poll_event()).collect();
    assert_eq!(events.last(), Some(&AnnouncerEvent::Stopped));
}

fn announce(port: u16, left: u64, event: AnnounceEvent) -> Announce {
    let mut announce = Announce::new(Sha1Hash([1; 20]), PeerId([2; 20]), port);
    announce.left = left;
    announce.event = event;
    announce
}

#[test]
fn one_host_cannot_fill_a_swarm() {
    let mut store = Store::new(StoreLimits::default(), [1; 32]);
    let ip = "192.0.2.1".parse().unwrap();
    let results: Vec<_> = (1..100)
        .map(|port| {
            store
                .announce(NOW, ip, &announce(port, 0, AnnounceEvent::None))
                .is_ok()
        })
        .collect();
    assert_eq!(results.iter().filter(|ok| **ok).count(), 16);
    assert_eq!(store.peers(), 16);
}

#[test]
fn an_announced_address_of_somebody_else_counts_for_nothing() {
    let mut store = Store::new(StoreLimits::default(), [1; 32]);
    let mut lie = announce(1, 0, AnnounceEvent::None);
    lie.ip = Some("198.51.100.7".parse().unwrap());
    store
        .announce(NOW, "192.0.2.1".parse().unwrap(), &lie)
        .unwrap();
    let found = store
        .announce(
            NOW,
            "192.0.2.2".parse().unwrap(),
            &announce(2, 1, AnnounceEvent::None),
        )
        .unwrap();
    assert_eq!(found.peers, ["192.0.2.1:1".parse().unwrap()]);
}

#[test]
fn a_full_tracker_takes_no_more_and_forgets_who_is_silent() {
    let mut limits = StoreLimits::default();
    limits.max_torrents = 2;
    limits.max_peers = 3;
    let life = limits.peer_life;
    let mut store = Store::new(limits, [1; 32]);
    let mut one = announce(1, 0, AnnounceEvent::None);
    for number in 0..4 {
        one.info_hash = Sha1Hash([number; 20]);
        let result = store.announce(NOW, "192.0.2.1".parse().unwrap(), &one);
        assert_eq!(result.is_ok(), number < 2);
    }
    one.info_hash = Sha1Hash([0; 20]);
    store
        .announce(NOW, "192.0.2.2".parse().unwrap(), &one)
        .unwrap();
    assert_eq!(
        store.announce(NOW, "192.0.2.3".parse().unwrap(), &one),
        Err(StoreError::Full)
    );
    for _ in 0..10 {
        store.sweep(life + Duration::from_secs(1), 2);
    }
    assert_eq!((store.peers(), store.torrents()), (0, 0));
}

#[test]
fn short_lives_of_many_torrents_leave_nothing_behind() {
    let mut store = Store::new(StoreLimits::default(), [1; 32]);
    let used = heap(|| {
        for number in 0..100_000_u32 {
            let mut one = announce(1, 0, AnnounceEvent::None);
            one.info_hash.0[..4].copy_from_slice(&number.to_be_bytes());
            let ip = "192.0.2.1".parse().unwrap();
            store.announce(NOW, ip, &one).unwrap();
            one.event = AnnounceEvent::Stopped;
            store.announce(NOW, ip, &one).unwrap();
        }
    });
    assert_eq!((store.peers(), store.torrents()), (0, 0));
    assert!(used < 100_000, "{used}");
}

/// Model: a swarm is a map; the store has to agree with it after each of many random announces.
#[test]
fn the_store_agrees_with_a_simple_model() {
    let mut limits = StoreLimits::default();
    limits.max_peers_per_ip = 1000;
    let mut store = Store::new(limits, [1; 32]);
    let mut model: std::collections::BTreeMap<SocketAddr, bool> = Default::default();
    let (mut completed, mut state) = (0, 12_345_u64);
    for _ in 0..20_000 {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let random = (state >> 33) as u32;
        let ip: std::net::IpAddr = [192, 0, 2, (random % 50) as u8].into();
        let port = 1 + (random >> 8) as u16 % 5;
        let left = u64::from(random >> 16 & 1);
        let event = AnnounceEvent::from_number(random >> 20 & 3);
        let key = SocketAddr::new(ip, port);
        let answer = store
            .announce(NOW, ip, &announce(port, left, event))
            .unwrap();
        if event == AnnounceEvent::Stopped {
            model.remove(&key);
            assert!(answer.peers.is_empty());
        } else {
            let before = model.insert(key, left == 0);
            completed +=
                u32::from(event == AnnounceEvent::Completed && left == 0 && before == Some(false));
            let others = model.len() - 1;
            assert_eq!(answer.peers.len(), others.min(50));
        }
        let seeds = model.values().filter(|is_seed| **is_seed).count() as u32;
        assert_eq!(answer.seeders, Some(seeds));
        assert_eq!(answer.leechers, Some(model.len() as u32 - seeds));
        assert!(
            answer
                .peers
                .iter()
                .all(|peer| *peer != key && model.contains_key(peer))
        );
        if model.is_empty() {
            completed = 0; // a torrent without peers is forgotten
        }
        assert_eq!(store.scrape(&Sha1Hash([1; 20])).completed, completed);
        assert_eq!(store.peers(), model.len());
    }
}

// --- heap

#[test]
fn an_idle_peer_takes_no_more_than_a_kibibyte_and_its_bitfield() {
    let (config, limits) = (
        std::sync::Arc::new(Config::new(PeerId([2; 20]))),
        std::sync::Arc::new(Limits::default()),
    );
    let mut machine = None;
    let info = allocation_counter::measure(|| {
        let mut open = Connection::outgoing(NOW, config.clone(), limits.clone(), torrent());
        let mut input = hello(all());
        Message::HaveAll.encode(&mut input);
        feed_octets(&mut open, &mut input);
        drain(&mut open);
        machine = Some(open);
    });
    let heap = u64::try_from(info.bytes_current).unwrap();
    let size = size_of::<Connection>() as u64 + heap;
    assert!(size <= 1024 + 2, "{size}");
    drop(machine);
}

#[test]
fn a_peer_that_was_busy_takes_no_more_than_one_that_was_not() {
    let mut machine = None;
    let pieces = 2000;
    let measured = allocation_counter::measure(|| {
        let mut torrent = torrent();
        torrent.pieces = Some(Pieces {
            count: pieces,
            len: 16 * 1024,
        });
        let config = Config::new(PeerId([2; 20]));
        let mut busy = Connection::outgoing(NOW, config, Limits::default(), torrent);
        feed_octets(&mut busy, &mut hello(Reserved::default().with_extended()));
        let block = |piece| Block::new(piece, 0, 16 * 1024);
        let mut messages: Vec<Message> = (0..pieces).map(|piece| Message::Have { piece }).collect();
        messages.push(Message::Unchoke);
        messages.push(Message::Interested);
        feed(&mut busy, &messages);
        busy.unchoke().unwrap();
        // Many requests both ways, all answered, and many more that the peer chokes away.
        for round in 0..2 {
            let requests = (0..400).map(|piece| Message::Request(block(piece)));
            feed(&mut busy, &requests.collect::<Vec<_>>());
            (0..2000).for_each(|piece| busy.request(block(piece)).unwrap());
            let data = Bytes::from(vec![7; 16 * 1024]);
            (0..400).for_each(|piece| busy.send_block(block(piece), data.clone()).unwrap());
            drain(&mut busy);
            let answers = (0..2000).map(|piece| Message::Piece {
                piece,
                begin: 0,
                data: data.clone(),
            });
            let answers: Vec<_> = answers.take(1000 * (1 - round)).collect();
            feed(&mut busy, &answers);
            feed(&mut busy, &[Message::Choke, Message::Unchoke]);
        }
        assert_eq!(busy.open_requests().len(), 0);
        machine = Some(busy);
    });
    let heap = u64::try_from(measured.bytes_current).unwrap();
    // What many connections share is counted too here: once.
    let shared = size_of::<Config>() + size_of::<Limits>() + 64;
    let size = size_of::<Connection>() as u64 + heap;
    let most = 1024 + u64::from(pieces / 8) + shared as u64;
    assert!(size <= most, "{size} of {most}");
}

#[test]
fn a_question_of_another_connection_is_no_question() {
    let arrived = |number| {
        let config = Config::new(PeerId([7; 20]));
        let mut machine = Connection::incoming(NOW, config, Limits::default(), number);
        let event = machine.poll_event(NOW, &mut hello(all()));
        let Ok(Some(Event::Incoming { ask, .. })) = event else {
            panic!("{event:?}");
        };
        (machine, ask)
    };
    let (mut one, of_one) = arrived(1);
    let (mut two, of_two) = arrived(2);
    assert_eq!((of_one.connection(), of_two.connection()), (1, 2));
    assert_eq!(one.accept(of_two, torrent()), Err(UsageError::Stale));
    assert_eq!(two.reject(of_one), Err(UsageError::Stale));
    assert!(!one.wants_read() && !two.wants_read(), "both still wait");

    let asked = |connection| {
        let mut server = http::Server::new(NOW, Limits::default(), connection);
        let mut input = BytesMut::from(&b"GET /scrape HTTP/1.1\r\n\r\n"[..]);
        let event = server.poll_event(NOW, &mut input);
        let Ok(Some(http::ServerEvent::Scrape { ask, .. })) = event else {
            panic!("{event:?}");
        };
        (server, ask)
    };
    let (mut one, of_one) = asked(1);
    let (_, of_two) = asked(2);
    let reply = http::ScrapeReply::Counts(Vec::new());
    let stale = Err(http::UsageError::StaleAsk);
    assert_eq!(one.answer_scrape(of_two, &reply), stale);
    assert_eq!(one.answer_scrape(of_one, &reply), Ok(()));
}

/// What comes of a response that is cut before `cut`, and ends there or goes on.
fn http_outcome(parts: [&[u8]; 2]) -> (Vec<http::ClientEvent>, Option<http::ClientError>) {
    let mut client = http_client();
    let (mut events, mut input) = (Vec::new(), BytesMut::new());
    for (number, part) in parts.iter().enumerate() {
        input.extend_from_slice(part);
        if number == 1 {
            client.handle_eof(NOW);
        }
        loop {
            match client.poll_event(NOW, &mut input) {
                Ok(Some(event)) => events.push(event),
                Ok(None) => break,
                Err(error) => return (events, Some(error)),
            }
        }
    }
    (events, None)
}

#[test]
fn empty_lines_before_an_answer_change_nothing_wherever_it_is_cut() {
    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 19\r\n\r\nd8:intervali1800ee!";
    let (expected, _) = http_outcome([&answer[..], b""]);
    assert!(matches!(expected[..], [http::ClientEvent::Announced(_)]));
    for blank in ["\r\n", "\r\n\r\n", "\n", "\r\n\n\r\n\r\n"] {
        let whole = [blank.as_bytes(), answer].concat();
        for cut in 0..whole.len() {
            let (events, error) = http_outcome([&whole[..cut], &whole[cut..]]);
            assert_eq!((&events, error), (&expected, None), "{blank:?} {cut}");
        }
    }
    // A carriage return alone is no line.
    let (events, error) = http_outcome([&[b"\r", &answer[..]].concat(), b""]);
    assert_eq!(error, Some(http::ClientError::Head), "{events:?}");
    let flood = "\r\n".repeat(Limits::default().max_head_len);
    let (_, error) = http_outcome([flood.as_bytes(), b""]);
    assert!(matches!(error, Some(http::ClientError::HeadTooLong(_))));
}

#[test]
fn an_answer_that_ends_inside_a_chunk_fails_at_once() {
    let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    for body in [
        "",
        "5",
        "5\r\nd5:fi",
        "5\r\nd5:fi\r",
        "2\r\nde\r\n",
        "2\r\nde\r\n0\r\n",
    ] {
        let whole = [&head[..], body.as_bytes()].concat();
        for cut in 0..whole.len() {
            let (events, error) = http_outcome([&whole[..cut], &whole[cut..]]);
            assert_eq!(events.len(), 1, "{body:?} {cut}");
            assert_eq!(
                error,
                Some(http::ClientError::UnexpectedEof),
                "{body:?} {cut}"
            );
        }
    }
}

#[test]
fn a_chunk_with_an_endless_extension_is_refused_whole_and_in_parts() {
    let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let expected = http::ClientError::Body(http::BodyError::Chunk);
    for (len, is_refused) in [(1021, false), (1022, true), (4000, true)] {
        let line = format!("2;{}\r\nde\r\n0\r\n\r\n", "x".repeat(len - 1));
        let whole = [&head[..], line.as_bytes()].concat();
        for cut in [0, head.len(), head.len() + 1000, whole.len()] {
            let (events, error) = http_outcome([&whole[..cut], &whole[cut..]]);
            assert_eq!(error.is_some(), is_refused, "{len} {cut}: {events:?}");
            assert!(error.is_none_or(|error| error == expected), "{len} {cut}");
        }
    }
}

#[test]
fn a_head_that_others_would_read_otherwise_is_refused() {
    let mixed = b"HTTP/1.1 200 OK\r\nA: b\n\nd8:intervali1800ee\r\n\r\nde";
    assert_eq!(http_error(mixed), http::ClientError::Head);
    let mut server = http::Server::new(NOW, Limits::default(), 1);
    let mixed = b"GET /scrape HTTP/1.1\n\nGET /announce HTTP/1.1\r\n\r\n";
    let outcome = server.poll_event(NOW, &mut BytesMut::from(&mixed[..]));
    assert_eq!(outcome, Err(http::ServerError::Head));
}

#[test]
fn a_completion_during_an_announce_is_announced_after_it() {
    let announce = Announce::new(Sha1Hash([1; 20]), PeerId([2; 20]), 1);
    let tiers = [["http://a.example/announce"]];
    for rounds_before in 0..2 {
        let config = AnnouncerConfig::default();
        let mut announcer = Announcer::new(NOW, config, announce.clone(), tiers, [1; 32]);
        announcer.start();
        let mut now = NOW;
        for _ in 0..rounds_before {
            let Some(Action::Announce { id, .. }) = announcer.poll_action(now) else {
                panic!("nothing to announce")
            };
            announcer.handle_announced(now, id, Announced::default());
            now = announcer.poll_timeout().unwrap();
            announcer.handle_timeout(now);
        }
        let Some(Action::Announce { id, .. }) = announcer.poll_action(now) else {
            panic!("nothing to announce")
        };
        announcer.complete();
        announcer.handle_announced(now, id, Announced::default());
        let Some(Action::Announce { id, announce, .. }) = announcer.poll_action(now) else {
            panic!("the completion was forgotten")
        };
        assert_eq!(announce.event, AnnounceEvent::Completed);
        announcer.handle_announced(now, id, Announced::default());
        announcer.complete();
        assert!(announcer.poll_action(now).is_none(), "once");
    }
}

#[test]
fn haves_before_the_metadata_cost_what_they_add() {
    let unknown = Torrent::new(torrent().info_hash);
    let config = Config::new(PeerId([7; 20]));
    let mut machine = Connection::outgoing(NOW, config, Limits::default(), unknown);
    feed_octets(&mut machine, &mut hello(all()));
    drain(&mut machine);
    let mut input = BytesMut::new();
    for piece in 0..200_000 {
        Message::Have { piece }.encode(&mut input);
    }
    let measured =
        allocation_counter::measure(
            || {
                while let Ok(Some(_)) = machine.poll_event(NOW, &mut input) {}
            },
        );
    assert_eq!(machine.peer_pieces().count(), 200_000);
    assert!(measured.count_total < 100, "{measured:?}");
}

#[test]
fn a_document_costs_one_allocation() {
    let torrent = v1(&[(&[b"a", b"b"], 5), (&[b"c"], 7)], 1);
    let packet = b"d1:ad2:id20:abcdefghij01234567899:info_hash20:mnopqrstuvwxyz123456e1:q9:get_peers1:t2:aa1:y1:qe";
    for document in [&torrent[..], packet] {
        let measured = allocation_counter::measure(|| {
            let doc = Doc::parse(document, Mode::Strict, &Default::default());
            assert!(doc.is_ok_and(|doc| doc.root().entries().count() > 0));
        });
        assert_eq!(measured.count_total, 1);
    }
}

#[test]
fn a_block_beyond_the_end_of_a_short_piece_is_in_no_torrent() {
    use proto_bittorrent::metainfo::{Draft, Versions};
    for versions in [Versions::V1, Versions::V2, Versions::Hybrid] {
        let mut draft = Draft::new("folder", 16 * 1024, versions).unwrap();
        for (name, len) in [("a", 20_000), ("b", 5_u64)] {
            let mut file = draft.file(&[name], len).unwrap();
            file.update(&vec![1; len as usize]);
            file.finish().unwrap();
        }
        let torrent = parse(&draft.finish().unwrap()).unwrap();
        let last = torrent.piece_count() - 1;
        let len = torrent.len_of_piece(last);
        assert!(len < 16 * 1024);
        assert!(torrent.contains_block(Block::new(last, 0, len)));
        for wrong in [
            Block::new(last, 0, len + 1),
            Block::new(last, 1, len),
            Block::new(last, 0, 0),
            Block::new(last, u32::MAX, 2),
            Block::new(last + 1, 0, 1),
        ] {
            assert!(!torrent.contains_block(wrong), "{wrong:?}");
        }
        // The first file ends inside a piece of its own, which only a hybrid fills up with padding.
        let is_hybrid = versions == Versions::Hybrid;
        let padding = Block::new(1, 0, 4000);
        assert_eq!(torrent.contains_block(padding), is_hybrid);
    }
}
