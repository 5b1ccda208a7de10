//! What transfers will be like: where the data connection is, how the file travels, where it begins.

use super::{Event, Session, Setup};
use crate::data::{Form, Mode, Structure, Type};
use crate::wire::{HostPortError, Verb, parse_eprt, parse_port};
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

impl Session {
    pub(super) fn active(&mut self, verb: Verb, arg: Option<&[u8]>) {
        if !self.config.active {
            return self.say(500, "Passive mode only");
        }
        if self.flags.epsv_all {
            // RFC 2428 section 4.
            return self.say(501, "Not after EPSV ALL");
        }
        let arg = arg.unwrap_or_default();
        let parsed = if verb == Verb::Port {
            parse_port(arg)
        } else {
            parse_eprt(arg)
        };
        let to = match parsed {
            Ok(to) => to,
            Err(HostPortError::Protocol) => {
                return self.say(522, "Network protocol not supported, use (1,2)");
            }
            Err(_) => return self.say(501, "Not an address and a port"),
        };
        if !self.may_connect(to) {
            // CVE-1999-0017, RFC 2577 section 3.
            self.stats.refused_peers = self.stats.refused_peers.saturating_add(1);
            return self.say(501, "Not that address or port");
        }
        self.drop_setup(false);
        self.setup = Setup::Active { to };
        self.say(200, "Noted");
    }

    pub(super) fn may_connect(&self, to: SocketAddr) -> bool {
        let is_foreign = to.ip().to_canonical() != self.peer.ip().to_canonical();
        to.port() >= self.config.min_active_port && (!is_foreign || self.config.allow_foreign_data)
    }

    pub(super) fn passive(&mut self, verb: Verb, arg: Option<&[u8]>) {
        let local = self.local.ip().to_canonical();
        if verb == Verb::Pasv {
            if self.flags.epsv_all {
                return self.say(501, "Not after EPSV ALL");
            }
            if matches!(local, IpAddr::V6(_)) && self.config.passive_address.is_none() {
                return self.say(501, "Use EPSV");
            }
            return self.open_passive(false);
        }
        match arg.map(<[u8]>::to_ascii_uppercase).as_deref() {
            None => self.open_passive(true),
            Some(b"ALL") => {
                self.flags.epsv_all = true;
                self.say(200, "EPSV only");
            }
            Some(b"1") if local.is_ipv4() => self.open_passive(true),
            Some(b"2") if local.is_ipv6() => self.open_passive(true),
            Some(digits) if number(digits).is_some() => {
                let text = if local.is_ipv4() {
                    "use (1)"
                } else {
                    "use (2)"
                };
                self.say(522, text);
            }
            Some(_) => self.say(501, "A number or ALL"),
        }
    }

    pub(super) fn representation(&mut self, arg: Option<&[u8]>) {
        let Some(arg) = arg else {
            return self.missing();
        };
        let upper = arg.to_ascii_uppercase();
        let mut words = upper
            .split(|octet| *octet == b' ')
            .filter(|word| !word.is_empty());
        let (kind, second) = (words.next().unwrap_or_default(), words.next());
        let form = match second {
            None | Some(b"N") => Some(Form::NonPrint),
            Some(b"T") => Some(Form::Telnet),
            Some(b"C") => Some(Form::CarriageControl),
            Some(_) => None,
        };
        let (kind, form) = match (kind, form) {
            (b"A", Some(form)) => (Type::Ascii, form),
            (b"E", Some(form)) => (Type::Ebcdic, form),
            (b"I", _) if second.is_none() => (Type::Image, Form::NonPrint),
            (b"L" | b"L8", _) if matches!(second, Some(b"8")) || kind == b"L8" => {
                (Type::Image, Form::NonPrint)
            }
            (b"A" | b"E" | b"L" | b"I", _) => return self.say(504, "Not that parameter"),
            _ => return self.say(501, "A, E, I or L 8"),
        };
        if words.next().is_some() {
            return self.say(501, "Too many parameters");
        }
        if self.format.structure == Structure::Page && kind != Type::Image {
            return self.say(504, "Not with STRU P");
        }
        (self.format.kind, self.format.form) = (kind, form);
        self.say(200, "Type set");
    }

    pub(super) fn structure(&mut self, arg: Option<&[u8]>) {
        self.format.structure = match arg.map(<[u8]>::to_ascii_uppercase).as_deref() {
            Some(b"F") => Structure::File,
            Some(b"R") => Structure::Record,
            // For the disks of TOPS-20 (RFC 1123 section 4.1.2.3). Its counts are in octets of TYPE L 8.
            Some(b"P") if !self.config.pages => return self.say(504, "F or R"),
            Some(b"P") if self.format.kind != Type::Image => {
                return self.say(504, "TYPE L 8 first");
            }
            Some(b"P") if self.format.mode != Mode::Stream => {
                return self.say(504, "MODE S first");
            }
            Some(b"P") => Structure::Page,
            Some(_) => return self.say(501, "F or R"),
            None => return self.missing(),
        };
        self.say(200, "Structure set");
    }

    pub(super) fn mode(&mut self, arg: Option<&[u8]>) {
        let mode = match arg.map(<[u8]>::to_ascii_uppercase).as_deref() {
            Some(b"S") => Mode::Stream,
            Some(b"B") => Mode::Block,
            Some(b"C") => Mode::Compressed,
            Some(b"Z") if self.config.mode_z => Mode::Deflate,
            Some([_]) => return self.say(504, "S, B or C"),
            Some(_) => return self.say(501, "S, B or C"),
            None => return self.missing(),
        };
        if self.format.structure == Structure::Page && mode != Mode::Stream {
            return self.say(504, "Not with STRU P");
        }
        self.format.mode = mode;
        self.say(200, "Mode set");
    }

    pub(super) fn allo(&mut self, arg: Option<&[u8]>) {
        let Some(arg) = arg else {
            return self.missing();
        };
        let words: Vec<&[u8]> = arg.split(|octet| *octet == b' ').collect();
        let size = match words.as_slice() {
            [size] | [size, b"R" | b"r", _] => number(size),
            _ => None,
        };
        let record = words.get(2).is_none_or(|record| number(record).is_some());
        match size.filter(|_| record) {
            Some(size) => {
                let ask = self.ask(Verb::Allo, None, None);
                self.events.push_back(Event::Allocate { ask, size });
            }
            None => self.say(501, "A number is wanted"),
        }
    }

    pub(super) fn rest(&mut self, arg: Option<&[u8]>) {
        // Beyond 64 bits there is no file.
        match arg.and_then(number) {
            Some(offset) if offset > 0 && self.format.kind != Type::Image => {
                // RFC 3659 section 5.2: in ASCII nobody knows where that octet is.
                self.say(501, "TYPE I first");
            }
            Some(offset) => {
                self.restart = offset;
                self.say(350, "Restarting there");
            }
            None => self.say(501, "A number is wanted"),
        }
    }

    /// Why a transfer cannot be: no data connection, or not the security that is asked for.
    pub(super) fn transfer_obstacle(&self) -> Option<(u16, &'static str)> {
        if self.setup == Setup::None {
            return Some((425, "PORT or PASV first"));
        }
        if self.config.require_data_tls && !self.flags.private {
            return Some((521, "PROT P first"));
        }
        None
    }
}

/// Digits alone, of at most 64 bits.
pub(super) fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |value, digit| {
        if !digit.is_ascii_digit() {
            return None;
        }
        value.checked_mul(10)?.checked_add(u64::from(digit & 15))
    })
}
