//! Reading messages (RFC 1035 section 4.1).

use super::code::{Class, Rcode, Type};
use super::edns::{self, Edns, Options};
use super::header::Header;
use super::name_ref::{self, Follow, NameRef, Steps, Stop, Table};
use super::question::QuestionRef;
use super::rdata;
use super::record::Record;
use crate::error::{DecodeError, Fault};
use bytes::Bytes;
use core::fmt;

/// Most octets of a message, whatever it travels over.
pub const MAX_MESSAGE: usize = 65_535;

/// A part of a message that holds records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Section {
    /// What was asked for.
    Answer,
    /// Who is responsible, or why there is no answer.
    Authority,
    /// What else may be of use.
    Additional,
}

/// A message that was checked once, so that walking it cannot fail. Nothing is copied, and nothing
/// allocated but at most 32 KiB while a message is checked whose pointers are made to hurt.
///
/// Checked are the frames of all records, all names in questions, owners and the data of the types
/// that [`RData`](super::RData) knows, and OPT. The cost is linear in the length of the message,
/// whatever its compression pointers do.
///
/// ```
/// use proto_dns::wire::{Builder, Flags, Message, Name, Type, Class};
///
/// let mut buffer = [0; 512];
/// let mut query = Builder::new(&mut buffer, 7, Flags::RD)?;
/// query.push_question("www.ibm.com".parse::<Name>()?.view(), Type::A, Class::IN)?;
/// let query = query.finish();
///
/// let message = Message::parse(query)?;
/// let question = message.question().expect("one question");
/// assert_eq!(question.to_string(), "www.ibm.com.\tIN\tA");
/// assert_eq!(message.answers().count(), 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy)]
pub struct Message<'a> {
    octets: &'a [u8],
    layout: Layout,
}

/// Where the parts of a message begin.
#[derive(Clone, Copy)]
struct Layout {
    header: Header,
    /// The first octets of answer, authority and additional section, and the end.
    parts: [u16; 4],
    /// Where the fixed part of OPT begins, behind its owner.
    opt: Option<u16>,
}

impl<'a> Message<'a> {
    /// Checks a message.
    ///
    /// Octets behind the last record are no error here: see [`trailing`](Self::trailing).
    ///
    /// # Errors
    ///
    /// [`DecodeError`] with the place of the first fault.
    #[inline]
    pub fn parse(octets: &'a [u8]) -> Result<Self, DecodeError> {
        let layout = match scan(octets, &mut Steps::new()) {
            Ok(layout) => layout,
            Err(Stop::Exhausted) => scan_with_table(octets)?,
            Err(stop) => return Err(stop.into_error(octets.len())),
        };
        Ok(Self { octets, layout })
    }

    /// The header as it was sent.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.layout.header
    }

    /// The response code, with its upper bits from OPT.
    #[must_use]
    pub fn rcode(&self) -> Rcode {
        let low = self.layout.header.flags.low_rcode().0;
        let high = self.opt_fixed().map_or(0, |fixed| fixed.rcode_high);
        Rcode(u16::from(high) << 4 | low)
    }

    /// The questions.
    #[must_use]
    pub fn questions(&self) -> Questions<'a> {
        Questions {
            octets: self.octets,
            at: Header::LEN,
            left: self.layout.header.counts[0],
        }
    }

    /// The question, if there is exactly one.
    #[must_use]
    pub fn question(&self) -> Option<QuestionRef<'a>> {
        match self.layout.header.counts[0] {
            1 => self.questions().next(),
            _ => None,
        }
    }

    /// The records of a section. OPT is among those of the additional section.
    #[inline]
    #[must_use]
    pub fn records(&self, section: Section) -> Records<'a> {
        let [_, answers, authorities, additionals] = self.layout.header.counts;
        let [answer, authority, additional, _] = self.layout.parts;
        let (at, left) = match section {
            Section::Answer => (answer, answers),
            Section::Authority => (authority, authorities),
            Section::Additional => (additional, additionals),
        };
        Records {
            octets: self.octets,
            at: usize::from(at),
            left,
        }
    }

    /// The answer section.
    #[inline]
    #[must_use]
    pub fn answers(&self) -> Records<'a> {
        self.records(Section::Answer)
    }

    /// The authority section.
    #[inline]
    #[must_use]
    pub fn authorities(&self) -> Records<'a> {
        self.records(Section::Authority)
    }

    /// The additional section, OPT included.
    #[inline]
    #[must_use]
    pub fn additionals(&self) -> Records<'a> {
        self.records(Section::Additional)
    }

    /// What OPT says, if there is one.
    #[must_use]
    pub fn edns(&self) -> Option<Edns<'a>> {
        self.opt_fixed().map(|fixed| fixed.edns)
    }

    /// All octets, trailing ones included.
    #[must_use]
    pub const fn octets(&self) -> &'a [u8] {
        self.octets
    }

    /// What stands behind the last record: nothing in a message of good faith.
    #[must_use]
    pub fn trailing(&self) -> &'a [u8] {
        let [.., end] = self.layout.parts;
        self.octets.get(usize::from(end)..).unwrap_or_default()
    }

    /// The same message in octets that differ in the case of names only.
    pub(crate) fn with_octets(&self, octets: Bytes) -> MessageBuf {
        MessageBuf {
            octets,
            layout: self.layout,
        }
    }

    fn opt_fixed(&self) -> Option<OptFixed<'a>> {
        let at = usize::from(self.layout.opt?);
        let frame = Frame::read(self.octets, at)?;
        let [rcode_high, version, flags, _] = frame.ttl.to_be_bytes();
        let options = self.octets.get(frame.start..frame.end)?;
        Some(OptFixed {
            rcode_high,
            edns: Edns {
                udp_payload: frame.class.0,
                version,
                dnssec_ok: flags & 0x80 != 0,
                options: Options::from_wire(options).ok()?,
            },
        })
    }
}

struct OptFixed<'a> {
    rcode_high: u8,
    edns: Edns<'a>,
}

impl fmt::Debug for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("header", self.header())
            .field("questions", &self.questions())
            .field("answers", &self.answers())
            .field("authorities", &self.authorities())
            .field("additionals", &self.additionals())
            .finish()
    }
}

/// A checked message that owns its octets.
#[derive(Clone)]
pub struct MessageBuf {
    octets: Bytes,
    layout: Layout,
}

impl MessageBuf {
    /// Checks a message and keeps it.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] with the place of the first fault.
    pub fn parse(octets: Bytes) -> Result<Self, DecodeError> {
        let layout = Message::parse(&octets)?.layout;
        Ok(Self { octets, layout })
    }

    /// The message, to be walked.
    #[must_use]
    pub fn view(&self) -> Message<'_> {
        Message {
            octets: &self.octets,
            layout: self.layout,
        }
    }

    /// The octets.
    #[must_use]
    pub const fn octets(&self) -> &Bytes {
        &self.octets
    }

    /// The octets, without a copy.
    #[must_use]
    pub fn into_octets(self) -> Bytes {
        self.octets
    }
}

impl PartialEq for MessageBuf {
    /// Octet by octet.
    fn eq(&self, other: &Self) -> bool {
        self.octets == other.octets
    }
}

impl Eq for MessageBuf {}

impl fmt::Debug for MessageBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.view().fmt(f)
    }
}

/// The questions of a message.
#[derive(Clone)]
pub struct Questions<'a> {
    octets: &'a [u8],
    at: usize,
    left: u16,
}

impl<'a> Iterator for Questions<'a> {
    type Item = QuestionRef<'a>;

    fn next(&mut self) -> Option<QuestionRef<'a>> {
        self.left = self.left.checked_sub(1)?;
        let name = NameRef::new(self.octets, self.at);
        let end = name_ref::skip(self.octets, self.at)?;
        let &[t, y, c, l] = self.octets.get(end..)?.first_chunk()?;
        self.at = end.saturating_add(4);
        Some(QuestionRef {
            name,
            qtype: Type(u16::from_be_bytes([t, y])),
            qclass: Class(u16::from_be_bytes([c, l])),
        })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(usize::from(self.left)))
    }
}

impl fmt::Debug for Questions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.clone()).finish()
    }
}

/// The records of one section.
#[derive(Clone)]
pub struct Records<'a> {
    octets: &'a [u8],
    at: usize,
    left: u16,
}

impl<'a> Iterator for Records<'a> {
    type Item = Record<'a>;

    #[inline]
    fn next(&mut self) -> Option<Record<'a>> {
        self.left = self.left.checked_sub(1)?;
        let owner = NameRef::new(self.octets, self.at);
        let frame = Frame::read(self.octets, name_ref::skip(self.octets, self.at)?)?;
        self.at = frame.end;
        // RFC 2181 section 8: a TTL with the most significant bit set is taken as zero.
        let ttl = match frame.ttl {
            ttl @ 0..=0x7fff_ffff => ttl,
            opt if frame.rtype == Type::OPT => opt,
            _ => 0,
        };
        Some(Record {
            owner,
            rtype: frame.rtype,
            class: frame.class,
            ttl,
            octets: self.octets,
            start: frame.start,
            end: frame.end,
        })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(usize::from(self.left)))
    }
}

impl fmt::Debug for Records<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.clone()).finish()
    }
}

/// The ten octets behind an owner, and where the data is that they announce.
struct Frame {
    rtype: Type,
    class: Class,
    ttl: u32,
    start: usize,
    end: usize,
}

impl Frame {
    #[inline]
    fn read(octets: &[u8], at: usize) -> Option<Self> {
        let &[t, y, c, l, t0, t1, t2, t3, r, d] = octets.get(at..)?.first_chunk()?;
        let start = at.wrapping_add(10);
        let end = start.wrapping_add(usize::from(u16::from_be_bytes([r, d])));
        (end <= octets.len()).then_some(Self {
            rtype: Type(u16::from_be_bytes([t, y])),
            class: Class(u16::from_be_bytes([c, l])),
            ttl: u32::from_be_bytes([t0, t1, t2, t3]),
            start,
            end,
        })
    }
}

#[cold]
#[inline(never)]
fn scan_with_table(octets: &[u8]) -> Result<Layout, DecodeError> {
    scan(octets, &mut Table::new(octets.len())).map_err(|stop| stop.into_error(octets.len()))
}

/// Walks the whole message once. Loops that follow a count end at the first record that is not
/// there, so that a count costs nothing by itself.
fn scan<F: Follow>(octets: &[u8], follow: &mut F) -> Result<Layout, Stop> {
    let header = Header::peek(octets).map_err(Stop::Bad)?;
    if octets.len() > MAX_MESSAGE {
        return Err(Stop::Bad(DecodeError::new(
            MAX_MESSAGE,
            Fault::MessageTooLong,
        )));
    }
    let [questions, counts @ ..] = header.counts;
    let mut at = Header::LEN;
    for _ in 0..questions {
        at = name_ref::check(octets, at, octets.len(), follow)?.saturating_add(4);
        if at > octets.len() {
            return Err(Stop::Short);
        }
    }
    let offset = |at: usize| u16::try_from(at).unwrap_or(u16::MAX);
    let mut parts = [offset(at); 4];
    let mut opt = None;
    let [_, ends @ ..] = &mut parts;
    for (section, (count, part)) in counts.into_iter().zip(ends).enumerate() {
        for _ in 0..count {
            let fixed = name_ref::check(octets, at, octets.len(), follow)?;
            let frame = Frame::read(octets, fixed).ok_or(Stop::Short)?;
            match frame.rtype {
                Type::A | Type::AAAA => {}
                Type::OPT => {
                    let bad = |fault| Err(Stop::Bad(DecodeError::new(at, fault)));
                    // RFC 6891 section 6.1.1: at most one, in the additional section;
                    // section 6.1.2: its owner is the root.
                    if section != 2 || octets.get(at) != Some(&0) {
                        return bad(Fault::MisplacedOpt);
                    }
                    if opt.is_some() {
                        return bad(Fault::SecondOpt);
                    }
                    let options = octets.get(frame.start..frame.end).unwrap_or_default();
                    edns::check_options(frame.start, options).map_err(Stop::Bad)?;
                    opt = Some(offset(fixed));
                }
                rtype => rdata::verify(rtype, octets, frame.start, frame.end, follow)?,
            }
            at = frame.end;
        }
        *part = offset(at);
    }
    Ok(Layout { header, parts, opt })
}
