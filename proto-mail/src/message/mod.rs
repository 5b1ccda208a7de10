//! Messages: what SMTP carries and POP3 and IMAP hand out (RFC 5322, MIME).
//!
//! [`Parser`] reads a message in one pass, in pieces of any size and in bounded memory: header fields
//! and entities with the places where they stand. [`Field`] reads what a field says. [`Tree`] keeps what
//! IMAP asks about: the envelope, the structure of bodies, where sections are.
//!
//! Reading is total: any octets are a message. What was not as it should be is noted in [`Repairs`], so
//! that a reader can be generous and a gateway strict.
//!
//! | | |
//! |---|---|
//! | header fields, folds, obsolete forms | RFC 5322, 6532 |
//! | addresses and groups, dates, message ids | RFC 5322 sections 3.3 to 3.6 |
//! | encoded words, parameters with charsets and continuations | RFC 2047, 2231 |
//! | entities, delimiters, digests, messages inside | RFC 2045, 2046, 2183 |
//! | base64, quoted-printable | RFC 2045 section 6 |
//! | charsets | feature `charset`; UTF-8, US-ASCII and ISO-8859-1 without it |

pub mod address;
mod build;
pub mod charset;
pub mod date;
pub mod encoded_word;
mod field;
pub mod id;
mod imap;
mod lexer;
mod limits;
mod name;
mod params;
mod parser;
mod received;
mod repairs;
mod section;
mod transfer;
mod tree;

pub use address::{Address, AddressList, Mailbox};
pub use build::{Body, BuildError, Builder, NameAddr};
pub use date::{DateError, DateTime};
pub use field::Field;
pub use limits::Limits;
pub use name::FieldName;
pub use params::{ContentType, Disposition, Encoding, Param, Params};
pub use parser::{Content, Event, Kind, OctetsKind, Parser, PartEnd, PartId};
pub use received::Received;
pub use repairs::Repairs;
pub use section::{Section, SectionText, select_fields};
pub use transfer::TransferDecoder;
pub use tree::{Envelope, Part, Tree};
