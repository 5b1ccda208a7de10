//! What happened, call by call, as text that can be kept, compared and played again.
//!
//! One line an entry: nanoseconds, node, stream (or `-`), what. Octets and texts are escaped.
//!
//! ```text
//! 20000000 server 1 input HELO x\r\n
//! 20000000 server 1 event Some("Helo { .. }")
//! 20000000 server 1 transmit 65536 data 250 ok\r\n
//! ```

use super::adapter::{DatagramApp, StreamApp};
use crate::shape::{
    DatagramMachine, DatagramTransmit, Local, LocalId, StreamMachine, StreamTransmit, TlsInfo,
};
use bytes::{Bytes, BytesMut};
use core::fmt::{self, Display};
use core::net::SocketAddr;
use core::str::FromStr;
use core::time::Duration;

/// A recording, in the order in which things happened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transcript {
    entries: Vec<Entry>,
}

/// One call or fact.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry {
    /// When, since the start.
    pub at: Duration,
    /// The node that it concerns, or the host.
    pub node: String,
    /// The stream that it concerns, by a number that both its ends share.
    pub stream: Option<u64>,
    /// What it was.
    pub call: Call,
}

/// A call to a machine with its result, or something else worth a line.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Call {
    /// Octets were appended to the machine's input.
    Input(Bytes),
    /// `poll_event`, and what it gave as its `Debug` output shows it.
    Event(Polled),
    /// `poll_transmit` with a budget, and what it gave.
    Transmit(usize, Option<StreamTransmit>),
    /// `handle_datagram`: the socket, the source, the octets.
    Received(LocalId, SocketAddr, Bytes),
    /// `poll_transmit` of a datagram machine, and what it gave.
    Sent(Option<DatagramTransmit>),
    /// `handle_timeout`.
    Timeout,
    /// `handle_eof`.
    Eof,
    /// `handle_disconnect`.
    Disconnect,
    /// `handle_tls_established`.
    Secured,
    /// The application was asked for work: [`StreamApp::advance`], and whether it did any.
    Advance(bool),
    /// Anything else: the facts that a node was told, a host that fails.
    Note(String),
}

/// What `poll_event` gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Polled {
    /// Nothing.
    Nothing,
    /// An event.
    Event(String),
    /// The error.
    Error(String),
}

impl Transcript {
    /// The entries.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// What concerns one node and one of its streams: what [`replay`] takes. Without a stream, what
    /// concerns the node alone: what [`replay_datagrams`] takes.
    #[must_use]
    pub fn of(&self, node: &str, stream: Option<u64>) -> Self {
        let concerns = |entry: &&Entry| entry.node == node && entry.stream == stream;
        Self {
            entries: self.entries.iter().filter(concerns).cloned().collect(),
        }
    }

    pub(super) fn push(&mut self, entry: Entry) {
        self.entries.push(entry);
    }
}

/// Plays a recording (of one stream, see [`Transcript::of`]) to a fresh machine and a fresh
/// application, and compares every result.
///
/// # Errors
///
/// [`Diverged`] at the first result that is not the recorded one.
pub fn replay<M: StreamMachine, A: StreamApp<M>>(
    recording: &Transcript,
    machine: &mut M,
    app: &mut A,
) -> Result<(), Diverged> {
    let mut input = BytesMut::new();
    for (number, entry) in recording.entries.iter().enumerate() {
        let now = entry.at;
        let given = match &entry.call {
            Call::Event(_) => match machine.poll_event(now, &mut input) {
                Ok(None) => Call::Event(Polled::Nothing),
                Ok(Some(event)) => {
                    let shown = format!("{event:?}");
                    app.on_event(now, machine, event);
                    Call::Event(Polled::Event(shown))
                }
                Err(error) => {
                    let shown = format!("{error:?}");
                    app.on_error(now, machine, error);
                    Call::Event(Polled::Error(shown))
                }
            },
            Call::Transmit(budget, _) => {
                Call::Transmit(*budget, machine.poll_transmit(now, *budget))
            }
            Call::Advance(_) => Call::Advance(app.advance(now, machine)),
            call => {
                match call {
                    Call::Input(octets) => input.extend_from_slice(octets),
                    Call::Timeout => machine.handle_timeout(now),
                    Call::Eof => machine.handle_eof(now),
                    Call::Disconnect => machine.handle_disconnect(now),
                    Call::Secured => machine.handle_tls_established(now, TlsInfo::default()),
                    Call::Note(text) if text == START => app.start(now, machine),
                    _ => {}
                }
                continue;
            }
        };
        compare(number, &entry.call, &given)?;
    }
    Ok(())
}

/// The same for a datagram machine: plays what concerns its node.
///
/// # Errors
///
/// [`Diverged`] at the first result that is not the recorded one.
pub fn replay_datagrams<M: DatagramMachine, A: DatagramApp<M>>(
    recording: &Transcript,
    machine: &mut M,
    app: &mut A,
) -> Result<(), Diverged> {
    for (number, entry) in recording.entries.iter().enumerate() {
        let now = entry.at;
        let given = match &entry.call {
            Call::Event(_) => Call::Event(match machine.poll_event() {
                None => Polled::Nothing,
                Some(event) => {
                    let shown = format!("{event:?}");
                    app.on_event(now, machine, event);
                    Polled::Event(shown)
                }
            }),
            Call::Sent(_) => Call::Sent(machine.poll_transmit(now)),
            Call::Advance(_) => Call::Advance(app.advance(now, machine)),
            call => {
                match call {
                    Call::Received(local, from, data) => {
                        machine.handle_datagram(now, *local, *from, data);
                    }
                    Call::Timeout => machine.handle_timeout(now),
                    Call::Note(text) if text == START => app.start(now, machine),
                    _ => {}
                }
                continue;
            }
        };
        compare(number, &entry.call, &given)?;
    }
    Ok(())
}

fn compare(number: usize, recorded: &Call, given: &Call) -> Result<(), Diverged> {
    if recorded == given {
        return Ok(());
    }
    Err(Diverged {
        number,
        recorded: recorded.to_string(),
        given: given.to_string(),
    })
}

/// The note that stands where the application was told that the machine is connected.
pub(super) const START: &str = "start";

/// A replay gave something else than the recording.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("entry {number} was \"{recorded}\", and is \"{given}\" now")]
#[non_exhaustive]
pub struct Diverged {
    /// Which entry, from 0.
    pub number: usize,
    /// What was recorded.
    pub recorded: String,
    /// What came now.
    pub given: String,
}

/// A text that is no transcript.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} is no entry of a transcript")]
#[non_exhaustive]
pub struct NotATranscript {
    /// Which line, from 1.
    pub line: usize,
}

impl Display for Transcript {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for entry in &self.entries {
            write!(f, "{} {} ", entry.at.as_nanos(), word(&entry.node))?;
            match entry.stream {
                Some(stream) => write!(f, "{stream}")?,
                None => f.write_str("-")?,
            }
            writeln!(f, " {}", entry.call)?;
        }
        Ok(())
    }
}

impl Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Input(octets) => write!(f, "input {}", octets.escape_ascii()),
            Self::Event(Polled::Nothing) => f.write_str("event"),
            Self::Event(Polled::Event(event)) => {
                write!(f, "event some {}", event.as_bytes().escape_ascii())
            }
            Self::Event(Polled::Error(error)) => {
                write!(f, "event error {}", error.as_bytes().escape_ascii())
            }
            Self::Transmit(budget, step) => {
                write!(f, "transmit {budget}")?;
                match step {
                    None => Ok(()),
                    Some(StreamTransmit::Data(data)) => {
                        write!(f, " data {}", data.escape_ascii())
                    }
                    Some(StreamTransmit::Urgent(data)) => {
                        write!(f, " urgent {}", data.escape_ascii())
                    }
                    Some(StreamTransmit::StartTls) => f.write_str(" start-tls"),
                    Some(StreamTransmit::StopTls) => f.write_str(" stop-tls"),
                    Some(StreamTransmit::Shutdown) => f.write_str(" shutdown"),
                    Some(StreamTransmit::Abort) => f.write_str(" abort"),
                }
            }
            Self::Received(local, from, data) => {
                write!(f, "received {} {from} {}", local.0, data.escape_ascii())
            }
            Self::Sent(None) => f.write_str("sent"),
            Self::Sent(Some(DatagramTransmit::Release(id))) => write!(f, "sent release {}", id.0),
            Self::Sent(Some(DatagramTransmit::Datagram { local, to, payload })) => {
                match local {
                    Local::Any => f.write_str("sent any")?,
                    Local::Id(id) => write!(f, "sent {}", id.0)?,
                    Local::Fresh(id) => write!(f, "sent fresh-{}", id.0)?,
                }
                write!(f, " {to} {}", payload.escape_ascii())
            }
            Self::Timeout => f.write_str("timeout"),
            Self::Eof => f.write_str("eof"),
            Self::Disconnect => f.write_str("disconnect"),
            Self::Secured => f.write_str("secured"),
            Self::Advance(moved) => write!(f, "advance {moved}"),
            Self::Note(text) => write!(f, "note {}", text.as_bytes().escape_ascii()),
        }
    }
}

impl FromStr for Transcript {
    type Err = NotATranscript;

    fn from_str(text: &str) -> Result<Self, NotATranscript> {
        let mut entries = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let bad = NotATranscript {
                line: number.saturating_add(1),
            };
            entries.push(entry(line).ok_or(bad)?);
        }
        Ok(Self { entries })
    }
}

fn entry(line: &str) -> Option<Entry> {
    let mut words = line.splitn(4, ' ');
    let nanos: u128 = words.next()?.parse().ok()?;
    let seconds = u64::try_from(nanos.checked_div(1_000_000_000)?).ok()?;
    let rest = u32::try_from(nanos.checked_rem(1_000_000_000)?).ok()?;
    let node = String::from_utf8(unescape(words.next()?)?).ok()?;
    let stream = match words.next()? {
        "-" => None,
        number => Some(number.parse().ok()?),
    };
    Some(Entry {
        at: Duration::new(seconds, rest),
        node,
        stream,
        call: call(words.next()?)?,
    })
}

fn call(text: &str) -> Option<Call> {
    let (what, rest) = text.split_once(' ').unwrap_or((text, ""));
    let words = || -> Option<String> { String::from_utf8(unescape(rest)?).ok() };
    Some(match what {
        "input" => Call::Input(unescape(rest)?.into()),
        "event" => Call::Event(match rest.split_once(' ') {
            None if rest.is_empty() => Polled::Nothing,
            Some(("some", event)) => Polled::Event(String::from_utf8(unescape(event)?).ok()?),
            Some(("error", error)) => Polled::Error(String::from_utf8(unescape(error)?).ok()?),
            _ => return None,
        }),
        "transmit" => {
            let (budget, step) = rest.split_once(' ').unwrap_or((rest, ""));
            let (kind, data) = step.split_once(' ').unwrap_or((step, ""));
            let step = match kind {
                "" => None,
                "data" => Some(StreamTransmit::Data(unescape(data)?.into())),
                "urgent" => Some(StreamTransmit::Urgent(unescape(data)?.into())),
                "start-tls" => Some(StreamTransmit::StartTls),
                "stop-tls" => Some(StreamTransmit::StopTls),
                "shutdown" => Some(StreamTransmit::Shutdown),
                "abort" => Some(StreamTransmit::Abort),
                _ => return None,
            };
            Call::Transmit(budget.parse().ok()?, step)
        }
        "received" => {
            let mut words = rest.splitn(3, ' ');
            Call::Received(
                LocalId(words.next()?.parse().ok()?),
                words.next()?.parse().ok()?,
                unescape(words.next()?)?.into(),
            )
        }
        "sent" if rest.is_empty() => Call::Sent(None),
        "sent" => Call::Sent(Some(sent(rest)?)),
        "timeout" => Call::Timeout,
        "eof" => Call::Eof,
        "disconnect" => Call::Disconnect,
        "secured" => Call::Secured,
        "advance" => Call::Advance(rest.parse().ok()?),
        "note" => Call::Note(words()?),
        _ => return None,
    })
}

fn sent(text: &str) -> Option<DatagramTransmit> {
    let (local, rest) = text.split_once(' ')?;
    if local == "release" {
        return Some(DatagramTransmit::Release(LocalId(rest.parse().ok()?)));
    }
    let local = match (local, local.strip_prefix("fresh-")) {
        ("any", _) => Local::Any,
        (_, Some(id)) => Local::Fresh(LocalId(id.parse().ok()?)),
        (id, None) => Local::Id(LocalId(id.parse().ok()?)),
    };
    let (to, payload) = rest.split_once(' ')?;
    Some(DatagramTransmit::Datagram {
        local,
        to: to.parse().ok()?,
        payload: unescape(payload)?.into(),
    })
}

/// A name as one word: a space would end it.
fn word(name: &str) -> String {
    name.as_bytes()
        .escape_ascii()
        .to_string()
        .replace(' ', "\\x20")
}

/// The inverse of `escape_ascii`.
fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first != b'\\' {
            octets.push(*first);
            continue;
        }
        let (kind, tail) = rest.split_first()?;
        rest = tail;
        octets.push(match kind {
            b't' => b'\t',
            b'n' => b'\n',
            b'r' => b'\r',
            b'\'' | b'"' | b'\\' => *kind,
            b'x' => {
                let (digits, tail) = rest.split_first_chunk::<2>()?;
                rest = tail;
                u8::from_str_radix(core::str::from_utf8(digits).ok()?, 16).ok()?
            }
            _ => return None,
        });
    }
    Some(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn datagram(local: Local, payload: &[u8]) -> Call {
        Call::Sent(Some(DatagramTransmit::Datagram {
            local,
            to: "192.0.2.1:53".parse().unwrap(),
            payload: Bytes::copy_from_slice(payload),
        }))
    }

    #[test]
    fn text_round_trips() {
        let all: Vec<u8> = (0..=255).collect();
        let calls = [
            Call::Input(all.clone().into()),
            Call::Event(Polled::Nothing),
            Call::Event(Polled::Event("Line { .. }".into())),
            Call::Event(Polled::Event(String::new())),
            Call::Event(Polled::Error("ä".into())),
            Call::Transmit(usize::MAX, None),
            Call::Transmit(7, Some(StreamTransmit::Data(all.clone().into()))),
            Call::Transmit(7, Some(StreamTransmit::Urgent(all.clone().into()))),
            Call::Received(
                LocalId(3),
                "[2001:db8::1]:53".parse().unwrap(),
                all.clone().into(),
            ),
            Call::Sent(None),
            Call::Sent(Some(DatagramTransmit::Release(LocalId(u64::MAX)))),
            datagram(Local::Any, &all),
            datagram(Local::Id(LocalId(0)), b""),
            datagram(Local::Fresh(LocalId(9)), &all),
            Call::Transmit(0, Some(StreamTransmit::StartTls)),
            Call::Transmit(0, Some(StreamTransmit::StopTls)),
            Call::Transmit(0, Some(StreamTransmit::Shutdown)),
            Call::Transmit(0, Some(StreamTransmit::Abort)),
            Call::Timeout,
            Call::Eof,
            Call::Disconnect,
            Call::Secured,
            Call::Advance(true),
            Call::Note("a b\\c".into()),
        ];
        let transcript = Transcript {
            entries: calls
                .into_iter()
                .map(|call| Entry {
                    at: Duration::new(3, 14),
                    node: "a node".into(),
                    stream: None,
                    call,
                })
                .collect(),
        };
        let text = transcript.to_string();
        assert_eq!(text.parse(), Ok(transcript));
    }

    #[test]
    fn what_is_no_entry_is_refused() {
        for text in [
            "x",
            "1 n - nothing",
            "1 n - input \\",
            "1 n - input \\x0",
            "1 n y eof",
        ] {
            let parsed: Result<Transcript, _> = text.parse();
            assert_eq!(parsed, Err(NotATranscript { line: 1 }), "{text}");
        }
    }
}
