//! Transfers of zones, on the side that gives (RFC 5936, RFC 1995).

use super::journal::{Delta, Rr};
use super::update::is_newer;
use super::zone::Zone;
use crate::UnixTime;
use crate::tsig::{self, Transaction};
use crate::wire::{
    Builder, Class, Edns, Flags, MAX_MESSAGE, Name, QuestionRef, RData, Rcode, Section, Type,
};
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use bytes::Bytes;

/// Octets of a message of a transfer, about: what two-octet pointers of compression reach.
const MESSAGE: usize = 16_384;

/// A transfer under way: message after message, as fast as they are asked for. The version of the
/// zone that it began with is the one that it gives, whatever becomes of the zone meanwhile.
#[derive(Debug)]
pub struct Transfer {
    zone: Arc<Zone>,
    id: u16,
    qtype: Type,
    question: Name,
    edns: Option<u16>,
    signer: Option<Box<Transaction>>,
    unix: UnixTime,
    plan: Plan,
    first: bool,
    done: bool,
}

#[derive(Debug)]
enum Plan {
    /// Only the SOA record: there is nothing new, or the whole does not fit a datagram.
    Soa { left: bool },
    /// The SOA record, everything else, and the SOA record again.
    Whole(Cursor),
    /// The SOA record, and for each change what goes and what comes.
    Changes { begun: bool, left: VecDeque<Rr> },
}

#[derive(Debug)]
enum Cursor {
    Begin,
    /// The next record: key of its name, number of its RRset, number in it.
    At(Box<[u8]>, usize, usize),
    End,
    Done,
}

impl Transfer {
    /// A transfer that answers this question. An IXFR question gives the changes from `serial` on
    /// when they are known and smaller than the zone, and the whole zone otherwise.
    pub(crate) fn new(
        zone: Arc<Zone>,
        id: u16,
        question: QuestionRef<'_>,
        serial: Option<u32>,
        edns: Option<u16>,
        signer: Option<(Transaction, UnixTime)>,
    ) -> Self {
        let plan = match serial {
            None => Plan::Whole(Cursor::Begin),
            Some(serial) if !is_newer(zone.serial(), serial) => Plan::Soa { left: true },
            Some(serial) => match zone.journal().since(serial) {
                Some(deltas) => Plan::Changes {
                    begun: false,
                    left: flatten(deltas),
                },
                None => Plan::Whole(Cursor::Begin),
            },
        };
        let (signer, unix) = match signer {
            Some((signer, unix)) => (Some(Box::new(signer)), unix),
            None => (None, UnixTime::EPOCH),
        };
        Self {
            zone,
            id,
            qtype: question.qtype,
            question: question.name.to_name(),
            edns,
            signer,
            unix,
            plan,
            first: true,
            done: false,
        }
    }

    /// The zone.
    #[must_use]
    pub fn zone(&self) -> &Arc<Zone> {
        &self.zone
    }

    /// Whether it gives changes; otherwise it gives the whole zone, or says that there is nothing
    /// newer.
    #[must_use]
    pub const fn is_incremental(&self) -> bool {
        matches!(self.plan, Plan::Changes { .. })
    }

    /// Says what time it is: messages that are still to come are signed with it. A transfer that
    /// takes minutes needs to know.
    pub const fn handle_clock(&mut self, unix: UnixTime) {
        self.unix = unix;
    }

    /// Whether every message was taken.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        self.done
    }

    /// The next message; `None` after the last one.
    pub fn next_message(&mut self) -> Option<Bytes> {
        self.message(MESSAGE)
    }

    /// All of it in one datagram of at most `limit` octets; when it does not fit, the SOA record
    /// alone, which tells the client to come by TCP (RFC 1995 section 2).
    pub(crate) fn datagram(mut self, limit: usize) -> Option<Bytes> {
        let signer = self.signer.clone();
        let message = self.message(limit)?;
        if self.done {
            return Some(message);
        }
        self.plan = Plan::Soa { left: true };
        (self.first, self.done, self.signer) = (true, false, signer);
        self.message(limit)
    }

    fn message(&mut self, limit: usize) -> Option<Bytes> {
        if self.done {
            return None;
        }
        let reserve = match &self.signer {
            Some(signer) => tsig::overhead(signer.key()),
            None => 0,
        };
        let room = limit.min(MAX_MESSAGE).saturating_sub(reserve);
        let mut message = self.build(room);
        if message.is_none() {
            // A record that is larger than other messages are.
            message = self.build(MAX_MESSAGE.saturating_sub(reserve));
        }
        let mut message = message?;
        self.first = false;
        if let Some(signer) = &mut self.signer {
            signer.sign(&mut message, self.unix).ok()?;
        }
        Some(message.into())
    }

    fn build(&mut self, room: usize) -> Option<Vec<u8>> {
        let mut buffer = alloc::vec![0; room];
        let mut builder =
            Builder::new(&mut buffer, self.id, Flags::QR.with(Flags::AA, true)).ok()?;
        if self.first {
            if let Some(payload) = self.edns {
                builder.set_edns(&Edns::new(payload)).ok()?;
            }
            builder
                .push_question(self.question.view(), self.qtype, Class::IN)
                .ok()?;
        }
        let (mut any, zone) = (false, Arc::clone(&self.zone));
        let done = loop {
            let Some((owner, ttl, rtype, data)) = self.plan.peek(&zone) else {
                break true;
            };
            let Ok(rdata) = RData::from_wire(rtype, data) else {
                self.plan.advance(&zone);
                continue;
            };
            if builder
                .push(Section::Answer, owner.view(), Class::IN, ttl, &rdata)
                .is_err()
            {
                break false;
            }
            any = true;
            self.plan.advance(&zone);
        };
        if !any && !done {
            return None;
        }
        builder.set_rcode(Rcode::NOERROR);
        let len = builder.finish().len();
        buffer.truncate(len);
        self.done = done || self.plan.peek(&zone).is_none();
        Some(buffer)
    }
}

type Line<'z> = (&'z Name, u32, Type, &'z [u8]);

impl Plan {
    fn peek<'z>(&'z self, zone: &'z Zone) -> Option<Line<'z>> {
        match self {
            Self::Soa { left } => left.then(|| soa(zone)).flatten(),
            Self::Changes { begun: false, .. } => soa(zone),
            Self::Changes { left, .. } => match left.front() {
                Some(rr) => Some((&rr.owner, rr.ttl, rr.rtype, &rr.data)),
                None => None,
            },
            Self::Whole(Cursor::Begin | Cursor::End) => soa(zone),
            Self::Whole(Cursor::At(key, rrset, record)) => {
                let (_, node) = zone.nodes_from(key).next()?;
                let rrset = node.rrsets.get(*rrset)?;
                let data = rrset.wires().get(*record)?;
                Some((&node.name, rrset.ttl, rrset.rtype, data))
            }
            Self::Whole(Cursor::Done) => None,
        }
    }

    fn advance(&mut self, zone: &Zone) {
        match self {
            Self::Soa { left } => *left = false,
            Self::Changes {
                begun: begun @ false,
                ..
            } => *begun = true,
            Self::Changes { left, .. } => {
                left.pop_front();
            }
            Self::Whole(cursor) => cursor.advance(zone),
        }
    }
}

impl Cursor {
    fn advance(&mut self, zone: &Zone) {
        *self = match core::mem::replace(self, Self::Done) {
            Self::Begin => Self::next_from(zone, zone.key().into(), 0, 0),
            Self::At(key, rrset, record) => {
                Self::next_from(zone, key, rrset, record.saturating_add(1))
            }
            Self::End | Self::Done => Self::Done,
        };
    }

    /// The first record at this place or behind it that is not the SOA record.
    fn next_from(zone: &Zone, key: Box<[u8]>, mut rrset: usize, mut record: usize) -> Self {
        for (key, node) in zone.nodes_from(&key) {
            while let Some(set) = node.rrsets.get(rrset) {
                if set.rtype != Type::SOA && record < set.wires().len() {
                    return Self::At(key.into(), rrset, record);
                }
                (rrset, record) = (rrset.saturating_add(1), 0);
            }
            (rrset, record) = (0, 0);
        }
        Self::End
    }
}

fn soa(zone: &Zone) -> Option<Line<'_>> {
    let rrset = zone.soa_rrset()?;
    Some((zone.origin(), rrset.ttl, Type::SOA, rrset.wires().first()?))
}

/// RFC 1995 section 4: for each change the old SOA record and what goes, the new one and what comes;
/// at the end the newest SOA record.
fn flatten(deltas: Vec<Delta>) -> VecDeque<Rr> {
    let last = deltas.last().and_then(|delta| delta.added.first().cloned());
    let mut records = VecDeque::new();
    for delta in deltas {
        records.extend(delta.removed);
        records.extend(delta.added);
    }
    records.extend(last);
    records
}
