//! Commands: verbs and their arguments.

use super::line::put_escaped;
use bytes::{Bytes, BytesMut};
use core::fmt;

macro_rules! verbs {
    ($($(#[$doc:meta])* $variant:ident = $name:literal $(| $alias:literal)*,)+) => {
        /// A command's name. The names of RFC 775 that begin with X mean the same as those without.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Verb {
            $(#[doc = concat!("`", $name, "`")] $(#[$doc])* $variant,)+
            /// A name that this crate does not know.
            Unknown,
        }

        impl Verb {
            /// Every verb that is known.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The verb of that name, in any case of letters.
            #[must_use]
            pub fn from_name(name: &[u8]) -> Self {
                let mut upper = [0_u8; 4];
                if name.len() > upper.len() {
                    return Self::Unknown;
                }
                for (to, from) in upper.iter_mut().zip(name) {
                    *to = from.to_ascii_uppercase();
                }
                let upper = core::str::from_utf8(upper.get(..name.len()).unwrap_or_default());
                match upper.unwrap_or_default() {
                    $($name $(| $alias)* => Self::$variant,)+
                    _ => Self::Unknown,
                }
            }

            /// The name as it is sent.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                    Self::Unknown => "?",
                }
            }
        }
    };
}

verbs! {
    User = "USER", Pass = "PASS", Acct = "ACCT", Rein = "REIN", Quit = "QUIT",
    Cwd = "CWD" | "XCWD", Cdup = "CDUP" | "XCUP", Smnt = "SMNT",
    Port = "PORT", Pasv = "PASV", Eprt = "EPRT", Epsv = "EPSV",
    Type = "TYPE", Stru = "STRU", Mode = "MODE",
    Retr = "RETR", Stor = "STOR", Stou = "STOU", Appe = "APPE", Allo = "ALLO", Rest = "REST",
    Rnfr = "RNFR", Rnto = "RNTO", Abor = "ABOR", Dele = "DELE",
    Rmd = "RMD" | "XRMD", Mkd = "MKD" | "XMKD", Pwd = "PWD" | "XPWD",
    List = "LIST", Nlst = "NLST", Site = "SITE", Syst = "SYST", Stat = "STAT", Help = "HELP",
    Noop = "NOOP", Feat = "FEAT", Opts = "OPTS", Lang = "LANG",
    Mlst = "MLST", Mlsd = "MLSD", Size = "SIZE", Mdtm = "MDTM", Mfmt = "MFMT",
    Hash = "HASH", Host = "HOST", Clnt = "CLNT",
    Auth = "AUTH", Pbsz = "PBSZ", Prot = "PROT", Ccc = "CCC",
    Adat = "ADAT", Mic = "MIC", Conf = "CONF", Enc = "ENC",
}

/// A parsed command, borrowed from its line.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Command<'a> {
    /// Which command.
    pub verb: Verb,
    /// Its name as it came.
    pub name: &'a [u8],
    /// What followed the one blank after the name; further blanks belong to it.
    pub arg: Option<&'a [u8]>,
}

/// What is wrong with a command's line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// NUL, or a CR that ends no line.
    #[error("forbidden octet at {offset}")]
    ForbiddenOctet {
        /// Where in the line.
        offset: usize,
    },
    /// Nothing on the line.
    #[error("empty line")]
    Empty,
}

impl<'a> Command<'a> {
    /// Parses a line that has neither an end nor Telnet in it any more.
    ///
    /// # Errors
    ///
    /// [`CommandError`], when the line cannot be a command.
    pub fn parse(line: &'a [u8]) -> Result<Self, CommandError> {
        if let Some(offset) = memchr::memchr3(0, b'\r', b'\n', line) {
            return Err(CommandError::ForbiddenOctet { offset });
        }
        if line.is_empty() {
            return Err(CommandError::Empty);
        }
        let (name, arg) = match memchr::memchr(b' ', line).and_then(|at| line.split_at_checked(at))
        {
            Some((name, rest)) => (name, rest.strip_prefix(b" ")),
            None => (line, None),
        };
        Ok(Self {
            verb: Verb::from_name(name),
            name,
            arg: arg.filter(|arg| !arg.is_empty()),
        })
    }
}

/// Shows no password.
impl fmt::Debug for Command<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut tuple = f.debug_struct("Command");
        tuple.field("verb", &self.verb);
        match self.verb {
            Verb::Pass | Verb::Acct | Verb::Adat | Verb::Unknown => tuple.finish_non_exhaustive(),
            _ => tuple.field("arg", &self.arg.map(bstr)).finish(),
        }
    }
}

fn bstr(octets: &[u8]) -> alloc::string::String {
    alloc::string::String::from_utf8_lossy(octets).into_owned()
}

/// An argument that can be sent: it holds no CR, LF or NUL, so that it can begin no second command
/// (CVE-2017-3533 and its like).
#[derive(Clone, PartialEq, Eq)]
pub struct Arg(Bytes);

/// Why octets cannot be an [`Arg`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an argument cannot hold CR, LF or NUL (octet {offset})")]
pub struct ArgError {
    /// Where the first such octet is.
    pub offset: usize,
}

impl Arg {
    /// Checks the octets. Nothing is removed from them.
    ///
    /// # Errors
    ///
    /// [`ArgError`], when CR, LF or NUL is among them.
    pub fn new(octets: impl Into<Bytes>) -> Result<Self, ArgError> {
        let octets = octets.into();
        match memchr::memchr3(0, b'\r', b'\n', &octets) {
            Some(offset) => Err(ArgError { offset }),
            None => Ok(Self(octets)),
        }
    }

    /// A copy of a slice, checked.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn copy_from(octets: impl AsRef<[u8]>) -> Result<Self, ArgError> {
        Self::new(Bytes::copy_from_slice(octets.as_ref()))
    }

    /// The octets.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Shows only the length: an argument may be a password.
impl fmt::Debug for Arg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Arg({} octets)", self.0.len())
    }
}

impl Verb {
    /// Writes the command's line.
    pub fn encode(self, arg: Option<&Arg>, out: &mut BytesMut) {
        encode_named(self.name().as_bytes(), arg, out);
    }
}

/// Writes a command's line under any name.
pub(crate) fn encode_named(name: &[u8], arg: Option<&Arg>, out: &mut BytesMut) {
    out.extend_from_slice(name);
    if let Some(arg) = arg {
        out.extend_from_slice(b" ");
        put_escaped(arg.as_bytes(), out);
    }
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_after_the_first_belong_to_the_argument() {
        let command = Command::parse(b"retr  a b ").unwrap();
        assert_eq!(
            (command.verb, command.arg),
            (Verb::Retr, Some(&b" a b "[..]))
        );
        assert_eq!(Command::parse(b"NOOP ").unwrap().arg, None);
        assert_eq!(Command::parse(b"XCWD x").unwrap().verb, Verb::Cwd);
        assert_eq!(Command::parse(b"RETRX x").unwrap().verb, Verb::Unknown);
    }

    #[test]
    fn every_verb_has_its_name() {
        for verb in Verb::ALL {
            assert_eq!(Verb::from_name(verb.name().as_bytes()), *verb);
        }
    }

    #[test]
    fn an_argument_cannot_begin_a_second_command() {
        for bad in [&b"a\r\nDELE b"[..], b"a\nb", b"a\0"] {
            assert_eq!(Arg::copy_from(bad).unwrap_err().offset, 1);
        }
    }
}
