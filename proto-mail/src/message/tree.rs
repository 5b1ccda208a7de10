//! What is kept of a message: its entities, where they stand, and the fields that IMAP asks about.

use super::address::{Address, AddressList};
use super::field::unfold;
use super::limits::Limits;
use super::name::FieldName;
use super::params::{ContentType, Disposition, Encoding};
use super::parser::{Event, Kind, Parser, PartEnd, PartId};
use super::repairs::Repairs;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Range;

/// Fields of a message that an envelope is made of.
const KEPT_IN_MESSAGES: [FieldName; 10] = [
    FieldName::Date,
    FieldName::Subject,
    FieldName::From,
    FieldName::Sender,
    FieldName::ReplyTo,
    FieldName::To,
    FieldName::Cc,
    FieldName::Bcc,
    FieldName::InReplyTo,
    FieldName::MessageId,
];
/// Fields of any entity that a body structure is made of.
const KEPT_IN_PARTS: [FieldName; 8] = [
    FieldName::ContentType,
    FieldName::ContentTransferEncoding,
    FieldName::ContentId,
    FieldName::ContentDescription,
    FieldName::ContentMd5,
    FieldName::ContentDisposition,
    FieldName::ContentLanguage,
    FieldName::ContentLocation,
];

/// The entities of a message, in the order in which they begin, with what IMAP answers about them:
/// [`write_envelope`](Self::write_envelope), [`write_body_structure`](Self::write_body_structure), and
/// where a [`Section`](super::Section) is.
///
/// It is built from the events of a [`Parser`] as they come, so that the message never has to be in
/// memory; or by [`parse`](Self::parse) when it is.
///
/// ```
/// use proto_mail::message::{Limits, Section, Tree};
///
/// let message = b"Subject: dinner\r\nFrom: Alice <alice@crepes.fr>\r\n\r\nDo you like ketchup?\r\n";
/// let tree = Tree::parse(message, Limits::default());
/// let mut out = Vec::new();
/// tree.write_body_structure(true, &mut out);
/// assert_eq!(
///     out,
///     br#"("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 22 1 NIL NIL NIL NIL)"#
/// );
/// let text = tree.section(&Section::parse(b"1").unwrap()).unwrap();
/// assert_eq!(&message[text.start as usize..text.end as usize], b"Do you like ketchup?\r\n");
/// ```
#[derive(Clone, Debug)]
pub struct Tree {
    parts: Vec<Part>,
    /// Open entities, innermost last.
    open: Vec<PartId>,
    kept: Vec<Kept>,
    values: Vec<u8>,
    repairs: Repairs,
    limits: Arc<Limits>,
}

/// An entity.
#[derive(Clone, Debug)]
pub struct Part {
    end: PartEnd,
    parent: Option<PartId>,
    kind: Kind,
    encoding: Encoding,
    in_digest: bool,
    /// Whether it is a message: the root, or what a `message/rfc822` holds.
    is_message: bool,
    first_child: Option<PartId>,
    last_child: Option<PartId>,
    next: Option<PartId>,
    /// Its fields among those that are kept: a run, because headers are read whole.
    kept: Range<usize>,
}

#[derive(Clone, Debug)]
struct Kept {
    name: FieldName,
    value: Range<usize>,
}

impl Part {
    /// Its number.
    #[must_use]
    pub fn id(&self) -> PartId {
        self.end.part
    }

    /// The entity that it stands in.
    #[must_use]
    pub fn parent(&self) -> Option<PartId> {
        self.parent
    }

    /// What it holds.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// How its body is encoded.
    #[must_use]
    pub fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// Where its header is, the blank line included.
    #[must_use]
    pub fn header(&self) -> Range<u64> {
        self.end.header()
    }

    /// Where its body is.
    #[must_use]
    pub fn body(&self) -> Range<u64> {
        self.end.body()
    }

    /// Line feeds in its body, where they were [counted](PartEnd::lines).
    #[must_use]
    pub fn lines(&self) -> Option<u64> {
        self.end.lines
    }

    /// What was not as it should be in it.
    #[must_use]
    pub fn repairs(&self) -> Repairs {
        self.end.repairs
    }
}

impl Tree {
    /// A tree of nothing yet.
    #[must_use]
    pub fn new(limits: impl Into<Arc<Limits>>) -> Self {
        Self {
            parts: Vec::new(),
            open: Vec::new(),
            kept: Vec::new(),
            values: Vec::new(),
            repairs: Repairs::NONE,
            limits: limits.into(),
        }
    }

    /// The tree of a message that is in memory.
    #[must_use]
    pub fn parse(message: &[u8], limits: impl Into<Arc<Limits>>) -> Self {
        let limits = limits.into();
        let mut tree = Self::new(Arc::clone(&limits));
        let mut parser = Parser::new(limits);
        let mut input = message;
        while let Some(event) = parser.poll_event(&mut input) {
            tree.handle_event(&event);
        }
        parser.finish();
        while let Some(event) = parser.poll_event(&mut input) {
            tree.handle_event(&event);
        }
        tree
    }

    /// Takes in what the parser saw. To be called with every event, in order.
    pub fn handle_event(&mut self, event: &Event<'_>) {
        match event {
            Event::PartBegin {
                part,
                parent,
                offset,
                ..
            } => self.begin(*part, *parent, *offset),
            Event::Field(field) if !field.repairs().contains(Repairs::DUPLICATE_FIELD) => {
                self.keep(field.known(), field.raw_value());
            }
            Event::HeaderEnd { content, .. } => {
                if let Some(part) = self.innermost() {
                    part.kind = content.kind();
                    part.encoding = content.encoding();
                    part.in_digest = content.in_digest;
                }
            }
            Event::PartEnd(end) => {
                self.repairs |= end.repairs;
                if let Some(part) = self.innermost() {
                    part.end = *end;
                }
                self.open.pop();
            }
            _ => {}
        }
    }

    /// All entities; the message itself is the first.
    #[must_use]
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// One entity.
    #[must_use]
    pub fn part(&self, id: PartId) -> Option<&Part> {
        self.parts.get(usize::try_from(id.0).ok()?)
    }

    /// The entities right inside one, in order.
    pub fn children(&self, id: PartId) -> impl Iterator<Item = PartId> {
        let first = self.part(id).and_then(|part| part.first_child);
        core::iter::successors(first, |id| self.part(*id).and_then(|part| part.next))
    }

    /// What was not as it should be, anywhere.
    #[must_use]
    pub fn repairs(&self) -> Repairs {
        self.repairs
    }

    /// The value of a field of an entity, folds included, if it is one that is kept: what an envelope
    /// and a body structure are made of.
    #[must_use]
    pub fn value(&self, id: PartId, name: FieldName) -> Option<&[u8]> {
        let kept = self.kept.get(self.part(id)?.kept.clone())?;
        let found = kept.iter().find(|field| field.name == name)?;
        self.values.get(found.value.clone())
    }

    /// The media type of an entity, with the defaults of RFC 2045 and RFC 2046.
    #[must_use]
    pub fn content_type(&self, id: PartId) -> ContentType {
        let value = self.value(id, FieldName::ContentType);
        let in_digest = self.part(id).is_some_and(|part| part.in_digest);
        match value.and_then(ContentType::parse) {
            Some(parsed) => parsed,
            None if value.is_none() && in_digest => ContentType::new("message", "rfc822"),
            None => ContentType::new("text", "plain"),
        }
    }

    /// The disposition of an entity.
    #[must_use]
    pub fn disposition(&self, id: PartId) -> Option<Disposition> {
        Disposition::parse(self.value(id, FieldName::ContentDisposition)?)
    }

    /// The envelope of an entity that is a message (RFC 9051 section 7.5.2); empty for others.
    #[must_use]
    pub fn envelope(&self, id: PartId) -> Envelope {
        let text = |name| {
            self.value(id, name)
                .map(|value| unfold(value.trim_ascii()).into_owned())
        };
        let list = |name| {
            self.value(id, name)
                .map_or_else(Vec::new, |value| AddressList::parse(value).entries)
        };
        let from = list(FieldName::From);
        let or_from = |entries: Vec<Address>| {
            if entries.is_empty() {
                from.clone()
            } else {
                entries
            }
        };
        Envelope {
            date: text(FieldName::Date),
            subject: text(FieldName::Subject),
            sender: or_from(list(FieldName::Sender)),
            reply_to: or_from(list(FieldName::ReplyTo)),
            from,
            to: list(FieldName::To),
            cc: list(FieldName::Cc),
            bcc: list(FieldName::Bcc),
            in_reply_to: text(FieldName::InReplyTo),
            message_id: text(FieldName::MessageId),
        }
    }

    fn innermost(&mut self) -> Option<&mut Part> {
        let id = usize::try_from(self.open.last()?.0).ok()?;
        self.parts.get_mut(id)
    }

    fn begin(&mut self, id: PartId, parent: Option<PartId>, offset: u64) {
        let mut is_message = true;
        if let Some(parent) = parent.and_then(|parent| usize::try_from(parent.0).ok()) {
            let mut elder = None;
            if let Some(parent) = self.parts.get_mut(parent) {
                is_message = parent.kind == Kind::Message;
                parent.first_child.get_or_insert(id);
                elder = parent.last_child.replace(id);
            }
            let elder = elder.and_then(|elder| usize::try_from(elder.0).ok());
            if let Some(elder) = elder.and_then(|elder| self.parts.get_mut(elder)) {
                elder.next = Some(id);
            }
        }
        self.parts.push(Part {
            end: PartEnd {
                part: id,
                header_start: offset,
                body_start: offset,
                body_end: offset,
                lines: None,
                repairs: Repairs::NONE,
            },
            parent,
            kind: Kind::Leaf,
            encoding: Encoding::SevenBit,
            in_digest: false,
            is_message,
            first_child: None,
            last_child: None,
            next: None,
            kept: self.kept.len()..self.kept.len(),
        });
        self.open.push(id);
    }

    fn keep(&mut self, name: FieldName, value: &[u8]) {
        let Some(is_message) = self.innermost().map(|part| part.is_message) else {
            return;
        };
        if !(KEPT_IN_PARTS.contains(&name) || is_message && KEPT_IN_MESSAGES.contains(&name)) {
            return;
        }
        let start = self.values.len();
        let end = start.saturating_add(value.len());
        // Each field counts for what holds it, so that many empty ones come to an end too.
        let cost = self.kept.len().saturating_mul(size_of::<Kept>());
        if end.saturating_add(cost) > self.limits.max_kept {
            self.repairs.insert(Repairs::KEPT_LIMIT);
            if let Some(part) = self.innermost() {
                part.end.repairs.insert(Repairs::KEPT_LIMIT);
            }
            return;
        }
        self.values.extend_from_slice(value);
        self.kept.push(Kept {
            name,
            value: start..end,
        });
        let len = self.kept.len();
        if let Some(part) = self.innermost() {
            part.kept.end = len;
        }
    }
}

/// What a message says of itself, as IMAP wants it (RFC 9051 section 7.5.2): text as it stands there,
/// folds undone, nothing decoded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Envelope {
    /// `Date`.
    pub date: Option<Vec<u8>>,
    /// `Subject`.
    pub subject: Option<Vec<u8>>,
    /// `From`.
    pub from: Vec<Address>,
    /// `Sender`, or else `From`.
    pub sender: Vec<Address>,
    /// `Reply-To`, or else `From`.
    pub reply_to: Vec<Address>,
    /// `To`.
    pub to: Vec<Address>,
    /// `Cc`.
    pub cc: Vec<Address>,
    /// `Bcc`.
    pub bcc: Vec<Address>,
    /// `In-Reply-To`.
    pub in_reply_to: Option<Vec<u8>>,
    /// `Message-ID`.
    pub message_id: Option<Vec<u8>>,
}
