//! Borrowed names: a place in a message where a verified, perhaps compressed name begins; and how
//! names are verified in time linear in the length of the message.
//!
//! Following the pointers of each name is quick for every message that a real encoder makes, and
//! costs up to 127 hops a name in one that is made to hurt. So [`Steps`] follows pointers as long as
//! a budget lasts, and [`Table`], which remembers each offset that it has verified, takes over for
//! the rest. Both give the same verdict.

use super::name::{MAX_NAME, Name};
use crate::error::{DecodeError, Fault};
use alloc::vec::Vec;
use core::cmp::Ordering;
use core::fmt;
use core::hash::{Hash, Hasher};

/// Most pointers that one name may consist of: each but the first must add a label of its own.
const MAX_POINTERS: u8 = 127;
/// Offsets that fourteen bits can express.
const POINTER_RANGE: usize = 1 << 14;

/// A name that stands in a message, or in a [`Name`]. Comparing ignores case.
///
/// The place was verified when the message was parsed: iterating ends after at most 127 labels.
#[derive(Clone, Copy)]
pub struct NameRef<'a> {
    octets: &'a [u8],
    start: usize,
}

impl<'a> NameRef<'a> {
    /// The name of the root.
    pub const ROOT: NameRef<'static> = NameRef {
        octets: &[0],
        start: 0,
    };

    /// Of a place that was verified.
    #[inline]
    pub(crate) const fn new(octets: &'a [u8], start: usize) -> Self {
        Self { octets, start }
    }

    /// Where the name begins in the octets that it stands in.
    pub(crate) const fn offset(self) -> usize {
        self.start
    }

    /// Reads an uncompressed name that is all of `wire`.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] when it is not exactly one name, or when it is compressed.
    pub fn from_wire(wire: &'a [u8]) -> Result<Self, DecodeError> {
        match check(wire, 0, wire.len(), &mut Steps::new()) {
            Ok(end) if end == wire.len() => Ok(Self::new(wire, 0)),
            Ok(end) => Err(DecodeError::new(end, Fault::RdataLength(clamp(wire.len())))),
            Err(stop) => Err(stop.into_error(wire.len())),
        }
    }

    /// The labels from the first to the last, without the empty one of the root.
    #[inline]
    #[must_use]
    pub fn labels(self) -> Labels<'a> {
        Labels {
            octets: self.octets,
            at: self.start,
            floor: self.start,
        }
    }

    /// Whether this is the root.
    #[must_use]
    pub fn is_root(self) -> bool {
        self.labels().next().is_none()
    }

    /// Octets of the name in uncompressed wire form, at most 255.
    #[must_use]
    pub fn wire_len(self) -> usize {
        self.labels().fold(1, |sum, label| {
            sum.saturating_add(label.len()).saturating_add(1)
        })
    }

    /// The uncompressed wire form, when it stands here in one piece.
    #[inline]
    #[must_use]
    pub fn as_uncompressed(self) -> Option<&'a [u8]> {
        let rest = self.octets.get(self.start..)?;
        let mut at = 0usize;
        loop {
            match *rest.get(at)? {
                0 => return rest.get(..at.saturating_add(1)),
                len @ 1..=63 => at = at.saturating_add(usize::from(len)).saturating_add(1),
                _ => return None,
            }
        }
    }

    /// All octets from the beginning of the name on.
    #[inline]
    pub(crate) fn rest(self) -> &'a [u8] {
        self.octets.get(self.start..).unwrap_or_default()
    }

    /// Writes the uncompressed wire form to the front of `buffer` and returns it.
    #[must_use]
    pub fn copy_to(self, buffer: &mut [u8; MAX_NAME]) -> &[u8] {
        let mut at = 0usize;
        for label in self.labels() {
            let text = at.saturating_add(1);
            let end = text.saturating_add(label.len());
            let Some(place) = buffer.get_mut(at..end) else {
                break;
            };
            if let Some((len, text)) = place.split_first_mut() {
                *len = u8::try_from(label.len()).unwrap_or(0);
                text.copy_from_slice(label);
            }
            at = end;
        }
        if let Some(root) = buffer.get_mut(at) {
            *root = 0;
        }
        buffer.get(..=at).unwrap_or(&[0])
    }

    /// An owned copy.
    #[must_use]
    pub fn to_name(self) -> Name {
        match self.as_uncompressed() {
            Some(wire) => Name::from_verified(wire),
            None => Name::from_verified(self.copy_to(&mut [0; MAX_NAME])),
        }
    }

    /// Whether this name is `other` or below it.
    #[must_use]
    pub fn is_at_or_below(self, other: NameRef<'_>) -> bool {
        let (mine, theirs) = (self.labels().count(), other.labels().count());
        mine.checked_sub(theirs)
            .is_some_and(|extra| self.labels().skip(extra).eq_labels(other.labels()))
    }
}

trait EqLabels {
    fn eq_labels(self, other: Labels<'_>) -> bool;
}

impl<'a, I: Iterator<Item = &'a [u8]>> EqLabels for I {
    fn eq_labels(mut self, mut other: Labels<'_>) -> bool {
        loop {
            match (self.next(), other.next()) {
                (None, None) => return true,
                (Some(a), Some(b)) if a.eq_ignore_ascii_case(b) => {}
                _ => return false,
            }
        }
    }
}

impl PartialEq<NameRef<'_>> for NameRef<'_> {
    fn eq(&self, other: &NameRef<'_>) -> bool {
        self.labels().eq_labels(other.labels())
    }
}

impl Eq for NameRef<'_> {}

impl PartialEq<Name> for NameRef<'_> {
    fn eq(&self, other: &Name) -> bool {
        *self == other.view()
    }
}

impl PartialOrd for NameRef<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for NameRef<'_> {
    /// The canonical order (RFC 4034 section 6.1): label by label from the root.
    fn cmp(&self, other: &Self) -> Ordering {
        let (mut mine, mut theirs) = ([0; MAX_NAME], [0; MAX_NAME]);
        super::name::canonical_cmp(self.copy_to(&mut mine), other.copy_to(&mut theirs))
    }
}

impl Hash for NameRef<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        super::name::hash(self.copy_to(&mut [0; MAX_NAME]), state);
    }
}

impl fmt::Display for NameRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        super::name::write_text(self.labels(), f)
    }
}

impl fmt::Debug for NameRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The labels of a name, without the empty one of the root.
#[derive(Clone, Debug)]
pub struct Labels<'a> {
    octets: &'a [u8],
    at: usize,
    floor: usize,
}

impl<'a> Iterator for Labels<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        loop {
            match *self.octets.get(self.at)? {
                0 => return None,
                len @ 1..=63 => {
                    let text = self.at.saturating_add(1);
                    let end = text.saturating_add(usize::from(len));
                    self.at = end;
                    return self.octets.get(text..end);
                }
                high => {
                    let target = pointer(self.octets, self.at, high)?;
                    // Falls on every hop, so that this ends whatever the octets are.
                    if target >= self.floor {
                        return None;
                    }
                    self.floor = target;
                    self.at = target;
                }
            }
        }
    }
}

/// Where the name that begins at `at` ends in the message itself, pointers not followed.
#[inline]
pub(crate) fn skip(octets: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match *octets.get(at)? {
            0 => return at.checked_add(1),
            len @ 1..=63 => at = at.checked_add(usize::from(len))?.checked_add(1)?,
            0xc0.. => return at.checked_add(2),
            _ => return None,
        }
    }
}

#[inline]
fn pointer(octets: &[u8], at: usize, high: u8) -> Option<usize> {
    let low = *octets.get(at.checked_add(1)?)?;
    (high >= 0xc0).then(|| usize::from(u16::from_be_bytes([high & 0x3f, low])))
}

fn clamp(len: usize) -> u16 {
    u16::try_from(len).unwrap_or(u16::MAX)
}

/// Why the verification of a name stopped.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The octets end inside the name.
    Short,
    /// The budget of [`Steps`] is spent: start over with a [`Table`].
    Exhausted,
    Bad(DecodeError),
}

impl Stop {
    pub(crate) fn into_error(self, end: usize) -> DecodeError {
        match self {
            Self::Short | Self::Exhausted => DecodeError::new(end, Fault::Truncated),
            Self::Bad(error) => error,
        }
    }

    fn bad<T>(offset: usize, fault: Fault) -> Result<T, Self> {
        Err(Self::Bad(DecodeError::new(offset, fault)))
    }
}

/// What is known of the name at some offset: its wire length without the root, and its pointers.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Measure {
    len: u8,
    pointers: u8,
}

/// How the target of a pointer is verified.
pub(crate) trait Follow {
    fn follow(&mut self, octets: &[u8], target: usize) -> Result<Measure, Stop>;
}

/// Verifies the name that begins at `start` and stands, as far as it is not compressed, before
/// `end`. Returns the offset behind it.
#[inline]
pub(crate) fn check<F: Follow>(
    octets: &[u8],
    start: usize,
    end: usize,
    follow: &mut F,
) -> Result<usize, Stop> {
    // What a pointer leads to may run over the end of the data that the pointer stands in.
    let whole = octets;
    let octets = octets.get(..end).ok_or(Stop::Short)?;
    let mut at = start;
    // Most names of most messages are one pointer.
    if let Some(&[high, low]) = octets.get(start..).and_then(|rest| rest.first_chunk())
        && high >= 0xc0
    {
        let target = usize::from(u16::from_be_bytes([high & 0x3f, low]));
        // What was verified is no longer than a name may be.
        let measure = hop(whole, start, start, target, follow)?;
        if measure.pointers >= MAX_POINTERS {
            return Stop::bad(start, Fault::TooManyPointers);
        }
        return Ok(start.wrapping_add(2));
    }
    loop {
        let high = *octets.get(at).ok_or(Stop::Short)?;
        match high {
            0 if at.wrapping_sub(start) < MAX_NAME => return Ok(at.wrapping_add(1)),
            0 => return Stop::bad(start, Fault::NameTooLong),
            // `at` stays below `octets.len() + 64`: nothing wraps.
            1..=63 => at = at.wrapping_add(usize::from(high)).wrapping_add(1),
            0xc0.. => {
                let target = pointer(octets, at, high).ok_or(Stop::Short)?;
                let measure = hop(whole, at, start, target, follow)?;
                let len = at
                    .wrapping_sub(start)
                    .saturating_add(usize::from(measure.len));
                if len >= MAX_NAME {
                    return Stop::bad(start, Fault::NameTooLong);
                }
                if measure.pointers >= MAX_POINTERS {
                    return Stop::bad(at, Fault::TooManyPointers);
                }
                return Ok(at.wrapping_add(2));
            }
            _ => return Stop::bad(at, Fault::LabelType(high)),
        }
    }
}

#[inline]
fn hop<F: Follow>(
    octets: &[u8],
    at: usize,
    floor: usize,
    target: usize,
    follow: &mut F,
) -> Result<Measure, Stop> {
    // A pointer that does not lead before the fragment that it ends could lead into it: a loop.
    // And no name stands in a header.
    if target >= floor || target < super::header::Header::LEN {
        return Stop::bad(at, Fault::Pointer(clamp(target)));
    }
    follow.follow(octets, target).map_err(|stop| match stop {
        Stop::Short => Stop::Bad(DecodeError::new(at, Fault::Truncated)),
        stop => stop,
    })
}

/// Follows pointers as long as the budget for the whole message lasts. Targets of late are remembered
/// so that good messages, whose pointers lead to a few names, do not walk those again and again.
#[derive(Debug)]
pub(crate) struct Steps {
    left: u32,
    /// Targets that were verified, by their lower bits; zero is none.
    recent: [(u16, Measure); RECENT],
}

/// A power of two.
const RECENT: usize = 16;

impl Steps {
    /// A large answer of good faith takes some thousand; all of these take some ten microseconds.
    pub(crate) const fn new() -> Self {
        Self {
            left: 16_384,
            recent: [(
                0,
                Measure {
                    len: 0,
                    pointers: 0,
                },
            ); RECENT],
        }
    }
}

impl Follow for Steps {
    #[inline]
    fn follow(&mut self, octets: &[u8], target: usize) -> Result<Measure, Stop> {
        if let Some(measure) = self.recall(target) {
            return Ok(measure);
        }
        let measure = self.walk(octets, target)?;
        let slot = self.recent.get_mut(Self::place(target));
        if let (Some(slot), Ok(target)) = (slot, u16::try_from(target)) {
            *slot = (target, measure);
        }
        Ok(measure)
    }
}

impl Steps {
    /// Records of one kind have one length, so their names stand at equal distances: sixteen octets
    /// often, as the names of servers in a referral do.
    #[inline]
    const fn place(target: usize) -> usize {
        (target ^ (target >> 4)) % RECENT
    }

    #[inline]
    fn recall(&self, target: usize) -> Option<Measure> {
        let &(known, measure) = self.recent.get(Self::place(target))?;
        (usize::from(known) == target).then_some(measure)
    }

    fn walk(&mut self, octets: &[u8], target: usize) -> Result<Measure, Stop> {
        let (mut floor, mut at) = (target, target);
        let mut len = 0usize;
        let mut pointers = 0u8;
        loop {
            self.left = self.left.checked_sub(1).ok_or(Stop::Exhausted)?;
            let high = *octets.get(at).ok_or(Stop::Short)?;
            match high {
                0 => {
                    return Ok(Measure {
                        len: u8::try_from(len).unwrap_or(u8::MAX),
                        pointers,
                    });
                }
                1..=63 => {
                    let step = usize::from(high).wrapping_add(1);
                    len = len.wrapping_add(step);
                    at = at.wrapping_add(step);
                    if len >= MAX_NAME {
                        return Stop::bad(target, Fault::NameTooLong);
                    }
                }
                0xc0.. => {
                    let next = pointer(octets, at, high).ok_or(Stop::Short)?;
                    if next >= floor || next < super::header::Header::LEN {
                        return Stop::bad(at, Fault::Pointer(clamp(next)));
                    }
                    pointers = pointers.saturating_add(1);
                    if pointers > MAX_POINTERS {
                        return Stop::bad(at, Fault::TooManyPointers);
                    }
                    // What is known of the rest; where that makes too much, the walk finds the place.
                    if let Some(rest) = self.recall(next) {
                        let whole = len.wrapping_add(usize::from(rest.len));
                        let hops = pointers.saturating_add(rest.pointers);
                        if whole < MAX_NAME && hops <= MAX_POINTERS {
                            return Ok(Measure {
                                len: u8::try_from(whole).unwrap_or(u8::MAX),
                                pointers: hops,
                            });
                        }
                    }
                    (floor, at) = (next, next);
                }
                _ => return Stop::bad(at, Fault::LabelType(high)),
            }
        }
    }
}

/// Remembers every offset that was verified, so that none is walked twice. At most 32 KiB, on the
/// heap because a small stack must not be at the mercy of a message; made for no message but those
/// that spend the budget of [`Steps`].
pub(crate) struct Table {
    /// Zero where nothing is known, else one more than the length without the root.
    len: Vec<u8>,
    pointers: Vec<u8>,
}

impl Table {
    /// For a message of so many octets.
    pub(crate) fn new(octets: usize) -> Self {
        let places = octets.min(POINTER_RANGE);
        Self {
            len: alloc::vec![0; places],
            pointers: alloc::vec![0; places],
        }
    }

    fn known(&self, at: usize) -> Option<Measure> {
        let len = self.len.get(at)?.checked_sub(1)?;
        let pointers = *self.pointers.get(at)?;
        Some(Measure { len, pointers })
    }

    fn learn(&mut self, at: usize, len: usize, pointers: u8) {
        let len = u8::try_from(len.saturating_add(1));
        if let (Some(known), Some(count), Ok(len)) =
            (self.len.get_mut(at), self.pointers.get_mut(at), len)
        {
            *known = len;
            *count = pointers;
        }
    }
}

impl Follow for Table {
    fn follow(&mut self, octets: &[u8], target: usize) -> Result<Measure, Stop> {
        // Measure first, up to the root or to an offset that is known.
        let (mut floor, mut at) = (target, target);
        let mut len = 0usize;
        let mut pointers = 0u8;
        let (end, rest) = loop {
            if let Some(measure) = self.known(at) {
                break (at, measure);
            }
            let high = *octets.get(at).ok_or(Stop::Short)?;
            match high {
                0 => break (at, Measure::default()),
                1..=63 => {
                    let step = usize::from(high).wrapping_add(1);
                    len = len.wrapping_add(step);
                    at = at.wrapping_add(step);
                    if len >= MAX_NAME {
                        return Stop::bad(target, Fault::NameTooLong);
                    }
                }
                0xc0.. => {
                    let next = pointer(octets, at, high).ok_or(Stop::Short)?;
                    if next >= floor || next < super::header::Header::LEN {
                        return Stop::bad(at, Fault::Pointer(clamp(next)));
                    }
                    pointers = pointers.saturating_add(1);
                    if pointers > MAX_POINTERS {
                        return Stop::bad(at, Fault::TooManyPointers);
                    }
                    (floor, at) = (next, next);
                }
                _ => return Stop::bad(at, Fault::LabelType(high)),
            }
        };
        len = len.wrapping_add(usize::from(rest.len));
        pointers = pointers.saturating_add(rest.pointers);
        if len >= MAX_NAME {
            return Stop::bad(target, Fault::NameTooLong);
        }
        if pointers > MAX_POINTERS {
            return Stop::bad(target, Fault::TooManyPointers);
        }
        let measure = Measure {
            len: u8::try_from(len).unwrap_or(u8::MAX),
            pointers,
        };
        // Then the same way again, noting what is left at each place.
        at = target;
        while at != end {
            self.learn(at, len, pointers);
            match octets.get(at).copied() {
                Some(label @ 1..=63) => {
                    let step = usize::from(label).wrapping_add(1);
                    len = len.saturating_sub(step);
                    at = at.wrapping_add(step);
                }
                Some(high) => {
                    let Some(next) = pointer(octets, at, high) else {
                        break;
                    };
                    pointers = pointers.saturating_sub(1);
                    at = next;
                }
                None => break,
            }
        }
        self.learn(end, usize::from(rest.len), rest.pointers);
        Ok(measure)
    }
}
