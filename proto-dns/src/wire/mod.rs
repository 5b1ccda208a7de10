//! Pure parsing and building, without state: usable, and fuzzed, alone.
//!
//! A message can be read at three depths without an allocation: [`Header::peek`] looks at twelve
//! octets; [`Message::parse`] checks the whole and lets one walk over [`Record`]s; and
//! [`Record::data`] gives [`RData`] by type. [`Builder`] writes into a buffer of the caller's.

mod builder;
mod code;
mod edns;
mod header;
mod message;
mod name;
mod name_ref;
mod option;
mod question;
mod rdata;
mod record;
pub mod tcp;
pub(crate) mod text;

pub use builder::Builder;
pub use code::{Class, ExtendedErrorCode, Opcode, OptionCode, Rcode, Type};
pub use edns::{Edns, EdnsOption, Options};
pub use header::{Flags, Header};
pub use message::{MAX_MESSAGE, Message, MessageBuf, Questions, Records, Section};
pub use name::{MAX_LABEL, MAX_NAME, Name};
pub use name_ref::{Labels, NameRef};
pub use option::{ClientSubnet, KeyTags, Opt, ZoneVersion};
pub use question::{Question, QuestionRef};
pub use rdata::{Field, Fields, Kind, Mx, RData, Soa, Srv, SvcParams, Txt, TxtStrings, Value};
pub use record::Record;
pub use text::Fault as TextFault;

pub(crate) use name::label_starts;
pub(crate) use name_ref::skip as skip_name;
pub(crate) use rdata::parse::{parse as rdata_parse, rtype as rdata_type};
pub(crate) use rdata::schema::has_folded_names;
