//! What travels on the control connection: pure parsing and encoding, no state beyond one line.
//!
//! Names and arguments are octets, never text: a name that is no UTF-8 makes the round trip.

mod command;
mod datetime;
mod facts;
mod feat;
mod hostport;
mod line;
pub(crate) mod octets;
mod path;
mod reply;

pub use command::{Arg, ArgError, Command, CommandError, Verb};
pub use datetime::{DateTime, unix_seconds};
pub use facts::{Fact, Facts, parse_facts};
pub use feat::{Feature, Features};
pub use hostport::{
    HostPort, HostPortError, Protocol, parse_eprt, parse_epsv_reply, parse_pasv_reply, parse_port,
    put_eprt, put_port,
};
pub(crate) use line::{Found, strip as strip_line};
pub use line::{Frame, LineDecoder};
pub use path::{PathError, VirtualPath, parse_quoted, put_quoted};
pub use reply::{Reply, ReplyDecoder, ReplyError};
pub(crate) use reply::{put_path_reply, put_reply};
