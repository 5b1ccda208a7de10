//! What FTP can do, command by command, between both sessions.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod common;

use common::pair::travel;
use common::{
    CONTENT, Client, Pair, Server, T0, TEXT, codes, full_server, pipelining_client,
    plaintext_client,
};
use core::time::Duration;
use proto_ftp::TlsInfo;
use proto_ftp::client::{self, Event, Fault};
use proto_ftp::data::{Form, Format, Mode, Structure, Type};
use proto_ftp::server::{self, Action, TransferFault};
use proto_ftp::wire::{DateTime, Features, Verb, parse_quoted};

fn pair() -> Pair {
    logged_in(&plaintext_client(), &full_server())
}

fn logged_in(client: &client::Config, server: &server::Config) -> Pair {
    let mut pair = Pair::new(client, server);
    let login = pair.client.login("bob", "hungry").unwrap();
    assert_eq!(pair.code_of(login), 230, "{}", pair.shown());
    pair
}

fn secure() -> Pair {
    let mut pair = Pair::new(&client::Config::default(), &full_server());
    let auth = pair.client.auth_tls().unwrap();
    assert_eq!(pair.code_of(auth), 200, "{}", pair.shown());
    let login = pair.client.login("bob", "hungry").unwrap();
    assert_eq!(pair.code_of(login), 230, "{}", pair.shown());
    pair
}

/// Fetches and sends with the pair, and says what was asked for on the way.
fn fetch(pair: &mut Pair, name: &str, kind: Type, offset: u64) -> Vec<u8> {
    let id = pair.client.retr(name, kind, offset).unwrap();
    assert_eq!(pair.code_of(id), 226, "{}", pair.shown());
    pair.downloads.remove(&id).unwrap()
}

fn send(pair: &mut Pair, name: &str, kind: Type, content: &[u8]) {
    let id = pair.client.stor(name, kind, 0).unwrap();
    pair.uploads.insert(id, content.to_vec());
    assert_eq!(pair.code_of(id), 226, "{}", pair.shown());
}

#[test]
fn files_travel_both_ways_in_every_type_mode_and_structure() {
    let modes = [
        (Mode::Stream, 200),
        (Mode::Block, 200),
        (Mode::Compressed, 200),
        (Mode::Deflate, 200),
    ];
    for (mode, code) in modes {
        for structure in [Structure::File, Structure::Record] {
            for kind in [Type::Ascii, Type::Ebcdic, Type::Image] {
                let mut pair = pair();
                let set = pair.client.mode(mode).unwrap();
                assert_eq!(pair.code_of(set), code, "{mode:?}");
                let set = pair.client.structure(structure).unwrap();
                assert_eq!(pair.code_of(set), 200, "{structure:?}");
                let text = "one\ntwo\n\nthree   and   more      \n".repeat(40);
                send(&mut pair, "new", kind, text.as_bytes());
                assert!(
                    pair.store.files[&b"/new"[..]] == text.as_bytes(),
                    "{mode:?} {structure:?} {kind:?}"
                );
                assert!(fetch(&mut pair, "new", kind, 0) == text.as_bytes());
                if kind == Type::Image {
                    send(&mut pair, "bin", kind, CONTENT);
                    assert_eq!(fetch(&mut pair, "bin", kind, 0), CONTENT);
                }
            }
        }
    }
}

#[test]
fn text_travels_with_crlf_and_image_as_it_is() {
    let text = Format::default();
    assert_eq!(travel(text, TEXT, &[]).0, TEXT);
    let mut pair = pair();
    assert_eq!(fetch(&mut pair, "sub/text", Type::Ascii, 0), TEXT);
    assert_eq!(fetch(&mut pair, "file", Type::Image, 4), CONTENT[4..]);
    // RFC 3659 section 5.2: no REST in TYPE A.
    let id = pair.client.retr("sub/text", Type::Ascii, 4).unwrap();
    assert_eq!(pair.code_of(id), 501);
}

#[test]
fn type_takes_its_forms_and_local_octets() {
    let mut server = Server::logged_in(&full_server());
    for (line, kind, form) in [
        ("TYPE A", Type::Ascii, Form::NonPrint),
        ("TYPE A N", Type::Ascii, Form::NonPrint),
        ("type a t", Type::Ascii, Form::Telnet),
        ("TYPE A C", Type::Ascii, Form::CarriageControl),
        ("TYPE E T", Type::Ebcdic, Form::Telnet),
        ("TYPE I", Type::Image, Form::NonPrint),
        ("TYPE L 8", Type::Image, Form::NonPrint),
        ("TYPE L8", Type::Image, Form::NonPrint),
    ] {
        server.actions.clear();
        let lines = format!("{line}\r\nEPSV\r\nRETR file\r\n");
        assert_eq!(server.codes(&lines), [200, 229, 150, 226], "{line}");
        let formats: Vec<Format> = server
            .actions
            .iter()
            .filter_map(|action| match action {
                Action::Start { format, .. } => Some(*format),
                _ => None,
            })
            .collect();
        assert_eq!((formats[0].kind, formats[0].form), (kind, form), "{line}");
    }
    for (line, code) in [
        ("TYPE L 7", 504),
        ("TYPE L", 504),
        ("TYPE A X", 504),
        ("TYPE I N", 504),
        ("TYPE A N N", 501),
        ("TYPE X", 501),
        ("TYPE", 501),
        ("STRU P", 504),
        ("STRU X", 501),
        ("MODE X", 504),
        ("MODE XX", 501),
    ] {
        assert_eq!(server.codes(&format!("{line}\r\n")), [code], "{line}");
    }
}

#[test]
fn restart_markers_in_block_mode_are_answered_with_110_and_taken_by_rest() {
    for mode in [Mode::Block, Mode::Compressed] {
        let mut pair = pair();
        pair.client.mode(mode).unwrap();
        pair.run();
        pair.marks = vec![(4, b"four"), (9, b"nine")];
        send(&mut pair, "new", Type::Image, b"0123456789ab");
        assert_eq!(pair.markers, [&b"four"[..], b"nine"]);
        let said: Vec<String> = pair
            .client_events
            .iter()
            .filter_map(|event| match event {
                Event::Marker { reply, .. } => {
                    assert_eq!(reply.code(), 110);
                    Some(String::from_utf8_lossy(reply.text()).into_owned())
                }
                _ => None,
            })
            .collect();
        assert_eq!(said, ["MARK four = 4", "MARK nine = 9"]);
        // The server's own word for the place is what REST wants.
        let id = pair.client.stor("new", Type::Image, 9).unwrap();
        pair.uploads.insert(id, b"XYZ".to_vec());
        assert_eq!(pair.code_of(id), 226);
        assert_eq!(pair.store.files[&b"/new"[..]], b"012345678XYZ");
    }
}

#[test]
fn stou_names_the_file_and_appe_adds_to_it() {
    let mut pair = pair();
    let id = pair.client.stou(Type::Image).unwrap();
    pair.uploads.insert(id, b"once".to_vec());
    assert_eq!(pair.code_of(id), 226, "{}", pair.shown());
    // RFC 1123 section 4.1.2.9.
    assert!(pair.shown().contains("150 FILE: /unique.1\r\n"));
    let id = pair.client.appe("unique.1", Type::Image).unwrap();
    pair.uploads.insert(id, b" more".to_vec());
    assert_eq!(pair.code_of(id), 226);
    assert_eq!(pair.store.files[&b"/unique.1"[..]], b"once more");
    let id = pair.client.stor("unique.1", Type::Image, 2).unwrap();
    pair.uploads.insert(id, b"!".to_vec());
    assert_eq!(pair.code_of(id), 226);
    assert_eq!(pair.store.files[&b"/unique.1"[..]], b"on!");
}

#[test]
fn acct_is_asked_for_with_332_and_superfluous_with_202() {
    let mut pair = Pair::new(&plaintext_client(), &full_server());
    pair.store.wants_account = true;
    let id = pair.client.login("bob", "hungry").unwrap();
    assert_eq!(pair.code_of(id), 332);
    let id = pair
        .client
        .login_as("bob", "hungry", Some(b"payroll"))
        .unwrap();
    assert_eq!(pair.code_of(id), 230, "{}", pair.shown());
    let mut server = Server::logged_in(&full_server());
    assert_eq!(server.codes("ACCT x\r\n"), [202]);
    let mut server = Server::greeted(&full_server());
    assert_eq!(
        server.codes("ACCT x\r\nUSER bob\r\nACCT x\r\n"),
        [503, 331, 503]
    );
}

#[test]
fn a_user_may_need_no_password() {
    let mut config = full_server();
    config.ask_user = true;
    let mut pair = Pair::new(&pipelining_client(), &config);
    let id = pair.client.login("guest", "x").unwrap();
    // In one flight PASS comes too late to matter: its reply changes nothing.
    assert_eq!(pair.code_of(id), 230, "{}", pair.shown());
    let id = pair.client.noop().unwrap();
    assert_eq!(pair.code_of(id), 200, "{}", pair.shown());
}

#[test]
fn rein_begins_anew_in_plaintext_and_under_tls() {
    let mut pair = pair();
    pair.client.mode(Mode::Block).unwrap();
    fetch(&mut pair, "file", Type::Image, 0);
    let rein = pair.client.rein().unwrap();
    assert_eq!(pair.code_of(rein), 220);
    let pwd = pair.client.pwd().unwrap();
    assert_eq!(pair.code_of(pwd), 530);
    let login = pair.client.login("bob", "hungry").unwrap();
    assert_eq!(pair.code_of(login), 230);
    // MODE S and TYPE A again, on both sides.
    assert_eq!(fetch(&mut pair, "sub/text", Type::Ascii, 0), TEXT);

    let mut pair = secure();
    let rein = pair.client.rein().unwrap();
    assert_eq!(pair.code_of(rein), 220);
    assert!(pair.client.tls().is_none() && pair.server.tls().is_none());
    let auth = pair.client.auth_tls().unwrap();
    assert_eq!(pair.code_of(auth), 200, "{}", pair.shown());
    let login = pair.client.login("bob", "hungry").unwrap();
    assert_eq!(pair.code_of(login), 230);
    assert_eq!(fetch(&mut pair, "file", Type::Image, 0), CONTENT);

    let mut client = Client::greeted(&plaintext_client());
    client.session.rein().unwrap();
    assert_eq!(client.sent(), "REIN\r\n");
    let events = client.hear("120 in 5 minutes\r\n220 now\r\n");
    assert!(matches!(&events[..], [Event::Done { .. }]), "{events:?}");
}

#[test]
fn ccc_leaves_tls_and_keeps_the_login_and_the_private_data() {
    let mut pair = secure();
    let ccc = pair.client.ccc().unwrap();
    assert_eq!(pair.code_of(ccc), 200);
    assert!(pair.client.tls().is_none() && pair.server.tls().is_none());
    let pwd = pair.client.pwd().unwrap();
    assert_eq!(pair.code_of(pwd), 257);
    assert_eq!(fetch(&mut pair, "file", Type::Image, 0), CONTENT);
    let login = pair.client.login("bob", "hungry").unwrap();
    assert_eq!(pair.end_of(login), Err(Fault::TlsRequired));
    let id = pair.client.command(Verb::Auth, Some(b"TLS")).unwrap();
    assert_eq!(pair.code_of(id), 503);
    assert!(pair.server.is_logged_in());

    let mut server = Server::logged_in(&full_server());
    assert_eq!(server.codes("CCC\r\n"), [533]);
    let mut config = full_server();
    config.allow_ccc = false;
    let mut server = Server::greeted(&config);
    server.say("AUTH TLS\r\n");
    server
        .session
        .handle_tls_established(T0, TlsInfo::default());
    assert_eq!(
        server.codes("CCC\r\nUSER bob\r\nPASS hungry\r\nCCC\r\n"),
        [530, 331, 230, 534]
    );
}

#[test]
fn a_data_connection_without_the_session_of_the_control_connection_is_refused_with_522() {
    let mut config = full_server();
    config.require_resumption = true;
    for (resumes, code) in [(true, 226), (false, 522)] {
        let mut pair = Pair::new(&client::Config::default(), &config);
        pair.resumes = resumes;
        pair.client.auth_tls().unwrap();
        pair.client.login("bob", "hungry").unwrap();
        let id = pair.client.retr("file", Type::Image, 0).unwrap();
        match pair.end_of(id) {
            Ok((reply, _)) => assert_eq!(reply.code(), code),
            Err(Fault::DataBroken) if code == 522 => {}
            Err(fault) => panic!("{fault}"),
        }
        assert_eq!(pair.shown().contains("522 "), code == 522);
        assert_eq!(pair.store.ended, [resumes]);
    }
}

#[test]
fn data_in_the_clear_is_refused_with_521_where_it_has_to_be_private() {
    let mut config = full_server();
    config.require_data_tls = true;
    let mut server = Server::logged_in(&config);
    assert_eq!(server.codes("EPSV\r\nRETR file\r\n"), [229, 521]);
    let mut server = Server::greeted(&config);
    server.say("AUTH TLS\r\n");
    server
        .session
        .handle_tls_established(T0, TlsInfo::default());
    assert_eq!(
        server.codes("USER bob\r\nPASS hungry\r\nPROT P\r\nPBSZ 0\r\nPROT C\r\nPROT S\r\nPROT X\r\nPROT P\r\nEPSV\r\nRETR file\r\n"),
        [331, 230, 503, 200, 534, 536, 504, 200, 229, 150, 226]
    );
}

#[test]
fn allo_asks_whether_there_is_room() {
    let mut server = Server::logged_in(&full_server());
    server.store.space = 100;
    assert_eq!(
        server.codes("ALLO 100\r\nALLO 100 R 7\r\nALLO 101\r\nALLO\r\nALLO x\r\nALLO 5 R\r\n"),
        [200, 200, 504, 501, 501, 501]
    );
    server.upload = vec![0; 101];
    assert_eq!(server.codes("EPSV\r\nSTOR new\r\n"), [229, 150, 452]);
    assert!(!server.store.files.contains_key(&b"/new"[..]));
    assert_eq!(server.store.ended, [false]);
}

#[test]
fn host_comes_before_user_and_is_forgotten_when_refused() {
    let mut server = Server::greeted(&full_server());
    assert_eq!(
        server.codes(
            "HOST example.com\r\nHOST other\r\nUSER bob\r\nHOST example.com\r\nPASS hungry\r\n"
        ),
        [220, 504, 331, 503, 230]
    );
    assert_eq!(server.store.logins[0].1, None);
    let mut server = Server::greeted(&full_server());
    server.say("HOST example.com\r\nUSER bob\r\nPASS hungry\r\n");
    assert_eq!(
        server.store.logins[0].1.as_deref(),
        Some(&b"example.com"[..])
    );
    // RFC 7151 section 3.2.2: the name of the handshake counts.
    let mut server = Server::greeted(&full_server());
    server.say("AUTH TLS\r\n");
    let mut tls = TlsInfo::default();
    tls.server_name = Some("other.example".into());
    server.session.handle_tls_established(T0, tls);
    assert_eq!(server.codes("HOST example.com\r\n"), [504]);
}

#[test]
fn times_are_read_and_set() {
    let mut pair = pair();
    let id = pair.client.mdtm("file").unwrap();
    let reply = pair.end_of(id).unwrap().0;
    assert_eq!((reply.code(), reply.text()), (213, &b"20200102030405"[..]));
    let time = DateTime::parse(b"20010203040506.5").unwrap();
    let id = pair.client.mfmt("file", time).unwrap();
    let reply = pair.end_of(id).unwrap().0;
    assert_eq!(reply.text(), b"Modify=20010203040506.500; /file");
    let id = pair.client.mdtm("file").unwrap();
    let reply = pair.end_of(id).unwrap().0;
    assert_eq!(DateTime::parse(reply.text()), Some(time));
    // The old way to set a time is the name of a file here: there is none of that name.
    let mut server = Server::logged_in(&full_server());
    assert_eq!(
        server.codes("MDTM 20200102030405 file\r\nMFMT 20200230000000 file\r\nMFMT 20200102030405\r\nMFMT 20200102030405 none\r\n"),
        [550, 501, 501, 550]
    );
}

#[test]
fn hash_size_and_facts_are_answered() {
    let mut pair = pair();
    let id = pair.client.size("file").unwrap();
    assert_eq!(pair.end_of(id).unwrap().0.text(), b"15");
    let id = pair.client.command(Verb::Hash, Some(b"file")).unwrap();
    let reply = pair.end_of(id).unwrap().0;
    assert_eq!(
        (reply.code(), reply.text()),
        (213, &b"SHA-256 0-9 abcdef /file"[..])
    );
    let id = pair.client.command(Verb::Mlst, Some(b"file")).unwrap();
    let reply = pair.end_of(id).unwrap().0;
    assert_eq!(reply.lines().nth(1), Some(&b" type=file; /file"[..]));
    let mut server = Server::logged_in(&server::Config::default());
    assert_eq!(
        server.codes("HASH file\r\nSIZE file\r\nTYPE I\r\nSIZE file\r\n"),
        [502, 550, 200, 213]
    );
}

#[test]
fn features_are_listed_as_they_are() {
    let mut pair = Pair::new(&plaintext_client(), &full_server());
    let id = pair.client.feat().unwrap();
    let reply = pair.end_of(id).unwrap().0;
    let features = Features::parse(&reply);
    let flags = [
        features.utf8,
        features.mlst,
        features.rest_stream,
        features.size,
        features.mdtm,
        features.mfmt,
        features.epsv,
        features.auth_tls,
        features.mode_z,
        features.host,
        features.clnt,
        features.hash,
        features.tvfs,
    ];
    assert_eq!(flags, [true; 13]);
}

#[test]
fn directories_are_made_entered_named_and_removed() {
    let mut pair = pair();
    let id = pair.client.mkd("a\"b\u{ff}").unwrap();
    let reply = pair.end_of(id).unwrap().0;
    let name = "/a\"b\u{ff}".as_bytes();
    assert_eq!(parse_quoted(reply.text()).as_deref(), Some(name));
    let id = pair.client.cwd("a\"b\u{ff}").unwrap();
    assert_eq!(pair.code_of(id), 250);
    let id = pair.client.pwd().unwrap();
    let reply = pair.end_of(id).unwrap().0;
    assert_eq!(parse_quoted(reply.text()).as_deref(), Some(name));
    let id = pair.client.command(Verb::Cdup, None).unwrap();
    assert_eq!(pair.code_of(id), 200);
    let id = pair.client.rmd("a\"b\u{ff}").unwrap();
    assert_eq!(pair.code_of(id), 250);
    let id = pair.client.rmd("a\"b\u{ff}").unwrap();
    assert_eq!(pair.code_of(id), 550);
    // A name that is no UTF-8, with the octet that Telnet takes for its own.
    let id = pair.client.mkd(b"\xff\xfe").unwrap();
    let reply = pair.end_of(id).unwrap().0;
    assert_eq!(
        parse_quoted(reply.text()).as_deref(),
        Some(&b"/\xff\xfe"[..])
    );
}

#[test]
fn a_file_is_renamed_by_two_commands_that_nothing_comes_between() {
    let mut pair = pair();
    let id = pair.client.rename("file", "other").unwrap();
    assert_eq!(pair.code_of(id), 250);
    let id = pair.client.rename("file", "other").unwrap();
    assert_eq!(pair.code_of(id), 550);
    let mut server = Server::logged_in(&full_server());
    for between in ["NOOP\r\n", "XYZZY\r\n", "\r\n"] {
        let codes = server.codes(&format!("RNFR file\r\n{between}RNTO x\r\n"));
        assert_eq!(codes[2], 503, "{between:?}");
    }
    assert_eq!(
        server.codes("TYPE I\r\nREST 5\r\nNOOP\r\nEPSV\r\nRETR file\r\n"),
        [200, 350, 200, 229, 150, 226]
    );
    assert!(
        server
            .events
            .iter()
            .any(|event| event.contains("offset: 0"))
    );
}

#[test]
fn stat_is_answered_while_a_transfer_runs_and_before_and_after() {
    let mut server = Server::logged_in(&full_server());
    server.auto = false;
    let replies = server.say(
        "STAT\r\nSTAT sub\r\nPORT 192,0,2,9,160,0\r\nRETR file\r\nSTAT\r\nSTAT sub\r\nNOOP\r\n",
    );
    assert_eq!(codes(&replies), [211, 213, 200, 150, 211]);
    let Some(Action::Connect { id, to }) = server.actions.last().cloned() else {
        panic!("{:?}", server.actions);
    };
    server.session.handle_connected(T0, id, to);
    server.session.handle_progress(T0, id, 7);
    // STAT of a path, and all that follows it, waits.
    assert_eq!(server.turn(), "");
    server.session.handle_transferred(T0, id, Ok(15));
    assert_eq!(codes(&server.turn()), [226, 213, 200]);
    let replies = server.say("STAT\r\n");
    assert!(!replies.contains("so far"), "{replies}");
}

#[test]
fn abor_ends_a_transfer_in_every_state() {
    const SYNCH: &[u8] = b"\xff\xf4\xff\xf2ABOR\r\n";
    // Nothing under way.
    let mut server = Server::logged_in(&full_server());
    assert_eq!(codes(&server.say(SYNCH)), [226]);
    // A listener waits: it is closed.
    assert_eq!(
        codes(&server.say([b"EPSV\r\n", SYNCH].concat())),
        [229, 226]
    );
    assert_eq!(server.codes("RETR file\r\n"), [425]);
    for active in [false, true] {
        for stage in 0..4 {
            let mut server = Server::logged_in(&full_server());
            if stage == 3 {
                server = Server::greeted(&full_server());
                server.say("AUTH TLS\r\n");
                server
                    .session
                    .handle_tls_established(T0, TlsInfo::default());
                server.say("USER bob\r\nPASS hungry\r\nPBSZ 0\r\nPROT P\r\n");
            }
            server.auto = false;
            let setup = if active {
                "PORT 192,0,2,9,160,0"
            } else {
                "EPSV"
            };
            server.say(format!("{setup}\r\n"));
            let listener = match server.actions.last() {
                Some(Action::Listen { id, .. }) => Some(*id),
                _ => None,
            };
            if let Some(id) = listener {
                let at = common::address("192.0.2.1:50000");
                server.session.handle_listening(T0, id, at);
                server.turn();
            }
            if stage == 0 {
                // The question is open: ABOR waits for the answer.
                server.answers = false;
                assert_eq!(server.say([b"RETR file\r\n", SYNCH].concat()), "");
                assert_eq!(codes(&server.answer()), [150, 426, 226], "{active}");
                continue;
            }
            assert_eq!(server.codes("STOR new\r\n"), [150]);
            let id = match server.actions.last() {
                Some(Action::Connect { id, .. }) => *id,
                _ => listener.unwrap(),
            };
            if stage >= 2 {
                let peer = common::address("192.0.2.9:40960");
                server.session.handle_connected(T0, id, peer);
                server.turn();
            }
            server.actions.clear();
            assert_eq!(
                codes(&server.say(SYNCH)),
                [426, 226],
                "stage {stage}, active {active}"
            );
            let closed = Action::Close { id, reset: true };
            assert!(server.actions.contains(&closed), "{:?}", server.actions);
            assert_eq!(server.store.ended, [false]);
            // Late news of it changes nothing.
            server.session.handle_transferred(T0, id, Ok(8));
            server.session.handle_failed(T0, id);
            assert_eq!(server.turn(), "");
            assert_eq!(server.codes("NOOP\r\n"), [200]);
            assert!(!server.store.files.contains_key(&b"/new"[..]));
        }
    }
    // What arrived in full is stored: ABOR comes too late, and is answered in its turn.
    let mut server = Server::logged_in(&full_server());
    server.answers = false;
    assert_eq!(server.codes("EPSV\r\nSTOR new\r\n"), [229]);
    assert_eq!(codes(&server.answer()), [150]);
    assert_eq!(codes(&server.say(SYNCH)), []);
    assert_eq!(codes(&server.answer()), [226, 226]);
    assert!(server.store.files.contains_key(&b"/new"[..]));
}

#[test]
fn epsv_falls_back_to_pasv_once_and_for_all() {
    for pipelining in [false, true] {
        let mut config = plaintext_client();
        config.pipelining = pipelining;
        let mut client = Client::greeted(&config);
        client.session.retr("file", Type::Image, 0).unwrap();
        if pipelining {
            assert_eq!(client.sent(), "TYPE I\r\nEPSV\r\nRETR file\r\n");
            client.hear("200\r\n502 no\r\n425 no\r\n");
        } else {
            assert_eq!(client.sent(), "TYPE I\r\n");
            client.hear("200\r\n");
            assert_eq!(client.sent(), "EPSV\r\n");
            client.hear("502 no\r\n");
        }
        assert_eq!(client.sent(), "PASV\r\n");
        client.hear("227 (10,9,8,7,19,136)\r\n");
        let wishes = client.wishes();
        // CVE-2020-8284: the address is that of the control connection.
        let to = common::address("192.0.2.1:5000");
        assert!(
            wishes.iter().any(
                |wish| matches!(wish, client::Action::Connect { to: wished, .. } if *wished == to)
            ),
            "{wishes:?}"
        );
        assert_eq!(client.sent(), "RETR file\r\n");
        assert!(!client.session.is_pipelining());
        client.hear("550 none\r\n");
        client.session.retr("file", Type::Image, 0).unwrap();
        assert_eq!(client.sent(), "PASV\r\n");
    }
}

#[test]
fn mlsd_falls_back_to_list() {
    let mut client = Client::greeted(&plaintext_client());
    let id = client.session.mlsd(Some(b"sub")).unwrap();
    assert_eq!(client.sent(), "EPSV\r\n");
    client.hear("229 (|||5000|)\r\n");
    assert_eq!(client.sent(), "MLSD sub\r\n");
    client.hear("500 what?\r\n");
    assert_eq!(client.sent(), "EPSV\r\n");
    client.hear("229 (|||5001|)\r\n");
    assert_eq!(client.sent(), "LIST sub\r\n");
    let events = client.hear("550 no such directory\r\n");
    assert!(
        matches!(&events[..], [Event::Done { id: done, reply, .. }] if *done == id && reply.code() == 550)
    );
}

#[test]
fn listings_come_in_all_forms() {
    let mut pair = pair();
    let list = pair.client.list(None).unwrap();
    let nlst = pair.client.nlst(Some(b"sub")).unwrap();
    let mlsd = pair.client.mlsd(Some(b"/")).unwrap();
    for id in [list, nlst, mlsd] {
        assert_eq!(pair.code_of(id), 226);
    }
    let shown = |id| String::from_utf8_lossy(&pair.downloads[&id]).into_owned();
    assert!(shown(list).ends_with("15 Jan  2  2020 file\n"));
    assert_eq!(shown(nlst), "text\n");
    assert_eq!(shown(mlsd), "type=dir; sub\ntype=file;size=15; file\n");
    let mut server = Server::logged_in(&full_server());
    assert_eq!(
        server.codes("EPSV\r\nLIST -la sub\r\nEPSV\r\nLIST -w 1000000 -C\r\nEPSV\r\nNLST -a\r\n"),
        [229, 150, 226, 229, 550 - 100, 229, 150, 226]
    );
}

#[test]
fn the_client_may_be_the_one_that_listens() {
    let mut config = plaintext_client();
    config.active = true;
    let mut pair = logged_in(&config, &full_server());
    assert_eq!(fetch(&mut pair, "file", Type::Image, 0), CONTENT);
    send(&mut pair, "new", Type::Image, CONTENT);
    assert!(
        pair.shown().contains("PORT 192,0,2,9,160,40\r\n"),
        "{}",
        pair.shown()
    );
}

#[test]
fn login_and_first_file_leave_in_one_flight() {
    let mut config = pipelining_client();
    config.eager = true;
    let mut client = Client::new(&config);
    client.session.login("bob", "hungry").unwrap();
    client.session.retr("file", Type::Image, 0).unwrap();
    client.session.quit().unwrap();
    assert_eq!(
        client.sent(),
        "USER bob\r\nPASS hungry\r\nTYPE I\r\nEPSV\r\nRETR file\r\n"
    );
}

#[test]
fn a_refused_command_in_flight_makes_it_one_at_a_time() {
    let mut pair = logged_in(&pipelining_client(), &full_server());
    let retr = pair.client.retr("none", Type::Image, 0).unwrap();
    let noop = pair.client.noop().unwrap();
    assert_eq!(pair.code_of(retr), 550);
    assert_eq!(pair.code_of(noop), 200);
    let again = fetch(&mut pair, "file", Type::Image, 0);
    assert_eq!(again, CONTENT);
    assert_eq!(pair.client_error, None);
}

/// The final reply comes only once the storage has it, and never when the data broke.
#[test]
fn an_upload_is_complete_when_it_is_stored() {
    for fault in [
        (TransferFault::Disconnected, 426),
        (TransferFault::Malformed, 451),
        (TransferFault::Storage, 451),
        (TransferFault::NoSpace, 452),
        (TransferFault::QuotaExceeded, 552),
    ] {
        let mut server = Server::logged_in(&full_server());
        server.auto = false;
        server.say("PORT 192,0,2,9,160,0\r\nSTOR new\r\n");
        let Some(Action::Connect { id, to }) = server.actions.last().cloned() else {
            panic!();
        };
        server.session.handle_connected(T0, id, to);
        server.session.handle_transferred(T0, id, Err(fault.0));
        assert_eq!(codes(&server.turn()), [fault.1]);
        assert_eq!(server.store.ended, [false]);
        assert!(!server.store.files.contains_key(&b"/new"[..]));
    }
    let mut server = Server::logged_in(&full_server());
    server.answers = false;
    server.say("EPSV\r\nSTOR new\r\n");
    assert_eq!(codes(&server.answer()), [150]);
    // All octets are here, and the storage says nothing yet: neither does the session.
    assert_eq!(server.turn(), "");
    assert_eq!(codes(&server.answer()), [226]);
}

#[test]
fn quit_waits_for_the_transfer() {
    let mut server = Server::logged_in(&full_server());
    server.auto = false;
    assert_eq!(
        server.codes("PORT 192,0,2,9,160,0\r\nRETR file\r\nQUIT\r\n"),
        [200, 150]
    );
    let Some(Action::Connect { id, to }) = server.actions.last().cloned() else {
        panic!();
    };
    server.session.handle_connected(T0, id, to);
    server.session.handle_transferred(T0, id, Ok(15));
    assert_eq!(
        server.turn(),
        "226 Transfer complete\r\n221 Goodbye\r\n[Shutdown]"
    );
}

/// Data and final reply in either order, and 226 without 150.
#[test]
fn a_download_is_over_when_both_its_data_and_its_reply_came() {
    for data_first in [true, false] {
        for preliminary in ["150\r\n", ""] {
            let mut client = Client::greeted(&plaintext_client());
            let retr = client.session.retr("file", Type::Image, 0).unwrap();
            client.sent();
            client.hear("200\r\n");
            client.sent();
            client.hear("229 (|||5000|)\r\n");
            client.sent();
            let wishes = client.wishes();
            let Some(client::Action::Connect { id, to }) = wishes.last().cloned() else {
                panic!("{wishes:?}");
            };
            client.session.handle_connected(T0, id, to);
            let mut events = client.hear(preliminary);
            if preliminary.is_empty() {
                // Nothing starts before the server said that it does; some say so at the end alone.
                assert_eq!(client.wishes(), []);
                events = client.hear("226\r\n");
            }
            assert!(matches!(
                client.wishes()[..],
                [client::Action::Start { .. }]
            ));
            if preliminary.is_empty() {
                assert!(
                    !events
                        .iter()
                        .any(|event| matches!(event, Event::Done { .. }))
                );
                client.session.handle_transferred(T0, id, 15, true);
                let events = client.events();
                assert!(matches!(events.last(), Some(Event::Done { id, .. }) if *id == retr));
                continue;
            }
            if data_first {
                client.session.handle_transferred(T0, id, 15, true);
                assert!(
                    !client
                        .events()
                        .iter()
                        .any(|event| matches!(event, Event::Done { .. }))
                );
                let events = client.hear("226\r\n");
                assert!(
                    matches!(events.last(), Some(Event::Done { id, octets: 15, .. }) if *id == retr)
                );
            } else {
                let events = client.hear("226\r\n");
                assert!(
                    !events
                        .iter()
                        .any(|event| matches!(event, Event::Done { .. }))
                );
                client.session.handle_transferred(T0, id, 15, true);
                let events = client.events();
                assert!(
                    matches!(events.last(), Some(Event::Done { id, octets: 15, .. }) if *id == retr)
                );
            }
        }
    }
    // 226, and broken data: a part.
    let mut pair = pair();
    let id = pair.client.retr("file", Type::Image, 0).unwrap();
    pair.run();
    assert!(pair.ends[&id].is_ok());
}

/// 110 to nothing that runs, or to a download, is not said.
#[test]
fn a_marker_of_another_transfer_is_not_answered() {
    let mut server = Server::logged_in(&full_server());
    server.auto = false;
    server.say("PORT 192,0,2,9,160,0\r\nRETR file\r\n");
    let Some(Action::Connect { id, to }) = server.actions.last().cloned() else {
        panic!();
    };
    server.session.handle_marker(T0, id, b"x", b"1");
    server.session.handle_connected(T0, id, to);
    server.session.handle_marker(T0, id, b"x", b"1");
    assert_eq!(server.turn(), "");
}

#[test]
fn timers_end_what_stands_still() {
    let mut server = Server::logged_in(&full_server());
    server.auto = false;
    server.say("PORT 192,0,2,9,160,0\r\nRETR file\r\n");
    let late = |server: &mut Server, seconds| {
        server.now += Duration::from_secs(seconds);
        server.session.handle_timeout(server.now);
        codes(&server.turn())
    };
    assert_eq!(late(&mut server, 29), []);
    assert_eq!(late(&mut server, 2), [425]);
    server.say("PORT 192,0,2,9,160,0\r\nRETR file\r\n");
    let Some(Action::Connect { id, to }) = server.actions.last().cloned() else {
        panic!();
    };
    server.session.handle_connected(server.now, id, to);
    server.turn();
    assert_eq!(late(&mut server, 299), []);
    server.session.handle_progress(server.now, id, 5);
    assert_eq!(late(&mut server, 299), []);
    assert_eq!(late(&mut server, 2), [426]);
    assert_eq!(late(&mut server, 301), [421]);
    assert_eq!(server.error, Some(server::Error::IdleTimeout));
}
