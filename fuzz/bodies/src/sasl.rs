//! SASL: both sides of an exchange, with messages that the script bends on their way.

use crate::cuts::Take;
use proto_mail::sasl::Mechanism;
use proto_mail::sasl::client::Client;
use proto_mail::sasl::memory::{Login, Users, Verdict};
use proto_mail::sasl::prep::saslprep;
use proto_mail::{Secret, TlsInfo};

const MECHANISMS: [Mechanism; 10] = [
    Mechanism::PLAIN,
    Mechanism::LOGIN,
    Mechanism::CRAM_MD5,
    Mechanism::SCRAM_SHA_1,
    Mechanism::SCRAM_SHA_256,
    Mechanism::SCRAM_SHA_256_PLUS,
    Mechanism::EXTERNAL,
    Mechanism::ANONYMOUS,
    Mechanism::XOAUTH2,
    Mechanism::OAUTHBEARER,
];

/// Nobody logs in but who has the password; what was bent never proves the server to the client.
pub fn sasl_exchange(data: &[u8]) {
    let mut script = Take::new(data);
    let (choice, steer) = (script.u8(), script.u8());
    let mechanism = MECHANISMS[usize::from(choice) % MECHANISMS.len()];
    let is_right = steer & 1 == 0;
    let mut users = Users::with_seed([steer; 32]);
    users.add("bob", "hungry");
    let mut tls = TlsInfo::default();
    tls.exporter = Some([7; 32]);
    let exporter = mechanism.binds_channel().then_some(&[7; 32][..]);
    let secret = Secret::from(if is_right { "hungry" } else { "thirsty" });
    let client = Client::new(mechanism, "bob", &secret, [steer; 32], exporter);
    let mut client = client.expect("bob has a name");
    let mut login = Login::new();
    let initial = client.initial().map(|it| bend(&mut script, it.as_bytes()));
    let mut is_bent = initial.as_ref().is_some_and(|(_, is_bent)| *is_bent);
    let initial = initial.map(|(message, _)| Secret::new(message));
    let mut verdict = login.begin(&mut users, mechanism, initial.as_ref(), Some(&tls), false);
    for _ in 0..8 {
        match verdict {
            Verdict::Challenge(challenge) => {
                let (challenge, bent) = bend(&mut script, &challenge);
                is_bent |= bent;
                let Ok(response) = client.respond(&challenge) else {
                    assert!(!client.is_done());
                    return;
                };
                let (response, bent) = bend(&mut script, response.as_bytes());
                is_bent |= bent;
                verdict = login.respond(&users, &Secret::new(response));
            }
            Verdict::Accept(user) => {
                assert_eq!(user, b"bob");
                assert!(is_right || is_bent, "{mechanism}");
                return;
            }
            Verdict::Reject => {
                let knows_passwords = users.mechanisms(true).contains(&mechanism);
                assert!(!is_right || is_bent || !knows_passwords, "{mechanism}");
                return;
            }
        }
    }
    panic!("an exchange without end: {mechanism}");
}

/// The message, or what the script makes of it.
fn bend(script: &mut Take<'_>, message: &[u8]) -> (Vec<u8>, bool) {
    let mut bent = message.to_vec();
    match script.u8() {
        0..=3 => bent = script.short().to_vec(),
        4 => bent.truncate(usize::from(script.u8())),
        5 => bent.extend_from_slice(script.short()),
        6 => {
            let at = usize::from(script.u8());
            let mask = script.u8();
            if let Some(octet) = bent.get_mut(at) {
                *octet ^= mask;
            }
        }
        _ => {}
    }
    let is_bent = bent != message;
    (bent, is_bent)
}

/// What is prepared is prepared: once more changes nothing; and nothing forbidden comes out.
pub fn sasl_prep(data: &[u8]) {
    let Ok(text) = core::str::from_utf8(data) else {
        return;
    };
    if let Ok(prepared) = saslprep(text) {
        assert!(!prepared.chars().any(char::is_control), "{prepared:?}");
        assert_eq!(saslprep(&prepared).as_deref(), Ok(&*prepared), "{text:?}");
        if text.is_ascii() {
            assert_eq!(prepared, text);
        }
    }
}
