//! Commands on files and directories: what they ask the embedder.

use super::{Direction, Event, ListFormat, Session, StoreMode};
use crate::data::Type;
use crate::wire::{DateTime, PathError, Verb, VirtualPath};
use bytes::BytesMut;
use core::fmt::Write as _;

impl Session {
    pub(super) fn path(&self, name: &[u8]) -> Result<VirtualPath, PathError> {
        self.directory.join(name, self.limits.max_path)
    }

    pub(super) fn retr(&mut self, name: Option<&[u8]>, offset: u64) {
        let Some(name) = name else {
            return self.missing();
        };
        let Ok(path) = self.path(name) else {
            return self.say(501, "Not a path");
        };
        let id = self.transfer_id();
        let ask = self.ask(Verb::Retr, None, Some((id, Direction::Send)));
        self.events.push_back(Event::Retrieve {
            ask,
            id,
            path,
            offset,
        });
    }

    pub(super) fn store(&mut self, verb: Verb, name: Option<&[u8]>, offset: u64) {
        let mode = match verb {
            Verb::Appe => StoreMode::Append,
            Verb::Stou => StoreMode::Unique,
            _ if offset > 0 => StoreMode::At(offset),
            _ => StoreMode::Create,
        };
        let name = match name {
            Some(name) => name,
            None if verb == Verb::Stou => &[],
            None => return self.missing(),
        };
        let Ok(path) = self.path(name) else {
            return self.say(501, "Not a path");
        };
        let id = self.transfer_id();
        let ask = self.ask(verb, None, Some((id, Direction::Receive)));
        self.events.push_back(Event::Store {
            ask,
            id,
            path,
            mode,
        });
    }

    pub(super) fn list(&mut self, verb: Verb, arg: Option<&[u8]>) {
        let (mut name, mut all) = (arg.unwrap_or_default(), false);
        if verb != Verb::Mlsd {
            (name, all) = without_options(name);
        }
        let Ok(path) = self.path(name) else {
            return self.say(501, "Not a path");
        };
        let format = match verb {
            Verb::Nlst => ListFormat::Names,
            Verb::Mlsd => ListFormat::Facts,
            _ => ListFormat::Long,
        };
        let id = self.transfer_id();
        let ask = self.ask(verb, None, Some((id, Direction::Send)));
        self.events.push_back(Event::List {
            ask,
            id,
            path,
            format,
            all,
        });
    }

    pub(super) fn stat(&mut self, arg: Option<&[u8]>) {
        let Some(name) = arg else {
            return self.say_status();
        };
        if !self.is_logged_in() {
            return self.say(530, "Please log in");
        }
        let Ok(path) = self.path(without_options(name).0) else {
            return self.say(501, "Not a path");
        };
        let ask = self.ask(Verb::Stat, None, None);
        self.events.push_back(Event::Status { ask, path });
    }

    pub(super) fn say_status(&mut self) {
        let mut text = BytesMut::from(&b"Status\n"[..]);
        let user = if self.is_logged_in() {
            "Logged in"
        } else {
            "Not logged in"
        };
        // Writing into a growing buffer does not fail.
        let _ = write!(text, " {user}\n TLS: {}\n", self.tls.is_some());
        let format = self.format;
        let _ = writeln!(
            text,
            " TYPE: {:?}; STRU: {:?}; MODE: {:?}",
            format.kind, format.structure, format.mode
        );
        if let Some(transfer) = self.transfer {
            let _ = writeln!(text, " Transferred so far: {} octets", transfer.octets);
        }
        text.extend_from_slice(b"End of status");
        self.say(211, text);
    }

    pub(super) fn on_path(&mut self, verb: Verb, name: Option<&[u8]>, code: u16) {
        let Some(name) = name else {
            return self.missing();
        };
        let Ok(path) = self.path(name) else {
            return self.say(code, "Not a path");
        };
        if verb == Verb::Hash && self.config.hash.is_none() {
            return self.say(502, "No HASH here");
        }
        let ask = self.ask(verb, Some(path.clone()), None);
        self.events.push_back(match verb {
            Verb::Mkd => Event::MakeDirectory { ask, path },
            Verb::Rmd => Event::RemoveDirectory { ask, path },
            Verb::Dele => Event::Delete { ask, path },
            Verb::Rnfr => Event::RenameFrom { ask, path },
            Verb::Mlst => Event::Facts { ask, path },
            Verb::Hash => Event::Hash { ask, path },
            Verb::Size => Event::Size { ask, path },
            Verb::Mdtm => Event::ModifyTime { ask, path },
            _ => Event::ChangeDirectory { ask, path },
        });
    }

    pub(super) fn rnto(&mut self, name: Option<&[u8]>, from: Option<VirtualPath>) {
        let Some(from) = from else {
            return self.say(503, "RNFR first");
        };
        let Some(name) = name else {
            return self.missing();
        };
        let Ok(to) = self.path(name) else {
            return self.say(553, "Not a path");
        };
        let ask = self.ask(Verb::Rnto, None, None);
        self.events.push_back(Event::Rename { ask, from, to });
    }

    pub(super) fn size(&mut self, name: Option<&[u8]>) {
        // RFC 3659 section 4: the size as transferred, which in ASCII costs a reading of the file.
        if self.format.kind != Type::Image {
            return self.say(550, "TYPE I first");
        }
        self.on_path(Verb::Size, name, 501);
    }

    pub(super) fn mdtm(&mut self, arg: Option<&[u8]>) {
        // `MDTM 20200102030405 name` is an old way to set a time. A file of that name comes first
        // in RFC 3659; clients that mean it use MFMT.
        self.on_path(Verb::Mdtm, arg, 501);
    }

    pub(super) fn mfmt(&mut self, arg: Option<&[u8]>) {
        let arg = arg.unwrap_or_default();
        let split = memchr::memchr(b' ', arg).and_then(|at| arg.split_at_checked(at));
        let Some((time, name)) = split else {
            return self.missing();
        };
        let Some(time) = DateTime::parse(time) else {
            return self.say(501, "Not a time");
        };
        let name = name.get(1..).unwrap_or_default();
        let Some(path) = self.path(name).ok().filter(|_| !name.is_empty()) else {
            return self.say(501, "Not a path");
        };
        let ask = self.ask(Verb::Mfmt, Some(path.clone()), None);
        self.events
            .push_back(Event::SetModifyTime { ask, path, time });
    }
}

/// Takes options off the front: `-la name` is `name`, with whether `a` was among them. Nothing of
/// it reaches a program (CVE-2003-0854).
fn without_options(arg: &[u8]) -> (&[u8], bool) {
    let (mut rest, mut all) = (arg, false);
    while let Some(options) = rest.strip_prefix(b"-") {
        let end = memchr::memchr(b' ', options).unwrap_or(options.len());
        let (letters, tail) = options.split_at_checked(end).unwrap_or((options, &[]));
        if !letters.iter().all(u8::is_ascii_alphanumeric) {
            break;
        }
        all |= letters.iter().any(|letter| matches!(letter, b'a' | b'A'));
        rest = tail.get(1..).unwrap_or_default();
    }
    (rest, all)
}
