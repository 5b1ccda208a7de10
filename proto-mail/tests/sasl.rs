//! SASL exchanges, both sides against each other, whatever the mechanism; and against sides that
//! lie.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use bytes::BytesMut;
use core::time::Duration;
use proto_mail::sasl::Mechanism;
use proto_mail::sasl::client::{Client, ClientError, strongest};
use proto_mail::sasl::memory::{Login, Users, Verdict};
use proto_mail::sasl::scram::{Credentials, Hash, ScramError};
use proto_mail::sasl::server::{Claim, Known, Server, ServerError, Step};
use proto_mail::{Secret, TlsInfo, Transmit};

const T0: Duration = Duration::from_secs(1000);

fn users() -> Users {
    let mut users = Users::with_seed([3; 32]);
    users.add("bob", "hungry");
    users.add("al,i=ce", "ket\u{aa}chup");
    users
}

fn tls() -> TlsInfo {
    let mut tls = TlsInfo::default();
    tls.exporter = Some([9; 32]);
    tls
}

/// Who is logged in at the end, if the server says so and the client is content.
fn login(mechanism: Mechanism, user: &str, password: &str) -> Option<Vec<u8>> {
    let (mut users, tls) = (users(), tls());
    let exporter = mechanism.binds_channel().then_some(&[9; 32][..]);
    let secret = Secret::from(password);
    let mut client = Client::new(mechanism, user, &secret, [1; 32], exporter).unwrap();
    let mut login = Login::new();
    let initial = client.initial();
    let mut verdict = login.begin(&mut users, mechanism, initial.as_ref(), Some(&tls), false);
    loop {
        match verdict {
            Verdict::Challenge(challenge) => {
                let response = client.respond(&challenge).unwrap();
                verdict = login.respond(&users, &response);
            }
            Verdict::Accept(user) => {
                assert!(client.is_done(), "{mechanism}");
                return Some(user);
            }
            Verdict::Reject => return None,
        }
    }
}

#[test]
fn every_mechanism_logs_the_right_user_in_and_nobody_else() {
    for mechanism in users().mechanisms(true) {
        assert_eq!(
            login(mechanism, "bob", "hungry").unwrap(),
            b"bob",
            "{mechanism}"
        );
        // SASLprep: soft hyphens vanish, and the feminine ordinal is an a.
        let found = login(mechanism, "al\u{ad},i=ce", "ketachup");
        assert_eq!(found.unwrap(), b"al,i=ce", "{mechanism}");
        for (user, password) in [("bob", "thirsty"), ("bob", "hungr"), ("eve", "hungry")] {
            assert_eq!(login(mechanism, user, password), None, "{mechanism} {user}");
        }
    }
}

#[test]
fn row_24_an_unknown_user_gets_the_same_challenge_each_time_and_no_other_form() {
    for mechanism in [Mechanism::SCRAM_SHA_1, Mechanism::SCRAM_SHA_256] {
        let salt_of = |user: &str| {
            let mut users = users();
            let client = Client::new(mechanism, user, &Secret::from("x"), [1; 32], None).unwrap();
            let initial = client.initial();
            match Login::new().begin(&mut users, mechanism, initial.as_ref(), None, false) {
                Verdict::Challenge(challenge) => String::from_utf8(challenge).unwrap(),
                verdict => panic!("{verdict:?}"),
            }
        };
        let (bob, eve) = (salt_of("bob"), salt_of("eve"));
        assert_eq!(bob.len(), eve.len());
        assert_eq!(eve, salt_of("eve"));
        assert!(eve.ends_with(",i=4096"), "{eve}");
    }
}

#[test]
fn scram_takes_a_user_who_acts_for_itself_by_name_and_for_nobody_else() {
    // As other clients (neomutt with GNU SASL) say it; the proof covers the header.
    for (header, is_good) in [
        ("n,,", true),
        ("y,,", true),
        ("n,a=bob,", true),
        ("n,a=eve,", false),
        ("n,a=,", false),
        ("n,b=bob,", false),
        ("n,bob,", false),
        ("n,", false),
    ] {
        let secret = Secret::from("hungry");
        let mechanism = Mechanism::SCRAM_SHA_256;
        let client = Client::new(mechanism, "bob", &secret, [1; 32], None).unwrap();
        let initial = client.initial().unwrap();
        let text = core::str::from_utf8(initial.as_bytes()).unwrap().to_owned();
        let bare = text.strip_prefix("n,,").unwrap();
        let mut users = users();
        let mut login = Login::new();
        let first = Secret::from(&*format!("{header}{bare}"));
        let verdict = login.begin(&mut users, mechanism, Some(&first), None, false);
        let Verdict::Challenge(challenge) = verdict else {
            assert!(!is_good, "{header}");
            continue;
        };
        let challenge = String::from_utf8(challenge).unwrap();
        let proof = scram_proof(header, bare, &challenge);
        let Verdict::Challenge(_) = login.respond(&users, &Secret::from(&*proof)) else {
            panic!("{header}");
        };
        let verdict = login.respond(&users, &Secret::default());
        assert_eq!(
            verdict == Verdict::Accept(b"bob".into()),
            is_good,
            "{header}"
        );
    }
}

/// The last message of a client, computed here once more.
fn scram_proof(header: &str, bare: &str, challenge: &str) -> String {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use hmac::{Hmac, KeyInit, Mac};
    use sha2::{Digest, Sha256};
    let part = |name: &str| {
        let mut parts = challenge.split(',');
        parts.find_map(|part| part.strip_prefix(name)).unwrap()
    };
    let salt = STANDARD.decode(part("s=")).unwrap();
    let mut salted = [0; 32];
    pbkdf2::pbkdf2_hmac::<Sha256>(b"hungry", &salt, 4096, &mut salted);
    let mac = |key: &[u8], text: &str| {
        let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
        mac.update(text.as_bytes());
        mac.finalize().into_bytes()
    };
    let client_key = mac(&salted, "Client Key");
    let last = format!("c={},r={}", STANDARD.encode(header), part("r="));
    let signature = mac(
        &Sha256::digest(client_key),
        &format!("{bare},{challenge},{last}"),
    );
    let proof: Vec<u8> = client_key
        .iter()
        .zip(signature)
        .map(|(a, b)| a ^ b)
        .collect();
    format!("{last},p={}", STANDARD.encode(proof))
}

#[test]
fn external_anonymous_and_tokens_are_claims_for_the_embedder_to_check() {
    for (mechanism, user, secret, expected) in [
        (
            Mechanism::EXTERNAL,
            "",
            "",
            Claim::External { authorize_as: None },
        ),
        (
            Mechanism::EXTERNAL,
            "bob",
            "",
            Claim::External {
                authorize_as: Some("bob".into()),
            },
        ),
        (
            Mechanism::ANONYMOUS,
            "sirhc",
            "",
            Claim::Anonymous {
                trace: "sirhc".into(),
            },
        ),
        (
            Mechanism::OAUTHBEARER,
            "bob",
            "token",
            Claim::Token {
                user: b"bob".into(),
                token: Secret::from("token"),
            },
        ),
        (
            Mechanism::XOAUTH2,
            "bob",
            "token",
            Claim::Token {
                user: b"bob".into(),
                token: Secret::from("token"),
            },
        ),
    ] {
        let secret = Secret::from(secret);
        // With an initial response, and without.
        for is_initial in [true, false] {
            let mut client = Client::new(mechanism, user, &secret, [1; 32], None).unwrap();
            let mut server = Server::new(mechanism, "x", [2; 32], None, false).unwrap();
            let initial = client.initial().filter(|_| is_initial);
            let mut step = server
                .start(initial.as_ref().map(Secret::as_bytes))
                .unwrap();
            if let Step::Challenge(challenge) = &step {
                assert!(!is_initial && challenge.is_empty());
                let response = client.respond(challenge).unwrap();
                step = server.respond(response.as_bytes()).unwrap();
            }
            assert_eq!(step, Step::Check(expected.clone()), "{mechanism}");
        }
    }
}

#[test]
fn a_token_that_is_refused_gets_the_answer_that_ends_the_exchange() {
    for (mechanism, answer) in [
        (Mechanism::OAUTHBEARER, &b"\x01"[..]),
        (Mechanism::XOAUTH2, b""),
    ] {
        let token = Secret::from("old");
        let mut client = Client::new(mechanism, "bob", &token, [1; 32], None).unwrap();
        let response = client.respond(b"{\"status\":\"invalid_token\"}").unwrap();
        assert_eq!(response.as_bytes(), answer);
        assert_eq!(client.respond(b"again"), Err(ClientError::Unexpected));
    }
}

#[test]
fn row_46_messages_out_of_place_end_the_exchange_on_either_side() {
    let secret = Secret::from("hungry");
    for mechanism in [Mechanism::PLAIN, Mechanism::EXTERNAL, Mechanism::LOGIN] {
        let mut client = Client::new(mechanism, "bob", &secret, [1; 32], None).unwrap();
        for _ in 0..2 {
            let _ = client.respond(b"");
        }
        assert_eq!(
            client.respond(b""),
            Err(ClientError::Unexpected),
            "{mechanism}"
        );
    }
    // CRAM-MD5 begins with the server: an initial response has no place.
    let mut server = Server::new(Mechanism::CRAM_MD5, "x", [2; 32], None, false).unwrap();
    assert_eq!(server.start(Some(b"bob")), Err(ServerError::Malformed));
    assert_eq!(server.respond(b"bob"), Err(ServerError::Malformed));
    // An answer to a question that was not asked.
    let mut server = Server::new(Mechanism::PLAIN, "x", [2; 32], None, false).unwrap();
    assert_eq!(server.known(None), Err(ServerError::Malformed));
    // The signature of SCRAM is answered by nothing but nothing.
    let stored = Credentials::derive(Hash::Sha1, &secret, b"salt", 4096);
    let mut client = Client::new(Mechanism::SCRAM_SHA_1, "bob", &secret, [1; 32], None).unwrap();
    let mut server = Server::new(Mechanism::SCRAM_SHA_1, "x", [2; 32], None, false).unwrap();
    let initial = client.initial().unwrap();
    server.start(Some(initial.as_bytes())).unwrap();
    let Ok(Step::Challenge(challenge)) = server.known(Some(Known::Scram(stored))) else {
        panic!("a challenge");
    };
    let proof = client.respond(&challenge).unwrap();
    assert!(!client.is_done(), "the server has proved nothing yet");
    assert!(matches!(
        server.respond(proof.as_bytes()),
        Ok(Step::Challenge(_))
    ));
    assert_eq!(server.respond(b"more"), Err(ServerError::Malformed));
    assert_eq!(
        client.respond(b"v=AAAA"),
        Err(ClientError::Scram(ScramError::Proof))
    );
    assert!(!client.is_done(), "and never will");
}

#[test]
fn row_46_the_server_cannot_make_the_client_compute_for_ever() {
    let secret = Secret::from("hungry");
    let new = || Client::new(Mechanism::SCRAM_SHA_1, "bob", &secret, [1; 32], None).unwrap();
    let initial = new().initial().unwrap();
    let text = String::from_utf8(initial.as_bytes().into()).unwrap();
    let nonce = text.split("r=").nth(1).unwrap();
    for iterations in [
        "1000001",
        "4294967295",
        "99999999999999999999",
        "0",
        "4095",
        "-1",
    ] {
        let challenge = format!("r={nonce}x,s=c2FsdA==,i={iterations}");
        let error = new().respond(challenge.as_bytes()).unwrap_err();
        assert!(matches!(error, ClientError::Scram(_)), "{iterations}");
    }
}

#[test]
fn credentials_that_a_mechanism_cannot_carry_are_refused_before_anything_is_sent() {
    for mechanism in users().mechanisms(true) {
        for (user, password) in [
            ("", "x"),
            ("b\0b", "x"),
            ("bob", "x\0"),
            ("bob", ""),
            ("\u{7}", "x"),
        ] {
            let secret = Secret::from(password);
            let made = Client::new(mechanism, user, &secret, [1; 32], Some(&[9; 32]));
            assert_eq!(
                made.unwrap_err(),
                ClientError::Credentials,
                "{mechanism} {user:?}"
            );
        }
    }
    let bad = Client::new(
        Mechanism::XOAUTH2,
        "a\x01b",
        &Secret::from("t"),
        [1; 32],
        None,
    );
    assert_eq!(bad.unwrap_err(), ClientError::Credentials);
    let plus = Mechanism::SCRAM_SHA_256_PLUS;
    let bad = Client::new(plus, "bob", &Secret::from("x"), [1; 32], None);
    assert_eq!(bad.unwrap_err(), ClientError::Unsupported);
    let unknown = Mechanism::new("GSSAPI").unwrap();
    let bad = Server::new(unknown, "x", [2; 32], None, false);
    assert_eq!(bad.unwrap_err(), ServerError::Unsupported);
}

#[test]
fn the_strongest_mechanism_that_the_transport_allows_is_chosen() {
    let all = || users().mechanisms(true);
    assert_eq!(
        strongest(all(), true, true),
        Some(Mechanism::SCRAM_SHA_256_PLUS)
    );
    assert_eq!(
        strongest(all(), true, false),
        Some(Mechanism::SCRAM_SHA_256)
    );
    assert_eq!(
        strongest(all(), false, false),
        Some(Mechanism::SCRAM_SHA_256)
    );
    let weak = [Mechanism::LOGIN, Mechanism::CRAM_MD5, Mechanism::PLAIN];
    assert_eq!(strongest(weak, true, false), Some(Mechanism::PLAIN));
    assert_eq!(strongest(weak, false, false), None);
    assert_eq!(strongest([Mechanism::PLAIN], false, true), None);
}

#[test]
fn secrets_do_not_show() {
    let secret = Secret::from("hungry");
    let client = Client::new(Mechanism::LOGIN, "bob", &secret, [1; 32], None).unwrap();
    let server = Server::new(Mechanism::LOGIN, "x", [2; 32], None, false).unwrap();
    let claim = Claim::Password {
        authorize_as: Vec::new(),
        user: b"bob".into(),
        password: secret,
    };
    for shown in [
        format!("{client:?}"),
        format!("{server:?}"),
        format!("{claim:?}"),
        format!("{:?}", users()),
    ] {
        assert!(!shown.contains("hungry"), "{shown}");
    }
}

/// Everything that a server may be told, cut and bent at every place: no panic, no login.
#[test]
fn bent_messages_log_nobody_in() {
    for mechanism in users().mechanisms(false) {
        if mechanism.as_str().starts_with("SCRAM") {
            continue; // Each try costs an iteration count: see the fuzz target.
        }
        let mut users = users();
        let secret = Secret::from("hungry");
        let mut client = Client::new(mechanism, "bob", &secret, [1; 32], None).unwrap();
        let mut login = Login::new();
        let mut begin = |login: &mut Login, initial: Option<&Secret>| {
            login.begin(&mut users, mechanism, initial, None, false)
        };
        let message = match client.initial() {
            Some(message) => message,
            None => match begin(&mut login, None) {
                Verdict::Challenge(challenge) => client.respond(&challenge).unwrap(),
                verdict => panic!("{verdict:?}"),
            },
        };
        let is_initial = client.initial().is_some();
        for at in 0..message.len() {
            for change in [0, 1, 2] {
                let mut bent = message.as_bytes().to_vec();
                match change {
                    0 => bent[at] ^= 1,
                    1 => bent.truncate(at),
                    _ => bent.insert(at, 0),
                }
                let bent = Secret::new(bent);
                let mut login = Login::new();
                let verdict = match is_initial {
                    true => begin(&mut login, Some(&bent)),
                    false => {
                        begin(&mut login, None);
                        login.respond(&self::users(), &bent)
                    }
                };
                assert!(
                    !matches!(verdict, Verdict::Accept(_)),
                    "{mechanism} {at} {change}"
                );
            }
        }
    }
}

/// POP3 and SMTP, each with both machines: what is offered is understood.
mod machines {
    use super::*;
    use proto_mail::pop3::memory::{Connection, MemoryStore};
    use proto_mail::{pop3, smtp};

    const MECHANISMS: [Mechanism; 5] = [
        Mechanism::SCRAM_SHA_256,
        Mechanism::SCRAM_SHA_1,
        Mechanism::CRAM_MD5,
        Mechanism::PLAIN,
        Mechanism::LOGIN,
    ];

    #[test]
    fn pop3_offers_and_takes_all_mechanisms_of_its_store() {
        for mechanism in MECHANISMS {
            for password in ["hungry", "thirsty"] {
                let mut store = MemoryStore::new();
                store.add_user("bob", "hungry");
                store.set_seed([5; 32]);
                let mut config = pop3::server::Config::default();
                config.allow_plaintext_auth = true;
                config.mechanisms = store.users().mechanisms(true);
                let limits = pop3::server::Limits::default();
                let mut server = pop3::server::Session::new(T0, config, limits, [7; 32]);
                let mut config = pop3::client::Config::default();
                config.require_tls = false;
                let limits = pop3::client::Limits::default();
                let mut client = pop3::client::Session::new(T0, config, limits);
                let secret = Secret::from(password);
                let mut login = Client::new(mechanism, "bob", &secret, [1; 32], None).unwrap();
                client.capa().unwrap();
                let auth = client.auth(mechanism, login.initial()).unwrap();
                let mut connection = Connection::new();
                let (mut up, mut down) = (BytesMut::new(), BytesMut::new());
                let mut reply = None;
                let mut offered = Vec::new();
                for _ in 0..100 {
                    while let Some(Transmit::Data(data)) = client.poll_transmit(T0, 1500) {
                        up.extend_from_slice(&data);
                    }
                    while let Some(event) = server.poll_event(T0, &mut up).unwrap() {
                        store.handle(&mut connection, &mut server, event).unwrap();
                    }
                    while let Some(Transmit::Data(data)) = server.poll_transmit(T0, 1500) {
                        offered.extend_from_slice(&data);
                        down.extend_from_slice(&data);
                    }
                    while let Some(event) = client.poll_event(T0, &mut down).unwrap() {
                        match event {
                            pop3::client::Event::Challenge { id, data } => {
                                let answer = login.respond(data.as_bytes()).unwrap();
                                client.auth_respond(id, answer.as_bytes()).unwrap();
                            }
                            pop3::client::Event::Done { id, reply: it } if id == auth => {
                                reply = Some(it.is_ok());
                            }
                            _ => {}
                        }
                    }
                }
                let offered = String::from_utf8(offered).unwrap();
                let line = "SASL SCRAM-SHA-256 SCRAM-SHA-1 CRAM-MD5 PLAIN LOGIN\r\n";
                assert!(offered.contains(line), "{offered}");
                assert_eq!(reply, Some(password == "hungry"), "{mechanism}");
            }
        }
    }

    #[test]
    fn smtp_carries_all_mechanisms() {
        for mechanism in MECHANISMS {
            let mut users = users();
            let mut config = smtp::server::Config::default();
            config.allow_plaintext_auth = true;
            config.mechanisms = users.mechanisms(true);
            let limits = smtp::server::Limits::default();
            let mut server = smtp::server::Session::new(T0, config, limits);
            let mut config = smtp::client::Config::default();
            config.allow_plaintext_auth = true;
            config.starttls = smtp::client::StartTls::Off;
            let limits = smtp::client::Limits::default();
            let mut client = smtp::client::Session::new(T0, config, limits);
            let secret = Secret::from("hungry");
            let mut exchange = Client::new(mechanism, "bob", &secret, [1; 32], None).unwrap();
            let auth = client.auth(mechanism, exchange.initial()).unwrap();
            let mut login = Login::new();
            let (mut up, mut down) = (BytesMut::new(), BytesMut::new());
            let mut code = None;
            for _ in 0..100 {
                while let Some(Transmit::Data(data)) = client.poll_transmit(T0, 1500) {
                    up.extend_from_slice(&data);
                }
                while let Some(event) = server.poll_event(T0, &mut up).unwrap() {
                    let (ask, verdict) = match event {
                        smtp::server::Event::Auth {
                            ask,
                            mechanism,
                            initial,
                        } => {
                            let initial = initial.as_ref();
                            let verdict = login.begin(&mut users, mechanism, initial, None, false);
                            (ask, verdict)
                        }
                        smtp::server::Event::AuthResponse { ask, response } => {
                            (ask, login.respond(&users, &response))
                        }
                        _ => continue,
                    };
                    match verdict {
                        Verdict::Challenge(challenge) => server.challenge(ask, &challenge),
                        Verdict::Accept(_) => server.accept(ask),
                        Verdict::Reject => panic!("{mechanism}"),
                    }
                    .unwrap();
                }
                while let Some(Transmit::Data(data)) = server.poll_transmit(T0, 1500) {
                    down.extend_from_slice(&data);
                }
                while let Some(event) = client.poll_event(T0, &mut down).unwrap() {
                    match event {
                        smtp::client::Event::Challenge { id, data } => {
                            let answer = exchange.respond(data.as_bytes()).unwrap();
                            client.auth_respond(id, answer.as_bytes()).unwrap();
                        }
                        smtp::client::Event::Done { id, reply } if id == auth => {
                            code = Some(reply.code());
                        }
                        _ => {}
                    }
                }
            }
            assert_eq!(code, Some(235), "{mechanism}");
            assert!(server.is_authenticated() && exchange.is_done());
        }
    }
}
