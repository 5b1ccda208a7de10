//! What strangers, thieves and broken peers do, one test each. The numbers are those of the table of
//! attacks that the crate is held to.

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
use common::{Client, Pair, Server, T0, address, codes, full_server, new_server, plaintext_client};
use core::time::Duration;
use proto_ftp::client::{self, Event, Fault};
use proto_ftp::data::{
    DataError, DataEvent, DataLimits, Format, Mode, Receiver, Sender, Structure, Type,
};
use proto_ftp::listing::{Item, Kind, Parser};
use proto_ftp::server::{self, Action, Error, TransferFault};
use proto_ftp::wire::{
    Arg, Command, DateTime, Frame, LineDecoder, Reply, ReplyDecoder, ReplyError, VirtualPath,
    parse_epsv_reply, parse_pasv_reply, parse_quoted,
};
use proto_ftp::{DataTransmit, ServerLimits, TlsInfo, Transmit};

fn listener(server: &Server) -> server::DataId {
    match server.actions.last() {
        Some(Action::Listen { id, .. }) => *id,
        other => panic!("{other:?}"),
    }
}

fn secured(config: &server::Config) -> Server {
    let mut server = Server::greeted(config);
    assert!(server.say("AUTH TLS\r\n").ends_with("[StartTls]"));
    server
        .session
        .handle_tls_established(T0, TlsInfo::default());
    server.say("USER bob\r\nPASS hungry\r\nPBSZ 0\r\nPROT P\r\n");
    assert!(server.session.is_logged_in());
    server
}

/// A client whose RETR waits for the data connection that it was told of.
fn fetching(config: &client::Config, epsv: &str) -> Client {
    let mut client = Client::greeted(config);
    client.session.retr("file", Type::Image, 0).unwrap();
    assert_eq!(client.sent(), "TYPE I\r\n");
    client.hear("200\r\n");
    client.sent();
    client.hear(epsv);
    client
}

fn destination(client: &mut Client) -> Option<core::net::SocketAddr> {
    client.wishes().into_iter().find_map(|wish| match wish {
        client::Action::Connect { to, .. } => Some(to),
        _ => None,
    })
}

#[test]
fn row_01_no_connection_is_made_to_a_third_party() {
    let mut server = Server::logged_in(&full_server());
    for line in [
        "PORT 192,0,2,66,160,0",
        "PORT 127,0,0,1,160,0",
        "PORT 192,0,2,9,0,20",
        "PORT 192,0,2,9,3,255",
        "EPRT |1|192.0.2.66|41000|",
        "EPRT |2|::1|41000|",
        "EPRT |1|192.0.2.9|80|",
    ] {
        assert_eq!(
            server.codes(&format!("{line}\r\nRETR file\r\n")),
            [501, 425],
            "{line}"
        );
    }
    assert!(server.actions.is_empty());
    assert_eq!(server.session.stats().refused_peers, 7);
    // To the client itself nothing is connected either, before a transfer is asked for.
    server.codes("PORT 192,0,2,9,160,0\r\n");
    assert!(server.actions.is_empty());
    // An address of IPv4 in the clothes of IPv6 is the same peer.
    assert_eq!(server.codes("EPRT |2|::ffff:192.0.2.9|41000|\r\n"), [200]);
    let mut config = full_server();
    config.allow_foreign_data = true;
    let mut server = Server::logged_in(&config);
    assert_eq!(server.codes("PORT 192,0,2,66,160,0\r\n"), [200]);
}

#[test]
fn row_02_a_stranger_who_connects_first_gets_nothing() {
    let mut server = Server::logged_in(&full_server());
    server.auto = false;
    server.say("EPSV\r\n");
    let id = listener(&server);
    server
        .session
        .handle_listening(T0, id, address("192.0.2.1:50000"));
    server.say("RETR file\r\n");
    server.actions.clear();
    for _ in 0..7 {
        server
            .session
            .handle_connected(T0, id, address("192.0.2.66:1"));
    }
    assert_eq!(server.turn(), "");
    assert_eq!(server.actions, vec![Action::Refuse { id }; 7]);
    server
        .session
        .handle_connected(T0, id, address("192.0.2.9:1"));
    server.turn();
    assert!(matches!(server.actions.last(), Some(Action::Start { .. })));
    // One connection, and no second one.
    server.actions.clear();
    server
        .session
        .handle_connected(T0, id, address("192.0.2.9:2"));
    server
        .session
        .handle_connected(T0, id, address("192.0.2.66:2"));
    server.turn();
    assert!(server.actions.is_empty());
    // Strangers without end: the listener is given up.
    let mut server = Server::logged_in(&full_server());
    server.auto = false;
    server.say("EPSV\r\n");
    let id = listener(&server);
    server
        .session
        .handle_listening(T0, id, address("192.0.2.1:50000"));
    server.say("RETR file\r\n");
    for _ in 0..8 {
        server
            .session
            .handle_connected(T0, id, address("192.0.2.66:1"));
    }
    assert_eq!(codes(&server.turn()), [425]);
}

#[test]
fn row_03_a_client_connects_to_its_server_whatever_pasv_says() {
    let mut config = plaintext_client();
    config.epsv = false;
    let mut client = fetching(&config, "227 (10,66,66,66,19,136)\r\n");
    assert_eq!(destination(&mut client), Some(address("192.0.2.1:5000")));
    config.trust_passive_address = true;
    let mut client = fetching(&config, "227 (10,66,66,66,19,136)\r\n");
    assert_eq!(destination(&mut client), Some(address("10.66.66.66:5000")));
}

#[test]
fn row_04_the_same_holds_for_what_is_handed_to_another_server() {
    // Whoever copies from server to server has the client's wish alone: it names the server.
    let mut client = fetching(&plaintext_client(), "229 (|||5000|)\r\n");
    assert_eq!(destination(&mut client), Some(address("192.0.2.1:5000")));
    // An address within 229 is no address.
    let mut client = fetching(&plaintext_client(), "229 (|1|10.66.66.66|5000|)\r\n");
    assert_eq!(destination(&mut client), None);
    assert_eq!(client.sent(), "PASV\r\n");
}

#[test]
fn row_05_no_argument_begins_a_second_command() {
    let mut client = Client::greeted(&plaintext_client());
    for bad in ["a\r\nDELE b", "a\nb", "a\rb", "a\0b", "\n"] {
        let session = &mut client.session;
        let results = [
            session.login(bad, "x"),
            session.login("x", bad),
            session.login_as("x", "y", Some(bad.as_bytes())),
            session.retr(bad, Type::Image, 0),
            session.stor(bad, Type::Image, 0),
            session.appe(bad, Type::Image),
            session.list(Some(bad.as_bytes())),
            session.mlsd(Some(bad.as_bytes())),
            session.cwd(bad),
            session.mkd(bad),
            session.rename("x", bad),
            session.rename(bad, "x"),
            session.size(bad),
            session.mfmt(bad, DateTime::from_unix(0)),
            session.command(proto_ftp::wire::Verb::Site, Some(bad.as_bytes())),
        ];
        for result in results {
            assert!(
                matches!(result, Err(client::UsageError::Argument(_))),
                "{bad:?}"
            );
        }
        assert!(Arg::copy_from(bad).is_err());
    }
    assert_eq!(client.sent(), "");
    // A server takes no such line either.
    let mut server = Server::logged_in(&full_server());
    assert_eq!(server.codes("DELE fi\0le\r\nDELE a\rb\r\n"), [501, 501]);
}

#[test]
fn row_06_replies_have_an_end() {
    let decode = |octets: &[u8]| {
        let mut decoder = ReplyDecoder::new(8192, 65_536, 1024);
        let mut input = BytesMut::from(octets);
        decoder.decode(&mut input)
    };
    let limit = 8192;
    assert_eq!(decode(&[b'2'; 9000]), Err(ReplyError::TooLong { limit }));
    let lines = b"220-\r\n".repeat(2000);
    assert_eq!(
        decode(&lines),
        Err(ReplyError::TooManyLines { limit: 1024 })
    );
    let long = [&b"220-"[..], &[b'x'; 8000], b"\r\n"].concat().repeat(20);
    assert_eq!(decode(&long), Err(ReplyError::TooLong { limit: 65_536 }));
    // Each octet is looked at once: 1 MiB octet by octet takes no time.
    let mut decoder = ReplyDecoder::new(1 << 21, 1 << 22, 10);
    let mut input = BytesMut::from(&b"220 "[..]);
    for _ in 0..1 << 20 {
        input.extend_from_slice(b"x");
        assert_eq!(decoder.decode(&mut input), Ok(None));
    }
}

#[test]
fn row_07_a_line_without_end_is_thrown_away_whole() {
    let mut server = Server::logged_in(&full_server());
    for _ in 0..1000 {
        assert_eq!(server.say([b'A'; 1000]), "");
        assert!(server.input.len() <= 4096 + 1000);
    }
    // What ends it is its tail, not a command (CVE-2008-4242).
    assert_eq!(server.codes("DELE file\r\n"), [500]);
    assert!(server.store.files.contains_key(&b"/file"[..]));
    let long = "X".repeat(5000);
    assert_eq!(server.codes(&format!("{long}\r\nNOOP\r\n")), [500, 200]);
    assert_eq!(server.codes(&format!("{long}\r\nNOOP\r\n")), [500, 421]);
    assert_eq!(server.error, Some(Error::TooManyFaults));
}

#[test]
fn row_08_a_listing_has_no_end_that_the_parser_would_wait_for() {
    let today = DateTime::from_unix(1_700_000_000);
    let mut parser = Parser::new(today).max_line(1000);
    let line = vec![b'-'; 100_000];
    assert!(matches!(
        parser.next(&line, false),
        Some((_, Item::TooLong))
    ));
    assert!(matches!(
        parser.next(b"drwxr-xr-x\n", false),
        Some((11, Item::TooLong))
    ));
    let next = parser.next(b"-rw-r--r-- 1 a b 3 Jan  2  2020 x\n", false);
    assert!(matches!(next, Some((_, Item::Entry(_)))));
}

#[test]
fn row_09_what_follows_auth_in_plaintext_ends_the_session() {
    for injected in ["USER bob\r\n", "\n", "x"] {
        let mut server = Server::greeted(&full_server());
        let sent = server.say(format!("AUTH TLS\r\n{injected}"));
        assert!(sent.starts_with("234 "), "{sent}");
        let octets = injected.len();
        assert_eq!(server.error, Some(Error::PlaintextAfterAuth { octets }));
        assert!(server.session.tls().is_none());
    }
}

#[test]
fn row_10_a_client_believes_nothing_that_came_before_tls() {
    let config = client::Config::default();
    let mut client = Client::greeted(&config);
    client.session.auth_tls().unwrap();
    assert_eq!(client.sent(), "AUTH TLS\r\n");
    client.hear("234 go\r\n230 logged in\r\n");
    assert!(matches!(
        client.error,
        Some(client::Error::PlaintextAfterAuth { .. })
    ));
    // CVE-2021-22946: no TLS, no password, whatever the server says.
    for reply in [
        "500 what\r\n",
        "230 you are in\r\n",
        "431 later\r\n",
        "534 no\r\n",
    ] {
        let mut client = Client::greeted(&config);
        client.session.auth_tls().unwrap();
        let login = client.session.login("bob", "hungry").unwrap();
        assert_eq!(client.sent(), "AUTH TLS\r\n");
        client.hear(reply);
        assert_eq!(client.sent(), "", "{reply}");
        let events = client.events();
        let failed = Event::Failed {
            id: login,
            fault: Fault::TlsRequired,
        };
        assert!(events.contains(&failed), "{reply}: {events:?}");
    }
}

#[test]
fn row_11_a_browser_is_shown_the_door() {
    for line in [
        "GET / HTTP/1.1",
        "POST / HTTP/1.1",
        "Host: x",
        "PRI * HTTP/2.0",
    ] {
        let mut server = Server::greeted(&full_server());
        let sent = server.say(format!("{line}\r\nUSER bob\r\n"));
        assert_eq!(codes(&sent), [500, 421], "{line}");
        assert_eq!(server.error, Some(Error::ForeignProtocol));
    }
    let mut server = Server::greeted(&full_server());
    let sent = server.say("EHLO x\r\n".repeat(20));
    assert_eq!(codes(&sent).len(), 11);
    assert_eq!(server.error, Some(Error::TooManyFaults));
    // The name of the handshake and ALPN are there for a policy.
    let mut tls = TlsInfo::default();
    tls.alpn = Some(Bytes::from_static(b"ftp"));
    let mut server = Server::greeted(&full_server());
    server.say("AUTH TLS\r\n");
    server.session.handle_tls_established(T0, tls);
    assert_eq!(
        server.session.tls().unwrap().alpn.as_deref(),
        Some(&b"ftp"[..])
    );
}

#[test]
fn row_12_a_private_data_connection_has_to_resume_the_session() {
    let mut config = full_server();
    config.require_resumption = true;
    let mut server = secured(&config);
    server.auto = false;
    server.say("EPSV\r\n");
    let id = listener(&server);
    server
        .session
        .handle_listening(T0, id, address("192.0.2.1:50000"));
    server
        .session
        .handle_connected(T0, id, address("192.0.2.9:1"));
    server.say("RETR file\r\n");
    assert!(matches!(server.actions.last(), Some(Action::Secure { .. })));
    server.session.handle_data_tls(T0, id, &TlsInfo::default());
    assert_eq!(codes(&server.turn()), [522]);
    assert!(
        !server
            .actions
            .iter()
            .any(|action| matches!(action, Action::Start { .. }))
    );
}

#[test]
fn row_13_a_truncated_transfer_is_no_transfer() {
    // rustls makes an end without close_notify a fault: the driver says so.
    let mut server = secured(&full_server());
    server.auto = false;
    server.say("EPSV\r\n");
    let id = listener(&server);
    server
        .session
        .handle_listening(T0, id, address("192.0.2.1:50000"));
    server
        .session
        .handle_connected(T0, id, address("192.0.2.9:1"));
    server.say("STOR new\r\n");
    server.session.handle_data_tls(T0, id, &TlsInfo::default());
    server
        .session
        .handle_transferred(T0, id, Err(TransferFault::Disconnected));
    assert_eq!(codes(&server.turn()), [426]);
    assert_eq!(server.store.ended, [false]);
    assert!(!server.store.files.contains_key(&b"/new"[..]));
    let mut receiver = Receiver::new(Format::IMAGE, DataLimits::default());
    let mut input = BytesMut::from(&b"half"[..]);
    receiver.poll_event(T0, &mut input).unwrap();
    receiver.handle_disconnect(T0);
    assert_eq!(
        receiver.poll_event(T0, &mut input),
        Err(DataError::Disconnected)
    );
    // A client that hears 226 and saw the data break has a part.
    let mut client = fetching(&plaintext_client(), "229 (|||5000|)\r\n");
    client.sent();
    let wishes = client.wishes();
    let Some(client::Action::Connect { id, to }) = wishes.last().cloned() else {
        panic!("{wishes:?}");
    };
    client.session.handle_connected(T0, id, to);
    client.hear("150\r\n");
    client.session.handle_transferred(T0, id, 3, false);
    let events = client.hear("226\r\n");
    assert!(
        events.iter().any(|event| matches!(
            event,
            Event::Failed {
                fault: Fault::DataBroken,
                ..
            }
        )),
        "{events:?}"
    );
}

#[test]
fn row_14_data_does_not_fall_back_to_the_clear() {
    let mut config = full_server();
    config.require_data_tls = true;
    config.allow_ccc = false;
    let mut server = secured(&config);
    assert_eq!(
        server.codes("PROT C\r\nCCC\r\nEPSV\r\nRETR file\r\n"),
        [534, 534, 229, 150, 226]
    );
    assert!(!server::Config::default().allow_ccc);
    assert!(
        server
            .actions
            .iter()
            .any(|action| matches!(action, Action::Secure { .. }))
    );
    let mut server = Server::logged_in(&config);
    assert_eq!(server.codes("EPSV\r\nRETR file\r\n"), [229, 521]);
}

#[test]
fn row_15_no_path_leads_above_the_root() {
    let mut server = Server::logged_in(&full_server());
    for path in [
        "../../../file",
        "/../file",
        "sub/../../file",
        "./././file",
        "//file",
    ] {
        let codes = server.codes(&format!("EPSV\r\nRETR {path}\r\n"));
        assert_eq!(codes, [229, 150, 226], "{path}");
    }
    assert_eq!(
        server.codes("CWD ../..\r\nPWD\r\nCWD sub\r\nRNFR ../../file\r\nRNTO ../../../x\r\n"),
        [250, 257, 250, 350, 250]
    );
    assert!(server.store.files.contains_key(&b"/x"[..]));
    let home = VirtualPath::root().join(b"a", 99).unwrap();
    for name in [&b"..\\..\\x"[..], b"C:\\x", b"...", b"..."] {
        let path = home.join(name, 99).unwrap();
        assert!(
            path.components()
                .all(|part| part != b".." && !part.contains(&b'/'))
        );
        assert_eq!(path.components().count(), 2);
    }
}

#[test]
fn row_16_names_of_a_listing_are_safe_or_none() {
    let today = DateTime::from_unix(1_700_000_000);
    let safe = |name: &str| {
        let line = format!("-rw-r--r-- 1 a b 3 Jan  2  2020 {name}");
        let mut parser = Parser::new(today);
        parser
            .parse_line(line.as_bytes())
            .and_then(|entry| entry.safe_name().map(<[u8]>::to_vec))
    };
    for name in [
        "../x",
        "/etc/passwd",
        "a/b",
        "..",
        ".",
        "..\\x",
        "C:x",
        "a\0b",
        "a\x1b[2J",
        "x:$DATA",
    ] {
        assert_eq!(safe(name), None, "{name:?}");
    }
    assert_eq!(safe(&"x".repeat(256)), None);
    assert_eq!(safe("a b").as_deref(), Some(&b"a b"[..]));
    let mut parser = Parser::new(today);
    let entry = parser.parse_line(b"type=file;size=3; ../../x").unwrap();
    assert_eq!((entry.name, entry.safe_name()), (&b"../../x"[..], None));
}

#[test]
fn row_17_a_link_is_never_a_directory() {
    let mut parser = Parser::new(DateTime::from_unix(1_700_000_000));
    let entry = parser
        .parse_line(b"lrwxrwxrwx 1 a b 3 Jan  2  2020 x -> /etc")
        .unwrap();
    assert_eq!((entry.kind, entry.is_directory()), (Kind::Link, false));
    assert_eq!((entry.name, entry.target), (&b"x"[..], Some(&b"/etc"[..])));
}

#[test]
fn row_18_names_are_never_commands_of_a_shell() {
    let mut server = Server::logged_in(&full_server());
    for name in ["|id", "`id`", "$(id)", "-rf", "*", "~root", "a;b"] {
        server.events.clear();
        server.codes(&format!("DELE {name}\r\n"));
        assert!(
            server.events[0].contains(&format!("\"/{name}\"")),
            "{:?}",
            server.events
        );
    }
}

#[test]
fn row_19_there_is_no_globbing() {
    let mut server = Server::logged_in(&full_server());
    let path = "{*,*}/../*".repeat(40);
    server.codes(&format!("EPSV\r\nLIST {path}\r\n"));
    // One question about one name, however many wildcards.
    let asked = server
        .events
        .iter()
        .filter(|event| event.starts_with("List"))
        .count();
    assert_eq!(asked, 1);
}

#[test]
fn row_20_options_of_list_go_nowhere() {
    let mut server = Server::logged_in(&full_server());
    for (line, path, all) in [
        ("LIST -w 1000000 -C", "/1000000 -C", false),
        ("LIST -la", "/", true),
        ("LIST -l --color=always x", "/--color=always x", false),
        ("LIST -R -a sub", "/sub", true),
        ("NLST -", "/", false),
    ] {
        server.events.clear();
        server.codes(&format!("EPSV\r\n{line}\r\n"));
        let asked = &server.events[0];
        assert!(
            asked.contains(&format!("path: \"{path}\"")),
            "{line}: {asked}"
        );
        assert!(asked.contains(&format!("all: {all}")), "{line}: {asked}");
    }
}

#[test]
fn row_21_telnet_is_taken_out_of_any_cuts() {
    let wire =
        b"\xff\xf4\xff\xf2AB\xff\xfb\x01OR\r\n\xff\xff\xff\r\n\xff\xfa\x01\xff\r\n\xffX\r\nNO\xff";
    for cut in 0..wire.len() {
        let mut decoder = LineDecoder::new(100);
        let (mut input, mut frames) = (BytesMut::new(), Vec::new());
        for part in [&wire[..cut], &wire[cut..]] {
            input.extend_from_slice(part);
            while let Some(frame) = decoder.decode(&mut input) {
                frames.push(frame);
            }
        }
        let line = |octets: &[u8]| Frame::Line(octets.to_vec());
        assert_eq!(
            frames,
            [line(b"ABOR"), line(b"\xff"), line(b""), line(b"")],
            "{cut}"
        );
        assert_eq!(&input[..], b"NO\xff");
    }
}

#[test]
fn row_22_text_is_converted_in_any_cuts_and_sizes_of_text_cost_nothing() {
    let wire = b"a\r\nb\r\r\nc\rd\r\0e\r\n\r\n\r";
    let want = b"a\nb\r\nc\rd\re\n\n\r";
    for first in 0..wire.len() {
        for second in first..wire.len() {
            let mut receiver = Receiver::new(Format::default(), DataLimits::default());
            let (mut input, mut content) = (BytesMut::new(), Vec::new());
            for part in [&wire[..first], &wire[first..second], &wire[second..]] {
                input.extend_from_slice(part);
                while let Some(event) = receiver.poll_event(T0, &mut input).unwrap() {
                    if let DataEvent::Chunk(data) = event {
                        content.extend_from_slice(&data);
                    }
                }
            }
            receiver.handle_eof(T0);
            while let Some(event) = receiver.poll_event(T0, &mut input).unwrap() {
                if let DataEvent::Chunk(data) = event {
                    content.extend_from_slice(&data);
                }
            }
            assert_eq!(content, want, "{first} {second}");
        }
    }
    // RFC 3659 section 4: it would have to be read whole.
    let mut server = Server::logged_in(&full_server());
    assert_eq!(server.codes("TYPE A\r\nSIZE file\r\n"), [200, 550]);
    assert!(!server.events.iter().any(|event| event.starts_with("Size")));
}

#[test]
fn row_23_nobody_learns_which_users_there_are() {
    let mut heard = Vec::new();
    for user in ["bob", "nobody", "root", ""] {
        let mut server = Server::greeted(&full_server());
        heard.push(server.say(format!("USER {user}x\r\nPASS wrong\r\n")));
    }
    heard.dedup();
    assert_eq!(heard, ["331 Password required\r\n530 Login incorrect\r\n"]);
}

#[test]
fn row_24_passwords_are_not_guessed_without_end() {
    let mut server = Server::greeted(&full_server());
    let sent = server.say("USER bob\r\nPASS x\r\n".repeat(9));
    assert_eq!(codes(&sent), [331, 530, 331, 530, 331, 530, 421]);
    assert_eq!(server.error, Some(Error::TooManyFailures));
    // A login that works does not give new tries to the old ones of another session; REIN neither.
    let mut server = Server::greeted(&full_server());
    let sent = server.say("USER bob\r\nPASS x\r\nREIN\r\n".repeat(9));
    assert_eq!(codes(&sent).last(), Some(&421));
}

#[test]
fn row_25_nothing_is_done_for_who_is_not_logged_in() {
    let harmless = [
        "USER", "PASS", "ACCT", "REIN", "QUIT", "ABOR", "SYST", "HELP", "NOOP", "FEAT", "OPTS",
        "LANG", "HOST", "CLNT", "AUTH", "PBSZ", "PROT", "ADAT", "MIC", "CONF", "ENC", "STAT",
    ];
    for verb in proto_ftp::wire::Verb::ALL {
        if harmless.contains(&verb.name()) {
            continue;
        }
        let mut server = Server::greeted(&full_server());
        assert_eq!(
            server.codes(&format!("{} file\r\n", verb.name())),
            [530],
            "{verb:?}"
        );
        assert!(server.events.is_empty() && server.actions.is_empty());
    }
    let mut server = Server::greeted(&full_server());
    assert_eq!(
        server.codes("STAT sub\r\nSITE CPFR /etc/passwd\r\n"),
        [530, 530]
    );
}

#[test]
fn row_26_late_news_of_an_old_transfer_changes_nothing() {
    let mut server = Server::logged_in(&full_server());
    server.auto = false;
    server.say("PORT 192,0,2,9,160,0\r\nSTOR new\r\n");
    let Some(Action::Connect { id: old, to }) = server.actions.last().cloned() else {
        panic!();
    };
    server.session.handle_connected(T0, old, to);
    assert_eq!(
        server.codes("ABOR\r\nPORT 192,0,2,9,160,1\r\nSTOR new\r\n"),
        [426, 226, 200, 150]
    );
    let before = server.actions.len();
    server.session.handle_connected(T0, old, to);
    server.session.handle_progress(T0, old, 5);
    server.session.handle_data_tls(T0, old, &TlsInfo::default());
    server.session.handle_transferred(T0, old, Ok(5));
    server.session.handle_failed(T0, old);
    assert_eq!(server.turn(), "");
    assert_eq!(server.actions.len(), before);
    // Data that comes before the command is left alone: nothing starts before 150.
    let mut server = Server::logged_in(&full_server());
    server.auto = false;
    server.say("EPSV\r\n");
    let id = listener(&server);
    server
        .session
        .handle_listening(T0, id, address("192.0.2.1:50000"));
    server
        .session
        .handle_connected(T0, id, address("192.0.2.9:1"));
    server.session.handle_transferred(T0, id, Ok(5));
    assert_eq!(codes(&server.turn()), [229]);
    assert_eq!(codes(&server.say("STOR new\r\n")), [150]);
    assert!(matches!(server.actions.last(), Some(Action::Start { .. })));
}

#[test]
fn row_27_one_listener_at_a_time_and_none_for_ever() {
    let mut server = Server::logged_in(&full_server());
    server.auto = false;
    for _ in 0..100 {
        server.say("EPSV\r\n");
        let id = listener(&server);
        server
            .session
            .handle_listening(T0, id, address("192.0.2.1:50000"));
        server.turn();
    }
    let count = |wanted: fn(&Action) -> bool| {
        server
            .actions
            .iter()
            .filter(|action| wanted(action))
            .count()
    };
    assert_eq!(count(|action| matches!(action, Action::Listen { .. })), 100);
    assert_eq!(count(|action| matches!(action, Action::Close { .. })), 99);
    server.say("RETR file\r\n");
    server.now += Duration::from_secs(31);
    server.session.handle_timeout(server.now);
    assert_eq!(codes(&server.turn()), [425]);
    assert!(matches!(server.actions.last(), Some(Action::Close { .. })));
    // Control without a word.
    server.now += Duration::from_secs(301);
    server.session.handle_timeout(server.now);
    assert_eq!(codes(&server.turn()), [421]);
}

#[test]
fn row_28_listings_full_of_nonsense_are_read_without_panic() {
    let today = DateTime::from_unix(1_700_000_000);
    let lines: [&[u8]; 12] = [
        b"-rw-r--r-- 1 a b 99999999999999999999999999 Jan  2  2020 x",
        b"-rw-r--r-- 1 a b 3 Feb 29  2021 x",
        b"-rw-r--r-- 1 a b 3 Jan  2  0000 x",
        b"-rw-r--r-- 1 a b 3 Jan  2 24:00 x",
        b"-rw-r--r-- 1 a b 3 Jan  2  9999 x",
        b"+i,m,s,/,\tx",
        b"+s99999999999999999999999999,\tx",
        b"type=file;size=-1;modify=99999999999999; x",
        b"type=;;=; x",
        b"x.y;999999999999999999999 1/2 2-JUL-2003 10:30 [A,B] (R)",
        b"d",
        b"",
    ];
    for line in lines {
        let mut parser = Parser::new(today);
        if let Some(entry) = parser.parse_line(line) {
            assert!(!entry.name.is_empty());
        }
        for end in 0..line.len() {
            let _ = parser.parse_line(&line[..end]);
        }
    }
    assert_eq!(parse_quoted(b"\"never closed"), None);
    assert_eq!(parse_quoted(b"no quote"), None);
}

#[test]
fn row_29_replies_full_of_nonsense_are_faults() {
    for text in [
        "(1,2,3,4,256,1)",
        "(1,2,3,4,5)",
        "(1,2,3,4,0,0)",
        "(99999999999,2,3,4,5,6)",
        "",
    ] {
        assert!(parse_pasv_reply(text.as_bytes()).is_err(), "{text}");
    }
    for text in [
        "(|||0|)",
        "(|||1000000|)",
        "(|||65536|)",
        "(||1|)",
        "(\x01\x01\x011\x01)",
        "(|||)",
        "|||1|",
    ] {
        assert!(parse_epsv_reply(text.as_bytes()).is_err(), "{text}");
    }
    for line in [
        "000 x\r\n",
        "999 x\r\n",
        "- x\r\n",
        "22 x\r\n",
        "2200 x\r\n",
        "220x\r\n",
    ] {
        let mut client = Client::new(&plaintext_client());
        client.hear(line);
        assert!(
            matches!(client.error, Some(client::Error::Reply(_))),
            "{line:?}"
        );
    }
    // Only the own code, and a blank, end a reply.
    let mut client = Client::new(&plaintext_client());
    assert!(client.hear("220-a\r\n221 b\r\n220-c\r\n").is_empty());
    assert_eq!(client.hear("220 d\r\n").len(), 1);
}

#[test]
fn row_30_a_reply_to_nothing_is_no_reply_to_the_next() {
    let mut client = Client::greeted(&plaintext_client());
    client.hear("226 stale\r\n");
    assert_eq!(client.error, Some(client::Error::Desync { code: 226 }));
    assert_eq!(client.session.noop(), Err(client::UsageError::Closed));
    let mut client = Client::greeted(&plaintext_client());
    client.session.noop().unwrap();
    client.sent();
    client.hear("150 data?\r\n");
    assert_eq!(client.error, Some(client::Error::Desync { code: 150 }));
}

#[test]
fn row_31_a_session_has_one_identity() {
    // There is no pool: TLS and login belong to one value, and REIN and AUTH take them away.
    let mut pair = Pair::new(&client::Config::default(), &full_server());
    let auth = pair.client.auth_tls().unwrap();
    pair.code_of(auth);
    let login = pair.client.login("bob", "hungry").unwrap();
    assert_eq!(pair.code_of(login), 230);
    let again = pair.client.login("eve", "x").unwrap();
    assert_eq!(pair.code_of(again), 530);
    let pwd = pair.client.pwd().unwrap();
    assert_eq!(pair.code_of(pwd), 530);
}

#[test]
fn row_32_a_clients_words_never_begin_a_line_of_ours() {
    let mut server = Server::logged_in(&full_server());
    let sent = server
        .say("MKD 227 (1,2,3,4,5,6)\r\nCWD 227 (1,2,3,4,5,6)\r\nPWD\r\n227 (1,2,3,4,5,6)\r\n");
    for line in sent.lines() {
        assert!(!line.starts_with("227"), "{line}");
    }
    let sent = server.say("MKD a\x1b[2Jb\r\n");
    assert_eq!(sent, "257 \"/227 (1,2,3,4,5,6)/a?[2Jb\" created\r\n");
    let mut wire = BytesMut::new();
    Reply::new(211, "a\r\n227 (1,2,3,4,5,6)\nb").encode(&mut wire);
    assert_eq!(&wire[..], b"211-a?\r\n 227 (1,2,3,4,5,6)\r\n211 b\r\n");
}

#[test]
fn row_33_no_password_is_shown() {
    let mut server = Server::greeted(&full_server());
    server.answers = false;
    server.say("USER bob\r\nPASS s3cret\r\n");
    let shown = format!("{:?} {:?} {:?}", server.session, server.open, server.events);
    assert!(
        !shown.contains("s3cret") && !shown.contains("115, 51"),
        "{shown}"
    );
    let command = format!("{:?}", Command::parse(b"PASS s3cret").unwrap());
    assert!(!command.contains("s3cret"), "{command}");
    let mut client = Client::greeted(&plaintext_client());
    client.session.login("bob", "s3cret").unwrap();
    let shown = format!("{:?}", client.session);
    assert!(
        !shown.contains("s3cret") && !shown.contains("115, 51"),
        "{shown}"
    );
    client.sent();
    client.hear("331\r\n");
    let _ = client.session.poll_transmit(T0, 0);
    let shown = format!("{:?}", client.session);
    assert!(!shown.contains("s3cret"), "{shown}");
}

#[test]
fn row_34_a_bomb_is_defused() {
    let mut format = Format::IMAGE;
    format.mode = Mode::Deflate;
    let mut sender = Sender::new(format, DataLimits::default());
    let mut limits = DataLimits::default();
    limits.max_output = 1 << 20;
    let mut receiver = Receiver::new(format, limits);
    let (mut input, mut made) = (BytesMut::new(), 0);
    let mut fault = None;
    'all: for _ in 0..1000 {
        let mut zeros = Bytes::from_static(&[0; 65_536]);
        sender.send_data(&mut zeros, false);
        while let Some(DataTransmit::Data(data)) = sender.poll_transmit(T0, 1 << 16) {
            input.extend_from_slice(&data);
        }
        loop {
            match receiver.poll_event(T0, &mut input) {
                Ok(Some(DataEvent::Chunk(data))) => made += data.len(),
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(error) => {
                    fault = Some(error);
                    break 'all;
                }
            }
        }
    }
    assert_eq!(fault, Some(DataError::TooLarge { limit: 1 << 20 }));
    assert!(made <= 1 << 20, "{made}");
    // A ratio that no deflate has.
    let mut limits = DataLimits::default();
    limits.max_ratio = 10;
    format.mode = Mode::Compressed;
    let mut receiver = Receiver::new(format, limits);
    let mut input = BytesMut::from(&[0xbf, 0].repeat(60_000)[..]);
    let fault = loop {
        match receiver.poll_event(T0, &mut input) {
            Ok(Some(_)) => {}
            Ok(None) => panic!("all of it"),
            Err(error) => break error,
        }
    };
    assert_eq!(fault, DataError::TooLarge { limit: 10 });
}

#[test]
fn row_35_names_are_octets_and_nothing_else() {
    let mut server = Server::logged_in(&full_server());
    let sent = server.say("MKD %s%n%x' OR 1=1 --\r\nUSER :)\r\n");
    assert_eq!(
        sent,
        "257 \"/%s%n%x' OR 1=1 --\" created\r\n331 Password required\r\n"
    );
}

#[test]
fn row_36_an_offset_beyond_all_bounds_is_refused() {
    let mut server = Server::logged_in(&full_server());
    assert_eq!(
        server.codes("TYPE I\r\nREST 99999999999999999999\r\nREST -1\r\nREST\r\nREST 18446744073709551615\r\nEPSV\r\nREST 16\r\nRETR file\r\nEPSV\r\nREST 15\r\nRETR file\r\n"),
        [200, 501, 501, 501, 350, 229, 350, 550, 229, 350, 150, 226]
    );
}

#[test]
fn row_37_times_that_do_not_exist_are_refused() {
    let mut server = Server::logged_in(&full_server());
    for time in [
        "20200230000000",
        "20201301000000",
        "20200101246060",
        "99999999999999",
        "2020",
        "x",
        "00000000000000",
    ] {
        assert_eq!(
            server.codes(&format!("MFMT {time} file\r\n")),
            [501],
            "{time}"
        );
    }
    assert_eq!(server.codes("MFMT 20240229235960 file\r\n"), [213]);
}

#[test]
fn row_38_a_unique_name_is_the_storages_own() {
    let mut server = Server::logged_in(&full_server());
    let sent = server.say("EPSV\r\nSTOU\r\nEPSV\r\nSTOU\r\n");
    assert!(
        sent.contains("150 FILE: /unique.1\r\n") && sent.contains("150 FILE: /unique.2\r\n"),
        "{sent}"
    );
    assert!(
        server
            .events
            .iter()
            .any(|event| event.contains("mode: Unique"))
    );
}

#[test]
fn row_39_after_epsv_all_there_is_no_other_way() {
    let mut server = Server::logged_in(&full_server());
    assert_eq!(
        server.codes("EPSV ALL\r\nPASV\r\nPORT 192,0,2,9,160,0\r\nEPRT |1|192.0.2.9|41000|\r\nEPSV\r\nRETR file\r\n"),
        [200, 501, 501, 501, 229, 150, 226]
    );
}

#[test]
fn row_40_octets_of_names_come_through_unchanged() {
    let mut pair = Pair::new(&plaintext_client(), &full_server());
    pair.client.login("bob", "hungry").unwrap();
    for name in [
        &b"\xff"[..],
        b"\xff\xf4\xff\xf2",
        b"\xc0\xae\xc0\xae",
        "\u{202e}cod".as_bytes(),
        b"\xff\xff",
    ] {
        let id = pair.client.mkd(name).unwrap();
        let reply = pair.end_of(id).unwrap().0;
        assert_eq!(reply.code(), 257);
        let path = [b"/", name].concat();
        assert!(pair.store.folders.contains(&path), "{name:?}");
        assert_eq!(parse_quoted(reply.text()), Some(path));
    }
}

/// Whatever comes, a session that is closed says nothing more.
#[test]
fn after_the_end_there_is_silence() {
    let mut session = new_server(T0, &full_server(), &ServerLimits::default());
    session.close();
    let mut steps = Vec::new();
    while let Some(step) = session.poll_transmit(T0, 999) {
        steps.push(step);
    }
    assert!(matches!(
        &steps[..],
        [Transmit::Data(_), Transmit::Shutdown]
    ));
    let mut input = BytesMut::from(&b"USER bob\r\n"[..]);
    assert!(matches!(session.poll_event(T0, &mut input), Ok(None)));
    assert!(input.is_empty() && session.poll_transmit(T0, 999).is_none());
    session.handle_eof(T0);
    assert!(session.is_closed());
    // A record that has no end is not one.
    let mut format = Format::IMAGE;
    format.structure = Structure::Record;
    let mut receiver = Receiver::new(format, DataLimits::default());
    let mut input = BytesMut::from(&b"abc\xff"[..]);
    while let Ok(Some(_)) = receiver.poll_event(T0, &mut input) {}
    receiver.handle_eof(T0);
    assert_eq!(
        receiver.poll_event(T0, &mut input),
        Err(DataError::UnexpectedEof)
    );
}

#[test]
fn nothing_is_said_in_the_middle_of_a_handshake() {
    let mut server = Server::greeted(&full_server());
    assert!(server.say("AUTH TLS\r\n").ends_with("[StartTls]"));
    server.session.close();
    assert_eq!(server.turn(), "[Shutdown]");
    let mut server = Server::greeted(&full_server());
    server.say("AUTH TLS\r\n");
    server.now += Duration::from_secs(400);
    server.session.handle_timeout(server.now);
    assert_eq!(server.turn(), "[Shutdown]");
    assert_eq!(server.error, Some(Error::IdleTimeout));
}

#[test]
fn a_dead_connection_has_no_more_steps() {
    let mut server = Server::greeted(&full_server());
    server.session.close();
    server.now += Duration::from_secs(6);
    server.session.handle_timeout(server.now);
    server.session.handle_disconnect(server.now);
    assert_eq!(server.session.poll_transmit(server.now, 99), None);
    assert!(server.session.is_closed());
}

/// OpenVMS breaks lines after long names; how far the second one may go does not depend on the cuts.
#[test]
fn a_broken_line_is_joined_within_the_limit_whatever_the_cuts() {
    let today = DateTime::from_unix(1_700_000_000);
    let text = [
        &b"LONG-NAME.EXT;1\n"[..],
        &[b' '; 300],
        b"10/12  2-JUL-2003 10:30:13.64\n",
    ]
    .concat();
    let read = |step: usize| {
        let mut parser = Parser::new(today).max_line(200);
        let (mut held, mut found) = (Vec::new(), Vec::new());
        for (at, piece) in text.chunks(step).enumerate() {
            held.extend_from_slice(piece);
            while let Some((len, item)) = parser.next(&held, (at + 1) * step >= text.len()) {
                if !matches!(item, Item::TooLong) {
                    found.push(format!("{item:?}"));
                }
                held.drain(..len);
            }
        }
        found
    };
    let whole = read(text.len());
    for step in 1..text.len() {
        assert_eq!(read(step), whole, "{step}");
    }
}
