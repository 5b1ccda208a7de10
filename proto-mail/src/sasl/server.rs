//! The server's side of an exchange, whatever the mechanism.
//!
//! ```text
//!      start(initial) --> Challenge --respond--> Challenge | Check | Lookup | Done
//!                         Lookup ----known-----> Challenge | Done
//! ```
//!
//! The exchange knows no users: what is stored, and who may log in, it asks.

use super::bearer::Bearer;
use super::client::scram_of;
use super::plain::Plain;
use super::prep::saslprep;
use super::scram::{self, Credentials, Hash, ScramError};
use super::{InvalidMessage, Mechanism, cram_md5, login};
use crate::Secret;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

/// One exchange.
pub struct Server {
    mechanism: Mechanism,
    state: State,
}

enum State {
    /// The client's message.
    First,
    Login(Option<Vec<u8>>),
    /// The challenge that was, or will be, sent.
    Cram(Vec<u8>),
    CramLookup {
        challenge: Vec<u8>,
        user: Vec<u8>,
        digest: Vec<u8>,
    },
    ScramFirst(scram::Server),
    ScramLookup(scram::Server, Vec<u8>),
    ScramLast(scram::Server, Vec<u8>),
    /// The signature was sent; the client answers it with nothing.
    ScramEnd {
        authorize_as: Vec<u8>,
        user: Vec<u8>,
    },
    Spent,
}

/// What an exchange wants next.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Send this challenge; what comes back goes to [`Server::respond`].
    Challenge(Vec<u8>),
    /// Say by [`Server::known`] what is stored of this user.
    Lookup {
        /// The user, as typed; prepared where it is UTF-8.
        user: Vec<u8>,
        /// In which form.
        wanted: Wanted,
    },
    /// The exchange is over; whether the login is good is for the embedder to check.
    Check(Claim),
    /// The exchange is over, and this user has proved to know the password.
    Done {
        /// As whom to act; empty for the user itself. Whether that may be is for the embedder to
        /// check.
        authorize_as: Vec<u8>,
        /// The user.
        user: Vec<u8>,
    },
}

/// What of a user has to be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// The password itself.
    Password,
    /// What [`Credentials::derive`] made of it, with this hash.
    Scram(Hash),
}

/// What is known of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Known {
    /// The password itself.
    Password(Secret),
    /// What was derived of it.
    Scram(Credentials),
}

/// What somebody claims.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Claim {
    /// To be a user who has this password. Both are prepared where they are UTF-8.
    Password {
        /// As whom to act; empty for the user itself.
        authorize_as: Vec<u8>,
        /// The user.
        user: Vec<u8>,
        /// The password.
        password: Secret,
    },
    /// To hold this token.
    Token {
        /// As whom to act; empty for whom the token names.
        user: Vec<u8>,
        /// The token.
        token: Secret,
    },
    /// To be who TLS says.
    External {
        /// As whom to act.
        authorize_as: Option<String>,
    },
    /// To be nobody in particular.
    Anonymous {
        /// A word for the log.
        trace: String,
    },
}

/// Why a login is to be rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// A mechanism that is not known here, or -PLUS without TLS.
    #[error("this mechanism cannot be used")]
    Unsupported,
    /// A message without the form of the mechanism, or one too many.
    #[error("malformed message")]
    Malformed,
    /// There is no such user, or the proof is wrong. The client is not told which.
    #[error("wrong name or password")]
    Denied,
    /// What SCRAM has against it.
    #[error(transparent)]
    Scram(#[from] ScramError),
}

impl Server {
    /// Begins. `host` stands in the challenge of CRAM-MD5. `seed` makes nonces: never use one
    /// twice. `exporter` is [`TlsInfo::exporter`](crate::TlsInfo::exporter), for -PLUS;
    /// `offers_plus` says whether the client could have had -PLUS.
    ///
    /// # Errors
    ///
    /// [`ServerError::Unsupported`].
    pub fn new(
        mechanism: Mechanism,
        host: &str,
        seed: [u8; 32],
        exporter: Option<&[u8]>,
        offers_plus: bool,
    ) -> Result<Self, ServerError> {
        let state = match mechanism {
            Mechanism::PLAIN
            | Mechanism::EXTERNAL
            | Mechanism::ANONYMOUS
            | Mechanism::OAUTHBEARER
            | Mechanism::XOAUTH2 => State::First,
            Mechanism::LOGIN => State::Login(None),
            Mechanism::CRAM_MD5 => {
                let mut random = ChaCha20Rng::from_seed(seed);
                let (a, b) = (random.next_u64(), random.next_u64());
                // RFC 2195 section 2: of the form of a msg-id.
                State::Cram(format!("<{a:016x}.{b:016x}@{host}>").into_bytes())
            }
            _ => {
                let (hash, is_plus) = scram_of(mechanism).ok_or(ServerError::Unsupported)?;
                if is_plus && exporter.is_none() {
                    return Err(ServerError::Unsupported);
                }
                let exporter = exporter.filter(|_| is_plus);
                State::ScramFirst(scram::Server::new(hash, seed, exporter, offers_plus))
            }
        };
        Ok(Self { mechanism, state })
    }

    /// The mechanism.
    #[must_use]
    pub fn mechanism(&self) -> Mechanism {
        self.mechanism
    }

    /// The first step, with the initial response if one came.
    ///
    /// # Errors
    ///
    /// As [`respond`](Self::respond).
    pub fn start(&mut self, initial: Option<&[u8]>) -> Result<Step, ServerError> {
        match (&self.state, initial) {
            (State::Login(None), None) => Ok(Step::Challenge(login::USER_PROMPT.into())),
            (State::Cram(challenge), None) => Ok(Step::Challenge(challenge.clone())),
            // The server speaks first here (RFC 4422 section 3.3).
            (State::Cram(_), Some(_)) => {
                self.state = State::Spent;
                Err(ServerError::Malformed)
            }
            (_, Some(initial)) => self.respond(initial),
            (_, None) => Ok(Step::Challenge(Vec::new())),
        }
    }

    /// Takes what the client answered to a challenge.
    ///
    /// # Errors
    ///
    /// [`ServerError`]: the login is to be rejected.
    pub fn respond(&mut self, response: &[u8]) -> Result<Step, ServerError> {
        match core::mem::replace(&mut self.state, State::Spent) {
            State::First => self.claim(response).map(Step::Check),
            State::Login(None) => {
                self.state = State::Login(Some(prepared(response)?));
                Ok(Step::Challenge(login::PASSWORD_PROMPT.into()))
            }
            State::Login(Some(user)) => Ok(Step::Check(Claim::Password {
                authorize_as: Vec::new(),
                user,
                password: Secret::new(prepared(response)?),
            })),
            State::Cram(challenge) => {
                let (user, digest) = cram_md5::split(response).ok_or(ServerError::Malformed)?;
                let (user, digest) = (prepared(user)?, digest.into());
                self.state = State::CramLookup {
                    challenge,
                    user: user.clone(),
                    digest,
                };
                let wanted = Wanted::Password;
                Ok(Step::Lookup { user, wanted })
            }
            State::ScramFirst(mut server) => {
                let user = prepared(&server.first(response)?)?;
                let wanted = Wanted::Scram(server.hash());
                self.state = State::ScramLookup(server, user.clone());
                Ok(Step::Lookup { user, wanted })
            }
            State::ScramLast(mut server, user) => {
                let signature = server.last(response)?;
                let authorize_as = match server.authorize_as() {
                    [] => Vec::new(),
                    name => prepared(name)?,
                };
                self.state = State::ScramEnd { authorize_as, user };
                Ok(Step::Challenge(signature))
            }
            State::ScramEnd { authorize_as, user } if response.is_empty() => {
                Ok(Step::Done { authorize_as, user })
            }
            _ => Err(ServerError::Malformed),
        }
    }

    /// Answers [`Step::Lookup`]. Without such a user give nothing with CRAM-MD5, and with SCRAM
    /// [`Credentials::decoy`], so that the exchange goes on as if there were one.
    ///
    /// # Errors
    ///
    /// [`ServerError`]: the login is to be rejected.
    pub fn known(&mut self, known: Option<Known>) -> Result<Step, ServerError> {
        match (core::mem::replace(&mut self.state, State::Spent), known) {
            (
                State::CramLookup {
                    challenge,
                    user,
                    digest,
                },
                known,
            ) => {
                let (password, exists) = match known {
                    Some(Known::Password(password)) => (password, true),
                    // The same work for nobody.
                    _ => (Secret::from("nobody"), false),
                };
                let is_proof = cram_md5::is_proof(&password, &challenge, &digest);
                match is_proof && exists {
                    true => Ok(Step::Done {
                        authorize_as: Vec::new(),
                        user,
                    }),
                    false => Err(ServerError::Denied),
                }
            }
            (State::ScramLookup(mut server, user), Some(Known::Scram(credentials))) => {
                let challenge = server.challenge(credentials)?;
                self.state = State::ScramLast(server, user);
                Ok(Step::Challenge(challenge))
            }
            (State::ScramLookup(..), _) => Err(ServerError::Denied),
            _ => Err(ServerError::Malformed),
        }
    }

    fn claim(&self, message: &[u8]) -> Result<Claim, ServerError> {
        Ok(match self.mechanism {
            Mechanism::PLAIN => {
                let plain = Plain::decode(message).map_err(|_| ServerError::Malformed)?;
                Claim::Password {
                    authorize_as: plain.authorize_as.into(),
                    user: prepared(plain.user)?,
                    password: Secret::new(prepared(plain.password)?),
                }
            }
            Mechanism::EXTERNAL => Claim::External {
                authorize_as: super::external::decode(message)?.map(String::from),
            },
            Mechanism::ANONYMOUS => Claim::Anonymous {
                trace: super::anonymous::decode(message)?.into(),
            },
            _ => {
                let bearer = Bearer::decode(message).map_err(|_| ServerError::Malformed)?;
                Claim::Token {
                    user: bearer.user.into(),
                    token: Secret::new(bearer.token),
                }
            }
        })
    }
}

impl From<InvalidMessage> for ServerError {
    fn from(_: InvalidMessage) -> Self {
        Self::Malformed
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("mechanism", &self.mechanism)
            .finish_non_exhaustive()
    }
}

/// As it is compared; octets that are no UTF-8 stay as they are.
fn prepared(text: &[u8]) -> Result<Vec<u8>, ServerError> {
    let Ok(text) = core::str::from_utf8(text) else {
        return Ok(text.into());
    };
    match saslprep(text) {
        Ok(text) if text.is_empty() => Err(ServerError::Malformed),
        Ok(text) => Ok(text.into_owned().into_bytes()),
        Err(_) => Err(ServerError::Denied),
    }
}
