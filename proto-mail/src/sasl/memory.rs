//! Users in memory, and logins by any mechanism that knows passwords: for tests, examples, and as a
//! model of how to answer what an exchange asks.

use super::Mechanism;
use super::prep::saslprep;
use super::scram::{Credentials, Hash};
use super::server::{Claim, Known, Server, ServerError, Step, Wanted};
use crate::{Secret, TlsInfo};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::fmt;
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

/// Iterations of SCRAM: what RFC 7677 section 4 has as the least.
const ITERATIONS: u32 = 4096;

/// Users and their passwords.
#[derive(Clone, Default)]
pub struct Users {
    known: BTreeMap<Vec<u8>, User>,
    /// Makes salts; and those of users who do not exist.
    key: [u8; 32],
    /// Makes nonces. Without a seed there are no mechanisms that need one.
    random: Option<ChaCha20Rng>,
}

#[derive(Clone)]
struct User {
    password: Secret,
    /// Derived in advance, for SHA-1 and SHA-256.
    scram: Option<(Credentials, Credentials)>,
}

/// What becomes of a login.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Send this challenge, and give what comes back to [`Login::respond`].
    Challenge(Vec<u8>),
    /// This user is logged in.
    Accept(Vec<u8>),
    /// Nobody is.
    Reject,
}

/// The login of one session, if one is under way.
#[derive(Debug, Default)]
pub struct Login(Option<Server>);

impl Users {
    /// Nobody yet, and PLAIN and LOGIN alone.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Nobody yet. From `seed` come salts and nonces, so that there are CRAM-MD5 and SCRAM as well.
    #[must_use]
    pub fn with_seed(seed: [u8; 32]) -> Self {
        let mut users = Self::new();
        users.set_seed(seed);
        users
    }

    /// As [`with_seed`](Self::with_seed), later.
    pub fn set_seed(&mut self, seed: [u8; 32]) {
        let mut random = ChaCha20Rng::from_seed(seed);
        random.fill_bytes(&mut self.key);
        self.random = Some(random);
    }

    /// Adds a user, or gives an old one a new password.
    pub fn add(&mut self, user: impl AsRef<[u8]>, password: impl Into<Secret>) {
        let password = Secret::new(prepared(password.into().as_bytes()));
        let user = prepared(user.as_ref());
        let scram = None;
        self.known.insert(user, User { password, scram });
    }

    /// Computes for all users what SCRAM needs, which takes milliseconds each, so that logins need
    /// not.
    pub fn derive(&mut self) {
        let key = self.key;
        for (name, user) in &mut self.known {
            if user.scram.is_none() {
                let derive = |hash| credentials(hash, &key, name, &user.password);
                user.scram = Some((derive(Hash::Sha1), derive(Hash::Sha256)));
            }
        }
    }

    /// Whether there is such a user.
    #[must_use]
    pub fn has(&self, user: &[u8]) -> bool {
        self.known.contains_key(&prepared(user))
    }

    /// The names.
    pub fn names(&self) -> impl Iterator<Item = &[u8]> {
        self.known.keys().map(Vec::as_slice)
    }

    /// The password of a user.
    #[must_use]
    pub fn password(&self, user: &[u8]) -> Option<&Secret> {
        self.known.get(&prepared(user)).map(|user| &user.password)
    }

    /// Whether this is the password of such a user.
    #[must_use]
    pub fn is_password(&self, user: &[u8], password: &Secret) -> bool {
        let given = Secret::new(prepared(password.as_bytes()));
        match self.password(user) {
            Some(right) => *right == given,
            None => {
                // The same work for nobody.
                let _ = given == Secret::from("nobody");
                false
            }
        }
    }

    /// The mechanisms that can be offered, best first. Bound to TLS they need its exporter.
    #[must_use]
    pub fn mechanisms(&self, has_exporter: bool) -> Vec<Mechanism> {
        let mut mechanisms = Vec::new();
        if self.random.is_some() {
            if has_exporter {
                mechanisms.push(Mechanism::SCRAM_SHA_256_PLUS);
                mechanisms.push(Mechanism::SCRAM_SHA_1_PLUS);
            }
            mechanisms.push(Mechanism::SCRAM_SHA_256);
            mechanisms.push(Mechanism::SCRAM_SHA_1);
            mechanisms.push(Mechanism::CRAM_MD5);
        }
        mechanisms.push(Mechanism::PLAIN);
        mechanisms.push(Mechanism::LOGIN);
        mechanisms
    }

    fn stored(&self, user: &[u8], wanted: Wanted) -> Option<Known> {
        let found = self.known.get(user);
        match (wanted, found) {
            (Wanted::Password, found) => found.map(|user| Known::Password(user.password.clone())),
            (Wanted::Scram(hash), None) => {
                let decoy = Credentials::decoy(hash, &self.key, user, ITERATIONS);
                Some(Known::Scram(decoy))
            }
            (Wanted::Scram(hash), Some(found)) => {
                let stored = match (&found.scram, hash) {
                    (Some((stored, _)), Hash::Sha1) | (Some((_, stored)), Hash::Sha256) => {
                        stored.clone()
                    }
                    (None, _) => credentials(hash, &self.key, user, &found.password),
                };
                Some(Known::Scram(stored))
            }
        }
    }

    fn seed(&mut self) -> Option<[u8; 32]> {
        let mut seed = [0; 32];
        self.random.as_mut()?.fill_bytes(&mut seed);
        Some(seed)
    }
}

/// Shows names alone.
impl fmt::Debug for Users {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Users")
            .field("users", &self.known.len())
            .finish_non_exhaustive()
    }
}

impl Login {
    /// Nobody logs in.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// AUTH came. `offers_plus` says whether the client was offered a -PLUS.
    pub fn begin(
        &mut self,
        users: &mut Users,
        mechanism: Mechanism,
        initial: Option<&Secret>,
        tls: Option<&TlsInfo>,
        offers_plus: bool,
    ) -> Verdict {
        let exporter = tls.and_then(|tls| tls.exporter);
        let needs_seed = !matches!(mechanism, Mechanism::PLAIN | Mechanism::LOGIN);
        let seed = match (users.seed(), needs_seed) {
            (Some(seed), _) => seed,
            (None, false) => [0; 32],
            (None, true) => return Verdict::Reject,
        };
        let exporter = exporter.as_ref().map(<[u8; 32]>::as_slice);
        let started = Server::new(mechanism, "localhost", seed, exporter, offers_plus);
        let Ok(mut server) = started else {
            return Verdict::Reject;
        };
        let step = server.start(initial.map(Secret::as_bytes));
        self.judge(users, server, step)
    }

    /// The client answered a challenge.
    pub fn respond(&mut self, users: &Users, response: &Secret) -> Verdict {
        let Some(mut server) = self.0.take() else {
            return Verdict::Reject;
        };
        let step = server.respond(response.as_bytes());
        self.judge(users, server, step)
    }

    fn judge(
        &mut self,
        users: &Users,
        mut server: Server,
        mut step: Result<Step, ServerError>,
    ) -> Verdict {
        loop {
            step = match step {
                Ok(Step::Challenge(challenge)) => {
                    self.0 = Some(server);
                    return Verdict::Challenge(challenge);
                }
                Ok(Step::Lookup { user, wanted }) => server.known(users.stored(&user, wanted)),
                // Nobody acts for somebody else here.
                Ok(Step::Done { authorize_as, user })
                    if users.has(&user) && (authorize_as.is_empty() || authorize_as == user) =>
                {
                    return Verdict::Accept(user);
                }
                Ok(Step::Check(Claim::Password {
                    authorize_as,
                    user,
                    password,
                })) if authorize_as.is_empty() || authorize_as == user => {
                    return match users.is_password(&user, &password) {
                        true => Verdict::Accept(user),
                        false => Verdict::Reject,
                    };
                }
                _ => return Verdict::Reject,
            }
        }
    }
}

fn credentials(hash: Hash, key: &[u8; 32], user: &[u8], password: &Secret) -> Credentials {
    // With the salt that a decoy would have: nobody can tell whether there is such a user.
    let salt = Credentials::decoy_salt(hash, key, user);
    Credentials::derive(hash, password, &salt, ITERATIONS)
}

pub(crate) fn prepared(text: &[u8]) -> Vec<u8> {
    match core::str::from_utf8(text).map(saslprep) {
        Ok(Ok(text)) => text.into_owned().into_bytes(),
        _ => text.into(),
    }
}
