//! The client's side of an exchange, whatever the mechanism.
//!
//! ```text
//!      initial() --> Started --challenge/respond--> .. --> Spent, is_done() when the server has
//!                                                          proved all that the mechanism has it prove
//! ```

use super::bearer::Bearer;
use super::plain::Plain;
use super::prep::saslprep;
use super::scram::{self, Hash, ScramError};
use super::{Mechanism, cram_md5};
use crate::Secret;
use alloc::borrow::ToOwned;
use alloc::string::String;
use core::fmt;

/// One exchange.
pub struct Client {
    mechanism: Mechanism,
    state: State,
}

enum State {
    /// One message says it all.
    One(Secret),
    /// The same, and what is said to a challenge that tells of a failure.
    Bearer(Secret, &'static [u8]),
    Login {
        user: String,
        password: Secret,
        is_user_sent: bool,
    },
    Cram {
        user: String,
        password: Secret,
    },
    Scram(scram::Client),
    /// All is said.
    Spent,
    Failed,
}

/// Why there is no exchange, or no further one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// A mechanism that is not known here, or -PLUS without TLS.
    #[error("this mechanism cannot be used")]
    Unsupported,
    /// A name, a password or a token that the mechanism cannot carry.
    #[error("credentials that the mechanism cannot carry")]
    Credentials,
    /// A challenge where none is to come. Cancel the exchange.
    #[error("a challenge that was not expected")]
    Unexpected,
    /// What the server said does not fit. Cancel the exchange, and do not trust the server.
    #[error(transparent)]
    Scram(#[from] ScramError),
}

impl Client {
    /// Begins. `secret` is the password, or the token; it is not used with EXTERNAL and ANONYMOUS,
    /// where `user` is as whom to act (or nothing) and the trace. `seed` makes a nonce: never use
    /// one twice. `exporter` is [`TlsInfo::exporter`](crate::TlsInfo::exporter), for -PLUS.
    ///
    /// # Errors
    ///
    /// [`ClientError::Unsupported`] and [`ClientError::Credentials`].
    pub fn new(
        mechanism: Mechanism,
        user: &str,
        secret: &Secret,
        seed: [u8; 32],
        exporter: Option<&[u8]>,
    ) -> Result<Self, ClientError> {
        let credentials = |_| ClientError::Credentials;
        let bearer = Bearer {
            user: user.as_bytes(),
            token: secret.as_bytes(),
        };
        let state = match mechanism {
            Mechanism::PLAIN => {
                let (user, password) = prepared(user, secret)?;
                let message = Plain::new(user.as_bytes(), password.as_bytes()).encode();
                State::One(message.map_err(|_| ClientError::Credentials)?)
            }
            Mechanism::EXTERNAL => {
                super::external::decode(user.as_bytes()).map_err(credentials)?;
                State::One(Secret::from(user))
            }
            Mechanism::ANONYMOUS => {
                super::anonymous::decode(user.as_bytes()).map_err(credentials)?;
                State::One(Secret::from(user))
            }
            // RFC 7628 section 3.2.3: a failure comes as a challenge, and %x01 is the answer.
            Mechanism::OAUTHBEARER => {
                let message = bearer.oauthbearer();
                State::Bearer(message.map_err(|_| ClientError::Credentials)?, b"\x01")
            }
            Mechanism::XOAUTH2 => {
                let message = bearer.xoauth2();
                State::Bearer(message.map_err(|_| ClientError::Credentials)?, b"")
            }
            Mechanism::LOGIN => {
                let (user, password) = prepared(user, secret)?;
                State::Login {
                    user,
                    password,
                    is_user_sent: false,
                }
            }
            Mechanism::CRAM_MD5 => {
                let (user, password) = prepared(user, secret)?;
                State::Cram { user, password }
            }
            _ => {
                let (hash, is_plus) = scram_of(mechanism).ok_or(ClientError::Unsupported)?;
                let (user, password) = prepared(user, secret)?;
                let exporter = match (is_plus, exporter) {
                    (false, _) => None,
                    (true, Some(exporter)) => Some(exporter),
                    (true, None) => return Err(ClientError::Unsupported),
                };
                State::Scram(scram::Client::new(hash, &user, password, seed, exporter))
            }
        };
        Ok(Self { mechanism, state })
    }

    /// The mechanism.
    #[must_use]
    pub fn mechanism(&self) -> Mechanism {
        self.mechanism
    }

    /// The initial response, with mechanisms in which the client speaks first.
    #[must_use]
    pub fn initial(&self) -> Option<Secret> {
        match &self.state {
            State::One(message) | State::Bearer(message, _) => Some(message.clone()),
            State::Scram(client) => Some(client.first()),
            State::Login { .. } | State::Cram { .. } | State::Spent | State::Failed => None,
        }
    }

    /// Answers a challenge.
    ///
    /// # Errors
    ///
    /// [`ClientError`]: the exchange is to be cancelled.
    pub fn respond(&mut self, challenge: &[u8]) -> Result<Secret, ClientError> {
        let answer = match core::mem::replace(&mut self.state, State::Failed) {
            State::One(message) if challenge.is_empty() => message,
            State::Bearer(message, _) if challenge.is_empty() => message,
            State::Bearer(_, answer) => Secret::new(answer),
            State::Login {
                user,
                password,
                is_user_sent: false,
            } => {
                let answer = Secret::from(user.as_str());
                self.state = State::Login {
                    user,
                    password,
                    is_user_sent: true,
                };
                return Ok(answer);
            }
            State::Login { password, .. } => password,
            State::Cram { user, password } => cram_md5::respond(&user, &password, challenge),
            State::Scram(mut client) => {
                let answer = client.step(challenge)?;
                self.state = State::Scram(client);
                return Ok(answer);
            }
            State::One(_) | State::Spent | State::Failed => return Err(ClientError::Unexpected),
        };
        self.state = State::Spent;
        Ok(answer)
    }

    /// Whether a login that the server accepts now can be trusted: with SCRAM the server has to
    /// prove first that it knows the password.
    #[must_use]
    pub fn is_done(&self) -> bool {
        match &self.state {
            State::Scram(client) => client.is_done(),
            State::One(_) | State::Bearer(..) | State::Spent => true,
            State::Login { is_user_sent, .. } => *is_user_sent,
            State::Cram { .. } | State::Failed => false,
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("mechanism", &self.mechanism)
            .finish_non_exhaustive()
    }
}

/// The best of the mechanisms that a server offers, for a user with a password.
///
/// First those in which the server proves that it knows the password, bound to TLS where that is
/// possible. Those that reveal the password only `under_tls`.
#[must_use]
pub fn strongest(
    offered: impl IntoIterator<Item = Mechanism>,
    under_tls: bool,
    has_exporter: bool,
) -> Option<Mechanism> {
    const BEST_FIRST: [Mechanism; 7] = [
        Mechanism::SCRAM_SHA_256_PLUS,
        Mechanism::SCRAM_SHA_1_PLUS,
        Mechanism::SCRAM_SHA_256,
        Mechanism::SCRAM_SHA_1,
        Mechanism::PLAIN,
        Mechanism::LOGIN,
        Mechanism::CRAM_MD5,
    ];
    let rank = |it: &Mechanism| {
        let is_usable = match *it {
            Mechanism::SCRAM_SHA_256_PLUS | Mechanism::SCRAM_SHA_1_PLUS => has_exporter,
            mechanism => under_tls || !mechanism.reveals_secret(),
        };
        let place = BEST_FIRST.iter().position(|best| best == it);
        place.filter(|_| is_usable)
    };
    offered
        .into_iter()
        .filter(|it| rank(it).is_some())
        .min_by_key(rank)
}

pub(super) fn scram_of(mechanism: Mechanism) -> Option<(Hash, bool)> {
    match mechanism {
        Mechanism::SCRAM_SHA_1 => Some((Hash::Sha1, false)),
        Mechanism::SCRAM_SHA_1_PLUS => Some((Hash::Sha1, true)),
        Mechanism::SCRAM_SHA_256 => Some((Hash::Sha256, false)),
        Mechanism::SCRAM_SHA_256_PLUS => Some((Hash::Sha256, true)),
        _ => None,
    }
}

fn prepared(user: &str, password: &Secret) -> Result<(String, Secret), ClientError> {
    let prepare = |text: &str| {
        let text = saslprep(text).map_err(|_| ClientError::Credentials)?;
        match text.contains('\0') || text.is_empty() {
            true => Err(ClientError::Credentials),
            false => Ok(text.into_owned()),
        }
    };
    let user = prepare(user)?;
    let password = match core::str::from_utf8(password.as_bytes()) {
        Ok(text) if text.is_ascii() && prepare(text).is_ok() => password.clone(),
        Ok(text) => Secret::from(prepare(text)?.as_str()),
        Err(_) => return Err(ClientError::Credentials),
    };
    Ok((user.to_owned(), password))
}
