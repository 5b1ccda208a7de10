//! Owned domain names.

use super::name_ref::{Labels, NameRef};
use crate::error::{NameError, NameFault};
use bytes::Bytes;
use core::cmp::Ordering;
use core::fmt;
use core::hash::{Hash, Hasher};
use core::str::FromStr;

/// Most octets of a name in wire form, the root's included (RFC 1035 section 2.3.4).
pub const MAX_NAME: usize = 255;
/// Most octets of a label (RFC 1035 section 2.3.4).
pub const MAX_LABEL: usize = 63;

/// An absolute domain name in uncompressed wire form.
///
/// Case is kept; comparing, ordering and hashing ignore it (RFC 4343). The order is the canonical
/// one (RFC 4034 section 6.1). Labels may hold any octets: a dot inside a label is not the dot
/// between two. Cloning and taking the [`parent`](Self::parent) copy nothing.
///
/// ```
/// use proto_dns::wire::Name;
///
/// let name: Name = "WWW.Example.com".parse()?;
/// assert_eq!(name, "www.example.com.".parse::<Name>()?);
/// assert_eq!(name.to_string(), "WWW.Example.com.");
/// assert!(name.is_at_or_below(&"example.com".parse::<Name>()?));
/// # Ok::<(), proto_dns::NameError>(())
/// ```
#[derive(Clone)]
pub struct Name {
    wire: Bytes,
}

impl Name {
    /// The name of the root.
    #[must_use]
    pub const fn root() -> Self {
        Self {
            wire: Bytes::from_static(&[0]),
        }
    }

    /// Reads an uncompressed name that is all of `wire`.
    ///
    /// # Errors
    ///
    /// [`NameFault::Wire`] when it is not exactly one uncompressed name.
    pub fn from_wire(wire: &[u8]) -> Result<Self, NameError> {
        match NameRef::from_wire(wire) {
            Ok(name) => Ok(name.to_name()),
            Err(error) => Err(NameError {
                offset: error.offset,
                fault: NameFault::Wire,
            }),
        }
    }

    /// Joins labels, the first one first, without the empty one of the root.
    ///
    /// # Errors
    ///
    /// [`NameError`] for a label that is empty or too long, or when the name gets too long; its
    /// offset counts octets of the wire form.
    pub fn from_labels<'a>(labels: impl IntoIterator<Item = &'a [u8]>) -> Result<Self, NameError> {
        let mut draft = Draft::new();
        for label in labels {
            for &octet in label {
                draft.push(octet)?;
            }
            draft.end_label()?;
        }
        Ok(draft.finish())
    }

    /// The uncompressed wire form, the root's octet included.
    #[must_use]
    pub fn as_wire(&self) -> &[u8] {
        &self.wire
    }

    /// The same name, borrowed.
    #[must_use]
    pub fn view(&self) -> NameRef<'_> {
        NameRef::new(&self.wire, 0)
    }

    /// The labels from the first to the last, without the empty one of the root.
    #[must_use]
    pub fn labels(&self) -> Labels<'_> {
        self.view().labels()
    }

    /// Whether this is the root.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.wire.len() <= 1
    }

    /// Whether the first label is an asterisk (RFC 4592 section 2.1.1).
    #[must_use]
    pub fn is_wildcard(&self) -> bool {
        self.wire.starts_with(b"\x01*")
    }

    /// The name without its first label; none above the root.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        let (&len, _) = self.wire.split_first()?;
        let skip = usize::from(len).saturating_add(1);
        (len > 0 && skip < self.wire.len()).then(|| Self {
            wire: self.wire.slice(skip..),
        })
    }

    /// The name with one more label in front.
    ///
    /// # Errors
    ///
    /// [`NameError`] for a label that is empty or too long, or when the name gets too long.
    pub fn child(&self, label: &[u8]) -> Result<Self, NameError> {
        Self::from_labels(core::iter::once(label).chain(self.labels()))
    }

    /// Whether this name is `other` or below it.
    #[must_use]
    pub fn is_at_or_below(&self, other: &Self) -> bool {
        self.view().is_at_or_below(other.view())
    }

    pub(crate) fn from_verified(wire: &[u8]) -> Self {
        Self {
            wire: Bytes::copy_from_slice(wire),
        }
    }
}

impl FromStr for Name {
    type Err = NameError;

    /// Reads the presentation form (RFC 1035 section 5.1). A name without a dot at its end is taken
    /// as absolute too.
    fn from_str(text: &str) -> Result<Self, NameError> {
        let octets = text.as_bytes();
        match octets {
            [] => {
                return Err(NameError {
                    offset: 0,
                    fault: NameFault::Empty,
                });
            }
            b"." => return Ok(Self::root()),
            _ => {}
        }
        let mut draft = Draft::new();
        let mut rest = octets.iter().copied().enumerate();
        let mut ended = false;
        while let Some((offset, octet)) = rest.next() {
            let at = |error: NameError| NameError { offset, ..error };
            ended = octet == b'.';
            match octet {
                b'.' => draft.end_label().map_err(at)?,
                b'\\' => {
                    let broken = NameError {
                        offset,
                        fault: NameFault::Escape,
                    };
                    let (_, next) = rest.next().ok_or(broken)?;
                    if next.is_ascii_digit() {
                        let mut value = u16::from(next.wrapping_sub(b'0'));
                        for _ in 0..2 {
                            let (_, digit) = rest.next().ok_or(broken)?;
                            if !digit.is_ascii_digit() {
                                return Err(broken);
                            }
                            value = value
                                .saturating_mul(10)
                                .saturating_add(u16::from(digit.wrapping_sub(b'0')));
                        }
                        draft
                            .push(u8::try_from(value).map_err(|_| broken)?)
                            .map_err(at)?;
                    } else {
                        draft.push(next).map_err(at)?;
                    }
                }
                _ => draft.push(octet).map_err(at)?,
            }
        }
        if !ended {
            draft.end_label().map_err(|error| NameError {
                offset: octets.len(),
                ..error
            })?;
        }
        Ok(draft.finish())
    }
}

/// A name in the making: the wire form grows in place, the length of the open label is filled in
/// when it ends.
struct Draft {
    wire: [u8; MAX_NAME],
    /// Where the length octet of the open label stands.
    label: usize,
    end: usize,
}

impl Draft {
    fn new() -> Self {
        Self {
            wire: [0; MAX_NAME],
            label: 0,
            end: 1,
        }
    }

    fn push(&mut self, octet: u8) -> Result<(), NameError> {
        if self.end.saturating_sub(self.label) > MAX_LABEL {
            return self.fail(NameFault::LabelTooLong);
        }
        // The last octet is kept for the root.
        if self.end >= MAX_NAME.saturating_sub(1) {
            return self.fail(NameFault::NameTooLong);
        }
        if let Some(place) = self.wire.get_mut(self.end) {
            *place = octet;
        }
        self.end = self.end.saturating_add(1);
        Ok(())
    }

    fn end_label(&mut self) -> Result<(), NameError> {
        let len = self.end.saturating_sub(self.label).saturating_sub(1);
        if len == 0 {
            return self.fail(NameFault::EmptyLabel);
        }
        if let (Some(place), Ok(len)) = (self.wire.get_mut(self.label), u8::try_from(len)) {
            *place = len;
        }
        self.label = self.end;
        self.end = self.end.saturating_add(1);
        Ok(())
    }

    fn finish(self) -> Name {
        Name::from_verified(self.wire.get(..=self.label).unwrap_or(&[0]))
    }

    fn fail<T>(&self, fault: NameFault) -> Result<T, NameError> {
        Err(NameError {
            offset: self.end,
            fault,
        })
    }
}

impl Default for Name {
    fn default() -> Self {
        Self::root()
    }
}

impl From<NameRef<'_>> for Name {
    fn from(name: NameRef<'_>) -> Self {
        name.to_name()
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        // A length octet is at most 63, below the letters: folding case leaves it alone.
        self.wire.eq_ignore_ascii_case(&other.wire)
    }
}

impl Eq for Name {}

impl PartialEq<NameRef<'_>> for Name {
    fn eq(&self, other: &NameRef<'_>) -> bool {
        self.view() == *other
    }
}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Name {
    fn cmp(&self, other: &Self) -> Ordering {
        canonical_cmp(&self.wire, &other.wire)
    }
}

impl Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        hash(&self.wire, state);
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_text(self.labels(), f)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The offsets of the labels of an uncompressed name, without the root's, and how many they are.
pub(crate) fn label_starts(wire: &[u8]) -> ([u8; 128], usize) {
    let mut starts = [0; 128];
    let (mut count, mut at) = (0usize, 0u8);
    while let Some(&len @ 1..=63) = wire.get(usize::from(at)) {
        let Some(start) = starts.get_mut(count) else {
            break;
        };
        *start = at;
        count = count.saturating_add(1);
        at = at.saturating_add(len).saturating_add(1);
    }
    (starts, count)
}

/// RFC 4034 section 6.1: names are sorted by their labels from the root on, each as an octet
/// string in lower case.
pub(crate) fn canonical_cmp(mine: &[u8], theirs: &[u8]) -> Ordering {
    let (my_starts, my_count) = label_starts(mine);
    let (their_starts, their_count) = label_starts(theirs);
    let label = |wire, start: &u8| label_at(wire, usize::from(*start));
    let my_labels = my_starts.iter().take(my_count).rev();
    let their_labels = their_starts.iter().take(their_count).rev();
    for (a, b) in my_labels.zip(their_labels) {
        let folded = |octet: &u8| octet.to_ascii_lowercase();
        let order = label(mine, a)
            .iter()
            .map(folded)
            .cmp(label(theirs, b).iter().map(folded));
        if order.is_ne() {
            return order;
        }
    }
    my_count.cmp(&their_count)
}

/// The text of the label that begins at `start`.
pub(crate) fn label_at(wire: &[u8], start: usize) -> &[u8] {
    let rest = wire.get(start..).unwrap_or_default();
    match rest.split_first() {
        Some((&len, rest)) => rest.get(..usize::from(len)).unwrap_or_default(),
        None => &[],
    }
}

pub(crate) fn hash<H: Hasher>(wire: &[u8], state: &mut H) {
    for octet in wire {
        state.write_u8(octet.to_ascii_lowercase());
    }
}

/// Presentation form with a dot at the end; what could be taken for something else is escaped
/// (RFC 1035 section 5.1, RFC 4343 section 2.1).
pub(crate) fn write_text(labels: Labels<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    use fmt::Write;
    let mut any = false;
    for label in labels {
        any = true;
        for &octet in label {
            match octet {
                b'.' | b'\\' | b'"' | b';' | b'(' | b')' | b'@' | b'$' => {
                    f.write_char('\\')?;
                    f.write_char(char::from(octet))?;
                }
                0x21..=0x7e => f.write_char(char::from(octet))?,
                _ => write!(f, "\\{octet:03}")?,
            }
        }
        f.write_char('.')?;
    }
    if any { Ok(()) } else { f.write_char('.') }
}
