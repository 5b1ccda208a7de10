//! The numbers in replies: drop listing, scan listing, unique-id listing.

use super::args::parse_message;
use super::{ReplyError, ReplyFault, UniqueId, parse_number};
use crate::value::digits;
use bytes::BytesMut;
use nom::bytes::complete::{take_till, take_till1, take_while1};
use nom::combinator::{map_opt, map_res};
use nom::sequence::separated_pair;
use nom::{IResult, Parser};

/// A drop listing: what STAT says (RFC 1939 section 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// Messages that are not marked as deleted.
    pub messages: u32,
    /// Octets of those messages.
    pub octets: u64,
}

impl Stat {
    /// Parses the text of a reply; what follows the two numbers is ignored.
    ///
    /// # Errors
    ///
    /// [`ReplyFault::Listing`].
    pub fn parse(text: &[u8]) -> Result<Self, ReplyError> {
        let messages = map_opt(word, |text| u32::try_from(parse_number(text)?).ok());
        let (_, (messages, octets)) = separated_pair(messages, blanks, number)
            .parse(text)
            .map_err(|_| ReplyFault::Listing.at(0))?;
        Ok(Self { messages, octets })
    }

    /// Appends the two numbers to `dst`.
    pub fn encode(&self, dst: &mut BytesMut) {
        digits(u64::from(self.messages), dst);
        dst.extend_from_slice(b" ");
        digits(self.octets, dst);
    }
}

/// One line of a scan listing: what LIST says of a message (RFC 1939 section 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListItem {
    /// The number of the message in this session.
    pub message: u32,
    /// Its size in octets.
    pub octets: u64,
}

impl ListItem {
    /// Parses a line; what follows the two numbers is ignored, as RFC 1939 allows servers to say
    /// more there.
    ///
    /// # Errors
    ///
    /// [`ReplyFault::Listing`].
    pub fn parse(line: &[u8]) -> Result<Self, ReplyError> {
        let (_, (message, octets)) = separated_pair(message, blanks, number)
            .parse(line)
            .map_err(|_| ReplyFault::Listing.at(0))?;
        Ok(Self { message, octets })
    }

    /// Appends the two numbers to `dst`.
    pub fn encode(&self, dst: &mut BytesMut) {
        digits(u64::from(self.message), dst);
        dst.extend_from_slice(b" ");
        digits(self.octets, dst);
    }
}

/// One line of a unique-id listing: what UIDL says of a message (RFC 1939 section 7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UniqueIdItem {
    /// The number of the message in this session.
    pub message: u32,
    /// Its name in all sessions.
    pub unique_id: UniqueId,
}

impl UniqueIdItem {
    /// Parses a line.
    ///
    /// # Errors
    ///
    /// [`ReplyFault::Listing`] when there is no message number, [`ReplyFault::UniqueId`] when what
    /// follows it is no unique-id.
    pub fn parse(line: &[u8]) -> Result<Self, ReplyError> {
        let id = map_res(take_till(|octet| octet == b' '), UniqueId::new);
        let (rest, message) = message(line).map_err(|_| ReplyFault::Listing.at(0))?;
        let offset = line.len().saturating_sub(rest.len());
        let (_, (_, unique_id)) = (blanks, id)
            .parse(rest)
            .map_err(|_| ReplyFault::UniqueId.at(offset))?;
        Ok(Self { message, unique_id })
    }

    /// Appends number and unique-id to `dst`.
    pub fn encode(&self, dst: &mut BytesMut) {
        digits(u64::from(self.message), dst);
        dst.extend_from_slice(b" ");
        dst.extend_from_slice(self.unique_id.as_bytes());
    }
}

fn blanks(text: &[u8]) -> IResult<&[u8], &[u8]> {
    take_while1(|octet| octet == b' ').parse(text)
}

fn word(text: &[u8]) -> IResult<&[u8], &[u8]> {
    take_till1(|octet| octet == b' ').parse(text)
}

fn number(text: &[u8]) -> IResult<&[u8], u64> {
    map_opt(word, parse_number).parse(text)
}

fn message(text: &[u8]) -> IResult<&[u8], u32> {
    map_opt(word, |text| parse_message(text).map(|number| number.get())).parse(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_lie_are_errors() {
        for bad in [
            &b""[..],
            b"1",
            b"1 ",
            b"a 1",
            b"1 b",
            b"1 18446744073709551616",
            b"-1 2",
        ] {
            assert!(Stat::parse(bad).is_err(), "{bad:?}");
            assert!(ListItem::parse(bad).is_err(), "{bad:?}");
        }
        assert!(ListItem::parse(b"0 5").is_err(), "no message has number 0");
        assert!(ListItem::parse(b"4294967296 5").is_err());
        let octets = u64::MAX;
        let item = ListItem::parse(b"4294967295  18446744073709551615 more");
        assert_eq!(
            item,
            Ok(ListItem {
                message: u32::MAX,
                octets
            })
        );
    }

    #[test]
    fn a_unique_id_above_70_octets_is_an_error() {
        let line = [&b"1 "[..], &[b'x'; 71]].concat();
        let error = UniqueIdItem::parse(&line).unwrap_err();
        assert_eq!(error, ReplyFault::UniqueId.at(1));
        assert!(UniqueIdItem::parse(b"1").is_err());
        assert!(UniqueIdItem::parse(b"1 ").is_err());
    }
}
