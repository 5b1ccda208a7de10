//! What SMTP and LMTP peers say to each other: pure parsing and encoding, without any state.
//!
//! Values are checked when they are built; whoever holds one cannot smuggle a second line into the
//! output.

mod address;
mod command;
mod enhanced;
mod extension;
mod params;
mod reply;
mod xtext;

pub use crate::value::{Base64, InvalidArgument, Text};
pub use address::{AddressError, DomainKind, Mailbox, ReversePath};
pub use command::{Command, CommandError, CommandFault};
pub use enhanced::EnhancedCode;
pub use extension::{Extension, Extensions};
pub use params::{
    AuthParam, BodyType, ByMode, DeliverBy, Hold, MailFields, MailParams, Notify,
    OriginalRecipient, Parameter, RcptFields, RcptParams, Ret,
};
pub(crate) use reply::OkLines;
pub use reply::{Reply, ReplyDecoder, ReplyError, ReplyFault};
pub use xtext::{xtext_decode, xtext_encode};
