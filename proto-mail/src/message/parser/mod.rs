//! The structure of a message, in one pass.
//!
//! ```text
//!            +---------------------- an entity begins <-------------+
//!            v                                                      |
//!        [Begin] -> [Header] -- blank line --> [Body] -- delimiter -> [Unwind] (ends what is open
//!                       |                        |                      inside of the multipart)
//!                       +------ delimiter -------|----------------------^
//!                                                +-- end of message ----^ -> [Done]
//! ```
//! The body of a multipart is its preamble, up to the first delimiter, and its epilogue, behind the
//! last; the body of a message inside is another entity, which begins where the header ended.

mod body;
mod header;

use super::field::{Field, bstr};
use super::limits::Limits;
use super::params::{ContentType, Encoding};
use super::repairs::Repairs;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;
use memchr::memmem::Finder;

/// Octets of white space that may stand behind a delimiter.
const MAX_PADDING: usize = 256;

/// Which entity of a message, in the order in which they begin; the message itself is 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartId(pub u32);

/// What an entity holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Octets.
    Leaf,
    /// Other entities, between delimiters (RFC 2046 section 5.1).
    Multipart,
    /// One message (RFC 2046 section 5.2.1, RFC 6532 section 3.7).
    Message,
}

/// What a header says of its body.
#[derive(Clone, Copy)]
pub struct Content<'a> {
    pub(super) value: Option<&'a [u8]>,
    pub(super) kind: Kind,
    pub(super) encoding: Encoding,
    pub(super) in_digest: bool,
    pub(super) is_readable: bool,
}

impl Content<'_> {
    /// What the body is read as.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// How a leaf is encoded.
    #[must_use]
    pub fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// The media type; `text/plain` when there is none or it cannot be read (RFC 2045 section 5.2),
    /// and `message/rfc822` when there is none in a digest (RFC 2046 section 5.1.5).
    #[must_use]
    pub fn content_type(&self) -> ContentType {
        self.value
            .filter(|_| self.is_readable)
            .and_then(ContentType::parse)
            .unwrap_or_else(|| {
                if self.in_digest && self.value.is_none() {
                    ContentType::new("message", "rfc822")
                } else {
                    ContentType::new("text", "plain")
                }
            })
    }
}

impl fmt::Debug for Content<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Content")
            .field("kind", &self.kind)
            .field("encoding", &self.encoding)
            .field("value", &self.value.map(bstr))
            .finish()
    }
}

/// What [`Event::Octets`] are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OctetsKind {
    /// What stands in a header and is no field, or lies beyond a limit.
    Unparsed,
    /// The body of a leaf, still encoded.
    Body,
    /// What stands before the first part of a multipart.
    Preamble,
    /// What stands behind the last part of a multipart, the line end of the last delimiter included.
    Epilogue,
}

/// What the parser saw. All events that have octets, in their order, give the message: each octet
/// once. Where it is cut into octets of one kind is chance; everything else is not.
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event<'a> {
    /// An entity begins; its header follows.
    PartBegin {
        /// Its number.
        part: PartId,
        /// The entity that it stands in.
        parent: Option<PartId>,
        /// Entities around it.
        depth: usize,
        /// Where it begins.
        offset: u64,
    },
    /// A header field of the entity that began last.
    Field(Field<'a>),
    /// The header has ended.
    HeaderEnd {
        /// What the body is.
        content: Content<'a>,
        /// Where the blank line stands.
        offset: u64,
        /// The blank line; empty when there is none.
        data: &'a [u8],
    },
    /// Octets, of the innermost entity that is open.
    Octets {
        /// What they are.
        kind: OctetsKind,
        /// Where they begin.
        offset: u64,
        /// They.
        data: &'a [u8],
    },
    /// A delimiter, of the innermost entity that is open. The line end before it belongs to it
    /// (RFC 2046 section 5.1.1); that behind it too, but for the last one.
    Delimiter {
        /// Whether it is the last one.
        is_close: bool,
        /// Where it begins.
        offset: u64,
        /// It, with its line ends.
        data: &'a [u8],
    },
    /// The innermost open entity has ended.
    PartEnd(PartEnd),
}

/// An entity, as it is known at its end.
#[derive(Clone, Debug, PartialEq, Eq, Copy)]
pub struct PartEnd {
    /// Its number.
    pub part: PartId,
    /// Where its header begins.
    pub header_start: u64,
    /// Where its body begins, and its header has ended with the blank line.
    pub body_start: u64,
    /// Where its body ends. The line end before a delimiter is not of the body.
    pub body_end: u64,
    /// Line feeds in its body. They are counted in texts and in all that is inside of a message inside,
    /// which is where IMAP wants to know them; nothing elsewhere.
    pub lines: Option<u64>,
    /// What was not as it should be, in this entity alone.
    pub repairs: Repairs,
}

impl PartEnd {
    /// Where the header is, the blank line included.
    #[must_use]
    pub fn header(&self) -> Range<u64> {
        self.header_start..self.body_start
    }

    /// Where the body is.
    #[must_use]
    pub fn body(&self) -> Range<u64> {
        self.body_start..self.body_end
    }
}

/// Two contents are equal when they say the same.
impl PartialEq for Content<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
            && self.kind == other.kind
            && self.encoding == other.encoding
            && self.in_digest == other.in_digest
    }
}

impl Eq for Content<'_> {}

impl fmt::Debug for Event<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PartBegin {
                part,
                parent,
                depth,
                offset,
            } => f
                .debug_struct("PartBegin")
                .field("part", &part.0)
                .field("parent", &parent.map(|parent| parent.0))
                .field("depth", depth)
                .field("offset", offset)
                .finish(),
            Self::Field(field) => field.fmt(f),
            Self::HeaderEnd {
                content,
                offset,
                data,
            } => f
                .debug_struct("HeaderEnd")
                .field("content", content)
                .field("offset", offset)
                .field("data", &bstr(data))
                .finish(),
            Self::Octets { kind, offset, data } => f
                .debug_struct("Octets")
                .field("kind", kind)
                .field("offset", offset)
                .field("data", &bstr(data))
                .finish(),
            Self::Delimiter {
                is_close,
                offset,
                data,
            } => f
                .debug_struct("Delimiter")
                .field("is_close", is_close)
                .field("offset", offset)
                .field("data", &bstr(data))
                .finish(),
            Self::PartEnd(end) => end.fmt(f),
        }
    }
}

/// Reads a message as it comes in, in pieces of any size: header fields, entities and where they
/// begin and end.
///
/// It holds an incomplete header field and an incomplete delimiter, and what [`Limits`] allow of
/// open entities; the octets of bodies pass through. It is total: any octets are a message.
///
/// ```
/// use proto_mail::message::{Event, Limits, Parser};
///
/// let mut parser = Parser::new(Limits::default());
/// let mut subject = None;
/// let mut body = Vec::new();
/// for piece in ["Subject: din", "ner\r\n\r\nDo you like", " ketchup?\r\n"] {
///     let mut input = piece.as_bytes();
///     while let Some(event) = parser.poll_event(&mut input) {
///         match event {
///             Event::Field(field) => subject = Some(field.text()),
///             Event::Octets { data, .. } => body.extend_from_slice(data),
///             _ => {}
///         }
///     }
/// }
/// parser.finish();
/// while let Some(_event) = parser.poll_event(&mut &[][..]) {}
/// assert!(parser.is_done());
/// assert_eq!(subject.as_deref(), Some("dinner"));
/// assert_eq!(body, b"Do you like ketchup?\r\n");
/// ```
#[derive(Debug)]
pub struct Parser {
    limits: Arc<Limits>,
    state: State,
    /// The open entities, the message itself first.
    stack: Vec<Entity>,
    /// Entities that began.
    parts: u32,
    /// Open multiparts whose delimiters are looked for.
    delimiters: usize,
    /// Octets that were handed out.
    offset: u64,
    /// Line feeds that were handed out, while they were counted.
    lines: u64,
    /// Open entities in which they are counted.
    counting: usize,
    /// Whether nothing more will come.
    is_finished: bool,
    /// Octets that were taken and not handed out: an incomplete field or delimiter.
    held: Vec<u8>,
    /// What the last event may borrow.
    given: Vec<u8>,
    /// The value of the `Content-Type` of the header that is being read.
    content_type: Vec<u8>,
    finder: Finder<'static>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// An entity is on the stack, and was not said to begin.
    Begin,
    /// At the front of a line of a header.
    Header,
    /// Inside a field that is too long: its front was handed out. Whether a line has just ended.
    LongField { is_line_start: bool },
    /// In a body. Whether its first octet begins a line: nothing was handed out yet.
    Body { is_line_start: bool },
    /// Entities deeper than this end, then the delimiter is handed out.
    Unwind {
        depth: usize,
        is_close: bool,
        len: usize,
    },
    /// The message has ended, its entities end.
    Finish,
    /// All was said.
    Done,
}

/// An entity that has not ended.
#[derive(Debug)]
struct Entity {
    part: PartId,
    kind: Kind,
    header_start: u64,
    body_start: u64,
    /// Line feeds before its body.
    lines: u64,
    counts_lines: bool,
    repairs: Repairs,
    /// Fields that may stand once, and were there.
    seen: u32,
    fields: u32,
    encoding: Encoding,
    has_content_type: bool,
    /// Whether it stands in a digest.
    in_digest: bool,
    /// Of a multipart: whether it is a digest.
    is_digest: bool,
    /// Of a multipart.
    boundary: Vec<u8>,
    /// Of a multipart: whether its last delimiter was there.
    is_closed: bool,
    has_parts: bool,
}

/// Where the octets of an event are.
#[derive(Clone, Copy)]
enum Source<'i> {
    Input(&'i [u8]),
    Given,
}

/// An event before it borrows.
enum Step<'i> {
    Begin,
    Field {
        source: Source<'i>,
        name_len: usize,
        colon: usize,
        known: super::FieldName,
        repairs: Repairs,
    },
    HeaderEnd {
        source: Source<'i>,
        content: Summary,
    },
    Octets {
        source: Source<'i>,
        kind: OctetsKind,
    },
    Delimiter {
        source: Source<'i>,
        is_close: bool,
    },
    End(PartEnd),
}

/// [`Content`] before it borrows.
#[derive(Clone, Copy)]
struct Summary {
    kind: Kind,
    encoding: Encoding,
    has_type: bool,
    in_digest: bool,
    is_readable: bool,
}

impl Parser {
    /// A parser at the front of a message.
    #[must_use]
    pub fn new(limits: impl Into<Arc<Limits>>) -> Self {
        let mut parser = Self {
            limits: limits.into(),
            state: State::Begin,
            stack: Vec::new(),
            parts: 0,
            delimiters: 0,
            offset: 0,
            lines: 0,
            counting: 0,
            is_finished: false,
            held: Vec::new(),
            given: Vec::new(),
            content_type: Vec::new(),
            finder: Finder::new(b"\n--"),
        };
        parser.push();
        parser
    }

    /// Reads on. Takes octets off the front of `input`, which may be another one in each call, and
    /// gives nothing once it is empty.
    pub fn poll_event<'s, 'i: 's>(&'s mut self, input: &mut &'i [u8]) -> Option<Event<'s>> {
        let step = loop {
            let before = (self.state, input.len(), self.held.len());
            if let Some(step) = self.step(input) {
                break step;
            }
            if before == (self.state, input.len(), self.held.len()) {
                return None;
            }
        };
        let offset = self.offset;
        self.pass(&step);
        Some(self.event(step, offset))
    }

    /// The message has ended. Drain the events that are left with an empty input.
    pub fn finish(&mut self) {
        self.is_finished = true;
    }

    /// Whether the message has ended and every event was handed out.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Octets that were handed out: where the next event stands.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The limits that hold.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// One step; nothing when the state only changed, or when there is nothing to be done.
    fn step<'i>(&mut self, input: &mut &'i [u8]) -> Option<Step<'i>> {
        match self.state {
            State::Begin => {
                self.state = State::Header;
                Some(Step::Begin)
            }
            State::Header => self.header(input),
            State::LongField { is_line_start } => self.long_field(input, is_line_start),
            State::Body { is_line_start } => self.body(input, is_line_start),
            State::Unwind {
                depth,
                is_close,
                len,
            } => Some(self.unwind(input, depth, is_close, len)),
            State::Finish => {
                if let Some(end) = self.pop() {
                    return Some(Step::End(end));
                }
                self.state = State::Done;
                None
            }
            State::Done => {
                *input = &[];
                None
            }
        }
    }

    /// Ends one entity, or hands out the delimiter.
    fn unwind<'i>(
        &mut self,
        input: &mut &'i [u8],
        depth: usize,
        is_close: bool,
        len: usize,
    ) -> Step<'i> {
        if self.stack.len() > depth.saturating_add(1)
            && let Some(end) = self.pop()
        {
            return Step::End(end);
        }
        // The line end behind the last delimiter begins the epilogue, or the delimiter of a multipart
        // around it (RFC 2046 section 5.1.1: `close-delimiter` has none of its own).
        let source = if self.held.is_empty() {
            let line = input.get(..len).unwrap_or(input);
            let tail = if is_close { tail_len(line) } else { 0 };
            Source::Input(take(input, line.len().saturating_sub(tail)))
        } else {
            let source = self.give_held();
            let tail = if is_close { tail_len(&self.given) } else { 0 };
            self.hold_back(tail);
            source
        };
        let is_full = self.parts >= self.limits.max_parts;
        self.state = State::Body {
            is_line_start: false,
        };
        if let Some(multipart) = self.stack.last_mut() {
            if !is_close && is_full {
                multipart.repairs.insert(Repairs::PARTS_LIMIT);
            }
            if is_close && !multipart.has_parts {
                multipart.repairs.insert(Repairs::NO_PARTS);
            }
            if is_close || is_full {
                multipart.is_closed = true;
                self.delimiters = self.delimiters.saturating_sub(1);
            } else {
                multipart.has_parts = true;
                // It is pushed when the delimiter was handed out: its offset is not known yet.
                self.state = State::Begin;
            }
        }
        Step::Delimiter { source, is_close }
    }

    /// Counts what is handed out, and opens the entities that begin behind it.
    fn pass(&mut self, step: &Step<'_>) {
        let source = match *step {
            Step::Field { source, .. }
            | Step::HeaderEnd { source, .. }
            | Step::Octets { source, .. }
            | Step::Delimiter { source, .. } => source,
            Step::Begin | Step::End(_) => return,
        };
        let data = match source {
            Source::Input(data) => data,
            Source::Given => &self.given,
        };
        self.offset = self.offset.saturating_add(count(data.len()));
        if self.counting > 0 {
            let lines = memchr::memchr_iter(b'\n', data).count();
            self.lines = self.lines.saturating_add(count(lines));
        }
        match *step {
            Step::HeaderEnd { ref content, .. } => {
                let (offset, lines) = (self.offset, self.lines);
                if let Some(entity) = self.stack.last_mut() {
                    entity.body_start = offset;
                    entity.lines = lines;
                    if entity.counts_lines {
                        self.counting = self.counting.saturating_add(1);
                    }
                }
                if content.kind == Kind::Message {
                    self.push();
                    self.state = State::Begin;
                }
            }
            Step::Delimiter { .. } if self.state == State::Begin => self.push(),
            _ => {}
        }
    }

    fn event<'s, 'i: 's>(&'s self, step: Step<'i>, offset: u64) -> Event<'s> {
        match step {
            Step::Begin => {
                let mut open = self.stack.iter().rev();
                Event::PartBegin {
                    part: open.next().map(|entity| entity.part).unwrap_or_default(),
                    parent: open.next().map(|entity| entity.part),
                    depth: self.stack.len().saturating_sub(1),
                    offset,
                }
            }
            Step::Field {
                source,
                name_len,
                colon,
                known,
                repairs,
            } => Event::Field(Field {
                offset,
                raw: self.octets(source),
                name_len,
                colon,
                known,
                repairs,
            }),
            Step::HeaderEnd { source, content } => Event::HeaderEnd {
                content: Content {
                    value: content.has_type.then_some(&*self.content_type),
                    kind: content.kind,
                    encoding: content.encoding,
                    in_digest: content.in_digest,
                    is_readable: content.is_readable,
                },
                offset,
                data: self.octets(source),
            },
            Step::Octets { source, kind } => Event::Octets {
                kind,
                offset,
                data: self.octets(source),
            },
            Step::Delimiter { source, is_close } => Event::Delimiter {
                is_close,
                offset,
                data: self.octets(source),
            },
            Step::End(end) => Event::PartEnd(end),
        }
    }

    fn octets<'s, 'i: 's>(&'s self, source: Source<'i>) -> &'s [u8] {
        match source {
            Source::Input(data) => data,
            Source::Given => &self.given,
        }
    }

    /// Opens an entity at the offset.
    fn push(&mut self) {
        let in_digest = self.stack.last().is_some_and(|parent| parent.is_digest);
        self.stack.push(Entity {
            part: PartId(self.parts),
            kind: Kind::Leaf,
            header_start: self.offset,
            body_start: self.offset,
            lines: self.lines,
            counts_lines: false,
            repairs: Repairs::NONE,
            seen: 0,
            fields: 0,
            encoding: Encoding::SevenBit,
            has_content_type: false,
            in_digest,
            is_digest: false,
            boundary: Vec::new(),
            is_closed: false,
            has_parts: false,
        });
        self.parts = self.parts.saturating_add(1);
    }

    /// Ends the innermost entity at the offset.
    fn pop(&mut self) -> Option<PartEnd> {
        let mut entity = self.stack.pop()?;
        let is_counted = self.counting > 0;
        if entity.counts_lines {
            self.counting = self.counting.saturating_sub(1);
        }
        if entity.kind == Kind::Multipart && !entity.is_closed {
            self.delimiters = self.delimiters.saturating_sub(1);
            entity.repairs.insert(Repairs::MISSING_CLOSE);
            if !entity.has_parts {
                entity.repairs.insert(Repairs::NO_PARTS);
            }
        }
        Some(PartEnd {
            part: entity.part,
            header_start: entity.header_start,
            body_start: entity.body_start,
            body_end: self.offset,
            lines: is_counted.then(|| self.lines.saturating_sub(entity.lines)),
            repairs: entity.repairs,
        })
    }

    /// Which open multipart a line is a delimiter of, and whether it is the last one. The line is
    /// without its LF. Innermost first: the boundary of one may be that of another with `--`.
    fn delimiter(&mut self, line: &[u8]) -> Option<(usize, bool)> {
        let body = line.strip_prefix(b"--")?;
        let has_cr = body.last() == Some(&b'\r');
        // RFC 2046 section 5.1.1: `transport-padding`, which composers must not and readers must handle.
        let text = body.strip_suffix(b"\r").unwrap_or(body);
        let end = text
            .iter()
            .rposition(|octet| !matches!(octet, b' ' | b'\t'))
            .map_or(0, |last| last.saturating_add(1));
        let text = text.get(..end).unwrap_or_default();
        let bare = text.strip_suffix(b"--");
        let found = self
            .stack
            .iter()
            .enumerate()
            .rev()
            .find_map(|(depth, entity)| {
                if entity.kind != Kind::Multipart || entity.is_closed {
                    None
                } else if entity.boundary == text {
                    Some((depth, false))
                } else if bare == Some(&*entity.boundary) {
                    Some((depth, true))
                } else {
                    None
                }
            })?;
        if !has_cr
            && !self.is_finished
            && let Some(entity) = self.stack.get_mut(found.0)
        {
            entity.repairs.insert(Repairs::BARE_LF);
        }
        Some(found)
    }

    /// The longest line that may be a delimiter, its LF included.
    fn max_delimiter(&self) -> usize {
        self.limits
            .max_boundary
            .saturating_add(MAX_PADDING)
            .saturating_add(6)
    }

    /// Hands the held octets over to the next event.
    fn give_held<'i>(&mut self) -> Source<'i> {
        core::mem::swap(&mut self.held, &mut self.given);
        self.held.clear();
        Source::Given
    }

    /// Takes the last `len` octets of the next event back.
    fn hold_back(&mut self, len: usize) {
        let len = self.given.len().saturating_sub(len);
        self.held
            .extend_from_slice(self.given.get(len..).unwrap_or_default());
        self.given.truncate(len);
    }

    fn note(&mut self, repairs: Repairs) {
        if let Some(entity) = self.stack.last_mut() {
            entity.repairs.insert(repairs);
        }
    }
}

/// A length as a count of octets of a message.
pub(super) fn count(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

/// Octets of the line end at the end.
fn tail_len(line: &[u8]) -> usize {
    match line {
        [.., b'\r', b'\n'] => 2,
        [.., b'\n'] => 1,
        _ => 0,
    }
}

/// Takes `len` octets off the front.
fn take<'i>(input: &mut &'i [u8], len: usize) -> &'i [u8] {
    let (front, rest) = input.split_at_checked(len).unwrap_or((*input, &[]));
    *input = rest;
    front
}
