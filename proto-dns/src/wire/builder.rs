//! Writing messages.
//!
//! A builder writes into a slice of the caller's, not into a growing buffer: the length of the
//! slice *is* the size limit (512, 1232, what the client advertised), nothing is allocated, no
//! write has to ask for room twice, and on a machine without a heap the slice can be a static.
//!
//! Names are compressed by a trie laid over the message itself. A slot of a small fixed table says:
//! a label was written at this offset; what follows it there says in front of which name. A name is
//! looked up from its last label to its first, so each label is hashed and compared once, whatever
//! the number of names; when the table is full, later names are written in full. That bounds the
//! work that a hostile query can cause (CVE-2024-8508).
//!
//! Most names need no look-up: they are the name that was asked for, the owner of the record before,
//! or a sibling or a child of one of those. So a few names are remembered that stand in the message
//! in full, and the last one that was written or pointed at; and the table is begun when a name
//! comes that needs it.

use super::code::{Class, Rcode, Type};
use super::edns::Edns;
use super::header::{Flags, Header};
use super::message::{MAX_MESSAGE, Section};
use super::name::{MAX_NAME, label_at, label_starts};
use super::name_ref::NameRef;
use super::rdata::{Piece, RData};
use crate::error::BuildError;
use core::fmt;

/// Suffixes that are remembered; a referral from a large zone has about 30.
const SLOTS: usize = 128;
/// Slots that are tried for one label.
const PROBES: usize = 8;
/// What fourteen bits of a pointer can express.
const POINTER_LIMIT: usize = 0x4000;

/// Writes one message into a buffer of the caller's.
///
/// ```
/// use proto_dns::wire::{Builder, Class, Edns, Flags, Message, Name, RData, Section, Type};
///
/// let name: Name = "www.example.com".parse()?;
/// let mut buffer = [0; 1232];
/// let mut reply = Builder::new(&mut buffer, 7, Flags::QR.with(Flags::AA, true))?;
/// reply.set_edns(&Edns::new(1232))?;
/// reply.push_question(name.view(), Type::A, Class::IN)?;
/// let address = RData::A([192, 0, 2, 1].into());
/// reply.push(Section::Answer, name.view(), Class::IN, 300, &address)?;
/// let reply = reply.finish();
///
/// let message = Message::parse(reply)?;
/// let answer = message.answers().next().expect("one answer");
/// assert_eq!(answer.to_string(), "www.example.com.\t300\tIN\tA\t192.0.2.1");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "`finish` gives the message"]
pub struct Builder<'b> {
    out: &'b mut [u8],
    len: usize,
    /// Where records must end, so that OPT still fits behind them.
    limit: usize,
    header: Header,
    /// The part that is being written: 0 for questions, then the sections in order.
    part: usize,
    rcode_high: u8,
    opt: Opt,
    /// The first name that stands in the message in full, and the latest.
    full: [Full; 2],
    /// Whether the labels of the first name are in the table.
    begun: bool,
    /// Where the last name stands; zero when there is none that can be pointed at.
    last: u16,
    /// Offsets of labels; zero in a free slot: no name stands in the header.
    table: [u16; SLOTS],
}

/// The OPT record was written behind `limit` already; `finish` moves it to its place.
#[derive(Clone, Copy)]
struct Opt {
    len: usize,
}

/// A name that stands in the message in full, the root's octet included.
#[derive(Clone, Copy, Default)]
struct Full {
    start: u16,
    /// Where the name above it begins; zero when that is the root.
    parent: u16,
    /// Zero when there is none.
    end: u16,
}

/// A state to return to.
#[derive(Clone, Copy)]
struct Mark {
    len: usize,
    counts: [u16; 4],
    part: usize,
}

impl<'b> Builder<'b> {
    /// Begins a message that may fill `out`; octets beyond 65 535 are left alone.
    ///
    /// # Errors
    ///
    /// [`BuildError::Full`] when `out` has no room for a header.
    #[inline]
    pub fn new(out: &'b mut [u8], id: u16, flags: Flags) -> Result<Self, BuildError> {
        let limit = out.len().min(MAX_MESSAGE);
        if limit < Header::LEN {
            return Err(BuildError::Full);
        }
        Ok(Self {
            out,
            len: Header::LEN,
            limit,
            header: Header {
                id,
                flags,
                counts: [0; 4],
            },
            part: 0,
            rcode_high: 0,
            opt: Opt { len: 0 },
            full: [Full::default(); 2],
            begun: false,
            last: 0,
            table: [0; SLOTS],
        })
    }

    /// Adds an OPT record, or replaces the one that was set. Its room is taken at once, so that it
    /// stays when the rest is truncated (RFC 6891 section 7); it comes last in the message.
    ///
    /// # Errors
    ///
    /// [`BuildError::Full`] when it does not fit; [`BuildError::Rdata`] when its options exceed
    /// 65 535 octets.
    pub fn set_edns(&mut self, edns: &Edns<'_>) -> Result<(), BuildError> {
        let whole = self.limit.saturating_add(self.opt.len);
        let start = whole
            .checked_sub(edns.wire_len())
            .filter(|&start| start >= self.len)
            .ok_or(BuildError::Full)?;
        let (class, ttl) = edns.fixed(0);
        let options = edns.options.as_wire();
        let len = u16::try_from(options.len()).map_err(|_| BuildError::Rdata)?;
        let room = self.out.get_mut(start..whole).ok_or(BuildError::Full)?;
        let (fixed, rest) = room.split_first_chunk_mut().ok_or(BuildError::Full)?;
        let ([t, y], [c, l], [r, d]) = (
            Type::OPT.0.to_be_bytes(),
            class.to_be_bytes(),
            len.to_be_bytes(),
        );
        let [t0, t1, t2, t3] = ttl.to_be_bytes();
        *fixed = [0, t, y, c, l, t0, t1, t2, t3, r, d];
        rest.copy_from_slice(options);
        self.limit = start;
        self.opt.len = edns.wire_len();
        Ok(())
    }

    /// Sets the response code. Without OPT one above 15 is written as SERVFAIL: its lower bits alone
    /// would say something else.
    pub fn set_rcode(&mut self, rcode: Rcode) {
        self.header.flags = self.header.flags.with_low_rcode(rcode);
        self.rcode_high = u8::try_from(rcode.0 >> 4).unwrap_or(u8::MAX);
    }

    /// Sets or clears flags.
    pub fn set_flag(&mut self, flag: Flags, on: bool) {
        self.header.flags = self.header.flags.with(flag, on);
    }

    /// Octets written so far, OPT included.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len.saturating_add(self.opt.len)
    }

    /// Whether neither a question nor a record was written.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == Header::LEN
    }

    /// Adds a question.
    ///
    /// # Errors
    ///
    /// [`BuildError`]; the message is as it was before.
    pub fn push_question(
        &mut self,
        name: NameRef<'_>,
        qtype: Type,
        qclass: Class,
    ) -> Result<(), BuildError> {
        self.all_or_nothing(|builder| {
            builder.count(0)?;
            builder.put_name(name)?;
            let ([t, y], [c, l]) = (qtype.0.to_be_bytes(), qclass.0.to_be_bytes());
            builder.put(&[t, y, c, l])
        })
    }

    /// Adds a record. Names in the data are compressed where RFC 3597 section 4 allows it.
    ///
    /// # Errors
    ///
    /// [`BuildError`]; the message is as it was before. OPT is none of the records:
    /// [`set_edns`](Self::set_edns) adds it.
    #[inline]
    pub fn push(
        &mut self,
        section: Section,
        owner: NameRef<'_>,
        class: Class,
        ttl: u32,
        data: &RData<'_>,
    ) -> Result<(), BuildError> {
        let mark = self.mark();
        let result = self
            .put_owner(section, owner)
            .and_then(|_| self.put_record(class, ttl, data));
        if result.is_err() {
            self.roll_back(mark);
        }
        result
    }

    /// Adds a record without data, as prerequisites and deletions of updates are (RFC 2136 section
    /// 2.4 and 2.5).
    ///
    /// # Errors
    ///
    /// [`BuildError`]; the message is as it was before.
    pub fn push_empty(
        &mut self,
        section: Section,
        owner: NameRef<'_>,
        class: Class,
        ttl: u32,
        rtype: Type,
    ) -> Result<(), BuildError> {
        self.all_or_nothing(|builder| {
            builder.put_owner(section, owner)?;
            let ([t, y], [c, l]) = (rtype.0.to_be_bytes(), class.0.to_be_bytes());
            let [t0, t1, t2, t3] = ttl.to_be_bytes();
            builder.put(&[t, y, c, l, t0, t1, t2, t3, 0, 0])
        })
    }

    /// Adds the records of an RRset, all or none (RFC 2181 section 9). Cheaper than
    /// [`push`](Self::push) for each: the owner is looked up once.
    ///
    /// # Errors
    ///
    /// [`BuildError`]; the message is as it was before.
    pub fn push_rrset<'d>(
        &mut self,
        section: Section,
        owner: NameRef<'_>,
        class: Class,
        ttl: u32,
        records: impl IntoIterator<Item = RData<'d>>,
    ) -> Result<(), BuildError> {
        self.all_or_nothing(|builder| {
            let mut written = 0u16;
            for data in records {
                if written == 0 {
                    written = builder.put_owner(section, owner)?;
                } else {
                    builder.count(part_of(section))?;
                    builder.put(&(written | 0xc000).to_be_bytes())?;
                }
                builder.put_record(class, ttl, &data)?;
            }
            Ok(())
        })
    }

    /// Runs `write`, and takes back all that it wrote if it fails: an RRset goes out whole or not
    /// at all (RFC 2181 section 9).
    ///
    /// # Errors
    ///
    /// Whatever `write` returns.
    pub fn all_or_nothing(
        &mut self,
        write: impl FnOnce(&mut Self) -> Result<(), BuildError>,
    ) -> Result<(), BuildError> {
        let mark = self.mark();
        let result = write(self);
        if result.is_err() {
            self.roll_back(mark);
        }
        result
    }

    /// Completes the message and returns it.
    #[must_use]
    pub fn finish(self) -> &'b [u8] {
        let Self {
            out,
            mut len,
            limit,
            mut header,
            rcode_high,
            opt,
            ..
        } = self;
        if opt.len > 0 {
            let end = limit.saturating_add(opt.len);
            out.copy_within(limit..end, len);
            if let Some(place) = out.get_mut(len.saturating_add(5)) {
                *place = rcode_high;
            }
            len = len.saturating_add(opt.len);
            let [.., additional] = &mut header.counts;
            // One place was kept free for it.
            *additional = additional.saturating_add(1);
        } else if rcode_high > 0 {
            header.flags = header.flags.with_low_rcode(Rcode::SERVFAIL);
        }
        if let Some(place) = out.first_chunk_mut() {
            *place = header.encode();
        }
        out.get(..len).unwrap_or_default()
    }

    #[inline]
    fn put_owner(&mut self, section: Section, owner: NameRef<'_>) -> Result<u16, BuildError> {
        self.count(part_of(section))?;
        self.put_name(owner)
    }

    /// What follows the owner.
    #[inline]
    fn put_record(&mut self, class: Class, ttl: u32, data: &RData<'_>) -> Result<(), BuildError> {
        let ([t, y], [c, l]) = (data.rtype().0.to_be_bytes(), class.0.to_be_bytes());
        let [t0, t1, t2, t3] = ttl.to_be_bytes();
        self.put(&[t, y, c, l, t0, t1, t2, t3, 0, 0])?;
        let start = self.len;
        self.put_data(data)?;
        let len = u16::try_from(self.len.saturating_sub(start)).map_err(|_| BuildError::Rdata)?;
        if let Some(place) = self
            .out
            .get_mut(start.saturating_sub(2)..)
            .and_then(|rest| rest.first_chunk_mut())
        {
            *place = len.to_be_bytes();
        }
        Ok(())
    }

    #[inline]
    fn put_data(&mut self, data: &RData<'_>) -> Result<(), BuildError> {
        match *data {
            RData::A(address) => self.put(&address.octets()),
            RData::Aaaa(address) => self.put(&address.octets()),
            RData::Ns(name) | RData::Cname(name) | RData::Ptr(name) => {
                self.put_name(name).map(|_| ())
            }
            RData::Mx(mx) => {
                self.put(&mx.preference.to_be_bytes())?;
                self.put_name(mx.exchange).map(|_| ())
            }
            RData::Soa(soa) => {
                self.put_name(soa.mname)?;
                self.put_name(soa.rname)?;
                self.put(&soa.numbers())
            }
            RData::Txt(txt) => self.put(txt.as_wire()),
            RData::Dname(name) => self.put_plain_name(name),
            RData::Srv(srv) => {
                self.put(&srv.numbers())?;
                self.put_plain_name(srv.target)
            }
            RData::Other(fields) => {
                for piece in fields.pieces() {
                    match piece {
                        Piece::Octets(octets) => self.put(octets)?,
                        Piece::Name {
                            name,
                            compress: true,
                            ..
                        } => {
                            self.put_name(name)?;
                        }
                        Piece::Name { name, .. } => self.put_plain_name(name)?,
                    }
                }
                Ok(())
            }
            RData::Unknown { data, .. } => self.put(data),
            RData::Opt(_) => Err(BuildError::Rdata),
        }
    }

    #[inline]
    fn count(&mut self, part: usize) -> Result<(), BuildError> {
        if part < self.part {
            return Err(BuildError::SectionOrder);
        }
        self.part = part;
        let count = self
            .header
            .counts
            .get_mut(part)
            .ok_or(BuildError::SectionOrder)?;
        // One less in the additional section: OPT is counted there.
        let most = if part == 3 {
            u16::MAX.wrapping_sub(1)
        } else {
            u16::MAX
        };
        if *count >= most {
            return Err(BuildError::TooManyRecords);
        }
        *count = count.wrapping_add(1);
        Ok(())
    }

    #[inline]
    fn put(&mut self, octets: &[u8]) -> Result<(), BuildError> {
        let end = self.len.wrapping_add(octets.len());
        if end > self.limit {
            return Err(BuildError::Full);
        }
        self.out
            .get_mut(self.len..end)
            .ok_or(BuildError::Full)?
            .copy_from_slice(octets);
        self.len = end;
        Ok(())
    }

    /// Writes a name in full (RFC 3597 section 4).
    fn put_plain_name(&mut self, name: NameRef<'_>) -> Result<(), BuildError> {
        match name.as_uncompressed() {
            Some(wire) => self.put(wire),
            None => self.put(name.copy_to(&mut [0; MAX_NAME])),
        }
    }

    /// Writes a name and returns where it stands in the message; zero when nothing can point there.
    #[inline]
    fn put_name(&mut self, name: NameRef<'_>) -> Result<u16, BuildError> {
        let rest = name.rest();
        let Some((&len, behind)) = rest.split_first() else {
            return Err(BuildError::Rdata);
        };
        match len {
            0 => {
                self.put(&[0])?;
                return Ok(0);
            }
            1..=63 => {}
            _ => return self.put_compressed_name(name),
        }
        if self.full.first().is_some_and(|first| first.end == 0) {
            return self.put_first_name(name);
        }
        // The same name again, or the one above it.
        for full in self.full {
            if self.is_at(rest, full.start, full.end) {
                return self.put_pointer(full.start);
            }
            if full.parent != 0 && self.is_at(rest, full.parent, full.end) {
                return self.put_pointer(full.parent);
            }
        }
        // A child of one, or a sibling.
        let above = behind.get(usize::from(len)..).unwrap_or_default();
        for full in self.full.into_iter().rev() {
            if self.is_at(above, full.start, full.end) {
                return self.put_child(rest, len, full.start);
            }
            if full.parent != 0 && self.is_at(above, full.parent, full.end) {
                return self.put_child(rest, len, full.parent);
            }
        }
        self.put_new_name(name)
    }

    /// A name that nothing stands before: it goes out as it is.
    fn put_first_name(&mut self, name: NameRef<'_>) -> Result<u16, BuildError> {
        let Some(wire) = name.as_uncompressed() else {
            return self.put_compressed_name(name);
        };
        let first = self.len;
        self.put(wire)?;
        if self.len >= POINTER_LIMIT {
            return Ok(0);
        }
        let [full, _] = &mut self.full;
        *full = Full {
            start: low(first),
            parent: 0,
            end: low(self.len),
        };
        let parent = self.parent_of(low(first));
        let [full, _] = &mut self.full;
        full.parent = parent;
        self.last = low(first);
        Ok(self.last)
    }

    /// Puts the labels of the first name into the table, if they are not there.
    #[inline]
    fn begin_table(&mut self) {
        if !self.begun {
            self.learn_first_name();
        }
    }

    fn learn_first_name(&mut self) {
        self.begun = true;
        let [Full { start, end, .. }, _] = self.full;
        let mut wire = [0; MAX_NAME];
        let Some(known) = self.out.get(usize::from(start)..usize::from(end)) else {
            return;
        };
        let Some(copy) = wire.get_mut(..known.len()) else {
            return;
        };
        copy.copy_from_slice(known);
        let (starts, count) = label_starts(copy);
        let mut parent = 0;
        for &at in starts.iter().take(count).rev() {
            let offset = start.wrapping_add(at.into());
            self.learn(label_at(copy, at.into()), offset, parent);
            parent = offset;
        }
    }

    /// Whether the name between two offsets is the one that `rest` begins with, letter by letter.
    #[inline]
    fn is_at(&self, rest: &[u8], start: u16, end: u16) -> bool {
        let Some(known) = self.out.get(usize::from(start)..usize::from(end)) else {
            return false;
        };
        // Most differ in the length of their first label, or in its first letter.
        match (known, rest) {
            ([a, b, ..], [c, d, ..]) => a == c && b == d && rest.starts_with(known),
            _ => false,
        }
    }

    #[inline]
    fn put_pointer(&mut self, offset: u16) -> Result<u16, BuildError> {
        self.put(&(offset | 0xc000).to_be_bytes())?;
        self.last = offset;
        Ok(offset)
    }

    /// Writes the name that consists of the label that `rest` begins with and the name at `parent`.
    #[inline]
    fn put_child(&mut self, rest: &[u8], len: u8, parent: u16) -> Result<u16, BuildError> {
        let end = usize::from(len).wrapping_add(1);
        let whole = rest.get(..end).unwrap_or_default();
        let label = whole.get(1..).unwrap_or_default();
        let last = self.last;
        if last != 0 && self.is_label(last, label, parent) {
            return self.put_pointer(last);
        }
        self.begin_table();
        let free = match self.find(label, parent) {
            Ok(offset) => return self.put_pointer(offset),
            Err(free) => free,
        };
        let offset = self.len;
        self.put(whole)?;
        self.put(&(parent | 0xc000).to_be_bytes())?;
        if offset >= POINTER_LIMIT {
            self.last = 0;
            return Ok(0);
        }
        self.keep(free, low(offset));
        self.last = low(offset);
        Ok(self.last)
    }

    /// A name that has to be looked up label by label.
    fn put_new_name(&mut self, name: NameRef<'_>) -> Result<u16, BuildError> {
        let Some(wire) = name.as_uncompressed() else {
            return self.put_compressed_name(name);
        };
        let mut few = [0u8; 8];
        let mut count = 0usize;
        let mut at = 0usize;
        while let Some(&len @ 1..) = wire.get(at) {
            let Some(place) = few.get_mut(count) else {
                let (starts, count) = label_starts(wire);
                return self.put_labels(wire, starts.get(..count).unwrap_or_default());
            };
            *place = u8::try_from(at).unwrap_or_default();
            count = count.wrapping_add(1);
            at = at.wrapping_add(usize::from(len)).wrapping_add(1);
        }
        self.put_labels(wire, few.get(..count).unwrap_or_default())
    }

    /// A name that stands in pieces where it comes from. What is written depends on the name alone.
    #[cold]
    fn put_compressed_name(&mut self, name: NameRef<'_>) -> Result<u16, BuildError> {
        let mut whole = [0; MAX_NAME];
        let whole = NameRef::new(name.copy_to(&mut whole), 0);
        self.put_name(whole)
    }

    /// Writes the labels that begin in `wire` at the offsets.
    fn put_labels(&mut self, wire: &[u8], starts: &[u8]) -> Result<u16, BuildError> {
        self.begin_table();
        let first = self.len;
        let mut left = starts.len();
        let mut suffix = 0u16;
        let mut free = SLOTS;
        // From the last label to the first, as far as the name stands in the message already.
        for &start in starts.iter().rev() {
            match self.find(label_at(wire, start.into()), suffix) {
                Ok(offset) => suffix = offset,
                Err(slot) => {
                    free = slot;
                    break;
                }
            }
            left = left.wrapping_sub(1);
        }
        let new = starts.get(..left).unwrap_or_default();
        // What is new goes out in one piece.
        let end = starts.get(left).map_or(wire.len(), |&start| start.into());
        self.put(wire.get(..end).unwrap_or_default())?;
        if left < starts.len() {
            self.put(&(suffix | 0xc000).to_be_bytes())?;
        }
        // The last label that is new has its slot already; each other one stands before the next.
        let mut below = new.iter().rev();
        if let Some(&start) = below.next() {
            let mut parent = first.wrapping_add(start.into());
            // Beyond, nothing can point at it.
            if parent < POINTER_LIMIT {
                self.keep(free, low(parent));
            }
            for &start in below {
                let offset = first.wrapping_add(start.into());
                if parent < POINTER_LIMIT {
                    self.learn(label_at(wire, start.into()), low(offset), low(parent));
                }
                parent = offset;
            }
        }
        self.last = match left {
            0 => suffix,
            _ if first < POINTER_LIMIT => low(first),
            _ => 0,
        };
        if left == starts.len() && self.len < POINTER_LIMIT {
            let second = starts.get(1);
            let full = Full {
                start: low(first),
                parent: second.map_or(0, |&start| low(first.wrapping_add(start.into()))),
                end: low(self.len),
            };
            let [_, latest] = &mut self.full;
            *latest = full;
        }
        Ok(self.last)
    }

    /// Where the name behind the label at `offset` stands; zero for the root.
    #[inline]
    fn parent_of(&self, offset: u16) -> u16 {
        let start = usize::from(offset);
        let Some(&len) = self.out.get(start) else {
            return 0;
        };
        let next = start.wrapping_add(usize::from(len)).wrapping_add(1);
        match self.out.get(next..).and_then(|rest| rest.first_chunk()) {
            Some(&[high, low]) if high >= 0xc0 => u16::from_be_bytes([high & 0x3f, low]),
            Some(&[len, _]) if len > 0 => low(next),
            _ => 0,
        }
    }

    /// Whether the name at `offset` consists of `label` and the name at `parent`. Case counts: what
    /// was written is what will be read.
    #[inline]
    fn is_label(&self, offset: u16, label: &[u8], parent: u16) -> bool {
        label_at(self.out, usize::from(offset)) == label && self.parent_of(offset) == parent
    }

    /// The name that consists of `label` and the name at `parent`, or the slot where it would be
    /// kept; that is none of the table when there is no room for it.
    #[inline]
    fn find(&self, label: &[u8], parent: u16) -> Result<u16, usize> {
        let home = place(label, parent);
        for probe in 0..PROBES {
            let slot = home.wrapping_add(probe) % SLOTS;
            match self.table.get(slot) {
                Some(&offset) if offset != 0 => {
                    if self.is_label(offset, label, parent) {
                        return Ok(offset);
                    }
                }
                _ => return Err(slot),
            }
        }
        Err(SLOTS)
    }

    #[inline]
    fn keep(&mut self, slot: usize, offset: u16) {
        if let Some(slot) = self.table.get_mut(slot) {
            *slot = offset;
        }
    }

    /// Keeps a name that is known to be new.
    #[inline]
    fn learn(&mut self, label: &[u8], offset: u16, parent: u16) {
        let home = place(label, parent);
        for probe in 0..PROBES {
            if let Some(slot) = self.table.get_mut(home.wrapping_add(probe) % SLOTS)
                && *slot == 0
            {
                *slot = offset;
                return;
            }
        }
    }

    const fn mark(&self) -> Mark {
        Mark {
            len: self.len,
            counts: self.header.counts,
            part: self.part,
        }
    }

    #[cold]
    fn roll_back(&mut self, mark: Mark) {
        self.len = mark.len;
        self.header.counts = mark.counts;
        self.part = mark.part;
        // A hole in a chain of probes hides what is behind it; that costs octets, not correctness.
        for slot in &mut self.table {
            if usize::from(*slot) >= mark.len {
                *slot = 0;
            }
        }
        for full in &mut self.full {
            if usize::from(full.end) > mark.len {
                *full = Full::default();
            }
        }
        // The first name is gone, and with it what the table knew of it.
        self.begun = self.begun && self.full.first().is_some_and(|first| first.end > 0);
        self.last = 0;
    }
}

/// The index of a section's count.
const fn part_of(section: Section) -> usize {
    match section {
        Section::Answer => 1,
        Section::Authority => 2,
        Section::Additional => 3,
    }
}

/// An offset below [`POINTER_LIMIT`].
fn low(offset: usize) -> u16 {
    u16::try_from(offset).unwrap_or_default()
}

/// Where the search for a label in front of the name at `parent` begins.
#[inline]
fn place(label: &[u8], parent: u16) -> usize {
    const FACTOR: u32 = 0x9e37_79b1;
    let (words, tail) = label.as_chunks::<4>();
    let mut hash = u32::from(parent) ^ 0x5555;
    for word in words {
        hash = (hash ^ u32::from_le_bytes(*word))
            .wrapping_mul(FACTOR)
            .rotate_left(13);
    }
    for &octet in tail {
        hash = hash.rotate_left(8) ^ u32::from(octet);
    }
    // The upper bits of the product depend on all of the lower ones.
    (hash.wrapping_mul(FACTOR) >> 25) as usize
}

impl fmt::Debug for Builder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("header", &self.header)
            .field("len", &self.len())
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}
