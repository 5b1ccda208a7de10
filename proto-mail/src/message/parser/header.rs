//! Headers.

use super::super::field::{Field, unfold};
use super::super::name::FieldName;
use super::super::params::{ContentType, Encoding};
use super::super::repairs::Repairs;
use super::{Kind, OctetsKind, Parser, Source, State, Step, Summary, count, take};
use memchr::memchr;

/// What stands at the front of a header.
enum Front {
    /// The blank line, with so many octets.
    Blank(usize),
    /// A line that is a delimiter.
    Delimiter {
        depth: usize,
        is_close: bool,
        len: usize,
    },
    /// A field, or a line that is none.
    Field(usize),
    /// More than the limit, and no end in sight.
    Long,
    /// Its end did not come yet.
    Partial,
    /// Nothing, and nothing will come.
    End,
}

impl Parser {
    pub(super) fn header<'i>(&mut self, input: &mut &'i [u8]) -> Option<Step<'i>> {
        if self.held.is_empty() {
            let front = self.front(input, None, 0);
            return self.take_front(input, front);
        }
        let mut from = self.held.len().saturating_sub(1);
        loop {
            let held = core::mem::take(&mut self.held);
            let front = self.front(&held, input.first().copied(), from);
            self.held = held;
            if !matches!(front, Front::Partial) {
                return self.take_front(input, front);
            }
            if input.is_empty() {
                return None;
            }
            from = self.held.len();
            let lf = memchr(b'\n', input).map_or(input.len(), |lf| lf.saturating_add(1));
            let room = self.limits.max_field.saturating_add(1).saturating_sub(from);
            self.held.extend_from_slice(take(input, lf.min(room)));
        }
    }

    /// What stands at the front of `octets`, which `next` follows. They are known to hold no line
    /// end before `from` that ends a field.
    fn front(&mut self, octets: &[u8], next: Option<u8>, from: usize) -> Front {
        match octets {
            [] if self.is_finished => return Front::End,
            [] => return Front::Partial,
            [b'\n', ..] => return Front::Blank(1),
            [b'\r', b'\n', ..] => return Front::Blank(2),
            [b'\r'] if !self.is_finished => return Front::Partial,
            _ => {}
        }
        if octets.starts_with(b"--") && self.delimiters > 0 {
            let window = octets.get(..self.max_delimiter()).unwrap_or(octets);
            let lf = memchr(b'\n', window);
            let line = lf.map_or(window, |lf| window.get(..lf).unwrap_or_default());
            let is_whole = lf.is_some() || (self.is_finished && window.len() == octets.len());
            if is_whole && let Some((depth, is_close)) = self.delimiter(line) {
                let len = lf.map_or(window.len(), |lf| lf.saturating_add(1));
                return Front::Delimiter {
                    depth,
                    is_close,
                    len,
                };
            }
        }
        let mut from = from;
        while let Some(offset) = memchr(b'\n', octets.get(from..).unwrap_or_default()) {
            let end = from.saturating_add(offset).saturating_add(1);
            if end > self.limits.max_field {
                return Front::Long;
            }
            match octets.get(end).copied().or(next) {
                // RFC 5322 section 2.2.3: a line that begins with white space goes on.
                Some(b' ' | b'\t') => from = end,
                Some(_) => return Front::Field(end),
                None if self.is_finished => return Front::Field(end),
                None => return Front::Partial,
            }
        }
        if octets.len() > self.limits.max_field {
            Front::Long
        } else if self.is_finished {
            Front::Field(octets.len())
        } else {
            Front::Partial
        }
    }

    fn take_front<'i>(&mut self, input: &mut &'i [u8], front: Front) -> Option<Step<'i>> {
        match front {
            Front::Partial => {
                self.held.extend_from_slice(input);
                *input = &[];
                None
            }
            Front::Field(len) => {
                let source = self.take_len(input, len);
                Some(self.field(source, false))
            }
            Front::Long => {
                let source = self.take_len(input, self.limits.max_field);
                self.state = State::LongField {
                    is_line_start: false,
                };
                Some(self.field(source, true))
            }
            Front::Blank(len) => {
                if len == 1 {
                    self.note(Repairs::BARE_LF);
                }
                let source = self.take_len(input, len);
                Some(self.header_end(source))
            }
            Front::Delimiter {
                depth,
                is_close,
                len,
            } => {
                self.note(Repairs::UNFINISHED_HEADER);
                // The header ends first; the delimiter stays where it is.
                let step = self.header_end(Source::Input(&[]));
                self.state = State::Unwind {
                    depth,
                    is_close,
                    len,
                };
                Some(step)
            }
            Front::End => {
                self.note(Repairs::UNFINISHED_HEADER);
                Some(self.header_end(Source::Input(&[])))
            }
        }
    }

    /// Takes octets from where they are: all in the input, or held ones and the rest of the input.
    fn take_len<'i>(&mut self, input: &mut &'i [u8], len: usize) -> Source<'i> {
        if self.held.is_empty() {
            return Source::Input(take(input, len));
        }
        let source = self.give_held();
        self.hold_back(self.given.len().saturating_sub(len));
        source
    }

    /// The rest of a field that is too long.
    pub(super) fn long_field<'i>(
        &mut self,
        input: &mut &'i [u8],
        is_line_start: bool,
    ) -> Option<Step<'i>> {
        if !self.held.is_empty() {
            // What was held with the front.
            let last = self.held.last() == Some(&b'\n');
            self.state = State::LongField {
                is_line_start: last,
            };
            let source = self.give_held();
            return Some(Step::Octets {
                source,
                kind: OctetsKind::Unparsed,
            });
        }
        let chunk = *input;
        match chunk.first() {
            None => {
                if self.is_finished {
                    self.state = State::Header;
                }
                return None;
            }
            Some(b' ' | b'\t') => {}
            Some(_) if is_line_start => {
                self.state = State::Header;
                return None;
            }
            Some(_) => {}
        }
        let len = memchr(b'\n', chunk).map_or(chunk.len(), |lf| lf.saturating_add(1));
        let is_line_end = chunk.get(..len).is_some_and(|line| line.ends_with(b"\n"));
        self.state = State::LongField {
            is_line_start: is_line_end,
        };
        Some(Step::Octets {
            source: Source::Input(take(input, len)),
            kind: OctetsKind::Unparsed,
        })
    }

    /// One field, or a line that is none.
    fn field<'i>(&mut self, source: Source<'i>, is_cut: bool) -> Step<'i> {
        let raw = match source {
            Source::Input(data) => data,
            Source::Given => &self.given,
        };
        let Some(entity) = self.stack.last_mut() else {
            return Step::Octets {
                source,
                kind: OctetsKind::Unparsed,
            };
        };
        let header = self
            .offset
            .saturating_sub(entity.header_start)
            .saturating_add(count(raw.len()));
        if entity.fields >= self.limits.max_fields || header > self.limits.max_header {
            entity.repairs.insert(Repairs::HEADER_LIMIT);
            return Step::Octets {
                source,
                kind: OctetsKind::Unparsed,
            };
        }
        entity.fields = entity.fields.saturating_add(1);
        let Some(field) = Field::parse(raw) else {
            entity.repairs.insert(Repairs::MALFORMED_FIELD);
            return Step::Octets {
                source,
                kind: OctetsKind::Unparsed,
            };
        };
        let mut repairs = field.repairs;
        if is_cut {
            repairs.insert(Repairs::FIELD_LIMIT);
        }
        let bit = field.known.bit();
        if entity.seen & bit != 0 {
            repairs.insert(Repairs::DUPLICATE_FIELD);
        } else {
            entity.seen |= bit;
            match field.known {
                FieldName::ContentType => {
                    self.content_type.clear();
                    self.content_type
                        .extend_from_slice(&unfold(field.raw_value()));
                    entity.has_content_type = true;
                }
                FieldName::ContentTransferEncoding => {
                    entity.encoding = Encoding::parse(field.raw_value());
                    if entity.encoding == Encoding::Unknown {
                        repairs.insert(Repairs::UNKNOWN_ENCODING);
                    }
                }
                _ => {}
            }
        }
        entity.repairs.insert(repairs);
        Step::Field {
            source,
            name_len: field.name_len,
            colon: field.colon,
            known: field.known,
            repairs,
        }
    }

    /// The header has ended: says what the body is.
    fn header_end<'i>(&mut self, source: Source<'i>) -> Step<'i> {
        let depth = self.stack.len();
        let is_deep = depth >= self.limits.max_depth;
        let has_room = self.parts < self.limits.max_parts;
        let mut content = Summary {
            kind: Kind::Leaf,
            encoding: Encoding::SevenBit,
            has_type: false,
            in_digest: false,
            is_readable: true,
        };
        let mut repairs = Repairs::NONE;
        let mut boundary = None;
        let mut is_digest = false;
        let mut is_text = false;
        if let Some(entity) = self.stack.last() {
            content.encoding = entity.encoding;
            content.has_type = entity.has_content_type;
            content.in_digest = entity.in_digest;
            let essence = entity
                .has_content_type
                .then(|| ContentType::essence(&self.content_type));
            let is_identity = matches!(
                entity.encoding,
                Encoding::SevenBit | Encoding::EightBit | Encoding::Binary
            );
            is_text = match essence {
                None => !entity.in_digest,
                Some(None) => true,
                Some(Some((kind, _))) => kind.eq_ignore_ascii_case(b"text"),
            };
            match essence {
                Some(None) => {
                    repairs.insert(Repairs::MALFORMED_CONTENT_TYPE);
                    content.is_readable = false;
                }
                Some(Some((kind, subtype))) if kind.eq_ignore_ascii_case(b"multipart") => {
                    is_digest = subtype.eq_ignore_ascii_case(b"digest");
                    let found = ContentType::boundary_of(&self.content_type);
                    match found {
                        None => repairs.insert(Repairs::NO_BOUNDARY),
                        Some(found) if found.len() > self.limits.max_boundary => {
                            repairs.insert(Repairs::BOUNDARY_LIMIT);
                        }
                        Some(found) if self.is_open_boundary(&found) => {
                            repairs.insert(Repairs::BOUNDARY_CLASH);
                        }
                        Some(_) if is_deep => repairs.insert(Repairs::DEPTH_LIMIT),
                        Some(found) => {
                            content.kind = Kind::Multipart;
                            boundary = Some(found);
                            if !is_identity {
                                repairs.insert(Repairs::ENCODED_MULTIPART);
                            }
                        }
                    }
                }
                Some(Some((kind, subtype)))
                    if kind.eq_ignore_ascii_case(b"message")
                        && (subtype.eq_ignore_ascii_case(b"rfc822")
                            || subtype.eq_ignore_ascii_case(b"global")) =>
                {
                    content.kind = Kind::Message;
                }
                None if entity.in_digest => content.kind = Kind::Message,
                _ => {}
            }
            if content.kind == Kind::Message {
                let refused = if !is_identity {
                    Repairs::ENCODED_MESSAGE
                } else if is_deep {
                    Repairs::DEPTH_LIMIT
                } else if !has_room {
                    Repairs::PARTS_LIMIT
                } else {
                    Repairs::NONE
                };
                if !refused.is_empty() {
                    repairs.insert(refused);
                    content.kind = Kind::Leaf;
                }
            }
        }
        if let Some(entity) = self.stack.last_mut() {
            entity.kind = content.kind;
            entity.counts_lines = is_text || content.kind == Kind::Message;
            entity.is_digest = is_digest && boundary.is_some();
            entity.repairs.insert(repairs);
            if let Some(boundary) = boundary {
                entity.boundary = boundary;
                self.delimiters = self.delimiters.saturating_add(1);
            }
        }
        self.state = State::Body {
            is_line_start: true,
        };
        Step::HeaderEnd { source, content }
    }

    fn is_open_boundary(&self, boundary: &[u8]) -> bool {
        self.stack.iter().any(|entity| {
            entity.kind == Kind::Multipart && !entity.is_closed && entity.boundary == boundary
        })
    }
}
