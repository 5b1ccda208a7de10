//! What queries of all client machines have in common: their options, their octets, and how a reply
//! is recognised.

use crate::random::Random;
use crate::wire::{
    Builder, Edns, Flags, Header, MAX_NAME, Message, NameRef, Opcode, Options, Question,
    QuestionRef,
};
use bytes::Bytes;

/// How to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueryOptions {
    /// Ask the server to find the answer elsewhere (RD). Default true.
    pub recursion_desired: bool,
    /// Ask for DNSSEC records (DO). Needs EDNS. Default false.
    pub dnssec_ok: bool,
    /// Ask the server not to validate (CD). Default false.
    pub checking_disabled: bool,
    /// Send an OPT record. Default true.
    pub edns: bool,
    /// Ask over TCP from the start. Default false.
    pub tcp: bool,
}

impl Default for QueryOptions {
    fn default() -> Self {
        Self {
            recursion_desired: true,
            dnssec_ok: false,
            checking_disabled: false,
            edns: true,
            tcp: false,
        }
    }
}

/// Octets of the longest query: header, question, OPT, and options of some length.
const MAX_QUERY: usize = Header::LEN + MAX_NAME + 4 + 11 + 512;

/// The octets of a query; with EDNS if a payload size and options in wire form are given, in mixed
/// case if a source is.
pub(super) fn encode(
    question: &Question,
    options: QueryOptions,
    id: u16,
    edns: Option<(u16, &[u8])>,
    mix: Option<&mut Random>,
) -> Bytes {
    let mut wire = [0; MAX_NAME];
    let name = question.name.as_wire();
    if let Some(copy) = wire.get_mut(..name.len()) {
        copy.copy_from_slice(name);
        if let Some(random) = mix {
            // Length octets are no letters.
            random.mix_case(copy);
        }
    }
    let flags = Flags::default()
        .with(Flags::RD, options.recursion_desired)
        .with(Flags::CD, options.checking_disabled);
    let mut buffer = [0; MAX_QUERY];
    let built = Builder::new(&mut buffer, id, flags).and_then(|mut builder| {
        if let Some((udp_payload, wire)) = edns {
            let mut edns = Edns::new(udp_payload);
            edns.dnssec_ok = options.dnssec_ok;
            builder.set_edns(&edns)?;
            // Options that are broken, or too long, are left out.
            if let Ok(wire) = Options::from_wire(wire) {
                edns.options = wire;
                let _ = builder.set_edns(&edns);
            }
        }
        let name = NameRef::new(&wire, 0);
        builder.push_question(name, question.qtype, question.qclass)?;
        Ok(builder.finish())
    });
    // The buffer holds the longest query there is.
    Bytes::copy_from_slice(built.unwrap_or_default())
}

/// Where the question ends in a query of ours: its name is not compressed.
pub(super) fn question_end(question: &Question) -> usize {
    let name = question.name.as_wire().len();
    Header::LEN.saturating_add(name).saturating_add(4)
}

/// Whether a checked message is the reply to a question, the case of its letters aside.
pub(super) fn answers(message: &Message<'_>, question: QuestionRef<'_>) -> bool {
    let flags = message.header().flags;
    flags.is_response() && flags.opcode() == Opcode::QUERY && message.question() == Some(question)
}
