//! Bodies, and the delimiters that end them.

use super::{Kind, OctetsKind, Parser, Source, State, Step, tail_len, take};
use memchr::memchr;

impl Parser {
    pub(super) fn body<'i>(
        &mut self,
        input: &mut &'i [u8],
        is_line_start: bool,
    ) -> Option<Step<'i>> {
        if self.delimiters == 0 {
            return self.pass_through(input);
        }
        if !self.held.is_empty() {
            return self.resolve(input);
        }
        let chunk = *input;
        if chunk.is_empty() {
            if self.is_finished {
                self.state = State::Finish;
            }
            return None;
        }
        let mut next = is_line_start.then_some(0);
        let mut from = 0;
        while let Some(line) = next.take().or_else(|| self.next_dashes(chunk, from)) {
            let rest = chunk.get(line..).unwrap_or_default();
            if !rest.starts_with(b"--") {
                // The very first line of a body.
                if rest.len() < 2 && b"--".starts_with(rest) {
                    return self.hold(input, 0);
                }
                from = line;
                continue;
            }
            let window = rest.get(..self.max_delimiter()).unwrap_or(rest);
            match memchr(b'\n', window) {
                Some(lf) => {
                    let text = window.get(..lf).unwrap_or_default();
                    if let Some((depth, is_close)) = self.delimiter(text) {
                        let start = before_break(chunk, line);
                        if start > 0 {
                            return Some(self.octets_of(input, start));
                        }
                        let len = line.saturating_add(lf).saturating_add(1);
                        self.state = State::Unwind {
                            depth,
                            is_close,
                            len,
                        };
                        return None;
                    }
                    from = line.saturating_add(lf);
                }
                None if window.len() < rest.len() => from = line.saturating_add(2),
                None => return self.hold(input, before_break(chunk, line)),
            }
        }
        self.hold(input, chunk.len().saturating_sub(open_tail(chunk)))
    }

    /// Where the next line begins that begins with two hyphens.
    fn next_dashes(&self, chunk: &[u8], from: usize) -> Option<usize> {
        let found = self.finder.find(chunk.get(from..)?)?;
        Some(from.saturating_add(found).saturating_add(1))
    }

    /// No delimiter is looked for: everything is body.
    fn pass_through<'i>(&mut self, input: &mut &'i [u8]) -> Option<Step<'i>> {
        if !self.held.is_empty() {
            let kind = self.octets_kind();
            let source = self.give_held();
            return Some(Step::Octets { source, kind });
        }
        if input.is_empty() {
            if self.is_finished {
                self.state = State::Finish;
            }
            return None;
        }
        Some(self.octets_of(input, input.len()))
    }

    /// Hands out `len` octets of the input as body, or holds the input when that is none.
    fn hold<'i>(&mut self, input: &mut &'i [u8], len: usize) -> Option<Step<'i>> {
        if len > 0 {
            return Some(self.octets_of(input, len));
        }
        self.held.extend_from_slice(input);
        *input = &[];
        None
    }

    fn octets_of<'i>(&mut self, input: &mut &'i [u8], len: usize) -> Step<'i> {
        self.state = State::Body {
            is_line_start: false,
        };
        Step::Octets {
            source: Source::Input(take(input, len)),
            kind: self.octets_kind(),
        }
    }

    /// The held octets are a line end and the front of a line that may be a delimiter, or the front
    /// of either.
    fn resolve<'i>(&mut self, input: &mut &'i [u8]) -> Option<Step<'i>> {
        if input.is_empty() && !self.is_finished {
            return None;
        }
        let lead = break_len(&self.held);
        let line = self.held.get(lead..).unwrap_or_default();
        // A lone CR, or fewer than two hyphens: one octet decides.
        if line == b"\r" || line.len() < 2 {
            let wanted = if line == b"\r" { b'\n' } else { b'-' };
            if input.first() == Some(&wanted) {
                self.held.push(wanted);
                take(input, 1);
                return None;
            }
            return Some(self.give_body());
        }
        let room = self.max_delimiter().saturating_sub(line.len());
        let window = input.get(..room).unwrap_or(input);
        let lf = memchr(b'\n', window);
        let taken = lf.map_or(window.len(), |lf| lf.saturating_add(1));
        self.held.extend_from_slice(take(input, taken));
        if lf.is_none() && taken < room && !self.is_finished {
            return None;
        }
        let held = core::mem::take(&mut self.held);
        let line = held.get(lead..).unwrap_or_default();
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        let is_whole = lf.is_some() || taken < room;
        let found = is_whole.then(|| self.delimiter(text)).flatten();
        self.held = held;
        if let Some((depth, is_close)) = found {
            self.state = State::Unwind {
                depth,
                is_close,
                len: 0,
            };
            return None;
        }
        Some(self.give_body())
    }

    /// Hands out held octets as body, but for a line end at their end, which may be that of a
    /// delimiter.
    fn give_body<'i>(&mut self) -> Step<'i> {
        let kind = self.octets_kind();
        let lead = break_len(&self.held);
        let tail = if self.held.len() > lead {
            tail_len(&self.held)
        } else {
            0
        };
        let source = self.give_held();
        self.hold_back(tail);
        self.state = State::Body {
            is_line_start: false,
        };
        Step::Octets { source, kind }
    }

    fn octets_kind(&self) -> OctetsKind {
        match self.stack.last() {
            Some(entity) if entity.kind == Kind::Multipart => {
                if entity.is_closed {
                    OctetsKind::Epilogue
                } else {
                    OctetsKind::Preamble
                }
            }
            _ => OctetsKind::Body,
        }
    }
}

/// Where the line end before `line` begins.
fn before_break(chunk: &[u8], line: usize) -> usize {
    match chunk.get(..line).unwrap_or_default() {
        [front @ .., b'\r', b'\n'] | [front @ .., b'\n'] => front.len(),
        _ => line,
    }
}

/// Octets of the line end at the front.
fn break_len(held: &[u8]) -> usize {
    match held {
        [b'\r', b'\n', ..] => 2,
        [b'\n', ..] => 1,
        _ => 0,
    }
}

/// How many octets at the end may be the front of a line end and a delimiter.
fn open_tail(chunk: &[u8]) -> usize {
    match chunk {
        [.., b'\r', b'\n', b'-'] => 3,
        [.., b'\r', b'\n'] | [.., b'\n', b'-'] => 2,
        [.., b'\r' | b'\n'] => 1,
        _ => 0,
    }
}
