//! Notifications: what is told the sender (RFC 3461, RFC 3464), as a message that nothing can be
//! smuggled into.

use super::event::Reason;
use crate::smtp::trace;
use crate::smtp::wire::{Mailbox, RcptParams, Ret};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write as _;
use core::time::Duration;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Failed,
    Delayed,
    /// The next server knows no notifications: it will tell nothing.
    Relayed,
}

impl Outcome {
    fn action(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Delayed => "delayed",
            Self::Relayed => "relayed",
        }
    }

    fn subject(self) -> &'static str {
        match self {
            Self::Failed => "Undelivered mail returned to sender",
            Self::Delayed => "Delayed mail (still being tried)",
            Self::Relayed => "Mail was passed on",
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Failed => {
                "Your message could not be delivered to the recipients below.\r\nIt will not be tried again.\r\n"
            }
            Self::Delayed => {
                "Your message has not been delivered to the recipients below yet.\r\nIt is being tried further; you need not do anything.\r\n"
            }
            Self::Relayed => {
                "Your message was passed on to a server that sends no notifications.\r\nThere will be no further word of it.\r\n"
            }
        }
    }
}

/// All that a notification says.
pub(super) struct Report<'a> {
    pub(super) host: &'a str,
    pub(super) postmaster: &'a str,
    pub(super) to: &'a Mailbox,
    pub(super) outcome: Outcome,
    /// Now, and when the message came, in seconds since 1970.
    pub(super) now: u64,
    pub(super) arrived: u64,
    pub(super) envid: Option<&'a [u8]>,
    pub(super) recipients: &'a [(Mailbox, RcptParams, Reason)],
    /// The message from its beginning, and whether that is all of it.
    pub(super) original: &'a [u8],
    pub(super) is_whole: bool,
    pub(super) ret: Option<Ret>,
    /// Makes the boundary and the Message-ID.
    pub(super) random: u128,
}

impl Report<'_> {
    /// The notification, with CRLF at the end of each line.
    pub(super) fn encode(&self) -> Vec<u8> {
        let (part, is_header) = self.returned();
        // What 128 random bits say stands nowhere else; yet it costs nothing to look.
        let mut number = self.random;
        let mut boundary = format!("report-{number:032x}");
        while memchr::memmem::find(&part, boundary.as_bytes()).is_some() {
            number = number.wrapping_add(1);
            boundary = format!("report-{number:032x}");
        }
        let host = word(self.host.as_bytes());
        let mut text = String::new();
        let _ = write!(
            text,
            "Date: {date}\r\nFrom: Mail delivery <{postmaster}@{host}>\r\nTo: <{to}>\r\nSubject: {subject}\r\nMessage-ID: <{number:032x}@{host}>\r\nAuto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=delivery-status;\r\n boundary=\"{boundary}\"\r\n\r\n--{boundary}\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\nThis is the mail server {host}.\r\n\r\n{words}\r\n",
            date = date(self.now),
            postmaster = word(self.postmaster.as_bytes()),
            to = self.to,
            subject = self.outcome.subject(),
            words = self.outcome.words(),
        );
        for (recipient, _, reason) in self.recipients {
            let _ = write!(text, "<{}>:\r\n    ", typed(recipient));
            if let Some(reply) = &reason.reply {
                let from = reason.host.as_deref().unwrap_or("a server");
                let _ = write!(text, "{} said: ", word(from.as_bytes()));
                fold(&mut text, &format!("{} ", reply.code()), reply.text());
            } else {
                fold(&mut text, "", reason.text.as_bytes());
            }
        }
        self.put_status(&mut text, &boundary, &host);
        let kind = match is_header {
            true => "text/rfc822-headers",
            false => "message/rfc822",
        };
        let _ = write!(text, "\r\n--{boundary}\r\nContent-Type: {kind}\r\n\r\n");
        let mut octets = text.into_bytes();
        octets.extend_from_slice(&part);
        octets.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
        octets
    }

    /// `message/delivery-status` (RFC 3464 section 2).
    fn put_status(&self, text: &mut String, boundary: &str, host: &str) {
        let _ = write!(
            text,
            "\r\n--{boundary}\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; {host}\r\n"
        );
        if let Some(envid) = self.envid {
            let _ = write!(text, "Original-Envelope-Id: {}\r\n", word(envid));
        }
        let _ = write!(text, "Arrival-Date: {}\r\n", date(self.arrived));
        for (recipient, params, reason) in self.recipients {
            text.push_str("\r\n");
            if let Some(original) = &params.orcpt {
                let (kind, address) = (original.address_type(), original.address());
                let _ = write!(
                    text,
                    "Original-Recipient: {}; {}\r\n",
                    word(kind),
                    word(address)
                );
            }
            let kind = match recipient.is_internationalized() {
                true => "utf-8",
                false => "rfc822",
            };
            let _ = write!(text, "Final-Recipient: {kind}; {}\r\n", typed(recipient));
            let status = match self.outcome {
                Outcome::Relayed => "2.0.0".into(),
                _ => format!("{}", reason.status),
            };
            let _ = write!(
                text,
                "Action: {}\r\nStatus: {status}\r\n",
                self.outcome.action()
            );
            if let Some(host) = &reason.host {
                let _ = write!(text, "Remote-MTA: dns; {}\r\n", word(host.as_bytes()));
            }
            if let Some(reply) = &reason.reply {
                text.push_str("Diagnostic-Code: smtp; ");
                fold(text, &format!("{} ", reply.code()), reply.text());
            }
            let _ = write!(text, "Last-Attempt-Date: {}\r\n", date(self.now));
        }
    }

    /// What is given back of the message, and whether that is its header alone.
    fn returned(&self) -> (Vec<u8>, bool) {
        let is_all = self.is_whole && self.ret == Some(Ret::Full);
        let mut part = Vec::with_capacity(self.original.len());
        let mut rest = self.original;
        while !rest.is_empty() {
            let len = memchr::memchr(b'\n', rest).map_or(rest.len(), |at| at.saturating_add(1));
            let (line, tail) = rest.split_at_checked(len).unwrap_or_default();
            let is_cut = !line.ends_with(b"\n") && !self.is_whole;
            rest = tail;
            let line = line.strip_suffix(b"\n").unwrap_or(line);
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if !is_all && (line.is_empty() || is_cut) {
                break;
            }
            for &octet in line {
                part.push(match octet {
                    b'\r' | 0 => b' ',
                    // The notification itself is of seven bits, whatever it gives back.
                    128.. => b'?',
                    octet => octet,
                });
            }
            part.extend_from_slice(b"\r\n");
        }
        (part, !is_all)
    }
}

/// What somebody else said, folded, without controls, ASCII alone, and not too much of it.
fn fold(text: &mut String, head: &str, said: &[u8]) {
    const LINE: usize = 90;
    const LINES: usize = 10;
    text.push_str(head);
    let lines = said.split(|&octet| octet == b'\n');
    for (number, chunk) in lines.flat_map(|line| line.chunks(LINE)).enumerate() {
        if number > 0 {
            text.push_str("\r\n    ");
        }
        if number == LINES {
            text.push_str("...");
            break;
        }
        text.push_str(&word(chunk));
    }
    text.push_str("\r\n");
}

fn date(unix: u64) -> String {
    trace::date(Duration::from_secs(unix))
}

/// Octets without controls, ASCII alone.
fn word(octets: &[u8]) -> String {
    let clean = octets.iter().map(|&octet| match octet {
        b' '..=b'~' => char::from(octet),
        b'\t' => ' ',
        _ => '?',
    });
    clean.collect()
}

/// An address as RFC 6533 section 3 types it.
fn typed(address: &Mailbox) -> String {
    let mut text = String::new();
    for it in core::str::from_utf8(address.as_bytes())
        .unwrap_or_default()
        .chars()
    {
        match it {
            it if it.is_ascii() => text.push(it),
            it => {
                let _ = write!(text, "\\x{{{:X}}}", u32::from(it));
            }
        }
    }
    text
}
