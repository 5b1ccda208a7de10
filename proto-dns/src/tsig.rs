//! Transaction signatures (RFC 8945).
//!
//! A signature is a record at the end of a message; here it is put on and taken off octets, so that
//! no other part of the crate needs to know of it. Time is wall-clock time in seconds since 1970,
//! which the embedder knows.

use crate::UnixTime;
use crate::wire::{Class, Header, MAX_MESSAGE, MAX_NAME, Message, Name, RData, Type, Value};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;
use hmac::{Hmac, KeyInit, Mac};
use subtle::ConstantTimeEq;

/// How far clocks may differ, in seconds, unless set otherwise (RFC 8945 section 10).
pub const DEFAULT_FUDGE: u16 = 300;
/// Messages without a signature between two with one (RFC 8945 section 5.3.1).
const MAX_UNSIGNED: u32 = 99;

/// A hash that keys are used with (RFC 8945 section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Algorithm {
    /// HMAC-MD5, for peers that know nothing else.
    Md5,
    /// HMAC-SHA-1.
    Sha1,
    /// HMAC-SHA-224.
    Sha224,
    /// HMAC-SHA-256.
    Sha256,
    /// HMAC-SHA-384.
    Sha384,
    /// HMAC-SHA-512.
    Sha512,
}

impl Algorithm {
    const ALL: [(Self, &'static str, &'static [u8]); 6] = [
        (
            Self::Md5,
            "hmac-md5",
            b"\x08hmac-md5\x07sig-alg\x03reg\x03int\0",
        ),
        (Self::Sha1, "hmac-sha1", b"\x09hmac-sha1\0"),
        (Self::Sha224, "hmac-sha224", b"\x0bhmac-sha224\0"),
        (Self::Sha256, "hmac-sha256", b"\x0bhmac-sha256\0"),
        (Self::Sha384, "hmac-sha384", b"\x0bhmac-sha384\0"),
        (Self::Sha512, "hmac-sha512", b"\x0bhmac-sha512\0"),
    ];

    fn wire(self) -> &'static [u8] {
        let known = Self::ALL.iter().find(|(known, ..)| *known == self);
        known.map_or(&[0], |(_, _, wire)| *wire)
    }

    const fn mac_len(self) -> usize {
        match self {
            Self::Md5 => 16,
            Self::Sha1 => 20,
            Self::Sha224 => 28,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }
}

/// Text that names no algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an algorithm of TSIG")]
pub struct UnknownAlgorithm;

impl FromStr for Algorithm {
    type Err = UnknownAlgorithm;

    /// Reads names such as `hmac-sha256`.
    fn from_str(text: &str) -> Result<Self, UnknownAlgorithm> {
        let text = text.trim_end_matches('.');
        let known = Self::ALL.iter().find(|(_, name, _)| {
            name.eq_ignore_ascii_case(text)
                || text.eq_ignore_ascii_case("hmac-md5.sig-alg.reg.int") && *name == "hmac-md5"
        });
        known
            .map(|(algorithm, ..)| *algorithm)
            .ok_or(UnknownAlgorithm)
    }
}

/// A secret that two servers share.
#[derive(Clone, PartialEq, Eq)]
pub struct Key {
    name: Name,
    algorithm: Algorithm,
    secret: Vec<u8>,
}

impl Key {
    /// A key of this name.
    #[must_use]
    pub fn new(name: Name, algorithm: Algorithm, secret: impl Into<Vec<u8>>) -> Self {
        Self {
            name,
            algorithm,
            secret: secret.into(),
        }
    }

    /// A key whose secret is written in base64.
    ///
    /// # Errors
    ///
    /// When it is not.
    pub fn from_base64(
        name: Name,
        algorithm: Algorithm,
        secret: &str,
    ) -> Result<Self, data_encoding::DecodeError> {
        let secret = data_encoding::BASE64.decode(secret.as_bytes())?;
        Ok(Self::new(name, algorithm, secret))
    }

    /// The name.
    #[must_use]
    pub const fn name(&self) -> &Name {
        &self.name
    }

    /// The algorithm.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    fn mac(&self, parts: &[&[u8]]) -> Vec<u8> {
        fn run<M: Mac + KeyInit>(secret: &[u8], parts: &[&[u8]]) -> Vec<u8> {
            // A key of any length is fine for HMAC.
            let Ok(mut mac) = <M as KeyInit>::new_from_slice(secret) else {
                return Vec::new();
            };
            for part in parts {
                mac.update(part);
            }
            mac.finalize().into_bytes().to_vec()
        }
        let secret = &self.secret;
        match self.algorithm {
            Algorithm::Md5 => run::<Hmac<md5::Md5>>(secret, parts),
            Algorithm::Sha1 => run::<Hmac<sha1::Sha1>>(secret, parts),
            Algorithm::Sha224 => run::<Hmac<sha2::Sha224>>(secret, parts),
            Algorithm::Sha256 => run::<Hmac<sha2::Sha256>>(secret, parts),
            Algorithm::Sha384 => run::<Hmac<sha2::Sha384>>(secret, parts),
            Algorithm::Sha512 => run::<Hmac<sha2::Sha512>>(secret, parts),
        }
    }
}

impl fmt::Debug for Key {
    /// The secret stays one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key")
            .field("name", &self.name)
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

/// What is wrong with a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TsigError {
    /// The message cannot be read, or its TSIG record is not the last one.
    #[error("a malformed signature")]
    Malformed,
    /// There is no signature where one must be.
    #[error("no signature")]
    Missing,
    /// No key of this name and algorithm is known.
    #[error("an unknown key")]
    BadKey,
    /// The signature is not that of the message.
    #[error("a wrong signature")]
    BadSig,
    /// The signature is right, and too old or too new.
    #[error("a signature out of its time")]
    BadTime,
    /// The signature is shorter than its algorithm gives.
    #[error("a truncated signature")]
    BadTrunc,
    /// The peer says that our signature is wrong; this is its error code.
    #[error("the peer refused our signature: error {0}")]
    Refused(u16),
    /// The message has no room for a signature.
    #[error("no room for a signature")]
    TooLong,
}

impl TsigError {
    /// The code in the error field of the answer; zero for those that have none.
    #[must_use]
    pub const fn code(self) -> u16 {
        match self {
            Self::BadSig => 16,
            Self::BadKey => 17,
            Self::BadTime => 18,
            Self::BadTrunc => 22,
            _ => 0,
        }
    }
}

/// The TSIG record of a message, read.
#[derive(Clone, Debug)]
struct Found {
    /// Where it begins.
    at: usize,
    name: Name,
    algorithm: Vec<u8>,
    time: u64,
    fudge: u16,
    mac: Vec<u8>,
    original_id: u16,
    error: u16,
    other: Vec<u8>,
}

/// Where TSIG stands, if it does; it must come last (RFC 8945 section 5.1).
fn find(octets: &[u8]) -> Result<Option<Found>, TsigError> {
    let message = Message::parse(octets).map_err(|_| TsigError::Malformed)?;
    let other = message.answers().chain(message.authorities());
    if other
        .map(|record| record.rtype)
        .any(|rtype| rtype == Type::TSIG)
    {
        return Err(TsigError::Malformed);
    }
    let mut last = None;
    for record in message.additionals() {
        if last.is_some() {
            return Err(TsigError::Malformed);
        }
        if record.rtype == Type::TSIG {
            last = Some(record);
        }
    }
    let Some(record) = last else {
        return Ok(None);
    };
    if !message.trailing().is_empty() || record.class != Class::ANY || record.ttl != 0 {
        return Err(TsigError::Malformed);
    }
    let Ok(RData::Other(fields)) = record.data() else {
        return Err(TsigError::Malformed);
    };
    let number = |name| match fields.get(name) {
        Some(Value::Number(number)) => Ok(number),
        _ => Err(TsigError::Malformed),
    };
    let short = |name| {
        number(name).and_then(|number| u16::try_from(number).map_err(|_| TsigError::Malformed))
    };
    let octets = |name| match fields.get(name) {
        Some(Value::Octets(octets)) => Ok(octets.to_vec()),
        _ => Err(TsigError::Malformed),
    };
    let Some(Value::Name(algorithm)) = fields.get("algorithm") else {
        return Err(TsigError::Malformed);
    };
    Ok(Some(Found {
        at: record.owner.offset(),
        name: record.owner.to_name(),
        algorithm: algorithm.copy_to(&mut [0; MAX_NAME]).to_ascii_lowercase(),
        time: number("time")?,
        fudge: short("fudge")?,
        mac: octets("mac")?,
        original_id: short("original id")?,
        error: short("error")?,
        other: octets("other")?,
    }))
}

/// Whether the message bears a signature, be it right or wrong.
#[must_use]
pub fn is_signed(message: &[u8]) -> bool {
    find(message).is_ok_and(|found| found.is_some())
}

/// The message as it was before it was signed.
fn strip(message: &[u8], found: &Found) -> Vec<u8> {
    let mut bare = message.get(..found.at).unwrap_or_default().to_vec();
    if let Some([i, d, ..]) = bare.first_chunk_mut::<2>() {
        [*i, *d] = found.original_id.to_be_bytes();
    }
    add_to_count(&mut bare, false);
    bare
}

fn add_to_count(message: &mut [u8], more: bool) {
    if let Some(count) = message
        .get_mut(10..12)
        .and_then(|c| c.first_chunk_mut::<2>())
    {
        let value = u16::from_be_bytes(*count);
        let value = if more {
            value.saturating_add(1)
        } else {
            value.saturating_sub(1)
        };
        *count = value.to_be_bytes();
    }
}

fn time_octets(time: u64) -> [u8; 6] {
    let [_, _, rest @ ..] = time.to_be_bytes();
    rest
}

/// RFC 8945 section 4.3.3: what is signed beside the message.
fn variables(
    key: &Name,
    algorithm: &[u8],
    time: u64,
    fudge: u16,
    error: u16,
    other: &[u8],
) -> Vec<u8> {
    let mut out = key.as_wire().to_ascii_lowercase();
    out.extend_from_slice(&Class::ANY.0.to_be_bytes());
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(algorithm);
    out.extend_from_slice(&time_octets(time));
    out.extend_from_slice(&fudge.to_be_bytes());
    out.extend_from_slice(&error.to_be_bytes());
    let len = u16::try_from(other.len()).unwrap_or(u16::MAX);
    out.extend_from_slice(&len.to_be_bytes());
    out.extend_from_slice(other);
    out
}

fn timers(time: u64, fudge: u16) -> Vec<u8> {
    let mut out = time_octets(time).to_vec();
    out.extend_from_slice(&fudge.to_be_bytes());
    out
}

/// A MAC with its length in front.
fn prefixed(mac: &[u8]) -> Vec<u8> {
    let len = u16::try_from(mac.len()).unwrap_or(u16::MAX);
    let mut out = len.to_be_bytes().to_vec();
    out.extend_from_slice(mac);
    out
}

struct Stamp<'a> {
    name: &'a Name,
    algorithm: &'a [u8],
    time: u64,
    fudge: u16,
    error: u16,
    other: &'a [u8],
}

/// Appends a TSIG record.
fn append(message: &mut Vec<u8>, stamp: &Stamp<'_>, mac: &[u8]) -> Result<(), TsigError> {
    let id = Header::peek(message).map_err(|_| TsigError::Malformed)?.id;
    let mut record = stamp.name.as_wire().to_vec();
    let mut data = stamp.algorithm.to_vec();
    data.extend_from_slice(&timers(stamp.time, stamp.fudge));
    data.extend_from_slice(&prefixed(mac));
    data.extend_from_slice(&id.to_be_bytes());
    data.extend_from_slice(&stamp.error.to_be_bytes());
    data.extend_from_slice(&prefixed(stamp.other));
    record.extend_from_slice(&Type::TSIG.0.to_be_bytes());
    record.extend_from_slice(&Class::ANY.0.to_be_bytes());
    record.extend_from_slice(&[0; 4]);
    record.extend_from_slice(&prefixed(&data));
    if message.len().saturating_add(record.len()) > MAX_MESSAGE {
        return Err(TsigError::TooLong);
    }
    message.extend_from_slice(&record);
    add_to_count(message, true);
    Ok(())
}

/// Octets that a signature by this key adds to a message.
#[must_use]
pub fn overhead(key: &Key) -> usize {
    let fixed = 10usize.saturating_add(16);
    fixed
        .saturating_add(key.name.as_wire().len())
        .saturating_add(key.algorithm.wire().len())
        .saturating_add(key.algorithm.mac_len())
        .saturating_add(6)
}

/// A request and its answers under one key: each signature covers the one before it.
///
/// ```
/// use proto_dns::UnixTime;
/// use proto_dns::tsig::{Algorithm, Key, Transaction, verify_request};
/// use proto_dns::wire::{Builder, Class, Flags, Name, Type};
///
/// let key = Key::new("k.".parse()?, Algorithm::Sha256, *b"a secret of some length");
/// let mut buffer = [0; 512];
/// let mut query = Builder::new(&mut buffer, 7, Flags::default())?;
/// query.push_question("example.com".parse::<Name>()?.view(), Type::AXFR, Class::IN)?;
/// let mut message = query.finish().to_vec();
///
/// let now = UnixTime::from_secs(1_700_000_000);
/// let mut client = Transaction::request(&key, &mut message, now)?;
/// let (bare, mut server) = verify_request(&[key], &message, now)?.expect("signed");
/// let mut reply = bare; // an echo, for once
/// server.sign(&mut reply, now)?;
/// assert!(client.verify(&reply, now).is_ok());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Transaction {
    key: Key,
    /// The MAC before.
    prior: Vec<u8>,
    /// Messages since then that bore none.
    between: Vec<u8>,
    unsigned: u32,
    /// Whether the next answer is the first one.
    first: bool,
    /// What the answer has to say of the request.
    error: u16,
}

impl Transaction {
    /// Signs a request.
    ///
    /// # Errors
    ///
    /// [`TsigError::TooLong`], [`TsigError::Malformed`].
    pub fn request(key: &Key, message: &mut Vec<u8>, unix: UnixTime) -> Result<Self, TsigError> {
        let unix = unix.as_secs();
        let algorithm = key.algorithm.wire();
        let vars = variables(&key.name, algorithm, unix, DEFAULT_FUDGE, 0, &[]);
        let mac = key.mac(&[message, &vars]);
        let stamp = Stamp {
            name: &key.name,
            algorithm,
            time: unix,
            fudge: DEFAULT_FUDGE,
            error: 0,
            other: &[],
        };
        append(message, &stamp, &mac)?;
        Ok(Self::after(key.clone(), mac, 0))
    }

    const fn after(key: Key, prior: Vec<u8>, error: u16) -> Self {
        Self {
            key,
            prior,
            between: Vec::new(),
            unsigned: 0,
            first: true,
            error,
        }
    }

    /// The key.
    #[must_use]
    pub const fn key(&self) -> &Key {
        &self.key
    }

    /// Signs an answer: the first one, or one more of the same transfer.
    ///
    /// # Errors
    ///
    /// [`TsigError::TooLong`], [`TsigError::Malformed`].
    pub fn sign(&mut self, message: &mut Vec<u8>, unix: UnixTime) -> Result<(), TsigError> {
        let unix = unix.as_secs();
        let algorithm = self.key.algorithm.wire();
        // RFC 8945 section 5.2.3: the server's time goes with BADTIME.
        let now = time_octets(unix);
        let other: &[u8] = if self.error == 18 { &now } else { &[] };
        let vars = if self.first {
            let name = &self.key.name;
            variables(name, algorithm, unix, DEFAULT_FUDGE, self.error, other)
        } else {
            timers(unix, DEFAULT_FUDGE)
        };
        let mac = self.key.mac(&[&prefixed(&self.prior), message, &vars]);
        let stamp = Stamp {
            name: &self.key.name,
            algorithm,
            time: unix,
            fudge: DEFAULT_FUDGE,
            error: self.error,
            other,
        };
        append(message, &stamp, &mac)?;
        self.first = false;
        self.prior = mac;
        Ok(())
    }

    /// Checks an answer, and returns it without its signature. Answers after the first may go
    /// unsigned for a while (RFC 8945 section 5.3.1); the last one must not, see
    /// [`is_settled`](Self::is_settled).
    ///
    /// # Errors
    ///
    /// [`TsigError`].
    pub fn verify(&mut self, message: &[u8], unix: UnixTime) -> Result<Vec<u8>, TsigError> {
        let Some(found) = find(message)? else {
            self.unsigned = self.unsigned.saturating_add(1);
            if self.first || self.unsigned > MAX_UNSIGNED {
                return Err(TsigError::Missing);
            }
            self.between.extend_from_slice(message);
            return Ok(message.to_vec());
        };
        if found.name != self.key.name || found.algorithm != self.key.algorithm.wire() {
            return Err(TsigError::BadKey);
        }
        if found.error != 0 && found.mac.is_empty() {
            return Err(TsigError::Refused(found.error));
        }
        let bare = strip(message, &found);
        let vars = if self.first {
            let Found {
                time, fudge, error, ..
            } = found;
            let name = &self.key.name;
            variables(name, &found.algorithm, time, fudge, error, &found.other)
        } else {
            timers(found.time, found.fudge)
        };
        let parts: [&[u8]; 4] = [&prefixed(&self.prior), &self.between, &bare, &vars];
        check_mac(&self.key, &parts, &found.mac)?;
        if found.error != 0 {
            return Err(TsigError::Refused(found.error));
        }
        check_time(&found, unix)?;
        self.first = false;
        self.unsigned = 0;
        self.between.clear();
        self.prior = found.mac;
        Ok(bare)
    }

    /// Whether everything that was taken is covered by a signature.
    #[must_use]
    pub const fn is_settled(&self) -> bool {
        !self.first && self.unsigned == 0
    }
}

fn check_mac(key: &Key, parts: &[&[u8]], theirs: &[u8]) -> Result<(), TsigError> {
    let ours = key.mac(parts);
    // RFC 8945 section 5.2.2.1: less than ten octets, or than half, is no signature at all; what is
    // between is not taken here.
    if theirs.len() > ours.len() || theirs.len() < ours.len().wrapping_div(2).max(10) {
        return Err(TsigError::Malformed);
    }
    if theirs.len() < ours.len() {
        return Err(TsigError::BadTrunc);
    }
    if bool::from(ours.ct_eq(theirs)) {
        Ok(())
    } else {
        Err(TsigError::BadSig)
    }
}

fn check_time(found: &Found, unix: UnixTime) -> Result<(), TsigError> {
    if found.time.abs_diff(unix.as_secs()) > u64::from(found.fudge) {
        Err(TsigError::BadTime)
    } else {
        Ok(())
    }
}

/// A request whose signature is wrong, and what the answer needs (RFC 8945 section 5.2).
#[derive(Clone, Debug)]
pub struct Rejection {
    /// What is wrong.
    pub error: TsigError,
    /// The name and the algorithm that the request named.
    named: Option<(Name, Vec<u8>)>,
    /// The key, when the signature itself was right.
    transaction: Option<Transaction>,
}

impl Rejection {
    /// Completes an answer with the error: signed, when the request's signature was right but for its
    /// time.
    pub fn stamp(mut self, message: &mut Vec<u8>, unix: UnixTime) {
        if let Some(transaction) = &mut self.transaction {
            let _ = transaction.sign(message, unix);
        } else if let Some((name, algorithm)) = &self.named {
            let stamp = Stamp {
                name,
                algorithm,
                time: unix.as_secs(),
                fudge: DEFAULT_FUDGE,
                error: self.error.code(),
                other: &[],
            };
            let _ = append(message, &stamp, &[]);
        }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl core::error::Error for Rejection {}

/// Checks the signature of a request. Returns the request without it, and what its answers are
/// signed with; `None` when the request is not signed.
///
/// # Errors
///
/// [`Rejection`], with which an answer of the code NOTAUTH (FORMERR, when malformed) is completed.
pub fn verify_request(
    keys: &[Key],
    message: &[u8],
    unix: UnixTime,
) -> Result<Option<(Vec<u8>, Transaction)>, Box<Rejection>> {
    let plain = |error| {
        Box::new(Rejection {
            error,
            named: None,
            transaction: None,
        })
    };
    let Some(found) = find(message).map_err(plain)? else {
        return Ok(None);
    };
    let rejection = |error, transaction| {
        Box::new(Rejection {
            error,
            named: Some((found.name.clone(), found.algorithm.clone())),
            transaction,
        })
    };
    let key = keys
        .iter()
        .find(|key| key.name == found.name && key.algorithm.wire() == found.algorithm)
        .ok_or_else(|| rejection(TsigError::BadKey, None))?;
    let bare = strip(message, &found);
    let vars = variables(
        &key.name,
        &found.algorithm,
        found.time,
        found.fudge,
        found.error,
        &found.other,
    );
    match check_mac(key, &[&bare, &vars], &found.mac) {
        Err(TsigError::Malformed) => return Err(plain(TsigError::Malformed)),
        Err(error) => return Err(rejection(error, None)),
        Ok(()) => {}
    }
    if let Err(error) = check_time(&found, unix) {
        let transaction = Transaction::after(key.clone(), found.mac.clone(), error.code());
        return Err(rejection(error, Some(transaction)));
    }
    Ok(Some((bare, Transaction::after(key.clone(), found.mac, 0))))
}
