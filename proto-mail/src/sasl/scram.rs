//! SCRAM: both sides prove that they know the password, and neither shows it (RFC 5802, RFC 7677).
//!
//! ```text
//!      client                                   server
//!      n,,n=user,r=NONCE            -->
//!                                   <--         r=NONCEnonce,s=SALT,i=4096
//!      c=biws,r=NONCEnonce,p=PROOF  -->
//!                                   <--         v=SIGNATURE
//! ```
//!
//! With -PLUS the proof covers `tls-exporter` (RFC 9266) of the TLS session as well, so that nobody
//! can sit in between. Names and passwords are brought into one form by SASLprep; those that it
//! forbids are taken as they are.

use super::prep::saslprep;
use crate::Secret;
use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use core::fmt;
use hmac::{Hmac, KeyInit, Mac};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// The hash function of the mechanism.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hash {
    /// SCRAM-SHA-1.
    Sha1,
    /// SCRAM-SHA-256.
    Sha256,
}

impl Hash {
    fn digest(self, octets: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha1 => Sha1::digest(octets).to_vec(),
            Self::Sha256 => Sha256::digest(octets).to_vec(),
        }
    }

    fn hmac(self, key: &[u8], octets: &[u8]) -> Vec<u8> {
        // HMAC takes keys of any length: there is no error to come.
        match self {
            Self::Sha1 => Hmac::<Sha1>::new_from_slice(key).map_or_else(
                |_| Vec::new(),
                |mut mac| {
                    mac.update(octets);
                    mac.finalize().into_bytes().to_vec()
                },
            ),
            Self::Sha256 => Hmac::<Sha256>::new_from_slice(key).map_or_else(
                |_| Vec::new(),
                |mut mac| {
                    mac.update(octets);
                    mac.finalize().into_bytes().to_vec()
                },
            ),
        }
    }

    fn salted(self, password: &[u8], salt: &[u8], iterations: u32) -> Vec<u8> {
        match self {
            Self::Sha1 => {
                let mut key = [0; 20];
                pbkdf2::pbkdf2_hmac::<Sha1>(password, salt, iterations, &mut key);
                key.to_vec()
            }
            Self::Sha256 => {
                let mut key = [0; 32];
                pbkdf2::pbkdf2_hmac::<Sha256>(password, salt, iterations, &mut key);
                key.to_vec()
            }
        }
    }
}

/// Fewest iterations that a client accepts (RFC 7677 section 4).
pub const MIN_ITERATIONS: u32 = 4096;

/// Most iterations that a client computes unless told otherwise: a server must not be able to keep
/// it busy (CVE-2026-42256).
pub const MAX_ITERATIONS: u32 = 1_000_000;

/// Longest message that is read.
const MAX_MESSAGE: usize = 4096;

/// Why an exchange fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ScramError {
    /// A message without form, or in the wrong place.
    #[error("malformed SCRAM message")]
    Malformed,
    /// The server's nonce does not begin with the client's, or another one came back.
    #[error("another nonce")]
    Nonce,
    /// Fewer iterations than is safe, or more than the client computes.
    #[error("{iterations} iterations")]
    Iterations {
        /// How many the server wants.
        iterations: u32,
    },
    /// The channel binding differs: somebody is in between, or hides -PLUS.
    #[error("another channel binding")]
    ChannelBinding,
    /// The client does not know the password, or the server does not.
    #[error("the proof is wrong")]
    Proof,
}

/// What a server stores of a password.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    hash: Hash,
    salt: Vec<u8>,
    iterations: u32,
    stored_key: Secret,
    server_key: Secret,
}

impl Credentials {
    /// Derives them. The salt is to be random, of 16 octets or so.
    #[must_use]
    pub fn derive(hash: Hash, password: &Secret, salt: &[u8], iterations: u32) -> Self {
        let password = prepared(password);
        let salted = hash.salted(password.as_bytes(), salt, iterations.max(1));
        let client_key = hash.hmac(&salted, b"Client Key");
        Self {
            hash,
            salt: salt.into(),
            iterations: iterations.max(1),
            stored_key: Secret::new(hash.digest(&client_key)),
            server_key: Secret::new(hash.hmac(&salted, b"Server Key")),
        }
    }

    pub(super) fn decoy_salt(hash: Hash, key: &[u8; 32], user: &[u8]) -> Vec<u8> {
        let mut salt = hash.hmac(key, &[b"salt ", user].concat());
        salt.truncate(16);
        salt
    }

    /// Credentials of a user who does not exist, that no password fits: the same ones each time
    /// that somebody asks for that user, so that the salt does not tell. `key` is the server's own
    /// secret.
    #[must_use]
    pub fn decoy(hash: Hash, key: &[u8; 32], user: &[u8], iterations: u32) -> Self {
        let derive = |word: &[u8]| hash.hmac(key, &[word, user].concat());
        Self {
            hash,
            salt: Self::decoy_salt(hash, key, user),
            iterations: iterations.max(1),
            stored_key: Secret::new(derive(b"stored key ")),
            server_key: Secret::new(derive(b"server key ")),
        }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("hash", &self.hash)
            .field("iterations", &self.iterations)
            .finish_non_exhaustive()
    }
}

/// The client's side of one exchange.
pub struct Client {
    hash: Hash,
    password: Secret,
    max_iterations: u32,
    header: Vec<u8>,
    binding: Vec<u8>,
    nonce: String,
    first_bare: Vec<u8>,
    /// The server's signature, once it can be told.
    expected: Option<Secret>,
    is_done: bool,
}

impl Client {
    /// Begins. `seed` makes the nonce: never use one twice. `exporter` is `tls-exporter` of the TLS
    /// session for -PLUS.
    #[must_use]
    pub fn new(
        hash: Hash,
        user: &str,
        password: Secret,
        seed: [u8; 32],
        exporter: Option<&[u8]>,
    ) -> Self {
        Self::with_nonce(hash, user, password, nonce(seed), exporter)
    }

    fn with_nonce(
        hash: Hash,
        user: &str,
        password: Secret,
        nonce: String,
        exporter: Option<&[u8]>,
    ) -> Self {
        let password = prepared(&password);
        let user = saslprep(user).unwrap_or(Cow::Borrowed(user));
        let mut first_bare = Vec::from(&b"n="[..]);
        for octet in user.bytes() {
            match octet {
                // RFC 5802 section 5.1.
                b',' => first_bare.extend_from_slice(b"=2C"),
                b'=' => first_bare.extend_from_slice(b"=3D"),
                octet => first_bare.push(octet),
            }
        }
        first_bare.extend_from_slice(b",r=");
        first_bare.extend_from_slice(nonce.as_bytes());
        let header: &[u8] = match exporter {
            Some(_) => b"p=tls-exporter,,",
            None => b"n,,",
        };
        Self {
            hash,
            password,
            max_iterations: MAX_ITERATIONS,
            header: header.into(),
            binding: exporter.unwrap_or_default().into(),
            nonce,
            first_bare,
            expected: None,
            is_done: false,
        }
    }

    /// Computes at most so many iterations.
    #[must_use]
    pub fn max_iterations(mut self, max: u32) -> Self {
        self.max_iterations = max;
        self
    }

    /// The first message: the initial response.
    #[must_use]
    pub fn first(&self) -> Secret {
        Secret::new([&self.header[..], &self.first_bare].concat())
    }

    /// Answers a challenge: the proof to the first one, nothing to the one with the signature.
    ///
    /// # Errors
    ///
    /// [`ScramError`]: the exchange is to be cancelled, and the server not to be trusted.
    pub fn step(&mut self, challenge: &[u8]) -> Result<Secret, ScramError> {
        if let Some(expected) = self.expected.take() {
            let signature = challenge.strip_prefix(b"v=").ok_or(ScramError::Proof)?;
            let signature = decode(signature)?;
            if !bool::from(signature.as_slice().ct_eq(expected.as_bytes())) {
                return Err(ScramError::Proof);
            }
            self.is_done = true;
            return Ok(Secret::default());
        }
        if self.is_done || challenge.len() > MAX_MESSAGE {
            return Err(ScramError::Malformed);
        }
        let mut fields = challenge.split(|&octet| octet == b',');
        let nonce = field(fields.next(), b"r=")?;
        let salt = decode(field(fields.next(), b"s=")?)?;
        let iterations = field(fields.next(), b"i=")?;
        let iterations = crate::value::parse_number(iterations)
            .and_then(|number| u32::try_from(number).ok())
            .ok_or(ScramError::Malformed)?;
        let is_ours = nonce.len() > self.nonce.len() && nonce.starts_with(self.nonce.as_bytes());
        if !is_ours {
            return Err(ScramError::Nonce);
        }
        if !(MIN_ITERATIONS..=self.max_iterations).contains(&iterations) {
            return Err(ScramError::Iterations { iterations });
        }
        let hash = self.hash;
        let mut last = Vec::from(&b"c="[..]);
        let binding = [&self.header[..], &self.binding].concat();
        last.extend_from_slice(STANDARD.encode(binding).as_bytes());
        last.extend_from_slice(b",r=");
        last.extend_from_slice(nonce);
        let message = [&self.first_bare[..], b",", challenge, b",", &last].concat();
        let salted = hash.salted(self.password.as_bytes(), &salt, iterations);
        let client_key = hash.hmac(&salted, b"Client Key");
        let signature = hash.hmac(&hash.digest(&client_key), &message);
        let server_key = hash.hmac(&salted, b"Server Key");
        self.expected = Some(Secret::new(hash.hmac(&server_key, &message)));
        last.extend_from_slice(b",p=");
        last.extend_from_slice(STANDARD.encode(xor(&client_key, &signature)).as_bytes());
        Ok(Secret::new(last))
    }

    /// Whether the server has proved that it knows the password. A login that is accepted without
    /// that is not to be trusted.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.is_done
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("hash", &self.hash)
            .finish_non_exhaustive()
    }
}

/// The server's side of one exchange.
pub struct Server {
    hash: Hash,
    /// `tls-exporter`, with -PLUS.
    exporter: Option<Vec<u8>>,
    /// -PLUS was offered: a client that could bind and believes that we cannot was deceived.
    offers_plus: bool,
    nonce: String,
    header: Vec<u8>,
    authorize_as: Vec<u8>,
    first_bare: Vec<u8>,
    challenge: Vec<u8>,
    credentials: Option<Credentials>,
}

impl Server {
    /// Begins. `seed` makes the nonce: never use one twice. `exporter` is there with -PLUS only;
    /// `offers_plus` says whether -PLUS was offered at all.
    #[must_use]
    pub fn new(hash: Hash, seed: [u8; 32], exporter: Option<&[u8]>, offers_plus: bool) -> Self {
        Self::with_nonce(hash, nonce(seed), exporter, offers_plus)
    }

    fn with_nonce(hash: Hash, nonce: String, exporter: Option<&[u8]>, offers_plus: bool) -> Self {
        Self {
            hash,
            exporter: exporter.map(Vec::from),
            offers_plus,
            nonce,
            header: Vec::new(),
            authorize_as: Vec::new(),
            first_bare: Vec::new(),
            challenge: Vec::new(),
            credentials: None,
        }
    }

    /// The hash function of the mechanism.
    #[must_use]
    pub fn hash(&self) -> Hash {
        self.hash
    }

    /// As whom the client wants to act, as the first message has it; empty for the user itself.
    #[must_use]
    pub fn authorize_as(&self) -> &[u8] {
        &self.authorize_as
    }

    /// Reads the first message: who wants to log in.
    ///
    /// # Errors
    ///
    /// [`ScramError`] when it has no form, or binds otherwise.
    pub fn first(&mut self, message: &[u8]) -> Result<Vec<u8>, ScramError> {
        if message.len() > MAX_MESSAGE || !self.first_bare.is_empty() {
            return Err(ScramError::Malformed);
        }
        let comma = memchr::memchr(b',', message).ok_or(ScramError::Malformed)?;
        let (binding, rest) = message.split_at_checked(comma).unwrap_or_default();
        // RFC 5801 section 4: between the two commas stands as whom to act, or nothing.
        let rest = rest.strip_prefix(b",").ok_or(ScramError::Malformed)?;
        let comma = memchr::memchr(b',', rest).ok_or(ScramError::Malformed)?;
        let (authorize_as, bare) = rest.split_at_checked(comma).unwrap_or_default();
        let bare = bare.strip_prefix(b",").ok_or(ScramError::Malformed)?;
        let authorize_as = match authorize_as {
            [] => Vec::new(),
            name => unescape(name.strip_prefix(b"a=").ok_or(ScramError::Malformed)?)?,
        };
        match (binding, &self.exporter) {
            (b"p=tls-exporter", Some(_)) | (b"n", None) => {}
            (b"y", None) if !self.offers_plus => {}
            (b"n" | b"y", _) => return Err(ScramError::ChannelBinding),
            _ if binding.starts_with(b"p=") => return Err(ScramError::ChannelBinding),
            _ => return Err(ScramError::Malformed),
        }
        let mut fields = bare.split(|&octet| octet == b',');
        let user = field(fields.next(), b"n=")?;
        let nonce = field(fields.next(), b"r=")?;
        let is_printable = |octet: &u8| octet.is_ascii_graphic();
        if nonce.is_empty() || !nonce.iter().all(is_printable) {
            return Err(ScramError::Malformed);
        }
        let user = unescape(user)?;
        self.nonce = [core::str::from_utf8(nonce).unwrap_or_default(), &self.nonce].concat();
        let header = message.len().saturating_sub(bare.len());
        self.header = message.get(..header).unwrap_or_default().into();
        self.authorize_as = authorize_as;
        self.first_bare = bare.into();
        Ok(user)
    }

    /// The challenge for a user with these credentials. For a user who does not exist take
    /// credentials that nobody knows the password of, with a salt that stays the same.
    ///
    /// # Errors
    ///
    /// [`ScramError::Malformed`] before [`first`](Self::first), or with those of another hash.
    pub fn challenge(&mut self, credentials: Credentials) -> Result<Vec<u8>, ScramError> {
        if self.first_bare.is_empty() || credentials.hash != self.hash {
            return Err(ScramError::Malformed);
        }
        let salt = STANDARD.encode(&credentials.salt);
        let iterations = credentials.iterations;
        self.challenge = alloc::format!("r={},s={salt},i={iterations}", self.nonce).into_bytes();
        self.credentials = Some(credentials);
        Ok(self.challenge.clone())
    }

    /// Reads the proof, and gives the signature, which is the last challenge: the client answers it
    /// with nothing.
    ///
    /// # Errors
    ///
    /// [`ScramError`] when the login is to be rejected.
    pub fn last(&mut self, message: &[u8]) -> Result<Vec<u8>, ScramError> {
        let credentials = self.credentials.take().ok_or(ScramError::Malformed)?;
        if message.len() > MAX_MESSAGE {
            return Err(ScramError::Malformed);
        }
        let begin = memchr::memmem::rfind(message, b",p=").ok_or(ScramError::Malformed)?;
        let (bare, proof) = message.split_at_checked(begin).unwrap_or_default();
        let proof = decode(proof.get(3..).unwrap_or_default())?;
        let mut fields = bare.split(|&octet| octet == b',');
        let binding = decode(field(fields.next(), b"c=")?)?;
        let nonce = field(fields.next(), b"r=")?;
        let exporter = self.exporter.as_deref().unwrap_or_default();
        let expected = [&self.header[..], exporter].concat();
        if !bool::from(binding.as_slice().ct_eq(&expected)) {
            return Err(ScramError::ChannelBinding);
        }
        if nonce != self.nonce.as_bytes() {
            return Err(ScramError::Nonce);
        }
        let hash = self.hash;
        let message = [&self.first_bare[..], b",", &self.challenge, b",", bare].concat();
        let signature = hash.hmac(credentials.stored_key.as_bytes(), &message);
        if proof.len() != signature.len() {
            return Err(ScramError::Proof);
        }
        let client_key = xor(&proof, &signature);
        let stored = hash.digest(&client_key);
        if !bool::from(stored.as_slice().ct_eq(credentials.stored_key.as_bytes())) {
            return Err(ScramError::Proof);
        }
        let signature = hash.hmac(credentials.server_key.as_bytes(), &message);
        Ok([&b"v="[..], STANDARD.encode(signature).as_bytes()].concat())
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("hash", &self.hash)
            .finish_non_exhaustive()
    }
}

fn prepared(password: &Secret) -> Secret {
    let text = core::str::from_utf8(password.as_bytes());
    match text.ok().filter(|text| !text.is_ascii()).map(saslprep) {
        Some(Ok(text)) => Secret::from(&*text),
        _ => password.clone(),
    }
}

fn nonce(seed: [u8; 32]) -> String {
    let mut octets = [0; 18];
    ChaCha20Rng::from_seed(seed).fill_bytes(&mut octets);
    STANDARD.encode(octets)
}

fn field<'a>(field: Option<&'a [u8]>, name: &[u8]) -> Result<&'a [u8], ScramError> {
    // An extension that begins with "m=" must be understood, and none is (RFC 5802 section 5.1).
    field
        .and_then(|field| field.strip_prefix(name))
        .ok_or(ScramError::Malformed)
}

fn decode(text: &[u8]) -> Result<Vec<u8>, ScramError> {
    STANDARD.decode(text).map_err(|_| ScramError::Malformed)
}

/// `=2C` and `=3D` alone may stand behind an equals sign.
fn unescape(name: &[u8]) -> Result<Vec<u8>, ScramError> {
    let mut octets = Vec::with_capacity(name.len());
    let mut rest = name;
    while let [first, tail @ ..] = rest {
        rest = match (first, tail) {
            (b'=', [b'2', b'C', tail @ ..]) => {
                octets.push(b',');
                tail
            }
            (b'=', [b'3', b'D', tail @ ..]) => {
                octets.push(b'=');
                tail
            }
            (b'=', _) => return Err(ScramError::Malformed),
            (&octet, tail) => {
                octets.push(octet);
                tail
            }
        };
    }
    match octets.is_empty() {
        true => Err(ScramError::Malformed),
        false => Ok(octets),
    }
}

fn xor(a: &[u8], b: &[u8]) -> Vec<u8> {
    a.iter().zip(b).map(|(a, b)| a ^ b).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_rfc_5802_and_rfc_7677() {
        for (hash, client_nonce, server_nonce, salt, proof, signature) in [
            (
                Hash::Sha1,
                "fyko+d2lbbFgONRv9qkxdawL",
                "3rfcNHYJY1ZVvWVs7j",
                "QSXCR+Q6sek8bf92",
                "v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
                "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=",
            ),
            (
                Hash::Sha256,
                "rOprNGfwEbeRWgbNEkqO",
                "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
                "W22ZaJ0SNY7soEsUEjb6gQ==",
                "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
                "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
            ),
        ] {
            let password = Secret::from("pencil");
            let salt = STANDARD.decode(salt).unwrap();
            let credentials = Credentials::derive(hash, &password, &salt, 4096);
            let mut client = Client::with_nonce(hash, "user", password, client_nonce.into(), None);
            let mut server = Server::with_nonce(hash, server_nonce.into(), None, false);
            assert_eq!(server.first(client.first().as_bytes()).unwrap(), b"user");
            let challenge = server.challenge(credentials).unwrap();
            let last = client.step(&challenge).unwrap();
            assert!(last.as_bytes().ends_with(proof.as_bytes()));
            let end = server.last(last.as_bytes()).unwrap();
            assert_eq!(end, signature.as_bytes());
            assert!(!client.is_done());
            client.step(&end).unwrap();
            assert!(client.is_done());
        }
    }

    fn exchange(
        password: &str,
        ours: Option<&[u8]>,
        theirs: Option<&[u8]>,
        iterations: u32,
    ) -> Result<(), ScramError> {
        let hash = Hash::Sha256;
        let credentials = Credentials::derive(hash, &Secret::from("hungry"), b"salt", iterations);
        let mut client = Client::new(hash, "b,o=b", Secret::from(password), [1; 32], ours);
        let mut server = Server::new(hash, [2; 32], theirs, theirs.is_some());
        let user = server.first(client.first().as_bytes())?;
        if user != b"b,o=b" {
            return Err(ScramError::Malformed);
        }
        let challenge = server.challenge(credentials)?;
        let end = server.last(client.step(&challenge)?.as_bytes())?;
        client.step(&end).map(|_| ())
    }

    #[test]
    fn wrong_passwords_bindings_and_iteration_counts_fail() {
        assert_eq!(exchange("hungry", None, None, 4096), Ok(()));
        assert_eq!(exchange("hungry", Some(b"x"), Some(b"x"), 4096), Ok(()));
        assert_eq!(
            exchange("thirsty", None, None, 4096),
            Err(ScramError::Proof)
        );
        assert_eq!(
            exchange("hungry", Some(b"x"), Some(b"y"), 4096),
            Err(ScramError::ChannelBinding)
        );
        assert_eq!(
            exchange("hungry", None, Some(b"y"), 4096),
            Err(ScramError::ChannelBinding)
        );
        assert_eq!(
            exchange("hungry", None, None, 1),
            Err(ScramError::Iterations { iterations: 1 })
        );
        let mut client = Client::new(Hash::Sha1, "u", Secret::from("p"), [1; 32], None);
        for (challenge, error) in [
            ("r=other,s=AAAA,i=4096", ScramError::Nonce),
            ("m=x,r=a,s=AAAA,i=4096", ScramError::Malformed),
            ("e=no", ScramError::Malformed),
            ("", ScramError::Malformed),
        ] {
            assert_eq!(client.step(challenge.as_bytes()), Err(error));
        }
        let nonce = client.nonce.clone();
        let flood = alloc::format!("r={nonce}x,s=AAAA,i=4294967295");
        assert_eq!(
            client.step(flood.as_bytes()),
            Err(ScramError::Iterations {
                iterations: u32::MAX
            })
        );
    }
}
