//! `dns-protocol`.

use super::{Digest, Walk};
use dns_protocol::{Message, Question, ResourceRecord};

/// dns-protocol, which borrows everything and knows no types of data.
#[derive(Debug)]
pub struct Protocol;

impl Walk for Protocol {
    const NAME: &'static str = "dns-protocol 0.1.2";

    fn walk(octets: &[u8]) -> Option<u64> {
        // Its caller provides the room; as much as these messages need.
        let mut questions = [Question::default(); 1];
        let mut answers = [ResourceRecord::default(); 8];
        let mut authorities = [ResourceRecord::default(); 13];
        let mut additional = [ResourceRecord::default(); 27];
        let message = Message::read(
            octets,
            &mut questions,
            &mut answers,
            &mut authorities,
            &mut additional,
        )
        .ok()?;
        let mut digest = Digest::default();
        for question in message.questions() {
            digest.add(u16::from(question.ty()));
        }
        let sections = [
            message.answers(),
            message.authorities(),
            message.additional(),
        ];
        for record in sections.into_iter().flatten() {
            digest.add(u16::from(record.ty()));
            digest.add(record.ttl());
            digest.add_len(record.data().len());
        }
        Some(digest.0)
    }
}
