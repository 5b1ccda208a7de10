//! Transfers of zones, on the side that takes (RFC 5936, RFC 1995).
//!
//! ```text
//!  messages     SOA alone, not newer                          UpToDate
//!  ------> Begin ------------------------> (IXFR only) ------------->
//!            | SOA                SOA = serial we hold
//!            v                      +-> Removing <-> Adding --- SOA = newest --> Done
//!          First -- second record --+
//!                                   +-> Whole ----------------- SOA = newest --> Done
//! ```

use crate::server::journal::{Delta, Rr};
use crate::server::update::is_newer;
use crate::server::{Zone, ZoneBuilder};
use crate::tsig::{Key, Transaction};
use crate::wire::{
    Builder, Class, Flags, Message, Name, NameRef, Opcode, RData, Rcode, Record, Section, Type,
};
use crate::{Limits, TransferError, UnixTime};
use alloc::sync::Arc;
use alloc::vec::Vec;
use bytes::Bytes;

/// How far a transfer is.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Progress {
    /// More messages are to come.
    More,
    /// The primary has nothing newer.
    UpToDate,
    /// This is the zone.
    Done(Arc<Zone>),
}

/// One transfer: makes the request, takes the messages that answer it, and builds the zone.
///
/// ```
/// use core::net::SocketAddr;
/// use core::time::Duration;
/// use proto_dns::client::{Incoming, Progress};
/// use proto_dns::server::{Authority, Nameserver, Zone, nameserver::{Policy, Response}};
/// use proto_dns::wire::{Name, RData};
/// use proto_dns::{Limits, Transport, UnixTime};
///
/// let origin: Name = "example.com".parse()?;
/// let mut zone = Zone::builder(origin.clone());
/// zone.add_text("@ 300 SOA ns h 1 60 60 600 60\n@ 300 NS ns\nns 300 A 192.0.2.1\n")?;
/// let mut authority = Authority::new();
/// authority.insert(zone.build()?)?;
/// let mut policy = Policy::default();
/// policy.transfer.any = true;
/// let now = Duration::ZERO;
/// let mut server = Nameserver::new(now, authority, policy, [7; 32]);
///
/// let (mut incoming, request) = Incoming::request(origin, None, 99, None, &Limits::default());
/// let from: SocketAddr = "192.0.2.9:4000".parse()?;
/// let Response::Transfer(mut transfer) = server.respond(now, &request, from, Transport::Tcp) else {
///     panic!("refused")
/// };
/// while let Some(message) = transfer.next_message() {
///     if let Progress::Done(zone) = incoming.handle_message(&message, UnixTime::EPOCH)? {
///         assert_eq!(zone.records().count(), 3);
///     }
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Incoming {
    origin: Name,
    id: u16,
    current: Option<Arc<Zone>>,
    verifier: Option<Transaction>,
    state: State,
    /// The serial number of the SOA record that came first.
    serial: u32,
    soa: Option<Rr>,
    records: u64,
    octets: u64,
    max_records: u64,
    max_octets: u64,
    first_message: bool,
    incremental: bool,
}

#[derive(Debug)]
enum State {
    Begin,
    First,
    Whole(ZoneBuilder),
    Removing(Zone, Delta),
    Adding(Zone, Delta),
    Complete(Arc<Zone>),
    UpToDate,
    Failed,
}

impl Incoming {
    /// A transfer of a zone: incremental when a version is held already. Returns the request too,
    /// signed when there is a key; `key` comes with the wall-clock time.
    #[must_use]
    pub fn request(
        origin: Name,
        current: Option<Arc<Zone>>,
        id: u16,
        key: Option<(&Key, UnixTime)>,
        limits: &Limits,
    ) -> (Self, Bytes) {
        let mut message = request_message(&origin, current.as_deref(), id).unwrap_or_default();
        let verifier =
            key.and_then(|(key, unix)| Transaction::request(key, &mut message, unix).ok());
        let incoming = Self {
            origin,
            id,
            current,
            verifier,
            state: State::Begin,
            serial: 0,
            soa: None,
            records: 0,
            octets: 0,
            max_records: limits.max_transfer_records,
            max_octets: limits.max_transfer_octets,
            first_message: true,
            incremental: false,
        };
        (incoming, message.into())
    }

    /// Whether the primary gives changes, as far as is known yet.
    #[must_use]
    pub const fn is_incremental(&self) -> bool {
        self.incremental
    }

    /// Takes the next message.
    ///
    /// # Errors
    ///
    /// [`TransferError`]; the transfer is over then, and so is every further call.
    pub fn handle_message(
        &mut self,
        message: &[u8],
        unix: UnixTime,
    ) -> Result<Progress, TransferError> {
        let result = self.take(message, unix);
        if result.is_err() {
            self.state = State::Failed;
        }
        result
    }

    fn take(&mut self, octets: &[u8], unix: UnixTime) -> Result<Progress, TransferError> {
        if matches!(
            self.state,
            State::Failed | State::Complete(_) | State::UpToDate
        ) {
            return Err(TransferError::Trailing);
        }
        let len = u64::try_from(octets.len()).unwrap_or(u64::MAX);
        self.octets = self.octets.saturating_add(len);
        if self.octets > self.max_octets {
            return Err(TransferError::TooLarge);
        }
        let bare;
        let octets = match &mut self.verifier {
            Some(verifier) => {
                bare = verifier.verify(octets, unix)?;
                bare.as_slice()
            }
            None => octets,
        };
        let message = Message::parse(octets)?;
        self.check_header(&message)?;
        for record in message.answers() {
            self.record(&record)?;
        }
        self.end_of_message(&message)
    }

    fn check_header(&mut self, message: &Message<'_>) -> Result<(), TransferError> {
        let header = message.header();
        let first = core::mem::replace(&mut self.first_message, false);
        if header.id != self.id
            || !header.flags.is_response()
            || header.flags.opcode() != Opcode::QUERY
        {
            return Err(TransferError::Mismatch);
        }
        if message.rcode() != Rcode::NOERROR {
            return Err(TransferError::Refused(message.rcode()));
        }
        let qtype = if self.current.is_some() {
            Type::IXFR
        } else {
            Type::AXFR
        };
        // RFC 5936 section 2.2.1: the first message repeats the question, others may.
        match message.question() {
            Some(question) if question.name == self.origin && question.qtype == qtype => Ok(()),
            None if !first && message.questions().next().is_none() => Ok(()),
            _ => Err(TransferError::Mismatch),
        }
    }

    fn record(&mut self, record: &Record<'_>) -> Result<(), TransferError> {
        self.records = self.records.saturating_add(1);
        if self.records > self.max_records {
            return Err(TransferError::TooLarge);
        }
        if record.class != Class::IN {
            return Err(TransferError::Class);
        }
        let data = record.data()?;
        let soa = match data {
            RData::Soa(soa) if record.owner == self.origin => Some(soa.serial),
            _ => None,
        };
        let rr = Rr {
            owner: record.owner.to_name(),
            rtype: record.rtype,
            ttl: record.ttl,
            data: wire_of(&data),
        };
        self.state = match (core::mem::replace(&mut self.state, State::Failed), soa) {
            (State::Begin, Some(serial)) => {
                self.serial = serial;
                self.soa = Some(rr);
                State::First
            }
            (State::Begin, None) => return Err(TransferError::NoSoa),
            (State::First, serial) => self.second(rr, serial)?,
            (State::Whole(builder), Some(serial)) => {
                if serial != self.serial {
                    return Err(TransferError::Inconsistent);
                }
                self.finish(builder.build().map_err(TransferError::Zone)?)
            }
            (State::Whole(mut builder), None) => {
                add(&mut builder, record.owner, &rr)?;
                State::Whole(builder)
            }
            (State::Removing(mut zone, mut delta), None) => {
                if !zone.remove(record.owner, rr.rtype, &rr.data) {
                    return Err(TransferError::Inconsistent);
                }
                delta.removed.push(rr);
                State::Removing(zone, delta)
            }
            (State::Removing(mut zone, mut delta), Some(serial)) => {
                // The SOA record of the version that this change makes.
                if !is_newer(serial, delta.from) {
                    return Err(TransferError::Inconsistent);
                }
                replace_soa(&mut zone, &rr)?;
                delta.to = serial;
                delta.added.push(rr);
                State::Adding(zone, delta)
            }
            (State::Adding(mut zone, mut delta), None) => {
                // What no zone may hold comes in no way: neither as a whole nor by changes.
                zone.admits(record.owner, rr.rtype, &rr.data)
                    .map_err(TransferError::Zone)?;
                zone.put(record.owner, rr.ttl, rr.rtype, &rr.data);
                zone.set_ttl(record.owner, rr.rtype, rr.ttl);
                delta.added.push(rr);
                State::Adding(zone, delta)
            }
            (State::Adding(mut zone, delta), Some(serial)) => {
                if serial != delta.to {
                    return Err(TransferError::Inconsistent);
                }
                zone.journal_mut().push(delta);
                if serial == self.serial {
                    zone.check().map_err(TransferError::Zone)?;
                    State::Complete(Arc::new(zone))
                } else {
                    State::Removing(zone, begin(serial, rr))
                }
            }
            (State::Complete(_) | State::UpToDate | State::Failed, _) => {
                return Err(TransferError::Trailing);
            }
        };
        Ok(())
    }

    /// The second record tells a whole zone from changes (RFC 1995 section 4).
    fn second(&mut self, rr: Rr, soa: Option<u32>) -> Result<State, TransferError> {
        if let (Some(current), Some(serial)) = (&self.current, soa)
            && serial == current.serial()
            && serial != self.serial
        {
            self.incremental = true;
            return Ok(State::Removing(Zone::clone(current), begin(serial, rr)));
        }
        let mut builder = Zone::builder(self.origin.clone());
        let first = self.soa.take().ok_or(TransferError::NoSoa)?;
        add(&mut builder, first.owner.view(), &first)?;
        if soa.is_some() {
            // A zone of nothing but its SOA record has no NS records.
            return Err(TransferError::Zone(crate::ZoneError::NoNs));
        }
        add(&mut builder, rr.owner.view(), &rr)?;
        Ok(State::Whole(builder))
    }

    fn finish(&self, mut zone: Zone) -> State {
        if let Some(before) = &self.current
            && is_newer(zone.serial(), before.serial())
        {
            zone.continue_journal(before);
        }
        State::Complete(Arc::new(zone))
    }

    fn end_of_message(&mut self, message: &Message<'_>) -> Result<Progress, TransferError> {
        let settled = self.verifier.as_ref().is_none_or(Transaction::is_settled);
        match &self.state {
            State::Complete(zone) if settled => Ok(Progress::Done(Arc::clone(zone))),
            // RFC 8945 section 5.3.1: the last message is signed.
            State::Complete(_) => Err(crate::tsig::TsigError::Missing.into()),
            State::First if message.answers().count() == 1 => match &self.current {
                // RFC 1995 section 4: one SOA record, and the client has that version already.
                Some(current) if !is_newer(self.serial, current.serial()) => {
                    self.state = State::UpToDate;
                    Ok(Progress::UpToDate)
                }
                _ => Ok(Progress::More),
            },
            State::Begin => Err(TransferError::NoSoa),
            _ => Ok(Progress::More),
        }
    }
}

fn begin(serial: u32, soa: Rr) -> Delta {
    Delta {
        from: serial,
        to: serial,
        removed: alloc::vec![soa],
        added: Vec::new(),
    }
}

fn wire_of(data: &RData<'_>) -> alloc::boxed::Box<[u8]> {
    let mut wire = Vec::new();
    data.encode(&mut wire);
    wire.into()
}

fn add(builder: &mut ZoneBuilder, owner: NameRef<'_>, rr: &Rr) -> Result<(), TransferError> {
    builder
        .add_wire(owner, rr.ttl, rr.rtype, &rr.data)
        .map_err(TransferError::Zone)
}

fn replace_soa(zone: &mut Zone, soa: &Rr) -> Result<(), TransferError> {
    let old = zone
        .soa_rrset()
        .and_then(|rrset| rrset.wires().first().cloned())
        .ok_or(TransferError::Inconsistent)?;
    let origin = zone.origin().clone();
    zone.remove(origin.view(), Type::SOA, &old);
    zone.put(origin.view(), soa.ttl, Type::SOA, &soa.data);
    Ok(())
}

fn request_message(origin: &Name, current: Option<&Zone>, id: u16) -> Option<Vec<u8>> {
    let mut buffer = [0; 1024];
    let mut message = Builder::new(&mut buffer, id, Flags::default()).ok()?;
    let qtype = if current.is_some() {
        Type::IXFR
    } else {
        Type::AXFR
    };
    message
        .push_question(origin.view(), qtype, Class::IN)
        .ok()?;
    if let Some(soa) = current.and_then(Zone::soa) {
        message
            .push(
                Section::Authority,
                origin.view(),
                Class::IN,
                0,
                &RData::Soa(soa),
            )
            .ok()?;
    }
    Some(message.finish().to_vec())
}
