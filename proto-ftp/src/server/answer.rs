//! Answers to questions, and the replies that they become (RFC 959 section 5.4).

use super::{Answer, Ask, Direction, Login, Phase, Question, Refusal, Session, State, UsageError};
use crate::wire::{Verb, VirtualPath};
use bytes::{Bytes, BytesMut};
use core::fmt::Write as _;

impl Session {
    /// Yes.
    ///
    /// # Errors
    ///
    /// [`UsageError`], when the question is over or wants more than yes.
    pub fn accept(&mut self, ask: Ask) -> Result<(), UsageError> {
        if self.is_commit(&ask) {
            let text = "Transfer complete";
            self.end_transfer(226, text, true);
            return Ok(());
        }
        let question = self.question(&ask)?;
        match question.verb {
            Verb::Size | Verb::Mdtm | Verb::Mlst | Verb::Hash | Verb::Stat | Verb::Stou => {
                return Err(UsageError::WrongAnswer);
            }
            _ => {}
        }
        self.state = State::Ready;
        self.since = self.now;
        self.accepted(&question);
        Ok(())
    }

    /// Yes, and what was asked for.
    ///
    /// # Errors
    ///
    /// [`UsageError`], when the question is over or was another one.
    pub fn accept_with(&mut self, ask: Ask, answer: Answer) -> Result<(), UsageError> {
        if self.is_commit(&ask) {
            return Err(UsageError::WrongAnswer);
        }
        let question = self.question(&ask)?;
        let mut text = BytesMut::new();
        let (verb, path) = (question.verb, question.path.as_ref());
        match (verb, &answer) {
            (Verb::Size, Answer::Size(size)) => {
                // Writing into a growing buffer does not fail.
                let _ = write!(text, "{size}");
                self.answered(213, text);
            }
            (Verb::Mdtm, Answer::Time(time)) => {
                time.encode(&mut text);
                self.answered(213, text);
            }
            (Verb::Mfmt, Answer::Time(time)) => {
                text.extend_from_slice(b"Modify=");
                time.encode(&mut text);
                text.extend_from_slice(b"; ");
                text.extend_from_slice(path.map(|path| path.as_bytes()).unwrap_or_default());
                self.answered(213, text);
            }
            (Verb::Mlst, Answer::Text(facts)) => {
                text.extend_from_slice(b"Listing\n ");
                text.extend(facts.iter().copied().filter(|octet| *octet != b'\n'));
                text.extend_from_slice(b"\nEnd");
                self.answered(250, text);
            }
            (Verb::Stat, Answer::Text(lines)) => {
                text.extend_from_slice(b"Status follows");
                for line in lines.split(|octet| *octet == b'\n') {
                    let line = line.strip_suffix(b"\r").unwrap_or(line);
                    if !line.is_empty() {
                        text.extend_from_slice(b"\n ");
                        text.extend_from_slice(line);
                    }
                }
                text.extend_from_slice(b"\nEnd of status");
                self.answered(213, text);
            }
            (Verb::Hash, Answer::Text(hash)) => {
                text.extend_from_slice(self.config.hash.as_deref().unwrap_or_default());
                text.extend_from_slice(b" ");
                text.extend_from_slice(hash);
                self.answered(213, text);
            }
            (Verb::Site, Answer::Text(lines)) => self.answered(200, lines),
            (Verb::Stou, Answer::Name(name)) => {
                // RFC 1123 section 4.1.2.9 fixes this text.
                text.extend_from_slice(b"FILE: ");
                text.extend_from_slice(name);
                self.answered(150, text);
                if let Some((id, direction)) = question.transfer {
                    self.begin_transfer(id, direction, verb);
                }
            }
            (Verb::User, Answer::NeedPassword) => self.answered(331, "Password required"),
            (Verb::Pass, Answer::NeedAccount) => {
                self.login = match core::mem::replace(&mut self.login, Login::NeedUser) {
                    Login::Checking { user, password } => Login::NeedAccount { user, password },
                    other => other,
                };
                self.answered(332, "Account required");
            }
            _ => return Err(UsageError::WrongAnswer),
        }
        Ok(())
    }

    /// No.
    ///
    /// # Errors
    ///
    /// [`UsageError`], when the question is over.
    pub fn reject(&mut self, ask: Ask, refusal: Refusal) -> Result<(), UsageError> {
        if self.is_commit(&ask) {
            let (code, text) = match refusal {
                Refusal::NoSpace => (452, "Insufficient storage space"),
                Refusal::QuotaExceeded => (552, "Quota exceeded"),
                _ => (451, "Storing failed"),
            };
            self.end_transfer(code, text, false);
            return Ok(());
        }
        let question = self.question(&ask)?;
        self.state = State::Ready;
        self.since = self.now;
        self.refuse(&question, refusal);
        Ok(())
    }

    /// The token of the question that waits for its answer, for whoever lost it with a wrong one.
    /// Of two tokens of one question the one that is used last is stale.
    #[must_use]
    pub fn open_ask(&self) -> Option<Ask> {
        match (&self.state, self.transfer.map(|transfer| transfer.phase)) {
            (State::Asking(question), _) => Some(Ask(question.id)),
            (_, Some(Phase::Committing(id))) => Some(Ask(id)),
            _ => None,
        }
    }

    fn is_commit(&self, ask: &Ask) -> bool {
        self.transfer
            .is_some_and(|transfer| transfer.phase == Phase::Committing(ask.0))
    }

    fn question(&self, ask: &Ask) -> Result<Question, UsageError> {
        match &self.state {
            State::Asking(question) if question.id == ask.0 => Ok(question.clone()),
            _ => Err(UsageError::Stale),
        }
    }

    fn answered(&mut self, code: u16, text: impl AsRef<[u8]>) {
        self.state = State::Ready;
        self.say(code, text);
    }

    fn accepted(&mut self, question: &Question) {
        let path = question.path.as_ref();
        match question.verb {
            Verb::User | Verb::Pass | Verb::Acct => {
                self.login = Login::In;
                self.login_failures = 0;
                self.say(230, "Logged in");
            }
            Verb::Host => self.say(220, "Host accepted"),
            Verb::Cwd | Verb::Cdup => {
                if let Some(path) = path {
                    self.directory = path.clone();
                }
                let code = if question.verb == Verb::Cdup {
                    200
                } else {
                    250
                };
                self.say(code, "Directory changed");
            }
            Verb::Mkd => {
                let path = path.cloned().unwrap_or_else(VirtualPath::root);
                self.say_path(&path, " created");
            }
            Verb::Rmd => self.say(250, "Directory removed"),
            Verb::Dele => self.say(250, "File deleted"),
            Verb::Rnfr => {
                self.rename_from.clone_from(&question.path);
                self.say(350, "Ready for RNTO");
            }
            Verb::Rnto => self.say(250, "Renamed"),
            Verb::Mfmt => self.say(213, "Modification time set"),
            Verb::Allo => self.say(200, "There is room"),
            Verb::Site => self.say(200, "Done"),
            verb => {
                if let Some((id, direction)) = question.transfer {
                    let text = match direction {
                        Direction::Send => "Sending over the data connection",
                        Direction::Receive => "Ready to receive",
                    };
                    self.say(150, text);
                    self.begin_transfer(id, direction, verb);
                }
            }
        }
    }

    /// The reply that RFC 959 section 5.4 has for it.
    pub(super) fn refuse(&mut self, question: &Question, refusal: Refusal) {
        use Refusal::{
            BadName, Busy, Denied, Exists, Failed, NoSpace, NotFound, QuotaExceeded, Unsupported,
        };
        let verb = question.verb;
        let code = match verb {
            Verb::User | Verb::Pass | Verb::Acct => return self.login_failed(),
            Verb::Host => {
                self.host = None;
                504
            }
            Verb::Stor | Verb::Stou => match refusal {
                Busy => 450,
                NoSpace => 452,
                QuotaExceeded => 552,
                Failed => 451,
                NotFound | Denied | Exists | BadName | Unsupported => 553,
            },
            Verb::Appe => match refusal {
                Busy => 450,
                NoSpace => 452,
                QuotaExceeded => 552,
                Failed => 451,
                BadName => 553,
                NotFound | Denied | Exists | Unsupported => 550,
            },
            Verb::Retr => match refusal {
                Busy => 450,
                Failed => 451,
                _ => 550,
            },
            Verb::List | Verb::Nlst => match refusal {
                Failed => 451,
                Unsupported => 502,
                _ => 450,
            },
            Verb::Mlsd => match refusal {
                Failed => 451,
                Busy => 450,
                _ => 550,
            },
            Verb::Stat => 450,
            Verb::Dele | Verb::Rnfr if refusal == Busy => 450,
            Verb::Rnto => 553,
            Verb::Site | Verb::Allo => 504,
            _ => 550,
        };
        let text = match refusal {
            NotFound => "No such file or directory",
            Denied => "Permission denied",
            Busy => "In use; try again",
            Exists => "Exists already",
            BadName => "Name not allowed",
            NoSpace => "Insufficient storage space",
            QuotaExceeded => "Quota exceeded",
            Failed => "Local error",
            Unsupported => "Not known here",
        };
        self.say(code, text);
    }

    fn login_failed(&mut self) {
        self.login = Login::NeedUser;
        self.login_failures = self.login_failures.saturating_add(1);
        // RFC 2577 section 6: one text, whatever was wrong.
        self.say(530, "Login incorrect");
        if self.login_failures >= self.limits.max_login_failures {
            self.say(421, "Too many failed logins");
            self.fail(super::Error::TooManyFailures);
        }
    }
}

/// Lists the features of a session, one a line, each after one blank (RFC 2389 section 3.2).
pub(super) fn features(config: &super::Config, is_tls: bool) -> Bytes {
    let mut text = BytesMut::from(&b"Features:\n"[..]);
    let mut add = |line: &[u8]| {
        text.extend_from_slice(b" ");
        text.extend_from_slice(line);
        text.extend_from_slice(b"\n");
    };
    if config.tls && !is_tls {
        add(b"AUTH TLS");
    }
    if config.tls || config.implicit_tls {
        add(b"PBSZ");
        add(b"PROT");
        if config.allow_ccc {
            add(b"CCC");
        }
    }
    add(b"CLNT");
    add(b"EPRT");
    add(b"EPSV");
    if let Some(hash) = &config.hash {
        let mut line = BytesMut::from(&b"HASH "[..]);
        line.extend_from_slice(hash);
        line.extend_from_slice(b"*");
        add(&line);
    }
    if config.virtual_hosts {
        add(b"HOST");
    }
    add(b"LANG EN*");
    add(b"MDTM");
    add(b"MFMT");
    add(b"MLST type*;size*;modify*;perm*;unix.mode*;");
    if config.mode_z {
        add(b"MODE Z");
    }
    add(b"REST STREAM");
    add(b"SIZE");
    add(b"TVFS");
    add(b"UTF8");
    text.extend_from_slice(b"End");
    text.freeze()
}
