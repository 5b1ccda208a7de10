//! Known answers, both ways.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod common;

use bytes::BytesMut;
use common::{Client, Server, T0, plaintext_client, plaintext_server};
use proto_mail::pop3::wire::{
    Base64, Capabilities, Capability, Command, Digest, Expire, LanguageRange, ListItem, Password,
    Reply, ResponseCode, Stat, Text, Timestamp, UniqueId, UniqueIdItem,
};
use proto_mail::pop3::{client, memory::MemoryStore, server};
use proto_mail::sasl::Mechanism;

fn text(octets: &str) -> Text<'_> {
    Text::new(octets).unwrap()
}

/// The session that the lecture shows, each line as it stands there. (The lecture leaves out the
/// `+OK` lines before listings and messages and after dele; RFC 1939 has them.)
#[test]
fn the_session_of_the_lecture_word_for_word() {
    let one = "<message 1 contents>\r\n".to_owned() + &"x".repeat(474) + "\r\n";
    let two = "<message 2 contents>\r\n".to_owned() + &"y".repeat(888) + "\r\n";
    let mut server = Server::plaintext();
    server.store = MemoryStore::new();
    server.store.add_user("bob", "hungry");
    server.store.deliver("bob", one.clone());
    server.store.deliver("bob", two.clone());
    for (client, answer) in [
        ("", "+OK POP3 server ready\r\n".to_owned()),
        ("user bob\r\n", "+OK\r\n".to_owned()),
        (
            "pass hungry\r\n",
            "+OK user successfully logged on\r\n".to_owned(),
        ),
        (
            "list\r\n",
            "+OK 2 messages (1410 octets)\r\n1 498\r\n2 912\r\n.\r\n".to_owned(),
        ),
        ("retr 1\r\n", format!("+OK 498 octets\r\n{one}.\r\n")),
        ("dele 1\r\n", "+OK message 1 deleted\r\n".to_owned()),
        ("retr 2\r\n", format!("+OK 912 octets\r\n{two}.\r\n")),
        ("dele 2\r\n", "+OK message 2 deleted\r\n".to_owned()),
        (
            "quit\r\n",
            "+OK POP3 server signing off\r\n[Shutdown]".to_owned(),
        ),
    ] {
        assert_eq!(server.say(client), answer, "{client:?}");
    }
    assert_eq!(server.store.messages("bob").count(), 0);
    assert_eq!(server.error, None);
}

/// RFC 1939 section 10, with the sizes that are shown there.
#[test]
fn the_example_session_of_rfc_1939() {
    let mut config = plaintext_server();
    config.apop = true;
    let mut server = Server::new(config, server::Limits::default());
    server.store = MemoryStore::new();
    server.store.add_user("mrose", "secret");
    for size in [120, 200] {
        server.store.deliver("mrose", "z".repeat(size - 2));
    }
    let greeting = server.say("");
    let timestamp = Timestamp::find(greeting.trim_end().as_bytes()).unwrap();
    let digest = Digest::compute(&timestamp, b"secret");
    let mut apop = BytesMut::new();
    let name = text("mrose");
    Command::Apop { name, digest }.encode(&mut apop);
    assert_eq!(server.say(apop), "+OK user successfully logged on\r\n");
    assert_eq!(server.say("STAT\r\n"), "+OK 2 320\r\n");
    let listing = "+OK 2 messages (320 octets)\r\n1 120\r\n2 200\r\n.\r\n";
    assert_eq!(server.say("LIST\r\n"), listing);
    assert!(server.say("RETR 1\r\n").starts_with("+OK 120 octets\r\n"));
    assert_eq!(server.say("DELE 1\r\n"), "+OK message 1 deleted\r\n");
    assert_eq!(server.say("LIST 1\r\n"), "-ERR no such message\r\n");
    assert_eq!(server.say("LIST 2\r\n"), "+OK 2 200\r\n");
    assert_eq!(server.say("STAT\r\n"), "+OK 1 200\r\n");
    assert_eq!(server.say("RSET\r\n"), "+OK 2 messages (320 octets)\r\n");
}

/// RFC 1939 section 7.
#[test]
fn the_apop_example_of_rfc_1939() {
    let timestamp = Timestamp::find(b"+OK POP3 server ready <1896.697170952@dbc.mtview.ca.us>");
    let timestamp = timestamp.unwrap();
    let line = b"APOP mrose c4c9334bac560ecc979e58001b3e22fb";
    let Ok(Command::Apop { name, digest }) = Command::parse(line) else {
        panic!("no APOP")
    };
    assert_eq!(name.as_bytes(), b"mrose");
    assert!(digest.verify(&timestamp, b"tanstaaf"));
    assert!(!digest.verify(&timestamp, b"tanstaag"));
    assert_eq!(Digest::compute(&timestamp, b"tanstaaf"), digest);

    let mut config = plaintext_client();
    config.allow_apop = true;
    let mut client = Client::new(config, client::Limits::default());
    client.hear("+OK POP3 server ready <1896.697170952@dbc.mtview.ca.us>\r\n");
    client.session.apop("mrose", "tanstaaf").unwrap();
    assert_eq!(client.sent().trim_end().as_bytes(), line);
}

#[test]
fn commands_both_ways() {
    let n = |number| core::num::NonZeroU32::new(number).unwrap();
    let plain = Base64::new("dGVzdAB0ZXN0AHRlc3Q=").unwrap();
    let digest = Digest::parse(b"c4c9334bac560ecc979e58001b3e22fb").unwrap();
    let (name, mechanism) = (text("mrose"), Mechanism::PLAIN);
    for (line, command) in [
        ("USER mrose", Command::User(name)),
        ("USER a b", Command::User(text("a b"))),
        (
            "PASS secret word ",
            Command::Pass(Password::new("secret word ").unwrap()),
        ),
        (
            "APOP mrose c4c9334bac560ecc979e58001b3e22fb",
            Command::Apop { name, digest },
        ),
        (
            "AUTH PLAIN",
            Command::Auth {
                mechanism,
                initial: None,
            },
        ),
        (
            "AUTH PLAIN dGVzdAB0ZXN0AHRlc3Q=",
            Command::Auth {
                mechanism,
                initial: Some(plain),
            },
        ),
        ("AUTH", Command::AuthList),
        ("STAT", Command::Stat),
        ("LIST", Command::List(None)),
        ("LIST 2", Command::List(Some(n(2)))),
        ("UIDL", Command::Uidl(None)),
        ("UIDL 4294967295", Command::Uidl(Some(n(u32::MAX)))),
        ("RETR 1", Command::Retr(n(1))),
        (
            "TOP 1 10",
            Command::Top {
                message: n(1),
                lines: 10,
            },
        ),
        ("DELE 1", Command::Dele(n(1))),
        ("NOOP", Command::Noop),
        ("RSET", Command::Rset),
        ("QUIT", Command::Quit),
        ("CAPA", Command::Capa),
        ("STLS", Command::Stls),
        ("UTF8", Command::Utf8),
        ("LANG", Command::Lang(None)),
        (
            "LANG *",
            Command::Lang(Some(LanguageRange::new("*").unwrap())),
        ),
        (
            "LANG fr-CA",
            Command::Lang(Some(LanguageRange::new("fr-CA").unwrap())),
        ),
    ] {
        assert_eq!(Command::parse(line.as_bytes()), Ok(command), "{line}");
        let mut wire = BytesMut::new();
        command.encode(&mut wire);
        assert_eq!(wire, format!("{line}\r\n"));
        let (keyword, rest) = line.split_at(line.find(' ').unwrap_or(line.len()));
        let lower = keyword.to_ascii_lowercase() + rest;
        assert_eq!(Command::parse(lower.as_bytes()), Ok(command), "{lower}");
    }
}

/// The listing of RFC 2449 section 5, and what came later.
#[test]
fn capabilities_both_ways() {
    let days = |days, per_user| Capability::Expire {
        after: Expire::Days(days),
        per_user,
    };
    for (line, capability) in [
        ("TOP", Capability::Top),
        ("USER", Capability::User),
        (
            "SASL CRAM-MD5 KERBEROS_V4",
            Capability::Sasl(text("CRAM-MD5 KERBEROS_V4")),
        ),
        ("RESP-CODES", Capability::RespCodes),
        (
            "LOGIN-DELAY 900",
            Capability::LoginDelay {
                seconds: 900,
                per_user: false,
            },
        ),
        (
            "LOGIN-DELAY 120 USER",
            Capability::LoginDelay {
                seconds: 120,
                per_user: true,
            },
        ),
        ("PIPELINING", Capability::Pipelining),
        ("EXPIRE 60", days(60, false)),
        ("EXPIRE 5 USER", days(5, true)),
        (
            "EXPIRE NEVER",
            Capability::Expire {
                after: Expire::Never,
                per_user: false,
            },
        ),
        ("UIDL", Capability::Uidl),
        (
            "IMPLEMENTATION Shlemazle-Plotz-v302",
            Capability::Implementation(text("Shlemazle-Plotz-v302")),
        ),
        ("STLS", Capability::Stls),
        ("AUTH-RESP-CODE", Capability::AuthRespCode),
        ("UTF8", Capability::Utf8 { user: false }),
        ("UTF8 USER", Capability::Utf8 { user: true }),
        ("LANG", Capability::Lang),
        (
            "X-UNHEARD-OF 1 2",
            Capability::Unknown(text("X-UNHEARD-OF 1 2")),
        ),
        ("EXPIRE soon", Capability::Unknown(text("EXPIRE soon"))),
        (
            "LOGIN-DELAY 4294967296",
            Capability::Unknown(text("LOGIN-DELAY 4294967296")),
        ),
    ] {
        assert_eq!(Capability::parse(text(line)), capability, "{line}");
        let mut wire = BytesMut::new();
        capability.encode(&mut wire);
        assert_eq!(wire, line);
    }
}

#[test]
fn the_capability_list_of_rfc_2449_in_a_session() {
    let mut client = Client::greeted(client::Limits::default());
    let id = client.session.capa().unwrap();
    client.sent();
    let events = client.hear(
        "+OK Capability list follows\r\nTOP\r\nUSER\r\nSASL CRAM-MD5 KERBEROS_V4\r\nRESP-CODES\r\n\
         LOGIN-DELAY 900\r\nPIPELINING\r\nEXPIRE 60\r\nUIDL\r\n\
         IMPLEMENTATION Shlemazle-Plotz-v302\r\n.\r\n",
    );
    let capabilities = client.session.capabilities().clone();
    let done = Reply::ok("Capability list follows");
    assert_eq!(
        events,
        [
            client::Event::Capabilities {
                id,
                capabilities: capabilities.clone()
            },
            client::Event::Done { id, reply: done }
        ]
    );
    assert_eq!(capabilities.iter().count(), 9);
    let names: Vec<String> = capabilities
        .mechanisms()
        .map(|name| name.to_string())
        .collect();
    assert_eq!(names, ["CRAM-MD5", "KERBEROS_V4"]);
    assert!(capabilities.contains(Capability::Pipelining) && !capabilities.has_utf8());
}

#[test]
fn capabilities_differ_before_and_after_tls_and_login() {
    let mut config = server::Config::default();
    (config.utf8, config.login_delay) = (true, Some(900));
    config.expire = Some(Expire::Never);
    config.implementation = Some("x".into());
    let mut server = Server::new(config, server::Limits::default());
    server.say("");
    let common = "RESP-CODES\r\nLOGIN-DELAY 900\r\nPIPELINING\r\nEXPIRE NEVER\r\nUIDL\r\n";
    let rest = "AUTH-RESP-CODE\r\nUTF8 USER\r\nLANG\r\nIMPLEMENTATION x\r\n.\r\n";
    assert_eq!(
        server.say("CAPA\r\n"),
        format!("+OK capability list follows\r\nTOP\r\n{common}STLS\r\n{rest}")
    );
    assert_eq!(
        server.say("STLS\r\n"),
        "+OK begin TLS negotiation\r\n[StartTls]"
    );
    server
        .session
        .handle_tls_established(T0, Default::default());
    let secure =
        format!("+OK capability list follows\r\nTOP\r\nUSER\r\nSASL PLAIN\r\n{common}{rest}");
    assert_eq!(server.say("CAPA\r\n"), secure);
    server.say("USER bob\r\nPASS hungry\r\n");
    assert_eq!(server.say("CAPA\r\n"), secure);
}

/// RFC 2449 section 8.1, RFC 3206, RFC 6856 section 5.
#[test]
fn response_codes_both_ways() {
    for (line, code) in [
        (
            "-ERR [IN-USE] Do you have another POP session running?",
            ResponseCode::InUse,
        ),
        (
            "-ERR [LOGIN-DELAY] minimum time between mail checks violation",
            ResponseCode::LoginDelay,
        ),
        ("-ERR [SYS/TEMP] try later", ResponseCode::SysTemp),
        ("-ERR [SYS/PERM] broken", ResponseCode::SysPerm),
        ("-ERR [AUTH] no", ResponseCode::Auth),
        ("-ERR [UTF8] needs UTF8", ResponseCode::Utf8),
        ("-ERR [X/Y/Z] new", ResponseCode::Unknown(text("X/Y/Z"))),
    ] {
        let reply = Reply::parse(line.as_bytes()).unwrap();
        assert_eq!(reply.code(), Some(code));
        assert_eq!(Reply::err_with(code, reply.text()), reply);
    }
}

/// RFC 1939 sections 5 and 7.
#[test]
fn listings_both_ways() {
    let stat = Stat {
        messages: 2,
        octets: 320,
    };
    assert_eq!(Stat::parse(b"2 320"), Ok(stat));
    let item = ListItem {
        message: 2,
        octets: 200,
    };
    assert_eq!(ListItem::parse(b"2 200"), Ok(item));
    let unique_id = UniqueId::new("QhdPYR:00WBw1Ph7x7").unwrap();
    let id = UniqueIdItem {
        message: 2,
        unique_id,
    };
    assert_eq!(UniqueIdItem::parse(b"2 QhdPYR:00WBw1Ph7x7"), Ok(id));
    let mut wire = BytesMut::new();
    stat.encode(&mut wire);
    item.encode(&mut wire);
    id.encode(&mut wire);
    assert_eq!(wire, "2 3202 2002 QhdPYR:00WBw1Ph7x7");
}

/// RFC 5034 section 6, with the initial response and without.
#[test]
fn auth_plain_as_in_rfc_5034() {
    for dialogue in [
        &[(
            "AUTH PLAIN dGVzdAB0ZXN0AHRlc3Q=\r\n",
            "+OK user successfully logged on\r\n",
        )][..],
        &[
            ("AUTH PLAIN\r\n", "+ \r\n"),
            (
                "dGVzdAB0ZXN0AHRlc3Q=\r\n",
                "+OK user successfully logged on\r\n",
            ),
        ],
        &[
            ("AUTH PLAIN\r\n", "+ \r\n"),
            ("*\r\n", "-ERR authentication cancelled\r\n"),
            ("STAT\r\n", "-ERR not now\r\n"),
        ],
    ] {
        let mut server = Server::plaintext();
        server.store.add_user("test", "test");
        server.say("");
        for (client, answer) in dialogue {
            assert_eq!(server.say(client), *answer, "{client:?}");
        }
    }
}

/// RFC 6856 section 3.
#[test]
fn languages_are_listed_and_chosen() {
    let mut server = Server::plaintext();
    server.say("");
    let listing = "+OK language listing follows\r\nen English\r\n.\r\n";
    assert_eq!(server.say("LANG\r\n"), listing);
    assert_eq!(server.say("LANG en-GB\r\n"), "+OK en language changed\r\n");
    assert_eq!(server.say("LANG *\r\n"), "+OK en language changed\r\n");
    assert_eq!(server.say("LANG uga\r\n"), "-ERR no such language\r\n");

    let mut client = Client::greeted(client::Limits::default());
    let id = client.session.lang(None).unwrap();
    client.sent();
    let line = "en English".into();
    assert_eq!(
        client.hear(listing)[0],
        client::Event::Language { id, line }
    );
}

#[test]
fn top_stops_after_the_lines_that_were_asked_for() {
    let mut server = Server::logged_in(server::Limits::default());
    let head = "+OK\r\nSubject: one\r\n\r\n";
    assert_eq!(server.say("TOP 1 0\r\n"), format!("{head}.\r\n"));
    assert_eq!(
        server.say("TOP 1 1\r\n"),
        format!("{head}..leading dot\r\n.\r\n")
    );
    let three = format!("{head}..leading dot\r\nline two\r\n..\r\n.\r\n");
    assert_eq!(server.say("TOP 1 3\r\n"), three);
    let all = server.say("RETR 1\r\n").replace("+OK 48 octets", "+OK");
    assert_eq!(server.say("TOP 1 99999999999\r\n"), all);
    assert_eq!(server.say("NOOP\r\n"), "+OK\r\n");
}

#[test]
fn an_empty_capability_list_is_one() {
    let mut client = Client::greeted(client::Limits::default());
    client.session.capa().unwrap();
    client.sent();
    client.hear("+OK\r\n.\r\n");
    assert_eq!(client.session.capabilities(), &Capabilities::default());
    assert_eq!(client.error, None);
}
