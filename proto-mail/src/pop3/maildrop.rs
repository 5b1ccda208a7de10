//! What a server session knows of its user's messages: sizes, unique-ids, and marks.

use super::wire::{InvalidArgument, ListItem, Stat, UniqueId, UniqueIdItem};
use alloc::vec::Vec;

/// The messages of one login, in order: message `n` is the `n`th that was pushed.
///
/// It is a snapshot: numbers, sizes and unique-ids stay as they are to the end of the session
/// (RFC 1939 section 5). It takes 12 octets and the length of the unique-id for each message.
///
/// ```
/// use proto_mail::pop3::Maildrop;
///
/// let mut maildrop = Maildrop::new();
/// maildrop.push(498, "first")?;
/// maildrop.push(912, "second")?;
/// assert_eq!((maildrop.len(), maildrop.stat().octets), (2, 1410));
/// # Ok::<(), proto_mail::pop3::wire::InvalidArgument>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Maildrop {
    sizes: Vec<u64>,
    /// Where each unique-id ends in `ids`.
    ends: Vec<u32>,
    ids: Vec<u8>,
    marks: Deleted,
    /// Octets of the messages without a mark.
    octets: u64,
}

impl Maildrop {
    /// A maildrop without messages.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a message.
    ///
    /// `octets` is its size as it will be sent, each line end counted as two octets
    /// ([`dot::transmitted_len`](crate::dot::transmitted_len)). Two messages may bear the same
    /// unique-id: RFC 1939 section 7 allows ids that are digests of the message, and asks clients
    /// to cope with identical copies.
    ///
    /// # Errors
    ///
    /// [`InvalidArgument`] when the unique-id has not 1 to 70 octets from 0x21 to 0x7E, or there is
    /// no room for more ids (4 GiB).
    pub fn push(
        &mut self,
        octets: u64,
        unique_id: impl AsRef<[u8]>,
    ) -> Result<(), InvalidArgument> {
        let id = UniqueId::new(unique_id)?;
        let end = self.ids.len().saturating_add(id.as_bytes().len());
        let end = u32::try_from(end).map_err(|_| InvalidArgument { offset: 0 })?;
        self.ids.extend_from_slice(id.as_bytes());
        self.ends.push(end);
        self.sizes.push(octets);
        self.octets = self.octets.saturating_add(octets);
        Ok(())
    }

    /// How many messages there are, those marked as deleted included.
    #[must_use]
    pub fn len(&self) -> u32 {
        // Cannot saturate: each message has an octet in `ids`, which is below 4 GiB.
        u32::try_from(self.sizes.len()).unwrap_or(u32::MAX)
    }

    /// Whether there is no message at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sizes.is_empty()
    }

    /// The drop listing: messages without a mark, and their octets.
    #[must_use]
    pub fn stat(&self) -> Stat {
        Stat {
            messages: self.len().saturating_sub(self.marks.len()),
            octets: self.octets,
        }
    }

    /// The scan listing of a message; nothing when there is none or it is marked as deleted.
    #[must_use]
    pub fn scan(&self, message: u32) -> Option<ListItem> {
        if self.marks.contains(message) {
            return None;
        }
        let index = index(message)?;
        let octets = *self.sizes.get(index)?;
        Some(ListItem { message, octets })
    }

    /// The unique-id of a message; nothing when there is none or it is marked as deleted.
    #[must_use]
    pub fn unique_id(&self, message: u32) -> Option<UniqueIdItem> {
        if self.marks.contains(message) {
            return None;
        }
        let index = index(message)?;
        let start = match index.checked_sub(1) {
            Some(before) => usize::try_from(*self.ends.get(before)?).ok()?,
            None => 0,
        };
        let end = usize::try_from(*self.ends.get(index)?).ok()?;
        let unique_id = UniqueId::new(self.ids.get(start..end)?).ok()?;
        Some(UniqueIdItem { message, unique_id })
    }

    /// Marks a message as deleted; false when there is none or it has its mark already.
    pub(crate) fn mark(&mut self, message: u32) -> bool {
        let Some(item) = self.scan(message) else {
            return false;
        };
        self.octets = self.octets.saturating_sub(item.octets);
        self.marks.insert(message);
        true
    }

    /// Takes all marks away.
    pub(crate) fn unmark_all(&mut self) {
        self.marks = Deleted::default();
        self.octets = self.sizes.iter().fold(0, |sum, &octets| {
            // As in `push`.
            sum.saturating_add(octets)
        });
    }

    pub(crate) fn into_marks(self) -> Deleted {
        self.marks
    }
}

/// The messages that a client wants to be gone, by their numbers in the session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deleted {
    /// One bit for each message, the first one lowest in the first octet.
    bits: Vec<u8>,
    len: u32,
}

impl Deleted {
    /// How many they are.
    #[must_use]
    pub fn len(&self) -> u32 {
        self.len
    }

    /// Whether nothing is to be deleted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether message number `message` is one of them.
    #[must_use]
    pub fn contains(&self, message: u32) -> bool {
        let (octet, bit) = position(message);
        self.bits.get(octet).is_some_and(|bits| bits & bit != 0)
    }

    /// Their numbers, in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = u32> {
        let octets = u32::try_from(self.bits.len()).unwrap_or(u32::MAX);
        (1..=octets.saturating_mul(8)).filter(|&message| self.contains(message))
    }

    fn insert(&mut self, message: u32) {
        let (octet, bit) = position(message);
        if self.bits.len() <= octet {
            self.bits.resize(octet.saturating_add(1), 0);
        }
        if let Some(bits) = self.bits.get_mut(octet) {
            *bits |= bit;
            self.len = self.len.saturating_add(1);
        }
    }
}

/// The place of message number 1, 2, 3... in a list.
fn index(message: u32) -> Option<usize> {
    usize::try_from(message.checked_sub(1)?).ok()
}

fn position(message: u32) -> (usize, u8) {
    match index(message) {
        Some(index) => (index / 8, 1 << (index % 8)),
        None => (usize::MAX, 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ten() -> Maildrop {
        let mut maildrop = Maildrop::new();
        for size in 1..=10_u64 {
            maildrop.push(size, alloc::format!("id{size}")).unwrap();
        }
        maildrop
    }

    #[test]
    fn marks_count_once_and_can_be_taken_back() {
        let mut maildrop = ten();
        assert!(maildrop.mark(3) && maildrop.mark(10) && !maildrop.mark(3));
        assert!(!maildrop.mark(0) && !maildrop.mark(11) && !maildrop.mark(u32::MAX));
        let stat = Stat {
            messages: 8,
            octets: 42,
        };
        assert_eq!(maildrop.stat(), stat);
        assert_eq!(maildrop.scan(3), None);
        assert_eq!(maildrop.unique_id(10), None);
        assert!(maildrop.clone().into_marks().iter().eq([3, 10]));
        maildrop.unmark_all();
        assert_eq!(maildrop.stat().octets, 55);
        assert!(maildrop.into_marks().is_empty());
    }

    #[test]
    fn unique_ids_stay_with_their_messages() {
        let maildrop = ten();
        for message in 1..=10 {
            let item = maildrop.unique_id(message).unwrap();
            assert_eq!(item.unique_id.as_str(), alloc::format!("id{message}"));
        }
        assert_eq!(maildrop.unique_id(0), None);
        assert_eq!(maildrop.unique_id(11), None);
    }

    #[test]
    fn equal_unique_ids_are_allowed_and_invalid_ones_are_not() {
        let mut maildrop = ten();
        assert!(maildrop.push(1, "id1").is_ok());
        assert!(maildrop.push(1, "").is_err());
        assert!(maildrop.push(1, [b'x'; 71]).is_err());
        assert_eq!(maildrop.len(), 11);
    }
}
