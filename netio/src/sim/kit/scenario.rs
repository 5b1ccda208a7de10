//! What a scenario is: a machine, what its peer sends, how its events are answered.

use crate::shape::{StreamMachine, TlsInfo};
use bytes::Bytes;
use core::fmt::{Debug, Display};
use core::time::Duration;

/// A stream machine in one situation: how it is made, what its peer does, how its embedder reacts.
///
/// The kit makes a fresh scenario for every run, thousands of times, so keep the script short: some
/// hundred octets that meet every kind of message say more than some thousand of one kind.
///
/// What goes into the [`Log`] is what must not depend on chunking, order of calls or pace. Leave
/// out what may: `Writable` and its like. Write the pieces of a body with [`Log::chunk`], which
/// joins neighbours.
pub trait StreamScenario {
    /// The machine under test.
    type Machine: StreamMachine;

    /// A fresh machine whose life begins at `now`.
    fn machine(&self, now: Duration) -> Self::Machine;

    /// What the peer and the world do, in order.
    fn script(&self) -> Vec<Step>;

    /// What the embedder does before anything arrives: the first commands of a client.
    fn start(&mut self, machine: &mut Self::Machine, now: Duration) {
        let _ = (machine, now);
    }

    /// Takes an event and logs it.
    ///
    /// Commands may be issued here. A question may be answered here too, but keep it for
    /// [`answer`](Self::answer) instead: the kit then also tries what happens when answers come late,
    /// too late, or never.
    fn on_event(
        &mut self,
        machine: &mut Self::Machine,
        now: Duration,
        event: <Self::Machine as StreamMachine>::Event,
        log: &mut Log,
    );

    /// Answers one open question, or sends one more piece of an open body; false when there was
    /// nothing to do or the machine took nothing.
    ///
    /// The question may have become stale meanwhile: let a `UsageError` pass in silence.
    fn answer(&mut self, machine: &mut Self::Machine, now: Duration) -> bool {
        let _ = (machine, now);
        false
    }

    /// Carries out [`Step::Command`].
    fn command(&mut self, number: u32, machine: &mut Self::Machine, now: Duration) {
        let _ = (number, machine, now);
    }

    /// What the machine is told when a TLS handshake is done.
    fn tls(&self) -> TlsInfo {
        TlsInfo::default()
    }

    /// Whether this event says that the peer has ended its side in order (rule R6).
    fn is_peer_closed(&self, event: &<Self::Machine as StreamMachine>::Event) -> bool {
        let _ = event;
        false
    }

    /// Whether this event only says that an open command ends because its session does: the final
    /// event that every command has. Nothing that a peer sent is in it (rule R8).
    fn is_failure(&self, event: &<Self::Machine as StreamMachine>::Event) -> bool {
        let _ = event;
        false
    }

    /// What the peer would see in the machine's output. Two runs are equal when this log is.
    ///
    /// As it stands, the octets themselves. A protocol whose frames may lawfully be scheduled in
    /// another order replaces it, for instance by a peer machine that reads them.
    fn peer_view(&self, sent: &[Sent], log: &mut Log) {
        for step in sent {
            match step {
                Sent::Data(data) => log.chunk("sent", data),
                Sent::Urgent(data) => log.say(format!("sent urgent {:?}", Shown(data))),
                Sent::StartTls => log.say("sent StartTls"),
                Sent::StopTls => log.say("sent StopTls"),
                Sent::Shutdown => log.say("sent Shutdown"),
                Sent::Abort => log.say("sent Abort"),
            }
        }
    }

    /// Asked where a life was left undisturbed: has all that was meant to happen happened?
    ///
    /// # Errors
    ///
    /// What is missing.
    fn completed(&self) -> Result<(), String> {
        Ok(())
    }

    /// Asked at the end of every life, however it ended (end, error, reset, nonsense on the wire):
    /// does everything hold that must hold always? The place for "exactly one final event for each
    /// command".
    ///
    /// # Errors
    ///
    /// What does not hold.
    fn invariant(&self) -> Result<(), String> {
        Ok(())
    }
}

/// One thing that happens to a machine, in the order of the script.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// The peer sends octets. Neighbouring steps count as one; the kit cuts them where it likes.
    Feed(Bytes),
    /// Nothing more happens until these octets were found in the output that came after the last
    /// octets so found: a server must not reply before the command was sent.
    Await(Bytes),
    /// Nothing more happens until the machine has given so many octets of output in all.
    AwaitOctets(u64),
    /// The machine asks for TLS ([`StartTls`](crate::shape::StreamTransmit::StartTls)) and is told
    /// that it is established.
    Upgrade,
    /// The machine is told that TLS is established without having asked: implicit TLS. The first
    /// step of a script.
    Secure,
    /// The machine goes back to plaintext ([`StopTls`](crate::shape::StreamTransmit::StopTls)).
    Downgrade,
    /// The embedder issues a command: [`StreamScenario::command`] with this number.
    Command(u32),
    /// The embedder closes.
    Close,
    /// The peer ends its side in order.
    Eof,
    /// The transport dies.
    Disconnect,
    /// Time passes; deadlines on the way are met exactly.
    Advance(Duration),
}

impl Step {
    /// The peer sends `octets`.
    pub fn feed(octets: impl AsRef<[u8]>) -> Self {
        Self::Feed(Bytes::copy_from_slice(octets.as_ref()))
    }

    /// Waits for `octets` in the output.
    pub fn wait_for(octets: impl AsRef<[u8]>) -> Self {
        Self::Await(Bytes::copy_from_slice(octets.as_ref()))
    }
}

/// What a machine gave to its transport, neighbouring data joined.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Sent {
    /// Octets.
    Data(Vec<u8>),
    /// Octets of which the last was urgent.
    Urgent(Vec<u8>),
    /// A TLS handshake.
    StartTls,
    /// The end of TLS.
    StopTls,
    /// The end of the writing side.
    Shutdown,
    /// A reset.
    Abort,
}

impl Debug for Sent {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Data(data) => write!(f, "{:?}", Shown(data)),
            Self::Urgent(data) => write!(f, "urgent {:?}", Shown(data)),
            Self::StartTls => f.write_str("StartTls"),
            Self::StopTls => f.write_str("StopTls"),
            Self::Shutdown => f.write_str("Shutdown"),
            Self::Abort => f.write_str("Abort"),
        }
    }
}

/// What was said in a run, in a form in which two runs can be compared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Log {
    entries: Vec<Entry>,
    muted: bool,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Entry {
    Said(String),
    Chunk { of: String, data: Vec<u8> },
}

impl Log {
    /// Notes one thing.
    pub fn say(&mut self, text: impl Into<String>) {
        if !self.muted {
            self.entries.push(Entry::Said(text.into()));
        }
    }

    /// Notes an event as its `Debug` output shows it.
    pub fn event(&mut self, event: &impl Debug) {
        if !self.muted {
            self.entries.push(Entry::Said(format!("{event:?}")));
        }
    }

    /// Notes a piece of a body. It is joined to the entry before it when that is a piece of the
    /// same `of`, so that it does not matter in how many pieces a body came.
    pub fn chunk(&mut self, of: impl Display, piece: &[u8]) {
        if self.muted {
            return;
        }
        let name = of.to_string();
        match self.entries.last_mut() {
            Some(Entry::Chunk { of, data }) if *of == name => data.extend_from_slice(piece),
            _ => self.entries.push(Entry::Chunk {
                of: name,
                data: piece.to_vec(),
            }),
        }
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing was noted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The entries as text.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.entries
            .iter()
            .map(|entry| format!("{entry:?}"))
            .collect()
    }

    /// A log that keeps nothing, for runs whose memory is measured.
    pub(super) fn muted() -> Self {
        Self {
            entries: Vec::new(),
            muted: true,
        }
    }

    /// Sorts the entries, where order means nothing.
    pub(super) fn sort(&mut self) {
        self.entries.sort();
    }

    /// Whether this log begins with all of `start`; a body that `start` leaves open may go on.
    pub(super) fn begins_with(&self, start: &Self) -> bool {
        let Some((last, before)) = start.entries.split_last() else {
            return true;
        };
        if !self.entries.starts_with(before) {
            return false;
        }
        match (last, self.entries.get(before.len())) {
            (
                Entry::Chunk { of, data },
                Some(Entry::Chunk {
                    of: name,
                    data: all,
                }),
            ) => of == name && all.starts_with(data),
            (last, Some(entry)) => last == entry,
            (_, None) => false,
        }
    }

    /// Where the two logs part, in words.
    pub(super) fn difference(&self, other: &Self) -> Option<String> {
        if self.entries == other.entries {
            return None;
        }
        let at = self
            .entries
            .iter()
            .zip(&other.entries)
            .take_while(|(one, two)| one == two)
            .count();
        let show = |entries: &[Entry]| {
            entries.get(at).map_or_else(
                || "(nothing more)".to_string(),
                |entry| format!("{entry:?}"),
            )
        };
        Some(format!(
            "entry {at} of the log is\n    {}\n  where the reference has\n    {}",
            show(&other.entries),
            show(&self.entries)
        ))
    }
}

impl Debug for Entry {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Said(text) => f.write_str(text),
            Self::Chunk { of, data } => {
                write!(f, "{of} ({} octets) {:?}", data.len(), Shown(data))
            }
        }
    }
}

/// Octets as text, with a limit on how many are shown.
pub(super) struct Shown<'a>(pub(super) &'a [u8]);

impl Debug for Shown<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        const MOST: usize = 400;
        let shown = self.0.get(..MOST).unwrap_or(self.0);
        write!(f, "\"{}\"", shown.escape_ascii())?;
        if shown.len() < self.0.len() {
            write!(f, " and {} more", self.0.len().saturating_sub(MOST))?;
        }
        Ok(())
    }
}
