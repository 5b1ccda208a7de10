//! Words of a line, found once and kept as spans.

pub(super) use crate::wire::octets::number_of as number;

/// Words beyond this many are not told apart: they belong to the name.
const MAX: usize = 16;

/// A line cut into words at blanks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tokens<'a> {
    line: &'a [u8],
    spans: [(u32, u32); MAX],
    len: usize,
}

fn is_blank(octet: u8) -> bool {
    matches!(octet, b' ' | b'\t' | b'\r' | b'\n')
}

impl<'a> Tokens<'a> {
    pub(super) fn new(line: &'a [u8]) -> Self {
        Self::up_to(line, MAX)
    }

    /// Finds no more than `limit` words.
    pub(super) fn up_to(line: &'a [u8], limit: usize) -> Self {
        let mut tokens = Self {
            line,
            spans: [(0, 0); MAX],
            len: 0,
        };
        let mut start = None;
        let mut slots = tokens.spans.iter_mut().take(limit);
        let mut found = 0_usize;
        for (at, octet) in (0_u32..).zip(line) {
            match (is_blank(*octet), start) {
                (false, None) => start = Some(at),
                (true, Some(from)) => {
                    start = None;
                    let Some(slot) = slots.next() else { break };
                    *slot = (from, at);
                    found = found.saturating_add(1);
                    if found == limit {
                        break;
                    }
                }
                _ => {}
            }
        }
        if let Some(from) = start
            && let Some(slot) = slots.next()
        {
            *slot = (from, u32::try_from(line.len()).unwrap_or(u32::MAX));
            found = found.saturating_add(1);
        }
        tokens.len = found;
        tokens
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    fn span(&self, at: usize) -> Option<(usize, usize)> {
        let (start, end) = *self.spans.get(..self.len)?.get(at)?;
        Some((usize::try_from(start).ok()?, usize::try_from(end).ok()?))
    }

    pub(super) fn get(&self, at: usize) -> Option<&'a [u8]> {
        let (start, end) = self.span(at)?;
        self.line.get(start..end)
    }

    /// From the first octet of a word to the end of the line.
    pub(super) fn from(&self, at: usize) -> Option<&'a [u8]> {
        self.line.get(self.span(at)?.0..)
    }

    /// What follows the word and one blank: a name, which may begin with blanks itself.
    pub(super) fn name_after(&self, at: usize) -> Option<&'a [u8]> {
        let name = self.line.get(self.span(at)?.1.saturating_add(1)..)?;
        (!name.is_empty()).then_some(name)
    }

    /// The line from one word to the end of another.
    pub(super) fn between(&self, first: usize, last: usize) -> Option<&'a [u8]> {
        self.line.get(self.span(first)?.0..self.span(last)?.1)
    }
}

/// Digits with separators of thousands, as `9,730`.
pub(super) fn grouped_number(digits: &[u8]) -> Option<u64> {
    if !digits.first()?.is_ascii_digit() {
        return None;
    }
    digits.iter().try_fold(0_u64, |value, digit| match digit {
        b',' | b'.' | b'\'' => Some(value),
        b'0'..=b'9' => Some(
            value
                .saturating_mul(10)
                .saturating_add(u64::from(digit & 15)),
        ),
        _ => None,
    })
}

/// A small number of one to `max` digits.
pub(super) fn small(digits: &[u8], max: usize) -> Option<u16> {
    if digits.len() > max {
        return None;
    }
    u16::try_from(number(digits)?).ok()
}
