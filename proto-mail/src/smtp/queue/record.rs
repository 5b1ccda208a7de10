//! What of a message has to survive a restart.
//!
//! ```text
//! QUEUE 1 <arrived, seconds since 1970> <octets>
//! MAIL FROM:<alice@crepes.fr> SIZE=42
//! RCPT TO:<bob@hamburger.edu> NOTIFY=FAILURE
//! ```
//! In the words of SMTP, so that one grammar and one set of checks serves for both.

use crate::smtp::wire::{Command, MailParams, Mailbox, RcptParams, ReversePath};
use crate::value::parse_number;
use alloc::vec::Vec;
use bytes::BytesMut;

/// The envelope of a message, and whom it still has to reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// When it came, in seconds since 1970.
    pub arrived: u64,
    /// Its octets.
    pub octets: u64,
    /// Whom to tell when it cannot be delivered.
    pub from: ReversePath,
    /// What else is said of it.
    pub params: MailParams,
    /// Who does not have it yet.
    pub recipients: Vec<(Mailbox, RcptParams)>,
}

/// Octets that are no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} is no part of a record")]
pub struct RecordError {
    /// Which line, from 1 on.
    pub line: usize,
}

impl Record {
    /// Writes it as text.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut text = BytesMut::from(&b"QUEUE 1 "[..]);
        crate::value::digits(self.arrived, &mut text);
        text.extend_from_slice(b" ");
        crate::value::digits(self.octets, &mut text);
        text.extend_from_slice(b"\r\n");
        Command::Mail {
            from: self.from.clone(),
            params: self.params.clone(),
        }
        .encode(&mut text);
        for (to, params) in &self.recipients {
            Command::Rcpt {
                to: to.clone(),
                params: params.clone(),
            }
            .encode(&mut text);
        }
        text.to_vec()
    }

    /// Reads it.
    ///
    /// # Errors
    ///
    /// [`RecordError`] when it was not written by [`encode`](Self::encode), or is cut off in a
    /// line.
    pub fn decode(text: &[u8]) -> Result<Self, RecordError> {
        let mut lines = text.split(|&octet| octet == b'\n').zip(1..);
        let mut next = || {
            let (line, number) = lines.next()?;
            Some((line.strip_suffix(b"\r"), number))
        };
        let bad = |line| RecordError { line };
        let head = next().and_then(|(line, _)| line).ok_or(bad(1))?;
        let mut numbers = head
            .strip_prefix(b"QUEUE 1 ")
            .ok_or(bad(1))?
            .split(|&octet| octet == b' ')
            .map(parse_number);
        let mut number = || numbers.next().flatten().ok_or(bad(1));
        let (arrived, octets) = (number()?, number()?);
        let line = next().and_then(|(line, _)| line).ok_or(bad(2))?;
        let Ok(Command::Mail { from, params }) = Command::parse(line, false) else {
            return Err(bad(2));
        };
        let mut recipients = Vec::new();
        while let Some((line, number)) = next() {
            let Some(line) = line else {
                // After the last line end there is nothing.
                let is_end = text.ends_with(b"\n") && next().is_none();
                return is_end
                    .then_some(Self {
                        arrived,
                        octets,
                        from,
                        params,
                        recipients,
                    })
                    .ok_or(bad(number));
            };
            let Ok(Command::Rcpt { to, params }) = Command::parse(line, false) else {
                return Err(bad(number));
            };
            recipients.push((to, params));
        }
        Err(bad(3))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::smtp::wire::Notify;
    use alloc::string::String;

    #[test]
    fn a_record_is_read_as_it_was_written_and_not_in_part() {
        let mut params = MailParams::default();
        params.smtputf8 = true;
        params.envid = Some("QQ 314159".into());
        let mut to = RcptParams::default();
        to.notify = Some(Notify::Never);
        for from in [
            ReversePath::Null,
            "alice@crepes.fr".parse::<Mailbox>().unwrap().into(),
        ] {
            let record = Record {
                arrived: 1_700_000_000,
                octets: 42,
                from,
                params: params.clone(),
                recipients: [
                    ("bob@hamburger.edu".parse().unwrap(), to.clone()),
                    (
                        "\"a b\"@\u{fc}.example".parse().unwrap(),
                        RcptParams::default(),
                    ),
                ]
                .into(),
            };
            let text = record.encode();
            assert_eq!(Record::decode(&text), Ok(record.clone()));
            for cut in 0..text.len() {
                let found = Record::decode(&text[..cut]);
                let is_whole = found.as_ref().is_ok_and(|found| *found == record);
                assert!(!is_whole, "{:?}", String::from_utf8_lossy(&text[..cut]));
            }
        }
    }
}
