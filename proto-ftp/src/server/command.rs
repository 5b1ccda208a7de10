//! What each command does, and when it may come.

use super::parameters::number;
use super::{Action, Ask, DataId, Direction, Event, Login, Question, Session, State, answer};
use crate::Secret;
use crate::wire::{Command, CommandError, Verb, VirtualPath};
use bytes::Bytes;

/// Who may give a command. Each has its line in one table (CVE-2015-3306 and CVE-2019-12815 had
/// none).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Access {
    Anyone,
    User,
    /// A user, and a data connection was prepared.
    Transfer,
}

fn access(verb: Verb) -> Access {
    match verb {
        Verb::User
        | Verb::Pass
        | Verb::Acct
        | Verb::Rein
        | Verb::Quit
        | Verb::Abor
        | Verb::Syst
        | Verb::Help
        | Verb::Noop
        | Verb::Feat
        | Verb::Opts
        | Verb::Lang
        | Verb::Host
        | Verb::Clnt
        | Verb::Auth
        | Verb::Pbsz
        | Verb::Prot
        | Verb::Adat
        | Verb::Mic
        | Verb::Conf
        | Verb::Enc
        | Verb::Stat
        | Verb::Unknown => Access::Anyone,
        Verb::Retr
        | Verb::Stor
        | Verb::Stou
        | Verb::Appe
        | Verb::List
        | Verb::Nlst
        | Verb::Mlsd => Access::Transfer,
        _ => Access::User,
    }
}

impl Session {
    pub(super) fn execute(&mut self, line: &[u8]) {
        self.stats.commands = self.stats.commands.saturating_add(1);
        // RFC 3659 section 5.1 and RFC 959: these two live for the next command only, whatever it is.
        let rename_from = self.rename_from.take();
        let restart = core::mem::take(&mut self.restart);
        let command = match Command::parse(line) {
            Ok(command) => command,
            Err(CommandError::Empty) => {
                self.say(500, "Empty line");
                return self.fault(1);
            }
            Err(_) => {
                self.say(501, "Forbidden octet");
                return self.fault(1);
            }
        };
        let verb = command.verb;
        if verb == Verb::Unknown || (verb == Verb::Host && command.name.ends_with(b":")) {
            return self.unknown(command.name);
        }
        match access(verb) {
            Access::Anyone => {}
            Access::User | Access::Transfer if !self.is_logged_in() => {
                return self.say(530, "Please log in");
            }
            Access::Transfer => {
                if let Some((code, text)) = self.transfer_obstacle() {
                    return self.say(code, text);
                }
            }
            Access::User => {}
        }
        match verb {
            Verb::User => self.user(command.arg),
            Verb::Pass => self.pass(command.arg.unwrap_or_default()),
            Verb::Acct => self.acct(command.arg),
            Verb::Rein => self.rein(),
            Verb::Quit => self.quit(),
            Verb::Host => self.host(command.arg),
            Verb::Auth => self.auth(command.arg),
            Verb::Pbsz => self.pbsz(command.arg),
            Verb::Prot => self.prot(command.arg),
            Verb::Ccc => self.ccc(),
            Verb::Adat => self.say(503, "AUTH TLS needs no ADAT"),
            Verb::Mic | Verb::Conf | Verb::Enc => self.say(502, "Not with TLS"),
            Verb::Port | Verb::Eprt => self.active(verb, command.arg),
            Verb::Pasv | Verb::Epsv => self.passive(verb, command.arg),
            Verb::Type => self.representation(command.arg),
            Verb::Stru => self.structure(command.arg),
            Verb::Mode => self.mode(command.arg),
            Verb::Allo => self.allo(command.arg),
            Verb::Rest => self.rest(command.arg),
            Verb::Retr => self.retr(command.arg, restart),
            Verb::Stor | Verb::Appe | Verb::Stou => self.store(verb, command.arg, restart),
            Verb::List | Verb::Nlst | Verb::Mlsd => self.list(verb, command.arg),
            Verb::Stat => self.stat(command.arg),
            Verb::Rnto => self.rnto(command.arg, rename_from),
            Verb::Cdup => self.on_path(verb, Some(b".."), 550),
            Verb::Cwd | Verb::Mkd | Verb::Rmd | Verb::Dele | Verb::Rnfr | Verb::Hash => {
                self.on_path(verb, command.arg, 501);
            }
            Verb::Size => self.size(command.arg),
            Verb::Mlst => self.on_path(verb, Some(command.arg.unwrap_or_default()), 501),
            Verb::Mdtm => self.mdtm(command.arg),
            Verb::Mfmt => self.mfmt(command.arg),
            Verb::Pwd => {
                let directory = self.directory.clone();
                self.say_path(&directory, "");
            }
            Verb::Site => self.site(command.arg),
            // RFC 959 section 5.4 knows 202 for it: superfluous here.
            Verb::Smnt => self.say(202, "One file system only"),
            // Running transfers end in the look-ahead: nothing runs when it is this one's turn.
            Verb::Abor => {
                self.drop_setup(false);
                self.say(226, "Nothing to abort");
            }
            Verb::Syst => {
                let system = self.config.system.clone();
                self.say(215, system);
            }
            Verb::Help => self.say(214, "RFC 959, 1123, 2389, 2428, 2640, 3659, 4217"),
            Verb::Noop => self.say(200, "OK"),
            Verb::Clnt => self.say(200, "Noted"),
            Verb::Feat => {
                let text = answer::features(&self.config, self.tls.is_some());
                self.say(211, text);
            }
            Verb::Opts => self.opts(command.arg),
            Verb::Lang => self.lang(command.arg),
            Verb::Unknown => {}
        }
    }

    /// Neither the name nor what followed is repeated: it is the peer's text.
    fn unknown(&mut self, name: &[u8]) {
        let is_http = matches!(
            name,
            b"GET"
                | b"POST"
                | b"PUT"
                | b"HEAD"
                | b"CONNECT"
                | b"OPTIONS"
                | b"DELETE"
                | b"PATCH"
                | b"PRI"
        ) || name.ends_with(b":");
        self.say(500, "Unknown command");
        if is_http && !self.is_logged_in() {
            // CVE-2021-3618: a browser was made to speak to us.
            self.stats.faults = self.stats.faults.saturating_add(1);
            self.say(421, "This is FTP");
            return self.fail(super::Error::ForeignProtocol);
        }
        self.fault(1);
    }

    pub(super) fn ask(
        &mut self,
        verb: Verb,
        path: Option<VirtualPath>,
        transfer: Option<(DataId, Direction)>,
    ) -> Ask {
        let id = self.new_id();
        self.state = State::Asking(Question {
            id,
            verb,
            path,
            transfer,
        });
        self.since = self.now;
        Ask(id)
    }

    pub(super) fn missing(&mut self) {
        self.say(501, "Argument missing");
    }

    fn user(&mut self, name: Option<&[u8]>) {
        let Some(name) = name else {
            return self.missing();
        };
        if name.len() > self.limits.max_name {
            return self.say(501, "Name too long");
        }
        if self.config.require_tls && self.tls.is_none() && !self.flags.cleared {
            return self.say(530, "AUTH TLS first");
        }
        let user = Bytes::copy_from_slice(name);
        self.directory = VirtualPath::root();
        self.login = Login::NeedPassword { user: user.clone() };
        if self.config.ask_user {
            let ask = self.ask(Verb::User, None, None);
            self.events.push_back(Event::User { ask, user });
        } else {
            // RFC 2577 section 6: whether there is such a user is nobody's business.
            self.say(331, "Password required");
        }
    }

    fn pass(&mut self, password: &[u8]) {
        let Login::NeedPassword { user } = &self.login else {
            return self.say(503, "USER first");
        };
        let (user, password) = (user.clone(), Secret::new(password));
        self.login = Login::Checking {
            user: user.clone(),
            password: password.clone(),
        };
        let ask = self.ask(Verb::Pass, None, None);
        // A `-` before a password is an old way to ask for a short 230.
        self.events.push_back(Event::Login {
            ask,
            user,
            password,
            account: None,
            host: self.host.clone(),
        });
    }

    fn acct(&mut self, account: Option<&[u8]>) {
        let Some(account) = account else {
            return self.missing();
        };
        match core::mem::replace(&mut self.login, Login::NeedUser) {
            Login::NeedAccount { user, password } => {
                // Nobody is asked for an account twice: this answer is yes or no.
                let ask = self.ask(Verb::Acct, None, None);
                self.events.push_back(Event::Login {
                    ask,
                    user,
                    password,
                    account: Some(Secret::new(account)),
                    host: self.host.clone(),
                });
            }
            Login::In => {
                self.login = Login::In;
                self.say(202, "No account needed");
            }
            other => {
                self.login = other;
                self.say(503, "USER and PASS first");
            }
        }
    }

    fn rein(&mut self) {
        self.drop_setup(false);
        self.login = Login::NeedUser;
        self.directory = VirtualPath::root();
        self.format = crate::data::Format::default();
        self.host = None;
        let (eof, eof_told) = (self.flags.eof, self.flags.eof_told);
        self.flags = super::Flags {
            eof,
            eof_told,
            ..super::Flags::default()
        };
        self.events.push_back(Event::Reinitialized);
        self.greet();
        if self.tls.is_some() {
            if self.config.implicit_tls {
                self.flags.pbsz = true;
                self.flags.private = true;
            } else {
                // RFC 4217 section 11: REIN resets the security too.
                self.tls = None;
                self.state = State::StoppingTls;
            }
        }
    }

    fn quit(&mut self) {
        self.say(221, "Goodbye");
        self.events.push_back(Event::Quit);
        self.begin_closing();
    }

    fn host(&mut self, name: Option<&[u8]>) {
        if !self.config.virtual_hosts {
            return self.say(502, "No virtual hosts");
        }
        // RFC 7151 section 3: before USER.
        if !matches!(self.login, Login::NeedUser) {
            return self.say(503, "HOST comes before USER");
        }
        let Some(name) = name else {
            return self.missing();
        };
        if name.len() > self.limits.max_name {
            return self.say(501, "Name too long");
        }
        let host = Bytes::copy_from_slice(name);
        // RFC 7151 section 3.2.2: with TLS, both names have to be the same.
        let is_other = self.tls.as_ref().is_some_and(|tls| {
            tls.server_name
                .as_ref()
                .is_some_and(|sni| !sni.as_bytes().eq_ignore_ascii_case(name))
        });
        if is_other {
            return self.say(504, "Not the name of the TLS handshake");
        }
        self.host = Some(host.clone());
        let ask = self.ask(Verb::Host, None, None);
        self.events.push_back(Event::Host { ask, host });
    }

    fn auth(&mut self, mechanism: Option<&[u8]>) {
        if !self.config.tls {
            return self.say(502, "No TLS here");
        }
        if self.tls.is_some() || self.flags.cleared {
            return self.say(503, "TLS already");
        }
        let Some(mechanism) = mechanism else {
            return self.missing();
        };
        let mechanism = mechanism.to_ascii_uppercase();
        if !matches!(mechanism.as_slice(), b"TLS" | b"TLS-C" | b"SSL" | b"TLS-P") {
            return self.say(504, "TLS only");
        }
        self.drop_setup(false);
        self.say(234, "Go on with TLS");
        // What was said in plaintext may have been said by somebody else.
        self.login = Login::NeedUser;
        self.host = None;
        self.directory = VirtualPath::root();
        self.flags.pbsz = false;
        // The old drafts: with these two the data channel is private at once.
        self.flags.private = matches!(mechanism.as_slice(), b"SSL" | b"TLS-P");
        self.state = State::Handshake(true);
    }

    fn pbsz(&mut self, size: Option<&[u8]>) {
        if self.tls.is_none() && !self.flags.cleared {
            return self.say(503, "AUTH first");
        }
        match size {
            Some(size) if number(size).is_some() => {
                self.flags.pbsz = true;
                self.say(200, "PBSZ=0");
            }
            _ => self.say(501, "A number is wanted"),
        }
    }

    fn prot(&mut self, level: Option<&[u8]>) {
        if !self.flags.pbsz {
            return self.say(503, "PBSZ first");
        }
        match level.map(<[u8]>::to_ascii_uppercase).as_deref() {
            Some(b"P") => {
                self.flags.private = true;
                self.say(200, "Private");
            }
            Some(b"C") if self.config.require_data_tls => self.say(534, "Private only"),
            Some(b"C") => {
                self.flags.private = false;
                self.say(200, "Clear");
            }
            Some(b"S" | b"E") => self.say(536, "Not with TLS"),
            Some(_) => self.say(504, "C or P"),
            None => self.missing(),
        }
    }

    fn ccc(&mut self) {
        if self.tls.is_none() {
            return self.say(533, "Not protected");
        }
        if !self.config.allow_ccc {
            return self.say(534, "Not allowed");
        }
        self.say(200, "In the clear from now on");
        self.tls = None;
        self.flags.cleared = true;
        self.state = State::StoppingTls;
    }

    fn site(&mut self, line: Option<&[u8]>) {
        let Some(line) = line else {
            return self.missing();
        };
        if line.eq_ignore_ascii_case(b"HELP") {
            return self.say(214, "SITE commands are those of this server alone");
        }
        if !self.config.site {
            return self.say(502, "No SITE commands");
        }
        let ask = self.ask(Verb::Site, None, None);
        self.events.push_back(Event::Site {
            ask,
            line: Bytes::copy_from_slice(line),
            directory: self.directory.clone(),
        });
    }

    fn opts(&mut self, arg: Option<&[u8]>) {
        let Some(arg) = arg else {
            return self.missing();
        };
        let upper = arg.to_ascii_uppercase();
        match upper.as_slice() {
            b"UTF8" | b"UTF8 ON" | b"UTF-8 ON" => self.say(200, "UTF8 is always on"),
            // RFC 3659 section 7.8: which facts. All are sent whatever is asked for.
            b"MLST" => self.say(200, "MLST OPTS type;size;modify;perm;unix.mode;"),
            _ if upper.starts_with(b"MLST ") => {
                self.say(200, "MLST OPTS type;size;modify;perm;unix.mode;");
            }
            _ if upper.starts_with(b"MODE Z") && self.config.mode_z => self.say(200, "Noted"),
            _ => self.say(501, "No such option"),
        }
    }

    fn lang(&mut self, arg: Option<&[u8]>) {
        match arg {
            None => self.say(200, "English"),
            Some(tag)
                if tag
                    .get(..2)
                    .is_some_and(|tag| tag.eq_ignore_ascii_case(b"en")) =>
            {
                self.say(200, "English");
            }
            Some(_) => self.say(504, "English only"),
        }
    }

    /// Wishes that are not handed out yet.
    #[must_use]
    pub fn queued_actions(&self) -> usize {
        self.actions.len()
    }
}

/// Whether an action concerns this id; what drivers sort by.
impl Action {
    /// The data connection that it is about.
    #[must_use]
    pub fn id(&self) -> DataId {
        match *self {
            Self::Listen { id, .. }
            | Self::Connect { id, .. }
            | Self::Refuse { id }
            | Self::Secure { id }
            | Self::Start { id, .. }
            | Self::Pump { id, .. }
            | Self::Close { id, .. } => id,
        }
    }
}
