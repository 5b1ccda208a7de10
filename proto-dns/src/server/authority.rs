//! Authoritative answers, from the octets of a query to the octets of its reply.

use super::rrset::RrSet;
use super::zone::{Found, Key, Node, Zone, previous_boundary};
use crate::ZoneError;
use crate::event::Transport;
use crate::wire::{
    Builder, Class, Edns, Flags, Header, MAX_MESSAGE, Message, Name, NameRef, Opcode, QuestionRef,
    RData, Rcode, Section, Type,
};
use crate::{BuildError, wire};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use bytes::Bytes;

/// What is advertised and sent at most over UDP, unless set otherwise: it passes nearly every path
/// unfragmented (DNS flag day 2020).
pub const DEFAULT_UDP_PAYLOAD: u16 = 1232;
/// What every client takes over UDP (RFC 1035 section 2.3.4).
const MIN_UDP_PAYLOAD: u16 = 512;
/// CNAMEs that are followed for one query.
const MAX_CHAIN: usize = 16;
/// Names of hosts whose addresses are added for one query (CVE-2024-11187).
const MAX_TARGETS: usize = 16;

/// Zones, and the art of answering from them (RFC 1034 section 4.3.2). It keeps no state between
/// queries and can be shared between threads.
///
/// Answers are minimal: addresses of mail exchanges and name servers are added while there is room,
/// the NS records of the zone itself are not. Several records of one type are rotated by the id of
/// the query, so that clients that take the first spread over all. ANY is answered with one RRset
/// (RFC 8482).
///
/// ```
/// use proto_dns::server::{Authority, Zone};
/// use proto_dns::wire::{Builder, Class, Flags, Message, Name, RData, Rcode, Soa, Type};
/// use proto_dns::Transport;
///
/// let origin: Name = "example.com".parse()?;
/// let www = origin.child(b"www")?;
/// let mut zone = Zone::builder(origin.clone());
/// zone.add(&origin, 300, &RData::Soa(Soa {
///     mname: www.view(), rname: www.view(),
///     serial: 1, refresh: 7200, retry: 900, expire: 1_209_600, minimum: 300,
/// }))?;
/// zone.add(&origin, 300, &RData::Ns(www.view()))?;
/// zone.add(&www, 300, &RData::A([192, 0, 2, 80].into()))?;
/// let mut authority = Authority::new();
/// authority.insert(zone.build()?)?;
///
/// let mut query = [0; 512];
/// let mut builder = Builder::new(&mut query, 99, Flags::RD)?;
/// builder.push_question("WWW.example.com".parse::<Name>()?.view(), Type::A, Class::IN)?;
/// let mut reply = [0; 1232];
/// let reply = authority.answer(builder.finish(), Transport::Udp, &mut reply).expect("a reply");
/// let reply = Message::parse(reply)?;
/// assert_eq!(reply.rcode(), Rcode::NOERROR);
/// assert_eq!(reply.answers().next().expect("one").to_string(), "WWW.example.com.\t300\tIN\tA\t192.0.2.80");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Authority {
    zones: BTreeMap<Box<[u8]>, Arc<Zone>>,
    udp_payload: u16,
}

impl Authority {
    /// An authority for nothing yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            zones: BTreeMap::new(),
            udp_payload: DEFAULT_UDP_PAYLOAD,
        }
    }

    /// Sets what is advertised and sent at most over UDP; less than 512 means 512.
    #[must_use]
    pub fn with_udp_payload(mut self, octets: u16) -> Self {
        self.udp_payload = octets.max(MIN_UDP_PAYLOAD);
        self
    }

    /// Adds a zone.
    ///
    /// # Errors
    ///
    /// [`ZoneError::Duplicate`] when one of the same origin is there; see [`remove`](Self::remove).
    pub fn insert(&mut self, zone: impl Into<Arc<Zone>>) -> Result<(), ZoneError> {
        let zone = zone.into();
        if self.zones.contains_key(zone.key()) {
            return Err(ZoneError::Duplicate);
        }
        self.zones.insert(zone.key().into(), zone);
        Ok(())
    }

    /// Takes a zone away.
    pub fn remove(&mut self, origin: &Name) -> Option<Arc<Zone>> {
        self.zones.remove(Key::of(origin.view()).as_slice())
    }

    /// The zones, in canonical order of their origins.
    pub fn zones(&self) -> impl Iterator<Item = &Arc<Zone>> {
        self.zones.values()
    }

    /// The zone of exactly this origin.
    #[must_use]
    pub fn zone(&self, origin: &Name) -> Option<&Arc<Zone>> {
        self.zones.get(Key::of(origin.view()).as_slice())
    }

    /// Adds a zone, or puts it in the place of the one that was there.
    pub fn replace(&mut self, zone: impl Into<Arc<Zone>>) {
        let zone = zone.into();
        self.zones.insert(zone.key().into(), zone);
    }

    pub(crate) fn exact(&self, origin: NameRef<'_>) -> Option<&Arc<Zone>> {
        self.zones.get(Key::of(origin).as_slice())
    }

    pub(crate) fn exact_mut(&mut self, origin: NameRef<'_>) -> Option<&mut Arc<Zone>> {
        self.zones.get_mut(Key::of(origin).as_slice())
    }

    /// Writes the reply to `query` to the front of `out` and returns it; nothing when the query
    /// must not be answered: because it is a response, or too short to be either.
    ///
    /// A reply is never longer than `out`; if `out` is shorter than the client allows, it may be
    /// truncated, and below 512 octets there may be none.
    #[must_use]
    pub fn answer<'o>(&self, query: &[u8], over: Transport, out: &'o mut [u8]) -> Option<&'o [u8]> {
        let header = Header::peek(query).ok()?;
        // Two servers that answered each other's answers would never stop.
        if header.flags.is_response() {
            return None;
        }
        let message = Message::parse(query).ok();
        let edns = message.and_then(|message| message.edns());
        let limit = match over {
            Transport::Tcp => MAX_MESSAGE,
            Transport::Udp => edns
                .map_or(MIN_UDP_PAYLOAD, |edns| {
                    edns.udp_payload.clamp(MIN_UDP_PAYLOAD, self.udp_payload)
                })
                .into(),
        };
        let limit = limit.min(out.len());
        let mut reply = Reply {
            out: Builder::new(out.get_mut(..limit)?, header.id, reply_flags(header.flags)).ok()?,
            first: usize::from(header.id),
        };
        let rcode = match self.begin(&mut reply, header, message, edns).ok()? {
            Ok(question) => self.resolve(&mut reply, question),
            Err(rcode) => rcode,
        };
        reply.out.set_rcode(rcode);
        Some(reply.out.finish())
    }

    /// The reply to `query` in a buffer of its own; see [`answer`](Self::answer).
    #[must_use]
    pub fn reply(&self, query: &[u8], over: Transport) -> Option<Bytes> {
        let mut small = [0; DEFAULT_UDP_PAYLOAD as usize];
        let reply = self.answer(query, over, &mut small)?;
        let is_cut = Header::peek(reply).is_ok_and(|header| header.flags.contains(Flags::TC));
        if is_cut && (over == Transport::Tcp || self.udp_payload > DEFAULT_UDP_PAYLOAD) {
            let mut large = alloc::vec![0; MAX_MESSAGE];
            let reply = self.answer(query, over, &mut large)?;
            return Some(Bytes::copy_from_slice(reply));
        }
        Some(Bytes::copy_from_slice(reply))
    }

    /// Looks at all that can be refused without looking into a zone, and echoes question and OPT.
    fn begin<'q>(
        &self,
        reply: &mut Reply<'_>,
        header: Header,
        message: Option<Message<'q>>,
        edns: Option<Edns<'q>>,
    ) -> Result<Result<QuestionRef<'q>, Rcode>, BuildError> {
        if let Some(edns) = edns {
            // RFC 6891 section 6.1.1: a response to a query with OPT has one.
            reply.out.set_edns(&Edns {
                dnssec_ok: edns.dnssec_ok,
                ..Edns::new(self.udp_payload)
            })?;
        }
        let question = message.and_then(|message| message.question());
        if let Some(question) = question {
            // Octet by octet, so that the client finds the case that it chose.
            reply
                .out
                .push_question(question.name, question.qtype, question.qclass)?;
        }
        Ok(match (message, question) {
            _ if header.flags.opcode() != Opcode::QUERY => Err(Rcode::NOTIMP),
            (Some(message), Some(_)) if !message.trailing().is_empty() => Err(Rcode::FORMERR),
            // RFC 6891 section 6.1.3.
            _ if edns.is_some_and(|edns| edns.version > 0) => Err(Rcode::BADVERS),
            (Some(_), Some(question)) => match question.qtype {
                Type::ANY => Ok(question),
                Type::AXFR | Type::IXFR => Err(Rcode::REFUSED),
                Type::MAILA | Type::MAILB => Err(Rcode::NOTIMP),
                qtype if qtype.is_meta() => Err(Rcode::FORMERR),
                _ => Ok(question),
            },
            // RFC 9619: a query has exactly one question.
            _ => Err(Rcode::FORMERR),
        })
    }

    fn resolve(&self, reply: &mut Reply<'_>, question: QuestionRef<'_>) -> Rcode {
        if !matches!(question.qclass, Class::IN | Class::ANY) {
            return Rcode::REFUSED;
        }
        let key = Key::of(question.name);
        let Some(zone) = self.zone_of(&key, question.qtype) else {
            return Rcode::REFUSED;
        };
        // RFC 1035 section 6.2: an answer to QCLASS * is never authoritative.
        reply.out.set_flag(Flags::AA, question.qclass == Class::IN);
        match reply.write(zone, question, key) {
            Ok(rcode) => rcode,
            Err(_) => {
                // RFC 2181 section 9: what had to be there does not fit.
                reply.out.set_flag(Flags::TC, true);
                Rcode::NOERROR
            }
        }
    }

    /// The zone with the longest origin that the name is in.
    fn zone_of(&self, key: &Key, qtype: Type) -> Option<&Zone> {
        let mut prefix = key.as_slice();
        let mut child = None;
        loop {
            if let Some(zone) = self.zones.get(prefix) {
                // The DS of a zone stands in its parent (RFC 4035 section 3.1.4.1).
                if qtype != Type::DS || prefix.len() < key.as_slice().len() {
                    return Some(zone);
                }
                child = Some(zone);
            }
            if prefix.is_empty() {
                return child.map(|zone| &**zone);
            }
            prefix = prefix.get(..previous_boundary(prefix))?;
        }
    }
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

fn reply_flags(query: Flags) -> Flags {
    Flags::QR
        .with_opcode(query.opcode())
        .with(Flags::RD, query.contains(Flags::RD))
        // RFC 4035 section 3.2.2: CD is copied.
        .with(Flags::CD, query.contains(Flags::CD))
}

/// A reply in the making.
struct Reply<'o> {
    out: Builder<'o>,
    /// Which record of an RRset comes first.
    first: usize,
}

impl Reply<'_> {
    /// RFC 1034 section 4.3.2, step 3. An error means that something required did not fit.
    fn write(
        &mut self,
        zone: &Zone,
        question: QuestionRef<'_>,
        key: Key,
    ) -> Result<Rcode, BuildError> {
        self.write_from(zone, question, question.name, key, 0)
    }

    /// Goes on at a name that a DNAME made.
    fn follow(
        &mut self,
        zone: &Zone,
        question: QuestionRef<'_>,
        name: &Name,
        step: usize,
    ) -> Result<Rcode, BuildError> {
        let key = Key::of(name.view());
        self.write_from(zone, question, name.view(), key, step.saturating_add(1))
    }

    fn write_from(
        &mut self,
        zone: &Zone,
        question: QuestionRef<'_>,
        owner: NameRef<'_>,
        key: Key,
        begin: usize,
    ) -> Result<Rcode, BuildError> {
        // The owner is written as the client wrote it; targets as the zone does.
        let (mut owner, mut key) = (owner, key);
        for step in begin..MAX_CHAIN {
            let node = match zone.find(&key, question.qtype) {
                Found::Node(node) => node,
                Found::Cut(cut) => {
                    if step == 0 {
                        self.out.set_flag(Flags::AA, false);
                    }
                    self.refer(zone, cut)?;
                    return Ok(Rcode::NOERROR);
                }
                Found::Redirected(node) => {
                    let Some(dname) = node.get(Type::DNAME) else {
                        break;
                    };
                    self.rrset(Section::Answer, node.name.view(), dname)?;
                    let Some(RData::Dname(target)) = dname.records(0).next() else {
                        break;
                    };
                    // RFC 6672 section 2.2: the name with its suffix replaced; section 2.2 too: a
                    // name that gets too long is YXDOMAIN.
                    let Some(synthesized) = substitute(owner, node.name.view(), target) else {
                        return Ok(Rcode::YXDOMAIN);
                    };
                    let cname = RData::Cname(synthesized.view());
                    let one = core::iter::once(cname);
                    self.out
                        .push_rrset(Section::Answer, owner, Class::IN, dname.ttl, one)?;
                    key = Key::of(synthesized.view());
                    if question.qtype == Type::CNAME || !zone.contains(&key) {
                        break;
                    }
                    return self.follow(zone, question, &synthesized, step);
                }
                Found::Nothing => {
                    self.deny(zone)?;
                    return Ok(Rcode::NXDOMAIN);
                }
            };
            let alias = node
                .get(Type::CNAME)
                .filter(|_| !matches!(question.qtype, Type::CNAME | Type::ANY))
                // What may stand beside it is answered for itself (RFC 4035 section 2.5).
                .filter(|_| node.get(question.qtype).is_none());
            let Some(alias) = alias else {
                let rrset = match question.qtype {
                    // RFC 8482 section 4.1: one of the RRsets.
                    Type::ANY => node.rrsets.first(),
                    qtype => node.get(qtype),
                };
                match rrset {
                    Some(rrset) => {
                        self.rrset(Section::Answer, owner, rrset)?;
                        self.add_addresses(zone, rrset);
                    }
                    None => self.deny(zone)?,
                }
                return Ok(Rcode::NOERROR);
            };
            self.rrset(Section::Answer, owner, alias)?;
            let Some(RData::Cname(target)) = alias.records(0).next() else {
                break;
            };
            key = Key::of(target);
            // Outside the zone, or in a circle: the rest is for the client to find.
            if !zone.contains(&key) || target == owner {
                break;
            }
            owner = target;
        }
        Ok(Rcode::NOERROR)
    }

    fn rrset(
        &mut self,
        section: Section,
        owner: NameRef<'_>,
        rrset: &RrSet,
    ) -> Result<(), BuildError> {
        self.rrset_with_ttl(section, owner, rrset, rrset.ttl)
    }

    fn rrset_with_ttl(
        &mut self,
        section: Section,
        owner: NameRef<'_>,
        rrset: &RrSet,
        ttl: u32,
    ) -> Result<(), BuildError> {
        let records = rrset.records(self.first);
        self.out.push_rrset(section, owner, Class::IN, ttl, records)
    }

    /// The SOA record that lets a negative answer be cached.
    fn deny(&mut self, zone: &Zone) -> Result<(), BuildError> {
        let soa = zone
            .apex()
            .and_then(|apex| Some((apex.get(Type::SOA)?, &apex.name)));
        let Some((rrset, owner)) = soa else {
            return Ok(());
        };
        // RFC 2308 section 3: its TTL is the lesser of the record's own and MINIMUM.
        let ttl = match rrset.records(0).next() {
            Some(RData::Soa(soa)) => rrset.ttl.min(soa.minimum),
            _ => rrset.ttl,
        };
        self.rrset_with_ttl(Section::Authority, owner.view(), rrset, ttl)
    }

    /// A referral: the NS records of the cut, and the addresses that are known of their hosts.
    fn refer(&mut self, zone: &Zone, cut: &Node) -> Result<(), BuildError> {
        let Some(rrset) = cut.get(Type::NS) else {
            return Ok(());
        };
        self.rrset(Section::Authority, cut.name.view(), rrset)?;
        let mut missing = None;
        for target in targets(rrset) {
            let key = Key::of(target);
            let Some(node) = zone.node(&key).filter(|_| zone.contains(&key)) else {
                continue;
            };
            if let Err(error) = self.addresses(node)
                && target.is_at_or_below(cut.name.view())
            {
                missing = Some(error);
            }
        }
        // RFC 9471 section 3.1: all glue for servers inside the delegated zone, or TC.
        missing.map_or(Ok(()), Err)
    }

    /// Addresses of the hosts that MX and NS records name; as many as fit.
    fn add_addresses(&mut self, zone: &Zone, rrset: &RrSet) {
        for target in targets(rrset) {
            let key = Key::of(target);
            if zone.contains(&key)
                && let Found::Node(node) = zone.find(&key, Type::A)
                && node.name == target
                && self.addresses(node).is_err()
            {
                // RFC 2181 section 9: that is no truncation.
                return;
            }
        }
    }

    fn addresses(&mut self, node: &Node) -> Result<(), BuildError> {
        for rtype in [Type::A, Type::AAAA] {
            if let Some(rrset) = node.get(rtype) {
                self.rrset(Section::Additional, node.name.view(), rrset)?;
            }
        }
        Ok(())
    }
}

/// The name with the suffix `old` replaced; none when it gets too long.
fn substitute(name: NameRef<'_>, old: NameRef<'_>, new: NameRef<'_>) -> Option<Name> {
    let kept = name.labels().count().checked_sub(old.labels().count())?;
    Name::from_labels(name.labels().take(kept).chain(new.labels())).ok()
}

/// The different names of hosts in an RRset.
fn targets(rrset: &RrSet) -> impl Iterator<Item = wire::NameRef<'_>> {
    let names = rrset
        .records(0)
        .take(MAX_TARGETS)
        .filter_map(|data| match data {
            RData::Ns(name) => Some(name),
            RData::Mx(mx) => Some(mx.exchange),
            _ => None,
        });
    let before = names.clone();
    names.enumerate().filter_map(move |(index, name)| {
        let mut before = before.clone().take(index);
        (!before.any(|other| other == name)).then_some(name)
    })
}
