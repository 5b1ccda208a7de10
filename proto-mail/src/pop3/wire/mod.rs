//! What stands on the wire: pure parse and encode, no state but that of the line decoder.
//!
//! Commands are parsed as borrowed views of one line ([`Command::parse`]), replies as small owned
//! lines whose parts are looked up on demand ([`Reply`]). Every argument has a type of its own that
//! cannot hold CR, LF or NUL: what these types encode is one line, whatever the caller puts in.

mod apop;
mod args;
mod capability;
mod codec;
mod command;
mod listing;
mod reply;

pub use crate::value::{Base64, InvalidArgument, Text};
pub use apop::{Digest, Timestamp};
pub use args::{LanguageRange, Password, UniqueId};
pub use capability::{Capabilities, Capability, Expire};
pub use codec::{CommandDecoder, CommandLine, ReplyDecoder, ReplyLine};
pub use command::{Command, CommandError, CommandFault};
pub use listing::{ListItem, Stat, UniqueIdItem};
pub use reply::{Reply, ReplyError, ReplyFault, ResponseCode, Status};

pub(crate) use crate::value::{digits, parse_number};
pub(crate) use apop::put_hex;
pub(crate) use codec::challenge;
